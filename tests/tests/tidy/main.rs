//! Rules that hold for the whole tree, read from its files: who imports whom, which room may touch what, how files begin
//! and how long they are, what documents point at. A rule that does not hold here is a rule of the past: change it in
//! ARCHITECTURE.md and here in one commit.

mod documents;
mod files;
mod imports;
mod migrations;
mod punctuation;
mod rooms;
mod samples;
mod tree;
mod twins;
