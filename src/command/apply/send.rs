//! Sending what is frozen, and accounting for it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::apply::{News, Order, Runner, Signals};
use crate::campaign::Workspace;
use crate::command::exit::Exit;
use crate::command::failure::Failure;
use crate::command::planned::Planned;
use crate::command::target::Target;
use crate::command::{output, who};
use crate::executor::{End, Pause};
use crate::report;
use crate::report::events::Events;
use crate::report::progress::Progresses;
use crate::state::{Run, RunStatus, Store, Tally};

/// Secrets are resolved and sandboxes started before anything is frozen: what cannot be sent to should not
/// leave a run behind.
pub(super) fn open_targets(
    workspace: &Workspace,
    planned: &Planned,
) -> Result<BTreeMap<String, Target>, Failure> {
    let mut targets = BTreeMap::new();
    let starts = planned.plans.iter().map(|judged| &judged.plan.header().app);
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

/// Sends; says also whether the process was asked to stop.
pub(super) fn send(
    store: Box<dyn Store>,
    planned: &Planned,
    targets: &BTreeMap<String, Target>,
    until: Timestamp,
    events: &mut Events,
) -> Result<(Box<dyn Store>, bool), Failure> {
    let mut orders = Vec::new();
    let starts = planned.plans.iter().map(|judged| store.run(&judged.plan.header().run_id));
    for run in planned.resumes.iter().cloned().map(Ok).chain(starts) {
        let run = run?;
        let target = &targets[&run.app];
        events.taken_up(&run);
        orders.push(Order { client: target.client(run.delivery)?, limits: target.limits(), run });
    }
    runtime()?.block_on(async {
        let signals =
            listen("stopping: waiting up to 5 s for the calls in flight; once more to stop at once")?;
        let stay = Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO);
        let mut runner = Runner { signals, who: who::who(), stay };
        let mut progress = Progresses::new();
        let mut is_stopped = false;
        let mut observe = |run: &str, news: News<'_>| {
            events.news(run, &news);
            match news {
                News::Moment(moment) => progress.show(run, moment),
                News::Begun(_) | News::Settled(..) => {}
                News::Ended(End::Paused(pause)) => {
                    is_stopped |= *pause == Pause::Signal;
                    progress.finish(run, Some(&report::plan::paused(run, pause)));
                }
                News::Ended(End::Complete | End::Waiting(_)) => progress.finish(run, None),
            }
        };
        let (store, sent) = runner.send(store, orders, &mut observe).await;
        sent.map_err(Failure::StateWhileSending)?;
        Ok((store, is_stopped))
    })
}

/// One thread for the runner and its calls, beside the journal's: to hand calls from thread to thread costs more than
/// the calls themselves.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(format!("cannot start the runtime: {error}")))
}

pub(super) fn listen(announcement: &'static str) -> Result<Signals, Failure> {
    Signals::listen(announcement)
        .map_err(|error| Failure::Other(format!("cannot listen for signals: {error}")))
}

/// The accounting: a line a run, and the sum as the last line of every apply. A timer's apply accounts for what it has
/// sent; what was done with before, or is held back, is not news every minute.
pub(super) fn account(
    store: &dyn Store,
    planned: &Planned,
    due: bool,
    events: &mut Events,
) -> Result<Exit, Failure> {
    let mut runs: Vec<Run> = Vec::new();
    let before = planned.held.iter().chain(planned.settled.iter().map(|(run, _)| run));
    let before = before.chain(planned.waiting.iter().map(|(run, _)| run)).filter(|_| !due);
    for run in planned.resumes.iter().chain(before) {
        runs.push(store.run(&run.id)?);
    }
    for judged in &planned.plans {
        runs.push(store.run(&judged.plan.header().run_id)?);
    }
    let acted = planned.sends_something();
    if due && !acted {
        return Ok(Exit::Done);
    }
    let sum: Tally = runs.iter().map(|run| run.tally).sum();
    for run in &runs {
        events.tally(run);
    }
    events.total(sum);
    output::print(&report::plan::accounting(&runs, sum))?;
    let exit = |run: &Run| match run.tally {
        // What waits for a later wave is as it should be, and what was given up is as somebody wants it.
        Tally { remaining: 1.., .. }
            if !matches!(run.status(), RunStatus::Waiting | RunStatus::Cancelled) =>
        {
            Exit::Stopped
        }
        Tally { in_doubt: 1.., .. } => Exit::InDoubt,
        Tally { failed: 1.., .. } if acted => Exit::SomeFailed,
        _ => Exit::Done,
    };
    Ok(runs.iter().map(exit).fold(Exit::Done, Exit::worse))
}
