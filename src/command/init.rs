//! `pushplan init`: a repository of campaigns to begin with, of which nothing is ever overwritten.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::failure::Failure;
use super::{Global, output, schema};

/// What is made, by its path in the repository; the schemas come with it.
const FILES: [(&str, &str); 10] = [
    ("pushplan.yaml", include_str!("init/pushplan.yaml")),
    ("campaigns/welcome.yaml", include_str!("init/welcome.yaml")),
    ("campaigns/audiences/people.csv", include_str!("init/people.csv")),
    (".gitignore", include_str!("init/gitignore")),
    (".vscode/settings.json", include_str!("init/vscode.json")),
    (".github/workflows/pushplan-plan.yml", include_str!("init/github-plan.yml")),
    (".github/workflows/pushplan-apply.yml", include_str!("init/github-apply.yml")),
    (".github/workflows/pushplan-drift.yml", include_str!("init/github-drift.yml")),
    (".gitlab-ci.yml", include_str!("init/gitlab-ci.yml")),
    ("ci/install-pushplan", include_str!("init/install-pushplan")),
];

const NEXT: &str = "
Try it: `pushplan plan`, then `pushplan apply`. The sample app is a sandbox; nothing leaves this machine.
The workflows say in their first lines what they need. Delete those of the code host that is not yours.
";

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder; it is made where it is not there
    #[arg(default_value = ".")]
    dir: PathBuf,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let root = global.workspace.clone().unwrap_or_default().join(&args.dir);
    let schemas = schema::input().map(|(name, text)| (format!("schema/{name}"), text));
    let files = FILES.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned()));
    for (name, text) in files.chain(schemas) {
        let made = make(&root.join(&name), &text)?;
        output::print(&format!("{} {name}\n", if made { "made" } else { "kept" }))?;
    }
    output::print(NEXT)?;
    Ok(Exit::Done)
}

/// Makes a file; false where there is one.
fn make(path: &Path, text: &str) -> Result<bool, Failure> {
    let failed = |source| Failure::File { action: "make", path: path.to_owned(), source };
    std::fs::create_dir_all(path.parent().expect("every file is in a folder")).map_err(failed)?;
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true).map_err(failed),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error)),
    }
}
