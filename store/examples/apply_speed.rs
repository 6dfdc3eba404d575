//! Rows per second of `apply` on SQLite: fresh random records, then updates of random ones, beside a plain upsert of fat
//! rows into one table (266 bytes, all columns in SET, one index on the name, 100 rows per statement) through the same
//! driver with the same pragmas and cache. Runs are interleaved; the figures are medians of three.
//!
//! `cargo run --release -p store --example apply_speed [rows] [rows per transaction]`

use std::time::Instant;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use store::{ApplyGroup, Engine, Pointer, RecordRow, Store, StoreConfig};

const ROUNDS: usize = 3;
const FAT_ROWS_PER_STATEMENT: usize = 100;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .map(|a| a.parse().expect("a number of rows"));
    let rows: u64 = numbers.next().unwrap_or(300_000);
    let group = numbers.next().unwrap_or(5_000) as usize;
    let mut figures: [Vec<f64>; 4] = Default::default();
    for round in 0..ROUNDS as u64 {
        let [inserted, updated] = narrow(rows, group, round).await;
        let [fat_inserted, fat_updated] = fat(rows, group, round).await;
        for (all, one) in figures
            .iter_mut()
            .zip([inserted, updated, fat_inserted, fat_updated])
        {
            all.push(one);
        }
    }
    let [inserted, updated, fat_inserted, fat_updated] = figures.map(|mut all| {
        all.sort_by(f64::total_cmp);
        all[ROUNDS / 2]
    });
    println!(
        "{rows} rows, {group} per transaction, cache {} MiB, synchronous=FULL",
        Engine::CACHE_MIB
    );
    let line = |name: &str, apply: f64, fat: f64| {
        println!(
            "{name}: apply {apply:.0} rows/s ({:.1} us/row), fat table {fat:.0} rows/s, ratio {:.2}",
            1e6 / apply,
            apply / fat
        );
    };
    line("fresh random rows", inserted, fat_inserted);
    line("updates of random rows", updated, fat_updated);
}

/// Numbers of the rows of a pass: all once, then as many at random.
fn passes(rows: u64, round: u64) -> [Vec<u64>; 2] {
    let random = (0..rows).map(|n| mix(n + round * rows) % rows).collect();
    [(0..rows).collect(), random]
}

async fn narrow(rows: u64, group: usize, round: u64) -> [f64; 2] {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let engine = Engine::Sqlite {
        folder: folder.path().to_owned(),
        cache_mib: Engine::CACHE_MIB,
    };
    let store = Store::open(&StoreConfig { engine })
        .await
        .expect("a store opens");
    let mut block = 0;
    let mut rates = [0.0; 2];
    for (rate, numbers) in rates.iter_mut().zip(passes(rows, round)) {
        let began = Instant::now();
        for numbers in numbers.chunks(group) {
            block += 1;
            let records = numbers.iter().map(|n| record(*n, block)).collect();
            let group = ApplyGroup {
                through: block,
                records,
                ..ApplyGroup::default()
            };
            store.apply(group).await.expect("a group is applied");
        }
        *rate = rows as f64 / began.elapsed().as_secs_f64();
    }
    store.close().await;
    rates
}

fn record(n: u64, block: u64) -> RecordRow {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&mix(n).to_be_bytes());
    id[8..].copy_from_slice(&mix(!n).to_be_bytes());
    let mut version = [0; 16];
    version[8..].copy_from_slice(&block.to_be_bytes());
    let latest = Pointer {
        version,
        block,
        position: n as u32 % 1_000,
    };
    RecordRow {
        id,
        kind: 1,
        subject: mix(n ^ 0x5555),
        region: "310115".to_owned(),
        latest,
        shown: Some(latest),
        mask: 7,
        flags: 0,
    }
}

async fn fat(rows: u64, group: usize, round: u64) -> [f64; 2] {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut connection: SqliteConnection = SqliteConnectOptions::new()
        .filename(folder.path().join("fat.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", "32768")
        .pragma("temp_store", "MEMORY")
        .pragma(
            "cache_size",
            format!("-{}", u64::from(Engine::CACHE_MIB) * 1024),
        )
        .disable_statement_logging()
        .connect()
        .await
        .expect("a database opens");
    connection
        .execute(
            "CREATE TABLE fat (uscc TEXT PRIMARY KEY, name TEXT, kind TEXT, address TEXT, area TEXT, scope TEXT, \
             legal_rep TEXT, status TEXT, updated_at INTEGER); CREATE INDEX fat_name ON fat (name)",
        )
        .await
        .expect("a table is made");
    let mut step = 0;
    let mut rates = [0.0; 2];
    for (rate, numbers) in rates.iter_mut().zip(passes(rows, round)) {
        let began = Instant::now();
        for numbers in numbers.chunks(group) {
            step += 1;
            let mut tx = connection
                .begin_with("BEGIN IMMEDIATE")
                .await
                .expect("a transaction begins");
            for numbers in numbers.chunks(FAT_ROWS_PER_STATEMENT) {
                let values = vec!["(?,?,?,?,?,?,?,?,?)"; numbers.len()].join(",");
                let mut query = sqlx::query(AssertSqlSafe(format!(
                    "INSERT INTO fat VALUES {values} ON CONFLICT (uscc) DO UPDATE SET name = excluded.name, \
                     kind = excluded.kind, address = excluded.address, area = excluded.area, \
                     scope = excluded.scope, legal_rep = excluded.legal_rep, status = excluded.status, \
                     updated_at = excluded.updated_at"
                )));
                for n in numbers {
                    query = query
                        .bind(format!("91310115{:010}", mix(*n) % 10_000_000_000))
                        .bind(format!("上海{:08x}科技发展有限公司", mix(n ^ 0x77) as u32))
                        .bind("有限责任公司(自然人投资或控股)")
                        .bind(format!(
                            "上海市浦东新区张江路{}号{}室",
                            mix(*n) % 2_000,
                            n % 999
                        ))
                        .bind("310115")
                        .bind("技术服务、技术开发、技术咨询、技术转让;货物进出口")
                        .bind(format!("王{}", (step + n) % 1_000))
                        .bind(["存续", "注销", "吊销"][(step + n) as usize % 3])
                        .bind(step as i64);
                }
                query.execute(&mut *tx).await.expect("rows go in");
            }
            tx.commit().await.expect("a transaction commits");
        }
        *rate = rows as f64 / began.elapsed().as_secs_f64();
    }
    rates
}

fn mix(n: u64) -> u64 {
    let n = (n.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
