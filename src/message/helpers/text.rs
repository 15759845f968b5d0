//! Helpers on text.

use serde_json::Value as Json;
use unicode_segmentation::UnicodeSegmentation;

use super::call::{Args, Given};
use crate::message::render::Fault;

pub(super) fn upper(args: &Args<'_, '_>) -> Result<Json, Fault> {
    Ok(args.text(0)?.to_uppercase().into())
}

pub(super) fn lower(args: &Args<'_, '_>) -> Result<Json, Fault> {
    Ok(args.text(0)?.to_lowercase().into())
}

/// Counts grapheme clusters, so that no flag, family or accented letter is cut in two.
pub(super) fn truncate(args: &Args<'_, '_>) -> Result<Json, Fault> {
    let text = args.text(0)?;
    let (length, end) = truncate_options(args).map_err(|message| args.refuse(1, message))?;
    if text.graphemes(true).nth(length).is_none() {
        return Ok(text.into());
    }
    let kept = length - end.graphemes(true).count();
    let cut = text.grapheme_indices(true).nth(kept).map_or(text.len(), |(at, _)| at);
    Ok(format!("{}{end}", text[..cut].trim_end()).into())
}

pub(super) fn check_truncate(given: &dyn Given) -> Result<(), String> {
    truncate_options(given).map(drop)
}

/// The most characters and the ending, which must fit into them.
fn truncate_options<G: Given + ?Sized>(given: &G) -> Result<(usize, &str), String> {
    let length = match given.param(1) {
        None => usize::MAX,
        Some(length) => length
            .as_u64()
            .filter(|length| *length > 0)
            .and_then(|length| usize::try_from(length).ok())
            .ok_or("the length must be a whole number from 1")?,
    };
    let end = given.text_option("end", "…")?;
    if end.graphemes(true).count() > length {
        return Err("the ending is longer than the whole text may be".into());
    }
    Ok((length, end))
}

#[cfg(test)]
mod tests {
    use crate::message::template::tests::{mistakes, render};

    #[test]
    fn truncate_counts_what_a_reader_counts() {
        let row = r#"{"t":"👨‍👩‍👧é🇫🇷xyz"}"#;
        assert_eq!(render("{{truncate t 3 end=\"\"}}", row).unwrap(), "👨‍👩‍👧é🇫🇷");
        assert_eq!(render("{{truncate t 6}}", row).unwrap(), "👨‍👩‍👧é🇫🇷xyz");
    }

    #[test]
    fn truncate_leaves_no_space_before_the_ending() {
        assert_eq!(render("{{truncate t 6}}", r#"{"t":"Hello world"}"#).unwrap(), "Hello…");
        assert_eq!(render("{{truncate t 7}}", r#"{"t":"Hello world"}"#).unwrap(), "Hello…");
    }

    #[test]
    fn truncate_refuses_a_length_that_is_none() {
        for template in
            ["{{truncate t 0}}", "{{truncate t -1}}", "{{truncate t 2.5}}", "{{truncate t \"5\"}}"]
        {
            assert_eq!(
                mistakes(template),
                ["truncate: the length must be a whole number from 1"],
                "{template}"
            );
        }
        assert_eq!(
            mistakes("{{truncate t 2 end=\"...\"}}"),
            ["truncate: the ending is longer than the whole text may be"]
        );
    }
}
