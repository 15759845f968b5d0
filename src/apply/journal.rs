//! The store on a thread of its own, so that an `fsync` never holds up the calls in flight.
//!
//! One commit at a time: while one is under way the executor gathers the changes of the next, which makes
//! groups as large as the disk is slow.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use jiff::Timestamp;
use tokio::sync::mpsc as channel;

use crate::state::{self, Attempt, Change, Hold, Payload, Store};

/// What the thread is asked.
#[derive(Debug)]
enum Ask {
    Commit(Vec<Change>),
    Hold,
}

/// What it answers, in the order of the asks.
#[derive(Debug)]
pub(super) enum Reply {
    /// Durable; the attempts that were begun, each with what its call needs.
    Committed(Vec<(Attempt, Payload)>),
    /// Whether the run is held back now.
    Hold(Option<Hold>),
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
    /// Hands the store to a thread that commits changes of one run.
    pub(super) fn start(mut store: Box<dyn Store>, run: &str) -> Self {
        let (asks, asked) = mpsc::channel::<Ask>();
        let (reply, replies) = channel::unbounded_channel();
        let run: Arc<str> = run.into();
        let thread = std::thread::spawn(move || {
            while let Ok(ask) = asked.recv() {
                let done = match ask {
                    Ask::Commit(changes) => commit(store.as_mut(), &run, &changes),
                    Ask::Hold => store.hold(&run).map(Reply::Hold),
                };
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
    pub(super) fn commit(&self, changes: Vec<Change>) {
        self.ask(Ask::Commit(changes));
    }

    /// Asks whether a person holds the run back.
    pub(super) fn ask_hold(&self) {
        self.ask(Ask::Hold);
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

fn commit(store: &mut dyn Store, run: &str, changes: &[Change]) -> state::Result<Reply> {
    store.commit(run, changes, Timestamp::now())?;
    let begun = changes.iter().filter_map(|change| match change {
        Change::Begin(attempt) => Some(*attempt),
        _ => None,
    });
    let payloads = begun.map(|attempt| Ok((attempt, store.payload(run, attempt.batch)?)));
    payloads.collect::<state::Result<_>>().map(Reply::Committed)
}
