//! The tasks of a QUIC carrier: one writer and one reader per stream. What a stranger or an offender sends ends here.

use std::sync::Weak;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::*;

/// First byte of the stream by which a peer says that it has taken everything.
pub(super) const CONSUMED: u8 = 0x10;

pub(super) async fn write(mut stream: quinn::SendStream, mut queue: mpsc::Receiver<Vec<u8>>) {
    while let Some(frame) = queue.recv().await {
        // the connection is gone, or the peer refuses: noticed by who sends next, as the queue closes
        if stream.write_all(&frame).await.is_err() {
            return;
        }
    }
    let _ = stream.finish();
    // kept until delivered: dropping a finished stream is harmless, but its errors would go unseen in traces
    let _ = stream.stopped().await;
}

pub(super) async fn accept(
    connection: quinn::Connection,
    queues: [mpsc::Sender<Vec<u8>>; PRIORITIES],
    shared: Weak<Shared>,
) {
    let mut queues = queues.map(Some);
    // four streams and the word that all was consumed
    for _ in 0..=PRIORITIES {
        let Ok(mut stream) = connection.accept_uni().await else {
            return;
        };
        let mut kind = [0];
        if stream.read_exact(&mut kind).await.is_err() {
            return violation(&shared, "对端打开的数据流不完整");
        }
        let kind = kind[0];
        if kind == CONSUMED {
            if let Some(shared) = shared.upgrade()
                && let Wire::Quic { consumed, .. } = &shared.wire
            {
                consumed.send_replace(true);
            }
            continue;
        }
        match queues.get_mut(usize::from(kind)).and_then(Option::take) {
            Some(queue) => {
                tokio::spawn(read(stream, kind, queue, shared.clone()));
            }
            None => return violation(&shared, "对端打开了多余的数据流"),
        }
    }
    if connection.accept_uni().await.is_ok() {
        violation(&shared, "对端打开了多余的数据流");
    }
}

async fn read(
    mut stream: quinn::RecvStream,
    priority: u8,
    queue: mpsc::Sender<Vec<u8>>,
    shared: Weak<Shared>,
) {
    if priority != 0 && !trusted(&shared).await {
        return;
    }
    loop {
        let mut header = [0; codec::HEADER_BYTES];
        match stream.read_exact(&mut header).await {
            Ok(()) => {}
            Err(quinn::ReadExactError::FinishedEarly(0)) => {
                if let Some(shared) = shared.upgrade() {
                    shared.clean.fetch_or(1 << priority, Ordering::AcqRel);
                }
                return;
            }
            Err(quinn::ReadExactError::ReadError(quinn::ReadError::ConnectionLost(_))) => {
                return;
            }
            Err(_) => return violation(&shared, "对端中途放弃了数据流"),
        }
        let Ok(body) = codec::length(header, limits::FRAME_BYTES_MAX) else {
            let most = limits::FRAME_BYTES_MAX;
            let reason = format!("对端报文的声明长度超过上限 {most} 字节");
            return violation(&shared, &reason);
        };
        let len = header.len() + body;
        // before it is known who speaks, only what introductions need; the peer's first large frame waits for our
        // trust, which may lag behind its own
        if body > limits::GREETING_FRAME_BYTES_MAX && !trusted(&shared).await {
            return;
        }
        // memory grows as bytes arrive: a length alone costs nothing
        let mut frame = Vec::with_capacity(len.min(64 << 10));
        frame.extend_from_slice(&header);
        while frame.len() < len {
            match stream.read_chunk(len - frame.len(), true).await {
                Ok(Some(chunk)) => frame.extend_from_slice(&chunk.bytes),
                Ok(None) => return violation(&shared, "对端的报文不完整"),
                Err(quinn::ReadError::ConnectionLost(_)) => return,
                Err(_) => return violation(&shared, "对端中途放弃了数据流"),
            }
        }
        if queue.send(frame).await.is_err() {
            return;
        }
    }
}

/// Ends the connection of a stranger that has not proven by the deadline who it is, or whose place has gone to another.
pub(super) async fn watch(deadline: Instant, lost: CancellationToken, shared: Weak<Shared>) {
    let (code, reason) = tokio::select! {
        biased;
        // or it is over
        _ = trusted(&shared) => return,
        () = lost.cancelled() => (CloseCode::Busy, "等待验证身份的连接过多，请稍后重试"),
        () = sleep_until(deadline) => (CloseCode::Silent, "未能及时完成身份验证"),
    };
    if let Some(shared) = shared.upgrade() {
        shared.close(code, reason);
    }
}

async fn trusted(shared: &Weak<Shared>) -> bool {
    let Some(strong) = shared.upgrade() else {
        return false;
    };
    let Wire::Quic { trusted, .. } = &strong.wire else {
        return false;
    };
    let mut trusted = trusted.subscribe();
    drop(strong);
    // an error means that the connection has been dropped
    trusted.wait_for(|trusted| *trusted).await.is_ok()
}

fn violation(shared: &Weak<Shared>, reason: &str) {
    if let Some(shared) = shared.upgrade() {
        shared.close(CloseCode::Violation, reason);
    }
}
