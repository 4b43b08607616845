//! Receivers of alerts and messages to them, over the API.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path, Query, given};
use crate::app::receivers::{Draft, MAX_NOTIFICATIONS, STATES, Shown};
use crate::app::{App, AppError};
use axum::http::StatusCode;
use headroom_domain::alert::receiver::Kind;
use headroom_domain::alert::window::Lane;
use headroom_domain::range::rfc3339;
use headroom_store::notification::{INSTEAD_OF, Notification, Wanted};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Messages of one answer if nothing is said.
const USUAL: i64 = 100;

/// Somebody who is told about alerts.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReceiverOut {
    /// Its name in URLs.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// `alertmanager-webhook`, `pagerduty`, `slack`, `webhook`, `email`, `alertmanager` or `watchdog`.
    pub kind: &'static str,
    /// Where it is and how it is reached, without secrets.
    #[schema(value_type = Object)]
    pub settings: Value,
    /// Secrets of its kind, and whether each is set. They are told nowhere.
    pub secrets: BTreeMap<&'static str, bool>,
    /// `page`, `ticket`.
    pub lanes: Vec<&'static str>,
    /// Only about alerts of these owners; of all if there are none.
    pub owners: Vec<String>,
    /// Id of the account whose own it is.
    pub account: Option<String>,
    /// Whether it is told when another one cannot be reached, or when nobody is on call.
    pub failover: bool,
    /// Whether it is told at all.
    pub enabled: bool,
    /// Failures in a row.
    pub failures: i32,
    /// What went wrong last; null since it was reached.
    pub last_error: Option<String>,
    /// When it was reached last, RFC 3339.
    pub last_ok_at: Option<String>,
    /// Version for changes.
    pub version: i32,
}

impl From<Shown> for ReceiverOut {
    fn from(shown: Shown) -> Self {
        let Shown { receiver, secrets, account } = shown;
        Self {
            slug: receiver.slug,
            name: receiver.name,
            kind: receiver.kind.as_str(),
            settings: receiver.settings,
            secrets: secrets.into_iter().collect(),
            lanes: receiver.lanes.iter().map(|lane| lane.as_str()).collect(),
            owners: receiver.owners,
            account: account.map(|id| id.to_string()),
            failover: receiver.is_failover,
            enabled: receiver.enabled,
            failures: receiver.failures,
            last_error: receiver.last_error,
            last_ok_at: receiver.last_ok_ms.map(rfc3339),
            version: receiver.version,
        }
    }
}

/// What a receiver is to be.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReceiverIn {
    /// Version the change was made on (PUT).
    pub version: Option<i32>,
    /// Its name in URLs; made from its name if it is left out, and kept on a change.
    pub slug: Option<String>,
    /// Its name.
    pub name: String,
    /// `alertmanager-webhook`, `pagerduty`, `slack`, `webhook`, `email`, `alertmanager` or `watchdog`.
    pub kind: String,
    /// By kind: `url` and `authorization` (alertmanager-webhook, alertmanager); `routing_key` and `url` (pagerduty); `url`, or
    /// `token` and `channel` (slack); `url` and `secret` (webhook); `to`, a list (email); `url` (watchdog). On a change
    /// secrets that are left out stay, unless the address leads elsewhere; null takes a setting away.
    #[schema(value_type = Object)]
    pub settings: Value,
    /// `page`, `ticket`; both if it is left out.
    pub lanes: Option<Vec<String>>,
    /// Only about alerts of these owners; of all if there are none.
    pub owners: Vec<String>,
    /// Id of the account whose own it is.
    pub account: Option<String>,
    /// Whether it is told when another one cannot be reached, or when nobody is on call.
    pub failover: bool,
    /// Whether it is told at all; true if it is left out.
    pub enabled: Option<bool>,
}

