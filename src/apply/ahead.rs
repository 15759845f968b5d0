//! Payloads that are read before they are needed: to read what a call needs takes as long as to commit its intent, and
//! calls need not wait for both.

use std::collections::VecDeque;

use crate::state::{self, Payload, Store};

/// Read at once: few, so that what is asked meanwhile does not wait long.
const AT_ONCE: u32 = 16;

/// Kept of a run: as many as are begun at once with the usual `in_flight`.
const MOST: usize = 64;

/// The payloads after the last batch of a run that was begun: the next to be begun, most likely.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// In order of number.
    payloads: VecDeque<(u32, Payload)>,
    /// The batch to read next; `None` before the first one was begun and after the last one was read.
    next: Option<u32>,
}

impl Ahead {
    /// Reads some more; false where there are enough, or no more.
    pub(super) fn read_some(&mut self, store: &mut dyn Store, run: &str) -> bool {
        let Some(next) = self.next.filter(|_| self.payloads.len() < MOST) else { return false };
        // An error is told when the batch is begun.
        let read = store.payloads(run, next..=next.saturating_add(AT_ONCE - 1)).unwrap_or_default();
        self.next = read.last().map(|(last, _)| last + 1);
        self.payloads.extend(read);
        self.next.is_some()
    }

    /// What a batch's call needs: as it was read ahead, or read now.
    pub(super) fn payload(&mut self, store: &mut dyn Store, run: &str, batch: u32) -> state::Result<Payload> {
        if let Some(index) = self.payloads.iter().position(|(ahead, _)| *ahead == batch) {
            // Those before it were passed over.
            let (_, payload) = self.payloads.drain(..=index).next_back().expect("it is among them");
            return Ok(payload);
        }
        // One that is tried again lies behind, and says nothing of what comes next.
        if self.next.is_none_or(|next| next <= batch) {
            self.payloads.clear();
            self.next = Some(batch + 1);
        }
        store.payload(run, batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::SqliteStore;

    #[test]
    fn what_is_not_in_the_state_ends_the_reading() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(&folder.path().join("state.db")).unwrap();
        let mut ahead = Ahead { next: Some(1), ..Ahead::default() };
        assert!(!ahead.read_some(&mut store, "no-such-run"));
        assert!(ahead.next.is_none());
    }
}
