//! One simulated life of a run: a runner that is killed and restarted, a state that loses what was not
//! durable, a network that is late, a server that counts what it carried out. Time is virtual.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use pushplan::campaign::{Delivery, MaxFailures, OnInDoubt, Rate};
use pushplan::executor::{End, Event, Executor, Limits, Pace, Pause, Settings, Step, Tick};
use pushplan::outcome::Outcome;
use pushplan::state::{Attempt, Batch, BatchState, Change, Status, Tally};

use crate::random::Random;
use crate::server::{Fate, Faults, Server};

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
    },
    /// A call reaches the server.
    Arrival {
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
    executor: Executor,
    commit_under_way: Option<Vec<Change>>,
    expires_at: Option<Tick>,
}

impl Runner {
    /// When the run expires, as this runner understood it when it started.
    fn expiry(&self) -> Option<u64> {
        self.expires_at.map(|tick| self.start + tick.0)
    }
}

/// How far a runner came.
enum Advanced {
    Waits(Option<u64>),
    Ended(End),
    Crashed,
}

/// How often a run is taken up at the most.
const MOST_LIVES: u32 = 60;

pub struct World {
    random: Random,
    bug: Bug,
    now: u64,
    sequence: u64,
    agenda: BinaryHeap<Reverse<(u64, u64, Happening)>>,
    answers: Vec<(Attempt, Outcome)>,
    server: Server,
    limits: Limits,
    delivery: Delivery,
    /// On the wall clock.
    expires_at: Option<i64>,
    wall_offset: i64,
    runners: Vec<Runner>,
    lives: u32,
    recipients: Vec<u16>,
    /// What the state holds, and every change that became durable.
    durable: Vec<BatchState>,
    journal: Vec<Change>,
    /// When each attempt was begun, by the wall clock, and its recipients.
    begun: Vec<(i64, u32)>,
    /// Words of resend so far, by batch.
    resends: Vec<u32>,
    failed_accounts: Vec<u64>,
    /// Calls that left with their commit (only under [`Bug::SendBeforeDurable`]).
    early: Vec<(Attempt, Fate)>,
    crash_per_mille: u64,
    figures: Figures,
}

type Check = Result<(), String>;

