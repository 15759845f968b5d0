//! `pushplan sandbox`: the vendor's API on loopback, for users' own trials.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::exit::Exit;
use super::failure::Failure;
use super::output;
use crate::apply::Signals;
use crate::campaign::{SecretRef, parse_duration, parse_share};
use crate::report;
use crate::sandbox::{App, Config, Faults, Sandbox};
use crate::secret;

/// Arguments of `sandbox`. Shares are written as `5%`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to listen; loopback only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7788")]
    listen: SocketAddr,
    /// SDKAppID to accept; without a key any UserSig is accepted
    #[arg(long, value_name = "N", requires = "key_env")]
    sdk_app_id: Option<u64>,
    /// Administrator to accept
    #[arg(long, value_name = "ID", default_value = "administrator")]
    identifier: String,
    /// Environment variable that holds the app's secret key, to check UserSigs with
    #[arg(long, value_name = "NAME", requires = "sdk_app_id")]
    key_env: Option<String>,
    /// Most calls in any sliding second
    #[arg(long, value_name = "N")]
    calls_per_second: Option<u32>,
    /// Most recipients in any sliding second
    #[arg(long, value_name = "N")]
    recipients_per_second: Option<u32>,
    /// File of accounts, one a line, that are answered with 70107 (not imported)
    #[arg(long, value_name = "FILE")]
    missing: Option<PathBuf>,
    /// Seed of the faults' dice
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Shortest time to an answer
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = latency)]
    latency_min: Duration,
    /// Longest time to an answer
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = latency)]
    latency_max: Duration,
    /// Share of calls reset before they are carried out
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = parse_share)]
    reset_before: f64,
    /// Share of calls reset after they were carried out
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = parse_share)]
    reset_after: f64,
    /// Share of calls answered with HTTP 502
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = parse_share)]
    bad_gateway: f64,
    /// Share of calls answered with HTTP 503
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = parse_share)]
    unavailable: f64,
    /// Share of calls answered with HTTP 504
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = parse_share)]
    gateway_timeout: f64,
    /// Share of calls carried out and answered with something that is not JSON
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = parse_share)]
    garbage: f64,
    /// Share of calls carried out whose answer breaks off
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = parse_share)]
    truncated: f64,
    /// Share of calls refused as too frequent
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = parse_share)]
    throttle: f64,
    /// Share of calls that are never answered
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = parse_share)]
    hang: f64,
}

/// A duration as campaigns write it, and milliseconds, which only a server's latency needs.
fn latency(text: &str) -> Result<Duration, String> {
    match text.strip_suffix("ms").map(str::parse) {
        Some(Ok(milliseconds)) => Ok(Duration::from_millis(milliseconds)),
        _ => parse_duration(text),
    }
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    if !args.listen.ip().is_loopback() {
        return Err(Failure::Usage(format!(
            "--listen {}: the sandbox listens on loopback only, such as 127.0.0.1:7788",
            args.listen
        )));
    }
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::Other(format!("cannot start the runtime: {error}")))?;
    let sandbox = Sandbox::start(config(args)?).map_err(|source| Failure::File {
        action: "start the sandbox on",
        path: args.listen.to_string().into(),
        source,
    })?;
    output::say(&format!(
        "The sandbox listens. Let an app of pushplan.yaml have `endpoint: {}`; Ctrl-C ends it.",
        sandbox.endpoint()
    ));
    runtime.block_on(async {
        let mut signals = Signals::listen("the sandbox ends")
            .map_err(|error| Failure::Other(format!("cannot listen for signals: {error}")))?;
        signals.stopped().await;
        Ok::<(), Failure>(())
    })?;
    output::print(&report::sandbox::text(&sandbox.stop()))?;
    Ok(Exit::Done)
}

fn config(args: &Args) -> Result<Config, Failure> {
    let app = match (args.sdk_app_id, &args.key_env) {
        (Some(sdk_app_id), Some(name)) => {
            let secret: SecretString = secret::resolve(&SecretRef::Env(name.clone()))?;
            Some(App { sdk_app_id, identifier: args.identifier.clone(), secret })
        }
        _ => None,
    };
    let missing = match &args.missing {
        None => HashSet::new(),
        Some(path) => std::fs::read_to_string(path)
            .map_err(|source| Failure::File { action: "read", path: path.clone(), source })?
            .lines()
            .map(str::to_owned)
            .collect(),
    };
    Ok(Config {
        listen: args.listen,
        app,
        calls_per_second: args.calls_per_second,
        recipients_per_second: args.recipients_per_second,
        missing,
        faults: Faults {
            seed: args.seed,
            latency_min: args.latency_min,
            latency_max: args.latency_max.max(args.latency_min),
            reset_before: args.reset_before,
            reset_after: args.reset_after,
            bad_gateway: args.bad_gateway,
            unavailable: args.unavailable,
            gateway_timeout: args.gateway_timeout,
            garbage: args.garbage,
            truncated: args.truncated,
            throttle: args.throttle,
            hang: args.hang,
        },
        // A trial may go on for days; totals are enough for it.
        record: false,
    })
}
