//! Looks out for what becomes due while a timer's apply sends: a run that takes hours must not have others miss their
//! windows. It decides nothing; it tells the runner that there is something to look at.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tracing::debug;

use super::look::Look;
use crate::command::failure::Failure;
use crate::command::planning::due_runs;
use crate::command::{Global, context};

/// How often it looks, besides when something is known to be due: files change, and people let runs go on.
const EVERY: Duration = Duration::from_secs(60);

/// A look-out that ends when it is dropped.
#[derive(Debug)]
pub(super) struct Lookout {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Lookout {
    /// Tells `due` once a run is due that is not `known`. `next` is when that is expected.
    pub(super) fn start(
        global: &Global,
        known: HashSet<String>,
        next: Option<Timestamp>,
        due: Arc<Notify>,
    ) -> Self {
        let (stop, stopped) = mpsc::channel();
        let global = global.clone();
        let thread = std::thread::spawn(move || {
            let mut next = next;
            loop {
                let left = next.map(|next| next.duration_since(Timestamp::now()));
                let left = left.and_then(|left| Duration::try_from(left).ok()).unwrap_or(EVERY);
                if stopped.recv_timeout(left.min(EVERY)) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                next = next.filter(|next| *next > Timestamp::now());
                match is_something_due(&global, &known) {
                    Ok(true) => return due.notify_one(),
                    Ok(false) => {}
                    // It is told by the apply that comes to it.
                    Err(failure) => debug!("cannot look for what is due: {failure}"),
                }
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn is_something_due(global: &Global, known: &HashSet<String>) -> Result<bool, Failure> {
    let Look { context, store, now, .. } = Look::take(global, true, &[], context::require_state)?;
    Ok(!due_runs(&context, store.as_ref(), now)?.is_subset(known))
}
