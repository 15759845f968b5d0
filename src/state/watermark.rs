//! The watermark: a small file beside the state that remembers how far the state once was.
//!
//! A state that is restored from a backup does not know what was sent after it, and would send it again. The
//! watermark knows the serial that the state had, and so tells an old copy from the one that was written last.
//! It cannot help where it was restored together with the state, or where the state moves to another folder
//! without it; there the person who restores must know.
//!
//! It is two files. The one holds all that is remembered, the ids of all runs too, and is written where a run was
//! added. The other holds the serial alone, and follows the state while batches are sent: every second, at a cost that
//! does not grow with the runs.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::store::Identity;

/// What is added to the state's name.
const WHOLE: &str = ".watermark";
/// The same, for the serial alone.
const SERIAL: &str = ".watermark.serial";

/// What is remembered of a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// Of the state it belongs to.
    pub lineage: String,
    /// The highest serial that was written down.
    pub serial: u64,
    /// The ids of all runs.
    pub runs: Vec<String>,
}

impl Watermark {
    /// Reads the watermark of a state file, where there is one.
    ///
    /// # Errors
    /// [`Error::Watermark`] where it is there and cannot be read: then nobody knows whether the state is the last one.
    pub fn read(state: &Path) -> Result<Option<Self>> {
        let whole: Option<Self> = read(&beside(state, WHOLE))?;
        let raised: Option<Identity> = read(&beside(state, SERIAL))?;
        Ok(match (whole, raised) {
            (Some(whole), Some(raised)) if whole.lineage == raised.lineage => {
                Some(Self { serial: whole.serial.max(raised.serial), ..whole })
            }
            // Of the state that was here before, since it is written second.
            (Some(whole), _) => Some(whole),
            (None, raised) => {
                raised.map(|Identity { lineage, serial }| Self { lineage, serial, runs: Vec::new() })
            }
        })
    }

    /// Writes it: whole or not at all, and on the disk.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn write(&self, state: &Path) -> Result<()> {
        write(&beside(state, WHOLE), self)?;
        // One that is of another state or damaged would be held against this one.
        Self::raise(state, &Identity { lineage: self.lineage.clone(), serial: self.serial })
    }

    /// Writes the serial alone, of a state whose watermark has all its runs.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn raise(state: &Path, identity: &Identity) -> Result<()> {
        write(&beside(state, SERIAL), identity)
    }

    /// Holds a state to its watermark. `identity` is `None` where the state's file is gone.
    ///
    /// # Errors
    /// [`Error::Behind`] where the state is not the one that was written last.
    pub fn check(&self, state: &Path, identity: Option<&Identity>) -> Result<()> {
        let what = match identity {
            None => "the file is gone".to_owned(),
            Some(identity) if identity.lineage != self.lineage => {
                "it is another state than the one that was used here before".to_owned()
            }
            Some(identity) if identity.serial < self.serial => {
                format!(
                    "it is an older copy: it was written {} times, and once {} times",
                    identity.serial, self.serial
                )
            }
            Some(_) => return Ok(()),
        };
        Err(Error::Behind { place: state.display().to_string(), what })
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let unreadable = |what: String| Error::Watermark { path: path.to_owned(), what };
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| unreadable(error.to_string())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(error.to_string())),
    }
}

/// Without the syncs a power cut could leave an empty file under the name.
fn write(path: &Path, what: &impl Serialize) -> Result<()> {
    let new = beside(path, ".new");
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = || {
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(what).expect("a watermark is plain data"))?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        File::open(folder)?.sync_all()
    };
    written().map_err(|source| Error::Io { action: "write", path: path.to_owned(), source })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(lineage: &str, serial: u64) -> Identity {
        Identity { lineage: lineage.to_owned(), serial }
    }

    fn watermark(lineage: &str, serial: u64, runs: &[&str]) -> Watermark {
        let runs = runs.iter().map(|run| (*run).to_owned()).collect();
        Watermark { lineage: lineage.to_owned(), serial, runs }
    }

    #[test]
    fn the_serial_rises_by_itself_and_the_runs_stay() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state.db");
        assert_eq!(Watermark::read(&state).unwrap(), None);
        watermark("a", 3, &["x@once"]).write(&state).unwrap();
        Watermark::raise(&state, &identity("a", 9)).unwrap();
        assert_eq!(Watermark::read(&state).unwrap(), Some(watermark("a", 9, &["x@once"])));
        // Another state in its place, as far as a power cut lets it come: the serial is still the first one's.
        write(&beside(&state, WHOLE), &watermark("b", 4, &[])).unwrap();
        assert_eq!(Watermark::read(&state).unwrap(), Some(watermark("b", 4, &[])));
        std::fs::remove_file(beside(&state, WHOLE)).unwrap();
        assert_eq!(Watermark::read(&state).unwrap(), Some(watermark("a", 9, &[])));
    }

    #[test]
    fn a_watermark_of_one_file_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state.db");
        std::fs::write(beside(&state, WHOLE), r#"{"lineage":"a","serial":3,"runs":["x@once"]}"#).unwrap();
        assert_eq!(Watermark::read(&state).unwrap(), Some(watermark("a", 3, &["x@once"])));
    }

    #[test]
    fn a_damaged_watermark_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state.db");
        for suffix in [WHOLE, SERIAL] {
            watermark("a", 3, &["x@once"]).write(&state).unwrap();
            for text in ["", "{\"lineage\":\"a\"", "[]"] {
                std::fs::write(beside(&state, suffix), text).unwrap();
                let error = Watermark::read(&state).unwrap_err();
                assert!(matches!(error, Error::Watermark { .. }), "{error}");
                assert!(error.to_string().contains("pushplan state adopt"), "{error}");
            }
        }
    }
}
