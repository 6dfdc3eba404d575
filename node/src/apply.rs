//! Apply: each image is judged, then current records, routes, routing events and refusals are written, set-based over many
//! blocks at once (I3, D41). Runs behind intake by its own cursor and can be stopped, killed and repeated: a group is one
//! transaction with the cursor.

use std::collections::{HashMap, HashSet};

use protocol::batch::Header;
use protocol::bytes::Malformed;
use protocol::entry::{
    self, EntryFault, HEAD, Head, Hint, Operation, PLATFORM, builtin, hint_allowed,
};
use protocol::envelope::Envelope;
use protocol::frame::Routed;
use protocol::name::{LogName, SeatId, Version};
use protocol::opening::{Closed, Opening};
use protocol::slice;
use protocol::statement::{Identity, SeatKind};
use protocol::words;
use store::{
    ApplyGroup, EventRow, FeedItem, ItemKind, Pointer, RecordId, RecordRow, RefusalRow, RoutedRow,
    TypeCount,
};
use supervision::judge::{AtHand, Judgement, Verdict};
use supervision::standard::{Audience, Finding, Severity, reason, refusal};

use crate::error::StepError;
use crate::feed::{CITY_WIDE, pack_positions};
use crate::node::{Node, Tier, record_id, subject_key};

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

/// One judged image on its way to a record row.
pub(crate) struct Image {
    pub(crate) row: RecordRow,
    pub(crate) subject: String,
    record_type: String,
    pub(crate) seat: SeatId,
    class: u8,
    city_wide: bool,
    addressed: Vec<String>,
    from_parent: bool,
    /// The refusal that it opens, or, if that is not open, the one that it closes.
    pub(crate) refusal: Option<RefusalRow>,
    /// Sections of it that an erasure has ended.
    pub(crate) erased: bool,
    /// The standard of whose text its source has another one than we do.
    other_text: Option<String>,
    /// Whether its hint is one that its origin may not use.
    hint_ignored: bool,
}

/// What a refusal becomes by an image.
pub(crate) enum Refusal {
    /// It stays as it is.
    Stays,
    /// It opens, anew or with other words.
    Opens(RefusalRow),
    /// It closes, if it was open.
    Closes,
}

