//! The table of bounds in `docs/protocol.md` is what `limits.rs` says: names, values and meanings.
//!
//! `ZONGHENG_WRITE_VECTORS=1 cargo test -p protocol --test bounds` writes the table anew and fails on purpose.

use std::path::Path;

use protocol::limits;

const BEGIN: &str = "<!-- bounds: written by protocol/tests/bounds.rs -->\n";
const END: &str = "<!-- end of bounds -->";

macro_rules! bounds {
    ($($name:ident),* $(,)?) => {
        [$((stringify!($name), limits::$name as u64)),*]
    };
}

/// Names and meanings in the order of the source.
fn documented(source: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut doc: Vec<&str> = Vec::new();
    for line in source.lines() {
        if let Some(text) = line.strip_prefix("/// ") {
            doc.push(text);
        } else if let Some(rest) = line.strip_prefix("pub const ") {
            let name = rest.split(':').next().unwrap_or_default();
            // for readers of the page: no links of rustdoc, no numbers of decisions
            let meaning = doc.join(" ").replace("[`", "`").replace("`]", "`");
            let meaning = match meaning.split_once(" (D") {
                Some((before, rest)) => {
                    format!("{before}{}", rest.split_once(')').map_or("", |r| r.1))
                }
                None => meaning,
            };
            out.push((name.to_owned(), meaning));
            doc.clear();
        } else {
            doc.clear();
        }
    }
    out
}

#[test]
fn the_specification_has_every_bound() {
    let values = bounds![
        BATCH_ENTRIES_MAX,
        SEALED_AHEAD_MAX,
        SECTIONS_MAX,
        FIELDS_PER_SECTION_MAX,
        OPENING_BYTES_MAX,
        SLICE_BYTES_MAX,
        OPENING_GROWTH_MAX,
        SEALED_OPENING_BYTES_MAX,
        SEALED_SLICE_BYTES_MAX,
        FRAME_BYTES_MAX,
        HEADER_BYTES_MAX,
        GROUPS_MAX,
        ENVELOPE_BYTES_MAX,
        SIGNATURES_MAX,
        ENVELOPE_WIRE_BYTES_MAX,
        KEYS_MAX,
        ROOT_KEYS_MAX,
        ROOT_KEYS_PER_SUITE_MAX,
        REASON_BYTES_MAX,
        ORGANISATION_BYTES_MAX,
        ATTACHMENT_BYTES_MAX,
        PIECE_BYTES,
        PIECES_MAX,
        PIECE_PROOF_MAX,
        MEDIA_TYPE_BYTES_MAX,
        PERSON_NUMBER_BYTES_MAX,
        UNREAD_BYTES_PER_SEAT_MAX,
        UNREAD_ITEM_BYTES_PER_PEER_MAX,
        HELD_LOGS_PER_ORIGIN_MAX,
        HELD_STATEMENTS_PER_PEER_MAX,
        STANDING_MAX,
        REVOKED_LOGS_MAX,
        LANES_MAX,
        OPENINGS_PER_IDENTITY_MAX,
        OPENINGS_AHEAD_MAX,
        UNREAD_SEATS_MAX,
        VOID_OPENINGS_MAX,
        FORK_LOSERS_MAX,
        ERASURE_ITEMS_MAX,
        LOST_RANGES_MAX,
        STATEMENT_PAGE_MAX,
        STATEMENTS_WANTED_MAX,
        ROUTED_SUBJECTS_MAX,
        HEALTH_SEATS_MAX,
        GREETING_FRAME_BYTES_MAX,
        EARLY_BYTES_MAX,
        RELEASE_BYTES_MAX,
        RESUME_WORDS_MAX,
        WORD_BYTES_MAX,
        HEALTH_REASONS_MAX,
        HEALTH_FIGURES_MAX,
        HEALTH_WAITING_MAX,
        LOGS_PER_FRAME_MAX,
        LOGS_FRAME_BYTES,
        LOGS_WAITING_MAX,
        WANT_BODY_BYTES_MAX,
        PAGE_ITEMS_MAX,
        EXCHANGE_BYTES_MAX,
        NAME_BYTES_MAX,
        TITLE_BYTES_MAX,
        SUBJECT_BYTES_MAX,
        SUBJECT_TEXT_BYTES_MAX,
        KEY_BYTES_MAX,
        FURTHER_SUBJECTS_MAX,
        CAUSES_MAX,
        HINT_SEATS_MAX,
        SOURCE_POSITION_BYTES_MAX,
        ACCOUNT_BYTES_MAX,
        REAL_NAME_BYTES_MAX,
        PERMITTED_TYPES_MAX,
        UNROUTED_RECORDS_MAX,
        CREDIT_BYTES,
        WANTS_OPEN_MAX,
        POSITION_MAX,
        GOODBYE_TEXT_BYTES_MAX,
        RECEIPTS_WAITING_MAX,
        WANT_PLACE_BYTES_MAX,
        HELLO_SEATS_MAX,
        HELLO_ENVELOPES_MAX,
        RECEIPTS_PER_FRAME_MAX,
        INTEREST_TERMS_MAX,
        WAITING_ITEMS_MAX,
    ];
    let documented = documented(include_str!("../src/limits.rs"));
    let names: Vec<&str> = documented.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(
        names,
        values.map(|(n, _)| n),
        "this test lists the bounds in the order of limits.rs"
    );
    let mut table = String::from("| Bound | Value | Meaning |\n|---|---:|---|\n");
    for ((name, value), (_, meaning)) in values.iter().zip(&documented) {
        table += &format!("| `{name}` | {value} | {meaning} |\n");
    }

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    let page = std::fs::read_to_string(&path).expect("the specification is there");
    let (before, rest) = page
        .split_once(BEGIN)
        .expect("the page has the table's begin");
    let (kept, after) = rest.split_once(END).expect("the page has the table's end");
    if std::env::var_os("ZONGHENG_WRITE_VECTORS").is_some() {
        assert!(
            std::env::var_os("CI").is_none(),
            "the specification is never written by automation"
        );
        let page = format!("{before}{BEGIN}{table}{END}{after}");
        std::fs::write(&path, page).expect("the page is written by whoever owns it");
        panic!("the table is written; look at it, then run again without writing");
    }
    assert_eq!(
        kept, table,
        "docs/protocol.md has other bounds than limits.rs"
    );
}
