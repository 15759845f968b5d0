//! Everybody's own clock and quiet hours: which windows a wave has, and when such a run is due.

use super::*;
use crate::campaign::schedule::{NoWave, Window};

/// 09:00 in each recipient's zone on 24 November, for two hours.
fn nine_o_clock(more: &Json) -> Schedule {
    let mut written = json!({
        "at": "2026-11-24T09:00", "local_time": true, "timezone_column": "tz", "expires_after": "2h",
    });
    written.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    schedule(written)
}

fn first(schedule: &Schedule) -> Occurrence {
    schedule.occurrences(Timestamp::MIN, Timestamp::MAX).next().unwrap()
}

/// The windows of the first occurrence in a zone, `opens/closes` each.
fn windows(schedule: &Schedule, zone: &str) -> Result<Vec<String>, NoWave> {
    written(schedule.wave(&first(schedule), Some(zone)).map(|wave| wave.windows))
}

fn written(windows: Result<Vec<Window>, NoWave>) -> Result<Vec<String>, NoWave> {
    let text = |edge: Option<Timestamp>| edge.map_or_else(|| "…".to_owned(), |edge| edge.to_string());
    let window = |window: &Window| format!("{}/{}", text(window.opens_at), text(window.closes_at));
    windows.map(|windows| windows.iter().map(window).collect())
}

#[test]
fn each_zone_has_the_wall_clock_time_as_its_own_instant_across_the_date_line() {
    let schedule = nine_o_clock(&json!({}));
    for (zone, opens) in [
        ("Pacific/Kiritimati", "2026-11-23T19:00:00Z/2026-11-23T21:00:00Z"),
        ("Pacific/Chatham", "2026-11-23T19:15:00Z/2026-11-23T21:15:00Z"),
        ("Asia/Kathmandu", "2026-11-24T03:15:00Z/2026-11-24T05:15:00Z"),
        ("Europe/Berlin", "2026-11-24T08:00:00Z/2026-11-24T10:00:00Z"),
        ("Pacific/Honolulu", "2026-11-24T19:00:00Z/2026-11-24T21:00:00Z"),
        ("Etc/GMT+12", "2026-11-24T21:00:00Z/2026-11-24T23:00:00Z"),
    ] {
        assert_eq!(windows(&schedule, zone), Ok(vec![opens.to_owned()]), "{zone}");
    }
}

#[test]
fn the_run_is_due_from_the_first_zone_on_the_earth_to_the_last() {
    for (zone, id) in [
        ("UTC", "20261124T0900Z"),
        ("Pacific/Kiritimati", "20261123T1900Z"),
        ("Etc/GMT+12", "20261124T2100Z"),
    ] {
        let schedule = nine_o_clock(&json!({ "timezone": zone }));
        for (now, runs) in [
            ("2026-11-23T18:59:59Z", false),
            ("2026-11-23T19:00:00Z", true),
            ("2026-11-24T22:59:59Z", true),
            ("2026-11-24T23:00:00Z", false),
        ] {
            let due = schedule.due(at(now), &|_| false, Timestamp::MIN);
            let run: Vec<_> = due.run.iter().map(Occurrence::id).collect();
            assert_eq!(run, if runs { vec![id] } else { vec![] }, "{zone} {now}");
            assert_eq!(due.missed.len(), usize::from(now == "2026-11-24T23:00:00Z"), "{zone} {now}");
        }
        let next = schedule.due(at("2026-11-01T00:00Z"), &|_| false, Timestamp::MIN).next;
        assert_eq!(next, Some(at("2026-11-23T19:00Z")), "{zone}");
    }
}

#[test]
fn a_daily_run_opens_in_the_east_while_the_last_one_is_open_in_the_west() {
    let schedule = schedule(json!({
        "cron": "0 9 * * *", "local_time": true, "timezone_column": "tz", "expires_after": "2h",
    }));
    let due = schedule.due(at("2026-11-24T20:00Z"), &|_| false, at("2026-11-24T00:00Z"));
    let run: Vec<_> = due.run.iter().map(Occurrence::id).collect();
    assert_eq!(run, ["20261124T0900Z", "20261125T0900Z"]);
    assert_eq!(due.next, Some(at("2026-11-25T19:00Z")));
}

