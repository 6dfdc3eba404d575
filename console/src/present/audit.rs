//! The record of acts: the page, and the table that is taken away.

use node::command::actor::{Action, Way};
use node::query::audit::{Act, ActPage};

use crate::text;
use crate::view::account::Choice;
use crate::view::audit::{ActLine, Acts};
use crate::view::entity::Empty;

/// Rows that an export holds at most.
pub(crate) const EXPORT_ROWS_MAX: usize = 20_000;

/// What was asked for, as typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Question {
    pub(crate) account: String,
    pub(crate) action: String,
    pub(crate) object: String,
    pub(crate) from: String,
    pub(crate) to: String,
}

impl Question {
    fn pairs(&self) -> Vec<String> {
        [
            ("account", &self.account),
            ("action", &self.action),
            ("object", &self.object),
            ("from", &self.from),
            ("to", &self.to),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| format!("{key}={}", text::percent(value)))
        .collect()
    }

    fn address(&self, path: &str, before: Option<u64>) -> String {
        let mut pairs = self.pairs();
        pairs.extend(before.map(|seq| format!("before={seq}")));
        if pairs.is_empty() {
            path.to_owned()
        } else {
            format!("{path}?{}", pairs.join("&"))
        }
    }
}

pub(crate) fn view(question: &Question, before: Option<u64>, found: ActPage) -> Acts {
    let mut actions = vec![Choice {
        value: String::new(),
        word: "全部操作".to_owned(),
        chosen: question.action.is_empty(),
    }];
    actions.extend(Action::ALL.iter().map(|action| Choice {
        value: action.key().to_owned(),
        word: action.label().to_owned(),
        chosen: action.key() == question.action,
    }));
    let empty = found.rows.is_empty().then(|| Empty {
        why: "没有符合条件的审计记录".to_owned(),
        next: "请放宽账号、操作、对象或日期；对象须填写完整的代码、注册号或记录中的原文。"
            .to_owned(),
    });
    Acts {
        newest: before.map(|_| question.address("/audit", None)),
        older: found.next.map(|seq| question.address("/audit", Some(seq))),
        export: question.address("/audit/export", None),
        export_max: text::count(EXPORT_ROWS_MAX as u64),
        rows: found.rows.into_iter().map(line).collect(),
        account: question.account.clone(),
        object: question.object.clone(),
        from: question.from.clone(),
        to: question.to.clone(),
        actions,
        empty,
    }
}

fn line(act: Act) -> ActLine {
    ActLine {
        at: text::second(act.at_us),
        way_word: Way::from_key(&act.way).map_or_else(|| act.way.clone(), |w| w.label().to_owned()),
        action_word: Action::from_key(&act.action)
            .map_or_else(|| act.action.clone(), |a| a.label().to_owned()),
        seq: act.seq,
        at_us: act.at_us,
        account: act.account,
        name: act.name,
        way: act.way,
        client: act.client,
        action: act.action,
        object: act.object,
        detail: act.detail,
        hash: act.hash,
    }
}

/// The acts as a table for spreadsheets: UTF-8 with a mark, every cell quoted, none that a spreadsheet would take for a
/// formula. What does not fit is said in the last line.
pub(crate) fn csv(found: ActPage) -> String {
    const HEAD: [&str; 10] = [
        "序号",
        "时间",
        "账号",
        "姓名",
        "方式",
        "来自",
        "操作",
        "对象",
        "说明",
        "校验值",
    ];
    let mut out = "\u{feff}".to_owned();
    row(&mut out, &HEAD);
    for act in found.rows {
        let line = line(act);
        let seq = line.seq.to_string();
        row(
            &mut out,
            &[
                &seq,
                &line.at,
                &line.account,
                &line.name,
                &line.way_word,
                &line.client,
                &line.action_word,
                &line.object,
                &line.detail,
                &line.hash,
            ],
        );
    }
    if let Some(seq) = found.next {
        let rest = format!("第 {seq} 条以前还有符合条件的记录，未导出；请按日期分次导出");
        row(&mut out, &[&rest]);
    }
    out
}

fn row(out: &mut String, cells: &[&str]) {
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push('"');
        // also behind blanks, and in full width: spreadsheets look there too
        let first = cell.trim_start().chars().next();
        if first.is_some_and(|c| "=+-@＝＋－＠\t\r".contains(c)) || cell.starts_with(['\t', '\r'])
        {
            out.push('\'');
        }
        out.push_str(&cell.replace('"', "\"\""));
        out.push('"');
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(object: &str) -> Act {
        Act {
            seq: 7,
            at_us: 1_758_159_667_000_000,
            account: "li".to_owned(),
            name: "李明".to_owned(),
            way: "api".to_owned(),
            client: "127.0.0.1".to_owned(),
            action: "entity.search".to_owned(),
            object: object.to_owned(),
            detail: String::new(),
            hash: "ab".to_owned(),
        }
    }

    #[test]
    fn no_cell_is_taken_for_a_formula_or_ends_before_its_end() {
        let check = |object: &str, expected: &str| {
            let page = ActPage {
                rows: vec![act(object)],
                next: None,
            };
            let text = csv(page);
            let line = text.lines().nth(1).expect("a row");
            assert_eq!(
                line,
                format!(
                    "\"7\",\"2025-09-18 09:41:07\",\"li\",\"李明\",\"接口\",\"127.0.0.1\",\"查询主体\",\"{expected}\",\"\",\"ab\""
                ),
            );
        };
        check("远东", "远东");
        check("a\"b,c", "a\"\"b,c");
        check("=HYPERLINK(\"x\")", "'=HYPERLINK(\"\"x\"\")");
        for begin in ["+", "-", "@", "＝", "＋", "－", "＠", " =", "\t"] {
            check(&format!("{begin}1"), &format!("'{begin}1"));
        }
    }

    #[test]
    fn a_table_says_what_it_leaves_out() {
        let page = ActPage {
            rows: vec![act("x")],
            next: Some(7),
        };
        let text = csv(page);
        assert!(text.starts_with("\u{feff}\"序号\",\"时间\""));
        assert!(text.ends_with("\"第 7 条以前还有符合条件的记录，未导出；请按日期分次导出\"\r\n"));
    }

    #[test]
    fn addresses_of_pages_keep_the_question() {
        let question = Question {
            account: "li".to_owned(),
            object: "远 东".to_owned(),
            ..Question::default()
        };
        let page = ActPage {
            rows: vec![act("x")],
            next: Some(7),
        };
        let acts = view(&question, Some(90), page);
        let kept = "account=li&object=%E8%BF%9C%20%E4%B8%9C";
        assert_eq!(acts.older, Some(format!("/audit?{kept}&before=7")));
        assert_eq!(acts.newest, Some(format!("/audit?{kept}")));
        assert_eq!(acts.export, format!("/audit/export?{kept}"));
        let first = view(&Question::default(), None, ActPage::default());
        assert_eq!((first.newest, first.older), (None, None));
        assert_eq!(first.export, "/audit/export");
    }
}
