//! `/admin`, `/admin/users`, one account, `/admin/roles`.

use super::answer::{Cell, csv, done, failure, page};
use super::audit;
use super::form::Posted;
use super::shell::{Spec, recorded, shell};
use super::table::Asked;
use super::visit::{Named as InPath, Visit};
use crate::app::accounts::{Handed, OneTimeCode};
use crate::app::{App, AppError, Problem};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::access::{Action, Role, Scope};
use headroom_domain::range::rfc3339;
use headroom_frontend::model::{
    Field, FilterSet, PanelState, RoleChoice, RolesModel, ShownOnce, UserFormModel, UserRow, UsersModel,
};
use headroom_frontend::url::user_path;
use headroom_frontend::{pages, routes::RailEntry};
use headroom_store::account::{Account, AccountFields};
use uuid::Uuid;

pub(super) fn spec(title: &str) -> Spec<'_> {
    Spec {
        title,
        rail: Some(RailEntry::Admin),
        honoured: FilterSet::NONE,
        default_from: "now-1h",
        view: &["q", "sort", "dir", "cur"],
    }
}

/// GET `/admin`.
pub(crate) async fn index(app: App, visit: Visit) -> Response {
    match shell(&app, &visit, spec("Admin")).await {
        Ok((shell, _)) => page(&shell, StatusCode::OK, || pages::admin(&shell)),
        Err(error) => failure(&app, &visit, error).await,
    }
}

fn roles_text(roles: &[Role]) -> String {
    roles.iter().map(|role| role.label()).collect::<Vec<_>>().join(", ")
}

fn row(account: &Account) -> UserRow {
    UserRow {
        id: account.id.to_string(),
        name: account.fields.name.clone(),
        email: account.fields.email.clone(),
        roles: roles_text(&account.fields.roles),
        seen_ms: account.seen_ms,
        sessions: account.sessions,
        disabled: account.disabled_ms.is_some(),
        invited: !account.has_password && account.seen_ms.is_none(),
    }
}

