//! The gates of the workspace: what a run must keep to before it may be sent. Closed only where something is written.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::document::Document;
use super::raw::{RawGates, RawRequired, RawSendingHours};
use super::schedule::{QuietHours, time_zone};
use super::units::parse_percentage;
use crate::diagnostic::Diagnostics;

/// The checked `gates:`. Built only by this module; the default refuses nothing.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a gate of its own")]
#[non_exhaustive]
pub struct Gates {
    /// Most recipients of a run.
    pub max_recipients: Option<u64>,
    /// Most recipients of an app within 24 hours.
    pub max_recipients_per_day: Option<u64>,
    /// By which share the audience may be larger than that of the campaign's last run: 0.5 is half as many again.
    pub max_growth: Option<f64>,
    /// How many times the calls of one message for everybody a run may take; at least 1.
    pub max_personalisation: Option<f64>,
    /// Must the calls fit into their windows?
    pub fits_window: bool,
    /// Must a campaign name its owner?
    pub require_owner: bool,
    /// Must a campaign be described?
    pub require_description: bool,
    /// When calls may leave.
    pub sending_hours: Option<SendingHours>,
    /// Is a text refused that a phone vendor would cut?
    pub vendor_lengths: bool,
}

/// The hours of a day in which calls may leave.
#[derive(Debug, Clone, PartialEq)]
pub struct SendingHours {
    text: String,
    /// The hours between them.
    closed: QuietHours,
    zone: TimeZone,
}

impl SendingHours {
    /// May calls leave all the time from one instant to another? By the clock of `zone` where it is one, else by that of
    /// the workspace.
    pub fn allow(&self, zone: Option<&str>, from: Timestamp, until: Timestamp) -> bool {
        let zone = zone.and_then(|zone| time_zone(zone).ok());
        // A single call takes no time, and still leaves at one.
        let until = until.max(from.saturating_add(Duration::from_secs(1)).unwrap_or(Timestamp::MAX));
        let open = self.closed.cut(zone.as_ref().unwrap_or(&self.zone), from, until);
        matches!(open[..], [window] if window.opens_at == Some(from) && window.closes_at == Some(until))
    }
}

impl fmt::Display for SendingHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

pub(super) fn gates(raw: RawGates, document: &Document, diagnostics: &mut Diagnostics) -> Gates {
    let mut mistake = |at: &str, code, message: String| {
        diagnostics.push(document.at_value(&format!("/gates{at}"), code, message));
    };
    let max_growth = raw.max_growth.and_then(|text| {
        let growth = parse_percentage(&text);
        growth.map_err(|reason| mistake("/max_growth", "bad-share", format!("`max_growth`: {reason}"))).ok()
    });
    let sending_hours = raw.sending_hours.and_then(|RawSendingHours { between, timezone }| {
        let (between, timezone) = (between?, timezone?);
        let hours = QuietHours::parse(&between).map_err(|reason| {
            mistake("/sending_hours/between", "bad-hours", format!("`between`: {reason}"));
        });
        let zone = time_zone(&timezone).map_err(|reason| {
            mistake("/sending_hours/timezone", "bad-timezone", reason);
        });
        Some(SendingHours {
            text: format!("{between} {timezone}"),
            closed: hours.ok()?.others(),
            zone: zone.ok()?,
        })
    });
    let require = raw.require.unwrap_or_default();
    Gates {
        max_recipients: raw.max_recipients,
        max_recipients_per_day: raw.max_recipients_per_day,
        max_growth,
        max_personalisation: raw.max_personalisation,
        fits_window: raw.fits_window.unwrap_or_default(),
        require_owner: require.contains(&RawRequired::Owner),
        require_description: require.contains(&RawRequired::Description),
        sending_hours,
        vendor_lengths: raw.vendor_lengths.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn sending_hours_hold_for_all_of_a_time_by_the_recipients_clock() {
        let hours = SendingHours {
            text: String::new(),
            closed: QuietHours::parse("09:00-21:00").unwrap().others(),
            zone: time_zone("Europe/Berlin").unwrap(),
        };
        let allow = |zone, from, until| hours.allow(zone, at(from), at(until));
        assert!(allow(None, "2026-11-24T08:00Z", "2026-11-24T20:00Z"));
        assert!(!allow(None, "2026-11-24T07:59Z", "2026-11-24T08:30Z"), "before nine");
        assert!(!allow(None, "2026-11-24T19:00Z", "2026-11-24T20:01Z"), "after nine");
        assert!(!allow(None, "2026-11-24T12:00Z", "2026-11-25T12:00Z"), "over the night");
        assert!(!allow(None, "2026-11-24T20:00Z", "2026-11-24T20:00Z"), "a single call");
        assert!(allow(Some("America/New_York"), "2026-11-24T20:00Z", "2026-11-24T21:00Z"));
    }
}
