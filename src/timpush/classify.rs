//! What an answer means: from an HTTP status and a body to an [`Outcome`]. Pure.
//!
//! One rule decides every doubtful case: a call counts as *not carried out* only where somebody who must know
//! says so. That somebody is the vendor (a readable `FAIL`), or a server on the way whose HTTP status says by
//! definition that the call went no further. All else is in doubt.
//!
//! | HTTP status | Body | Outcome |
//! |---|---|---|
//! | 200 to 299 | `OK` with code 0 | accepted, less the accounts of `ErrorList` |
//! | 200 to 299, 400 to 499 | `FAIL` with a code | the class of the code, see [`refusal`] |
//! | 404, 405, 407 | no `FAIL` | stopped: no such API there, or a proxy that forwards nothing |
//! | 413, 414, 431 | no `FAIL` | rejected: too large for a server on the way |
//! | 429 | no `FAIL` | throttled by a server on the way |
//! | any other | any other | in doubt |
//!
//! 400, 401 and 403 are in doubt on purpose: proxies that scan *answers* send them too, after the call has
//! been forwarded. An `OK` with a code other than 0, a `FAIL` with code 0, and a body that is cut off, empty,
//! too long or no JSON are in doubt as well. The content type decides nothing: the vendor documents none.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;

use crate::outcome::{Answer, FailedAccount, Outcome};
use crate::timpush::answer::{ActionStatus, BatchAnswer, ErrorEntry};

/// What the answer to a batch of `accounts_json` (the JSON text of `To_Account`) means.
///
/// The text of the outcome is the vendor's `ErrorInfo` on one line and at most 300 characters long. A body
/// that is not the vendor's is never quoted, because error pages like to repeat the URL with its UserSig.
///
/// # Panics
/// An `ErrorList` has to be checked, and `accounts_json` is no array of strings; so no such batch was sent.
pub fn classify(status: u16, body: &[u8], accounts_json: &[u8]) -> Outcome {
    let answer = match serde_json::from_slice::<BatchAnswer>(body) {
        Ok(answer) => answer,
        Err(error) => return without_answer(status, &unreadable(body, &error)),
    };
    match (status, answer.action_status, answer.error_code) {
        (200..300, ActionStatus::Ok, 0) => Outcome::Accepted {
            task_id: answer.task_id.into_owned(),
            failed: failed_accounts(answer.error_list.unwrap_or_default(), accounts_json),
        },
        (200..300 | 400..500, ActionStatus::Fail, code) if code != 0 => {
            refusal(code)(Answer::new(code, one_line(&answer.error_info)))
        }
        (_, action_status, code) => without_answer(
            status,
            &format!("its body contradicts it or itself (ActionStatus {action_status:?}, ErrorCode {code})"),
        ),
    }
}

/// The class of a code that came with `FAIL`, for the batch API alone: 90057 is a DataId that is too long
/// here and a rate limit elsewhere (trtc.io documents 67553, 34348, 74196).
///
/// A code that no table names rejects the batch: the vendor said that it failed.
pub fn refusal(code: i64) -> fn(Answer) -> Outcome {
    match code {
        70001 => Outcome::SignatureExpired,
        60007 | 60011 | 60018 | 60019 | 70050 => Outcome::Throttled,
        60004 | 60005 | 60014 => Outcome::TryAgain,
        60008 | 70169 | 70500 | 90992 | 90994 | 90995 | 91000 => Outcome::InDoubt,
        60002
        | 60006
        | 60009
        | 60010
        | 60012
        | 60016
        | 60017
        | 60020
        | 60021
        | 60025..=60028
        | 70003
        | 70009
        | 70013
        | 70014
        | 70016
        | 70020
        | 70051
        | 80005
        | 90009
        | 90045
        | 90047 => Outcome::Stopped,
        _ => Outcome::Rejected,
    }
}

/// May a recipient that failed with this code be taken another time, with nothing changed on our side? True for
/// throttling, passing faults and what a person mends on the vendor's side; 0 stands for a batch that a person
/// said was not sent.
pub fn may_pass_another_time(code: i64) -> bool {
    match refusal(code)(Answer::new(code, "")) {
        Outcome::Throttled(_) | Outcome::TryAgain(_) | Outcome::SignatureExpired(_) | Outcome::Stopped(_) => {
            true
        }
        Outcome::Rejected(_) => code == 0,
        Outcome::Accepted { .. } | Outcome::Unreached(_) | Outcome::InDoubt(_) => false,
    }
}

