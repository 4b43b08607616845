//! Cells of text to values: whole numbers, decimals, instants. The loops every imported row runs through.

use super::report::Wrong;
use chrono::DateTime;
use headroom_domain::{DAY_MS, EARLIEST_MS, HOUR_MS, LATEST_MS, MINUTE_MS, Millis};

/// Greatest number of claims, rejections, waits or milliseconds waited in one row.
pub const MAX_COUNT: i64 = 1_000_000_000_000;
/// Longest time one row may stand for.
pub const MAX_DURATION_MS: Millis = DAY_MS;
/// Greatest size of an extra signal's value.
pub const MAX_SIGNAL: f64 = 1e12;

const EXPECTED_INSTANT: &str =
    "a time such as 2026-11-21T08:00:00Z (epoch seconds go into a column NAME_s, milliseconds into NAME_ms)";
const EXPECTED_SCALE: &str = "a time from 1970-01-01 to 2200-01-01";

/// A whole number without sign, up to 18 digits.
pub fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    let mut value = 0_i64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(value)
}

/// A whole number from `least` to `most`.
pub fn whole(column: &'static str, text: &[u8], least: i64, most: i64) -> Result<i64, Wrong> {
    match digits(text) {
        Some(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(Wrong::new(column, text, format!("a whole number from {least} to {most}"))),
    }
}

/// A whole number, or nothing.
pub fn optional(column: &'static str, text: &[u8], least: i64, most: i64) -> Result<Option<i64>, Wrong> {
    if text.is_empty() { Ok(None) } else { whole(column, text, least, most).map(Some) }
}

/// A decimal of 0 or more, in thousandths.
pub fn milli(column: &'static str, text: &[u8], most: f64) -> Result<i64, Wrong> {
    match signed_milli(text) {
        Some(value) if value >= 0 && value as f64 <= most * 1000.0 => Ok(value),
        _ => Err(Wrong::new(column, text, format!("a number from 0 to {most}"))),
    }
}

/// A decimal of any sign within [`MAX_SIGNAL`], in thousandths, rounded to the nearest.
pub fn signed_milli(text: &[u8]) -> Option<i64> {
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (value.abs() <= MAX_SIGNAL).then(|| (value * 1000.0).round() as i64)
}

/// An instant as RFC 3339.
pub fn rfc3339(column: &'static str, text: &[u8]) -> Result<Millis, Wrong> {
    let parsed = fast_utc(text).or_else(|| {
        let text = std::str::from_utf8(text).ok()?;
        DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis())
    });
    in_scale(column, text, parsed.ok_or_else(|| Wrong::new(column, text, EXPECTED_INSTANT))?)
}

/// An instant as seconds (`unit_ms` 1000) or milliseconds (1) since the epoch.
pub fn epoch(column: &'static str, text: &[u8], unit_ms: i64) -> Result<Millis, Wrong> {
    let value = digits(text).and_then(|n| n.checked_mul(unit_ms));
    in_scale(column, text, value.ok_or_else(|| Wrong::new(column, text, "a whole number of 0 or more"))?)
}

fn in_scale(column: &'static str, text: &[u8], at: Millis) -> Result<Millis, Wrong> {
    if (EARLIEST_MS..=LATEST_MS).contains(&at) { Ok(at) } else { Err(Wrong::new(column, text, EXPECTED_SCALE)) }
}

/// `2026-11-21T08:00:00Z` and `2026-11-21T08:00:00.123Z`; everything else is left to chrono.
fn fast_utc(text: &[u8]) -> Option<Millis> {
    let fraction = match text.len() {
        20 if text[19] == b'Z' => 0,
        24 if text[19] == b'.' && text[23] == b'Z' => digits(&text[20..23])?,
        _ => return None,
    };
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|(at, byte)| text[*at] != *byte) {
        return None;
    }
    let (year, month, day) = (digits(&text[..4])?, digits(&text[5..7])?, digits(&text[8..10])?);
    let (hour, minute, second) = (digits(&text[11..13])?, digits(&text[14..16])?, digits(&text[17..19])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days_in_month).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(days_from_civil(year, month, day) * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + second * 1000 + fraction)
}

/// Days since the epoch of a date in the Gregorian calendar (Howard Hinnant, "chrono-compatible
/// low-level date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_numbers() {
        assert_eq!(whole("occupied", b"0", 0, 10), Ok(0));
        assert_eq!(whole("occupied", b"007", 0, 10), Ok(7));
        for bad in ["", "-1", "11", "1.5", "1e3", " 1", "99999999999999999999999", "NaN", "\u{661}"] {
            let wrong = whole("occupied", bad.as_bytes(), 0, 10).unwrap_err();
            assert_eq!(wrong.expected, "a whole number from 0 to 10", "{bad}");
        }
    }

    #[test]
    fn instants() {
        for (text, at) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-21T08:00:00Z", 1_795_248_000_000),
            ("2026-11-21T08:00:00.123Z", 1_795_248_000_123),
            ("2026-11-21T09:00:00+01:00", 1_795_248_000_000),
            ("2026-11-21t08:00:00z", 1_795_248_000_000),
            ("2024-02-29T23:59:59Z", 1_709_251_199_000),
        ] {
            assert_eq!(rfc3339("ts", text.as_bytes()), Ok(at), "{text}");
        }
        for text in
            ["2023-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-21", "1795248000", "2026-11-21T24:00:00Z", "now"]
        {
            assert_eq!(rfc3339("ts", text.as_bytes()).unwrap_err().expected, EXPECTED_INSTANT, "{text}");
        }
        for text in ["1969-12-31T23:59:59Z", "2200-01-01T00:00:01Z", "0000-01-01T00:00:00Z", "9999-01-01T00:00:00Z"] {
            assert_eq!(rfc3339("ts", text.as_bytes()).unwrap_err().expected, EXPECTED_SCALE, "{text}");
        }
    }

    #[test]
    fn epochs() {
        assert_eq!(epoch("ts_s", b"1795248000", 1000), Ok(1_795_248_000_000));
        assert_eq!(epoch("ts_ms", b"1795248000123", 1), Ok(1_795_248_000_123));
        assert!(epoch("ts_s", b"1795248000123", 1000).is_err());
        assert!(epoch("ts_s", b"999999999999999999", 1000).is_err());
        assert!(epoch("ts_s", b"-5", 1000).is_err());
    }

    #[test]
    fn decimals() {
        assert_eq!(milli("latency_p95_ms", b"12.3456", 100.0), Ok(12_346));
        assert!(milli("latency_p95_ms", b"-1", 100.0).is_err());
        assert!(milli("latency_p95_ms", b"inf", 100.0).is_err());
        assert!(milli("latency_p95_ms", b"NaN", 100.0).is_err());
        assert_eq!(signed_milli(b"-1.5"), Some(-1500));
        assert_eq!(signed_milli(b"1e300"), None);
    }

    proptest! {
        #[test]
        fn the_fast_path_agrees_with_chrono(at in EARLIEST_MS..LATEST_MS) {
            let text = headroom_domain::range::rfc3339(at);
            prop_assert_eq!(fast_utc(text.as_bytes()), Some(at));
        }

        #[test]
        fn any_bytes_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = rfc3339("ts", &text);
            let _ = epoch("ts", &text, 1000);
            let _ = whole("n", &text, 0, 5);
            let _ = milli("n", &text, 5.0);
        }
    }
}
