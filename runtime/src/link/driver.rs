//! Drives one [`Session`] over one [`Carrier`]: the only loop between the protocol's conversation and the wire.
//!
//! One task per session. It decodes frames, asks the [`Host`] for what the session wants to know, and sends what the
//! session has to say; while the host reads or stores, the loop goes on. What may be stored, shown or believed is the
//! host's decision (node and agent); nothing here knows what items mean.
//!
//! Long because it is one loop with everything that it selects over.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use protocol::frame::{CLASSES, Goodbye, Interest, Item, Want, reason};
use protocol::limits;
use protocol::name::SeatId;
use protocol::session::{Config, Event, Millis, Page, Session};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::LinkEnd;
use super::carrier::{Carrier, CloseCode, Closed, Control, Frame, Incoming, Outgoing, PRIORITIES};
pub use super::host::{Channel, FeedRequest, Host, HostFault, Resumption, WantAnswer};
use super::registry::{Ask, Command, Inbox, Links, Place};
use crate::door::Clock;
use crate::worker::{Shutdown, within};

#[cfg(test)]
mod tests;

/// Hellos must have been exchanged and believed within this.
pub const GREETING_TIME_MAX: Duration = Duration::from_secs(20);
/// At the end of a session, what is being stored and what was sent gets this long.
pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);
/// But each of them no longer than this once the program stops: a peer that does not answer must not hold up our end, and
/// what it has not heard it hears in the next session.
pub const STOP_TIME_MAX: Duration = Duration::from_millis(400);
/// About so many bytes are stored in one call of [`Host::take_in`].
pub const TAKE_BYTES_MAX: u64 = 2 << 20;
/// Pages of a peer's wants that are being made or wait to be sent.
pub const PAGES_AHEAD_MAX: usize = 2;
/// Frames of receipts that wait to be stored; while there are more, the peer is not heard.
pub const RECEIPTS_AHEAD_MAX: usize = 4;

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEnd {
    /// Who it was with, if that was known.
    pub party: Option<SeatId>,
    /// Whether the peer ended it.
    pub by_peer: bool,
    /// One of [`reason`], if either side said goodbye; `None` when the link broke.
    pub code: Option<u8>,
    /// Why, for people.
    pub text: String,
    /// How long it stood, from both sides' acceptance on; zero if it never did.
    pub stood: Duration,
}

impl SessionEnd {
    /// What the end means for the next attempt.
    pub fn link_end(&self) -> LinkEnd {
        let text = self.text.clone();
        match self.code {
            None | Some(reason::SHUTDOWN) => LinkEnd::Broken(text),
            Some(reason::FENCED) => LinkEnd::Later(Duration::from_secs(10), text),
            Some(reason::NOT_ADMITTED) => LinkEnd::Later(Duration::from_secs(15), text),
            Some(_) => LinkEnd::Later(Duration::from_secs(60), text),
        }
    }
}

/// Runs a session to its end.
pub async fn run<H: Host>(
    carrier: Carrier,
    host: Arc<H>,
    links: Links,
    clock: Clock,
    shutdown: Shutdown,
) -> SessionEnd {
    let channel = Channel {
        exporter: carrier.exporter,
        peer_key: carrier.peer_key,
    };
    let remote = carrier.remote.clone();
    let (outgoing, incoming, control) = carrier.split();
    let hello = match host.introduce(channel).await {
        Ok(hello) => hello,
        Err(fault) => {
            let text = fault.to_string();
            tracing::error!(%remote, error = %text, "cannot introduce ourselves");
            control.close(CloseCode::Internal, "本端暂时无法建立会话，请稍后重试");
            return SessionEnd {
                party: None,
                by_peer: false,
                code: None,
                text,
                stood: Duration::ZERO,
            };
        }
    };
    let config = Config {
        hello,
        window: limits::CREDIT_BYTES,
        // carriers lose nothing while they stand
        retransmit: None,
    };
    let session = Session::new(config, millis(&clock));
    let mut driver = Driver {
        host,
        links,
        clock,
        channel,
        remote,
        session,
        control,
        outgoing: Some(outgoing),
        inbox: Inbox::new(),
        unsent: Default::default(),
        classes: Default::default(),
        receipts: VecDeque::new(),
        storing_receipts: false,
        wanted: VecDeque::new(),
        serving: 0,
        telling: [false; CLASSES],
        work: JoinSet::new(),
        peer: None,
        place: None,
        established: false,
        established_at: None,
        interest: Arc::default(),
        acknowledged: [0; CLASSES],
        closing: false,
        goodbye: None,
        shutdown,
    };
    let end = driver.talk(incoming).await;
    if let Some((_, peer)) = &driver.peer {
        driver.host.closed(peer, &end).await;
    }
    end
}

