//! `pushplan upcoming`: what is due in the next days, and whether there is time for it.

use std::path::PathBuf;

use jiff::Timestamp;

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::planned::Planned;
use super::planning::{plan_all, plan_one};
use super::when::When;
use super::{Format, Global, context, output};
use crate::audience::Access;
use crate::calendar::{Calendar, Upcoming, forecast};
use crate::campaign::Campaign;
use crate::campaign::schedule::{self, NoWave};
use crate::prepare::{self, Occurrence};
use crate::report;
use crate::state::Store;

/// Arguments of `upcoming`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Campaign files, or folders of them; all of the workspace's where none is given
    paths: Vec<PathBuf>,
    /// Up to an instant (2026-11-24T09:00Z) or for so long from now (3d)
    #[arg(long, value_name = "WHEN", default_value = "7d", value_parser = When::parse)]
    until: When,
    /// How the result is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let context = context::load_campaigns(global, &args.paths, Access::Files)?;
    let store = context::open_to_plan(&context)?;
    let now = Timestamp::now();
    let planned = plan_all(&context, store.as_deref(), now)?;
    let calendar = calendar(&context, &planned, store.as_deref(), now, args.until.from(now))?;
    output::print(&match args.format {
        Format::Json => report::calendar::json(&calendar),
        Format::Text => report::calendar::text(&calendar),
    })?;
    Ok(Exit::Done)
}

/// What is planned, what goes on, and what is to come until `until`. The audience of a campaign is read once, for the
/// first of its runs, and is taken to be the same for the others.
pub(super) fn calendar(
    context: &Context,
    planned: &Planned,
    store: Option<&dyn Store>,
    now: Timestamp,
    until: Timestamp,
) -> Result<Calendar, Failure> {
    let rate = |app: &str| context.workspace.apps[app].rate;
    let mut runs: Vec<Upcoming> = planned
        .plans
        .iter()
        .map(|judged| Upcoming::planned(&judged.plan, &rate(&judged.plan.header().app)))
        .collect();
    let mut failed = Vec::new();
    for campaign in &context.campaigns {
        let Some(schedule) = &campaign.schedule else { continue };
        let openings: Vec<_> = schedule.openings(now, until).collect();
        let sent =
            |occurrence: &&schedule::Occurrence| schedule.wave(occurrence, None) != Err(NoWave::QuietHours);
        let Some(first) = openings.iter().find(sent).or(openings.first()) else { continue };
        let known = runs.iter().find(|run| run.campaign == campaign.id).cloned();
        match known.map_or_else(|| read(context, campaign, first, store), Ok) {
            Ok(known) => runs.extend(openings.iter().map(|occurrence| known.at(schedule, occurrence))),
            Err(error) => failed.push(error),
        }
    }
    if !failed.is_empty() {
        return Err(Failure::prepare(failed));
    }
    if let Some(store) = store {
        for run in &planned.resumes {
            let Some(app) = context.workspace.apps.get(&run.app) else { continue };
            runs.push(Upcoming::resumed(run, &store.waves(&run.id)?, store.batches(&run.id)?, &app.rate));
        }
    }
    Ok(forecast(&runs, now, until))
}

/// A run to come of a campaign of which none is due.
fn read(
    context: &Context,
    campaign: &Campaign,
    occurrence: &schedule::Occurrence,
    store: Option<&dyn Store>,
) -> Result<Upcoming, prepare::Error> {
    let mistakes = prepare::check(&campaign.draft(), context.access);
    if mistakes.has_errors() {
        return Err(prepare::Error::Mistakes(mistakes));
    }
    let name = occurrence.id();
    let occurrence =
        Occurrence { name: &name, expires_at: Some(occurrence.expires_at), scheduled: Some(*occurrence) };
    let plan = plan_one(campaign, occurrence, context, None, store)?;
    Ok(Upcoming::planned(&plan, &context.workspace.apps[&campaign.app].rate))
}
