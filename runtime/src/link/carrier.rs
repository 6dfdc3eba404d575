//! A carrier: frames of a session between two installations, over QUIC or in memory.
//!
//! Four streams per direction, one per priority, each a sequence of frames as the protocol lays them out. Frames of one
//! priority arrive in order, nothing is promised between priorities. Queues are short and sending waits, so a slow receiver
//! slows its sender and nothing piles up. What frames say is the session's business.
//!
//! Long because the carriers over QUIC and in memory keep the same promise and are read side by side.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use protocol::{codec, limits};
use quinn::{ConnectionError, VarInt};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::endpoint::{Role, Settings, proof};
use super::places::Probation;

mod quic;

/// Priorities: 0 control and lane 0, 1 lane 1, 2 lane 2, 3 backfill.
pub const PRIORITIES: usize = 4;
/// Frames that wait in each queue, per priority and direction.
pub const QUEUE_FRAMES_MAX: usize = 4;
/// Bytes of a frame on the wire, its number and length included.
pub const FRAME_BYTES_MAX: usize = codec::HEADER_BYTES + limits::FRAME_BYTES_MAX;
/// Bytes of a reason given when closing.
pub const REASON_BYTES_MAX: usize = 300;

/// A frame as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The priority that it was sent with.
    pub priority: u8,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Why a connection is closed, as both sides see it. The numbers travel and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// Everything was said and taken.
    Done,
    /// The program is stopping; come back later.
    Stopping,
    /// A newer session of the same instance took over.
    Superseded,
    /// The peer is not who may speak here.
    Unauthorised,
    /// The peer sent what the protocol does not allow.
    Violation,
    /// Too much to do; come back later.
    Busy,
    /// The peer did not answer in time.
    Silent,
    /// Something failed on the closing side.
    Internal,
    /// The link broke; neither side chose it.
    Lost,
    /// A code of a newer release.
    Other(u32),
}

impl CloseCode {
    /// The number that travels.
    pub const fn number(self) -> u32 {
        match self {
            Self::Done => 0,
            Self::Stopping => 1,
            Self::Superseded => 2,
            Self::Unauthorised => 3,
            Self::Violation => 4,
            Self::Busy => 5,
            Self::Silent => 6,
            Self::Internal => 7,
            Self::Lost => 8,
            Self::Other(n) => n,
        }
    }

    /// The code of a number.
    pub const fn from_number(n: u32) -> Self {
        match n {
            0 => Self::Done,
            1 => Self::Stopping,
            2 => Self::Superseded,
            3 => Self::Unauthorised,
            4 => Self::Violation,
            5 => Self::Busy,
            6 => Self::Silent,
            7 => Self::Internal,
            8 => Self::Lost,
            n => Self::Other(n),
        }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("链路关闭（{}）：{reason}", if *by_peer { "对端" } else { "本端" })]
pub struct Closed {
    /// Whether the other side closed it.
    pub by_peer: bool,
    /// Why.
    pub code: CloseCode,
    /// Why, for people.
    pub reason: String,
}

/// Why a frame was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The connection has ended.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// The frame is longer than frames may be: the caller's mistake, nothing was sent.
    #[error("报文 {0} 字节，超过上限 {FRAME_BYTES_MAX} 字节，未发送")]
    TooLong(usize),
}

/// What a connection has moved so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CarrierStats {
    /// Smoothed round trip.
    pub round_trip: Duration,
    /// Bytes of UDP sent.
    pub bytes_sent: u64,
    /// Bytes of UDP received.
    pub bytes_received: u64,
    /// Packets lost on the way out.
    pub packets_lost: u64,
}

/// A connection to a peer.
pub struct Carrier {
    /// SHA-256 of the peer's TLS key.
    pub peer_key: [u8; 32],
    /// The value that both sides can sign to prove that they are on this very connection.
    pub exporter: [u8; 32],
    /// Which side we are.
    pub role: Role,
    /// Where the peer is, for logs.
    pub remote: String,
    outgoing: Outgoing,
    incoming: Incoming,
}

/// The sending half.
pub struct Outgoing {
    queues: [mpsc::Sender<Vec<u8>>; PRIORITIES],
    control: Control,
}

/// The receiving half.
pub struct Incoming {
    queues: [mpsc::Receiver<Vec<u8>>; PRIORITIES],
    control: Control,
}

/// A place in a queue.
pub struct Slot<'a>(mpsc::Permit<'a, Vec<u8>>);

/// The connection as a whole: closing, trust, figures. Clones are the same connection; when the last one is dropped
/// without closing, the connection is closed as failed.
#[derive(Clone)]
pub struct Control(Arc<Shared>);

impl Carrier {
    /// The two halves and the whole, for a task that sends and receives at once.
    pub fn split(self) -> (Outgoing, Incoming, Control) {
        let control = self.outgoing.control.clone();
        (self.outgoing, self.incoming, control)
    }

