//! QUIC endpoints: listening for and dialling other installations. The only file that configures quinn.
//!
//! An endpoint makes connections and says what they are for, by ALPN; whether the other side is somebody is not known
//! here. Everything that a stranger can make us hold is bounded in [`Settings`].

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ConnectionError, VarInt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::carrier::Carrier;
use super::exchange::{EXCHANGE_TIME_MAX, Exchange};
use super::places::{Bounds, Holder, Kind, KnownKeys, Origin, Place, Places, Probation};
use crate::door::{self, Clock};
use crate::recurring::Recurring;
use crate::tls::{self, InstanceIdentity};

/// ALPN of sessions.
pub const ALPN_SESSION: &[u8] = b"zongheng/1";
/// ALPN of admission.
pub const ALPN_JOIN: &[u8] = b"zongheng-join/1";

/// Bounds of an endpoint's connections. The memory that quinn may hold is about trusted connections × (connection window
/// + send window) + places of strangers × [`Settings::UNTRUSTED_WINDOW`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// Bytes that a peer may send ahead on one stream.
    pub stream_window: u32,
    /// Bytes that a peer may send ahead on all streams, once it is trusted.
    pub connection_window: u32,
    /// Bytes that we send ahead of acknowledgement.
    pub send_window: u32,
    /// The socket's receive and send buffers; the system may give less.
    pub socket_buffer: usize,
    /// Connections at once of every kind, those that are being closed included; a quarter of them is kept for addresses
    /// of known parties.
    pub connections_max: usize,
    /// Connections whose handshake is under way.
    pub handshakes: Bounds,
    /// The same, from addresses of known parties.
    pub known_handshakes: Bounds,
    /// Newcomers.
    pub joins: Bounds,
    /// Sessions whose other side has not proven who it is.
    pub strangers: Bounds,
    /// The same, with the TLS key of a known party; the share is that of a key.
    pub known: Bounds,
    /// A handshake that we begin must be done within this.
    pub handshake_time_max: Duration,
    /// Who comes must have proven within this who it is, or have said the first word of its exchange; whatever it sends
    /// meanwhile does not make it longer.
    pub greeting_time_max: Duration,
    /// The same for who has the TLS key of a known party.
    pub known_time_max: Duration,
    /// A connection is given up after this much silence.
    pub idle: Duration,
    /// The dialling side breaks silence after this.
    pub keep_alive: Duration,
    /// Whether larger packets than 1200 bytes are tried; off for networks that swallow them.
    pub find_larger_packets: bool,
}

impl Settings {
    /// Bytes that a stranger may send ahead.
    pub const UNTRUSTED_WINDOW: u32 = 256 << 10;

    fn transport(&self, dialling: bool) -> quinn::TransportConfig {
        let mut t = quinn::TransportConfig::default();
        let idle = quinn::IdleTimeout::try_from(self.idle)
            .unwrap_or_else(|_| quinn::IdleTimeout::from(VarInt::from_u32(45_000)));
        t.max_idle_timeout(Some(idle))
            .keep_alive_interval(dialling.then_some(self.keep_alive))
            .stream_receive_window(self.stream_window.into())
            .receive_window(Self::UNTRUSTED_WINDOW.into())
            .send_window(self.send_window.into())
            .max_concurrent_bidi_streams(1u32.into())
            .max_concurrent_uni_streams(8u32.into())
            .datagram_receive_buffer_size(None);
        if !self.find_larger_packets {
            t.mtu_discovery_config(None);
        }
        t
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stream_window: 8 << 20,
            connection_window: 32 << 20,
            send_window: 16 << 20,
            socket_buffer: 4 << 20,
            connections_max: 2_048,
            handshakes: Bounds {
                places: 128,
                share: 16,
            },
            known_handshakes: Bounds {
                places: 128,
                share: 64,
            },
            joins: Bounds {
                places: 64,
                share: 16,
            },
            strangers: Bounds {
                places: 64,
                share: 8,
            },
            known: Bounds {
                places: 256,
                share: 2,
            },
            handshake_time_max: Duration::from_secs(10),
            greeting_time_max: Duration::from_secs(5),
            known_time_max: Duration::from_secs(20),
            idle: Duration::from_secs(45),
            keep_alive: Duration::from_secs(10),
            find_larger_packets: true,
        }
    }
}

