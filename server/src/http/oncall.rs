//! Who is on call over the API: schedules, overrides, escalation policies.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path, Query};
use crate::app::alerts::schedules::{
    LayerDraft, Named, NamedShift, OverrideDraft, PolicyDraft, PolicyShown, ScheduleDraft, ScheduleShown, TargetDraft,
    WindowDraft,
};
use crate::app::{App, AppError};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use headroom_domain::Millis;
use headroom_domain::alert::rota::{AHEAD_MS, HandOver, Layer, Override, Span};
use headroom_domain::range::{self, rfc3339};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Somebody.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonOut {
    /// Name.
    pub name: String,
    /// E-mail address; null if the account is gone, or for those who see some pools or tenants only.
    pub email: Option<String>,
}

impl From<Named> for PersonOut {
    fn from(named: Named) -> Self {
        Self { name: named.name, email: named.email }
    }
}

/// When one turn ends and the next one begins.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HandOverBody {
    /// `day`, `week` or `hours`.
    pub every: String,
    /// `08:00` as clocks of the zone show it; of days and weeks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub at: String,
    /// `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`; of weeks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub weekday: String,
    /// How many hours of the clock, reckoned from the start; of hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<u32>,
}

/// Part of a day, on some days of the week.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowBody {
    /// Days on which it begins; none = every day.
    #[serde(default)]
    pub weekdays: Vec<String>,
    /// When it begins, `18:00`.
    pub from: String,
    /// When it ends: on the next day unless this is later than its beginning.
    pub until: String,
}

/// People who take turns.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerIn {
    /// E-mail addresses, one after the other, then from the beginning again.
    people: Vec<String>,
    /// When the first turn begins, `2026-11-21T08:00` as clocks of the zone show it.
    start: String,
    /// When the next turn begins.
    hand_over: HandOverBody,
    /// When anybody is on call at all; none = always.
    #[serde(default)]
    only: Vec<WindowBody>,
}

/// Somebody is on call instead of whose turn it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideIn {
    /// E-mail address.
    person: String,
    /// From when, RFC 3339 or such as `now+1h`; now if it is left out.
    #[serde(default)]
    from: Option<String>,
    /// Until when.
    until: String,
    /// Why.
    #[serde(default)]
    note: String,
}

/// A schedule as it is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleIn {
    /// The version that you saw (PUT).
    #[serde(default)]
    version: Option<i32>,
    /// Its name in URLs (POST); it stays.
    #[serde(default)]
    slug: Option<String>,
    /// Its name.
    name: String,
    /// IANA zone in which its times are written.
    zone: String,
    /// Who takes turns; of those that cover an instant the last one counts.
    layers: Vec<LayerIn>,
    /// Exceptions, which count more than any layer; those that are there stay if this is left out.
    #[serde(default)]
    overrides: Option<Vec<OverrideIn>>,
}

/// People who take turns.
#[derive(Debug, Serialize, ToSchema)]
pub struct LayerOut {
    /// One after the other.
    pub people: Vec<PersonOut>,
    /// When the first turn begins, as clocks of the zone show it.
    pub start: String,
    /// When the next turn begins.
    pub hand_over: HandOverBody,
    /// When anybody is on call at all; none = always.
    pub only: Vec<WindowBody>,
}

/// Somebody is on call instead of whose turn it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct OverrideOut {
    /// Who.
    pub person: PersonOut,
    /// From when, RFC 3339.
    pub from: String,
    /// Until when.
    pub until: String,
    /// Why; empty for those who see some tenants only.
    pub note: String,
}

/// A time in which somebody is on call.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShiftOut {
    /// Who.
    pub person: PersonOut,
    /// From when, RFC 3339.
    pub from: String,
    /// Until when.
    pub until: String,
    /// `turn` or `override`.
    pub by: &'static str,
}

/// A time in which nobody is on call.
#[derive(Debug, Serialize, ToSchema)]
pub struct GapOut {
    /// From when, RFC 3339.
    pub from: String,
    /// Until when.
    pub until: String,
}

impl From<Span> for GapOut {
    fn from(span: Span) -> Self {
        Self { from: rfc3339(span.from_ms), until: rfc3339(span.to_ms) }
    }
}

