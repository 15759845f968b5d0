//! What can go wrong with the state itself. After any of these nothing more is sent.

use std::path::PathBuf;

use super::IllegalChange;
use super::lock::Holder;
use crate::spill;

/// A failure of the state: the message says what, why and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or its folder cannot be used.
    #[error("cannot {action} {path}: {source}{}", advice(.source), path = .path.display())]
    Io {
        /// What was tried: `create`, `open`, `lock`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// SQLite refused. What was committed before stands; what was not committed was not sent.
    #[error("the state {path}: cannot {action}: {source}{}", .hint.map_or(String::new(), |hint| format!("\n{hint}")), path = .path.display())]
    Sqlite {
        /// What was tried.
        action: &'static str,
        /// The state file.
        path: PathBuf,
        /// SQLite's words.
        source: rusqlite::Error,
        /// What to do, where we know.
        hint: Option<&'static str>,
    },
    /// PostgreSQL refused, or is gone. What was committed before stands; what was not committed was not sent.
    #[error("the state {place}: cannot {action}: {reason}{}", .hint.map_or(String::new(), |hint| format!("\n{hint}")))]
    Postgres {
        /// Which state.
        place: String,
        /// What was tried.
        action: &'static str,
        /// The server's words.
        reason: String,
        /// What to do, where we know.
        hint: Option<&'static str>,
    },
    /// There is no connection to the state's database.
    #[error(transparent)]
    Connect(#[from] crate::postgres::Error),
    /// Another runner has taken the state over; this one commits nothing more.
    #[error(
        "this runner has lost the state {place} to another one: {holder}\nNothing further was sent or committed. What was in flight is in doubt for the other one."
    )]
    Fenced {
        /// Which state.
        place: String,
        /// Who took it.
        holder: Holder,
    },
    /// The state was moved; what is here is what it was then.
    #[error(
        "the state {place} was moved to {to}\nPoint `state:` of pushplan.yaml there. If it was lost there, `pushplan state adopt` takes this one and puts in doubt what it cannot know."
    )]
    Moved {
        /// Which state.
        place: String,
        /// Where it is now.
        to: String,
    },
    /// The state was not moved to where it is looked for.
    #[error(
        "the state's database knows of no run, and {file} holds runs that were never moved there ({runs}): they \
         would be sent again\n\
         Push it first: `pushplan state push`. If the database is to begin anew all the same, move the file away.", file = .file.display()
    )]
    LeftBehind {
        /// The state file of the workspace.
        file: PathBuf,
        /// How many runs it holds.
        runs: usize,
    },
    /// `state push` or `state pull` was refused, or did not come to its end.
    #[error("the state was not moved: {what}")]
    NotMoved {
        /// Why not.
        what: String,
    },
    /// One file, several locks.
    #[error("the state {path} has more than one name (hard links), and a runner under another name would not be seen\nKeep one of the names.", path = .path.display())]
    ManyNames {
        /// The state file.
        path: PathBuf,
    },
    /// Some other program's database, or no database at all.
    #[error(
        "{place} is not a pushplan state: {why}\nPoint `state:` of pushplan.yaml at another file, or restore the state from a backup."
    )]
    Foreign {
        /// Which state.
        place: String,
        /// What was found instead.
        why: String,
    },
    /// The file that was opened is no longer at its path.
    #[error("the state {path} was deleted or replaced while it was in use\nNothing further was sent. Put the file back before you apply again: a state that does not know what was sent sends it again.", path = .path.display())]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// The lock's file is no longer at its path, so that another runner may hold another one.
    #[error(
        "the lock file {lock} of the state {place} was deleted or replaced while it was held\n\
         Another runner may have started since, so nothing further was sent or committed. Leave the file alone, see \
         that no other runner is left, then apply again.", lock = .lock.display()
    )]
    Unlocked {
        /// Which state.
        place: String,
        /// The lock's file.
        lock: PathBuf,
    },
    /// Written by a newer pushplan.
    #[error(
        "{place} has state format {found}, and this pushplan reads up to {known}\nUse the newer pushplan that wrote it."
    )]
    Newer {
        /// Which state.
        place: String,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Another runner holds the lock.
    #[error("another runner holds the state {place}: {holder}\nWait for it to end, or stop it first.")]
    Held {
        /// Which state.
        place: String,
        /// Who.
        holder: Holder,
    },
    /// There is no run of this name.
    #[error("the state {place} has no run '{run}'{}\n`pushplan status` lists the runs.", .nearest.as_ref().map_or(String::new(), |n| format!(", did you mean '{n}'?")))]
    UnknownRun {
        /// Which state.
        place: String,
        /// As asked.
        run: String,
        /// The nearest that there is.
        nearest: Option<String>,
    },
    /// There is no batch of this number.
    #[error("run {run} has no batch {batch}; its batches are 1 to {batches}")]
    UnknownBatch {
        /// The run.
        run: String,
        /// As asked.
        batch: u32,
        /// How many there are.
        batches: usize,
    },
    /// Not the copy that was written last.
    #[error(
        "the state {place} is not the one that was written last: {what}\n\
             What was sent since is not in it, and would be sent again. Put the last copy back; if there is none, \
             `pushplan state adopt` takes this one and puts in doubt what it cannot know."
    )]
    Behind {
        /// Which state.
        place: String,
        /// What tells so.
        what: String,
    },
    /// The watermark cannot be read.
    #[error(
        "the watermark {path} cannot be read: {what}\n\
         Without it nobody can tell whether the state is the one that was written last. Put the file back; if there is no \
         copy of it, `pushplan state adopt` takes the state as it is and puts in doubt what it cannot know.", path = .path.display()
    )]
    Watermark {
        /// The file.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// A dump cannot be written or read; the state is as it was.
    #[error("the state was not exported or imported: {what}")]
    Import {
        /// Why not.
        what: String,
    },
    /// The state says something that cannot be: a defect of ours, or a damaged file.
    #[error(
        "the state {place} is damaged: {what}\nNothing was sent on its word. Restore it from a backup, or report this."
    )]
    Damaged {
        /// Which state.
        place: String,
        /// What does not fit.
        what: String,
    },
    /// A plan file that cannot be sent or shown.
    #[error("the plan file {path} cannot be used: {what}\nNothing was sent. Make it anew with `pushplan plan -o`.", path = .path.display())]
    PlanFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// A change that does not fit the batch's status.
    #[error(transparent)]
    Illegal(#[from] IllegalChange),
    /// What a plan keeps in a temporary file cannot be read.
    #[error(transparent)]
    Plan(#[from] spill::Error),
}

/// What to do about an error of the operating system, on a line of its own.
fn advice(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "\nFree some space, then try again.",
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            "\nThe state must be written: give this user the right to, or point `state:` of pushplan.yaml elsewhere."
        }
        _ => "",
    }
}

/// The usual result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;
