//! What a server may answer, and whether the outcome agrees with what it really did.

use std::borrow::Cow;

use pushplan::outcome::Outcome;
use pushplan::sandbox::{App, Config, Fault, Faults, Sandbox, max_in_sliding_second};

use super::*;

fn start(config: Config) -> Sandbox {
    let app = App { sdk_app_id: SDK_APP_ID, identifier: IDENTIFIER.to_owned(), secret: SECRET.into() };
    Sandbox::start(Config { app: Some(app), ..config }).unwrap()
}

fn faulty(faults: Faults) -> Sandbox {
    start(Config { faults, ..Config::default() })
}

#[tokio::test]
async fn an_accepted_batch_reaches_each_account_once() {
    let sandbox = start(Config::default());
    let client = client(sandbox.endpoint(), PATIENT);
    let Outcome::Accepted { task_id, failed } = send(&client).await else { panic!("not accepted") };
    assert!(task_id.starts_with("batch_"));
    assert!(failed.is_empty());

    let ledger = sandbox.stop();
    let pushes = ledger.pushes_by_batch();
    assert_eq!(pushes.len(), 2);
    assert_eq!(pushes[&(Cow::Borrowed("ann"), 7, "sale/once/1")], 1);
    assert_eq!(pushes[&(Cow::Borrowed("bob"), 7, "sale/once/1")], 1);
    assert_eq!((ledger.carried_out, ledger.recipients), (1, 2));
    assert_eq!(max_in_sliding_second(&ledger.arrivals).recipients, 2);
}

#[tokio::test]
async fn the_clock_is_asked_for_without_a_call() {
    let sandbox = start(Config::default());
    let client = client(sandbox.endpoint(), PATIENT);
    let skew = client.clock_skew().await.expect("the sandbox sends a Date");
    assert!(skew.abs() < PATIENT.try_into().unwrap(), "both clocks are this machine's");
    let ledger = sandbox.stop();
    assert!(ledger.arrivals.is_empty() && ledger.refused.is_empty(), "{ledger:?}");
}

