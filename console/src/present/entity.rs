//! Search results.

use node::Node;
use node::query::search::{Asked, HITS_MAX, Hit, Matched, NAME_CHARACTERS_MIN, SearchPage};

use super::{dossier_address, region};
use crate::text;
use crate::view::Pages;
use crate::view::entity::{Code, Empty, Row, Search};

/// The page of a search.
pub(crate) fn view(node: &Node, q: &str, page: u32, found: SearchPage) -> Search {
    let q = q.trim();
    let address = format!("/entities?q={}&page=", text::percent(q));
    let empty = |why: &str, next: &str| {
        Some(Empty {
            why: why.to_owned(),
            next: next.to_owned(),
        })
    };
    let empty = match &found.asked {
        Asked::Nothing => empty(
            "请输入查询内容",
            "可以是名称中连续的两个字以上、完整的 18 位统一社会信用代码、注册号，或曾用名。",
        ),
        Asked::TooShort => empty(
            &format!("名称至少要 {NAME_CHARACTERS_MIN} 个字"),
            "一个字命中太多，请再输入相邻的一个字；也可以输入完整的代码或注册号。",
        ),
        Asked::TooLong => empty("查询内容过长", "请只输入名称的一部分，或一个完整的代码。"),
        Asked::Words(_) if found.total > 0 => None,
        Asked::Words(_) if !found.any => empty(
            "本节点还没有任何主体",
            "还没有部门报送过登记信息，或数据正在处理。请在「节点与代理」查看代理是否已接入。",
        ),
        Asked::Words(words) => empty(
            &format!("没有名称、代码、注册号或曾用名与「{words}」相符的主体"),
            "请核对用字，或换名称中的另一部分再试。区级节点只有归本区管辖的主体，其他主体请到市级平台查询。",
        ),
    };
    Search {
        rows: found
            .hits
            .into_iter()
            .map(|hit| row(node, q, hit))
            .collect(),
        pages: Pages::of(page, found.total, &address),
        more: found.more,
        hits_max: HITS_MAX,
        empty,
        q: q.to_owned(),
    }
}

fn row(node: &Node, q: &str, hit: Hit) -> Row {
    let why = match hit.matched {
        Matched::Code => by_code("统一社会信用代码", &hit.uscc, q),
        Matched::RegistrationNumber => by_code("注册号", &hit.registration_number, q),
        Matched::OrganisationCode => "组织机构代码相符".to_owned(),
        Matched::Name if hit.name == q => "名称相同".to_owned(),
        Matched::Name => format!("名称含「{q}」"),
        Matched::FormerName(name) => format!("曾用名「{name}」含「{q}」"),
    };
    Row {
        href: dossier_address(&hit.subject),
        name_cut: cut(&hit.name, q),
        code: Some(hit.uscc)
            .filter(|c| !c.is_empty())
            .map(|c| Code::new(&c)),
        registration_number: hit.registration_number,
        region: region(node, &hit.region),
        status: hit.state,
        why,
        subject: hit.subject,
        name: hit.name,
    }
}

fn by_code(what: &str, code: &str, q: &str) -> String {
    let relation = if code.chars().count() == q.chars().count() {
        "相符"
    } else {
        "以此开头"
    };
    format!("{what}{relation}")
}

/// A name around the first place where the query stands literally.
fn cut(name: &str, q: &str) -> [String; 3] {
    match name.split_once(q).filter(|_| !q.is_empty()) {
        Some((before, after)) => [before.to_owned(), q.to_owned(), after.to_owned()],
        None => [name.to_owned(), String::new(), String::new()],
    }
}
