//! What a place that keeps runs must be able to do.
//!
//! A store is told what happened and keeps it; it decides nothing. Every method that writes is one
//! transaction: after an error nothing of it is there, and the caller must send nothing more.

use std::sync::Arc;

use jiff::Timestamp;

use super::error::Result;
use super::{Batch, Change, Hold, Run};
use crate::outcome::{Answer, FailedAccount};
use crate::plan::Plan;

/// What a call needs of its batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The accounts as a JSON array's text.
    pub accounts_json: String,
    /// The rendered OfflinePushInfo as JSON text; batches of one message share it.
    pub message_json: Arc<str>,
    /// MsgRandom of the call.
    pub msg_random: u32,
    /// DataId of the call.
    pub data_id: String,
}

/// A failed recipient: an entry of an accepted answer's `ErrorList`, or a member of a batch that failed whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Number of the batch.
    pub batch: u32,
    /// The account and what was said of it.
    pub failed: FailedAccount,
}

/// A batch that waits for a person's word, or failed: number, recipients, and the last answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchNote {
    /// Number of the batch.
    pub batch: u32,
    /// 1 to 500.
    pub recipients: u16,
    /// MsgRandom of its calls.
    pub msg_random: u32,
    /// DataId of its calls.
    pub data_id: String,
    /// What was last said of it.
    pub answer: Answer,
}

/// The seam between the runner and where it keeps what it knows.
pub trait Store: Send {
    /// Every run, the latest frozen first.
    fn runs(&self) -> Result<Vec<Run>>;

    /// One run.
    ///
    /// # Errors
    /// `Error::UnknownRun` where there is none of this id.
    fn run(&self, id: &str) -> Result<Run>;

    /// Is this pair the key of a batch already?
    fn has_key(&self, msg_random: u32, data_id: &str) -> Result<bool>;

    /// Writes a run whole: messages, batches, accounts.
    fn freeze(&mut self, plan: &Plan, now: Timestamp) -> Result<()>;

    /// Takes a run up to send it: attempts that an earlier runner left open become in doubt, durably. Gives the
    /// batches in order of number.
    fn take_up(&mut self, run: &str, now: Timestamp) -> Result<Vec<Batch>>;

    /// Makes changes of a run durable, in order, all or none.
    fn commit(&mut self, run: &str, changes: &[Change], now: Timestamp) -> Result<()>;

    /// What a batch's call needs.
    fn payload(&mut self, run: &str, batch: u32) -> Result<Payload>;

    /// Holds a run back, or lets it go.
    fn hold(&mut self, run: &str, hold: Option<Hold>) -> Result<()>;

    /// The recipients of an app's last attempts, of all its runs, the latest first: what a limiter must
    /// remember. Empty where the last attempt was begun before `since`.
    fn last_attempts(&self, app: &str, most: usize, since: Timestamp) -> Result<Vec<u16>>;

    /// Hands every failed recipient of a run to `each`, in order of batch.
    fn failures(&self, run: &str, each: &mut dyn FnMut(Failure)) -> Result<()>;

    /// The batches of a run that are in doubt, in order.
    fn in_doubt(&self, run: &str) -> Result<Vec<BatchNote>>;
}
