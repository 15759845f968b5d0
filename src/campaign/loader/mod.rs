//! Finds the workspace and its campaign files, reads and checks them; the only part of `campaign` that
//! touches the file system.
//!
//! It reads `pushplan.yaml` and campaign files. Of audience files it asks only which there are. It runs nothing, opens no connection and resolves no secret: a campaign file in a pull request is not
//! trusted.

mod audience_files;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::file::{self, Checked};
use super::spec::{Campaign, Draft};
use super::workspace::{CAMPAIGNS, FILE_NAME, Workspace};
use crate::diagnostic::{Diagnostic, Diagnostics};

/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// How to load.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// What relative paths are relative to, and what paths are shown relative to. Absolute.
    pub current_dir: PathBuf,
    /// Lets campaigns name files outside the workspace.
    pub allow_outside: bool,
}

/// What was loaded, and all mistakes of all files.
#[derive(Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// The workspace; `None` where it is missing or has mistakes.
    pub workspace: Option<Workspace>,
    /// The campaigns without mistakes, in the order of their files.
    pub campaigns: Vec<Campaign>,
    /// What can be held against the audience, of every file, with mistakes or without.
    pub drafts: Vec<Draft>,
    /// All mistakes, in the order of files and places.
    pub diagnostics: Diagnostics,
}

/// Loads campaign files and folders of them (`*.yaml`, `*.yml`, recursively), or the workspace's own
/// folders where `paths` is empty or names the workspace's root or file.
///
/// The workspace is that of the first path: `pushplan.yaml` in its folder, or the nearest one above.
pub fn load(paths: &[PathBuf], options: &LoadOptions) -> Loaded {
    let mut loader = Loader { options, root: None, drafts: Vec::new(), diagnostics: Diagnostics::new() };
    let paths: Vec<PathBuf> = paths.iter().map(|path| tidy(&options.current_dir.join(path))).collect();
    let start = paths.first().unwrap_or(&options.current_dir);
    let workspace = loader.workspace(start);
    let mut files = Vec::new();
    if paths.is_empty() {
        loader.campaign_folders(workspace.as_ref(), &mut files);
    }
    for path in &paths {
        if path.join(FILE_NAME).is_file() || path.file_name() == Some(OsStr::new(FILE_NAME)) {
            loader.campaign_folders(workspace.as_ref(), &mut files);
        } else {
            loader.collect(path, &mut files);
        }
    }
    files.sort();
    files.dedup();
    let campaigns = loader.campaigns(&files, workspace.as_ref());
    // Without a workspace its folders are not known, and that was told already.
    if files.is_empty() && !loader.diagnostics.has_errors() {
        let searched =
            paths.first().or(workspace.as_ref().and_then(|w| w.campaigns.first())).unwrap_or(start);
        loader.diagnostics.push(
            Diagnostic::file_error("no-campaigns", loader.shown(searched), "no campaign file was found here")
                .help("a campaign is a file that ends in .yaml or .yml"),
        );
    }
    loader.diagnostics.sort();
    Loaded { workspace, campaigns, drafts: loader.drafts, diagnostics: loader.diagnostics }
}

/// The workspace and its campaign files, of which none is read; `None` where that cannot be told without a mistake.
pub fn list(options: &LoadOptions) -> Option<(Workspace, Vec<PathBuf>)> {
    let mut loader = Loader { options, root: None, drafts: Vec::new(), diagnostics: Diagnostics::new() };
    let workspace = loader.workspace(&options.current_dir)?;
    let mut files = Vec::new();
    loader.campaign_folders(Some(&workspace), &mut files);
    files.sort();
    files.dedup();
    (!loader.diagnostics.has_errors()).then_some((workspace, files))
}

/// Loads the workspace alone: for commands that must work while a campaign file is broken.
///
/// # Errors
/// All mistakes of `pushplan.yaml`.
pub fn load_workspace(options: &LoadOptions) -> Result<Workspace, Diagnostics> {
    let mut loader = Loader { options, root: None, drafts: Vec::new(), diagnostics: Diagnostics::new() };
    loader.workspace(&options.current_dir).ok_or(loader.diagnostics)
}

