//! One run over agent, district and city: what was captured while the link was down catches up, everything changes at once
//! with the link up, then single changes at a steady pace. Figures come from the parties' own notes of when their feeds
//! passed each stage, and from their databases; that both sides hold the same is checked before a figure counts.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use protocol::batch::Header;
use protocol::envelope::Envelope;
use protocol::opening::Opening;
use protocol::slice;
use serde_json::Value;
use sqlx::Row as _;

use super::Failure;
use super::baseline::read_only;
use super::city::{City, ask, node_database, seat_database};
use super::figures::{Spread, sync_time};
use super::legacy::{Legacy, now_us};
use super::rows::{DISTRICT, shuffled};

/// Changes per second while latency is measured.
pub const CHANGES_PER_SECOND: u32 = 100;
/// How long latency is measured.
pub const CHANGE_SECONDS: u32 = 20;
/// No phase of a run takes longer.
const PATIENCE: Duration = Duration::from_secs(900);
/// How often the parties are asked how far they are.
const PAUSE: Duration = Duration::from_millis(100);
/// Lane of registrations.
const LANE: i64 = 2;

/// How fast data went from a beginning to the stages.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flow {
    /// Rows per second durable at the district.
    pub district_durable: f64,
    /// Rows per second durable at the city.
    pub durable: f64,
    /// Rows per second applied at the city.
    pub applied: f64,
    /// Rows per second in the city's views.
    pub folded: f64,
    /// Bytes of UDP per row between agent and district, both ways.
    pub first_hop: f64,
    /// Bytes of UDP per row between district and city, both ways.
    pub second_hop: f64,
    /// Processor time per row of city, district and agent, in microseconds, until all was in views.
    pub cpu: [f64; 3],
}

/// Latencies of single changes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Latency {
    /// From the change in the department's system to the origin commit.
    pub noticing: Spread,
    /// From the origin commit until the batch was sealed and could leave.
    pub sealed: Spread,
    /// From the origin commit until it was durable at the district.
    pub at_district: Spread,
    /// From the origin commit until it was durable at the city.
    pub durable: Spread,
    /// From the origin commit until it was applied at the city.
    pub applied: Spread,
    /// 4 KiB appended and synchronised on the same disk, just before and after.
    pub sync: Spread,
    /// Blocks in which the changes travelled.
    pub blocks: usize,
    /// Changes that were found.
    pub changes: usize,
}

/// What a run measured.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Rows per second that the agent captures while nothing can be sent.
    pub capture: f64,
    /// Catch-up of what was captured before.
    pub catch_up: Flow,
    /// All rows changed at once with the link up, from the commit at the source.
    pub changed: Flow,
    /// Catch-up of changes to all rows that were captured before.
    pub caught_changes: Flow,
    /// Single changes.
    pub latency: Latency,
    /// Processor time per row that the agent captures, in microseconds.
    pub capture_cpu: f64,
    /// Peak memory of city, district and agent, in bytes; over all starts.
    pub memory: [u64; 3],
}

/// Runs everything once in `folder`.
pub async fn measure(folder: &Path, rows: u64, told: impl Fn(&str)) -> Result<Measured, Failure> {
    let mut measured = Measured::default();
    told("department's system and admission");
    let mut legacy = Legacy::make(&folder.join("legacy.db"), rows).await?;
    let mut city = City::make(folder, legacy.path()).await?;
    city.stop_district()?;

    told("capture, link down");
    let began = now_us();
    city.start_agent().await?;
    measured.capture = rate(rows, began, captured(&city, rows).await?);
    measured.capture_cpu = city.cpu()[2] as f64 / rows as f64;

    told("catch-up");
    let cpu = city.cpu();
    city.start_district().await?;
    let flow = Passing {
        city: &city,
        rows,
        total: rows,
        cpu,
    };
    measured.catch_up = flow.measure(None).await?;

    told("all rows change, link up");
    let cpu = city.cpu();
    let began = legacy.change_all(rows, 1).await?;
    let flow = Passing {
        city: &city,
        rows,
        total: 2 * rows,
        cpu,
    };
    measured.changed = flow.measure(Some(began)).await?;

    told("all rows change, link down");
    keep_peak(&mut measured.memory, city.memory());
    city.stop_district()?;
    legacy.change_all(rows, 2).await?;
    captured(&city, 3 * rows).await?;
    let cpu = city.cpu();
    city.start_district().await?;
    let flow = Passing {
        city: &city,
        rows,
        total: 3 * rows,
        cpu,
    };
    measured.caught_changes = flow.measure(None).await?;

    told("single changes");
    // the overlap in which the agent looks twice at changed rows is over
    tokio::time::sleep(Duration::from_secs(5)).await;
    measured.latency = latency(&city, &mut legacy, rows).await?;

    keep_peak(&mut measured.memory, city.memory());
    same_everywhere(&city, rows).await?;
    city.stop()?;
    Ok(measured)
}

