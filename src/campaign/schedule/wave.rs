//! The part of a run that one wall clock rules: when its recipients may be sent to.
//!
//! A run without `local_time` is one wave. With it, each zone of the audience is one, and the same wall-clock
//! instant opens each at another time. Quiet hours cut a wave into several windows.

use jiff::Timestamp;

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
