//! The breaker: pauses a run that fails too much, before it fails everybody.

use crate::campaign::MaxFailures;

/// Calls that must be settled before a share means anything.
const SAMPLE_CALLS: u32 = 20;

/// Counts recipients since the runner started: a run that is resumed by a person gets a fresh chance.
#[derive(Debug, Clone)]
pub(super) struct Breaker {
    limit: MaxFailures,
    calls: u32,
    settled: u64,
    failed: u64,
}

impl Breaker {
    pub(super) fn new(limit: MaxFailures) -> Self {
        Self { limit, calls: 0, settled: 0, failed: 0 }
    }

    /// One call is settled, with so many of its recipients failed or in doubt. The reason to pause, where it is one
    /// too many.
    pub(super) fn count(&mut self, recipients: u64, failed: u64) -> Option<String> {
        self.calls += 1;
        self.settled += recipients;
        self.failed += failed;
        if failed == 0 {
            return None;
        }
        let of = format!("{} of {} recipients failed or are in doubt", self.failed, self.settled);
        match self.limit {
            MaxFailures::Count(limit) if self.failed > limit => {
                Some(format!("{of}, more than `max_failures: {limit}` allows"))
            }
            MaxFailures::Share(limit)
                if self.calls >= SAMPLE_CALLS && self.failed as f64 > limit * self.settled as f64 =>
            {
                Some(format!("{of}, more than `max_failures: {}%` allows", limit * 100.0))
            }
            MaxFailures::Count(_) | MaxFailures::Share(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_needs_a_sample() {
        let mut breaker = Breaker::new(MaxFailures::Share(0.05));
        for _ in 1..SAMPLE_CALLS {
            assert_eq!(breaker.count(500, 500), None);
        }
        assert!(breaker.count(500, 500).is_some());
    }

    #[test]
    fn a_share_at_the_limit_passes() {
        let mut breaker = Breaker::new(MaxFailures::Share(0.05));
        for _ in 0..100 {
            assert_eq!(breaker.count(100, 5), None);
        }
        assert!(breaker.count(100, 6).is_some());
    }

    #[test]
    fn a_number_counts_from_the_first_call() {
        let mut breaker = Breaker::new(MaxFailures::Count(10));
        assert_eq!(breaker.count(500, 10), None);
        assert!(breaker.count(500, 1).unwrap().contains("max_failures: 10"));
    }
}