fn keep_peak(kept: &mut [u64; 3], now: [u64; 3]) {
    for (kept, now) in kept.iter_mut().zip(now) {
        *kept = now.max(*kept);
    }
}

fn rate(rows: u64, began_us: i64, ended_us: i64) -> f64 {
    rows as f64 * 1e6 / (ended_us - began_us).max(1) as f64
}

/// Waits until the agent has captured `total` entries in all; gives the instant of the last origin commit.
async fn captured(city: &City, total: u64) -> Result<i64, Failure> {
    let began = Instant::now();
    loop {
        let trace = ask(&city.agent_site.data(), "trace").await?;
        if let Some(at) = passed(&trace, "captured", total) {
            return Ok(at);
        }
        wait(began, "capture").await?;
    }
}

async fn wait(began: Instant, what: &str) -> Result<(), Failure> {
    if began.elapsed() > PATIENCE {
        return Err(format!("{what}: not done after {PATIENCE:?}").into());
    }
    tokio::time::sleep(PAUSE).await;
    Ok(())
}

/// When a stage was first passed up to `through`.
fn passed(trace: &Value, stage: &str, through: u64) -> Option<i64> {
    let passages = trace["passages"][stage].as_array()?;
    let at = passages.partition_point(|p| p[0].as_u64().unwrap_or(0) < through);
    passages.get(at)?[1].as_i64()
}

/// Rows on their way to the city.
struct Passing<'a> {
    city: &'a City,
    /// Rows that are on their way now.
    rows: u64,
    /// Rows that have been, with them.
    total: u64,
    /// Processor time that the parties had used before.
    cpu: [u64; 3],
}

impl Passing<'_> {
    /// Waits until all of it is in the views of both nodes. It counts from `began_us`, or else from when the agent's link
    /// was established.
    async fn measure(&self, began_us: Option<i64>) -> Result<Flow, Failure> {
        let before = match began_us {
            Some(_) => self.links().await?,
            None => Links::default(),
        };
        let city = self.through(&self.city.city_site).await?;
        let district = self.through(&self.city.district_site).await?;
        let (links, cpu) = (self.links().await?, self.city.cpu());
        let began_us = began_us.unwrap_or(links.agent_since);
        let per_row =
            |after: u64, before: u64| after.saturating_sub(before) as f64 / self.rows as f64;
        Ok(Flow {
            district_durable: rate(self.rows, began_us, district[0]),
            durable: rate(self.rows, began_us, city[0]),
            applied: rate(self.rows, began_us, city[1]),
            folded: rate(self.rows, began_us, city[2]),
            first_hop: per_row(links.agent, before.agent),
            second_hop: per_row(links.city, before.city),
            cpu: std::array::from_fn(|party| per_row(cpu[party], self.cpu[party])),
        })
    }

    /// When a node passed durable, applied and folded with the last of it.
    async fn through(&self, site: &demo::site::NodeSite) -> Result<[i64; 3], Failure> {
        let began = Instant::now();
        let mut connection = read_only(&node_database(site)).await?;
        let last = loop {
            let (entries, last): (i64, i64) = sqlx::query_as(
                "SELECT COALESCE(SUM(entries), 0), COALESCE(MAX(feed_offset), 0) FROM feed WHERE kind = 2 AND class = $1",
            )
            .bind(LANE)
            .fetch_one(&mut connection)
            .await?;
            if entries as u64 >= self.total {
                break last as u64;
            }
            wait(began, "arrival").await?;
        };
        loop {
            let trace = ask(&site.data(), "trace").await?;
            let stages = ["durable", "applied", "folded"].map(|stage| passed(&trace, stage, last));
            if let [Some(durable), Some(applied), Some(folded)] = stages {
                return Ok([durable, applied, folded]);
            }
            wait(began, "applying and folding").await?;
        }
    }

    async fn links(&self) -> Result<Links, Failure> {
        let answer = ask(&self.city.district_site.data(), "links").await?;
        let peers = ask(&self.city.district_site.data(), "peers").await?;
        let agent = peers["peers"][0]["seat"].clone();
        let mut links = Links::default();
        for link in answer["links"].as_array().ok_or("no links in the answer")? {
            let number = |key: &str| link[key].as_i64().unwrap_or(0);
            let bytes = (number("bytes_sent") + number("bytes_received")) as u64;
            if link["seat"] == agent {
                (links.agent, links.agent_since) = (bytes, number("since_us"));
            } else {
                links.city = bytes;
            }
        }
        if links.agent_since == 0 || links.city == 0 {
            return Err("a link does not stand".into());
        }
        Ok(links)
    }
}

