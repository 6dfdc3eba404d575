//! Sessions of people: how many an account has, and their end.

use store::StoreError;

use crate::node::Node;

/// Sessions that an account has at once; beyond that the oldest ends.
pub const SESSIONS_MAX: u32 = 20;

impl Node {
    /// Forgets the sessions that have run out. To be called now and then; they do not count before that either.
    pub async fn sessions_expire(&self, now_us: i64) -> Result<(), StoreError> {
        self.store().login_sessions_expire(now_us).await
    }
}
