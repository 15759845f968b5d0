//! The runs of a calendar: those that are planned, those that go on, and those to come.

use crate::campaign::Rate;
use crate::campaign::schedule::{Occurrence, Schedule, Wave, Window};
use crate::plan::Plan;
use crate::state::Run;

/// A run that is to come, or to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Upcoming {
    /// Its id.
    pub run: String,
    /// The campaign's id.
    pub campaign: String,
    /// The app's name.
    pub app: String,
    /// What is to be sent of it.
    pub loads: Vec<Load>,
    /// Accounts without a wave.
    pub skipped: u64,
}

/// The part of a run that is sent in one wave.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Its windows.
    pub wave: Wave,
    /// Accounts that get a push.
    pub recipients: u64,
    /// Batches.
    pub calls: u64,
    /// Seconds from one call to the next at the app's rate, on average; 0 without a limit.
    pub gap_s: f64,
}

impl Upcoming {
    /// A run that is planned.
    pub fn planned(plan: &Plan, rate: &Rate) -> Self {
        let header = plan.header();
        let loads = plan.waves().iter().zip(plan.wave_sizes()).map(|(wave, sizes)| Load {
            wave: wave.clone(),
            recipients: sizes.recipients(),
            calls: sizes.calls(),
            gap_s: sizes.gap(rate),
        });
        Self {
            run: header.run_id.clone(),
            campaign: header.campaign.clone(),
            app: header.app.clone(),
            loads: loads.collect(),
            skipped: plan.skipped().values().sum(),
        }
    }

    /// A run that is frozen, with its `waves` and the number of its `batches`: what remains of it is taken to be spread
    /// over its batches evenly, and to be sent when the first wave with something in it opens.
    pub fn resumed(run: &Run, waves: &[Wave], batches: u32, rate: &Rate) -> Self {
        let Run { tally, .. } = run;
        let calls = (u64::from(batches) * tally.remaining).div_ceil(tally.planned.max(1));
        let recipients = tally.remaining.div_ceil(calls.max(1));
        let closes_at =
            waves.iter().map(Wave::expires_at).reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b))).flatten();
        let load = Load {
            wave: Wave { windows: vec![Window { opens_at: run.waits_until, closes_at }], zone: None },
            recipients: tally.remaining,
            calls,
            gap_s: rate.gap(recipients.try_into().unwrap_or(u32::MAX)).as_secs_f64(),
        };
        Self {
            run: run.id.clone(),
            campaign: run.campaign.clone(),
            app: run.app.clone(),
            loads: vec![load],
            skipped: 0,
        }
    }

    /// The same recipients at another occurrence of their campaign.
    #[must_use]
    pub fn at(&self, schedule: &Schedule, occurrence: &Occurrence) -> Self {
        let (mut loads, mut skipped) = (Vec::new(), self.skipped);
        for load in &self.loads {
            match schedule.wave(occurrence, load.wave.zone.as_deref()) {
                Ok(wave) => loads.push(Load { wave, ..load.clone() }),
                Err(_) => skipped += load.recipients,
            }
        }
        Self { run: format!("{}@{}", self.campaign, occurrence.id()), loads, skipped, ..self.clone() }
    }
}
