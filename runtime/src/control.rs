//! The control socket: how a command on the same machine speaks to the running process. A Unix socket in the data folder
//! that only its owner may open; one request and one answer per connection, both bounded UTF-8 text.
//!
//! What requests mean is the program's business.

use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::worker::{Shutdown, caught};

/// Bytes of a request.
pub const REQUEST_BYTES_MAX: u64 = 64 << 10;
/// Bytes of an answer.
pub const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// A request must have arrived within this.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);
/// File name in the data folder.
pub const SOCKET: &str = "control.sock";

/// Why the control socket could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens: the process is not running.
    #[error("程序没有在运行(未能连接 {})。请先启动 run,再执行本命令", path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// The socket cannot be made or used.
    #[error("控制接口 {} 无法使用,请检查目录权限", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The running process did not answer completely.
    #[error("程序没有给出完整答复,请查看其日志")]
    NoAnswer,
}

/// Listens in `folder` and answers until shutdown. A socket file left by a process that is gone is replaced; the caller
/// holds the folder's lock, so there is no other living process.
pub fn serve<F, Fut>(folder: &Path, shutdown: Shutdown, answer: F) -> Result<(), ControlError>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = String> + Send + 'static,
{
    let path = folder.join(SOCKET);
    let io = |source| ControlError::Io {
        path: path.clone(),
        source,
    };
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(io)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(io)?;
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let answer = answer.clone();
                        tokio::spawn(async move {
                            if let Err(error) = converse(stream, |text| answer(text)).await {
                                tracing::warn!(%error, "control request failed");
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "control socket cannot accept");
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                },
                () = shutdown.begun() => break,
            }
        }
        // the next start replaces the file if this does not work
        let _ = std::fs::remove_file(&path);
    });
    Ok(())
}

async fn converse<F, Fut>(mut stream: UnixStream, answer: F) -> io::Result<()>
where
    F: FnOnce(String) -> Fut,
    Fut: Future<Output = String>,
{
    let mut request = Vec::new();
    let mut bounded = (&mut stream).take(REQUEST_BYTES_MAX);
    timeout(REQUEST_TIME_MAX, bounded.read_to_end(&mut request))
        .await
        .map_err(|_| io::ErrorKind::TimedOut)??;
    let request = String::from_utf8(request).map_err(|_| io::ErrorKind::InvalidData)?;
    let text = caught(answer(request))
        .await
        .unwrap_or_else(|panic| format!("程序内部错误:{panic}"));
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

/// Asks the process whose data lie in `folder`. Waits as long as the answer takes.
pub async fn ask(folder: &Path, request: &str) -> Result<String, ControlError> {
    let path = folder.join(SOCKET);
    let mut stream = UnixStream::connect(&path)
        .await
        .map_err(|_| ControlError::NotRunning { path: path.clone() })?;
    let io = |source| ControlError::Io {
        path: path.clone(),
        source,
    };
    stream.write_all(request.as_bytes()).await.map_err(io)?;
    stream.shutdown().await.map_err(io)?;
    let mut answer = Vec::new();
    stream
        .take(ANSWER_BYTES_MAX)
        .read_to_end(&mut answer)
        .await
        .map_err(io)?;
    String::from_utf8(answer).map_err(|_| ControlError::NoAnswer)
}
