//! A node at work: its stages as workers, its listener, its link upwards. `runtime` spawns and stops them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use runtime::door::Clock;
use runtime::link::driver;
use runtime::link::endpoint::{Arrival, Dialer, Listener};
use runtime::link::{LinkEnd, keep_connected};
use runtime::worker::{Shutdown, Step, Workers};

use crate::command::admission;
use crate::error::StepError;
use crate::host::NodeHost;

/// Each stage looks for work at least this often, bell or not.
const AT_LEAST: Duration = Duration::from_millis(500);

/// Starts the stages behind intake: apply, fold, receipts, wants.
pub fn keep_stages(host: &NodeHost, workers: &Workers, clock: &Clock) {
    let node = host.node().clone();
    let (at, bell) = (clock.clone(), node.applying().clone());
    workers.step("apply", bell, AT_LEAST, move || {
        let (node, now) = (node.clone(), at.now_us());
        async move {
            let applied = node.apply_step(now).await?;
            Ok::<_, StepError>(if applied.is_some_and(|a| a.more) {
                Step::Again
            } else {
                Step::Idle
            })
        }
    });
    let node = host.node().clone();
    let (at, bell) = (clock.clone(), node.folding().clone());
    workers.step("fold", bell, AT_LEAST, move || {
        let (node, now) = (node.clone(), at.now_us());
        async move {
            let more = node.fold_step(now).await?;
            Ok::<_, StepError>(if more == Some(true) {
                Step::Again
            } else {
                Step::Idle
            })
        }
    });
    let (host_, at, bell) = (
        host.clone(),
        clock.clone(),
        host.node().receipting().clone(),
    );
    workers.step("receipts", bell.clone(), AT_LEAST, move || {
        let (host, now, bell) = (host_.clone(), at.now_us(), bell.clone());
        async move {
            let wait = host.node().write_receipts(now).await?;
            host.distribute_receipts().await;
            if let Some(wait) = wait {
                bell.heard_within(Duration::from_micros(wait.clamp(0, 1_000_000) as u64))
                    .await;
                return Ok::<_, StepError>(Step::Again);
            }
            Ok(Step::Idle)
        }
    });
    let (host_, bell) = (host.clone(), host.node().wanting().clone());
    workers.step("wants", bell, AT_LEAST, move || {
        let host = host_.clone();
        async move {
            let opened = host.open_wants().await?;
            Ok::<_, StepError>(if opened > 0 { Step::Again } else { Step::Idle })
        }
    });
}

/// Serves whoever arrives at the listener until shutdown.
pub async fn listen(host: NodeHost, mut listener: Listener, workers: Workers, clock: Clock) {
    let shutdown = workers.shutdown();
    let admissions = Arc::new(admission::Desk::new(host.node().clone(), clock.clone()));
    loop {
        let arrival = tokio_select(&mut listener, &shutdown).await;
        match arrival {
            Some(Arrival::Session(carrier)) => {
                let (host, clock, shutdown) = (host.clone(), clock.clone(), shutdown.clone());
                let links = host.links().clone();
                workers.once(async move {
                    driver::run(carrier, Arc::new(host), links, clock, shutdown).await;
                });
            }
            Some(Arrival::Join(exchange)) => {
                let desk = admissions.clone();
                workers.once(async move { desk.serve(exchange).await });
            }
            None => break,
        }
    }
    listener.refuse_new();
    listener.close().await;
}

async fn tokio_select(listener: &mut Listener, shutdown: &Shutdown) -> Option<Arrival> {
    runtime::worker::unless(shutdown, listener.accept())
        .await
        .flatten()
}

/// Keeps the link to the parent up until shutdown.
pub async fn dial(
    host: NodeHost,
    dialer: Arc<Dialer>,
    address: String,
    clock: Clock,
    shutdown: Shutdown,
) -> Result<(), Infallible> {
    let connect = || {
        let (host, dialer, address) = (host.clone(), dialer.clone(), address.clone());
        let (clock, shutdown) = (clock.clone(), shutdown.clone());
        async move {
            let carrier = match dialer.session(&address).await {
                Ok(carrier) => carrier,
                Err(error) => return LinkEnd::Broken(error.to_string()),
            };
            let links = host.links().clone();
            driver::run(carrier, Arc::new(host), links, clock, shutdown)
                .await
                .link_end()
        }
    };
    keep_connected(&clock, &shutdown, connect, |end, wait| {
        tracing::warn!(address, ?end, ?wait, "link to parent ended");
    })
    .await;
    Ok(())
}
