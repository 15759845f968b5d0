//! The binary as a user runs it, in a workspace of its own, against a server on loopback.

mod apply;
mod bench;
#[path = "../support/postgres.rs"]
mod postgres;
mod sources;
