//! `pushplan usersig`: a UserSig to try the vendor's API by hand.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::exit::Exit;
use super::failure::Failure;
use super::{Global, context, output, target};
use crate::campaign::parse_duration;
use crate::timpush;

/// Arguments of `usersig`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An app of pushplan.yaml; may be left out where there is one
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// How long it holds: at least 24h
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = lifetime)]
    expire: Duration,
}

/// The vendor takes no UserSig that holds for less than a day.
fn lifetime(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    match time >= Duration::from_secs(24 * 3600) {
        true => Ok(time),
        false => Err("the vendor takes no UserSig that holds for less than 24h".to_owned()),
    }
}

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let workspace = context::workspace(global)?;
    let app = target::app(&workspace, args.app.as_deref())?;
    let secret = target::secret(app)?;
    let now = Timestamp::now().as_second().try_into().unwrap_or(0);
    let signed = timpush::sign(&secret, app.sdk_app_id, &app.identifier, now, args.expire);
    // The one place where a UserSig is meant to be seen.
    output::print(&format!("{}\n", signed.expose_secret()))?;
    Ok(Exit::Done)
}
