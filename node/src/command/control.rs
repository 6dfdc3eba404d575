//! What commands on the same machine may ask of a running node: admission, progress, sums, verification. JSON in, JSON out.

use runtime::control::Caller;
use runtime::door::{Clock, random};
use runtime::say::{foreign, span};
use runtime::worker::chain;
use serde_json::{Value, json};

use crate::command::account::{NewAccount, Role};
use crate::command::actor::Actor;
use crate::command::admission::{Invite, hours_text};
use crate::host::NodeHost;
use crate::reporter::Reporter;

/// Answers control requests.
#[derive(Clone)]
pub struct Desk {
    host: NodeHost,
    public: Result<String, String>,
    reporter: Reporter,
    clock: Clock,
}

impl Desk {
    /// A desk. `public` is the address that join codes carry, or why there is none.
    pub fn new(
        host: NodeHost,
        public: Result<String, String>,
        reporter: Reporter,
        clock: Clock,
    ) -> Self {
        Self {
            host,
            public,
            reporter,
            clock,
        }
    }

    /// Answers one request: an object with `command` and its arguments. The answer has `error` if it failed.
    pub async fn answer(&self, caller: &Caller, request: &str) -> String {
        let actor = Actor::operator(caller);
        let answer = match serde_json::from_str::<Value>(request) {
            Ok(request) => self.dispatch(&actor, &request).await,
            Err(_) => Err("请求不是合法的 JSON".to_owned()),
        };
        answer
            .unwrap_or_else(|error| json!({ "error": error }))
            .to_string()
    }

