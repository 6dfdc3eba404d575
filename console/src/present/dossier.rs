//! The dossier with the chain behind every field.

use node::Node;
use node::query::dossier::{DossierPage, ReceiptState, SectionState, Statement as Known, View};
use protocol::hash::Hash;
use protocol::name::Lane;
use protocol::opening::Closed;
use supervision::dossier::{Fact, Record};
use supervision::standard::{Audience, Classification, FieldKind};

use super::{refusal, region};
use crate::text;
use crate::view::dossier::{
    self, Batch, Category, Dossier, Field, Other, Receipt, Signature, Statement, Topic, Viewed,
};
use crate::view::entity::Code;

/// The page of a dossier.
pub(crate) fn view(node: &Node, subject: &str, page: &DossierPage, now: i64) -> Dossier {
    let bar = &page.facts.bar;
    let value = |fact: &Option<Fact>| fact.as_ref().map(|f| f.value.clone()).unwrap_or_default();
    let bare = subject.split_once(':').map_or(subject, |(_, rest)| rest);
    let name = Some(value(&bar.name))
        .filter(|n| !n.is_empty())
        .unwrap_or_else(|| bare.to_owned());
    let code = Some(value(&bar.uscc)).filter(|c| !c.is_empty());
    let named = match page.region.as_str() {
        "" => "未确定".to_owned(),
        code => format!("{}（{code}）", region(node, code)),
    };
    Dossier {
        subject: subject.to_owned(),
        code: code.map(|c| Code::new(&c)),
        registration_number: value(&bar.reg_no),
        status: value(&bar.state),
        region: named,
        region_basis: page
            .basis
            .map(|b| format!("依据{}", b.label()))
            .unwrap_or_default(),
        former_names: Some(value(&bar.former_names))
            .filter(|n| !n.is_empty())
            .into_iter()
            .collect(),
        as_of: text::second(now),
        notes: notes(page),
        unsettled: None,
        categories: Classification::ALL
            .iter()
            .map(|c| category(node, page, *c, now))
            .collect(),
        refusals: page
            .refusals
            .iter()
            .map(|refused| refusal::row(node, refused))
            .collect(),
        refusals_href: format!("/refusals?state=all&subject={}", text::percent(subject)),
        views: None,
        name,
    }
}

/// Who has looked at a dossier.
pub(crate) fn views(views: &[View]) -> Vec<Viewed> {
    let viewed = |view: &View| Viewed {
        at: text::second(view.at_us),
        who: if view.name.is_empty() {
            view.account.clone()
        } else {
            format!("{}（{}）", view.name, view.account)
        },
        way: if view.way == "api" {
            "接口"
        } else {
            "网页"
        },
    };
    views.iter().map(viewed).collect()
}

fn notes(page: &DossierPage) -> Vec<String> {
    let mut notes = Vec::new();
    // no figures here: nothing on the page lists what they would count
    if !page.facts.unknown.is_empty() {
        notes.push("另有记录依据本版本程序不认识的标准，已保存，升级后显示。".to_owned());
    }
    if !page.facts.refused.is_empty() {
        notes.push("有报送未通过标准，没有采用；原因见本页末尾的拒收。".to_owned());
    }
    if page.more {
        notes.push("该主体的记录过多，这里只列出一部分。".to_owned());
    }
    notes
}

fn category(node: &Node, page: &DossierPage, classification: Classification, now: i64) -> Category {
    let records = page
        .facts
        .groups
        .iter()
        .filter(|g| g.classification == classification);
    Category {
        id: match classification {
            Classification::Basic => "basic",
            Classification::Good => "good",
            Classification::Warning => "warning",
            Classification::Inspection => "inspection",
        },
        title: classification.label(),
        topics: records
            .flat_map(|g| &g.records)
            .map(|r| topic(node, page, r, now))
            .collect(),
    }
}

fn topic(node: &Node, page: &DossierPage, record: &Record, now: i64) -> Topic {
    let known = |at: usize| page.statements.get(at);
    let first = record.sources.first().copied().and_then(known);
    let standard = first.map(|s| format!("{} 第 {} 版", s.head.standard, s.head.standard_version));
    let closed = first
        .map(|s| s.sections.iter().filter_map(closed).collect())
        .unwrap_or_default();
    Topic {
        title: record.title.clone(),
        standard: standard.unwrap_or_default(),
        fields: record
            .facts
            .iter()
            .filter_map(|f| field(node, page, record, f))
            .collect(),
        closed,
        statements: record
            .sources
            .iter()
            .enumerate()
            .filter_map(|(place, at)| Some(statement(node, *at, known(*at)?, place == 0, now)))
            .collect(),
    }
}

fn chain(at: usize) -> String {
    format!("chain-{}", at + 1)
}

fn field(node: &Node, page: &DossierPage, record: &Record, fact: &Fact) -> Option<Field> {
    let source = page.statements.get(fact.source)?;
    let standard = node
        .standards()
        .get(&source.head.standard, source.head.standard_version);
    let section = standard
        .and_then(|s| s.field(fact.field))
        .map_or(0, |f| f.section);
    let state = source.sections.iter().find(|s| s.number == section);
    let others = fact.beside.iter().filter_map(|beside| {
        Some(Other {
            department: node
                .organisation_title(&page.statements.get(beside.source)?.origin.department),
            value: beside.value.clone(),
            same: !beside.differs,
            chain: chain(beside.source),
        })
    });
    Some(Field {
        number: fact.field,
        label: fact.label.clone(),
        code: (fact.kind == FieldKind::Uscc && fact.value.len() == 18)
            .then(|| Code::new(&fact.value)),
        value: fact.value.clone(),
        audience: audience(Some(fact.audience)),
        section,
        commitment: state.map(|s| s.commitment.to_string()).unwrap_or_default(),
        statement: record
            .sources
            .iter()
            .position(|at| *at == fact.source)
            .unwrap_or_default(),
        department: node.organisation_title(&source.origin.department),
        time: text::minute(sealed_us(source)),
        row: row_of(source),
        chain: chain(fact.source),
        others: others.collect(),
    })
}

