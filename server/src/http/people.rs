//! People, tokens, settings and the audit trail over the API.

use super::error::{ApiError, ProblemBody};
use super::extract::{Json, Path, Query, given};
use crate::app::accounts::Handed;
use crate::app::tokens::{USUAL_DAYS, ends};
use crate::app::{App, AppError};
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::stream;
use headroom_domain::access::{Role, Scope};
use headroom_domain::range::rfc3339;
use headroom_store::account::{Account, AccountFields};
use headroom_store::audit::{Recorded, Wanted};
use headroom_store::organisation::Organisation;
use headroom_store::token::{Token, TokenFields};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Words of a field, each once; the first that is not known is named.
fn words<T: FromStr<Err = String> + PartialEq>(field: &str, words: &[String]) -> Result<Vec<T>, AppError> {
    let mut out = Vec::new();
    for word in words {
        let parsed = word.parse().map_err(|expected: String| AppError::invalid(field, word, expected))?;
        if !out.contains(&parsed) {
            out.push(parsed);
        }
    }
    Ok(out)
}

fn id(what: &'static str, text: &str) -> Result<Uuid, AppError> {
    let missing = || AppError::NotFound { what, slug: text.chars().take(80).collect(), suggestion: None };
    text.parse().map_err(|_| missing())
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountOut {
    /// Id.
    pub id: String,
    /// E-mail address, in lower case.
    pub email: String,
    /// Name.
    pub name: String,
    /// `viewer`, `oncall`, `planner`, `admin`, `tenant-viewer`.
    pub roles: Vec<String>,
    /// Slugs of the tenants that a tenant viewer sees.
    pub tenants: Vec<String>,
    /// Whether a second factor is in use.
    pub second_factor: bool,
    /// Open sessions.
    pub sessions: i64,
    /// Last request, RFC 3339.
    pub last_seen: Option<String>,
    /// When it was disabled, RFC 3339.
    pub disabled_at: Option<String>,
    /// Version for changes.
    pub version: i32,
}

impl From<Account> for AccountOut {
    fn from(a: Account) -> Self {
        Self {
            id: a.id.to_string(),
            email: a.fields.email,
            name: a.fields.name,
            roles: a.fields.roles.iter().map(ToString::to_string).collect(),
            tenants: a.fields.tenants,
            second_factor: a.totp,
            sessions: a.sessions,
            last_seen: a.seen_ms.map(rfc3339),
            disabled_at: a.disabled_ms.map(rfc3339),
            version: a.version,
        }
    }
}

/// What an account is to be. On a change (PATCH) fields left out stay as they are, and `version` is required unless only
/// `disabled` is changed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccountIn {
    /// Version the change was made on (PATCH).
    pub version: Option<i32>,
    /// E-mail address.
    pub email: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Roles.
    pub roles: Option<Vec<String>>,
    /// Slugs of the tenants that a tenant viewer sees.
    pub tenants: Option<Vec<String>>,
    /// Whether it may not sign in (PATCH).
    pub disabled: Option<bool>,
}

/// A code that its person types once at `/reset` to choose a password.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeOut {
    /// The code; it is told here and nowhere else. `null` if it went by mail.
    pub code: Option<String>,
    /// Where it was sent.
    pub mailed_to: Option<String>,
    /// Why it was not sent although the server sends mail.
    pub mail_problem: Option<String>,
    /// Until when it works, RFC 3339.
    pub expires_at: String,
}

impl From<Handed> for CodeOut {
    fn from(handed: Handed) -> Self {
        let (code, mailed_to, mail_problem, expires_ms) = match handed {
            Handed::Told { code, problem } => (Some(code.code), None, problem, code.expires_ms),
            Handed::Mailed { to, expires_ms } => (None, Some(to), None, expires_ms),
        };
        Self { code, mailed_to, mail_problem, expires_at: rfc3339(expires_ms) }
    }
}

/// A new account, and the code for its first password.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountMade {
    /// The account.
    pub account: AccountOut,
    /// The code.
    pub password_code: CodeOut,
}

/// All accounts by name.
#[utoipa::path(get, path = "/api/v1/users", tag = "people", responses((status = 200, body = Vec<AccountOut>)))]
pub async fn users(app: App) -> Result<Json<Vec<AccountOut>>, ApiError> {
    Ok(Json(app.accounts().await?.into_iter().map(AccountOut::from).collect()))
}

/// One account.
#[utoipa::path(get, path = "/api/v1/users/{user}", tag = "people", params(("user" = String, Path, description = "id")),
    responses((status = 200, body = AccountOut), (status = 404, body = ProblemBody)))]
pub async fn user(app: App, Path(user): Path<String>) -> Result<Json<AccountOut>, ApiError> {
    Ok(Json(app.account(id("account", &user)?).await?.into()))
}

