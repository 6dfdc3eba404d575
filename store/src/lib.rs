//! Everything that is SQL: SQLite and PostgreSQL, one suite for both.

pub mod seat;
