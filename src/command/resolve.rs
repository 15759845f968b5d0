//! `pushplan resolve`: a person's word on batches in doubt.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::exit::Exit;
use super::failure::Failure;
use super::resume::given_up;
use super::who::Word;
use super::{Global, context, output};
use crate::state::{Change, Status, TakenUp};

/// Arguments of `resolve`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    word: Word,
    /// Only these batches, as `status RUN` numbers them; all in doubt where none is given
    #[arg(long, value_name = "N", value_delimiter = ',')]
    batch: Vec<u32>,
    #[command(flatten)]
    verdict: Verdict,
}

/// What is known of them now.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Verdict {
    /// They were sent: their recipients count as accepted
    #[arg(long)]
    assume_sent: bool,
    /// Send them again with the next apply, at the risk that some get it twice
    #[arg(long)]
    resend: bool,
    /// They were not sent, and are not wanted now: their recipients count as failed, and `retry` can send them
    #[arg(long)]
    assume_not_sent: bool,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let workspace = context::workspace(global)?;
    let mut store = context::open_existing(&workspace, &args.word.run, "resolve")?;
    let (now, note) = (Timestamp::now(), args.word.note());
    let TakenUp { batches, hold } = store.take_up(&args.word.run, &note, now)?;
    if let Some(held) = hold.filter(|hold| args.verdict.resend && hold.is_final()) {
        return Err(given_up(&args.word.run, held));
    }
    let in_doubt: BTreeSet<u32> = (1..)
        .zip(&batches)
        .filter(|(_, batch)| batch.state.status == Status::InDoubt)
        .map(|(number, _)| number)
        .collect();
    let chosen: BTreeSet<u32> =
        if args.batch.is_empty() { in_doubt.clone() } else { args.batch.iter().copied().collect() };
    let settled: Vec<String> = chosen.difference(&in_doubt).map(u32::to_string).collect();
    if !settled.is_empty() {
        return Err(Failure::Usage(format!(
            "--batch {}: not in doubt; `pushplan status {}` lists the batches that are",
            settled.join(","),
            args.word.run
        )));
    }
    if chosen.is_empty() {
        return Err(Failure::Other(format!("{} has no batch in doubt", args.word.run)));
    }
    let (what, change): (&str, fn(u32) -> Change) = match args.verdict {
        Verdict { assume_sent: true, .. } => ("resolved: assumed sent", Change::AssumeSent),
        Verdict { resend: true, .. } => ("resolved: to be sent again", Change::Resend),
        Verdict { .. } => ("resolved: assumed not sent", Change::AssumeNotSent),
    };
    let changes: Vec<Change> = chosen.into_iter().map(change).collect();
    store.decree(&args.word.run, what, &changes, &note, now)?;
    let run = store.run(&args.word.run)?;
    output::print(&format!("{}: {} batches {what}\n{}: {}\n", run.id, changes.len(), run.id, run.tally))?;
    if args.verdict.resend {
        output::say("`pushplan apply` sends them");
    }
    Ok(Exit::Done)
}
