//! Runners that lose their connection, and with it the lock: nothing is sent twice, what was in flight is told, and
//! whoever was shut out commits nothing more.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pushplan::sandbox::{Config, Faults};
use pushplan::state::{self, Attempt, Change, Error, Holder, Note, PostgresStore, Store};

use crate::bench::{Bench, Said, kill_9};
use crate::place::Place;
use crate::server::Server;
use crate::story::{Story, audience, pushes};

const ACCOUNTS: usize = 20_000;

fn slow_run() -> Bench {
    let latency = Duration::from_millis(20);
    let faults = Faults { latency_min: latency, latency_max: latency, ..Faults::default() };
    let bench = Bench::with_sandbox("unlimited", Config { faults, ..Config::default() });
    bench.write_campaign(ACCOUNTS, 4, "in_flight: 4");
    bench
}

/// The next runner finishes the run, and the state's story is the server's.
#[track_caller]
fn resumes(bench: &Bench) {
    let before = Story::of(bench).unwrap();
    before.check_midway(&pushes(bench));
    assert!(before.tally.remaining > 0, "{before:?}");
    let said = bench.apply();
    let story = Story::of(bench).unwrap();
    story.check_settled(&pushes(bench), &audience(ACCOUNTS));
    assert!(story.in_doubt.len() <= 4 * 500, "only what was in flight is in doubt");
    said.code(if story.in_doubt.is_empty() { 0 } else { 5 });
    let sent = bench.ledger().carried_out;
    bench.apply();
    assert_eq!(bench.ledger().carried_out, sent, "a third apply sends nothing");
}

#[test]
fn a_killed_runners_lock_is_free_for_the_next_one() {
    let bench = slow_run();
    kill_9(bench.apply_until(6));
    resumes(&bench);
}

#[test]
fn a_runner_whose_connection_is_cut_stops_and_the_next_one_goes_on() {
    let bench = slow_run();
    let runner = bench.apply_until(6);
    bench.place.cut_connections();
    let said = Said::of(runner.wait_with_output().unwrap()).code(4);
    assert!(said.stderr.contains("The connection is gone, and the lock with it"), "{}", said.stderr);
    resumes(&bench);
}

#[test]
fn a_server_that_is_stopped_stops_the_runner_and_nothing_is_lost() {
    let server = Arc::new(Server::start());
    let mut bench = slow_run();
    let folder = bench.path(".");
    bench.place = Place::on(Arc::clone(&server), &folder);
    let runner = bench.apply_until(6);
    server.stop();
    let said = Said::of(runner.wait_with_output().unwrap()).code(4);
    assert!(said.stderr.contains("apply again to go on"), "{}", said.stderr);
    let said = bench.run(&["status"]).code(1);
    assert!(said.stderr.contains("cannot connect to the database"), "{}", said.stderr);
    server.start_again();
    resumes(&bench);
}

/// The worst case: a machine stands still in the middle of a run, another one takes over, and the first one wakes up.
#[test]
fn a_runner_that_was_shut_out_while_it_stood_still_commits_nothing() {
    let bench = slow_run();
    let sleeper = bench.apply_until(6);
    let signal = |name: &str| {
        let sent = Command::new("kill").args(["-s", name, &sleeper.id().to_string()]).status().unwrap();
        assert!(sent.success());
    };
    signal("STOP");
    bench.place.cut_connections();
    resumes(&bench);
    let (story, sent) = (bench.run(&["state", "export"]).stdout, bench.ledger().carried_out);
    signal("CONT");
    Said::of(sleeper.wait_with_output().unwrap()).code(4);
    assert_eq!(bench.run(&["state", "export"]).stdout, story, "it committed something");
    assert!(bench.ledger().carried_out <= sent + 4, "it sent what it had not begun");
    Story::of(&bench).unwrap().check_settled(&pushes(&bench), &audience(ACCOUNTS));
}

/// A run whose first batch can be begun, and its store.
fn opened(bench: &Bench) -> PostgresStore {
    bench.write_campaign(1_000, 1, "");
    let child = bench.command(&["apply", "--auto-approve"]).env("TEST_KEY", "wrong").output().unwrap();
    assert_eq!(child.status.code(), Some(4), "{}", String::from_utf8_lossy(&child.stderr));
    PostgresStore::open(&bench.place.dsn(), &Holder::this_process("test")).unwrap()
}

fn begin(store: &mut dyn Store) -> state::Result<()> {
    let batch = store
        .take_up("c@once", &Note { who: "ann".to_owned(), why: String::new() }, Timestamp::now())?
        .batches[0];
    let attempt = Attempt { batch: 1, number: batch.state.attempts + 1 };
    store.commit("c@once", &[Change::Begin(attempt)], Timestamp::now())
}

#[test]
fn an_older_fence_commits_nothing_and_is_told_who_has_the_newer_one() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    let mut store = opened(&bench);
    // Somebody else has the lock, though this connection lives: a pooler that handed the session on, say.
    bench.place.run("UPDATE pushplan.identity SET fence = fence + 1, host = 'elsewhere', pid = 4711");
    let before = store.identity().unwrap();
    let error = begin(&mut store).unwrap_err();
    assert!(matches!(&error, Error::Fenced { holder, .. } if holder.pid == 4711), "{error}");
    assert!(error.to_string().contains("process 4711 on elsewhere"), "{error}");
    begin(&mut store).unwrap_err();
    assert_eq!(store.identity().unwrap(), before);
    assert_eq!(store.run("c@once").unwrap().tally.remaining, 1_000);
}

#[test]
fn a_lost_connection_is_never_made_anew() {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    let mut store = opened(&bench);
    bench.place.cut_connections();
    for _ in 0..3 {
        begin(&mut store).unwrap_err();
        assert!(store.runs().is_err());
    }
    let mut next = PostgresStore::open(&bench.place.dsn(), &Holder::this_process("next")).unwrap();
    begin(&mut next).unwrap();
    begin(&mut store).unwrap_err();
}
