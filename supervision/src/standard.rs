//! Record standards: what a record type consists of, who may see which part, what makes a record acceptable.
//!
//! A standard is data (TOML). This file has its shape and the collection of those known; reading, cleaning, checking and
//! mapping lie beside it. Nothing here knows where a value came from.

pub mod check;
pub mod clean;
pub mod map;
pub mod parse;
pub mod reason;
pub mod refusal;

use std::sync::Arc;

use protocol::entry::PLATFORM;
use protocol::name::Lane;
use protocol::standard_hash::{Check, FieldForm, SectionForm, StandardForm, StandardHash};
use protocol::value::{CivilDate, Value};

/// One version of one record standard.
#[derive(Debug, Clone)]
pub struct RecordStandard {
    /// Name, such as `cn.registration`; districts' own carry their prefix.
    pub name: String,
    /// Version.
    pub version: u16,
    /// Record type that follows it.
    pub record_type: String,
    /// Hash over what decides: heads carry it, so that two texts of one (name, version) are noticed.
    pub hash: StandardHash,
    /// Title for people.
    pub title: String,
    /// Lane in which its entries travel.
    pub lane: Lane,
    /// Where the dossier shows it.
    pub classification: Classification,
    /// Working days within which a fact is to be collected.
    pub deadline_working_days: Option<u16>,
    /// Widest audience that anything of it may be shown to.
    pub publicity: Audience,
    /// Whether an entity's region is concluded from it and the entity is found by it.
    pub concludes: bool,
    /// Sections, by number.
    pub sections: Vec<SectionRule>,
    /// Which fields play which part.
    pub roles: Roles,
    /// By number.
    fields: Vec<Field>,
    /// Position in `fields` by number; `u16::MAX` where there is none.
    by_number: Vec<u16>,
    /// Alternatives of key fields.
    key: Vec<Vec<u16>>,
    subject: Vec<u16>,
    event_date: Vec<u16>,
    /// Names of the groups of which one field must be present.
    groups: Vec<String>,
}

/// A section of a standard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionRule {
    /// Permanent number, from 1.
    pub number: u8,
    /// Who may have it.
    pub audience: Audience,
    /// Title for people.
    pub title: String,
    /// Whether it holds personal data.
    pub personal: bool,
}

/// Who may have a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Audience {
    /// Everybody.
    Public = 1,
    /// Departments of the city and its districts.
    Government = 2,
    /// The source itself and the city.
    SourceAndCity = 3,
    /// Those whom the entry is addressed to.
    Addressees = 4,
}

/// Where the dossier shows a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[repr(u8)]
pub enum Classification {
    /// 基本
    #[serde(rename = "基本")]
    Basic = 1,
    /// 良好
    #[serde(rename = "良好")]
    Good = 2,
    /// 提示警示
    #[serde(rename = "提示警示")]
    Warning = 3,
    /// 监督抽查
    #[serde(rename = "监督抽查")]
    Inspection = 4,
}

impl Classification {
    /// All of them, in the dossier's order.
    pub const ALL: [Self; 4] = [Self::Basic, Self::Good, Self::Warning, Self::Inspection];

    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Basic => "基本信息",
            Self::Good => "良好信息",
            Self::Warning => "提示警示信息",
            Self::Inspection => "监督抽查信息",
        }
    }
}

/// A field of a standard.
#[derive(Debug, Clone)]
pub struct Field {
    /// Permanent number.
    pub number: u16,
    /// Canonical name.
    pub name: String,
    /// Label for people.
    pub label: String,
    /// What its values are.
    pub kind: FieldKind,
    /// Section that it stands in.
    pub section: u8,
    /// Whether it must be there.
    pub obligation: Obligation,
    /// A date that cannot lie in the future.
    pub past: bool,
    /// Whether 长期 is a value.
    pub open_ended: bool,
    /// Names under which departments' databases have it.
    pub columns: Vec<String>,
}

