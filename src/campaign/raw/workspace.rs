//! The workspace file `pushplan.yaml`: apps and the state.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::timpush::wire::Region;

/// The workspace: which apps there are, and where the state is kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Workspace", extend("required" = ["apps"]))]
pub struct RawWorkspace {
    /// The apps, by the name that campaigns use.
    #[schemars(extend("minProperties" = 1, "propertyNames" = {"pattern": super::NAME}))]
    pub apps: Option<BTreeMap<String, RawApp>>,
    /// Where it is recorded what was sent. Default: `{ sqlite: .pushplan/state.db }`.
    pub state: Option<RawState>,
    /// What a run must keep to before it may be sent. What is not written here refuses nothing.
    pub gates: Option<RawGates>,
    /// Folders that hold campaigns, relative to this file. Default: `[campaigns]`.
    #[schemars(length(min = 1), inner(length(min = 1)))]
    pub campaigns: Option<Vec<String>>,
}

/// An app: exactly one of `region`, `endpoint`, `sandbox` says where it lives.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "App", extend("oneOf" = one_home()))]
pub struct RawApp {
    /// The SDKAppID of the vendor's console.
    #[schemars(range(min = 1), example = 1_400_000_000)]
    pub sdk_app_id: Option<u32>,
    /// An administrator of the app.
    #[schemars(length(min = 1), example = &"administrator")]
    pub identifier: Option<String>,
    /// The app's region; it decides the API's domain.
    pub region: Option<Region>,
    /// The API's origin, where no region fits: https, or http on loopback.
    #[schemars(example = &"https://adminapisgp.im.qcloud.com")]
    pub endpoint: Option<String>,
    /// `true` sends to the built-in sandbox on loopback; nothing leaves the machine.
    #[schemars(extend("enum" = [true]))]
    pub sandbox: Option<bool>,
    /// Where the app's secret key is found. Never the key itself.
    pub secret_key: Option<RawSecretKey>,
    /// The app's rate limit. Default: 30 calls a second, the vendor's standard plan.
    pub rate: Option<RawRate>,
}

/// Where a secret is found: one of `env`, `file`, `credential`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SecretKey", extend("oneOf" = one_secret()))]
pub struct RawSecretKey {
    /// An environment variable.
    #[schemars(regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"), example = &"PUSHPLAN_SHOP_KEY")]
    pub env: Option<String>,
    /// A file that holds nothing else, relative to this file; it may lie outside the workspace.
    #[schemars(length(min = 1), example = &"/run/secrets/shop-key")]
    pub file: Option<String>,
    /// A systemd credential (`LoadCredential=`).
    #[schemars(regex(pattern = "^[A-Za-z0-9._-]+$"), example = &"shop-key")]
    pub credential: Option<String>,
}

/// An app's rate limit.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rate")]
pub struct RawRate {
    /// Calls a second, or `unlimited`. The vendor's plans allow 10, 30 and 40. Default: 30.
    pub calls_per_second: Option<RawPace>,
    /// Recipients a second, or `unlimited`. Default: unlimited.
    pub recipients_per_second: Option<RawPace>,
}

/// So many a second, or no limit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(
    rename = "Pace",
    transform = super::one_type,
    extend("type" = ["number", "string"], "exclusiveMinimum" = 0, "pattern" = super::UNLIMITED)
)]
pub enum RawPace {
    /// So many a second.
    PerSecond(f64),
    /// `unlimited`; the pattern above says it in the schema.
    #[schemars(skip)]
    Word(Unlimited),
}

/// The one word that stands for no limit.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unlimited {
    /// No limit.
    Unlimited,
}

/// Where the state is kept: one of `sqlite`, `postgres`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "State", extend("oneOf" = one_state()))]
pub struct RawState {
    /// An SQLite file, relative to this file.
    #[schemars(length(min = 1), example = &".pushplan/state.db")]
    pub sqlite: Option<String>,
    /// A PostgreSQL database that several machines share. Here stands where its connection string is found, for it
    /// holds a password.
    pub postgres: Option<RawSecretKey>,
}

/// What a run must keep to. `plan` says how it stands, and exits with 6 where a gate refuses.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Gates")]
pub struct RawGates {
    /// Most recipients of a run.
    #[schemars(example = 2_000_000)]
    pub max_recipients: Option<u64>,
    /// Most recipients of an app in all its runs that were begun within 24 hours.
    #[schemars(example = 5_000_000)]
    pub max_recipients_per_day: Option<u64>,
    /// By how much the audience may be larger than that of the campaign's last run.
    #[schemars(regex(pattern = super::super::units::SHARE), example = &"50%")]
    pub max_growth: Option<String>,
    /// How many times the calls of one message for everybody a run may take.
    #[schemars(range(min = 1), example = 20)]
    pub max_personalisation: Option<f64>,
    /// `true`: the calls must fit into the windows of their run at the app's rate.
    pub fits_window: Option<bool>,
    /// Keys that every campaign must have.
    #[schemars(length(min = 1), example = &["owner", "description"])]
    pub require: Option<Vec<RawRequired>>,
    /// The hours of a day in which calls may leave.
    pub sending_hours: Option<RawSendingHours>,
    /// `true`: a text is refused that a phone vendor would cut.
    pub vendor_lengths: Option<bool>,
}

/// A key that may be left out unless a gate asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Required")]
pub enum RawRequired {
    /// Who answers for it.
    Owner,
    /// What it is for.
    Description,
}

/// Hours of a day.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SendingHours", extend("required" = ["between", "timezone"]))]
pub struct RawSendingHours {
    /// From a time of day to another one.
    #[schemars(regex(pattern = crate::campaign::schedule::QUIET_HOURS), example = &"09:00-21:00")]
    pub between: Option<String>,
    /// Whose clock shows them, by IANA name; for campaigns with `local_time`, each recipient's own.
    #[schemars(example = &"Europe/Berlin")]
    pub timezone: Option<String>,
}

/// Each branch's first key is the one that chooses it; what follows is needed with it.
fn one_home() -> Value {
    json!([
        {"required": ["region", "sdk_app_id", "identifier", "secret_key"]},
        {"required": ["endpoint", "sdk_app_id", "identifier", "secret_key"]},
        {"required": ["sandbox"]}
    ])
}

fn one_state() -> Value {
    json!([{"required": ["sqlite"]}, {"required": ["postgres"]}])
}

fn one_secret() -> Value {
    json!([{"required": ["env"]}, {"required": ["file"]}, {"required": ["credential"]}])
}
