//! Alerts over the API: what fires, what people do about it, and slices that other systems send.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path, Query, given};
use crate::app::alerts::deeds::{Deed, Done, Wish, outcome_of};
use crate::app::alerts::slices::{Slice, Taken};
use crate::app::alerts::view::{AskedFor, Listed, MAX_ALERTS, Named, Shown, Whole};
use crate::app::{App, AppError};
use axum::http::header::{CACHE_CONTROL, ETAG};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use headroom_domain::access::Action;
use headroom_domain::alert::facts::TierFacts;
use headroom_domain::alert::outcome::Outcome;
use headroom_domain::alert::slo::Sli;
use headroom_domain::alert::window::Lane;
use headroom_domain::range::{self, rfc3339};
use headroom_domain::{DAY_MS, Millis};
use headroom_store::alert::Wanted;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use utoipa::{IntoParams, ToSchema};

/// Alerts of one answer if nothing is said.
const USUAL: i64 = 200;
/// A follower looks this often whether anything happened.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Rights are checked again this often.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// A comment goes out this often, so that nobody between closes a silent connection.
const PING: Duration = Duration::from_secs(15);

/// Which alerts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AlertsWanted {
    /// `open` (fires now), `resolved`, `inhibited` (fires, and another alert explains it) or `all`; `open` if it is left out.
    state: Option<String>,
    /// `page` or `ticket`.
    lane: Option<String>,
    /// Slug of a rule.
    rule: Option<String>,
    /// Slugs of pools; repeat for several. Without one those about Headroom itself are there too.
    pool: Vec<String>,
    /// Slugs of tenants; repeat for several.
    tenant: Vec<String>,
    /// Fired at or after this instant, RFC 3339 or such as `now-6h`.
    from: Option<String>,
    /// Fired before this instant.
    to: Option<String>,
    /// Alerts of rules that are only tried, too.
    #[serde(default, deserialize_with = "given")]
    dry_run: Option<bool>,
    /// Only alerts with a lower number: the last of the page before.
    #[serde(default, deserialize_with = "given")]
    before: Option<i64>,
    /// At most so many, 200 if it is left out.
    #[param(minimum = 1, maximum = 1_000)]
    #[serde(default, deserialize_with = "given")]
    limit: Option<i64>,
}

/// Alerts, and how far the engine is.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertsOut {
    /// When this was so, RFC 3339.
    pub at: String,
    /// Everything before this instant was judged; null if nothing ever was.
    pub watermark: Option<String>,
    /// Number of the newest event of any alert.
    pub version: i64,
    /// Whether whoever asks may answer them.
    pub may_answer: bool,
    /// The newest first.
    pub alerts: Vec<AlertOut>,
}

/// A window of a tier.
#[derive(Debug, Serialize, ToSchema)]
pub struct WindowOut {
    /// Its length, milliseconds.
    pub window_ms: i64,
    /// How fast its budget is used, 1 = it lasts exactly 30 days; null where nothing was counted.
    pub burn: Option<f64>,
    /// Burn above which it holds.
    pub over: f64,
}

/// A tier of a rule.
#[derive(Debug, Serialize, ToSchema)]
pub struct TierOut {
    /// `W1`.
    pub name: String,
    /// `page` or `ticket`.
    pub lane: &'static str,
    /// `true`, `false`, `idle` (nothing to judge) or `unknown` (too little was seen).
    pub holds: &'static str,
    /// Its windows, the long one first.
    pub windows: Vec<WindowOut>,
    /// Bad things in the long window.
    pub bad: u64,
    /// All things in the long window.
    pub total: u64,
    /// It would hold if there were not so few things.
    pub low_traffic: bool,
}

