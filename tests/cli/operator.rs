//! What the operator at 3 a.m. has: pause, resume, cancel, resolve, retry, replan, and the run's timeline.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pushplan::sandbox::{Config, Faults};

use crate::bench::{Bench, Recipients, kill_9};

fn slow() -> Config {
    let latency = Duration::from_millis(30);
    Config {
        faults: Faults { latency_min: latency, latency_max: latency, ..Faults::default() },
        ..Config::default()
    }
}

/// Everybody of the campaign got one push, and nobody else any.
fn assert_one_push_each(bench: &Bench, accounts: usize) {
    let ledger = bench.ledger();
    let pushes = ledger.pushes();
    let expected: HashMap<_, _> = (0..accounts).map(|i| (format!("u{i}").into(), 1)).collect();
    assert_eq!(pushes, expected);
}

#[test]
fn pause_stops_a_runner_within_a_second_and_resume_lets_it_go_on() {
    let bench = Bench::with_sandbox("unlimited", slow());
    bench.write_campaign(40_000, 1, "in_flight: 1");
    let mut runner = bench.apply_until(3);
    bench.run(&["pause", "c@once", "--reason", "wrong link"]).code(0);
    let asked = Instant::now();
    while runner.try_wait().unwrap().is_none() {
        assert!(asked.elapsed() < Duration::from_secs(1), "it did not stop within a second");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(runner.wait().unwrap().code(), Some(4));
    let sent = bench.ledger().carried_out;

    let said = bench.apply().code(4);
    assert!(said.stdout.contains("pushplan resume c@once"), "{}", said.stdout);
    assert_eq!(bench.ledger().carried_out, sent, "a paused run is left alone");
    assert_eq!(bench.run(&["status", "--format", "json"]).json()["runs"][0]["status"], "paused");

    bench.run(&["resume", "c@once"]).code(0);
    bench.apply().code(0);
    assert_one_push_each(&bench, 40_000);
    let timeline = bench.run(&["status", "c@once"]).code(0).stdout;
    let at = |what: &str| timeline.find(what).unwrap_or_else(|| panic!("no '{what}' in {timeline}"));
    let order = ["frozen", "taken up", "paused", "resumed", "ended"].map(at);
    assert!(order.is_sorted(), "{timeline}");
    assert!(timeline.contains("wrong link"));
}

#[test]
fn cancel_stops_a_runner_and_what_remains_is_never_sent() {
    let bench = Bench::with_sandbox("unlimited", slow());
    bench.write_campaign(40_000, 1, "in_flight: 1");
    let mut runner = bench.apply_until(3);
    bench.run(&["cancel", "c@once"]).code(0);
    assert_eq!(runner.wait().unwrap().code(), Some(0), "nothing is left to resume");
    let Recipients { accepted, skipped, remaining, .. } = bench.recipients();
    assert_eq!((accepted + skipped, remaining), (40_000, 0));
    assert_eq!(bench.ledger().recipients, accepted);
    bench.apply().code(0);
    assert_eq!(bench.ledger().recipients, accepted);
    let said = bench.run(&["resume", "c@once"]).code(1);
    assert!(said.stderr.contains("cancelled"), "{}", said.stderr);
}

#[test]
fn a_run_that_was_cancelled_is_not_brought_back_by_pause_and_resume() {
    let bench = Bench::with_sandbox("unlimited", slow());
    bench.write_campaign(20_000, 1, "in_flight: 1");
    kill_9(bench.apply_until(2));
    bench.run(&["cancel", "c@once"]).code(0);
    let sent = bench.ledger().carried_out;
    let said = bench.run(&["pause", "c@once"]).code(1);
    assert!(said.stderr.contains("nothing remains"), "{}", said.stderr);
    bench.run(&["resume", "c@once"]).code(1);
    bench.run(&["resolve", "c@once", "--resend"]).code(1);
    bench.apply();
    assert_eq!(bench.ledger().carried_out, sent);
}

/// Another campaign's audience is a program that says the word, once it was decided to go on with the run.
#[test]
fn a_run_that_is_paused_while_apply_plans_is_not_begun() {
    let bench = Bench::with_sandbox("unlimited", slow());
    bench.write_campaign(20_000, 1, "in_flight: 1");
    kill_9(bench.apply_until(2));
    let sent = bench.ledger().recipients;
    let pause = format!("{} pause c@once >&2; echo id; echo x", env!("CARGO_BIN_EXE_pushplan"));
    bench.write(
        "campaigns/d.yaml",
        &format!(
            "campaign: d\naudience: {{ command: [sh, -c, \"{pause}\"], format: csv, account: id }}\n\
             message: {{ body: b }}\n"
        ),
    );
    let said = bench.run(&["apply", "--auto-approve", "--allow-commands"]).code(4);
    assert!(said.stderr.contains("c@once: stopped by a person"), "{}", said.stderr);
    assert_eq!(bench.ledger().recipients, sent + 1, "{}", said.stdout);
}

#[test]
fn a_run_that_is_fully_sent_is_not_called_cancelled() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    bench.write_campaign(1_000, 1, "");
    bench.apply().code(0);
    let said = bench.run(&["cancel", "c@once"]).code(1);
    assert!(said.stderr.contains("nothing remains to be sent (finished)"), "{}", said.stderr);
    assert_eq!(bench.run(&["status", "--format", "json"]).json()["runs"][0]["status"], "finished");
}

