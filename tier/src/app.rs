//! Composition: opens what a node is made of, starts its workers, stops them in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use node::config::{Config, TlsConfig};
use node::home::{Credentials, Home};
use node::host::NodeHost;
use node::node::Parts;
use node::reporter::Reporter;
use node::{Node, Tier, service};
use protocol::name::{FeedId, Incarnation, InstanceId};
use protocol::statement::SeatKind;
use runtime::config::ConfigError;
use runtime::disk::Disk;
use runtime::door::{self, Clock, TestMarker};
use runtime::files::{self, FolderLock, LockError};
use runtime::link::endpoint::{Listener, Settings};
use runtime::link::registry::Links;
use runtime::listener::authority::Authority;
use runtime::listener::https::{Https, HttpsError};
use runtime::status::{Page, Status};
use runtime::telemetry::Metrics;
use runtime::tls::InstanceIdentity;
use runtime::worker::{Bell, Step, Workers};
use runtime::{control, say, worker};
use store::{Store, StoreError};
use supervision::division::{City, DivisionTable};
use supervision::judge::Judge;
use supervision::standard::Standards;

use crate::{Failure, Ground, Program};

/// A node at work.
pub struct Running {
    host: NodeHost,
    /// Where it listens for links.
    pub link: SocketAddr,
    /// Its console's address as people type it.
    pub origin: String,
    /// What people are told of the local authority, if the console has its certificates.
    pub authority: Option<String>,
    site: console::Site,
    workers: Workers,
    _lock: FolderLock,
}

/// What a start needs to be right before anything is opened: made by `run`, and by `check-config` to see whether `run` would
/// go on.
pub struct Ready {
    home: Home,
    credentials: Credentials,
    table: DivisionTable,
    city: City,
}

impl Ready {
    /// Checks configuration, folder, keys and statements. Opens no port and no database, and changes nothing.
    pub fn to_start<P: Program>(config: &Config) -> Result<Self, Failure> {
        let mut faults = config.faults();
        let status = config.status.listen;
        if !status.ip().is_loopback() {
            faults.push(format!(
                "status.listen 只能是本机回环地址（如 `127.0.0.1:{}`），配置的是 {status}；对外提供请由本机的反向代理转发",
                status.port()
            ));
        }
        if let Some(fault) = files::unusable(&config.node.folder) {
            faults.push(format!("node.folder：{fault}"));
        }
        if !faults.is_empty() {
            return Err(ConfigError::Unfit { faults }.into());
        }
        Self::of::<P>(Home::at(&config.node.folder)?)
    }

    /// What lies in a folder that may be used.
    fn of<P: Program>(home: Home) -> Result<Self, Failure> {
        let credentials = home.credentials()?;
        if P::TIER == Tier::District {
            home.parent()?;
        }
        let city_code = credentials
            .directory
            .identities()
            .find(|i| i.identity().kind == SeatKind::City)
            .map(|i| i.identity().jurisdiction.clone())
            .unwrap_or_default();
        let table = home.divisions()?;
        let city = table.city(&city_code)?;
        Ok(Self {
            home,
            credentials,
            table,
            city,
        })
    }
}

/// Whether a node would start: what [`start`] needs, and the ports and the database that it would take. A node that runs
/// already has these. Gives what is to be said of a good configuration.
pub async fn check<P: Program>(config: &Config) -> Result<String, Failure> {
    let ready = Ready::to_start::<P>(config)?;
    check_https(config, &ready.home)?;
    let _lock = match FolderLock::take(ready.home.folder()) {
        Ok(lock) => lock,
        Err(LockError::Held { holder, .. }) => {
            return Ok(format!(
                "检查通过；节点正在运行{holder}，端口与数据库由它占用，未再检查"
            ));
        }
        Err(error) => return Err(error.into()),
    };
    let mut faults = Vec::new();
    let mut tell = |name: &str, address: SocketAddr, taken: std::io::Result<()>| {
        if let Err(error) = taken {
            faults.push(format!(
                "{name} {address} 无法监听：{}",
                say::refused(&error)
            ));
        }
    };
    let (link, console, status) = (
        config.link.listen,
        config.console.listen,
        config.status.listen,
    );
    tell(
        "link.listen",
        link,
        std::net::UdpSocket::bind(link).map(drop),
    );
    tell(
        "console.listen",
        console,
        std::net::TcpListener::bind(console).map(drop),
    );
    tell(
        "status.listen",
        status,
        std::net::TcpListener::bind(status).map(drop),
    );
    if !faults.is_empty() {
        return Err(ConfigError::Unfit { faults }.into());
    }
    Store::check(&config.store(ready.home.database())?).await?;
    let instance = ready.home.instance_file();
    if instance.exists() {
        InstanceIdentity::load_or_generate(&instance)?;
    }
    Ok("检查通过".to_owned())
}

