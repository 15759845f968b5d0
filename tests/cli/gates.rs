//! Gates: what the workspace has written down is what holds a run back, with exit code 6.

use pushplan::sandbox::Config;

use crate::bench::{Bench, Said};

fn bench(gates: &str) -> Bench {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    bench.write_campaign(100, 2, "");
    let workspace = std::fs::read_to_string(bench.path("pushplan.yaml")).unwrap();
    bench.write("pushplan.yaml", &format!("{workspace}gates: {{ {gates} }}\n"));
    bench
}

#[track_caller]
fn is_refused(said: Said, gate: &str, reason: &str) {
    let said = said.code(6);
    assert!(said.stdout.contains(&format!("{gate}: refused; {reason}")), "{}", said.stdout);
    assert!(said.stderr.contains(&format!("c@once: gate {gate} refuses it: {reason}")), "{}", said.stderr);
}

#[test]
fn each_gate_is_listed_and_one_that_refuses_stops_plan_and_apply() {
    let bench = bench("max_recipients: 99, max_personalisation: 3");
    let plan = bench.run(&["plan"]);
    assert!(
        plan.stdout.contains("max_personalisation: passed; 2 calls, 2.0 times the 1 of"),
        "{}",
        plan.stdout
    );
    is_refused(plan, "max_recipients", "100 recipients, at most 99");
    is_refused(bench.apply(), "max_recipients", "100 recipients, at most 99");
    assert_eq!(bench.ledger().carried_out, 0);
    let gates = bench.run(&["plan", "--format", "json"]).code(6).json()["runs"][0]["gates"].clone();
    assert_eq!(gates[0]["gate"], "max_recipients");
    assert_eq!((&gates[0]["refused"], &gates[1]["refused"]), (&true.into(), &false.into()));
    let markdown = bench.run(&["plan", "--format", "markdown"]).code(6).stdout;
    assert!(markdown.contains("- ❌ `max_recipients` refused: 100 recipients, at most 99\n"), "{markdown}");
}

#[test]
fn a_gate_is_overridden_by_name_and_with_a_reason_which_the_run_remembers() {
    let bench = bench("max_recipients: 99, require: [owner]");
    let send = |more: &[&str]| bench.run(&[&["apply", "--auto-approve"], more].concat());
    send(&["--override", "max_recipients"]).code(64);
    send(&["--override", "max_recipient", "--reason", "x"]).code(64);
    send(&["--override", "max_recipients", "--reason", " "]).code(64);
    is_refused(
        send(&["--override", "max_recipients", "--reason", "x"]),
        "require",
        "the campaign has no `owner`",
    );
    send(&["--override", "max_recipients", "--override", "require", "--reason", "the board asked for it"])
        .code(0);
    let status = bench.run(&["status", "c@once"]).code(0).stdout;
    let told = "overrides gate max_recipients (100 recipients, at most 99) and gate require (the campaign has no `owner`): \
                the board asked for it";
    assert!(status.contains(told), "{status}");
}

#[test]
fn a_saved_plan_meets_the_gates_again() {
    let bench = bench("max_recipients: 99");
    bench.run(&["plan", "-o", "a.plan"]).code(6);
    is_refused(bench.run(&["apply", "a.plan"]), "max_recipients", "100 recipients, at most 99");
    bench.run(&["apply", "a.plan", "--override", "max_recipients", "--reason", "x"]).code(0);
    assert!(bench.run(&["status", "c@once"]).code(0).stdout.contains("overrides gate max_recipients"));
}

