//! Claims of slots over the API.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path, Query, given};
use crate::allocator::{Standing, TraceContext};
use crate::app::claims::{Claimed, Wanted};
use crate::app::slots::HeldWanted;
use crate::app::{App, AppError};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use headroom_domain::allocation::{End, NoticeKind, Report};
use headroom_domain::lease::Outcome;
use headroom_domain::range::rfc3339;
use headroom_store::slot::{self, HeldClaim};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Most operations of one batch.
pub const MAX_BATCH: usize = 1_000;

/// What a claim asks for.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimIn {
    /// The tenant's slug.
    pub tenant: String,
    /// Slots, all or none; one if it is left out.
    #[schema(minimum = 1, maximum = 10_000)]
    pub slots: Option<i64>,
    /// Time to live of the lease, milliseconds; the pool's usual one if it is left out.
    #[schema(minimum = 1_000, maximum = 2_592_000_000_i64)]
    pub ttl_ms: Option<i64>,
    /// How long the claim may wait if there is no room now, milliseconds; not at all if it is left out.
    #[schema(minimum = 0, maximum = 600_000)]
    pub wait_ms: Option<i64>,
    /// Who will hold the slots, such as a process; beats are told by this name.
    #[schema(min_length = 1, max_length = 120)]
    pub holder: Option<String>,
    /// The holder's generation: a later one ends what an earlier one holds.
    #[schema(minimum = 0)]
    pub generation: Option<i64>,
    /// 0 to 9, higher first; the tenant's if it is left out.
    #[schema(minimum = 0, maximum = 9)]
    pub priority: Option<i64>,
    /// A preference for the slot that was last claimed with the same word.
    #[schema(min_length = 1, max_length = 120)]
    pub affinity: Option<String>,
    /// Where the work runs.
    #[schema(min_length = 1, max_length = 120)]
    pub node: Option<String>,
    /// Only slots of this shard of data.
    #[schema(minimum = 0, maximum = 65_535)]
    pub shard: Option<i64>,
    /// For rate limits: the user on whose behalf.
    #[schema(min_length = 1, max_length = 120)]
    pub user: Option<String>,
    /// For rate limits: the address on whose behalf; the caller's own if it is left out.
    #[schema(min_length = 1, max_length = 120)]
    pub address: Option<String>,
    /// For rate limits: the region on whose behalf.
    #[schema(min_length = 1, max_length = 120)]
    pub region: Option<String>,
    /// For rate limits: the endpoint on whose behalf.
    #[schema(min_length = 1, max_length = 120)]
    pub endpoint: Option<String>,
}

impl ClaimIn {
    fn wanted(self, key: Option<String>, trace: Option<TraceContext>) -> Wanted {
        Wanted {
            tenant: self.tenant,
            slots: self.slots,
            ttl_ms: self.ttl_ms,
            wait_ms: self.wait_ms,
            holder: self.holder,
            generation: self.generation,
            priority: self.priority,
            affinity: self.affinity,
            node: self.node,
            shard: self.shard,
            user: self.user,
            address: self.address,
            region: self.region,
            endpoint: self.endpoint,
            key,
            trace,
            at_once: false,
        }
    }
}

/// What a holder says about its work.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportIn {
    /// `ok`, `failed` or `cancelled`.
    pub outcome: Option<String>,
    /// Milliseconds of work.
    #[schema(minimum = 0, maximum = 2_147_483_647)]
    pub work_ms: Option<i64>,
    /// Where it ran.
    #[schema(min_length = 1, max_length = 120)]
    pub node: Option<String>,
    /// On which shard.
    #[schema(minimum = 0, maximum = 65_535)]
    pub shard: Option<i32>,
    /// For which cohort.
    #[schema(min_length = 1, max_length = 120)]
    pub cohort: Option<String>,
}

fn report(given: Option<ReportIn>) -> Result<Report, AppError> {
    let Some(given) = given else { return Ok(Report::default()) };
    let outcome = given
        .outcome
        .map(|word| word.parse::<Outcome>().map_err(|expected| AppError::invalid("outcome", &word, expected)));
    Ok(Report {
        outcome: outcome.transpose()?,
        work_ms: given.work_ms,
        node: given.node,
        shard: given.shard,
        cohort: given.cohort,
    })
}

