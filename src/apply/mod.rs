//! Carries a run out: drives the executor against the store, the client, the clock and the signals.
//!
//! It decides nothing about sending: which batch, when, and what to make of an answer is the executor's, and
//! what an answer means is [`crate::timpush`]'s.

mod decide;
mod driver;
mod journal;
mod signals;

pub use decide::{Due, Intention, decide};
pub use driver::Progress;
pub use signals::Signals;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::executor::{End, Executor, Limits, Pace, Pause, Settings, Tick};
use crate::state::{self, Hold, Note, Run, Store};
use crate::timpush::Client;
use journal::Journal;

/// Attempts of an earlier runner that are older than this cannot count against the rate, even where the wall
/// clock was set in between.
const REMEMBER: SignedDuration = SignedDuration::from_hours(1);

/// Most attempts that are remembered: more than any rate allows in a second.
const REMEMBER_MOST: usize = 2_000;

/// What carries a run out. `limits` are the app's.
#[derive(Debug)]
pub struct Runner {
    /// The app's client.
    pub client: Arc<Client>,
    /// The app's limits.
    pub limits: Limits,
    /// Whether to stop.
    pub signals: Signals,
    /// Who runs it, for the run's events.
    pub who: String,
}

impl Runner {
    /// Takes a run up and sends what remains of it. The store comes back whatever happens.
    ///
    /// # Errors
    /// Where the state cannot be read or written; nothing is sent after that.
    pub async fn run(
        &mut self,
        mut store: Box<dyn Store>,
        run: &Run,
        observe: &mut dyn FnMut(Progress),
    ) -> (Box<dyn Store>, state::Result<End>) {
        let mut executor = match self.executor(store.as_mut(), run) {
            Ok(executor) => executor,
            Err(error) => return (store, Err(error)),
        };
        let start = Instant::now();
        let mut journal = Journal::start(store, &run.id);
        let end = driver::drive(
            &mut executor,
            &mut journal,
            &self.client,
            &run.from,
            start,
            &mut self.signals,
            observe,
        )
        .await;
        let mut store = journal.stop();
        let end = end.and_then(|end| self.record(store.as_mut(), run, &end).map(|()| end));
        (store, end)
    }

    /// Writes down how it ended. What the breaker stopped stays so until a person lets it go on.
    fn record(&self, store: &mut dyn Store, run: &Run, end: &End) -> state::Result<()> {
        let now = Timestamp::now();
        let note = |why: String| Note { who: self.who.clone(), why };
        match end {
            End::Complete => store.decree(&run.id, "ended", &[], &note(String::new()), now),
            End::Paused(Pause::Breaker(why)) => {
                store.set_hold(&run.id, Some(Hold::Breaker), "paused by the breaker", &note(why.clone()), now)
            }
            // The person's own event says who and why.
            End::Paused(Pause::Operator) => Ok(()),
            End::Paused(Pause::Signal) => {
                store.decree(&run.id, "stopped", &[], &note("a signal".to_owned()), now)
            }
            End::Paused(Pause::Vendor(answer) | Pause::Unavailable(answer)) => {
                store.decree(&run.id, "stopped", &[], &note(answer.to_string()), now)
            }
        }
    }

    fn executor(&self, store: &mut dyn Store, run: &Run) -> state::Result<Executor> {
        let now = Timestamp::now();
        let remembered = if self.limits.is_unlimited() {
            Vec::new()
        } else {
            store.last_attempts(&run.app, REMEMBER_MOST, now - REMEMBER)?
        };
        let batches = store.take_up(&run.id, &Note { who: self.who.clone(), why: String::new() }, now)?;
        let tally = store.run(&run.id)?.tally;
        let settings = Settings {
            delivery: run.delivery,
            expires_at: run.expires_at.map(|at| tick_at(now, at)),
            // Jitter only has to differ between runners.
            seed: now.as_nanosecond() as u64 ^ u64::from(std::process::id()),
        };
        let pace = Pace::new(self.limits, remembered.into_iter().map(u32::from));
        Ok(Executor::new(settings, batches, tally, pace))
    }
}

/// The tick of an instant, for a driver that starts now.
fn tick_at(now: Timestamp, at: Timestamp) -> Tick {
    Tick::default() + Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)
}
