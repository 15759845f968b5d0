//! What happens during an apply, as it happens, for machines: JSON lines, of which the first names the version.
//!
//! The state is what stands; this is told beside it, and holds no secret, no account and no text of a message. A reader
//! must let events and keys pass that it does not know: they may be added within a version.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::apply::News;
use crate::executor::{End, Pause};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::state::{Attempt, Run, RunStatus, Tally};

/// Name and version of the form.
pub const FORMAT: &str = "pushplan.events/1";

/// What every file of events begins with, whatever its version.
const FIRST: &str = r#"{"format":"pushplan.events/"#;

/// A line of the file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Line<'a> {
    /// The first one.
    First {
        /// Name and version of this form.
        #[schemars(extend("const" = FORMAT))]
        format: &'static str,
    },
    /// Each further one.
    Event {
        /// When; RFC 3339.
        #[schemars(with = "String")]
        at: Timestamp,
        /// What.
        #[serde(flatten)]
        event: Event<'a>,
    },
}

/// What happened. Batches are told by their number in the run, from 1.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// A run is frozen: from now on it is on record.
    RunFrozen {
        /// The run's id.
        run: &'a str,
        /// The campaign's id.
        campaign: &'a str,
        /// Its occurrence: `once`, `r2` or an instant.
        occurrence: &'a str,
        /// The app's name.
        app: &'a str,
        /// Accounts that get a push.
        recipients: u64,
        /// Batches.
        calls: u64,
        /// When what is not sent yet is no longer sent; RFC 3339.
        #[schemars(with = "Option<String>")]
        expires_at: Option<Timestamp>,
        /// Digest of the plan.
        digest: String,
    },
    /// A run is taken up to be sent.
    RunTakenUp {
        /// The run's id.
        run: &'a str,
        /// Where they stand.
        recipients: Tally,
    },
    /// A call leaves; its intent is on record.
    BatchBegun {
        /// The run's id.
        run: &'a str,
        /// The batch.
        batch: u32,
        /// Which of its attempts, from 1.
        attempt: u32,
    },
    /// A call has come to an end.
    BatchSettled {
        /// The run's id.
        run: &'a str,
        /// The batch.
        batch: u32,
        /// Which of its attempts, from 1.
        attempt: u32,
        /// `accepted`, `rejected`, `throttled`, `try_again`, `unreached`, `signature_expired`, `stopped` or `in_doubt`.
        outcome: &'static str,
        /// The vendor's TaskId, where it was accepted.
        #[serde(skip_serializing_if = "Option::is_none")]
        task_id: Option<&'a str>,
        /// How many of its recipients the answer names as failed, where it was accepted.
        #[serde(skip_serializing_if = "Option::is_none")]
        failed: Option<usize>,
        /// The vendor's code, where it was not accepted; 0 where there was none.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<i64>,
    },
    /// A run is no longer sent by this apply.
    RunEnded {
        /// The run's id.
        run: &'a str,
        /// `complete`, `waiting` (for a later wave) or `paused`.
        end: &'static str,
        /// Why it is paused: `signal`, `operator`, `breaker`, `vendor` or `unavailable`.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<&'static str>,
        /// The code of the answer that paused it, where one did.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<i64>,
    },
    /// Where the recipients of a run stand at the end of the apply.
    RunTally {
        /// The run's id.
        run: &'a str,
        /// Its status in one word.
        status: RunStatus,
        /// Where they stand.
        recipients: Tally,
    },
    /// Where those of all its runs stand: the last event.
    Total {
        /// Where they stand.
        recipients: Tally,
    },
}

/// Where events are written; nowhere, where nobody asked for them.
#[derive(Debug)]
pub struct Events {
    path: Option<PathBuf>,
    /// Open once something may happen, and until it can no longer be written.
    out: Option<File>,
}

impl Events {
    /// Nothing is written yet.
    pub fn new(path: Option<PathBuf>) -> Self {
        Self { path, out: None }
    }

    /// Begins the file, in place of an earlier one, with the line that names the version. Once: what comes later in the
    /// same apply goes on with it. The caller holds the state's lock, so that nobody else is writing events of this
    /// state there.
    ///
    /// # Errors
    /// The path, and why it cannot be written; also where something else than events is there.
    pub fn begin(&mut self) -> Result<(), (PathBuf, io::Error)> {
        if let Some(path) = self.path.as_ref().filter(|_| self.out.is_none()) {
            self.out = Some(create(path).map_err(|error| (path.clone(), error))?);
        }
        Ok(())
    }

