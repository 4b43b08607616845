//! Live samples come in here: batches keyed by `(source, seq)`, so that a replay changes nothing.

use super::AppState;
use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path, Query, given};
use crate::app::App;
use crate::app::AppError;
use crate::app::ingest::{Form, Receipt};
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use flate2::read::MultiGzDecoder;
use headroom_domain::range::rfc3339;
use serde::{Deserialize, Serialize};
use std::io::Read;
use utoipa::{IntoParams, ToSchema};

/// Most bytes of a body, and of what a packed body unpacks to.
pub const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
/// Most bytes of a packed body.
const MAX_PACKED_BYTES: usize = 16 * 1024 * 1024;

/// Who sends NDJSON, whose lines have no room for it.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Sender {
    /// Name of the sender, 1 to 120 characters; NDJSON only.
    #[param(max_length = 120)]
    source: Option<String>,
    /// The sender's own counter, from 0; NDJSON only.
    #[param(minimum = 0)]
    #[serde(default, deserialize_with = "given")]
    seq: Option<i64>,
    /// How long a row holds that does not say so, milliseconds; 10,000 if not stated.
    #[param(minimum = 1, maximum = 86_400_000)]
    #[serde(default, deserialize_with = "given")]
    step_ms: Option<i64>,
}

/// One row: what a pool, or one tenant in it, looked like from an instant on.
#[derive(Debug, Serialize, ToSchema)]
pub struct OccupancyRow {
    /// Slug of the pool.
    pool: String,
    /// Slug of the tenant; left out = the pool's total.
    tenant: Option<String>,
    /// When it begins to hold, RFC 3339; or `ts_s` (epoch seconds) or `ts_ms` (epoch milliseconds).
    ts: Option<String>,
    /// Epoch seconds, instead of `ts`.
    ts_s: Option<i64>,
    /// Epoch milliseconds, instead of `ts`.
    ts_ms: Option<i64>,
    /// Configured slots, 0 to 10,000,000; left out = the pool's capacity at that time.
    capacity: Option<i64>,
    /// Of these, taken out on purpose.
    planned_down: Option<i64>,
    /// Occupied slots; may exceed the capacity.
    occupied: i64,
    /// Promised slots; left out = the sum of reservations that hold at that time.
    reserved: Option<i64>,
    /// Claims waiting; kept as the extra signal `queued`.
    queued: Option<i64>,
    /// Claims made within the duration.
    claims: Option<i64>,
    /// Of these, rejected.
    rejections: Option<i64>,
    /// Of these, served after waiting.
    waited: Option<i64>,
    /// Milliseconds spent waiting.
    queue_ms: Option<i64>,
    /// P95 of the time to answer a claim, milliseconds.
    latency_p95_ms: Option<f64>,
    /// How long the row holds, milliseconds, 1 to 86,400,000.
    duration_ms: Option<i64>,
    /// Extra signals of the pool by name, at most 8 names per pool.
    signals: Option<std::collections::BTreeMap<String, f64>>,
}

/// A batch of rows.
#[derive(Debug, Serialize, ToSchema)]
pub struct OccupancyBatch {
    /// Name of the sender, 1 to 120 characters.
    #[schema(min_length = 1, max_length = 120)]
    source: String,
    /// The sender's own counter, from 0. The same number with the same content changes nothing.
    #[schema(minimum = 0)]
    seq: i64,
    /// How long a row holds that does not say so, milliseconds; 10,000 if not stated.
    #[schema(minimum = 1, maximum = 86_400_000)]
    step_ms: Option<i64>,
    /// At most 100,000 rows. Rows of one pool and time belong into one batch.
    rows: Vec<OccupancyRow>,
}