impl From<TierFacts> for TierOut {
    fn from(tier: TierFacts) -> Self {
        use headroom_domain::alert::window::Truth;
        Self {
            name: tier.name,
            lane: tier.lane.as_str(),
            holds: match tier.truth {
                Truth::True => "true",
                Truth::False => "false",
                Truth::Idle => "idle",
                Truth::Unknown => "unknown",
            },
            windows: tier
                .windows
                .into_iter()
                .map(|window| WindowOut { window_ms: window.window_ms, burn: window.burn, over: window.over })
                .collect(),
            bad: tier.bad,
            total: tier.total,
            low_traffic: tier.low_traffic,
        }
    }
}

/// Who acknowledged an alert.
#[derive(Debug, Serialize, ToSchema)]
pub struct AckOut {
    /// Who.
    pub by: String,
    /// When, RFC 3339.
    pub at: String,
    /// What they said.
    pub note: String,
    /// When they are asked whether they still have it.
    pub asked_at: String,
}

/// A part of the use of a pool.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserOut {
    /// The tenant's slug.
    pub tenant: String,
    /// Its part of the use, a ratio.
    pub share: f64,
}

/// An alert.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertOut {
    /// Its number.
    pub id: i64,
    /// Slug of its rule.
    pub rule: String,
    /// The rule as other tools call it.
    pub alertname: String,
    /// The rule as people call it.
    pub title: String,
    /// The pool's slug; null if it is about Headroom itself.
    pub pool: Option<String>,
    /// The tenant's slug; null for the pool as a whole.
    pub tenant: Option<String>,
    /// `resolved`, `no-data`, `silenced`, `inhibited`, `snoozed`, `acknowledged`, `firing` or `pending`: the first that fits.
    pub state: &'static str,
    /// `inactive`, `pending`, `firing`, `frozen` or `resolved`: what the engine sees.
    pub condition: &'static str,
    /// `open`, `acknowledged`, `snoozed` or `closed`: what people do.
    pub workflow: &'static str,
    /// `page` or `ticket`.
    pub severity: &'static str,
    /// The page is an urgent one.
    pub critical: bool,
    /// It comes and goes.
    pub flapping: bool,
    /// The tier that made it so; empty for rules without tiers.
    pub tier: String,
    /// Which time it happens, from 1.
    pub episode: u32,
    /// How often it came back in this episode.
    pub reopened: u32,
    /// Grows with each change that people decide upon; send it back with what you do.
    pub version: u64,
    /// How often it was judged.
    pub eval_seq: i64,
    /// What, how much of how much.
    pub text: String,
    /// When its condition began, RFC 3339.
    pub began_at: String,
    /// When it fired last.
    pub fired_at: Option<String>,
    /// When it was over.
    pub resolved_at: Option<String>,
    /// Why it was over: `clear`, `idle`, `person` or `gone`.
    pub why: Option<&'static str>,
    /// Who has it, or had it when it was over.
    pub ack: Option<AckOut>,
    /// Who else is on it.
    pub participants: Vec<String>,
    /// Until when it is put off.
    pub snoozed_until: Option<String>,
    /// The alert that explains it.
    pub inhibited_by: Option<i64>,
    /// Alerts that it explains.
    pub explains: Vec<i64>,
    /// The silence that keeps it from people.
    pub silence: Option<i64>,
    /// Of a rule that is only tried: nobody is told.
    pub dry_run: bool,
    /// Slugs of tenants that are hit, worst first.
    pub tenants: Vec<String>,
    /// Tenants that use most.
    pub users: Vec<UserOut>,
    /// Slots that are free, in the last minute that was seen.
    pub free: Option<i64>,
    /// Slots that there are.
    pub capacity: Option<i64>,
    /// Figures of the rule's tiers.
    pub tiers: Vec<TierOut>,
    /// Who answers for it.
    pub owner: String,
    /// Where it is written what to do.
    pub runbook: String,
}

fn slug(named: &Named) -> String {
    named.slug.clone()
}

