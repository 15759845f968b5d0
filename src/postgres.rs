//! A connection to a PostgreSQL server: from where its connection string is kept to a client that can be asked.
//!
//! No message shows the connection string: not where it cannot be read, and not where a server repeats its
//! password. What is asked of the server is left to who connects.

use std::error::Error as StdError;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake};
use std::thread::Thread;
use std::time::Duration;

use rustls_platform_verifier::BuilderVerifierExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Builder;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::campaign::SecretRef;
use crate::secret;

/// Where the connection string names none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A server that says nothing is asked whether it is still there after this, and so often at this distance: whoever
/// waits for an answer learns within half a minute that none will come.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(10), Duration::from_secs(5), 4);

/// A server that is no longer reached is noticed after this, where the connection string says nothing else; the
/// system's own default is a quarter of an hour.
const SILENCE: Duration = Duration::from_secs(30);

/// No connection could be had. No message shows the connection string.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection string cannot be had.
    #[error(transparent)]
    Secret(#[from] secret::Error),
    /// It is none.
    #[error("{place} holds no connection string: it must look like postgresql://user:password@host/database")]
    Malformed {
        /// Where it is kept.
        place: String,
    },
    /// It says something that is not understood here.
    #[error("the connection string of {place} has {what}{}", advice(.what))]
    Unsupported {
        /// Where it is kept.
        place: String,
        /// The parameter, without its value.
        what: String,
    },
    /// The server cannot be reached, or refuses.
    #[error("cannot connect to the database of {place}: {reason}")]
    Connect {
        /// Where the connection string is kept.
        place: String,
        /// The server's words, or the system's.
        reason: String,
    },
}

/// A connection, which a thread of its own drives: so that it can be asked from anywhere, also where another runtime
/// drives who asks. What is not read yet waits at the server.
pub struct Session {
    /// The client. The connection ends with it.
    pub client: Client,
    /// A server may repeat it in a message.
    password: Option<SecretString>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Connects, encrypted unless the connection string says `sslmode=disable` or names a socket of this machine.
    ///
    /// # Errors
    /// The connection string cannot be had or is none, or the server cannot be reached or refuses.
    pub fn connect(dsn: &SecretRef) -> Result<Self, Error> {
        let text = secret::resolve(dsn)?;
        let place = dsn.to_string();
        let config = parse(text.expose_secret()).map_err(|error| match misunderstood(&error) {
            Some(what) => Error::Unsupported { place: place.clone(), what },
            None => Error::Malformed { place: place.clone() },
        })?;
        let password =
            config.get_password().map(|password| String::from_utf8_lossy(password).into_owned().into());
        let unusable = |error: &dyn StdError| Error::Connect {
            place: place.clone(),
            reason: words(error, password.as_ref()),
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| unusable(&error))?;
        let tls = tls().map_err(|error| unusable(&error))?;
        let (tell, told) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            if config.get_ssl_mode() == SslMode::Disable {
                runtime.block_on(drive(&config, NoTls, &tell));
            } else {
                runtime.block_on(drive(&config, tls, &tell));
            }
        });
        let client = told.recv().map_err(|error| unusable(&error))?.map_err(|error| match error {
            Some(error) => unusable(&error),
            None => Error::Connect { place: place.clone(), reason: SILENT.to_owned() },
        })?;
        Ok(Self { client, password })
    }

    /// Waits until the work is done.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let waker = Arc::new(Unpark(std::thread::current())).into();
        let mut work = pin!(work);
        loop {
            if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                return done;
            }
            std::thread::park();
        }
    }

    /// A failure in the server's words, without the password.
    pub fn words(&self, error: &tokio_postgres::Error) -> String {
        // What the server says is worth more than that it said something.
        match error.as_db_error() {
            Some(error) => words(error, self.password.as_ref()),
            None => words(error, self.password.as_ref()),
        }
    }
}

