//! `pushplan plan`: what would be sent, for people and for scripts. It sends nothing and writes no state.

use std::path::PathBuf;

use jiff::Timestamp;

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::planning::{Planned, occurrence_of, plan_all, plan_one};
use super::{Format, Global, context, output};
use crate::audience::Access;
use crate::report;
use crate::state::Store;

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Campaign files, or folders of them; all of the workspace's where none is given
    paths: Vec<PathBuf>,
    /// How the result is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Exit with 2 where there is something to send, and with 0 only where there is not
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
    let planned = plan_all(&context, store.as_deref(), Timestamp::now())?;
    output::print(&match args.format {
        Format::Json => report::plan::json(&planned.summaries(&context.workspace)),
        Format::Text => planned.text(&context.workspace),
    })?;
    if args.format == Format::Text {
        output::print(&drift(&context, &planned, store.as_deref())?)?;
    }
    planned.refuse_changed()?;
    if args.detailed_exitcode && planned.sends_something() {
        return Ok(Exit::SomethingToSend);
    }
    Ok(Exit::Done)
}

/// What has become of the audiences of unfinished runs. They are sent as they were frozen; who reviews a plan
/// should know all the same.
fn drift(context: &Context, planned: &Planned, store: Option<&dyn Store>) -> Result<String, Failure> {
    let mut text = String::new();
    for run in &planned.resumes {
        let Some(campaign) = context.campaigns.iter().find(|campaign| campaign.id == run.campaign) else {
            continue;
        };
        let occurrence = occurrence_of(campaign, run);
        let now = plan_one(campaign, occurrence, context, None, store)
            .map_err(|error| Failure::prepare(vec![error]))?;
        if now.audience_digest() != run.audience_digest {
            text += &report::plan::audience_drift(run, now.recipients());
        }
    }
    Ok(text)
}
