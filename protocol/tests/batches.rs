//! Batches as they arrive: whose word a header is, what a body must be, what parts of a batch add, who is blamed.

mod sample;

#[path = "batches/bodies.rs"]
mod bodies;
#[path = "batches/headers.rs"]
mod headers;
#[path = "batches/parts.rs"]
mod parts;
