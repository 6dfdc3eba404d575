//! What arrived, held against what the file says: each row at the city, each district's records, each refusal. Reads the
//! stores of processes that have ended.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use node::node::record_id;
use node::subject_key;
use protocol::entry::{Key, Subject, builtin};
use serde_json::Value;
use store::{DigestRow, Engine, RefusalFilter, Store, StoreConfig};
use supervision::conclude::unsettled::Unsettled;

use super::RealCityError;
use super::party::Ended;
use super::source::{Expected, Outcome, Row};

/// Faults told one by one, of each kind.
const FAULTS_MAX: usize = 10;
/// Rows of a page.
const PAGE: usize = 4_096;
/// Every so many-th dossier is looked up.
const SAMPLE: usize = 37;

type Id = [u8; 16];

/// Faults of what arrived; empty if each row is where it should be.
pub async fn check(expected: &Expected, ended: &Ended) -> Result<Vec<String>, RealCityError> {
    let mut faults = Vec::new();
    let city = open("city", &ended.city).await?;
    let result = check_city(expected, ended, &city, &mut faults).await;
    let regions = match result {
        Ok(regions) => regions,
        Err(said) => return Err(store_fault("city", said)),
    };
    city.close().await;
    for (region, folder) in &ended.districts {
        let store = open(region, folder).await?;
        let empty = HashMap::new();
        let there = regions.get(region).unwrap_or(&empty);
        let checked = check_district(expected, ended, region, &store, there, &mut faults).await;
        checked.map_err(|said| store_fault(region, said))?;
        store.close().await;
    }
    Ok(faults)
}

/// Faults of what `verify --deep` said.
pub fn check_verified(expected: &Expected, verified: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if verified["ok"] != true {
        faults.push(format!("核对未通过：{verified}"));
    }
    // every row is an entry whose bytes were checked, and a record that was made anew from the log
    let rows = expected.rows.len() as u64;
    let entries = verified["bytes"]["notes"].as_array().and_then(|notes| {
        let mut told = notes.iter().filter_map(Value::as_str);
        told.find_map(|note| {
            let number = note.strip_prefix("条目 ")?.strip_suffix(" 条")?;
            number.parse::<u64>().ok()
        })
    });
    for (what, checked) in [
        ("条目", entries),
        ("查询视图", verified["views"]["checked"].as_u64()),
    ] {
        if checked.is_none_or(|checked| checked < rows) {
            faults.push(format!("{what}只核对了 {checked:?} 项，少于 {rows} 行"));
        }
    }
    faults
}

fn store_fault(party: &str, said: String) -> RealCityError {
    RealCityError::Store {
        party: party.to_owned(),
        said,
    }
}

async fn open(party: &str, folder: &Path) -> Result<Store, RealCityError> {
    let config = StoreConfig {
        engine: Engine::Sqlite {
            folder: folder.to_owned(),
            cache_mib: 64,
        },
    };
    Store::open(&config)
        .await
        .map_err(|e| store_fault(party, e.to_string()))
}

/// Records of a region, or all, by identity.
async fn holds(store: &Store, region: Option<&str>) -> Result<HashMap<Id, DigestRow>, String> {
    let mut all = HashMap::new();
    let mut after = [0; 16];
    loop {
        let rows = store
            .digest_rows(region, after, PAGE)
            .await
            .map_err(|e| e.to_string())?;
        let Some(last) = rows.last() else {
            return Ok(all);
        };
        after = last.id;
        all.extend(rows.into_iter().map(|row| (row.id, row)));
    }
}

