//! What can come of a call, by what the caller should do about it.

use serde::Deserialize;
use std::fmt;
use std::time::Duration;

/// Result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call did not do what it was to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The pool does not give the slots now. Nothing was claimed.
    #[error("refused ({reason}): {detail}")]
    Refused {
        /// Why, from a closed list: `full`, `reserved`, `reclaiming`, `quota`, `ceiling`, `borrowing-limit`,
        /// `more-than-pool`, `queue-full`, `waited-too-long`, `held`, `draining`, `breaker-open`, `rate-limit`, `overloaded`.
        reason: String,
        /// When it might be worth asking again.
        retry_after: Duration,
        /// The same in a sentence.
        detail: String,
    },
    /// The caller did not want to wait any longer, and left the queue.
    #[error("given up while waiting")]
    GivenUp,
    /// The claim holds nothing any more: stop writing.
    #[error("the lease is lost: {0}")]
    Lost(String),
    /// No answer came, or one that says so: it is not known whether anything was done. What was claimed comes back when its
    /// lease ends.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
    /// The token is not known, or may not do this.
    #[error("not allowed: {0}")]
    Unauthorised(String),
    /// The request makes no sense to the server, which says why.
    #[error("{0}")]
    Invalid(Box<Problem>),
    /// The server cannot do it now. Nothing was done.
    #[error("nothing was done: {detail}")]
    Unavailable {
        /// When it might be worth asking again.
        retry_after: Duration,
        /// What is the matter.
        detail: String,
    },
    /// There is no connection to the server. Nothing was done.
    #[error("the server is not reached: {0}")]
    Unreachable(String),
}

/// RFC 9457 problem of a request that was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// Which kind: `about:blank#not-found`.
    #[serde(rename = "type")]
    pub kind: String,
    /// HTTP status.
    pub status: u16,
    /// What happened and what to do.
    pub detail: String,
    /// Fields that cannot be accepted.
    pub errors: Vec<FieldProblem>,
    /// Why a claim was refused.
    pub reason: Option<String>,
    /// `unknown` if it is not known whether anything was done.
    pub outcome: Option<String>,
}

/// A field that cannot be accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct FieldProblem {
    /// Its name.
    pub field: String,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        // A single field is named in the detail already.
        if self.errors.len() > 1 {
            for error in &self.errors {
                write!(f, "; {}: found {:?}, expected {}", error.field, error.found, error.expected)?;
            }
        }
        Ok(())
    }
}

/// Kinds of 503 in which the server knows that nothing was done.
const NOTHING_DONE: [&str; 3] = ["database-unavailable", "elsewhere", "out-of-room"];
/// When to come back if the server does not say.
const USUAL_RETRY: Duration = Duration::from_secs(1);
/// The beginning of an answer that is no problem document is shown up to this many characters.
const SHOWN: usize = 200;

impl Error {
    /// What an answer with a status that is no success means.
    pub(crate) fn of(status: u16, retry_after: Option<Duration>, body: &str) -> Self {
        let problem = serde_json::from_str::<Problem>(body).unwrap_or_else(|_| {
            let shown: String = body.chars().take(SHOWN).collect();
            Problem { status, detail: format!("the server answered {status}: {shown}"), ..Problem::default() }
        });
        let word = problem.kind.rsplit('#').next().unwrap_or_default();
        let retry_after = retry_after.unwrap_or(USUAL_RETRY);
        match status {
            401 | 403 => Self::Unauthorised(problem.detail),
            409 if word == "not-held" => Self::Lost(problem.detail),
            429 => match problem.reason {
                Some(reason) => Self::Refused { reason, retry_after, detail: problem.detail },
                None => Self::Unavailable { retry_after, detail: problem.detail },
            },
            503 if NOTHING_DONE.contains(&word) => Self::Unavailable { retry_after, detail: problem.detail },
            500.. => Self::Unknown(problem.detail),
            _ => Self::Invalid(Box::new(problem)),
        }
    }

    /// What a request without a whole answer means.
    pub(crate) fn without_answer(error: &reqwest::Error) -> Self {
        let text = deepest(error);
        if error.is_builder() {
            let problem = Problem { detail: format!("this is no request: {text}"), ..Problem::default() };
            return Self::Invalid(Box::new(problem));
        }
        // Without a connection nothing was asked; with one, something may have been done.
        if error.is_connect() { Self::Unreachable(text) } else { Self::Unknown(text) }
    }

    /// Whether the same may be asked again with some hope, and after how long at the earliest.
    pub(crate) fn again_after(&self) -> Option<Duration> {
        match self {
            Self::Unknown(_) | Self::Unreachable(_) => Some(Duration::ZERO),
            Self::Unavailable { retry_after, .. } => Some(*retry_after),
            Self::Refused { .. } | Self::GivenUp | Self::Lost(_) | Self::Unauthorised(_) | Self::Invalid(_) => None,
        }
    }
}

/// The error and what is behind it: the last cause is the one that says something.
fn deepest(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let (whole, last) = (error.to_string(), cause.to_string());
    if whole.contains(&last) { whole } else { format!("{whole}: {last}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_understood_by_what_to_do_about_it() {
        let of = |status, body: &str| Error::of(status, Some(Duration::from_secs(3)), body);
        let refused = of(429, r#"{"type":"about:blank#not-granted","detail":"full","reason":"full"}"#);
        assert!(matches!(refused, Error::Refused { ref reason, .. } if reason == "full"));
        assert!(matches!(of(429, r#"{"detail":"too many requests"}"#), Error::Unavailable { .. }));
        assert!(matches!(of(409, r#"{"type":"about:blank#not-held","detail":"over"}"#), Error::Lost(_)));
        assert!(matches!(of(409, r#"{"type":"about:blank#conflict","detail":"metered"}"#), Error::Invalid(_)));
        assert!(matches!(of(503, r#"{"type":"about:blank#elsewhere"}"#), Error::Unavailable { .. }));
        for unknown in [
            r#"{"type":"about:blank#outcome-unknown","outcome":"unknown"}"#,
            r#"{"type":"about:blank#deadline"}"#,
            "<html>",
        ] {
            assert!(matches!(of(503, unknown), Error::Unknown(_)), "{unknown}");
        }
        assert!(matches!(of(502, "bad gateway"), Error::Unknown(_)));
        assert!(matches!(of(401, ""), Error::Unauthorised(_)));
        assert!(matches!(of(422, "{}"), Error::Invalid(_)));
    }

    #[test]
    fn only_what_may_have_been_lost_on_the_way_is_asked_again() {
        assert_eq!(Error::Unknown(String::new()).again_after(), Some(Duration::ZERO));
        assert_eq!(Error::Lost(String::new()).again_after(), None);
        assert_eq!(Error::Invalid(Box::default()).again_after(), None);
    }
}
