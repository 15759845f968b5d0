//! Opening a state, wherever the workspace says that it is kept.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::lock::{Holder, Lock};
use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use super::store::Store;
use crate::campaign::StateLocation;

/// Opens the state to read it; `None` where nothing was ever applied.
///
/// # Errors
/// Where it cannot be reached, is not ours, or is newer than we know.
pub fn open_to_read(location: &StateLocation) -> Result<Option<Box<dyn Store>>> {
    Ok(match location {
        StateLocation::Sqlite(path) => SqliteStore::open_to_read(path)?.map(boxed),
        StateLocation::Postgres(dsn) => PostgresStore::open_to_read(dsn)?.map(boxed),
    })
}

/// A database that knows of no run is not taken for a new state where one was kept in this file: `state:` was pointed at
/// it before the state went there, and everything would be sent again.
///
/// # Errors
/// [`Error::LeftBehind`] where it is so; also where one of the two cannot be read.
pub fn refuse_left_behind(location: &StateLocation, file: &Path) -> Result<()> {
    if matches!(location, StateLocation::Sqlite(_)) {
        return Ok(());
    }
    let Some(left) = SqliteStore::open_to_read(file)? else { return Ok(()) };
    let runs = left.runs()?.len();
    if runs == 0 || left.moved_to()?.is_some() {
        return Ok(());
    }
    match open_to_read(location)? {
        Some(store) if !store.runs()?.is_empty() => Ok(()),
        _ => Err(Error::LeftBehind { file: file.to_owned(), runs }),
    }
}

/// Takes the lock, which is held for as long as the store is open, and opens the state to write it, making it where
/// there is none.
///
/// # Errors
/// Also [`Error::Held`] where somebody else holds the lock, and where this is not the copy that was written last or
/// it was moved elsewhere.
pub fn open_to_write(location: &StateLocation, holder: &Holder) -> Result<Box<dyn Store>> {
    Ok(match location {
        StateLocation::Sqlite(path) => {
            let (lock, path) = lock(path, holder)?;
            boxed(SqliteStore::open(&path)?.under(lock))
        }
        StateLocation::Postgres(dsn) => boxed(PostgresStore::open(dsn, holder)?),
    })
}

/// As [`open_to_write`], also where it is not the copy that was written last or was moved elsewhere: for `state adopt`
/// and `state import`.
///
/// # Errors
/// As [`open_to_write`], but for these.
pub fn open_unchecked(location: &StateLocation, holder: &Holder) -> Result<Box<dyn Store>> {
    Ok(match location {
        StateLocation::Sqlite(path) => boxed(sqlite_unchecked(path, holder)?),
        StateLocation::Postgres(dsn) => boxed(PostgresStore::open_unchecked(dsn, holder)?),
    })
}

/// Opens a state that is there to write it without the lock, beside a runner: for a word that is meant for that
/// runner.
///
/// # Errors
/// As [`open_to_write`], but for the lock.
pub fn open_beside(location: &StateLocation) -> Result<Box<dyn Store>> {
    Ok(match location {
        StateLocation::Sqlite(path) => boxed(SqliteStore::open(&one_name(path)?)?),
        StateLocation::Postgres(dsn) => boxed(PostgresStore::open_beside(dsn)?),
    })
}

/// [`open_unchecked`] of a file.
pub(super) fn sqlite_unchecked(path: &Path, holder: &Holder) -> Result<SqliteStore> {
    let (lock, path) = lock(path, holder)?;
    Ok(SqliteStore::open_unchecked(&path)?.under(lock))
}

fn boxed<S: Store + 'static>(store: S) -> Box<dyn Store> {
    Box::new(store)
}

/// The lock of a state file, and the one name of the file.
fn lock(path: &Path, holder: &Holder) -> Result<(Lock, PathBuf)> {
    let path = std::path::absolute(path).map_err(io("open", path))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder).map_err(io("create the folder", folder))?;
    let path = one_name(&path)?;
    Ok((Lock::acquire(&path, holder)?, path))
}

/// One file has one lock and one watermark, by whichever name it is reached.
fn one_name(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path).map_err(io("open", path))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let folder = folder.canonicalize().map_err(io("open the folder", folder))?;
    let path = folder.join(path.file_name().unwrap_or_default());
    let path = path.canonicalize().unwrap_or(path);
    if std::fs::metadata(&path).is_ok_and(|file| file.is_file() && file.nlink() > 1) {
        return Err(Error::ManyNames { path });
    }
    Ok(path)
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}
