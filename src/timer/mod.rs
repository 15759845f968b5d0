//! What starts `apply` by the clock: units for systemd, a line for cron. Texts only; nothing is installed here.

mod crontab;
mod host;
mod on_calendar;
mod service;

use jiff::Timestamp;

pub use crontab::crontab;
pub use on_calendar::{EVERY_MINUTE, Elapses, elapses};

pub use host::{Host, obstacles, secrets};

use crate::campaign::Campaign;

/// A unit file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its file name: `pushplan.timer`.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// The first line of every unit: by it a unit that is no longer wanted is told from other people's.
pub const MARK: &str =
    "# Written by `pushplan systemd install`; run it again after a change of the schedules.";

/// Is this one of the units that are called so? `pushplan-night.timer` may be a campaign's, or all there is to a
/// `pushplan-night`.
pub fn belongs(name: &str, file: &str, text: &str) -> bool {
    let own = [format!("{name}.service"), format!("{name}@.service"), format!("{name}.timer")];
    own.iter().any(|own| own == file)
        || (file.starts_with(&format!("{name}-")) && text.contains(&format!("\nUnit={name}@")))
}

fn unit(name: String, text: &str) -> Unit {
    Unit { name, text: format!("{MARK}\n{text}") }
}

/// One timer that looks every minute for what is due: the safe choice. Nothing has to be installed again when a
/// campaign comes or changes, and what waits is gone on with.
pub fn every_minute(host: &Host) -> Vec<Unit> {
    let name = &host.name;
    let timer = format!("[Timer]\nOnCalendar={EVERY_MINUTE}\nAccuracySec=1s\nPersistent=true\n");
    vec![
        unit(format!("{name}.service"), &service::text(host)),
        unit(
            format!("{name}.timer"),
            &timer_text("Look every minute for push campaigns that are due", &timer),
        ),
    ]
}

/// A timer a campaign that has a schedule, and one that goes on after a boot. Each starts an instance of its own, so
/// that none is lost while another one is sending: it is turned away by the state's lock, and comes again.
pub fn per_campaign(host: &Host, campaigns: &[Campaign], now: Timestamp) -> Vec<Unit> {
    let name = &host.name;
    let boot = format!("[Timer]\nOnBootSec=1min\nUnit={name}@boot.service\n");
    let mut units = vec![
        unit(format!("{name}@.service"), &service::text(host)),
        unit(format!("{name}.timer"), &timer_text("Go on with push campaigns after a boot", &boot)),
    ];
    for campaign in campaigns {
        let Some(schedule) = &campaign.schedule else { continue };
        let (why, lines) = match elapses(schedule, now) {
            Elapses::On(lines) => (String::new(), lines),
            Elapses::EveryMinute(why) => (format!("# Every minute: {why}.\n"), vec![EVERY_MINUTE.to_owned()]),
            Elapses::Over => continue,
        };
        let id = &campaign.id;
        let lines: String = lines.iter().map(|line| format!("OnCalendar={line}\n")).collect();
        let timer =
            format!("[Timer]\n{why}{lines}AccuracySec=1s\nPersistent=true\nUnit={name}@{id}.service\n");
        units.push(unit(
            format!("{name}-{id}.timer"),
            &timer_text(&format!("Send push campaign {id}"), &timer),
        ));
    }
    units
}

fn timer_text(description: &str, timer: &str) -> String {
    format!("[Unit]\nDescription={description}\n\n{timer}\n[Install]\nWantedBy=timers.target\n")
}
