//! What `plan` and `apply` share: what is to be done about each campaign, and the plans of what is due.

use jiff::Timestamp;

use super::context::Context;
use super::failure::Failure;
use super::output;
use crate::apply::{Intention, decide};
use crate::campaign::schedule::parse_occurrence_id;
use crate::campaign::{Campaign, Workspace};
use crate::diagnostic::Diagnostics;
use crate::plan::summary::{Summaries, Summary};
use crate::plan::{Plan, digest};
use crate::prepare::{self, Occurrence, Rest};
use crate::report;
use crate::report::planning::PlanProgress;
use crate::state::{Run, Store};

/// What is to be done, campaign by campaign.
#[derive(Debug)]
pub(super) struct Planned {
    /// Runs that are due, planned.
    pub(super) plans: Vec<Plan>,
    /// Unfinished runs whose campaign is as it was frozen.
    pub(super) resumes: Vec<Run>,
    /// Unfinished runs whose campaign has changed, with the campaign as it is now.
    pub(super) changed: Vec<(Campaign, Run)>,
    /// Runs that a person or the breaker has paused.
    pub(super) held: Vec<Run>,
    /// Runs that are done with, and whether their campaign has changed since.
    pub(super) settled: Vec<(Run, bool)>,
    /// Campaigns of which nothing is due, and when they next are.
    pub(super) not_due: Vec<(String, Option<Timestamp>)>,
}

/// Decides for every campaign and plans what is due.
///
/// # Errors
/// All mistakes of all campaigns at once; else the reasons why some of them cannot be planned.
pub(super) fn plan_all(
    context: &Context,
    store: Option<&dyn Store>,
    now: Timestamp,
) -> Result<Planned, Failure> {
    let known = store.map_or(Ok(Vec::new()), Store::runs)?;
    let mut planned = Planned {
        plans: Vec::new(),
        resumes: Vec::new(),
        changed: Vec::new(),
        held: Vec::new(),
        settled: Vec::new(),
        not_due: Vec::new(),
    };
    let mut due = Vec::new();
    for campaign in &context.campaigns {
        let runs: Vec<Run> = known.iter().filter(|run| run.campaign == campaign.id).cloned().collect();
        for intention in decide(campaign, &digest::hex(&campaign.content_digest()), &runs, now) {
            match intention {
                Intention::Start(occurrence) => due.push((campaign, occurrence)),
                // How it is sent may be changed under way: an operator's way to slow a run down.
                Intention::Resume(run) => {
                    planned.resumes.push(Run { delivery: campaign.delivery, ..run });
                }
                Intention::Changed(run) => planned.changed.push((campaign.clone(), run)),
                Intention::Held(run) => planned.held.push(run),
                Intention::Settled { run, changed } => planned.settled.push((run, changed)),
                Intention::NotDue { next } => planned.not_due.push((campaign.id.clone(), next)),
            }
        }
    }

    let mut mistakes = Diagnostics::new();
    for (campaign, _) in &due {
        mistakes.append(prepare::check(&campaign.draft(), context.access));
    }
    if mistakes.has_errors() {
        mistakes.sort();
        return Err(Failure::Mistakes(mistakes));
    }
    let mut failed = Vec::new();
    for (campaign, due) in due {
        let occurrence =
            Occurrence { name: &due.occurrence, expires_at: due.expires_at, scheduled: due.scheduled };
        match plan_one(campaign, occurrence, context, None, store) {
            Ok(plan) => planned.plans.push(plan),
            Err(error) => failed.push(error),
        }
    }
    if failed.is_empty() { Ok(planned) } else { Err(Failure::prepare(failed)) }
}

/// Makes one plan: of a run, or of what is left of it.
pub(super) fn plan_one(
    campaign: &Campaign,
    occurrence: Occurrence<'_>,
    context: &Context,
    rest: Option<&Rest>,
    store: Option<&dyn Store>,
) -> Result<Plan, prepare::Error> {
    let progress = PlanProgress::new(&campaign.id);
    // A state that cannot be asked here fails the freeze by its unique key; nothing is sent on a guess.
    let taken = |random: u32, data_id: &str| {
        store.is_some_and(|store| store.has_key(random, data_id).unwrap_or(false))
    };
    let plan =
        prepare::prepare(campaign, occurrence, context.access, rest, &taken, &|moment| progress.show(moment));
    progress.finish();
    if context.profile && plan.is_ok() {
        output::say(progress.profile().trim_end());
    }
    plan
}

/// The occurrence of a run that is there already, as its campaign's schedule has it now.
pub(super) fn occurrence_of<'a>(campaign: &Campaign, run: &'a Run) -> Occurrence<'a> {
    let schedule = campaign.schedule.as_ref();
    let scheduled =
        schedule.and_then(|schedule| Some(schedule.occurrence(parse_occurrence_id(&run.occurrence)?)));
    Occurrence { name: &run.occurrence, expires_at: run.expires_at, scheduled }
}

impl Planned {
    /// Is there anything that apply would send?
    pub(super) fn sends_something(&self) -> bool {
        !self.plans.is_empty() || !self.resumes.is_empty()
    }

    /// The plans as data, at their apps' rates.
    pub(super) fn summaries(&self, workspace: &Workspace) -> Summaries {
        Summaries::new(self.plans.iter().map(|plan| summary(plan, workspace)).collect())
    }

    /// Everything that is to be done, for people.
    pub(super) fn text(&self, workspace: &Workspace) -> String {
        let mut text = String::new();
        for plan in &self.plans {
            text += &report::plan::text(&summary(plan, workspace));
        }
        for run in &self.resumes {
            text += &report::plan::resume(run);
        }
        for run in &self.held {
            text += &report::plan::held(run);
        }
        for (run, changed) in &self.settled {
            text += &report::plan::settled(run, *changed);
        }
        for (campaign, next) in &self.not_due {
            text += &report::plan::not_due(campaign, *next);
        }
        text
    }

    /// Why nothing is sent while a campaign has changed under its unfinished run, and what the choices are.
    pub(super) fn refuse_changed(&self) -> Result<(), Failure> {
        if self.changed.is_empty() {
            return Ok(());
        }
        let why: Vec<String> = self.changed.iter().map(|(_, run)| report::plan::changed(run)).collect();
        Err(Failure::Changed(why.join("\n")))
    }
}

/// A plan as data, at its app's rate.
pub(super) fn summary(plan: &Plan, workspace: &Workspace) -> Summary {
    let rate = workspace.apps[&plan.header().app].rate;
    plan.summary(&rate)
}