/// Checks the city and gives its records by region.
async fn check_city(
    expected: &Expected,
    ended: &Ended,
    store: &Store,
    faults: &mut Vec<String>,
) -> Result<HashMap<String, HashMap<Id, DigestRow>>, String> {
    let identities = identities(expected, ended);
    let mut wanted: HashMap<&str, HashSet<Id>> = HashMap::new();
    let mut subjects = HashSet::new();
    for (row, id) in expected.rows.iter().zip(&identities) {
        let region = match &row.outcome {
            Outcome::Accepted { region, subject } => {
                subjects.insert(subject_text(row, subject, ended)?);
                region.as_str()
            }
            // a refusal belongs to no region
            Outcome::Refused { .. } => "",
        };
        wanted.entry(region).or_default().insert(*id);
    }
    let count = wanted.values().map(HashSet::len).sum::<usize>();
    if count != expected.rows.len() {
        faults.push(format!(
            "{} 行只有 {count} 个不同的主键",
            expected.rows.len()
        ));
    }
    let mut regions = HashMap::new();
    let own = expected.city.code.as_str();
    for region in expected
        .districts
        .iter()
        .map(String::as_str)
        .chain([own, ""])
    {
        let there = holds(store, Some(region)).await?;
        let none = HashSet::new();
        compare(
            &format!("市级 {region}"),
            wanted.get(region).unwrap_or(&none),
            there.keys().copied(),
            faults,
        );
        regions.insert(region.to_owned(), there);
    }
    let all = holds(store, None).await?.len();
    if all != count {
        faults.push(format!("市级共 {all} 条记录，应为 {count} 条"));
    }
    check_shown(expected, &identities, store, faults).await?;
    check_dossiers(expected, ended, store, faults).await?;
    let stats = store.stats().await.map_err(|e| e.to_string())?;
    if stats.entities != subjects.len() as u64 {
        faults.push(format!(
            "市级有 {} 个主体，应为 {} 个",
            stats.entities,
            subjects.len()
        ));
    }
    check_refusals(expected, ended, store, faults).await?;
    Ok(regions)
}

/// The identity of the record that each row must have become: its own, or that of its refusal.
fn identities(expected: &Expected, ended: &Ended) -> Vec<Id> {
    let of = |row: &super::source::Row| {
        let seat = &ended.seats[row.bureau];
        match &row.outcome {
            Outcome::Accepted { .. } => record_id("registration", &row.key, seat),
            Outcome::Refused { key, .. } => record_id(builtin::REFUSAL, key, seat),
        }
    };
    expected.rows.iter().map(of).collect()
}

fn compare(
    what: &str,
    wanted: &HashSet<Id>,
    there: impl Iterator<Item = Id>,
    faults: &mut Vec<String>,
) {
    let there: HashSet<Id> = there.collect();
    let (lost, alien) = (
        wanted.difference(&there).count(),
        there.difference(wanted).count(),
    );
    if lost + alien > 0 {
        faults.push(format!(
            "{what}：应有 {} 条，少 {lost} 条，多 {alien} 条",
            wanted.len()
        ));
    }
}

/// Every accepted row is shown, not merely stored.
async fn check_shown(
    expected: &Expected,
    ids: &[Id],
    store: &Store,
    faults: &mut Vec<String>,
) -> Result<(), String> {
    let accepted: Vec<Id> = expected
        .rows
        .iter()
        .zip(ids)
        .filter(|(row, _)| matches!(row.outcome, Outcome::Accepted { .. }))
        .map(|(_, id)| *id)
        .collect();
    let mut hidden = 0;
    for ids in accepted.chunks(PAGE) {
        let rows = store.records(ids).await.map_err(|e| e.to_string())?;
        hidden += rows
            .iter()
            .filter(|row| row.shown.is_none() || row.flags != 0)
            .count();
    }
    if hidden > 0 {
        faults.push(format!("市级有 {hidden} 条记录已收到但未采用"));
    }
    Ok(())
}

/// What the subject of a row is called: one that nothing identifies by the seat that states it.
fn subject_text(row: &Row, subject: &Subject, ended: &Ended) -> Result<String, String> {
    let key = Key::from_bytes(&row.key).map_err(|e| e.to_string())?;
    Ok(subject.text(&ended.seats[row.bureau], "registration", &key))
}

