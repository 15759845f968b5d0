//! `apply --events`: what is told while it happens, held against what the server carried out.

use std::time::Duration;

use pushplan::sandbox::{Config, Faults};
use serde_json::Value;

use crate::bench::{Bench, KEY, Said, kill_9};

const APPLY: [&str; 4] = ["apply", "--auto-approve", "--events", "events.ndjson"];

fn bench(faults: Faults) -> Bench {
    let bench = Bench::with_sandbox("unlimited", Config { faults, ..Config::default() });
    bench.write_campaign(300, 60, "in_flight: 4");
    bench
}

fn events(bench: &Bench) -> (String, Vec<Value>) {
    let text = std::fs::read_to_string(bench.path("events.ndjson")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")));
    let lines = lines.collect();
    (text, lines)
}

fn of<'e>(events: &'e [Value], name: &'e str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["event"] == name).collect()
}

#[test]
fn an_apply_tells_what_it_does_from_the_freeze_to_the_tally() {
    let bench = bench(Faults { seed: 1, throttle: 0.2, ..Faults::default() });
    bench.run(&APPLY).code(0);
    let (text, events) = events(&bench);
    assert_eq!(events[0], serde_json::json!({ "format": "pushplan.events/1" }));
    assert!(events[1..].iter().all(|event| event["at"].is_string()), "{text}");
    let names: Vec<&str> = events[1..].iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names[..3], ["run_frozen", "run_taken_up", "batch_begun"]);
    assert_eq!(names[names.len() - 3..], ["run_ended", "run_tally", "total"]);
    assert_eq!(events[1]["digest"].as_str().map(str::len), Some(64));

    let (begun, settled) = (of(&events, "batch_begun"), of(&events, "batch_settled"));
    let keys = |events: &[&Value]| {
        let mut keys: Vec<String> =
            events.iter().map(|e| format!("{} {}", e["batch"], e["attempt"])).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&begun), keys(&settled), "each call is begun and settled once");
    let with = |outcome: &str| settled.iter().filter(|event| event["outcome"] == outcome).count();
    assert_eq!(with("accepted"), 60);
    assert!(with("throttled") > 0, "{text}");
    assert_eq!(with("accepted") + with("throttled"), bench.ledger().arrivals.len());
    assert_eq!(events.last().unwrap()["recipients"]["accepted"], 300);

    assert!(!text.contains(KEY) && !text.contains("u299"), "a key or an account: {text}");
}

#[test]
fn events_are_written_before_the_next_thing_happens() {
    let latency = Duration::from_millis(20);
    let bench = bench(Faults { latency_min: latency, latency_max: latency, ..Faults::default() });
    let mut child = bench.command(&APPLY).spawn().unwrap();
    while bench.ledger().carried_out < 10 {
        assert!(child.try_wait().unwrap().is_none(), "apply ended early");
        std::thread::sleep(Duration::from_millis(1));
    }
    kill_9(child);
    let (_, told) = events(&bench);
    let begun = of(&told, "batch_begun").len();
    assert!(begun as u64 >= bench.ledger().carried_out, "{begun} told");

    bench.run(&APPLY).code(5);
    let (_, told) = events(&bench);
    assert!(of(&told, "run_frozen").is_empty(), "it goes on");
    let taken_up = of(&told, "run_taken_up")[0];
    assert!(taken_up["recipients"]["accepted"].as_u64().unwrap() > 0);
}

#[test]
fn nothing_but_events_is_replaced_by_events() {
    let bench = bench(Faults::default());
    bench.run(&["plan", "-o", "saved.plan"]).code(0);
    let campaign = std::fs::read(bench.path("campaigns/c.yaml")).unwrap();
    for file in ["campaigns/c.yaml", "saved.plan"] {
        let said = bench.run(&["apply", "--auto-approve", "--events", file]).code(1);
        assert!(said.stderr.contains("something else than events is there"), "{}", said.stderr);
    }
    assert_eq!(std::fs::read(bench.path("campaigns/c.yaml")).unwrap(), campaign);
    assert!(bench.ledger().arrivals.is_empty());
    for _ in 0..2 {
        bench.run(&["apply", "saved.plan", "--events", "events.ndjson"]).code(0);
    }
    bench.run(&["apply", "--auto-approve", "--events", ".pushplan/state.db"]).code(1);
    bench.run(&["state", "verify"]).code(0);
}

/// A timer's second apply finds the lock taken and does nothing, to the first one's events neither.
#[test]
fn who_finds_the_lock_taken_leaves_the_events_alone() {
    let latency = Duration::from_millis(200);
    let bench = bench(Faults { latency_min: latency, latency_max: latency, ..Faults::default() });
    let first = bench.command(&APPLY).spawn().unwrap();
    while bench.ledger().carried_out < 5 {
        std::thread::sleep(Duration::from_millis(1));
    }
    bench.run(&APPLY).code(8);
    let ended = Said::of(first.wait_with_output().unwrap()).code(0);
    assert!(ended.stdout.contains("300 accepted"), "{}", ended.stdout);
    let (_, told) = events(&bench);
    assert_eq!((of(&told, "run_frozen").len(), of(&told, "batch_settled").len()), (1, 60));
}

#[test]
fn an_events_file_that_cannot_be_made_stops_everything_before_it_begins() {
    let bench = bench(Faults::default());
    let said = bench.run(&["apply", "--auto-approve", "--events", "nowhere/events.ndjson"]).code(1);
    assert!(said.stderr.contains("nowhere/events.ndjson"), "{}", said.stderr);
    assert!(bench.ledger().arrivals.is_empty());
    let said = bench.run(&["apply", "--auto-approve", "--events", "/dev/full"]).code(1);
    assert!(said.stderr.contains("/dev/full"), "{}", said.stderr);
    assert!(bench.ledger().arrivals.is_empty());
}