impl ReceiverIn {
    fn draft(self) -> Result<Draft, AppError> {
        let kind: Kind =
            self.kind.parse().map_err(|expected: String| AppError::invalid("kind", &self.kind, expected))?;
        let mut lanes = Vec::new();
        for word in self.lanes.unwrap_or_else(|| vec!["page".into(), "ticket".into()]) {
            let lane = [Lane::Page, Lane::Ticket].into_iter().find(|lane| lane.as_str() == word);
            let lane = lane.ok_or_else(|| AppError::invalid("lanes", &word, "page or ticket"))?;
            if !lanes.contains(&lane) {
                lanes.push(lane);
            }
        }
        let account = match &self.account {
            Some(text) => {
                let expected = "the id of an account";
                Some(text.parse::<Uuid>().map_err(|_| AppError::invalid("account", text, expected))?)
            }
            None => None,
        };
        Ok(Draft {
            slug: self.slug,
            name: self.name,
            kind,
            settings: self.settings,
            lanes,
            owners: self.owners,
            account,
            is_failover: self.failover,
            enabled: self.enabled.unwrap_or(true),
        })
    }
}

/// All receivers by name.
#[utoipa::path(get, path = "/api/v1/receivers", tag = "alerts", responses((status = 200, body = Vec<ReceiverOut>)))]
pub async fn list(app: App) -> Result<Json<Vec<ReceiverOut>>, ApiError> {
    Ok(Json(app.receivers().await?.into_iter().map(ReceiverOut::from).collect()))
}

/// One receiver.
#[utoipa::path(get, path = "/api/v1/receivers/{receiver}", tag = "alerts",
    params(("receiver" = String, Path, description = "slug")),
    responses((status = 200, body = ReceiverOut), (status = 404, body = ProblemBody)))]
pub async fn get(app: App, Path(receiver): Path<String>) -> Result<Json<ReceiverOut>, ApiError> {
    Ok(Json(app.receiver(&receiver).await?.into()))
}

/// Makes a receiver.
#[utoipa::path(post, path = "/api/v1/receivers", tag = "alerts", request_body = ReceiverIn,
    responses((status = 201, body = ReceiverOut), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn create(app: App, Json(body): Json<ReceiverIn>) -> Result<(StatusCode, Json<ReceiverOut>), ApiError> {
    Ok((StatusCode::CREATED, Json(app.create_receiver(&body.draft()?).await?.into())))
}

/// Replaces a receiver. Secrets that are left out stay.
#[utoipa::path(put, path = "/api/v1/receivers/{receiver}", tag = "alerts",
    params(("receiver" = String, Path, description = "slug")), request_body = ReceiverIn,
    responses((status = 200, body = ReceiverOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
pub async fn update(
    app: App,
    Path(receiver): Path<String>,
    Json(body): Json<ReceiverIn>,
) -> Result<Json<ReceiverOut>, ApiError> {
    let before = app.receiver(&receiver).await?;
    let version = body.version.ok_or_else(|| {
        let expected = format!("the version the change was made on; it is {} now", before.receiver.version);
        AppError::invalid("version", "", expected)
    })?;
    Ok(Json(app.update_receiver(&receiver, version, &body.draft()?).await?.into()))
}

/// Removes a receiver, with what it was told. Refused while messages to it wait.
#[utoipa::path(delete, path = "/api/v1/receivers/{receiver}", tag = "alerts",
    params(("receiver" = String, Path, description = "slug")),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn delete(app: App, Path(receiver): Path<String>) -> Result<StatusCode, ApiError> {
    app.delete_receiver(&receiver).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a receiver something to try it, also one that is switched off. How it went is told by the messages themselves.
#[utoipa::path(post, path = "/api/v1/receivers/{receiver}/test", tag = "alerts",
    params(("receiver" = String, Path, description = "slug")),
    responses((status = 202, body = Vec<NotificationOut>), (status = 404, body = ProblemBody)))]
pub async fn test(
    app: App,
    Path(receiver): Path<String>,
) -> Result<(StatusCode, Json<Vec<NotificationOut>>), ApiError> {
    let made = app.test_receiver(&receiver).await?;
    Ok((StatusCode::ACCEPTED, Json(made.into_iter().map(NotificationOut::from).collect())))
}

/// A message to a receiver.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotificationOut {
    /// Its number; later ones have higher ones.
    pub id: i64,
    /// The alert's number; null if it is about none.
    pub alert: Option<i64>,
    /// Slug of the receiver.
    pub receiver: String,
    /// What it tells: `firing`, `upgraded`, `acknowledged`, `escalated`, `resolved`, `test`, ...
    pub message: String,
    /// `page` or `ticket`.
    pub lane: String,
    /// The same in a sentence.
    pub summary: String,
    /// `waiting`, `sent`, `dead` (given up) or `dropped` (there was no reason to send it any more).
    pub state: String,
    /// The same on every attempt: what is sent as `Idempotency-Key`.
    pub key: String,
    /// When it was written, RFC 3339.
    pub created_at: String,
    /// When it is sent next; null unless it waits.
    pub due_at: Option<String>,
    /// How often it was tried.
    pub attempts: i32,
    /// When the receiver had it.
    pub sent_at: Option<String>,
    /// HTTP status of the last answer.
    pub last_status: Option<i32>,
    /// Why it was not sent, or is not.
    pub last_error: Option<String>,
    /// Whether it told of something that was over before.
    pub late: bool,
    /// Slug of the receiver that could not be reached, if that is why this one is told.
    pub instead_of: Option<String>,
}

impl From<Notification> for NotificationOut {
    fn from(n: Notification) -> Self {
        let text = |name: &str| n.body.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            id: n.id,
            alert: n.alert,
            summary: text("summary").unwrap_or_default(),
            instead_of: text(INSTEAD_OF),
            due_at: (n.state == "waiting").then(|| rfc3339(n.due_ms)),
            receiver: n.receiver,
            message: n.message,
            lane: n.lane,
            state: n.state,
            key: n.key,
            created_at: rfc3339(n.created_ms),
            attempts: n.attempts,
            sent_at: n.sent_ms.map(rfc3339),
            last_status: n.last_status,
            last_error: n.last_error,
            late: n.late,
        }
    }
}

