//! Plans over the API: reservations, drafts, what an edit does, and making it the plan.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path, Query, given};
use crate::app::plan::check::{Conflict, Fix};
use crate::app::plan::effect::{Basis, Effect, Missing, USUAL_WEEKS};
use crate::app::plan::publish::{Choices, Merge, Preview};
use crate::app::plan::{Entry, PlanView};
use crate::app::{App, AppError, Problem};
use crate::planfile::table::{MOST_BYTES, TableFault};
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_MATCH, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use headroom_domain::DAY_MS;
use headroom_domain::plan::change::{Change, Field, Side, differing};
use headroom_domain::plan::policy::{Overcommit, PlanPolicy, RollingCap};
use headroom_domain::plan::terms::{Override, Terms};
use headroom_domain::plan::text;
use headroom_domain::range::{self, rfc3339};
use headroom_domain::whatif::foreseen::Level;
use headroom_domain::whatif::{Figures, Hour};
use headroom_store::draft::Draft;
use headroom_store::plan::Publication;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Other slots than usual for a while; afterwards the usual ones hold again.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideBody {
    /// From here, on the wall clock of the reservation's zone.
    pub start: String,
    /// Until here, exclusive.
    pub end: String,
    /// Slots in between, from 0.
    pub slots: i64,
}

/// The terms of a reservation. Times are wall-clock times in its zone such as `2026-11-28T09:00`; where clocks are set back, a time
/// that occurs twice is written with its offset: `2026-10-25T02:30+02:00`.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TermsBody {
    /// Name in the pool: `a-z`, `0-9` and hyphens inside.
    pub name: String,
    /// Slug of the tenant.
    pub tenant: String,
    /// `guaranteed` (the usual) or `burst`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// First minute.
    pub start: String,
    /// First minute after it; left out = until further notice.
    #[serde(default)]
    pub end: Option<String>,
    /// IANA time zone.
    pub zone: String,
    /// Repeats by this part of RFC 5545: `FREQ=DAILY|WEEKLY|MONTHLY`, `INTERVAL`, `BYDAY`, `BYMONTHDAY`, `COUNT` or `UNTIL`.
    #[serde(default)]
    pub repeat: Option<String>,
    /// Days on which no occurrence starts.
    #[serde(default)]
    pub except: Vec<String>,
    /// Guaranteed slots, 1 to 10,000,000.
    pub slots: i64,
    /// Most slots that the tenant may hold; left out = no limit but the pool's.
    #[serde(default)]
    pub ceiling: Option<i64>,
    /// Most idle slots that others may borrow; left out = all.
    #[serde(default)]
    pub lending_limit: Option<i64>,
    /// Most slots beyond its own that the tenant may borrow; left out = no limit.
    #[serde(default)]
    pub borrowing_limit: Option<i64>,
    /// Not lent any more so many minutes before a start, 0 to 2,880.
    #[serde(default)]
    pub lead_minutes: u32,
    /// Released if nothing of it was used so many minutes after a start, 1 to 2,880; left out = kept.
    #[serde(default)]
    pub release_after_minutes: Option<u32>,
    /// 0 to 9: what the tenant's slots are worth while it holds, if more than usual.
    #[serde(default)]
    pub priority: Option<u8>,
    /// What happens to work above a limit that shrinks: `refuse` (the usual), `drain` or `reclaim`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shrink: Option<String>,
    /// Until when work above the limit may go on, with `drain`.
    #[serde(default)]
    pub drain_until: Option<String>,
    /// Temporary changes.
    #[serde(default)]
    pub overrides: Vec<OverrideBody>,
    /// Free text, at most 500 characters.
    #[serde(default)]
    pub note: String,
}

impl TermsBody {
    /// As the domain knows them.
    ///
    /// # Errors
    /// Every field that is wrong, named after `prefix`.
    pub fn terms(&self, prefix: &str) -> Result<Terms, AppError> {
        let number = |value: &dyn ToString| Some(value.to_string());
        let read = text::read(|field| match field {
            Field::Name => Some(self.name.clone()),
            Field::Tenant => Some(self.tenant.clone()),
            Field::Kind => self.kind.clone(),
            Field::Start => Some(self.start.clone()),
            Field::End => self.end.clone(),
            Field::Zone => Some(self.zone.clone()),
            Field::Repeat => self.repeat.clone(),
            Field::Except => Some(self.except.join(" ")),
            Field::Slots => number(&self.slots),
            Field::Ceiling => self.ceiling.map(|v| v.to_string()),
            Field::Lending => self.lending_limit.map(|v| v.to_string()),
            Field::Borrowing => self.borrowing_limit.map(|v| v.to_string()),
            Field::Lead => number(&self.lead_minutes),
            Field::Release => self.release_after_minutes.map(|v| v.to_string()),
            Field::Priority => self.priority.map(|v| v.to_string()),
            Field::Shrinking => self.shrink.clone(),
            Field::DrainUntil => self.drain_until.clone(),
            Field::Overrides => {
                let one = |o: &OverrideBody| format!("{}/{}={}", o.start.trim(), o.end.trim(), o.slots);
                Some(self.overrides.iter().map(one).collect::<Vec<_>>().join(" "))
            }
            Field::Note => Some(self.note.clone()),
        });
        read.map_err(|faults| {
            let problem = |fault: &headroom_domain::plan::Fault| {
                Problem::new(format!("{prefix}{}", fault.field), &fault.found, fault.expected.clone())
            };
            AppError::Invalid(faults.iter().map(problem).collect())
        })
    }
}

impl From<&Terms> for TermsBody {
    fn from(t: &Terms) -> Self {
        let over = |o: &Override| OverrideBody { start: o.start.to_string(), end: o.end.to_string(), slots: o.slots };
        Self {
            name: t.name.clone(),
            tenant: t.tenant.clone(),
            kind: Some(t.kind.to_string()),
            start: t.start.to_string(),
            end: t.end.map(|end| end.to_string()),
            zone: t.zone.clone(),
            repeat: t.repeat.as_ref().map(ToString::to_string),
            except: t.except.iter().map(ToString::to_string).collect(),
            slots: t.slots,
            ceiling: t.ceiling,
            lending_limit: t.lending_limit,
            borrowing_limit: t.borrowing_limit,
            lead_minutes: t.lead_minutes,
            release_after_minutes: t.release_after_minutes,
            priority: t.priority,
            shrink: Some(t.shrink.to_string()),
            drain_until: t.drain_until.map(|at| at.to_string()),
            overrides: t.overrides.iter().map(over).collect(),
            note: t.note.clone(),
        }
    }
}

