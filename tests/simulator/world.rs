//! One simulated life of some runs: a runner that is killed and restarted, a state that loses what was not
//! durable, a network that is late, servers that count what they carried out. Time is virtual.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pushplan::executor::{
    End, Event, Executor, Fleet, Line, Opening, Pace, Pause, Settings, Step, Tick, Turn,
};
use pushplan::outcome::Outcome;
use pushplan::state::{Attempt, BatchState, Change, Status};

use crate::app::App;
use crate::random::Random;
use crate::run::Run;
use crate::server::Fate;

/// A defect planted in the driver, to see that the simulator finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    None,
    /// Recovery takes an open attempt for not sent.
    ResendInDoubt,
    /// A call leaves while its intent's commit is still under way.
    SendBeforeDurable,
    /// The permit is taken when the batch is intended, and the call leaves some time after.
    PermitAtIntent,
    /// A restarted runner forgets what left within the last second.
    ForgetRateOnRestart,
    /// A second runner starts while the first one lives.
    NoLock,
    /// Every run has the app's whole rate.
    RateForEachRun,
    /// Every wave is taken for open.
    WavesAlwaysOpen,
}

/// What a life came to, for the figures that the test prints.
#[derive(Debug, Default, Clone, Copy)]
pub struct Figures {
    pub lives: u64,
    pub calls: u64,
    pub crashes: u64,
    pub in_doubt: u64,
    pub complete: u64,
    /// Runners that were turned away because another one lived.
    pub refused: u64,
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.lives += other.lives;
        self.calls += other.calls;
        self.crashes += other.crashes;
        self.in_doubt += other.in_doubt;
        self.complete += other.complete;
        self.refused += other.refused;
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// A commit asked for by this life of the runner becomes durable.
    Durable {
        life: u32,
        run: usize,
    },
    /// A call reaches the server.
    Arrival {
        run: usize,
        batch: u32,
        carried_out: bool,
    },
    /// The runner learns how a call ended. Index into `World::answers`.
    Answer {
        life: u32,
        index: usize,
    },
    /// A delayed departure (only under [`Bug::PermitAtIntent`]).
    Departure {
        life: u32,
        run: usize,
        attempt: Attempt,
    },
    Interrupt {
        life: u32,
    },
    /// Somebody starts a second runner.
    Challenge,
    /// Somebody sets the wall clock; by so many microseconds.
    ClockJump(i64),
}

/// A process that sends.
struct Runner {
    life: u32,
    start: u64,
    fleet: Fleet,
    /// Index into `World::runs` of each run of the fleet, and what is kept of it.
    orders: Vec<Order>,
}

/// A run as a runner has taken it up.
struct Order {
    run: usize,
    /// When its waves are open, as this runner understood it when it started.
    waves: Vec<Vec<Opening>>,
    commit_under_way: Option<Vec<Change>>,
    end: Option<End>,
}

impl Runner {
    fn order(&mut self, run: usize) -> (usize, &mut Order) {
        let found = self.orders.iter_mut().enumerate().find(|(_, order)| order.run == run);
        found.expect("a runner is told of its own runs")
    }
}

/// How far a runner came.
enum Advanced {
    Waits(Option<u64>),
    Ended,
    Crashed,
}

/// How often runs are taken up at the most.
const MOST_LIVES: u32 = 60;

pub struct World {
    random: Random,
    bug: Bug,
    now: u64,
    sequence: u64,
    agenda: BinaryHeap<Reverse<(u64, u64, Happening)>>,
    answers: Vec<(usize, Attempt, Outcome)>,
    apps: Vec<App>,
    runs: Vec<Run>,
    wall_offset: i64,
    runners: Vec<Runner>,
    lives: u32,
    /// Calls that left with their commit (only under [`Bug::SendBeforeDurable`]).
    early: Vec<(usize, Attempt, Fate)>,
    crash_per_mille: u64,
    figures: Figures,
}

pub type Check = Result<(), String>;

