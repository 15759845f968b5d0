//! What the real process does when it dies, when its disk fails and when its server does badly.
//!
//! Whatever happens, the state's story must equal the server's: see [`story`]. The figures (steps, kills, faults)
//! are printed: `cargo test --test faults -- --nocapture`.
#![cfg(target_os = "linux")]

#[path = "../support/bench.rs"]
#[allow(dead_code, reason = "shared by several test binaries")]
mod bench;
mod kills;
mod matrix;
mod outage;
mod peer;
#[path = "../support/place_file.rs"]
mod place;
mod shim;
mod stopped;
mod storage;
mod story;
mod table;
