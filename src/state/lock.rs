//! One runner at a time: an operating system's lock on a file beside the state.
//!
//! The lock is released by the process's death, so no lock is ever stale. The file's text says who holds it;
//! it is for people, and nothing is decided by it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
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
    // Kept open: closing the file releases the lock.
    _file: File,
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
        let text = serde_json::to_string(holder).expect("a holder is plain data");
        file.set_len(0).map_err(io("write the lock file"))?;
        file.write_all(text.as_bytes()).map_err(io("write the lock file"))?;
        Ok(Self { _file: file })
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
}
