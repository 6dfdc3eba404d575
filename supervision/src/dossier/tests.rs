//! The fold, as data.
