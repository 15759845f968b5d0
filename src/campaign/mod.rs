//! From a YAML file to a checked [`Campaign`], and from `pushplan.yaml` to a checked `Workspace`.
//!
//! A `RawCampaign` is what an author may write (serde and schemars); a [`Campaign`] is what the rest of the
//! crate may rely on: every unit parsed, every path resolved, every default filled in. Nothing here reads an
//! audience or renders a template.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub mod schedule;

use crate::diagnostic::{Diagnostic, SourceFile, Span};

/// A checked campaign. Built only by this module.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Campaign {
    /// `campaign:` — `[a-z0-9-]{1,40}`, unique in the workspace.
    pub id: String,
    /// `description:`
    pub description: Option<String>,
    /// Name of the app in `pushplan.yaml`.
    pub app: String,
    /// `From_Account`.
    pub from: String,
    /// `revision:` — from 1; raised to send an unscheduled campaign again.
    pub revision: u32,
    /// Who gets it.
    pub audience: AudienceSpec,
    /// What they get.
    pub message: MessageSpec,
    /// The DataId template.
    pub data_id: String,
    /// When; `None` is one occurrence, `once`.
    pub schedule: Option<schedule::Schedule>,
    /// How it is sent.
    pub delivery: Delivery,
    /// The file it came from, with the place of every key.
    pub document: Arc<Document>,
}

/// A parsed YAML file: its text and where each JSON pointer stands in it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Document {
    /// The file.
    pub source: Arc<SourceFile>,
    /// JSON pointer (`/audience/where/lang`) → where its key and its value stand.
    pub places: std::collections::HashMap<String, Place>,
}

/// Where a key and its value stand.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The key; for a list's item and for the root, the value's own span.
    pub key: Span,
    /// The value.
    pub value: Span,
}

impl Document {
    /// An error at the value that a JSON pointer names (the nearest parent's, where it is not written).
    pub fn at_value(&self, pointer: &str, code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, &self.source, self.place(pointer).value, message)
    }

    /// An error at the key that a JSON pointer names (the nearest parent's, where it is not written).
    pub fn at_key(&self, pointer: &str, code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, &self.source, self.place(pointer).key, message)
    }

    fn place(&self, pointer: &str) -> Place {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return *place;
            }
            match pointer.rfind('/') {
                Some(cut) => pointer = &pointer[..cut],
                None => return Place { key: Span { start: 0, len: 0 }, value: Span { start: 0, len: 0 } },
            }
        }
    }
}

/// Where recipients come from and which of them are meant.
#[derive(Debug, Clone)]
pub struct AudienceSpec {
    /// The one source.
    pub source: Source,
    /// The column that holds the UserID. For `accounts` it is `account`.
    pub account: String,
    /// `where`: rows that do not match are not recipients.
    pub filter: Option<Filter>,
    /// `suppress_where`: an account with any row that matches gets nothing, whatever its other rows say.
    pub suppress: Option<Filter>,
    /// Suppression lists.
    pub exclude: Vec<Exclusion>,
    /// Fewest recipients; below it, plan refuses.
    pub expect_min: Option<u64>,
    /// Most recipients; above it, plan refuses.
    pub expect_max: Option<u64>,
    /// Share of malformed rows that is let pass (and counted), 0.0 to 1.0; 0 by default.
    pub max_bad_rows: f64,
}

/// Accounts that get nothing.
#[derive(Debug, Clone)]
pub struct Exclusion {
    /// The list.
    pub source: Source,
    /// Its account column.
    pub account: String,
    /// Only rows that match exclude.
    pub filter: Option<Filter>,
}

/// One place recipients are read from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// Written into the campaign file; the only column is `account`.
    Accounts(Vec<String>),
    /// A CSV file with a header row; `.gz` and `.zst` are read by their ending.
    Csv(PathBuf),
    /// A file with one JSON object a line; the same endings.
    Jsonl(PathBuf),
}

/// A condition on a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All must hold; the empty list holds.
    All(Vec<Filter>),
    /// At least one must hold.
    Any(Vec<Filter>),
    /// Must not hold.
    Not(Box<Filter>),
    /// A column's value passes a test.
    Column {
        /// The column.
        column: String,
        /// The test.
        test: Test,
        /// JSON pointer of where it is written, for diagnostics.
        pointer: String,
    },
}

/// A test of one value. A missing or null value passes none but `Exists(false)`, `Ne` and `NotIn`.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Equal.
    Eq(Scalar),
    /// Not equal.
    Ne(Scalar),
    /// Less than.
    Lt(Scalar),
    /// Less than or equal.
    Lte(Scalar),
    /// Greater than.
    Gt(Scalar),
    /// Greater than or equal.
    Gte(Scalar),
    /// Equal to one of these.
    In(Vec<Scalar>),
    /// Equal to none of these.
    NotIn(Vec<Scalar>),
    /// Present, not null and not empty (true), or the opposite (false).
    Exists(bool),
    /// Holds this text.
    Contains(String),
    /// Begins with this text.
    StartsWith(String),
}

/// A YAML value in a condition; its type decides how it compares.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// `true` matches `true`, `True`, `TRUE` and `1`; `false` likewise.
    Bool(bool),
    /// Compares as a number: `3` equals `3.0` and `03`.
    Number(f64),
    /// Compares byte by byte.
    Text(String),
}

/// The OfflinePushInfo of a campaign, with the vendor's keys and templates in its strings.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageSpec {
    /// Always a [`Node::Object`].
    pub root: Node,
}

/// A JSON value whose strings may be Handlebars templates.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// Written as it is: null, a boolean, a number.
    Literal(serde_json::Value),
    /// A string that may be a template.
    Text {
        /// As written.
        text: String,
        /// JSON pointer of where it is written, for diagnostics.
        pointer: String,
    },
    /// An array.
    List(Vec<Node>),
    /// An object with the vendor's keys, in the order in which they are sent.
    Object(Vec<(String, Node)>),
    /// Rendered, then written as a JSON text inside a string: `Ext`.
    JsonText(Box<Node>),
}

/// How a run is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delivery {
    /// The breaker: above it the run pauses by itself.
    pub max_failures: MaxFailures,
    /// What becomes of batches in doubt.
    pub on_in_doubt: OnInDoubt,
    /// How long one call may take before it is in doubt; 1 s to 5 min.
    pub timeout: Duration,
    /// Most calls in flight at once; 1 to 256.
    pub in_flight: u32,
}

/// How many recipients may fail before a run pauses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxFailures {
    /// A share of those attempted, 0.0 to 1.0.
    Share(f64),
    /// A number of recipients.
    Count(u64),
}

/// What becomes of a batch whose answer is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnInDoubt {
    /// It waits for a person: nobody gets it twice.
    Hold,
    /// It is sent again: somebody may get it twice, nobody misses it.
    Resend,
}
