//! Several runs at once: whose turn it is.
//!
//! The runs of one app share its [`Line`], and the permit goes round among those that have something to send; runs of
//! different apps do not wait for each other. A small run beside a large one gets every second call until it is done,
//! and a run that is paused, broken off or waits holds up nobody.

use std::collections::VecDeque;

use super::run::Poll;
use super::{Event, Executor, Line, Pause, Step, Tick};

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Carry out a step of a run, and ask again.
    Do {
        /// The run, as [`Fleet::add_run`] has numbered it.
        run: usize,
        /// What to do for it.
        step: Step,
    },
    /// Nothing to do before this tick, unless something happens; without a tick, until something happens.
    Wait(Option<Tick>),
    /// Every run has come to its end.
    Done,
}

/// All runs of one apply, and the apps they send to.
#[derive(Debug, Default)]
pub struct Fleet {
    lines: Vec<Line>,
    runs: Vec<Member>,
    /// The runs that have not ended; in front whose turn it is.
    order: VecDeque<usize>,
}

#[derive(Debug)]
struct Member {
    line: usize,
    executor: Executor,
}

impl Fleet {
    /// Adds an app; gives its number.
    pub fn add_line(&mut self, line: Line) -> usize {
        self.lines.push(line);
        self.lines.len() - 1
    }

    /// Adds a run of an app; gives its number. Added in order of deadline, the most urgent one has the first turn.
    pub fn add_run(&mut self, line: usize, executor: Executor) -> usize {
        let run = self.runs.len();
        self.runs.push(Member { line, executor });
        self.order.push_back(run);
        run
    }

    /// What to do now. Ask again after every [`Turn::Do`]; after [`Turn::Wait`] when the tick has come or an event was
    /// handled.
    pub fn poll(&mut self, now: Tick) -> Turn {
        let mut wake: Option<Tick> = None;
        for place in 0..self.order.len() {
            let run = self.order[place];
            let Member { line, executor } = &mut self.runs[run];
            match executor.poll(now, &mut self.lines[*line]) {
                Poll::Wait(until) => wake = [wake, until].into_iter().flatten().min(),
                Poll::Do(step) => {
                    if matches!(step, Step::Send(_) | Step::Finished(_)) {
                        self.order.remove(place);
                    }
                    if matches!(step, Step::Send(_)) {
                        self.order.push_back(run);
                    }
                    return Turn::Do { run, step };
                }
            }
        }
        if self.order.is_empty() { Turn::Done } else { Turn::Wait(wake) }
    }

    /// Takes in what happened to a run.
    pub fn handle(&mut self, now: Tick, run: usize, event: Event) {
        let Member { line, executor } = &mut self.runs[run];
        executor.handle(now, event, &mut self.lines[*line]);
    }

    /// Stops every run.
    pub fn interrupt(&mut self, now: Tick, pause: &Pause) {
        for run in self.order.clone() {
            self.handle(now, run, Event::Interrupted(pause.clone()));
        }
    }

