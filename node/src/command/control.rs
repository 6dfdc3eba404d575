//! What commands on the same machine may ask of a running node: admission, progress, sums, verification. JSON in, JSON out.

use protocol::hash::Hash;
use runtime::control::Caller;
use runtime::door::{Clock, random};
use runtime::say::{foreign, span};
use runtime::worker::chain;
use serde_json::{Value, json};
use store::PeerState;

use crate::command::account::{NewAccount, Role};
use crate::command::actor::Actor;
use crate::command::admission::{Invite, Replaces, decision_text, hours_text};
use crate::command::revoke::Reason;
use crate::host::NodeHost;
use crate::query::admission::CodeState;
use crate::reporter::Reporter;
use crate::verify::Verified;

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
                    organisation: text("organisation").to_owned(),
                    organisation_title: text("organisation_title").to_owned(),
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
                    renews: text("renew").to_owned(),
                    reason: text("reason").to_owned(),
                };
                let issued = node
                    .invite(&invite, random(), random(), actor, now)
                    .await
                    .map_err(|e| chain(&e))?;
                Ok(json!({
                    "ok": true, "code": issued.code, "id": issued.id, "seat": issued.seat.to_string(),
                }))
            }
            "approve" => {
                node.approve(text("seat"), text("reason"), actor, now)
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
            "revoke.code" => {
                let codes = node
                    .revoke_code(text("code"), actor, now)
                    .await
                    .map_err(|e| chain(&e))?;
                Ok(json!({ "ok": true, "codes": codes }))
            }
            "revoke.seat" => {
                let reason = Reason::from_key(text("reason"))
                    .ok_or("原因应为 stolen、lost、left、replaced 或 other")?;
                let revoked = node
                    .revoke_seat(text("seat"), reason, text("text"), actor, now)
                    .await
                    .map_err(|e| chain(&e))?;
                self.host.part_with_revoked().await.map_err(|e| chain(&e))?;
                Ok(json!({
                    "ok": true, "title": revoked.title, "logs": revoked.logs, "standing": revoked.standing,
                    "left_out": revoked.left_out, "text": revoked.text(),
                }))
            }
            "account" => {
                let role = Role::from_key(text("role"))
                    .ok_or("角色应为 administrator、clerk、auditor 或 department:机构代码")?;
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
                let deep = request["deep"].as_bool().unwrap_or(false);
                let found = node.verify(deep, now).await.map_err(|e| chain(&e))?;
                Ok(verified(&found))
            }
            "verify.progress" => {
                let progress = node.verify_progress();
                Ok(json!({ "ok": true, "running": progress.is_some(), "text": progress }))
            }
            "verify.stop" => match node.stop_verify() {
                true => Ok(json!({ "ok": true })),
                false => Err("没有正在进行的核对".to_owned()),
            },
            "links" => Ok(self.links()),
            "trace" => self.trace().await,
            other => Err(format!("不认识的命令「{other}」")),
        }
    }

    async fn accounts(&self) -> Result<Value, String> {
        let organisations = self.host.node().organisations();
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
                    "department_title": role.and_then(Role::department).and_then(|code| organisations.title(code)),
                })
            })
            .collect();
        Ok(json!({ "ok": true, "accounts": accounts }))
    }

    /// Who was let in, who waits and which codes are out.
    async fn peers(&self) -> Result<Value, String> {
        let now_us = self.clock.now_us();
        let node = self.host.node();
        let list = node.admission_list(now_us).await.map_err(|e| chain(&e))?;
        let report = self.reporter.look().await.map_err(|e| chain(&e))?;
        // an agent presents all its seats in one session: the tree knows which
        let parties = report.parties();
        let organisation = |code: &str| {
            let title = list.organisations.title(code).unwrap_or("未登记");
            format!("（{code} {title}）")
        };
        let mut text = String::new();
        let mut peers = Vec::new();
        for waiting in &list.pending {
            let row = &waiting.invitation;
            let Some(request) = &row.request else {
                continue;
            };
            let fingerprint = Hash(request.key_hash).to_string();
            let line = format!(
                "{}  {}  {}  {}{}  指纹 {}  接入码 {}{}",
                row.seat,
                decision_text(request.decision),
                row.jurisdiction,
                row.title,
                organisation(&row.organisation),
                fours(&fingerprint),
                waiting.id,
                match waiting.replaces {
                    Replaces::Nothing => "",
                    Replaces::WithConsent => "  更换密钥（原密钥同意）",
                    Replaces::WithoutConsent =>
                        "  更换密钥而没有原密钥的同意，批准须写明原因（--reason）",
                }
            );
            text += &foreign(&line);
            text.push('\n');
            peers.push(json!({
                "seat": row.seat.to_string(), "state": decision_text(request.decision), "title": row.title,
                "organisation": row.organisation, "jurisdiction": row.jurisdiction, "fingerprint": fingerprint,
                "code": waiting.id, "connected": false, "last_contact_us": null,
            }));
        }
        for row in &list.peers {
            let party = parties.iter().find(|party| party.seat == Some(row.seat));
            let connected = party.is_some_and(|party| party.connected);
            let last_us = party
                .and_then(|party| party.last_contact_us)
                .or((row.last_contact_us > 0).then_some(row.last_contact_us));
            let (state, reason) = match row.state {
                PeerState::Approved => ("已批准", String::new()),
                PeerState::Revoked => ("已撤销", format!("  {}", row.reason)),
            };
            let seen = match (connected, last_us) {
                (true, _) => "在线".to_owned(),
                (false, Some(at)) => format!("离线，{}前联系过", span((now_us - at) / 1_000_000)),
                (false, None) => "从未连接".to_owned(),
            };
            let line = format!(
                "{}  {state}  {seen}  {}  {}{}  指纹 {}{reason}",
                row.seat,
                row.jurisdiction,
                row.title,
                organisation(&row.organisation),
                fours(&row.fingerprint)
            );
            text += &foreign(&line);
            text.push('\n');
            peers.push(json!({
                "seat": row.seat.to_string(), "state": state, "title": row.title,
                "organisation": row.organisation, "jurisdiction": row.jurisdiction,
                "fingerprint": row.fingerprint, "connected": connected, "last_contact_us": last_us,
                "reason": row.reason,
            }));
        }
        let mut codes = Vec::new();
        for code in &list.codes {
            let row = &code.invitation;
            if code.state == CodeState::Unused {
                let line = format!(
                    "接入码 {}  未使用  {}  {}{}",
                    code.id,
                    row.jurisdiction,
                    row.title,
                    organisation(&row.organisation)
                );
                text += &foreign(&line);
                text.push('\n');
            }
            if let Some(others) = &row.others {
                let line = format!(
                    "[注意] 接入码 {}（{}）已绑定一把密钥，又有另一把密钥出示 {} 次，最近一次来自 {}，指纹 {}；请核对接入码是否外泄",
                    code.id,
                    row.title,
                    others.times,
                    others.address,
                    Hash(others.key_hash)
                );
                text += &foreign(&line);
                text.push('\n');
            }
            codes.push(json!({
                "id": code.id, "seat": row.seat.to_string(), "title": row.title, "state": code.state.key(),
                "other_keys": row.others.as_ref().map_or(0, |o| o.times),
            }));
        }
        if text.is_empty() {
            text += "还没有下级节点、代理或入网申请；签发接入码请用 invite\n";
        }
        Ok(json!({ "ok": true, "peers": peers, "codes": codes, "text": text }))
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
}

/// What a verification found, as a command shows it.
pub fn verified(found: &Verified) -> Value {
    let mut answer = found.json();
    answer["text"] = found.text().into();
    answer
}

/// The part of a fingerprint that people compare: what newcomers are shown, too.
fn fours(fingerprint: &str) -> String {
    let digits = fingerprint.as_bytes().chunks(4).take(5);
    let groups: Vec<_> = digits.map(String::from_utf8_lossy).collect();
    groups.join(" ")
}
