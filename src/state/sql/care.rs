//! Looking after a state: its JSON lines, and taking a restored copy over.

use std::io::{BufRead, Write};

use jiff::Timestamp;

use super::database::{Database, Fault, cells};
use super::dump::{self, DumpError};
use super::write::NewRun;
use super::{SqlStore, query, verify, write};
use crate::campaign::Delivery;
use crate::plan::RunHeader;
use crate::state::error::{Error, Result};
use crate::state::watermark::Watermark;
use crate::state::{Change, Hold, Note, Run, Status, Store};

impl<D: Database + 'static> SqlStore<D> {
    pub(super) fn export_lines(&self, out: &mut dyn Write) -> Result<()> {
        self.as_of_one_moment(|database| dump::export(database, out).map_err(|error| self.dump_error(error)))
    }

    pub(super) fn import_lines(&mut self, input: &mut dyn BufRead) -> Result<()> {
        if !self.runs()?.is_empty() {
            return Err(Error::Import {
                what: "the state holds runs already; import into a new one".to_owned(),
            });
        }
        // The state becomes the one that was exported, which is no transaction of its own.
        self.transaction("import", false, |database| read_dump(database, input))?;
        self.write_watermark()
    }

    /// Reads JSON lines in place of all that is there: the state that moves here.
    pub(in crate::state) fn replace(&mut self, input: &mut dyn BufRead) -> Result<()> {
        self.open.clear();
        self.transaction("take the state over", true, |database| {
            dump::clear(database)?;
            read_dump(database, input)?;
            mark(database, None)
        })?;
        self.write_watermark()
    }

    /// Where the state was moved to, while this copy of it is still here.
    pub(in crate::state) fn moved_to(&self) -> Result<Option<String>> {
        query::moved_to(&self.database).map_err(self.failed("read its identity"))
    }

    /// What has moved elsewhere is written there alone.
    pub(in crate::state) fn refuse_moved(&self) -> Result<()> {
        match self.moved_to()? {
            None => Ok(()),
            Some(to) => Err(Error::Moved { place: self.place(), to }),
        }
    }

    /// Writes down that the state goes elsewhere: from here on it is not opened to be written.
    pub(in crate::state) fn mark_moved(&mut self, to: &str) -> Result<()> {
        self.transaction("mark the state as moved", true, |database| mark(database, Some(to)))?;
        self.write_watermark()
    }

    pub(in crate::state) fn address(&self) -> Result<String> {
        self.database.address().map_err(self.failed("read its identity"))
    }

    pub(super) fn adopt_copy(&mut self, note: &Note, now: Timestamp) -> Result<Vec<String>> {
        let watermark = match self.database.watermark().map(Watermark::read).transpose()? {
            Some(None) => return Ok(Vec::new()),
            found => found.flatten(),
        };
        let known: Vec<Run> = self.runs()?;
        for run in known.iter().filter(|run| run.tally.remaining > 0) {
            let suspects: Vec<Change> = (1..)
                .zip(&self.opened(&run.id)?.batches)
                .filter(|(_, batch)| batch.state.status == Status::Pending)
                .map(|(number, _)| Change::Suspect(number))
                .collect();
            self.write(&run.id, &suspects, Some(("adopted", note)), now)?;
        }
        let once = watermark.as_ref().map_or(&[][..], |watermark| &watermark.runs);
        let lost: Vec<String> =
            once.iter().filter(|id| !known.iter().any(|run| run.id == **id)).cloned().collect();
        self.transaction("adopt the state", true, |database| {
            for id in &lost {
                let run = NewRun {
                    header: &lost_run(id),
                    audience_digest: "",
                    plan_digest: "",
                    recipients: 0,
                    hold: Some(Hold::Cancelled),
                };
                let run = write::insert_run(database, &run, now)?;
                write::event(database, run, "adopted", note, now)?;
            }
            mark(database, None)?;
            if let Some(watermark) = &watermark {
                // Ahead of every copy that there may be.
                database.execute(
                    "UPDATE identity SET serial = ?1 WHERE serial < ?1",
                    &cells![watermark.serial],
                )?;
            }
            Ok(())
        })?;
        self.write_watermark()?;
        Ok(lost)
    }

    fn dump_error(&self, error: DumpError) -> Error {
        self.failed("export or import")(told(error))
    }
}

fn mark(database: &dyn Database, moved_to: Option<&str>) -> Result<(), Fault> {
    database.execute_one("UPDATE identity SET moved_to = ?1", &cells![moved_to])
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
