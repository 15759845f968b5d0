//! A CI job that is cancelled, as GitHub's runner does it: SIGINT, SIGTERM 7.5 s later, then SIGKILL. Wherever in this
//! the process ends, what was in flight is in doubt and nothing else, and the next job goes on.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::peer::{Leave, Peer, Visit};
use crate::story::{Story, audience, change_audience};

/// Between the runner's SIGINT and its SIGTERM.
const PATIENCE: Duration = Duration::from_millis(7_500);

/// What comes after SIGINT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// What the runner does, after its patience.
    Wait,
    /// SIGTERM while calls in flight are waited for.
    Term,
    /// SIGKILL then: a machine that is taken away.
    Kill,
}

fn send(child: &Child, signal: &str) {
    assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
}

/// The exit code; -1 after SIGKILL.
fn end(mut child: Child, then: Then) -> i32 {
    let asked = Instant::now();
    send(&child, "INT");
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(log.any(|line| line.contains("stopping: waiting")), "the signal was not heard");
    match then {
        Then::Wait => {
            while child.try_wait().unwrap().is_none() && asked.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(20));
            }
            println!("SIGINT, then nothing: ended after {:.1} s", asked.elapsed().as_secs_f64());
            if child.try_wait().unwrap().is_none() {
                send(&child, "TERM");
            }
        }
        Then::Term => send(&child, "TERM"),
        Then::Kill => child.kill().unwrap(),
    }
    child.wait().unwrap().code().unwrap_or(-1)
}

/// Two of six calls are answered; the next two are carried out, and never answered while the first job lives.
fn cancelled(then: Then) {
    let (tell, told) = mpsc::channel();
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&is_mended);
    let peer = Peer::start(move |visit: &mut Visit| {
        while visit.has_call() {
            if mended.load(Ordering::SeqCst) || visit.calls_so_far() <= 2 {
                visit.serve();
                continue;
            }
            let call = visit.read(Leave::Nothing);
            visit.carry_out(&call);
            tell.send(()).unwrap();
            return visit.wait_for_end();
        }
    });
    let bench = Bench::with_endpoint("unlimited", &peer.endpoint());
    bench.write_campaign(30, 6, "in_flight: 2");
    let child = bench.command(&["apply", "--auto-approve"]).spawn().unwrap();
    for _ in 0..2 {
        told.recv_timeout(Duration::from_secs(30)).unwrap();
    }
    let code = end(child, then);
    assert_eq!(code, if then == Then::Kill { -1 } else { 4 }, "{then:?}");

    let story = Story::of(&bench).unwrap();
    story.check_midway(&peer.pushes());
    let tally = story.tally;
    assert_eq!((tally.accepted, tally.in_doubt, tally.remaining), (10, 10, 10), "{then:?}");

    is_mended.store(true, Ordering::SeqCst);
    change_audience(&bench);
    bench.apply().code(5);
    let story = Story::of(&bench).unwrap();
    story.check_settled(&peer.pushes(), &audience(30));
    assert_eq!(story.in_doubt.len(), 10, "{then:?}");
    let sent = peer.arrivals().len();
    bench.apply().code(5);
    assert_eq!(peer.arrivals().len(), sent, "a third job sent something");
}

#[test]
fn a_cancelled_job_leaves_in_doubt_what_was_in_flight_and_the_next_one_goes_on() {
    std::thread::scope(|scope| {
        for then in [Then::Wait, Then::Term, Then::Kill] {
            scope.spawn(move || cancelled(then));
        }
    });
}
