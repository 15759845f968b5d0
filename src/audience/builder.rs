//! From rows, one after the other, to recipients: who is in, who is out, and who was there before.
//!
//! One table holds every account that any list or row named, so that a row costs one look-up. Whether an
//! account is out is known only at the end (a later row may suppress it), so that the marks are kept apart from
//! the tuple and settled in [`Builder::finish`].

use super::error::BadRow;
use super::intern::{Full, Interner, Texts};
use super::value::{Value, encode};
use super::{Audience, Stats, TupleId};

/// What is known of an account, in four bytes.
#[derive(Debug, Clone, Copy)]
struct Mark(u32);

impl Mark {
    const EXCLUDED: u32 = 1 << 31;
    const SUPPRESSED: u32 = 1 << 30;
    /// Named by a list or by a row that does not match `where`, but by no row that does.
    const NO_TUPLE: u32 = Texts::MAX_LEN;

    fn tuple(self) -> Option<u32> {
        let tuple = self.0 & Texts::MAX_LEN;
        (tuple != Self::NO_TUPLE).then_some(tuple)
    }

    fn set_tuple(&mut self, tuple: u32) {
        self.0 = (self.0 & !Texts::MAX_LEN) | tuple;
    }

    fn is(self, flag: u32) -> bool {
        self.0 & flag != 0
    }
}

/// Collects an audience.
#[derive(Debug, Default)]
pub(super) struct Builder {
    accounts: Interner,
    /// One an account.
    marks: Vec<Mark>,
    tuples: Interner,
    /// One a tuple.
    lines: Vec<u64>,
    /// The reader counts `rows`, `bad` and `filtered`; the rest is counted here.
    pub(super) stats: Stats,
    /// The tuple at hand; kept for its memory.
    tuple: String,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Leaves an account out, because a suppression list names it.
    pub(super) fn exclude(&mut self, account: &str) -> Result<(), Full> {
        let account = self.index(account)?;
        self.marks[account].0 |= Mark::EXCLUDED;
        Ok(())
    }

    /// Leaves an account out, because a row of it matches `suppress_where`.
    pub(super) fn suppress(&mut self, account: &str) -> Result<(), Full> {
        let account = self.index(account)?;
        self.marks[account].0 |= Mark::SUPPRESSED;
        Ok(())
    }

    /// Adds a row that matches `where`.
    pub(super) fn add<'v>(
        &mut self,
        account: &str,
        values: impl Iterator<Item = Value<'v>>,
        line: u64,
    ) -> Result<(), Full> {
        let mut tuple = std::mem::take(&mut self.tuple);
        tuple.clear();
        values.for_each(|value| encode(&mut tuple, value));
        let account = self.index(account)?;
        if let Some(first) = self.marks[account].tuple() {
            self.stats.duplicates += 1;
            self.stats.conflicting += u64::from(self.tuples.get(first) != tuple);
        } else {
            let (id, is_new) = self.tuples.intern(&tuple)?;
            if is_new {
                self.lines.push(line);
            }
            self.marks[account].set_tuple(id);
        }
        self.tuple = tuple;
        Ok(())
    }

    /// Settles who is in.
    pub(super) fn finish(
        self,
        sources: Vec<String>,
        columns: Vec<String>,
        bad_rows: Vec<BadRow>,
    ) -> Audience {
        let Self { accounts, marks, tuples, lines, mut stats, .. } = self;
        let (accounts, tuples) = (accounts.into_texts(), tuples.into_texts());
        let mut recipients = Vec::with_capacity(marks.len());
        let mut tuple_of = Vec::with_capacity(marks.len());
        for (account, mark) in (0..).zip(&marks) {
            match mark.tuple() {
                None => {}
                Some(_) if mark.is(Mark::EXCLUDED) => stats.excluded += 1,
                Some(_) if mark.is(Mark::SUPPRESSED) => stats.suppressed += 1,
                Some(tuple) => {
                    recipients.push(account);
                    tuple_of.push(TupleId(tuple));
                }
            }
        }
        stats.recipients = recipients.len() as u64;

        let mut audience = Audience {
            sources,
            columns,
            accounts,
            tuple_of,
            tuples,
            lines,
            bad_rows,
            stats,
            digest: [0; 32],
        };
        if recipients.len() < marks.len() {
            audience.accounts = audience.accounts.select(recipients.into_iter());
            audience.drop_unused_tuples();
        }
        audience.digest = audience.compute_digest();
        audience
    }

    /// Where an account's mark stands; its first mention makes one.
    fn index(&mut self, account: &str) -> Result<usize, Full> {
        let (index, is_new) = self.accounts.intern(account)?;
        if is_new {
            self.marks.push(Mark(Mark::NO_TUPLE));
        }
        Ok(index as usize)
    }
}

impl Audience {
    /// Drops the tuples that nobody who is in has, and counts the others anew. Nothing is rendered, and no error
    /// raised, for the sake of somebody who gets nothing.
    pub(super) fn drop_unused_tuples(&mut self) {
        const UNUSED: u32 = u32::MAX;
        let mut renumbered = vec![UNUSED; self.lines.len()];
        let mut kept = Vec::new();
        let mut next = 0;
        for tuple in &mut self.tuple_of {
            let number = &mut renumbered[tuple.index()];
            if *number == UNUSED {
                *number = next;
                next += 1;
                kept.push(tuple.0);
            }
            *tuple = TupleId(*number);
        }
        self.lines = kept.iter().map(|&tuple| self.lines[tuple as usize]).collect();
        self.tuples = self.tuples.select(kept.into_iter());
    }
}