#[test]
fn without_expires_after_a_wave_gives_way_to_the_next_one_of_its_own_zone() {
    let schedule = schedule(json!({
        "cron": "0 9,15 * * *", "starts": "2026-11-24", "local_time": true, "timezone_column": "tz",
    }));
    assert_eq!(windows(&schedule, "Asia/Tokyo").unwrap(), ["2026-11-24T00:00:00Z/2026-11-24T06:00:00Z"]);
}

#[test]
fn each_zones_own_change_of_the_clocks_counts() {
    let march = |zone: &str| {
        let schedule = schedule(json!({
            "at": "2026-03-08T02:30", "local_time": true, "timezone_column": "tz", "expires_after": "1h",
        }));
        windows(&schedule, zone).unwrap().remove(0)
    };
    assert_eq!(march("America/New_York"), "2026-03-08T07:00:00Z/2026-03-08T08:00:00Z");
    assert_eq!(march("Europe/Berlin"), "2026-03-08T01:30:00Z/2026-03-08T02:30:00Z");
    let november = schedule(json!({
        "at": "2026-11-01T01:30", "local_time": true, "timezone_column": "tz", "expires_after": "1h",
    }));
    assert_eq!(
        windows(&november, "America/New_York").unwrap(),
        ["2026-11-01T05:30:00Z/2026-11-01T06:30:00Z"]
    );
}

/// 02:00 and 02:30 are both 03:00 where the clocks jump over them: two pushes at once would be one too many.
#[test]
fn what_a_zone_jumps_over_gives_way_to_what_comes_right_after() {
    let schedule = schedule(json!({
        "cron": "*/30 2 * * *", "starts": "2026-03-08", "local_time": true, "timezone_column": "tz",
    }));
    assert_eq!(windows(&schedule, "America/New_York"), Err(NoWave::GivesWay));
    let second = schedule.next_after(first(&schedule).opens_at).unwrap();
    let wave = schedule.wave(&second, Some("America/New_York")).unwrap();
    assert_eq!(wave.windows[0].opens_at, Some(at("2026-03-08T07:00Z")));
}

#[test]
fn unknown_zones_are_skipped_or_stand_under_the_campaigns_own() {
    let skip = nine_o_clock(&json!({ "timezone": "Europe/Berlin" }));
    let default = nine_o_clock(&json!({ "timezone": "Europe/Berlin", "unknown_timezone": "default" }));
    for zone in [None, Some(""), Some("Mars/Olympus"), Some("+02:00"), Some("Etc/Unknown")] {
        assert_eq!(skip.wave(&first(&skip), zone), Err(NoWave::UnknownTimezone), "{zone:?}");
        let berlin = default.wave(&first(&default), Some("europe/berlin")).unwrap();
        assert_eq!(berlin.zone.as_deref(), Some("Europe/Berlin"));
        assert_eq!(default.wave(&first(&default), zone), Ok(berlin), "{zone:?}");
    }
}

#[test]
fn without_local_time_there_is_one_wave_whatever_the_zone() {
    let schedule = schedule(json!({ "at": "2026-11-24T09:00", "expires_after": "2h" }));
    for zone in [None, Some("Asia/Tokyo")] {
        let wave = schedule.wave(&first(&schedule), zone).unwrap();
        assert_eq!(wave.zone, None);
        let window = "2026-11-24T09:00:00Z/2026-11-24T11:00:00Z".to_owned();
        assert_eq!(written(Ok(wave.windows)), Ok(vec![window]));
    }
}

#[test]
fn what_falls_into_quiet_hours_waits_for_their_end_or_expires() {
    let night = |more: &Json| {
        let mut written = json!({ "quiet_hours": "22:00-08:00", "timezone": "Asia/Shanghai" });
        written.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        schedule(written)
    };
    // Sent until ten, and again from eight until it expires at noon.
    let evening = night(&json!({ "at": "2026-11-24T21:00", "expires_after": "15h" }));
    assert_eq!(
        windows(&evening, "").unwrap(),
        ["2026-11-24T13:00:00Z/2026-11-24T14:00:00Z", "2026-11-25T00:00:00Z/2026-11-25T04:00:00Z"]
    );
    let late = night(&json!({ "at": "2026-11-24T23:00", "expires_after": "10h" }));
    assert_eq!(windows(&late, "").unwrap(), ["2026-11-25T00:00:00Z/2026-11-25T01:00:00Z"]);

    let hourly = night(&json!({ "cron": "0 * * * *", "starts": "2026-11-24T21:00" }));
    let fate: Vec<_> = hourly
        .occurrences(Timestamp::MIN, Timestamp::MAX)
        .take(12)
        .map(|occurrence| hourly.wave(&occurrence, None).is_ok())
        .collect();
    assert_eq!(fate.iter().filter(|sent| **sent).count(), 2, "at 21:00 and at 08:00: {fate:?}");
    assert!(fate[0] && fate[11]);
}

