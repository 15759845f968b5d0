//! `journal on|off STATE RUN ENDPOINT`: sends a frozen run with the production runner at no limit, with every intent and
//! outcome made durable, or with none of them written at all.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use pushplan::apply::{Runner, Signals};
use pushplan::campaign::Rate;
use pushplan::executor::Limits;
use pushplan::outcome::Answer;
use pushplan::plan::Plan;
use pushplan::state::{
    Batch, BatchNote, Change, Failure, Hold, Identity, Note, Payload, Result, Run, RunEvent, SqliteStore,
    Store,
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
        let mut runner = Runner {
            client: Arc::new(client.expect("a client")),
            limits: Limits::of(Rate { calls_per_second: None, recipients_per_second: None }),
            signals: Signals::listen("stopping").expect("signals"),
            who: "bench".to_owned(),
        };
        let (_, end) = runner.run(store, &run, &mut |_| {}).await;
        end.expect("a run that ends");
    });
}

/// A state that takes every change for durable and writes none down; all else is the state's own.
struct Forgetful(SqliteStore);

impl Store for Forgetful {
    fn commit(&mut self, _: &str, _: &[Change], _: Timestamp) -> Result<()> {
        Ok(())
    }

    fn identity(&self) -> Result<Identity> {
        self.0.identity()
    }

    fn runs(&self) -> Result<Vec<Run>> {
        self.0.runs()
    }

    fn run(&self, id: &str) -> Result<Run> {
        self.0.run(id)
    }

    fn events(&self, run: &str) -> Result<Vec<RunEvent>> {
        self.0.events(run)
    }

    fn has_key(&self, msg_random: u32, data_id: &str) -> Result<bool> {
        self.0.has_key(msg_random, data_id)
    }

    fn freeze(&mut self, plan: &Plan, note: &Note, now: Timestamp) -> Result<()> {
        self.0.freeze(plan, note, now)
    }

    fn take_up(&mut self, run: &str, note: &Note, now: Timestamp) -> Result<Vec<Batch>> {
        self.0.take_up(run, note, now)
    }

    fn payload(&mut self, run: &str, batch: u32) -> Result<Payload> {
        self.0.payload(run, batch)
    }

    fn hold(&self, run: &str) -> Result<Option<Hold>> {
        self.0.hold(run)
    }

    fn decree(
        &mut self,
        run: &str,
        what: &str,
        changes: &[Change],
        note: &Note,
        now: Timestamp,
    ) -> Result<()> {
        self.0.decree(run, what, changes, note, now)
    }

    fn set_hold(
        &mut self,
        run: &str,
        hold: Option<Hold>,
        what: &str,
        note: &Note,
        now: Timestamp,
    ) -> Result<()> {
        self.0.set_hold(run, hold, what, note, now)
    }

    fn retry(
        &mut self,
        run: &str,
        chosen: &dyn Fn(&Answer) -> bool,
        note: &Note,
        now: Timestamp,
    ) -> Result<u64> {
        self.0.retry(run, chosen, note, now)
    }

    fn batches(&self, run: &str) -> Result<u32> {
        self.0.batches(run)
    }

    fn pending_accounts(&self, run: &str) -> Result<HashSet<String>> {
        self.0.pending_accounts(run)
    }

    fn replan(&mut self, run: &str, plan: &Plan, note: &Note, now: Timestamp) -> Result<()> {
        self.0.replan(run, plan, note, now)
    }

    fn last_attempts(&self, app: &str, most: usize, since: Timestamp) -> Result<Vec<u16>> {
        self.0.last_attempts(app, most, since)
    }

    fn failures(&self, run: &str, each: &mut dyn FnMut(Failure)) -> Result<()> {
        self.0.failures(run, each)
    }

    fn in_doubt(&self, run: &str) -> Result<Vec<BatchNote>> {
        self.0.in_doubt(run)
    }

    fn verify(&self) -> Result<Vec<String>> {
        self.0.verify()
    }
}
