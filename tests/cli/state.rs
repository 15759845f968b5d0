//! Looking after the state: verify, export and import, backup, and what a restored copy must not do.

use pushplan::sandbox::Config;

use crate::bench::{Bench, kill_9};

fn applied() -> Bench {
    let missing = ["u3".to_owned()].into();
    let bench = Bench::with_sandbox("unlimited", Config { missing, ..Config::default() });
    bench.write_campaign(3_000, 3, "");
    bench.apply().code(3);
    bench
}

#[test]
fn an_export_imported_is_the_same_state() {
    let bench = applied();
    bench.run(&["state", "export", "dump.jsonl"]).code(0);
    let before = bench.run(&["status", "--format", "json"]).stdout;
    std::fs::rename(bench.path(".pushplan"), bench.path("old")).unwrap();
    bench.run(&["state", "import", "dump.jsonl"]).code(0);
    bench.run(&["state", "verify"]).code(0);
    assert_eq!(bench.run(&["status", "--format", "json"]).stdout, before);
    let again = bench.run(&["state", "export"]).code(0).stdout;
    assert_eq!(again, std::fs::read_to_string(bench.path("dump.jsonl")).unwrap());
    let calls = bench.ledger().arrivals.len();
    bench.apply().code(0);
    assert_eq!(bench.ledger().arrivals.len(), calls);
    let said = bench.run(&["state", "import", "dump.jsonl"]).code(1);
    assert!(said.stderr.contains("holds runs already"), "{}", said.stderr);
}

#[test]
fn a_dump_that_does_not_fit_together_is_refused_and_leaves_nothing() {
    let bench = applied();
    let dump = bench.run(&["state", "export"]).code(0).stdout;
    std::fs::rename(bench.path(".pushplan"), bench.path("old")).unwrap();
    for (from, to, word) in [
        ("\"recipients\":500", "\"recipients\":499", "counts 499 recipients"),
        ("\"what\":\"accepted\"", "\"what\":\"begun\"", "journal"),
        ("pushplan.state/3", "pushplan.state/9", "format"),
        ("{\"row\"", "{\"wor\"", "not a row"),
    ] {
        bench.write("dump.jsonl", &dump.replacen(from, to, 1));
        let said = bench.run(&["state", "import", "dump.jsonl"]).code(1);
        assert!(said.stderr.contains(word), "{word}: {}", said.stderr);
        assert_eq!(bench.run(&["status", "--format", "json"]).json()["runs"], serde_json::json!([]));
    }
}

#[test]
fn verify_finds_what_does_not_fit() {
    let bench = applied();
    for (damage, word) in [
        ("UPDATE run SET accepted = accepted - 1", "come to"),
        ("UPDATE batch SET status = 'pending' WHERE id & 4294967295 = 2", "journal"),
        ("DELETE FROM failed_recipient", "names 0"),
        ("UPDATE account SET json = (SELECT json FROM account LIMIT 1)", "in another one"),
        ("DELETE FROM change WHERE serial = 1", "journal"),
    ] {
        let path = bench.path(".pushplan/state.db");
        let kept = std::fs::read(&path).unwrap();
        rusqlite::Connection::open(&path).unwrap().execute_batch(damage).unwrap();
        let said = bench.run(&["state", "verify"]).code(1);
        assert!(said.stdout.contains(word), "{damage}: {}", said.stdout);
        std::fs::write(&path, kept).unwrap();
    }
    bench.run(&["state", "verify"]).code(0);
}

#[test]
fn a_backup_is_a_state() {
    let bench = applied();
    bench.run(&["state", "backup", "copy.db"]).code(0);
    let said = bench.run(&["state", "backup", "copy.db"]).code(1);
    assert!(said.stderr.contains("exists already"), "{}", said.stderr);
    let before = bench.run(&["status", "--format", "json"]).stdout;
    std::fs::copy(bench.path("copy.db"), bench.path(".pushplan/state.db")).unwrap();
    assert_eq!(bench.run(&["status", "--format", "json"]).stdout, before);
    bench.run(&["state", "verify"]).code(0);
    bench.apply().code(0);
}

#[test]
fn a_restored_copy_does_not_resend_in_silence() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    bench.write_campaign(20_000, 1, "in_flight: 1");
    kill_9(bench.apply_until(2));
    bench.run(&["state", "backup", "copy.db"]).code(0);
    bench.apply();
    bench.write("campaigns/d.yaml", "campaign: d\naudience: { accounts: [x, y] }\nmessage: { body: b }\n");
    bench.apply();
    let sent = bench.ledger().recipients;

    std::fs::copy(bench.path("copy.db"), bench.path(".pushplan/state.db")).unwrap();
    let said = bench.apply().code(1);
    assert!(said.stderr.contains("older copy") && said.stderr.contains("state adopt"), "{}", said.stderr);
    let said = bench.run(&["state", "adopt", "--reason", "disk died"]).code(0);
    assert!(said.stderr.contains("d@once"), "{}", said.stderr);
    // What the copy took for pending was sent since: it is in doubt, and the run it never knew is not started.
    bench.apply().code(5);
    assert_eq!(bench.ledger().recipients, sent);
    bench.run(&["state", "verify"]).code(0);
}

#[test]
fn an_older_export_in_place_of_a_lost_state_is_refused_until_it_is_adopted() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    bench.write_campaign(20_000, 1, "in_flight: 1");
    kill_9(bench.apply_until(2));
    bench.run(&["state", "export", "dump.jsonl"]).code(0);
    bench.apply();
    bench.write("campaigns/d.yaml", "campaign: d\naudience: { accounts: [x, y] }\nmessage: { body: b }\n");
    bench.apply();
    let sent = bench.ledger().recipients;

    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(bench.path(&format!(".pushplan/state.db{suffix}")));
    }
    let said = bench.run(&["state", "import", "dump.jsonl"]).code(0);
    assert!(said.stderr.contains("older copy") && said.stderr.contains("state adopt"), "{}", said.stderr);
    bench.apply().code(1);
    let said = bench.run(&["state", "adopt", "--reason", "disk died"]).code(0);
    assert!(said.stderr.contains("d@once"), "{}", said.stderr);
    bench.apply().code(5);
    assert_eq!(bench.ledger().recipients, sent);
}

#[test]
fn a_state_that_is_gone_is_not_made_anew_in_silence() {
    let bench = applied();
    std::fs::remove_file(bench.path(".pushplan/state.db")).unwrap();
    let calls = bench.ledger().arrivals.len();
    let said = bench.apply().code(1);
    assert!(said.stderr.contains("the file is gone"), "{}", said.stderr);
    assert_eq!(bench.ledger().arrivals.len(), calls);
}

#[test]
fn one_state_by_two_names_is_one_state() {
    let bench = applied();
    std::os::unix::fs::symlink(bench.path(".pushplan"), bench.path("other-name")).unwrap();
    std::fs::hard_link(bench.path(".pushplan/state.db"), bench.path("hard.db")).unwrap();
    let said = bench.apply().code(1);
    assert!(said.stderr.contains("more than one name"), "{}", said.stderr);
}
