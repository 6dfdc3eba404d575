//! Records and refusals, worked out again from the log as apply does and compared with what is stored.
//!
//! Identities of records are cut into ranges, each small enough to be held; for each the whole log is gone through. What differs
//! is looked at once more with apply standing still, since the node may work meanwhile. Regions that routing words have moved are
//! compared with those words; records of which an erasure has ended sections, by their place alone.

use std::collections::{HashMap, HashSet};

use protocol::codec;
use protocol::hash::{Hash, sha256};
use store::{FeedItem, ItemKind, Pointer, RecordId, RecordRow, RefusalRow};

use super::{Ended, Part, Run, each};
use crate::apply::{Image, Refusal, flag};
use crate::fold::Block;
use crate::node::{Node, Tier, subject_key};

/// Rows read at once.
const PAGE: usize = 8_192;
/// Blocks read at once.
const BLOCKS: usize = 64;
/// Bytes of them, about: between two pages others get the processor.
const BLOCK_BYTES: usize = 1 << 20;
/// So many items are caught up with while apply waits.
const CLOSE: u64 = 64;
/// What to do where a view differs.
pub(super) const VIEWS: &str =
    "查询视图由日志得出：请停止节点，从备份恢复数据库，再次核对；并追查能够写入数据库的账号";

/// A record as it should stand.
struct Stand {
    row: RecordRow,
    /// Hash of its open refusal's words.
    refusal: Option<Hash>,
    /// An erasure has ended sections of an image: what was concluded from them cannot be concluded again.
    erased: bool,
    seen: bool,
    refusal_seen: bool,
}

/// Records of a range as they should stand.
struct Shadow {
    first: u128,
    last: u128,
    stands: HashMap<RecordId, Stand>,
    /// Records by subject, where words about subjects are followed.
    by_subject: Option<HashMap<u64, Vec<RecordId>>>,
    /// Blocks that cannot be read.
    damaged: HashSet<u64>,
    /// Applied up to here.
    through: u64,
}

fn number(id: &RecordId) -> u128 {
    u128::from_be_bytes(*id)
}

