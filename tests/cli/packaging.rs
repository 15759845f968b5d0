//! What packages hold is what the program itself would make.

use std::path::Path;
use std::process::Command;

use pushplan::timer::{self, Host};

fn packaging() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging")
}

/// The units that `systemd print` makes for the workspace of the package; only their first line is another, since
/// `systemd install` must not take them for its own.
#[test]
fn the_packages_units_are_those_of_systemd_print() {
    let host = Host {
        name: "pushplan".to_owned(),
        program: "/usr/bin/pushplan".to_owned(),
        workspace: "/srv/pushplan".to_owned(),
        options: Vec::new(),
        credentials: std::collections::BTreeSet::new(),
    };
    let mark = "# Of the package; `pushplan systemd install` writes units for other workspaces.";
    for unit in timer::every_minute(&host) {
        let path = packaging().join("systemd").join(&unit.name);
        let text = unit.text.replacen(timer::MARK, mark, 1);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(
            text,
            std::fs::read_to_string(&path).unwrap_or_default(),
            "{}: see tests/README.md",
            path.display()
        );
    }
}

#[test]
fn what_the_debian_package_takes_from_the_repository_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest: toml::Table = std::fs::read_to_string(root.join("Cargo.toml")).unwrap().parse().unwrap();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    let sources: Vec<&str> = assets.iter().map(|asset| asset[0].as_str().unwrap()).collect();
    assert!(sources.contains(&"packaging/systemd/*"));
    for source in sources.iter().filter(|source| !source.starts_with("target/")) {
        assert!(root.join(source.trim_end_matches("/*")).exists(), "{source}");
    }
    // The rest is made by the release script.
    let script = std::fs::read_to_string(packaging().join("release")).unwrap();
    assert!(script.contains("man \"$package/man\"") && script.contains("completions/pushplan.$shell"));
}

/// `build.rs` by itself, as cargo runs it for a release: in a repository of its own, in a folder of somebody else's, and
/// without git but with the commit given.
#[test]
fn a_release_names_its_commit_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let run = |program: &str, args: &[&str], at: &Path, commit: &str| {
        let mut command = Command::new(program);
        command.args(args).current_dir(at).env("PUSHPLAN_COMMIT", commit).env("PROFILE", "release");
        command.env("CARGO_MANIFEST_DIR", at).env("CARGO_PKG_VERSION", "0.1.0");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs");
    run("rustc", &["--edition", "2024", "-o", "build", script.to_str().unwrap()], folder.path(), "");
    let build = folder.path().join("build");
    let version = |at: &Path, commit: &str| {
        let said = run(build.to_str().unwrap(), &[], at, commit);
        said.lines()
            .find_map(|line| line.strip_prefix("cargo:rustc-env=PUSHPLAN_VERSION="))
            .unwrap()
            .to_owned()
    };
    let repository = folder.path().join("repository");
    let archive = repository.join("archive");
    std::fs::create_dir_all(&archive).unwrap();
    let git = |args: &[&str]| run("git", args, &repository, "");
    git(&["init", "--quiet"]);
    git(&["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--allow-empty", "-m", "a"]);
    let head = git(&["rev-parse", "HEAD"]);
    assert_eq!(version(&repository, ""), format!("0.1.0 ({})", &head[..12]));
    assert_eq!(version(&archive, ""), "0.1.0", "the commit of whoever unpacked it");
    assert_eq!(version(&archive, "1234567890abcdef"), "0.1.0 (1234567890ab)");
}
