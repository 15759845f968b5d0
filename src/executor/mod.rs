//! What to do next, for one run: which batch to begin, when to send it, what to make of the answer.
//!
//! The executor does no I/O and has no clock. A driver asks it with [`Executor::poll`] and tells it what
//! happened with [`Executor::handle`]. In production the driver is [`crate::apply`]; in the tests it is a
//! simulator with virtual time, faults and crashes, so that both run the same decisions.
//!
//! # Contract
//!
//! - [`Step::Commit`] must be durable before [`Event::Durable`] is handed in. One commit is asked for at a
//!   time; what happens meanwhile waits for the next, so that a slow disk makes groups larger.
//! - [`Step::Send`] names only attempts whose intent is durable, and takes the rate's permit at that moment.
//! - Every attempt that was sent is answered by exactly one [`Event::Answered`]. A driver that gives up
//!   waiting answers with [`Outcome::InDoubt`].
//!
//! It leaves to others: HTTP and SQL, what an answer means ([`crate::timpush`]), and which change fits which
//! status ([`crate::state::BatchState::apply`]).

mod backoff;
mod breaker;
mod pace;
mod tick;

pub use pace::{Limits, Pace};
pub use tick::Tick;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::campaign::{Delivery, OnInDoubt};
use crate::outcome::{Answer, Outcome};
use crate::state::{Attempt, Batch, Change, SkipReason, Status, Tally};
use backoff::{Backoff, Round};
use breaker::Breaker;

/// How long before it may be sent a batch is begun, so that its commit does not delay it. What is begun and
/// not sent is in doubt after a crash, so this is kept short.
const LEAD: Duration = Duration::from_millis(20);

/// The vendor drops equal MsgRandom within one second. A batch is not tried again sooner, so that a retry
/// cannot be taken for a duplicate of a call that was refused.
const RETRY_AFTER: Duration = Duration::from_millis(1_200);

/// Tries of a batch that the vendor's passing faults, or the campaign's `on_in_doubt: resend`, may cause.
const MOST_TRIES: u8 = 5;

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Commit these changes in this order, all or none, then hand in [`Event::Durable`].
    Commit(Vec<Change>),
    /// Send this attempt now.
    Send(Attempt),
    /// Sign anew before the next call is sent, then go on at once.
    Renew,
    /// Nothing to do before this tick, unless something happens.
    Wait(Tick),
    /// Nothing to do until something happens.
    Idle,
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
}

/// How a runner's work on a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Nothing remains to be sent.
    Complete,
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
    /// What is pending after this is skipped.
    pub expires_at: Option<Tick>,
    /// For the jitter of the backoff.
    pub seed: u64,
}

#[derive(Debug, Clone, Copy)]
struct InFlight {
    attempt: Attempt,
    sent: Tick,
    /// How many times the UserSig had been renewed when it was sent.
    renewals: u32,
}

/// The scheduler of one run. See the module's contract.
#[derive(Debug)]
pub struct Executor {
    settings: Settings,
    pace: Pace,
    backoff: Backoff,
    breaker: Breaker,
    /// By number: batch 1 stands at index 0.
    batches: Vec<Batch>,
    /// Index of the first batch that may never have been begun by this runner.
    next_fresh: usize,
    /// To be tried again, each not before its tick; in order of tick, since the delay is one constant.
    retries: VecDeque<(Tick, u32)>,
    /// Tries of batches that had to be tried more than once.
    tries: HashMap<u32, u8>,
    /// Changes that wait for the next commit.
    outbox: Vec<Change>,
    /// Attempts begun in the outbox, and those begun in the commit under way.
    beginning: Vec<Attempt>,
    committing: Option<Vec<Attempt>>,
    /// Durable, and not yet sent.
    ready: VecDeque<Attempt>,
    in_flight: HashMap<u32, InFlight>,
    tally: Tally,
    renewals: u32,
    /// The renewal after which no call has been accepted yet.
    unproven_renewal: bool,
    renew_asked: bool,
    stop: Option<Pause>,
}