    /// A run is frozen.
    pub fn frozen(&mut self, plan: &Plan) {
        let header = plan.header();
        self.write(|| Event::RunFrozen {
            run: &header.run_id,
            campaign: &header.campaign,
            occurrence: &header.occurrence,
            app: &header.app,
            recipients: plan.recipients(),
            calls: plan.calls(),
            expires_at: header.expires_at,
            digest: plan.digest(),
        });
    }

    /// A run is taken up to be sent, with its recipients as they stand.
    pub fn taken_up(&mut self, run: &Run) {
        self.write(|| Event::RunTakenUp { run: &run.id, recipients: run.tally });
    }

    /// What is told of a run while it is sent.
    pub fn news(&mut self, run: &str, news: &News<'_>) {
        match news {
            News::Moment(_) => {}
            News::Begun(Attempt { batch, number }) => {
                self.write(|| Event::BatchBegun { run, batch: *batch, attempt: *number });
            }
            News::Settled(attempt, outcome) => self.write(|| settled(run, *attempt, outcome)),
            News::Ended(end) => self.write(|| ended(run, end)),
        }
    }

    /// Where the recipients of a run stand at the end of the apply.
    pub fn tally(&mut self, run: &Run) {
        self.write(|| Event::RunTally { run: &run.id, status: run.status(), recipients: run.tally });
    }

    /// Where those of all its runs stand.
    pub fn total(&mut self, recipients: Tally) {
        self.write(|| Event::Total { recipients });
    }

    /// A line at once, whole. Pushes are worth more than their events: where these can no longer be written, that is said
    /// once, and sending goes on.
    fn write<'e>(&mut self, event: impl FnOnce() -> Event<'e>) {
        let Some(file) = &mut self.out else { return };
        if let Err(error) = write_line(file, &Line::Event { at: Timestamp::now(), event: event() }) {
            if let Some(path) = self.path.take() {
                let path = path.display();
                anstream::eprintln!(
                    "the events can no longer be written to {path}: {error}; sending goes on"
                );
            }
            self.out = None;
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    let begins_with_events = |file: File| {
        let mut start = Vec::new();
        file.take(FIRST.len() as u64).read_to_end(&mut start).map(|_| start == FIRST.as_bytes())
    };
    let found = path.metadata().is_ok_and(|found| found.is_file() && found.len() > 0);
    if found && !begins_with_events(File::open(path)?)? {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else than events is there"));
    }
    let mut file = File::create(path)?;
    write_line(&mut file, &Line::First { format: FORMAT })?;
    Ok(file)
}

/// One write a line: who reads along never sees half of one.
fn write_line(file: &mut File, line: &Line<'_>) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    file.write_all(&text)
}

fn settled<'e>(run: &'e str, attempt: Attempt, outcome: &'e Outcome) -> Event<'e> {
    let (task_id, failed) = match outcome {
        Outcome::Accepted { task_id, failed } => (Some(task_id.as_str()), Some(failed.len())),
        _ => (None, None),
    };
    // The vendor's text may name accounts; `failures` and `status` have it.
    let code = outcome.answer().map(|answer| answer.code);
    let Attempt { batch, number } = attempt;
    Event::BatchSettled { run, batch, attempt: number, outcome: outcome.class(), task_id, failed, code }
}

fn ended<'e>(run: &'e str, end: &End) -> Event<'e> {
    let (end, why, code) = match end {
        End::Complete => ("complete", None, None),
        End::Waiting(_) => ("waiting", None, None),
        End::Paused(Pause::Signal) => ("paused", Some("signal"), None),
        End::Paused(Pause::Operator) => ("paused", Some("operator"), None),
        End::Paused(Pause::Breaker(_)) => ("paused", Some("breaker"), None),
        End::Paused(Pause::Vendor(answer)) => ("paused", Some("vendor"), Some(answer.code)),
        End::Paused(Pause::Unavailable(answer)) => ("paused", Some("unavailable"), Some(answer.code)),
    };
    Event::RunEnded { run, end, why, code }
}
