//! Carries runs out: drives the executor against the store, the clients, the clock and the signals.
//!
//! It decides nothing about sending: which batch, when, and what to make of an answer is the executor's, and
//! what an answer means is [`crate::timpush`]'s.

mod ahead;
mod clock;
mod decide;
mod driver;
mod journal;
mod signals;

pub use decide::{Due, Intention, Known, decide, decide_run};
pub use driver::{News, Observer, Progress};
pub use signals::Signals;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::executor::{End, Executor, Fleet, Limits, Line, Pace, Pause, Settings, Tick};
use crate::state::{self, Note, Run, Store, TakenUp};
use crate::timpush::Client;
use driver::{Driver, Sending};
use journal::{Book, Journal};

/// Attempts of an earlier runner that are older than this cannot count against the rate, even where the wall
/// clock was set in between.
const REMEMBER: SignedDuration = SignedDuration::from_hours(1);

/// Most attempts that are remembered: more than any rate allows in a second.
const REMEMBER_MOST: usize = 2_000;

/// A run that is to be sent, and with what.
#[derive(Debug)]
pub struct Order {
    /// The run, as it is to be delivered now.
    pub run: Run,
    /// A client of its app.
    pub client: Arc<Client>,
    /// Its app's limits; the same for all runs of the app.
    pub limits: Limits,
}

/// What carries runs out.
#[derive(Debug)]
pub struct Runner {
    /// Whether to stop.
    pub signals: Signals,
    /// Who runs them, for the runs' events.
    pub who: String,
    /// How long waves that are not open yet are waited for.
    pub stay: Duration,
}

impl Runner {
    /// Takes runs up and sends what remains of them, all at once and in order of deadline where they share a rate. The
    /// store comes back whatever happens.
    ///
    /// # Errors
    /// Where the state cannot be read or written; nothing is sent after that.
    pub async fn send(
        &mut self,
        mut store: Box<dyn Store>,
        orders: Vec<Order>,
        observe: Observer<'_>,
    ) -> (Box<dyn Store>, state::Result<()>) {
        let (wall, start) = (Timestamp::now(), Instant::now());
        let (fleet, runs, held) = match self.take_up(store.as_mut(), orders, wall) {
            Ok(fleet) => fleet,
            Err(error) => return (store, Err(error)),
        };
        for run in held {
            observe(&run, News::Ended(&End::Paused(Pause::Operator)));
        }
        let ids = runs.iter().map(|run| run.id().to_owned()).collect();
        let book = Book { runs: ids, who: self.who.clone(), start: wall };
        let mut journal = Journal::start(store, book);
        let driver = Driver { fleet, runs, journal: &mut journal, start };
        let sent = driver.drive(&mut self.signals, observe).await;
        (journal.stop(), sent)
    }

    /// Gives also the runs that somebody has held back since it was decided to send them.
    fn take_up(
        &self,
        store: &mut dyn Store,
        orders: Vec<Order>,
        now: Timestamp,
    ) -> state::Result<(Fleet, Vec<Sending>, Vec<String>)> {
        let mut fleet = Fleet::default();
        let mut lines: BTreeMap<String, usize> = BTreeMap::new();
        let mut runs = Vec::new();
        let mut held = Vec::new();
        let mut waves = orders.into_iter().map(|order| Ok((store.waves(&order.run.id)?, order)));
        let mut orders: Vec<_> = waves.by_ref().collect::<state::Result<_>>()?;
        drop(waves);
        orders.sort_by_key(|(waves, _)| clock::deadline(now, waves));
        for (waves, Order { run, client, limits }) in orders {
            let note = Note { who: self.who.clone(), why: String::new() };
            let TakenUp { batches, hold } = store.take_up(&run.id, &note, now)?;
            if hold.is_some() {
                held.push(run.id);
                continue;
            }
            let line = match lines.get(&run.app) {
                Some(line) => *line,
                None => fleet.add_line(line(store, &run.app, limits, now)?),
            };
            lines.insert(run.app.clone(), line);
            let tally = store.run(&run.id)?.tally;
            let settings = Settings {
                delivery: run.delivery,
                waves: clock::openings(now, &waves),
                stay_until: Tick::default() + self.stay,
            };
            fleet.add_run(line, Executor::new(settings, batches, tally));
            runs.push(Sending::new(&run.id, &run.from, client));
        }
        Ok((fleet, runs, held))
    }
}

/// The line to an app, which remembers what an earlier runner has sent.
fn line(store: &dyn Store, app: &str, limits: Limits, now: Timestamp) -> state::Result<Line> {
    let remembered = if limits.is_unlimited() {
        Vec::new()
    } else {
        store.last_attempts(app, REMEMBER_MOST, now - REMEMBER)?
    };
    let pace = Pace::new(limits, remembered.into_iter().map(u32::from));
    // Jitter only has to differ between runners.
    let seed = now.as_nanosecond() as u64 ^ u64::from(std::process::id());
    Ok(Line::new(pace, seed))
}