impl From<Shown> for AlertOut {
    fn from(shown: Shown) -> Self {
        let alert = shown.row.alert;
        Self {
            id: shown.row.id,
            rule: shown.row.rule,
            alertname: shown.alertname,
            title: shown.title,
            pool: shown.pool.as_ref().map(slug),
            tenant: shown.tenant.as_ref().map(slug),
            state: shown.state.as_str(),
            condition: alert.condition.as_str(),
            workflow: alert.workflow.as_str(),
            severity: alert.severity.as_str(),
            critical: alert.critical,
            flapping: alert.flapping,
            tier: alert.tier,
            episode: alert.episode,
            reopened: alert.reopened,
            version: alert.version,
            eval_seq: shown.row.eval_seq,
            text: shown.says,
            began_at: rfc3339(alert.began_ms),
            fired_at: alert.fired_ms.map(rfc3339),
            resolved_at: alert.resolved_ms.map(rfc3339),
            why: alert.why.map(headroom_domain::alert::lanes::Why::as_str),
            ack: alert.owner.map(|owner| AckOut {
                by: owner.who.name,
                at: rfc3339(owner.at_ms),
                note: owner.note,
                asked_at: rfc3339(owner.ask_ms),
            }),
            participants: alert.participants.into_iter().map(|person| person.name).collect(),
            snoozed_until: alert.snoozed_until_ms.map(rfc3339),
            inhibited_by: shown.row.inhibited_by,
            explains: shown.explains.iter().map(|(id, _)| *id).collect(),
            silence: shown.row.silence,
            dry_run: shown.row.dry_run,
            tenants: shown.hit.iter().map(slug).collect(),
            users: shown.users.iter().map(|(named, share)| UserOut { tenant: slug(named), share: *share }).collect(),
            free: shown.row.facts.free.map(|(free, _)| free),
            capacity: shown.row.facts.free.map(|(_, capacity)| capacity),
            tiers: shown.row.facts.tiers.into_iter().map(TierOut::from).collect(),
            owner: shown.owner,
            runbook: shown.runbook,
        }
    }
}

/// Something that happened to an alert.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertEventOut {
    /// Its number; later ones have higher ones.
    pub id: i64,
    /// When, RFC 3339.
    pub at: String,
    /// What, a word such as `fired`, `acknowledged`, `escalated` or `resolved`.
    pub what: String,
    /// Who did it; null if it happened by itself.
    pub who: Option<String>,
    /// What they said, or who was asked.
    pub note: String,
    /// Version of the alert after it.
    pub version: u64,
}

/// A message about an alert.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryOut {
    /// Its number.
    pub id: i64,
    /// Slug of the receiver.
    pub receiver: String,
    /// What it told.
    pub message: String,
    /// `waiting`, `sent`, `dead` or `dropped`.
    pub state: String,
    /// Attempts so far.
    pub attempts: i32,
    /// When it was written, RFC 3339.
    pub created_at: String,
    /// When it was sent.
    pub sent_at: Option<String>,
    /// What went wrong last.
    pub error: Option<String>,
    /// The key it is known by at its receiver.
    pub key: String,
}

/// Everything about one alert.
#[derive(Debug, Serialize, ToSchema)]
pub struct WholeAlertOut {
    /// The alert.
    #[serde(flatten)]
    pub alert: AlertOut,
    /// What happened to it, oldest first.
    pub events: Vec<AlertEventOut>,
    /// Who was told, newest first; empty for those who see some pools or tenants only.
    pub deliveries: Vec<DeliveryOut>,
    /// Other episodes of the same thing, newest first.
    pub episodes: Vec<AlertOut>,
    /// What it turned out to be, if somebody said so: `fixed`, `went-away`, `false-alarm`, `duplicate` or `no-action`.
    pub outcome: Option<&'static str>,
    /// Steps of its runbook that were done.
    pub steps: Vec<StepOut>,
}

/// A step of the runbook that somebody did.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepOut {
    /// Its number.
    pub step: i32,
    /// Who did it.
    pub who: String,
    /// When, RFC 3339.
    pub at: String,
}

