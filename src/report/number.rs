//! Numbers and times as people read them.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time with as much precision as helps: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A size as people compare them: `0 B`, `312 MB`, `1.5 GB`.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{} B", grouped(bytes)),
        10_000..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn sizes_have_the_unit_that_helps() {
        for (size, text) in
            [(0, "0 B"), (9_999, "9,999 B"), (312_456_789, "312 MB"), (1_540_000_000, "1.5 GB")]
        {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn times_keep_the_precision_that_helps() {
        for (seconds, text) in
            [(0.04, "0.0 s"), (0.45, "0.5 s"), (59.4, "59 s"), (200.0, "3 min 20 s"), (7_500.0, "2 h 5 min")]
        {
            assert_eq!(duration(Duration::from_secs_f64(seconds)), text);
        }
    }
}
