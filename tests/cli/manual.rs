//! What a package ships beside the program: completions, manual pages, the version.

use std::process::{Command, Stdio};

use crate::bench::{Bench, Said};

fn bench() -> Bench {
    Bench::with_endpoint("30", "http://127.0.0.1:9")
}

/// Has a program read a text; `None` where it is not installed.
fn read_by(program: &str, args: &[&str], text: &str) -> Option<Said> {
    use std::io::Write;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    Some(Said::of(child.wait_with_output().unwrap()))
}

#[test]
fn every_shell_gets_its_completions_and_bash_completes_with_them() {
    let bench = bench();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = bench.run(&["completions", shell]).code(0).stdout;
        assert!(script.contains("auto-approve"), "{shell} knows no --auto-approve");
    }
    let script = bench.run(&["completions", "bash"]).code(0).stdout;
    let ask = "\nCOMP_WORDS=(pushplan val); COMP_CWORD=1; _pushplan pushplan val pushplan\necho \"${COMPREPLY[*]}\"\n";
    let said = read_by("bash", &["--norc"], &(script + ask)).expect("bash").code(0);
    assert_eq!(said.stdout.trim(), "validate", "{}", said.stderr);
}

#[test]
fn every_command_has_its_manual_page() {
    let bench = bench();
    let page = bench.run(&["man"]).code(0).stdout;
    assert!(page.contains("another runner holds the lock"), "the exit codes are missing:\n{page}");
    bench.run(&["man", "made/man1"]).code(0);
    for command in ["pushplan", "pushplan-apply", "pushplan-state-push", "pushplan-systemd-install"] {
        let page = std::fs::read_to_string(bench.path(&format!("made/man1/{command}.1"))).unwrap();
        // groff warns of what it cannot read; where it is not installed, the page is at least there.
        if let Some(said) = read_by("groff", &["-man", "-Tutf8", "-ww"], &page) {
            assert_eq!(said.stderr, "", "{command}");
        }
    }
}

#[test]
fn the_version_is_one_line_that_begins_with_the_crates() {
    let said = bench().run(&["--version"]).code(0).stdout;
    assert!(said.starts_with(concat!("pushplan ", env!("CARGO_PKG_VERSION"))), "{said}");
    assert_eq!(said.lines().count(), 1);
}

/// A bare image has no certificates, and a sandbox needs none.
#[test]
fn no_certificate_is_needed_on_loopback() {
    let bench = Bench::with_sandbox("unlimited", pushplan::sandbox::Config::default());
    bench.write_campaign(3, 1, "");
    let mut apply = bench.command(&["apply", "--auto-approve"]);
    apply.env("SSL_CERT_FILE", bench.path("none.pem")).env("SSL_CERT_DIR", bench.path("none"));
    Said::of(apply.output().unwrap()).code(0);
}
