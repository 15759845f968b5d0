//! What to do when the server does badly: hold, send a single probe, and after enough rounds give up.

use std::time::Duration;

use super::Tick;

/// First hold; it doubles with every round.
const FIRST_HOLD: Duration = Duration::from_millis(200);

/// No hold is longer, so that a server that is back is noticed soon.
const LONGEST_HOLD: Duration = Duration::from_secs(10);

/// Rounds until a server that has answered before is given up: holds of about 70 s in all.
const ROUNDS: u32 = 12;

/// Rounds until a server that has never answered is given up: about 3 s. It is more likely a wrong
/// address than an outage.
const ROUNDS_UNMET: u32 = 5;

/// What one more failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// Nothing new: the call was already on its way when the last failure became known.
    Same,
    /// The server does badly again, or for the first time.
    New,
    /// One time too many.
    Last,
}

/// Counts *rounds* of failure. Calls in flight together that fail together are one round: what counts is
/// a call that was sent after the last failure was known, and failed again.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    rounds: u32,
    failed_at: Tick,
    hold_until: Tick,
    /// Has the server ever answered this runner?
    met: bool,
    random: u64,
}

impl Backoff {
    /// `seed` decides the jitter.
    pub(super) fn new(seed: u64) -> Self {
        Self { rounds: 0, failed_at: Tick::default(), hold_until: Tick::default(), met: false, random: seed }
    }

    /// A call that was sent at `sent` did badly.
    pub(super) fn failed(&mut self, now: Tick, sent: Tick) -> Round {
        if self.rounds > 0 && sent < self.failed_at {
            return Round::Same;
        }
        self.rounds += 1;
        self.failed_at = now;
        let full = FIRST_HOLD.saturating_mul(1 << (self.rounds - 1).min(16)).min(LONGEST_HOLD);
        // Between half and all of it, so that several runners do not come back in step.
        let share = 0.5 + 0.5 * self.next_random();
        self.hold_until = now + full.mul_f64(share);
        let most = if self.met { ROUNDS } else { ROUNDS_UNMET };
        if self.rounds >= most { Round::Last } else { Round::New }
    }

    /// A call that was sent at `sent` was answered as it should be.
    pub(super) fn succeeded(&mut self, sent: Tick) {
        self.met = true;
        if sent >= self.failed_at {
            self.rounds = 0;
            self.hold_until = Tick::default();
        }
    }

    /// Nothing may leave before this.
    pub(super) fn hold_until(&self) -> Tick {
        self.hold_until
    }

    /// After a failure, one call at a time, until one is answered.
    pub(super) fn probing(&self) -> bool {
        self.rounds > 0
    }

    /// A number from 0 to 1 (splitmix64: seeded, so that a simulated run can be replayed).
    fn next_random(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_fail_together_are_one_round() {
        let mut backoff = Backoff::new(1);
        backoff.succeeded(Tick(0));
        for _ in 0..64 {
            assert_ne!(backoff.failed(Tick(1_000_000), Tick(900_000)), Round::Last);
        }
        assert!(backoff.hold_until() <= Tick(1_200_000));
        assert!(backoff.hold_until() >= Tick(1_100_000));
        backoff.succeeded(Tick(950_000));
        assert!(backoff.probing(), "an answer to a call sent before the failure proves nothing");
        backoff.succeeded(Tick(1_200_000));
        assert!(!backoff.probing());
    }

    #[test]
    fn two_runners_do_not_come_back_in_step() {
        let hold = |seed| {
            let mut backoff = Backoff::new(seed);
            backoff.failed(Tick(0), Tick(0));
            backoff.hold_until()
        };
        assert_ne!(hold(1), hold(2));
        assert_eq!(hold(1), hold(1), "a simulated run can be replayed");
    }

    #[test]
    fn holds_grow_to_a_bound_and_end() {
        for (met, rounds) in [(true, ROUNDS), (false, ROUNDS_UNMET)] {
            let mut backoff = Backoff::new(2);
            if met {
                backoff.succeeded(Tick(0));
            }
            let mut now = Tick(0);
            let mut holds = Vec::new();
            loop {
                let round = backoff.failed(now, now);
                holds.push(backoff.hold_until().since(now));
                if round == Round::Last {
                    break;
                }
                now = backoff.hold_until();
            }
            assert_eq!(holds.len(), rounds as usize);
            assert!(holds.iter().all(|hold| *hold <= LONGEST_HOLD));
            assert!(now.since(Tick(0)) < Duration::from_secs(80));
        }
    }
}