/// GET `/admin/users`.
pub(crate) async fn list(app: App, visit: Visit) -> Response {
    let outcome = async {
        let (shell, _) = shell(&app, &visit, spec("Users")).await?;
        let asked = Asked::read(&visit, &["name"], "name", false);
        let mut rows: Vec<UserRow> = app.accounts().await?.iter().map(row).collect();
        rows.retain(|r| asked.matches(&[&r.name, &r.email, &r.roles]));
        if visit.csv().is_some() {
            let cells = rows.iter().map(|r| {
                vec![
                    Cell::Text(r.name.clone()),
                    Cell::Text(r.email.clone()),
                    Cell::Own(r.roles.clone()),
                    Cell::Own(r.seen_ms.map(rfc3339).unwrap_or_default()),
                    Cell::Int(Some(r.sessions)),
                    Cell::Own(if r.disabled { "disabled" } else { "active" }.into()),
                ]
            });
            return Ok(csv(&shell, "users", &["name", "email", "roles", "last_seen", "sessions", "state"], cells));
        }
        let total = rows.len();
        let state = if total == 0 {
            PanelState::Empty { text: "No account matches.".into(), action: None }
        } else {
            PanelState::Ready
        };
        let table = asked.state(&visit, &shell, total);
        let model = UsersModel { rows: rows.drain(asked.page(total)).collect(), table, state };
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || pages::users(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

fn allows(words: impl Iterator<Item = Action>) -> String {
    let words: Vec<&str> = words.map(Action::words).collect();
    let mut unique: Vec<&str> = Vec::new();
    for word in words {
        if !unique.contains(&word) {
            unique.push(word);
        }
    }
    match unique.as_slice() {
        [] => "Allows nothing yet.".to_owned(),
        all => format!("May {}.", all.join(", ")),
    }
}

/// What a role lets its people do, a sentence.
pub(super) fn role_allows(role: Role) -> String {
    let all = allows(Action::ALL.into_iter().filter(|action| role.allows(*action)));
    if role == Role::TenantViewer { format!("{all} Only of its own tenants.") } else { all }
}

fn choices(chosen: &[Role]) -> Vec<RoleChoice> {
    let choice = |role: &Role| RoleChoice {
        word: role.as_str().to_owned(),
        label: role.label().to_owned(),
        allows: role_allows(*role),
        chosen: chosen.contains(role),
    };
    Role::ALL.iter().map(choice).collect()
}

/// What each scope allows.
pub(super) fn scope_choices(chosen: &[Scope]) -> Vec<RoleChoice> {
    let choice = |scope: &Scope| RoleChoice {
        word: scope.as_str().to_owned(),
        label: scope.label().to_owned(),
        allows: allows(Action::ALL.into_iter().filter(|action| scope.allows(*action))),
        chosen: chosen.contains(scope),
    };
    Scope::ALL.iter().map(choice).collect()
}

fn blank() -> UserFormModel {
    UserFormModel {
        id: None,
        name: Field::default(),
        email: Field::default(),
        roles: choices(&[Role::Viewer]),
        roles_error: None,
        tenants: Field::default(),
        version: String::new(),
        error: None,
        disabled: false,
        totp: false,
        sessions: 0,
        seen_ms: None,
        code: None,
        sends_mail: false,
        changes: Vec::new(),
    }
}

fn filled(account: &Account) -> UserFormModel {
    UserFormModel {
        id: Some(account.id.to_string()),
        name: Field::of(&account.fields.name),
        email: Field::of(&account.fields.email),
        roles: choices(&account.fields.roles),
        tenants: Field::of(account.fields.tenants.join("\n")),
        version: account.version.to_string(),
        disabled: account.disabled_ms.is_some(),
        totp: account.totp,
        sessions: account.sessions,
        seen_ms: account.seen_ms,
        ..blank()
    }
}

/// A code that is shown once.
fn shown(code: OneTimeCode, problem: Option<String>, name: &str) -> ShownOnce {
    let problem = problem.map(|problem| format!(" It did not go by mail: {problem}.")).unwrap_or_default();
    ShownOnce {
        secret: code.code,
        hint: format!("Give it to {name}: with it and the e-mail address a password is chosen at /reset.{problem}"),
        expires_ms: Some(code.expires_ms),
    }
}

/// The page after a code was made: with the code, or with the word that it went by mail.
async fn handed(app: &App, visit: &Visit, status: StatusCode, account: &Account, handed: Handed) -> Response {
    let name = &account.fields.name;
    match handed {
        // The code is in this answer and nowhere else, so it is no redirect.
        Handed::Told { code, problem } => {
            let model = UserFormModel { code: Some(shown(code, problem, name)), ..filled(account) };
            show(app, visit, status, model).await
        }
        Handed::Mailed { to, .. } => {
            let sentence = format!("A mail with a one-time code for {name} went to {to}.");
            done(&user_path(&account.id.to_string()), &sentence)
        }
    }
}

/// Names, one per line or separated by commas.
pub(super) fn names(text: &str) -> Vec<String> {
    let parts = text.split(['\n', '\r', ',', ' ']).map(str::trim).filter(|part| !part.is_empty());
    let mut names: Vec<String> = Vec::new();
    for part in parts {
        if !names.iter().any(|name| name == part) {
            names.push(part.to_owned());
        }
    }
    names
}

fn read(posted: &Posted) -> Result<AccountFields, AppError> {
    let mut roles: Vec<Role> = Vec::new();
    for word in posted.all("roles") {
        let role = word.parse::<Role>().map_err(|expected| AppError::invalid("roles", word, expected))?;
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    Ok(AccountFields {
        email: posted.get("email").to_lowercase(),
        name: posted.get("name").to_owned(),
        roles,
        tenants: names(posted.get("tenants")),
    })
}

fn refused(posted: &Posted, base: UserFormModel, problems: &[Problem], error: Option<String>) -> UserFormModel {
    let chosen: Vec<Role> = posted.all("roles").iter().filter_map(|word| word.parse().ok()).collect();
    let general = problems.iter().find(|p| p.field == "account").map(|p| format!("Expected {}.", p.expected));
    UserFormModel {
        name: posted.field("name", problems),
        email: posted.field("email", problems),
        roles: choices(&chosen),
        roles_error: super::form::error_of("roles", problems),
        tenants: posted.field("tenants", problems),
        error: error.or(general),
        ..base
    }
}

async fn show(app: &App, visit: &Visit, status: StatusCode, model: UserFormModel) -> Response {
    let title = if model.id.is_some() { model.name.value.as_str() } else { "New user" };
    let context = async {
        let (shell, _) = shell(app, visit, spec(title)).await?;
        let changes = match model.id.as_deref() {
            Some(account) => app.audit_of("account", id(account)?, &model.email.value, audit::BESIDE).await?,
            None => Vec::new(),
        };
        Ok::<_, AppError>((shell, changes.iter().map(audit::edit).collect()))
    };
    match context.await {
        Ok((mut shell, changes)) => {
            let model = UserFormModel { changes, sends_mail: app.sends_mail(), ..model };
            if model.code.is_some() {
                shell.flash = recorded(app);
            }
            page(&shell, status, || pages::user_form(&shell, &model))
        }
        Err(error) => failure(app, visit, error).await,
    }
}

/// GET `/admin/users/new`.
pub(crate) async fn new(app: App, visit: Visit) -> Response {
    show(&app, &visit, StatusCode::OK, blank()).await
}

/// POST `/admin/users/new`.
pub(crate) async fn create(app: App, visit: Visit, posted: Posted) -> Response {
    let outcome = async { app.create_account(&read(&posted)?).await };
    match outcome.await {
        Ok((account, code)) => handed(&app, &visit, StatusCode::CREATED, &account, code).await,
        Err(AppError::Invalid(problems)) => {
            let model = refused(&posted, blank(), &problems, None);
            show(&app, &visit, StatusCode::UNPROCESSABLE_ENTITY, model).await
        }
        Err(AppError::Conflict(text)) => {
            let model = refused(&posted, blank(), &[], Some(text));
            show(&app, &visit, StatusCode::CONFLICT, model).await
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}

fn id(text: &str) -> Result<Uuid, AppError> {
    let missing = || AppError::NotFound { what: "account", slug: text.chars().take(80).collect(), suggestion: None };
    text.parse().map_err(|_| missing())
}

/// GET `/admin/users/{user}`.
pub(crate) async fn edit(app: App, InPath(user): InPath, visit: Visit) -> Response {
    let found = async { app.account(id(&user)?).await };
    match found.await {
        Ok(account) => show(&app, &visit, StatusCode::OK, filled(&account)).await,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// POST `/admin/users/{user}`.
pub(crate) async fn update(app: App, InPath(user): InPath, visit: Visit, posted: Posted) -> Response {
    let before = async { app.account(id(&user)?).await };
    let before = match before.await {
        Ok(account) => account,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let (path, name) = (user_path(&before.id.to_string()), before.fields.name.clone());
    let outcome = match posted.get("do") {
        "disable" => app.disable_account(before.id, true).await.map(|()| format!("{name} may not sign in any more.")),
        "enable" => app.disable_account(before.id, false).await.map(|()| format!("{name} may sign in again.")),
        "sign-out" => app.sign_out_account(before.id).await.map(|n| format!("{n} sessions of {name} were ended.")),
        "reset-totp" => {
            app.reset_second_factor(before.id).await.map(|()| format!("{name} signs in without a second factor."))
        }
        "reset" => match app.password_code(before.id).await {
            Ok(code) => return handed(&app, &visit, StatusCode::OK, &before, code).await,
            Err(error) => Err(error),
        },
        _ => {
            let change = async {
                let version = posted.get("version").parse().map_err(|_| {
                    AppError::invalid("version", posted.get("version"), "the version the form was filled from")
                })?;
                app.update_account(before.id, version, &read(&posted)?).await
            };
            change.await.map(|after| format!("{} was changed.", after.fields.name))
        }
    };
    let (status, problems, text) = match outcome {
        Ok(sentence) => return done(&path, &sentence),
        Err(AppError::Invalid(problems)) => (StatusCode::UNPROCESSABLE_ENTITY, problems, None),
        Err(AppError::Conflict(text)) => (StatusCode::CONFLICT, Vec::new(), Some(text)),
        Err(error) => return failure(&app, &visit, error).await,
    };
    let model = if posted.get("do").is_empty() {
        refused(&posted, filled(&before), &problems, text)
    } else {
        let general = problems.first().map(|p| format!("Expected {}.", p.expected));
        UserFormModel { error: text.or(general), ..filled(&before) }
    };
    show(&app, &visit, status, model).await
}

/// GET `/admin/roles`.
pub(crate) async fn roles(app: App, visit: Visit) -> Response {
    let capability = |action: Action| {
        let mut text = match action {
            Action::SeeOwnChanges => "see what oneself changed".to_owned(),
            Action::SeeAllChanges => "see what everybody changed".to_owned(),
            other => other.words().to_owned(),
        };
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        text
    };
    let by_role = |action: &Action| Role::ALL.iter().map(|role| role.allows(*action)).collect();
    let by_scope = |action: &Action| Scope::ALL.iter().map(|scope| scope.allows(*action)).collect();
    let model = RolesModel {
        roles: Role::ALL.iter().map(|role| role.label().to_owned()).collect(),
        rows: Action::ALL.iter().map(|action| (capability(*action), by_role(action))).collect(),
        scopes: Scope::ALL.iter().map(|scope| scope.label().to_owned()).collect(),
        scope_rows: Action::ALL.iter().map(|action| (capability(*action), by_scope(action))).collect(),
    };
    match shell(&app, &visit, spec("Roles")).await {
        Ok((shell, _)) => page(&shell, StatusCode::OK, || pages::roles(&shell, &model)),
        Err(error) => failure(&app, &visit, error).await,
    }
}
