//! What each gate refuses. The plans are of one campaign without personal values, at one call a second.

use std::collections::HashSet;
use std::path::Path;

use super::*;
use crate::audience::{self, Access, Keep};
use crate::campaign::schedule::{NoWave, Wave, Window};
use crate::campaign::{read_campaign, read_workspace};
use crate::plan::change::Last;
use crate::plan::{Content, RunHeader, build};

const NOW: &str = "2026-11-24T09:00:00Z";

/// People take turns in these waves.
struct Says {
    waves: Vec<Wave>,
}

impl Content for Says {
    type Error = String;

    fn message(&self, _: &[crate::audience::Value<'_>]) -> Result<String, String> {
        Ok(format!(r#"{{"Title":"{}"}}"#, "x".repeat(60)))
    }

    fn wave(&self, values: &[crate::audience::Value<'_>]) -> Result<Wave, NoWave> {
        let account = values[0].text().expect("accounts are carried");
        let number: usize = account[1..].parse().expect("u0, u1, …");
        Ok(self.waves[number % self.waves.len()].clone())
    }

    fn data_id(&self, batch: u32) -> Result<String, String> {
        Ok(batch.to_string())
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A run and what bears on it.
struct Case<'a> {
    gates: &'a str,
    /// Further keys of `audience`.
    more: &'a str,
    recipients: usize,
    /// Until when it may be sent: a wave each.
    closes_at: &'a [&'a str],
    past: Past,
    beside_s: f64,
    /// Who is left of the run, where it is planned anew.
    rest: Option<HashSet<String>>,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self {
            gates: "",
            more: "",
            recipients: 3,
            closes_at: &[],
            past: Past::default(),
            beside_s: 0.0,
            rest: None,
        }
    }
}

/// What the gates of a workspace say of a run.
fn judged(case: Case<'_>) -> Vec<(Gate, bool)> {
    let Case { gates, more, recipients, closes_at, past, beside_s, rest } = case;
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
    let audience =
        audience::read(&campaign.audience, &["account".into()], Access::Files, Keep(rest.as_ref()), &|_| {})
            .unwrap();
    let wave = |closes_at: Option<Timestamp>, number: usize| Wave {
        windows: vec![Window { opens_at: None, closes_at }],
        zone: (number > 0).then(|| format!("zone {number}")),
    };
    let mut waves: Vec<Wave> =
        closes_at.iter().enumerate().map(|(number, text)| wave(Some(at(text)), number)).collect();
    if waves.is_empty() {
        waves.push(wave(None, 0));
    }
    let says = Says { waves };
    let plan = build(RunHeader::new(&campaign, "once", None), &audience, says, None, &|_| {}).unwrap();
    let workspace = workspace.unwrap();
    let rate = &workspace.apps["shop"].rate;
    let facts = Facts { campaign: &campaign, plan: &plan, rate, past: &past, beside_s, now: at(NOW) };
    let verdicts = verdicts(&workspace.gates, &facts);
    verdicts.into_iter().map(|verdict| (verdict.gate, verdict.refused)).collect()
}

fn one(gates: &str, recipients: usize) -> Vec<(Gate, bool)> {
    judged(Case { gates, recipients, ..Case::default() })
}

/// The campaign's last run had 100 recipients, and the app's runs of the day so many.
fn after_100(of_day: u64) -> Past {
    let last = Last {
        run: "c@r1".into(),
        frozen_at: at(NOW),
        recipients: 100,
        content_digest: String::new(),
        content_json: None,
    };
    Past { last: Some(last), of_day }
}

#[test]
fn nothing_is_closed_where_nothing_is_written() {
    assert_eq!(one("", 3), []);
}

#[test]
fn the_bounds_themselves_are_allowed() {
    for (recipients, refused) in [(99, true), (100, false), (200, false), (201, true)] {
        let expect = judged(Case { more: ", expect: { min: 100, max: 200 }", recipients, ..Case::default() });
        assert_eq!(expect, [(Gate::Expect, refused)], "{recipients}");
    }
    for (recipients, refused) in [(100, false), (101, true)] {
        assert_eq!(one("max_recipients: 100", recipients), [(Gate::MaxRecipients, refused)]);
    }
}

#[test]
fn the_past_counts_into_the_day_and_is_what_growth_is_measured_by() {
    let past = after_100(100);
    for (recipients, refused) in [(150, false), (151, true)] {
        let gates = "max_recipients_per_day: 250, max_growth: 50%";
        let expected = [(Gate::MaxRecipientsPerDay, refused), (Gate::MaxGrowth, refused)];
        assert_eq!(judged(Case { gates, recipients, past: past.clone(), ..Case::default() }), expected);
    }
    assert_eq!(one("max_growth: 0%", 5), [(Gate::MaxGrowth, false)], "there is nothing to grow from");
}

#[test]
fn what_was_expected_of_an_audience_is_not_expected_of_the_rest_of_it() {
    let rest = Some(["u1".to_owned(), "u7".to_owned()].into());
    let more = ", expect: { min: 10, max: 10 }";
    assert_eq!(judged(Case { more, recipients: 10, rest, ..Case::default() }), [(Gate::Expect, false)]);
}

#[test]
fn growth_is_reckoned_as_its_author_would() {
    for (growth, most) in [("15%", 115), ("29%", 129), ("7%", 107)] {
        let past = after_100(0);
        let gates = format!("max_growth: {growth}");
        for (recipients, refused) in [(most, false), (most + 1, true)] {
            let case = Case { gates: &gates, recipients, past: past.clone(), ..Case::default() };
            assert_eq!(judged(case), [(Gate::MaxGrowth, refused)], "{growth}, {recipients}");
        }
    }
}

#[test]
fn calls_must_fit_into_their_window_where_that_is_asked_for() {
    // Three calls a wave, of which the last leaves after two seconds.
    let fits = |closes_at: &[&str], beside_s| {
        let recipients = 1_500 * closes_at.len();
        judged(Case { gates: "fits_window: true", recipients, closes_at, beside_s, ..Case::default() })
    };
    let (long, short, closed) = ("2026-11-24T09:00:02Z", "2026-11-24T09:00:01Z", "2026-11-24T08:00:00Z");
    for (closes_at, beside_s, refused) in [
        (&[long][..], 0.0, false),
        (&[short], 0.0, true),
        (&[long], 1.0, true),
        // Nothing would be sent at all.
        (&[closed], 0.0, true),
        // One zone is over: it is the other one that must fit.
        (&[closed, long], 0.0, false),
        (&[closed, short], 0.0, true),
    ] {
        assert_eq!(fits(closes_at, beside_s), [(Gate::FitsWindow, refused)], "{closes_at:?} {beside_s}");
    }
}

#[test]
fn calls_leave_within_the_sending_hours() {
    for (hours, beside_s, refused) in [
        ("09:00-21:00", 0.0, false),
        ("10:00-21:00", 0.0, true),
        ("21:00-09:00", 0.0, true),
        ("09:00-09:01", 30.0, false),
        ("09:00-09:01", 90.0, true),
    ] {
        let gates = format!("sending_hours: {{ between: \"{hours}\", timezone: UTC }}");
        let judged = judged(Case { gates: &gates, beside_s, ..Case::default() });
        assert_eq!(judged, [(Gate::SendingHours, refused)], "{hours} {beside_s}");
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