/// Three kills, each with batches in flight, leave some in doubt.
fn in_doubt() -> (Bench, u64) {
    let bench = Bench::with_sandbox("unlimited", slow());
    bench.write_campaign(20_000, 1, "in_flight: 4");
    kill_9(bench.apply_until(6));
    bench.apply().code(5);
    let in_doubt = bench.recipients().in_doubt;
    assert!(in_doubt >= 500);
    (bench, in_doubt)
}

#[test]
fn resolve_takes_a_persons_word_and_writes_it_down() {
    let (bench, in_doubt) = in_doubt();
    let status = bench.run(&["status", "c@once"]).code(0).stdout;
    let batch = status.lines().find_map(|line| line.trim().strip_prefix("batch ")).unwrap();
    let batch = batch.split(',').next().unwrap().to_owned();

    bench.run(&["resolve", "c@once"]).code(64);
    let said = bench.run(&["resolve", "c@once", "--batch", "1,99", "--assume-sent"]).code(64);
    assert!(said.stderr.contains("not in doubt"), "{}", said.stderr);

    bench
        .run(&["resolve", "c@once", "--batch", &batch, "--assume-sent", "--reason", "seen in the console"])
        .code(0);
    assert_eq!(bench.recipients().in_doubt, in_doubt - 500);
    let timeline = bench.run(&["status", "c@once"]).stdout;
    assert!(timeline.contains("assumed sent") && timeline.contains("seen in the console"), "{timeline}");

    if in_doubt > 500 {
        bench.run(&["resolve", "c@once", "--assume-not-sent"]).code(0);
    }
    let settled = bench.recipients();
    assert_eq!((settled.in_doubt, settled.failed), (0, in_doubt - 500));
    bench.run(&["state", "verify"]).code(0);
}

#[test]
fn resend_sends_what_was_in_doubt_once_more_and_nothing_else() {
    let (bench, in_doubt) = in_doubt();
    let before = bench.ledger().recipients;
    bench.run(&["resolve", "c@once", "--resend"]).code(0);
    assert_eq!(bench.recipients().remaining, in_doubt);
    bench.apply().code(0);
    assert_eq!(bench.ledger().recipients, before + in_doubt);
    assert_eq!(bench.recipients().accepted, 20_000);
}

#[test]
fn retry_sends_failed_accounts_and_nobody_else() {
    let missing: std::collections::HashSet<String> = ["u3", "u700", "u999"].map(str::to_owned).into();
    let bench = Bench::with_sandbox("unlimited", Config { missing, ..Config::default() });
    bench.write_campaign(1_000, 2, "");
    bench.apply().code(3);
    let said = bench.run(&["retry", "c@once"]).code(1);
    assert!(said.stderr.contains("--code"), "70107 does not pass by itself: {}", said.stderr);

    bench.run(&["retry", "c@once", "--code", "70107", "--reason", "imported now"]).code(0);
    let waiting = bench.recipients();
    assert_eq!((waiting.failed, waiting.remaining, waiting.accepted), (0, 3, 997));
    bench.run(&["state", "verify"]).code(0);
    // They are still missing: asked again, refused again, and nobody else is asked.
    let calls = bench.ledger().arrivals.len();
    bench.apply().code(3);
    assert_eq!(bench.ledger().arrivals[calls..].iter().map(|a| a.recipients).sum::<u32>(), 3);
    assert_eq!(bench.recipients().failed, 3);
    bench.run(&["state", "verify"]).code(0);
}

