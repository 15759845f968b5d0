//! Values with a unit: durations (`2h`, `1h30m`) and shares (`5%`).

use std::time::Duration;

/// A duration as the schema describes it; [`parse_duration`] is stricter and says why.
pub const DURATION: &str = "^([0-9]+[dhms])+$";
/// A share as the schema describes it; [`parse_share`] is stricter and says why.
pub const SHARE: &str = r"^[0-9]+(\.[0-9]+)?%$";

/// From the longest to the shortest, with their seconds.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Reads `90s`, `15m`, `2h`, `2d` or `1h30m`: whole numbers, each unit at most once, the longest first.
///
/// # Errors
/// What is wrong, in one sentence that quotes the offending part.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if text.is_empty() {
        return Err("a duration is a number and a unit (d, h, m, s), and this is empty".to_owned());
    }
    let mut seconds = 0u64;
    let mut units = UNITS.iter();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let Some(unit) = tail.chars().next() else {
            return Err(format!("`{number}` has no unit: d, h, m or s"));
        };
        if number.is_empty() {
            return Err(format!("a number is missing before `{tail}`"));
        }
        let Some((_, size)) = units.find(|(name, _)| *name == unit) else {
            return Err(if UNITS.iter().any(|(name, _)| *name == unit) {
                format!("the units of `{text}` do not go from long to short, each once")
            } else {
                format!("`{unit}` is no unit: d, h, m or s")
            });
        };
        let part = number.parse::<u64>().ok().and_then(|n| n.checked_mul(*size));
        seconds = part
            .and_then(|part| seconds.checked_add(part))
            .ok_or_else(|| format!("`{text}` is too long to count"))?;
        rest = &tail[unit.len_utf8()..];
    }
    Ok(Duration::from_secs(seconds))
}

/// Reads `5%` or `0.1%` as 0.05 and 0.001.
///
/// # Errors
/// What is wrong, in one sentence.
pub fn parse_share(text: &str) -> Result<f64, String> {
    let share = parse_percentage(text)?;
    if share > 1.0 {
        return Err(format!("`{text}` is more than all: at most 100%"));
    }
    Ok(share)
}

/// As [`parse_share`], also above 100%.
///
/// # Errors
/// What is wrong, in one sentence.
pub fn parse_percentage(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').ok_or_else(|| format!("`{text}` has no percent sign"))?;
    // `f64` also reads `inf`, `1e3` and `+5`; a share is plain digits.
    let share = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
        .then(|| number.parse::<f64>().ok())
        .flatten()
        .ok_or_else(|| format!("`{number}` is not a number"))?;
    Ok(share / 100.0)
}

/// The largest whole number within a share of another one. That 29% of 100 are 29, which binary fractions would have as
/// a little less, is what an author means.
pub fn share_of(number: u64, share: f64) -> u64 {
    let part = number as f64 * share;
    (part + part * 1e-9) as u64
}

/// A share as an author writes it: `5%`.
pub fn percent(share: f64) -> String {
    format!("{}%", (share * 1e8).round() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_a_number_is_what_its_author_would_reckon() {
        for number in [100, 200, 700, 12_300] {
            for hundredths in 0..=300 {
                let share = parse_percentage(&format!("{hundredths}%")).unwrap();
                assert_eq!(share_of(number, share), number * hundredths / 100, "{hundredths}% of {number}");
                assert_eq!(percent(share), format!("{hundredths}%"));
            }
        }
        assert_eq!(share_of(9, parse_share("50%").unwrap()), 4);
        assert_eq!(percent(parse_share("0.1%").unwrap()), "0.1%");
    }

    #[test]
    fn durations_add_up() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("2h", 7_200), ("2d", 172_800), ("1h30m", 5_400)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn a_bad_duration_says_which_part_is_bad() {
        for (text, part) in [
            ("", "empty"),
            ("2", "`2` has no unit"),
            ("h", "missing before `h`"),
            ("2w", "`w` is no unit"),
            ("2 h", "` ` is no unit"),
            ("30m1h", "long to short"),
            ("1h1h", "long to short"),
            ("99999999999999999999s", "too long"),
            ("5é", "`é` is no unit"),
        ] {
            let error = parse_duration(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn shares_are_fractions_of_all() {
        assert_eq!(parse_share("5%"), Ok(0.05));
        assert_eq!(parse_share("0.1%"), Ok(0.001));
        assert_eq!(parse_share("100%"), Ok(1.0));
        for bad in ["5", "%", "-1%", "101%", "inf%", "1e1%", "5 %"] {
            assert!(parse_share(bad).is_err(), "{bad}");
        }
    }
}