impl Executor {
    /// An executor for a run as the state knows it, with its `tally`. No batch may be `Sending`: recovery has made those in
    /// doubt. Batches in doubt are begun again only under `on_in_doubt: resend`.
    pub fn new(settings: Settings, batches: Vec<Batch>, tally: Tally, pace: Pace) -> Self {
        let mut executor = Self {
            backoff: Backoff::new(settings.seed),
            breaker: Breaker::new(settings.delivery.max_failures),
            settings,
            pace,
            batches,
            next_fresh: 0,
            retries: VecDeque::new(),
            tries: HashMap::new(),
            outbox: Vec::new(),
            beginning: Vec::new(),
            committing: None,
            ready: VecDeque::new(),
            in_flight: HashMap::new(),
            tally,
            renewals: 0,
            unproven_renewal: false,
            renew_asked: false,
            stop: None,
        };
        for number in executor.numbers_where(|batch| batch.state.status == Status::InDoubt) {
            executor.resend_where_asked(Tick::default(), number);
        }
        // An earlier runner may have tried these within the last second.
        for number in
            executor.numbers_where(|batch| batch.state.status == Status::Pending && batch.state.attempts > 0)
        {
            if !executor.tries.contains_key(&number) {
                executor.retry(Tick::default(), number);
            }
        }
        executor
    }

    /// What to do now. Call it again after every step but `Wait`, `Idle` and `Finished`, after which it is
    /// called when the tick has come or an event has been handled.
    pub fn poll(&mut self, now: Tick) -> Step {
        if self.settings.expires_at.is_some_and(|expiry| expiry <= now) {
            self.expire();
        }
        if self.stop.is_some() {
            self.withdraw_ready();
        } else if std::mem::take(&mut self.renew_asked) {
            return Step::Renew;
        } else if let Some(attempt) = self.send(now) {
            return Step::Send(attempt);
        } else {
            self.begin(now);
        }
        if self.committing.is_none() && !self.outbox.is_empty() {
            self.committing = Some(std::mem::take(&mut self.beginning));
            return Step::Commit(std::mem::take(&mut self.outbox));
        }
        self.wait(now)
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Tick, event: Event) {
        match event {
            Event::Durable => {
                let begun = self.committing.take().unwrap_or_default();
                self.ready.extend(begun);
            }
            Event::Answered(attempt, outcome) => self.answered(now, attempt, outcome),
            Event::Interrupted(pause) => self.pause(pause),
        }
    }

    /// Calls that have left and are not answered.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Where the recipients stand, the changes that are not durable yet included. For a progress bar: the word
    /// that counts is the state's.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Until when the server's failures hold everything back, and in which they do.
    pub fn held_until(&self) -> Option<Tick> {
        self.backoff.probing().then(|| self.backoff.hold_until())
    }

    /// The pace, for the next run of the same app.
    pub fn into_pace(self) -> Pace {
        self.pace
    }

    fn pause(&mut self, pause: Pause) {
        // The first reason is the one that explains the others.
        self.stop.get_or_insert(pause);
    }

    fn batch(&mut self, number: u32) -> &mut Batch {
        &mut self.batches[number as usize - 1]
    }

    fn recipients(&self, number: u32) -> u32 {
        u32::from(self.batches[number as usize - 1].recipients)
    }

    fn numbers_where(&self, wanted: impl Fn(&Batch) -> bool) -> Vec<u32> {
        (1..).zip(&self.batches).filter(|(_, batch)| wanted(batch)).map(|(number, _)| number).collect()
    }

    /// Applies a change to its batch and puts it down for the next commit.
    fn change(&mut self, change: Change) {
        let batch = self.batch(change.batch());
        let (recipients, before) = (u64::from(batch.recipients), batch.state.status);
        batch.state = batch.state.apply(&change).expect("the executor makes only changes that fit");
        let after = batch.state.status;
        self.tally.remove(before, recipients, 0);
        self.tally.add(after, recipients, change.failed().len() as u64);
        self.outbox.push(change);
    }

