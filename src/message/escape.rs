//! Escaping text into JSON strings, as deep as strings stand inside strings.

use std::fmt::Write;

/// Appends `text` as it stands inside `depth` nested JSON strings; at depth 0 as it is.
///
/// The same bytes `serde_json` writes, without the quotes.
pub(super) fn escape_into(out: &mut String, text: &str, depth: u8) {
    match depth {
        0 => out.push_str(text),
        1 => escape_once(out, text),
        _ => {
            let mut inner = String::with_capacity(text.len() + 8);
            escape_once(&mut inner, text);
            escape_into(out, &inner, depth - 1);
        }
    }
}

fn escape_once(out: &mut String, text: &str) {
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[written..at]);
        written = at + 1;
        if short.is_empty() {
            write!(out, "\\u{byte:04x}").expect("writing to a String cannot fail");
        } else {
            out.push_str(short);
        }
    }
    out.push_str(&text[written..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::escape_into;

    proptest! {
        #[test]
        fn escapes_as_serde_json_does(text in any::<String>(), control in "[\\x00-\\x1f\"\\\\]{0,8}") {
            let text = format!("{text}{control}");
            let mut once = String::new();
            escape_into(&mut once, &text, 1);
            let quoted = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(format!("\"{once}\""), &quoted[..]);

            let mut twice = String::new();
            escape_into(&mut twice, &text, 2);
            let inner = &quoted[1..quoted.len() - 1];
            prop_assert_eq!(format!("\"{twice}\""), serde_json::to_string(inner).unwrap());
        }
    }
}
