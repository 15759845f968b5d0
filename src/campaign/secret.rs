//! Secrets that were written into a file, where git would keep them for ever.
//!
//! They are reported without being shown: neither the line nor any message about the file quotes them.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics, SourceFile, Span};

/// The vendor's keys are 64 hex digits; half of that is still no word, and no id that people write.
const HEX_DIGITS_MIN: usize = 32;

/// What looks like a key in a text: 32 or more hex digits, letters and digits mixed, not part of an
/// address (where it would be a checksum); and the password of an address.
pub fn suspects(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut start = 0;
    for word in text.split_inclusive(|c: char| c.is_whitespace() || "\"'`,[]{}()".contains(c)) {
        if word.contains("://") {
            spans.extend(password(word).map(|(at, len)| Span { start: start + at, len }));
        } else {
            spans.extend(hex_runs(word).map(|(at, len)| Span { start: start + at, len }));
        }
        start += word.len();
    }
    spans
}

fn hex_runs(word: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    word.split_inclusive(|c: char| !c.is_alphanumeric()).filter_map(move |piece| {
        let start = at;
        at += piece.len();
        let run = piece.trim_end_matches(|c: char| !c.is_alphanumeric());
        let hex = run.len() >= HEX_DIGITS_MIN
            && run.bytes().all(|byte| byte.is_ascii_hexdigit())
            && run.bytes().any(|byte| byte.is_ascii_digit())
            && run.bytes().any(|byte| byte.is_ascii_alphabetic());
        hex.then_some((start, run.len()))
    })
}

/// The password of `scheme://user:password@host`.
fn password(word: &str) -> Option<(usize, usize)> {
    let start = word.find("://")? + "://".len();
    let host_end = word[start..].find(['/', '?']).map_or(word.len(), |end| start + end);
    let end = start + word[start..host_end].rfind('@')?;
    let start = start + word[start..end].find(':')? + 1;
    (start < end).then_some((start, end - start))
}

/// Values written right after `secret_key:`, `dsn:` and `postgres:`, for a file that does not parse and so has no places.
pub fn written_keys(text: &str) -> Vec<Span> {
    let keys = ["secret_key", "dsn", "postgres"].into_iter().flat_map(|key| text.match_indices(key));
    keys.filter_map(|(at, key)| {
        let start = at + key.len();
        let line = text[start..].lines().next().unwrap_or_default();
        let value = line.trim_start_matches(['"', '\'', ' ']).strip_prefix(':')?.trim();
        let len = line.trim_end().len();
        // `postgres://…` is an address; its password is found as that.
        let holds_one = !value.is_empty() && !value.starts_with(['{', '#']) && !value.starts_with("//");
        holds_one.then_some(Span { start, len })
    })
    .collect()
}

/// Adds an error for each secret, and takes care that no other mistake of the file shows it.
pub fn conceal(source: &Arc<SourceFile>, mut secrets: Vec<Span>, mistakes: Diagnostics) -> Diagnostics {
    secrets.sort();
    secrets.dedup_by(|later, earlier| overlap(*later, *earlier));
    if secrets.is_empty() {
        return mistakes;
    }
    let mut diagnostics = Diagnostics::new();
    for mut mistake in mistakes {
        let at_secret = mistake
            .place
            .as_ref()
            .is_some_and(|(_, span)| secrets.iter().any(|secret| overlap(*span, *secret)));
        // A mistake at the secret itself ends with it, and its message may quote a part of it.
        if at_secret {
            continue;
        }
        for secret in &secrets {
            let text = &source.text[secret.start..secret.start + secret.len];
            mistake.message = mistake.message.replace(text, "…");
            mistake.help = mistake.help.map(|help| help.replace(text, "…"));
        }
        mistake.hide_source = true;
        diagnostics.push(mistake);
    }
    for secret in secrets {
        let mut diagnostic =
            Diagnostic::error("secret-in-file", source, secret, "a secret is written into the file").help(
                "write `{ env: NAME }` (or file, or credential) in its place and keep the secret there; \
                 if it was ever committed, replace it",
            );
        diagnostic.hide_source = true;
        diagnostics.push(diagnostic);
    }
    diagnostics
}

fn overlap(a: Span, b: Span) -> bool {
    a.start < b.start + b.len.max(1) && b.start < a.start + a.len.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

    #[test]
    fn a_key_is_found_wherever_it_is_written() {
        for text in [
            format!("secret_key: {KEY}"),
            format!("# old key: {KEY}\napps:"),
            format!("a: \"{KEY}\""),
            format!("a: [x, {KEY}]"),
            format!("key={KEY};"),
            format!("a: {}", &KEY[..32]),
        ] {
            let found = suspects(&text);
            assert_eq!(found.len(), 1, "{text}");
            assert!(KEY.starts_with(&text[found[0].start..][..found[0].len]), "{text}");
        }
    }

    #[test]
    fn the_password_of_an_address_is_found() {
        for (text, secret) in [
            ("dsn: postgresql://me:s3cret@db/shop", "s3cret"),
            ("# was postgres://me:p@ss@db:5432?x=y", "p@ss"),
            ("command: [psql, \"postgres://me:hush@db\"]", "hush"),
        ] {
            let found: Vec<&str> =
                suspects(text).into_iter().map(|span| &text[span.start..][..span.len]).collect();
            assert_eq!(found, [secret], "{text}");
        }
        assert_eq!(suspects("a: https://me@host/a:b@c http://host:80/x"), []);
    }

    #[test]
    fn what_only_resembles_a_key_is_let_be() {
        for text in [
            "image: https://cdn.example.com/d41d8cd98f00b204e9800998ecf8427e.png",
            "id: 550e8400-e29b-41d4-a716-446655440000",
            "n: 12345678901234567890123456789012",
            "w: abcdefabcdefabcdefabcdefabcdefab",
            "s: 5bd2850fff3ecb11",
        ] {
            assert_eq!(suspects(text), [], "{text}");
        }
    }

    #[test]
    fn no_message_of_the_file_quotes_the_secret() {
        let source = SourceFile::new("pushplan.yaml", format!("a: {KEY}\nb: 1\n"));
        let mut mistakes = Diagnostics::new();
        mistakes.push(Diagnostic::error("x", &source, Span { start: 3, len: 4 }, "it starts with 5bd2"));
        mistakes.push(Diagnostic::error("y", &source, Span { start: 70, len: 1 }, format!("not {KEY}")));
        let shown: Vec<_> = conceal(&source, suspects(&source.text), mistakes).into_iter().collect();
        assert_eq!(shown.iter().map(|d| d.code).collect::<Vec<_>>(), ["y", "secret-in-file"]);
        assert!(shown.iter().all(|d| d.hide_source && !d.message.contains(KEY)));
    }
}
