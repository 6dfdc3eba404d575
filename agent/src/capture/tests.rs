//! Capture over small pages: what is stated, taken back, refused and told again.

use std::path::Path;

use protocol::batch::Draft;
use protocol::bytes::Reader;
use protocol::entry::{builtin, read_fields};
use protocol::name::SeatId;
use store::seat::Unsealed;

use super::*;
use crate::connector::sqlite::{SqliteSettings, SqliteSource};

const NOW_MS: i64 = 1_714_536_000_000; // 2024-05-01 12:00:00 in Shanghai

fn now() -> Now {
    Now::from_ms(NOW_MS)
}

const A: &str = "91110000600037341L";
const B: &str = "91460100MA5RCF3N4C";

const MAPPING: &str = r#"
standard = "cn.registration"
[fields.entity_id]
column = "NBXH"
[fields.uscc]
column = "TYSHXYDM"
[fields.name]
column = "QYMC"
[fields.est_date]
column = "CLRQ"
"#;

fn capturer(source: i64) -> Capturer {
    let standards = Arc::new(Standards::builtin());
    let mapping = Mapping::parse(Path::new("m.toml"), MAPPING, &standards).expect("a mapping");
    Capturer::new(source, 1, mapping, standards, None)
}

struct World {
    _folder: tempfile::TempDir,
    store: SeatStore,
    capturer: Capturer,
    read: i64,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let store = SeatStore::open(folder.path()).await.expect("store");
        let source = store.source("登记").await.expect("source").id;
        Self {
            _folder: folder,
            store,
            capturer: capturer(source),
            read: 0,
        }
    }

    /// Takes one page of rows (row number, NBXH, code, name, date).
    async fn take(&self, rows: &[(i64, &str, &str, &str, &str)]) -> Taken {
        let page = self.page(rows);
        let identities: Vec<&[u8]> = page.rows.iter().map(|r| r.identity.as_slice()).collect();
        let images = self
            .store
            .images(self.capturer.source, &identities)
            .await
            .expect("images");
        let mut digest = self.capturer.digest(page, &images, now());
        digest
            .settle_rekeyed(&self.store, &self.capturer)
            .await
            .expect("settled");
        let taken = digest.taken.clone();
        self.store
            .commit_capture(&digest.into_capture())
            .await
            .expect("commit");
        taken
    }

    fn page(&self, rows: &[(i64, &str, &str, &str, &str)]) -> Page {
        let text = |s: &str| Value::from_text(s);
        // in the mapping's order: fields come by name
        let columns: Arc<[String]> = self.capturer.mapping.columns.clone().into();
        Page {
            rows: rows
                .iter()
                .map(|(id, key, code, name, date)| LegacyRow {
                    position: format!("T:ID={id}"),
                    key: Some(vec![Value::Integer(*id)]),
                    identity: crate::connector::identity(&[Value::Integer(*id)]),
                    columns: columns
                        .iter()
                        .map(|c| match c.as_str() {
                            "NBXH" => text(key),
                            "TYSHXYDM" => text(code),
                            "QYMC" => text(name),
                            _ => text(date),
                        })
                        .collect(),
                    defect: None,
                })
                .collect(),
            columns,
            position: vec![1],
            more: false,
            clock: None,
            file: None,
            note: None,
        }
    }

    /// The position that an entry states.
    fn position(&self, draft: &Draft) -> Option<String> {
        let mut r = Reader::new(draft.as_bytes(), "draft");
        let n = r.u8().expect("sections");
        let mut position = None;
        for _ in 0..n {
            let (number, bytes) = (r.u8().expect("number"), r.long().expect("section"));
            if number == PLATFORM {
                let read = Provenance::from_section(bytes).expect("section 15");
                position = read.position_text().map(str::to_owned);
            }
        }
        position
    }

    /// What was stated since the last call.
    async fn told(&mut self) -> Vec<String> {
        let chunks = self
            .store
            .unsealed(Lane::Records, 1_000_000, usize::MAX >> 1)
            .await
            .expect("unsealed");
        let new: Vec<&Unsealed> = chunks.iter().filter(|c| c.id > self.read).collect();
        let out = new.iter().flat_map(|c| entries(&c.body)).collect();
        self.read = chunks.last().map_or(self.read, |c| c.id);
        out
    }
}

