//! Entities, worked out again from the records as fold does and compared with the list that people search.

use std::collections::{BTreeSet, HashMap, HashSet};

use store::verify::StoredEntity;
use store::{EntityRow, ItemKind, UnsettledRow};

use super::records::VIEWS;
use super::{Ended, Part, Run, as_damage};
use crate::fold::{Block, Seen};

/// Subjects compared at once: blocks are opened once for all of a page.
const PAGE: usize = 16_384;

/// What is wrong with the entity of a subject.
struct Wrong {
    subject: u64,
    text: String,
    what: String,
}

impl Run<'_> {
    /// Compares the entities of all subjects that have records, and looks for entities without any.
    pub(super) async fn entities(&self, part: &mut Part) -> Result<(), Ended> {
        part.checked(0);
        let store = self.node.store();
        self.begin("核对主体与查询索引", store.stats().await?.entities)?;
        let mut suspects = Vec::new();
        let mut after = None;
        loop {
            let subjects = store.subjects_page(after, PAGE).await?;
            let Some(last) = subjects.last() else { break };
            after = Some(*last);
            self.went(subjects.len() as u64)?;
            let compared = self.compare(&subjects).await?;
            part.checked(compared.stored);
            suspects.extend(compared.wrong.into_iter().map(|wrong| wrong.subject));
            suspects.extend(compared.unreadable);
        }
        let mut after = None;
        loop {
            let subjects = store.entity_subjects_page(after, PAGE).await?;
            let Some(last) = subjects.last() else { break };
            after = Some(*last);
            self.went(0)?;
            let records = store.records_of_subjects(&subjects).await?;
            let with: HashSet<u64> = records.into_iter().map(|row| row.subject).collect();
            suspects.extend(subjects.into_iter().filter(|s| !with.contains(s)));
        }
        match suspects.is_empty() {
            true => Ok(()),
            false => self.look_again(suspects, part).await,
        }
    }

    /// Looks at entities again while fold stands still. Those that it has yet to look at are not wrong.
    async fn look_again(&self, suspects: Vec<u64>, part: &mut Part) -> Result<(), Ended> {
        let node = self.node;
        let turn = node.fold_turn().await;
        let (mut wrong, mut unreadable) = (Vec::new(), 0);
        for subjects in suspects.chunks(PAGE) {
            self.went(0)?;
            let compared = self.compare(subjects).await?;
            wrong.extend(compared.wrong);
            unreadable += compared.unreadable.len();
        }
        let heads = node.store().feed_heads();
        let mut pending: HashSet<u64> = HashSet::new();
        for chunk in wrong.chunks(PAGE) {
            let subjects: Vec<u64> = chunk.iter().map(|one| one.subject).collect();
            pending.extend(node.store().dirty_among(&subjects).await?);
        }
        let mut through = heads.folded;
        while through < heads.applied && !wrong.is_empty() {
            let items = self.items(through, heads.applied).await?;
            through = items.last().map_or(heads.applied, |item| item.offset);
            self.went(0)?;
            let mut subjects = BTreeSet::new();
            for item in items.into_iter().filter(|i| i.kind == ItemKind::Block) {
                if let Ok(block) = Block::unpack(item) {
                    // what cannot be read is named where bytes are checked
                    let _ = node.subjects_of(&block, &mut subjects);
                }
            }
            pending.extend(subjects);
        }
        drop(turn);
        let before = wrong.len();
        wrong.retain(|one| !pending.contains(&one.subject));
        if wrong.len() < before {
            part.note(format!("{} 个主体尚待更新，未作比对", before - wrong.len()));
        }
        if unreadable > 0 {
            part.note(format!(
                "{unreadable} 个主体所依据的批次内容已损坏（见内容字节），未能核对"
            ));
        }
        for one in wrong {
            part.fault(one.text, one.what, VIEWS);
        }
        Ok(())
    }

    async fn compare(&self, subjects: &[u64]) -> Result<Compared, Ended> {
        let store = self.node.store();
        let mut due = HashMap::with_capacity(subjects.len());
        let mut unreadable = HashSet::new();
        self.shown(subjects, &mut due, &mut unreadable).await?;
        let mut stored: HashMap<u64, StoredEntity> = HashMap::new();
        for entity in store.stored_entities(subjects).await? {
            stored.insert(entity.row.subject, entity);
        }
        let mut unsettled: HashMap<u64, UnsettledRow> = HashMap::new();
        for row in store.unsettled_among(subjects).await? {
            unsettled.insert(row.subject, row);
        }
        let count = stored.len() as u64;
        let mut wrong = Vec::new();
        for subject in subjects.iter().filter(|s| !unreadable.contains(*s)) {
            let (due, stored) = (due.get(subject), stored.get(subject));
            let what = difference(due, stored, unsettled.get(subject));
            let row = due
                .map(|seen| &seen.row)
                .or(stored.map(|entity| &entity.row));
            wrong.extend(what.map(|what| Wrong {
                subject: *subject,
                text: match row {
                    Some(row) => format!("主体 {}（{}）", row.subject_text, row.name),
                    None => format!("主体 {subject:016x}"),
                },
                what,
            }));
        }
        Ok(Compared {
            wrong,
            unreadable,
            stored: count,
        })
    }

    /// What the list should show of these subjects. Where the blocks of some cannot be read, the others are shown all the same.
    async fn shown(
        &self,
        subjects: &[u64],
        due: &mut HashMap<u64, Seen>,
        unreadable: &mut HashSet<u64>,
    ) -> Result<(), Ended> {
        match self.node.shown_of(subjects, Vec::new(), self.now_us).await {
            Ok(seen) => {
                due.extend(seen);
                Ok(())
            }
            Err(error) => {
                as_damage(error)?;
                let (left, right) = subjects.split_at(subjects.len() / 2);
                if left.is_empty() {
                    unreadable.extend(right);
                    return Ok(());
                }
                Box::pin(self.shown(left, due, unreadable)).await?;
                Box::pin(self.shown(right, due, unreadable)).await
            }
        }
    }
}