/// A schedule.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduleOut {
    /// Its name in URLs.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Grows with each change; send it back with a PUT.
    pub version: i32,
    /// IANA zone in which its times are written.
    pub zone: String,
    /// Who takes turns.
    pub layers: Vec<LayerOut>,
    /// Exceptions.
    pub overrides: Vec<OverrideOut>,
    /// Who is on call now; null if nobody is.
    pub now: Option<PersonOut>,
    /// When that changes, RFC 3339; null if it does not in the next months.
    pub next_hand_over: Option<String>,
    /// Who is on call from then on; null if nobody is.
    pub next: Option<PersonOut>,
    /// Shifts in the range that was asked for, the next 14 days if none was.
    pub shifts: Vec<ShiftOut>,
    /// When nobody is on call in that range.
    pub gaps: Vec<GapOut>,
    /// When nobody is on call in the next 14 days.
    pub gaps_ahead: Vec<GapOut>,
    /// What else is wrong with it, a sentence each.
    pub warnings: Vec<String>,
}

fn hand_over(one: HandOver) -> HandOverBody {
    let body =
        |every: &str| HandOverBody { every: every.to_owned(), at: String::new(), weekday: String::new(), hours: None };
    match one {
        HandOver::Day { at } => HandOverBody { at: at.to_string(), ..body("day") },
        HandOver::Week { weekday, at } => {
            HandOverBody { at: at.to_string(), weekday: weekday.as_str().to_owned(), ..body("week") }
        }
        HandOver::Hours { hours } => HandOverBody { hours: Some(hours), ..body("hours") },
    }
}

impl From<ScheduleShown> for ScheduleOut {
    fn from(shown: ScheduleShown) -> Self {
        let people = shown.people;
        let named = |id: &str, name: &str| -> PersonOut {
            people.get(id).cloned().unwrap_or_else(|| Named { name: name.to_owned(), email: None }).into()
        };
        let layer = |one: Layer| LayerOut {
            people: one.people.iter().map(|person| named(&person.id, &person.name)).collect(),
            start: one.start.to_string(),
            hand_over: hand_over(one.hand_over),
            only: one
                .only
                .into_iter()
                .map(|window| WindowBody {
                    weekdays: window.weekdays.iter().map(|day| day.as_str().to_owned()).collect(),
                    from: window.from.to_string(),
                    until: window.until.to_string(),
                })
                .collect(),
        };
        let exception = |one: Override| OverrideOut {
            person: named(&one.person.id, &one.person.name),
            from: rfc3339(one.from_ms),
            until: rfc3339(one.until_ms),
            note: one.note,
        };
        let shift = |one: NamedShift| ShiftOut {
            person: one.who.into(),
            from: rfc3339(one.from_ms),
            until: rfc3339(one.until_ms),
            by: if one.is_override { "override" } else { "turn" },
        };
        Self {
            slug: shown.schedule.slug,
            name: shown.schedule.name,
            version: shown.schedule.version,
            zone: shown.schedule.rota.zone,
            layers: shown.schedule.rota.layers.into_iter().map(layer).collect(),
            overrides: shown.schedule.rota.overrides.into_iter().map(exception).collect(),
            now: shown.now.map(PersonOut::from),
            next_hand_over: shown.next_ms.map(rfc3339),
            next: shown.next.map(PersonOut::from),
            shifts: shown.shifts.into_iter().map(shift).collect(),
            gaps: shown.gaps.into_iter().map(GapOut::from).collect(),
            gaps_ahead: shown.gaps_ahead.into_iter().map(GapOut::from).collect(),
            warnings: shown.warnings,
        }
    }
}

/// Which shifts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ShiftsWanted {
    /// From when, RFC 3339 or such as `now-7d`; now if it is left out.
    from: Option<String>,
    /// Until when, at most 35 days later; 14 days later if it is left out.
    to: Option<String>,
}

fn ahead(field: &str, text: &str, now: Millis) -> Result<Millis, AppError> {
    range::ahead(text, now).map_err(|error| AppError::range(field, text, &error))
}

fn override_draft(one: OverrideIn, field: &str, now: Millis) -> Result<OverrideDraft, AppError> {
    let from_ms = match one.from.as_deref() {
        None => now,
        Some(text) => ahead(&format!("{field}from"), text, now)?,
    };
    let until_ms = ahead(&format!("{field}until"), &one.until, now)?;
    Ok(OverrideDraft { person: one.person, from_ms, until_ms, note: one.note })
}

fn schedule_draft(body: ScheduleIn, now: Millis) -> Result<ScheduleDraft, AppError> {
    let layer = |one: LayerIn| LayerDraft {
        people: one.people,
        start: one.start,
        every: one.hand_over.every,
        at: one.hand_over.at,
        weekday: one.hand_over.weekday,
        hours: one.hand_over.hours,
        only: one
            .only
            .into_iter()
            .map(|window| WindowDraft { weekdays: window.weekdays, from: window.from, until: window.until })
            .collect(),
    };
    let overrides = body.overrides.map(|all| {
        let numbered = all.into_iter().enumerate();
        numbered.map(|(number, one)| override_draft(one, &format!("overrides[{number}]."), now)).collect()
    });
    Ok(ScheduleDraft {
        slug: body.slug.unwrap_or_default(),
        name: body.name,
        zone: body.zone,
        layers: body.layers.into_iter().map(layer).collect(),
        overrides: overrides.transpose()?,
    })
}

