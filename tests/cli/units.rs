//! The units and their calendar expressions, held against the real systemd.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use pushplan::campaign::schedule::{RawSchedule, Schedule};
use pushplan::campaign::{LoadOptions, load};
use pushplan::timer::{Elapses, elapses};
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::systemd;

fn schedule(written: Value) -> Schedule {
    let raw: RawSchedule = serde_json::from_value(written).unwrap();
    raw.check(&mut |at, code, message, _| panic!("{at} {code}: {message}")).unwrap()
}

fn base() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// Our own next ten instants after `base`, and those of the timer up to the last of ours.
fn next_ten(schedule: &Schedule, lines: &[String], base: Timestamp) -> (Vec<Timestamp>, Vec<Timestamp>) {
    let after = base + SignedDuration::from_secs(1);
    let ours: Vec<Timestamp> = schedule.occurrences(after, Timestamp::MAX).take(10).map(|o| o.at).collect();
    let mut theirs: Vec<Timestamp> = lines.iter().flat_map(|line| systemd::elapses(line, base, 10)).collect();
    theirs.sort();
    theirs.dedup();
    theirs.truncate(ours.len());
    (ours, theirs)
}

#[track_caller]
fn assert_agrees(written: &Value) {
    let schedule = schedule(written.clone());
    let Elapses::On(lines) = elapses(&schedule, base()) else { panic!("{written} is not translated") };
    let (ours, theirs) = next_ten(&schedule, &lines, base());
    assert!(!ours.is_empty());
    assert_eq!(ours, theirs, "{written}: {lines:?}");
}

#[test]
fn the_timer_of_a_schedule_elapses_at_our_own_next_ten_instants() {
    for written in [
        json!({ "cron": "0 9 * * MON", "timezone": "Asia/Shanghai" }),
        json!({ "cron": "30 18 L * *", "timezone": "Europe/Berlin" }),
        json!({ "cron": "*/15 * * * *", "timezone": "America/New_York" }),
        json!({ "cron": "0 9 * SEP FRI#2" }),
        json!({ "cron": "0 9 * * FRI#L,TUE#1" }),
        json!({ "cron": "0 9 * * FRIL" }),
        json!({ "cron": "0 9 13 * FRI" }),
        json!({ "cron": "0 9 22-29 2 +MON" }),
        json!({ "cron": "15 0,12 1,15 */3 *", "timezone": "America/Sao_Paulo" }),
        json!({ "cron": "59 23 31 12 *", "timezone": "Pacific/Kiritimati" }),
        json!({ "cron": "0 0 * * 0" }),
        json!({ "cron": "0 0 * * 7,1-3" }),
        json!({ "every": "1d", "starts": "2026-01-01T09:30:15", "timezone": "Europe/Berlin" }),
        json!({ "every": "7d", "starts": "2026-01-01T09:30", "timezone": "Asia/Tokyo" }),
        json!({ "every": "1h", "starts": "2026-01-01T09:30" }),
        json!({ "every": "90m", "starts": "2026-01-01T09:30" }),
        json!({ "every": "90s", "starts": "2026-01-01T00:00:30" }),
        json!({ "every": "1m", "starts": "2026-01-01T00:00" }),
        json!({ "at": ["2026-11-24T09:00", "2027-01-01T00:00:30", "2020-01-01T00:00"], "timezone": "Asia/Tokyo" }),
    ] {
        assert_agrees(&written);
    }
}

#[test]
fn the_timers_of_the_sample_campaigns_elapse_at_their_instants_or_say_why_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut why = Vec::new();
    for folder in [root.join("tests/campaigns"), root.to_owned()] {
        let loaded = load(&[], &LoadOptions { current_dir: folder, allow_outside: false });
        for campaign in &loaded.campaigns {
            let Some(schedule) = &campaign.schedule else { continue };
            match elapses(schedule, base()) {
                Elapses::On(lines) => {
                    let (ours, theirs) = next_ten(schedule, &lines, base());
                    assert_eq!(ours, theirs, "{}: {lines:?}", campaign.id);
                }
                Elapses::EveryMinute(reason) => why.push(format!("{}: {reason}", campaign.id)),
                Elapses::Over => assert_eq!(schedule.next_after(base()), None),
            }
        }
    }
    assert_eq!(
        why,
        [
            "local-time: with `local_time` each time zone has an instant of its own",
            "quiet-hours: what falls into `quiet_hours` waits for their end",
        ]
    );
}

