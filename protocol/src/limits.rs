//! Every bound of the protocol, with the arithmetic between them.
//!
//! A peer or a file can make a process hold at most what these numbers allow; tests below check that they fit each other.

/// Entries in one batch (D30).
pub const BATCH_ENTRIES_MAX: usize = 1_000;
/// Batches sealed ahead of acknowledgement, per lane (D30).
pub const SEALED_AHEAD_MAX: u64 = 64;
/// Sections in an entry, head included: the head and at most 15 others. Their numbers lie below it too, so that a mask of
/// 16 bits names every section.
pub const SECTIONS_MAX: usize = 16;
/// Fields in one section.
pub const FIELDS_PER_SECTION_MAX: usize = 512;
/// Bytes of one entry's opening. Attachments travel apart.
pub const OPENING_BYTES_MAX: usize = 256 << 10;
/// Bytes of a batch's openings before compression: what a decompressor may produce.
pub const SLICE_BYTES_MAX: usize = 4 << 20;
/// Bytes by which an opening can grow when sections are withheld: the head gains what the leaf salt loses and one byte, an
/// empty section is replaced by reason and commitment.
pub const OPENING_GROWTH_MAX: usize = 1 + (SECTIONS_MAX - 1) * 29;
/// Bytes of a whole opening: what an origin may seal, so that every narrowing of it stays within [`OPENING_BYTES_MAX`].
pub const SEALED_OPENING_BYTES_MAX: usize = OPENING_BYTES_MAX - OPENING_GROWTH_MAX;
/// Bytes of a slice body as sealed, so that every cut of it (narrowed openings, members, proofs) stays within
/// [`SLICE_BYTES_MAX`].
pub const SEALED_SLICE_BYTES_MAX: usize =
    SLICE_BYTES_MAX - BATCH_ENTRIES_MAX * (OPENING_GROWTH_MAX + 4 + 32 + 8);
