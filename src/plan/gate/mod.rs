//! Gates: a plan that is sound, and still may not be what its owners want sent.
//!
//! Each gate that the workspace or the campaign closes gives a [`Verdict`]. Pure: what earlier runs bear on it, and the
//! time, are arguments.

mod sending;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Plan;
use super::change::Past;
use super::cost::Cost;
use super::warning::Warning;
use crate::campaign::{Campaign, Gates, Rate, percent, share_of};
use crate::diagnostic::nearest;
use crate::message::ALL_VENDORS;
use sending::{Sending, sending};

/// The gates, by the keys of `gates:` in the workspace file; `expect` is the campaign's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The campaign's `audience.expect`.
    Expect,
    /// Most recipients of a run.
    MaxRecipients,
    /// Most recipients of an app within 24 hours.
    MaxRecipientsPerDay,
    /// How much larger the audience may be than that of the campaign's last run.
    MaxGrowth,
    /// How many times the calls of one message for everybody a run may take.
    MaxPersonalisation,
    /// The calls must fit into their windows.
    FitsWindow,
    /// Keys that a campaign must have.
    Require,
    /// When calls may leave.
    SendingHours,
    /// No phone vendor may cut a text.
    VendorLengths,
}

impl Gate {
    /// Every gate.
    pub const ALL: [Self; 9] = [
        Self::Expect,
        Self::MaxRecipients,
        Self::MaxRecipientsPerDay,
        Self::MaxGrowth,
        Self::MaxPersonalisation,
        Self::FitsWindow,
        Self::Require,
        Self::SendingHours,
        Self::VendorLengths,
    ];

    /// Its key in the files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expect => "expect",
            Self::MaxRecipients => "max_recipients",
            Self::MaxRecipientsPerDay => "max_recipients_per_day",
            Self::MaxGrowth => "max_growth",
            Self::MaxPersonalisation => "max_personalisation",
            Self::FitsWindow => "fits_window",
            Self::Require => "require",
            Self::SendingHours => "sending_hours",
            Self::VendorLengths => "vendor_lengths",
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.into_iter().map(Self::as_str);
        Self::ALL.into_iter().find(|gate| gate.as_str() == text).ok_or_else(|| match nearest(text, names()) {
            Some(near) => format!("there is no such gate; did you mean `{near}`?"),
            None => {
                format!("there is no such gate; the gates are {}", names().collect::<Vec<_>>().join(", "))
            }
        })
    }
}

/// What a gate says of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Which gate.
    pub gate: Gate,
    /// Is the run refused?
    pub refused: bool,
    /// The numbers, in words.
    pub reason: String,
}

/// What the gates look at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The campaign.
    pub campaign: &'a Campaign,
    /// Its plan.
    pub plan: &'a Plan,
    /// The app's rate.
    pub rate: &'a Rate,
    /// What earlier runs bear on it.
    pub past: &'a Past,
    /// Seconds of the app's rate that runs take which would be sent together with it.
    pub beside_s: f64,
    /// When it would be applied.
    pub now: Timestamp,
}