/// More time.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewIn {
    /// Time to live from now, milliseconds; the pool's usual one if it is left out.
    #[schema(minimum = 1_000, maximum = 2_592_000_000_i64)]
    pub ttl_ms: Option<i64>,
    /// What the holder says about its work so far.
    pub report: Option<ReportIn>,
}

/// An end.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseIn {
    /// What the holder says about its work.
    pub report: Option<ReportIn>,
}

/// A slot and its fence.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FencedOut {
    /// Number in the pool, from 1.
    pub slot: u32,
    /// Grows with each claim and each end of one: what the slot protects refuses a lower one.
    pub fence: i64,
}

/// What a holder is asked to do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NoticeOut {
    /// `preempt` or `drain`.
    pub kind: &'static str,
    /// After so many milliseconds the slots are taken.
    pub in_ms: i64,
}

/// A claim.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ClaimOut {
    /// Its id.
    pub claim: Uuid,
    /// `granted`, `queued`, `rejected` or `ended`.
    pub state: &'static str,
    /// The pool's slug.
    pub pool: String,
    /// The tenant's slug; empty where it is not known any more.
    pub tenant: String,
    /// Who holds it.
    pub holder: String,
    /// 0 to 9.
    pub priority: u8,
    /// Its slots, if it has any.
    pub slots: Vec<FencedOut>,
    /// What is left of the lease, milliseconds. Count it from before you asked.
    pub remaining_ms: Option<i64>,
    /// No renewal reaches beyond, milliseconds from now; null without a longest hold.
    pub ends_in_ms: Option<i64>,
    /// How long it waited, milliseconds.
    pub waited_ms: i64,
    /// Its place in the queue, from 1, if it waits.
    pub position: Option<usize>,
    /// How long it may wait yet, if it waits.
    pub remaining_wait_ms: Option<i64>,
    /// What the holder is asked to do.
    pub notice: Option<NoticeOut>,
    /// How it ended, if it did: `released`, `expired`, `taken` or `refused`.
    pub end: Option<&'static str>,
    /// Why it was refused, if it was: a word of the closed list of refusals.
    pub reason: Option<&'static str>,
}

fn out(pool: &str, claimed: Claimed) -> ClaimOut {
    let Claimed { view, tenant } = claimed;
    let end = match view.standing {
        Standing::Ended(End::Released) => Some("released"),
        Standing::Ended(End::Expired) => Some("expired"),
        Standing::Ended(End::Taken) => Some("taken"),
        Standing::Ended(End::Refused(_)) => Some("refused"),
        Standing::Granted | Standing::Queued => None,
    };
    let reason = match view.standing {
        Standing::Ended(End::Refused(reason)) => Some(reason.as_str()),
        _ => None,
    };
    ClaimOut {
        claim: view.claim,
        state: match view.standing {
            Standing::Granted => "granted",
            Standing::Queued => "queued",
            Standing::Ended(End::Refused(_)) => "rejected",
            Standing::Ended(_) => "ended",
        },
        pool: pool.to_owned(),
        tenant,
        holder: view.holder,
        priority: view.priority,
        slots: view.slots.into_iter().map(|held| FencedOut { slot: held.slot, fence: held.fence }).collect(),
        remaining_ms: view.remaining_ms,
        ends_in_ms: view.ends_in_ms,
        waited_ms: view.waited_ms,
        position: view.position,
        remaining_wait_ms: view.remaining_wait_ms,
        notice: view.notice.map(|(kind, in_ms)| NoticeOut {
            kind: match kind {
                NoticeKind::Preempt => "preempt",
                NoticeKind::Drain => "drain",
            },
            in_ms,
        }),
        end,
        reason,
    }
}

