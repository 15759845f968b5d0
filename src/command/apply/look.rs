//! What `apply` looks at: the state, and the campaigns of which something may be due.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::audience::Access;
use crate::campaign::{FILE_NAME, Workspace};
use crate::command::Global;
use crate::command::agenda::{Agenda, Basis};
use crate::command::context::{self, Context};
use crate::command::failure::Failure;
use crate::state::Store;

/// What there is to look at now.
pub(super) struct Look {
    pub(super) context: Context,
    pub(super) store: Box<dyn Store>,
    /// With its file, where there is one.
    pub(super) agenda: Option<(Agenda, PathBuf)>,
    pub(super) now: Timestamp,
}

impl Look {
    /// Opens the state and reads the campaigns; a timer's apply of a whole workspace those alone that its agenda names.
    pub(super) fn take(global: &Global, due: bool, paths: &[PathBuf]) -> Result<Self, Failure> {
        let all = |paths: &[PathBuf]| context::load_campaigns(global, paths, Access::Connections);
        let open = |workspace: &Workspace| context::open_to_write(workspace, "apply");
        let listed = if due && paths.is_empty() { context::list(global)? } else { None };
        let listed =
            listed.and_then(|(workspace, files)| Some((context::agenda_path(&workspace)?, workspace, files)));
        let Some((path, workspace, files)) = listed else {
            let context = all(paths)?;
            let store = open(&context.workspace)?;
            return Ok(Self { context, store, agenda: None, now: Timestamp::now() });
        };
        let store = open(&workspace)?;
        let now = Timestamp::now();
        let basis = Basis::new(&workspace.root.join(FILE_NAME), files, store.identity()?.lineage);
        let known = basis.as_ref().and_then(|basis| Agenda::read(&path, basis, now));
        let (context, agenda) = if let Some(agenda) = known {
            let open = store.open_runs()?.into_iter().map(|run| run.campaign).collect();
            let context = match agenda.to_read(&open, now).as_slice() {
                [] => {
                    let access = Access::Connections;
                    Context { workspace, campaigns: Vec::new(), access, profile: false }
                }
                files => all(files)?,
            };
            (context, Some(agenda))
        } else {
            let context = all(&[])?;
            let agenda = basis.map(|basis| Agenda::new(basis, &context.campaigns, now));
            (context, agenda)
        };
        Ok(Self { context, store, agenda: agenda.map(|agenda| (agenda, path)), now })
    }
}
