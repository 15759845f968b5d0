//! From a run's audience and its rendered messages to a closed list of batches.
//!
//! Pure: rendering, DataIds and what earlier runs have used are arguments. A plan made twice from equal inputs
//! is the same plan, byte for byte; apply adds nothing to it. Nothing here sends, stores or prints.
//!
//! # Invariants
//!
//! - Every recipient stands in exactly one batch; a batch has one message and 1 to 500 recipients.
//! - Batches are numbered in sending order, without a gap: messages in the order of their first recipient, and within
//!   a message the recipients in the audience's order.
//! - No two batches of a run have the same MsgRandom.

mod build;
pub mod cost;
pub mod digest;
pub mod gate;
mod msg_random;
pub mod predict;
pub mod summary;
#[cfg(test)]
mod tests;
pub mod warning;

use jiff::Timestamp;

pub use build::{Error, RenderErrors, build};
pub(crate) use msg_random::MsgRandoms;

use crate::audience::{Audience, Texts};
use crate::campaign::schedule::Wave;
use crate::campaign::{Campaign, Delivery};

/// Most accounts of one call (trtc.io document 67553).
pub const MAX_RECIPIENTS_A_CALL: u16 = 500;

/// What a run is, apart from who gets what.
#[derive(Debug, Clone, PartialEq)]
pub struct RunHeader {
    /// `autumn-sale@20261124T0900Z`
    pub run_id: String,
    /// The campaign's id.
    pub campaign: String,
    /// `once`, `r2` (a raised revision) or the instant in UTC: `20261124T0900Z`.
    pub occurrence: String,
    /// The app's name in the workspace.
    pub app: String,
    /// `From_Account`.
    pub from: String,
    /// When what is not sent yet is no longer sent; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// How it is sent.
    pub delivery: Delivery,
    /// [`Campaign::content_digest`] in hex.
    pub content_digest: String,
    /// The number of the first batch: 1, and more where the plan takes the place of what was left of another.
    pub first_batch: u32,
}

impl RunHeader {
    /// The run of a campaign at one of its occurrences.
    pub fn new(campaign: &Campaign, occurrence: &str, expires_at: Option<Timestamp>) -> Self {
        Self {
            run_id: format!("{}@{occurrence}", campaign.id),
            campaign: campaign.id.clone(),
            occurrence: occurrence.to_owned(),
            app: campaign.app.clone(),
            from: campaign.from.clone(),
            expires_at,
            delivery: campaign.delivery,
            content_digest: digest::hex(&campaign.content_digest()),
            first_batch: 1,
        }
    }
}

/// The closed list of batches of one run.
#[derive(Debug)]
pub struct Plan {
    header: RunHeader,
    waves: Vec<Wave>,
    audience: Audience,
    messages: Vec<Message>,
    /// The message of each tuple, by the tuple's index.
    message_of_tuple: Vec<u32>,
    /// The recipients in sending order.
    order: Vec<u32>,
    slots: Vec<Slot>,
    /// One a batch.
    data_ids: Texts,
    digest: [u8; 32],
}

/// One rendered OfflinePushInfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// As it is sent: the JSON text of an object.
    pub json: Box<str>,
    /// SHA-256 of `json`.
    pub digest: [u8; 32],
    /// How many recipients get it; at least 1.
    pub recipients: u32,
}

/// A batch as the plan keeps it; `first` counts in [`Plan::order`].
#[derive(Debug, Clone, Copy)]
struct Slot {
    message: u32,
    first: u32,
    recipients: u16,
    msg_random: u32,
}

/// One API call.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'p> {
    /// In sending order.
    pub number: u32,
    /// Index into [`Plan::messages`].
    pub message: u32,
    /// Index into [`Plan::waves`].
    pub wave: u32,
    /// MsgRandom; never 0, and in no other batch of the run.
    pub msg_random: u32,
    /// DataId; at most 64 bytes.
    pub data_id: &'p str,
    audience: &'p Audience,
    members: &'p [u32],
}

impl<'p> Batch<'p> {
    /// Number of recipients, 1 to 500.
    pub fn recipients(&self) -> u16 {
        u16::try_from(self.members.len()).expect("a batch has at most 500 recipients")
    }

    /// To_Account, in order.
    pub fn accounts(&self) -> impl ExactSizeIterator<Item = &'p str> + use<'p> {
        let audience = self.audience;
        self.members.iter().map(|&recipient| audience.account(recipient))
    }

    /// Appends To_Account as the text of a JSON array.
    pub fn accounts_json(&self, json: &mut String) {
        let mut before = '[';
        for account in self.accounts() {
            json.push(before);
            push_json_string(json, account);
            before = ',';
        }
        json.push(']');
    }
}

/// Appends an account as a JSON string. An account holds no control character, so that only two need a `\`.
fn push_json_string(json: &mut String, account: &str) {
    json.push('"');
    for part in account.split_inclusive(['"', '\\']) {
        match part.strip_suffix(['"', '\\']) {
            Some(plain) => {
                json.push_str(plain);
                json.push('\\');
                json.push_str(&part[plain.len()..]);
            }
            None => json.push_str(part),
        }
    }
    json.push('"');
}

impl Plan {
    /// What run it is.
    pub fn header(&self) -> &RunHeader {
        &self.header
    }

    /// When its batches may be sent: at least one, in the order in which they open. Batches are numbered in the order
    /// of their waves.
    pub fn waves(&self) -> &[Wave] {
        &self.waves
    }

    /// Who gets it.
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// The distinct messages, in the order of their first recipient.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Number of batches.
    pub fn calls(&self) -> u32 {
        self.data_ids.len()
    }

    /// The batches, in sending order.
    pub fn batches(&self) -> impl ExactSizeIterator<Item = Batch<'_>> {
        self.slots.iter().zip(0..self.calls()).map(|(slot, index)| Batch {
            number: self.header.first_batch + index,
            message: slot.message,
            wave: 0,
            msg_random: slot.msg_random,
            data_id: self.data_ids.get(index),
            audience: &self.audience,
            members: &self.order[slot.first as usize..][..usize::from(slot.recipients)],
        })
    }

    /// The audience's digest, in hex.
    pub fn audience_digest(&self) -> String {
        digest::hex(&self.audience.digest())
    }

    /// SHA-256 over the header, the audience's digest, the messages and the batches, in hex.
    pub fn digest(&self) -> String {
        digest::hex(&self.digest)
    }
}
