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

use crate::listener::Complaint;
use crate::worker::{Workers, caught, chain};

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
    #[error("程序没有在运行（未能连接 {}）。请先启动 run，再执行本命令", path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// The socket cannot be made or used.
    #[error("控制接口 {} 无法使用，请检查目录权限", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process answers there.
    #[error("控制接口 {} 正被另一个进程使用，请先停止那个进程", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The request is longer than the running process would read.
    #[error("请求有 {bytes} 字节，超过 {REQUEST_BYTES_MAX} 字节的上限，请缩短参数")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The running process did not answer completely.
    #[error("程序没有给出完整答复，请查看其日志")]
    NoAnswer,
}

/// What is wrong with a request, as told to who sent it.
#[derive(Debug, thiserror::Error)]
enum RequestFault {
    #[error("请求超过 {REQUEST_BYTES_MAX} 字节的上限")]
    TooLarge,
    #[error("请求不是 UTF-8 文本")]
    NotText,
    #[error("请求没有及时发完")]
    Unfinished,
    #[error("请求未能读取")]
    Io(#[from] io::Error),
}

/// Listens in `folder` and answers until the workers stop. A socket file left by a process that is gone is replaced; that
/// there is no living one is for the caller's lock on the folder to see to, yet one that answers is not displaced.
pub fn serve<F, Fut>(folder: &Path, workers: &Workers, answer: F) -> Result<(), ControlError>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = String> + Send + 'static,
{
    let path = folder.join(SOCKET);
    let io = |source| ControlError::Io {
        path: path.clone(),
        source,
    };
    if std::os::unix::net::UnixStream::connect(&path).is_ok() {
        return Err(ControlError::InUse { path });
    }
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(io)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(io)?;
    let answer = Arc::new(answer);
    let shutdown = workers.shutdown();
    workers.once(async move {
        let mut refused = Complaint::default();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let answer = answer.clone();
                        tokio::spawn(async move {
                            if let Err(error) = converse(stream, REQUEST_TIME_MAX, |text| answer(text)).await {
                                tracing::warn!(%error, "control request failed");
                            }
                        });
                    }
                    Err(error) => {
                        if let Some(times) = refused.due() {
                            tracing::warn!(%error, times, "control socket cannot accept");
                        }
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

async fn converse<F, Fut>(mut stream: UnixStream, patience: Duration, answer: F) -> io::Result<()>
where
    F: FnOnce(String) -> Fut,
    Fut: Future<Output = String>,
{
    let received = match timeout(patience, receive(&mut stream)).await {
        Ok(received) => received,
        Err(_) => Err(RequestFault::Unfinished),
    };
    let text = match received {
        Ok(request) => caught(answer(request))
            .await
            .unwrap_or_else(|panic| format!("程序内部错误：{panic}")),
        Err(fault) => {
            tracing::warn!(error = %chain(&fault), "control request refused");
            fault.to_string()
        }
    };
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

async fn receive(stream: &mut UnixStream) -> Result<String, RequestFault> {
    let mut request = Vec::new();
    let mut bounded = (&mut *stream).take(REQUEST_BYTES_MAX + 1);
    bounded.read_to_end(&mut request).await?;
    if request.len() as u64 > REQUEST_BYTES_MAX {
        // heard out, though not kept: who is cut off in the middle does not hear the answer
        tokio::io::copy(stream, &mut tokio::io::sink()).await?;
        return Err(RequestFault::TooLarge);
    }
    String::from_utf8(request).map_err(|_| RequestFault::NotText)
}

/// Asks the process whose data lie in `folder`. Waits as long as the answer takes.
pub async fn ask(folder: &Path, request: &str) -> Result<String, ControlError> {
    if request.len() as u64 > REQUEST_BYTES_MAX {
        return Err(ControlError::TooLarge {
            bytes: request.len(),
        });
    }
    let path = folder.join(SOCKET);
    let stream = match UnixStream::connect(&path).await {
        Ok(stream) => stream,
        Err(error) => {
            use io::ErrorKind::{ConnectionRefused, NotFound};
            return Err(match error.kind() {
                NotFound | ConnectionRefused => ControlError::NotRunning { path },
                _ => ControlError::Io {
                    path,
                    source: error,
                },
            });
        }
    };
    // from here on the process has been reached: whatever fails is that it did not go on
    let answer = exchange(stream, request.as_bytes()).await;
    let answer = answer.map_err(|_| ControlError::NoAnswer)?;
    if answer.is_empty() || answer.len() as u64 > ANSWER_BYTES_MAX {
        return Err(ControlError::NoAnswer);
    }
    String::from_utf8(answer).map_err(|_| ControlError::NoAnswer)
}

async fn exchange(mut stream: UnixStream, request: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(request).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    let mut bounded = stream.take(ANSWER_BYTES_MAX + 1);
    bounded.read_to_end(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests;
