//! Fold: views, from what apply has settled, by a cursor of its own. Built today: the entity list with its search terms.
//!
//! A view is a function of current records alone, so every node that holds the same records shows the same, in whatever
//! order they came.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use protocol::batch::Header;
use protocol::bytes::Malformed;
use protocol::entry::PLATFORM;
use protocol::envelope::Envelope;
use protocol::name::SeatId;
use protocol::opening::Opening;
use protocol::slice::{self, Opened};
use store::{EntityRow, FeedItem, FoldGroup, ItemKind, Pointer, RecordId, RecordRow, UnsettledRow};
use supervision::conclude::unsettled::{flagged_division, unsettled};
use supervision::identifier::uscc::Uscc;
use supervision::judge::{AtHand, Judgement, SearchFacts};
use supervision::standard::Audience;

use crate::apply::{erased_sections, flag, record_kind};
use crate::error::StepError;
use crate::node::Node;

/// Bytes of packed blocks in one group, about.
const GROUP_BYTES: usize = 512 << 10;
/// Blocks in one group.
const GROUP_BLOCKS: usize = 8;
/// Subjects taken from the dirty list at once.
const DIRTY_SUBJECTS: usize = 1_000;
/// Unpacked blocks kept while a group is folded.
const BLOCKS_HELD: usize = 32;

/// A block, unpacked.
pub struct Block {
    /// Its header.
    pub header: Header,
    /// The stored item.
    pub item: FeedItem,
    /// The body.
    pub body: Vec<u8>,
    /// Its opened entries.
    pub opened: Vec<Opened>,
}

impl Block {
    /// Unpacks a stored block.
    pub fn unpack(item: FeedItem) -> Result<Self, Malformed> {
        let header = Header::from_bytes(&Envelope::from_bytes(&item.header)?.bytes)?;
        let body = slice::unpack(&item.bytes)?;
        let opened = slice::opened(&header, &body)?;
        Ok(Self {
            header,
            item,
            body,
            opened,
        })
    }

    /// The opening that a pointer names.
    pub fn opening(&self, pointer: &Pointer) -> Result<Opening<'_>, Malformed> {
        let opened = self
            .opened
            .get(pointer.position as usize)
            .ok_or(Malformed::of("pointer"))?;
        Opening::from_bytes(&self.body[opened.at.clone()])
    }
}

/// What one step of fold did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Folded {
    /// Folded up to this feed offset.
    pub through: u64,
    /// Whether more is waiting.
    pub more: bool,
}

impl Node {
    /// Folds the next group, if there is one.
    pub async fn fold_step(&self, now_us: i64) -> Result<Option<Folded>, StepError> {
        let _turn = self.fold_turn().await;
        let heads = self.store().feed_heads();
        let dirty = self.store().dirty_page(DIRTY_SUBJECTS).await?;
        if heads.folded >= heads.applied && dirty.is_empty() {
            return Ok(None);
        }
        let mut group = FoldGroup {
            dirty_done: dirty.clone(),
            ..FoldGroup::default()
        };
        let mut subjects: BTreeSet<u64> = dirty.iter().map(|d| d.subject).collect();
        let mut blocks = Vec::new();
        if heads.folded < heads.applied {
            let items = self
                .store()
                .unapplied(heads.folded, GROUP_BYTES, GROUP_BLOCKS)
                .await?;
            let items: Vec<FeedItem> = items
                .into_iter()
                .filter(|i| i.offset <= heads.applied)
                .collect();
            group.through = items.last().map(|i| i.offset);
            for item in items.into_iter().filter(|i| i.kind == ItemKind::Block) {
                let block = unpacked(item)?;
                self.subjects_of(&block, &mut subjects)
                    .map_err(|what| StepError::Damaged {
                        offset: block.item.offset,
                        what,
                    })?;
                blocks.push(block);
            }
        }
        let subjects: Vec<u64> = subjects.into_iter().collect();
        let mut found = self.shown_of(&subjects, blocks, now_us).await?;
        for subject in subjects {
            match found.remove(&subject) {
                Some(Seen { row, unsettled, .. }) => {
                    group.entities.push(row);
                    group.unsettled.extend(unsettled);
                }
                None => group.gone.push(subject),
            }
        }
        let more = group.through.is_some_and(|t| t < heads.applied)
            || group.dirty_done.len() == DIRTY_SUBJECTS;
        let through = group.through.unwrap_or(heads.folded);
        self.store().fold(group).await?;
        Ok(Some(Folded { through, more }))
    }

    /// Subjects that the registrations of a block speak of.
    pub(crate) fn subjects_of(
        &self,
        block: &Block,
        subjects: &mut BTreeSet<u64>,
    ) -> Result<(), Malformed> {
        for opened in &block.opened {
            let opening = Opening::from_bytes(&block.body[opened.at.clone()])?;
            if let Ok(head) = opening.head()
                && record_kind::of(&head.record_type) == record_kind::REGISTRATION
            {
                let subject = head
                    .subject
                    .text(&block.header.seat, &head.record_type, &head.key);
                subjects.insert(crate::node::subject_key(&subject));
            }
        }
        Ok(())
    }

