//! What a timer relies on: what is due is sent once, what was missed is on record, campaigns go side by side.

use jiff::{SignedDuration, Timestamp};
use pushplan::sandbox::{Config, Delivery, Faults, max_in_sliding_second};
use serde_json::Value;

use crate::bench::{Bench, Said, signal};

/// A campaign to one account of its own name; `more` is further keys.
fn write(bench: &Bench, id: &str, more: &str) {
    let yaml = format!("campaign: {id}\naudience: {{ accounts: [{id}] }}\nmessage: {{ body: b }}\n{more}\n");
    bench.write(&format!("campaigns/{id}.yaml"), &yaml);
}

/// So many seconds from now, in whole seconds.
fn from_now(seconds: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap() + SignedDuration::from_secs(seconds)
}

/// A schedule that is due so many seconds from now.
fn at(seconds: i64) -> String {
    format!("schedule: {{ at: \"{}\", expires_after: 1h }}", from_now(seconds))
}

fn due(bench: &Bench) -> Said {
    bench.run(&["apply", "--due", "--auto-approve"])
}

/// The accounts that got a push, once for each.
fn pushed(bench: &Bench) -> Vec<String> {
    let ledger = bench.ledger();
    ledger.deliveries.iter().flat_map(Delivery::accounts).map(Into::into).collect()
}

fn statuses(bench: &Bench) -> Vec<(String, String)> {
    let status = bench.run(&["status", "--format", "json"]).code(0).json();
    let text = |run: &Value, key: &str| run[key].as_str().unwrap().to_owned();
    let runs = status["runs"].as_array().unwrap().iter();
    runs.map(|run| (text(run, "campaign"), text(run, "status"))).collect()
}

#[test]
fn what_schedules_ask_for_is_sent_once_and_nothing_else() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    write(&bench, "by-hand", "");
    write(&bench, "later", &at(7_200));
    let said = due(&bench).code(0);
    assert_eq!(said.stdout.lines().count(), 1, "{}", said.stdout);
    assert!(said.stdout.starts_with("nothing is due; next is later at "), "{}", said.stdout);

    write(&bench, "now", &at(-60));
    due(&bench).code(0);
    assert_eq!(pushed(&bench), ["now"]);
    let said = due(&bench).code(0);
    assert!(said.stdout.starts_with("nothing is due; "), "{}", said.stdout);
    assert_eq!(pushed(&bench), ["now"]);
}

#[test]
fn a_file_that_is_changed_is_noticed_though_nothing_was_due_before() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    write(&bench, "one", &at(7_200));
    write(&bench, "two", &at(7_200));
    for _ in 0..2 {
        assert!(due(&bench).code(0).stdout.starts_with("nothing is due"));
    }
    write(&bench, "two", &at(-60));
    due(&bench).code(0);
    assert_eq!(pushed(&bench), ["two"]);
    // What it remembers is a help, not a need.
    bench.write(".pushplan/state.db.agenda", "{");
    assert!(due(&bench).code(0).stdout.starts_with("nothing is due"));
    // A mistake anywhere is told, as ever.
    bench.write("campaigns/three.yaml", "campaign: two\n");
    let said = due(&bench).code(1);
    assert!(said.stderr.contains("duplicate-campaign"), "{}", said.stderr);
}

#[test]
fn an_occurrence_that_nobody_ran_is_on_record_and_never_sent() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    write(&bench, "slept", &at(-7_200));
    let said = bench.run(&["plan"]).code(0);
    assert!(said.stdout.contains("missed; nothing ran it in its window"), "{}", said.stdout);
    // Who looks every night whether all was sent hears of it where no timer does.
    bench.run(&["plan", "--detailed-exitcode"]).code(2);
    due(&bench).code(0);
    bench.run(&["plan", "--detailed-exitcode"]).code(0);
    assert_eq!(statuses(&bench), [("slept".to_owned(), "missed".to_owned())]);
    let run = format!("slept@{}", from_now(-7_200).strftime("%Y%m%d"));
    let id = bench.run(&["status", "--format", "json"]).json()["runs"][0]["run"].as_str().unwrap().to_owned();
    assert!(id.starts_with(&run[..run.len() - 2]), "{id}");
    let timeline = bench.run(&["status", &id]).code(0).stdout;
    assert!(timeline.contains("nothing ran it in its window"), "{timeline}");
    assert!(due(&bench).code(0).stdout.starts_with("nothing is due"), "it has its fate");
    bench.run(&["state", "verify"]).code(0);
    assert_eq!(pushed(&bench), [""; 0]);
    let said = bench.run(&["resume", &id]).code(1);
    assert!(said.stderr.contains("missed"), "{}", said.stderr);
}

#[test]
fn a_campaign_that_cannot_be_planned_holds_up_no_other() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    write(&bench, "sound", &at(-60));
    write(&bench, "gated", &at(-60));
    let gated = std::fs::read_to_string(bench.path("campaigns/gated.yaml")).unwrap();
    let gated = gated.replace("[gated] }", "[gated], expect: { min: 2 } }");
    bench.write("campaigns/gated.yaml", &gated);
    // A person is told before anything is sent; a timer sends what can be sent.
    bench.apply().code(6);
    assert_eq!(pushed(&bench), [""; 0]);
    let said = due(&bench).code(6);
    assert!(said.stderr.contains("gated@"), "{}", said.stderr);
    assert_eq!(pushed(&bench), ["sound"]);
    // Its window is still open: once it is mended, it is sent.
    bench.write("campaigns/gated.yaml", &gated.replace("min: 2", "min: 1"));
    due(&bench).code(0);
    assert_eq!(pushed(&bench), ["sound", "gated"]);
}

