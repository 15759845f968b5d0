//! When a campaign is due: from `schedule:` to instants.
//!
//! [`RawSchedule`] is what an author writes, [`Schedule`] what is checked; [`Schedule::occurrences`] finds every
//! instant of an interval exactly once, and [`Schedule::due`] says what to run now. There is no clock here: now
//! is an argument.
//!
//! # Daylight saving
//!
//! `at` without an offset, `cron` and `every` all mean wall-clock times of `timezone`, and one rule turns a
//! wall-clock time into an instant:
//!
//! - A time that does not exist, because the clocks went forward over it, runs at the first instant after the
//!   jump: 02:30 in New York on 8 March 2026 runs at 03:00. Several times inside one jump, or one inside and
//!   one at its end, are one occurrence.
//! - A time that exists twice, because the clocks went back over it, runs once, at the first of the two: 01:30
//!   in New York on 1 November 2026 runs at 01:30 EDT. So does every time of a `*/15 * * * *` in that hour:
//!   the second pass of it has no occurrence.
//!
//! An `at` with an offset or `Z` is an instant and needs no rule.
//!
//! Zone rules come from the database built into the program, not the system's: [`time_zone`] says why.

mod check;
mod moment;
mod occurrence;
mod raw;
mod rule;
mod wave;
mod zone;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub use check::Report;
pub use occurrence::{Occurrence, parse_occurrence_id};
pub use raw::{Instants, Missed, RawSchedule};
pub use wave::{Wave, Window};
pub use zone::time_zone;

use rule::Rule;

/// The longest window where the author wrote none. Late is worse than never.
const EXPIRES_AFTER_MOST: Duration = Duration::from_secs(24 * 3600);

/// A checked schedule. Built only by [`RawSchedule::check`], which makes sure that it is due at least once.
#[derive(Debug, Clone)]
pub struct Schedule {
    rule: Rule,
    zone: TimeZone,
    /// No occurrence before it; whole seconds.
    starts: Timestamp,
    /// No occurrence at or after it.
    until: Timestamp,
    /// Local dates without an occurrence.
    except: BTreeSet<Date>,
    /// `None` where the author left it out: until the next occurrence, and a day at the most.
    expires_after: Option<Duration>,
    missed: Missed,
}

/// What a schedule asks for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// To be run, oldest first. One that `missed` sends late has a window that begins now.
    pub run: Vec<Occurrence>,
    /// Past their window and not to be sent any more, oldest first: to be recorded as skipped.
    pub missed: Vec<Occurrence>,
    /// The next occurrence after now.
    pub next: Option<Timestamp>,
}

impl Schedule {
    /// The zone in which wall-clock times are meant.
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
    }

    /// What becomes of an occurrence nobody ran in its window.
    pub fn missed(&self) -> Missed {
        self.missed
    }

    /// The occurrences at or after `from` and before `until`, in order, each once: cutting an interval into
    /// parts finds the same ones.
    pub fn occurrences(&self, from: Timestamp, until: Timestamp) -> impl Iterator<Item = Occurrence> + '_ {
        let until = until.min(self.until);
        self.rule
            .instants(&self.zone, from.max(self.starts))
            .take_while(move |at| *at < until)
            .filter(|at| !self.except.contains(&self.zone.to_datetime(*at).date()))
            .map(|at| self.occurrence(at))
    }

    /// The first occurrence after `now`.
    pub fn next_after(&self, now: Timestamp) -> Option<Occurrence> {
        let from = now.checked_add(SignedDuration::from_nanos(1)).ok()?;
        self.occurrences(from, Timestamp::MAX).next()
    }

    /// An occurrence of this schedule at an instant, as [`parse_occurrence_id`] reads one back. That the
    /// schedule has it is not checked: the campaign may have changed since.
    pub fn occurrence(&self, at: Timestamp) -> Occurrence {
        let expires_at = at.saturating_add(self.longest_window()).unwrap_or(Timestamp::MAX);
        if self.expires_after.is_some() {
            return Occurrence { at, expires_at };
        }
        // A later occurrence takes the place of an earlier one that nobody ran: two at once would be one too many.
        let after = at.saturating_add(SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MAX);
        let next = self.rule.instants(&self.zone, after).next().filter(|next| *next < self.until);
        Occurrence { at, expires_at: next.map_or(expires_at, |next| expires_at.min(next)) }
    }

    fn longest_window(&self) -> Duration {
        self.expires_after.unwrap_or(EXPIRES_AFTER_MOST)
    }

    /// From when on a campaign that was never run answers for what it missed: always where its instants are
    /// listed, from `starts` where that is written, else from now on.
    pub fn answers_since(&self, now: Timestamp) -> Timestamp {
        match self.rule {
            Rule::At(_) => Timestamp::MIN,
            Rule::Cron(_) | Rule::Every { .. } if self.starts > Timestamp::MIN => self.starts,
            Rule::Cron(_) | Rule::Every { .. } => now,
        }
    }

    /// What to run at `now`, and what has been missed since `since`.
    ///
    /// An occurrence whose window holds `now` is run unless it is `settled` (run or skipped before), also
    /// where it lies before `since`. One whose window has passed unsettled is looked for from `since` on, and
    /// `missed` decides: `skip` lists it as missed; `send` runs it late; `latest` runs it late where no later
    /// occurrence has come, and lists it else.
    ///
    /// The work is one step for each occurrence since `since`, so a caller moves `since` on.
    pub fn due(&self, now: Timestamp, settled: &dyn Fn(&Occurrence) -> bool, since: Timestamp) -> Due {
        let oldest_open = now.saturating_sub(self.longest_window()).unwrap_or(Timestamp::MIN);
        let after_now = now.saturating_add(SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MAX);
        let mut past = self.occurrences(since.min(oldest_open), after_now).peekable();
        let mut due = Due { run: Vec::new(), missed: Vec::new(), next: None };
        while let Some(occurrence) = past.next() {
            if settled(&occurrence) {
                continue;
            }
            let late = match self.missed {
                Missed::Skip => false,
                Missed::Send => true,
                Missed::Latest => past.peek().is_none(),
            };
            if now < occurrence.expires_at {
                due.run.push(occurrence);
            } else if occurrence.at < since {
                // Before the campaign was known: nobody's to miss.
            } else if late {
                let expires_at = now.saturating_add(self.longest_window()).unwrap_or(Timestamp::MAX);
                due.run.push(Occurrence { expires_at, ..occurrence });
            } else {
                due.missed.push(occurrence);
            }
        }
        due.next = self.next_after(now).map(|next| next.at);
        due
    }
}

#[cfg(test)]
mod tests;
