//! Sending, against a real server on loopback: who got what is the server's word, not ours.

use std::collections::BTreeSet;
use std::time::Duration;

use pushplan::sandbox::{Config, Faults, max_in_sliding_second};
use pushplan::timpush::usersig::Claims;

use crate::bench::{Bench, Recipients, kill_9, signal};

fn slow() -> Config {
    let faults = Faults {
        latency_min: Duration::from_millis(20),
        latency_max: Duration::from_millis(60),
        ..Faults::default()
    };
    Config { faults, ..Config::default() }
}

#[test]
fn everybody_gets_one_push_and_a_second_apply_sends_nothing() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    bench.write_campaign(10_000, 7, "");
    let said = bench.apply().code(0);
    let line = "total: 10000 planned = 10000 accepted + 0 failed + 0 in doubt + 0 skipped + 0 remaining";
    assert_eq!(said.stdout.lines().last(), Some(line));

    let ledger = bench.ledger();
    let pushes = ledger.pushes();
    let wanted: BTreeSet<String> = (0..10_000).map(|i| format!("u{i}")).collect();
    assert_eq!(pushes.keys().map(ToString::to_string).collect::<BTreeSet<_>>(), wanted);
    assert!(pushes.values().all(|count| *count == 1));

    bench.apply().code(0);
    assert_eq!(bench.ledger().carried_out, ledger.carried_out);
}

#[test]
fn after_kill_9_the_rest_is_sent_and_what_was_in_flight_is_in_doubt() {
    let bench = Bench::with_sandbox("unlimited", slow());
    bench.write_campaign(30_000, 7, "in_flight: 8");
    kill_9(bench.apply_until(10));
    // The audience is frozen: what happens to the file now is for the next run.
    bench.write("campaigns/audience.csv", "id,city\nsomebody-else,nowhere\n");

    let broken = bench.recipients();
    assert!(broken.balances(), "{broken:?}");
    assert!(broken.in_doubt > 0 && broken.in_doubt <= 8 * 500, "{broken:?}");
    assert!(broken.remaining > 0, "{broken:?}");

    bench.apply().code(5);
    let settled = bench.recipients();
    let Recipients { planned, accepted, in_doubt, .. } = settled;
    assert_eq!((planned, in_doubt), (30_000, broken.in_doubt));
    assert_eq!(accepted + in_doubt, planned);

    // Everybody who is not in doubt got it once; of those in doubt nobody got it twice.
    let ledger = bench.ledger();
    let pushes = ledger.pushes();
    assert!(pushes.values().all(|count| *count == 1));
    assert!(pushes.len() as u64 >= accepted);
    assert!(!pushes.contains_key("somebody-else"));
    let before = ledger.carried_out;
    bench.apply().code(5);
    assert_eq!(bench.ledger().carried_out, before, "a third apply sends nothing");
}

#[test]
fn a_signal_drains_and_the_next_apply_goes_on() {
    let bench = Bench::with_sandbox("unlimited", slow());
    bench.write_campaign(30_000, 1, "in_flight: 4");
    let child = bench.apply_until(5);
    let said = signal(child, "INT").code(4);
    assert!(said.stderr.contains("apply again to go on"), "{}", said.stderr);
    let stopped = bench.recipients();
    assert_eq!(stopped.in_doubt, 0, "what was in flight was waited for");
    assert!(stopped.remaining > 0);
    bench.apply().code(0);
    assert!(bench.ledger().pushes().values().all(|count| *count == 1));
    assert_eq!(bench.recipients().accepted, 30_000);
}

/// How much of a rate of 40 calls a second was used, where the server refused no call and saw no sliding second above
/// it; latency is 1 to 120 ms.
fn rate_used() -> Result<f64, String> {
    let latency = Faults {
        seed: 3,
        latency_min: Duration::from_millis(1),
        latency_max: Duration::from_millis(120),
        ..Faults::default()
    };
    let limited = Config { calls_per_second: Some(40), faults: latency, ..Config::default() };
    let bench = Bench::with_sandbox("40", limited);
    bench.write_campaign(200, 200, "");
    bench.apply().code(0);
    let ledger = bench.ledger();
    assert_eq!(ledger.carried_out, 200);
    let most = max_in_sliding_second(&ledger.arrivals).calls;
    if !ledger.refused.is_empty() || most > 40 {
        return Err(format!("{most} calls in a sliding second, refused {:?}", ledger.refused));
    }
    let seconds = (ledger.arrivals[199].at_us - ledger.arrivals[0].at_us) as f64 / 1e6;
    Ok(199.0 / seconds / 40.0)
}

/// What the executor does is held by its own tests, in virtual time. This one holds the whole process to it, on a
/// machine that may stall for longer than the headroom: then it is tried again.
#[test]
fn the_rate_is_kept_and_used() {
    let mut tries = Vec::new();
    for _ in 0..4 {
        let used = rate_used();
        println!("rate used: {used:?}");
        if used.as_ref().is_ok_and(|used| *used >= 0.97) {
            return;
        }
        tries.push(used);
    }
    panic!("{tries:?}");
}

