//! What one attempt to send one batch came to.
//!
//! An `Outcome` is data, not an error: every way in which a call can end is a value here, and the state,
//! the executor and the reports agree on what each one means. Which vendor code belongs to which class is
//! decided in [`crate::timpush`]; what to do about it is decided in [`crate::executor`].

use serde::{Deserialize, Serialize};

/// A vendor error code with the vendor's own words, kept together because one code means different
/// things on different APIs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// `ErrorCode` of the answer; 0 where the failure was not the vendor's to number.
    pub code: i64,
    /// `ErrorInfo` as it came, or our own words where there was no answer. Never holds a UserSig.
    pub text: String,
}

impl Answer {
    /// An answer with the vendor's code and text.
    pub fn new(code: i64, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// A failure that has no vendor code: a lost connection, a body that cannot be read.
    pub fn local(text: impl Into<String>) -> Self {
        Self::new(0, text)
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code, self.text.is_empty()) {
            (0, _) => f.write_str(&self.text),
            (code, true) => write!(f, "{code}"),
            (code, false) => write!(f, "{code} {}", self.text),
        }
    }
}

/// One entry of a partly failed answer's `ErrorList`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAccount {
    /// The UserID as the vendor named it.
    pub account: String,
    /// The entry's `ErrorCode` and `ErrorInfo` (which may be empty).
    pub answer: Answer,
}

/// What one attempt came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The vendor took the batch. Accepted is not delivered.
    Accepted {
        /// `TaskId` of the answer; may be empty.
        task_id: String,
        /// Recipients the vendor named as failed in `ErrorList`, restricted to accounts of the batch.
        failed: Vec<FailedAccount>,
    },
    /// The vendor refused this batch for good; the run goes on.
    Rejected(Answer),
    /// The vendor's rate limit: surely not sent; slow down and try again.
    Throttled(Answer),
    /// A passing fault on the vendor's side: surely not sent; try again, a bounded number of times.
    TryAgain(Answer),
    /// The call never reached the server (DNS, refused, TLS handshake): surely not sent.
    Unreached(Answer),
    /// The UserSig has expired: surely not sent; sign anew, once, and try again.
    SignatureExpired(Answer),
    /// Configuration, permission or quota: surely not sent, and nothing else of the run would be.
    Stopped(Answer),
    /// The server may or may not have carried the call out.
    InDoubt(Answer),
}

impl Outcome {
    /// The class's name, as the state and the events write it.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Rejected(_) => "rejected",
            Self::Throttled(_) => "throttled",
            Self::TryAgain(_) => "try_again",
            Self::Unreached(_) => "unreached",
            Self::SignatureExpired(_) => "signature_expired",
            Self::Stopped(_) => "stopped",
            Self::InDoubt(_) => "in_doubt",
        }
    }

    /// The vendor's code and text, where the outcome is not `Accepted`.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Accepted { .. } => None,
            Self::Rejected(a)
            | Self::Throttled(a)
            | Self::TryAgain(a)
            | Self::Unreached(a)
            | Self::SignatureExpired(a)
            | Self::Stopped(a)
            | Self::InDoubt(a) => Some(a),
        }
    }
}
