//! Writing: a plan's rows, a batch's changes, a run's events. The caller holds the transaction.

use jiff::Timestamp;

use super::database::{Cell, Database, Fault, cells};
use super::query;
use super::rows::{Packer, batch_id};
use crate::campaign::schedule::Wave;
use crate::outcome::FailedAccount;
use crate::plan::{Plan, RunHeader};
use crate::state::{BatchState, Change, Hold, Note, Tally};

/// Rows that are handed to the database at once. More gains nothing: their texts are in memory until then.
const CHUNK: usize = 256;

/// With run, number and JSON text.
pub(super) const INSERT_MESSAGE: &str = "INSERT INTO message (run, number, json) VALUES (?1, ?2, ?3)";

/// A run without its batches.
pub(super) struct NewRun<'a> {
    pub(super) header: &'a RunHeader,
    pub(super) audience_digest: &'a str,
    pub(super) plan_digest: &'a str,
    pub(super) recipients: u64,
    pub(super) hold: Option<Hold>,
}

/// Gives the run's row id.
pub(super) fn insert_run(database: &dyn Database, run: &NewRun<'_>, now: Timestamp) -> Result<i64, Fault> {
    let header = run.header;
    database.one(
        "INSERT INTO run (name, campaign, occurrence, app, from_account, content_digest, audience_digest,
                          plan_digest, expires_at, delivery, frozen_at, hold, planned, remaining)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13) RETURNING id",
        &cells![
            &header.run_id,
            &header.campaign,
            &header.occurrence,
            &header.app,
            &header.from,
            &header.content_digest,
            run.audience_digest,
            run.plan_digest,
            header.expires_at.map(Timestamp::as_millisecond),
            serde_json::to_string(&header.delivery).expect("delivery is plain data"),
            now.as_millisecond(),
            run.hold.map(Hold::as_str),
            run.recipients,
        ],
        |row| row.get(0),
    )
}

/// A run of which nothing is sent and nothing was planned, with what there is to say of it.
pub(super) fn insert_empty_run(
    database: &dyn Database,
    header: &RunHeader,
    hold: Hold,
    (what, note): (&str, &Note),
    now: Timestamp,
) -> Result<(), Fault> {
    let run = NewRun { header, audience_digest: "", plan_digest: "", recipients: 0, hold: Some(hold) };
    let id = insert_run(database, &run, now)?;
    event(database, id, what, note, now)
}

/// A run with everything that its plan holds. Gives the run's row id.
pub(super) fn insert_plan(database: &dyn Database, plan: &Plan, now: Timestamp) -> Result<i64, Fault> {
    let run = NewRun {
        header: plan.header(),
        audience_digest: &plan.audience_digest(),
        plan_digest: &plan.digest(),
        recipients: plan.recipients(),
        hold: None,
    };
    let id = insert_run(database, &run, now)?;
    write_content(database, id, &plan.header().content_json)?;
    insert_batches(database, id, plan, 0)?;
    Ok(id)
}

/// What the run's campaign says, where it is known.
pub(super) fn write_content(database: &dyn Database, run: i64, json: &str) -> Result<(), Fault> {
    if json.is_empty() {
        return Ok(());
    }
    database.execute_one(
        "INSERT INTO content (run, json) VALUES (?1, ?2) ON CONFLICT (run) DO UPDATE SET json = excluded.json",
        &cells![run, json],
    )
}

/// The plan's messages, numbered from `first_message` on, its waves and its batches. A wave that the run has already
/// is not written again.
pub(super) fn insert_batches(
    database: &dyn Database,
    run: i64,
    plan: &Plan,
    first_message: u32,
) -> Result<(), Fault> {
    let waves = insert_waves(database, run, plan.waves())?;
    let mut messages = Inserts::new(database, INSERT_MESSAGE);
    let mut insert = BatchInsert::new(database, run);
    let mut batches = plan.batches();
    while let Some(batch) = batches.next()? {
        let message = first_message + batch.message;
        if batch.begins_message {
            messages.push(cells![run, message, batch.message_json().into_owned()].into())?;
        }
        let row = NewBatch {
            number: batch.number,
            msg_random: batch.msg_random(),
            data_id: batch.data_id(),
            message,
            wave: waves[batch.wave as usize],
            recipients: batch.recipients,
        };
        insert.insert(row, batch.accounts_json)?;
    }
    messages.finish()?;
    insert.finish()
}

/// The number that each of these waves has in the run.
pub(super) fn insert_waves(database: &dyn Database, run: i64, waves: &[Wave]) -> Result<Vec<u32>, Fault> {
    let mut known = query::waves(database, run)?;
    let mut numbers = Vec::with_capacity(waves.len());
    for wave in waves {
        let number = known.iter().position(|other| other == wave).unwrap_or(known.len());
        if number == known.len() {
            let windows = serde_json::to_string(&wave.windows).expect("windows are plain data");
            database.execute_one(
                "INSERT INTO wave (run, number, windows, zone) VALUES (?1, ?2, ?3, ?4)",
                &cells![run, number, windows, wave.zone.as_deref()],
            )?;
            known.push(wave.clone());
        }
        numbers.push(u32::try_from(number).expect("a run has fewer waves than batches"));
    }
    Ok(numbers)
}

/// A batch that is not in the state yet.
pub(super) struct NewBatch {
    pub(super) number: u32,
    pub(super) msg_random: u32,
    pub(super) data_id: String,
    pub(super) message: u32,
    pub(super) wave: u32,
    pub(super) recipients: u16,
}

/// Inserts batches with their accounts.
pub(super) struct BatchInsert<'d> {
    run: i64,
    packer: Packer,
    batches: Inserts<'d>,
    accounts: Inserts<'d>,
}

