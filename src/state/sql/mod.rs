//! A state in tables: everything that is the same whichever database holds them.
//!
//! [`SqlStore`] is the store; a [`Database`] is what it is kept in: a SQLite file or a PostgreSQL server. This file
//! holds the transactions; what is read and written in them is beside it.
//!
//! After a failed write the store refuses everything further: what the database then holds is known only to who
//! opens it anew.

mod amend;
mod care;
mod database;
mod dump;
mod query;
mod rows;
mod saved;
mod store;
mod verify;
mod write;

pub(in crate::state) use care::refuse_moved;
pub use database::{Cell, Database, Fault, Row};
pub(in crate::state) use database::{cells, exactly_one};
#[cfg(test)]
pub(in crate::state) use rows::Packer;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::error::{Error, Result};
use super::store::Store;
use super::watermark::Watermark;
use super::{Batch, Change, Hold, Note, Tally};
use crate::diagnostic::nearest;

/// How often the watermark follows the state while batches are sent.
const WATERMARK_EVERY: Duration = Duration::from_secs(1);

/// A state that a database holds.
pub struct SqlStore<D> {
    pub(in crate::state) database: D,
    /// The runs that are being sent, by name, with their batches as they are durable.
    open: HashMap<String, OpenRun>,
    watermark_due: Instant,
    /// The watermark may lack runs: one was added, or nothing was written to it yet.
    watermark_lacks_runs: bool,
    /// A write has failed.
    broken: bool,
}

struct OpenRun {
    id: i64,
    batches: Vec<Batch>,
    tally: Tally,
    /// The message that was loaded last: batches of one message follow each other.
    message: Option<(u32, Arc<str>)>,
}

impl<D: Database> std::fmt::Debug for SqlStore<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlStore").field("place", &self.database.place()).finish_non_exhaustive()
    }
}

