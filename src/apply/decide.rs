//! What is to be done about a campaign, from what the state knows and what is due. Pure.

use jiff::Timestamp;

use crate::campaign::schedule::Occurrence;
use crate::campaign::{Campaign, OnInDoubt};
use crate::state::{Run, RunStatus};

/// One thing to do, or not to do, about a campaign.
#[derive(Debug, Clone, PartialEq)]
pub enum Intention {
    /// Plan, freeze and send a run that is due.
    Start(Due),
    /// Go on with a run from its frozen audience.
    Resume(Run),
    /// A person or the breaker has paused a run; `resume` lets it go on.
    Held(Run),
    /// A run is unfinished, and its campaign is no longer what it was frozen from.
    Changed(Run),
    /// The run is done with; nothing is sent.
    Settled {
        /// The run.
        run: Run,
        /// Has the campaign changed since?
        changed: bool,
    },
    /// Nothing is due.
    NotDue {
        /// When the next occurrence is; `None` where there is none.
        next: Option<Timestamp>,
    },
}

/// An occurrence that is to become a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// `once`, `r2` or `20261124T0900Z`.
    pub occurrence: String,
    /// What is not sent by then is skipped.
    pub expires_at: Option<Timestamp>,
}

impl Due {
    /// The id of the run: `autumn-sale@20261124T0900Z`.
    pub fn run_id(&self, campaign: &str) -> String {
        format!("{campaign}@{}", self.occurrence)
    }
}

/// Decides for one campaign. `runs` are the state's runs of this campaign, `content_digest` is what the
/// campaign's file says now.
///
/// Unfinished runs come first, those of earlier occurrences and revisions included: what remains of them is
/// sent where their window is open, and counted as skipped where it has closed.
pub fn decide(campaign: &Campaign, content_digest: &str, runs: &[Run], now: Timestamp) -> Vec<Intention> {
    // The campaign file may ask for batches in doubt to be sent again, also after the run has ended with some.
    let resends = campaign.delivery.on_in_doubt == OnInDoubt::Resend;
    let open = |run: &&Run| match run.status() {
        RunStatus::Unfinished | RunStatus::Paused => true,
        RunStatus::InDoubt => resends,
        RunStatus::Cancelled | RunStatus::FinishedWithFailures | RunStatus::Finished => false,
    };
    let mut intentions: Vec<Intention> = runs
        .iter()
        .filter(open)
        .map(|run| match (run.status(), run.content_digest == content_digest) {
            (RunStatus::Paused, _) => Intention::Held(run.clone()),
            (_, true) => Intention::Resume(run.clone()),
            (_, false) => Intention::Changed(run.clone()),
        })
        .collect();
    let of = |occurrence: &str| runs.iter().find(|run| run.occurrence == occurrence);
    let settled =
        |run: &Run| Intention::Settled { run: run.clone(), changed: run.content_digest != content_digest };

    let Some(schedule) = &campaign.schedule else {
        let occurrence = match campaign.revision {
            1 => "once".to_owned(),
            revision => format!("r{revision}"),
        };
        match of(&occurrence) {
            None => intentions.push(Intention::Start(Due { occurrence, expires_at: None })),
            Some(run) if !open(&run) => intentions.push(settled(run)),
            Some(_) => {}
        }
        return intentions;
    };

    // An occurrence before the first run that the state has seen belongs to the time before the campaign.
    let since = runs.iter().map(|run| run.frozen_at).min().unwrap_or_else(|| schedule.answers_since(now));
    let due = schedule.due(now, &|occurrence: &Occurrence| of(&occurrence.id()).is_some(), since);
    let nothing = intentions.is_empty() && due.run.is_empty();
    intentions.extend(due.run.into_iter().map(|occurrence| {
        Intention::Start(Due { occurrence: occurrence.id(), expires_at: Some(occurrence.expires_at) })
    }));
    if nothing {
        let current = runs.iter().find(|run| run.expires_at.is_some_and(|at| at > now));
        intentions.extend(current.map(settled));
        intentions.push(Intention::NotDue { next: due.next });
    }
    intentions
}
