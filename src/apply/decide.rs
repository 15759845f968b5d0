//! What is to be done about a campaign, from what the state knows and what is due. Pure.

use std::cell::RefCell;

use jiff::Timestamp;

use crate::campaign::schedule::Occurrence;
use crate::campaign::{Campaign, OnInDoubt};
use crate::state::{Hold, Run, RunStatus};

/// One thing to do, or not to do, about a campaign.
#[derive(Debug, Clone, PartialEq)]
pub enum Intention {
    /// Plan, freeze and send a run that is due.
    Start(Due),
    /// Record an occurrence that is not sent any more.
    Miss {
        /// The occurrence.
        due: Due,
        /// Why not.
        why: String,
    },
    /// Go on with a run from its frozen audience.
    Resume(Run),
    /// All that remains of a run waits for a wave that is not open yet.
    Wait {
        /// The run.
        run: Run,
        /// When the wave opens.
        opens_at: Timestamp,
    },
    /// A person or the breaker has paused a run; `resume` lets it go on.
    Held(Run),
    /// A run is unfinished, and its campaign is no longer what it was frozen from.
    Changed(Run),
    /// The run is done with; nothing is sent.
    Settled {
        /// The run.
        run: Run,
        /// Has the campaign changed since?
        changed: bool,
    },
    /// Nothing is due.
    NotDue {
        /// When the next occurrence is; `None` where there is none.
        next: Option<Timestamp>,
    },
}

/// An occurrence that is to become a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// `once`, `r2` or `20261124T0900Z`.
    pub occurrence: String,
    /// As the schedule has it; `None` for a campaign without one, which is due when a person applies it.
    pub scheduled: Option<Occurrence>,
    /// What is not sent by then is skipped.
    pub expires_at: Option<Timestamp>,
}

impl Due {
    /// The id of the run: `autumn-sale@20261124T0900Z`.
    pub fn run_id(&self, campaign: &str) -> String {
        format!("{campaign}@{}", self.occurrence)
    }
}

impl From<Occurrence> for Due {
    fn from(occurrence: Occurrence) -> Self {
        let expires_at = Some(occurrence.expires_at);
        Self { occurrence: occurrence.id(), scheduled: Some(occurrence), expires_at }
    }
}

/// Why an occurrence is missed whose window has passed.
const NOBODY_RAN_IT: &str = "nothing ran it in its window, or a gate refused it";

/// What the state knows of one campaign.
pub struct Known<'k> {
    /// Its runs of which something remains or is in doubt, the latest frozen first.
    pub open: &'k [Run],
    /// Finds any of its runs by id.
    pub find: &'k dyn Fn(&str) -> Option<Run>,
    /// Up to when its occurrences have their fate; `None` where no apply has seen it yet.
    pub answered: Option<Timestamp>,
}

/// Decides about a run that is there already. `content_digest` is what its campaign's file says now.
pub fn decide_run(campaign: &Campaign, content_digest: &str, run: Run, now: Timestamp) -> Intention {
    let changed = run.content_digest != content_digest;
    match (run.status(), run.waits_until) {
        (
            RunStatus::Cancelled | RunStatus::Missed | RunStatus::FinishedWithFailures | RunStatus::Finished,
            _,
        ) => Intention::Settled { run, changed },
        // The campaign file may ask for batches in doubt to be sent again, also after the run has ended with some.
        (RunStatus::InDoubt, _)
            if campaign.delivery.on_in_doubt != OnInDoubt::Resend || run.hold.is_some_and(Hold::is_final) =>
        {
            Intention::Settled { run, changed }
        }
        (RunStatus::InDoubt, _) if run.hold.is_some() => Intention::Held(run),
        (RunStatus::Paused, _) => Intention::Held(run),
        (RunStatus::Waiting, Some(opens_at)) if opens_at > now => Intention::Wait { run, opens_at },
        _ if changed => Intention::Changed(run),
        _ => Intention::Resume(run),
    }
}