/// What a comparison came to.
struct Compared {
    wrong: Vec<Wrong>,
    /// Subjects whose blocks cannot be read.
    unreadable: HashSet<u64>,
    /// Entities that there are.
    stored: u64,
}

fn difference(
    due: Option<&Seen>,
    stored: Option<&StoredEntity>,
    unsettled: Option<&UnsettledRow>,
) -> Option<String> {
    let (due, stored) = match (due, stored) {
        (None, None) => return None,
        (Some(_), None) => return Some("主体缺失：记录中有，查询列表中没有".to_owned()),
        (None, Some(_)) => return Some("主体多出：没有记录可以得出它".to_owned()),
        (Some(due), Some(stored)) => (due, stored),
    };
    if let Some((field, due, kept)) = field(&due.row, &stored.row) {
        return Some(format!("{field}应为「{due}」，现为「{kept}」"));
    }
    if !stored.found {
        return Some("查询索引与主体不符：按名称或代码可能查不到".to_owned());
    }
    (due.unsettled.as_ref() != unsettled).then(|| "待核实的登记与记录不符".to_owned())
}

/// The first field that differs: its name, what it should be, what it is.
fn field<'r>(due: &'r EntityRow, kept: &'r EntityRow) -> Option<(&'static str, String, &'r str)> {
    let code = |code: &str| code.to_ascii_uppercase();
    [
        ("主体标识", due.subject_text.clone(), &kept.subject_text),
        ("名称", due.name.clone(), &kept.name),
        ("曾用名", due.former_names.clone(), &kept.former_names),
        ("统一社会信用代码", code(&due.uscc), &kept.uscc),
        ("注册号", code(&due.reg_no), &kept.reg_no),
        ("组织机构代码", code(&due.org_code), &kept.org_code),
        ("辖区", due.region.clone(), &kept.region),
        ("类型", due.kind_text.clone(), &kept.kind_text),
        ("状态", due.state.clone(), &kept.state),
        ("地址", due.address.clone(), &kept.address),
        ("法定代表人", due.legal_rep.clone(), &kept.legal_rep),
        ("日期", due.event_date.clone(), &kept.event_date),
    ]
    .into_iter()
    .find(|(_, due, kept)| due != *kept)
    .map(|(name, due, kept)| (name, due, kept.as_str()))
}
