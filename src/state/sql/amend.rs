//! A person's amendments to a run: failed accounts that are tried again, pending ones that get a new plan.
//!
//! Both move accounts from one batch to another. An account of a run stands in exactly one batch before and
//! after; the sum over batches stays what was planned.

use std::collections::{BTreeMap, HashSet};

use super::database::{Cell, Database, Fault, cells};
use super::query;
use super::rows::{Packer, accounts, batch_id, batches_of, parse_accounts};
use super::write::{self, BatchInsert, NewBatch};
use crate::outcome::Answer;
use crate::plan::{MAX_RECIPIENTS_A_CALL, MsgRandoms, Plan};

/// Accounts that move to batches of the same wave and message, with the DataId of the first batch that one of them
/// comes from.
type Groups = BTreeMap<(u32, u32), (String, Vec<String>)>;

/// Moves the accounts that answers named as failed, where the answer is chosen, to new batches of the same
/// message and wave, which are pending.
pub(super) fn split_failed(
    database: &dyn Database,
    run: i64,
    run_name: &str,
    chosen: &dyn Fn(&Answer) -> bool,
) -> Result<(), Fault> {
    let mut moved = Groups::new();
    let mut left: BTreeMap<i64, HashSet<String>> = BTreeMap::new();
    database.rows(
        "SELECT batch.id, message, data_id, account, failed_recipient.code, failed_recipient.text, wave
         FROM failed_recipient JOIN batch ON batch.id = failed_recipient.batch
         WHERE batch.id BETWEEN ?1 AND ?2 ORDER BY batch.id, account",
        &batches_of(run).map(Cell::from),
        &mut |row| {
            if chosen(&Answer::new(row.get(4)?, row.get::<String>(5)?)) {
                let account: String = row.get(3)?;
                let (_, group) = moved.entry((row.get(6)?, row.get(1)?)).or_insert((row.get(2)?, Vec::new()));
                group.push(account.clone());
                left.entry(row.get(0)?).or_default().insert(account);
            }
            Ok(())
        },
    )?;
    for (batch, gone) in &left {
        take_out(database, *batch, gone)?;
        let accounts: Vec<Vec<Cell<'_>>> =
            gone.iter().map(|account| cells![*batch, account].into()).collect();
        database.execute_each("DELETE FROM failed_recipient WHERE batch = ?1 AND account = ?2", &accounts)?;
        database.execute_one(
            "UPDATE batch SET failed = failed - ?2 WHERE id = ?1",
            &cells![*batch, gone.len()],
        )?;
    }
    insert_pending(database, run, run_name, moved)
}

fn insert_pending(database: &dyn Database, run: i64, run_name: &str, groups: Groups) -> Result<(), Fault> {
    let mut number = query::last_number(database, run)?;
    let taken = query::msg_randoms(database, run)?;
    let randoms = MsgRandoms::new(run_name);
    let mut insert = BatchInsert::new(database, run);
    for ((wave, message), (data_id, accounts)) in groups {
        for part in accounts.chunks(MAX_RECIPIENTS_A_CALL.into()) {
            number += 1;
            let (msg_random, _) = randoms.next(number, |random| taken.contains(&random));
            let recipients = u16::try_from(part.len()).expect("a part has at most 500 accounts");
            let accounts_json = serde_json::to_string(part).expect("accounts are plain text");
            let data_id = data_id.clone();
            insert.insert(
                NewBatch { number, msg_random, data_id, message, wave, recipients },
                &accounts_json,
            )?;
        }
    }
    insert.finish()
}

/// Takes the recipients of a new plan out of the batches that were pending, and inserts its messages and
/// batches. Whoever is not in the new plan stays in the old batch, for the caller to skip.
pub(super) fn replace_pending(database: &dyn Database, run: i64, plan: &Plan) -> Result<(), Fault> {
    let mut planned: HashSet<String> = HashSet::new();
    let mut batches = plan.batches();
    while let Some(batch) = batches.next()? {
        planned.extend(parse_accounts(batch.accounts_json)?);
    }
    for batch in query::pending_batches(database, run)? {
        take_out(database, batch_id(run, batch), &planned)?;
    }
    let first_message = database.one(
        "SELECT coalesce(max(number) + 1, 0) FROM message WHERE run = ?1",
        &cells![run],
        |row| row.get(0),
    )?;
    write::insert_batches(database, run, plan, first_message)?;
    write::write_content(database, run, &plan.header().content_json)?;
    database.execute_one(
        // Its audience is still a part of the one that was frozen.
        "UPDATE run SET content_digest = ?2, plan_digest = ?3 WHERE id = ?1",
        &cells![run, &plan.header().content_digest, plan.digest()],
    )
}

/// Takes accounts out of a batch that holds them; the others stay.
fn take_out(database: &dyn Database, batch: i64, gone: &HashSet<String>) -> Result<(), Fault> {
    let mut members =
        database.one("SELECT json FROM account WHERE batch = ?1", &cells![batch], |row| accounts(row, 0))?;
    members.retain(|account| !gone.contains(account));
    let json = serde_json::to_string(&members).expect("accounts are plain text");
    database.execute_one(
        "UPDATE account SET json = ?2 WHERE batch = ?1",
        &cells![batch, Packer::default().pack(&json)?],
    )?;
    database.execute_one("UPDATE batch SET recipients = ?2 WHERE id = ?1", &cells![batch, members.len()])
}
