//! What is to be done about a campaign, from what the state knows and what is due. Pure.

use jiff::Timestamp;

use crate::campaign::schedule::Occurrence;
use crate::campaign::{Campaign, OnInDoubt};
use crate::state::{Run, RunStatus};

/// One thing to do, or not to do, about a campaign.
#[derive(Debug, Clone, PartialEq)]
pub enum Intention {
    /// Plan, freeze and send a run that is due.
    Start(Due),
    /// Go on with a run from its frozen audience.
    Resume(Run),
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
    /// What is not sent by then is skipped.
    pub expires_at: Option<Timestamp>,
    /// The instant of the schedule that it is; `None` where the campaign has none.
    pub scheduled: Option<Occurrence>,
}

impl Due {
    /// The id of the run: `autumn-sale@20261124T0900Z`.
    pub fn run_id(&self, campaign: &str) -> String {
        format!("{campaign}@{}", self.occurrence)
    }
}

/// Decides for one campaign. `runs` are the state's runs of this campaign, `content_digest` is what the
/// campaign's file says now.
///
/// Unfinished runs come first, those of earlier occurrences and revisions included: what remains of them is
/// sent where their window is open, and counted as skipped where it has closed.
pub fn decide(campaign: &Campaign, content_digest: &str, runs: &[Run], now: Timestamp) -> Vec<Intention> {
    // The campaign file may ask for batches in doubt to be sent again, also after the run has ended with some.
    let resends = campaign.delivery.on_in_doubt == OnInDoubt::Resend;
    let open = |run: &&Run| match run.status() {
        RunStatus::Unfinished | RunStatus::Waiting | RunStatus::Paused => true,
        RunStatus::InDoubt => resends,
        RunStatus::Cancelled | RunStatus::Missed | RunStatus::FinishedWithFailures | RunStatus::Finished => {
            false
        }
    };
    let mut intentions: Vec<Intention> = runs
        .iter()
        .filter(open)
        .map(|run| match (run.status(), run.content_digest == content_digest) {
            (RunStatus::Paused, _) => Intention::Held(run.clone()),
            (_, true) => Intention::Resume(run.clone()),
            (_, false) => Intention::Changed(run.clone()),
        })
        .collect();
    let of = |occurrence: &str| runs.iter().find(|run| run.occurrence == occurrence);
    let settled =
        |run: &Run| Intention::Settled { run: run.clone(), changed: run.content_digest != content_digest };

    let Some(schedule) = &campaign.schedule else {
        let occurrence = match campaign.revision {
            1 => "once".to_owned(),
            revision => format!("r{revision}"),
        };
        match of(&occurrence) {
            None => intentions.push(Intention::Start(Due { occurrence, expires_at: None, scheduled: None })),
            Some(run) if !open(&run) => intentions.push(settled(run)),
            Some(_) => {}
        }
        return intentions;
    };

    // An occurrence before the first run that the state has seen belongs to the time before the campaign.
    let since = runs.iter().map(|run| run.frozen_at).min().unwrap_or_else(|| schedule.answers_since(now));
    let due = schedule.due(now, &|occurrence: &Occurrence| of(&occurrence.id()).is_some(), since);
    let nothing = intentions.is_empty() && due.run.is_empty();
    intentions.extend(due.run.into_iter().map(|occurrence| {
        Intention::Start(Due {
            occurrence: occurrence.id(),
            expires_at: Some(occurrence.expires_at),
            scheduled: Some(occurrence),
        })
    }));
    if nothing {
        let current = runs.iter().find(|run| run.expires_at.is_some_and(|at| at > now));
        intentions.extend(current.map(settled));
        intentions.push(Intention::NotDue { next: due.next });
    }
    intentions
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::campaign::{Delivery, read_campaign, read_workspace};
    use crate::state::{Hold, Tally};

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
            frozen_at: at("2026-11-20T00:00Z"),
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
        let mut decided = decide(&campaign(more), content, runs, at(NOW));
        for intention in &mut decided {
            if let Intention::Start(due) = intention {
                let scheduled = due.scheduled.take().map(|occurrence| occurrence.id());
                assert!(scheduled.is_none_or(|id| id == due.occurrence));
            }
        }
        decided
    }

    fn start(occurrence: &str, expires_at: Option<&str>) -> Intention {
        Intention::Start(Due {
            occurrence: occurrence.to_owned(),
            expires_at: expires_at.map(at),
            scheduled: None,
        })
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
