//! Rows on their way from a source to the collector: filtered, projected to the wanted columns, some thousands at a
//! time.
//!
//! One block is a few allocations that are used again and again, however many rows pass through it. Cell 0 of
//! a row is its account; a row whose account cannot be one is malformed, whatever the source.

use std::time::{Duration, Instant};

use super::filter::Condition;
use super::position;
use super::value::{Kind, Value};

/// A longer row is malformed: nobody writes one, and an unclosed quote must not fill the memory.
pub(super) const MAX_ROW_BYTES: usize = 1 << 20;

/// Rows (good or malformed) a block holds: enough that handing it over costs nothing beside reading it.
const MAX_ROWS: u64 = 4096;

/// One row of so many is timed.
const TIMED_ONE_OF: u64 = 64;

const NOTHING: Verdict = Verdict { is_in: false, suppresses: false };

/// Text after which a block is full, whatever its rows.
const FULL_BYTES: usize = 1 << 20;

/// Projected rows, and the malformed ones found between them.
#[derive(Debug, Default)]
pub(super) struct Block<'f> {
    filters: Filters<'f>,
    text: String,
    /// The cells of all kept rows, one after the other; then those of the row being read.
    cells: Vec<Cell>,
    /// One a kept row.
    rows: Vec<RowEnd>,
    bad: Vec<Malformed>,
    /// The index of the file being read, among those of its source.
    file: u64,
    /// Good rows that came, with those that are not kept.
    good: u64,
    /// Of these, the ones that match `where`.
    matching: u64,
    /// See [`Block::skip_rows`].
    skipped: u64,
    /// Time spent on the filters.
    filtering: Duration,
}

/// What makes a row worth keeping. A row that neither matches is counted and forgotten.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Filters<'f> {
    /// `where`; every row matches none.
    pub(super) is_in: Option<&'f Condition>,
    /// `suppress_where`; no row matches none.
    pub(super) suppresses: Option<&'f Condition>,
}

/// What a row is worth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict {
    /// It matches `where`.
    pub(super) is_in: bool,
    /// It matches `suppress_where`.
    pub(super) suppresses: bool,
}

impl Verdict {
    fn is_worth_keeping(self) -> bool {
        self.is_in || self.suppresses
    }
}

impl Filters<'_> {
    fn judge<'v>(&self, cell: &impl Fn(usize) -> Value<'v>) -> Verdict {
        Verdict {
            is_in: self.is_in.is_none_or(|condition| condition.holds(cell)),
            suppresses: self.suppresses.is_some_and(|condition| condition.holds(cell)),
        }
    }
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
    verdict: Verdict,
}

impl<'f> Block<'f> {
    pub(super) fn new(filters: Filters<'f>) -> Self {
        Self { filters, ..Self::default() }
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.cells.clear();
        self.rows.clear();
        self.bad.clear();
        (self.good, self.matching, self.skipped, self.filtering) = (0, 0, 0, Duration::ZERO);
    }

    /// Good rows that came.
    pub(super) fn good(&self) -> u64 {
        self.good
    }

    /// Of these, the ones that match `where`.
    pub(super) fn matching(&self) -> u64 {
        self.matching
    }

    /// About how long the filters took: one row of so many is timed for all.
    pub(super) fn filtering(&self) -> Duration {
        self.filtering
    }

    fn row(&self, index: usize) -> Row<'_> {
        let (first, start) = match index {
            0 => (0, 0),
            _ => (self.rows[index - 1].cells, self.rows[index - 1].text),
        };
        let RowEnd { position, cells, verdict, .. } = self.rows[index];
        Row { position, verdict, text: &self.text, start, cells: &self.cells[first as usize..cells as usize] }
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
        self.good >= MAX_ROWS || self.bad.len() as u64 >= MAX_ROWS || self.text.len() >= FULL_BYTES
    }

    /// Appends the next cell of the row being read.
    pub(super) fn push(&mut self, value: Value<'_>) {
        self.text.push_str(value.payload());
        self.cells.push(Cell { kind: value.kind(), end: offset(self.text.len()) });
    }

    /// Ends the row whose cells were pushed; it becomes a malformed one where its account cannot be one.
    pub(super) fn end_row(&mut self, line: u64) {
        let (cells, text) = self.kept_end();
        let row = Row {
            position: 0,
            verdict: NOTHING,
            text: &self.text,
            start: text,
            cells: &self.cells[cells as usize..],
        };
        match check_account(row.get(0)) {
            Ok(()) => {
                let (verdict, took) = self.judge(&|index| row.get(index));
                self.count(verdict, took);
                if verdict.is_worth_keeping() {
                    self.keep_row(line, verdict);
                } else {
                    self.cells.truncate(cells as usize);
                    self.text.truncate(text as usize);
                }
            }
            Err(reason) => self.bad_row(line, 1, reason.to_owned()),
        }
    }

    /// As pushing so many cells and ending the row, for a source that has them all at hand: what is not kept is not
    /// copied.
    pub(super) fn add_row<'v>(&mut self, line: u64, cells: usize, cell: impl Fn(usize) -> Value<'v>) {
        match check_account(cell(0)) {
            Ok(()) => {
                let (verdict, took) = self.judge(&cell);
                self.count(verdict, took);
                if verdict.is_worth_keeping() {
                    (0..cells).for_each(|index| self.push(cell(index)));
                    self.keep_row(line, verdict);
                }
            }
            Err(reason) => self.bad_row(line, 1, reason.to_owned()),
        }
    }

    /// Holds a row against the filters, and says how long that took where it is one that is timed.
    fn judge<'v>(&self, cell: &impl Fn(usize) -> Value<'v>) -> (Verdict, Option<Duration>) {
        let is_idle = self.filters.is_in.is_none() && self.filters.suppresses.is_none();
        if !is_idle && self.good.is_multiple_of(TIMED_ONE_OF) {
            let start = Instant::now();
            let verdict = self.filters.judge(cell);
            (verdict, Some(start.elapsed()))
        } else {
            (self.filters.judge(cell), None)
        }
    }

    fn count(&mut self, verdict: Verdict, took: Option<Duration>) {
        self.good += 1;
        self.matching += u64::from(verdict.is_in);
        if let Some(took) = took {
            self.filtering += took * TIMED_ONE_OF as u32;
        }
    }

    fn keep_row(&mut self, line: u64, verdict: Verdict) {
        let position = position::pack(self.file, line);
        let (cells, text) = (offset(self.cells.len()), offset(self.text.len()));
        self.rows.push(RowEnd { position, cells, text, verdict });
    }

    /// Drops what was pushed of the row being read and notes why; it counts as so many rows.
    pub(super) fn bad_row(&mut self, line: u64, rows: u64, reason: String) {
        let (cells, text) = self.kept_end();
        self.cells.truncate(cells as usize);
        self.text.truncate(text as usize);
        self.bad.push(Malformed { position: position::pack(self.file, line), rows, reason });
    }

    /// The kept rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.rows.len()).map(|index| self.row(index))
    }

    pub(super) fn bad_rows(&self) -> &[Malformed] {
        &self.bad
    }

    /// Where cells and text of the kept rows end.
    fn kept_end(&self) -> (u32, u32) {
        self.rows.last().map_or((0, 0), |end| (end.cells, end.text))
    }
}

fn offset(length: usize) -> u32 {
    u32::try_from(length).expect("a block is bounded by FULL_BYTES and one row of MAX_ROW_BYTES")
}

/// One kept row of a [`Block`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    /// Where it begins; see [`position`].
    pub(super) position: u64,
    pub(super) verdict: Verdict,
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
