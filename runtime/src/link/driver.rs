//! Drives one [`Session`] over one [`Carrier`]: the only loop between the protocol's conversation and the wire.
//!
//! One task per session. It decodes frames, asks the [`Host`] for what the session wants to know, and sends what the
//! session has to say; while the host reads or stores, the loop goes on. What may be stored, shown or believed is the
//! host's decision (node and agent); nothing here knows what items mean.
//!
//! The loop stands here; what leaves in `sending`, what the host is given in `taking`, the end of a session in `ending`.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use protocol::frame::{CLASSES, Goodbye, GoodbyeCode, Interest, Scope, Want};
use protocol::hash::Ref;
use protocol::limits;
use protocol::name::SeatId;
use protocol::session::{Acceptance, Answer, Config, Event, Millis, Page, Session};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::carrier::{Carrier, CloseCode, Closed, Control, Frame, Incoming, Outgoing, PRIORITIES};
use super::host::{Beginning, Channel, FeedRequest, Given, Group, Host, HostFault};
use super::registry::{Ask, Command, Inbox, Links, Place};
use crate::door::Clock;
use crate::worker::Shutdown;

mod ending;
mod sending;
mod taking;
#[cfg(test)]
mod tests;

pub use ending::SessionEnd;
use sending::room;
use taking::{Taking, Word};

/// Hellos must have been exchanged and believed within this.
pub const GREETING_TIME_MAX: Duration = Duration::from_secs(20);
/// At the end of a session, what is being stored and what was sent gets this long.
pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);
/// But each of them no longer than this once the program stops: a peer that does not answer must not hold up our end, and
/// what it has not heard it hears in the next session.
pub const STOP_TIME_MAX: Duration = Duration::from_millis(400);
/// That the peer has refused an item of our feed is noted before the session's end is told, if it takes no longer than this.
pub const NOTE_TIME_MAX: Duration = Duration::from_secs(60);
/// About so many bytes are stored in one call of [`Host::take_in`].
pub const TAKE_BYTES_MAX: u64 = 2 << 20;
/// Pages of a peer's wants that are being made or wait to be sent.
pub const PAGES_AHEAD_MAX: usize = 2;
/// Words of the peer that wait to be taken (receipts, states of logs, health, statements, pages of our wants); while there
/// are more, it is not heard.
pub const WORDS_AHEAD_MAX: usize = 8;

/// Runs a session to its end.
pub async fn run<H: Host>(
    carrier: Carrier,
    host: Arc<H>,
    links: Links,
    clock: Clock,
    shutdown: Shutdown,
) -> SessionEnd {
    run_greeting(carrier, host, links, clock, shutdown, GREETING_TIME_MAX).await
}

/// The same with another time for the greeting.
async fn run_greeting<H: Host>(
    carrier: Carrier,
    host: Arc<H>,
    links: Links,
    clock: Clock,
    shutdown: Shutdown,
    greeting_max: Duration,
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
        words: VecDeque::new(),
        taking_word: false,
        wanted: VecDeque::new(),
        serving: 0,
        telling: [false; CLASSES],
        asked: BTreeSet::new(),
        questions: VecDeque::new(),
        compare_again: BTreeSet::new(),
        work: JoinSet::new(),
        peer: None,
        place: None,
        judging: false,
        established: false,
        established_at: None,
        begun: false,
        interest: Arc::default(),
        acknowledged: [0; CLASSES],
        goodbye: None,
        own_fault: None,
        refused: None,
        noting: None,
        shutdown,
    };
    let end = driver.talk(incoming, greeting_max).await;
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
    /// Words of the peer that wait for the one that the host is taking.
    words: VecDeque<Word>,
    taking_word: bool,
    /// Wants of the peer that wait to be served.
    wanted: VecDeque<(u64, Want, Vec<u8>)>,
    serving: usize,
    telling: [bool; CLASSES],
    /// Numbers of our wants, from the first page until the host asks for no more.
    asked: BTreeSet<u64>,
    /// Questions of the peer about statements that wait for the beginning: one per scope.
    questions: VecDeque<(Scope, Ref)>,
    /// Scopes whose statements differ although they are being compared: once more afterwards.
    compare_again: BTreeSet<Scope>,
    work: JoinSet<Result<Outcome<H::Peer>, HostFault>>,
    peer: Option<(SeatId, H::Peer)>,
    place: Option<Place>,
    /// The host is judging the peer's hello: that it takes long is our fault.
    judging: bool,
    established: bool,
    established_at: Option<Duration>,
    /// The host knows that the session is established; before that it is given nothing of it.
    begun: bool,
    interest: Arc<Interest>,
    /// How far the host knows that the peer has stored our feed.
    acknowledged: [u64; CLASSES],
    /// How the conversation ended, and whether the peer said so.
    goodbye: Option<(Goodbye, bool)>,
    /// Why we cannot go on, for our own people.
    own_fault: Option<String>,
    /// Which item of our feed the peer's goodbye refuses.
    refused: Option<(u8, u64)>,
    /// The host notes that.
    noting: Option<JoinHandle<()>>,
    shutdown: Shutdown,
}

