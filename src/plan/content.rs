//! What a run says, as functions: the seam to templates and schedules, which a plan knows nothing of.

use std::fmt;

use crate::audience::Value;
use crate::campaign::schedule::{NoWave, Wave};

/// Renders and places what a run sends. Pure: the same values give the same results, on any thread, at any time; a
/// plan asks again instead of keeping what is too much to keep.
pub trait Content: Send + Sync {
    /// Why a recipient has no message.
    type Error: fmt::Display + Send;

    /// The JSON text of the OfflinePushInfo for the values of a tuple, in the order of
    /// [`Audience::columns`](crate::audience::Audience::columns).
    ///
    /// # Errors
    /// A value that the templates cannot do with.
    fn message(&self, values: &[Value<'_>]) -> Result<String, Self::Error>;

    /// When recipients with these values may be sent to.
    ///
    /// # Errors
    /// They are to get nothing in this run.
    fn wave(&self, values: &[Value<'_>]) -> Result<Wave, NoWave>;

    /// The DataId of a batch, at most 64 bytes.
    ///
    /// # Errors
    /// Where it is longer, or empty.
    fn data_id(&self, batch: u32) -> Result<String, Self::Error>;
}
