//! From rows, one after the other, to what is kept of them until it is known who is in.
//!
//! A row that matches is written down twice: with its values in the order of the source, and by its account in
//! one of [`PARTS`] parts, where every mention of an account meets. What the values are is interned while there
//! are few different ones; beyond [`Bounds::tuples`], a row that brings new ones carries them itself, so that the
//! memory has a bound whatever the source holds.

use std::sync::Arc;

use super::error::BadRow;
use super::intern::{Interner, hash};
use super::settle::settle;
use super::value::{Value, encode};
use super::{Audience, Keep, Stats};
use crate::spill::record::{put_bytes, put_number};
use crate::spill::{self, Memory, Pool};

/// Parts by account: enough that one of a hundred million accounts fits into a processor's cache.
const PARTS: u64 = 256;

/// What may stay in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Bytes of rows and mentions; what is more goes to a temporary file.
    pub(crate) memory: usize,
    /// Different tuples that are interned.
    pub(crate) tuples: u32,
}

impl Bounds {
    /// A tenth of what an engine takes that keeps ten million rows, and tuples enough for every pair of 500 names and
    /// 500 cities.
    pub(crate) const USUAL: Self = Self { memory: 48 << 20, tuples: 1 << 18 };
}

/// Most bytes of interned tuples.
const KNOWN_BYTES_MAX: usize = 32 << 20;

/// More rows than an index counts.
#[derive(Debug)]
pub(super) enum Failed {
    TooLarge,
    Spill(spill::Error),
}

impl From<spill::Error> for Failed {
    fn from(error: spill::Error) -> Self {
        Self::Spill(error)
    }
}

/// Collects an audience.
#[derive(Debug)]
pub(super) struct Collector {
    /// Rows that match, in order. See [`super::recipients`] for the form.
    rows: Pool,
    /// What is said of accounts, by account. See [`super::settle`] for the form.
    mentions: Pool,
    /// Rows that match, so far.
    count: u32,
    tuples: Interner,
    /// Where each tuple was first met.
    positions: Vec<u64>,
    /// The tuple at hand; kept for its memory.
    tuple: String,
    tuples_max: u32,
    memory: Arc<Memory>,
}

/// What a mention says of its account.
pub(super) const ROW: u8 = 0;
pub(super) const EXCLUDED: u8 = 1;
pub(super) const SUPPRESSED: u8 = 2;

impl Collector {
    pub(super) fn new(bounds: Bounds) -> Self {
        let memory = Arc::new(Memory::new(bounds.memory));
        Self {
            rows: Pool::new(&memory, 1),
            mentions: Pool::new(&memory, PARTS as usize),
            count: 0,
            tuples: Interner::default(),
            positions: Vec::new(),
            tuple: String::new(),
            tuples_max: bounds.tuples,
            memory,
        }
    }

    /// Leaves an account out, because a suppression list names it.
    pub(super) fn exclude(&mut self, account: &str) -> Result<(), spill::Error> {
        self.mention(account, EXCLUDED, |_| {})
    }

    /// Leaves an account out, because a row of it matches `suppress_where`.
    pub(super) fn suppress(&mut self, account: &str) -> Result<(), spill::Error> {
        self.mention(account, SUPPRESSED, |_| {})
    }

    /// Adds a row that matches `where`.
    pub(super) fn add<'v>(
        &mut self,
        account: &str,
        values: impl Iterator<Item = Value<'v>>,
        position: u64,
    ) -> Result<(), Failed> {
        let mut tuple = std::mem::take(&mut self.tuple);
        tuple.clear();
        values.for_each(|value| encode(&mut tuple, value));
        let known = self.known(&tuple, position);
        self.rows.append(0, |record| {
            if let Some(id) = known {
                put_number(record, u64::from(id) + 1);
            } else {
                put_number(record, 0);
                put_bytes(record, tuple.as_bytes());
                put_number(record, position);
            }
            put_bytes(record, account.as_bytes());
        })?;
        // Only to tell a duplicate with other values from one with the same; see `Stats::conflicting`.
        let print = known.unwrap_or_else(|| 1 << 31 | (hash(&tuple) >> 33) as u32);
        let row = self.count;
        self.mention(account, ROW, |record| {
            record.extend_from_slice(&row.to_le_bytes());
            record.extend_from_slice(&print.to_le_bytes());
        })?;
        self.count = row.checked_add(1).ok_or(Failed::TooLarge)?;
        self.tuple = tuple;
        Ok(())
    }

    /// The index of a tuple, if it is among those that are interned.
    fn known(&mut self, tuple: &str, position: u64) -> Option<u32> {
        if self.tuples.texts().len() == self.tuples_max
            || self.tuples.texts().bytes() + tuple.len() > KNOWN_BYTES_MAX
        {
            return self.tuples.find(tuple);
        }
        let (id, is_new) = self.tuples.intern(tuple);
        if is_new {
            self.positions.push(position);
        }
        Some(id)
    }

    fn mention(
        &mut self,
        account: &str,
        what: u8,
        more: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), spill::Error> {
        let part = hash(account) >> 32 & (PARTS - 1);
        self.mentions.append(part as usize, |record| {
            record.push(what);
            more(record);
            put_bytes(record, account.as_bytes());
        })
    }

    /// Settles who is in. `stats` are those that the reader counted.
    pub(super) fn finish(
        self,
        keep: Keep<'_>,
        stats: Stats,
        sources: Vec<String>,
        columns: Vec<String>,
        bad_rows: Vec<BadRow>,
    ) -> Result<Audience, spill::Error> {
        let (out, settled) = settle(&self.mentions, self.count, keep)?;
        Ok(Audience {
            sources,
            columns,
            rows: self.rows,
            out,
            tuples: self.tuples.into_texts(),
            positions: self.positions,
            bad_rows,
            stats: Stats { rows: stats.rows, bad: stats.bad, filtered: stats.filtered, ..settled },
            memory: self.memory,
        })
    }
}
