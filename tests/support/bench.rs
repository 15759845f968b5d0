//! A workspace in a temporary folder, a sandbox that outlives the runner, and the real binary between them.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use pushplan::sandbox::{App, Config, Ledger, Sandbox};
use secrecy::SecretString;
use serde_json::Value;
use tempfile::TempDir;

use crate::place::Place;

/// The key of the test's app, as the runner finds it in its environment.
pub const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
const SDK_APP_ID: u64 = 1_400_000_000;

pub struct Bench {
    pub place: Place,
    folder: TempDir,
    pub sandbox: Option<Sandbox>,
}

/// What a command said, and its exit code.
pub struct Said {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Said {
    pub fn of(output: Output) -> Self {
        Self {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// Fails with all that was said where the exit code is another.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.stdout))
    }
}

impl Bench {
    /// A workspace whose app is a sandbox in this process, which counts what it carries out.
    pub fn with_sandbox(rate: &str, config: Config) -> Self {
        let app = App {
            sdk_app_id: SDK_APP_ID,
            identifier: "administrator".to_owned(),
            secret: SecretString::from(KEY),
        };
        let sandbox = Sandbox::start(Config { app: Some(app), ..config }).unwrap();
        let bench = Self::with_endpoint(rate, &sandbox.endpoint());
        Self { sandbox: Some(sandbox), ..bench }
    }

    /// A workspace whose app is somewhere else.
    pub fn with_endpoint(rate: &str, endpoint: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bench = Self { place: Place::new(folder.path()), folder, sandbox: None };
        bench.point_at(rate, endpoint);
        bench
    }

    /// Writes the workspace file: from now on the app is there.
    pub fn point_at(&self, rate: &str, endpoint: &str) -> &Self {
        self.write(
            "pushplan.yaml",
            &format!(
                "apps:\n  shop:\n    sdk_app_id: {SDK_APP_ID}\n    identifier: administrator\n    endpoint: {endpoint}\n    \
                 secret_key: {{ env: TEST_KEY }}\n    rate: {{ calls_per_second: {rate} }}\n{}",
                Place::YAML
            ),
        )
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// A campaign `c` to `accounts` accounts of a CSV file with columns id and city, the same message for a city.
    pub fn write_campaign(&self, accounts: usize, cities: usize, delivery: &str) -> &Self {
        let rows: String = (0..accounts).map(|i| format!("u{i},city{}\n", i % cities)).collect();
        self.write("campaigns/audience.csv", &format!("id,city\n{rows}"));
        self.write(
            "campaigns/c.yaml",
            &format!(
                "campaign: c\naudience: {{ csv: audience.csv, account: id }}\n\
                 message: {{ title: Hello, body: \"News from {{{{city}}}}\" }}\n\
                 delivery: {{ {delivery} }}\n"
            ),
        )
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pushplan"));
        command
            .current_dir(self.folder.path())
            .args(Place::ARGS)
            .args(args)
            .env("TEST_KEY", KEY)
            .env_remove("RUST_BACKTRACE");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Said {
        Said::of(self.command(args).output().unwrap())
    }

    pub fn apply(&self) -> Said {
        self.run(&["apply", "--auto-approve"])
    }

    /// Starts an apply and lets it run until the sandbox has carried out so many calls.
    pub fn apply_until(&self, carried_out: u64) -> Child {
        let mut child = self.command(&["apply", "--auto-approve"]).spawn().unwrap();
        let patience = Instant::now() + Duration::from_secs(30);
        while self.ledger().carried_out < carried_out {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "apply ended early: {ended:?}");
            assert!(Instant::now() < patience, "the sandbox never saw {carried_out} calls");
            std::thread::sleep(Duration::from_millis(1));
        }
        child
    }

    pub fn ledger(&self) -> Ledger {
        self.sandbox.as_ref().expect("this bench has a sandbox").ledger()
    }

    /// The recipients' numbers of the only run.
    pub fn recipients(&self) -> Recipients {
        let status = self.run(&["status", "--format", "json"]).code(0).json();
        let of = |key: &str| status["runs"][0]["recipients"][key].as_u64().unwrap();
        Recipients {
            planned: of("planned"),
            accepted: of("accepted"),
            failed: of("failed"),
            in_doubt: of("in_doubt"),
            skipped: of("skipped"),
            remaining: of("remaining"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipients {
    pub planned: u64,
    pub accepted: u64,
    pub failed: u64,
    pub in_doubt: u64,
    pub skipped: u64,
    pub remaining: u64,
}

impl Recipients {
    pub fn balances(&self) -> bool {
        self.planned == self.accepted + self.failed + self.in_doubt + self.skipped + self.remaining
    }
}

/// A process's end that no handler sees.
pub fn kill_9(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Sends a signal and waits for the end.
pub fn signal(child: Child, name: &str) -> Said {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    Said::of(child.wait_with_output().unwrap())
}
