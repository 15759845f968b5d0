//! `pushplan failures`: the failed recipients of a run, for a spreadsheet or a script.

use super::context;
use super::exit::Exit;
use super::failure::Failure;
use super::{Global, output};
use crate::report;

/// Arguments of `failures`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, as `status` names it
    run: String,
    /// How the result is written
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    format: ListFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ListFormat {
    Csv,
    Json,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let workspace = context::workspace(global)?;
    let store = context::require_state(&workspace)?;
    let mut failures = Vec::new();
    store.failures(&args.run, &mut |failure| failures.push(failure))?;
    output::print(&match args.format {
        ListFormat::Csv => report::failures::csv(&failures),
        ListFormat::Json => report::failures::json(&args.run, &failures),
    })?;
    Ok(Exit::Done)
}
