//! What a node says about itself: one value, from which the status command, readiness, metrics and the page of nodes are
//! made. Nothing else counts these things a second time.

use std::collections::{BTreeMap, HashSet};

use protocol::frame::{Figure, Health, Reason};
use protocol::name::SeatId;
use runtime::disk::Room;
use runtime::link::registry::LinkView;
use runtime::worker::Health as WorkerHealth;

use super::QueryError;
use super::health::{HealthTree, Party, PartyKind, Stages, State, Why, words};
use crate::apply::record_kind;
use crate::host::NodeHost;
use crate::node::{Node, Tier};
use crate::verify::PartName;

#[cfg(test)]
mod tests;
mod told;

/// A node's word about itself.
#[derive(Debug, Clone)]
pub struct Report {
    /// When it was made.
    pub now_us: i64,
    /// City or district.
    pub tier: Tier,
    /// The node's title.
    pub title: String,
    /// Its region.
    pub region: String,
    /// Nodes and agents, with how each is.
    pub tree: HealthTree,
    /// How long the oldest item has waited to be applied, and to be shown, in microseconds; 0 if none waits.
    pub waited_us: Waited,
    /// Records and those refused among them, by record type. Refusals are not records.
    pub types: BTreeMap<&'static str, Figures>,
    /// Entities.
    pub entities: u64,
    /// Refusals that were not mended.
    pub refusals_open: u64,
    /// Subjects that wait to be folded again.
    pub dirty: u64,
    /// Wants that were not answered.
    pub wants: u64,
    /// Logs that are held until what they need has come.
    pub held: u64,
    /// Logs of which something is missing before what is held.
    pub gaps: u64,
    /// Items of our feed that peers have refused.
    pub skipped: u64,
    /// What contradicts or may not be, kept as evidence.
    pub evidence: u64,
    /// Logs that were stopped.
    pub stopped: Vec<StoppedLog>,
    /// Parties that were admitted here.
    pub peers_known: u64,
    /// Sessions that stand, with what they moved.
    pub links: Vec<Link>,
    /// When the node above last signed a receipt.
    pub receipt_above_us: Option<i64>,
    /// When this node last signed a receipt.
    pub receipt_own_us: Option<i64>,
    /// People signed in to the console.
    pub sessions: u64,
    /// Sign-ins that failed since the start.
    pub sign_in_failures: u64,
    /// Bytes of the database.
    pub database_bytes: u64,
    /// The machine below.
    pub machine: Machine,
    /// What the start of the process gave as a warning.
    pub warnings: Vec<String>,
    /// Codes that were used by one and shown by another, in words.
    pub exposed_codes: Vec<String>,
}

/// Waiting times, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waited {
    /// To be applied.
    pub apply: i64,
    /// To be folded.
    pub fold: i64,
}

/// Figures of a record type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Current records.
    pub records: u64,
    /// Among them those whose latest image is refused.
    pub refused: u64,
}

/// A log that was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedLog {
    /// Title of its seat.
    pub title: String,
    /// The lane.
    pub lane: u8,
    /// Why, and what to do.
    pub reason: String,
}

/// A session.
#[derive(Debug, Clone)]
pub struct Link {
    /// Title of the party at the other end.
    pub title: String,
    /// The session.
    pub view: LinkView,
}

/// What the process knows of its machine and its workers.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// The data folder, for people.
    pub folder: String,
    /// Room on its disk, or why it cannot be told.
    pub room: Option<Result<Room, String>>,
    /// What people are told about it, if there is little.
    pub room_warning: Option<String>,
    /// Why writing does not work, if it does not.
    pub write_trouble: Option<String>,
    /// How each worker fares.
    pub workers: BTreeMap<String, WorkerHealth>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Name of the check, for machines.
    pub check: &'static str,
    /// What it is and what to do.
    pub text: String,
    /// Whether the node counts as not ready for it.
    pub unready: bool,
}

