//! What others show of the agent's own log: a batch that it does not have, or another one at a place where it has one, means
//! that its folder is not the newest of its seat. Then nothing more is sealed (D86), and nothing is thrown away.

use protocol::envelope::{Envelope, kind};
use protocol::frame::LogEntry;
use protocol::name::{Lane, Position};
use protocol::receipt;
use protocol::slice::{HeaderFault, verify_header};
use store::seat::SeatError;

use super::Uplink;

/// What an envelope shows.
enum Shows {
    /// Positions in our log.
    Positions(Lane, Vec<Position>),
    /// An epoch of our seat that we did not open.
    AnotherEpoch,
    /// Nothing about us that could be checked.
    Nothing,
}

impl Uplink {
    /// Whether a receipt, header or opening shows that this folder is not the newest of the seat. If so, it is kept as
    /// evidence and sealing stands still from here on.
    pub(super) async fn is_beside(&self, envelope: &Envelope) -> Result<bool, SeatError> {
        let Some(why) = self.beside(envelope).await? else {
            return Ok(false);
        };
        if self.0.progress.halted().is_none() {
            tracing::error!(
                why,
                "somebody holds another history of this seat, sealing stops"
            );
        }
        self.0.progress.halt(why);
        self.0
            .store
            .put_meta(EVIDENCE, &envelope.to_bytes())
            .await?;
        Ok(true)
    }

    /// Judges what was kept as evidence anew: the newest folder of the seat may have been put back.
    pub(super) async fn judge_evidence(&self) -> Result<(), SeatError> {
        let Some(bytes) = self.0.store.meta(EVIDENCE).await? else {
            return Ok(());
        };
        let why = match Envelope::from_bytes(&bytes) {
            Ok(envelope) => self.beside(&envelope).await?,
            Err(_) => None,
        };
        match why {
            Some(why) => self.0.progress.halt(why),
            None => self.0.store.drop_meta(EVIDENCE).await?,
        }
        Ok(())
    }

    /// The same for what a peer tells of our logs. Only what we have signed ourselves counts.
    pub(super) async fn compare(&self, entry: &LogEntry) -> Result<(), SeatError> {
        for bytes in [&entry.opening_envelope, &entry.header] {
            if let Ok(envelope) = Envelope::from_bytes(bytes)
                && self.is_beside(&envelope).await?
            {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn beside(&self, envelope: &Envelope) -> Result<Option<String>, SeatError> {
        let (lane, positions) = match self.shows(envelope) {
            Shows::Nothing => return Ok(None),
            Shows::AnotherEpoch => {
                return Ok(Some(format!(
                    "平台持有本席位的另一份启用声明，说明另有一份数据目录以同一席位运行过。{WHAT_TO_DO}"
                )));
            }
            Shows::Positions(lane, positions) => (lane, positions),
        };
        for position in positions {
            if position == Position::START {
                continue;
            }
            let sequence = position.sequence;
            let (head, known) = self.0.store.header_at(lane, sequence).await?;
            if sequence > head {
                return Ok(Some(format!(
                    "平台已有本席位第 {sequence} 批，而本机只到第 {head} 批，说明本机数据目录是从旧备份或快照恢复的。{WHAT_TO_DO}"
                )));
            }
            if known.is_some_and(|known| known != position.header) {
                return Ok(Some(format!(
                    "平台所存的本席位第 {sequence} 批与本机的不同，说明另有一份数据目录以同一席位运行过。{WHAT_TO_DO}"
                )));
            }
        }
        Ok(None)
    }

    fn shows(&self, envelope: &Envelope) -> Shows {
        let state = self.lock();
        let own = |seat, opening| seat == self.0.seat && opening == self.0.opening;
        match envelope.kind {
            kind::RECEIPT => match receipt::verify(&state.directory, envelope) {
                Ok(verified) => {
                    let receipt = verified.receipt();
                    match own(receipt.log.seat, receipt.log.opening) {
                        true => Shows::Positions(receipt.log.lane, receipt.positions().to_vec()),
                        false => Shows::Nothing,
                    }
                }
                Err(_) => Shows::Nothing,
            },
            kind::HEADER => {
                let verified = match verify_header(&state.directory, envelope) {
                    Ok(verified) => verified,
                    Err(HeaderFault::DoesNotCount { header, .. }) => *header,
                    Err(_) => return Shows::Nothing,
                };
                let header = verified.header();
                match own(header.seat, header.opening) {
                    true => {
                        let position = Position {
                            sequence: header.sequence,
                            header: verified.reference(),
                        };
                        Shows::Positions(header.lane, vec![position])
                    }
                    false => Shows::Nothing,
                }
            }
            kind::OPENING if envelope.seat() == Some(self.0.seat) => {
                // in a copy: two openings of one counter would make ours contested
                let mut scratch = state.directory.clone();
                match scratch.admit(envelope) {
                    Ok(admitted) if admitted.reference != self.0.opening => Shows::AnotherEpoch,
                    _ => Shows::Nothing,
                }
            }
            _ => Shows::Nothing,
        }
    }
}

const WHAT_TO_DO: &str = "已停止封装，以免同一来源出现两份矛盾的记录；已读取的数据保留在本机，不会丢失。\
     请停止代理，换回最新的数据目录后再启动；找不到时请联系签发接入码的平台按恢复手册办理";
/// Name under which the evidence is kept.
const EVIDENCE: &str = "beside";
