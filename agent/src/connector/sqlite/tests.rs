//! The SQLite source: watermarks with overlap, clocks that lag, tables without update time, odd values.

use std::collections::BTreeSet;

use store::seat::SeatStore;

use super::*;
use crate::connector::watermark::Format;

const CLOCK: &str = "SELECT now FROM clock";
const START: i64 = 1_714_536_000; // 2024-05-01 12:00:00 in Shanghai

struct World {
    folder: tempfile::TempDir,
    writer: SqliteConnection,
    memory: SeatStore,
}

impl World {
    async fn new(schema: &str) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let writer = SqliteConnectOptions::new()
            .filename(folder.path().join("legacy.db"))
            .create_if_missing(true)
            .busy_timeout(Duration::from_millis(100))
            .connect()
            .await
            .expect("legacy database");
        let memory = SeatStore::open(&folder.path().join("agent"))
            .await
            .expect("memory");
        let mut world = Self {
            folder,
            writer,
            memory,
        };
        world
            .run(&format!(
                "CREATE TABLE clock (now INTEGER); INSERT INTO clock VALUES ({START}); {schema}"
            ))
            .await;
        world
    }

    async fn run(&mut self, sql: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
            .execute(&mut self.writer)
            .await
            .expect("legacy statement");
    }

    fn source(&self, key: &[&str], columns: &[&str], overlap_s: Option<i64>) -> SqliteSource {
        SqliteSource::new(SqliteSettings {
            name: "t".to_owned(),
            path: self.folder.path().join("legacy.db"),
            table: "T".to_owned(),
            key: key.iter().map(|s| (*s).to_owned()).collect(),
            columns: columns.iter().map(|s| (*s).to_owned()).collect(),
            watermark: overlap_s.map(|overlap_s| Watermark {
                column: "TS".to_owned(),
                format: Format::DateTime,
                overlap_s,
                lag_s: 2,
                utc_offset_s: 8 * 3600,
            }),
        })
        .with_clock(CLOCK)
    }

    /// Reads a whole cycle in pages of `rows_max`; with `fresh` every page comes from a newly made source, as after a
    /// crash behind each commit.
    async fn cycle(
        &self,
        make: impl Fn() -> SqliteSource,
        position: &mut Vec<u8>,
        rows_max: usize,
        fresh: bool,
    ) -> Vec<String> {
        let mut source = make();
        let mut out = Vec::new();
        for _ in 0..10_000 {
            let context = ReadContext {
                rows_max,
                now_ms: 0,
                memory: &self.memory,
                source: 1,
            };
            let page = source.read_page(position, &context).await.expect("a page");
            out.extend(page.rows.iter().map(|r| r.position.clone()));
            *position = page.position;
            if !page.more {
                return out;
            }
            if fresh {
                source = make();
            }
        }
        panic!("the cycle does not end");
    }
}

fn rows(ids: impl IntoIterator<Item = i64>) -> Vec<String> {
    ids.into_iter().map(|id| format!("T:ID={id}")).collect()
}

const PLAIN: &str =
    "CREATE TABLE T (ID INTEGER PRIMARY KEY, NAME TEXT, TS TEXT); CREATE INDEX T_TS ON T (TS);";

async fn insert(world: &mut World, ids: impl IntoIterator<Item = i64>, ts: &str) {
    for id in ids {
        world
            .run(&format!("INSERT INTO T VALUES ({id}, 'n{id}', {ts})"))
            .await;
    }
}

#[tokio::test]
async fn equal_timestamps_at_a_border_are_not_lost() {
    for fresh in [false, true] {
        let mut world = World::new(PLAIN).await;
        insert(&mut world, 1..=7, "'2024-05-01 11:59:00'").await;
        let make = |w: &World| w.source(&[], &["NAME"], Some(0));
        let mut position = Vec::new();
        // pages of three cut through seven rows of one time
        let read = world.cycle(|| make(&world), &mut position, 3, fresh).await;
        assert_eq!(read, rows(1..=7));
        // committed later with the very same time, below and above the greatest key
        insert(&mut world, [0, 8], "'2024-05-01 11:59:00'").await;
        let read = world.cycle(|| make(&world), &mut position, 3, fresh).await;
        assert!(read.contains(&"T:ID=0".to_owned()) && read.contains(&"T:ID=8".to_owned()));
    }
}

