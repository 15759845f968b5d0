//! The rate: when the next call may leave.
//!
//! Two limits an app, calls and recipients a second, each held in **every** sliding second. The bound is
//! kept by remembering what left within the last window and letting nothing leave that would make it too
//! much; the even spacing on top is courtesy. A token bucket is not used because one lets up to twice its
//! rate through in a sliding second.
//!
//! The vendor counts arrivals, not departures. Two calls that leave a full second apart may arrive closer
//! when the first one is delayed more than the second. The window is therefore a second and a *headroom*,
//! which must be at least the jitter of the way to the server.

use std::collections::VecDeque;
use std::time::Duration;

use super::Tick;
use crate::campaign::Rate;

const SECOND: Duration = Duration::from_secs(1);

/// How much of a lag is caught up. A driver wakes some milliseconds late; without catching up, every such
/// lag would be lost from the rate. More than this would bunch calls needlessly after a stall.
const CATCH_UP: Duration = Duration::from_millis(20);

/// The pace is never slowed more than this by throttling.
const SLOWEST: f64 = 32.0;

/// How much faster the pace becomes in each second without throttling, until it is the allowed one again.
const RECOVERY_PER_SECOND: f64 = 0.8;

/// What an app may send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Calls and recipients a second. A batch larger than the recipients' limit counts as that many.
    pub rate: Rate,
    /// Added to the second in which the calls are counted.
    pub headroom: Duration,
}

impl Limits {
    /// The headroom of every app: 0.8% of the rate. With it the sandbox, held to 40 calls a second, refused none and saw
    /// no sliding second above them, and 99.1% of the rate was used (`cargo test --test cli the_rate`).
    pub const HEADROOM: Duration = Duration::from_millis(8);

    /// An app's rate with the usual headroom.
    pub fn of(rate: Rate) -> Self {
        Self { rate, headroom: Self::HEADROOM }
    }

    /// Is there no limit? Then nothing needs to be remembered either.
    pub fn is_unlimited(&self) -> bool {
        self.rate.calls_per_second.is_none() && self.rate.recipients_per_second.is_none()
    }

    /// The time that one call with so many recipients takes at these limits, at an even pace.
    pub fn gap(&self, recipients: u32) -> Duration {
        let stretch = (SECOND + self.headroom).as_secs_f64();
        self.rate.gap(recipients).mul_f64(stretch)
    }
}

/// At most `limit` units in any `window`.
#[derive(Debug, Clone)]
struct Window {
    limit: u64,
    length: Duration,
    /// What left within the last window: when, and how many units.
    sent: VecDeque<(Tick, u64)>,
    counted: u64,
}

impl Window {
    /// A rate below one a second is one unit in a longer window, since half a call cannot be sent.
    fn new(per_second: f64, headroom: Duration) -> Self {
        let (limit, seconds) =
            if per_second < 1.0 { (1, 1.0 / per_second) } else { (per_second as u64, 1.0) };
        let length = Duration::from_secs_f64(seconds) + headroom;
        Self { limit, length, sent: VecDeque::new(), counted: 0 }
    }

    fn units(&self, units: u64) -> u64 {
        units.min(self.limit)
    }

    /// The earliest tick at which so many units may leave.
    fn earliest(&self, units: u64) -> Tick {
        let mut excess = (self.counted + self.units(units)).saturating_sub(self.limit);
        let mut at = Tick::default();
        for &(sent, count) in &self.sent {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(count);
            at = sent + self.length;
        }
        at
    }

    fn take(&mut self, now: Tick, units: u64) {
        while let Some(&(sent, count)) = self.sent.front() {
            if sent + self.length > now {
                break;
            }
            self.counted -= count;
            self.sent.pop_front();
        }
        let units = self.units(units);
        self.sent.push_back((now, units));
        self.counted += units;
    }
}

/// Says when the next call of one app may leave. The permit is taken when a call is sent, not when it is
/// intended: an intent may wait for its commit, and permits taken early would bunch up.
#[derive(Debug, Clone)]
pub struct Pace {
    limits: Limits,
    calls: Option<Window>,
    recipients: Option<Window>,
    /// When the even pace wants the next call to leave.
    slot: Tick,
    /// 1.0 at the allowed pace, more while throttled.
    slowdown: f64,
    slowed_at: Tick,
}

impl Pace {
    /// A pace that remembers what an earlier runner sent: each number is one call's recipients. All of them
    /// count as sent at tick 0, because the wall clock between two processes is not to be trusted.
    pub fn new(limits: Limits, remembered: impl IntoIterator<Item = u32>) -> Self {
        let window = |rate: Option<f64>| rate.map(|rate| Window::new(rate, limits.headroom));
        let mut pace = Self {
            limits,
            calls: window(limits.rate.calls_per_second),
            recipients: window(limits.rate.recipients_per_second),
            slot: Tick::default(),
            slowdown: 1.0,
            slowed_at: Tick::default(),
        };
        for recipients in remembered {
            pace.count(Tick::default(), recipients);
        }
        pace
    }

    /// The earliest tick at which a call with so many recipients may leave; in the past where it may leave now.
    pub fn earliest(&self, recipients: u32) -> Tick {
        let calls = self.calls.as_ref().map_or(Tick::default(), |window| window.earliest(1));
        let people =
            self.recipients.as_ref().map_or(Tick::default(), |window| window.earliest(u64::from(recipients)));
        self.slot.max(calls).max(people)
    }

