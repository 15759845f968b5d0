//! The file itself: opening it, its format, and how safely its file system keeps it.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::state::error::{Error, Result};

/// `PRAGMA application_id`: "push" in ASCII, so that another program's database is not taken for ours.
const APPLICATION_ID: i64 = 0x7075_7368;

/// The newest format this pushplan knows.
const FORMAT: i64 = 1;

/// How long a writer waits for another one: a person's `pause` beside a runner.
const BUSY: Duration = Duration::from_secs(5);

/// Opens a state to write it, and makes it where there is none.
pub(super) fn open(path: &Path) -> Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    if pragma(&connection, path, "schema_version")? == 0 {
        create(&connection).map_err(|source| error(path, "create the tables", source))?;
    } else {
        check_format(&connection, path)?;
    }
    let journal = if on_network(path) { "TRUNCATE" } else { "WAL" };
    let setup = format!("PRAGMA journal_mode={journal}; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;");
    connection.execute_batch(&setup).map_err(|source| error(path, "set up the journal", source))?;
    Ok(connection)
}

/// Opens a state to read it, where there is one.
pub(super) fn open_to_read(path: &Path) -> Result<Option<Connection>> {
    match path.try_exists() {
        Ok(false) => return Ok(None),
        Ok(true) => {}
        Err(source) => return Err(Error::Io { action: "open", path: path.to_owned(), source }),
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    check_format(&connection, path)?;
    Ok(Some(connection))
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let failed = |source| error(path, "open the file", source);
    let connection =
        Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn create(connection: &Connection) -> rusqlite::Result<()> {
    let schema = include_str!("schema.sql");
    let lineage = format!("{:032x}", fastrand::u128(..));
    connection.execute_batch(&format!(
        "BEGIN; {schema} INSERT INTO identity VALUES (1, '{lineage}', 0);
         PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={FORMAT}; COMMIT;"
    ))
}

fn check_format(connection: &Connection, path: &Path) -> Result<()> {
    let foreign = |why: &str| Error::Foreign { path: path.to_owned(), why: why.to_owned() };
    if pragma(connection, path, "application_id")? != APPLICATION_ID {
        return Err(foreign("it is another program's database, or an empty file"));
    }
    match pragma(connection, path, "user_version")? {
        FORMAT => Ok(()),
        found if found > FORMAT => Err(Error::Newer { path: path.to_owned(), found, known: FORMAT }),
        _ => Err(foreign("it has no format number")),
    }
}

fn pragma(connection: &Connection, path: &Path, name: &str) -> Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0)).map_err(|source| {
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => {
                Error::Foreign { path: path.to_owned(), why: "it is not a database".to_owned() }
            }
            _ => error(path, "read", source),
        }
    })
}

/// An error of SQLite's, with what to do about it.
pub(super) fn error(path: &Path, action: &'static str, source: rusqlite::Error) -> Error {
    let hint = match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            Some("The disk is full. Free some space and apply again: the run resumes.")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Some("Check that the folder exists and that this user may write to it.")
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Some(
            "The file is damaged. Restore it from a backup; do not delete it, or a run may be sent again.",
        ),
        Some(ErrorCode::SystemIoFailure) => {
            Some("The disk did not take it. Nothing further was sent. Check the disk, then apply again.")
        }
        _ => None,
    };
    Error::Sqlite { action, path: path.to_owned(), source, hint }
}

/// Does the file lie on a file system whose shared memory cannot be trusted? Read from the kernel's table of
/// mounts, where there is one; elsewhere a local disk is assumed.
fn on_network(path: &Path) -> bool {
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mountinfo") else { return false };
    let Ok(path) = path.canonicalize() else { return false };
    file_system_of(&mounts, &path).is_some_and(|kind| {
        let network = ["nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "ceph", "afs", "glusterfs"];
        network.contains(&kind) || kind.starts_with("fuse.")
    })
}

/// The type of the file system that holds a path. In a line of `mountinfo` the 5th field is the mount point, and
/// the type is the first one after a lone "-".
fn file_system_of<'m>(mounts: &'m str, path: &Path) -> Option<&'m str> {
    mounts
        .lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            Some((left.split(' ').nth(4)?, right.split(' ').next()?))
        })
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_tells_the_file_system() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                      90 22 0:50 / /srv/share rw shared:1 - nfs4 host:/x rw\n\
                      91 90 8:2 / /srv/share/local rw - xfs /dev/sdb rw\n";
        for (path, kind) in [
            ("/var/lib/state.db", "ext4"),
            ("/srv/share/a/state.db", "nfs4"),
            ("/srv/share/local/state.db", "xfs"),
            ("/srv/sharedness/state.db", "ext4"),
        ] {
            assert_eq!(file_system_of(mounts, Path::new(path)), Some(kind), "{path}");
        }
    }
}
