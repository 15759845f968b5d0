//! Dates and times as an author writes them.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::rule::instant_of;

/// Years in which a campaign can be due. They bound every search.
const YEARS: std::ops::RangeInclusive<i16> = 2000..=2999;

/// The first instant of the years a campaign can be due in.
pub(super) const FIRST: Timestamp = Timestamp::constant(946_684_800, 0);

/// The first instant after them.
pub(super) const END: Timestamp = Timestamp::constant(32_503_680_000, 0);

/// A date or time as an author writes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Moment {
    /// `2026-11-24`
    Day(Date),
    /// `2026-11-24T09:00`
    Local(DateTime),
    /// `2026-11-24T09:00Z`, `2026-11-24T09:00+02:00`
    Instant(Timestamp),
}

impl Moment {
    /// Reads one; the error ends a sentence.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let moment = if let Ok(instant) = text.parse::<Timestamp>() {
            Self::Instant(instant)
        } else if text.contains(['T', 't', ' ']) {
            Self::Local(text.parse().map_err(|_| "is not a time")?)
        } else {
            Self::Day(text.parse().map_err(|_| "is not a time")?)
        };
        // jiff reads over the zone of `2026-11-24T09:00[Europe/Berlin]`.
        if text.contains('[') {
            return Err("names a zone of its own; `timezone` names the zone".into());
        }
        let (year, nanosecond) = match moment {
            Self::Day(day) => (day.year(), 0),
            Self::Local(local) => (local.year(), local.subsec_nanosecond()),
            Self::Instant(instant) => {
                (TimeZone::UTC.to_datetime(instant).year(), instant.subsec_nanosecond())
            }
        };
        if !YEARS.contains(&year) {
            return Err(format!("is not in the years {} to {}", YEARS.start(), YEARS.end()));
        }
        if nanosecond != 0 {
            return Err("has a fraction of a second".into());
        }
        Ok(moment)
    }

    /// The first instant of it.
    pub(super) fn first_instant(self, zone: &TimeZone) -> Timestamp {
        match self {
            Self::Day(day) => resolved(zone, day.to_datetime(Time::midnight())),
            Self::Local(local) => resolved(zone, local),
            Self::Instant(instant) => instant,
        }
    }

    /// The first instant after it: after the whole day where it is a date.
    pub(super) fn end(self, zone: &TimeZone) -> Timestamp {
        match self {
            Self::Day(day) => Self::Day(day.saturating_add(1.day())).first_instant(zone),
            moment => moment.first_instant(zone) + SignedDuration::from_secs(1),
        }
    }
}

fn resolved(zone: &TimeZone, local: DateTime) -> Timestamp {
    instant_of(zone, local).expect("every local time of the checked years has an instant")
}