/// What became of a deed.
#[derive(Debug, Serialize, ToSchema)]
pub struct DoneOut {
    /// The alert afterwards.
    #[serde(flatten)]
    pub alert: AlertOut,
    /// It had been done before with the same key; nothing was done now.
    pub replayed: bool,
}

impl From<Done> for DoneOut {
    fn from(done: Done) -> Self {
        Self { replayed: done.replayed, alert: done.shown.into() }
    }
}

/// An answer that says which version it is of.
fn tagged(version: u64, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    if let Ok(tag) = HeaderValue::try_from(format!("\"v{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

async fn instant(app: &App, field: &str, text: Option<&str>) -> Result<Option<Millis>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let now = app.now().await?;
    Ok(Some(range::instant(text, now).map_err(|error| AppError::range(field, text, &error))?))
}

/// Alerts that fire or fired, the newest first.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts", params(AlertsWanted),
    responses((status = 200, body = AlertsOut), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn list(app: App, Query(asked): Query<AlertsWanted>) -> Result<Json<AlertsOut>, ApiError> {
    let (open, inhibited) = match asked.state.as_deref() {
        None | Some("open") => (Some(true), None),
        Some("resolved") => (Some(false), None),
        Some("inhibited") => (Some(true), Some(true)),
        Some("all") => (None, None),
        Some(other) => return Err(AppError::invalid("state", other, "open, resolved, inhibited or all").into()),
    };
    let lane = match asked.lane.as_deref() {
        None => None,
        Some("page") => Some(Lane::Page),
        Some("ticket") => Some(Lane::Ticket),
        Some(other) => return Err(AppError::invalid("lane", other, "page or ticket").into()),
    };
    let limit = asked.limit.unwrap_or(USUAL);
    if !(1..=MAX_ALERTS).contains(&limit) {
        return Err(AppError::invalid("limit", limit.to_string(), format!("1 to {MAX_ALERTS}")).into());
    }
    let (since, until) =
        (instant(&app, "from", asked.from.as_deref()).await?, instant(&app, "to", asked.to.as_deref()).await?);
    let wanted = Wanted {
        open,
        lane,
        rule: asked.rule,
        since,
        until,
        inhibited,
        dry_run: asked.dry_run.unwrap_or_default(),
        before: asked.before,
        limit,
        ..Wanted::default()
    };
    let Listed { now, engine, alerts, version } =
        app.alerts(&AskedFor { pools: asked.pool, tenants: asked.tenant, wanted }).await?;
    Ok(Json(AlertsOut {
        at: rfc3339(now),
        watermark: engine.watermark.map(rfc3339),
        version,
        may_answer: app.caller().may(Action::Answer),
        alerts: alerts.into_iter().map(AlertOut::from).collect(),
    }))
}

/// Everything about one alert. `ETag` is its version.
#[utoipa::path(get, path = "/api/v1/alerts/{alert}", tag = "alerts", params(("alert" = i64, Path, description = "number of the alert")),
    responses((status = 200, body = WholeAlertOut), (status = 404, body = ProblemBody)))]
pub async fn get(app: App, Path(id): Path<i64>) -> Result<Response, ApiError> {
    let Whole { shown, events, deliveries, episodes, steps, outcome, .. } = app.alert(id).await?;
    let version = shown.row.alert.version;
    let body = WholeAlertOut {
        alert: shown.into(),
        events: events
            .into_iter()
            .map(|event| AlertEventOut {
                id: event.id,
                at: rfc3339(event.at),
                what: event.what,
                who: event.who.map(|who| who.name),
                note: event.note,
                version: event.version,
            })
            .collect(),
        deliveries: deliveries
            .into_iter()
            .map(|one| DeliveryOut {
                id: one.id,
                receiver: one.receiver,
                message: one.message,
                state: one.state,
                attempts: one.attempts,
                created_at: rfc3339(one.created_ms),
                sent_at: one.sent_ms.map(rfc3339),
                error: one.last_error,
                key: one.key,
            })
            .collect(),
        episodes: episodes.into_iter().map(AlertOut::from).collect(),
        outcome: outcome.map(Outcome::as_str),
        steps: steps.into_iter().map(|(step, who, at)| StepOut { step, who, at: rfc3339(at) }).collect(),
    };
    Ok(tagged(version, Json(body)))
}

/// What somebody does about an alert.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeedIn {
    /// The version that you saw; may be sent as `If-Match: "v7"` instead. Needed for `ack`, `unack`, `takeover`, `snooze` and
    /// `resolve`.
    #[serde(default, deserialize_with = "version")]
    expected_version: Option<u64>,
    /// What you say; needed for `takeover`, `resolve` and `notes`. At most 2,000 characters.
    note: String,
    /// For `snooze`: until when, RFC 3339, such as `now+1h`, or `shift`: until your shift on call ends.
    until: Option<String>,
    /// For `resolve` and `outcome`: what it was, `fixed`, `went-away`, `false-alarm`, `duplicate` or `no-action`. With it
    /// `resolve` needs no note.
    outcome: Option<String>,
    /// For `tick` and `untick`: number of a step of its runbook.
    step: Option<i32>,
    /// Asked again with the same key, the same is answered and nothing is done twice. At most 200 characters.
    idempotency_key: Option<String>,
}

