//! From an [`AudienceSpec`](crate::campaign::AudienceSpec) to the recipients: read, filter, exclude, de-duplicate, digest.
//!
//! An [`Audience`] is closed: its recipients stand in file order, each once, and each has a *tuple*, the values
//! of the columns that the campaign's templates use. Recipients with equal values share a tuple, so that what
//! comes after renders once per tuple and not once per recipient. Nothing here knows what a template is; the
//! caller names the columns to carry.
//!
//! # Invariants
//!
//! - Every data row has one fate: `rows = bad + filtered + duplicates + excluded + suppressed + recipients`.
//! - The result depends on the source's bytes and the spec alone, never on threads or hash seeds.
//! - A file that is cut, damaged or malformed is an error, never a short audience.
//!
//! Deliberately absent: what a column means, how many recipients are too many, and every source's credentials.

mod block;
mod builder;
mod error;
mod filter;
mod intern;
mod position;
mod read;
mod source;
#[cfg(test)]
mod tests;
mod value;

use std::collections::HashSet;

use sha2::{Digest, Sha256};

pub use error::{BadRow, BadRows, Error};
pub use read::read;
pub use source::{Columns, columns};
pub use value::Value;

pub(crate) use intern::{Interner, Texts};
pub(crate) use value::encode;

/// What may be done to get at an audience, from the least to the most; each level includes those before it.
///
/// A campaign file in a pull request is not trusted: what its reader may cause is for the caller to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Files are read.
    Files,
    /// Connections are opened.
    Connections,
    /// Programs are run.
    Programs,
}

/// The recipients of one run, in the order in which the source names them.
#[derive(Debug)]
pub struct Audience {
    /// The source as a reader knows it: the paths of its files, or `accounts`.
    sources: Vec<String>,
    /// The carried columns, in the order of a tuple's values.
    columns: Vec<String>,
    accounts: Texts,
    /// One a recipient.
    tuple_of: Vec<TupleId>,
    /// Encoded values, one a tuple; tuples stand in the order of their first recipient.
    tuples: Texts,
    /// Where each tuple's first recipient stands; see [`position`].
    lines: Vec<u64>,
    bad_rows: Vec<BadRow>,
    stats: Stats,
    digest: [u8; 32],
}

/// Which tuple a recipient has: an index from 0 to [`Audience::tuples`], valid in its own audience alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TupleId(u32);

impl TupleId {
    /// The index of the tuple, from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What became of the source's rows.
///
/// `rows = bad + filtered + duplicates + excluded + suppressed + recipients`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    /// Data rows read; a CSV header and blank lines are none.
    pub rows: u64,
    /// Malformed rows let pass by `max_bad_rows`. A malformed CSV row that spans several lines counts as as many
    /// rows, because an unclosed quote may have swallowed them.
    pub bad: u64,
    /// Rows that do not match `where`.
    pub filtered: u64,
    /// Rows whose account an earlier row had; the earlier row won.
    pub duplicates: u64,
    /// Duplicates whose carried columns differ from the row that won.
    pub conflicting: u64,
    /// Accounts left out because a list under `exclude` names them.
    pub excluded: u64,
    /// Accounts left out because one of their rows matches `suppress_where` (and no `exclude` names them).
    pub suppressed: u64,
    /// Accounts that get a push.
    pub recipients: u64,
}

/// Where a tuple was first met, for messages: `audiences/buyers.csv:17`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path of a file, or `accounts`.
    pub source: String,
    /// The line, from 1; for `accounts` the position in the list.
    pub line: u64,
}

impl Place {
    /// A packed position in words.
    fn of(position: u64, sources: &[String]) -> Self {
        let (file, line) = position::unpack(position);
        Self { source: sources[file].clone(), line }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.source, self.line)
    }
}

impl Audience {
    /// Number of recipients.
    pub fn len(&self) -> u32 {
        self.accounts.len()
    }

    /// Is nobody left?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The UserID of a recipient, counted from 0.
    ///
    /// # Panics
    /// Where `recipient` is not below [`Audience::len`].
    pub fn account(&self, recipient: u32) -> &str {
        self.accounts.get(recipient)
    }

    /// The tuple of a recipient, counted from 0.
    ///
    /// # Panics
    /// Where `recipient` is not below [`Audience::len`].
    pub fn tuple_of(&self, recipient: u32) -> TupleId {
        self.tuple_of[recipient as usize]
    }

    /// The distinct tuples, in the order of their first recipient.
    pub fn tuples(&self) -> impl ExactSizeIterator<Item = TupleId> + use<> {
        (0..self.tuples.len()).map(TupleId)
    }

    /// The carried columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// A tuple's values, in the order of [`Audience::columns`].
    pub fn values(&self, tuple: TupleId) -> Vec<Value<'_>> {
        value::decode(self.tuples.get(tuple.0)).collect()
    }

    /// Where a tuple was first met.
    pub fn place(&self, tuple: TupleId) -> Place {
        Place::of(self.lines[tuple.index()], &self.sources)
    }

    /// What became of the source's rows.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The first of the malformed rows that were let pass; at most 20.
    pub fn bad_rows(&self) -> &[BadRow] {
        &self.bad_rows
    }

    /// SHA-256 over the carried columns' names, the recipients in order, and their values.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The same audience without those whom `keep` does not name. The others count as excluded.
    #[must_use]
    pub fn restricted_to(mut self, keep: &HashSet<String>) -> Self {
        let kept: Vec<u32> = (0..self.len()).filter(|&index| keep.contains(self.account(index))).collect();
        self.stats.excluded += u64::from(self.len()) - kept.len() as u64;
        self.stats.recipients = kept.len() as u64;
        self.tuple_of = kept.iter().map(|&index| self.tuple_of(index)).collect();
        self.accounts = self.accounts.select(kept.into_iter());
        self.drop_unused_tuples();
        self.digest = self.compute_digest();
        self
    }

    fn compute_digest(&self) -> [u8; 32] {
        let mut sha = Sha256::new();
        sha.update((self.columns.len() as u64).to_le_bytes());
        for column in &self.columns {
            sha.update((column.len() as u64).to_le_bytes());
            sha.update(column);
        }
        self.tuples.digest(&mut sha);
        self.accounts.digest(&mut sha);
        let mut bytes = Vec::with_capacity(4096);
        for chunk in self.tuple_of.chunks(1024) {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|tuple| tuple.0.to_le_bytes()));
            sha.update(&bytes);
        }
        sha.finalize().into()
    }
}

#[cfg(test)]
impl Audience {
    /// An audience from rows in memory, for the tests of the modules that come after this one.
    pub(crate) fn of(columns: &[&str], rows: &[(&str, Vec<Value<'_>>)]) -> Self {
        let mut builder = builder::Builder::new();
        for (line, (account, values)) in (1..).zip(rows) {
            assert_eq!(values.len(), columns.len());
            builder.add(account, values.iter().copied(), line).expect("a test's audience is small");
        }
        builder.stats.rows = rows.len() as u64;
        builder.finish(vec!["test".to_owned()], columns.iter().map(|c| (*c).to_owned()).collect(), Vec::new())
    }
}
