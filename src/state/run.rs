//! What the state says of a run as a whole.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::Tally;
use crate::campaign::Delivery;

/// A run as it was frozen, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// `autumn-sale@20261124T0900Z`
    pub id: String,
    /// The campaign's id.
    pub campaign: String,
    /// `once`, `r2` or an instant.
    pub occurrence: String,
    /// Name of the app.
    pub app: String,
    /// From_Account of every call.
    pub from: String,
    /// Hex digests of what was frozen.
    pub content_digest: String,
    /// See [`Run::content_digest`].
    pub audience_digest: String,
    /// See [`Run::content_digest`].
    pub plan_digest: String,
    /// What is pending after this is skipped.
    pub expires_at: Option<Timestamp>,
    /// How it is sent.
    pub delivery: Delivery,
    /// When it was frozen.
    pub frozen_at: Timestamp,
    /// Why it is held back, where it is.
    pub hold: Option<Hold>,
    /// All that remains of it waits for a wave that opens then.
    pub waits_until: Option<Timestamp>,
    /// Where its recipients stand.
    pub tally: Tally,
}

/// Why a run is held back. Apply does not touch a run that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// A person paused it; `resume` lets it go on.
    Paused,
    /// The breaker paused it; `resume` lets it go on. A timer must not try it again every minute.
    Breaker,
    /// A person cancelled it: what remained was skipped. It stays so.
    Cancelled,
    /// Nobody ran the occurrence in its window: nothing was planned, and nothing will be sent. It stays so.
    Missed,
}

impl Hold {
    const ALL: [Self; 4] = [Self::Paused, Self::Breaker, Self::Cancelled, Self::Missed];

    /// The word that the state writes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Breaker => "breaker",
            Self::Cancelled => "cancelled",
            Self::Missed => "missed",
        }
    }

    /// Does it stay so whatever is said afterwards?
    pub fn is_final(self) -> bool {
        matches!(self, Self::Cancelled | Self::Missed)
    }

    /// The hold that a word of the state stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hold| hold.as_str() == word)
    }
}

/// A run's status in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Recipients remain; applying again resumes.
    Unfinished,
    /// Recipients remain, and their wave is not open yet.
    Waiting,
    /// Recipients remain, and `resume` must let them go first.
    Paused,
    /// A person cancelled it.
    Cancelled,
    /// Nobody ran the occurrence in its window; it had no recipients.
    Missed,
    /// Nothing remains, and some batches wait for a person's word.
    InDoubt,
    /// Nothing remains, and some recipients failed.
    FinishedWithFailures,
    /// Nothing remains.
    Finished,
}

impl RunStatus {
    /// The word that reports write.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
            Self::Missed => "missed",
            Self::InDoubt => "in_doubt",
            Self::FinishedWithFailures => "finished_with_failures",
            Self::Finished => "finished",
        }
    }
}

impl Run {
    /// The run's status, from its tally and hold.
    pub fn status(&self) -> RunStatus {
        let Tally { planned, remaining, in_doubt, failed, skipped, .. } = self.tally;
        match (self.hold, remaining, in_doubt, failed) {
            (Some(Hold::Paused | Hold::Breaker), 1.., _, _) => RunStatus::Paused,
            // What remains is given up, though nobody has counted it as skipped yet.
            (Some(Hold::Cancelled), 1.., _, _) => RunStatus::Cancelled,
            (None, 1.., _, _) if self.waits_until.is_some() => RunStatus::Waiting,
            (None, 1.., _, _) => RunStatus::Unfinished,
            (Some(Hold::Missed), ..) => RunStatus::Missed,
            (_, 0, 1.., _) => RunStatus::InDoubt,
            // Who comes too late gives up nothing: everybody's fate was another one.
            (Some(Hold::Cancelled), ..) if skipped > 0 || planned == 0 => RunStatus::Cancelled,
            (_, 0, 0, 1..) => RunStatus::FinishedWithFailures,
            (_, 0, 0, 0) => RunStatus::Finished,
        }
    }
}

/// Who did something to a run, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// A user and a machine, or a CI job.
    pub who: String,
    /// In the person's words, or ours; may be empty.
    pub why: String,
}

/// Something that happened to a run as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RunEvent {
    /// When; RFC 3339.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// `frozen`, `taken up`, `paused`, …
    pub what: String,
    /// A user and a machine, or a CI job.
    pub who: String,
    /// Why, where it was said.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(hold: Option<Hold>, tally: Tally) -> Run {
        Run {
            id: "c@once".to_owned(),
            campaign: "c".to_owned(),
            occurrence: "once".to_owned(),
            app: "shop".to_owned(),
            from: "administrator".to_owned(),
            content_digest: String::new(),
            audience_digest: String::new(),
            plan_digest: String::new(),
            expires_at: None,
            delivery: Delivery::default(),
            frozen_at: Timestamp::UNIX_EPOCH,
            hold,
            waits_until: None,
            tally,
        }
    }

    #[test]
    fn what_was_cancelled_is_so_before_its_rest_is_counted_as_skipped() {
        let planned = Tally { planned: 9, ..Tally::default() };
        for (tally, status) in [
            (Tally { accepted: 4, remaining: 5, ..planned }, RunStatus::Cancelled),
            (Tally { accepted: 4, remaining: 3, in_doubt: 2, ..planned }, RunStatus::Cancelled),
            (Tally { accepted: 4, skipped: 3, in_doubt: 2, ..planned }, RunStatus::InDoubt),
            (Tally { accepted: 4, skipped: 5, ..planned }, RunStatus::Cancelled),
            (Tally { accepted: 9, ..planned }, RunStatus::Finished),
            (Tally::default(), RunStatus::Cancelled),
        ] {
            assert_eq!(run(Some(Hold::Cancelled), tally).status(), status, "{tally}");
        }
    }
}