impl<'d> BatchInsert<'d> {
    pub(super) fn new(database: &'d dyn Database, run: i64) -> Self {
        let batches = Inserts::new(
            database,
            "INSERT INTO batch (id, msg_random, data_id, message, wave, recipients, status, attempts)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'pending', 0)",
        );
        let accounts = Inserts::new(database, "INSERT INTO account (batch, json) VALUES (?1, ?2)");
        Self { run, packer: Packer::default(), batches, accounts }
    }

    pub(super) fn insert(&mut self, batch: NewBatch, accounts_json: &str) -> Result<(), Fault> {
        let NewBatch { number, msg_random, data_id, message, wave, recipients } = batch;
        let id = batch_id(self.run, number);
        // In this order: accounts refer to their batch.
        self.batches.push(cells![id, msg_random, data_id, message, wave, recipients].into())?;
        self.accounts.push(cells![id, self.packer.pack(accounts_json)?].into())
    }

    /// Must be called after the last batch.
    pub(super) fn finish(self) -> Result<(), Fault> {
        self.batches.finish()?;
        self.accounts.finish()
    }
}

/// One statement for many rows, which are handed over in chunks.
pub(super) struct Inserts<'d> {
    database: &'d dyn Database,
    sql: &'static str,
    rows: Vec<Vec<Cell<'static>>>,
}

impl<'d> Inserts<'d> {
    pub(super) fn new(database: &'d dyn Database, sql: &'static str) -> Self {
        Self { database, sql, rows: Vec::with_capacity(CHUNK) }
    }

    pub(super) fn push(&mut self, row: Vec<Cell<'static>>) -> Result<(), Fault> {
        self.rows.push(row);
        if self.rows.len() < CHUNK {
            return Ok(());
        }
        self.database.execute_each(self.sql, &self.rows)?;
        self.rows.clear();
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), Fault> {
        self.database.execute_each(self.sql, &self.rows)
    }
}

/// Changes in the journal, each with what its batch becomes by it.
pub(super) fn changes(
    database: &dyn Database,
    run: i64,
    changes: &[(&Change, BatchState)],
    now: Timestamp,
) -> Result<(), Fault> {
    let at = now.as_millisecond();
    let mut journal = Vec::with_capacity(changes.len());
    let mut batches = Vec::with_capacity(changes.len());
    let mut failed = Vec::new();
    for (change, to) in changes {
        let id = batch_id(run, change.batch());
        let (code, text) = change.answer().map(|answer| (answer.code, answer.text)).unzip();
        let attempt = change.attempt().map(|attempt| attempt.number);
        journal.push(cells![id, attempt, change.word(), at, code, text.clone(), change.task_id()].into());
        let named = change.failed();
        batches.push(cells![id, to.status.as_str(), to.attempts, named.len(), code, text].into());
        failed.extend(named.iter().map(|FailedAccount { account, answer }| -> Vec<Cell<'_>> {
            cells![id, account, answer.code, &answer.text].into()
        }));
    }
    database.execute_each(
        "INSERT INTO change (batch, attempt, what, at, code, text, task_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        &journal,
    )?;
    database.execute_each(
        "UPDATE batch SET status = ?2, attempts = ?3, failed = ?4, code = ?5, text = ?6 WHERE id = ?1",
        &batches,
    )?;
    database.execute_each(
        "INSERT INTO failed_recipient (batch, account, code, text) VALUES (?1, ?2, ?3, ?4)",
        &failed,
    )
}

pub(super) fn tally(database: &dyn Database, run: i64, tally: Tally) -> Result<(), Fault> {
    let Tally { planned: _, accepted, failed, in_doubt, skipped, remaining } = tally;
    database.execute_one(
        "UPDATE run SET accepted = ?2, failed = ?3, in_doubt = ?4, skipped = ?5, remaining = ?6 WHERE id = ?1",
        &cells![run, accepted, failed, in_doubt, skipped, remaining],
    )
}

pub(super) fn event(
    database: &dyn Database,
    run: i64,
    what: &str,
    note: &Note,
    now: Timestamp,
) -> Result<(), Fault> {
    database.execute_one(
        "INSERT INTO event (run, at, what, who, why) VALUES (?1, ?2, ?3, ?4, ?5)",
        &cells![run, now.as_millisecond(), what, &note.who, &note.why],
    )
}

/// Holds a run back, or lets it go. One that was cancelled or missed stays so, and there is nothing to hold back of one
/// that is done with; false where nothing was written for that.
pub(super) fn hold(database: &dyn Database, run: i64, hold: Option<Hold>) -> Result<bool, Fault> {
    // One statement: another person may say something else at the same moment.
    let met = database.execute(
        "UPDATE run SET hold = ?2 WHERE id = ?1
           AND (hold IS NULL OR hold NOT IN ('cancelled', 'missed') OR hold = ?2)
           AND (CAST(?2 AS text) IS NULL OR remaining > 0 OR in_doubt > 0)",
        &cells![run, hold.map(Hold::as_str)],
    )?;
    Ok(met > 0)
}

pub(super) fn waits_until(database: &dyn Database, run: i64, until: Option<Timestamp>) -> Result<(), Fault> {
    database.execute_one(
        "UPDATE run SET waits_until = ?2 WHERE id = ?1",
        &cells![run, until.map(Timestamp::as_millisecond)],
    )
}

/// Up to when a campaign's occurrences have their fate; it moves forward only.
pub(super) fn answered(database: &dyn Database, campaign: &str, until: Timestamp) -> Result<(), Fault> {
    database.execute(
        "INSERT INTO campaign (id, answered) VALUES (?1, ?2)
         ON CONFLICT (id) DO UPDATE SET answered = excluded.answered WHERE excluded.answered > campaign.answered",
        &cells![campaign, until.as_millisecond()],
    )?;
    Ok(())
}
