//! Entity search: by code, registration number and name part from two characters upward; the same answers in the same order
//! on both engines.
//!
//! Two characters are the commonest query and trigrams do not serve it, so names are indexed by their bigrams. An answer is
//! a chain of stages, each in the order of an index, so that a page costs what it shows: the whole name, then codes that
//! begin with the text (social credit code, registration number, organisation code), then names that contain it. What an
//! earlier stage has shown, a later one leaves out.

use crate::engine::{Arg, args, own};
use crate::fold::{ENTITY_COLUMNS, entity, whole_word, words};
use crate::{Alike, EntityRow, SearchPage, SearchQuery, Store, StoreError};

/// Rows of a page, whatever is asked for.
pub const PAGE_MAX: usize = 200;
/// Counting the matches stops here.
pub const COUNT_MAX: u64 = 1_000;
/// Characters of a name that are searched, and of a search text that are looked at.
const NAME_CHARS_MAX: usize = 512;
/// Lines of former names that are searched.
const FORMER_NAMES_MAX: usize = 64;

impl Store {
    /// Finds entities. Nothing in the text has a special meaning; upper and lower case, full and half width and spaces make
    /// no difference.
    pub async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        let Some(asked) = Asked::of(&query.text) else {
            return Ok(SearchPage::default());
        };
        let limit = query.limit.clamp(1, PAGE_MAX);
        let (first, mut after) = query
            .after
            .as_deref()
            .and_then(parse_place)
            .unwrap_or((0, None));
        let stages = asked.stages();
        let mut page = SearchPage {
            total_at_most: self.count(&asked, query).await?,
            ..SearchPage::default()
        };
        for stage in stages.into_iter().filter(|s| *s as u8 >= first) {
            let rows = self
                .stage(stage, &asked, query, after.take(), limit - page.rows.len())
                .await?;
            page.rows.extend(rows);
            if page.rows.len() == limit {
                page.next = page.rows.last().map(|last| place(stage, last));
                break;
            }
        }
        Ok(page)
    }

    /// Entities that may be one with something of these facts, at most `limit` of each fact, and whether any fact had more.
    /// The answers are in the order of the facts, each entity once.
    pub async fn alike(
        &self,
        facts: &Alike,
        limit: usize,
    ) -> Result<(Vec<EntityRow>, bool), StoreError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let mut found = Found::default();
        let numbers = std::iter::once((Stage::RegNo, &facts.reg_no))
            .chain(facts.org_codes.iter().map(|code| (Stage::OrgCode, code)));
        for (stage, number) in numbers.filter(|(_, number)| !number.is_empty()) {
            let column = stage.column().unwrap_or_default();
            let [number] = codes([number]);
            let sql = format!(
                "SELECT {ENTITY_COLUMNS} FROM entity e WHERE {column} = $1 AND {column} <> '' ORDER BY {column}, e.subject LIMIT $2"
            );
            let rows = self.rows(own(sql), args![number, limit + 1]).await?;
            found.take(rows.iter().map(entity).collect::<Result<_, _>>()?, limit);
        }
        if let Some(mut asked) = Asked::of(&facts.name).filter(|a| !a.grams.is_empty()) {
            asked.code = None;
            let query = SearchQuery::default();
            // the second stage, for former names, leaves the first one's answers out
            for stage in asked.stages() {
                let rows = self.stage(stage, &asked, &query, None, limit + 1).await?;
                found.take(rows, limit);
            }
        }
        Ok((found.rows, found.more))
    }

    async fn stage(
        &self,
        stage: Stage,
        asked: &Asked,
        query: &SearchQuery,
        after: Option<(String, i64)>,
        limit: usize,
    ) -> Result<Vec<EntityRow>, StoreError> {
        let mut sql = Sql::default();
        let (from, condition) = self.matching(stage, asked, query, &mut sql);
        let column = stage.column();
        let behind = match (after, column) {
            (Some((code, subject)), Some(column)) => {
                let (code, subject) = (sql.arg(code), sql.arg(subject));
                format!(" AND ({column}, e.subject) > ({code}, {subject})")
            }
            (Some((_, subject)), None) => {
                format!(" AND {} > {}", self.subject(stage), sql.arg(subject))
            }
            (None, _) => String::new(),
        };
        let order = column.map(|c| format!("{c}, ")).unwrap_or_default();
        let limit = sql.arg(limit);
        let text = format!(
            "SELECT {ENTITY_COLUMNS} FROM {from} WHERE {condition}{behind} ORDER BY {order}{} LIMIT {limit}",
            self.subject(stage)
        );
        self.rows(own(text), sql.args)
            .await?
            .iter()
            .map(entity)
            .collect()
    }

    async fn count(&self, asked: &Asked, query: &SearchQuery) -> Result<u64, StoreError> {
        let mut total = 0;
        for stage in asked.stages() {
            let mut sql = Sql::default();
            let (from, condition) = self.matching(stage, asked, query, &mut sql);
            let limit = sql.arg(COUNT_MAX - total);
            let text = format!(
                "SELECT COUNT(*) FROM (SELECT 1 FROM {from} WHERE {condition} LIMIT {limit}) AS m"
            );
            total += self.int(own(text), sql.args).await?.cast_unsigned();
            if total >= COUNT_MAX {
                break;
            }
        }
        Ok(total)
    }

    /// Tables and condition of a stage without the matches of earlier ones.
    fn matching(
        &self,
        stage: Stage,
        asked: &Asked,
        query: &SearchQuery,
        sql: &mut Sql,
    ) -> (String, String) {
        let mut conditions = Vec::new();
        let from = match stage {
            Stage::Part | Stage::WholeName if self.is_sqlite() => {
                let (words, condition) = if stage == Stage::Part {
                    let text = sql.arg(asked.text.as_str());
                    (
                        words(&asked.grams),
                        format!("instr(e.search_text, {text}) > 0"),
                    )
                } else {
                    (whole_word(&asked.text), asked.condition(stage, sql))
                };
                conditions.push(format!(
                    "entity_gram MATCH {}",
                    sql.arg(format!("\"{words}\""))
                ));
                conditions.push(condition);
                "entity_gram JOIN entity e ON e.subject = entity_gram.rowid"
            }
            Stage::Part => {
                let grams: Vec<i64> = asked.grams.iter().map(|g| g.cast_signed()).collect();
                conditions.push(format!("g.grams @> {}", sql.arg(grams)));
                conditions.push(format!(
                    "strpos(e.search_text, {}) > 0",
                    sql.arg(asked.text.as_str())
                ));
                "entity_gram g JOIN entity e ON e.subject = g.subject"
            }
            _ => {
                conditions.push(asked.condition(stage, sql));
                "entity e"
            }
        };
        for earlier in asked.stages().into_iter().filter(|s| *s < stage) {
            conditions.push(format!("NOT ({})", asked.condition(earlier, sql)));
        }
        if let Some(region) = &query.region {
            conditions.push(format!("e.region = {}", sql.arg(region.as_str())));
        }
        (from.to_owned(), conditions.join(" AND "))
    }

    fn subject(&self, stage: Stage) -> &'static str {
        if stage.column().is_none() && self.is_sqlite() {
            "entity_gram.rowid"
        } else {
            "e.subject"
        }
    }
}