fn entries(body: &[u8]) -> Vec<String> {
    let mut r = protocol::bytes::Reader::new(body, "chunk");
    let mut out = Vec::new();
    while !r.rest().is_empty() {
        let mut d = protocol::bytes::Reader::new(r.long().expect("draft"), "draft");
        let n = d.u8().expect("sections");
        let mut head = None;
        let mut name = String::new();
        for _ in 0..n {
            let (number, bytes) = (d.u8().expect("number"), d.long().expect("section"));
            if number == 0 {
                head = Some(Head::from_bytes(bytes).expect("head"));
            } else if number != PLATFORM {
                for (field, value) in read_fields(bytes).expect("fields") {
                    if field == 4 {
                        name = value.to_string();
                    }
                }
            }
        }
        let head = head.expect("head");
        let sign = match head.operation {
            Operation::Retract => "-",
            _ => "+",
        };
        let was = match (&head.was.subject, &head.was.hint) {
            (None, None) => String::new(),
            (s, h) => format!(
                " was {}{}",
                s.as_ref().map_or(String::new(), |s| text(s, &head)),
                match h {
                    Some(Hint::Division(code)) => format!("@{code}"),
                    Some(_) => "@?".to_owned(),
                    None => String::new(),
                }
            ),
        };
        if head.record_type == builtin::REFUSAL {
            out.push(format!(
                "{sign}refusal {}{}",
                text(&head.subject, &head),
                name
            ));
        } else {
            out.push(format!(
                "{sign}{} {} {name}{was}",
                head.key,
                text(&head.subject, &head)
            ));
        }
    }
    out
}

fn text(subject: &Subject, head: &Head) -> String {
    match subject {
        Subject::Unidentified => "own".to_owned(),
        other => other.text(&SeatId([3; 16]), &head.record_type, &head.key),
    }
}

#[tokio::test]
async fn a_row_is_stated_once_with_where_it_came_from() {
    let mut w = World::new().await;
    let row = [(1, "P1", A, "甲公司", "2018-07-27")];
    let taken = w.take(&row).await;
    assert_eq!((taken.read, taken.changed, taken.refused), (1, 1, 0));
    assert_eq!(w.told().await, [format!("+P1 uscc:{A} 甲公司")]);
    let chunks = w.store.unsealed(Lane::Records, 9, 9).await.expect("chunk");
    let draft = &chunk::drafts(&chunks[0].body).expect("drafts")[0];
    // number of sections and of the head, then the head after its length
    let mut r = protocol::bytes::Reader::new(&draft.as_bytes()[2..], "head");
    let head = Head::from_bytes(r.long().expect("bytes")).expect("head");
    assert_eq!(head.generation, 1);
    assert_eq!(w.position(draft).as_deref(), Some("T:ID=1"));
    assert_eq!(head.hint, Hint::Division("110000".to_owned()));
    assert_eq!(head.event_date, CivilDate::new(2018, 7, 27));

    let again = w.take(&row).await;
    assert_eq!((again.read, again.changed), (1, 0));
    assert!(w.told().await.is_empty());
    w.take(&[(1, "P1", A, "甲集团", "2018-07-27")]).await;
    assert_eq!(w.told().await, [format!("+P1 uscc:{A} 甲集团")]);
}

