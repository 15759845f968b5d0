//! One runner at a time: an operating system's lock on a file beside the state.
//!
//! The lock is released by the process's death, so no lock is ever stale. The file's text says who holds it;
//! it is for people, and nothing is decided by it.
//!
//! The system locks the file and not its name: once the file is deleted, the next one to come makes another and locks
//! that. So the lock holds only while its file is still at its path, and every commit asks.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Name of the machine.
    pub host: String,
    /// Since when.
    pub since: Timestamp,
    /// What it does: the command's name.
    pub command: String,
}

impl Holder {
    /// This process, from now on.
    pub fn this_process(command: &str) -> Self {
        let command = command.to_owned();
        Self { pid: std::process::id(), host: host_name(), since: Timestamp::now(), command }
    }

    /// Somebody who cannot be named.
    pub(super) fn unknown() -> Self {
        Self {
            pid: 0,
            host: "an unknown machine".to_owned(),
            since: Timestamp::UNIX_EPOCH,
            command: "?".to_owned(),
        }
    }
}

/// The machine's name.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "this machine".to_owned(),
        name => name.to_owned(),
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { pid, host, since, command } = self;
        write!(f, "`pushplan {command}`, process {pid} on {host}, since {since:.0}")
    }
}

/// A held lock; dropping it lets go.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    // Kept open: closing the file releases the lock.
    file: File,
}

impl Lock {
    /// Takes the lock of a state file.
    ///
    /// # Errors
    /// [`Error::Held`] where another process has it; [`Error::Io`] where the file cannot be made or written.
    pub fn acquire(state: &Path, holder: &Holder) -> Result<Self> {
        let path = lock_path(state);
        let io = |action| {
            let path = path.clone();
            move |source| Error::Io { action, path, source }
        };
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(io("open the lock file"))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let holder = read_holder(&mut file);
                    return Err(Error::Held { place: state.display().to_string(), holder });
                }
                Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
            }
            let mut lock = Self { path: path.clone(), file };
            // It may have been deleted between the two: whoever comes next would lock another one.
            if !lock.is_in_place() {
                continue;
            }
            let text = serde_json::to_string(holder).expect("a holder is plain data");
            lock.file.set_len(0).map_err(io("write the lock file"))?;
            lock.file.write_all(text.as_bytes()).map_err(io("write the lock file"))?;
            return Ok(lock);
        }
    }

    /// Is the locked file still the one that others would lock?
    pub(super) fn is_in_place(&self) -> bool {
        self.file.metadata().is_ok_and(|held| file_id(&self.path) == Some((held.dev(), held.ino())))
    }

    /// The lock's file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Who holds the lock of a state file now, where somebody does.
    pub fn holder(state: &Path) -> Option<Holder> {
        let mut file = File::open(lock_path(state)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(read_holder(&mut file)),
            _ => None,
        }
    }
}

/// Which file a path names: device and number. `None` where it names none.
pub(super) fn file_id(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok()
}

fn lock_path(state: &Path) -> PathBuf {
    let mut name = state.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// The holder may be about to write its name, so what cannot be read is said to be unknown.
fn read_holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    read.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or_else(Holder::unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(command: &str) -> Holder {
        Holder { pid: 7, host: "h".to_owned(), since: Timestamp::UNIX_EPOCH, command: command.to_owned() }
    }

    #[test]
    fn the_second_is_told_who_the_first_is_and_the_lock_ends_with_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state.db");
        let first = Lock::acquire(&state, &holder("apply")).unwrap();
        let Err(Error::Held { holder: found, .. }) = Lock::acquire(&state, &holder("cancel")) else {
            panic!("two holders")
        };
        assert_eq!(found, holder("apply"));
        assert_eq!(Lock::holder(&state), Some(holder("apply")));
        drop(first);
        assert_eq!(Lock::holder(&state), None);
        Lock::acquire(&state, &holder("apply")).unwrap();
    }

    #[test]
    fn a_lock_whose_file_was_deleted_knows_that_others_would_not_see_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state.db");
        let first = Lock::acquire(&state, &holder("apply")).unwrap();
        assert!(first.is_in_place());
        std::fs::remove_file(lock_path(&state)).unwrap();
        assert!(!first.is_in_place());
        let second = Lock::acquire(&state, &holder("apply")).unwrap();
        assert!(!first.is_in_place() && second.is_in_place());
    }
}