/// Entities found by one fact after the other.
#[derive(Default)]
struct Found {
    rows: Vec<EntityRow>,
    more: bool,
}

impl Found {
    fn take(&mut self, mut rows: Vec<EntityRow>, limit: usize) {
        self.more |= rows.len() > limit;
        rows.truncate(limit);
        rows.retain(|row| self.rows.iter().all(|known| known.subject != row.subject));
        self.rows.extend(rows);
    }
}

/// A statement's arguments, numbered as they are named.
#[derive(Default)]
struct Sql {
    args: Vec<Arg>,
}

impl Sql {
    fn arg(&mut self, value: impl Into<Arg>) -> String {
        self.args.push(value.into());
        format!("${}", self.args.len())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Stage {
    WholeName = 0,
    Uscc = 1,
    RegNo = 2,
    OrgCode = 3,
    Part = 4,
}

impl Stage {
    const fn column(self) -> Option<&'static str> {
        match self {
            Self::Uscc => Some("e.uscc"),
            Self::RegNo => Some("e.reg_no"),
            Self::OrgCode => Some("e.org_code"),
            Self::WholeName | Self::Part => None,
        }
    }
}

/// What was asked for, in the form that is searched.
struct Asked {
    text: String,
    /// Codes between these bounds begin with the text, if it can be the beginning of a code.
    code: Option<(String, String)>,
    grams: Vec<u64>,
}

impl Asked {
    fn of(text: &str) -> Option<Self> {
        let text = normalise(text);
        if text.is_empty() {
            return None;
        }
        let code = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            .then(|| {
                let from = text.to_ascii_uppercase();
                let mut to = from.clone();
                // all bytes are ASCII, so the last one has a successor
                let last = to.pop().map_or('\u{80}', |c| char::from(c as u8 + 1));
                to.push(last);
                (from, to)
            });
        let grams = bigrams(&text).collect();
        Some(Self { text, code, grams })
    }

    fn stages(&self) -> Vec<Stage> {
        let mut stages = vec![Stage::WholeName];
        if self.code.is_some() {
            stages.extend([Stage::Uscc, Stage::RegNo, Stage::OrgCode]);
        }
        if !self.grams.is_empty() {
            stages.push(Stage::Part);
        }
        stages
    }

