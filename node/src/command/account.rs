//! Named accounts of the console: roles, signing in and out; opening and changing them in `account/change.rs`.
//!
//! A password is never stored or logged; its Argon2id hash is. Checking one costs time on purpose: it is a plain function,
//! so that whoever serves people runs it beside other work and bounds how many run at once.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params};
use protocol::hash;
use store::{AccountRow, LoginSessionRow, StoreError};

use super::actor::{Action, Actor, Way};
use super::session::SESSIONS_MAX;
use crate::node::Node;

mod change;

pub use change::{AccountView, NewAccount, NewPassword};

/// Characters that a password has at least.
pub const PASSWORD_CHARACTERS_MIN: usize = 10;
/// Bytes of a password that are looked at.
pub const PASSWORD_BYTES_MAX: usize = 256;
/// Bytes of an account name.
pub const ACCOUNT_BYTES_MAX: usize = 64;
/// A session ends when it was not used for so long.
pub const IDLE_US: i64 = 2 * 3_600 * 1_000_000;
/// A session ends so long after it began, used or not.
pub const SESSION_US: i64 = 12 * 3_600 * 1_000_000;
/// Use of a session is written down at most so often.
const TOUCH_US: i64 = 60 * 1_000_000;

/// Argon2id with 19 MiB and two passes (OWASP's first choice for servers).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// What an account may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Everything, admissions included.
    Administrator,
    /// Reads everything of this node.
    Clerk,
    /// Reads everything of this node, for audits.
    Auditor,
    /// Reads dossiers, and refusals of the department with this organisation code only.
    Department(String),
}

impl Role {
    /// The role as stored.
    pub fn key(&self) -> String {
        match self {
            Self::Administrator => "administrator".to_owned(),
            Self::Clerk => "clerk".to_owned(),
            Self::Auditor => "auditor".to_owned(),
            Self::Department(name) => format!("department:{name}"),
        }
    }

    /// The role of a stored text; nothing for what this release does not know.
    pub fn from_key(key: &str) -> Option<Self> {
        Some(match key {
            "administrator" => Self::Administrator,
            "clerk" => Self::Clerk,
            "auditor" => Self::Auditor,
            _ => match key.strip_prefix("department:") {
                Some(name) if !name.is_empty() => Self::Department(name.to_owned()),
                _ => return None,
            },
        })
    }

    /// The role for people.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Administrator => "管理员",
            Self::Clerk => "业务员",
            Self::Auditor => "审计员",
            Self::Department(_) => "部门人员",
        }
    }

    /// Whether the account may see who has looked at what.
    pub const fn audits(&self) -> bool {
        matches!(self, Self::Administrator | Self::Auditor)
    }

    /// Whether the account opens and changes accounts.
    pub const fn manages(&self) -> bool {
        matches!(self, Self::Administrator)
    }

    /// Whether the account decides on admissions.
    pub const fn admits(&self) -> bool {
        matches!(self, Self::Administrator)
    }

    /// Organisation code of the only department whose refusals the account may see; none for accounts of the whole node.
    pub fn department(&self) -> Option<&str> {
        match self {
            Self::Department(name) => Some(name),
            _ => None,
        }
    }
}

/// An account that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Name to sign in with.
    pub account: String,
    /// Real name (实名制).
    pub name: String,
    /// Role.
    pub role: Role,
}