/// Messages to receivers, and how the telling goes.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotificationsOut {
    /// Messages that wait, of all receivers.
    pub waiting: i64,
    /// Those of them that were tried in vain.
    pub failing: i64,
    /// Messages that were given up.
    pub dead: i64,
    /// Those of them that were to wake somebody.
    pub dead_pages: i64,
    /// The newest first.
    pub notifications: Vec<NotificationOut>,
}

/// Which messages.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct NotificationsWanted {
    /// `waiting`, `sent`, `dead` or `dropped`.
    #[serde(default, deserialize_with = "given")]
    state: Option<String>,
    /// Number of an alert.
    #[serde(default, deserialize_with = "given")]
    alert: Option<i64>,
    /// Slug of a receiver.
    #[serde(default, deserialize_with = "given")]
    receiver: Option<String>,
    /// Only messages with a lower number: the last of the page before.
    #[serde(default, deserialize_with = "given")]
    before: Option<i64>,
    /// At most so many, 100 if it is left out.
    #[param(minimum = 1, maximum = 1_000)]
    #[serde(default, deserialize_with = "given")]
    limit: Option<i64>,
}

/// Messages to receivers, the newest first.
#[utoipa::path(get, path = "/api/v1/notifications", tag = "alerts", params(NotificationsWanted),
    responses((status = 200, body = NotificationsOut), (status = 422, body = ProblemBody)))]
pub async fn notifications(
    app: App,
    Query(asked): Query<NotificationsWanted>,
) -> Result<Json<NotificationsOut>, ApiError> {
    if let Some(state) = asked.state.as_deref().filter(|state| !STATES.contains(state)) {
        return Err(AppError::invalid("state", state, STATES.join(", ")).into());
    }
    let limit = asked.limit.unwrap_or(USUAL);
    if !(1..=MAX_NOTIFICATIONS).contains(&limit) {
        return Err(AppError::invalid("limit", limit.to_string(), format!("1 to {MAX_NOTIFICATIONS}")).into());
    }
    let wanted = Wanted {
        state: asked.state.as_deref(),
        alert: asked.alert,
        receiver: asked.receiver.as_deref(),
        before: asked.before,
        limit,
    };
    let told = app.notifications(&wanted).await?;
    Ok(Json(NotificationsOut {
        waiting: told.counts.waiting,
        failing: told.counts.failing,
        dead: told.counts.dead,
        dead_pages: told.counts.dead_pages,
        notifications: told.notifications.into_iter().map(NotificationOut::from).collect(),
    }))
}

/// Sends a message again that was given up, under its key.
#[utoipa::path(post, path = "/api/v1/notifications/{notification}/replay", tag = "alerts",
    params(("notification" = i64, Path, description = "number")),
    responses((status = 200, body = NotificationOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn replay(app: App, Path(notification): Path<i64>) -> Result<Json<NotificationOut>, ApiError> {
    Ok(Json(app.replay_notification(notification).await?.into()))
}
