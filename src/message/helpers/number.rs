//! Numbers for people. Works on the digits as they are written, so that no price is rounded by a binary
//! fraction on its way.

use serde_json::Value as Json;

use super::call::{Args, Given};
use crate::message::render::Fault;

struct Options<'a> {
    decimals: Option<usize>,
    thousands: &'a str,
    point: &'a str,
}

pub(super) fn number(args: &Args<'_, '_>) -> Result<Json, Fault> {
    let text = args.text(0)?;
    let options = options(args).map_err(|message| args.refuse(0, message))?;
    format(text.trim(), &options)
        .map(Json::String)
        .ok_or_else(|| args.refuse(0, format_args!("\"{text}\" is not a number")))
}

pub(super) fn check(given: &dyn Given) -> Result<(), String> {
    options(given).map(drop)
}

fn options<G: Given + ?Sized>(given: &G) -> Result<Options<'_>, String> {
    let decimals = given
        .option("decimals")
        .map(|decimals| {
            decimals
                .as_u64()
                .and_then(|decimals| usize::try_from(decimals).ok())
                .filter(|decimals| *decimals <= 20)
                .ok_or("decimals must be a whole number from 0 to 20")
        })
        .transpose()?;
    Ok(Options {
        decimals,
        thousands: given.text_option("thousands", ",")?,
        point: given.text_option("point", ".")?,
    })
}

fn format(text: &str, options: &Options<'_>) -> Option<String> {
    // Only a JSON number can be written this way; Rust prints a float without an exponent.
    if text.contains(['e', 'E']) {
        let float: f64 = text.parse().ok().filter(|float: &f64| float.is_finite())?;
        return format(&float.to_string(), options);
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let written = if digits.contains('.') { fraction.len() } else { 0 };
    let decimals = options.decimals.unwrap_or(written);
    let rounded = round(whole, &fraction[..written], decimals);
    let (whole, fraction) = rounded.split_at(rounded.len() - decimals);
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };

    let mut out = String::new();
    if negative && rounded.bytes().any(|byte| byte != b'0') {
        out.push('-');
    }
    for (at, digit) in whole.char_indices() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            out.push_str(options.thousands);
        }
        out.push(digit);
    }
    if decimals > 0 {
        out.push_str(options.point);
        out.push_str(fraction);
    }
    Some(out)
}

/// The digits of `whole.fraction` with exactly `decimals` after the point, which is left out.
fn round(whole: &str, fraction: &str, decimals: usize) -> String {
    let kept = fraction.len().min(decimals);
    let mut digits: Vec<u8> = format!("0{whole}{}", &fraction[..kept]).into_bytes();
    if fraction.as_bytes().get(kept).is_some_and(|digit| *digit >= b'5') {
        // The leading 0 takes the last carry.
        for digit in digits.iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                break;
            }
            *digit = b'0';
        }
    }
    digits.resize(digits.len() + decimals - kept, b'0');
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use crate::message::template::tests::{mistakes, render};

    fn number(value: &str, options: &str) -> String {
        render(&format!("{{{{number n {options}}}}}"), &format!(r#"{{"n":"{value}"}}"#)).unwrap()
    }

    #[test]
    fn rounds_half_away_from_zero_on_the_written_digits() {
        assert_eq!(number("1.005", "decimals=2"), "1.01");
        assert_eq!(number("-1.005", "decimals=2"), "-1.01");
        assert_eq!(number("999.995", "decimals=2"), "1,000.00");
        assert_eq!(number("0.4", "decimals=0"), "0");
        assert_eq!(number("-0.4", "decimals=0"), "0");
        assert_eq!(number("9.5", "decimals=0"), "10");
    }

    #[test]
    fn keeps_every_digit_of_a_long_number() {
        assert_eq!(number("12345678901234567890.10", ""), "12,345,678,901,234,567,890.10");
        assert_eq!(number("007", "decimals=1"), "7.0");
    }

    #[test]
    fn a_json_number_with_an_exponent_is_a_number() {
        assert_eq!(render("{{number n}}", r#"{"n":1.5e3}"#).unwrap(), "1,500.0");
        assert_eq!(number("1.5e3", "decimals=0"), "1,500");
    }

    #[test]
    fn refuses_what_is_no_number() {
        for value in ["", "many", "1,000", "1.", ".5", "--1", "NaN", "inf", "0x10", "1e999"] {
            let error = render("{{number n}}", &format!(r#"{{"n":"{value}"}}"#)).unwrap_err().to_string();
            assert_eq!(error, format!("/t: `n` number: \"{value}\" is not a number"));
        }
    }

    #[test]
    fn refuses_options_it_cannot_use_before_there_is_a_row() {
        assert_eq!(
            mistakes("{{number n decimals=21}}"),
            ["number: decimals must be a whole number from 0 to 20"]
        );
        assert_eq!(mistakes("{{number n point=1}}"), ["number: point must be text in quotes"]);
    }
}
