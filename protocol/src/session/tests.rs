//! Two sessions in one thread under virtual time, and one session against a peer that keeps to no rule.

mod delivery;
mod greeting;
mod hostile;
mod pair;
mod steps;
mod words;
