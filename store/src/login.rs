//! Signed-in sessions as a whole: number and end. Single ones are in `account.rs`.

use crate::engine::args;
use crate::{Store, StoreError};

impl Store {
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