/// Send live samples.
#[utoipa::path(
    post,
    path = "/api/v1/ingest/occupancy",
    tag = "ingest",
    params(Sender),
    request_body(content((OccupancyBatch = "application/json"), (String = "application/x-ndjson"))),
    responses(
        (status = 200, description = "accepted, durable; a verdict for every row", body = Receipt),
        (status = 409, description = "the number was used for another batch", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "the body is too large", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "the body's encoding is not known", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "the batch cannot be read", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "the database is away or full, send it again", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn occupancy(
    State(state): State<AppState>,
    app: App,
    Query(sender): Query<Sender>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Receipt>, ApiError> {
    let packed = is_packed(&headers)?;
    let ndjson = is_ndjson(&headers);
    let limit = if packed { MAX_PACKED_BYTES } else { MAX_BODY_BYTES };
    let body = to_bytes(body, limit).await.map_err(|_| too_large(limit))?;
    let form = form(ndjson, sender)?;
    let body = if packed {
        // A large body takes a while to unpack; the thread that serves others must not wait for it.
        let unpacked = tokio::task::spawn_blocking(move || unpack(&body));
        unpacked.await.map_err(|e| AppError::Internal(format!("unpacking a batch: {e}")))??
    } else {
        body.into()
    };
    let receipt = app.accept_batch(form, body).await?;
    if !receipt.replayed && receipt.accepted > 0 {
        state.samples.notify_one();
    }
    if !receipt.replayed {
        metrics::counter!("headroom_ingest_rows_total", "verdict" => "accepted").increment(receipt.accepted as u64);
        metrics::counter!("headroom_ingest_rows_total", "verdict" => "rejected").increment(receipt.rejected as u64);
    }
    Ok(Json(receipt))
}

fn form(ndjson: bool, sender: Sender) -> Result<Form, ApiError> {
    if !ndjson {
        let Sender { source: None, seq: None, step_ms: None } = sender else {
            let detail = "JSON names its sender, seq and step_ms in the body; in the address they are for NDJSON";
            return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "sender", detail));
        };
        return Ok(Form::Json);
    }
    let Sender { source: Some(source), seq: Some(seq), step_ms } = sender else {
        let detail = "NDJSON has no room for its sender: state ?source=NAME&seq=NUMBER in the address";
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "sender", detail));
    };
    Ok(Form::Ndjson { source, seq, step_ms })
}

fn unpack(body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut out = Vec::new();
    let read = MultiGzDecoder::new(body).take(MAX_BODY_BYTES as u64 + 1).read_to_end(&mut out);
    match read {
        Ok(n) if n <= MAX_BODY_BYTES => Ok(out),
        Ok(_) => Err(too_large(MAX_BODY_BYTES)),
        Err(error) => {
            let detail = format!("the gzip body ends early or is damaged after {} bytes: {error}", out.len());
            Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "gzip", detail))
        }
    }
}

fn too_large(limit: usize) -> ApiError {
    let detail = format!(
        "the body is larger than {} MiB or was cut off; a batch has at most {} MiB packed with gzip, {} MiB plain; send several",
        limit >> 20,
        MAX_PACKED_BYTES >> 20,
        MAX_BODY_BYTES >> 20
    );
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
}

fn is_packed(headers: &HeaderMap) -> Result<bool, ApiError> {
    let Some(encoding) = headers.get(CONTENT_ENCODING) else { return Ok(false) };
    match encoding.as_bytes() {
        b"gzip" | b"x-gzip" => Ok(true),
        b"identity" | b"" => Ok(false),
        other => {
            let detail = format!("Content-Encoding is {:?}, expected gzip or none", String::from_utf8_lossy(other));
            Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding", detail))
        }
    }
}

fn is_ndjson(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else { return false };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"]
        .iter()
        .any(|known| kind.eq_ignore_ascii_case(known))
}

/// How far a source has come.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceState {
    /// The sender.
    source: String,
    /// The highest number accepted.
    last_seq: i64,
    /// When something was last accepted.
    last_at: Option<String>,
}

/// Ask how far a source has come, to go on from there.
#[utoipa::path(
    get,
    path = "/api/v1/ingest/sources/{source}",
    tag = "ingest",
    params(("source" = String, Path, description = "name of the sender")),
    responses(
        (status = 200, body = SourceState),
        (status = 404, description = "it has never sent", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn source(app: App, Path(source): Path<String>) -> Result<Json<SourceState>, ApiError> {
    let Some((last_seq, last_ms)) = app.last_seq(&source).await? else {
        return Err(
            AppError::NotFound { what: "source", slug: source.chars().take(120).collect(), suggestion: None }.into()
        );
    };
    Ok(Json(SourceState { source, last_seq, last_at: last_ms.map(rfc3339) }))
}
