//! What peers read: pages of our feed, whole upwards and filtered downwards, and pages of wants.
//!
//! Upwards everything is passed on from the log at once; a feed filtered by conclusions follows the applied cursor. The
//! sender keeps no state per peer: the hub reads what apply has routed.

use std::collections::BTreeMap;

use protocol::batch::Header;
use protocol::bytes::Malformed;
use protocol::codec;
use protocol::entry::PLATFORM;
use protocol::envelope::Envelope;
use protocol::frame::{Interest, Item, LogEntry, PageCode, Reason, State, Token, Want};
use protocol::limits;
use protocol::name::SeatId;
use protocol::opening::Opening;
use protocol::session::{Answer, Page};
use protocol::slice;
use protocol::statement::SeatKind;
use protocol::words;
use store::{FeedItem, FeedQuery, ItemKind};
use supervision::standard::{Audience, RecordStandard};

use crate::error::StepError;
use crate::intake::Peer;
use crate::node::{Node, subject_key};

/// Region under which city-wide entries are routed to every district.
pub const CITY_WIDE: &str = "*";

/// Sections of a record whose standard this release does not know that go down to districts: head, public, government, as
/// standards number them first, and where the platform says whence an entry comes. Of all others the standard says who may have which.
const UNKNOWN_SECTIONS: u16 = 0b111 | 1 << PLATFORM;
/// Every section.
pub const ALL_SECTIONS: u16 = u16::MAX;

/// Records of a subject in one page of a want.
const WANT_RECORDS: usize = 256;
/// Bytes of one page of a want, about; well within a frame.
const WANT_BYTES: u64 = 2 << 20;

impl Node {
    /// A page of the feed for a peer's interest.
    pub async fn feed_page(
        &self,
        peer: &Peer,
        interest: &Interest,
        class: u8,
        after: u64,
        upto: Option<u64>,
        bytes_max: u64,
    ) -> Result<Page, StepError> {
        let heads = self.store().feed_heads();
        let full = self.may_have_all(peer) && interest.full;
        let head = if class > 0 && !full {
            heads.applied
        } else {
            heads.head
        };
        let upto = upto.map_or(head, |u| u.min(head));
        if upto <= after {
            return Ok(Page {
                items: Vec::new(),
                through: after,
                token: self.token_at(after).await?,
                more: false,
            });
        }
        let regions = (class > 0 && !full).then(|| self.regions_for(peer, interest));
        let page = self
            .store()
            .feed_page(FeedQuery {
                after,
                class,
                exclude_peer: Some(peer.identity.seat),
                regions,
                upto,
                bytes_max: bytes_max.min(usize::MAX as u64) as usize,
                items_max: limits::WAITING_ITEMS_MAX,
            })
            .await?;
        let mut items = Vec::with_capacity(page.items.len());
        for row in page.items {
            let (offset, token) = (row.offset, Token(row.token));
            let item = self
                .item(row, full)
                .map_err(|what| StepError::Damaged { offset, what })?;
            if let Some(item) = item {
                items.push((offset, token, item));
            }
        }
        let last = items.last().map(|(offset, token, _)| (*offset, *token));
        let token = match last {
            Some((offset, token)) if offset == page.through => token,
            _ => self.token_at(page.through).await?,
        };
        Ok(Page {
            items,
            more: page.through < upto,
            token,
            through: page.through,
        })
    }

    /// The token of the step of our feed that ends at an offset; zero at the beginning.
    pub async fn token_at(&self, offset: u64) -> Result<Token, StepError> {
        if offset == 0 {
            return Ok(Token::default());
        }
        Ok(Token(
            self.store().token_at(offset).await?.unwrap_or_default(),
        ))
    }

    /// Sections of a record type that a district other than the source's may have, one bit per number: the head and what
    /// its newest standard shows to all of government.
    pub fn district_sections(&self, record_type: &str) -> u16 {
        self.standards()
            .by_type(record_type)
            .map_or(UNKNOWN_SECTIONS, |standard| for_government(standard))
    }

    fn district_sections_of(&self, opening: &Opening<'_>) -> u16 {
        let Ok(head) = opening.head() else {
            return UNKNOWN_SECTIONS;
        };
        match self.standards().get(&head.standard, head.standard_version) {
            Some(standard) => for_government(standard),
            // a later version may keep back what this release would show
            None => self.district_sections(&head.record_type) & UNKNOWN_SECTIONS,
        }
    }