/// Why an account was not opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The name cannot be one.
    #[error("账号名只能用小写字母、数字、点、下划线和短横线，1 到 64 个字符")]
    Name,
    /// A real name is required.
    #[error("请填写账号使用人的真实姓名")]
    RealName,
    /// The password is too short, too long, or the account's own name.
    #[error(
        "口令至少 {PASSWORD_CHARACTERS_MIN} 个字符、不超过 {PASSWORD_BYTES_MAX} 字节，且不能包含账号名"
    )]
    Password,
    /// There is no such account.
    #[error("没有账号「{0}」")]
    Unknown(String),
    /// There is one already.
    #[error("已有账号「{0}」，请换一个账号名")]
    Exists(String),
    /// Nobody could administer the node any more.
    #[error("这是最后一个可用的管理员账号，不能停用，也不能改为其他角色；请先另设一个管理员")]
    LastAdministrator,
    /// The organisation is not known.
    #[error("没有机构代码「{department}」，请填写已接入或已签发接入码的机构（{known}）")]
    Department {
        /// What was given.
        department: String,
        /// What could be given.
        known: String,
    },
    /// The role is none that there is.
    #[error("请选择角色；部门人员还须选择部门")]
    Role,
    /// It was changed by somebody else meanwhile.
    #[error("账号刚刚被更改或停用，请重新登录后再试")]
    Changed,
    /// Hashing failed: the program's fault.
    #[error("口令散列失败，这是程序缺陷，请附日志报告")]
    Hashing,
}

impl AccountError {
    /// Whether whoever asked can do something about it: the text says what.
    pub const fn is_askers(&self) -> bool {
        !matches!(self, Self::Store(_) | Self::Hashing)
    }
}

/// An attempt to sign in whose password has not been looked at yet.
#[derive(Debug)]
pub struct Attempt {
    row: Option<Box<AccountRow>>,
    account: String,
}

/// An attempt whose password was right; made only by [`Attempt::check`].
#[derive(Debug)]
pub struct Checked {
    account: Account,
    /// The hash that the password has.
    hash: String,
}

/// A session that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Whose.
    pub account: Account,
    /// Ends then in any case.
    pub until_us: i64,
}

impl Attempt {
    /// Looks at the password. Takes as long for an unknown account as for a known one, and says no more about why not.
    pub fn check(self, password: &str) -> Result<Checked, Self> {
        let nobody = nobody();
        let hash = self
            .row
            .as_ref()
            .map_or(nobody, |row| row.password_hash.as_str());
        let right = password.len() <= PASSWORD_BYTES_MAX && verifies(hash, password);
        let known = self
            .row
            .as_deref()
            .filter(|row| !row.disabled)
            .and_then(|row| Some((account_of(row)?, row.password_hash.clone())));
        match known {
            Some((account, hash)) if right => Ok(Checked { account, hash }),
            _ => Err(self),
        }
    }

    /// The account as typed, for the audit.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Whether there is such an account. For what is written down and counted only: nobody is told.
    pub fn is_known(&self) -> bool {
        self.row.is_some()
    }
}

impl Node {
    /// Whether there is any account at all.
    pub async fn has_accounts(&self) -> Result<bool, AccountError> {
        Ok(!self.store().accounts().await?.is_empty())
    }

    /// Looks an account up; [`Attempt::check`] follows, then [`Node::sign_in`] if it was right.
    pub async fn attempt(&self, account: &str) -> Result<Attempt, AccountError> {
        let account = account.trim().to_ascii_lowercase();
        let plausible =
            !account.is_empty() && account.len() <= ACCOUNT_BYTES_MAX && !account.contains('\0');
        let row = if plausible {
            self.store().account_get(&account).await?
        } else {
            None
        };
        Ok(Attempt {
            row: row.map(Box::new),
            account,
        })
    }

    /// Opens a session for a password that was right. `token` is random; only its hash is stored.
    pub async fn sign_in(
        &self,
        checked: Checked,
        token: &[u8; 32],
        address: &str,
        now_us: i64,
    ) -> Result<Account, AccountError> {
        let row = LoginSessionRow {
            token_hash: token_hash(token),
            account: checked.account.account.clone(),
            begun_us: now_us,
            idle_until_us: now_us + IDLE_US,
            until_us: now_us + SESSION_US,
        };
        let actor = Actor::signed_in(&checked.account, Way::Page, address);
        let act = actor.act(Action::SignIn, "", "", now_us);
        let opened = self
            .store()
            .sign_in(&row, &checked.hash, SESSIONS_MAX, &act)
            .await?;
        if opened {
            Ok(checked.account)
        } else {
            Err(AccountError::Changed)
        }
    }

