//! The exchange over real QUIC on loopback: the server proves itself first, then people decide.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::timeout;

use super::*;
use crate::link::endpoint::{Arrival, Listener, Settings};
use crate::tls::InstanceIdentity;

struct Reception {
    key: SigningKey,
    envelopes: Vec<Vec<u8>>,
    pending: AtomicUsize,
    seen: Mutex<Vec<Request>>,
}

impl Desk for Reception {
    async fn prove(&self, exporter: &[u8; 32]) -> Result<Proof, String> {
        let seat = SeatId([9; 16]);
        Ok(Proof::sign(
            exporter,
            seat,
            &self.key,
            self.envelopes.clone(),
        ))
    }

    async fn judge(&self, from: Applicant, request: Request) -> Answer {
        assert!(from.remote.ip().is_loopback());
        let right = request.secret == [1; SECRET_BYTES];
        self.seen.lock().expect("lock").push(request);
        if !right {
            return Answer::Refused {
                reason: "接入码已使用\u{1b}[31m".to_owned(),
                contact: "0000-1234".to_owned(),
            };
        }
        match self
            .pending
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
        {
            Ok(_) => Answer::Pending("等待区管理员确认".to_owned()),
            Err(_) => Answer::Approved(vec![vec![4; 100], Vec::new()]),
        }
    }
}

struct World {
    dialer: Dialer,
    address: String,
    desk: std::sync::Arc<Reception>,
    newcomer: SigningKey,
}

fn world(pending: usize, envelopes: Vec<Vec<u8>>) -> World {
    let listens = InstanceIdentity::generate().expect("identity");
    let dials = InstanceIdentity::generate().expect("identity");
    let local = "127.0.0.1:0".parse().expect("address");
    let mut listener = Listener::listen(local, &listens, Settings::default()).expect("listening");
    let address = listener.address().to_string();
    let desk = std::sync::Arc::new(Reception {
        key: SigningKey::from_seed(&[5; 32]),
        envelopes,
        pending: AtomicUsize::new(pending),
        seen: Mutex::default(),
    });
    let serving = desk.clone();
    tokio::spawn(async move {
        while let Some(arrival) = listener.accept().await {
            if let Arrival::Join(exchange) = arrival {
                let desk = serving.clone();
                tokio::spawn(async move { serve(exchange, &*desk).await });
            }
        }
    });
    World {
        dialer: Dialer::new(&dials, Settings::default()).expect("dialling"),
        address,
        desk,
        newcomer: SigningKey::from_seed(&[6; 32]),
    }
}

impl World {
    fn request(&self) -> Request {
        Request {
            secret: [1; SECRET_BYTES],
            seat: SeatId([3; 16]),
            key: self.newcomer.public(),
            title: "登记库".to_owned(),
            department: "示范区市场监管局".to_owned(),
            types: vec!["registration".to_owned()],
        }
    }

    async fn ask(&self, request: &Request) -> Result<Answer, JoinError> {
        let authority = self.desk.key.public();
        let verify = |proof: &Proof, exporter: &[u8; 32]| match proof.is_by(&authority, exporter) {
            true => Ok(()),
            false => Err("签名不符".to_owned()),
        };
        let asked = join(&self.dialer, &self.address, request, &self.newcomer, verify);
        timeout(Duration::from_secs(20), asked)
            .await
            .expect("in time")
    }

    fn seen(&self) -> Vec<Request> {
        self.desk.seen.lock().expect("lock").clone()
    }
}

#[tokio::test]
async fn a_newcomer_is_pending_then_approved() {
    let world = world(1, vec![vec![1; 10_000]]);
    let request = world.request();
    let authority = world.desk.key.public();
    let (mut heard, shutdown) = (Vec::new(), Shutdown::new());
    let decided = join_until_decided(
        &world.dialer,
        &world.address,
        &request,
        &world.newcomer,
        |proof, exporter| {
            assert_eq!(proof.envelopes, [vec![1; 10_000]]);
            assert!(proof.is_by(&authority, exporter));
            assert!(!proof.is_by(&authority, &[0; 32]));
            Ok(())
        },
        |text| heard.push(text.to_owned()),
        &shutdown,
    );
    let decided = timeout(Duration::from_secs(20), decided).await;
    assert_eq!(
        decided.expect("in time").expect("no error"),
        Some(Answer::Approved(vec![vec![4; 100], Vec::new()]))
    );
    assert_eq!(heard, ["等待区管理员确认"]);
    assert_eq!(world.seen(), [request.clone(), request]);
}