/// Decides for one campaign. `content_digest` is what the campaign's file says now.
///
/// Unfinished runs come first, those of earlier occurrences and revisions included: what remains of them is
/// sent where their window is open, and counted as skipped where it has closed. An occurrence that is a run already,
/// whatever became of it, is never started again: not where the clock was set back either.
pub fn decide(
    campaign: &Campaign,
    content_digest: &str,
    known: &Known<'_>,
    now: Timestamp,
) -> Vec<Intention> {
    let about = |run: Run| decide_run(campaign, content_digest, run, now);
    let is_done_with = |intention: &Intention| matches!(intention, Intention::Settled { .. });
    let mut intentions: Vec<Intention> = known.open.iter().cloned().map(about).collect();
    intentions.retain(|intention| !is_done_with(intention));

    let Some(schedule) = &campaign.schedule else {
        let occurrence = match campaign.revision {
            1 => "once".to_owned(),
            revision => format!("r{revision}"),
        };
        let due = Due { occurrence, scheduled: None, expires_at: None };
        match (known.find)(&due.run_id(&campaign.id)) {
            None => intentions.push(Intention::Start(due)),
            Some(run) => intentions.extend(Some(about(run)).filter(is_done_with)),
        }
        return intentions;
    };

    // An occurrence before the campaign was first seen belongs to the time before it.
    let since = known.answered.unwrap_or_else(|| schedule.answers_since(now));
    let current = RefCell::new(None);
    let is_settled = |occurrence: &Occurrence| {
        let run = (known.find)(&Due::from(*occurrence).run_id(&campaign.id));
        let is_settled = run.is_some();
        if let Some(run) = run.filter(|run| run.expires_at.is_some_and(|at| at > now)) {
            current.replace(Some(run));
        }
        is_settled
    };
    let due = schedule.due(now, &is_settled, since);
    let nothing = intentions.is_empty() && due.run.is_empty();
    intentions.extend(due.missed.into_iter().map(|occurrence| {
        // Under `local_time` each zone has reasons of its own.
        let silent = schedule.timezone_column().is_none().then(|| schedule.wave(&occurrence, None).err());
        let why = silent.flatten().map_or(NOBODY_RAN_IT.to_owned(), |why| why.to_string());
        Intention::Miss { due: occurrence.into(), why }
    }));
    intentions.extend(due.run.into_iter().map(|occurrence| Intention::Start(occurrence.into())));
    if nothing {
        intentions.extend(current.into_inner().map(about));
        intentions.push(Intention::NotDue { next: due.next });
    }
    intentions
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::campaign::{Delivery, read_campaign, read_workspace};
    use crate::state::Tally;

    const CONTENT: &str = "c0ffee";

    fn campaign(more: &str) -> Campaign {
        let folder = Path::new(".");
        let apps = b"apps: { shop: { sandbox: true } }\n".to_vec();
        let (workspace, _) = read_workspace(Path::new("pushplan.yaml"), apps, folder);
        let yaml = format!("campaign: c\naudience: {{ accounts: [a] }}\nmessage: {{ body: b }}\n{more}\n");
        read_campaign(Path::new("c.yaml"), yaml.into(), folder, &|_| Ok(Vec::new()), workspace.as_ref())
            .campaign
            .expect("no mistakes")
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn run(occurrence: &str, tally: Tally) -> Run {
        Run {
            id: format!("c@{occurrence}"),
            campaign: "c".to_owned(),
            occurrence: occurrence.to_owned(),
            app: "shop".to_owned(),
            from: "administrator".to_owned(),
            content_digest: CONTENT.to_owned(),
            audience_digest: String::new(),
            plan_digest: String::new(),
            expires_at: None,
            delivery: Delivery::default(),
            frozen_at: at("2026-11-23T00:00Z"),
            hold: None,
            waits_until: None,
            tally,
        }
    }

    fn finished() -> Tally {
        Tally { planned: 9, accepted: 9, ..Tally::default() }
    }

    fn unfinished() -> Tally {
        Tally { planned: 9, accepted: 4, remaining: 5, ..Tally::default() }
    }

    const NOW: &str = "2026-11-23T12:00Z";

    fn decided(more: &str, content: &str, runs: &[Run]) -> Vec<Intention> {
        let open: Vec<Run> =
            runs.iter().filter(|run| run.tally.remaining + run.tally.in_doubt > 0).cloned().collect();
        let find = |id: &str| runs.iter().find(|run| run.id == id).cloned();
        let answered = runs.iter().map(|run| run.frozen_at).max();
        decide(&campaign(more), content, &Known { open: &open, find: &find, answered }, at(NOW))
    }

    fn scheduled(id: &str, expires_at: &str) -> Occurrence {
        let at_instant = crate::campaign::schedule::parse_occurrence_id(id).unwrap();
        Occurrence { at: at_instant, opens_at: at_instant, expires_at: at(expires_at), late_from: None }
    }

    fn start(occurrence: &str, expires_at: Option<&str>) -> Intention {
        let scheduled = expires_at.map(|expires_at| scheduled(occurrence, expires_at));
        let expires_at = expires_at.map(at);
        Intention::Start(Due { occurrence: occurrence.to_owned(), scheduled, expires_at })
    }

    #[test]
    fn an_unscheduled_campaign_is_sent_once_a_revision() {
        assert_eq!(decided("", CONTENT, &[]), [start("once", None)]);
        let done = run("once", finished());
        let settled = |changed| Intention::Settled { run: done.clone(), changed };
        assert_eq!(decided("", CONTENT, std::slice::from_ref(&done)), [settled(false)]);
        assert_eq!(decided("", "other", std::slice::from_ref(&done)), [settled(true)]);
        assert_eq!(decided("revision: 2", "other", &[done]), [start("r2", None)]);
    }

    #[test]
    fn an_unfinished_run_goes_on_only_as_it_was_frozen() {
        let open = run("once", unfinished());
        assert_eq!(decided("", CONTENT, std::slice::from_ref(&open)), [Intention::Resume(open.clone())]);
        assert_eq!(decided("", "other", std::slice::from_ref(&open)), [Intention::Changed(open.clone())]);
        for hold in [Hold::Paused, Hold::Breaker] {
            let held = Run { hold: Some(hold), ..open.clone() };
            assert_eq!(decided("", CONTENT, std::slice::from_ref(&held)), [Intention::Held(held.clone())]);
        }
    }

    #[test]
    fn what_is_in_doubt_is_taken_up_again_only_where_the_file_says_resend() {
        let doubt = run("once", Tally { planned: 9, accepted: 4, in_doubt: 5, ..Tally::default() });
        let settled = Intention::Settled { run: doubt.clone(), changed: false };
        assert_eq!(decided("", CONTENT, std::slice::from_ref(&doubt)), [settled]);
        let resend = "delivery: { on_in_doubt: resend }";
        assert_eq!(
            decided(resend, CONTENT, std::slice::from_ref(&doubt)),
            [Intention::Resume(doubt.clone())]
        );
    }

    #[test]
    fn a_run_that_was_cancelled_stays_so_whatever_remains_or_is_in_doubt() {
        let doubtful = Tally { planned: 9, accepted: 4, in_doubt: 5, ..Tally::default() };
        for tally in [unfinished(), doubtful] {
            let run = Run { hold: Some(Hold::Cancelled), ..run("once", tally) };
            let settled = Intention::Settled { run: run.clone(), changed: false };
            assert_eq!(decided("delivery: { on_in_doubt: resend }", CONTENT, &[run]), [settled]);
        }
        let paused = Run { hold: Some(Hold::Paused), ..run("once", doubtful) };
        let held = Intention::Held(paused.clone());
        assert_eq!(decided("delivery: { on_in_doubt: resend }", CONTENT, &[paused]), [held]);
    }

    #[test]
    fn a_scheduled_campaign_is_sent_in_its_window_and_else_says_when_it_is_next() {
        let daily = |hour: u8| format!("schedule: {{ cron: \"0 {hour} * * *\", expires_after: 2h }}");
        assert_eq!(decided(&daily(11), CONTENT, &[]), [start("20261123T1100Z", Some("2026-11-23T13:00Z"))]);
        let next = Intention::NotDue { next: Some(at("2026-11-24T09:00Z")) };
        assert_eq!(decided(&daily(9), CONTENT, &[]), [next]);

        // Sent already: nothing is sent, and both facts are told.
        let sent = Run { expires_at: Some(at("2026-11-23T13:00Z")), ..run("20261123T1100Z", finished()) };
        let told = decided(&daily(11), CONTENT, &[sent]);
        assert!(
            matches!(told[..], [Intention::Settled { .. }, Intention::NotDue { next: Some(_) }]),
            "{told:?}"
        );
    }

    #[test]
    fn what_nobody_ran_in_its_window_is_missed_once() {
        let daily = "schedule: { cron: \"0 9 * * *\", expires_after: 2h }";
        let first = Run { frozen_at: at("2026-11-21T09:00Z"), ..run("20261121T0900Z", finished()) };
        let missed = |day: u8| Intention::Miss {
            due: scheduled(&format!("202611{day}T0900Z"), &format!("2026-11-{day}T11:00Z")).into(),
            why: NOBODY_RAN_IT.to_owned(),
        };
        let next = Intention::NotDue { next: Some(at("2026-11-24T09:00Z")) };
        assert_eq!(
            decided(daily, CONTENT, std::slice::from_ref(&first)),
            [missed(22), missed(23), next.clone()]
        );
        let recorded = ["20261122T0900Z", "20261123T0900Z"]
            .map(|occurrence| Run { hold: Some(Hold::Missed), ..run(occurrence, Tally::default()) });
        assert_eq!(decided(daily, CONTENT, &[&[first][..], &recorded].concat()), [next]);
    }

    #[test]
    fn a_run_whose_next_wave_is_not_open_waits_and_goes_on_when_it_is() {
        let waits = |until: &str| Run { waits_until: Some(at(until)), ..run("once", unfinished()) };
        let later = waits("2026-11-23T12:01Z");
        let opens_at = at("2026-11-23T12:01Z");
        assert_eq!(
            decided("", CONTENT, std::slice::from_ref(&later)),
            [Intention::Wait { run: later.clone(), opens_at }]
        );
        let open = waits(NOW);
        assert_eq!(decided("", CONTENT, std::slice::from_ref(&open)), [Intention::Resume(open.clone())]);
    }

    #[test]
    fn an_earlier_unfinished_run_is_taken_up_beside_the_one_that_is_due() {
        let earlier = run("20261122T1100Z", unfinished());
        let daily = "schedule: { cron: \"0 11 * * *\", expires_after: 2h }";
        let due = start("20261123T1100Z", Some("2026-11-23T13:00Z"));
        assert_eq!(
            decided(daily, CONTENT, std::slice::from_ref(&earlier)),
            [Intention::Resume(earlier.clone()), due]
        );
    }
}