struct Loader<'a> {
    options: &'a LoadOptions,
    /// The folder that holds the workspace file.
    root: Option<PathBuf>,
    drafts: Vec<Draft>,
    diagnostics: Diagnostics,
}

impl Loader<'_> {
    fn workspace(&mut self, start: &Path) -> Option<Workspace> {
        let Some(root) = start.ancestors().find(|folder| folder.join(FILE_NAME).is_file()) else {
            let message = format!("no `{FILE_NAME}` in this folder or above it");
            self.diagnostics.push(
                Diagnostic::file_error("no-workspace", self.shown(start), message)
                    .help("it names the apps and the state; write one in the folder that holds `campaigns`"),
            );
            return None;
        };
        self.root = Some(root.to_owned());
        let path = root.join(FILE_NAME);
        let bytes = self.read(&path)?;
        let (workspace, diagnostics) = file::read_workspace(&self.shown(&path), bytes, root);
        self.diagnostics.append(diagnostics);
        workspace
    }

    /// The workspace's folders; the default one of a workspace whose file has mistakes, so that those of
    /// the campaigns are told as well.
    fn campaign_folders(&mut self, workspace: Option<&Workspace>, files: &mut Vec<PathBuf>) {
        let default = self.root.iter().map(|root| root.join(CAMPAIGNS)).filter(|folder| folder.is_dir());
        let folders = workspace.map_or_else(|| default.collect(), |workspace| workspace.campaigns.clone());
        for folder in folders {
            if self.is_outside(&folder) {
                let message = "the folder lies outside the workspace";
                let shown = self.shown(&folder);
                self.diagnostics.push(Diagnostic::file_error("outside-workspace", shown, message));
            } else {
                self.collect(&folder, files);
            }
        }
    }

    /// A file as it is named; a folder's YAML files. Hidden ones, workspace files and links to folders
    /// (which may form loops) are passed over.
    fn collect(&mut self, path: &Path, files: &mut Vec<PathBuf>) {
        let entries = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>)
            }
            Ok(_) => return files.push(path.to_owned()),
            Err(error) => Err(error),
        };
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(path, &error),
        };
        for entry in entries {
            let path = entry.path();
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") || name == FILE_NAME {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.collect(&path, files),
                Ok(_) if !is_yaml(&path) => {}
                Ok(kind) if kind.is_symlink() && self.is_outside(&path) => {
                    let message = "the link leads outside the workspace";
                    self.diagnostics.push(Diagnostic::file_error(
                        "outside-workspace",
                        self.shown(&path),
                        message,
                    ));
                }
                Ok(_) => files.push(path),
                Err(error) => self.unreadable(&path, &error),
            }
        }
    }

    fn campaigns(&mut self, files: &[PathBuf], workspace: Option<&Workspace>) -> Vec<Campaign> {
        let mut campaigns = Vec::new();
        let mut ids: BTreeMap<String, String> = BTreeMap::new();
        for path in files {
            let Some(bytes) = self.read(path) else { continue };
            let base = path.parent().unwrap_or(path);
            let find = |written: &str| self.audience_files(base, written);
            let Checked { mut campaign, draft, document, id, diagnostics } =
                file::read_campaign(&self.shown(path), bytes, base, &find, workspace);
            let hide = diagnostics.iter().any(|diagnostic| diagnostic.hide_source);
            self.diagnostics.append(diagnostics);
            if let (Some(id), Some(document)) = (id, document) {
                let place = document.at_value("/campaign", "duplicate-campaign", "");
                let line = place.line_column().map_or(0, |(line, _)| line);
                let here = format!("{}:{line}", place.path.display());
                if let Some(first) = ids.get(&id) {
                    let message = format!("the campaign id `{id}` is taken; {first} has it too");
                    let mut taken = document
                        .at_value("/campaign", "duplicate-campaign", message)
                        .help("give each campaign an id of its own: it is what tells one run from another");
                    taken.hide_source = hide;
                    self.diagnostics.push(taken);
                    campaign = None;
                } else {
                    ids.insert(id, here);
                }
            }
            self.drafts.extend(draft);
            campaigns.extend(campaign);
        }
        campaigns
    }

    /// Does the path leave the workspace by `..`, as an absolute path or through a link?
    fn is_outside(&self, path: &Path) -> bool {
        let root = self.root.as_ref().filter(|_| !self.options.allow_outside);
        let Some(root) = root.and_then(|root| fs::canonicalize(root).ok()) else { return false };
        // The nearest folder that exists decides for a file that does not.
        let path = tidy(path);
        let real = path.ancestors().find_map(|ancestor| {
            let rest = path.strip_prefix(ancestor).ok()?;
            Some(fs::canonicalize(ancestor).ok()?.join(rest))
        });
        !real.is_some_and(|real| real.starts_with(&root))
    }

    fn read(&mut self, path: &Path) -> Option<Vec<u8>> {
        let bytes = fs::metadata(path).and_then(|metadata| {
            // Reading a pipe or a device may never end.
            if !metadata.is_file() {
                return Err(io::Error::other("it is not a file"));
            }
            if metadata.len() > FILE_BYTES_MAX {
                return Err(io::Error::other("it is larger than 16 MiB; keep accounts in a CSV file"));
            }
            fs::read(path)
        });
        bytes.map_err(|error| self.unreadable(path, &error)).ok()
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let shown = self.shown(path);
        self.diagnostics.push(match error.kind() {
            io::ErrorKind::NotFound => {
                Diagnostic::file_error("missing-file", shown, "there is no such file or folder")
            }
            _ => {
                Diagnostic::file_error("unreadable-file", shown, format!("the file cannot be read: {error}"))
            }
        });
    }

    /// The path as the user knows it.
    fn shown(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.options.current_dir) {
            Ok(relative) if relative.as_os_str().is_empty() => PathBuf::from("."),
            Ok(relative) => relative.to_owned(),
            Err(_) => path.to_owned(),
        }
    }
}

