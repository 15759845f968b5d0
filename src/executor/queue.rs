//! The batches of a run that are still to be begun: wave by wave, and in a wave those that are to be tried again as soon
//! as they may.
//!
//! A wave's windows open and close with the time; what is left in a wave after its last one has expired.

use std::collections::VecDeque;

use super::Tick;

/// A time in which the batches of a wave may be begun and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Its first tick.
    pub opens_at: Tick,
    /// The first tick after it; `None` where it never closes.
    pub closes_at: Option<Tick>,
}

/// Where a wave stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    OpensAt(Tick),
    OpenUntil(Option<Tick>),
    Over,
}

impl Phase {
    fn of(openings: &[Opening], now: Tick) -> Self {
        match openings.iter().find(|opening| opening.closes_at.is_none_or(|at| at > now)) {
            None => Self::Over,
            Some(opening) if opening.opens_at > now => Self::OpensAt(opening.opens_at),
            Some(opening) => Self::OpenUntil(opening.closes_at),
        }
    }

    /// When it ends.
    fn ends_at(self) -> Option<Tick> {
        match self {
            Self::OpensAt(at) => Some(at),
            Self::OpenUntil(at) => at,
            Self::Over => None,
        }
    }
}

#[derive(Debug)]
struct Wave {
    openings: Vec<Opening>,
    phase: Phase,
    /// Never begun by this runner, in order of number.
    fresh: VecDeque<u32>,
    /// To be tried again, each not before its tick; in order of tick, since the delay is one constant.
    retries: VecDeque<(Tick, u32)>,
}

impl Wave {
    fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.retries.is_empty()
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    waves: Vec<Wave>,
    /// The waves that are open, the one that closes first in front.
    open: Vec<usize>,
    /// When a wave opens or closes next.
    turn: Option<Tick>,
    /// What was left in waves that are over.
    expired: Vec<u32>,
}

/// The batch that is to be begun next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Next {
    pub(super) number: u32,
    wave: usize,
    is_retry: bool,
}

impl Queue {
    /// The waves of a run, each with its openings in order, as they stand at tick 0.
    pub(super) fn new(waves: Vec<Vec<Opening>>) -> Self {
        let wave = |openings| Wave {
            openings,
            phase: Phase::OpensAt(Tick::default()),
            fresh: VecDeque::new(),
            retries: VecDeque::new(),
        };
        let waves = waves.into_iter().map(wave).collect();
        let mut queue = Self { waves, open: Vec::new(), turn: Some(Tick::default()), expired: Vec::new() };
        queue.advance(Tick::default());
        queue
    }

    /// Adds a batch that this runner has not begun; its number is above those added to the wave before.
    pub(super) fn add(&mut self, wave: u32, number: u32) {
        let wave = &mut self.waves[wave as usize];
        if wave.phase == Phase::Over {
            self.expired.push(number);
        } else {
            wave.fresh.push_back(number);
        }
    }

    /// Adds a batch that is to be tried again, not before `at`.
    pub(super) fn retry(&mut self, wave: u32, number: u32, at: Tick) {
        let wave = &mut self.waves[wave as usize];
        if wave.phase == Phase::Over {
            self.expired.push(number);
        } else {
            wave.retries.push_back((at, number));
        }
    }

    /// Takes a batch back that was to be begun; it is its wave's first again.
    pub(super) fn put_back(&mut self, wave: u32, number: u32) {
        let wave = &mut self.waves[wave as usize];
        if wave.phase == Phase::Over {
            self.expired.push(number);
        } else {
            wave.retries.push_front((Tick::default(), number));
        }
    }

    /// Opens and closes waves.
    pub(super) fn advance(&mut self, now: Tick) {
        if self.turn.is_none_or(|turn| turn > now) {
            return;
        }
        for wave in &mut self.waves {
            wave.phase = Phase::of(&wave.openings, now);
            if wave.phase == Phase::Over {
                self.expired.extend(wave.retries.drain(..).map(|(_, number)| number));
                self.expired.extend(wave.fresh.drain(..));
            }
        }
        self.turn = self.waves.iter().filter_map(|wave| wave.phase.ends_at()).min();
        self.open = (0..self.waves.len())
            .filter(|wave| matches!(self.waves[*wave].phase, Phase::OpenUntil(_)))
            .collect();
        self.open.sort_by_key(|wave| self.waves[*wave].phase.ends_at().unwrap_or(Tick(u64::MAX)));
    }

