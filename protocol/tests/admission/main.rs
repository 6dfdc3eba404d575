//! Admission: the code, the exchange's frames, and what each side refuses before it goes on.

#[path = "../world/mod.rs"]
mod world;

mod code;
mod frames;
mod sides;
