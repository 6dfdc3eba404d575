//! The receipts that are kept: that they are what was signed, and what they say of logs.

use protocol::directory::Directory;
use protocol::envelope::Envelope;
use protocol::name::{LogName, Position, SeatId};
use protocol::receipt::{self, Receipt, ReceiptFault};
use protocol::statement::SeatKind;
use store::ReceiptRow;

use super::{Ended, Part, RESTORE, Run};
use crate::node::{Node, Tier};

/// What somebody has signed, or said, of a log: it was held up to here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    /// The log.
    pub(super) log: LogName,
    /// Who.
    pub(super) by: Whose,
    /// Up to here; the reference is zero if it is not known.
    pub(super) durable: Position,
    /// Safeguarded up to here.
    pub(super) safeguarded: u64,
}

/// Whose word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Our own receipt: what it names was here.
    Own,
    /// The city's, at a district: it has had everything from here.
    Above(SeatId),
    /// Of a node below, or of the source itself: more may be on its way.
    Below(SeatId),
}

impl Run<'_> {
    /// Checks every receipt and gives what they say. Peers' words of this process's life are among it.
    pub(super) async fn receipts(
        &self,
        directory: &Directory,
        part: &mut Part,
    ) -> Result<Vec<Said>, Ended> {
        self.begin("核对回执", 0)?;
        let mut said = Vec::new();
        for row in self.node.store().receipts(None).await? {
            self.went(1)?;
            part.checked(1);
            let place = format!(
                "{}第 {} 批的回执（由「{}」签发）",
                self.seat(&row.seat),
                row.durable_sequence,
                self.node.title_of(&row.node)
            );
            let verdict = Envelope::from_bytes(&row.bytes)
                .map_err(ReceiptFault::from)
                .and_then(|envelope| receipt::verify(directory, &envelope));
            match verdict {
                Ok(verified) => {
                    let receipt = verified.receipt();
                    if !fits(&row, receipt) {
                        let what = "数据库中的登记与签名内容不符";
                        part.fault(place, what, RESTORE);
                    }
                    said.push(Said {
                        log: receipt.log,
                        by: whose(self.node, directory, &receipt.holder),
                        durable: receipt.durable,
                        safeguarded: receipt.safeguarded.sequence,
                    });
                }
                Err(ReceiptFault::Malformed(_) | ReceiptFault::BadSignature) => {
                    part.fault(place, "字节已损坏，或签名未通过核对", RESTORE);
                }
                // its holder was called back, or owes the log no longer: it counts for nothing
                Err(_) => {}
            }
        }
        said.extend(self.heard());
        Ok(said)
    }

    /// What peers in session have told of logs.
    fn heard(&self) -> Vec<Said> {
        let directory = self.node.directory().clone();
        let mut said = Vec::new();
        for identity in directory.identities() {
            let peer = identity.identity().seat;
            for (key, heard) in self.node.heard_logs(&peer) {
                let Some(lane) = protocol::name::Lane::from_u8(key.lane) else {
                    continue;
                };
                said.push(Said {
                    log: LogName {
                        seat: key.seat,
                        lane,
                        opening: key.opening,
                    },
                    by: whose(self.node, &directory, &peer),
                    durable: Position {
                        sequence: heard.taken_in,
                        ..Position::START
                    },
                    safeguarded: 0,
                });
            }
        }
        said
    }
}

fn fits(row: &ReceiptRow, receipt: &Receipt) -> bool {
    let [durable, attached, safeguarded] = receipt.positions().map(|p| p.sequence);
    let log = receipt.log;
    (row.seat, row.lane, row.opening) == (log.seat, log.lane as u8, log.opening)
        && (row.node, row.incarnation) == (receipt.holder, receipt.incarnation)
        && (row.durable_sequence, row.attached_sequence) == (durable, attached)
        && row.safeguarded_sequence == safeguarded
}

fn whose(node: &Node, directory: &Directory, holder: &SeatId) -> Whose {
    let is_city = directory
        .newest_identity(holder)
        .is_some_and(|i| i.identity().kind == SeatKind::City);
    match *holder == node.seat() {
        true => Whose::Own,
        false if is_city && node.tier() == Tier::District => Whose::Above(*holder),
        false => Whose::Below(*holder),
    }
}
