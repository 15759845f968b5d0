//! What most commands begin with: the workspace, its campaigns, its state.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::failure::Failure;
use super::{Global, output};
use crate::audience::Access;
use crate::campaign::{Campaign, LoadOptions, StateLocation, Workspace, load, load_workspace};
use crate::diagnostic::Diagnostics;
use crate::state::{self, Holder, Lock, SqliteStore, Store};

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

/// Loads the workspace and the campaigns of these paths (all, where none is given).
///
/// # Errors
/// [`Failure::Mistakes`] with all mistakes of all files. Warnings are said, and do not fail.
pub(super) fn load_campaigns(global: &Global, paths: &[PathBuf]) -> Result<Context, Failure> {
    let loaded = load(paths, &options(global)?);
    match loaded.workspace {
        Some(workspace) if !loaded.diagnostics.has_errors() => {
            warn(&loaded.diagnostics);
            let access = if global.allow_commands { Access::Programs } else { Access::Connections };
            Ok(Context { workspace, campaigns: loaded.campaigns, access })
        }
        _ => Err(Failure::Mistakes(loaded.diagnostics)),
    }
}

/// As much as can be loaded, with all that is wrong: for `validate`.
pub(super) fn load_leniently(
    global: &Global,
    paths: &[PathBuf],
) -> Result<(Vec<Campaign>, Diagnostics), Failure> {
    let loaded = load(paths, &options(global)?);
    Ok((loaded.campaigns, loaded.diagnostics))
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

/// Takes the lock and opens the state to write it, making it where there is none.
pub(super) fn open_to_write(workspace: &Workspace, command: &str) -> Result<(Lock, Box<dyn Store>), Failure> {
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
    let holder = Holder {
        pid: std::process::id(),
        host: host_name(),
        since: Timestamp::now(),
        command: command.to_owned(),
    };
    let lock = Lock::acquire(&path, &holder)?;
    let store = SqliteStore::open(&path)?;
    Ok((lock, Box::new(store)))
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "this machine".to_owned(),
        name => name.to_owned(),
    }
}
