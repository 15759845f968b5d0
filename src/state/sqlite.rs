//! The state in one SQLite file.
//!
//! `synchronous=FULL`: a commit that was reported is on the disk. WAL where the file system can hold it; on a
//! network file system, where WAL's shared memory is unsafe, a rollback journal instead. Migrations, the lock
//! and what any of it means are left to others.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, Transaction, params};

use super::error::{Error, Result};
use super::store::{BatchNote, Failure, Payload, Store};
use super::{Batch, BatchState, Change, Hold, Run, Status, Tally};
use crate::diagnostic::nearest;
use crate::outcome::{Answer, FailedAccount};
use crate::plan::Plan;

/// `PRAGMA application_id`: "push" in ASCII, so that another program's database is not taken for ours.
const APPLICATION_ID: i64 = 0x7075_7368;

/// The newest format this pushplan knows.
const FORMAT: i64 = 1;

/// Accounts of one batch, 500 short ids, take about 2 KiB at this level; higher levels gain little.
const ZSTD_LEVEL: i32 = 1;

/// The largest account list that a state can hold: 500 accounts of some kilobytes each.
const ACCOUNTS_MAX: usize = 16 << 20;

/// A state in a SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    connection: Connection,
    /// The run that is being sent, with its batches as they are durable.
    open: Option<OpenRun>,
}

struct OpenRun {
    name: String,
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
    /// Opens a state to write to it, and makes it where there is none. The caller holds the lock.
    ///
    /// # Errors
    /// Where the file cannot be made or opened, is not ours, or is newer than we know.
    pub fn open(path: &Path) -> Result<Self> {
        let store = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        let fresh: i64 = store.pragma("schema_version")?;
        if fresh == 0 {
            store.create()?;
        } else {
            store.check_format()?;
        }
        let journal = if on_network(path) { "TRUNCATE" } else { "WAL" };
        let setup =
            format!("PRAGMA journal_mode={journal}; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;");
        store.connection.execute_batch(&setup).map_err(store.failed("set up the journal"))?;
        Ok(store)
    }

    /// Opens a state to read it, where there is one.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_to_read(path: &Path) -> Result<Option<Self>> {
        match path.try_exists() {
            Ok(false) => return Ok(None),
            Ok(true) => {}
            Err(source) => return Err(Error::Io { action: "open", path: path.to_owned(), source }),
        }
        let store = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        store.check_format()?;
        Ok(Some(store))
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self> {
        let failed = |source| sqlite_error(path, "open the file", source);
        let connection =
            Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
        connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(Self { path: path.to_owned(), connection, open: None })
    }

    fn create(&self) -> Result<()> {
        let schema = include_str!("schema.sql");
        let setup = format!(
            "BEGIN; {schema} PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={FORMAT}; COMMIT;"
        );
        self.connection.execute_batch(&setup).map_err(self.failed("create the tables"))
    }

    fn check_format(&self) -> Result<()> {
        let foreign = |why: &str| Error::Foreign { path: self.path.clone(), why: why.to_owned() };
        let application: i64 = self.pragma("application_id")?;
        if application != APPLICATION_ID {
            return Err(foreign("it is another program's database"));
        }
        match self.pragma("user_version")? {
            FORMAT => Ok(()),
            found if found > FORMAT => Err(Error::Newer { path: self.path.clone(), found, known: FORMAT }),
            _ => Err(foreign("it has no format number")),
        }
    }

