//! Moving a state between a file and a database: it is written in one place at a time, and the other one knows.

use std::time::Duration;

use jiff::Timestamp;
use pushplan::campaign::StateLocation;
use pushplan::sandbox::{Config, Faults};
use pushplan::state::{self, Error, Hold, Holder, Note, SqliteStore, Store};

use crate::bench::{Bench, Said, signal};
use crate::place::Place;

const FILE: &str = ".pushplan/state.db";

impl Bench {
    /// From now on the workspace keeps its state in a file.
    fn keep_in_file(&self) -> &Self {
        let text = std::fs::read_to_string(self.path("pushplan.yaml")).unwrap();
        self.write("pushplan.yaml", text.split("state:").next().unwrap())
    }

    /// From now on the workspace keeps its state in the database.
    fn keep_in_database(&self) -> &Self {
        self.keep_in_file();
        let text = std::fs::read_to_string(self.path("pushplan.yaml")).unwrap();
        self.write("pushplan.yaml", &format!("{text}{}", Place::YAML))
    }

    fn serial(&self) -> i64 {
        let export = self.run(&["state", "export"]).code(0).stdout;
        let identity: serde_json::Value = serde_json::from_str(export.lines().nth(1).unwrap()).unwrap();
        identity["row"]["serial"].as_i64().unwrap()
    }
}

const ACCOUNTS: usize = 10_000;

/// A run that is partly sent, in a file.
fn half_sent() -> Bench {
    let latency = Duration::from_millis(10);
    let faults = Faults { latency_min: latency, latency_max: latency, ..Faults::default() };
    let bench = Bench::with_sandbox("unlimited", Config { faults, ..Config::default() });
    bench.keep_in_file().write_campaign(ACCOUNTS, 3, "in_flight: 1");
    signal(bench.apply_until(2), "INT").code(4);
    bench
}

/// The rest is sent, and nobody gets a second push.
#[track_caller]
fn goes_on(bench: &Bench) {
    assert!(bench.recipients().remaining > 0);
    bench.apply().code(0);
    let ledger = bench.ledger();
    let pushes = ledger.pushes();
    assert_eq!((pushes.len(), pushes.values().max()), (ACCOUNTS, Some(&1)));
}

#[track_caller]
fn refused(said: Said, words: &str) {
    let said = said.code(1);
    assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
}

#[test]
fn a_state_that_was_pushed_goes_on_in_the_database_and_the_file_is_stale() {
    let bench = half_sent();
    let (status, serial) = (bench.run(&["status", "--format", "json"]).stdout, bench.serial());
    bench.keep_in_database().run(&["state", "push"]).code(0);
    assert_eq!(bench.run(&["status", "--format", "json"]).stdout, status);
    assert!(bench.serial() > serial);
    bench.run(&["state", "verify"]).code(0);
    goes_on(&bench);

    refused(bench.keep_in_file().apply(), "was moved to PostgreSQL database");
    refused(bench.run(&["pause", "c@once"]), "was moved to PostgreSQL database");
    bench.run(&["status"]).code(0);
    // Pushing again would put the old one in place of the new one.
    refused(bench.keep_in_database().run(&["state", "push"]), "is newer");
}

#[test]
fn a_state_goes_there_and_back() {
    let bench = half_sent();
    bench.keep_in_database().run(&["state", "push"]).code(0);
    bench.write("campaigns/d.yaml", "campaign: d\naudience: { accounts: [x, y] }\nmessage: { body: b }\n");
    bench.run(&["apply", "--auto-approve", "campaigns/d.yaml"]).code(0);
    let status = bench.run(&["status", "--format", "json"]).stdout;
    bench.run(&["state", "pull"]).code(0);
    refused(bench.apply(), "was moved to /");
    refused(bench.run(&["state", "pull", "another.db"]), "was moved to /");
    assert_eq!(bench.keep_in_file().run(&["status", "--format", "json"]).stdout, status);
    bench.run(&["state", "verify"]).code(0);
    bench.keep_in_database().run(&["state", "push"]).code(0);
    bench.apply().code(0);
    assert_eq!(bench.ledger().recipients, ACCOUNTS as u64 + 2);
}

#[test]
fn what_holds_another_state_is_not_overwritten() {
    let bench = half_sent();
    bench.keep_in_database();
    refused(bench.run(&["state", "push", "nowhere.db"]), "there is no state nowhere.db");
    refused(bench.run(&["state", "pull"]), "the database holds no state");
    // The database has runs of its own.
    std::fs::rename(bench.path(".pushplan"), bench.path("aside")).unwrap();
    bench.write("campaigns/c.yaml", "campaign: e\naudience: { accounts: [x] }\nmessage: { body: b }\n");
    bench.apply().code(0);
    std::fs::rename(bench.path("aside"), bench.path(".pushplan")).unwrap();
    refused(bench.run(&["state", "push"]), "holds another state");
    refused(bench.run(&["state", "pull"]), "holds another state");
    refused(bench.keep_in_file().run(&["state", "push"]), "names a file");
}

