//! Refused reports: which row of which source, for what reasons, mended or not. No values: those stay at the agent (D42).

use std::collections::{BTreeMap, HashMap, HashSet};

use protocol::name::SeatId;
use store::{RefusalFilter as RowFilter, RefusalRow};
use supervision::standard::reason::reason;

use super::QueryError;
use crate::node::{Node, subject_key};

/// Refusals that one question looks through at most, newest first.
pub const LOOKED_THROUGH_MAX: usize = 20_000;
/// Refusals read at a time.
const PAGE: usize = 1_000;
/// Records of a subject among which its refusals are sought.
const RECORDS_MAX: usize = 500;

/// Which refusals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusalFilter {
    /// Of this department.
    pub department: Option<String>,
    /// Of this seat.
    pub seat: Option<SeatId>,
    /// Of this node and the sources that it admitted.
    pub node: Option<SeatId>,
    /// With this reason among theirs.
    pub reason: Option<String>,
    /// About this subject, given with its tag.
    pub subject: Option<String>,
    /// Open ones, closed ones, or both.
    pub open: Option<bool>,
}

/// A refused report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Whether the row is still not accepted.
    pub open: bool,
    /// The seat.
    pub seat: SeatId,
    /// Department; the seat's title when it has none.
    pub department: String,
    /// Title of the source.
    pub source: String,
    /// Record type.
    pub record_type: String,
    /// Title of its standard, if it is known here.
    pub record_title: String,
    /// Key of the row.
    pub key: String,
    /// Subject, if the entity is known here.
    pub subject: Option<String>,
    /// Reasons.
    pub reasons: Vec<RefusalReason>,
    /// Labels of the fields concerned.
    pub fields: Vec<String>,
    /// Since when it is refused; of a closed one, when it was refused last.
    pub at_us: i64,
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalReason {
    /// Code.
    pub code: String,
    /// What is wrong.
    pub title: String,
    /// What to do.
    pub fix: String,
}

/// A page of refusals.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RefusalPage {
    /// Rows of the page.
    pub rows: Vec<Refusal>,
    /// All that match.
    pub total: u64,
    /// Departments with the number of refusals that match everything but the department.
    pub departments: Vec<(String, u64)>,
    /// Reason codes with the number of refusals that match everything but the reason. One with several counts for each.
    pub reasons: Vec<(String, u64)>,
    /// Whether older ones were not looked through.
    pub more: bool,
}

impl Node {
    /// Refusals that match, newest first, page by page (1 is the first).
    pub async fn refusals(
        &self,
        filter: &RefusalFilter,
        page: u32,
        rows: u32,
    ) -> Result<RefusalPage, QueryError> {
        let sources = self.sources();
        let mut looked = Looked::new(filter, &sources, page, rows);
        if let Some(subject) = &filter.subject {
            let records = self
                .store()
                .records_of_subject(subject_key(subject), [0; 16], RECORDS_MAX)
                .await?;
            let ids: Vec<[u8; 16]> = records.iter().map(|r| r.id).collect();
            let mut all = self.refusal_rows(&ids).await?;
            all.sort_by_key(|r| std::cmp::Reverse((r.at_us, r.id)));
            all.retain(|r| filter.open.is_none_or(|open| r.open == open));
            all.into_iter().for_each(|row| looked.look(row));
        } else {
            self.look_through(filter, &mut looked).await?;
        }
        let Looked {
            mut page,
            rows,
            departments,
            reasons,
            ..
        } = looked;
        if page.more && filter.open == Some(true) && filter.reason.is_none() {
            // the counts per source are exact however many there are
            let open = self.store().refusals_open().await?;
            let matching = open
                .iter()
                .filter(|(seat, _)| matches_source(filter, &sources, seat));
            page.total = matching.map(|(_, count)| count).sum();
        }
        page.departments = departments.into_iter().collect();
        page.reasons = reasons.into_iter().collect();
        page.reasons
            .sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        page.rows = self.told(rows, &sources).await?;
        Ok(page)
    }

    async fn look_through(
        &self,
        filter: &RefusalFilter,
        looked: &mut Looked<'_>,
    ) -> Result<(), QueryError> {
        let query = RowFilter {
            origin: filter.seat,
            open: filter.open,
        };
        let (mut after, mut seen) = (None, 0);
        loop {
            let rows = self.store().refusals(&query, after, PAGE).await?;
            let last = rows.len() < PAGE;
            after = rows.last().map(|r| (r.at_us, r.id));
            seen += rows.len();
            rows.into_iter().for_each(|row| looked.look(row));
            if last {
                return Ok(());
            }
            if seen >= LOOKED_THROUGH_MAX {
                looked.page.more = true;
                return Ok(());
            }
        }
    }

    /// The refusals with these identities, newest first.
    pub(super) async fn refusals_of(&self, ids: &[[u8; 16]]) -> Result<Vec<Refusal>, QueryError> {
        let mut rows = self.refusal_rows(ids).await?;
        rows.sort_by_key(|r| std::cmp::Reverse((r.at_us, r.id)));
        self.told(rows, &self.sources()).await
    }

    async fn refusal_rows(&self, ids: &[[u8; 16]]) -> Result<Vec<RefusalRow>, QueryError> {
        let mut rows = Vec::new();
        for id in ids {
            rows.extend(self.store().refusal(*id).await?);
        }
        Ok(rows)
    }

