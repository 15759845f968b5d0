//! The accounting equation: where every recipient of a run stands.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Status;

/// Recipients of a run, each counted once: `planned = accepted + failed + in_doubt + skipped + remaining`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// All that the plan holds.
    pub planned: u64,
    /// Taken by the vendor (which is not delivered), or vouched for by a person.
    pub accepted: u64,
    /// Refused, one by one or with their batch.
    pub failed: u64,
    /// In a batch that may or may not have been carried out, those being sent at this moment included.
    pub in_doubt: u64,
    /// Expired or cancelled.
    pub skipped: u64,
    /// Surely not sent, and still to be sent.
    pub remaining: u64,
}

impl Tally {
    /// Counts a batch: its status, its recipients, and how many of these an accepted answer named as failed.
    pub fn add(&mut self, status: Status, recipients: u64, failed: u64) {
        self.planned += recipients;
        match status {
            Status::Pending => self.remaining += recipients,
            Status::Sending | Status::InDoubt => self.in_doubt += recipients,
            Status::Accepted => {
                let failed = failed.min(recipients);
                self.accepted += recipients - failed;
                self.failed += failed;
            }
            Status::Failed => self.failed += recipients,
            Status::Skipped => self.skipped += recipients,
        }
    }

    /// Takes back what [`Tally::add`] counted.
    pub fn remove(&mut self, status: Status, recipients: u64, failed: u64) {
        let mut counted = Self::default();
        counted.add(status, recipients, failed);
        self.planned -= counted.planned;
        self.accepted -= counted.accepted;
        self.failed -= counted.failed;
        self.in_doubt -= counted.in_doubt;
        self.skipped -= counted.skipped;
        self.remaining -= counted.remaining;
    }

    /// Does the equation hold? Anything else is a defect or a damaged state.
    pub fn balances(&self) -> bool {
        self.planned == self.accepted + self.failed + self.in_doubt + self.skipped + self.remaining
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { planned, accepted, failed, in_doubt, skipped, remaining } = self;
        write!(
            f,
            "{planned} planned = {accepted} accepted + {failed} failed + {in_doubt} in doubt + {skipped} skipped + {remaining} remaining"
        )
    }
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |a, b| Self {
            planned: a.planned + b.planned,
            accepted: a.accepted + b.accepted,
            failed: a.failed + b.failed,
            in_doubt: a.in_doubt + b.in_doubt,
            skipped: a.skipped + b.skipped,
            remaining: a.remaining + b.remaining,
        })
    }
}
