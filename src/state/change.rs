//! What can happen to a batch: its status, the changes of it, and **the one transition function**.
//!
//! Live sending, recovery after a crash, replay of the journal, the operators' commands and the simulator
//! all go through [`BatchState::apply`]. Nothing else moves a batch from one status to another.

use serde::{Deserialize, Serialize};

use crate::outcome::{Answer, FailedAccount, Outcome};

/// One try to send one batch. Attempts of a batch are numbered from 1 and never reuse a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attempt {
    /// Number of the batch in its run, from 1.
    pub batch: u32,
    /// Number of the attempt of this batch, from 1.
    pub number: u32,
}

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Surely not sent, and to be sent.
    Pending,
    /// An attempt is committed; its first byte may have left. Whoever reads this without being the runner
    /// that committed it must take it for in doubt.
    Sending,
    /// The vendor took it, or a person said so.
    Accepted,
    /// Surely not sent, and given up.
    Failed,
    /// The server may or may not have carried it out.
    InDoubt,
    /// Surely not sent, and no longer wanted: expired or cancelled.
    Skipped,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Sending, Self::Accepted, Self::Failed, Self::InDoubt, Self::Skipped];

    /// The status that a word of the state stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// The word that the state and the reports write.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Accepted => "accepted",
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
            Self::Skipped => "skipped",
        }
    }
}

/// Why a batch was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Its run's `expires_after` had passed.
    Expired,
    /// A person cancelled the run.
    Cancelled,
    /// A new plan took its place; who is not in that plan is skipped.
    Replanned,
}

/// One thing that happens to a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The intent to send; durable before the first byte leaves.
    Begin(Attempt),
    /// The attempt was begun, and surely nothing of it left.
    Withdraw(Attempt),
    /// The attempt came to this.
    Settle(Attempt, Outcome),
    /// The runner died between the attempt's intent and its outcome.
    Interrupted(Attempt),
    /// It is no longer wanted.
    Skip(u32, SkipReason),
    /// A batch in doubt is to be sent again, by the campaign file's or a person's word.
    Resend(u32),
    /// A person vouches that a batch in doubt was sent.
    AssumeSent(u32),
    /// A person vouches that a batch in doubt was not sent, and does not want it sent now.
    AssumeNotSent(u32),
    /// A person wants a batch that failed whole to be tried again.
    Retry(u32),
    /// The state was restored from an older copy: what it takes for pending may have been sent since.
    Suspect(u32),
}

impl Change {
    /// Number of the batch it happens to.
    pub fn batch(&self) -> u32 {
        match self {
            Self::Begin(attempt)
            | Self::Withdraw(attempt)
            | Self::Settle(attempt, _)
            | Self::Interrupted(attempt) => attempt.batch,
            Self::Skip(batch, _)
            | Self::Resend(batch)
            | Self::AssumeSent(batch)
            | Self::AssumeNotSent(batch)
            | Self::Retry(batch)
            | Self::Suspect(batch) => *batch,
        }
    }

    /// The attempt it speaks of, where it speaks of one.
    pub fn attempt(&self) -> Option<Attempt> {
        match self {
            Self::Begin(attempt)
            | Self::Withdraw(attempt)
            | Self::Settle(attempt, _)
            | Self::Interrupted(attempt) => Some(*attempt),
            _ => None,
        }
    }

    /// The recipients that an accepted answer named as failed.
    pub fn failed(&self) -> &[FailedAccount] {
        match self {
            Self::Settle(_, Outcome::Accepted { failed, .. }) => failed,
            _ => &[],
        }
    }

    /// The vendor's TaskId, where the change is an accepted answer.
    pub fn task_id(&self) -> Option<&str> {
        match self {
            Self::Settle(_, Outcome::Accepted { task_id, .. }) => Some(task_id),
            _ => None,
        }
    }

