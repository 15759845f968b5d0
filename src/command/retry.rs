//! `pushplan retry`: lets failed recipients be tried again by the next apply.

use jiff::Timestamp;

use super::exit::Exit;
use super::failure::Failure;
use super::resume::given_up;
use super::who::Word;
use super::{Global, context, output};
use crate::outcome::Answer;
use crate::report::number::grouped;
use crate::timpush;

/// Arguments of `retry`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    word: Word,
    /// Only recipients that failed with these codes; where none is given, with codes that may pass another time
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    code: Vec<i64>,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let workspace = context::workspace(global)?;
    let mut store = context::open_existing(&workspace, &args.word.run, "retry")?;
    if let Some(held) = store.run(&args.word.run)?.hold.filter(|hold| hold.is_final()) {
        return Err(given_up(&args.word.run, held));
    }
    let chosen = |answer: &Answer| {
        if args.code.is_empty() {
            timpush::may_pass_another_time(answer.code)
        } else {
            args.code.contains(&answer.code)
        }
    };
    let count = store.retry(&args.word.run, &chosen, &args.word.note(), Timestamp::now())?;
    let run = store.run(&args.word.run)?;
    if run.tally.failed == 0 && count == 0 {
        return Err(Failure::Other(format!("{} has no failed recipients", run.id)));
    }
    if count == 0 {
        return Err(Failure::Other(format!(
            "{}: none of the {} failed recipients is to be tried again\n\
             `pushplan failures {}` lists their codes; choose some with --code.",
            run.id,
            grouped(run.tally.failed),
            run.id
        )));
    }
    output::print(&format!(
        "{}: {} recipients are to be tried again; `pushplan apply` sends them\n{}: {}\n",
        run.id,
        grouped(count),
        run.id,
        run.tally
    ))?;
    Ok(Exit::Done)
}
