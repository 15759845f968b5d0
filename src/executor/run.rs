//! One run: which batch to begin, when to send it, what to make of the answer.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::breaker::Breaker;
use super::line::{LEAD, Line};
use super::queue::Queue;
use super::{End, Event, Pause, Settings, Step, Tick};
use crate::campaign::OnInDoubt;
use crate::outcome::{Answer, Outcome};
use crate::state::{Attempt, Batch, Change, SkipReason, Status, Tally};

/// The vendor drops equal MsgRandom within one second. A batch is not tried again sooner, so that a retry
/// cannot be taken for a duplicate of a call that was refused.
const RETRY_AFTER: Duration = Duration::from_millis(1_200);

/// Tries of a batch that the vendor's passing faults, or the campaign's `on_in_doubt: resend`, may cause.
const MOST_TRIES: u8 = 5;

/// What a run asks for.
#[derive(Debug)]
pub(super) enum Poll {
    Do(Step),
    /// Nothing before this tick, unless something happens.
    Wait(Option<Tick>),
}

#[derive(Debug, Clone, Copy)]
struct InFlight {
    attempt: Attempt,
    sent: Tick,
    /// How many times the UserSig had been renewed when it was sent.
    renewals: u32,
}

/// The scheduler of one run. See the contract in [`super`].
#[derive(Debug)]
pub struct Executor {
    settings: Settings,
    breaker: Breaker,
    /// By number: batch 1 stands at index 0.
    batches: Vec<Batch>,
    queue: Queue,
    /// Tries of batches that had to be tried more than once.
    tries: HashMap<u32, u8>,
    /// Batches that are being sent again though an earlier attempt of theirs may have been carried out. Whatever becomes
    /// of the later one, unless it is accepted they are in doubt.
    doubtful: HashSet<u32>,
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
    /// Why what is left in waves that are closed for good is not sent.
    skip_reason: SkipReason,
    stop: Option<Pause>,
}

impl Executor {
    /// An executor for a run as the state knows it, with its `tally`. No batch may be `Sending`: recovery has made those in
    /// doubt. Batches in doubt are begun again only under `on_in_doubt: resend`. Every batch's wave is one of
    /// `settings.waves`.
    pub fn new(mut settings: Settings, batches: Vec<Batch>, tally: Tally) -> Self {
        let queue = Queue::new(std::mem::take(&mut settings.waves));
        let mut executor = Self {
            breaker: Breaker::new(settings.delivery.max_failures),
            settings,
            batches,
            queue,
            tries: HashMap::new(),
            doubtful: HashSet::new(),
            outbox: Vec::new(),
            beginning: Vec::new(),
            committing: None,
            ready: VecDeque::new(),
            in_flight: HashMap::new(),
            tally,
            renewals: 0,
            unproven_renewal: false,
            renew_asked: false,
            skip_reason: SkipReason::Expired,
            stop: None,
        };
        for number in 1..=executor.batches.len() as u32 {
            let Batch { wave, state, .. } = *executor.batch(number);
            match state.status {
                Status::InDoubt => executor.resend_where_asked(Tick::default(), number),
                // An earlier runner may have tried it within the last second.
                Status::Pending if state.attempts > 0 => executor.retry(Tick::default(), number),
                Status::Pending => executor.queue.add(wave, number),
                Status::Sending | Status::Accepted | Status::Failed | Status::Skipped => {}
            }
        }
        executor
    }

    /// What to do now, on the line of the run's app. Asked again after every step, and after a wait when the tick has
    /// come or an event has been handled, its own or another run's.
    pub(super) fn poll(&mut self, now: Tick, line: &mut Line) -> Poll {
        if let Some(pause) = line.stop() {
            self.pause(pause.clone());
        }
        self.queue.advance(now);
        if self.stop.is_some() || line.holds_back(now) {
            self.withdraw(line, |_| true);
        } else {
            self.withdraw_closed(line);
        }
        for number in self.queue.take_expired() {
            // What is in doubt stays so: it may have been sent.
            if self.batch(number).state.status == Status::Pending {
                self.change(Change::Skip(number, self.skip_reason));
            }
        }
        if self.stop.is_none() {
            if std::mem::take(&mut self.renew_asked) {
                return Poll::Do(Step::Renew);
            }
            if let Some(attempt) = self.send(now, line) {
                return Poll::Do(Step::Send(attempt));
            }
            self.begin(now, line);
        }
        if self.committing.is_none() && !self.outbox.is_empty() {
            self.committing = Some(std::mem::take(&mut self.beginning));
            return Poll::Do(Step::Commit(std::mem::take(&mut self.outbox)));
        }
        self.wait(now, line)
    }

