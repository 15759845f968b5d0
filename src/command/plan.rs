//! `pushplan plan`: what would be sent, for people and for scripts. It sends nothing and writes no state.

use std::path::PathBuf;

use jiff::Timestamp;

use super::exit::Exit;
use super::failure::Failure;
use super::planning::plan_all;
use super::{Format, Global, context, output};
use crate::report;

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Campaign files, or folders of them; all of the workspace's where none is given
    paths: Vec<PathBuf>,
    /// How the result is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Exit with 2 where there is something to send, and with 0 only where there is not
    #[arg(long)]
    detailed_exitcode: bool,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let context = context::load_campaigns(global, &args.paths)?;
    let store = context::open_to_read(&context.workspace)?;
    let planned = plan_all(&context, store.as_deref(), Timestamp::now())?;
    output::print(&match args.format {
        Format::Json => report::plan::json(&planned.summaries(&context.workspace)),
        Format::Text => planned.text(&context.workspace),
    })?;
    planned.refuse_changed()?;
    if args.detailed_exitcode && planned.sends_something() {
        return Ok(Exit::SomethingToSend);
    }
    Ok(Exit::Done)
}
