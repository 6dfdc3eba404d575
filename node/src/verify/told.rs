//! What a run found, told: in Chinese for a terminal and pages, as JSON.

use runtime::say::foreign;
use serde_json::{Value, json};

use super::{Last, Part, PartName, Verified};

impl Verified {
    /// For a terminal: each part, what is wrong with it and what to do.
    pub fn text(&self) -> String {
        let mut out = match self.deep {
            true => "方式      深度核对：逐条验签，并由日志重新得出查询视图\n".to_owned(),
            false => "方式      一般核对：声明、批头、位置、回执与审计（逐条核对请加 --deep）\n"
                .to_owned(),
        };
        for name in PartName::ALL {
            let part = self.part(name);
            // headings are as wide as five full-width characters
            let width = 10usize.saturating_sub(name.title().chars().count() * 2);
            out += &format!("{}{}{}\n", name.title(), " ".repeat(width), part.word());
            for note in &part.notes {
                out += &format!("          {}\n", foreign(note));
            }
            for fault in &part.faults {
                let what = format!("{}：{}", fault.place, fault.what);
                out += &format!("          × {}\n", foreign(&what));
                out += &format!("            {}\n", foreign(&fault.todo));
            }
            if part.more > 0 {
                out += &format!("          另有 {} 处未逐一列出\n", part.more);
            }
        }
        out
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let mut answer = json!({ "ok": self.is_good(), "deep": self.deep, "at_us": self.at_us });
        for name in PartName::ALL {
            let part = self.part(name);
            answer[name.key()] = json!({
                "ok": part.checked.is_some().then(|| part.is_good()), "checked": part.checked,
                "faults": part.faults, "more": part.more, "notes": part.notes,
            });
        }
        answer
    }
}

impl Part {
    /// How it is, in a few words.
    pub fn word(&self) -> String {
        match (self.checked, self.count()) {
            (None, _) => "未核对".to_owned(),
            (Some(n), 0) => format!("完好（核对 {n} 项）"),
            (Some(_), n) => format!("有 {n} 处问题"),
        }
    }
}

impl Last {
    /// What stands, in one line without times; `None` if nobody has asked yet.
    pub fn words(&self) -> Option<String> {
        self.newest()?;
        let wrong: Vec<String> = PartName::ALL
            .iter()
            .filter_map(|name| {
                let (_, part) = self.faults(*name)?;
                Some(format!("{}有 {} 处问题", name.title(), part.count()))
            })
            .collect();
        if !wrong.is_empty() {
            return Some(wrong.join("，"));
        }
        let asked = PartName::ALL.iter().filter(|n| self.is_good(**n).is_some());
        let titles: Vec<&str> = asked.map(|name| name.title()).collect();
        Some(format!("{}完好", titles.join("、")))
    }
}