/// Why an endpoint could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The system refuses the address.
    #[error("UDP 地址 {address} 无法使用，可能已被占用或不属于本机")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The TLS settings do not work with this certificate.
    #[error("实例证书不能用于链路：{detail}")]
    Identity {
        /// What the library said.
        detail: String,
    },
}

/// Why a peer could not be reached. The check ids are those of `doctor`.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name does not resolve.
    #[error("NET-01 地址 {address} 无法解析，应为 `主机名:端口` 或 `IP:端口`；请检查域名解析")]
    Name {
        /// As configured.
        address: String,
        /// What the system said.
        source: Option<io::Error>,
    },
    /// Nothing answered.
    #[error("NET-03 {address} 的 UDP 端口无响应；请检查对端是否运行、沿途防火墙是否双向放行 UDP")]
    Silent {
        /// As configured.
        address: String,
    },
    /// The peer answered that it takes no connection now.
    #[error("NET-04 {address} 暂不接受连接（繁忙或正在停机），稍后自动重试")]
    Refused {
        /// As configured.
        address: String,
    },
    /// Something answered, but not as our software does.
    #[error("TLS-02 与 {address} 握手失败，对端不是本系统节点或中间设备改写了流量：{detail}")]
    Handshake {
        /// As configured.
        address: String,
        /// What the library said.
        detail: String,
    },
    /// The fault is here.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}

/// What arrived at a listener.
pub enum Arrival {
    /// Somebody wants a session.
    Session(Carrier),
    /// Somebody wants to be admitted.
    Join(Exchange),
}

/// A listening endpoint.
pub struct Listener {
    endpoint: quinn::Endpoint,
    address: SocketAddr,
    arrivals: mpsc::Receiver<Arrival>,
    known: KnownKeys,
}

impl Listener {
    /// Listens. [`Listener::known_keys`] is empty at first. Must be called within the asynchronous runtime.
    pub fn listen(
        address: SocketAddr,
        identity: &InstanceIdentity,
        settings: Settings,
    ) -> Result<Self, EndpointError> {
        let tls = identity
            .server_config(&[ALPN_SESSION, ALPN_JOIN])
            .map_err(unusable)?;
        let tls = QuicServerConfig::try_from(tls).map_err(unusable)?;
        let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
        config
            .transport_config(Arc::new(settings.transport(false)))
            .max_incoming(settings.handshakes.places + settings.known_handshakes.places)
            .incoming_buffer_size(64 << 10)
            .incoming_buffer_size_total(8 << 20);
        let endpoint = open(address, Some(config), identity, settings.socket_buffer)?;
        let address = endpoint
            .local_addr()
            .map_err(|source| EndpointError::Bind { address, source })?;
        let (sender, arrivals) = mpsc::channel(16);
        let known = KnownKeys::new();
        tokio::spawn(accept(
            endpoint.clone(),
            Arc::new(settings),
            known.clone(),
            sender,
        ));
        Ok(Self {
            endpoint,
            address,
            arrivals,
            known,
        })
    }

    /// The keys of parties that always get in. Whoever proves itself in a session is added.
    pub fn known_keys(&self) -> KnownKeys {
        self.known.clone()
    }

    /// Where it listens, for a configured port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next arrival whose handshake is done; `None` after [`Listener::refuse_new`].
    pub async fn accept(&mut self) -> Option<Arrival> {
        self.arrivals.recv().await
    }

    /// Takes no more connections; those that stand go on.
    pub fn refuse_new(&mut self) {
        self.endpoint.set_server_config(None);
        self.arrivals.close();
    }