#[test]
fn quiet_hours_are_by_the_recipients_clock_under_local_time() {
    let schedule = nine_o_clock(&json!({ "quiet_hours": "08:00-10:00" }));
    assert_eq!(windows(&schedule, "Asia/Tokyo").unwrap(), ["2026-11-24T01:00:00Z/2026-11-24T02:00:00Z"]);
    assert_eq!(windows(&schedule, "UTC").unwrap(), ["2026-11-24T10:00:00Z/2026-11-24T11:00:00Z"]);
}

#[test]
fn what_is_quiet_until_it_expires_is_listed_as_missed_when_it_opens() {
    let schedule = schedule(json!({
        "cron": "0 * * * *", "quiet_hours": "22:00-08:00", "missed": "send", "starts": "2026-11-24T21:00",
    }));
    let due = schedule.due(at("2026-11-24T23:30Z"), &|_| false, at("2026-11-24T20:00Z"));
    let ids = |occurrences: &[Occurrence]| occurrences.iter().map(Occurrence::id).collect::<Vec<_>>();
    assert_eq!(
        (ids(&due.run), ids(&due.missed)),
        (vec!["20261124T2100Z".into()], vec!["20261124T2200Z".into(), "20261124T2300Z".into()])
    );
    // The one of 21:00 was missed at 22:00, and is sent late once the night is over.
    assert_eq!(
        written(schedule.wave(&due.run[0], None).map(|wave| wave.windows)),
        Ok(vec!["2026-11-25T08:00:00Z/2026-11-25T22:00:00Z".to_owned()])
    );
}

#[test]
fn send_sends_the_waves_late_that_have_passed_before_anybody_ran_them() {
    let of = |missed: &str, zone: &str| {
        let schedule = nine_o_clock(&json!({ "missed": missed }));
        let due = schedule.due(at("2026-11-24T09:30Z"), &|_| false, Timestamp::MIN);
        written(schedule.wave(&due.run[0], Some(zone)).map(|wave| wave.windows)).unwrap().remove(0)
    };
    for missed in ["skip", "send", "latest"] {
        assert_eq!(of(missed, "Europe/London"), "2026-11-24T09:00:00Z/2026-11-24T11:00:00Z");
    }
    assert_eq!(of("skip", "Asia/Tokyo"), "2026-11-24T00:00:00Z/2026-11-24T02:00:00Z");
    for missed in ["send", "latest"] {
        assert_eq!(of(missed, "Asia/Tokyo"), "2026-11-24T09:30:00Z/2026-11-24T11:30:00Z");
    }
}

/// A new campaign with `missed: send` answered for every occurrence since its `starts`, and without one since the year
/// 2000: it would have sent them all at once.
#[test]
fn a_new_campaign_does_not_answer_for_the_time_before_it() {
    let now = at("2026-11-24T12:00Z");
    for written in [
        json!({ "cron": "0 9 * * *", "missed": "send" }),
        json!({ "cron": "0 9 * * *", "starts": "2026-01-01" }),
        json!({ "every": "1d", "starts": "2026-01-01T09:00" }),
    ] {
        assert_eq!(schedule(written).answers_since(now), now);
    }
    let listed = schedule(json!({ "at": "2026-11-20T00:00" }));
    assert_eq!(listed.answers_since(now), Timestamp::MIN);
}

const ZONES: [&str; 9] = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
    "Pacific/Chatham",
    "America/Santiago",
    "Africa/Cairo",
    "Etc/GMT+12",
];

fn any_time() -> impl Strategy<Value = String> {
    (0..24_u8, prop::sample::select(vec![0_u8, 15, 30, 45])).prop_map(|(h, m)| format!("{h:02}:{m:02}"))
}