fn seen(headers: &HeaderMap, body: Option<u64>) -> Result<Option<u64>, AppError> {
    let Some(header) = headers.get(axum::http::header::IF_MATCH) else { return Ok(body) };
    let text = header.to_str().unwrap_or_default();
    let version = text.trim().trim_matches('"').strip_prefix('v').and_then(|digits| digits.parse().ok());
    let version = version.ok_or_else(|| AppError::invalid("If-Match", text, "a version such as \"v7\""))?;
    match body {
        Some(other) if other != version => {
            Err(AppError::invalid("expected_version", other.to_string(), "the same version as If-Match"))
        }
        _ => Ok(Some(version)),
    }
}

/// Does something about an alert: `ack`, `confirm` (you still have it), `join`, `takeover`, `unack`, `snooze`, `resolve`, `outcome`
/// (what it was, once it is over), `escalate`, `notes`, or `tick` and `untick` (a step of its runbook was done). A deed that does not fit what the alert is now changes nothing and says how it is: `already_acknowledged` with who
/// was first, when and what they said.
#[utoipa::path(post, path = "/api/v1/alerts/{alert}/{deed}", tag = "alerts", request_body = DeedIn,
    params(("alert" = i64, Path, description = "number of the alert"), ("deed" = String, Path, description = "what to do")),
    responses((status = 200, body = DoneOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody), (status = 428, body = ProblemBody)))]
