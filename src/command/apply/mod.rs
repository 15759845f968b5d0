//! `pushplan apply`: plans, asks, freezes, sends, and accounts for every recipient.

mod approved;
mod look;
mod saved;
mod send;

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::planned::{Judged, Planned};
use super::planning::{judge, occurrence_of, plan_all, plan_due, plan_one};
use super::target::compare_clocks;
use super::{Global, output, who};
use crate::apply::Signals;
use crate::campaign::{parse_duration, parse_share};
use crate::plan::approval::Approval;
use crate::plan::gate::Gate;
use crate::prepare::Rest;
use crate::report;
use crate::report::events::Events;
use crate::state::{Note, PlanFile, Run, Store};
use look::Look;
use send::{account, listen, open_targets, runtime, send};

/// Arguments of `apply`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Args {
    /// Campaign files, or folders of them, all of the workspace's where none is given; or a file that `plan -o` has saved
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
    /// Send only what was approved: an approval as `plan` prints it, or a plan's digest; for several runs several
    #[arg(long, value_name = "DIGEST", value_delimiter = ',', conflicts_with_all = ["due", "replan", "wait"], group = "approved")]
    expect: Vec<Approval>,
    /// Send only what was approved, by the approvals in this file, one a line, the newest first. Those of runs that are
    /// not due count for nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["due", "replan", "wait"], group = "approved")]
    approvals: Option<PathBuf>,
    /// By how much the audience may be larger or smaller than the approved one: 5%
    #[arg(long, value_name = "SHARE", requires = "approved", default_value = "0%", hide_default_value = true, value_parser = parse_share)]
    audience_tolerance: f64,
    /// Send though this gate refuses; several times for several gates
    #[arg(long = "override", value_name = "GATE", requires = "reason", conflicts_with = "wait")]
    overridden: Vec<Gate>,
    /// Why a gate is overridden, for the run's timeline
    #[arg(long, value_name = "TEXT", requires = "overridden", default_value = "", hide_default_value = true)]
    reason: String,
    /// Stay for what becomes due within this time: 30s, 10m
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true, value_parser = parse_duration)]
    wait: Duration,
    /// Write what happens into this file, as it happens: JSON lines, the first of which names the version
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    if !args.overridden.is_empty() && args.reason.trim().is_empty() {
        return Err(Failure::Usage("--reason is blank: say why the gate is overridden".to_owned()));
    }
    let until = Timestamp::now() + args.wait;
    let mut events = Events::new(args.events.clone());
    if let [path] = &args.paths[..]
        && PlanFile::is_one(path)
    {
        return saved::run(global, args, path, until, &mut events);
    }
    let mut round = one_round(global, args, until, &mut events)?;
    let mut exit = round.exit;
    loop {
        if round.is_stopped {
            return Ok(exit.worse(Exit::Stopped));
        }
        let Some(next) = round.next.filter(|next| *next <= until) else { return Ok(exit) };
        if wait_until(next)? {
            return Ok(exit.worse(Exit::Stopped));
        }
        round = match one_round(global, args, until, &mut events) {
            Ok(round) => round,
            // What was sent before stands, and its exit code may be the worse one.
            Err(failure) => {
                output::failure(&failure);
                return Ok(exit.worse(failure.exit()));
            }
        };
        exit = exit.worse(round.exit);
    }
}

