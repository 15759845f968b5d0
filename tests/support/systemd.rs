//! The real `systemd-analyze`: found, or installed from Debian's packages. No systemd has to run.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Runs it; gives whether it succeeded, and all it said.
pub fn analyze(args: &[&str]) -> (bool, String) {
    static FOUND: OnceLock<()> = OnceLock::new();
    FOUND.get_or_init(provide);
    let output =
        Command::new("systemd-analyze").args(args).env("TZ", "UTC").env("LC_ALL", "C").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// The next instants of a calendar expression after `base`.
pub fn elapses(expression: &str, base: Timestamp, iterations: usize) -> Vec<Timestamp> {
    let base = base.strftime("--base-time=%Y-%m-%d %H:%M:%S UTC").to_string();
    let (ok, said) = analyze(&["calendar", &base, &format!("--iterations={iterations}"), expression]);
    assert!(ok, "{expression}: {said}");
    let lines = said.lines().filter_map(|line| line.trim().split_once(": "));
    let instants = lines.filter(|(label, _)| *label == "Next elapse" || label.starts_with("Iter. #"));
    instants
        .filter(|(_, value)| *value != "never")
        .map(|(_, value)| {
            let local = value.strip_suffix(" UTC").and_then(|value| value.split_once(' ')).expect(value).1;
            let local = DateTime::strptime("%Y-%m-%d %H:%M:%S", local).expect(value);
            TimeZone::UTC.to_timestamp(local).unwrap()
        })
        .collect()
}

fn provide() {
    if Command::new("systemd-analyze").arg("--version").output().is_ok() {
        return;
    }
    let is_root =
        std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(Path::new("/proc/self")).unwrap()) == 0;
    assert!(is_root, "these tests need systemd-analyze: apt-get install systemd tzdata");
    for args in [&["update"][..], &["install", "--yes", "--no-install-recommends", "systemd", "tzdata"]] {
        let output =
            Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
