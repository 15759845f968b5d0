//! `pushplan man`: the manual pages, made from what `--help` says.

use std::path::PathBuf;

use clap::CommandFactory;
use clap_mangen::Man;

use super::exit::Exit;
use super::failure::Failure;
use super::{Cli, output};

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write a page for every command into this folder, instead of the first page to stdout
    dir: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page).expect("writing into memory cannot fail");
        output::print(&String::from_utf8_lossy(&page))?;
        return Ok(Exit::Done);
    };
    let failed = |source| Failure::File { action: "write the manual into", path: dir.clone(), source };
    std::fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(failed)?;
    Ok(Exit::Done)
}
