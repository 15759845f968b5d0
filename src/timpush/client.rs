//! The HTTP client of the batch API: one call in, one [`Outcome`] out.
//!
//! It never retries, follows no redirect and waits for no rate: every try has to be recorded before it is
//! made, and only the driver records.
//!
//! # What a failed call says about whether it was carried out
//!
//! | What happened | Outcome |
//! |---|---|
//! | DNS, refused, connecting timed out, TLS handshake, proxy tunnel | unreached: no byte of the call left |
//! | the connection closed before the first byte of the call was written | unreached |
//! | anything after that: reset, closed, timed out, an answer over 1 MiB | in doubt |
//!
//! The second row matters for connections that a server closed while they were idle. The HTTP library tells
//! a request it still holds whole from one it has begun to write. The former it moves to a fresh connection
//! by itself (which is not a second try, for nothing was sent); where that cannot be, it says "canceled",
//! which is read here as unreached. The latter may have been read by the server and is in doubt. Between the
//! two lies a moment in which the server has closed and we do not know it yet. Unused connections are closed
//! after 15 seconds, sooner than servers do, which keeps it rare.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

use crate::outcome::{Answer, Outcome};
use crate::timpush::answer::BATCH_PATH;
use crate::timpush::call::Call;
use crate::timpush::classify::classify;
use crate::timpush::usersig;

/// How long a UserSig holds. It is shared by all calls and renewed early, so it need not hold for long.
const USERSIG_LIFE: Duration = Duration::from_hours(7 * 24);

/// How long an unused connection is kept. Servers commonly close idle connections after a minute; a client
/// that closes first is not surprised.
const IDLE: Duration = Duration::from_secs(15);

/// How long the server's clock is waited for. It is asked before anything is sent.
const CLOCK_PATIENCE: Duration = Duration::from_secs(3);

/// Longest answer that is read. One that names 500 failed accounts stays far below it.
const LONGEST_ANSWER: usize = 1 << 20;

/// What a [`Client`] is made from.
#[derive(Debug, Clone)]
pub struct Config {
    /// `https://host[:port]`, or `http://` with a loopback host.
    pub endpoint: String,
    /// `sdkappid`.
    pub sdk_app_id: u64,
    /// `identifier`: an administrator of the app.
    pub identifier: String,
    /// The app's secret key.
    pub secret: SecretString,
    /// How long one call may take, from connecting to the answer's last byte.
    pub timeout: Duration,
    /// How many calls run at once; as many connections are kept open.
    pub in_flight: usize,
}

/// A client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an origin we may send to.
    #[error("the endpoint {endpoint:?} cannot be used: {reason}")]
    Endpoint {
        /// As configured.
        endpoint: String,
        /// Why, and what to write instead.
        reason: &'static str,
    },
    /// TLS or the proxy settings of the environment.
    #[error("the HTTP client cannot be set up: {0}; check the proxy variables and the system's certificates")]
    Setup(String),
}

/// A client of one app. Shared by reference among all calls of a run.
pub struct Client {
    http: reqwest::Client,
    endpoint: Url,
    config: Config,
    signed: RwLock<Arc<Signed>>,
}

/// A UserSig and the URL that carries it.
struct Signed {
    url: Url,
    usersig: SecretString,
    at: u64,
}

impl Signed {
    fn new(endpoint: &Url, config: &Config, now: u64) -> Self {
        let usersig = usersig::sign(&config.secret, config.sdk_app_id, &config.identifier, now, USERSIG_LIFE);
        let mut url = endpoint.clone();
        url.query_pairs_mut()
            .append_pair("usersig", usersig.expose_secret())
            .append_pair("identifier", &config.identifier)
            .append_pair("sdkappid", &config.sdk_app_id.to_string())
            .append_pair("contenttype", "json");
        Self { url, usersig, at: now }
    }

