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
        NAME_BYTES_MAX,
        TITLE_BYTES_MAX,
        SUBJECT_BYTES_MAX,
        KEY_BYTES_MAX,
        FURTHER_SUBJECTS_MAX,
        CAUSES_MAX,
        HINT_SEATS_MAX,
        SOURCE_POSITION_BYTES_MAX,
        PERMITTED_TYPES_MAX,
        UNROUTED_RECORDS_MAX,
        CREDIT_BYTES,
        WANTS_OPEN_MAX,
        POSITION_MAX,
        GOODBYE_TEXT_BYTES_MAX,
        RECEIPTS_WAITING_MAX,
        WANT_RESUME_BYTES_MAX,
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
