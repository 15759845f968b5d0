//! What the runs of one app share: its rate, how its server does, and why nothing more is sent to it.

use super::backoff::{Backoff, Round};
use super::{Pace, Pause, Tick};
use crate::outcome::Answer;

use std::time::Duration;

/// How long before it may be sent a batch is begun, so that its commit does not delay it. What is begun and
/// not sent is in doubt after a crash, so this is kept short.
pub(super) const LEAD: Duration = Duration::from_millis(20);

/// The one way to an app's server. Every permit of the rate is taken here, whichever run it is for.
#[derive(Debug)]
pub struct Line {
    pace: Pace,
    backoff: Backoff,
    /// Batches of all runs that are begun and have not left.
    begun: u32,
    /// Calls of all runs that have left and are not answered.
    in_flight: u32,
    stop: Option<Pause>,
}

impl Line {
    /// A line to a server that nothing is known of yet. `seed` decides the jitter of the backoff.
    pub fn new(pace: Pace, seed: u64) -> Self {
        Self { pace, backoff: Backoff::new(seed), begun: 0, in_flight: 0, stop: None }
    }

    /// Until when the server's failures hold everything back, and in which they do.
    pub fn held_until(&self) -> Option<Tick> {
        self.backoff.probing().then(|| self.backoff.hold_until())
    }

    /// Why no run of the app sends any more.
    pub(super) fn stop(&self) -> Option<&Pause> {
        self.stop.as_ref()
    }

    /// Nothing more is sent. The first reason is the one that explains the others.
    pub(super) fn set_stop(&mut self, pause: Pause) {
        self.stop.get_or_insert(pause);
    }

    /// The earliest tick at which a call with so many recipients may leave, were it alone.
    pub(super) fn sendable_at(&self, recipients: u32) -> Tick {
        self.pace.earliest(recipients).max(self.backoff.hold_until())
    }

    /// May a call leave beside those in flight? After a failure one goes at a time.
    pub(super) fn may_send_beside(&self) -> bool {
        !self.backoff.probing() || self.in_flight == 0
    }

    /// Does the server's failure hold back what is begun for longer than its lead?
    pub(super) fn holds_back(&self, now: Tick) -> bool {
        self.backoff.hold_until() > now + LEAD
    }

    /// May one more batch be begun? No more than leave within the lead, of all runs together: what is begun and not
    /// sent is in doubt after a crash.
    pub(super) fn has_room(&self) -> bool {
        if self.backoff.probing() {
            self.begun + self.in_flight < 1
        } else {
            self.begun < self.pace.within(LEAD, 500)
        }
    }

    pub(super) fn begin(&mut self) {
        self.begun += 1;
    }

    pub(super) fn withdraw(&mut self) {
        self.begun -= 1;
    }

    /// A call leaves: takes the permit.
    pub(super) fn send(&mut self, now: Tick, recipients: u32) {
        self.begun -= 1;
        self.in_flight += 1;
        self.pace.take(now, recipients);
    }

    /// A call has come to its end, whatever it was.
    pub(super) fn ended(&mut self) {
        self.in_flight -= 1;
    }

    /// A call that was sent at `sent` was answered as it should be.
    pub(super) fn succeeded(&mut self, sent: Tick) {
        self.backoff.succeeded(sent);
    }

    /// A call that was sent at `sent` did badly; it was throttled where `too_fast`.
    pub(super) fn failed(&mut self, now: Tick, sent: Tick, too_fast: bool, answer: Answer) {
        match self.backoff.failed(now, sent) {
            // It was on its way when the last failure became known.
            Round::Same => return,
            Round::New => {}
            Round::Last => self.set_stop(Pause::Unavailable(answer)),
        }
        if too_fast {
            self.pace.slow_down(now);
        }
    }
}
