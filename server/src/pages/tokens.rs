//! `/admin/tokens` and `/admin/settings`.

use super::answer::{Cell, csv, done, failure, page};
use super::audit::newest;
use super::form::{Posted, error_of};
use super::shell::{recorded, shell};
use super::table::Asked;
use super::users::{names, scope_choices, spec};
use super::visit::{Named as InPath, Visit};
use crate::app::tokens::{USUAL_DAYS, ends};
use crate::app::{App, AppError, Problem};
use crate::zones;
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::access::Scope;
use headroom_domain::range::rfc3339;
use headroom_domain::{DAY_MS, Millis};
use headroom_frontend::model::{
    Field, RevokeModel, SettingsModel, ShownOnce, TokenForm, TokenRow, TokenStatus, TokensModel,
};
use headroom_frontend::pages;
use headroom_store::organisation::Organisation;
use headroom_store::token::{Token, TokenFields};
use uuid::Uuid;

/// A token that ends within this is marked.
const SOON_MS: Millis = 7 * DAY_MS;

fn row(token: &Token, now: Millis) -> TokenRow {
    let f = &token.fields;
    let limited = |what: &str, named: &[String]| (!named.is_empty()).then(|| format!("{what} {}", named.join(", ")));
    let limits = [limited("pools", &f.pools), limited("tenants", &f.tenants)];
    TokenRow {
        id: token.id.to_string(),
        name: f.name.clone(),
        prefix: token.prefix.clone(),
        scopes: f.scopes.iter().map(|scope| scope.label()).collect::<Vec<_>>().join(", "),
        limits: limits.into_iter().flatten().collect::<Vec<_>>().join("; "),
        made_by: token.made_by.clone(),
        expires_ms: f.expires_ms,
        used_ms: token.used_ms,
        used_by: token.used_agent.clone(),
        status: match (token.revoked_ms, f.expires_ms) {
            (Some(_), _) => TokenStatus::Revoked,
            (None, Some(end)) if end <= now => TokenStatus::Expired,
            (None, Some(end)) if end <= now + SOON_MS => TokenStatus::Expiring,
            _ => TokenStatus::Active,
        },
    }
}

fn blank() -> TokenForm {
    TokenForm { scopes: scope_choices(&[Scope::Read]), days: Field::of(USUAL_DAYS.to_string()), ..TokenForm::default() }
}

