//! A plan in a file of its own: what `plan -o` writes, `show` reads, and `apply` sends as it stands.
//!
//! It has the tables of a state, with its runs as they would be frozen, and what they were made from. It is not a
//! state: nothing is recorded in it, and it is never opened to be written once it is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Run;
use super::error::{Error, Result};
use super::sql::Database;
use super::sqlite::{PLAN_APPLICATION_ID, SqliteStore};
use super::store::{Identity, Store};
use crate::plan::Plan;

/// What every SQLite file begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Where its application id stands (<https://www.sqlite.org/fileformat.html>): [`PLAN_APPLICATION_ID`].
const ID: std::ops::Range<usize> = 68..72;

/// What a plan was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The version of the pushplan that made it.
    pub version: String,
    /// When.
    pub made_at: Timestamp,
    /// The state as it was then; `None` where nothing was ever applied.
    pub state: Option<Identity>,
    /// The JSON text of what the planner was told of it: see [`crate::plan::summary::Summaries`].
    pub summaries: String,
    /// Of each run by its id: [`Plan::columns`].
    pub columns: BTreeMap<String, Vec<String>>,
    /// The runs that are sent late: [`RunHeader::is_late`](crate::plan::RunHeader::is_late).
    pub late: BTreeSet<String>,
}

/// A plan file, opened to read it.
#[derive(Debug)]
pub struct PlanFile {
    path: PathBuf,
    store: SqliteStore,
    origin: Origin,
}

impl PlanFile {
    /// Writes plans to a file, whole or not at all; a plan of this name is replaced. `summaries` is
    /// [`Origin::summaries`].
    ///
    /// # Errors
    /// Where it cannot be written, or something else is there: the state, perhaps.
    pub fn write<'p>(
        path: &Path,
        plans: impl Iterator<Item = &'p Plan> + Clone,
        state: Option<Identity>,
        summaries: String,
        now: Timestamp,
    ) -> Result<()> {
        if path.exists() && !Self::is_one(path) {
            let source = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "something else is there");
            return Err(Error::Io { action: "save the plan as", path: path.to_owned(), source });
        }
        let late = plans.clone().map(Plan::header).filter(|header| header.is_late);
        let late = late.map(|header| header.run_id.clone()).collect();
        let columns = plans.clone().map(|plan| (plan.header().run_id.clone(), plan.columns().to_vec()));
        let origin = Origin {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            made_at: now,
            state,
            summaries,
            columns: columns.collect(),
            late,
        };
        let mut store = SqliteStore::begin_plan_file(path)?;
        store.save(plans, serde_json::to_string(&origin).expect("it is plain data"), now)?;
        store.finish_plan_file(path)
    }

    /// Does the path name a plan, of whichever version, and neither a campaign nor a state?
    pub fn is_one(path: &Path) -> bool {
        let mut start = [0; ID.end];
        let is_read = File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok();
        is_read && start.starts_with(MAGIC) && start[ID] == PLAN_APPLICATION_ID.to_be_bytes()
    }

    /// Opens a plan file.
    ///
    /// # Errors
    /// Where it is none, or another version of pushplan made it.
    pub fn open(path: &Path) -> Result<Self> {
        if !Self::is_one(path) {
            let what = match File::open(path) {
                Ok(_) => "it is no plan".to_owned(),
                Err(error) => error.to_string(),
            };
            return Err(Error::PlanFile { path: path.to_owned(), what });
        }
        let store = SqliteStore::open_plan_file(path)?;
        let origin = serde_json::from_str(&store.origin_json()?)
            .map_err(|error| Error::PlanFile { path: path.to_owned(), what: error.to_string() })?;
        Ok(Self { path: path.to_owned(), store, origin })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the plans were made from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The runs that were planned, in order.
    ///
    /// # Errors
    /// Where the file is damaged.
    pub fn runs(&self) -> Result<Vec<Run>> {
        let mut runs = self.store.runs()?;
        runs.reverse();
        Ok(runs)
    }

    /// What a run's campaign said: [`RunHeader::content_json`](crate::plan::RunHeader::content_json).
    ///
    /// # Errors
    /// Where the file is damaged.
    pub fn content_json(&self, run: &str) -> Result<Option<String>> {
        self.store.content_json(run)
    }

    pub(super) fn columns(&self, run: &str) -> &[String] {
        self.origin.columns.get(run).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_late(&self, run: &str) -> bool {
        self.origin.late.contains(run)
    }

    pub(super) fn database(&self) -> &impl Database {
        &self.store.database
    }
}