impl Args {
    /// What a run's timeline says of its beginning.
    fn note(&self, judged: &Judged) -> Note {
        who::note(&judged.overridden(&self.overridden, &self.reason))
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
    let Look { context, mut store, mut agenda, now } = Look::take(global, args.due, &args.paths)?;
    begin(events)?;
    let mut planned = if args.due {
        plan_due(&context, Some(store.as_ref()), now, &args.overridden)?
    } else {
        plan_all(&context, Some(store.as_ref()), now)?
    };
    let approved = approved::hold(args, &mut planned, store.as_ref());
    if args.as_frozen {
        planned.resumes.extend(planned.changed.drain(..).map(|(_, run)| run));
    }
    let replans = if args.replan { replan(&mut planned, &context, store.as_ref(), now)? } else { Vec::new() };
    if !args.due {
        planned.refuse_changed(Some(store.as_ref()))?;
    }
    if let Some((agenda, _)) = &mut agenda {
        agenda.note(&context.campaigns, !planned.failed.is_empty() || !planned.refused.is_empty(), now);
    }
    let agenda_next = agenda.as_ref().and_then(|(agenda, _)| agenda.next_after(now));
    let next = planned.next(&context.campaigns, now).into_iter().chain(agenda_next).min_by_key(|(_, at)| *at);
    if args.due && planned.does_nothing() {
        output::print(&report::plan::nothing_due(next))?;
    } else {
        output::print(&planned.text(&context.workspace))?;
    }
    for (_, judged) in &replans {
        output::print(&report::plan::text(&judged.summary(&context.workspace)))?;
    }
    approved?;
    planned.refuse_gates(replans.iter().map(|(_, judged)| judged), &args.overridden)?;

    let targets = if planned.sends_something() {
        let targets = open_targets(&context.workspace, &planned)?;
        runtime()?.block_on(compare_clocks(&targets))?;
        approve(args, &planned)?;
        // While a later round plans, nobody else listens.
        if Signals::is_asked() {
            return Ok(Round { exit: Exit::Stopped, next: None, is_stopped: true });
        }
        for judged in &planned.plans {
            store.freeze(&judged.plan, &args.note(judged), now)?;
            events.frozen(&judged.plan);
        }
        for (run, judged) in &replans {
            store.replan(run, &judged.plan, &args.note(judged), now)?;
        }
        Some(targets)
    } else {
        None
    };
    settle(store.as_mut(), &planned, now)?;
    // What was due is on record by now: an agenda that was ahead of the state would hide it.
    if let Some((agenda, path)) = agenda.as_ref().filter(|_| !context.campaigns.is_empty()) {
        agenda.write(path);
    }
    let next = next.map(|(_, at)| at);
    let mut is_stopped = false;
    if let Some(targets) = targets {
        (store, is_stopped) = send(store, &planned, &targets, until, events)?;
    }
    let exit =
        account(store.as_ref(), &planned, args.due, events)?.worse(tell_apart(&mut planned, store.as_ref()));
    Ok(Round { exit, next, is_stopped })
}

fn begin(events: &mut Events) -> Result<(), Failure> {
    events.begin().map_err(|(path, source)| Failure::File { action: "write", path, source })
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
fn tell_apart(planned: &mut Planned, store: &dyn Store) -> Exit {
    let mut exit = Exit::Done;
    let mut tell = |failure: Failure| {
        output::failure(&failure);
        exit = exit.worse(failure.exit());
    };
    if let Err(changed) = planned.refuse_changed(Some(store)) {
        tell(changed);
    }
    for error in std::mem::take(&mut planned.failed) {
        tell(Failure::prepare(vec![error]));
    }
    std::mem::take(&mut planned.refused).into_iter().for_each(tell);
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
    now: Timestamp,
) -> Result<Vec<(String, Judged)>, Failure> {
    let mut replans: Vec<(String, Judged)> = Vec::new();
    for (campaign, run) in std::mem::take(&mut planned.changed) {
        let rest =
            Rest { accounts: store.pending_accounts(&run.id)?, first_batch: store.batches(&run.id)? + 1 };
        let occurrence = occurrence_of(&campaign, &run);
        let plan = plan_one(&campaign, occurrence, context, Some(&rest), Some(store))
            .map_err(|error| Failure::prepare(vec![error]))?;
        let beside = planned.plans.iter().chain(replans.iter().map(|(_, judged)| judged));
        let judged = judge(plan, &campaign, context, Some(store), beside, now)?;
        replans.push((run.id.clone(), judged));
        planned.resumes.push(Run { delivery: campaign.delivery, ..run });
    }
    Ok(replans)
}

fn approve(args: &Args, planned: &Planned) -> Result<(), Failure> {
    if args.auto_approve || args.approvals.is_some() || !args.expect.is_empty() {
        return Ok(());
    }
    let question = report::plan::question(
        planned.plans.iter().map(|judged| judged.plan.recipients()),
        planned.resumes.iter().map(|run| run.tally.remaining),
    );
    match output::is_interactive() {
        false => Err(Failure::Usage(
            "there is no terminal to ask on; add --auto-approve, or --expect with what was approved, or apply a plan file"
                .to_owned(),
        )),
        true if output::confirm(&question) => Ok(()),
        true => Err(Failure::Other("not approved; nothing was sent".to_owned())),
    }
}
