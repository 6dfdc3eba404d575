//! Judging, as data.
