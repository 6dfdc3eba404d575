//! The file's rows on their way into legacy databases, and what the rules say must become of each. Nothing of the file is
//! kept but numbers, identities and conclusions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use agent::capture::Now;
use protocol::entry::{Key, Subject};
use protocol::value::Value;
use supervision::division::{City, DivisionTable, Place};
use supervision::identifier::registration_number::RegistrationNumber;
use supervision::identifier::uscc::Uscc;
use supervision::judge::{Judge, Verdict};
use supervision::standard::refusal::refusal_key;
use supervision::standard::{Context, RecordStandard, Severity, Standards};

use super::{Plan, RealCityError};
use crate::legacy::registrations::{Registration, Registrations};
use crate::legacy::{Legacy, row_id};

/// Columns of the legacy table and the fields of the registration standard that they hold.
pub const COLUMNS: [(&str, &str); 12] = [
    ("NBXH", "entity_id"),
    ("TYSHXYDM", "uscc"),
    ("ZCH", "reg_no"),
    ("QYMC", "name"),
    ("CLRQ", "est_date"),
    ("QYLX", "kind"),
    ("FDDBR", "legal_rep"),
    ("ZCZB", "capital"),
    ("JYFW", "scope"),
    ("SZSF", "province"),
    ("SSQY", "area"),
    ("ZS", "address"),
];

/// Rows held back per bureau before they are written.
const CHUNK_ROWS: usize = 500;

/// A bureau with a legacy database of its own.
#[derive(Debug)]
pub struct Bureau {
    /// Whose entities it registers: a district, or the city's own code.
    pub region: String,
    /// Name of its agent's process.
    pub name: String,
    /// Title of its source.
    pub title: String,
    /// Its database.
    pub database: PathBuf,
    /// Rows in it.
    pub rows: u64,
}

/// What must become of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Index of its bureau.
    pub bureau: usize,
    /// Key of the record.
    pub key: Vec<u8>,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// What must become of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the dossier of this subject (tagged), and in the district of this region.
    Accepted {
        /// Region.
        region: String,
        /// Tagged subject.
        subject: String,
    },
    /// It is refused with these reason codes.
    Refused {
        /// Key of the refusal.
        key: Vec<u8>,
        /// Codes.
        codes: BTreeSet<&'static str>,
    },
}

/// Everything expected of a file.
#[derive(Debug)]
pub struct Expected {
    /// The city.
    pub city: City,
    /// Districts that have a row, or a bureau, by code.
    pub districts: Vec<String>,
    /// Bureaus.
    pub bureaus: Vec<Bureau>,
    /// Rows in the file's order.
    pub rows: Vec<Row>,
    summary: Summary,
}

/// Counts for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows in all.
    pub rows: u64,
    /// Rows to be accepted.
    pub accepted: u64,
    /// Rows to be refused.
    pub refused: u64,
    /// Rows with a valid code.
    pub valid_code: u64,
    /// Rows with a 15-digit registration number in the code column.
    pub registration_number: u64,
    /// Rows by the division in their code, of those divisions that are no district in force: the city's own, abolished
    /// ones.
    pub past_divisions: BTreeMap<String, u64>,
    /// Accepted rows by region.
    pub regions: BTreeMap<String, u64>,
    /// Accepted rows by what the conclusion rests on.
    pub basis: BTreeMap<String, u64>,
    /// Accepted rows whose conclusion is flagged, by why.
    pub flagged: BTreeMap<String, u64>,
    /// Refused rows by reason code.
    pub reasons: BTreeMap<String, u64>,
}

struct Rules {
    standard: std::sync::Arc<RecordStandard>,
    judge: Judge,
    fields: Vec<u16>,
    at: Context,
}

impl Rules {
    fn new(city: &City) -> Self {
        let standards = Standards::builtin();
        let standard = standards.by_type("registration").expect("built in").clone();
        let fields = COLUMNS.map(|(_, name)| standard.field_named(name).expect("a field").number);
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now_ms = since.map_or(0, |since| since.as_millis() as i64);
        Self {
            standard,
            judge: Judge::new(standards, DivisionTable::builtin(), city.clone()),
            fields: fields.to_vec(),
            at: Context {
                today: Now::from_ms(now_ms).today,
            },
        }
    }

