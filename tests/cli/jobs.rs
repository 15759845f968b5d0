//! The workflows that `init` makes do what they promise: their jobs are run as they stand, against a code host, a database
//! and a sandbox on loopback.

use std::collections::HashSet;

use jiff::Timestamp;
use pushplan::sandbox::{Config, Faults};
use serde_json::json;

use crate::project::{HOSTS, Host, Project};

/// An instant so many seconds ago, for a schedule.
fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() - seconds).unwrap()
}

#[test]
fn a_fresh_repository_goes_through_its_jobs_as_it_is() {
    for host in HOSTS {
        let project = Project::fresh(host, Config::default());
        project.commit("Begin");
        let said = project.apply().code(7).stdout;
        assert!(said.contains("welcome@once: it is due, and was not approved"), "{said}");
        project.switch("look");
        project.commit("Look at it");
        project.of_pull_request("validate", "look").code(0);
        if host == Host::Gitlab {
            assert_eq!(std::fs::read_to_string(project.bench.path("job/codequality.json")).unwrap(), "[]\n");
        }
        project.land("look");
        let said = project.apply().code(0).stdout;
        assert!(said.contains("welcome@once: 3 planned = 3 accepted"), "{said}");
        assert!(project.bench.path("job/events.ndjson").is_file());
        for said in [project.due(), project.drift()] {
            let said = said.code(0).stdout;
            assert!(said.contains("the state is a file, which this job has not got"), "{said}");
        }
        let ignored = project.git("job", &["status", "--porcelain"]);
        assert_eq!(ignored, "", "what jobs leave is ignored");
    }
}

#[test]
fn the_jobs_plan_approve_and_send_what_was_approved() {
    for host in HOSTS {
        let project = Project::new(host);
        project.propose("a");
        project.of_pull_request("validate", "a").code(0);
        project.plan("a").code(0);
        // Run again it is the same, in the same comment, with approvals of its own.
        project.plan("a").code(0);
        let comments = project.comments("a");
        assert_eq!(comments.len(), 1, "one comment, brought up to date");
        let head = project.tip("a");
        assert!(comments[0].starts_with(&format!("<!-- pushplan plan of {head} -->\n")), "{}", comments[0]);
        assert!(comments[0].contains("a@once"), "{}", comments[0]);
        assert_eq!(project.statuses(&head).len(), 4);

        project.merge("a");
        let said = project.apply().code(0).stdout;
        assert!(said.contains("a@once: 1 planned = 1 accepted"), "{said}");
        let said = project.apply().code(0).stdout;
        assert!(said.contains("a@once: finished; nothing to send"), "{said}");
        assert!(project.bench.path("job/events.ndjson").is_file());
        project.drift().code(0);

        // What nobody has planned is not sent.
        project.write("b", "accounts: [b]", "");
        project.commit("Past the review");
        let said = project.apply().code(7).stdout;
        assert!(said.contains("b@once: it is due, and was not approved"), "{said}");
        assert_eq!(project.pushed(), ["a"]);

        project.bench.write("desk/pushplan.yaml", "apps:\n  shop: { sdk_app_id: 1400000000 }\n");
        project.commit("Forget the state");
        let said = project.apply().code(1).stdout;
        assert!(said.contains("outlives the job"), "{said}");
    }
}

#[test]
fn a_program_of_another_checksum_is_not_installed() {
    let project = Project::new(Host::Github);
    project.propose("a");
    project.values.borrow_mut().insert("vars.PUSHPLAN_SHA256".to_owned(), "0".repeat(64));
    project.of_pull_request("validate", "a").code(1);
    assert!(!project.bench.path("home/.local/bin/pushplan").exists());
}

#[test]
fn a_merge_queue_gets_the_status_that_it_waits_for() {
    let project = Project::new(Host::Github);
    project.job("queued", "group", &[]).code(0);
    assert_eq!(project.statuses("group")[0]["context"], "pushplan/plan");
}

