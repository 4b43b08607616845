//! The calendar of events over the API: what changes the demand of pools, when and how.

use super::error::{ApiError, FieldProblem, ProblemBody};
use super::extract::{Json, Path, Query, given};
use super::plans::{version_of, with_etag};
use crate::app::calendar::imports::{Counts, Mapping, TagFrom, What, of_file};
use crate::app::calendar::{Asked, MOST_LISTED, Shown, Wish};
use crate::app::{App, AppError, Problem};
use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use headroom_domain::Millis;
use headroom_domain::calendar::{Draft, Effect};
use headroom_domain::range::rfc3339;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Events of a list without a limit.
const USUAL_LIMIT: i64 = 200;

/// An event as it is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventIn {
    /// Slug of the pool; left out = all pools.
    #[serde(default)]
    pool: Option<String>,
    /// What people call it, 1 to 120 characters.
    title: String,
    /// What kind of event it is, of a-z, 0-9 and hyphens: what is learnt is learnt from those of one tag.
    tag: String,
    /// When it begins, RFC 3339.
    start: String,
    /// When it is over, RFC 3339; at most a year later.
    end: String,
    /// IANA zone in which it was written; left out = the organisation's.
    #[serde(default)]
    zone: String,
    /// `floor` (with `slots`), `factor` (with `percent`), `like_weekday` (with `weekday`), `exclude` or `learn`.
    effect: String,
    /// With `floor`: at least so many slots are wanted, 1 to 10,000,000.
    #[serde(default)]
    slots: Option<i64>,
    /// With `factor`: demand in hundredths of what it would have been, 0 to 10,000.
    #[serde(default)]
    percent: Option<i64>,
    /// With `like_weekday`: 1 is Monday, 7 is Sunday.
    #[serde(default)]
    weekday: Option<i64>,
}

impl EventIn {
    fn wish(self) -> Result<Wish, AppError> {
        let instant = |text: &str| chrono::DateTime::parse_from_rfc3339(text).map(|at| at.timestamp_millis());
        let (start, end) = (instant(&self.start), instant(&self.end));
        let (Ok(start_ms), Ok(end_ms)) = (start, end) else {
            let wrong = [("start", &self.start, start), ("end", &self.end, end)];
            let wrong = wrong.into_iter().filter(|(.., read)| read.is_err());
            let problem = |(field, text, _)| Problem::new(field, text, "a time such as 2026-11-27T00:00:00Z");
            return Err(AppError::Invalid(wrong.map(problem).collect()));
        };
        let draft = Draft {
            start_ms,
            end_ms,
            tag: self.tag,
            title: self.title,
            effect: self.effect,
            slots: self.slots,
            percent: self.percent,
            weekday: self.weekday,
        };
        Ok(Wish { pool: self.pool, zone: self.zone, draft })
    }
}

/// An event.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventOut {
    /// Its id.
    pub id: Uuid,
    /// Grows with each change; send it back as `If-Match`.
    pub version: i32,
    /// Slug of its pool; null = all pools.
    pub pool: Option<String>,
    /// What people call it; empty for those who see some tenants only.
    pub title: String,
    /// What kind of event it is.
    pub tag: String,
    /// When it begins, RFC 3339.
    pub start: String,
    /// When it is over.
    pub end: String,
    /// IANA zone in which it was written.
    pub zone: String,
    /// `floor`, `factor`, `like_weekday`, `exclude` or `learn`.
    pub effect: &'static str,
    /// With `floor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// With `factor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u32>,
    /// With `like_weekday`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekday: Option<u8>,
    /// What it does, in words.
    pub says: String,
    /// `person` or `calendar`.
    pub source: &'static str,
    /// Of an imported one: what its calendar calls it.
    pub uid: Option<String>,
    /// Of an imported one: the file.
    pub file: Option<String>,
    /// Who wrote it, changed it last, or took it from a file; empty for those who see some tenants only.
    pub author: String,
    /// When it was changed last, RFC 3339.
    pub updated_at: String,
}

