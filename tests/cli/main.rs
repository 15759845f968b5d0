//! The binary as a user runs it, in a workspace of its own, against a server on loopback.

mod annotations;
mod apply;
mod approved;
#[path = "../support/bench.rs"]
#[allow(dead_code, reason = "shared by several test binaries")]
mod bench;
mod calendar;
mod clock;
#[path = "../support/code_host.rs"]
mod code_host;
mod events;
mod forms;
mod gates;
#[path = "../support/golden.rs"]
mod golden;
mod init;
mod jobs;
mod manual;
mod operator;
mod packaging;
#[path = "../support/place_file.rs"]
#[allow(dead_code, reason = "shared by several test binaries")]
mod place;
#[path = "../support/postgres.rs"]
#[allow(dead_code, reason = "shared by several test binaries")]
mod postgres;
#[path = "../support/project.rs"]
mod project;
mod rehearsal;
mod review;
mod saved;
mod secrets;
mod sources;
mod state;
#[path = "../support/systemd.rs"]
mod systemd;
mod timer;
mod units;
