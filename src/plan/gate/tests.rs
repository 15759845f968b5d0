//! What each gate refuses. The plans are of one campaign without personal values, at one call a second.

use std::path::Path;

use super::*;
use crate::audience::{self, Access, Keep};
use crate::campaign::schedule::{NoWave, Wave, Window};
use crate::campaign::{read_campaign, read_workspace};
use crate::plan::change::Last;
use crate::plan::{Content, RunHeader, build};

const NOW: &str = "2026-11-24T09:00:00Z";

struct Says {
    wave: Wave,
}

impl Content for Says {
    type Error = String;

    fn message(&self, _: &[crate::audience::Value<'_>]) -> Result<String, String> {
        Ok(format!(r#"{{"Title":"{}"}}"#, "x".repeat(60)))
    }

    fn wave(&self, _: &[crate::audience::Value<'_>]) -> Result<Wave, NoWave> {
        Ok(self.wave.clone())
    }

    fn data_id(&self, batch: u32) -> Result<String, String> {
        Ok(batch.to_string())
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// What the gates of a workspace say of a run with so many recipients that may be sent until `closes_at`.
fn judged(
    gates: &str,
    more: &str,
    recipients: usize,
    closes_at: Option<&str>,
    past: &Past,
) -> Vec<(Gate, bool)> {
    let folder = Path::new(".");
    let yaml = format!(
        "apps: {{ shop: {{ sandbox: true, rate: {{ calls_per_second: 1 }} }} }}\ngates: {{ {gates} }}\n"
    );
    let (workspace, wrong) = read_workspace(Path::new("pushplan.yaml"), yaml.into(), folder);
    assert!(wrong.is_empty(), "{wrong:?}");
    let accounts: Vec<String> = (0..recipients).map(|i| format!("u{i}")).collect();
    let yaml = format!(
        "campaign: c\naudience: {{ accounts: [{}]{more} }}\nmessage: {{ body: b }}\n",
        accounts.join(", ")
    );
    let campaign =
        read_campaign(Path::new("c.yaml"), yaml.into(), folder, &|_| Ok(Vec::new()), workspace.as_ref());
    let campaign = campaign.campaign.expect("no mistakes");
    let audience = audience::read(&campaign.audience, &[], Access::Files, Keep(None), &|_| {}).unwrap();
    let window = Window { opens_at: None, closes_at: closes_at.map(at) };
    let says = Says { wave: Wave { windows: vec![window], zone: None } };
    let plan = build(RunHeader::new(&campaign, "once", None), &audience, says, None, &|_| {}).unwrap();
    let workspace = workspace.unwrap();
    let facts =
        Facts { campaign: &campaign, plan: &plan, rate: &workspace.apps["shop"].rate, past, now: at(NOW) };
    let verdicts = verdicts(&workspace.gates, &facts);
    verdicts.into_iter().map(|verdict| (verdict.gate, verdict.refused)).collect()
}

fn one(gates: &str, recipients: usize) -> Vec<(Gate, bool)> {
    judged(gates, "", recipients, None, &Past::default())
}

#[test]
fn nothing_is_closed_where_nothing_is_written() {
    assert_eq!(one("", 3), []);
}

#[test]
fn the_bounds_themselves_are_allowed() {
    for (recipients, refused) in [(99, true), (100, false), (200, false), (201, true)] {
        let expect = judged("", ", expect: { min: 100, max: 200 }", recipients, None, &Past::default());
        assert_eq!(expect, [(Gate::Expect, refused)], "{recipients}");
    }
    for (recipients, refused) in [(100, false), (101, true)] {
        assert_eq!(one("max_recipients: 100", recipients), [(Gate::MaxRecipients, refused)]);
    }
}

#[test]
fn the_past_counts_into_the_day_and_is_what_growth_is_measured_by() {
    let last = Last {
        run: "c@r1".into(),
        frozen_at: at(NOW),
        recipients: 100,
        content_digest: String::new(),
        content_json: None,
    };
    let past = Past { last: Some(last), of_day: 100 };
    for (recipients, refused) in [(150, false), (151, true)] {
        let gates = "max_recipients_per_day: 250, max_growth: 50%";
        let expected = [(Gate::MaxRecipientsPerDay, refused), (Gate::MaxGrowth, refused)];
        assert_eq!(judged(gates, "", recipients, None, &past), expected);
    }
    assert_eq!(one("max_growth: 0%", 5), [(Gate::MaxGrowth, false)], "there is nothing to grow from");
}

#[test]
fn calls_must_fit_into_their_window_where_that_is_asked_for() {
    // Three calls, of which the last leaves after two seconds.
    for (closes_at, refused) in
        [("2026-11-24T09:00:02Z", false), ("2026-11-24T09:00:01Z", true), ("2026-11-24T08:00:00Z", true)]
    {
        let gates = judged("fits_window: true", "", 1_001, Some(closes_at), &Past::default());
        assert_eq!(gates, [(Gate::FitsWindow, refused)], "{closes_at}");
    }
}

#[test]
fn calls_leave_within_the_sending_hours() {
    for (hours, refused) in [("09:00-21:00", false), ("10:00-21:00", true), ("21:00-09:00", true)] {
        let gates = one(&format!("sending_hours: {{ between: \"{hours}\", timezone: UTC }}"), 3);
        assert_eq!(gates, [(Gate::SendingHours, refused)], "{hours}");
    }
}

#[test]
fn a_text_that_a_vendor_would_cut_is_refused_where_that_is_asked_for() {
    assert_eq!(one("vendor_lengths: true", 3), [(Gate::VendorLengths, true)]);
    assert_eq!(one("vendor_lengths: false", 3), []);
}

#[test]
fn every_gate_is_known_by_its_name() {
    for gate in Gate::ALL {
        assert_eq!(gate.as_str().parse(), Ok(gate));
        assert_eq!(serde_json::to_value(gate).unwrap(), gate.as_str());
    }
    let error = "max_recipient".parse::<Gate>().unwrap_err();
    assert_eq!(error, "there is no such gate; did you mean `max_recipients`?");
}