/// Makes an account.
#[utoipa::path(post, path = "/api/v1/users", tag = "people", request_body = AccountIn,
    responses((status = 201, body = AccountMade), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn create_user(app: App, Json(body): Json<AccountIn>) -> Result<(StatusCode, Json<AccountMade>), ApiError> {
    let fields = AccountFields {
        email: body.email.unwrap_or_default().trim().to_lowercase(),
        name: body.name.unwrap_or_default(),
        roles: words::<Role>("roles", &body.roles.unwrap_or_default())?,
        tenants: body.tenants.unwrap_or_default(),
    };
    let (account, code) = app.create_account(&fields).await?;
    Ok((StatusCode::CREATED, Json(AccountMade { account: account.into(), password_code: code.into() })))
}

/// Changes an account. New rights hold from its next request on; disabling ends its sessions.
#[utoipa::path(patch, path = "/api/v1/users/{user}", tag = "people", params(("user" = String, Path, description = "id")), request_body = AccountIn,
    responses((status = 200, body = AccountOut), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub async fn update_user(
    app: App,
    Path(user): Path<String>,
    Json(body): Json<AccountIn>,
) -> Result<Json<AccountOut>, ApiError> {
    let user = id("account", &user)?;
    let before = app.account(user).await?;
    let changes_fields = body.email.is_some() || body.name.is_some() || body.roles.is_some() || body.tenants.is_some();
    if changes_fields {
        let version = body.version.ok_or_else(|| {
            let expected = format!("the version the change was made on; it is {} now", before.version);
            AppError::invalid("version", "", expected)
        })?;
        let fields = AccountFields {
            email: body.email.map_or(before.fields.email, |email| email.trim().to_lowercase()),
            name: body.name.unwrap_or(before.fields.name),
            roles: match body.roles {
                Some(roles) => words("roles", &roles)?,
                None => before.fields.roles,
            },
            tenants: body.tenants.unwrap_or(before.fields.tenants),
        };
        app.update_account(user, version, &fields).await?;
    }
    if let Some(disabled) = body.disabled {
        app.disable_account(user, disabled).await?;
    }
    Ok(Json(app.account(user).await?.into()))
}

/// Makes a code for a new password; earlier ones end.
#[utoipa::path(post, path = "/api/v1/users/{user}/password-code", tag = "people", params(("user" = String, Path, description = "id")),
    responses((status = 201, body = CodeOut), (status = 404, body = ProblemBody)))]
pub async fn password_code(app: App, Path(user): Path<String>) -> Result<(StatusCode, Json<CodeOut>), ApiError> {
    Ok((StatusCode::CREATED, Json(app.password_code(id("account", &user)?).await?.into())))
}

/// Ends all sessions of an account.
#[utoipa::path(delete, path = "/api/v1/users/{user}/sessions", tag = "people", params(("user" = String, Path, description = "id")),
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub async fn sign_out(app: App, Path(user): Path<String>) -> Result<StatusCode, ApiError> {
    app.sign_out_account(id("account", &user)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes an account's second factor away, for somebody who lost the device.
#[utoipa::path(delete, path = "/api/v1/users/{user}/second-factor", tag = "people", params(("user" = String, Path, description = "id")),
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub async fn reset_second_factor(app: App, Path(user): Path<String>) -> Result<StatusCode, ApiError> {
    app.reset_second_factor(id("account", &user)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenOut {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// `read`, `ingest`, `allocate`, `plan`, `alert`, `admin`.
    pub scopes: Vec<String>,
    /// Slugs of the only pools it is for; empty for all.
    pub pools: Vec<String>,
    /// Slugs of the only tenants it is for; empty for all.
    pub tenants: Vec<String>,
    /// Who made it.
    pub made_by: String,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// When it ends.
    pub expires_at: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
    /// Last use.
    pub last_used_at: Option<String>,
}

impl From<Token> for TokenOut {
    fn from(t: Token) -> Self {
        Self {
            id: t.id.to_string(),
            name: t.fields.name,
            prefix: t.prefix,
            scopes: t.fields.scopes.iter().map(ToString::to_string).collect(),
            pools: t.fields.pools,
            tenants: t.fields.tenants,
            made_by: t.made_by,
            created_at: rfc3339(t.created_ms),
            expires_at: t.fields.expires_ms.map(rfc3339),
            revoked_at: t.revoked_ms.map(rfc3339),
            last_used_at: t.used_ms.map(rfc3339),
        }
    }
}

/// What a token is to be.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenIn {
    /// Name.
    pub name: String,
    /// Scopes.
    pub scopes: Vec<String>,
    /// Slugs of the only pools it is for; empty for all.
    pub pools: Vec<String>,
    /// Slugs of the only tenants it is for; empty for all.
    pub tenants: Vec<String>,
    /// Days until it ends, 1 to 3,650; 90 if left out.
    pub days: Option<i64>,
}

/// A token that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenMade {
    /// The token.
    pub token: TokenOut,
    /// What programs send as `Authorization: Bearer`; it is told here and nowhere else.
    pub secret: String,
}

/// All tokens.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "people", responses((status = 200, body = Vec<TokenOut>)))]
pub async fn tokens(app: App) -> Result<Json<Vec<TokenOut>>, ApiError> {
    Ok(Json(app.tokens().await?.into_iter().map(TokenOut::from).collect()))
}

/// Makes a token.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "people", request_body = TokenIn,
    responses((status = 201, body = TokenMade), (status = 422, body = ProblemBody)))]
