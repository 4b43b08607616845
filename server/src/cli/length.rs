//! Lengths of time on the command line: `250ms`, `30s`, `5m`, `1h`, `2d`.

use std::time::Duration;

/// Reads a length.
pub(super) fn length(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let millis = number.parse::<u64>().ok().zip(unit_ms).and_then(|(number, unit)| number.checked_mul(unit));
    /// Longer is a slip of the finger: a hundred years.
    const LONGEST_MS: u64 = 36_525 * 86_400_000;
    let millis = millis.filter(|millis| *millis <= LONGEST_MS);
    millis.map(Duration::from_millis).ok_or_else(|| "expected a length such as 250ms, 30s, 5m, 1h or 2d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        assert_eq!(length("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(length("0s"), Ok(Duration::ZERO));
        assert_eq!(length("2h"), Ok(Duration::from_hours(2)));
        for wrong in ["", "30", "s", "-1s", "1.5s", "1 s", "99999999999999999999s", "18446744073709551615d", "3é"] {
            assert!(length(wrong).is_err(), "{wrong:?}");
        }
    }
}