/// What a person can do about a code, in our words; `None` where the vendor's own text must do.
///
/// It goes by the vendor's tables (trtc.io documents 34348 and 74196).
pub fn hint(code: i64) -> Option<&'static str> {
    Some(match code {
        60002 | 60009 => "the endpoint does not take this URL: check `endpoint` or `region` of the app",
        60006 | 60012 | 60016 => "check `sdk_app_id`, and in the vendor's console that the app is in service",
        60010 | 90009 => "`identifier` must be an administrator of the app: see the vendor's console",
        60020 => "the app's plan has expired: renew it, then apply again a few minutes later",
        60021 => "the vendor does not accept calls from this machine's address: add it in the console",
        60026 => "the app lives in another region: correct `region`",
        70001 => "the UserSig has expired: check this machine's clock if that goes on",
        70003 => "the UserSig could not be read: check that the secret key is copied whole",
        70009 => "the secret key belongs to another app: check that it goes with `sdk_app_id`",
        70013 => "the UserSig is another account's: check `identifier`",
        70014 => "the UserSig is another app's: check `sdk_app_id`",
        70016 | 70020 => "this region does not know the app: check `sdk_app_id` and `region`",
        70050 => "too many calls with a bad UserSig: check the secret key, then wait a minute",
        70051 => "the account is on the vendor's block list: remove it there",
        70107 => "the account was never imported into the app, or its owner never signed in",
        90018 => "the call names too many accounts",
        90045 => "the push service is not enabled for the app: enable it in the console",
        90047 => "the daily quota of pushes is used up: apply again tomorrow, or raise it",
        90057 => "the DataId is longer than 64 bytes: shorten `data_id`",
        91000 => "the vendor had an internal error; it may have sent the batch all the same",
        _ => return None,
    })
}

/// The failed accounts, each once, and only those that the batch named.
fn failed_accounts(errors: Vec<ErrorEntry>, accounts_json: &[u8]) -> Vec<FailedAccount> {
    if errors.is_empty() {
        return Vec::new();
    }
    let mut of_batch = accounts_of(accounts_json);
    let (failed, strangers): (Vec<_>, Vec<_>) =
        errors.into_iter().partition(|entry| of_batch.remove(entry.to_account.as_ref()));
    if !strangers.is_empty() {
        tracing::warn!(
            entries = strangers.len(),
            first_code = strangers[0].error_code,
            "the answer's ErrorList names accounts twice, or accounts that were not in the batch; these are not counted"
        );
    }
    failed
        .into_iter()
        .map(|entry| FailedAccount {
            account: entry.to_account.into_owned(),
            answer: Answer::new(entry.error_code, one_line(&entry.error_info)),
        })
        .collect()
}

fn accounts_of(json: &[u8]) -> HashSet<Cow<'_, str>> {
    #[derive(Deserialize, PartialEq, Eq, Hash)]
    struct Account<'a>(#[serde(borrow)] Cow<'a, str>);

    serde_json::from_slice::<Vec<Account>>(json)
        .expect("the accounts of a batch are a JSON array of strings")
        .into_iter()
        .map(|account| account.0)
        .collect()
}

/// An answer that did not come from the vendor, or not whole.
fn without_answer(status: u16, why: &str) -> Outcome {
    let outcome = match status {
        404 | 405 | 407 => Outcome::Stopped,
        413 | 414 | 431 => Outcome::Rejected,
        429 => Outcome::Throttled,
        _ => Outcome::InDoubt,
    };
    outcome(Answer::local(format!("the answer has HTTP status {status}, and {why}")))
}

fn unreadable(body: &[u8], error: &serde_json::Error) -> String {
    let bytes = body.len();
    match error.classify() {
        _ if body.is_empty() => "its body is empty".to_owned(),
        serde_json::error::Category::Eof => format!("its body is cut off after {bytes} bytes"),
        serde_json::error::Category::Data => {
            format!("its body of {bytes} bytes is JSON, but not the vendor's")
        }
        _ => format!("its body of {bytes} bytes is not JSON"),
    }
}

