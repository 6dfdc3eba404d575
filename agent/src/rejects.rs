//! Refused rows for people: as a list, as JSON, as CSV for a spreadsheet.

use serde_json::{Value, json};
use store::seat::RejectListed;

use crate::schedule::beijing;

/// Refused rows as JSON.
pub fn to_json(rows: &[RejectListed]) -> Value {
    let text = |s: &str| serde_json::from_str::<Value>(s).unwrap_or(Value::Null);
    let rows: Vec<Value> = rows
        .iter()
        .map(|r| {
            json!({
                "source": r.source, "position": r.position, "since_ms": r.since_ms,
                "reasons": text(&r.reasons), "row": text(&r.row),
            })
        })
        .collect();
    json!({ "rows": rows })
}

/// Refused rows as a list for a terminal.
pub fn to_text(rows: &[Value]) -> String {
    let mut out = String::new();
    for row in rows {
        let word = |key: &str| row[key].as_str().unwrap_or_default();
        out.push_str(&format!("{}  {}\n", word("source"), word("position")));
        for reason in row["reasons"].as_array().into_iter().flatten() {
            let word = |key: &str| reason[key].as_str().unwrap_or_default();
            out.push_str(&format!(
                "    {} {}：{}{}。{}\n",
                word("code"),
                word("title"),
                word("field"),
                if word("message").is_empty() {
                    String::new()
                } else {
                    format!("（{}）", word("message"))
                },
                word("fix"),
            ));
        }
    }
    out
}

/// Refused rows as CSV with a byte order mark, so that spreadsheets read it as UTF-8. No cell begins a formula.
pub fn to_csv(rows: &[Value]) -> Result<Vec<u8>, csv::Error> {
    let mut columns: Vec<String> = Vec::new();
    for row in rows {
        for name in row["row"].as_object().into_iter().flat_map(|r| r.keys()) {
            if !columns.contains(name) {
                columns.push(name.clone());
            }
        }
    }
    let mut writer = csv::Writer::from_writer(vec![0xEF, 0xBB, 0xBF]);
    let heads = ["来源", "位置", "拒收时间", "原因代码", "原因", "怎么改"];
    writer.write_record(heads.into_iter().chain(columns.iter().map(String::as_str)))?;
    for row in rows {
        let reasons = |key: &str| {
            let all: Vec<&str> = row["reasons"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|r| r[key].as_str())
                .collect();
            all.join("；")
        };
        let since = row["since_ms"]
            .as_i64()
            .and_then(beijing)
            .map_or(String::new(), |t| t.format("%Y-%m-%d %H:%M:%S").to_string());
        let mut cells = vec![
            row["source"].as_str().unwrap_or_default().to_owned(),
            row["position"].as_str().unwrap_or_default().to_owned(),
            since,
            reasons("code"),
            reasons("message"),
            reasons("fix"),
        ];
        for column in &columns {
            let cell = match &row["row"][column] {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            };
            cells.push(harmless(cell));
        }
        writer.write_record(&cells)?;
    }
    writer
        .into_inner()
        .map_err(|e| csv::Error::from(std::io::Error::other(e.to_string())))
}

fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_reads_it_and_runs_nothing() {
        let listed = RejectListed {
            source: "登记".to_owned(),
            position: "T:ID=1".to_owned(),
            since_ms: 1_714_536_000_000,
            reasons: r#"[{"code":"R-USCC-02","title":"校验位不符","message":"末位应为 L","fix":"请核对"}]"#
                .to_owned(),
            row: r#"{"QYMC":"甲,乙","BZ":"=cmd()","ZCH":null}"#.to_owned(),
        };
        let json = to_json(&[listed]);
        let rows = json["rows"].as_array().expect("rows");
        let csv = String::from_utf8(to_csv(rows).expect("csv")).expect("text");
        assert!(csv.starts_with('\u{feff}'));
        assert!(csv.contains("R-USCC-02,末位应为 L,请核对"), "{csv}");
        assert!(
            csv.contains("\"甲,乙\"") && csv.contains("'=cmd()"),
            "{csv}"
        );
        assert!(csv.contains("2024-05-01 12:00:00"));
        assert!(to_text(rows).contains("R-USCC-02 校验位不符：（末位应为 L）。请核对"));
    }
}
