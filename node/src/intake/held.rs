//! Logs that are held back or stopped: how many one peer may bring, what stops one, and how one goes on (D22).

use protocol::directory::LogName;
use protocol::envelope::Envelope;
use protocol::name::Lane;
use protocol::receipt::Position;
use store::HeldRow;

use super::{Checked, HELD_MAX, Peer, STOPPED, TakeInFault, WAITS, rest_of, want_row};
use crate::error::StepError;
use crate::node::Node;

impl Node {
    /// A batch that comes again changes nothing; another one in the place of a known one is a second history under the
    /// origin's key.
    pub(super) async fn check_repeated(&self, checked: &mut Checked) -> Result<(), TakeInFault> {
        for (row, hash) in std::mem::take(&mut checked.repeated) {
            let before = row.from_sequence.saturating_sub(1);
            let known = self
                .store()
                .log_page(
                    row.seat,
                    row.lane,
                    row.opening,
                    before,
                    row.from_sequence,
                    1,
                )
                .await
                .map_err(StepError::Store)?;
            let same = known.is_empty()
                || known.iter().any(|(_, item)| {
                    Envelope::from_bytes(&item.header).is_ok_and(|e| e.hash() == hash)
                });
            if !same {
                self.stop_forked(&row, checked);
            }
        }
        Ok(())
    }

    pub(super) fn stop_forked(&self, row: &HeldRow, checked: &mut Checked) {
        let HeldRow {
            seat,
            from_sequence,
            ..
        } = row;
        if let Some(lane) = Lane::from_u8(row.lane) {
            let log = LogName {
                seat: row.seat,
                lane,
                opening: row.opening,
            };
            self.stop_log(
                log,
                format!("来源 {seat} 第 {from_sequence} 批与此前收下的批次互相矛盾，{STOPPED}"),
            );
        }
        checked.held.push(row.clone());
    }

    /// What one peer brings and nobody can verify yet is bounded: whoever brings ever more of it is at fault.
    pub(super) fn check_held(&self, peer: &Peer, checked: &Checked) -> Result<(), TakeInFault> {
        if checked.held.is_empty() {
            return Ok(());
        }
        let mut all = self.held_logs();
        let held = all.entry(peer.identity.seat).or_default();
        for row in &checked.held {
            let log = (row.seat, row.lane, row.opening);
            if held.len() >= HELD_MAX && !held.contains(&log) {
                return Err(TakeInFault::Peer(format!(
                    "有 {HELD_MAX} 个以上的来源日志缺少名录声明"
                )));
            }
            held.insert(log);
        }
        Ok(())
    }

    /// Logs that were held and have come meanwhile, because they were asked for.
    pub(super) async fn forget_held(
        &self,
        durable: &[(LogName, Position)],
    ) -> Result<(), TakeInFault> {
        if durable.is_empty() {
            return Ok(());
        }
        for (row, _) in self.store().held().await.map_err(StepError::Store)? {
            let come = durable.iter().any(|(log, (sequence, _))| {
                (log.seat, log.lane as u8, log.opening) == (row.seat, row.lane, row.opening)
                    && *sequence >= row.from_sequence
            });
            if come {
                self.store()
                    .held_done(row.seat, row.lane, row.opening)
                    .await
                    .map_err(StepError::Store)?;
            }
        }
        Ok(())
    }

    /// Logs that were held for want of a statement which is known by now: what was passed over is wanted (D22).
    pub(super) async fn release_held(&self, now_us: i64) -> Result<(), TakeInFault> {
        for (row, _) in self.store().held().await.map_err(StepError::Store)? {
            let known = row.why == WAITS && self.directory().opening(&row.opening).is_some();
            if !known {
                continue;
            }
            let rest = rest_of(row.seat, row.lane, row.opening, row.from_sequence);
            self.store()
                .want_put(want_row(&rest, now_us))
                .await
                .map_err(StepError::Store)?;
            self.store()
                .held_done(row.seat, row.lane, row.opening)
                .await
                .map_err(StepError::Store)?;
            let log = (row.seat, row.lane, row.opening);
            self.held_logs().values_mut().for_each(|held| {
                held.remove(&log);
            });
        }
        self.wanting().ring();
        Ok(())
    }
}
