//! One log, header by header in its own order: what is missing, what does not join, how far it is held whole. Pure.

use protocol::batch::LogState;
use protocol::hash::{Hash, Ref};

/// A header as far as its log's order goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    /// Its reference.
    pub(super) reference: Ref,
    /// The header before it.
    pub(super) previous: Ref,
    /// Tree over all before it.
    pub(super) history: Hash,
    /// Whether its batch is held whole.
    pub(super) whole: bool,
}

/// What was found at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nothing is held of these sequences.
    Missing(u64, u64),
    /// Nothing is held of these, and the seat or the city has declared them lost.
    Declared(u64, u64),
    /// None of the headers at this sequence joins the one before.
    Broken(u64),
}

/// The walk along one log that is owed in full.
#[derive(Debug)]
pub(super) struct Walk {
    state: LogState,
    /// Whether every header up to here was held, so that history can be compared.
    all: bool,
    /// Whether the header before is held, so that it can be compared.
    joined: bool,
    /// Up to here everything is held whole and joins, or is declared lost.
    whole: u64,
    sound: bool,
    /// Up to here the same without anything that is declared lost.
    held: u64,
    declared: bool,
    /// Ranges that are declared lost, ascending, disjoint.
    lost: Vec<(u64, u64)>,
}

impl Walk {
    /// From the start of a log; `lost` are ranges that are declared lost, in any order.
    pub(super) fn new(start: LogState, mut lost: Vec<(u64, u64)>) -> Self {
        lost.retain(|(from, to)| from <= to);
        lost.sort_unstable();
        Self {
            whole: start.sequence,
            held: start.sequence,
            declared: false,
            state: start,
            all: true,
            joined: true,
            sound: true,
            lost,
        }
    }

    /// The last sequence of which a header is held.
    pub(super) const fn last(&self) -> u64 {
        self.state.sequence
    }

    /// Up to here everything is held whole and in order.
    pub(super) const fn held(&self) -> u64 {
        self.held
    }

    /// The last header, and the tree over all so far, if every one of them was held.
    pub(super) fn position(&self) -> (Ref, Option<Vec<u8>>) {
        let history = self.all.then(|| self.state.history.to_bytes());
        (self.state.last, history)
    }

    /// Goes to the next sequence of which there are headers: more than one only if they contradict each other, none if what is
    /// there cannot be read.
    pub(super) fn step(&mut self, sequence: u64, links: &[Link]) -> Vec<Finding> {
        let mut findings = Vec::new();
        if sequence > self.state.sequence + 1 {
            findings = self.skipped(self.state.sequence + 1, sequence - 1);
            self.all = false;
            self.joined = false;
        }
        let joins = |link: &&Link| {
            (!self.joined || link.previous == self.state.last)
                && (!self.all || link.history == self.state.history.root())
        };
        let next = links.iter().find(joins);
        let Some(link) = next.or(links.first()) else {
            self.state.sequence = sequence;
            (self.all, self.joined, self.sound) = (false, false, false);
            return findings;
        };
        if next.is_none() {
            findings.push(Finding::Broken(sequence));
            self.all = false;
        }
        self.sound &= next.is_some() && link.whole;
        self.joined = true;
        self.state.sequence = sequence - 1;
        self.state.advance(link.reference);
        if self.sound {
            self.whole = sequence;
            if !self.declared {
                self.held = sequence;
            }
        }
        findings
    }

    /// Ends the walk: what is missing up to a sequence at which the log is known to end or to have been.
    pub(super) fn end(&mut self, at: u64) -> Vec<Finding> {
        match at > self.state.sequence {
            true => self.skipped(self.state.sequence + 1, at),
            false => Vec::new(),
        }
    }

