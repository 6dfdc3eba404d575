//! People: accounts of the console and signed-in sessions. Passwords and tokens are hashes here.
//!
//! Every change takes its act along; what decides whether it may be is looked at in the same transaction.

use crate::audit::put_act;
use crate::engine::{Row, Tx, args, own};
use crate::{AccountRow, AuditRow, LoginSessionRow, Store, StoreError};

const ACCOUNT: &str = "SELECT name, title, role, password_hash, disabled, at_us FROM account";

/// A change of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountChange {
    /// Opens it if there is none of its name.
    Open(AccountRow),
    /// Opens it, or replaces one of its name; that one's sessions end.
    Put(AccountRow),
    /// Another name to be shown and another role.
    Role {
        /// Name to be shown.
        title: String,
        /// Role.
        role: String,
    },
    /// It may not sign in any more; its sessions end.
    Disable,
    /// It may sign in again.
    Enable,
    /// Another password, given by somebody else; its sessions end.
    Password {
        /// Hash of the new one.
        password_hash: String,
    },
    /// Another password, given by its owner; its other sessions end. Only if the former is still the one that was shown.
    OwnPassword {
        /// Hash of the one that was shown.
        former_hash: String,
        /// Hash of the new one.
        password_hash: String,
        /// The owner's session.
        token_hash: [u8; 32],
    },
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountOutcome {
    /// It is done and written down.
    Done,
    /// There is no such account. Nothing was changed or written, here and below.
    Unknown,
    /// There is one of this name already.
    Exists,
    /// Nobody of the role that must not die out could sign in any more.
    Last,
    /// It was changed meanwhile.
    Stale,
}

impl Store {
    /// Changes the account of a name, with the act. `keeper` is the role that at least one account which may sign in must
    /// have afterwards, if one had it before.
    pub async fn account_change(
        &self,
        name: &str,
        change: &AccountChange,
        keeper: &str,
        act: &AuditRow,
    ) -> Result<AccountOutcome, StoreError> {
        let mut tx = self.begin_act().await?;
        let keepers = "SELECT COUNT(*) FROM account WHERE role = $1 AND disabled = 0";
        let before = tx.int(keepers, args![keeper]).await?;
        let outcome = change_account(&mut tx, name, change, act.at_us).await?;
        if outcome != AccountOutcome::Done {
            return Ok(outcome);
        }
        if before > 0 && tx.int(keepers, args![keeper]).await? == 0 {
            return Ok(AccountOutcome::Last);
        }
        put_act(&mut tx, act).await?;
        tx.commit().await?;
        Ok(AccountOutcome::Done)
    }

    /// The account of a name.
    pub async fn account_get(&self, name: &str) -> Result<Option<AccountRow>, StoreError> {
        if name.contains('\0') {
            return Ok(None);
        }
        let rows = self
            .rows(own(format!("{ACCOUNT} WHERE name = $1")), args![name])
            .await?;
        rows.first().map(account).transpose()
    }

    /// All accounts by name.
    pub async fn accounts(&self) -> Result<Vec<AccountRow>, StoreError> {
        self.rows(own(format!("{ACCOUNT} ORDER BY name")), args![])
            .await?
            .iter()
            .map(account)
            .collect()
    }

