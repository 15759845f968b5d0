//! Whether a state fits together: every number against what it was counted from, every status against its
//! journal.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use super::database::{Cell, Database, Fault, cells};
use super::query;
use super::rows::{accounts, batches_of, number_of, run_id, run_of, status};
use crate::state::{BatchState, Change, Run, Status, Tally};

/// Problems that are told of one run; a damaged run has thousands.
const MOST_OF_A_RUN: usize = 20;

pub(super) fn verify(database: &dyn Database) -> Result<Vec<String>, Fault> {
    let mut problems = database.integrity()?;
    let mut journal = Journal::replay(database)?;
    for run in query::runs(database, "", &[])? {
        let id = run_id(database, &run.id)?.unwrap_or_default();
        let mut found = verify_run(database, id, &run, &mut journal)?;
        let more = found.len().saturating_sub(MOST_OF_A_RUN);
        found.truncate(MOST_OF_A_RUN);
        problems.extend(found.into_iter().map(|problem| format!("{}: {problem}", run.id)));
        if more > 0 {
            problems.push(format!("{}: and {more} more", run.id));
        }
    }
    Ok(problems)
}

fn verify_run(
    database: &dyn Database,
    id: i64,
    run: &Run,
    journal: &mut Journal,
) -> Result<Vec<String>, Fault> {
    let mut problems = journal.problems.remove(&id).unwrap_or_default();
    let mut tally = Tally::default();
    let mut members = Members::default();
    let mut expected = 1;
    let [first, last] = batches_of(id);
    database.rows(
        "SELECT id, recipients, status, attempts, failed,
                (SELECT count(*) FROM failed_recipient WHERE failed_recipient.batch = batch.id),
                EXISTS (SELECT 1 FROM message WHERE message.run = ?3 AND message.number = batch.message), json
         FROM batch LEFT JOIN account ON account.batch = batch.id WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
        &cells![first, last, id],
        &mut |row| {
            let batch: i64 = row.get(0)?;
            let number = number_of(batch);
            let recipients: u32 = row.get(1)?;
            let state = BatchState { status: status(row, 2)?, attempts: row.get(3)? };
            let (failed, named): (u32, u32) = (row.get(4)?, row.get(5)?);
            tally.add(state.status, recipients.into(), failed.into());
            if number != expected {
                problems.push(format!("batch {expected} is missing"));
                expected = number;
            }
            expected += 1;
            let told = journal.states.remove(&batch).unwrap_or_default();
            if told != state {
                problems.push(format!(
                    "batch {number} is {} after {} attempts, and its journal makes it {} after {}",
                    state.status.as_str(),
                    state.attempts,
                    told.status.as_str(),
                    told.attempts
                ));
            }
            if failed != named || (failed > 0 && state.status != Status::Accepted) {
                problems.push(format!("batch {number} counts {failed} failed recipients and names {named}"));
            }
            if !row.get::<bool>(6)? {
                problems.push(format!("batch {number} has no message"));
            }
            match accounts(row, 7) {
                Ok(accounts) if accounts.len() == recipients as usize => members.add(&accounts),
                Ok(accounts) => problems.push(format!(
                    "batch {number} counts {recipients} recipients and holds {}",
                    accounts.len()
                )),
                Err(error) => {
                    problems.push(format!("the accounts of batch {number} cannot be read: {error}"));
                }
            }
            Ok(())
        },
    )?;
    members.find_doubles(database, id, &mut problems)?;
    if !run.tally.balances() || tally != run.tally {
        problems.push(format!("the run counts {}, and its batches come to {tally}", run.tally));
    }
    Ok(problems)
}

/// The accounts of a run, as their hashes: of millions the texts would not fit. Only accounts whose hash was met twice are
/// compared.
#[derive(Default)]
struct Members {
    hasher: RandomState,
    hashes: HashSet<u64>,
    twice: HashSet<u64>,
}

impl Members {
    fn add(&mut self, accounts: &[String]) {
        for account in accounts {
            let hash = self.hasher.hash_one(account);
            if !self.hashes.insert(hash) {
                self.twice.insert(hash);
            }
        }
    }

    fn find_doubles(
        self,
        database: &dyn Database,
        run: i64,
        problems: &mut Vec<String>,
    ) -> Result<(), Fault> {
        if self.twice.is_empty() {
            return Ok(());
        }
        let mut met = HashSet::new();
        database.rows(
            "SELECT batch, json FROM account WHERE batch BETWEEN ?1 AND ?2 ORDER BY batch",
            &batches_of(run).map(Cell::from),
            &mut |row| {
                let number = number_of(row.get(0)?);
                // What cannot be read was told.
                let mut accounts = accounts(row, 1).unwrap_or_default();
                accounts.retain(|account| self.twice.contains(&self.hasher.hash_one(account)));
                for account in accounts {
                    if let Some(twice) = met.replace(account) {
                        problems.push(format!("account {twice} stands in batch {number} and in another one"));
                    }
                }
                Ok(())
            },
        )
    }
}

/// What the journal makes of the batches that it mentions, by their row ids, and what is wrong with it, by run.
#[derive(Default)]
struct Journal {
    states: HashMap<i64, BatchState>,
    problems: HashMap<i64, Vec<String>>,
}

impl Journal {
    /// Replays the journal of all runs in one pass: an index for those of each would slow every commit down.
    fn replay(database: &dyn Database) -> Result<Self, Fault> {
        let mut journal = Self::default();
        database.rows("SELECT batch, attempt, what FROM change ORDER BY serial", &[], &mut |row| {
            let batch: i64 = row.get(0)?;
            let (number, word): (u32, String) = (number_of(batch), row.get(2)?);
            let state = journal.states.entry(batch).or_default();
            let problem =
                match Change::from_word(&word, number, row.get(1)?).map(|change| state.apply(&change)) {
                    Some(Ok(next)) => {
                        *state = next;
                        return Ok(());
                    }
                    Some(Err(illegal)) => format!("the journal says that {illegal}"),
                    None => format!("the journal has the unknown word '{word}' for batch {number}"),
                };
            journal.problems.entry(run_of(batch)).or_default().push(problem);
            Ok(())
        })?;
        Ok(journal)
    }
}
