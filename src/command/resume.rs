//! `pushplan resume`: lets a paused run go on with the next apply.

use jiff::Timestamp;

use super::exit::Exit;
use super::failure::Failure;
use super::{Global, context, output, who};
use crate::state::Hold;

/// Arguments of `resume`.
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
    let mut store = context::open_beside(&workspace, &args.run)?;
    match store.hold(&args.run)? {
        Some(Hold::Paused | Hold::Breaker) => {}
        Some(Hold::Cancelled) => {
            return Err(Failure::Other(format!("{} was cancelled; what it skipped stays so", args.run)));
        }
        None => return Err(Failure::Other(format!("{} is not paused", args.run))),
    }
    store.set_hold(&args.run, None, "resumed", &who::note(&args.reason), Timestamp::now())?;
    output::print(&format!("{}: `pushplan apply` goes on with it\n", args.run))?;
    Ok(Exit::Done)
}
