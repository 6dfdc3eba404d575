//! The greeting: hello, the caller's word about it, resume; and the resume that says a changed interest.

use std::collections::BTreeSet;

use crate::frame::{CLASSES, Cursor, FRAME_HIGHEST, GoodbyeCode, Hello, Interest, LogsEnd, Resume};
use crate::name::{Incarnation, SeatId};
use crate::session::{Acceptance, Event, Millis, Peer, PeerMisbehaved, Phase, Session};

impl Session {
    pub(super) fn take_hello(&mut self, hello: Hello) -> Result<(), PeerMisbehaved> {
        let peer = Peer {
            instance: hello.instance,
            incarnation: hello.incarnation,
            items: hello.items,
        };
        match self.phase {
            Phase::Greeting if hello.frames < FRAME_HIGHEST => {
                let text = format!(
                    "协议版本不兼容：对端能读的报文编号至 {}，本版本需要至 {FRAME_HIGHEST}；请升级对端程序",
                    hello.frames
                );
                self.close(GoodbyeCode::Version, text);
            }
            // our own proof said back to us, on the connection that it is good for, would pass every later check
            Phase::Greeting if shares_a_seat(&hello, &self.config.hello) => {
                return Err(PeerMisbehaved::Conversation("hello with a seat of ours"));
            }
            Phase::Greeting => {
                self.phase = Phase::Judging;
                self.peer = peer;
                self.events.push_back(Event::Hello(hello));
            }
            // who was judged is who goes on speaking: a process that started again needs a new session on both sides
            Phase::Judging | Phase::Accepted if peer != self.peer => {
                return Err(PeerMisbehaved::Conversation("hello of another party"));
            }
            Phase::Judging | Phase::Accepted if !self.loses() => {
                return Err(PeerMisbehaved::Conversation("a second hello"));
            }
            // the peer has not heard us yet
            Phase::Accepted => self.say_resume = true,
            Phase::Judging | Phase::Closed => {}
        }
        Ok(())
    }

    /// The peer's hello is believed, and what it needed is taken in.
    pub fn accept(&mut self, now: Millis, acceptance: Acceptance) {
        if self.phase != Phase::Judging {
            return;
        }
        self.phase = Phase::Accepted;
        let incarnation = match acceptance.cursors {
            Some(_) => self.peer.incarnation,
            None => Incarnation::default(),
        };
        let cursors = acceptance.cursors.unwrap_or_default();
        for (incoming, cursor) in self.incoming.iter_mut().zip(cursors) {
            incoming.start(cursor, self.config.window);
        }
        self.say_resume = true;
        self.resume = Some(Resume {
            incarnation,
            cursors,
            interest: acceptance.interest,
            window: self.config.window,
            words: acceptance.words,
        });
        let end = match acceptance.without_city {
            true => LogsEnd::CompleteWithoutCity,
            false => LogsEnd::Complete,
        };
        self.words.put_list(acceptance.logs, end);
        self.words.put_digest(acceptance.digest);
        self.greeted = now;
        self.early_bytes = 0;
        for bytes in std::mem::take(&mut self.early) {
            if self.phase != Phase::Accepted {
                break;
            }
            // the goodbye says what is wrong
            let _ = self.handle_frame(now, &bytes);
        }
    }

    /// The peer's hello is not believed.
    pub fn refuse(&mut self, code: GoodbyeCode, text: impl Into<String>) {
        self.close(code, text);
    }

    pub(super) fn take_resume(&mut self, mut resume: Resume) -> Result<(), PeerMisbehaved> {
        if let Some(known) = &mut self.established {
            if resume.interest.version <= known.interest.version {
                return self.out_of_turn("a resume without a newer interest");
            }
            known.interest = resume.interest.clone();
            if self.begun {
                for out in &mut self.outgoing {
                    out.change_interest(resume.interest.version);
                }
            }
            self.events
                .push_back(Event::InterestChanged(resume.interest));
            self.read_on();
            return Ok(());
        }
        if resume.incarnation != self.config.hello.incarnation {
            resume.cursors = Default::default();
        }
        self.established = Some(resume.clone());
        self.events.push_back(Event::Established(resume));
        Ok(())
    }

    /// Our feed begins: behind the peer's cursors, or from the start if `anew` says that one of them, or its token, is not
    /// one of our feed (D85). Items of `skip`, by class and offset, are left out: the peer has refused them for their bytes.
    pub fn begin(&mut self, now: Millis, anew: bool, skip: BTreeSet<(u8, u64)>) {
        let Some(resume) = &self.established else {
            return;
        };
        if self.begun || self.phase == Phase::Closed {
            return;
        }
        self.begun = true;
        self.skip = skip;
        let version = resume.interest.version;
        for (out, cursor) in self.outgoing.iter_mut().zip(resume.cursors) {
            out.start(now, cursor.offset, anew, resume.window, version);
        }
        self.read_on();
    }

    /// We want something else from the peer's feed from now on; the version must be greater than that of the last one. Where
    /// it holds from, the peer's steps say. On a carrier that loses frames the caller says it again until a step names it.
    pub fn change_interest(&mut self, interest: Interest) {
        let stored: [Cursor; CLASSES] = std::array::from_fn(|class| self.incoming[class].stored());
        let lossy = self.loses();
        if let Some(resume) = &mut self.resume
            && (interest.version > resume.interest.version
                || (lossy && interest.version == resume.interest.version))
        {
            resume.incarnation = self.peer.incarnation;
            resume.cursors = stored;
            resume.interest = interest;
            resume.words = Vec::new();
            self.say_resume = true;
        }
    }
}

fn shares_a_seat(a: &Hello, b: &Hello) -> bool {
    let ours: BTreeSet<SeatId> = b.seats.iter().map(|p| p.seat).collect();
    a.seats.iter().any(|p| ours.contains(&p.seat))
}
