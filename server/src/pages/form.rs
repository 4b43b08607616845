//! Reading posted forms: bounded text by field, and what is wrong with it.

use super::answer::form_cookie;
use crate::app::caller::Who;
use crate::app::{App, Problem};
use crate::net::Peer;
use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use headroom_domain::Millis;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::range::rfc3339;
use headroom_frontend::model::Field;

/// Longest text of one field: more than the longest runbook, so that one that is too long is refused and not cut.
const MAX_FIELD: usize = 50_000;
/// Most fields of one form: the planner's table has a box for each of 500 rows.
const MAX_FIELDS: usize = 600;

/// A posted form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Posted {
    pairs: Vec<(String, String)>,
}

impl Posted {
    /// A form of these fields.
    pub(super) fn of(pairs: Vec<(String, String)>) -> Self {
        Self { pairs }
    }

    /// A field's text, trimmed; empty if it was not sent.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.pairs.iter().find(|(k, _)| k == name).map_or("", |(_, v)| v.trim())
    }

    /// A field's text as it was typed: blanks at the ends of a password are part of it.
    pub(crate) fn raw(&self, name: &str) -> &str {
        self.pairs.iter().find(|(k, _)| k == name).map_or("", |(_, v)| v.as_str())
    }

    /// All texts of a field that may be sent several times.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.pairs.iter().filter(|(k, v)| k == name && !v.is_empty()).map(|(_, v)| v.as_str()).collect()
    }

    /// Every field with its text.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether a field was sent.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(k, _)| k == name)
    }

    /// A field for showing again, with its error.
    pub(crate) fn field(&self, name: &str, problems: &[Problem]) -> Field {
        Field { value: self.get(name).to_owned(), error: error_of(name, problems) }
    }
}

/// The sentence for a field that cannot be accepted.
pub(crate) fn error_of(name: &str, problems: &[Problem]) -> Option<String> {
    let sentences: Vec<String> = problems
        .iter()
        .filter(|p| p.field == name)
        .map(|p| {
            if p.found.is_empty() {
                format!("Expected {}.", p.expected)
            } else {
                format!("Found \u{201c}{}\u{201d}, expected {}.", p.found, p.expected)
            }
        })
        .collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

impl<S: Send + Sync> FromRequest<S> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        // A browser states where a form came from; a form of another site is not ours to take.
        if !is_from_here(request.headers(), request.uri()) {
            return Err((StatusCode::FORBIDDEN, "this form was sent from another site").into_response());
        }
        let proof = expected_proof(&request);
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let pairs = if kind.starts_with("multipart/form-data") {
            parts(request, state).await?
        } else {
            let body = Bytes::from_request(request, state)
                .await
                .map_err(|e| (e.status(), "the form is too large").into_response())?;
            let pairs = url::form_urlencoded::parse(&body).into_owned().take(MAX_FIELDS);
            pairs.map(|(k, v)| (k, v.chars().take(MAX_FIELD).filter(|c| *c != '\0').collect())).collect()
        };
        let posted = Self { pairs };
        // The proof of a page of ours: what its form carries and another site's cannot know.
        if proof.is_empty() || posted.raw("csrf") != proof {
            let text =
                "this form is older than the sign-in, or was not sent from a page of this server; load its page again";
            return Err((StatusCode::FORBIDDEN, text).into_response());
        }
        Ok(posted)
    }
}

/// A form with files. A file may be as long as a body may be; what is no text in it becomes marks that no field takes.
async fn parts<S: Send + Sync>(request: Request, state: &S) -> Result<Vec<(String, String)>, Response> {
    let mut form = Multipart::from_request(request, state).await.map_err(IntoResponse::into_response)?;
    let mut pairs = Vec::new();
    while let Some(part) = form.next_field().await.map_err(IntoResponse::into_response)? {
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part.bytes().await.map_err(IntoResponse::into_response)?;
        if pairs.len() < MAX_FIELDS {
            pairs.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(pairs)
}

/// What a form has to carry: the session's token, or before sign-in the one in the browser's cookie.
pub(super) fn expected_proof(request: &Request) -> String {
    let caller = request.extensions().get::<App>().map(App::caller);
    if let Some(Who::Person { csrf, .. }) = caller.map(|caller| &caller.who) {
        return csrf.clone();
    }
    let wanted = form_cookie(request.extensions().get::<Peer>().is_some_and(|peer| peer.is_private));
    let cookies = request.headers().get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// A browser names the site a form came from; other programs name none.
pub(super) fn is_from_here(headers: &HeaderMap, uri: &Uri) -> bool {
    let header = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    let Some(origin) = header(ORIGIN) else { return !headers.contains_key(ORIGIN) };
    // HTTP/2 names the host in the address.
    let host = uri.authority().map(Authority::as_str).or_else(|| header(HOST));
    host == Some(origin.split_once("://").map_or(origin, |(_, host)| host))
}

/// Reads a whole number with optional grouping; empty is `None`.
pub(crate) fn number(posted: &Posted, field: &str, problems: &mut Vec<Problem>) -> Option<i32> {
    let text = posted.get(field);
    if text.is_empty() {
        return None;
    }
    let digits: String = text.chars().filter(|c| !matches!(c, ',' | ' ' | '\u{202f}' | '\u{a0}')).collect();
    let found = digits.parse::<i32>().ok().filter(|n| (0..=10_000_000).contains(n));
    if found.is_none() {
        problems.push(Problem::new(field, text, "a whole number from 0 to 10,000,000"));
    }
    found
}

/// Reads a wall-clock time in the shown zone, or RFC 3339; empty is `None`. A time that a clock
/// change skips is refused with both neighbours.
pub(crate) fn wall_time(posted: &Posted, field: &str, zone: &ZoneSlice, problems: &mut Vec<Problem>) -> Option<Millis> {
    let text = posted.get(field);
    if text.is_empty() {
        return None;
    }
    if let Ok(at) = chrono::DateTime::parse_from_rfc3339(text) {
        return Some(at.timestamp_millis());
    }
    let formats = ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"];
    let Some(local) = formats.iter().find_map(|f| chrono::NaiveDateTime::parse_from_str(text, f).ok()) else {
        problems.push(Problem::new(field, text, format!("a time such as 2026-11-28 00:00 ({})", zone.name())));
        return None;
    };
    match zone.to_utc(local) {
        Ok(at) => Some(at),
        Err(jump) => {
            let (before, after) = (zone.local(jump - 60_000), zone.local(jump));
            let expected = format!(
                "a time that exists: clocks change then; {} and {} do ({})",
                before.format("%H:%M"),
                after.format("%H:%M"),
                rfc3339(jump)
            );
            problems.push(Problem::new(field, text, expected));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_another_site_is_told_by_its_origin() {
        let from = |origin: Option<&'static str>, host: Option<&'static str>, uri: &'static str| {
            let mut headers = HeaderMap::new();
            for (name, value) in [(ORIGIN, origin), (HOST, host)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            is_from_here(&headers, &Uri::from_static(uri))
        };
        assert!(from(None, Some("a.example"), "/x"), "a program names no origin");
        assert!(from(Some("https://a.example"), Some("a.example"), "/x"));
        assert!(from(Some("https://a.example"), None, "https://a.example/x"), "HTTP/2 has the host in the address");
        for (origin, host, uri) in [
            (Some("https://b.example"), Some("a.example"), "/x"),
            (Some("null"), Some("a.example"), "/x"),
            (Some("https://b.example"), None, "https://a.example/x"),
            (Some("https://a.example"), None, "/x"),
        ] {
            assert!(!from(origin, host, uri), "{origin:?} {host:?} {uri}");
        }
    }
}
