//! What earlier runs have to say about a new one.

use jiff::{SignedDuration, Timestamp};

use super::error::Result;
use super::store::Store;
use super::{Hold, Run};
use crate::plan::RunHeader;
use crate::plan::change::{Last, Past};

/// A day, as the gate counts one: not midnight to midnight.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What the state knows that bears on a run which is not in it yet.
///
/// # Errors
/// Where the state cannot be read.
pub fn past(store: &dyn Store, run: &RunHeader, now: Timestamp) -> Result<Past> {
    let runs = store.runs()?;
    let sent = |other: &&Run| other.id != run.run_id && other.hold != Some(Hold::Missed);
    let of_day = runs
        .iter()
        .filter(sent)
        .filter(|other| other.app == run.app && now.duration_since(other.frozen_at) < DAY)
        .map(|other| other.tally.planned - other.tally.skipped)
        .sum();
    let last = match runs.iter().filter(sent).find(|other| other.campaign == run.campaign) {
        Some(last) => Some(Last {
            run: last.id.clone(),
            frozen_at: last.frozen_at,
            recipients: last.tally.planned,
            content_digest: last.content_digest.clone(),
            content_json: store.content_json(&last.id)?,
        }),
        None => None,
    };
    Ok(Past { last, of_day })
}