pub async fn create_token(app: App, Json(body): Json<TokenIn>) -> Result<(StatusCode, Json<TokenMade>), ApiError> {
    let fields = TokenFields {
        name: body.name,
        scopes: words::<Scope>("scopes", &body.scopes)?,
        pools: body.pools,
        tenants: body.tenants,
        expires_ms: Some(ends(app.now().await?, body.days.unwrap_or(USUAL_DAYS))?),
    };
    let made = app.create_token(&fields).await?;
    Ok((StatusCode::CREATED, Json(TokenMade { token: made.token.into(), secret: made.secret })))
}

/// Revokes a token.
#[utoipa::path(delete, path = "/api/v1/tokens/{token}", tag = "people", params(("token" = String, Path, description = "id")),
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub async fn revoke_token(app: App, Path(token): Path<String>) -> Result<StatusCode, ApiError> {
    app.revoke_token(id("token", &token)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The organisation's settings.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganisationBody {
    /// Name.
    pub name: String,
    /// ISO 4217 code.
    pub currency: String,
    /// IANA zone.
    pub zone: String,
    /// Whether money is shown to those whose role allows it.
    pub money_visible: bool,
    /// Whether whoever acknowledges an alert must say something; left out it stays as it is.
    #[serde(default)]
    pub ack_needs_note: Option<bool>,
    /// Hours in which a tenant's use counts half when tenants are compared by what they used lately, 24 to 8,760; left out it
    /// stays as it is.
    #[serde(default)]
    pub half_life_hours: Option<i32>,
}

impl From<Organisation> for OrganisationBody {
    fn from(o: Organisation) -> Self {
        Self {
            name: o.name,
            currency: o.currency,
            zone: o.zone,
            money_visible: o.money_visible,
            ack_needs_note: Some(o.ack_needs_note),
            half_life_hours: Some(o.half_life_hours),
        }
    }
}

/// The organisation's settings.
#[utoipa::path(get, path = "/api/v1/organisation", tag = "people", responses((status = 200, body = OrganisationBody)))]
pub async fn organisation(app: App) -> Result<Json<OrganisationBody>, ApiError> {
    Ok(Json(app.organisation().await?.into()))
}

/// Replaces the organisation's settings.
#[utoipa::path(put, path = "/api/v1/organisation", tag = "people", request_body = OrganisationBody,
    responses((status = 200, body = OrganisationBody), (status = 422, body = ProblemBody)))]
pub async fn set_organisation(
    app: App,
    Json(body): Json<OrganisationBody>,
) -> Result<Json<OrganisationBody>, ApiError> {
    let OrganisationBody { name, currency, zone, money_visible, ack_needs_note, half_life_hours } = body;
    let before = app.organisation().await?;
    let ack_needs_note = ack_needs_note.unwrap_or(before.ack_needs_note);
    let half_life_hours = half_life_hours.unwrap_or(before.half_life_hours);
    let wanted = Organisation { name, currency, zone, demo: false, money_visible, ack_needs_note, half_life_hours };
    app.set_organisation(&wanted).await?;
    Ok(Json(app.organisation().await?.into()))
}

/// A recorded change.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryOut {
    /// Its number.
    pub number: i64,
    /// When, RFC 3339.
    pub at: String,
    /// Who.
    pub actor: String,
    /// Id of the account or token.
    pub actor_id: Option<String>,
    /// `page`, `api`, `cli` or `job`.
    pub source: String,
    /// Network address; may be empty.
    pub address: String,
    /// What was done.
    pub action: String,
    /// To what kind of thing.
    pub object: String,
    /// Which one, by the name it had then.
    pub subject: String,
    /// Which one, by its id.
    pub subject_id: Option<String>,
    /// How it was.
    #[schema(value_type = Option<Object>)]
    pub before: Option<serde_json::Value>,
    /// How it is.
    #[schema(value_type = Option<Object>)]
    pub after: Option<serde_json::Value>,
    /// Why.
    pub reason: String,
    /// Hash of this entry and of all before it. Whoever keeps number and hash elsewhere can tell whether the trail was
    /// written anew: `headroom audit verify --known NUMBER:HASH`.
    pub hash: Option<String>,
}

