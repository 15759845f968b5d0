//! The plain loop around the executor: it carries out steps and hands in what happened.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tracing::{debug, warn};

use super::journal::{Journal, Reply};
use super::signals::Signals;
use crate::executor::{End, Event, Executor, Pause, Step, Tick};
use crate::outcome::{Answer, Outcome};
use crate::state::{self, Attempt, Payload, Tally};
use crate::timpush::{Call, Client};

/// How long calls in flight are waited for once the run is to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// How often the observer is told, and a person's word to pause is looked for.
const PROGRESS: Duration = Duration::from_millis(100);

/// A moment of a run, for progress bars.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Where the recipients stand.
    pub tally: Tally,
    /// Calls in flight.
    pub in_flight: usize,
    /// How long the server's failures still hold everything back.
    pub held_for: Option<Duration>,
    /// Is the run stopping, waiting only for what is in flight?
    pub draining: bool,
}

/// Drives one run to its end. `start` is tick 0.
///
/// # Errors
/// Where the state cannot be written. What was in flight then stays open in the state, and is in doubt when
/// it is taken up again.
pub(super) async fn drive(
    executor: &mut Executor,
    journal: &mut Journal,
    client: &Arc<Client>,
    from: &str,
    start: Instant,
    signals: &mut Signals,
    observe: &mut dyn FnMut(Progress),
) -> state::Result<End> {
    let now = || Tick(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
    let mut payloads: HashMap<Attempt, Payload> = HashMap::new();
    let mut calls: JoinSet<(Attempt, Outcome)> = JoinSet::new();
    let mut in_flight: Vec<Attempt> = Vec::new();
    let mut drain_until: Option<Instant> = None;
    let mut next_progress = Instant::now();

    loop {
        let wake = match executor.poll(now()) {
            Step::Commit(changes) => {
                journal.commit(changes);
                continue;
            }
            Step::Send(attempt) => {
                let payload = payloads.remove(&attempt).expect("a begun attempt has its payload");
                in_flight.push(attempt);
                calls.spawn(call(Arc::clone(client), attempt, from.to_owned(), payload));
                continue;
            }
            Step::Renew => {
                warn!("the UserSig has expired: signing anew");
                client.renew();
                continue;
            }
            Step::Finished(end) => {
                observe(progress(executor, now(), false));
                return Ok(end);
            }
            Step::Wait(tick) => Some(start + Duration::from_micros(tick.0)),
            Step::Idle => None,
        };
        if next_progress <= Instant::now() {
            observe(progress(executor, now(), drain_until.is_some()));
            journal.ask_hold();
            next_progress = Instant::now() + PROGRESS;
        }
        let wake = [wake, Some(next_progress), drain_until].into_iter().flatten().min();
        let wake = wake.unwrap_or(next_progress);

        tokio::select! {
            biased;
            Some(reply) = journal.reply() => match reply? {
                Reply::Committed(begun) => {
                    payloads.extend(begun);
                    executor.handle(now(), Event::Durable);
                }
                Reply::Hold(None) => {}
                Reply::Hold(Some(_)) => {
                    drain_until.get_or_insert_with(|| Instant::now() + DRAIN);
                    executor.handle(now(), Event::Interrupted(Pause::Operator));
                }
            },
            Some(ended) = calls.join_next() => {
                let (attempt, outcome) = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
                in_flight.retain(|other| *other != attempt);
                log(attempt, &outcome);
                executor.handle(now(), Event::Answered(attempt, outcome));
            }
            () = signals.stopped(), if drain_until.is_none() => {
                drain_until = Some(Instant::now() + DRAIN);
                executor.handle(now(), Event::Interrupted(Pause::Signal));
            }
            () = sleep_until(wake.into()) => {
                if drain_until.is_some_and(|until| until <= Instant::now()) {
                    // Dropping the set ends the calls.
                    calls = JoinSet::new();
                    for attempt in in_flight.drain(..) {
                        let why = Answer::local("stopped before the answer came");
                        executor.handle(now(), Event::Answered(attempt, Outcome::InDoubt(why)));
                    }
                }
            }
        }
    }
}

async fn call(client: Arc<Client>, attempt: Attempt, from: String, payload: Payload) -> (Attempt, Outcome) {
    let Payload { accounts_json, message_json, msg_random, data_id } = payload;
    let call = Call::new(&from, &accounts_json, msg_random, &message_json, &data_id);
    (attempt, client.batch(&call).await)
}

fn progress(executor: &Executor, now: Tick, draining: bool) -> Progress {
    Progress {
        tally: executor.tally(),
        in_flight: executor.in_flight(),
        held_for: executor.held_until().map(|until| until.since(now)),
        draining,
    }
}

fn log(attempt: Attempt, outcome: &Outcome) {
    let Attempt { batch, number } = attempt;
    match outcome.answer() {
        None => debug!(batch, attempt = number, "accepted"),
        Some(answer) => warn!(batch, attempt = number, class = outcome.class(), "{answer}"),
    }
}
