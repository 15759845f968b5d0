//! Why an audience could not be read.

use std::io;

use super::Place;
use crate::secret;
use crate::spill;

/// Why an audience could not be read. `name` is the file's path, or `accounts`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("cannot read the audience file {name}: {cause}")]
    Io {
        /// The file.
        name: String,
        /// The system's reason.
        cause: io::Error,
    },
    /// A compressed or Parquet file ends early or cannot be decoded.
    #[error("{name} is cut short or damaged: {cause}; write or fetch the file again")]
    Damaged {
        /// The file.
        name: String,
        /// The decoder's reason.
        cause: io::Error,
    },
    /// A program could not be run, or did not end well: what it wrote until then is no audience.
    #[error("`{program}` {reason}")]
    Program {
        /// The program, without its arguments.
        program: String,
        /// What happened, and the last it said.
        reason: String,
    },
    /// A database cannot be reached, or its query fails. No message shows the connection string.
    #[error("{reason}")]
    Database {
        /// What happened.
        reason: String,
    },
    /// The connection string cannot be had.
    #[error(transparent)]
    Secret(secret::Error),
    /// A connection may not be opened here.
    #[error(
        "the query was not run: add --allow-connections to let `plan` connect to the databases that campaigns name"
    )]
    ConnectionNotAllowed,
    /// A program may be run only where a person has allowed it.
    #[error("`{program}` was not run: add --allow-commands to let campaigns run programs")]
    ProgramNotAllowed {
        /// The program, without its arguments.
        program: String,
    },
    /// A CSV file without a usable header row, or a Parquet file whose columns are not.
    #[error("the header row of {name} {reason}")]
    Header {
        /// The file.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A column that the campaign names and the file does not have.
    #[error("{name} has no column `{column}`; {hint}")]
    NoColumn {
        /// The file.
        name: String,
        /// The column.
        column: String,
        /// The nearest column, or all of them.
        hint: String,
    },
    /// A Parquet column of a type that says nothing to an audience.
    #[error(
        "the column `{column}` of {name} holds {kind}; texts, numbers, booleans, dates and times can be used"
    )]
    ColumnType {
        /// The file.
        name: String,
        /// The column.
        column: String,
        /// Its Arrow type.
        kind: String,
    },
    /// A quoted CSV field that the file never closes. No share of malformed rows lets it pass, because nobody
    /// knows how many rows it holds.
    #[error(
        "{name}:{line}: a quoted field opens here or later and is never closed; close the quote or write it twice"
    )]
    OpenQuote {
        /// The file.
        name: String,
        /// The line on which the row begins.
        line: u64,
    },
    /// More malformed rows than `max_bad_rows` allows.
    #[error(transparent)]
    BadRows(BadRows),
    /// More rows than are counted.
    #[error("{name} has more than 4,294,967,295 rows that match; split the campaign")]
    TooLarge {
        /// The file.
        name: String,
    },
    /// There is no room for what does not fit into memory.
    #[error(transparent)]
    Spill(spill::Error),
}

/// One malformed row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Where it begins.
    pub place: Place,
    /// How many rows it counts as; from 1.
    pub rows: u64,
    /// What is wrong with it. Quotes nothing of the row but column names.
    pub reason: String,
}

/// Malformed rows beyond what is allowed.
#[derive(Debug, Clone, PartialEq)]
pub struct BadRows {
    /// The file, or the pattern of several.
    pub name: String,
    /// How many are known; reading stops early where none is allowed.
    pub bad: u64,
    /// Rows read.
    pub rows: u64,
    /// The allowed share, 0.0 to 1.0; `None` where the file may hold none at all (a suppression list).
    pub allowed: Option<f64>,
    /// The first of them; at most 20.
    pub samples: Vec<BadRow>,
}

impl std::error::Error for BadRows {}

impl std::fmt::Display for BadRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} has malformed rows: {} of the {} read", self.name, self.bad, self.rows)?;
        for sample in &self.samples {
            write!(f, "\n  {}: {}", sample.place, sample.reason)?;
        }
        if self.bad > self.samples.iter().map(|sample| sample.rows).sum() {
            f.write_str("\n  and more")?;
        }
        match self.allowed {
            None => f.write_str("\nmend them: a suppression list must be whole"),
            Some(share) if share > 0.0 => {
                write!(f, "\nmend them: `max_bad_rows` allows {}%", (share * 1e6).round() / 1e4)
            }
            Some(_) => f.write_str("\nmend them, or let a share of them pass with `max_bad_rows`"),
        }
    }
}
