//! What a checked campaign says, in types that the rest of the crate may rely on.
//!
//! Plain data: how it comes out of a file is the business of `resolve`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::document::Document;
use super::schedule::Schedule;
use super::workspace::SecretRef;

/// A checked campaign. Built only by this module.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Campaign {
    /// `campaign:` — `[a-z0-9-]{1,40}`, unique in the workspace.
    pub id: String,
    /// `description:`
    pub description: Option<String>,
    /// `owner:` — who answers for it.
    pub owner: Option<String>,
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
    pub schedule: Option<Schedule>,
    /// How it is sent.
    pub delivery: Delivery,
    /// The file it came from, with the place of every key.
    pub document: Arc<Document>,
    /// See [`Campaign::content_digest`].
    pub(super) content_digest: [u8; 32],
    /// See [`Campaign::content_json`].
    pub(super) content_json: Arc<str>,
}

impl Campaign {
    /// SHA-256 of what the file says, free of how it says it: comments, key order, `description`,
    /// `owner` and `delivery` (which changes neither who gets it nor what) do not count; the app with its SDKAppID and
    /// the sender count also where they are left out of the file.
    pub fn content_digest(&self) -> [u8; 32] {
        self.content_digest
    }

    /// What [`content_digest`](Self::content_digest) is taken of, as JSON text with sorted keys, to be compared with that
    /// of another time. Of accounts that stand in the file it has the number alone.
    pub fn content_json(&self) -> &Arc<str> {
        &self.content_json
    }
}

/// As much of a campaign as can be held against its audience, also where something else in the file is wrong.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The campaign's id, or what stands for it.
    pub id: String,
    /// Who gets it; `None` where that cannot be read.
    pub audience: Option<AudienceSpec>,
    /// What they get; `None` where that cannot be read.
    pub message: Option<MessageSpec>,
    /// The DataId template; `None` where that cannot be read.
    pub data_id: Option<String>,
    /// Does it have a schedule?
    pub scheduled: bool,
    /// The column that the schedule takes each recipient's time zone from.
    pub timezone_column: Option<String>,
    /// The file, with the place of every key.
    pub document: Arc<Document>,
}

impl Campaign {
    /// The campaign as a draft that lacks nothing.
    pub fn draft(&self) -> Draft {
        Draft {
            id: self.id.clone(),
            audience: Some(self.audience.clone()),
            message: Some(self.message.clone()),
            data_id: Some(self.data_id.clone()),
            scheduled: self.schedule.is_some(),
            timezone_column: self.schedule.as_ref().and_then(Schedule::timezone_column).map(str::to_owned),
            document: Arc::clone(&self.document),
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
    /// CSV files with a header row; `.gz` and `.zst` are read by their ending.
    Csv(Files),
    /// Files with one JSON object a line; the same endings.
    Jsonl(Files),
    /// Parquet files.
    Parquet(Files),
    /// What a program writes to its standard output.
    Command(Command),
    /// The rows of a query.
    Postgres(Postgres),
}

/// A query to a PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postgres {
    /// One statement that returns rows.
    pub query: String,
    /// Where the connection string is found.
    pub dsn: SecretRef,
}

/// A program whose standard output is the audience. It is run only where a person allows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program: a name to look up in `PATH`, or a path relative to `folder`.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// What it writes.
    pub format: Format,
    /// The folder in which it runs: the campaign file's.
    pub folder: PathBuf,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// CSV with a header row.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// The files of a source, in the order in which they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The path, or the pattern, that names them.
    pub name: PathBuf,
    /// At least one. For a pattern: what it matched when the campaign was loaded, sorted.
    pub paths: Vec<PathBuf>,
}

impl From<PathBuf> for Files {
    fn from(path: PathBuf) -> Self {
        Self { name: path.clone(), paths: vec![path] }
    }
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
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
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

impl Default for Delivery {
    fn default() -> Self {
        Self {
            max_failures: MaxFailures::Share(0.05),
            on_in_doubt: OnInDoubt::Hold,
            timeout: Duration::from_secs(10),
            in_flight: 64,
        }
    }
}

/// How many recipients may fail before a run pauses.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum MaxFailures {
    /// A share of those attempted, 0.0 to 1.0.
    Share(f64),
    /// A number of recipients.
    Count(u64),
}

/// What becomes of a batch whose answer is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum OnInDoubt {
    /// It waits for a person: nobody gets it twice.
    Hold,
    /// It is sent again: somebody may get it twice, nobody misses it.
    Resend,
}
