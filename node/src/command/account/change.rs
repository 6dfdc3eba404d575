//! Opening accounts and changing them: role, password, disabling. What must not be is looked at in the transaction of the
//! change: the last administrator stays.

use store::{AccountChange, AccountOutcome, AccountRow};

use super::{
    ACCOUNT_BYTES_MAX, Account, AccountError, Checked, PASSWORD_BYTES_MAX, PASSWORD_CHARACTERS_MIN,
    Role, account_of, hash_password, token_hash,
};
use crate::command::actor::{Action, Actor};
use crate::command::admission::Organisations;
use crate::node::Node;

/// Bytes of a real name.
const NAME_BYTES_MAX: usize = 200;

/// An account to open.
#[derive(Debug, Clone)]
pub struct NewAccount<'a> {
    /// Name to sign in with.
    pub account: &'a str,
    /// Real name.
    pub name: &'a str,
    /// Role.
    pub role: Role,
    /// Password.
    pub password: &'a str,
    /// 16 random bytes.
    pub salt: [u8; 16],
}

impl NewAccount<'_> {
    /// Whether names and password keep the rules, before anything is done for it.
    pub fn check(&self) -> Result<(), AccountError> {
        check_account(self.account)?;
        check_name(self.name)?;
        check_password(self.account, self.password)
    }
}

/// A password of one account that keeps the rules, hashed.
#[derive(Debug, Clone)]
pub struct NewPassword {
    account: String,
    hash: String,
}

impl NewPassword {
    /// Checks and hashes a password, which takes time on purpose. `salt` is random.
    pub fn hash(account: &str, password: &str, salt: &[u8; 16]) -> Result<Self, AccountError> {
        check_account(account)?;
        check_password(account, password)?;
        Ok(Self {
            account: account.to_owned(),
            hash: hash_password(password, salt).ok_or(AccountError::Hashing)?,
        })
    }

    /// Whose it is.
    pub fn account(&self) -> &str {
        &self.account
    }
}

/// An account as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountView {
    /// Name to sign in with.
    pub account: String,
    /// Real name.
    pub name: String,
    /// Role; none if this release does not know it, and then it cannot be used.
    pub role: Option<Role>,
    /// Whether it may not sign in.
    pub disabled: bool,
    /// When it was last changed.
    pub at_us: i64,
}

impl Node {
    /// Opens an account, or gives an existing one a new password, name and role and lets it in again: for the command line
    /// and setting up, where whoever acts may do everything anyway.
    pub async fn put_account(
        &self,
        new: &NewAccount<'_>,
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), AccountError> {
        new.check()?;
        let password = NewPassword::hash(new.account, new.password, &new.salt)?;
        let row = self.row(&password, new.name, &new.role, now_us)?;
        let told = told(&row.title, &new.role);
        let act = (Action::AccountPut, told.as_str());
        self.alter(new.account, AccountChange::Put(row), act, actor, now_us)
            .await
    }

    /// Opens an account of a name that is free.
    pub async fn open_account(
        &self,
        password: NewPassword,
        name: &str,
        role: &Role,
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), AccountError> {
        let row = self.row(&password, name, role, now_us)?;
        let told = told(&row.title, role);
        let act = (Action::AccountOpen, told.as_str());
        self.alter(
            &password.account,
            AccountChange::Open(row),
            act,
            actor,
            now_us,
        )
        .await
    }

    /// Gives an account another real name and role.
    pub async fn change_account(
        &self,
        account: &str,
        name: &str,
        role: &Role,
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), AccountError> {
        let title = check_name(name)?.to_owned();
        self.check_role(role)?;
        let told = told(&title, role);
        let change = AccountChange::Role {
            title,
            role: role.key(),
        };
        let act = (Action::AccountRole, told.as_str());
        self.alter(account, change, act, actor, now_us).await
    }

    /// Disables an account and ends its sessions.
    pub async fn disable_account(
        &self,
        account: &str,
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), AccountError> {
        let act = (Action::AccountDisable, "");
        self.alter(account, AccountChange::Disable, act, actor, now_us)
            .await
    }

    /// Lets a disabled account in again, with the password that it has.
    pub async fn enable_account(
        &self,
        account: &str,
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), AccountError> {
        let act = (Action::AccountEnable, "");
        self.alter(account, AccountChange::Enable, act, actor, now_us)
            .await
    }

    /// Gives somebody's account another password and ends its sessions.
    pub async fn reset_password(
        &self,
        password: NewPassword,
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), AccountError> {
        let change = AccountChange::Password {
            password_hash: password.hash,
        };
        let act = (Action::AccountPassword, "");
        self.alter(&password.account, change, act, actor, now_us)
            .await
    }

