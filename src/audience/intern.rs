//! Texts kept in one arena, and the table that finds them again.
//!
//! An audience of ten million recipients must not be ten million `String`s: a text costs its bytes, four for
//! where it ends and five in the table.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use sha2::{Digest, Sha256};

/// Texts in one arena, in the order in which they were added, counted from 0.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    text: String,
    ends: Vec<u32>,
}

/// The arena is at its bound of 4 GiB of text or 2^30 texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Texts {
    /// Two bits of every index stay free for its user's own marks.
    pub(crate) const MAX_LEN: u32 = (1 << 30) - 1;

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.ends.len()).expect("push refuses to go beyond MAX_LEN")
    }

    pub(crate) fn get(&self, index: u32) -> &str {
        let index = index as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[start as usize..self.ends[index] as usize]
    }

    pub(crate) fn push(&mut self, text: &str) -> Result<u32, Full> {
        let end = u32::try_from(self.text.len() + text.len()).map_err(|_| Full)?;
        let index = self.len();
        if index == Self::MAX_LEN {
            return Err(Full);
        }
        self.text.push_str(text);
        self.ends.push(end);
        Ok(index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// The texts of these indices, in this order.
    pub(crate) fn select(&self, indices: impl Iterator<Item = u32>) -> Self {
        let mut selected = Self::default();
        for index in indices {
            selected.push(self.get(index)).expect("a selection is no larger than the whole");
        }
        selected.text.shrink_to_fit();
        selected.ends.shrink_to_fit();
        selected
    }

    /// Feeds number, lengths and bytes, so that no two different lists feed the same.
    pub(crate) fn digest(&self, sha: &mut Sha256) {
        sha.update(self.len().to_le_bytes());
        let mut bytes = Vec::with_capacity(4096);
        for chunk in self.ends.chunks(1024) {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|end| end.to_le_bytes()));
            sha.update(&bytes);
        }
        sha.update(self.text.as_bytes());
    }
}

/// Texts of which no two are equal. Comparison is exact; a hash only says where to look.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    texts: Texts,
    table: HashTable<u32>,
}

impl Interner {
    /// The index of a text, and whether it is new.
    pub(crate) fn intern(&mut self, text: &str) -> Result<(u32, bool), Full> {
        let hash = hash(text);
        if let Some(index) = self.table.find(hash, |index| self.texts.get(*index) == text) {
            return Ok((*index, false));
        }
        if self.table.len() == self.table.capacity() {
            self.grow();
        }
        let index = self.texts.push(text)?;
        self.table.insert_unique(hash, index, |_| unreachable!("grow made room"));
        Ok((index, true))
    }

    pub(crate) fn get(&self, index: u32) -> &str {
        self.texts.get(index)
    }

    /// The texts without the table.
    pub(crate) fn into_texts(self) -> Texts {
        self.texts
    }

    /// Doubles the table. The old one is freed first and the new one filled in the arena's order: half the
    /// memory of the table's own growth, and reads that run forward instead of jumping.
    fn grow(&mut self) {
        let room = (self.table.len() * 2).max(1 << 10);
        self.table = HashTable::new();
        self.table = HashTable::with_capacity(room);
        for (index, text) in (0..).zip(self.texts.iter()) {
            self.table.insert_unique(hash(text), index, |_| unreachable!("the table was made large enough"));
        }
    }
}

/// A fixed seed: the same input takes the same steps on every run.
fn hash(text: &str) -> u64 {
    FixedState::with_seed(0).hash_one(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn equal_texts_share_an_index_and_different_ones_do_not(texts in prop::collection::vec("[ab]{0,12}", 0..3000)) {
            let mut interner = Interner::default();
            let mut model = HashMap::new();
            for text in &texts {
                let next = u32::try_from(model.len()).unwrap();
                let known = model.get(text).copied();
                prop_assert_eq!(interner.intern(text), Ok((known.unwrap_or(next), known.is_none())));
                model.entry(text.clone()).or_insert(next);
            }
            let kept = interner.into_texts();
            prop_assert_eq!(kept.iter().count(), model.len());
            for (text, index) in model {
                prop_assert_eq!(kept.get(index), text);
            }
        }
    }

    #[test]
    fn a_digest_tells_where_one_text_ends_and_the_next_begins() {
        let digest = |texts: &[&str]| {
            let mut kept = Texts::default();
            for text in texts {
                kept.push(text).unwrap();
            }
            let mut sha = Sha256::new();
            kept.digest(&mut sha);
            sha.finalize()
        };
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_ne!(digest(&["abc"]), digest(&["abc", ""]));
    }
}
