//! Signed-in sessions as a whole: bounds and end. Single ones are in `account.rs`.

use crate::engine::args;
use crate::{Store, StoreError};

impl Store {
    /// Keeps the newest sessions of an account, so many.
    pub async fn login_sessions_keep(&self, account: &str, most: u32) -> Result<(), StoreError> {
        self.write(
            "DELETE FROM login_session WHERE account = $1 AND token_hash NOT IN (SELECT token_hash FROM login_session \
             WHERE account = $1 ORDER BY begun_us DESC, token_hash LIMIT $2)",
            args![account, most],
        )
        .await?;
        Ok(())
    }

    /// Forgets the sessions that have run out by then.
    pub async fn login_sessions_expire(&self, now_us: i64) -> Result<(), StoreError> {
        self.write(
            "DELETE FROM login_session WHERE idle_until_us <= $1 OR until_us <= $1",
            args![now_us],
        )
        .await?;
        Ok(())
    }
}