impl World {
    pub fn new(seed: u64, bug: Bug) -> Self {
        let mut random = Random::new(seed);
        let apps: Vec<App> = (0..random.pick(&[1, 1, 2])).map(|_| App::random(&mut random)).collect();
        let runs = (0..random.pick(&[1, 1, 2, 3]))
            .map(|_| {
                let app = random.between(0, apps.len() as u64 - 1) as usize;
                Run::random(&mut random, app)
            })
            .collect();
        let mut world = Self {
            bug,
            now: 0,
            sequence: 0,
            agenda: BinaryHeap::new(),
            answers: Vec::new(),
            apps,
            runs,
            wall_offset: 0,
            runners: Vec::new(),
            lives: 0,
            early: Vec::new(),
            crash_per_mille: random.pick(&[0, 1, 3, 10, 50]),
            figures: Figures { lives: 1, ..Figures::default() },
            random,
        };
        for _ in 0..world.random.between(0, 3) {
            let at = world.random.between(0, 4_000_000);
            world.put(at, Happening::Challenge);
            let by = world.random.between(0, 1_200_000_000) as i64 - 600_000_000;
            let at = world.random.between(0, 4_000_000);
            world.put(at, Happening::ClockJump(by));
        }
        world
    }

    /// Lives until all runs are complete, or were started often enough.
    pub fn live(mut self) -> Result<Figures, String> {
        for _ in 0..2_000_000 {
            if self.runners.is_empty() {
                if self.is_complete() || self.lives == MOST_LIVES {
                    break;
                }
                let downtime = self.random.pick(&[0, 1_000, 300_000, 3_000_000]);
                self.pass(downtime)?;
                // A challenger may have come meanwhile.
                if self.runners.is_empty() {
                    self.start_runner()?;
                }
            }
            let mut wake = None;
            for mut runner in std::mem::take(&mut self.runners) {
                match self.advance(&mut runner)? {
                    Advanced::Waits(until) => {
                        wake = [wake, until].into_iter().flatten().min();
                        self.runners.push(runner);
                    }
                    Advanced::Ended | Advanced::Crashed => {}
                }
            }
            if !self.runners.is_empty() {
                self.wait(wake)?;
            }
        }
        if self.lives < MOST_LIVES && !self.is_complete() {
            return Err("a life without end".to_owned());
        }
        self.runners.clear();
        self.pass(30_000_000)?;
        self.recover()?;
        for run in &self.runs {
            self.figures.in_doubt += run.check_story()?;
        }
        for app in &self.apps {
            app.check_rate()?;
            self.figures.calls += app.server.arrivals.len() as u64;
        }
        self.figures.complete = u64::from(self.is_complete());
        Ok(self.figures)
    }

    fn is_complete(&self) -> bool {
        self.runs.iter().all(|run| run.is_complete)
    }

    /// Takes the state up as a runner does when it starts: it recovers, and remembers the last attempts.
    fn start_runner(&mut self) -> Check {
        let life = self.lives;
        self.lives += 1;
        self.recover()?;
        let wall = self.wall();
        let mut fleet = Fleet::default();
        let mut lines = vec![None; self.apps.len()];
        let mut orders = Vec::new();
        let stay_until = Tick(self.random.pick(&[0, 0, 2_000_000, 20_000_000]));
        for (number, run) in self.runs.iter().enumerate().filter(|(_, run)| !run.is_complete) {
            let app = &self.apps[run.app];
            let remembered =
                if self.bug == Bug::ForgetRateOnRestart { Vec::new() } else { app.remembered(wall) };
            let known = lines[run.app].filter(|_| self.bug != Bug::RateForEachRun);
            let app_line = known.unwrap_or_else(|| {
                fleet.add_line(Line::new(Pace::new(app.limits, remembered), self.random.next()))
            });
            lines[run.app] = Some(app_line);
            let waves = run.openings(wall);
            let always = Opening { opens_at: Tick(0), closes_at: None };
            let believed = match self.bug {
                Bug::WavesAlwaysOpen => vec![vec![always]; waves.len()],
                _ => waves.clone(),
            };
            let settings = Settings { delivery: run.delivery, waves: believed, stay_until };
            fleet.add_run(app_line, Executor::new(settings, run.batches(), run.tally()));
            orders.push(Order { run: number, waves, commit_under_way: None, end: None });
        }
        self.runners.push(Runner { life, start: self.now, fleet, orders });
        if self.random.chance(30) {
            let at = self.now + self.random.between(0, 2_000_000);
            self.put(at, Happening::Interrupt { life });
        }
        Ok(())
    }

    /// Lets a runner do all it can do now. It may die before and after every step.
    fn advance(&mut self, runner: &mut Runner) -> Result<Advanced, String> {
        for _ in 0..100_000 {
            if self.random.chance(self.crash_per_mille) {
                self.crash(runner);
                return Ok(Advanced::Crashed);
            }
            match runner.fleet.poll(Tick(self.now - runner.start)) {
                Turn::Do { run, step } => self.carry_out(runner, run, step)?,
                Turn::Wait(None) => return Ok(Advanced::Waits(None)),
                Turn::Wait(Some(tick)) => {
                    let until = runner.start + tick.0;
                    if until <= self.now {
                        return Err(format!("asked to wait until {until} at {}", self.now));
                    }
                    return Ok(Advanced::Waits(Some(until)));
                }
                Turn::Done => {
                    for order in &runner.orders {
                        self.runs[order.run].is_complete |= order.end == Some(End::Complete);
                    }
                    return Ok(Advanced::Ended);
                }
            }
        }
        Err("a runner that never waits".to_owned())
    }

