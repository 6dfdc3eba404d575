//! Programs stop at once, also while the other side of their link is gone, silent or stuck.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use demo::process::{STATUS, ask};
use demo::site::NodeSite;
use tests::process::{Program, Running};

use crate::host;
use crate::world::{HERE, World, row};

/// A stop takes less than two seconds. A machine that builds and tests beside it is given more; what used to hold a stop
/// up (a dial that goes on, a farewell that nobody answers) took seven to fifteen.
const AT_MOST: Duration = Duration::from_secs(5);
const LONG: Duration = Duration::from_secs(60);

fn stops(running: Running, what: &str) {
    stops_with(0, running, what);
}

fn stops_with(code: i32, running: Running, what: &str) {
    let ended = running.terminate(AT_MOST).expect(what);
    let said = ended.stderr.join("\n");
    assert_eq!(ended.status.code(), Some(code), "{what}: {said}");
    assert!(!said.contains("did not end in time"), "{what}: {said}");
}

async fn up(data: &Path) {
    let began = Instant::now();
    while ask(data, STATUS).await.is_none() {
        assert!(
            began.elapsed() < LONG,
            "{} does not come up",
            data.display()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn start_district(site: &NodeSite) -> Running {
    host()
        .start(Program::District, HERE, site.command("run"))
        .expect("started")
}

/// Takes the place of a node that is gone and answers nothing, until somebody has dialled.
fn black_hole(address: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(address).expect("the port is free");
    socket.set_read_timeout(Some(LONG)).expect("set");
    socket.recv(&mut [0; 2_000]).expect("somebody dials");
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_program_stops_at_once_whatever_its_links_do() {
    let mut world = World::new().await;
    let (_legacy, path) = world.legacy("bureau", &[row(1, "济南泉一有限公司")]).await;
    let site = world.agent("bureau", &path, Program::District, &[]);
    let (newcomer, joining) = (
        world.stranger("newcomer", &path),
        world.code("newcomer", Program::District, &[]),
    );
    let agent = || {
        host()
            .start(Program::Agent, "bureau", site.command("run"))
            .expect("started")
    };

    // a link stands, and the other side is stuck
    let running = agent();
    up(&site.data()).await;
    let district = world.take(HERE);
    district.suspend().expect("suspended");
    stops(running, "agent, its district stuck");
    district.resume().expect("resumed");
    up(&world.here.data()).await;
    let city = world.take("city");
    city.suspend().expect("suspended");
    stops(district, "district, its city stuck");
    city.resume().expect("resumed");
    stops(city, "city");

    // nothing listens where they dial
    let (district, running) = (start_district(&world.here), agent());
    up(&world.here.data()).await;
    up(&site.data()).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    stops(district, "district, its city down");
    tokio::time::sleep(Duration::from_millis(500)).await;
    stops(running, "agent, its district down");

    // something listens there and never answers: a dial is in flight
    let running = agent();
    up(&site.data()).await;
    let hole = black_hole(world.here.link);
    stops(running, "agent, its district a black hole");
    drop(hole);
    let joins = host()
        .start(Program::Agent, "newcomer", newcomer.join(&joining))
        .expect("started");
    let hole = black_hole(world.here.link);
    stops_with(3, joins, "newcomer, its district a black hole");
    drop(hole);
    let district = start_district(&world.here);
    up(&world.here.data()).await;
    let hole = black_hole(world.city.link);
    stops(district, "district, its city a black hole");
    drop(hole);
}