    /// Sends the attempt whose turn it is, where the rate and the server's health let it.
    fn send(&mut self, now: Tick) -> Option<Attempt> {
        let attempt = *self.ready.front()?;
        if self.sendable_at(attempt.batch) > now || (self.backoff.probing() && !self.in_flight.is_empty()) {
            return None;
        }
        self.ready.pop_front();
        self.pace.take(now, self.recipients(attempt.batch));
        let in_flight = InFlight { attempt, sent: now, renewals: self.renewals };
        self.in_flight.insert(attempt.batch, in_flight);
        Some(attempt)
    }

    fn sendable_at(&self, number: u32) -> Tick {
        self.pace.earliest(self.recipients(number)).max(self.backoff.hold_until())
    }

    /// Begins batches that may be sent soon.
    fn begin(&mut self, now: Tick) {
        while self.room_to_begin() {
            let Some((number, from_retries)) = self.next_pending(now) else { return };
            if self.sendable_at(number) > now + LEAD {
                return;
            }
            if from_retries {
                self.retries.pop_front();
            } else {
                self.next_fresh = number as usize;
            }
            let attempt = Attempt { batch: number, number: self.batch(number).state.attempts + 1 };
            self.change(Change::Begin(attempt));
            self.beginning.push(attempt);
        }
    }

    fn room_to_begin(&self) -> bool {
        let waiting = self.beginning.len() + self.committing.as_ref().map_or(0, Vec::len) + self.ready.len();
        let in_flight_max =
            if self.backoff.probing() { 1 } else { self.settings.delivery.in_flight as usize };
        waiting + self.in_flight.len() < in_flight_max && waiting < self.pace.within(LEAD, 500) as usize
    }

    /// The batch to begin next, and whether it is a retry that is due.
    fn next_pending(&mut self, now: Tick) -> Option<(u32, bool)> {
        match self.retries.front() {
            Some(&(due, number)) if due <= now => Some((number, true)),
            _ => self.next_fresh().map(|number| (number, false)),
        }
    }

    /// The first batch that is pending and waits for no retry. Behind the cursor nothing is fresh; ahead of it a
    /// batch can wait for a retry only where the run was opened with it so.
    fn next_fresh(&mut self) -> Option<u32> {
        while let Some(batch) = self.batches.get(self.next_fresh) {
            let number = self.next_fresh as u32 + 1;
            if batch.state.status == Status::Pending && !self.tries.contains_key(&number) {
                return Some(number);
            }
            self.next_fresh += 1;
        }
        None
    }

    fn answered(&mut self, now: Tick, attempt: Attempt, outcome: Outcome) {
        let Some(call) = self.in_flight.remove(&attempt.batch) else {
            debug_assert!(false, "an answer to a call that was not sent: {attempt:?}");
            return;
        };
        debug_assert_eq!(call.attempt, attempt);
        let outcome = self.give_up_where_tried_enough(attempt.batch, outcome);
        self.change(Change::Settle(attempt, outcome.clone()));
        let recipients = u64::from(self.recipients(attempt.batch));
        match outcome {
            Outcome::Accepted { failed, .. } => {
                self.server_answered(call);
                self.count_failures(recipients, failed.len() as u64);
            }
            Outcome::Rejected(_) => {
                self.server_answered(call);
                self.count_failures(recipients, recipients);
            }
            Outcome::InDoubt(answer) => {
                self.server_failed(now, call, answer);
                self.count_failures(recipients, recipients);
                self.resend_where_asked(now, attempt.batch);
            }
            Outcome::Throttled(answer) => {
                if self.server_failed(now, call, answer) {
                    self.pace.slow_down(now);
                }
                self.retry(now, attempt.batch);
            }
            Outcome::TryAgain(answer) | Outcome::Unreached(answer) => {
                self.server_failed(now, call, answer);
                self.retry(now, attempt.batch);
            }
            Outcome::SignatureExpired(answer) => {
                self.signature_expired(call, answer);
                self.retry(now, attempt.batch);
            }
            Outcome::Stopped(answer) => {
                self.pause(Pause::Vendor(answer));
                self.retry(now, attempt.batch);
            }
        }
    }

