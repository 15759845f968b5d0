//! `kill -9` of the real process: at every step in which it meets the world, at every moment of a call as the
//! server sees it, and at random moments.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use pushplan::sandbox::{Config, Faults};

use crate::bench::{Bench, kill_9};
use crate::peer::{Leave, Peer, Visit};
use crate::place::KILLS_EVERY;
use crate::shim::{self, Act};
use crate::story::{Pushes, Story, audience, change_audience, pushes};

/// The machine that runs this in CI has two cores.
const WORKERS: usize = 2;

/// Everything that the runner does to the world but reading its own state.
const STEPS: &str = "owfcsa";

fn small_campaign() -> Bench {
    let bench = Bench::with_sandbox("unlimited", Config::default());
    bench.write_campaign(30, 6, "in_flight: 2");
    bench
}

/// After any number of kills: the numbers add up, applying again finishes the run as it was frozen, and a third
/// apply sends nothing.
#[track_caller]
fn recovers(bench: &Bench, accounts: usize, pushes: &dyn Fn() -> Pushes) -> Story {
    let frozen = Story::of(bench);
    if let Some(story) = &frozen {
        story.check_midway(&pushes());
        assert!(bench.recipients().balances());
    }
    let changed = change_audience(bench);
    let wanted = if frozen.is_some() { audience(accounts) } else { changed };
    let said = bench.apply();
    let story = Story::of(bench).unwrap_or_else(|| panic!("nothing was frozen: {}", said.stderr));
    said.code(if story.in_doubt.is_empty() { 0 } else { 5 });
    story.check_settled(&pushes(), &wanted);
    story
}

/// Runs a small campaign once for every step among `kinds` (or every so many of them), each time killed at the next
/// one. Gives how many steps there are, about.
fn kill_at_every_step(kinds: &str, act: Act) -> usize {
    let every = if std::env::var_os("PUSHPLAN_KILLS").is_some() { 1 } else { KILLS_EVERY };
    let next = AtomicUsize::new(fastrand::usize(1..=every));
    let met = Mutex::new(BTreeMap::<String, usize>::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(every, Ordering::Relaxed);
                    let bench = small_campaign();
                    let ran = shim::apply(&bench, kinds, number, act);
                    // Whether it was killed is told by its end: the log of steps may lack what another thread was about
                    // to write, and the last word to a database is a thread's that nobody waits for.
                    if ran.said.code != -1 {
                        let steps = ran.steps.len();
                        assert!(
                            number >= steps,
                            "not killed at step {number} of {steps}: {}",
                            ran.said.stderr
                        );
                        ran.said.code(0);
                        return;
                    }
                    let step = ran.steps.last().expect("the shim has counted steps");
                    recovers(&bench, 30, &|| pushes(&bench));
                    let carried_out = bench.ledger().carried_out;
                    bench.apply();
                    assert_eq!(bench.ledger().carried_out, carried_out, "a third apply sent something");
                    let kind = step.split_once(' ').map_or("", |(_, kind)| kind).to_owned();
                    *met.lock().unwrap().entry(kind).or_default() += 1;
                }
            });
        }
    });
    let met = met.into_inner().unwrap();
    for (kind, count) in &met {
        println!("  {act:?} at {count:3} × {kind}");
    }
    met.values().sum::<usize>() * every
}

#[test]
fn killed_before_any_step_nobody_is_lost_and_nobody_gets_it_twice() {
    let steps = kill_at_every_step(STEPS, Act::Kill);
    println!("killed before steps of {steps}, every {KILLS_EVERY}");
    assert!(steps > 100, "{steps}");
}

#[test]
fn killed_halfway_through_any_write_nobody_is_lost_and_nobody_gets_it_twice() {
    let steps = kill_at_every_step("ws", Act::Tear);
    println!("killed halfway through writes of {steps}, every {KILLS_EVERY}");
    assert!(steps > 60, "{steps}");
}

/// How far a call has come, as its server sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The connection is taken; nothing is read.
    Taken,
    /// Half of the body is read.
    HalfRead,
    /// The call is read, and not carried out.
    Read,
    /// The call is carried out; nothing is answered.
    CarriedOut,
    /// Half of the answer is sent.
    HalfAnswered,
    /// The whole answer is sent.
    Answered,
}

