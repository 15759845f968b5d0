//! The messages of tuples that recipients share, and their recipients in sending order.
//!
//! There are few enough of these messages to count their recipients in memory. So the place of each recipient in the
//! sending order is known when it is met: one pass over the audience deals the recipients out to parts of
//! consecutive places, and each part is put in order when it is read.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::Key;
use crate::spill::record::{Fields, put_bytes, put_number};
use crate::spill::{self, Memory, Pool, Texts};

/// Most parts of the sending order: as many as can be written to in turn with long writes.
const PARTS: u64 = 256;

/// Fewest places of a part; with fewer, parts would cost more than they hold.
const PART_MIN: u64 = 1 << 14;

/// One message of one wave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) wave: u32,
    pub(super) key: Key,
    pub(super) recipients: u32,
}

/// Messages while their recipients are counted.
#[derive(Debug)]
pub(super) struct Groups {
    /// In the order in which they were met.
    list: Vec<Group>,
    index: HashMap<(u32, Key), u32>,
    /// The JSON texts of a wave's messages: a part a wave, in the order of the groups.
    texts: Pool,
    memory: Arc<Memory>,
}

impl Groups {
    pub(super) fn new(memory: &Arc<Memory>) -> Self {
        let texts = Pool::new(memory, 0);
        Self { list: Vec::new(), index: HashMap::new(), texts, memory: Arc::clone(memory) }
    }

    pub(super) fn find(&self, wave: u32, key: Key) -> Option<u32> {
        self.index.get(&(wave, key)).copied()
    }

    /// Adds recipients to the group of a message, which is made where there is none.
    pub(super) fn add(
        &mut self,
        wave: u32,
        key: Key,
        json: &str,
        recipients: u32,
    ) -> Result<u32, spill::Error> {
        let group = match self.index.entry((wave, key)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.texts.grow(wave as usize + 1);
                self.texts.append(wave as usize, |record| put_bytes(record, json.as_bytes()))?;
                self.list.push(Group { wave, key, recipients: 0 });
                *new.insert(self.list.len() as u32 - 1)
            }
        };
        self.add_to(group, recipients);
        Ok(group)
    }

    pub(super) fn add_to(&mut self, group: u32, recipients: u32) {
        self.list[group as usize].recipients += recipients;
    }

    /// All recipients are counted: now they can be placed. Waves are sent in the order of `ranks`, one a wave.
    pub(super) fn place(self, ranks: &[u32]) -> Placing {
        let mut order: Vec<u32> = (0..self.list.len() as u32).collect();
        order.sort_by_key(|&group| ranks[self.list[group as usize].wave as usize]);
        let mut next = vec![0; self.list.len()];
        let mut all = 0;
        for &group in &order {
            next[group as usize] = all;
            all += u64::from(self.list[group as usize].recipients);
        }
        // A power of two: a place is taken apart for everybody.
        let part_len = all.div_ceil(PARTS).max(PART_MIN).next_power_of_two();
        let placed = Pool::new(&self.memory, all.div_ceil(part_len) as usize);
        let groups = order.iter().map(|&group| self.list[group as usize]).collect();
        Placing { next, known: Known { groups, texts: self.texts, placed, part_len } }
    }
}

/// Recipients on their way to their places.
#[derive(Debug)]
pub(super) struct Placing {
    /// The next place of each group.
    next: Vec<u64>,
    known: Known,
}

impl Placing {
    /// Gives a recipient the next place of its group.
    pub(super) fn put(&mut self, group: u32, account: &[u8]) -> Result<(), spill::Error> {
        let place = &mut self.next[group as usize];
        let (part, at) = (*place >> self.known.part_len.trailing_zeros(), *place & (self.known.part_len - 1));
        *place += 1;
        self.known.placed.append(part as usize, |record| {
            put_number(record, at);
            put_bytes(record, account);
        })
    }

    pub(super) fn finish(self) -> Known {
        self.known
    }
}

/// The groups in sending order, and everybody in them.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) groups: Vec<Group>,
    texts: Pool,
    placed: Pool,
    part_len: u64,
}

impl Known {
    /// The messages of a wave, in the order of its groups.
    pub(super) fn texts(&self, wave: u32) -> Texts<'_> {
        self.texts.texts(wave as usize)
    }

    pub(super) fn accounts(&self) -> Accounts<'_> {
        Accounts { known: self, part: 0, records: Vec::new(), starts: Vec::new(), next: 0 }
    }
}

/// Everybody in sending order.
#[derive(Debug)]
pub(super) struct Accounts<'k> {
    known: &'k Known,
    /// The next part to read.
    part: usize,
    records: Vec<u8>,
    /// Where the account of each place of the part at hand stands in the records.
    starts: Vec<u32>,
    next: usize,
}

impl Accounts<'_> {
    /// The next account. The groups say how many there are.
    pub(super) fn next(&mut self) -> Result<&[u8], spill::Error> {
        if self.next == self.starts.len() {
            self.read_part()?;
        }
        let start = self.starts[self.next] as usize;
        self.next += 1;
        Ok(Fields::new(&self.records[start..]).bytes())
    }

    fn read_part(&mut self) -> Result<(), spill::Error> {
        self.records.clear();
        self.known.placed.read(self.part).read_to_end(&mut self.records)?;
        self.part += 1;
        self.next = 0;
        self.starts.clear();
        self.starts.resize(self.known.part_len as usize, 0);
        let mut fields = Fields::new(&self.records);
        let mut count = 0;
        while !fields.is_empty() {
            let at = fields.number() as usize;
            self.starts[at] = (self.records.len() - fields.len()) as u32;
            fields.bytes();
            count += 1;
        }
        // The last part has fewer; places have no gaps.
        self.starts.truncate(count);
        Ok(())
    }
}
