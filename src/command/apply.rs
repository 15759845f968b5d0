//! `pushplan apply`: plans, asks, freezes, sends, and accounts for every recipient.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::agenda::{Agenda, Basis};
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::planning::{Planned, occurrence_of, plan_all, plan_due, plan_one, summary};
use super::target::{Target, compare_clocks};
use super::{Global, context, output, who};
use crate::apply::{News, Order, Runner, Signals};
use crate::audience::Access;
use crate::campaign::{FILE_NAME, Workspace, parse_duration};
use crate::executor::{End, Pause};
use crate::plan::Plan;
use crate::prepare::Rest;
use crate::report;
use crate::report::events::Events;
use crate::report::progress::Progresses;
use crate::state::{Run, RunStatus, Store, Tally};

/// Arguments of `apply`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
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
    /// Only what schedules ask for now and runs that were begun, each campaign by itself: for a timer
    #[arg(long)]
    due: bool,
    /// Stay for what becomes due within this time: 30s, 10m
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true, value_parser = parse_duration)]
    wait: Duration,
    /// Write what happens into this file, as it happens: JSON lines, the first of which names the version
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let until = Timestamp::now() + args.wait;
    let mut events = match &args.events {
        Some(path) => Events::create(path).map_err(|source| Failure::File {
            action: "write",
            path: path.clone(),
            source,
        })?,
        None => Events::default(),
    };
    let mut exit = Exit::Done;
    loop {
        let round = one_round(global, args, until, &mut events)?;
        exit = exit.worse(round.exit);
        let Some(next) = round.next.filter(|next| *next <= until) else { return Ok(exit) };
        if round.is_stopped || wait_until(next)? {
            return Ok(exit.worse(Exit::Stopped));
        }
    }
}

/// What one look at the campaigns came to.
struct Round {
    exit: Exit,
    /// When something is due next.
    next: Option<Timestamp>,
    /// Was the process asked to stop?
    is_stopped: bool,
}

/// Plans what is due now, sends it, and accounts for it. Waves that open before `until` are waited for.
fn one_round(global: &Global, args: &Args, until: Timestamp, events: &mut Events) -> Result<Round, Failure> {
    let Look { context, mut store, mut agenda, now } = look(global, args)?;
    let plan = if args.due { plan_due } else { plan_all };
    let mut planned = plan(&context, Some(store.as_ref()), now)?;
    if args.as_frozen {
        planned.resumes.extend(planned.changed.drain(..).map(|(_, run)| run));
    }
    let replans = if args.replan { replan(&mut planned, &context, store.as_ref())? } else { Vec::new() };
    if !args.due {
        planned.refuse_changed()?;
    }
    if let Some((agenda, _)) = &mut agenda {
        agenda.note(&context.campaigns, !planned.failed.is_empty(), now);
    }
    let agenda_next = agenda.as_ref().and_then(|(agenda, _)| agenda.next_after(now));
    let next = planned.next(&context.campaigns, now).into_iter().chain(agenda_next).min_by_key(|(_, at)| *at);
    if args.due && planned.does_nothing() {
        output::print(&report::plan::nothing_due(next))?;
    } else {
        output::print(&planned.text(&context.workspace))?;
    }
    for (_, plan) in &replans {
        output::print(&report::plan::text(&summary(plan, &context.workspace)))?;
    }

    let mut is_stopped = false;
    if planned.sends_something() {
        let targets = open_targets(&context.workspace, &planned)?;
        runtime()?.block_on(compare_clocks(&targets))?;
        approve(args, &planned)?;
        let note = who::note("");
        for plan in &planned.plans {
            store.freeze(plan, &note, now)?;
            events.frozen(plan);
        }
        for (run, plan) in &replans {
            store.replan(run, plan, &note, now)?;
        }
        settle(store.as_mut(), &planned, now)?;
        write(agenda.as_ref(), &context);
        (store, is_stopped) = send(store, &planned, &targets, until, events)?;
    } else {
        settle(store.as_mut(), &planned, now)?;
        write(agenda.as_ref(), &context);
    }
    let next = next.map(|(_, at)| at);
    let exit = account(store.as_ref(), &planned, args.due, events)?.worse(tell_apart(&mut planned));
    Ok(Round { exit, next, is_stopped })
}

/// What there is to look at now.
struct Look {
    context: Context,
    store: Box<dyn Store>,
    /// With its file, where there is one.
    agenda: Option<(Agenda, PathBuf)>,
    now: Timestamp,
}