impl Run<'_> {
    /// Compares all records and open refusals.
    pub(super) async fn records(&self, part: &mut Part) -> Result<(), Ended> {
        part.checked(0);
        let count = self.node.store().records_count().await?;
        let pieces = u128::from(count) / self.hold as u128 + 1;
        let width = u128::MAX / pieces;
        let mut ranges: Vec<(u128, u128)> = (0..pieces)
            .rev()
            .map(|n| {
                let last = match n + 1 == pieces {
                    true => u128::MAX,
                    false => width * (n + 1) - 1,
                };
                (width * n, last)
            })
            .collect();
        while let Some((first, last)) = ranges.pop() {
            let applied = self.node.store().feed_heads().applied;
            self.begin("核对现行记录与拒收", applied)?;
            if !self.range(first, last, part).await? {
                // more than the table of records had made expect
                let middle = first + (last - first) / 2;
                ranges.extend([(middle + 1, last), (first, middle)]);
            }
        }
        Ok(())
    }

    /// Compares the records of a range; `false` if they are too many to be held.
    async fn range(&self, first: u128, last: u128, part: &mut Part) -> Result<bool, Ended> {
        let node = self.node;
        let mut shadow = Shadow::new(node, first, last);
        let upto = node.store().feed_heads().applied;
        let wanted = |id: &RecordId| (first..=last).contains(&number(id));
        self.follow(&mut shadow, upto, wanted).await?;
        if shadow.stands.len() > 2 * self.hold && first < last {
            return Ok(false);
        }
        let mut suspects = self.differing(&mut shadow, part).await?;
        suspects.extend(
            shadow
                .stands
                .iter()
                .filter(|(_, stand)| {
                    !stand.seen || (stand.refusal.is_some() && !stand.refusal_seen)
                })
                .map(|(id, _)| *id),
        );
        if suspects.is_empty() {
            return Ok(true);
        }
        // apply may have gone on: catch up with it for these, the last bit while it waits
        let wanted = |id: &RecordId| suspects.contains(id);
        loop {
            let applied = node.store().feed_heads().applied;
            if applied - shadow.through <= CLOSE {
                break;
            }
            self.follow(&mut shadow, applied, wanted).await?;
        }
        let turn = node.apply_turn().await;
        let applied = node.store().feed_heads().applied;
        self.follow(&mut shadow, applied, wanted).await?;
        let mut wrong = Vec::new();
        let mut ids: Vec<RecordId> = suspects.iter().copied().collect();
        ids.sort_unstable();
        for ids in ids.chunks(PAGE) {
            let rows = node.store().records(ids).await?;
            let rows: HashMap<RecordId, RecordRow> =
                rows.into_iter().map(|row| (row.id, row)).collect();
            for id in ids {
                let refusal = node.store().refusal(*id).await?.filter(|r| r.open);
                let (stand, row) = (shadow.stands.get(id), rows.get(id));
                let different = difference(stand, row, refusal.as_ref(), &shadow.damaged);
                wrong.extend(different.map(|what| Wrong {
                    id: *id,
                    what,
                    pointer: row.map(|row| row.latest).or(stand.map(|s| s.row.latest)),
                    region: row.map(|row| (row.subject, row.region.clone())),
                }));
            }
        }
        drop(turn);
        self.unmoved(&mut wrong).await?;
        for one in wrong {
            self.tell_record(one, part).await?;
        }
        Ok(true)
    }

    /// Goes through the log up to an offset.
    async fn follow(
        &self,
        shadow: &mut Shadow,
        upto: u64,
        wanted: impl Fn(&RecordId) -> bool + Copy,
    ) -> Result<(), Ended> {
        while shadow.through < upto {
            let items = self.items(shadow.through, upto).await?;
            let through = items.last().map_or(upto, |item| item.offset).min(upto);
            self.went(through - shadow.through)?;
            for item in items {
                shadow.take(self.node, &item, self.now_us, wanted);
                if shadow.stands.len() > 2 * self.hold && shadow.first < shadow.last {
                    return Ok(());
                }
            }
            shadow.through = through;
        }
        Ok(())
    }

    /// The next items of the log; those that cannot be read are left out.
    pub(super) async fn items(&self, after: u64, upto: u64) -> Result<Vec<FeedItem>, Ended> {
        let store = self.node.store();
        let mut items = match store.unapplied(after, BLOCK_BYTES, BLOCKS).await {
            Ok(items) => items,
            Err(error) if error.is_damage() => {
                let end = upto.min(after + BLOCKS as u64);
                let offsets: Vec<u64> = (after + 1..=end).collect();
                let mut items = each(
                    &offsets,
                    |offset| async move { store.blocks(&[offset]).await },
                )
                .await?;
                if items.is_empty() {
                    // none of these can be read: go on behind them
                    return match end < upto {
                        true => Box::pin(self.items(end, upto)).await,
                        false => Ok(Vec::new()),
                    };
                }
                items.retain(|item| item.offset <= upto);
                items
            }
            Err(error) => return Err(error.into()),
        };
        items.retain(|item| item.offset <= upto);
        Ok(items)
    }

    /// Records and refusals of a range that do not stand as they should.
    async fn differing(
        &self,
        shadow: &mut Shadow,
        part: &mut Part,
    ) -> Result<HashSet<RecordId>, Ended> {
        let node = self.node;
        let last = shadow.last.to_be_bytes();
        let before = shadow.first.checked_sub(1).map(u128::to_be_bytes);
        let mut suspects = HashSet::new();
        let mut after = before;
        let mut in_damage = 0;
        loop {
            let rows = node.store().record_page(after, last, PAGE).await?;
            let Some((id, _)) = rows.last() else { break };
            after = Some(*id);
            part.checked(rows.len() as u64);
            for (id, row) in rows {
                let Some(row) = row else {
                    if let Some(stand) = shadow.stands.get_mut(&id) {
                        (stand.seen, stand.refusal_seen) = (true, true);
                    }
                    part.fault(place(&id), "该行已损坏，无法识别", VIEWS);
                    continue;
                };
                in_damage += u64::from(shadow.damaged.contains(&row.latest.block));
                let stand = shadow.stands.get_mut(&id);
                if let Some(stand) = stand {
                    stand.seen = true;
                    if !same(&stand.row, stand.erased, &row) {
                        suspects.insert(id);
                    }
                } else if !shadow.damaged.contains(&row.latest.block) {
                    suspects.insert(id);
                }
            }
        }
        let mut after = before;
        loop {
            let rows = node.store().open_refusals_page(after, last, PAGE).await?;
            let Some(row) = rows.last() else { break };
            after = Some(row.id);
            part.checked(rows.len() as u64);
            for row in rows {
                match shadow.stands.get_mut(&row.id) {
                    Some(stand) => {
                        stand.refusal_seen = true;
                        if stand.refusal != Some(words(&row)) && !stand.erased {
                            suspects.insert(row.id);
                        }
                    }
                    None => {
                        suspects.insert(row.id);
                    }
                }
            }
        }
        if in_damage > 0 {
            part.note(format!(
                "{in_damage} 条记录所在的批次内容已损坏（见内容字节），未能核对"
            ));
        }
        Ok(suspects)
    }

    /// Takes off the list what differs by its region alone and was moved there by a routing word of ours.
    async fn unmoved(&self, wrong: &mut Vec<Wrong>) -> Result<(), Ended> {
        let of_region: HashSet<u64> = wrong
            .iter()
            .filter(|one| one.what == Difference::Region)
            .filter_map(|one| one.region.as_ref().map(|(subject, _)| *subject))
            .collect();
        if of_region.is_empty() {
            return Ok(());
        }
        let mut moved: HashSet<(u64, String)> = HashSet::new();
        let mut after = 0;
        loop {
            let events = self.node.store().own_events(after, PAGE).await?;
            let Some((offset, _)) = events.last() else {
                break;
            };
            after = *offset;
            self.went(0)?;
            for (_, bytes) in &events {
                let Ok(routed) = codec::decode_routed(bytes) else {
                    continue;
                };
                let subjects = routed.subjects.iter().map(|s| subject_key(s));
                moved.extend(
                    subjects
                        .filter(|s| of_region.contains(s))
                        .map(|s| (s, routed.to.clone())),
                );
            }
        }
        wrong.retain(|one| {
            let explained = one.region.as_ref().is_some_and(|to| moved.contains(to));
            one.what != Difference::Region || !explained
        });
        Ok(())
    }

    async fn tell_record(&self, wrong: Wrong, part: &mut Part) -> Result<(), Ended> {
        if part.faults.len() >= super::FAULTS_MAX {
            part.more += 1;
            return Ok(());
        }
        let named = match wrong.pointer {
            Some(pointer) => self.named(pointer).await?,
            None => None,
        };
        let place = named.unwrap_or_else(|| place(&wrong.id));
        part.fault(place, wrong.what.text(), VIEWS);
        Ok(())
    }

    /// A record by the type and key of an image of it, if that can be read.
    async fn named(&self, pointer: Pointer) -> Result<Option<String>, Ended> {
        let items = match self.node.store().blocks(&[pointer.block]).await {
            Ok(items) => items,
            Err(error) if error.is_damage() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let read = || {
            let block = Block::unpack(items.into_iter().next()?).ok()?;
            let opening = block.opening(&pointer).ok()?;
            let head = opening.head().ok()?;
            let subject = head
                .subject
                .text(&block.header.seat, &head.record_type, &head.key);
            let seat = self.seat(&block.header.seat);
            Some(format!(
                "{seat}的记录（{}，键 {}，主体 {subject}）",
                head.record_type, head.key
            ))
        };
        Ok(read())
    }
}