impl Report {
    /// Asks a node about itself. The machine is told by whoever watches it.
    pub async fn of(host: &NodeHost, machine: Machine, now_us: i64) -> Result<Self, QueryError> {
        let node = host.node();
        let store = node.store();
        let views = host.links().views();
        let connected: HashSet<_> = views.iter().map(|view| view.party).collect();
        let tree = node.health_tree(&connected, now_us).await?;
        let stats = store.stats().await?;
        let mut types: BTreeMap<&'static str, Figures> = BTreeMap::new();
        for count in stats
            .types
            .iter()
            .filter(|t| t.kind != record_kind::REFUSAL)
        {
            let figures = types
                .entry(record_kind::name(count.kind).unwrap_or("other"))
                .or_default();
            figures.records += u64::try_from(count.records).unwrap_or(0);
            figures.refused += u64::try_from(count.refused).unwrap_or(0);
        }
        let (mut receipt_own_us, mut receipt_above_us) = (None, None);
        for row in store.receipts(None).await? {
            let newest = match row.node == node.seat() {
                true => &mut receipt_own_us,
                false => &mut receipt_above_us,
            };
            *newest = (*newest).max(Some(row.at_us));
        }
        let waited = |since: Option<i64>| since.map_or(0, |since| (now_us - since).max(0));
        let Stages {
            head,
            applied,
            folded,
        } = tree.stages;
        let unapplied = (applied < head).then_some(applied);
        let unfolded = (folded.min(applied) < head).then_some(folded.min(applied));
        let mut since = [None, None];
        for (since, after) in since.iter_mut().zip([unapplied, unfolded]) {
            if let Some(after) = after {
                *since = store.arrived_after(after).await?;
            }
        }
        let mut stopped: Vec<StoppedLog> = node
            .stopped()
            .into_iter()
            .map(|row| StoppedLog {
                title: node.title_of(&row.seat),
                lane: row.lane,
                reason: words::stopped(&row),
            })
            .collect();
        stopped.sort_by(|a, b| (&a.title, a.lane).cmp(&(&b.title, b.lane)));
        let links = views
            .into_iter()
            .map(|view| Link {
                title: node.title_of(&view.party),
                view,
            })
            .collect();
        Ok(Self {
            now_us,
            tier: node.tier(),
            title: node.identity().title.clone(),
            region: node.region().to_owned(),
            waited_us: Waited {
                apply: waited(since[0]),
                fold: waited(since[1]),
            },
            types,
            entities: stats.entities,
            refusals_open: stats.refusals_open,
            dirty: stats.dirty,
            wants: stats.wants_open,
            held: store.held().await?.len() as u64,
            gaps: node.gaps().len() as u64,
            skipped: store.skipped(None).await?.len() as u64,
            evidence: store.evidence().await?.len() as u64,
            stopped,
            peers_known: peers_known(node).await?,
            links,
            receipt_above_us,
            receipt_own_us,
            sessions: store.login_sessions(now_us).await?,
            sign_in_failures: node.sign_in_failures(),
            database_bytes: stats.bytes,
            machine,
            warnings: node.warnings(),
            exposed_codes: node.exposed_codes(now_us).await?,
            tree,
        })
    }

    /// Current records of all types; refusals are not among them.
    pub fn records(&self) -> u64 {
        self.types.values().map(|figures| figures.records).sum()
    }

    /// The node above; none at the city, or before a district has met it.
    pub fn above(&self) -> Option<&Party> {
        (!self.tree.top.own && self.tree.top.kind == PartyKind::City).then_some(&self.tree.top)
    }

