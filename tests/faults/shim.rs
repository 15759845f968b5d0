//! Runs the unmodified binary with `shim.c` between it and the C library.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::bench::{Bench, Said};

/// What is to happen at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// `kill -9` before it.
    Kill,
    /// Half of its bytes are written, then `kill -9`.
    Tear,
    /// It fails with this errno, once.
    Fail(i32),
    /// It and every later one fails with this errno.
    FailFromThen(i32),
}

/// How an apply went of which one step went wrong.
pub struct Ran {
    pub said: Said,
    /// Every step that was taken, as `7 w pwrite64 state.db-wal`.
    pub steps: Vec<String>,
}

/// Runs `apply` and lets the step of this number among `kinds` (see `shim.c`) go wrong. Number 0 lets all go well.
pub fn apply(bench: &Bench, kinds: &str, number: usize, act: Act) -> Ran {
    let log = bench.path("steps.log");
    let _ = std::fs::remove_file(&log);
    let mut command = bench.command(&["apply", "--auto-approve"]);
    let action = match act {
        Act::Kill => "kill".to_owned(),
        Act::Tear => "half".to_owned(),
        Act::Fail(errno) | Act::FailFromThen(errno) => errno.to_string(),
    };
    command.env("LD_PRELOAD", library()).env("FAULT_STEPS", kinds).env("FAULT_LOG", &log);
    command.env("FAULT_AT", number.to_string()).env("FAULT_DO", action);
    if matches!(act, Act::FailFromThen(_)) {
        command.env("FAULT_LASTING", "1");
    }
    let said = Said::of(command.output().unwrap());
    let steps: Vec<String> =
        std::fs::read_to_string(&log).unwrap_or_default().lines().map(str::to_owned).collect();
    assert!(!steps.is_empty(), "the shim was not loaded: is the binary linked statically?");
    Ran { said, steps }
}

/// Lets the command find no host by its name: nothing is asked of a name server.
pub fn without_names(command: &mut Command) -> &mut Command {
    command.env("LD_PRELOAD", library()).env("FAULT_DNS", "1")
}

/// The shim, built once a process. The C compiler is the one that SQLite was built with.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shim.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shim-{}.so", std::process::id()));
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .stderr(Stdio::inherit())
            .status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "these tests need `cc`, as the build itself does"
        );
        library
    })
}
