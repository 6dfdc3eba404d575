//! One conversation of small frames on one bidirectional stream: what admission runs on.
//!
//! Frames are `len u32 ‖ bytes` of at most [`EXCHANGE_BYTES_MAX`]. What they mean is admission's.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::limits::EXCHANGE_BYTES_MAX;
use quinn::VarInt;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::carrier::CloseCode;
use super::endpoint::proof;
use super::places::Probation;

/// Within this the whole exchange must be done.
pub const EXCHANGE_TIME_MAX: Duration = Duration::from_secs(20);
/// At the end, the other side has this long to take what was said last.
const FINISH_TIME_MAX: Duration = Duration::from_secs(2);

/// Why an exchange stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The connection is gone.
    #[error("连接中断：{0}")]
    Lost(String),
    /// The other side sent more than a frame may hold.
    #[error(
        "对端发来 {0} 字节的报文，超过上限 {EXCHANGE_BYTES_MAX} 字节；对端不是本系统节点或版本有误"
    )]
    TooLong(usize),
    /// We have more to say than a frame may hold; nothing was sent.
    #[error(
        "本端要发送的报文有 {0} 字节，超过上限 {EXCHANGE_BYTES_MAX} 字节，未发送；请本端运维人员核对"
    )]
    NotSent(usize),
    /// The other side was silent for too long.
    #[error("对端没有在 {} 秒内完成应答", EXCHANGE_TIME_MAX.as_secs())]
    Silent,
}

/// An exchange, either side of it.
pub struct Exchange {
    /// SHA-256 of the peer's TLS key.
    pub peer_key: [u8; 32],
    /// The value that both sides can sign to prove that they are on this very connection.
    pub exporter: [u8; 32],
    /// Where the peer is, for logs and rate limits.
    pub remote: SocketAddr,
    connection: quinn::Connection,
    send: quinn::SendStream,
    receive: quinn::RecvStream,
    /// The end of the whole exchange.
    deadline: Instant,
    /// The first frame, if it was waited for.
    first: Option<Vec<u8>>,
    /// The stranger's place, until the exchange is over.
    probation: Option<Probation>,
}

/// Ends an exchange from beside it.
pub(super) struct Closer {
    connection: quinn::Connection,
    lost: CancellationToken,
}

impl Closer {
    /// Reading and writing fail from now on.
    pub(super) fn close(&self, code: CloseCode) {
        self.connection.close(VarInt::from_u32(code.number()), b"");
    }

    /// Waits until the connection has ended.
    pub(super) async fn closed(&self) {
        self.connection.closed().await;
    }

    /// Waits until the exchange has lost its place to another.
    pub(super) async fn displaced(&self) {
        self.lost.cancelled().await;
    }
}

impl Exchange {
    pub(super) async fn dialled(connection: quinn::Connection) -> Result<Self, String> {
        let deadline = sleep(EXCHANGE_TIME_MAX).deadline();
        let streams = connection.open_bi().await.map_err(|e| e.to_string())?;
        Self::over(connection, streams, deadline, None)
    }

    pub(super) async fn accepted(
        connection: quinn::Connection,
        probation: Probation,
        deadline: Instant,
    ) -> Result<Self, String> {
        let streams = connection.accept_bi().await.map_err(|e| e.to_string())?;
        Self::over(connection, streams, deadline, Some(probation))
    }

    fn over(
        connection: quinn::Connection,
        (send, receive): (quinn::SendStream, quinn::RecvStream),
        deadline: Instant,
        probation: Option<Probation>,
    ) -> Result<Self, String> {
        let (peer_key, exporter) = proof(&connection)?;
        Ok(Self {
            peer_key,
            exporter,
            remote: connection.remote_address(),
            connection,
            send,
            receive,
            deadline,
            first: None,
            probation,
        })
    }

    /// Ends it from beside it.
    pub(super) fn closer(&self) -> Closer {
        let lost = self.probation.as_ref().map(|p| p.place.lost());
        Closer {
            connection: self.connection.clone(),
            lost: lost.unwrap_or_default(),
        }
    }

    /// Waits for the first frame, which the next [`Exchange::receive`] gives. A stranger has less time for it than for the
    /// whole.
    pub(super) async fn await_first(&mut self) -> Result<(), ExchangeError> {
        let by = self.probation.as_ref().map(|p| p.deadline);
        let first = self.receive_by(by.unwrap_or(self.deadline)).await?;
        self.first = Some(first);
        Ok(())
    }

    /// Sends one frame. More than [`EXCHANGE_BYTES_MAX`] bytes are the caller's mistake and are not sent.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), ExchangeError> {
        if bytes.len() > EXCHANGE_BYTES_MAX {
            return Err(ExchangeError::NotSent(bytes.len()));
        }
        let mut frame = Vec::with_capacity(4 + bytes.len());
        frame.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        frame.extend_from_slice(bytes);
        match timeout_at(self.deadline, self.send.write_all(&frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(ExchangeError::Lost(error.to_string())),
            Err(_) => Err(ExchangeError::Silent),
        }
    }

    /// The next frame.
    pub async fn receive(&mut self) -> Result<Vec<u8>, ExchangeError> {
        match self.first.take() {
            Some(first) => Ok(first),
            None => self.receive_by(self.deadline).await,
        }
    }

    async fn receive_by(&mut self, deadline: Instant) -> Result<Vec<u8>, ExchangeError> {
        let read = async {
            let lost = |error: quinn::ReadExactError| ExchangeError::Lost(error.to_string());
            let mut len = [0; 4];
            self.receive.read_exact(&mut len).await.map_err(lost)?;
            let len = u32::from_be_bytes(len) as usize;
            if len > EXCHANGE_BYTES_MAX {
                return Err(ExchangeError::TooLong(len));
            }
            let mut bytes = vec![0; len];
            self.receive.read_exact(&mut bytes).await.map_err(lost)?;
            Ok(bytes)
        };
        match timeout_at(deadline, read).await {
            Ok(read) => read,
            Err(_) => Err(ExchangeError::Silent),
        }
    }

    /// Ends it: all that was sent is delivered first, if the peer takes it.
    pub async fn finish(mut self) {
        // both can only fail when the connection is gone already
        let _ = self.send.finish();
        let by = self.deadline.min(sleep(FINISH_TIME_MAX).deadline());
        let _ = timeout_at(by, self.send.stopped()).await;
        self.connection.close(VarInt::from_u32(0), b"");
    }
}