    /// Closes all waves for good.
    pub(super) fn close(&mut self) {
        for wave in &mut self.waves {
            wave.openings.clear();
        }
        self.turn = Some(Tick::default());
    }

    /// When a wave opens or closes next.
    pub(super) fn turn(&self) -> Option<Tick> {
        self.turn
    }

    /// Takes out what is past its wave's last window.
    pub(super) fn take_expired(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.expired)
    }

    pub(super) fn is_open(&self, wave: u32) -> bool {
        matches!(self.waves[wave as usize].phase, Phase::OpenUntil(_))
    }

    /// The batch to begin next: of the wave that closes first, and there first what is to be tried again.
    pub(super) fn next(&self, now: Tick) -> Option<Next> {
        self.open.iter().find_map(|&index| {
            let wave = &self.waves[index];
            match (wave.retries.front(), wave.fresh.front()) {
                (Some(&(due, number)), _) if due <= now => Some(Next { number, wave: index, is_retry: true }),
                (_, Some(&number)) => Some(Next { number, wave: index, is_retry: false }),
                _ => None,
            }
        })
    }

    /// Takes out the batch that [`Queue::next`] has given.
    pub(super) fn take(&mut self, next: Next) {
        let wave = &mut self.waves[next.wave];
        if next.is_retry {
            wave.retries.pop_front();
        } else {
            wave.fresh.pop_front();
        }
    }

    /// When the first batch of an open wave may be tried again.
    pub(super) fn next_retry(&self) -> Option<Tick> {
        self.open.iter().filter_map(|&wave| Some(self.waves[wave].retries.front()?.0)).min()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.expired.is_empty() && self.waves.iter().all(Wave::is_empty)
    }

    /// When the next wave opens that something waits for, where nothing waits in an open one.
    pub(super) fn waits_until(&self) -> Option<Tick> {
        if self.open.iter().any(|&wave| !self.waves[wave].is_empty()) {
            return None;
        }
        let waiting = self.waves.iter().filter(|wave| !wave.is_empty());
        waiting
            .filter_map(|wave| match wave.phase {
                Phase::OpensAt(at) => Some(at),
                Phase::OpenUntil(_) | Phase::Over => None,
            })
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(opens_at: u64, closes_at: u64) -> Opening {
        Opening { opens_at: Tick(opens_at), closes_at: Some(Tick(closes_at)) }
    }

    fn next(queue: &mut Queue, now: u64) -> Option<u32> {
        queue.advance(Tick(now));
        let next = queue.next(Tick(now))?;
        queue.take(next);
        Some(next.number)
    }

    #[test]
    fn a_batch_is_given_in_a_window_of_its_wave_and_expires_with_the_last() {
        let mut queue = Queue::new(vec![vec![opening(0, 10), opening(20, 30)], vec![opening(5, 40)]]);
        for (wave, number) in [(0, 1), (0, 2), (0, 3), (1, 4), (1, 5)] {
            queue.add(wave, number);
        }
        assert_eq!(next(&mut queue, 0), Some(1));
        assert_eq!(next(&mut queue, 6), Some(2), "the wave that closes first goes first");
        assert_eq!(next(&mut queue, 10), Some(4), "the first wave is closed for the night");
        assert_eq!(next(&mut queue, 20), Some(3));
        queue.put_back(0, 3);
        assert_eq!(next(&mut queue, 30), Some(5));
        assert_eq!(queue.take_expired(), [3]);
        queue.retry(0, 2, Tick(31));
        assert_eq!(queue.take_expired(), [2], "what comes back to a wave that is over is expired");
        assert!(queue.is_empty());
    }

    #[test]
    fn what_waits_for_a_wave_is_told_only_where_nothing_can_be_begun() {
        let mut queue = Queue::new(vec![vec![opening(0, 10)], vec![opening(50, 60)]]);
        queue.add(1, 2);
        assert_eq!(queue.waits_until(), Some(Tick(50)));
        queue.retry(0, 1, Tick(9));
        assert_eq!((queue.waits_until(), queue.next_retry()), (None, Some(Tick(9))));
        assert!(queue.next(Tick(8)).is_none());
        assert_eq!(queue.next(Tick(9)).map(|next| next.number), Some(1));
    }
}
