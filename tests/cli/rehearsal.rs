//! The whole life of a campaign as a team lives it: a bare git repository, a state in PostgreSQL, jobs that each begin
//! with a fresh clone and keep nothing, and the sandbox in the vendor's place.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pushplan::sandbox::{Config, Faults};

use crate::bench::{Bench, KEY, Said, kill_9};
use crate::postgres::Server;

struct Team {
    bench: Bench,
    server: Arc<Server>,
    database: String,
}

impl Team {
    /// A workspace on branch `main` of a bare repository, and a person's clone of it.
    fn new() -> Self {
        let faults = Faults {
            latency_min: Duration::from_millis(20),
            latency_max: Duration::from_millis(60),
            ..Faults::default()
        };
        let bench = Bench::with_sandbox("unlimited", Config { faults, ..Config::default() });
        let server = Server::shared();
        let database = server.create_database();
        let team = Self { bench, server, database };
        team.git(".", &["init", "--quiet", "--bare", "--initial-branch=main", "origin.git"]);
        team.git(".", &["clone", "--quiet", "origin.git", "desk"]);
        let endpoint = team.bench.sandbox.as_ref().unwrap().endpoint();
        let workspace = format!(
            "apps:\n  shop:\n    sdk_app_id: 1400000000\n    identifier: administrator\n    endpoint: {endpoint}\n    \
             secret_key: {{ env: TEST_KEY }}\n    rate: {{ calls_per_second: unlimited }}\n\
             state: {{ postgres: {{ env: STATE_URL }} }}\ngates: {{ max_recipients: 20000, require: [owner] }}\n"
        );
        team.bench.write("desk/pushplan.yaml", &workspace);
        team
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bench.path(name)
    }

    fn git(&self, folder: &str, args: &[&str]) {
        let mut git = Command::new("git");
        for name in ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"] {
            git.env(name, "ann");
        }
        for name in ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"] {
            git.env(name, "ann@example.com");
        }
        let said = Said::of(git.args(args).current_dir(self.path(folder)).output().unwrap());
        assert_eq!(said.code, 0, "git {args:?}: {}", said.stderr);
    }

    /// Commits what lies on the desk, and pushes the branch.
    fn push(&self, branch: &str, what: &str) {
        self.git("desk", &["add", "--all"]);
        self.git("desk", &["commit", "--quiet", "--message", what]);
        self.git("desk", &["push", "--quiet", "origin", branch]);
    }

    fn write_campaign(&self, revision: u32, title: &str) {
        self.bench.write(
            "desk/campaigns/sale.yaml",
            &format!(
                "campaign: sale\nowner: growth\nrevision: {revision}\naudience: {{ csv: buyers.csv, account: id }}\n\
                 message: {{ title: \"{title}\", body: Until Sunday }}\ndelivery: {{ in_flight: 2 }}\n"
            ),
        );
    }

    fn write_audience(&self, name: &str, accounts: usize) {
        let rows: String = (0..accounts).map(|i| format!("{name}{i}\n")).collect();
        self.bench.write("desk/campaigns/buyers.csv", &format!("id\n{rows}"));
    }

    /// A command of a job, in a fresh clone of a branch. Only a job that sends has the key.
    fn job(&self, branch: &str, sends: bool, args: &[&str]) -> Command {
        let clone = self.path("job");
        if clone.exists() {
            std::fs::remove_dir_all(&clone).unwrap();
        }
        self.git(
            ".",
            &[
                "clone",
                "--quiet",
                "--depth=1",
                "--branch",
                branch,
                &file_url(&self.path("origin.git")),
                "job",
            ],
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_pushplan"));
        command
            .current_dir(clone)
            .args(args)
            .env("STATE_URL", self.server.dsn_of(&self.database))
            .env_remove("TEST_KEY")
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if sends {
            command.env("TEST_KEY", KEY);
        }
        command
    }

    fn run(&self, branch: &str, sends: bool, args: &[&str]) -> Said {
        Said::of(self.job(branch, sends, args).output().unwrap())
    }

    /// The pull request's job: the comment, and what there is to approve.
    fn review(&self, branch: &str) -> (String, String) {
        self.run(branch, false, &["validate"]).code(0);
        let plan =
            |format| self.run(branch, false, &["plan", "--allow-connections", "--format", format]).code(0);
        let approval = plan("json").json()["runs"][0]["approval"].as_str().unwrap().to_owned();
        (plan("markdown").stdout, approval)
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.server.drop_database(&self.database);
    }
}

