//! What happens during an apply, as it happens, for machines: JSON lines, of which the first names the version.
//!
//! The state is what stands; this is told beside it, and holds no secret, no account and no text of a message. A reader
//! must let events and keys pass that it does not know: they may be added within a version.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::apply::News;
use crate::executor::{End, Pause};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::state::{Attempt, Run, Tally};

/// Name and version of the format.
pub const FORMAT: &str = "pushplan.events/1";

/// Where events are written; nowhere, where nobody asked for them.
#[derive(Debug, Default)]
pub struct Events {
    out: Option<(PathBuf, File)>,
}

impl Events {
    /// Begins a file, in place of one of this name, with the line that names the version.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = File::create(path)?;
        file.write_all(format!("{}\n", json!({ "format": FORMAT })).as_bytes())?;
        Ok(Self { out: Some((path.to_owned(), file)) })
    }

    /// A run is frozen: from now on it is on record.
    pub fn frozen(&mut self, plan: &Plan) {
        let header = plan.header();
        self.tell(&header.run_id, "run_frozen", || {
            json!({
                "campaign": header.campaign,
                "occurrence": header.occurrence,
                "app": header.app,
                "recipients": plan.recipients(),
                "calls": plan.calls(),
                "expires_at": header.expires_at,
                "digest": plan.digest(),
            })
        });
    }

    /// A run is taken up to be sent, with its recipients as they stand.
    pub fn taken_up(&mut self, run: &Run) {
        self.tell(&run.id, "run_taken_up", || json!({ "recipients": run.tally }));
    }

    /// What is told of a run while it is sent.
    pub fn news(&mut self, run: &str, news: &News<'_>) {
        match news {
            News::Moment(_) => {}
            News::Begun(Attempt { batch, number }) => {
                self.tell(run, "batch_begun", || json!({ "batch": batch, "attempt": number }));
            }
            News::Settled(attempt, outcome) => {
                self.tell(run, "batch_settled", || settled(*attempt, outcome));
            }
            News::Ended(end) => self.tell(run, "run_ended", || ended(end)),
        }
    }

    /// Where the recipients of a run stand at the end of the apply.
    pub fn tally(&mut self, run: &Run) {
        let status = run.status();
        self.tell(&run.id, "run_tally", || json!({ "status": status, "recipients": run.tally }));
    }

    /// Where those of all its runs stand: the last event.
    pub fn total(&mut self, tally: Tally) {
        self.write("total", || json!({ "recipients": tally }));
    }

    fn tell(&mut self, run: &str, event: &str, about: impl FnOnce() -> Value) {
        self.write(event, || {
            let mut about = about();
            about["run"] = run.into();
            about
        });
    }

    /// A line at once, whole. Pushes are worth more than their events: where these can no longer be written, that is said
    /// once, and sending goes on.
    fn write(&mut self, event: &str, about: impl FnOnce() -> Value) {
        let Some((path, file)) = &mut self.out else { return };
        let mut line = about();
        line["at"] = json!(Timestamp::now());
        line["event"] = event.into();
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            let path = path.display();
            anstream::eprintln!("the events can no longer be written to {path}: {error}; sending goes on");
            self.out = None;
        }
    }
}

fn settled(Attempt { batch, number }: Attempt, outcome: &Outcome) -> Value {
    let mut about = json!({ "batch": batch, "attempt": number, "outcome": outcome.class() });
    match outcome {
        Outcome::Accepted { task_id, failed } => {
            about["task_id"] = json!(task_id);
            about["failed"] = failed.len().into();
        }
        // The vendor's text may name accounts; `failures` and `status` have it.
        other => about["code"] = json!(other.answer().map(|answer| answer.code)),
    }
    about
}

fn ended(end: &End) -> Value {
    match end {
        End::Complete => json!({ "end": "complete" }),
        End::Waiting(_) => json!({ "end": "waiting" }),
        End::Paused(pause) => {
            let (why, code) = match pause {
                Pause::Signal => ("signal", None),
                Pause::Operator => ("operator", None),
                Pause::Breaker(_) => ("breaker", None),
                Pause::Vendor(answer) => ("vendor", Some(answer.code)),
                Pause::Unavailable(answer) => ("unavailable", Some(answer.code)),
            };
            json!({ "end": "paused", "why": why, "code": code })
        }
    }
}
