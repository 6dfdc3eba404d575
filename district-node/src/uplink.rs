//! The link to the city: kept up, and cut or connected again by a person at the control socket. While it is cut the
//! district goes on working.

use std::sync::{Arc, Mutex, PoisonError};

use node::host::NodeHost;
use node::service;
use runtime::door::Clock;
use runtime::link::endpoint::Dialer;
use runtime::worker::{Shutdown, Workers};

/// The uplink. Clones are the same uplink.
#[derive(Clone)]
pub struct Uplink(Arc<Inner>);

struct Inner {
    host: NodeHost,
    dialer: Arc<Dialer>,
    address: String,
    clock: Clock,
    workers: Workers,
    standing: Mutex<Option<Shutdown>>,
}

impl Uplink {
    /// An uplink that is not connected yet.
    pub fn new(
        host: NodeHost,
        dialer: Arc<Dialer>,
        address: String,
        clock: Clock,
        workers: Workers,
    ) -> Self {
        Self(Arc::new(Inner {
            host,
            dialer,
            address,
            clock,
            workers,
            standing: Mutex::default(),
        }))
    }

    /// Connects, unless connected.
    pub fn connect(&self) -> String {
        let mut standing = self
            .0
            .standing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if standing.is_none() {
            let shutdown = self.0.workers.shutdown().child();
            *standing = Some(shutdown.clone());
            let this = self.0.clone();
            self.0.workers.once(async move {
                let (host, dialer) = (this.host.clone(), this.dialer.clone());
                service::dial(
                    host,
                    dialer,
                    this.address.clone(),
                    this.clock.clone(),
                    shutdown,
                )
                .await;
            });
        }
        r#"{"ok":true,"link":"up"}"#.to_owned()
    }

    /// Cuts the link until [`Uplink::connect`].
    pub fn cut(&self) -> String {
        if let Some(shutdown) = self
            .0
            .standing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            shutdown.begin();
        }
        r#"{"ok":true,"link":"cut"}"#.to_owned()
    }
}
