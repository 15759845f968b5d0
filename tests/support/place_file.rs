//! The benches of this test binary keep their state in a file, as a workspace that says nothing does.

use std::path::{Path, PathBuf};

use pushplan::campaign::{STATE, StateLocation};

/// Of the steps at which a process is killed: each one.
pub const KILLS_EVERY: usize = 1;

pub struct Place(PathBuf);

impl Place {
    /// What the workspace file says of it.
    pub const YAML: &str = "";
    /// What every command needs to be told.
    pub const ARGS: &[&str] = &[];

    /// A new one, for a workspace in this folder.
    pub fn new(folder: &Path) -> Self {
        Self(folder.join(STATE))
    }

    pub fn location(&self) -> StateLocation {
        StateLocation::Sqlite(self.0.clone())
    }
}
