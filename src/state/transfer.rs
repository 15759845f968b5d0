//! Moving a whole state between a SQLite file and a PostgreSQL database.
//!
//! A state must not be written in two places: each would send what the other has sent. So the old place is marked
//! first, durably, with where the state goes, and refuses to be written from then on; then the rows go over in one
//! transaction. Lineage and serial go along, and the serial is raised on both sides, so that the place that was left,
//! and any older copy of it, is known as stale. What was interrupted in between is finished by moving again to the same
//! place.

use std::io::{BufReader, BufWriter, Seek, Write};
use std::path::Path;

use super::error::{Error, Result};
use super::lock::Holder;
use super::place::sqlite_unchecked;
use super::postgres::PostgresStore;
use super::sql::{Database, SqlStore};
use super::sqlite::SqliteStore;
use super::store::Store;
use super::watermark::Watermark;
use crate::campaign::SecretRef;

/// Moves a state from a SQLite file into a database; gives how many runs it has.
///
/// # Errors
/// Where one of them cannot be opened or is held; [`Error::NotMoved`] where the database holds a state that must not be
/// replaced, or the file none.
pub fn push(file: &Path, dsn: &SecretRef, holder: &Holder) -> Result<usize> {
    if SqliteStore::open_to_read(file)?.is_none() {
        return Err(Error::NotMoved { what: format!("there is no state {}", file.display()) });
    }
    let mut from = sqlite_unchecked(file, holder)?;
    from.refuse_behind()?;
    transfer(&mut from, &mut PostgresStore::open_unchecked(dsn, holder)?)
}

/// Moves a state from a database into a SQLite file; gives how many runs it has.
///
/// # Errors
/// As [`push`], the other way round.
pub fn pull(dsn: &SecretRef, file: &Path, holder: &Holder) -> Result<usize> {
    if PostgresStore::open_to_read(dsn)?.is_none() {
        return Err(Error::NotMoved { what: "the database holds no state".to_owned() });
    }
    let mut from = PostgresStore::open_unchecked(dsn, holder)?;
    transfer(&mut from, &mut sqlite_unchecked(file, holder)?)
}

fn transfer<A, B>(from: &mut SqlStore<A>, to: &mut SqlStore<B>) -> Result<usize>
where
    A: Database + 'static,
    B: Database + 'static,
{
    let address = to.address()?;
    let gone = from.moved_to()?;
    match &gone {
        Some(elsewhere) if *elsewhere != address => return from.refuse_moved().map(|()| 0),
        _ => {}
    }
    refuse_occupied(from, to)?;
    if gone.is_none() {
        if let Some(problem) = from.verify()?.first() {
            return Err(Error::NotMoved { what: format!("it does not fit together: {problem}") });
        }
        from.mark_moved(&address)?;
    }
    let io = |source: std::io::Error| Error::NotMoved { what: format!("{source}; move it again") };
    let mut dump = tempfile::tempfile().map_err(io)?;
    let mut out = BufWriter::new(&dump);
    from.export(&mut out)?;
    out.flush().map_err(io)?;
    drop(out);
    dump.rewind().map_err(io)?;
    to.replace(&mut BufReader::new(dump))?;
    Ok(to.runs()?.len())
}

/// A state that knows of runs is replaced only by the one that it once became.
fn refuse_occupied<A, B>(from: &SqlStore<A>, to: &SqlStore<B>) -> Result<()>
where
    A: Database + 'static,
    B: Database + 'static,
{
    let (new, old) = (from.identity()?, to.identity()?);
    let refused = |what: String| Err(Error::NotMoved { what });
    let place = to.database.place();
    let once = to.database.watermark().map(Watermark::read).transpose()?.flatten();
    if let Some(once) = once
        && once.lineage != old.lineage
        && (once.lineage != new.lineage || once.serial > new.serial)
    {
        return refused(format!("another state was kept in {place}, and is gone"));
    }
    if to.runs()?.is_empty() {
        return Ok(());
    }
    if old.lineage != new.lineage {
        return refused(format!("{place} holds another state, which has runs of its own"));
    }
    if old.serial >= new.serial {
        return refused(format!(
            "{place} is newer: it was written {} times, and what would replace it {} times",
            old.serial, new.serial
        ));
    }
    if to.moved_to()?.is_none() {
        return refused(format!("{place} is in use: it was never moved away from there"));
    }
    Ok(())
}
