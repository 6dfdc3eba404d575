//! Every log, in its own order: headers and their signatures, how far it is held, against what was signed about it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use protocol::batch::LogState;
use protocol::directory::Directory;
use protocol::envelope::Envelope;
use protocol::hash::Ref;
use protocol::name::{Lane, LogName};
use protocol::slice::{self, HeaderFault, Parts, VerifiedHeader};
use protocol::words;
use store::LogRow;
use store::verify::{BlockPlace, LogRef, StoredHeader};

use super::blocks::{Under, lacking};
use super::receipts::{Said, Whose};
use super::walk::{Finding, Link, Walk};
use super::{Ended, Part, RESTORE, Run};
use crate::query::health;

/// Headers read at once: of the largest ones some 30 MiB.
const PAGE: usize = 128;
/// What to do where something is missing that may still come.
const COMES: &str = "节点正在向可能持有的各方补取；长时间不消失时，请来源单位核对其数据目录，并核对市级平台与本节点的连接";

/// A log as it is written down, and what was said of it.
struct Written<'s> {
    row: Option<LogRow>,
    said: Vec<&'s Said>,
}

impl Run<'_> {
    /// Walks every log of which anything is known.
    pub(super) async fn logs(
        &self,
        directory: &Directory,
        said: &[Said],
        bytes: &mut Part,
        completeness: &mut Part,
    ) -> Result<(), Ended> {
        // positions first: what they name is there by the time that headers are read
        let positions: HashMap<LogRef, LogRow> = self
            .node
            .store()
            .log_frontiers()
            .await?
            .into_iter()
            .map(|row| {
                let log = LogRef {
                    seat: row.seat,
                    lane: row.lane,
                    opening: row.opening,
                };
                (log, row)
            })
            .collect();
        let (stored, unreadable) = self.node.store().stored_logs().await?;
        if unreadable > 0 {
            let what = format!("{unreadable} 个批头登记的日志名称无法识别");
            bytes.fault("批头", what, RESTORE);
        }
        let mut of_log: HashMap<LogRef, Vec<&Said>> = HashMap::new();
        for said in said {
            of_log.entry(log_ref(&said.log)).or_default().push(said);
        }
        let all: BTreeSet<LogRef> = stored
            .into_iter()
            .chain(positions.keys().copied())
            .chain(of_log.keys().copied())
            .collect();
        self.begin("核对各来源日志", 0)?;
        let mut totals = Totals::default();
        for log in all {
            let written = Written {
                row: positions.get(&log).cloned(),
                said: of_log.remove(&log).unwrap_or_default(),
            };
            self.log(directory, log, &written, &mut totals, bytes, completeness)
                .await?;
        }
        self.waiting(completeness).await?;
        bytes.note(format!("批头 {} 个", totals.headers));
        if self.deep {
            bytes.note(format!("条目 {} 条", totals.entries));
        }
        Ok(())
    }

    async fn log(
        &self,
        directory: &Directory,
        log: LogRef,
        written: &Written<'_>,
        totals: &mut Totals,
        bytes: &mut Part,
        completeness: &mut Part,
    ) -> Result<(), Ended> {
        let lane = Lane::from_u8(log.lane);
        let opening = directory.opening(&log.opening);
        let (Some(lane), Some(opening)) = (lane, opening) else {
            // what was only said of it names nothing that should be here
            if written.row.is_some() || self.has_headers(log).await? {
                let place = format!("{}的日志", self.seat(&log.seat));
                let what = "缺少其启用声明，批头无从核对";
                bytes.fault(place, what, RESTORE);
            }
            return Ok(());
        };
        let name = LogName {
            seat: log.seat,
            lane,
            opening: log.opening,
        };
        let counter = opening.opening().counter;
        let title = format!(
            "{}的{}日志（第 {counter} 期）",
            self.seat(&log.seat),
            lane_title(lane)
        );
        let owed = words::owes_in_full(directory, &self.node.seat(), &log.seat);
        let start = LogState::start(opening.opening(), log.opening, lane);
        let mut place = Place {
            directory,
            walk: Walk::new(start, lost(directory, &name, &written.said)),
            title,
            written,
            owed,
        };
        let mut after = (0, Vec::new());
        let mut blocks_after = BlockPlace::default();
        // headers of the sequence at hand: a second one may come with the next page
        let mut at: Option<(u64, Vec<Link>)> = None;
        loop {
            let rows = self
                .node
                .store()
                .stored_headers(log, (after.0, &after.1), PAGE)
                .await?;
            let Some(last) = rows.last() else { break };
            after = (last.sequence, last.reference_bytes.clone());
            let blocks_last = BlockPlace {
                sequence: after.0,
                reference: after.1.clone(),
                offset: u64::MAX,
            };
            self.went(rows.len() as u64)?;
            totals.headers += rows.len() as u64;
            bytes.checked(rows.len() as u64);
            let mut headers = HashMap::with_capacity(rows.len());
            for row in rows {
                let where_ = format!("{}第 {} 批", place.title, row.sequence);
                if at
                    .as_ref()
                    .is_none_or(|(sequence, _)| *sequence != row.sequence)
                {
                    place.step(at.replace((row.sequence, Vec::new())), completeness);
                }
                let header = match header(directory, &name, &row) {
                    Ok(header) => header,
                    Err(what) => {
                        bytes.fault(where_, what, RESTORE);
                        continue;
                    }
                };
                if row.blocks == 0 {
                    let what = "只剩批头，批次的内容已不在";
                    completeness.fault(&where_, what, RESTORE);
                }
                let whole = place.whole(&row, &header, &where_, completeness);
                if let Some((_, links)) = &mut at {
                    links.push(Link {
                        reference: header.reference(),
                        previous: header.header().previous,
                        history: header.header().history,
                        whole,
                    });
                }
                let under = Under {
                    header,
                    parts: row.parts,
                    place: where_,
                };
                headers.insert(row.reference_bytes, under);
            }
            if self.deep {
                let range = (blocks_after, blocks_last.clone());
                totals.entries += self
                    .blocks(directory, log, range, &headers, bytes, completeness)
                    .await?;
            }
            blocks_after = blocks_last;
        }
        place.step(at, completeness);
        if owed {
            self.ended(place, &name, completeness).await?;
        }
        Ok(())
    }

    async fn has_headers(&self, log: LogRef) -> Result<bool, Ended> {
        let first = self.node.store().stored_headers(log, (0, &[]), 1).await?;
        Ok(!first.is_empty())
    }

    /// What follows at the end of a log that is owed in full.
    async fn ended(
        &self,
        mut place: Place<'_>,
        name: &LogName,
        part: &mut Part,
    ) -> Result<(), Ended> {
        let held = place.walk.last();
        let stands = place.written.row.as_ref().map_or(0, |row| row.sequence);
        // what we have signed was here
        let mut due = stands;
        for said in &place.written.said {
            match said.by {
                Whose::Own if said.durable.sequence > held => {
                    let what = format!(
                        "本节点曾签发回执，确认已存至第 {} 批，现只存至第 {held} 批：末尾被删除，或数据被换成旧的",
                        said.durable.sequence
                    );
                    part.fault(&place.title, what, RESTORE);
                    due = due.max(said.durable.sequence);
                }
                Whose::Above(node) if said.durable.sequence > held.max(due) => {
                    let what = format!(
                        "「{}」已存至第 {} 批，本节点只存至第 {held} 批",
                        self.node.title_of(&node),
                        said.durable.sequence
                    );
                    part.fault(&place.title, what, COMES);
                }
                Whose::Below(node) if said.durable.sequence > held.max(due) => {
                    part.note(format!(
                        "{}：「{}」已有第 {} 批，本节点存至第 {held} 批，其余在途",
                        place.title,
                        self.node.title_of(&node),
                        said.durable.sequence
                    ));
                }
                _ => {}
            }
        }
        if stands > held && due == stands {
            let what = format!("登记为已存至第 {stands} 批，实际只有到第 {held} 批：末尾被删除");
            part.fault(&place.title, what, RESTORE);
        }
        // the seat's own next opening says where this epoch ended
        let directory = place.directory;
        if let Some(end) = directory.former_end(name)
            && end.sequence > due
        {
            for finding in place.walk.end(end.sequence) {
                place.tell(finding, part);
            }
        }
        let whole = place.walk.held();
        if whole > stands {
            // it may have moved on since it was read
            let now = self.node.store().log_frontiers().await?;
            let now = now
                .iter()
                .find(|row| {
                    (row.seat, row.lane, row.opening) == (name.seat, name.lane as u8, name.opening)
                })
                .map_or(0, |row| row.sequence);
            if whole > now {
                let what = format!("登记为存至第 {now} 批，而到第 {whole} 批均已完整：登记被改回");
                part.fault(
                    &place.title,
                    what,
                    "内容未缺失；请停止节点并从备份恢复登记，或重启节点后等待其自动补齐，再次核对",
                );
            }
        }
        Ok(())
    }

    /// Logs that are not taken in further, with why and what to do.
    async fn waiting(&self, part: &mut Part) -> Result<(), Ended> {
        for row in self.node.store().held().await? {
            let place = format!("{}的日志", self.seat(&row.seat));
            let todo = health::words::reason(protocol::frame::Reason::of(row.reason));
            part.fault(place, "暂缓接收", &todo);
        }
        for row in self.node.stopped() {
            let place = format!("{}的日志", self.seat(&row.seat));
            part.fault(place, "已停止接收", &health::words::stopped(&row));
        }
        let statements = self.node.store().held_statements().await?.len();
        if statements > 0 {
            part.note(format!("{statements} 份声明在等待其所依据的声明"));
        }
        Ok(())
    }
}

