//! The progress of a run on stderr: a bar on a terminal, a line every few seconds without one.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::number::{duration, grouped};
use crate::apply::Progress;
use crate::state::Tally;

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows how a run goes on.
#[derive(Debug)]
pub struct RunProgress {
    run: String,
    bar: Option<ProgressBar>,
    started: Instant,
    /// Settled when this runner began, so that the rate is this runner's.
    settled_before: Option<u64>,
    line_due: Instant,
}

impl RunProgress {
    /// Progress of a run.
    pub fn new(run: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{prefix} {bar:30} {msg}")
                .expect("the template is valid")
                .progress_chars("━╸─");
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.with_style(style).with_prefix(run.to_owned())
        });
        let now = Instant::now();
        Self { run: run.to_owned(), bar, started: now, settled_before: None, line_due: now + LINE_EVERY }
    }

    /// Shows a moment.
    pub fn show(&mut self, progress: Progress) {
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

    /// Takes the bar away; the accounting line follows on stdout.
    pub fn finish(self) {
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