#[test]
fn missing_accounts_are_listed_with_code_and_text() {
    let missing = ["u3".to_owned(), "u999".to_owned()].into();
    let bench = Bench::with_sandbox("unlimited", Config { missing, ..Config::default() });
    bench.write_campaign(1_000, 2, "");
    bench.apply().code(3);
    assert_eq!(bench.recipients().failed, 2);
    let csv = bench.run(&["failures", "c@once"]).code(0).stdout;
    let accounts: Vec<&str> = csv.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(accounts, ["u3", "u999"]);
    assert!(csv.contains(",70107,"), "{csv}");
    let json = bench.run(&["failures", "c@once", "--format", "json"]).code(0).json();
    assert_eq!(json["failures"][0]["code"], 70107);
    bench.apply().code(0);
}

#[test]
fn a_changed_campaign_with_an_unfinished_run_is_refused_until_somebody_chooses() {
    let bench = Bench::with_sandbox("unlimited", slow());
    bench.write_campaign(20_000, 1, "in_flight: 2");
    signal(bench.apply_until(3), "TERM").code(4);
    let carried_out = bench.ledger().carried_out;
    bench.write_campaign(20_000, 2, "in_flight: 2");
    let file = std::fs::read_to_string(bench.path("campaigns/c.yaml")).unwrap().replace("Hello", "Goodbye");
    bench.write("campaigns/c.yaml", &file);
    let said = bench.apply().code(7);
    for told in ["message.title: Hello → Goodbye", "--as-frozen", "pushplan cancel c@once", "revision"] {
        assert!(said.stderr.contains(told), "{}", said.stderr);
    }
    assert_eq!(bench.ledger().carried_out, carried_out);

    bench.run(&["cancel", "c@once"]).code(0);
    let cancelled = bench.recipients();
    assert!(cancelled.skipped > 0 && cancelled.remaining == 0, "{cancelled:?}");
    bench.write("campaigns/c.yaml", &format!("{file}revision: 2\n"));
    bench.apply().code(0);
    assert_eq!(bench.recipients().accepted, 20_000);
}

#[test]
fn without_a_terminal_nothing_is_sent_unapproved() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    bench.write_campaign(10, 1, "");
    let said = bench.run(&["apply"]).code(64);
    assert!(said.stderr.contains("--auto-approve"), "{}", said.stderr);
    assert_eq!(bench.ledger().arrivals.len(), 0);
    assert_eq!(bench.run(&["status", "--format", "json"]).json()["runs"], serde_json::json!([]));
}

#[test]
fn the_second_runner_is_told_who_the_first_is() {
    let bench = Bench::with_sandbox("unlimited", slow());
    bench.write_campaign(30_000, 1, "in_flight: 2");
    let first = bench.apply_until(2);
    let said = bench.apply().code(8);
    assert!(said.stderr.contains(&format!("process {}", first.id())), "{}", said.stderr);
    signal(first, "INT").code(4);
}

#[test]
fn the_gate_on_the_audience_refuses_with_the_numbers() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    bench.write_campaign(10, 1, "");
    let file = std::fs::read_to_string(bench.path("campaigns/c.yaml")).unwrap();
    bench.write("campaigns/c.yaml", &file.replace("account: id }", "account: id, expect: { min: 11 } }"));
    for command in ["plan", "apply"] {
        let said = bench.run(&[command]).code(6);
        assert!(said.stderr.contains("10 recipients") && said.stderr.contains("11"), "{}", said.stderr);
    }
}

#[test]
fn a_recipient_that_cannot_be_rendered_is_named_before_anything_is_sent() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    bench.write("campaigns/a.jsonl", "{\"id\":\"a\",\"name\":\"Ann\"}\n{\"id\":\"b\",\"name\":null}\n");
    bench.write(
        "campaigns/c.yaml",
        "campaign: c\naudience: { jsonl: a.jsonl, account: id }\nmessage: { body: \"Hi {{name}}\" }\n",
    );
    let said = bench.apply().code(1);
    assert!(said.stderr.contains("a.jsonl:2") && said.stderr.contains("`name`"), "{}", said.stderr);
    assert_eq!(bench.ledger().arrivals.len(), 0);
}

#[test]
fn usersig_prints_one_that_the_apps_key_has_signed() {
    let bench = Bench::with_endpoint("30", "https://127.0.0.1:9");
    let signed = bench.run(&["usersig", "--app", "shop"]).code(0).stdout;
    let claims = Claims::decode(signed.trim()).unwrap();
    assert!(claims.is_signed_with(&crate::bench::KEY.into()));
    let said = bench.run(&["usersig", "--app", "shpo"]).code(64);
    assert!(said.stderr.contains("did you mean 'shop'?"), "{}", said.stderr);
    bench.run(&["usersig", "--expire", "1h"]).code(64);
}

#[test]
fn each_campaign_has_its_own_timeout() {
    let latency = Duration::from_millis(1_500);
    let slow = Faults { latency_min: latency, latency_max: latency, ..Faults::default() };
    let bench = Bench::with_sandbox("unlimited", Config { faults: slow, ..Config::default() });
    for (id, timeout) in [("patient", "10s"), ("quick", "1s")] {
        bench.write(
            &format!("campaigns/{id}.yaml"),
            &format!(
                "campaign: {id}\naudience: {{ accounts: [{id}] }}\nmessage: {{ body: b }}\ndelivery: {{ timeout: {timeout} }}\n"
            ),
        );
    }
    let said = bench.apply().code(5);
    assert!(said.stdout.contains("patient@once: 1 planned = 1 accepted"), "{}", said.stdout);
    assert!(
        said.stdout.contains("quick@once: 1 planned = 0 accepted + 0 failed + 1 in doubt"),
        "{}",
        said.stdout
    );
}
