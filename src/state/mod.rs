//! What is known of every batch, and the one transition function.

mod change;
mod tally;

pub use change::{Attempt, BatchState, Change, IllegalChange, SkipReason, Status};
pub use tally::Tally;