    /// Condition of a stage that needs no join. What is empty is in no index.
    fn condition(&self, stage: Stage, sql: &mut Sql) -> String {
        match (stage.column(), &self.code) {
            (Some(column), Some((from, to))) => {
                let (from, to) = (sql.arg(from.as_str()), sql.arg(to.as_str()));
                format!("{column} >= {from} AND {column} < {to} AND {column} <> ''")
            }
            _ => format!(
                "e.name_key = {} AND e.name_key <> ''",
                sql.arg(self.text.as_str())
            ),
        }
    }
}

/// Where a page ended: stage, subject, code.
fn place(stage: Stage, last: &EntityRow) -> String {
    let code = match stage {
        Stage::Uscc => &last.uscc,
        Stage::RegNo => &last.reg_no,
        Stage::OrgCode => &last.org_code,
        Stage::WholeName | Stage::Part => "",
    };
    format!("{}.{}.{code}", stage as u8, last.subject.cast_signed())
}

/// Reads [`place`]; a place that it did not write means the beginning.
fn parse_place(place: &str) -> Option<(u8, Option<(String, i64)>)> {
    let mut parts = place.splitn(3, '.');
    let stage: u8 = parts.next()?.parse().ok()?;
    let subject: i64 = parts.next()?.parse().ok()?;
    let code = parts.next()?;
    (stage <= Stage::Part as u8 && !code.contains('\0'))
        .then(|| (stage, Some((code.to_owned(), subject))))
}

/// Names of an entity as they are searched.
pub(crate) struct SearchText {
    /// The name.
    pub(crate) key: String,
    /// The name and former names, a line each.
    pub(crate) searched: String,
}

impl SearchText {
    pub(crate) fn of(name: &str, former_names: &str) -> Self {
        let key = normalise(name);
        let mut lines = vec![key.clone()];
        for former in former_names.lines().take(FORMER_NAMES_MAX).map(normalise) {
            if !former.is_empty() && !lines.contains(&former) {
                lines.push(former);
            }
        }
        Self {
            key,
            searched: lines.join("\n"),
        }
    }

    /// Bigrams of each name in order.
    pub(crate) fn grams(&self) -> Vec<Vec<u64>> {
        self.searched
            .lines()
            .map(|line| bigrams(line).collect())
            .collect()
    }
}

/// Codes as they are kept: upper case.
pub(crate) fn codes<const N: usize>(codes: [&str; N]) -> [String; N] {
    codes.map(str::to_ascii_uppercase)
}

fn bigrams(text: &str) -> impl Iterator<Item = u64> {
    text.chars()
        .zip(text.chars().skip(1))
        .map(|(a, b)| u64::from(a) << 21 | u64::from(b))
}

/// One form for what people take for the same: half width, lower case, no spaces and no invisible characters.
fn normalise(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            c => c,
        })
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}'))
        .flat_map(char::to_lowercase)
        .take(NAME_CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_searched_in_one_form() {
        let check = |text: &str, expected: &str| assert_eq!(normalise(text), expected, "{text:?}");
        check("上海(集团) 有限公司", "上海(集团)有限公司");
        check("ABC\u{3000}贸易\t行", "abc贸易行");
        check("\u{feff}𠮷野家\u{200b}", "𠮷野家");
        check(" \n", "");
    }

    #[test]
    fn grams_do_not_span_names() {
        let text = SearchText::of("甲乙", "丙丁\n\n甲乙\n戊");
        assert_eq!(text.searched, "甲乙\n丙丁\n戊");
        assert_eq!(
            text.grams().iter().map(Vec::len).collect::<Vec<_>>(),
            [1, 1, 0]
        );
    }

    #[test]
    fn only_ascii_can_begin_a_code() {
        let bounds = |text: &str| Asked::of(text).and_then(|a| a.code);
        assert_eq!(bounds("91a"), Some(("91A".into(), "91B".into())));
        assert_eq!(bounds("9z"), Some(("9Z".into(), "9[".into())));
        assert_eq!(bounds("９１ａ"), Some(("91A".into(), "91B".into())));
        assert_eq!(bounds("91%"), None);
        assert_eq!(bounds("上海"), None);
        assert!(Asked::of("  ").is_none());
    }

    #[test]
    fn a_place_survives_its_text() {
        let row = EntityRow {
            subject: u64::MAX,
            uscc: "91.3".into(),
            ..EntityRow::default()
        };
        assert_eq!(
            parse_place(&place(Stage::Uscc, &row)),
            Some((1, Some(("91.3".into(), -1))))
        );
        for text in ["", "9.1.", "1", "1.x.", "1.2", "-1.2.3"] {
            assert_eq!(parse_place(text), None, "{text:?}");
        }
    }
}
