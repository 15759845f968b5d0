//! The main test of sending: the production executor and transition function in a simulated world.
//!
//! `PUSHPLAN_SEEDS=N` sets how many seeds are tried, `PUSHPLAN_SEED=N` replays one.

mod app;
mod random;
mod run;
mod server;
mod world;
mod year;

use world::{Bug, Figures, World};

/// As many as take some seconds; the longer run is described in tests/README.md.
const SEEDS: u64 = 100_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

fn live(seed: u64, bug: Bug) -> Result<Figures, String> {
    World::new(seed, bug).live()
}

#[test]
fn promises_hold_over_every_seed() {
    let (first, count) = match number("PUSHPLAN_SEED") {
        Some(seed) => (seed, 1),
        None => (0, number("PUSHPLAN_SEEDS").unwrap_or(SEEDS)),
    };
    let workers = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    let figures = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..workers)
            .map(|worker| {
                scope.spawn(move || {
                    let mut sum = Figures::default();
                    for seed in (first + worker..first + count).step_by(workers as usize) {
                        match live(seed, Bug::None) {
                            Ok(figures) => sum += figures,
                            Err(broken) => panic!(
                                "seed {seed}: {broken}\nreplay: PUSHPLAN_SEED={seed} cargo test --test simulator"
                            ),
                        }
                    }
                    sum
                })
            })
            .collect();
        let mut sum = Figures::default();
        for handle in handles {
            sum += handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        sum
    });
    println!(
        "simulator: {} seeds, {} calls, {} crashes, {} second runners, {} batches in doubt, {} runs complete",
        figures.lives, figures.calls, figures.crashes, figures.refused, figures.in_doubt, figures.complete
    );
    assert_eq!(figures.lives, count);
    if count > 1_000 {
        assert!(figures.crashes > count / 10 && figures.in_doubt > count / 10, "the faults do not bite");
        assert!(figures.complete > count / 2, "too few runs come to their end");
    }
}

/// A simulator that finds nothing proves nothing: each planted defect must be found, and by its own name.
#[test]
fn planted_bugs_are_found() {
    for (bug, symptom) in [
        (Bug::ResendInDoubt, "carried out"),
        (Bug::SendBeforeDurable, "carried out"),
        (Bug::PermitAtIntent, "sliding second"),
        (Bug::ForgetRateOnRestart, "sliding second"),
        (Bug::NoLock, "cannot be"),
        (Bug::RateForEachRun, "sliding second"),
        (Bug::WavesAlwaysOpen, "outside the windows"),
    ] {
        let found = (0..5_000).filter_map(|seed| live(seed, bug).err()).find(|why| why.contains(symptom));
        assert!(found.is_some(), "{bug:?} was not found");
    }
}