    /// Renewed when under a third of its life is left, and when the clock went back to before it was signed.
    fn is_stale(&self, now: u64) -> bool {
        !(self.at..self.at + USERSIG_LIFE.as_secs() * 2 / 3).contains(&now)
    }
}

impl Client {
    /// Makes a client. Nothing is sent and no name is resolved yet.
    ///
    /// # Errors
    /// The endpoint is none we may send to, or the HTTP library cannot be set up.
    pub fn new(config: Config) -> Result<Self, Error> {
        let (endpoint, is_loopback) = endpoint(&config.endpoint)?;
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("pushplan/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .timeout(config.timeout)
            // Half of the whole, so that a connection that cannot be made fails as one, not as a slow answer.
            .connect_timeout(config.timeout / 2)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(config.in_flight);
        if is_loopback {
            // A proxy of the environment would be asked for *its* loopback.
            http = http.no_proxy();
        }
        if endpoint.scheme() == "http" {
            // The sandbox is to run where no certificates are installed.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|error| Error::Setup(chain(&error)))?;
        let signed = RwLock::new(Arc::new(Signed::new(&endpoint, &config, unix_now())));
        Ok(Self { http, endpoint, config, signed })
    }

    /// Sends one batch and says what came of it. It never fails otherwise, and never tries twice.
    ///
    /// Dropping the future before it is done leaves the call in doubt.
    pub async fn batch(&self, call: &Call) -> Outcome {
        let signed = self.signed();
        let mut url = signed.url.clone();
        url.query_pairs_mut().append_pair("random", &fastrand::u32(..).to_string());
        let sent = self.http.post(url).body(call.body().clone()).send().await;
        let response = match sent {
            Ok(response) => response,
            Err(error) => return self.unanswered(error),
        };
        let status = response.status().as_u16();
        match read(response).await {
            Ok(Some(body)) => classify(status, &without(body, &signed.usersig), call.accounts_json()),
            Ok(None) => Outcome::InDoubt(Answer::local(format!(
                "the answer with HTTP status {status} is longer than {LONGEST_ANSWER} bytes"
            ))),
            Err(error) => self.unanswered(error),
        }
    }

    /// Signs anew at once, after the vendor called the UserSig expired.
    pub fn renew(&self) {
        self.sign(unix_now());
    }

    /// How far the server's clock is ahead of this machine's, to about a second: of its answer's `Date` to a question
    /// that is no call and carries no UserSig. `None` where it does not answer within three seconds.
    pub async fn clock_skew(&self) -> Option<SignedDuration> {
        let mut url = self.endpoint.clone();
        url.set_path("/");
        let answer = self.http.head(url).timeout(CLOCK_PATIENCE).send().await.ok()?;
        let date = jiff::fmt::rfc2822::parse(answer.headers().get(DATE)?.to_str().ok()?).ok()?;
        Some(date.timestamp().duration_since(Timestamp::now()))
    }

    fn signed(&self) -> Arc<Signed> {
        let signed = Arc::clone(&self.signed.read().unwrap_or_else(PoisonError::into_inner));
        let now = unix_now();
        if signed.is_stale(now) { self.sign(now) } else { signed }
    }

    fn sign(&self, now: u64) -> Arc<Signed> {
        let signed = Arc::new(Signed::new(&self.endpoint, &self.config, now));
        *self.signed.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&signed);
        signed
    }

    fn unanswered(&self, error: reqwest::Error) -> Outcome {
        let error = error.without_url();
        let text = chain(&error);
        if error.is_connect() || was_not_begun(&error) {
            Outcome::Unreached(Answer::local(text))
        } else if error.is_timeout() {
            Outcome::InDoubt(Answer::local(format!("no answer within {:?}: {text}", self.config.timeout)))
        } else {
            Outcome::InDoubt(Answer::local(text))
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The URL of the batch API at an endpoint, and whether that is this machine.
///
/// A UserSig stands in the URL, so it leaves the machine under TLS only.
fn endpoint(text: &str) -> Result<(Url, bool), Error> {
    // What stands before an `@` may be a password.
    let shown = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let refused = |reason| Error::Endpoint { endpoint: shown.to_owned(), reason };
    let mut url = Url::parse(text).map_err(|_| refused("it is not a URL; write https://host"))?;
    let host = url.host_str().ok_or_else(|| refused("it names no host; write https://host"))?;
    let is_loopback = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if is_loopback => {}
        "http" => return Err(refused("http would show the UserSig to the network; write https://host")),
        _ => return Err(refused("only https is spoken; write https://host")),
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(refused("the path is added by pushplan; write https://host alone"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused(
            "it holds a user name or password, which the vendor does not use; leave them out",
        ));
    }
    url.set_path(BATCH_PATH);
    Ok((url, is_loopback))
}

/// The body, or `None` where it is too long.
async fn read(mut response: reqwest::Response) -> Result<Option<Bytes>, reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

/// The body without our UserSig, should the vendor's words repeat it.
fn without(body: Bytes, usersig: &SecretString) -> Bytes {
    let usersig = usersig.expose_secret();
    match std::str::from_utf8(&body) {
        Ok(text) if text.contains(usersig) => text.replace(usersig, "[UserSig]").into(),
        _ => body,
    }
}

/// Was the request given back whole, no byte of it written?
fn was_not_begun(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled))
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// An error with all its causes, for reqwest's own text names none of them.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(error) {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            let _ = write!(text, ": {cause}");
        }
    }
    text
}

