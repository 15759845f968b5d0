//! Parquet: the wanted columns of the row groups in which `where` may hold. Columns keep their type; a row's line is
//! its number in the file, from 1.

mod cells;
mod prune;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use super::{Block, Error, Reader, Wanted, file, indices};
use cells::Cells;

/// Rows decoded at once: enough that a column's decoder runs for a while, few enough to stay in the cache.
const BATCH_ROWS: usize = 4096;

/// The columns of a file.
pub(super) fn columns(path: &Path) -> Result<Vec<String>, Error> {
    start(path).map(|(_, _, columns)| columns)
}

/// A file's name, metadata and columns.
fn start(path: &Path) -> Result<(String, ParquetRecordBatchReaderBuilder<File>, Vec<String>), Error> {
    let (name, file) = file::open_plain(path)?;
    // The types that another Arrow wrote beside those of Parquet say how it keeps values in memory.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = decode(&name, || ParquetRecordBatchReaderBuilder::try_new_with_options(file, options))?;
    let columns: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    for (index, column) in columns.iter().enumerate() {
        if columns[..index].contains(column) {
            return Err(Error::Header { name, reason: format!("has the column `{column}` twice") });
        }
    }
    Ok((name, builder, columns))
}

/// Lets the library decode. It trusts a page to fit the file's metadata, and panics on some that do not.
fn decode<T, E>(name: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, Error>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Nothing of what the work was about is used after a panic.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| damaged(name, error)),
        Err(_) => Err(damaged(name, "its pages do not fit its metadata")),
    }
}

fn damaged(name: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Damaged { name: name.to_owned(), cause: io::Error::other(cause) }
}

pub(super) struct ParquetReader {
    name: String,
    batches: ParquetRecordBatchReader,
    wanted: Vec<String>,
    /// Where each wanted column stands in a batch.
    positions: Vec<usize>,
    /// The batch at hand, one a wanted column, and the rows of it that are still to be given.
    cells: Vec<Cells>,
    rest: Range<usize>,
    /// Of the rows that are still to be given; it ends with the last row of the last group that is read.
    lines: std::iter::Flatten<std::vec::IntoIter<Range<u64>>>,
    /// Rows of groups that are left out, until they are told.
    skipped: u64,
    /// For values that are written as text; kept for its memory.
    text: String,
}

impl ParquetReader {
    pub(super) fn open(path: &Path, wanted: &Wanted) -> Result<Self, Error> {
        let (name, builder, columns) = start(path)?;
        let roots = indices(&name, wanted, &columns)?;
        let mut read = roots.clone();
        read.sort_unstable();
        let positions = roots.iter().map(|root| read.partition_point(|other| other < root)).collect();

        let (mut groups, mut lines, mut skipped, mut line) = (Vec::new(), Vec::new(), 0, 1);
        for (index, group) in builder.metadata().row_groups().iter().enumerate() {
            let rows = u64::try_from(group.num_rows()).map_err(|error| damaged(&name, error))?;
            if wanted.only().is_none_or(|filter| prune::may_hold(filter, group)) {
                groups.push(index);
                lines.push(line..line + rows);
            } else {
                skipped += rows;
            }
            line += rows;
        }
        let mask = ProjectionMask::roots(builder.parquet_schema(), read);
        let builder = builder.with_projection(mask).with_row_groups(groups).with_batch_size(BATCH_ROWS);
        let batches = decode(&name, || builder.build())?;
        Ok(Self {
            name,
            batches,
            wanted: wanted.names().to_vec(),
            positions,
            cells: Vec::new(),
            rest: 0..0,
            lines: lines.into_iter().flatten(),
            skipped,
            text: String::new(),
        })
    }

    /// Decodes the next batch; `false` at the end of the file.
    fn next_batch(&mut self) -> Result<bool, Error> {
        let Some(batch) = decode(&self.name, || self.batches.next().transpose())? else {
            return match self.lines.next() {
                None => Ok(false),
                Some(line) => Err(damaged(&self.name, format!("its rows end before row {line}"))),
            };
        };
        self.cells.clear();
        for (position, column) in self.positions.iter().zip(&self.wanted) {
            let array = batch.column(*position);
            let cells = Cells::of(array).ok_or_else(|| Error::ColumnType {
                name: self.name.clone(),
                column: column.clone(),
                kind: array.data_type().to_string(),
            })?;
            self.cells.push(cells);
        }
        self.rest = 0..batch.num_rows();
        Ok(true)
    }
}

impl Reader for ParquetReader {
    fn fill(&mut self, block: &mut Block<'_>) -> Result<bool, Error> {
        block.skip_rows(std::mem::take(&mut self.skipped));
        while !block.is_full() {
            let Some(row) = self.rest.next() else {
                if self.next_batch()? {
                    continue;
                }
                return Ok(false);
            };
            let Some(line) = self.lines.next() else {
                return Err(damaged(&self.name, "it has more rows than it says"));
            };
            let text = &mut self.text;
            match self.cells.iter().try_for_each(|cells| cells.push(row, text, block)) {
                Ok(()) => block.end_row(line),
                Err(reason) => block.bad_row(line, 1, reason.to_owned()),
            }
        }
        Ok(true)
    }
}
