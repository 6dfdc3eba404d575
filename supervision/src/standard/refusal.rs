//! The refusal as an entry: says to source and city which record was refused and why, by codes and names, never by
//! values; and its retraction when the record is accepted.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use protocol::entry::{Head, Key, Operation, Subject, builtin, put_fields, read_fields};
use protocol::hash::sha256;
use protocol::standard_hash::StandardHash;
use protocol::value::Value;

use super::map::{MappedEntry, Refused};
use super::reason::reason;
use super::{Context, Severity, Standards, text_of, value_of};

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
/// Longer keys are hashed in the key of their refusal: twice as many digits, the longest type and framing fit a key.
const PLAIN_KEY_BYTES_MAX: usize = 80;

/// Key of the refusal of a record: its type and its key (of a long key the hash, so that this key stays readable). A
/// later refusal of the same record replaces the earlier.
pub fn refusal_key(record_type: &str, key: &Key) -> Key {
    let name = if key.as_bytes().len() <= PLAIN_KEY_BYTES_MAX {
        hex(key.as_bytes())
    } else {
        hex(&sha256(&[key.as_bytes()]).0)
    };
    Key::columns(&[Value::from_text(record_type), Value::from_text(name)])
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
        hash_of_standard(),
    );
    head.event_date = Some(at.today);
    head.subject = match &refused.subject {
        // what has no name but its record's key is not the subject of another record
        Subject::Unidentified => Subject::None,
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
        hash_of_standard(),
    );
    head.operation = Operation::Retract;
    head.subject = match subject {
        Subject::Unidentified => Subject::None,
        other => other,
    };
    MappedEntry {
        head,
        sections: Vec::new(),
        warnings: Vec::new(),
    }
}

/// Hash of the standard of refusals, which is built in.
fn hash_of_standard() -> StandardHash {
    static HASH: OnceLock<StandardHash> = OnceLock::new();
    *HASH.get_or_init(|| {
        Standards::builtin()
            .get(STANDARD, VERSION)
            .map_or_else(StandardHash::default, |standard| standard.hash)
    })
}

/// What a refusal says, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedRefusal {
    /// Record type of the refused record.
    pub record_type: String,
    /// What names the refused record within its type and origin: its key, or the hash of a long one, hexadecimal.
    pub key: String,
    /// Key of the refused record as people read it.
    pub key_text: String,
    /// Reason codes; empty in a retraction.
    pub codes: Vec<String>,
    /// Canonical names of the fields concerned.
    pub fields: Vec<String>,
    /// Standard and version that the record was held against.
    pub standard: Option<(String, u16)>,
    /// For people: title of every reason and what to do.
    pub message: String,
}

impl StatedRefusal {
    /// Labels of the fields concerned; names where the standard is not known here.
    pub fn labels(&self, standards: &Standards) -> Vec<String> {
        let standard = self
            .standard
            .as_ref()
            .and_then(|(name, version)| standards.get(name, *version));
        let label = |name: &String| {
            standard
                .and_then(|s| s.field_named(name))
                .map_or_else(|| name.clone(), |f| f.label.clone())
        };
        self.fields.iter().map(label).collect()
    }
}

/// Reads a refusal, or its retraction, back; `None` if the entry is neither or the section with its content is not at
/// hand.
pub fn read(head: &Head, sections: &[(u8, &[u8])]) -> Option<StatedRefusal> {
    if head.record_type != builtin::REFUSAL || head.standard != STANDARD {
        return None;
    }
    let key = head.key.values()?;
    let [Value::Text(record_type), Value::Text(key)] = key.as_slice() else {
        return None;
    };
    let fields = match sections.iter().find(|(n, _)| *n == SECTION) {
        Some((_, bytes)) => read_fields(bytes).ok()?,
        None if head.operation == Operation::Retract => Vec::new(),
        None => return None,
    };
    let text = |n| text_of(&fields, Some(n)).unwrap_or("");
    let key_text = match text(field::KEY_TEXT) {
        "" => readable(key).unwrap_or_else(|| key.clone()),
        given => given.to_owned(),
    };
    let words = |n| {
        text(n)
            .split(' ')
            .filter(|w| !w.is_empty())
            .map(str::to_owned)
    };
    let codes: Vec<String> = words(field::REASONS).collect();
    let message = codes
        .iter()
        .map(|code| match reason(code) {
            Some(r) => format!("{}：{}", r.title, r.fix),
            None => code.clone(),
        })
        .collect::<Vec<_>>()
        .join("；");
    let version = match value_of(&fields, field::STANDARD_VERSION) {
        Some(Value::Integer(v)) => u16::try_from(*v).ok(),
        _ => None,
    };
    Some(StatedRefusal {
        record_type: record_type.clone(),
        key: key.clone(),
        key_text,
        fields: words(field::FIELDS).collect(),
        standard: version.map(|v| (text(field::STANDARD).to_owned(), v)),
        codes,
        message,
    })
}

/// The record's key as people read it, from its hexadecimal form.
fn readable(hex: &str) -> Option<String> {
    let bytes = hex
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect::<Option<Vec<u8>>>()?;
    Some(Key::from_bytes(&bytes).ok()?.to_string())
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
