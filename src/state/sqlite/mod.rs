//! The state in one SQLite file.
//!
//! `synchronous=FULL`: a commit that was reported is on the disk. WAL where the file system can hold it; on a
//! network file system, where WAL's shared memory is unsafe, a rollback journal instead.

mod file;
mod format;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::error::{Error, Result};
use super::lock::{Lock, file_id, host_name};
use super::sql::{Cell, Database, Fault, Row, SqlStore, exactly_one};
use super::store::Store;
use super::watermark::Watermark;
pub(super) use format::PLAN_APPLICATION_ID;

/// A state in a SQLite file.
pub type SqliteStore = SqlStore<SqliteFile>;

/// A SQLite file that holds a state, and the lock that it is written under.
pub struct SqliteFile {
    path: PathBuf,
    place: String,
    /// Which file the path named when it was opened.
    file: Option<(u64, u64)>,
    connection: Connection,
    /// Let go after the connection is closed.
    lock: Option<Lock>,
}

impl SqliteStore {
    /// Opens a state to write it, and makes it where there is none. Whoever sends holds the lock: see
    /// [`SqliteStore::under`].
    ///
    /// # Errors
    /// Where the file cannot be made or opened, is not ours, is newer than we know, is not the copy that was written
    /// last, or was moved elsewhere.
    pub fn open(path: &Path) -> Result<Self> {
        if let Some(watermark) = Watermark::read(path)? {
            let identity = match Self::open_to_read(path)? {
                Some(store) => Some(store.identity()?),
                None => None,
            };
            watermark.check(path, identity.as_ref())?;
        }
        let store = Self::open_unchecked(path)?;
        store.refuse_moved()?;
        Ok(store)
    }

    /// Holds an open state to its watermark.
    pub(super) fn refuse_behind(&self) -> Result<()> {
        match Watermark::read(&self.database.path)? {
            Some(watermark) => watermark.check(&self.database.path, Some(&self.identity()?)),
            None => Ok(()),
        }
    }

    /// As [`SqliteStore::open`], also where it is not the copy that was written last, or was moved elsewhere: for
    /// `state adopt`.
    ///
    /// # Errors
    /// As [`SqliteStore::open`], but for the last two.
    pub fn open_unchecked(path: &Path) -> Result<Self> {
        Ok(Self::of(path, file::open(path)?))
    }

    /// Opens a state to read it, where there is one.
    ///
    /// # Errors
    /// Where the file cannot be opened, is not ours, or is newer than we know.
    pub fn open_to_read(path: &Path) -> Result<Option<Self>> {
        Ok(file::open_to_read(path)?.map(|connection| Self::of(path, connection)))
    }

    /// Begins a plan file, under another name until [`SqliteStore::finish_plan_file`].
    pub(super) fn begin_plan_file(path: &Path) -> Result<Self> {
        let connection = file::begin(path, PLAN_APPLICATION_ID.into(), format::PLAN_TABLE)?;
        Ok(Self::of(&file::fresh(path), connection))
    }

    /// Closes a plan file and gives it its name.
    pub(super) fn finish_plan_file(self, path: &Path) -> Result<()> {
        drop(self);
        file::put_in_place(path)
    }

    /// Opens a plan file to read it.
    pub(super) fn open_plan_file(path: &Path) -> Result<Self> {
        Ok(Self::of(path, file::open_plan(path)?))
    }

    fn of(path: &Path, connection: Connection) -> Self {
        Self::new(SqliteFile {
            path: path.to_owned(),
            place: path.display().to_string(),
            file: file_id(path),
            connection,
            lock: None,
        })
    }

    /// Holds a lock for as long as the store is open.
    #[must_use]
    pub fn under(mut self, lock: Lock) -> Self {
        self.database.lock = Some(lock);
        self
    }