#[tokio::test]
async fn a_changed_subject_says_what_it_was() {
    let mut w = World::new().await;
    w.take(&[(1, "P1", A, "甲", "")]).await;
    w.told().await;
    w.take(&[(1, "P1", B, "甲", "")]).await;
    assert_eq!(
        w.told().await,
        [format!("+P1 uscc:{B} 甲 was uscc:{A}@110000")]
    );
    // two images of one record in one page: the last counts, and says what others knew before the page
    w.take(&[
        (1, "P1", A, "乙", ""),
        (2, "P2", A, "丙", ""),
        (1, "P1", "", "丁", ""),
    ])
    .await;
    assert_eq!(
        w.told().await,
        [
            format!("+P2 uscc:{A} 丙"),
            format!("+P1 own 丁 was uscc:{B}@460100"),
        ]
    );
    // two rows of one record: again one entry, of the later row
    w.take(&[(3, "P9", A, "先", ""), (4, "P9", B, "后", "")])
        .await;
    assert_eq!(w.told().await, [format!("+P9 uscc:{B} 后")]);
}

#[tokio::test]
async fn a_row_that_changes_its_key_takes_the_old_record_back() {
    let mut w = World::new().await;
    w.take(&[
        (1, "P1", A, "甲", ""),
        (2, "P2", B, "乙", ""),
        (3, "P2", B, "乙", ""),
    ])
    .await;
    w.told().await;
    w.take(&[(1, "P7", A, "甲", "")]).await;
    let mut told = w.told().await;
    told.sort();
    assert_eq!(told, [format!("+P7 uscc:{A} 甲"), format!("-P1 uscc:{A} ")]);
    // row 3 still states P2
    w.take(&[(2, "P8", B, "乙", "")]).await;
    assert_eq!(w.told().await, [format!("+P8 uscc:{B} 乙")]);
    // rows that swap their keys within a page retract nothing
    w.take(&[(1, "P8", A, "甲", ""), (2, "P7", B, "乙", "")])
        .await;
    assert_eq!(
        w.told().await.iter().filter(|t| t.starts_with('-')).count(),
        0
    );
}

#[tokio::test]
async fn a_refused_row_stays_here_and_its_refusal_closes_itself() {
    let mut w = World::new().await;
    let wrong = "91110000600037341N";
    let taken = w
        .take(&[(1, "P1", wrong, "甲", ""), (2, "P2", B, "乙", "")])
        .await;
    assert_eq!((taken.changed, taken.refused), (2, 1));
    let told = w.told().await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("+refusal") && !told[0].contains('甲'));
    assert_eq!(told[1], format!("+P2 uscc:{B} 乙"), "the others go on");
    let rejects = w.store.rejects(None, 0, 9).await.expect("rejects");
    assert_eq!(rejects.len(), 1);
    assert!(rejects[0].row.contains("甲") && rejects[0].reasons.contains("R-USCC-02"));
    // read again as it was: nothing more is said
    w.take(&[(1, "P1", wrong, "甲", "")]).await;
    assert!(w.told().await.is_empty());
    // mended
    w.take(&[(1, "P1", A, "甲", "")]).await;
    let told = w.told().await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("-refusal"), "{told:?}");
    assert_eq!(told[1], format!("+P1 uscc:{A} 甲"));
    assert!(
        w.store
            .rejects(None, 0, 9)
            .await
            .expect("rejects")
            .is_empty()
    );
    // broken again after it was stated: others keep the old image beside the refusal
    w.take(&[(1, "P1", wrong, "甲", "")]).await;
    assert!(w.told().await[0].starts_with("+refusal"));
    // and mended with another subject: others knew the first
    w.take(&[(1, "P1", B, "甲", "")]).await;
    assert_eq!(
        w.told().await[1],
        format!("+P1 uscc:{B} 甲 was uscc:{A}@110000")
    );
}

#[tokio::test]
async fn a_date_that_lay_in_the_future_is_accepted_when_it_has_come() {
    let mut w = World::new().await;
    let row = [(1, "P1", A, "甲", "2024-05-02")];
    assert_eq!(w.take(&row).await.refused, 1);
    w.told().await;
    let page = w.page(&row);
    let images = w
        .store
        .images(w.capturer.source, &[page.rows[0].identity.as_slice()])
        .await
        .expect("images");
    let tomorrow = Now::from_ms(NOW_MS + 86_400_000);
    let digest = w.capturer.digest(page, &images, tomorrow);
    assert_eq!((digest.taken.changed, digest.taken.refused), (1, 0));
    w.store
        .commit_capture(&digest.into_capture())
        .await
        .expect("commit");
    assert!(w.told().await[0].starts_with("-refusal"));
}

