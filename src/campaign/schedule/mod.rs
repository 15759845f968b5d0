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
//! # Whose clock
//!
//! Without `local_time` everybody shares the clock of `timezone`. With it each zone of the audience has its own: the
//! occurrence stays one run, and [`Schedule::wave`] gives each zone its windows; `local_time` says when such a run is
//! due. `quiet_hours` cut windows, by the same clock.
//!
//! Zone rules come from the database built into the program, not the system's: [`time_zone`] says why.

mod check;
mod due;
mod local_time;
mod moment;
mod occurrence;
mod quiet_hours;
mod raw;
mod rule;
mod wave;
mod zone;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

pub use check::Report;
pub use due::Due;
pub use occurrence::{Occurrence, parse_occurrence_id};
pub use quiet_hours::{QUIET_HOURS, QuietHours};
pub use raw::{Instants, Missed, RawSchedule, UnknownTimezone};
pub use rule::Rule;
pub use wave::{NoWave, Wave, Window};
pub use zone::time_zone;

use local_time::LocalTime;
use rule::instant_of;

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
    /// `None` where all recipients share the clock of `zone`.
    local_time: Option<LocalTime>,
    quiet_hours: Option<QuietHours>,
}

impl Schedule {
    /// The zone in which wall-clock times are meant.
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
    }

    /// What makes it due, without bounds and exceptions.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// A wall-clock time of the rule that the clocks of `timezone` jump over between two instants, so that it runs at
    /// the end of the jump, and nothing is due then otherwise.
    pub fn jumped_over(&self, from: Timestamp, until: Timestamp) -> Option<DateTime> {
        self.rule.jumped_over(&self.zone, from, until)
    }

    /// The hours in which nothing is sent.
    pub fn quiet_hours(&self) -> Option<QuietHours> {
        self.quiet_hours
    }

    /// What becomes of an occurrence nobody ran in its window.
    pub fn missed(&self) -> Missed {
        self.missed
    }

    /// The occurrences whose `at` is at or after `from` and before `until`, in order, each once: cutting an interval
    /// into parts finds the same ones.
    pub fn occurrences(&self, from: Timestamp, until: Timestamp) -> impl Iterator<Item = Occurrence> + '_ {
        self.instants(from).take_while(move |at| *at < until).map(|at| self.occurrence(at))
    }

    /// The occurrences that open after `after`, until `until`, in order.
    pub fn openings(&self, after: Timestamp, until: Timestamp) -> impl Iterator<Item = Occurrence> + '_ {
        // None opens after its `at`.
        self.instants(after)
            .map(|at| self.occurrence(at))
            .skip_while(move |occurrence| occurrence.opens_at <= after)
            .take_while(move |occurrence| occurrence.opens_at <= until)
    }

    /// The first occurrence that opens after `now`.
    pub fn next_after(&self, now: Timestamp) -> Option<Occurrence> {
        self.openings(now, Timestamp::MAX).next()
    }

    /// An occurrence of this schedule at an instant, as [`parse_occurrence_id`] reads one back. That the
    /// schedule has it is not checked: the campaign may have changed since.
    pub fn occurrence(&self, at: Timestamp) -> Occurrence {
        let (opens_at, expires_at) = match &self.local_time {
            None => self.span(at, &self.zone),
            Some(_) => (self.span(at, &local_time::eastmost()).0, self.span(at, &local_time::westmost()).1),
        };
        Occurrence { at, opens_at, expires_at, late_from: None }
    }

    /// The instants of occurrences at or after `from`, in order, each once.
    fn instants(&self, from: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        self.rule
            .instants(&self.zone, from.max(self.starts))
            .take_while(|at| *at < self.until)
            .filter(|at| !self.except.contains(&self.zone.to_datetime(*at).date()))
    }

    /// From where to where an occurrence may be sent in a zone, quiet hours aside.
    fn span(&self, at: Timestamp, zone: &TimeZone) -> (Timestamp, Timestamp) {
        let from = self.instant_in(zone, at);
        let until = after(from, self.longest_window());
        if self.expires_after.is_some() {
            return (from, until);
        }
        // A later occurrence takes the place of an earlier one that nobody ran: two at once would be one too many.
        let next = self.instants(after(at, Duration::from_nanos(1))).next();
        (from, next.map_or(until, |next| until.min(self.instant_in(zone, next))))
    }

    /// When a zone's clock shows what the campaign's own shows at `at`; `at` itself without `local_time`.
    fn instant_in(&self, zone: &TimeZone, at: Timestamp) -> Timestamp {
        match &self.local_time {
            None => at,
            Some(_) => instant_of(zone, self.zone.to_datetime(at)).unwrap_or(at),
        }
    }

    fn longest_window(&self) -> Duration {
        self.expires_after.unwrap_or(EXPIRES_AFTER_MOST)
    }
}

fn after(instant: Timestamp, distance: Duration) -> Timestamp {
    instant.saturating_add(distance).unwrap_or(Timestamp::MAX)
}

fn before(instant: Timestamp, distance: Duration) -> Timestamp {
    instant.saturating_sub(distance).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests;
