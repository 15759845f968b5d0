//! The rows of a PostgreSQL query, streamed by `COPY … TO STDOUT` in a read-only transaction: the server writes
//! every type as text, and no more of the result is in memory than a block.
//!
//! The format: <https://www.postgresql.org/docs/current/sql-copy.html>, "Text Format".

mod field;
mod session;

use std::pin::Pin;

use futures_util::StreamExt;
use tokio_postgres::CopyOutStream;

use super::{Block, Error, Reader, Wanted, indices};
use crate::audience::block::MAX_ROW_BYTES;
use crate::audience::value::Value;
use crate::campaign::Postgres;
use crate::postgres::Session;
use field::{Meaning, unescape};

/// What messages call the source; its lines are rows, from 1.
pub(super) const NAME: &str = "the query's result";

/// The names of a query's columns, without running it.
pub(super) fn columns(source: &Postgres) -> Result<Vec<String>, Error> {
    let columns = session::prepare(&session::open(source)?, &source.query)?;
    Ok(columns.into_iter().map(|(name, _)| name).collect())
}

pub(super) struct PostgresReader {
    session: Session,
    rows: Pin<Box<CopyOutStream>>,
    row: u64,
    parser: Parser,
}

impl PostgresReader {
    pub(super) fn open(source: &Postgres, wanted: &Wanted) -> Result<Self, Error> {
        let session = session::open(source)?;
        let (names, types): (Vec<_>, Vec<_>) = session::prepare(&session, &source.query)?.into_iter().unzip();
        let columns = indices(NAME, wanted, &names)?;
        let columns = columns.into_iter().map(|index| (index, Meaning::of(&types[index]))).collect();
        let parser = Parser { columns, width: names.len(), fields: Vec::new(), text: String::new() };
        // The line end closes a comment at the end of the query.
        let query = source.query.trim_end().trim_end_matches(';');
        let copy = format!("COPY (\n{query}\n) TO STDOUT");
        let rows = session.run(session.client.copy_out(&copy));
        let rows = Box::pin(rows.map_err(|error| session::failed(&session, &error))?);
        Ok(Self { session, rows, row: 0, parser })
    }
}

impl Reader for PostgresReader {
    fn fill(&mut self, block: &mut Block<'_>) -> Result<bool, Error> {
        let Self { session, rows, row, parser } = self;
        let filled = session.run(async {
            while !block.is_full() {
                // The server sends each row as a message of its own.
                let Some(line) = rows.next().await.transpose()? else { return Ok(false) };
                *row += 1;
                match parser.push_row(&line, block) {
                    Ok(()) => block.end_row(*row),
                    Err(reason) => block.bad_row(*row, 1, reason.to_owned()),
                }
            }
            Ok(true)
        });
        filled.map_err(|error| session::failed(session, &error))
    }
}

/// Takes the wanted values out of a row's text.
struct Parser {
    /// Of the wanted columns: where each stands in a row, and what its text stands for.
    columns: Vec<(usize, Meaning)>,
    width: usize,
    /// Where the fields of the row at hand begin and end; kept for its memory.
    fields: Vec<(usize, usize)>,
    /// A field that held escapes; kept for its memory.
    text: String,
}

impl Parser {
    /// Pushes the wanted values of one row; the reason where it is malformed.
    fn push_row(&mut self, line: &[u8], block: &mut Block<'_>) -> Result<(), &'static str> {
        if line.len() > MAX_ROW_BYTES {
            return Err("is longer than 1 MiB");
        }
        let line = std::str::from_utf8(line).map_err(|_| "is not UTF-8")?;
        let line = line.strip_suffix('\n').ok_or("is cut")?;
        self.fields.clear();
        let mut start = 0;
        for (tab, _) in line.match_indices('\t') {
            self.fields.push((start, tab));
            start = tab + 1;
        }
        self.fields.push((start, line.len()));
        if self.fields.len() != self.width {
            return Err("has another number of fields than the query");
        }
        for (index, meaning) in &self.columns {
            let (start, end) = self.fields[*index];
            let field = &line[start..end];
            if field == r"\N" {
                block.push(Value::Null);
            } else if field.contains('\\') {
                unescape(field, &mut self.text);
                block.push(meaning.value(&self.text));
            } else {
                block.push(meaning.value(field));
            }
        }
        Ok(())
    }
}
