//! Whom to send to: an app's secret, its client, and the sandbox where the app is one.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::SignedDuration;
use secrecy::SecretString;

use super::failure::Failure;
use super::output;
use crate::campaign::{App, Delivery, Endpoint, Workspace};
use crate::diagnostic::nearest;
use crate::executor::Limits;
use crate::report;
use crate::sandbox::{self, Sandbox};
use crate::secret;
use crate::timpush::{Client, ClientConfig};

/// The key of a sandbox that needs none: it never leaves this process.
const SANDBOX_KEY: &str = "sandbox";

/// Clocks may differ so much: less than any window, and far less than what the vendor tells of a UserSig's time.
const CLOCK_SKEW_MAX: SignedDuration = SignedDuration::from_secs(30);

/// An app that calls can be sent to. The sandbox, where there is one, ends with it.
#[derive(Debug)]
pub(super) struct Target {
    app: App,
    secret: SecretString,
    pub(super) sandbox: Option<Sandbox>,
}

impl Target {
    /// Resolves the secret, and starts the sandbox where the app asks for one.
    pub(super) fn open(app: &App) -> Result<Self, Failure> {
        let secret = secret(app)?;
        let sandbox = match &app.endpoint {
            Endpoint::Url(_) => None,
            Endpoint::Sandbox => Some(start_sandbox(app, secret.clone())?),
        };
        Ok(Self { app: app.clone(), secret, sandbox })
    }

    /// What the app allows.
    pub(super) fn limits(&self) -> Limits {
        Limits::of(self.app.rate)
    }

    /// A client for one run: its timeout and its calls in flight are the campaign's.
    pub(super) fn client(&self, delivery: Delivery) -> Result<Arc<Client>, Failure> {
        let endpoint = match (&self.app.endpoint, &self.sandbox) {
            (Endpoint::Url(url), _) => url.clone(),
            (Endpoint::Sandbox, sandbox) => sandbox.as_ref().map(Sandbox::endpoint).unwrap_or_default(),
        };
        let client = Client::new(ClientConfig {
            endpoint,
            sdk_app_id: self.app.sdk_app_id,
            identifier: self.app.identifier.clone(),
            secret: self.secret.clone(),
            timeout: delivery.timeout,
            in_flight: delivery.in_flight as usize,
        })?;
        Ok(Arc::new(client))
    }
}

/// Warns of a server whose clock is far from this machine's: windows, expiry and UserSigs go by the latter. A server
/// that does not answer is no reason to stop here: sending will tell.
pub(super) async fn compare_clocks(targets: &BTreeMap<String, Target>) -> Result<(), Failure> {
    let clients = targets.iter().filter(|(_, target)| target.sandbox.is_none()).map(|(name, target)| {
        target.client(Delivery::default()).map(|client| async move { (name, client.clock_skew().await) })
    });
    for (app, skew) in join_all(clients.collect::<Result<Vec<_>, _>>()?).await {
        if let Some(skew) = skew.filter(|skew| skew.abs() > CLOCK_SKEW_MAX) {
            output::say(&report::plan::clock_skew(app, skew));
        }
    }
    Ok(())
}

fn start_sandbox(app: &App, secret: SecretString) -> Result<Sandbox, Failure> {
    let config = sandbox::Config {
        app: Some(sandbox::App { sdk_app_id: app.sdk_app_id, identifier: app.identifier.clone(), secret }),
        calls_per_second: app.rate.calls_per_second.map(|rate| rate.ceil() as u32),
        recipients_per_second: app.rate.recipients_per_second.map(|rate| rate.ceil() as u32),
        ..sandbox::Config::default()
    };
    let listen = config.listen;
    Sandbox::start(config).map_err(|source| Failure::File {
        action: "start the sandbox on",
        path: listen.to_string().into(),
        source,
    })
}

/// An app's secret key.
pub(super) fn secret(app: &App) -> Result<SecretString, Failure> {
    match &app.secret_key {
        Some(key) => Ok(secret::resolve(key)?),
        None => Ok(SecretString::from(SANDBOX_KEY)),
    }
}

/// An app by name, or the only one.
pub(super) fn app<'w>(workspace: &'w Workspace, name: Option<&str>) -> Result<&'w App, Failure> {
    let names = || workspace.apps.keys().map(String::as_str);
    if let Some(name) = name {
        return workspace.apps.get(name).ok_or_else(|| {
            let near =
                nearest(name, names()).map_or(String::new(), |near| format!(", did you mean '{near}'?"));
            Failure::Usage(format!("pushplan.yaml has no app '{name}'{near}"))
        });
    }
    let mut apps = workspace.apps.values();
    let first = apps.next().filter(|_| apps.next().is_none());
    first.ok_or_else(|| {
        let names: Vec<_> = names().collect();
        Failure::Usage(format!("name one of the apps with --app: {}", names.join(", ")))
    })
}