    /// Sends one frame; waits while the priority's queue is full.
    pub async fn send(&self, priority: u8, frame: Vec<u8>) -> Result<(), SendError> {
        self.outgoing.send(priority, frame).await
    }

    /// The next frame, the most urgent first; `None` when the peer has finished.
    pub async fn receive(&mut self) -> Result<Option<Frame>, Closed> {
        self.incoming.receive().await
    }

    /// The connection as a whole.
    pub fn control(&self) -> &Control {
        &self.outgoing.control
    }

    /// Between sides that trust each other: finishes sending, takes what still comes, tells the peer that all was taken, and
    /// closes when it says the same.
    pub async fn drain(self, at_most: Duration, mut take: impl FnMut(Frame)) -> Result<(), Closed> {
        let (outgoing, mut incoming, control) = self.split();
        outgoing.finish();
        let drain = async {
            while let Some(frame) = incoming.receive().await? {
                take(frame);
            }
            control.conclude().await
        };
        match timeout(at_most, drain).await {
            Ok(drained) => drained,
            Err(_) => Err(control.close(CloseCode::Silent, "对端未能及时收完数据")),
        }
    }

    /// Two carriers that are each other's peer, for tests. `seed` makes keys and exporter.
    pub fn pair(seed: u8) -> (Self, Self) {
        let ended = Arc::new(watch::Sender::new(None));
        let consumed = Arc::new(watch::Sender::new(0u8));
        let half = || {
            let (senders, receivers): (Vec<_>, Vec<_>) = (0..PRIORITIES)
                .map(|_| mpsc::channel(QUEUE_FRAMES_MAX))
                .unzip();
            (four(senders), four(receivers))
        };
        let ((to_b, from_a), (to_a, from_b)) = (half(), half());
        let make = |role, me: u8, queues, from| {
            let control = Control(Arc::new(Shared {
                ended: watch::Sender::new(None),
                clean: AtomicU8::new(ALL_CLEAN),
                wire: Wire::Memory {
                    side: me,
                    ended: ended.clone(),
                    consumed: consumed.clone(),
                },
            }));
            Self {
                peer_key: [seed ^ (3 - me); 32],
                exporter: [seed; 32],
                role,
                remote: "memory".to_owned(),
                outgoing: Outgoing {
                    queues,
                    control: control.clone(),
                },
                incoming: Incoming {
                    queues: from,
                    control,
                },
            }
        };
        (
            make(Role::Dialled, 1, to_b, from_b),
            make(Role::Accepted, 2, to_a, from_a),
        )
    }

    pub(super) async fn over(
        connection: quinn::Connection,
        role: Role,
        settings: &Settings,
        probation: Option<Probation>,
    ) -> Result<Self, String> {
        let (peer_key, exporter) = proof(&connection)?;
        let remote = connection.remote_address().to_string();
        let watched = probation.as_ref().map(|p| (p.deadline, p.place.lost()));
        let control = Control(Arc::new(Shared {
            ended: watch::Sender::new(None),
            clean: AtomicU8::new(0),
            wire: Wire::Quic {
                connection: connection.clone(),
                window: settings.connection_window,
                trusted: watch::Sender::new(false),
                probation: Mutex::new(probation),
                consumed: watch::Sender::new(false),
            },
        }));
        if let Some((deadline, lost)) = watched {
            tokio::spawn(quic::watch(deadline, lost, Arc::downgrade(&control.0)));
        }
        let mut outgoing = Vec::with_capacity(PRIORITIES);
        for priority in 0..PRIORITIES as u8 {
            let mut stream = connection.open_uni().await.map_err(|e| e.to_string())?;
            // quinn sends higher numbers first
            let _ = stream.set_priority(-i32::from(priority));
            stream
                .write_all(&[priority])
                .await
                .map_err(|e| e.to_string())?;
            let (sender, receiver) = mpsc::channel(QUEUE_FRAMES_MAX);
            tokio::spawn(quic::write(stream, receiver));
            outgoing.push(sender);
        }
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..PRIORITIES)
            .map(|_| mpsc::channel(QUEUE_FRAMES_MAX))
            .unzip();
        tokio::spawn(quic::accept(
            connection,
            four(senders),
            Arc::downgrade(&control.0),
        ));
        Ok(Self {
            peer_key,
            exporter,
            role,
            remote,
            outgoing: Outgoing {
                queues: four(outgoing),
                control: control.clone(),
            },
            incoming: Incoming {
                queues: four(receivers),
                control,
            },
        })
    }
}

impl Outgoing {
    /// Sends one frame; waits while the priority's queue is full. Nothing is half sent when it is cancelled.
    pub async fn send(&self, priority: u8, frame: Vec<u8>) -> Result<(), SendError> {
        if frame.len() > FRAME_BYTES_MAX {
            return Err(SendError::TooLong(frame.len()));
        }
        self.reserve(priority).await?.send(frame)
    }