/// What a piece of the host's work came to.
enum Outcome<P> {
    Authenticated(SeatId, P),
    Accept(Place, Box<Acceptance>),
    Begin(Beginning),
    Acknowledged {
        class: u8,
    },
    /// What was stored of the peer's cursor of a class is forgotten.
    Forgotten {
        class: u8,
    },
    Page {
        class: u8,
        read: u32,
        page: Page,
    },
    Taken {
        class: u8,
        through: u64,
    },
    WordTaken(Next),
    ServedStatements(Scope, Vec<Ref>, bool),
    Served {
        number: u64,
        place: Vec<u8>,
        answer: Box<Answer>,
    },
}

/// What follows from a word.
enum Next {
    Nothing,
    /// Our statements and the peer's differ: ask for its own.
    Compare(Scope),
    /// Ask for its statements behind this one; or they have all been said.
    Statements(Scope, Option<Ref>),
    /// A page of the want of this number is stored; ask for the next one.
    Want(u64, Option<Ask>),
}

enum Turn<P> {
    Frame(Result<Option<Frame>, Closed>),
    Done(Result<Result<Outcome<P>, HostFault>, tokio::task::JoinError>),
    Command(Command),
    Ask(Ask),
    Grown,
    Room,
    Late,
    Paced,
    Stop,
}

