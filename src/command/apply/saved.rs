//! `apply FILE`: sends a plan that `plan -o` has saved, and nothing else.
//!
//! What is sent is what the file holds. Campaigns and audience are looked at again all the same: where planning now
//! would not give the very same plan, or the state was written since, nothing is sent. Once its runs are in the state
//! the file has done its part, and applying it again goes on with them.

use std::path::Path;

use jiff::Timestamp;

use super::send::{account, open_targets, runtime, send};
use super::{Args, begin, settle};
use crate::apply::decide_run;
use crate::audience::Access;
use crate::command::context::{self, Context};
use crate::command::exit::Exit;
use crate::command::failure::Failure;
use crate::command::planned::Planned;
use crate::command::planning::plan_all;
use crate::command::target::compare_clocks;
use crate::command::{Global, output, who};
use crate::plan::change::field_changes;
use crate::plan::digest;
use crate::report;
use crate::report::events::Events;
use crate::report::number::grouped;
use crate::state::{Identity, PlanFile, Run, Store};

pub(super) fn run(
    global: &Global,
    args: &Args,
    path: &Path,
    until: Timestamp,
    events: &mut Events,
) -> Result<Exit, Failure> {
    if args.due || args.replan || args.approvals.is_some() || !args.expect.is_empty() {
        return Err(Failure::Usage(
            "a saved plan is sent as it stands: --due, --replan, --expect and --approvals are for campaigns"
                .to_owned(),
        ));
    }
    let file = PlanFile::open(path)?;
    let runs = file.runs()?;
    if runs.is_empty() {
        output::print("the plan has no run: nothing to send\n")?;
        return Ok(Exit::Done);
    }
    let mut context = context::load_campaigns(global, &[], Access::Connections)?;
    context.campaigns.retain(|campaign| runs.iter().any(|run| run.campaign == campaign.id));
    let mut store = context::open_to_write(&context.workspace, "apply")?;
    begin(events)?;
    let now = Timestamp::now();

    let begun = begun(&runs, store.as_ref())?;
    let is_begun = begun.is_some();
    let planned = match begun {
        Some(begun) => go_on(begun, &context, store.as_ref(), args.as_frozen, now)?,
        None => plan_again(&file, &runs, &context, store.as_ref(), now)?,
    };
    output::print(&planned.text(&context.workspace))?;
    planned.refuse_gates(std::iter::empty(), &args.overridden)?;
    if planned.sends_something() {
        let targets = open_targets(&context.workspace, &planned)?;
        runtime()?.block_on(compare_clocks(&targets))?;
        if !is_begun {
            let note = |run: &str| {
                let judged = planned.plans.iter().find(|judged| judged.plan.header().run_id == run);
                judged.map_or_else(|| who::note(""), |judged| args.note(judged))
            };
            store.freeze_saved(&file, &note, now)?;
            for judged in &planned.plans {
                events.frozen(&judged.plan);
            }
            settle(store.as_mut(), &planned, now)?;
        }
        (store, _) = send(store, &planned, &targets, until, events)?;
    }
    account(store.as_ref(), &planned, false, events)
}

/// The file's runs as they stand in the state, where an earlier apply of it has begun them; `None` where they are new.
/// They are begun all at once.
///
/// # Errors
/// Where the state has some of them, or the same runs from another plan.
fn begun(runs: &[Run], store: &dyn Store) -> Result<Option<Vec<Run>>, Failure> {
    let mut begun = Vec::new();
    let mut differences = Vec::new();
    for run in runs {
        match store.find(&run.id)? {
            Some(known) if known.plan_digest == run.plan_digest => begun.push(known),
            Some(known) => {
                differences
                    .push(format!("{}: it was begun from another plan, at {:.0}", run.id, known.frozen_at));
            }
            None => {}
        }
    }
    if differences.is_empty() && (begun.is_empty() || begun.len() == runs.len()) {
        return Ok(Some(begun).filter(|begun| !begun.is_empty()));
    }
    differences.extend(
        begun.iter().map(|run| format!("{}: it was begun by itself, at {:.0}", run.id, run.frozen_at)),
    );
    Err(stale(&differences))
}

