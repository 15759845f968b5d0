//! Stand-in until the schedule module is merged.

use schemars::JsonSchema;
use serde::Deserialize;

/// Stand-in.
#[derive(Debug, Clone)]
pub struct Schedule {}

/// Stand-in.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Schedule")]
pub struct RawSchedule {
    /// Five cron fields.
    pub cron: Option<String>,
    /// An instant.
    pub at: Option<String>,
    /// IANA time zone.
    pub timezone: Option<String>,
    /// A duration.
    pub expires_after: Option<String>,
    /// Stand-in.
    pub missed: Option<String>,
}

impl RawSchedule {
    /// Stand-in.
    pub fn check(
        &self,
        report: &mut dyn FnMut(&str, &'static str, String, Option<String>),
    ) -> Option<Schedule> {
        if let Some(cron) = &self.cron
            && cron.split(' ').count() != 5
        {
            report("/cron", "bad-cron", format!("`{cron}` is not five cron fields"), None);
            return None;
        }
        Some(Schedule {})
    }
}
mod zone;
pub use zone::time_zone;
/// s
#[derive(Debug, Clone)]
pub struct Occurrence;
impl Occurrence {
    /// s
    pub fn id(&self) -> String {
        String::new()
    }
    /// s
    pub fn expires_at(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
}
/// s
pub struct DueNow {
    pub run: Vec<Occurrence>,
    pub missed: Vec<Occurrence>,
    pub next: Option<jiff::Timestamp>,
}
impl Schedule {
    /// s
    pub fn due(
        &self,
        _now: jiff::Timestamp,
        _settled: &dyn Fn(&Occurrence) -> bool,
        _since: jiff::Timestamp,
    ) -> DueNow {
        DueNow { run: vec![], missed: vec![], next: None }
    }
}