    /// The runs that have not ended.
    pub fn running(&self) -> impl Iterator<Item = usize> + '_ {
        self.order.iter().copied()
    }

    /// The executor of a run.
    pub fn run(&self, run: usize) -> &Executor {
        &self.runs[run].executor
    }

    /// The line of a run.
    pub fn line(&self, run: usize) -> &Line {
        &self.lines[self.runs[run].line]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::{Delivery, Rate};
    use crate::executor::{End, Limits, Opening, Pace, Settings};
    use crate::outcome::{Answer, Outcome};
    use crate::state::{Batch, BatchState, Tally};

    const SECOND: u64 = 1_000_000;

    fn line(calls_per_second: f64) -> Line {
        let rate = Rate { calls_per_second: Some(calls_per_second), recipients_per_second: None };
        Line::new(Pace::new(Limits::of(rate), []), 1)
    }

    /// A run of so many batches of one recipient in each wave; a wave is open between two ticks.
    fn run(waves: &[(u64, u64, u32)], stay_until: u64) -> Executor {
        let mut batches = Vec::new();
        for (wave, (.., count)) in (0..).zip(waves) {
            let batch = Batch { recipients: 1, wave, state: BatchState::default() };
            batches.extend(std::iter::repeat_n(batch, *count as usize));
        }
        let opening = |(opens_at, closes_at, _): &(u64, u64, u32)| {
            vec![Opening { opens_at: Tick(*opens_at), closes_at: Some(Tick(*closes_at)) }]
        };
        let planned = batches.len() as u64;
        let settings = Settings {
            delivery: Delivery::default(),
            waves: waves.iter().map(opening).collect(),
            stay_until: Tick(stay_until),
        };
        let tally = Tally { planned, remaining: planned, ..Tally::default() };
        Executor::new(settings, batches, tally)
    }

    type Calls = Vec<(u64, usize)>;

    /// Drives a fleet with a disk and servers that take no time; `answer` is what a call of a run comes to. Gives when
    /// each call left and of which run it was, and how the runs ended.
    fn drive(fleet: &mut Fleet, answer: &dyn Fn(usize) -> Outcome) -> (Calls, Vec<(usize, End)>) {
        let (mut now, mut calls, mut ends) = (Tick(0), Vec::new(), Vec::new());
        loop {
            match fleet.poll(now) {
                Turn::Do { run, step: Step::Commit(_) } => fleet.handle(now, run, Event::Durable),
                Turn::Do { run, step: Step::Send(attempt) } => {
                    calls.push((now.0, run));
                    fleet.handle(now, run, Event::Answered(attempt, answer(run)));
                }
                Turn::Do { run, step: Step::Finished(end) } => ends.push((run, end)),
                Turn::Do { step: Step::Renew, .. } => {}
                Turn::Wait(tick) => now = tick.expect("everything is durable and answered"),
                Turn::Done => return (calls, ends),
            }
        }
    }

    fn accepted(_: usize) -> Outcome {
        Outcome::Accepted { task_id: "t".to_owned(), failed: Vec::new() }
    }

    fn always(count: u32) -> Executor {
        run(&[(0, u64::MAX, count)], 0)
    }

    #[test]
    fn the_permit_goes_round_so_that_a_small_run_is_done_early_beside_a_large_one() {
        let mut fleet = Fleet::default();
        let app = fleet.add_line(line(10.0));
        let large = fleet.add_run(app, always(100));
        let small = fleet.add_run(app, always(5));
        let (calls, _) = drive(&mut fleet, &accepted);
        let first: Vec<usize> = calls.iter().take(10).map(|(_, run)| *run).collect();
        assert_eq!(first, [large, small].repeat(5));
        for start in &calls {
            let second = calls.iter().filter(|call| (start.0..start.0 + SECOND).contains(&call.0));
            assert!(second.count() <= 10, "the runs share one rate");
        }
        assert!(calls.last().unwrap().0 < 11 * SECOND, "and use all of it");
    }

    #[test]
    fn apps_do_not_wait_for_each_other() {
        let mut fleet = Fleet::default();
        let (slow, fast) = (fleet.add_line(line(1.0)), fleet.add_line(line(100.0)));
        fleet.add_run(slow, always(10));
        let quick = fleet.add_run(fast, always(100));
        let (calls, _) = drive(&mut fleet, &accepted);
        let last = calls.iter().rfind(|(_, run)| *run == quick).unwrap();
        assert!(last.0 < 2 * SECOND, "{last:?}");
    }

    #[test]
    fn what_stops_the_app_stops_all_its_runs_and_no_others() {
        let mut fleet = Fleet::default();
        let (bad, good) = (fleet.add_line(line(100.0)), fleet.add_line(line(100.0)));
        let (first, second) = (fleet.add_run(bad, always(9)), fleet.add_run(bad, always(9)));
        let other = fleet.add_run(good, always(9));
        let answer =
            |run| if run == other { accepted(run) } else { Outcome::Stopped(Answer::new(60_009, "")) };
        let (calls, mut ends) = drive(&mut fleet, &answer);
        assert_eq!(calls.iter().filter(|(_, run)| *run != other).count(), 1, "one answer is enough");
        ends.sort_by_key(|(run, _)| *run);
        let stopped = End::Paused(Pause::Vendor(Answer::new(60_009, "")));
        assert_eq!(ends, [(first, stopped.clone()), (second, stopped), (other, End::Complete)]);
    }

    #[test]
    fn a_run_that_is_broken_off_holds_up_nobody() {
        let mut fleet = Fleet::default();
        let app = fleet.add_line(line(100.0));
        let broken = fleet.add_run(app, always(50));
        let sound = fleet.add_run(app, always(50));
        let answer = |run| if run == broken { Outcome::Rejected(Answer::new(1, "")) } else { accepted(run) };
        let (calls, ends) = drive(&mut fleet, &answer);
        assert!(
            ends.iter().any(|(run, end)| *run == broken && matches!(end, End::Paused(Pause::Breaker(_))))
        );
        assert!(ends.contains(&(sound, End::Complete)));
        assert!(calls.last().unwrap().0 < SECOND, "the rate that it leaves is the other's");
    }

    #[test]
    fn a_wave_is_sent_while_it_is_open_and_a_later_one_is_waited_for_only_where_asked() {
        let waves = [(0, 40_000, 3), (SECOND, 2 * SECOND, 3)];
        let mut fleet = Fleet::default();
        let app = fleet.add_line(line(40.0));
        let waiting = fleet.add_run(app, run(&waves, 0));
        let (calls, ends) = drive(&mut fleet, &accepted);
        assert_eq!(calls.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 25_200]);
        assert_eq!(ends, [(waiting, End::Waiting(Tick(SECOND)))]);
        let Tally { accepted: sent, skipped, remaining, .. } = fleet.run(waiting).tally();
        assert_eq!((sent, skipped, remaining), (2, 1, 3));

        let mut fleet = Fleet::default();
        let app = fleet.add_line(line(40.0));
        let staying = fleet.add_run(app, run(&waves, SECOND));
        let (calls, ends) = drive(&mut fleet, &accepted);
        assert_eq!(calls[2].0, SECOND, "not before it opens, and then at once");
        assert_eq!((calls.len(), ends), (5, vec![(staying, End::Complete)]));
    }
}
