//! The exit codes: one table, for the process and for `--help`.

use std::process::ExitCode;

/// How a command ended, for the script that called it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do; what remains, if anything, waits for a wave that is not open yet.
    Done = 0,
    /// An error; nothing was sent by this command.
    Error = 1,
    /// `plan --detailed-exitcode` only: an apply would send something, or record what was missed.
    SomethingToSend = 2,
    /// Finished; some recipients failed.
    SomeFailed = 3,
    /// Stopped before the end; applying again resumes.
    Stopped = 4,
    /// Batches are in doubt and wait for a person's word.
    InDoubt = 5,
    /// A gate refused the plan; nothing was sent.
    Refused = 6,
    /// Campaign, audience or state is no longer what was frozen; nothing was sent.
    Stale = 7,
    /// Another runner holds the state's lock; nothing was sent.
    Locked = 8,
    /// The command line is wrong.
    Usage = 64,
}

impl Exit {
    /// The one of two that a script should know of first: what can be resumed, then what waits for a person.
    pub(super) fn worse(self, other: Self) -> Self {
        let rank = |exit| match exit {
            Self::Done => 0,
            Self::SomethingToSend => 1,
            Self::SomeFailed => 2,
            Self::Refused => 3,
            Self::Stale => 4,
            // That a later round could not begin must not hide what an earlier one has left.
            Self::Error | Self::Locked => 5,
            Self::InDoubt => 6,
            Self::Stopped => 7,
            Self::Usage => 8,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The table that `--help` ends with.
pub const TABLE: &str = "\
Exit codes:
   0  done, or nothing to do; what remains waits for a later wave
   1  error; nothing was sent by this command
   2  only `plan --detailed-exitcode`: there is something to send or to record
   3  finished; some recipients failed
   4  stopped; applying again resumes
   5  batches are in doubt
   6  a gate refused
   7  stale: campaign, audience or state has changed
   8  another runner holds the lock
  64  usage";