pub async fn act(
    app: App,
    Path((id, deed)): Path<(i64, String)>,
    headers: HeaderMap,
    Json(body): Json<DeedIn>,
) -> Result<Response, ApiError> {
    let until = match body.until.as_deref() {
        Some("shift") => Some(app.shift_end().await?),
        Some(text) => {
            Some(range::ahead(text, app.now().await?).map_err(|error| AppError::range("until", text, &error))?)
        }
        None => None,
    };
    let outcome = match body.outcome.as_deref() {
        Some(word) => Some(outcome_of(word)?),
        None => None,
    };
    if outcome.is_some() && !matches!(deed.as_str(), "resolve" | "outcome") {
        let expected = "nothing: only resolve and outcome say what it was";
        return Err(AppError::invalid("outcome", body.outcome.unwrap_or_default(), expected).into());
    }
    let step = || body.step.ok_or_else(|| AppError::invalid("step", "", "the number of a step of its runbook"));
    let deed = match deed.as_str() {
        "ack" => Deed::Acknowledge,
        "confirm" => Deed::Confirm,
        "join" => Deed::Join,
        "takeover" => Deed::TakeOver,
        "unack" => Deed::GiveBack,
        "snooze" => Deed::Snooze(until.ok_or_else(|| AppError::invalid("until", "", "until when, such as now+1h"))?),
        "resolve" => outcome.map_or(Deed::Resolve, Deed::ResolveAs),
        "outcome" => Deed::SayOutcome(match outcome {
            Some(outcome) => outcome,
            None => outcome_of("")?,
        }),
        "escalate" => Deed::Escalate,
        "notes" => Deed::Note,
        "tick" => Deed::Tick(step()?),
        "untick" => Deed::Untick(step()?),
        other => {
            let known =
                "ack, confirm, join, takeover, unack, snooze, resolve, outcome, escalate, notes, tick or untick";
            return Err(AppError::invalid("deed", other, known).into());
        }
    };
    if until.is_some() && !matches!(deed, Deed::Snooze(_)) {
        return Err(
            AppError::invalid("until", body.until.unwrap_or_default(), "nothing: only snooze has an end").into()
        );
    }
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let wish =
        Wish { deed, seen: seen(&headers, body.expected_version)?, note: body.note, key: body.idempotency_key.or(key) };
    let done = app.answer_alert(id, &wish).await?;
    Ok(tagged(done.shown.row.alert.version, Json(DoneOut::from(done))))
}

/// A version: a number that the store can hold.
fn version<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let version = Option::<u64>::deserialize(from)?;
    if version.is_some_and(|version| i64::try_from(version).is_err()) {
        return Err(D::Error::custom("expected a version, a whole number up to 9223372036854775807"));
    }
    Ok(version)
}

/// One of several alerts to acknowledge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkOne {
    /// Number of the alert.
    id: i64,
    /// The version that you saw.
    #[serde(default, deserialize_with = "version")]
    expected_version: Option<u64>,
}

/// Several alerts to acknowledge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkIn {
    /// At most 1,000.
    alerts: Vec<BulkOne>,
    /// What you say of each.
    #[serde(default)]
    note: String,
}

/// What became of one of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkOneOut {
    /// Number of the alert.
    pub id: i64,
    /// `acknowledged`, or why not: `already_acknowledged`, `already_resolved`, `not_firing`, `stale_version`, `not-found`, ...
    pub result: String,
    /// The alert afterwards, if it was acknowledged.
    pub alert: Option<AlertOut>,
    /// The problem, if it was not.
    pub problem: Option<ProblemBody>,
}

/// What became of all of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkOut {
    /// How many were acknowledged.
    pub acknowledged: usize,
    /// Each.
    pub results: Vec<BulkOneOut>,
}

/// Acknowledges several alerts. Each is done or refused by itself, and none silently.
#[utoipa::path(post, path = "/api/v1/alerts/bulk-ack", tag = "alerts", request_body = BulkIn,
    responses((status = 200, body = BulkOut), (status = 422, body = ProblemBody)))]
pub async fn bulk_ack(app: App, Json(body): Json<BulkIn>) -> Result<Json<BulkOut>, ApiError> {
    let all: Vec<(i64, Option<u64>)> = body.alerts.iter().map(|one| (one.id, one.expected_version)).collect();
    let results: Vec<BulkOneOut> = app
        .acknowledge_alerts(&all, &body.note)
        .await?
        .into_iter()
        .map(|(id, result)| match result {
            Ok(done) => {
                BulkOneOut { id, result: "acknowledged".to_owned(), alert: Some(done.shown.into()), problem: None }
            }
            Err(error) => {
                let problem = ApiError::from(error).into_body();
                let word = problem.kind.rsplit('#').next().unwrap_or("refused").to_owned();
                BulkOneOut { id, result: word, alert: None, problem: Some(problem) }
            }
        })
        .collect();
    Ok(Json(BulkOut { acknowledged: results.iter().filter(|one| one.alert.is_some()).count(), results }))
}