#[tokio::test]
async fn missing_accounts_fail_alone() {
    let missing = ["bob".to_owned(), "zoe".to_owned()].into();
    let sandbox = start(Config { missing, ..Config::default() });
    let client = client(sandbox.endpoint(), PATIENT);
    let Outcome::Accepted { failed, .. } = send(&client).await else { panic!("not accepted") };
    assert_eq!(
        failed.iter().map(|f| (f.account.as_str(), f.answer.code)).collect::<Vec<_>>(),
        [("bob", 70107)]
    );
    let outcome = client.batch(&call(8, r#"["zoe"]"#)).await;
    assert_eq!((outcome.class(), outcome.answer().unwrap().code), ("rejected", 70107));
    assert_eq!(sandbox.stop().pushes(), [("ann".into(), 1)].into());
}

#[tokio::test]
async fn a_wrong_key_stops_the_run() {
    let app = App { sdk_app_id: SDK_APP_ID, identifier: IDENTIFIER.to_owned(), secret: "another".into() };
    let sandbox = Sandbox::start(Config { app: Some(app), ..Config::default() }).unwrap();
    let outcome = send(&client(sandbox.endpoint(), PATIENT)).await;
    assert_eq!((outcome.class(), outcome.answer().unwrap().code), ("stopped", 70009));
    let ledger = sandbox.stop();
    assert_eq!((ledger.carried_out, ledger.refused), (0, [(70009, 1)].into()));
}

#[tokio::test]
async fn a_renewed_usersig_is_good() {
    let sandbox = start(Config::default());
    let client = client(sandbox.endpoint(), PATIENT);
    client.renew();
    assert_eq!(send(&client).await.class(), "accepted");
}

#[tokio::test]
async fn calls_above_the_rate_are_throttled_and_not_carried_out() {
    let sandbox = start(Config { recipients_per_second: Some(1), ..Config::default() });
    assert_eq!(send(&client(sandbox.endpoint(), PATIENT)).await.class(), "throttled");
    let ledger = sandbox.stop();
    assert_eq!((ledger.carried_out, ledger.arrivals.len()), (0, 1));
}

#[tokio::test]
async fn each_fault_has_its_outcome_and_the_sandbox_tells_what_it_did() {
    let none = Faults::default();
    for (faults, fault, class, carried_out) in [
        (Faults { reset_before: 1.0, ..none.clone() }, Fault::ResetBefore, "in_doubt", Some(0)),
        (Faults { reset_after: 1.0, ..none.clone() }, Fault::ResetAfter, "in_doubt", Some(1)),
        (Faults { bad_gateway: 1.0, ..none.clone() }, Fault::BadGateway, "in_doubt", None),
        (Faults { unavailable: 1.0, ..none.clone() }, Fault::Unavailable, "in_doubt", None),
        (Faults { gateway_timeout: 1.0, ..none.clone() }, Fault::GatewayTimeout, "in_doubt", None),
        (Faults { garbage: 1.0, ..none.clone() }, Fault::Garbage, "in_doubt", Some(1)),
        (Faults { truncated: 1.0, ..none.clone() }, Fault::Truncated, "in_doubt", Some(1)),
        (Faults { throttle: 1.0, ..none.clone() }, Fault::Throttle, "throttled", Some(0)),
    ] {
        let sandbox = faulty(faults);
        let outcome = send(&client(sandbox.endpoint(), PATIENT)).await;
        assert_eq!(outcome.class(), class, "{fault:?}: {outcome:?}");
        if let Fault::ResetBefore | Fault::ResetAfter = fault {
            assert!(outcome.answer().unwrap().text.contains("reset"), "not an orderly close: {outcome:?}");
        }
        let ledger = sandbox.stop();
        assert_eq!(ledger.faults, [(fault, 1)].into());
        assert_eq!(ledger.arrivals.len(), 1, "{fault:?}");
        assert!(carried_out.is_none_or(|n| n == ledger.carried_out), "{fault:?}: {}", ledger.carried_out);
    }
}

#[tokio::test]
async fn half_of_the_calls_behind_a_bad_gateway_are_carried_out() {
    let sandbox = faulty(Faults { bad_gateway: 1.0, ..Faults::default() });
    let client = client(sandbox.endpoint(), PATIENT);
    for msg_random in 0..64 {
        assert_eq!(client.batch(&call(msg_random, r#"["ann"]"#)).await.class(), "in_doubt");
    }
    let carried_out = sandbox.stop().carried_out;
    assert!((16..=48).contains(&carried_out), "{carried_out}");
}

#[tokio::test]
async fn a_call_without_an_answer_is_in_doubt_and_a_hanging_one_does_not_keep_the_sandbox() {
    let sandbox = faulty(Faults { hang: 1.0, ..Faults::default() });
    let outcome = send(&client(sandbox.endpoint(), IMPATIENT)).await;
    assert_eq!(outcome.class(), "in_doubt");
    assert!(outcome.answer().unwrap().text.contains("no answer within 300ms"), "{outcome:?}");
    assert_eq!(sandbox.stop().faults, [(Fault::Hang, 1)].into());
}

#[tokio::test]
async fn a_stopped_sandbox_is_not_reached() {
    let sandbox = start(Config::default());
    let client = client(sandbox.endpoint(), PATIENT);
    sandbox.stop();
    let outcome = send(&client).await;
    assert_eq!(outcome.class(), "unreached");
    assert!(outcome.answer().unwrap().text.contains("refused"), "the cause is in the text: {outcome:?}");
}

#[tokio::test]
async fn many_calls_at_once_are_each_carried_out_once() {
    let sandbox = start(Config::default());
    let client = std::sync::Arc::new(client(sandbox.endpoint(), PATIENT));
    let mut calls = tokio::task::JoinSet::new();
    for msg_random in 0..200 {
        let client = std::sync::Arc::clone(&client);
        calls
            .spawn(async move { client.batch(&call(msg_random, &format!(r#"["user{msg_random}"]"#))).await });
    }
    assert!(calls.join_all().await.iter().all(|outcome| outcome.class() == "accepted"));
    let ledger = sandbox.stop();
    assert_eq!(ledger.pushes().len(), 200);
    assert!(ledger.pushes().values().all(|&pushes| pushes == 1));
}
