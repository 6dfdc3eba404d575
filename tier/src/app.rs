//! Composition: opens what a node is made of, starts its workers, stops them in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use node::config::Config;
use node::home::Home;
use node::host::NodeHost;
use node::node::Parts;
use node::{Node, service};
use protocol::name::{FeedId, InstanceId};
use runtime::door::{self, Clock, TestMarker};
use runtime::files::FolderLock;
use runtime::link::endpoint::{Listener, Settings};
use runtime::link::registry::Links;
use runtime::status::Status;
use runtime::telemetry::Metrics;
use runtime::tls::InstanceIdentity;
use runtime::worker::Workers;
use runtime::{control, worker};
use store::Store;
use supervision::division::DivisionTable;
use supervision::judge::Judge;
use supervision::standard::Standards;

use crate::{Failure, Ground, Program};

/// A node at work.
pub struct Running {
    host: NodeHost,
    /// Where it listens for links.
    pub link: SocketAddr,
    /// Where its console is.
    pub console: SocketAddr,
    workers: Workers,
    _lock: FolderLock,
}

/// Opens the node in a folder.
pub async fn open<P: Program>(
    config: &Config,
    home: &Home,
    clock: &Clock,
    links: Links,
) -> Result<Node, Failure> {
    let chain = home.chain()?;
    let key = home.signing_key()?;
    let (directory, seat) = home.directory(&key)?;
    let city_code = directory
        .identities()
        .find(|i| i.identity().kind == protocol::directory::SeatKind::City)
        .map(|i| i.identity().jurisdiction.clone())
        .unwrap_or_default();
    let table = DivisionTable::builtin();
    let city = table
        .city(&city_code)
        .ok_or_else(|| format!("区划表中没有城市 {city_code}"))?;
    let standards = Standards::builtin();
    let store = Store::open(&config.store(home.database())?).await?;
    let feed = match store
        .meta_get("feed")
        .await?
        .and_then(|v| v.try_into().ok())
    {
        Some(feed) => FeedId(feed),
        None => {
            let feed: [u8; 16] = door::random();
            store.meta_put("feed", &feed).await?;
            FeedId(feed)
        }
    };
    let judge = Judge::new(standards.clone(), table, city.clone());
    let node = Node::open(Parts {
        store,
        tier: P::TIER,
        seat,
        key,
        directory,
        instance: InstanceId(door::random()),
        feed,
        city,
        standards,
        judge,
        links,
        chain: chain.clone(),
    })
    .await?;
    // what others need to check this node stands first on its feed
    node.publish(&chain[1..], clock.now_us()).await?;
    Ok(node)
}

fn clock(config: &Config) -> Clock {
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
    let home = Home::at(&config.node.folder)?;
    let lock = FolderLock::take(home.folder())?;
    let clock = clock(config);
    let metrics = Metrics::new();
    let workers = Workers::new(metrics.clone());
    let links = Links::new();
    let node = open::<P>(config, &home, &clock, links.clone()).await?;
    if clock.offset_us() != 0 {
        node.warn(format!(
            "时钟偏移 {} 秒已启用（仅供测试）",
            clock.offset_us() / 1_000_000
        ));
    }
    let instance = InstanceIdentity::load_or_generate(&home.instance_file())?;
    let listener = Listener::listen(config.link.listen, &instance, Settings::default())?;
    let link = listener.address();
    let public = config
        .link
        .public
        .clone()
        .unwrap_or_else(|| link.to_string());
    let host = NodeHost::new(node.clone(), links, clock.clone());
    service::keep_stages(&host, &workers, &clock);
    workers.once(service::listen(
        host.clone(),
        listener,
        workers.clone(),
        clock.clone(),
    ));
    let console = serve_console(config, &node, host.links().clone(), &clock, &workers).await?;
    let check = workers.clone();
    let status = Status::new(metrics)
        .check("workers", move || check.check())
        .serve(config.status.listen, workers.shutdown())
        .await?;
    let own = Arc::new(P::start(&Ground {
        home: &home,
        host: &host,
        instance: &instance,
        clock: &clock,
        workers: &workers,
    })?);
    let desk = node::command::control::Desk::new(host.clone(), public, clock.clone());
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
        console,
        workers,
        _lock: lock,
    })
}

async fn serve_console(
    config: &Config,
    node: &Node,
    links: Links,
    clock: &Clock,
    workers: &Workers,
) -> Result<SocketAddr, Failure> {
    let listener = console::listen(config.console.listen).await?;
    let address = listener.local_addr()?;
    let router = console::router(
        node.clone(),
        console::ConsoleOptions {
            clock: clock.clone(),
            links,
        },
    );
    let shutdown = workers.shutdown();
    workers.once(async move {
        if let Err(error) =
            console::serve(listener, router, async move { shutdown.begun().await }).await
        {
            tracing::error!(%error, "console ended");
        }
    });
    Ok(address)
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
        self.host.node().store().close().await;
    }
}
