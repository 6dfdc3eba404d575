//! The drop folder: files taken once, half-written and bad ones left alone, both encodings.

use std::time::{Duration, SystemTime};

use encoding_rs::GB18030;
use store::seat::{Capture, SeatStore};

use super::*;

struct World {
    folder: tempfile::TempDir,
    memory: SeatStore,
    source: i64,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        fs::create_dir(folder.path().join("drop")).expect("drop folder");
        let memory = SeatStore::open(&folder.path().join("agent"))
            .await
            .expect("memory");
        let source = memory.source("c").await.expect("source").id;
        Self {
            folder,
            memory,
            source,
        }
    }

    fn drop_file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join("drop").join(name);
        fs::write(&path, content).expect("drop");
        path
    }

    fn connector(&self) -> CsvFolder {
        CsvFolder::new(CsvSettings {
            name: "c".to_owned(),
            folder: self.folder.path().join("drop"),
            extension: "csv".to_owned(),
            delimiter: b',',
            stable_ms: 5_000,
            ok_required: false,
            key: vec!["ID".to_owned()],
            columns: vec!["ID".to_owned(), "NAME".to_owned()],
            spool: self.folder.path().join("spool"),
        })
    }

    async fn page(
        &self,
        folder: &mut CsvFolder,
        position: &[u8],
        rows_max: usize,
        now_ms: i64,
    ) -> Page {
        let context = ReadContext {
            rows_max,
            now_ms,
            memory: &self.memory,
            source: self.source,
        };
        folder.read_page(position, &context).await.expect("a page")
    }

    /// Reads until nothing is ready, committing each page; `fresh` makes a new connector after each commit.
    async fn all(&self, folder: &mut CsvFolder, rows_max: usize, now_ms: i64, fresh: bool) -> Read {
        let mut read = Read::default();
        let mut position = self.memory.source("c").await.expect("source").position;
        for _ in 0..1_000 {
            let page = self.page(folder, &position, rows_max, now_ms).await;
            read.note = page.note.unwrap_or_default();
            for row in &page.rows {
                read.rows.push((row.position.clone(), row.columns.clone()));
                read.defects += usize::from(row.defect.is_some());
            }
            let capture = Capture {
                source: self.source,
                position: page.position.clone(),
                file: page.file,
                ..Capture::default()
            };
            self.memory.commit_capture(&capture).await.expect("commit");
            position = page.position;
            if !page.more {
                return read;
            }
            if fresh {
                *folder = self.connector();
                // a new connector has to see the files stand still again
                self.page(folder, b"", 1, now_ms - 60_000).await;
            } else {
                folder.committed();
            }
        }
        panic!("the cycle does not end");
    }
}

#[derive(Default)]
struct Read {
    rows: Vec<(String, Vec<Value>)>,
    note: String,
    defects: usize,
}

impl Read {
    fn names(&self) -> Vec<String> {
        self.rows.iter().map(|(_, c)| c[1].to_string()).collect()
    }
}

#[tokio::test]
async fn a_file_is_taken_once_when_it_has_stood_still() {
    let world = World::new().await;
    let mut folder = world.connector();
    let path = world.drop_file("a.csv", b"ID,NAME\n1,x\n");
    let read = world.all(&mut folder, 10, 0, false).await;
    assert!(read.rows.is_empty() && read.note.contains("等待写完"));
    // it grows: the wait begins anew
    world.drop_file("a.csv", b"ID,NAME\n1,x\n2,y\n");
    let later = SystemTime::now() + Duration::from_secs(9);
    File::options()
        .append(true)
        .open(path)
        .and_then(|f| f.set_modified(later))
        .expect("time");
    assert!(
        world
            .all(&mut folder, 10, 6_000, false)
            .await
            .rows
            .is_empty()
    );
    let read = world.all(&mut folder, 10, 12_000, false).await;
    assert_eq!(read.names(), ["x", "y"]);
    assert_eq!(read.rows[1].0, "a.csv 第 3 行");
    assert!(
        world
            .all(&mut folder, 10, 20_000, false)
            .await
            .rows
            .is_empty()
    );
    // nor after a restart
    let mut folder = world.connector();
    world.all(&mut folder, 10, 30_000, false).await;
    assert!(
        world
            .all(&mut folder, 10, 40_000, false)
            .await
            .rows
            .is_empty()
    );
    // the same name with another content is another file
    world.drop_file("a.csv", b"ID,NAME\n1,z\n");
    world.all(&mut folder, 10, 50_000, false).await;
    let read = world.all(&mut folder, 10, 60_000, false).await;
    assert_eq!(read.names(), ["z"]);
    assert_eq!(
        fs::read_dir(world.folder.path().join("spool"))
            .expect("spool")
            .count(),
        0,
        "no copies are left behind"
    );
}

#[tokio::test]
async fn an_ok_file_vouches_at_once() {
    let world = World::new().await;
    let mut folder = world.connector();
    world.drop_file("a.csv", b"ID,NAME\n1,x\n");
    world.drop_file("a.csv.ok", b"");
    assert_eq!(world.all(&mut folder, 10, 0, false).await.names(), ["x"]);
}

