//! What a place that keeps runs must be able to do.
//!
//! A store is told what happened and keeps it; it decides nothing. Every method that writes is one
//! transaction: after an error nothing of it is there, and the caller must send nothing more.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, Write};
use std::ops::RangeInclusive;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::{Batch, Change, Hold, Note, PlanFile, Run, RunEvent};
use crate::campaign::schedule::Wave;
use crate::outcome::{Answer, FailedAccount};
use crate::plan::{Plan, RunHeader};

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

/// A batch that waits for a person's word: number, recipients, and the last answer.
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

/// Which state this is: a copy has the same lineage, and the copy that was written last has the higher serial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Drawn when the state was made.
    pub lineage: String,
    /// Transactions so far.
    pub serial: u64,
}

/// A run that was taken up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenUp {
    /// Its batches, in order of number.
    pub batches: Vec<Batch>,
    /// How it is held back, as of the transaction that took it up. Of a run that is held nothing may be sent: somebody
    /// said so after it was decided to send it.
    pub hold: Option<Hold>,
}

/// What [`Store::adopt`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// The runs that only the watermark knew.
    pub lost: Vec<String>,
    /// Was there a watermark that could be read? Else runs that the copy does not hold are known to nobody.
    pub had_watermark: bool,
}

/// The seam between the runner and where it keeps what it knows.
#[expect(
    clippy::missing_errors_doc,
    reason = "every method fails alike: the state cannot be read or written"
)]
pub trait Store: Send {
    /// Which state this is.
    fn identity(&self) -> Result<Identity>;

    /// Every run, the latest frozen first.
    fn runs(&self) -> Result<Vec<Run>>;

    /// The runs of which something remains or is in doubt, the latest frozen first. Its cost must not grow with the runs
    /// that are done with: a timer asks every minute.
    fn open_runs(&self) -> Result<Vec<Run>>;

    /// One run, where there is one of this id. Cheap.
    fn find(&self, id: &str) -> Result<Option<Run>>;

    /// One run.
    ///
    /// # Errors
    /// `Error::UnknownRun` where there is none of this id.
    fn run(&self, id: &str) -> Result<Run>;

    /// What happened to a run as a whole, in order.
    fn events(&self, run: &str) -> Result<Vec<RunEvent>>;

    /// Is this pair the key of a batch already?
    fn has_key(&self, msg_random: u32, data_id: &str) -> Result<bool>;

    /// Up to when the occurrences of each campaign have their fate, by campaign: everything before it was frozen or
    /// recorded as missed.
    fn answered(&self) -> Result<HashMap<String, Timestamp>>;

    /// Records occurrences that nobody ran in their windows, each as a run without recipients that is held as
    /// [`Hold::Missed`], and up to when campaigns' occurrences have their fate now (never back to an earlier
    /// instant). One transaction.
    fn settle(
        &mut self,
        missed: &[RunHeader],
        answered: &[(&str, Timestamp)],
        note: &Note,
        now: Timestamp,
    ) -> Result<()>;

    /// Writes a run whole: waves, messages, batches, accounts.
    fn freeze(&mut self, plan: &Plan, note: &Note, now: Timestamp) -> Result<()>;

    /// Writes all runs of a plan file whole, or none of them, each with its note.
    ///
    /// # Errors
    /// Also where what the file holds is not what its digests say.
    fn freeze_saved(&mut self, file: &PlanFile, note: &dyn Fn(&str) -> Note, now: Timestamp) -> Result<()>;

    /// What the run's campaign said when it was frozen: [`RunHeader::content_json`]. `None` where that is not known.
    fn content_json(&self, run: &str) -> Result<Option<String>>;

    /// The waves of a run, by the index that its batches name; at least one.
    fn waves(&self, run: &str) -> Result<Vec<Wave>>;

    /// Takes a run up: attempts that an earlier runner left open become in doubt, durably, and it waits for no wave any
    /// more.
    fn take_up(&mut self, run: &str, note: &Note, now: Timestamp) -> Result<TakenUp>;

    /// Makes changes of a run durable, in order, all or none.
    fn commit(&mut self, run: &str, changes: &[Change], now: Timestamp) -> Result<()>;

