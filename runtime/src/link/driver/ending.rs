//! How a session ends: what is said and stored last, and what the end means for the next one.

use std::time::Duration;

use protocol::frame::GoodbyeCode;
use protocol::name::SeatId;
use tokio::time::timeout;

use super::sending::room;
use super::{DRAIN_TIME_MAX, Driver, NOTE_TIME_MAX, STOP_TIME_MAX};
use crate::link::LinkEnd;
use crate::link::carrier::{CloseCode, Closed, Incoming};
use crate::link::host::Host;
use crate::worker::within;

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEnd {
    /// Who it was with, if that was known.
    pub party: Option<SeatId>,
    /// Whether the peer ended it.
    pub by_peer: bool,
    /// The reason, if either side said goodbye; `None` when the link broke.
    pub code: Option<GoodbyeCode>,
    /// Why, for people on this side.
    pub text: String,
    /// How long it stood, from both sides' acceptance on; zero if it never did.
    pub stood: Duration,
}

impl SessionEnd {
    /// What the end means for the next attempt.
    pub fn link_end(&self) -> LinkEnd {
        let text = self.text.clone();
        match self.code {
            None | Some(GoodbyeCode::Shutdown | GoodbyeCode::LocalFault) => LinkEnd::Broken(text),
            // the item is skipped from now on, the instance is another: what stands behind it waits for nothing
            Some(GoodbyeCode::ItemRefused | GoodbyeCode::NewerInstance) => LinkEnd::Soon(text),
            Some(GoodbyeCode::Fenced) => LinkEnd::Later(Duration::from_secs(10), text),
            Some(GoodbyeCode::NotAdmitted) => LinkEnd::Later(Duration::from_secs(15), text),
            Some(_) => LinkEnd::Later(Duration::from_secs(60), text),
        }
    }
}

impl<H: Host> Driver<H> {
    /// The host notes which item of our feed the peer refuses. Whatever else ends, this is done before the end is told, or
    /// the next session would offer the item again.
    pub(super) fn note_refusal(&mut self, class: u8, offset: u64, text: &str) {
        if let Some((_, peer)) = &self.peer {
            let (host, peer, text) = (self.host.clone(), peer.clone(), text.to_owned());
            self.noting = Some(tokio::spawn(async move {
                host.refused(&peer, class, offset, text).await;
            }));
        }
    }

    /// Before a stop: lets what is being stored come to its end and be acknowledged.
    pub(super) async fn settle(&mut self) {
        let shutdown = self.shutdown.clone();
        let settle = async {
            while self.is_storing()
                && let Some(done) = self.work.join_next().await
            {
                self.done(done);
            }
        };
        // what is not stored by now is not acknowledged either, and comes again
        let _ = within(&shutdown, DRAIN_TIME_MAX, STOP_TIME_MAX, settle).await;
    }

    /// After the conversation: what was said is delivered, the connection closes, what is being stored is stored.
    pub(super) async fn finish(
        &mut self,
        incoming: Incoming,
        broken: Option<Closed>,
    ) -> SessionEnd {
        let end = self.end(broken);
        let shutdown = self.shutdown.clone();
        // who has something to say to this session need not wait for its end
        self.inbox.close();
        // whom we fence has left this connection long ago, as a rule; nobody waits for it
        let fenced = !end.by_peer && end.code == Some(GoodbyeCode::Fenced);
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
            Some(GoodbyeCode::Shutdown) => CloseCode::Stopping,
            Some(GoodbyeCode::Fenced) => CloseCode::Superseded,
            Some(GoodbyeCode::NotAdmitted | GoodbyeCode::Revoked) => CloseCode::Unauthorised,
            Some(GoodbyeCode::LocalFault) => CloseCode::Internal,
            // whoever has not heard the word comes back and hears it then
            Some(GoodbyeCode::ItemRefused | GoodbyeCode::NewerInstance) => CloseCode::Lost,
            Some(_) => CloseCode::Violation,
            None => CloseCode::Lost,
        };
        let told = self.goodbye.as_ref().map_or(&end.text, |(g, _)| &g.text);
        self.control.close(code, told);
        let rest = async { while self.work.join_next().await.is_some() {} };
        if within(&shutdown, DRAIN_TIME_MAX, STOP_TIME_MAX, rest)
            .await
            .is_none()
        {
            tracing::warn!(peer = %self.remote, "host is still busy with a session that is over");
        }
        // a transaction under way is left to end by itself, never cut off
        self.work.detach_all();
        if let Some(noting) = self.noting.take() {
            match within(&shutdown, NOTE_TIME_MAX, STOP_TIME_MAX, noting).await {
                Some(Ok(())) => {}
                Some(Err(panic)) => {
                    tracing::error!(peer = %self.remote, error = %panic, "host panicked over a refused item");
                }
                None => {
                    tracing::warn!(peer = %self.remote, "a refused item is not noted yet; it may be refused again");
                }
            }
        }
        self.place = None;
        end
    }

    fn end(&self, broken: Option<Closed>) -> SessionEnd {
        let party = self.peer.as_ref().map(|(party, _)| *party);
        let (by_peer, code, text) = match (&self.goodbye, broken) {
            (Some((goodbye, by_peer)), _) => {
                // what the peer is told is said from its side
                let own = self
                    .own_fault
                    .as_ref()
                    .filter(|_| !*by_peer && goodbye.code == GoodbyeCode::LocalFault);
                let text = own.unwrap_or(&goodbye.text).clone();
                (*by_peer, Some(goodbye.code), text)
            }
            // the word itself was lost, the connection's reason was not
            (None, Some(closed)) => {
                let code = match closed.code {
                    CloseCode::Stopping => Some(GoodbyeCode::Shutdown),
                    CloseCode::Superseded => Some(GoodbyeCode::Fenced),
                    CloseCode::Unauthorised => Some(GoodbyeCode::NotAdmitted),
                    CloseCode::Violation => Some(GoodbyeCode::Misbehaved),
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
}
