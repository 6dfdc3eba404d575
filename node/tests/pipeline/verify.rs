//! `verify` over real stores: what was done to a folder past the program is found by the question that it belongs to, and what
//! is as it should be is not complained about, however it came.

use std::fs;
use std::path::Path;

use node::Node;
use node::verify::{PartName, Verified, VerifyError};
use protocol::batch::Draft;
use protocol::entry::Hint;
use protocol::frame::Item;
use store::AuditRow;
use store::testing::edit;
use supervision::standard::refusal::refusal_entry;
use supervision::standard::{Context, Standards};
use tempfile::TempDir;

use crate::kit::*;

pub const CODES: [&str; 4] = [
    "91110000600037341L",
    "91310115MA1K3BTP2B",
    "9144030071526726XG",
    "92510100MA61WJ3204",
];
pub const SECOND: i64 = 1_000_000;

/// Three nodes on folders that outlive them, and an eastern source of five batches.
struct Site {
    folders: Vec<TempDir>,
    source: Source,
    authority: Authority,
}

/// Which node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    City,
    East,
    West,
}

pub fn company(id: &str, code: &str, name: &str, area: &str) -> Vec<(&'static str, String)> {
    [
        ("entity_id", id),
        ("uscc", code),
        ("name", name),
        ("area", area),
        ("est_date", "2018-07-27"),
    ]
    .map(|(field, text)| (field, text.to_owned()))
    .to_vec()
}

pub fn draft(source: &Source, id: &str, code: &str, name: &str, area: &str) -> Draft {
    let fields = company(id, code, name, area);
    let entry = source.registration(&texts(&fields)).expect("accepted");
    source.draft(entry, Hint::Unknown)
}

pub fn stated(source: &mut Source, id: &str, code: &str, name: &str, area: &str) -> Item {
    let draft = draft(source, id, code, name, area);
    source.batch(&[draft])
}

pub fn texts<'a>(fields: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    fields.iter().map(|(f, t)| (*f, t.as_str())).collect()
}

fn refused(source: &mut Source) -> Item {
    let fields = company("9", "91110000600037341N", "错码有限公司", "历下区");
    let refused = source
        .registration(&texts(&fields))
        .expect_err("wrong code");
    let at = Context {
        today: protocol::value::CivilDate::new(2026, 11, 22).expect("date"),
    };
    let row = refused.key.clone().expect("a key of its own");
    let entry = refusal_entry(&Standards::builtin(), &refused, &row, &at);
    let draft = source.draft(entry, Hint::Unknown);
    source.batch(&[draft])
}

/// What the source states: the third batch is for the west in part, the fourth is a refusal, the fifth has the first company once
/// more. `sealed` looks on behind each.
fn items_with(source: &mut Source, mut sealed: impl FnMut(&Source)) -> Vec<Item> {
    let steps: [fn(&mut Source) -> Item; 5] = [
        |source| stated(source, "1", CODES[0], "一号有限公司", "历下区"),
        |source| stated(source, "2", CODES[1], "二号有限公司", "历下区"),
        |source| {
            let drafts = [
                ("3", CODES[2], "三号有限公司", "槐荫区"),
                ("4", CODES[3], "四号有限公司", "历下区"),
            ]
            .map(|(id, code, name, area)| draft(source, id, code, name, area));
            source.batch(&drafts)
        },
        refused,
        |source| stated(source, "1", CODES[0], "壹号有限公司", "历下区"),
    ];
    steps
        .iter()
        .map(|step| {
            let item = step(source);
            sealed(source);
            item
        })
        .collect()
}

pub fn items(source: &mut Source) -> Vec<Item> {
    items_with(source, |_| {})
}

impl Site {
    async fn new() -> Self {
        let authority = authority();
        let folders: Vec<TempDir> = (0..3).map(|_| TempDir::new().expect("folder")).collect();
        let mut source = Source::new(30, EAST, authority.districts[0].0, &key(3));
        let city = authority.city_node(folders[0].path()).await;
        let east = authority.district_node(folders[1].path(), 0).await;
        let west = authority.district_node(folders[2].path(), 1).await;
        for (_, _, identity, _) in &authority.districts {
            city.publish(std::slice::from_ref(identity), 1)
                .await
                .expect("district published");
        }
        hand_over(&east, &source.peer(), source.directory(), 0, 2)
            .await
            .expect("directory");
        let (mut up, mut down) = ([0; 3], [[0; 3]; 2]);
        for (n, item) in (1..).zip(items(&mut source)) {
            hand_over(&east, &source.peer(), vec![item], 2, n)
                .await
                .expect("taken in");
            settle(&east).await;
            sync(&east, &city, &mut up).await;
            sync(&city, &east, &mut down[0]).await;
            sync(&city, &west, &mut down[1]).await;
        }
        for node in [&city, &east, &west] {
            node.write_receipts(10 * SECOND).await.expect("receipts");
            for n in 0..3 {
                let act = AuditRow {
                    at_us: n,
                    account: "li".into(),
                    action: "sign-in".into(),
                    ..AuditRow::default()
                };
                node.store().audit_append(&act).await.expect("act");
            }
            node.store().close().await;
        }
        Self {
            folders,
            source,
            authority,
        }
    }

