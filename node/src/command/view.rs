//! Questions of people that are written down: dossiers, searches, lists, the record of acts itself. The row is written
//! before the answer is given; without it there is none.
//!
//! A list that is looked at again with the same question leaves one row an hour. Each page of it has its own, so that it
//! shows how far somebody has read.

use super::account::Role;
use super::actor::{Action, Actor};
use crate::node::Node;
use crate::query::QueryError;
use crate::query::audit::{ActFilter, ActPage};
use crate::query::dossier::DossierPage;
use crate::query::refusal::{RefusalFilter, RefusalPage};
use crate::query::search::{Asked, SearchPage};
use crate::query::unsettled::{UnsettledFilter, UnsettledPage};

/// The same look within this leaves no further row.
pub const AGAIN_US: i64 = 3_600 * 1_000_000;

impl Node {
    /// The dossier of a subject given with its tag, as an account of this role may see it; `None`, and nothing written down,
    /// if nothing is known of it here. Every look is written down.
    pub async fn view_dossier(
        &self,
        tagged: &str,
        role: &Role,
        actor: &Actor,
        now_us: i64,
    ) -> Result<Option<DossierPage>, QueryError> {
        let Some(page) = self.dossier(tagged, role).await? else {
            return Ok(None);
        };
        let act = actor.act(Action::DossierView, tagged, "", now_us);
        self.store().audit_append(&act).await?;
        Ok(Some(page))
    }

    /// Entities that match, page by page (1 is the first). What is too short or long to be sought is not.
    pub async fn view_search(
        &self,
        q: &str,
        (page, rows): (u32, u32),
        actor: &Actor,
        now_us: i64,
    ) -> Result<SearchPage, QueryError> {
        let found = self.search(q, page, rows).await?;
        if let Asked::Words(words) = &found.asked {
            let detail = format!("第 {page} 页");
            self.note(Action::Search, words, &detail, actor, now_us)
                .await?;
        }
        Ok(found)
    }

    /// Refusals that match, newest first, page by page (1 is the first).
    pub async fn view_refusals(
        &self,
        filter: &RefusalFilter,
        (page, rows): (u32, u32),
        actor: &Actor,
        now_us: i64,
    ) -> Result<RefusalPage, QueryError> {
        let found = self.refusals(filter, page, rows).await?;
        let seat = |seat: Option<protocol::name::SeatId>| seat.map(|s| s.to_string());
        let state = match filter.open {
            Some(true) => "待更正",
            Some(false) => "已更正",
            None => "全部",
        };
        let asked = question(&[
            ("部门", filter.department.clone()),
            ("原因", filter.reason.clone()),
            ("状态", Some(state.to_owned())),
            ("来源", seat(filter.seat)),
            ("节点", seat(filter.node)),
            ("主体", filter.subject.clone()),
        ]);
        let detail = format!("第 {page} 页");
        self.note(Action::RefusalList, &asked, &detail, actor, now_us)
            .await?;
        Ok(found)
    }

    /// Entities that a person must settle, page by page (1 is the first).
    pub async fn view_unsettled(
        &self,
        filter: &UnsettledFilter,
        (page, rows): (u32, u32),
        actor: &Actor,
        now_us: i64,
    ) -> Result<UnsettledPage, QueryError> {
        let found = self.unsettled(filter, page, rows).await?;
        let asked = question(&[
            ("部门", filter.department.clone()),
            ("原因", filter.reason.map(|r| r.code().to_owned())),
        ]);
        let detail = format!("第 {} 页", found.page);
        self.note(Action::UnsettledList, &asked, &detail, actor, now_us)
            .await?;
        Ok(found)
    }

    /// A page of the record of acts, newest first; those with a number below `before`, if given.
    pub async fn view_acts(
        &self,
        filter: &ActFilter,
        before: Option<u64>,
        rows: u32,
        actor: &Actor,
        now_us: i64,
    ) -> Result<ActPage, QueryError> {
        let found = self.acts(filter, before, rows as usize).await?;
        let detail = before.map_or_else(String::new, |seq| format!("第 {seq} 条以前"));
        self.note(
            Action::AuditList,
            &acts_question(filter),
            &detail,
            actor,
            now_us,
        )
        .await?;
        Ok(found)
    }

    /// Acts to be taken away, newest first, at most `rows`. Every export is written down.
    pub async fn export_acts(
        &self,
        filter: &ActFilter,
        rows: usize,
        actor: &Actor,
        now_us: i64,
    ) -> Result<ActPage, QueryError> {
        let mut all = ActPage::default();
        loop {
            let page = self.acts(filter, all.next, rows - all.rows.len()).await?;
            all.rows.extend(page.rows);
            all.next = page.next;
            if all.next.is_none() || all.rows.len() >= rows {
                break;
            }
        }
        let detail = format!("{} 条", all.rows.len());
        let act = actor.act(Action::AuditExport, &acts_question(filter), &detail, now_us);
        self.store().audit_append(&act).await?;
        Ok(all)
    }

    /// Writes down that somebody asked for what the account may not do, and that it was not done.
    pub async fn note_forbidden(
        &self,
        address: &str,
        why: &str,
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), QueryError> {
        self.note(Action::Forbidden, address, why, actor, now_us)
            .await
    }

    /// Writes down what the store has no part in and does by itself, like cutting a link: before it is done.
    pub async fn note_act(
        &self,
        action: Action,
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), QueryError> {
        let act = actor.act(action, "", "", now_us);
        Ok(self.store().audit_append(&act).await?)
    }

    async fn note(
        &self,
        action: Action,
        object: &str,
        detail: &str,
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), QueryError> {
        let act = actor.act(action, object, detail, now_us);
        self.store()
            .audit_append_once(&act, now_us - AGAIN_US)
            .await?;
        Ok(())
    }
}

/// What was asked for, in words.
fn question(parts: &[(&str, Option<String>)]) -> String {
    let given = parts.iter().filter_map(|(word, value)| {
        let value = value.as_ref().filter(|value| !value.is_empty())?;
        Some(format!("{word}：{value}"))
    });
    given.collect::<Vec<_>>().join("，")
}

fn acts_question(filter: &ActFilter) -> String {
    question(&[
        ("账号", filter.account.clone()),
        ("操作", filter.action.map(|a| a.label().to_owned())),
        ("对象", Some(filter.object.clone())),
        ("日期", Some(filter.period.clone())),
    ])
}
