//! SIGINT and SIGTERM: the first one asks to stop, the second one ends the process at once.
//!
//! From the first listener on the process listens for as long as it lives, on a thread of its own: a signal that comes while
//! nothing is being sent, and something else is planned, must be heard too.

use std::sync::{Mutex, PoisonError};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The process's exit code where a second signal ended it: stopped, resumable.
const EXIT_STOPPED: i32 = 4;

/// What tells whether the process was asked, once somebody listens, and what the first signal lets it say.
static LISTENER: Mutex<Option<(watch::Receiver<bool>, &'static str)>> = Mutex::new(None);

/// Tells whether the process was asked to stop. Once asked, it stays asked.
#[derive(Debug, Clone)]
pub struct Signals {
    asked: watch::Receiver<bool>,
}

impl Signals {
    /// Listens from now on, and lets the first signal say `announcement`.
    ///
    /// # Errors
    /// Where the operating system refuses to register a handler.
    pub fn listen(announcement: &'static str) -> std::io::Result<Self> {
        let mut listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = match listener.take() {
            Some((asked, _)) => asked,
            None => start()?,
        };
        *listener = Some((asked.clone(), announcement));
        Ok(Self { asked })
    }

    /// Was the process asked to stop, as far as anybody has listened yet?
    pub fn is_asked() -> bool {
        let listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
        listener.as_ref().is_some_and(|(asked, _)| *asked.borrow())
    }

    /// Waits until the process is asked to stop. Cancel safe.
    pub async fn stopped(&mut self) {
        if self.asked.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn start() -> std::io::Result<watch::Receiver<bool>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _within = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let (tell, asked) = watch::channel(false);
    let listen = async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if tell.send_replace(true) {
                // The state is sound at every moment: what is open in it will be in doubt.
                std::process::exit(EXIT_STOPPED);
            }
            let listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, announcement)) = &*listener {
                tracing::warn!("{announcement}");
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(listen))?;
    Ok(asked)
}
