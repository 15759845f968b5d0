//! What is due in the next days, and whether there is time for it: expected start and finish of runs whose app shares
//! its pace among them.
//!
//! Pure: the runs, their recipients and the present are arguments. It is a forecast at the even pace of the app's rate,
//! with the runner's own rules: the runs of an app take turns, call by call, and within a run the wave that closes
//! first goes first. What servers do to that pace is not foreseen.

mod runs;
mod share;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, Unit};
use schemars::JsonSchema;
use serde::Serialize;

pub use runs::{Load, Upcoming};
use share::{Fate, Job};

/// The name and version of the JSON form of [`Calendar`].
pub const FORMAT: &str = "pushplan.calendar/1";

/// `upcoming --format json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Calendar {
    /// Name and version of this form.
    #[schemars(extend("const" = FORMAT))]
    format: &'static str,
    /// The present; times are RFC 3339.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// What opens after this is not in it.
    #[schemars(with = "String")]
    pub until: Timestamp,
    /// In order of opening.
    pub runs: Vec<Expected>,
}

/// What is expected of one run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Expected {
    /// Its id.
    pub run: String,
    /// The campaign's id.
    pub campaign: String,
    /// The app's name.
    pub app: String,
    /// When its first wave opens; `null` where it is open from the start.
    #[schemars(with = "Option<String>")]
    pub opens_at: Option<Timestamp>,
    /// When its last wave expires; `null` is never.
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Timestamp>,
    /// Accounts that get a push.
    pub recipients: u64,
    /// Accounts without a wave, which get nothing: their zone is not known, or they have no window then.
    pub skipped: u64,
    /// Batches.
    pub calls: u64,
    /// When its first call leaves; `null` where none does.
    #[schemars(with = "Option<String>")]
    pub starts_at: Option<Timestamp>,
    /// When its last call leaves; `null` where not all of them do.
    #[schemars(with = "Option<String>")]
    pub finishes_at: Option<Timestamp>,
    /// Why not all of it can be sent.
    pub late: Option<Late>,
}

/// A run that does not end before it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Late {
    /// About so many recipients would be skipped.
    pub unsent: u64,
    /// Runs of the same app that share its pace in this time; none where its own windows are too short for it alone.
    pub beside: Vec<String>,
}

/// What to expect of these runs from `from` on, each app at its own pace. `until` is told, and bounds nothing.
pub fn forecast(upcoming: &[Upcoming], from: Timestamp, until: Timestamp) -> Calendar {
    let mut apps: BTreeMap<&str, Vec<&Upcoming>> = BTreeMap::new();
    for run in upcoming {
        apps.entry(&run.app).or_default().push(run);
    }
    let mut runs: Vec<Expected> = apps.values().flat_map(|runs| forecast_app(runs, from)).collect();
    runs.sort_by(|a, b| (a.opens_at, &a.run).cmp(&(b.opens_at, &b.run)));
    Calendar { format: FORMAT, from, until, runs }
}

fn forecast_app(runs: &[&Upcoming], from: Timestamp) -> Vec<Expected> {
    let together: Vec<Course> = courses(runs, from);
    let expected = runs.iter().zip(&together).map(|(run, course)| {
        let late = (course.unsent > 0).then(|| {
            let alone = courses(&[run], from).remove(0);
            let beside = runs.iter().zip(&together).filter(|(other, its)| {
                alone.unsent < course.unsent && other.run != run.run && its.overlaps(course)
            });
            Late { unsent: course.unsent, beside: beside.map(|(other, _)| other.run.clone()).collect() }
        });
        let windows = || run.loads.iter().map(|load| &load.wave.windows);
        let at = |s: f64| instant(from, s);
        Expected {
            run: run.run.clone(),
            campaign: run.campaign.clone(),
            app: run.app.clone(),
            opens_at: windows()
                .filter_map(|windows| windows.first())
                .map(|first| first.opens_at)
                .min()
                .flatten(),
            expires_at: run
                .loads
                .iter()
                .map(|load| load.wave.expires_at())
                .reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b)))
                .flatten(),
            recipients: run.loads.iter().map(|load| load.recipients).sum(),
            skipped: run.skipped,
            calls: run.loads.iter().map(|load| load.calls).sum(),
            starts_at: course.started_s.map(at),
            finishes_at: course.ended_s.filter(|_| course.unsent == 0).map(at),
            late,
        }
    });
    expected.collect()
}

/// The instant so many seconds after the present, to the millisecond.
fn instant(from: Timestamp, seconds: f64) -> Timestamp {
    let instant = from.saturating_add(SignedDuration::from_secs_f64(seconds)).unwrap_or(Timestamp::MAX);
    instant.round(Unit::Millisecond).unwrap_or(instant)
}

/// What becomes of a run, in seconds from the present.
#[derive(Debug, Clone, Copy)]
struct Course {
    started_s: Option<f64>,
    /// The last call that leaves.
    ended_s: Option<f64>,
    unsent: u64,
}

impl Course {
    fn overlaps(&self, other: &Self) -> bool {
        let span = |course: &Self| course.started_s.zip(course.ended_s);
        span(self).zip(span(other)).is_some_and(|(a, b)| a.0 <= b.1 && b.0 <= a.1)
    }
}

/// What becomes of runs that share one pace.
fn courses(runs: &[&Upcoming], from: Timestamp) -> Vec<Course> {
    let seconds = |at: Timestamp| at.duration_since(from).as_secs_f64();
    let loads = || (0..).zip(runs).flat_map(|(number, run)| run.loads.iter().map(move |load| (number, load)));
    let jobs = loads().map(|(run, load)| Job {
        run,
        windows: load
            .wave
            .windows
            .iter()
            .map(|window| {
                (window.opens_at.map_or(0.0, seconds), window.closes_at.map_or(f64::INFINITY, seconds))
            })
            .collect(),
        calls: load.calls as f64,
        gap_s: load.gap_s,
    });
    let mut courses = vec![Course { started_s: None, ended_s: None, unsent: 0 }; runs.len()];
    for ((run, load), Fate { started_s, ended_s, unsent }) in loads().zip(share::share(jobs.collect())) {
        let course = &mut courses[run];
        course.started_s = [course.started_s, started_s].into_iter().flatten().reduce(f64::min);
        course.ended_s = [course.ended_s, ended_s].into_iter().flatten().reduce(f64::max);
        course.unsent += (load.recipients as f64 * unsent).ceil() as u64;
    }
    courses
}

#[cfg(test)]
mod tests;
