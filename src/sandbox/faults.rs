//! What goes wrong, how often: seeded dice.

use std::time::Duration;

/// How often calls go wrong. Each share is a probability from 0 to 1; a call suffers one fault at most, so
/// their sum is at most 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Faults {
    /// The dice's seed: equal seeds and an equal order of calls give equal faults.
    pub seed: u64,
    /// Shortest time between carrying a call out and answering it.
    pub latency_min: Duration,
    /// Longest such time; times between are equally likely.
    pub latency_max: Duration,
    /// Share of calls whose connection is reset after they were read, before they are carried out.
    pub reset_before: f64,
    /// Share of calls whose connection is reset after they were carried out.
    pub reset_after: f64,
    /// Share of calls answered with HTTP 502; half of them are carried out.
    pub bad_gateway: f64,
    /// Share of calls answered with HTTP 503; half of them are carried out.
    pub unavailable: f64,
    /// Share of calls answered with HTTP 504; half of them are carried out.
    pub gateway_timeout: f64,
    /// Share of calls that are carried out and answered with something that is not JSON.
    pub garbage: f64,
    /// Share of calls that are carried out and whose answer breaks off halfway.
    pub truncated: f64,
    /// Share of calls refused as too frequent (code 60007), and not carried out.
    pub throttle: f64,
    /// Share of calls that are never answered; half of them are carried out.
    pub hang: f64,
}

/// One way to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// See [`Faults::reset_before`].
    ResetBefore,
    /// See [`Faults::reset_after`].
    ResetAfter,
    /// See [`Faults::bad_gateway`].
    BadGateway,
    /// See [`Faults::unavailable`].
    Unavailable,
    /// See [`Faults::gateway_timeout`].
    GatewayTimeout,
    /// See [`Faults::garbage`].
    Garbage,
    /// See [`Faults::truncated`].
    Truncated,
    /// See [`Faults::throttle`].
    Throttle,
    /// See [`Faults::hang`].
    Hang,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ResetBefore => "reset before acting",
            Self::ResetAfter => "reset after acting",
            Self::BadGateway => "HTTP 502",
            Self::Unavailable => "HTTP 503",
            Self::GatewayTimeout => "HTTP 504",
            Self::Garbage => "garbage",
            Self::Truncated => "truncated",
            Self::Throttle => "throttled",
            Self::Hang => "never answered",
        })
    }
}

impl Faults {
    fn shares(&self) -> [(Fault, f64); 9] {
        [
            (Fault::ResetBefore, self.reset_before),
            (Fault::ResetAfter, self.reset_after),
            (Fault::BadGateway, self.bad_gateway),
            (Fault::Unavailable, self.unavailable),
            (Fault::GatewayTimeout, self.gateway_timeout),
            (Fault::Garbage, self.garbage),
            (Fault::Truncated, self.truncated),
            (Fault::Throttle, self.throttle),
            (Fault::Hang, self.hang),
        ]
    }

    /// Do the numbers make sense? If not, why.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some((fault, share)) = self.shares().into_iter().find(|(_, s)| !(0.0..=1.0).contains(s)) {
            return Err(format!("the share of {fault:?} is {share}: give a probability from 0 to 1"));
        }
        let sum: f64 = self.shares().iter().map(|(_, share)| share).sum();
        if sum > 1.0 + 1e-9 {
            return Err(format!("the shares of all faults add up to {sum}: bring them down to 1 or less"));
        }
        if self.latency_min > self.latency_max {
            return Err("the shortest latency is longer than the longest: swap them".to_owned());
        }
        Ok(())
    }
}

/// What the dice say about one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Throw {
    /// How long to wait before answering.
    pub latency: Duration,
    /// What goes wrong.
    pub fault: Option<Fault>,
    /// Is the call carried out?
    pub acts: bool,
}

/// Seeded dice.
#[derive(Debug)]
pub(super) struct Dice {
    faults: Faults,
    rng: fastrand::Rng,
}

impl Dice {
    pub(super) fn new(faults: Faults) -> Self {
        let rng = fastrand::Rng::with_seed(faults.seed);
        Self { faults, rng }
    }

    /// Takes the same number of random values for every call, so that changing one share leaves the calls
    /// that other faults hit as they were.
    pub(super) fn throw(&mut self) -> Throw {
        let (point, spread, coin) = (self.rng.f64(), self.rng.f64(), self.rng.bool());
        let mut upper = 0.0;
        let fault = self.faults.shares().into_iter().find_map(|(fault, share)| {
            upper += share;
            (point < upper).then_some(fault)
        });
        let acts = match fault {
            None | Some(Fault::ResetAfter | Fault::Garbage | Fault::Truncated) => true,
            Some(Fault::ResetBefore | Fault::Throttle) => false,
            Some(Fault::BadGateway | Fault::Unavailable | Fault::GatewayTimeout | Fault::Hang) => coin,
        };
        let Faults { latency_min, latency_max, .. } = self.faults;
        let latency = latency_min + latency_max.saturating_sub(latency_min).mul_f64(spread);
        Throw { latency, fault, acts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_faults_in_about_the_shares_asked_for() {
        let faults = Faults { seed: 7, reset_after: 0.25, hang: 0.25, ..Faults::default() };
        let throws = |faults: &Faults| -> Vec<Throw> {
            let mut dice = Dice::new(faults.clone());
            (0..10_000).map(|_| dice.throw()).collect()
        };
        let first = throws(&faults);
        assert_eq!(first, throws(&faults));
        let count = |fault| first.iter().filter(|throw| throw.fault == fault).count();
        assert!((2300..2700).contains(&count(Some(Fault::ResetAfter))));
        assert!((2300..2700).contains(&count(Some(Fault::Hang))));
        assert_eq!(count(Some(Fault::Throttle)), 0);
    }

    #[test]
    fn latency_stays_in_its_range() {
        let (latency_min, latency_max) = (Duration::from_millis(50), Duration::from_secs(1));
        let mut dice = Dice::new(Faults { latency_min, latency_max, ..Faults::default() });
        assert!((0..1000).all(|_| (latency_min..=latency_max).contains(&dice.throw().latency)));
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        let reason = |faults: Faults| faults.check().unwrap_err();
        assert!(reason(Faults { hang: 1.5, ..Faults::default() }).contains("Hang is 1.5"));
        assert!(reason(Faults { hang: f64::NAN, ..Faults::default() }).contains("NaN"));
        assert!(reason(Faults { hang: 0.6, garbage: 0.6, ..Faults::default() }).contains("add up to 1.2"));
        assert!(reason(Faults { latency_min: Duration::from_secs(1), ..Faults::default() }).contains("swap"));
    }
}