impl From<Shown> for EventOut {
    fn from(shown: Shown) -> Self {
        let Shown { stored, pool } = shown;
        let (mut slots, mut percent, mut weekday) = (None, None, None);
        match stored.event.effect {
            Effect::Floor { slots: value } => slots = Some(value),
            Effect::Factor { percent: value } => percent = Some(value),
            Effect::LikeWeekday { weekday: value } => weekday = Some(value),
            Effect::Exclude | Effect::Learn => {}
        }
        Self {
            id: stored.id,
            version: stored.version,
            pool: pool.map(|(slug, _)| slug),
            title: stored.title,
            start: rfc3339(stored.event.start_ms),
            end: rfc3339(stored.event.end_ms),
            zone: stored.zone,
            effect: stored.event.effect.word(),
            slots,
            percent,
            weekday,
            says: stored.event.effect.says(),
            tag: stored.event.tag,
            source: if stored.origin.is_some() { "calendar" } else { "person" },
            uid: stored.origin.as_ref().map(|origin| origin.uid.clone()),
            file: stored.origin.map(|origin| origin.file),
            author: stored.author,
            updated_at: rfc3339(stored.updated_ms),
        }
    }
}

/// Events of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventsOut {
    /// How many there are in all.
    pub total: i64,
    /// By their beginning.
    pub events: Vec<EventOut>,
}

/// Which events are asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Not over at this time, RFC 3339.
    #[serde(default, deserialize_with = "given")]
    from: Option<String>,
    /// Begun before this time.
    #[serde(default, deserialize_with = "given")]
    to: Option<String>,
    /// Slug of a pool: its events, and those of all pools.
    #[serde(default, deserialize_with = "given")]
    pool: Option<String>,
    /// Of this tag.
    #[serde(default, deserialize_with = "given")]
    tag: Option<String>,
    /// At most so many, 1 to 1,000; 200 if it is left out.
    #[serde(default, deserialize_with = "given")]
    limit: Option<i64>,
    /// So many are passed over.
    #[serde(default, deserialize_with = "given")]
    offset: Option<i64>,
}

impl EventsQuery {
    fn asked(self) -> Result<Asked, AppError> {
        let instant = |field: &str, text: Option<String>| -> Result<Option<Millis>, AppError> {
            let Some(text) = text else { return Ok(None) };
            let read = chrono::DateTime::parse_from_rfc3339(&text).map(|at| at.timestamp_millis());
            let expected = "a time from 1970 to 2199 such as 2026-11-27T00:00:00Z";
            let known = headroom_domain::EARLIEST_MS..=headroom_domain::LATEST_MS;
            let read = read.ok().filter(|at| known.contains(at));
            read.map(Some).ok_or_else(|| AppError::invalid(field, &text, expected))
        };
        let limit = self.limit.unwrap_or(USUAL_LIMIT);
        if !(1..=MOST_LISTED).contains(&limit) {
            return Err(AppError::invalid("limit", limit.to_string(), "a whole number from 1 to 1,000"));
        }
        let offset = self.offset.unwrap_or_default();
        if !(0..=crate::app::calendar::MOST_EVENTS).contains(&offset) {
            return Err(AppError::invalid("offset", offset.to_string(), "a whole number from 0 to 20,000"));
        }
        if self.tag.as_ref().is_some_and(|tag| tag.len() > headroom_domain::slug::MAX_SLUG || tag.contains('\0')) {
            return Err(AppError::invalid("tag", self.tag.unwrap_or_default(), "a tag of at most 63 characters"));
        }
        Ok(Asked {
            from: instant("from", self.from)?,
            to: instant("to", self.to)?,
            pool: self.pool,
            tag: self.tag,
            limit,
            offset,
        })
    }
}