    /// Writes down wrong passwords of whoever said to be this account.
    pub async fn sign_in_failed(
        &self,
        account: &str,
        address: &str,
        detail: &str,
        now_us: i64,
    ) -> Result<(), AccountError> {
        let actor = Actor::stranger(account, address);
        let failed = actor.act(Action::SignInFailed, "", detail, now_us);
        Ok(self.store().audit_append(&failed).await?)
    }

    /// The session of a token, if it stands; keeps it alive.
    pub async fn login(
        &self,
        token: &[u8; 32],
        now_us: i64,
    ) -> Result<Option<Login>, AccountError> {
        let hash = token_hash(token);
        let Some(session) = self.store().login_session_get(hash, now_us).await? else {
            return Ok(None);
        };
        let row = self
            .store()
            .account_get(&session.account)
            .await?
            .filter(|row| !row.disabled);
        let Some(account) = row.as_ref().and_then(account_of) else {
            return Ok(None);
        };
        if session.idle_until_us < now_us + IDLE_US - TOUCH_US {
            let idle_until_us = now_us + IDLE_US;
            self.store()
                .login_session_touch(hash, idle_until_us)
                .await?;
        }
        Ok(Some(Login {
            account,
            until_us: session.until_us,
        }))
    }

    /// Ends a session.
    pub async fn sign_out(
        &self,
        token: &[u8; 32],
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), AccountError> {
        let act = actor.act(Action::SignOut, "", "", now_us);
        Ok(self.store().sign_out(token_hash(token), &act).await?)
    }
}

fn account_of(row: &AccountRow) -> Option<Account> {
    Some(Account {
        account: row.name.clone(),
        name: row.title.clone(),
        role: Role::from_key(&row.role)?,
    })
}

fn token_hash(token: &[u8; 32]) -> [u8; 32] {
    hash::sha256(&[token]).0
}

fn argon() -> Argon2<'static> {
    let params =
        Params::new(MEMORY_KIB, PASSES, 1, None).expect("constants within Argon2's bounds");
    Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, params)
}

fn hash_password(password: &str, salt: &[u8; 16]) -> Option<String> {
    argon()
        .hash_password_with_salt(password.as_bytes(), salt)
        .ok()
        .map(|hash| hash.to_string())
}

fn verifies(stored: &str, password: &str) -> bool {
    PasswordHash::new(stored)
        .is_ok_and(|hash| argon().verify_password(password.as_bytes(), &hash).is_ok())
}

/// The hash that attempts at unknown accounts are measured against: no password has it.
fn nobody() -> &'static str {
    static NOBODY: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    NOBODY.get_or_init(|| hash_password("\u{0}", &[0; 16]).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(password: &str, disabled: bool, role: &str) -> Attempt {
        let row = AccountRow {
            name: "wangfang".to_owned(),
            title: "王芳".to_owned(),
            role: role.to_owned(),
            password_hash: hash_password(password, &[7; 16]).expect("hashes"),
            disabled,
            at_us: 0,
        };
        Attempt {
            row: Some(Box::new(row)),
            account: "wangfang".to_owned(),
        }
    }

    #[test]
    fn only_the_right_password_of_a_usable_account_opens() {
        let right = "correct horse battery";
        assert!(attempt(right, false, "clerk").check(right).is_ok());
        assert!(
            attempt(right, false, "clerk")
                .check("correct horse")
                .is_err()
        );
        assert!(attempt(right, true, "clerk").check(right).is_err());
        assert!(
            attempt(right, false, "of a later release")
                .check(right)
                .is_err()
        );
        assert!(
            Attempt {
                row: None,
                account: "nobody".to_owned()
            }
            .check("\u{0}")
            .is_err()
        );
    }

    #[test]
    fn roles_come_back_as_they_were_stored() {
        let all = [
            Role::Administrator,
            Role::Clerk,
            Role::Auditor,
            Role::Department("浦东新区市场监管局".to_owned()),
        ];
        for role in all {
            assert_eq!(Role::from_key(&role.key()), Some(role));
        }
        assert_eq!(Role::from_key("department:"), None);
        assert_eq!(Role::from_key("root"), None);
    }
}
