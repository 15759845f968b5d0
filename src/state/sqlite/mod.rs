//! The state in one SQLite file.
//!
//! `synchronous=FULL`: a commit that was reported is on the disk. WAL where the file system can hold it; on a
//! network file system, where WAL's shared memory is unsafe, a rollback journal instead. After a failed write
//! the store refuses everything further: what the disk then holds is known only to who opens it anew.
//!
//! This file holds the transactions; what is read and written in them is beside it.

mod amend;
mod care;
mod dump;
mod file;
mod format;
mod query;
mod rows;
mod verify;
mod write;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::error::{Error, Result};
use super::store::{BatchNote, Failure, Identity, Payload, Store};
use super::watermark::Watermark;
use super::{Attempt, Batch, Change, Hold, Note, Run, RunEvent, SkipReason, Status, Tally};
use crate::campaign::schedule::Wave;
use crate::diagnostic::nearest;
use crate::outcome::Answer;
use crate::plan::{Plan, RunHeader};
use rows::{accounts_json, batch_id, number_of};
use write::NewRun;

/// How often the watermark follows the state while batches are sent.
const WATERMARK_EVERY: Duration = Duration::from_secs(1);

/// A state in a SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    /// Which file the path named when it was opened.
    file: Option<(u64, u64)>,
    connection: Connection,
    /// The runs that are being sent, by name, with their batches as they are durable.
    open: HashMap<String, OpenRun>,
    watermark_due: Instant,
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

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens a state to write it, and makes it where there is none. The caller holds the lock.
    ///
    /// # Errors
    /// Where the file cannot be made or opened, is not ours, is newer than we know, or is not the copy that was
    /// written last.
    pub fn open(path: &Path) -> Result<Self> {
        if let Some(watermark) = Watermark::read(path)? {
            let identity = match Self::open_to_read(path)? {
                Some(store) => Some(store.identity()?),
                None => None,
            };
            watermark.check(path, identity.as_ref())?;
        }
        Self::open_unchecked(path)
    }

    /// As [`SqliteStore::open`], whatever the watermark says: for `state adopt`.
    ///
    /// # Errors
    /// As [`SqliteStore::open`], but for the last.
    pub fn open_unchecked(path: &Path) -> Result<Self> {
        let connection = file::open(path)?;
        Ok(Self::new(path, connection))
    }

    /// Opens a state to read it, where there is one.
    ///
    /// # Errors
    /// Where the file cannot be opened, is not ours, or is newer than we know.
    pub fn open_to_read(path: &Path) -> Result<Option<Self>> {
        Ok(file::open_to_read(path)?.map(|connection| Self::new(path, connection)))
    }

    fn new(path: &Path, connection: Connection) -> Self {
        let file = file::id(path);
        Self {
            path: path.to_owned(),
            file,
            connection,
            open: HashMap::new(),
            watermark_due: Instant::now(),
            broken: false,
        }
    }

    fn failed(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> Error + use<> {
        let path = self.path.clone();
        move |source| file::error(&path, action, source)
    }

    fn run_id(&self, name: &str) -> Result<i64> {
        if let Some(id) = rows::run_id(&self.connection, name).map_err(self.failed("look up the run"))? {
            return Ok(id);
        }
        let names: Vec<String> = self.runs()?.into_iter().map(|run| run.id).collect();
        let nearest = nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
        Err(Error::UnknownRun { path: self.path.clone(), run: name.to_owned(), nearest })
    }

    /// Begins a transaction that can write at once.
    fn transaction(&self, action: &'static str) -> Result<Transaction<'_>> {
        if self.broken {
            let what = "a write has failed before, and what it left is not known here".to_owned();
            return Err(Error::Damaged { path: self.path.clone(), what });
        }
        Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)
            .map_err(self.failed(action))
    }

    /// Commits. A file that was deleted or replaced takes commits as before, and nobody will ever read them.
    fn finish(&self, transaction: Transaction<'_>, action: &'static str) -> Result<()> {
        write::serial(&transaction).map_err(self.failed(action))?;
        transaction.commit().map_err(self.failed(action))?;
        if file::id(&self.path) == self.file { Ok(()) } else { Err(Error::Gone { path: self.path.clone() }) }
    }

    /// Passes on what a write came to; after a failed one nothing further is written through this connection.
    fn guarded<T>(&mut self, written: Result<T>) -> Result<T> {
        written.inspect_err(|error| {
            // A change that does not fit, or a batch that is not there, was rolled back before it met the disk.
            if !matches!(error, Error::Illegal(_) | Error::UnknownBatch { .. } | Error::UnknownRun { .. }) {
                self.broken = true;
                file::leave_as_it_is(&self.connection);
            }
        })
    }

    fn write_watermark(&mut self) -> Result<()> {
        let Identity { lineage, serial } = self.identity()?;
        let runs = self.runs()?.into_iter().map(|run| run.id).collect();
        self.watermark_due = Instant::now() + WATERMARK_EVERY;
        Watermark { lineage, serial, runs }.write(&self.path)
    }

    /// The run that is being sent, or that a person speaks of.
    fn opened(&mut self, name: &str) -> Result<&mut OpenRun> {
        if !self.open.contains_key(name) {
            let id = self.run_id(name)?;
            let batches = query::batches(&self.connection, id).map_err(self.failed("read the batches"))?;
            let tally = self.run(name)?.tally;
            self.open.insert(name.to_owned(), OpenRun { id, batches, tally, message: None });
        }
        Ok(self.open.get_mut(name).expect("just opened"))
    }

    /// Changes of a run and what is said of it, in one transaction.
    fn write(
        &mut self,
        run: &str,
        changes: &[Change],
        event: Option<(&str, &Note)>,
        now: Timestamp,
    ) -> Result<()> {
        const ACTION: &str = "record what happened";
        self.opened(run)?;
        let mut open = self.open.remove(run).expect("just opened");
        let written = self.write_open(run, &mut open, changes, event, now, ACTION);
        if written.is_ok() {
            self.open.insert(run.to_owned(), open);
        }
        self.guarded(written)
    }

    /// Moves accounts between the batches of a run and makes the changes that go with it, in one transaction.
    fn amend(
        &mut self,
        run: &str,
        what: &str,
        note: &Note,
        now: Timestamp,
        amendment: impl FnOnce(&Connection, i64) -> rusqlite::Result<Vec<Change>>,
    ) -> Result<()> {
        // The batches change under it.
        self.open.remove(run);
        let amended = self.amend_in_one(run, what, note, now, amendment);
        self.guarded(amended)?;
        self.write_watermark()
    }

    fn amend_in_one(
        &self,
        run: &str,
        what: &str,
        note: &Note,
        now: Timestamp,
        amendment: impl FnOnce(&Connection, i64) -> rusqlite::Result<Vec<Change>>,
    ) -> Result<()> {
        const ACTION: &str = "amend the run";
        let failed = self.failed(ACTION);
        let id = self.run_id(run)?;
        let transaction = self.transaction(ACTION)?;
        let changes = amendment(&transaction, id).map_err(&failed)?;
        let batches = query::batches(&transaction, id).map_err(&failed)?;
        for change in changes {
            let state = batches[change.batch() as usize - 1].state.apply(&change)?;
            write::change(&transaction, id, &change, state, now).map_err(&failed)?;
        }
        let tally = query::tally(&transaction, id).map_err(&failed)?;
        write::tally(&transaction, id, tally).map_err(&failed)?;
        write::waits_until(&transaction, id, None).map_err(&failed)?;
        write::event(&transaction, id, what, note, now).map_err(&failed)?;
        self.finish(transaction, ACTION)
    }

    fn write_open(
        &self,
        run: &str,
        open: &mut OpenRun,
        changes: &[Change],
        event: Option<(&str, &Note)>,
        now: Timestamp,
        action: &'static str,
    ) -> Result<()> {
        let failed = self.failed(action);
        let transaction = self.transaction(action)?;
        for change in changes {
            let Some(batch) = open.batches.get_mut((change.batch() as usize).wrapping_sub(1)) else {
                let run = run.to_owned();
                return Err(Error::UnknownBatch { run, batch: change.batch(), batches: open.batches.len() });
            };
            let recipients = u64::from(batch.recipients);
            open.tally.remove(batch.state.status, recipients, 0);
            batch.state = batch.state.apply(change)?;
            open.tally.add(batch.state.status, recipients, change.failed().len() as u64);
            write::change(&transaction, open.id, change, batch.state, now).map_err(&failed)?;
        }
        if !changes.is_empty() {
            write::tally(&transaction, open.id, open.tally).map_err(&failed)?;
        }
        if let Some((what, note)) = event {
            write::waits_until(&transaction, open.id, None).map_err(&failed)?;
            write::event(&transaction, open.id, what, note, now).map_err(&failed)?;
        }
        self.finish(transaction, action)
    }
}