fn sealed_us(statement: &Known) -> i64 {
    i64::try_from(statement.batch.sealed_ms)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000)
}

fn row_of(statement: &Known) -> String {
    let provenance = &statement.provenance;
    match (provenance.position_text(), &provenance.position) {
        (Some(words), _) if !words.is_empty() => words.to_owned(),
        (_, Some(bytes)) if !bytes.is_empty() => bytes.iter().map(|b| format!("{b:02x}")).collect(),
        _ => "未记录".to_owned(),
    }
}

fn author_of(statement: &Known) -> String {
    let provenance = &statement.provenance;
    match (&provenance.real_name, &provenance.account) {
        (Some(name), Some(account)) => format!("{name}（{account}）"),
        (Some(only), None) | (None, Some(only)) => only.clone(),
        (None, None) => String::new(),
    }
}

const fn audience(audience: Option<Audience>) -> &'static str {
    match audience {
        Some(Audience::Public) => "公开",
        Some(Audience::Government) => "政府内部",
        Some(Audience::SourceAndCity) => "来源与市级",
        Some(Audience::Addressees) => "仅收件方",
        None => "头部",
    }
}

fn closed(section: &SectionState) -> Option<String> {
    let why = match section.closed {
        Some(Closed::Withheld) => "未向本节点开放",
        Some(Closed::Compacted) => "已到期压缩",
        Some(Closed::Erased) => "已依声明删除",
        None if section.for_others => "按公开范围不向您的账号显示",
        None => return None,
    };
    Some(format!(
        "第 {} 节（{}）{why}",
        section.number,
        audience(section.audience)
    ))
}

fn statement(node: &Node, at: usize, known: &Known, shown: bool, now: i64) -> Statement {
    let (standing, standing_note) = if known.retracted {
        (
            dossier::RETRACTED,
            "源库中已没有这一行；以下是删除前最后一次报送以外的信息。",
        )
    } else if known.newer_refused {
        (
            dossier::NEWER_REFUSED,
            "该行之后又有报送，但未通过标准，仍采用这一次；原因见本页末尾的拒收。",
        )
    } else {
        (dossier::IN_FORCE, "")
    };
    let lane = match known.lane {
        Lane::Directory => "目录日志",
        Lane::Cases => "事项日志",
        Lane::Records => "记录日志",
    };
    Statement {
        id: chain(at),
        shown,
        department: node.organisation_title(&known.origin.department),
        source: known.origin.title.clone(),
        jurisdiction: region(node, &known.origin.jurisdiction),
        seat: known.origin.seat.to_string(),
        row: row_of(known),
        author: author_of(known),
        key: known.head.key.to_string(),
        event_date: known
            .head
            .event_date
            .map(|d| d.to_string())
            .unwrap_or_default(),
        standing,
        standing_note: standing_note.to_owned(),
        sealed: text::second(sealed_us(known)),
        batch: Batch {
            lane,
            epoch: known.version.epoch,
            sequence: known.version.sequence,
            index: known.version.index,
            count: known.batch.count,
            header: known.batch.header.to_string(),
            leaf: known.batch.leaf.to_string(),
            root: known.batch.root.to_string(),
            offset: known.batch.offset,
            arrived: text::second(known.batch.arrived_us),
        },
        signature: signature(known),
        receipts: known.receipts.iter().map(|r| receipt(r, now)).collect(),
    }
}

fn signature(known: &Known) -> Signature {
    let verification = &known.verification;
    let mut admitted_by = verification.admitted_by.clone();
    admitted_by.push("市根声明".to_owned());
    let (mark, note) = match &verification.fault {
        None => (
            dossier::VERIFIED,
            "刚刚重新验证：批头签名、批根与本条叶散列一致，准入链完整".to_owned(),
        ),
        Some(fault) => (
            dossier::BROKEN,
            format!("{fault}。来源方的密钥或本节点的存储可能被改动，请立即告知本节点管理员"),
        ),
    };
    Signature {
        verified: verification.fault.is_none(),
        mark,
        note,
        suite: "SHA-256 与 Ed25519",
        fingerprint: if verification.fingerprint == Hash::ZERO {
            "不详（身份声明尚未到达）".to_owned()
        } else {
            verification.fingerprint.to_string()
        },
        identity: verification.identity.to_string(),
        admitted_by,
    }
}

fn receipt(state: &ReceiptState, now: i64) -> Receipt {
    let safeguarded = match state.safeguarded {
        0 => "尚未保全".to_owned(),
        upto => format!("保全到第 {} 批", text::count(upto)),
    };
    Receipt {
        node: state.node.clone(),
        durable: if state.is_durable() {
            dossier::DURABLE
        } else {
            dossier::NOT_DURABLE
        },
        safeguarded: if state.is_safeguarded() {
            dossier::SAFEGUARDED
        } else {
            dossier::NOT_SAFEGUARDED
        },
        at: text::near(state.at_us, now),
        reach: format!("落盘到第 {} 批，{safeguarded}", text::count(state.durable)),
    }
}
