//! Accounts written into the campaign file. Their line is their position in the list.

use super::{Block, Error, Reader, Wanted, indices};
use crate::audience::value::Value;

/// The only column.
pub(super) const COLUMN: &str = "account";

/// What messages call the source.
pub(super) const NAME: &str = "accounts";

pub(super) struct AccountsReader<'s> {
    rest: std::iter::Zip<std::ops::RangeFrom<u64>, std::slice::Iter<'s, String>>,
    /// How many cells a row has; every one of them is the account.
    width: usize,
}

impl<'s> AccountsReader<'s> {
    pub(super) fn new(accounts: &'s [String], wanted: &Wanted) -> Result<Self, Error> {
        let width = indices(NAME, wanted, &[COLUMN.to_owned()])?.len();
        Ok(Self { rest: (1..).zip(accounts), width })
    }
}

impl Reader for AccountsReader<'_> {
    fn fill(&mut self, block: &mut Block<'_>) -> Result<bool, Error> {
        while !block.is_full() {
            let Some((position, account)) = self.rest.next() else { return Ok(false) };
            for _ in 0..self.width {
                block.push(Value::Text(account));
            }
            block.end_row(position);
        }
        Ok(true)
    }
}
