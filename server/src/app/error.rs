//! What can go wrong in a use case. No status codes: each door has its own table.

use super::plan::check::Conflict;
use headroom_domain::access::Action;
use headroom_domain::alert::episode::Refusal;
use headroom_domain::allocation::End;
use headroom_domain::lease::Reason;
use headroom_domain::range::RangeError;
use headroom_store::StoreError;

/// Result of a use case.
pub type Result<T, E = AppError> = std::result::Result<T, E>;

/// A field that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Name of the field, as the caller wrote it.
    pub field: String,
    /// What was found, cut to a readable length.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

/// What a sentence such as `has 121 characters, expected 1 to 120` expects: its last part, or all of it.
fn expectation(sentence: &str) -> &str {
    sentence.rsplit_once("expected ").map_or(sentence, |(_, expected)| expected)
}

impl Problem {
    /// A problem with what was found and what was expected; of a whole sentence only its expectation is kept.
    pub fn new(field: impl Into<String>, found: impl AsRef<str>, expected: impl Into<String>) -> Self {
        const LONGEST: usize = 80;
        let found = found.as_ref();
        let mut cut: String = found.chars().take(LONGEST).collect();
        if cut.len() < found.len() {
            cut.push('…');
        }
        Self { field: field.into(), found: cut, expected: expectation(&expected.into()).to_owned() }
    }

    /// A problem of which only a sentence is known, such as `is 1, expected at least 5`.
    pub fn told(field: impl Into<String>, sentence: &str) -> Self {
        let found = sentence.rsplit_once("expected ").map_or("", |(found, _)| found);
        let found = found.trim_end_matches([' ', ',', ':']);
        Self::new(field, found.strip_prefix("is ").unwrap_or(found), sentence)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.found.is_empty() {
            write!(f, "{}: expected {}", self.field, self.expected)
        } else {
            write!(f, "{}: found {:?}, expected {}", self.field, self.found, self.expected)
        }
    }
}

/// Facts about a use case that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Nothing has this name.
    #[error("no {what} called {slug:?}")]
    NotFound {
        /// `pool`, `tenant`, ...
        what: &'static str,
        /// The name asked for.
        slug: String,
        /// The nearest name there is.
        suggestion: Option<String>,
    },
    /// The thing has another name now.
    #[error("{what} {slug:?} is now called {to:?}")]
    Moved {
        /// `pool` or `tenant`.
        what: &'static str,
        /// The former name.
        slug: String,
        /// The present one.
        to: String,
    },
    /// Fields that cannot be accepted; nothing was written.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Problem>),
    /// Nobody is signed in.
    #[error("sign in to go on")]
    SignIn,
    /// An API token that is unknown, revoked or over; which of them is not told.
    #[error("this token does not work: it is unknown, revoked or past its end")]
    BadToken,
    /// A request that a browser may have been tricked into: it does not prove that a page of ours made it.
    #[error("this request does not carry the proof that it comes from a page of this server; nothing was changed")]
    Unproven,
    /// The caller may not do this.
    #[error("you may not {}: that needs {needs}", .action.words())]
    Forbidden {
        /// What was to be done.
        action: Action,
        /// Who may, as the end of "that needs ...".
        needs: String,
    },
    /// Too many attempts.
    #[error("too many attempts; try again in {retry_after_s} s")]
    TooMany {
        /// Seconds until the next one.
        retry_after_s: u64,
    },
    /// The change does not fit what is there now.
    #[error("{0}")]
    Conflict(String),
    /// Reservations that cannot be published together with what is promised; nothing was written.
    #[error("{}", .0.iter().map(|conflict| conflict.says.as_str()).collect::<Vec<_>>().join("; "))]
    Planned(Vec<Conflict>),
    /// The thing moved on since it was read; nothing was changed.
    #[error("{what} {slug:?} is at version {now} now, you saw {seen}; nothing was changed")]
    Stale {
        /// `rule`, `runbook`, ...
        what: &'static str,
        /// Which one.
        slug: String,
        /// The version that was read.
        seen: i32,
        /// The present one.
        now: i32,
    },
    /// Something done about an alert that does not fit what it is now; nothing was changed.
    #[error("{refusal}")]
    Answered {
        /// Why.
        refusal: Box<Refusal>,
        /// The alert's version.
        version: u64,
    },
    /// A change that does not say what it was decided upon.
    #[error("say which version you saw, as {0}; nothing was changed")]
    Unversioned(&'static str),
    /// A claim that was not granted.
    #[error("not granted: {}", .reason.label().to_lowercase())]
    NotGranted {
        /// Why.
        reason: Reason,
        /// When it might be worth asking again; never, if it is left out.
        retry_after_ms: Option<i64>,
    },
    /// A claim that holds nothing, and how it ended if that is known.
    #[error("this claim holds no slot: {}", ended(*.0))]
    NotHeld(Option<End>),
    /// Whether something was changed is not known.
    #[error("the database did not answer in time: whether the change was made is not known")]
    OutcomeUnknown,
    /// Another server decides about this, at this address.
    #[error("another server decides about this pool")]
    Elsewhere(String),
    /// The database is out of reach.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// The database's disk is full.
    #[error("the database's disk is full, nothing was changed: {0}")]
    OutOfRoom(String),
    /// Anything else; the text is for the log, not for the person.
    #[error("{0}")]
    Internal(String),
}

fn ended(end: Option<End>) -> String {
    match end {
        None => "it is not known here; it was never granted, or ended before this server took over".to_owned(),
        Some(End::Released) => "it was released".to_owned(),
        Some(End::Expired) => "its lease ran out; a lease that is over cannot be renewed, claim again".to_owned(),
        Some(End::Taken) => "it was taken back".to_owned(),
        Some(End::Refused(reason)) => format!("it was refused ({reason})"),
    }
}

impl AppError {
    /// A single field that cannot be accepted.
    pub fn invalid(field: impl Into<String>, found: impl AsRef<str>, expected: impl Into<String>) -> Self {
        Self::Invalid(vec![Problem::new(field, found, expected)])
    }

    /// A range that cannot be accepted.
    pub fn range(field: &str, found: &str, error: &RangeError) -> Self {
        Self::invalid(field, found, error.to_string())
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        if error.is_out_of_room() {
            return Self::OutOfRoom(error.to_string());
        }
        if error.is_unavailable() {
            return Self::Unavailable(error.to_string());
        }
        match error {
            StoreError::Taken { .. } | StoreError::Stale { .. } => Self::Conflict(error.to_string()),
            StoreError::Invalid { field, problem } => Self::Invalid(vec![Problem::told(field, &problem)]),
            StoreError::Damaged { .. } | StoreError::Database(_) => Self::Internal(error.to_string()),
        }
    }
}

impl From<sqlx::Error> for AppError {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_not_told_twice() {
        let name = Problem::new("name", "", "has 0 characters, expected 1 to 120");
        assert_eq!(name.to_string(), "name: expected 1 to 120");
        let most = Problem::told("max_slots", "is 1, expected at least min_slots 5");
        assert_eq!(most.to_string(), "max_slots: found \"1\", expected at least min_slots 5");
        let bare = Problem::told("slots", "expected 0 to 10,000,000");
        assert_eq!((bare.found.as_str(), bare.expected.as_str()), ("", "0 to 10,000,000"));
    }
}
