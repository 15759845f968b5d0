//! The fault matrix: every way in which a call can go wrong, against the whole binary. What is observed is the
//! table of `docs/faults.md`.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::bench::{Bench, Said};
use crate::peer::{self, Leave, Peer, Visit, answer, coded};
use crate::shim;
use crate::story::{Story, audience};
use crate::table;

const ACCOUNTS: usize = 48;
const BATCHES: usize = 24;

/// What the server does with one call; whether it keeps the connection.
type Deed = fn(&mut Visit) -> bool;

/// Where a call goes.
#[derive(Clone, Copy)]
enum To {
    Server(Deed),
    /// A server that knows no TLS, asked for it.
    Plain(Deed),
    NoName,
    NoListener,
}

/// `OK` with an `ErrorList` of one entry.
fn with_error_list(account: &str) -> Vec<u8> {
    let body = format!(
        r#"{{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"TaskId":"batch_1","ErrorList":[{{"ErrorCode":70107,"To_Account":"{account}"}}]}}"#
    );
    answer("200 OK", "application/json", &body)
}

/// Reads the call and answers it so, without carrying it out.
fn refuse(visit: &mut Visit, answer: &[u8]) -> bool {
    visit.read(Leave::Nothing);
    visit.send(answer);
    true
}

/// Carries the call out and answers it so.
fn obey(visit: &mut Visit, answer: &[u8]) -> bool {
    let call = visit.read(Leave::Nothing);
    visit.carry_out(&call);
    visit.send(answer);
    true
}

/// Sends in pieces, with a pause after each.
fn drip(visit: &mut Visit, piece: usize, pause_ms: u64) -> bool {
    let call = visit.read(Leave::Nothing);
    visit.carry_out(&call);
    for part in peer::ok().chunks(piece) {
        visit.send(part);
        std::thread::sleep(Duration::from_millis(pause_ms));
    }
    true
}

const PAGE: &str = "<html>no</html>";