fn one_line(text: &str) -> String {
    const LONGEST: usize = 300;
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ACCOUNTS: &[u8] = br#"["ann","bob","\u0063y"]"#;

    fn of(status: u16, body: &str) -> Outcome {
        classify(status, body.as_bytes(), ACCOUNTS)
    }

    fn fail(code: i64) -> String {
        json!({ "ActionStatus": "FAIL", "ErrorInfo": "why", "ErrorCode": code, "TaskId": "" }).to_string()
    }

    const OK: &str = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"TaskId":"batch_1"}"#;

    #[test]
    fn every_code_has_the_class_that_the_vendors_tables_call_for() {
        let table: [(&str, &[i64]); 6] = [
            ("signature_expired", &[70001]),
            ("throttled", &[60007, 60011, 60018, 60019, 70050]),
            ("try_again", &[60004, 60005, 60014]),
            ("in_doubt", &[60008, 70169, 70500, 90992, 90994, 90995, 91000]),
            (
                "stopped",
                &[
                    60002, 60006, 60009, 60010, 60012, 60016, 60017, 60020, 60021, 60025, 60026, 60027,
                    60028, 70003, 70009, 70013, 70014, 70016, 70020, 70051, 80005, 90009, 90045, 90047,
                ],
            ),
            (
                "rejected",
                &[
                    60003, 60015, 70402, 80001, 80004, 90001, 90003, 90005, 90008, 90011, 90012, 90018,
                    90028, 90029, 90043, 90048, 90055, 90056, 90057, 93000, 70107, // and unknown ones:
                    1, -1, 123_456,
                ],
            ),
        ];
        for (class, codes) in table {
            for &code in codes {
                let outcome = of(200, &fail(code));
                assert_eq!(outcome.class(), class, "{code}");
                assert_eq!(outcome.answer(), Some(&Answer::new(code, "why")), "{code}");
            }
        }
    }

    #[test]
    fn an_accepted_batch_has_a_task_and_no_failures() {
        assert_eq!(of(200, OK), Outcome::Accepted { task_id: "batch_1".into(), failed: vec![] });
    }

    #[test]
    fn a_partly_failed_batch_names_each_failed_account_of_its_own_once() {
        let body = json!({
            "ActionStatus": "OK", "ErrorInfo": "", "ErrorCode": 0, "TaskId": "batch_1",
            "ErrorList": [
                { "ErrorCode": 70107, "To_Account": "cy" },
                { "ErrorCode": 90048, "ErrorInfo": "gone", "To_Account": "ann" },
                { "ErrorCode": 90048, "To_Account": "ann" },
                { "ErrorCode": 70107, "To_Account": "zoe" },
            ],
        });
        let failed = |account: &str, code, text| FailedAccount {
            account: account.to_owned(),
            answer: Answer::new(code, text),
        };
        assert_eq!(
            of(200, &body.to_string()),
            Outcome::Accepted {
                task_id: "batch_1".into(),
                failed: vec![failed("cy", 70107, ""), failed("ann", 90048, "gone")],
            }
        );
    }

    #[test]
    fn a_server_error_is_in_doubt_whatever_its_body_says() {
        for status in [500, 502, 503, 504, 599] {
            for body in [OK, &fail(90001), "<html>", ""] {
                assert_eq!(of(status, body).class(), "in_doubt", "{status} {body}");
            }
        }
    }

    #[test]
    fn other_statuses_are_believed_only_where_they_must_know() {
        for (status, class) in [
            (302, "in_doubt"),
            (400, "in_doubt"),
            (401, "in_doubt"),
            (403, "in_doubt"),
            (404, "stopped"),
            (405, "stopped"),
            (407, "stopped"),
            (408, "in_doubt"),
            (413, "rejected"),
            (414, "rejected"),
            (429, "throttled"),
            (431, "rejected"),
        ] {
            assert_eq!(of(status, "<html>no</html>").class(), class, "{status}");
        }
        assert_eq!(of(403, &fail(60021)).class(), "stopped", "the vendor's own refusal is believed");
        assert_eq!(of(403, OK).class(), "in_doubt", "an OK under an error status is not");
    }

    #[test]
    fn a_body_that_cannot_be_read_or_contradicts_itself_is_in_doubt() {
        let bodies = [
            String::new(),
            "null".into(),
            "hello".into(),
            OK[..OK.len() - 1].into(),
            OK.replace(r#""OK""#, r#""MAYBE""#),
            OK.replace(r#""ErrorCode":0,"#, ""),
            OK.replace(r#""ErrorCode":0"#, r#""ErrorCode":"0""#),
            OK.replace(r#""ErrorCode":0"#, r#""ErrorCode":70107"#),
            fail(0),
            r#"{"ErrorCode":0}"#.into(),
            r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorList":[{"ErrorCode":1}]}"#.into(),
        ];
        for body in bodies {
            assert_eq!(of(200, &body).class(), "in_doubt", "{body}");
        }
    }

    #[test]
    fn a_foreign_body_is_not_quoted() {
        let outcome = of(502, "GET /v4/timpush/batch?usersig=abcdef failed");
        assert!(!format!("{outcome:?}").contains("abcdef"));
    }

    #[test]
    fn text_is_one_short_line() {
        let body = json!({ "ActionStatus": "FAIL", "ErrorCode": 1, "ErrorInfo": format!("a\n\u{1b}[31m{}", "x".repeat(999)) });
        let outcome = of(200, &body.to_string());
        let text = &outcome.answer().unwrap().text;
        assert_eq!(text.chars().count(), 300);
        assert!(!text.contains(char::is_control));
    }

    #[test]
    fn codes_that_stop_a_run_mostly_come_with_advice() {
        for code in [60020, 60026, 70003, 70009, 70013, 70014, 90009, 90045, 90047, 90057, 70107] {
            assert!(hint(code).is_some(), "{code}");
        }
        assert_eq!(hint(0), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_never_accepted(status in 100u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
            let outcome = classify(status, &body, ACCOUNTS);
            prop_assert_ne!(outcome.class(), "accepted");
        }

        #[test]
        fn a_damaged_answer_is_accepted_only_where_it_still_says_so(at in 0..OK.len(), byte: u8, cut in 0..=OK.len()) {
            let mut body = OK.as_bytes().to_vec();
            body[at] = byte;
            body.truncate(cut);
            if let Outcome::Accepted { failed, .. } = classify(200, &body, ACCOUNTS) {
                let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
                prop_assert_eq!(&json["ActionStatus"], "OK");
                prop_assert_eq!(&json["ErrorCode"], 0);
                prop_assert!(failed.is_empty());
            }
        }
    }
}