fn same_slug(given: Option<&str>, slug: &str) -> Result<(), AppError> {
    match given {
        Some(other) if other != slug => Err(AppError::invalid("slug", other, format!("{slug}: it stays"))),
        _ => Ok(()),
    }
}

/// All schedules by name: who is on call now and next, shifts and gaps of the next 14 days.
#[utoipa::path(get, path = "/api/v1/oncall/schedules", tag = "oncall", responses((status = 200, body = Vec<ScheduleOut>)))]
pub async fn schedules(app: App) -> Result<Json<Vec<ScheduleOut>>, ApiError> {
    Ok(Json(app.schedules().await?.all.into_iter().map(ScheduleOut::from).collect()))
}

/// One schedule with the shifts of a range.
#[utoipa::path(get, path = "/api/v1/oncall/schedules/{schedule}", tag = "oncall",
    params(("schedule" = String, Path, description = "slug of the schedule"), ShiftsWanted),
    responses((status = 200, body = ScheduleOut), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn schedule(
    app: App,
    Path(slug): Path<String>,
    Query(asked): Query<ShiftsWanted>,
) -> Result<Json<ScheduleOut>, ApiError> {
    let range = if asked.from.is_none() && asked.to.is_none() {
        None
    } else {
        let now = app.now().await?;
        let instant =
            |field: &str, text: &Option<String>| text.as_deref().map(|text| ahead(field, text, now)).transpose();
        let from = instant("from", &asked.from)?.unwrap_or(now);
        Some((from, instant("to", &asked.to)?.unwrap_or(from + AHEAD_MS)))
    };
    Ok(Json(app.schedule(&slug, range).await?.1.into()))
}

/// Makes a schedule.
#[utoipa::path(post, path = "/api/v1/oncall/schedules", tag = "oncall", request_body = ScheduleIn,
    responses((status = 201, body = ScheduleOut), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn create_schedule(app: App, Json(body): Json<ScheduleIn>) -> Result<Response, ApiError> {
    let draft = schedule_draft(body, app.now().await?)?;
    let made = ScheduleOut::from(app.create_schedule(&draft).await?);
    let location = format!("/api/v1/oncall/schedules/{}", made.slug);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(made)).into_response())
}

/// Changes a schedule.
#[utoipa::path(put, path = "/api/v1/oncall/schedules/{schedule}", tag = "oncall", request_body = ScheduleIn,
    params(("schedule" = String, Path, description = "slug of the schedule")),
    responses((status = 200, body = ScheduleOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub async fn update_schedule(
    app: App,
    Path(slug): Path<String>,
    Json(body): Json<ScheduleIn>,
) -> Result<Json<ScheduleOut>, ApiError> {
    let version = body.version.ok_or(AppError::Unversioned("version in the body"))?;
    same_slug(body.slug.as_deref(), &slug)?;
    let draft = schedule_draft(body, app.now().await?)?;
    Ok(Json(app.update_schedule(&slug, version, &draft).await?.into()))
}

/// Takes a schedule away; refused while a policy asks it.
#[utoipa::path(delete, path = "/api/v1/oncall/schedules/{schedule}", tag = "oncall",
    params(("schedule" = String, Path, description = "slug of the schedule")),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn delete_schedule(app: App, Path(slug): Path<String>) -> Result<StatusCode, ApiError> {
    app.delete_schedule(&slug).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Somebody is on call for a while instead of whose turn it is.
#[utoipa::path(post, path = "/api/v1/oncall/schedules/{schedule}/overrides", tag = "oncall", request_body = OverrideIn,
    params(("schedule" = String, Path, description = "slug of the schedule")),
    responses((status = 201, body = ScheduleOut), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn add_override(
    app: App,
    Path(slug): Path<String>,
    Json(body): Json<OverrideIn>,
) -> Result<Response, ApiError> {
    let draft = override_draft(body, "", app.now().await?)?;
    let changed = ScheduleOut::from(app.add_override(&slug, &draft).await?);
    Ok((StatusCode::CREATED, Json(changed)).into_response())
}

/// Whom a step asks: one of both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetIn {
    /// Whoever is on call in the schedule of this slug.
    #[serde(default)]
    schedule: Option<String>,
    /// Always the person with this e-mail address.
    #[serde(default)]
    person: Option<String>,
}

/// Who is asked after some time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepIn {
    /// Milliseconds since the round began; 0 for the first.
    after_ms: i64,
    /// All of these are asked.
    targets: Vec<TargetIn>,
}

/// A policy as it is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EscalationIn {
    /// The version that you saw (PUT).
    #[serde(default)]
    version: Option<i32>,
    /// Its name in URLs (POST); it stays.
    #[serde(default)]
    slug: Option<String>,
    /// Its name.
    name: String,
    /// Owners of rules and pools that it is for; none = everybody who has no other.
    #[serde(default)]
    owners: Vec<String>,
    /// In order of time.
    steps: Vec<StepIn>,
    /// Milliseconds from one round to the next; 30 min if it is left out.
    #[serde(default)]
    round_ms: Option<i64>,
    /// Rounds; 3 if it is left out.
    #[serde(default)]
    rounds: Option<u32>,
    /// Save it though a step asks nobody now or at some time of the next 14 days, or names nothing that there is.
    #[serde(default)]
    acknowledge_gaps: bool,
}

/// A schedule that a step asks.
#[derive(Debug, Serialize, ToSchema)]
pub struct AskedSchedule {
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
}

/// Who is asked after some time.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepOut {
    /// Milliseconds since the round began.
    pub after_ms: i64,
    /// Schedules whose person on call is asked.
    pub schedules: Vec<AskedSchedule>,
    /// People who are always asked.
    pub people: Vec<PersonOut>,
    /// Whom it would ask now.
    pub asked_now: Vec<PersonOut>,
}

