//! From a [`RawSchedule`] to a [`Schedule`], every mistake at once.

use std::collections::BTreeSet;
use std::time::Duration;

use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::local_time::LocalTime;
use super::moment::{self, Moment};
use super::quiet_hours::QuietHours;
use super::raw::{Instants, RawSchedule, UnknownTimezone};
use super::rule::Rule;
use super::zone::time_zone;
use super::{NoWave, Schedule};
use crate::campaign::units::parse_duration;

/// The least distance of `every`.
const EVERY_MIN: Duration = Duration::from_mins(1);

/// The longest `expires_after` beside `quiet_hours`, each of which cuts a window in two.
const EXPIRES_AFTER_MAX: Duration = Duration::from_secs(366 * 86_400);

/// So many occurrences in a row are held against the quiet hours: of a cron of every minute, more than a day.
const QUIET_MOST: usize = 1_500;

/// Told of each mistake: the JSON pointer under `schedule`, the code, what is wrong, and what to do about it.
pub type Report<'r> = dyn FnMut(&str, &'static str, String, Option<String>) + 'r;

impl RawSchedule {
    /// The checked schedule; `None` where at least one mistake was reported. All of them are, at once.
    ///
    /// A schedule that is never due is a mistake too: `0 0 30 2 *`, or one whose bounds leave nothing.
    pub fn check(&self, report: &mut Report<'_>) -> Option<Schedule> {
        let mut check = Check { raw: self, report, sound: true };
        let zone = check.zone();
        let expires_after = check.expires_after();
        let starts = check.moment("/starts", self.starts.as_deref());
        let ends = check.moment("/ends", self.ends.as_deref());
        let except = check.except();
        let local_time = check.local_time();
        let quiet_hours = check.quiet_hours(expires_after);
        let rule = check.rule(&zone, starts);

        let starts = starts.map_or(moment::FIRST, |starts| starts.first_instant(&zone));
        let until = ends.map_or(moment::END, |ends| ends.end(&zone));
        if until <= starts {
            check.mistake("/ends", "bad-time", "the schedule ends before it starts", None);
        }
        if !check.sound {
            return None;
        }
        let schedule = Schedule {
            rule: rule?,
            zone,
            starts,
            until,
            except,
            expires_after,
            missed: self.missed,
            local_time,
            quiet_hours,
        };
        if schedule.occurrences(Timestamp::MIN, Timestamp::MAX).next().is_none() {
            let pointer = if self.cron.is_some() { "/cron" } else { "/every" };
            let help = "no date matches it within `starts`, `ends` and `except`";
            check.mistake(pointer, "never-due", "the schedule is never due", Some(help));
        }
        check.silence(&schedule);
        check.sound.then_some(schedule)
    }
}

struct Check<'c, 'r> {
    raw: &'c RawSchedule,
    report: &'c mut Report<'r>,
    /// No mistake so far.
    sound: bool,
}

impl Check<'_, '_> {
    fn mistake(&mut self, pointer: &str, code: &'static str, message: impl Into<String>, help: Option<&str>) {
        self.sound = false;
        (self.report)(pointer, code, message.into(), help.map(str::to_owned));
    }

    fn zone(&mut self) -> TimeZone {
        time_zone(self.raw.timezone.as_deref().unwrap_or("UTC")).unwrap_or_else(|message| {
            self.mistake("/timezone", "bad-timezone", message, None);
            TimeZone::UTC
        })
    }

    fn expires_after(&mut self) -> Option<Duration> {
        let expires_after = self.duration("/expires_after", self.raw.expires_after.as_deref());
        if expires_after == Some(Duration::ZERO) {
            let message = "`expires_after` leaves no time to send";
            self.mistake("/expires_after", "bad-duration", message, Some("write it as 2h"));
        }
        expires_after
    }