    /// What becomes of a row, by the rules alone.
    fn outcome(&self, id: &str, row: &Registration, counted: &mut Summary) -> (Vec<u8>, Outcome) {
        let code = row.code.as_deref().unwrap_or_default();
        let valid = Uscc::parse(code);
        let is_valid = valid.is_ok();
        if let Ok(code) = &valid {
            let (city, division) = (self.judge.city(), code.division());
            let known = matches!(
                city.place_of_code(division),
                Place::District(_) | Place::City | Place::Split
            );
            if known && city.district(division).is_none() {
                *counted
                    .past_divisions
                    .entry(division.to_owned())
                    .or_default() += 1;
            }
        }
        counted.valid_code += u64::from(is_valid);
        counted.registration_number +=
            u64::from(!is_valid && RegistrationNumber::parse(code).is_ok());
        counted.rows += 1;
        let cells: [Option<&str>; 12] = [
            Some(id),
            row.code.as_deref(),
            None,
            row.name.as_deref(),
            row.founded.as_deref(),
            row.kind.as_deref(),
            row.representative.as_deref(),
            row.capital.as_deref(),
            row.scope.as_deref(),
            row.province.as_deref(),
            row.area.as_deref(),
            row.address.as_deref(),
        ];
        let value = |cell: Option<&str>| cell.map_or(Value::Null, Value::from_text);
        let fields = self.fields.iter().copied().zip(cells.map(value)).collect();
        let mapped = self.standard.map(fields, &self.at);
        let entry = match mapped {
            Ok(entry) => entry,
            Err(refused) => {
                counted.refused += 1;
                let refusing = |f: &&supervision::standard::Finding| f.severity == Severity::Refuse;
                let codes: BTreeSet<_> = refused
                    .findings
                    .iter()
                    .filter(refusing)
                    .map(|f| f.code)
                    .collect();
                for code in &codes {
                    *counted.reasons.entry((*code).to_owned()).or_default() += 1;
                }
                let key = refused
                    .key
                    .clone()
                    .unwrap_or_else(|| Key::columns(&[Value::from_text(id)]));
                let refusal = refusal_key(&self.standard.record_type, &key);
                return (
                    key.as_bytes().to_vec(),
                    Outcome::Refused {
                        key: refusal.as_bytes().to_vec(),
                        codes,
                    },
                );
            }
        };
        let sections: Vec<(u8, &[u8])> = entry
            .sections
            .iter()
            .map(|(n, b)| (*n, b.as_slice()))
            .collect();
        let judged = self.judge.judge(&entry.head, &sections);
        assert_eq!(
            judged.verdict,
            Verdict::Accepted,
            "a mapped row is judged otherwise than mapped"
        );
        counted.accepted += 1;
        let mut region = String::new();
        if let Some(conclusion) = judged.conclusion {
            region = conclusion.region;
            *counted
                .basis
                .entry(conclusion.basis.label().to_owned())
                .or_default() += 1;
            if let Some(flag) = conclusion.flagged {
                *counted.flagged.entry(flag.to_string()).or_default() += 1;
            }
        }
        let name = self.judge.city().region_name(&region).unwrap_or_default();
        *counted
            .regions
            .entry(format!("{region} {name}"))
            .or_default() += 1;
        let subject = entry.head.subject.tagged();
        (
            entry.head.key.as_bytes().to_vec(),
            Outcome::Accepted { region, subject },
        )
    }
}

impl Expected {
    /// Reads the file, fills one legacy database per bureau in `folder`, and concludes what must become of each row.
    pub async fn read(plan: &Plan, folder: &Path) -> Result<Self, RealCityError> {
        let table = DivisionTable::builtin();
        let city = table
            .city(&plan.city)
            .ok()
            .filter(|city| !city.districts.is_empty());
        let city = city.ok_or_else(|| RealCityError::NoCity(plan.city.clone()))?;
        std::fs::create_dir_all(folder).map_err(|source| RealCityError::System {
            what: folder.display().to_string(),
            source,
        })?;
        let rules = Rules::new(&city);
        let mut this = Self {
            city,
            districts: Vec::new(),
            bureaus: Vec::new(),
            rows: Vec::new(),
            summary: Summary::default(),
        };
        let mut open: Vec<(Legacy, Vec<Registration>)> = Vec::new();
        let limit = plan.rows.map_or(usize::MAX, |rows| {
            usize::try_from(rows).unwrap_or(usize::MAX)
        });
        for row in Registrations::open(&plan.file)?.take(limit) {
            let row = row?;
            let region =
                registering(&this.city, row.code.as_deref().unwrap_or_default()).to_owned();
            let at = match this
                .bureaus
                .iter()
                .position(|bureau| bureau.region == region)
            {
                Some(at) => at,
                None => {
                    let bureau = this.bureau(region, folder);
                    open.push((Legacy::create(&bureau.database).await?, Vec::new()));
                    this.bureaus.push(bureau);
                    this.bureaus.len() - 1
                }
            };
            this.bureaus[at].rows += 1;
            let id = row_id(this.bureaus[at].rows);
            let (key, outcome) = rules.outcome(&id, &row, &mut this.summary);
            this.rows.push(Row {
                bureau: at,
                key,
                outcome,
            });
            let (legacy, waiting) = &mut open[at];
            waiting.push(row);
            if waiting.len() == CHUNK_ROWS {
                legacy.insert(waiting).await?;
                waiting.clear();
            }
        }
        for (mut legacy, waiting) in open {
            legacy.insert(&waiting).await?;
        }
        let concluded = this.rows.iter().filter_map(|row| match &row.outcome {
            Outcome::Accepted { region, .. } => Some(region.clone()),
            Outcome::Refused { .. } => None,
        });
        let registering = this.bureaus.iter().map(|bureau| bureau.region.clone());
        let all: BTreeSet<String> = concluded.chain(registering).collect();
        this.districts = all
            .into_iter()
            .filter(|region| *region != this.city.code)
            .collect();
        Ok(this)
    }

    fn bureau(&self, region: String, folder: &Path) -> Bureau {
        let name = self.city.region_name(&region).unwrap_or(&region);
        Bureau {
            name: format!("agent-{region}"),
            title: format!("{name}市场监督管理局 登记库"),
            database: folder.join(format!("{region}.db")),
            region,
            rows: 0,
        }
    }

    /// Counts for people.
    pub fn summary(&self) -> Summary {
        self.summary.clone()
    }
}

/// Which bureau registered a code: the district of its division, else the city's own.
fn registering<'c>(city: &'c City, code: &str) -> &'c str {
    let division = match Uscc::parse(code) {
        Ok(code) => Some(code.division().to_owned()),
        Err(_) => RegistrationNumber::parse(code)
            .ok()
            .and_then(|_| code.trim().get(..6).map(str::to_owned)),
    };
    match division
        .as_deref()
        .map(|division| city.place_of_code(division))
    {
        Some(Place::District(district)) => district,
        _ => &city.code,
    }
}

/// Whether a tagged subject is a registration number.
pub fn is_registration_number(tagged: &str) -> bool {
    tagged.starts_with(&Subject::RegistrationNumber(String::new()).tagged())
}
