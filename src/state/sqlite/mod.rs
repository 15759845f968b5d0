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
use super::sql::{Cell, Database, Fault, Row, SqlStore, exactly_one, refuse_moved};
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
            // What moved elsewhere since this was opened would not be looked for here.
            let met = self.execute("UPDATE identity SET serial = serial + 1 WHERE moved_to IS NULL", &[])?;
            if met == 0 {
                refuse_moved(self)?;
            }
            exactly_one(met)?;
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tempfile::TempDir;

    use super::*;
    use crate::campaign::StateLocation;
    use crate::plan::RunHeader;
    use crate::state::place::{open_beside, open_to_write};
    use crate::state::{Adopted, Holder, Note, RunStatus};

    /// A state without runs.
    const DUMP: &str = "{\"format\":\"pushplan.state/3\"}\n\
                        {\"table\":\"identity\",\"row\":{\"one\":1,\"lineage\":\"abc\",\"serial\":7}}\n";

    fn folder() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("state.db");
        (folder, path)
    }

    fn beside(path: &Path, suffix: &str) -> PathBuf {
        PathBuf::from(format!("{}{suffix}", path.display()))
    }

    fn note() -> Note {
        Note { who: "ann".to_owned(), why: String::new() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// The least that can be written.
    fn write(store: &mut dyn Store, second: i64) -> Result<()> {
        store.settle(&[], &[("c", at(second))], &note(), at(second))
    }

    /// Adds a run that nobody ran.
    fn add_run(store: &mut dyn Store, id: &str) {
        let header = RunHeader {
            run_id: id.to_owned(),
            campaign: "c".to_owned(),
            occurrence: "once".to_owned(),
            app: "shop".to_owned(),
            from: "administrator".to_owned(),
            expires_at: None,
            is_late: false,
            delivery: crate::campaign::Delivery::default(),
            content_digest: String::new(),
            content_json: "".into(),
            first_batch: 1,
        };
        store.settle(&[header], &[], &note(), at(1)).unwrap();
    }

    #[test]
    fn a_runner_whose_lock_was_deleted_commits_nothing_beside_the_next_one() {
        let (_folder, path) = folder();
        let place = StateLocation::Sqlite(path.clone());
        let open = || open_to_write(&place, &Holder::this_process("apply"));
        let mut first = open().unwrap();
        write(first.as_mut(), 1).unwrap();
        std::fs::remove_file(beside(&path, ".lock")).unwrap();
        let mut second = open().unwrap();
        let error = write(first.as_mut(), 2).unwrap_err();
        assert!(matches!(error, Error::Unlocked { .. }), "{error}");
        assert!(error.to_string().contains("nothing further was sent or committed"), "{error}");
        assert_eq!(second.answered().unwrap()["c"], at(1));
        write(second.as_mut(), 3).unwrap();
        write(first.as_mut(), 4).unwrap_err();
        drop(second);
        // Nobody is there, and its lock is another file all the same.
        let mut third = open().unwrap();
        std::fs::rename(beside(&path, ".lock"), beside(&path, ".elsewhere")).unwrap();
        write(third.as_mut(), 5).unwrap_err();
    }

    #[test]
    fn an_older_copy_is_known_by_whichever_name_it_is_reached() {
        let (folder, path) = folder();
        let mut store = SqliteStore::open(&path).unwrap();
        store.backup(&folder.path().join("copy.db")).unwrap();
        write(&mut store, 1).unwrap();
        drop(store);
        std::fs::copy(folder.path().join("copy.db"), &path).unwrap();
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let Err(error) = open_beside(&StateLocation::Sqlite(link)) else { panic!("an older copy was taken") };
        assert!(matches!(error, Error::Behind { .. }), "{error}");
    }

    #[test]
    fn a_state_that_is_imported_where_another_one_was_used_has_to_be_adopted() {
        let (_folder, path) = folder();
        let mut store = SqliteStore::open(&path).unwrap();
        add_run(&mut store, "c@once");
        drop(store);
        std::fs::remove_file(&path).unwrap();
        let mut store = SqliteStore::open_unchecked(&path).unwrap();
        let behind = store.import(&mut DUMP.as_bytes()).unwrap().expect("it is another state");
        assert!(behind.to_string().contains("pushplan state adopt"), "{behind}");
        drop(store);
        assert!(matches!(SqliteStore::open(&path), Err(Error::Behind { .. })));

        let mut store = SqliteStore::open_unchecked(&path).unwrap();
        let adopted = store.adopt(&note(), at(2)).unwrap();
        assert_eq!(adopted, Adopted { lost: vec!["c@once".to_owned()], had_watermark: true });
        drop(store);
        let store = SqliteStore::open(&path).unwrap();
        assert_eq!(store.run("c@once").unwrap().status(), RunStatus::Cancelled);
    }

    #[test]
    fn a_state_that_is_imported_again_as_it_was_is_the_last_one() {
        let (_folder, path) = folder();
        let mut dump = Vec::new();
        let mut store = SqliteStore::open(&path).unwrap();
        write(&mut store, 1).unwrap();
        store.export(&mut dump).unwrap();
        drop(store);
        std::fs::remove_file(&path).unwrap();
        let mut store = SqliteStore::open_unchecked(&path).unwrap();
        assert!(store.import(&mut dump.as_slice()).unwrap().is_none());
        drop(store);
        SqliteStore::open(&path).unwrap();
    }

    #[test]
    fn a_watermark_that_cannot_be_read_stops_everybody_but_who_adopts() {
        for suffix in [".watermark", ".watermark.serial"] {
            let (_folder, path) = folder();
            let mut store = SqliteStore::open(&path).unwrap();
            add_run(&mut store, "c@once");
            drop(store);
            std::fs::write(beside(&path, suffix), "").unwrap();
            assert!(matches!(SqliteStore::open(&path), Err(Error::Watermark { .. })));
            let mut store = SqliteStore::open_unchecked(&path).unwrap();
            let adopted = store.adopt(&note(), at(2)).unwrap();
            assert_eq!(adopted, Adopted { lost: Vec::new(), had_watermark: false });
            drop(store);
            SqliteStore::open(&path).unwrap();
        }
    }

    #[test]
    fn the_watermark_names_all_runs_anew_only_where_one_was_added() {
        let (_folder, path) = folder();
        let whole = beside(&path, ".watermark");
        let mut store = SqliteStore::open(&path).unwrap();
        add_run(&mut store, "c@once");
        let written = file_id(&whole);
        write(&mut store, 1).unwrap();
        write(&mut store, 2).unwrap();
        assert_eq!(file_id(&whole), written);
        let serial = store.identity().unwrap().serial;
        assert_eq!(Watermark::read(&path).unwrap().unwrap().serial, serial);
        add_run(&mut store, "c@r2");
        assert_eq!(Watermark::read(&path).unwrap().unwrap().runs, ["c@once", "c@r2"]);
    }

    #[test]
    fn what_has_moved_takes_no_writes_of_who_had_opened_it_before() {
        let (_folder, path) = folder();
        let mut beside = SqliteStore::open(&path).unwrap();
        SqliteStore::open(&path).unwrap().mark_moved("elsewhere").unwrap();
        let serial = beside.identity().unwrap().serial;
        let error = write(&mut beside, 1).unwrap_err();
        assert!(matches!(&error, Error::Moved { to, .. } if to == "elsewhere"), "{error}");
        assert_eq!(SqliteStore::open_to_read(&path).unwrap().unwrap().identity().unwrap().serial, serial);
    }
}