struct Driver<H: Host> {
    host: Arc<H>,
    links: Links,
    clock: Clock,
    channel: Channel,
    remote: String,
    session: Session,
    control: Control,
    outgoing: Option<Outgoing>,
    inbox: Inbox,
    /// The frame that found no room, per priority. The session is not asked for another one before it has left, so that a
    /// peer that does not listen makes nothing pile up here.
    unsent: [Option<Vec<u8>>; PRIORITIES],
    classes: [Taking; CLASSES],
    receipts: VecDeque<Vec<Vec<u8>>>,
    storing_receipts: bool,
    /// Wants of the peer that wait to be served.
    wanted: VecDeque<(u64, Want, Vec<u8>)>,
    serving: usize,
    telling: [bool; CLASSES],
    work: JoinSet<Result<Outcome<H::Peer>, HostFault>>,
    peer: Option<(SeatId, H::Peer)>,
    place: Option<Place>,
    established: bool,
    established_at: Option<Duration>,
    interest: Arc<Interest>,
    /// How far the host knows that the peer has stored our feed.
    acknowledged: [u64; CLASSES],
    /// We have ended the conversation, or the peer misbehaved.
    closing: bool,
    /// How the conversation ended, and whether the peer said so.
    goodbye: Option<(Goodbye, bool)>,
    shutdown: Shutdown,
}

/// Groups of one class that wait for the group being stored.
#[derive(Default)]
struct Taking {
    busy: bool,
    waiting: VecDeque<(Vec<Item>, u64)>,
}

/// What a piece of the host's work came to.
enum Outcome<P> {
    Authenticated(SeatId, P),
    Resume(Place, Resumption),
    Told,
    Acknowledged {
        class: u8,
    },
    Page {
        class: u8,
        token: u32,
        page: Page,
    },
    Taken {
        class: u8,
        through: u64,
    },
    ReceiptsStored,
    Served {
        id: u64,
        resumed: Vec<u8>,
        answer: WantAnswer,
    },
    WantStored(Option<Ask>),
}

enum Turn<P> {
    Frame(Result<Option<Frame>, Closed>),
    Done(Result<Result<Outcome<P>, HostFault>, tokio::task::JoinError>),
    Command(Command),
    Ask(Ask),
    Grown,
    Room,
    Late,
    Stop,
}

