//! What commands on the same machine may ask of a running node: admission, progress, sums, verification. JSON in, JSON out.

use runtime::control::Caller;
use runtime::door::{Clock, random};
use serde_json::{Value, json};

use crate::command::account::{NewAccount, Role};
use crate::command::actor::Actor;
use crate::command::admission::Invite;
use crate::host::NodeHost;

/// Answers control requests.
#[derive(Clone)]
pub struct Desk {
    host: NodeHost,
    public: String,
    clock: Clock,
}

impl Desk {
    /// A desk. `public` is the address that join codes carry.
    pub fn new(host: NodeHost, public: String, clock: Clock) -> Self {
        Self {
            host,
            public,
            clock,
        }
    }

    /// Answers one request: an object with `command` and its arguments. The answer has `error` if it failed.
    pub async fn answer(&self, caller: &Caller, request: &str) -> String {
        let actor = Actor::operator(caller);
        let answer = match serde_json::from_str::<Value>(request) {
            Ok(request) => self.dispatch(&actor, &request).await,
            Err(error) => Err(format!("请求不是合法的 JSON：{error}")),
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
                    hours: request["hours"].as_u64().unwrap_or(24).clamp(1, 24 * 365) as u32,
                    address: self.public.clone(),
                };
                let code = node
                    .invite(&invite, random(), random(), actor, now)
                    .await
                    .map_err(|e| e.to_string())?;
                Ok(json!({ "ok": true, "code": code }))
            }
            "approve" => {
                node.approve(text("seat"), actor, now)
                    .await
                    .map_err(|e| e.to_string())?;
                Ok(json!({ "ok": true }))
            }
            "refuse" => {
                node.refuse(text("seat"), text("reason"), actor, now)
                    .await
                    .map_err(|e| e.to_string())?;
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
                    .map_err(|e| e.to_string())?;
                Ok(json!({ "ok": true }))
            }
            "account.disable" => {
                node.disable_account(text("account"), actor, now)
                    .await
                    .map_err(|e| e.to_string())?;
                Ok(json!({ "ok": true }))
            }
            "account.enable" => {
                node.enable_account(text("account"), actor, now)
                    .await
                    .map_err(|e| e.to_string())?;
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
            .map_err(|e| e.to_string())?
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
        let rows = self
            .host
            .node()
            .store()
            .peers()
            .await
            .map_err(|e| e.to_string())?;
        let peers: Vec<Value> = rows
            .iter()
            .map(|p| {
                json!({
                    "seat": p.seat.to_string(), "state": crate::command::admission::state_text(p.state),
                    "title": p.title, "department": p.department, "jurisdiction": p.jurisdiction,
                    "fingerprint": p.fingerprint, "connected": self.host.links().with(&p.seat).is_some(),
                })
            })
            .collect();
        Ok(json!({ "ok": true, "peers": peers }))
    }

    /// Counts, cursors and sums: what a demonstration and a test compare between sides.
    /// `with_sums` walks all records; who only watches progress leaves it out.
    async fn status(&self, with_sums: bool) -> Result<Value, String> {
        let node = self.host.node();
        let store = node.store();
        let heads = store.feed_heads();
        let stats = store.stats().await.map_err(|e| e.to_string())?;
        let records: i64 = stats.types.iter().map(|t| t.records).sum();
        let mut sums = serde_json::Map::new();
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
        let held_sums = if with_sums {
            node.sums().await.map_err(|e| e.to_string())?
        } else {
            regions.clear();
            Default::default()
        };
        for region in regions {
            let sum = held_sums.get(&region).copied().unwrap_or_default();
            sums.insert(
                region,
                json!({ "sum": sum.to_string(), "records": sum.records }),
            );
        }
        let wants = store.wants_open().await.map_err(|e| e.to_string())?.len();
        let held = store.held().await.map_err(|e| e.to_string())?.len();
        Ok(json!({
            "ok": true, "region": node.region(), "title": node.identity().title,
            "head": heads.head, "applied": heads.applied, "folded": heads.folded,
            "entities": stats.entities, "records": records, "refusals": stats.refusals_open,
            "dirty": stats.dirty, "wants": wants, "held": held, "stopped": node.stopped().len(),
            "peers_connected": self.host.links().all().len(), "sums": sums,
        }))
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
        let report = self
            .host
            .node()
            .verify(deep)
            .await
            .map_err(|e| e.to_string())?;
        Ok(json!({
            "ok": report.faults.is_empty(), "headers": report.headers, "blocks": report.blocks,
            "entries": report.entries, "faults": report.faults,
        }))
    }
}
