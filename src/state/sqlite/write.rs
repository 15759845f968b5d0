//! Writing: a plan's rows, a batch's changes, a run's events. The caller holds the transaction.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::query;
use super::rows::{Packer, batch_id, exactly_one};
use crate::campaign::schedule::Wave;
use crate::outcome::FailedAccount;
use crate::plan::{Plan, RunHeader};
use crate::state::{BatchState, Change, Hold, Note, Tally};

/// A run without its batches.
pub(super) struct NewRun<'a> {
    pub(super) header: &'a RunHeader,
    pub(super) audience_digest: &'a str,
    pub(super) plan_digest: &'a str,
    pub(super) recipients: u32,
    pub(super) hold: Option<Hold>,
}

pub(super) fn insert_run(connection: &Connection, run: &NewRun<'_>, now: Timestamp) -> rusqlite::Result<i64> {
    let header = run.header;
    connection.execute(
        "INSERT INTO run (name, campaign, occurrence, app, from_account, content_digest, audience_digest,
                          plan_digest, expires_at, delivery, frozen_at, hold, planned, remaining)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13)",
        params![
            header.run_id,
            header.campaign,
            header.occurrence,
            header.app,
            header.from,
            header.content_digest,
            run.audience_digest,
            run.plan_digest,
            header.expires_at.map(Timestamp::as_millisecond),
            serde_json::to_string(&header.delivery).expect("delivery is plain data"),
            now.as_millisecond(),
            run.hold.map(Hold::as_str),
            run.recipients,
        ],
    )?;
    Ok(connection.last_insert_rowid())
}

/// The plan's messages, numbered from `first_message` on, its waves and its batches. A wave that the run has already
/// is not written again.
pub(super) fn insert_batches(
    connection: &Connection,
    run: i64,
    plan: &Plan,
    first_message: u32,
) -> rusqlite::Result<()> {
    let mut insert_message =
        connection.prepare("INSERT INTO message (run, number, json) VALUES (?1, ?2, ?3)")?;
    for (number, message) in (first_message..).zip(plan.messages()) {
        insert_message.execute(params![run, number, message.json])?;
    }
    let waves = insert_waves(connection, run, plan.waves())?;
    let mut insert = BatchInsert::new(connection, run)?;
    let mut json = String::new();
    for batch in plan.batches() {
        json.clear();
        batch.accounts_json(&mut json);
        let row = NewBatch {
            number: batch.number,
            msg_random: batch.msg_random,
            data_id: batch.data_id,
            message: first_message + batch.message,
            wave: waves[batch.wave as usize],
            recipients: batch.recipients(),
        };
        insert.insert(&row, &json)?;
    }
    Ok(())
}

/// The number that each of these waves has in the run.
fn insert_waves(connection: &Connection, run: i64, waves: &[Wave]) -> rusqlite::Result<Vec<u32>> {
    let mut known = query::waves(connection, run)?;
    let mut numbers = Vec::with_capacity(waves.len());
    for wave in waves {
        let number = known.iter().position(|other| other == wave).unwrap_or(known.len());
        if number == known.len() {
            let windows = serde_json::to_string(&wave.windows).expect("windows are plain data");
            connection
                .prepare_cached("INSERT INTO wave (run, number, windows, zone) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![run, number, windows, wave.zone])?;
            known.push(wave.clone());
        }
        numbers.push(u32::try_from(number).expect("a run has fewer waves than batches"));
    }
    Ok(numbers)
}

/// A batch that is not in the state yet.
pub(super) struct NewBatch<'a> {
    pub(super) number: u32,
    pub(super) msg_random: u32,
    pub(super) data_id: &'a str,
    pub(super) message: u32,
    pub(super) wave: u32,
    pub(super) recipients: u16,
}

/// Inserts batches with their accounts.
pub(super) struct BatchInsert<'c> {
    run: i64,
    batch: rusqlite::Statement<'c>,
    accounts: rusqlite::Statement<'c>,
    packer: Packer,
}

impl<'c> BatchInsert<'c> {
    pub(super) fn new(connection: &'c Connection, run: i64) -> rusqlite::Result<Self> {
        Ok(Self {
            run,
            batch: connection.prepare(
                "INSERT INTO batch (id, msg_random, data_id, message, wave, recipients, status, attempts)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'pending', 0)",
            )?,
            accounts: connection.prepare("INSERT INTO account (batch, json) VALUES (?1, ?2)")?,
            packer: Packer::default(),
        })
    }

    pub(super) fn insert(&mut self, batch: &NewBatch<'_>, accounts_json: &str) -> rusqlite::Result<()> {
        let id = batch_id(self.run, batch.number);
        self.batch.execute(params![
            id,
            batch.msg_random,
            batch.data_id,
            batch.message,
            batch.wave,
            batch.recipients
        ])?;
        self.accounts.execute(params![id, self.packer.pack(accounts_json)?])?;
        Ok(())
    }
}

/// A change in the journal, and what its batch becomes by it.
pub(super) fn change(
    connection: &Connection,
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
    connection
        .prepare_cached(
            "INSERT INTO change (batch, attempt, what, at, code, text, task_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![id, attempt, change.word(), at, code, text, change.task_id()])?;
    connection
        .prepare_cached(
            "UPDATE batch SET status = ?2, attempts = ?3, failed = ?4, code = ?5, text = ?6 WHERE id = ?1",
        )?
        .execute(params![id, to.status.as_str(), to.attempts, change.failed().len(), code, text])
        .and_then(exactly_one)?;
    for FailedAccount { account, answer } in change.failed() {
        connection
            .prepare_cached(
                "INSERT INTO failed_recipient (batch, account, code, text) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![id, account, answer.code, answer.text])?;
    }
    Ok(())
}

pub(super) fn tally(connection: &Connection, run: i64, tally: Tally) -> rusqlite::Result<()> {
    let Tally { planned: _, accepted, failed, in_doubt, skipped, remaining } = tally;
    connection
        .prepare_cached(
            "UPDATE run SET accepted = ?2, failed = ?3, in_doubt = ?4, skipped = ?5, remaining = ?6 WHERE id = ?1",
        )?
        .execute(params![run, accepted, failed, in_doubt, skipped, remaining])
        .and_then(exactly_one)
}

pub(super) fn event(
    connection: &Connection,
    run: i64,
    what: &str,
    note: &Note,
    now: Timestamp,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO event (run, at, what, who, why) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![run, now.as_millisecond(), what, note.who, note.why])?;
    Ok(())
}

pub(super) fn hold(connection: &Connection, run: i64, hold: Option<Hold>) -> rusqlite::Result<()> {
    connection
        .execute("UPDATE run SET hold = ?2 WHERE id = ?1", params![run, hold.map(Hold::as_str)])
        .and_then(exactly_one)
}

pub(super) fn waits_until(
    connection: &Connection,
    run: i64,
    until: Option<Timestamp>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE run SET waits_until = ?2 WHERE id = ?1")?
        .execute(params![run, until.map(Timestamp::as_millisecond)])
        .and_then(exactly_one)
}

/// Up to when a campaign's occurrences have their fate; it moves forward only.
pub(super) fn answered(connection: &Connection, campaign: &str, until: Timestamp) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO campaign (id, answered) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET answered = max(answered, excluded.answered)",
        )?
        .execute(params![campaign, until.as_millisecond()])?;
    Ok(())
}

/// One more transaction; gives its number.
pub(super) fn serial(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("UPDATE identity SET serial = serial + 1 RETURNING serial")?
        .query_row([], |row| row.get(0))
}
