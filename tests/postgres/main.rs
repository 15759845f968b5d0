//! The state in PostgreSQL: what holds for a file holds for it too, and what only several machines can do to it.
//!
//! Every test of the command line and of the dying process that does not speak of the file itself is run once more, with
//! its state in a database. A real server is found or installed, and started on loopback.
#![cfg(target_os = "linux")]

mod access;
#[path = "../cli/apply.rs"]
mod apply;
#[path = "../support/bench.rs"]
#[allow(dead_code, reason = "shared by several test binaries")]
mod bench;
#[path = "../faults/kills.rs"]
mod kills;
mod lost;
mod moves;
#[path = "../cli/operator.rs"]
mod operator;
#[path = "../faults/peer.rs"]
#[allow(dead_code, reason = "shared by several test binaries")]
mod peer;
#[path = "../support/place_database.rs"]
mod place;
#[path = "../support/place_file.rs"]
#[allow(dead_code, reason = "shared by several test binaries")]
mod place_file;
#[path = "../cli/saved.rs"]
mod saved;
#[path = "../support/postgres.rs"]
#[allow(dead_code, reason = "shared by several test binaries")]
mod server;
#[path = "../faults/shim.rs"]
#[allow(dead_code, reason = "shared by several test binaries")]
mod shim;
mod store;
#[path = "../faults/story.rs"]
#[allow(dead_code, reason = "shared by several test binaries")]
mod story;