/// What a W3C `traceparent` header says (version 00, and later ones as far as they say the same); anything else is no trace.
fn trace_of(headers: &HeaderMap) -> Option<TraceContext> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let ends = version != "00" || parts.next().is_none();
    let [first] = bytes::<1>(version)?;
    let (trace, parent, [flags]) = (bytes::<16>(trace)?, bytes::<8>(parent)?, bytes::<1>(flags)?);
    let is_whole = ends && first != 0xff && trace != [0; 16] && parent != [0; 8];
    is_whole.then_some(TraceContext { trace, parent, sampled: flags & 1 == 1 })
}

/// Bytes that are written as lower-case hexadecimal digits.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; N];
    (is_hex && text.len() == 2 * N).then_some(())?;
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(bytes)
}

fn key_of(headers: &HeaderMap) -> Result<Option<String>, AppError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().map_err(|_| AppError::invalid("idempotency-key", "", "visible ASCII characters"))?;
    Ok(Some(text.to_owned()))
}

fn claim_id(text: &str) -> Result<Uuid, AppError> {
    text.parse().map_err(|_| AppError::NotFound { what: "claim", slug: text.to_owned(), suggestion: None })
}

/// Claims slots, all or none. A claim that may wait is answered when it is decided, or after ten seconds with 202: look at it
/// under its address then.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/claims", tag = "claims", request_body = ClaimIn,
    params(("pool" = String, Path, description = "slug", example = "ingress-eu"),
           ("Idempotency-Key" = Option<String>, Header, description = "the same claim asked for again has the same key, 1 to 200 characters")),
    responses((status = 201, body = ClaimOut), (status = 202, body = ClaimOut), (status = 200, body = ClaimOut, description = "asked for before under this key"),
        (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody), (status = 429, body = ProblemBody, description = "refused; `reason` says why"),
        (status = 503, body = ProblemBody, description = "not reached; with `outcome: unknown` it is not known whether slots were claimed")))]
pub async fn create(
    app: App,
    Path(pool): Path<String>,
    headers: HeaderMap,
    Json(body): Json<ClaimIn>,
) -> Result<Response, ApiError> {
    let wanted = body.wanted(key_of(&headers)?, trace_of(&headers));
    let claimed = app.claim(&pool, &wanted).await?;
    let out = out(&pool, claimed);
    let status = status_of(&out);
    let address = format!("/api/v1/pools/{pool}/claims/{}", out.claim);
    let mut response = (status, Json(out)).into_response();
    if let Ok(address) = HeaderValue::try_from(address) {
        response.headers_mut().insert(LOCATION, address);
    }
    Ok(response)
}

/// The status of the answer to a claim.
fn status_of(claim: &ClaimOut) -> StatusCode {
    match claim.state {
        "granted" => StatusCode::CREATED,
        "queued" => StatusCode::ACCEPTED,
        _ => StatusCode::OK,
    }
}

/// How long to wait for a decision.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Patience {
    /// Milliseconds; not at all if it is left out.
    #[param(minimum = 0, maximum = 10_000)]
    #[serde(default, deserialize_with = "given")]
    wait_ms: Option<i64>,
}

/// Which claims are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HeldParams {
    /// Of the tenant with this slug only.
    #[serde(default, deserialize_with = "given")]
    tenant: Option<String>,
    /// Of this holder only.
    #[serde(default, deserialize_with = "given")]
    holder: Option<String>,
    /// At most so many; 1,000 if it is left out.
    #[param(minimum = 1, maximum = 1_000)]
    #[serde(default, deserialize_with = "given")]
    limit: Option<i64>,
}

/// A claim that holds slots.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeldOut {
    /// Its id.
    pub claim: Uuid,
    /// The tenant's slug.
    pub tenant: String,
    /// Who holds it.
    pub holder: String,
    /// 0 to 9.
    pub priority: i16,
    /// Its slots, by number.
    pub slots: Vec<FencedOut>,
    /// For how long it has held them, milliseconds.
    pub held_ms: i64,
    /// What is left of the lease, milliseconds; below 0 it is over and about to be taken back.
    pub remaining_ms: i64,
    /// No renewal reaches beyond, milliseconds from now; null without a longest hold.
    pub ends_in_ms: Option<i64>,
}

