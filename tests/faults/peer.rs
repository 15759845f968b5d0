//! A server of which every byte is decided by the test: what it reads of a call, whether it carries it out, and what
//! it answers. The sandbox is the vendor; this is the network's bad day.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::story::Pushes;

/// A running server. Dropping it stops it.
pub struct Peer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    arrivals: Mutex<Vec<Instant>>,
    pushes: Mutex<Pushes>,
}

/// One connection.
pub struct Visit<'a> {
    pub stream: TcpStream,
    shared: &'a Shared,
}

/// How much of a call's body is left unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    Nothing,
    /// Enough to understand it; closing with something unread is a reset on the wire, not an orderly end.
    LastByte,
    Half,
}

/// The accounts of a call; empty where too little of it was read.
pub struct Call {
    pub accounts: Vec<String>,
}

impl Peer {
    /// Starts a server; `script` handles each connection, on a thread of its own.
    pub fn start(script: impl Fn(&mut Visit) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let script = Arc::new(script);
        std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming() {
                    if shared.stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    let (shared, script) = (Arc::clone(&shared), Arc::clone(&script));
                    let stream = stream.unwrap();
                    stream.set_nodelay(true).unwrap();
                    std::thread::spawn(move || script(&mut Visit { stream, shared: &shared }));
                }
            }
        });
        Self { address, shared }
    }

    /// Without the scheme: `127.0.0.1:4321`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was carried out.
    pub fn pushes(&self) -> Pushes {
        self.shared.pushes.lock().unwrap().clone()
    }

    /// When each call's first bytes came.
    pub fn arrivals(&self) -> Vec<Instant> {
        self.shared.arrivals.lock().unwrap().clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Visit<'_> {
    /// Waits for the first byte of a call; false where the client has closed. A question for the time, which apply
    /// begins with, is answered and is no call.
    pub fn has_call(&mut self) -> bool {
        let mut first = [0];
        while self.stream.peek(&mut first).is_ok_and(|bytes| bytes > 0) {
            if first != *b"H" {
                self.shared.arrivals.lock().unwrap().push(Instant::now());
                return true;
            }
            self.read_head();
            self.send(b"HTTP/1.1 200 OK\r\n\r\n");
        }
        false
    }

    /// How many calls have come to the server.
    pub fn calls_so_far(&self) -> usize {
        self.shared.arrivals.lock().unwrap().len()
    }

    /// The time since the call at this index came.
    pub fn since_call(&self, index: usize) -> Duration {
        self.shared.arrivals.lock().unwrap()[index].elapsed()
    }

    /// Reads a call, or part of it.
    pub fn read(&mut self, leave: Leave) -> Call {
        let Some(head) = self.read_head() else { return Call { accounts: Vec::new() } };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let length: usize = length.parse().unwrap();
        let unread = match leave {
            Leave::Nothing => 0,
            Leave::LastByte => 1,
            Leave::Half => length / 2,
        };
        let mut body = vec![b'}'; length];
        if self.stream.read_exact(&mut body[..length - unread]).is_err() {
            return Call { accounts: Vec::new() };
        }
        let json: Value = serde_json::from_slice(&body).unwrap_or_default();
        let accounts = json["To_Account"].as_array().into_iter().flatten();
        Call { accounts: accounts.map(|account| account.as_str().unwrap().to_owned()).collect() }
    }

    /// Reads up to the body; `None` where the client closes before.
    fn read_head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).ok()?;
            head.extend(byte);
        }
        Some(String::from_utf8(head).unwrap().to_ascii_lowercase())
    }

    pub fn carry_out(&self, call: &Call) {
        self.carry_out_but(call, &BTreeSet::new());
    }

    /// Pushes to all accounts of a call but some.
    pub fn carry_out_but(&self, call: &Call, but: &BTreeSet<String>) {
        let mut pushes = self.shared.pushes.lock().unwrap();
        for account in call.accounts.iter().filter(|account| !but.contains(*account)) {
            *pushes.entry(account.clone()).or_default() += 1;
        }
    }

    /// Sends bytes as they are. A client that has gone is no matter.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Does all of it as it should be.
    pub fn serve(&mut self) {
        let call = self.read(Leave::Nothing);
        self.carry_out(&call);
        self.send(&ok());
    }

    /// Says nothing until the client closes or dies.
    pub fn wait_for_end(&mut self) {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest);
    }
}

/// An answer of HTTP/1.1 with its length.
pub fn answer(status: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}")
        .into()
}

/// The vendor's answer of a code; 0 is OK.
pub fn coded(code: i64) -> Vec<u8> {
    let status = if code == 0 { "OK" } else { "FAIL" };
    let body =
        format!(r#"{{"ActionStatus":"{status}","ErrorInfo":"","ErrorCode":{code},"TaskId":"batch_1"}}"#);
    answer("200 OK", "application/json", &body)
}

/// The vendor's answer to a call that it took.
pub fn ok() -> Vec<u8> {
    coded(0)
}