    /// The word that the journal writes: an outcome's class, or the kind of change.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Begin(_) => "begun",
            Self::Withdraw(_) => "withdrawn",
            Self::Settle(_, outcome) => outcome.class(),
            Self::Interrupted(_) => "interrupted",
            Self::Skip(_, SkipReason::Expired) => "expired",
            Self::Skip(_, SkipReason::Cancelled) => "cancelled",
            Self::Skip(_, SkipReason::Replanned) => "replanned",
            Self::Resend(_) => "resend",
            Self::AssumeSent(_) => "assumed_sent",
            Self::AssumeNotSent(_) => "assumed_not_sent",
            Self::Retry(_) => "retried",
            Self::Suspect(_) => "suspected",
        }
    }

    /// The change that a word of the journal stands for, as far as the transition function needs it; `attempt` is
    /// the number beside the word.
    pub fn from_word(word: &str, batch: u32, attempt: Option<u32>) -> Option<Self> {
        let answer = Answer::local("");
        let settled = |outcome| attempt.map(|number| Self::Settle(Attempt { batch, number }, outcome));
        let attempted = |change: fn(Attempt) -> Self| attempt.map(|number| change(Attempt { batch, number }));
        match word {
            "begun" => attempted(Self::Begin),
            "withdrawn" => attempted(Self::Withdraw),
            "interrupted" => attempted(Self::Interrupted),
            "accepted" => settled(Outcome::Accepted { task_id: String::new(), failed: Vec::new() }),
            "rejected" => settled(Outcome::Rejected(answer)),
            "throttled" => settled(Outcome::Throttled(answer)),
            "try_again" => settled(Outcome::TryAgain(answer)),
            "unreached" => settled(Outcome::Unreached(answer)),
            "signature_expired" => settled(Outcome::SignatureExpired(answer)),
            "stopped" => settled(Outcome::Stopped(answer)),
            "in_doubt" => settled(Outcome::InDoubt(answer)),
            "expired" => Some(Self::Skip(batch, SkipReason::Expired)),
            "cancelled" => Some(Self::Skip(batch, SkipReason::Cancelled)),
            "replanned" => Some(Self::Skip(batch, SkipReason::Replanned)),
            "resend" => Some(Self::Resend(batch)),
            "assumed_sent" => Some(Self::AssumeSent(batch)),
            "assumed_not_sent" => Some(Self::AssumeNotSent(batch)),
            "retried" => Some(Self::Retry(batch)),
            "suspected" => Some(Self::Suspect(batch)),
            _ => None,
        }
    }

    /// What is to be remembered beside the word: the vendor's code and text, or ours.
    pub fn answer(&self) -> Option<Answer> {
        match self {
            Self::Settle(_, outcome) => outcome.answer().cloned(),
            Self::Interrupted(_) => Some(Answer::local("the runner died before it saw the answer")),
            Self::AssumeNotSent(_) => Some(Answer::local("was in doubt; a person said it was not sent")),
            Self::Suspect(_) => Some(Answer::local("the state was restored from an older copy")),
            _ => None,
        }
    }
}

/// A batch's status and how many attempts it has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BatchState {
    /// Where it stands.
    pub status: Status,
    /// Attempts begun so far.
    pub attempts: u32,
}

impl Default for BatchState {
    fn default() -> Self {
        Self { status: Status::Pending, attempts: 0 }
    }
}

/// One batch of a run, as much of it as deciding needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// 1 to 500.
    pub recipients: u16,
    /// Index into the run's waves.
    pub wave: u32,
    /// Where it stands.
    pub state: BatchState,
}

/// A change that a batch in this state cannot undergo: a defect of the runner or a damaged state, never a
/// matter of course. Nothing is sent after it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("batch {batch} cannot be '{change}' while it is {status} after {attempts} attempt(s)", status = .state.status.as_str(), attempts = .state.attempts)]
pub struct IllegalChange {
    /// The batch.
    pub batch: u32,
    /// [`Change::word`].
    pub change: &'static str,
    /// What it was when the change came.
    pub state: BatchState,
}

