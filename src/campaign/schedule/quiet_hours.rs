//! Hours in which nothing is sent, and what they leave of a window.

use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

use super::rule::instant_of;
use super::wave::Window;

/// Quiet hours as the schema describes them.
pub const QUIET_HOURS: &str = "^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$";

/// Longer than any quiet hours last: less than a day on the clock, and a day more than any clock is set by.
pub(super) const LONGEST: Duration = Duration::from_secs(48 * 3600);

/// From a time of day to another one, over midnight where the first is the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    from: Time,
    until: Time,
}

impl QuietHours {
    /// Reads `22:00-08:00`.
    ///
    /// # Errors
    /// What is wrong, in one sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let time = |text: &str| {
            let (hour, minute) = text.split_once(':')?;
            let part = |part: &str| {
                let two_digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
                part.parse().ok().filter(|_| two_digits)
            };
            Time::new(part(hour)?, part(minute)?, 0, 0).ok()
        };
        let (from, until) = text
            .split_once('-')
            .and_then(|(from, until)| Some((time(from)?, time(until)?)))
            .ok_or_else(|| format!("\"{text}\" is not a span of hours"))?;
        if from == until {
            return Err(format!("\"{text}\" begins and ends at the same time of day"));
        }
        Ok(Self { from, until })
    }

    /// The hours between these: those of the day that are not quiet become so.
    pub(in crate::campaign) fn others(self) -> Self {
        Self { from: self.until, until: self.from }
    }

    /// What the quiet hours of a zone leave of `[from, until)`: windows in order, each of some length, apart from each
    /// other. In none of their instants does the zone's clock show a time within the quiet hours: where the clocks
    /// go back over the end of the hours, they end with the second pass.
    pub(in crate::campaign) fn cut(&self, zone: &TimeZone, from: Timestamp, until: Timestamp) -> Vec<Window> {
        let mut windows = Vec::new();
        let mut open = from;
        let mut push = |opens_at: Timestamp, closes_at: Timestamp| {
            if opens_at < closes_at {
                windows.push(Window { opens_at: Some(opens_at), closes_at: Some(closes_at) });
            }
        };
        // The hours that began the day before may still last.
        let first = zone.to_datetime(from).date().saturating_sub(1.day());
        for date in first.series(1.day()) {
            match self.on(zone, date) {
                Some((quiet, _)) if quiet >= until => break,
                // A jump of the clocks may leave nothing of them.
                Some((quiet, loud)) if quiet < loud => {
                    push(open, quiet);
                    open = open.max(loud);
                }
                Some(_) => {}
                None => break,
            }
        }
        push(open, until);
        windows
    }

    /// The first instant at or after `from` that is not quiet.
    pub(super) fn end(&self, zone: &TimeZone, from: Timestamp) -> Timestamp {
        let until = from.saturating_add(LONGEST).unwrap_or(Timestamp::MAX);
        self.cut(zone, from, until).first().and_then(|window| window.opens_at).unwrap_or(from)
    }

    /// The quiet hours that begin on a date; `None` only at the ends of time.
    fn on(&self, zone: &TimeZone, date: Date) -> Option<(Timestamp, Timestamp)> {
        let last_day = if self.until <= self.from { date.tomorrow().ok()? } else { date };
        Some((
            instant_of(zone, date.to_datetime(self.from))?,
            last_instant_of(zone, last_day.to_datetime(self.until))?,
        ))
    }
}

/// As [`instant_of`], with the second pass of a time that exists twice.
fn last_instant_of(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Fold { after, .. } => after.to_timestamp(local).ok(),
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => instant_of(zone, local),
    }
}
