//! What most commands begin with: the workspace, its campaigns, its state.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::failure::Failure;
use super::{Global, output};
use crate::audience::Access;
use crate::campaign::{Campaign, Draft, LoadOptions, StateLocation, Workspace, load, load_workspace};
use crate::diagnostic::Diagnostics;
use crate::state::{self, Holder, Lock, Run, SqliteStore, Store};

/// The workspace and the campaigns that a command was asked about, all without mistakes.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) workspace: Workspace,
    pub(super) campaigns: Vec<Campaign>,
    /// How far planning may go.
    pub(super) access: Access,
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
            Ok(Context { workspace, campaigns: loaded.campaigns, access })
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

/// Where a timer's apply keeps its agenda: beside the state.
pub(super) fn agenda_path(workspace: &Workspace) -> PathBuf {
    let mut name = state_path(workspace).as_os_str().to_owned();
    name.push(".agenda");
    PathBuf::from(name)
}

fn state_path(workspace: &Workspace) -> &Path {
    match &workspace.state {
        StateLocation::Sqlite(path) => path,
    }
}

/// Opens the state to read it; `None` where nothing was ever applied.
pub(super) fn open_to_read(workspace: &Workspace) -> Result<Option<Box<dyn Store>>, Failure> {
    let store = SqliteStore::open_to_read(state_path(workspace))?;
    Ok(store.map(|store| Box::new(store) as Box<dyn Store>))
}

/// As [`open_to_read`], for what only a file can do.
///
/// # Errors
/// Also where nothing was ever applied.
pub(super) fn open_sqlite_to_read(workspace: &Workspace) -> Result<SqliteStore, Failure> {
    SqliteStore::open_to_read(state_path(workspace))?
        .ok_or_else(|| Failure::Other("there is no state: nothing was ever applied here".to_owned()))
}

/// Takes the lock and opens the state to write it, making it where there is none.
pub(super) fn open_to_write(workspace: &Workspace, command: &str) -> Result<(Lock, Box<dyn Store>), Failure> {
    let (lock, path) = lock(workspace, command)?;
    Ok((lock, Box::new(SqliteStore::open(&path)?)))
}

/// As [`open_to_write`], where there is a run to speak of.
///
/// # Errors
/// Also where there is no such run; then nothing is made.
pub(super) fn open_existing(
    workspace: &Workspace,
    run: &str,
    command: &str,
) -> Result<(Lock, Box<dyn Store>), Failure> {
    require(workspace, run)?;
    open_to_write(workspace, command)
}

/// Opens the state to write it without the lock, beside a runner: for a word that is meant for that runner.
pub(super) fn open_beside(workspace: &Workspace, run: &str) -> Result<Box<dyn Store>, Failure> {
    require(workspace, run)?;
    Ok(Box::new(SqliteStore::open(state_path(workspace))?))
}

/// Takes the lock and opens the state though it may not be the last copy: for `state adopt` and `state import`.
pub(super) fn open_unchecked(workspace: &Workspace, command: &str) -> Result<(Lock, SqliteStore), Failure> {
    let (lock, path) = lock(workspace, command)?;
    Ok((lock, SqliteStore::open_unchecked(&path)?))
}

/// A run, where the state has it.
pub(super) fn require(workspace: &Workspace, run: &str) -> Result<Run, Failure> {
    match open_to_read(workspace)? {
        Some(store) => Ok(store.run(run)?),
        None => Err(Failure::Other(format!("there is no run '{run}': nothing was ever applied here"))),
    }
}

fn lock(workspace: &Workspace, command: &str) -> Result<(Lock, PathBuf), Failure> {
    let path = state_path(workspace);
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| Failure::State(state::Error::Io { action, path, source })
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(io("create the folder", folder))?;
    // One file, one lock, by whichever name it is reached.
    let folder = folder.canonicalize().map_err(io("open the folder", folder))?;
    let path = folder.join(path.file_name().unwrap_or_default());
    let path = path.canonicalize().unwrap_or(path);
    if std::fs::metadata(&path).is_ok_and(|file| file.is_file() && file.nlink() > 1) {
        return Err(Failure::Other(format!(
            "the state {} has more than one name (hard links), and a runner under another name would not be seen\n\
             Keep one of the names.",
            path.display()
        )));
    }
    let holder = Holder {
        pid: std::process::id(),
        host: host_name(),
        since: Timestamp::now(),
        command: command.to_owned(),
    };
    Ok((Lock::acquire(&path, &holder)?, path))
}

/// The machine's name.
pub(super) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "this machine".to_owned(),
        name => name.to_owned(),
    }
}
