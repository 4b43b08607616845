//! What was broken on purpose, whether that was found and how soon, and what a game day scored by it.

use crate::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name of what was broken, in characters.
pub const MAX_WHAT: usize = 80;
/// Most breakages of a game day.
pub const MOST_BREAKAGES: usize = 50;
/// Longest time until something was found.
pub const LONGEST_MS: Millis = crate::DAY_MS;

/// Something that was broken on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breakage {
    /// What, in words or as a kind of failure: `F4`, `the store was stopped`.
    pub what: String,
    /// Slug of the pool; `None` = it was no single pool.
    pub pool: Option<String>,
    /// Whether it was found.
    pub found: bool,
    /// After how long; `None` if it was not found, or nobody measured it.
    pub after_ms: Option<Millis>,
}

/// A time in seconds, exact to the millisecond: `1.4`, `61`.
///
/// `None` for what is no such time from 0 seconds to a day.
pub fn seconds(text: &str) -> Option<Millis> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_plain = |digits: &str, most: usize| {
        (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_plain(whole, 5) || !is_plain(part, 3) {
        return None;
    }
    let ms = whole.parse::<Millis>().ok()? * 1_000 + format!("{part:0<3}").parse::<Millis>().ok()?;
    Some(ms).filter(|ms| *ms <= LONGEST_MS)
}

impl Breakage {
    /// Reads `what, pool, seconds`; `all` is no single pool, and in place of seconds stands `found` or `not found`.
    pub fn parse(line: &str) -> Option<Self> {
        // From the end: a comma may be part of what was broken.
        let mut parts = line.rsplitn(3, ',').map(str::trim);
        let (after, pool, what) = (parts.next()?, parts.next()?, parts.next()?);
        let (found, after_ms) = match after {
            "not found" => (false, None),
            "found" => (true, None),
            after => (true, Some(seconds(after.strip_suffix('s').unwrap_or(after).trim_end())?)),
        };
        let pool = (pool != "all").then(|| pool.to_owned());
        Some(Self { what: what.to_owned(), pool, found, after_ms })
    }

    /// What is wrong with it, if something is.
    pub fn problem(&self) -> Option<&'static str> {
        let is_named = (1..=MAX_WHAT).contains(&self.what.chars().count())
            && self.what.trim() == self.what
            && !self.what.chars().any(char::is_control);
        if !is_named {
            return Some("what was broken in 1 to 80 characters on one line");
        }
        if self.after_ms.is_some_and(|ms| !(0..=LONGEST_MS).contains(&ms)) {
            return Some("0 to 86,400 seconds until it was found");
        }
        (!self.found && self.after_ms.is_some()).then_some("no seconds for what was not found")
    }
}

/// The line that [`Breakage::parse`] reads.
impl fmt::Display for Breakage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, ", self.what, self.pool.as_deref().unwrap_or("all"))?;
        match (self.found, self.after_ms) {
            (false, _) => f.write_str("not found"),
            (true, None) => f.write_str("found"),
            (true, Some(ms)) if ms % 1_000 == 0 => write!(f, "{}", ms / 1_000),
            (true, Some(ms)) => {
                let part = format!("{:03}", ms % 1_000);
                write!(f, "{}.{}", ms / 1_000, part.trim_end_matches('0'))
            }
        }
    }
}

/// What a game day came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Score {
    /// So much was broken,
    pub broken: i64,
    /// of which so much was found,
    pub found: i64,
    /// the last of what was measured after so long.
    pub slowest_ms: Option<Millis>,
}

impl Score {
    /// Of some breakages.
    pub fn of(breakages: &[Breakage]) -> Self {
        Self {
            broken: breakages.len() as i64,
            found: breakages.iter().filter(|one| one.found).count() as i64,
            slowest_ms: breakages.iter().filter_map(|one| one.after_ms).max(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breakage(what: &str, pool: Option<&str>, found: bool, after_ms: Option<Millis>) -> Breakage {
        Breakage { what: what.into(), pool: pool.map(str::to_owned), found, after_ms }
    }

    #[test]
    fn a_line_is_read_and_written_alike() {
        for (line, said) in [
            ("F4, game-day, 1.4", breakage("F4", Some("game-day"), true, Some(1_400))),
            ("F4, game-day, 61", breakage("F4", Some("game-day"), true, Some(61_000))),
            ("F4, game-day, 0.005", breakage("F4", Some("game-day"), true, Some(5))),
            ("a switch, in two racks, all, not found", breakage("a switch, in two racks", None, false, None)),
            ("store gone, all, found", breakage("store gone", None, true, None)),
        ] {
            assert_eq!(Breakage::parse(line), Some(said.clone()), "{line}");
            assert_eq!(said.to_string(), line);
            assert_eq!(said.problem(), None);
        }
        assert_eq!(
            Breakage::parse(" F4 ,game-day,  2.50 s "),
            Some(breakage("F4", Some("game-day"), true, Some(2_500)))
        );
    }

    #[test]
    fn what_is_no_breakage_is_told() {
        for line in [
            "",
            "F4",
            "F4, game-day",
            "F4, game-day, soon",
            "F4, game-day, -1",
            "F4, game-day, 1e3",
            "F4, p, 1.2345",
            "F4, game-day, 86400.001",
            "F4, game-day, NaN",
            "F4, p, .5",
            "F4, p, 5.",
        ] {
            assert_eq!(Breakage::parse(line), None, "{line}");
        }
        for wrong in [
            breakage("", None, true, None),
            breakage(" a", None, true, None),
            breakage("a\nb", None, true, None),
            breakage(&"é".repeat(81), None, true, None),
            breakage("a", None, true, Some(-1)),
            breakage("a", None, true, Some(LONGEST_MS + 1)),
            breakage("a", None, false, Some(1)),
        ] {
            assert!(wrong.problem().is_some(), "{wrong:?}");
        }
        assert_eq!(breakage(&"é".repeat(80), None, true, Some(LONGEST_MS)).problem(), None);
    }

    #[test]
    fn a_score_counts_what_was_found_and_knows_no_time_that_nobody_measured() {
        assert_eq!(Score::of(&[]), Score::default());
        let all =
            [breakage("a", None, true, Some(1_400)), breakage("b", None, false, None), breakage("c", None, true, None)];
        assert_eq!(Score::of(&all), Score { broken: 3, found: 2, slowest_ms: Some(1_400) });
        assert_eq!(Score::of(&all[1..]).slowest_ms, None);
    }
}
