//! The progress of runs on stderr: a bar each on a terminal, a line each every few seconds without one.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::number::{duration, grouped};
use crate::apply::Progress;
use crate::state::Tally;

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows how runs go on, one below the other.
#[derive(Debug)]
pub struct Progresses {
    /// `None` without a terminal.
    bars: Option<MultiProgress>,
    runs: HashMap<String, RunProgress>,
}

impl Progresses {
    /// Shows nothing yet.
    pub fn new() -> Self {
        let bars = std::io::stderr()
            .is_terminal()
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Self { bars, runs: HashMap::new() }
    }

    /// Shows a moment of a run.
    pub fn show(&mut self, run: &str, progress: Progress) {
        if !self.runs.contains_key(run) {
            self.runs.insert(run.to_owned(), RunProgress::new(run, self.bars.as_ref()));
        }
        self.runs.get_mut(run).expect("just inserted").show(progress);
    }

    /// Takes a run's bar away and says what became of it, above the bars that are left.
    pub fn finish(&mut self, run: &str, what: Option<&str>) {
        if let Some(progress) = self.runs.remove(run) {
            progress.finish();
        }
        let say = || what.into_iter().for_each(|what| anstream::eprintln!("{what}"));
        match &self.bars {
            Some(bars) => bars.suspend(say),
            None => say(),
        }
    }
}

impl Default for Progresses {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows how a run goes on.
#[derive(Debug)]
struct RunProgress {
    run: String,
    bar: Option<ProgressBar>,
    started: Instant,
    /// Settled when this runner began, so that the rate is this runner's.
    settled_before: Option<u64>,
    line_due: Instant,
}

impl RunProgress {
    fn new(run: &str, bars: Option<&MultiProgress>) -> Self {
        let bar = bars.map(|bars| {
            let style = ProgressStyle::with_template("{prefix} {bar:30} {msg}")
                .expect("the template is valid")
                .progress_chars("━╸─");
            bars.add(ProgressBar::no_length().with_style(style).with_prefix(run.to_owned()))
        });
        let now = Instant::now();
        Self { run: run.to_owned(), bar, started: now, settled_before: None, line_due: now + LINE_EVERY }
    }

    fn show(&mut self, progress: Progress) {
        let line = self.line(progress);
        if let Some(bar) = &self.bar {
            bar.set_length(progress.tally.planned);
            bar.set_position(settled(progress.tally));
            bar.set_message(line);
        } else if self.line_due <= Instant::now() {
            self.line_due = Instant::now() + LINE_EVERY;
            anstream::eprintln!("{}: {line}", self.run);
        }
    }

    fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&mut self, progress: Progress) -> String {
        let Progress { tally, in_flight, held_for, draining } = progress;
        let settled = settled(tally);
        let before = *self.settled_before.get_or_insert(settled);
        let rate = (settled - before.min(settled)) as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        let mut line = format!("{}/{}", grouped(settled), grouped(tally.planned));
        if rate >= 1.0 {
            let left = Duration::from_secs_f64(tally.remaining as f64 / rate);
            line += &format!(", {}/s, {} left", grouped(rate as u64), duration(left));
        }
        if tally.failed > 0 {
            line += &format!(", {} failed", grouped(tally.failed));
        }
        match (draining, held_for) {
            (true, _) => line += &format!(", stopping: {in_flight} calls in flight"),
            (false, Some(held)) if !held.is_zero() => {
                line += &format!(", the server does badly: next try in {}", duration(held));
            }
            _ => {}
        }
        line
    }
}

fn settled(tally: Tally) -> u64 {
    tally.planned - tally.remaining
}
