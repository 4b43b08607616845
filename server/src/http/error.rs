//! RFC 9457 problems: the one table from what went wrong to what the API answers.

use super::plans::ConflictOut;
use crate::app::{AppError, Problem};
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use headroom_domain::alert::episode::Refusal;
use headroom_domain::range::rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

/// Seconds after which a caller may try again when the database is away.
pub const RETRY_AFTER_S: u64 = 5;

/// One field that cannot be accepted.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldProblem {
    /// Name of the field, parameter or column.
    pub field: String,
    /// What was found, cut to a readable length.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

/// The body of every error.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProblemBody {
    /// Which kind of problem, a stable word: `about:blank#not-found`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened this time and what to do.
    pub detail: String,
    /// Fields that cannot be accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// The nearest name there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// Why a claim was refused, from a closed list (`full`, `quota`, ...).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `unknown` if it is not known whether anything was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The present version of something that moved on since it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i32>,
    /// Of an alert: how it is now, where somebody was first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertNow>,
    /// Of reservations: what stands in the way of publishing them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<ConflictOut>,
}

/// How an alert is, for somebody whose deed does not fit it.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct AlertNow {
    /// Its version.
    pub version: u64,
    /// Who acknowledged it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acked_by: Option<String>,
    /// When, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acked_at: Option<String>,
    /// What they said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it was over, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<String>,
}

impl AlertNow {
    fn of(refusal: &Refusal, version: u64) -> Self {
        match refusal {
            Refusal::AlreadyAcknowledged(owner) => Self {
                version,
                acked_by: Some(owner.who.name.clone()),
                acked_at: Some(rfc3339(owner.at_ms)),
                note: Some(owner.note.clone()),
                ..Self::default()
            },
            Refusal::AlreadyResolved { at_ms } => Self { version, resolved_at: at_ms.map(rfc3339), ..Self::default() },
            _ => Self { version, ..Self::default() },
        }
    }
}

/// Put into an answer whose question belongs to another server: where to ask.
#[derive(Debug, Clone)]
pub struct AskedElsewhere(pub String);

/// An error of the API.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: Box<ProblemBody>,
    location: Option<String>,
    retry_after_s: u64,
    elsewhere: Option<AskedElsewhere>,
}

impl ApiError {
    /// A problem with a status, a stable word and a sentence.
    pub fn new(status: StatusCode, word: &str, detail: impl Into<String>) -> Self {
        Self {
            status,
            body: Box::new(ProblemBody {
                kind: format!("about:blank#{word}"),
                title: status.canonical_reason().unwrap_or("Error").to_owned(),
                status: status.as_u16(),
                detail: detail.into(),
                errors: Vec::new(),
                suggestion: None,
                reason: None,
                outcome: None,
                version: None,
                alert: None,
                conflicts: Vec::new(),
            }),
            location: None,
            retry_after_s: RETRY_AFTER_S,
            elsewhere: None,
        }
    }