    fn local_time(&mut self) -> Option<LocalTime> {
        let raw = self.raw;
        if raw.local_time != Some(true) {
            for (key, is_written) in [
                ("timezone_column", raw.timezone_column.is_some()),
                ("unknown_timezone", raw.unknown_timezone.is_some()),
            ] {
                if is_written {
                    let message = format!("`{key}` has no effect without `local_time: true`");
                    let help = "add `local_time: true`, or remove it";
                    self.mistake(&format!("/{key}"), "schedule-kind", message, Some(help));
                }
            }
            return None;
        }
        let unknown = raw.unknown_timezone.unwrap_or_default();
        if unknown == UnknownTimezone::Default && raw.timezone.is_none() {
            let message = "`unknown_timezone: default` needs a `timezone` to stand in";
            let help = "add `timezone: Europe/Berlin`, or write `skip`";
            self.mistake("/unknown_timezone", "schedule-kind", message, Some(help));
        }
        let Some(column) = raw.timezone_column.clone() else {
            let message = "`local_time` needs to know each recipient's time zone";
            let help = "add `timezone_column:` with the column of the audience that holds it";
            self.mistake("/local_time", "schedule-kind", message, Some(help));
            return None;
        };
        Some(LocalTime { column, unknown })
    }

    fn quiet_hours(&mut self, expires_after: Option<Duration>) -> Option<QuietHours> {
        let text = self.raw.quiet_hours.as_deref()?;
        if expires_after.is_some_and(|expires_after| expires_after > EXPIRES_AFTER_MAX) {
            let message = "beside `quiet_hours`, `expires_after` is at most a year";
            self.mistake("/expires_after", "bad-duration", message, Some("write 366d or less"));
        }
        match QuietHours::parse(text) {
            Ok(quiet_hours) => Some(quiet_hours),
            Err(message) => {
                self.mistake("/quiet_hours", "bad-quiet-hours", message, Some("write it as 22:00-08:00"));
                None
            }
        }
    }

    /// What would never be sent, because of its quiet hours: an instant that is listed, or all of a rule's.
    fn silence(&mut self, schedule: &Schedule) {
        let is_silent = |occurrence: &super::Occurrence| {
            schedule.windows(occurrence, &schedule.zone) == Err(NoWave::QuietHours)
        };
        let mut occurrences = schedule.occurrences(Timestamp::MIN, Timestamp::MAX).take(QUIET_MOST);
        let help = "raise `expires_after` so that it can wait for their end, or change the hours";
        if let Rule::At(_) = schedule.rule {
            for silent in occurrences.filter(is_silent) {
                let local = schedule.zone.to_datetime(silent.at);
                let message = format!("{local} lies in the quiet hours until it expires");
                self.mistake("/quiet_hours", "never-sent", message, Some(help));
            }
        } else if schedule.quiet_hours.is_some() && occurrences.all(|occurrence| is_silent(&occurrence)) {
            let message = "every occurrence lies in the quiet hours until it expires";
            self.mistake("/quiet_hours", "never-sent", message, Some(help));
        }
    }

    fn duration(&mut self, pointer: &str, text: Option<&str>) -> Option<Duration> {
        match parse_duration(text?) {
            Ok(duration) => Some(duration),
            Err(message) => {
                self.mistake(pointer, "bad-duration", message, Some("write it as 90s, 15m, 2h or 2d"));
                None
            }
        }
    }

    fn moment(&mut self, pointer: &str, text: Option<&str>) -> Option<Moment> {
        let text = text?;
        match Moment::parse(text) {
            Ok(moment) => Some(moment),
            Err(message) => {
                let message = format!("\"{text}\" {message}");
                self.mistake(pointer, "bad-time", message, Some("write it as 2026-11-24T09:00"));
                None
            }
        }
    }

    fn except(&mut self) -> BTreeSet<Date> {
        let mut dates = BTreeSet::new();
        for (number, text) in self.raw.except.iter().enumerate() {
            if let Ok(Moment::Day(date)) = Moment::parse(text) {
                dates.insert(date);
            } else {
                let message = format!("\"{text}\" is not a date");
                self.mistake(
                    &format!("/except/{number}"),
                    "bad-time",
                    message,
                    Some("write it as 2026-12-24"),
                );
            }
        }
        dates
    }

    /// The one of `at`, `cron` and `every` that is written. All that are written are checked.
    fn rule(&mut self, zone: &TimeZone, starts: Option<Moment>) -> Option<Rule> {
        let raw = self.raw;
        let at = raw.at.as_ref().map(|at| ("at", Some(self.at(at, zone))));
        let cron = raw.cron.as_ref().map(|cron| ("cron", self.cron(cron)));
        let every = raw.every.as_ref().map(|every| ("every", self.every(every, zone, starts)));
        let mut written = [at, cron, every].into_iter().flatten();
        let Some((first, rule)) = written.next() else {
            let message = "a schedule needs one of `at`, `cron` and `every`";
            let help =
                "add `at: 2026-11-24T09:00`; without `schedule` the campaign is sent when it is applied";
            self.mistake("", "schedule-kind", message, Some(help));
            return None;
        };
        for (other, _) in written {
            let message = format!("a schedule has `{first}` or `{other}`, not both");
            self.mistake(&format!("/{other}"), "schedule-kind", message, Some("keep one of them"));
        }
        rule
    }

