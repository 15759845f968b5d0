//! A connection to PostgreSQL within its read-only transaction: how it is made, and how its failures are told
//! without the connection string.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use rustls_platform_verifier::BuilderVerifierExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::config::SslMode;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Error;
use crate::campaign::{Postgres, SecretRef};
use crate::secret;

/// Where the connection string names none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The transaction ends with the connection. What it sets makes a result depend on the data alone: not on the
/// server's settings, and not on other scans of the same table, which a sequential scan would join midway.
const BEGIN: &str = "BEGIN READ ONLY; SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'iso_8601'; \
                     SET LOCAL TimeZone = 'UTC'; SET LOCAL synchronize_seqscans = off";

pub(super) struct Session {
    /// Drives the connection, and only while something is asked of it: a reader that waits lets the server wait.
    pub(super) runtime: Runtime,
    pub(super) client: Client,
    /// A server may repeat it in a message.
    password: Option<SecretString>,
}

impl Session {
    /// Connects, encrypted where the connection string asks for it, and begins the transaction.
    pub(super) fn open(source: &Postgres) -> Result<Self, Error> {
        let dsn = secret::resolve(&source.dsn).map_err(Error::Secret)?;
        let place = place(&source.dsn);
        let config = parse(dsn.expose_secret()).ok_or_else(|| Error::Database {
            reason: format!(
                "{place} holds no connection string: it must look like postgresql://user:password@host/database"
            ),
        })?;
        let password =
            config.get_password().map(|password| String::from_utf8_lossy(password).into_owned().into());
        let unusable = |error: &dyn StdError| Error::Database {
            reason: format!("cannot connect to the database of {place}: {}", words(error, password.as_ref())),
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| unusable(&error))?;
        let client = runtime.block_on(async {
            if config.get_ssl_mode() == SslMode::Disable {
                let (client, connection) = config.connect(NoTls).await.map_err(|error| unusable(&error))?;
                tokio::spawn(connection);
                return Ok(client);
            }
            let tls = tls().map_err(|error| unusable(&error))?;
            let (client, connection) = config.connect(tls).await.map_err(|error| unusable(&error))?;
            tokio::spawn(connection);
            Ok(client)
        })?;
        let session = Self { runtime, client, password };
        session.run(session.client.batch_execute(BEGIN))?;
        Ok(session)
    }

    /// Names and types of a query's columns. Only what the server takes for one statement of its own gets past
    /// here, so that no text can break out of the `COPY (…)` that it is put into.
    pub(super) fn prepare(&self, query: &str) -> Result<Vec<(String, Type)>, Error> {
        let refused = |reason: &str| Err(Error::Database { reason: format!("the query {reason}") });
        let statement = self.run(self.client.prepare(query))?;
        if !statement.params().is_empty() {
            return refused("has parameters ($1), and there is nothing to put in their place");
        }
        let columns: Vec<(String, Type)> = statement
            .columns()
            .iter()
            .map(|column| (column.name().to_owned(), column.type_().clone()))
            .collect();
        if columns.is_empty() {
            return refused("returns no rows");
        }
        for (index, (name, _)) in columns.iter().enumerate() {
            if columns[..index].iter().any(|(earlier, _)| earlier == name) {
                return refused(&format!("has the column `{name}` twice: name one of them with `as`"));
            }
        }
        Ok(columns)
    }

    pub(super) fn run<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Error> {
        self.runtime.block_on(work).map_err(|error| self.failed(&error))
    }

    /// A failure of the query, as against one of the connection.
    pub(super) fn failed(&self, error: &tokio_postgres::Error) -> Error {
        // What the server says is worth more than that it said something.
        let error: &dyn StdError = match error.as_db_error() {
            Some(error) => error,
            None => error,
        };
        let reason = words(error, self.password.as_ref());
        Error::Database { reason: format!("the query failed: {reason}") }
    }
}

/// A connection string; `None` where it is none. Why not may quote a part of it, and is not told.
fn parse(dsn: &str) -> Option<Config> {
    // The library does not know the two words; with `require`, too, the certificate is checked.
    let dsn = ["verify-full", "verify-ca"]
        .into_iter()
        .fold(dsn.to_owned(), |dsn, word| dsn.replace(&format!("sslmode={word}"), "sslmode=require"));
    let mut config: Config = dsn.parse().ok()?;
    if config.get_application_name().is_none() {
        config.application_name("pushplan");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
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

/// Where a connection string is kept, which may be said, as against what it is.
fn place(dsn: &SecretRef) -> String {
    match dsn {
        SecretRef::Env(name) => format!("the environment variable {name}"),
        SecretRef::File(path) => format!("the file {}", path.display()),
        SecretRef::Credential(name) => format!("the credential {name}"),
    }
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
            let source = Postgres { query: "select 1".to_owned(), dsn: SecretRef::File(path.clone()) };
            let error = Session::open(&source).err().unwrap();
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
    fn a_strict_sslmode_is_understood() {
        for mode in ["verify-full", "verify-ca", "require"] {
            let config = parse(&format!("postgres://db/shop?sslmode={mode}")).unwrap();
            assert_eq!(config.get_ssl_mode(), SslMode::Require, "{mode}");
        }
    }
}
