//! Where text goes: results to stdout, everything else to stderr, failures in one place.

use std::io::{BufWriter, ErrorKind, IsTerminal, StdoutLock, Write};

use owo_colors::OwoColorize;

use super::Color;
use super::failure::Failure;
use crate::diagnostic::Diagnostics;
use crate::report;

/// Columns in which mistakes are written; the same everywhere, so that a log in CI reads like a terminal.
const MISTAKES_WIDTH: usize = 100;

/// Decides about colour once, for both streams. `auto` follows the terminal, `NO_COLOR` and `CLICOLOR`.
pub(super) fn choose_color(color: Color) {
    match color {
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// Does stderr take colour?
pub(super) fn stderr_has_color() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

/// Mistakes as stderr shows them.
pub(super) fn mistakes(diagnostics: &Diagnostics) -> String {
    report::diagnostics::text(diagnostics, stderr_has_color(), MISTAKES_WIDTH)
}

/// Is there a person to ask, on both ends?
pub(super) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Writes a result to stdout. A reader that has gone (`pushplan plan | head`) is not a failure.
///
/// # Errors
/// Where stdout cannot be written for another reason, such as a full disk.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Other(format!("cannot write the result to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// As [`print`], for a result that may be too large to be held.
///
/// # Errors
/// As [`print`], and what `write` fails with.
pub(super) fn stream(write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut stdout = Stdout { stream: BufWriter::new(std::io::stdout().lock()), reader_is_gone: false };
    let written = write(&mut stdout).and_then(|()| {
        stdout.flush().map_err(|error| Failure::Other(format!("cannot write the result to stdout: {error}")))
    });
    if stdout.reader_is_gone { Ok(()) } else { written }
}

/// A stdout that remembers whether its reader has gone.
struct Stdout {
    stream: BufWriter<StdoutLock<'static>>,
    reader_is_gone: bool,
}

impl Stdout {
    fn watch<T>(&mut self, done: std::io::Result<T>) -> std::io::Result<T> {
        done.inspect_err(|error| self.reader_is_gone |= error.kind() == ErrorKind::BrokenPipe)
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let done = self.stream.write(bytes);
        self.watch(done)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let done = self.stream.flush();
        self.watch(done)
    }
}

/// Writes what people should know to stderr.
pub(super) fn say(text: &str) {
    // Where even stderr is gone there is nobody left to tell.
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Prints why a command failed.
pub(super) fn failure(failure: &Failure) {
    match failure {
        Failure::Mistakes(diagnostics) => {
            say(mistakes(diagnostics).trim_end());
        }
        other => say(&format!("{} {other}", "error:".red().bold())),
    }
}

/// A prompt on stderr, answered on stdin: only `yes` is yes.
pub(super) fn confirm(question: &str) -> bool {
    let mut stderr = anstream::stderr();
    let asked = write!(stderr, "{question} Only `yes` sends: ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    asked.is_ok() && std::io::stdin().read_line(&mut answer).is_ok() && answer.trim() == "yes"
}
