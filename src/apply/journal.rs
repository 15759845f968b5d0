//! The store on a thread of its own, so that an `fsync` never holds up the calls in flight.
//!
//! One commit at a time: while one is under way the executor gathers the changes of the next, which makes
//! groups as large as the disk is slow.

use std::collections::VecDeque;
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
            let mut ahead = Ahead::default();
            while let Some(ask) = ahead.read_until_asked(store.as_mut(), &run, &asked) {
                let done = match ask {
                    Ask::Commit(changes) => commit(store.as_mut(), &run, &changes, &mut ahead),
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

fn commit(store: &mut dyn Store, run: &str, changes: &[Change], ahead: &mut Ahead) -> state::Result<Reply> {
    store.commit(run, changes, Timestamp::now())?;
    let begun = changes.iter().filter_map(|change| match change {
        Change::Begin(attempt) => Some(*attempt),
        _ => None,
    });
    let payloads = begun.map(|attempt| Ok((attempt, ahead.payload(store, run, attempt.batch)?)));
    payloads.collect::<state::Result<_>>().map(Reply::Committed)
}

/// Payloads that are read while nothing is asked: those of the batches after the last one begun, which are most
/// likely begun next. To read them takes as long as to commit them, and calls need not wait for it.
#[derive(Debug, Default)]
struct Ahead {
    /// Of one batch after the other.
    payloads: VecDeque<(u32, Payload)>,
    /// The batch to read next; `None` before the first one was begun and after the last one was read.
    next: Option<u32>,
}

impl Ahead {
    /// As many as are begun at once with the usual `in_flight`.
    const MOST: usize = 64;

    /// The next ask; `None` where no more will come.
    fn read_until_asked(
        &mut self,
        store: &mut dyn Store,
        run: &str,
        asked: &mpsc::Receiver<Ask>,
    ) -> Option<Ask> {
        while let Some(batch) = self.next.filter(|_| self.payloads.len() < Self::MOST) {
            match asked.try_recv() {
                Ok(ask) => return Some(ask),
                Err(mpsc::TryRecvError::Disconnected) => return None,
                // An error is told when the batch is begun; where there is no such batch, that is never.
                Err(mpsc::TryRecvError::Empty) => match store.payload(run, batch) {
                    Ok(payload) => {
                        self.payloads.push_back((batch, payload));
                        self.next = Some(batch + 1);
                    }
                    Err(_) => self.next = None,
                },
            }
        }
        asked.recv().ok()
    }

    /// What a batch's call needs: read ahead, or read now.
    fn payload(&mut self, store: &mut dyn Store, run: &str, batch: u32) -> state::Result<Payload> {
        if let Some(index) = self.payloads.iter().position(|(ahead, _)| *ahead == batch) {
            // Those before it were passed over.
            let (_, payload) = self.payloads.drain(..=index).next_back().expect("it is among them");
            return Ok(payload);
        }
        let is_retry = self.next.is_some_and(|next| batch < next);
        if !is_retry {
            self.payloads.clear();
            self.next = Some(batch + 1);
        }
        store.payload(run, batch)
    }
}
