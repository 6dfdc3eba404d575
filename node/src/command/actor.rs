//! Who acts, by which way, and how an act is written down. Every command takes an [`Actor`] and hands its row to the store
//! with what it does, in one transaction.

use runtime::control::Caller;
use runtime::say::steers;
use store::AuditRow;

use super::account::Account;

/// Bytes of a text in a row: longer ones are cut, so that nobody fills the record with one request.
const TEXT_BYTES_MAX: usize = 600;

/// By which way somebody acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A page of the console.
    Page,
    /// The JSON API.
    Api,
    /// A command on the same machine.
    Command,
    /// A join code, used by a newcomer.
    Code,
    /// A statement of another node.
    Statement,
}

impl Way {
    const ALL: [Self; 5] = [
        Self::Page,
        Self::Api,
        Self::Command,
        Self::Code,
        Self::Statement,
    ];

    /// The way as stored.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Api => "api",
            Self::Command => "command",
            Self::Code => "code",
            Self::Statement => "statement",
        }
    }

    /// The way for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Page => "页面",
            Self::Api => "接口",
            Self::Command => "命令行",
            Self::Code => "接入码",
            Self::Statement => "声明",
        }
    }

    /// The way of a stored text; nothing for what this release does not know.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.key() == key)
    }
}

macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $name:ident = $key:literal, $label:literal;)+) => {
        /// What can be done and is written down.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Action {
            /// All of them, in the order in which filters offer them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The action as stored.
            pub const fn key(self) -> &'static str {
                match self {
                    $(Self::$name => $key,)+
                }
            }

            /// The action for people.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)+
                }
            }
        }
    };
}

actions! {
    /// A session was opened.
    SignIn = "sign-in", "登录";
    /// A password was wrong, or several: the detail says how many more.
    SignInFailed = "sign-in.failed", "登录失败";
    /// A session was left.
    SignOut = "sign-out", "退出";
    /// A dossier was looked at.
    DossierView = "dossier.view", "查看档案";
    /// Entities were sought.
    Search = "entity.search", "查询主体";
    /// Refused reports were looked at.
    RefusalList = "refusal.list", "查看拒收记录";
    /// Entities for a person to settle were looked at.
    UnsettledList = "unsettled.list", "查看待核实主体";
    /// The record of acts was looked at.
    AuditList = "audit.list", "查看审计记录";
    /// The record of acts was exported.
    AuditExport = "audit.export", "导出审计记录";
    /// Something was asked for that the account may not do; it was not done.
    Forbidden = "forbidden", "越权被拒";
    /// A join code was issued.
    Invite = "invitation.issue", "签发接入码";
    /// A join code was called back.
    InviteRevoke = "invitation.revoke", "撤回接入码";
    /// Another key was shown with a join code that was used.
    AnotherKey = "invitation.another-key", "接入码被另一密钥出示";
    /// A newcomer used a code and waits.
    AdmissionRequest = "admission.request", "申请入网";
    /// A newcomer was let in.
    Approve = "admission.approve", "批准入网";
    /// A newcomer was refused.
    Refuse = "admission.refuse", "驳回入网";
    /// A seat was called back.
    Revoke = "seat.revoke", "撤销席位";
    /// A peer was called back by another node.
    PeerRevoked = "peer.revoked", "对端被上级撤销";
    /// A peer came with keys that another node has given it.
    PeerRenewed = "peer.renewed", "对端换用新密钥";
    /// This node's own keys were replaced.
    Rotate = "keys.rotate", "更换本节点密钥";
    /// An account was opened.
    AccountOpen = "account.open", "开设账号";
    /// An account was opened or replaced.
    AccountPut = "account.put", "开设或重设账号";
    /// An account got another name or role.
    AccountRole = "account.role", "更改姓名或角色";
    /// An account was disabled.
    AccountDisable = "account.disable", "停用账号";
    /// An account was enabled again.
    AccountEnable = "account.enable", "恢复账号";
    /// An account was given another password.
    AccountPassword = "account.password", "重设口令";
    /// Somebody changed the own password.
    OwnPassword = "password.change", "修改本人口令";
    /// Somebody showed a wrong password for changing it.
    OwnPasswordFailed = "password.failed", "修改口令失败";
    /// The link upwards was cut.
    LinkCut = "link.cut", "断开链路";
    /// The link upwards was taken up again.
    LinkConnect = "link.connect", "恢复链路";
}

