//! UserSig, version 2.0 (TLSSigAPIv2): the ticket that every call carries in its query.
//!
//! Pure: the time is an argument. A UserSig opens the whole app until it expires, so it is a
//! [`SecretString`] from the start, and [`Claims`] hides its signature from `Debug`.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// What a UserSig says, and the signature over it.
#[derive(Serialize, Deserialize)]
pub struct Claims {
    #[serde(rename = "TLS.ver")]
    version: String,
    /// The account that calls.
    #[serde(rename = "TLS.identifier")]
    pub identifier: String,
    /// The app it calls for.
    #[serde(rename = "TLS.sdkappid")]
    pub sdk_app_id: u64,
    /// When it was signed, in Unix seconds.
    #[serde(rename = "TLS.time")]
    pub time: u64,
    /// For how many seconds it holds from then on.
    #[serde(rename = "TLS.expire")]
    pub expire: u64,
    #[serde(rename = "TLS.sig")]
    signature: String,
}

/// A text is no UserSig.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not base64 with `*`, `-` and `_` in the places of `+`, `/` and `=`.
    #[error("the UserSig is not base64 of the vendor's alphabet")]
    Base64,
    /// Not zlib, or longer than any UserSig is.
    #[error("the UserSig does not hold zlib data")]
    Zlib,
    /// Not the JSON object of version 2.0.
    #[error("the UserSig does not hold the JSON of version 2.0")]
    Json,
}

/// Signs a UserSig at `now` (Unix seconds) that holds for `expire` (whole seconds; the vendor wants 24 hours
/// or more).
///
/// The key's UTF-8 bytes are the HMAC key as they are, although they look like hexadecimal digits.
pub fn sign(
    key: &SecretString,
    sdk_app_id: u64,
    identifier: &str,
    now: u64,
    expire: Duration,
) -> SecretString {
    let expire = expire.as_secs();
    let signature = STANDARD.encode(mac(key, sdk_app_id, identifier, now, expire).finalize().into_bytes());
    let claims = Claims {
        version: "2.0".to_owned(),
        identifier: identifier.to_owned(),
        sdk_app_id,
        time: now,
        expire,
        signature,
    };
    let mut zlib = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    serde_json::to_writer(&mut zlib, &claims).expect("strings and integers always serialise");
    zlib.flush().expect("a Vec takes every write");
    let zlib = zlib.finish().expect("a Vec takes every write");
    let text: String = STANDARD
        .encode(zlib)
        .chars()
        .map(|c| match c {
            '+' => '*',
            '/' => '-',
            '=' => '_',
            other => other,
        })
        .collect();
    text.into()
}

impl Claims {
    /// Reads what a UserSig says, without believing it: see [`Claims::is_signed_with`].
    ///
    /// # Errors
    /// The text is no UserSig of version 2.0.
    pub fn decode(text: &str) -> Result<Self, Malformed> {
        const LONGEST: u64 = 4096;
        let base64: String = text
            .chars()
            .map(|c| match c {
                '*' => '+',
                '-' => '/',
                '_' => '=',
                other => other,
            })
            .collect();
        let zlib = STANDARD.decode(base64).map_err(|_| Malformed::Base64)?;
        let mut json = Vec::new();
        ZlibDecoder::new(zlib.as_slice())
            .take(LONGEST)
            .read_to_end(&mut json)
            .map_err(|_| Malformed::Zlib)?;
        let claims: Self = serde_json::from_slice(&json).map_err(|_| Malformed::Json)?;
        if claims.version == "2.0" { Ok(claims) } else { Err(Malformed::Json) }
    }

    /// Was it signed with this key?
    pub fn is_signed_with(&self, key: &SecretString) -> bool {
        STANDARD.decode(&self.signature).is_ok_and(|signature| {
            mac(key, self.sdk_app_id, &self.identifier, self.time, self.expire)
                .verify_slice(&signature)
                .is_ok()
        })
    }

