//! People: accounts of the console, signed-in sessions, the record of their acts. Passwords and tokens are hashes here.

use crate::engine::{Row, args, bound, own};
use crate::{AccountRow, AuditRow, LoginSessionRow, Store, StoreError};

/// Rows of a page, whatever is asked for.
const PAGE_MAX: usize = 1_000;

const ACCOUNT: &str = "SELECT name, title, role, password_hash, disabled, failed, locked_until_us, at_us FROM account";

impl Store {
    /// Keeps an account; one of the same name is replaced.
    pub async fn account_put(&self, row: &AccountRow) -> Result<(), StoreError> {
        self.write(
            "INSERT INTO account (name, title, role, password_hash, disabled, failed, locked_until_us, at_us) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) DO UPDATE SET title = excluded.title, \
             role = excluded.role, password_hash = excluded.password_hash, disabled = excluded.disabled, \
             failed = excluded.failed, locked_until_us = excluded.locked_until_us, at_us = excluded.at_us",
            args![
                row.name.as_str(),
                row.title.as_str(),
                row.role.as_str(),
                row.password_hash.as_str(),
                row.disabled,
                row.failed,
                row.locked_until_us,
                row.at_us
            ],
        )
        .await?;
        Ok(())
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

    /// Counts a failed attempt, atomically; returns how many there are since the last success. From `failures_max` on each
    /// locks the account until then.
    pub async fn account_failed(
        &self,
        name: &str,
        failures_max: u32,
        locked_until_us: i64,
    ) -> Result<u32, StoreError> {
        if name.contains('\0') {
            return Ok(0);
        }
        let mut tx = self.begin().await?;
        tx.exec(
            "UPDATE account SET locked_until_us = CASE WHEN failed + 1 >= $2 THEN $3 ELSE locked_until_us END, \
             failed = failed + 1 WHERE name = $1",
            args![name, failures_max, locked_until_us],
        )
        .await?;
        let rows = tx
            .rows("SELECT failed FROM account WHERE name = $1", args![name])
            .await?;
        tx.commit().await?;
        rows.first().map_or(Ok(0), |row| row.small(0, "account"))
    }

    /// Forgets the failed attempts of an account that was signed in to.
    pub async fn account_succeeded(&self, name: &str) -> Result<(), StoreError> {
        self.write(
            "UPDATE account SET failed = 0, locked_until_us = 0 WHERE name = $1",
            args![name],
        )
        .await?;
        Ok(())
    }

    /// Keeps a session, or its new idle limit.
    pub async fn login_session_put(&self, row: &LoginSessionRow) -> Result<(), StoreError> {
        self.write(
            "INSERT INTO login_session (token_hash, account, begun_us, idle_until_us, until_us) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (token_hash) DO UPDATE SET idle_until_us = excluded.idle_until_us",
            args![row.token_hash, row.account.as_str(), row.begun_us, row.idle_until_us, row.until_us],
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

    /// How many sessions stand.
    pub async fn login_sessions(&self, now_us: i64) -> Result<u64, StoreError> {
        let count = self
            .int(
                "SELECT COUNT(*) FROM login_session WHERE idle_until_us > $1 AND until_us > $1",
                args![now_us],
            )
            .await?;
        Ok(count.cast_unsigned())
    }

    /// Ends a session, and those that have run out.
    pub async fn login_session_delete(
        &self,
        token_hash: [u8; 32],
        now_us: i64,
    ) -> Result<(), StoreError> {
        self.write(
            "DELETE FROM login_session WHERE token_hash = $1 OR idle_until_us <= $2 OR until_us <= $2",
            args![token_hash, now_us],
        )
        .await?;
        Ok(())
    }

    /// Ends all sessions of an account.
    pub async fn login_sessions_end(&self, account: &str) -> Result<(), StoreError> {
        self.write(
            "DELETE FROM login_session WHERE account = $1",
            args![account],
        )
        .await?;
        Ok(())
    }

    /// Adds to the record of acts, which only grows.
    pub async fn audit_append(&self, row: &AuditRow) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        tx.lock_feed().await?;
        tx.exec(
            "INSERT INTO audit (seq, at_us, account, action, object, detail) \
             VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM audit), $1, $2, $3, $4, $5)",
            args![
                row.at_us,
                row.account.as_str(),
                row.action.as_str(),
                row.object.as_str(),
                row.detail.as_str()
            ],
        )
        .await?;
        tx.commit().await
    }

    /// Acts, newest first; those before `before`, if given.
    pub async fn audit_page(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let rows = self
            .rows(
                "SELECT seq, at_us, account, action, object, detail FROM audit WHERE seq < $1 \
                 ORDER BY seq DESC LIMIT $2",
                args![before.map_or(i64::MAX, bound), limit.clamp(1, PAGE_MAX)],
            )
            .await?;
        rows.iter().map(act).collect()
    }

    /// Acts of one kind that concern one thing, newest first.
    pub async fn audit_of(
        &self,
        action: &str,
        object: &str,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        if object.contains('\0') {
            return Ok(Vec::new());
        }
        let rows = self
            .rows(
                "SELECT seq, at_us, account, action, object, detail FROM audit WHERE object = $1 AND action = $2 \
                 ORDER BY seq DESC LIMIT $3",
                args![object, action, limit.clamp(1, PAGE_MAX)],
            )
            .await?;
        rows.iter().map(act).collect()
    }
}

fn act(row: &Row) -> Result<AuditRow, StoreError> {
    Ok(AuditRow {
        seq: row.uint(0)?,
        at_us: row.int(1)?,
        account: row.text(2)?,
        action: row.text(3)?,
        object: row.text(4)?,
        detail: row.text(5)?,
    })
}

fn account(row: &Row) -> Result<AccountRow, StoreError> {
    Ok(AccountRow {
        name: row.text(0)?,
        title: row.text(1)?,
        role: row.text(2)?,
        password_hash: row.text(3)?,
        disabled: row.int(4)? == 1,
        failed: row.small(5, "account")?,
        locked_until_us: row.int(6)?,
        at_us: row.int(7)?,
    })
}
