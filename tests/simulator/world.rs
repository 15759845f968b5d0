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
}

/// What a life came to, for the figures that the test prints.
#[derive(Debug, Default, Clone, Copy)]
pub struct Figures {
    pub lives: u64,
    pub calls: u64,
    pub crashes: u64,
    pub in_doubt: u64,
    pub complete: u64,
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.lives += other.lives;
        self.calls += other.calls;
        self.crashes += other.crashes;
        self.in_doubt += other.in_doubt;
        self.complete += other.complete;
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
}

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
    expires_at: Option<u64>,
    recipients: Vec<u16>,
    /// What the state holds, and every change that became durable.
    durable: Vec<BatchState>,
    journal: Vec<Change>,
    commit_under_way: Option<Vec<Change>>,
    /// Words of resend so far, by batch.
    resends: Vec<u32>,
    failed_accounts: Vec<u64>,
    departures: Vec<(u64, u32)>,
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
        Self {
            bug,
            now: 0,
            sequence: 0,
            agenda: BinaryHeap::new(),
            answers: Vec::new(),
            server,
            limits,
            delivery,
            expires_at: if random.chance(250) { Some(random.between(0, 5_000_000)) } else { None },
            recipients: (0..batches).map(|_| random.between(1, 500) as u16).collect(),
            durable: vec![BatchState::default(); batches],
            journal: Vec::new(),
            commit_under_way: None,
            resends: vec![0; batches],
            failed_accounts: vec![0; batches],
            departures: Vec::new(),
            early: Vec::new(),
            crash_per_mille: random.pick(&[0, 5, 20, 60]),
            figures: Figures { lives: 1, ..Figures::default() },
            random,
        }
    }

    /// Lives until the run is complete, or was started 40 times.
    pub fn live(mut self) -> Result<Figures, String> {
        for life in 0..40 {
            let end = self.one_life(life)?;
            self.check_equation()?;
            match end {
                Some(End::Complete) => {
                    self.figures.complete += 1;
                    break;
                }
                Some(End::Paused(_)) | None => {
                    let downtime = self.random.pick(&[0, 1_000, 300_000, 3_000_000]);
                    self.advance_server_by(downtime)?;
                }
            }
        }
        self.advance_server_by(30_000_000)?;
        self.check_story()?;
        self.check_rate()?;
        self.figures.calls = self.server.arrivals.len() as u64;
        Ok(self.figures)
    }

    /// Recovers the state as a runner does when it starts, then runs until the end, a pause or a crash.
    fn one_life(&mut self, life: u32) -> Result<Option<End>, String> {
        self.recover()?;
        let start = self.now;
        let window = Duration::from_secs(1) + self.limits.headroom;
        let remembered: Vec<u32> = self
            .departures
            .iter()
            .filter(|(at, _)| self.bug != Bug::ForgetRateOnRestart && at + window.as_micros() as u64 > start)
            .map(|(_, recipients)| *recipients)
            .collect();
        let settings = Settings {
            delivery: self.delivery,
            expires_at: self.expires_at.map(|at| Tick(at.saturating_sub(start))),
            seed: self.random.next(),
        };
        let batches = self
            .recipients
            .iter()
            .zip(&self.durable)
            .map(|(&recipients, &state)| Batch { recipients, state })
            .collect();
        let mut executor = Executor::new(settings, batches, self.tally(), Pace::new(self.limits, remembered));
        if self.random.chance(30) {
            let at = self.now + self.random.between(0, 2_000_000);
            self.put(at, Happening::Interrupt { life });
        }

        for _ in 0..200_000 {
            if self.random.chance(self.crash_per_mille) && self.random.chance(100) {
                self.crash();
                return Ok(None);
            }
            let step = executor.poll(Tick(self.now - start));
            let wake = match step {
                Step::Commit(changes) => {
                    self.ask_commit(life, changes);
                    continue;
                }
                Step::Send(attempt) => {
                    self.depart_or_delay(life, attempt)?;
                    continue;
                }
                Step::Renew => continue,
                Step::Wait(tick) => Some(start + tick.0),
                Step::Idle => None,
                Step::Finished(end) => {
                    if executor.tally() != self.tally() {
                        return Err(format!(
                            "the executor counts {}, the state {}",
                            executor.tally(),
                            self.tally()
                        ));
                    }
                    if self.commit_under_way.is_some() {
                        return Err("finished while a commit was under way".to_owned());
                    }
                    return Ok(Some(end));
                }
            };
            let next = self.agenda.peek().map(|Reverse((at, ..))| *at);
            match (wake, next) {
                (None, None) => return Err("the executor is idle and nothing will ever happen".to_owned()),
                (Some(wake), next) if next.is_none_or(|next| wake < next) => {
                    if wake <= self.now {
                        return Err(format!("asked to wait until {wake} at {}", self.now));
                    }
                    self.now = wake;
                }
                _ => {
                    if let Some(event) = self.next_happening(life)? {
                        executor.handle(Tick(self.now - start), event);
                    }
                }
            }
        }
        Err("a life without end".to_owned())
    }

    fn put(&mut self, at: u64, happening: Happening) {
        self.sequence += 1;
        self.agenda.push(Reverse((at, self.sequence, happening)));
    }

    /// Lets the next thing happen; gives what the runner of this life sees of it.
    fn next_happening(&mut self, life: u32) -> Result<Option<Event>, String> {
        let Some(Reverse((at, _, happening))) = self.agenda.pop() else { return Ok(None) };
        self.now = at;
        Ok(match happening {
            Happening::Durable { life: of } if of == life => {
                let changes = self.commit_under_way.take().unwrap_or_default();
                self.make_durable(changes)?;
                Some(Event::Durable)
            }
            Happening::Answer { life: of, index } if of == life => {
                let (attempt, outcome) = self.answers[index].clone();
                Some(Event::Answered(attempt, outcome))
            }
            Happening::Departure { life: of, attempt } if of == life => {
                self.depart(life, attempt)?;
                None
            }
            Happening::Interrupt { life: of } if of == life => Some(Event::Interrupted(Pause::Signal)),
            Happening::Arrival { batch, carried_out } => {
                let index = batch as usize - 1;
                self.server.arrivals.push((self.now, u32::from(self.recipients[index])));
                if carried_out {
                    self.server.carried[index] += 1;
                    if self.server.carried[index] > 1 + self.resends[index] {
                        return Err(format!("batch {batch} was carried out twice"));
                    }
                }
                None
            }
            // Meant for a runner that is dead.
            _ => None,
        })
    }

    /// Lets time pass without a runner.
    fn advance_server_by(&mut self, time: u64) -> Check {
        let until = self.now + time;
        while self.agenda.peek().is_some_and(|Reverse((at, ..))| *at <= until) {
            self.next_happening(u32::MAX)?;
        }
        self.now = until;
        Ok(())
    }

    fn ask_commit(&mut self, life: u32, changes: Vec<Change>) {
        assert!(self.commit_under_way.is_none(), "two commits at once");
        let took = self.random.pick(&[50, 300, 5_000, 40_000]);
        self.commit_under_way = Some(changes);
        self.put(self.now + took, Happening::Durable { life });
        if self.bug == Bug::SendBeforeDurable {
            for attempt in self.begun_under_way() {
                let fate = self.leave(attempt);
                self.early.push((attempt, fate));
            }
        }
    }

    fn begun_under_way(&self) -> Vec<Attempt> {
        let changes = self.commit_under_way.iter().flatten();
        changes.filter_map(|c| if let Change::Begin(attempt) = c { Some(*attempt) } else { None }).collect()
    }

    fn make_durable(&mut self, changes: Vec<Change>) -> Check {
        for change in changes {
            let index = change.batch() as usize - 1;
            self.durable[index] = self.durable[index].apply(&change).map_err(|e| e.to_string())?;
            match &change {
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

    fn depart_or_delay(&mut self, life: u32, attempt: Attempt) -> Check {
        match self.bug {
            Bug::PermitAtIntent => {
                let at = self.now + self.random.between(0, 60_000);
                self.put(at, Happening::Departure { life, attempt });
                Ok(())
            }
            Bug::SendBeforeDurable => {
                let early = self.early.iter().rposition(|(of, _)| *of == attempt);
                let (_, fate) = self.early.swap_remove(early.expect("it left with its commit"));
                self.expect_answer(life, attempt, fate);
                Ok(())
            }
            _ => self.depart(life, attempt),
        }
    }

    fn depart(&mut self, life: u32, attempt: Attempt) -> Check {
        let state = self.durable[attempt.batch as usize - 1];
        if state != (BatchState { status: Status::Sending, attempts: attempt.number }) {
            return Err(format!("{attempt:?} left without a durable intent: {state:?}"));
        }
        if self.bug == Bug::None && self.expires_at.is_some_and(|expiry| self.now > expiry) {
            return Err(format!("{attempt:?} left after the expiry"));
        }
        let fate = self.leave(attempt);
        self.expect_answer(life, attempt, fate);
        Ok(())
    }

    fn leave(&mut self, attempt: Attempt) -> Fate {
        let recipients = u32::from(self.recipients[attempt.batch as usize - 1]);
        let fate = self.server.fate(&mut self.random, recipients);
        self.departures.push((self.now, recipients));
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
    fn crash(&mut self) {
        self.figures.crashes += 1;
        if let Some(changes) = self.commit_under_way.take()
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
        self.commit_under_way = None;
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
