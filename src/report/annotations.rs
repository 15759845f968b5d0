//! An author's mistakes as the code hosts show them, at their lines: workflow commands for GitHub, a code quality
//! report for GitLab, and SARIF for everything else.
//!
//! A source line is never quoted here: what a host shows, it takes from the repository itself.

use std::collections::HashMap;
use std::path::{Component, Path};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::diagnostics::severity;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};

/// The schema that [`sarif`] keeps to.
const SARIF_SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Workflow commands, a line each: a job that prints them has its mistakes shown in the pull request.
///
/// `base` is the folder that the mistakes' paths are relative to, seen from the root of the repository; the same below.
pub fn github(diagnostics: &Diagnostics, base: &Path) -> String {
    diagnostics.iter().map(|diagnostic| command(diagnostic, base)).collect()
}

fn command(diagnostic: &Diagnostic, base: &Path) -> String {
    let mut properties = format!("file={}", property(&path(diagnostic, base)));
    if let Some((line, column)) = diagnostic.line_column() {
        properties += &format!(",line={line},col={column}");
    }
    properties += &format!(",title={}", property(diagnostic.code));
    format!("::{} {properties}::{}\n", severity(diagnostic), data(&words(diagnostic)))
}

/// A command's text: it ends at a line's end unless that is escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A command's property: it ends at a comma or a colon too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A code quality report: the artifact `codequality` of a GitLab job.
///
/// A mistake of a whole file stands at its first line, for the report asks for one.
pub fn gitlab(diagnostics: &Diagnostics, base: &Path) -> Value {
    let mut fingerprints = Fingerprints::default();
    let entry = |diagnostic: &Diagnostic| {
        let path = path(diagnostic, base);
        json!({
            "description": words(diagnostic),
            "check_name": diagnostic.code,
            "fingerprint": fingerprints.next(diagnostic, &path),
            "severity": match diagnostic.severity {
                Severity::Error => "critical",
                Severity::Warning => "minor",
            },
            "location": { "path": path, "lines": { "begin": diagnostic.line_column().map_or(1, |(line, _)| line) } },
        })
    };
    diagnostics.iter().map(entry).collect()
}

/// SARIF 2.1.0, for code scanning and editors.
pub fn sarif(diagnostics: &Diagnostics, base: &Path) -> Value {
    let mut fingerprints = Fingerprints::default();
    let mut rules: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    rules.sort_unstable();
    rules.dedup();
    let result = |diagnostic: &Diagnostic| {
        let path = path(diagnostic, base);
        let mut location = json!({ "artifactLocation": { "uri": uri(&path) } });
        if let (Some(start), Some(end)) = (diagnostic.line_column(), diagnostic.end_line_column()) {
            location["region"] = json!({
                "startLine": start.0, "startColumn": start.1, "endLine": end.0, "endColumn": end.1,
            });
        }
        json!({
            "ruleId": diagnostic.code,
            "level": severity(diagnostic),
            "message": { "text": words(diagnostic) },
            "locations": [{ "physicalLocation": location }],
            "partialFingerprints": { "pushplan/v1": fingerprints.next(diagnostic, &path) },
        })
    };
    let results: Vec<Value> = diagnostics.iter().map(result).collect();
    let rules: Vec<Value> = rules.into_iter().map(|code| json!({ "id": code })).collect();
    json!({
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "pushplan", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// What is wrong, and what to do about it.
fn words(diagnostic: &Diagnostic) -> String {
    match &diagnostic.help {
        Some(help) => format!("{}\nhelp: {help}", diagnostic.message),
        None => diagnostic.message.clone(),
    }
}

/// The file, seen from the root of the repository.
fn path(diagnostic: &Diagnostic, base: &Path) -> String {
    let path = base.join(&diagnostic.path);
    let named = path.components().filter(|part| *part != Component::CurDir);
    named.collect::<std::path::PathBuf>().display().to_string()
}

/// A path as a URI reference (RFC 3986).
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let escaped: String = path
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    if escaped.starts_with('/') { format!("file://{escaped}") } else { escaped }
}

/// Names for mistakes that stay the same while lines move about, each given once.
#[derive(Default)]
struct Fingerprints(HashMap<Vec<u8>, usize>);

impl Fingerprints {
    fn next(&mut self, diagnostic: &Diagnostic, path: &str) -> String {
        let digest = |parts: &[&[u8]]| {
            let mut hash = Sha256::new();
            for part in parts {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
            hash.finalize().to_vec()
        };
        let same = digest(&[diagnostic.code.as_bytes(), path.as_bytes(), diagnostic.message.as_bytes()]);
        let before = self.0.entry(same.clone()).or_default();
        let name = digest(&[&same, &before.to_le_bytes()]);
        *before += 1;
        name[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{SourceFile, Span};

    fn at(start: usize, message: &str) -> Diagnostic {
        let source = SourceFile::new("a, b.yaml", "é: 1\nkey: value\n");
        Diagnostic::error("bad", &source, Span { start, len: 5 }, message)
    }

    #[test]
    fn a_text_cannot_end_a_command_or_begin_another() {
        let diagnostics = at(11, "100% wrong\n::error::forged").help("mend it").into();
        let shown = github(&diagnostics, Path::new("push: 1"));
        assert_eq!(
            shown,
            "::error file=push%3A 1/a%2C b.yaml,line=2,col=6,title=bad::100%25 wrong%0A::error::forged%0Ahelp: mend it\n"
        );
    }

    #[test]
    fn a_mistake_keeps_its_fingerprint_where_lines_move_and_shares_it_with_no_other() {
        let fingerprints = |diagnostics: &Diagnostics| -> Vec<Value> {
            let report = gitlab(diagnostics, Path::new(""));
            report.as_array().unwrap().iter().map(|entry| entry["fingerprint"].clone()).collect()
        };
        let mut twice: Diagnostics = at(0, "it is bad").into();
        twice.push(at(11, "it is bad"));
        twice.push(at(11, "it is worse"));
        let all = fingerprints(&twice);
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2], "{all:?}");
        assert_eq!(fingerprints(&at(11, "it is bad").into()), all[..1]);
    }

    #[test]
    fn a_path_is_a_uri_from_the_root_of_the_repository() {
        let report = sarif(&at(11, "it is bad").into(), Path::new("./push"));
        let location = &report["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(location["artifactLocation"]["uri"], "push/a%2C%20b.yaml");
    }
}
