//! `pushplan schema`: the JSON Schemas, printed, written or compared.

use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::failure::Failure;
use super::output;
use crate::campaign::schema;
use crate::plan::summary;

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which one to print
    #[arg(value_name = "FILE", default_value = "campaign", conflicts_with_all = ["write", "check"])]
    which: Which,
    /// Write all of them into this folder
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// Fail where those of this folder are not up to date
    #[arg(long, value_name = "DIR", conflicts_with = "write")]
    check: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    Campaign,
    Workspace,
    /// What `plan --format json` writes
    Plan,
}

/// Every schema: the file's name and its content.
pub(super) fn files() -> Vec<(&'static str, String)> {
    let mut files = schema::files();
    files.push(summary::schema());
    files
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    if let Some(folder) = &args.write {
        std::fs::create_dir_all(folder).map_err(|source| Failure::File {
            action: "create",
            path: folder.clone(),
            source,
        })?;
        for (name, text) in files() {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|source| Failure::File { action: "write", path, source })?;
        }
        return Ok(Exit::Done);
    }
    if let Some(folder) = &args.check {
        return check(folder);
    }
    let name = match args.which {
        Which::Campaign => "campaign.schema.json",
        Which::Workspace => "workspace.schema.json",
        Which::Plan => summary::schema().0,
    };
    let text = files().into_iter().find(|(file, _)| *file == name).map(|(_, text)| text);
    output::print(&text.expect("each schema has its file"))?;
    Ok(Exit::Done)
}

fn check(folder: &Path) -> Result<Exit, Failure> {
    for (name, text) in files() {
        let path = folder.join(name);
        let found = std::fs::read_to_string(&path).map_err(|source| Failure::File {
            action: "read",
            path: path.clone(),
            source,
        })?;
        if found != text {
            let path = path.display();
            return Err(Failure::Other(format!(
                "{path} is out of date; `pushplan schema --write {}` writes it anew",
                folder.display()
            )));
        }
    }
    Ok(Exit::Done)
}
