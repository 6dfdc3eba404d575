//! A node's word about itself: what it calls trouble, and that each telling derives from the same value.

use std::collections::BTreeMap;

use protocol::name::SeatId;
use runtime::telemetry::Metrics;

use super::super::health::LastReceipt;
use super::*;
use crate::verify::{Fault, Last, Part, Verified};

fn party(kind: PartyKind, own: bool) -> Party {
    Party {
        seat: Some(SeatId([kind as u8; 16])),
        kind,
        title: format!("{kind:?}"),
        jurisdiction: "370102".to_owned(),
        own,
        state: Some(State::Normal),
        why: Why::Nothing,
        logged: None,
        last_receipt: None::<LastReceipt>,
        connected: true,
        last_contact_us: Some(1),
        records: 0,
        refused: 0,
        heard: None,
        children: Vec::new(),
    }
}

/// A district in order.
fn well() -> Report {
    let mut top = party(PartyKind::City, false);
    let mut own = party(PartyKind::District, true);
    own.children.push(party(PartyKind::Source, false));
    top.children.push(own);
    let now_us = 100_000_000;
    let room = Room::new(10 << 30, 100 << 30, None);
    Report {
        now_us,
        tier: Tier::District,
        title: "历下区平台".to_owned(),
        region: "370102".to_owned(),
        tree: HealthTree {
            now_us,
            stages: Stages {
                head: 5,
                applied: 5,
                folded: 5,
            },
            verified: Last::default(),
            unconfirmed: 0,
            top,
        },
        waited_us: Waited::default(),
        types: BTreeMap::from([(
            "registration",
            Figures {
                records: 7,
                refused: 2,
            },
        )]),
        entities: 6,
        refusals_open: 2,
        dirty: 0,
        wants: 0,
        held: 0,
        gaps: 0,
        skipped: 0,
        evidence: 0,
        stopped: Vec::new(),
        peers_known: 1,
        links: Vec::new(),
        receipt_above_us: Some(90_000_000),
        receipt_own_us: Some(95_000_000),
        sessions: 1,
        sign_in_failures: 3,
        database_bytes: 4_096,
        machine: Machine {
            folder: "/d".to_owned(),
            room: Some(Ok(room)),
            ..Machine::default()
        },
        warnings: Vec::new(),
        exposed_codes: Vec::new(),
    }
}

/// A run with a fault in one part.
fn run(deep: bool, wrong: Option<PartName>) -> Verified {
    let part = |name: PartName| Part {
        checked: (deep || name != PartName::Views).then_some(3),
        faults: match wrong == Some(name) {
            true => vec![Fault {
                place: "第 3 批".to_owned(),
                what: "缺失".to_owned(),
                todo: "请从备份恢复".to_owned(),
            }],
            false => Vec::new(),
        },
        ..Part::default()
    };
    Verified {
        bytes: part(PartName::Bytes),
        completeness: part(PartName::Completeness),
        views: part(PartName::Views),
        audit: part(PartName::Audit),
        at_us: 40_000_000,
        deep,
    }
}

fn metrics(report: &Report) -> String {
    let metrics = Metrics::new();
    let report = report.clone();
    metrics.collect(move |sheet| report.measure(sheet));
    metrics.render()
}

#[test]
fn what_is_well_is_called_so_and_nothing_else_is() {
    let check = |name: &str, unready: bool, change: &dyn Fn(&mut Report)| {
        let mut report = well();
        change(&mut report);
        let troubles = report.troubles();
        assert_eq!(troubles.len(), 1, "{name}: {troubles:?}");
        assert_eq!((troubles[0].check, troubles[0].unready), (name, unready));
        let text = report.text();
        assert!(!text.contains("正常"), "{text}");
        assert!(text.contains(&troubles[0].text), "{text}");
        assert_eq!(report.json()["troubles"][0]["check"], name);
        let ready = format!("zongheng_ready {}\n", u8::from(!unready));
        assert!(metrics(&report).contains(&ready), "{name}");
    };
    let report = well();
    assert_eq!(report.troubles(), []);
    assert!(
        report.text().contains("状态      正常\n"),
        "{}",
        report.text()
    );
    check("writes", true, &|r| {
        r.machine.write_trouble = Some("磁盘空间不足".to_owned())
    });
    check("disk", false, &|r| {
        r.machine.room_warning = Some("剩余不多".to_owned())
    });
    check("disk", true, &|r| {
        r.machine.room = Some(Err("目录不存在".to_owned()))
    });
    check("workers", true, &|r| {
        let failing = WorkerHealth::Failing("x".to_owned());
        r.machine.workers.insert("fold".to_owned(), failing);
    });
    check("logs", true, &|r| {
        r.stopped.push(StoppedLog {
            title: "登记库".to_owned(),
            lane: 2,
            reason: "互相矛盾".to_owned(),
        });
    });
    check("held", false, &|r| r.held = 1);
    check("gaps", true, &|r| r.gaps = 1);
    check("skipped", false, &|r| r.skipped = 1);
    check("codes", false, &|r| r.exposed_codes.push("x".to_owned()));
    for name in PartName::ALL {
        check("verify", name != PartName::Audit, &|r| {
            r.tree.verified.deep = Some(run(true, Some(name)));
        });
        // what a deep run has found stands until the next deep one
        check("verify", name != PartName::Audit, &|r| {
            r.tree.verified.deep = Some(run(true, Some(name)));
            r.tree.verified.quick = Some(run(false, None));
        });
    }
    check("link", true, &|r| {
        r.tree.top.connected = false;
        r.tree.top.state = Some(State::Lost);
        r.tree.top.why = Why::Silent {
            since_us: 30_000_000,
        };
    });
    check("peers", false, &|r| {
        let source = &mut r.tree.top.children[0].children[0];
        source.state = Some(State::Lost);
        source.why = Why::Silent {
            since_us: 30_000_000,
        };
    });
    // what a party says of itself is told here too
    check("peers", false, &|r| {
        let source = &mut r.tree.top.children[0].children[0];
        source.state = Some(State::Lagging);
        source.why = Why::Unwell {
            reason: "请查看代理状态".to_owned(),
            relayed: false,
        };
    });
    check("above", false, &|r| {
        r.tree.top.state = Some(State::Lagging);
        r.tree.top.why = Why::Unwell {
            reason: "请腾出空间".to_owned(),
            relayed: false,
        };
    });
    check("stages", false, &|r| r.tree.stages.head = 5_000);
    check("stages", false, &|r| r.tree.unconfirmed = 500);
    check("warning", false, &|r| {
        r.warnings.push("时钟偏移 9 秒".to_owned())
    });
}