    fn carry_out(&mut self, runner: &mut Runner, number: usize, step: Step) -> Check {
        let run = runner.orders[number].run;
        match step {
            Step::Commit(changes) => self.ask_commit(runner, number, changes),
            Step::Send(attempt) => self.depart_or_delay(runner, run, attempt)?,
            Step::Renew => {}
            Step::Finished(end) => {
                if runner.orders[number].commit_under_way.is_some() {
                    return Err("finished while a commit was under way".to_owned());
                }
                let (counted, known) = (runner.fleet.run(number).tally(), self.runs[run].tally());
                if counted != known {
                    return Err(format!("the executor counts {counted}, the state {known}"));
                }
                runner.orders[number].end = Some(end);
            }
        }
        Ok(())
    }

    /// Lets time pass until a runner wants to be woken or something happens.
    fn wait(&mut self, wake: Option<u64>) -> Check {
        let next = self.agenda.peek().map(|Reverse((at, ..))| *at);
        match (wake, next) {
            (None, None) => Err("everybody is idle and nothing will ever happen".to_owned()),
            (Some(wake), next) if next.is_none_or(|next| wake < next) => {
                self.now = wake;
                Ok(())
            }
            _ => self.next_happening(),
        }
    }

    /// What the wall clock shows, in microseconds. It may jump; `now` may not.
    fn wall(&self) -> i64 {
        self.now as i64 + self.wall_offset
    }

    fn runner(&self, life: u32) -> Option<usize> {
        self.runners.iter().position(|runner| runner.life == life)
    }

    fn put(&mut self, at: u64, happening: Happening) {
        self.sequence += 1;
        self.agenda.push(Reverse((at, self.sequence, happening)));
    }

    /// Lets the next thing happen, and tells the runner that it is meant for, where that one still lives.
    fn next_happening(&mut self) -> Check {
        let Some(Reverse((at, _, happening))) = self.agenda.pop() else { return Ok(()) };
        self.now = at;
        match happening {
            Happening::Durable { life, run } => {
                let Some(index) = self.runner(life) else { return Ok(()) };
                let (_, order) = self.runners[index].order(run);
                let changes = order.commit_under_way.take().unwrap_or_default();
                self.make_durable(run, changes)?;
                self.tell(index, run, Event::Durable);
            }
            Happening::Answer { life, index: answer } => {
                let Some(index) = self.runner(life) else { return Ok(()) };
                let (run, attempt, outcome) = self.answers[answer].clone();
                self.tell(index, run, Event::Answered(attempt, outcome));
            }
            Happening::Departure { life, run, attempt } => {
                if self.runner(life).is_some() {
                    self.depart(life, run, attempt)?;
                }
            }
            Happening::Interrupt { life } => {
                let Some(index) = self.runner(life) else { return Ok(()) };
                let runner = &mut self.runners[index];
                runner.fleet.interrupt(Tick(self.now - runner.start), &Pause::Signal);
            }
            Happening::Challenge if !self.runners.is_empty() && self.bug != Bug::NoLock => {
                self.figures.refused += 1;
            }
            Happening::Challenge => self.start_runner()?,
            Happening::ClockJump(by) => self.wall_offset += by,
            Happening::Arrival { run, batch, carried_out } => {
                let run = &mut self.runs[run];
                let arrivals = &mut self.apps[run.app].server.arrivals;
                arrivals.push((self.now, run.recipients(batch)));
                if carried_out {
                    run.carry_out(batch)?;
                }
            }
        }
        Ok(())
    }

    fn tell(&mut self, runner: usize, run: usize, event: Event) {
        let runner = &mut self.runners[runner];
        let number = runner.order(run).0;
        runner.fleet.handle(Tick(self.now - runner.start), number, event);
    }

    /// Lets time pass, whoever lives or not.
    fn pass(&mut self, time: u64) -> Check {
        let until = self.now + time;
        while self.agenda.peek().is_some_and(|Reverse((at, ..))| *at <= until) && self.runners.is_empty() {
            self.next_happening()?;
        }
        if self.runners.is_empty() {
            self.now = until;
        }
        Ok(())
    }

