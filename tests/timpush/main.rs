//! The HTTP client against real sockets: the sandbox for what a server may answer, and plain TCP for what
//! only a broken one does.

use std::time::Duration;

use pushplan::outcome::Outcome;
use pushplan::timpush::{Call, Client, ClientConfig as Config};

mod broken_servers;
mod sandbox;

const SDK_APP_ID: u64 = 1_400_000_000;
const IDENTIFIER: &str = "administrator";
const SECRET: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

/// Long enough that no healthy answer is ever cut off by it, however busy the machine.
const PATIENT: Duration = Duration::from_secs(60);

/// For tests in which the answer never comes.
const IMPATIENT: Duration = Duration::from_millis(300);

fn client(endpoint: impl Into<String>, timeout: Duration) -> Client {
    Client::new(Config {
        endpoint: endpoint.into(),
        sdk_app_id: SDK_APP_ID,
        identifier: IDENTIFIER.to_owned(),
        secret: SECRET.into(),
        timeout,
        in_flight: 8,
    })
    .unwrap()
}

fn call(msg_random: u32, accounts_json: &str) -> Call {
    Call::new(IDENTIFIER, accounts_json, msg_random, r#"{"Title":"t","Desc":"d"}"#, "sale/once/1")
}

/// Sends one batch of two accounts, and checks on the way that nothing of the URL is in the outcome.
async fn send(client: &Client) -> Outcome {
    let outcome = client.batch(&call(7, r#"["ann","bob"]"#)).await;
    let shown = format!("{outcome:?} {}", outcome.answer().map(ToString::to_string).unwrap_or_default());
    assert!(!shown.contains("usersig=") && !shown.contains("/v4/"), "{shown}");
    outcome
}
