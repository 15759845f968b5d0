//! Who gives a command, and why: for the events of a run.

use std::env::var;

use crate::state::{Note, host_name};

/// A person's word on a run.
#[derive(Debug, clap::Args)]
pub(super) struct Word {
    /// The run, as `status` names it
    pub(super) run: String,
    /// Why, for the run's timeline
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

impl Word {
    /// Who says it, and why.
    pub(super) fn note(&self) -> Note {
        note(&self.reason)
    }
}

/// The person or job behind this process, with what they say of their reasons.
pub(super) fn note(why: &str) -> Note {
    Note { who: who(), why: why.to_owned() }
}

/// A CI job's actor where there is one, else the user, and the machine.
pub(super) fn who() -> String {
    let name = ["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| var(name).ok().filter(|value| !value.is_empty()));
    format!("{} on {}", name.as_deref().unwrap_or("somebody"), host_name())
}
