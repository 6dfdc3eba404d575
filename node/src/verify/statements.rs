//! Every stored statement, admitted again from the root.

use protocol::directory::Directory;
use protocol::envelope::{Envelope, kind};
use protocol::frame::Item;
use protocol::hash::Ref;
use protocol::slice::{self, HeaderFault};
use store::verify::StoredEnvelope;

use super::{Ended, Part, RESTORE, Run};

/// Statements read at once.
const PAGE: usize = 1_024;

/// A statement that could not be admitted yet: what it stands on may come behind it.
struct Waiting {
    place: String,
    row: StoredEnvelope,
    envelope: Envelope,
    fault: String,
}

impl Run<'_> {
    /// Admits what is stored, beginning with what this node trusts: its chain from the first root on. The directory that comes of
    /// it is what headers are checked against.
    pub(super) async fn statements(&self, part: &mut Part) -> Result<Directory, Ended> {
        self.begin("核对声明", 0)?;
        let chain = self.node.chain();
        let trusted = chain.first().and_then(|root| {
            let authority = self.node.directory().authority();
            Directory::trusting(root, &authority.hash.0).ok()
        });
        let Some(mut directory) = trusted else {
            let what = "其中的根声明与本节点所信任的不符";
            part.fault("本节点的身份链", what, RESTORE);
            return Ok(self.node.directory().clone());
        };
        for envelope in &chain[1..] {
            if let Err(fault) = directory.admit(envelope) {
                let what = format!("未通过核对：{fault}");
                part.fault("本节点的身份链", what, RESTORE);
            }
        }
        let mut waiting: Vec<Waiting> = Vec::new();
        let (mut after, mut unread, mut total) = (None, 0, 0);
        loop {
            let rows = self
                .node
                .store()
                .stored_envelopes(after.take(), PAGE)
                .await?;
            let Some(last) = rows.last() else { break };
            after = Some((last.arrival, last.reference_bytes.clone()));
            self.went(rows.len() as u64)?;
            total += rows.len() as u64;
            for row in rows {
                unread += u64::from(!row.read);
                match read_row(&row, &directory) {
                    Kept::Is(place, fault) => part.fault(place, fault, RESTORE),
                    Kept::Good => {}
                    Kept::Statement(place, envelope) => {
                        let fault = String::new();
                        waiting.extend(admitted(
                            Waiting {
                                place,
                                row,
                                envelope,
                                fault,
                            },
                            &mut directory,
                            part,
                        ));
                    }
                }
            }
        }
        // what was read late may come before what it stands on
        loop {
            let before = waiting.len();
            let tried = std::mem::take(&mut waiting);
            for one in tried {
                waiting.extend(admitted(one, &mut directory, part));
            }
            if waiting.len() == before {
                break;
            }
        }
        for one in waiting {
            let what = format!("登记为已核验，重新核对未通过：{}", one.fault);
            part.fault(one.place, what, RESTORE);
        }
        part.checked(total);
        part.note(format!("声明 {total} 份"));
        if unread > 0 {
            part.note(format!(
                "其中 {unread} 份由更新的版本写成，已原样保存，升级后可识别"
            ));
        }
        Ok(directory)
    }
}

/// What a row is by itself.
enum Kept {
    /// Wrong.
    Is(String, String),
    /// As it should be, and no statement.
    Good,
    /// A statement that stands as read.
    Statement(String, Envelope),
}

fn read_row(row: &StoredEnvelope, directory: &Directory) -> Kept {
    let place = match &row.reference {
        Some(reference) => format!("声明 {}", reference.hash.short()),
        None => format!("接收序号 {} 的声明", row.arrival),
    };
    let Some(reference) = row.reference else {
        return Kept::Is(place, "编号已损坏".to_owned());
    };
    // a batch that an earlier release could not read is kept as the item that it was
    if row.kind == i64::from(kind::HEADER) {
        let header = match Item::from_bytes(&row.bytes) {
            Ok(Item::Slice { header, .. }) => Envelope::from_bytes(&header),
            Ok(_) => return Kept::Is(place, "不是批次".to_owned()),
            Err(what) => Err(what),
        };
        let header = match header {
            Ok(header) => header,
            Err(what) => return Kept::Is(place, format!("字节已损坏（{what}）")),
        };
        let verdict = slice::verify_header(directory, &header);
        return match verdict {
            _ if name_of(&header) != reference => Kept::Is(place, "内容与编号不符".to_owned()),
            Err(fault @ (HeaderFault::BadSignature(_) | HeaderFault::Malformed(_))) if row.read => {
                Kept::Is(place, fault.to_string())
            }
            _ => Kept::Good,
        };
    }
    let envelope = match Envelope::from_bytes(&row.bytes) {
        Ok(envelope) => envelope,
        Err(what) => return Kept::Is(place, format!("字节已损坏（{what}）")),
    };
    if name_of(&envelope) != reference {
        return Kept::Is(place, "内容与编号不符".to_owned());
    }
    match row.read {
        true => Kept::Statement(place, envelope),
        // what is not read yet can be compared with its name only
        false => Kept::Good,
    }
}

/// Admits a statement and compares its row; gives it back if it does not verify, or not yet.
fn admitted(mut one: Waiting, directory: &mut Directory, part: &mut Part) -> Option<Waiting> {
    match directory.admit(&one.envelope) {
        Err(fault) => {
            one.fault = fault.to_string();
            Some(one)
        }
        Ok(admitted) => {
            let row = &one.row;
            // the seat's column is whom it was charged to while it was not read
            let fits = admitted.envelope.to_bytes() == row.bytes
                && row.kind == i64::from(one.envelope.kind);
            if !fits {
                let what = "数据库中的登记与签名内容不符";
                part.fault(one.place, what, RESTORE);
            }
            None
        }
    }
}

/// An object's name: its suite and our hash of its bytes.
fn name_of(envelope: &Envelope) -> Ref {
    Ref {
        suite: envelope.name_suite,
        hash: envelope.hash(),
    }
}
