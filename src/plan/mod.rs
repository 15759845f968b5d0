//! From a run's audience and its rendered messages to a closed list of batches.
//!
//! Pure: rendering, DataIds and what earlier runs have used are arguments. A plan made twice from equal inputs
//! is the same plan, byte for byte; apply adds nothing to it. Nothing here sends, stores or prints.
//!
//! # Invariants
//!
//! - Every recipient stands in exactly one batch, or is counted as skipped for want of a wave; a batch has one
//!   message, one wave and 1 to 500 recipients.
//! - Batches are numbered in sending order, without a gap: waves in the order in which they open; in a wave the messages
//!   in the order in which the source first brings their values, and behind them, by their digests, those met when there
//!   were too many different values to keep; in a message the recipients in the audience's order (those of kept values first).
//! - No two batches of a run have the same MsgRandom.
//!
//! Messages are told apart by the first 128 bits of their SHA-256. Two different ones would have to share them for a
//! recipient to get another's message: one chance in 10^24 for ten million messages.

pub mod approval;
mod batches;
mod build;
pub mod change;
mod content;
pub mod cost;
pub mod digest;
pub mod gate;
mod known;
mod msg_random;
mod others;
pub mod predict;
pub mod summary;
#[cfg(test)]
mod tests;
mod totals;
pub mod warning;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

pub use batches::{Batch, Batches};
pub use build::{Error, RenderErrors, build};
pub use content::Content;
pub(crate) use msg_random::{BATCHES_MAX, MsgRandoms};

use crate::audience::{Stats, Value};
use crate::campaign::schedule::{NoWave, Wave};
use crate::campaign::{Campaign, Delivery, Rate};
use known::Known;
use others::Others;
use predict::Sizes;
use totals::Totals;
use warning::Warning;

/// Most accounts of one call (trtc.io document 67553).
pub const MAX_RECIPIENTS_A_CALL: u16 = 500;

/// What a message is known by: the first 128 bits of the SHA-256 of its JSON text.
pub type Key = [u8; 16];

/// Has another run used a MsgRandom with a DataId? The run's own earlier plan does not count, or the same inputs would
/// not give the same plan.
pub type Taken<'t> = &'t dyn Fn(u32, &str) -> bool;

type Render = Box<dyn Fn(&[Value<'_>]) -> String + Send + Sync>;
type NameBatch = Box<dyn Fn(u32) -> String + Send + Sync>;

/// What is done while a plan is made, for who shows where the time goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Rendering messages.
    Render,
    /// Putting everybody in sending order.
    Pack,
    /// Numbering the batches and taking the digests.
    Digest,
}

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
    /// Is it sent late, in windows that begin when it is planned? They are no part of what makes two plans the same one.
    pub is_late: bool,
    /// How it is sent.
    pub delivery: Delivery,
    /// [`Campaign::content_digest`] in hex.
    pub content_digest: String,
    /// [`Campaign::content_json`]; empty where it is not known.
    pub content_json: Arc<str>,
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
            is_late: false,
            delivery: campaign.delivery,
            content_digest: digest::hex(&campaign.content_digest()),
            content_json: Arc::clone(campaign.content_json()),
            first_batch: 1,
        }
    }
}

/// The closed list of batches of one run.
pub struct Plan {
    header: RunHeader,
    stats: Stats,
    /// The columns of the audience that messages and waves come from.
    columns: Vec<String>,
    /// Recipients of the audience who are in no wave.
    skipped: BTreeMap<NoWave, u64>,
    waves: Vec<Wave>,
    /// The number by which each wave is known to the pools.
    order: Vec<u32>,
    known: Known,
    others: Others,
    randoms: MsgRandoms,
    /// The batches whose MsgRandom is not the first choice.
    choices: BTreeMap<u32, u8>,
    totals: Totals,
    lengths: Vec<Warning>,
    /// The calls without each of the columns; see [`cost`].
    without: Vec<(String, Sizes)>,
    render: Render,
    data_id: NameBatch,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("header", &self.header)
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
}

impl Plan {
    /// What run it is.
    pub fn header(&self) -> &RunHeader {
        &self.header
    }

    /// When its batches may be sent, in the order in which they open; none where there is no batch.
    pub fn waves(&self) -> &[Wave] {
        &self.waves
    }

    /// What became of the rows of the audience.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The columns of the audience that the digest names: those that messages and waves come from.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Recipients of the audience who are in no wave, by the reason.
    pub fn skipped(&self) -> &BTreeMap<NoWave, u64> {
        &self.skipped
    }

    /// How many people get it.
    pub fn recipients(&self) -> u64 {
        self.stats.recipients - self.skipped.values().sum::<u64>()
    }

    /// Number of batches; below 2^28.
    pub fn calls(&self) -> u64 {
        self.totals.sizes.calls()
    }

    /// Seconds from the first call's leaving to the last one's, at an app's rate.
    pub fn seconds(&self, rate: &Rate) -> f64 {
        self.totals.sizes.seconds(rate)
    }

    /// The calls of each of [`Plan::waves`].
    pub fn wave_sizes(&self) -> &[Sizes] {
        &self.totals.waves
    }

    /// The batches, in sending order.
    pub fn batches(&self) -> Batches<'_> {
        Batches::new(self)
    }

    /// The audience's digest, in hex.
    pub fn audience_digest(&self) -> String {
        digest::hex(&self.totals.audience_digest)
    }

    /// SHA-256 over the header, the audience's digest and the batches, in hex.
    pub fn digest(&self) -> String {
        digest::hex(&self.totals.digest)
    }

    fn msg_random(&self, batch: u32) -> u32 {
        self.randoms.choice(batch, self.choices.get(&batch).copied().unwrap_or_default())
    }
}