    /// Ends the connections that still stand, this also ends the accepting task and frees the socket. Sessions have said
    /// goodbye before.
    pub async fn close(mut self) {
        self.refuse_new();
        self.endpoint.close(VarInt::from_u32(0), b"");
        // a peer that never answers must not hold up our end
        let _ = timeout(CLOSE_TIME_MAX, self.endpoint.wait_idle()).await;
    }
}

/// Dials other installations.
pub struct Dialer {
    v4: Option<quinn::Endpoint>,
    v6: Option<quinn::Endpoint>,
    session: quinn::ClientConfig,
    join: quinn::ClientConfig,
    settings: Settings,
}

impl Dialer {
    /// Opens the sockets for dialling. Must be called within the asynchronous runtime.
    pub fn new(identity: &InstanceIdentity, settings: Settings) -> Result<Self, EndpointError> {
        let transport = Arc::new(settings.transport(true));
        let config = |alpn: &[u8]| -> Result<quinn::ClientConfig, EndpointError> {
            let tls = identity.client_config(&[alpn]).map_err(unusable)?;
            let tls = QuicClientConfig::try_from(tls).map_err(unusable)?;
            let mut config = quinn::ClientConfig::new(Arc::new(tls));
            config.transport_config(transport.clone());
            Ok(config)
        };
        let any =
            |ip: std::net::IpAddr| open((ip, 0).into(), None, identity, settings.socket_buffer);
        let v4 = any(Ipv4Addr::UNSPECIFIED.into());
        // many government networks have no IPv6; without IPv4 it is the one that must work
        let v6 = any(Ipv6Addr::UNSPECIFIED.into());
        let (v4, v6) = match (v4, v6) {
            (Err(error), Err(_)) => return Err(error),
            (v4, v6) => (v4.ok(), v6.ok()),
        };
        Ok(Self {
            v4,
            v6,
            session: config(ALPN_SESSION)?,
            join: config(ALPN_JOIN)?,
            settings,
        })
    }

    /// Dials `host:port` for a session.
    pub async fn session(&self, address: &str) -> Result<Carrier, DialError> {
        let connection = self.connect(address, &self.session).await?;
        Carrier::over(connection, Role::Dialled, &self.settings, None)
            .await
            .map_err(|detail| handshake(address, detail))
    }

    /// Dials `host:port` for admission.
    pub async fn join(&self, address: &str) -> Result<Exchange, DialError> {
        let connection = self.connect(address, &self.join).await?;
        Exchange::dialled(connection)
            .await
            .map_err(|detail| handshake(address, detail))
    }

    async fn connect(
        &self,
        address: &str,
        config: &quinn::ClientConfig,
    ) -> Result<quinn::Connection, DialError> {
        let name = |source| DialError::Name {
            address: address.to_owned(),
            source,
        };
        let found = tokio::net::lookup_host(address)
            .await
            .map_err(|source| name(Some(source)))?;
        let mut last = name(None);
        for to in found.take(ADDRESSES_MAX) {
            let endpoint = match to {
                SocketAddr::V4(_) => self.v4.as_ref(),
                SocketAddr::V6(_) => self.v6.as_ref(),
            };
            let Some(endpoint) = endpoint else { continue };
            let connecting = match endpoint.connect_with(config.clone(), to, tls::SERVER_NAME) {
                Ok(connecting) => connecting,
                Err(error) => {
                    last = handshake(address, error.to_string());
                    continue;
                }
            };
            last = match timeout(self.settings.handshake_time_max, connecting).await {
                Ok(Ok(connection)) => return Ok(connection),
                Err(_) | Ok(Err(ConnectionError::TimedOut)) => DialError::Silent {
                    address: address.to_owned(),
                },
                Ok(Err(error)) if is_refusal(&error) => DialError::Refused {
                    address: address.to_owned(),
                },
                Ok(Err(error)) => handshake(address, error.to_string()),
            };
        }
        Err(last)
    }

