//! How rows spell ids, words, times and accounts.

use std::borrow::Cow;
use std::cell::RefCell;

use jiff::Timestamp;
use zstd::bulk::Decompressor;

use super::database::{Database, Fault, Row, cells};
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

/// The row id of a batch's run.
pub(super) fn run_of(id: i64) -> i64 {
    id >> 32
}

/// First and last id that batches of a run can have.
pub(super) fn batches_of(run: i64) -> [i64; 2] {
    [batch_id(run, 0), batch_id(run, u32::MAX)]
}

pub(super) fn status(row: &dyn Row, column: usize) -> Result<Status, Fault> {
    let word: Cow<'_, str> = row.get(column)?;
    Status::from_word(&word).ok_or_else(|| Fault::Damaged(format!("unknown status '{word}'")))
}

pub(super) fn time(row: &dyn Row, column: usize) -> Result<Timestamp, Fault> {
    Timestamp::from_millisecond(row.get(column)?).map_err(unreadable)
}

pub(super) fn maybe_time(row: &dyn Row, column: usize) -> Result<Option<Timestamp>, Fault> {
    row.get::<Option<i64>>(column)?.map(Timestamp::from_millisecond).transpose().map_err(unreadable)
}

pub(super) fn unreadable(why: impl std::fmt::Display) -> Fault {
    Fault::Damaged(why.to_string())
}

/// The row id of a run.
pub(super) fn run_id(database: &dyn Database, name: &str) -> Result<Option<i64>, Fault> {
    database.find("SELECT id FROM run WHERE name = ?1", &cells![name], |row| row.get(0))
}

/// Packs a JSON array's text for the `account` table.
#[derive(Default)]
pub(in crate::state) struct Packer(Option<zstd::bulk::Compressor<'static>>);

impl Packer {
    pub(in crate::state) fn pack(&mut self, json: &str) -> Result<Vec<u8>, Fault> {
        let compressor = match &mut self.0 {
            Some(compressor) => compressor,
            none => none.insert(zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(unreadable)?),
        };
        compressor.compress(json.as_bytes()).map_err(unreadable)
    }
}

/// The accounts of a row of the `account` table as a JSON array's text.
pub(super) fn accounts_json(row: &dyn Row, column: usize) -> Result<String, Fault> {
    thread_local! {
        /// Kept, because to make one takes longer than to unpack a batch with it.
        static UNPACKER: RefCell<Decompressor<'static>> =
            RefCell::new(Decompressor::new().expect("without a dictionary nothing can be wrong with it"));
    }
    let packed: Cow<'_, [u8]> = row.get(column)?;
    let bytes = UNPACKER.with_borrow_mut(|unpacker| unpacker.decompress(&packed, ACCOUNTS_MAX));
    String::from_utf8(bytes.map_err(unreadable)?).map_err(unreadable)
}

/// The accounts of a row of the `account` table.
pub(super) fn accounts(row: &dyn Row, column: usize) -> Result<Vec<String>, Fault> {
    parse_accounts(&accounts_json(row, column)?)
}

/// The accounts of a JSON array's text.
pub(super) fn parse_accounts(json: &str) -> Result<Vec<String>, Fault> {
    serde_json::from_str(json).map_err(unreadable)
}
