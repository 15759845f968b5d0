//! From a schedule to the calendar expressions of a systemd timer (systemd.time(7)).
//!
//! A timer has to elapse at every instant at which the campaign is due. Elapsing also at another one (before `starts`,
//! on an `except` date) does no harm: nothing is due then. What cannot be written that way is looked at every minute.

use std::collections::{BTreeMap, BTreeSet};

use croner::{Cron, CronComponent};
use jiff::civil::{DateTime, Time};
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::campaign::schedule::{Rule, Schedule};

/// When a timer elapses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elapses {
    /// At these calendar expressions, each the value of an `OnCalendar=`.
    On(Vec<String>),
    /// Every minute, for a reason, which is a clause.
    EveryMinute(String),
    /// Never again: the schedule's instants have passed.
    Over,
}

/// The calendar expression of every minute.
pub const EVERY_MINUTE: &str = "*-*-* *:*:00";

/// Changes of the clocks are looked for in this many years: after 28, dates and weekdays come round again.
const CLOCK_YEARS: i64 = 28;

/// From Sunday, 0 for cron, on; it is 7 as well, and the last day of systemd's week.
const WEEKDAYS: [&str; 8] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// When a timer for this schedule has to elapse from `now` on.
pub fn elapses(schedule: &Schedule, now: Timestamp) -> Elapses {
    if schedule.timezone_column().is_some() {
        return Elapses::EveryMinute("with `local_time` each time zone has an instant of its own".to_owned());
    }
    if schedule.quiet_hours().is_some() {
        return Elapses::EveryMinute("what falls into `quiet_hours` waits for their end".to_owned());
    }
    let Some(zone) = schedule.time_zone().iana_name() else {
        return Elapses::EveryMinute("its time zone has no name".to_owned());
    };
    let in_zone = |lines: Vec<String>| lines.into_iter().map(|line| format!("{line} {zone}")).collect();
    let lines = match schedule.rule() {
        Rule::At(_) => {
            let instants = schedule.occurrences(now, Timestamp::MAX);
            let lines: Vec<String> = instants
                .map(|occurrence| occurrence.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
                .collect();
            return if lines.is_empty() { Elapses::Over } else { Elapses::On(lines) };
        }
        Rule::Cron(cron) => cron_lines(cron),
        Rule::Every { first, step_s } => every_lines(*first, *step_s),
    };
    let years = SignedDuration::from_hours(CLOCK_YEARS * 8_766);
    let jumped = schedule.jumped_over(now, now.saturating_add(years).unwrap_or(Timestamp::MAX));
    match (lines, jumped) {
        (Err(reason), _) => Elapses::EveryMinute(reason.to_owned()),
        (Ok(_), Some(local)) => {
            let time = local.time().strftime("%H:%M");
            Elapses::EveryMinute(format!("the clocks of {zone} jump over {time}, and systemd over that day"))
        }
        (Ok(lines), None) => Elapses::On(in_zone(lines)),
    }
}

fn cron_lines(cron: &Cron) -> Result<Vec<String>, &'static str> {
    let pattern = &cron.pattern;
    let months = numbers(&pattern.months.values(), 12);
    let (hours, minutes) = (numbers(&pattern.hours.values(), 24), numbers(&pattern.minutes.values(), 60));
    let fields: Vec<&str> = pattern.as_str().split_whitespace().collect();
    let &[.., days, _, weekdays] = &fields[..] else { return Err(UNKNOWN_DAYS) };
    let lines = match (pattern.is_dom_wildcard(), pattern.is_dow_wildcard()) {
        (true, true) => vec![(String::new(), "-*".to_owned())],
        (false, true) => days_of_month(&pattern.days, days)?,
        (true, false) => days_of_week(&pattern.days_of_week, weekdays)?,
        (false, false) if pattern.matches_dom_and_dow() => {
            if pattern.days_of_week.has_modifiers() {
                return Err(UNKNOWN_DAYS);
            }
            let weekdays = names(&pattern.days_of_week.values());
            days_of_month(&pattern.days, days)?
                .into_iter()
                .map(|(_, days)| (weekdays.clone(), days))
                .collect()
        }
        // Cron means one or the other.
        (false, false) => {
            [days_of_month(&pattern.days, days)?, days_of_week(&pattern.days_of_week, weekdays)?].concat()
        }
    };
    let line =
        |(weekdays, days): (String, String)| format!("{weekdays}*-{months}{days} {hours}:{minutes}:00");
    Ok(lines.into_iter().map(line).collect())
}

const UNKNOWN_DAYS: &str = "systemd has no word for its days";