fn file_url(path: &Path) -> String {
    format!("file://{}", path.display())
}

#[test]
fn from_the_branch_to_a_quiet_night() {
    let team = Team::new();
    let carried_out = || team.bench.ledger().carried_out;

    // Last year's campaign, merged and sent.
    team.write_audience("old", 400);
    team.write_campaign(1, "The sale starts");
    team.push("main", "Announce the sale");
    team.run("main", true, &["apply", "--auto-approve"]).code(0);
    assert_eq!(carried_out(), 1);

    // A branch changes the text and the audience; the comment shows both, and nobody's account.
    team.git("desk", &["checkout", "--quiet", "-b", "last-day"]);
    team.write_audience("u", 10_000);
    team.write_campaign(2, "The sale ends");
    team.push("last-day", "Remind of the last day");
    let (comment, first) = team.review("last-day");
    assert!(
        comment.contains("- message.title: The sale starts\n+ message.title: The sale ends\n"),
        "{comment}"
    );
    assert!(comment.contains("+9,600 recipients (+2400.0%)") && !comment.contains("u0:"), "{comment}");

    // The audience changes under review: what was seen first is no longer what would be sent.
    team.write_audience("u", 12_000);
    team.push("last-day", "Take everybody");
    let stale = team.run("last-day", true, &["apply", "--expect", &first]).code(7);
    assert!(stale.stderr.contains("10000 recipients then, 12000 now"), "{}", stale.stderr);
    let (comment, approved) = team.review("last-day");
    assert!(comment.contains(&approved), "{comment}");
    assert_eq!(carried_out(), 1, "a review sends nothing");

    // The merge. Before the job runs, the night's export adds some buyers: less than the team lets pass.
    team.git("desk", &["checkout", "--quiet", "main"]);
    team.git("desk", &["merge", "--quiet", "--no-ff", "--message", "Merge last-day", "last-day"]);
    team.write_audience("u", 12_060);
    team.push("main", "Export of the night");
    let deploy = ["apply", "--expect", &approved, "--audience-tolerance", "1%"];

    // The runner dies midway, and its disk with it.
    let mut runner = team.job("main", true, &deploy).spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while carried_out() < 6 {
        assert!(runner.try_wait().unwrap().is_none() && Instant::now() < patience, "nothing was sent");
        std::thread::sleep(Duration::from_millis(1));
    }
    kill_9(runner);

    // The job is run again: it goes on, and leaves to a person what nobody can know.
    team.run("main", true, &deploy).code(5);
    let resolve = ["resolve", "sale@r2", "--assume-sent", "--reason", "seen in the console"];
    team.run("main", false, &resolve).code(0);
    let ledger = team.bench.ledger();
    let pushes = ledger.pushes();
    assert!(pushes.values().all(|count| *count == 1), "nobody twice");
    assert!(
        pushes.len() > 400 + 12_060 - 3 * 500,
        "only what was in flight may be missing: {}",
        pushes.len()
    );

    // Once more: nothing to do. And the nightly look finds that everything is as it was merged.
    let before = carried_out();
    let again = team.run("main", true, &deploy).code(0);
    let sum = "total: 12060 planned = 12060 accepted + 0 failed + 0 in doubt + 0 skipped + 0 remaining";
    assert_eq!(again.stdout.lines().last(), Some(sum));
    team.run("main", false, &["plan", "--allow-connections", "--detailed-exitcode"]).code(0);
    assert_eq!(carried_out(), before);
    team.run("main", false, &["state", "verify"]).code(0);
}
