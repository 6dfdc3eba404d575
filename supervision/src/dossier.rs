//! The dossier fold: all images of one subject become one page of facts, each with its source.
//!
//! Pure and deterministic: the same images in any order give the same dossier. Sources are named by their index in the
//! input, so that whoever renders can lead from a fact to department, row, batch and receipts.

use protocol::entry::Key;
use protocol::name::{SeatId, Version};
use protocol::value::Value;

use crate::identifier::normalise_name;
use crate::standard::{
    Audience, Classification, Field, FieldKind, RecordStandard, Roles, Standards,
};

/// One image of a record about the subject: the shown one of its record.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// Record type.
    pub record_type: &'a str,
    /// Standard.
    pub standard: &'a str,
    /// Version of the standard.
    pub standard_version: u16,
    /// Key within type and origin.
    pub key: &'a Key,
    /// The origin.
    pub origin: SeatId,
    /// Its title for people.
    pub origin_title: &'a str,
    /// Authority of the origin for this type; the greatest is authoritative.
    pub rank: u32,
    /// Version of the image.
    pub version: Version,
    /// Fields of all sections at hand, ascending by number.
    pub fields: &'a [(u16, Value)],
    /// Whether the record is gone at its source.
    pub retracted: bool,
    /// Whether judging accepted it.
    pub accepted: bool,
}

/// All that is known about one subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dossier {
    /// What identifies it at a glance.
    pub bar: IdentityBar,
    /// By classification; those without records are left out.
    pub groups: Vec<Group>,
    /// Images whose records were refused and have no accepted image.
    pub refused: Vec<usize>,
    /// Images that follow a standard not known here.
    pub unknown: Vec<usize>,
    /// Images of records that are gone at their source.
    pub retracted: Vec<usize>,
}

/// Facts that identify the entity; each as its authoritative source has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentityBar {
    /// Name.
    pub name: Option<Fact>,
    /// Names it had before.
    pub former_names: Option<Fact>,
    /// Unified social credit code.
    pub uscc: Option<Fact>,
    /// Registration number.
    pub reg_no: Option<Fact>,
    /// Kind of entity.
    pub kind: Option<Fact>,
    /// State of registration.
    pub state: Option<Fact>,
    /// Legal representative, person in charge or operator.
    pub legal_rep: Option<Fact>,
    /// Date of establishment.
    pub established: Option<Fact>,
    /// Address.
    pub address: Option<Fact>,
    /// Registering body.
    pub registry: Option<Fact>,
}

/// Records of one classification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The classification.
    pub classification: Classification,
    /// Its records: by type, then source, then key.
    pub records: Vec<Record>,
}

/// A record as shown; for types that describe the entity itself, the statements of all sources put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Record type.
    pub record_type: String,
    /// Title of its standard.
    pub title: String,
    /// Images that it was made from, the authoritative first.
    pub sources: Vec<usize>,
    /// Whether every image is of a record that is gone at its source.
    pub retracted: bool,
    /// Its facts, in the standard's order.
    pub facts: Vec<Fact>,
}

/// A fact with its source, and what others say beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Permanent number of the field.
    pub field: u16,
    /// Canonical name of the field.
    pub name: String,
    /// Label.
    pub label: String,
    /// What its values are.
    pub kind: FieldKind,
    /// Who may see it.
    pub audience: Audience,
    /// The value for people.
    pub value: String,
    /// Index of the image that says so.
    pub source: usize,
    /// What other images say.
    pub beside: Vec<Beside>,
}

/// Another source's statement of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// The value for people.
    pub value: String,
    /// Index of the image that says so.
    pub source: usize,
    /// Whether it differs from the fact after normalisation.
    pub differs: bool,
}

