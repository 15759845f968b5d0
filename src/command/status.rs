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
        (None, Some(run)) => {
            return Err(Failure::Other(format!("there is no run '{run}': nothing was ever applied here")));
        }
        (None, None) => Vec::new(),
        (Some(store), None) => store.runs()?,
        (Some(store), Some(run)) => vec![store.run(run)?],
    };
    let text = match args.format {
        Format::Json => report::status::json(&runs),
        Format::Text => match (&store, &args.run) {
            (Some(store), Some(_)) => {
                let run = &runs[0];
                report::status::one(run, &store.in_doubt(&run.id)?)
            }
            _ => report::status::table(&runs),
        },
    };
    output::print(&text)?;
    Ok(Exit::Done)
}