    /// Takes in what happened.
    pub(super) fn handle(&mut self, now: Tick, event: Event, line: &mut Line) {
        match event {
            Event::Durable => {
                let begun = self.committing.take().unwrap_or_default();
                self.ready.extend(begun);
            }
            Event::Answered(attempt, outcome) => self.answered(now, attempt, outcome, line),
            Event::Interrupted(pause) => self.pause(pause),
            Event::Cancelled => {
                self.pause(Pause::Operator);
                self.skip_reason = SkipReason::Cancelled;
                self.queue.close();
            }
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

    fn pause(&mut self, pause: Pause) {
        // The first reason is the one that explains the others.
        self.stop.get_or_insert(pause);
    }

    fn batch(&mut self, number: u32) -> &mut Batch {
        &mut self.batches[number as usize - 1]
    }

    fn wave(&self, number: u32) -> u32 {
        self.batches[number as usize - 1].wave
    }

    fn recipients(&self, number: u32) -> u32 {
        u32::from(self.batches[number as usize - 1].recipients)
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
    fn send(&mut self, now: Tick, line: &mut Line) -> Option<Attempt> {
        let attempt = *self.ready.front()?;
        let recipients = self.recipients(attempt.batch);
        if line.sendable_at(recipients) > now || !line.may_send_beside() {
            return None;
        }
        self.ready.pop_front();
        line.send(now, recipients);
        let in_flight = InFlight { attempt, sent: now, renewals: self.renewals };
        self.in_flight.insert(attempt.batch, in_flight);
        Some(attempt)
    }

    /// Begins batches that may be sent soon.
    fn begin(&mut self, now: Tick, line: &mut Line) {
        while line.has_room() && self.has_room() {
            let Some(next) = self.queue.next(now) else { return };
            if line.sendable_at(self.recipients(next.number)) > now + LEAD {
                return;
            }
            self.queue.take(next);
            if self.batch(next.number).state.status == Status::InDoubt {
                self.change(Change::Resend(next.number));
                self.doubtful.insert(next.number);
            }
            let attempt = Attempt { batch: next.number, number: self.batch(next.number).state.attempts + 1 };
            self.change(Change::Begin(attempt));
            self.beginning.push(attempt);
            line.begin();
        }
    }

    fn has_room(&self) -> bool {
        let waiting = self.beginning.len() + self.committing.as_ref().map_or(0, Vec::len) + self.ready.len();
        waiting + self.in_flight.len() < self.settings.delivery.in_flight as usize
    }

    fn answered(&mut self, now: Tick, attempt: Attempt, outcome: Outcome, line: &mut Line) {
        let Some(call) = self.in_flight.remove(&attempt.batch) else {
            debug_assert!(false, "an answer to a call that was not sent: {attempt:?}");
            return;
        };
        debug_assert_eq!(call.attempt, attempt);
        line.ended();
        let outcome = self.give_up_where_tried_enough(attempt.batch, outcome);
        let is_doubtful = self.doubtful.remove(&attempt.batch);
        let settled = match outcome.answer() {
            // That this attempt was not carried out says nothing of the earlier one.
            Some(answer) if is_doubtful => Outcome::InDoubt(answer.clone()),
            _ => outcome.clone(),
        };
        self.change(Change::Settle(attempt, settled));
        let recipients = u64::from(self.recipients(attempt.batch));
        match outcome {
            Outcome::Accepted { failed, .. } => {
                self.server_answered(call, line);
                self.count_failures(recipients, failed.len() as u64);
            }
            Outcome::Rejected(_) => {
                self.server_answered(call, line);
                self.count_failures(recipients, recipients);
            }
            Outcome::InDoubt(answer) => {
                line.failed(now, call.sent, false, answer);
                self.count_failures(recipients, recipients);
                self.resend_where_asked(now, attempt.batch);
            }
            Outcome::Throttled(answer) => {
                line.failed(now, call.sent, true, answer);
                self.retry(now, attempt.batch);
            }
            Outcome::TryAgain(answer) | Outcome::Unreached(answer) => {
                line.failed(now, call.sent, false, answer);
                self.retry(now, attempt.batch);
            }
            Outcome::SignatureExpired(answer) => {
                self.signature_expired(call, answer, line);
                self.retry(now, attempt.batch);
            }
            Outcome::Stopped(answer) => {
                line.set_stop(Pause::Vendor(answer));
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

    fn server_answered(&mut self, call: InFlight, line: &mut Line) {
        line.succeeded(call.sent);
        self.unproven_renewal &= call.renewals < self.renewals;
    }

    fn count_failures(&mut self, recipients: u64, failed: u64) {
        if let Some(reason) = self.breaker.count(recipients, failed) {
            self.pause(Pause::Breaker(reason));
        }
    }

    /// The first call that says so asks for a new UserSig; calls sent with the old one are tried again; a new
    /// one that is refused as well is a matter for a person.
    fn signature_expired(&mut self, call: InFlight, answer: Answer, line: &mut Line) {
        if call.renewals < self.renewals {
            return;
        }
        if self.unproven_renewal {
            line.set_stop(Pause::Vendor(answer));
        } else {
            self.renewals += 1;
            self.unproven_renewal = true;
            self.renew_asked = true;
        }
    }

    fn retry(&mut self, now: Tick, number: u32) {
        self.tries.entry(number).or_default();
        let wave = self.batch(number).wave;
        self.queue.retry(wave, number, now + RETRY_AFTER);
    }

    fn resend_where_asked(&mut self, now: Tick, number: u32) {
        if self.settings.delivery.on_in_doubt != OnInDoubt::Resend {
            return;
        }
        // Counted over all runners: a timer must not send a batch again every minute. It is in doubt until it is begun.
        if self.batch(number).state.attempts < u32::from(MOST_TRIES) {
            self.retry(now, number);
        }
    }

    /// Takes back what was begun and has not left, where its wave is closed.
    fn withdraw_closed(&mut self, line: &mut Line) {
        if self.ready.iter().any(|attempt| !self.queue.is_open(self.wave(attempt.batch))) {
            self.withdraw(line, |is_open| !is_open);
        }
    }

    /// Takes back what was begun and has not left, where asked for by whether its wave is open; it is the first to be
    /// begun again.
    fn withdraw(&mut self, line: &mut Line, which: impl Fn(bool) -> bool) {
        for attempt in std::mem::take(&mut self.ready).into_iter().rev() {
            let wave = self.wave(attempt.batch);
            if which(self.queue.is_open(wave)) {
                line.withdraw();
                let change = if self.doubtful.remove(&attempt.batch) {
                    let answer = Answer::local("an earlier attempt is in doubt, and this one has not left");
                    Change::Settle(attempt, Outcome::InDoubt(answer))
                } else {
                    Change::Withdraw(attempt)
                };
                self.change(change);
                self.queue.put_back(wave, attempt.batch);
            } else {
                self.ready.push_front(attempt);
            }
        }
    }

    fn wait(&self, now: Tick, line: &Line) -> Poll {
        let settled = self.committing.is_none() && self.in_flight.is_empty() && self.ready.is_empty();
        let finished = |end| Poll::Do(Step::Finished(end));
        if let Some(pause) = &self.stop {
            return if settled { finished(self.end(pause.clone())) } else { Poll::Wait(None) };
        }
        if settled && self.queue.is_empty() {
            return finished(End::Complete);
        }
        if let Some(opens_at) =
            self.queue.waits_until().filter(|at| settled && *at > self.settings.stay_until)
        {
            return finished(End::Waiting(opens_at));
        }
        let lead = u64::try_from(LEAD.as_micros()).unwrap_or(0);
        let send = self.ready.front().map(|attempt| line.sendable_at(self.recipients(attempt.batch)));
        let next = self.queue.next(now);
        let begin =
            next.map(|next| Tick(line.sendable_at(self.recipients(next.number)).0.saturating_sub(lead)));
        // What is due already waits for an event (an answer, a commit), not for the clock.
        let wake = [send, begin, self.queue.next_retry(), self.queue.turn()].into_iter().flatten();
        Poll::Wait(wake.filter(|at| *at > now).min())
    }

    /// A run that was paused with nothing left to send is complete all the same.
    fn end(&self, pause: Pause) -> End {
        let remains = self.batches.iter().any(|batch| batch.state.status == Status::Pending);
        if remains { End::Paused(pause) } else { End::Complete }
    }
}