/// Folds the images of one subject.
pub fn fold(standards: &Standards, images: &[Image<'_>]) -> Dossier {
    let mut dossier = Dossier::default();
    let mut order: Vec<usize> = (0..images.len()).collect();
    order.sort_by(|a, b| {
        let key = |at: &usize| {
            let i = &images[*at];
            (i.record_type, i.origin, i.key)
        };
        let (x, y) = (&images[*a], &images[*b]);
        (x.retracted.cmp(&y.retracted))
            .then(y.rank.cmp(&x.rank))
            .then(key(a).cmp(&key(b)))
            .then(y.version.cmp(&x.version))
    });
    let mut whole: Vec<(&RecordStandard, Vec<usize>)> = Vec::new();
    let mut single: Vec<(&RecordStandard, Vec<usize>)> = Vec::new();
    for at in order {
        let image = &images[at];
        let Some(standard) = standards.get(image.standard, image.standard_version) else {
            dossier.unknown.push(at);
            continue;
        };
        if !image.accepted {
            dossier.refused.push(at);
            continue;
        }
        if image.retracted {
            dossier.retracted.push(at);
        }
        let merged = whole
            .iter_mut()
            .find(|(s, _)| s.record_type == standard.record_type);
        match merged {
            Some((_, sources)) => sources.push(at),
            None if standard.concludes => whole.push((standard, vec![at])),
            None if !image.retracted => single.push((standard, vec![at])),
            None => {}
        }
    }
    for (standard, sources) in &mut whole {
        // while anybody still states the record, what is gone elsewhere is not shown beside it
        if sources.iter().any(|at| !images[*at].retracted) {
            sources.retain(|at| !images[*at].retracted);
        }
        // versions of one standard only add fields: the newest has the labels for all
        for at in sources.iter() {
            let newer = standards.get(images[*at].standard, images[*at].standard_version);
            if let Some(newer) = newer.filter(|n| n.version > standard.version) {
                *standard = newer.as_ref();
            }
        }
    }
    single.sort_by(|(a, x), (b, y)| {
        let place = |s: &RecordStandard, at: usize| {
            (
                s.record_type.clone(),
                images[at].origin,
                images[at].key.clone(),
            )
        };
        place(a, x[0]).cmp(&place(b, y[0]))
    });
    if let Some((standard, sources)) = whole.first() {
        dossier.bar = bar(standard, images, sources);
    }
    for classification in Classification::ALL {
        let records: Vec<Record> = whole
            .iter()
            .chain(&single)
            .filter(|(standard, _)| standard.classification == classification)
            .map(|(standard, sources)| record(standard, images, sources))
            .collect();
        if !records.is_empty() {
            dossier.groups.push(Group {
                classification,
                records,
            });
        }
    }
    dossier
}

fn record(standard: &RecordStandard, images: &[Image<'_>], sources: &[usize]) -> Record {
    Record {
        record_type: standard.record_type.clone(),
        title: standard.title.clone(),
        sources: sources.to_vec(),
        retracted: sources.iter().all(|at| images[*at].retracted),
        facts: standard
            .fields()
            .iter()
            .filter_map(|field| fact(standard, field, images, sources))
            .collect(),
    }
}

/// The first source in order of authority that has the field says what it is; the others stand beside it.
fn fact(
    standard: &RecordStandard,
    field: &Field,
    images: &[Image<'_>],
    sources: &[usize],
) -> Option<Fact> {
    let mut said = sources.iter().filter_map(|at| {
        let value = crate::standard::value_of(images[*at].fields, field.number)?;
        value.is_present().then(|| (*at, value.to_string()))
    });
    let (source, value) = said.next()?;
    let beside = said
        .map(|(source, other)| Beside {
            differs: normalise_name(&other) != normalise_name(&value),
            value: other,
            source,
        })
        .collect();
    Some(Fact {
        field: field.number,
        name: field.name.clone(),
        label: field.label.clone(),
        kind: field.kind,
        audience: standard.audience(field.section),
        value,
        source,
        beside,
    })
}

fn bar(standard: &RecordStandard, images: &[Image<'_>], sources: &[usize]) -> IdentityBar {
    let of = |role: fn(&Roles) -> Option<u16>| {
        let field = standard.field(role(&standard.roles)?)?;
        fact(standard, field, images, sources)
    };
    IdentityBar {
        name: of(|r| r.name),
        former_names: of(|r| r.former_names),
        uscc: of(|r| r.uscc),
        reg_no: of(|r| r.reg_no),
        kind: of(|r| r.kind),
        state: of(|r| r.state),
        legal_rep: of(|r| r.legal_rep),
        established: of(|r| r.established),
        address: of(|r| r.address),
        registry: of(|r| r.registry),
    }
}

#[cfg(test)]
mod tests;