    /// Is it past its time at `now` (Unix seconds)?
    pub fn has_expired(&self, now: u64) -> bool {
        now >= self.time.saturating_add(self.expire)
    }
}

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claims")
            .field("identifier", &self.identifier)
            .field("sdk_app_id", &self.sdk_app_id)
            .field("time", &self.time)
            .field("expire", &self.expire)
            .finish_non_exhaustive()
    }
}

fn mac(key: &SecretString, sdk_app_id: u64, identifier: &str, time: u64, expire: u64) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(
        format!(
            "TLS.identifier:{identifier}\nTLS.sdkappid:{sdk_app_id}\nTLS.time:{time}\nTLS.expire:{expire}\n"
        )
        .as_bytes(),
    );
    mac
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A key the vendor publishes in its samples.
    const SAMPLE_KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

    fn json_of(usersig: &SecretString) -> serde_json::Value {
        serde_json::to_value(Claims::decode(usersig.expose_secret()).unwrap()).unwrap()
    }

    #[test]
    fn it_signs_what_the_vendors_own_packages_sign() {
        // Decoded JSON is compared: two zlib encoders may differ in their bytes and both be right.
        let usersig = sign(
            &SAMPLE_KEY.into(),
            1_400_000_000,
            "administrator",
            1_700_000_000,
            Duration::from_secs(604_800),
        );
        assert_eq!(
            json_of(&usersig),
            serde_json::json!({
                "TLS.ver": "2.0",
                "TLS.identifier": "administrator",
                "TLS.sdkappid": 1_400_000_000,
                "TLS.time": 1_700_000_000,
                "TLS.expire": 604_800,
                "TLS.sig": "k15OUkRWhajQMFUVpK03o9AYZL1+QR4YCsLYQolWR7M=",
            })
        );
        let key = "0123456789abcdef".repeat(4).into();
        let usersig = sign(&key, 20_000_001, "admin", 1_735_689_600, Duration::from_secs(15_552_000));
        assert_eq!(json_of(&usersig)["TLS.sig"], "sMKaGCsjf0yBO250lrGCjYrkXsNqyofP9P/NgOxGKmY=");
    }

    #[test]
    fn it_holds_until_its_time_is_over() {
        let claims = Claims::decode(
            sign(&SAMPLE_KEY.into(), 1, "admin", 1000, Duration::from_secs(50)).expose_secret(),
        )
        .unwrap();
        assert!(!claims.has_expired(1049));
        assert!(claims.has_expired(1050));
    }

    #[test]
    fn debug_hides_the_signature() {
        let usersig = sign(&SAMPLE_KEY.into(), 1, "admin", 1000, Duration::from_secs(50));
        let claims = Claims::decode(usersig.expose_secret()).unwrap();
        assert!(!format!("{claims:?} {usersig:?}").contains(&claims.signature));
    }

    proptest! {
        #[test]
        fn only_the_signing_key_is_believed(identifier in "[a-z0-9_]{1,32}", app: u64, time in 0..1u64 << 40) {
            let usersig = sign(&SAMPLE_KEY.into(), app, &identifier, time, Duration::from_secs(86_400));
            let mut claims = Claims::decode(usersig.expose_secret()).unwrap();
            prop_assert!(claims.is_signed_with(&SAMPLE_KEY.into()));
            prop_assert!(!claims.is_signed_with(&"another".into()));
            claims.time += 1;
            prop_assert!(!claims.is_signed_with(&SAMPLE_KEY.into()));
        }

        #[test]
        fn it_fits_into_a_query_unescaped(identifier in "\\PC{1,32}") {
            let usersig = sign(&SAMPLE_KEY.into(), 1, &identifier, 0, Duration::from_secs(86_400));
            prop_assert!(usersig.expose_secret().chars().all(|c| c.is_ascii_alphanumeric() || "*-_".contains(c)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
            prop_assert!(Claims::decode(&text).is_err());
        }
    }
}