    fn at(&mut self, at: &Instants, zone: &TimeZone) -> Rule {
        let raw = self.raw;
        for (key, is_written) in [
            ("starts", raw.starts.is_some()),
            ("ends", raw.ends.is_some()),
            ("except", !raw.except.is_empty()),
        ] {
            if is_written {
                let message = format!("`{key}` does not go with `at`, which names its instants itself");
                self.mistake(&format!("/{key}"), "schedule-kind", message, Some("remove it"));
            }
        }
        let written: Vec<(String, &str)> = match at {
            Instants::One(text) => vec![("/at".to_owned(), text)],
            Instants::Many(texts) => {
                texts.iter().enumerate().map(|(number, text)| (format!("/at/{number}"), &text[..])).collect()
            }
        };
        if written.is_empty() {
            self.mistake("/at", "bad-time", "the list names no instant", None);
        }
        let mut instants = BTreeSet::new();
        for (pointer, text) in written {
            match self.moment(&pointer, Some(text)) {
                Some(Moment::Day(_)) => {
                    let message = format!("\"{text}\" has no time of day");
                    self.mistake(&pointer, "bad-time", message, Some("write it as 2026-11-24T09:00"));
                }
                Some(Moment::Instant(_)) if raw.local_time == Some(true) => {
                    let message =
                        format!("\"{text}\" is one instant for everybody, and `local_time` means one a zone");
                    self.mistake(&pointer, "schedule-kind", message, Some("write it without its offset"));
                }
                Some(moment) if !instants.insert(moment.first_instant(zone)) => {
                    let message = format!("\"{text}\" is an instant that is already listed");
                    self.mistake(&pointer, "bad-time", message, Some("remove it"));
                }
                Some(_) | None => {}
            }
        }
        Rule::At(instants.into_iter().collect())
    }

    fn cron(&mut self, expression: &str) -> Option<Rule> {
        let fields = expression.split_whitespace().count();
        if fields != 5 {
            let message = format!("a cron expression has five fields, not {fields}");
            let help = "they are minute, hour, day of month, month, day of week: 0 9 * * MON";
            self.mistake("/cron", "bad-cron", message, Some(help));
            return None;
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        match parser.parse(expression) {
            Ok(cron) => Some(Rule::Cron(Box::new(cron))),
            Err(error) => {
                let help = "its fields are minute, hour, day of month, month, day of week: 0 9 * * MON";
                let message = format!("\"{expression}\" is no cron expression: {error}");
                self.mistake("/cron", "bad-cron", message.trim_end_matches('.'), Some(help));
                None
            }
        }
    }

    fn every(&mut self, every: &str, zone: &TimeZone, starts: Option<Moment>) -> Option<Rule> {
        let step = self.duration("/every", Some(every));
        if step.is_some_and(|step| step < EVERY_MIN) {
            self.mistake("/every", "bad-duration", "`every` is less than a minute", Some("write 1m or more"));
        }
        let first = match starts {
            Some(Moment::Local(local)) => local,
            Some(Moment::Instant(instant)) => zone.to_datetime(instant),
            Some(Moment::Day(_)) => {
                let message = "`every` counts from `starts`, which needs a time of day";
                self.mistake("/starts", "bad-time", message, Some("write it as 2026-11-24T09:00"));
                return None;
            }
            None => {
                // Where `starts` is written and cannot be read, that is reported already.
                if self.raw.starts.is_none() {
                    let help = "add `starts: 2026-11-24T09:00`";
                    self.mistake(
                        "/every",
                        "schedule-kind",
                        "`every` needs `starts` to count from",
                        Some(help),
                    );
                }
                return None;
            }
        };
        // More seconds than an i64 holds is never again, as is anything over a thousand years.
        let step_s = i64::try_from(step?.as_secs()).unwrap_or(i64::MAX);
        Some(Rule::Every { first, step_s })
    }
}
