//! Fetching a secret from where a [`SecretRef`] says it is kept.
//!
//! A secret is never written into a campaign or workspace file, so there is no way here to read one from there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::campaign::SecretRef;

/// A secret could not be had. No message shows a value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The environment variable is not there.
    #[error(
        "the environment variable {0} is not set: export it before the command, or keep the secret in a file"
    )]
    NotSet(String),
    /// systemd passed no credentials.
    #[error(
        "the credential {0} cannot be read, because CREDENTIALS_DIRECTORY is not set: \
         start the command from a systemd unit with LoadCredential={0}:PATH"
    )]
    NoCredentials(String),
    /// A credential's name leads elsewhere.
    #[error("{0:?} is no name of a credential: give the name alone, without a path")]
    CredentialName(String),
    /// The file cannot be read.
    #[error("the secret's file {} cannot be read ({source}): check its path and permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nothing in it.
    #[error("{0} is empty: put the secret into it")]
    Empty(String),
    /// Not text.
    #[error("{0} is not UTF-8 text: put the secret into it and nothing else")]
    NotText(String),
}

/// Fetches a secret. Line ends after it are cut off, because editors and `echo` leave them there.
///
/// # Errors
/// It is not there, cannot be read, is empty or is not text; the message says what to do.
pub fn resolve(secret: &SecretRef) -> Result<SecretString, Error> {
    resolve_in(secret, |name| std::env::var_os(name))
}

fn resolve_in(secret: &SecretRef, env: impl Fn(&str) -> Option<OsString>) -> Result<SecretString, Error> {
    match secret {
        SecretRef::Env(name) => {
            let value = env(name).ok_or_else(|| Error::NotSet(name.clone()))?;
            text(format!("the environment variable {name}"), value.into_encoded_bytes())
        }
        SecretRef::File(path) => read(path),
        SecretRef::Credential(name) => {
            if name.is_empty() || name.contains('/') || name == ".." {
                return Err(Error::CredentialName(name.clone()));
            }
            let folder = env("CREDENTIALS_DIRECTORY").ok_or_else(|| Error::NoCredentials(name.clone()))?;
            read(&PathBuf::from(folder).join(name))
        }
    }
}

fn read(path: &Path) -> Result<SecretString, Error> {
    match std::fs::read(path) {
        Ok(bytes) => text(format!("the secret's file {}", path.display()), bytes),
        Err(source) => Err(Error::Unreadable { path: path.to_owned(), source }),
    }
}

fn text(place: String, bytes: Vec<u8>) -> Result<SecretString, Error> {
    let Ok(text) = String::from_utf8(bytes) else { return Err(Error::NotText(place)) };
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(Error::Empty(place)),
        secret => Ok(secret.into()),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn each_source_gives_its_secret_without_line_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop-key");
        std::fs::write(&path, "s3cret\r\n").unwrap();
        let env = |name: &str| match name {
            "SHOP_KEY" => Some("s3cret".into()),
            "CREDENTIALS_DIRECTORY" => Some(folder.path().into()),
            _ => None,
        };
        for source in [
            SecretRef::Env("SHOP_KEY".into()),
            SecretRef::File(path.clone()),
            SecretRef::Credential("shop-key".into()),
        ] {
            assert_eq!(resolve_in(&source, env).unwrap().expose_secret(), "s3cret", "{source:?}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let nothing = |_: &str| None;
        let message = |secret: SecretRef| resolve_in(&secret, nothing).unwrap_err().to_string();
        assert!(message(SecretRef::Env("SHOP_KEY".into())).contains("SHOP_KEY is not set"));
        assert!(message(SecretRef::File("/nowhere/key".into())).contains("/nowhere/key cannot be read"));
        assert!(message(SecretRef::Credential("key".into())).contains("LoadCredential=key:PATH"));
        assert!(message(SecretRef::Credential("../key".into())).contains("without a path"));
    }

    #[test]
    fn an_unusable_value_is_refused_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(resolve(&SecretRef::File(path.clone())), Err(Error::Empty(_))));
        std::fs::write(&path, b"s3cret\xff").unwrap();
        let error = resolve(&SecretRef::File(path)).unwrap_err();
        assert!(matches!(error, Error::NotText(_)));
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}