#[test]
fn the_first_plan_of_a_commit_stands() {
    for host in HOSTS {
        let project = Project::new(host);
        project.add_people("('ann')");
        project.switch("a");
        project.write(
            "a",
            "postgres: { query: \"select id from people\", dsn: { env: SHOP_DB } }, account: id",
            "",
        );
        project.commit("Bring a campaign");
        project.plan("a").code(0);
        let (head, shown) = (project.tip("a"), project.comments("a"));
        let approved = project.statuses(&head);

        project.add_people("('bob')");
        let said = project.plan("a").code(1).stdout;
        assert!(
            said.contains("this commit was planned before, and its audience has changed since"),
            "{said}"
        );
        assert_eq!(project.comments("a"), shown, "what was approved is what is shown");
        assert_eq!(project.statuses(&head), approved);

        // A commit is approved anew.
        project.commit("Plan it again");
        project.plan("a").code(0);
        assert!(project.comments("a")[0].contains("1 run to 2 recipients"), "{:?}", project.comments("a"));
        // That the branch goes back to what was planned before is not for its comment to hide.
        let newest = project.tip("a");
        project.git("desk", &["reset", "--quiet", "--hard", &head]);
        project.plan("a").code(1);
        let comment = &project.comments("a")[0];
        assert!(comment.contains(&format!("No plan of {head}: see [the job]")), "{comment}");
        project.git("desk", &["reset", "--quiet", "--hard", &newest]);
        project.land("a");

        project.add_people("('cid')");
        let said = project.apply().code(7).stdout;
        assert!(said.contains("2 recipients then, 3 now"), "{said}");
        assert_eq!(project.pushed(), [""; 0]);
        project.values.borrow_mut().insert("vars.PUSHPLAN_TOLERANCE".to_owned(), "60%".to_owned());
        let tolerant = [project.production(), vec![("PUSHPLAN_TOLERANCE", "60%")]].concat();
        project.job("apply", &project.tip("main"), &tolerant).code(0);
        assert_eq!(project.pushed(), ["ann", "bob", "cid"]);
    }
}

#[test]
fn a_comment_does_not_show_the_plan_of_another_commit() {
    for host in HOSTS {
        let project = Project::new(host);
        project.propose("a");
        project.plan("a").code(0);
        project.write("a", "accounts: [a]", "mistake: true");
        project.commit("Make a mistake");
        project.of_pull_request("validate", "a").code(1);
        project.plan("a").code(1);
        let (head, comments) = (project.tip("a"), project.comments("a"));
        assert!(comments[0].contains(&format!("No plan of {head}: see [the job](https://")), "{comments:?}");
        assert_eq!(comments.len(), 1);

        // A plan that a gate refuses is shown, and is not up for approval.
        project.write("a", "accounts: [a], expect: { min: 2 }", "");
        project.commit("Mend it, and expect more");
        project.plan("a").code(6);
        let comments = project.comments("a");
        assert!(comments[0].contains("1 gate refuses"), "{comments:?}");
        assert_eq!(project.statuses(&project.tip("a")), [json!(null); 0]);
    }
}

#[test]
fn approvals_are_those_of_the_newest_plan_among_hundreds_of_statuses() {
    for host in HOSTS {
        let project = Project::new(host);
        project.propose("a");
        let head = project.tip("a");
        let noise = || (0..130).for_each(|i| project.add_status(&head, &format!("ci/{i}"), "passed"));
        noise();
        project.plan("a").code(0);
        noise();
        // A job that was cancelled midway, and one of an older pipeline that comes late.
        let wrong = format!("a@once:{0}:{0}:1", "0".repeat(32));
        project.add_status(&head, "pushplan/a@once", &wrong);
        project.add_status(&head, "pushplan/b@once", &wrong.replace('a', "b"));
        project.merge("a");
        let said = project.apply().code(0).stdout;
        assert!(!said.contains(&wrong), "{said}");
        assert_eq!(project.pushed(), ["a"]);
    }
}

#[test]
fn an_apply_that_was_never_run_is_made_up_for_by_the_next() {
    for host in HOSTS {
        let project = Project::new(host);
        project.bring_in("a");
        project.bring_in("b");
        project.apply().code(0);
        assert_eq!(project.pushed(), ["a", "b"]);
    }
}

