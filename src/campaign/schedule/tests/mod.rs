//! What a schedule promises, over whole schedules.

mod daylight_saving;
mod due;
mod waves;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{Missed, Occurrence, RawSchedule, Schedule};

fn raw(schedule: Json) -> RawSchedule {
    serde_json::from_value(schedule).expect("the keys are known")
}

fn schedule(schedule: Json) -> Schedule {
    raw(schedule).check(&mut |at, code, message, _| panic!("{at} {code}: {message}")).expect("no mistakes")
}

/// `pointer code: message` of every mistake.
fn mistakes(schedule: Json) -> Vec<String> {
    let mut found = Vec::new();
    let checked =
        raw(schedule).check(&mut |at, code, message, _| found.push(format!("{at} {code}: {message}")));
    assert_eq!(checked.is_none(), !found.is_empty());
    found
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn between(schedule: &Schedule, from: &str, until: &str) -> Vec<String> {
    schedule.occurrences(at(from), at(until)).map(|occurrence| occurrence.at.to_string()).collect()
}

#[test]
fn names_last_and_nth_work_in_cron() {
    let september =
        |cron: &str| between(&schedule(json!({ "cron": cron })), "2026-09-01T00:00Z", "2026-10-01T00:00Z");
    assert_eq!(september("0 9 L * *"), ["2026-09-30T09:00:00Z"]);
    assert_eq!(september("0 9 * SEP FRI#2"), ["2026-09-11T09:00:00Z"]);
    assert_eq!(september("0 9 * * FRI#L"), ["2026-09-25T09:00:00Z"]);
    assert_eq!(september("0 9 * * 7").len(), 4);
}

#[test]
fn starts_ends_and_except_bound_a_schedule() {
    let schedule = schedule(json!({
        "cron": "0 9 * * *", "timezone": "Asia/Shanghai",
        "starts": "2026-12-23T09:00", "ends": "2026-12-27", "except": ["2026-12-24", "2026-12-25"],
    }));
    assert_eq!(
        between(&schedule, "2026-01-01T00:00Z", "2027-01-01T00:00Z"),
        ["2026-12-23T01:00:00Z", "2026-12-26T01:00:00Z", "2026-12-27T01:00:00Z"]
    );
    assert_eq!(schedule.next_after(at("2026-12-23T01:00:00Z")).unwrap().at, at("2026-12-26T01:00:00Z"));
    assert_eq!(schedule.next_after(at("2026-12-27T01:00:00Z")), None);
}

#[test]
fn a_time_in_ends_is_the_last_that_counts() {
    let schedule =
        schedule(json!({ "cron": "0 9 * * *", "starts": "2026-12-23", "ends": "2026-12-24T09:00" }));
    assert_eq!(between(&schedule, "2026-01-01T00:00Z", "2027-01-01T00:00Z").len(), 2);
}

#[test]
fn every_mistake_comes_at_once_at_its_key() {
    assert_eq!(
        mistakes(json!({
            "at": ["soon", "2026-11-24", "2026-11-24T09:00", "2026-11-24T09:00Z", "2026-11-24T09:00[Asia/Tokyo]", "1999-01-01T00:00"],
            "cron": "0 9 * *", "every": "5s", "timezone": "Europe/Berlim", "starts": "2026-11-24",
            "ends": "2026-11-23", "except": ["2026-11-24T09:00"], "expires_after": "0s",
        })),
        [
            "/timezone bad-timezone: there is no time zone `Europe/Berlim`; did you mean `Europe/Berlin`?",
            "/expires_after bad-duration: `expires_after` leaves no time to send",
            "/except/0 bad-time: \"2026-11-24T09:00\" is not a date",
            "/starts schedule-kind: `starts` does not go with `at`, which names its instants itself",
            "/ends schedule-kind: `ends` does not go with `at`, which names its instants itself",
            "/except schedule-kind: `except` does not go with `at`, which names its instants itself",
            "/at/0 bad-time: \"soon\" is not a time",
            "/at/1 bad-time: \"2026-11-24\" has no time of day",
            "/at/3 bad-time: \"2026-11-24T09:00Z\" is an instant that is already listed",
            "/at/4 bad-time: \"2026-11-24T09:00[Asia/Tokyo]\" names a zone of its own; `timezone` names the zone",
            "/at/5 bad-time: \"1999-01-01T00:00\" is not in the years 2000 to 2999",
            "/cron bad-cron: a cron expression has five fields, not 4",
            "/every bad-duration: `every` is less than a minute",
            "/starts bad-time: `every` counts from `starts`, which needs a time of day",
            "/cron schedule-kind: a schedule has `at` or `cron`, not both",
            "/every schedule-kind: a schedule has `at` or `every`, not both",
            "/ends bad-time: the schedule ends before it starts",
        ]
    );
}

#[test]
fn a_schedule_needs_a_rule_and_a_rule_what_it_counts_from() {
    assert_eq!(mistakes(json!({})), [" schedule-kind: a schedule needs one of `at`, `cron` and `every`"]);
    assert_eq!(mistakes(json!({ "at": [] })), ["/at bad-time: the list names no instant"]);
    assert_eq!(
        mistakes(json!({ "every": "2d" })),
        ["/every schedule-kind: `every` needs `starts` to count from"]
    );
    assert_eq!(
        mistakes(json!({ "every": "2d", "starts": "soon" })),
        ["/starts bad-time: \"soon\" is not a time"]
    );
}

#[test]
fn a_bad_cron_expression_says_what_is_wrong() {
    for cron in
        ["60 9 * * *", "0 9 * * MONDAY", "0 9 32 * *", "@daily", "0 0 9 * * *", "a b c d e", "*/0 * * * *"]
    {
        let found = mistakes(json!({ "cron": cron }));
        assert_eq!(found.len(), 1, "{cron}");
        assert!(found[0].starts_with("/cron bad-cron: "), "{}", found[0]);
    }
}

#[test]
fn a_schedule_that_is_never_due_is_a_mistake() {
    for schedule in [
        json!({ "cron": "0 0 30 2 *" }),
        json!({ "cron": "0 0 31 APR,JUN *" }),
        json!({ "cron": "0 9 * * MON", "starts": "2026-11-24", "ends": "2026-11-25" }),
        json!({ "cron": "0 9 24 NOV *", "starts": "2026-11-01", "ends": "2026-12-01", "except": ["2026-11-24"] }),
    ] {
        assert_eq!(mistakes(schedule), ["/cron never-due: the schedule is never due"]);
    }
    assert_eq!(
        mistakes(
            json!({ "every": "2d", "starts": "2026-11-24T09:00", "ends": "2026-11-24T10:00", "except": ["2026-11-24"] })
        ),
        ["/every never-due: the schedule is never due"]
    );
}

#[test]
fn the_rarest_cron_is_found() {
    let leap_mondays = schedule(json!({ "cron": "0 9 29 2 +MON" }));
    assert_eq!(leap_mondays.next_after(at("2026-01-01T00:00Z")).unwrap().at, at("2044-02-29T09:00Z"));
}

#[test]
fn unknown_keys_and_other_types_are_refused_with_what_is_expected() {
    let error = |schedule: Json| serde_json::from_value::<RawSchedule>(schedule).unwrap_err().to_string();
    assert!(error(json!({ "corn": "0 9 * * *" })).contains("unknown field `corn`"));
    assert!(
        error(json!({ "at": 5 })).contains("expected a time such as 2026-11-24T09:00, or a list of them")
    );
    assert!(
        error(json!({ "at": "2026-11-24T09:00", "missed": "sent" })).contains("`skip`, `send`, `latest`")
    );
}

#[test]
fn the_schema_takes_what_the_parser_takes() {
    let schema = serde_json::to_value(schemars::schema_for!(RawSchedule)).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (schedule, valid) in [
        (json!({ "at": "2026-11-24T09:00" }), true),
        (json!({ "at": ["2026-11-24T09:00"], "missed": "latest" }), true),
        (json!({ "at": [] }), false),
        (json!({ "at": 5 }), false),
        (json!({ "corn": "x" }), false),
        (json!({ "missed": "sent" }), false),
    ] {
        assert_eq!(validator.is_valid(&schedule), valid, "{schedule}");
    }
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let zone = prop::sample::select(vec![
        "UTC",
        "America/New_York",
        "Europe/Berlin",
        "Australia/Lord_Howe",
        "Asia/Shanghai",
        "America/Santiago",
        "Africa/Cairo",
    ]);
    let rule = prop_oneof![
        prop::sample::select(vec![
            "*/7 * * * *",
            "*/15 2 * * *",
            "30 1 * * *",
            "0 0 * * *",
            "0 9 * * MON",
            "59 23 L * *",
            "0,30 0-3 * * SUN",
        ])
        .prop_map(|cron| json!({ "cron": cron })),
        (60_i64..200_000).prop_map(|s| json!({ "every": format!("{s}s"), "starts": "2026-01-01T02:30" })),
    ];
    (rule, zone, any::<bool>()).prop_map(|(mut rule, zone, except)| {
        rule["timezone"] = zone.into();
        if except {
            rule["except"] = json!(["2026-03-08", "2026-03-29", "2026-11-01"]);
        }
        schedule(rule)
    })
}

/// An instant of 2026, often within an hour or two of a change of the clocks or on it.
fn any_instant() -> impl Strategy<Value = Timestamp> {
    let changes = prop::sample::select(vec![
        "2026-03-08T07:00Z",
        "2026-11-01T06:00Z",
        "2026-03-29T01:00Z",
        "2026-10-25T01:00Z",
        "2026-10-03T15:30Z",
        "2026-04-04T15:00Z",
        "2026-04-05T03:00Z",
        "2026-09-06T04:00Z",
        "2026-04-23T22:00Z",
        "2026-10-29T21:00Z",
    ]);
    let near = (changes, -100_i64..100, prop::sample::select(vec![-1_i64, 0, 1, 500_000_000]));
    prop_oneof![
        2 => near.prop_map(|(change, minutes, nanos)| {
            at(change) + SignedDuration::from_mins(minutes) + SignedDuration::from_nanos(nanos)
        }),
        1 => (0_i64..365 * 86_400).prop_map(|s| at("2026-01-01T00:00Z") + SignedDuration::from_secs(s)),
    ]
}

proptest! {
    #[test]
    fn cutting_an_interval_finds_every_occurrence_exactly_once(
        schedule in any_schedule(),
        start in any_instant(),
        cuts in prop::collection::vec(0_i64..200_000, 1..5),
        nanos in 0_i64..2,
    ) {
        let mut edges = vec![start];
        for cut in cuts {
            let last = edges[edges.len() - 1];
            edges.push(last + SignedDuration::from_secs(cut) + SignedDuration::from_nanos(nanos));
        }
        // Cut at an occurrence too, where an edge is easiest to get wrong.
        edges.extend(schedule.next_after(start).map(|next| next.at).filter(|next| *next < edges[edges.len() - 1]));
        edges.sort();
        let whole: Vec<Occurrence> = schedule.occurrences(edges[0], edges[edges.len() - 1]).collect();
        let parts: Vec<Occurrence> =
            edges.windows(2).flat_map(|edge| schedule.occurrences(edge[0], edge[1])).collect();
        prop_assert!(whole.is_sorted_by(|a, b| a.at < b.at));
        prop_assert_eq!(whole, parts);
    }

    #[test]
    fn next_after_is_the_first_that_occurrences_finds(schedule in any_schedule(), now in any_instant()) {
        let next = schedule.next_after(now).expect("none of them ends");
        prop_assert!(next.at > now);
        let found = schedule.occurrences(now, next.at + SignedDuration::from_nanos(1)).find(|o| o.at > now);
        prop_assert_eq!(found, Some(next));
    }
}
