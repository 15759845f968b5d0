//! The line for hosts without systemd: cron looks every minute.

use super::Host;

/// A crontab of one line. The workspace's folder is locked while a runner is sending, so that cron does not start a
/// second one, which could only say that the state is locked.
pub fn crontab(host: &Host) -> String {
    let mut words = vec!["flock", "--nonblock", "--conflict-exit-code", "0", &host.workspace];
    let command = host.command();
    words.extend(command.iter().map(String::as_str));
    let line = words.into_iter().map(quoted).collect::<Vec<_>>().join(" ");
    format!(
        "# What is due is sent within a minute. What goes wrong is on stderr, which cron mails to MAILTO.\n\
         * * * * * {line} >/dev/null\n"
    )
}

/// A word for the shell, on a line of a crontab (crontab(5)), where `%` ends the command.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./@+:,=".contains(c);
    let quoted = if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    };
    quoted.replace('%', r"\%")
}
