//! Saved plans and approvals: what a person has seen is what is sent, or nothing is.

use pushplan::sandbox::{Config, Faults};

use crate::bench::{Bench, Said, kill_9};

const PLAN: &str = "approved.plan";

fn bench() -> Bench {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    bench.write_campaign(1_200, 2, "");
    bench
}

fn save(bench: &Bench) -> Said {
    bench.run(&["plan", "-o", PLAN]).code(0)
}

/// Nothing was sent, and the reason is told.
#[track_caller]
fn is_stale(bench: &Bench, said: Said, why: &str) {
    let said = said.code(7);
    assert!(said.stderr.contains(why), "{}", said.stderr);
    assert_eq!(bench.sandbox.as_ref().map_or(0, |sandbox| sandbox.ledger().carried_out), 0);
}

#[test]
fn a_saved_plan_is_sent_as_it_stands_and_once() {
    let bench = bench();
    save(&bench);
    let said = bench.run(&["apply", PLAN]).code(0);
    assert_eq!(
        said.stdout.lines().last(),
        Some("total: 1200 planned = 1200 accepted + 0 failed + 0 in doubt + 0 skipped + 0 remaining")
    );
    let ledger = bench.ledger();
    assert_eq!(ledger.pushes().len(), 1_200);
    let again = bench.run(&["apply", PLAN]).code(0);
    assert!(again.stdout.contains("c@once: finished; nothing to send"), "{}", again.stdout);
    assert_eq!(bench.ledger().carried_out, ledger.carried_out);
    bench.run(&["state", "verify"]).code(0);
}

#[test]
fn what_is_frozen_from_a_file_is_what_is_frozen_without_one() {
    let export = |with_file: bool| {
        let bench = bench();
        if with_file {
            save(&bench);
            bench.run(&["apply", PLAN]).code(0);
        } else {
            bench.apply().code(0);
        }
        let dump = bench.run(&["state", "export"]).code(0).stdout;
        let kept = [
            "\"table\":\"batch\"",
            "\"table\":\"account\"",
            "\"table\":\"message\"",
            "\"table\":\"wave\"",
            "\"table\":\"content\"",
        ];
        let rows = dump.lines().filter(|line| kept.iter().any(|table| line.contains(table)));
        rows.map(str::to_owned).collect::<Vec<_>>()
    };
    let rows = export(true);
    assert!(rows.len() > 5, "{rows:?}");
    assert_eq!(rows, export(false));
}

#[test]
fn a_plan_is_refused_once_the_audience_has_moved() {
    let bench = bench();
    save(&bench);
    bench.write("campaigns/audience.csv", "id,city\nu0,city0\nsomebody-new,city1\n");
    is_stale(&bench, bench.run(&["apply", PLAN]), "the audience has changed: 1,200 recipients then, 2 now");
}

#[test]
fn a_plan_is_refused_once_the_campaign_has_moved() {
    let bench = bench();
    save(&bench);
    bench.write(
        "campaigns/c.yaml",
        "campaign: c\naudience: { csv: audience.csv, account: id }\nmessage: { body: Other }\n",
    );
    let told = "c@once: the content of the campaign has changed\n    message.body: News from {{city}} → Other\n    \
                message.title: gone, was Hello\n";
    is_stale(&bench, bench.run(&["apply", PLAN]), told);
    std::fs::remove_file(bench.path("campaigns/c.yaml")).unwrap();
    bench.write("campaigns/d.yaml", "campaign: d\naudience: { accounts: [a] }\nmessage: { body: Other }\n");
    is_stale(&bench, bench.run(&["apply", PLAN]), "campaign 'c' is gone");
}

#[test]
fn a_plan_is_refused_once_the_state_has_moved() {
    let bench = bench();
    save(&bench);
    bench.write("campaigns/d.yaml", "campaign: d\naudience: { accounts: [a] }\nmessage: { body: Other }\n");
    bench.run(&["apply", "--auto-approve", "campaigns/d.yaml"]).code(0);
    let said = bench.run(&["apply", PLAN]).code(7);
    assert!(said.stderr.contains("the state: there was none, and there is one now"), "{}", said.stderr);
    assert_eq!(bench.ledger().pushes().len(), 1);
}

#[test]
fn two_plans_of_one_run_cannot_both_be_sent() {
    let bench = bench();
    save(&bench);
    std::fs::rename(bench.path(PLAN), bench.path("first.plan")).unwrap();
    bench.write("campaigns/audience.csv", "id,city\nu0,city0\nsomebody-new,city1\n");
    save(&bench);
    bench.run(&["apply", PLAN]).code(0);
    let said = bench.run(&["apply", "first.plan"]).code(7);
    assert!(said.stderr.contains("c@once: it was begun from another plan"), "{}", said.stderr);
    assert_eq!(bench.ledger().pushes().len(), 2);
}

#[test]
fn a_plan_file_that_was_tampered_with_is_not_sent() {
    let bench = bench();
    save(&bench);
    let file = rusqlite::Connection::open(bench.path(PLAN)).unwrap();
    file.execute("UPDATE message SET json = replace(json, 'News', 'Scam')", []).unwrap();
    drop(file);
    let said = bench.run(&["apply", PLAN]).code(1);
    assert!(said.stderr.contains("what it holds is not what its digests say"), "{}", said.stderr);
    assert_eq!(bench.ledger().carried_out, 0);
    // And nothing of it was frozen.
    assert!(bench.run(&["status"]).code(0).stdout.contains("No runs yet"));
}

