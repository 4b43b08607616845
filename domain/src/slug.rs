//! Names and slugs: what may stand in a URL, and what may be called what.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest slug, in bytes.
pub const MAX_SLUG: usize = 63;
/// Longest name, in characters.
pub const MAX_NAME: usize = 120;

/// A stable, lower-case name for URLs: `[a-z0-9]` and inner hyphens, 1..=63 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slug(String);

/// Words that are routes of their own below `/pools` and `/tenants`.
const RESERVED: [&str; 6] = ["new", "edit", "archive", "import", "index", "all"];

/// Why a text is no slug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SlugError {
    /// Empty or too long.
    #[error("has {0} characters, expected 1 to 63")]
    Length(usize),
    /// A character outside the alphabet, or a hyphen at an end.
    #[error("{0:?} is not allowed: expected a-z, 0-9 and hyphens inside")]
    Letter(char),
    /// A word that is a page.
    #[error("{0:?} is the name of a page: expected another word")]
    Reserved(String),
}

impl Slug {
    /// Checks a text.
    ///
    /// # Errors
    /// [`SlugError`] naming what is wrong.
    pub fn parse(text: &str) -> Result<Self, SlugError> {
        if text.is_empty() || text.len() > MAX_SLUG {
            return Err(SlugError::Length(text.chars().count()));
        }
        let bad = |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if let Some(c) = text.chars().find(|c| bad(*c)) {
            return Err(SlugError::Letter(c));
        }
        if text.starts_with('-') || text.ends_with('-') {
            return Err(SlugError::Letter('-'));
        }
        if RESERVED.contains(&text) {
            return Err(SlugError::Reserved(text.into()));
        }
        Ok(Self(text.into()))
    }

    /// The nearest slug to any text; `fallback` where nothing is left of it.
    pub fn from_name(name: &str, fallback: &str) -> Self {
        let mut slug = String::new();
        for c in name.chars().flat_map(char::to_lowercase) {
            if c.is_ascii_alphanumeric() {
                slug.push(c);
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
            if slug.len() >= MAX_SLUG {
                break;
            }
        }
        let slug = slug.trim_end_matches('-');
        Self::parse(slug).unwrap_or_else(|_| {
            Self(format!("{fallback}-{}", slug.chars().take(40).collect::<String>()).trim_end_matches('-').into())
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Slug {
    type Error = SlugError;
    fn try_from(text: String) -> Result<Self, SlugError> {
        Self::parse(&text)
    }
}

impl From<Slug> for String {
    fn from(slug: Slug) -> Self {
        slug.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks a free name: 1..=120 characters, no control characters, not blank.
///
/// # Errors
/// A sentence that says what was found and what was expected.
pub fn check_name(name: &str) -> Result<(), String> {
    let length = name.chars().count();
    if name.trim().is_empty() || length > MAX_NAME {
        return Err(format!("has {length} characters, expected 1 to {MAX_NAME}"));
    }
    if let Some(c) = name.chars().find(|c| c.is_control()) {
        return Err(format!("contains {c:?}, expected no control characters"));
    }
    Ok(())
}

/// The known slug nearest to an unknown one, if it is near enough to be a slip of the finger.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wanted.len() > MAX_SLUG {
        return None;
    }
    known
        .into_iter()
        .map(|slug| (distance(wanted, slug), slug))
        .filter(|(d, slug)| *d <= 1 + slug.len() / 5)
        .min()
        .map(|(_, slug)| slug)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs() {
        assert!(Slug::parse("ingress-eu").is_ok());
        assert_eq!(Slug::parse("Ingress"), Err(SlugError::Letter('I')));
        assert_eq!(Slug::parse("-a"), Err(SlugError::Letter('-')));
        assert_eq!(Slug::parse(""), Err(SlugError::Length(0)));
        assert_eq!(Slug::parse("new"), Err(SlugError::Reserved("new".into())));
        assert_eq!(Slug::from_name("KTH  SP2 (1996)", "pool").as_str(), "kth-sp2-1996");
        assert_eq!(Slug::from_name("</svg><script>", "tenant").as_str(), "svg-script");
        assert_eq!(Slug::from_name("東京", "tenant").as_str(), "tenant");
    }

    #[test]
    fn a_slip_of_the_finger_finds_its_slug() {
        assert_eq!(nearest("ingres-eu", ["ingress-eu", "stream-01"]), Some("ingress-eu"));
        assert_eq!(nearest("zzzzzz", ["ingress-eu", "stream-01"]), None);
    }
}