#[test]
fn a_push_that_was_interrupted_is_finished_by_another_one_and_by_nothing_else() {
    let bench = half_sent();
    bench.keep_in_database().run(&["state", "push"]).code(0);
    // As it is between the two steps: the file is marked, and nothing has come to the database yet.
    bench.place.run(
        "SET search_path TO pushplan; UPDATE identity SET serial = 0;
         TRUNCATE event, failed_recipient, change, account, batch, message, wave, campaign, content, run",
    );
    refused(bench.keep_in_file().apply(), "was moved to PostgreSQL database");
    bench.keep_in_database().run(&["state", "push"]).code(0);
    bench.run(&["state", "verify"]).code(0);
    goes_on(&bench);
}

#[test]
fn an_older_copy_of_a_file_that_was_pushed_is_not_pushed_again() {
    let bench = half_sent();
    bench.run(&["state", "backup", "copy.db"]).code(0);
    bench.keep_in_database().run(&["state", "push"]).code(0);
    std::fs::copy(bench.path("copy.db"), bench.path(FILE)).unwrap();
    refused(bench.keep_in_file().apply(), "older copy");
    refused(bench.keep_in_database().run(&["state", "push"]), "older copy");
    // Under another name it has no watermark, and the database knows better.
    refused(bench.run(&["state", "push", "copy.db"]), "is newer");
}

#[test]
fn a_state_that_was_lost_where_it_went_can_be_adopted() {
    let bench = half_sent();
    bench.keep_in_database().run(&["state", "push"]).code(0);
    bench.keep_in_file().run(&["state", "adopt", "--reason", "the database is gone"]).code(0);
    let sent = bench.ledger().carried_out;
    bench.apply().code(5);
    assert_eq!(bench.ledger().carried_out, sent, "what may have been sent from there is in doubt");
    assert!(SqliteStore::open(&bench.path(FILE)).is_ok());
}

#[test]
fn an_older_copy_is_not_pushed_by_another_name_either() {
    let bench = half_sent();
    bench.run(&["state", "backup", "copy.db"]).code(0);
    bench.write("campaigns/d.yaml", "campaign: d\naudience: { accounts: [x, y] }\nmessage: { body: b }\n");
    bench.run(&["apply", "--auto-approve", "campaigns/d.yaml"]).code(0);
    std::fs::copy(bench.path("copy.db"), bench.path(FILE)).unwrap();
    std::os::unix::fs::symlink(FILE, bench.path("link.db")).unwrap();
    refused(bench.keep_in_database().run(&["state", "push", "link.db"]), "older copy");
}

#[test]
fn a_database_is_no_new_state_where_the_workspace_has_left_one_behind() {
    let bench = half_sent();
    let sent = bench.ledger().carried_out;
    refused(bench.keep_in_database().apply(), "Push it first: `pushplan state push`");
    refused(bench.run(&["state", "verify"]), "there is no state");
    // Tables without runs, as an attempt to push may leave them, are no other thing.
    drop(state::open_to_write(&bench.place.location(), &Holder::this_process("test")).unwrap());
    refused(bench.apply(), "would be sent again");
    assert_eq!(bench.ledger().carried_out, sent);
    bench.run(&["state", "push"]).code(0);
    goes_on(&bench);
}

#[test]
fn a_word_beside_a_move_is_refused_and_not_lost() {
    let bench = half_sent();
    let hold = |store: &mut dyn Store| {
        let note = Note { who: "ann".to_owned(), why: String::new() };
        store.set_hold("c@once", Some(Hold::Paused), "paused", &note, Timestamp::now())
    };
    let mut beside_file = state::open_beside(&StateLocation::Sqlite(bench.path(FILE))).unwrap();
    bench.keep_in_database().run(&["state", "push"]).code(0);
    assert!(matches!(hold(beside_file.as_mut()), Err(Error::Moved { .. })));
    let mut beside_database = state::open_beside(&bench.place.location()).unwrap();
    bench.run(&["state", "pull"]).code(0);
    assert!(matches!(hold(beside_database.as_mut()), Err(Error::Moved { .. })));
    assert_eq!(
        bench.keep_in_file().run(&["status", "--format", "json"]).json()["runs"][0]["status"],
        "unfinished"
    );
}

#[test]
fn a_backup_of_a_database_is_the_servers_own_business() {
    let bench = half_sent();
    bench.keep_in_database().run(&["state", "push"]).code(0);
    refused(bench.run(&["state", "backup", "copy.db"]), "pg_dump");
    assert!(!bench.path("copy.db").exists());
}
