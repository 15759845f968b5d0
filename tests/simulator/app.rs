//! An app of the simulated world: its server, its rate, and what the state knows of its last attempts.

use std::time::Duration;

use pushplan::campaign::Rate;
use pushplan::executor::Limits;

use crate::random::Random;
use crate::server::{Faults, Server};
use crate::world::Check;

pub struct App {
    pub server: Server,
    pub limits: Limits,
    /// When each attempt of its runs was begun, by the wall clock, and its recipients.
    pub begun: Vec<(i64, u32)>,
}

impl App {
    pub fn random(random: &mut Random) -> Self {
        let rate = random.pick(&[None, Some(10.0), Some(30.0), Some(40.0), Some(1_000.0)]);
        let people = if random.chance(300) { Some(random.between(100, 20_000) as f64) } else { None };
        let jitter = random.between(0, 8_000);
        let limits = Limits {
            rate: Rate { calls_per_second: rate, recipients_per_second: people },
            headroom: Duration::from_micros(jitter + random.between(0, 3_000)),
        };
        let server = Server {
            faults: Faults::random(random),
            jitter,
            latency: random.pick(&[500, 50_000, 1_000_000]),
            timeout: 10_000_000,
            arrivals: Vec::new(),
        };
        Self { server, limits, begun: Vec::new() }
    }

    /// What a runner that starts when the wall clock shows this remembers of earlier ones.
    pub fn remembered(&self, wall: i64) -> Vec<u32> {
        let hour_ago = wall - 3_600_000_000;
        if self.begun.last().is_none_or(|(at, _)| *at < hour_ago) {
            return Vec::new();
        }
        self.begun.iter().rev().take(2_000).map(|(_, recipients)| *recipients).collect()
    }

    /// Promise 6, where the vendor counts: at arrival.
    pub fn check_rate(&self) -> Check {
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
