//! `pushplan`: push campaigns as code.
//!
//! YAML files say who gets which push and when; `plan` shows what would be sent; `apply` sends it
//! through the vendor's batch API at the allowed rate; a state file makes sure that running it again
//! never sends twice and never loses a recipient in silence.
//!
//! ```text
//! campaign file ─ campaign ─ audience ─ message ─ plan ─┬─ executor ⇄ timpush / state ─ report
//!                 (parse,    (read,     (render,  (group,│  (what to do next;
//!                  validate)  filter,    lint)     pack) │   no I/O, no clock)
//!                             dedupe)                    └─ apply drives it
//! ```
//!
//! # Invariants
//!
//! 1. No account gets a second push of a run unless a person or the campaign file asked for it.
//! 2. `planned = accepted + failed + in_doubt + skipped + remaining`, for every run, at every moment.
//! 3. An attempt is committed to the state before its first byte leaves.
//! 4. An attempt whose answer is not known is *in doubt*, and is never sent again by itself.
//! 5. The audience of a run is frozen when the run starts.
//! 6. No sliding second holds more calls (or recipients) of an app than its rate allows.
//! 7. What is past its expiry is not sent, and is counted as skipped.
//! 8. Every recipient is rendered at plan time.
//! 9. A secret or a UserSig appears in no log, error, plan or state.
//! 10. Bad input gets all its errors at once, and nothing was sent.
//!
//! # Modules, in the order in which data flows
//!
//! Dependencies point one way; `tests/architecture.rs` holds the `use crate::` lines to it.

pub mod diagnostic;
pub mod outcome;
pub mod spill;

pub mod timpush;

pub mod campaign;

pub mod secret;

pub mod postgres;

pub mod audience;

pub mod message;

pub mod plan;

pub mod prepare;

pub mod state;

pub mod executor;

pub mod sandbox;

pub mod apply;

pub mod report;

pub mod command;