#[test]
fn growth_is_held_against_the_last_run_and_a_day_against_all_runs_of_the_app() {
    let bench = bench("max_growth: 50%, max_recipients_per_day: 200");
    bench.apply().code(0);
    let campaign = std::fs::read_to_string(bench.path("campaigns/c.yaml")).unwrap();
    let again = |accounts: usize| {
        bench.write_campaign(accounts, 2, "");
        bench.write("campaigns/c.yaml", &format!("{campaign}revision: 2\n"));
        bench.run(&["plan"])
    };
    let grown = again(151).code(6);
    assert!(
        grown.stdout.contains("max_growth: refused; 151 recipients after 100 of c@once, at most 50% more"),
        "{}",
        grown.stdout
    );
    assert!(grown.stdout.contains("max_recipients_per_day: refused; 251 recipients"), "{}", grown.stdout);
    let fits = again(100).code(0);
    assert!(fits.stdout.contains("max_recipients_per_day: passed; 200 recipients"), "{}", fits.stdout);
}

/// A run that was given up before anybody got it is nothing to be measured by.
#[test]
fn growth_is_not_held_against_a_run_that_nobody_got() {
    let bench = bench("max_growth: 50%");
    bench.apply().code(0);
    let campaign = std::fs::read_to_string(bench.path("campaigns/c.yaml")).unwrap();
    let write = |revision: u32, accounts: usize| {
        bench.write_campaign(accounts, 2, "");
        bench.write("campaigns/c.yaml", &format!("{campaign}revision: {revision}\n"));
    };
    write(2, 10_000);
    bench.run(&["plan"]).code(6);
    bench.write("campaigns/audience.csv", "id,city\n");
    bench.apply().code(0);
    write(3, 151);
    let said = bench.run(&["plan"]).code(6);
    assert!(
        said.stdout.contains("max_growth: refused; 151 recipients after 100 of c@once"),
        "{}",
        said.stdout
    );
}

#[test]
fn what_all_vendors_are_advised_is_cut_by_none() {
    let bench = bench("vendor_lengths: true");
    let campaign =
        "campaign: c\naudience: { accounts: [a] }\nmessage: { body: b, ext: { text: \"TEXT\" } }\n";
    bench.write("campaigns/c.yaml", &campaign.replace("TEXT", &"x".repeat(1_100)));
    let said = bench.run(&["plan"]).code(0);
    assert!(said.stdout.contains("all cuts Ext at 1024"), "{}", said.stdout);
    assert!(said.stdout.contains("vendor_lengths: passed; no vendor cuts a text"), "{}", said.stdout);
}

/// The rest of a run is as much smaller as was sent, which its audience is not.
#[test]
fn what_is_left_of_a_run_meets_what_was_expected_of_its_audience() {
    let latency = std::time::Duration::from_millis(20);
    let slow = pushplan::sandbox::Faults { latency_min: latency, latency_max: latency, ..Default::default() };
    let bench = Bench::with_sandbox("unlimited", Config { faults: slow, ..Config::default() });
    bench.write_campaign(100, 50, "in_flight: 1");
    let file = std::fs::read_to_string(bench.path("campaigns/c.yaml")).unwrap();
    let file = file.replace("account: id }", "account: id, expect: { min: 100 } }");
    bench.write("campaigns/c.yaml", &file);
    crate::bench::signal(bench.apply_until(3), "TERM").code(4);
    bench.write("campaigns/c.yaml", &file.replace("Hello", "Good evening"));
    let said = bench.run(&["apply", "--replan", "--auto-approve"]).code(0);
    assert!(said.stdout.contains("expect: passed; 100 recipients"), "{}", said.stdout);
    assert!(said.stdout.contains("accounts that are done with: "), "{}", said.stdout);
    assert_eq!(bench.ledger().pushes().len(), 100);
}

#[test]
fn campaigns_that_would_be_sent_together_share_the_day() {
    let bench = bench("max_recipients_per_day: 150");
    let rows: String = (0..100).map(|i| format!("v{i}\n")).collect();
    bench.write("campaigns/more.csv", &format!("id\n{rows}"));
    bench.write(
        "campaigns/d.yaml",
        "campaign: d\naudience: { csv: more.csv, account: id }\nmessage: { body: Hi }\n",
    );
    let said = bench.run(&["plan"]).code(6);
    assert!(
        said.stderr.contains("d@once: gate max_recipients_per_day refuses it: 200 recipients"),
        "{}",
        said.stderr
    );
}