/// Bytes that the district's two links have moved.
#[derive(Default)]
struct Links {
    agent: u64,
    agent_since: i64,
    city: u64,
}

async fn latency(city: &City, legacy: &mut Legacy, rows: u64) -> Result<Latency, Failure> {
    let site = &city.city_site;
    let mut store = read_only(&node_database(site)).await?;
    let (head, entries): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT MAX(feed_offset) FROM feed), (SELECT SUM(entries) FROM feed WHERE kind = 2 AND class = $1)",
    )
    .bind(LANE)
    .fetch_one(&mut store)
    .await?;
    let folder = site.folder.clone();
    let before = sync_time(&folder, 1_000)?;
    let mut numbers = shuffled(rows, 99);
    numbers.truncate((CHANGES_PER_SECOND * CHANGE_SECONDS) as usize);
    let changes: HashMap<String, i64> = legacy
        .change_some(&numbers, 3, CHANGES_PER_SECOND)
        .await?
        .into_iter()
        .collect();
    let flow = Passing {
        city,
        rows: changes.len() as u64,
        total: entries as u64 + changes.len() as u64,
        cpu: [0; 3],
    };
    flow.through(site).await?;
    let after = sync_time(&folder, 1_000)?;
    let notes = Notes::read(city).await?;
    let blocks = sqlx::query(
        "SELECT f.feed_offset, f.body, h.bytes, h.ref FROM feed f JOIN header h ON h.ref = f.ref \
         WHERE f.kind = 2 AND f.class = $1 AND f.feed_offset > $2 ORDER BY f.feed_offset",
    )
    .bind(LANE)
    .bind(head)
    .fetch_all(&mut store)
    .await?;
    // entries are sealed in the order of their origin commits, so counting tells in which one each lies
    let mut counted = entries as u64;
    let mut passed = [const { Vec::new() }; 5];
    for block in &blocks {
        let (offset, body): (i64, Vec<u8>) = (block.get(0), block.get(1));
        let (header, reference): (Vec<u8>, Vec<u8>) = (block.get(2), block.get(3));
        let header = Header::from_bytes(&Envelope::from_bytes(&header)?.bytes)?;
        let body = slice::unpack(&body)?;
        let opened = slice::opened(&header, &body)?;
        // of a block over several commits the first one counts
        let instants = notes
            .of(counted + 1, header.sequence, &reference, offset as u64)
            .ok_or_else(|| format!("block {offset} is not in the notes of the parties"))?;
        counted += opened.len() as u64;
        for entry in &opened {
            let opening = Opening::from_bytes(&body[entry.at.clone()])?;
            let Some(changed) = changes.get(&opening.head()?.key.to_string()) else {
                continue;
            };
            let [origin, later @ ..] = instants;
            passed[0].push(origin - changed);
            for (stage, at) in passed[1..].iter_mut().zip(later) {
                stage.push(at - origin);
            }
        }
    }
    let changes = passed[0].len();
    let [noticing, sealed, at_district, durable, applied] =
        passed.map(|micros| Spread::of_micros(&micros));
    Ok(Latency {
        noticing,
        sealed,
        at_district,
        durable,
        applied,
        sync: Spread {
            p50: before.p50.max(after.p50),
            p99: before.p99.max(after.p99),
        },
        blocks: blocks.len(),
        changes,
    })
}

