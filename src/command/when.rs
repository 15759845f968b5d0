//! A point in time on the command line.

use jiff::Timestamp;

use crate::campaign::parse_duration;

/// An instant, or a distance from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Instant(Timestamp),
    In(std::time::Duration),
}

impl When {
    /// Reads `2026-11-24T09:00Z`, `2026-11-24T09:00+08:00` or `3d`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(instant) = text.parse() {
            return Ok(Self::Instant(instant));
        }
        parse_duration(text).map(Self::In).map_err(|_| {
            "write an instant with its offset, as 2026-11-24T09:00Z, or a distance from now, as 3d".to_owned()
        })
    }

    /// The instant that it means now.
    pub(super) fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Instant(instant) => instant,
            Self::In(distance) => now.saturating_add(distance).unwrap_or(Timestamp::MAX),
        }
    }
}
