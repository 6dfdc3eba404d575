//! Checking cleaned fields against a standard. The same rules at the source and at every node; a clean record costs no
//! allocation.

use protocol::entry::{Head, Operation, Subject};
use protocol::value::{CivilDate, Value};

use super::parse::{FIELD_NUMBER_MAX, GROUPS_MAX};
use super::reason::{self, Reason};
use super::{Field, FieldKind, Finding, Obligation, RecordStandard, Severity, clean, value_of};
use crate::identifier::organisation::OrganisationCode;
use crate::identifier::registration_number::RegistrationNumber;
use crate::identifier::tax_number::TaxNumber;
use crate::identifier::uscc::{Uscc, UsccFault};

impl RecordStandard {
    /// What is to be said about a record, at a node: `fields` of all sections at hand, ascending. Refused if any finding
    /// [refuses](Severity::Refuse). Retractions have nothing to be checked.
    pub fn check(&self, head: &Head, fields: &[(u16, Value)]) -> Vec<Finding> {
        if head.operation != Operation::State {
            return Vec::new();
        }
        let mut findings = self.check_fields(fields, None);
        if !self.says_subject(fields, &head.subject) {
            findings.push(self.finding(
                reason::SUBJECT,
                Severity::Refuse,
                None,
                "条目头所写主体与字段内容不一致".to_owned(),
            ));
        }
        findings
    }

    /// Field by field, then what is missing. `today` is known at the source only.
    pub(super) fn check_fields(
        &self,
        fields: &[(u16, Value)],
        today: Option<CivilDate>,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut present = [false; FIELD_NUMBER_MAX + 1];
        for (number, value) in fields {
            let Some(field) = self.field(*number) else {
                findings.push(self.finding(
                    reason::FIELD_UNKNOWN,
                    Severity::Warning,
                    None,
                    format!(
                        "字段编号 {number} 不在标准 {} 第 {} 版中",
                        self.name, self.version
                    ),
                ));
                continue;
            };
            if value.is_present() {
                present[usize::from(*number)] = true;
                self.check_value(field, value, today, &mut findings);
            }
        }
        let mut satisfied = [false; GROUPS_MAX];
        for field in &self.fields {
            let there = present[usize::from(field.number)];
            match field.obligation {
                Obligation::Required if !there => findings.push(self.finding(
                    reason::REQUIRED,
                    Severity::Refuse,
                    Some(field),
                    "未填写".to_owned(),
                )),
                Obligation::OneOf(group) if there => satisfied[usize::from(group)] = true,
                _ => {}
            }
        }
        for group in (0..self.groups.len()).filter(|at| !satisfied[*at]) {
            let labels: Vec<&str> = self
                .fields
                .iter()
                .filter(|f| f.obligation == Obligation::OneOf(group as u8))
                .map(|f| f.label.as_str())
                .collect();
            findings.push(self.finding(
                reason::KEY_ABSENT,
                Severity::Refuse,
                None,
                format!("{}均未填写", labels.join("、")),
            ));
        }
        findings
    }