#[test]
fn a_killed_apply_of_a_plan_goes_on_with_it() {
    let faults = Faults {
        latency_min: std::time::Duration::from_millis(20),
        latency_max: std::time::Duration::from_millis(60),
        ..Faults::default()
    };
    let bench = Bench::with_sandbox("unlimited", Config { faults, ..Config::default() });
    bench.write_campaign(30_000, 1, "in_flight: 2");
    save(&bench);
    let child = bench.command(&["apply", PLAN]).spawn().unwrap();
    while bench.ledger().carried_out < 5 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    kill_9(child);
    // The audience was frozen with the plan.
    bench.write("campaigns/audience.csv", "id,city\nsomebody-new,city1\n");
    bench.run(&["apply", PLAN]).code(5);
    let settled = bench.recipients();
    assert_eq!((settled.accepted + settled.in_doubt, settled.remaining), (30_000, 0));
    assert!(bench.ledger().pushes().values().all(|count| *count == 1));
}

#[test]
fn show_says_what_plan_said_without_a_workspace() {
    let bench = bench();
    let said = save(&bench);
    let json = bench.run(&["plan", "--format", "json"]).code(0).stdout;
    let elsewhere = tempfile::tempdir().unwrap();
    let show = |format: &str| {
        let file = bench.path(PLAN);
        let mut command = bench.command(&["show", file.to_str().unwrap(), "--format", format]);
        Said::of(command.current_dir(elsewhere.path()).output().unwrap()).code(0).stdout
    };
    assert_eq!(show("json"), json);
    assert!(show("text").starts_with(&said.stdout) && show("text").contains("where there was no state"));
    assert!(show("markdown").starts_with("## pushplan: 1 run to 1,200 recipients"));
}

#[test]
fn what_is_no_plan_is_neither_shown_as_one_nor_replaced_by_one() {
    let bench = bench();
    let database = rusqlite::Connection::open(bench.path("state.db")).unwrap();
    database.execute_batch("CREATE TABLE t (x)").unwrap();
    for (file, why) in [("state.db", "no plan"), ("pushplan.yaml", "no plan"), ("none", "No such file")] {
        let said = bench.run(&["show", file]).code(1);
        assert!(said.stderr.contains(why), "{}", said.stderr);
    }
    for file in ["state.db", "pushplan.yaml"] {
        let before = std::fs::read(bench.path(file)).unwrap();
        let said = bench.run(&["plan", "-o", file]).code(1);
        assert!(said.stderr.contains("something else is there"), "{}", said.stderr);
        assert_eq!(std::fs::read(bench.path(file)).unwrap(), before);
    }
}

#[test]
fn a_plan_of_nothing_sends_nothing() {
    let bench = bench();
    bench.apply().code(0);
    save(&bench);
    let said = bench.run(&["apply", PLAN]).code(0);
    assert_eq!(said.stdout, "the plan has no run: nothing to send\n");
}

fn approval(bench: &Bench, key: &str) -> String {
    bench.run(&["plan", "--format", "json"]).code(0).json()["runs"][0][key].as_str().unwrap().to_owned()
}

#[test]
fn what_was_approved_is_sent_without_asking_and_nothing_else() {
    for key in ["approval", "digest"] {
        let bench = bench();
        let approved = approval(&bench, key);
        bench.write(
            "campaigns/d.yaml",
            "campaign: d\naudience: { accounts: [a] }\nmessage: { body: Other }\n",
        );
        is_stale(
            &bench,
            bench.run(&["apply", "--expect", &approved]),
            "d@once: it is due, and was not approved",
        );
        bench.run(&["apply", "--expect", &approved, "campaigns/c.yaml"]).code(0);
        assert_eq!(bench.ledger().pushes().len(), 1_200);
        // A job that is run again finds it done.
        bench.run(&["apply", "--expect", &approved, "campaigns/c.yaml"]).code(0);
        assert_eq!(bench.ledger().pushes().len(), 1_200);
    }
}

#[test]
fn an_approval_holds_the_content_exactly_and_the_audience_within_the_tolerance() {
    let bench = bench();
    let approved = approval(&bench, "approval");
    bench.write_campaign(1_250, 2, "");
    let expect = |more: &[&str]| bench.run(&[&["apply", "--expect", &approved], more].concat());
    is_stale(&bench, expect(&[]), "1200 recipients then, 1250 now");
    is_stale(&bench, expect(&["--audience-tolerance", "4%"]), "and 4% more or less are allowed");
    bench.write(
        "campaigns/c.yaml",
        "campaign: c\naudience: { csv: audience.csv, account: id }\nmessage: { body: Other }\n",
    );
    is_stale(&bench, expect(&["--audience-tolerance", "100%"]), "the content is no longer what was approved");
    bench.write_campaign(1_250, 2, "");
    expect(&["--audience-tolerance", "5%"]).code(0);
    assert_eq!(bench.ledger().pushes().len(), 1_250);
}

#[test]
fn an_approval_of_nothing_that_is_due_is_refused() {
    let bench = bench();
    let other = "f".repeat(64);
    is_stale(&bench, bench.run(&["apply", "--expect", &other]), "no run that is due or begun is this one");
    bench.run(&["apply", "--expect", "c@once"]).code(64);
    let tolerant = bench.run(&["apply", "--expect", &other, "--audience-tolerance", "5%"]).code(64);
    assert!(tolerant.stderr.contains("does not say how large"), "{}", tolerant.stderr);
}
