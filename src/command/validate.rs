//! `pushplan validate`: all mistakes of all files at once. It runs no program and opens no connection, whatever the
//! flags: a campaign file in a pull request is not trusted.

use std::path::PathBuf;

use super::exit::Exit;
use super::failure::Failure;
use super::{Format, Global, context, output};
use crate::audience::Access;
use crate::prepare;
use crate::report;

/// Arguments of `validate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Campaign files, or folders of them; all of the workspace's where none is given
    paths: Vec<PathBuf>,
    /// How the result is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let (drafts, mut diagnostics) = context::load_leniently(global, &args.paths)?;
    for draft in &drafts {
        diagnostics.append(prepare::check(draft, Access::Files));
    }
    diagnostics.sort();
    let exit = if diagnostics.has_errors() { Exit::Error } else { Exit::Done };
    match args.format {
        Format::Json => output::print(&format!("{:#}\n", report::diagnostics::json(&diagnostics)))?,
        Format::Text => {
            context::warn(&diagnostics);
            if exit == Exit::Done {
                output::print(&report::diagnostics::all_well(drafts.len()))?;
            }
        }
    }
    Ok(exit)
}