#[tokio::test]
async fn rare_characters_and_unreadable_text_are_kept_as_they_are() {
    let mut w = World::new().await;
    w.take(&[(1, "P1", A, "𠮷野家", "")]).await;
    assert_eq!(w.told().await, [format!("+P1 uscc:{A} 𠮷野家")]);
    // text with NUL is no text: the obliged field refuses the row, an optional one does not
    let taken = w.take(&[(2, "P2", B, "a\0b", "")]).await;
    assert_eq!(taken.refused, 1);
    let rejects = w.store.rejects(None, 0, 9).await.expect("rejects");
    assert!(rejects[0].row.contains("0x610062"), "{}", rejects[0].row);
}

#[tokio::test]
async fn a_crash_between_any_two_steps_loses_and_doubles_nothing() {
    use sqlx::{ConnectOptions as _, sqlite::SqliteConnectOptions};
    let folder = tempfile::tempdir().expect("folder");
    let legacy = folder.path().join("legacy.db");
    let mut writer = SqliteConnectOptions::new()
        .filename(&legacy)
        .create_if_missing(true)
        .connect()
        .await
        .expect("legacy");
    sqlx::raw_sql(
        "CREATE TABLE T (NBXH TEXT PRIMARY KEY, TYSHXYDM TEXT, QYMC TEXT, CLRQ TEXT, TS TEXT)",
    )
    .execute(&mut writer)
    .await
    .expect("table");
    for id in 0..50 {
        sqlx::query("INSERT INTO T VALUES ($1, $2, $3, '', datetime('now', '+8 hours', '-1 day'))")
            .bind(format!("P{id:02}"))
            .bind(if id % 10 == 9 { "123" } else { A })
            .bind(format!("n{id}"))
            .execute(&mut writer)
            .await
            .expect("row");
    }
    // every third attempt dies before its commit, every fifth right after it
    let data = folder.path().join("agent");
    let mut told: Vec<String> = Vec::new();
    for attempt in 0..90 {
        let store = SeatStore::open(&data).await.expect("store");
        let state = store.source("登记").await.expect("source");
        let capturer = capturer(state.id);
        let mut source = LegacySource::Sqlite(Box::new(SqliteSource::new(SqliteSettings {
            name: "登记".to_owned(),
            path: legacy.clone(),
            table: "T".to_owned(),
            key: Vec::new(),
            columns: capturer.mapping.columns.clone(),
            watermark: Some(crate::connector::watermark::Watermark {
                column: "TS".to_owned(),
                format: crate::connector::watermark::Format::DateTime,
                overlap_s: 600,
                lag_s: 0,
                utc_offset_s: 8 * 3600,
            }),
        })));
        let mut position = state.position;
        for page in 0.. {
            if (attempt + page) % 3 == 2 {
                let context = ReadContext {
                    rows_max: 4,
                    now_ms: NOW_MS,
                    memory: &store,
                    source: state.id,
                };
                // read and digested, and lost
                source.read_page(&position, &context).await.expect("a page");
                break;
            }
            let taken = capturer
                .take_page(&mut source, &store, &mut position, 4, now())
                .await
                .expect("a page");
            if !taken.more || (attempt + page) % 5 == 4 {
                break;
            }
        }
        let chunks = store
            .unsealed(Lane::Records, 1_000_000, usize::MAX >> 1)
            .await
            .expect("unsealed");
        told = chunks.iter().flat_map(|c| entries(&c.body)).collect();
        store.close().await;
    }
    told.sort();
    let (refusals, stated): (Vec<_>, Vec<_>) =
        told.into_iter().partition(|t| t.starts_with("+refusal"));
    let expected: Vec<String> = (0..50)
        .filter(|id| id % 10 != 9)
        .map(|id| format!("+P{id:02} uscc:{A} n{id}"))
        .collect();
    assert_eq!(stated, expected);
    assert_eq!(refusals.len(), 5);
}