    /// Every party of the tree but the node itself and headings.
    pub fn parties(&self) -> Vec<&Party> {
        fn walk<'a>(party: &'a Party, out: &mut Vec<&'a Party>) {
            if party.seat.is_some() && !party.own {
                out.push(party);
            }
            party.children.iter().for_each(|child| walk(child, out));
        }
        let mut out = Vec::new();
        walk(&self.tree.top, &mut out);
        out
    }

    /// How this node is, for its peers.
    pub fn health(&self, seat: SeatId, since_us: i64) -> Health {
        let troubles = self.troubles();
        let mut reasons: Vec<Reason> = Vec::new();
        // little room is told before it is gone
        let tells = |t: &&Trouble| (t.unready || t.check == "disk") && t.check != "link";
        for trouble in troubles.iter().filter(tells) {
            let reason = match trouble.check {
                "writes" | "disk" => Reason::Disk,
                "gaps" => Reason::Gap,
                "logs" => Reason::SealedWrongly,
                _ => Reason::Worker,
            };
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        let mut figures = vec![
            (Figure::Held, self.held as i64),
            (Figure::Stopped, self.stopped.len() as i64),
            (Figure::Gaps, self.gaps as i64),
            (Figure::RefusedRows, self.refusals_open as i64),
        ];
        if let Some(Ok(room)) = &self.machine.room {
            figures.push((
                Figure::FreeBytes,
                i64::try_from(room.free).unwrap_or(i64::MAX),
            ));
        }
        if let Some(at) = self.receipt_above_us {
            figures.push((
                Figure::CityReceiptAgeSeconds,
                (self.now_us - at).max(0) / 1_000_000,
            ));
        }
        Health {
            seat,
            since: since_us,
            state: match troubles.iter().any(|t| t.unready && t.check != "link") {
                false => protocol::frame::State::Running,
                true => protocol::frame::State::Held,
            },
            reasons,
            figures,
            release: runtime::release::text().to_owned(),
            relayed: false,
        }
    }

    /// What is not as it should be, most pressing first.
    pub fn troubles(&self) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        let mut tell = |check, unready, text: String| {
            troubles.push(Trouble {
                check,
                text,
                unready,
            });
        };
        if let Some(why) = &self.machine.write_trouble {
            tell(
                "writes",
                true,
                format!(
                    "数据库无法写入（{why}）：暂停接收和登录，已保存的数据不受影响；请检查数据库所在磁盘或数据库服务，恢复后自动继续"
                ),
            );
        }
        match &self.machine.room {
            Some(Err(why)) => tell(
                "disk",
                true,
                format!(
                    "无法查看数据目录 {} 所在磁盘：{why}；请检查目录是否仍在",
                    self.machine.folder
                ),
            ),
            _ => {
                if let Some(warning) = &self.machine.room_warning {
                    tell("disk", false, warning.clone());
                }
            }
        }
        for (name, health) in &self.machine.workers {
            if let WorkerHealth::Failing(why) = health {
                tell("workers", true, format!("{}：{why}", worker_name(name)));
            }
        }
        for log in &self.stopped {
            tell(
                "logs",
                true,
                format!("「{}」的日志已停止接收：{}", log.title, log.reason),
            );
        }
        if self.held > 0 {
            tell(
                "held",
                false,
                format!(
                    "{} 个日志暂缓处理，等待其身份声明或缺少的批次；长时间不消失时请联系来源单位",
                    self.held
                ),
            );
        }
        if self.gaps > 0 {
            tell(
                "gaps",
                true,
                format!(
                    "{} 个来源日志缺少中间批次，正在向可能持有的各方补取；长时间不消失时请联系来源单位核对其数据目录",
                    self.gaps
                ),
            );
        }
        for name in PartName::ALL {
            if let Some((run, part)) = self.tree.verified.faults(name)
                && let Some(first) = part.faults.first()
            {
                let ago = runtime::say::span((self.now_us - run.at_us) / 1_000_000);
                tell(
                    "verify",
                    name != PartName::Audit,
                    format!(
                        "{ago}前核对发现{}有 {} 处问题（{}：{}）；{}，全部问题见 verify{}",
                        name.title(),
                        part.count(),
                        first.place,
                        first.what,
                        first.todo,
                        if run.deep { " --deep" } else { "" }
                    ),
                );
            }
        }
        if self.skipped > 0 {
            tell(
                "skipped",
                false,
                format!(
                    "{} 项内容被对端以字节不符为由拒收并跳过；请核对双方程序版本与存储，升级后自动重试",
                    self.skipped
                ),
            );
        }
        for text in &self.exposed_codes {
            tell("codes", false, text.clone());
        }
        if let Some(above) = self.above()
            && (above.state == Some(State::Lost) || matches!(above.why, Why::Unwell { .. }))
        {
            let since = match &above.why {
                Why::Silent { since_us } => format!(
                    "，已 {}",
                    runtime::say::span((self.now_us - since_us) / 1_000_000)
                ),
                _ => String::new(),
            };
            match &above.why {
                Why::Unwell { reason, .. } => tell(
                    "above",
                    false,
                    format!("上级「{}」自述有故障：{reason}", above.title),
                ),
                _ => tell(
                    "link",
                    true,
                    format!(
                        "未连上上级「{}」{since}；本节点继续独立工作，请检查网络与上级节点，恢复后自动补传",
                        above.title
                    ),
                ),
            }
        }
        for party in self.parties() {
            // the node above has its own line; of what is stopped or waits here the lines above tell
            if party.kind == PartyKind::City {
                continue;
            }
            let text = match &party.why {
                Why::Silent { since_us } => {
                    let since = runtime::say::span((self.now_us - since_us) / 1_000_000);
                    format!("「{}」失联 {since}；请检查对方进程与网络", party.title)
                }
                Why::Unwell { reason, .. } => format!("「{}」有故障：{reason}", party.title),
                _ => continue,
            };
            tell("peers", false, text);
        }
        if self.tree.is_behind() {
            let waited = runtime::say::span(self.waited_us.fold / 1_000_000);
            tell(
                "stages",
                false,
                format!("处理落后：最早一项已等 {waited}；数据量大时会自动赶上"),
            );
        }
        for warning in &self.warnings {
            // stopped logs are told one by one
            if !warning.contains("已停止接收") {
                tell("warning", false, warning.clone());
            }
        }
        troubles
    }
}

/// What a worker does, for people.
fn worker_name(name: &str) -> String {
    match name {
        "apply" => "更新现行记录失败".to_owned(),
        "fold" => "更新查询与档案失败".to_owned(),
        "receipts" => "签发回执失败".to_owned(),
        "wants" => "补取数据失败".to_owned(),
        "checkpoint" => "整理数据库日志失败".to_owned(),
        "telling" => "向对端告知日志与健康状态失败".to_owned(),
        "parting" => "结束已撤销席位的会话失败".to_owned(),
        "unread" => "读取旧版本未能识别的内容失败".to_owned(),
        other => format!("工作环节 {other} 失败"),
    }
}

async fn peers_known(node: &Node) -> Result<u64, QueryError> {
    let peers = node.store().peers().await?;
    let approved = |peer: &&store::PeerRow| peer.state == store::PeerState::Approved;
    Ok(peers.iter().filter(approved).count() as u64)
}
