//! Between the wall clock, in which windows are written, and the driver's ticks, in which they are kept.
//!
//! The two are compared once, when the driver starts. A wall clock that jumps while runs are sent moves no window.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::campaign::schedule::Wave;
use crate::executor::{Opening, Tick};

/// The tick of an instant, for a driver that starts at `start`; 0 for what lies before it.
pub(super) fn tick(start: Timestamp, at: Timestamp) -> Tick {
    Tick::default() + Duration::try_from(at.duration_since(start)).unwrap_or(Duration::ZERO)
}

/// The instant of a tick, to the millisecond, and not before it.
pub(super) fn instant(start: Timestamp, tick: Tick) -> Timestamp {
    let at = start.saturating_add(SignedDuration::from_micros(i64::try_from(tick.0).unwrap_or(i64::MAX)));
    let at = at.unwrap_or(Timestamp::MAX);
    let milliseconds = at.as_microsecond().div_euclid(1_000);
    let floor = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX);
    if floor < at { Timestamp::from_millisecond(milliseconds + 1).unwrap_or(Timestamp::MAX) } else { floor }
}

/// When the batches of each wave may be sent.
pub(super) fn openings(start: Timestamp, waves: &[Wave]) -> Vec<Vec<Opening>> {
    let openings = |wave: &Wave| {
        let opening = |window: &crate::campaign::schedule::Window| Opening {
            opens_at: window.opens_at.map_or(Tick::default(), |at| tick(start, at)),
            closes_at: window.closes_at.map(|at| tick(start, at)),
        };
        wave.windows.iter().map(opening).collect()
    };
    waves.iter().map(openings).collect()
}

/// When the first window closes that is open or to come; runs are sent in this order.
pub(super) fn deadline(now: Timestamp, waves: &[Wave]) -> Timestamp {
    let closes = waves.iter().flat_map(|wave| &wave.windows).filter_map(|window| window.closes_at);
    closes.filter(|at| *at > now).min().unwrap_or(Timestamp::MAX)
}
