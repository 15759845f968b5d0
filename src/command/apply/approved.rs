//! `apply --expect`: what is due against what was approved.

use crate::command::failure::Failure;
use crate::command::planning::Planned;
use crate::plan::approval::{Approval, Candidate};
use crate::report;
use crate::state::Store;

/// Holds every run that would be begun to its approval, and every approval to a run: one that is due, or one that is
/// in the state and was begun by an earlier apply.
///
/// # Errors
/// [`Failure::Changed`] with all that differs; nothing is sent.
pub(super) fn check(
    approvals: &[Approval],
    tolerance: f64,
    planned: &Planned,
    store: &dyn Store,
) -> Result<(), Failure> {
    if approvals.is_empty() {
        return Ok(());
    }
    if tolerance > 0.0 && approvals.iter().any(|approval| matches!(approval, Approval::Plan(_))) {
        return Err(Failure::Usage(
            "a plan's digest does not say how large the audience was: for --audience-tolerance give the approval that \
             `plan` prints below the digests"
                .to_owned(),
        ));
    }
    let mut differences = Vec::new();
    let mut fits: Vec<bool> = vec![false; approvals.len()];
    let mut check = |candidate: &Candidate<'_>, is_due: bool| {
        let named = approvals.iter().zip(&mut fits).find(|(approval, _)| approval.names(candidate));
        match named {
            Some((approval, fits)) => {
                *fits = true;
                differences
                    .extend(approval.check(candidate, tolerance).err().map(|refused| refused.to_string()));
            }
            None if is_due => differences.push(format!("{}: it is due, and was not approved", candidate.run)),
            None => {}
        }
    };
    for plan in planned.plans.iter().map(|judged| &judged.plan) {
        let header = plan.header();
        check(
            &Candidate {
                run: &header.run_id,
                content_digest: &header.content_digest,
                audience_digest: &plan.audience_digest(),
                digest: &plan.digest(),
                recipients: plan.recipients(),
            },
            true,
        );
    }
    for run in store.runs()? {
        check(
            &Candidate {
                run: &run.id,
                content_digest: &run.content_digest,
                audience_digest: &run.audience_digest,
                digest: &run.plan_digest,
                recipients: run.tally.planned,
            },
            false,
        );
    }
    for (approval, _) in approvals.iter().zip(&fits).filter(|(_, fits)| !**fits) {
        differences.push(format!("{approval}: no run that is due or begun is this one"));
    }
    if differences.is_empty() {
        return Ok(());
    }
    let then = "Plan again, and have it approved again.";
    Err(Failure::Changed(report::plan::stale("the approval", &differences, then)))
}