#[tokio::test]
async fn a_row_of_the_newest_second_is_found_at_once_while_the_sweep_rests() {
    let mut world = World::new(PLAIN).await;
    world
        .run(
            "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 20010) \
             INSERT INTO T SELECT i, 'x', '2024-05-01 11:00:00' FROM n",
        )
        .await;
    insert(&mut world, [9_000_000], "'2024-05-01 11:59:59'").await;
    let mut make = world.source(&[], &["NAME"], Some(3600)).settings;
    if let Some(w) = &mut make.watermark {
        w.lag_s = 0;
    }
    let make = || SqliteSource::new(make.clone()).with_clock(CLOCK);
    let mut position = Vec::new();
    world.cycle(make, &mut position, 5_000, false).await;
    // the sweep rests for some seconds after so many rows; a bulk is not read again for one row
    insert(&mut world, [5], "'2024-05-01 11:59:59'").await;
    insert(&mut world, [9_000_001], "'2024-05-01 11:59:59'").await;
    let read = world.cycle(make, &mut position, 5_000, false).await;
    assert_eq!(read, rows([9_000_001]));
    insert(&mut world, [6], "'2024-05-01 11:59:59'").await;
    let read = world.cycle(make, &mut position, 5_000, false).await;
    assert_eq!(read, rows([5, 6, 9_000_000, 9_000_001]));
}

#[tokio::test]
async fn late_commits_within_the_overlap_are_found() {
    let mut world = World::new(PLAIN).await;
    insert(&mut world, [1], "'2024-05-01 11:40:00'").await;
    insert(&mut world, [2], "'2024-05-01 11:59:30'").await;
    let make = |w: &World| w.source(&[], &["NAME"], Some(600));
    let mut position = Vec::new();
    assert_eq!(
        world.cycle(|| make(&world), &mut position, 10, true).await,
        rows([1, 2])
    );
    // a long transaction commits nine minutes behind the cursor
    insert(&mut world, [3], "'2024-05-01 11:50:30'").await;
    world.run("UPDATE clock SET now = now + 5").await;
    let read = world.cycle(|| make(&world), &mut position, 10, true).await;
    assert_eq!(read, rows([3, 2]), "what lies in the overlap is read again");
}

#[tokio::test]
async fn rows_ahead_of_the_lagging_source_clock_wait_and_are_then_read() {
    let mut world = World::new(PLAIN).await;
    insert(&mut world, [1], "'2024-05-01 11:59:58'").await;
    insert(&mut world, [2], "'2024-05-01 11:59:59'").await; // above clock minus lag
    insert(&mut world, [3], "'2024-05-01 12:10:00'").await; // the source's clock lags behind the writer's
    let make = |w: &World| w.source(&[], &["NAME"], Some(600));
    let mut position = Vec::new();
    assert_eq!(
        world.cycle(|| make(&world), &mut position, 10, true).await,
        rows([1])
    );
    world.run("UPDATE clock SET now = now + 60").await;
    let read = world.cycle(|| make(&world), &mut position, 10, true).await;
    assert_eq!(read, rows([1, 2]));
    world.run("UPDATE clock SET now = now + 900").await;
    let read = world.cycle(|| make(&world), &mut position, 10, true).await;
    assert!(read.contains(&"T:ID=3".to_owned()));
    // the clock is set back: nothing new is read, nothing is lost, and people are told
    world.run("UPDATE clock SET now = now - 86400").await;
    let context = ReadContext {
        rows_max: 10,
        now_ms: 0,
        memory: &world.memory,
        source: 1,
    };
    let page = make(&world)
        .read_page(&position, &context)
        .await
        .expect("a page");
    assert!(page.note.expect("a note").contains("时钟"));
}

#[tokio::test]
async fn rows_without_a_usable_time_are_read_too() {
    let mut world = World::new(PLAIN).await;
    insert(&mut world, [1], "NULL").await;
    insert(&mut world, [2], "''").await;
    insert(&mut world, [3], "'0000-00-00 00:00:00'").await;
    insert(&mut world, [4], "1714536000").await;
    insert(&mut world, [5], "'2099-12-31 00:00:00'").await;
    insert(&mut world, [6], "'2024-05-01 10:00:00'").await;
    insert(&mut world, [7], "x'0102'").await;
    for fresh in [false, true] {
        let mut position = Vec::new();
        let make = || world.source(&[], &["NAME"], Some(600));
        let mut read = world.cycle(make, &mut position, 2, fresh).await;
        read.sort();
        assert_eq!(read, rows(1..=7));
    }
}

#[tokio::test]
async fn a_table_without_update_column_is_read_whole_every_cycle() {
    let mut world = World::new(PLAIN).await;
    insert(&mut world, 1..=5, "NULL").await;
    let mut position = Vec::new();
    for fresh in [false, true] {
        let read = world
            .cycle(
                || world.source(&[], &["NAME"], None),
                &mut position,
                2,
                fresh,
            )
            .await;
        assert_eq!(read, rows(1..=5));
    }
}

