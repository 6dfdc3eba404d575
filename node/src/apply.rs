//! Apply: each image is judged, then current records, routes, routing events and refusals are written, set-based over many
//! blocks at once (I3, D41). Runs behind intake by its own cursor and can be stopped, killed and repeated: a group is one
//! transaction with the cursor.

use std::collections::{HashMap, HashSet};

use protocol::batch::Header;
use protocol::entry::builtin;
use protocol::envelope::Envelope;
use protocol::frame::Routed;
use protocol::name::{LogName, SeatId};
use store::{
    ApplyGroup, EventRow, ItemKind, RecordId, RecordRow, RefusalRow, RoutedRow, TypeCount,
};

use crate::error::StepError;
use crate::feed::{CITY_WIDE, pack_positions};
use crate::node::{Node, Tier, subject_key};

mod judge;

pub(crate) use judge::{Image, Refusal, erased_sections};

/// Bytes of packed blocks in one group, about.
const GROUP_BYTES: usize = 2 << 20;
/// Blocks in one group.
const GROUP_BLOCKS: usize = 64;

/// Flags of a record row.
pub mod flag {
    /// Gone at its source.
    pub const RETRACTED: u8 = 1;
    /// The latest image is refused.
    pub const REFUSED: u8 = 2;
    /// Left our jurisdiction: kept, out of interest, lists and sums.
    pub const LEFT: u8 = 4;
    /// Its standard's version is not read by this release.
    pub const UNREAD: u8 = 8;
}

/// Numbers under which record types are kept in narrow rows.
pub mod record_kind {
    /// `registration`.
    pub const REGISTRATION: u16 = 1;
    /// `refusal`.
    pub const REFUSAL: u16 = 2;
    /// `link`.
    pub const LINK: u16 = 3;
    /// `assignment`.
    pub const ASSIGNMENT: u16 = 4;
    /// Any other; the head says which.
    pub const OTHER: u16 = 0;

    /// Number of a record type.
    pub fn of(record_type: &str) -> u16 {
        use protocol::entry::builtin;
        match record_type {
            "registration" => REGISTRATION,
            builtin::REFUSAL => REFUSAL,
            builtin::LINK => LINK,
            builtin::ASSIGNMENT => ASSIGNMENT,
            _ => OTHER,
        }
    }

    /// The record type of a number; `None` for [`OTHER`].
    pub fn name(kind: u16) -> Option<&'static str> {
        use protocol::entry::builtin;
        match kind {
            REGISTRATION => Some("registration"),
            REFUSAL => Some(builtin::REFUSAL),
            LINK => Some(builtin::LINK),
            ASSIGNMENT => Some(builtin::ASSIGNMENT),
            _ => None,
        }
    }
}

/// What one step of apply did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// Applied up to this feed offset.
    pub through: u64,
    /// Images judged.
    pub images: usize,
    /// Whether more is waiting.
    pub more: bool,
}

impl Node {
    /// Feed items that wait to be applied.
    pub fn unapplied(&self) -> u64 {
        let heads = self.store().feed_heads();
        heads.head.saturating_sub(heads.applied)
    }

    /// Applies the next group of blocks, if there is one.
    pub async fn apply_step(&self, now_us: i64) -> Result<Option<Applied>, StepError> {
        let _turn = self.apply_turn().await;
        let heads = self.store().feed_heads();
        if heads.applied >= heads.head {
            return Ok(None);
        }
        let items = self
            .store()
            .unapplied(heads.applied, GROUP_BYTES, GROUP_BLOCKS)
            .await?;
        let Some(through) = items.last().map(|i| i.offset) else {
            return Ok(None);
        };
        let mut images = Vec::new();
        let mut left = Vec::new();
        for item in &items {
            let damaged = |what| StepError::Damaged {
                offset: item.offset,
                what,
            };
            match item.kind {
                ItemKind::Envelope => {}
                ItemKind::Event => {
                    let routed = protocol::codec::decode_routed(&item.bytes).map_err(damaged)?;
                    if item.from_peer.is_some() && routed.from == self.region() {
                        left.extend(routed.subjects.iter().map(|subject| {
                            (item.offset, subject_key(subject), routed.from.clone())
                        }));
                    }
                }
                ItemKind::Block => self
                    .judge_block(item, now_us, |_| true, &mut images)
                    .map_err(damaged)?,
            }
        }
        let judged = images.len();
        for image in &images {
            if let Some(standard) = &image.other_text {
                self.note_other_text(image.seat, standard);
            }
            if image.hint_ignored {
                self.count_hint_not_allowed(image.seat);
            }
        }
        let logs: Vec<(LogName, u64)> = items
            .iter()
            .filter(|i| i.kind == ItemKind::Block)
            .filter_map(|i| {
                let envelope = Envelope::from_bytes(&i.header).ok()?;
                let header = Header::from_bytes(&envelope.bytes).ok()?;
                Some((header.log(), header.sequence))
            })
            .collect();
        let group = self.settle(images, left, through, now_us).await?;
        let routes_changed = !group.events.is_empty();
        self.store().apply(group).await?;
        self.count_applied();
        for (log, sequence) in logs {
            self.note_applied(log, sequence);
        }
        self.folding().ring();
        self.ring_sessions();
        if routes_changed {
            self.applying().ring();
        }
        Ok(Some(Applied {
            through,
            images: judged,
            more: through < heads.head,
        }))
    }

