//! Exact fractions: budgets, thresholds and floors, never rounded.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Largest numerator and denominator: products of two fractions and two counts still fit into 128 bits.
const MOST: u64 = 1_000_000_000;

/// A fraction of two whole numbers from 0 to a thousand million, in lowest terms. Written `8`, `14.4` or `1/10000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fraction {
    n: u64,
    d: u64,
}

impl Fraction {
    /// 1.
    pub const ONE: Self = Self { n: 1, d: 1 };

    /// A fraction known when it is written.
    ///
    /// # Panics
    /// If the denominator is zero or a part is too large, which a test of the constant shows.
    pub const fn of(n: u64, d: u64) -> Self {
        assert!(d > 0 && d <= MOST && n <= MOST, "a fraction of whole numbers up to a thousand million");
        let by = gcd(n, d);
        Self { n: n / by, d: d / by }
    }

    /// A fraction of numbers from outside; `None` if they are out of range.
    pub fn new(n: u64, d: u64) -> Option<Self> {
        let by = gcd(n, d).max(1);
        let (n, d) = (n / by, d / by);
        (d > 0 && d <= MOST && n <= MOST).then_some(Self { n, d })
    }

    /// Numerator.
    pub const fn numerator(self) -> u64 {
        self.n
    }

    /// Denominator; never zero.
    pub const fn denominator(self) -> u64 {
        self.d
    }

    /// For display and charts only.
    pub fn to_f64(self) -> f64 {
        self.n as f64 / self.d as f64
    }

    /// The product, if it can be written.
    pub fn times(self, other: Self) -> Option<Self> {
        let (n, d) = (u128::from(self.n) * u128::from(other.n), u128::from(self.d) * u128::from(other.d));
        let (mut a, mut b) = (n, d);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        let by = a.max(1);
        Self::new(u64::try_from(n / by).ok()?, u64::try_from(d / by).ok()?)
    }

    /// 1 divided by it; `None` for zero.
    pub const fn inverse(self) -> Option<Self> {
        if self.n == 0 { None } else { Some(Self { n: self.d, d: self.n }) }
    }

    /// 1 minus it; `None` if it is greater than 1.
    pub const fn complement(self) -> Option<Self> {
        if self.n > self.d { None } else { Some(Self::of(self.d - self.n, self.d)) }
    }

    /// `part / whole > self`, exactly. Nothing of nothing is not more than anything.
    pub fn is_exceeded_by(self, part: u64, whole: u64) -> bool {
        u128::from(part) * u128::from(self.d) > u128::from(self.n) * u128::from(whole)
    }
}

impl PartialOrd for Fraction {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fraction {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (u128::from(self.n) * u128::from(other.d)).cmp(&(u128::from(other.n) * u128::from(self.d)))
    }
}

const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl FromStr for Fraction {
    type Err = String;

    /// `8`, `14.4` or `1/10000`; otherwise a sentence with what was expected.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let found: String = text.chars().take(40).collect();
            format!("{found:?} is no number here, expected one such as 8, 14.4 or 1/10000, without a sign")
        };
        let whole = |digits: &str| {
            let ok = !digits.is_empty() && digits.len() <= 18 && digits.bytes().all(|b| b.is_ascii_digit());
            if ok { digits.parse::<u64>().ok() } else { None }
        };
        let found = if let Some((n, d)) = text.split_once('/') {
            whole(n).zip(whole(d)).and_then(|(n, d)| Self::new(n, d))
        } else if let Some((front, back)) = text.split_once('.') {
            let scale = if back.len() <= 9 { 10_u64.checked_pow(back.len() as u32) } else { None };
            whole(front)
                .zip(whole(back))
                .zip(scale)
                .and_then(|((front, back), scale)| Self::new(front.checked_mul(scale)?.checked_add(back)?, scale))
        } else {
            whole(text).and_then(|n| Self::new(n, 1))
        };
        found.ok_or_else(wrong)
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.d == 1 {
            return write!(f, "{}", self.n);
        }
        // Tenths and hundredths are read more easily as such, and parse back to the same.
        for (places, scale) in [(1, 10), (2, 100), (3, 1_000)] {
            if scale % self.d == 0 && self.n >= self.d {
                let scaled = self.n * (scale / self.d);
                return write!(f, "{}.{:0places$}", scaled / scale, scaled % scale);
            }
        }
        write!(f, "{}/{}", self.n, self.d)
    }
}

impl Serialize for Fraction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fraction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_shown_again() {
        for (text, n, d, shown) in [
            ("8", 8, 1, "8"),
            ("14.4", 72, 5, "14.4"),
            ("1/10000", 1, 10_000, "1/10000"),
            ("0.5", 1, 2, "1/2"),
            ("4/5", 4, 5, "4/5"),
            ("6.25", 25, 4, "6.25"),
            ("0", 0, 1, "0"),
            ("10/5", 2, 1, "2"),
        ] {
            let read: Fraction = text.parse().expect(text);
            assert_eq!((read.numerator(), read.denominator()), (n, d), "{text}");
            assert_eq!(read.to_string(), shown);
            assert_eq!(shown.parse::<Fraction>(), Ok(read), "{shown}");
        }
    }

    #[test]
    fn what_is_no_fraction_is_refused() {
        for text in ["", "-1", "1/0", "a", "1.", ".5", "1e3", "1/", "/2", "NaN", "2000000000", "1.1234567891", "１"] {
            let problem = text.parse::<Fraction>().expect_err(text);
            assert!(problem.contains("expected one such as"), "{problem}");
        }
    }

    #[test]
    fn comparison_is_strict_and_exact() {
        let budget = Fraction::of(1, 10_000);
        let eight = Fraction::of(8, 1).times(budget).expect("fits");
        assert!(!eight.is_exceeded_by(80, 100_000));
        assert!(eight.is_exceeded_by(81, 100_000));
        assert!(!Fraction::of(0, 1).is_exceeded_by(0, 0));
        assert!(Fraction::of(1, 3) > Fraction::of(333_333_333, 1_000_000_000));
        assert_eq!(budget.inverse(), Some(Fraction::of(10_000, 1)));
        assert_eq!(Fraction::of(9_999, 10_000).complement(), Some(budget));
    }
}
