//! Listening and serving. Plain HTTP goes only to this machine itself; anything else needs HTTPS in front (D44).

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;

/// Why the console could not listen or stopped serving.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is not loopback.
    #[error(
        "控制台以明文 HTTP 提供服务，只能监听本机回环地址（如 127.0.0.1:8080），配置的是 {address}。\
         请改为回环地址，并由本机的 HTTPS 反向代理对外提供"
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
    /// The listener failed.
    #[error("控制台的监听中断，请检查系统日志后重启节点")]
    Io(#[from] io::Error),
}

/// Listens at a loopback address; port 0 takes a free one.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback { address });
    }
    TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Listen { address, source })
}

/// Serves until `shutdown`, then lets running answers finish. Refuses a listener that is not on loopback.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback { address });
    }
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, service)
        .with_graceful_shutdown(shutdown)
        .await?)
}
