//! Reading: runs, their events, and what is asked of their batches.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, Params, params};

use super::rows::{accounts, batches_of, number_of, status, time, unreadable};
use crate::campaign::schedule::Wave;
use crate::outcome::{Answer, FailedAccount};
use crate::state::{Batch, BatchNote, BatchState, Failure, Hold, Run, RunEvent, Tally};

pub(super) fn runs(connection: &Connection, clause: &str, values: impl Params) -> rusqlite::Result<Vec<Run>> {
    let mut statement = connection.prepare(&format!(
        "SELECT name, campaign, occurrence, app, from_account, content_digest, audience_digest, plan_digest,
                expires_at, delivery, frozen_at, hold, waits_until, planned, accepted, failed, in_doubt, skipped, remaining
         FROM run {clause} ORDER BY id DESC"
    ))?;
    let mut rows = statement.query(values)?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        let delivery: String = row.get(9)?;
        let hold: Option<String> = row.get(11)?;
        runs.push(Run {
            id: row.get(0)?,
            campaign: row.get(1)?,
            occurrence: row.get(2)?,
            app: row.get(3)?,
            from: row.get(4)?,
            content_digest: row.get(5)?,
            audience_digest: row.get(6)?,
            plan_digest: row.get(7)?,
            expires_at: row.get::<_, Option<i64>>(8)?.map(|at| time(8, at)).transpose()?,
            delivery: serde_json::from_str(&delivery).map_err(|e| unreadable(9, e))?,
            frozen_at: time(10, row.get(10)?)?,
            hold: hold.as_deref().and_then(Hold::from_word),
            waits_until: row.get::<_, Option<i64>>(12)?.map(|at| time(12, at)).transpose()?,
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
}

pub(super) fn events(connection: &Connection, run: i64) -> rusqlite::Result<Vec<RunEvent>> {
    connection
        .prepare("SELECT at, what, who, why FROM event WHERE run = ?1 ORDER BY serial")?
        .query_map([run], |row| {
            let at = time(0, row.get(0)?)?;
            Ok(RunEvent { at, what: row.get(1)?, who: row.get(2)?, why: row.get(3)? })
        })?
        .collect()
}

pub(super) fn batches(connection: &Connection, run: i64) -> rusqlite::Result<Vec<Batch>> {
    connection
        .prepare_cached(
            "SELECT recipients, status, attempts, wave FROM batch WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
        )?
        .query_map(batches_of(run), |row| {
            let state = BatchState { status: status(row, 1)?, attempts: row.get(2)? };
            Ok(Batch { recipients: row.get(0)?, wave: row.get(3)?, state })
        })?
        .collect()
}

/// The waves of a run, in order of number; none for a run that was frozen by format 1 or holds no batch.
pub(super) fn waves(connection: &Connection, run: i64) -> rusqlite::Result<Vec<Wave>> {
    connection
        .prepare("SELECT windows, zone FROM wave WHERE run = ?1 ORDER BY number")?
        .query_map([run], |row| {
            let windows: String = row.get(0)?;
            let windows = serde_json::from_str(&windows).map_err(|e| unreadable(0, e))?;
            Ok(Wave { windows, zone: row.get(1)? })
        })?
        .collect()
}

/// Up to when each campaign's occurrences have their fate.
pub(super) fn answered(connection: &Connection) -> rusqlite::Result<HashMap<String, Timestamp>> {
    connection
        .prepare("SELECT id, answered FROM campaign")?
        .query_map([], |row| Ok((row.get(0)?, time(1, row.get(1)?)?)))?
        .collect()
}

/// The sum over a run's batches.
pub(super) fn tally(connection: &Connection, run: i64) -> rusqlite::Result<Tally> {
    let mut statement = connection.prepare(
        "SELECT status, sum(recipients), sum(failed) FROM batch WHERE id BETWEEN ?1 AND ?2 GROUP BY status",
    )?;
    let mut rows = statement.query(batches_of(run))?;
    let mut tally = Tally::default();
    while let Some(row) = rows.next()? {
        tally.add(status(row, 0)?, row.get(1)?, row.get(2)?);
    }
    Ok(tally)
}

/// Recipients and begin (in milliseconds) of an app's last attempts, the latest first.
pub(super) fn last_attempts(
    connection: &Connection,
    app: &str,
    most: usize,
) -> rusqlite::Result<Vec<(u16, i64)>> {
    connection
        .prepare(
            "SELECT batch.recipients, change.at FROM change JOIN batch ON batch.id = change.batch
             WHERE change.what = 'begun' AND change.batch >> 32 IN (SELECT id FROM run WHERE app = ?1)
             ORDER BY change.serial DESC LIMIT ?2",
        )?
        .query_map(params![app, most], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Every failed recipient: those an accepted answer named, and the members of batches that failed whole.
pub(super) fn failures(
    connection: &Connection,
    run: i64,
    each: &mut dyn FnMut(Failure),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(
        "SELECT id, account, failed_recipient.code, failed_recipient.text, 0
         FROM failed_recipient JOIN batch ON batch.id = failed_recipient.batch WHERE id BETWEEN ?1 AND ?2
         UNION ALL
         SELECT id, '', coalesce(code, 0), coalesce(text, ''), 1
         FROM batch WHERE status = 'failed' AND id BETWEEN ?1 AND ?2
         ORDER BY 1",
    )?;
    let mut rows = statement.query(batches_of(run))?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let answer = Answer::new(row.get(2)?, row.get::<_, String>(3)?);
        let whole: bool = row.get(4)?;
        let members = if whole { accounts(connection, id)? } else { vec![row.get(1)?] };
        for account in members {
            each(Failure { batch: number_of(id), failed: FailedAccount { account, answer: answer.clone() } });
        }
    }
    Ok(())
}

pub(super) fn in_doubt(connection: &Connection, run: i64) -> rusqlite::Result<Vec<BatchNote>> {
    connection
        .prepare(
            "SELECT id, recipients, msg_random, data_id, coalesce(code, 0),
                    coalesce(text, 'no runner has seen the answer')
             FROM batch WHERE status IN ('in_doubt', 'sending') AND id BETWEEN ?1 AND ?2 ORDER BY id",
        )?
        .query_map(batches_of(run), |row| {
            Ok(BatchNote {
                batch: number_of(row.get(0)?),
                recipients: row.get(1)?,
                msg_random: row.get(2)?,
                data_id: row.get(3)?,
                answer: Answer::new(row.get(4)?, row.get::<_, String>(5)?),
            })
        })?
        .collect()
}