/// A policy.
#[derive(Debug, Serialize, ToSchema)]
pub struct EscalationOut {
    /// Its name in URLs.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Grows with each change; send it back with a PUT.
    pub version: i32,
    /// Owners of rules and pools that it is for; none = everybody who has no other.
    pub owners: Vec<String>,
    /// In order of time.
    pub steps: Vec<StepOut>,
    /// Milliseconds from one round to the next.
    pub round_ms: i64,
    /// Rounds.
    pub rounds: u32,
    /// Steps that ask nobody now or at some time of the next 14 days, and names of nothing.
    pub warnings: Vec<super::error::FieldProblem>,
}

impl From<PolicyShown> for EscalationOut {
    fn from(shown: PolicyShown) -> Self {
        let people = |all: Vec<Named>| all.into_iter().map(PersonOut::from).collect();
        Self {
            slug: shown.stored.slug,
            name: shown.stored.name,
            version: shown.stored.version,
            owners: shown.stored.owners,
            steps: shown
                .steps
                .into_iter()
                .map(|step| StepOut {
                    after_ms: step.after_ms,
                    schedules: step.schedules.into_iter().map(|(slug, name)| AskedSchedule { slug, name }).collect(),
                    people: people(step.people),
                    asked_now: people(step.asked),
                })
                .collect(),
            round_ms: shown.stored.policy.round_ms,
            rounds: shown.stored.policy.rounds,
            warnings: shown
                .warnings
                .into_iter()
                .map(|one| super::error::FieldProblem { field: one.field, found: one.found, expected: one.expected })
                .collect(),
        }
    }
}

fn policy_draft(body: EscalationIn) -> Result<PolicyDraft, AppError> {
    let usual = headroom_domain::alert::episode::Escalation::default();
    let mut steps = Vec::new();
    for (number, step) in body.steps.into_iter().enumerate() {
        let mut targets = Vec::new();
        for (index, target) in step.targets.into_iter().enumerate() {
            targets.push(match (target.schedule, target.person) {
                (Some(slug), None) => TargetDraft::Schedule(slug),
                (None, Some(email)) => TargetDraft::Person(email),
                _ => {
                    let field = format!("steps[{number}].targets[{index}]");
                    return Err(AppError::invalid(field, "", "either schedule or person"));
                }
            });
        }
        steps.push((step.after_ms, targets));
    }
    Ok(PolicyDraft {
        slug: body.slug.unwrap_or_default(),
        name: body.name,
        owners: body.owners,
        steps,
        round_ms: body.round_ms.unwrap_or(usual.round_ms),
        rounds: body.rounds.unwrap_or(usual.rounds),
        acknowledge_gaps: body.acknowledge_gaps,
    })
}

/// All policies by name, each with what is wrong with it.
#[utoipa::path(get, path = "/api/v1/oncall/policies", tag = "oncall", responses((status = 200, body = Vec<EscalationOut>)))]
pub async fn policies(app: App) -> Result<Json<Vec<EscalationOut>>, ApiError> {
    Ok(Json(app.policies().await?.into_iter().map(EscalationOut::from).collect()))
}

