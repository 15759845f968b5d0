//! `apply --expect` and `apply --approvals`: what is due against what was approved.

use std::path::Path;

use super::Args;
use crate::campaign::OnInDoubt;
use crate::command::failure::Failure;
use crate::command::planned::Planned;
use crate::plan::approval::{Approval, Candidate};
use crate::report;
use crate::state::{Run, Store};

/// Holds what would be sent to what was approved, where anything was. A run that would be begun needs its approval; one
/// that is unfinished is gone on with where it was approved as it was begun, and is else left alone, as is one that its
/// schedule asks for: that is a timer's.
///
/// # Errors
/// [`Failure::Changed`] with all that differs, and where approvals cannot be read; nothing is sent.
pub(super) fn hold(args: &Args, planned: &mut Planned, store: &dyn Store) -> Result<(), Failure> {
    let (approvals, must_all_fit) = match &args.approvals {
        Some(path) => (read(path)?, false),
        None if args.expect.is_empty() => return Ok(()),
        None => (distinct(&args.expect), true),
    };
    let tolerance = args.audience_tolerance;
    if tolerance > 0.0 && approvals.iter().any(|approval| matches!(approval, Approval::Plan(_))) {
        return Err(Failure::Usage(
            "a plan's digest does not say how large the audience was: for --audience-tolerance give the approval that \
             `plan` prints below the digests"
                .to_owned(),
        ));
    }
    let is_approved = |candidate: &Candidate<'_>| approvals.iter().any(|approval| approval.names(candidate));
    planned.leave_to_timer(|plan| plan.as_candidate(is_approved));
    planned.leave_unfinished(|run| is_approved(&of_run(run)));
    planned.hold_what_was_held(store)?;

    let mut differences = Vec::new();
    let mut fits = vec![false; approvals.len()];
    let mut check = |candidate: &Candidate<'_>| {
        let named = approvals.iter().zip(&mut fits).find(|(approval, _)| approval.names(candidate));
        let Some((approval, fits)) = named else {
            differences.push(format!("{}: it is due, and was not approved", candidate.run));
            return;
        };
        *fits = true;
        differences.extend(approval.check(candidate, tolerance).err().map(|refused| refused.to_string()));
    };
    for judged in &planned.plans {
        judged.plan.as_candidate(&mut check);
    }
    let unfinished = planned.resumes.iter().chain(planned.changed.iter().map(|(_, run)| run));
    unfinished.for_each(|run| check(&of_run(run)));
    if must_all_fit {
        // What was begun by an earlier apply is on record, whatever has become of it.
        let known = store.runs()?;
        for (approval, fits) in approvals.iter().zip(fits) {
            let begun = known.iter().map(of_run).find(|candidate| approval.names(candidate));
            match begun {
                _ if fits => {}
                Some(candidate) => differences
                    .extend(approval.check(&candidate, tolerance).err().map(|refused| refused.to_string())),
                None => differences.push(format!("{approval}: no run that is due or begun is this one")),
            }
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    let then = "Plan again, and have it approved again.";
    Err(Failure::Changed(report::plan::stale("the approval", &differences, then)))
}

/// Approvals of a file, one a line. Of those of one run the first counts, so that a newer one stands before an older one.
fn read(path: &Path) -> Result<Vec<Approval>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|source| Failure::File {
        action: "read the approvals in",
        path: path.to_owned(),
        source,
    })?;
    let lines = text.lines().map(str::trim).zip(1..).filter(|(line, _)| !line.is_empty());
    let approvals = lines.map(|(line, number)| {
        let wrong = |why: String| Failure::Usage(format!("{}:{number}: `{line}`: {why}", path.display()));
        line.parse().map_err(wrong)
    });
    approvals.collect()
}

fn distinct(approvals: &[Approval]) -> Vec<Approval> {
    let mut distinct: Vec<Approval> = Vec::new();
    for approval in approvals {
        if !distinct.contains(approval) {
            distinct.push(approval.clone());
        }
    }
    distinct
}

fn of_run(run: &Run) -> Candidate<'_> {
    Candidate {
        run: &run.id,
        content_digest: &run.content_digest,
        audience_digest: &run.audience_digest,
        digest: &run.plan_digest,
        recipients: run.tally.planned,
        resends: run.delivery.on_in_doubt == OnInDoubt::Resend,
    }
}