impl Shadow {
    fn new(node: &Node, first: u128, last: u128) -> Self {
        Self {
            first,
            last,
            stands: HashMap::new(),
            by_subject: (node.tier() == Tier::District).then(HashMap::new),
            damaged: HashSet::new(),
            through: 0,
        }
    }

    /// What an item of the log makes of the records.
    fn take(
        &mut self,
        node: &Node,
        item: &FeedItem,
        now_us: i64,
        wanted: impl Fn(&RecordId) -> bool,
    ) {
        match item.kind {
            ItemKind::Envelope => {}
            ItemKind::Event => self.left(node, item),
            ItemKind::Block => {
                let mut images = Vec::new();
                if node.judge_block(item, now_us, wanted, &mut images).is_err() {
                    self.damaged.insert(item.offset);
                }
                for image in images {
                    self.image(image);
                }
            }
        }
    }

    fn image(&mut self, mut image: Image) {
        let id = image.row.id;
        let before = self.stands.get(&id);
        let Some((row, refusal)) = image.follow(before.map(|stand| &stand.row)) else {
            return;
        };
        let erased = image.erased || before.is_some_and(|stand| stand.erased);
        let refusal = match refusal {
            Refusal::Opens(refusal) => Some(words(&refusal)),
            Refusal::Closes => None,
            Refusal::Stays => before.and_then(|stand| stand.refusal),
        };
        if let Some(by_subject) = &mut self.by_subject
            && before.is_none_or(|stand| stand.row.subject != row.subject)
        {
            by_subject.entry(row.subject).or_default().push(id);
        }
        let stand = Stand {
            row,
            refusal,
            erased,
            seen: before.is_some_and(|stand| stand.seen),
            refusal_seen: before.is_some_and(|stand| stand.refusal_seen),
        };
        self.stands.insert(id, stand);
    }

