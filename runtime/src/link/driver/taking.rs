//! What a peer gives and asks, on its way to the host: groups of its feed in order per class, its words one after the other,
//! its wants a few at a time. The host gets none of it before it knows that the session is established.

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::frame::{CLASSES, Digest, Health, LogEntry, LogsEnd, Scope};
use protocol::hash::Ref;

use super::{Driver, Next, Outcome, PAGES_AHEAD_MAX, TAKE_BYTES_MAX};
use crate::link::host::{Given, Group, Host};

/// What a peer says that is taken one after the other, in its order: the entry that answers a want of a header stands before
/// the want's page.
pub(super) enum Word {
    Receipts(Vec<Vec<u8>>),
    Logs(Vec<LogEntry>, LogsEnd),
    Health(Vec<Health>),
    Digest(Digest),
    Statements(Scope, Vec<Ref>, bool),
    /// A page of the want of this number.
    Page(u64, Given),
}

/// Groups of one class that wait for the one that is being stored.
#[derive(Default)]
pub(super) struct Taking {
    pub(super) busy: bool,
    /// The peer has begun its feed anew: our cursor is forgotten before anything is stored.
    anew: bool,
    waiting: VecDeque<Group>,
}

impl Taking {
    /// What waits, several small groups in one; all of one was chosen by one version of our interest.
    fn next(&mut self) -> Option<Group> {
        let weigh = |group: &Group| group.items.iter().map(|(_, i)| i.weight()).sum::<u64>();
        let mut group = self.waiting.pop_front()?;
        let mut weight = weigh(&group);
        while let Some(more) = self.waiting.front() {
            weight += weigh(more);
            if weight > TAKE_BYTES_MAX || more.interest != group.interest {
                break;
            }
            if let Some(more) = self.waiting.pop_front() {
                group.items.extend(more.items);
                group.through = more.through;
            }
        }
        Some(group)
    }
}

impl<H: Host> Driver<H> {
    /// Tells the host what the peer has stored meanwhile.
    pub(super) fn tell_acknowledged(&mut self) {
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

    /// The peer's feed of a class begins anew; what comes next waits until our cursor is forgotten.
    pub(super) fn forget_cursor(&mut self, class: u8) {
        self.classes[usize::from(class)].anew = true;
        self.take_in(class);
    }

    /// A further group to be stored.
    pub(super) fn take(&mut self, group: Group) {
        let class = group.class;
        self.classes[usize::from(class)].waiting.push_back(group);
        self.take_in(class);
    }

    /// What was being stored in a class is stored.
    pub(super) fn class_is_free(&mut self, class: u8) {
        self.classes[usize::from(class)].busy = false;
        self.take_in(class);
    }

    /// Stores what waits in a class.
    pub(super) fn take_in(&mut self, class: u8) {
        let taking = &mut self.classes[usize::from(class)];
        if taking.busy || !self.begun {
            return;
        }
        if std::mem::take(&mut taking.anew) {
            taking.busy = true;
            return self.with_peer(async move |host: Arc<H>, peer| {
                host.feed_anew(&peer, class).await?;
                Ok(Outcome::Forgotten { class })
            });
        }
        let Some(group) = taking.next() else {
            return;
        };
        taking.busy = true;
        self.with_peer(async move |host: Arc<H>, peer| {
            let through = group.through.offset;
            host.take_in(&peer, group).await?;
            Ok(Outcome::Taken { class, through })
        });
    }

    /// Whether anything is being stored.
    pub(super) fn is_storing(&self) -> bool {
        (0..CLASSES).any(|class| self.classes[class].busy)
    }

    /// Answers the peer's questions about statements, and makes pages for its wants, a few ahead of what it takes.
    pub(super) fn serve_peer(&mut self) {
        if !self.begun {
            return;
        }
        while let Some((scope, after)) = self.questions.pop_front() {
            self.with_peer(async move |host: Arc<H>, peer| {
                let (references, last) = host.serve_statements(&peer, scope, after).await?;
                Ok(Outcome::ServedStatements(scope, references, last))
            });
        }
        while self.serving + self.session.pages_waiting() < PAGES_AHEAD_MAX {
            let Some((number, want, place)) = self.wanted.pop_front() else {
                return;
            };
            self.serving += 1;
            self.with_peer(async move |host: Arc<H>, peer| {
                let answer = host.serve_want(&peer, want, place.clone()).await?;
                Ok(Outcome::Served {
                    number,
                    place,
                    answer: Box::new(answer),
                })
            });
        }
    }

    /// Hands a word of the peer to the host, after those before it.
    pub(super) fn take_word(&mut self, word: Word) {
        self.words.push_back(word);
        self.take_next_word();
    }

    /// The word that the host had is taken.
    pub(super) fn word_is_taken(&mut self) {
        self.taking_word = false;
        self.take_next_word();
    }

    pub(super) fn take_next_word(&mut self) {
        if self.taking_word || !self.begun {
            return;
        }
        let Some(word) = self.words.pop_front() else {
            return;
        };
        self.taking_word = true;
        self.with_peer(async move |host: Arc<H>, peer| {
            let next = match word {
                Word::Receipts(receipts) => {
                    host.receipts(&peer, receipts).await?;
                    Next::Nothing
                }
                Word::Logs(entries, end) => {
                    host.logs(&peer, entries, end).await?;
                    Next::Nothing
                }
                Word::Health(health) => {
                    host.health(&peer, health).await?;
                    Next::Nothing
                }
                Word::Digest(digest) => {
                    let scope = digest.scope;
                    match host.digest(&peer, digest).await? {
                        true => Next::Compare(scope),
                        false => Next::Nothing,
                    }
                }
                Word::Statements(scope, references, last) => {
                    let behind = references.last().copied().filter(|_| !last);
                    host.statements(&peer, scope, references, last).await?;
                    Next::Statements(scope, behind)
                }
                Word::Page(number, given) => {
                    Next::Want(number, host.want_page(&peer, number, given).await?)
                }
            };
            Ok(Outcome::WordTaken(next))
        });
    }

    /// Asks what follows from a word that was taken.
    pub(super) fn follow(&mut self, next: Next) {
        match next {
            Next::Nothing => {}
            Next::Compare(scope) => {
                if !self.session.ask_statements(scope, Ref::ZERO) {
                    self.compare_again.insert(scope);
                }
            }
            Next::Statements(scope, Some(behind)) => {
                // one that is open already goes further than this
                self.session.ask_statements(scope, behind);
            }
            Next::Statements(scope, None) => {
                if self.compare_again.remove(&scope) {
                    self.session.ask_statements(scope, Ref::ZERO);
                }
            }
            Next::Want(number, None) => {
                self.asked.remove(&number);
            }
            Next::Want(number, Some(ask)) => {
                self.asked.remove(&number);
                self.asked.insert(ask.id);
                self.session.want(ask.id, ask.want, ask.resume);
            }
        }
    }
}
