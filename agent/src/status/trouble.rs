//! What is not well with an agent, as one list: the next steps, readiness, the page and what is told to the node all derive
//! from it, so that nothing that is not well is called 正常 anywhere (D55).

use protocol::frame::{Reason, State};

use super::{KEPT, Report};
use crate::uplink::{LogView, Stuck};
use crate::watch::Pause;
use runtime::say::{size as bytes, span};

/// Something that is not well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What is concerned, as programs name it.
    pub what: What,
    /// What is wrong and what to do, for people.
    pub text: String,
    /// Whether the agent does not do its work for it: it does not read, seal or send, or is not taken in or applied.
    pub stops: bool,
}

/// What is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// No process runs.
    Process,
    /// Sealing stands still.
    Sealing,
    /// Little room on the disk, or it cannot be looked at.
    Disk,
    /// A worker of the program fails.
    Worker,
    /// Clocks are far apart.
    Clock,
    /// No session with the node.
    Link,
    /// The node calls the seat revoked.
    Revoked,
    /// The outbox is full, or nearly so.
    Outbox,
    /// A source cannot be read.
    Source,
    /// A file was not taken.
    File,
    /// The node does not take a log in, for this reason.
    Log(State, Reason),
    /// The node has not said yet how the logs are there.
    Unheard,
    /// Batches do not come to where they should.
    Stuck,
    /// The node refused batches for their bytes.
    Refused,
    /// The node says that it is not well itself.
    Node,
    /// The district has signed nothing for a week.
    Silent,
    /// Rows are refused.
    Rows,
}

impl What {
    /// As JSON and metrics name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Sealing => "sealing",
            Self::Disk => "disk",
            Self::Worker => "worker",
            Self::Clock => "clock",
            Self::Link => "link",
            Self::Revoked => "revoked",
            Self::Outbox => "outbox",
            Self::Source => "source",
            Self::File => "file",
            Self::Log(..) => "log",
            Self::Unheard => "unheard",
            Self::Stuck => "stuck",
            Self::Refused => "refused",
            Self::Node => "node",
            Self::Silent => "district_silent",
            Self::Rows => "rows",
        }
    }
}

