//! Who is in: every mention of an account meets the others in its part, and the parts are settled one by one.
//!
//! A mention is what it says (one byte); where that is [`ROW`] the row's index and the print of its tuple, four
//! bytes each; and the account. Mentions stand in the order in which they were made, so that the first row is
//! the one that counts; whether its account is out is known behind the last mention alone. Accounts are compared
//! byte for byte: a hash only says where to look.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use hashbrown::HashTable;

use super::collect::{EXCLUDED, ROW};
use super::intern::hash;
use super::{Keep, Stats};
use crate::spill::record::Fields;
use crate::spill::{self, Pool};

/// The rows that are nobody's push, by their index.
#[derive(Debug)]
pub(super) struct Out(Vec<AtomicU64>);

impl Out {
    fn none_of(rows: u32) -> Self {
        Self((0..rows.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    fn add(&self, row: u32) {
        self.0[row as usize / 64].fetch_or(1 << (row % 64), Ordering::Relaxed);
    }

    pub(super) fn contains(&self, row: u32) -> bool {
        self.0[row as usize / 64].load(Ordering::Relaxed) >> (row % 64) & 1 == 1
    }
}

/// Settles all parts on as many threads as the machine has. What each comes to does not depend on the others,
/// and sums do not depend on their order.
pub(super) fn settle(mentions: &Pool, rows: u32, keep: Keep<'_>) -> Result<(Out, Stats), spill::Error> {
    let out = Out::none_of(rows);
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut part, mut stats) = (Part::default(), Stats::default());
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= mentions.parts() {
                return Ok(stats);
            }
            part.settle(mentions, index, keep, &out, &mut stats)?;
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let stats = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut stats: Stats = work()?;
        for other in others {
            let more: Stats = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            stats.duplicates += more.duplicates;
            stats.conflicting += more.conflicting;
            stats.excluded += more.excluded;
            stats.suppressed += more.suppressed;
            stats.recipients += more.recipients;
        }
        Ok(stats)
    })?;
    Ok((out, stats))
}

/// Each holds one part's accounts; more threads would wait for the memory.
const MOST_THREADS: usize = 4;

/// The accounts of the part at hand. Its memory serves one part after the other.
#[derive(Debug, Default)]
struct Part {
    accounts: Vec<u8>,
    known: Vec<Account>,
    table: HashTable<u32>,
}

#[derive(Debug)]
struct Account {
    /// Where its bytes end; they begin where the one before it ends.
    end: usize,
    /// Its first row, and the print of that row's tuple.
    row: Option<(u32, u32)>,
    excluded: bool,
    suppressed: bool,
}

impl Part {
    fn settle(
        &mut self,
        mentions: &Pool,
        index: usize,
        keep: Keep<'_>,
        out: &Out,
        stats: &mut Stats,
    ) -> Result<(), spill::Error> {
        self.accounts.clear();
        self.known.clear();
        self.table.clear();
        let mut chunks = mentions.read(index);
        while let Some(chunk) = chunks.next()? {
            let mut fields = Fields::new(chunk);
            while !fields.is_empty() {
                let what = fields.byte();
                let row = (what == ROW)
                    .then(|| (u32::from_le_bytes(fields.fixed()), u32::from_le_bytes(fields.fixed())));
                let account = self.account(fields.bytes());
                match (row, account.row) {
                    (None, _) if what == EXCLUDED => account.excluded = true,
                    (None, _) => account.suppressed = true,
                    (Some(_), None) => account.row = row,
                    (Some((row, print)), Some((_, first))) => {
                        out.add(row);
                        stats.duplicates += 1;
                        stats.conflicting += u64::from(print != first);
                    }
                }
            }
        }
        let mut start = 0;
        for account in &self.known {
            let name = &self.accounts[start..account.end];
            start = account.end;
            let Some((row, _)) = account.row else { continue };
            if account.excluded {
                stats.excluded += 1;
            } else if account.suppressed {
                stats.suppressed += 1;
            } else if !keep.names(name) {
                stats.others += 1;
            } else {
                stats.recipients += 1;
                continue;
            }
            out.add(row);
        }
        Ok(())
    }

    fn account(&mut self, name: &[u8]) -> &mut Account {
        let (accounts, known) = (&self.accounts, &self.known);
        let bytes = |index: u32| {
            let start = if index == 0 { 0 } else { known[index as usize - 1].end };
            &accounts[start..known[index as usize].end]
        };
        let hash_of = hash(name);
        let index = if let Some(&index) = self.table.find(hash_of, |&index| bytes(index) == name) {
            index
        } else {
            let index = known.len() as u32;
            self.table.insert_unique(hash_of, index, |&index| hash(bytes(index)));
            self.accounts.extend_from_slice(name);
            let end = self.accounts.len();
            self.known.push(Account { end, row: None, excluded: false, suppressed: false });
            index
        };
        &mut self.known[index as usize]
    }
}
