//! How the agent is, as one value, and that value as text, as JSON and as the agent's page on the status port.

mod measure;

use std::fmt::Write as _;
use std::path::PathBuf;

use protocol::directory::SeatKind;
use protocol::name::Lane;
use runtime::say;
use serde_json::{Value, json};
use store::seat::{QueueState, SeatError, SeatStore, SourceReport};

use crate::schedule::beijing;
use crate::uplink::{LinkState, ReceiptView};
use crate::watch::{Doing, Pause};
use runtime::disk::Room;
use runtime::release;
use runtime::say::{size as bytes, span};

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
            clock_doubt: None,
            sealing_trouble: None,
            disk: None,
            failing: Vec::new(),
            now_ms,
        })
    }

    /// What a person should do next, most pressing first.
    pub fn next_steps(&self) -> Vec<String> {
        let mut steps = Vec::new();
        if !self.running {
            steps.push("启动代理：zongheng-agent run".to_owned());
        }
        if let Some(trouble) = &self.sealing_trouble {
            steps.push(format!("处理封装故障：{trouble}"));
        }
        if let Some(disk) = &self.disk
            && let Some(warning) = disk.warning()
        {
            steps.push(if disk.is_short() {
                format!("{warning}；读取已暂停，已封装的批次照常上送，腾出空间后自动恢复")
            } else {
                warning
            });
        }
        for (name, why) in &self.failing {
            steps.push(format!("处理故障（{name}）：{why}"));
        }
        steps.extend(self.clock_doubt.clone());
        if self.running && !self.link.up {
            let why = if self.link.trouble.is_empty() {
                "正在连接".to_owned()
            } else {
                self.link.trouble.clone()
            };
            steps.push(format!("检查与平台 {} 的连接：{why}", self.node));
        }
        if self.sources.iter().any(|(_, doing)| {
            doing
                .as_ref()
                .is_some_and(|d| d.paused == Some(Pause::Outbox))
        }) {
            steps.push(if self.kept_for_the_city() && self.link.up {
                "发送队列已满，读取已暂停：批次均已送达市级，但市级尚无异地备份，须在本机保留；调大 outbox_max"
                    .to_owned()
            } else {
                "发送队列已满，读取已暂停；恢复与平台的连接，或调大 outbox_max".to_owned()
            });
        }
        if self.kept_for_the_city()
            && self.outbox_max > 0
            && self.queue.bytes >= self.outbox_max / 5 * 4
        {
            steps.push(format!(
                "调大 outbox_max：{KEPT}，已用 {}，到 {} 时将暂停读取",
                bytes(self.queue.bytes),
                bytes(self.outbox_max)
            ));
        }
        for (source, doing) in &self.sources {
            let now = doing.as_ref().and_then(|d| d.trouble.as_ref());
            if let Some(trouble) = now.or(source.trouble.as_ref()) {
                steps.push(format!("来源「{}」：{trouble}", source.name));
            }
        }
        let refused: u64 = self.sources.iter().map(|(s, _)| s.refused).sum();
        if refused > 0 {
            steps.push(format!(
                "查看被拒收的 {refused} 行，并在源库更正：zongheng-agent rejects list"
            ));
        }
        if steps.is_empty() {
            steps.push("一切正常，无需操作".to_owned());
        }
        steps
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
                    "title": r.title, "lane": r.lane as u8, "durable": r.durable, "safeguarded": r.safeguarded,
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
                "trouble": self.link.trouble,
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
        if self.kept_for_the_city() {
            let _ = write!(page, "<p>{KEPT}。</p>");
        }
        page.push_str("</html>");
        page
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

#[cfg(test)]
mod tests {
    use super::*;

    fn report(receipts: &[(SeatKind, u64, u64)], bytes: u64, paused: bool) -> Report {
        let receipt = |(kind, durable, safeguarded): &(SeatKind, u64, u64)| ReceiptView {
            kind: *kind,
            title: "平台".to_owned(),
            lane: Lane::Records,
            durable: *durable,
            safeguarded: *safeguarded,
            heard_ms: 1,
        };
        let source = SourceReport {
            id: 1,
            name: "登记库".to_owned(),
            rows_known: 1,
            records_stated: 1,
            rows_read: 9,
            rows_stated: 3,
            refused: 0,
            cycle_ms: None,
            changed_ms: None,
            trouble: None,
            note: None,
        };
        let doing = Doing {
            paused: paused.then_some(Pause::Outbox),
            ..Doing::default()
        };
        Report {
            title: "代理".to_owned(),
            node: "city:4433".to_owned(),
            running: true,
            link: LinkState {
                up: true,
                ..LinkState::default()
            },
            sources: vec![(source, Some(doing))],
            queue: QueueState {
                bytes,
                ..QueueState::default()
            },
            outbox_max: 1_000,
            receipts: receipts.iter().map(receipt).collect(),
            clock_doubt: None,
            sealing_trouble: None,
            disk: None,
            failing: Vec::new(),
            now_ms: 2,
        }
    }

    /// The city promises no second place in this release (D18): its agents say so, and what to do before they pause.
    #[test]
    fn an_agent_of_the_city_says_what_it_keeps_and_why() {
        let at_city = [(SeatKind::City, 9, 0)];
        let at_district = [(SeatKind::City, 9, 0), (SeatKind::District, 9, 9)];
        let quiet = report(&at_city, 100, false);
        assert_eq!(quiet.next_steps(), ["一切正常，无需操作"]);
        assert!(quiet.text().contains(KEPT) && quiet.html().contains(KEPT));
        let nearly = report(&at_city, 800, false).next_steps();
        assert!(nearly[0].starts_with("调大 outbox_max"), "{nearly:?}");
        let full = report(&at_city, 1_000, true).next_steps();
        assert!(full[0].contains("市级尚无异地备份"), "{full:?}");
        let other = report(&at_district, 800, false);
        assert!(!other.text().contains(KEPT));
        assert_eq!(other.next_steps(), ["一切正常，无需操作"]);
    }

    fn room(free: u64) -> Option<DiskState> {
        Some(DiskState {
            folder: PathBuf::from("/d"),
            room: Ok(Room::new(free, 1_000 << 20, Some(100 << 20))),
        })
    }

    #[test]
    fn what_is_not_well_is_called_so_everywhere() {
        let well = || {
            let mut report = report(&[(SeatKind::District, 9, 9)], 0, false);
            report.disk = room(500 << 20);
            report
        };
        let check = |name: &str, ready: bool, change: &dyn Fn(&mut Report)| {
            let mut report = well();
            change(&mut report);
            let steps = report.next_steps();
            assert!(steps[0].contains(name), "{name}: {steps:?}");
            for text in [report.text(), report.html(), report.json().to_string()] {
                assert!(
                    !text.contains("正常") && text.contains(name),
                    "{name}: {text}"
                );
            }
            assert_eq!(report.unready().is_empty(), ready, "{name}");
            let metrics = runtime::telemetry::Metrics::new();
            metrics.collect(move |sheet| report.measure(sheet));
            let line = format!("zongheng_ready {}\n", u8::from(ready));
            assert!(metrics.render().contains(&line), "{name}");
        };
        assert_eq!(well().next_steps(), ["一切正常，无需操作"]);
        assert_eq!(well().unready(), Vec::<String>::new());
        check("剩余 80.0 MiB", true, &|r| r.disk = room(80 << 20));
        check("读取已暂停", false, &|r| r.disk = room(40 << 20));
        check("断开", false, &|r| {
            r.link.up = false;
            r.link.trouble = "断开".to_owned();
        });
        check("封装不了", false, &|r| {
            r.sealing_trouble = Some("封装不了".to_owned())
        });
        check("写不进", false, &|r| {
            r.failing.push(("receipts".to_owned(), "写不进".to_owned()));
        });
        check("读不了", false, &|r| {
            r.sources[0].0.trouble = Some("读不了".to_owned())
        });
        check("读不出", false, &|r| {
            let doing = Doing {
                trouble: Some("读不出".to_owned()),
                ..Doing::default()
            };
            r.sources[0].1 = Some(doing);
        });
        let metrics = runtime::telemetry::Metrics::new();
        metrics.collect(move |sheet| well().measure(sheet));
        let families = metrics.render().matches("# TYPE").count();
        assert!(families >= 20, "{families}");
    }

    #[test]
    fn names_of_files_steer_neither_terminal_nor_page() {
        let mut report = report(&[], 0, false);
        let name = "a\u{1b}[2J\n一切正常\u{202e}vsc.<b>";
        report.sources[0].0.note = Some(format!("文件 {name} 是空的，等待写入"));
        report.sources[0].0.trouble = Some(name.to_owned());
        let (text, html) = (report.text(), report.html());
        assert!(
            text.contains("a\\u001b[2J\\u000a一切正常\\u202evsc."),
            "{text}"
        );
        assert!(!text.contains("\n一切正常"), "{text}");
        assert!(
            !text
                .chars()
                .chain(html.chars())
                .any(|c| say::steers(c) && c != '\n')
        );
        assert!(html.contains("［U+202E］vsc.&lt;b&gt;"), "{html}");
    }
}