fn unix_now() -> u64 {
    // A clock before 1970 gives a UserSig the vendor refuses, with a text that says so.
    Timestamp::now().as_second().try_into().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(endpoint: &str) -> Config {
        Config {
            endpoint: endpoint.to_owned(),
            sdk_app_id: 1_400_000_000,
            identifier: "administrator".to_owned(),
            secret: "do-not-show".into(),
            timeout: Duration::from_secs(5),
            in_flight: 4,
        }
    }

    #[test]
    fn a_usersig_leaves_the_machine_under_tls_only() {
        for endpoint in [
            "https://adminapisgp.im.qcloud.com",
            "http://127.0.0.1:8080",
            "http://[::1]:80/",
            "http://localhost",
        ] {
            Client::new(config(endpoint)).unwrap();
        }
        for (endpoint, reason) in [
            ("http://adminapisgp.im.qcloud.com", "show the UserSig"),
            ("http://127.0.0.1.example.com", "show the UserSig"),
            ("ftp://127.0.0.1", "only https"),
            ("adminapisgp.im.qcloud.com", "not a URL"),
            ("https://a.example/v4", "the path is added"),
            ("https://user:word@a.example", "password"),
        ] {
            let message = Client::new(config(endpoint)).unwrap_err().to_string();
            assert!(message.contains(reason), "{message}");
            assert!(!message.contains("word@"), "{message}");
        }
    }

    #[test]
    fn a_usersig_is_renewed_before_the_last_third_of_its_life() {
        let (url, _) = endpoint("http://127.0.0.1").unwrap();
        let day = 24 * 3600;
        let signed = Signed::new(&url, &config("http://127.0.0.1"), 100 * day);
        assert!(!signed.is_stale(100 * day));
        assert!(!signed.is_stale(104 * day));
        assert!(signed.is_stale(105 * day));
        assert!(
            signed.is_stale(99 * day),
            "the clock went back: the vendor may not believe a UserSig from tomorrow"
        );
    }

    #[test]
    fn debug_shows_neither_secret_nor_usersig() {
        let client = Client::new(config("http://127.0.0.1")).unwrap();
        let shown = format!("{client:?} {:?}", client.config);
        assert!(!shown.contains("do-not-show"));
        assert!(!shown.contains(client.signed().usersig.expose_secret()));
    }
}
