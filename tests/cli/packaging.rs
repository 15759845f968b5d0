//! What packages hold is what the program itself would make.

use std::path::Path;

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
