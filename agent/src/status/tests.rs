//! How an agent is told to be: what is not well is called so everywhere, and 正常 nowhere beside it.

use protocol::frame::{Reason, State};

use super::testing::{receipt, report, room, trouble_of_source};
use super::*;
use crate::uplink::LogView;
use runtime::telemetry::Metrics;

fn metrics(report: &Report) -> String {
    let (metrics, report) = (Metrics::new(), report.clone());
    metrics.collect(move |sheet| report.measure(sheet));
    metrics.render()
}

/// The city promises no second place in this release (D18): its agents say so, and what to do before they pause.
#[test]
fn an_agent_of_the_city_says_what_it_keeps_and_why() {
    let of_city = |bytes, paused: bool| {
        let mut report = report();
        report.receipts = vec![receipt(SeatKind::City, 9, 0)];
        report.city = None;
        report.queue.bytes = bytes;
        report.sources[0].1 = Some(Doing {
            paused: paused.then_some(Pause::Outbox),
            ..Doing::default()
        });
        report
    };
    let quiet = of_city(100, false);
    assert_eq!(quiet.next_steps(), ["一切正常，无需操作"]);
    assert!(quiet.text().contains(KEPT) && quiet.html().contains(KEPT));
    let nearly = of_city(800, false).next_steps();
    assert!(nearly[0].starts_with("调大 outbox_max"), "{nearly:?}");
    let full = of_city(1_000, true).next_steps();
    assert!(full[0].contains("市级尚无异地备份"), "{full:?}");
    let mut other = report();
    other.queue.bytes = 800;
    assert!(!other.text().contains(KEPT));
    assert_eq!(other.next_steps(), ["一切正常，无需操作"]);
}

/// Every accident, in the words of the agent (D55): told in the text, on the page and in JSON, 正常 in none; and whether the
/// agent is ready all the same.
#[test]
fn what_is_not_well_is_called_so_everywhere() {
    let check = |name: &str, ready: bool, change: &dyn Fn(&mut Report)| {
        let mut report = report();
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
        let line = format!("zongheng_ready {}\n", u8::from(ready));
        let metrics = metrics(&report);
        assert!(metrics.contains(&line), "{name}");
        assert!(metrics.contains("zongheng_trouble{what="), "{name}");
    };
    let log = |state: State, reason: Reason| {
        move |r: &mut Report| {
            r.node_word.logs[0].state = state;
            r.node_word.logs[0].reason = reason;
            r.node_word.logs[0].taken_in = 4;
        }
    };
    let stuck = |taken_in: bool| {
        move |r: &mut Report| {
            r.stuck = Some(Stuck {
                lane: Lane::Records,
                from: 5,
                for_ms: 120_000,
                taken_in,
            });
        }
    };
    // it cannot read
    check("读不了", false, &|r| trouble_of_source(r, "读不了"));
    check("读不出", false, &|r| {
        let doing = Doing {
            trouble: Some("读不出".to_owned()),
            ..Doing::default()
        };
        r.sources[0].1 = Some(doing);
    });
    check("文件 a.csv 未采用：缺列", false, &|r| {
        r.sources[0].0.note = Some("文件 a.csv 未采用：缺列".to_owned());
    });
    check("文件 b.csv 暂不能读取（锁）", false, &|r| {
        r.sources[0].0.note = Some("文件 b.csv 暂不能读取（锁），稍后再试".to_owned());
    });
    check("正在首次读取", true, &|r| {
        r.sources[0].0.cycle_ms = None
    });
    check("被拒收的 3 行", true, &|r| r.sources[0].0.refused = 3);
    check("发送队列已满", false, &|r| {
        r.sources[0].1 = Some(Doing {
            paused: Some(Pause::Outbox),
            ..Doing::default()
        });
    });
    // it cannot keep or seal
    check("剩余 80.0 MiB", true, &|r| r.disk = room(80 << 20));
    check("读取已暂停", false, &|r| r.disk = room(40 << 20));
    check("磁盘读不出", false, &|r| {
        if let Some(disk) = &mut r.disk {
            disk.room = Err("磁盘读不出".to_owned());
        }
    });
    check("封装不了", false, &|r| {
        r.sealing_trouble = Some("封装不了".to_owned());
    });
    check("写不进", false, &|r| {
        r.failing.push(("receipts".to_owned(), "写不进".to_owned()));
    });
    check("时钟", true, &|r| {
        r.clock_doubt = Some("校准时钟：慢 3 天".to_owned());
    });
    // it is not heard
    check("断开", false, &|r| {
        r.link.up = false;
        r.link.trouble = "断开".to_owned();
    });
    check("正在连接", false, &|r| r.link.up = false);
    check(
        "已被撤销（钥匙丢失），不再接收",
        false,
        &|r| {
            r.link.up = false;
            r.link.revoked = true;
            r.link.trouble = "钥匙丢失".to_owned();
        },
    );
    check("启动代理", false, &|r| r.running = false);
    check("正在核对", true, &|r| r.node_word.complete = false);
    // it is not taken in, or not applied, at its own node
    check(
        "平台暂不收存本代理第 5 批起的数据",
        false,
        &log(State::Held, Reason::OpeningUnknown),
    );
    check(
        "启用声明尚未收到",
        false,
        &log(State::Held, Reason::OpeningUnknown),
    );
    check("升级", false, &log(State::Held, Reason::Unread));
    check("腾出磁盘空间", false, &log(State::Held, Reason::Disk));
    check(
        "平台已停止接收本代理第 5 批起的数据",
        false,
        &log(State::Stopped, Reason::TwoHeaders),
    );
    check(
        "另一份代理",
        false,
        &log(State::Stopped, Reason::TwoHeaders),
    );
    check(
        "批次封装不合规定",
        false,
        &log(State::Stopped, Reason::SealedWrongly),
    );
    check(
        "平台缺少本代理第 5 批起的数据",
        false,
        &log(State::Gap, Reason::Gap),
    );
    check("重新办理入网", false, &log(State::Revoked, Reason::Revoked));
    check(
        "状态为 9（原因编号 77）",
        false,
        &log(State::of(9), Reason::of(77)),
    );
    check("第 5 批起已 2 分钟未被收存", false, &stuck(false));
    check("已收存，但已 2 分钟未处理入库", false, &stuck(true));
    check("批头的字节", false, &|r| {
        r.skipped.push(Skipped {
            peer: protocol::name::SeatId([2; 16]),
            class: 2,
            offset: 7,
            reason: "批头的字节不合规定".to_owned(),
            release: "0.1.0".to_owned(),
            at_ms: 1,
        });
    });
    check(
        "自述有故障：磁盘空间不足或不可用",
        true,
        &|r| {
            r.node_word.unwell = Some(vec![Reason::Disk]);
        },
    );
    check("7 天以上未", true, &|r| r.district_silent = true);

    assert_eq!(report().next_steps(), ["一切正常，无需操作"]);
    assert_eq!(report().unready(), Vec::<String>::new());
    let families = metrics(&report()).matches("# TYPE").count();
    assert!(families >= 20, "{families}");
}

