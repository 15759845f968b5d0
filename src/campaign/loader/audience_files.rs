//! Which files a name or a pattern of a campaign stands for, and whether they may be read.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::{Loader, tidy};
use crate::campaign::Absent;

const MISSING: &str = "missing-audience-file";
const OUTSIDE: &str = "outside-workspace";
const OUTSIDE_HELP: &str = "move it into the workspace, or allow files outside of it on the command line";
const PATTERN_HELP: &str = "patterns are relative to the campaign file; `*`, `?` and `[…]` match within a name, `**` matches folders";

/// What makes a name a pattern.
const PATTERN_SIGNS: [char; 3] = ['*', '?', '['];

impl Loader<'_> {
    /// The audience files that a name or a pattern stands for, sorted. A name that is a file's is no pattern,
    /// whatever signs it holds.
    pub(super) fn audience_files(&self, base: &Path, written: &str) -> Result<Vec<PathBuf>, Absent> {
        let path = base.join(written);
        if !written.contains(PATTERN_SIGNS) || path.is_file() {
            return self.audience_file(&path, "the file").map(|()| vec![path]);
        }
        let absent = |code, message, help| Absent { code, message, help: Some(help) };
        let fixed = Path::new(written).iter().take_while(|part| !is_pattern(part)).collect::<PathBuf>();
        if self.is_outside(&base.join(fixed)) {
            return Err(absent(OUTSIDE, "the pattern leads outside the workspace".to_owned(), OUTSIDE_HELP));
        }
        let pattern = match Path::new(written).is_absolute() {
            true => written.to_owned(),
            false => format!("{}/{written}", Pattern::escape(&base.to_string_lossy())),
        };
        let options = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: true,
        };
        let matches = glob::glob_with(&pattern, options)
            .map_err(|error| absent("bad-pattern", format!("`{written}`: {}", error.msg), PATTERN_HELP))?;
        let mut paths = Vec::new();
        for found in matches {
            let path = found.map_err(|error| Absent {
                code: "unreadable-file",
                message: format!("{} cannot be read: {}", self.shown(error.path()).display(), error.error()),
                help: None,
            })?;
            if !path.is_dir() {
                self.audience_file(&path, &self.shown(&tidy(&path)).display().to_string())?;
                paths.push(path);
            }
        }
        if paths.is_empty() {
            let shown = self.shown(&tidy(&path)).display().to_string();
            return Err(absent(MISSING, format!("no file matches {shown}"), PATTERN_HELP));
        }
        paths.sort();
        Ok(paths)
    }

    /// Is there such a file, and may it be read? `name` is what messages call it.
    fn audience_file(&self, path: &Path, name: &str) -> Result<(), Absent> {
        let absent = |code, message, help| Err(Absent { code, message, help });
        if self.is_outside(path) {
            let message = format!("{name} lies outside the workspace");
            return absent(OUTSIDE, message, Some(OUTSIDE_HELP));
        }
        let shown = self.shown(&tidy(path)).display().to_string();
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => Ok(()),
            Ok(_) => absent(MISSING, format!("{shown} is not a file"), None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let help = "paths are relative to the campaign file";
                absent(MISSING, format!("there is no file {shown}"), Some(help))
            }
            Err(error) => absent("unreadable-file", format!("{shown} cannot be read: {error}"), None),
        }
    }
}

fn is_pattern(part: &OsStr) -> bool {
    part.to_string_lossy().contains(PATTERN_SIGNS)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{WORKSPACE, folder, ids, told};
    use super::super::{load, tidy};
    use super::*;
    use crate::campaign::Source;

    fn with_csv(name: &str) -> String {
        format!("campaign: a\naudience: {{ csv: '{name}', account: id }}\nmessage: {{ body: x }}\n")
    }

    /// The names of the files that a campaign reads, or what was told.
    fn found(name: &str, files: &[(&str, &str)]) -> Vec<String> {
        let campaign = with_csv(name);
        let all = [files, &[("pushplan.yaml", WORKSPACE), ("campaigns/[x]/a.yaml", &campaign)]].concat();
        let (folder, options) = folder(&all);
        let loaded = load(&[PathBuf::from("campaigns")], &options);
        let Some(campaign) = loaded.campaigns.first() else { return told(&loaded) };
        let Source::Csv(files) = &campaign.audience.source else { panic!("{campaign:?}") };
        let relative =
            |path: &PathBuf| tidy(path).strip_prefix(folder.path()).expect("within").display().to_string();
        files.paths.iter().map(relative).collect()
    }

    #[test]
    fn a_pattern_stands_for_its_files_in_the_order_of_their_paths() {
        let files = [
            ("lists/2026-02.csv", ""),
            ("lists/2026-01.csv", ""),
            ("lists/2025-12.csv", ""),
            ("lists/.2026-03.csv", ""),
            ("lists/2026-04.csv/x", ""),
            ("lists/deep/2026-05.csv", ""),
        ];
        assert_eq!(found("../../lists/2026-*.csv", &files), ["lists/2026-01.csv", "lists/2026-02.csv"]);
        assert_eq!(found("../../lists/2026-0[2-9].csv", &files), ["lists/2026-02.csv"]);
        assert_eq!(
            found("../../lists/**/2026-0?.csv", &files),
            ["lists/2026-01.csv", "lists/2026-02.csv", "lists/deep/2026-05.csv"]
        );
        assert_eq!(found("../../lists/a[1].csv", &[("lists/a[1].csv", "")]), ["lists/a[1].csv"]);
    }

    #[cfg(unix)]
    #[test]
    fn every_file_that_a_pattern_matches_must_lie_in_the_workspace() {
        let (folder, mut options) = folder(&[
            ("pushplan.yaml", WORKSPACE),
            ("campaigns/a.yaml", &with_csv("lists/*.csv")),
            ("campaigns/lists/1.csv", ""),
        ]);
        let outside = tempfile::NamedTempFile::new().expect("a file");
        let link = folder.path().join("campaigns/lists/2.csv");
        std::os::unix::fs::symlink(outside.path(), link).expect("linked");
        assert_eq!(
            told(&load(&[], &options)),
            ["campaigns/a.yaml outside-workspace: campaigns/lists/2.csv lies outside the workspace"]
        );
        options.allow_outside = true;
        assert_eq!(ids(&load(&[], &options)), ["a"]);
    }
}
