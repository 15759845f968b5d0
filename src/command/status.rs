//! `pushplan status`: every run and where its recipients stand.

use super::context;
use super::exit::Exit;
use super::failure::Failure;
use super::{Format, Global, output};
use crate::report;

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this run
    run: Option<String>,
    /// How the result is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
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
    Ok(Exit::Done)
}