#[tokio::test]
async fn a_full_compare_reads_all_and_goes_on_where_it_stood() {
    let mut world = World::new(PLAIN).await;
    insert(&mut world, 1..=4, "'2024-05-01 08:00:00'").await;
    let make = || world.source(&[], &["NAME"], Some(60));
    let mut position = Vec::new();
    world.cycle(make, &mut position, 10, true).await;
    let mut full = make()
        .position_for_full_compare(&position)
        .expect("a position");
    assert_eq!(
        world.cycle(make, &mut full, 3, true).await,
        rows(1..=4),
        "all rows"
    );
    let after = Position::read(&full).expect("position");
    assert!(after.high.is_some() && after.phase == Phase::Idle);
}

#[tokio::test]
async fn keys_are_found_or_asked_for() {
    let mut world = World::new(
        "CREATE TABLE T (A TEXT, B BLOB, NAME TEXT, TS TEXT, PRIMARY KEY (A, B)) WITHOUT ROWID",
    )
    .await;
    // the same key columns hold GB18030 bytes, text, numbers and null-free blobs
    world
        .run("INSERT INTO T VALUES (CAST(x'D5C5C8FD' AS TEXT), 1, 'x', NULL), ('张三', x'01', 'x', NULL), \
              (CAST(x'D5C5C8FD' AS TEXT), 2, 'x', NULL), ('a', 'b', 'x', NULL)")
        .await;
    let mut position = Vec::new();
    for fresh in [false, true] {
        let read = world
            .cycle(
                || world.source(&[], &["NAME"], None),
                &mut position,
                1,
                fresh,
            )
            .await;
        let distinct: BTreeSet<_> = read.iter().collect();
        assert_eq!((read.len(), distinct.len()), (4, 4), "{read:?}");
    }
    let mut world = World::new("CREATE VIEW T AS SELECT now AS ID, 'x' AS NAME FROM clock").await;
    let error = world
        .source(&[], &["NAME"], None)
        .open()
        .await
        .err()
        .expect("a view has no key");
    assert!(matches!(error, ReadError::NoKey { .. }));
    world
        .cycle(
            || world.source(&["ID"], &["NAME"], None),
            &mut Vec::new(),
            5,
            true,
        )
        .await;
    world.run("DROP VIEW T; CREATE TABLE TT (ID INTEGER)").await;
    let error = world
        .source(&[], &["NAME"], None)
        .open()
        .await
        .err()
        .expect("no table");
    assert!(error.to_string().contains("是否指 TT"), "{error}");
}

#[tokio::test]
async fn values_come_as_they_are_stored() {
    let mut world = World::new("CREATE TABLE T (ID INTEGER PRIMARY KEY, V INTEGER)").await;
    let gb = |hex: &str| format!("CAST(x'{hex}' AS TEXT)");
    let text = |s: &str| Value::Text(s.to_owned());
    let cases: Vec<(String, Value)> = vec![
        ("NULL".into(), Value::Null),
        ("''".into(), Value::Empty),
        ("x''".into(), Value::Empty),
        ("42".into(), Value::Integer(42)),
        ("'abc'".into(), text("abc")), // text in a column of numbers
        ("9223372036854775807".into(), Value::Integer(i64::MAX)),
        (
            "18446744073709551615".into(),
            Value::Decimal("18446744073709552000".into()),
        ),
        ("1.5".into(), Value::Decimal("1.5".into())),
        ("9e999".into(), Value::Raw(b"inf".to_vec())),
        ("'𠮷野家'".into(), text("𠮷野家")),
        ("'2025-00-15'".into(), text("2025-00-15")),
        (gb("D5C5C8FD"), text("张三")),
        (gb("FFFE"), Value::Raw(vec![0xFF, 0xFE])),
        ("'a' || char(0) || 'b'".into(), Value::Raw(b"a\0b".to_vec())),
        ("x'01FF'".into(), Value::Raw(vec![1, 0xFF])),
    ];
    for (id, (sql, _)) in cases.iter().enumerate() {
        world
            .run(&format!("INSERT INTO T VALUES ({id}, {sql})"))
            .await;
    }
    world
        .run("INSERT INTO T VALUES (99, zeroblob(200000))")
        .await;
    let mut source = world.source(&[], &["V"], None);
    let context = ReadContext {
        rows_max: 100,
        now_ms: 0,
        memory: &world.memory,
        source: 1,
    };
    let page = source.read_page(&[], &context).await.expect("a page");
    for (row, (sql, expected)) in page.rows.iter().zip(&cases) {
        assert_eq!(row.columns[0], *expected, "{sql}");
        assert_eq!(row.defect, None, "{sql}");
    }
    let last = page.rows.last().expect("rows");
    assert_eq!(last.defect, Some(RowDefect::Oversized));
}