/// What is left to do of runs that are in the state.
fn go_on(
    begun: Vec<Run>,
    context: &Context,
    store: &dyn Store,
    as_frozen: bool,
    now: Timestamp,
) -> Result<Planned, Failure> {
    let mut planned = Planned::default();
    for run in begun {
        let Some(campaign) = context.campaigns.iter().find(|campaign| campaign.id == run.campaign) else {
            return Err(stale(&[format!("campaign '{}' is gone", run.campaign)]));
        };
        let content_digest = digest::hex(&campaign.content_digest());
        planned.add(campaign, decide_run(campaign, &content_digest, run, now), now);
    }
    if as_frozen {
        planned.resumes.extend(planned.changed.drain(..).map(|(_, run)| run));
    }
    planned.refuse_changed(Some(store))?;
    planned.hold_what_was_held(store)?;
    Ok(planned)
}

/// What would be planned now, which must be what the file holds.
fn plan_again(
    file: &PlanFile,
    runs: &[Run],
    context: &Context,
    store: &dyn Store,
    now: Timestamp,
) -> Result<Planned, Failure> {
    let mut differences = Vec::new();
    differences.extend(state_moved(file.origin().state.as_ref(), &store.identity()?));
    let known = |id: &str| context.campaigns.iter().any(|campaign| campaign.id == id);
    let all = plan_all(context, Some(store), now)?;
    // Other runs of these campaigns go their own way.
    let planned =
        Planned { plans: all.plans, missed: all.missed, answered: all.answered, ..Planned::default() };
    for run in runs {
        let plan =
            planned.plans.iter().map(|judged| &judged.plan).find(|plan| plan.header().run_id == run.id);
        let id = &run.id;
        differences.extend(match plan {
            None if !known(&run.campaign) => Some(format!("{id}: campaign '{}' is gone", run.campaign)),
            None => Some(format!("{id}: it is no longer due")),
            // A late run's windows begin when it is planned.
            Some(_) if run.expires_at.is_some_and(|expires_at| expires_at <= now) => {
                Some(format!("{id}: its last window has closed"))
            }
            Some(plan) if plan.header().content_digest != run.content_digest => {
                let saved = file.content_json(id)?.unwrap_or_default();
                let fields = field_changes(&saved, &plan.header().content_json);
                Some(format!(
                    "{id}: the content of the campaign has changed{}",
                    report::plan::fields_text(&fields)
                ))
            }
            Some(plan) if plan.audience_digest() != run.audience_digest => {
                let (then, now) = (grouped(run.tally.planned), grouped(plan.recipients()));
                Some(format!("{id}: the audience has changed: {then} recipients then, {now} now"))
            }
            Some(plan) if plan.digest() != run.plan_digest => {
                Some(format!("{id}: its windows or its `delivery` have changed"))
            }
            Some(_) => None,
        });
    }
    let is_new = |id: &str| runs.iter().all(|run| run.id != id);
    let due = planned.plans.iter().map(|judged| judged.plan.header().run_id.as_str());
    differences.extend(due.filter(|id| is_new(id)).map(|id| format!("{id}: it has become due since")));
    if differences.is_empty() { Ok(planned) } else { Err(stale(&differences)) }
}

/// Whether anything was recorded since. Where there was no state, a new one is what was there.
fn state_moved(then: Option<&Identity>, now: &Identity) -> Option<String> {
    match then {
        None if now.serial == 0 => None,
        None => Some("the state: there was none, and there is one now".to_owned()),
        Some(then) if then.lineage != now.lineage => Some("the state: it is another one".to_owned()),
        Some(then) if then.serial != now.serial => {
            Some(format!("the state: it was written since (serial {} then, {} now)", then.serial, now.serial))
        }
        Some(_) => None,
    }
}

fn stale(differences: &[String]) -> Failure {
    Failure::Changed(report::plan::stale("the plan", differences, "Make it anew with `pushplan plan -o`."))
}