#[tokio::test]
async fn pages_and_restarts_lose_and_double_nothing() {
    for end in ["\n", "\r\n"] {
        for fresh in [false, true] {
            let world = World::new().await;
            let mut content = format!("ID,NAME{end}");
            for id in 0..25 {
                // embedded line ends, quotes and commas
                content.push_str(&format!("{id},\"名{end}\"\"{id}\"\",\"{end}"));
            }
            world.drop_file("a.csv", content.as_bytes());
            world.drop_file("a.csv.ok", b"");
            let mut folder = world.connector();
            let read = world.all(&mut folder, 4, 0, fresh).await;
            let expected: Vec<String> = (0..25).map(|id| format!("名{end}\"{id}\",")).collect();
            assert_eq!(read.names(), expected);
            let lines: Vec<&str> = read.rows.iter().map(|(p, _)| p.as_str()).collect();
            assert_eq!((lines[0], lines[24]), ("a.csv 第 2 行", "a.csv 第 50 行"));
        }
    }
}

#[tokio::test]
async fn bad_files_are_left_alone_with_a_reason() {
    let gb = |s: &str| GB18030.encode(s).0.into_owned();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", b"".to_vec(), "空的"),
        (
            "cut in a quote",
            b"ID,NAME\n1,x\n2,\"ab".to_vec(),
            "引号没有闭合",
        ),
        ("cut in a line", b"ID,NAME\n1,x\n2".to_vec(), "最后一行"),
        ("preallocated", b"ID,NAME\n1,x\n\0\0\0\0".to_vec(), "空字节"),
        ("no such column", b"ID,NAM\n1,x\n".to_vec(), "是否指 NAM"),
        ("semicolons", b"ID;NAME\n1;x\n".to_vec(), "分隔符"),
        ("twice", b"ID,NAME,name\n1,x,y\n".to_vec(), "重复"),
        (
            "utf-16",
            [0xFF, 0xFE]
                .into_iter()
                .chain("ID,NAME\n".encode_utf16().flat_map(u16::to_le_bytes))
                .collect(),
            "UTF-16",
        ),
        (
            "neither encoding",
            [gb("ID,NAME\n1,张三\n"), vec![0xFF, 0xFF, b'\n']].concat(),
            "不能解码",
        ),
    ];
    for (what, content, reason) in cases {
        let world = World::new().await;
        let mut folder = world.connector();
        world.drop_file("a.csv", &content);
        world.drop_file("a.csv.ok", b"");
        world.drop_file("b.csv", b"ID,NAME\n7,good\n");
        world.drop_file("b.csv.ok", b"");
        let read = world.all(&mut folder, 10, 0, false).await;
        assert_eq!(read.names(), ["good"], "{what}: the others go on");
        let read = world.all(&mut folder, 10, 60_000, false).await;
        assert!(read.note.contains(reason), "{what}: {}", read.note);
        // mended, it is taken whole
        world.drop_file("a.csv", b"ID,NAME\n1,mended\n");
        let read = world.all(&mut folder, 10, 70_000, false).await;
        assert_eq!(read.names(), ["mended"], "{what}");
    }
}

#[tokio::test]
async fn both_encodings_and_the_marks_of_spreadsheets_are_read() {
    let name = "𠮷野家(上海)有限公司";
    let table = format!("ID\t,NAME\n1,{name}\n２３,全角\t\n");
    let mut with_bom = vec![0xEF, 0xBB, 0xBF];
    with_bom.extend_from_slice(table.as_bytes());
    for content in [
        table.clone().into_bytes(),
        with_bom,
        GB18030.encode(&table).0.into_owned(),
    ] {
        let world = World::new().await;
        let mut folder = world.connector();
        world.drop_file("a.csv", &content);
        world.drop_file("a.csv.ok", b"");
        let read = world.all(&mut folder, 10, 0, false).await;
        assert_eq!(read.names(), [name, "全角\t"]);
        assert_eq!(read.rows[1].1[0], Value::Text("２３".to_owned()));
    }
}

#[tokio::test]
async fn rows_of_the_wrong_width_are_marked_and_stop_nothing() {
    let world = World::new().await;
    let mut folder = world.connector();
    world.drop_file("a.csv", b"ID,NAME\n1,x\n2,y,z\n\n3\n4,w\n");
    world.drop_file("a.csv.ok", b"");
    let read = world.all(&mut folder, 10, 0, false).await;
    assert_eq!((read.rows.len(), read.defects), (4, 2));
}

#[tokio::test]
async fn a_locked_file_waits() {
    let world = World::new().await;
    let mut folder = world.connector();
    let path = world.drop_file("a.csv", b"ID,NAME\n1,x\n");
    world.drop_file("a.csv.ok", b"");
    let holder = File::open(path).expect("open");
    holder.lock().expect("lock");
    let read = world.all(&mut folder, 10, 0, false).await;
    assert!(read.rows.is_empty() && read.note.contains("锁"));
    holder.unlock().expect("unlock");
    assert_eq!(world.all(&mut folder, 10, 1, false).await.names(), ["x"]);
}

#[tokio::test]
async fn an_absent_folder_is_named() {
    let world = World::new().await;
    fs::remove_dir(world.folder.path().join("drop")).expect("remove");
    let context = ReadContext {
        rows_max: 10,
        now_ms: 0,
        memory: &world.memory,
        source: world.source,
    };
    let error = world
        .connector()
        .read_page(&[], &context)
        .await
        .expect_err("absent");
    assert!(matches!(error, ReadError::Absent { .. }));
}
