//! Listeners over real sockets: floods, stops, handlers that fail.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

fn bounds(connections: usize) -> Bounds {
    Bounds {
        connections,
        per_party: connections,
        exempt: Vec::new(),
        life: Duration::from_secs(60),
    }
}

/// Answers one byte with one byte.
async fn echo(mut arrival: Arrival) {
    let mut byte = [0; 1];
    if arrival.stream.read_exact(&mut byte).await.is_ok() {
        assert_ne!(byte, *b"!", "a broken handler");
        let _answering = arrival.place.answering();
        // a client that has gone is its own loss
        let _ = arrival.stream.write_all(&byte).await;
    }
}

async fn open(connections: usize) -> (SocketAddr, Shutdown, tokio::task::JoinHandle<()>) {
    let local = "127.0.0.1:0".parse().expect("an address");
    let gate = Gate::open("test", local, bounds(connections), None)
        .await
        .expect("listening");
    let (address, shutdown) = (gate.address(), Shutdown::new());
    let served = tokio::spawn(gate.serve(shutdown.clone(), echo));
    (address, shutdown, served)
}

async fn ask(address: SocketAddr, byte: u8) -> Option<u8> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(&[byte]).await.ok()?;
    stream.read_u8().await.ok()
}

#[tokio::test]
async fn silent_clients_keep_nobody_out() {
    let (address, shutdown, served) = open(4).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(address).await.expect("connecting"));
    }
    assert_eq!(ask(address, b'a').await, Some(b'a'));
    let mut byte = [0; 1];
    let gone = silent[0].read(&mut byte).await;
    assert!(matches!(gone, Ok(0) | Err(_)), "the oldest was let go");
    shutdown.begin();
    served.await.expect("ended");
}

#[tokio::test]
async fn a_handler_that_fails_takes_nobody_along() {
    let (address, shutdown, served) = open(4).await;
    assert_eq!(ask(address, b'!').await, None);
    assert_eq!(ask(address, b'a').await, Some(b'a'));
    shutdown.begin();
    served.await.expect("ended");
}

#[tokio::test]
async fn a_stop_waits_for_answers_but_not_for_the_silent() {
    let local = "127.0.0.1:0".parse().expect("an address");
    let gate = Gate::open("test", local, bounds(4), None)
        .await
        .expect("listening");
    let (address, shutdown) = (gate.address(), Shutdown::new());
    let begun = Arc::new(AtomicUsize::new(0));
    let count = begun.clone();
    let served = tokio::spawn(gate.serve(shutdown.clone(), move |arrival| {
        count.fetch_add(1, Ordering::Relaxed);
        echo(arrival)
    }));
    let _silent = TcpStream::connect(address).await.expect("connecting");
    let mut late = TcpStream::connect(address).await.expect("connecting");
    assert!(
        crate::worker::until(Duration::from_secs(10), || begun.load(Ordering::Relaxed)
            == 2)
        .await
    );
    shutdown.begin();
    late.write_all(b"z").await.expect("written");
    assert_eq!(late.read_u8().await.expect("answered"), b'z');
    served.await.expect("ended although one is silent");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_answers_without_end() {
    let local = "127.0.0.1:0".parse().expect("an address");
    let gate = Gate::open("test", local, bounds(4), None)
        .await
        .expect("listening");
    let (address, shutdown) = (gate.address(), Shutdown::new());
    let begun = Arc::new(AtomicUsize::new(0));
    let count = begun.clone();
    let served = tokio::spawn(gate.serve(shutdown.clone(), move |arrival: Arrival| {
        let count = count.clone();
        async move {
            let _answering = arrival.place.answering();
            count.fetch_add(1, Ordering::Relaxed);
            std::future::pending().await
        }
    }));
    let mut client = TcpStream::connect(address).await.expect("connecting");
    let is_answering = || begun.load(Ordering::Relaxed) == 1;
    assert!(crate::worker::until(Duration::from_secs(10), is_answering).await);
    shutdown.begin();
    served.await.expect("ended");
    let gone = client.read(&mut [0; 1]).await;
    assert!(matches!(gone, Ok(0) | Err(_)), "its connection is closed");
}
