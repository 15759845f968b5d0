//! `pushplan plan`: what would be sent, for people and for scripts, and saved. It sends nothing and writes no state.

use std::path::PathBuf;

use jiff::Timestamp;

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::planned::Planned;
use super::planning::{occurrence_of, plan_all, plan_one};
use super::upcoming::calendar;
use super::when::When;
use super::{Global, PlanFormat, context, output};
use crate::audience::Access;
use crate::report;
use crate::state::{PlanFile, Store};

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Campaign files, or folders of them; all of the workspace's where none is given
    paths: Vec<PathBuf>,
    /// How the result is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: PlanFormat,
    /// Save the plan to a file that `apply FILE` sends as it stands. It holds the recipients
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["at", "until"])]
    out: Option<PathBuf>,
    /// Plan as if it were then, with the state as it is now: an instant (2026-11-24T09:00Z) or so long from now (3d)
    #[arg(long, value_name = "WHEN", value_parser = When::parse)]
    at: Option<When>,
    /// Show also what is due after that: up to an instant, or for so long
    #[arg(long, value_name = "WHEN", value_parser = When::parse)]
    until: Option<When>,
    /// Exit with 2 where an apply would send something, or record what was missed, and with 0 only where it would not
    #[arg(long)]
    detailed_exitcode: bool,
    /// Say on stderr where the time went, campaign by campaign
    #[arg(long)]
    profile: bool,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let mut context = context::load_campaigns(global, &args.paths, Access::Files)?;
    context.profile = args.profile;
    let store = context::open_to_plan(&context)?;
    let now = Timestamp::now();
    let now = args.at.map_or(now, |at| at.from(now));
    let planned = plan_all(&context, store.as_deref(), now)?;
    let calendar = match args.until {
        Some(until) => Some(calendar(&context, &planned, store.as_deref(), now, until.from(now))?),
        None => None,
    };
    let summaries = planned.summaries(&context.workspace);
    let changed = planned.refuse_changed(store.as_deref());
    if args.format == PlanFormat::Json {
        output::print(&report::plan::json(&summaries, calendar.as_ref()))?;
    } else {
        let mut notes = planned.notes() + &drift(&context, &planned, store.as_deref());
        if args.format == PlanFormat::Markdown {
            // What goes to stderr does not reach a reviewer.
            notes.extend(changed.as_ref().err().map(|changed| format!("{changed}\n")));
            output::print(&report::markdown::plan(&summaries, &notes))?;
        } else {
            output::print(&(report::plan::texts(&summaries) + &notes))?;
            if let Some(calendar) = &calendar {
                output::print(&format!("\n{}", report::calendar::text(calendar)))?;
            }
        }
    }
    changed?;
    if let Some(path) = &args.out {
        let state = store.as_ref().map(|store| store.identity()).transpose()?;
        let plans = planned.plans.iter().map(|judged| &judged.plan);
        PlanFile::write(path, plans, state, report::plan::json(&summaries, None), now)?;
    }
    planned.refuse_gates(std::iter::empty(), &[])?;
    // What was missed and is not on record tells that nothing applies what is due.
    if args.detailed_exitcode && (planned.sends_something() || !planned.missed.is_empty()) {
        return Ok(Exit::SomethingToSend);
    }
    Ok(Exit::Done)
}

/// What has become of the audiences of unfinished runs. They are sent as they were frozen; who reviews a plan
/// should know all the same.
fn drift(context: &Context, planned: &Planned, store: Option<&dyn Store>) -> String {
    let mut text = String::new();
    for run in &planned.resumes {
        let Some(campaign) = context.campaigns.iter().find(|campaign| campaign.id == run.campaign) else {
            continue;
        };
        let occurrence = occurrence_of(campaign, run);
        match plan_one(campaign, occurrence, context, None, store) {
            Ok(now) if now.audience_digest() == run.audience_digest => {}
            Ok(now) => text += &report::plan::audience_drift(run, now.recipients()),
            Err(error) => text += &report::plan::unknown_drift(run, &error.to_string()),
        }
    }
    text
}
