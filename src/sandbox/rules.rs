//! Which calls the vendor refuses, and with which code (trtc.io documents 67553, 34348, 74196).
//!
//! Everything here looks at one call alone; what depends on the calls before it is in `server`.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::App;
use crate::timpush::answer::{BATCH_PATH, MAX_ACCOUNTS, MAX_DATA_ID_BYTES};
use crate::timpush::usersig::Claims;

/// A refusal: `ErrorCode` and `ErrorInfo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub code: i64,
    pub text: &'static str,
}

fn refuse<T>(code: i64, text: &'static str) -> Result<T, Refusal> {
    Err(Refusal { code, text })
}

/// The query of a call, as far as it is there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Query {
    usersig: String,
    identifier: String,
    sdkappid: String,
    random: String,
    contenttype: String,
}

/// Is this the batch API?
pub(super) fn check_target(is_post: bool, path: &str) -> Result<(), Refusal> {
    match (path == BATCH_PATH, is_post) {
        (true, true) => Ok(()),
        (true, false) => refuse(60002, "the method must be POST"),
        (false, _) => refuse(60009, "there is no such API"),
    }
}

/// Checks who calls.
#[derive(Debug)]
pub(super) struct Doorman {
    app: Option<App>,
    /// The last UserSig whose signature was good: a client uses one for days, and checking it costs as much
    /// as the rest of a call.
    known: Mutex<Option<(String, Claims)>>,
}

impl Doorman {
    pub(super) fn new(app: Option<App>) -> Self {
        Self { app, known: Mutex::new(None) }
    }

    /// Checks a query at `now` (Unix seconds).
    pub(super) fn check(&self, query: &Query, now: u64) -> Result<(), Refusal> {
        if query.contenttype != "json" {
            return refuse(60002, "contenttype must be json");
        }
        if query.random.parse::<u32>().is_err() {
            return refuse(60002, "random must be a 32-bit unsigned integer");
        }
        let Ok(sdk_app_id) = query.sdkappid.parse::<u64>() else {
            return refuse(60012, "sdkappid is missing");
        };
        if query.usersig.is_empty() {
            return refuse(70003, "usersig is missing");
        }
        let Some(app) = &self.app else { return Ok(()) };
        if sdk_app_id != app.sdk_app_id {
            return refuse(70020, "SDKAppID does not exist");
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let claims = match &mut *known {
            Some((usersig, claims)) if *usersig == query.usersig => claims,
            known => {
                let Ok(claims) = Claims::decode(&query.usersig) else {
                    return refuse(70003, "usersig cannot be decoded");
                };
                if !claims.is_signed_with(&app.secret) {
                    return refuse(70009, "usersig verification failed");
                }
                &mut known.insert((query.usersig.clone(), claims)).1
            }
        };
        if claims.has_expired(now) {
            refuse(70001, "usersig expired")
        } else if claims.identifier != query.identifier {
            refuse(70013, "identifier is not the one of usersig")
        } else if claims.sdk_app_id != sdk_app_id {
            refuse(70014, "sdkappid is not the one of usersig")
        } else if query.identifier != app.identifier {
            refuse(60010, "identifier must be an app administrator")
        } else {
            Ok(())
        }
    }
}

/// A well-formed call.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub msg_random: u32,
    pub data_id: Cow<'a, str>,
    pub accounts: Vec<Account<'a>>,
    /// `To_Account` as it came.
    pub accounts_json: &'a str,
}

/// A string that borrows where it holds no escapes.
#[derive(Debug, Deserialize)]
pub(super) struct Account<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// Reads a body, in which each field is its own mistake.
pub(super) fn read(body: &[u8]) -> Result<Batch<'_>, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Body<'a> {
        #[serde(borrow, rename = "From_Account")]
        from_account: Option<&'a RawValue>,
        #[serde(borrow, rename = "To_Account")]
        to_account: Option<&'a RawValue>,
        #[serde(borrow)]
        msg_random: Option<&'a RawValue>,
        #[serde(borrow)]
        offline_push_info: Option<&'a RawValue>,
        #[serde(borrow)]
        data_id: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct OfflinePushInfo<'a> {
        #[serde(borrow, rename = "Ext")]
        ext: Option<Account<'a>>,
    }

    let Ok(body) = serde_json::from_slice::<Body>(body) else {
        return refuse(90001, "the body is no JSON object, or names a field twice");
    };
    if parse::<Account>(body.from_account).is_none_or(|from| from.0.is_empty()) {
        return refuse(90008, "From_Account must be a string");
    }
    let Some(accounts) = parse::<Vec<Account>>(body.to_account) else {
        return refuse(90003, "To_Account must be an array of strings");
    };
    if accounts.is_empty() || accounts.iter().any(|account| account.0.is_empty()) {
        return refuse(90003, "To_Account must name 1 to 500 accounts");
    }
    if accounts.len() > MAX_ACCOUNTS {
        return refuse(90018, "To_Account must name 1 to 500 accounts");
    }
    let Some(msg_random) = parse::<u32>(body.msg_random) else {
        return refuse(90001, "Invalid format of MsgRandom");
    };
    let is_object = body.offline_push_info.is_some_and(|raw| raw.get().starts_with('{'));
    let Some(info) = parse::<OfflinePushInfo>(body.offline_push_info).filter(|_| is_object) else {
        return refuse(90001, "Invalid format of OfflinePushInfo");
    };
    if info.ext.is_some_and(|ext| serde_json::from_str::<serde::de::IgnoredAny>(&ext.0).is_err()) {
        return refuse(90001, "Ext must be JSON text");
    }
    let data_id = match body.data_id {
        None => Cow::Borrowed(""),
        Some(raw) => match parse::<Account>(Some(raw)) {
            None => return refuse(90001, "Invalid format of DataId"),
            Some(data_id) if data_id.0.len() > MAX_DATA_ID_BYTES => {
                return refuse(90057, "DataId is too long");
            }
            Some(data_id) => data_id.0,
        },
    };
    let accounts_json = body.to_account.map_or("[]", RawValue::get);
    Ok(Batch { msg_random, data_id, accounts, accounts_json })
}