    /// Waits for room in a priority's queue, before the frame is made.
    pub async fn reserve(&self, priority: u8) -> Result<Slot<'_>, Closed> {
        let queue = &self.queues[usize::from(priority).min(PRIORITIES - 1)];
        tokio::select! {
            biased;
            closed = self.control.closed() => Err(closed),
            slot = queue.reserve() => match slot {
                Ok(slot) => Ok(Slot(slot)),
                // the writer ends before the connection only if the peer refused the stream
                Err(_) => Err(self.control.broken("对端不再接收数据").await),
            },
        }
    }

    /// Room in a priority's queue, if there is some now.
    pub fn try_reserve(&self, priority: u8) -> Option<Slot<'_>> {
        self.queues[usize::from(priority).min(PRIORITIES - 1)]
            .try_reserve()
            .ok()
            .map(Slot)
    }

    /// No more frames: what is queued is sent, then the peer learns that we have finished.
    pub fn finish(self) {}
}

impl Slot<'_> {
    /// Puts the frame into the place.
    pub fn send(self, frame: Vec<u8>) -> Result<(), SendError> {
        if frame.len() > FRAME_BYTES_MAX {
            return Err(SendError::TooLong(frame.len()));
        }
        self.0.send(frame);
        Ok(())
    }
}

impl Incoming {
    /// The next frame, the most urgent first; `None` when the peer has finished. Nothing is lost when it is cancelled.
    pub async fn receive(&mut self) -> Result<Option<Frame>, Closed> {
        let frame = tokio::select! {
            biased;
            frame = std::future::poll_fn(|context| {
                let mut open = false;
                for (priority, queue) in self.queues.iter_mut().enumerate() {
                    match queue.poll_recv(context) {
                        Poll::Ready(Some(bytes)) => {
                            let priority = priority as u8;
                            return Poll::Ready(Some(Frame { priority, bytes }));
                        }
                        Poll::Ready(None) => {}
                        Poll::Pending => open = true,
                    }
                }
                if open { Poll::Pending } else { Poll::Ready(None) }
            }) => frame,
            closed = self.control.closed() => return Err(closed),
        };
        match frame {
            Some(frame) => Ok(Some(frame)),
            None if self.control.0.clean.load(Ordering::Acquire) == ALL_CLEAN => {
                match self.control.ended() {
                    Some(closed) if closed.code != CloseCode::Done => Err(closed),
                    _ => Ok(None),
                }
            }
            None => Err(self.control.broken("对端中断了数据流").await),
        }
    }
}

impl Control {
    /// Closes the connection; the first closing counts. Returns how the connection ended.
    pub fn close(&self, code: CloseCode, reason: &str) -> Closed {
        self.0.close(code, reason)
    }

    /// Waits until the connection has ended.
    pub async fn closed(&self) -> Closed {
        self.0.closed().await
    }

    /// How the connection ended, if it has.
    pub fn ended(&self) -> Option<Closed> {
        self.0.ended()
    }

    /// The peer has proven who it is: it may now send as much as a peer may, and its key is known from now on.
    pub fn trust(&self) {
        if let Wire::Quic {
            connection,
            window,
            trusted,
            probation,
            ..
        } = &self.0.wire
        {
            connection.set_receive_window(VarInt::from_u32(*window));
            trusted.send_replace(true);
            let mut probation = probation.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(probation) = probation.take() {
                probation.passed();
            }
        }
    }

    /// What it has moved so far.
    pub fn stats(&self) -> CarrierStats {
        match &self.0.wire {
            Wire::Memory { .. } => CarrierStats::default(),
            Wire::Quic { connection, .. } => {
                let stats = connection.stats();
                CarrierStats {
                    round_trip: stats.path.rtt,
                    bytes_sent: stats.udp_tx.bytes,
                    bytes_received: stats.udp_rx.bytes,
                    packets_lost: stats.path.lost_packets,
                }
            }
        }
    }

    /// Ends a drain: after our sending has finished and the peer's last frame was taken, tells the peer so, waits to be
    /// told the same, and closes. An end in which either side may not have got everything is an error.
    pub async fn conclude(&self) -> Result<(), Closed> {
        let peer_took_all = async {
            match &self.0.wire {
                Wire::Quic {
                    connection,
                    consumed,
                    ..
                } => {
                    // a connection that breaks here is noticed by `closed` below
                    if let Ok(mut stream) = connection.open_uni().await {
                        let _ = stream.write_all(&[quic::CONSUMED]).await;
                        let _ = stream.finish();
                        let _ = stream.stopped().await;
                    }
                    let _ = consumed.subscribe().wait_for(|consumed| *consumed).await;
                }
                Wire::Memory { side, consumed, .. } => {
                    consumed.send_modify(|bits| *bits |= side);
                    let _ = consumed.subscribe().wait_for(|bits| *bits == 3).await;
                }
            }
        };
        tokio::select! {
            biased;
            () = peer_took_all => {
                self.close(CloseCode::Done, "");
                Ok(())
            }
            closed = self.closed() => match closed.code {
                CloseCode::Done => Ok(()),
                _ => Err(closed),
            },
        }
    }

