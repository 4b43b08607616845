//! A form with a large file: its file is read as it comes, counted to its end, and kept only as far as it may be.

use super::form::{Posted, expected_proof, is_from_here};
use crate::planfile::table::MOST_BYTES;
use crate::serve::MAX_BODY;
use axum::body::to_bytes;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// The address that files are uploaded to.
pub(super) const PATH: &str = "/planner/import";
/// Most fields beside the files.
const MOST_FIELDS: usize = 20;
/// Most bytes of such a field.
const LONGEST_FIELD: usize = 4 * 1024;

/// Whether a request brings a large file, which may take a while over a slow line.
pub(crate) fn takes_long(method: &Method, uri: &Uri) -> bool {
    *method == Method::POST && uri.path() == PATH
}

/// The router's own bound on bodies is far above the limit of a file, so that what is too large can be said with its size.
pub(super) fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::disable()
}

/// Bytes of a request's body, if it says.
pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// What is said about a file of so many bytes.
pub(super) fn too_large(bytes: Option<u64>) -> String {
    let limit = MOST_BYTES >> 20;
    // Upwards: a file just above the limit is not told that it has the size of the limit.
    let size = bytes.filter(|bytes| *bytes > MOST_BYTES as u64).map(|bytes| bytes.div_ceil(1 << 20));
    match size {
        Some(size) => format!("The file is {size} MB; the limit is {limit} MB. Split it or use the API."),
        None => format!("The file is larger than the limit of {limit} MB. Split it or use the API."),
    }
}

/// A form with a file.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    /// Its other fields.
    pub posted: Posted,
    /// Name and content of the file; of what was pasted, if no file was chosen.
    pub file: Option<(String, Vec<u8>)>,
    /// Bytes of the file, if they are too many and none of it was kept.
    pub too_many: Option<u64>,
}

impl<S: Send + Sync> FromRequest<S> for Upload {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        if !is_from_here(request.headers(), request.uri()) {
            return Err((StatusCode::FORBIDDEN, "this form was sent from another site").into_response());
        }
        let proof = expected_proof(&request);
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if kind.starts_with("multipart/form-data") {
            let form = Multipart::from_request(request, state).await.map_err(IntoResponse::into_response)?;
            return parts(form, &proof).await;
        }
        let body = to_bytes(request.into_body(), MAX_BODY).await;
        let body = body.map_err(|_| (StatusCode::PAYLOAD_TOO_LARGE, "the form is too large").into_response())?;
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().take(MOST_FIELDS).collect();
        let sent = pairs.iter().find(|(name, _)| name == "csrf").map_or("", |(_, value)| value.as_str());
        if let Some(refused) = unproven(&proof, sent) {
            return Err(refused);
        }
        let pasted = pairs.iter().find(|(name, _)| name == "text").map(|(_, text)| text.clone().into_bytes());
        let file = pasted.filter(|text| !text.is_empty()).map(|text| (String::new(), text));
        let pairs = pairs.into_iter().filter(|(name, _)| name != "text").collect();
        Ok(Self { posted: Posted::of(pairs), file, too_many: None })
    }
}

/// The refusal of a form without the proof of a page of ours.
fn unproven(proof: &str, sent: &str) -> Option<Response> {
    if !proof.is_empty() && sent == proof {
        return None;
    }
    let text = "this form is older than the sign-in, or was not sent from a page of this server; load its page again";
    Some((StatusCode::FORBIDDEN, text).into_response())
}

/// Reads a form part by part. Its proof comes before its files: nothing of a form without it is kept.
async fn parts(mut form: Multipart, proof: &str) -> Result<Upload, Response> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let (mut file, mut pasted, mut too_many) = (None, None, None);
    while let Some(part) = form.next_field().await.map_err(MultipartError::into_response)? {
        let name = part.name().unwrap_or_default().to_owned();
        if name == "file" || name == "text" {
            let sent = pairs.iter().find(|(name, _)| name == "csrf").map_or("", |(_, value)| value.as_str());
            if let Some(refused) = unproven(proof, sent) {
                return Err(refused);
            }
            let called = part.file_name().unwrap_or_default().to_owned();
            let (content, bytes) = whole(part, MOST_BYTES).await?;
            if bytes > MOST_BYTES as u64 {
                too_many = Some(bytes);
            }
            let slot = if name == "file" { &mut file } else { &mut pasted };
            if !content.is_empty() {
                *slot = Some((called, content));
            }
            continue;
        }
        let (content, _) = whole(part, LONGEST_FIELD).await?;
        if pairs.len() < MOST_FIELDS {
            pairs.push((name, String::from_utf8_lossy(&content).into_owned()));
        }
    }
    let sent = pairs.iter().find(|(name, _)| name == "csrf").map_or("", |(_, value)| value.as_str());
    if let Some(refused) = unproven(proof, sent) {
        return Err(refused);
    }
    Ok(Upload { posted: Posted::of(pairs), file: file.or(pasted), too_many })
}

/// A part to its end: its content, nothing if it is longer than it may be, and how long it is.
async fn whole(mut part: Field<'_>, most: usize) -> Result<(Vec<u8>, u64), Response> {
    let (mut content, mut bytes) = (Vec::new(), 0_u64);
    while let Some(more) = part.chunk().await.map_err(MultipartError::into_response)? {
        bytes += more.len() as u64;
        if bytes > most as u64 {
            content = Vec::new();
        } else {
            content.extend_from_slice(&more);
        }
    }
    Ok((content, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_told_with_its_size() {
        assert_eq!(too_large(Some(31 << 20)), "The file is 31 MB; the limit is 20 MB. Split it or use the API.");
        assert!(too_large(Some((20 << 20) + 1)).starts_with("The file is 21 MB"));
        assert!(too_large(None).contains("limit of 20 MB"));
    }
}
