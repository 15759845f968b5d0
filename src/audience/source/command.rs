//! The output of a program, streamed. Its end is the program's end: where that is not a good one, there is no
//! audience, because what was written until then may be a part of it.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command as Process, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::Error;
use super::file::{Input, Named, Origin};
use crate::campaign::Command;

/// What is quoted of a program's standard error: its last lines, each cut.
const LAST_WORDS_LINES: usize = 8;
const LAST_WORDS_LINE_BYTES: u64 = 400;

/// How long the end of standard error is waited for once the program has ended: something that it started may
/// hold it open for ever.
const LAST_WORDS_PATIENCE: Duration = Duration::from_secs(2);

/// Starts a program. Nothing of it is quoted but its name: arguments may hold what others must not see.
pub(super) fn run(command: &Command) -> Result<Input, Error> {
    let failed = |reason: String| Error::Program { program: command.program.clone(), reason };
    // A path is the campaign file's, whatever folder this process runs in.
    let program = match command.program.contains('/') {
        true => command.folder.join(&command.program),
        false => command.program.clone().into(),
    };
    let mut child = Process::new(program)
        .args(&command.args)
        .current_dir(&command.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("cannot be run: {error}")))?;
    let stdout = child.stdout.take().expect("it is piped");
    let stderr = child.stderr.take().expect("it is piped");
    let (told, last_words) = channel();
    std::thread::spawn(move || {
        // Nobody listens where reading has failed otherwise.
        let _ = told.send(self::last_words(stderr));
    });
    let name = format!("the output of {}", command.program);
    let named = Named { name, origin: Origin::Program(command.program.clone()) };
    Ok((named, Box::new(Output { child, stdout, last_words, last_byte: b'\n' })))
}

/// A running program's standard output. Dropping it kills the program.
struct Output {
    child: Child,
    stdout: ChildStdout,
    last_words: Receiver<String>,
    last_byte: u8,
}

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stdout.read(buffer)?;
        if let Some(last) = buffer[..count].last() {
            self.last_byte = *last;
        } else if !buffer.is_empty() {
            self.end()?;
        }
        Ok(count)
    }
}

