//! How the agent is, for Prometheus and for its readiness: made from the same report as the text and the page.

use protocol::directory::SeatKind;
use runtime::release;
use runtime::telemetry::Sheet;

use super::Report;

impl Report {
    /// What keeps the agent from doing its work now: it does not read, does not send, or cannot write.
    pub fn unready(&self) -> Vec<String> {
        let mut why = Vec::new();
        if let Some(disk) = &self.disk
            && (disk.room.is_err() || disk.is_short())
        {
            why.extend(disk.warning());
        }
        for (name, text) in &self.failing {
            why.push(format!("{name}：{text}"));
        }
        why.extend(self.sealing_trouble.clone());
        for (source, doing) in &self.sources {
            let now = doing.as_ref().and_then(|d| d.trouble.as_ref());
            if let Some(trouble) = now.or(source.trouble.as_ref()) {
                why.push(format!("来源「{}」：{trouble}", source.name));
            }
        }
        if !self.link.up {
            let text = if self.link.trouble.is_empty() {
                "正在连接"
            } else {
                &self.link.trouble
            };
            why.push(format!("未连接平台 {}：{text}", self.node));
        }
        why
    }

    /// For Prometheus.
    pub fn measure(&self, sheet: &mut Sheet) {
        sheet.gauge(
            "zongheng_build_info",
            "Version and commit of the program; always 1.",
            &[
                ("version", release::VERSION),
                ("commit", release::COMMIT.unwrap_or("")),
                ("protocol", "1"),
                ("tier", "agent"),
            ],
            1.0,
        );
        let queue = &self.queue;
        let oldest = queue.oldest_ms.filter(|ms| *ms > 0);
        let entries = queue.unsealed_entries + queue.sealed_entries;
        let ready = self.unready().is_empty();
        let mut one = |name, help, value: f64| sheet.gauge(name, help, &[], value);
        one(
            "zongheng_ready",
            "Whether the agent is ready: 1 or 0.",
            flag(ready),
        );
        one(
            "zongheng_report_timestamp_seconds",
            "When these figures were taken.",
            seconds(self.now_ms),
        );
        one(
            "zongheng_link_up",
            "Whether the link to the node stands: 1 or 0.",
            flag(self.link.up),
        );
        one(
            "zongheng_outbox_bytes",
            "Bytes that wait here, unsealed or not yet safeguarded.",
            queue.bytes as f64,
        );
        one(
            "zongheng_outbox_bytes_max",
            "Bytes at which capture pauses.",
            self.outbox_max as f64,
        );
        one(
            "zongheng_outbox_batches",
            "Batches sealed and kept here.",
            queue.sealed_batches as f64,
        );
        one(
            "zongheng_outbox_entries",
            "Entries that wait here, sealed or not.",
            entries as f64,
        );
        one(
            "zongheng_lag_seconds",
            "How long the oldest entry has waited here.",
            oldest.map_or(0.0, |ms| seconds((self.now_ms - ms).max(0))),
        );
        one(
            "zongheng_sealing_stopped",
            "Whether sealing stands still: 1 or 0.",
            flag(self.sealing_trouble.is_some()),
        );
        one(
            "zongheng_clock_doubted",
            "Whether this clock and that of the node are far apart: 1 or 0.",
            flag(self.clock_doubt.is_some()),
        );
        if let Some(Ok(room)) = self.disk.as_ref().map(|disk| disk.room.as_ref()) {
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
        for (kind, from) in [(SeatKind::District, "district"), (SeatKind::City, "city")] {
            let Some(receipt) = self.receipt(kind) else {
                continue;
            };
            let mut one =
                |name, help, value: f64| sheet.gauge(name, help, &[("from", from)], value);
            one(
                "zongheng_receipt_timestamp_seconds",
                "When the last receipt arrived.",
                seconds(receipt.heard_ms),
            );
            one(
                "zongheng_receipt_durable_sequence",
                "Durable there up to this batch.",
                receipt.durable as f64,
            );
            one(
                "zongheng_receipt_safeguarded_sequence",
                "In a second failure domain up to this batch.",
                receipt.safeguarded as f64,
            );
        }
        for (source, doing) in &self.sources {
            let labels = &[("source", source.name.as_str())];
            let mut one = |name, help, value: f64| sheet.gauge(name, help, labels, value);
            let doing = doing.as_ref();
            one(
                "zongheng_source_rows",
                "Rows that the source is known to have.",
                source.rows_known as f64,
            );
            one(
                "zongheng_source_records",
                "Records that stand stated from the source.",
                source.records_stated as f64,
            );
            one(
                "zongheng_ingest_rejected_rows",
                "Rows of the source that are refused now.",
                source.refused as f64,
            );
            if let Some(ms) = doing.and_then(|d| d.looked_ms).or(source.cycle_ms) {
                one(
                    "zongheng_source_read_timestamp_seconds",
                    "When the source was last read.",
                    seconds(ms),
                );
            }
            if let Some(ms) = source.changed_ms {
                one(
                    "zongheng_source_changed_timestamp_seconds",
                    "When the source last had something new.",
                    seconds(ms),
                );
            }
            let trouble = doing.is_some_and(|d| d.trouble.is_some()) || source.trouble.is_some();
            one(
                "zongheng_source_failing",
                "Whether the source cannot be read: 1 or 0.",
                flag(trouble),
            );
            let paused = doing.is_some_and(|d| d.paused.is_some());
            one(
                "zongheng_source_paused",
                "Whether reading pauses: 1 or 0.",
                flag(paused),
            );
        }
    }
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1e3
}

fn flag(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}
