//! How far the numbers have come: what parties say of themselves, and whether all of them agree. Converged means equal
//! sums over what each side should hold, and nothing on its way; equal counts would not be enough.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What one node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeState {
    /// Name for people.
    pub name: String,
    /// Its region; the city's own code for the city.
    pub region: String,
    /// Its answer to `status`; null if it did not answer.
    pub status: Value,
}

/// What one agent says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgentState {
    /// Name for people.
    pub name: String,
    /// Rows that its source holds.
    pub source_rows: u64,
    /// Rows that it keeps an image of; none if it does not answer.
    pub rows: Option<u64>,
    /// Entries that wait to be sealed, or are sealed and not yet with a receipt of the city.
    pub queued: u64,
}

impl NodeState {
    fn number(&self, key: &str) -> u64 {
        self.status[key].as_u64().unwrap_or(0)
    }

    fn behind(&self, out: &mut Vec<String>) {
        if self.status.is_null() {
            out.push(format!("{}没有应答", self.name));
            return;
        }
        let (head, applied, folded) = (
            self.number("head"),
            self.number("applied"),
            self.number("folded"),
        );
        if applied != head {
            out.push(format!(
                "{}尚有 {} 批未应用",
                self.name,
                head.saturating_sub(applied)
            ));
        }
        if folded != applied {
            out.push(format!(
                "{}尚有 {} 批未汇总",
                self.name,
                applied.saturating_sub(folded)
            ));
        }
        for (key, what) in [
            ("wants", "项补取未完成"),
            ("dirty", "个主体待重新汇总"),
            ("held", "个来源日志暂存待验"),
            ("stopped", "个来源日志已停止接收"),
        ] {
            if self.number(key) > 0 {
                out.push(format!("{}有 {} {what}", self.name, self.number(key)));
            }
        }
    }

    /// Sum and number of the records of a region.
    fn sum(&self, region: &str) -> (String, u64) {
        let sum = &self.status["sums"][region];
        (
            sum["sum"].as_str().unwrap_or_default().to_owned(),
            sum["records"].as_u64().unwrap_or(0),
        )
    }
}

/// What keeps the city from having converged, for people; empty once it has.
pub fn missing(city: &NodeState, districts: &[NodeState], agents: &[AgentState]) -> Vec<String> {
    let mut out = Vec::new();
    for agent in agents {
        match agent.rows {
            None => out.push(format!("{}的代理没有应答", agent.name)),
            Some(rows) if rows < agent.source_rows => {
                out.push(format!(
                    "{}还有 {} 行未采集",
                    agent.name,
                    agent.source_rows - rows
                ));
            }
            Some(_) if agent.queued > 0 => out.push(format!(
                "{}还有 {} 条未获市级回执",
                agent.name, agent.queued
            )),
            Some(_) => {}
        }
    }
    city.behind(&mut out);
    for district in districts {
        district.behind(&mut out);
        let (here, there) = (district.sum(&district.region), city.sum(&district.region));
        if !district.status.is_null() && !city.status.is_null() && here != there {
            out.push(format!(
                "{}与市级对账和不等（本区 {} 条，市级 {} 条）",
                district.name, here.1, there.1
            ));
        }
    }
    out
}

/// The closing figures as one JSON object.
pub fn closing(
    city: &NodeState,
    districts: &[NodeState],
    elapsed_s: f64,
    missing: &[String],
) -> Value {
    let of = |key: &str| -> BTreeMap<&str, u64> {
        std::iter::once(city)
            .chain(districts)
            .map(|n| (n.region.as_str(), n.number(key)))
            .collect()
    };
    json!({
        "entities": of("entities"),
        "records": of("records"),
        "refusals": of("refusals"),
        "nodes": std::iter::once(city).chain(districts)
            .map(|n| (n.region.clone(), n.name.clone())).collect::<BTreeMap<_, _>>(),
        "elapsed_s": (elapsed_s * 1_000.0).round() / 1_000.0,
        "missing": missing,
        "converged": missing.is_empty(),
    })
}

/// One line for people.
pub fn line(city: &NodeState, districts: &[NodeState]) -> String {
    let of = |n: &NodeState| {
        if n.status.is_null() {
            return format!("{} 无应答", n.name);
        }
        let behind = n.number("head").saturating_sub(n.number("applied"));
        let behind = if behind > 0 {
            format!(" 待应用 {behind} 批")
        } else {
            String::new()
        };
        format!(
            "{} 主体 {} 记录 {}{behind}",
            n.name,
            n.number("entities"),
            n.number("records")
        )
    };
    let mut parts = vec![format!("{} 拒收 {}", of(city), city.number("refusals"))];
    parts.extend(districts.iter().map(|d| {
        let same = d.sum(&d.region) == city.sum(&d.region) && !d.status.is_null();
        format!("{} {}", of(d), if same { "对账一致" } else { "对账中" })
    }));
    parts.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(region: &str, sums: &[(&str, &str)]) -> NodeState {
        let sums: serde_json::Map<String, Value> = sums
            .iter()
            .map(|(region, sum)| ((*region).to_owned(), json!({ "sum": sum, "records": 3 })))
            .collect();
        NodeState {
            name: region.to_owned(),
            region: region.to_owned(),
            status: json!({
                "head": 5, "applied": 5, "folded": 5, "wants": 0, "dirty": 0, "held": 0, "stopped": 0,
                "entities": 2, "records": 3, "refusals": 1, "sums": sums,
            }),
        }
    }

    fn check(
        change: impl FnOnce(&mut NodeState, &mut NodeState, &mut AgentState),
        expected: &[&str],
    ) {
        let mut city = node("市", &[("甲", "aa"), ("乙", "ff")]);
        let mut district = node("甲", &[("甲", "aa")]);
        let mut agent = AgentState {
            name: "局".to_owned(),
            source_rows: 3,
            rows: Some(3),
            queued: 0,
        };
        change(&mut city, &mut district, &mut agent);
        let missing = missing(&city, &[district], &[agent]);
        assert_eq!(missing.len(), expected.len(), "{missing:?}");
        for (said, part) in missing.iter().zip(expected) {
            assert!(said.contains(part), "{said} / {part}");
        }
    }

    #[test]
    fn converged_needs_everything() {
        check(|_, _, _| {}, &[]);
        check(
            |_, d, _| d.status["sums"]["甲"]["sum"] = json!("ab"),
            &["对账和不等"],
        );
        // equal sums of another region say nothing
        check(|c, _, _| c.status["sums"]["乙"]["sum"] = json!("00"), &[]);
        check(
            |c, _, _| c.status["applied"] = json!(4),
            &["未应用", "未汇总"],
        );
        check(|_, d, _| d.status["wants"] = json!(1), &["补取"]);
        check(|_, d, _| d.status["dirty"] = json!(1), &["重新汇总"]);
        check(|c, _, _| c.status["stopped"] = json!(1), &["停止接收"]);
        check(|c, _, _| c.status = Value::Null, &["没有应答"]);
        check(|_, _, a| a.rows = None, &["没有应答"]);
        check(|_, _, a| a.rows = Some(2), &["1 行未采集"]);
        check(|_, _, a| a.queued = 7, &["未获市级回执"]);
    }
}