/// Every reason that a node may give has words, and what to do.
#[test]
fn a_log_that_does_not_run_says_what_to_do_whatever_the_reason() {
    for state in State::KNOWN {
        for reason in Reason::KNOWN {
            let mut report = report();
            report.node_word.logs[0] = LogView {
                state: *state,
                reason: *reason,
                ..report.node_word.logs[0].clone()
            };
            let well = matches!(state, State::Running | State::NeverSeen);
            let steps = report.next_steps();
            assert_eq!(steps[0].contains("正常"), well, "{state:?} {reason:?}");
            if !well {
                assert!(steps[0].contains('；'), "{steps:?}");
            }
        }
    }
}

/// The city has a word of its own: what it has not heard yet makes its agent neither well nor unwell (D55).
#[test]
fn the_city_has_a_word_of_its_own() {
    let check = |word: CityWord, text: &str, name: &str| {
        let mut report = report();
        report.city = Some(word);
        assert_eq!(report.next_steps(), ["一切正常，无需操作"]);
        assert!(report.unready().is_empty());
        assert!(
            report.text().contains(text) && report.html().contains(text),
            "{text}"
        );
        assert_eq!(report.json()["city"]["word"], name);
        let line = report.text();
        let line = line
            .lines()
            .find(|l| l.starts_with("市级"))
            .expect("a line");
        assert!(!line.contains("正常"), "{line}");
    };
    check(CityWord::Reached, "已达", "reached");
    check(CityWord::OnTheWay, "在途", "on_the_way");
    check(CityWord::Nothing, "尚无批次", "nothing");
    check(CityWord::Unknown, "未知", "unknown");
    check(
        CityWord::Apart(1_714_536_000_000),
        "与市级断开，自 05-01 12:00 起",
        "apart",
    );
    let mut own = report();
    own.city = None;
    assert!(own.json()["city"].is_null());
}

#[test]
fn a_source_is_behind_when_it_cannot_be_read_or_is_overdue_and_not_because_its_schedule_is_wide() {
    let check = |expected: i64, trouble: bool, doing: Doing| {
        let mut report = report();
        report.now_ms = 100_000;
        report.sources[0].0.cycle_ms = Some(40_000);
        if trouble {
            trouble_of_source(&mut report, "锁");
        }
        report.sources[0].1 = Some(doing);
        assert_eq!(report.source_lag_s(), Some(expected));
    };
    let read = |read_ms, next_ms| Doing {
        looked_ms: read_ms,
        read_ms,
        next_ms,
        ..Doing::default()
    };
    check(0, false, read(Some(1_000), Some(200_000)));
    check(0, false, read(None, None));
    check(30, false, read(Some(1_000), Some(70_000)));
    check(99, true, read(Some(1_000), Some(200_000)));
    check(60, true, read(None, None));
    let paused = Doing {
        paused: Some(Pause::Disk),
        ..read(Some(90_000), None)
    };
    check(10, false, paused);
}

#[test]
fn names_of_files_steer_neither_terminal_nor_page() {
    let mut report = report();
    let name = "a\u{1b}[2J\n一切正常\u{202e}vsc.<b>";
    report.sources[0].0.note = Some(format!("文件 {name} 是空的，等待写入"));
    trouble_of_source(&mut report, name);
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