impl Action {
    /// The action of a stored text; nothing for what this release does not know.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.key() == key)
    }
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Account; `os:` and the user for a command on the same machine.
    pub account: String,
    /// Real name.
    pub name: String,
    /// By which way.
    pub way: Way,
    /// From where: an address, or the user's number.
    pub client: String,
}

impl Actor {
    /// Somebody who is signed in.
    pub fn signed_in(account: &Account, way: Way, client: &str) -> Self {
        Self {
            account: account.account.clone(),
            name: account.name.clone(),
            way,
            client: client.to_owned(),
        }
    }

    /// Whoever says to be this account.
    pub fn stranger(account: &str, client: &str) -> Self {
        Self {
            account: account.to_owned(),
            name: String::new(),
            way: Way::Page,
            client: client.to_owned(),
        }
    }

    /// Whoever gives a command on the same machine.
    pub fn operator(caller: &Caller) -> Self {
        let number = caller.uid.to_string();
        Self {
            account: format!("os:{}", caller.user.as_ref().unwrap_or(&number)),
            name: caller.user.clone().unwrap_or_default(),
            way: Way::Command,
            client: format!("uid {number}"),
        }
    }

    /// A newcomer with a code that `by` has issued.
    pub fn newcomer(by: &str, client: &str) -> Self {
        Self {
            account: String::new(),
            name: format!("持码方（接入码由{by}签发）"),
            way: Way::Code,
            client: client.to_owned(),
        }
    }

    /// Another node, named by its title, by its signed word.
    pub fn statement(title: &str) -> Self {
        Self {
            account: String::new(),
            name: title.to_owned(),
            way: Way::Statement,
            client: String::new(),
        }
    }

    /// Who it was, for lists that name whoever decided.
    pub fn signature(&self) -> String {
        match self.way {
            Way::Command => format!("命令行（{}）", self.account.trim_start_matches("os:")),
            _ => self.name.clone(),
        }
    }

    /// The row of an act.
    pub fn act(&self, action: Action, object: &str, detail: &str, now_us: i64) -> AuditRow {
        AuditRow {
            at_us: now_us,
            account: kept(&self.account),
            name: kept(&self.name),
            way: self.way.key().to_owned(),
            client: kept(&self.client),
            action: action.key().to_owned(),
            object: kept(object),
            detail: kept(detail),
            ..AuditRow::default()
        }
    }
}

/// A text as rows keep it: without characters that steer a terminal or turn its direction, and not too long.
fn kept(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(TEXT_BYTES_MAX));
    for c in text.chars() {
        let c = if steers(c) { '\u{fffd}' } else { c };
        if out.len() + c.len_utf8() > TEXT_BYTES_MAX {
            out.push('…');
            break;
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_and_ways_come_back_as_they_were_stored() {
        for action in Action::ALL {
            assert_eq!(Action::from_key(action.key()), Some(*action));
        }
        for way in Way::ALL {
            assert_eq!(Way::from_key(way.key()), Some(way));
        }
        assert_eq!(Action::from_key("of a later release"), None);
    }

    #[test]
    fn what_is_typed_cannot_spoil_the_record() {
        let actor = Actor::stranger("li", "127.0.0.1");
        let check = |typed: &str, expected: &str| {
            let row = actor.act(Action::Search, typed, "", 1);
            assert_eq!(row.object, expected, "{typed:?}");
        };
        check("远东 餐饮", "远东 餐饮");
        check(
            "a\0b\r\n\u{1b}[2J\u{202e}x",
            "a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}[2J\u{fffd}x",
        );
        check(&"远".repeat(201), &format!("{}…", "远".repeat(200)));
        check(&"远".repeat(200), &"远".repeat(200));
    }

    #[test]
    fn who_gives_a_command_is_named_by_the_system() {
        let check = |user: Option<&str>, account: &str, signature: &str| {
            let caller = Caller {
                uid: 1000,
                user: user.map(str::to_owned),
            };
            let actor = Actor::operator(&caller);
            assert_eq!(
                (actor.account.as_str(), actor.client.as_str()),
                (account, "uid 1000")
            );
            assert_eq!(actor.signature(), signature);
        };
        check(Some("li"), "os:li", "命令行（li）");
        check(None, "os:1000", "命令行（1000）");
    }
}
