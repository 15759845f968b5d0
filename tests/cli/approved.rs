//! What an approval covers: the runs that it names, the people they reach, and nothing of what else there is to do.

use std::time::Duration;

use jiff::Timestamp;
use pushplan::sandbox::{Config, Delivery, Faults};

use crate::bench::{Bench, Said, kill_9};

fn write(bench: &Bench, id: &str, accounts: &str, more: &str) {
    let yaml =
        format!("campaign: {id}\naudience: {{ accounts: [{accounts}] }}\nmessage: {{ body: b }}\n{more}\n");
    bench.write(&format!("campaigns/{id}.yaml"), &yaml);
}

fn bench() -> Bench {
    Bench::with_sandbox("unlimited", Config::default())
}

/// The approvals that a plan asks for, in the order of its runs.
fn approvals(bench: &Bench, paths: &[&str]) -> Vec<String> {
    let plan = bench.run(&[&["plan", "--format", "json"], paths].concat()).json();
    let runs = plan["runs"].as_array().unwrap().iter();
    runs.map(|run| run["approval"].as_str().unwrap().to_owned()).collect()
}

/// The accounts that got a push, once for each.
fn pushed(bench: &Bench) -> Vec<String> {
    let ledger = bench.ledger();
    ledger.deliveries.iter().flat_map(Delivery::accounts).map(Into::into).collect()
}

#[track_caller]
fn is_stale(bench: &Bench, said: Said, why: &str) {
    let said = said.code(7);
    assert!(said.stderr.contains(why), "{}", said.stderr);
    assert_eq!(pushed(bench), [""; 0]);
}

/// The name of an app says nothing of whose people it reaches: another SDKAppID under it, or a sandbox that becomes
/// real, is another audience.
#[test]
fn what_was_approved_for_one_app_is_not_sent_to_another_of_its_name() {
    let bench = bench();
    write(&bench, "c", "ann", "");
    let workspace = std::fs::read_to_string(bench.path("pushplan.yaml")).unwrap();
    for other in
        [workspace.replace("1400000000", "1400000001"), "apps: { shop: { sandbox: true } }\n".to_owned()]
    {
        bench.write("pushplan.yaml", &other);
        let approved = approvals(&bench, &[]).remove(0);
        bench.run(&["plan", "-o", "saved.plan"]).code(0);
        bench.write("pushplan.yaml", &workspace);
        is_stale(
            &bench,
            bench.run(&["apply", "--expect", &approved]),
            "the content is no longer what was approved",
        );
        is_stale(&bench, bench.run(&["apply", "saved.plan"]), "app.sdk_app_id: ");
    }
    let said = bench.run(&["plan"]).code(0);
    let target =
        format!("app          shop, SDKAppID 1400000000 at {}", bench.sandbox.as_ref().unwrap().endpoint());
    assert!(said.stdout.contains(&target), "{}", said.stdout);
}

/// A batch in doubt is sent again only where that was what was approved.
#[test]
fn an_approval_does_not_cover_that_what_is_in_doubt_is_sent_again() {
    let garbage = Faults { garbage: 1.0, ..Faults::default() };
    let bench = Bench::with_sandbox("unlimited", Config { faults: garbage, ..Config::default() });
    write(&bench, "c", "ann", "delivery: { on_in_doubt: hold }");
    let approved = approvals(&bench, &[]).remove(0);
    bench.run(&["apply", "--expect", &approved]).code(5);
    write(&bench, "c", "ann", "delivery: { on_in_doubt: resend, in_flight: 3 }");
    bench.run(&["apply", "--expect", &approved]).code(5);
    assert_eq!(pushed(&bench), ["ann"], "once");

    // Nor that a run is begun so.
    write(&bench, "d", "dan", "");
    let approved = approvals(&bench, &["campaigns/d.yaml"]).remove(0);
    write(&bench, "d", "dan", "delivery: { on_in_doubt: resend }");
    let said = bench.run(&["apply", "--expect", &approved]).code(7);
    assert!(
        said.stderr.contains("d@once: it says `on_in_doubt: resend`, and was approved without"),
        "{}",
        said.stderr
    );
    let said = bench.run(&["plan", "campaigns/d.yaml"]).code(0);
    assert!(
        said.stdout.contains("may get it twice") && said.stdout.contains(":1:resend\n"),
        "{}",
        said.stdout
    );
}

