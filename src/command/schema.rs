//! `pushplan schema`: the JSON Schemas of what pushplan reads and of what it writes, printed, saved or compared.

use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::failure::Failure;
use super::output;
use crate::campaign::schema;
use crate::report::form;

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which one to print
    #[arg(value_name = "WHICH", default_value = "campaign", conflicts_with_all = ["write", "check"])]
    which: Which,
    /// Write those of campaign and workspace files into this folder, where editors find them
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// Write those of JSON output too
    #[arg(long, requires = "write")]
    output: bool,
    /// Fail where one of those in this folder is not up to date
    #[arg(long, value_name = "DIR", conflicts_with = "write")]
    check: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// Campaign files
    Campaign,
    /// pushplan.yaml
    Workspace,
    /// What `upcoming --format json` writes
    Calendar,
    /// What `validate --format json` writes
    Diagnostics,
    /// A line of what `apply --events` writes
    Events,
    /// What `failures --format json` writes
    Failures,
    /// What `plan --format json` and `show --format json` write
    Plan,
    /// What `status --format json` writes
    Status,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    if let Some(folder) = &args.write {
        return write(folder, args.output);
    }
    if let Some(folder) = &args.check {
        return check(folder);
    }
    // Files are named after what they are of.
    let which = clap::ValueEnum::to_possible_value(&args.which).expect("none is hidden");
    let (_, text) = all()
        .into_iter()
        .find(|(name, _)| name.split('.').next() == Some(which.get_name()))
        .expect("each schema has its file");
    output::print(&text)?;
    Ok(Exit::Done)
}

/// Those of what is read: the file's name and its content.
pub(super) fn input() -> impl Iterator<Item = (String, String)> {
    schema::files().into_iter().map(|(name, text)| (name.to_owned(), text))
}

fn all() -> Vec<(String, String)> {
    input().chain(form::schemas()).collect()
}

fn write(folder: &Path, output: bool) -> Result<Exit, Failure> {
    let failed = |action, path: &Path, source| Failure::File { action, path: path.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(|source| failed("create", folder, source))?;
    for (name, text) in if output { all() } else { input().collect() } {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|source| failed("write", &path, source))?;
    }
    Ok(Exit::Done)
}

fn check(folder: &Path) -> Result<Exit, Failure> {
    let mut compared = 0;
    for (name, text) in all() {
        let path = folder.join(&name);
        let found = match std::fs::read_to_string(&path) {
            Ok(found) => found,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => return Err(Failure::File { action: "read", path, source }),
        };
        compared += 1;
        if found != text {
            let more = if name.contains(".output.") { " --output" } else { "" };
            return Err(Failure::Other(format!(
                "{} is out of date; `pushplan schema --write {}{more}` writes it anew",
                path.display(),
                folder.display()
            )));
        }
    }
    if compared > 0 {
        return Ok(Exit::Done);
    }
    let folder = folder.display();
    Err(Failure::Other(format!("no schema is in {folder}; `pushplan schema --write {folder}` writes them")))
}
