//! Reading a record standard from TOML and checking that it is sound.

use std::collections::HashSet;

use protocol::entry::STANDARD_SECTION_MAX;
use protocol::entry::builtin::lane_of;
use protocol::limits;
use protocol::name::Lane;
use protocol::standard_hash::StandardHash;
use serde::Deserialize;

use super::{
    Audience, Classification, Field, FieldKind, Obligation, RecordStandard, Roles, SectionRule,
};

/// A standard that cannot be used. Whoever published it is at fault.
#[derive(Debug, thiserror::Error)]
pub enum StandardFault {
    /// Not TOML of the expected shape.
    #[error("数据标准文件格式有误：{0}")]
    Toml(#[from] toml::de::Error),
    /// A name that no field has.
    #[error("数据标准 {standard}：{place} 引用了不存在的字段「{field}」")]
    NoSuchField {
        /// The standard.
        standard: String,
        /// Where it is named.
        place: &'static str,
        /// The name.
        field: String,
    },
    /// A rule broken by one field or section.
    #[error("数据标准 {standard}：「{item}」{what}")]
    Item {
        /// The standard.
        standard: String,
        /// Field, section or setting.
        item: String,
        /// Which rule.
        what: &'static str,
    },
}

impl RecordStandard {
    /// Reads a standard.
    pub fn from_toml(text: &str) -> Result<Self, StandardFault> {
        let file: File = toml::from_str(text)?;
        file.build()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    version: u16,
    record_type: String,
    title: String,
    lane: u8,
    classification: Classification,
    deadline_working_days: Option<u16>,
    publicity: Audience,
    key: Vec<Vec<String>>,
    subject: Vec<String>,
    event_date: Vec<String>,
    #[serde(default)]
    concludes: bool,
    field: Vec<FileField>,
    section: Vec<FileSection>,
    #[serde(default)]
    roles: FileRoles,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileField {
    number: u16,
    section: u8,
    name: String,
    label: String,
    #[serde(rename = "type")]
    kind: FieldKind,
    #[serde(default = "optional")]
    obligation: String,
    #[serde(default)]
    past: bool,
    #[serde(default)]
    open_ended: bool,
    #[serde(default)]
    columns: Vec<String>,
}

fn optional() -> String {
    "optional".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSection {
    number: u8,
    audience: Audience,
    title: String,
    #[serde(default)]
    personal: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct FileRoles {
    name: Option<String>,
    former_names: Option<String>,
    uscc: Option<String>,
    reg_no: Option<String>,
    org_code: Option<String>,
    tax_no: Option<String>,
    domicile: Option<String>,
    area: Option<String>,
    address: Option<String>,
    legal_rep: Option<String>,
    kind: Option<String>,
    state: Option<String>,
    established: Option<String>,
    registry: Option<String>,
}

impl File {
    fn build(self) -> Result<RecordStandard, StandardFault> {
        let standard = self.name.clone();
        let fault = |item: &str, what| StandardFault::Item {
            standard: standard.clone(),
            item: item.to_owned(),
            what,
        };
        for name in [&self.name, &self.record_type] {
            if name.is_empty() || name.len() > limits::NAME_BYTES_MAX {
                return Err(fault(name, "名称为空或过长"));
            }
        }
        let lane = Lane::from_u8(self.lane).ok_or_else(|| fault("lane", "没有这条通道"))?;
        if lane != lane_of(&self.record_type) {
            return Err(fault("lane", "与该记录类型的通道不一致"));
        }
        let sections = self.sections(&fault)?;
        let (fields, groups) = self.fields(&sections, &fault)?;
        let number = |place: &'static str, name: &String| {
            fields
                .iter()
                .find(|f| &f.name == name)
                .map(|f| f.number)
                .ok_or_else(|| StandardFault::NoSuchField {
                    standard: standard.clone(),
                    place,
                    field: name.clone(),
                })
        };
        let numbers = |place: &'static str, names: &[String]| {
            names
                .iter()
                .map(|n| number(place, n))
                .collect::<Result<Vec<_>, _>>()
        };
        let role = |name: &Option<String>| name.as_ref().map(|n| number("roles", n)).transpose();
        let r = &self.roles;
        let roles = Roles {
            name: role(&r.name)?,
            former_names: role(&r.former_names)?,
            uscc: role(&r.uscc)?,
            reg_no: role(&r.reg_no)?,
            org_code: role(&r.org_code)?,
            tax_no: role(&r.tax_no)?,
            domicile: role(&r.domicile)?,
            area: role(&r.area)?,
            address: role(&r.address)?,
            legal_rep: role(&r.legal_rep)?,
            kind: role(&r.kind)?,
            state: role(&r.state)?,
            established: role(&r.established)?,
            registry: role(&r.registry)?,
        };
        let key = self
            .key
            .iter()
            .map(|names| numbers("key", names))
            .collect::<Result<Vec<_>, _>>()?;
        if key.is_empty() || key.iter().any(|k| k.is_empty() || k.len() > KEY_FIELDS_MAX) {
            return Err(fault("key", "为空或字段过多"));
        }
        let personal = |number: u16| {
            let section = fields
                .iter()
                .find(|f| f.number == number)
                .map(|f| f.section);
            sections
                .iter()
                .any(|s| Some(s.number) == section && s.personal)
        };
        if key.iter().flatten().any(|n| personal(*n)) {
            return Err(fault("key", "含个人信息字段"));
        }
        let subject = numbers("subject", &self.subject)?;
        let event_date = numbers("event_date", &self.event_date)?;
        let highest = fields.last().map_or(0, |f| usize::from(f.number));
        let mut by_number = vec![u16::MAX; highest + 1];
        for (at, field) in fields.iter().enumerate() {
            by_number[usize::from(field.number)] = at as u16;
        }
        let mut read = RecordStandard {
            name: self.name,
            version: self.version,
            hash: StandardHash::default(),
            record_type: self.record_type,
            title: self.title,
            lane,
            classification: self.classification,
            deadline_working_days: self.deadline_working_days,
            publicity: self.publicity,
            concludes: self.concludes,
            sections,
            roles,
            fields,
            by_number,
            key,
            subject,
            event_date,
            groups,
        };
        let hash = read.form().hash();
        read.hash = hash.map_err(|_| fault("field", "名称过长或数量过多"))?;
        Ok(read)
    }

    fn sections(
        &self,
        fault: &impl Fn(&str, &'static str) -> StandardFault,
    ) -> Result<Vec<SectionRule>, StandardFault> {
        let mut sections: Vec<SectionRule> = self
            .section
            .iter()
            .map(|s| SectionRule {
                number: s.number,
                audience: s.audience,
                title: s.title.clone(),
                personal: s.personal,
            })
            .collect();
        sections.sort_by_key(|s| s.number);
        let last = STANDARD_SECTION_MAX;
        if let Some(s) = sections.iter().find(|s| s.number == 0 || s.number > last) {
            return Err(fault(&s.title, "分节编号须为 1 至 14"));
        }
        if let Some(pair) = sections.windows(2).find(|p| p[0].number == p[1].number) {
            return Err(fault(&pair[1].title, "分节编号重复"));
        }
        if let Some(s) = sections.iter().find(|s| s.audience < self.publicity) {
            return Err(fault(&s.title, "受众宽于公示上限"));
        }
        Ok(sections)
    }

    fn fields(
        &self,
        sections: &[SectionRule],
        fault: &impl Fn(&str, &'static str) -> StandardFault,
    ) -> Result<(Vec<Field>, Vec<String>), StandardFault> {
        let mut groups: Vec<String> = Vec::new();
        let mut names = HashSet::new();
        let mut columns = HashSet::new();
        let mut obliged = None;
        let mut fields = Vec::with_capacity(self.field.len());
        for f in &self.field {
            if f.number == 0 || usize::from(f.number) > FIELD_NUMBER_MAX {
                return Err(fault(&f.name, "字段编号须为 1 至 511"));
            }
            if !names.insert(&f.name) {
                return Err(fault(&f.name, "字段名重复"));
            }
            if let Some(column) = f
                .columns
                .iter()
                .find(|c| !columns.insert(c.to_ascii_lowercase()))
            {
                return Err(fault(column, "来源列名重复"));
            }
            if !sections.iter().any(|s| s.number == f.section) {
                return Err(fault(&f.name, "所在分节不存在"));
            }
            let obligation = match f.obligation.as_str() {
                "required" => Obligation::Required,
                "optional" => Obligation::Optional,
                other => {
                    let group = other.strip_prefix("one_of:").ok_or_else(|| {
                        fault(&f.name, "约束应为 required、optional 或 one_of:组名")
                    })?;
                    let at = groups.iter().position(|g| g == group).unwrap_or_else(|| {
                        groups.push(group.to_owned());
                        groups.len() - 1
                    });
                    if at >= GROUPS_MAX {
                        return Err(fault(&f.name, "约束组过多"));
                    }
                    Obligation::OneOf(at as u8)
                }
            };
            // whoever is given a record at all can then judge it: nobody misses an obliged field for lack of a section
            if obligation != Obligation::Optional && *obliged.get_or_insert(f.section) != f.section
            {
                return Err(fault(&f.name, "必备字段须在同一分节"));
            }
            fields.push(Field {
                number: f.number,
                name: f.name.clone(),
                label: f.label.clone(),
                kind: f.kind,
                section: f.section,
                obligation,
                past: f.past,
                open_ended: f.open_ended,
                columns: f.columns.clone(),
            });
        }
        fields.sort_by_key(|f| f.number);
        if let Some(pair) = fields.windows(2).find(|p| p[0].number == p[1].number) {
            return Err(fault(&pair[1].name, "字段编号重复"));
        }
        Ok((fields, groups))
    }
}

/// Field numbers stay below what one section may hold, so that any cut into sections fits.
pub(super) const FIELD_NUMBER_MAX: usize = limits::FIELDS_PER_SECTION_MAX - 1;
/// Groups of which one field must be present.
pub(super) const GROUPS_MAX: usize = 8;
const KEY_FIELDS_MAX: usize = 8;