/// Why there is no client; `None` where the server was silent.
type Connected = Result<Client, Option<tokio_postgres::Error>>;

/// Connects, tells what came of it, and drives the connection to its end.
async fn drive<T>(config: &Config, tls: T, tell: &mpsc::SyncSender<Connected>)
where
    T: MakeTlsConnect<Socket>,
{
    match tokio::time::timeout(patience(config), config.connect(tls)).await {
        // Why a connection has ended is told to whoever asks something of it.
        Ok(Ok((client, connection))) => {
            if tell.send(Ok(client)).is_ok() {
                let _ = connection.await;
            }
        }
        Ok(Err(error)) => _ = tell.send(Err(Some(error))),
        Err(_) => _ = tell.send(Err(None)),
    }
}

/// How long all of connecting may take, the handshakes too: the library itself bounds only that a host takes the
/// connection.
fn patience(config: &Config) -> Duration {
    let of_a_host = config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
    let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(u32::MAX);
    of_a_host.saturating_mul(hosts.max(1))
}

/// What a server that was not heard of in time may be.
const SILENT: &str = "no answer in time\nCheck that host and port are a PostgreSQL server's, that it is not overloaded, \
                      and that no firewall swallows what it answers.";

/// Wakes a thread that waits in [`Session::run`].
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A connection string. Why it is none may quote a part of it, and is not told; but see [`misunderstood`].
fn parse(dsn: &str) -> Result<Config, tokio_postgres::Error> {
    // The library does not know the two words; with `require`, too, the certificate is checked.
    let dsn = ["verify-full", "verify-ca"]
        .into_iter()
        .fold(dsn.to_owned(), |dsn, word| dsn.replace(&format!("sslmode={word}"), "sslmode=require"));
    let mut config: Config = dsn.parse()?;
    // What is encrypted only where the server offers it is encrypted only where nobody on the way objects.
    let is_remote = config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)));
    if config.get_ssl_mode() == SslMode::Prefer && is_remote {
        config.ssl_mode(SslMode::Require);
    }
    if config.get_application_name().is_none() {
        config.application_name("pushplan");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE);
    }
    if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
        config.keepalives_idle(KEEPALIVE.0);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(KEEPALIVE.1);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(KEEPALIVE.2);
    }
    Ok(config)
}

/// What PostgreSQL's own programs understand, and our client does not.
const UNSUPPORTED: [&str; 24] = [
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslcrl",
    "sslcrldir",
    "sslsni",
    "sslcompression",
    "sslcertmode",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "gssencmode",
    "gsslib",
    "gssdelegation",
    "krbsrvname",
    "passfile",
    "service",
    "servicefile",
    "requirepeer",
    "requiressl",
    "require_auth",
    "client_encoding",
    "fallback_application_name",
    "replication",
];

/// What it is of a connection string that is not understood, where that may be said: a name that is nobody's may be the
/// part of a password that follows an unescaped `@` or space.
fn misunderstood(error: &tokio_postgres::Error) -> Option<String> {
    let why = error.source()?.to_string();
    let named = |before: &str| Some(why.strip_prefix(before)?.strip_suffix('`')?.to_owned());
    if let Some(name) = named("invalid value for option `") {
        return Some(format!("a value for `{name}` that is not known here"));
    }
    match named("unknown option `")? {
        name if UNSUPPORTED.contains(&name.as_str()) => {
            Some(format!("the parameter `{name}`, which is not known here"))
        }
        _ => Some("a parameter that PostgreSQL does not know".to_owned()),
    }
}

/// What to do about a parameter that is not understood.
fn advice(what: &str) -> &'static str {
    if what.contains("`ssl") && !what.contains("`sslmode") {
        "\nTake it out; let SSL_CERT_FILE name the certificate of an authority of your own."
    } else {
        "\nTake it out, or mend it; a `@` or `?` of a password must be escaped, as %40 or %3F."
    }
}