    /// Opens a session for whoever has shown the password of this hash, with the act. Of the account's sessions the newest
    /// stay, so many as `sessions_max`. Nothing is done, and `false` returned, if the account has been disabled or given
    /// another password since.
    pub async fn sign_in(
        &self,
        session: &LoginSessionRow,
        password_hash: &str,
        sessions_max: u32,
        act: &AuditRow,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin_act().await?;
        let held = tx
            .int(
                "SELECT COUNT(*) FROM account WHERE name = $1 AND password_hash = $2 AND disabled = 0",
                args![session.account.as_str(), password_hash],
            )
            .await?;
        if held == 0 {
            return Ok(false);
        }
        // those that have run out go when new ones come
        tx.exec(
            "DELETE FROM login_session WHERE idle_until_us <= $1 OR until_us <= $1",
            args![session.begun_us],
        )
        .await?;
        tx.exec(
            "INSERT INTO login_session (token_hash, account, begun_us, idle_until_us, until_us) \
             VALUES ($1, $2, $3, $4, $5)",
            args![
                session.token_hash,
                session.account.as_str(),
                session.begun_us,
                session.idle_until_us,
                session.until_us
            ],
        )
        .await?;
        tx.exec(
            "DELETE FROM login_session WHERE account = $1 AND token_hash NOT IN (SELECT token_hash FROM login_session \
             WHERE account = $1 ORDER BY begun_us DESC, token_hash LIMIT $2)",
            args![session.account.as_str(), sessions_max],
        )
        .await?;
        put_act(&mut tx, act).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends a session that its owner leaves, with the act. One that has ended already leaves none.
    pub async fn sign_out(&self, token_hash: [u8; 32], act: &AuditRow) -> Result<(), StoreError> {
        let mut tx = self.begin_act().await?;
        let ended = tx
            .exec(
                "DELETE FROM login_session WHERE token_hash = $1",
                args![token_hash],
            )
            .await?;
        if ended > 0 {
            put_act(&mut tx, act).await?;
        }
        tx.commit().await
    }

    /// Sets the idle limit of a session that has not ended.
    pub async fn login_session_touch(
        &self,
        token_hash: [u8; 32],
        idle_until_us: i64,
    ) -> Result<(), StoreError> {
        self.write(
            "UPDATE login_session SET idle_until_us = $2 WHERE token_hash = $1",
            args![token_hash, idle_until_us],
        )
        .await?;
        Ok(())
    }

    /// The session of a token, unless it has ended.
    pub async fn login_session_get(
        &self,
        token_hash: [u8; 32],
        now_us: i64,
    ) -> Result<Option<LoginSessionRow>, StoreError> {
        let rows = self
            .rows(
                "SELECT token_hash, account, begun_us, idle_until_us, until_us FROM login_session \
                 WHERE token_hash = $1 AND idle_until_us > $2 AND until_us > $2",
                args![token_hash, now_us],
            )
            .await?;
        rows.first()
            .map(|row| {
                Ok(LoginSessionRow {
                    token_hash: row.fixed(0, "session")?,
                    account: row.text(1)?,
                    begun_us: row.int(2)?,
                    idle_until_us: row.int(3)?,
                    until_us: row.int(4)?,
                })
            })
            .transpose()
    }
}

async fn change_account(
    tx: &mut Tx,
    name: &str,
    change: &AccountChange,
    now_us: i64,
) -> Result<AccountOutcome, StoreError> {
    let there = "SELECT COUNT(*) FROM account WHERE name = $1";
    let known = tx.int(there, args![name]).await? > 0;
    let opens = matches!(change, AccountChange::Open(_) | AccountChange::Put(_));
    if !known && !opens {
        return Ok(AccountOutcome::Unknown);
    }
    let touched = match change {
        AccountChange::Open(_) if known => return Ok(AccountOutcome::Exists),
        AccountChange::Open(row) | AccountChange::Put(row) => put(tx, name, row).await?,
        AccountChange::Role { title, role } => {
            tx.exec(
                "UPDATE account SET title = $2, role = $3, at_us = $4 WHERE name = $1",
                args![name, title.as_str(), role.as_str(), now_us],
            )
            .await?
        }
        AccountChange::Disable | AccountChange::Enable => {
            tx.exec(
                "UPDATE account SET disabled = $2, at_us = $3 WHERE name = $1",
                args![name, *change == AccountChange::Disable, now_us],
            )
            .await?
        }
        AccountChange::Password { password_hash } => {
            tx.exec(
                "UPDATE account SET password_hash = $2, at_us = $3 WHERE name = $1",
                args![name, password_hash.as_str(), now_us],
            )
            .await?
        }
        AccountChange::OwnPassword {
            former_hash,
            password_hash,
            ..
        } => {
            tx.exec(
                "UPDATE account SET password_hash = $2, at_us = $3 \
                 WHERE name = $1 AND password_hash = $4 AND disabled = 0",
                args![name, password_hash.as_str(), now_us, former_hash.as_str()],
            )
            .await?
        }
    };
    if touched == 0 {
        return Ok(AccountOutcome::Stale);
    }
    match change {
        AccountChange::Open(_) | AccountChange::Role { .. } | AccountChange::Enable => {}
        AccountChange::Put(_) | AccountChange::Disable | AccountChange::Password { .. } => {
            tx.exec("DELETE FROM login_session WHERE account = $1", args![name])
                .await?;
        }
        AccountChange::OwnPassword { token_hash, .. } => {
            tx.exec(
                "DELETE FROM login_session WHERE account = $1 AND token_hash <> $2",
                args![name, *token_hash],
            )
            .await?;
        }
    }
    Ok(AccountOutcome::Done)
}

async fn put(tx: &mut Tx, name: &str, row: &AccountRow) -> Result<u64, StoreError> {
    tx.exec(
        "INSERT INTO account (name, title, role, password_hash, disabled, at_us) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO UPDATE SET title = excluded.title, \
         role = excluded.role, password_hash = excluded.password_hash, disabled = excluded.disabled, \
         at_us = excluded.at_us",
        args![
            name,
            row.title.as_str(),
            row.role.as_str(),
            row.password_hash.as_str(),
            row.disabled,
            row.at_us
        ],
    )
    .await
}

fn account(row: &Row) -> Result<AccountRow, StoreError> {
    Ok(AccountRow {
        name: row.text(0)?,
        title: row.text(1)?,
        role: row.text(2)?,
        password_hash: row.text(3)?,
        disabled: row.int(4)? == 1,
        at_us: row.int(5)?,
    })
}