#[tokio::test]
async fn a_refusal_is_told_with_reason_and_contact() {
    let world = world(0, Vec::new());
    let mut request = world.request();
    request.secret = [2; SECRET_BYTES];
    let answer = world.ask(&request).await.expect("answered");
    // what would colour a terminal is gone
    assert_eq!(
        answer,
        Answer::Refused {
            reason: "接入码已使用[31m".to_owned(),
            contact: "0000-1234".to_owned()
        }
    );
}

#[tokio::test]
async fn nothing_is_said_to_a_server_that_does_not_prove_itself() {
    let world = world(0, Vec::new());
    let refuses = |_: &Proof, _: &[u8; 32]| Err("指纹与接入码不一致".to_owned());
    let request = world.request();
    let error = join(
        &world.dialer,
        &world.address,
        &request,
        &world.newcomer,
        refuses,
    )
    .await
    .expect_err("not proven");
    assert!(error.to_string().contains("指纹与接入码不一致"), "{error}");
    assert!(error.to_string().contains("未向其发送任何信息"), "{error}");
    assert!(world.seen().is_empty());
}

#[tokio::test]
async fn a_key_that_is_not_held_is_refused_without_asking_anybody() {
    let world = world(0, Vec::new());
    let mut request = world.request();
    request.key = SigningKey::from_seed(&[7; 32]).public();
    let answer = world.ask(&request).await.expect("answered");
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    assert!(world.seen().is_empty());
}

#[tokio::test]
async fn malformed_and_oversize_words_end_only_their_exchange() {
    let world = world(0, Vec::new());
    for words in [vec![9, 9], vec![], vec![GREETING, 2]] {
        let mut exchange = world.dialer.join(&world.address).await.expect("dialled");
        exchange.send(&words).await.expect("sending");
        assert!(exchange.receive().await.is_err());
    }
    let mut exchange = world.dialer.join(&world.address).await.expect("dialled");
    let too_long = exchange.send(&vec![0; EXCHANGE_BYTES_MAX + 1]).await;
    assert_eq!(
        too_long,
        Err(ExchangeError::TooLong(EXCHANGE_BYTES_MAX + 1))
    );
    let answer = world.ask(&world.request()).await.expect("answered");
    assert!(matches!(answer, Answer::Approved(_)));
}

#[test]
fn frames_read_back_and_damaged_ones_are_refused() {
    let key = SigningKey::from_seed(&[1; 32]);
    let request = Request {
        secret: [1; SECRET_BYTES],
        seat: SeatId([2; 16]),
        key: key.public(),
        title: "a".to_owned(),
        department: String::new(),
        types: vec!["x".to_owned(), "y".to_owned()],
    };
    let bytes = request_bytes(&request, &[3; 64]);
    assert_eq!(read_request(&bytes), Ok((request, [3; 64])));
    for cut in 0..bytes.len() {
        assert!(read_request(&bytes[..cut]).is_err());
    }
    for answer in [
        Answer::Approved(vec![vec![1, 2], vec![]]),
        Answer::Pending("x".repeat(TEXT_BYTES_MAX)),
        Answer::Refused {
            reason: "r".to_owned(),
            contact: "c".to_owned(),
        },
    ] {
        let bytes = answer_bytes(&answer);
        assert_eq!(read_answer(&bytes), Ok(answer));
        assert!(read_answer(&bytes[..bytes.len() - 1]).is_err());
        assert!(read_answer(&[&bytes[..], &[0]].concat()).is_err());
    }
    let proof = Proof::sign(&[8; 32], SeatId([1; 16]), &key, vec![vec![7; 9]]);
    let bytes = proof_bytes(&proof);
    assert_eq!(read_proof(&bytes), Ok(proof));
    assert!(read_proof(&bytes[..bytes.len() - 1]).is_err());
}
