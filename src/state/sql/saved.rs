//! The rows of a plan file: written by who plans, copied into the state by who applies.

use jiff::Timestamp;

use super::database::{Database, Fault, cells};
use super::rows::{accounts_json, batches_of, number_of, parse_accounts, run_id};
use super::write::{self, BatchInsert, INSERT_MESSAGE, Inserts, NewBatch, NewRun};
use super::{SqlStore, query};
use crate::plan::digest::{Digests, hex, key};
use crate::plan::{Plan, RunHeader};
use crate::state::error::{Error, Result};
use crate::state::{PlanFile, Run};

impl<D: Database + 'static> SqlStore<D> {
    /// Writes plans and what they were made from into a plan file.
    pub(in crate::state) fn save<'p>(
        &mut self,
        plans: impl Iterator<Item = &'p Plan>,
        origin_json: String,
        now: Timestamp,
    ) -> Result<()> {
        self.transaction("write the plan", false, |database| {
            for plan in plans {
                write::insert_plan(database, plan, now)?;
            }
            let database: &dyn Database = database;
            database.execute_one("INSERT INTO origin (json) VALUES (?1)", &cells![origin_json])
        })
    }

    /// What the plans of a plan file were made from.
    pub(in crate::state) fn origin_json(&self) -> Result<String> {
        let database: &dyn Database = &self.database;
        database
            .one("SELECT json FROM origin", &[], |row| row.get(0))
            .map_err(self.failed("read what the plan was made from"))
    }
}

/// Copies a run of a plan file, and holds what is copied to the run's digests: what was approved is what is sent.
/// Gives the new run's row id.
pub(super) fn copy_run(file: &PlanFile, run: &Run, to: &dyn Database, now: Timestamp) -> Result<i64, Fault> {
    let from: &dyn Database = file.database();
    let refused = |what: &str| {
        Fault::from(Error::PlanFile { path: file.path().to_owned(), what: format!("{}: {what}", run.id) })
    };
    let saved = run_id(from, &run.id)?.ok_or_else(|| refused("it is gone"))?;
    let header = RunHeader {
        run_id: run.id.clone(),
        campaign: run.campaign.clone(),
        occurrence: run.occurrence.clone(),
        app: run.app.clone(),
        from: run.from.clone(),
        expires_at: run.expires_at,
        is_late: file.is_late(&run.id),
        delivery: run.delivery,
        content_digest: run.content_digest.clone(),
        content_json: query::content_json(from, saved)?.unwrap_or_default().into(),
        first_batch: 1,
    };
    let new = NewRun {
        header: &header,
        audience_digest: &run.audience_digest,
        plan_digest: &run.plan_digest,
        recipients: run.tally.planned,
        hold: None,
    };
    let id = write::insert_run(to, &new, now)?;
    write::write_content(to, id, &header.content_json)?;
    let waves = query::waves(from, saved)?;
    write::insert_waves(to, id, &waves)?;

    let mut keys = Vec::new();
    let mut messages = Inserts::new(to, INSERT_MESSAGE);
    from.rows("SELECT json FROM message WHERE run = ?1 ORDER BY number", &cells![saved], &mut |row| {
        let json: String = row.get(0)?;
        let number = keys.len();
        keys.push(key(&json));
        messages.push(cells![id, number, json].into())
    })?;
    messages.finish()?;

    let mut digests = Digests::new(&header, file.columns(&run.id));
    let mut batches = BatchInsert::new(to, id);
    let (mut last_message, mut expected, mut recipients) = (None, 1, 0);
    let [first, last] = batches_of(saved);
    from.rows(
        "SELECT batch.id, msg_random, data_id, message, wave, recipients, json
         FROM batch JOIN account ON account.batch = batch.id WHERE batch.id BETWEEN ?1 AND ?2 ORDER BY batch.id",
        &cells![first, last],
        &mut |row| {
            let batch = NewBatch {
                number: number_of(row.get(0)?),
                msg_random: row.get(1)?,
                data_id: row.get(2)?,
                message: row.get(3)?,
                wave: row.get(4)?,
                recipients: row.get(5)?,
            };
            let accounts_json = accounts_json(row, 6)?;
            if batch.number != expected || parse_accounts(&accounts_json)?.len() != batch.recipients as usize {
                return Err(refused("its batches do not fit together"));
            }
            expected += 1;
            recipients += u64::from(batch.recipients);
            if last_message != Some(batch.message) {
                let key = keys.get(batch.message as usize).ok_or_else(|| refused("a message is missing"))?;
                digests.message(key);
                last_message = Some(batch.message);
            }
            digests.batch(&accounts_json, batch.wave, batch.msg_random, &batch.data_id);
            batches.insert(batch, &accounts_json)
        },
    )?;
    batches.finish()?;
    let (audience, plan) = digests.finish(&waves);
    if recipients != run.tally.planned
        || hex(&audience) != run.audience_digest
        || hex(&plan) != run.plan_digest
    {
        return Err(refused("what it holds is not what its digests say"));
    }
    Ok(id)
}
