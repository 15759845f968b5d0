//! Holds the licence of every crate of `Cargo.lock` to the allow-list of `deny.toml`, the one list there is.
//! Crates for other platforms and for tests count too: the lock file is what a user builds from.

use std::process::Command;

use serde_json::Value;
use spdx::{Expression, ParseMode};

fn allowed() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml");
    let deny: toml::Table = std::fs::read_to_string(path).expect("readable").parse().expect("TOML");
    let list = deny["licenses"]["allow"].as_array().expect("a list");
    list.iter().map(|licence| licence.as_str().expect("a text").to_owned()).collect()
}

/// Name, version and licence of every crate.
fn crates() -> Vec<(String, Option<String>)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("a list");
    let text = |package: &Value, key: &str| package[key].as_str().map(str::to_owned);
    packages
        .iter()
        .map(|package| {
            let name = format!("{} {}", package["name"], package["version"]).replace('"', "");
            (name, text(package, "license"))
        })
        .collect()
}

/// The licence's expression can be met with what is allowed; `Err` says what is wrong with it.
fn check(licence: Option<&str>, allowed: &[String]) -> Result<(), String> {
    let licence = licence.ok_or("names no licence")?;
    // Lax: old crates write `MIT/Apache-2.0`.
    let expression =
        Expression::parse_mode(licence, ParseMode::LAX).map_err(|error| format!("`{licence}`: {error}"))?;
    match expression.evaluate(|one| allowed.contains(&one.to_string())) {
        true => Ok(()),
        false => Err(format!("`{licence}` is not allowed by deny.toml")),
    }
}

#[test]
fn every_dependency_has_a_licence_that_deny_toml_allows() {
    let (crates, allowed) = (crates(), allowed());
    assert!(crates.len() > 100, "the lock file holds more crates than {}", crates.len());
    let wrong: Vec<String> = crates
        .iter()
        .filter_map(|(name, licence)| Some(format!("{name}: {}", check(licence.as_deref(), &allowed).err()?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_expression_passes_where_a_choice_of_it_does() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned()];
    for (licence, passes) in [
        ("MIT OR GPL-3.0-only", true),
        ("MIT/Unlicense", true),
        ("MIT AND ISC", true),
        ("MIT AND GPL-3.0-only", false),
        ("MIT WITH LLVM-exception", false),
        ("ours", false),
    ] {
        assert_eq!(check(Some(licence), &allowed).is_ok(), passes, "{licence}");
    }
    assert!(check(None, &allowed).is_err());
}
