//! `pushplan show`: a saved plan, as `plan` showed it when it was made.

use std::path::PathBuf;

use super::exit::Exit;
use super::failure::Failure;
use super::{PlanFormat, output};
use crate::plan::summary::Summaries;
use crate::report;
use crate::state::{Origin, PlanFile};

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file that `plan -o` has saved
    file: PathBuf,
    /// How the result is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: PlanFormat,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let file = PlanFile::open(&args.file)?;
    let Origin { version, made_at, state, summaries, .. } = file.origin();
    let parsed = || {
        serde_json::from_str::<Summaries>(summaries).map_err(|error| {
            Failure::Other(format!("the plan in {} cannot be read: {error}", args.file.display()))
        })
    };
    output::print(&match args.format {
        PlanFormat::Json => summaries.clone(),
        PlanFormat::Text => {
            report::plan::texts(&parsed()?) + &report::plan::saved(version, *made_at, state.as_ref())
        }
        PlanFormat::Markdown => report::markdown::plan(&parsed()?, ""),
    })?;
    Ok(Exit::Done)
}
