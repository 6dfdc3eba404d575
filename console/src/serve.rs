//! Listening and serving. Plain HTTP goes only to this machine itself; anything else is HTTPS (D44).
//!
//! A request is handed on when it has arrived whole, so that a client who is slow or silent costs a place in the queue and
//! nothing else.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use runtime::descriptors;
use runtime::listener::https::Https;
use runtime::listener::prefix::Prefix;
use runtime::listener::{Arrival, Bounds, Gate};
use runtime::worker::Shutdown;
use tokio::time::{sleep, timeout};

use crate::client::Arrived;
use crate::routes::BODY_BYTES_MAX;

/// Connections at once.
const CONNECTIONS_MAX: usize = 1_024;
/// Of these for one address. An office behind one address has a few for each browser.
const PER_PARTY_MAX: usize = 256;
/// Within this the head of a request must have arrived, the first as well as one that follows on the same connection.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// Within this the body must have followed.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// After this a connection takes no further request.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(600);
/// After this it ends in any case: an answer that nobody reads.
const CONNECTION_LIFE_MAX: Duration = Duration::from_secs(660);

/// Why the console could not listen.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is not loopback.
    #[error(
        "控制台以明文 HTTP 提供服务，只能监听本机回环地址（如 127.0.0.1:8080），配置的是 {address}。\
         请改为回环地址，或设置 console.tls 启用 HTTPS"
    )]
    NotLoopback {
        /// What was configured.
        address: SocketAddr,
    },
    /// The system refuses the address.
    #[error("控制台地址 {address} 无法监听，可能已被其他程序占用；请换一个端口或停止占用者")]
    Listen {
        /// What was configured.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Listens; port 0 takes a free one. Without HTTPS only on loopback. Proxies are bound by no share of the places.
pub async fn listen(
    address: SocketAddr,
    https: Option<Https>,
    proxies: &[Prefix],
) -> Result<Gate, ServeError> {
    if https.is_none() && !address.ip().to_canonical().is_loopback() {
        return Err(ServeError::NotLoopback { address });
    }
    let bounds = Bounds {
        connections: descriptors::connections(CONNECTIONS_MAX),
        per_party: descriptors::connections(PER_PARTY_MAX),
        exempt: proxies.to_vec(),
        life: CONNECTION_LIFE_MAX,
    };
    Gate::open("console", address, bounds, https)
        .await
        .map_err(|source| ServeError::Listen { address, source })
}

/// Serves until `shutdown`, then lets running answers finish.
pub async fn serve(gate: Gate, router: Router, shutdown: Shutdown) {
    let ending = shutdown.clone();
    gate.serve(shutdown, move |arrival| {
        converse(arrival, router.clone(), ending.clone())
    })
    .await;
}

async fn converse(arrival: Arrival, router: Router, shutdown: Shutdown) {
    let Arrival {
        stream,
        peer,
        secure,
        place,
    } = arrival;
    let arrived = Arrived {
        peer: peer.ip(),
        secure,
    };
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, place) = (router.clone(), place.clone());
        async move {
            let (mut parts, body) = request.into_parts();
            let body = match whole(body).await {
                Ok(body) => body,
                Err(refusal) => return Ok::<Response, Infallible>(refusal),
            };
            let _answering = place.answering();
            parts.extensions.insert(arrived);
            router
                .call(Request::from_parts(parts, Body::from(body)))
                .await
        }
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = async {
            tokio::select! {
                () = shutdown.begun() => {}
                () = sleep(CONNECTION_TIME_MAX) => {}
            }
        } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, from = %peer, "connection ended");
    }
}

/// The whole body of a request, or what is said to who does not send it.
async fn whole(body: Incoming) -> Result<Bytes, Response> {
    match timeout(BODY_TIME_MAX, to_bytes(Body::new(body), BODY_BYTES_MAX)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            "提交的内容过长或没有发完，未作任何改动\n",
        )),
        Err(_) => Err(refusal(
            StatusCode::REQUEST_TIMEOUT,
            "请求没有及时发完，未作任何改动\n",
        )),
    }
}

fn refusal(status: StatusCode, text: &'static str) -> Response {
    let mut response = (status, text).into_response();
    // what is still to come of the request is not read
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