    /// Takes the permit for a call that leaves now.
    pub fn take(&mut self, now: Tick, recipients: u32) {
        self.recover(now);
        self.count(now, recipients);
        let on_time = Tick(now.0.saturating_sub(u64::try_from(CATCH_UP.as_micros()).unwrap_or(0)));
        self.slot = self.slot.max(on_time) + self.limits.gap(recipients).mul_f64(self.slowdown);
    }

    fn count(&mut self, now: Tick, recipients: u32) {
        if let Some(window) = &mut self.calls {
            window.take(now, 1);
        }
        if let Some(window) = &mut self.recipients {
            window.take(now, u64::from(recipients));
        }
    }

    /// The vendor throttled a call: half the pace, at once.
    pub fn slow_down(&mut self, now: Tick) {
        self.slowdown = (self.slowdown * 2.0).min(SLOWEST);
        self.slowed_at = now;
    }

    /// Lets the pace grow back with the time that has passed since it was slowed.
    fn recover(&mut self, now: Tick) {
        if self.slowdown > 1.0 {
            let seconds = now.since(self.slowed_at).as_secs_f64();
            self.slowdown = (self.slowdown * RECOVERY_PER_SECOND.powf(seconds)).max(1.0);
            self.slowed_at = now;
        }
    }

    /// How many calls of a usual size may leave within this time; at least 1.
    pub fn within(&self, time: Duration, recipients: u32) -> u32 {
        let gap = self.limits.gap(recipients).as_secs_f64();
        if gap <= 0.0 { u32::MAX } else { ((time.as_secs_f64() / gap) as u32).max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sends as fast as the pace allows, waking up to `lag` late each time; returns the departures.
    fn departures(limits: Limits, calls: usize, recipients: u32, lag_us: &[u64]) -> Vec<Tick> {
        let mut pace = Pace::new(limits, []);
        let mut now = Tick::default();
        (0..calls)
            .map(|i| {
                now = Tick(now.max(pace.earliest(recipients)).0 + lag_us[i % lag_us.len()]);
                pace.take(now, recipients);
                now
            })
            .collect()
    }

    fn limits(calls: Option<f64>, recipients: Option<f64>) -> Limits {
        Limits::of(Rate { calls_per_second: calls, recipients_per_second: recipients })
    }

    proptest! {
        #[test]
        fn no_sliding_second_holds_more_than_the_rate(
            rate in 1_u32..200,
            lag_us in prop::collection::vec(0_u64..40_000, 1..20),
            recipients in 1_u32..500,
        ) {
            let limits = limits(Some(f64::from(rate)), Some(f64::from(rate) * 300.0));
            let sent = departures(limits, rate as usize * 3, recipients, &lag_us);
            for (i, start) in sent.iter().enumerate() {
                let in_second = sent[i..].iter().take_while(|t| t.since(*start) < SECOND).count();
                prop_assert!(in_second <= rate as usize);
                let people = in_second as u64 * u64::from(recipients);
                prop_assert!(people <= u64::from(rate) * 300 || in_second == 1);
            }
        }
    }

    #[test]
    fn small_lags_cost_nothing_of_the_rate() {
        for rate in [10.0, 30.0, 40.0, 1_000.0] {
            let sent = departures(limits(Some(rate), None), rate as usize * 10, 500, &[300, 900, 100, 2_000]);
            let seconds = sent.last().unwrap().since(sent[0]).as_secs_f64();
            let used = (sent.len() - 1) as f64 / seconds / rate;
            assert!(used > 0.99, "{used} of {rate}/s");
        }
    }

    #[test]
    fn the_pace_is_even() {
        let sent = departures(limits(Some(10.0), None), 30, 1, &[0]);
        for pair in sent.windows(2) {
            assert_eq!(pair[1].since(pair[0]), Duration::from_micros(100_800));
        }
    }

    #[test]
    fn what_an_earlier_runner_sent_is_remembered_for_a_second() {
        let pace = Pace::new(limits(Some(10.0), None), vec![500; 10]);
        assert_eq!(pace.earliest(1), Tick(1_008_000));
        assert_eq!(Pace::new(limits(Some(10.0), None), vec![500; 9]).earliest(1), Tick(0));
    }

    #[test]
    fn throttling_halves_the_pace_at_once_and_recovers_gradually() {
        let mut pace = Pace::new(limits(Some(10.0), None), []);
        pace.take(Tick(0), 1);
        pace.slow_down(Tick(0));
        pace.take(Tick(200_000), 1);
        let slow = pace.earliest(1).since(Tick(200_000));
        assert!(slow > Duration::from_millis(170), "{slow:?}");
        let mut now = Tick(200_000);
        for _ in 0..100 {
            now = now.max(pace.earliest(1));
            pace.take(now, 1);
        }
        assert_eq!(pace.earliest(1).since(now), Duration::from_micros(100_800));
    }

    #[test]
    fn a_rate_below_one_a_second_is_kept() {
        let sent = departures(limits(Some(0.5), None), 3, 1, &[0]);
        assert!(sent[1].since(sent[0]) >= Duration::from_secs(2));
    }

    #[test]
    fn a_batch_larger_than_the_recipient_rate_still_leaves() {
        let sent = departures(limits(None, Some(100.0)), 3, 500, &[0]);
        assert!(sent[1].since(sent[0]) >= Duration::from_secs(5));
    }
}