/// A published reservation.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReservationOut {
    /// Id.
    pub id: Uuid,
    /// Slug of the pool.
    pub pool: String,
    /// Counts changes; send it back as `If-Match`.
    pub version: i32,
    /// `approved` (its time is to come), `active`, `ended` or `cancelled`.
    pub state: &'static str,
    /// First instant of all occurrences, RFC 3339.
    pub from: String,
    /// First instant after the last; null = until further notice.
    pub to: Option<String>,
    /// Slots that the tenant holds beyond what its promises allow it now.
    pub over_limit: i64,
    /// What it says.
    pub terms: TermsBody,
}

fn reservation_out(pool: &str, entry: &Entry) -> ReservationOut {
    ReservationOut {
        id: entry.stored.id,
        pool: pool.to_owned(),
        version: entry.stored.version,
        state: entry.state.as_str(),
        from: rfc3339(entry.stored.from_ms),
        to: entry.stored.to_ms.map(rfc3339),
        over_limit: entry.over_limit,
        terms: TermsBody::from(&entry.stored.terms),
    }
}

/// A pool's plan.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanOut {
    /// Slug of the pool.
    pub pool: String,
    /// When this was so, RFC 3339.
    pub at: String,
    /// Counts publications.
    pub version: i32,
    /// What planners may do.
    pub policy: PolicyBody,
    /// Reservations that touch the range, by start and name.
    pub reservations: Vec<ReservationOut>,
}

impl From<&PlanView> for PlanOut {
    fn from(view: &PlanView) -> Self {
        let slug = view.pool.fields.slug.as_str();
        Self {
            pool: slug.to_owned(),
            at: rfc3339(view.now_ms),
            version: view.plan.version,
            policy: PolicyBody::of(&view.plan.policy, None),
            reservations: view.entries.iter().map(|entry| reservation_out(slug, entry)).collect(),
        }
    }
}

/// A range of a plan.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PlanQuery {
    /// From when, RFC 3339 or such as `now-7d`; now if it is left out.
    #[serde(default)]
    from: Option<String>,
    /// Until when; for ever if it is left out.
    #[serde(default)]
    to: Option<String>,
}

/// A pool's reservations that touch a range: its plan.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/plan", tag = "plans",
    params(("pool" = String, Path, description = "slug of the pool"), PlanQuery),
    responses((status = 200, body = PlanOut), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn plan(
    app: App,
    Path(pool): Path<String>,
    Query(query): Query<PlanQuery>,
) -> Result<Json<PlanOut>, ApiError> {
    let now = app.now().await?;
    let instant = |field: &str, text: &Option<String>| {
        let parsed =
            text.as_deref().map(|text| range::ahead(text, now).map_err(|error| AppError::range(field, text, &error)));
        parsed.transpose()
    };
    let (from, to) = (instant("from", &query.from)?, instant("to", &query.to)?);
    Ok(Json(PlanOut::from(&app.plan(&pool, from, to).await?)))
}

/// A reservation as somebody wants it, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReservationIn {
    /// What it says.
    terms: TermsBody,
    /// Why, 1 to 500 characters.
    #[serde(default)]
    reason: String,
}

/// Why a reservation is taken back.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ReasonQuery {
    /// Why, 1 to 500 characters.
    #[serde(default)]
    reason: String,
}

