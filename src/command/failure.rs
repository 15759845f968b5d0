//! Why a command could not do what it was asked: an author's mistakes, or something operational.

use std::path::PathBuf;

use super::exit::Exit;
use crate::diagnostic::Diagnostics;
use crate::prepare;
use crate::secret;
use crate::state;
use crate::timpush;

/// The end of a command that did not succeed. Printed in one place, with its exit code.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Mistakes in files that people wrote.
    #[error("the files have mistakes")]
    Mistakes(Diagnostics),
    /// Plans could not be made.
    #[error("{}", lines(.0))]
    Prepare(Vec<prepare::Error>),
    /// The state.
    #[error(transparent)]
    State(#[from] state::Error),
    /// The state failed while a run was being sent.
    #[error("{0}\nThe run has stopped. What was in flight is in doubt; apply again to go on.")]
    StateWhileSending(state::Error),
    /// The client.
    #[error(transparent)]
    Client(#[from] timpush::ClientError),
    /// A secret cannot be had.
    #[error(transparent)]
    Secret(#[from] secret::Error),
    /// A file other than the state.
    #[error("cannot {action} {path}: {source}", path = .path.display())]
    File {
        /// `write`, `listen on`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// What was frozen, planned or approved is no longer what there is.
    #[error("{0}")]
    Changed(String),
    /// Gates refuse runs.
    #[error("{0}")]
    Refused(String),
    /// Something that was asked for does not fit.
    #[error("{0}")]
    Usage(String),
    /// Any other operational failure, in words that say what to do.
    #[error("{0}")]
    Other(String),
}

fn lines(errors: &[prepare::Error]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Failure {
    /// Why plans could not be made: the author's mistakes where there are any, else all the other reasons.
    pub(super) fn prepare(errors: Vec<prepare::Error>) -> Self {
        let mut mistakes = Diagnostics::new();
        let mut others = Vec::new();
        for error in errors {
            match error {
                prepare::Error::Mistakes(found) => mistakes.append(found),
                other => others.push(other),
            }
        }
        if mistakes.is_empty() { Self::Prepare(others) } else { Self::Mistakes(mistakes) }
    }

    /// The process's exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::State(state::Error::Held { .. }) => Exit::Locked,
            Self::StateWhileSending(_) => Exit::Stopped,
            Self::Changed(_) => Exit::Stale,
            Self::Refused(_) => Exit::Refused,
            Self::Usage(_) => Exit::Usage,
            Self::Mistakes(_)
            | Self::Prepare(_)
            | Self::State(_)
            | Self::Client(_)
            | Self::Secret(_)
            | Self::File { .. }
            | Self::Other(_) => Exit::Error,
        }
    }
}