    /// What these sequences are, of which nothing is held.
    fn skipped(&mut self, from: u64, to: u64) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut at = from;
        for (lost_from, lost_to) in &self.lost {
            if *lost_to < at || *lost_from > to {
                continue;
            }
            if *lost_from > at {
                findings.push(Finding::Missing(at, lost_from - 1));
            }
            let end = to.min(*lost_to);
            findings.push(Finding::Declared(at.max(*lost_from), end));
            at = end.saturating_add(1);
            if at > to {
                break;
            }
        }
        if at <= to {
            findings.push(Finding::Missing(at, to));
        }
        let declared = findings.iter().all(|f| matches!(f, Finding::Declared(..)));
        self.sound &= declared;
        self.declared = true;
        if self.sound {
            self.whole = to;
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use protocol::name::{Lane, LogName, SeatId};
    use protocol::statement::EpochOpening;

    use super::*;

    fn start() -> LogState {
        let opening = EpochOpening {
            seat: SeatId([1; 16]),
            counter: 1,
            nonce: [0; 16],
            identity: Ref::of(Hash([9; 32])),
            instance: protocol::name::InstanceId([0; 16]),
            last_known: Vec::new(),
            void: Vec::new(),
        };
        LogState::start(&opening, Ref::of(Hash([8; 32])), Lane::Records)
    }

    /// The headers of a log that is in order, from 1 to `n`.
    fn log(n: u64) -> Vec<Link> {
        let mut state = start();
        let _: LogName = state.log;
        (1..=n)
            .map(|sequence| {
                let link = Link {
                    reference: Ref::of(Hash([sequence as u8 + 100; 32])),
                    previous: state.last,
                    history: state.history.root(),
                    whole: true,
                };
                state.advance(link.reference);
                link
            })
            .collect()
    }

    /// Walks the sequences `held` of a log of nine that really ends at `end`, with `lost` declared and `parted` not whole; one
    /// that is `forged` has another header before it.
    struct Case {
        held: &'static [u64],
        end: u64,
        lost: &'static [(u64, u64)],
        parted: &'static [u64],
        forged: &'static [u64],
    }

    const ALL: Case = Case {
        held: &[1, 2, 3, 4],
        end: 4,
        lost: &[],
        parted: &[],
        forged: &[],
    };

    fn check(case: Case, found: &[Finding], whole: u64) {
        let links = log(9);
        let mut walk = Walk::new(start(), case.lost.to_vec());
        let mut findings = Vec::new();
        for sequence in case.held {
            let mut link = links[*sequence as usize - 1];
            link.whole = !case.parted.contains(sequence);
            if case.forged.contains(sequence) {
                link.previous = Ref::of(Hash([77; 32]));
            }
            findings.extend(walk.step(*sequence, &[link]));
        }
        findings.extend(walk.end(case.end));
        assert_eq!(findings, found);
        assert_eq!(walk.whole, whole);
    }

    #[test]
    fn a_log_in_order_is_whole_to_its_end() {
        check(ALL, &[], 4);
        check(
            Case {
                held: &[],
                end: 0,
                ..ALL
            },
            &[],
            0,
        );
    }

    #[test]
    fn what_is_missing_is_named_by_range() {
        let holes = Case {
            held: &[2, 5, 6],
            end: 8,
            ..ALL
        };
        let found = [
            Finding::Missing(1, 1),
            Finding::Missing(3, 4),
            Finding::Missing(7, 8),
        ];
        check(holes, &found, 0);
        check(
            Case {
                held: &[1, 2, 4],
                ..ALL
            },
            &[Finding::Missing(3, 3)],
            2,
        );
        check(
            Case {
                held: &[1, 2],
                ..ALL
            },
            &[Finding::Missing(3, 4)],
            2,
        );
    }

    #[test]
    fn what_is_declared_lost_is_told_apart_and_holds_nothing_up() {
        let declared = Case {
            held: &[1, 4],
            lost: &[(2, 3)],
            ..ALL
        };
        check(declared, &[Finding::Declared(2, 3)], 4);
        let half = Case {
            held: &[1, 6],
            end: 6,
            lost: &[(3, 4), (9, 9)],
            ..ALL
        };
        let found = [
            Finding::Missing(2, 2),
            Finding::Declared(3, 4),
            Finding::Missing(5, 5),
        ];
        check(half, &found, 1);
        let tail = Case {
            held: &[1, 2],
            lost: &[(3, 9)],
            ..ALL
        };
        check(tail, &[Finding::Declared(3, 4)], 4);
    }

    #[test]
    fn a_header_that_does_not_join_ends_what_is_whole() {
        check(
            Case {
                forged: &[3],
                ..ALL
            },
            &[Finding::Broken(3)],
            2,
        );
        // behind a hole there is nothing to join, and nobody is blamed for it
        let behind = Case {
            held: &[1, 3, 4],
            forged: &[3],
            ..ALL
        };
        check(behind, &[Finding::Missing(2, 2)], 1);
    }

    #[test]
    fn a_batch_that_is_not_whole_ends_what_is_whole() {
        check(
            Case {
                parted: &[2],
                ..ALL
            },
            &[],
            1,
        );
    }

    #[test]
    fn what_cannot_be_read_is_no_hole_and_holds_up() {
        let links = log(3);
        let mut walk = Walk::new(start(), Vec::new());
        walk.step(1, &links[..1]);
        assert_eq!(walk.step(2, &[]), []);
        assert_eq!(walk.step(3, &links[2..]), []);
        assert_eq!((walk.whole, walk.last()), (1, 3));
    }

    #[test]
    fn of_two_headers_the_one_that_joins_is_followed() {
        let links = log(2);
        let other = Link {
            previous: Ref::of(Hash([77; 32])),
            ..links[1]
        };
        let mut walk = Walk::new(start(), Vec::new());
        walk.step(1, &links[..1]);
        assert_eq!(walk.step(2, &[other, links[1]]), []);
        assert_eq!((walk.whole, walk.held(), walk.last()), (2, 2, 2));
    }
}