/// Opens the state and reads the campaigns; a timer's apply of a whole workspace those alone that its agenda names.
fn look(global: &Global, args: &Args) -> Result<Look, Failure> {
    let all = |paths: &[PathBuf]| context::load_campaigns(global, paths, Access::Connections);
    let listed = if args.due && args.paths.is_empty() { context::list(global)? } else { None };
    let listed =
        listed.and_then(|(workspace, files)| Some((context::agenda_path(&workspace)?, workspace, files)));
    let Some((path, workspace, files)) = listed else {
        let context = all(&args.paths)?;
        let store = context::open_to_write(&context.workspace, "apply")?;
        return Ok(Look { context, store, agenda: None, now: Timestamp::now() });
    };
    let store = context::open_to_write(&workspace, "apply")?;
    let now = Timestamp::now();
    let basis = Basis::new(&workspace.root.join(FILE_NAME), files, store.identity()?.lineage);
    let known = basis.as_ref().and_then(|basis| Agenda::read(&path, basis, now));
    let (context, agenda) = if let Some(agenda) = known {
        let open = store.open_runs()?.into_iter().map(|run| run.campaign).collect();
        let context = match agenda.to_read(&open, now).as_slice() {
            [] => Context { workspace, campaigns: Vec::new(), access: Access::Connections, profile: false },
            files => all(files)?,
        };
        (context, Some(agenda))
    } else {
        let context = all(&[])?;
        let agenda = basis.map(|basis| Agenda::new(basis, &context.campaigns, now));
        (context, agenda)
    };
    Ok(Look { context, store, agenda: agenda.map(|agenda| (agenda, path)), now })
}

/// Writes the agenda, where anything was looked at. What was due is on record by now: an agenda that was ahead of the
/// state would hide it.
fn write(agenda: Option<&(Agenda, PathBuf)>, context: &Context) {
    if let Some((agenda, path)) = agenda.filter(|_| !context.campaigns.is_empty()) {
        agenda.write(path);
    }
}

/// Records what was missed, and that everything due so far has its fate. Writes nothing where there is nothing new.
fn settle(store: &mut dyn Store, planned: &Planned, now: Timestamp) -> Result<(), Failure> {
    let known = store.answered()?;
    let answered: Vec<(&str, Timestamp)> = planned
        .answered
        .iter()
        .filter(|(campaign, at)| known.get(*campaign).is_none_or(|known| known < at))
        .map(|(campaign, at)| (campaign.as_str(), *at))
        .collect();
    for (why, missed) in &planned.missed {
        store.settle(missed, &[], &who::note(why), now)?;
    }
    if !answered.is_empty() {
        store.settle(&[], &answered, &who::note(""), now)?;
    }
    Ok(())
}

/// Says what a timer's apply has left alone, campaign by campaign, and what that makes of the exit code.
fn tell_apart(planned: &mut Planned) -> Exit {
    let mut exit = Exit::Done;
    let mut tell = |failure: Failure| {
        output::failure(&failure);
        exit = exit.worse(failure.exit());
    };
    if let Err(changed) = planned.refuse_changed() {
        tell(changed);
    }
    for error in std::mem::take(&mut planned.failed) {
        tell(Failure::prepare(vec![error]));
    }
    exit
}

/// Sleeps on the wall clock; true where the process was asked to stop meanwhile.
fn wait_until(at: Timestamp) -> Result<bool, Failure> {
    output::say(&format!("waiting until {at:.0}"));
    runtime()?.block_on(async {
        let mut signals = listen("stopping")?;
        loop {
            // In short sleeps, so that a wall clock that is set is noticed.
            let left = Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO);
            if left.is_zero() {
                return Ok(false);
            }
            tokio::select! {
                () = signals.stopped() => return Ok(true),
                () = tokio::time::sleep(left.min(Duration::from_secs(1))) => {}
            }
        }
    })
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
        planned.plans.iter().map(Plan::recipients),
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

/// Sends; says also whether the process was asked to stop.
fn send(
    store: Box<dyn Store>,
    planned: &Planned,
    targets: &BTreeMap<String, Target>,
    until: Timestamp,
    events: &mut Events,
) -> Result<(Box<dyn Store>, bool), Failure> {
    let mut orders = Vec::new();
    let starts = planned.plans.iter().map(|plan| store.run(&plan.header().run_id));
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
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(format!("cannot start the runtime: {error}")))
}

fn listen(announcement: &'static str) -> Result<Signals, Failure> {
    Signals::listen(announcement)
        .map_err(|error| Failure::Other(format!("cannot listen for signals: {error}")))
}

/// The accounting: a line a run, and the sum as the last line of every apply. A timer's apply accounts for what it has
/// sent; what was done with before, or is held back, is not news every minute.
fn account(store: &dyn Store, planned: &Planned, due: bool, events: &mut Events) -> Result<Exit, Failure> {
    let mut runs: Vec<Run> = Vec::new();
    let before = planned.held.iter().chain(planned.settled.iter().map(|(run, _)| run));
    let before = before.chain(planned.waiting.iter().map(|(run, _)| run)).filter(|_| !due);
    for run in planned.resumes.iter().chain(before) {
        runs.push(store.run(&run.id)?);
    }
    for plan in &planned.plans {
        runs.push(store.run(&plan.header().run_id)?);
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
    // What waits for a later wave is as it should be.
    let waiting = runs.iter().filter(|run| run.status() == RunStatus::Waiting);
    let waiting: u64 = waiting.map(|run| run.tally.remaining).sum();
    Ok(match sum {
        Tally { remaining, .. } if remaining > waiting => Exit::Stopped,
        Tally { in_doubt: 1.., .. } => Exit::InDoubt,
        Tally { failed: 1.., .. } if acted => Exit::SomeFailed,
        _ => Exit::Done,
    })
}
