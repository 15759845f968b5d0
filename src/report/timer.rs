//! Views of the units for systemd.

use std::path::Path;

use crate::timer::{Host, Unit};

/// All units, each under its file's name.
pub fn units(units: &[Unit]) -> String {
    units.iter().map(|Unit { name, text }| format!("# {name}\n{text}\n")).collect()
}

/// What was written, and what to do now.
pub fn installed(dir: &Path, host: &Host, units: &[Unit], removed: &[String]) -> String {
    let mut text: String =
        units.iter().map(|unit| format!("wrote {}\n", dir.join(&unit.name).display())).collect();
    text += &removed.iter().map(|name| format!("removed {}\n", dir.join(name).display())).collect::<String>();
    let Host { name, .. } = host;
    if !host.credentials.is_empty() {
        text += "\nKeys, one a file, for root alone:\n";
        text += &format!("  install -d -m 700 /etc/{name}\n");
        for credential in &host.credentials {
            text +=
                &format!("  install -m 600 /dev/stdin /etc/{name}/{credential}   # paste it, then Ctrl-D\n");
        }
    }
    text += "\nStart them:\n  systemctl daemon-reload\n";
    let stopped = timers(removed.iter());
    if !stopped.is_empty() {
        text += &format!("  systemctl stop {}\n", stopped.join(" "));
    }
    text + &format!("  systemctl enable --now {}\n", timers(units.iter().map(|unit| &unit.name)).join(" "))
}

fn timers<'n>(names: impl Iterator<Item = &'n String>) -> Vec<&'n str> {
    names.filter(|name| name.strip_suffix(".timer").is_some()).map(String::as_str).collect()
}
