//! The format of a state file: which one it has, and how an older one becomes the newest.
//!
//! A newer format is refused by name, so that an older program cannot damage what it does not understand. A file of
//! an older format is brought to the newest by whoever opens it to write it, in one transaction. Who opens it only
//! to read it leaves it as it is, and sees it as it would become.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::file::error;
use crate::state::error::{Error, Result};

/// `PRAGMA application_id`: "push" in ASCII, so that another program's database is not taken for ours.
pub(super) const APPLICATION_ID: i64 = 0x7075_7368;

/// `PRAGMA application_id` of a plan file, "plan" in ASCII: it has a state's tables and must not be taken for one.
pub(in crate::state) const PLAN_APPLICATION_ID: i32 = 0x706c_616e;

/// What a plan file has beside the tables of a state: the JSON text of what the plan was made from.
pub(super) const PLAN_TABLE: &str = "CREATE TABLE origin (json TEXT NOT NULL) STRICT;";

/// What leads from each format to the next, from format 1 on.
const MIGRATIONS: &[&str] = &[include_str!("migrate_1_to_2.sql"), include_str!("migrate_2_to_3.sql")];

/// The newest format this pushplan knows.
pub(super) const FORMAT: i64 = 1 + MIGRATIONS.len() as i64;

/// The tables of [`FORMAT`].
pub(super) const SCHEMA: &str = include_str!("schema.sql");

/// What each format lacks of the next one, seen through it: temporary tables stand before those of the file.
const SEEN_AS_NEXT: &[&str] = &[
    "
    CREATE TEMP VIEW identity AS SELECT *, NULL AS moved_to FROM main.identity;
    CREATE TEMP VIEW run AS SELECT *, NULL AS waits_until FROM main.run;
    CREATE TEMP VIEW batch AS SELECT *, 0 AS wave FROM main.batch;
    CREATE TEMP TABLE wave (run, number, windows, zone);
    CREATE TEMP VIEW campaign AS
      SELECT campaign AS id, min(frozen_at) AS answered FROM main.run GROUP BY campaign;",
    "CREATE TEMP TABLE content (run, json);",
];

/// The format of a file of ours.
///
/// # Errors
/// Where it is not ours, or newer than we know.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<i64> {
    let foreign = |why: &str| Error::Foreign { place: path.display().to_string(), why: why.to_owned() };
    if pragma(connection, path, "schema_version")? == 0 {
        return Err(foreign("it is empty"));
    }
    if pragma(connection, path, "application_id")? != APPLICATION_ID {
        return Err(foreign("it is another program's database"));
    }
    match pragma(connection, path, "user_version")? {
        found if found > FORMAT => {
            Err(Error::Newer { place: path.display().to_string(), found, known: FORMAT })
        }
        found if found < 1 => Err(foreign("it has no format number")),
        found => Ok(found),
    }
}

/// Holds a plan file to the newest format. Nobody keeps plans for long: one of another format is made anew.
///
/// # Errors
/// Where it has another format.
pub(super) fn check_plan(connection: &Connection, path: &Path) -> Result<()> {
    let refused = |what: String| Err(Error::PlanFile { path: path.to_owned(), what });
    match pragma(connection, path, "user_version")? {
        FORMAT => Ok(()),
        found => refused(format!(
            "another version of pushplan made it (format {found}, and this one has {FORMAT})"
        )),
    }
}

/// Brings a file to the newest format.
///
/// # Errors
/// Where it is not ours, newer than we know, or cannot be written; then it is as it was.
pub(super) fn migrate(connection: &Connection, path: &Path) -> Result<()> {
    if check(connection, path)? == FORMAT {
        return Ok(());
    }
    let failed = |source| error(path, "bring it to the newest format", source);
    let transaction =
        Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(failed)?;
    // Asked again under the lock: another process may have come first.
    for migration in from(MIGRATIONS, check(&transaction, path)?) {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    transaction.pragma_update(None, "user_version", FORMAT).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// Lets a file be read as one of the newest format, without writing to it.
///
/// # Errors
/// Where it is not ours, or newer than we know.
pub(super) fn see_as_newest(connection: &Connection, path: &Path) -> Result<()> {
    let found = check(connection, path)?;
    connection
        .execute_batch(&from(SEEN_AS_NEXT, found).concat())
        .map_err(|source| error(path, "read", source))
}

/// Of steps that each lead from a format to the next, those that are left from this one on.
fn from(steps: &'static [&'static str], format: i64) -> &'static [&'static str] {
    &steps[(format - 1) as usize..]
}