    /// Only the parent of this node holds everything; an agent holds nothing but directory and receipts.
    fn may_have_all(&self, peer: &Peer) -> bool {
        peer.identity.kind == SeatKind::City
    }

    /// What a peer may have of what it wants: a district its own region and what is city-wide.
    fn regions_for(&self, peer: &Peer, interest: &Interest) -> Vec<String> {
        if peer.identity.kind != SeatKind::District {
            return Vec::new();
        }
        let mut regions: Vec<String> = interest
            .regions
            .iter()
            .filter(|r| **r == peer.identity.jurisdiction)
            .cloned()
            .collect();
        if interest.city_wide {
            regions.push(CITY_WIDE.to_owned());
        }
        regions
    }

    fn item(&self, row: FeedItem, full: bool) -> Result<Option<Item>, Malformed> {
        Ok(match row.kind {
            ItemKind::Envelope if Envelope::from_bytes(&row.bytes).is_ok() => {
                Some(Item::Envelope(row.bytes))
            }
            // a slice that this release does not read goes on as it came (D54)
            ItemKind::Envelope => Some(Item::from_bytes(&row.bytes)?),
            ItemKind::Event => Some(Item::Routed(codec::decode_routed(&row.bytes)?)),
            ItemKind::Block if full => Some(Item::Slice {
                header: row.header,
                body: row.bytes,
            }),
            ItemKind::Block => {
                let header = Header::from_bytes(&Envelope::from_bytes(&row.header)?.bytes)?;
                let positions = row
                    .positions
                    .as_deref()
                    .map(unpack_positions)
                    .unwrap_or_default();
                if positions.is_empty() {
                    return Ok(None);
                }
                let body = slice::unpack(&row.bytes)?;
                let keep = |opening: &Opening<'_>| self.district_sections_of(opening);
                let body = slice::cut(&header, &body, &positions, keep)?;
                Some(Item::Slice {
                    header: row.header,
                    body: slice::pack(&body),
                })
            }
        })
    }

    /// A page of what a peer wants, with the place to go on from. What the peer may not have is not in it.
    pub async fn want_page(
        &self,
        peer: &Peer,
        want: &Want,
        resume: &[u8],
    ) -> Result<Answer, StepError> {
        let built_at = self.store().feed_heads().applied;
        let given = |items, next| Answer {
            built_at,
            items,
            next,
            ..Answer::none(PageCode::Given)
        };
        match want {
            // a source holds nothing but directory and receipts: nobody else's records are for it
            Want::Subject(_) if peer.identity.kind == SeatKind::Department => {
                Ok(Answer::none(PageCode::NotForYou))
            }
            Want::Subject(subject) => {
                let mut limit = WANT_RECORDS;
                loop {
                    let (items, next) = self.subject_page(peer, subject, resume, limit).await?;
                    let weight: u64 = items.iter().map(Item::weight).sum();
                    // a page travels in one frame: with unusually wide headers it holds fewer records
                    if weight <= WANT_BYTES || limit == 1 {
                        return Ok(given(items, next));
                    }
                    limit /= 2;
                }
            }
            Want::Range {
                seat,
                lane,
                opening,
                from,
                to,
            } => {
                if !self.owes(peer, seat) {
                    return Ok(Answer::none(PageCode::NotForYou));
                }
                let after = resume
                    .try_into()
                    .map(u64::from_be_bytes)
                    .unwrap_or(from.saturating_sub(1));
                let to = if *to == 0 { limits::POSITION_MAX } else { *to };
                let rows = self
                    .store()
                    .log_page(*seat, *lane, *opening, after, to, WANT_BYTES as usize)
                    .await?;
                let next = rows
                    .last()
                    .map(|(sequence, _)| sequence.to_be_bytes().to_vec());
                if rows.is_empty() && resume.is_empty() {
                    return Ok(Answer::none(PageCode::NotHeld));
                }
                let mut items = Vec::new();
                for (_, row) in rows {
                    let offset = row.offset;
                    items.extend(
                        self.item(row, true)
                            .map_err(|what| StepError::Damaged { offset, what })?,
                    );
                }
                Ok(given(items, next))
            }
            Want::Statements(references) => {
                let rows = self.store().envelopes(references).await?;
                if rows.is_empty() {
                    return Ok(Answer::none(PageCode::NotHeld));
                }
                let items = rows.into_iter().map(|row| Item::Envelope(row.bytes));
                Ok(given(items.collect(), None))
            }
            Want::Header {
                seat,
                lane,
                opening,
                sequence,
            } => {
                if !self.owes(peer, seat) {
                    return Ok(Answer::none(PageCode::NotForYou));
                }
                let headers = self
                    .store()
                    .log_page(
                        *seat,
                        *lane,
                        *opening,
                        sequence.saturating_sub(1),
                        *sequence,
                        1,
                    )
                    .await?;
                let Some((_, row)) = headers.into_iter().next() else {
                    return Ok(Answer::none(PageCode::NotHeld));
                };
                let opening_envelope = self
                    .store()
                    .envelopes(&[*opening])
                    .await?
                    .into_iter()
                    .next()
                    .map(|row| row.bytes)
                    .unwrap_or_default();
                Ok(Answer {
                    header: Some(LogEntry {
                        seat: *seat,
                        lane: *lane,
                        opening: *opening,
                        state: State::Running,
                        reason: Reason::None,
                        since: row.at_us,
                        taken_in: *sequence,
                        applied: 0,
                        header: row.header,
                        opening_envelope,
                    }),
                    ..given(Vec::new(), None)
                })
            }
            // no entry of this release names an attachment
            Want::Attachment { .. } => Ok(Answer::none(PageCode::NotHeld)),
            Want::Bucket { .. } | Want::Unread { .. } => Ok(Answer::none(PageCode::NotUnderstood)),
        }
    }

