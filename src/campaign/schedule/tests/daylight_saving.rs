//! Both changes of the clocks, in three zones, for each kind of rule.

use super::*;

struct Zone {
    name: &'static str,
    /// A time the clocks jump over, the instant they jump at, and the same time on the days around it.
    skipped: &'static str,
    jump: &'static str,
    around_skipped: [&'static str; 2],
    /// A time that comes twice, its first instant, and the same time on the days around it.
    repeated: &'static str,
    first: &'static str,
    around_repeated: [&'static str; 2],
}

const ZONES: [Zone; 3] = [
    Zone {
        name: "America/New_York",
        skipped: "2026-03-08T02:30",
        jump: "2026-03-08T07:00:00Z",
        around_skipped: ["2026-03-07T07:30:00Z", "2026-03-09T06:30:00Z"],
        repeated: "2026-11-01T01:30",
        first: "2026-11-01T05:30:00Z",
        around_repeated: ["2026-10-31T05:30:00Z", "2026-11-02T06:30:00Z"],
    },
    Zone {
        name: "Europe/Berlin",
        skipped: "2026-03-29T02:30",
        jump: "2026-03-29T01:00:00Z",
        around_skipped: ["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"],
        repeated: "2026-10-25T02:30",
        first: "2026-10-25T00:30:00Z",
        around_repeated: ["2026-10-24T00:30:00Z", "2026-10-26T01:30:00Z"],
    },
    // Its clocks move by half an hour.
    Zone {
        name: "Australia/Lord_Howe",
        skipped: "2026-10-04T02:15",
        jump: "2026-10-03T15:30:00Z",
        around_skipped: ["2026-10-02T15:45:00Z", "2026-10-04T15:15:00Z"],
        repeated: "2026-04-05T01:45",
        first: "2026-04-04T14:45:00Z",
        around_repeated: ["2026-04-03T14:45:00Z", "2026-04-05T15:15:00Z"],
    },
];

/// Both changes of each zone: the local time, when it runs, and when it runs on the days around.
fn changes() -> impl Iterator<Item = (&'static str, &'static str, &'static str, [&'static str; 2])> {
    ZONES.iter().flat_map(|zone| {
        [
            (zone.name, zone.skipped, zone.jump, zone.around_skipped),
            (zone.name, zone.repeated, zone.first, zone.around_repeated),
        ]
    })
}

#[test]
fn at_runs_once_at_the_jump_or_the_first_pass() {
    for (zone, local, runs, _) in changes() {
        let schedule = schedule(json!({ "at": local, "timezone": zone }));
        assert_eq!(between(&schedule, "2026-01-01T00:00Z", "2027-01-01T00:00Z"), [runs], "{zone} {local}");
    }
}

#[test]
fn cron_runs_once_at_the_jump_or_the_first_pass() {
    for (zone, local, runs, [before, after]) in changes() {
        let cron = format!("{} {} * * *", &local[14..], &local[11..13]);
        let schedule = schedule(json!({ "cron": cron, "timezone": zone }));
        let until = (at(after) + SignedDuration::from_secs(1)).to_string();
        assert_eq!(between(&schedule, before, &until), [before, runs, after], "{zone} {local}");
    }
}

#[test]
fn every_keeps_its_time_of_day_and_runs_once_at_the_jump_or_the_first_pass() {
    for (zone, local, runs, [before, after]) in changes() {
        let schedule = schedule(json!({ "every": "1d", "starts": before, "timezone": zone }));
        let until = (at(after) + SignedDuration::from_secs(1)).to_string();
        assert_eq!(between(&schedule, before, &until), [before, runs, after], "{zone} {local}");
    }
}

#[test]
fn times_inside_one_jump_and_one_at_its_end_are_one_occurrence() {
    for zone in &ZONES {
        let schedule = schedule(json!({ "cron": "*/5 * * * *", "timezone": zone.name }));
        let from = (at(zone.jump) - SignedDuration::from_mins(5)).to_string();
        let until = (at(zone.jump) + SignedDuration::from_mins(10)).to_string();
        let after = (at(zone.jump) + SignedDuration::from_mins(5)).to_string();
        assert_eq!(between(&schedule, &from, &until), [&from, zone.jump, &after], "{}", zone.name);
    }
}

#[test]
fn the_second_pass_of_a_repeated_hour_has_no_occurrence() {
    let schedule = schedule(json!({ "cron": "*/30 * * * *", "timezone": "America/New_York" }));
    assert_eq!(
        between(&schedule, "2026-11-01T05:00Z", "2026-11-01T07:30Z"),
        ["2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z", "2026-11-01T07:00:00Z"]
    );
}

#[test]
fn an_offset_names_the_second_pass() {
    let schedule = schedule(json!({ "at": "2026-11-01T01:30-05:00", "timezone": "America/New_York" }));
    assert_eq!(between(&schedule, "2026-11-01T00:00Z", "2026-11-02T00:00Z"), ["2026-11-01T06:30:00Z"]);
}

#[test]
fn a_day_that_a_country_left_out_runs_at_its_end() {
    // Samoa had no 30 December 2011.
    let schedule = schedule(json!({ "at": "2011-12-30T09:00", "timezone": "Pacific/Apia" }));
    assert_eq!(between(&schedule, "2011-12-01T00:00Z", "2012-01-01T00:00Z"), ["2011-12-30T10:00:00Z"]);
}