#[test]
fn peers_are_told_of_little_room_before_it_is_gone() {
    use crate::state::HeardHealth;
    use protocol::frame::State as Said;

    let check = |change: &dyn Fn(&mut Report), state: Said, words: Option<&str>| {
        let mut report = well();
        change(&mut report);
        let health = report.health(SeatId([9; 16]), 1);
        assert_eq!(health.state, state);
        let heard = HeardHealth {
            health,
            from: SeatId([9; 16]),
            heard_us: 1,
        };
        match (words::unwell(&heard), words) {
            (None, None) => {}
            (Some(said), Some(part)) => assert!(said.contains(part), "{said}"),
            (said, expected) => panic!("{said:?}, not {expected:?}"),
        }
    };
    check(&|_| {}, Said::Running, None);
    // a small disk with room enough by its own bound is no trouble of anybody
    check(
        &|r| r.machine.room = Some(Ok(Room::new(20 << 20, 40 << 20, Some(1 << 20)))),
        Said::Running,
        None,
    );
    check(
        &|r| {
            r.machine.room = Some(Ok(Room::new(20 << 20, 40 << 20, Some(30 << 20))));
            r.machine.room_warning = Some("剩余 20 MiB".to_owned());
        },
        Said::Running,
        Some("仅余 20.0 MiB；请清理或扩容"),
    );
    check(
        &|r| r.machine.write_trouble = Some("磁盘空间不足".to_owned()),
        Said::Held,
        Some("请清理或扩容"),
    );
    // that the node above is away is not for it to hear
    check(
        &|r| {
            r.tree.top.state = Some(State::Lost);
            r.tree.top.why = Why::NotConnected;
        },
        Said::Running,
        None,
    );
}

#[test]
fn a_verification_is_told_everywhere() {
    let mut report = well();
    assert!(report.text().contains("尚未核对过"), "{}", report.text());
    assert!(!metrics(&report).contains("zongheng_verify"));
    report.tree.verified.quick = Some(run(false, None));
    assert_eq!(report.troubles(), []);
    let text = report.text();
    assert!(
        text.contains("内容字节、完整性、审计记录完好（1 分钟前）"),
        "{text}"
    );
    let told = metrics(&report);
    assert!(
        told.contains("zongheng_verify_ok{part=\"bytes\"} 1\n"),
        "{told}"
    );
    assert!(!told.contains("part=\"views\""), "{told}");
    report.tree.verified.deep = Some(run(true, Some(PartName::Views)));
    let text = report.text();
    assert!(text.contains("查询视图有 1 处问题"), "{text}");
    let told = metrics(&report);
    for line in [
        "zongheng_verify_ok{part=\"bytes\"} 1",
        "zongheng_verify_ok{part=\"views\"} 0",
        "zongheng_verify_age_seconds{depth=\"deep\"} 60",
        "zongheng_verify_age_seconds{depth=\"quick\"} 60",
        "zongheng_ready 0",
    ] {
        assert!(told.lines().any(|l| l == line), "{line}:\n{told}");
    }
    assert_eq!(report.json()["verified"]["parts"]["views"], false);
}

#[test]
fn metrics_tell_what_the_status_tells() {
    let report = well();
    let text = metrics(&report);
    let families = text
        .lines()
        .filter(|line| line.starts_with("# TYPE"))
        .count();
    assert!(families >= 25, "{families}:\n{text}");
    assert_eq!(text.matches("# HELP").count(), families);
    for line in [
        "zongheng_feed_head 5",
        "zongheng_records{type=\"registration\"} 7",
        "zongheng_records_refused{type=\"registration\"} 2",
        "zongheng_refusals_open 2",
        "zongheng_entities 6",
        "zongheng_link_up 1",
        "zongheng_sign_in_failures_total 3",
        "zongheng_database_bytes 4096",
        "zongheng_disk_free_bytes 10737418240",
        "zongheng_writable 1",
        "zongheng_receipt_timestamp_seconds{from=\"above\"} 90",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}:\n{text}");
    }
    let ok = |party: &str, value: u8| {
        let head = format!("zongheng_peer_ok{{peer=\"{party}\",");
        let mut lines = text.lines().filter(|line| line.starts_with(&head));
        assert!(
            lines.any(|line| line.ends_with(&format!(" {value}"))),
            "{head}: {text}"
        );
    };
    ok("Source", 1);
    ok("City", 1);
    let json = report.json();
    assert_eq!(json["records"], 7);
    assert_eq!(json["refusals"], 2);
    assert_eq!(json["disk"]["free"], 10u64 << 30);
    assert!(report.text().contains("现行记录 7 条，未更正的拒收 2 条"));
}