fn is_yaml(path: &Path) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|ending| ending == "yaml" || ending == "yml")
}

/// Without `.` and `..`, decided by the names alone.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                tidy.pop();
            }
            other => tidy.push(other),
        }
    }
    tidy
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const WORKSPACE: &str = "apps:\n  demo:\n    sandbox: true\n";

    fn campaign(id: &str) -> String {
        format!("campaign: {id}\naudience: {{ accounts: [alice] }}\nmessage: {{ body: Hello }}\n")
    }

    /// A folder with these files, and how to load from it.
    pub(super) fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, LoadOptions) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("created");
            fs::write(path, text).expect("written");
        }
        let options = LoadOptions { current_dir: folder.path().to_owned(), allow_outside: false };
        (folder, options)
    }

    pub(super) fn told(loaded: &Loaded) -> Vec<String> {
        let line = |d: &Diagnostic| format!("{} {}: {}", d.path.display(), d.code, d.message);
        loaded.diagnostics.iter().map(line).collect()
    }

    pub(super) fn ids(loaded: &Loaded) -> Vec<&str> {
        loaded.campaigns.iter().map(|campaign| campaign.id.as_str()).collect()
    }

    #[test]
    fn the_workspace_is_found_above_and_its_folders_are_searched() {
        let (folder, mut options) = folder(&[
            ("pushplan.yaml", WORKSPACE),
            ("campaigns/b.yml", &campaign("b")),
            ("campaigns/deep/a.yaml", &campaign("a")),
            ("campaigns/.hidden.yaml", "x"),
            ("campaigns/notes.txt", "x"),
        ]);
        options.current_dir = folder.path().join("campaigns/deep");
        let loaded = load(&[], &options);
        assert_eq!(told(&loaded), Vec::<String>::new());
        assert_eq!(ids(&loaded), ["b", "a"]);
        assert_eq!(loaded.workspace.expect("found").root, folder.path());
    }

    #[test]
    fn the_root_stands_for_its_campaign_folders_and_a_file_for_itself() {
        let (_folder, options) = folder(&[
            ("pushplan.yaml", WORKSPACE),
            ("campaigns/a.yaml", &campaign("a")),
            ("other/b.yaml", &campaign("b")),
        ]);
        assert_eq!(ids(&load(&[PathBuf::from(".")], &options)), ["a"]);
        assert_eq!(ids(&load(&[PathBuf::from("pushplan.yaml")], &options)), ["a"]);
        assert_eq!(ids(&load(&[PathBuf::from("other/b.yaml")], &options)), ["b"]);
        assert_eq!(ids(&load(&[PathBuf::from("other"), PathBuf::from("other/b.yaml")], &options)), ["b"]);
    }

    #[test]
    fn an_id_that_is_taken_names_both_places() {
        let (_folder, options) = folder(&[
            ("pushplan.yaml", WORKSPACE),
            ("campaigns/a.yaml", &campaign("same")),
            ("campaigns/b.yaml", &format!("# first line\n{}", campaign("same"))),
        ]);
        let loaded = load(&[], &options);
        assert_eq!(
            told(&loaded),
            [
                "campaigns/b.yaml duplicate-campaign: the campaign id `same` is taken; campaigns/a.yaml:1 has it too"
            ]
        );
        assert_eq!(ids(&loaded), ["same"]);
    }

    #[test]
    fn mistakes_of_all_files_are_told_at_once() {
        let (_folder, options) = folder(&[
            ("pushplan.yaml", "apps:\n  demo:\n    sandbx: true\n"),
            ("campaigns/a.yaml", "campaign: a\nmessage: { boddy: x }\n"),
            ("campaigns/b.yaml", "campaign: [\n"),
        ]);
        let loaded = load(&[PathBuf::from("."), PathBuf::from("none.yaml")], &options);
        let codes: Vec<_> =
            loaded.diagnostics.iter().map(|d| (d.path.display().to_string(), d.code)).collect();
        for expected in [
            ("pushplan.yaml", "unknown-key"),
            ("campaigns/a.yaml", "unknown-key"),
            ("campaigns/a.yaml", "missing-key"),
            ("campaigns/b.yaml", "yaml-syntax"),
            ("none.yaml", "missing-file"),
        ] {
            assert!(
                codes.iter().any(|(path, code)| (path.as_str(), *code) == expected),
                "{expected:?} in {codes:?}"
            );
        }
        assert!(loaded.workspace.is_none() && loaded.campaigns.is_empty());
    }

    #[test]
    fn nothing_found_is_told() {
        let (_folder, options) = folder(&[("pushplan.yaml", WORKSPACE), ("campaigns/readme.md", "")]);
        assert_eq!(told(&load(&[], &options)), ["campaigns no-campaigns: no campaign file was found here"]);
        let (_folder, options) = self::folder(&[("a.txt", "")]);
        assert_eq!(load(&[], &options).diagnostics.iter().next().map(|d| d.code), Some("no-workspace"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_workspace_is_refused_unless_allowed() {
        let audience = "campaign: a\naudience: { csv: list.csv, account: id }\nmessage: { body: x }\n";
        let (folder, mut options) = folder(&[("pushplan.yaml", WORKSPACE), ("campaigns/a.yaml", audience)]);
        let outside = tempfile::NamedTempFile::new().expect("a file");
        std::os::unix::fs::symlink(outside.path(), folder.path().join("campaigns/list.csv")).expect("linked");
        let refused = load(&[], &options);
        assert_eq!(
            told(&refused),
            ["campaigns/a.yaml outside-workspace: the file lies outside the workspace"]
        );
        options.allow_outside = true;
        assert_eq!(ids(&load(&[], &options)), ["a"]);
    }

    #[test]
    fn only_what_the_file_says_counts_for_its_digest() {
        let read = |text: &str| {
            let (_folder, options) = folder(&[("pushplan.yaml", WORKSPACE), ("campaigns/a.yaml", text)]);
            let mut loaded = load(&[], &options);
            assert_eq!(told(&loaded), [""; 0]);
            loaded.campaigns.remove(0)
        };
        let digest = |text: &str| read(text).content_digest();
        let base = digest(&campaign("a"));
        let reordered = "# a comment\nmessage:\n  body: 'Hello'\nowner: me\ndescription: x\napp: demo\n\
                         campaign: a\naudience:\n  accounts:\n    - alice\n";
        assert_eq!(digest(reordered), base);
        assert_ne!(digest(&campaign("a").replace("Hello", "Hello!")), base);
        assert_ne!(digest(&format!("{}from: other\n", campaign("a"))), base);
        let json = std::sync::Arc::clone(read(reordered).content_json());
        assert_eq!(&json, read(&campaign("a")).content_json());
        assert!(json.contains("\"body\":\"Hello\"") && !json.contains("alice"), "{json}");
    }
}
