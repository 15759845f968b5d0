//! CSV with a header row: RFC 4180 quoting, `\n` or `\r\n`, an optional UTF-8 byte order mark.
//!
//! Every field is a text. Blank lines are passed over. The parser would take a quote that is never closed for
//! a field that runs to the end of the file; a mark behind the file's last byte tells the two apart.

use std::io::{self, Chain, Cursor, Read};
use std::path::Path;

use csv::{ErrorKind, ReaderBuilder, StringRecord, Terminator};

use super::file::{self, Named};
use super::{Block, Error, Reader, Wanted, indices};
use crate::audience::block::MAX_ROW_BYTES;
use crate::audience::value::Value;

/// A row that no file has: its only field holds NULs, which no account may.
const END_MARK: &str = "\0end of file\0";

/// Bytes after which a row that does not end is given up: the parser would keep the rest of the file in memory.
const MAX_OPEN_BYTES: usize = 16 * MAX_ROW_BYTES;

/// The file's bytes, then the end mark; fails where one row takes too many of them.
struct Input {
    bytes: Chain<Box<dyn Read + Send>, Cursor<String>>,
    /// Read since the last row ended (give or take a buffer).
    row_bytes: usize,
}

impl Input {
    fn new(bytes: Box<dyn Read + Send>) -> Self {
        Self { bytes: bytes.chain(Cursor::new(format!("\n{END_MARK}\n"))), row_bytes: 0 }
    }

    fn is_row_too_long(&self) -> bool {
        self.row_bytes > MAX_OPEN_BYTES
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_row_too_long() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let count = self.bytes.read(buffer)?;
        self.row_bytes += count;
        Ok(count)
    }
}

pub(super) struct CsvReader {
    named: Named,
    csv: csv::Reader<Input>,
    record: StringRecord,
    header: Vec<String>,
    /// Of the wanted columns, in the header.
    indices: Vec<usize>,
    /// Where the last row began.
    line: u64,
}

/// The header row of a CSV file.
pub(super) fn header(path: &Path) -> Result<Vec<String>, Error> {
    Ok(CsvReader::start(file::open(path)?)?.header)
}

impl CsvReader {
    pub(super) fn new(input: file::Input, wanted: &Wanted) -> Result<Self, Error> {
        let mut reader = Self::start(input)?;
        reader.indices = indices(&reader.named.name, wanted, &reader.header)?;
        Ok(reader)
    }

    fn start((named, bytes): file::Input) -> Result<Self, Error> {
        let csv = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            // The library's own `\r\n` rule leaves the `\n` to the next row, and so miscounts lines.
            .terminator(Terminator::Any(b'\n'))
            .buffer_capacity(file::BUFFER_BYTES)
            .from_reader(Input::new(bytes));
        let record = StringRecord::new();
        let mut reader = Self { named, csv, record, header: Vec::new(), indices: Vec::new(), line: 0 };
        reader.header = reader.read_header()?;
        Ok(reader)
    }

    fn read_header(&mut self) -> Result<Vec<String>, Error> {
        let error = |reader: &Self, reason: String| Error::Header { name: reader.named.name.clone(), reason };
        match self.next_row()? {
            Next::Row => {}
            Next::Bad { reason, .. } => return Err(error(self, reason)),
            Next::End => return Err(error(self, "is missing: there is nothing in it".to_owned())),
        }
        let mut names: Vec<String> = Vec::with_capacity(self.record.len());
        for index in 0..self.record.len() {
            let name = self.field(index, self.record.len());
            if names.iter().any(|known| known == name) {
                return Err(error(self, format!("has the column `{name}` twice")));
            }
            names.push(name.to_owned());
        }
        Ok(names)
    }

    /// Reads the next row that is not blank into `self.record`.
    fn next_row(&mut self) -> Result<Next, Error> {
        loop {
            let before = self.csv.position().line();
            self.csv.get_mut().row_bytes = 0;
            let read = self.csv.read_record(&mut self.record);
            let after = self.csv.position().line();
            let bad = |line, reason: &str| {
                // At most as many rows as lines: what an unclosed quote swallowed counts.
                Ok(Next::Bad { line, rows: (after - line).max(1), reason: reason.to_owned() })
            };
            match read {
                // Some field has swallowed the end mark. No `\n` ended its row, so that `line` is one too low.
                Ok(false) => return Err(self.open_quote(self.line + 1)),
                Ok(true) if self.record.len() == 1 && &self.record[0] == END_MARK => return Ok(Next::End),
                Ok(true) if self.record.len() == 1 && &self.record[0] == "\r" => {}
                Ok(true) => {
                    let text = self.record.as_slice();
                    // The row's own `\n` is read; those in its quoted fields were lines, too. Blank ones may lie before it.
                    self.line = match after - before {
                        1 => before,
                        _ => after - 1 - text.bytes().filter(|b| *b == b'\n').count() as u64,
                    };
                    if text.len() > MAX_ROW_BYTES {
                        return bad(self.line, "is longer than 1 MiB (an unclosed quote?)");
                    }
                    return Ok(Next::Row);
                }
                Err(error) => match error.into_kind() {
                    ErrorKind::Io(_) if self.csv.get_ref().is_row_too_long() => {
                        return Err(self.open_quote(before));
                    }
                    ErrorKind::Io(cause) => return Err(self.named.error(cause)),
                    ErrorKind::Utf8 { .. } => {
                        self.line = before;
                        return bad(before, "is not UTF-8");
                    }
                    other => unreachable!("a flexible reader that does not seek gives no {other:?}"),
                },
            }
        }
    }

    fn open_quote(&self, line: u64) -> Error {
        Error::OpenQuote { name: self.named.name.clone(), line }
    }

    /// A field of the row, without the `\r` that ends a line of a file written on Windows.
    fn field(&self, index: usize, width: usize) -> &str {
        let field = &self.record[index];
        if index + 1 == width { field.strip_suffix('\r').unwrap_or(field) } else { field }
    }
}

enum Next {
    Row,
    Bad { line: u64, rows: u64, reason: String },
    End,
}

impl Reader for CsvReader {
    fn fill(&mut self, block: &mut Block<'_>) -> Result<bool, Error> {
        let width = self.header.len();
        while !block.is_full() {
            match self.next_row()? {
                Next::End => return Ok(false),
                Next::Bad { line, rows, reason } => block.bad_row(line, rows, reason),
                Next::Row if self.record.len() != width => {
                    let fields = self.record.len();
                    let s = if fields == 1 { "" } else { "s" };
                    let reason = format!("has {fields} field{s}, the header has {width}");
                    let rows = 1 + self.record.as_slice().bytes().filter(|b| *b == b'\n').count() as u64;
                    block.bad_row(self.line, rows, reason);
                }
                Next::Row => {
                    let cell = |index: usize| Value::Text(self.field(self.indices[index], width));
                    block.add_row(self.line, self.indices.len(), cell);
                }
            }
        }
        Ok(true)
    }
}
