//! Records that may outgrow the memory: kept there up to a bound, and beyond it in a temporary file.
//!
//! A pool takes records, each for one of its parts, and gives those of a part back in the order in which they
//! came. Pools share a bound of memory; what no longer fits goes to a file without a name in the folder for
//! temporary files (`TMPDIR`), which vanishes with its process. What a record means is its writer's business;
//! `record` holds the few encodings that they share.

mod pool;
pub(crate) mod record;

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

pub(crate) use pool::{Pool, Texts};

/// The temporary file cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot keep what was read in a temporary file in {}: {cause}; make room there, or set TMPDIR to a folder that has it",
    folder.display()
)]
pub struct Error {
    folder: std::path::PathBuf,
    #[source]
    cause: io::Error,
}

impl Error {
    fn new(cause: io::Error) -> Self {
        Self { folder: std::env::temp_dir(), cause }
    }
}

/// How much of some pools may stay in memory, and how much has gone to files.
#[derive(Debug)]
pub(crate) struct Memory {
    left: AtomicUsize,
    spilled: AtomicU64,
}

impl Memory {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { left: AtomicUsize::new(bytes), spilled: AtomicU64::new(0) }
    }

    /// Bytes that went to files.
    pub(crate) fn spilled(&self) -> u64 {
        self.spilled.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}