    fn pragma(&self, name: &str) -> Result<i64> {
        self.connection.pragma_query_value(None, name, |row| row.get(0)).map_err(|source| {
            match source.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => {
                    Error::Foreign { path: self.path.clone(), why: "it is not a database".to_owned() }
                }
                _ => self.failed("read")(source),
            }
        })
    }

    fn failed(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> Error + use<> {
        let path = self.path.clone();
        move |source| sqlite_error(&path, action, source)
    }

    fn damaged(&self, what: impl Into<String>) -> Error {
        Error::Damaged { path: self.path.clone(), what: what.into() }
    }

    fn run_id(&self, name: &str) -> Result<i64> {
        let found: Option<i64> = self
            .connection
            .prepare_cached("SELECT id FROM run WHERE name = ?1")
            .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
            .map_err(self.failed("look up the run"))?;
        if let Some(id) = found {
            return Ok(id);
        }
        let names: Vec<String> = self.runs()?.into_iter().map(|run| run.id).collect();
        let nearest = nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
        Err(Error::UnknownRun { path: self.path.clone(), run: name.to_owned(), nearest })
    }

    fn select_runs(&self, clause: &str, values: impl rusqlite::Params) -> Result<Vec<Run>> {
        let query = || {
            let mut statement = self.connection.prepare(&format!(
                "SELECT id, name, campaign, occurrence, app, from_account, content_digest, audience_digest,
                        plan_digest, expires_at, delivery, frozen_at, hold,
                        planned, accepted, failed, in_doubt, skipped, remaining
                 FROM run {clause} ORDER BY id DESC"
            ))?;
            let mut rows = statement.query(values)?;
            let mut runs = Vec::new();
            while let Some(row) = rows.next()? {
                let delivery: String = row.get(10)?;
                let hold: Option<String> = row.get(12)?;
                runs.push(Run {
                    id: row.get(1)?,
                    campaign: row.get(2)?,
                    occurrence: row.get(3)?,
                    app: row.get(4)?,
                    from: row.get(5)?,
                    content_digest: row.get(6)?,
                    audience_digest: row.get(7)?,
                    plan_digest: row.get(8)?,
                    expires_at: row.get::<_, Option<i64>>(9)?.map(|at| time(9, at)).transpose()?,
                    delivery: serde_json::from_str(&delivery).map_err(|e| unreadable(10, e))?,
                    frozen_at: time(11, row.get(11)?)?,
                    hold: hold.as_deref().and_then(Hold::from_word),
                    tally: Tally {
                        planned: row.get(13)?,
                        accepted: row.get(14)?,
                        failed: row.get(15)?,
                        in_doubt: row.get(16)?,
                        skipped: row.get(17)?,
                        remaining: row.get(18)?,
                    },
                });
            }
            Ok(runs)
        };
        query().map_err(self.failed("read the runs"))
    }

    fn write_plan(&self, transaction: &Transaction<'_>, plan: &Plan, now: Timestamp) -> Result<()> {
        let failed = self.failed("freeze the run");
        let header = plan.header();
        transaction
            .execute(
                "INSERT INTO run (name, campaign, occurrence, app, from_account, content_digest, audience_digest,
                                  plan_digest, expires_at, delivery, frozen_at, planned, remaining)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12)",
                params![
                    header.run_id,
                    header.campaign,
                    header.occurrence,
                    header.app,
                    header.from,
                    header.content_digest,
                    plan.audience_digest(),
                    plan.digest(),
                    header.expires_at.map(Timestamp::as_millisecond),
                    serde_json::to_string(&header.delivery).expect("delivery is plain data"),
                    now.as_millisecond(),
                    plan.audience().len(),
                ],
            )
            .map_err(&failed)?;
        let run = transaction.last_insert_rowid();
        let mut insert = transaction
            .prepare("INSERT INTO message (run, number, json) VALUES (?1, ?2, ?3)")
            .map_err(&failed)?;
        for (number, message) in plan.messages().iter().enumerate() {
            insert.execute(params![run, number, message.json]).map_err(&failed)?;
        }
        let mut insert_batch = transaction
            .prepare(
                "INSERT INTO batch (id, msg_random, data_id, message, recipients, status, attempts)
                 VALUES (?1, ?2, ?3, ?4, ?5, 'pending', 0)",
            )
            .map_err(&failed)?;
        let mut insert_accounts =
            transaction.prepare("INSERT INTO account (batch, json) VALUES (?1, ?2)").map_err(&failed)?;
        let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(|source| Error::Io {
            action: "compress for",
            path: self.path.clone(),
            source,
        })?;
        let mut json = String::new();
        for batch in plan.batches() {
            let id = batch_id(run, batch.number);
            let row = params![id, batch.msg_random, batch.data_id, batch.message, batch.recipients()];
            insert_batch.execute(row).map_err(&failed)?;
            json.clear();
            batch.accounts_json(&mut json);
            let packed = compressor.compress(json.as_bytes()).map_err(|source| Error::Io {
                action: "compress for",
                path: self.path.clone(),
                source,
            })?;
            insert_accounts.execute(params![id, packed]).map_err(&failed)?;
        }
        Ok(())
    }

    /// The run that is being sent. A run that was not taken up is loaded without recovery, for a person's words.
    fn opened(&mut self, name: &str) -> Result<&mut OpenRun> {
        if self.open.as_ref().is_none_or(|open| open.name != name) {
            let id = self.run_id(name)?;
            let batches = self.load_batches(id).map_err(self.failed("read the batches"))?;
            let tally = self.run(name)?.tally;
            self.open = Some(OpenRun { name: name.to_owned(), id, batches, tally, message: None });
        }
        Ok(self.open.as_mut().expect("just opened"))
    }

    fn load_batches(&self, run: i64) -> rusqlite::Result<Vec<Batch>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT recipients, status, attempts FROM batch WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
        )?;
        statement
            .query_map(batches_of(run), |row| {
                let state = BatchState { status: status(row, 1)?, attempts: row.get(2)? };
                Ok(Batch { recipients: row.get(0)?, state })
            })?
            .collect()
    }

    fn accounts_json(&self, id: i64) -> Result<String> {
        let packed: Vec<u8> = self
            .connection
            .prepare_cached("SELECT json FROM account WHERE batch = ?1")
            .and_then(|mut statement| statement.query_row([id], |row| row.get(0)))
            .map_err(self.failed("read the accounts of a batch"))?;
        zstd::bulk::decompress(&packed, ACCOUNTS_MAX)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| self.damaged(format!("the accounts of batch {} cannot be read", number_of(id))))
    }
}

