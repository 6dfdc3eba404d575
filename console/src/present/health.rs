//! The tree of nodes and agents, flattened into lines.

use node::Node;
use node::query::health::{HealthTree, Party as Known, PartyKind, Stages as Offsets, State, Why};
use node::verify::{Last, PartName};

use crate::text;
use crate::view::Mark;
use crate::view::health::{self, Health, Party, Stages, Tally, Verified};

/// The page of a tree, or of what is in one state of it. `department` is the only one whose refusals may be seen.
pub(crate) fn view(
    node: &Node,
    tree: &HealthTree,
    only: Option<Mark>,
    department: Option<&str>,
) -> Health {
    let mut parties = Vec::new();
    let place = Place {
        depth: 0,
        above: "",
        foreign: department.is_some(),
    };
    lay(node, &tree.top, place, department, tree, &mut parties);
    let states = [
        State::Lost,
        State::Lagging,
        State::Unverified,
        State::Normal,
    ];
    let count = |state: State| {
        let code = mark(state).code;
        parties
            .iter()
            .filter(|p| p.state.as_ref().is_some_and(|m| m.code == code))
            .count() as u64
    };
    let tallies = states
        .iter()
        .map(|state| Tally {
            state: mark(*state),
            count: count(*state),
            href: health::address(Some(&mark(*state))),
        })
        .collect();
    if let Some(only) = &only {
        parties.retain(|p| p.state.as_ref() == Some(only));
    }
    Health {
        as_of: text::clock(tree.now_us),
        tallies,
        only,
        stages: stages(&tree.stages),
        verified: verified(&tree.verified, tree.now_us),
        parties,
    }
}

/// The last verification of the node itself.
fn verified(last: &Last, now: i64) -> Verified {
    let (Some(words), Some(run)) = (last.words(), last.newest()) else {
        return Verified {
            found: "尚未核对过，请在本机执行 verify --deep".to_owned(),
            wrong: false,
        };
    };
    let kind = if run.deep {
        "深度核对"
    } else {
        "一般核对"
    };
    Verified {
        found: format!("{words}（{}，{kind}）", text::near(run.at_us, now)),
        wrong: PartName::ALL
            .iter()
            .any(|name| last.is_good(*name) == Some(false)),
    }
}

/// The state of a key in an address.
pub(crate) fn state(key: &str) -> Option<Mark> {
    [
        health::LOST,
        health::LAGGING,
        health::UNVERIFIED,
        health::NORMAL,
    ]
    .into_iter()
    .find(|mark| mark.code == key)
}

fn mark(state: State) -> Mark {
    match state {
        State::Normal => health::NORMAL,
        State::Lagging => health::LAGGING,
        State::Lost => health::LOST,
        State::Unverified => health::UNVERIFIED,
    }
}

/// Where in the tree a line stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    depth: u8,
    /// Id of the line above.
    above: &'a str,
    /// Its refusals are not for whoever asks.
    foreign: bool,
}

