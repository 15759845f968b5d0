//! Reading: runs, their events, and what is asked of their batches.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use jiff::Timestamp;

use super::database::{Cell, Database, Fault, Row, cells};
use super::rows::{
    accounts, accounts_json, batch_id, batches_of, maybe_time, number_of, status, time, unreadable,
};
use crate::campaign::schedule::Wave;
use crate::outcome::{Answer, FailedAccount};
use crate::state::{Batch, BatchNote, BatchState, Failure, Hold, Identity, Run, RunEvent, Tally};

pub(super) fn identity(database: &dyn Database) -> Result<Identity, Fault> {
    database.one("SELECT lineage, serial FROM identity", &[], |row| {
        Ok(Identity { lineage: row.get(0)?, serial: row.get(1)? })
    })
}

/// Where the state was moved to, while this copy of it is still here.
pub(super) fn moved_to(database: &dyn Database) -> Result<Option<String>, Fault> {
    database.one("SELECT moved_to FROM identity", &[], |row| row.get(0))
}

pub(super) fn runs(database: &dyn Database, clause: &str, values: &[Cell<'_>]) -> Result<Vec<Run>, Fault> {
    let sql = format!(
        "SELECT name, campaign, occurrence, app, from_account, content_digest, audience_digest, plan_digest,
                expires_at, delivery, frozen_at, hold, waits_until, planned, accepted, failed, in_doubt, skipped, remaining
         FROM run {clause} ORDER BY id DESC"
    );
    database.all(&sql, values, |row| {
        let delivery: String = row.get(9)?;
        let hold: Option<String> = row.get(11)?;
        Ok(Run {
            id: row.get(0)?,
            campaign: row.get(1)?,
            occurrence: row.get(2)?,
            app: row.get(3)?,
            from: row.get(4)?,
            content_digest: row.get(5)?,
            audience_digest: row.get(6)?,
            plan_digest: row.get(7)?,
            expires_at: maybe_time(row, 8)?,
            delivery: serde_json::from_str(&delivery).map_err(unreadable)?,
            frozen_at: time(row, 10)?,
            hold: hold.as_deref().and_then(Hold::from_word),
            waits_until: maybe_time(row, 12)?,
            tally: Tally {
                planned: row.get(13)?,
                accepted: row.get(14)?,
                failed: row.get(15)?,
                in_doubt: row.get(16)?,
                skipped: row.get(17)?,
                remaining: row.get(18)?,
            },
        })
    })
}

/// The name of every run.
pub(super) fn run_names(database: &dyn Database) -> Result<Vec<String>, Fault> {
    database.all("SELECT name FROM run ORDER BY id", &[], |row| row.get(0))
}

pub(super) fn events(database: &dyn Database, run: i64) -> Result<Vec<RunEvent>, Fault> {
    database.all("SELECT at, what, who, why FROM event WHERE run = ?1 ORDER BY serial", &cells![run], |row| {
        Ok(RunEvent { at: time(row, 0)?, what: row.get(1)?, who: row.get(2)?, why: row.get(3)? })
    })
}

pub(super) fn has_key(database: &dyn Database, msg_random: u32, data_id: &str) -> Result<bool, Fault> {
    if !database.may_have(msg_random)? {
        return Ok(false);
    }
    database.one(
        "SELECT EXISTS (SELECT 1 FROM batch WHERE msg_random = ?1 AND data_id = ?2)",
        &cells![msg_random, data_id],
        |row| row.get(0),
    )
}

pub(super) fn batches(database: &dyn Database, run: i64) -> Result<Vec<Batch>, Fault> {
    database.all(
        "SELECT recipients, status, attempts, wave FROM batch WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
        &batches_of(run).map(Cell::from),
        |row| {
            let state = BatchState { status: status(row, 1)?, attempts: row.get(2)? };
            Ok(Batch { recipients: row.get(0)?, wave: row.get(3)?, state })
        },
    )
}

/// The number of a run's last batch.
pub(super) fn last_number(database: &dyn Database, run: i64) -> Result<u32, Fault> {
    let [first, last] = batches_of(run);
    database.one(
        "SELECT coalesce(max(id), ?3) FROM batch WHERE id BETWEEN ?1 AND ?2",
        &cells![first, last, batch_id(run, 0)],
        |row| row.get(0).map(number_of),
    )
}

/// The waves of a run, in order of number; none for a run that was frozen by format 1 or holds no batch.
pub(super) fn waves(database: &dyn Database, run: i64) -> Result<Vec<Wave>, Fault> {
    database.all("SELECT windows, zone FROM wave WHERE run = ?1 ORDER BY number", &cells![run], |row| {
        let windows: String = row.get(0)?;
        Ok(Wave { windows: serde_json::from_str(&windows).map_err(unreadable)?, zone: row.get(1)? })
    })
}

/// Up to when each campaign's occurrences have their fate.
pub(super) fn answered(database: &dyn Database) -> Result<HashMap<String, Timestamp>, Fault> {
    let campaigns =
        database.all("SELECT id, answered FROM campaign", &[], |row| Ok((row.get(0)?, time(row, 1)?)))?;
    Ok(campaigns.into_iter().collect())
}

/// The sum over a run's batches.
pub(super) fn tally(database: &dyn Database, run: i64) -> Result<Tally, Fault> {
    let mut tally = Tally::default();
    database.rows(
        // A sum of whole numbers is one only for SQLite.
        "SELECT status, CAST(sum(recipients) AS BIGINT), CAST(sum(failed) AS BIGINT)
         FROM batch WHERE id BETWEEN ?1 AND ?2 GROUP BY status",
        &batches_of(run).map(Cell::from),
        &mut |row| {
            tally.add(status(row, 0)?, row.get(1)?, row.get(2)?);
            Ok(())
        },
    )?;
    Ok(tally)
}

/// What a batch's call needs, but for its message's text.
pub(super) struct StoredCall {
    pub(super) batch: u32,
    pub(super) message: u32,
    pub(super) msg_random: u32,
    pub(super) data_id: String,
    pub(super) accounts_json: String,
}

/// The calls of these batches, in order.
pub(super) fn calls(
    database: &dyn Database,
    run: i64,
    batches: RangeInclusive<u32>,
) -> Result<Vec<StoredCall>, Fault> {
    database.all(
        "SELECT batch.id, message, msg_random, data_id, json FROM batch JOIN account ON account.batch = batch.id
         WHERE batch.id BETWEEN ?1 AND ?2 ORDER BY batch.id",
        &cells![batch_id(run, *batches.start()), batch_id(run, *batches.end())],
        |row| {
            Ok(StoredCall {
                batch: number_of(row.get(0)?),
                message: row.get(1)?,
                msg_random: row.get(2)?,
                data_id: row.get(3)?,
                accounts_json: accounts_json(row, 4)?,
            })
        },
    )
}

pub(super) fn message(database: &dyn Database, run: i64, number: u32) -> Result<String, Fault> {
    let found: Option<String> = database.find(
        "SELECT json FROM message WHERE run = ?1 AND number = ?2",
        &cells![run, number],
        |row| row.get(0),
    )?;
    found.ok_or_else(|| unreadable(format!("message {number} is missing")))
}

pub(super) fn content_json(database: &dyn Database, run: i64) -> Result<Option<String>, Fault> {
    database.find("SELECT json FROM content WHERE run = ?1", &cells![run], |row| row.get(0))
}

/// The index of open runs answers it, whatever the number of those that are done with.
pub(super) fn holds(database: &dyn Database) -> Result<HashMap<String, Hold>, Fault> {
    let mut holds = HashMap::new();
    database.rows(
        "SELECT name, hold FROM run WHERE (remaining > 0 OR in_doubt > 0) AND hold IS NOT NULL",
        &[],
        &mut |row| {
            holds.insert(row.get(0)?, hold_of(&row.get::<String>(1)?)?);
            Ok(())
        },
    )?;
    Ok(holds)
}

pub(super) fn hold(database: &dyn Database, run: &str) -> Result<Option<Hold>, Fault> {
    let word: Option<String> =
        database.one("SELECT hold FROM run WHERE name = ?1", &cells![run], |row| row.get(0))?;
    word.map(|word| hold_of(&word)).transpose()
}

/// An unknown word must not let the run go.
fn hold_of(word: &str) -> Result<Hold, Fault> {
    Hold::from_word(word).ok_or_else(|| unreadable(format!("unknown hold '{word}'")))
}

/// Recipients and begin (in milliseconds) of an app's last attempts, the latest first.
pub(super) fn last_attempts(
    database: &dyn Database,
    app: &str,
    most: usize,
) -> Result<Vec<(u16, i64)>, Fault> {
    database.all(
        "SELECT batch.recipients, change.at FROM change JOIN batch ON batch.id = change.batch
         WHERE change.what = 'begun' AND change.batch >> 32 IN (SELECT id FROM run WHERE app = ?1)
         ORDER BY change.serial DESC LIMIT ?2",
        &cells![app, most],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Every failed recipient: those an accepted answer named, and the members of batches that failed whole.
pub(super) fn failures(
    database: &dyn Database,
    run: i64,
    each: &mut dyn FnMut(Failure),
) -> Result<(), Fault> {
    database.rows(
        "SELECT id, account, failed_recipient.code, failed_recipient.text, NULL
         FROM failed_recipient JOIN batch ON batch.id = failed_recipient.batch WHERE id BETWEEN ?1 AND ?2
         UNION ALL
         SELECT id, '', coalesce(code, 0), coalesce(text, ''), json
         FROM batch JOIN account ON account.batch = batch.id WHERE status = 'failed' AND id BETWEEN ?1 AND ?2
         ORDER BY 1, 2",
        &batches_of(run).map(Cell::from),
        &mut |row| {
            let batch = number_of(row.get(0)?);
            let answer = Answer::new(row.get(2)?, row.get::<String>(3)?);
            let whole = row.cell(4)? != Cell::Null;
            let members = if whole { accounts(row, 4)? } else { vec![row.get(1)?] };
            for account in members {
                each(Failure { batch, failed: FailedAccount { account, answer: answer.clone() } });
            }
            Ok(())
        },
    )
}

pub(super) fn in_doubt(database: &dyn Database, run: i64) -> Result<Vec<BatchNote>, Fault> {
    database.all(
        "SELECT id, recipients, msg_random, data_id, coalesce(code, 0),
                coalesce(text, 'no runner has seen the answer')
         FROM batch WHERE status IN ('in_doubt', 'sending') AND id BETWEEN ?1 AND ?2 ORDER BY id",
        &batches_of(run).map(Cell::from),
        |row| {
            Ok(BatchNote {
                batch: number_of(row.get(0)?),
                recipients: row.get(1)?,
                msg_random: row.get(2)?,
                data_id: row.get(3)?,
                answer: Answer::new(row.get(4)?, row.get::<String>(5)?),
            })
        },
    )
}

/// The accounts of the pending batches of a run.
pub(super) fn pending_accounts(database: &dyn Database, run: i64) -> Result<HashSet<String>, Fault> {
    let mut pending = HashSet::new();
    database.rows(
        "SELECT json FROM batch JOIN account ON account.batch = batch.id
         WHERE status = 'pending' AND id BETWEEN ?1 AND ?2",
        &batches_of(run).map(Cell::from),
        &mut |row| {
            pending.extend(accounts(row, 0)?);
            Ok(())
        },
    )?;
    Ok(pending)
}

/// Numbers of the pending batches of a run.
pub(super) fn pending_batches(database: &dyn Database, run: i64) -> Result<Vec<u32>, Fault> {
    database.all(
        "SELECT id FROM batch WHERE status = 'pending' AND id BETWEEN ?1 AND ?2 ORDER BY id",
        &batches_of(run).map(Cell::from),
        |row: &dyn Row| row.get(0).map(number_of),
    )
}

/// The MsgRandoms of a run's batches.
pub(super) fn msg_randoms(database: &dyn Database, run: i64) -> Result<HashSet<u32>, Fault> {
    let randoms = database.all(
        "SELECT msg_random FROM batch WHERE id BETWEEN ?1 AND ?2",
        &batches_of(run).map(Cell::from),
        |row| row.get(0),
    )?;
    Ok(randoms.into_iter().collect())
}

/// The batches of a run that failed whole: number and answer.
pub(super) fn failed_batches(database: &dyn Database, run: i64) -> Result<Vec<(u32, Answer)>, Fault> {
    database.all(
        "SELECT id, coalesce(code, 0), coalesce(text, '') FROM batch
         WHERE status = 'failed' AND id BETWEEN ?1 AND ?2 ORDER BY id",
        &batches_of(run).map(Cell::from),
        |row| Ok((number_of(row.get(0)?), Answer::new(row.get(1)?, row.get::<String>(2)?))),
    )
}