    async fn dispatch(&self, actor: &Actor, request: &Value) -> Result<Value, String> {
        let text = |key: &str| request[key].as_str().unwrap_or_default();
        let node = self.host.node();
        let now = self.clock.now_us();
        match text("command") {
            "invite" => {
                let hours = match request.get("hours") {
                    None => 24,
                    Some(hours) => hours
                        .as_u64()
                        .and_then(|hours| u32::try_from(hours).ok())
                        .ok_or_else(hours_text)?,
                };
                let invite = Invite {
                    kind: text("kind").to_owned(),
                    title: text("title").to_owned(),
                    department: text("department").to_owned(),
                    jurisdiction: text("jurisdiction").to_owned(),
                    types: request["types"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(|t| t.as_str().map(str::to_owned))
                        .collect(),
                    pre_approved: request["pre_approved"].as_bool().unwrap_or(false),
                    hours,
                    address: self.public.clone()?,
                };
                let code = node
                    .invite(&invite, random(), random(), actor, now)
                    .await
                    .map_err(|e| chain(&e))?;
                Ok(json!({ "ok": true, "code": code }))
            }
            "approve" => {
                node.approve(text("seat"), actor, now)
                    .await
                    .map_err(|e| chain(&e))?;
                Ok(json!({ "ok": true }))
            }
            "refuse" => {
                node.refuse(text("seat"), text("reason"), actor, now)
                    .await
                    .map_err(|e| chain(&e))?;
                Ok(json!({ "ok": true }))
            }
            "account" => {
                let role = Role::from_key(text("role"))
                    .ok_or("角色应为 administrator、clerk、auditor 或 department:部门名称")?;
                let account = NewAccount {
                    account: text("account"),
                    name: text("name"),
                    role,
                    password: text("password"),
                    salt: random(),
                };
                node.put_account(&account, actor, now)
                    .await
                    .map_err(|e| chain(&e))?;
                Ok(json!({ "ok": true }))
            }
            "account.disable" => {
                node.disable_account(text("account"), actor, now)
                    .await
                    .map_err(|e| chain(&e))?;
                Ok(json!({ "ok": true }))
            }
            "account.enable" => {
                node.enable_account(text("account"), actor, now)
                    .await
                    .map_err(|e| chain(&e))?;
                Ok(json!({ "ok": true }))
            }
            "accounts" => self.accounts().await,
            "peers" => self.peers().await,
            "status" => self.status(request["sums"].as_bool().unwrap_or(true)).await,
            "verify" => {
                self.verify(request["deep"].as_bool().unwrap_or(false))
                    .await
            }
            "links" => Ok(self.links()),
            "trace" => self.trace().await,
            other => Err(format!("不认识的命令「{other}」")),
        }
    }

    async fn accounts(&self) -> Result<Value, String> {
        let accounts = self.host.node().accounts().await;
        let accounts: Vec<Value> = accounts
            .map_err(|e| chain(&e))?
            .iter()
            .map(|a| {
                let role = a.role.as_ref();
                json!({
                    "account": a.account, "name": a.name, "disabled": a.disabled,
                    "role": role.map(Role::key), "role_label": role.map(Role::label),
                    "department": role.and_then(Role::department),
                })
            })
            .collect();
        Ok(json!({ "ok": true, "accounts": accounts }))
    }

    async fn peers(&self) -> Result<Value, String> {
        let now_us = self.clock.now_us();
        let rows = self
            .host
            .node()
            .store()
            .peers()
            .await
            .map_err(|e| chain(&e))?;
        let report = self.reporter.look().await.map_err(|e| chain(&e))?;
        // an agent presents all its seats in one session: the tree knows which
        let parties = report.parties();
        let mut text = String::new();
        let mut peers = Vec::new();
        for row in &rows {
            let party = parties.iter().find(|party| party.seat == Some(row.seat));
            let connected = party.is_some_and(|party| party.connected);
            let last_us = party
                .and_then(|party| party.last_contact_us)
                .or((row.last_contact_us > 0).then_some(row.last_contact_us));
            let state = crate::command::admission::state_text(row.state);
            let seen = match (connected, last_us) {
                (true, _) => "在线".to_owned(),
                (false, Some(at)) => format!("离线，{}前联系过", span((now_us - at) / 1_000_000)),
                (false, None) => "从未连接".to_owned(),
            };
            let line = format!(
                "{}  {state}  {seen}  {}  {}{}  指纹 {}",
                row.seat,
                row.jurisdiction,
                row.title,
                if row.department.is_empty() {
                    String::new()
                } else {
                    format!("（{}）", row.department)
                },
                row.fingerprint
            );
            text += &foreign(&line);
            text.push('\n');
            peers.push(json!({
                "seat": row.seat.to_string(), "state": state, "title": row.title, "department": row.department,
                "jurisdiction": row.jurisdiction, "fingerprint": row.fingerprint, "connected": connected,
                "last_contact_us": last_us,
            }));
        }
        if rows.is_empty() {
            text += "还没有下级节点、代理或入网申请；签发接入码请用 invite\n";
        }
        Ok(json!({ "ok": true, "peers": peers, "text": text }))
    }

    /// The node's word about itself, and sums: what a demonstration and a test compare between sides.
    /// `with_sums` walks all records; who only watches progress leaves it out.
    async fn status(&self, with_sums: bool) -> Result<Value, String> {
        let node = self.host.node();
        let report = self.reporter.look().await.map_err(|e| chain(&e))?;
        let mut answer = report.json();
        let mut sums = serde_json::Map::new();
        if with_sums {
            let mut regions: Vec<String> = match node.tier() {
                crate::Tier::City => node
                    .city()
                    .districts
                    .iter()
                    .map(|d| d.code.clone())
                    .collect(),
                crate::Tier::District => vec![node.region().to_owned()],
            };
            regions.sort();
            let held_sums = node.sums().await.map_err(|e| chain(&e))?;
            for region in regions {
                let sum = held_sums.get(&region).copied().unwrap_or_default();
                sums.insert(
                    region,
                    json!({ "sum": sum.to_string(), "records": sum.records }),
                );
            }
        }
        answer["sums"] = sums.into();
        answer["text"] = report.text().into();
        Ok(answer)
    }

    /// What each link has moved since it stands.
    fn links(&self) -> Value {
        let links: Vec<Value> = self
            .host
            .links()
            .views()
            .iter()
            .map(|link| {
                json!({
                    "seat": link.party.to_string(), "remote": link.remote, "since_us": link.since_us,
                    "bytes_sent": link.stats.bytes_sent, "bytes_received": link.stats.bytes_received,
                    "packets_lost": link.stats.packets_lost,
                    "round_trip_us": link.stats.round_trip.as_micros() as u64,
                })
            })
            .collect();
        json!({ "ok": true, "links": links })
    }

    /// The three cursors, and when the feed last passed each stage.
    async fn trace(&self) -> Result<Value, String> {
        let heads = self.host.node().store().feed_heads();
        Ok(json!({
            "ok": true, "head": heads.head, "applied": heads.applied, "folded": heads.folded,
            "passages": self.host.trace().pairs(),
        }))
    }

    async fn verify(&self, deep: bool) -> Result<Value, String> {
        let report = self.host.node().verify(deep).await.map_err(|e| chain(&e))?;
        let checked = format!(
            "已校验 {} 个批次头、{} 个批次{}\n",
            report.headers,
            report.blocks,
            if deep {
                format!("、{} 条记录", report.entries)
            } else {
                String::new()
            }
        );
        let text = match report.faults.is_empty() {
            true => format!("{checked}结果      签名、哈希链与内容均正确\n"),
            false => {
                let faults: Vec<String> = report
                    .faults
                    .iter()
                    .map(|f| format!("问题      {}\n", foreign(f)))
                    .collect();
                format!(
                    "{checked}结果      发现 {} 处问题\n{}",
                    faults.len(),
                    faults.concat()
                )
            }
        };
        Ok(json!({
            "ok": report.faults.is_empty(), "headers": report.headers, "blocks": report.blocks,
            "entries": report.entries, "faults": report.faults, "text": text,
        }))
    }
}
