//! What a person or a script is told of a plan, as data. What it looks like is decided in `report`.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};
use serde_json::value::RawValue;

use super::Plan;
use super::change::{Change, Past};
use super::cost::Cost;
use super::gate::Verdict;
use super::warning::{Warning, warnings};
use crate::audience::Stats;
use crate::campaign::App;

/// The name and version of the JSON form of [`Summaries`]. Keys may be added to a version; none is taken away or
/// changes its meaning.
pub const FORMAT: &str = "pushplan.plan/1";

/// `plan --format json`: the plans of all campaigns that are due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summaries {
    /// Name and version of this form.
    #[schemars(extend("const" = FORMAT))]
    format: String,
    /// One a run.
    pub runs: Vec<Summary>,
}

impl Summaries {
    /// The document for these runs.
    pub fn new(runs: Vec<Summary>) -> Self {
        Self { format: FORMAT.to_owned(), runs }
    }
}

/// What one run would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// The run's id.
    pub run: String,
    /// The campaign's id.
    pub campaign: String,
    /// Its occurrence: `once`, `r2` or an instant.
    pub occurrence: String,
    /// The app's name.
    pub app: String,
    /// Whom its calls reach: its SDKAppID and the endpoint, or a sandbox.
    pub target: String,
    /// When what is not sent yet is no longer sent; RFC 3339.
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<jiff::Timestamp>,
    /// Accounts that get a push.
    pub recipients: u64,
    /// Distinct messages.
    pub messages: u64,
    /// Batches.
    pub calls: u64,
    /// From the first call's leaving to the last one's; see [`Sizes::seconds`](super::predict::Sizes::seconds).
    pub seconds_at_rate: f64,
    /// What became of the audience's rows.
    pub audience: Stats,
    /// What personalisation costs.
    pub personalisation: Cost,
    /// DataId of the first and of the last batch; one where there is one batch, none where there is none.
    pub data_ids: Vec<String>,
    /// The first recipients of the first three messages.
    pub samples: Vec<Sample>,
    /// What the author should know before this is sent.
    pub warnings: Vec<Warning>,
    /// The gates that are closed, and whether they refuse the run.
    pub gates: Vec<Verdict>,
    /// What changes against the last run of the campaign; null where there is none.
    pub change: Option<Change>,
    /// What `apply --expect` takes: the run's id, the first digits of the digests of content and audience, and the
    /// number of recipients.
    pub approval: String,
    /// Digest of the content.
    pub content_digest: String,
    /// Digest of the audience.
    pub audience_digest: String,
    /// Digest of the plan.
    pub digest: String,
}

/// One recipient with what they would get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// The UserID, as it is.
    pub account: String,
    /// The OfflinePushInfo: JSON text here, a JSON object where it is serialized.
    #[serde(serialize_with = "as_json", deserialize_with = "from_json")]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub message: String,
}

fn as_json<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::from_str::<&RawValue>(text).map_err(S::Error::custom)?.serialize(serializer)
}

fn from_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Box::<RawValue>::deserialize(deserializer)?.get().to_owned())
}

impl Plan {
    /// What is told of the plan, sent to its app at its rate, with what the gates say and what earlier runs bear on it.
    pub fn summary(&self, app: &App, gates: &[Verdict], past: &Past) -> Summary {
        let personalisation = Cost::of(self, &app.rate);
        let calls = self.calls();
        let first = self.header.first_batch;
        let last = first + (calls.max(1) - 1) as u32;
        let mut named = vec![first, last];
        named.dedup();
        named.retain(|_| calls > 0);
        Summary {
            warnings: warnings(self, &personalisation),
            run: self.header.run_id.clone(),
            campaign: self.header.campaign.clone(),
            occurrence: self.header.occurrence.clone(),
            app: self.header.app.clone(),
            target: app.target(),
            expires_at: self.header.expires_at,
            recipients: self.recipients(),
            messages: self.totals.messages.into(),
            calls,
            seconds_at_rate: self.seconds(&app.rate),
            audience: self.stats,
            personalisation,
            data_ids: named.into_iter().map(|batch| (self.data_id)(batch)).collect(),
            samples: self.totals.samples.clone(),
            gates: gates.to_vec(),
            change: past.last.as_ref().map(|last| self.change(last)),
            approval: self.approval().to_string(),
            content_digest: self.header.content_digest.clone(),
            audience_digest: self.audience_digest(),
            digest: self.digest(),
        }
    }
}
