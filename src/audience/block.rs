//! Rows on their way from a source to the builder: projected to the wanted columns, some thousands at a time.
//!
//! One block is a few allocations that are used again and again, however many rows pass through it. Cell 0 of
//! a row is its account; a row whose account cannot be one is malformed, whatever the source.

use super::filter::Condition;
use super::position;
use super::value::{Kind, Value};

/// A longer row is malformed: nobody writes one, and an unclosed quote must not fill the memory.
pub(super) const MAX_ROW_BYTES: usize = 1 << 20;

/// Rows (good or malformed) a block holds: enough that handing it over costs nothing beside reading it.
const MAX_ROWS: usize = 4096;

/// Text after which a block is full, whatever its rows.
const FULL_BYTES: usize = 1 << 20;

/// Projected rows, and the malformed ones found between them.
#[derive(Debug, Default)]
pub(super) struct Block {
    text: String,
    /// The cells of all good rows, one after the other; then those of the row being read.
    cells: Vec<Cell>,
    /// One a good row.
    rows: Vec<RowEnd>,
    bad: Vec<Malformed>,
    /// The index of the file being read, among those of its source.
    file: u64,
    /// See [`Block::skip_rows`].
    skipped: u64,
    /// Of the good rows, those that mean something; see [`Block::judge`].
    judged: Vec<Judged>,
}

/// A good row that matches one of the filters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judged {
    row: u32,
    /// It matches `where`.
    pub(super) is_in: bool,
    /// It matches `suppress_where`.
    pub(super) suppresses: bool,
}

/// A malformed row.
#[derive(Debug)]
pub(super) struct Malformed {
    /// Where it begins; see [`position`].
    pub(super) position: u64,
    /// How many rows it counts as; from 1.
    pub(super) rows: u64,
    /// What is wrong with it. Quotes nothing of the row but column names.
    pub(super) reason: String,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    kind: Kind,
    /// Where its characters end in the block's text; they begin where the cell before it ends.
    end: u32,
}

#[derive(Debug, Clone, Copy)]
struct RowEnd {
    position: u64,
    cells: u32,
    text: u32,
}

impl Block {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.cells.clear();
        self.rows.clear();
        self.bad.clear();
        self.judged.clear();
        self.skipped = 0;
    }

    /// Holds the good rows against the filters. Apart from the reading, so that its cost can be told apart.
    pub(super) fn judge(&mut self, filter: Option<&Condition>, suppress: Option<&Condition>) {
        let mut judged = std::mem::take(&mut self.judged);
        for (row, good) in (0..).zip(self.rows()) {
            let is_in = filter.is_none_or(|condition| condition.holds(&good));
            let suppresses = suppress.is_some_and(|condition| condition.holds(&good));
            if is_in || suppresses {
                judged.push(Judged { row, is_in, suppresses });
            }
        }
        self.judged = judged;
    }

    /// The rows that match one of the filters.
    pub(super) fn judged(&self) -> impl Iterator<Item = (Row<'_>, Judged)> {
        self.judged.iter().map(|&judged| (self.row(judged.row as usize), judged))
    }

    /// How many rows match `where`.
    pub(super) fn matching(&self) -> usize {
        self.judged.iter().filter(|judged| judged.is_in).count()
    }

    fn row(&self, index: usize) -> Row<'_> {
        let (first, start) = match index {
            0 => (0, 0),
            _ => (self.rows[index - 1].cells, self.rows[index - 1].text),
        };
        let RowEnd { position, cells, .. } = self.rows[index];
        Row { position, text: &self.text, start, cells: &self.cells[first as usize..cells as usize] }
    }

    /// Counts rows that the reader left out, because [`Wanted::only`](super::source::Wanted::only) does not hold for
    /// them.
    pub(super) fn skip_rows(&mut self, count: u64) {
        self.skipped += count;
    }

    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Says from which of the source's files the next rows are.
    pub(super) fn begin_file(&mut self, index: usize) {
        self.file = index as u64;
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.len() + self.bad.len() >= MAX_ROWS || self.text.len() >= FULL_BYTES
    }

    /// Appends the next cell of the row being read.
    pub(super) fn push(&mut self, value: Value<'_>) {
        self.text.push_str(value.payload());
        self.cells.push(Cell { kind: value.kind(), end: offset(self.text.len()) });
    }

    /// Ends the row being read; it becomes a malformed one where its account cannot be one.
    pub(super) fn end_row(&mut self, line: u64) {
        let (cells, text) = self.good_end();
        let first = self.cells[cells as usize];
        let account = first.kind.value(&self.text[text as usize..first.end as usize]);
        match check_account(account) {
            Ok(()) => {
                let position = position::pack(self.file, line);
                let (cells, text) = (offset(self.cells.len()), offset(self.text.len()));
                self.rows.push(RowEnd { position, cells, text });
            }
            Err(reason) => self.bad_row(line, 1, reason.to_owned()),
        }
    }

    /// Drops what was pushed of the row being read and notes why; it counts as so many rows.
    pub(super) fn bad_row(&mut self, line: u64, rows: u64, reason: String) {
        let (cells, text) = self.good_end();
        self.cells.truncate(cells as usize);
        self.text.truncate(text as usize);
        self.bad.push(Malformed { position: position::pack(self.file, line), rows, reason });
    }

    /// The good rows.
    pub(super) fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        (0..self.rows.len()).map(|index| self.row(index))
    }

    pub(super) fn bad_rows(&self) -> &[Malformed] {
        &self.bad
    }

    /// Where cells and text of the good rows end.
    fn good_end(&self) -> (u32, u32) {
        self.rows.last().map_or((0, 0), |end| (end.cells, end.text))
    }
}

fn offset(length: usize) -> u32 {
    u32::try_from(length).expect("a block is bounded by FULL_BYTES and one row of MAX_ROW_BYTES")
}

/// One good row of a [`Block`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    /// Where it begins; see [`position`].
    pub(super) position: u64,
    text: &'a str,
    start: u32,
    cells: &'a [Cell],
}

impl<'a> Row<'a> {
    /// The value of the wanted column with this index.
    pub(super) fn get(&self, index: usize) -> Value<'a> {
        let start = if index == 0 { self.start } else { self.cells[index - 1].end };
        let cell = self.cells[index];
        cell.kind.value(&self.text[start as usize..cell.end as usize])
    }

    /// The account; never empty, never with a control character.
    pub(super) fn account(&self) -> &'a str {
        self.get(0).text().expect("end_row lets no row without an account pass")
    }
}

/// A whole JSON number is let pass as its digits: exports often write ids so.
fn check_account(account: Value<'_>) -> Result<(), &'static str> {
    match account {
        Value::Missing | Value::Null => Err("has no account"),
        Value::Text("") => Err("the account is empty"),
        Value::Text(text) if has_control(text) => Err("the account holds a control character"),
        Value::Number(text) if text.bytes().any(|b| !b.is_ascii_digit()) => {
            Err("the account is a number with a sign, a point or an exponent")
        }
        Value::Text(_) | Value::Number(_) => Ok(()),
        Value::Bool(_) | Value::Json(_) => Err("the account is neither a text nor a whole number"),
    }
}

fn has_control(text: &str) -> bool {
    if text.is_ascii() {
        text.bytes().any(|b| b.is_ascii_control())
    } else {
        text.chars().any(char::is_control)
    }
}
