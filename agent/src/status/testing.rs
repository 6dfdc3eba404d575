//! A report of an agent that is well, for tests to spoil.

use std::path::PathBuf;

use protocol::frame::{Reason, State};
use protocol::name::Lane;
use protocol::statement::SeatKind;
use store::seat::{QueueState, SourceReport};

use super::{DiskState, Report};
use crate::uplink::{CityWord, LinkState, LogView, NodeWord, ReceiptView};
use crate::watch::Doing;
use runtime::disk::Room;

/// Reads its source, seals, is taken in and applied at its own node, which is a district.
pub(crate) fn report() -> Report {
    let source = SourceReport {
        id: 1,
        name: "登记库".to_owned(),
        rows_known: 1,
        records_stated: 1,
        rows_read: 9,
        rows_stated: 3,
        refused: 0,
        cycle_ms: Some(1_000),
        changed_ms: None,
        trouble: None,
        note: None,
    };
    Report {
        title: "代理".to_owned(),
        node: "district:4433".to_owned(),
        running: true,
        link: LinkState {
            up: true,
            peer: "黄浦区".to_owned(),
            ..LinkState::default()
        },
        sources: vec![(source, Some(Doing::default()))],
        queue: QueueState::default(),
        outbox_max: 1_000,
        receipts: vec![
            receipt(SeatKind::District, 9, 9),
            receipt(SeatKind::City, 9, 0),
        ],
        node_word: NodeWord {
            complete: true,
            without_city: false,
            logs: vec![LogView {
                lane: Lane::Records,
                state: State::Running,
                reason: Reason::None,
                since_ms: 0,
                taken_in: 9,
                applied: 9,
                heard_ms: 1,
            }],
            unwell: None,
        },
        city: Some(CityWord::Reached),
        stuck: None,
        skipped: Vec::new(),
        district_silent: false,
        clock_doubt: None,
        sealing_trouble: None,
        disk: room(500 << 20),
        failing: Vec::new(),
        now_ms: 2,
    }
}

pub(crate) fn receipt(kind: SeatKind, durable: u64, safeguarded: u64) -> ReceiptView {
    ReceiptView {
        kind,
        title: "平台".to_owned(),
        lane: Lane::Records,
        durable,
        attached: durable,
        safeguarded,
        heard_ms: 1,
    }
}

/// So much room on a disk of 1,000 MiB of which people are told below 100.
pub(crate) fn room(free: u64) -> Option<DiskState> {
    Some(DiskState {
        folder: PathBuf::from("/d"),
        room: Ok(Room::new(free, 1_000 << 20, Some(100 << 20))),
    })
}

pub(crate) fn trouble_of_source(report: &mut Report, text: &str) {
    report.sources[0].0.trouble = Some(text.to_owned());
}