impl<D: Database + 'static> SqlStore<D> {
    pub(in crate::state) fn new(database: D) -> Self {
        Self {
            database,
            open: HashMap::new(),
            watermark_due: Instant::now(),
            watermark_lacks_runs: true,
            broken: false,
        }
    }

    fn place(&self) -> String {
        self.database.place().to_owned()
    }

    fn failed(&self, action: &'static str) -> impl Fn(Fault) -> Error + use<'_, D> {
        move |fault| match fault {
            Fault::Told(error) => *error,
            Fault::Damaged(what) => Error::Damaged { place: self.place(), what },
            fault => self.database.error(action, fault),
        }
    }

    fn run_id(&self, name: &str) -> Result<i64> {
        if let Some(id) = rows::run_id(&self.database, name).map_err(self.failed("look up the run"))? {
            return Ok(id);
        }
        let names: Vec<String> = self.runs()?.into_iter().map(|run| run.id).collect();
        let nearest = nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
        Err(Error::UnknownRun { place: self.place(), run: name.to_owned(), nearest })
    }

    /// One transaction, which raises the state's serial where it `counts`. After an error nothing of it is there, and
    /// nothing further is written through this connection.
    fn transaction<T>(
        &mut self,
        action: &'static str,
        counts: bool,
        work: impl FnOnce(&D) -> Result<T, Fault>,
    ) -> Result<T> {
        if self.broken {
            let what = "a write has failed before, and what it left is not known here".to_owned();
            return Err(Error::Damaged { place: self.place(), what });
        }
        let database = &self.database;
        let done = database.begin().and_then(|()| {
            let done = work(database).and_then(|value| database.commit(counts).map(|()| value));
            done.inspect_err(|_| database.roll_back())
        });
        done.map_err(self.failed(action)).inspect_err(|error| {
            // A change that does not fit, or a batch that is not there, was rolled back before it met the disk.
            if !matches!(error, Error::Illegal(_) | Error::UnknownBatch { .. }) {
                self.broken = true;
                self.database.give_up();
            }
        })
    }

    /// Lets the watermark follow the state. Its cost does not grow with the runs that are done with, but where one was
    /// added.
    fn write_watermark(&mut self) -> Result<()> {
        let Some(path) = self.database.watermark() else { return Ok(()) };
        let identity = self.identity()?;
        if self.watermark_lacks_runs {
            let runs = query::run_names(&self.database).map_err(self.failed("read the runs"))?;
            Watermark { lineage: identity.lineage, serial: identity.serial, runs }.write(path)?;
            self.watermark_lacks_runs = false;
        } else {
            Watermark::raise(path, &identity)?;
        }
        self.watermark_due = Instant::now() + WATERMARK_EVERY;
        Ok(())
    }

    /// As [`SqlStore::write_watermark`], once a run was added.
    fn write_whole_watermark(&mut self) -> Result<()> {
        self.watermark_lacks_runs = true;
        self.write_watermark()
    }

    /// Reads as of one moment, also while a runner writes.
    fn as_of_one_moment<T>(&self, read: impl FnOnce(&D) -> Result<T>) -> Result<T> {
        let begun = self.database.begin_to_read().map_err(self.failed("begin to read"));
        let done = begun.and_then(|()| read(&self.database));
        self.database.roll_back();
        done
    }

    /// The run that is being sent, or that a person speaks of.
    fn opened(&mut self, name: &str) -> Result<&mut OpenRun> {
        if !self.open.contains_key(name) {
            let id = self.run_id(name)?;
            let batches = query::batches(&self.database, id).map_err(self.failed("read the batches"))?;
            let tally = self.run(name)?.tally;
            self.open.insert(name.to_owned(), OpenRun { id, batches, tally, message: None });
        }
        Ok(self.open.get_mut(name).expect("just opened"))
    }

    /// Changes of a run and what is said of it, in one transaction. Gives how the run is held in it, where something is
    /// said of it.
    fn write(
        &mut self,
        run: &str,
        changes: &[Change],
        event: Option<(&str, &Note)>,
        now: Timestamp,
    ) -> Result<Option<Hold>> {
        self.opened(run)?;
        let mut open = self.open.remove(run).expect("just opened");
        let hold = self.transaction("record what happened", true, |database| {
            if !changes.is_empty() {
                let becomes = open.become_by(run, changes)?;
                write::changes(database, open.id, &becomes, now)?;
                write::tally(database, open.id, open.tally)?;
            }
            if let Some((what, note)) = event {
                write::waits_until(database, open.id, None)?;
                write::event(database, open.id, what, note, now)?;
                return query::hold(database, run);
            }
            Ok(None)
        })?;
        self.open.insert(run.to_owned(), open);
        Ok(hold)
    }

    /// Moves accounts between the batches of a run and makes the changes that go with it, in one transaction.
    fn amend(
        &mut self,
        run: &str,
        what: &str,
        note: &Note,
        now: Timestamp,
        amendment: impl FnOnce(&D, i64) -> Result<Vec<Change>, Fault>,
    ) -> Result<()> {
        // The batches change under it.
        self.open.remove(run);
        let id = self.run_id(run)?;
        self.transaction("amend the run", true, |database| {
            let changes = amendment(database, id)?;
            let batches = query::batches(database, id)?;
            carry_out(database, id, &batches, &changes, (what, note), now)
        })?;
        self.write_watermark()
    }
}

/// Changes of a run whose batches are these, and what is said of it. The caller holds the transaction.
fn carry_out(
    database: &dyn Database,
    run: i64,
    batches: &[Batch],
    changes: &[Change],
    (what, note): (&str, &Note),
    now: Timestamp,
) -> Result<(), Fault> {
    let becomes = changes.iter().map(|change| {
        let state = batches[change.batch() as usize - 1].state.apply(change)?;
        Ok((change, state))
    });
    write::changes(database, run, &becomes.collect::<Result<Vec<_>, Fault>>()?, now)?;
    write::tally(database, run, query::tally(database, run)?)?;
    write::waits_until(database, run, None)?;
    write::event(database, run, what, note, now)
}

impl OpenRun {
    /// Carries out changes in order; gives each with what its batch becomes.
    fn become_by<'c>(
        &mut self,
        run: &str,
        changes: &'c [Change],
    ) -> Result<Vec<(&'c Change, super::BatchState)>> {
        let mut becomes = Vec::with_capacity(changes.len());
        for change in changes {
            let batches = self.batches.len();
            let Some(batch) = self.batches.get_mut((change.batch() as usize).wrapping_sub(1)) else {
                return Err(Error::UnknownBatch { run: run.to_owned(), batch: change.batch(), batches });
            };
            let recipients = u64::from(batch.recipients);
            self.tally.remove(batch.state.status, recipients, 0);
            batch.state = batch.state.apply(change)?;
            self.tally.add(batch.state.status, recipients, change.failed().len() as u64);
            becomes.push((change, batch.state));
        }
        Ok(becomes)
    }
}
