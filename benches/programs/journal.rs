//! `journal on|off STATE RUN ENDPOINT`: sends a frozen run with the production runner at no limit, with every intent and
//! outcome made durable, or with none of them written at all.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, Write};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pushplan::apply::{Order, Runner, Signals};
use pushplan::campaign::Rate;
use pushplan::campaign::schedule::Wave;
use pushplan::executor::Limits;
use pushplan::outcome::Answer;
use pushplan::plan::{Plan, RunHeader};
use pushplan::state::{
    Adopted, BatchNote, Change, Error, Failure, Hold, Identity, Note, Payload, PlanFile, Result, Run,
    RunEvent, SqliteStore, Store, TakenUp,
};
use pushplan::timpush::{Client, ClientConfig};

pub fn run(args: &[String]) {
    let [journal, state, run, endpoint] = args else { panic!("usage: journal on|off STATE RUN ENDPOINT") };
    let store = SqliteStore::open(Path::new(state)).expect("a state");
    let run = store.run(run).expect("a run of the state");
    let store: Box<dyn Store> = match journal.as_str() {
        "on" => Box::new(store),
        "off" => Box::new(Forgetful(store)),
        other => panic!("on or off, not {other}"),
    };
    let client = Client::new(ClientConfig {
        endpoint: endpoint.clone(),
        sdk_app_id: 1_400_000_000,
        identifier: "administrator".to_owned(),
        secret: "bench".into(),
        timeout: run.delivery.timeout,
        in_flight: run.delivery.in_flight as usize,
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let order = Order {
            run,
            client: Arc::new(client.expect("a client")),
            limits: Limits::of(Rate { calls_per_second: None, recipients_per_second: None }),
        };
        let signals = Signals::listen("stopping").expect("signals");
        let mut runner = Runner { signals, who: "bench".to_owned(), stay: Duration::ZERO };
        let (_, sent) = runner.send(store, vec![order], &mut |_, _| {}).await;
        sent.expect("a state that can be written");
    });
}

/// A state that takes every change for durable and writes none down; all else is the state's own.
struct Forgetful(SqliteStore);

macro_rules! passed_on {
    (
        reads { $($read:ident($($of:ident: $question:ty),*) -> $found:ty;)* }
        writes { $($write:ident($($with:ident: $what:ty),*) -> $done:ty;)* }
    ) => {
        $(fn $read(&self, $($of: $question),*) -> Result<$found> { self.0.$read($($of),*) })*
        $(fn $write(&mut self, $($with: $what),*) -> Result<$done> { self.0.$write($($with),*) })*
    };
}

impl Store for Forgetful {
    fn commit(&mut self, _: &str, _: &[Change], _: Timestamp) -> Result<()> {
        Ok(())
    }

    passed_on! {
        reads {
            identity() -> Identity;
            runs() -> Vec<Run>;
            open_runs() -> Vec<Run>;
            find(id: &str) -> Option<Run>;
            run(id: &str) -> Run;
            events(run: &str) -> Vec<RunEvent>;
            has_key(msg_random: u32, data_id: &str) -> bool;
            answered() -> HashMap<String, Timestamp>;
            content_json(run: &str) -> Option<String>;
            waves(run: &str) -> Vec<Wave>;
            holds() -> HashMap<String, Hold>;
            batches(run: &str) -> u32;
            pending_accounts(run: &str) -> HashSet<String>;
            last_attempts(app: &str, most: usize, since: Timestamp) -> Vec<u16>;
            failures(run: &str, each: &mut dyn FnMut(Failure)) -> ();
            in_doubt(run: &str) -> Vec<BatchNote>;
            verify() -> Vec<String>;
            export(out: &mut dyn Write) -> ();
        }
        writes {
            settle(missed: &[RunHeader], answered: &[(&str, Timestamp)], note: &Note, now: Timestamp) -> ();
            freeze(plan: &Plan, note: &Note, now: Timestamp) -> ();
            freeze_saved(file: &PlanFile, note: &dyn Fn(&str) -> Note, now: Timestamp) -> ();
            take_up(run: &str, note: &Note, now: Timestamp) -> TakenUp;
            payloads(run: &str, batches: RangeInclusive<u32>) -> Vec<(u32, Payload)>;
            decree(run: &str, what: &str, changes: &[Change], note: &Note, now: Timestamp) -> ();
            set_hold(run: &str, hold: Option<Hold>, what: &str, note: &Note, now: Timestamp) -> Option<Hold>;
            set_waiting(run: &str, until: Timestamp, note: &Note, now: Timestamp) -> ();
            retry(run: &str, chosen: &dyn Fn(&Answer) -> bool, note: &Note, now: Timestamp) -> u64;
            replan(run: &str, plan: &Plan, note: &Note, now: Timestamp) -> ();
            import(input: &mut dyn BufRead) -> Option<Error>;
            adopt(note: &Note, now: Timestamp) -> Adopted;
        }
    }
}