fn pragma(connection: &Connection, path: &Path, name: &str) -> Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0)).map_err(|source| {
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => {
                Error::Foreign { place: path.display().to_string(), why: "it is not a database".to_owned() }
            }
            _ => error(path, "read", source),
        }
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::SqliteStore;
    use crate::campaign::schedule::Wave;
    use crate::state::{Note, RunStatus, Store};

    const RUN: &str = "c@20261124T0900Z";
    const ACCOUNT: i64 = 1 << 32;

    /// A file as format 1 made it: one unfinished run of two batches, the first of them accepted.
    fn format_1(folder: &tempfile::TempDir) -> std::path::PathBuf {
        let path = folder.path().join("state.db");
        let connection = rusqlite::Connection::open(&path).unwrap();
        let delivery = serde_json::to_string(&crate::campaign::Delivery::default()).unwrap();
        connection
            .execute_batch(&format!(
                "BEGIN; {schema}
                 INSERT INTO identity VALUES (1, 'abc', 7);
                 INSERT INTO run VALUES (1, '{RUN}', 'c', '20261124T0900Z', 'shop', 'a', '', '', '', {expires},
                   '{delivery}', {frozen}, NULL, 2, 1, 0, 0, 0, 1);
                 INSERT INTO message VALUES (1, 0, '{{}}');
                 INSERT INTO batch VALUES ({first}, 11, 'd/1', 0, 1, 'accepted', 1, 0, NULL, NULL);
                 INSERT INTO batch VALUES ({second}, 12, 'd/2', 0, 1, 'pending', 0, 0, NULL, NULL);
                 INSERT INTO change VALUES (1, {first}, 1, 'begun', {frozen}, NULL, NULL, NULL);
                 INSERT INTO change VALUES (2, {first}, 1, 'accepted', {frozen}, NULL, NULL, 't');
                 INSERT INTO event VALUES (1, 1, {frozen}, 'frozen', 'ann', '');
                 PRAGMA application_id=1886745448; PRAGMA user_version=1; COMMIT;",
                schema = include_str!("format_1.sql"),
                expires = at("2026-11-24T11:00Z").as_millisecond(),
                frozen = at("2026-11-24T09:00Z").as_millisecond(),
                first = ACCOUNT + 1,
                second = ACCOUNT + 2,
            ))
            .unwrap();
        for (number, account) in [(1, "ann"), (2, "bob")] {
            let json = crate::state::sql::Packer::default().pack(&format!("[\"{account}\"]")).unwrap();
            let row = rusqlite::params![ACCOUNT + number, json];
            connection.execute("INSERT INTO account VALUES (?1, ?2)", row).unwrap();
        }
        path
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn user_version(path: &std::path::Path) -> i64 {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    /// What a state says of the run, whichever way it was opened.
    fn holds_the_run(store: &SqliteStore) {
        assert_eq!(store.verify().unwrap(), [""; 0]);
        let open = store.open_runs().unwrap();
        assert_eq!(open.len(), 1);
        assert_eq!((open[0].id.as_str(), open[0].status()), (RUN, RunStatus::Unfinished));
        assert_eq!(store.find(RUN).unwrap().as_ref(), open.first());
        assert_eq!(store.waves(RUN).unwrap(), [Wave::until(Some(at("2026-11-24T11:00Z")))]);
        assert_eq!(store.answered().unwrap()["c"], at("2026-11-24T09:00Z"));
        let mut dump = Vec::new();
        store.export(&mut dump).unwrap();
        assert!(String::from_utf8(dump).unwrap().contains("\"wave\":0"));
    }

    #[test]
    fn a_file_of_format_1_is_read_as_it_is_and_brought_to_the_newest_by_who_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = format_1(&folder);
        holds_the_run(&SqliteStore::open_to_read(&path).unwrap().unwrap());
        assert_eq!(user_version(&path), 1, "a reader leaves it as it is");

        let mut store = SqliteStore::open(&path).unwrap();
        holds_the_run(&store);
        assert_eq!(user_version(&path), super::FORMAT);
        let note = Note { who: "ann".to_owned(), why: String::new() };
        let batches = store.take_up(RUN, &note, at("2026-11-24T09:01Z")).unwrap().batches;
        assert_eq!(batches.iter().map(|batch| batch.wave).collect::<Vec<_>>(), [0, 0]);
        drop(store);
        holds_the_run(&SqliteStore::open(&path).unwrap());
    }

    #[test]
    fn a_file_of_format_2_has_runs_of_which_nobody_knows_what_their_campaigns_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = format_1(&folder);
        let connection = rusqlite::Connection::open(&path).unwrap();
        let migration = include_str!("migrate_1_to_2.sql");
        connection.execute_batch(&format!("BEGIN; {migration} PRAGMA user_version=2; COMMIT;")).unwrap();
        drop(connection);
        for store in [SqliteStore::open_to_read(&path).unwrap().unwrap(), SqliteStore::open(&path).unwrap()] {
            holds_the_run(&store);
            assert_eq!(store.content_json(RUN).unwrap(), None);
        }
        assert_eq!(user_version(&path), super::FORMAT);
    }

    #[test]
    fn a_migrated_file_has_the_tables_of_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let tables = |path: &std::path::Path| {
            let connection = rusqlite::Connection::open(path).unwrap();
            let mut columns = connection
                .prepare(
                    "SELECT m.name, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk FROM sqlite_schema m, pragma_table_info(m.name) c
                     UNION ALL SELECT name, '', '', '', '', '' FROM sqlite_schema WHERE type = 'index' ORDER BY 1, 2",
                )
                .unwrap();
            let row = |row: &rusqlite::Row<'_>| -> rusqlite::Result<Vec<rusqlite::types::Value>> {
                (0..6).map(|column| row.get(column)).collect()
            };
            columns.query_map([], row).unwrap().map(Result::unwrap).collect::<Vec<_>>()
        };
        let new = folder.path().join("new.db");
        drop(SqliteStore::open(&new).unwrap());
        let old = format_1(&folder);
        drop(SqliteStore::open(&old).unwrap());
        assert_eq!(tables(&old), tables(&new));
    }
}
