//! Time ranges as people write them in a URL: `now-45d`, `now`, `2026-11-21T08:00:00Z`.

use crate::{DAY_MS, EARLIEST_MS, HOUR_MS, LATEST_MS, MINUTE_MS, Millis};
use chrono::{DateTime, SecondsFormat};

/// The longest range a page or a query may ask for.
pub const MAX_SPAN_MS: Millis = 400 * DAY_MS;

/// Why a range cannot be used. The text names what was found and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Neither relative nor RFC 3339.
    #[error("{found:?} is not a time: expected now, now-45d (units s m h d w) or 2026-11-21T08:00:00Z")]
    NotATime {
        /// What was written, cut to 60 characters.
        found: String,
    },
    /// Outside 1970..2200.
    #[error("{found:?} is out of scale: expected a time from 1970-01-01 to 2200-01-01")]
    OutOfScale {
        /// What was written.
        found: String,
    },
    /// The end is not after the start.
    #[error("the range ends ({to}) at or before it starts ({from}): expected a later end")]
    Empty {
        /// Start, RFC 3339.
        from: String,
        /// End, RFC 3339.
        to: String,
    },
    /// Longer than [`MAX_SPAN_MS`].
    #[error("the range is {days} days long: expected at most 400")]
    TooLong {
        /// Whole days asked for.
        days: i64,
    },
}

fn not_a_time(text: &str) -> RangeError {
    RangeError::NotATime { found: text.chars().take(60).collect() }
}

/// Milliseconds of a length such as `6h`, the part of `text` behind its sign.
fn length(text: &str, length: Option<&str>) -> Result<Millis, RangeError> {
    let not_a_time = || not_a_time(text);
    let length = length.ok_or_else(not_a_time)?;
    let split = length.len().checked_sub(1).filter(|at| length.is_char_boundary(*at)).ok_or_else(not_a_time)?;
    let (digits, unit) = length.split_at(split);
    let unit_ms = match unit {
        "s" => 1000,
        "m" => MINUTE_MS,
        "h" => HOUR_MS,
        "d" => DAY_MS,
        "w" => 7 * DAY_MS,
        _ => return Err(not_a_time()),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(not_a_time());
    }
    let count: i64 = digits.parse().map_err(|_| RangeError::OutOfScale { found: text.chars().take(60).collect() })?;
    Ok(count.saturating_mul(unit_ms))
}

/// Resolves an instant that lies ahead: RFC 3339, or such as `now+1h`.
///
/// # Errors
/// [`RangeError::NotATime`] or [`RangeError::OutOfScale`].
pub fn ahead(text: &str, now: Millis) -> Result<Millis, RangeError> {
    let Some(rest) = text.strip_prefix("now+") else { return instant(text, now) };
    let at = now.saturating_add(length(text, Some(rest))?);
    if at <= LATEST_MS { Ok(at) } else { Err(RangeError::OutOfScale { found: text.chars().take(60).collect() }) }
}

/// Resolves one end of a range against `now`.
///
/// # Errors
/// [`RangeError::NotATime`] or [`RangeError::OutOfScale`].
pub fn instant(text: &str, now: Millis) -> Result<Millis, RangeError> {
    let at = match text.strip_prefix("now") {
        Some("") => now,
        Some(rest) => now.saturating_sub(length(text, rest.strip_prefix('-'))?),
        None => DateTime::parse_from_rfc3339(text).map_err(|_| not_a_time(text))?.timestamp_millis(),
    };
    if (EARLIEST_MS..=LATEST_MS).contains(&at) {
        Ok(at)
    } else {
        Err(RangeError::OutOfScale { found: text.chars().take(60).collect() })
    }
}

/// Checks that a resolved range is not empty and not longer than [`MAX_SPAN_MS`].
///
/// # Errors
/// [`RangeError::Empty`] or [`RangeError::TooLong`].
pub fn check(from: Millis, to: Millis) -> Result<(), RangeError> {
    if to <= from {
        return Err(RangeError::Empty { from: rfc3339(from), to: rfc3339(to) });
    }
    if to - from > MAX_SPAN_MS {
        return Err(RangeError::TooLong { days: (to - from) / DAY_MS });
    }
    Ok(())
}

/// An instant as RFC 3339 UTC; milliseconds only where there are some.
pub fn rfc3339(at: Millis) -> String {
    DateTime::from_timestamp_millis(at)
        .unwrap_or_default()
        .to_rfc3339_opts(if at % 1000 == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis }, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_ahead() {
        assert_eq!(ahead("now+90m", 1_000_000), Ok(1_000_000 + 90 * MINUTE_MS));
        assert_eq!(ahead("now", 1_000_000), Ok(1_000_000));
        assert_eq!(ahead("2026-11-21T08:25:00Z", 0), instant("2026-11-21T08:25:00Z", 0));
        for wrong in ["now+", "now+h", "now+1", "now+1y", "now+-1h", "soon", "now+1é"] {
            assert!(matches!(ahead(wrong, 0), Err(RangeError::NotATime { .. })), "{wrong}");
        }
        assert!(matches!(ahead("now+99999999999w", 0), Err(RangeError::OutOfScale { .. })));
        assert!(instant("now+1h", 0).is_err(), "history does not lie ahead");
    }

    const NOW: Millis = 1_795_000_000_000;

    #[test]
    fn relative_and_absolute() {
        assert_eq!(instant("now", NOW), Ok(NOW));
        assert_eq!(instant("now-45d", NOW), Ok(NOW - 45 * DAY_MS));
        assert_eq!(instant("now-2w", NOW), Ok(NOW - 14 * DAY_MS));
        assert_eq!(instant("2026-11-21T08:00:00Z", NOW), Ok(1_795_248_000_000));
        assert_eq!(instant("2026-11-21T09:00:00+01:00", NOW), Ok(1_795_248_000_000));
    }

    #[test]
    fn nonsense_is_named() {
        for text in ["yesterdy", "now-", "now-d", "now+1d", "now-1y", "now--1d", "", "now-1é", "2026-13-01T00:00:00Z"]
        {
            assert!(matches!(instant(text, NOW), Err(RangeError::NotATime { .. })), "{text}");
        }
        for text in ["now-99999999999999999999d", "now-30000d", "9999-01-01T00:00:00Z"] {
            assert!(matches!(instant(text, NOW), Err(RangeError::OutOfScale { .. })), "{text}");
        }
    }

    #[test]
    fn empty_and_long_ranges_are_refused() {
        assert!(matches!(check(5, 5), Err(RangeError::Empty { .. })));
        assert_eq!(check(0, 401 * DAY_MS), Err(RangeError::TooLong { days: 401 }));
        assert_eq!(check(0, DAY_MS), Ok(()));
    }
}
