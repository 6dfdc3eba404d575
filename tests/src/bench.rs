//! Benchmarks: what is measured, and with what. A benchmark prints figures and judges nothing; what must hold is a test's
//! business.

pub mod baseline;
pub mod city;
pub mod figures;
pub mod legacy;
pub mod pipeline;
pub mod report;
pub mod rows;

/// Why a measurement did not come to its end.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
