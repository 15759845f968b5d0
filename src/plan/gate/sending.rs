//! When the calls of a plan would leave: wave after wave, each in its windows, at the app's pace, which they share with
//! the runs that would be sent together with them.

use jiff::{SignedDuration, Timestamp};

use super::Facts;
use crate::campaign::schedule::Wave;

/// When calls would leave.
#[derive(Debug, Default)]
pub(super) struct Sending<'p> {
    /// In order.
    pub(super) spans: Vec<Span<'p>>,
    /// The first wave whose calls are not through when its last window closes.
    pub(super) late: Option<Late<'p>>,
}

/// A time in which calls leave.
#[derive(Debug)]
pub(super) struct Span<'p> {
    /// The recipients' zone, where they have one of their own.
    pub(super) zone: Option<&'p str>,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Late<'p> {
    pub(super) zone: Option<&'p str>,
    /// By how much.
    pub(super) seconds: f64,
}

/// As if the plan was applied now and stayed as long as it takes. A wave that is over by now is skipped whatever the
/// pace, and not looked at beside others. Runs of an app take turns, so that the first wave may last as long as what is sent beside it.
pub(super) fn sending<'p>(facts: &Facts<'p>) -> Sending<'p> {
    let Facts { plan, rate, beside_s, now, .. } = *facts;
    let mut sending = Sending::default();
    let mut at = now;
    let mut beside_s = beside_s;
    let is_over = |wave: &Wave| {
        wave.windows.iter().all(|window| window.closes_at.is_some_and(|closes_at| closes_at <= now))
    };
    let all_over = plan.waves.iter().all(is_over);
    for (wave, sizes) in plan.waves.iter().zip(plan.wave_sizes()) {
        if is_over(wave) && !all_over {
            continue;
        }
        let zone = wave.zone.as_deref();
        let mut left = sizes.seconds(rate) + std::mem::take(&mut beside_s);
        let mut is_through = false;
        for window in &wave.windows {
            let from = window.opens_at.map_or(at, |opens_at| opens_at.max(at));
            let room = window
                .closes_at
                .map_or(f64::INFINITY, |closes_at| closes_at.duration_since(from).as_secs_f64());
            if room <= 0.0 {
                continue;
            }
            let taken = left.min(room);
            let until =
                SignedDuration::try_from_secs_f64(taken).ok().and_then(|taken| from.checked_add(taken).ok());
            at = until.unwrap_or(Timestamp::MAX);
            sending.spans.push(Span { zone, from, until: at });
            left -= taken;
            is_through = left <= 0.0;
            if is_through {
                break;
            }
        }
        if !is_through && sending.late.is_none() {
            sending.late = Some(Late { zone, seconds: left });
        }
    }
    sending
}