    pub(super) fn sources(&self) -> HashMap<SeatId, Source> {
        let directory = self.directory();
        let sources = directory.identities().map(|i| i.identity());
        sources
            .map(|i| {
                let source = Source {
                    title: i.title.clone(),
                    department: i.organisation.clone(),
                    node: i.node,
                };
                (i.seat, source)
            })
            .collect()
    }

    /// Rows with their words, and with the entity that each is about.
    async fn told(
        &self,
        rows: Vec<RefusalRow>,
        sources: &HashMap<SeatId, Source>,
    ) -> Result<Vec<Refusal>, QueryError> {
        let ids: Vec<[u8; 16]> = rows.iter().map(|r| r.id).collect();
        let records = self.store().records(&ids).await?;
        let subjects: HashMap<[u8; 16], u64> =
            records.into_iter().map(|r| (r.id, r.subject)).collect();
        let mut entities: HashMap<u64, Option<String>> = HashMap::new();
        let wanted: HashSet<u64> = subjects.values().copied().collect();
        for subject in wanted {
            let entity = self.store().entity(subject).await?;
            entities.insert(subject, entity.map(|e| e.subject_text));
        }
        Ok(rows
            .into_iter()
            .map(|row| {
                let subject = subjects
                    .get(&row.id)
                    .and_then(|s| entities.get(s))
                    .cloned()
                    .flatten();
                self.tell(row, subject, sources)
            })
            .collect())
    }

    fn tell(
        &self,
        row: RefusalRow,
        subject: Option<String>,
        sources: &HashMap<SeatId, Source>,
    ) -> Refusal {
        let standard = self.standards().by_type(&row.record_type);
        let fields = listed(&row.fields).map(|name| {
            let field = standard.and_then(|s| s.field_named(name));
            field.map_or_else(|| name.to_owned(), |field| field.label.clone())
        });
        let reasons = listed(&row.reasons).map(|code| {
            let known = reason(code);
            RefusalReason {
                code: code.to_owned(),
                title: known
                    .map_or("本版本程序不认识的原因", |r| r.title)
                    .to_owned(),
                fix: known.map(|r| r.fix).unwrap_or_default().to_owned(),
            }
        });
        let (fields, reasons) = (fields.collect(), reasons.collect());
        let source = sources.get(&row.origin);
        Refusal {
            open: row.open,
            seat: row.origin,
            department: source.map_or_else(|| row.origin.to_string(), |s| s.department.clone()),
            source: source.map_or_else(|| row.origin.to_string(), |s| s.title.clone()),
            record_title: standard.map_or_else(|| row.record_type.clone(), |s| s.title.clone()),
            record_type: row.record_type,
            key: row.key_text,
            subject,
            reasons,
            fields,
            at_us: row.at_us,
        }
    }
}

/// The parts of a stored list.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ']).filter(|part| !part.is_empty())
}

/// Who states, as the list shows it.
pub(super) struct Source {
    pub(super) title: String,
    pub(super) department: String,
    node: SeatId,
}

fn matches_source(
    filter: &RefusalFilter,
    sources: &HashMap<SeatId, Source>,
    seat: &SeatId,
) -> bool {
    matches_node(filter, sources, seat)
        && filter
            .department
            .as_ref()
            .is_none_or(|d| sources.get(seat).is_some_and(|s| s.department == *d))
}

fn matches_node(filter: &RefusalFilter, sources: &HashMap<SeatId, Source>, seat: &SeatId) -> bool {
    let within = |node: &SeatId| node == seat || sources.get(seat).is_some_and(|s| s.node == *node);
    filter.seat.as_ref().is_none_or(|s| s == seat) && filter.node.as_ref().is_none_or(within)
}

/// What one pass over the rows gathers.
struct Looked<'a> {
    filter: &'a RefusalFilter,
    sources: &'a HashMap<SeatId, Source>,
    first: u64,
    last: u64,
    page: RefusalPage,
    rows: Vec<RefusalRow>,
    departments: BTreeMap<String, u64>,
    reasons: HashMap<String, u64>,
}

impl<'a> Looked<'a> {
    fn new(
        filter: &'a RefusalFilter,
        sources: &'a HashMap<SeatId, Source>,
        page: u32,
        rows: u32,
    ) -> Self {
        let first = u64::from(page.max(1) - 1) * u64::from(rows);
        Self {
            filter,
            sources,
            first,
            last: first + u64::from(rows),
            page: RefusalPage::default(),
            rows: Vec::new(),
            departments: BTreeMap::new(),
            reasons: HashMap::new(),
        }
    }

    fn look(&mut self, row: RefusalRow) {
        if !matches_node(self.filter, self.sources, &row.origin) {
            return;
        }
        let source = self.sources.get(&row.origin);
        let department = source.map(|s| s.department.as_str()).unwrap_or_default();
        let codes: HashSet<&str> = listed(&row.reasons).collect();
        let of_department = self
            .filter
            .department
            .as_ref()
            .is_none_or(|d| d == department);
        let of_reason = self
            .filter
            .reason
            .as_ref()
            .is_none_or(|r| codes.contains(r.as_str()));
        if of_reason {
            *self.departments.entry(department.to_owned()).or_default() += 1;
        }
        if of_department {
            for code in codes {
                *self.reasons.entry(code.to_owned()).or_default() += 1;
            }
        }
        if of_department && of_reason {
            if (self.first..self.last).contains(&self.page.total) {
                self.rows.push(row);
            }
            self.page.total += 1;
        }
    }
}
