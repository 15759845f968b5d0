//! `local_time`: one wall-clock time, an instant in every zone.
//!
//! An occurrence stays one run. Its `at`, and so its id, is the instant at which the clock of `timezone` shows the
//! time; `starts`, `ends` and `except` are read by that clock too. The recipients of a zone are a wave, which opens
//! when *their* clock shows what the clock of `timezone` shows at `at`. So a time that the campaign's own clocks
//! jump over is the first time after the jump for everybody, and each zone's clocks have the last word on it:
//! what they jump over opens at the end of their jump, what they pass twice at the first pass.
//!
//! # When such a run is due
//!
//! Which zones an audience has is not known before it is read, but all zones lie between UTC+14 ([`EASTMOST`])
//! and UTC−12 ([`WESTMOST`]). 09:00 comes to Kiritimati 26 hours before it comes to Baker Island: with
//! `timezone: UTC` from 14 hours before `at` to 12 hours after it. So the run is due from the first instant at
//! which any clock can show the time, which is before `at` unless the campaign itself is at home in UTC+14, until
//! the window of UTC−12 has closed. Where the audience has no zone so far east the run is frozen early and waits.
//! The date is everybody's own: Honolulu's 24 November begins 24 hours after Kiritimati's.
//!
//! Runs of a daily campaign therefore overlap: the next one opens in the east while the last one is still open in
//! the west. No recipient is in both at once, unless `expires_after` says more than the distance of occurrences.

use std::time::Duration;

use jiff::tz::{Offset, TimeZone};

use super::raw::UnknownTimezone;

/// The clocks that are first to show a time: Kiritimati's.
const EASTMOST: Offset = Offset::constant(14);

/// The clocks that are last: Baker Island's, where ships keep the time.
const WESTMOST: Offset = Offset::constant(-12);

/// From the first clock that shows a time to the last one.
pub(super) const SPREAD: Duration = Duration::from_secs(26 * 3600);

/// How the recipients' own clocks count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LocalTime {
    /// The column with each recipient's zone.
    pub(super) column: String,
    /// What becomes of those whose zone is not known.
    pub(super) unknown: UnknownTimezone,
}

/// The clock that is first to show a time.
pub(super) fn eastmost() -> TimeZone {
    TimeZone::fixed(EASTMOST)
}

/// The clock that is last to show it.
pub(super) fn westmost() -> TimeZone {
    TimeZone::fixed(WESTMOST)
}
