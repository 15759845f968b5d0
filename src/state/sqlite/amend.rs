//! A person's amendments to a run: failed accounts that are tried again, pending ones that get a new plan.
//!
//! Both move accounts from one batch to another. An account of a run stands in exactly one batch before and
//! after; the sum over batches stays what was planned.

use std::collections::{BTreeMap, HashSet};

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use super::rows::{Packer, accounts, batch_id, batches_of, exactly_one};
use super::write::{self, BatchInsert, NewBatch};
use crate::outcome::Answer;
use crate::plan::{MAX_RECIPIENTS_A_CALL, MsgRandoms, Plan};

/// The batches of a run that failed whole, each with its answer.
pub(super) fn failed_batches(connection: &Connection, run: i64) -> rusqlite::Result<Vec<(i64, Answer)>> {
    connection
        .prepare(
            "SELECT id, coalesce(code, 0), coalesce(text, '') FROM batch
             WHERE status = 'failed' AND id BETWEEN ?1 AND ?2 ORDER BY id",
        )?
        .query_map(batches_of(run), |row| {
            Ok((row.get(0)?, Answer::new(row.get(1)?, row.get::<_, String>(2)?)))
        })?
        .collect()
}

/// Moves the accounts that answers named as failed, where the answer is chosen, to new batches of the same
/// message, which are pending.
pub(super) fn split_failed(
    connection: &Connection,
    run: i64,
    run_name: &str,
    chosen: &dyn Fn(&Answer) -> bool,
) -> rusqlite::Result<()> {
    // By wave and message, with the DataId of the first batch that an account comes from.
    let mut moved: BTreeMap<(u32, u32), (String, Vec<String>)> = BTreeMap::new();
    let mut left: BTreeMap<i64, HashSet<String>> = BTreeMap::new();
    let mut statement = connection.prepare(
        "SELECT batch.id, message, data_id, account, failed_recipient.code, failed_recipient.text, wave
         FROM failed_recipient JOIN batch ON batch.id = failed_recipient.batch
         WHERE batch.id BETWEEN ?1 AND ?2 ORDER BY batch.id, account",
    )?;
    let mut rows = statement.query(batches_of(run))?;
    while let Some(row) = rows.next()? {
        if !chosen(&Answer::new(row.get(4)?, row.get::<_, String>(5)?)) {
            continue;
        }
        let account: String = row.get(3)?;
        let (_, group) = moved.entry((row.get(6)?, row.get(1)?)).or_insert((row.get(2)?, Vec::new()));
        group.push(account.clone());
        left.entry(row.get(0)?).or_default().insert(account);
    }
    for (batch, gone) in &left {
        take_out(connection, *batch, gone)?;
        for account in gone {
            connection
                .prepare_cached("DELETE FROM failed_recipient WHERE batch = ?1 AND account = ?2")?
                .execute(params![batch, account])
                .and_then(exactly_one)?;
        }
        connection
            .prepare_cached("UPDATE batch SET failed = failed - ?2 WHERE id = ?1")?
            .execute(params![batch, gone.len()])
            .and_then(exactly_one)?;
    }
    insert_pending(connection, run, run_name, moved)
}

fn insert_pending(
    connection: &Connection,
    run: i64,
    run_name: &str,
    groups: BTreeMap<(u32, u32), (String, Vec<String>)>,
) -> rusqlite::Result<()> {
    let mut number = last_number(connection, run)?;
    let mut randoms = MsgRandoms::new(run_name);
    let mut insert = BatchInsert::new(connection, run)?;
    for ((wave, message), (data_id, accounts)) in groups {
        let json: String = connection
            .prepare_cached("SELECT json FROM message WHERE run = ?1 AND number = ?2")?
            .query_row(params![run, message], |row| row.get(0))?;
        let digest: [u8; 32] = Sha256::digest(json).into();
        for part in accounts.chunks(MAX_RECIPIENTS_A_CALL.into()) {
            number += 1;
            let msg_random = randoms.next(number, &digest, |random| {
                // A number that cannot be looked up is passed over: a repeated one could vanish at the vendor.
                is_taken(connection, run, random).unwrap_or(true)
            });
            let recipients = u16::try_from(part.len()).expect("a part has at most 500 accounts");
            let accounts_json = serde_json::to_string(part).expect("accounts are plain text");
            insert.insert(
                &NewBatch { number, msg_random, data_id: &data_id, message, wave, recipients },
                &accounts_json,
            )?;
        }
    }
    Ok(())
}

fn is_taken(connection: &Connection, run: i64, msg_random: u32) -> rusqlite::Result<bool> {
    let [first, last] = batches_of(run);
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM batch WHERE msg_random = ?1 AND id BETWEEN ?2 AND ?3)")?
        .query_row(params![msg_random, first, last], |row| row.get(0))
}

/// The accounts of the pending batches of a run.
pub(super) fn pending_accounts(connection: &Connection, run: i64) -> rusqlite::Result<HashSet<String>> {
    let mut pending = HashSet::new();
    for batch in pending_batches(connection, run)? {
        pending.extend(accounts(connection, batch)?);
    }
    Ok(pending)
}

pub(super) fn pending_batches(connection: &Connection, run: i64) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare("SELECT id FROM batch WHERE status = 'pending' AND id BETWEEN ?1 AND ?2 ORDER BY id")?
        .query_map(batches_of(run), |row| row.get(0))?
        .collect()
}

/// Takes the recipients of a new plan out of the batches that were pending, and inserts its messages and
/// batches. Whoever is not in the new plan stays in the old batch, for the caller to skip.
pub(super) fn replace_pending(connection: &Connection, run: i64, plan: &Plan) -> rusqlite::Result<()> {
    let planned: HashSet<String> =
        plan.batches().flat_map(|batch| batch.accounts().map(str::to_owned).collect::<Vec<_>>()).collect();
    for batch in pending_batches(connection, run)? {
        take_out(connection, batch, &planned)?;
    }
    let first_message: u32 = connection.query_row(
        "SELECT coalesce(max(number) + 1, 0) FROM message WHERE run = ?1",
        [run],
        |row| row.get(0),
    )?;
    write::insert_batches(connection, run, plan, first_message)?;
    connection
        .execute(
            // Its audience is still a part of the one that was frozen.
            "UPDATE run SET content_digest = ?2, plan_digest = ?3 WHERE id = ?1",
            params![run, plan.header().content_digest, plan.digest()],
        )
        .and_then(exactly_one)
}

/// Takes accounts out of a batch that holds them; the others stay.
fn take_out(connection: &Connection, batch: i64, gone: &HashSet<String>) -> rusqlite::Result<()> {
    let mut members = accounts(connection, batch)?;
    members.retain(|account| !gone.contains(account));
    let json = serde_json::to_string(&members).expect("accounts are plain text");
    connection
        .prepare_cached("UPDATE account SET json = ?2 WHERE batch = ?1")?
        .execute(params![batch, Packer::default().pack(&json)?])
        .and_then(exactly_one)?;
    connection
        .prepare_cached("UPDATE batch SET recipients = ?2 WHERE id = ?1")?
        .execute(params![batch, members.len()])
        .and_then(exactly_one)
}

/// The number of a run's last batch.
pub(super) fn last_number(connection: &Connection, run: i64) -> rusqlite::Result<u32> {
    let [first, last] = batches_of(run);
    let id: i64 = connection.query_row(
        "SELECT coalesce(max(id), ?3) FROM batch WHERE id BETWEEN ?1 AND ?2",
        [first, last, batch_id(run, 0)],
        |row| row.get(0),
    )?;
    Ok(super::rows::number_of(id))
}