/// Bytes of one frame as it travels.
pub const FRAME_BYTES_MAX: usize = SLICE_BYTES_MAX + HEADER_BYTES_MAX + (64 << 10);
/// Bytes of a batch header with its audience table.
pub const HEADER_BYTES_MAX: usize = 256 << 10;
/// Groups in a header's audience table.
pub const GROUPS_MAX: usize = BATCH_ENTRIES_MAX;
/// Bytes of any other signed object (identity, opening, receipt …).
pub const ENVELOPE_BYTES_MAX: usize = HEADER_BYTES_MAX;
/// Signatures on one envelope: a root of threshold four in two suites needs as many.
pub const SIGNATURES_MAX: usize = 8;
/// Bytes of an envelope: suite, kind, format, the object behind its length, and signatures with keys of any suite.
pub const ENVELOPE_WIRE_BYTES_MAX: usize = 9 + ENVELOPE_BYTES_MAX + SIGNATURES_MAX * (3 + 2 * 255);
/// Keys of one seat, and signatures of one seat over one object.
pub const KEYS_MAX: usize = 4;
/// Keys of a root version, and of one suite among them.
pub const ROOT_KEYS_MAX: usize = 8;
/// Keys of one suite in a root version.
pub const ROOT_KEYS_PER_SUITE_MAX: usize = 4;
/// Bytes of the reason in an identity and of the note in a closing; other statements have short texts.
pub const REASON_BYTES_MAX: usize = 200;
/// Bytes of an organisation code: a region, a dot, a line.
pub const ORGANISATION_BYTES_MAX: usize = 81;
/// Bytes of one attachment.
pub const ATTACHMENT_BYTES_MAX: u64 = 64 << 20;
/// Bytes of every piece of an attachment but the last.
pub const PIECE_BYTES: usize = 1 << 20;
/// Pieces of one attachment.
pub const PIECES_MAX: u32 = (ATTACHMENT_BYTES_MAX / PIECE_BYTES as u64) as u32;
/// Hashes that prove a piece under the attachment's root.
pub const PIECE_PROOF_MAX: usize = PIECES_MAX.ilog2() as usize;
/// Bytes of an attachment's media type.
pub const MEDIA_TYPE_BYTES_MAX: usize = 100;
/// Bytes of a person's number in an author.
pub const PERSON_NUMBER_BYTES_MAX: usize = 32;
/// Bytes of signed objects that this release does not read, kept per seat (D54).
pub const UNREAD_BYTES_PER_SEAT_MAX: u64 = 4 << 20;
/// Bytes of items that this release does not read, kept per peer.
pub const UNREAD_ITEM_BYTES_PER_PEER_MAX: u64 = 16 << 20;
/// Logs of one origin that may be held.
pub const HELD_LOGS_PER_ORIGIN_MAX: usize = 64;
/// Statements of unknown issuers that one peer may have brought.
pub const HELD_STATEMENTS_PER_PEER_MAX: usize = 1_024;
/// Identities that a revocation may let stand.
pub const STANDING_MAX: usize = 4_096;
/// Logs that a revocation may list.
pub const REVOKED_LOGS_MAX: usize = 48;
/// Lanes that an opening, a closing or an activation may name.
pub const LANES_MAX: usize = 16;
/// Openings that are kept of one identity of a seat.
pub const OPENINGS_PER_IDENTITY_MAX: usize = 4_096;
/// Openings of one identity that are kept although a counter before them is not known.
pub const OPENINGS_AHEAD_MAX: usize = 16;
/// Seats that are remembered because an identity of theirs is kept that this release does not read.
pub const UNREAD_SEATS_MAX: usize = 4_096;
/// Openings that an opening may declare void.
pub const VOID_OPENINGS_MAX: usize = 16;
/// Losers of one fork decision.
pub const FORK_LOSERS_MAX: usize = 16;
/// Places that one erasure may name.
pub const ERASURE_ITEMS_MAX: usize = 3_000;
/// Ranges that one closing may declare lost.
pub const LOST_RANGES_MAX: usize = 512;
/// References of one page of statements.
pub const STATEMENT_PAGE_MAX: usize = 4_096;
/// References of one want of statements.
pub const STATEMENTS_WANTED_MAX: usize = 256;
/// Subjects of one routing event.
pub const ROUTED_SUBJECTS_MAX: usize = 256;
/// Seats of one frame about health.
pub const HEALTH_SEATS_MAX: usize = 256;
/// Bytes of a frame that is read before the hello has been believed.
pub const GREETING_FRAME_BYTES_MAX: usize = 1 << 20;
/// Bytes of frames that are kept while the peer's hello is being judged.
pub const EARLY_BYTES_MAX: usize = 2 << 20;
/// Bytes of a release's name.
pub const RELEASE_BYTES_MAX: usize = 255;
/// Envelopes of receipts and feed heads in one resume.
pub const RESUME_WORDS_MAX: usize = 8;
/// Bytes of the envelope of a receipt or a feed head.
pub const WORD_BYTES_MAX: usize = 16 << 10;
/// Reasons of one seat's health.
pub const HEALTH_REASONS_MAX: usize = 255;
/// Figures of one seat's health.
pub const HEALTH_FIGURES_MAX: usize = 255;
/// Seats whose health waits to be said or to be looked at, per session.
pub const HEALTH_WAITING_MAX: usize = 4_096;
/// Entries in one frame of logs.
pub const LOGS_PER_FRAME_MAX: usize = u16::MAX as usize;
/// Bytes of a frame of logs, about; one entry always fits a frame that is read before the hello has been believed.
pub const LOGS_FRAME_BYTES: usize = 256 << 10;
/// Logs whose news wait to be said, per session.
pub const LOGS_WAITING_MAX: usize = 8_192;
/// Bytes of a want's body.
pub const WANT_BODY_BYTES_MAX: usize = u16::MAX as usize;
/// Items of one page of a want.
pub const PAGE_ITEMS_MAX: usize = u16::MAX as usize;
/// Bytes of one frame of the admission exchange.
pub const EXCHANGE_BYTES_MAX: usize = 64 << 10;
/// Bytes of record types, standards, roles and regions.
pub const NAME_BYTES_MAX: usize = 64;
/// Bytes of a person's or department's name in identity statements.
pub const TITLE_BYTES_MAX: usize = 200;
/// Bytes of a subject's text.
pub const SUBJECT_BYTES_MAX: usize = 512;
/// Bytes of a subject with its tag in front, as wants and routing events name it.
pub const SUBJECT_TEXT_BYTES_MAX: usize = SUBJECT_BYTES_MAX + 8;
/// Bytes of a key in the clear, form byte included; longer ones are hashed (D11).
pub const KEY_BYTES_MAX: usize = 256;
/// Further subjects of an entry.
pub const FURTHER_SUBJECTS_MAX: usize = 8;
/// Causes of an entry (D8).
pub const CAUSES_MAX: usize = 4;
/// Seats that an entry can be addressed to (D9).
pub const HINT_SEATS_MAX: usize = 16;
/// Bytes of a source position.
pub const SOURCE_POSITION_BYTES_MAX: usize = 1 << 10;
/// Bytes of an account's name beside a source position.
pub const ACCOUNT_BYTES_MAX: usize = 64;
/// Bytes of a real name beside a source position.
pub const REAL_NAME_BYTES_MAX: usize = 100;
/// Record types that one identity statement may permit.
pub const PERMITTED_TYPES_MAX: usize = 64;
/// Records of one subject that are pushed together with its routing (D25).
pub const UNROUTED_RECORDS_MAX: usize = 64;

