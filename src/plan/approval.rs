//! An approval: what a person has seen of a run, in a form that a command line can carry from the review to the apply.
//!
//! The content of what is applied must be what was approved, exactly. Its audience may differ as far as the person who
//! applies allows, so that an approval says how large the audience was.

use std::fmt;
use std::str::FromStr;

use super::Plan;
use crate::campaign::{OnInDoubt, percent, share_of};

/// Hexadecimal digits of each digest: 128 bits, more than anybody can search for a second text of one digest.
const DIGITS: usize = 32;

/// What stands behind an approval of a run that may reach somebody twice.
const RESEND: &str = ":resend";

/// What is known of a run that was approved, or that asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The run's id.
    pub run: &'a str,
    /// Hex digest of the content.
    pub content_digest: &'a str,
    /// Hex digest of the audience.
    pub audience_digest: &'a str,
    /// Hex digest of the plan.
    pub digest: &'a str,
    /// How many people get it.
    pub recipients: u64,
    /// Is what is in doubt sent again?
    pub resends: bool,
}

/// What was approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// A plan, by its digest: nothing may differ.
    Plan(String),
    /// A run, as [`Approval::of`] writes it: `autumn-sale@once:CONTENT:AUDIENCE:RECIPIENTS`, with `:resend` behind it
    /// where what is in doubt is sent again.
    Run {
        /// The run's id.
        run: String,
        /// The first digits of the content's digest.
        content: String,
        /// The first digits of the audience's digest.
        audience: String,
        /// How many recipients there were.
        recipients: u64,
        /// Was it approved that what is in doubt is sent again?
        resends: bool,
    },
}

/// Why a run is not what was approved.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refused {
    /// The file, its app or its sender has changed.
    #[error("{run}: the content is no longer what was approved")]
    Content {
        /// The run.
        run: String,
    },
    /// Somebody may get it twice, which was not approved.
    #[error("{run}: it says `on_in_doubt: resend`, and was approved without")]
    Resends {
        /// The run.
        run: String,
    },
    /// The audience has changed by more than is allowed.
    #[error("{run}: the audience is no longer what was approved: {approved} recipients then, {now} now{}", allowed(*.tolerance))]
    Audience {
        /// The run.
        run: String,
        /// How many there were.
        approved: u64,
        /// How many there are.
        now: u64,
        /// The share that it may differ by.
        tolerance: f64,
    },
}

fn allowed(tolerance: f64) -> String {
    if tolerance == 0.0 {
        "; `--audience-tolerance 5%` would allow for a change of size".to_owned()
    } else {
        format!(", and {} more or less are allowed", percent(tolerance))
    }
}

impl Approval {
    /// What there is to approve about a run.
    pub fn of(candidate: &Candidate<'_>) -> Self {
        let short = |digest: &str| digest.get(..DIGITS).unwrap_or(digest).to_owned();
        Self::Run {
            run: candidate.run.to_owned(),
            content: short(candidate.content_digest),
            audience: short(candidate.audience_digest),
            recipients: candidate.recipients,
            resends: candidate.resends,
        }
    }

    /// Does it speak of this run?
    pub fn names(&self, candidate: &Candidate<'_>) -> bool {
        match self {
            Self::Plan(digest) => digest == candidate.digest,
            Self::Run { run, .. } => run == candidate.run,
        }
    }

    /// Holds a run that it [`names`](Self::names) to what was approved. `tolerance` is the share of the approved
    /// recipients by which the number may differ; 0 asks for the very same audience.
    ///
    /// # Errors
    /// What differs.
    pub fn check(&self, candidate: &Candidate<'_>, tolerance: f64) -> Result<(), Refused> {
        let Self::Run { run, content, audience, recipients, resends } = self else { return Ok(()) };
        if !candidate.content_digest.starts_with(content) {
            return Err(Refused::Content { run: run.clone() });
        }
        if candidate.resends && !resends {
            return Err(Refused::Resends { run: run.clone() });
        }
        let differs = recipients.abs_diff(candidate.recipients);
        let is_within = tolerance > 0.0 && differs <= share_of(*recipients, tolerance);
        if candidate.audience_digest.starts_with(audience) || is_within {
            return Ok(());
        }
        let (approved, now) = (*recipients, candidate.recipients);
        Err(Refused::Audience { run: run.clone(), approved, now, tolerance })
    }
}