/// An answer with its version.
pub(super) fn with_etag(version: i32, status: StatusCode, body: impl IntoResponse) -> Response {
    let mut response = (status, body).into_response();
    if let Ok(tag) = HeaderValue::try_from(format!("\"v{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// The version that the caller saw.
pub(super) fn version_of(headers: &HeaderMap) -> Result<i32, AppError> {
    let header = headers.get(IF_MATCH).ok_or(AppError::Unversioned("If-Match: \"v7\""))?;
    let text = header.to_str().unwrap_or_default();
    let version = text.trim().trim_matches('"').trim_start_matches('v').parse().ok();
    version.ok_or_else(|| AppError::invalid("If-Match", text, "a version such as \"v7\""))
}

/// One reservation. `ETag` is its version.
#[utoipa::path(get, path = "/api/v1/reservations/{reservation}", tag = "plans",
    params(("reservation" = Uuid, Path, description = "id of the reservation")),
    responses((status = 200, body = ReservationOut), (status = 404, body = ProblemBody)))]
pub async fn reservation(app: App, Path(id): Path<Uuid>) -> Result<Response, ApiError> {
    let (pool, entry) = app.reservation(id).await?;
    let out = reservation_out(pool.fields.slug.as_str(), &entry);
    Ok(with_etag(out.version, StatusCode::OK, Json(out)))
}

/// Makes a reservation at once. The same request under the same key gives the reservation that the first one made; another request
/// under that key is refused.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/reservations", tag = "plans", request_body = ReservationIn,
    params(("pool" = String, Path, description = "slug of the pool"),
           ("Idempotency-Key" = String, Header, description = "the same request sent again has the same key, 1 to 200 characters")),
    responses((status = 201, body = ReservationOut), (status = 200, body = ReservationOut, description = "made before under this key"),
              (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn create_reservation(
    app: App,
    Path(pool): Path<String>,
    headers: HeaderMap,
    Json(body): Json<ReservationIn>,
) -> Result<Response, ApiError> {
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if key.is_empty() {
        return Err(
            AppError::invalid("idempotency-key", "", "a header with a key of your own, 1 to 200 characters").into()
        );
    }
    let terms = body.terms.terms("terms.")?;
    let (id, is_new) = app.create_reservation(&pool, &terms, &body.reason, key).await?;
    let (pool, entry) = app.reservation(id).await?;
    let out = reservation_out(pool.fields.slug.as_str(), &entry);
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = with_etag(out.version, status, Json(out));
    if let Ok(location) = HeaderValue::try_from(format!("/api/v1/reservations/{id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Changes a reservation at once. What has begun keeps its start.
#[utoipa::path(put, path = "/api/v1/reservations/{reservation}", tag = "plans", request_body = ReservationIn,
    params(("reservation" = Uuid, Path, description = "id of the reservation"),
           ("If-Match" = Option<String>, Header, description = "the version that you saw, such as \"v7\"")),
    responses((status = 200, body = ReservationOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
              (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub async fn update_reservation(
    app: App,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
    Json(body): Json<ReservationIn>,
) -> Result<Response, ApiError> {
    let version = version_of(&headers)?;
    let terms = body.terms.terms("terms.")?;
    app.change_reservation(id, version, Some(terms), &body.reason).await?;
    reservation(app, Path(id)).await
}

/// Takes a reservation back from the next minute on. What it promised before stays in the history.
#[utoipa::path(delete, path = "/api/v1/reservations/{reservation}", tag = "plans",
    params(("reservation" = Uuid, Path, description = "id of the reservation"), ReasonQuery,
           ("If-Match" = Option<String>, Header, description = "the version that you saw, such as \"v7\"")),
    responses((status = 200, body = ReservationOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
              (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub async fn cancel_reservation(
    app: App,
    Path(id): Path<Uuid>,
    Query(query): Query<ReasonQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let version = version_of(&headers)?;
    app.change_reservation(id, version, None, &query.reason).await?;
    reservation(app, Path(id)).await
}

// ---------------------------------------------------------------- drafts

/// A field that differs.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldOut {
    /// Its name.
    pub field: &'static str,
    /// As it was; empty = nothing.
    pub was: String,
    /// As it becomes.
    pub becomes: String,
}

/// What a draft or a publication does to one reservation.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeOut {
    /// Id of the reservation.
    pub reservation: Uuid,
    /// Its name.
    pub name: String,
    /// As it was; null if it is new.
    pub before: Option<TermsBody>,
    /// As it becomes; null if it is taken back.
    pub after: Option<TermsBody>,
    /// What differs, of one that is changed.
    pub fields: Vec<FieldOut>,
}

impl ChangeOut {
    fn of(reservation: Uuid, change: &Change) -> Self {
        let fields = match (&change.before, &change.after) {
            (Some(was), Some(becomes)) => differing(was, becomes)
                .into_iter()
                .map(|field| FieldOut { field: field.as_str(), was: field.text(was), becomes: field.text(becomes) })
                .collect(),
            _ => Vec::new(),
        };
        Self {
            reservation,
            name: change.name().to_owned(),
            before: change.before.as_ref().map(TermsBody::from),
            after: change.after.as_ref().map(TermsBody::from),
            fields,
        }
    }
}

/// A draft.
#[derive(Debug, Serialize, ToSchema)]
pub struct DraftOut {
    /// Id.
    pub id: Uuid,
    /// Slug of the pool.
    pub pool: String,
    /// What people call it.
    pub name: String,
    /// Who began it.
    pub owner: String,
    /// `open`, `proposed`, `approved`, `rejected`, `published` or `discarded`.
    pub state: &'static str,
    /// Counts edits; send it back as `If-Match`.
    pub version: i32,
    /// Steps that can be undone.
    pub undo: i32,
    /// Steps that can be done again.
    pub redo: i32,
    /// Why it was proposed.
    pub reason: String,
    /// Who decided about it.
    pub decided_by: Option<String>,
    /// What they said.
    pub decision: String,
    /// The publication that it takes back.
    pub reverts: Option<Uuid>,
    /// When it was changed last, RFC 3339.
    pub updated_at: String,
    /// What it does.
    pub changes: Vec<ChangeOut>,
}

fn draft_out(pool: &str, draft: &Draft) -> DraftOut {
    DraftOut {
        id: draft.id,
        pool: pool.to_owned(),
        name: draft.name.clone(),
        owner: draft.owner.clone(),
        state: draft.state.as_str(),
        version: draft.version,
        undo: draft.steps,
        redo: draft.undone,
        reason: draft.reason.clone(),
        decided_by: draft.decided_by.clone(),
        decision: draft.decision.clone(),
        reverts: draft.reverts,
        updated_at: rfc3339(draft.updated_ms),
        changes: draft.changes.iter().map(|(id, change)| ChangeOut::of(*id, change)).collect(),
    }
}

async fn whole_draft(app: &App, id: Uuid, status: StatusCode) -> Result<Response, ApiError> {
    let (draft, pool) = app.draft(id).await?;
    let out = draft_out(pool.fields.slug.as_str(), &draft);
    Ok(with_etag(out.version, status, Json(out)))
}

/// A draft to begin, or its new name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftIn {
    /// What people call it, 1 to 120 characters.
    name: String,
}

/// Drafts of a pool that are not over, newest first.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/drafts", tag = "plans",
    params(("pool" = String, Path, description = "slug of the pool")),
    responses((status = 200, body = [DraftOut]), (status = 404, body = ProblemBody)))]
pub async fn drafts(app: App, Path(pool): Path<String>) -> Result<Json<Vec<DraftOut>>, ApiError> {
    Ok(Json(app.drafts(&pool).await?.iter().map(|draft| draft_out(&pool, draft)).collect()))
}

/// Begins a draft.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/drafts", tag = "plans", request_body = DraftIn,
    params(("pool" = String, Path, description = "slug of the pool")),
    responses((status = 201, body = DraftOut), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn create_draft(app: App, Path(pool): Path<String>, Json(body): Json<DraftIn>) -> Result<Response, ApiError> {
    let draft = app.create_draft(&pool, &body.name).await?;
    let mut response = whole_draft(&app, draft.id, StatusCode::CREATED).await?;
    if let Ok(location) = HeaderValue::try_from(format!("/api/v1/drafts/{}", draft.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// One draft. `ETag` is its version.
#[utoipa::path(get, path = "/api/v1/drafts/{draft}", tag = "plans",
    params(("draft" = Uuid, Path, description = "id of the draft")),
    responses((status = 200, body = DraftOut), (status = 404, body = ProblemBody)))]
pub async fn draft(app: App, Path(id): Path<Uuid>) -> Result<Response, ApiError> {
    whole_draft(&app, id, StatusCode::OK).await
}

/// Gives a draft another name; what it does, and its version, stay.
#[utoipa::path(patch, path = "/api/v1/drafts/{draft}", tag = "plans", request_body = DraftIn,
    params(("draft" = Uuid, Path, description = "id of the draft")),
    responses((status = 200, body = DraftOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
pub async fn rename_draft(app: App, Path(id): Path<Uuid>, Json(body): Json<DraftIn>) -> Result<Response, ApiError> {
    app.rename_draft(id, &body.name).await?;
    whole_draft(&app, id, StatusCode::OK).await
}

/// Discards a draft.
#[utoipa::path(delete, path = "/api/v1/drafts/{draft}", tag = "plans",
    params(("draft" = Uuid, Path, description = "id of the draft")),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn discard_draft(app: App, Path(id): Path<Uuid>) -> Result<StatusCode, ApiError> {
    app.discard_draft(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An edit of one reservation in a draft.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditIn {
    /// Id of the reservation; left out for a new one.
    #[serde(default)]
    reservation: Option<Uuid>,
    /// As it shall be; null takes it back.
    terms: Option<TermsBody>,
}

/// Edits to a draft.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditsIn {
    /// All of them are one step, which can be undone as one; 1 to 5,000.
    edits: Vec<EditIn>,
}

/// Edits reservations in a draft: all of it or nothing. Whether there is room is not asked here but by the preview.
#[utoipa::path(post, path = "/api/v1/drafts/{draft}/edits", tag = "plans", request_body = EditsIn,
    params(("draft" = Uuid, Path, description = "id of the draft"),
           ("If-Match" = Option<String>, Header, description = "the draft's version that you saw, such as \"v7\"")),
    responses((status = 200, body = DraftOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
              (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub async fn edit(
    app: App,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
    Json(body): Json<EditsIn>,
) -> Result<Response, ApiError> {
    let version = version_of(&headers)?;
    let count = body.edits.len();
    if !(1..=crate::app::plan::drafts::MOST_CHANGES).contains(&count) {
        return Err(AppError::invalid("edits", count.to_string(), "1 to 5,000 edits").into());
    }
    let (mut edits, mut problems) = (Vec::with_capacity(count), Vec::new());
    for (number, edit) in body.edits.into_iter().enumerate() {
        let prefix = format!("edits[{number}].terms.");
        match edit.terms.as_ref().map(|terms| terms.terms(&prefix)).transpose() {
            Ok(terms) => edits.push((edit.reservation.unwrap_or_else(crate::clock::uuid), terms)),
            Err(AppError::Invalid(more)) => problems.extend(more),
            Err(other) => return Err(other.into()),
        }
    }
    if !problems.is_empty() {
        return Err(AppError::Invalid(problems).into());
    }
    app.edit_draft_at_once(id, Some(version), edits, "edits").await?;
    whole_draft(&app, id, StatusCode::OK).await
}

/// Takes a draft's last step back.
#[utoipa::path(post, path = "/api/v1/drafts/{draft}/undo", tag = "plans",
    params(("draft" = Uuid, Path, description = "id of the draft")),
    responses((status = 200, body = DraftOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn undo(app: App, Path(id): Path<Uuid>) -> Result<Response, ApiError> {
    app.undo_draft(id, None).await?;
    whole_draft(&app, id, StatusCode::OK).await
}

/// Does the step again that was taken back last.
#[utoipa::path(post, path = "/api/v1/drafts/{draft}/redo", tag = "plans",
    params(("draft" = Uuid, Path, description = "id of the draft")),
    responses((status = 200, body = DraftOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn redo(app: App, Path(id): Path<Uuid>) -> Result<Response, ApiError> {
    app.redo_draft(id, None).await?;
    whole_draft(&app, id, StatusCode::OK).await
}

/// Whose value is taken where both changed a field.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChoiceIn {
    /// Id of the reservation.
    reservation: Uuid,
    /// The field; left out = the reservation as a whole, where one side took it back.
    #[serde(default)]
    field: Option<String>,
    /// `theirs` or `yours`.
    take: String,
}

fn choices(list: &[ChoiceIn]) -> Result<Choices, AppError> {
    let mut choices = Choices::new();
    for (number, choice) in list.iter().enumerate() {
        let field = choice.field.as_deref().map(str::parse::<Field>).transpose();
        let field = field.map_err(|expected| {
            AppError::invalid(format!("choices[{number}].field"), choice.field.as_deref().unwrap_or_default(), expected)
        })?;
        let side = match choice.take.as_str() {
            "theirs" => Side::Theirs,
            "yours" => Side::Yours,
            other => return Err(AppError::invalid(format!("choices[{number}].take"), other, "theirs or yours")),
        };
        choices.insert((choice.reservation, field), side);
    }
    Ok(choices)
}

/// What a preview is asked with.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewIn {
    /// Whose values are taken.
    #[serde(default)]
    choices: Vec<ChoiceIn>,
    /// So many weeks are replayed, 1 to 8; 0 for none. 4 if it is left out.
    #[serde(default)]
    weeks: Option<i64>,
    /// What is replayed: `history`, the demand of the last weeks (the usual), or `forecast`, what is foreseen for the coming ones.
    #[serde(default)]
    basis: Option<String>,
    /// With `forecast`: `0.5`, the median (the usual), or `0.9`, which one hour of ten exceeds.
    #[serde(default)]
    level: Option<String>,
}

/// What a tenant or the pool had of it, over the minutes whose demand is known. Exact sums in slot-milliseconds.
#[derive(Debug, Serialize, ToSchema)]
pub struct FiguresOut {
    /// Minutes in which less was held than wanted.
    pub saturation_minutes: u64,
    /// Wanted and not held.
    pub unmet_slot_ms: i64,
    /// Held.
    pub held_slot_ms: i64,
    /// Promised.
    pub reserved_slot_ms: i64,
    /// Held beyond what is promised.
    pub borrowed_slot_ms: i64,
    /// Promised and held by others.
    pub lent_slot_ms: i64,
    /// Promised and held by nobody.
    pub wasted_slot_ms: i64,
    /// Minutes whose demand is not known; they are in no other figure.
    pub unknown_minutes: u64,
}

impl From<&Figures> for FiguresOut {
    fn from(f: &Figures) -> Self {
        let whole = |slot_ms: i128| i64::try_from(slot_ms).unwrap_or(i64::MAX);
        Self {
            saturation_minutes: f.unmet_minutes,
            unmet_slot_ms: whole(f.unmet_slot_ms),
            held_slot_ms: whole(f.held_slot_ms),
            reserved_slot_ms: whole(f.reserved_slot_ms),
            borrowed_slot_ms: whole(f.borrowed_slot_ms),
            lent_slot_ms: whole(f.lent_slot_ms),
            wasted_slot_ms: whole(f.wasted_slot_ms()),
            unknown_minutes: f.unknown_minutes,
        }
    }
}

/// Somebody's figures before and after.
#[derive(Debug, Serialize, ToSchema)]
pub struct EffectRowOut {
    /// Slug of the tenant; empty for use that no tenant is metered for.
    pub tenant: String,
    /// As things are.
    pub before: FiguresOut,
    /// As they would be.
    pub after: FiguresOut,
}

/// An hour that would be short, or nearly so.
#[derive(Debug, Serialize, ToSchema)]
pub struct HourOut {
    /// Its start, RFC 3339.
    pub from: String,
    /// Unmet demand in it.
    pub unmet_slot_ms: i64,
    /// The most slots that were short at once.
    pub short: u64,
    /// The least of capacity minus demand.
    pub headroom: i64,
    /// The tenant with most of it.
    pub tenant: Option<String>,
}

/// What a draft does to what is wanted, played through the allocator's rules.
#[derive(Debug, Serialize, ToSchema)]
pub struct EffectOut {
    /// What was played: `history` or `forecast`.
    pub basis: &'static str,
    /// The quantile of the forecast, `0.5` or `0.9`; null with `history`.
    pub level: Option<&'static str>,
    /// The hour in which the forecast was made, RFC 3339; null with `history`.
    pub forecast_made_in: Option<String>,
    /// Why a forecast cannot be played; null if it was. Without it there are no figures, which is not the same as zero.
    pub missing: Option<String>,
    /// From here on only the peaks of days are foreseen, and laid out in the shape of the week before, RFC 3339.
    pub days_from: Option<String>,
    /// The time to come that it is about, RFC 3339.
    pub from: String,
    /// Its end, exclusive.
    pub to: String,
    /// The past whose demand is laid onto it, or which says how tenants share what is foreseen.
    pub past_from: String,
    /// Its end, exclusive.
    pub past_to: String,
    /// Whether it is known at all what was, or is, wanted.
    pub known: bool,
    /// The pool; null if nothing was played.
    pub pool: Option<EffectRowOut>,
    /// Tenants with demand or promises.
    pub tenants: Vec<EffectRowOut>,
    /// The riskiest hours with the draft.
    pub riskiest: Vec<HourOut>,
    /// Cost of what is promised, before and after, in millionths of the currency; null without a price.
    pub reserved_cost_micros: Option<[i64; 2]>,
    /// Cost of what is promised and used by nobody, before and after.
    pub wasted_cost_micros: Option<[i64; 2]>,
}

impl From<&Effect> for EffectOut {
    fn from(e: &Effect) -> Self {
        let whole = |number: i128| i64::try_from(number).unwrap_or(i64::MAX);
        let row = |tenant: String, before: &Figures, after: &Figures| EffectRowOut {
            tenant,
            before: FiguresOut::from(before),
            after: FiguresOut::from(after),
        };
        let slug = |key: i32| e.tenants.iter().find(|(other, ..)| *other == key).map(|(_, slug, _)| slug.clone());
        let hour = |hour: &Hour| HourOut {
            from: rfc3339(hour.from_ms + (e.from_ms - e.demand_from_ms)),
            unmet_slot_ms: whole(hour.unmet_slot_ms),
            short: hour.short,
            headroom: hour.headroom,
            tenant: hour.worst.and_then(|worst| slug(worst.tenant)),
        };
        let pool = || row(String::new(), &e.comparison.before.pool, &e.comparison.after.pool);
        Self {
            basis: e.basis.as_str(),
            level: e.basis.level().map(Level::as_str),
            forecast_made_in: e.forecast_hour_ms.map(rfc3339),
            missing: e.missing.map(Missing::words),
            days_from: e.days_from_ms.map(rfc3339),
            from: rfc3339(e.from_ms),
            to: rfc3339(e.to_ms),
            past_from: rfc3339(e.past_from_ms),
            past_to: rfc3339(e.past_to_ms),
            known: e.is_known(),
            pool: e.missing.is_none().then(pool),
            tenants: e.rows().iter().map(|(slug, before, after)| row(slug.clone(), before, after)).collect(),
            riskiest: e.comparison.after.riskiest.iter().map(hour).collect(),
            reserved_cost_micros: e.cost.map(|cost| [whole(cost.reserved_before), whole(cost.reserved_after)]),
            wasted_cost_micros: e.cost.map(|cost| [whole(cost.wasted_before), whole(cost.wasted_after)]),
        }
    }
}

/// Whose promise is involved.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct InvolvedOut {
    /// Id of the reservation.
    pub reservation: Uuid,
    /// Its name.
    pub name: String,
    /// Slug of the tenant.
    pub tenant: String,
    /// Slots.
    pub slots: i64,
}

/// An edit that would help.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FixOut {
    /// What it does.
    pub label: String,
    /// Id of the reservation.
    pub reservation: Uuid,
    /// As it would be.
    pub terms: TermsBody,
}

impl From<&Fix> for FixOut {
    fn from(fix: &Fix) -> Self {
        Self { label: fix.label.clone(), reservation: fix.reservation, terms: TermsBody::from(&fix.terms) }
    }
}

/// What stands in the way of publishing, or is worth knowing before.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ConflictOut {
    /// `invalid`, `in-past`, `over-capacity`, `over-quota`, `over-average`, `too-long`, `in-use`; as warnings `overcommitted` and
    /// `thin-margin`.
    pub kind: &'static str,
    /// Whether it can be published all the same.
    pub warning: bool,
    /// Id of the edited reservation.
    pub reservation: Option<Uuid>,
    /// In one sentence.
    pub says: String,
    /// First instant, RFC 3339; null = not about a time.
    pub from: Option<String>,
    /// First instant after it; null with a start = until further notice.
    pub to: Option<String>,
    /// Whole minutes.
    pub minutes: Option<i64>,
    /// Slots short.
    pub short: i64,
    /// Slots that would be promised.
    pub promised: i64,
    /// Slots that may be.
    pub limit: i64,
    /// Whose promises are involved, the largest first.
    pub involved: Vec<InvolvedOut>,
    /// Edits that would help.
    pub fixes: Vec<FixOut>,
}

impl From<&Conflict> for ConflictOut {
    fn from(c: &Conflict) -> Self {
        Self {
            kind: c.kind.as_str(),
            warning: c.kind.is_warning(),
            reservation: c.reservation,
            says: c.says.clone(),
            from: c.from_ms.map(rfc3339),
            to: c.to_ms.map(rfc3339),
            minutes: c.minutes,
            short: c.short,
            promised: c.promised,
            limit: c.limit,
            involved: c
                .involved
                .iter()
                .map(|i| InvolvedOut {
                    reservation: i.reservation,
                    name: i.name.clone(),
                    tenant: i.tenant.clone(),
                    slots: i.slots,
                })
                .collect(),
            fixes: c.fixes.iter().map(FixOut::from).collect(),
        }
    }
}

/// A reservation that others changed after the draft began to edit it.
#[derive(Debug, Serialize, ToSchema)]
pub struct MergeOut {
    /// Id of the reservation.
    pub reservation: Uuid,
    /// As it was when the edit began.
    pub was: Option<TermsBody>,
    /// As it is published now; null = it was taken back.
    pub theirs: Option<TermsBody>,
    /// As the draft wants it.
    pub yours: Option<TermsBody>,
    /// Whether both come together without a choice.
    pub clean: bool,
    /// Fields that need a choice; null = the reservation as a whole does.
    pub open: Option<Vec<&'static str>>,
    /// What comes of it.
    pub result: Option<TermsBody>,
    /// Who published it last.
    pub by: Option<String>,
    /// The plan's version with it.
    pub version: Option<i32>,
}

impl From<&Merge> for MergeOut {
    fn from(m: &Merge) -> Self {
        let body = |terms: &Option<Terms>| terms.as_ref().map(TermsBody::from);
        Self {
            reservation: m.reservation,
            was: body(&m.was),
            theirs: body(&m.theirs),
            yours: body(&m.yours),
            clean: m.is_clean,
            open: m.open.as_ref().map(|fields| fields.iter().map(|field| field.as_str()).collect()),
            result: body(&m.result),
            by: m.by.as_ref().map(|(by, _, _)| by.clone()),
            version: m.by.as_ref().map(|(_, _, version)| *version),
        }
    }
}

/// What a draft does.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanPreviewOut {
    /// Stands for all that this was reckoned from; publishing asks for it.
    pub token: String,
    /// The plan's version that it is about.
    pub plan_version: i32,
    /// The draft's version that it is about.
    pub draft_version: i32,
    /// Whether it can be published as it is, apart from warnings that have to be accepted.
    pub publishable: bool,
    /// What changes, against what is published now.
    pub changes: Vec<ChangeOut>,
    /// Reservations that others changed meanwhile.
    pub merges: Vec<MergeOut>,
    /// What stands in the way, then warnings.
    pub conflicts: Vec<ConflictOut>,
    /// What the policy wants somebody else to approve.
    pub needs_approval: Vec<String>,
    /// What it does to the demand of some weeks; null if it changes nothing.
    pub effect: Option<EffectOut>,
}

impl From<&Preview> for PlanPreviewOut {
    fn from(p: &Preview) -> Self {
        Self {
            token: p.token.clone(),
            plan_version: p.plan_version,
            draft_version: p.draft.version,
            publishable: p.is_publishable,
            changes: p.changes.iter().map(|(id, change)| ChangeOut::of(*id, change)).collect(),
            merges: p.merges.iter().map(MergeOut::from).collect(),
            conflicts: p.conflicts.iter().map(ConflictOut::from).collect(),
            needs_approval: p.needs_approval.clone(),
            effect: p.effect.as_ref().map(EffectOut::from),
        }
    }
}

/// What a draft does, and whether it can be published. Nothing is changed.
#[utoipa::path(post, path = "/api/v1/drafts/{draft}/preview", tag = "plans", request_body = PreviewIn,
    params(("draft" = Uuid, Path, description = "id of the draft")),
    responses((status = 200, body = PlanPreviewOut), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn preview(
    app: App,
    Path(id): Path<Uuid>,
    Json(body): Json<PreviewIn>,
) -> Result<Json<PlanPreviewOut>, ApiError> {
    let weeks = body.weeks.unwrap_or(USUAL_WEEKS);
    let basis = Basis::parse(body.basis.as_deref(), body.level.as_deref())?;
    let preview = app.preview(id, &choices(&body.choices)?, weeks, basis).await?;
    Ok(Json(PlanPreviewOut::from(&preview)))
}

/// What is published, as a preview showed it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishIn {
    /// The preview's token.
    token: String,
    /// Why, 1 to 500 characters.
    #[serde(default)]
    reason: String,
    /// Warnings were read.
    #[serde(default)]
    accept_warnings: bool,
    /// Whose values are taken: the same as in the preview.
    #[serde(default)]
    choices: Vec<ChoiceIn>,
}

/// Several changes that became the plan together.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublicationOut {
    /// Id.
    pub id: Uuid,
    /// The plan's version with it.
    pub version: i32,
    /// When, RFC 3339.
    pub at: String,
    /// Who.
    pub by: String,
    /// `page`, `api`, `cli` or `job`.
    pub source: String,
    /// Why.
    pub reason: String,
    /// The publication that it takes back.
    pub reverts: Option<Uuid>,
    /// The policy that allowed it.
    pub policy: PolicyBody,
    /// What changed.
    pub changes: Vec<ChangeOut>,
}

impl From<&Publication> for PublicationOut {
    fn from(p: &Publication) -> Self {
        Self {
            id: p.id,
            version: p.version,
            at: rfc3339(p.at_ms),
            by: p.actor.clone(),
            source: p.source.clone(),
            reason: p.reason.clone(),
            reverts: p.reverts,
            policy: PolicyBody::of(&p.policy, None),
            changes: p.changes.iter().map(|(id, change)| ChangeOut::of(*id, change)).collect(),
        }
    }
}

/// Publishes a draft as a preview showed it: all of it or nothing.
#[utoipa::path(post, path = "/api/v1/drafts/{draft}/publish", tag = "plans", request_body = PublishIn,
    params(("draft" = Uuid, Path, description = "id of the draft")),
    responses((status = 200, body = PublicationOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
              (status = 422, body = ProblemBody)))]
pub async fn publish(
    app: App,
    Path(id): Path<Uuid>,
    Json(body): Json<PublishIn>,
) -> Result<Json<PublicationOut>, ApiError> {
    let choices = choices(&body.choices)?;
    let published = app.publish(id, &body.token, &body.reason, &choices, body.accept_warnings).await?;
    Ok(Json(PublicationOut::from(&published)))
}

/// Why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonIn {
    /// Why, 1 to 500 characters.
    #[serde(default)]
    reason: String,
}

/// Asks somebody else to approve a draft.
#[utoipa::path(post, path = "/api/v1/drafts/{draft}/propose", tag = "plans", request_body = ReasonIn,
    params(("draft" = Uuid, Path, description = "id of the draft")),
    responses((status = 200, body = DraftOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn propose(app: App, Path(id): Path<Uuid>, Json(body): Json<ReasonIn>) -> Result<Response, ApiError> {
    app.propose_draft(id, &body.reason).await?;
    whole_draft(&app, id, StatusCode::OK).await
}

/// Approves a draft that somebody else began.
#[utoipa::path(post, path = "/api/v1/drafts/{draft}/approve", tag = "plans", request_body = ReasonIn,
    params(("draft" = Uuid, Path, description = "id of the draft")),
    responses((status = 200, body = DraftOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn approve(app: App, Path(id): Path<Uuid>, Json(body): Json<ReasonIn>) -> Result<Response, ApiError> {
    app.decide_draft(id, true, &body.reason).await?;
    whole_draft(&app, id, StatusCode::OK).await
}

/// Refuses a proposal. The draft can be changed and proposed again.
#[utoipa::path(post, path = "/api/v1/drafts/{draft}/reject", tag = "plans", request_body = ReasonIn,
    params(("draft" = Uuid, Path, description = "id of the draft")),
    responses((status = 200, body = DraftOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn reject(app: App, Path(id): Path<Uuid>, Json(body): Json<ReasonIn>) -> Result<Response, ApiError> {
    app.decide_draft(id, false, &body.reason).await?;
    whole_draft(&app, id, StatusCode::OK).await
}

/// Publications of a pool, newest first, at most 200.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/publications", tag = "plans",
    params(("pool" = String, Path, description = "slug of the pool")),
    responses((status = 200, body = [PublicationOut]), (status = 404, body = ProblemBody)))]
pub async fn publications(app: App, Path(pool): Path<String>) -> Result<Json<Vec<PublicationOut>>, ApiError> {
    Ok(Json(app.publications(&pool, None).await?.iter().map(PublicationOut::from).collect()))
}

/// Makes a draft that takes a publication back.
#[utoipa::path(post, path = "/api/v1/publications/{publication}/revert", tag = "plans",
    params(("publication" = Uuid, Path, description = "id of the publication")),
    responses((status = 201, body = DraftOut), (status = 404, body = ProblemBody)))]
pub async fn revert(app: App, Path(id): Path<Uuid>) -> Result<Response, ApiError> {
    let draft = app.revert(id).await?;
    whole_draft(&app, draft.id, StatusCode::CREATED).await
}

// ---------------------------------------------------------------- policy

/// What a pool allows its planners.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyBody {
    /// The version that you saw (PUT).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i32>,
    /// Whether more may be promised than there is: `reject` (the usual), `allow-to` or `warn`.
    pub overcommit: String,
    /// With `allow-to`: so many per cent of the capacity beyond it, 1 to 900.
    #[serde(default)]
    pub overcommit_percent: Option<u32>,
    /// Longest length of a reservation or occurrence in days, 1 to 3,660; null = no limit.
    #[serde(default)]
    pub longest_days: Option<u32>,
    /// Somebody else approves what promises so many slots or more; null = never for its size.
    #[serde(default)]
    pub approve_from_slots: Option<i64>,
    /// Somebody else approves what starts within so many minutes; null = never for its time.
    #[serde(default)]
    pub approve_within_minutes: Option<u32>,
}

impl PolicyBody {
    fn of(policy: &PlanPolicy, version: Option<i32>) -> Self {
        let (overcommit, overcommit_percent) = match policy.overcommit {
            Overcommit::Reject => ("reject", None),
            Overcommit::AllowTo { percent } => ("allow-to", Some(percent)),
            Overcommit::Warn => ("warn", None),
        };
        Self {
            version,
            overcommit: overcommit.to_owned(),
            overcommit_percent,
            longest_days: policy.longest_days,
            approve_from_slots: policy.approve_from_slots,
            approve_within_minutes: policy.approve_within_minutes,
        }
    }

    fn policy(&self) -> Result<PlanPolicy, AppError> {
        let overcommit = match (self.overcommit.as_str(), self.overcommit_percent) {
            ("reject", None) => Overcommit::Reject,
            ("warn", None) => Overcommit::Warn,
            ("allow-to", Some(percent)) => Overcommit::AllowTo { percent },
            ("allow-to", None) => return Err(AppError::invalid("overcommit_percent", "", "1 to 900 with allow-to")),
            ("reject" | "warn", Some(percent)) => {
                return Err(AppError::invalid("overcommit_percent", percent.to_string(), "nothing but with allow-to"));
            }
            (other, _) => return Err(AppError::invalid("overcommit", other, "reject, allow-to or warn")),
        };
        Ok(PlanPolicy {
            overcommit,
            longest_days: self.longest_days,
            approve_from_slots: self.approve_from_slots,
            approve_within_minutes: self.approve_within_minutes,
        })
    }
}

/// How much a tenant may be promised on average.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CapBody {
    /// Slots on average over any window, 0 to 10,000,000; null removes the cap.
    pub slots: Option<i64>,
    /// Length of the window in hours, 1 to 8,784.
    #[serde(default)]
    pub hours: Option<u32>,
}

/// A pool's policy for reservations.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanPolicyOut {
    /// Counts changes of the policy; send it back with a PUT.
    pub version: i32,
    /// Whether more may be promised than there is: `reject`, `allow-to` or `warn`.
    pub overcommit: String,
    /// With `allow-to`: so many per cent of the capacity beyond it.
    pub overcommit_percent: Option<u32>,
    /// Longest length of a reservation or occurrence in days; null = no limit.
    pub longest_days: Option<u32>,
    /// Somebody else approves what promises so many slots or more; null = never for its size.
    pub approve_from_slots: Option<i64>,
    /// Somebody else approves what starts within so many minutes; null = never for its time.
    pub approve_within_minutes: Option<u32>,
    /// How much tenants may be promised on average, by slug.
    pub rolling_caps: BTreeMap<String, CapBody>,
}

async fn whole_policy(app: &App, pool: &str) -> Result<Json<PlanPolicyOut>, ApiError> {
    let view = app.plan_policy(pool).await?;
    let cap = |cap: RollingCap| CapBody { slots: Some(cap.slots), hours: Some(cap.hours) };
    let policy = PolicyBody::of(&view.plan.policy, None);
    Ok(Json(PlanPolicyOut {
        version: view.plan.policy_version,
        overcommit: policy.overcommit,
        overcommit_percent: policy.overcommit_percent,
        longest_days: policy.longest_days,
        approve_from_slots: policy.approve_from_slots,
        approve_within_minutes: policy.approve_within_minutes,
        rolling_caps: view.caps.into_iter().map(|(slug, one)| (slug, cap(one))).collect(),
    }))
}

/// What a pool allows its planners.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/plan/policy", tag = "plans",
    params(("pool" = String, Path, description = "slug of the pool")),
    responses((status = 200, body = PlanPolicyOut), (status = 404, body = ProblemBody)))]
pub async fn policy(app: App, Path(pool): Path<String>) -> Result<Json<PlanPolicyOut>, ApiError> {
    whole_policy(&app, &pool).await
}

/// Sets what a pool allows its planners. What is published stays as it is.
#[utoipa::path(put, path = "/api/v1/pools/{pool}/plan/policy", tag = "plans", request_body = PolicyBody,
    params(("pool" = String, Path, description = "slug of the pool")),
    responses((status = 200, body = PlanPolicyOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
              (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub async fn set_policy(
    app: App,
    Path(pool): Path<String>,
    Json(body): Json<PolicyBody>,
) -> Result<Json<PlanPolicyOut>, ApiError> {
    let version = body.version.ok_or(AppError::Unversioned("version in the body"))?;
    app.set_plan_policy(&pool, version, &body.policy()?).await?;
    whole_policy(&app, &pool).await
}

/// Sets or removes how much a tenant may be promised on average over any window.
#[utoipa::path(put, path = "/api/v1/pools/{pool}/plan/caps/{tenant}", tag = "plans", request_body = CapBody,
    params(("pool" = String, Path, description = "slug of the pool"), ("tenant" = String, Path, description = "slug of the tenant")),
    responses((status = 200, body = PlanPolicyOut), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn set_cap(
    app: App,
    Path((pool, tenant)): Path<(String, String)>,
    Json(body): Json<CapBody>,
) -> Result<Json<PlanPolicyOut>, ApiError> {
    let cap = match (body.slots, body.hours) {
        (None, _) => None,
        (Some(slots), Some(hours)) => Some(RollingCap { slots, hours }),
        (Some(_), None) => {
            return Err(AppError::invalid("hours", "", "the length of the window, 1 to 8,784 hours").into());
        }
    };
    app.set_rolling_cap(&pool, &tenant, cap).await?;
    whole_policy(&app, &pool).await
}

// ---------------------------------------------------------------- files

/// A pool's reservations that are not over as CSV. `plan/import` reads it back.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/plan.csv", tag = "plans",
    params(("pool" = String, Path, description = "slug of the pool")),
    responses((status = 200, description = "one row a reservation", content_type = "text/csv"), (status = 404, body = ProblemBody)))]
pub async fn csv(app: App, Path(pool): Path<String>) -> Result<Response, ApiError> {
    let body = app.plan_csv(&pool).await?;
    Ok(([(CONTENT_TYPE, "text/csv; charset=utf-8")], body).into_response())
}

/// A pool's reservations as a calendar (RFC 5545), those of the last 90 days included.
#[utoipa::path(get, path = "/api/v1/pools/{pool}/plan.ics", tag = "plans",
    params(("pool" = String, Path, description = "slug of the pool")),
    responses((status = 200, description = "one event a reservation", content_type = "text/calendar"), (status = 404, body = ProblemBody)))]
pub async fn calendar(app: App, Path(pool): Path<String>) -> Result<Response, ApiError> {
    let body = app.plan_calendar(&pool, 90 * DAY_MS).await?;
    Ok(([(CONTENT_TYPE, "text/calendar; charset=utf-8")], body).into_response())
}

/// What becomes of a table.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ImportQuery {
    /// Id of the draft into which it goes; left out = it is only checked.
    #[serde(default, deserialize_with = "given")]
    draft: Option<Uuid>,
    /// Take the rows that are ready although others have faults.
    #[serde(default)]
    partial: bool,
}

/// A fault in a table.
#[derive(Debug, Serialize, ToSchema)]
pub struct TableFaultOut {
    /// The row as spreadsheets count: the first row with names is 1.
    pub row: usize,
    /// The column's name in the file; empty if the row as a whole is wrong.
    pub column: String,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

/// What a table does.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportOut {
    /// Rows that are ready.
    pub ready: usize,
    /// Rows with faults.
    pub rejected: usize,
    /// Reservations that are made.
    pub creates: usize,
    /// Reservations that are changed.
    pub changes: usize,
    /// Rows that say what is published already.
    pub same: usize,
    /// Faults, the first 1,000.
    pub faults: Vec<TableFaultOut>,
    /// The rejected rows as CSV with what is wrong in a last column.
    pub rejected_csv: String,
    /// The draft's version with it; null if it was only checked.
    pub draft_version: Option<i32>,
}

/// Checks a table of reservations (CSV with names of fields in its first row, at most 20 MB and 20,000 rows) row by row, and puts it into
/// a draft. Rows whose `id` or `name` is known change that reservation, others make one. Nothing is published.
#[utoipa::path(post, path = "/api/v1/pools/{pool}/plan/import", tag = "plans",
    params(("pool" = String, Path, description = "slug of the pool"), ImportQuery),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = ImportOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
              (status = 413, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn import(
    app: App,
    Path(pool): Path<String>,
    Query(query): Query<ImportQuery>,
    body: Body,
) -> Result<Json<ImportOut>, ApiError> {
    let body = to_bytes(body, MOST_BYTES).await.map_err(|_| {
        ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "the table is larger than 20 MB or was cut off; split it",
        )
    })?;
    let check = app.check_table(&pool, body.to_vec()).await?;
    let draft = match query.draft {
        Some(draft) => Some(app.table_into_draft(&check, draft, query.partial).await?),
        None => None,
    };
    let (creates, changes, same) = check.counts();
    let fault = |fault: TableFault| TableFaultOut {
        row: fault.row,
        column: fault.column,
        found: fault.found,
        expected: fault.expected,
    };
    Ok(Json(ImportOut {
        ready: check.table.rows.len(),
        rejected: check.table.bad_rows(),
        creates,
        changes,
        same,
        rejected_csv: String::from_utf8_lossy(&check.table.rejected()).into_owned(),
        faults: check.table.faults.into_iter().map(fault).collect(),
        draft_version: draft.map(|draft| draft.version),
    }))
}
