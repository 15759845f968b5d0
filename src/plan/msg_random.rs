//! MsgRandom: the same for the same plan, different for every batch of a run.
//!
//! The vendor drops calls of equal MsgRandom within one second (trtc.io document 67553), so that two batches
//! must never share one; 32 random bits alone would collide about five times in 200,000 batches.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

/// Hands out the MsgRandoms of one run.
#[derive(Debug)]
pub(crate) struct MsgRandoms<'r> {
    run_id: &'r str,
    given: HashSet<u32>,
}

impl<'r> MsgRandoms<'r> {
    pub(crate) fn new(run_id: &'r str) -> Self {
        Self { run_id, given: HashSet::new() }
    }

    /// The first four bytes (little-endian) of SHA-256 over run id, batch number, message digest and salt, with
    /// the lowest salt that gives a number which is not 0, not given before, and not taken by an earlier run.
    pub(crate) fn next(&mut self, batch: u32, message: &[u8; 32], taken: impl Fn(u32) -> bool) -> u32 {
        (0..=u64::MAX)
            .map(|salt| {
                let sha = Sha256::new()
                    .chain_update((self.run_id.len() as u64).to_le_bytes())
                    .chain_update(self.run_id)
                    .chain_update(batch.to_le_bytes())
                    .chain_update(message)
                    .chain_update(salt.to_le_bytes())
                    .finalize();
                u32::from_le_bytes([sha[0], sha[1], sha[2], sha[3]])
            })
            .find(|&number| number != 0 && !taken(number) && self.given.insert(number))
            .expect("a run has fewer batches than there are numbers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Enough batches that 32 random bits would repeat about eleven times.
    #[test]
    fn no_number_repeats_within_a_run() {
        let mut randoms = MsgRandoms::new("sale@once");
        let numbers: HashSet<u32> =
            (1..=300_000).map(|batch| randoms.next(batch, &[0; 32], |_| false)).collect();
        assert_eq!(numbers.len(), 300_000);
        assert!(!numbers.contains(&0));
    }

    #[test]
    fn a_number_that_an_earlier_run_used_is_passed_over_and_nothing_else_changes() {
        let plain = MsgRandoms::new("sale@once").next(1, &[7; 32], |_| false);
        assert_eq!(MsgRandoms::new("sale@once").next(1, &[7; 32], |_| false), plain);
        let other = MsgRandoms::new("sale@once").next(1, &[7; 32], |number| number == plain);
        assert_ne!(other, plain);
        let unrelated = MsgRandoms::new("sale@once").next(1, &[7; 32], |number| number == other);
        assert_eq!(unrelated, plain);
    }

    #[test]
    fn run_batch_and_message_each_change_it() {
        let of = |run: &str, batch, message| MsgRandoms::new(run).next(batch, &[message; 32], |_| false);
        let numbers = HashSet::from([of("a", 1, 1), of("b", 1, 1), of("a", 2, 1), of("a", 1, 2)]);
        assert_eq!(numbers.len(), 4);
    }
}
