//! Maps every row of a CSV file of registrations by the standard, judges it as a node would, and prints what came of it.
//!
//! `cargo run --release -p supervision --example dry_run -- FILE.csv [CITY]`; the columns are recognised by the
//! standard's conventional names, the city is six digits (310000 unless said otherwise).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use protocol::value::{CivilDate, Value};
use supervision::division::DivisionTable;
use supervision::judge::{Judge, Verdict};
use supervision::standard::{Context, Severity, Standards};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: dry_run FILE.csv [CITY]")?;
    let code = arguments.next().unwrap_or_else(|| "310000".to_owned());
    let standards = Standards::builtin();
    let standard = standards
        .by_type("registration")
        .ok_or("no registration standard")?
        .clone();
    let table = DivisionTable::builtin();
    let city = table.city(&code)?;
    let judge = Judge::new(standards, table, city);
    let at = Context {
        today: CivilDate::new(2026, 1, 1).ok_or("no such day")?,
    };

    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(file)?;
    let columns: Vec<Option<u16>> = reader
        .headers()?
        .iter()
        .map(|c| {
            let c = c.trim_start_matches('\u{feff}');
            let field = standard.field_of_column(c);
            println!("{c} -> {}", field.map_or("(none)", |f| f.name.as_str()));
            field.map(|f| f.number)
        })
        .collect();

    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut count = |what: String| *counts.entry(what).or_default() += 1;
    let (mut mapping, mut judging, mut bytes, mut rows) = (Duration::ZERO, Duration::ZERO, 0, 0u32);
    for row in reader.records() {
        let row = row?;
        rows += 1;
        let fields = columns
            .iter()
            .zip(&row)
            .filter_map(|(field, text)| Some(((*field)?, Value::from_text(text))))
            .collect();
        let start = Instant::now();
        let mapped = standard.map(fields, &at);
        mapping += start.elapsed();
        match mapped {
            Err(refused) => {
                count("refused".to_owned());
                for f in refused
                    .findings
                    .iter()
                    .filter(|f| f.severity == Severity::Refuse)
                {
                    count(format!("refused {} {}: {}", f.code, f.label, f.message));
                }
                println!("refused: {refused:?}");
            }
            Ok(entry) => {
                for f in &entry.warnings {
                    count(format!("warning {} {}", f.code, f.label));
                }
                let sections: Vec<(u8, &[u8])> = entry
                    .sections
                    .iter()
                    .map(|(n, b)| (*n, b.as_slice()))
                    .collect();
                bytes += sections.iter().map(|(_, b)| b.len()).sum::<usize>();
                let start = Instant::now();
                let judged = judge.judge(&entry.head, &sections);
                judging += start.elapsed();
                if judged.verdict != Verdict::Accepted {
                    count(format!("JUDGED OTHERWISE {:?}", judged.verdict));
                }
                let tagged = entry.head.subject.tagged();
                count(format!(
                    "subject {}",
                    tagged.split(':').next().unwrap_or("")
                ));
                if !tagged.starts_with("uscc:") {
                    println!("not by code: {tagged} {:?}", entry.warnings);
                }
                if let Some(j) = judged.conclusion {
                    let name = judge.city().region_name(&j.region).unwrap_or("");
                    count(format!("region {} {name}", j.region));
                    count(format!("basis {}", j.basis.label()));
                    if let Some(flag) = j.flagged {
                        count(format!("flagged {flag}"));
                    }
                }
            }
        }
    }
    for (what, n) in &counts {
        println!("{n:>8}  {what}");
    }
    println!(
        "{rows} rows, {bytes} bytes of sections; mapping {:?} and judging {:?} per row",
        mapping / rows.max(1),
        judging / rows.max(1)
    );
    Ok(())
}