fn lay(
    node: &Node,
    party: &Known,
    place: Place<'_>,
    department: Option<&str>,
    tree: &HealthTree,
    out: &mut Vec<Party>,
) {
    let Place { depth, above, .. } = place;
    let id = party.seat.map_or_else(
        || format!("{above}/{}", party.title),
        |seat| seat.to_string(),
    );
    let foreign = match party.kind {
        PartyKind::Department => department.is_some_and(|own| own != party.title),
        _ => place.foreign,
    };
    let now = tree.now_us;
    out.push(Party {
        id: id.clone(),
        depth,
        kind: match party.kind {
            PartyKind::City => "市级节点",
            PartyKind::District => "区级节点",
            PartyKind::Department => "部门",
            PartyKind::Source => "代理",
        },
        title: match party.kind {
            PartyKind::Department => node.organisation_title(&party.title),
            _ => party.title.clone(),
        },
        own: party.own,
        state: party.state.map(mark),
        note: note(&party.why, tree, now),
        lag: lag(party, tree),
        last_receipt: party
            .last_receipt
            .as_ref()
            .map(|r| text::near(r.at_us, now))
            .unwrap_or_default(),
        last_contact: contact(party, now),
        records: text::count(party.records),
        refused: if foreign {
            String::new()
        } else {
            text::count(party.refused)
        },
        refused_href: match (party.kind, party.seat) {
            (PartyKind::Source, Some(seat)) => format!("/refusals?state=open&seat={seat}"),
            (PartyKind::Department, _) => {
                // seats of one department may belong to several nodes
                format!(
                    "/refusals?state=open&department={}&node={above}",
                    text::percent(&party.title)
                )
            }
            // a node's figure is the sum of what lies below it
            (PartyKind::District, Some(seat)) => format!("/refusals?state=open&node={seat}"),
            _ => "/refusals?state=open".to_owned(),
        },
    });
    for child in &party.children {
        let below = Place {
            depth: depth.saturating_add(1),
            above: &id,
            foreign,
        };
        lay(node, child, below, department, tree, out);
    }
}

fn note(why: &Why, tree: &HealthTree, now: i64) -> String {
    match why {
        Why::Nothing => String::new(),
        Why::Silent { since_us } => {
            let span = text::span(now - since_us);
            format!(
                "{} 起失联，已 {span}；请检查对方进程与网络",
                text::near(*since_us, now)
            )
        }
        Why::NeverConnected => "已获准入网，尚未连接过".to_owned(),
        Why::NotConnected => "未连上上级；本节点继续独立运行，恢复后自动补传".to_owned(),
        Why::NoBatchYet => "已连接，尚未收到任何批次".to_owned(),
        Why::ParentAway => "上级失联，状态不详；告警已并入上级".to_owned(),
        Why::Behind { items, batches } => {
            let mut words = Vec::new();
            if *items > 0 {
                words.push(format!("待处理 {} 项", text::count(*items)));
            }
            if *batches > 0 {
                words.push(format!("待上级确认 {} 批", text::count(*batches)));
            }
            words.join("，")
        }
        Why::Stopped { reason } | Why::Waiting { reason } => reason.clone(),
        Why::Unwell {
            reason,
            relayed: false,
        } => reason.clone(),
        Why::Unwell { reason, .. } => format!("{reason}（由其所属节点转报）"),
        Why::Relayed if tree.top.own => "经区县节点转报".to_owned(),
        Why::Relayed => "经市级转来".to_owned(),
    }
}

fn lag(party: &Known, tree: &HealthTree) -> String {
    if party.own {
        let waiting = tree
            .stages
            .head
            .saturating_sub(tree.stages.folded.min(tree.stages.applied));
        let unconfirmed = match tree.unconfirmed {
            0 => String::new(),
            n => format!("，待上级确认 {} 批", text::count(n)),
        };
        return match waiting {
            0 => format!("无积压{unconfirmed}"),
            n => format!("积压 {} 项{unconfirmed}", text::count(n)),
        };
    }
    party
        .logged
        .map(|n| format!("收到第 {} 批", text::count(n)))
        .unwrap_or_default()
}

fn contact(party: &Known, now: i64) -> String {
    match (party.own, party.connected, party.last_contact_us) {
        (true, ..) => String::new(),
        (_, true, _) => "在线".to_owned(),
        (_, _, Some(at)) => text::near(at, now),
        _ if party.state.is_some() => "无".to_owned(),
        _ => String::new(),
    }
}

fn stages(offsets: &Offsets) -> Stages {
    let item = |offset: u64| match offset {
        0 => "尚无".to_owned(),
        offset => format!("第 {} 项", text::count(offset)),
    };
    Stages {
        logged: item(offsets.head),
        applied: item(offsets.applied),
        folded: item(offsets.folded),
        caught_up: offsets.folded >= offsets.head,
    }
}
