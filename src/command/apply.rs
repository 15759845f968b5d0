//! `pushplan apply`: plans, asks, freezes, sends, and accounts for every recipient.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::planning::{Planned, occurrence_of, plan_all, plan_one, summary};
use super::target::Target;
use super::{Global, context, output, who};
use crate::apply::{Runner, Signals};
use crate::audience::Access;
use crate::campaign::Workspace;
use crate::executor::{End, Pause};
use crate::plan::Plan;
use crate::prepare::Rest;
use crate::report;
use crate::report::progress::RunProgress;
use crate::state::{Run, Store, Tally};

/// Arguments of `apply`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Campaign files, or folders of them; all of the workspace's where none is given
    paths: Vec<PathBuf>,
    /// Send without asking; needed where there is no terminal to ask on
    #[arg(long)]
    auto_approve: bool,
    /// Go on with unfinished runs as they were frozen, though their campaigns have changed since
    #[arg(long)]
    as_frozen: bool,
    /// Give what remains of unfinished runs the content that their campaigns have now
    #[arg(long, conflicts_with = "as_frozen")]
    replan: bool,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let context = context::load_campaigns(global, &args.paths, Access::Connections)?;
    let mut store = context::open_to_write(&context.workspace, "apply")?;
    let mut planned = plan_all(&context, Some(store.as_ref()), Timestamp::now())?;
    if args.as_frozen {
        planned.resumes.extend(planned.changed.drain(..).map(|(_, run)| run));
    }
    let replans = if args.replan { replan(&mut planned, &context, store.as_ref())? } else { Vec::new() };
    planned.refuse_changed()?;
    output::print(&planned.text(&context.workspace))?;
    for (_, plan) in &replans {
        output::print(&report::plan::text(&summary(plan, &context.workspace)))?;
    }

    if planned.sends_something() {
        let targets = open_targets(&context.workspace, &planned)?;
        approve(args, &planned)?;
        let (now, note) = (Timestamp::now(), who::note(""));
        for plan in &planned.plans {
            store.freeze(plan, &note, now)?;
        }
        for (run, plan) in &replans {
            store.replan(run, plan, &note, now)?;
        }
        store = send(store, &planned, &targets)?;
    }
    account(store.as_ref(), &planned)
}

/// New plans for what remains of runs whose campaigns have changed; the runs are to be resumed with them.
fn replan(
    planned: &mut Planned,
    context: &Context,
    store: &dyn Store,
) -> Result<Vec<(String, Plan)>, Failure> {
    let mut replans = Vec::new();
    for (campaign, run) in std::mem::take(&mut planned.changed) {
        let rest =
            Rest { accounts: store.pending_accounts(&run.id)?, first_batch: store.batches(&run.id)? + 1 };
        let occurrence = occurrence_of(&campaign, &run);
        let plan = plan_one(&campaign, occurrence, context, Some(&rest), Some(store))
            .map_err(|error| Failure::prepare(vec![error]))?;
        replans.push((run.id.clone(), plan));
        planned.resumes.push(Run { delivery: campaign.delivery, ..run });
    }
    Ok(replans)
}

/// Secrets are resolved and sandboxes started before anything is frozen: what cannot be sent to should not
/// leave a run behind.
fn open_targets(workspace: &Workspace, planned: &Planned) -> Result<BTreeMap<String, Target>, Failure> {
    let mut targets = BTreeMap::new();
    let starts = planned.plans.iter().map(|plan| &plan.header().app);
    for name in starts.chain(planned.resumes.iter().map(|run| &run.app)) {
        if targets.contains_key(name) {
            continue;
        }
        let Some(app) = workspace.apps.get(name) else {
            return Err(Failure::Other(format!(
                "a run of app '{name}' is unfinished, and pushplan.yaml no longer has that app\n\
                 Put it back, or give the run up with `pushplan cancel`."
            )));
        };
        let target = Target::open(app)?;
        if let Some(sandbox) = &target.sandbox {
            output::say(&format!(
                "app {name} is a sandbox on {}: nothing leaves this machine",
                sandbox.endpoint()
            ));
        }
        targets.insert(name.clone(), target);
    }
    Ok(targets)
}

fn approve(args: &Args, planned: &Planned) -> Result<(), Failure> {
    if args.auto_approve {
        return Ok(());
    }
    let question = report::plan::question(
        planned.plans.iter().map(|plan| plan.recipients()),
        planned.resumes.iter().map(|run| run.tally.remaining),
    );
    match output::is_interactive() {
        false => Err(Failure::Usage(
            "there is no terminal to ask on; add --auto-approve to send without asking".to_owned(),
        )),
        true if output::confirm(&question) => Ok(()),
        true => Err(Failure::Other("not approved; nothing was sent".to_owned())),
    }
}

fn send(
    mut store: Box<dyn Store>,
    planned: &Planned,
    targets: &BTreeMap<String, Target>,
) -> Result<Box<dyn Store>, Failure> {
    let mut runs = planned.resumes.clone();
    for plan in &planned.plans {
        runs.push(store.run(&plan.header().run_id)?);
    }
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::Other(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(async {
        let signals =
            Signals::listen("stopping: waiting up to 5 s for the calls in flight; once more to stop at once")
                .map_err(|error| Failure::Other(format!("cannot listen for signals: {error}")))?;
        for run in runs {
            let target = &targets[&run.app];
            let mut runner = Runner {
                client: target.client(run.delivery)?,
                limits: target.limits(),
                signals: signals.clone(),
                who: who::who(),
            };
            let mut progress = RunProgress::new(&run.id);
            let (back, end) = runner.run(store, &run, &mut |moment| progress.show(moment)).await;
            store = back;
            progress.finish();
            match end.map_err(Failure::StateWhileSending)? {
                End::Complete => {}
                End::Paused(pause) => {
                    output::say(&report::plan::paused(&run.id, &pause));
                    // The next run would meet the same server; a person asked for all of them to stop.
                    if !matches!(pause, Pause::Breaker(_) | Pause::Operator) {
                        break;
                    }
                }
            }
        }
        Ok(store)
    })
}

/// The accounting: a line a run, and the sum as the last line of every apply.
fn account(store: &dyn Store, planned: &Planned) -> Result<Exit, Failure> {
    let mut runs: Vec<Run> = Vec::new();
    let settled = planned.settled.iter().map(|(run, _)| run);
    for run in planned.resumes.iter().chain(&planned.held).chain(settled) {
        runs.push(store.run(&run.id)?);
    }
    for plan in &planned.plans {
        runs.push(store.run(&plan.header().run_id)?);
    }
    let sum: Tally = runs.iter().map(|run| run.tally).sum();
    output::print(&report::plan::accounting(&runs, sum))?;
    let acted = planned.sends_something();
    Ok(match sum {
        Tally { remaining: 1.., .. } => Exit::Stopped,
        Tally { in_doubt: 1.., .. } => Exit::InDoubt,
        Tally { failed: 1.., .. } if acted => Exit::SomeFailed,
        _ => Exit::Done,
    })
}
