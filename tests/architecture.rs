//! Holds the `use crate::` lines to the order of modules, and the pure modules free of I/O, clocks and
//! randomness. Read from the source as text: what a reader sees is what is tested.

use std::path::{Path, PathBuf};

/// Each module with the modules it may use. What is not listed here fails the test, so that a new module has to
/// find its place first.
const MAY_USE: &[(&str, &[&str])] = &[
    ("diagnostic", &[]),
    ("outcome", &[]),
    ("spill", &[]),
    ("timpush", &["outcome"]),
    ("campaign", &["diagnostic", "timpush::wire"]),
    ("secret", &["campaign"]),
    ("postgres", &["campaign", "secret"]),
    ("audience", &["diagnostic", "spill", "campaign", "secret", "postgres"]),
    ("message", &["diagnostic", "campaign", "audience"]),
    ("plan", &["diagnostic", "spill", "campaign", "audience", "message"]),
    ("prepare", &["diagnostic", "campaign", "audience", "message", "plan"]),
    ("state", &["diagnostic", "outcome", "spill", "campaign", "postgres", "plan"]),
    ("executor", &["outcome", "campaign", "state"]),
    ("apply", &["outcome", "campaign", "plan", "state", "executor", "timpush"]),
    ("sandbox", &["outcome", "timpush"]),
    (
        "report",
        &[
            "diagnostic",
            "outcome",
            "campaign",
            "audience",
            "plan",
            "prepare",
            "state",
            "executor",
            "apply",
            "timpush",
            "sandbox",
        ],
    ),
    (
        "command",
        &[
            "diagnostic",
            "outcome",
            "campaign",
            "secret",
            "audience",
            "message",
            "plan",
            "prepare",
            "state",
            "executor",
            "apply",
            "sandbox",
            "timpush",
            "report",
        ],
    ),
];

/// Decide only: time and randomness are arguments.
const PURE: &[&str] = &["campaign", "message", "plan", "outcome", "executor", "diagnostic"];

/// The one part of a pure module that meets the file system.
const SHELL: &[&str] = &["campaign/loader"];

const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "rand::",
    "getrandom",
    "RandomState",
    "thread::spawn",
];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.strip_prefix(&root).unwrap().to_owned(), text)
        })
        .collect()
}

/// The code of a file without its unit tests and comments.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn module_of(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn dependencies_point_one_way() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let module = module_of(&path);
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{module} has no place in the order of modules"));
            continue;
        };
        for piece in code(&text).split("crate::").skip(1) {
            let used: String =
                piece.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect();
            let top = used.split("::").next().unwrap_or_default();
            let fits = top == module
                || allowed.iter().any(|may| used == *may || used.starts_with(&format!("{may}::")));
            if !fits {
                wrong.push(format!("{} uses crate::{used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "against the order of modules:\n{}", wrong.join("\n"));
}

#[test]
fn pure_modules_meet_no_world() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let shell = SHELL.iter().any(|shell| path.starts_with(shell));
        if !PURE.contains(&module_of(&path).as_str()) || shell {
            continue;
        }
        for word in IMPURE.iter().filter(|word| code(&text).contains(**word)) {
            wrong.push(format!("{} mentions {word}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "in modules that only decide:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{} does not open with what it is for", path.display());
    }
}
