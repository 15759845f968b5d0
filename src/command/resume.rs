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
    let held = match store.run(&word.run)?.hold {
        None => return Err(Failure::Other(format!("{} is not paused", word.run))),
        // Somebody may cancel it meanwhile.
        Some(_) => store.set_hold(&word.run, None, "resumed", &word.note(), Timestamp::now())?,
    };
    if let Some(held) = held {
        return Err(given_up(&word.run, held));
    }
    output::print(&format!("{}: `pushplan apply` goes on with it\n", word.run))?;
    Ok(Exit::Done)
}

/// What was cancelled or missed is not sent any more.
pub(super) fn given_up(run: &str, held: Hold) -> Failure {
    Failure::Other(match held {
        Hold::Missed => {
            format!("{run} was missed: nobody ran it in its window, and it has no recipients")
        }
        _ => format!("{run} was cancelled; what it skipped stays so"),
    })
}
