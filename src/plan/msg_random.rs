//! MsgRandom: the same for the same plan, different for every batch of a run.
//!
//! The vendor drops calls of equal MsgRandom within one second (trtc.io document 67553), so that two batches
//! must never share one; 32 random bits alone would collide about five times in 200,000 batches. What is drawn
//! here is therefore a permutation of all 32-bit numbers, keyed by the run: batches cannot share a number, and none
//! has to be remembered.

use sha2::{Digest, Sha256};

/// Most batches of a run: the four bits above the number are for [`MsgRandoms::next`]'s other choices.
pub(crate) const BATCHES_MAX: u32 = (1 << 28) - 1;

/// Choices for one batch. A number is taken where an earlier run has used it with the same DataId, which is as good as
/// never, so that sixteen are plenty.
const CHOICES: u32 = 16;

const ROUNDS: usize = 6;

/// The MsgRandoms of one run.
#[derive(Debug, Clone)]
pub(crate) struct MsgRandoms {
    keys: [u32; ROUNDS],
}

impl MsgRandoms {
    pub(crate) fn new(run_id: &str) -> Self {
        let digest = Sha256::digest(run_id);
        let (words, _) = digest.as_chunks::<4>();
        Self { keys: std::array::from_fn(|round| u32::from_le_bytes(words[round])) }
    }

    /// The MsgRandom of a batch, counted from 1 to [`BATCHES_MAX`], and which choice it is: the first that is not
    /// `taken`. It is never 0.
    pub(crate) fn next(&self, batch: u32, taken: impl Fn(u32) -> bool) -> (u32, u8) {
        (0..CHOICES as u8)
            .map(|choice| (self.choice(batch, choice), choice))
            .find(|&(number, _)| !taken(number))
            .expect("sixteen random numbers are not all taken")
    }

    /// A choice that [`MsgRandoms::next`] has made before.
    pub(crate) fn choice(&self, batch: u32, choice: u8) -> u32 {
        let place = u32::from(choice) << 28 | batch;
        match self.permute(place) {
            // No batch has the number 0, so that its place is free.
            0 => self.permute(0),
            number => number,
        }
    }

    /// A Feistel network over two halves of 16 bits: whatever the rounds do, it is a permutation.
    fn permute(&self, place: u32) -> u32 {
        let (mut left, mut right) = (place >> 16, place & 0xffff);
        for key in self.keys {
            let mixed = (right ^ key).wrapping_mul(0x9e37_79b1);
            let mixed = (mixed ^ mixed >> 15).wrapping_mul(0x85eb_ca77).wrapping_add(key) >> 16;
            (left, right) = (right, left ^ mixed);
        }
        left << 16 | right
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Enough batches that 32 random bits would repeat about eleven times.
    #[test]
    fn no_number_repeats_within_a_run() {
        for run in ["sale@once", "autumn-sale@20261124T0900Z"] {
            let randoms = MsgRandoms::new(run);
            let of = |batch| randoms.next(batch, |_| false).0;
            let numbers: HashSet<u32> = (1..=300_000).map(of).collect();
            assert_eq!(numbers.len(), 300_000);
            assert!(!numbers.contains(&0));
        }
    }

    /// Neighbours must not look alike, or runs of neighbouring numbers would meet.
    #[test]
    fn the_numbers_of_a_run_and_of_two_runs_look_drawn_at_random() {
        let (one, other) = (MsgRandoms::new("sale@r2"), MsgRandoms::new("sale@r3"));
        let of = |randoms: &MsgRandoms, batch| randoms.next(batch, |_| false).0;
        for bit in 0..32 {
            let set = (1..=10_000).filter(|&batch| of(&one, batch) >> bit & 1 == 1).count();
            let flips =
                (1..=10_000).filter(|&batch| (of(&one, batch) ^ of(&one, batch + 1)) >> bit & 1 == 1).count();
            let apart =
                (1..=10_000).filter(|&batch| (of(&one, batch) ^ of(&other, batch)) >> bit & 1 == 1).count();
            for count in [set, flips, apart] {
                assert!((4_700..5_300).contains(&count), "bit {bit}: {count} of 10,000");
            }
        }
    }

    #[test]
    fn a_number_that_an_earlier_run_used_is_passed_over_and_nothing_else_changes() {
        let randoms = MsgRandoms::new("sale@once");
        let (plain, _) = randoms.next(1, |_| false);
        let (other, choice) = randoms.next(1, |number| number == plain);
        assert_ne!(other, plain);
        assert_eq!(randoms.choice(1, choice), other);
        assert_eq!(randoms.next(1, |number| number == other).0, plain);
        let all: HashSet<u32> = (1..=1000).map(|batch| randoms.next(batch, |_| false).0).collect();
        assert!(!all.contains(&other), "the other choices are no batch's first");
    }
}
