//! The rows that matched, read back in order without those that are nobody's push.
//!
//! A row is the index of its tuple plus one, or 0 with the tuple's text and where it stands; and the account.

use super::value::{self, Value};
use super::{Audience, Place, TupleId};
use crate::spill;
use crate::spill::record::Fields;

/// One who gets a push.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    account: &'a [u8],
    tuple: Tuple<'a>,
}

/// The values of a recipient's carried columns.
#[derive(Debug, Clone, Copy)]
pub enum Tuple<'a> {
    /// One of the audience's [`Audience::tuples`], which recipients with the same values share.
    Known(TupleId),
    /// The recipient's own, since there were too many different ones before it.
    Own(OwnTuple<'a>),
}

/// Values that are written down with their recipient alone.
#[derive(Debug, Clone, Copy)]
pub struct OwnTuple<'a> {
    text: &'a str,
    position: u64,
}

impl<'a> Recipient<'a> {
    /// The UserID.
    pub fn account(&self) -> &'a str {
        std::str::from_utf8(self.account).expect("a row's account was a text")
    }

    pub(crate) fn account_bytes(&self) -> &'a [u8] {
        self.account
    }

    /// The values.
    pub fn tuple(&self) -> Tuple<'a> {
        self.tuple
    }
}

impl<'a> OwnTuple<'a> {
    /// As [`decode`] takes it.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }
}

/// The values of a tuple's text.
pub(crate) fn decode(tuple: &str) -> Vec<Value<'_>> {
    value::decode(tuple).collect()
}

impl Audience {
    /// Gives every recipient to `each`, in the order of the source.
    ///
    /// # Errors
    /// Those of `each`, and a temporary file that cannot be read.
    pub fn each<E: From<spill::Error>>(
        &self,
        mut each: impl FnMut(Recipient<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut chunks = self.rows.read(0);
        let mut row = 0;
        while let Some(chunk) = chunks.next()? {
            let mut fields = Fields::new(chunk);
            while !fields.is_empty() {
                let tuple = match fields.u32() {
                    0 => Tuple::Own(OwnTuple { text: fields.text(), position: fields.number() }),
                    above => Tuple::Known(TupleId(above - 1)),
                };
                let account = fields.bytes();
                if !self.out.contains(row) {
                    each(Recipient { account, tuple })?;
                }
                row += 1;
            }
        }
        Ok(())
    }

    /// Where the row at a position stands.
    pub(crate) fn place_of(&self, position: u64) -> Place {
        Place::of(position, &self.sources)
    }
}
