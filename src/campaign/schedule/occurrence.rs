//! One instant at which a campaign is due, and its id.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// One instant at which a campaign is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Occurrence {
    /// The instant, in whole seconds, which names the run. Under `local_time`: when the clock of `timezone` shows the
    /// time.
    pub at: Timestamp,
    /// From here on it is to be run: `at`, and under `local_time` when the clocks farthest east show the time.
    pub opens_at: Timestamp,
    /// The end of its window: nothing of it is sent from here on. Under `local_time` the end of the last window that
    /// any zone can have; each [`Wave`](super::Wave) knows its own.
    pub expires_at: Timestamp,
    /// Where it is sent late: what has passed of it gets a window from here on.
    pub late_from: Option<Timestamp>,
}

impl Occurrence {
    /// The instant in UTC to the minute, `20261124T0900Z`; with seconds only where there are any,
    /// `20261124T090030Z`.
    pub fn id(&self) -> String {
        let utc = TimeZone::UTC.to_datetime(self.at);
        let format = if utc.second() == 0 { "%Y%m%dT%H%MZ" } else { "%Y%m%dT%H%M%SZ" };
        utc.strftime(format).to_string()
    }
}

/// The instant that an occurrence's id names; `None` for what [`Occurrence::id`] would not write.
pub fn parse_occurrence_id(id: &str) -> Option<Timestamp> {
    let digits = id.strip_suffix('Z')?;
    let (date, time) = digits.split_once('T')?;
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if date.len() != 8 || !matches!(time.len(), 4 | 6) || !all_digits(date) || !all_digits(time) {
        return None;
    }
    let part = |text: &str| text.parse::<i8>().ok();
    let second = if time.len() == 6 { part(&time[4..]).filter(|second| *second != 0)? } else { 0 };
    let utc = DateTime::new(
        date[..4].parse().ok()?,
        part(&date[4..6])?,
        part(&date[6..])?,
        part(&time[..2])?,
        part(&time[2..4])?,
        second,
        0,
    );
    TimeZone::UTC.to_timestamp(utc.ok()?).ok()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::{Occurrence, parse_occurrence_id};

    fn occurrence(at: Timestamp) -> Occurrence {
        Occurrence { at, opens_at: at, expires_at: at, late_from: None }
    }

    fn id(at: &str) -> String {
        occurrence(at.parse().unwrap()).id()
    }

    #[test]
    fn an_id_is_utc_to_the_minute_with_seconds_only_where_there_are_any() {
        assert_eq!(id("2026-11-24T09:00:00Z"), "20261124T0900Z");
        assert_eq!(id("2026-11-24T09:00:00+08:00"), "20261124T0100Z");
        assert_eq!(id("2026-11-24T09:00:30Z"), "20261124T090030Z");
    }

    #[test]
    fn an_id_that_would_not_be_written_is_none() {
        for id in [
            "",
            "once",
            "Z",
            "T",
            "20261124T0900",
            "20261124T090000Z",
            "20261324T0900Z",
            "20261124T2500Z",
            "2026112T09000Z",
            "+0261124T0900Z",
            "20261124T09é0Z",
            "20261124T0900ZZ",
        ] {
            assert_eq!(parse_occurrence_id(id), None, "{id}");
        }
    }

    proptest! {
        #[test]
        fn an_id_reads_back_as_its_instant(second in 946_684_800_i64..32_503_680_000) {
            let at = Timestamp::from_second(second).unwrap();
            prop_assert_eq!(parse_occurrence_id(&occurrence(at).id()), Some(at));
        }

        #[test]
        fn any_text_is_an_id_or_none(text in "[0-9TZ]{0,17}") {
            if let Some(at) = parse_occurrence_id(&text) {
                prop_assert_eq!(occurrence(at).id(), text);
            }
        }
    }
}