impl Store for SqliteStore {
    fn identity(&self) -> Result<Identity> {
        self.connection
            .query_row("SELECT lineage, serial FROM identity", [], |row| {
                Ok(Identity { lineage: row.get(0)?, serial: row.get(1)? })
            })
            .map_err(self.failed("read its identity"))
    }

    fn runs(&self) -> Result<Vec<Run>> {
        query::runs(&self.connection, "", []).map_err(self.failed("read the runs"))
    }

    fn run(&self, id: &str) -> Result<Run> {
        let key = self.run_id(id)?;
        let mut runs =
            query::runs(&self.connection, "WHERE id = ?1", [key]).map_err(self.failed("read the run"))?;
        runs.pop()
            .ok_or_else(|| Error::Damaged { path: self.path.clone(), what: format!("run {id} is gone") })
    }

    fn open_runs(&self) -> Result<Vec<Run>> {
        query::runs(&self.connection, "WHERE remaining > 0 OR in_doubt > 0", [])
            .map_err(self.failed("read the open runs"))
    }

    fn find(&self, id: &str) -> Result<Option<Run>> {
        query::runs(&self.connection, "WHERE name = ?1", [id])
            .map(|mut runs| runs.pop())
            .map_err(self.failed("look up a run"))
    }

    fn events(&self, run: &str) -> Result<Vec<RunEvent>> {
        query::events(&self.connection, self.run_id(run)?).map_err(self.failed("read the events"))
    }

