//! One look at every batch of a plan: what they come to, and their digests.

use std::fmt;

use super::content::Content;
use super::digest::Digests;
use super::predict::Sizes;
use super::summary::Sample;
use super::{BATCHES_MAX, Error, Plan, Taken};

/// Rendered messages shown of each run.
const SAMPLES: usize = 3;

/// What the batches of a plan come to.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) sizes: Sizes,
    /// Of each wave.
    pub(super) waves: Vec<Sizes>,
    pub(super) messages: u32,
    /// The first recipients of the first messages.
    pub(super) samples: Vec<Sample>,
    pub(super) audience_digest: [u8; 32],
    pub(super) digest: [u8; 32],
}

impl Plan {
    /// Counts the batches, finds their MsgRandoms, and takes the digests.
    pub(super) fn count<C: Content>(
        &mut self,
        content: &C,
        taken: Option<Taken<'_>>,
    ) -> Result<(), Error<C::Error>>
    where
        C::Error: fmt::Display,
    {
        let mut totals = Totals { waves: vec![Sizes::new(); self.waves.len()], ..Totals::default() };
        let mut choices = std::collections::BTreeMap::new();
        let mut digests = Digests::new(&self.header, &self.columns);
        let mut batches = self.batches();
        while let Some(batch) = batches.next()? {
            let number = batch.number;
            if number > BATCHES_MAX {
                return Err(Error::TooManyCalls);
            }
            let data_id = content.data_id(number).map_err(|error| Error::DataId { batch: number, error })?;
            let (msg_random, choice) =
                self.randoms.next(number, |random| taken.is_some_and(|taken| taken(random, &data_id)));
            if choice > 0 {
                choices.insert(number, choice);
            }
            if batch.begins_message {
                totals.messages += 1;
                digests.message(&batch.key);
                if totals.samples.len() < SAMPLES {
                    let accounts: Vec<String> =
                        serde_json::from_str(batch.accounts_json).expect("the accounts of a batch are JSON");
                    let account = accounts.into_iter().next().expect("a batch has a recipient");
                    totals.samples.push(Sample { account, message: batch.message_json().into_owned() });
                }
            }
            totals.sizes.push(batch.recipients);
            totals.waves[batch.wave as usize].push(batch.recipients);
            digests.batch(batch.accounts_json, batch.wave, msg_random, &data_id);
        }
        (totals.audience_digest, totals.digest) = digests.finish(&self.waves);
        self.choices = choices;
        self.totals = totals;
        Ok(())
    }
}
