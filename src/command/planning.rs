//! What `plan` and `apply` share: decides about each campaign, and plans what is due. What that comes to is in `planned`.

use std::cell::RefCell;
use std::collections::HashMap;

use jiff::Timestamp;

use super::context::Context;
use super::failure::Failure;
use super::output;
use super::planned::{Judged, Planned};
use crate::apply::{Due, Intention, Known, decide};
use crate::campaign::Campaign;
use crate::campaign::schedule::{Occurrence, parse_occurrence_id};
use crate::diagnostic::Diagnostics;
use crate::plan::change::Past;
use crate::plan::gate::{Facts, Gate, verdicts};
use crate::plan::{Plan, digest};
use crate::prepare::{self, Rest};
use crate::report;
use crate::report::planning::PlanProgress;
use crate::state::{self, Run, Store};

/// Decides for every campaign and plans what is due.
///
/// # Errors
/// All mistakes of all campaigns at once; else the reasons why some of them cannot be planned.
pub(super) fn plan_all(
    context: &Context,
    store: Option<&dyn Store>,
    now: Timestamp,
) -> Result<Planned, Failure> {
    let (due, mut planned) = decide_all(context, store, now)?;
    let mut mistakes = Diagnostics::new();
    for (campaign, _) in &due {
        mistakes.append(prepare::check(&campaign.draft(), context.access));
    }
    if mistakes.has_errors() {
        mistakes.sort();
        return Err(Failure::Mistakes(mistakes));
    }
    planned.plan(&due, context, store, now, None)?;
    if planned.failed.is_empty() { Ok(planned) } else { Err(Failure::prepare(planned.failed)) }
}

/// As [`plan_all`], for a timer: runs that their schedules ask for, and each campaign by itself. What cannot be planned
/// is told in [`Planned::failed`], what a gate refuses that is not `overridden` in [`Planned::refused`], and neither holds
/// up another campaign.
///
/// # Errors
/// Where the state cannot be read.
pub(super) fn plan_due(
    context: &Context,
    store: Option<&dyn Store>,
    now: Timestamp,
    overridden: &[Gate],
) -> Result<Planned, Failure> {
    let (mut due, mut planned) = decide_all(context, store, now)?;
    due.retain(|(campaign, due)| {
        let mistakes = prepare::check(&campaign.draft(), context.access);
        let has_mistakes = mistakes.has_errors();
        if has_mistakes && let Some(Occurrence { opens_at, .. }) = due.scheduled {
            planned.answered.insert(campaign.id.clone(), opens_at);
            planned.failed.push(prepare::Error::Mistakes(mistakes));
        }
        due.scheduled.is_some() && !has_mistakes
    });
    planned.plan(&due, context, store, now, Some(overridden))?;
    Ok(planned)
}

/// What is due, with its campaign.
type DueCampaigns<'c> = Vec<(&'c Campaign, Due)>;

/// Decides for every campaign; nothing is planned yet, and no audience was opened.
fn decide_all<'c>(
    context: &'c Context,
    store: Option<&dyn Store>,
    now: Timestamp,
) -> Result<(DueCampaigns<'c>, Planned), Failure> {
    let mut open: HashMap<String, Vec<Run>> = HashMap::new();
    for run in store.map_or(Ok(Vec::new()), Store::open_runs)? {
        open.entry(run.campaign.clone()).or_default().push(run);
    }
    let answered = store.map_or(Ok(HashMap::new()), Store::answered)?;
    let unreadable = RefCell::new(None);
    let find = |id: &str| {
        store.and_then(|store| {
            store.find(id).unwrap_or_else(|error| {
                unreadable.replace(Some(error));
                None
            })
        })
    };

    let mut planned = Planned::default();
    let mut due = Vec::new();
    for campaign in &context.campaigns {
        let known = Known {
            open: open.get(&campaign.id).map_or(&[], Vec::as_slice),
            find: &find,
            answered: answered.get(&campaign.id).copied(),
        };
        if campaign.schedule.is_some() && known.answered.is_none() {
            planned.answered.insert(campaign.id.clone(), now);
        }
        for intention in decide(campaign, &digest::hex(&campaign.content_digest()), &known, now) {
            match intention {
                Intention::Start(occurrence) => due.push((campaign, occurrence)),
                intention => planned.add(campaign, intention, now),
            }
        }
    }
    match unreadable.into_inner() {
        Some(error) => Err(error.into()),
        None => Ok((due, planned)),
    }
}

/// Makes one plan: of a run, or of what is left of it.
pub(super) fn plan_one(
    campaign: &Campaign,
    occurrence: prepare::Occurrence<'_>,
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

/// Lets the gates judge a plan. `beside` are those that would be sent with it.
pub(super) fn judge<'j>(
    plan: Plan,
    campaign: &Campaign,
    context: &Context,
    store: Option<&dyn Store>,
    beside: impl Iterator<Item = &'j Judged>,
    now: Timestamp,
) -> Result<Judged, Failure> {
    let mut past = match store {
        Some(store) => state::past(store, plan.header(), now)?,
        None => Past::default(),
    };
    let rate = &context.workspace.apps[&campaign.app].rate;
    let mut beside_s = 0.0;
    for Judged { plan: other, .. } in beside.filter(|other| other.plan.header().app == campaign.app) {
        past.of_day += other.recipients();
        beside_s += other.seconds(rate);
    }
    let facts = Facts { campaign, plan: &plan, rate, past: &past, beside_s, now };
    let verdicts = verdicts(&context.workspace.gates, &facts);
    Ok(Judged { plan, verdicts, past, opens_at: None })
}

/// The occurrence of a run that is there already, as its campaign's schedule has it now.
pub(super) fn occurrence_of<'a>(campaign: &Campaign, run: &'a Run) -> prepare::Occurrence<'a> {
    let schedule = campaign.schedule.as_ref();
    let scheduled =
        schedule.and_then(|schedule| Some(schedule.occurrence(parse_occurrence_id(&run.occurrence)?)));
    prepare::Occurrence { name: &run.occurrence, expires_at: run.expires_at, scheduled }
}

impl Planned {
    /// Plans what is due. An occurrence that cannot be planned has no fate yet: the next apply meets it again. With
    /// `apart`, gates that are overridden, so does one that another gate refuses, and the others are judged without it.
    fn plan(
        &mut self,
        due: &[(&Campaign, Due)],
        context: &Context,
        store: Option<&dyn Store>,
        now: Timestamp,
        apart: Option<&[Gate]>,
    ) -> Result<(), Failure> {
        for (campaign, due) in due {
            let occurrence = prepare::Occurrence {
                name: &due.occurrence,
                expires_at: due.expires_at,
                scheduled: due.scheduled,
            };
            let plan = plan_one(campaign, occurrence, context, None, store);
            if let Some(Occurrence { opens_at, .. }) = due.scheduled {
                let answered = self.answered.entry(campaign.id.clone()).or_insert(now);
                *answered = if plan.is_err() { opens_at.min(*answered) } else { *answered };
            }
            match plan {
                Ok(plan) => {
                    let judged = judge(plan, campaign, context, store, self.plans.iter(), now)?;
                    let opens_at = due.scheduled.map(|occurrence| occurrence.opens_at);
                    let judged = Judged { opens_at, ..judged };
                    match apart.and_then(|overridden| judged.refused(overridden)) {
                        None => self.plans.push(judged),
                        Some(refused) => {
                            self.has_no_fate(&judged);
                            self.refused.push(Failure::Refused(report::plan::refused(&[refused])));
                        }
                    }
                }
                Err(error) => self.failed.push(error),
            }
        }
        Ok(())
    }
}
