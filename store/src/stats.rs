//! Figures for people: kept while writing, so that a look costs a few short reads.

use crate::engine::{args, bound};
use crate::{OriginStats, Stats, Store, StoreError, TypeCount};

impl Store {
    /// The figures as they stand.
    pub async fn stats(&self) -> Result<Stats, StoreError> {
        let heads = self.feed_heads();
        let origins = self
            .rows(
                "SELECT seat, lane, blocks, entries, bytes, last_at_us FROM origin_stats ORDER BY seat, lane",
                args![],
            )
            .await?
            .iter()
            .map(|row| {
                Ok(OriginStats {
                    seat: row.seat(0)?,
                    lane: row.small(1, "stats")?,
                    blocks: row.uint(2)?,
                    entries: row.uint(3)?,
                    bytes: row.uint(4)?,
                    last_at_us: row.int(5)?,
                })
            })
            .collect::<Result<_, StoreError>>()?;
        let types = self
            .rows(
                "SELECT origin, kind, records, refused FROM type_stats ORDER BY origin, kind",
                args![],
            )
            .await?
            .iter()
            .map(|row| {
                Ok(TypeCount {
                    origin: row.seat(0)?,
                    kind: row.small(1, "stats")?,
                    records: row.int(2)?,
                    refused: row.int(3)?,
                })
            })
            .collect::<Result<_, StoreError>>()?;
        let figures = self
            .rows(
                "SELECT (SELECT COALESCE(MAX(value), 0) FROM progress WHERE name = 'entities'), \
                 (SELECT COUNT(*) FROM refusal WHERE is_open = 1), (SELECT COUNT(*) FROM want), \
                 (SELECT COUNT(*) FROM dirty)",
                args![],
            )
            .await?;
        let figures = figures
            .first()
            .ok_or(StoreError::Corrupt { what: "stats" })?;
        Ok(Stats {
            heads,
            origins,
            types,
            entities: figures.uint(0)?,
            refusals_open: figures.uint(1)?,
            wants_open: figures.uint(2)?,
            dirty: figures.uint(3)?,
            bytes: self.bytes().await?,
        })
    }

    /// When the item behind an offset of the feed arrived: how long a stage that stands there is behind.
    pub async fn arrived_after(&self, offset: u64) -> Result<Option<i64>, StoreError> {
        let rows = self
            .rows(
                "SELECT at_us FROM feed WHERE feed_offset > $1 ORDER BY feed_offset LIMIT 1",
                args![bound(offset)],
            )
            .await?;
        rows.first().map(|row| row.int(0)).transpose()
    }

    async fn bytes(&self) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(store) => {
                let size =
                    |name| std::fs::metadata(store.folder().join(name)).map_or(0, |m| m.len());
                Ok(size("store.db") + size("store.db-wal"))
            }
            Self::Postgres(_) => self
                .int("SELECT pg_database_size(current_database())", args![])
                .await
                .map(i64::cast_unsigned),
        }
    }
}