    /// A copy of a node's folder, to be done something to.
    fn copy(&self, at: At) -> TempDir {
        let copy = TempDir::new().expect("folder");
        for file in fs::read_dir(self.folders[at as usize].path()).expect("folder") {
            let file = file.expect("file");
            fs::copy(file.path(), copy.path().join(file.file_name())).expect("copied");
        }
        copy
    }

    async fn open(&self, at: At, folder: &Path) -> Node {
        match at {
            At::City => self.authority.city_node(folder).await,
            At::East => self.authority.district_node(folder, 0).await,
            At::West => self.authority.district_node(folder, 1).await,
        }
    }

    /// Statements that set the source's position back to before its last batch and take that out, with all that points to it.
    fn cut_tail(&self) -> Vec<String> {
        // what lay here before the last batch came
        let mut source = Source::new(30, EAST, self.authority.districts[0].0, &key(3));
        let mut logs = Vec::new();
        items_with(&mut source, |source| logs.push(source.log().clone()));
        let log = &logs[3];
        assert_eq!((log.sequence, self.source.log().sequence), (4, 5));
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
        vec![
            "DELETE FROM feed WHERE ref IN (SELECT ref FROM header WHERE sequence = 5)".into(),
            "DELETE FROM header WHERE sequence = 5".into(),
            format!(
                "UPDATE log SET last_sequence = 4, last_ref = x'{}', history = x'{}'",
                hex(&log.last.to_bytes()),
                hex(&log.history.to_bytes())
            ),
            "UPDATE progress SET value = (SELECT MAX(feed_offset) FROM feed) WHERE name IN ('applied', 'folded')"
                .into(),
        ]
    }
}

pub async fn verified(node: &Node, deep: bool) -> Verified {
    node.verify(deep, 20 * SECOND).await.expect("a result")
}

/// Something done to a folder.
struct Deed {
    what: &'static str,
    at: &'static [At],
    sql: Vec<String>,
    /// The question that finds it.
    part: PartName,
    /// A word of what is found.
    word: &'static str,
    /// What else is not as it should be in consequence.
    besides: &'static [PartName],
    /// Whether a run that is not deep finds it, too.
    quick: bool,
}

