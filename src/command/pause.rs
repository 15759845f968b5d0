//! `pushplan pause`: holds a run back. A runner that is sending it stops within a second.

use jiff::Timestamp;

use super::exit::Exit;
use super::failure::Failure;
use super::who::Word;
use super::{Global, context, output};
use crate::state::{Hold, RunStatus};

pub(super) fn run(global: &Global, word: &Word) -> Result<Exit, Failure> {
    let workspace = context::workspace(global)?;
    // Beside a runner that holds the lock: that is whom it is for.
    let mut store = context::open_beside(&workspace, &word.run)?;
    let run = store.run(&word.run)?;
    if !matches!(run.status(), RunStatus::Unfinished | RunStatus::Waiting | RunStatus::Paused) {
        let status = run.status().as_str();
        return Err(Failure::Other(format!("{}: nothing remains to be sent ({status})", run.id)));
    }
    store.set_hold(&word.run, Some(Hold::Paused), "paused", &word.note(), Timestamp::now())?;
    output::print(&format!("{}: paused; `pushplan resume {}` lets it go on\n", run.id, run.id))?;
    Ok(Exit::Done)
}
