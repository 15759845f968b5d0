//! From a checked campaign to a plan: opens the audience, compiles the templates, checks one against the other,
//! renders, and builds. The room in which the modules before it meet; none of their rules are here.

mod check;
mod said;

pub use check::check;

use std::collections::HashSet;

use jiff::Timestamp;

use crate::audience::{self, Access, Keep, Reading};
use crate::campaign::{Campaign, schedule};
use crate::diagnostic::Diagnostics;
use crate::message::{DataId, RenderError, Templates};
use crate::plan::{self, Plan, RunHeader, Stage};
use said::Said;

/// Why there is no plan. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The author's mistakes.
    #[error("the campaign has mistakes")]
    Mistakes(Diagnostics),
    /// The audience cannot be read.
    #[error("{campaign}: {source}")]
    Audience {
        /// The campaign's id.
        campaign: String,
        /// Why not.
        source: audience::Error,
    },
    /// Messages cannot be rendered, or there are too many of them.
    #[error("{campaign}: {source}")]
    Plan {
        /// The campaign's id.
        campaign: String,
        /// Why not.
        source: plan::Error<RenderError>,
    },
}

/// The occurrence a plan is made for.
#[derive(Debug, Clone, Copy)]
pub struct Occurrence<'a> {
    /// `once`, `r2` or `20261124T0900Z`.
    pub name: &'a str,
    /// What is not sent by then is skipped.
    pub expires_at: Option<Timestamp>,
    /// The instant of the campaign's schedule that it is; `None` where the campaign has none.
    pub scheduled: Option<schedule::Occurrence>,
}

/// How planning goes, for who shows it.
#[derive(Debug, Clone, Copy)]
pub enum Progress {
    /// The audience is being read.
    Reading(Reading),
    /// The plan is being built.
    Building(Stage),
    /// The plan is there; so much of the work went to temporary files, in bytes.
    Done(u64),
}

/// The part of a run that a new plan is made for: what is left of it.
#[derive(Debug, Clone)]
pub struct Rest {
    /// Who is still to be sent.
    pub accounts: HashSet<String>,
    /// The number of the next batch.
    pub first_batch: u32,
}

/// Makes the plan of one run, or of what is left of it. `access` must reach as far as the campaign's sources; `taken`
/// says whether an earlier run used a MsgRandom with a DataId. The caller has run [`check`], which tells an author's
/// mistakes all at once; what it would have told is an error here too, one at a time.
///
/// # Errors
/// Every way in which there can be no plan; nothing was sent.
pub fn prepare(
    campaign: &Campaign,
    occurrence: Occurrence<'_>,
    access: Access,
    rest: Option<&Rest>,
    taken: &dyn Fn(u32, &str) -> bool,
    progress: &dyn Fn(Progress),
) -> Result<Plan, Error> {
    let constants = [("campaign", campaign.id.as_str()), ("occurrence", occurrence.name)];
    let templates =
        Templates::compile(&campaign.document, &campaign.message, &constants).map_err(Error::Mistakes)?;
    let zone = campaign.schedule.as_ref().and_then(|schedule| schedule.timezone_column());
    let carried = said::carried(templates.columns(), zone);
    let keep = Keep(rest.map(|rest| &rest.accounts));
    let show = |reading| progress(Progress::Reading(reading));
    let audience = audience::read(&campaign.audience, &carried, access, keep, &show)
        .map_err(|source| Error::Audience { campaign: campaign.id.clone(), source })?;

    let mut header = RunHeader::new(campaign, occurrence.name, occurrence.expires_at);
    header.first_batch = rest.map_or(1, |rest| rest.first_batch);
    header.is_late = occurrence.scheduled.is_some_and(|scheduled| scheduled.late_from.is_some());
    // There are never more batches than recipients.
    let last_batch = header.first_batch.saturating_add(u32::try_from(audience.len()).unwrap_or(u32::MAX));
    let data_id = DataId::compile(&campaign.document, &campaign.data_id, &constants, last_batch)
        .map_err(Error::Mistakes)?;
    // No other run's DataId has this run's name in it, and a look for each of a million batches takes its time.
    let taken = (!data_id.names(&constants)).then_some(taken);
    let said = Said::new(campaign, occurrence, templates, data_id, &carried);
    let plan = plan::build(header, &audience, said, taken, &|stage| progress(Progress::Building(stage)))
        .map_err(|source| Error::Plan { campaign: campaign.id.clone(), source })?;
    progress(Progress::Done(audience.spilled()));
    Ok(plan)
}