fn deeds(site: &Site) -> Vec<Deed> {
    use PartName::{Audit, Bytes, Completeness, Views};
    const OWED: &[At] = &[At::City, At::East];
    const ALL: &[At] = &[At::City, At::East, At::West];
    let deed = |what, at, sql: &[&str], part, word, besides, quick| Deed {
        what,
        at,
        sql: sql.iter().map(|s| (*s).to_owned()).collect(),
        part,
        word,
        besides,
        quick,
    };
    let mut all = vec![
        deed(
            "a bit in a block",
            ALL,
            &[
                "UPDATE feed SET body = CAST(substr(body, 1, length(body) - 9) || x'00' || substr(body, length(body) - 7) AS BLOB) \
               WHERE feed_offset = (SELECT MAX(feed_offset) FROM feed WHERE kind = 2)",
            ],
            Bytes,
            "接收序号",
            &[],
            false,
        ),
        deed(
            "a missing batch",
            OWED,
            &[
                "DELETE FROM feed WHERE ref IN (SELECT ref FROM header WHERE sequence = 2)",
                "DELETE FROM header WHERE sequence = 2",
            ],
            Completeness,
            "第 2 批：缺失：登记为已存至第 5 批",
            &[Views],
            true,
        ),
        deed(
            "a deleted filtered block",
            &[At::West],
            &["DELETE FROM feed WHERE kind = 2"],
            Completeness,
            "只剩批头，批次的内容已不在",
            &[Views],
            true,
        ),
        deed(
            "a changed name of an entity",
            ALL,
            &[
                "UPDATE entity SET name = '改名有限公司' WHERE name = '三号有限公司'",
                "UPDATE entity SET name = '改名有限公司' WHERE name = '二号有限公司'",
            ],
            Views,
            "名称应为「",
            &[],
            false,
        ),
        deed(
            "a deleted record row",
            ALL,
            &["DELETE FROM record WHERE rowid = (SELECT MIN(rowid) FROM record)"],
            Views,
            "现行记录缺失",
            &[],
            false,
        ),
        deed(
            "an emptied record of acts",
            ALL,
            &["DELETE FROM audit"],
            Audit,
            "审计记录",
            &[],
            true,
        ),
        // further ways to the same ends
        deed(
            "a statement that is not what was signed",
            ALL,
            &[
                "UPDATE envelope SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || x'00' AS BLOB) WHERE kind = 5",
            ],
            Bytes,
            "登记为已核验，重新核对未通过",
            &[Completeness],
            true,
        ),
        deed(
            "a statement that is gone",
            ALL,
            &["DELETE FROM envelope WHERE kind = 5"],
            Bytes,
            "缺少其启用声明",
            &[Completeness],
            true,
        ),
        deed(
            "a header under another number",
            ALL,
            &["UPDATE header SET sequence = sequence + 10 WHERE sequence = 3"],
            Bytes,
            "与批头的签名内容不符",
            &[Completeness],
            true,
        ),
        deed(
            "an item without its token",
            ALL,
            &["UPDATE feed SET token = x'' WHERE feed_offset = 2"],
            Bytes,
            "缺少接收时写入的标记",
            &[],
            true,
        ),
        deed(
            "a receipt that says less",
            OWED,
            &["UPDATE receipt SET durable_sequence = 3"],
            Bytes,
            "登记与签名内容不符",
            &[],
            true,
        ),
        deed(
            "a hole in the feed",
            ALL,
            &["DELETE FROM feed WHERE feed_offset = 2"],
            Completeness,
            "接收序号 2：该项缺失",
            &[],
            true,
        ),
        deed(
            "a position that is set back alone",
            OWED,
            &["UPDATE log SET last_sequence = 3"],
            Completeness,
            "均已完整：登记被改回",
            &[],
            true,
        ),
        deed(
            "a part that is written down as the whole",
            &[At::West],
            &["UPDATE header SET parts = NULL"],
            Completeness,
            "登记为完整，实际缺",
            &[],
            false,
        ),
        deed(
            "a refusal that is hidden",
            OWED,
            &["UPDATE refusal SET is_open = 0"],
            Views,
            "应有的未更正拒收缺失",
            &[],
            false,
        ),
        deed(
            "a refusal with other reasons",
            OWED,
            &["UPDATE refusal SET reasons = 'R-DATE-01'"],
            Views,
            "拒收的原因与日志不符",
            &[],
            false,
        ),
        deed(
            "a record that nobody stated",
            ALL,
            &["INSERT INTO record (id, subject, latest_version, body) \
               SELECT x'00112233445566778899aabbccddeeff', subject, latest_version, body FROM record LIMIT 1"],
            Views,
            "现行记录多出",
            &[],
            false,
        ),
        deed(
            "a record in another region",
            ALL,
            &[
                "UPDATE record SET body = CAST(substr(body, 1, 5) || x'333730313035' || substr(body, 12) AS BLOB) \
               WHERE rowid = (SELECT MIN(rowid) FROM record)",
            ],
            Views,
            "归属辖区与日志不符",
            &[],
            false,
        ),
        deed(
            "an entity that is gone",
            ALL,
            &["DELETE FROM entity WHERE rowid = (SELECT MIN(rowid) FROM entity)"],
            Views,
            "主体缺失",
            &[],
            false,
        ),
        deed(
            "a name that a search does not find",
            ALL,
            &["UPDATE entity SET search_text = 'x' WHERE rowid = (SELECT MIN(rowid) FROM entity)"],
            Views,
            "查询索引与主体不符",
            &[],
            false,
        ),
    ];
    for at in [&[At::City], &[At::East]] as [&'static [At]; 2] {
        all.push(Deed {
            what: "a cut tail with its position set back",
            at,
            sql: site.cut_tail(),
            part: Completeness,
            word: "本节点曾签发回执，确认已存至第 5 批，现只存至第 4 批",
            besides: &[Views],
            quick: true,
        });
    }
    all
}

pub fn says(verified: &Verified, part: PartName, word: &str) -> bool {
    let faults = &verified.part(part).faults;
    faults
        .iter()
        .any(|fault| format!("{}：{}", fault.place, fault.what).contains(word))
}

#[tokio::test]
async fn what_was_done_to_a_folder_is_found_by_the_question_that_it_belongs_to() {
    let site = Site::new().await;
    for deed in deeds(&site) {
        for at in deed.at {
            let folder = site.copy(*at);
            let sql: Vec<&str> = deed.sql.iter().map(String::as_str).collect();
            assert!(edit(folder.path(), &sql).await > 0, "{}: {at:?}", deed.what);
            let node = site.open(*at, folder.path()).await;
            let quick = verified(&node, false).await;
            assert_eq!(
                says(&quick, deed.part, deed.word),
                deed.quick,
                "{} ({at:?}), quick:\n{}",
                deed.what,
                quick.text()
            );
            let deep = verified(&node, true).await;
            let told = format!("{} ({at:?}):\n{}", deed.what, deep.text());
            assert!(says(&deep, deed.part, deed.word), "{told}");
            for name in PartName::ALL {
                let expected = name == deed.part || deed.besides.contains(&name);
                assert!(expected || deep.part(name).is_good(), "{told}");
            }
            assert!(deep.text().contains(deed.word), "{told}");
            assert_eq!(deep.json()[deed.part.key()]["ok"], false, "{told}");
            for fault in &deep.part(deed.part).faults {
                assert!(!fault.todo.is_empty(), "{told}");
            }
            node.store().close().await;
        }
    }
}