impl Store for SqliteStore {
    fn runs(&self) -> Result<Vec<Run>> {
        self.select_runs("", [])
    }

    fn run(&self, id: &str) -> Result<Run> {
        let key = self.run_id(id)?;
        self.select_runs("WHERE id = ?1", [key])?
            .pop()
            .ok_or_else(|| self.damaged(format!("run {id} is gone")))
    }

    fn has_key(&self, msg_random: u32, data_id: &str) -> Result<bool> {
        self.connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM batch WHERE msg_random = ?1 AND data_id = ?2)")
            .and_then(|mut statement| statement.query_row(params![msg_random, data_id], |row| row.get(0)))
            .map_err(self.failed("look up a batch"))
    }

    fn freeze(&mut self, plan: &Plan, now: Timestamp) -> Result<()> {
        let failed = self.failed("freeze the run");
        let transaction = self.connection.unchecked_transaction().map_err(&failed)?;
        self.write_plan(&transaction, plan, now)?;
        transaction.commit().map_err(&failed)
    }

    fn take_up(&mut self, run: &str, now: Timestamp) -> Result<Vec<Batch>> {
        self.open = None;
        let batches = &self.opened(run)?.batches;
        let open: Vec<Change> = (1..)
            .zip(batches)
            .filter(|(_, batch)| batch.state.status == Status::Sending)
            .map(|(batch, of)| Change::Interrupted(super::Attempt { batch, number: of.state.attempts }))
            .collect();
        self.commit(run, &open, now)?;
        Ok(self.opened(run)?.batches.clone())
    }

    fn commit(&mut self, run: &str, changes: &[Change], now: Timestamp) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let failed = self.failed("record what was sent");
        self.opened(run)?;
        let open = self.open.as_mut().expect("just opened");
        let transaction = self.connection.unchecked_transaction().map_err(&failed)?;
        // What was durable before, put back where the commit fails.
        let mut before = Vec::with_capacity(changes.len());
        let tally_before = open.tally;
        let mut write = || {
            for change in changes {
                let index = change.batch() as usize - 1;
                let Some(batch) = open.batches.get_mut(index) else {
                    let what = format!("run {run} has no batch {}", change.batch());
                    return Err(Error::Damaged { path: self.path.clone(), what });
                };
                before.push((index, *batch));
                let recipients = u64::from(batch.recipients);
                open.tally.remove(batch.state.status, recipients, 0);
                batch.state = batch.state.apply(change)?;
                open.tally.add(batch.state.status, recipients, change.failed().len() as u64);
                write_change(&transaction, open.id, change, batch.state, now).map_err(&failed)?;
            }
            write_tally(&transaction, open.id, open.tally).map_err(&failed)
        };
        let written = write().and_then(|()| transaction.commit().map_err(&failed));
        if written.is_err() {
            open.tally = tally_before;
            for (index, batch) in before.into_iter().rev() {
                open.batches[index] = batch;
            }
        }
        written
    }

    fn payload(&mut self, run: &str, batch: u32) -> Result<Payload> {
        let run = self.opened(run)?.id;
        let id = batch_id(run, batch);
        let (message, msg_random, data_id) = self
            .connection
            .prepare_cached("SELECT message, msg_random, data_id FROM batch WHERE id = ?1")
            .and_then(|mut statement| {
                statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            })
            .map_err(self.failed("read a batch"))?;
        let accounts_json = self.accounts_json(id)?;
        let known = self.open.as_ref().and_then(|open| open.message.clone());
        let message_json = match known {
            Some((number, json)) if number == message => json,
            _ => {
                let json: String = self
                    .connection
                    .prepare_cached("SELECT json FROM message WHERE run = ?1 AND number = ?2")
                    .and_then(|mut statement| statement.query_row(params![run, message], |row| row.get(0)))
                    .map_err(self.failed("read a message"))?;
                let json: Arc<str> = json.into();
                if let Some(open) = &mut self.open {
                    open.message = Some((message, Arc::clone(&json)));
                }
                json
            }
        };
        Ok(Payload { accounts_json, message_json, msg_random, data_id })
    }

    fn hold(&mut self, run: &str, hold: Option<Hold>) -> Result<()> {
        let id = self.run_id(run)?;
        self.connection
            .execute("UPDATE run SET hold = ?2 WHERE id = ?1", params![id, hold.map(Hold::as_str)])
            .map_err(self.failed("hold the run"))?;
        Ok(())
    }

    fn last_attempts(&self, app: &str, most: usize, since: Timestamp) -> Result<Vec<u16>> {
        let query = || {
            let mut statement = self.connection.prepare(
                "SELECT batch.recipients, change.at FROM change JOIN batch ON batch.id = change.batch
                 WHERE change.what = 'begun' AND change.batch >> 32 IN (SELECT id FROM run WHERE app = ?1)
                 ORDER BY change.serial DESC LIMIT ?2",
            )?;
            let rows =
                statement.query_map(params![app, most], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
            let attempts: Vec<(u16, i64)> = rows.collect::<rusqlite::Result<_>>()?;
            let recent = attempts.first().is_some_and(|(_, at)| *at >= since.as_millisecond());
            let attempts = if recent { attempts } else { Vec::new() };
            Ok(attempts.into_iter().map(|(recipients, _)| recipients).collect())
        };
        query().map_err(self.failed("read the last attempts"))
    }

    fn failures(&self, run: &str, each: &mut dyn FnMut(Failure)) -> Result<()> {
        let failed = self.failed("read the failures");
        let run = self.run_id(run)?;
        let mut statement = self
            .connection
            .prepare(
                "SELECT id, account, failed_recipient.code, failed_recipient.text, 0
                 FROM failed_recipient JOIN batch ON batch.id = failed_recipient.batch WHERE id BETWEEN ?1 AND ?2
                 UNION ALL
                 SELECT id, '', coalesce(code, 0), coalesce(text, ''), 1
                 FROM batch WHERE status = 'failed' AND id BETWEEN ?1 AND ?2
                 ORDER BY 1",
            )
            .map_err(&failed)?;
        let mut rows = statement.query(batches_of(run)).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            let read = || {
                let answer = Answer::new(row.get(2)?, row.get::<_, String>(3)?);
                Ok((row.get(0)?, row.get(1)?, answer, row.get(4)?))
            };
            let (id, account, answer, whole): (i64, String, Answer, bool) = read().map_err(&failed)?;
            let accounts = if whole {
                serde_json::from_str(&self.accounts_json(id)?).map_err(|_| {
                    self.damaged(format!("the accounts of batch {} cannot be read", number_of(id)))
                })?
            } else {
                vec![account]
            };
            for account in accounts {
                let failed = FailedAccount { account, answer: answer.clone() };
                each(Failure { batch: number_of(id), failed });
            }
        }
        Ok(())
    }

    fn in_doubt(&self, run: &str) -> Result<Vec<BatchNote>> {
        let run = self.run_id(run)?;
        let query = || {
            let mut statement = self.connection.prepare(
                "SELECT id, recipients, msg_random, data_id, coalesce(code, 0),
                        coalesce(text, 'no runner has seen the answer')
                 FROM batch WHERE status IN ('in_doubt', 'sending') AND id BETWEEN ?1 AND ?2 ORDER BY id",
            )?;
            statement
                .query_map(batches_of(run), |row| {
                    Ok(BatchNote {
                        batch: number_of(row.get(0)?),
                        recipients: row.get(1)?,
                        msg_random: row.get(2)?,
                        data_id: row.get(3)?,
                        answer: Answer::new(row.get(4)?, row.get::<_, String>(5)?),
                    })
                })?
                .collect::<rusqlite::Result<_>>()
        };
        query().map_err(self.failed("read the batches in doubt"))
    }
}