fn tls() -> Result<MakeRustlsConnect, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// An error with its causes, without the password.
fn words(error: &dyn StdError, password: Option<&SecretString>) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    if text.contains("certificate") {
        text += "; let SSL_CERT_FILE name the certificate of who signed it, or say sslmode=disable to connect \
                 without encryption";
    }
    if text.contains("does not support TLS") {
        text += "; say sslmode=disable to connect without encryption";
    }
    match password.map(ExposeSecret::expose_secret) {
        Some(password) if !password.is_empty() => text.replace(password, "…"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_shows_the_connection_string() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dsn");
        let closed = "postgres://me:hush@127.0.0.1:1/hush?connect_timeout=1";
        for dsn in
            ["password=hush hush", "postgres://me:hush@", "hush", "postgres://me:hush@db?hush=1", closed]
        {
            std::fs::write(&path, dsn).unwrap();
            let error = Session::connect(&SecretRef::File(path.clone())).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        }
    }

    #[test]
    fn a_password_that_a_server_repeats_is_taken_out() {
        let error = std::io::Error::other("password \"hush\" refused");
        assert_eq!(words(&error, Some(&"hush".into())), "password \"…\" refused");
    }

    #[test]
    fn only_a_clear_word_leaves_a_connection_over_the_network_unencrypted() {
        let mode = |dsn: &str| parse(dsn).unwrap().get_ssl_mode();
        for word in ["", "?sslmode=verify-full", "?sslmode=verify-ca", "?sslmode=require", "?sslmode=prefer"]
        {
            assert_eq!(mode(&format!("postgres://db/shop{word}")), SslMode::Require, "{word}");
        }
        assert_eq!(mode("postgres://db/shop?sslmode=disable"), SslMode::Disable);
        assert_eq!(mode("host=/run/postgresql dbname=shop"), SslMode::Prefer, "a socket has no encryption");
    }

    /// What is said of a connection string.
    fn refused(dsn: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dsn");
        std::fs::write(&path, dsn).unwrap();
        Session::connect(&SecretRef::File(path)).unwrap_err().to_string()
    }

    #[test]
    fn a_parameter_that_is_not_understood_is_named_without_its_value() {
        for (dsn, named) in [
            ("postgres://me:hush@db/shop?sslrootcert=/hush.pem", "`sslrootcert`"),
            ("host=db password=hush passfile=hush", "`passfile`"),
            ("postgres://me:hush@db/shop?sslmode=hush", "`sslmode`"),
            // The end of a password, perhaps.
            ("postgres://me:pass@word?hush=1@db/shop", "a parameter that PostgreSQL does not know"),
            ("host=db password=pass hush=1", "a parameter that PostgreSQL does not know"),
        ] {
            let said = refused(dsn);
            assert!(said.contains(named) && !said.contains("hush"), "{said}");
        }
        assert!(refused("postgres://db?sslrootcert=x").contains("SSL_CERT_FILE"));
    }

    #[test]
    fn a_server_that_takes_the_connection_and_says_nothing_is_not_waited_for() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        for mode in ["disable", "require"] {
            let said =
                refused(&format!("postgres://me@127.0.0.1:{port}/shop?connect_timeout=1&sslmode={mode}"));
            assert!(said.contains("no answer in time\nCheck that"), "{said}");
        }
    }

    #[test]
    fn whoever_waits_for_an_answer_learns_that_the_server_is_gone() {
        let config = parse("postgres://db/shop").unwrap();
        assert!(config.get_keepalives());
        assert_eq!(config.get_keepalives_idle(), KEEPALIVE.0);
        assert_eq!(config.get_keepalives_interval(), Some(KEEPALIVE.1));
        assert_eq!(config.get_keepalives_retries(), Some(KEEPALIVE.2));
        let own = parse("postgres://db/shop?keepalives_idle=99&keepalives_retries=2").unwrap();
        assert_eq!((own.get_keepalives_idle().as_secs(), own.get_keepalives_retries()), (99, Some(2)));
    }
}
