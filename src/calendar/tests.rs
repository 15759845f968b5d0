//! What is foreseen of runs that share a pace.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{Expected, Load, Upcoming, forecast};
use crate::campaign::schedule::{Wave, Window};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn noon() -> Timestamp {
    at("2026-11-24T12:00:00Z")
}

/// A window from and until so many seconds after noon.
fn window(opens_s: i64, closes_s: i64) -> Window {
    let at = |s| Some(noon() + SignedDuration::from_secs(s));
    Window { opens_at: at(opens_s), closes_at: at(closes_s) }
}

/// So many calls of 500 in these windows, at ten calls a second.
fn load(calls: u64, windows: &[Window]) -> Load {
    Load { wave: Wave { windows: windows.to_vec(), zone: None }, recipients: calls * 500, calls, gap_s: 0.1 }
}

fn run(name: &str, loads: Vec<Load>) -> Upcoming {
    Upcoming {
        run: format!("{name}@once"),
        campaign: name.to_owned(),
        app: "shop".to_owned(),
        loads,
        skipped: 0,
    }
}

fn expected(runs: &[Upcoming]) -> Vec<Expected> {
    forecast(runs, noon(), noon()).runs
}

/// Start and finish in seconds after noon.
fn span(expected: &Expected) -> (f64, Option<f64>) {
    let seconds = |at: Timestamp| (at.duration_since(noon()).as_secs_f64() * 10.0).round() / 10.0;
    (seconds(expected.starts_at.unwrap()), expected.finishes_at.map(seconds))
}

#[test]
fn a_run_alone_takes_the_time_between_its_first_and_its_last_call() {
    let runs = expected(&[run("a", vec![load(101, &[window(60, 600)])])]);
    assert_eq!(span(&runs[0]), (60.0, Some(70.0)));
    assert_eq!((runs[0].calls, runs[0].recipients, &runs[0].late), (101, 50_500, &None));
}

#[test]
fn runs_of_one_app_take_turns_and_a_small_one_is_done_first() {
    let both =
        [run("large", vec![load(100, &[window(0, 600)])]), run("small", vec![load(20, &[window(0, 600)])])];
    // The small one's 20 calls are every second call of the first 40.
    let runs = expected(&both);
    assert_eq!(span(&runs[0]), (0.0, Some(11.9)));
    assert_eq!(span(&runs[1]), (0.0, Some(3.9)));
}

#[test]
fn runs_of_different_apps_do_not_wait_for_each_other() {
    let other = Upcoming { app: "news".to_owned(), ..run("b", vec![load(100, &[window(0, 600)])]) };
    let runs = expected(&[run("a", vec![load(100, &[window(0, 600)])]), other]);
    assert!(runs.iter().all(|run| span(run) == (0.0, Some(9.9))), "{runs:?}");
}

#[test]
fn two_runs_that_fit_alone_and_not_together_name_each_other() {
    let runs = expected(&[
        run("a", vec![load(80, &[window(0, 10)])]),
        run("b", vec![load(80, &[window(0, 60)])]),
        run("c", vec![load(1, &[window(300, 400)])]),
    ]);
    let late = runs[0].late.as_ref().expect("five seconds of turns are 50 calls");
    assert_eq!((late.unsent, &late.beside[..]), (15_000, &["b@once".to_owned()][..]));
    assert_eq!(runs[0].finishes_at, None);
    assert_eq!((span(&runs[1]), &runs[1].late), ((0.0, Some(12.9)), &None));
}

#[test]
fn a_run_that_is_too_large_for_its_own_window_blames_nobody() {
    let runs = expected(&[
        run("a", vec![load(200, &[window(0, 10)])]),
        run("b", vec![load(1, &[window(300, 310)])]),
    ]);
    let late = runs[0].late.as_ref().unwrap();
    assert_eq!((late.unsent, late.beside.len()), (50_000, 0));
}

#[test]
fn quiet_hours_interrupt_and_the_wave_that_closes_first_goes_first() {
    let runs =
        expected(&[run("a", vec![load(50, &[window(0, 2), window(100, 200)]), load(20, &[window(0, 500)])])]);
    // 20 calls before the pause, 20 of the other wave in it, 30 after it.
    assert_eq!(span(&runs[0]), (0.0, Some(102.9)));
    assert_eq!(runs[0].expires_at, window(0, 500).closes_at);
}

#[test]
fn what_has_expired_is_not_started() {
    let runs = expected(&[run("a", vec![load(10, &[window(-20, -10)])])]);
    assert_eq!(runs[0].starts_at, None);
    assert_eq!(runs[0].late.as_ref().unwrap().unsent, 5_000);
}

#[test]
fn without_a_limit_everything_leaves_when_it_opens() {
    let unlimited = Load { gap_s: 0.0, ..load(1_000_000, &[window(5, 10)]) };
    assert_eq!(span(&expected(&[run("a", vec![unlimited])])[0]), (5.0, Some(5.0)));
}

fn any_run(number: usize) -> impl Strategy<Value = Upcoming> {
    let windows = prop::collection::vec((0_i64..300, 1_i64..300), 1..3).prop_map(|spans| {
        let mut from = 0;
        let mut windows = Vec::new();
        for (wait, length) in spans {
            windows.push(window(from + wait, from + wait + length));
            from += wait + length + 1;
        }
        windows
    });
    let loads = prop::collection::vec((1_u64..3_000, windows), 1..4);
    loads.prop_map(move |loads| {
        run(&format!("r{number}"), loads.into_iter().map(|(calls, windows)| load(calls, &windows)).collect())
    })
}

proptest! {
    /// Sharing never brings a run's end forward, nothing leaves outside its windows, and the pace is never exceeded.
    #[test]
    fn sharing_makes_later_and_never_faster_than_the_pace(runs in (any_run(0), any_run(1), any_run(2))) {
        let runs = [runs.0, runs.1, runs.2];
        let together = expected(&runs);
        let mut sent = 0.0;
        let (mut first, mut last) = (f64::INFINITY, 0.0_f64);
        for expected_run in &together {
            let run = runs.iter().find(|run| run.run == expected_run.run).unwrap();
            let alone = &expected(std::slice::from_ref(run))[0];
            let unsent = |run: &Expected| run.late.as_ref().map_or(0, |late| late.unsent);
            // Each load is rounded up to a recipient.
            prop_assert!(unsent(expected_run) + 4 >= unsent(alone));
            if let (Some(end), Some(alone)) = (expected_run.finishes_at, alone.finishes_at) {
                prop_assert!(end >= alone - SignedDuration::from_millis(1));
            }
            let opens = expected_run.opens_at.unwrap();
            let expires = expected_run.expires_at.unwrap();
            if let Some(starts) = expected_run.starts_at {
                prop_assert!(starts >= opens && starts < expires);
                first = first.min(starts.duration_since(noon()).as_secs_f64());
            }
            if let Some(end) = expected_run.finishes_at {
                prop_assert!(end <= expires);
            }
            last = last.max(expected_run.finishes_at.unwrap_or(expires).duration_since(noon()).as_secs_f64());
            sent += (expected_run.recipients - unsent(expected_run)) as f64 / 500.0;
        }
        if sent > 0.0 {
            prop_assert!(sent * 0.1 <= last - first + 0.5, "{sent} calls in {first}..{last}");
        }
    }
}