/// Claims that hold slots.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeldListOut {
    /// When this was true, RFC 3339.
    pub at: String,
    /// Longest held first.
    pub claims: Vec<HeldOut>,
}

/// The claims that hold slots of a pool, longest first. Claims that wait are known to their owner only: ask for each by its id.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/claims", tag = "claims",
    params(("pool" = String, Path, description = "slug", example = "ingress-eu"), HeldParams),
    responses((status = 200, body = HeldListOut), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn list(
    app: App,
    Path(pool): Path<String>,
    Query(params): Query<HeldParams>,
) -> Result<Json<HeldListOut>, ApiError> {
    let wanted = HeldWanted { tenant: params.tenant, holder: params.holder, limit: params.limit };
    let (claims, now) = app.held_claims(&pool, &wanted).await?;
    let one = |held: HeldClaim| HeldOut {
        claim: held.claim,
        tenant: held.tenant.unwrap_or_default(),
        holder: held.holder.unwrap_or_default(),
        priority: held.priority.unwrap_or_default(),
        slots: (held.slots.iter().zip(&held.fences))
            .map(|(key, fence)| FencedOut { slot: slot::parts(*key).1, fence: *fence })
            .collect(),
        held_ms: now - held.claimed_at.timestamp_millis(),
        remaining_ms: held.expires_at.timestamp_millis() - now,
        ends_in_ms: held.ends_at.map(|at| (at.timestamp_millis() - now).max(0)),
    };
    Ok(Json(HeldListOut { at: rfc3339(now), claims: claims.into_iter().map(one).collect() }))
}

/// One claim.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/claims/{claim}", tag = "claims",
    params(("pool" = String, Path, description = "slug", example = "ingress-eu"), ("claim" = String, Path, description = "id"), Patience),
    responses((status = 200, body = ClaimOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn get(
    app: App,
    Path((pool, claim)): Path<(String, String)>,
    Query(patience): Query<Patience>,
) -> Result<Json<ClaimOut>, ApiError> {
    let found = app.claim_state(&pool, claim_id(&claim)?, patience.wait_ms.unwrap_or_default()).await;
    match found {
        Ok(claimed) => Ok(Json(out(&pool, claimed))),
        Err(AppError::NotHeld(None)) => Err(AppError::NotFound { what: "claim", slug: claim, suggestion: None }.into()),
        Err(error) => Err(error.into()),
    }
}

/// Extends a lease. One that is over is not raised from the dead: 409.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/claims/{claim}/renew", tag = "claims", request_body = RenewIn,
    params(("pool" = String, Path, description = "slug", example = "ingress-eu"), ("claim" = String, Path, description = "id")),
    responses((status = 200, body = ClaimOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody, description = "it holds nothing any more"), (status = 422, body = ProblemBody)))]
pub async fn renew(
    app: App,
    Path((pool, claim)): Path<(String, String)>,
    Json(body): Json<RenewIn>,
) -> Result<Json<ClaimOut>, ApiError> {
    let claimed = app.renew_claim(&pool, claim_id(&claim)?, body.ttl_ms, report(body.report)?).await?;
    Ok(Json(out(&pool, claimed)))
}

/// Gives slots back. Doing it twice is no error.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/claims/{claim}/release", tag = "claims", request_body = ReleaseIn,
    params(("pool" = String, Path, description = "slug", example = "ingress-eu"), ("claim" = String, Path, description = "id")),
    responses((status = 200, body = ClaimOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody, description = "it was taken away before"), (status = 422, body = ProblemBody)))]
pub async fn release(
    app: App,
    Path((pool, claim)): Path<(String, String)>,
    Json(body): Json<ReleaseIn>,
) -> Result<Json<ClaimOut>, ApiError> {
    let claimed = app.release_claim(&pool, claim_id(&claim)?, report(body.report)?).await?;
    Ok(Json(out(&pool, claimed)))
}