#[test]
fn what_systemd_cannot_say_is_looked_at_every_minute_with_the_reason() {
    for (written, why) in [
        (json!({ "cron": "30 2 * * *", "timezone": "America/New_York" }), "jump over 02:30"),
        (json!({ "cron": "0 9 15W * *" }), "no word for its days"),
        (json!({ "cron": "0 9 LW * *" }), "no word for its days"),
        (json!({ "cron": "0 9 1-7 * +FRI#1" }), "no word for its days"),
        (json!({ "every": "2d", "starts": "2026-01-01T09:00" }), "a day is not a multiple of"),
        (json!({ "every": "7m", "starts": "2026-01-01T09:00" }), "a day is not a multiple of"),
    ] {
        match elapses(&schedule(written.clone()), base()) {
            Elapses::EveryMinute(reason) => assert!(reason.contains(why), "{written}: {reason}"),
            other => panic!("{written}: {other:?}"),
        }
    }
    assert_eq!(
        elapses(&schedule(json!({ "at": "2026-11-23T12:00" })), base() + SignedDuration::from_secs(1)),
        Elapses::Over
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever a cron says, and on whichever side of a change of the clocks: no instant of ours is without its timer.
    #[test]
    fn a_translated_cron_is_never_late(
        minutes in prop::sample::select(vec!["0", "*/20", "15,45", "7-9"]),
        hours in prop::sample::select(vec!["*", "1", "3", "9-17", "*/5", "0"]),
        days in prop::sample::select(vec!["*", "L", "1,15", "31", "8-14", "*/10"]),
        months in prop::sample::select(vec!["*", "MAR,NOV", "*/4"]),
        weekdays in prop::sample::select(vec!["*", "MON-FRI", "SUN", "SAT#1", "SUN#L", "+SUN,MON", "5#5"]),
        zone in prop::sample::select(vec!["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"]),
        base in prop::sample::select(vec!["2026-03-07T20:00:00Z", "2026-11-01T04:30:00Z", "2026-10-24T22:00:00Z"]),
    ) {
        let base: Timestamp = base.parse().unwrap();
        let written = json!({ "cron": format!("{minutes} {hours} {days} {months} {weekdays}"), "timezone": zone });
        let schedule = schedule(written);
        if let Elapses::On(lines) = elapses(&schedule, base) {
            let (ours, theirs) = next_ten(&schedule, &lines, base);
            prop_assert_eq!(ours, theirs, "{:?}", lines);
        }
    }
}

/// Campaigns of every kind in a workspace as a service needs it.
fn workspace() -> Bench {
    let bench = Bench::with_endpoint("30", "http://127.0.0.1:9");
    bench.write(
        "pushplan.yaml",
        "apps:\n  shop: { sdk_app_id: 1400000000, identifier: administrator, region: singapore, \
         secret_key: { credential: shop-key } }\nstate: { sqlite: /var/lib/pushplan/state.db }\n",
    );
    for (name, schedule) in [
        ("weekly", "schedule: { cron: \"0 9 * * MON\", timezone: Asia/Shanghai }"),
        ("nightly", "schedule: { cron: \"30 2 * * *\", timezone: America/New_York }"),
        ("over", "schedule: { at: 2020-01-01T09:00 }"),
        ("unscheduled", ""),
    ] {
        bench.write(
            &format!("campaigns/{name}.yaml"),
            &format!(
                "campaign: {name}\naudience: {{ accounts: [ann] }}\nmessage: {{ body: Hello }}\n{schedule}\n"
            ),
        );
    }
    bench
}

#[test]
fn systemd_verifies_the_units_and_finds_little_exposed() {
    let bench = workspace();
    for (number, mode) in [&[][..], &["--per-campaign"]].into_iter().enumerate() {
        let dir = bench.path(&format!("units{number}"));
        std::fs::create_dir(&dir).unwrap();
        let dir = dir.to_str().unwrap();
        bench.run(&[&["systemd", "install", "--dir", dir][..], mode].concat()).code(0);
        let mut units: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|unit| unit.unwrap().path().to_str().unwrap().replace("@.service", "@weekly.service"))
            .collect();
        units.sort();
        let verify: Vec<&str> = units.iter().map(String::as_str).collect();
        // `--recursive-errors=no`: what other packages of this machine got wrong is not ours.
        let (ok, said) =
            systemd::analyze(&[&["verify", "--man=no", "--recursive-errors=no"][..], &verify].concat());
        assert!(ok && said.is_empty(), "{said}");

        let service = format!("{dir}/pushplan{}.service", if mode.is_empty() { "" } else { "@" });
        // 1.2 with systemd 252: what is left is the network, and a root folder shared with the host.
        let (ok, said) =
            systemd::analyze(&["security", "--offline=true", "--no-pager", "--threshold=20", &service]);
        assert!(ok, "{said}");
        let overall = said.lines().find(|line| line.contains("Overall exposure level")).unwrap();
        println!("{overall}");
    }
}

