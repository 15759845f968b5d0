//! Tells the program which commit it is built from: `PUSHPLAN_VERSION` is `0.1.0 (1a2b3c4d5e6f)`, or the bare version
//! where there is none to be had.
//!
//! The same commit gives the same program: nothing of the machine or the hour goes in. Development builds do not ask,
//! for each commit would have them built anew; whoever builds from an archive without git sets `PUSHPLAN_COMMIT`.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=PUSHPLAN_COMMIT");
    let version = std::env::var("CARGO_PKG_VERSION").expect("cargo sets it");
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let given = std::env::var("PUSHPLAN_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(|| is_release.then(head).flatten());
    let version = match commit {
        Some(commit) => format!("{version} ({})", commit.chars().take(12).collect::<String>()),
        None => version,
    };
    println!("cargo:rustc-env=PUSHPLAN_VERSION={version}");
}

/// The commit that is checked out, where these sources are a repository of their own.
fn head() -> Option<String> {
    let root = git(&["rev-parse", "--show-toplevel"])?;
    let sources = std::env::var("CARGO_MANIFEST_DIR").ok()?;
    // Somebody else's repository may lie around an unpacked archive.
    if Path::new(&root).canonicalize().ok()? != Path::new(&sources).canonicalize().ok()? {
        return None;
    }
    // What changes with a checkout and with a commit. A path that is not there would count as changed each time.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", "logs/HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "HEAD"])
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
