//! Judging on the way to records: what an image of a block means by itself, and how images of one record follow each other.

use protocol::batch::Header;
use protocol::bytes::Malformed;
use protocol::entry::{
    self, EntryFault, HEAD, Head, Hint, Operation, PLATFORM, builtin, hint_allowed,
};
use protocol::envelope::Envelope;
use protocol::name::{SeatId, Version};
use protocol::opening::{Closed, Opening};
use protocol::slice;
use protocol::statement::{Identity, SeatKind};
use protocol::words;
use store::{FeedItem, Pointer, RecordId, RecordRow, RefusalRow};
use supervision::judge::{AtHand, Judgement, Verdict};
use supervision::standard::{Audience, Finding, Severity, reason, refusal};

use super::{flag, record_kind};
use crate::node::{Node, Tier, record_id, subject_key};

/// One judged image on its way to a record row.
pub(crate) struct Image {
    pub(crate) row: RecordRow,
    pub(crate) subject: String,
    pub(super) record_type: String,
    pub(crate) seat: SeatId,
    pub(super) class: u8,
    pub(super) city_wide: bool,
    pub(super) addressed: Vec<String>,
    from_parent: bool,
    /// The refusal that it opens, or, if that is not open, the one that it closes.
    pub(crate) refusal: Option<RefusalRow>,
    /// Sections of it that an erasure has ended.
    pub(crate) erased: bool,
    /// The standard of whose text its source has another one than we do.
    pub(super) other_text: Option<String>,
    /// Whether its hint is one that its origin may not use.
    pub(super) hint_ignored: bool,
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

impl Node {
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
