//! Refused reports.

use node::Node;
use node::query::refusal::{Refusal, RefusalFilter, RefusalPage};
use supervision::standard::reason::reason;

use super::{choices, dossier_address};
use crate::text;
use crate::view::Pages;
use crate::view::entity::Empty;
use crate::view::refusal::{self, Chip, Reason, Refusals, Row};

/// The page of a list. `only` is the department that the account is bound to.
pub(crate) fn view(
    node: &Node,
    filter: &RefusalFilter,
    only: Option<&str>,
    page: u32,
    found: RefusalPage,
) -> Refusals {
    let state = state_key(filter.open);
    let department = filter.department.clone().unwrap_or_default();
    let reason_code = filter.reason.clone().unwrap_or_default();
    Refusals {
        departments: choices(found.departments.iter().cloned(), &department, |code| {
            node.organisation_title(code)
        }),
        reasons: choices(found.reasons.iter().cloned(), &reason_code, reason_word),
        chips: chips(node, filter, only),
        pages: Pages::of(
            page,
            found.total,
            &format!("{}&page=", address(filter, Without::Nothing)),
        ),
        empty: (found.total == 0).then(|| empty(filter)),
        rows: found.rows.iter().map(|r| row(node, r)).collect(),
        seat: filter.seat.map(|s| s.to_string()).unwrap_or_default(),
        seat_title: filter.seat.map(|s| node.title_of(&s)).unwrap_or_default(),
        subject: filter.subject.clone().unwrap_or_default(),
        node: filter.node.map(|s| s.to_string()).unwrap_or_default(),
        more: found.more,
        state,
        department,
        reason: reason_code,
    }
}

/// One row.
pub(crate) fn row(node: &Node, refusal: &Refusal) -> Row {
    Row {
        state: if refusal.open {
            refusal::OPEN
        } else {
            refusal::CLOSED
        },
        department: node.organisation_title(&refusal.department),
        source: refusal.source.clone(),
        record_type: refusal.record_title.clone(),
        key: if refusal.key.is_empty() {
            "（源行无主键）".to_owned()
        } else {
            refusal.key.clone()
        },
        dossier: refusal.subject.as_deref().map(dossier_address),
        reasons: refusal
            .reasons
            .iter()
            .map(|r| Reason {
                code: r.code.clone(),
                wrong: r.title.clone(),
                mend: r.fix.clone(),
            })
            .collect(),
        fields: refusal.fields.clone(),
        time: text::minute(refusal.at_us),
    }
}

fn reason_word(code: &str) -> String {
    reason(code).map_or_else(|| code.to_owned(), |r| format!("{code} {}", r.title))
}

const fn state_key(open: Option<bool>) -> &'static str {
    match open {
        Some(true) => "open",
        Some(false) => "closed",
        None => "all",
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Without {
    Nothing,
    Department,
    Reason,
    Seat,
    Subject,
    Node,
}

/// Address of the list under a filter, one part left out.
fn address(filter: &RefusalFilter, without: Without) -> String {
    let mut out = format!("/refusals?state={}", state_key(filter.open));
    let mut add = |key: &str, part: Without, value: Option<String>| {
        if let Some(value) = value.filter(|_| part != without) {
            out.push_str(&format!("&{key}={}", text::percent(&value)));
        }
    };
    add("department", Without::Department, filter.department.clone());
    add("reason", Without::Reason, filter.reason.clone());
    add("seat", Without::Seat, filter.seat.map(|s| s.to_string()));
    add("subject", Without::Subject, filter.subject.clone());
    add("node", Without::Node, filter.node.map(|s| s.to_string()));
    out
}

fn chips(node: &Node, filter: &RefusalFilter, only: Option<&str>) -> Vec<Chip> {
    let chip = |word: String, part: Without| Chip {
        word,
        without: address(filter, part),
    };
    let mut all = Vec::new();
    if let Some(department) = filter.department.as_deref().filter(|d| Some(*d) != only) {
        let title = node.organisation_title(department);
        all.push(chip(format!("部门：{title}"), Without::Department));
    }
    if let Some(code) = &filter.reason {
        all.push(chip(
            format!("原因：{}", reason_word(code)),
            Without::Reason,
        ));
    }
    if let Some(seat) = &filter.seat {
        all.push(chip(
            format!("来源：{}", node.title_of(seat)),
            Without::Seat,
        ));
    }
    if let Some(subject) = &filter.subject {
        let shown = subject
            .split_once(':')
            .map_or(subject.as_str(), |(_, rest)| rest);
        all.push(chip(format!("主体：{shown}"), Without::Subject));
    }
    if let Some(seat) = &filter.node {
        all.push(chip(
            format!("节点：{}", node.title_of(seat)),
            Without::Node,
        ));
    }
    all
}

fn empty(filter: &RefusalFilter) -> Empty {
    let narrowed = filter.department.is_some()
        || filter.reason.is_some()
        || filter.seat.is_some()
        || filter.subject.is_some()
        || filter.node.is_some();
    let (why, next) = match (filter.open, narrowed) {
        (_, true) => (
            "没有符合当前筛选的拒收记录",
            "是上面的筛选条件把其他记录排除了；去掉其中一项，或把状态改为「全部」再看。",
        ),
        (Some(true), false) => (
            "没有待更正的拒收",
            "所有来源最近的报送都符合标准。已更正的可在状态中选「已更正」查看。",
        ),
        (Some(false), false) => (
            "还没有更正过的拒收",
            "源部门在源库更正后，拒收会自动结案并列在这里。",
        ),
        (None, false) => ("还没有拒收记录", "到目前为止，各来源的报送都符合标准。"),
    };
    Empty {
        why: why.to_owned(),
        next: next.to_owned(),
    }
}
