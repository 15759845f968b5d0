//! A pool of records in parts.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::record::Fields;
use super::{Error, Memory};

/// Bytes that a part gathers before they are kept or written: large enough that the disk sees long writes.
const CHUNK: usize = 32 << 10;

/// Records in parts, each part in the order in which its records came.
#[derive(Debug)]
pub(crate) struct Pool {
    parts: Vec<Part>,
    memory: Arc<Memory>,
    /// Made with the first chunk that does not fit into memory; all parts share it.
    file: Option<File>,
    written: u64,
}

#[derive(Debug, Default)]
struct Part {
    closed: Vec<Chunk>,
    /// Being filled.
    open: Vec<u8>,
}

#[derive(Debug)]
enum Chunk {
    Memory(Box<[u8]>),
    File { at: u64, length: usize },
}

impl Pool {
    pub(crate) fn new(memory: &Arc<Memory>, parts: usize) -> Self {
        let parts = std::iter::repeat_with(Part::default).take(parts).collect();
        Self { parts, memory: Arc::clone(memory), file: None, written: 0 }
    }

    pub(crate) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Adds empty parts behind the last, until there are so many.
    pub(crate) fn grow(&mut self, parts: usize) {
        if self.parts.len() < parts {
            self.parts.resize_with(parts, Part::default);
        }
    }

    /// Appends what `write` appends as one record. It is never split: a chunk holds whole records.
    pub(crate) fn append(&mut self, part: usize, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        let open = &mut self.parts[part].open;
        if open.capacity() == 0 {
            // The last record may run over.
            open.reserve_exact(CHUNK + CHUNK / 8);
        }
        write(open);
        if open.len() >= CHUNK { self.close(part) } else { Ok(()) }
    }

    fn close(&mut self, part: usize) -> Result<(), Error> {
        let Part { closed, open } = &mut self.parts[part];
        if self.memory.take(open.len()) {
            closed.push(Chunk::Memory(open.as_slice().into()));
        } else {
            let file = match &self.file {
                Some(file) => file,
                None => self.file.insert(tempfile::tempfile().map_err(Error::new)?),
            };
            file.write_all_at(open, self.written).map_err(Error::new)?;
            closed.push(Chunk::File { at: self.written, length: open.len() });
            self.written += open.len() as u64;
            self.memory.spilled.fetch_add(open.len() as u64, std::sync::atomic::Ordering::Relaxed);
        }
        open.clear();
        Ok(())
    }

    /// The records of a part, a chunk at a time; none where there is no such part.
    pub(crate) fn read(&self, part: usize) -> Chunks<'_> {
        Chunks { pool: self, part: self.parts.get(part), next: 0, buffer: Vec::new() }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let chunks = self.parts.iter().flat_map(|part| &part.closed);
        let kept = chunks.map(|chunk| if let Chunk::Memory(bytes) = chunk { bytes.len() } else { 0 }).sum();
        self.memory.give_back(kept);
    }
}

/// Reads the chunks of a part in order.
#[derive(Debug)]
pub(crate) struct Chunks<'p> {
    pool: &'p Pool,
    part: Option<&'p Part>,
    next: usize,
    buffer: Vec<u8>,
}

impl Chunks<'_> {
    /// Whole records, at least one; `None` behind the last.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, Error> {
        let Some(part) = self.part else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        Ok(match part.closed.get(index) {
            Some(Chunk::Memory(bytes)) => Some(bytes),
            Some(Chunk::File { at, length }) => {
                self.buffer.resize(*length, 0);
                let file =
                    self.pool.file.as_ref().ok_or_else(|| Error::new(io::ErrorKind::NotFound.into()))?;
                file.read_exact_at(&mut self.buffer, *at).map_err(Error::new)?;
                Some(&self.buffer)
            }
            None if index == part.closed.len() && !part.open.is_empty() => Some(&part.open),
            None => None,
        })
    }

    /// Appends everything that is left.
    pub(crate) fn read_to_end(&mut self, records: &mut Vec<u8>) -> Result<(), Error> {
        while let Some(chunk) = self.next()? {
            records.extend_from_slice(chunk);
        }
        Ok(())
    }
}

/// Reads the records of a part one by one, where each is a single field of bytes.
#[derive(Debug)]
pub(crate) struct Texts<'p> {
    chunks: Chunks<'p>,
    /// The chunk at hand, and where its next record begins.
    chunk: Vec<u8>,
    at: usize,
}

impl Pool {
    /// The records of a part whose records are single fields of bytes.
    pub(crate) fn texts(&self, part: usize) -> Texts<'_> {
        Texts { chunks: self.read(part), chunk: Vec::new(), at: 0 }
    }
}

impl Texts<'_> {
    /// The next record; `None` behind the last.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, Error> {
        if self.at == self.chunk.len() {
            self.chunk.clear();
            self.at = 0;
            let Some(chunk) = self.chunks.next()? else { return Ok(None) };
            self.chunk.extend_from_slice(chunk);
        }
        let mut fields = Fields::new(&self.chunk[self.at..]);
        let text = fields.bytes();
        self.at = self.chunk.len() - fields.len();
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spill::record::put_bytes;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        /// Whether the memory holds all, some or nothing of it.
        #[test]
        fn a_part_gives_back_its_records_in_order(
            records in prop::collection::vec((0_usize..3, prop_oneof![9 => 0_usize..2_000, 1 => 0_usize..80_000]), 0..300),
            memory in prop_oneof![Just(0), Just(100_000), Just(usize::MAX / 2)],
        ) {
            let memory = Arc::new(Memory::new(memory));
            let mut pool = Pool::new(&memory, 3);
            let mut expected = vec![Vec::new(); 3];
            for (number, (part, length)) in (0..=u8::MAX).cycle().zip(&records) {
                let record = vec![number; *length];
                pool.append(*part, |out| put_bytes(out, &record)).unwrap();
                expected[*part].push(record);
            }
            for (part, expected) in expected.iter().enumerate() {
                let mut chunks = pool.read(part);
                let (mut got, mut texts) = (Vec::new(), pool.texts(part));
                while let Some(chunk) = chunks.next().unwrap() {
                    let mut fields = Fields::new(chunk);
                    while !fields.is_empty() {
                        let record = fields.bytes();
                        prop_assert_eq!(texts.next().unwrap(), Some(record));
                        got.push(record.to_vec());
                    }
                }
                prop_assert_eq!(texts.next().unwrap(), None);
                prop_assert_eq!(&got, expected);
            }
        }
    }

    #[test]
    fn memory_is_given_back_and_what_went_to_a_file_is_counted() {
        let memory = Arc::new(Memory::new(3 * CHUNK));
        let fill = || {
            let mut pool = Pool::new(&memory, 1);
            (0..5).try_for_each(|_| pool.append(0, |out| out.extend(std::iter::repeat_n(7, CHUNK)))).unwrap();
            pool
        };
        drop(fill());
        assert_eq!(memory.spilled(), 2 * CHUNK as u64);
        drop(fill());
        assert_eq!(memory.spilled(), 4 * CHUNK as u64, "the first pool's memory was there again");
    }
}
