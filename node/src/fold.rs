//! Fold: views, from what apply has settled, by a cursor of its own. Built today: the entity list with its search terms.
//!
//! A view is a function of current records alone, so every node that holds the same records shows the same, in whatever
//! order they came.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use protocol::batch::Header;
use protocol::bytes::Malformed;
use protocol::envelope::Envelope;
use protocol::name::SeatId;
use protocol::opening::Opening;
use protocol::slice::{self, Opened};
use store::{EntityRow, FeedItem, FoldGroup, ItemKind, Pointer, RecordRow, UnsettledRow};
use supervision::conclude::unsettled::{flagged_division, unsettled};
use supervision::identifier::uscc::Uscc;
use supervision::judge::{Judgement, SearchFacts};

use crate::apply::{flag, record_kind};
use crate::error::StepError;
use crate::node::Node;

/// Bytes of packed blocks in one group, about.
const GROUP_BYTES: usize = 1 << 20;
/// Blocks in one group.
const GROUP_BLOCKS: usize = 16;
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
        let heads = self.store().feed_heads().await?;
        let dirty = self.store().dirty_page(DIRTY_SUBJECTS).await?;
        if heads.folded >= heads.applied && dirty.is_empty() {
            return Ok(None);
        }
        let mut group = FoldGroup {
            dirty_done: dirty.clone(),
            ..FoldGroup::default()
        };
        let mut subjects: BTreeSet<u64> = dirty.iter().map(|d| d.subject).collect();
        let mut blocks = HashMap::new();
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
                let offset = item.offset;
                let block =
                    Block::unpack(item).map_err(|what| StepError::Damaged { offset, what })?;
                self.subjects_of(&block, &mut subjects)
                    .map_err(|what| StepError::Damaged { offset, what })?;
                blocks.insert(offset, block);
            }
        }
        let subjects: Vec<u64> = subjects.into_iter().collect();
        let records = self.store().records_of_subjects(&subjects).await?;
        self.fetch_blocks(&records, &mut blocks).await?;
        let mut by_subject: BTreeMap<u64, Vec<&RecordRow>> =
            subjects.iter().map(|s| (*s, Vec::new())).collect();
        for record in &records {
            by_subject.entry(record.subject).or_default().push(record);
        }
        for (subject, records) in by_subject {
            match self.entity_of(subject, &records, &blocks, now_us)? {
                Some((row, unsettled)) => {
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

    fn subjects_of(&self, block: &Block, subjects: &mut BTreeSet<u64>) -> Result<(), Malformed> {
        for opened in &block.opened {
            let opening = Opening::from_bytes(&block.body[opened.at.clone()])?;
            if let Ok(head) = opening.head()
                && record_kind::of(&head.record_type) == record_kind::REGISTRATION
            {
                subjects.insert(crate::node::subject_key(&head.subject.tagged()));
            }
        }
        Ok(())
    }

    /// Blocks that shown images lie in and that are not at hand yet, a bounded number at a time.
    async fn fetch_blocks(
        &self,
        records: &[RecordRow],
        blocks: &mut HashMap<u64, Block>,
    ) -> Result<(), StepError> {
        let missing: HashSet<u64> = records
            .iter()
            .filter(|r| r.kind == record_kind::REGISTRATION)
            .filter_map(|r| r.shown.map(|p| p.block))
            .filter(|b| !blocks.contains_key(b))
            .collect();
        let mut missing: Vec<u64> = missing.into_iter().collect();
        missing.sort_unstable();
        for offsets in missing.chunks(BLOCKS_HELD) {
            for item in self.store().blocks(offsets).await? {
                let offset = item.offset;
                let block =
                    Block::unpack(item).map_err(|what| StepError::Damaged { offset, what })?;
                blocks.insert(offset, block);
            }
        }
        Ok(())
    }

    /// The list row of an entity, and why it is for a person to settle if it is: from its shown registration; of several
    /// origins the lowest seat's, until authority directory data say otherwise.
    fn entity_of(
        &self,
        subject: u64,
        records: &[&RecordRow],
        blocks: &HashMap<u64, Block>,
        now_us: i64,
    ) -> Result<Option<(EntityRow, Option<UnsettledRow>)>, StepError> {
        let candidates = records
            .iter()
            .filter(|r| {
                r.kind == record_kind::REGISTRATION && r.flags & (flag::RETRACTED | flag::LEFT) == 0
            })
            .filter_map(|r| {
                let pointer = r.shown?;
                Some((*r, pointer, blocks.get(&pointer.block)?))
            });
        let Some((record, pointer, block)) =
            candidates.min_by_key(|(r, _, b)| (b.header.seat, r.id))
        else {
            return Ok(None);
        };
        let damaged = |what| StepError::Damaged {
            offset: pointer.block,
            what,
        };
        let opening = block.opening(&pointer).map_err(damaged)?;
        let head = opening.head().map_err(damaged)?;
        let sections: Vec<(u8, &[u8])> = opening.open_fields().collect();
        let mut judgement = self.judge().judge(&head, &sections);
        let Some(facts) = judgement.search.take() else {
            return Ok(None);
        };
        let unsettled = unsettled_row(subject, block.header.seat, &judgement, &facts);
        let row = EntityRow {
            subject,
            subject_text: judgement.subject.tagged(),
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