impl<H: Host> Driver<H> {
    async fn talk(&mut self, mut incoming: Incoming) -> SessionEnd {
        let shutdown = self.shutdown.clone();
        let mut greeting = std::pin::pin!(sleep(GREETING_TIME_MAX));
        let mut broken = None;
        while self.goodbye.is_none() && broken.is_none() {
            self.tell_acknowledged();
            self.answer_events();
            self.serve_wants();
            self.send();
            // sending may have made room for a further page
            self.serve_wants();
            if self.goodbye.is_some() {
                break;
            }
            let unsent = std::array::from_fn(|p| self.unsent[p].is_some());
            let turn = tokio::select! {
                biased;
                () = shutdown.begun() => Turn::Stop,
                Some(done) = self.work.join_next(), if !self.work.is_empty() => Turn::Done(done),
                Some(command) = self.inbox.commands.recv() => Turn::Command(command),
                () = self.inbox.handle.rung(), if self.established => Turn::Grown,
                Some(ask) = self.inbox.wants.recv(), if self.session.may_want() => Turn::Ask(ask),
                () = room(self.outgoing.as_ref(), unsent) => Turn::Room,
                frame = incoming.receive(), if self.receipts.len() < RECEIPTS_AHEAD_MAX => Turn::Frame(frame),
                () = &mut greeting, if !self.established => Turn::Late,
            };
            match turn {
                Turn::Frame(Ok(Some(frame))) => {
                    let now = millis(&self.clock);
                    // the session has noted the fault and says goodbye
                    if let Err(fault) = self.session.handle_frame(now, &frame.bytes) {
                        self.closing = true;
                        if self.peer.is_some() {
                            tracing::warn!(peer = %self.name(), error = %fault, "peer misbehaves");
                        }
                    }
                }
                Turn::Frame(Ok(None)) => {
                    broken = Some(Closed {
                        by_peer: true,
                        code: CloseCode::Lost,
                        reason: "对端未道别即停止发送".to_owned(),
                    })
                }
                Turn::Frame(Err(closed)) => broken = Some(closed),
                Turn::Done(done) => self.done(done),
                Turn::Command(Command::Receipts(receipts)) => self.session.send_receipts(receipts),
                Turn::Command(Command::Close { code, text }) => self.close(code, text),
                Turn::Ask(ask) => {
                    let now = millis(&self.clock);
                    self.session.want(now, ask.id, ask.want, ask.resume);
                }
                Turn::Grown => self.session.handle_grown(),
                Turn::Room => {}
                Turn::Late => {
                    let text = "对端未能及时完成身份验证";
                    self.close(reason::NOT_ADMITTED, text);
                }
                Turn::Stop => {
                    self.settle().await;
                    self.close(reason::SHUTDOWN, "程序正在停止");
                }
            }
        }
        self.finish(incoming, broken).await
    }

    /// Tells the host what the peer has stored meanwhile.
    fn tell_acknowledged(&mut self) {
        let now = self.session.acknowledged();
        for (class, through) in (0..).zip(now) {
            let known = &mut self.acknowledged[usize::from(class)];
            // one at a time: a peer can acknowledge more often than a host can note it
            if through > *known && !self.telling[usize::from(class)] {
                *known = through;
                self.telling[usize::from(class)] = true;
                self.with_peer(async move |host: Arc<H>, peer| {
                    host.acknowledged(&peer, class, through).await?;
                    Ok(Outcome::Acknowledged { class })
                });
            }
        }
    }