/// Events by their beginning. Who sees some pools only sees theirs and those of all pools.
#[utoipa::path(get, path = "/api/v1/events", tag = "calendar", params(EventsQuery),
    responses((status = 200, body = EventsOut), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn list(app: App, Query(query): Query<EventsQuery>) -> Result<Json<EventsOut>, ApiError> {
    let listed = app.events(&query.asked()?).await?;
    Ok(Json(EventsOut { total: listed.total, events: listed.events.into_iter().map(EventOut::from).collect() }))
}

/// The same events as a calendar (RFC 5545), to be shown in other programs.
#[utoipa::path(get, path = "/api/v1/events.ics", tag = "calendar", params(EventsQuery),
    responses((status = 200, description = "one event each", content_type = "text/calendar"), (status = 404, body = ProblemBody),
              (status = 422, body = ProblemBody)))]
pub async fn feed(app: App, Query(query): Query<EventsQuery>) -> Result<Response, ApiError> {
    let limit = query.limit.or(Some(MOST_LISTED));
    let body = app.events_file(&EventsQuery { limit, ..query }.asked()?).await?;
    Ok(([(CONTENT_TYPE, "text/calendar; charset=utf-8")], body).into_response())
}

/// One event. `ETag` is its version.
#[utoipa::path(get, path = "/api/v1/events/{event}", tag = "calendar",
    params(("event" = Uuid, Path, description = "id of the event")),
    responses((status = 200, body = EventOut), (status = 404, body = ProblemBody)))]
pub async fn get(app: App, Path(id): Path<Uuid>) -> Result<Response, ApiError> {
    let out = EventOut::from(app.event(id).await?);
    Ok(with_etag(out.version, StatusCode::OK, Json(out)))
}

