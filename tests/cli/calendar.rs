//! What is due in the next days: `upcoming`, `plan --at`, `plan --until`.

use crate::bench::Bench;

/// A campaign to so many accounts that each get a message of their own, so that each is a call.
fn campaign(bench: &Bench, name: &str, accounts: usize, schedule: &str) {
    let rows: String = (0..accounts).map(|i| format!("u{i},{i}\n")).collect();
    bench.write(&format!("campaigns/{name}.csv"), &format!("id,n\n{rows}"));
    bench.write(
        &format!("campaigns/{name}.yaml"),
        &format!(
            "campaign: {name}\naudience: {{ csv: {name}.csv, account: id }}\n\
             message: {{ title: Hello, body: \"News {{{{n}}}}\" }}\nschedule: {{ {schedule} }}\n"
        ),
    );
}

fn bench() -> Bench {
    Bench::with_endpoint("10", "http://127.0.0.1:9")
}

#[test]
fn campaigns_that_together_exceed_a_window_are_told_apart_from_one_that_is_too_large_alone() {
    let bench = bench();
    campaign(&bench, "breakfast", 80, "at: 2130-01-01T08:00, expires_after: 10s");
    campaign(&bench, "coffee", 80, "at: 2130-01-01T08:00, expires_after: 1h");
    campaign(&bench, "dinner", 80, "at: 2130-01-01T19:00, expires_after: 2s");
    let said = bench.run(&["upcoming", "--until", "2130-01-02T00:00Z"]).code(0);
    let late: Vec<&str> = said.stdout.lines().filter(|line| line.contains(": late:")).collect();
    assert_eq!(
        late,
        [
            "breakfast@21300101T0800Z: late: about 30 recipients do not fit into its window, since \
             coffee@21300101T0800Z share the pace of app shop",
            "dinner@21300101T1900Z: late: about 60 recipients do not fit into its window at the rate of app shop",
        ]
    );
    let json = bench.run(&["upcoming", "--until", "2130-01-02T00:00Z", "--format", "json"]).code(0).json();
    assert_eq!(json["format"], "pushplan.calendar/1");
    let coffee = &json["runs"][1];
    assert_eq!(coffee["run"], "coffee@21300101T0800Z");
    assert_eq!(coffee["starts_at"], "2130-01-01T08:00:00Z");
    // 10 s of turns are 50 of its calls, and the last of the other 30 leaves 2.9 s later.
    assert_eq!(coffee["finishes_at"], "2130-01-01T08:00:12.9Z");
    assert_eq!((&coffee["recipients"], &coffee["calls"]), (&80.into(), &80.into()));
}

#[test]
fn the_audience_of_a_campaign_is_read_once_whatever_the_number_of_its_runs() {
    let bench = bench();
    bench.write(
        "campaigns/daily.yaml",
        "campaign: daily\naudience:\n  command: [sh, -c, 'echo x >> reads; echo id; echo ann']\n  format: csv\n  \
         account: id\nmessage: { body: Hello }\nschedule: { cron: \"0 * * * *\" }\n",
    );
    let json =
        bench.run(&["upcoming", "--allow-commands", "--format", "json", "--until", "3d"]).code(0).json();
    // The one that is due now, and one an hour.
    assert_eq!(json["runs"].as_array().unwrap().len(), 73);
    let reads = std::fs::read_to_string(bench.path("campaigns/reads")).unwrap().lines().count();
    assert_eq!(reads, 1);
}

#[test]
fn upcoming_shows_the_next_seven_days() {
    let bench = bench();
    campaign(&bench, "far", 1, "at: 2130-01-01T08:00");
    let said = bench.run(&["upcoming"]).code(0);
    assert!(said.stdout.starts_with("Nothing is due until "), "{}", said.stdout);
    campaign(&bench, "daily", 1, "cron: \"30 9 * * *\", starts: 2026-01-01");
    let said = bench.run(&["upcoming"]).code(0);
    assert!((7..=8).contains(&said.stdout.matches("daily@").count()), "{}", said.stdout);
}

#[test]
fn plan_at_shows_what_apply_would_do_then() {
    let bench = bench();
    campaign(&bench, "new-year", 3, "at: 2130-01-01T08:00, expires_after: 2h");
    assert!(bench.run(&["plan"]).code(0).stdout.contains("not due; next at 2130-01-01T08:00:00Z"));
    let then = bench.run(&["plan", "--at", "2130-01-01T09:59Z"]).code(0).stdout;
    assert!(then.starts_with("new-year@21300101T0800Z\n"), "{then}");
    let after = bench.run(&["plan", "--at", "2130-01-01T10:00Z"]).code(0).stdout;
    assert!(!after.contains("recipients"), "{after}");
    let vague = bench.run(&["plan", "--at", "tomorrow"]).code(64).stderr;
    assert!(vague.contains("an instant with its offset"), "{vague}");
}

#[test]
fn plan_until_shows_the_calendar_behind_the_plans() {
    let bench = bench();
    campaign(&bench, "new-year", 3, "at: 2130-01-01T08:00, expires_after: 2h");
    let args = ["plan", "--at", "2130-01-01T07:00Z", "--until", "1d"];
    let text = bench.run(&args).code(0).stdout;
    assert!(text.contains("2130-01-01 08:00"), "{text}");
    let json = bench.run(&[&args[..], &["--format", "json"]].concat()).code(0).json();
    assert_eq!(json["runs"].as_array().unwrap().len(), 0);
    assert_eq!(json["calendar"]["runs"][0]["run"], "new-year@21300101T0800Z");
    assert!(bench.run(&["plan", "--format", "json"]).code(0).json().get("calendar").is_none());
}

#[test]
fn each_time_zone_of_the_audience_has_its_own_hour() {
    let bench = bench();
    bench.write("campaigns/a.csv", "id,tz\nann,Asia/Tokyo\nbob,America/New_York\ncid,Asia/Tokyo\ndan,\n");
    bench.write(
        "campaigns/morning.yaml",
        "campaign: morning\naudience: { csv: a.csv, account: id }\nmessage: { body: Hello }\n\
         schedule: { cron: \"0 9 * * *\", starts: 2130-01-01, local_time: true, timezone_column: tz, expires_after: 1h }\n",
    );
    let args = ["plan", "--at", "2129-12-30T00:00Z", "--until", "2130-01-02T00:00Z", "--format", "json"];
    let json = bench.run(&args).code(0).json();
    let runs = json["calendar"]["runs"].as_array().unwrap();
    // The second day begins in the east before the first has ended in the west.
    assert_eq!(runs.len(), 2, "{json}");
    let first = &runs[0];
    assert_eq!(first["run"], "morning@21300101T0900Z");
    assert_eq!(first["opens_at"], "2130-01-01T00:00:00Z");
    assert_eq!(first["finishes_at"], "2130-01-01T14:00:00Z");
    assert_eq!(first["expires_at"], "2130-01-01T15:00:00Z");
    assert_eq!((&first["recipients"], &first["skipped"], &first["calls"]), (&3.into(), &1.into(), &2.into()));
}
