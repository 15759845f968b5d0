//! The messages of recipients who bring values of their own, when there are too many different ones to keep.
//!
//! Such a message is known by its [`Key`] alone, until it is sent: it is rendered anew from the recipient's values.
//! They are dealt out to parts by wave and key, so that equal messages meet; within a wave they are sent in the order
//! of their keys.

use std::sync::Arc;

use super::Key;
use crate::spill::record::{Fields, put_bytes};
use crate::spill::{self, Memory, Pool};

/// Parts of a wave, by the key's first bits.
const PARTS: usize = 64;

#[derive(Debug)]
pub(super) struct Others {
    /// A record is the key, the text of the tuple, and the account.
    pool: Pool,
}

impl Others {
    pub(super) fn new(memory: &Arc<Memory>) -> Self {
        Self { pool: Pool::new(memory, 0) }
    }

    pub(super) fn put(
        &mut self,
        wave: u32,
        key: Key,
        tuple: &str,
        account: &[u8],
    ) -> Result<(), spill::Error> {
        let first = wave as usize * PARTS;
        self.pool.grow(first + PARTS);
        self.pool.append(first + usize::from(key[0]) * PARTS / 256, |record| {
            record.extend_from_slice(&key);
            put_bytes(record, tuple.as_bytes());
            put_bytes(record, account);
        })
    }

    /// The messages of a wave.
    pub(super) fn wave(&self, wave: u32) -> Messages<'_> {
        let first = wave as usize * PARTS;
        let parts = first.min(self.pool.parts())..(first + PARTS).min(self.pool.parts());
        Messages { others: self, parts, records: Vec::new(), index: Vec::new(), next: 0 }
    }
}

/// The messages of a wave in the order of their keys, each with its recipients in the audience's order.
#[derive(Debug)]
pub(super) struct Messages<'o> {
    others: &'o Others,
    parts: std::ops::Range<usize>,
    /// The part at hand.
    records: Vec<u8>,
    /// Key of each recipient and where its tuple stands in the records.
    index: Vec<(Key, u32)>,
    next: usize,
}

impl Messages<'_> {
    /// The key of the next message and how many recipients it has; `None` behind the last.
    pub(super) fn next(&mut self) -> Result<Option<(Key, u32)>, spill::Error> {
        while self.next == self.index.len() {
            let Some(part) = self.parts.next() else { return Ok(None) };
            self.read_part(part)?;
        }
        let key = self.index[self.next].0;
        let same = self.index[self.next..].iter().take_while(|(other, _)| *other == key).count();
        Ok(Some((key, same as u32)))
    }

    /// The text of the tuple of the next recipient.
    pub(super) fn tuple(&self) -> &str {
        Fields::new(&self.records[self.index[self.next].1 as usize..]).text()
    }

    /// The next recipient of the message at hand.
    pub(super) fn account(&mut self) -> &[u8] {
        let mut fields = Fields::new(&self.records[self.index[self.next].1 as usize..]);
        self.next += 1;
        fields.bytes();
        fields.bytes()
    }

    fn read_part(&mut self, part: usize) -> Result<(), spill::Error> {
        self.records.clear();
        self.index.clear();
        self.next = 0;
        self.others.pool.read(part).read_to_end(&mut self.records)?;
        let mut fields = Fields::new(&self.records);
        while !fields.is_empty() {
            let key = fields.fixed();
            self.index.push((key, (self.records.len() - fields.len()) as u32));
            fields.bytes();
            fields.bytes();
        }
        // Stable: recipients of one message keep their order.
        self.index.sort_by_key(|(key, _)| *key);
        Ok(())
    }
}
