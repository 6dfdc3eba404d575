//! The web console and the JSON API of a node: server-rendered pages in Chinese, the same figures as JSON beside them.
//!
//! Handlers read like sentences: extract, ask `node`, present, render. Nothing is decided here that `node` should decide.
//! Everything is served from this program: no foreign host, no build step, no inline script or style.

pub mod assets;
pub mod page;
pub mod text;
pub mod view;

mod auth;
mod fault;
mod frame;
mod handle;
mod present;
mod routes;
mod serve;

use std::sync::Arc;

use axum::Router;
use node::Node;
use runtime::door::Clock;
use runtime::link::registry::Links;
use tokio::sync::Semaphore;

pub use serve::{ServeError, listen, serve};

/// What a console needs beside its node.
#[derive(Clone)]
pub struct ConsoleOptions {
    /// The process's clock.
    pub clock: Clock,
    /// The sessions that stand, for the page of nodes and agents.
    pub links: Links,
}

/// The console of a node, to be given to [`serve`].
pub fn router(node: Node, options: ConsoleOptions) -> Router {
    let seat = node.seat().to_string();
    routes::router(Arc::new(Console {
        cookie: format!("zongheng_{}", &seat[..8]),
        secret: runtime::door::random(),
        attempts: auth::limit::Attempts::default(),
        hashing: Arc::new(Semaphore::new(auth::HASHING_MAX)),
        node,
        options,
    }))
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
    hashing: Arc<Semaphore>,
}

impl Console {
    fn now_us(&self) -> i64 {
        self.options.clock.now_us()
    }
}