#[test]
fn an_unfinished_run_that_was_not_named_is_left_alone() {
    let latency = Duration::from_millis(20);
    let faults = Faults { latency_min: latency, latency_max: latency, ..Faults::default() };
    let bench = Bench::with_sandbox("unlimited", Config { faults, ..Config::default() });
    bench.write_campaign(200, 100, "in_flight: 1");
    kill_9(bench.apply_until(3));
    write(&bench, "new", "ann", "");
    let carried_out = bench.ledger().carried_out;
    let approved = approvals(&bench, &["campaigns/new.yaml"]).remove(0);
    let said = bench.run(&["apply", "--expect", &approved]).code(0);
    assert!(said.stdout.contains("c@once: left alone; it is unfinished"), "{}", said.stdout);
    assert_eq!(bench.ledger().carried_out, carried_out + 1);
    assert!(
        said.stdout
            .ends_with("total: 1 planned = 1 accepted + 0 failed + 0 in doubt + 0 skipped + 0 remaining\n")
    );

    // Nor does its having changed stand in the way of others.
    bench.write_campaign(200, 50, "in_flight: 1");
    let said = bench.run(&["apply", "--expect", &approved]).code(0);
    assert!(said.stdout.contains("c@once: left alone"), "{}", said.stdout);
    assert_eq!(bench.ledger().carried_out, carried_out + 1);
}

#[test]
fn a_run_that_its_schedule_asks_for_is_left_to_the_timer() {
    let bench = bench();
    let minute_ago = Timestamp::from_second(Timestamp::now().as_second() - 60).unwrap();
    write(&bench, "timed", "tim", &format!("schedule: {{ at: \"{minute_ago}\", expires_after: 1h }}"));
    write(&bench, "c", "ann", "");
    let approved = approvals(&bench, &["campaigns/c.yaml"]).remove(0);
    let said = bench.run(&["apply", "--expect", &approved]).code(0);
    assert!(
        said.stdout.contains(": left alone; it is due; `pushplan apply --due` sends it"),
        "{}",
        said.stdout
    );
    assert_eq!(pushed(&bench), ["ann"]);
    bench.run(&["apply", "--due", "--auto-approve"]).code(0);
    assert_eq!(pushed(&bench), ["ann", "tim"], "the timer still meets it");
}

#[test]
fn an_approval_that_is_given_twice_is_one() {
    let bench = bench();
    write(&bench, "c", "ann", "");
    let approved = approvals(&bench, &[]).remove(0);
    bench.run(&["apply", "--expect", &format!("{approved},{approved}")]).code(0);
    assert_eq!(pushed(&bench), ["ann"]);
}

/// What CI keeps: all that was approved lately, of which the newest counts.
#[test]
fn of_a_file_of_approvals_the_newest_of_a_run_counts_and_the_rest_for_nothing() {
    let bench = bench();
    write(&bench, "a", "ann", "");
    write(&bench, "b", "bob", "");
    let old = approvals(&bench, &[]);
    write(&bench, "b", "bob, bea", "");
    let new = approvals(&bench, &[]);
    let gone = old[0].replace("a@once", "gone@once");
    let apply = |lines: &[&String]| {
        let text: String = lines.iter().map(|line| format!("{line}\n\n")).collect();
        bench.write("approvals", &text);
        bench.run(&["apply", "--approvals", "approvals"])
    };
    is_stale(&bench, apply(&[&new[0], &gone]), "b@once: it is due, and was not approved");
    is_stale(
        &bench,
        apply(&[&old[1], &new[1], &new[0]]),
        "b@once: the content is no longer what was approved",
    );
    let said = apply(&[&new[0], &"c@once:1".to_owned()]).code(64);
    assert!(said.stderr.contains("approvals:3: `c@once:1`: it is neither"), "{}", said.stderr);
    apply(&[&gone, &new[1], &old[1], &old[0]]).code(0);
    assert_eq!(pushed(&bench).len(), 3);
    // The job that is run again, and one of a later merge that has nothing to send.
    apply(&[&gone, &new[1], &old[1], &old[0]]).code(0);
    apply(&[]).code(0);
    assert_eq!(pushed(&bench).len(), 3);
    bench.run(&["apply", "--approvals", "nowhere"]).code(1);
}
