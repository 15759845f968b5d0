//! What is to be done about each campaign, as `plan` shows it and `apply` does it: runs to begin, to go on with, to leave alone.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::failure::Failure;
use crate::apply::{Due, Intention};
use crate::campaign::{Campaign, OnInDoubt, Workspace};
use crate::plan::change::{Past, field_changes};
use crate::plan::gate::{Gate, Verdict};
use crate::plan::summary::{Summaries, Summary};
use crate::plan::{Plan, RunHeader};
use crate::prepare;
use crate::report;
use crate::state::{Run, Store};

/// A plan and what the gates say of it.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) plan: Plan,
    pub(super) verdicts: Vec<Verdict>,
    pub(super) past: Past,
    /// When the occurrence opened, where a schedule asks for it.
    pub(super) opens_at: Option<Timestamp>,
}

/// What is to be done, campaign by campaign.
#[derive(Debug, Default)]
pub(super) struct Planned {
    /// Runs that are due, planned.
    pub(super) plans: Vec<Judged>,
    /// Why other runs that are due cannot be planned.
    pub(super) failed: Vec<prepare::Error>,
    /// Why other runs that are due are refused by a gate: [`plan_due`](super::planning::plan_due).
    pub(super) refused: Vec<Failure>,
    /// Occurrences that are not sent any more, by the reason.
    pub(super) missed: BTreeMap<String, Vec<RunHeader>>,
    /// Up to when the occurrences of campaigns have their fate, once the plans are frozen and what was missed is recorded.
    pub(super) answered: BTreeMap<String, Timestamp>,
    /// Unfinished runs whose campaign is as it was frozen.
    pub(super) resumes: Vec<Run>,
    /// Runs that wait for a wave, and when it opens.
    pub(super) waiting: Vec<(Run, Timestamp)>,
    /// Unfinished runs whose campaign has changed, with the campaign as it is now.
    pub(super) changed: Vec<(Campaign, Run)>,
    /// Runs that a person or the breaker has paused.
    pub(super) held: Vec<Run>,
    /// Runs that are done with, and whether their campaign has changed since.
    pub(super) settled: Vec<(Run, bool)>,
    /// Runs that are left alone though they are due or unfinished, and why.
    pub(super) left: Vec<(String, &'static str)>,
    /// Campaigns of which nothing is due, and when they next are.
    pub(super) not_due: Vec<(String, Option<Timestamp>)>,
}

impl Planned {
    /// Takes in what is to be done about a campaign, unless it is to be planned.
    pub(super) fn add(&mut self, campaign: &Campaign, intention: Intention, now: Timestamp) {
        match intention {
            Intention::Start(_) => {}
            Intention::Miss { due: Due { occurrence, expires_at, .. }, why } => {
                let missed = RunHeader::new(campaign, &occurrence, expires_at);
                self.missed.entry(why).or_default().push(missed);
                self.answered.insert(campaign.id.clone(), now);
            }
            // How it is sent may be changed under way: an operator's way to slow a run down.
            Intention::Resume(run) => self.resumes.push(Run { delivery: campaign.delivery, ..run }),
            Intention::Wait { run, opens_at } => self.waiting.push((run, opens_at)),
            Intention::Changed(run) => self.changed.push((campaign.clone(), run)),
            Intention::Held(run) => self.held.push(run),
            Intention::Settled { run, changed } => self.settled.push((run, changed)),
            Intention::NotDue { next } => self.not_due.push((campaign.id.clone(), next)),
        }
    }

    /// Fails where a gate refuses one of the runs, or of these further ones, and nobody has overridden it.
    pub(super) fn refuse_gates<'j>(
        &'j self,
        further: impl Iterator<Item = &'j Judged>,
        overridden: &[Gate],
    ) -> Result<(), Failure> {
        let judged = self.plans.iter().chain(further);
        let refused: Vec<String> = judged.filter_map(|judged| judged.refused(overridden)).collect();
        if refused.is_empty() { Ok(()) } else { Err(Failure::Refused(report::plan::refused(&refused))) }
    }

    /// A run that is due is not sent now: it is met again while its window is open.
    pub(super) fn has_no_fate(&mut self, judged: &Judged) {
        let answered = self.answered.get_mut(&judged.plan.header().campaign);
        if let (Some(answered), Some(opens_at)) = (answered, judged.opens_at) {
            *answered = opens_at.min(*answered);
        }
    }

    /// Leaves runs that schedules ask for to a timer, but for those to `keep`.
    pub(super) fn leave_to_timer(&mut self, keep: impl Fn(&Plan) -> bool) {
        for judged in std::mem::take(&mut self.plans) {
            if judged.opens_at.is_none() || keep(&judged.plan) {
                self.plans.push(judged);
                continue;
            }
            self.has_no_fate(&judged);
            self.left
                .push((judged.plan.header().run_id.clone(), "it is due; `pushplan apply --due` sends it"));
        }
    }