    /// Compares the judged images with what is current and lays out the group's rows.
    async fn settle(
        &self,
        images: Vec<Image>,
        left: Vec<(u64, u64, String)>,
        through: u64,
        now_us: i64,
    ) -> Result<ApplyGroup, StepError> {
        let mut routes: HashMap<(String, u8, u64), Vec<u32>> = HashMap::new();
        let route_down = self.tier() == Tier::City;
        if route_down {
            for image in &images {
                let own = (image.row.region.len() == 6 && image.row.region != self.region())
                    .then(|| image.row.region.clone());
                let wide = image.city_wide.then(|| CITY_WIDE.to_owned());
                for region in own
                    .into_iter()
                    .chain(wide)
                    .chain(image.addressed.iter().cloned())
                {
                    let positions = routes
                        .entry((region, image.class, image.row.latest.block))
                        .or_default();
                    if positions.last() != Some(&image.row.latest.position) {
                        positions.push(image.row.latest.position);
                    }
                }
            }
        }
        let mut ids: Vec<RecordId> = images.iter().map(|image| image.row.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let known: HashMap<RecordId, RecordRow> = self
            .store()
            .records(&ids)
            .await?
            .into_iter()
            .map(|r| (r.id, r))
            .collect();
        // one image after the other; what stands behind the last one is written, earlier ones stay in their blocks
        let mut last: HashMap<RecordId, (RecordRow, Image)> = HashMap::with_capacity(ids.len());
        let mut refusals: HashMap<RecordId, RefusalRow> = HashMap::new();
        let mut closed: HashSet<RecordId> = HashSet::new();
        for mut image in images {
            let id = image.row.id;
            let before = last.get(&id).map(|(row, _)| row).or(known.get(&id));
            let Some((row, refusal)) = image.follow(before) else {
                continue;
            };
            match refusal {
                Refusal::Stays => {}
                Refusal::Opens(refusal) => {
                    refusals.insert(id, refusal);
                }
                Refusal::Closes => {
                    refusals.remove(&id);
                    closed.insert(id);
                }
            }
            last.insert(id, (row, image));
        }
        let mut group = ApplyGroup {
            through,
            at_us: now_us,
            token: self.token(),
            dirty: left.iter().map(|(_, subject, _)| *subject).collect(),
            left,
            closed_refusals: closed.into_iter().collect(),
            ..ApplyGroup::default()
        };
        for id in ids {
            if let Some((row, image)) = last.remove(&id) {
                self.write_row(row, &image, known.get(&id), route_down, &mut group);
            }
        }
        group.routed = routes
            .into_iter()
            .map(|((region, class, offset), mut positions)| {
                positions.sort_unstable();
                positions.dedup();
                RoutedRow {
                    region,
                    class,
                    offset,
                    positions: Some(pack_positions(&positions)),
                }
            })
            .collect();
        group.refusals = refusals.into_values().collect();
        Ok(group)
    }

    /// Writes a row into the group, with what follows from how it differs from the stored one.
    fn write_row(
        &self,
        row: RecordRow,
        image: &Image,
        known: Option<&RecordRow>,
        route_down: bool,
        group: &mut ApplyGroup,
    ) {
        if let Some(known) = known {
            if row.subject != known.subject {
                group.subject_changed.push((row.id, row.subject));
                group.dirty.push(known.subject);
            }
            let moved =
                known.region != row.region && !known.region.is_empty() && !image.subject.is_empty();
            if route_down && moved && image.record_type != builtin::REFUSAL {
                let routed = Routed {
                    subjects: vec![image.subject.clone()],
                    from: known.region.clone(),
                    to: row.region.clone(),
                    by: SeatId::default(),
                };
                let regions = [&routed.from, &routed.to]
                    .into_iter()
                    .filter(|r| r.as_str() != self.region())
                    .cloned();
                group.events.push(EventRow {
                    class: image.class,
                    regions: regions.collect(),
                    bytes: protocol::codec::encode_routed(&routed),
                });
                group.moved.push((row.subject, row.region.clone()));
            }
        }
        let was_refused = known.is_some_and(|k| k.flags & flag::REFUSED != 0);
        let refused = i64::from(row.flags & flag::REFUSED != 0) - i64::from(was_refused);
        let records = i64::from(known.is_none());
        if records != 0 || refused != 0 {
            group.counts.push(TypeCount {
                origin: image.seat,
                kind: row.kind,
                records,
                refused,
            });
        }
        group.records.push(row);
    }
}
