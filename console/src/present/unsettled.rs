//! Entities for a person to settle.

use node::Node;
use node::query::unsettled::{
    CANDIDATES_MAX, Likely as Found, Suggestion, UnsettledEntity, UnsettledFilter, UnsettledPage,
};
use supervision::conclude::matching::Method;
use supervision::conclude::unsettled::Unsettled as Why;

use super::{choices, dossier_address, region};
use crate::text;
use crate::view::Pages;
use crate::view::entity::{Code, Empty};
use crate::view::refusal::{Chip, Reason};
use crate::view::unsettled::{Likely, Unsettled, UnsettledList};

/// The page of a list. `only` is the department that the account is bound to.
pub(crate) fn view(
    node: &Node,
    filter: &UnsettledFilter,
    only: Option<&str>,
    found: UnsettledPage,
) -> UnsettledList {
    let department = filter.department.clone().unwrap_or_default();
    let seen = |(name, _): &&(String, u64)| only.is_none_or(|own| own == name);
    let reasons = found.reasons.iter();
    let reason = filter.reason.map(Why::code).unwrap_or_default();
    let word =
        |code: &str| Why::from_code(code).map_or_else(|| code.to_owned(), |w| w.title().to_owned());
    let address = address(filter.department.as_deref(), filter.reason);
    let join = if address.contains('?') { '&' } else { '?' };
    UnsettledList {
        reason: reason.to_owned(),
        departments: choices(
            found.departments.iter().filter(seen).cloned(),
            &department,
            str::to_owned,
        ),
        reasons: choices(
            reasons.map(|(why, count)| (why.code().to_owned(), *count)),
            reason,
            word,
        ),
        chips: chips(filter, only),
        pages: Pages::of(found.page, found.total, &format!("{address}{join}page=")),
        empty: (found.total == 0).then(|| empty(filter, only)),
        rows: found.rows.iter().map(|row| entity(node, row)).collect(),
        department,
    }
}

/// One entity.
pub(crate) fn entity(node: &Node, found: &UnsettledEntity) -> Unsettled {
    let (known_by, number) = known_by(found);
    let (compared, likely) = compared(node, &found.suggestion);
    Unsettled {
        href: dossier_address(&found.subject),
        name: found.name.clone(),
        known_by,
        number: number.to_owned(),
        region: region(node, &found.region),
        department: found.department.clone(),
        source: found.source.clone(),
        reasons: found
            .reasons
            .iter()
            .map(|why| Reason {
                code: why.code().to_owned(),
                wrong: wrong(found, *why),
                mend: why.fix().to_owned(),
            })
            .collect(),
        list: address(None, found.reasons.first().copied()),
        compared,
        likely,
        subject: found.subject.clone(),
    }
}

/// By what an entity is known.
fn known_by(found: &UnsettledEntity) -> (&'static str, &str) {
    match found.subject.split_once(':') {
        Some(("uscc", code)) => ("统一社会信用代码", code),
        Some(("reg", number)) => ("注册号", number),
        Some(("org", code)) => ("组织机构代码", code),
        Some(("tax", number)) => ("税务登记证号", number),
        _ => ("仅有名称", ""),
    }
}

/// What is wrong, with the number that it is about.
fn wrong(found: &UnsettledEntity, why: Why) -> String {
    let division = &found.division;
    match why {
        Why::RegistrationNumber if found.is_number_valid => format!(
            "只有 15 位注册号 {}，没有统一社会信用代码",
            found.registration_number
        ),
        Why::RegistrationNumber => format!(
            "只有注册号 {}（不是有效的 15 位注册号，不用于比对），没有统一社会信用代码",
            found.registration_number
        ),
        Why::DivisionUnknown => format!("区划代码 {division} 不在区划表内"),
        Why::DivisionForeign => format!("区划代码 {division} 不属本市"),
        Why::DivisionSplit => format!("区划 {division} 已拆分或撤销，无法确定归属"),
        _ => why.title().to_owned(),
    }
}

fn compared(node: &Node, suggestion: &Suggestion) -> (String, Vec<Likely>) {
    let likely = |found: &Found, by: Option<(Method, u8)>| Likely {
        href: dossier_address(&found.subject),
        name: found.name.clone(),
        code: Code::new(&found.uscc),
        region: region(node, &found.region),
        method: by.map_or("", |(method, _)| method.label()),
        score: by.map(|(_, score)| score),
    };
    match suggestion {
        Suggestion::NotAsked => (String::new(), Vec::new()),
        Suggestion::None => (
            "本节点没有代码、号码或名称相符的主体".to_owned(),
            Vec::new(),
        ),
        Suggestion::One {
            entity,
            method,
            score,
            more,
        } => {
            let mut text = match method {
                Method::NameAndFact => {
                    "名称和其他事项相符，可能是下列主体；仅此不足以认定，须对照证照核对"
                }
                _ => "号码相符，可能是下列主体",
            }
            .to_owned();
            if *more {
                text.push_str(&format!(
                    "。相近的主体较多，每项只比对了前 {CANDIDATES_MAX} 户"
                ));
            }
            (text, vec![likely(entity, Some((*method, *score)))])
        }
        Suggestion::Several(several) => (
            format!("有 {} 户同样相符，无法分辨，须对照证照核对", several.len()),
            several.iter().map(|found| likely(found, None)).collect(),
        ),
    }
}

/// Address of the list under a filter.
fn address(department: Option<&str>, reason: Option<Why>) -> String {
    let department = department.map(|d| format!("department={}", text::percent(d)));
    let reason = reason.map(|r| format!("reason={}", r.code()));
    let parts: Vec<String> = department.into_iter().chain(reason).collect();
    if parts.is_empty() {
        "/unsettled".to_owned()
    } else {
        format!("/unsettled?{}", parts.join("&"))
    }
}

fn chips(filter: &UnsettledFilter, only: Option<&str>) -> Vec<Chip> {
    let mut all = Vec::new();
    let department = filter.department.as_deref();
    if let Some(name) = department.filter(|d| Some(*d) != only) {
        all.push(Chip {
            word: format!("部门：{name}"),
            without: address(None, filter.reason),
        });
    }
    if let Some(why) = filter.reason {
        all.push(Chip {
            word: format!("原因：{}", why.title()),
            without: address(department, None),
        });
    }
    all
}

fn empty(filter: &UnsettledFilter, only: Option<&str>) -> Empty {
    let narrowed = filter.reason.is_some() || filter.department.as_deref() != only;
    let (why, next) = if narrowed {
        (
            "没有符合当前筛选的待核实主体",
            "是上面的筛选条件把其他主体排除了；去掉其中一项再看。",
        )
    } else {
        (
            "没有待核实的主体",
            "规则已能认定现有的全部主体和它们的归属，不需要人工核实。",
        )
    };
    Empty {
        why: why.to_owned(),
        next: next.to_owned(),
    }
}