async fn show(app: &App, visit: &Visit, status: StatusCode, form: TokenForm, made: Option<ShownOnce>) -> Response {
    let outcome = async {
        let (shell, window) = shell(app, visit, spec("Tokens")).await?;
        let asked = Asked::read(visit, &["name"], "name", false);
        let mut rows: Vec<TokenRow> = app.tokens().await?.iter().map(|token| row(token, window.now_ms)).collect();
        rows.retain(|r| asked.matches(&[&r.name, &r.prefix, &r.made_by]));
        if visit.reads && visit.csv().is_some() {
            let cells = rows.iter().map(|r| {
                vec![
                    Cell::Text(r.name.clone()),
                    Cell::Own(r.prefix.clone()),
                    Cell::Own(r.scopes.clone()),
                    Cell::Text(r.limits.clone()),
                    Cell::Text(r.made_by.clone()),
                    Cell::Own(r.expires_ms.map(rfc3339).unwrap_or_default()),
                    Cell::Own(r.used_ms.map(rfc3339).unwrap_or_default()),
                    Cell::Text(r.used_by.clone()),
                ]
            });
            let header = ["name", "prefix", "scopes", "limits", "made_by", "expires", "last_used", "used_by"];
            return Ok(csv(&shell, "tokens", &header, cells));
        }
        let total = rows.len();
        let table = asked.state(visit, &shell, total);
        let changes = newest(app, "token").await?;
        let rows = rows.drain(asked.page(total)).collect();
        let mut shell = shell;
        if made.is_some() {
            shell.flash = recorded(app);
        }
        let model = TokensModel { rows, table, form, made, changes };
        Ok::<_, AppError>(page(&shell, status, || pages::tokens(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(app, visit, error).await,
    }
}

/// GET `/admin/tokens`.
pub(crate) async fn list(app: App, visit: Visit) -> Response {
    show(&app, &visit, StatusCode::OK, blank(), None).await
}

async fn make(app: &App, posted: &Posted) -> Result<(Token, String), AppError> {
    let mut scopes: Vec<Scope> = Vec::new();
    for word in posted.all("scopes") {
        let scope = word.parse().map_err(|expected: String| AppError::invalid("scopes", word, expected))?;
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    let days = posted.get("days");
    let wrong = || AppError::invalid("days", days, "a whole number of days, 1 to 3,650");
    let days = if days.is_empty() { USUAL_DAYS } else { days.parse().map_err(|_| wrong())? };
    let fields = TokenFields {
        name: posted.get("name").to_owned(),
        scopes,
        pools: names(posted.get("pools")),
        tenants: names(posted.get("tenants")),
        expires_ms: Some(ends(app.now().await?, days)?),
    };
    let made = app.create_token(&fields).await?;
    Ok((made.token, made.secret))
}

/// POST `/admin/tokens`.
pub(crate) async fn create(app: App, visit: Visit, posted: Posted) -> Response {
    let refused = |problems: &[Problem], error: Option<String>| {
        let chosen: Vec<Scope> = posted.all("scopes").iter().filter_map(|word| word.parse().ok()).collect();
        TokenForm {
            name: posted.field("name", problems),
            scopes: scope_choices(&chosen),
            scopes_error: error_of("scopes", problems),
            pools: posted.field("pools", problems),
            tenants: posted.field("tenants", problems),
            days: posted.field("days", problems),
            error,
        }
    };
    match make(&app, &posted).await {
        Ok((token, secret)) => {
            let hint = format!(
                "Programs send it in the header “Authorization: Bearer …”. It is stored as a hash only. Name: {}.",
                token.fields.name
            );
            let made = ShownOnce { secret, hint, expires_ms: token.fields.expires_ms };
            show(&app, &visit, StatusCode::CREATED, blank(), Some(made)).await
        }
        Err(AppError::Invalid(problems)) => {
            show(&app, &visit, StatusCode::UNPROCESSABLE_ENTITY, refused(&problems, None), None).await
        }
        Err(AppError::Conflict(text)) => show(&app, &visit, StatusCode::CONFLICT, refused(&[], Some(text)), None).await,
        Err(error) => failure(&app, &visit, error).await,
    }
}

fn id(text: &str) -> Result<Uuid, AppError> {
    let missing = || AppError::NotFound { what: "token", slug: text.chars().take(80).collect(), suggestion: None };
    text.parse().map_err(|_| missing())
}

/// GET `/admin/tokens/{token}/revoke`.
pub(crate) async fn ask(app: App, InPath(token): InPath, visit: Visit) -> Response {
    let outcome = async {
        let found = app.token(id(&token)?).await?;
        let (shell, window) = shell(&app, &visit, spec("Revoke token")).await?;
        let model = RevokeModel { token: row(&found, window.now_ms) };
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || pages::revoke(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// POST `/admin/tokens/{token}/revoke`.
pub(crate) async fn revoke(app: App, InPath(token): InPath, visit: Visit, _: Posted) -> Response {
    let outcome = async { app.revoke_token(id(&token)?).await };
    match outcome.await {
        Ok(token) => done("/admin/tokens", &format!("Token {} was revoked.", token.fields.name)),
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn show_settings(app: &App, visit: &Visit, status: StatusCode, model: SettingsModel) -> Response {
    let context = async {
        let (shell, _) = shell(app, visit, spec("Settings")).await?;
        Ok::<_, AppError>((shell, newest(app, "organisation").await?))
    };
    match context.await {
        Ok((shell, changes)) => {
            let model = SettingsModel { changes, ..model };
            page(&shell, status, || pages::settings(&shell, &model))
        }
        Err(error) => failure(app, visit, error).await,
    }
}

fn offered() -> Vec<String> {
    zones::OFFERED.iter().map(|zone| (*zone).to_owned()).collect()
}

/// GET `/admin/settings`.
pub(crate) async fn settings(app: App, visit: Visit) -> Response {
    match app.organisation().await {
        Ok(o) => {
            let model = SettingsModel {
                name: Field::of(o.name),
                currency: Field::of(o.currency),
                zone: Field::of(o.zone),
                money: o.money_visible,
                ack_needs_note: o.ack_needs_note,
                half_life_hours: Field::of(o.half_life_hours.to_string()),
                zones: offered(),
                error: None,
                changes: Vec::new(),
            };
            show_settings(&app, &visit, StatusCode::OK, model).await
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// POST `/admin/settings`.
pub(crate) async fn set_settings(app: App, visit: Visit, posted: Posted) -> Response {
    let wanted = Organisation {
        name: posted.get("name").to_owned(),
        currency: posted.get("currency").to_uppercase(),
        zone: posted.get("zone").to_owned(),
        demo: false,
        money_visible: posted.get("money") == "on",
        ack_needs_note: posted.get("ack_needs_note") == "on",
        // What is no whole number is out of range, and answered as that.
        half_life_hours: posted.get("half_life_hours").trim().parse().unwrap_or_default(),
    };
    match app.set_organisation(&wanted).await {
        Ok(()) => done("/admin/settings", "The settings were changed."),
        Err(AppError::Invalid(problems)) => {
            let model = SettingsModel {
                name: posted.field("name", &problems),
                currency: posted.field("currency", &problems),
                zone: posted.field("zone", &problems),
                money: wanted.money_visible,
                ack_needs_note: wanted.ack_needs_note,
                half_life_hours: posted.field("half_life_hours", &problems),
                zones: offered(),
                error: None,
                changes: Vec::new(),
            };
            show_settings(&app, &visit, StatusCode::UNPROCESSABLE_ENTITY, model).await
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}