    fn ask_commit(&mut self, runner: &mut Runner, number: usize, changes: Vec<Change>) {
        let order = &mut runner.orders[number];
        assert!(order.commit_under_way.is_none(), "two commits of a run at once");
        let (run, life) = (order.run, runner.life);
        let took = self.random.pick(&[50, 300, 5_000, 40_000]);
        if self.bug == Bug::SendBeforeDurable {
            for change in &changes {
                if let Change::Begin(attempt) = *change {
                    let fate = self.leave(run, attempt);
                    self.early.push((run, attempt, fate));
                }
            }
        }
        order.commit_under_way = Some(changes);
        self.put(self.now + took, Happening::Durable { life, run });
    }

    fn make_durable(&mut self, run: usize, changes: Vec<Change>) -> Check {
        let wall = self.wall();
        let run = &mut self.runs[run];
        for change in changes {
            if let Change::Begin(attempt) = change {
                self.apps[run.app].begun.push((wall, run.recipients(attempt.batch)));
            }
            run.make_durable(change)?;
        }
        run.check_equation()
    }

    fn depart_or_delay(&mut self, runner: &mut Runner, run: usize, attempt: Attempt) -> Check {
        match self.bug {
            Bug::PermitAtIntent => {
                let at = self.now + self.random.between(0, 60_000);
                self.put(at, Happening::Departure { life: runner.life, run, attempt });
                Ok(())
            }
            Bug::SendBeforeDurable => {
                let early = self.early.iter().rposition(|early| (early.0, early.1) == (run, attempt));
                let (_, _, fate) = self.early.swap_remove(early.expect("it left with its commit"));
                self.expect_answer(runner.life, run, attempt, fate);
                Ok(())
            }
            _ => {
                let now = Tick(self.now - runner.start);
                let wave = self.runs[run].wave(attempt.batch);
                let is_open = |opening: &Opening| {
                    opening.opens_at <= now && opening.closes_at.is_none_or(|closes_at| now < closes_at)
                };
                if !runner.order(run).1.waves[wave].iter().any(is_open) {
                    return Err(format!("{attempt:?} left outside the windows of its wave"));
                }
                self.depart(runner.life, run, attempt)
            }
        }
    }

    fn depart(&mut self, life: u32, run: usize, attempt: Attempt) -> Check {
        let state = self.runs[run].state(attempt.batch);
        if state != (BatchState { status: Status::Sending, attempts: attempt.number }) {
            return Err(format!("{attempt:?} left without a durable intent: {state:?}"));
        }
        let fate = self.leave(run, attempt);
        self.expect_answer(life, run, attempt, fate);
        Ok(())
    }

    fn leave(&mut self, run: usize, attempt: Attempt) -> Fate {
        let of = &self.runs[run];
        let fate = self.apps[of.app].server.fate(&mut self.random, of.recipients(attempt.batch));
        if let Some(after) = fate.arrives_after {
            let carried_out = fate.carried_out;
            self.put(self.now + after, Happening::Arrival { run, batch: attempt.batch, carried_out });
        }
        fate
    }

    fn expect_answer(&mut self, life: u32, run: usize, attempt: Attempt, fate: Fate) {
        self.answers.push((run, attempt, fate.outcome));
        let index = self.answers.len() - 1;
        self.put(self.now + fate.answered_after, Happening::Answer { life, index });
    }

    /// `kill -9`: a commit under way is durable or not, whole either way; a call under way arrives or not.
    fn crash(&mut self, runner: &mut Runner) {
        self.figures.crashes += 1;
        for order in &mut runner.orders {
            if let Some(changes) = order.commit_under_way.take()
                && self.random.chance(500)
            {
                self.make_durable(order.run, changes).expect("a commit that was asked for fits the state");
            }
        }
        if self.random.chance(300) {
            let kept: Vec<_> = std::mem::take(&mut self.agenda).into_vec();
            for Reverse((at, sequence, happening)) in kept {
                if !matches!(happening, Happening::Arrival { .. }) || self.random.chance(500) {
                    self.agenda.push(Reverse((at, sequence, happening)));
                }
            }
        }
    }

    fn recover(&mut self) -> Check {
        for run in 0..self.runs.len() {
            let open = self.runs[run].open_attempts().into_iter();
            let changes = open.map(|attempt| match self.bug {
                Bug::ResendInDoubt => Change::Withdraw(attempt),
                _ => Change::Interrupted(attempt),
            });
            self.make_durable(run, changes.collect())?;
        }
        Ok(())
    }
}
