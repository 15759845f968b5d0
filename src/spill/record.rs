//! How fields stand in a record: integers in as many bytes as they need, texts behind their length.

/// Appends an integer: seven bits a byte, the lowest first; all bytes but the last have the eighth set.
pub(crate) fn put_number(record: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        record.push(number as u8 | 0x80);
        number >>= 7;
    }
    record.push(number as u8);
}

/// Appends bytes behind their number.
pub(crate) fn put_bytes(record: &mut Vec<u8>, bytes: &[u8]) {
    put_number(record, bytes.len() as u64);
    record.extend_from_slice(bytes);
}

/// The fields of records that follow each other, taken from the front.
///
/// # Panics
/// Where the bytes are not what the functions above wrote: nobody else writes to a pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(records: &'a [u8]) -> Self {
        Self(records)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes that are left.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().expect(WHOLE);
        self.0 = rest;
        *first
    }

    pub(crate) fn number(&mut self) -> u64 {
        let first = self.byte();
        if first < 0x80 {
            return first.into();
        }
        let (mut number, mut shift) = (u64::from(first & 0x7f), 7);
        loop {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::try_from(self.number()).expect(WHOLE)
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> [u8; N] {
        let (first, rest) = self.0.split_first_chunk().expect(WHOLE);
        self.0 = rest;
        *first
    }

    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let length = self.number() as usize;
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

    pub(crate) fn text(&mut self) -> &'a str {
        std::str::from_utf8(self.bytes()).expect(WHOLE)
    }
}

const WHOLE: &str = "a chunk holds whole records, as they were written";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fields_read_back(fields in prop::collection::vec((any::<u64>(), ".{0,200}"), 0..20)) {
            let mut record = Vec::new();
            for (number, text) in &fields {
                put_number(&mut record, *number);
                put_bytes(&mut record, text.as_bytes());
            }
            let mut read = Fields::new(&record);
            for (number, text) in &fields {
                prop_assert_eq!(read.number(), *number);
                prop_assert_eq!(read.text(), text);
            }
            prop_assert!(read.is_empty());
        }
    }
}
