//! What a session has to say, on its way to the carrier.

use super::{Driver, millis};
use crate::link::carrier::{CloseCode, Outgoing, PRIORITIES};
use crate::link::host::Host;

impl<H: Host> Driver<H> {
    /// Puts what the session has to say into the carrier's queues, as far as there is room.
    pub(super) fn send(&mut self) {
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
                // the session knows the same bound: a fault of the program
                tracing::error!(peer = %self.remote, %error, "frame not sent");
                self.control.close(CloseCode::Internal, "本端报文超长");
            }
        }
    }
}

/// Waits until one of the wanted priorities has room; for ever if none is wanted.
pub(super) async fn room(outgoing: Option<&Outgoing>, wanted: [bool; PRIORITIES]) {
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
