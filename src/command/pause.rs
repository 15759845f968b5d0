//! `pushplan pause`: holds a run back. A runner that is sending it stops within a second.

use jiff::Timestamp;

use super::exit::Exit;
use super::failure::Failure;
use super::who::Word;
use super::{Global, context, output};
use crate::state::{Hold, Run, RunStatus};

pub(super) fn run(global: &Global, word: &Word) -> Result<Exit, Failure> {
    let workspace = context::workspace(global)?;
    // Beside a runner that holds the lock: that is whom it is for.
    let mut store = context::open_beside(&workspace, &word.run)?;
    let run = store.run(&word.run)?;
    if !matches!(run.status(), RunStatus::Unfinished | RunStatus::Waiting | RunStatus::Paused) {
        return Err(nothing_remains(&run));
    }
    let held = store.set_hold(&word.run, Some(Hold::Paused), "paused", &word.note(), Timestamp::now())?;
    // It may have come to its end, or been cancelled, meanwhile.
    if held != Some(Hold::Paused) {
        return Err(nothing_remains(&store.run(&word.run)?));
    }
    output::print(&format!("{}: paused; `pushplan resume {}` lets it go on\n", run.id, run.id))?;
    Ok(Exit::Done)
}

/// There is nothing to hold back.
pub(super) fn nothing_remains(run: &Run) -> Failure {
    Failure::Other(format!("{}: nothing remains to be sent ({})", run.id, run.status().as_str()))
}
