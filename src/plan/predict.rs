//! How long a run takes at its app's rate.

use super::MAX_RECIPIENTS_A_CALL;

/// The rate of an app: what its plan allows, over all of its runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Most calls a second; above 0.
    pub calls_per_second: f64,
    /// Most recipients a second, above 0; `None` where only calls are limited.
    pub recipients_per_second: Option<f64>,
}

impl Rate {
    /// Seconds from a call of so many recipients to the next one, at an even pace.
    pub fn gap_seconds(&self, recipients: u16) -> f64 {
        let call = 1.0 / self.calls_per_second;
        self.recipients_per_second.map_or(call, |rate| call.max(f64::from(recipients) / rate))
    }

    /// Seconds from the first call's leaving to the last call's leaving, given each call's recipients in order.
    ///
    /// The first call leaves at 0, and each later one when the call before it has used up its share of both
    /// limits: `Σ max(1 / calls_per_second, recipients / recipients_per_second)` over all calls but the last.
    /// With calls alone limited that is `(calls - 1) / calls_per_second`. The last answer's time comes on top.
    pub fn seconds(&self, recipients: impl IntoIterator<Item = u16>) -> f64 {
        // Full calls are counted, not added up: a sum of 200,000 equal fractions would drift.
        let (mut full, mut other, mut last) = (0_u32, 0.0, None);
        for recipients in recipients {
            match last.replace(recipients) {
                None => {}
                Some(count) if count == MAX_RECIPIENTS_A_CALL => full += 1,
                Some(count) => other += self.gap_seconds(count),
            }
        }
        f64::from(full) * self.gap_seconds(MAX_RECIPIENTS_A_CALL) + other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_call_leaves_at_once_and_the_last_one_waits_for_all_before_it() {
        let calls = Rate { calls_per_second: 10.0, recipients_per_second: None };
        assert_eq!(calls.seconds([]), 0.0);
        assert_eq!(calls.seconds([500]), 0.0);
        assert_eq!(calls.seconds([500, 1, 500]), 0.2);
        assert_eq!(calls.seconds(std::iter::repeat_n(500, 200_001)), 20_000.0);
    }

    #[test]
    fn whichever_limit_is_tighter_for_a_call_sets_its_gap() {
        let both = Rate { calls_per_second: 10.0, recipients_per_second: Some(1000.0) };
        assert_eq!(both.seconds([500, 500, 50, 500]), 0.5 + 0.5 + 0.1);
    }
}
