//! The feed by its outline: no offset left out, nothing named that is not there, cursors within it.

use super::{Ended, Part, RESTORE, Run};

/// Outlines read at once.
const PAGE: usize = 4_096;

impl Run<'_> {
    /// Walks the feed from its first item. A hole is something that was here; what names nothing is damaged.
    pub(super) async fn outline(
        &self,
        bytes: &mut Part,
        completeness: &mut Part,
    ) -> Result<(), Ended> {
        let heads = self.node.store().feed_heads();
        self.begin("核对接收日志", heads.head)?;
        completeness.checked(0);
        let mut due = 1;
        loop {
            let rows = self
                .node
                .store()
                .feed_outline(due - 1, heads.head, PAGE)
                .await?;
            if rows.is_empty() {
                break;
            }
            self.went(rows.len() as u64)?;
            completeness.checked(rows.len() as u64);
            for row in rows {
                if row.offset > due {
                    missing(due, row.offset - 1, completeness);
                }
                due = row.offset + 1;
                let place = format!("接收序号 {}", row.offset);
                if row.kind.is_none() {
                    bytes.fault(place, "登记的种类无法识别", RESTORE);
                } else if !row.there {
                    let what = "所指的声明、批头或内容不在数据库中";
                    bytes.fault(place, what, RESTORE);
                } else if !row.token {
                    bytes.fault(place, "缺少接收时写入的标记", RESTORE);
                }
            }
        }
        if due <= heads.head {
            missing(due, heads.head, completeness);
        }
        // apply and fold come behind, never ahead
        let now = self.node.store().feed_heads();
        for (name, cursor) in [("现行记录", now.applied), ("查询与档案", now.folded)] {
            if cursor > now.head {
                let what = format!(
                    "已处理到第 {cursor} 项，接收日志却只到第 {} 项：末尾被删除",
                    now.head
                );
                completeness.fault(format!("{name}的处理进度"), what, RESTORE);
            }
        }
        Ok(())
    }
}

fn missing(from: u64, to: u64, part: &mut Part) {
    let (place, what) = match from == to {
        true => (
            format!("接收序号 {from}"),
            "该项缺失：曾经收下，现已不在".to_owned(),
        ),
        false => (
            format!("接收序号 {from} 至 {to}"),
            format!("{} 项缺失：曾经收下，现已不在", to - from + 1),
        ),
    };
    part.fault(place, what, RESTORE);
}
