//! The console as people and programs meet it: over plain HTTP, which is what a browser without scripts sees, and in
//! headless Chromium.

mod accounts;
mod chromium;
mod live;
mod people;
mod plain;
mod unsettled;
mod world;