    /// Fields that cannot be accepted.
    pub fn invalid(problems: &[Problem]) -> Self {
        let detail = match problems {
            [one] => one.to_string(),
            many => format!("{} fields cannot be accepted; nothing was changed", many.len()),
        };
        let mut error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail);
        error.body.errors = problems
            .iter()
            .map(|p| FieldProblem { field: p.field.clone(), found: p.found.clone(), expected: p.expected.clone() })
            .collect();
        error
    }

    /// The body alone, for an answer about several things.
    pub fn into_body(self) -> ProblemBody {
        *self.body
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        match error {
            AppError::NotFound { ref suggestion, .. } => {
                let suggestion = suggestion.clone();
                let detail =
                    suggestion.as_ref().map_or_else(|| error.to_string(), |s| format!("{error}; did you mean {s:?}?"));
                let mut api = Self::new(StatusCode::NOT_FOUND, "not-found", detail);
                api.body.suggestion = suggestion;
                api
            }
            AppError::Moved { what, ref to, .. } => {
                let mut api = Self::new(StatusCode::PERMANENT_REDIRECT, "moved", error.to_string());
                api.location = Some(format!("/api/v1/{what}s/{to}"));
                api
            }
            AppError::Invalid(problems) => Self::invalid(&problems),
            AppError::SignIn => Self::new(
                StatusCode::UNAUTHORIZED,
                "sign-in",
                "send an API token as `Authorization: Bearer TOKEN`, or sign in; nothing was changed",
            ),
            AppError::BadToken => Self::new(StatusCode::UNAUTHORIZED, "token", error.to_string()),
            AppError::Unproven => Self::new(StatusCode::FORBIDDEN, "csrf", error.to_string()),
            AppError::Forbidden { .. } => Self::new(StatusCode::FORBIDDEN, "forbidden", error.to_string()),
            AppError::TooMany { retry_after_s } => {
                Self { retry_after_s, ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", error.to_string()) }
            }
            AppError::NotGranted { reason, retry_after_ms } => {
                let detail = match retry_after_ms {
                    Some(_) => format!("{}; nothing was claimed", reason.label()),
                    None => format!("{}, now and later; nothing was claimed", reason.label()),
                };
                let mut api = Self::new(StatusCode::TOO_MANY_REQUESTS, "not-granted", detail);
                api.body.reason = Some(reason.to_string());
                // What never helps is not worth asking for soon.
                let wait_ms = retry_after_ms.unwrap_or(3_600_000).max(1).unsigned_abs();
                Self { retry_after_s: wait_ms.div_ceil(1_000), ..api }
            }
            AppError::NotHeld(_) => Self::new(StatusCode::CONFLICT, "not-held", error.to_string()),
            AppError::OutcomeUnknown => {
                let detail = "whether the change was made is not known; ask again with the same idempotency key, or look at the claim";
                let mut api = Self::new(StatusCode::SERVICE_UNAVAILABLE, "outcome-unknown", detail);
                api.body.outcome = Some("unknown".to_owned());
                Self { retry_after_s: 1, ..api }
            }
            AppError::Elsewhere(url) => {
                let detail =
                    "another server decides about this pool and is not reached; nothing was changed, try again shortly";
                let api = Self::new(StatusCode::SERVICE_UNAVAILABLE, "elsewhere", detail);
                Self { elsewhere: Some(AskedElsewhere(url)), retry_after_s: 1, ..api }
            }
            AppError::Answered { refusal, version } => {
                let field = match *refusal {
                    Refusal::Note { .. } => Some(("note", "a note of 1 to 2,000 characters")),
                    Refusal::Snooze { .. } => Some(("until", "an instant after now and within the longest time")),
                    _ => None,
                };
                if let Some((field, expected)) = field {
                    return AppError::invalid(field, "", format!("{expected}: {refusal}")).into();
                }
                let mut api = Self::new(StatusCode::CONFLICT, refusal.code(), refusal.to_string());
                api.body.reason = Some(refusal.code().to_owned());
                api.body.alert = Some(AlertNow::of(&refusal, version));
                api
            }
            AppError::Unversioned(_) => {
                Self::new(StatusCode::PRECONDITION_REQUIRED, "precondition-required", error.to_string())
            }
            AppError::Planned(conflicts) => {
                let problems: Vec<Problem> =
                    conflicts.iter().filter(|conflict| conflict.field.is_some()).map(Problem::from).collect();
                // What lacks room is right in itself, and only does not fit what is there.
                let mut api = if problems.len() == conflicts.len() {
                    Self::invalid(&problems)
                } else {
                    let says: Vec<&str> = conflicts.iter().map(|conflict| conflict.says.as_str()).collect();
                    Self::new(
                        StatusCode::CONFLICT,
                        "plan-conflict",
                        format!("{}; nothing was published", says.join("; ")),
                    )
                };
                api.body.conflicts = conflicts.iter().map(ConflictOut::from).collect();
                api
            }
            AppError::Stale { now, .. } => {
                let mut api = Self::new(StatusCode::CONFLICT, "stale", error.to_string());
                api.body.version = Some(now);
                api
            }
            AppError::Conflict(text) => Self::new(StatusCode::CONFLICT, "conflict", text),
            AppError::Unavailable(text) => {
                tracing::warn!(error = %text, "the database does not answer");
                let detail = "the database does not answer; nothing was changed, try again shortly";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "database-unavailable", detail)
            }
            AppError::OutOfRoom(text) => {
                tracing::error!(error = %text, "the database's disk is full");
                let detail = "the database's disk is full; nothing was changed, try again when there is room";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "out-of-room", detail)
            }
            AppError::Internal(text) => {
                let id = crate::clock::nonce();
                tracing::error!(error = %text, %id, "request failed");
                let detail = format!("this could not be answered; the log has the cause under {id}");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, super::extract::Json(self.body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE || self.status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(RETRY_AFTER, HeaderValue::from(self.retry_after_s));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(elsewhere) = self.elsewhere {
            response.extensions_mut().insert(elsewhere);
        }
        let headers = response.headers_mut();
        if let Some(location) = self.location.and_then(|l| HeaderValue::try_from(l).ok()) {
            headers.insert(LOCATION, location);
        }
        response
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let status = match rejection.status() {
            // A body of the wrong shape is a body that cannot be accepted, whatever the library calls it.
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::UNPROCESSABLE_ENTITY,
            other => other,
        };
        Self::new(status, "body", rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "path", rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "query", rejection.body_text())
    }
}

impl From<axum_extra::extract::QueryRejection> for ApiError {
    fn from(rejection: axum_extra::extract::QueryRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "query", rejection.to_string())
    }
}