impl Output {
    /// There is no more output: did it end well?
    fn end(&mut self) -> io::Result<()> {
        let status = self.child.wait()?;
        let reason = if !status.success() {
            format!("ended with {status}, so nothing of its output is used")
        } else if self.last_byte != b'\n' {
            "ended well, but its output stops within a line: it was cut, or its last line needs an end"
                .to_owned()
        } else {
            return Ok(());
        };
        let last_words = self.last_words.recv_timeout(LAST_WORDS_PATIENCE).unwrap_or_default();
        let said = if last_words.is_empty() { String::new() } else { format!("; it said:{last_words}") };
        Err(io::Error::other(reason + &said))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a program's standard error to its end, so that it never waits to write there, and keeps the last of it:
/// each line indented on a line of its own, without what would steer a terminal.
fn last_words(stderr: impl Read) -> String {
    let mut stderr = BufReader::new(stderr);
    let mut lines = VecDeque::new();
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match stderr.by_ref().take(LAST_WORDS_LINE_BYTES).read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        if !bytes.ends_with(b"\n") && stderr.skip_until(b'\n').is_err() {
            break;
        }
        let line: String = String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control()).collect();
        if !line.trim().is_empty() {
            lines.push_back(line);
        }
        if lines.len() > LAST_WORDS_LINES {
            lines.pop_front();
        }
    }
    lines.into_iter().map(|line| format!("\n  {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audience::{Access, Audience, Error, Keep, read, tests};
    use crate::campaign::{AudienceSpec, Exclusion, Format, Source};

    fn shell(script: &str, format: Format, folder: &std::path::Path) -> Source {
        let args = ["-c".to_owned(), script.to_owned()].to_vec();
        Source::Command(Command { program: "sh".to_owned(), args, format, folder: folder.to_owned() })
    }

    fn spec(source: Source) -> AudienceSpec {
        AudienceSpec { max_bad_rows: 1.0, ..tests::spec(source) }
    }

    fn read_output(script: &str, format: Format) -> Result<Audience, Error> {
        let folder = tempfile::tempdir().unwrap();
        read(&spec(shell(script, format, folder.path())), &[], Access::Programs, Keep(None), &|_| {})
    }

    #[test]
    fn the_output_is_the_audience() {
        let csv =
            read_output("echo id,city; echo u1,Paris; echo talk >&2; echo u2,Rome", Format::Csv).unwrap();
        assert_eq!(csv.accounts(), ["u1", "u2"]);
        assert_eq!(csv.list()[0].place.to_string(), "the output of sh:2");
        let jsonl = read_output(r#"echo '{"id":"u1"}'; echo '{"id":7}'"#, Format::Jsonl).unwrap();
        assert_eq!(jsonl.accounts(), ["u1", "7"]);
        let none = read_output("cat", Format::Jsonl).unwrap();
        assert!(none.is_empty(), "standard input is empty");
    }

    #[test]
    fn it_runs_in_the_folder_of_the_campaign_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("list.csv"), "id\nu1\n").unwrap();
        let list = shell("cat list.csv", Format::Csv, folder.path());
        assert_eq!(read(&spec(list), &[], Access::Programs, Keep(None), &|_| {}).unwrap().len(), 1);
    }

    /// A query that fails after a million rows has written a million rows.
    #[test]
    fn the_output_of_a_program_that_fails_is_no_short_audience() {
        let rows = "echo id; seq 1 20000";
        for (end, reason) in [
            ("exit 3", "`sh` ended with exit status: 3, so nothing of its output is used"),
            ("kill -9 $$", "`sh` ended with signal: 9 (SIGKILL), so nothing of its output is used"),
            ("printf 12", "`sh` ended well, but its output stops within a line"),
        ] {
            let error = read_output(&format!("{rows}; {end}"), Format::Csv).unwrap_err().to_string();
            assert!(error.starts_with(reason), "{error}");
        }
        let error = read_output("exit 1", Format::Csv).unwrap_err().to_string();
        assert!(error.contains("exit status: 1"), "not the missing header: {error}");
        let error = read_output(r#"echo '{"id":1}'; exit 1"#, Format::Jsonl).unwrap_err().to_string();
        assert!(error.contains("exit status: 1"), "{error}");
    }

    #[test]
    fn the_last_it_said_is_quoted_and_bounded() {
        let script = r"seq 1 100000 >&2; printf '%09999d\n' 0 >&2; printf 'no \033[31mtable\n' >&2; exit 1";
        let error = read_output(script, Format::Csv).unwrap_err().to_string();
        assert!(error.ends_with("\n  no [31mtable"), "{error}");
        assert!(error.contains("\n  100000\n") && !error.contains("\n  99990\n"), "{error}");
        assert!(error.len() < 2000, "{}", error.len());
    }

    #[test]
    fn a_program_that_is_not_there_is_named_without_its_arguments() {
        let command = Command {
            program: "no-such-program".to_owned(),
            args: vec!["--password=hush".to_owned()],
            format: Format::Csv,
            folder: std::env::temp_dir(),
        };
        let error =
            read(&spec(Source::Command(command)), &[], Access::Programs, Keep(None), &|_| {}).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("`no-such-program` cannot be run: No such file"), "{text}");
        assert!(!format!("{text}{error:?}").contains("hush"));
    }

    #[test]
    fn the_program_ends_when_reading_fails() {
        let folder = tempfile::tempdir().unwrap();
        let forever = shell("echo $$ > pid; echo user; exec sleep 1000", Format::Csv, folder.path());
        let error = read(&spec(forever), &[], Access::Programs, Keep(None), &|_| {}).unwrap_err();
        assert!(matches!(error, Error::NoColumn { .. }), "{error}");
        let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
        assert!(!std::path::Path::new("/proc").join(pid.trim()).exists(), "it still runs");
    }

    #[test]
    fn nothing_runs_where_it_is_not_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let script = shell("touch ran; echo id; echo u1", Format::Csv, folder.path());
        let mut list = spec(Source::Accounts(vec!["u1".to_owned()]));
        list.account = "account".to_owned();
        list.exclude = vec![Exclusion { source: script.clone(), account: "id".to_owned(), filter: None }];
        for (spec, access) in [(spec(script), Access::Connections), (list.clone(), Access::Files)] {
            let error = read(&spec, &[], access, Keep(None), &|_| {}).unwrap_err();
            assert!(error.to_string().contains("--allow-commands"), "{error}");
        }
        assert!(!folder.path().join("ran").exists());
        assert_eq!(read(&list, &[], Access::Programs, Keep(None), &|_| {}).unwrap().stats().excluded, 1);
    }
}