/// A table whose primary key is the record's key states no positions: the agent can say them again, and nothing travels for
/// them. Everything else says where it stands, in the platform's own section.
#[tokio::test]
async fn a_position_is_stated_where_the_key_does_not_tell_it() {
    let check = async |what: &str, key: Option<Vec<Value>>, shares: bool, stated: bool| {
        let mut w = World::new().await;
        w.capturer.shares_keys = shares;
        // one row that is accepted, one that is refused
        let mut page = w.page(&[(7, "7", A, "甲", ""), (8, "8", "123", "乙", "")]);
        for (row, id) in page.rows.iter_mut().zip([7, 8]) {
            row.key = key.clone().map(|key| match key.as_slice() {
                [Value::Integer(_)] => vec![Value::Integer(id)],
                [Value::Text(_)] => vec![Value::from_text(id.to_string())],
                _ => key,
            });
        }
        let digest = w.capturer.digest(page, &HashMap::new(), now());
        w.store
            .commit_capture(&digest.into_capture())
            .await
            .expect("commit");
        let chunks = w
            .store
            .unsealed(Lane::Records, 9, 9_999)
            .await
            .expect("chunks");
        let drafts = chunk::drafts(&chunks[0].body).expect("drafts");
        let positions: Vec<_> = drafts.iter().map(|draft| w.position(draft)).collect();
        let expected = |id: u8| stated.then(|| format!("T:ID={id}"));
        assert_eq!(positions, [expected(7), expected(8)], "{what}");
    };
    let of = |value: Value| Some(vec![value]);
    check(
        "the key is the row's",
        of(Value::from_text("7")),
        false,
        false,
    )
    .await;
    check(
        "the key reads as the row's",
        of(Value::Integer(7)),
        false,
        false,
    )
    .await;
    check(
        "another key",
        of(Value::Decimal("9.5".to_owned())),
        false,
        true,
    )
    .await;
    let two = vec![Value::from_text("7"), Value::from_text("1")];
    check("a part of the row's key", Some(two), false, true).await;
    check("a file and a line", None, false, true).await;
    check(
        "two tables of one type",
        of(Value::from_text("7")),
        true,
        true,
    )
    .await;
}

/// A row that has no key at all is refused under its position, which is then its key.
#[tokio::test]
async fn the_refusal_of_a_row_without_a_key_is_found_by_its_position() {
    let w = World::new().await;
    w.take(&[(1, "", "", "甲", "")]).await;
    let chunks = w
        .store
        .unsealed(Lane::Records, 9, 9_999)
        .await
        .expect("chunks");
    let draft = &chunk::drafts(&chunks[0].body).expect("drafts")[0];
    assert_eq!(w.position(draft), None);
    let mut r = Reader::new(&draft.as_bytes()[2..], "head");
    let head = Head::from_bytes(r.long().expect("bytes")).expect("head");
    assert_eq!(head.record_type, builtin::REFUSAL);
    let hex: String = row_key("T:ID=1")
        .as_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert!(head.key.to_string().contains(&hex), "{}", head.key);
}

/// Of several images in a page the last counts; one that reads again as others know it says no former subject.
#[tokio::test]
async fn a_row_that_came_back_within_a_page_was_never_another() {
    let mut w = World::new().await;
    w.take(&[(1, "P1", A, "甲", "")]).await;
    w.told().await;
    // row 2 states the same record and gives way to row 1
    w.take(&[(1, "P1", B, "甲", ""), (2, "P1", A, "甲", "")])
        .await;
    assert_eq!(w.told().await, [format!("+P1 uscc:{A} 甲")]);
}
