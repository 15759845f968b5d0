//! Dates and times for people.

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde_json::Value as Json;

use super::call::{Args, Given};
use crate::campaign::schedule::time_zone;
use crate::message::render::Fault;

enum Moment {
    Instant(Timestamp),
    Local(DateTime),
}

pub(super) fn date(args: &Args<'_, '_>) -> Result<Json, Fault> {
    let text = args.text(0)?;
    let moment = parse(text.trim()).ok_or_else(|| {
        args.refuse(0, format_args!("\"{text}\" is not an ISO 8601 date or time, nor unix seconds"))
    })?;
    let (format, zone) = options(args).map_err(|message| args.refuse(0, message))?;
    let written = match (moment, zone) {
        (Moment::Instant(instant), zone) => write(format, &instant.to_zoned(zone.unwrap_or(TimeZone::UTC))),
        (Moment::Local(local), Some(zone)) => match local.to_zoned(zone) {
            Ok(zoned) => write(format, &zoned),
            Err(error) => Err(error.to_string()),
        },
        (Moment::Local(local), None) => strtime::format(format, local).map_err(|error| error.to_string()),
    };
    written.map(Json::String).map_err(|message| args.refuse(0, message))
}

pub(super) fn check(given: &dyn Given) -> Result<(), String> {
    let (format, zone) = options(given)?;
    write(format, &Timestamp::UNIX_EPOCH.to_zoned(zone.unwrap_or(TimeZone::UTC))).map(drop)
}

fn write(format: &str, zoned: &Zoned) -> Result<String, String> {
    strtime::format(format, zoned).map_err(|error| error.to_string())
}

fn options<G: Given + ?Sized>(given: &G) -> Result<(&str, Option<TimeZone>), String> {
    let format = match given.param(1) {
        None => "",
        Some(Json::String(format)) => format,
        Some(_) => return Err("the format must be text in quotes".into()),
    };
    let zone = match given.text_option("tz", "")? {
        "" => None,
        name => Some(time_zone(name)?),
    };
    Ok((format, zone))
}

fn parse(text: &str) -> Option<Moment> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Timestamp::from_second(seconds).ok().map(Moment::Instant);
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(Moment::Instant(instant));
    }
    text.parse::<DateTime>().ok().map(Moment::Local)
}

#[cfg(test)]
mod tests {
    use crate::message::template::tests::{mistakes, render};

    fn date(value: &str, arguments: &str) -> String {
        render(&format!("{{{{date d {arguments}}}}}"), &format!(r#"{{"d":{value}}}"#)).unwrap()
    }

    #[test]
    fn reads_dates_times_instants_and_unix_seconds() {
        let format = "\"%Y-%m-%d %H:%M\"";
        assert_eq!(date("\"2026-11-24\"", format), "2026-11-24 00:00");
        assert_eq!(date("\"2026-11-24T09:30\"", format), "2026-11-24 09:30");
        assert_eq!(date("\"2026-11-24 09:30:15\"", format), "2026-11-24 09:30");
        assert_eq!(date("\"2026-11-24T09:30:00+02:00\"", format), "2026-11-24 07:30");
        assert_eq!(date("1795512600", format), "2026-11-24 09:30");
        assert_eq!(date("\"1795512600\"", format), "2026-11-24 09:30");
    }

    #[test]
    fn a_time_zone_moves_an_instant_and_leaves_a_local_time() {
        let arguments = "\"%H:%M %Z\" tz=\"Asia/Shanghai\"";
        assert_eq!(date("\"2026-11-24T09:30Z\"", arguments), "17:30 CST");
        assert_eq!(date("\"2026-11-24T09:30\"", arguments), "09:30 CST");
    }

    #[test]
    fn refuses_what_is_no_date() {
        for value in ["", "soon", "24.11.2026", "2026-13-01", "99999999999999999"] {
            let error =
                render("{{date d \"%Y\"}}", &format!(r#"{{"d":"{value}"}}"#)).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("/t: `d` date: \"{value}\" is not an ISO 8601 date or time, nor unix seconds")
            );
        }
    }

    #[test]
    fn refuses_formats_and_zones_before_there_is_a_row() {
        assert!(mistakes("{{date d \"%!\"}}")[0].starts_with("date: "));
        assert_eq!(mistakes("{{date d 5}}"), ["date: the format must be text in quotes"]);
        assert!(mistakes("{{date d \"%Y\" tz=\"Europe/Pariss\"}}")[0].contains("Europe/Paris"));
    }
}
