//! The executor's time: a monotonic count that is handed in, never read.

use std::ops::Add;
use std::time::Duration;

/// Microseconds since the executor's driver started. Monotonic: the wall clock may jump, this may not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

impl Tick {
    /// The time between two ticks; zero where `earlier` is later.
    pub fn since(self, earlier: Tick) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Tick {
    type Output = Tick;
    fn add(self, duration: Duration) -> Tick {
        // Rounded up: a wait that is a fraction short would break the rate.
        let micros = duration.as_nanos().div_ceil(1_000).try_into().unwrap_or(u64::MAX);
        Tick(self.0.saturating_add(micros))
    }
}
