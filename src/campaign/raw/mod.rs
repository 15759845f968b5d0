//! What an author may write: serde mirrors of both files, from which their schemas are made.
//!
//! Doc comments are the descriptions an editor shows. Shape, bounds and patterns stand here, where the
//! schema finds them; what needs more than one value to decide is left to `resolve` and `workspace`.

mod audience;
mod filter;
mod message;
mod vendor;
mod workspace;

use schemars::JsonSchema;
use serde::Deserialize;

use super::schedule::RawSchedule;
use super::units;

pub use audience::{RawAudience, RawFormat, RawPostgres, RawSource};
pub use filter::{RawFilter, RawOperators, RawScalar, RawTest};
pub use message::RawMessage;
pub use vendor::{IntoNode, Misplaced};
pub use workspace::{
    RawApp, RawGates, RawPace, RawRate, RawRequired, RawSecretKey, RawSendingHours, RawState, RawWorkspace,
    Unlimited,
};

/// What a campaign's or an app's name may look like.
pub const NAME: &str = "^[a-z0-9-]{1,40}$";
/// The one text that a pace may be.
pub const UNLIMITED: &str = "^unlimited$";

// Required keys are `Option` here as well: a section with a mistake is left out, and the rest is still
// checked, so that all mistakes are told at once.
/// A push campaign: who gets which push, and when.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Campaign", extend("required" = ["campaign", "audience", "message"]))]
pub struct RawCampaign {
    /// The campaign's id: a-z, 0-9 and `-`, at most 40 characters; unique in the workspace.
    #[schemars(regex(pattern = NAME), example = &"autumn-sale")]
    pub campaign: Option<String>,
    /// What it is for, in a person's words.
    #[schemars(example = &"Autumn sale, buyers of the last 90 days")]
    pub description: Option<String>,
    /// Who answers for it.
    #[schemars(example = &"growth-team")]
    pub owner: Option<String>,
    /// An app of `pushplan.yaml`; may be left out where there is one.
    #[schemars(example = &"shop")]
    pub app: Option<String>,
    /// The sender (From_Account): a UserID or RegistrationID. Default: the app's `identifier`.
    #[schemars(length(min = 1), example = &"administrator")]
    pub from: Option<String>,
    /// Raised to send a campaign without a schedule again. Default: 1.
    #[schemars(range(min = 1))]
    pub revision: Option<u32>,
    /// Who gets it.
    pub audience: Option<RawAudience>,
    /// What they get.
    pub message: Option<RawMessage>,
    /// Template of the DataId, which comes back in callbacks; at most 64 bytes once rendered.
    /// Default: `{{campaign}}/{{occurrence}}/{{batch}}`.
    #[schemars(length(min = 1), example = &"{{campaign}}/{{occurrence}}/{{batch}}")]
    pub data_id: Option<String>,
    /// When it is due. Without a schedule it is sent once.
    pub schedule: Option<RawSchedule>,
    /// How it is sent.
    pub delivery: Option<RawDelivery>,
}

/// How a run is sent.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Delivery")]
pub struct RawDelivery {
    /// The breaker: the run pauses above this share (`5%`) or number of failed recipients. Default: `5%`.
    pub max_failures: Option<RawMaxFailures>,
    /// What becomes of a batch whose answer is lost: `hold` waits for a person, `resend` risks that
    /// somebody gets it twice. Default: `hold`.
    pub on_in_doubt: Option<RawOnInDoubt>,
    /// How long one call may take, `1s` to `5m`. Default: `10s`.
    #[schemars(regex(pattern = units::DURATION), example = &"10s")]
    pub timeout: Option<String>,
    /// Most calls in flight at once; what the rate times the time of an answer comes to. Default: 64.
    #[schemars(range(min = 1, max = 800))]
    pub in_flight: Option<u32>,
}

/// A share or a number of recipients.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(
    rename = "MaxFailures",
    transform = one_type,
    extend("type" = ["string", "integer"], "pattern" = units::SHARE, "minimum" = 0, "maximum" = 9_007_199_254_740_991_i64, "examples" = ["5%", 1000])
)]
pub enum RawMaxFailures {
    /// `5%`
    Share(String),
    /// `1000`
    Count(u64),
}

/// What becomes of a batch whose answer is not known.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "OnInDoubt")]
pub enum RawOnInDoubt {
    /// It waits for a person: nobody gets it twice.
    Hold,
    /// It is sent again: somebody may get it twice, nobody misses it.
    Resend,
}

/// Drops the `anyOf` of an untagged enum. Its keywords speak of one type each and stand side by side
/// instead: a validator then says what is wrong with the value, and not that no branch fits.
fn one_type(schema: &mut schemars::Schema) {
    schema.remove("anyOf");
}