#[tokio::test]
async fn a_page_is_bounded_in_bytes() {
    let mut world = World::new("CREATE TABLE T (ID INTEGER PRIMARY KEY, V TEXT)").await;
    for id in 0..40 {
        world
            .run(&format!(
                "INSERT INTO T VALUES ({id}, hex(zeroblob(60000)))"
            ))
            .await;
    }
    let mut source = world.source(&[], &["V"], None);
    let context = ReadContext {
        rows_max: 1000,
        now_ms: 0,
        memory: &world.memory,
        source: 1,
    };
    let page = source.read_page(&[], &context).await.expect("a page");
    assert!(page.more && page.rows.len() < 20, "{}", page.rows.len());
    let read = world
        .cycle(
            || world.source(&[], &["V"], None),
            &mut Vec::new(),
            1000,
            false,
        )
        .await;
    assert_eq!(read.len(), 40);
}

#[tokio::test]
async fn faults_of_the_file_say_who_is_at_fault() {
    let mut world = World::new(PLAIN).await;
    let file = world.folder.path().join("legacy.db");
    let context = ReadContext {
        rows_max: 10,
        now_ms: 0,
        memory: &world.memory,
        source: 1,
    };
    let settings = world.source(&[], &["NAME"], None).settings;
    let read = async |path: PathBuf| {
        SqliteSource::new(SqliteSettings {
            path,
            ..settings.clone()
        })
        .read_page(&[], &context)
        .await
        .map(|_| ())
    };
    let absent = read(world.folder.path().join("none.db")).await;
    assert!(matches!(absent, Err(ReadError::Absent { .. })));
    let broken = world.folder.path().join("broken.db");
    std::fs::write(&broken, "这不是数据库,只是一个文本文件".repeat(100)).expect("write");
    assert!(matches!(read(broken).await, Err(ReadError::Corrupt { .. })));
    let cut = world.folder.path().join("cut.db");
    let whole = std::fs::read(&file).expect("read");
    std::fs::write(&cut, &whole[..whole.len() / 2]).expect("write");
    assert!(matches!(read(cut).await, Err(ReadError::Corrupt { .. })));
    let empty = world.folder.path().join("empty.db");
    std::fs::write(&empty, "").expect("write");
    assert!(matches!(read(empty).await, Err(ReadError::NoTable { .. })));
    // the business system holds an exclusive lock, and lets go again
    sqlx::raw_sql("BEGIN EXCLUSIVE")
        .execute(&mut world.writer)
        .await
        .expect("lock");
    assert!(matches!(
        read(file.clone()).await,
        Err(ReadError::Locked { .. })
    ));
    sqlx::raw_sql("COMMIT")
        .execute(&mut world.writer)
        .await
        .expect("unlock");
    read(file).await.expect("readable again");
}

#[tokio::test]
async fn the_probe_warns_of_a_bad_update_column() {
    let mut world = World::new("CREATE TABLE T (ID INTEGER PRIMARY KEY, NAME TEXT, TS TEXT)").await;
    insert(&mut world, [1, 2], "NULL").await;
    insert(&mut world, [3], "'20240501'").await;
    let probe = world
        .source(&[], &["NAME"], Some(60))
        .probe()
        .await
        .expect("probe");
    let table = probe.tables.iter().find(|t| t.name == "T").expect("T");
    assert_eq!(table.rows, Some(3));
    let watermark = table.watermark.as_ref().expect("watermark");
    let (faults, warnings) = (&watermark.faults, &watermark.warnings);
    assert_eq!((faults.len(), warnings.len()), (1, 3), "{watermark:?}");
    assert!(faults[0].contains("可用的 format"), "{faults:?}");
    assert!(!table.view);
}

#[tokio::test]
async fn the_probe_finds_times_of_another_zone() {
    let check = async |value: &str, faults: usize, warnings: usize| {
        let mut world =
            World::new("CREATE TABLE T (ID INTEGER PRIMARY KEY, NAME TEXT, TS TEXT)").await;
        insert(&mut world, [1, 2], &format!("'{value}'")).await;
        let mut source = world.source(&[], &["NAME"], Some(60));
        let probe = source.probe().await.expect("probe");
        let table = probe.tables.iter().find(|t| t.name == "T").expect("T");
        let found = table.watermark.as_ref().expect("watermark");
        let counts = (found.faults.len(), found.warnings.len());
        assert_eq!(counts, (faults, warnings), "{value}: {found:?}");
        if faults > 0 {
            assert!(found.faults[0].contains("utc_offset"), "{found:?}");
        }
    };
    // the source's clock says 12:00:00; the column has no index
    check("2024-05-01 11:59:00", 0, 1).await;
    check("2024-05-01 12:04:00", 0, 2).await;
    check("2024-05-01 19:59:00", 1, 1).await;
    check("2024-05-02 12:00:00", 0, 2).await;
    check("2024-04-30 12:00:00", 0, 1).await;
}