#[test]
fn a_campaign_has_a_timer_of_its_own_where_asked_for() {
    let bench = workspace();
    let said = bench.run(&["systemd", "print", "--per-campaign"]).code(0);
    assert!(said.stdout.contains("# pushplan-weekly.timer\n"), "{}", said.stdout);
    assert!(said.stdout.contains("OnCalendar=Mon *-*-* 09:00:00 Asia/Shanghai\n"), "{}", said.stdout);
    assert!(said.stdout.contains("Unit=pushplan@weekly.service\n"), "{}", said.stdout);
    let fallback = "# Every minute: the clocks of America/New_York jump over 02:30, and systemd over that day.\n\
                    OnCalendar=*-*-* *:*:00\n";
    assert!(said.stdout.contains(fallback), "{}", said.stdout);
    assert!(!said.stdout.contains("pushplan-over") && !said.stdout.contains("pushplan-unscheduled"));
    assert!(said.stderr.contains("campaign unscheduled has no schedule"), "{}", said.stderr);
}

#[test]
fn the_service_has_the_keys_as_credentials_and_starts_what_is_due() {
    let bench = workspace();
    let said = bench.run(&["systemd", "print", "--program", "/usr/bin/env"]).code(0);
    for line in ["LoadCredential=shop-key:/etc/pushplan/shop-key", "KillSignal=SIGINT", "Persistent=true"] {
        assert!(said.stdout.lines().any(|found| found == line), "{line} is not in\n{}", said.stdout);
    }
    let start = said.stdout.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
    assert!(start.starts_with("ExecStart=/usr/bin/env -C /"), "{start}");
    assert!(start.ends_with(" apply --due --auto-approve"), "{start}");
}

/// What wants a person must not be tried again every half minute.
#[test]
fn the_service_comes_again_only_where_it_can_go_on() {
    use pushplan::command::Exit;
    let ends = [
        Exit::Error,
        Exit::SomethingToSend,
        Exit::SomeFailed,
        Exit::InDoubt,
        Exit::Refused,
        Exit::Stale,
        Exit::Usage,
    ];
    let codes = ends.map(|end| (end as u8).to_string()).join(" ");
    let said = workspace().run(&["systemd", "print"]).code(0).stdout;
    assert!(
        said.contains(&format!("\nRestart=on-failure\nRestartSec=30s\nRestartPreventExitStatus={codes}\n")),
        "{said}"
    );
}

#[test]
fn what_the_service_could_not_do_is_told_with_the_fix() {
    let bench = Bench::with_endpoint("30", "http://127.0.0.1:9");
    bench.write_campaign(1, 1, "");
    let said = bench.run(&["systemd", "print", "--program", "/usr/bin/env"]).code(0).stderr;
    for part in [
        "the workspace is /",
        "let pushplan.yaml have `state: { sqlite: /var/lib/pushplan/state.db }`",
        "app shop has its secret in the environment variable TEST_KEY",
        "put it into /etc/pushplan/NAME",
    ] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
}

#[test]
fn installing_again_removes_the_timers_of_campaigns_that_are_gone_and_nobody_elses() {
    let bench = workspace();
    let dir = bench.path("units");
    std::fs::create_dir(&dir).unwrap();
    let install = |args: &[&str]| {
        bench.run(&[&["systemd", "install", "--dir", dir.to_str().unwrap()][..], args].concat())
    };
    install(&["--per-campaign"]).code(0);
    install(&["--per-campaign", "--name", "pushplan-night"]).code(0);
    std::fs::write(dir.join("pushplan-other.timer"), "[Timer]\nOnBootSec=1\n").unwrap();
    std::fs::remove_file(bench.path("campaigns/weekly.yaml")).unwrap();
    let said = install(&["--per-campaign"]).code(0).stdout;
    assert!(said.contains("systemctl stop pushplan-weekly.timer\n"), "{said}");
    let has = |name: &str| dir.join(name).exists();
    assert!(!has("pushplan-weekly.timer"));
    assert!(
        has("pushplan-nightly.timer") && has("pushplan-other.timer") && has("pushplan-night-weekly.timer")
    );

    std::fs::write(dir.join("pushplan.service"), "[Service]\nExecStart=/bin/true\n").unwrap();
    let refused = install(&[]).code(1).stderr;
    assert!(refused.contains("pushplan.service is not a unit that"), "{refused}");
    assert!(has("pushplan-nightly.timer"));
}

#[test]
fn the_crontab_line_is_one_that_a_shell_runs() {
    let bench = workspace();
    bench.write("it's 5% off/keep", "");
    let program = bench.path("it's 5% off/program");
    std::fs::write(&program, "#!/bin/sh\necho \"$@\" > \"$2\"/ran\n").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let said = bench.run(&["crontab", "--program", program.to_str().unwrap()]).code(0);
    let line = said.stdout.lines().find_map(|line| line.strip_prefix("* * * * * ")).expect("a line");
    // As cron hands it on.
    let line = line.replace(r"\%", "%");
    let status = std::process::Command::new("/bin/sh").args(["-c", &line]).env_clear().status().unwrap();
    assert!(status.success(), "{line}");
    let ran = std::fs::read_to_string(bench.path("ran")).unwrap();
    assert!(ran.ends_with(" apply --due --auto-approve\n"), "{ran}");
    assert!(said.stderr.contains("app shop has its secret where cron has none"), "{}", said.stderr);
}