/// Follows alerts as server-sent events: `alerts` with the number of the newest event, whenever anything happened to any alert.
/// Whoever follows reads the list again.
#[utoipa::path(get, path = "/api/v1/alerts/stream", tag = "alerts",
    responses((status = 200, description = "a stream of events", content_type = "text/event-stream")))]
pub async fn follow(app: App) -> Result<Response, ApiError> {
    let first = app.alert_version().await?;
    let state = (app, None::<i64>, first, Instant::now());
    let updates = stream::unfold(state, |(app, told, mut version, mut checked)| async move {
        while told == Some(version) {
            tokio::time::sleep(LOOK_EVERY).await;
            if checked.elapsed() >= CHECK_EVERY {
                checked = Instant::now();
                if !app.is_still_in().await.unwrap_or(true) {
                    return None;
                }
            }
            // While the database is away there is nothing to tell; the next look asks again.
            version = app.alert_version().await.unwrap_or(version);
        }
        let event = Event::default().event("alerts").id(version.to_string()).data(format!("{{\"version\":{version}}}"));
        Some((Ok::<_, Infallible>(event), (app, Some(version), version, checked)))
    });
    let mut response = Sse::new(updates).keep_alive(KeepAlive::new().interval(PING)).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// A slice.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SliceIn {
    /// Slug of the pool.
    pool: String,
    /// Slug of the tenant; the pool as a whole without one.
    #[serde(default)]
    tenant: Option<String>,
    /// `saturation`, `latency`, `leak`, `reclaim`, `waste` or `wait`.
    sli: String,
    /// Start of the minute, RFC 3339; at most 1 h late and 60 s ahead.
    at: String,
    /// Bad things.
    bad: i64,
    /// All things.
    total: i64,
    /// A newer revision of the same slice replaces; the same again changes nothing.
    #[serde(default)]
    revision: i64,
}

/// Slices of a source.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SlicesIn {
    /// Who sends; slices of several sources add up.
    source: String,
    /// At most 20,000.
    slices: Vec<SliceIn>,
}

/// What became of slices.
#[derive(Debug, Serialize, ToSchema)]
pub struct SlicesOut {
    /// Slices that count.
    pub accepted: usize,
    /// Of these, new or newer than what was there.
    pub changed: u64,
    /// Of these, late: they are judged with the present.
    pub late: usize,
    /// Slices that do not count.
    pub rejected: usize,
    /// Why, for the first hundred.
    pub errors: Vec<super::error::FieldProblem>,
}

/// Takes up counts of bad and of all things by the minute, where other systems count what Headroom promises. Those that can be
/// taken up are; the others are named.
#[utoipa::path(post, path = "/api/v1/slices", tag = "alerts", request_body = SlicesIn,
    responses((status = 200, body = SlicesOut), (status = 422, body = ProblemBody)))]
pub async fn slices(app: App, Json(body): Json<SlicesIn>) -> Result<Json<SlicesOut>, ApiError> {
    let mut slices = Vec::with_capacity(body.slices.len().min(1_024));
    for (number, slice) in body.slices.into_iter().enumerate() {
        let field = |name: &str| format!("slices[{number}].{name}");
        let sli: Sli =
            slice.sli.parse().map_err(|expected: String| AppError::invalid(field("sli"), &slice.sli, expected))?;
        let at = range::instant(&slice.at, 0).map_err(|error| AppError::range(&field("at"), &slice.at, &error))?;
        slices.push(Slice {
            pool: slice.pool,
            tenant: slice.tenant,
            sli,
            at,
            bad: slice.bad,
            total: slice.total,
            revision: slice.revision,
        });
    }
    let Taken { accepted, changed, late, rejected, rejections } = app.send_slices(&body.source, &slices).await?;
    let errors = rejected
        .into_iter()
        .map(|p| super::error::FieldProblem { field: p.field, found: p.found, expected: p.expected })
        .collect();
    Ok(Json(SlicesOut { accepted, changed, late, rejected: rejections, errors }))
}

