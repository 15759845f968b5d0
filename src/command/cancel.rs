//! `pushplan cancel`: gives up what remains of a run. A runner that is sending it does so itself, and goes on with its
//! other runs.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::exit::Exit;
use super::failure::Failure;
use super::pause::nothing_remains;
use super::who::Word;
use super::{Global, context, output};
use crate::state::{self, Change, Hold, SkipReason, Status};

/// How long a runner that is told to stop is waited for: it drains for up to 5 s.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn run(global: &Global, word: &Word) -> Result<Exit, Failure> {
    let workspace = context::workspace(global)?;
    let note = word.note();
    let mut beside = context::open_beside(&workspace, &word.run)?;
    let held = beside.set_hold(&word.run, Some(Hold::Cancelled), "cancelled", &note, Timestamp::now())?;
    if held != Some(Hold::Cancelled) {
        return Err(nothing_remains(&beside.run(&word.run)?));
    }
    drop(beside);

    let patience = Instant::now() + PATIENCE;
    let mut store = loop {
        match context::open_to_write(&workspace, "cancel") {
            Err(Failure::State(state::Error::Held { .. })) if Instant::now() < patience => {
                let run = context::require(&workspace, &word.run)?;
                let events = context::open_to_read(&workspace)?
                    .map_or(Ok(Vec::new()), |store| store.events(&run.id))?;
                if run.tally.remaining == 0 && events.last().is_some_and(|event| event.what == "ended") {
                    output::print(&format!("{}: {}\n", run.id, run.tally))?;
                    return Ok(Exit::Done);
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            opened => break opened?,
        }
    };
    let now = Timestamp::now();
    let skips: Vec<Change> = (1..)
        .zip(store.take_up(&word.run, &note, now)?.batches)
        .filter(|(_, batch)| batch.state.status == Status::Pending)
        .map(|(number, _)| Change::Skip(number, SkipReason::Cancelled))
        .collect();
    store.commit(&word.run, &skips, now)?;
    let run = store.run(&word.run)?;
    output::print(&format!("{}: {}\n", run.id, run.tally))?;
    Ok(Exit::Done)
}
