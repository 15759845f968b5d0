//! `pushplan validate`: all mistakes of all files at once. It runs no program and opens no connection, whatever the
//! flags: a campaign file in a pull request is not trusted.

use std::path::PathBuf;

use super::exit::Exit;
use super::failure::Failure;
use super::{Global, context, output};
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

/// How mistakes are written. Those for code hosts go to stdout, and the words for a job's log to stderr as ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For machines
    Json,
    /// Workflow commands, which GitHub shows in the pull request
    Github,
    /// A code quality report, which GitLab shows in the merge request
    Gitlab,
    /// SARIF 2.1.0, for code scanning and editors
    Sarif,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let (drafts, mut diagnostics) = context::load_leniently(global, &args.paths)?;
    for draft in &drafts {
        diagnostics.append(prepare::check(draft, Access::Files));
    }
    diagnostics.sort();
    let exit = if diagnostics.has_errors() { Exit::Error } else { Exit::Done };
    if args.format != Format::Json {
        context::warn(&diagnostics);
    }
    let base = base(global);
    output::print(&match args.format {
        Format::Text if exit == Exit::Done => report::diagnostics::all_well(drafts.len()),
        Format::Text => String::new(),
        Format::Json => report::diagnostics::json(&diagnostics),
        Format::Github => report::annotations::github(&diagnostics, &base),
        Format::Gitlab => format!("{:#}\n", report::annotations::gitlab(&diagnostics, &base)),
        Format::Sarif => format!("{:#}\n", report::annotations::sarif(&diagnostics, &base)),
    })?;
    Ok(exit)
}

/// The folder that paths are shown relative to, seen from the current one: jobs start in the root of their repository,
/// from which code hosts count.
fn base(global: &Global) -> PathBuf {
    let folder = global.workspace.clone().unwrap_or_default();
    let current = std::env::current_dir().unwrap_or_default();
    folder.strip_prefix(current).map_or(folder.clone(), PathBuf::from)
}
