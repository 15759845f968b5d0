//! `pushplan state`: looking after the state itself.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::exit::Exit;
use super::failure::Failure;
use super::{Global, context, output, who};
use crate::campaign::{STATE, SecretRef, StateLocation, Workspace};
use crate::state::{self, Holder, SqliteStore};

/// Arguments of `state`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check every number of the state against what it was counted from
    Verify,
    /// Write the state as JSON lines
    Export {
        /// The file to write; stdout where it is left out
        file: Option<PathBuf>,
    },
    /// Read JSON lines into a new state
    Import {
        /// The file that `export` wrote
        file: PathBuf,
    },
    /// Copy a state that is a file to another file, as of one moment, also while a run is sent
    Backup {
        /// The new file
        file: PathBuf,
    },
    /// Move the state from an SQLite file into the database that pushplan.yaml names
    Push {
        /// The file; `.pushplan/state.db` of the workspace where it is left out
        file: Option<PathBuf>,
    },
    /// Move the state from the database that pushplan.yaml names into an SQLite file
    Pull {
        /// The file; `.pushplan/state.db` of the workspace where it is left out
        file: Option<PathBuf>,
    },
    /// Take a state that was restored from a backup for the state from now on: what it cannot know becomes in doubt
    Adopt {
        /// Why, for the runs' timelines
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let workspace = context::workspace(global)?;
    match &args.command {
        Command::Verify => {
            let problems = context::require_state(&workspace)?.verify()?;
            if problems.is_empty() {
                output::print("the state fits together\n")?;
                return Ok(Exit::Done);
            }
            output::print(&format!("{}\n", problems.join("\n")))?;
            Err(Failure::Other(
                "the state does not fit together; nothing should be sent on its word".to_owned(),
            ))
        }
        Command::Export { file: None } => {
            let store = context::require_state(&workspace)?;
            output::stream(|stdout| Ok(store.export(stdout)?))?;
            Ok(Exit::Done)
        }
        Command::Export { file: Some(path) } => {
            let io = |source| Failure::File { action: "write", path: path.clone(), source };
            let store = context::require_state(&workspace)?;
            let mut out = BufWriter::new(File::create_new(path).map_err(io)?);
            store.export(&mut out)?;
            out.flush().and_then(|()| out.get_ref().sync_all()).map_err(io)?;
            Ok(Exit::Done)
        }
        Command::Import { file } => import(&workspace, file),
        Command::Backup { file } => {
            backup(&workspace, file)?;
            output::print(&format!("copied to {}\n", file.display()))?;
            Ok(Exit::Done)
        }
        Command::Push { file } => {
            let (dsn, file) = (database(&workspace)?, file_of(&workspace, file.as_deref()));
            let runs = state::push(&file, dsn, &Holder::this_process("state push"))?;
            output::print(&format!("{runs} runs moved from {} into the database\n", file.display()))?;
            Ok(Exit::Done)
        }
        Command::Pull { file } => {
            let (dsn, file) = (database(&workspace)?, file_of(&workspace, file.as_deref()));
            let runs = state::pull(dsn, &file, &Holder::this_process("state pull"))?;
            output::print(&format!(
                "{runs} runs moved from the database into {}; let `state:` of pushplan.yaml name it\n",
                file.display()
            ))?;
            Ok(Exit::Done)
        }
        Command::Adopt { reason } => {
            let mut store = context::open_unchecked(&workspace, "state adopt")?;
            let adopted = store.adopt(&who::note(reason), Timestamp::now())?;
            for run in &adopted.lost {
                output::say(&format!(
                    "{run}: not in this copy; written down as cancelled, so that it is not sent anew"
                ));
            }
            if !adopted.had_watermark {
                output::say(
                    "no watermark tells which runs were begun after this copy was made: apply would send them anew; \
                     put their campaigns off by hand",
                );
            }
            output::print("adopted; `pushplan status` shows what is in doubt now\n")?;
            Ok(Exit::Done)
        }
    }
}

fn backup(workspace: &Workspace, to: &Path) -> Result<(), Failure> {
    let StateLocation::Sqlite(path) = &workspace.state else {
        return Err(Failure::Other(
            "a state in PostgreSQL is backed up by the server's own means, as `pg_dump --schema pushplan`\n\
             `pushplan state export` writes it as JSON lines."
                .to_owned(),
        ));
    };
    let store = SqliteStore::open_to_read(path)?.ok_or_else(context::no_state)?;
    Ok(store.backup(to)?)
}

/// Where the connection string of the workspace's state is kept.
fn database(workspace: &Workspace) -> Result<&SecretRef, Failure> {
    match &workspace.state {
        StateLocation::Postgres(dsn) => Ok(dsn),
        StateLocation::Sqlite(_) => Err(Failure::Other(
            "`state:` of pushplan.yaml names a file; let it name the database, as in \
             `state: { postgres: { env: PUSHPLAN_STATE_URL } }`"
                .to_owned(),
        )),
    }
}

fn file_of(workspace: &Workspace, file: Option<&Path>) -> PathBuf {
    file.map_or_else(|| workspace.root.join(STATE), Path::to_owned)
}

fn import(workspace: &Workspace, path: &Path) -> Result<Exit, Failure> {
    let file =
        File::open(path).map_err(|source| Failure::File { action: "read", path: path.to_owned(), source })?;
    let mut store = context::open_unchecked(workspace, "state import")?;
    let behind = store.import(&mut BufReader::new(file))?;
    output::print(&format!("imported {} runs\n", store.runs()?.len()))?;
    if let Some(behind) = behind {
        output::say(&format!("the next apply refuses it until it is adopted, for {behind}"));
    }
    Ok(Exit::Done)
}