    /// Copies the state, whole and as of one moment, to a new file. Works while a runner sends.
    ///
    /// # Errors
    /// Where the file exists already or cannot be written.
    pub fn backup(&self, to: &Path) -> Result<()> {
        if to.exists() {
            let source = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "the file exists already");
            return Err(Error::Io { action: "write the backup", path: to.to_owned(), source });
        }
        let SqliteFile { connection, path, .. } = &self.database;
        // A connection that only reads may not write elsewhere either.
        let copy = || {
            connection.pragma_update(None, "query_only", false)?;
            connection.execute("VACUUM INTO ?1", [to.to_string_lossy()])
        };
        copy().map(drop).map_err(|source| file::error(path, "copy everything", source))
    }
}

impl SqliteFile {
    /// A file that was deleted or replaced takes commits as before, and nobody will ever read them. Where it is the
    /// lock's, another runner may have taken the state over; what was committed before its first transaction is what
    /// it finds, and nothing more is.
    fn check_place(&self) -> Result<(), Fault> {
        if file_id(&self.path) != self.file {
            return Err(Error::Gone { path: self.path.clone() }.into());
        }
        match self.lock.as_ref().filter(|lock| !lock.is_in_place()) {
            Some(lock) => {
                Err(Error::Unlocked { place: self.place.clone(), lock: lock.path().to_owned() }.into())
            }
            None => Ok(()),
        }
    }
}

impl Database for SqliteFile {
    fn place(&self) -> &str {
        &self.place
    }

    fn error(&self, action: &'static str, fault: Fault) -> Error {
        match fault {
            Fault::Sqlite(source) => file::error(&self.path, action, source),
            other => Error::Damaged { place: self.place.clone(), what: other.to_string() },
        }
    }

    fn execute(&self, sql: &str, values: &[Cell<'_>]) -> Result<u64, Fault> {
        Ok(self.connection.prepare_cached(sql)?.execute(params_from_iter(values))? as u64)
    }

    fn execute_each(&self, sql: &str, values: &[Vec<Cell<'_>>]) -> Result<(), Fault> {
        let mut statement = self.connection.prepare_cached(sql)?;
        for values in values {
            exactly_one(statement.execute(params_from_iter(values))? as u64)?;
        }
        Ok(())
    }

    fn rows(
        &self,
        sql: &str,
        values: &[Cell<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            each(row)?;
        }
        Ok(())
    }

    fn begin_to_read(&self) -> Result<(), Fault> {
        // The first read takes the snapshot.
        Ok(self.connection.execute_batch("BEGIN")?)
    }

    fn begin(&self) -> Result<(), Fault> {
        Ok(self.connection.execute_batch("BEGIN IMMEDIATE")?)
    }

    fn commit(&self, counts: bool) -> Result<(), Fault> {
        if counts {
            exactly_one(self.execute("UPDATE identity SET serial = serial + 1", &[])?)?;
        }
        self.check_place()?;
        self.connection.execute_batch("COMMIT")?;
        self.check_place()
    }

    fn roll_back(&self) {
        let _ = self.connection.execute_batch("ROLLBACK");
    }

    fn give_up(&self) {
        file::leave_as_it_is(&self.connection);
    }

    fn integrity(&self) -> Result<Vec<String>, Fault> {
        let mut lines: Vec<String> = Vec::new();
        self.rows("PRAGMA integrity_check", &[], &mut |row| {
            lines.push(row.get(0)?);
            Ok(())
        })?;
        lines.retain(|line| line != "ok");
        Ok(lines)
    }

    fn address(&self) -> Result<String, Fault> {
        let path = self.path.canonicalize().map_err(|e| Fault::Damaged(e.to_string()))?;
        Ok(format!("{} on {}", path.display(), host_name()))
    }

    fn watermark(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn has_one_clock(&self) -> bool {
        true
    }
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Cell::Null => ValueRef::Null,
            Cell::Int(number) => ValueRef::Integer(*number),
            Cell::Text(text) => ValueRef::Text(text.as_bytes()),
            Cell::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl Row for rusqlite::Row<'_> {
    fn cell(&self, column: usize) -> Result<Cell<'_>, Fault> {
        Ok(match self.get_ref(column)? {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(number) => Cell::Int(number),
            ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text)),
            ValueRef::Blob(bytes) => Cell::Blob(Cow::Borrowed(bytes)),
            ValueRef::Real(_) => return Err(Fault::Damaged("a number with a fraction".to_owned())),
        })
    }
}