    /// Changes the own password, of whoever has just shown the former. The sessions but this one end.
    pub async fn change_own_password(
        &self,
        shown: Checked,
        password: NewPassword,
        token: &[u8; 32],
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), AccountError> {
        if shown.account.account != password.account {
            return Err(AccountError::Changed);
        }
        let change = AccountChange::OwnPassword {
            former_hash: shown.hash,
            password_hash: password.hash,
            token_hash: token_hash(token),
        };
        let act = (Action::OwnPassword, "");
        self.alter(&password.account, change, act, actor, now_us)
            .await
    }

    /// Writes down that a wrong password was shown for changing it.
    pub async fn own_password_failed(
        &self,
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), AccountError> {
        let act = actor.act(Action::OwnPasswordFailed, &actor.account, "", now_us);
        Ok(self.store().audit_append(&act).await?)
    }

    /// All accounts by name.
    pub async fn accounts(&self) -> Result<Vec<AccountView>, AccountError> {
        let rows = self.store().accounts().await?;
        let view = |row: AccountRow| AccountView {
            role: account_of(&row).map(|Account { role, .. }| role),
            account: row.name,
            name: row.title,
            disabled: row.disabled,
            at_us: row.at_us,
        };
        Ok(rows.into_iter().map(view).collect())
    }

    /// The organisations that an account can belong to, by their codes: those of the seats in the directory, and those for
    /// which this node has issued a code.
    pub fn departments(&self) -> Organisations {
        self.organisations()
    }

    fn row(
        &self,
        password: &NewPassword,
        name: &str,
        role: &Role,
        now_us: i64,
    ) -> Result<AccountRow, AccountError> {
        let title = check_name(name)?.to_owned();
        self.check_role(role)?;
        Ok(AccountRow {
            name: password.account.clone(),
            title,
            role: role.key(),
            password_hash: password.hash.clone(),
            disabled: false,
            at_us: now_us,
        })
    }

    /// Refuses a role of an organisation that nobody knows.
    fn check_role(&self, role: &Role) -> Result<(), AccountError> {
        let Some(code) = role.department() else {
            return Ok(());
        };
        let known = self.departments();
        if known.title(code).is_some() {
            return Ok(());
        }
        let known: Vec<String> = known
            .all()
            .map(|(code, title)| format!("{code} {title}"))
            .collect();
        Err(AccountError::Department {
            department: code.to_owned(),
            known: if known.is_empty() {
                "尚无".to_owned()
            } else {
                known.join("、")
            },
        })
    }

    async fn alter(
        &self,
        account: &str,
        change: AccountChange,
        (action, detail): (Action, &str),
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), AccountError> {
        if account.contains('\0') {
            return Err(AccountError::Unknown(account.replace('\0', "")));
        }
        let act = actor.act(action, account, detail, now_us);
        let keeper = Role::Administrator.key();
        let store = self.store();
        match store
            .account_change(account, &change, &keeper, &act)
            .await?
        {
            AccountOutcome::Done => Ok(()),
            AccountOutcome::Unknown => Err(AccountError::Unknown(account.to_owned())),
            AccountOutcome::Exists => Err(AccountError::Exists(account.to_owned())),
            AccountOutcome::Last => Err(AccountError::LastAdministrator),
            AccountOutcome::Stale => Err(AccountError::Changed),
        }
    }
}

/// A name and a role, in words for the record.
fn told(name: &str, role: &Role) -> String {
    match role.department() {
        Some(department) => format!("{name}，{}，{department}", role.label()),
        None => format!("{name}，{}", role.label()),
    }
}

fn check_account(account: &str) -> Result<(), AccountError> {
    let allowed =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let good =
        !account.is_empty() && account.len() <= ACCOUNT_BYTES_MAX && account.chars().all(allowed);
    if good {
        Ok(())
    } else {
        Err(AccountError::Name)
    }
}

/// The name without what stands around it.
fn check_name(name: &str) -> Result<&str, AccountError> {
    let name = name.trim();
    let good =
        !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
    if good {
        Ok(name)
    } else {
        Err(AccountError::RealName)
    }
}

fn check_password(account: &str, password: &str) -> Result<(), AccountError> {
    let good = password.chars().count() >= PASSWORD_CHARACTERS_MIN
        && password.len() <= PASSWORD_BYTES_MAX
        && !password.contains(account);
    if good {
        Ok(())
    } else {
        Err(AccountError::Password)
    }
}
