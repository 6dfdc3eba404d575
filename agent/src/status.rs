//! How the agent is, as one value, and that value as text, as JSON and as the agent's page on the status port.

mod measure;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod trouble;

use std::fmt::Write as _;
use std::path::PathBuf;

use protocol::frame::State;
use protocol::name::Lane;
use protocol::statement::SeatKind;
use runtime::say;
use serde_json::{Value, json};
use store::seat::{QueueState, SeatError, SeatStore, Skipped, SourceReport};

use crate::schedule::beijing;
use crate::uplink::{CityWord, LinkState, LogView, NodeWord, ReceiptView, Stuck};
use crate::watch::{Doing, Pause};
use runtime::disk::Room;
use runtime::release;
use runtime::say::{size as bytes, span};
pub use trouble::{Trouble, What};

/// How the agent is.
#[derive(Debug, Clone)]
pub struct Report {
    /// What it was admitted as; empty if it was not.
    pub title: String,
    /// Address of its node.
    pub node: String,
    /// Whether a process is running.
    pub running: bool,
    /// The link, as far as a running process knows.
    pub link: LinkState,
    /// Each source: its account, and what it is doing.
    pub sources: Vec<(SourceReport, Option<Doing>)>,
    /// What waits.
    pub queue: QueueState,
    /// Bytes at which capture pauses.
    pub outbox_max: u64,
    /// Receipts of the nodes above.
    pub receipts: Vec<ReceiptView>,
    /// What the node says of the agent's logs.
    pub node_word: NodeWord,
    /// How far the city is; `None` if it is the agent's own node, or no process is running.
    pub city: Option<CityWord>,
    /// Batches that do not come to where they should.
    pub stuck: Option<Stuck>,
    /// Items of the feed that the node has refused for their bytes.
    pub skipped: Vec<Skipped>,
    /// Whether the agent's district has signed nothing for a week although something waits for it.
    pub district_silent: bool,
    /// What to do about clocks that are far apart, if they are.
    pub clock_doubt: Option<String>,
    /// Why sealing stands still, if it does.
    pub sealing_trouble: Option<String>,
    /// The disk of the data folder, as far as a running process knows.
    pub disk: Option<DiskState>,
    /// Workers that fail now, with why.
    pub failing: Vec<(String, String)>,
    /// When, milliseconds since 1970.
    pub now_ms: i64,
}

/// The disk of the data folder.
#[derive(Debug, Clone)]
pub struct DiskState {
    /// The folder.
    pub folder: PathBuf,
    /// Its room, or why it cannot be told.
    pub room: Result<Room, String>,
}

impl DiskState {
    /// What people are told, if it is not well.
    fn warning(&self) -> Option<String> {
        match &self.room {
            Ok(room) => room.warning(&self.folder),
            Err(why) => Some(format!(
                "无法查看数据目录 {} 所在磁盘：{why}",
                self.folder.display()
            )),
        }
    }

    /// Whether reading pauses for it.
    fn is_short(&self) -> bool {
        self.room.as_ref().is_ok_and(Room::is_short)
    }
}

impl Report {
    /// Reads what the database knows.
    pub async fn read(store: &SeatStore, now_ms: i64) -> Result<Self, SeatError> {
        Ok(Self {
            title: String::new(),
            node: String::new(),
            running: false,
            link: LinkState::default(),
            sources: store
                .source_reports()
                .await?
                .into_iter()
                .map(|s| (s, None))
                .collect(),
            queue: store.queue_state().await?,
            outbox_max: 0,
            receipts: Vec::new(),
            node_word: NodeWord::default(),
            city: None,
            stuck: None,
            skipped: store.skipped().await?,
            district_silent: false,
            clock_doubt: None,
            sealing_trouble: None,
            disk: None,
            failing: Vec::new(),
            now_ms,
        })
    }

    /// By how many seconds a source is behind: while it cannot be read or reading pauses, the time since it was last read to
    /// its end; else the time since it should have been read again by its schedule. Of several the longest; `None` without a
    /// source.
    pub fn source_lag_s(&self) -> Option<i64> {
        let lags = self.sources.iter().map(|(source, doing)| {
            let doing = doing.as_ref();
            let stands = source.trouble.is_some()
                || doing.is_some_and(|d| d.trouble.is_some() || d.paused.is_some());
            let since = match stands {
                true => doing.and_then(|d| d.read_ms).or(source.cycle_ms),
                false => doing.and_then(|d| d.next_ms.filter(|due| d.looked_ms < Some(*due))),
            };
            since.map_or(0, |ms| (self.now_ms - ms).max(0) / 1_000)
        });
        lags.max()
    }