impl Report {
    /// What is not well, most pressing first.
    pub fn troubles(&self) -> Vec<Trouble> {
        let mut all = Vec::new();
        let mut tell = |what, stops, text: String| all.push(Trouble { what, text, stops });
        if !self.running {
            tell(
                What::Process,
                true,
                "启动代理：zongheng-agent run".to_owned(),
            );
        }
        if let Some(trouble) = &self.sealing_trouble {
            tell(What::Sealing, true, format!("处理封装故障：{trouble}"));
        }
        if let Some(disk) = &self.disk
            && let Some(warning) = disk.warning()
        {
            match disk.is_short() {
                true => tell(
                    What::Disk,
                    true,
                    format!("{warning}；读取已暂停，已封装的批次照常上送，腾出空间后自动恢复"),
                ),
                false => tell(What::Disk, disk.room.is_err(), warning),
            }
        }
        for (name, why) in &self.failing {
            tell(What::Worker, true, format!("处理故障（{name}）：{why}"));
        }
        if let Some(text) = &self.clock_doubt {
            tell(What::Clock, false, text.clone());
        }
        if self.running && !self.link.up {
            let why = if self.link.trouble.is_empty() {
                "正在连接".to_owned()
            } else {
                self.link.trouble.clone()
            };
            match self.link.revoked {
                true => tell(
                    What::Revoked,
                    true,
                    format!(
                        "联系签发接入码的平台：平台称本席位已被撤销（{why}），不再接收本代理的数据；已读取的数据保留在本机，如仍需报送请重新办理入网"
                    ),
                ),
                false => tell(
                    What::Link,
                    true,
                    format!("检查与平台 {} 的连接：{why}", self.node),
                ),
            }
        }
        for log in &self.node_word.logs {
            if let Some(text) = told(log) {
                tell(What::Log(log.state, log.reason), true, text);
            }
        }
        if self.running && self.link.up && !self.node_word.complete {
            tell(
                What::Unheard,
                false,
                format!(
                    "平台「{}」尚未告知本代理批次的收存状态，正在核对",
                    self.link.peer
                ),
            );
        }
        if let Some(stuck) = &self.stuck {
            tell(What::Stuck, true, stuck_text(stuck, &self.link.peer));
        }
        if let Some(last) = self.skipped.last() {
            tell(
                What::Refused,
                true,
                format!(
                    "联系代理和平台的程序供应方：平台拒收了本代理的 {} 项数据（{}），其内容未入库；其余数据照常上送，程序升级后自动重送",
                    self.skipped.len(),
                    last.reason
                ),
            );
        }
        if let Some(reasons) = &self.node_word.unwell {
            let why: Vec<String> = reasons.iter().map(|r| reason_text(*r)).collect();
            let why = match why.is_empty() {
                true => String::new(),
                false => format!("：{}", why.join("、")),
            };
            tell(
                What::Node,
                false,
                format!(
                    "平台「{}」自述有故障{why}；请其运维人员处理，本代理的数据保留在本机",
                    self.link.peer
                ),
            );
        }
        let paused = self.sources.iter().any(|(_, doing)| {
            doing
                .as_ref()
                .is_some_and(|d| d.paused == Some(Pause::Outbox))
        });
        if paused {
            let text = if self.kept_for_the_city() && self.link.up {
                "发送队列已满，读取已暂停：批次均已送达市级，但市级尚无异地备份，须在本机保留；调大 outbox_max"
            } else {
                "发送队列已满，读取已暂停；恢复与平台的连接，或调大 outbox_max"
            };
            tell(What::Outbox, true, text.to_owned());
        }
        if self.kept_for_the_city()
            && self.outbox_max > 0
            && self.queue.bytes >= self.outbox_max / 5 * 4
        {
            tell(
                What::Outbox,
                false,
                format!(
                    "调大 outbox_max：{KEPT}，已用 {}，到 {} 时将暂停读取",
                    bytes(self.queue.bytes),
                    bytes(self.outbox_max)
                ),
            );
        }
        if self.district_silent {
            tell(
                What::Silent,
                false,
                "联系区级平台：其 7 天以上未对本代理的批次签发回执，批次改为以市级异地保全为准清理，此前一律在本机保留"
                    .to_owned(),
            );
        }
        for (source, doing) in &self.sources {
            let now = doing.as_ref().and_then(|d| d.trouble.as_ref());
            if let Some(trouble) = now.or(source.trouble.as_ref()) {
                tell(
                    What::Source,
                    true,
                    format!("来源「{}」：{trouble}", source.name),
                );
            } else if self.running
                && doing
                    .as_ref()
                    .and_then(|d| d.looked_ms)
                    .or(source.cycle_ms)
                    .is_none()
                && doing.as_ref().is_none_or(|d| d.next_ms.is_none())
            {
                tell(
                    What::Source,
                    false,
                    format!("来源「{}」：正在首次读取", source.name),
                );
            }
            if let Some(note) = source.note.as_ref().filter(|note| is_set_aside(note)) {
                tell(What::File, true, format!("来源「{}」：{note}", source.name));
            }
        }
        let refused: u64 = self.sources.iter().map(|(s, _)| s.refused).sum();
        if refused > 0 {
            tell(
                What::Rows,
                false,
                format!("查看被拒收的 {refused} 行，并在源库更正：zongheng-agent rejects list"),
            );
        }
        all
    }

    /// What a person should do next, most pressing first.
    pub fn next_steps(&self) -> Vec<String> {
        let mut steps: Vec<String> = self.troubles().into_iter().map(|t| t.text).collect();
        if steps.is_empty() {
            steps.push("一切正常，无需操作".to_owned());
        }
        steps
    }

    /// What keeps the agent from doing its work now: it does not read, seal or send, is not taken in, or cannot write.
    pub fn unready(&self) -> Vec<String> {
        let stopping = self.troubles().into_iter().filter(|trouble| trouble.stops);
        stopping.map(|trouble| trouble.text).collect()
    }
}

/// Whether a note of a source tells of a file that was not taken.
fn is_set_aside(note: &str) -> bool {
    note.contains(crate::connector::csv_folder::NOT_TAKEN)
        || note.contains(crate::connector::csv_folder::NOT_READABLE)
}

