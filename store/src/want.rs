//! Wants: what this node lacks and asks peers for, kept until it has come.

use crate::engine::args;
use crate::{Store, StoreError, WantRow, intake};

/// Wants that one look returns.
const OPEN_MAX: usize = 10_000;

impl Store {
    /// Open wants, oldest first.
    pub async fn wants_open(&self) -> Result<Vec<WantRow>, StoreError> {
        let rows = self
            .rows(
                "SELECT id, want, resume, at_us FROM want ORDER BY id LIMIT $1",
                args![OPEN_MAX],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(WantRow {
                    id: row.uint(0)?,
                    want: row.blob(1)?,
                    resume: row.blob(2)?,
                    at_us: row.int(3)?,
                })
            })
            .collect()
    }

    /// Puts a want and returns its number; that of the open one if it is open already.
    pub async fn want_put(&self, row: WantRow) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        tx.lock_feed().await?;
        let want = row.want.clone();
        intake::put_wants(&mut tx, vec![row]).await?;
        let id = tx
            .int("SELECT id FROM want WHERE want = $1", args![want])
            .await?;
        tx.commit().await?;
        Ok(id.cast_unsigned())
    }

    /// Notes where to go on with a want.
    pub async fn want_progress(&self, id: u64, resume: &[u8]) -> Result<(), StoreError> {
        self.write(
            "UPDATE want SET resume = $2 WHERE id = $1",
            args![id, resume],
        )
        .await?;
        Ok(())
    }

    /// A want has been answered in full.
    pub async fn want_done(&self, id: u64) -> Result<(), StoreError> {
        self.write("DELETE FROM want WHERE id = $1", args![id])
            .await?;
        Ok(())
    }
}