proptest! {
    /// The windows of every wave are sorted, apart from each other, of some length, within the occurrence's; and no
    /// instant of them is quiet by the clock that counts.
    #[test]
    fn windows_keep_to_their_run_and_out_of_quiet_hours(
        local_time in any::<bool>(),
        zone in prop::sample::select(ZONES.to_vec()),
        home in prop::sample::select(ZONES.to_vec()),
        (from, until) in (any_time(), any_time()),
        cron in prop::sample::select(vec!["*/20 * * * *", "30 1,2 * * *", "0 0 * * *", "15 9 * * *"]),
        expires_h in prop::option::of(1_u32..80),
        late_min in prop::option::of(0_i64..6_000),
        near in any_instant(),
    ) {
        prop_assume!(from != until);
        let mut written = json!({ "cron": cron, "timezone": home, "quiet_hours": format!("{from}-{until}") });
        if local_time {
            written["local_time"] = true.into();
            written["timezone_column"] = "tz".into();
        }
        if let Some(expires_h) = expires_h {
            written["expires_after"] = format!("{expires_h}h").into();
        }
        let Some(schedule) = raw(written).check(&mut |_, code, _, _| assert_eq!(code, "never-sent")) else {
            return Ok(());
        };
        let mut occurrence = schedule.next_after(near).unwrap();
        if let Some(late_min) = late_min {
            let now = occurrence.opens_at + SignedDuration::from_mins(late_min);
            occurrence = schedule.late(occurrence, now);
        }
        let Ok(wave) = schedule.wave(&occurrence, Some(zone)) else { return Ok(()) };
        prop_assert!(!wave.windows.is_empty());
        let mut last = occurrence.opens_at;
        let clock = super::super::time_zone(if local_time { zone } else { home }).unwrap();
        for (number, window) in wave.windows.iter().enumerate() {
            let (opens, closes) = (window.opens_at.unwrap(), window.closes_at.unwrap());
            prop_assert!(opens > last || (number == 0 && opens == last));
            prop_assert!(opens < closes);
            last = closes;
            let mut instant = opens;
            while instant < closes {
                let time = clock.to_datetime(instant).time().to_string();
                let time = &time[..5];
                let quiet = if from < until {
                    from.as_str() <= time && time < until.as_str()
                } else {
                    from.as_str() <= time || time < until.as_str()
                };
                prop_assert!(!quiet, "{time} at {instant} in {zone} of {wave:?}");
                instant += SignedDuration::from_mins(5);
            }
        }
        prop_assert!(last <= occurrence.expires_at, "{last} {occurrence:?}");
    }

    /// However often somebody looks, every run of a campaign in everybody's own time has one fate, is not run before the
    /// first clock shows its time, and is run while some wave of every zone may still be sent.
    #[test]
    fn every_occurrence_in_local_time_has_one_fate(
        missed in prop::sample::select(vec!["skip", "send", "latest"]),
        home in prop::sample::select(ZONES.to_vec()),
        quiet in any::<bool>(),
        gaps_min in prop::collection::vec(1_i64..4000, 1..30),
    ) {
        let mut written = json!({
            "cron": "*/45 */5 * * *", "timezone": home, "expires_after": "3h", "missed": missed,
            "local_time": true, "timezone_column": "tz",
        });
        if quiet {
            written["quiet_hours"] = "21:00-07:00".into();
        }
        let schedule = schedule(written);
        let since = at("2026-10-20T00:00Z");
        let mut now = since;
        let (mut run, mut skipped) = (Vec::new(), Vec::new());
        for gap in gaps_min {
            let fate = |o: &Occurrence| run.contains(&o.at) || skipped.contains(&o.at);
            let due = schedule.due(now, &fate, since);
            prop_assert!(due.run.iter().all(|o| o.opens_at <= now && now < o.expires_at));
            prop_assert!(due.next.is_some_and(|next| next > now));
            run.extend(due.run.iter().map(|o| o.at));
            skipped.extend(due.missed.iter().map(|o| o.at));
            now += SignedDuration::from_mins(gap);
        }
        let looked = now;
        let due = schedule.due(looked, &|o| run.contains(&o.at) || skipped.contains(&o.at), since);
        run.extend(due.run.iter().map(|o| o.at));
        skipped.extend(due.missed.iter().map(|o| o.at));
        let mut fates = [run, skipped].concat();
        fates.sort();
        prop_assert!(fates.windows(2).all(|pair| pair[0] < pair[1]));
        let opened = |at: &Timestamp| {
            let occurrence = schedule.occurrence(*at);
            occurrence.opens_at >= since && occurrence.opens_at <= looked
        };
        let expected: Vec<Timestamp> =
            schedule.occurrences(since, looked + SignedDuration::from_hours(27)).map(|o| o.at).filter(opened).collect();
        fates.retain(opened);
        prop_assert_eq!(fates, expected);
    }
}
