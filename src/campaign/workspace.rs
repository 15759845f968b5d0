//! The checked workspace: which apps there are, how they are reached, and where the state is kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::check;
use super::document::{Document, join};
use super::gates::{Gates, gates};
use super::raw::{RawApp, RawPace, RawRate, RawSecretKey, RawState, RawWorkspace, Unlimited};
use crate::diagnostic::Diagnostics;

/// The name of the workspace file.
pub const FILE_NAME: &str = "pushplan.yaml";
/// The folder of campaigns where none is named.
pub const CAMPAIGNS: &str = "campaigns";

/// The state's file where none is named.
pub const STATE: &str = ".pushplan/state.db";

/// The vendor's standard plan (trtc.io document 67553).
const CALLS_PER_SECOND: f64 = 30.0;
/// What stands for a sandbox app where nothing is written; the sandbox accepts any.
const SANDBOX_SDK_APP_ID: u32 = 1_400_000_000;
const SANDBOX_IDENTIFIER: &str = "administrator";

/// A checked `pushplan.yaml`. Built only by this module.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Workspace {
    /// The folder that holds `pushplan.yaml`.
    pub root: PathBuf,
    /// The apps, by name; at least one.
    pub apps: BTreeMap<String, App>,
    /// Where the state is kept.
    pub state: StateLocation,
    /// What a run must keep to.
    pub gates: Gates,
    /// The folders that hold campaigns.
    pub campaigns: Vec<PathBuf>,
}

/// An app of the vendor, or of the sandbox.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct App {
    /// SDKAppID.
    pub sdk_app_id: u64,
    /// An administrator of the app.
    pub identifier: String,
    /// Where calls go.
    pub endpoint: Endpoint,
    /// Where the secret key is found; `None` for a sandbox that was given none.
    pub secret_key: Option<SecretRef>,
    /// The app's rate limit.
    pub rate: Rate,
}

impl App {
    /// Whom calls reach, in words: `SDKAppID 1400000000 at https://adminapisgp.im.qcloud.com`.
    pub fn target(&self) -> String {
        match &self.endpoint {
            Endpoint::Url(url) => format!("SDKAppID {} at {url}", self.sdk_app_id),
            Endpoint::Sandbox => "a sandbox: nothing leaves this machine".to_owned(),
        }
    }
}

/// Where calls go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// An origin without a final slash: `https://adminapisgp.im.qcloud.com`.
    Url(String),
    /// The built-in sandbox on loopback.
    Sandbox,
}

/// Where a secret is found. It is read only when it is needed to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file.
    File(PathBuf),
    /// A systemd credential: a file of this name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

/// Where it is kept, which may be said, as against what it is.
impl std::fmt::Display for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Credential(name) => write!(f, "the credential {name}"),
        }
    }
}

/// Most calls and recipients in any one second; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Calls a second, above 0.
    pub calls_per_second: Option<f64>,
    /// Recipients a second, above 0.
    pub recipients_per_second: Option<f64>,
}

impl Rate {
    /// The time from a call with so many recipients to the next one, at an even pace: what the tighter of the
    /// two limits asks. Zero without a limit.
    pub fn gap(&self, recipients: u32) -> Duration {
        let calls = self.calls_per_second.map_or(0.0, |rate| 1.0 / rate);
        let people = self.recipients_per_second.map_or(0.0, |rate| f64::from(recipients) / rate);
        Duration::from_secs_f64(calls.max(people))
    }
}

/// Where the state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateLocation {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database; where its connection string is found.
    Postgres(SecretRef),
}

