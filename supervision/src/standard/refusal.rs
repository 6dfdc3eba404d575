//! The refusal as an entry: says to source and city which record was refused and why, by codes and names, never by
//! values; and its retraction when the record is accepted.

use std::collections::BTreeSet;

use protocol::entry::{Head, Key, Operation, Subject, builtin, put_fields};
use protocol::value::Value;

use super::map::{MappedEntry, Refused};
use super::{Context, Severity, Standards};

/// Name of the built-in standard.
pub const STANDARD: &str = "cn.refusal";
/// Its version.
pub const VERSION: u16 = 1;

/// Numbers of the refusal's fields.
pub mod field {
    /// Record type of the refused record.
    pub const RECORD_TYPE: u16 = 1;
    /// Key of the refused record, hexadecimal.
    pub const KEY: u16 = 2;
    /// Key of the refused record as people read it.
    pub const KEY_TEXT: u16 = 3;
    /// Reason codes, separated by spaces.
    pub const REASONS: u16 = 4;
    /// Canonical names of the fields concerned, separated by spaces.
    pub const FIELDS: u16 = 5;
    /// Standard that the record was held against.
    pub const STANDARD: u16 = 6;
    /// Version of that standard.
    pub const STANDARD_VERSION: u16 = 7;
    /// Date of the refusal.
    pub const FOUND_ON: u16 = 8;
}

/// The only section.
const SECTION: u8 = 3;

/// Key of the refusal of a record: its type and its key. A later refusal of the same record replaces the earlier.
pub fn refusal_key(record_type: &str, key: &Key) -> Key {
    Key::columns(&[
        Value::from_text(record_type),
        Value::from_text(hex(key.as_bytes())),
    ])
}

/// The refusal of a record as an entry. `key` is the record's own, or, for a record without one, whatever names the row
/// permanently at its source.
pub fn refusal_entry(
    standards: &Standards,
    refused: &Refused,
    key: &Key,
    at: &Context,
) -> MappedEntry {
    let standard = standards.get(&refused.standard, refused.standard_version);
    let refusing = || {
        refused
            .findings
            .iter()
            .filter(|f| f.severity == Severity::Refuse)
    };
    let reasons: BTreeSet<&str> = refusing().map(|f| f.code).collect();
    let names: BTreeSet<&str> = refusing()
        .filter_map(|f| Some(standard?.field(f.field)?.name.as_str()))
        .collect();
    let join =
        |set: BTreeSet<&str>| Value::from_text(set.into_iter().collect::<Vec<_>>().join(" "));
    let fields = [
        (
            field::RECORD_TYPE,
            Value::from_text(refused.record_type.as_str()),
        ),
        (field::KEY, Value::from_text(hex(key.as_bytes()))),
        (field::KEY_TEXT, Value::from_text(key.to_string())),
        (field::REASONS, join(reasons)),
        (field::FIELDS, join(names)),
        (field::STANDARD, Value::from_text(refused.standard.as_str())),
        (
            field::STANDARD_VERSION,
            Value::Integer(refused.standard_version.into()),
        ),
        (field::FOUND_ON, Value::Date(at.today)),
    ];
    let mut bytes = Vec::with_capacity(160);
    put_fields(&fields, &mut bytes);
    let mut head = Head::state(
        builtin::REFUSAL,
        refusal_key(&refused.record_type, key),
        STANDARD,
        VERSION,
    );
    head.event_date = Some(at.today);
    head.subject = match &refused.subject {
        // a name is a value of the refused row
        Subject::NameOnly(_) => Subject::None,
        other => other.clone(),
    };
    MappedEntry {
        head,
        sections: vec![(SECTION, bytes)],
        warnings: Vec::new(),
    }
}

/// Retracts the refusal of a record that is now accepted, or gone. `subject` is that of the refusal it closes.
pub fn closes(record_type: &str, key: &Key, subject: Subject) -> MappedEntry {
    let mut head = Head::state(
        builtin::REFUSAL,
        refusal_key(record_type, key),
        STANDARD,
        VERSION,
    );
    head.operation = Operation::Retract;
    head.subject = match subject {
        Subject::NameOnly(_) => Subject::None,
        other => other,
    };
    MappedEntry {
        head,
        sections: Vec::new(),
        warnings: Vec::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut out, b| {
            write!(out, "{b:02x}").expect("writing to a string does not fail");
            out
        })
}
