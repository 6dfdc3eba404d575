//! Wants: what this node lacks and asks peers for, kept until it has come.

use crate::engine::{Row, args, own};
use crate::{Store, StoreError, WantRow, intake};

/// Wants that one look returns.
const OPEN_MAX: usize = 10_000;

const WANT: &str = "SELECT id, scope, want, resume, tries, next_us, at_us FROM want";

fn read(row: &Row) -> Result<WantRow, StoreError> {
    Ok(WantRow {
        id: row.uint(0)?,
        scope: row.blob(1)?,
        want: row.blob(2)?,
        resume: row.blob(3)?,
        tries: row.small(4, "want")?,
        next_us: row.int(5)?,
        at_us: row.int(6)?,
    })
}

impl Store {
    /// Open wants, oldest first.
    pub async fn wants_open(&self) -> Result<Vec<WantRow>, StoreError> {
        let rows = self
            .rows(own(format!("{WANT} ORDER BY id LIMIT $1")), args![OPEN_MAX])
            .await?;
        rows.iter().map(read).collect()
    }

    /// An open want.
    pub async fn want(&self, id: u64) -> Result<Option<WantRow>, StoreError> {
        let rows = self
            .rows(own(format!("{WANT} WHERE id = $1")), args![id])
            .await?;
        rows.first().map(read).transpose()
    }

    /// A want was answered in vain: it is asked again, of the next who may hold it, not before `next_us`.
    pub async fn want_in_vain(&self, id: u64, next_us: i64) -> Result<(), StoreError> {
        self.write(
            "UPDATE want SET resume = $2, tries = tries + 1, next_us = $3 WHERE id = $1",
            args![id, Vec::<u8>::new(), next_us],
        )
        .await?;
        Ok(())
    }

    /// Puts a want and returns its number; that of the open one if one is open in its scope already. Not for wants of single
    /// statements, which are bounded: [`Store::wants_put`].
    pub async fn want_put(&self, row: WantRow) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        tx.lock_feed().await?;
        let scope = row.scope.clone();
        intake::put_wants(&mut tx, vec![row]).await?;
        let id = tx
            .int("SELECT id FROM want WHERE scope = $1", args![scope])
            .await?;
        tx.commit().await?;
        Ok(id.cast_unsigned())
    }

    /// Puts wants in one transaction, those whose scope has none open. Returns how many were not put since so many wants of
    /// single statements are open.
    pub async fn wants_put(&self, rows: Vec<WantRow>) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        tx.lock_feed().await?;
        let over = intake::put_wants(&mut tx, rows).await?;
        tx.commit().await?;
        Ok(over)
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

    /// A want is done: what it was for has come.
    pub async fn want_done(&self, id: u64) -> Result<(), StoreError> {
        self.write("DELETE FROM want WHERE id = $1", args![id])
            .await?;
        Ok(())
    }
}