fn write_change(
    transaction: &Transaction<'_>,
    run: i64,
    change: &Change,
    to: BatchState,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let id = batch_id(run, change.batch());
    let answer = change.answer();
    let (code, text) = answer.as_ref().map_or((None, None), |a| (Some(a.code), Some(a.text.as_str())));
    let attempt = change.attempt().map(|attempt| attempt.number);
    let at = now.as_millisecond();
    transaction
        .prepare_cached(
            "INSERT INTO change (batch, attempt, what, at, code, text, task_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![id, attempt, change.word(), at, code, text, change.task_id()])?;
    transaction
        .prepare_cached(
            "UPDATE batch SET status = ?2, attempts = ?3, failed = ?4, code = ?5, text = ?6 WHERE id = ?1",
        )?
        .execute(params![id, to.status.as_str(), to.attempts, change.failed().len(), code, text])
        .and_then(exactly_one)?;
    for FailedAccount { account, answer } in change.failed() {
        transaction
            .prepare_cached(
                "INSERT INTO failed_recipient (batch, account, code, text) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![id, account, answer.code, answer.text])?;
    }
    Ok(())
}

fn write_tally(transaction: &Transaction<'_>, run: i64, tally: Tally) -> rusqlite::Result<()> {
    let Tally { planned: _, accepted, failed, in_doubt, skipped, remaining } = tally;
    transaction
        .prepare_cached(
            "UPDATE run SET accepted = ?2, failed = ?3, in_doubt = ?4, skipped = ?5, remaining = ?6 WHERE id = ?1",
        )?
        .execute(params![run, accepted, failed, in_doubt, skipped, remaining])
        .and_then(exactly_one)
}

/// An update that meets no row would lose what happened without a word.
fn exactly_one(rows: usize) -> rusqlite::Result<()> {
    if rows == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(rows)) }
}

