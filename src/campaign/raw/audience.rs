//! The `audience` section: one source, and which of its rows are meant.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::units;
use super::filter::RawFilter;
use super::workspace::RawSecretKey;

const COMMAND: [&str; 4] = ["duckdb", "-csv", "-c", "select user_id, city from 's3://lake/buyers/*.parquet'"];

/// Who gets it: exactly one of `accounts`, `csv`, `jsonl`, `parquet`, `postgres`, `command`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Audience", extend("oneOf" = one_source(), "dependentRequired" = {"format": ["command"]}))]
pub struct RawAudience {
    /// The UserIDs themselves.
    #[schemars(length(min = 1), inner(length(min = 1)), example = ["alice", "bob"])]
    pub accounts: Option<Vec<String>>,
    /// A CSV file with a header row, or a pattern of such files; `.gz` and `.zst` are read as they are. Relative
    /// to this file. In a pattern, `*`, `?` and `[…]` match within a name and `**` matches folders; its files are
    /// read in the order of their paths, and each must have the columns that the campaign uses.
    #[schemars(length(min = 1), example = &"audiences/buyers.csv", example = &"audiences/2026-*.csv")]
    pub csv: Option<String>,
    /// A file with one JSON object a line, or a pattern of such files, as with `csv`. Relative to this file.
    #[schemars(length(min = 1), example = &"audiences/buyers.jsonl")]
    pub jsonl: Option<String>,
    /// A Parquet file, or a pattern of such files, as with `csv`. Relative to this file. Only the columns that the
    /// campaign uses are read, and row groups in which, by their statistics, `where` holds for nobody are passed
    /// over (with `suppress_where` all are read).
    #[schemars(length(min = 1), example = &"audiences/buyers/**/*.parquet")]
    pub parquet: Option<String>,
    /// A query to a PostgreSQL database. It runs in a read-only transaction; its rows are streamed.
    pub postgres: Option<RawPostgres>,
    /// A program and its arguments: its standard output is the audience, in the given `format`. It runs in this
    /// file's folder, without a shell, and only with `--allow-commands`. Unless it ends with status 0, and with a
    /// whole line, nothing it wrote is used.
    #[schemars(length(min = 1), extend("prefixItems" = [{"minLength": 1}]), example = COMMAND)]
    pub command: Option<Vec<String>>,
    /// What `command` writes.
    pub format: Option<RawFormat>,
    /// The column that holds the UserID; needed with every source but `accounts`.
    #[schemars(length(min = 1), example = &"user_id")]
    pub account: Option<String>,
    /// Rows that do not match are no recipients.
    #[serde(rename = "where")]
    pub filter: Option<RawFilter>,
    /// Consent: an account with any row that matches gets nothing, whatever its other rows say.
    pub suppress_where: Option<RawFilter>,
    /// Suppression lists: these accounts get nothing.
    pub exclude: Option<Vec<RawExclusion>>,
    /// How many recipients are expected; outside of it, plan refuses.
    pub expect: Option<RawExpect>,
    /// Share of malformed rows that is let pass, counted and shown. Default: none.
    #[schemars(regex(pattern = units::SHARE), example = &"0.1%")]
    pub max_bad_rows: Option<String>,
}

/// A suppression list: exactly one of `accounts`, `csv`, `jsonl`, `parquet`, `postgres`, `command`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Exclusion", extend("oneOf" = one_source(), "dependentRequired" = {"format": ["command"]}))]
pub struct RawExclusion {
    /// The UserIDs themselves.
    #[schemars(length(min = 1), inner(length(min = 1)))]
    pub accounts: Option<Vec<String>>,
    /// A CSV file with a header row, or a pattern of such files. Relative to this file.
    #[schemars(length(min = 1), example = &"audiences/unsubscribed.csv")]
    pub csv: Option<String>,
    /// A file with one JSON object a line, or a pattern of such files. Relative to this file.
    #[schemars(length(min = 1))]
    pub jsonl: Option<String>,
    /// A Parquet file, or a pattern of such files. Relative to this file.
    #[schemars(length(min = 1))]
    pub parquet: Option<String>,
    /// A query to a PostgreSQL database.
    pub postgres: Option<RawPostgres>,
    /// A program and its arguments: its standard output is the list, in the given `format`. It runs in this
    /// file's folder, without a shell, and only with `--allow-commands`.
    #[schemars(length(min = 1), extend("prefixItems" = [{"minLength": 1}]))]
    pub command: Option<Vec<String>>,
    /// What `command` writes.
    pub format: Option<RawFormat>,
    /// The column that holds the UserID; needed with every source but `accounts`.
    #[schemars(length(min = 1), example = &"user_id")]
    pub account: Option<String>,
    /// Only rows that match exclude.
    #[serde(rename = "where")]
    pub filter: Option<RawFilter>,
}

/// The bounds of an audience.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Expect", extend("minProperties" = 1))]
pub struct RawExpect {
    /// Fewest recipients.
    #[schemars(example = 100)]
    pub min: Option<u64>,
    /// Most recipients.
    #[schemars(example = 2_000_000)]
    pub max: Option<u64>,
}

/// The keys that name a source, wherever one is named.
pub struct RawSource {
    pub accounts: Option<Vec<String>>,
    pub csv: Option<String>,
    pub jsonl: Option<String>,
    pub parquet: Option<String>,
    pub postgres: Option<RawPostgres>,
    pub command: Option<Vec<String>>,
    pub format: Option<RawFormat>,
    pub account: Option<String>,
}

/// A query to a PostgreSQL database.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Postgres")]
pub struct RawPostgres {
    /// One statement that returns rows. The first row of an account counts: where an account may have several,
    /// let `order by` decide which that is. A condition written here spares the way that `where` would cost.
    #[schemars(length(min = 1), example = &"select user_id, city from buyers where lang = 'en' order by user_id")]
    pub query: String,
    /// Where the connection string is found: `postgresql://user:password@host/database`, or `host=… user=…`.
    /// Unless it says `sslmode=disable`, the connection is encrypted, and the server's certificate is checked against
    /// those of the system or of `SSL_CERT_FILE`. Never the string itself.
    pub dsn: RawSecretKey,
}

/// How a program writes its rows.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Format")]
pub enum RawFormat {
    /// CSV with a header row.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl RawAudience {
    /// Takes the source's keys.
    pub fn take_source(&mut self) -> RawSource {
        RawSource {
            accounts: self.accounts.take(),
            csv: self.csv.take(),
            jsonl: self.jsonl.take(),
            parquet: self.parquet.take(),
            postgres: self.postgres.take(),
            command: self.command.take(),
            format: self.format.take(),
            account: self.account.take(),
        }
    }
}

impl RawExclusion {
    /// Takes the source's keys.
    pub fn take_source(&mut self) -> RawSource {
        RawSource {
            accounts: self.accounts.take(),
            csv: self.csv.take(),
            jsonl: self.jsonl.take(),
            parquet: self.parquet.take(),
            postgres: self.postgres.take(),
            command: self.command.take(),
            format: self.format.take(),
            account: self.account.take(),
        }
    }
}

/// Each branch's first key is the one that chooses it; what follows is needed with it.
fn one_source() -> Value {
    json!([
        {"required": ["accounts"]},
        {"required": ["csv", "account"]},
        {"required": ["jsonl", "account"]},
        {"required": ["parquet", "account"]},
        {"required": ["postgres", "account"]},
        {"required": ["command", "format", "account"]}
    ])
}
