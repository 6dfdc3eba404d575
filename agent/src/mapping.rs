//! The mapping file: which columns of a source are which fields of a record standard, and what is done to their values
//! on the way. Cleaning and judging values is the standard's business; steps here only mend what is peculiar to a source.

mod step;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::value::{CivilDate, Value};
use runtime::config::{self, ConfigError};
use serde::Deserialize;
use supervision::standard::{Context, RecordStandard, Standards, reason};

use crate::connector::nearest;
use step::Step;

/// A mapping that fits its standard, ready for use.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// The standard that rows are mapped onto.
    pub standard: Arc<RecordStandard>,
    /// Columns that are read, each once.
    pub columns: Vec<String>,
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    number: u16,
    /// Positions in [`Mapping::columns`].
    columns: Vec<usize>,
    steps: Vec<Step>,
}

/// Why a mapping file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// It cannot be read, or has keys that there are not.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// There is no such standard.
    #[error("映射文件 {} 所用的标准 {standard} 不存在；可用的标准：{known}", path.display())]
    NoStandard {
        /// The file.
        path: PathBuf,
        /// The standard and version that it names.
        standard: String,
        /// What there is.
        known: String,
    },
    /// The standard has no such field.
    #[error("映射文件 {} 中的字段 {field} 不在标准 {standard} 内{}", path.display(), suggestion(nearest))]
    NoField {
        /// The file.
        path: PathBuf,
        /// The field.
        field: String,
        /// The standard.
        standard: String,
        /// The field that looks most like it.
        nearest: Option<String>,
    },
    /// A rule that cannot be followed.
    #[error("映射文件 {} 中字段 {field} 的规则有误：{detail}", path.display())]
    Rule {
        /// The file.
        path: PathBuf,
        /// The field.
        field: String,
        /// What is wrong.
        detail: String,
    },
}

fn suggestion(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("，是否指 {name}？"),
        None => String::new(),
    }
}

#[derive(Deserialize)]
struct MappingFile {
    standard: String,
    version: Option<u16>,
    fields: BTreeMap<String, FieldFile>,
}

#[derive(Deserialize)]
struct FieldFile {
    column: Option<String>,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    steps: Vec<step::StepFile>,
}

const KNOWN: &[&str] = &[
    "standard",
    "version",
    "fields.*.column",
    "fields.*.columns",
    "fields.*.steps",
    "fields.*.steps.map.**",
    "fields.*.steps.otherwise",
    "fields.*.steps.date",
    "fields.*.steps.epoch",
    "fields.*.steps.default",
    "fields.*.steps.concat",
    "fields.*.steps.null_if",
];

impl Mapping {
    /// Reads a mapping file and fits it to the standard that it names.
    pub fn load(path: &Path, standards: &Standards) -> Result<Self, MappingError> {
        Self::fit(path, config::load(path, KNOWN)?, standards)
    }

    /// [`Mapping::load`] for text that is at hand already; `path` is only named in errors.
    pub fn parse(path: &Path, text: &str, standards: &Standards) -> Result<Self, MappingError> {
        Self::fit(path, config::parse(path, text, KNOWN)?, standards)
    }