    /// Whether what has arrived is kept here because the city, to which this agent is attached, has no second place for it
    /// (D18): only a promise of such a place lets an origin forget.
    fn kept_for_the_city(&self) -> bool {
        self.receipt(SeatKind::District).is_none()
            && self
                .receipt(SeatKind::City)
                .is_some_and(|r| r.safeguarded < r.durable)
    }

    fn receipt(&self, kind: SeatKind) -> Option<&ReceiptView> {
        let of = |lane| {
            self.receipts
                .iter()
                .filter(move |r| r.kind == kind && r.lane == lane)
                .max_by_key(|r| r.heard_ms)
        };
        of(Lane::Records).or_else(|| of(Lane::Cases))
    }

    /// As text for a terminal.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // names of files and words of others are in it
        let mut line = |text: String| {
            out.push_str(&say::foreign(&text));
            out.push('\n');
        };
        line(format!(
            "代理      {}，版本 {}",
            or_dash(&self.title),
            release::text()
        ));
        let link = if self.link.up {
            format!("已连接 {}（{}）", self.link.peer, self.node)
        } else if !self.running {
            "代理未运行".to_owned()
        } else {
            format!("未连接 {}：{}", self.node, or_dash(&self.link.trouble))
        };
        line(format!("链路      {link}"));
        for (source, doing) in &self.sources {
            line(format!(
                "来源      {}：共 {} 行，已报送 {} 条，拒收 {} 行；{}，累计读取 {} 行次",
                source.name,
                source.rows_known,
                source.records_stated,
                source.refused,
                self.doing(source, doing.as_ref()),
                source.rows_read,
            ));
            if let Some(trouble) = &source.trouble {
                line(format!("          ✗ {trouble}"));
            }
            if let Some(note) = &source.note {
                line(format!("          … {note}"));
            }
        }
        line(format!(
            "队列      待封装 {} 条，已封装待确认 {} 批 {} 条，共 {}（上限 {}）{}",
            self.queue.unsealed_entries,
            self.queue.sealed_batches,
            self.queue.sealed_entries,
            bytes(self.queue.bytes),
            bytes(self.outbox_max),
            self.queue
                .oldest_ms
                .filter(|ms| *ms > 0)
                .map_or(String::new(), |ms| format!(
                    "，最早一条已等 {}",
                    self.age(ms)
                )),
        ));
        if let Some(disk) = &self.disk {
            line(match &disk.room {
                Ok(room) => format!(
                    "磁盘      剩余 {}（共 {}）",
                    bytes(room.free),
                    bytes(room.total)
                ),
                Err(why) => format!("磁盘      {why}"),
            });
        }
        for (kind, name) in [(SeatKind::District, "区回执"), (SeatKind::City, "市回执")] {
            line(match self.receipt(kind) {
                Some(r) => format!(
                    "{name}    {} 已存至第 {} 批，异地保全至第 {} 批；{}前收到",
                    r.title,
                    r.durable,
                    r.safeguarded,
                    self.age(r.heard_ms)
                ),
                None => format!("{name}    尚未收到"),
            });
        }
        for log in self.logs_seen() {
            line(format!(
                "平台收存  {}：已收存至第 {} 批，已入库至第 {} 批{}",
                lane_name(log.lane),
                log.taken_in,
                log.applied,
                match log.state {
                    State::Running | State::NeverSeen => String::new(),
                    _ => format!("，✗ {}", trouble::reason_text(log.reason)),
                }
            ));
        }
        if let Some(word) = self.city {
            line(format!("市级      {}", self.city_text(word)));
        }
        if self.kept_for_the_city() {
            line(format!("说明      {KEPT}"));
        }
        for (at, step) in self.next_steps().iter().enumerate() {
            let head = if at == 0 { "下一步" } else { "      " };
            line(format!("{head}    {step}"));
        }
        out
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let receipt = |kind| {
            self.receipt(kind).map(|r| {
                json!({
                    "title": r.title, "lane": r.lane as u8, "durable": r.durable, "attached": r.attached,
                    "safeguarded": r.safeguarded,
                    "heard_ms": r.heard_ms, "age_ms": self.now_ms - r.heard_ms,
                })
            })
        };
        json!({
            "title": self.title,
            "node": self.node,
            "running": self.running,
            "link": {
                "up": self.link.up, "peer": self.link.peer, "since_ms": self.link.since_ms,
                "trouble": self.link.trouble, "revoked": self.link.revoked,
            },
            "sources": self.sources.iter().map(|(s, doing)| json!({
                "name": s.name, "rows_known": s.rows_known, "records_stated": s.records_stated,
                "rows_read": s.rows_read, "rows_stated": s.rows_stated, "refused": s.refused,
                "cycle_ms": doing.as_ref().and_then(|d| d.looked_ms).or(s.cycle_ms), "changed_ms": s.changed_ms,
                "next_ms": doing.as_ref().and_then(|d| d.next_ms),
                "paused": doing.as_ref().is_some_and(|d| d.paused.is_some()),
                "trouble": s.trouble, "note": s.note,
            })).collect::<Vec<_>>(),
            "queue": {
                "unsealed_entries": self.queue.unsealed_entries, "sealed_batches": self.queue.sealed_batches,
                "sealed_entries": self.queue.sealed_entries, "bytes": self.queue.bytes,
                "bytes_max": self.outbox_max, "oldest_ms": self.queue.oldest_ms,
                "sealed_up_to": self.queue.sealed_up_to,
            },
            "receipts": { "district": receipt(SeatKind::District), "city": receipt(SeatKind::City) },
            "node_word": {
                "complete": self.node_word.complete,
                "without_city": self.node_word.without_city,
                "unwell": self.node_word.unwell.as_ref().map(|reasons| {
                    reasons.iter().map(|reason| reason.number()).collect::<Vec<_>>()
                }),
                "logs": self.node_word.logs.iter().map(|log| json!({
                    "lane": log.lane as u8, "state": log.state.number(), "reason": log.reason.number(),
                    "since_ms": log.since_ms, "taken_in": log.taken_in, "applied": log.applied,
                    "heard_ms": log.heard_ms,
                })).collect::<Vec<_>>(),
            },
            "city": self.city.map(|word| json!({
                "word": city_name(word),
                "since_ms": match word { CityWord::Apart(since_ms) => Some(since_ms), _ => None },
                "text": self.city_text(word),
            })),
            "skipped": self.skipped.iter().map(|skipped| json!({
                "class": skipped.class, "offset": skipped.offset, "reason": skipped.reason, "at_ms": skipped.at_ms,
            })).collect::<Vec<_>>(),
            "district_silent": self.district_silent,
            "troubles": self.troubles().iter().map(|trouble| json!({
                "what": trouble.what.name(), "text": trouble.text, "stops": trouble.stops,
            })).collect::<Vec<_>>(),
            "disk": self.disk.as_ref().and_then(|disk| disk.room.as_ref().ok()).map(|room| json!({
                "free": room.free, "total": room.total, "low": room.low, "is_low": room.is_low(),
            })),
            "failing": self.failing.iter().map(|(name, why)| json!({ "worker": name, "why": why })).collect::<Vec<_>>(),
            "version": release::VERSION, "commit": release::COMMIT,
            "clock_doubt": self.clock_doubt,
            "sealing_trouble": self.sealing_trouble,
            "next_steps": self.next_steps(),
            "now_ms": self.now_ms,
        })
    }

    /// As the agent's page.
    pub fn html(&self) -> String {
        let mut page = String::from(
            "<!doctype html><html lang=\"zh-CN\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"5\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>部门代理</title><style>\
             body{font:16px/1.6 system-ui,\"Noto Sans CJK SC\",\"Microsoft YaHei\",sans-serif;margin:2rem auto;\
             max-width:60rem;padding:0 1rem;color:#1a1a1a}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}\
             table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .6rem;\
             border-bottom:1px solid #ccc;vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}\
             .bad{color:#b00020}.ok{color:#0a6b2d}</style>",
        );
        let _ = write!(page, "<h1>部门代理 {}</h1>", escape(&or_dash(&self.title)));
        let (class, link) = if self.link.up {
            ("ok", format!("已连接 {}", self.link.peer))
        } else {
            ("bad", format!("未连接：{}", or_dash(&self.link.trouble)))
        };
        let _ = write!(page, "<p class=\"{class}\">{}</p>", escape(&link));
        page.push_str("<h2>下一步</h2><ol>");
        for step in self.next_steps() {
            let _ = write!(page, "<li>{}</li>", escape(&step));
        }
        page.push_str("</ol><h2>来源</h2><table><tr><th>名称</th><th>行数</th><th>已报送</th><th>拒收</th><th>状态</th></tr>");
        for (source, doing) in &self.sources {
            let trouble = source.trouble.as_deref().or(source.note.as_deref());
            let _ = write!(
                page,
                "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}{}</td></tr>",
                escape(&source.name),
                source.rows_known,
                source.records_stated,
                source.refused,
                escape(&self.doing(source, doing.as_ref())),
                trouble.map_or(String::new(), |t| format!(
                    "<br><span class=\"{}\">{}</span>",
                    if source.trouble.is_some() { "bad" } else { "" },
                    escape(t)
                )),
            );
        }
        let _ = write!(
            page,
            "</table><h2>发送队列</h2><p>待封装 {} 条；已封装待确认 {} 批 {} 条；共 {}，上限 {}</p><h2>回执</h2><table>\
             <tr><th>层级</th><th>节点</th><th>已存至</th><th>异地保全至</th><th>最近收到</th></tr>",
            self.queue.unsealed_entries,
            self.queue.sealed_batches,
            self.queue.sealed_entries,
            bytes(self.queue.bytes),
            bytes(self.outbox_max),
        );
        for (kind, name) in [(SeatKind::District, "区"), (SeatKind::City, "市")] {
            match self.receipt(kind) {
                Some(r) => {
                    let _ = write!(
                        page,
                        "<tr><td>{name}</td><td>{}</td><td class=\"n\">第 {} 批</td><td class=\"n\">第 {} 批</td><td>{}前</td></tr>",
                        escape(&r.title),
                        r.durable,
                        r.safeguarded,
                        self.age(r.heard_ms)
                    );
                }
                None => {
                    let _ = write!(
                        page,
                        "<tr><td>{name}</td><td colspan=\"4\">尚未收到</td></tr>"
                    );
                }
            }
        }
        page.push_str("</table>");
        for log in self.logs_seen() {
            let _ = write!(
                page,
                "<p>平台收存（{}）：已收存至第 {} 批，已入库至第 {} 批</p>",
                lane_name(log.lane),
                log.taken_in,
                log.applied
            );
        }
        if let Some(word) = self.city {
            let _ = write!(page, "<p>市级：{}</p>", escape(&self.city_text(word)));
        }
        if self.kept_for_the_city() {
            let _ = write!(page, "<p>{KEPT}。</p>");
        }
        page.push_str("</html>");
        page
    }

    /// Logs of which the node has seen something.
    fn logs_seen(&self) -> impl Iterator<Item = &LogView> {
        let logs = self.node_word.logs.iter();
        logs.filter(|log| log.state != State::NeverSeen)
    }

    /// The city's own word: neither red nor well (D55).
    fn city_text(&self, word: CityWord) -> String {
        match word {
            CityWord::Nothing => "尚无批次".to_owned(),
            CityWord::Reached => "已达，所有批次均已存至市级".to_owned(),
            CityWord::OnTheWay => "在途，正由区级平台转送".to_owned(),
            CityWord::Apart(since_ms) => {
                let since = beijing(since_ms).map_or_else(
                    || format!("{}前", self.age(since_ms)),
                    |time| time.format("%m-%d %H:%M").to_string(),
                );
                format!("与市级断开，自 {since} 起；数据已在区级平台或本机保存，恢复后自动转送")
            }
            CityWord::Unknown => "未知，与平台的连接恢复后更新".to_owned(),
        }
    }

    fn doing(&self, source: &SourceReport, doing: Option<&Doing>) -> String {
        match doing.and_then(|d| d.paused) {
            Some(Pause::Outbox) => return "发送队列已满，暂停读取".to_owned(),
            Some(Pause::Disk) => return "磁盘空间不足，暂停读取".to_owned(),
            None => {}
        }
        let looked = doing.and_then(|d| d.looked_ms).or(source.cycle_ms);
        let mut text = looked.map_or("尚未读过".to_owned(), |ms| {
            format!("{}前读过", self.age(ms))
        });
        if let Some(next) = doing.and_then(|d| d.next_ms)
            && next - self.now_ms > 60_000
            && let Some(time) = beijing(next)
        {
            let _ = write!(text, "，下次 {}", time.format("%m-%d %H:%M"));
        }
        text
    }

    fn age(&self, then_ms: i64) -> String {
        span((self.now_ms - then_ms) / 1_000)
    }
}

/// Why an agent of the city keeps what has arrived.
const KEPT: &str = "市级尚无异地备份，已送达的批次仍在本机保留一份，计入发送队列";

fn city_name(word: CityWord) -> &'static str {
    match word {
        CityWord::Nothing => "nothing",
        CityWord::Reached => "reached",
        CityWord::OnTheWay => "on_the_way",
        CityWord::Apart(_) => "apart",
        CityWord::Unknown => "unknown",
    }
}

fn lane_name(lane: Lane) -> &'static str {
    match lane {
        Lane::Directory => "名录",
        Lane::Cases => "事项",
        Lane::Records => "记录",
    }
}

fn or_dash(text: &str) -> String {
    if text.is_empty() {
        "—".to_owned()
    } else {
        text.to_owned()
    }
}

fn escape(text: &str) -> String {
    say::visible(text.to_owned())
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
