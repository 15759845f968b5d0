//! `pushplan pause`: holds a run back. A runner that is sending it stops within a second.

use jiff::Timestamp;

use super::exit::Exit;
use super::failure::Failure;
use super::{Global, context, output, who};
use crate::state::{Hold, RunStatus};

/// Arguments of `pause`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, as `status` names it
    run: String,
    /// Why, for the run's timeline
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let workspace = context::workspace(global)?;
    // Beside a runner that holds the lock: that is whom it is for.
    let mut store = context::open_beside(&workspace, &args.run)?;
    let run = store.run(&args.run)?;
    if !matches!(run.status(), RunStatus::Unfinished | RunStatus::Paused) {
        let status = run.status().as_str();
        return Err(Failure::Other(format!("{}: nothing remains to be sent ({status})", run.id)));
    }
    store.set_hold(&args.run, Some(Hold::Paused), "paused", &who::note(&args.reason), Timestamp::now())?;
    output::print(&format!("{}: paused; `pushplan resume {}` lets it go on\n", run.id, run.id))?;
    Ok(Exit::Done)
}