    /// Hands the session's events to the host.
    fn answer_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Hello(hello) => {
                    let (host, channel) = (self.host.clone(), self.channel);
                    self.work.spawn(async move {
                        let (party, peer) = host.authenticate(channel, hello).await?;
                        Ok(Outcome::Authenticated(party, peer))
                    });
                }
                Event::Established(interest) => {
                    self.established = true;
                    self.established_at = Some(self.clock.since_start());
                    self.interest = Arc::new(interest.clone());
                    let handle = self.inbox.handle.clone();
                    self.with_peer(async move |host: Arc<H>, peer| {
                        host.established(&peer, interest, handle).await?;
                        Ok(Outcome::Told)
                    });
                }
                Event::ReadFeed {
                    class,
                    after,
                    upto,
                    bytes_max,
                    token,
                } => {
                    let request = FeedRequest {
                        class,
                        after,
                        upto,
                        bytes_max,
                        interest: self.interest.clone(),
                    };
                    self.with_peer(async move |host: Arc<H>, peer| {
                        let page = host.read_feed(&peer, request).await?;
                        Ok(Outcome::Page { class, token, page })
                    });
                }
                Event::TakeIn {
                    class,
                    items,
                    through,
                } => {
                    self.classes[usize::from(class)]
                        .waiting
                        .push_back((items, through));
                    self.take_in(class);
                }
                Event::Receipts(receipts) => {
                    self.receipts.push_back(receipts);
                    self.store_receipts();
                }
                Event::ServeWant { id, want, resume } => {
                    self.wanted.push_back((id, want, resume));
                }
                Event::WantPage { id, items, next } => {
                    self.with_peer(async move |host: Arc<H>, peer| {
                        let ask = host.want_page(&peer, id, items, next).await?;
                        Ok(Outcome::WantStored(ask))
                    });
                }
                Event::Closed(goodbye) => {
                    // that no frame version is in common both sides find out for themselves
                    let by_peer = !self.closing && goodbye.code != reason::VERSION;
                    self.goodbye.get_or_insert((goodbye, by_peer));
                }
            }
        }
    }

    /// Stores what waits in a class, several small groups in one call.
    fn take_in(&mut self, class: u8) {
        let taking = &mut self.classes[usize::from(class)];
        if taking.busy {
            return;
        }
        let Some((mut items, mut through)) = taking.waiting.pop_front() else {
            return;
        };
        let weigh = |items: &[Item]| items.iter().map(Item::weight).sum::<u64>();
        let mut weight = weigh(&items);
        while let Some((more, _)) = taking.waiting.front() {
            weight += weigh(more);
            if weight > TAKE_BYTES_MAX {
                break;
            }
            if let Some((more, further)) = taking.waiting.pop_front() {
                items.extend(more);
                through = further;
            }
        }
        taking.busy = true;
        self.with_peer(async move |host: Arc<H>, peer| {
            host.take_in(&peer, class, items, through).await?;
            Ok(Outcome::Taken { class, through })
        });
    }

    /// Makes pages for the peer's wants, a few ahead of what it takes.
    fn serve_wants(&mut self) {
        while self.serving + self.session.pages_waiting() < PAGES_AHEAD_MAX {
            let Some((id, want, resume)) = self.wanted.pop_front() else {
                return;
            };
            self.serving += 1;
            self.with_peer(async move |host: Arc<H>, peer| {
                let resumed = resume.clone();
                let answer = host.serve_want(&peer, want, resume).await?;
                Ok(Outcome::Served {
                    id,
                    resumed,
                    answer,
                })
            });
        }
    }

    fn store_receipts(&mut self) {
        if self.storing_receipts {
            return;
        }
        let Some(receipts) = self.receipts.pop_front() else {
            return;
        };
        self.storing_receipts = true;
        self.with_peer(async move |host: Arc<H>, peer| {
            host.receipts(&peer, receipts).await?;
            Ok(Outcome::ReceiptsStored)
        });
    }

    fn with_peer<F, Fut>(&mut self, work: F)
    where
        F: FnOnce(Arc<H>, H::Peer) -> Fut,
        Fut: Future<Output = Result<Outcome<H::Peer>, HostFault>> + Send + 'static,
    {
        // the session asks these only after it was told to accept, which is after the peer is known
        if let Some((_, peer)) = &self.peer {
            self.work.spawn(work(self.host.clone(), peer.clone()));
        }
    }

    /// A piece of the host's work is done.
    fn done(&mut self, done: Result<Result<Outcome<H::Peer>, HostFault>, tokio::task::JoinError>) {
        let now = millis(&self.clock);
        let outcome = match done {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(HostFault::Peer { code, text })) => {
                // what strangers do is told by who let them in, for they may do it as often as they like
                if self.peer.is_some() {
                    tracing::warn!(peer = %self.name(), error = %text, "session ended: the peer is at fault");
                }
                return self.close(code, text);
            }
            Ok(Err(HostFault::Here(why))) => {
                tracing::error!(peer = %self.name(), error = %why, "session ended: we cannot go on");
                return self.close(reason::SHUTDOWN, "本端暂时无法处理，稍后可重新连接");
            }
            Err(panic) => {
                tracing::error!(peer = %self.name(), error = %panic, "session ended: host panicked");
                return self.close(reason::SHUTDOWN, "本端程序异常，稍后可重新连接");
            }
        };
        match outcome {
            Outcome::Authenticated(party, peer) => {
                self.control.trust();
                self.peer = Some((party, peer.clone()));
                let (host, links) = (self.host.clone(), self.links.clone());
                let (handle, control) = (self.inbox.handle.clone(), self.control.clone());
                let (remote, since_us) = (self.remote.clone(), self.clock.now_us());
                self.work.spawn(async move {
                    let place = links
                        .take_over(party, &handle, &control, &remote, since_us)
                        .await;
                    let resumption = host.resume(&peer).await?;
                    Ok(Outcome::Resume(place, resumption))
                });
            }
            Outcome::Resume(place, resumption) => {
                self.place = Some(place);
                self.session
                    .accept(now, resumption.cursors, resumption.interest);
            }
            Outcome::Page { class, token, page } => {
                self.session.handle_page(now, class, token, page);
            }
            Outcome::Taken { class, through } => {
                self.classes[usize::from(class)].busy = false;
                self.session.handle_taken(class, through);
                self.take_in(class);
            }
            Outcome::ReceiptsStored => {
                self.storing_receipts = false;
                self.store_receipts();
            }
            Outcome::Served {
                id,
                resumed,
                answer,
            } => {
                self.serving -= 1;
                self.session
                    .handle_want_page(id, resumed, answer.items, answer.next);
            }
            Outcome::WantStored(Some(ask)) => {
                self.session.want(now, ask.id, ask.want, ask.resume);
            }
            Outcome::Acknowledged { class } => self.telling[usize::from(class)] = false,
            Outcome::WantStored(None) | Outcome::Told => {}
        }
    }

    /// Puts what the session has to say into the carrier's queues, as far as there is room.
    fn send(&mut self) {
        let now = millis(&self.clock);
        loop {
            self.send_unsent();
            let room = |priority: u8| self.unsent[usize::from(priority)].is_none();
            let Some(transmit) = self.session.poll_transmit_where(now, room) else {
                return;
            };
            self.unsent[usize::from(transmit.priority)] = Some(transmit.bytes);
        }
    }

    fn send_unsent(&mut self) {
        let Some(outgoing) = &self.outgoing else {
            return;
        };
        for (priority, unsent) in self.unsent.iter_mut().enumerate() {
            if unsent.is_none() {
                continue;
            }
            let Some(slot) = outgoing.try_reserve(priority as u8) else {
                continue;
            };
            if let Some(frame) = unsent.take()
                && let Err(error) = slot.send(frame)
            {
                // a host gave a page whose single item is larger than frames may be
                tracing::error!(peer = %self.remote, %error, "frame not sent");
                self.control.close(CloseCode::Internal, "本端报文超长");
            }
        }
    }

    /// Before a stop: lets what is being stored come to its end and be acknowledged.
    async fn settle(&mut self) {
        let shutdown = self.shutdown.clone();
        let storing = |driver: &Self| driver.classes.iter().any(|taking| taking.busy);
        let settle = async {
            while storing(self)
                && let Some(done) = self.work.join_next().await
            {
                self.done(done);
            }
        };
        // what is not stored by now is not acknowledged either, and comes again
        let _ = within(&shutdown, DRAIN_TIME_MAX, STOP_TIME_MAX, settle).await;
    }

    /// After the conversation: what was said is delivered, the connection closes, what is being stored is stored.
    async fn finish(&mut self, incoming: Incoming, broken: Option<Closed>) -> SessionEnd {
        let end = self.end(broken);
        let shutdown = self.shutdown.clone();
        // who has something to say to this session need not wait for its end
        self.inbox.commands.close();
        self.inbox.wants.close();
        // whom we fence has left this connection long ago, as a rule; nobody waits for it
        let fenced = !end.by_peer && end.code == Some(reason::FENCED);
        if self.goodbye.is_some() && !fenced {
            let farewell = self.farewell(incoming, end.by_peer);
            let farewell = within(&shutdown, DRAIN_TIME_MAX, STOP_TIME_MAX, farewell);
            if let Some(Err(closed)) = farewell.await
                && closed.code != CloseCode::Done
            {
                tracing::debug!(peer = %self.remote, error = %closed, "farewell cut short");
            }
        }
        let code = match end.code {
            Some(reason::SHUTDOWN) => CloseCode::Stopping,
            Some(reason::FENCED) => CloseCode::Superseded,
            Some(reason::NOT_ADMITTED) => CloseCode::Unauthorised,
            Some(_) => CloseCode::Violation,
            None => CloseCode::Lost,
        };
        self.control.close(code, &end.text);
        let rest = async { while self.work.join_next().await.is_some() {} };
        if within(&shutdown, DRAIN_TIME_MAX, STOP_TIME_MAX, rest)
            .await
            .is_none()
        {
            tracing::warn!(peer = %self.remote, "host is still busy with a session that is over");
        }
        // a transaction under way is left to end by itself, never cut off
        self.work.detach_all();
        self.place = None;
        end
    }

    fn end(&self, broken: Option<Closed>) -> SessionEnd {
        let party = self.peer.as_ref().map(|(party, _)| *party);
        let (by_peer, code, text) = match (&self.goodbye, broken) {
            (Some((goodbye, by_peer)), _) => (*by_peer, Some(goodbye.code), goodbye.text.clone()),
            // the word itself was lost, the connection's reason was not
            (None, Some(closed)) => {
                let code = match closed.code {
                    CloseCode::Stopping => Some(reason::SHUTDOWN),
                    CloseCode::Superseded => Some(reason::FENCED),
                    CloseCode::Unauthorised => Some(reason::NOT_ADMITTED),
                    CloseCode::Violation => Some(reason::MISBEHAVED),
                    _ => None,
                };
                (closed.by_peer, code, closed.reason)
            }
            (None, None) => (false, None, String::new()),
        };
        SessionEnd {
            party,
            by_peer,
            code,
            text,
            stood: self.established_at.map_or(Duration::ZERO, |since| {
                self.clock.since_start().saturating_sub(since)
            }),
        }
    }

    /// Delivers our last word, or takes the peer's as its last, so that both sides close knowing that it arrived.
    async fn farewell(&mut self, mut incoming: Incoming, by_peer: bool) -> Result<(), Closed> {
        if by_peer && !self.established {
            // who never let us in waits for nothing but our leaving
            return Ok(());
        }
        // nothing but our goodbye and what was said before it matters now; a peer that said goodbye hears nothing more
        let (first, rest) = self.unsent.split_at_mut(1);
        rest.fill(None);
        if by_peer {
            first[0] = None;
        }
        while self.unsent[0].is_some() {
            room(self.outgoing.as_ref(), [true, false, false, false]).await;
            self.send();
        }
        if let Some(outgoing) = self.outgoing.take() {
            outgoing.finish();
        }
        if self.peer.is_some() {
            while incoming.receive().await?.is_some() {}
            self.control.conclude().await
        } else {
            // nobody whose streams we would read: give it a moment to take our word
            let _ = timeout(Duration::from_secs(2), self.control.closed()).await;
            Ok(())
        }
    }

    /// Ends the conversation from our side.
    fn close(&mut self, code: u8, text: impl Into<String>) {
        self.closing = true;
        self.session.close(code, text);
    }

    fn name(&self) -> String {
        match &self.peer {
            Some((party, _)) => party.to_string(),
            None => self.remote.clone(),
        }
    }
}

/// Waits until one of the wanted priorities has room; for ever if none is wanted.
async fn room(outgoing: Option<&Outgoing>, wanted: [bool; PRIORITIES]) {
    let Some(outgoing) = outgoing else {
        return std::future::pending().await;
    };
    // that the connection has ended is noticed by receiving
    tokio::select! {
        Ok(_) = outgoing.reserve(0), if wanted[0] => {}
        Ok(_) = outgoing.reserve(1), if wanted[1] => {}
        Ok(_) = outgoing.reserve(2), if wanted[2] => {}
        Ok(_) = outgoing.reserve(3), if wanted[3] => {}
        else => std::future::pending().await,
    }
}

fn millis(clock: &Clock) -> Millis {
    clock.since_start().as_millis() as u64
}
