//! `pushplan cancel`: gives up what remains of a run.

use jiff::Timestamp;

use super::context;
use super::exit::Exit;
use super::failure::Failure;
use super::{Global, output};
use crate::state::{Change, Hold, SkipReason, Status};

/// Arguments of `cancel`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, as `status` names it
    run: String,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let workspace = context::workspace(global)?;
    if context::open_to_read(&workspace)?.is_none() {
        return Err(Failure::Other(format!("there is no run '{}': nothing was ever applied here", args.run)));
    }
    let (_lock, mut store) = context::open_to_write(&workspace, "cancel")?;
    let now = Timestamp::now();
    let skips: Vec<Change> = (1..)
        .zip(store.take_up(&args.run, now)?)
        .filter(|(_, batch)| batch.state.status == Status::Pending)
        .map(|(number, _)| Change::Skip(number, SkipReason::Cancelled))
        .collect();
    if !skips.is_empty() {
        store.hold(&args.run, Some(Hold::Cancelled))?;
        store.commit(&args.run, &skips, now)?;
    }
    let run = store.run(&args.run)?;
    output::print(&format!("{}: {}\n", run.id, run.tally))?;
    Ok(Exit::Done)
}