    /// Lets nothing in doubt be sent again that was not to be when its run was approved and begun.
    pub(super) fn hold_what_was_held(&mut self, store: &dyn Store) -> Result<(), Failure> {
        for run in &mut self.resumes {
            let begun_with = store.run(&run.id)?.delivery.on_in_doubt;
            if begun_with == OnInDoubt::Hold {
                run.delivery.on_in_doubt = begun_with;
            }
        }
        Ok(())
    }

    /// Leaves unfinished runs alone, but for those to `keep`.
    pub(super) fn leave_unfinished(&mut self, keep: impl Fn(&Run) -> bool) {
        let why = "it is unfinished; `pushplan apply` without `--expect` goes on with it";
        let left = &mut self.left;
        let mut keep_or_tell = |run: &Run| {
            let kept = keep(run);
            if !kept {
                left.push((run.id.clone(), why));
            }
            kept
        };
        self.resumes.retain(&mut keep_or_tell);
        self.changed.retain(|(_, run)| keep_or_tell(run));
    }

    /// Is there anything that apply would send?
    pub(super) fn sends_something(&self) -> bool {
        !self.plans.is_empty() || !self.resumes.is_empty()
    }

    /// Is there nothing that an apply would do or say?
    pub(super) fn does_nothing(&self) -> bool {
        let is_told = self.missed.is_empty() && self.changed.is_empty();
        !self.sends_something() && is_told && self.failed.is_empty() && self.refused.is_empty()
    }

    /// What is due next, and when: a campaign, or a run whose wave opens.
    pub(super) fn next<'p>(
        &'p self,
        campaigns: &'p [Campaign],
        now: Timestamp,
    ) -> Option<(&'p str, Timestamp)> {
        let campaigns = campaigns.iter().filter_map(|campaign| {
            let next = campaign.schedule.as_ref()?.next_after(now)?;
            Some((campaign.id.as_str(), next.at))
        });
        let waves = self.waiting.iter().map(|(run, at)| (run.id.as_str(), *at));
        campaigns.chain(waves).min_by_key(|(_, at)| *at)
    }

    /// The plans as data, at their apps' rates.
    pub(super) fn summaries(&self, workspace: &Workspace) -> Summaries {
        Summaries::new(self.plans.iter().map(|judged| judged.summary(workspace)).collect())
    }

    /// Everything that is to be done, for people.
    pub(super) fn text(&self, workspace: &Workspace) -> String {
        report::plan::texts(&self.summaries(workspace)) + &self.notes()
    }

    /// What is to be said of runs and campaigns of which nothing new is planned, a line or two each.
    pub(super) fn notes(&self) -> String {
        let mut text = String::new();
        for run in &self.resumes {
            text += &report::plan::resume(run);
        }
        for (run, opens_at) in &self.waiting {
            text += &report::plan::waiting(run, *opens_at);
        }
        for (why, missed) in &self.missed {
            text.extend(missed.iter().map(|run| report::plan::missed(run, why)));
        }
        for run in &self.held {
            text += &report::plan::held(run);
        }
        for (run, changed) in &self.settled {
            text += &report::plan::settled(run, *changed);
        }
        for (run, why) in &self.left {
            text += &report::plan::left(run, why);
        }
        for (campaign, next) in &self.not_due {
            text += &report::plan::not_due(campaign, *next);
        }
        text
    }

    /// Why nothing is sent while a campaign has changed under its unfinished run, and what the choices are.
    pub(super) fn refuse_changed(&self, store: Option<&dyn Store>) -> Result<(), Failure> {
        let mut why = Vec::new();
        for (campaign, run) in &self.changed {
            let frozen = store.map_or(Ok(None), |store| store.content_json(&run.id))?;
            let fields = field_changes(&frozen.unwrap_or_default(), campaign.content_json());
            why.push(report::plan::changed(run, &fields));
        }
        if why.is_empty() { Ok(()) } else { Err(Failure::Changed(why.join("\n"))) }
    }
}

impl Judged {
    /// The plan as data, sent to its app.
    pub(super) fn summary(&self, workspace: &Workspace) -> Summary {
        self.plan.summary(&workspace.apps[&self.plan.header().app], &self.verdicts, &self.past)
    }

    /// What the gates that were not overridden have against it; `None` where it may be sent.
    pub(super) fn refused(&self, overridden: &[Gate]) -> Option<String> {
        let refused: Vec<&Verdict> = self
            .verdicts
            .iter()
            .filter(|verdict| verdict.refused && !overridden.contains(&verdict.gate))
            .collect();
        (!refused.is_empty()).then(|| report::plan::gates_refused(&self.plan.header().run_id, &refused))
    }

    /// For the run's timeline: which gates were overridden, and why.
    pub(super) fn overridden(&self, overridden: &[Gate], reason: &str) -> String {
        let gates =
            self.verdicts.iter().filter(|verdict| verdict.refused && overridden.contains(&verdict.gate));
        let told: Vec<String> =
            gates.map(|Verdict { gate, reason, .. }| format!("gate {gate} ({reason})")).collect();
        if told.is_empty() { String::new() } else { format!("overrides {}: {reason}", told.join(" and ")) }
    }
}