    /// What the calls of these batches need, each with its number and in order; batches that the run does not have
    /// are left out.
    fn payloads(&mut self, run: &str, batches: RangeInclusive<u32>) -> Result<Vec<(u32, Payload)>>;

    /// What a batch's call needs.
    ///
    /// # Errors
    /// Also where the run has no such batch.
    fn payload(&mut self, run: &str, batch: u32) -> Result<Payload> {
        if let Some((_, payload)) = self.payloads(run, batch..=batch)?.pop() {
            return Ok(payload);
        }
        let batches = self.batches(run)? as usize;
        Err(Error::UnknownBatch { run: run.to_owned(), batch, batches })
    }

    /// The unfinished runs that are held back now, and why. Asked while runs are sent, since a person may pause one from
    /// elsewhere: one question, however many they are.
    fn holds(&self) -> Result<HashMap<String, Hold>>;

    /// Writes down what happened to a run, with the changes that go with it: a person's word, or a runner's end.
    fn decree(
        &mut self,
        run: &str,
        what: &str,
        changes: &[Change],
        note: &Note,
        now: Timestamp,
    ) -> Result<()>;

    /// Holds a run back, or lets it go. One that was cancelled or missed stays so, and one of which nothing remains or
    /// is in doubt is not held back: then nothing is written. Gives how the run is held now.
    fn set_hold(
        &mut self,
        run: &str,
        hold: Option<Hold>,
        what: &str,
        note: &Note,
        now: Timestamp,
    ) -> Result<Option<Hold>>;

    /// Writes down that all that remains of a run waits for a wave that opens at `until`. Whatever makes batches pending
    /// again (`take_up`, `decree`, `retry`, `replan`) takes it back.
    fn set_waiting(&mut self, run: &str, until: Timestamp, note: &Note, now: Timestamp) -> Result<()>;

    /// Lets failed recipients whose answer is `chosen` be tried again: batches that failed whole become pending,
    /// accounts that an answer named move to new batches of the same message and wave. Gives how many.
    fn retry(
        &mut self,
        run: &str,
        chosen: &dyn Fn(&Answer) -> bool,
        note: &Note,
        now: Timestamp,
    ) -> Result<u64>;

    /// How many batches a run has: the number of its last one.
    fn batches(&self, run: &str) -> Result<u32>;

    /// The recipients that are still to be sent.
    fn pending_accounts(&self, run: &str) -> Result<HashSet<String>>;

    /// Replaces the pending batches of a run by those of a plan that was made for their recipients alone, with
    /// numbers after the run's last, in the plan's waves. Who is no longer in the plan is skipped.
    fn replan(&mut self, run: &str, plan: &Plan, note: &Note, now: Timestamp) -> Result<()>;

    /// The recipients of an app's last attempts, of all its runs, the latest first: what a limiter must
    /// remember. Empty where the last attempt was begun before `since`.
    fn last_attempts(&self, app: &str, most: usize, since: Timestamp) -> Result<Vec<u16>>;

    /// Hands every failed recipient of a run to `each`, in order of batch.
    fn failures(&self, run: &str, each: &mut dyn FnMut(Failure)) -> Result<()>;

    /// The batches of a run that are in doubt, in order.
    fn in_doubt(&self, run: &str) -> Result<Vec<BatchNote>>;

    /// Everything that does not fit together, in words; empty where all is well.
    fn verify(&self) -> Result<Vec<String>>;

    /// Writes the state as JSON lines.
    ///
    /// # Errors
    /// Also where the stream cannot be written.
    fn export(&self, out: &mut dyn Write) -> Result<()>;

    /// Reads JSON lines into a state that holds no run yet. All or nothing: a dump that does not verify leaves
    /// the state as it was. Gives why the state must be adopted before it is used, where another one was used here
    /// before, or more of this one: the watermark is left as it was.
    ///
    /// # Errors
    /// Also where the state holds a run, a line is not what it should be, or the whole does not fit together.
    fn import(&mut self, input: &mut dyn BufRead) -> Result<Option<Error>>;

    /// Takes a restored copy, or a new state in place of one that is gone, for the state from now on. What it
    /// takes for pending may have been sent since the copy was made, and becomes in doubt; runs that only the
    /// watermark knows are written down as cancelled, so that nothing starts them anew.
    fn adopt(&mut self, note: &Note, now: Timestamp) -> Result<Adopted>;
}
