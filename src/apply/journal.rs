//! The store on a thread of its own, so that an `fsync` never holds up the calls in flight.
//!
//! One journal for all runs, in the order in which their executors asked. One commit a run at a time: while one is
//! under way the executor gathers the changes of the next, which makes groups as large as the disk is slow.

use std::sync::mpsc;
use std::thread::JoinHandle;

use jiff::Timestamp;
use tokio::sync::mpsc as channel;

use super::ahead::Ahead;
use crate::executor::{End, Pause};
use crate::state::{self, Attempt, Change, Hold, Note, Payload, Store};

/// What the thread is asked. Runs go by their number.
#[derive(Debug)]
enum Ask {
    Commit(usize, Vec<Change>),
    Holds,
    Record(usize, End),
}

/// What it answers, in the order of the asks.
#[derive(Debug)]
pub(super) enum Reply {
    /// Durable; the attempts that were begun, each with what its call needs.
    Committed(usize, Vec<(Attempt, Payload)>),
    /// The runs that are held back now.
    Held(Vec<(usize, Hold)>),
    /// How the run ended is on record.
    Recorded(usize),
}

/// What the journal needs to know of its runs.
#[derive(Debug)]
pub(super) struct Book {
    /// Their ids, by number.
    pub(super) runs: Vec<String>,
    /// Who sends them.
    pub(super) who: String,
    /// The wall clock at tick 0.
    pub(super) start: Timestamp,
}

/// A handle to the thread that commits.
#[derive(Debug)]
pub(super) struct Journal {
    /// Dropped to end the thread.
    asks: Option<mpsc::Sender<Ask>>,
    replies: channel::UnboundedReceiver<state::Result<Reply>>,
    thread: Option<JoinHandle<Box<dyn Store>>>,
}

impl Journal {
    /// Hands the store to a thread that commits changes of these runs.
    pub(super) fn start(mut store: Box<dyn Store>, book: Book) -> Self {
        let (asks, asked) = mpsc::channel::<Ask>();
        let (reply, replies) = channel::unbounded_channel();
        let thread = std::thread::spawn(move || {
            let mut ahead: Vec<Ahead> = book.runs.iter().map(|_| Ahead::default()).collect();
            // The run that committed last is the one to commit next, most likely.
            let mut idle: Option<usize> = None;
            loop {
                let ask = match asked.try_recv() {
                    Err(_)
                        if idle.is_some_and(|run| ahead[run].read_some(store.as_mut(), &book.runs[run])) =>
                    {
                        continue;
                    }
                    now => now.or_else(|_| asked.recv()),
                };
                let Ok(ask) = ask else { break };
                if let Ask::Commit(run, _) = ask {
                    idle = Some(run);
                }
                let done = book.answer(store.as_mut(), ask, &mut ahead);
                let failed = done.is_err();
                // After a failed commit the state's word is what stands; nothing more is tried on it.
                if reply.send(done).is_err() || failed {
                    break;
                }
            }
            store
        });
        Self { asks: Some(asks), replies, thread: Some(thread) }
    }

    /// Asks for a commit.
    pub(super) fn commit(&self, run: usize, changes: Vec<Change>) {
        self.ask(Ask::Commit(run, changes));
    }

    /// Asks which runs a person holds back.
    pub(super) fn ask_holds(&self) {
        self.ask(Ask::Holds);
    }

    /// Asks to write down how a run ended.
    pub(super) fn record(&self, run: usize, end: End) {
        self.ask(Ask::Record(run, end));
    }

    fn ask(&self, ask: Ask) {
        // A thread that is gone has said why in its last reply.
        let _ = self.asks.as_ref().map(|asks| asks.send(ask));
    }

    /// Waits for the next answer; `None` after the last one. Cancel safe.
    pub(super) async fn reply(&mut self) -> Option<state::Result<Reply>> {
        self.replies.recv().await
    }

    /// Ends the thread and gives the store back.
    pub(super) fn stop(mut self) -> Box<dyn Store> {
        self.asks = None;
        let thread = self.thread.take().expect("stopped once");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Book {
    fn answer(&self, store: &mut dyn Store, ask: Ask, ahead: &mut [Ahead]) -> state::Result<Reply> {
        match ask {
            Ask::Commit(run, changes) => commit(store, &self.runs[run], &changes, &mut ahead[run])
                .map(|begun| Reply::Committed(run, begun)),
            Ask::Holds => {
                let holds = store.holds()?;
                let held = self.runs.iter().enumerate();
                Ok(Reply::Held(held.filter_map(|(run, id)| Some((run, *holds.get(id)?))).collect()))
            }
            Ask::Record(run, end) => self.record(store, &self.runs[run], &end).map(|()| Reply::Recorded(run)),
        }
    }

    /// Writes down how a run ended. What the breaker stopped stays so until a person lets it go on.
    fn record(&self, store: &mut dyn Store, run: &str, end: &End) -> state::Result<()> {
        let now = Timestamp::now();
        let note = |why: String| Note { who: self.who.clone(), why };
        let stopped = |store: &mut dyn Store, why: String| store.decree(run, "stopped", &[], &note(why), now);
        match end {
            End::Complete => store.decree(run, "ended", &[], &note(String::new()), now),
            End::Waiting(until) => {
                let until = super::clock::instant(self.start, *until);
                store.set_waiting(run, until, &note(format!("its next wave opens at {until:.0}")), now)
            }
            End::Paused(Pause::Breaker(why)) => store
                .set_hold(run, Some(Hold::Breaker), "paused by the breaker", &note(why.clone()), now)
                .map(drop),
            // The person's own event says who and why.
            End::Paused(Pause::Operator) => Ok(()),
            End::Paused(Pause::Signal) => stopped(store, "a signal".to_owned()),
            End::Paused(Pause::Vendor(answer) | Pause::Unavailable(answer)) => {
                stopped(store, answer.to_string())
            }
        }
    }
}

fn commit(
    store: &mut dyn Store,
    run: &str,
    changes: &[Change],
    ahead: &mut Ahead,
) -> state::Result<Vec<(Attempt, Payload)>> {
    store.commit(run, changes, Timestamp::now())?;
    let begun = changes.iter().filter_map(|change| match change {
        Change::Begin(attempt) => Some(*attempt),
        _ => None,
    });
    begun.map(|attempt| Ok((attempt, ahead.payload(store, run, attempt.batch)?))).collect()
}