    /// An entity went from this district to another one, by the city's word.
    fn left(&mut self, node: &Node, item: &FeedItem) {
        let Some(by_subject) = &self.by_subject else {
            return;
        };
        let Ok(routed) = codec::decode_routed(&item.bytes) else {
            self.damaged.insert(item.offset);
            return;
        };
        if item.from_peer.is_none() || routed.from != node.region() {
            return;
        }
        for subject in routed.subjects.iter().map(|s| subject_key(s)) {
            for id in by_subject.get(&subject).into_iter().flatten() {
                if let Some(stand) = self.stands.get_mut(id)
                    && stand.row.subject == subject
                    && stand.row.latest.block < item.offset
                    && stand.row.region == routed.from
                {
                    stand.row.flags |= flag::LEFT;
                }
            }
        }
    }
}

/// A record that does not stand as it should.
struct Wrong {
    id: RecordId,
    what: Difference,
    pointer: Option<Pointer>,
    /// Subject and region as stored.
    region: Option<(u64, String)>,
}

/// How a record differs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Difference {
    /// It is not there.
    Absent,
    /// The log has nothing of it.
    Beyond,
    /// Its row says something else.
    Row(&'static str),
    /// Its region alone.
    Region,
    /// Its refusal should stand and does not.
    NotRefused,
    /// A refusal stands that should not.
    Refused,
    /// Its refusal says something else.
    Reasons,
}

impl Difference {
    fn text(&self) -> String {
        match self {
            Self::Absent => "现行记录缺失：日志中有，记录表中没有".to_owned(),
            Self::Beyond => "现行记录多出：日志中没有".to_owned(),
            Self::Row(what) => format!("现行记录的{what}与日志不符"),
            Self::Region => "现行记录的归属辖区与日志不符".to_owned(),
            Self::NotRefused => "应有的未更正拒收缺失".to_owned(),
            Self::Refused => "列有日志中没有的未更正拒收".to_owned(),
            Self::Reasons => "拒收的原因与日志不符".to_owned(),
        }
    }
}

fn difference(
    stand: Option<&Stand>,
    row: Option<&RecordRow>,
    refusal: Option<&RefusalRow>,
    damaged: &HashSet<u64>,
) -> Option<Difference> {
    let (stand, row) = match (stand, row) {
        (None, None) => return refusal.map(|_| Difference::Refused),
        (Some(_), None) => return Some(Difference::Absent),
        (None, Some(row)) => {
            return (!damaged.contains(&row.latest.block)).then_some(Difference::Beyond);
        }
        (Some(stand), Some(row)) => (stand, row),
    };
    if damaged.contains(&row.latest.block) {
        return None;
    }
    if !same(&stand.row, stand.erased, row) {
        return Some(differs(&stand.row, row));
    }
    match (stand.refusal, refusal.map(words)) {
        _ if stand.erased => None,
        (Some(_), None) => Some(Difference::NotRefused),
        (None, Some(_)) => Some(Difference::Refused),
        (due, kept) => (due != kept).then_some(Difference::Reasons),
    }
}

/// Whether a row is as it should be.
fn same(due: &RecordRow, erased: bool, row: &RecordRow) -> bool {
    match erased {
        true => (due.latest, due.subject) == (row.latest, row.subject),
        false => due == row,
    }
}

fn differs(due: &RecordRow, row: &RecordRow) -> Difference {
    if due.latest != row.latest {
        Difference::Row("最新版本")
    } else if due.shown != row.shown {
        Difference::Row("展示版本")
    } else if due.flags != row.flags {
        Difference::Row("状态")
    } else if due.subject != row.subject {
        Difference::Row("所属主体")
    } else if (due.kind, due.mask) != (row.kind, row.mask) {
        Difference::Row("类型或内容范围")
    } else {
        Difference::Region
    }
}

/// The words of a refusal, to be compared.
fn words(refusal: &RefusalRow) -> Hash {
    let fields = [
        refusal.record_type.as_bytes(),
        refusal.key_text.as_bytes(),
        refusal.reasons.as_bytes(),
        refusal.fields.as_bytes(),
        refusal.message.as_bytes(),
    ];
    let lengths = fields.map(|field| (field.len() as u64).to_be_bytes());
    let mut parts: Vec<&[u8]> = vec![&refusal.origin.0];
    for (length, field) in lengths.iter().zip(fields) {
        parts.extend([length.as_slice(), field]);
    }
    sha256(&parts)
}

/// A record by its number, where nothing more is known of it.
fn place(id: &RecordId) -> String {
    let hex: String = id[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("记录 {hex}")
}