    fn has_key(&self, msg_random: u32, data_id: &str) -> Result<bool> {
        self.connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM batch WHERE msg_random = ?1 AND data_id = ?2)")
            .and_then(|mut statement| statement.query_row(params![msg_random, data_id], |row| row.get(0)))
            .map_err(self.failed("look up a batch"))
    }

    fn answered(&self) -> Result<HashMap<String, Timestamp>> {
        query::answered(&self.connection).map_err(self.failed("read the campaigns"))
    }

    fn settle(
        &mut self,
        missed: &[RunHeader],
        answered: &[(&str, Timestamp)],
        note: &Note,
        now: Timestamp,
    ) -> Result<()> {
        const ACTION: &str = "record what was missed";
        let settled = self.transaction(ACTION).and_then(|transaction| {
            let write = || {
                for header in missed {
                    let run = NewRun {
                        header,
                        audience_digest: "",
                        plan_digest: "",
                        recipients: 0,
                        hold: Some(Hold::Missed),
                    };
                    let id = write::insert_run(&transaction, &run, now)?;
                    write::event(&transaction, id, "missed", note, now)?;
                }
                answered.iter().try_for_each(|(campaign, at)| write::answered(&transaction, campaign, *at))
            };
            write().map_err(self.failed(ACTION))?;
            self.finish(transaction, ACTION)
        });
        self.guarded(settled)?;
        self.write_watermark()
    }

    fn freeze(&mut self, plan: &Plan, note: &Note, now: Timestamp) -> Result<()> {
        const ACTION: &str = "freeze the run";
        let frozen = self.transaction(ACTION).and_then(|transaction| {
            let run = NewRun {
                header: plan.header(),
                audience_digest: &plan.audience_digest(),
                plan_digest: &plan.digest(),
                recipients: plan.audience().len(),
                hold: None,
            };
            let written = write::insert_run(&transaction, &run, now).and_then(|run| {
                write::insert_batches(&transaction, run, plan, 0)?;
                write::event(&transaction, run, "frozen", note, now)
            });
            written.map_err(self.failed(ACTION))?;
            self.finish(transaction, ACTION)
        });
        self.guarded(frozen)?;
        self.write_watermark()
    }

    fn waves(&self, run: &str) -> Result<Vec<Wave>> {
        let waves =
            query::waves(&self.connection, self.run_id(run)?).map_err(self.failed("read the waves"))?;
        Ok(if waves.is_empty() { vec![Wave::until(self.run(run)?.expires_at)] } else { waves })
    }

    fn take_up(&mut self, run: &str, note: &Note, now: Timestamp) -> Result<Vec<Batch>> {
        self.open.remove(run);
        let interrupted: Vec<Change> = (1..)
            .zip(&self.opened(run)?.batches)
            .filter(|(_, batch)| batch.state.status == Status::Sending)
            .map(|(number, of)| Change::Interrupted(Attempt { batch: number, number: of.state.attempts }))
            .collect();
        self.write(run, &interrupted, Some(("taken up", note)), now)?;
        self.write_watermark()?;
        Ok(self.opened(run)?.batches.clone())
    }

    fn commit(&mut self, run: &str, changes: &[Change], now: Timestamp) -> Result<()> {
        self.write(run, changes, None, now)?;
        if self.watermark_due <= Instant::now() { self.write_watermark() } else { Ok(()) }
    }

    fn payload(&mut self, name: &str, batch: u32) -> Result<Payload> {
        let run = self.opened(name)?.id;
        let id = batch_id(run, batch);
        let (message, msg_random, data_id) = self
            .connection
            .prepare_cached("SELECT message, msg_random, data_id FROM batch WHERE id = ?1")
            .and_then(|mut statement| {
                statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            })
            .map_err(self.failed("read a batch"))?;
        let accounts_json =
            accounts_json(&self.connection, id).map_err(self.failed("read the accounts of a batch"))?;
        let known = self.open.get(name).and_then(|open| open.message.clone());
        let message_json = match known {
            Some((number, json)) if number == message => json,
            _ => {
                let json: String = self
                    .connection
                    .prepare_cached("SELECT json FROM message WHERE run = ?1 AND number = ?2")
                    .and_then(|mut statement| statement.query_row(params![run, message], |row| row.get(0)))
                    .map_err(self.failed("read a message"))?;
                let json: Arc<str> = json.into();
                if let Some(open) = self.open.get_mut(name) {
                    open.message = Some((message, Arc::clone(&json)));
                }
                json
            }
        };
        Ok(Payload { accounts_json, message_json, msg_random, data_id })
    }

    fn hold(&self, run: &str) -> Result<Option<Hold>> {
        let word: Option<String> = self
            .connection
            .prepare_cached("SELECT hold FROM run WHERE name = ?1")
            .and_then(|mut statement| statement.query_row([run], |row| row.get(0)))
            .map_err(self.failed("look whether the run is held"))?;
        Ok(word.as_deref().and_then(Hold::from_word))
    }

    fn decree(
        &mut self,
        run: &str,
        what: &str,
        changes: &[Change],
        note: &Note,
        now: Timestamp,
    ) -> Result<()> {
        self.write(run, changes, Some((what, note)), now)?;
        self.write_watermark()
    }

    fn set_hold(
        &mut self,
        run: &str,
        hold: Option<Hold>,
        what: &str,
        note: &Note,
        now: Timestamp,
    ) -> Result<()> {
        const ACTION: &str = "hold the run";
        let id = self.run_id(run)?;
        let written = self.transaction(ACTION).and_then(|transaction| {
            write::hold(&transaction, id, hold)
                .and_then(|()| write::event(&transaction, id, what, note, now))
                .map_err(self.failed(ACTION))?;
            self.finish(transaction, ACTION)
        });
        // No watermark: this may be a person's word beside a runner, which writes its own.
        self.guarded(written)
    }

    fn set_waiting(&mut self, run: &str, until: Timestamp, note: &Note, now: Timestamp) -> Result<()> {
        const ACTION: &str = "let the run wait";
        let id = self.run_id(run)?;
        let written = self.transaction(ACTION).and_then(|transaction| {
            write::waits_until(&transaction, id, Some(until))
                .and_then(|()| write::event(&transaction, id, "waits", note, now))
                .map_err(self.failed(ACTION))?;
            self.finish(transaction, ACTION)
        });
        self.guarded(written)?;
        self.write_watermark()
    }

    fn retry(
        &mut self,
        run: &str,
        chosen: &dyn Fn(&Answer) -> bool,
        note: &Note,
        now: Timestamp,
    ) -> Result<u64> {
        let before = self.run(run)?.tally.failed;
        self.amend(run, "retried", note, now, |connection, id| {
            amend::split_failed(connection, id, run, chosen)?;
            let whole = amend::failed_batches(connection, id)?.into_iter();
            Ok(whole
                .filter(|(_, answer)| chosen(answer))
                .map(|(id, _)| Change::Retry(number_of(id)))
                .collect())
        })?;
        Ok(before - self.run(run)?.tally.failed)
    }

    fn batches(&self, run: &str) -> Result<u32> {
        amend::last_number(&self.connection, self.run_id(run)?).map_err(self.failed("count the batches"))
    }

    fn pending_accounts(&self, run: &str) -> Result<HashSet<String>> {
        amend::pending_accounts(&self.connection, self.run_id(run)?)
            .map_err(self.failed("read what is pending"))
    }

    fn replan(&mut self, run: &str, plan: &Plan, note: &Note, now: Timestamp) -> Result<()> {
        self.amend(run, "replanned", note, now, |connection, id| {
            let old = amend::pending_batches(connection, id)?;
            amend::replace_pending(connection, id, plan)?;
            Ok(old.into_iter().map(|id| Change::Skip(number_of(id), SkipReason::Replanned)).collect())
        })
    }

    fn last_attempts(&self, app: &str, most: usize, since: Timestamp) -> Result<Vec<u16>> {
        let attempts = query::last_attempts(&self.connection, app, most)
            .map_err(self.failed("read the last attempts"))?;
        let recent = attempts.first().is_some_and(|(_, at)| *at >= since.as_millisecond());
        Ok(if recent { attempts.into_iter().map(|(recipients, _)| recipients).collect() } else { Vec::new() })
    }

    fn failures(&self, run: &str, each: &mut dyn FnMut(Failure)) -> Result<()> {
        query::failures(&self.connection, self.run_id(run)?, each).map_err(self.failed("read the failures"))
    }

    fn in_doubt(&self, run: &str) -> Result<Vec<BatchNote>> {
        query::in_doubt(&self.connection, self.run_id(run)?).map_err(self.failed("read what is in doubt"))
    }

    fn verify(&self) -> Result<Vec<String>> {
        verify::verify(&self.connection).map_err(self.failed("verify"))
    }
}