impl Image {
    /// The row of the record behind this image, and what becomes of its refusal, given the row before; `None` if the image
    /// changes nothing: it is older, or brings nothing new. The one rule by which images follow each other, one by one in
    /// the order of the feed, so that what stands does not depend on how they were grouped.
    pub(crate) fn follow(&mut self, before: Option<&RecordRow>) -> Option<(RecordRow, Refusal)> {
        let mut row = self.row.clone();
        let Some(before) = before else {
            let refusal = match self.refusal.take() {
                Some(refusal) if refusal.open => Refusal::Opens(refusal),
                _ => Refusal::Stays,
            };
            return Some((row, refusal));
        };
        let newer = row.latest.version > before.latest.version;
        let wider = row.latest.version == before.latest.version
            && (row.mask & !before.mask != 0
                || (before.flags & flag::LEFT != 0 && self.from_parent));
        if !newer && !wider {
            return None;
        }
        let earlier = before.shown.filter(|s| s.version < row.latest.version);
        if row.shown.is_none() && earlier.is_some() {
            // a refused image concludes nothing: the record stays where it was shown
            row.shown = earlier;
            row.region.clone_from(&before.region);
            row.subject = before.subject;
        }
        let may_stand = before.flags & flag::REFUSED != 0 || row.kind == record_kind::REFUSAL;
        let refusal = match self.refusal.take() {
            Some(refusal) if refusal.open => Refusal::Opens(refusal),
            Some(_) => Refusal::Closes,
            None if may_stand => Refusal::Closes,
            None => Refusal::Stays,
        };
        Some((row, refusal))
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

    /// Judges the images of a block, of those records that are wanted.
    pub(crate) fn judge_block(
        &self,
        item: &FeedItem,
        now_us: i64,
        wanted: impl Fn(&RecordId) -> bool,
        images: &mut Vec<Image>,
    ) -> Result<(), Malformed> {
        let header = Header::from_bytes(&Envelope::from_bytes(&item.header)?.bytes)?;
        let body = slice::unpack(&item.bytes)?;
        let opened = slice::opened(&header, &body)?;
        let ground = {
            let directory = self.directory();
            let position = (header.lane, header.counter, header.sequence);
            // whatever serial the header names, it is judged by the one that binds where it stands
            let origin = directory
                .identity_at(&header.seat, position.0, position.1, position.2)
                .or_else(|| directory.identity_by_ref(&header.identity))
                .map(|i| i.identity().clone());
            let Some(origin) = origin else {
                return Err(Malformed::of("identity of a stored header"));
            };
            let own = words::owes_in_full(&directory, &self.seat(), &header.seat);
            Ground {
                origin,
                entitled: match self.tier() == Tier::City || own {
                    true => Audience::SourceAndCity,
                    false => Audience::Government,
                },
                from_parent: self.tier() == Tier::District
                    && item.from_peer.is_some_and(|p| self.is_city(&p)),
                now_us,
            }
        };
        images.reserve(opened.len());
        for (position, entry) in opened.iter().enumerate() {
            let opening = Opening::from_bytes(&body[entry.at.clone()])?;
            let (record_type, key) = opening.record()?;
            let id = record_id(&String::from_utf8_lossy(record_type), key, &header.seat);
            if !wanted(&id) {
                continue;
            }
            let version = Version {
                epoch: header.counter,
                sequence: header.sequence,
                index: entry.index,
            };
            let pointer = Pointer {
                version: version.to_bytes(),
                block: item.offset,
                position: position as u32,
            };
            match entry::read(&opening, &ground.origin, header.lane) {
                Ok((head, ..)) if matches!(head.operation, Operation::Restated { .. }) => {}
                Ok((head, ..)) => {
                    images.push(self.judge_image(id, &header, &head, &opening, pointer, &ground));
                }
                Err(fault) => {
                    images.extend(self.unreadable(id, &header, &opening, fault, pointer, &ground)?);
                }
            }
        }
        Ok(())
    }

    /// An image whose bytes hash right and may not be: stored, relayed, refused and counted under its type and key.
    fn unreadable(
        &self,
        id: RecordId,
        header: &Header,
        opening: &Opening<'_>,
        fault: EntryFault,
        pointer: Pointer,
        ground: &Ground,
    ) -> Result<Option<Image>, Malformed> {
        let (record_type, key) = opening.record()?;
        let record_type = String::from_utf8_lossy(record_type).into_owned();
        let finding = Finding {
            code: fault.code(),
            severity: Severity::Refuse,
            field: 0,
            label: "条目".to_owned(),
            message: fault.to_string(),
            fix: reason::reason(fault.code()).map_or("", |r| r.fix),
        };
        let key_text = protocol::entry::Key::from_bytes(key).map_or_else(
            |_| protocol::hash::sha256(&[key]).short(),
            |k| k.to_string(),
        );
        let refusal = RefusalRow {
            id,
            key_text,
            ..refused(header, &record_type, &[finding], ground.now_us)
        };
        Ok(Some(Image {
            row: RecordRow {
                id,
                kind: record_kind::of(&record_type),
                subject: subject_key(""),
                region: match ground.from_parent {
                    true => self.region().to_owned(),
                    false => String::new(),
                },
                latest: pointer,
                shown: None,
                mask: opening.mask(),
                flags: flag::REFUSED,
            },
            subject: String::new(),
            record_type,
            seat: header.seat,
            class: header.lane as u8,
            city_wide: false,
            addressed: Vec::new(),
            from_parent: ground.from_parent,
            refusal: Some(refusal),
            erased: false,
            other_text: None,
            hint_ignored: false,
        }))
    }

    fn judge_image(
        &self,
        id: RecordId,
        header: &Header,
        head: &Head,
        opening: &Opening<'_>,
        pointer: Pointer,
        ground: &Ground,
    ) -> Image {
        let now_us = ground.now_us;
        let from_parent = ground.from_parent;
        let sections: Vec<(u8, &[u8])> = opening
            .open_fields()
            .filter(|(n, _)| *n != PLATFORM)
            .collect();
        let closed: Vec<u8> = opening
            .closed()
            .filter(|(n, why)| *n != HEAD && *why != Closed::Erased)
            .map(|(n, _)| n)
            .collect();
        let erased = erased_sections(opening);
        let mut judgement = self.judge().judge(
            head,
            AtHand {
                open: &sections,
                closed: &closed,
                erased: &erased,
                entitled: ground.entitled,
            },
        );
        let other_text = judgement.other_text.then(|| head.standard.clone());
        if !may_state(&ground.origin, &head.record_type) {
            // as many as the source has rows; people see the refusals
            tracing::debug!(seat = %header.seat, record_type = head.record_type, "record type not permitted");
            judgement.verdict = Verdict::Refused(vec![not_permitted(&head.record_type)]);
            judgement.conclusion = None;
        }
        // a hint that its origin may not use counts as none; the entry stands
        let hint_ignored = !hint_allowed(&ground.origin, &head.hint, header.lane);
        let hint = match hint_ignored {
            false => &head.hint,
            true => &Hint::Unknown,
        };
        let retracted = head.operation == Operation::Retract;
        let mut flags = 0;
        let mut refusal = None;
        let shown = match &judgement.verdict {
            Verdict::Accepted => Some(pointer),
            Verdict::Refused(findings) => {
                flags |= flag::REFUSED;
                refusal = findings.first().map(|_| RefusalRow {
                    key_text: head.key.to_string(),
                    ..refused(header, &head.record_type, findings, now_us)
                });
                None
            }
            Verdict::Unknown => {
                flags |= flag::UNREAD;
                None
            }
        };
        if retracted {
            flags |= flag::RETRACTED;
        }
        if head.record_type == builtin::REFUSAL && judgement.verdict == Verdict::Accepted {
            refusal = self.stated_refusal(header, head, &sections, retracted, now_us);
        }
        let subject = head
            .subject
            .text(&header.seat, &head.record_type, &head.key);
        if let Some(refusal) = &mut refusal
            && head.record_type != builtin::REFUSAL
        {
            refusal.id = id;
        }
        let region = if from_parent && *hint != Hint::CityWide {
            self.region().to_owned()
        } else {
            region_of(&judgement)
        };
        Image {
            row: RecordRow {
                id,
                kind: record_kind::of(&head.record_type),
                subject: subject_key(&subject),
                region,
                latest: pointer,
                shown,
                mask: opening.mask(),
                flags,
            },
            subject,
            record_type: head.record_type.clone(),
            seat: header.seat,
            class: header.lane as u8,
            city_wide: *hint == Hint::CityWide,
            addressed: self.addressed(hint),
            from_parent,
            refusal,
            erased: !erased.is_empty(),
            other_text,
            hint_ignored,
        }
    }

    /// Regions of the seats that an entry is addressed to.
    fn addressed(&self, hint: &Hint) -> Vec<String> {
        match hint {
            Hint::Seats(seats) => {
                let directory = self.directory();
                let regions = seats.iter().filter_map(|s| directory.identity(s));
                regions.map(|i| i.identity().jurisdiction.clone()).collect()
            }
            // conclusions come first; a region of the city's own counts once a record of the city's names it
            Hint::Unknown | Hint::Division(_) | Hint::Region(_) | Hint::CityWide => Vec::new(),
        }
    }

    fn is_city(&self, seat: &SeatId) -> bool {
        self.directory()
            .newest_identity(seat)
            .is_some_and(|i| i.identity().kind == SeatKind::City)
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

    /// A refusal that a source states about a row of its own (D42).
    fn stated_refusal(
        &self,
        header: &Header,
        head: &Head,
        sections: &[(u8, &[u8])],
        retracted: bool,
        now_us: i64,
    ) -> Option<RefusalRow> {
        let id = record_id(&head.record_type, head.key.as_bytes(), &header.seat);
        // a retraction carries no content and closes what stands here under its identity
        let stated = refusal::read(head, sections)?;
        let labels = stated.labels(self.standards());
        Some(RefusalRow {
            id,
            origin: header.seat,
            record_type: stated.record_type,
            key_text: stated.key_text,
            message: stated.message,
            reasons: stated.codes.join(","),
            fields: labels.join(","),
            at_us: now_us,
            open: !retracted,
        })
    }
}

fn not_permitted(record_type: &str) -> Finding {
    let reason = reason::NOT_PERMITTED;
    Finding {
        code: reason.code,
        severity: Severity::Refuse,
        field: 0,
        label: "记录类型".to_owned(),
        message: format!("该来源未获准报送记录类型「{record_type}」"),
        fix: reason.fix,
    }
}

fn region_of(judgement: &Judgement) -> String {
    judgement
        .conclusion
        .as_ref()
        .map(|c| c.region.clone())
        .unwrap_or_default()
}

fn refused(header: &Header, record_type: &str, findings: &[Finding], now_us: i64) -> RefusalRow {
    let join =
        |f: &dyn Fn(&Finding) -> String| findings.iter().map(f).collect::<Vec<_>>().join(",");
    RefusalRow {
        id: [0; 16],
        origin: header.seat,
        record_type: record_type.to_owned(),
        key_text: String::new(),
        reasons: join(&|f| f.code.to_string()),
        fields: join(&|f| f.label.to_string()),
        message: findings
            .iter()
            .map(|f| format!("{};{}", f.message, f.fix))
            .collect::<Vec<_>>()
            .join("\n"),
        at_us: now_us,
        open: true,
    }
}

/// What the images of a block have in common.
struct Ground {
    /// The identity by which they are judged.
    origin: Identity,
    /// Widest audience whose sections this node is entitled to.
    entitled: Audience,
    /// Whether the block came from above.
    from_parent: bool,
    now_us: i64,
}

/// Whether a seat may state a record type: a department by the list in its identity, a node by its kind (D64).
fn may_state(origin: &Identity, record_type: &str) -> bool {
    use builtin::StatedBy;
    let by = builtin::rule_of(record_type).stated_by;
    match origin.kind {
        SeatKind::City => by != StatedBy::Seats,
        SeatKind::District => matches!(by, StatedBy::CityAndDistricts | StatedBy::Nodes),
        // a source states the refusals of its own rows (D42)
        SeatKind::Department => {
            (by == StatedBy::Seats || record_type == builtin::REFUSAL) && origin.lists(record_type)
        }
    }
}

/// Numbers of the sections that an erasure has ended: every copy that is stored is settled with the erasures.
pub(crate) fn erased_sections(opening: &Opening<'_>) -> Vec<u8> {
    let erased = opening.closed().filter(|(_, why)| *why == Closed::Erased);
    erased.map(|(number, _)| number).collect()
}
