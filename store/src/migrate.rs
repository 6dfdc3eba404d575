//! Migrations: one folder per engine, equal numbers. A released file is never edited; the next stands beside it.

use sqlx::migrate::{Migrate, Migration, MigrationType, Migrator};
use sqlx::{Acquire, SqlSafeStr as _};

use crate::OpenError;

macro_rules! steps {
    ($engine:literal: $($version:literal $name:literal),+ $(,)?) => {
        migrator([$((
            $version,
            $name,
            include_str!(concat!("../migrations/", $engine, "/", $name, ".sql")),
        )),+])
    };
}

pub(crate) fn sqlite() -> Migrator {
    steps!("sqlite": 1 "0001_first", 2 "0002_audit_object", 3 "0003_unsettled", 4 "0004_audit")
}

pub(crate) fn postgres() -> Migrator {
    steps!("postgres": 1 "0001_first", 2 "0002_audit_object", 3 "0003_unsettled", 4 "0004_audit")
}

fn migrator<const N: usize>(steps: [(i64, &'static str, &'static str); N]) -> Migrator {
    let migration = |(version, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(
            version,
            name.into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    };
    Migrator::with_migrations(steps.into_iter().map(migration).collect())
}

pub(crate) async fn run<'a, A>(migrator: &Migrator, pool: A) -> Result<(), OpenError>
where
    A: Acquire<'a>,
    <A::Connection as std::ops::Deref>::Target: Migrate,
{
    migrator
        .run(pool)
        .await
        .map_err(|e| OpenError::Migration(Box::new(e)))
}
