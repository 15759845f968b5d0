//! The part of a run that one wall clock rules: when its recipients may be sent to.
//!
//! A run without `local_time` is one wave. With it, each zone of the audience is one, and the same wall-clock
//! instant opens each at another time. Quiet hours cut a wave into several windows.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::local_time::LocalTime;
use super::{Occurrence, Schedule, UnknownTimezone, after, zone};

/// Recipients that share their windows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Wave {
    /// When its calls may leave: at least one window, in order, apart from each other. First in the struct, so that
    /// waves sort by when they open.
    pub windows: Vec<Window>,
    /// The zone's name; `None` where the run is one wave.
    pub zone: Option<String>,
}

/// A time in which calls may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Window {
    /// The first instant; `None` where it is open from the start.
    pub opens_at: Option<Timestamp>,
    /// From here on closed; `None` where it never closes, which only a wave's last window may.
    pub closes_at: Option<Timestamp>,
}

impl Wave {
    /// The one wave of a run without `local_time` and quiet hours.
    pub fn until(expires_at: Option<Timestamp>) -> Self {
        Self { windows: vec![Window { opens_at: None, closes_at: expires_at }], zone: None }
    }

    /// When what is not sent yet is no longer sent; `None` is never.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.windows.last().and_then(|window| window.closes_at)
    }
}

/// Why recipients have no wave: they are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum NoWave {
    /// Under `unknown_timezone: skip`.
    #[error("their time zone is missing or not known")]
    UnknownTimezone,
    /// Their whole window lies in the quiet hours.
    #[error("the quiet hours outlast their window")]
    QuietHours,
    /// Their clocks jump over this occurrence to the next one, which takes its place.
    #[error("the next occurrence takes its place")]
    GivesWay,
}

impl Schedule {
    /// The column of the audience with each recipient's zone: under `local_time`, and `None` else.
    pub fn timezone_column(&self) -> Option<&str> {
        self.local_time.as_ref().map(|local_time| local_time.column.as_str())
    }

    /// The wave of the recipients with this value in [`Schedule::timezone_column`]; without `local_time` the one wave
    /// of the run, whatever `zone` says. Different values may have equal waves: `Europe/Berlin` and `europe/berlin`,
    /// and all values that `unknown_timezone: default` stands in for.
    ///
    /// What there is of the wave may have passed already: there is no clock here.
    ///
    /// # Errors
    /// These recipients are not sent to in this run.
    pub fn wave(&self, occurrence: &Occurrence, zone: Option<&str>) -> Result<Wave, NoWave> {
        let Some(LocalTime { unknown, .. }) = &self.local_time else {
            return Ok(Wave { windows: self.windows(occurrence, &self.zone)?, zone: None });
        };
        let zone = match (zone.and_then(zone::known), unknown) {
            (Some(zone), _) => zone,
            (None, UnknownTimezone::Default) => self.zone.clone(),
            (None, UnknownTimezone::Skip) => return Err(NoWave::UnknownTimezone),
        };
        let windows = self.windows(occurrence, &zone)?;
        Ok(Wave { windows, zone: zone.iana_name().map(str::to_owned) })
    }

    /// The windows of an occurrence in a zone: at least one.
    pub(super) fn windows(&self, occurrence: &Occurrence, zone: &TimeZone) -> Result<Vec<Window>, NoWave> {
        let (from, until) = self.span(occurrence.at, zone);
        if until <= from {
            return Err(NoWave::GivesWay);
        }
        let windows = self.outside_quiet_hours(zone, from, until);
        // What was never to be sent is not sent late either.
        let closes_at = windows.last().ok_or(NoWave::QuietHours)?.closes_at;
        Ok(match occurrence.late_from {
            Some(late_from) if closes_at.is_some_and(|closes_at| closes_at <= late_from) => {
                let from = self.quiet_hours.map_or(late_from, |quiet_hours| quiet_hours.end(zone, late_from));
                self.outside_quiet_hours(zone, from, after(from, self.longest_window()))
            }
            _ => windows,
        })
    }

    fn outside_quiet_hours(&self, zone: &TimeZone, from: Timestamp, until: Timestamp) -> Vec<Window> {
        match &self.quiet_hours {
            None => vec![Window { opens_at: Some(from), closes_at: Some(until) }],
            Some(quiet_hours) => quiet_hours.cut(zone, from, until),
        }
    }
}