/// Figures of all logs.
#[derive(Default)]
struct Totals {
    headers: u64,
    entries: u64,
}

/// A log on its way.
struct Place<'a> {
    directory: &'a Directory,
    walk: Walk,
    title: String,
    written: &'a Written<'a>,
    owed: bool,
}

impl Place<'_> {
    /// Whether a batch is written down as held whole. Of a log that is owed in full it should be.
    fn whole(
        &self,
        row: &StoredHeader,
        header: &VerifiedHeader,
        place: &str,
        part: &mut Part,
    ) -> bool {
        let Some(parts) = &row.parts else {
            return true;
        };
        if !self.owed {
            return false;
        }
        let Ok(parts) = Parts::from_bytes(parts) else {
            // the deep run names it where it compares
            part.fault(place, "所持部分的登记已损坏", RESTORE);
            return false;
        };
        let (leaves, closed) = lacking(&parts, header.header().count);
        let what = format!("不完整：缺 {leaves} 条，另有 {closed} 条的部分内容未公开");
        part.fault(place, what, COMES);
        false
    }

    /// Steps over the headers of a sequence.
    fn step(&mut self, at: Option<(u64, Vec<Link>)>, part: &mut Part) {
        let Some((sequence, links)) = at.filter(|_| self.owed) else {
            return;
        };
        part.checked(1);
        for finding in self.walk.step(sequence, &links) {
            self.tell(finding, part);
        }
        if links.is_empty() {
            return;
        }
        let (last, history) = self.walk.position();
        // where somebody says that it stands, it must have been this header
        if let Some(row) = self.written.row.as_ref().filter(|r| r.sequence == sequence) {
            let differs = row.last != last || history.is_some_and(|h| h != row.history);
            if differs {
                let what = "登记的位置与该批批头不符";
                part.fault(format!("{}第 {sequence} 批", self.title), what, RESTORE);
            }
        }
        for said in &self.written.said {
            let named = said.durable.header;
            let same = named == Ref::ZERO || links.iter().any(|link| link.reference == named);
            if said.durable.sequence == sequence && !same {
                let what = match said.by {
                    Whose::Own => "与本节点曾签发的回执所指的不是同一批：该处被换成另一批",
                    Whose::Above(_) | Whose::Below(_) => "与对方回执所指的不是同一批：两处各有一批",
                };
                let todo =
                    "请来源单位停用多余的程序副本，核对其数据目录；并由市级平台裁决以哪一批为准";
                part.fault(format!("{}第 {sequence} 批", self.title), what, todo);
            }
        }
    }

    fn tell(&self, finding: Finding, part: &mut Part) {
        let range = |from: u64, to: u64| match from == to {
            true => format!("{}第 {from} 批", self.title),
            false => format!("{}第 {from} 至 {to} 批", self.title),
        };
        let stands = self.written.row.as_ref().map_or(0, |row| row.sequence);
        match finding {
            Finding::Missing(from, to) if from <= stands => {
                let what = format!("缺失：登记为已存至第 {stands} 批，其中没有这些批次");
                part.fault(range(from, to), what, RESTORE);
            }
            Finding::Missing(from, to) => {
                part.fault(range(from, to), "缺失：尚未收到，其后的批次已在", COMES);
            }
            Finding::Declared(from, to) => {
                part.note(format!("{}：已由来源或市级平台声明遗失", range(from, to)));
            }
            Finding::Broken(at) => {
                part.fault(range(at, at), "与前一批不相接", RESTORE);
            }
        }
    }
}

