//! Wants of both sides: at most so many open at once, each page asked for and answered by its place.

use crate::frame::{Frame, Logs, LogsEnd, PageCode, Want, WantFrame, WantPage};
use crate::limits;
use crate::session::{Answer, Asked, Event, Millis, PeerMisbehaved, Phase, Session};

impl Session {
    pub(super) fn take_want(&mut self, frame: WantFrame) -> Result<(), PeerMisbehaved> {
        let WantFrame {
            number,
            want,
            place,
        } = frame;
        let key = (number, place.clone());
        if self.serving.contains(&key) {
            return Ok(());
        }
        if self.serving.len() >= limits::WANTS_OPEN_MAX {
            // late repetitions can be among those that are being served; what is passed over here is said again
            return self.out_of_turn("wants open at once");
        }
        self.serving.insert(key);
        if want.is_understood() {
            self.events.push_back(Event::ServeWant {
                number,
                want,
                place,
            });
        } else {
            self.handle_want_page(number, place, Answer::none(PageCode::NotUnderstood));
        }
        Ok(())
    }

    pub(super) fn take_want_page(&mut self, page: WantPage) -> Result<(), PeerMisbehaved> {
        // a page nobody waits for is a repetition
        let asked = self.wants.get(&page.number);
        if asked.is_none_or(|a| a.what.place != page.place) {
            return Ok(());
        }
        if page.next.as_ref() == Some(&page.place) {
            return Err(PeerMisbehaved::Conversation("a page that does not advance"));
        }
        self.wants.remove(&page.number);
        self.events.push_back(Event::WantPage {
            number: page.number,
            code: page.code,
            built_at: page.built_at,
            items: page.items,
            next: page.next,
        });
        Ok(())
    }

    /// Whether another want may be opened now.
    pub fn may_want(&self) -> bool {
        self.is_established() && self.wants.len() < limits::WANTS_OPEN_MAX
    }

    /// Asks for a page of a want: from `place`, which is empty for the first.
    pub fn want(&mut self, number: u64, want: Want, place: Vec<u8>) {
        if self.phase == Phase::Closed {
            return;
        }
        let what = WantFrame {
            number,
            want,
            place,
        };
        self.wants.insert(number, Asked { what, said: None });
    }

    /// The page that [`Event::ServeWant`] asked for, by number and place.
    pub fn handle_want_page(&mut self, number: u64, place: Vec<u8>, answer: Answer) {
        // one answer per question, and none for what was not asked
        let waits = |(page, _): &(WantPage, _)| page.number == number && page.place == place;
        if self.phase == Phase::Closed
            || !self.serving.contains(&(number, place.clone()))
            || self.pages.iter().any(waits)
        {
            return;
        }
        let page = WantPage {
            number,
            place,
            code: answer.code,
            built_at: answer.built_at,
            items: answer.items,
            next: answer.next.filter(|next| !next.is_empty()),
        };
        self.pages.push_back((page, answer.header));
    }

    /// Pages of the peer's wants that wait to be said.
    pub fn pages_waiting(&self) -> usize {
        self.pages.len()
    }

    /// The next page; the entry that belongs to it goes in front, at the same priority, so that it arrives first.
    pub(super) fn next_page(&mut self) -> Option<Frame> {
        let (_, header) = self.pages.front_mut()?;
        if let Some(entry) = header.take() {
            return Some(Frame::Logs(Logs {
                end: LogsEnd::More,
                entries: vec![entry],
            }));
        }
        let (page, _) = self.pages.pop_front()?;
        self.serving.remove(&(page.number, page.place.clone()));
        Some(Frame::WantPage(page))
    }

    /// Patience is over: questions that were not answered are asked again.
    pub(super) fn ask_again(&mut self, now: Millis, patience: Millis) {
        for asked in self.wants.values_mut() {
            asked.said = asked.said.filter(|said| now < said + patience);
        }
    }
}
