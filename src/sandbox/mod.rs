//! A stand-in for the vendor on loopback: a real HTTP server that checks, limits and answers as the vendor's
//! pages say (trtc.io document 67553), misbehaves when told to, and remembers what it really carried out.
//!
//! The core never uses it. It runs on a thread and a tokio runtime of its own, so that a client under test
//! does not share a scheduler with its server.
//!
//! Where the vendor's pages are silent it is strict: a rate holds in every sliding second, a MsgRandom seen
//! again within a second is dropped in silence, and an `Ext` that is not JSON text is refused, which the
//! vendor would pass on to be lost further down.

mod faults;
mod ledger;
mod rules;
mod server;

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::oneshot;

pub use faults::{Fault, Faults};
pub use ledger::{Arrival, Busiest, Delivery, Ledger, max_in_sliding_second};

/// How a sandbox behaves. The default takes everything at once from anybody and never misbehaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The app whose UserSigs are accepted; without one, any UserSig is.
    pub app: Option<App>,
    /// Most calls let in within any sliding second; no limit where absent.
    pub calls_per_second: Option<u32>,
    /// Most recipients let in within any sliding second; no limit where absent.
    pub recipients_per_second: Option<u32>,
    /// Accounts that were never imported: they fail with code 70107.
    pub missing: HashSet<String>,
    /// How often calls go wrong, and how.
    pub faults: Faults,
    /// Remember every arrival and every recipient. Costs about the size of the accounts in memory, for as
    /// long as the sandbox runs; totals are kept in any case.
    pub record: bool,
}

/// An app that the sandbox knows.
#[derive(Debug, Clone)]
pub struct App {
    /// SDKAppID.
    pub sdk_app_id: u64,
    /// Its one administrator.
    pub identifier: String,
    /// Its secret key.
    pub secret: SecretString,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            app: None,
            calls_per_second: None,
            recipients_per_second: None,
            missing: HashSet::new(),
            faults: Faults::default(),
            record: true,
        }
    }
}

/// A running sandbox. Dropping it stops it.
#[derive(Debug)]
pub struct Sandbox {
    addr: SocketAddr,
    server: Arc<server::Server>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Sandbox {
    /// Starts listening; calls are taken as soon as this returns.
    ///
    /// # Errors
    /// The address is taken, no thread can be started, or the faults make no sense (`InvalidInput`).
    pub fn start(config: Config) -> io::Result<Self> {
        config.faults.check().map_err(|reason| io::Error::new(io::ErrorKind::InvalidInput, reason))?;
        let listener = std::net::TcpListener::bind(config.listen)?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let server = Arc::new(server::Server::new(config));
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("sandbox".to_owned()).spawn({
            let server = Arc::clone(&server);
            move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = server::listen(listener, server) => {}
                        _ = stopped => {}
                    }
                });
                // Calls that hang must not keep the sandbox alive.
                runtime.shutdown_timeout(Duration::from_millis(100));
            }
        })?;
        Ok(Self { addr, server, running: Some((stop, thread)) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The endpoint to configure a client with.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What it has seen and carried out so far.
    pub fn ledger(&self) -> Ledger {
        self.server.ledger()
    }

    /// Stops it, and returns when the last connection is closed.
    pub fn stop(mut self) -> Ledger {
        self.halt();
        self.ledger()
    }

    fn halt(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            // Either may have ended by itself; there is nothing left to stop then.
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.halt();
    }
}
