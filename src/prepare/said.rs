//! What a campaign says at one of its occurrences: its templates and its schedule, as a plan asks for them.

use super::Occurrence;
use crate::audience::Value;
use crate::campaign::Campaign;
use crate::campaign::schedule::{self, NoWave, Schedule, Wave};
use crate::message::{DataId, RenderError, Templates};
use crate::plan::Content;

pub(super) struct Said {
    templates: Templates,
    data_id: DataId,
    waves: Waves,
}

enum Waves {
    /// All recipients are in one wave, or in none.
    One(Result<Wave, NoWave>),
    /// The value at this index of a tuple names the recipient's zone.
    ByZone { schedule: Schedule, occurrence: schedule::Occurrence, index: usize },
}

/// The columns to carry: those of the templates, and behind them the one of the time zone where no template uses it.
pub(super) fn carried(templates: &[String], zone: Option<&str>) -> Vec<String> {
    let zone = zone.filter(|zone| !templates.iter().any(|column| column == zone));
    templates.iter().cloned().chain(zone.map(str::to_owned)).collect()
}

impl Said {
    pub(super) fn new(
        campaign: &Campaign,
        occurrence: Occurrence<'_>,
        templates: Templates,
        data_id: DataId,
        carried: &[String],
    ) -> Self {
        let waves = match (&campaign.schedule, occurrence.scheduled) {
            (Some(schedule), Some(at)) => {
                let zone = schedule.timezone_column();
                match zone.and_then(|zone| carried.iter().position(|column| column == zone)) {
                    Some(index) => Waves::ByZone { schedule: schedule.clone(), occurrence: at, index },
                    None => Waves::One(schedule.wave(&at, None)),
                }
            }
            _ => Waves::One(Ok(Wave::until(occurrence.expires_at))),
        };
        Self { templates, data_id, waves }
    }
}

impl Content for Said {
    type Error = RenderError;

    fn message(&self, values: &[Value<'_>]) -> Result<String, RenderError> {
        self.templates.render(&values[..self.templates.columns().len()])
    }

    fn wave(&self, values: &[Value<'_>]) -> Result<Wave, NoWave> {
        match &self.waves {
            Waves::One(wave) => wave.clone(),
            Waves::ByZone { schedule, occurrence, index } => schedule.wave(occurrence, values[*index].text()),
        }
    }

    fn data_id(&self, batch: u32) -> Result<String, RenderError> {
        self.data_id.render(batch)
    }
}