impl FieldKind {
    /// As the standard's text writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Names => "names",
            Self::Code => "code",
            Self::Uscc => "uscc",
            Self::RegNo => "reg_no",
            Self::OrgCode => "org_code",
            Self::TaxNo => "tax_no",
            Self::PersonId => "person_id",
            Self::Division => "division",
            Self::Date => "date",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Amount => "amount",
        }
    }
}

/// What a field's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// Any text.
    Text,
    /// Several names in one text.
    Names,
    /// A code of a code table, or its label.
    Code,
    /// Unified social credit code.
    Uscc,
    /// Registration number.
    RegNo,
    /// Organisation code.
    OrgCode,
    /// Tax number.
    TaxNo,
    /// Number of a person's identity document.
    PersonId,
    /// Code of an administrative division.
    Division,
    /// A civil date.
    Date,
    /// A whole number.
    Integer,
    /// A decimal number.
    Decimal,
    /// A decimal number, or a text that names its own unit.
    Amount,
}

/// Whether a field must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obligation {
    /// Always.
    Required,
    /// Not.
    Optional,
    /// At least one field of this group (an index).
    OneOf(u8),
}

/// Numbers of the fields that play a part in conclusions, search and the identity bar.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles {
    /// The entity's name.
    pub name: Option<u16>,
    /// Names it had before.
    pub former_names: Option<u16>,
    /// Unified social credit code.
    pub uscc: Option<u16>,
    /// Registration number.
    pub reg_no: Option<u16>,
    /// Organisation code.
    pub org_code: Option<u16>,
    /// Tax number.
    pub tax_no: Option<u16>,
    /// Division of the domicile.
    pub domicile: Option<u16>,
    /// The source's own area column.
    pub area: Option<u16>,
    /// Address.
    pub address: Option<u16>,
    /// Legal representative, person in charge or operator.
    pub legal_rep: Option<u16>,
    /// Kind of entity.
    pub kind: Option<u16>,
    /// State of registration.
    pub state: Option<u16>,
    /// Date of establishment.
    pub established: Option<u16>,
    /// Registering body.
    pub registry: Option<u16>,
}

/// What checking may know of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Today, civil.
    pub today: CivilDate,
}

/// Something noticed about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Reason code, such as `R-USCC-02`; titles are in [`reason`].
    pub code: &'static str,
    /// Whether it refuses the record.
    pub severity: Severity,
    /// Number of the field; 0 if it is about the record as a whole.
    pub field: u16,
    /// The field's label.
    pub label: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: &'static str,
}

/// What a finding does to its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The record stands.
    Warning,
    /// The record is refused.
    Refuse,
}

/// What conclusions are drawn from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConclusionInputs<'a> {
    /// Division of the domicile.
    pub domicile: Option<&'a str>,
    /// The source's area column.
    pub area: Option<&'a str>,
    /// Credit code, else registration number.
    pub code: Option<&'a str>,
}

