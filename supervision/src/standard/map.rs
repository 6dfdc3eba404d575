//! From a source's values to an entry: cleaning, placing, checking, key, subject, sections; or a refusal with reasons.

use protocol::entry::{Head, Key, Subject, put_fields};
use protocol::limits;
use protocol::value::Value;

use super::clean::clean;
use super::{Context, Finding, RecordStandard, Severity, reason, value_of};
use crate::identifier::{Identifier, classify};

/// A record that satisfies its standard, as it will be stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedEntry {
    /// The head; hint, generation and source position are the stating party's to fill in.
    pub head: Head,
    /// Number and bytes of each section that has fields, ascending. The head is not among them.
    pub sections: Vec<(u8, Vec<u8>)>,
    /// What was noticed and does not refuse it.
    pub warnings: Vec<Finding>,
}

/// A record that does not satisfy its standard. It stays at the source; what travels is [`super::refusal`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Record type.
    pub record_type: String,
    /// Standard it was held against.
    pub standard: String,
    /// Version of that standard.
    pub standard_version: u16,
    /// The record's key, if it has one.
    pub key: Option<Key>,
    /// What the record is about, as far as that can be told.
    pub subject: Subject,
    /// Everything that was found, warnings included; at least one refuses.
    pub findings: Vec<Finding>,
}

impl RecordStandard {
    /// Maps a source's values, numbered by field, onto the standard. A field that the source does not have is not
    /// listed; of a number that is listed twice, the first value that is present counts.
    pub fn map(
        &self,
        fields: Vec<(u16, Value)>,
        at: &Context,
    ) -> Result<MappedEntry, Box<Refused>> {
        let (fields, mut findings) = self.clean_fields(fields);
        findings.extend(self.check_fields(&fields, Some(at.today)));
        let key = self.key_of(&fields);
        let subject = self.subject_of(&fields);
        if key.is_none() && !findings.iter().any(|f| f.code == reason::KEY_ABSENT.code) {
            let message = "主键所需字段不全".to_owned();
            findings.push(self.finding(reason::KEY_ABSENT, Severity::Refuse, None, message));
        }
        let event_date = self.event_date_of(&fields);
        let sections = self.cut(fields);
        let size: usize = sections.iter().map(|(_, bytes)| bytes.len()).sum();
        if size > SECTIONS_BYTES_MAX {
            let message = format!("共 {} KB，上限 {} KB", size >> 10, SECTIONS_BYTES_MAX >> 10);
            findings.push(self.finding(reason::SIZE, Severity::Refuse, None, message));
        }
        let refused = findings.iter().any(|f| f.severity == Severity::Refuse);
        match key {
            Some(key) if !refused => {
                let mut head = Head::state(
                    self.record_type.as_str(),
                    key,
                    self.name.as_str(),
                    self.version,
                    self.hash,
                );
                head.subject = subject;
                head.event_date = event_date;
                Ok(MappedEntry {
                    head,
                    sections,
                    warnings: findings,
                })
            }
            key => Err(Box::new(Refused {
                record_type: self.record_type.clone(),
                standard: self.name.clone(),
                standard_version: self.version,
                key,
                subject,
                findings,
            })),
        }
    }

    /// The key by the first alternative whose fields are all present; also of fields that are not clean yet, so that a
    /// deletion at the source finds its record.
    pub fn key_of(&self, fields: &[(u16, Value)]) -> Option<Key> {
        self.key.iter().find_map(|numbers| {
            let values = numbers
                .iter()
                .map(|n| value_of(fields, *n).filter(|v| v.is_present()).cloned())
                .collect::<Option<Vec<_>>>()?;
            Some(Key::columns(&values))
        })
    }

    /// Cleans every value, sorts by number and puts a number that stands in the code column where it belongs.
    fn clean_fields(&self, mut fields: Vec<(u16, Value)>) -> (Vec<(u16, Value)>, Vec<Finding>) {
        for (number, value) in &mut fields {
            if let Some(field) = self.field(*number) {
                *value = clean(field, std::mem::replace(value, Value::Null));
            }
        }
        fields.sort_by_key(|(number, value)| (*number, !value.is_present()));
        fields.dedup_by_key(|(number, _)| *number);
        let mut findings = Vec::new();
        if let Some(code) = self.roles.uscc {
            self.place_code(code, &mut fields, &mut findings);
        }
        (fields, findings)
    }

    /// A registration number, organisation code or tax number in the code column moves to its own field.
    fn place_code(&self, code: u16, fields: &mut Vec<(u16, Value)>, findings: &mut Vec<Finding>) {
        let Some(Value::Text(text)) = value_of(fields, code) else {
            return;
        };
        if text.len() == 18 && text.is_ascii() {
            return;
        }
        let (role, found) = match classify(text) {
            Identifier::RegistrationNumber(_) | Identifier::OtherNumber(_) => {
                (self.roles.reg_no, "注册号")
            }
            Identifier::OrganisationCode(_) => (self.roles.org_code, "组织机构代码"),
            Identifier::TaxNumber(_) => (self.roles.tax_no, "税务登记号"),
            _ => return,
        };
        let Some(target) = role else { return };
        let text = text.clone();
        let field = self.field(code);
        match value_of(fields, target).filter(|v| v.is_present()) {
            Some(other) if other.as_text() == Some(text.as_str()) => {}
            Some(_) => {
                let message = format!("代码栏中的{found}与对应栏目不同，以对应栏目为准");
                findings.push(self.finding(
                    reason::REGISTRATION_NUMBER_TWICE,
                    Severity::Warning,
                    field,
                    message,
                ));
            }
            None => {
                fields.retain(|(n, _)| *n != target);
                let at = fields.partition_point(|(n, _)| *n < target);
                fields.insert(at, (target, Value::Text(text)));
            }
        }
        findings.push(self.finding(
            reason::USCC_MISPLACED,
            Severity::Warning,
            field,
            format!("代码栏中是{found}"),
        ));
        if let Ok(at) = fields.binary_search_by_key(&code, |(n, _)| *n) {
            fields[at].1 = Value::Empty;
        }
    }

    /// Cuts the fields into the bytes of their sections.
    fn cut(&self, fields: Vec<(u16, Value)>) -> Vec<(u8, Vec<u8>)> {
        let mut cut: Vec<(u8, Vec<(u16, Value)>)> = self
            .sections
            .iter()
            .map(|s| (s.number, Vec::new()))
            .collect();
        for (number, value) in fields {
            let section = self.field(number).map(|f| f.section);
            if let Some((_, into)) = cut.iter_mut().find(|(n, _)| Some(*n) == section) {
                into.push((number, value));
            }
        }
        cut.into_iter()
            .filter(|(_, fields)| !fields.is_empty())
            .map(|(number, fields)| {
                let mut bytes = Vec::with_capacity(256);
                put_fields(&fields, &mut bytes);
                (number, bytes)
            })
            .collect()
    }
}

/// Leaves room in an opening for head, salts and framing.
const SECTIONS_BYTES_MAX: usize = limits::OPENING_BYTES_MAX - (16 << 10);