    /// What the list shows of these subjects, by subject: from the shown registration; of several origins the lowest
    /// seat's, until authority directory data say otherwise. Goes through the blocks in which the images lie, `at_hand`
    /// first, and holds a bounded number of them at a time: rows of one source may be spread over all blocks of another.
    pub(crate) async fn shown_of(
        &self,
        subjects: &[u64],
        at_hand: Vec<Block>,
        now_us: i64,
    ) -> Result<HashMap<u64, Seen>, StepError> {
        let records = self.store().records_of_subjects(subjects).await?;
        let mut by_block: BTreeMap<u64, Vec<(&RecordRow, Pointer)>> = BTreeMap::new();
        for record in &records {
            let hidden = record.flags & (flag::RETRACTED | flag::LEFT) != 0;
            if record.kind == record_kind::REGISTRATION
                && !hidden
                && let Some(pointer) = record.shown
            {
                by_block
                    .entry(pointer.block)
                    .or_default()
                    .push((record, pointer));
            }
        }
        let mut found = HashMap::with_capacity(subjects.len());
        for block in at_hand {
            if let Some(images) = by_block.remove(&block.item.offset) {
                self.see(&block, &images, &mut found, now_us)?;
            }
        }
        let further: Vec<u64> = by_block.keys().copied().collect();
        for offsets in further.chunks(BLOCKS_HELD) {
            for item in self.store().blocks(offsets).await? {
                let images = by_block.remove(&item.offset).unwrap_or_default();
                self.see(&unpacked(item)?, &images, &mut found, now_us)?;
            }
        }
        Ok(found)
    }

    /// Takes from a block what its images show, where no image of a lower seat has been seen.
    fn see(
        &self,
        block: &Block,
        images: &[(&RecordRow, Pointer)],
        found: &mut HashMap<u64, Seen>,
        now_us: i64,
    ) -> Result<(), StepError> {
        for (record, pointer) in images {
            let rank = (block.header.seat, record.id);
            if found
                .get(&record.subject)
                .is_some_and(|seen| seen.rank < rank)
            {
                continue;
            }
            if let Some((row, unsettled)) = self.list_row(record, pointer, block, now_us)? {
                let seen = Seen {
                    rank,
                    row,
                    unsettled,
                };
                found.insert(record.subject, seen);
            }
        }
        Ok(())
    }

    /// The list row of an entity as one image shows it, and why it is for a person to settle if it is.
    fn list_row(
        &self,
        record: &RecordRow,
        pointer: &Pointer,
        block: &Block,
        now_us: i64,
    ) -> Result<Option<(EntityRow, Option<UnsettledRow>)>, StepError> {
        let subject = record.subject;
        let damaged = |what| StepError::Damaged {
            offset: pointer.block,
            what,
        };
        let opening = block.opening(pointer).map_err(damaged)?;
        let head = opening.head().map_err(damaged)?;
        let sections: Vec<(u8, &[u8])> = opening
            .open_fields()
            .filter(|(n, _)| *n != PLATFORM)
            .collect();
        // it was accepted when it was applied, with what was closed then
        let erased = erased_sections(&opening);
        let at_hand = AtHand {
            open: &sections,
            closed: &[],
            erased: &erased,
            entitled: Audience::Public,
        };
        let mut judgement = self.judge().judge(&head, at_hand);
        let Some(facts) = judgement.search.take() else {
            return Ok(None);
        };
        let unsettled = unsettled_row(subject, block.header.seat, &judgement, &facts);
        let row = EntityRow {
            subject,
            subject_text: head
                .subject
                .text(&block.header.seat, &head.record_type, &head.key),
            name: facts.name,
            former_names: facts.former_names.join("\n"),
            org_code: organisation_code(facts.uscc.as_deref(), facts.org_code),
            uscc: facts.uscc.unwrap_or_default(),
            reg_no: facts.reg_no.unwrap_or_default(),
            region: record.region.clone(),
            kind_text: String::new(),
            state: facts.state.unwrap_or_default(),
            address: facts.address.unwrap_or_default(),
            legal_rep: facts.legal_rep.unwrap_or_default(),
            updated_at_us: now_us,
            event_date: judgement
                .event_date
                .map(|d| d.to_string())
                .unwrap_or_default(),
        };
        Ok(Some((row, unsettled)))
    }
}

/// What the list shows of an entity so far.
pub(crate) struct Seen {
    /// Seat and record that it comes from.
    rank: (SeatId, RecordId),
    pub(crate) row: EntityRow,
    pub(crate) unsettled: Option<UnsettledRow>,
}

fn unpacked(item: FeedItem) -> Result<Block, StepError> {
    let offset = item.offset;
    Block::unpack(item).map_err(|what| StepError::Damaged { offset, what })
}

/// The organisation code by which an entity is found: the one within its credit code, else the one stated.
fn organisation_code(uscc: Option<&str>, stated: Option<String>) -> String {
    match uscc.and_then(|code| Uscc::parse(code).ok()) {
        Some(code) => code.organisation_code().to_owned(),
        None => stated.unwrap_or_default(),
    }
}

/// Why an entity is for a person to settle, if the rules left something open.
fn unsettled_row(
    subject: u64,
    origin: SeatId,
    judgement: &Judgement,
    facts: &SearchFacts,
) -> Option<UnsettledRow> {
    let conclusion = judgement.conclusion.as_ref()?;
    let reasons = unsettled(&judgement.subject, conclusion)
        .iter()
        .fold(0, |bits, reason| bits | reason.bit());
    (reasons != 0).then(|| UnsettledRow {
        subject,
        origin,
        reasons,
        detail: flagged_division(conclusion).unwrap_or_default().to_owned(),
        tax_no: facts.tax_no.clone().unwrap_or_default(),
        registry: facts.registry.clone().unwrap_or_default(),
    })
}