/// The verdicts of all gates that are closed, in the order of [`Gate::ALL`].
pub fn verdicts(gates: &Gates, facts: &Facts<'_>) -> Vec<Verdict> {
    let Facts { plan, past, .. } = *facts;
    let recipients = plan.recipients();
    let at_most = |gate: Gate, most: Option<u64>, number: u64, what: &str| {
        let most = most?;
        Some(verdict(gate, number > most, format!("{number} {what}, at most {most}")))
    };
    let day = past.of_day + recipients;
    [
        expect(facts),
        at_most(Gate::MaxRecipients, gates.max_recipients, recipients, "recipients"),
        at_most(
            Gate::MaxRecipientsPerDay,
            gates.max_recipients_per_day,
            day,
            &format!("recipients of app {} with those of the last 24 hours", plan.header.app),
        ),
        gates.max_growth.map(|most| growth(most, facts)),
        gates.max_personalisation.map(|most| personalisation(most, facts)),
        gates.fits_window.then(|| fits_window(facts)),
        require(gates, facts),
        gates.sending_hours.as_ref().map(|hours| {
            let Sending { spans, .. } = sending(facts);
            let outside = spans.iter().find(|span| !hours.allow(span.zone, span.from, span.until));
            let reason = match outside {
                Some(span) => format!(
                    "calls would leave from {:.0} to {:.0}, and may only within {hours}",
                    span.from, span.until
                ),
                None => format!("all calls leave within {hours}"),
            };
            verdict(Gate::SendingHours, outside.is_some(), reason)
        }),
        gates.vendor_lengths.then(|| {
            // What is advised of all vendors is cut by none.
            let cuts = |warning: &&Warning| !matches!(warning, Warning::Length { vendor, .. } if vendor == ALL_VENDORS);
            let lengths: Vec<String> = plan.lengths.iter().filter(cuts).map(ToString::to_string).collect();
            let reason =
                if lengths.is_empty() { "no vendor cuts a text".to_owned() } else { lengths.join("; ") };
            verdict(Gate::VendorLengths, !lengths.is_empty(), reason)
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn verdict(gate: Gate, refused: bool, reason: String) -> Verdict {
    Verdict { gate, refused, reason }
}

fn expect(facts: &Facts<'_>) -> Option<Verdict> {
    // Of what is left of a run those count too who are done with: it is the audience that is looked at.
    let recipients = facts.plan.stats.recipients + facts.plan.stats.others;
    let (min, max) = (facts.campaign.audience.expect_min, facts.campaign.audience.expect_max);
    let (refused, reason) = match (min, max) {
        (None, None) => return None,
        (Some(min), _) if recipients < min => (
            true,
            format!(
                "the audience has {recipients} recipients, fewer than `expect.min: {min}`; is the file whole and the \
                 filter right?"
            ),
        ),
        (_, Some(max)) if recipients > max => (
            true,
            format!(
                "the audience has {recipients} recipients, more than `expect.max: {max}`; is the filter right?"
            ),
        ),
        _ => (false, format!("{recipients} recipients, as expected")),
    };
    Some(verdict(Gate::Expect, refused, reason))
}

fn growth(most: f64, facts: &Facts<'_>) -> Verdict {
    let now = facts.plan.recipients();
    let Some(last) = &facts.past.last else {
        return verdict(Gate::MaxGrowth, false, "the campaign has no run to compare with".to_owned());
    };
    let before = last.recipients;
    let most_now = before.saturating_add(share_of(before, most));
    let reason = format!("{now} recipients after {before} of {}, at most {} more", last.run, percent(most));
    verdict(Gate::MaxGrowth, now > most_now, reason)
}

fn personalisation(most: f64, facts: &Facts<'_>) -> Verdict {
    let Cost { calls_alike, factor, .. } = Cost::of(facts.plan, facts.rate);
    let calls = facts.plan.calls();
    let reason = format!(
        "{calls} calls, {factor:.1} times the {calls_alike} of one message for everybody, at most {most} times"
    );
    verdict(Gate::MaxPersonalisation, factor > most, reason)
}

fn fits_window(facts: &Facts<'_>) -> Verdict {
    let Sending { spans, late } = sending(facts);
    let reason = match (late, spans.last()) {
        (Some(late), _) => format!(
            "the calls take {:.0} s longer than their window{} is open at the rate of app {}{}",
            late.seconds,
            late.zone.map_or(String::new(), |zone| format!(" in {zone}")),
            facts.plan.header.app,
            if facts.beside_s > 0.0 { ", which other runs share" } else { "" }
        ),
        (None, Some(last)) => format!("the last call leaves by {:.0}", last.until),
        (None, None) => "there is no call".to_owned(),
    };
    verdict(Gate::FitsWindow, late.is_some(), reason)
}

fn require(gates: &Gates, facts: &Facts<'_>) -> Option<Verdict> {
    let is_blank = |text: &Option<String>| text.as_deref().is_none_or(|text| text.trim().is_empty());
    let required = [
        (gates.require_owner, "owner", &facts.campaign.owner),
        (gates.require_description, "description", &facts.campaign.description),
    ];
    let required: Vec<_> = required.into_iter().filter(|(required, ..)| *required).collect();
    let names = |keep: &dyn Fn(&Option<String>) -> bool| {
        let names = required.iter().filter(|(_, _, text)| keep(text)).map(|(_, name, _)| format!("`{name}`"));
        names.collect::<Vec<_>>().join(" and ")
    };
    let missing = names(&is_blank);
    let reason = match missing.as_str() {
        "" => format!("the campaign has {}", names(&|_| true)),
        missing => format!("the campaign has no {missing}"),
    };
    (!required.is_empty()).then(|| verdict(Gate::Require, !missing.is_empty(), reason))
}