/// Checks the workspace file's value. `root` is the folder that holds it.
pub(super) fn workspace(
    mut value: Value,
    document: &Arc<Document>,
    root: &Path,
) -> (Option<Workspace>, Diagnostics) {
    let mut diagnostics = check::WORKSPACE.check(&mut value, document);
    let raw = match serde_json::from_value::<RawWorkspace>(value) {
        Ok(raw) => raw,
        Err(error) => {
            diagnostics.push(document.at_value("", "bad-value", format!("the file cannot be read: {error}")));
            return (None, diagnostics);
        }
    };
    let mut apps = BTreeMap::new();
    for (name, raw) in raw.apps.unwrap_or_default() {
        let at = join("/apps", &name);
        if let Some(app) = app(raw, &at, document, root, &mut diagnostics) {
            apps.insert(name, app);
        }
    }
    let campaigns = raw.campaigns.unwrap_or_else(|| vec![CAMPAIGNS.to_owned()]);
    let workspace = Workspace {
        root: root.to_owned(),
        apps,
        state: state(raw.state, root),
        gates: gates(raw.gates.unwrap_or_default(), document, &mut diagnostics),
        campaigns: campaigns.into_iter().map(|folder| root.join(folder)).collect(),
    };
    (Some(workspace).filter(|_| !diagnostics.has_errors()), diagnostics)
}

fn state(raw: Option<RawState>, root: &Path) -> StateLocation {
    let RawState { sqlite, postgres } = raw.unwrap_or_default();
    match postgres.and_then(|dsn| secret_ref(dsn, root)) {
        Some(dsn) => StateLocation::Postgres(dsn),
        None => StateLocation::Sqlite(root.join(sqlite.as_deref().unwrap_or(STATE))),
    }
}

fn app(
    raw: RawApp,
    at: &str,
    document: &Document,
    root: &Path,
    diagnostics: &mut Diagnostics,
) -> Option<App> {
    let sandbox = raw.sandbox == Some(true);
    let endpoint = match (raw.region, raw.endpoint) {
        (Some(region), _) => Endpoint::Url(format!("https://{}", region.domain())),
        (None, Some(text)) => match origin(&text) {
            Ok(origin) => Endpoint::Url(origin),
            Err(reason) => {
                let message = format!("`endpoint`: {reason}");
                diagnostics.push(
                    document
                        .at_value(&join(at, "endpoint"), "bad-endpoint", message)
                        .help("write an origin, as in `https://adminapisgp.im.qcloud.com`"),
                );
                return None;
            }
        },
        (None, None) => Endpoint::Sandbox,
    };
    Some(App {
        sdk_app_id: raw.sdk_app_id.or(sandbox.then_some(SANDBOX_SDK_APP_ID))?.into(),
        identifier: raw.identifier.or(sandbox.then(|| SANDBOX_IDENTIFIER.to_owned()))?,
        endpoint,
        secret_key: raw.secret_key.and_then(|key| secret_ref(key, root)),
        rate: rate(&raw.rate.unwrap_or_default()),
    })
}

pub(super) fn secret_ref(raw: RawSecretKey, root: &Path) -> Option<SecretRef> {
    let file = |path: String| SecretRef::File(root.join(path));
    raw.env.map(SecretRef::Env).or(raw.file.map(file)).or(raw.credential.map(SecretRef::Credential))
}

fn rate(raw: &RawRate) -> Rate {
    let limit = |pace: Option<&RawPace>, default: Option<f64>| match pace {
        Some(RawPace::PerSecond(limit)) => Some(*limit),
        Some(RawPace::Word(Unlimited::Unlimited)) => None,
        None => default,
    };
    Rate {
        calls_per_second: limit(raw.calls_per_second.as_ref(), Some(CALLS_PER_SECOND)),
        recipients_per_second: limit(raw.recipients_per_second.as_ref(), None),
    }
}

/// An origin that a UserSig may be sent to: its calls carry one in the URL, so the way must be encrypted
/// or must not leave the machine.
fn origin(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|error| format!("`{text}` is no address: {error}"))?;
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<core::net::IpAddr>();
    let loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => return Err("http would show the UserSig to everybody on the way: use https".to_owned()),
        other => return Err(format!("`{other}` is neither https nor http on loopback")),
    }
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    if !plain {
        return Err("only scheme, host and port belong here".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}
