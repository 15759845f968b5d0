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
        let Some(config) = parse(text.expose_secret()) else { return Err(Error::Malformed { place }) };
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
        let client = told.recv().map_err(|error| unusable(&error))?.map_err(|error| unusable(&error))?;
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

/// Connects, tells what came of it, and drives the connection to its end.
async fn drive<T>(config: &Config, tls: T, tell: &mpsc::SyncSender<Result<Client, tokio_postgres::Error>>)
where
    T: MakeTlsConnect<Socket>,
{
    match config.connect(tls).await {
        // Why a connection has ended is told to whoever asks something of it.
        Ok((client, connection)) => {
            if tell.send(Ok(client)).is_ok() {
                let _ = connection.await;
            }
        }
        Err(error) => _ = tell.send(Err(error)),
    }
}

/// Wakes a thread that waits in [`Session::run`].
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A connection string; `None` where it is none. Why not may quote a part of it, and is not told.
fn parse(dsn: &str) -> Option<Config> {
    // The library does not know the two words; with `require`, too, the certificate is checked.
    let dsn = ["verify-full", "verify-ca"]
        .into_iter()
        .fold(dsn.to_owned(), |dsn, word| dsn.replace(&format!("sslmode={word}"), "sslmode=require"));
    let mut config: Config = dsn.parse().ok()?;
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
    Some(config)
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
}
