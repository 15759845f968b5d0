//! How rows spell ids, words and times.

use std::cell::RefCell;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::state::Status;

/// The largest account list that a state can hold: 500 accounts of some kilobytes each.
const ACCOUNTS_MAX: usize = 16 << 20;

/// Accounts of one batch, 500 short ids, take about 2 KiB at this level; higher levels gain little.
const ZSTD_LEVEL: i32 = 1;

pub(super) fn batch_id(run: i64, number: u32) -> i64 {
    (run << 32) | i64::from(number)
}

pub(super) fn number_of(id: i64) -> u32 {
    (id & i64::from(u32::MAX)) as u32
}

/// First and last id that batches of a run can have.
pub(super) fn batches_of(run: i64) -> [i64; 2] {
    [batch_id(run, 0), batch_id(run, u32::MAX)]
}

pub(super) fn status(row: &Row<'_>, column: usize) -> rusqlite::Result<Status> {
    let word = row.get_ref(column)?.as_str()?;
    Status::from_word(word).ok_or_else(|| unreadable(column, format!("unknown status '{word}'")))
}

pub(super) fn time(column: usize, milliseconds: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(milliseconds).map_err(|e| unreadable(column, e))
}

pub(super) fn unreadable(
    column: usize,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, why.into())
}

/// An update that meets no row would lose what happened without a word.
pub(super) fn exactly_one(rows: usize) -> rusqlite::Result<()> {
    if rows == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(rows)) }
}

/// The row id of a run.
pub(super) fn run_id(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM run WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

/// Packs a JSON array's text for the `account` table.
#[derive(Default)]
pub(super) struct Packer(Option<zstd::bulk::Compressor<'static>>);

impl Packer {
    pub(super) fn pack(&mut self, json: &str) -> rusqlite::Result<Vec<u8>> {
        let failed = |e| rusqlite::Error::ToSqlConversionFailure(Box::new(e));
        let compressor = match &mut self.0 {
            Some(compressor) => compressor,
            none => none.insert(zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(failed)?),
        };
        compressor.compress(json.as_bytes()).map_err(failed)
    }
}

/// Unpacks what a [`Packer`] has packed, in one column of a row.
pub(super) fn unpacked(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    thread_local! {
        /// Kept, because to make one takes longer than to unpack a batch with it.
        static UNPACKER: RefCell<zstd::bulk::Decompressor<'static>> =
            RefCell::new(zstd::bulk::Decompressor::new().expect("without a dictionary nothing can be wrong with it"));
    }
    let packed = row.get_ref(column)?.as_blob()?;
    let bytes = UNPACKER.with_borrow_mut(|unpacker| unpacker.decompress(packed, ACCOUNTS_MAX));
    let bytes = bytes.map_err(|e| unreadable(column, e))?;
    String::from_utf8(bytes).map_err(|e| unreadable(column, e))
}

/// The accounts of a batch as a JSON array's text.
pub(super) fn accounts_json(connection: &Connection, batch: i64) -> rusqlite::Result<String> {
    connection
        .prepare_cached("SELECT json FROM account WHERE batch = ?1")?
        .query_row([batch], |row| unpacked(row, 0))
}

/// The accounts of a batch.
pub(super) fn accounts(connection: &Connection, batch: i64) -> rusqlite::Result<Vec<String>> {
    serde_json::from_str(&accounts_json(connection, batch)?).map_err(|e| unreadable(0, e))
}