impl RecordStandard {
    /// What of the standard decides, as its hash is made over it.
    fn form(&self) -> StandardForm<'_> {
        let fields = self.fields.iter().map(|f| {
            let mut checks = Vec::new();
            if f.past {
                checks.push((Check::Past, ""));
            }
            if f.open_ended {
                checks.push((Check::OpenEnded, ""));
            }
            let (obligation, group) = match f.obligation {
                Obligation::Optional => (protocol::standard_hash::Obligation::Optional, ""),
                Obligation::Required => (protocol::standard_hash::Obligation::Required, ""),
                Obligation::OneOf(group) => (
                    protocol::standard_hash::Obligation::OneOf,
                    self.groups
                        .get(usize::from(group))
                        .map_or("", String::as_str),
                ),
            };
            FieldForm {
                number: f.number,
                section: f.section,
                name: &f.name,
                kind: f.kind.word(),
                obligation,
                group,
                codes: "",
                checks,
            }
        });
        StandardForm {
            name: &self.name,
            version: self.version,
            record_type: &self.record_type,
            lane: self.lane as u8,
            concludes: self.concludes,
            publicity: self.publicity as u8,
            key: self.key.clone(),
            subject: self.subject.clone(),
            event_date: self.event_date.clone(),
            sections: self
                .sections
                .iter()
                .map(|s| SectionForm {
                    number: s.number,
                    audience: s.audience as u8,
                    personal: s.personal,
                })
                .collect(),
            fields: fields.collect(),
        }
    }

    /// All fields, by number.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The field of a number.
    pub fn field(&self, number: u16) -> Option<&Field> {
        let at = *self.by_number.get(usize::from(number))?;
        self.fields.get(usize::from(at))
    }

    /// The field of a canonical name.
    pub fn field_named(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }

    /// The field that a department's column conventionally holds: by legacy name, canonical name or label, in this order,
    /// whatever the case.
    pub fn field_of_column(&self, column: &str) -> Option<&Field> {
        let column = column.trim();
        let is = |name: &String| name.eq_ignore_ascii_case(column);
        self.fields
            .iter()
            .find(|f| f.columns.iter().any(is))
            .or_else(|| self.fields.iter().find(|f| is(&f.name)))
            .or_else(|| self.fields.iter().find(|f| f.label == column))
    }

    /// Who may have a section; a section that the standard does not name goes to nobody but source and city. The platform's own
    /// section is for government, whatever the standard.
    pub fn audience(&self, section: u8) -> Audience {
        if section == PLATFORM {
            return Audience::Government;
        }
        self.sections
            .iter()
            .find(|s| s.number == section)
            .map_or(Audience::SourceAndCity, |s| s.audience)
    }

    /// The section in which all obliged fields stand, if any field is obliged.
    pub fn obliged_section(&self) -> Option<&SectionRule> {
        let field = self
            .fields
            .iter()
            .find(|f| f.obligation != Obligation::Optional)?;
        self.sections.iter().find(|s| s.number == field.section)
    }

    /// What the entity's region is concluded from.
    pub fn conclusion_inputs<'a>(&self, fields: &'a [(u16, Value)]) -> ConclusionInputs<'a> {
        ConclusionInputs {
            domicile: text_of(fields, self.roles.domicile),
            area: text_of(fields, self.roles.area),
            code: text_of(fields, self.roles.uscc).or_else(|| text_of(fields, self.roles.reg_no)),
        }
    }

    /// The entity's name as given.
    pub fn display_name<'a>(&self, fields: &'a [(u16, Value)]) -> Option<&'a str> {
        text_of(fields, self.roles.name)
    }
}

/// The value of a field in a list sorted by number.
pub fn value_of(fields: &[(u16, Value)], number: u16) -> Option<&Value> {
    let at = fields.binary_search_by_key(&number, |(n, _)| *n).ok()?;
    Some(&fields[at].1)
}

/// The text of a field in a list sorted by number.
pub fn text_of(fields: &[(u16, Value)], number: Option<u16>) -> Option<&str> {
    value_of(fields, number?)?.as_text()
}

/// The standards known.
#[derive(Debug, Clone, Default)]
pub struct Standards {
    all: Vec<Arc<RecordStandard>>,
}

impl Standards {
    /// Those that are built in.
    pub fn builtin() -> Self {
        let mut this = Self::default();
        for text in [
            include_str!("../standards/registration.toml"),
            include_str!("../standards/refusal.toml"),
        ] {
            let standard = RecordStandard::from_toml(text).expect("a test reads every built-in");
            this.add(standard);
        }
        this
    }

    /// Adds a standard; one of the same name and version is replaced.
    pub fn add(&mut self, standard: RecordStandard) {
        self.all
            .retain(|s| (&s.name, s.version) != (&standard.name, standard.version));
        self.all.push(Arc::new(standard));
    }

    /// A version of a standard.
    pub fn get(&self, name: &str, version: u16) -> Option<&Arc<RecordStandard>> {
        self.all
            .iter()
            .find(|s| s.version == version && s.name == name)
    }

    /// The newest standard of a record type.
    pub fn by_type(&self, record_type: &str) -> Option<&Arc<RecordStandard>> {
        self.all
            .iter()
            .filter(|s| s.record_type == record_type)
            .max_by_key(|s| s.version)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<RecordStandard>> {
        self.all.iter()
    }
}

#[cfg(test)]
mod tests;
