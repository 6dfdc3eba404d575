//! A refused row as it is kept for people on this machine: its reasons and its values, bounded.

use protocol::value::Value;
use supervision::standard::{Finding, Severity, reason};

/// Reasons as they are kept: code, field's label, what is wrong, what to do.
pub(super) fn reasons_json(findings: &[Finding]) -> String {
    let list: Vec<serde_json::Value> = findings
        .iter()
        .filter(|f| f.severity == Severity::Refuse)
        .map(|f| {
            serde_json::json!({
                "code": f.code,
                "title": reason::reason(f.code).map_or("", |r| r.title),
                "field": f.label,
                "message": f.message,
                "fix": f.fix,
            })
        })
        .collect();
    serde_json::Value::from(list).to_string()
}

/// A row as it is kept for people: column by column, long values cut.
pub(super) fn row_json(columns: &[String], values: &[Value]) -> String {
    let shown = |value: &Value| match value {
        Value::Null => serde_json::Value::Null,
        Value::Raw(bytes) => {
            let mut out = String::from("0x");
            for b in bytes.iter().take(SHOWN_BYTES_MAX / 2) {
                out.push_str(&format!("{b:02x}"));
            }
            out.into()
        }
        other => {
            let text = other.to_string();
            text.chars()
                .take(SHOWN_BYTES_MAX / 4)
                .collect::<String>()
                .into()
        }
    };
    let row: serde_json::Map<String, serde_json::Value> = columns
        .iter()
        .zip(values)
        .map(|(name, value)| (name.clone(), shown(value)))
        .collect();
    serde_json::Value::from(row).to_string()
}

const SHOWN_BYTES_MAX: usize = 4 << 10;
