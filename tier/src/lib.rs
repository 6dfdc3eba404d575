//! The program that both tiers are: its command line, its set-up, and the composition of store, node, console, listener,
//! status port, control socket and workers. What a tier's program has of its own stands behind [`Program`], in the room of
//! that tier.
//!
//! What a node does lives in `node`, what people see in `console`.

mod app;
mod cli;
mod init;
mod verify;

use std::future::Future;

use node::Node;
use node::command::actor::Actor;
use node::config::Config;
use node::home::Home;
use node::host::NodeHost;
use runtime::control::Caller;
use runtime::door::Clock;
use runtime::link::registry::Links;
use runtime::tls::InstanceIdentity;
use runtime::worker::Workers;

pub use cli::{Common, Errand, main_with};

/// What a program tells people when it does not do what it was asked for.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What the program of one tier has of its own. A value is the part of it that runs beside the node.
pub trait Program: Sized + Send + Sync + 'static {
    /// The tier.
    const TIER: node::Tier;
    /// Name of the program.
    const NAME: &'static str;
    /// What it is, in one line for people.
    const ABOUT: &'static str;
    /// Where its configuration lies unless told otherwise.
    const CONFIG: &'static str;

    /// Arguments that only this tier's `init` takes.
    type Founding: clap::Args;
    /// Arguments that only this tier's `invite` takes.
    type Guest: clap::Args;
    /// Arguments that only this tier's `rotate` takes.
    type Rotation: clap::Args;
    /// Commands that only this tier has.
    type Command: clap::Subcommand;

    /// Brings identity and keys into the folder, which is locked for this. Gives what people are to be told then.
    fn found(
        founding: &Self::Founding,
        home: &Home,
    ) -> impl Future<Output = Result<String, Failure>>;

    /// Gives the node other keys; the folder is locked for this and no process runs. When it returns, the keys that lie in the folder are those of the node's newest identity. Gives what people are
    /// to be told then.
    fn rotate(
        rotation: &Self::Rotation,
        home: &Home,
        config: &Config,
        actor: &Actor,
    ) -> impl Future<Output = Result<String, Failure>>;

    /// Kind and division code of the party that an invitation is for.
    fn guest(guest: &Self::Guest) -> (&str, &str);

    /// What one of the tier's own commands asks of the running process.
    fn errand(command: Self::Command) -> Errand<Self>;

    /// Starts what runs beside the node on this tier only.
    fn start(ground: &Ground<'_>) -> Result<Self, Failure>;

    /// Answers a request at the control socket if it is one that only this tier knows. What it does is written down first.
    fn answer(&self, caller: &Caller, request: &str)
    -> impl Future<Output = Option<String>> + Send;
}

/// Opens the node in a folder, which is locked, outside of a process that serves it: to be asked or told something once. Close
/// its store afterwards.
pub async fn open<P: Program>(
    config: &Config,
    home: &Home,
    clock: &Clock,
) -> Result<Node, Failure> {
    app::open::<P>(config, home, clock, Links::new()).await
}

/// As [`open`], also if other keys than those in the folder have been stated for the node already: for whoever is about to
/// put these there.
pub async fn open_former<P: Program>(
    config: &Config,
    home: &Home,
    clock: &Clock,
) -> Result<Node, Failure> {
    app::open_former::<P>(config, home, clock).await
}

/// A node at work, as far as [`Program::start`] may build on it.
pub struct Ground<'a> {
    /// Its folder.
    pub home: &'a Home,
    /// The node as the host of sessions.
    pub host: &'a NodeHost,
    /// How this installation shows itself on links.
    pub instance: &'a InstanceIdentity,
    /// Its clock.
    pub clock: &'a Clock,
    /// Its workers.
    pub workers: &'a Workers,
}