fn parse<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use secrecy::{ExposeSecret as _, SecretString};
    use serde_json::{Value, json};

    use super::*;
    use crate::timpush::usersig::sign;

    fn body(change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut body = json!({
            "From_Account": "administrator",
            "To_Account": ["ann", "b\u{f6}b"],
            "MsgRandom": 7,
            "OfflinePushInfo": { "Title": "t", "Ext": "{\"a\":1}" },
            "DataId": "x".repeat(64),
        });
        change(&mut body);
        body.to_string().into_bytes()
    }

    #[test]
    fn a_good_body_is_read() {
        let body = body(|_| ());
        let batch = read(&body).unwrap();
        assert_eq!((batch.msg_random, batch.data_id.len(), batch.accounts.len()), (7, 64, 2));
        assert_eq!(batch.accounts_json, "[\"ann\",\"b\u{f6}b\"]");
    }

    #[test]
    fn every_bad_field_has_its_code() {
        let cases: [(&str, Value, i64); 14] = [
            ("From_Account", json!(null), 90008),
            ("From_Account", json!(5), 90008),
            ("To_Account", json!("ann"), 90003),
            ("To_Account", json!([]), 90003),
            ("To_Account", json!([1]), 90003),
            ("To_Account", json!(vec!["a"; 501]), 90018),
            ("MsgRandom", json!(4_294_967_296u64), 90001),
            ("MsgRandom", json!("7"), 90001),
            ("MsgRandom", json!(-1), 90001),
            ("OfflinePushInfo", json!(null), 90001),
            ("OfflinePushInfo", json!([null]), 90001),
            ("OfflinePushInfo", json!({ "Ext": "{" }), 90001),
            ("DataId", json!(7), 90001),
            ("DataId", json!("\u{e9}".repeat(33)), 90057),
        ];
        for (field, value, code) in cases {
            let body = body(|body| body[field] = value.clone());
            assert_eq!(read(&body).unwrap_err().code, code, "{field} {value}");
        }
        assert_eq!(read(b"{").unwrap_err().code, 90001);
        assert_eq!(read(br#"{"MsgRandom":1,"MsgRandom":2}"#).unwrap_err().code, 90001);
    }

    #[test]
    fn only_a_post_to_the_batch_path_is_a_call() {
        assert_eq!(check_target(true, BATCH_PATH), Ok(()));
        assert_eq!(check_target(false, BATCH_PATH).unwrap_err().code, 60002);
        assert_eq!(check_target(true, "/v4/timpush/push").unwrap_err().code, 60009);
    }

    #[test]
    fn every_wrong_caller_has_its_code() {
        const NOW: u64 = 1_700_000_000;
        let secret = SecretString::from("key");
        let day = Duration::from_secs(86_400);
        let app = App { sdk_app_id: 14, identifier: "admin".to_owned(), secret: secret.clone() };
        let doorman = Doorman::new(Some(app));
        let query = |usersig: &SecretString| Query {
            usersig: usersig.expose_secret().to_owned(),
            identifier: "admin".to_owned(),
            sdkappid: "14".to_owned(),
            random: "1".to_owned(),
            contenttype: "json".to_owned(),
        };
        let good = sign(&secret, 14, "admin", NOW, day);
        let code = |query: Query, now| doorman.check(&query, now).err().map(|refusal| refusal.code);

        assert_eq!(code(query(&good), NOW), None);
        assert_eq!(code(query(&good), NOW + 86_399), None);
        assert_eq!(code(query(&good), NOW + 86_400), Some(70001), "a known UserSig expires all the same");
        assert_eq!(code(query(&"nonsense".into()), NOW), Some(70003));
        assert_eq!(code(query(&"".into()), NOW), Some(70003));
        assert_eq!(code(query(&sign(&"other".into(), 14, "admin", NOW, day)), NOW), Some(70009));
        assert_eq!(code(query(&sign(&secret, 14, "eve", NOW, day)), NOW), Some(70013));
        assert_eq!(code(query(&sign(&secret, 15, "admin", NOW, day)), NOW), Some(70014));
        let eve = Query { identifier: "eve".to_owned(), ..query(&sign(&secret, 14, "eve", NOW, day)) };
        assert_eq!(code(eve, NOW), Some(60010));
        assert_eq!(code(Query { sdkappid: "15".to_owned(), ..query(&good) }, NOW), Some(70020));
        assert_eq!(code(Query { sdkappid: String::new(), ..query(&good) }, NOW), Some(60012));
        assert_eq!(code(Query { random: "x".to_owned(), ..query(&good) }, NOW), Some(60002));
        assert_eq!(code(Query { contenttype: String::new(), ..query(&good) }, NOW), Some(60002));
    }
}