impl World {
    pub fn new(seed: u64, bug: Bug) -> Self {
        let mut random = Random::new(seed);
        let batches = random.between(1, 60) as usize;
        let rate = random.pick(&[None, Some(10.0), Some(30.0), Some(40.0), Some(1_000.0)]);
        let people = if random.chance(300) { Some(random.between(100, 20_000) as f64) } else { None };
        let jitter = random.between(0, 8_000);
        let limits = Limits {
            rate: Rate { calls_per_second: rate, recipients_per_second: people },
            headroom: Duration::from_micros(jitter + random.between(0, 3_000)),
        };
        let delivery = Delivery {
            max_failures: random.pick(&[
                MaxFailures::Share(0.05),
                MaxFailures::Share(1.0),
                MaxFailures::Count(2_000),
            ]),
            on_in_doubt: random.pick(&[OnInDoubt::Hold, OnInDoubt::Hold, OnInDoubt::Resend]),
            timeout: Duration::from_secs(10),
            in_flight: random.pick(&[1, 2, 8, 64]),
        };
        let server = Server {
            faults: Faults::random(&mut random),
            jitter,
            latency: random.pick(&[500, 50_000, 1_000_000]),
            timeout: 10_000_000,
            carried: vec![0; batches],
            arrivals: Vec::new(),
        };
        let mut world = Self {
            bug,
            now: 0,
            sequence: 0,
            agenda: BinaryHeap::new(),
            answers: Vec::new(),
            server,
            limits,
            delivery,
            expires_at: if random.chance(250) { Some(random.between(0, 5_000_000) as i64) } else { None },
            wall_offset: 0,
            runners: Vec::new(),
            lives: 0,
            recipients: (0..batches).map(|_| random.between(1, 500) as u16).collect(),
            durable: vec![BatchState::default(); batches],
            journal: Vec::new(),
            begun: Vec::new(),
            resends: vec![0; batches],
            failed_accounts: vec![0; batches],
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

    /// Lives until the run is complete, or was started 40 times.
    pub fn live(mut self) -> Result<Figures, String> {
        let mut complete = false;
        for _ in 0..2_000_000 {
            if self.runners.is_empty() {
                if complete || self.lives == MOST_LIVES {
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
                    Advanced::Ended(end) => complete |= end == End::Complete,
                    Advanced::Crashed => {}
                }
            }
            if !self.runners.is_empty() {
                self.wait(wake)?;
            }
        }
        if self.lives < MOST_LIVES && !complete {
            return Err("a life without end".to_owned());
        }
        self.runners.clear();
        self.pass(30_000_000)?;
        self.check_story()?;
        self.check_rate()?;
        self.figures.complete = u64::from(complete);
        self.figures.calls = self.server.arrivals.len() as u64;
        Ok(self.figures)
    }

    /// Takes the state up as a runner does when it starts: it recovers, and remembers the last attempts.
    fn start_runner(&mut self) -> Check {
        let life = self.lives;
        self.lives += 1;
        self.recover()?;
        let hour_ago = self.wall() - 3_600_000_000;
        let mut remembered = Vec::new();
        if self.bug != Bug::ForgetRateOnRestart && self.begun.last().is_some_and(|(at, _)| *at >= hour_ago) {
            remembered.extend(self.begun.iter().rev().take(2_000).map(|(_, recipients)| *recipients));
        }
        let expires_at = self.expires_at.map(|at| Tick(u64::try_from(at - self.wall()).unwrap_or(0)));
        let settings = Settings { delivery: self.delivery, expires_at, seed: self.random.next() };
        let batches = self
            .recipients
            .iter()
            .zip(&self.durable)
            .map(|(&recipients, &state)| Batch { recipients, wave: 0, state })
            .collect();
        let pace = Pace::new(self.limits, remembered);
        let executor = Executor::new(settings, batches, self.tally(), pace);
        self.runners.push(Runner { life, start: self.now, executor, commit_under_way: None, expires_at });
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
            match runner.executor.poll(Tick(self.now - runner.start)) {
                Step::Commit(changes) => self.ask_commit(runner, changes),
                Step::Send(attempt) => self.depart_or_delay(runner, attempt)?,
                Step::Renew => {}
                Step::Wait(tick) => {
                    let until = runner.start + tick.0;
                    if until <= self.now {
                        return Err(format!("asked to wait until {until} at {}", self.now));
                    }
                    return Ok(Advanced::Waits(Some(until)));
                }
                Step::Idle => return Ok(Advanced::Waits(None)),
                Step::Finished(end) => {
                    if runner.commit_under_way.is_some() {
                        return Err("finished while a commit was under way".to_owned());
                    }
                    if runner.executor.tally() != self.tally() {
                        let counted = runner.executor.tally();
                        return Err(format!("the executor counts {counted}, the state {}", self.tally()));
                    }
                    return Ok(Advanced::Ended(end));
                }
            }
        }
        Err("a runner that never waits".to_owned())
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

    fn runner(&mut self, life: u32) -> Option<usize> {
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
            Happening::Durable { life } => {
                let Some(index) = self.runner(life) else { return Ok(()) };
                let changes = self.runners[index].commit_under_way.take().unwrap_or_default();
                self.make_durable(changes)?;
                self.tell(index, Event::Durable);
            }
            Happening::Answer { life, index: answer } => {
                let Some(index) = self.runner(life) else { return Ok(()) };
                let (attempt, outcome) = self.answers[answer].clone();
                self.tell(index, Event::Answered(attempt, outcome));
            }
            Happening::Departure { life, attempt } => {
                let Some(index) = self.runner(life) else { return Ok(()) };
                let expires_at = self.runners[index].expiry();
                self.depart(life, expires_at, attempt)?;
            }
            Happening::Interrupt { life } => {
                let Some(index) = self.runner(life) else { return Ok(()) };
                self.tell(index, Event::Interrupted(Pause::Signal));
            }
            Happening::Challenge if !self.runners.is_empty() && self.bug != Bug::NoLock => {
                self.figures.refused += 1;
            }
            Happening::Challenge => self.start_runner()?,
            Happening::ClockJump(by) => self.wall_offset += by,
            Happening::Arrival { batch, carried_out } => {
                let index = batch as usize - 1;
                self.server.arrivals.push((self.now, u32::from(self.recipients[index])));
                if carried_out {
                    self.server.carried[index] += 1;
                    if self.server.carried[index] > 1 + self.resends[index] {
                        return Err(format!("batch {batch} was carried out twice"));
                    }
                }
            }
        }
        Ok(())
    }

    fn tell(&mut self, runner: usize, event: Event) {
        let runner = &mut self.runners[runner];
        runner.executor.handle(Tick(self.now - runner.start), event);
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

    fn ask_commit(&mut self, runner: &mut Runner, changes: Vec<Change>) {
        assert!(runner.commit_under_way.is_none(), "two commits at once");
        let took = self.random.pick(&[50, 300, 5_000, 40_000]);
        if self.bug == Bug::SendBeforeDurable {
            for change in &changes {
                if let Change::Begin(attempt) = *change {
                    let fate = self.leave(attempt);
                    self.early.push((attempt, fate));
                }
            }
        }
        runner.commit_under_way = Some(changes);
        self.put(self.now + took, Happening::Durable { life: runner.life });
    }

    fn make_durable(&mut self, changes: Vec<Change>) -> Check {
        for change in changes {
            let index = change.batch() as usize - 1;
            self.durable[index] = self.durable[index].apply(&change).map_err(|e| e.to_string())?;
            match &change {
                Change::Begin(_) => self.begun.push((self.wall(), u32::from(self.recipients[index]))),
                Change::Resend(_) => self.resends[index] += 1,
                Change::Settle(_, Outcome::Accepted { failed, .. }) => {
                    self.failed_accounts[index] = failed.len() as u64;
                }
                _ => {}
            }
            self.journal.push(change);
        }
        self.check_equation()
    }

    fn depart_or_delay(&mut self, runner: &Runner, attempt: Attempt) -> Check {
        match self.bug {
            Bug::PermitAtIntent => {
                let at = self.now + self.random.between(0, 60_000);
                self.put(at, Happening::Departure { life: runner.life, attempt });
                Ok(())
            }
            Bug::SendBeforeDurable => {
                let early = self.early.iter().rposition(|(of, _)| *of == attempt);
                let (_, fate) = self.early.swap_remove(early.expect("it left with its commit"));
                self.expect_answer(runner.life, attempt, fate);
                Ok(())
            }
            _ => self.depart(runner.life, runner.expiry(), attempt),
        }
    }

    fn depart(&mut self, life: u32, expiry: Option<u64>, attempt: Attempt) -> Check {
        let state = self.durable[attempt.batch as usize - 1];
        if state != (BatchState { status: Status::Sending, attempts: attempt.number }) {
            return Err(format!("{attempt:?} left without a durable intent: {state:?}"));
        }
        if self.bug == Bug::None && expiry.is_some_and(|expiry| self.now > expiry) {
            return Err(format!("{attempt:?} left after the expiry"));
        }
        let fate = self.leave(attempt);
        self.expect_answer(life, attempt, fate);
        Ok(())
    }

    fn leave(&mut self, attempt: Attempt) -> Fate {
        let recipients = u32::from(self.recipients[attempt.batch as usize - 1]);
        let fate = self.server.fate(&mut self.random, recipients);
        if let Some(after) = fate.arrives_after {
            let carried_out = fate.carried_out;
            self.put(self.now + after, Happening::Arrival { batch: attempt.batch, carried_out });
        }
        fate
    }

    fn expect_answer(&mut self, life: u32, attempt: Attempt, fate: Fate) {
        self.answers.push((attempt, fate.outcome));
        let index = self.answers.len() - 1;
        self.put(self.now + fate.answered_after, Happening::Answer { life, index });
    }

    /// `kill -9`: a commit under way is durable or not, whole either way; a call under way arrives or not.
    fn crash(&mut self, runner: &mut Runner) {
        self.figures.crashes += 1;
        if let Some(changes) = runner.commit_under_way.take()
            && self.random.chance(500)
        {
            self.make_durable(changes).expect("a commit that was asked for fits the state");
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
        let open: Vec<Change> = (1..)
            .zip(&self.durable)
            .filter(|(_, state)| state.status == Status::Sending)
            .map(|(batch, state)| {
                let attempt = Attempt { batch, number: state.attempts };
                match self.bug {
                    Bug::ResendInDoubt => Change::Withdraw(attempt),
                    _ => Change::Interrupted(attempt),
                }
            })
            .collect();
        self.make_durable(open)
    }

    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for ((&recipients, state), &failed) in
            self.recipients.iter().zip(&self.durable).zip(&self.failed_accounts)
        {
            tally.add(state.status, u64::from(recipients), failed);
        }
        tally
    }

    /// Promise 2, to the recipient.
    fn check_equation(&self) -> Check {
        let mut tally = Tally::default();
        for ((&recipients, state), &failed) in
            self.recipients.iter().zip(&self.durable).zip(&self.failed_accounts)
        {
            tally.add(state.status, u64::from(recipients), failed);
        }
        let planned: u64 = self.recipients.iter().map(|&n| u64::from(n)).sum();
        if tally.balances() && tally.planned == planned {
            Ok(())
        } else {
            Err(format!("{tally}, of {planned}"))
        }
    }

    /// The state's story is the server's, and the journal replayed is the state.
    fn check_story(&mut self) -> Check {
        self.recover()?;
        for (index, state) in self.durable.iter().enumerate() {
            let carried = self.server.carried[index];
            let resent = self.resends[index] > 0;
            let fits = match state.status {
                Status::Accepted => carried >= 1,
                Status::Pending | Status::Failed | Status::Skipped => carried == 0 || resent,
                Status::InDoubt => true,
                Status::Sending => false,
            };
            if !fits {
                return Err(format!(
                    "batch {} is {:?} and was carried out {carried} times",
                    index + 1,
                    state.status
                ));
            }
            self.figures.in_doubt += u64::from(state.status == Status::InDoubt);
        }
        let mut replayed = vec![BatchState::default(); self.durable.len()];
        for change in &self.journal {
            let state = &mut replayed[change.batch() as usize - 1];
            *state = state.apply(change).map_err(|e| e.to_string())?;
        }
        if replayed == self.durable {
            Ok(())
        } else {
            Err("the journal replayed is not the state".to_owned())
        }
    }

    /// Promise 6, where the vendor counts: at arrival.
    fn check_rate(&self) -> Check {
        let mut arrivals = self.server.arrivals.clone();
        arrivals.sort_unstable();
        let most_in_second = |units: &dyn Fn(u32) -> u64| {
            let (mut from, mut sum, mut most) = (0, 0, 0);
            for (at, recipients) in &arrivals {
                sum += units(*recipients);
                while arrivals[from].0 + 1_000_000 <= *at {
                    sum -= units(arrivals[from].1);
                    from += 1;
                }
                most = most.max(sum);
            }
            most
        };
        if let Some(rate) = self.limits.rate.calls_per_second {
            let most = most_in_second(&|_| 1);
            if most > rate as u64 {
                return Err(format!("{most} calls in a sliding second, of {rate}"));
            }
        }
        if let Some(rate) = self.limits.rate.recipients_per_second {
            let rate = rate as u64;
            let most = most_in_second(&|recipients| u64::from(recipients).min(rate));
            if most > rate {
                return Err(format!("{most} recipients in a sliding second, of {rate}"));
            }
        }
        Ok(())
    }
}