/// One policy.
#[utoipa::path(get, path = "/api/v1/oncall/policies/{policy}", tag = "oncall",
    params(("policy" = String, Path, description = "slug of the policy")),
    responses((status = 200, body = EscalationOut), (status = 404, body = ProblemBody)))]
pub async fn policy(app: App, Path(slug): Path<String>) -> Result<Json<EscalationOut>, ApiError> {
    Ok(Json(app.policy(&slug).await?.into()))
}

/// Makes a policy. One with a step that asks nobody now or at some time of the next 14 days, or that names a schedule or person
/// that there is not, is refused unless `acknowledge_gaps` is true; then it is saved and shown with `warnings`.
#[utoipa::path(post, path = "/api/v1/oncall/policies", tag = "oncall", request_body = EscalationIn,
    responses((status = 201, body = EscalationOut), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn create_policy(app: App, Json(body): Json<EscalationIn>) -> Result<Response, ApiError> {
    let made = EscalationOut::from(app.create_policy(&policy_draft(body)?).await?);
    let location = format!("/api/v1/oncall/policies/{}", made.slug);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(made)).into_response())
}

/// Changes a policy.
#[utoipa::path(put, path = "/api/v1/oncall/policies/{policy}", tag = "oncall", request_body = EscalationIn,
    params(("policy" = String, Path, description = "slug of the policy")),
    responses((status = 200, body = EscalationOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub async fn update_policy(
    app: App,
    Path(slug): Path<String>,
    Json(body): Json<EscalationIn>,
) -> Result<Json<EscalationOut>, ApiError> {
    let version = body.version.ok_or(AppError::Unversioned("version in the body"))?;
    same_slug(body.slug.as_deref(), &slug)?;
    Ok(Json(app.update_policy(&slug, version, &policy_draft(body)?).await?.into()))
}

/// Takes a policy away: its owners fall back to that of everybody.
#[utoipa::path(delete, path = "/api/v1/oncall/policies/{policy}", tag = "oncall",
    params(("policy" = String, Path, description = "slug of the policy")),
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub async fn delete_policy(app: App, Path(slug): Path<String>) -> Result<StatusCode, ApiError> {
    app.delete_policy(&slug).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who is on call in a schedule now.
#[derive(Debug, Serialize, ToSchema)]
pub struct NowScheduleOut {
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Who; null if nobody is.
    pub person: Option<PersonOut>,
    /// When that changes, RFC 3339.
    pub until: Option<String>,
    /// Who is on call from then on.
    pub next: Option<PersonOut>,
}

/// Whom the steps of a policy would ask now.
#[derive(Debug, Serialize, ToSchema)]
pub struct NowPolicyOut {
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// By step: milliseconds since the round began, and whom it would ask.
    pub steps: Vec<NowStepOut>,
}

/// Whom a step would ask now.
#[derive(Debug, Serialize, ToSchema)]
pub struct NowStepOut {
    /// Milliseconds since the round began.
    pub after_ms: i64,
    /// Nobody if it is empty.
    pub asked: Vec<PersonOut>,
}

/// Who is on call now.
#[derive(Debug, Serialize, ToSchema)]
pub struct NowOut {
    /// When this was so, RFC 3339.
    pub at: String,
    /// By schedule.
    pub schedules: Vec<NowScheduleOut>,
    /// By policy.
    pub policies: Vec<NowPolicyOut>,
}

/// Who is on call now, by schedule and by policy.
#[utoipa::path(get, path = "/api/v1/oncall/now", tag = "oncall", responses((status = 200, body = NowOut)))]
pub async fn now(app: App) -> Result<Json<NowOut>, ApiError> {
    let schedules = app.schedules().await?;
    let policies = app.policies().await?;
    Ok(Json(NowOut {
        at: rfc3339(schedules.now),
        schedules: schedules
            .all
            .into_iter()
            .map(|one| NowScheduleOut {
                slug: one.schedule.slug,
                name: one.schedule.name,
                person: one.now.map(PersonOut::from),
                until: one.next_ms.map(rfc3339),
                next: one.next.map(PersonOut::from),
            })
            .collect(),
        policies: policies
            .into_iter()
            .map(|one| NowPolicyOut {
                slug: one.stored.slug,
                name: one.stored.name,
                steps: one
                    .steps
                    .into_iter()
                    .map(|step| NowStepOut {
                        after_ms: step.after_ms,
                        asked: step.asked.into_iter().map(PersonOut::from).collect(),
                    })
                    .collect(),
            })
            .collect(),
    }))
}
