//! Tables of `docs/faults.md`, written from what was observed: a table that no longer tells the truth fails.
//!
//! After a wanted change: `UPDATE_GOLDEN=1 cargo test --test faults`, and read the difference.

use std::path::PathBuf;
use std::sync::Mutex;

/// Compares the rows that follow this heading with those of the page, or writes them there.
#[track_caller]
pub fn check(heading: &str, rows: &[String]) {
    // Two tests write the same page.
    static PAGE: Mutex<()> = Mutex::new(());
    let _one_at_a_time = PAGE.lock();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let at = page.find(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no heading '{heading}'"));
    let rule = at + page[at..].find("\n|-").expect("a table under the heading") + 1;
    let start = rule + page[rule..].find('\n').unwrap() + 1;
    let end = start
        + page[start..]
            .split_inclusive('\n')
            .take_while(|line| line.starts_with('|'))
            .map(str::len)
            .sum::<usize>();
    let observed: String = rows.iter().map(|row| format!("{row}\n")).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{}{observed}{}", &page[..start], &page[end..])).unwrap();
        return;
    }
    assert_eq!(
        &page[start..end],
        observed,
        "docs/faults.md no longer tells what happens: see tests/README.md"
    );
}
