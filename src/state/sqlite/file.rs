//! The file itself: opening it, making it, and how safely its file system keeps it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::format::{self, APPLICATION_ID, FORMAT, SCHEMA};
use crate::state::error::{Error, Result};

/// How long a writer waits for another one: a person's `pause` beside a runner.
const BUSY: Duration = Duration::from_secs(5);

/// Opens a state to write it, and makes it where there is none.
pub(super) fn open(path: &Path) -> Result<Connection> {
    if !exists(path)? {
        create(path)?;
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    format::check(&connection, path)?;
    connection
        .execute_batch("PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;")
        .map_err(|source| error(path, "set up the file", source))?;
    set_journal(&connection, if on_network(path) { "TRUNCATE" } else { "WAL" })
        .map_err(|source| error(path, "set up the journal", source))?;
    format::migrate(&connection, path)?;
    Ok(connection)
}

/// Opens a state to read it, where there is one.
pub(super) fn open_to_read(path: &Path) -> Result<Option<Connection>> {
    if !exists(path)? {
        return Ok(None);
    }
    // A runner that was killed may have left a journal, which only a connection that may write can roll back.
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    format::see_as_newest(&connection, path)?;
    connection
        .pragma_update(None, "query_only", true)
        .map_err(|source| error(path, "open it to read", source))?;
    Ok(Some(connection))
}

/// Opens a plan file to read it.
pub(super) fn open_plan(path: &Path) -> Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    format::check_plan(&connection, path)?;
    Ok(connection)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let failed = |source| error(path, "open the file", source);
    let connection =
        Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// Makes the file under another name and puts it in place whole. So a file in place that is empty was damaged,
/// and is not taken for a new one: a new one knows of no run, and every campaign would be sent again.
fn create(path: &Path) -> Result<()> {
    let journal = beside(path, "-wal");
    if exists(&journal)? {
        let what = format!("the file is gone, and its journal {} is still there", journal.display());
        return Err(Error::Damaged { place: path.display().to_string(), what });
    }
    drop(begin(path, APPLICATION_ID, "")?);
    put_in_place(path)
}

/// The name under which a file is made.
pub(super) fn fresh(path: &Path) -> PathBuf {
    beside(path, ".new")
}

/// Makes a file of the newest format, and further tables, under the name [`fresh`].
pub(super) fn begin(path: &Path, application_id: i64, further_tables: &str) -> Result<Connection> {
    let fresh = fresh(path);
    for leftover in [&fresh, &beside(&fresh, "-journal")] {
        match std::fs::remove_file(leftover) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io(leftover, "remove")(error));
            }
            _ => {}
        }
    }
    let connection = connect(&fresh, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    let lineage = format!("{:032x}", fastrand::u128(..));
    connection
        .execute_batch(&format!(
            "BEGIN; {SCHEMA} {further_tables} INSERT INTO identity VALUES (1, '{lineage}', 0, NULL);
             PRAGMA application_id={application_id}; PRAGMA user_version={FORMAT}; COMMIT;"
        ))
        .map_err(|source| error(path, "create the tables", source))?;
    Ok(connection)
}

/// Gives a file that was begun its name. Everything was committed, and so is on the disk.
pub(super) fn put_in_place(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::rename(fresh(path), path)
        .and_then(|()| std::fs::File::open(folder)?.sync_all())
        .map_err(io(path, "create"))
}

/// SQLite answers with the mode it will use before it commits the change to the file: only the step after the
/// answer says whether the disk took it. Where it did not, another kind of journal would be used in silence.
fn set_journal(connection: &Connection, mode: &str) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("PRAGMA journal_mode={mode}"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// Leaves the files as they are from now on. After a failed write or sync the kernel may call pages clean that the
/// disk never took; moving the journal into the file at the close would rest on their word.
pub(super) fn leave_as_it_is(connection: &Connection) {
    // Where even this fails, the close does what it does after every run.
    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
}

/// A file that SQLite or we put beside the state.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(io(path, "open"))
}

fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
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
    let Ok(mounts) = std::fs::read("/proc/self/mountinfo") else { return false };
    let Ok(path) = path.canonicalize() else { return false };
    file_system_of(&mounts, &path)
        .is_some_and(|kind| NETWORK.contains(&kind.as_str()) || kind.starts_with("fuse."))
}

/// What machines share, or a machine with its host.
const NETWORK: [&str; 13] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "9p",
    "virtiofs",
    "vboxsf",
    "ceph",
    "afs",
    "glusterfs",
    "lustre",
    "gpfs",
    "beegfs",
];

/// The type of the file system that holds a path. In a line of `mountinfo` the 5th field is the mount point, and
/// the type is the first one after a lone "-".
fn file_system_of(mounts: &[u8], path: &Path) -> Option<String> {
    mounts
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let mut fields = line.split(|byte| *byte == b' ');
            let point = unescaped(fields.nth(4)?);
            let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
            Some((PathBuf::from(OsString::from_vec(point)), kind))
        })
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.as_os_str().len())
        .map(|(_, kind)| String::from_utf8_lossy(kind).into_owned())
}

/// A mount point as it is called: the kernel writes a space as `\040`, and so a tab, a line's end and a backslash.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        let code = after.get(..3).filter(|_| *first == b'\\').and_then(|code| str::from_utf8(code).ok());
        let escaped = code.and_then(|code| u8::from_str_radix(code, 8).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[3..] } else { after };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_tells_the_file_system() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                      90 22 0:50 / /srv/share rw shared:1 - nfs4 host:/x rw\n\
                      91 90 8:2 / /srv/share/local rw - xfs /dev/sdb rw\n\
                      92 22 0:51 / /mnt/My\\040Share rw - cifs //host/x rw\n\
                      93 22 0:52 / /mnt/a\\134b - beegfs x rw\n";
        for (path, kind) in [
            ("/var/lib/state.db", "ext4"),
            ("/srv/share/a/state.db", "nfs4"),
            ("/srv/share/local/state.db", "xfs"),
            ("/srv/sharedness/state.db", "ext4"),
            ("/mnt/My Share/state.db", "cifs"),
            ("/mnt/a\\b/state.db", "beegfs"),
        ] {
            assert_eq!(file_system_of(mounts.as_bytes(), Path::new(path)).as_deref(), Some(kind), "{path}");
        }
    }
}
