//! The progress of planning on stderr, and where the time went.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::number::{bytes, grouped};
use crate::audience::Reading;
use crate::plan::Stage;
use crate::prepare::Progress;

/// Watches how a campaign is planned.
#[derive(Debug)]
pub struct PlanProgress {
    campaign: String,
    bar: Option<ProgressBar>,
    watch: RefCell<Watch>,
}

/// What took how long.
#[derive(Debug)]
struct Watch {
    /// When what is done now was begun, and the index of its step.
    since: (Instant, usize),
    reading: Reading,
    spent: [Duration; STEPS.len()],
    spilled: u64,
}

/// One after the other on one thread; while the first goes on, another thread reads and filters.
const STEPS: [&str; 5] = ["collect", "dedupe", "render", "pack", "digest"];

impl PlanProgress {
    /// Progress of planning a campaign.
    pub fn new(campaign: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{prefix} {msg} {human_pos} rows, {per_sec}")
                .expect("the template is valid");
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.with_style(style).with_prefix(campaign.to_owned()).with_message("reading")
        });
        let watch = Watch {
            since: (Instant::now(), 0),
            reading: Reading::default(),
            spent: [Duration::ZERO; STEPS.len()],
            spilled: 0,
        };
        Self { campaign: campaign.to_owned(), bar, watch: RefCell::new(watch) }
    }

    /// Takes in a moment.
    pub fn show(&self, progress: Progress) {
        let mut watch = self.watch.borrow_mut();
        match progress {
            Progress::Reading(reading) => {
                watch.reading = reading;
                self.bar.iter().for_each(|bar| bar.set_position(reading.rows));
                if reading.is_done {
                    self.begin(&mut watch, 1);
                }
            }
            Progress::Building(Stage::Render) => self.begin(&mut watch, 2),
            Progress::Building(Stage::Pack) => self.begin(&mut watch, 3),
            Progress::Building(Stage::Digest) => self.begin(&mut watch, 4),
            Progress::Done(spilled) => {
                self.begin(&mut watch, 4);
                watch.spilled = spilled;
            }
        }
    }

    fn begin(&self, watch: &mut Watch, step: usize) {
        let now = Instant::now();
        let (since, before) = std::mem::replace(&mut watch.since, (now, step));
        watch.spent[before] += now - since;
        self.bar.iter().for_each(|bar| bar.set_message(STEPS[step]));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }

    /// Where the time went, once the plan is there.
    pub fn profile(&self) -> String {
        let watch = self.watch.borrow();
        let Reading { rows, read, filter, is_done: _ } = watch.reading;
        let all: Duration = watch.spent.iter().sum();
        let mut text = format!(
            "{}: {} rows in {:.2} s, {} rows/s; {} in temporary files\n",
            self.campaign,
            grouped(rows),
            all.as_secs_f64(),
            grouped((rows as f64 / all.as_secs_f64().max(1e-9)) as u64),
            bytes(watch.spilled),
        );
        let mut line = |step: &str, time: Duration, note: &str| {
            text += &format!("  {step:<8} {:>8.3} s{note}\n", time.as_secs_f64());
        };
        line("read", read, "  (on a thread of its own, beside collect)");
        line("filter", filter, "  (on the same thread as read)");
        for (step, spent) in STEPS.into_iter().zip(watch.spent) {
            line(step, spent, "");
        }
        text
    }
}
