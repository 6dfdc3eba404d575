//! The web console and the JSON API of a node: server-rendered pages in Chinese, the same figures as JSON beside them.
//!
//! Handlers read like sentences: extract, ask `node`, present, render. Nothing is decided here that `node` should decide.
//! Everything is served from this program: no foreign host, no build step, no inline script or style.

pub mod assets;
pub mod page;
pub mod text;
pub mod view;

mod auth;
mod client;
mod fault;
mod frame;
mod handle;
mod present;
mod routes;
mod serve;

use std::sync::Arc;

use axum::Router;
use node::Node;
use node::command::account::AccountError;
use runtime::door::Clock;
use runtime::link::registry::Links;
use runtime::listener::name::Name;
use runtime::listener::prefix::Prefix;
use tokio::sync::Semaphore;

pub use serve::{ServeError, listen, serve};

/// What a console needs beside its node.
#[derive(Clone)]
pub struct ConsoleOptions {
    /// The process's clock.
    pub clock: Clock,
    /// The sessions that stand, for the page of nodes and agents.
    pub links: Links,
    /// Names under which people reach it, beside those of this machine itself.
    pub names: Vec<Name>,
    /// Reverse proxies, which are believed about who asks.
    pub trusted_proxies: Vec<Prefix>,
    /// Signs the cookies by which browsers are known again; the same at every start.
    pub device_key: [u8; 32],
}

/// The console of a node.
#[derive(Clone)]
pub struct Site(Arc<Console>);

impl Site {
    /// Of a node.
    pub fn new(node: Node, options: ConsoleOptions) -> Self {
        let seat = node.seat().to_string();
        Self(Arc::new(Console {
            cookie: format!("zongheng_{}", &seat[..8]),
            secret: runtime::door::random(),
            attempts: auth::limit::Attempts::default(),
            failures: auth::failures::Failures::default(),
            known_hashing: Arc::new(Semaphore::new(auth::HASHING_MAX)),
            strangers_hashing: Arc::new(Semaphore::new(auth::HASHING_MAX)),
            node,
            options,
        }))
    }

    /// Its pages, to be given to [`serve`].
    pub fn router(&self) -> Router {
        routes::router(self.0.clone())
    }

    /// Writes down what was gathered, and forgets sessions that have run out. To be called every minute or so.
    pub async fn keep(&self) -> Result<(), AccountError> {
        let now = self.0.now_us();
        self.0
            .write_failures(self.0.failures.due(now, false))
            .await?;
        Ok(self.0.node.sessions_expire(now).await?)
    }

    /// Writes down what was gathered so far, before the store closes.
    pub async fn close(&self) -> Result<(), AccountError> {
        let now = self.0.now_us();
        self.0.write_failures(self.0.failures.due(now, true)).await
    }
}

/// What handlers share.
pub(crate) struct Console {
    node: Node,
    options: ConsoleOptions,
    /// Name of the session cookie; several nodes on one host must not share one.
    cookie: String,
    /// Key of the tokens in forms before sign-in; renewed at every start.
    secret: [u8; 32],
    attempts: auth::limit::Attempts,
    failures: auth::failures::Failures,
    known_hashing: Arc<Semaphore>,
    strangers_hashing: Arc<Semaphore>,
}

impl Console {
    fn now_us(&self) -> i64 {
        self.options.clock.now_us()
    }

    /// Whether a `Host` names this console.
    fn is_named(&self, name: &Name) -> bool {
        name.is_local() || self.options.names.contains(name)
    }
}