    /// A batch that meets the vendor's passing fault time and again is recorded as failed, so that one
    /// poisonous batch does not keep a run from ending.
    fn give_up_where_tried_enough(&mut self, number: u32, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::TryAgain(answer) => {
                let tries = self.tries.entry(number).or_default();
                *tries += 1;
                if *tries >= MOST_TRIES { Outcome::Rejected(answer) } else { Outcome::TryAgain(answer) }
            }
            other => other,
        }
    }

    fn server_answered(&mut self, call: InFlight) {
        self.backoff.succeeded(call.sent);
        self.unproven_renewal &= call.renewals < self.renewals;
    }

    /// True where this is more than a call that was on its way when the last failure became known.
    fn server_failed(&mut self, now: Tick, call: InFlight, answer: Answer) -> bool {
        let round = self.backoff.failed(now, call.sent);
        if round == Round::Last {
            self.pause(Pause::Unavailable(answer));
        }
        // What is begun and held back would be in doubt after a crash.
        self.withdraw_ready();
        round != Round::Same
    }

    fn count_failures(&mut self, recipients: u64, failed: u64) {
        if let Some(reason) = self.breaker.count(recipients, failed) {
            self.pause(Pause::Breaker(reason));
        }
    }

    /// The first call that says so asks for a new UserSig; calls sent with the old one are tried again; a new
    /// one that is refused as well is a matter for a person.
    fn signature_expired(&mut self, call: InFlight, answer: Answer) {
        if call.renewals < self.renewals {
            return;
        }
        if self.unproven_renewal {
            self.pause(Pause::Vendor(answer));
        } else {
            self.renewals += 1;
            self.unproven_renewal = true;
            self.renew_asked = true;
        }
    }

    fn retry(&mut self, now: Tick, number: u32) {
        self.tries.entry(number).or_default();
        self.retries.push_back((now + RETRY_AFTER, number));
    }

    fn resend_where_asked(&mut self, now: Tick, number: u32) {
        if self.settings.delivery.on_in_doubt != OnInDoubt::Resend {
            return;
        }
        // Counted over all runners: a timer must not send a batch again every minute.
        if self.batch(number).state.attempts < u32::from(MOST_TRIES) {
            self.change(Change::Resend(number));
            self.retry(now, number);
        }
    }

    /// What is past its expiry is not sent.
    fn expire(&mut self) {
        self.withdraw_ready();
        while let Some((_, number)) = self.retries.pop_front() {
            self.change(Change::Skip(number, SkipReason::Expired));
        }
        while let Some(number) = self.next_fresh() {
            self.change(Change::Skip(number, SkipReason::Expired));
        }
    }

    /// Takes back what was begun and has not left; it is the first to be begun again.
    fn withdraw_ready(&mut self) {
        while let Some(attempt) = self.ready.pop_back() {
            self.change(Change::Withdraw(attempt));
            self.retries.push_front((Tick::default(), attempt.batch));
        }
    }

    fn wait(&mut self, now: Tick) -> Step {
        let settled = self.committing.is_none() && self.in_flight.is_empty() && self.ready.is_empty();
        if let Some(pause) = &self.stop {
            return if settled { Step::Finished(self.end(pause.clone())) } else { Step::Idle };
        }
        let next = self.next_pending(now);
        if settled && next.is_none() && self.retries.is_empty() {
            return Step::Finished(End::Complete);
        }
        let lead = u64::try_from(LEAD.as_micros()).unwrap_or(0);
        let send = self.ready.front().map(|attempt| self.sendable_at(attempt.batch));
        let begin = next.map(|(number, _)| Tick(self.sendable_at(number).0.saturating_sub(lead)));
        let retry = self.retries.front().map(|(due, _)| *due);
        // What is due already waits for an event (an answer, a commit), not for the clock.
        let wake = [send, begin, retry, self.settings.expires_at].into_iter().flatten();
        wake.filter(|at| *at > now).min().map_or(Step::Idle, Step::Wait)
    }

    /// A run that was paused with nothing left to send is complete all the same.
    fn end(&self, pause: Pause) -> End {
        let remains = self.batches.iter().any(|batch| batch.state.status == Status::Pending);
        if remains { End::Paused(pause) } else { End::Complete }
    }
}
