//! Secrets: where they appear, which is nowhere, and who needs them.

use pushplan::sandbox::{Config, Faults};

use crate::bench::Bench;

#[test]
fn secrets_and_usersigs_appear_nowhere() {
    let broken = Faults { bad_gateway: 0.2, garbage: 0.2, reset_after: 0.2, ..Faults::default() };
    let bench = Bench::with_sandbox("unlimited", Config { faults: broken, ..Config::default() });
    bench.write_campaign(30, 30, "max_failures: 100%");
    let said = bench.run(&["apply", "--auto-approve", "-vv"]);
    let state = std::fs::read(bench.path(".pushplan/state.db")).unwrap();
    let everything = [said.stdout.as_bytes(), said.stderr.as_bytes(), &state].concat();
    let everything = String::from_utf8_lossy(&everything);
    assert!(everything.contains("in_doubt"), "the faults were met");
    assert!(!everything.contains(crate::bench::KEY));
    // Every UserSig begins with the zlib header in the vendor's base64.
    for word in ["usersig=", "eJw", "eNo", "eJy"] {
        assert!(!everything.contains(word), "{word} in {everything}");
    }
}

#[test]
fn validate_and_plan_need_no_secret_and_open_no_connection() {
    let bench = Bench::with_sandbox("40", Config::default());
    bench.write_campaign(1_000, 2, "");
    for args in [&["validate"][..], &["plan"], &["plan", "--format", "json"]] {
        let output = bench.command(args).env_remove("TEST_KEY").output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let plan = bench.run(&["plan", "--format", "json"]).json();
    let run = &plan["runs"][0];
    assert_eq!((&plan["format"], &run["run"]), (&"pushplan.plan/1".into(), &"c@once".into()));
    assert_eq!((&run["recipients"], &run["messages"], &run["calls"]), (&1_000.into(), &2.into(), &2.into()));
    let again = bench.run(&["plan"]).code(0).stdout;
    assert_eq!(bench.run(&["plan"]).stdout, again, "the same inputs give the same plan, byte for byte");
    bench.run(&["plan", "--detailed-exitcode"]).code(2);
    // Apply does need it, and says so before anything is frozen.
    let output = bench.command(&["apply", "--auto-approve"]).env_remove("TEST_KEY").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("TEST_KEY"));
    assert_eq!(bench.run(&["status", "--format", "json"]).json()["runs"], serde_json::json!([]));
    assert_eq!(bench.ledger().arrivals.len(), 0);
}

#[test]
fn plan_asks_a_database_for_the_state_only_with_the_flag() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    bench.write_campaign(10, 1, "");
    let workspace = std::fs::read_to_string(bench.path("pushplan.yaml")).unwrap();
    bench.write("pushplan.yaml", &format!("{workspace}state: {{ postgres: {{ env: NOT_SET }} }}\n"));
    bench.run(&["validate"]).code(0);
    let said = bench.run(&["plan"]).code(1);
    assert!(
        said.stderr.contains("--allow-connections") && !said.stderr.contains("NOT_SET"),
        "{}",
        said.stderr
    );
    let said = bench.run(&["plan", "--allow-connections"]).code(1);
    assert!(said.stderr.contains("NOT_SET is not set"), "{}", said.stderr);
}