    /// Ends all connections that it dialled and waits until their closing has been sent.
    pub async fn close(&self) {
        for endpoint in [&self.v4, &self.v6].into_iter().flatten() {
            endpoint.close(VarInt::from_u32(0), b"");
            // a peer that never answers must not hold up our end
            let _ = timeout(CLOSE_TIME_MAX, endpoint.wait_idle()).await;
        }
    }
}

/// Which side of a connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// We dialled.
    Dialled,
    /// We were dialled.
    Accepted,
}

/// Connection ids that mean nothing: a packet for one that nobody knows was meant for the process before us.
struct ConnectionIds;

impl quinn::ConnectionIdGenerator for ConnectionIds {
    fn generate_cid(&mut self) -> quinn::ConnectionId {
        quinn::ConnectionId::new(&door::random::<8>())
    }

    fn cid_len(&self) -> usize {
        8
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// The key of stateless resets outlives the process: a peer of a node that was killed learns so from the first packet
/// that the restarted node gets, and need not wait for silence to be long enough.
fn lasting(identity: &InstanceIdentity) -> quinn::EndpointConfig {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &identity.reset_seed());
    let mut config = quinn::EndpointConfig::new(Arc::new(key));
    config.cid_generator(|| Box::new(ConnectionIds));
    config
}

fn open(
    address: SocketAddr,
    server: Option<quinn::ServerConfig>,
    identity: &InstanceIdentity,
    buffer: usize,
) -> Result<quinn::Endpoint, EndpointError> {
    let bind = |source| EndpointError::Bind { address, source };
    let socket = UdpSocket::bind(address).map_err(bind)?;
    let state = quinn::udp::UdpSocketState::new((&socket).into()).map_err(bind)?;
    for set in [
        state.set_recv_buffer_size((&socket).into(), buffer),
        state.set_send_buffer_size((&socket).into(), buffer),
    ] {
        if let Err(error) = set {
            tracing::warn!(%error, "socket buffer could not be enlarged");
        }
    }
    let runtime = Arc::new(quinn::TokioRuntime);
    quinn::Endpoint::new(lasting(identity), server, socket, runtime).map_err(bind)
}

async fn accept(
    endpoint: quinn::Endpoint,
    settings: Arc<Settings>,
    known: KnownKeys,
    arrivals: mpsc::Sender<Arrival>,
) {
    let places = Places::new([
        settings.handshakes,
        settings.known_handshakes,
        settings.joins,
        settings.strangers,
        settings.known,
    ]);
    let unproven = Arc::new(Mutex::new(Recurring::default()));
    while let Some(incoming) = endpoint.accept().await {
        let origin = Origin::of(incoming.remote_address().ip());
        let (kind, connections_max) = if known.knows_origin(&origin) {
            (Kind::KnownAddress, settings.connections_max)
        } else {
            (Kind::Handshake, settings.connections_max / 4 * 3)
        };
        if endpoint.open_connections() >= connections_max {
            incoming.refuse();
            continue;
        }
        // under pressure, who is not really at the address it names gets nothing
        if places.is_pressed(kind) && !incoming.remote_address_validated() && incoming.may_retry() {
            // `retry` fails only where `may_retry` says no
            let _ = incoming.retry();
            continue;
        }
        let place = places.enter(kind, Holder::Origin(origin));
        let (settings, arrivals) = (settings.clone(), arrivals.clone());
        let (known, unproven) = (known.clone(), unproven.clone());
        tokio::spawn(async move {
            let remote = incoming.remote_address();
            let deadline = sleep(settings.greeting_time_max).deadline();
            let lost = place.lost();
            let why = tokio::select! {
                greeted = timeout_at(deadline, greet(incoming, &settings, place, deadline, known)) => match greeted {
                    Ok(Ok(arrival)) => {
                        // nobody accepts any more: dropping the arrival closes it
                        let _ = arrivals.send(arrival).await;
                        return;
                    }
                    Ok(Err(error)) => error,
                    Err(_) => "not done in time".to_owned(),
                },
                () = lost.cancelled() => "its place has gone to another".to_owned(),
            };
            tracing::debug!(%remote, error = %why, "handshake failed");
            // anybody can cause this as often as he likes
            let told = lock(&unproven).note("handshake", Clock::system().since_start());
            if let Some(times) = told {
                tracing::info!(%remote, error = %why, times, "handshakes failed, this is the last of them");
            }
        });
    }
}

async fn greet(
    incoming: quinn::Incoming,
    settings: &Settings,
    mut place: Place,
    deadline: Instant,
    known: KnownKeys,
) -> Result<Arrival, String> {
    let connection = incoming.await.map_err(|error| error.to_string())?;
    let alpn = connection
        .handshake_data()
        .and_then(|data| data.downcast::<quinn::crypto::rustls::HandshakeData>().ok())
        .and_then(|data| data.protocol);
    let (key, _) = proof(&connection)?;
    let origin = Origin::of(connection.remote_address().ip());
    let is_session = alpn.as_deref() == Some(ALPN_SESSION);
    let mut deadline = deadline;
    match alpn.as_deref() {
        Some(ALPN_SESSION) if known.knows(&key) => {
            place.move_to(Kind::KnownKey, Holder::Key(key));
            deadline += settings
                .known_time_max
                .saturating_sub(settings.greeting_time_max);
        }
        Some(ALPN_SESSION) => place.move_to(Kind::Session, Holder::Origin(origin)),
        Some(ALPN_JOIN) => place.move_to(Kind::Join, Holder::Origin(origin)),
        _ => return Err("no protocol in common".to_owned()),
    }
    let probation = Probation {
        place,
        deadline,
        key,
        origin,
        known,
    };
    if is_session {
        Carrier::over(connection, Role::Accepted, settings, Some(probation))
            .await
            .map(Arrival::Session)
    } else {
        let rest = EXCHANGE_TIME_MAX.saturating_sub(settings.greeting_time_max);
        Exchange::accepted(connection, probation, deadline + rest)
            .await
            .map(Arrival::Join)
    }
}

/// Whether the other side closed of its own will before the handshake was done: it has no place for us now.
fn is_refusal(error: &ConnectionError) -> bool {
    match error {
        ConnectionError::ApplicationClosed(_) => true,
        ConnectionError::ConnectionClosed(close) => matches!(
            close.error_code,
            quinn::TransportErrorCode::CONNECTION_REFUSED
                | quinn::TransportErrorCode::APPLICATION_ERROR
        ),
        _ => false,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The peer's key and the exporter value of a connection.
pub(super) fn proof(connection: &quinn::Connection) -> Result<([u8; 32], [u8; 32]), String> {
    let certificates = connection
        .peer_identity()
        .and_then(|any| {
            any.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>()
                .ok()
        })
        .ok_or("the peer showed no certificate")?;
    let certificate = certificates
        .first()
        .ok_or("the peer showed no certificate")?;
    let key = tls::key_hash(certificate).map_err(|error| error.to_string())?;
    let mut exporter = [0; 32];
    connection
        .export_keying_material(&mut exporter, EXPORTER_LABEL, b"")
        .map_err(|_| "no exporter value")?;
    Ok((key, exporter))
}

fn unusable(error: impl std::fmt::Display) -> EndpointError {
    EndpointError::Identity {
        detail: error.to_string(),
    }
}

fn handshake(address: &str, detail: String) -> DialError {
    DialError::Handshake {
        address: address.to_owned(),
        detail,
    }
}

const EXPORTER_LABEL: &[u8] = b"EXPORTER-zongheng-1";
/// Our last word is on its way at once; this long it is waited for that the other side has heard it.
const CLOSE_TIME_MAX: Duration = Duration::from_millis(300);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;
