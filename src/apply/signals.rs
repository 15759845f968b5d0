//! SIGINT and SIGTERM: the first one asks to stop, the second one ends the process at once.

use tokio::sync::watch;

/// The process's exit code where a second signal ended it: stopped, resumable.
const EXIT_STOPPED: i32 = 4;

/// Tells whether the process was asked to stop. Once asked, it stays asked.
#[derive(Debug, Clone)]
pub struct Signals {
    asked: watch::Receiver<bool>,
}

impl Signals {
    /// Listens from now on, and says `announcement` on the first signal. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Where the operating system refuses to register a handler.
    pub fn listen(announcement: &'static str) -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (tell, asked) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if tell.send_replace(true) {
                    // The state is sound at every moment: what is open in it will be in doubt.
                    std::process::exit(EXIT_STOPPED);
                }
                tracing::warn!("{announcement}");
            }
        });
        Ok(Self { asked })
    }

    /// Waits until the process is asked to stop. Cancel safe.
    pub async fn stopped(&mut self) {
        if self.asked.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
