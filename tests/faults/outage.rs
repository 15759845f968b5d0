//! A server that answers 503 to everything for a while: it must meet a few probes, never a storm.

use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::peer::{Leave, Peer, Visit, answer};
use crate::story::{Story, audience};

/// Calls at once before the outage.
const IN_FLIGHT: usize = 4;

/// The shortest holds there can be: half of 200 ms, doubled each time, up to half of 10 s.
fn shortest_holds() -> impl Iterator<Item = Duration> {
    (0..).map(|round: u32| Duration::from_millis((200_u64 << round.min(16)).min(10_000) / 2))
}

#[test]
fn an_outage_meets_a_few_probes_at_growing_distances_and_the_run_goes_on_after_it() {
    let seconds = std::env::var("PUSHPLAN_OUTAGE_SECONDS").map_or(4, |seconds| seconds.parse().unwrap());
    let outage = Duration::from_secs(seconds);
    let peer = Peer::start(move |visit: &mut Visit| {
        while visit.has_call() {
            if visit.calls_so_far() <= 20 || visit.since_call(20) > outage {
                visit.serve();
            } else {
                visit.read(Leave::Nothing);
                visit.send(&answer("503 Service Unavailable", "text/html", "<html>"));
            }
        }
    });
    let bench = Bench::with_endpoint("unlimited", &peer.endpoint());
    bench.write_campaign(600, 60, &format!("in_flight: {IN_FLIGHT}, max_failures: 100%"));
    bench.apply().code(5);
    Story::of(&bench).unwrap().check_settled(&peer.pushes(), &audience(600));

    let arrivals = peer.arrivals();
    let began = arrivals[20];
    let during: Vec<Instant> = arrivals[20..].iter().copied().filter(|at| *at - began <= outage).collect();
    let mut passed = Duration::ZERO;
    let probes_most = shortest_holds().take_while(|hold| (passed += *hold, passed <= outage).1).count();
    println!("{seconds} s of 503: {} calls arrived, at most {} may", during.len(), IN_FLIGHT + probes_most);
    assert!(during.len() <= IN_FLIGHT + probes_most, "{during:?}");

    // Those that were in flight together come first, within the shortest hold; then there is one at a time.
    let shortest = shortest_holds().next().expect("there is a first hold");
    let probes: Vec<Instant> = during.into_iter().filter(|at| *at - began >= shortest / 2).collect();
    assert!(probes.len() >= 4, "{probes:?}");
    for (pair, hold) in probes.windows(2).zip(shortest_holds().skip(1)) {
        // Half of it allows for a thread of this test that comes late to see an arrival.
        assert!(pair[1] - pair[0] >= hold / 2, "two probes {:?} apart", pair[1] - pair[0]);
    }
}
