//! One run of the simulated world: its frozen audience, what the state holds of it, and what was carried out.

use std::time::Duration;

use pushplan::campaign::{Delivery, MaxFailures, OnInDoubt};
use pushplan::executor::{Opening, Tick};
use pushplan::outcome::Outcome;
use pushplan::state::{Attempt, Batch, BatchState, Change, Status, Tally};

use crate::random::Random;
use crate::world::Check;

/// From and until when a wave is open, on the wall clock; `None` is for ever.
type Window = (i64, Option<i64>);

pub struct Run {
    pub app: usize,
    pub delivery: Delivery,
    pub is_complete: bool,
    waves: Vec<Vec<Window>>,
    /// Recipients and wave of each batch; index is number - 1, as below.
    batches: Vec<(u16, u32)>,
    /// What the state holds, and every change that became durable.
    durable: Vec<BatchState>,
    journal: Vec<Change>,
    /// Words of resend so far.
    resends: Vec<u32>,
    failed_accounts: Vec<u64>,
    /// How often each batch was carried out.
    carried: Vec<u32>,
}

impl Run {
    pub fn random(random: &mut Random, app: usize) -> Self {
        let waves = random_waves(random);
        let count = random.pick(&[3, 60]);
        let count = random.between(1, count) as usize;
        let mut batches: Vec<(u16, u32)> = (0..count)
            .map(|_| (random.between(1, 500) as u16, random.between(0, waves.len() as u64 - 1) as u32))
            .collect();
        // Numbered in order of wave, but for what a person let be tried again.
        let planned = count - random.between(0, count as u64 / 4) as usize;
        batches[..planned].sort_by_key(|(_, wave)| *wave);
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
        Self {
            app,
            delivery,
            is_complete: false,
            waves,
            batches,
            durable: vec![BatchState::default(); count],
            journal: Vec::new(),
            resends: vec![0; count],
            failed_accounts: vec![0; count],
            carried: vec![0; count],
        }
    }

    pub fn recipients(&self, batch: u32) -> u32 {
        u32::from(self.batches[batch as usize - 1].0)
    }

    pub fn wave(&self, batch: u32) -> usize {
        self.batches[batch as usize - 1].1 as usize
    }

    pub fn state(&self, batch: u32) -> BatchState {
        self.durable[batch as usize - 1]
    }

    /// The batches as the state gives them to a runner.
    pub fn batches(&self) -> Vec<Batch> {
        let batches = self.batches.iter().zip(&self.durable);
        batches.map(|(&(recipients, wave), &state)| Batch { recipients, wave, state }).collect()
    }

    /// When the waves are open, for a runner that starts when the wall clock shows this.
    pub fn openings(&self, wall: i64) -> Vec<Vec<Opening>> {
        let tick = |at: i64| Tick(u64::try_from(at - wall).unwrap_or(0));
        let opening = |&(from, until): &Window| Opening { opens_at: tick(from), closes_at: until.map(tick) };
        self.waves.iter().map(|windows| windows.iter().map(opening).collect()).collect()
    }

    /// Attempts that a runner has left open.
    pub fn open_attempts(&self) -> Vec<Attempt> {
        let open = (1..).zip(&self.durable).filter(|(_, state)| state.status == Status::Sending);
        open.map(|(batch, state)| Attempt { batch, number: state.attempts }).collect()
    }

    pub fn make_durable(&mut self, change: Change) -> Check {
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
        Ok(())
    }

    /// The server carries a batch out.
    pub fn carry_out(&mut self, batch: u32) -> Check {
        let index = batch as usize - 1;
        self.carried[index] += 1;
        if self.carried[index] > 1 + self.resends[index] {
            return Err(format!("batch {batch} was carried out twice"));
        }
        Ok(())
    }

    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for ((&(recipients, _), state), &failed) in
            self.batches.iter().zip(&self.durable).zip(&self.failed_accounts)
        {
            tally.add(state.status, u64::from(recipients), failed);
        }
        tally
    }

    /// Promise 2, to the recipient.
    pub fn check_equation(&self) -> Check {
        let tally = self.tally();
        let planned: u64 = self.batches.iter().map(|&(recipients, _)| u64::from(recipients)).sum();
        if tally.balances() && tally.planned == planned {
            Ok(())
        } else {
            Err(format!("{tally}, of {planned}"))
        }
    }

    /// The state's story is the server's, and the journal replayed is the state. Gives how many batches are in doubt.
    pub fn check_story(&self) -> Result<u64, String> {
        for (index, state) in self.durable.iter().enumerate() {
            let carried = self.carried[index];
            let fits = match state.status {
                Status::Accepted => carried >= 1,
                Status::Pending | Status::Failed | Status::Skipped => carried == 0,
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
        }
        let mut replayed = vec![BatchState::default(); self.durable.len()];
        for change in &self.journal {
            let state = &mut replayed[change.batch() as usize - 1];
            *state = state.apply(change).map_err(|e| e.to_string())?;
        }
        if replayed != self.durable {
            return Err("the journal replayed is not the state".to_owned());
        }
        Ok(self.durable.iter().filter(|state| state.status == Status::InDoubt).count() as u64)
    }
}

/// One wave, with a deadline or without, or several that open one after the other, some of them twice.
fn random_waves(random: &mut Random) -> Vec<Vec<Window>> {
    if random.chance(600) {
        let expires_at = random.chance(250).then(|| random.between(0, 5_000_000) as i64);
        return vec![vec![(i64::MIN / 2, expires_at)]];
    }
    let waves = random.between(1, 4);
    (0..waves)
        .map(|_| {
            let opens_at = random.between(0, 4_000_000) as i64;
            let night = opens_at + random.between(1, 2_000_000) as i64;
            let morning = night + random.between(1, 2_000_000) as i64;
            match random.pick(&[0, 1, 2]) {
                0 => vec![(opens_at, None)],
                1 => vec![(opens_at, Some(night))],
                _ => vec![(opens_at, Some(night)), (morning, Some(morning + 3_000_000))],
            }
        })
        .collect()
}