fn batch_id(run: i64, number: u32) -> i64 {
    (run << 32) | i64::from(number)
}

fn number_of(id: i64) -> u32 {
    (id & i64::from(u32::MAX)) as u32
}

/// First and last id that batches of a run can have.
fn batches_of(run: i64) -> [i64; 2] {
    [batch_id(run, 0), batch_id(run, u32::MAX)]
}

fn status(row: &Row<'_>, column: usize) -> rusqlite::Result<Status> {
    let word = row.get_ref(column)?.as_str()?;
    Status::from_word(word).ok_or_else(|| unreadable(column, format!("unknown status '{word}'")))
}

fn time(column: usize, milliseconds: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(milliseconds).map_err(|e| unreadable(column, e))
}

fn unreadable(column: usize, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, why.into())
}

fn sqlite_error(path: &Path, action: &'static str, source: rusqlite::Error) -> Error {
    let hint = match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            Some("The disk is full. Free some space and apply again: the run resumes.")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Some("Check that the folder exists and that this user may write to it.")
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Some(
            "The file is damaged. Restore it from a backup; do not delete it, or a run may be sent again.",
        ),
        Some(ErrorCode::SystemIoFailure) => {
            Some("The disk did not take it. Nothing further was sent. Check the disk, then apply again.")
        }
        _ => None,
    };
    Error::Sqlite { action, path: path.to_owned(), source, hint }
}

/// Does the file lie on a file system whose shared memory cannot be trusted? Read from the kernel's table of
/// mounts, where there is one; elsewhere a local disk is assumed.
fn on_network(path: &Path) -> bool {
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mountinfo") else { return false };
    let Ok(path) = path.canonicalize() else { return false };
    // Fields: 5th is the mount point; the type is the first one after a lone "-".
    let file_system = mounts
        .lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            Some((left.split(' ').nth(4)?, right.split(' ').next()?))
        })
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind);
    file_system.is_some_and(|kind| {
        let network = ["nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "ceph", "afs", "glusterfs"];
        network.contains(&kind) || kind.starts_with("fuse.")
    })
}
