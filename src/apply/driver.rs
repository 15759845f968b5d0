//! The plain loop around the executor: it carries out steps and hands in what happened, of all runs at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep_until;
use tracing::{debug, warn};

use super::journal::{Journal, Reply};
use super::signals::Signals;
use crate::executor::{End, Event, Fleet, Pause, Step, Tick, Turn};
use crate::outcome::{Answer, Outcome};
use crate::state::{self, Attempt, Hold, Payload, Tally};
use crate::timpush::{Call, Client};

/// How long calls in flight are waited for once a run is to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// How often the observer is told.
const PROGRESS: Duration = Duration::from_millis(100);

/// How long after the last answer a person's word to pause is looked for again: a run stops within a second of it, and a
/// state that is far away has time for commits in between.
const HOLDS: Duration = Duration::from_millis(300);

/// An attempt that has not left so long after its intent was handed to the state does not leave: this process stood still,
/// another runner may have taken over since, and its word on the attempt is the one that counts.
const LEASE: Duration = Duration::from_secs(5);

/// What is told of a run while it is sent.
#[derive(Debug, Clone, PartialEq)]
pub enum News<'a> {
    /// How it goes on.
    Moment(Progress),
    /// A call leaves; its intent is on record.
    Begun(Attempt),
    /// A call came to this, which is on record soon after.
    Settled(Attempt, &'a Outcome),
    /// It has come to its end, and that is on record.
    Ended(&'a End),
}

/// Who is told, of which run.
pub type Observer<'o> = &'o mut dyn FnMut(&str, News<'_>);

/// A moment of a run, for progress bars.
#[derive(Debug, Clone, Copy, PartialEq)]
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

/// One run on its way: what the executor does not know of it.
#[derive(Debug)]
pub(super) struct Sending {
    id: String,
    from: String,
    client: Arc<Client>,
    /// What calls need whose intents are durable, and since when these were on their way to the state.
    payloads: HashMap<Attempt, (Moment, Payload)>,
    /// When the commit that is under way was asked for.
    asked: Moment,
    in_flight: HashMap<Attempt, AbortHandle>,
    /// Until when calls in flight are waited for, where the run is stopping.
    drain_until: Option<Instant>,
    end: Option<End>,
}

impl Sending {
    pub(super) fn new(id: &str, from: &str, client: Arc<Client>) -> Self {
        Self {
            id: id.to_owned(),
            from: from.to_owned(),
            client,
            payloads: HashMap::new(),
            asked: Moment::now(),
            in_flight: HashMap::new(),
            drain_until: None,
            end: None,
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    fn drain(&mut self) {
        self.drain_until.get_or_insert_with(|| Instant::now() + DRAIN);
    }
}

/// Drives runs to their ends. `runs` are those of the fleet, in its order.
#[derive(Debug)]
pub(super) struct Driver<'d> {
    pub(super) fleet: Fleet,
    pub(super) runs: Vec<Sending>,
    pub(super) journal: &'d mut Journal,
    /// Tick 0.
    pub(super) start: Instant,
}

type Calls = JoinSet<(usize, Attempt, Outcome)>;

/// A moment by both clocks: the monotonic one stands still while the machine sleeps, the wall clock can be set back.
#[derive(Debug, Clone, Copy)]
struct Moment(Instant, SystemTime);

impl Moment {
    fn now() -> Self {
        Self(Instant::now(), SystemTime::now())
    }

    fn elapsed(self) -> Duration {
        self.0.elapsed().max(self.1.elapsed().unwrap_or_default())
    }
}

impl Driver<'_> {
    /// Drives all runs to their ends.
    ///
    /// # Errors
    /// Where the state cannot be written. What was in flight then stays open in the state, and is in doubt when
    /// it is taken up again.
    pub(super) async fn drive(mut self, signals: &mut Signals, observe: Observer<'_>) -> state::Result<()> {
        let mut calls = Calls::new();
        let mut next_progress = Instant::now();
        // The first answer comes before the first intent is durable. `None` while the question is under way: a state that
        // is slow to answer is not asked twice.
        self.journal.ask_holds();
        let mut ask_holds_at = None;
        let mut unrecorded = self.runs.len();
        let mut signalled = false;

        while unrecorded > 0 {
            let wake = match self.fleet.poll(self.now()) {
                Turn::Do { run, step } => {
                    if let Step::Send(attempt) = &step {
                        observe(&self.runs[run].id, News::Begun(*attempt));
                    }
                    self.carry_out(run, step, &mut calls);
                    continue;
                }
                Turn::Wait(tick) => tick.map(|tick| self.start + Duration::from_micros(tick.0)),
                Turn::Done => None,
            };
            if next_progress <= Instant::now() {
                for run in self.fleet.running() {
                    observe(&self.runs[run].id, News::Moment(self.progress(run)));
                }
                next_progress = Instant::now() + PROGRESS;
            }
            if ask_holds_at.is_some_and(|at| at <= Instant::now()) {
                ask_holds_at = None;
                self.journal.ask_holds();
            }
            let drain =
                self.runs.iter().filter(|run| !run.in_flight.is_empty()).filter_map(|run| run.drain_until);
            let wake = drain.chain(wake).chain(ask_holds_at).fold(next_progress, Instant::min);

            tokio::select! {
                biased;
                Some(reply) = self.journal.reply() => match reply? {
                    Reply::Committed(run, begun) => {
                        let asked = self.runs[run].asked;
                        let begun = begun.into_iter().map(|(attempt, payload)| (attempt, (asked, payload)));
                        self.runs[run].payloads.extend(begun);
                        self.fleet.handle(self.now(), run, Event::Durable);
                    }
                    Reply::Held(held) => {
                        ask_holds_at = Some(Instant::now() + HOLDS);
                        for (run, hold) in held {
                            self.hold(run, hold);
                        }
                    }
                    Reply::Recorded(run) => {
                        unrecorded -= 1;
                        let run = &self.runs[run];
                        observe(&run.id, News::Ended(run.end.as_ref().expect("recorded after it ended")));
                    }
                },
                Some(ended) = calls.join_next() => match ended {
                    Ok((run, attempt, outcome)) => self.answered(run, attempt, outcome, observe),
                    // Given up by us, and answered for.
                    Err(error) if error.is_cancelled() => {}
                    Err(panic) => std::panic::resume_unwind(panic.into_panic()),
                },
                () = signals.stopped(), if !signalled => {
                    signalled = true;
                    for run in self.fleet.running().collect::<Vec<_>>() {
                        self.runs[run].drain();
                    }
                    self.fleet.interrupt(self.now(), &Pause::Signal);
                }
                () = sleep_until(wake.into()) => self.give_up_waiting(observe),
            }
        }
        Ok(())
    }

    fn now(&self) -> Tick {
        Tick(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn carry_out(&mut self, number: usize, step: Step, calls: &mut Calls) {
        let run = &mut self.runs[number];
        match step {
            Step::Commit(changes) => {
                run.asked = Moment::now();
                self.journal.commit(number, changes);
            }
            Step::Send(attempt) => {
                let (asked, payload) =
                    run.payloads.remove(&attempt).expect("a begun attempt has its payload");
                let (client, from) = (Arc::clone(&run.client), run.from.clone());
                let call = async move {
                    let outcome = if asked.elapsed() > LEASE {
                        Outcome::Unreached(Answer::local("the runner stood still before it left"))
                    } else {
                        call(&client, &from, payload).await
                    };
                    (number, attempt, outcome)
                };
                run.in_flight.insert(attempt, calls.spawn(call));
            }
            Step::Renew => {
                warn!(run = run.id, "the UserSig has expired: signing anew");
                run.client.renew();
            }
            Step::Finished(end) => {
                run.payloads.clear();
                self.journal.record(number, end.clone());
                run.end = Some(end);
            }
        }
    }

    fn answered(&mut self, number: usize, attempt: Attempt, outcome: Outcome, observe: Observer<'_>) {
        let run = &mut self.runs[number];
        // One that came while it was given up was answered for.
        if run.in_flight.remove(&attempt).is_some() {
            log(&run.id, attempt, &outcome);
            observe(&run.id, News::Settled(attempt, &outcome));
            self.fleet.handle(self.now(), number, Event::Answered(attempt, outcome));
        }
    }

    /// A person's word, said while the run is sent.
    fn hold(&mut self, run: usize, hold: Hold) {
        if self.runs[run].end.is_some() {
            return;
        }
        self.runs[run].drain();
        let event = match hold {
            Hold::Cancelled => Event::Cancelled,
            Hold::Paused | Hold::Breaker | Hold::Missed => Event::Interrupted(Pause::Operator),
        };
        self.fleet.handle(self.now(), run, event);
    }

    /// Ends the calls that a stopping run has waited for long enough.
    fn give_up_waiting(&mut self, observe: Observer<'_>) {
        let now = self.now();
        for (number, run) in self.runs.iter_mut().enumerate() {
            if run.drain_until.is_some_and(|until| until <= Instant::now()) {
                for (attempt, call) in run.in_flight.drain() {
                    call.abort();
                    let outcome = Outcome::InDoubt(Answer::local("stopped before the answer came"));
                    observe(&run.id, News::Settled(attempt, &outcome));
                    self.fleet.handle(now, number, Event::Answered(attempt, outcome));
                }
            }
        }
    }

    fn progress(&self, run: usize) -> Progress {
        let executor = self.fleet.run(run);
        Progress {
            tally: executor.tally(),
            in_flight: executor.in_flight(),
            held_for: self.fleet.line(run).held_until().map(|until| until.since(self.now())),
            draining: self.runs[run].drain_until.is_some(),
        }
    }
}

async fn call(client: &Client, from: &str, payload: Payload) -> Outcome {
    let Payload { accounts_json, message_json, msg_random, data_id } = payload;
    client.batch(&Call::new(from, &accounts_json, msg_random, &message_json, &data_id)).await
}

fn log(run: &str, attempt: Attempt, outcome: &Outcome) {
    let Attempt { batch, number } = attempt;
    match outcome.answer() {
        None => debug!(run, batch, attempt = number, "accepted"),
        Some(answer) => warn!(run, batch, attempt = number, class = outcome.class(), "{answer}"),
    }
}
