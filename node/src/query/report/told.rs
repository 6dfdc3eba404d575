//! A node's word about itself, told: in Chinese for a terminal, as JSON, as metrics.

use runtime::release;
use runtime::say::{size, span};
use runtime::telemetry::Sheet;
use serde_json::{Value, json};

use super::Report;
use crate::node::Tier;
use crate::query::health::State;
use crate::verify::PartName;

impl Report {
    /// For a terminal.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut line = |head: &str, text: String| {
            // headings are as wide as four full-width characters
            let width = 8usize.saturating_sub(head.chars().count() * 2);
            out += head;
            out += &" ".repeat(width + 2);
            out += &text;
            out.push('\n');
        };
        let tier = match self.tier {
            Tier::City => "市级",
            Tier::District => "区级",
        };
        line(
            "节点",
            format!(
                "{}（{tier}，{}），版本 {}",
                self.title,
                self.region,
                release::text()
            ),
        );
        let troubles = self.troubles();
        line(
            "状态",
            match troubles.len() {
                0 => "正常".to_owned(),
                n => format!("有 {n} 项需要处理，见“下一步”"),
            },
        );
        let stages = self.tree.stages;
        let waiting = stages
            .head
            .saturating_sub(stages.folded.min(stages.applied));
        let waited = match waiting {
            0 => "无积压".to_owned(),
            n => format!(
                "积压 {n} 项，最早一项已等 {}",
                span(self.waited_us.fold / 1_000_000)
            ),
        };
        line(
            "进度",
            format!(
                "已入日志第 {} 项，已更新现行记录至第 {} 项，已更新查询与档案至第 {} 项；{waited}",
                stages.head, stages.applied, stages.folded
            ),
        );
        line(
            "数据",
            format!(
                "主体 {} 户，现行记录 {} 条，未更正的拒收 {} 条",
                self.entities,
                self.records(),
                self.refusals_open
            ),
        );
        line(
            "日志",
            format!(
                "待补取 {} 项，暂缓 {} 个，停止接收 {} 个",
                self.wants,
                self.held,
                self.stopped.len()
            ),
        );
        if let Some(above) = self.above() {
            let link = if above.connected {
                format!("已连接「{}」", above.title)
            } else {
                format!("未连接「{}」", above.title)
            };
            let receipt = self
                .receipt_above_us
                .map_or("尚未收到回执".to_owned(), |at| {
                    format!("回执 {}前", span((self.now_us - at) / 1_000_000))
                });
            line(
                "上级",
                format!("{link}，待确认 {} 批，{receipt}", self.tree.unconfirmed),
            );
        }
        line(
            "对端",
            format!(
                "已入网 {} 个，在线会话 {} 个",
                self.peers_known,
                self.links.len()
            ),
        );
        let room = match &self.machine.room {
            Some(Ok(room)) => format!("剩余 {}（共 {}）", size(room.free), size(room.total)),
            Some(Err(why)) => why.clone(),
            None => "未知".to_owned(),
        };
        line(
            "磁盘",
            format!("{room}，数据库 {}", size(self.database_bytes)),
        );
        line(
            "控制台",
            format!(
                "登录中 {} 人，启动以来登录失败 {} 次",
                self.sessions, self.sign_in_failures
            ),
        );
        line(
            "最近核对",
            match (self.tree.verified.words(), self.tree.verified.newest()) {
                (Some(words), Some(run)) => {
                    let ago = span((self.now_us - run.at_us) / 1_000_000);
                    format!("{words}（{ago}前）")
                }
                _ => "尚未核对过，可执行 verify --deep".to_owned(),
            },
        );
        if troubles.is_empty() {
            line("下一步", "一切正常，无需操作".to_owned());
        }
        for (at, trouble) in troubles.iter().enumerate() {
            line(if at == 0 { "下一步" } else { "" }, trouble.text.clone());
        }
        out
    }

    /// For programs. Counts and cursors stand at the top.
    pub fn json(&self) -> Value {
        let room = match &self.machine.room {
            Some(Ok(room)) => {
                json!({ "free": room.free, "total": room.total, "low": room.low, "is_low": room.is_low() })
            }
            _ => Value::Null,
        };
        let stages = self.tree.stages;
        json!({
            "ok": true, "region": self.region, "title": self.title, "version": release::VERSION,
            "commit": release::COMMIT, "now_us": self.now_us,
            "head": stages.head, "applied": stages.applied, "folded": stages.folded,
            "waited_us": { "apply": self.waited_us.apply, "fold": self.waited_us.fold },
            "entities": self.entities, "records": self.records(), "refusals": self.refusals_open,
            "types": self.types.iter().map(|(name, f)| (
                (*name).to_owned(), json!({ "records": f.records, "refused": f.refused })
            )).collect::<serde_json::Map<_, _>>(),
            "dirty": self.dirty, "wants": self.wants, "held": self.held, "stopped": self.stopped.len(),
            "stopped_logs": self.stopped.iter().map(|log| json!({
                "title": log.title, "lane": log.lane, "reason": log.reason,
            })).collect::<Vec<_>>(),
            "peers_known": self.peers_known, "peers_connected": self.links.len(),
            "above": self.above().map(|above| json!({
                "title": above.title, "connected": above.connected, "last_contact_us": above.last_contact_us,
                "unconfirmed": self.tree.unconfirmed, "receipt_us": self.receipt_above_us,
            })),
            "receipt_own_us": self.receipt_own_us,
            "verified": self.tree.verified.newest().map(|run| json!({
                "at_us": run.at_us, "deep": run.deep,
                "parts": PartName::ALL.iter().map(|name| (
                    name.key().to_owned(), json!(self.tree.verified.is_good(*name))
                )).collect::<serde_json::Map<_, _>>(),
            })),
            "disk": room, "database_bytes": self.database_bytes, "write_trouble": self.machine.write_trouble,
            "sessions": self.sessions, "sign_in_failures": self.sign_in_failures,
            "troubles": self.troubles().iter().map(|t| json!({
                "check": t.check, "text": t.text, "unready": t.unready,
            })).collect::<Vec<_>>(),
        })
    }

    /// For Prometheus.
    pub fn measure(&self, sheet: &mut Sheet) {
        let seconds = |us: i64| us as f64 / 1e6;
        let tier = match self.tier {
            Tier::City => "city",
            Tier::District => "district",
        };
        sheet.gauge(
            "zongheng_build_info",
            "Version and commit of the program; always 1.",
            &[
                ("version", release::VERSION),
                ("commit", release::COMMIT.unwrap_or("")),
                ("protocol", "1"),
                ("tier", tier),
            ],
            1.0,
        );
        let troubles = self.troubles();
        let ready = !troubles.iter().any(|t| t.unready);
        let mut one = |name, help, value: f64| sheet.gauge(name, help, &[], value);
        let stages = self.tree.stages;
        one(
            "zongheng_ready",
            "Whether the node is ready: 1 or 0.",
            f64::from(u8::from(ready)),
        );
        one(
            "zongheng_report_timestamp_seconds",
            "When these figures were taken.",
            seconds(self.now_us),
        );
        one(
            "zongheng_feed_head",
            "Feed items logged.",
            stages.head as f64,
        );
        one(
            "zongheng_feed_applied",
            "Feed items applied to current records.",
            stages.applied as f64,
        );
        one(
            "zongheng_feed_folded",
            "Feed items folded into what people search.",
            stages.folded as f64,
        );
        one("zongheng_entities", "Entities.", self.entities as f64);
        one(
            "zongheng_refusals_open",
            "Refusals that were not mended.",
            self.refusals_open as f64,
        );
        one(
            "zongheng_subjects_dirty",
            "Subjects that wait to be folded again.",
            self.dirty as f64,
        );
        one(
            "zongheng_wants_open",
            "Wants that were not answered.",
            self.wants as f64,
        );
        one(
            "zongheng_logs_held",
            "Logs that are held until what they need has come.",
            self.held as f64,
        );
        one(
            "zongheng_logs_stopped",
            "Logs that were stopped at a bad header.",
            self.stopped.len() as f64,
        );
        one(
            "zongheng_peers_known",
            "Parties that were admitted here.",
            self.peers_known as f64,
        );
        one(
            "zongheng_peers_connected",
            "Sessions that stand.",
            self.links.len() as f64,
        );
        one(
            "zongheng_outbox_batches",
            "Batches held here that the node above has not confirmed.",
            self.tree.unconfirmed as f64,
        );
        one(
            "zongheng_database_bytes",
            "Bytes of the database with its log.",
            self.database_bytes as f64,
        );
        one(
            "zongheng_writable",
            "Whether the last attempt to write succeeded: 1 or 0.",
            f64::from(u8::from(self.machine.write_trouble.is_none())),
        );
        one(
            "zongheng_sessions",
            "People signed in to the console.",
            self.sessions as f64,
        );
        if let Some(Ok(room)) = &self.machine.room {
            one(
                "zongheng_disk_free_bytes",
                "Room on the disk of the data folder.",
                room.free as f64,
            );
            one(
                "zongheng_disk_total_bytes",
                "Size of the disk of the data folder.",
                room.total as f64,
            );
            one(
                "zongheng_disk_low_bytes",
                "Room below which people are told.",
                room.low as f64,
            );
        }
        sheet.counter(
            "zongheng_sign_in_failures_total",
            "Sign-ins that failed since the start.",
            &[],
            self.sign_in_failures,
        );
        for (stage, waited) in [
            ("apply", self.waited_us.apply),
            ("fold", self.waited_us.fold),
        ] {
            sheet.gauge(
                "zongheng_lag_seconds",
                "How long the oldest item has waited for a stage.",
                &[("stage", stage)],
                seconds(waited),
            );
        }
        for (name, figures) in &self.types {
            let labels = &[("type", *name)];
            sheet.gauge(
                "zongheng_records",
                "Current records.",
                labels,
                figures.records as f64,
            );
            sheet.gauge(
                "zongheng_records_refused",
                "Current records whose latest image is refused.",
                labels,
                figures.refused as f64,
            );
        }
        for party in self.parties() {
            let seat = party.seat.map(|seat| seat.to_string()).unwrap_or_default();
            let labels = &[("peer", party.title.as_str()), ("seat", seat.as_str())];
            if let Some(state) = party.state {
                sheet.gauge(
                    "zongheng_peer_ok",
                    "Whether the party is as it should be, as far as it is known here: 1 or 0.",
                    labels,
                    f64::from(u8::from(state == State::Normal)),
                );
            }
            // how those further away are, others know better
            if party.last_contact_us.is_none() && !party.connected {
                continue;
            }
            let up = f64::from(u8::from(party.connected));
            sheet.gauge(
                "zongheng_peer_up",
                "Whether a session with the party stands: 1 or 0.",
                labels,
                up,
            );
            if let Some(at) = party.last_contact_us {
                sheet.gauge(
                    "zongheng_peer_last_contact_timestamp_seconds",
                    "Last contact with the party, or last arrival from it.",
                    labels,
                    seconds(at),
                );
            }
        }
        if let Some(above) = self.above() {
            let up = f64::from(u8::from(above.connected));
            sheet.gauge(
                "zongheng_link_up",
                "Whether the link to the node above stands: 1 or 0.",
                &[],
                up,
            );
        }
        for (from, at) in [
            ("above", self.receipt_above_us),
            ("own", self.receipt_own_us),
        ] {
            if let Some(at) = at {
                sheet.gauge(
                    "zongheng_receipt_timestamp_seconds",
                    "Newest receipt, by the clock of its node.",
                    &[("from", from)],
                    seconds(at),
                );
            }
        }
        for name in PartName::ALL {
            if let Some(good) = self.tree.verified.is_good(name) {
                sheet.gauge(
                    "zongheng_verify_ok",
                    "Whether the last verifications found nothing wrong with a part: 1 or 0.",
                    &[("part", name.key())],
                    f64::from(u8::from(good)),
                );
            }
        }
        for (run, depth) in [
            (&self.tree.verified.deep, "deep"),
            (&self.tree.verified.quick, "quick"),
        ] {
            if let Some(run) = run {
                sheet.gauge(
                    "zongheng_verify_age_seconds",
                    "How long ago the last verification ended.",
                    &[("depth", depth)],
                    seconds(self.now_us - run.at_us),
                );
            }
        }
        for link in &self.links {
            let seat = link.view.party.to_string();
            let moved = [
                ("out", link.view.stats.bytes_sent),
                ("in", link.view.stats.bytes_received),
            ];
            for (direction, bytes) in moved {
                sheet.counter(
                    "zongheng_replication_bytes_total",
                    "Bytes that the session with a party moved since it stands.",
                    &[
                        ("peer", link.title.as_str()),
                        ("seat", seat.as_str()),
                        ("direction", direction),
                        ("transport", "quic"),
                    ],
                    bytes,
                );
            }
        }
    }
}