/// Credit that a receiver grants ahead, per class, in bytes of frames.
pub const CREDIT_BYTES: u64 = 8 << 20;
/// Wants that one side may have open at the other.
pub const WANTS_OPEN_MAX: usize = 64;
/// Greatest sequence of a batch and greatest offset of a feed: stores keep them as signed integers of 64 bits.
pub const POSITION_MAX: u64 = i64::MAX as u64;
/// Bytes of the text in a goodbye that are kept; the rest is cut off.
pub const GOODBYE_TEXT_BYTES_MAX: usize = 1_000;
/// Receipts that wait to be said; a peer that lets more pile up does not listen.
pub const RECEIPTS_WAITING_MAX: usize = 16_384;
/// Bytes that name the place in a want where its next page begins.
pub const WANT_PLACE_BYTES_MAX: usize = 1 << 10;
/// Seats that one hello may present.
pub const HELLO_SEATS_MAX: usize = 64;
/// Directory envelopes that one hello may carry.
pub const HELLO_ENVELOPES_MAX: usize = 256;
/// Receipts in one frame.
pub const RECEIPTS_PER_FRAME_MAX: usize = 256;
/// Regions and departments that an interest may name.
pub const INTEREST_TERMS_MAX: usize = 1_024;
/// Frames that wait for the other side's directory before they can be passed on, per class; also bounded by credit.
pub const WAITING_ITEMS_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_the_largest_slice() {
        const { assert!(FRAME_BYTES_MAX > SLICE_BYTES_MAX + HEADER_BYTES_MAX) }
        const { assert!(CREDIT_BYTES as usize > FRAME_BYTES_MAX) }
    }

    #[test]
    fn what_is_said_before_the_hello_is_believed_fits_its_bound() {
        const ENTRY: usize = 93 + 2 * ENVELOPE_WIRE_BYTES_MAX;
        const { assert!(LOGS_FRAME_BYTES + ENTRY + 9 <= GREETING_FRAME_BYTES_MAX) }
        const TERM: usize = 8 + ORGANISATION_BYTES_MAX;
        const RESUME: usize =
            256 + INTEREST_TERMS_MAX * TERM + RESUME_WORDS_MAX * (8 + WORD_BYTES_MAX);
        const { assert!(RESUME <= GREETING_FRAME_BYTES_MAX) }
        const { assert!(EARLY_BYTES_MAX > GREETING_FRAME_BYTES_MAX) }
    }

    #[test]
    fn a_slice_holds_the_largest_opening() {
        const { assert!(SLICE_BYTES_MAX > OPENING_BYTES_MAX) }
    }

    #[test]
    fn a_header_holds_the_widest_audience_table() {
        // a table in which every group addresses 16 seats is refused when sealing; one with own regions everywhere fits
        const GROUP: usize = 2 + (2 + NAME_BYTES_MAX) + 4 + 32;
        const { assert!(GROUPS_MAX * GROUP + 256 < HEADER_BYTES_MAX) }
        const { assert!(2 + 16 * HINT_SEATS_MAX < u16::MAX as usize) }
    }

    #[test]
    fn withholding_stays_within_the_bounds() {
        // per group and entry: group number, form, two counts; a member, a proof hash, an opening's growth
        const GROWTH: usize = OPENING_GROWTH_MAX + 4 + 32 + 8;
        const { assert!(SEALED_SLICE_BYTES_MAX + BATCH_ENTRIES_MAX * GROWTH <= SLICE_BYTES_MAX) }
        const { assert!(SEALED_OPENING_BYTES_MAX > OPENING_BYTES_MAX / 2) }
        const { assert!(SEALED_SLICE_BYTES_MAX > SLICE_BYTES_MAX / 2) }
    }
}