/// Dossiers, by sample; every one that goes by a registration number.
async fn check_dossiers(
    expected: &Expected,
    ended: &Ended,
    store: &Store,
    faults: &mut Vec<String>,
) -> Result<(), String> {
    let mut told = 0;
    for (at, row) in expected.rows.iter().enumerate() {
        let Outcome::Accepted { subject, region } = &row.outcome else {
            continue;
        };
        let by_number = matches!(subject, Subject::RegistrationNumber(_));
        if at % SAMPLE != 0 && !by_number {
            continue;
        }
        let text = subject_text(row, subject, ended)?;
        let entity = store
            .entity(subject_key(&text))
            .await
            .map_err(|e| e.to_string())?;
        let fits = entity
            .is_some_and(|e| e.subject_text == text && !e.name.is_empty() && e.region == *region);
        if !fits && told < FAULTS_MAX {
            told += 1;
            faults.push(format!("第 {} 行的主体在市级查不到，或归属不符", at + 1));
        }
        // without a credit code it is for a person
        let listed = store
            .unsettled_of(subject_key(&text))
            .await
            .map_err(|e| e.to_string())?
            .is_some_and(|row| row.reasons & Unsettled::RegistrationNumber.bit() != 0);
        if by_number != listed && told < FAULTS_MAX {
            told += 1;
            faults.push(format!("第 {} 行的主体与市级待核实主体名单不符", at + 1));
        }
    }
    Ok(())
}

/// Every refused row has an open refusal with exactly its reasons.
async fn check_refusals(
    expected: &Expected,
    ended: &Ended,
    store: &Store,
    faults: &mut Vec<String>,
) -> Result<(), String> {
    let mut wanted: HashMap<Id, &BTreeSet<&str>> = HashMap::new();
    for row in &expected.rows {
        if let Outcome::Refused { key, codes } = &row.outcome {
            wanted.insert(
                record_id(builtin::REFUSAL, key, &ended.seats[row.bureau]),
                codes,
            );
        }
    }
    let filter = RefusalFilter {
        open: Some(true),
        ..RefusalFilter::default()
    };
    let mut after = None;
    let mut seen = 0;
    let mut wrong = 0;
    loop {
        let rows = store
            .refusals(&filter, after, 1_000)
            .await
            .map_err(|e| e.to_string())?;
        let Some(last) = rows.last() else { break };
        after = Some((last.at_us, last.id));
        for row in &rows {
            seen += 1;
            let codes: BTreeSet<&str> = row
                .reasons
                .split([',', ' '])
                .filter(|code| !code.is_empty())
                .collect();
            wrong += usize::from(wanted.get(&row.id).is_none_or(|wanted| **wanted != codes));
        }
    }
    if seen != wanted.len() || wrong > 0 {
        faults.push(format!(
            "市级有 {seen} 条未结拒收，应为 {} 条；其中 {wrong} 条原因不符",
            wanted.len()
        ));
    }
    Ok(())
}

/// A district has of its region exactly what the city has, in the same versions, and beside that only what its own bureau
/// stated.
async fn check_district(
    expected: &Expected,
    ended: &Ended,
    region: &str,
    store: &Store,
    city: &HashMap<Id, DigestRow>,
    faults: &mut Vec<String>,
) -> Result<(), String> {
    let there = holds(store, Some(region)).await?;
    compare(
        &format!("{region} 本区"),
        &city.keys().copied().collect(),
        there.keys().copied(),
        faults,
    );
    let other = there
        .iter()
        .filter(|(id, row)| city.get(*id).is_some_and(|c| c.version != row.version))
        .count();
    if other > 0 {
        faults.push(format!("{region} 有 {other} 条记录与市级不是同一版本"));
    }
    let own: HashSet<Id> = expected
        .rows
        .iter()
        .zip(identities(expected, ended))
        .filter(|(row, _)| expected.bureaus[row.bureau].region == region)
        .map(|(_, id)| id)
        .collect();
    let all = holds(store, None).await?;
    let alien = all
        .keys()
        .filter(|id| !there.contains_key(*id) && !own.contains(*id))
        .count();
    if alien > 0 {
        faults.push(format!(
            "{region} 有 {alien} 条既不属本区、也不是本区部门报送的记录"
        ));
    }
    // what its own departments stated stays with it, whoever is in charge
    let lost = own.iter().filter(|id| !all.contains_key(*id)).count();
    if lost > 0 {
        faults.push(format!("{region} 少了本区部门报送的 {lost} 条记录"));
    }
    let stats = store.stats().await.map_err(|e| e.to_string())?;
    if stats.wants_open + stats.dirty > 0 {
        faults.push(format!("{region} 仍有未完成的补取或汇总"));
    }
    Ok(())
}