impl From<Recorded> for EntryOut {
    fn from(e: Recorded) -> Self {
        Self {
            number: e.audit_id,
            at: rfc3339(e.at.timestamp_millis()),
            actor: e.actor,
            actor_id: e.actor_id.map(|id| id.to_string()),
            source: e.source,
            address: e.address,
            action: e.action,
            object: e.object,
            subject: e.object_key,
            subject_id: e.object_id.map(|id| id.to_string()),
            before: e.before,
            after: e.after,
            reason: e.reason,
            hash: e.hash,
        }
    }
}

/// Which entries are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Only of this actor.
    #[param(max_length = 300)]
    actor: Option<String>,
    /// Only this action.
    #[param(max_length = 300)]
    action: Option<String>,
    /// Only this kind of thing.
    #[param(max_length = 300)]
    object: Option<String>,
    /// Only above this number, oldest first; without it the newest come first.
    #[serde(default, deserialize_with = "given")]
    after: Option<i64>,
    /// Only below this number.
    #[serde(default, deserialize_with = "given")]
    before: Option<i64>,
    /// At most so many, 1 to 1,000; 200 if left out.
    #[param(minimum = 1, maximum = 1000)]
    #[serde(default, deserialize_with = "given")]
    limit: Option<i64>,
    /// With `true` and NDJSON the answer does not end: entries follow as they are recorded.
    #[serde(default, deserialize_with = "given")]
    follow: Option<bool>,
}

/// Most entries of one answer.
const MOST: i64 = 1_000;
/// How often a follower is told of new entries.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

impl AuditQuery {
    fn wanted(&self) -> Result<(Wanted, i64), AppError> {
        let limit = self.limit.unwrap_or(200);
        if !(1..=MOST).contains(&limit) {
            return Err(AppError::invalid("limit", limit.to_string(), "1 to 1,000"));
        }
        for (field, text) in [("actor", &self.actor), ("action", &self.action), ("object", &self.object)] {
            if text.as_ref().is_some_and(|text| text.chars().count() > 300 || text.contains('\0')) {
                return Err(AppError::invalid(field, text.as_deref().unwrap_or_default(), "at most 300 characters"));
            }
        }
        let (actor, action, object) = (self.actor.clone(), self.action.clone(), self.object.clone());
        let wanted =
            Wanted { actor, actor_id: None, action, object, text: None, before: self.before, after: self.after };
        Ok((wanted, limit))
    }
}

/// The audit trail. As `application/x-ndjson` (by `Accept`) one entry a line; with `follow=true` for a log collector, which
/// goes on from the last number it has with `after`.
#[utoipa::path(get, path = "/api/v1/audit", tag = "people", params(AuditQuery),
    responses((status = 200, body = Vec<EntryOut>), (status = 422, body = ProblemBody)))]
pub async fn audit(
    app: App,
    Query(query): Query<AuditQuery>,
    headers: axum::http::HeaderMap,
) -> Result<Response, ApiError> {
    let (wanted, limit) = query.wanted()?;
    let accept = headers.get(axum::http::header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let ndjson = accept.contains("ndjson");
    if ndjson && query.follow == Some(true) {
        return follow(app, wanted).await;
    }
    let entries = app.audit(&wanted, limit).await?;
    let entries: Vec<EntryOut> = entries.into_iter().map(EntryOut::from).collect();
    if ndjson {
        return Ok(([(CONTENT_TYPE, "application/x-ndjson")], lines(&entries)).into_response());
    }
    Ok(Json(entries).into_response())
}

fn lines(entries: &[EntryOut]) -> String {
    entries.iter().filter_map(|entry| serde_json::to_string(entry).ok()).map(|line| line + "\n").collect()
}

/// Entries as they are recorded, until the other end goes away. Rights are checked with every look.
async fn follow(app: App, mut wanted: Wanted) -> Result<Response, ApiError> {
    wanted.after = Some(wanted.after.unwrap_or_default());
    // A refusal is an answer of its own, not a stream that breaks off.
    app.audit(&wanted, 1).await?;
    let entries = stream::unfold((app, wanted, true), |(app, mut wanted, at_once)| async move {
        if !at_once {
            tokio::time::sleep(FOLLOW_EVERY).await;
        }
        // A token may have been revoked, a session ended, since the stream began.
        if !app.is_still_in().await.ok()? {
            return None;
        }
        let entries = app.audit(&wanted, MOST).await.ok()?;
        let more = entries.len() as i64 == MOST;
        if let Some(last) = entries.last() {
            wanted.after = Some(last.audit_id);
        }
        let entries: Vec<EntryOut> = entries.into_iter().map(EntryOut::from).collect();
        Some((Ok::<_, std::convert::Infallible>(lines(&entries)), (app, wanted, more)))
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(entries)).into_response())
}
