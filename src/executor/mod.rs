//! What to do next: which batch of which run to begin, when to send it, what to make of the answer.
//!
//! The executor does no I/O and has no clock. A driver asks the [`Fleet`] with [`Fleet::poll`] and tells it what
//! happened with [`Fleet::handle`]. In production the driver is [`crate::apply`]; in the tests it is a simulator with
//! virtual time, faults and crashes, so that both run the same decisions.
//!
//! A [`Fleet`] gives turns to runs, an [`Executor`] decides for one run, and a [`Line`] is what the runs of one app
//! share: the rate and how the server does.
//!
//! # Contract
//!
//! - [`Step::Commit`] must be durable before [`Event::Durable`] is handed in. One commit a run is asked for at a
//!   time; what happens meanwhile waits for the next, so that a slow disk makes groups larger.
//! - [`Step::Send`] names only attempts whose intent is durable and whose wave is open, and takes the rate's permit at
//!   that moment.
//! - Every attempt that was sent is answered by exactly one [`Event::Answered`]. A driver that gives up
//!   waiting answers with [`Outcome::InDoubt`].
//!
//! It leaves to others: HTTP and SQL, what an answer means ([`crate::timpush`]), and which change fits which
//! status ([`crate::state::BatchState::apply`]).

mod backoff;
mod breaker;
mod fleet;
mod line;
mod pace;
mod queue;
mod run;
mod tick;

pub use fleet::{Fleet, Turn};
pub use line::Line;
pub use pace::{Limits, Pace};
pub use queue::Opening;
pub use run::Executor;
pub use tick::Tick;

use crate::campaign::Delivery;
use crate::outcome::{Answer, Outcome};
use crate::state::{Attempt, Change};

/// What the driver is to do for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Commit these changes in this order, all or none, then hand in [`Event::Durable`].
    Commit(Vec<Change>),
    /// Send this attempt now.
    Send(Attempt),
    /// Sign anew before the next call is sent, then go on at once.
    Renew,
    /// All is settled and durable, or the run has stopped.
    Finished(End),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The commit that was asked for is durable.
    Durable,
    /// An attempt that was sent came to this.
    Answered(Attempt, Outcome),
    /// Stop: begin nothing new, wait for what is in flight.
    Interrupted(Pause),
    /// A person gives up what remains: as [`Event::Interrupted`], and what is pending is skipped.
    Cancelled,
}

/// How a runner's work on a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Nothing remains to be sent.
    Complete,
    /// All that remains waits for a wave that opens then.
    Waiting(Tick),
    /// Something remains; applying again resumes.
    Paused(Pause),
}

/// Why a run was stopped before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pause {
    /// A signal.
    Signal,
    /// A person paused or cancelled the run.
    Operator,
    /// Too many failures; says how many.
    Breaker(String),
    /// The vendor's answer says that nothing else of the run would be taken either.
    Vendor(Answer),
    /// The server could not be reached, or did not answer usefully, too many times in a row.
    Unavailable(Answer),
}

/// How to send, and what the run allows.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The campaign's `delivery`.
    pub delivery: Delivery,
    /// When the batches of each wave may be sent, in order; what is pending after a wave's last opening is skipped.
    pub waves: Vec<Vec<Opening>>,
    /// Openings until this tick are waited for.
    pub stay_until: Tick,
}