/// The parts of calendar expressions that name weekdays, and days of the month with what stands before them.
type Days = Vec<(String, String)>;

fn days_of_month(component: &CronComponent, written: &str) -> Result<Days, &'static str> {
    let mut lines = Vec::new();
    let days = component.values();
    if !days.is_empty() {
        lines.push((String::new(), format!("-{}", numbers(&days, 31))));
    }
    for item in written.split(',').filter(|item| item.contains(['L', 'l', 'W', 'w'])) {
        match item {
            "L" | "l" => lines.push((String::new(), "~01".to_owned())),
            _ => return Err(UNKNOWN_DAYS),
        }
    }
    Ok(lines)
}

fn days_of_week(component: &CronComponent, written: &str) -> Result<Days, &'static str> {
    let mut lines = Vec::new();
    let days = component.values();
    if !days.is_empty() {
        lines.push((names(&days), "-*".to_owned()));
    }
    if !component.has_modifiers() {
        return Ok(lines);
    }
    for item in written.split(',') {
        let item = item.to_ascii_uppercase();
        // `FRIL` is short for `FRI#L`.
        let short = item.strip_suffix('L').filter(|_| !item.contains('#')).map(|day| (day, "L"));
        let Some((day, nth)) = item.split_once('#').or(short) else { continue };
        let name = WEEKDAYS.iter().position(|name| name.eq_ignore_ascii_case(day));
        let number = name.or_else(|| day.parse().ok().map(|number: usize| number % 7)).ok_or(UNKNOWN_DAYS)?;
        let days = match nth {
            "1" => "-01..07",
            "2" => "-08..14",
            "3" => "-15..21",
            "4" => "-22..28",
            "5" => "-29..31",
            "L" => "~07/1",
            _ => return Err(UNKNOWN_DAYS),
        };
        lines.push((format!("{} ", WEEKDAYS[number]), days.to_owned()));
    }
    Ok(lines)
}

fn every_lines(first: DateTime, step_s: i64) -> Result<Vec<String>, &'static str> {
    const DAY_S: i64 = 86_400;
    if step_s == 7 * DAY_S {
        let weekday = WEEKDAYS[first.weekday().to_sunday_zero_offset() as usize];
        return Ok(vec![format!("{weekday} *-*-* {}", first.time().strftime("%H:%M:%S"))]);
    }
    if DAY_S % step_s != 0 {
        return Err("systemd counts no distance that a day is not a multiple of");
    }
    // Times of day with the same hours stand in one line.
    let mut hours: BTreeMap<(u16, u16), BTreeSet<u16>> = BTreeMap::new();
    for step in 0..DAY_S / step_s {
        let time: Time = first.time().wrapping_add((step * step_s).seconds());
        let part = |part: i8| u16::from(part.unsigned_abs());
        hours.entry((part(time.second()), part(time.minute()))).or_default().insert(part(time.hour()));
    }
    let mut minutes: BTreeMap<(BTreeSet<u16>, u16), Vec<u16>> = BTreeMap::new();
    for ((second, minute), hours) in hours {
        minutes.entry((hours, second)).or_default().push(minute);
    }
    let line = |((hours, second), minutes): ((BTreeSet<u16>, u16), Vec<u16>)| {
        let hours = numbers(&hours.into_iter().collect::<Vec<_>>(), 24);
        format!("*-*-* {hours}:{}:{second:02}", numbers(&minutes, 60))
    };
    Ok(minutes.into_iter().map(line).collect())
}

/// `Mon..Fri `, with a blank behind it.
fn names(weekdays: &[u16]) -> String {
    let mut weekdays: Vec<u16> = weekdays.iter().map(|day| if *day == 0 { 7 } else { *day }).collect();
    weekdays.sort_unstable();
    format!("{} ", runs(&weekdays, &|day| WEEKDAYS[usize::from(day)].to_owned()))
}

/// `09,12..15`; `*` where all there are of them are in it.
fn numbers(values: &[u16], all: usize) -> String {
    if values.len() == all { "*".to_owned() } else { runs(values, &|value| format!("{value:02}")) }
}

/// A list of values in order, with three or more in a row as `first..last`.
fn runs(values: &[u16], text: &dyn Fn(u16) -> String) -> String {
    let rows = values.chunk_by(|a, b| a + 1 == *b);
    let row = |row: &[u16]| match row {
        [first, _, .., last] => format!("{}..{}", text(*first), text(*last)),
        few => few.iter().map(|value| text(*value)).collect::<Vec<_>>().join(","),
    };
    rows.map(row).collect::<Vec<_>>().join(",")
}
