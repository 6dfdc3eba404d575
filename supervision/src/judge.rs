//! Judging one image at a node: verdict, conclusion, what search needs. Runs once per record on the apply path.
//!
//! Pure: what the judge knows (standards, division table, city) is fixed when it is made; a new table means a new judge.

use protocol::entry::{Head, Operation, Subject, read_fields};
use protocol::value::{CivilDate, Value};

use crate::conclude::{self, Jurisdiction, Link};
use crate::division::{City, DivisionTable};
use crate::standard::{
    Audience, Finding, RecordStandard, Severity, Standards, reason, text_of, value_of,
};

/// What judging came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether the record stands.
    pub verdict: Verdict,
    /// Whom it is about, as its source said.
    pub subject: Subject,
    /// Date of the fact.
    pub event_date: Option<CivilDate>,
    /// Where its entity belongs, if the record says that.
    pub conclusion: Option<Jurisdiction>,
    /// By what its entity is found, if the record says that.
    pub search: Option<SearchFacts>,
}

/// Whether a record stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It satisfies its standard.
    Accepted,
    /// It does not; every finding, warnings included.
    Refused(Vec<Finding>),
    /// It cannot be judged here: a standard or version not known yet, or the section with the obliged fields withheld.
    /// Stored and relayed like any other, folded later.
    Unknown,
}

/// By what an entity is found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchFacts {
    /// Name as given.
    pub name: String,
    /// Names it had before.
    pub former_names: Vec<String>,
    /// Unified social credit code.
    pub uscc: Option<String>,
    /// Registration number.
    pub reg_no: Option<String>,
    /// Organisation code as stated; the one within a credit code is not among it.
    pub org_code: Option<String>,
    /// Tax number.
    pub tax_no: Option<String>,
    /// Registering body, as its code.
    pub registry: Option<String>,
    /// Address.
    pub address: Option<String>,
    /// Legal representative, person in charge or operator.
    pub legal_rep: Option<String>,
    /// State of registration.
    pub state: Option<String>,
}

/// Judges images.
#[derive(Debug, Clone)]
pub struct Judge {
    standards: Standards,
    table: DivisionTable,
    city: City,
}

impl Judge {
    /// A judge for one city.
    pub fn new(standards: Standards, table: DivisionTable, city: City) -> Self {
        Self {
            standards,
            table,
            city,
        }
    }

    /// The standards that it goes by.
    pub fn standards(&self) -> &Standards {
        &self.standards
    }

    /// The city that it judges for.
    pub fn city(&self) -> &City {
        &self.city
    }

    /// Judges an image by its head and the sections at hand (number and bytes, head not among them).
    pub fn judge(&self, head: &Head, sections: &[(u8, &[u8])]) -> Judgement {
        let mut judgement = Judgement {
            verdict: Verdict::Unknown,
            subject: head.subject.clone(),
            event_date: head.event_date,
            conclusion: None,
            search: None,
        };
        let Some(standard) = self.standards.get(&head.standard, head.standard_version) else {
            return judgement;
        };
        if head.operation != Operation::State {
            judgement.verdict = Verdict::Accepted;
            return judgement;
        }
        if is_withheld(standard, sections) {
            return judgement;
        }
        let mut fields = match read_sections(standard, head, sections) {
            Ok(fields) => fields,
            Err(finding) => {
                judgement.verdict = Verdict::Refused(vec![finding]);
                return judgement;
            }
        };
        let findings = standard.check(head, &fields);
        if findings.iter().any(|f| f.severity == Severity::Refuse) {
            judgement.verdict = Verdict::Refused(findings);
            return judgement;
        }
        judgement.verdict = Verdict::Accepted;
        if standard.concludes && conclude::link(&head.subject) != Link::Not {
            let inputs = standard.conclusion_inputs(&fields);
            judgement.conclusion = Some(conclude::jurisdiction(
                &self.city,
                &self.table,
                inputs.domicile,
                inputs.area,
                inputs.code,
                head.event_date,
            ));
            judgement.search = Some(search_facts(standard, &mut fields));
        }
        judgement
    }
}

/// Reads sections into one list, ascending by field number. A section whose fields belong elsewhere is the origin's
/// fault, like one that does not decode.
pub fn read_sections(
    standard: &RecordStandard,
    head: &Head,
    sections: &[(u8, &[u8])],
) -> Result<Vec<(u16, Value)>, Finding> {
    let fault = |message: String| standard.about_record(reason::FORM, Severity::Refuse, message);
    if head.record_type != standard.record_type {
        return Err(fault(format!(
            "标准 {} 不适用于记录类型 {}",
            standard.name, head.record_type
        )));
    }
    let mut all = Vec::new();
    for (number, bytes) in sections {
        let fields =
            read_fields(bytes).map_err(|_| fault(format!("第 {number} 节不符合编码格式")))?;
        // a sensitive field in a wider section would reach those who may not see it
        let astray =
            |(n, _): &&(u16, Value)| standard.field(*n).is_some_and(|f| f.section != *number);
        if let Some((n, _)) = fields.iter().find(astray) {
            return Err(fault(format!("字段 {n} 不属于第 {number} 节")));
        }
        if all.is_empty() {
            all = fields;
        } else {
            all.extend(fields);
        }
    }
    all.sort_unstable_by_key(|(n, _)| *n);
    if let Some(pair) = all.windows(2).find(|p| p[0].0 == p[1].0) {
        return Err(fault(format!("字段 {} 重复", pair[0].0)));
    }
    Ok(all)
}

/// Whether the section with the obliged fields may have been withheld from this holder. A public section never is.
fn is_withheld(standard: &RecordStandard, sections: &[(u8, &[u8])]) -> bool {
    standard.obliged_section().is_some_and(|obliged| {
        obliged.audience != Audience::Public && sections.iter().all(|(n, _)| *n != obliged.number)
    })
}

/// Takes what search needs out of the fields; several names in one text are cut apart.
fn search_facts(standard: &RecordStandard, fields: &mut [(u16, Value)]) -> SearchFacts {
    let roles = &standard.roles;
    let former_names = text_of(fields, roles.former_names)
        .into_iter()
        .flat_map(|names| names.split([';', '\u{FF1B}', ',', '\u{FF0C}', '、', '|', '\n']))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .take(FORMER_NAMES_MAX)
        .map(str::to_owned)
        .collect();
    let mut take = |role: Option<u16>| {
        let number = role?;
        value_of(fields, number)?.as_text()?;
        let at = fields.binary_search_by_key(&number, |(n, _)| *n).ok()?;
        match std::mem::replace(&mut fields[at].1, Value::Null) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    };
    SearchFacts {
        former_names,
        name: take(roles.name).unwrap_or_default(),
        uscc: take(roles.uscc),
        reg_no: take(roles.reg_no),
        org_code: take(roles.org_code),
        tax_no: take(roles.tax_no),
        registry: take(roles.registry),
        address: take(roles.address),
        legal_rep: take(roles.legal_rep),
        state: take(roles.state),
    }
}

const FORMER_NAMES_MAX: usize = 32;

#[cfg(test)]
mod tests;