/// Over which time.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct QualityWanted {
    /// From when, RFC 3339 or such as `now-7d`; 30 days ago if it is left out.
    from: Option<String>,
    /// Until when; now if it is left out.
    to: Option<String>,
}

/// How a rule did.
#[derive(Debug, Serialize, ToSchema)]
pub struct QualityOut {
    /// Slug of the rule.
    pub rule: String,
    /// The rule as people call it.
    pub title: String,
    /// Episodes that fired.
    pub fires: i64,
    /// Of these, pages.
    pub pages: i64,
    /// Part of the time in which it fired, summed over all that it fired for; may exceed 1.
    pub firing_share: f64,
    /// Part of the episodes that somebody acknowledged.
    pub acked_share: f64,
    /// Median time from firing to the acknowledgement, milliseconds; null if nobody did.
    pub median_ack_ms: Option<i64>,
    /// Episodes that nobody acknowledged.
    pub never_acked: i64,
    /// It fires for more than a fifth of the time: people learn to look away.
    pub noisy: bool,
    /// What its alerts turned out to be, as far as somebody said so: how many of each.
    pub outcomes: BTreeMap<&'static str, i64>,
}

/// A rule that fires for a larger part of the time is flagged.
pub const NOISY: f64 = 0.2;

/// How rules did: how often they fired, for how long, and whether anybody cared.
#[utoipa::path(get, path = "/api/v1/reports/alert-quality", tag = "alerts", params(QualityWanted),
    responses((status = 200, body = Vec<QualityOut>), (status = 422, body = ProblemBody)))]
pub async fn quality(app: App, Query(asked): Query<QualityWanted>) -> Result<Json<Vec<QualityOut>>, ApiError> {
    let now = app.now().await?;
    let to = instant(&app, "to", asked.to.as_deref()).await?.unwrap_or(now);
    let from = instant(&app, "from", asked.from.as_deref()).await?.unwrap_or(to - 30 * DAY_MS);
    if from >= to {
        return Err(AppError::invalid("from", asked.from.unwrap_or_default(), "an instant before to").into());
    }
    let found = app.alert_quality(from, to).await?;
    let mut outcomes = app.alert_outcomes(from, to).await?;
    let out = found.into_iter().map(|(title, quality)| {
        let firing_share = quality.firing_ms as f64 / (to - from) as f64;
        QualityOut {
            title,
            firing_share,
            acked_share: quality.acked as f64 / quality.fires.max(1) as f64,
            noisy: firing_share > NOISY,
            outcomes: outcomes
                .remove(&quality.rule)
                .into_iter()
                .flatten()
                .map(|(outcome, count)| (outcome.as_str(), count))
                .collect(),
            rule: quality.rule,
            fires: quality.fires,
            pages: quality.pages,
            median_ack_ms: quality.median_ack_ms,
            never_acked: quality.never_acked,
        }
    });
    Ok(Json(out.collect()))
}

/// Takes what PagerDuty tells about incidents that Headroom opened, as a generic webhook of version 3 with the signature of the
/// receiver's `webhook_secret`: acknowledged, given back or resolved there is so here, by the same rules.
#[utoipa::path(post, path = "/api/v1/hooks/pagerduty/{receiver}", tag = "alerts", request_body(content = String, content_type = "application/json"),
    params(("receiver" = String, Path, description = "slug of the receiver")),
    responses((status = 202, description = "taken, or no business of ours"), (status = 401, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn pagerduty(
    app: App,
    Path(receiver): Path<String>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<axum::http::StatusCode, ApiError> {
    let signature = headers.get("x-pagerduty-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    app.pagerduty_tells(&receiver, signature, &body).await?;
    Ok(axum::http::StatusCode::ACCEPTED)
}
