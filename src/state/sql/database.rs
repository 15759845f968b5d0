//! What a database must do for a state to be kept in it, and what its values and rows look like from here.
//!
//! The statements are the same for both: parameters are `?1`, `?2`, …, whole numbers are of 64 bits, and nothing
//! is used that one of the two does not know.

use std::borrow::Cow;
use std::path::Path;

use crate::state::IllegalChange;
use crate::state::error::{Error, Result};

/// A database that holds the state's tables, opened to read or to write.
///
/// Between [`Database::begin`] and [`Database::commit`] or [`Database::roll_back`] all that is executed is one
/// transaction.
pub trait Database: Send {
    /// What messages call the state.
    fn place(&self) -> &str;

    /// A failure of this database, with what to do about it.
    fn error(&self, action: &'static str, fault: Fault) -> Error;

    /// Executes a statement; gives how many rows it met.
    ///
    /// # Errors
    /// Where the database refuses.
    fn execute(&self, sql: &str, values: &[Cell<'_>]) -> Result<u64, Fault>;

    /// Executes a statement once for each list of values, in order; each time it must meet exactly one row.
    ///
    /// # Errors
    /// Where the database refuses, or another number of rows was met.
    fn execute_each(&self, sql: &str, values: &[Vec<Cell<'_>>]) -> Result<(), Fault>;

    /// Hands every row to `each`, which must ask nothing of the database.
    ///
    /// # Errors
    /// Where the database refuses, and what `each` fails with.
    fn rows(
        &self,
        sql: &str,
        values: &[Cell<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<(), Fault>,
    ) -> Result<(), Fault>;

    /// Begins a transaction that reads everything as it is at its begin, and ends by [`Database::roll_back`].
    ///
    /// # Errors
    /// Where the database refuses.
    fn begin_to_read(&self) -> Result<(), Fault>;

    /// Begins a transaction that will write.
    ///
    /// # Errors
    /// Where the database refuses.
    fn begin(&self) -> Result<(), Fault>;

    /// Makes the transaction durable; where it `counts`, the state's serial is raised by one.
    ///
    /// # Errors
    /// Where the database refuses, or this is no longer whoever may write.
    fn commit(&self, counts: bool) -> Result<(), Fault>;

    /// Undoes the transaction. That this fails changes nothing: what was not committed is not there.
    fn roll_back(&self);

    /// Leaves everything as it is from now on: a write has failed.
    fn give_up(&self) {}

    /// What the database itself finds wrong with what it holds.
    ///
    /// # Errors
    /// Where it cannot be asked.
    fn integrity(&self) -> Result<Vec<String>, Fault>;

    /// May there be a batch of this MsgRandom? Planning asks for each batch of a plan. A batch that was inserted since
    /// the first question may be overlooked; the table takes no key twice.
    ///
    /// # Errors
    /// Where the database refuses.
    fn may_have(&self, _msg_random: u32) -> Result<bool, Fault> {
        Ok(true)
    }

    /// Empties tables, those that refer to others after these.
    ///
    /// # Errors
    /// Where the database refuses.
    fn empty(&self, tables: &[&str]) -> Result<(), Fault> {
        for table in tables.iter().rev() {
            self.execute(&format!("DELETE FROM {table}"), &[])?;
        }
        Ok(())
    }

    /// Lets numbers that the database gives go on after those that were imported.
    ///
    /// # Errors
    /// Where the database refuses.
    fn renumber(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// What another state calls the place of this one, once it has moved here: no other place is called the same.
    ///
    /// # Errors
    /// Where it cannot be told.
    fn address(&self) -> Result<String, Fault>;

    /// The state's file, where a watermark is kept beside it.
    fn watermark(&self) -> Option<&Path>;

    /// Were all times in it told by this machine's clock?
    fn has_one_clock(&self) -> bool;
}

impl dyn Database + '_ {
    /// What `read` makes of every row.
    ///
    /// # Errors
    /// Where the database refuses or a row cannot be read.
    pub fn all<T>(
        &self,
        sql: &str,
        values: &[Cell<'_>],
        read: impl Fn(&dyn Row) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let mut all = Vec::new();
        self.rows(sql, values, &mut |row| {
            all.push(read(row)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// What `read` makes of the last row, where there is one.
    ///
    /// # Errors
    /// Where the database refuses or a row cannot be read.
    pub fn find<T>(
        &self,
        sql: &str,
        values: &[Cell<'_>],
        read: impl Fn(&dyn Row) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        self.all(sql, values, read).map(|mut rows| rows.pop())
    }

    /// As [`find`](Self::find), where there must be a row.
    ///
    /// # Errors
    /// Also where there is none.
    pub fn one<T>(
        &self,
        sql: &str,
        values: &[Cell<'_>],
        read: impl Fn(&dyn Row) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.find(sql, values, read)?.ok_or_else(|| Fault::Damaged("a row is missing".to_owned()))
    }

    /// Executes a statement that must meet exactly one row: an update that meets none would lose what happened
    /// without a word.
    ///
    /// # Errors
    /// Where the database refuses, or another number of rows was met.
    pub fn execute_one(&self, sql: &str, values: &[Cell<'_>]) -> Result<(), Fault> {
        exactly_one(self.execute(sql, values)?)
    }
}

pub(in crate::state) fn exactly_one(rows: u64) -> Result<(), Fault> {
    if rows == 1 { Ok(()) } else { Err(Fault::Damaged(format!("an update met {rows} rows in place of one"))) }
}

/// Why something asked of a database was not done.
#[derive(Debug)]
pub enum Fault {
    /// SQLite's words.
    Sqlite(rusqlite::Error),
    /// PostgreSQL's words.
    Postgres(tokio_postgres::Error),
    /// The rows say something that cannot be.
    Damaged(String),
    /// Told in full already.
    Told(Box<Error>),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(error) => error.fmt(f),
            Self::Postgres(error) => match error.as_db_error() {
                Some(error) => error.fmt(f),
                None => error.fmt(f),
            },
            Self::Damaged(what) => f.write_str(what),
            Self::Told(error) => error.fmt(f),
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<crate::spill::Error> for Fault {
    fn from(error: crate::spill::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Told(Box::new(error))
    }
}

impl From<IllegalChange> for Fault {
    fn from(change: IllegalChange) -> Self {
        Error::from(change).into()
    }
}

/// A value, as it is handed to a database or stands in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// A whole number; 0 and 1 where it is a truth.
    Int(i64),
    /// A text.
    Text(Cow<'a, str>),
    /// Bytes.
    Blob(Cow<'a, [u8]>),
}

/// A list of values for a statement.
macro_rules! cells {
    ($($value:expr),* $(,)?) => { [$($crate::state::sql::Cell::from($value)),*] };
}
pub(in crate::state) use cells;

macro_rules! from_whole_numbers {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Cell<'_> {
            #[allow(clippy::cast_lossless, reason = "not all of these have a way without loss; the state's fit")]
            fn from(number: $kind) -> Self {
                Self::Int(number as i64)
            }
        }

        impl<'r> FromCell<'r> for $kind {
            fn from_cell(cell: Cell<'r>) -> Option<Self> {
                match cell {
                    Cell::Int(number) => number.try_into().ok(),
                    _ => None,
                }
            }
        }
    )*};
}
from_whole_numbers!(i64, u64, u32, u16, usize);

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<&'a String> for Cell<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Vec<u8>> for Cell<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Blob(bytes.into())
    }
}

impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

/// A row of a result.
pub trait Row {
    /// The value of a column, counted from 0.
    ///
    /// # Errors
    /// Where it is of a kind that the state does not use.
    fn cell(&self, column: usize) -> Result<Cell<'_>, Fault>;
}

impl dyn Row + '_ {
    /// The value of a column as what it has to be.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn get<'r, T: FromCell<'r>>(&'r self, column: usize) -> Result<T, Fault> {
        let cell = self.cell(column)?;
        T::from_cell(cell)
            .ok_or_else(|| Fault::Damaged(format!("column {} of a row cannot be read", column + 1)))
    }
}

/// What a value can be read as.
pub trait FromCell<'r>: Sized {
    /// `None` where it is something else.
    fn from_cell(cell: Cell<'r>) -> Option<Self>;
}

impl<'r> FromCell<'r> for bool {
    fn from_cell(cell: Cell<'r>) -> Option<Self> {
        i64::from_cell(cell).map(|number| number != 0)
    }
}

impl<'r> FromCell<'r> for String {
    fn from_cell(cell: Cell<'r>) -> Option<Self> {
        Cow::<str>::from_cell(cell).map(Cow::into_owned)
    }
}

impl<'r> FromCell<'r> for Cow<'r, str> {
    fn from_cell(cell: Cell<'r>) -> Option<Self> {
        match cell {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'r> FromCell<'r> for Cow<'r, [u8]> {
    fn from_cell(cell: Cell<'r>) -> Option<Self> {
        match cell {
            Cell::Blob(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl<'r, T: FromCell<'r>> FromCell<'r> for Option<T> {
    fn from_cell(cell: Cell<'r>) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}
