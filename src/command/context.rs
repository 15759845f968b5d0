//! What most commands begin with: the workspace, its campaigns, its state.

use std::path::PathBuf;

use super::failure::Failure;
use super::{Global, output};
use crate::audience::Access;
use crate::campaign::{Campaign, Draft, LoadOptions, STATE, StateLocation, Workspace, load, load_workspace};
use crate::diagnostic::Diagnostics;
use crate::state::{self, Holder, Run, Store};

/// The workspace and the campaigns that a command was asked about, all without mistakes.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) workspace: Workspace,
    pub(super) campaigns: Vec<Campaign>,
    /// How far planning may go.
    pub(super) access: Access,
    /// Whether planning says where its time went.
    pub(super) profile: bool,
}

fn options(global: &Global) -> Result<LoadOptions, Failure> {
    let current = std::env::current_dir().map_err(|source| Failure::File {
        action: "use the current folder",
        path: PathBuf::from("."),
        source,
    })?;
    let folder = match &global.workspace {
        Some(folder) => current.join(folder),
        None => current,
    };
    Ok(LoadOptions { current_dir: folder, allow_outside: global.allow_outside })
}

/// Loads the workspace and the campaigns of these paths (all, where none is given). `least` is how far planning may
/// go without a flag: a campaign file in a pull request is not trusted, one that is applied is.
///
/// # Errors
/// [`Failure::Mistakes`] with all mistakes of all files. Warnings are said, and do not fail.
pub(super) fn load_campaigns(global: &Global, paths: &[PathBuf], least: Access) -> Result<Context, Failure> {
    let loaded = load(paths, &options(global)?);
    match loaded.workspace {
        Some(workspace) if !loaded.diagnostics.has_errors() => {
            warn(&loaded.diagnostics);
            let allowed = match global {
                Global { allow_commands: true, .. } => Access::Programs,
                Global { allow_connections: true, .. } => Access::Connections,
                _ => Access::Files,
            };
            let access = least.max(allowed);
            Ok(Context { workspace, campaigns: loaded.campaigns, access, profile: false })
        }
        _ => Err(Failure::Mistakes(loaded.diagnostics)),
    }
}

/// As much as can be loaded, with all that is wrong: for `validate`.
pub(super) fn load_leniently(
    global: &Global,
    paths: &[PathBuf],
) -> Result<(Vec<Draft>, Diagnostics), Failure> {
    let loaded = load(paths, &options(global)?);
    Ok((loaded.drafts, loaded.diagnostics))
}

/// The workspace alone: for commands that ask the state, which must work while a campaign file is broken.
pub(super) fn workspace(global: &Global) -> Result<Workspace, Failure> {
    load_workspace(&options(global)?).map_err(Failure::Mistakes)
}

/// Says warnings on stderr.
pub(super) fn warn(diagnostics: &Diagnostics) {
    if !diagnostics.is_empty() {
        output::say(output::mistakes(diagnostics).trim_end());
    }
}

/// The workspace and its campaign files, unread; `None` where a mistake is in the way, which loading tells.
pub(super) fn list(global: &Global) -> Result<Option<(Workspace, Vec<PathBuf>)>, Failure> {
    Ok(crate::campaign::list(&options(global)?))
}

/// Where a timer's apply keeps its agenda: beside the state. `None` where that is no file.
pub(super) fn agenda_path(workspace: &Workspace) -> Option<PathBuf> {
    let StateLocation::Sqlite(state) = &workspace.state else { return None };
    let mut name = state.as_os_str().to_owned();
    name.push(".agenda");
    Some(PathBuf::from(name))
}

/// Opens the state to read it; `None` where nothing was ever applied.
pub(super) fn open_to_read(workspace: &Workspace) -> Result<Option<Box<dyn Store>>, Failure> {
    Ok(state::open_to_read(&workspace.state)?)
}

/// As [`open_to_read`], for planning: a workspace file in a pull request may name a database too.
///
/// # Errors
/// Also where the state is in a database and planning may open no connection.
pub(super) fn open_to_plan(context: &Context) -> Result<Option<Box<dyn Store>>, Failure> {
    if matches!(context.workspace.state, StateLocation::Postgres(_)) && context.access < Access::Connections {
        return Err(Failure::Other(
            "the state is in a database, and plan asks it what was sent already\n\
             Let it connect with --allow-connections."
                .to_owned(),
        ));
    }
    open_to_read(&context.workspace)
}

/// As [`open_to_read`], where there must be one.
///
/// # Errors
/// Also where nothing was ever applied.
pub(super) fn require_state(workspace: &Workspace) -> Result<Box<dyn Store>, Failure> {
    open_to_read(workspace)?.ok_or_else(no_state)
}

/// Nothing was ever applied.
pub(super) fn no_state() -> Failure {
    Failure::Other("there is no state: nothing was ever applied here".to_owned())
}

/// Takes the lock and opens the state to write it, making it where there is none, unless the workspace has left one
/// behind.
pub(super) fn open_to_write(workspace: &Workspace, command: &str) -> Result<Box<dyn Store>, Failure> {
    state::refuse_left_behind(&workspace.state, &workspace.root.join(STATE))?;
    Ok(state::open_to_write(&workspace.state, &Holder::this_process(command))?)
}

/// As [`open_to_write`], where there is a run to speak of.
///
/// # Errors
/// Also where there is no such run; then nothing is made.
pub(super) fn open_existing(
    workspace: &Workspace,
    run: &str,
    command: &str,
) -> Result<Box<dyn Store>, Failure> {
    require(workspace, run)?;
    open_to_write(workspace, command)
}

/// Opens the state to write it without the lock, beside a runner: for a word that is meant for that runner.
pub(super) fn open_beside(workspace: &Workspace, run: &str) -> Result<Box<dyn Store>, Failure> {
    require(workspace, run)?;
    Ok(state::open_beside(&workspace.state)?)
}

/// Takes the lock and opens the state though it may not be the last copy: for `state adopt` and `state import`.
pub(super) fn open_unchecked(workspace: &Workspace, command: &str) -> Result<Box<dyn Store>, Failure> {
    Ok(state::open_unchecked(&workspace.state, &Holder::this_process(command))?)
}

/// A run, where the state has it.
pub(super) fn require(workspace: &Workspace, run: &str) -> Result<Run, Failure> {
    match open_to_read(workspace)? {
        Some(store) => Ok(store.run(run)?),
        None => Err(Failure::Other(format!("there is no run '{run}': nothing was ever applied here"))),
    }
}
