//! How long a run takes at its app's rate.

use super::MAX_RECIPIENTS_A_CALL;
use crate::campaign::Rate;

/// How many calls have how many recipients, and how many the last one has: all that the duration depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// By recipients, 0 to 500.
    calls: Vec<u32>,
    last: Option<u16>,
}

impl Sizes {
    /// No call yet.
    pub fn new() -> Self {
        Self { calls: vec![0; usize::from(MAX_RECIPIENTS_A_CALL) + 1], last: None }
    }

    /// One more call, of 1 to 500 recipients.
    pub fn push(&mut self, recipients: u16) {
        self.calls[usize::from(recipients)] += 1;
        self.last = Some(recipients);
    }

    /// So many full calls more.
    pub(super) fn push_full(&mut self, calls: u64) {
        if calls > 0 {
            self.calls[usize::from(MAX_RECIPIENTS_A_CALL)] += calls as u32;
            self.last = Some(MAX_RECIPIENTS_A_CALL);
        }
    }

    /// The calls of a message: all full but the last.
    pub(super) fn push_packed(&mut self, recipients: u64) {
        let full = u64::from(MAX_RECIPIENTS_A_CALL);
        self.push_full(recipients / full);
        if !recipients.is_multiple_of(full) {
            self.push((recipients % full) as u16);
        }
    }

    /// How many calls there are.
    pub fn calls(&self) -> u64 {
        self.calls.iter().map(|&calls| u64::from(calls)).sum()
    }

    /// How many recipients they have.
    pub fn recipients(&self) -> u64 {
        (0..).zip(&self.calls).map(|(size, &calls)| size * u64::from(calls)).sum()
    }

    /// Seconds that a call takes from the pace, on average.
    pub fn gap(&self, rate: &Rate) -> f64 {
        let gaps =
            (0..).zip(&self.calls).map(|(size, &calls)| f64::from(calls) * rate.gap(size).as_secs_f64());
        gaps.sum::<f64>() / self.calls().max(1) as f64
    }

    /// Seconds from the first call's leaving to the last call's leaving.
    ///
    /// The first call leaves at 0, and each later one when the call before it has used up its share of both limits:
    /// `Σ max(1 / calls_per_second, recipients / recipients_per_second)` over all calls but the last. With calls
    /// alone limited that is `(calls - 1) / calls_per_second`. The last answer's time comes on top.
    pub fn seconds(&self, rate: &Rate) -> f64 {
        let gap = |recipients: u16| rate.gap(recipients.into()).as_secs_f64();
        // Equal fractions are multiplied, not added up: a sum of 200,000 of them would drift.
        (0..)
            .zip(&self.calls)
            .map(|(size, &calls)| f64::from(calls - u32::from(self.last == Some(size))) * gap(size))
            .sum()
    }
}

impl Default for Sizes {
    fn default() -> Self {
        Self::new()
    }
}

impl FromIterator<u16> for Sizes {
    fn from_iter<I: IntoIterator<Item = u16>>(recipients: I) -> Self {
        let mut sizes = Self::new();
        recipients.into_iter().for_each(|recipients| sizes.push(recipients));
        sizes
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the fractions are ones that floats hold exactly, or are rounded alike")]
mod tests {
    use super::*;

    fn rate(calls: f64, recipients: Option<f64>) -> Rate {
        Rate { calls_per_second: Some(calls), recipients_per_second: recipients }
    }

    fn seconds(rate: &Rate, recipients: impl IntoIterator<Item = u16>) -> f64 {
        recipients.into_iter().collect::<Sizes>().seconds(rate)
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
