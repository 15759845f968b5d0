//! The watermark: a small file beside the state that remembers how far the state once was.
//!
//! A state that is restored from a backup does not know what was sent after it, and would send it again. The
//! watermark knows the serial that the state had, and so tells an old copy from the one that was written last.
//! It cannot help where it was restored together with the state, or where the state moves to another folder
//! without it; there the person who restores must know.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::store::Identity;

/// What the file says.
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
    /// Where it is there and cannot be read: then nobody knows whether the state is the last one.
    pub fn read(state: &Path) -> Result<Option<Self>> {
        let path = path_of(state);
        let io = |source| Error::Io { action: "read", path: path.clone(), source };
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| io(e.into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io(error)),
        }
    }

    /// Writes it: whole or not at all.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn write(&self, state: &Path) -> Result<()> {
        let path = path_of(state);
        let new = path.with_extension("watermark.new");
        let text = serde_json::to_string(self).expect("a watermark is plain data");
        std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &path)).map_err(|source| Error::Io {
            action: "write",
            path,
            source,
        })
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

fn path_of(state: &Path) -> PathBuf {
    let mut name = state.as_os_str().to_owned();
    name.push(".watermark");
    PathBuf::from(name)
}