/// A header row, checked by itself.
fn header(
    directory: &Directory,
    log: &LogName,
    row: &StoredHeader,
) -> Result<VerifiedHeader, String> {
    let envelope =
        Envelope::from_bytes(&row.bytes).map_err(|what| format!("批头已损坏（{what}）"))?;
    let verified = match slice::verify_header(directory, &envelope) {
        Ok(verified) => verified,
        // what its seat said before its key was called back, or beside what counts, still verifies
        Err(HeaderFault::DoesNotCount { header, .. }) => *header,
        Err(fault) => return Err(fault.to_string()),
    };
    let header = verified.header();
    let fits = row.reference == Some(verified.reference())
        && header.log() == *log
        && header.sequence == row.sequence
        && row.epoch == i64::from(header.counter)
        && row.entries == i64::from(header.count)
        && verified.envelope().to_bytes() == row.bytes;
    match fits {
        true => Ok(verified),
        false => Err("数据库中的登记与批头的签名内容不符".to_owned()),
    }
}

/// Ranges of a log that are declared lost by closings that count (D57, D90).
fn lost(directory: &Directory, log: &LogName, said: &[&Said]) -> Vec<(u64, u64)> {
    let safeguarded = said.iter().map(|said| said.safeguarded).max().unwrap_or(0);
    let mut ranges = BTreeMap::new();
    for closing in directory.closings(&log.opening) {
        let closing = closing.statement();
        for lost in closing.lost.iter().filter(|l| l.lane == log.lane as u8) {
            let from = match closing.asked {
                true => lost.from,
                false => lost.from.max(safeguarded + 1),
            };
            let to = ranges.entry(from).or_insert(lost.to);
            *to = lost.to.max(*to);
        }
    }
    ranges.into_iter().collect()
}

fn log_ref(log: &LogName) -> LogRef {
    LogRef {
        seat: log.seat,
        lane: log.lane as u8,
        opening: log.opening,
    }
}

/// A lane, for people.
const fn lane_title(lane: Lane) -> &'static str {
    match lane {
        Lane::Directory => "目录",
        Lane::Cases => "事项",
        Lane::Records => "记录",
    }
}
