//! From an [`AudienceSpec`](crate::campaign::AudienceSpec) to the recipients: read, filter, exclude, de-duplicate.
//!
//! An [`Audience`] is closed: its recipients stand in file order, each once, and each has a *tuple*, the values
//! of the columns that the campaign's templates use. Recipients with equal values share a tuple, so that what
//! comes after renders once per tuple and not once per recipient. Nothing here knows what a template is; the
//! caller names the columns to carry.
//!
//! One thread reads, parses and filters (`read`); the other writes down what matched (`collect`); then
//! all of them settle who is in (`settle`). Memory has a bound: what is too much for it is in
//! [`spill`](crate::spill) pools.
//!
//! # Invariants
//!
//! - Every data row has one fate: `rows = bad + filtered + duplicates + excluded + suppressed + others + recipients`.
//! - The result depends on the source's bytes and the spec alone, never on threads or hash seeds.
//! - A file that is cut, damaged or malformed is an error, never a short audience.
//!
//! Deliberately absent: what a column means, how many recipients are too many, and every source's credentials.

mod block;
mod collect;
mod error;
mod filter;
mod intern;
mod position;
mod read;
mod recipients;
mod settle;
mod source;
#[cfg(test)]
mod tests;
mod value;

use std::collections::HashSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use error::{BadRow, BadRows, Error};
pub use read::{Reading, read};
pub use recipients::{OwnTuple, Recipient, Tuple};
pub use source::{Columns, columns};
pub use value::Value;

#[cfg(test)]
pub(crate) use collect::Bounds;
pub(crate) use intern::{Interner, Texts};
pub(crate) use recipients::decode;
pub(crate) use value::encode;

use crate::spill::{Memory, Pool};

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
///
/// Most of it is in a pool; what stays in memory whatever the source holds is a bit a row, and the tuples up to
/// a bound.
#[derive(Debug)]
pub struct Audience {
    /// The source as a reader knows it: the paths of its files, or `accounts`.
    sources: Vec<String>,
    /// The carried columns, in the order of a tuple's values.
    columns: Vec<String>,
    /// The rows that match, in order.
    rows: Pool,
    /// Those of them that are nobody's push.
    out: settle::Out,
    /// Encoded values, one a tuple; tuples stand in the order of their first row.
    tuples: Texts,
    /// Where each tuple's first row stands; see [`position`].
    positions: Vec<u64>,
    bad_rows: Vec<BadRow>,
    stats: Stats,
    memory: Arc<Memory>,
}

/// Whom a plan is made for: everybody, or those whom what is left of a run still names.
#[derive(Debug, Clone, Copy)]
pub struct Keep<'a>(pub Option<&'a HashSet<String>>);

impl Keep<'_> {
    fn names(self, account: &[u8]) -> bool {
        self.0.is_none_or(|kept| std::str::from_utf8(account).is_ok_and(|account| kept.contains(account)))
    }
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
/// `rows = bad + filtered + duplicates + excluded + suppressed + others + recipients`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Accounts that the plan is not about: where it is made for what is left of a run, those who are done with.
    #[serde(default)]
    pub others: u64,
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
    pub fn len(&self) -> u64 {
        self.stats.recipients
    }

    /// Is nobody left?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tuples that recipients share, in the order of their first row; some may be nobody's, whose rows are
    /// duplicates or left out.
    pub fn tuples(&self) -> impl ExactSizeIterator<Item = TupleId> + use<> {
        (0..self.tuples.len()).map(TupleId)
    }

    /// The carried columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// A tuple's values, in the order of [`Audience::columns`].
    pub fn values(&self, tuple: TupleId) -> Vec<Value<'_>> {
        decode(self.tuples.get(tuple.0))
    }

    /// Where a tuple was first met.
    pub fn place(&self, tuple: TupleId) -> Place {
        self.place_of(self.positions[tuple.index()])
    }

    /// What became of the source's rows.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The first of the malformed rows that were let pass; at most 20.
    pub fn bad_rows(&self) -> &[BadRow] {
        &self.bad_rows
    }

    /// Bytes of it, and of what was made of it, that went to temporary files.
    pub fn spilled(&self) -> u64 {
        self.memory.spilled()
    }

    /// The memory that its pools share, for those of who goes on with it.
    pub(crate) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }
}

#[cfg(test)]
impl Audience {
    /// An audience from rows in memory, for the tests of the modules that come after this one.
    pub(crate) fn of(bounds: Bounds, columns: &[&str], rows: &[(&str, Vec<Value<'_>>)]) -> Self {
        let mut collector = collect::Collector::new(bounds);
        for (line, (account, values)) in (1..).zip(rows) {
            assert_eq!(values.len(), columns.len());
            collector.add(account, values.iter().copied(), line).expect("a test's audience is small");
        }
        let stats = Stats { rows: rows.len() as u64, ..Stats::default() };
        let columns = columns.iter().map(|c| (*c).to_owned()).collect();
        collector
            .finish(Keep(None), stats, vec!["test".to_owned()], columns, Vec::new())
            .expect("a test's audience is small")
    }

    /// Everybody.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let mut list = Vec::new();
        self.each(|recipient| -> Result<(), crate::spill::Error> {
            let (tuple, place) = match recipient.tuple() {
                Tuple::Known(tuple) => (self.tuples.get(tuple.0), self.place(tuple)),
                Tuple::Own(own) => (own.text(), self.place_of(own.position())),
            };
            list.push(Listed { account: recipient.account().to_owned(), tuple: tuple.to_owned(), place });
            Ok(())
        })
        .expect("a test's disk has room");
        list
    }

    pub(crate) fn accounts(&self) -> Vec<String> {
        self.list().into_iter().map(|listed| listed.account).collect()
    }
}

/// A recipient as a test looks at it.
#[cfg(test)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) account: String,
    tuple: String,
    pub(crate) place: Place,
}

#[cfg(test)]
impl Listed {
    pub(crate) fn values(&self) -> Vec<Value<'_>> {
        decode(&self.tuple)
    }
}