/// Writes an event into the calendar. What contradicts another event of the same pool and time is refused, with the other one's name.
#[utoipa::path(post, path = "/api/v1/events", tag = "calendar", request_body = EventIn,
    responses((status = 201, body = EventOut), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn create(app: App, Json(body): Json<EventIn>) -> Result<Response, ApiError> {
    let out = EventOut::from(app.create_event(&body.wish()?).await?);
    let location = format!("/api/v1/events/{}", out.id);
    let mut response = with_etag(out.version, StatusCode::CREATED, Json(out));
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Changes an event: all of it.
#[utoipa::path(put, path = "/api/v1/events/{event}", tag = "calendar", request_body = EventIn,
    params(("event" = Uuid, Path, description = "id of the event"),
           ("If-Match" = Option<String>, Header, description = "the version that you saw, such as \"v7\"")),
    responses((status = 200, body = EventOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
              (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub async fn update(
    app: App,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
    Json(body): Json<EventIn>,
) -> Result<Response, ApiError> {
    let version = version_of(&headers)?;
    let out = EventOut::from(app.update_event(id, version, &body.wish()?).await?);
    Ok(with_etag(out.version, StatusCode::OK, Json(out)))
}

/// Takes an event out of the calendar.
#[utoipa::path(delete, path = "/api/v1/events/{event}", tag = "calendar",
    params(("event" = Uuid, Path, description = "id of the event"),
           ("If-Match" = Option<String>, Header, description = "the version that you saw, such as \"v7\"")),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
              (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub async fn remove(app: App, Path(id): Path<Uuid>, headers: HeaderMap) -> Result<StatusCode, ApiError> {
    app.delete_event(id, version_of(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What becomes of a calendar's events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CalendarQuery {
    /// Slug of their pool; left out = all pools.
    #[serde(default, deserialize_with = "given")]
    pool: Option<String>,
    /// Where tags come from: `category` (the first; the usual), `summary` or `fixed`.
    #[serde(default, deserialize_with = "given")]
    tag_from: Option<String>,
    /// With `fixed`: the tag of all.
    #[serde(default, deserialize_with = "given")]
    tag: Option<String>,
    /// What they do: `floor`, `factor`, `like_weekday`, `exclude` or `learn` (the usual).
    #[serde(default, deserialize_with = "given")]
    effect: Option<String>,
    /// With `floor`.
    #[serde(default, deserialize_with = "given")]
    slots: Option<i64>,
    /// With `factor`.
    #[serde(default, deserialize_with = "given")]
    percent: Option<i64>,
    /// With `like_weekday`.
    #[serde(default, deserialize_with = "given")]
    weekday: Option<i64>,
    /// `all`, or `good` for what can be taken of it; left out = the file is only checked.
    #[serde(default, deserialize_with = "given")]
    take: Option<String>,
}

/// Something in a file that cannot be taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct CalendarFaultOut {
    /// Its line, from 1.
    pub line: usize,
    /// What it is called.
    pub title: String,
    /// What is wrong with it.
    pub errors: Vec<FieldProblem>,
}

/// What taking a calendar does, or did.
#[derive(Debug, Serialize, ToSchema)]
pub struct CalendarOut {
    /// Whether it was taken.
    pub taken: bool,
    /// Occurrences that come.
    pub new: usize,
    /// That change what was taken before.
    pub changed: usize,
    /// That are in the calendar as they are.
    pub same: usize,
    /// That go: called off, or not in their series any more.
    pub removed: usize,
    /// That lie more than 400 days from now, and are left out.
    pub outside: usize,
    /// What cannot be taken, by line.
    pub faults: Vec<CalendarFaultOut>,
}

fn field_problem(problem: &Problem) -> FieldProblem {
    FieldProblem { field: problem.field.clone(), found: problem.found.clone(), expected: problem.expected.clone() }
}

/// Checks a calendar (RFC 5545) and, if it is asked for, takes its events. One that is taken again changes what it brought before, by
/// `UID`; what it calls off goes. Nothing is half done.
#[utoipa::path(post, path = "/api/v1/events/import", tag = "calendar", params(CalendarQuery),
    request_body(content = String, content_type = "text/calendar", description = "the calendar, at most 1 MB"),
    responses((status = 200, body = CalendarOut), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn import(app: App, Query(query): Query<CalendarQuery>, body: Bytes) -> Result<Json<CalendarOut>, ApiError> {
    let tag_from = match query.tag_from.as_deref() {
        None => TagFrom::Category,
        Some(word) => {
            TagFrom::parse(word).ok_or_else(|| AppError::invalid("tag_from", word, "category, summary or fixed"))?
        }
    };
    let takes = match query.take.as_deref() {
        None => None,
        Some("all") => Some(false),
        Some("good") => Some(true),
        Some(other) => return Err(AppError::invalid("take", other, "all or good").into()),
    };
    let mapping = Mapping {
        pool: query.pool,
        tag_from,
        tag: query.tag.unwrap_or_default(),
        effect: query.effect.unwrap_or_else(|| Effect::Learn.word().to_owned()),
        slots: query.slots,
        percent: query.percent,
        weekday: query.weekday,
    };
    let id = app.hold_calendar("", body.to_vec(), &mapping).await?;
    let review = app.review_calendar(id).await?;
    let faults = review.faults.iter().map(|fault| CalendarFaultOut {
        line: fault.line,
        title: fault.of.clone(),
        errors: vec![field_problem(&of_file(fault))],
    });
    let refused = review.rows.iter().filter_map(|row| match &row.what {
        What::Refused(problems) => Some(CalendarFaultOut {
            line: row.line,
            title: row.stored.title.clone(),
            errors: problems.iter().map(field_problem).collect(),
        }),
        _ => None,
    });
    let mut faults: Vec<CalendarFaultOut> = faults.chain(refused).collect();
    faults.sort_by_key(|fault| fault.line);
    let counts = match takes {
        Some(only_good) => match app.take_calendar(id, only_good).await {
            Ok(counts) => counts,
            Err(error) => {
                app.drop_calendar(id).await?;
                return Err(error.into());
            }
        },
        None => {
            app.drop_calendar(id).await?;
            review.counts()
        }
    };
    let Counts { new, changed, same, removed, refused: _ } = counts;
    Ok(Json(CalendarOut { taken: takes.is_some(), new, changed, same, removed, outside: review.outside, faults }))
}
