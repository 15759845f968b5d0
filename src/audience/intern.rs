//! Texts kept in one arena, and the table that finds them again.
//!
//! Hundreds of thousands of tuples must not be as many `String`s: a text costs its bytes, four for where it ends
//! and five in the table.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// Texts in one arena, in the order in which they were added, counted from 0. Whoever adds them sees to it that
/// they stay below 4 GiB.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    text: String,
    ends: Vec<u32>,
}

impl Texts {
    pub(crate) fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    /// Bytes of all texts.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn get(&self, index: u32) -> &str {
        let index = index as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[start as usize..self.ends[index] as usize]
    }

    fn push(&mut self, text: &str) -> u32 {
        let index = self.len();
        self.text.push_str(text);
        self.ends.push(u32::try_from(self.text.len()).expect("the texts stay below 4 GiB"));
        index
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
    pub(crate) fn intern(&mut self, text: &str) -> (u32, bool) {
        if let Some(index) = self.find(text) {
            return (index, false);
        }
        let index = self.texts.push(text);
        self.table.insert_unique(hash(text), index, |index| hash(self.texts.get(*index)));
        (index, true)
    }

    /// The index of a text, if it is there.
    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        self.table.find(hash(text), |index| self.texts.get(*index) == text).copied()
    }

    pub(crate) fn texts(&self) -> &Texts {
        &self.texts
    }

    /// The texts without the table.
    pub(crate) fn into_texts(self) -> Texts {
        self.texts
    }
}

/// A fixed seed: the same input takes the same steps on every run.
pub(super) fn hash(text: impl AsRef<[u8]>) -> u64 {
    FixedState::with_seed(0).hash_one(text.as_ref())
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
                prop_assert_eq!(interner.find(text), known);
                prop_assert_eq!(interner.intern(text), (known.unwrap_or(next), known.is_none()));
                model.entry(text.clone()).or_insert(next);
            }
            let kept = interner.into_texts();
            prop_assert_eq!(kept.len() as usize, model.len());
            for (text, index) in model {
                prop_assert_eq!(kept.get(index), text);
            }
        }
    }
}
