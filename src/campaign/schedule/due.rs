//! What a schedule asks for now: what to run, and what has been missed.

use std::time::Duration;

use jiff::Timestamp;

use super::rule::Rule;
use super::{Missed, Occurrence, Schedule, after, before, local_time, quiet_hours};

/// What a schedule asks for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// To be run, oldest first. One that `missed` sends late says so.
    pub run: Vec<Occurrence>,
    /// Not to be sent any more, oldest first: to be recorded as skipped. [`Schedule::wave`] says why where it is
    /// quiet hours; else nobody ran it in its window.
    pub missed: Vec<Occurrence>,
    /// When the next occurrence opens.
    pub next: Option<Timestamp>,
}

impl Schedule {
    /// From when on a campaign that was never seen before answers for what it missed: always where its instants are
    /// listed, else from now on. `starts` may be long past, since `every` counts from it: with `missed: send` a new
    /// campaign would send a year of runs at once.
    pub fn answers_since(&self, now: Timestamp) -> Timestamp {
        match self.rule {
            Rule::At(_) => Timestamp::MIN,
            Rule::Cron(_) | Rule::Every { .. } => now,
        }
    }

    /// What to run at `now`, and what has been missed since `since`.
    ///
    /// An occurrence that has opened and not expired is run unless it is `settled` (run or skipped before), also
    /// where it opened before `since`. One that expired unsettled is looked for from `since` on, and `missed`
    /// decides: `skip` lists it as missed; `send` runs it late; `latest` runs it late where no later occurrence
    /// has opened, and lists it else. Under `local_time` that holds for each wave: of an occurrence that is run,
    /// `send` and `latest` send also those waves late that have passed.
    ///
    /// One that lies in quiet hours until it expires is never run. It is listed as missed as soon as it opens.
    ///
    /// The work is one step for each occurrence since `since`, so a caller moves `since` on.
    pub fn due(&self, now: Timestamp, settled: &dyn Fn(&Occurrence) -> bool, since: Timestamp) -> Due {
        let spread = if self.local_time.is_some() { local_time::SPREAD } else { Duration::ZERO };
        let oldest_open = before(now, self.longest_window() + spread);
        let past = self.instants(since.min(oldest_open)).take_while(|at| *at <= after(now, spread));
        let mut past =
            past.map(|at| self.occurrence(at)).take_while(|occurrence| occurrence.opens_at <= now).peekable();
        let mut due = Due { run: Vec::new(), missed: Vec::new(), next: None };
        while let Some(occurrence) = past.next() {
            if settled(&occurrence) {
                continue;
            }
            let is_open = now < occurrence.expires_at;
            if !is_open && occurrence.opens_at < since {
                // Before the campaign was known: nobody's to miss.
                continue;
            }
            // Under `local_time` each wave has quiet hours of its own.
            let is_silent = self.local_time.is_none() && self.windows(&occurrence, &self.zone).is_err();
            let may_be_late = occurrence.opens_at >= since
                && match self.missed {
                    Missed::Skip => false,
                    Missed::Send => true,
                    Missed::Latest => past.peek().is_none(),
                };
            if is_silent {
                due.missed.push(occurrence);
            } else if may_be_late && (!is_open || self.local_time.is_some()) {
                due.run.push(self.late(occurrence, now));
            } else if is_open {
                due.run.push(occurrence);
            } else {
                due.missed.push(occurrence);
            }
        }
        due.next = self.next_after(now).map(|next| next.opens_at);
        due
    }

    /// What has passed of the occurrence is sent from now on.
    pub(super) fn late(&self, occurrence: Occurrence, now: Timestamp) -> Occurrence {
        // A late window opens once the quiet hours are over.
        let waits = self.quiet_hours.map_or(Duration::ZERO, |_| quiet_hours::LONGEST);
        let last = after(now, self.longest_window() + waits);
        Occurrence { expires_at: occurrence.expires_at.max(last), late_from: Some(now), ..occurrence }
    }
}
