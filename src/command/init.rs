//! `pushplan init`: a repository of campaigns to begin with, of which nothing is ever overwritten.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::failure::Failure;
use super::{Global, output, schema};

/// What is made, by its path in the repository; the schemas come with it.
const FILES: [(&str, &str); 14] = [
    ("pushplan.yaml", include_str!("init/pushplan.yaml")),
    ("campaigns/welcome.yaml", include_str!("init/welcome.yaml")),
    ("campaigns/audiences/people.csv", include_str!("init/people.csv")),
    (".gitignore", include_str!("init/gitignore")),
    (".vscode/settings.json", include_str!("init/vscode.json")),
    (".github/workflows/pushplan-plan.yml", include_str!("init/github-plan.yml")),
    (".github/workflows/pushplan-apply.yml", include_str!("init/github-apply.yml")),
    (".github/workflows/pushplan-due.yml", include_str!("init/github-due.yml")),
    (".github/workflows/pushplan-drift.yml", include_str!("init/github-drift.yml")),
    (".gitlab-ci.yml", include_str!("init/gitlab-ci.yml")),
    ("ci/install-pushplan", include_str!("init/install-pushplan")),
    ("ci/code-host", include_str!("init/code-host")),
    ("ci/due", include_str!("init/due")),
    ("ci/drift", include_str!("init/drift")),
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
    let mut without_jobs = Vec::new();
    for (name, text) in files.chain(schemas) {
        let path = root.join(&name);
        let made = make(&path, &text)?;
        output::print(&format!("{} {name}\n", if made { "made" } else { "kept" }))?;
        let is_workflow = name == ".gitlab-ci.yml" || name.starts_with(".github/workflows/");
        if !made && is_workflow && !holds(&path, &text) {
            without_jobs.push(name);
        }
    }
    for name in without_jobs {
        output::say(&format!(
            "warning: {name} was kept as it is: pushplan's jobs are not in it, or not these"
        ));
    }
    if let Some(repository) = repository_above(&root) {
        output::say(&format!(
            "warning: {} is in the repository {}: code hosts look for workflows at the root of a repository only. Move \
             .github or .gitlab-ci.yml there, and let their jobs begin in this folder",
            root.display(),
            repository.display()
        ));
    }
    output::print(NEXT)?;
    Ok(Exit::Done)
}

/// Is a file what would have been made?
fn holds(path: &Path, text: &str) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes == text.as_bytes())
}

/// The repository that a folder is in, where it is not one itself.
fn repository_above(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let repository = folder.ancestors().find(|ancestor| ancestor.join(".git").exists())?;
    (repository != folder).then(|| repository.to_owned())
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
