//! The store's methods, on whichever database.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, Write};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::database::{Database, cells};
use super::{OpenRun, SqlStore, amend, query, saved, verify, write};
use crate::campaign::schedule::Wave;
use crate::outcome::Answer;
use crate::plan::{Plan, RunHeader};
use crate::state::error::{Error, Result};
use crate::state::store::{Adopted, TakenUp};
use crate::state::{
    Attempt, BatchNote, Change, Failure, Hold, Identity, Note, Payload, PlanFile, Run, RunEvent, SkipReason,
    Status, Store,
};

impl<D: Database + 'static> Store for SqlStore<D> {
    fn identity(&self) -> Result<Identity> {
        query::identity(&self.database).map_err(self.failed("read its identity"))
    }

    fn runs(&self) -> Result<Vec<Run>> {
        query::runs(&self.database, "", &[]).map_err(self.failed("read the runs"))
    }

    fn run(&self, id: &str) -> Result<Run> {
        let key = self.run_id(id)?;
        let mut runs = query::runs(&self.database, "WHERE id = ?1", &cells![key])
            .map_err(self.failed("read the run"))?;
        runs.pop().ok_or_else(|| Error::Damaged { place: self.place(), what: format!("run {id} is gone") })
    }

    fn open_runs(&self) -> Result<Vec<Run>> {
        query::runs(&self.database, "WHERE remaining > 0 OR in_doubt > 0", &[])
            .map_err(self.failed("read the open runs"))
    }

    fn find(&self, id: &str) -> Result<Option<Run>> {
        query::runs(&self.database, "WHERE name = ?1", &cells![id])
            .map(|mut runs| runs.pop())
            .map_err(self.failed("look up a run"))
    }

    fn events(&self, run: &str) -> Result<Vec<RunEvent>> {
        query::events(&self.database, self.run_id(run)?).map_err(self.failed("read the events"))
    }

    fn has_key(&self, msg_random: u32, data_id: &str) -> Result<bool> {
        query::has_key(&self.database, msg_random, data_id).map_err(self.failed("look up a batch"))
    }

    fn answered(&self) -> Result<HashMap<String, Timestamp>> {
        query::answered(&self.database).map_err(self.failed("read the campaigns"))
    }

    fn settle(
        &mut self,
        missed: &[RunHeader],
        answered: &[(&str, Timestamp)],
        note: &Note,
        now: Timestamp,
    ) -> Result<()> {
        self.transaction("record what was missed", true, |database| {
            for header in missed {
                write::insert_empty_run(database, header, Hold::Missed, ("missed", note), now)?;
            }
            answered.iter().try_for_each(|(campaign, at)| write::answered(database, campaign, *at))
        })?;
        self.watermark_lacks_runs |= !missed.is_empty();
        self.write_watermark()
    }

    fn freeze(&mut self, plan: &Plan, note: &Note, now: Timestamp) -> Result<()> {
        self.transaction("freeze the run", true, |database| {
            let id = write::insert_plan(database, plan, now)?;
            write::event(database, id, "frozen", note, now)
        })?;
        self.write_whole_watermark()
    }

    fn freeze_saved(&mut self, file: &PlanFile, note: &dyn Fn(&str) -> Note, now: Timestamp) -> Result<()> {
        self.transaction("freeze the runs", true, |database| {
            for run in file.runs()? {
                let id = saved::copy_run(file, &run, database, now)?;
                write::event(database, id, "frozen", &note(&run.id), now)?;
            }
            Ok(())
        })?;
        self.write_whole_watermark()
    }

    fn content_json(&self, run: &str) -> Result<Option<String>> {
        query::content_json(&self.database, self.run_id(run)?)
            .map_err(self.failed("read a campaign's content"))
    }

    fn waves(&self, run: &str) -> Result<Vec<Wave>> {
        let waves = query::waves(&self.database, self.run_id(run)?).map_err(self.failed("read the waves"))?;
        Ok(if waves.is_empty() { vec![Wave::until(self.run(run)?.expires_at)] } else { waves })
    }

    fn take_up(&mut self, run: &str, note: &Note, now: Timestamp) -> Result<TakenUp> {
        self.open.remove(run);
        let interrupted: Vec<Change> = (1..)
            .zip(&self.opened(run)?.batches)
            .filter(|(_, batch)| batch.state.status == Status::Sending)
            .map(|(number, of)| Change::Interrupted(Attempt { batch: number, number: of.state.attempts }))
            .collect();
        let hold = self.write(run, &interrupted, Some(("taken up", note)), now)?;
        self.write_watermark()?;
        Ok(TakenUp { batches: self.opened(run)?.batches.clone(), hold })
    }

    fn commit(&mut self, run: &str, changes: &[Change], now: Timestamp) -> Result<()> {
        self.write(run, changes, None, now)?;
        if self.watermark_due <= Instant::now() { self.write_watermark() } else { Ok(()) }
    }

    fn payloads(&mut self, run: &str, batches: RangeInclusive<u32>) -> Result<Vec<(u32, Payload)>> {
        let OpenRun { id, message, .. } = self.opened(run)?;
        let (id, mut known) = (*id, message.take());
        let calls = query::calls(&self.database, id, batches).map_err(self.failed("read batches"))?;
        let mut payloads = Vec::with_capacity(calls.len());
        for query::StoredCall { batch, message, msg_random, data_id, accounts_json } in calls {
            let message_json = match known.take() {
                Some((number, json)) if number == message => json,
                _ => {
                    query::message(&self.database, id, message).map_err(self.failed("read a message"))?.into()
                }
            };
            known = Some((message, Arc::clone(&message_json)));
            payloads.push((batch, Payload { accounts_json, message_json, msg_random, data_id }));
        }
        self.opened(run)?.message = known;
        Ok(payloads)
    }

    fn holds(&self) -> Result<HashMap<String, Hold>> {
        query::holds(&self.database).map_err(self.failed("look which runs are held"))
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
    ) -> Result<Option<Hold>> {
        let id = self.run_id(run)?;
        // No watermark: this may be a person's word beside a runner, which writes its own.
        self.transaction("hold the run", true, |database| {
            if write::hold(database, id, hold)? {
                write::event(database, id, what, note, now)?;
            }
            query::hold(database, run)
        })
    }

    fn set_waiting(&mut self, run: &str, until: Timestamp, note: &Note, now: Timestamp) -> Result<()> {
        let id = self.run_id(run)?;
        self.transaction("let the run wait", true, |database| {
            write::waits_until(database, id, Some(until))?;
            write::event(database, id, "waits", note, now)
        })?;
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
        self.amend(run, "retried", note, now, |database, id| {
            amend::split_failed(database, id, run, chosen)?;
            let whole = query::failed_batches(database, id)?.into_iter();
            Ok(whole.filter(|(_, answer)| chosen(answer)).map(|(number, _)| Change::Retry(number)).collect())
        })?;
        Ok(before - self.run(run)?.tally.failed)
    }

    fn batches(&self, run: &str) -> Result<u32> {
        query::last_number(&self.database, self.run_id(run)?).map_err(self.failed("count the batches"))
    }

    fn pending_accounts(&self, run: &str) -> Result<HashSet<String>> {
        query::pending_accounts(&self.database, self.run_id(run)?)
            .map_err(self.failed("read what is pending"))
    }

    fn replan(&mut self, run: &str, plan: &Plan, note: &Note, now: Timestamp) -> Result<()> {
        self.amend(run, "replanned", note, now, |database, id| {
            let old = query::pending_batches(database, id)?;
            amend::replace_pending(database, id, plan)?;
            Ok(old.into_iter().map(|number| Change::Skip(number, SkipReason::Replanned)).collect())
        })
    }

    fn last_attempts(&self, app: &str, most: usize, since: Timestamp) -> Result<Vec<u16>> {
        let attempts =
            query::last_attempts(&self.database, app, most).map_err(self.failed("read the last attempts"))?;
        let since = since.as_millisecond();
        let recent = !self.database.has_one_clock() || attempts.first().is_some_and(|(_, at)| *at >= since);
        Ok(if recent { attempts.into_iter().map(|(recipients, _)| recipients).collect() } else { Vec::new() })
    }

    fn failures(&self, run: &str, each: &mut dyn FnMut(Failure)) -> Result<()> {
        query::failures(&self.database, self.run_id(run)?, each).map_err(self.failed("read the failures"))
    }

    fn in_doubt(&self, run: &str) -> Result<Vec<BatchNote>> {
        query::in_doubt(&self.database, self.run_id(run)?).map_err(self.failed("read what is in doubt"))
    }

    fn verify(&self) -> Result<Vec<String>> {
        self.as_of_one_moment(|database| verify::verify(database).map_err(self.failed("verify")))
    }

    fn export(&self, out: &mut dyn Write) -> Result<()> {
        self.export_lines(out)
    }

    fn import(&mut self, input: &mut dyn BufRead) -> Result<Option<Error>> {
        self.import_lines(input)
    }

    fn adopt(&mut self, note: &Note, now: Timestamp) -> Result<Adopted> {
        self.adopt_copy(note, now)
    }
}
