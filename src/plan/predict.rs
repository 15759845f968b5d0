//! How long a run takes at its app's rate.

use super::MAX_RECIPIENTS_A_CALL;
use crate::campaign::Rate;

/// Seconds from the first call's leaving to the last call's leaving, given each call's recipients in order.
///
/// The first call leaves at 0, and each later one when the call before it has used up its share of both limits:
/// `Σ max(1 / calls_per_second, recipients / recipients_per_second)` over all calls but the last. With calls
/// alone limited that is `(calls - 1) / calls_per_second`. The last answer's time comes on top.
pub fn seconds(rate: &Rate, recipients: impl IntoIterator<Item = u16>) -> f64 {
    let gap = |recipients: u16| rate.gap(recipients.into()).as_secs_f64();
    // Full calls are counted, not added up: a sum of 200,000 equal fractions would drift.
    let (mut full, mut other, mut last) = (0_u32, 0.0, None);
    for recipients in recipients {
        match last.replace(recipients) {
            None => {}
            Some(MAX_RECIPIENTS_A_CALL) => full += 1,
            Some(count) => other += gap(count),
        }
    }
    f64::from(full) * gap(MAX_RECIPIENTS_A_CALL) + other
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the fractions are ones that floats hold exactly, or are rounded alike")]
mod tests {
    use super::*;

    fn rate(calls: f64, recipients: Option<f64>) -> Rate {
        Rate { calls_per_second: Some(calls), recipients_per_second: recipients }
    }

    #[test]
    fn the_first_call_leaves_at_once_and_the_last_one_waits_for_all_before_it() {
        let calls = rate(10.0, None);
        assert_eq!(seconds(&calls, []), 0.0);
        assert_eq!(seconds(&calls, [500]), 0.0);
        assert_eq!(seconds(&calls, [500, 1, 500]), 0.2);
        assert_eq!(seconds(&calls, std::iter::repeat_n(500, 200_001)), 20_000.0);
    }

    #[test]
    fn whichever_limit_is_tighter_for_a_call_sets_its_gap() {
        let both = rate(10.0, Some(1000.0));
        assert_eq!(seconds(&both, [500, 500, 50, 500]), 0.5 + 0.5 + 0.1);
    }

    #[test]
    fn without_a_limit_no_time_is_asked_for() {
        let unlimited = Rate { calls_per_second: None, recipients_per_second: None };
        assert_eq!(seconds(&unlimited, [500; 41]), 0.0);
    }
}