    /// Whether a peer may have a log as it is: it owes it in full, or is its origin.
    fn owes(&self, peer: &Peer, origin: &SeatId) -> bool {
        peer.seats.contains(origin)
            || words::owes_in_full(&self.directory(), &peer.identity.seat, origin)
    }

    /// Current records of a subject, block by block: no block is opened once per record (D27).
    async fn subject_page(
        &self,
        peer: &Peer,
        subject: &str,
        resume: &[u8],
        limit: usize,
    ) -> Result<(Vec<Item>, Option<Vec<u8>>), StepError> {
        let after: [u8; 16] = resume.try_into().unwrap_or_default();
        let rows = self
            .store()
            .records_of_subject(subject_key(subject), after, limit)
            .await?;
        let next = (rows.len() == limit)
            .then(|| rows.last().map(|r| r.id.to_vec()))
            .flatten();
        let all = self.may_have_all(peer);
        let mut blocks: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for row in rows
            .iter()
            .filter(|r| all || r.region == peer.identity.jurisdiction || r.region == CITY_WIDE)
        {
            for pointer in std::iter::once(row.latest).chain(row.shown) {
                let positions = blocks.entry(pointer.block).or_default();
                if !positions.contains(&pointer.position) {
                    positions.push(pointer.position);
                }
            }
        }
        let offsets: Vec<u64> = blocks.keys().copied().collect();
        let keep = |opening: &Opening<'_>| match all {
            true => ALL_SECTIONS,
            false => self.district_sections_of(opening),
        };
        let mut items = Vec::new();
        for row in self.store().blocks(&offsets).await? {
            let Some(positions) = blocks.get_mut(&row.offset) else {
                continue;
            };
            positions.sort_unstable();
            let cut = || -> Result<Item, Malformed> {
                let header = Header::from_bytes(&Envelope::from_bytes(&row.header)?.bytes)?;
                let body = slice::cut(&header, &slice::unpack(&row.bytes)?, positions, keep)?;
                Ok(Item::Slice {
                    header: row.header.clone(),
                    body: slice::pack(&body),
                })
            };
            items.push(cut().map_err(|what| StepError::Damaged {
                offset: row.offset,
                what,
            })?);
        }
        Ok((items, next))
    }
}

/// The head, whence an entry comes, and the sections that a standard shows to all of government.
fn for_government(standard: &RecordStandard) -> u16 {
    let open = standard
        .sections
        .iter()
        .filter(|s| s.audience <= Audience::Government && s.number < 16);
    open.fold(1 | 1 << PLATFORM, |mask, section| {
        mask | 1 << section.number
    })
}

/// Positions within a block as a store keeps them: 16-bit, ascending.
pub fn pack_positions(positions: &[u32]) -> Vec<u8> {
    positions
        .iter()
        .flat_map(|p| (*p as u16).to_be_bytes())
        .collect()
}

/// Reads [`pack_positions`].
pub fn unpack_positions(bytes: &[u8]) -> Vec<u32> {
    bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|c| u32::from(u16::from_be_bytes(*c)))
        .collect()
}