#[test]
fn killed_at_any_moment_of_a_call_only_the_calls_in_flight_are_in_doubt() {
    use Moment::{Answered, CarriedOut, HalfAnswered, HalfRead, Read, Taken};
    let mut kills = 0;
    for moment in [Taken, HalfRead, Read, CarriedOut, HalfAnswered, Answered] {
        for call in [0, 3] {
            let (tell, told) = mpsc::channel();
            let struck = AtomicBool::new(false);
            let calls = AtomicUsize::new(0);
            let peer = Peer::start(move |visit: &mut Visit| {
                while visit.has_call() {
                    let due = calls.fetch_add(1, Ordering::SeqCst) >= call;
                    if !due || struck.swap(true, Ordering::SeqCst) {
                        visit.serve();
                        continue;
                    }
                    go_to(moment, visit);
                    tell.send(()).unwrap();
                    return visit.wait_for_end();
                }
            });
            let bench = Bench::with_endpoint("unlimited", &peer.endpoint());
            bench.write_campaign(30, 6, "in_flight: 1");
            let child = bench.command(&["apply", "--auto-approve"]).spawn().unwrap();
            told.recv_timeout(Duration::from_secs(30)).unwrap();
            kill_9(child);
            let story = recovers(&bench, 30, &|| peer.pushes());
            let (in_doubt, pushed) = (story.in_doubt.len(), peer.pushes().len());
            match moment {
                Taken | HalfRead | Read => assert_eq!((in_doubt, pushed), (5, 25), "{moment:?}"),
                CarriedOut | HalfAnswered => assert_eq!((in_doubt, pushed), (5, 30), "{moment:?}"),
                // The answer may have been recorded, and the next call begun.
                Answered => assert!([0, 5].contains(&in_doubt), "{story:?}"),
            }
            kills += 1;
        }
    }
    println!("killed at {kills} moments of a call");
}

fn go_to(moment: Moment, visit: &mut Visit) {
    match moment {
        Moment::Taken => {}
        Moment::HalfRead => _ = visit.read(Leave::Half),
        Moment::Read => _ = visit.read(Leave::Nothing),
        Moment::CarriedOut | Moment::HalfAnswered | Moment::Answered => {
            let call = visit.read(Leave::Nothing);
            visit.carry_out(&call);
            let answer = crate::peer::ok();
            let share = match moment {
                Moment::HalfAnswered => answer.len() / 2,
                Moment::Answered => answer.len(),
                _ => 0,
            };
            visit.send(&answer[..share]);
        }
    }
}

/// Kills in all: few in the plain test command, `PUSHPLAN_KILLS=1000` for the longer one.
fn kills_wanted() -> u64 {
    std::env::var("PUSHPLAN_KILLS").map_or(40, |kills| kills.parse().expect("PUSHPLAN_KILLS is a number"))
}

#[test]
fn killed_at_random_moments_time_and_again_the_stories_agree() {
    let wanted = kills_wanted();
    let (kills, runs) = (AtomicU64::new(0), AtomicU64::new(0));
    let (doubts, calls) = (AtomicU64::new(0), AtomicU64::new(0));
    let whole = Arc::new(Mutex::new(Duration::from_millis(300)));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while kills.load(Ordering::Relaxed) < wanted {
                    let bench = random_campaign();
                    let most = fastrand::u32(1..=5);
                    let mut killed = 0;
                    while killed < most {
                        let mut child = bench.command(&["apply", "--auto-approve"]).spawn().unwrap();
                        let longest = *whole.lock().unwrap();
                        std::thread::sleep(longest.mul_f64(fastrand::f64()));
                        if child.try_wait().unwrap().is_some() {
                            break;
                        }
                        kill_9(child);
                        killed += 1;
                        if let Some(story) = Story::of(&bench) {
                            story.check_midway(&pushes(&bench));
                            change_audience(&bench);
                        }
                    }
                    let before = Instant::now();
                    let story = recovers(&bench, 400, &|| pushes(&bench));
                    if killed == 0 {
                        // A run that was faster than the kill: aim better.
                        *whole.lock().unwrap() = before.elapsed().max(Duration::from_millis(60));
                    }
                    kills.fetch_add(u64::from(killed), Ordering::Relaxed);
                    runs.fetch_add(1, Ordering::Relaxed);
                    doubts.fetch_add(story.in_doubt.len() as u64, Ordering::Relaxed);
                    calls.fetch_add(bench.ledger().carried_out, Ordering::Relaxed);
                }
            });
        }
    });
    let [kills, runs, doubts, calls] = [kills, runs, doubts, calls].map(AtomicU64::into_inner);
    println!("{kills} random kills in {runs} runs: {calls} calls carried out, {doubts} recipients in doubt");
    assert!(kills >= wanted);
}

/// Forty calls that take a few milliseconds each, so that a random moment mostly falls among them.
fn random_campaign() -> Bench {
    let faults = Faults {
        seed: fastrand::u64(..),
        latency_min: Duration::from_millis(1),
        latency_max: Duration::from_millis(20),
        ..Faults::default()
    };
    let bench = Bench::with_sandbox("unlimited", Config { faults, ..Config::default() });
    bench.write_campaign(400, 40, "in_flight: 4");
    bench
}
