//! What is wrong with a log or a seat, in words with what to do. The one place where reasons and figures become text (D55).

use protocol::frame::{Figure, Reason, State};
use protocol::hash::Ref;
use store::StoppedRow;

use crate::state::{HeardHealth, LogState};

/// A seat's word is old when it was not said again for so long.
const OLD_US: i64 = 60_000_000;
/// A source that was not read for so long is behind.
const SOURCE_LAG_S: i64 = 300;
/// Clocks that are further apart than this are told.
const CLOCK_MS: i64 = 600_000;

impl HeardHealth {
    /// Whether the word is too old to say how the seat is now.
    pub const fn is_old(&self, now_us: i64) -> bool {
        now_us - self.heard_us > OLD_US
    }
}

/// A reason, with what to do.
pub fn reason(reason: Reason) -> String {
    match reason {
        Reason::None => "未说明原因".to_owned(),
        Reason::IdentityUnknown => {
            "缺少其身份声明，已向各方索取；长时间不消失时请核对其入网是否完成".to_owned()
        }
        Reason::OpeningUnknown => {
            "缺少其启用声明，已向各方索取；长时间不消失时请来源单位重启代理".to_owned()
        }
        Reason::Unread => {
            "其内容由更新的版本写成，本版不能识别，已原样保存；请升级本节点".to_owned()
        }
        Reason::Gap => "缺少中间批次，正在补取；长时间不消失时请来源单位核对其数据目录".to_owned(),
        Reason::TwoHeaders => {
            "同一位置出现两个互相矛盾的批次；请来源单位停用多余的程序副本，核对数据目录".to_owned()
        }
        Reason::TwoOpenings => {
            "同一期次出现两份启用声明；请来源单位停用多余的程序副本，等待其下一次启用".to_owned()
        }
        Reason::CounterSkipped => {
            "启用声明的期次不连续，暂缓接收；请与来源单位核对其是否更换过机器或恢复过备份"
                .to_owned()
        }
        Reason::SealedWrongly => {
            "其签署的内容不合规定，已停止接收该日志；请来源单位核对程序版本".to_owned()
        }
        Reason::Revoked => {
            "其席位已被撤销，此后的内容不作数；如需继续使用，请重新签发接入码".to_owned()
        }
        Reason::OverQuota => "不能识别的内容超过可保存的份额，其余未保存；请升级本节点".to_owned(),
        Reason::SectionsClosed => {
            "批次中应有的分节被遮蔽，正在向来源索取完整内容；请转送节点核对程序版本".to_owned()
        }
        Reason::WaitsForFormerEpoch => "等待其上一期次的剩余批次".to_owned(),
        Reason::KeyNoLongerBinds => {
            "所用密钥已不再有效，已停止接收；请核对密钥是否外泄，必要时撤销后重新入网".to_owned()
        }
        Reason::Disk => "磁盘已满或无法写入；请腾出空间，恢复后自动继续".to_owned(),
        Reason::TwoIdentities => "出现两份同一序号的身份声明，均不作数；请市级平台裁决".to_owned(),
        Reason::TakingTailBack => "正在取回自己此前发出的内容，完成后自动继续".to_owned(),
        Reason::ReadingBackup => "正在核对最近的备份，完成后自动继续".to_owned(),
        Reason::Source => "来源数据无法读取或有文件未收；请部门信息化人员查看代理状态".to_owned(),
        Reason::Clock => "时钟偏差过大；请校准时钟".to_owned(),
        Reason::Worker => "程序的某一环节停滞；请查看其状态与日志".to_owned(),
        Reason::Other(number) => format!("原因编号 {number}，本版不能识别；请升级本节点"),
    }
}

/// Why a log is stopped, where, and what to do.
pub fn stopped(row: &StoppedRow) -> String {
    let place = match row.opening == Ref::ZERO {
        true => String::new(),
        false => format!("第 {} 批：", row.sequence),
    };
    let detail = match row.detail.is_empty() {
        true => String::new(),
        false => format!("（{}）", row.detail),
    };
    format!("{place}{}{detail}", reason(Reason::of(row.reason)))
}

/// Why a log waits.
pub fn waiting(state: &LogState) -> String {
    reason(state.reason)
}

/// What is not well with a seat by its own word; `None` if it says that it is well.
pub fn unwell(heard: &HeardHealth) -> Option<String> {
    let health = &heard.health;
    let free = health.figures.iter().find_map(|(figure, value)| {
        (*figure == Figure::FreeBytes).then(|| u64::try_from(*value).unwrap_or(0))
    });
    let mut texts: Vec<String> = Vec::new();
    for why in &health.reasons {
        texts.push(match (why, free) {
            // what little room is, the seat itself has been told
            (Reason::Disk, Some(free)) => format!(
                "磁盘空间不足或无法写入，仅余 {}；请清理或扩容，恢复后自动继续",
                runtime::say::size(free)
            ),
            _ => reason(*why),
        });
    }
    if texts.is_empty() && health.state != State::Running {
        texts.push(reason(Reason::None));
    }
    for (figure, value) in &health.figures {
        match figure {
            Figure::SourceLagSeconds if *value > SOURCE_LAG_S => texts.push(format!(
                "来源已有 {} 未读成；请部门信息化人员查看代理状态",
                runtime::say::span(*value)
            )),
            Figure::ClockOffsetMs if value.abs() > CLOCK_MS => {
                texts.push(reason(Reason::Clock));
            }
            _ => {}
        }
    }
    texts.dedup();
    (!texts.is_empty()).then(|| texts.join("；"))
}
