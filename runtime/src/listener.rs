//! TCP listeners that strangers can reach: who gets a place, for how long, and over what. One piece serves the status port and
//! the console of nodes.
//!
//! A connection *waits* from its beginning until a whole request has arrived, and again after the answer. Where places run
//! out, the connection that has waited longest makes room for the newest, so that silent clients cannot keep anybody out; a
//! connection that is being answered is never cut off for another. Nobody takes more than his share of the places. Whoever
//! handles a connection says when it is being answered ([`Place::answering`]) and bounds the reading of requests.

pub mod authority;
pub mod https;
pub mod name;
mod places;
pub mod prefix;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;

use crate::door::Clock;
use crate::recurring::Recurring;
use crate::worker::{Shutdown, caught};
use https::Https;
use places::Places;
pub use places::{Answering, Place};
use prefix::Prefix;

#[cfg(test)]
mod tests;

/// Within this the TLS handshake must be done.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);
/// After the word to stop connections have so long to end by themselves; those that wait for their client end then.
const STOP_PATIENCE: Duration = Duration::from_millis(500);
/// And so long to finish an answer: a program stops in less than two seconds.
const DRAIN_TIME_MAX: Duration = Duration::from_millis(500);
/// Pause after the system refused a connection: out of file descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Bounds of a listener.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Connections at once.
    pub connections: usize,
    /// Of these for one party: an IPv4 address, or the /64 of an IPv6 address.
    pub per_party: usize,
    /// Whoever is not one party but many, such as a reverse proxy: bound by `connections` only.
    pub exempt: Vec<Prefix>,
    /// A connection ends after this whatever it does. Its handler should end it well before.
    pub life: Duration,
}

/// A listener with its places.
pub struct Gate {
    what: &'static str,
    listener: TcpListener,
    address: SocketAddr,
    places: Places,
    life: Duration,
    https: Option<Https>,
}

/// A connection that has a place.
pub struct Arrival {
    /// What to read and write.
    pub stream: Stream,
    /// The other end.
    pub peer: SocketAddr,
    /// Whether it came over TLS.
    pub secure: bool,
    /// Its place.
    pub place: Arc<Place>,
}

/// Plain TCP, or TLS over it.
pub enum Stream {
    /// Plain.
    Plain(TcpStream),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Gate {
    /// Listens. `what` names the listener in the log.
    pub async fn open(
        what: &'static str,
        address: SocketAddr,
        bounds: Bounds,
        https: Option<Https>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self {
            what,
            listener,
            address,
            life: bounds.life,
            places: Places::new(bounds),
            https,
        })
    }

    /// Where it listens, for a configured port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it speaks TLS.
    pub fn secure(&self) -> bool {
        self.https.is_some()
    }

    /// Takes connections until shutdown and gives each to `handle`; returns when they have ended. A handler must end its
    /// connection by itself soon after shutdown, and is dropped when it does not.
    pub async fn serve<F, Fut>(self, shutdown: Shutdown, handle: F)
    where
        F: Fn(Arrival) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let what = self.what;
        let handle = Arc::new(handle);
        let tasks = TaskTracker::new();
        let late = Shutdown::new();
        let clock = Clock::system();
        let (mut refused, mut full) = (Recurring::default(), Recurring::default());
        loop {
            let accepted = tokio::select! {
                () = shutdown.begun() => break,
                accepted = self.listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    if let Some(times) = refused.note(&error.to_string(), clock.since_start()) {
                        tracing::warn!(%error, times, "{what}: could not accept connections");
                    }
                    shutdown.pause(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(place) = self.places.admit(peer.ip()) else {
                if let Some(times) = full.note("", clock.since_start()) {
                    tracing::warn!(from = %peer.ip(), times, "{what}: connections closed, all places are being answered");
                }
                continue;
            };
            let (handle, https, late, life) =
                (handle.clone(), self.https.clone(), late.clone(), self.life);
            let place = Arc::new(place);
            tasks.spawn(async move {
                let ended = place.clone();
                let work = async {
                    let Some((stream, secure)) = greet(stream, https).await else {
                        return;
                    };
                    handle(Arrival {
                        stream,
                        peer,
                        secure,
                        place,
                    })
                    .await;
                };
                tokio::select! {
                    () = ended.ended() => {}
                    () = late.begun() => {}
                    () = sleep(life) => {}
                    done = caught(work) => if let Err(panic) = done {
                        tracing::error!(error = %panic, "{what}: a connection's handler panicked");
                    }
                }
            });
        }
        drop(self.listener);
        tasks.close();
        if timeout(STOP_PATIENCE, tasks.wait()).await.is_ok() {
            return;
        }
        self.places.end_waiting();
        if timeout(DRAIN_TIME_MAX, tasks.wait()).await.is_err() {
            late.begin();
            tasks.wait().await;
        }
    }
}

/// The stream, after the TLS handshake if there is one; nothing if that fails.
async fn greet(stream: TcpStream, https: Option<Https>) -> Option<(Stream, bool)> {
    // answers are written whole: waiting for more to fill a packet only costs time. A socket that refuses is as good
    let _ = stream.set_nodelay(true);
    let Some(https) = https else {
        return Some((Stream::Plain(stream), false));
    };
    match timeout(HANDSHAKE_TIME_MAX, https.accept(stream)).await {
        Ok(Ok(stream)) => Some((Stream::Tls(Box::new(stream)), true)),
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