    fn check_value(
        &self,
        field: &Field,
        value: &Value,
        today: Option<CivilDate>,
        findings: &mut Vec<Finding>,
    ) {
        let mut say = |reason, severity, message: String| {
            findings.push(self.finding(reason, severity, Some(field), message));
        };
        let by_obligation = match field.obligation {
            Obligation::Required => Severity::Refuse,
            _ => Severity::Warning,
        };
        match (field.kind, value) {
            (FieldKind::Date, Value::Date(date)) => {
                if field.past && today.is_some_and(|today| *date > today) {
                    say(
                        reason::DATE_FUTURE,
                        Severity::Refuse,
                        format!("{date} 尚未到来"),
                    );
                } else if clean::is_fake(*date) {
                    say(
                        reason::DATE_FAKE,
                        Severity::Warning,
                        format!("{date} 疑为占位"),
                    );
                }
            }
            (FieldKind::Date, Value::Text(_))
                if field.open_ended && clean::is_open_ended(value) => {}
            (FieldKind::Date, Value::Raw(bytes)) => {
                let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES_MAX)]);
                say(
                    reason::DATE_UNREADABLE,
                    by_obligation,
                    format!("「{shown}」不是日期"),
                );
            }
            (FieldKind::Date, other) => {
                say(
                    reason::DATE_UNREADABLE,
                    by_obligation,
                    format!("「{other}」不是日期"),
                );
            }
            (FieldKind::Uscc, Value::Text(text)) => match Uscc::parse_clean(text) {
                Ok(code) if !code.inner_check_fits() => say(
                    reason::USCC_INNER,
                    Severity::Warning,
                    "主体标识码自身校验不符".to_owned(),
                ),
                Ok(code) if !code.category_is_known() => say(
                    reason::USCC_CATEGORY,
                    Severity::Warning,
                    format!("以「{}」开头", &code.as_str()[..2]),
                ),
                Ok(_) => {}
                Err(fault) => say(uscc_reason(&fault), Severity::Refuse, fault.to_string()),
            },
            // present but not even text: the code cannot be right
            (FieldKind::Uscc, _) => say(
                reason::UNREADABLE,
                Severity::Refuse,
                "内容无法识别".to_owned(),
            ),
            (_, Value::Raw(_)) => {
                say(reason::UNREADABLE, by_obligation, "内容无法识别".to_owned());
            }
            (FieldKind::RegNo, Value::Text(text)) => {
                if let Err(fault) = RegistrationNumber::parse_clean(text) {
                    say(
                        reason::REGISTRATION_NUMBER,
                        Severity::Warning,
                        fault.to_string(),
                    );
                }
            }
            (FieldKind::OrgCode, Value::Text(text)) => {
                if let Err(fault) = OrganisationCode::parse_clean(text) {
                    say(
                        reason::ORGANISATION_CODE,
                        Severity::Warning,
                        fault.to_string(),
                    );
                }
            }
            (FieldKind::TaxNo, Value::Text(text)) => {
                if let Err(fault) = TaxNumber::parse_clean(text) {
                    say(reason::TAX_NUMBER, Severity::Warning, fault.to_string());
                }
            }
            (FieldKind::Division, Value::Text(text)) => {
                let digits = text.bytes().all(|b| b.is_ascii_digit());
                if !digits || !matches!(text.len(), 6 | 9 | 12) {
                    say(
                        reason::DIVISION_FORM,
                        Severity::Warning,
                        "不是 6、9 或 12 位数字".to_owned(),
                    );
                }
            }
            (FieldKind::Integer, Value::Integer(_))
            | (FieldKind::Decimal, Value::Integer(_) | Value::Decimal(_)) => {}
            (FieldKind::Integer | FieldKind::Decimal, other) => {
                let shown: String = other.to_string().chars().take(20).collect();
                say(
                    reason::NUMBER_FORM,
                    by_obligation,
                    format!("「{shown}」不是数字"),
                );
            }
            _ => {}
        }
    }

    /// The subject by the standard's rule: the first of its fields that says one. Numbers that fail their check are taken
    /// as given (they never link by themselves); organisation codes and tax numbers only if valid.
    pub(super) fn subject_of(&self, fields: &[(u16, Value)]) -> Subject {
        match self.first_subject(fields) {
            None => Subject::None,
            Some((FieldKind::Uscc, text)) => Subject::Uscc(text.to_owned()),
            Some((FieldKind::RegNo, text)) => Subject::RegistrationNumber(text.to_owned()),
            Some((FieldKind::OrgCode, text)) => Subject::OrganisationCode(text.to_owned()),
            Some((FieldKind::TaxNo, text)) => Subject::TaxNumber(text.to_owned()),
            Some((_, text)) => Subject::NameOnly(text.to_owned()),
        }
    }

    fn says_subject(&self, fields: &[(u16, Value)], subject: &Subject) -> bool {
        match (self.first_subject(fields), subject) {
            (None, _) => true,
            (Some((FieldKind::Uscc, text)), Subject::Uscc(s))
            | (Some((FieldKind::RegNo, text)), Subject::RegistrationNumber(s))
            | (Some((FieldKind::OrgCode, text)), Subject::OrganisationCode(s))
            | (Some((FieldKind::TaxNo, text)), Subject::TaxNumber(s))
            | (
                Some((FieldKind::Text | FieldKind::Names | FieldKind::Code, text)),
                Subject::NameOnly(s),
            ) => text == s,
            _ => false,
        }
    }

    fn first_subject<'a>(&self, fields: &'a [(u16, Value)]) -> Option<(FieldKind, &'a str)> {
        self.subject.iter().find_map(|number| {
            let field = self.field(*number)?;
            let text = value_of(fields, *number)?.as_text()?;
            let fits = text.len() <= protocol::limits::SUBJECT_BYTES_MAX
                && match field.kind {
                    FieldKind::Uscc => Uscc::parse_clean(text).is_ok(),
                    FieldKind::OrgCode => OrganisationCode::parse_clean(text).is_ok(),
                    FieldKind::TaxNo => TaxNumber::parse_clean(text).is_ok(),
                    _ => true,
                };
            fits.then_some((field.kind, text))
        })
    }

    /// The date of the fact.
    pub(super) fn event_date_of(&self, fields: &[(u16, Value)]) -> Option<CivilDate> {
        self.event_date
            .iter()
            .find_map(|number| match value_of(fields, *number) {
                Some(Value::Date(date)) if !clean::is_fake(*date) => Some(*date),
                _ => None,
            })
    }

    /// A finding about a record as a whole.
    pub fn about_record(&self, reason: Reason, severity: Severity, message: String) -> Finding {
        self.finding(reason, severity, None, message)
    }

    pub(super) fn finding(
        &self,
        reason: Reason,
        severity: Severity,
        field: Option<&Field>,
        message: String,
    ) -> Finding {
        Finding {
            code: reason.code,
            severity,
            field: field.map_or(0, |f| f.number),
            label: field.map_or_else(|| self.title.clone(), |f| f.label.clone()),
            message,
            fix: reason.fix,
        }
    }
}

pub(super) fn uscc_reason(fault: &UsccFault) -> Reason {
    match fault {
        UsccFault::Absent | UsccFault::Length { .. } => reason::USCC_LENGTH,
        UsccFault::Character { .. } => reason::USCC_CHARACTER,
        UsccFault::Structure { .. } => reason::USCC_STRUCTURE,
        UsccFault::Placeholder => reason::USCC_PLACEHOLDER,
        UsccFault::CheckCharacter { .. } => reason::USCC_CHECK,
    }
}

const SHOWN_BYTES_MAX: usize = 40;