/// What the parties have noted of when what passed where.
struct Notes {
    agent: Value,
    district: Value,
    city: Value,
    /// By how much the agent's feed is ahead of its log.
    ahead: u64,
    /// Where the district has a header on its feed.
    district_offsets: HashMap<Vec<u8>, u64>,
}

impl Notes {
    async fn read(city: &City) -> Result<Self, Failure> {
        let mut seat = read_only(&seat_database(&city.agent_site)).await?;
        let (head, sequence): (Vec<u8>, i64) = sqlx::query_as(
            "SELECT m.value, f.sequence FROM meta m JOIN frontier f ON f.lane = $1 WHERE m.name = 'feed_head'",
        )
        .bind(LANE)
        .fetch_one(&mut seat)
        .await?;
        let head: [u8; 8] = head
            .try_into()
            .map_err(|_| "the agent's feed has no head")?;
        let mut store = read_only(&node_database(&city.district_site)).await?;
        let offsets: Vec<(Vec<u8>, i64)> =
            sqlx::query_as("SELECT ref, feed_offset FROM feed WHERE kind = 2")
                .fetch_all(&mut store)
                .await?;
        Ok(Self {
            agent: ask(&city.agent_site.data(), "trace").await?,
            district: ask(&city.district_site.data(), "trace").await?,
            city: ask(&city.city_site.data(), "trace").await?,
            ahead: u64::from_be_bytes(head) - sequence as u64,
            district_offsets: offsets
                .into_iter()
                .map(|(reference, offset)| (reference, offset as u64))
                .collect(),
        })
    }

    /// Instants of a block: origin commit, sealed, durable at the district, durable and applied at the city.
    fn of(&self, entry: u64, sequence: u64, reference: &[u8], offset: u64) -> Option<[i64; 5]> {
        let at_district = *self.district_offsets.get(reference)?;
        Some([
            passed(&self.agent, "captured", entry)?,
            passed(&self.agent, "sealed", sequence + self.ahead)?,
            passed(&self.district, "durable", at_district)?,
            passed(&self.city, "durable", offset)?,
            passed(&self.city, "applied", offset)?,
        ])
    }
}

/// Both nodes hold every row, all of them accepted, with equal sums; the agent waits for nothing.
async fn same_everywhere(city: &City, rows: u64) -> Result<(), Failure> {
    let at_city = ask(&city.city_site.data(), "status").await?;
    let at_district = ask(&city.district_site.data(), "status").await?;
    for (name, status) in [("city", &at_city), ("district", &at_district)] {
        for (what, expected) in [
            ("records", rows),
            ("entities", rows),
            ("refusals", 0),
            ("held", 0),
            ("stopped", 0),
        ] {
            if status[what].as_u64() != Some(expected) {
                return Err(
                    format!("{name}: {what} {} instead of {expected}", status[what]).into(),
                );
            }
        }
    }
    let [ours, theirs] = [&at_city, &at_district].map(|status| &status["sums"][DISTRICT]);
    if ours.is_null() || ours != theirs {
        return Err(format!("sums differ: city {ours}, district {theirs}").into());
    }
    let mut seat = read_only(&seat_database(&city.agent_site)).await?;
    let waiting: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM unsealed")
        .fetch_one(&mut seat)
        .await?;
    if waiting > 0 {
        return Err(format!("agent: {waiting} chunks still wait").into());
    }
    Ok(())
}
