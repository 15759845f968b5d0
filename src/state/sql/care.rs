//! Looking after a state: its JSON lines, and taking a restored copy over.

use std::collections::HashSet;
use std::io::{BufRead, Write};

use jiff::Timestamp;

use super::database::{Database, Fault, cells};
use super::dump::{self, DumpError};
use super::rows::run_id;
use super::{SqlStore, carry_out, query, verify, write};
use crate::campaign::Delivery;
use crate::plan::RunHeader;
use crate::state::error::{Error, Result};
use crate::state::store::Adopted;
use crate::state::watermark::Watermark;
use crate::state::{Change, Hold, Note, Status, Store};

impl<D: Database + 'static> SqlStore<D> {
    pub(super) fn export_lines(&self, out: &mut dyn Write) -> Result<()> {
        self.as_of_one_moment(|database| dump::export(database, out).map_err(|error| self.dump_error(error)))
    }

    pub(super) fn import_lines(&mut self, input: &mut dyn BufRead) -> Result<Option<Error>> {
        if !self.runs()?.is_empty() {
            return Err(Error::Import {
                what: "the state holds runs already; import into a new one".to_owned(),
            });
        }
        // The state becomes the one that was exported, which is no transaction of its own.
        self.transaction("import", false, |database| read_dump(database, input))?;
        // Another state was written here last, or more of this one: only a person may say that it is given up.
        if let Some(path) = self.database.watermark() {
            let identity = self.identity()?;
            let kept = Watermark::read(path)
                .and_then(|once| once.map_or(Ok(()), |once| once.check(path, Some(&identity))));
            if let Err(behind) = kept {
                return Ok(Some(behind));
            }
        }
        self.write_whole_watermark()?;
        Ok(None)
    }

    /// Reads JSON lines in place of all that is there: the state that moves here.
    pub(in crate::state) fn replace(&mut self, input: &mut dyn BufRead) -> Result<()> {
        self.open.clear();
        self.transaction("take the state over", true, |database| {
            dump::clear(database)?;
            read_dump(database, input)?;
            mark_here(database)
        })?;
        self.write_whole_watermark()
    }

    /// Where the state was moved to, while this copy of it is still here.
    pub(in crate::state) fn moved_to(&self) -> Result<Option<String>> {
        query::moved_to(&self.database).map_err(self.failed("read its identity"))
    }

    /// What has moved elsewhere is written there alone.
    pub(in crate::state) fn refuse_moved(&self) -> Result<()> {
        refuse_moved(&self.database).map_err(self.failed("read its identity"))
    }

    /// Writes down that the state goes elsewhere: from here on it is not opened to be written.
    pub(in crate::state) fn mark_moved(&mut self, to: &str) -> Result<()> {
        // It counts itself: what has moved counts no transaction.
        self.transaction("mark the state as moved", false, |database| {
            let database: &dyn Database = database;
            database.execute_one("UPDATE identity SET moved_to = ?1, serial = serial + 1", &cells![to])
        })?;
        self.write_watermark()
    }

    pub(in crate::state) fn address(&self) -> Result<String> {
        self.database.address().map_err(self.failed("read its identity"))
    }

    pub(super) fn adopt_copy(&mut self, note: &Note, now: Timestamp) -> Result<Adopted> {
        // One that cannot be read says as little as one that is not there.
        let watermark = match self.database.watermark().map(Watermark::read).transpose() {
            Err(Error::Watermark { .. }) => None,
            found => found?.flatten(),
        };
        self.open.clear();
        // Whole or not at all: half of it would look like the copy that was written last.
        let lost = self.transaction("adopt the state", true, |database| {
            for run in query::runs(database, "WHERE remaining > 0", &[])? {
                suspect(database, &run.id, note, now)?;
            }
            let lost = insert_lost(database, watermark.as_ref(), note, now)?;
            mark_here(database)?;
            if let Some(watermark) = &watermark {
                // Ahead of every copy that there may be.
                database.execute(
                    "UPDATE identity SET serial = ?1 WHERE serial < ?1",
                    &cells![watermark.serial],
                )?;
            }
            Ok(lost)
        })?;
        self.write_whole_watermark()?;
        Ok(Adopted { lost, had_watermark: watermark.is_some() })
    }

    fn dump_error(&self, error: DumpError) -> Error {
        self.failed("export or import")(told(error))
    }
}

/// What has moved elsewhere is written there alone.
pub(in crate::state) fn refuse_moved(database: &dyn Database) -> Result<(), Fault> {
    match query::moved_to(database)? {
        None => Ok(()),
        Some(to) => Err(Error::Moved { place: database.place().to_owned(), to }.into()),
    }
}

/// The state is here.
fn mark_here(database: &dyn Database) -> Result<(), Fault> {
    database.execute_one("UPDATE identity SET moved_to = NULL", &[])
}

/// Puts all of a run in doubt that is still to be sent.
fn suspect(database: &dyn Database, run: &str, note: &Note, now: Timestamp) -> Result<(), Fault> {
    let id = run_id(database, run)?.unwrap_or_default();
    let batches = query::batches(database, id)?;
    let suspects: Vec<Change> = (1..)
        .zip(&batches)
        .filter(|(_, batch)| batch.state.status == Status::Pending)
        .map(|(number, _)| Change::Suspect(number))
        .collect();
    carry_out(database, id, &batches, &suspects, ("adopted", note), now)
}

/// Writes the runs down that only the watermark knows; gives their ids.
fn insert_lost(
    database: &dyn Database,
    watermark: Option<&Watermark>,
    note: &Note,
    now: Timestamp,
) -> Result<Vec<String>, Fault> {
    let known: HashSet<String> = query::run_names(database)?.into_iter().collect();
    let once = watermark.map_or(&[][..], |watermark| &watermark.runs);
    let lost: Vec<String> = once.iter().filter(|id| !known.contains(*id)).cloned().collect();
    for id in &lost {
        write::insert_empty_run(database, &lost_run(id), Hold::Cancelled, ("adopted", note), now)?;
    }
    Ok(lost)
}

/// Reads a dump that fits together, or fails.
fn read_dump(database: &dyn Database, input: &mut dyn BufRead) -> Result<(), Fault> {
    dump::import(database, input).map_err(told)?;
    match verify::verify(database)?.as_slice() {
        [] => Ok(()),
        [first, more @ ..] => {
            let what = format!("it does not fit together: {first} (and {} more)", more.len());
            Err(Error::Import { what }.into())
        }
    }
}

/// A run of which nothing but the id is known.
fn lost_run(id: &str) -> RunHeader {
    let (campaign, occurrence) = id.split_once('@').unwrap_or((id, ""));
    RunHeader {
        run_id: id.to_owned(),
        campaign: campaign.to_owned(),
        occurrence: occurrence.to_owned(),
        app: String::new(),
        from: String::new(),
        expires_at: None,
        is_late: false,
        delivery: Delivery::default(),
        content_digest: String::new(),
        content_json: "".into(),
        first_batch: 1,
    }
}

fn told(error: DumpError) -> Fault {
    match error {
        DumpError::Database(fault) => fault,
        DumpError::Io(source) => Error::Import { what: source.to_string() }.into(),
        DumpError::Line(number, why) => Error::Import { what: format!("line {number} {why}") }.into(),
    }
}