impl<H: Host> Driver<H> {
    async fn talk(&mut self, mut incoming: Incoming, greeting_max: Duration) -> SessionEnd {
        let shutdown = self.shutdown.clone();
        let mut greeting = std::pin::pin!(sleep(greeting_max));
        let mut broken = None;
        // what the last turn heard was the peer's word: an end that follows from it is the peer's
        let mut heard = false;
        while broken.is_none() {
            self.tell_acknowledged();
            self.answer_events(heard);
            self.serve_peer();
            self.send();
            // sending may have made room for a further page, and it ends the conversation where it cannot go on
            self.serve_peer();
            self.answer_events(false);
            if self.goodbye.is_some() {
                break;
            }
            heard = false;
            let unsent = std::array::from_fn(|p| self.unsent[p].is_some());
            let now = millis(&self.clock);
            let due = self
                .session
                .poll_timeout()
                .map(|at| Duration::from_millis(at.saturating_sub(now).max(1)));
            let turn = tokio::select! {
                biased;
                () = shutdown.begun() => Turn::Stop,
                Some(done) = self.work.join_next(), if !self.work.is_empty() => Turn::Done(done),
                Some(command) = self.inbox.commands.recv() => Turn::Command(command),
                () = self.inbox.handle.rung(), if self.established => Turn::Grown,
                Some(ask) = self.inbox.wants.recv(), if self.may_want() => Turn::Ask(ask),
                () = room(self.outgoing.as_ref(), unsent) => Turn::Room,
                frame = incoming.receive(), if self.listens() => Turn::Frame(frame),
                () = &mut greeting, if !self.established => Turn::Late,
                () = sleep(due.unwrap_or_default()), if due.is_some() => Turn::Paced,
            };
            match turn {
                Turn::Frame(Ok(Some(frame))) => {
                    let now = millis(&self.clock);
                    match self.session.handle_frame(now, &frame.bytes) {
                        Ok(()) => heard = true,
                        // the session has noted the fault and says goodbye
                        Err(fault) if self.peer.is_some() => {
                            tracing::warn!(peer = %self.name(), error = %fault, "peer misbehaves");
                        }
                        Err(_) => {}
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
                Turn::Command(command) => self.obey(command),
                Turn::Ask(ask) => {
                    self.asked.insert(ask.id);
                    self.session.want(ask.id, ask.want, ask.resume);
                }
                Turn::Paced => self.session.handle_timeout(millis(&self.clock)),
                Turn::Grown => self.session.handle_grown(),
                Turn::Room => {}
                Turn::Late if self.judging => {
                    let why = "本端未能及时完成对对端身份的核验（磁盘或程序繁忙）";
                    tracing::error!(peer = %self.name(), "session ended: the peer's hello was not judged in time");
                    self.give_up(why, BUSY_TEXT);
                }
                Turn::Late => {
                    let text = "对端未能及时完成身份验证";
                    self.close(GoodbyeCode::NotAdmitted, text);
                }
                Turn::Stop => {
                    self.settle().await;
                    self.close(GoodbyeCode::Shutdown, "程序正在停止");
                }
            }
        }
        self.finish(incoming, broken).await
    }

    /// Whether a further want may be opened. The page that is being stored counts, for its next page is asked for under the
    /// same number.
    fn may_want(&self) -> bool {
        self.session.is_established() && self.asked.len() < limits::WANTS_OPEN_MAX
    }

    fn listens(&self) -> bool {
        self.words.len() < WORDS_AHEAD_MAX && self.session.listens()
    }

    /// Does what the rest of the process asks of this session.
    fn obey(&mut self, command: Command) {
        let now = millis(&self.clock);
        match command {
            Command::Receipts(receipts) => self.session.send_receipts(receipts),
            // who asks hears whether it was taken, unless it has gone away
            Command::Logs(tips, answer) => {
                let _ = answer.send(self.session.send_log_news(now, tips));
            }
            Command::Health(all, answer) => {
                let mut taken = true;
                for health in all {
                    taken &= self.session.send_health(now, health);
                }
                let _ = answer.send(taken);
            }
            Command::Digest(digest) => self.session.send_digest(digest),
            Command::Interest(interest) => self.session.change_interest(interest),
            Command::Close { code, text } => self.close(code, text),
        }
    }

    /// Hands the session's events to the host. `by_peer`: an end among them is the peer's word.
    fn answer_events(&mut self, by_peer: bool) {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Hello(hello) => {
                    self.judging = true;
                    let (host, channel) = (self.host.clone(), self.channel);
                    self.work.spawn(async move {
                        let (party, peer) = host.authenticate(channel, hello).await?;
                        Ok(Outcome::Authenticated(party, peer))
                    });
                }
                Event::Established(resume) => {
                    self.established = true;
                    self.established_at = Some(self.clock.since_start());
                    self.interest = Arc::new(resume.interest.clone());
                    let handle = self.inbox.handle.clone();
                    self.with_peer(async move |host: Arc<H>, peer| {
                        let beginning = host.established(&peer, resume, handle).await?;
                        Ok(Outcome::Begin(beginning))
                    });
                }
                Event::InterestChanged(interest) => self.interest = Arc::new(interest),
                Event::ReadFeed {
                    class,
                    after,
                    upto,
                    bytes_max,
                    read,
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
                        Ok(Outcome::Page { class, read, page })
                    });
                }
                Event::FeedAnew { class } => self.forget_cursor(class),
                Event::TakeIn {
                    class,
                    items,
                    through,
                    interest,
                } => {
                    self.take(Group {
                        class,
                        items,
                        through,
                        interest,
                    });
                }
                Event::Receipts(receipts) => self.take_word(Word::Receipts(receipts)),
                Event::Logs { entries, end } => self.take_word(Word::Logs(entries, end)),
                Event::Health(health) => self.take_word(Word::Health(health)),
                Event::Digest(digest) => self.take_word(Word::Digest(digest)),
                Event::Statements {
                    scope,
                    references,
                    last,
                } => self.take_word(Word::Statements(scope, references, last)),
                Event::ServeStatements { scope, after } => {
                    self.questions.push_back((scope, after));
                }
                Event::ServeWant {
                    number,
                    want,
                    place,
                } => {
                    self.wanted.push_back((number, want, place));
                }
                Event::WantPage {
                    number,
                    code,
                    built_at,
                    items,
                    next,
                } => {
                    let given = Given {
                        code,
                        built_at,
                        items,
                        next,
                    };
                    self.take_word(Word::Page(number, given));
                }
                Event::Refused { class, offset } => self.refused = Some((class, offset)),
                Event::Closed(goodbye) => {
                    if let Some((class, offset)) = self.refused.take() {
                        self.note_refusal(class, offset, &goodbye.text);
                    }
                    // that no version is in common both sides find out for themselves
                    let by_peer = by_peer && goodbye.code != GoodbyeCode::Version;
                    self.goodbye.get_or_insert((goodbye, by_peer));
                }
            }
        }
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
            Ok(Err(HostFault::Item {
                class,
                offset,
                text,
            })) => {
                tracing::warn!(peer = %self.name(), class, offset, error = %text, "session ended: an item of the peer is refused");
                return self.session.refuse_item(class, offset, text);
            }
            Ok(Err(HostFault::Here(why))) => {
                tracing::error!(peer = %self.name(), error = %why, "session ended: we cannot go on");
                return self.give_up(&format!("本端无法继续：{why}"), BUSY_TEXT);
            }
            Err(panic) => {
                tracing::error!(peer = %self.name(), error = %panic, "session ended: host panicked");
                return self.give_up("本端程序异常，会话结束；请查看本机日志", PANIC_TEXT);
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
                    let acceptance = host.accept(&peer).await?;
                    Ok(Outcome::Accept(place, Box::new(acceptance)))
                });
            }
            Outcome::Accept(place, acceptance) => {
                self.place = Some(place);
                self.judging = false;
                self.session.accept(now, *acceptance);
            }
            Outcome::Begin(beginning) => {
                self.session.begin(now, beginning.anew, beginning.skip);
                self.begun = true;
                (0..CLASSES as u8).for_each(|class| self.take_in(class));
                self.take_next_word();
            }
            Outcome::Page { class, read, page } => {
                self.session.handle_page(class, read, page);
            }
            Outcome::Taken { class, through } => {
                self.session.handle_taken(class, through);
                self.class_is_free(class);
            }
            Outcome::Forgotten { class } => self.class_is_free(class),
            Outcome::WordTaken(next) => {
                self.follow(next);
                self.word_is_taken();
            }
            Outcome::ServedStatements(scope, references, last) => {
                self.session.handle_statements(scope, references, last);
            }
            Outcome::Served {
                number,
                place,
                answer,
            } => {
                self.serving -= 1;
                self.session.handle_want_page(number, place, *answer);
            }
            Outcome::Acknowledged { class } => self.telling[usize::from(class)] = false,
        }
    }

    /// Ends the conversation from our side.
    fn close(&mut self, code: GoodbyeCode, text: impl Into<String>) {
        self.session.close(code, text);
    }

    /// Ends it because we cannot go on: why, for our people, and what the peer is told.
    fn give_up(&mut self, why: &str, told: &str) {
        self.own_fault.get_or_insert_with(|| why.to_owned());
        self.close(GoodbyeCode::LocalFault, told);
    }

    fn name(&self) -> String {
        match &self.peer {
            Some((party, _)) => party.to_string(),
            None => self.remote.clone(),
        }
    }
}

/// What a peer is told when we cannot go on: it stands in the peer's logs, so we are the other side in it.
const BUSY_TEXT: &str =
    "对端节点暂时无法处理（磁盘或程序故障），稍后自动重连；请其运维人员查看其状态";
/// The same when our program is at fault.
const PANIC_TEXT: &str = "对端节点程序异常，稍后自动重连；请其运维人员查看其日志";

fn millis(clock: &Clock) -> Millis {
    clock.since_start().as_millis() as u64
}