/// Opens the node in a folder.
pub async fn open<P: Program>(
    config: &Config,
    home: &Home,
    clock: &Clock,
    links: Links,
) -> Result<Node, Failure> {
    open_ready::<P>(config, Ready::of::<P>(home.clone())?, clock, links).await
}

/// Opens the node in a folder, whether its keys are those of its newest identity or the former.
pub async fn open_former<P: Program>(
    config: &Config,
    home: &Home,
    clock: &Clock,
) -> Result<Node, Failure> {
    let ready = Ready::of::<P>(home.clone())?;
    open_whoever::<P>(config, ready, clock, Links::new()).await
}

async fn open_ready<P: Program>(
    config: &Config,
    ready: Ready,
    clock: &Clock,
    links: Links,
) -> Result<Node, Failure> {
    let (folder, public) = (
        ready.home.folder().to_owned(),
        ready.credentials.keys.public(),
    );
    let node = open_whoever::<P>(config, ready, clock, links).await?;
    if node.identity().keys == public {
        return Ok(node);
    }
    node.store().close().await;
    Err(format!(
        "本节点的身份已换用另一把密钥，目录 {} 中的密钥不再有效。如更换密钥时中断，请重新执行 {} rotate；否则请放回现行的密钥文件",
        folder.display(),
        P::NAME
    )
    .into())
}

/// Opens the node in a folder to be looked at: nothing is published, so that what is missing is not put back by looking.
pub async fn open_to_look<P: Program>(config: &Config, home: &Home) -> Result<Node, Failure> {
    assembled::<P>(config, Ready::of::<P>(home.clone())?, Links::new()).await
}

async fn open_whoever<P: Program>(
    config: &Config,
    ready: Ready,
    clock: &Clock,
    links: Links,
) -> Result<Node, Failure> {
    let node = assembled::<P>(config, ready, links).await?;
    // what others need to check this node stands first on its feed
    node.publish(&node.chain()[1..], clock.now_us()).await?;
    Ok(node)
}

async fn assembled<P: Program>(
    config: &Config,
    ready: Ready,
    links: Links,
) -> Result<Node, Failure> {
    let Ready {
        home,
        credentials,
        table,
        city,
    } = ready;
    let Credentials {
        keys,
        seat,
        directory,
        chain,
    } = credentials;
    let standards = Standards::builtin();
    let store = Store::open(&config.store(home.database())?).await?;
    let incarnation = incarnation(&store).await?;
    let judge = Judge::new(standards.clone(), table, city.clone());
    let node = Node::open(Parts {
        store,
        tier: P::TIER,
        seat,
        key: keys.sign,
        directory,
        instance: InstanceId(door::random()),
        incarnation,
        city,
        standards,
        judge,
        links,
        chain,
    })
    .await?;
    Ok(node)
}

/// Which life of a store speaks: drawn when it is new.
async fn incarnation(store: &Store) -> Result<Incarnation, StoreError> {
    let counter = store.meta_get("incarnation").await?;
    let feed = store.meta_get("feed").await?;
    let stored = |bytes: Option<Vec<u8>>| bytes.map(|b| <[u8; 8]>::try_from(b.as_slice()));
    match (stored(counter), feed.map(<[u8; 16]>::try_from)) {
        (Some(Ok(counter)), Some(Ok(feed))) => Ok(Incarnation {
            counter: u64::from_be_bytes(counter),
            feed: FeedId(feed),
        }),
        (None, None) => {
            let new = Incarnation {
                counter: 1,
                feed: FeedId(door::random()),
            };
            store.meta_put("feed", &new.feed.0).await?;
            store
                .meta_put("incarnation", &new.counter.to_be_bytes())
                .await?;
            Ok(new)
        }
        // written in this order, so a crash in between leaves a feed that nobody has heard of
        (None, Some(Ok(feed))) => {
            store.meta_put("incarnation", &1u64.to_be_bytes()).await?;
            Ok(Incarnation {
                counter: 1,
                feed: FeedId(feed),
            })
        }
        _ => Err(StoreError::Corrupt {
            what: "incarnation",
        }),
    }
}