/// Acknowledges a notice: the work is safe, and the slots go at once.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/claims/{claim}/checkpoint", tag = "claims",
    params(("pool" = String, Path, description = "slug", example = "ingress-eu"), ("claim" = String, Path, description = "id")),
    responses((status = 200, body = ClaimOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody, description = "nobody asked, or it holds nothing any more")))]
pub async fn checkpoint(app: App, Path((pool, claim)): Path<(String, String)>) -> Result<Json<ClaimOut>, ApiError> {
    let claimed = app.checkpoint_claim(&pool, claim_id(&claim)?).await?;
    Ok(Json(out(&pool, claimed)))
}

/// One operation of a batch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Operation {
    /// Claims slots; the fields of a claim, and `key` for what the header says otherwise.
    Claim {
        /// What is claimed.
        claim: ClaimIn,
        /// The same claim asked for again has the same key.
        #[schema(min_length = 1, max_length = 200)]
        key: Option<String>,
    },
    /// Extends a lease.
    Renew {
        /// Which.
        claim: Uuid,
        /// Time to live from now, milliseconds.
        #[schema(minimum = 1_000, maximum = 2_592_000_000_i64)]
        ttl_ms: Option<i64>,
        /// What the holder says about its work so far.
        report: Option<ReportIn>,
    },
    /// Gives slots back.
    Release {
        /// Which.
        claim: Uuid,
        /// What the holder says about its work.
        report: Option<ReportIn>,
    },
}

/// Operations on one pool, each on its own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchIn {
    /// At most 1,000.
    #[schema(max_items = 1_000)]
    pub operations: Vec<Operation>,
}

/// What became of one operation.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResultOut {
    /// The status that the operation would have had alone.
    pub status: u16,
    /// The claim, if it was done.
    pub claim: Option<ClaimOut>,
    /// What was wrong, if it was not.
    pub problem: Option<ProblemBody>,
}

/// What became of the operations, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchOut {
    /// One for each operation.
    pub results: Vec<ResultOut>,
}

/// Several operations at once: each is done or refused on its own, together they share a commit. A claim that
/// must wait is answered at once, with 202: look at it under its address then.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/claims/batch", tag = "claims", request_body = BatchIn,
    params(("pool" = String, Path, description = "slug", example = "ingress-eu")),
    responses((status = 200, body = BatchOut), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn batch(
    app: App,
    Path(pool): Path<String>,
    headers: HeaderMap,
    Json(body): Json<BatchIn>,
) -> Result<Json<BatchOut>, ApiError> {
    if body.operations.len() > MAX_BATCH {
        let found = body.operations.len().to_string();
        return Err(AppError::invalid("operations", found, format!("at most {MAX_BATCH} operations")).into());
    }
    let trace = trace_of(&headers);
    let one = |operation: Operation| {
        let (app, pool) = (app.clone(), pool.clone());
        async move {
            match operation {
                Operation::Claim { claim, key } => {
                    let wanted = Wanted { at_once: true, ..claim.wanted(key, trace) };
                    Ok((true, app.claim(&pool, &wanted).await?))
                }
                Operation::Renew { claim, ttl_ms, report: given } => {
                    Ok((false, app.renew_claim(&pool, claim, ttl_ms, report(given)?).await?))
                }
                Operation::Release { claim, report: given } => {
                    Ok((false, app.release_claim(&pool, claim, report(given)?).await?))
                }
            }
        }
    };
    let results = futures::future::join_all(body.operations.into_iter().map(one)).await;
    // Another server is asked only if nothing was done here, or may have been: what was done is not done twice. What is wrong in
    // itself is refused there as here.
    let elsewhere: Vec<&String> = results
        .iter()
        .filter_map(|result| match result {
            Err(AppError::Elsewhere(url)) => Some(url),
            _ => None,
        })
        .collect();
    let is_untouched = results.iter().all(|result| !matches!(result, Ok(_) | Err(AppError::OutcomeUnknown)));
    if let Some(url) = elsewhere.first().filter(|_| is_untouched) {
        return Err(AppError::Elsewhere((*url).clone()).into());
    }
    let results = results.into_iter().map(|result| match result {
        Ok((is_new, claimed)) => {
            let claim = out(&pool, claimed);
            let status = if is_new { status_of(&claim) } else { StatusCode::OK };
            ResultOut { status: status.as_u16(), claim: Some(claim), problem: None }
        }
        Err(error) => {
            let error = ApiError::from(error);
            ResultOut { status: error.status().as_u16(), claim: None, problem: Some(error.into_body()) }
        }
    });
    Ok(Json(BatchOut { results: results.collect() }))
}

/// A holder's beat.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BeatIn {
    /// The holder, as claims name it.
    #[schema(min_length = 1, max_length = 120)]
    pub holder: String,
    /// Its generation.
    #[serde(default)]
    #[schema(minimum = 0)]
    pub generation: i64,
}

