//! `pushplan status`: every run and where its recipients stand.

use super::context;
use super::exit::Exit;
use super::failure::Failure;
use super::{Format, Global, output};
use crate::report;
use crate::state::RunStatus;

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this run
    run: Option<String>,
    /// How the result is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Exit with 5 where batches are in doubt, with 4 where a run is unfinished or paused, and with 0 only where nothing
    /// waits for anybody
    #[arg(long)]
    detailed_exitcode: bool,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let workspace = context::workspace(global)?;
    let store = context::open_to_read(&workspace)?;
    let runs = match (&store, &args.run) {
        (_, Some(run)) => vec![context::require(&workspace, run)?],
        (Some(store), None) => store.runs()?,
        (None, None) => Vec::new(),
    };
    let text = match (args.format, &store, &args.run) {
        (format, Some(store), Some(run)) => {
            let one = if format == Format::Json { report::status::one_json } else { report::status::one };
            one(&runs[0], &store.in_doubt(run)?, &store.events(run)?)
        }
        (Format::Json, ..) => report::status::json(&runs),
        (Format::Text, ..) => report::status::table(&runs),
    };
    output::print(&text)?;
    let exits = runs.iter().map(|run| match run.status() {
        RunStatus::InDoubt => Exit::InDoubt,
        RunStatus::Unfinished | RunStatus::Paused => Exit::Stopped,
        _ => Exit::Done,
    });
    Ok(exits.filter(|_| args.detailed_exitcode).fold(Exit::Done, Exit::worse))
}