    fn fit(path: &Path, file: MappingFile, standards: &Standards) -> Result<Self, MappingError> {
        let found = match file.version {
            Some(version) => standards.get(&file.standard, version),
            None => standards
                .iter()
                .filter(|s| s.name == file.standard)
                .max_by_key(|s| s.version),
        };
        let Some(standard) = found.cloned() else {
            let mut known: Vec<String> = standards
                .iter()
                .map(|s| format!("{} 第 {} 版", s.name, s.version))
                .collect();
            known.sort();
            return Err(MappingError::NoStandard {
                path: path.to_owned(),
                standard: match file.version {
                    Some(version) => format!("{} 第 {version} 版", file.standard),
                    None => file.standard,
                },
                known: known.join("、"),
            });
        };
        let mut columns: Vec<String> = Vec::new();
        let mut rules = Vec::with_capacity(file.fields.len());
        for (name, field) in file.fields {
            let Some(number) = standard.field_named(&name).map(|f| f.number) else {
                return Err(MappingError::NoField {
                    path: path.to_owned(),
                    nearest: nearest(&name, standard.fields().iter().map(|f| f.name.as_str())),
                    field: name,
                    standard: standard.name.clone(),
                });
            };
            let wrong = |detail: String| MappingError::Rule {
                path: path.to_owned(),
                field: name.clone(),
                detail,
            };
            let steps = field
                .steps
                .into_iter()
                .map(Step::from_file)
                .collect::<Result<Vec<_>, _>>()
                .map_err(wrong)?;
            let names: Vec<String> = field.column.into_iter().chain(field.columns).collect();
            if names.len() > 1 && !matches!(steps.first(), Some(Step::Concat(_))) {
                return Err(wrong(
                    "取自多列时第一步须为 { concat = \"连接符\" }".to_owned(),
                ));
            }
            if names.is_empty() && !steps.iter().any(|s| matches!(s, Step::Default(_))) {
                return Err(wrong(
                    "没有写 column；不取自任何列的字段须有 { default = \"值\" }".to_owned(),
                ));
            }
            let columns = names
                .into_iter()
                .map(|name| place(&mut columns, name))
                .collect();
            rules.push(Rule {
                number,
                columns,
                steps,
            });
        }
        rules.sort_by_key(|r| r.number);
        Ok(Self {
            standard,
            columns,
            rules,
        })
    }

    /// The fields that a row's values are, ascending by number. `row` is in the order of [`Mapping::columns`].
    pub fn apply(&self, row: Vec<Value>) -> Vec<(u16, Value)> {
        let mut row = row;
        let mut fields = Vec::with_capacity(self.rules.len());
        for rule in &self.rules {
            let value = match rule.columns.as_slice() {
                [] => Value::Null,
                // most columns serve one field: their value moves
                [one] if !self.serves_others(rule, *one) => {
                    std::mem::replace(&mut row[*one], Value::Null)
                }
                [one] => row[*one].clone(),
                many => match rule.steps.first() {
                    Some(Step::Concat(separator)) => {
                        step::concat(many.iter().map(|at| &row[*at]), separator)
                    }
                    _ => row[many[0]].clone(),
                },
            };
            let value = rule.steps.iter().fold(value, |v, step| step.apply(v));
            fields.push((rule.number, value));
        }
        fields
    }

    /// What no row could have under this mapping although the standard requires it, each with what to do; empty if rows can
    /// pass.
    pub fn wants(&self) -> Vec<String> {
        let given = self.rules.iter();
        let given = given
            .map(|rule| (rule.number, Value::from_text("1")))
            .collect();
        let today = CivilDate::new(2020, 1, 1).expect("a day of the calendar");
        let Err(refused) = self.standard.map(given, &Context { today }) else {
            return Vec::new();
        };
        let absent = [reason::REQUIRED.code, reason::KEY_ABSENT.code];
        refused
            .findings
            .iter()
            .filter(|finding| absent.contains(&finding.code))
            .map(|finding| {
                let field = self.standard.field(finding.field);
                let how = match field {
                    Some(field) => format!(
                        "「{}」必填而没有映射，请加 [fields.{}]",
                        field.label, field.name
                    ),
                    None => format!(
                        "{}，请至少映射其中一项",
                        finding.message.replace("均未填写", "均未映射")
                    ),
                };
                format!("{how}；否则每一行都会被拒收")
            })
            .collect()
    }

    fn serves_others(&self, rule: &Rule, column: usize) -> bool {
        self.rules
            .iter()
            .any(|r| r.number > rule.number && r.columns.contains(&column))
    }

    /// What the mapping does, as bytes: equal exactly if it does the same.
    pub fn fingerprint(&self) -> Vec<u8> {
        format!(
            "{}/{} {:?} {:?}",
            self.standard.name, self.standard.version, self.columns, self.rules
        )
        .into_bytes()
    }
}

fn place(columns: &mut Vec<String>, name: String) -> usize {
    match columns.iter().position(|c| c.eq_ignore_ascii_case(&name)) {
        Some(at) => at,
        None => {
            columns.push(name);
            columns.len() - 1
        }
    }
}
