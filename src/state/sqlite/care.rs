//! Looking after a state: copies of it, its JSON lines, and taking a restored copy over.

use std::io::{BufRead, Write};
use std::path::Path;

use jiff::Timestamp;
use rusqlite::params;

use super::dump::{self, DumpError};
use super::rows::exactly_one;
use super::{SqliteStore, verify, write};
use crate::campaign::Delivery;
use crate::state::error::{Error, Result};
use crate::state::watermark::Watermark;
use crate::state::{Change, Hold, Note, Run, Status, Store};

impl SqliteStore {
    /// Copies the state, whole and as of one moment, to a new file. Works while a runner sends.
    ///
    /// # Errors
    /// Where the file exists already or cannot be written.
    pub fn backup(&self, to: &Path) -> Result<()> {
        if to.exists() {
            let source = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "the file exists already");
            return Err(Error::Io { action: "write the backup", path: to.to_owned(), source });
        }
        // A connection that only reads may not write elsewhere either.
        let copy = || {
            self.connection.pragma_update(None, "query_only", false)?;
            self.connection.execute("VACUUM INTO ?1", [to.to_string_lossy()])
        };
        copy().map(drop).map_err(self.failed("copy everything"))
    }

    /// Writes the state as JSON lines.
    ///
    /// # Errors
    /// Where the state cannot be read or the stream cannot be written.
    pub fn export(&self, out: &mut dyn Write) -> Result<()> {
        dump::export(&self.connection, out).map_err(|error| self.dump_error(error))
    }

    /// Reads JSON lines into a state that holds no run yet. All or nothing: a dump that does not verify leaves
    /// the state as it was.
    ///
    /// # Errors
    /// Where the state holds a run, a line is not what it should be, or the whole does not fit together.
    pub fn import(&mut self, input: &mut dyn BufRead) -> Result<()> {
        if !self.runs()?.is_empty() {
            return Err(Error::Import {
                what: "the state holds runs already; import into a new one".to_owned(),
            });
        }
        let transaction = self.transaction("import")?;
        dump::import(&transaction, input).map_err(|error| self.dump_error(error))?;
        let problems = verify::verify(&transaction).map_err(self.failed("verify"))?;
        if let Some(first) = problems.first() {
            let more = problems.len() - 1;
            return Err(Error::Import {
                what: format!("it does not fit together: {first} (and {more} more)"),
            });
        }
        transaction.commit().map_err(self.failed("import"))?;
        self.write_watermark()
    }

    /// Takes a restored copy, or a new state in place of one that is gone, for the state from now on. What it
    /// takes for pending may have been sent since the copy was made, and becomes in doubt; runs that only the
    /// watermark knows are written down as cancelled, so that nothing starts them anew. Gives their ids.
    ///
    /// # Errors
    /// Where the state cannot be written.
    pub fn adopt(&mut self, note: &Note, now: Timestamp) -> Result<Vec<String>> {
        let Some(watermark) = Watermark::read(&self.path)? else { return Ok(Vec::new()) };
        let known: Vec<Run> = self.runs()?;
        for run in known.iter().filter(|run| run.tally.remaining > 0) {
            let suspects: Vec<Change> = (1..)
                .zip(&self.opened(&run.id)?.batches)
                .filter(|(_, batch)| batch.state.status == Status::Pending)
                .map(|(number, _)| Change::Suspect(number))
                .collect();
            self.write(&run.id, &suspects, Some(("adopted", note)), now)?;
        }
        let lost: Vec<String> =
            watermark.runs.into_iter().filter(|id| !known.iter().any(|run| run.id == *id)).collect();
        let transaction = self.transaction("adopt the state")?;
        let adopt = || {
            for id in &lost {
                let (campaign, occurrence) = id.split_once('@').unwrap_or((id, ""));
                transaction.execute(
                    "INSERT INTO run (name, campaign, occurrence, app, from_account, content_digest, audience_digest,
                                      plan_digest, delivery, frozen_at, hold, planned, remaining)
                     VALUES (?1, ?2, ?3, '', '', '', '', '', ?4, ?5, ?6, 0, 0)",
                    params![
                        id,
                        campaign,
                        occurrence,
                        serde_json::to_string(&Delivery::default())
                            .expect("delivery is plain data"),
                        now.as_millisecond(),
                        Hold::Cancelled.as_str()
                    ],
                )?;
                write::event(&transaction, transaction.last_insert_rowid(), "adopted", note, now)?;
            }
            // Ahead of every copy that there may be.
            transaction
                .execute("UPDATE identity SET serial = max(serial, ?1)", [watermark.serial])
                .and_then(exactly_one)
        };
        adopt().map_err(self.failed("adopt the state"))?;
        self.finish(transaction, "adopt the state")?;
        self.write_watermark()?;
        Ok(lost)
    }

    fn dump_error(&self, error: DumpError) -> Error {
        match error {
            DumpError::Sqlite(source) => self.failed("export or import")(source),
            DumpError::Io(source) => Error::Import { what: source.to_string() },
            DumpError::Line(number, why) => Error::Import { what: format!("line {number} {why}") },
        }
    }
}