#[test]
fn what_was_reverted_is_not_sent_by_a_job_that_is_run_late() {
    for host in HOSTS {
        let project = Project::new(host);
        project.bring_in("a");
        project.bring_in("b");
        let merged = project.tip("main");
        project.bench.write("desk/campaigns/b.yaml", "");
        std::fs::remove_file(project.bench.path("desk/campaigns/b.yaml")).unwrap();
        project.commit("Revert b");
        project.apply_at(&merged).code(0);
        assert_eq!(project.pushed(), ["a"]);
    }
}

#[test]
fn a_schedule_is_left_to_the_timer() {
    for host in HOSTS {
        let project = Project::new(host);
        project.bring_in("a");
        project.write(
            "timed",
            "accounts: [tim]",
            &format!("schedule: {{ at: \"{}\", expires_after: 1h }}", ago(60)),
        );
        project.commit("Be due since the review");
        let said = project.apply().code(0).stdout;
        assert!(said.contains("left alone; it is due; `pushplan apply --due` sends it"), "{said}");
        assert_eq!(project.pushed(), ["a"]);
        project.drift().code(1);
        let said = project.due().code(0).stdout;
        assert!(said.contains("1 planned = 1 accepted"), "{said}");
        assert_eq!(project.pushed(), ["a", "tim"]);
        assert!(project.bench.path("job/events.ndjson").is_file());
        project.due().code(0);
        project.drift().code(0);
    }
}

/// The timer's shell hands a cancelled job's signal on, and what another runner sends is not its failure.
#[test]
fn the_timer_hands_on_what_pushplan_says_and_what_it_is_told() {
    let project = Project::new(Host::Gitlab);
    let as_if = |program: &str| {
        std::fs::remove_file(project.bench.path("bin/pushplan")).unwrap();
        project.bench.write("bin/pushplan", &format!("#!/bin/sh\n{program}\n"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(project.bench.path("bin/pushplan"), mode).unwrap();
        project.due()
    };
    as_if("exit 8").code(0);
    as_if("exit 7").code(7);
    let told = "trap 'echo told; exit 4' TERM; sleep 1; kill -TERM $PPID; while :; do sleep 0.1; done";
    let said = as_if(told).code(4).stdout;
    assert!(said.contains("told"), "{said}");
}

#[test]
fn drift_is_red_where_something_was_missed() {
    for host in HOSTS {
        let project = Project::new(host);
        project.write(
            "timed",
            "accounts: [tim]",
            &format!("schedule: {{ at: \"{}\", expires_after: 1h }}", ago(7_200)),
        );
        project.commit("Be too late");
        let said = project.drift().code(1).stdout;
        assert!(said.contains("status: 0 ") && said.contains("plan: 2 "), "{said}");
        project.due().code(0);
        project.drift().code(0);
    }
}

#[test]
fn drift_is_red_where_a_run_waits_for_a_person() {
    let garbage = Faults { garbage: 1.0, ..Faults::default() };
    let doubtful = || Config { faults: garbage.clone(), ..Config::default() };
    let accounts: Vec<String> = (0..600).map(|i| format!("m{i}")).collect();
    let missing: HashSet<String> = accounts.iter().cloned().collect();
    for host in HOSTS {
        let project = Project::with(host, doubtful());
        project.bring_in("a");
        project.apply().code(5);
        let said = project.drift().code(1).stdout;
        assert!(said.contains("status: 5 ") && said.contains("plan: "), "{said}");

        let project = Project::with(host, Config { missing: missing.clone(), ..Config::default() });
        project.switch("a");
        project.write(
            "a",
            &format!("accounts: [{}]", accounts.join(", ")),
            "delivery: { max_failures: 1, in_flight: 1 }",
        );
        project.commit("Bring a campaign");
        project.land("a");
        project.apply().code(4);
        let said = project.drift().code(1).stdout;
        assert!(said.contains("status: 4 ") && said.contains("plan: "), "{said}");
    }
}