#[test]
fn replan_gives_the_rest_the_new_content_and_those_accepted_nothing() {
    let bench = Bench::with_sandbox("unlimited", slow());
    bench.write_campaign(20_000, 1, "in_flight: 2");
    let mut runner = bench.apply_until(4);
    bench.run(&["pause", "c@once"]).code(0);
    runner.wait().unwrap();
    bench.run(&["resume", "c@once"]).code(0);
    let accepted = bench.recipients().accepted;
    assert!(accepted > 0 && accepted < 20_000);

    let file = std::fs::read_to_string(bench.path("campaigns/c.yaml")).unwrap();
    bench.write("campaigns/c.yaml", &file.replace("Hello", "Goodbye"));
    // One who was still to be sent has left the audience, and somebody new is in it: a run is closed.
    let audience = std::fs::read_to_string(bench.path("campaigns/audience.csv")).unwrap();
    bench.write("campaigns/audience.csv", &audience.replace("u19999,", "newcomer,"));
    bench.run(&["plan"]).code(7);
    bench.apply().code(7);
    bench.run(&["apply", "--replan", "--auto-approve"]).code(0);
    let settled = bench.recipients();
    assert_eq!((settled.planned, settled.accepted, settled.skipped), (20_000, 19_999, 1));
    assert_one_push_each(&bench, 19_999);
    bench.run(&["state", "verify"]).code(0);
    bench.apply().code(0);
    assert_one_push_each(&bench, 19_999);
}

#[test]
fn the_breaker_pauses_a_run_until_a_person_lets_it_go_on() {
    let missing = (0..4_000).map(|i| format!("u{i}")).collect();
    let bench = Bench::with_sandbox("unlimited", Config { missing, ..Config::default() });
    bench.write_campaign(30_000, 1, "max_failures: 1000, in_flight: 1");
    let said = bench.apply().code(4);
    assert!(said.stderr.contains("max_failures: 1000"), "{}", said.stderr);
    let paused = bench.recipients();
    assert!(paused.failed > 1_000 && paused.remaining > 20_000, "{paused:?}");
    let calls = bench.ledger().arrivals.len();
    bench.apply().code(4);
    assert_eq!(bench.ledger().arrivals.len(), calls, "a timer must not try it again");

    // The delivery may be changed under way; it says neither who nor what.
    let file = std::fs::read_to_string(bench.path("campaigns/c.yaml")).unwrap();
    bench.write("campaigns/c.yaml", &file.replace("max_failures: 1000", "max_failures: 100%"));
    bench.run(&["resume", "c@once"]).code(0);
    bench.apply().code(3);
    assert_eq!(bench.recipients().failed, 4_000);
}

#[test]
fn drift_of_the_audience_is_shown_and_changes_nothing() {
    let bench = Bench::with_sandbox("unlimited", slow());
    bench.write_campaign(20_000, 1, "in_flight: 2");
    kill_9(bench.apply_until(4));
    bench.write("campaigns/audience.csv", "id,city\nsomebody-else,city0\n");
    let said = bench.run(&["plan"]).code(0);
    assert!(said.stdout.contains("the audience has changed"), "{}", said.stdout);
    bench.apply().code(5);
    assert!(!bench.ledger().pushes().contains_key("somebody-else"));
}

#[test]
fn the_campaign_file_may_ask_for_what_is_in_doubt_to_be_sent_again() {
    let (bench, in_doubt) = in_doubt();
    let before = bench.ledger().recipients;
    let file = std::fs::read_to_string(bench.path("campaigns/c.yaml")).unwrap();
    bench.write("campaigns/c.yaml", &file.replace("in_flight: 4", "in_flight: 4, on_in_doubt: resend"));
    bench.apply().code(0);
    assert_eq!(bench.ledger().recipients, before + in_doubt);
    bench.apply().code(0);
    assert_eq!(bench.ledger().recipients, before + in_doubt);
}