pub(crate) fn clock(config: &Config) -> Clock {
    let test = config.test.as_ref();
    match test.and_then(|t| {
        Some((
            TestMarker::from_setting(t.marker.as_deref())?,
            t.clock_offset_s,
        ))
    }) {
        Some((marker, offset)) if offset != 0 => Clock::offset(offset * 1_000_000, marker),
        _ => Clock::system(),
    }
}

/// Starts a node: from here on it serves until [`Running::stop`].
pub async fn start<P: Program>(config: &Config) -> Result<Running, Failure> {
    let ready = Ready::to_start::<P>(config)?;
    let home = ready.home.clone();
    let lock = FolderLock::take(home.folder())?;
    let clock = clock(config);
    let metrics = Metrics::new();
    let workers = Workers::new(metrics.clone());
    let links = Links::new();
    let node = open_ready::<P>(config, ready, &clock, links.clone()).await?;
    if clock.offset_us() != 0 {
        node.warn(format!(
            "时钟偏移 {} 秒已启用（仅供测试）",
            clock.offset_us() / 1_000_000
        ));
    }
    let instance = InstanceIdentity::load_or_generate(&home.instance_file())?;
    let listener = Listener::listen(config.link.listen, &instance, Settings::default())?;
    let link = listener.address();
    // a configured port 0 has become a real one by now
    let public = match config.link.public {
        None if !link.ip().is_unspecified() => Ok(link.to_string()),
        _ => config.advertised(),
    };
    let host = NodeHost::new(node.clone(), links, clock.clone());
    service::keep_stages(&host, &workers, &clock);
    workers.once(service::listen(
        host.clone(),
        listener,
        workers.clone(),
        clock.clone(),
    ));
    let (https, authority) = https(config, &home, &clock)?;
    let secure = https.is_some();
    let (site, console) =
        serve_console(config, &node, host.links().clone(), &clock, &workers, https).await?;
    let low = config.node.disk_low.map(|size| size.0);
    let disk = Disk::of(home.folder(), low);
    let reporter = Reporter::new(host.clone(), disk, workers.clone(), clock.clone());
    reporter.keep(&metrics);
    let check = reporter.clone();
    let mut status = Status::new(metrics).check("node", move || check.check());
    if let Some(offered) = &authority {
        let pem = offered.pem.clone();
        status = status.page(AUTHORITY_PATH, move |_| {
            let page = Page {
                status: 200,
                content_type: "application/x-x509-ca-cert",
                body: pem.clone().into_bytes(),
            };
            async move { page }
        });
    }
    let status = status
        .serve(config.status.listen, workers.shutdown())
        .await?;
    let authority = authority.map(|offered| {
        let file = Authority::public_file(&home.authority_file());
        format!(
            "本地证书机构证书：{}，本机下载 http://{status}{AUTHORITY_PATH}\n\
             导入各浏览器前请核对其 SHA-256 指纹：{}",
            file.display(),
            offered.fingerprint
        )
    });
    let own = Arc::new(P::start(&Ground {
        home: &home,
        host: &host,
        instance: &instance,
        clock: &clock,
        workers: &workers,
    })?);
    let desk = node::command::control::Desk::new(host.clone(), public, reporter, clock.clone());
    control::serve(home.folder(), &workers, move |caller, request| {
        let (desk, own) = (desk.clone(), own.clone());
        async move {
            match own.answer(&caller, request.trim()).await {
                Some(answer) => answer,
                None => desk.answer(&caller, &request).await,
            }
        }
    })?;
    tracing::info!(%link, %console, %status, "{} is up", P::NAME);
    Ok(Running {
        host,
        link,
        origin: origin(config, console, secure),
        authority,
        site,
        workers,
        _lock: lock,
    })
}

/// Where the status port gives the certificate of the local authority.
const AUTHORITY_PATH: &str = "/authority.crt";
/// How often certificates and gathered failures are looked at.
const KEEP_PAUSE: Duration = Duration::from_secs(60);

/// What people are offered of the local authority.
struct Offered {
    fingerprint: String,
    pem: String,
}