impl Plan {
    /// The plan as something to approve.
    pub fn approval(&self) -> Approval {
        self.as_candidate(Approval::of)
    }

    /// Hands on what an approval looks at.
    pub fn as_candidate<T>(&self, look: impl FnOnce(&Candidate<'_>) -> T) -> T {
        look(&Candidate {
            run: &self.header.run_id,
            content_digest: &self.header.content_digest,
            audience_digest: &self.audience_digest(),
            digest: &self.digest(),
            recipients: self.recipients(),
            resends: self.header.delivery.on_in_doubt == OnInDoubt::Resend,
        })
    }
}

impl fmt::Display for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(digest) => f.write_str(digest),
            Self::Run { run, content, audience, recipients, resends } => {
                let resend = if *resends { RESEND } else { "" };
                write!(f, "{run}:{content}:{audience}:{recipients}{resend}")
            }
        }
    }
}

impl FromStr for Approval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_hex = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        if is_hex(text, 64) {
            return Ok(Self::Plan(text.to_owned()));
        }
        let (text, resends) = text.strip_suffix(RESEND).map_or((text, false), |text| (text, true));
        match text.split(':').collect::<Vec<_>>()[..] {
            [run, content, audience, recipients]
                if run.contains('@') && is_hex(content, DIGITS) && is_hex(audience, DIGITS) =>
            {
                let recipients =
                    recipients.parse().map_err(|_| format!("`{recipients}` is no number of recipients"))?;
                let (run, content, audience) = (run.to_owned(), content.to_owned(), audience.to_owned());
                Ok(Self::Run { run, content, audience, recipients, resends })
            }
            _ => Err(
                "it is neither a plan's digest (64 hexadecimal digits) nor an approval as `plan` prints it"
                    .to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: &str = "c0ffee0000000000000000000000000000000000000000000000000000000000";
    const AUDIENCE: &str = "a0d1e0ce00000000000000000000000000000000000000000000000000000000";
    const OTHER: &str = "bbbb000000000000000000000000000000000000000000000000000000000000";

    fn run<'a>(content_digest: &'a str, audience_digest: &'a str, recipients: u64) -> Candidate<'a> {
        let digest = OTHER;
        Candidate { run: "c@once", content_digest, audience_digest, digest, recipients, resends: false }
    }

    #[test]
    fn what_is_printed_is_read_back() {
        let approval = Approval::of(&run(CONTENT, AUDIENCE, 1_000));
        assert_eq!(approval.to_string().parse(), Ok(approval));
        let resends = Approval::of(&Candidate { resends: true, ..run(CONTENT, AUDIENCE, 1_000) });
        assert!(resends.to_string().ends_with(":1000:resend"));
        assert_eq!(resends.to_string().parse(), Ok(resends));
        assert_eq!(OTHER.parse(), Ok(Approval::Plan(OTHER.to_owned())));
        for bad in ["", "c@once", "c@once:1:2:3", &CONTENT[1..]] {
            assert!(bad.parse::<Approval>().is_err(), "{bad}");
        }
    }

    #[test]
    fn who_may_get_it_twice_is_approved_too() {
        let (holds, resends) =
            (run(CONTENT, AUDIENCE, 9), Candidate { resends: true, ..run(CONTENT, AUDIENCE, 9) });
        assert!(Approval::of(&holds).check(&resends, 0.0).is_err());
        assert!(Approval::of(&resends).check(&holds, 0.0).is_ok());
    }

    #[test]
    fn the_content_is_exact_and_the_audience_within_the_tolerance() {
        let approval = Approval::of(&run(CONTENT, AUDIENCE, 1_000));
        let check = |content, audience, recipients, tolerance| {
            approval.check(&run(content, audience, recipients), tolerance).is_ok()
        };
        assert!(check(CONTENT, AUDIENCE, 1_000, 0.0));
        assert!(!check(CONTENT, OTHER, 1_000, 0.0), "as many, and others");
        assert!(check(CONTENT, OTHER, 1_050, 0.05) && check(CONTENT, OTHER, 950, 0.05));
        assert!(!check(CONTENT, OTHER, 1_051, 0.05) && !check(CONTENT, OTHER, 949, 0.05));
        assert!(!check(OTHER, AUDIENCE, 1_000, 1.0), "no tolerance makes up for other content");
    }
}