#[tokio::test]
async fn a_folder_that_nobody_touched_is_in_order() {
    let site = Site::new().await;
    for at in [At::City, At::East, At::West] {
        let folder = site.copy(at);
        let node = site.open(at, folder.path()).await;
        for deep in [false, true] {
            let found = verified(&node, deep).await;
            assert!(found.is_good(), "{at:?}:\n{}", found.text());
            assert_eq!(found.views.checked.is_some(), deep);
            assert!(found.bytes.checked > Some(0));
            assert!(found.completeness.checked > Some(0));
            assert_eq!(found.audit.checked, Some(3));
        }
        node.store().close().await;
    }
}

#[tokio::test]
async fn the_last_result_survives_the_process_and_a_quick_run_hides_no_deep_finding() {
    let site = Site::new().await;
    let folder = site.copy(At::East);
    edit(
        folder.path(),
        &["UPDATE entity SET name = '改名有限公司' WHERE name = '二号有限公司'"],
    )
    .await;
    let node = site.open(At::East, folder.path()).await;
    assert_eq!(node.last_verified().await.expect("last").words(), None);
    assert!(verified(&node, false).await.is_good());
    let last = node.last_verified().await.expect("last");
    assert_eq!(last.is_good(PartName::Bytes), Some(true));
    assert_eq!(last.is_good(PartName::Views), None, "nobody has asked");
    assert!(!verified(&node, true).await.is_good());
    assert!(verified(&node, false).await.is_good());
    node.store().close().await;
    drop(node);
    let node = site.open(At::East, folder.path()).await;
    let last = node.last_verified().await.expect("last");
    assert_eq!(last.is_good(PartName::Bytes), Some(true));
    assert_eq!(last.is_good(PartName::Views), Some(false));
    assert!(last.words().expect("words").contains("查询视图有 1 处问题"));
    // the page of nodes does not call such a node normal
    let tree = node.health_tree(&Default::default(), 30 * SECOND).await;
    let tree = tree.expect("tree");
    let own = tree.top.children.iter().find(|p| p.own).expect("itself");
    assert_ne!(own.state, Some(node::query::health::State::Normal));
    node.store().close().await;
}

#[tokio::test]
async fn one_run_at_a_time_and_it_stops_when_asked() {
    let site = Site::new().await;
    let folder = site.copy(At::City);
    let node = site.open(At::City, folder.path()).await;
    assert!(!node.stop_verify(), "none runs");
    let (first, second) = tokio::join!(node.verify(true, SECOND), async {
        let progress = node.verify_progress();
        (node.verify(true, SECOND).await, progress)
    });
    assert!(first.expect("a result").is_good());
    assert!(matches!(second.0, Err(VerifyError::Busy(_))));
    assert!(second.1.is_some());
    let before = node.last_verified().await.expect("last");
    let (stopped, asked) =
        tokio::join!(node.verify(true, 2 * SECOND), async { node.stop_verify() });
    assert!(asked);
    assert!(matches!(stopped, Err(VerifyError::Stopped)));
    assert_eq!(node.last_verified().await.expect("last"), before);
    assert!(node.verify_progress().is_none());
    node.store().close().await;
}

/// Records are compared in ranges, however few are held at once and whatever the table says of how many there are.
#[tokio::test]
async fn ranges_of_records_find_the_same() {
    let site = Site::new().await;
    for (sql, faults) in [
        ("UPDATE meta SET value = value", 0),
        ("DELETE FROM record WHERE rowid <= 2", 2),
        ("DELETE FROM record", 5),
    ] {
        for at in [At::City, At::East] {
            let folder = site.copy(at);
            edit(folder.path(), &[sql]).await;
            let node = site.open(at, folder.path()).await;
            for hold in [1, 2, 1_000] {
                let found = node.verify_holding(hold, true, SECOND).await;
                let views = found.expect("a result").views;
                let missing = views
                    .faults
                    .iter()
                    .filter(|f| f.what.contains("现行记录缺失"));
                assert_eq!(missing.count(), faults, "{sql}, {hold}: {views:?}");
                assert_eq!(views.is_good(), faults == 0);
            }
            node.store().close().await;
        }
    }
}