/// Whether [`https`] would do, as far as there is something to look at. Makes nothing.
fn check_https(config: &Config, home: &Home) -> Result<(), HttpsError> {
    match &config.console.tls {
        None => Ok(()),
        Some(TlsConfig::Given { certificate, key }) => {
            let now_s = clock(config).now_us() / 1_000_000;
            Https::given(certificate, key, &config.console.names, now_s).map(drop)
        }
        Some(TlsConfig::Local) => Authority::check(&home.authority_file()),
    }
}

/// HTTPS as configured, and the local authority if that is what is used.
fn https(
    config: &Config,
    home: &Home,
    clock: &Clock,
) -> Result<(Option<Https>, Option<Offered>), HttpsError> {
    let now_s = clock.now_us() / 1_000_000;
    Ok(match &config.console.tls {
        None => (None, None),
        Some(TlsConfig::Given { certificate, key }) => {
            let https = Https::given(certificate, key, &config.console.names, now_s)?;
            (Some(https), None)
        }
        Some(TlsConfig::Local) => {
            let names = config.console.certified_names();
            let authority = Authority::load_or_make(&home.authority_file(), &names, now_s)?;
            let offered = Offered {
                fingerprint: authority.fingerprint(),
                pem: authority.pem().to_owned(),
            };
            (Some(Https::local(authority, now_s)?), Some(offered))
        }
    })
}

/// The console's address as people type it.
fn origin(config: &Config, address: SocketAddr, secure: bool) -> String {
    let scheme = if secure { "https" } else { "http" };
    let named = config.console.names.first().filter(|_| secure);
    match named.map(ToString::to_string) {
        Some(name) if name.contains(':') => format!("{scheme}://[{name}]:{}", address.port()),
        Some(name) => format!("{scheme}://{name}:{}", address.port()),
        None => format!("{scheme}://{address}"),
    }
}

async fn serve_console(
    config: &Config,
    node: &Node,
    links: Links,
    clock: &Clock,
    workers: &Workers,
    https: Option<Https>,
) -> Result<(console::Site, SocketAddr), Failure> {
    let settings = &config.console;
    let gate = console::listen(settings.listen, https.clone(), &settings.trusted_proxies).await?;
    let address = gate.address();
    let site = console::Site::new(
        node.clone(),
        console::ConsoleOptions {
            clock: clock.clone(),
            links,
            names: settings.names.clone(),
            trusted_proxies: settings.trusted_proxies.clone(),
            device_key: device_key(node.store()).await?,
        },
    );
    workers.once(console::serve(gate, site.router(), workers.shutdown()));
    let kept = site.clone();
    workers.step("console", Bell::new(), KEEP_PAUSE, move || {
        let kept = kept.clone();
        async move { kept.keep().await.map(|()| Step::Idle) }
    });
    if let Some(https) = https {
        let clock = clock.clone();
        workers.step("https", Bell::new(), KEEP_PAUSE, move || {
            let renewed = https.renew(clock.now_us() / 1_000_000);
            async move {
                if renewed? {
                    tracing::info!("console shows another certificate");
                }
                Ok::<_, HttpsError>(Step::Idle)
            }
        });
    }
    Ok((site, address))
}

/// Signs the cookies by which browsers are known again; drawn at the first start and kept with the data.
async fn device_key(store: &Store) -> Result<[u8; 32], Failure> {
    const KEY: &str = "console-devices";
    let known = store.meta_get(KEY).await?.and_then(|v| v.try_into().ok());
    if let Some(key) = known {
        return Ok(key);
    }
    let key: [u8; 32] = door::random();
    store.meta_put(KEY, &key).await?;
    Ok(key)
}

impl Running {
    /// Serves until a signal asks to stop.
    pub async fn until_signal(self) -> std::io::Result<()> {
        worker::signal().await?;
        self.stop().await;
        Ok(())
    }

    /// Stops in order: no new links, sessions drained, stages ended, store closed.
    pub async fn stop(self) {
        let left = self.workers.stop(Duration::from_secs(20)).await;
        if !left.is_empty() {
            tracing::warn!(?left, "workers did not end in time");
        }
        if let Err(error) = self.site.close().await {
            tracing::error!(error = %worker::chain(&error), "failed sign-ins not written down");
        }
        self.host.node().store().close().await;
    }
}