    /// The end of a connection of which a stream has ended too early: the connection's own reason if it comes, else ours.
    async fn broken(&self, reason: &str) -> Closed {
        match timeout(Duration::from_secs(1), self.closed()).await {
            Ok(closed) => closed,
            Err(_) => self.close(CloseCode::Violation, reason),
        }
    }
}

struct Shared {
    /// Set once by whoever ends the connection on this side, with the reason we gave.
    ended: watch::Sender<Option<Closed>>,
    /// One bit per priority whose stream the peer has finished.
    clean: AtomicU8,
    wire: Wire,
}

enum Wire {
    Quic {
        connection: quinn::Connection,
        window: u32,
        trusted: watch::Sender<bool>,
        probation: Mutex<Option<Probation>>,
        consumed: watch::Sender<bool>,
    },
    Memory {
        side: u8,
        ended: Arc<watch::Sender<Option<(u8, CloseCode, String)>>>,
        consumed: Arc<watch::Sender<u8>>,
    },
}

impl Shared {
    fn close(&self, code: CloseCode, reason: &str) -> Closed {
        if let Some(closed) = self.ended() {
            return closed;
        }
        let reason = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
        let closed = Closed {
            by_peer: false,
            code,
            reason: reason.to_owned(),
        };
        self.ended.send_if_modified(|ended| {
            let first = ended.is_none();
            ended.get_or_insert_with(|| closed.clone());
            first
        });
        match &self.wire {
            Wire::Quic { connection, .. } => {
                connection.close(VarInt::from_u32(code.number()), reason.as_bytes());
            }
            Wire::Memory { side, ended, .. } => {
                ended.send_if_modified(|ended| {
                    let first = ended.is_none();
                    ended.get_or_insert_with(|| (*side, code, reason.to_owned()));
                    first
                });
            }
        }
        self.ended().unwrap_or(closed)
    }

    fn ended(&self) -> Option<Closed> {
        if let Some(closed) = self.ended.borrow().as_ref() {
            return Some(closed.clone());
        }
        match &self.wire {
            Wire::Quic { connection, .. } => connection.close_reason().map(closed_by_quinn),
            Wire::Memory { side, ended, .. } => ended
                .borrow()
                .as_ref()
                .map(|ended| ended_in_memory(*side, ended)),
        }
    }

    async fn closed(&self) -> Closed {
        match &self.wire {
            Wire::Quic { connection, .. } => {
                let error = connection.closed().await;
                self.ended().unwrap_or_else(|| closed_by_quinn(error))
            }
            Wire::Memory { side, ended, .. } => {
                let mut ended = ended.subscribe();
                let waited = ended.wait_for(Option::is_some).await;
                match waited.ok().as_deref().and_then(Option::as_ref) {
                    Some(ended) => ended_in_memory(*side, ended),
                    None => lost("连接已释放"),
                }
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close(CloseCode::Internal, "会话异常结束");
    }
}

fn ended_in_memory(me: u8, (side, code, reason): &(u8, CloseCode, String)) -> Closed {
    Closed {
        by_peer: *side != me,
        code: *code,
        reason: reason.clone(),
    }
}

fn closed_by_quinn(error: ConnectionError) -> Closed {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            let number = u32::try_from(close.error_code.into_inner()).unwrap_or(u32::MAX);
            let cut = close.reason.len().min(REASON_BYTES_MAX);
            // shown to people: control characters of a hostile peer stay out of terminals and logs
            let reason = String::from_utf8_lossy(&close.reason[..cut])
                .chars()
                .filter(|c| !c.is_control())
                .collect();
            Closed {
                by_peer: true,
                code: CloseCode::from_number(number),
                reason,
            }
        }
        ConnectionError::TimedOut => lost("长时间收不到对端数据"),
        ConnectionError::Reset => lost("对端已重新启动"),
        ConnectionError::LocallyClosed => lost("本端端口已关闭"),
        other => lost(&other.to_string()),
    }
}

fn lost(reason: &str) -> Closed {
    Closed {
        by_peer: false,
        code: CloseCode::Lost,
        reason: reason.to_owned(),
    }
}

fn four<T>(of: Vec<T>) -> [T; PRIORITIES] {
    let Ok(four) = of.try_into() else {
        unreachable!("made by counting to four");
    };
    four
}

const ALL_CLEAN: u8 = (1 << PRIORITIES) - 1;