const FAULTS: &[(&str, To)] = &[
    ("the name is not found", To::NoName),
    ("the connection is refused", To::NoListener),
    (
        "the TLS handshake is answered with plain text",
        To::Plain(|visit| {
            visit.send(&answer("400 Bad Request", "text/html", PAGE));
            false
        }),
    ),
    ("the connection is reset in the TLS handshake", To::Plain(|_| false)),
    ("reset before the call was read", To::Server(|_| false)),
    (
        "reset halfway through the call",
        To::Server(|visit| {
            visit.read(Leave::Half);
            false
        }),
    ),
    (
        "reset after the call was carried out",
        To::Server(|visit| {
            let call = visit.read(Leave::LastByte);
            visit.carry_out(&call);
            false
        }),
    ),
    (
        "closed after the call was carried out",
        To::Server(|visit| {
            let call = visit.read(Leave::Nothing);
            visit.carry_out(&call);
            false
        }),
    ),
    (
        "no answer in time; not carried out",
        To::Server(|visit| {
            visit.read(Leave::Nothing);
            visit.wait_for_end();
            false
        }),
    ),
    (
        "no answer in time; carried out",
        To::Server(|visit| {
            let call = visit.read(Leave::Nothing);
            visit.carry_out(&call);
            visit.wait_for_end();
            false
        }),
    ),
    ("an answer that drips for longer than the timeout", To::Server(|visit| drip(visit, 1, 25))),
    ("an answer that drips, and ends in time", To::Server(|visit| drip(visit, 40, 10))),
    (
        "the connection is closed while it is idle",
        To::Server(|visit| {
            visit.serve();
            false
        }),
    ),
    ("HTTP 302", To::Server(|visit| refuse(visit, &answer("302 Found", "text/html", PAGE)))),
    ("HTTP 404", To::Server(|visit| refuse(visit, &answer("404 Not Found", "text/html", PAGE)))),
    ("HTTP 413", To::Server(|visit| refuse(visit, &answer("413 Too Large", "text/html", PAGE)))),
    ("HTTP 429", To::Server(|visit| refuse(visit, &answer("429 Too Many", "text/html", PAGE)))),
    ("HTTP 502", To::Server(|visit| refuse(visit, &answer("502 Bad Gateway", "text/html", PAGE)))),
    ("HTTP 503", To::Server(|visit| refuse(visit, &answer("503 Unavailable", "text/html", PAGE)))),
    ("HTTP 504; carried out", To::Server(|visit| obey(visit, &answer("504 Timeout", "text/html", PAGE)))),
    (
        "200 with a truncated body",
        To::Server(|visit| {
            let ok = peer::ok();
            obey(visit, &ok[..ok.len() - 20]);
            false
        }),
    ),
    ("200 with an empty body", To::Server(|visit| obey(visit, &answer("200 OK", "application/json", "")))),
    (
        "200 with a body of 2 MiB",
        To::Server(|visit| {
            let long = format!(r#"{{"ErrorInfo":"{}"}}"#, "x".repeat(2 << 20));
            obey(visit, &answer("200 OK", "application/json", &long))
        }),
    ),
    (
        "200 with a body that is not JSON",
        To::Server(|visit| obey(visit, &answer("200 OK", "text/html", PAGE))),
    ),
    (
        "200 with the vendor's body and a wrong content type",
        To::Server(|visit| {
            let ok = String::from_utf8(peer::ok()).unwrap().replace("application/json", "text/html");
            obey(visit, ok.as_bytes())
        }),
    ),
    ("a head that is not HTTP", To::Server(|visit| obey(visit, b"SSH-2.0-OpenSSH_9.9\r\n\r\n"))),
    ("70001, the UserSig has expired", To::Server(|visit| refuse(visit, &coded(70001)))),
    ("60011, throttled", To::Server(|visit| refuse(visit, &coded(60011)))),
    ("60014, the vendor's own timeout", To::Server(|visit| refuse(visit, &coded(60014)))),
    ("91000, the vendor's internal error", To::Server(|visit| obey(visit, &coded(91000)))),
    ("90045, push is not enabled", To::Server(|visit| refuse(visit, &coded(90045)))),
    ("90001, the batch is malformed", To::Server(|visit| refuse(visit, &coded(90001)))),
    ("a code that no table names", To::Server(|visit| refuse(visit, &coded(123_456)))),
    (
        "OK, with an ErrorList that names an account of the batch",
        To::Server(|visit| {
            let call = visit.read(Leave::Nothing);
            let first = call.accounts[0].clone();
            visit.carry_out_but(&call, &BTreeSet::from([first.clone()]));
            visit.send(&with_error_list(&first));
            true
        }),
    ),
    (
        "OK, with an ErrorList that names an account of no batch",
        To::Server(|visit| obey(visit, &with_error_list("somebody-else"))),
    ),
];

/// A workspace, its server, and the fault's end.
struct Stage {
    bench: Bench,
    peer: Peer,
    healed: Arc<AtomicBool>,
}

impl Stage {
    /// A server that meets the first call with the fault, or every call.
    fn set(to: To, lasting: bool) -> Self {
        let healed = Arc::new(AtomicBool::new(false));
        let calls = AtomicUsize::new(0);
        let deed: Deed = match to {
            To::Server(deed) | To::Plain(deed) => deed,
            To::NoName | To::NoListener => |_| false,
        };
        let peer = Peer::start({
            let healed = Arc::clone(&healed);
            move |visit: &mut Visit| {
                while visit.has_call() {
                    let first = calls.fetch_add(1, Ordering::SeqCst) == 0;
                    if healed.load(Ordering::SeqCst) || !(lasting || first) {
                        visit.serve();
                    } else if !deed(visit) {
                        return;
                    }
                }
            }
        });
        let endpoint = match to {
            To::Server(_) => peer.endpoint(),
            To::Plain(_) => format!("https://{}", peer.address()),
            To::NoName => "https://push.invalid".to_owned(),
            To::NoListener => format!("http://{}", free_address()),
        };
        // Slow enough for an idle connection to be idle.
        let bench = Bench::with_endpoint("100", &endpoint);
        bench.write_campaign(ACCOUNTS, BATCHES, "in_flight: 1, timeout: 1s");
        Self { bench, peer, healed }
    }

    fn apply(&self, to: To) -> Said {
        let mut command = self.bench.command(&["apply", "--auto-approve"]);
        if matches!(to, To::NoName) {
            shim::without_names(&mut command);
        }
        Said::of(command.output().unwrap())
    }

    #[track_caller]
    fn story(&self) -> Story {
        let story = Story::of(&self.bench).unwrap();
        story.check_midway(&self.peer.pushes());
        story
    }

    /// The fault ends; the next apply must settle everybody.
    #[track_caller]
    fn heal(&self) {
        self.healed.store(true, Ordering::SeqCst);
        self.bench.point_at("unlimited", &self.peer.endpoint());
        if self.story().paused {
            self.bench.run(&["resume", "c@once"]).code(0);
        }
        let said = self.bench.apply();
        assert!([0, 3, 5].contains(&said.code), "{}", said.stderr);
        self.story().check_settled(&self.peer.pushes(), &audience(ACCOUNTS));
    }
}

/// An address at which nobody listens.
fn free_address() -> std::net::SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// The class that the first call was given, as the log says it.
fn class(said: &Said) -> &str {
    said.stderr.split_once("class=\"").and_then(|(_, rest)| rest.split('"').next()).unwrap_or("accepted")
}

/// What became of the batch that met the fault.
fn fate(story: &Story, said: &Said, calls: usize) -> &'static str {
    match story.failed.len() {
        1 => return "counts it as accepted, less the account named",
        2.. => return "counts it as failed",
        0 => {}
    }
    if !story.in_doubt.is_empty() {
        "holds it for a person"
    } else if story.tally.remaining > 0 && !said.stderr.contains("attempt=2") {
        "pauses the run, keeps it"
    } else if calls > BATCHES || said.stderr.contains("attempt=2") {
        "tries it again"
    } else {
        "counts it as accepted"
    }
}

fn observe(name: &str, to: To) -> String {
    let lasting = Stage::set(to, true);
    let said_always = lasting.apply(to);
    let story_always = lasting.story();
    let (once, fate) = if let To::Server(_) = to {
        let stage = Stage::set(to, false);
        let said = stage.apply(to);
        let story = stage.story();
        assert_eq!(class(&said), class(&said_always), "{name}");
        let fate = fate(&story, &said, stage.peer.arrivals().len());
        stage.heal();
        (said.code.to_string(), fate)
    } else {
        ("–".to_owned(), fate(&story_always, &said_always, 0))
    };
    lasting.heal();
    format!("| {name} | {} | {fate} | {once} | {} |", class(&said_always), said_always.code)
}

#[test]
fn every_fault_of_the_way_and_of_the_server_does_what_the_table_says() {
    let next = AtomicUsize::new(0);
    let rows = std::sync::Mutex::new(vec![String::new(); FAULTS.len()]);
    // Mostly waiting for timeouts and holds.
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                while let index = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(&(name, to)) = FAULTS.get(index)
                {
                    let row = observe(name, to);
                    rows.lock().unwrap()[index] = row;
                }
            });
        }
    });
    table::check("Faults of a call", &rows.into_inner().unwrap());
    println!("{} faults of a call, each met once and for good", FAULTS.len());
}