impl BatchState {
    /// What a batch in this state becomes by a change.
    ///
    /// # Errors
    /// [`IllegalChange`] where the change does not fit the status or the attempt is not the open one.
    pub fn apply(self, change: &Change) -> Result<Self, IllegalChange> {
        let open = |attempt: &Attempt| self.status == Status::Sending && attempt.number == self.attempts;
        let status = match change {
            Change::Begin(attempt)
                if self.status == Status::Pending && attempt.number == self.attempts + 1 =>
            {
                return Ok(Self { status: Status::Sending, attempts: attempt.number });
            }
            Change::Withdraw(attempt) if open(attempt) => Status::Pending,
            Change::Settle(attempt, outcome) if open(attempt) => match outcome {
                Outcome::Accepted { .. } => Status::Accepted,
                Outcome::Rejected(_) => Status::Failed,
                Outcome::InDoubt(_) => Status::InDoubt,
                Outcome::Throttled(_)
                | Outcome::TryAgain(_)
                | Outcome::Unreached(_)
                | Outcome::SignatureExpired(_)
                | Outcome::Stopped(_) => Status::Pending,
            },
            Change::Interrupted(attempt) if open(attempt) => Status::InDoubt,
            Change::Skip(..) if self.status == Status::Pending => Status::Skipped,
            Change::Resend(_) if self.status == Status::InDoubt => Status::Pending,
            Change::AssumeSent(_) if self.status == Status::InDoubt => Status::Accepted,
            Change::AssumeNotSent(_) if self.status == Status::InDoubt => Status::Failed,
            Change::Retry(_) if self.status == Status::Failed => Status::Pending,
            Change::Suspect(_) if self.status == Status::Pending => Status::InDoubt,
            _ => {
                return Err(IllegalChange { batch: change.batch(), change: change.word(), state: self });
            }
        };
        Ok(Self { status, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Attempt = Attempt { batch: 7, number: 1 };

    fn every_change(attempt: Attempt) -> Vec<Change> {
        let answer = || Answer::new(1, "x");
        vec![
            Change::Begin(attempt),
            Change::Withdraw(attempt),
            Change::Settle(attempt, Outcome::Accepted { task_id: String::new(), failed: vec![] }),
            Change::Settle(attempt, Outcome::Rejected(answer())),
            Change::Settle(attempt, Outcome::Throttled(answer())),
            Change::Settle(attempt, Outcome::TryAgain(answer())),
            Change::Settle(attempt, Outcome::Unreached(answer())),
            Change::Settle(attempt, Outcome::SignatureExpired(answer())),
            Change::Settle(attempt, Outcome::Stopped(answer())),
            Change::Settle(attempt, Outcome::InDoubt(answer())),
            Change::Interrupted(attempt),
            Change::Skip(attempt.batch, SkipReason::Expired),
            Change::Skip(attempt.batch, SkipReason::Cancelled),
            Change::Skip(attempt.batch, SkipReason::Replanned),
            Change::Resend(attempt.batch),
            Change::AssumeSent(attempt.batch),
            Change::AssumeNotSent(attempt.batch),
            Change::Retry(attempt.batch),
            Change::Suspect(attempt.batch),
        ]
    }

    #[test]
    fn only_a_durable_intent_of_this_attempt_can_be_settled() {
        let pending = BatchState::default();
        for change in every_change(FIRST) {
            let allowed = matches!(change, Change::Begin(_) | Change::Skip(..) | Change::Suspect(_));
            assert_eq!(pending.apply(&change).is_ok(), allowed, "{change:?}");
        }
        let sending = pending.apply(&Change::Begin(FIRST)).unwrap();
        let other = Attempt { number: 2, ..FIRST };
        for change in every_change(other) {
            assert!(sending.apply(&change).is_err(), "{change:?}");
        }
    }

    #[test]
    fn what_is_in_doubt_is_sent_again_only_by_a_word_of_resend() {
        let doubt = BatchState { status: Status::InDoubt, attempts: 1 };
        for change in every_change(Attempt { batch: 7, number: 2 }) {
            let becomes = doubt.apply(&change).ok().map(|s| s.status);
            let expected = match change {
                Change::Resend(_) => Some(Status::Pending),
                Change::AssumeSent(_) => Some(Status::Accepted),
                Change::AssumeNotSent(_) => Some(Status::Failed),
                _ => None,
            };
            assert_eq!(becomes, expected, "{change:?}");
        }
    }

    #[test]
    fn accepted_and_skipped_are_final_and_failed_is_so_but_for_a_word_of_retry() {
        for status in [Status::Accepted, Status::Failed, Status::Skipped] {
            for number in 1..=2 {
                for change in every_change(Attempt { batch: 7, number }) {
                    if (status, &change) == (Status::Failed, &Change::Retry(7)) {
                        continue;
                    }
                    assert!(
                        BatchState { status, attempts: 1 }.apply(&change).is_err(),
                        "{status:?} {change:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_journals_words_stand_for_the_changes_that_wrote_them() {
        for change in every_change(FIRST) {
            let number = change.attempt().map(|attempt| attempt.number);
            let read = Change::from_word(change.word(), change.batch(), number).unwrap();
            for status in Status::ALL {
                let state = BatchState { status, attempts: 1 };
                assert_eq!(state.apply(&read).ok(), state.apply(&change).ok(), "{change:?}");
            }
        }
    }

    #[test]
    fn an_attempt_number_is_never_used_twice() {
        let state = BatchState::default()
            .apply(&Change::Begin(FIRST))
            .and_then(|s| s.apply(&Change::Withdraw(FIRST)))
            .unwrap();
        assert!(state.apply(&Change::Begin(FIRST)).is_err());
        assert!(state.apply(&Change::Begin(Attempt { number: 2, ..FIRST })).is_ok());
    }
}
