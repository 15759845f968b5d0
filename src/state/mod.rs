//! What is known of every batch, and the one transition function.
//!
//! [`BatchState::apply`] says what a batch may become; a [`Store`] keeps it. The lock makes sure that one runner
//! at a time writes. Nothing here decides what to send: see [`crate::executor`].

mod change;
mod error;
mod lock;
mod past;
mod place;
mod plan_file;
mod postgres;
mod run;
mod sql;
mod sqlite;
mod store;
mod tally;
mod transfer;
mod watermark;

pub use change::{Attempt, Batch, BatchState, Change, IllegalChange, SkipReason, Status};
pub use error::{Error, Result};
pub use lock::{Holder, Lock, host_name};
pub use past::past;
pub use place::{open_beside, open_to_read, open_to_write, open_unchecked, refuse_left_behind};
pub use plan_file::{Origin, PlanFile};
pub use postgres::PostgresStore;
pub use run::{Hold, Note, Run, RunEvent, RunStatus};
pub use sqlite::SqliteStore;
pub use store::{Adopted, BatchNote, Failure, Identity, Payload, Store, TakenUp};
pub use tally::Tally;
pub use transfer::{pull, push};
pub use watermark::Watermark;
