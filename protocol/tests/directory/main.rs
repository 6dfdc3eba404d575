//! Who may say what about whom, what of it counts, and who is at fault when it may not be.

#[path = "../world/mod.rs"]
mod world;

mod closings;
mod erasures;
mod faults;
mod forks;
mod identities;
mod keys;
mod layouts;
mod openings;
mod places;
mod receipts;
mod revocations;
mod roots;
mod unread;