/// Beats of one or more holders.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BeatsIn {
    /// At most 10,000.
    #[schema(max_items = 10_000)]
    pub beats: Vec<BeatIn>,
}

/// A holder that has been replaced.
#[derive(Debug, Serialize, ToSchema)]
pub struct SupersededOut {
    /// The holder.
    pub holder: String,
    /// Its present generation: an earlier one must end.
    pub generation: u64,
}

/// What became of the beats.
#[derive(Debug, Serialize, ToSchema)]
pub struct BeatsOut {
    /// How many were taken.
    pub accepted: usize,
    /// Whose were not.
    pub superseded: Vec<SupersededOut>,
}

/// Says that holders are alive.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/heartbeats", tag = "claims", request_body = BeatsIn,
    params(("pool" = String, Path, description = "slug", example = "ingress-eu")),
    responses((status = 200, body = BeatsOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn heartbeats(
    app: App,
    Path(pool): Path<String>,
    Json(body): Json<BeatsIn>,
) -> Result<Json<BeatsOut>, ApiError> {
    let beats = body.beats.into_iter().map(|beat| (beat.holder, beat.generation)).collect();
    let (accepted, superseded) = app.beat(&pool, beats).await?;
    let superseded = superseded.into_iter().map(|(holder, generation)| SupersededOut { holder, generation }).collect();
    Ok(Json(BeatsOut { accepted, superseded }))
}

/// A fence to be verified.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FenceIn {
    /// The pool's slug.
    pub pool: String,
    /// The slot's number.
    pub slot: i64,
    /// The fence that a holder shows.
    pub fence: i64,
}

/// A fence that is valid.
#[derive(Debug, Serialize, ToSchema)]
pub struct FenceOut {
    /// True.
    pub valid: bool,
    /// What is left of the lease, milliseconds.
    pub remaining_ms: i64,
}

/// Whether a holder's fence is the present one of its slot: what a resource asks before it lets the holder write.
#[utoipa::path(post, path = "/api/v1/fences/verify", tag = "claims", request_body = FenceIn,
    responses((status = 200, body = FenceOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody, description = "an old fence, or a lease that is over"), (status = 422, body = ProblemBody)))]
pub async fn verify(app: App, Json(body): Json<FenceIn>) -> Result<Json<FenceOut>, ApiError> {
    match app.verify_fence(&body.pool, body.slot, body.fence).await? {
        Some(remaining_ms) => Ok(Json(FenceOut { valid: true, remaining_ms })),
        None => {
            let detail = format!(
                "fence {} of slot {} in {} is not valid: the lease is over or belongs to somebody else; refuse the write",
                body.fence, body.slot, body.pool
            );
            Err(ApiError::new(StatusCode::CONFLICT, "stale-fence", detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_taken_from_a_whole_header_only() {
        let trace = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", HeaderValue::from_static(text));
            trace_of(&headers)
        };
        let whole = trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        assert_eq!(whole.map(|c| (c.trace[0], c.parent[7], c.sampled)), Some((0x4b, 0xb7, true)));
        let later = trace("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more");
        assert_eq!(later.map(|c| c.sampled), Some(false));
        for wrong in [
            "",
            "00",
            "00-4bf9-00-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-zzf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert_eq!(trace(wrong), None, "{wrong:?}");
        }
    }
}
