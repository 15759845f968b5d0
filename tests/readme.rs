//! Follows the README as a reader would, so that it cannot go stale: in a copy of the sample workspace, with the
//! binary of this build, block by block in the order of the page.
//!
//! - A block whose first line names its file (`# trial/pushplan.yaml`) is written there.
//! - `console` blocks are run: a line `$ command` is a command, the lines below it are what it says, on stdout and
//!   stderr. `…` stands for anything left out: within a line for any text, alone for any lines.
//! - `console in the background` is started, and ended with the test.
//! - `cargo run --` is the binary of this build, for the test has built it already.
//! - `console by hand` is for people: it needs a terminal, an account of the vendor, or the right moment.
//!
//! Tables that repeat what the code knows are held to the code.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use pushplan::message::helpers::HELPERS;
use tempfile::TempDir;

/// The port that the README uses; the test takes a free one instead.
const PORT: &str = "7788";

fn readme() -> String {
    fs::read_to_string(repository().join("README.md")).expect("readable")
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A fenced block: what stands behind the backticks, and its lines.
struct Block {
    info: String,
    text: String,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let text = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n"));
            blocks.push(Block { info: info.to_owned(), text: text.collect() });
        }
    }
    blocks
}

/// The commands of a console block, each with what it is to say.
fn commands(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut commands: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => commands.push((command, Vec::new())),
            None => commands.last_mut().expect("a block begins with a command").1.push(line),
        }
    }
    commands
}

/// A copy of what a fresh clone has, and the processes started in it.
struct Clone {
    folder: TempDir,
    background: Vec<Child>,
}

impl Clone {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        copy(&repository().join("campaigns"), &folder.path().join("campaigns"));
        fs::copy(repository().join("pushplan.yaml"), folder.path().join("pushplan.yaml")).expect("copied");
        Self { folder, background: Vec::new() }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// A shell in the workspace in which `pushplan` is this build's, and both streams are one.
    fn shell(&self, command: &str) -> Command {
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_pushplan"));
        let mut path = binary.parent().expect("a folder").as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec 2>&1\n{command}")]).current_dir(self.folder.path());
        shell.env("PATH", path).env("TRIAL_KEY", "any text").env_remove("RUST_LOG").stdin(Stdio::null());
        shell
    }

    fn run(&self, command: &str) -> String {
        let command = command.replace("cargo run -- ", "pushplan ");
        let output = self.shell(&command).output().expect("a shell");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Starts a command and waits for its first line, by which it is ready.
    fn start(&mut self, command: &str) -> String {
        let mut shell = self.shell(&format!("exec {command}"));
        let mut child = shell.stdout(Stdio::piped()).spawn().expect("a shell");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        output.read_line(&mut line).expect("text");
        // Whoever goes on talking must find somebody who listens.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        self.background.push(child);
        line
    }
}

impl Drop for Clone {
    fn drop(&mut self) {
        for child in &mut self.background {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("created");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("readable");
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).expect("copied")),
        }
    }
}

/// Do the lines say what the page shows?
fn fits(shown: &[&str], said: &[&str]) -> bool {
    match shown {
        [] => said.is_empty(),
        [line, rest @ ..] if line.trim() == "…" => {
            (0..=said.len()).any(|skipped| fits(rest, &said[skipped..]))
        }
        [line, rest @ ..] => {
            said.split_first().is_some_and(|(first, said)| line_fits(line, first) && fits(rest, said))
        }
    }
}

fn line_fits(shown: &str, said: &str) -> bool {
    let mut parts = shown.trim_end().split('…');
    let Some(mut rest) = said.trim_end().strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.is_empty()
}

fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port().to_string()
}

#[test]
fn the_tour_says_what_the_page_shows() {
    let readme = readme().replace(PORT, &free_port());
    let mut clone = Clone::new();
    let mut ran = 0;
    for Block { info, text } in blocks(&readme) {
        let file =
            text.lines().next().and_then(|line| line.strip_prefix("# ")).filter(|name| name.contains('/'));
        match (info.as_str(), file) {
            ("yaml", Some(name)) => clone.write(name, &text),
            ("console" | "console in the background", _) => {
                for (command, shown) in commands(&text) {
                    let said = match info.as_str() {
                        "console" => clone.run(command),
                        _ => clone.start(command),
                    };
                    let lines: Vec<&str> = said.lines().collect();
                    assert!(
                        fits(&shown, &lines),
                        "$ {command}\nthe page shows:\n{}\nit says:\n{said}",
                        shown.join("\n")
                    );
                    ran += 1;
                }
            }
            _ => {}
        }
    }
    assert!(ran > 10, "the tour has more commands than {ran}");
}

#[test]
fn the_helpers_are_those_of_the_code() {
    let cell = |text: &str| text.replace('|', "\\|");
    let rows: Vec<String> = HELPERS
        .iter()
        .map(|h| format!("| `{}` | {} | `{}` | {} |", h.name, cell(h.about), cell(h.example), cell(h.result)))
        .collect();
    let (readme, table) = (readme(), rows.join("\n"));
    assert!(readme.contains(&table), "the table of helpers in README.md must hold\n\n{table}\n");
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let help = Clone::new().run("pushplan --help");
    let (_, table) = help.split_once("Exit codes:\n").expect("the help ends with the exit codes");
    let readme = readme();
    for line in table.lines() {
        let (code, meaning) = line.trim().split_once("  ").expect("a code and what it means");
        let row = format!("| {code} | {} |", meaning.trim());
        assert!(readme.contains(&row), "the table of exit codes in README.md must hold\n{row}");
    }
}

#[test]
fn an_ellipsis_stands_for_anything() {
    assert!(fits(&["a", "…", "c … e"], &["a", "b", "b", "c d e"]));
    assert!(fits(&["a … c … e…"], &["a b c d e"]));
    assert!(!fits(&["a", "…", "c"], &["a", "b"]));
    assert!(!fits(&["a"], &["a", "b"]));
    assert!(!fits(&["a … c"], &["a b"]));
}