fn stuck_text(stuck: &Stuck, peer: &str) -> String {
    let (since, from) = (span(stuck.for_ms / 1_000), stuck.from);
    match stuck.taken_in {
        false => format!(
            "联系平台「{peer}」的运维人员：第 {from} 批起已 {since}未被收存；数据保留在本机，会自动重送"
        ),
        true => format!(
            "联系平台「{peer}」的运维人员：第 {from} 批起已收存，但已 {since}未处理入库；数据未丢失"
        ),
    }
}

/// What the node says of a log that does not run, with what to do.
fn told(log: &LogView) -> Option<String> {
    let at = log.taken_in + 1;
    let because = match log.reason {
        Reason::None => String::new(),
        reason => format!("（{}）", reason_text(reason)),
    };
    let what = match log.state {
        State::Running | State::NeverSeen => return None,
        State::Held => format!("平台暂不收存本代理第 {at} 批起的数据{because}"),
        State::Stopped => format!("平台已停止接收本代理第 {at} 批起的数据{because}"),
        State::Gap => format!("平台缺少本代理第 {at} 批起的数据{because}"),
        State::Revoked => format!("平台称本席位已被撤销{because}"),
        State::Other(number) => {
            format!("平台称本代理第 {at} 批起的数据状态为 {number}{because}")
        }
    };
    let what_to_do = match (log.state, log.reason) {
        (State::Gap, _) => "缺少的批次会自动重送；持续不恢复时请联系平台运维人员",
        (State::Revoked, _) | (_, Reason::Revoked) => {
            "已读取的数据保留在本机，如仍需报送请联系签发接入码的平台重新办理入网"
        }
        (_, Reason::IdentityUnknown | Reason::OpeningUnknown) => {
            "平台收到相应声明后自动恢复；持续不恢复时请联系平台运维人员"
        }
        (_, Reason::Unread) => "平台升级程序后自动恢复；请联系平台运维人员升级",
        (_, Reason::Disk) => "请平台运维人员腾出磁盘空间，之后自动恢复",
        (_, Reason::WaitsForFormerEpoch | Reason::TakingTailBack | Reason::ReadingBackup) => {
            "平台正在恢复数据，完成后自动继续"
        }
        (
            _,
            Reason::TwoHeaders
            | Reason::TwoOpenings
            | Reason::CounterSkipped
            | Reason::KeyNoLongerBinds
            | Reason::TwoIdentities,
        ) => {
            "请核对是否有另一份代理或旧的数据目录以同一席位运行，并联系签发接入码的平台按恢复手册办理"
        }
        _ => "数据保留在本机；请联系平台运维人员，附上本页内容",
    };
    Some(format!("{what}；{what_to_do}"))
}

/// A reason in words.
pub(super) fn reason_text(reason: Reason) -> String {
    let text = match reason {
        Reason::None => "未说明原因",
        Reason::IdentityUnknown => "身份声明尚未收到",
        Reason::OpeningUnknown => "启用声明尚未收到",
        Reason::Unread => "平台的版本尚不能识别",
        Reason::Gap => "中间有缺少的批次",
        Reason::TwoHeaders => "同一位置有两份不同的批次",
        Reason::TwoOpenings => "同一时期有两份启用声明",
        Reason::CounterSkipped => "时期序号不连续",
        Reason::SealedWrongly => "批次封装不合规定",
        Reason::Revoked => "席位已被撤销",
        Reason::OverQuota => "超过平台的存放限额",
        Reason::SectionsClosed => "应公开的内容未公开",
        Reason::WaitsForFormerEpoch => "等待上一时期的其余批次",
        Reason::KeyNoLongerBinds => "签名密钥已被更换",
        Reason::Disk => "磁盘空间不足或不可用",
        Reason::TwoIdentities => "同一序号有两份身份声明",
        Reason::TakingTailBack => "正在取回缺失的批次",
        Reason::ReadingBackup => "正在读取备份",
        Reason::Source => "来源无法读取或有文件未采用",
        Reason::Clock => "时钟相差过大",
        Reason::Worker => "程序的某一环节停滞",
        Reason::Other(number) => return format!("原因编号 {number}"),
    };
    text.to_owned()
}