/// A run that is refused every minute must not use up the day of those that are sent.
#[test]
fn what_a_gate_sets_aside_counts_against_nobody() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    let workspace = std::fs::read_to_string(bench.path("pushplan.yaml")).unwrap();
    bench.write(
        "pushplan.yaml",
        &format!("{workspace}gates: {{ max_recipients: 2, max_recipients_per_day: 3 }}\n"),
    );
    write(&bench, "a-large", &at(-60));
    let large = std::fs::read_to_string(bench.path("campaigns/a-large.yaml")).unwrap();
    bench.write("campaigns/a-large.yaml", &large.replace("[a-large]", "[u1, u2, u3]"));
    write(&bench, "small", &at(-60));
    let said = due(&bench).code(6);
    assert!(said.stderr.contains("a-large@") && !said.stderr.contains("small@"), "{}", said.stderr);
    assert_eq!(pushed(&bench), ["small"]);
}

/// Planned a second later, a late run has other windows and is the same plan; once its window is over, it is not sent.
#[test]
fn a_late_run_can_be_saved_and_applied() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    let late = format!("schedule: {{ at: \"{}\", expires_after: 6s, missed: send }}", from_now(-60));
    write(&bench, "late", &late);
    let save = || bench.run(&["plan", "-o", "late.plan"]).code(0);
    save();
    std::thread::sleep(std::time::Duration::from_millis(7_100));
    let said = bench.run(&["apply", "late.plan"]).code(7);
    assert!(said.stderr.contains("its last window has closed"), "{}", said.stderr);
    save();
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    bench.run(&["apply", "late.plan"]).code(0);
    assert_eq!(pushed(&bench), ["late"]);
}

#[test]
fn what_a_later_look_comes_to_does_not_hide_what_was_sent_before() {
    let garbage = Faults { garbage: 1.0, ..Faults::default() };
    let bench = Bench::with_sandbox("unlimited", Config { faults: garbage, ..Config::default() });
    write(&bench, "first", "");
    write(&bench, "second", &at(4));
    let second = std::fs::read_to_string(bench.path("campaigns/second.yaml")).unwrap();
    bench.write("campaigns/second.yaml", &second.replace("[second] }", "[second], expect: { min: 2 } }"));
    let said = bench.run(&["apply", "--auto-approve", "--wait", "1m"]).code(5);
    assert!(said.stderr.contains("gate expect refuses it"), "{}", said.stderr);
    assert_eq!(pushed(&bench), ["first"]);
}

/// Between two rounds nothing is being sent, and a signal is heard all the same.
#[test]
fn a_signal_while_a_later_round_plans_stops_it_before_anything_is_begun() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    write(&bench, "first", "");
    bench.write(
        "campaigns/slow.yaml",
        &format!(
            "campaign: slow\naudience:\n  command: [sh, -c, 'touch reading; sleep 2; echo id; echo ann']\n  format: csv\n  \
             account: id\nmessage: {{ body: b }}\n{}\n",
            at(4)
        ),
    );
    let apply = ["apply", "--auto-approve", "--wait", "1m", "--allow-commands"];
    let child = bench.command(&apply).spawn().unwrap();
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !bench.path("campaigns/reading").exists() {
        assert!(std::time::Instant::now() < patience, "the second campaign was never read");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    signal(child, "INT").code(4);
    assert_eq!(pushed(&bench), ["first"]);
    assert_eq!(statuses(&bench), [("first".to_owned(), "finished".to_owned())]);
}

#[test]
fn apply_stays_for_what_becomes_due_in_the_time_it_is_given() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    write(&bench, "soon", &at(2));
    write(&bench, "later", &at(3_600));
    bench.run(&["apply", "--due", "--auto-approve", "--wait", "1m"]).code(0);
    assert_eq!(pushed(&bench), ["soon"]);
}

#[test]
fn campaigns_of_one_app_are_sent_side_by_side_at_its_one_rate() {
    let bench = Bench::with_sandbox("100", Config { calls_per_second: Some(100), ..Config::default() });
    bench.write_campaign(100, 100, "");
    write(&bench, "urgent", "");
    write(&bench, "small", &at(-60));
    bench.apply().code(0);
    let ledger = bench.ledger();
    assert_eq!((ledger.carried_out, ledger.refused.len()), (102, 0));
    assert!(max_in_sliding_second(&ledger.arrivals).calls <= 100);
    // What has a deadline goes first, and the others have their turns right after.
    let first: Vec<&str> = ledger.deliveries[..3].iter().map(|call| &*call.data_id).collect();
    assert!(first[0].starts_with("small/"), "{first:?}");
    assert!(first.iter().any(|data_id| data_id.starts_with("urgent/")), "{first:?}");
}
