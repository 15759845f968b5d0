//! `pushplan resume`: lets a paused run go on with the next apply.

use jiff::Timestamp;

use super::exit::Exit;
use super::failure::Failure;
use super::who::Word;
use super::{Global, context, output};
use crate::state::Hold;

pub(super) fn run(global: &Global, word: &Word) -> Result<Exit, Failure> {
    let workspace = context::workspace(global)?;
    let mut store = context::open_beside(&workspace, &word.run)?;
    match store.run(&word.run)?.hold {
        Some(Hold::Paused | Hold::Breaker) => {}
        Some(Hold::Cancelled) => {
            return Err(Failure::Other(format!("{} was cancelled; what it skipped stays so", word.run)));
        }
        Some(Hold::Missed) => {
            return Err(Failure::Other(format!(
                "{} was missed: nobody ran it in its window, and it has no recipients",
                word.run
            )));
        }
        None => return Err(Failure::Other(format!("{} is not paused", word.run))),
    }
    store.set_hold(&word.run, None, "resumed", &word.note(), Timestamp::now())?;
    output::print(&format!("{}: `pushplan apply` goes on with it\n", word.run))?;
    Ok(Exit::Done)
}
