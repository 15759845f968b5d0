//! A model of the vendor: what it really carried out, when calls arrived, and how each call ends.

use pushplan::outcome::{Answer, FailedAccount, Outcome};

use crate::random::Random;

/// How one call ends, as fate has it.
#[derive(Debug, Clone)]
pub struct Fate {
    /// From the call's departure to its arrival; `None` where it never arrives.
    pub arrives_after: Option<u64>,
    /// Whether the server acts on it.
    pub carried_out: bool,
    /// From the call's departure to the runner's knowledge of the outcome.
    pub answered_after: u64,
    /// What the runner sees.
    pub outcome: Outcome,
}

/// Per mille of calls that end in each class.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    pub rejected: u64,
    pub throttled: u64,
    pub try_again: u64,
    pub unreached: u64,
    pub signature_expired: u64,
    pub stopped: u64,
    pub lost_answer: u64,
    pub partly_failed: u64,
}

impl Faults {
    pub fn random(random: &mut Random) -> Self {
        let mut some = |most: u64| if random.chance(500) { 0 } else { random.between(0, most) };
        Self {
            rejected: some(60),
            throttled: some(150),
            try_again: some(150),
            unreached: some(150),
            signature_expired: some(30),
            stopped: some(10),
            lost_answer: some(150),
            partly_failed: some(100),
        }
    }
}

pub struct Server {
    pub faults: Faults,
    /// Most that the way to the server varies, in microseconds.
    pub jitter: u64,
    pub latency: u64,
    pub timeout: u64,
    /// Arrivals: when, and with how many recipients.
    pub arrivals: Vec<(u64, u32)>,
}

impl Server {
    pub fn fate(&self, random: &mut Random, recipients: u32) -> Fate {
        let way = random.between(0, self.jitter);
        let latency = way + random.between(1, self.latency);
        let answer = || Answer::new(1, "simulated");
        let mut dice = random.next() % 1000;
        let mut falls = |share: u64| {
            let hit = dice < share;
            dice = dice.saturating_sub(share);
            if hit {
                dice = u64::MAX;
            }
            hit
        };
        let refused =
            |outcome| Fate { arrives_after: Some(way), carried_out: false, answered_after: latency, outcome };
        let faults = self.faults;
        if falls(faults.rejected) {
            refused(Outcome::Rejected(answer()))
        } else if falls(faults.throttled) {
            refused(Outcome::Throttled(answer()))
        } else if falls(faults.try_again) {
            refused(Outcome::TryAgain(answer()))
        } else if falls(faults.signature_expired) {
            refused(Outcome::SignatureExpired(answer()))
        } else if falls(faults.stopped) {
            refused(Outcome::Stopped(answer()))
        } else if falls(faults.unreached) {
            Fate { arrives_after: None, ..refused(Outcome::Unreached(answer())) }
        } else if falls(faults.lost_answer) {
            // Lost on the way there, on the way back, or answered after the runner stopped waiting.
            let carried_out = random.chance(500);
            let answered_after = if random.chance(500) { latency } else { self.timeout };
            Fate { carried_out, answered_after, ..refused(Outcome::InDoubt(answer())) }
        } else {
            let failed =
                if falls(faults.partly_failed) { random.between(1, u64::from(recipients)) } else { 0 };
            let failed =
                (0..failed).map(|i| FailedAccount { account: format!("u{i}"), answer: answer() }).collect();
            let outcome = Outcome::Accepted { task_id: "batch_1".to_owned(), failed };
            Fate { carried_out: true, ..refused(outcome) }
        }
    }
}
