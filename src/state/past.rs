//! What earlier runs have to say about a new one.

use jiff::{SignedDuration, Timestamp};

use super::Run;
use super::error::Result;
use super::store::Store;
use crate::plan::RunHeader;
use crate::plan::change::{Last, Past};

/// A day, as the gate counts one: not midnight to midnight.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Recipients who got it, or may yet: a run that nobody was sent is none to compare with.
fn counted(run: &Run) -> u64 {
    run.tally.planned - run.tally.skipped
}

/// What the state knows that bears on a run which is not in it yet.
///
/// # Errors
/// Where the state cannot be read.
pub fn past(store: &dyn Store, run: &RunHeader, now: Timestamp) -> Result<Past> {
    let runs = store.runs()?;
    let of_day = runs
        .iter()
        .filter(|other| other.app == run.app && now.duration_since(other.frozen_at) < DAY)
        // Of a run that is planned anew, what remains is what is planned.
        .map(|other| counted(other) - if other.id == run.run_id { other.tally.remaining } else { 0 })
        .sum();
    let is_last =
        |other: &&Run| other.campaign == run.campaign && other.id != run.run_id && counted(other) > 0;
    let last = match runs.iter().find(is_last) {
        Some(last) => Some(Last {
            run: last.id.clone(),
            frozen_at: last.frozen_at,
            recipients: counted(last),
            content_digest: last.content_digest.clone(),
            content_json: store.content_json(&last.id)?,
        }),
        None => None,
    };
    Ok(Past { last, of_day })
}
