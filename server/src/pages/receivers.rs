//! `/admin/receivers`: who is told about alerts, whether they can be reached, and what they did not get.

use super::answer::{done, failure, page};
use super::audit::newest;
use super::form::{Posted, error_of};
use super::pool_form::{split, version};
use super::shell::shell;
use super::users::spec;
use super::visit::{Named as InPath, Visit};
use crate::app::receivers::{Draft, Shown};
use crate::app::{App, AppError, Problem, Result};
use crate::notify::settings::{self, text};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::alert::receiver::Kind;
use headroom_domain::alert::window::Lane;
use headroom_frontend::model::{
    Field, FormMode, Named, ReceiverDeleteModel, ReceiverFormModel, ReceiverKindsModel, ReceiverMessage, ReceiverRow,
    ReceiversModel, SettingField,
};
use headroom_frontend::pages;
use headroom_frontend::url::encode;
use headroom_store::account::Account;
use headroom_store::notification::{Counts, Notification, Wanted};
use serde_json::{Map, Value};
use uuid::Uuid;

const PATH: &str = "/admin/receivers";
/// Messages that were given up, and others, that are shown with a receiver.
const MESSAGES: i64 = 20;

fn own(slug: &str) -> String {
    format!("{PATH}/{}", encode(slug))
}

fn row(shown: &Shown, counts: &Counts, accounts: &[Account]) -> ReceiverRow {
    let receiver = &shown.receiver;
    let owner = shown.account.and_then(|id| accounts.iter().find(|account| account.id == id));
    let whom = match (owner, receiver.owners.as_slice()) {
        (Some(account), []) => account.fields.name.clone(),
        (Some(account), owners) => format!("{}, alerts of {}", account.fields.name, owners.join(", ")),
        (None, []) => "everybody".to_owned(),
        (None, owners) => format!("alerts of {}", owners.join(", ")),
    };
    let lanes = match receiver.lanes.as_slice() {
        [Lane::Page] => "pages",
        [Lane::Ticket] => "tickets",
        _ => "pages and tickets",
    };
    ReceiverRow {
        named: Named { slug: receiver.slug.clone(), name: receiver.name.clone() },
        kind: receiver.kind,
        lanes: lanes.to_owned(),
        whom,
        is_failover: receiver.is_failover,
        enabled: receiver.enabled,
        failures: receiver.failures,
        last_error: receiver.last_error.clone(),
        last_ok_ms: receiver.last_ok_ms,
        waiting: counts.waiting,
        dead: counts.dead,
        version: receiver.version,
    }
}

async fn row_of(app: &App, shown: &Shown) -> Result<ReceiverRow> {
    let counts = app.receivers_told().await?.remove(&shown.receiver.id).unwrap_or_default();
    Ok(row(shown, &counts, &app.accounts().await?))
}

/// GET `/admin/receivers`.
pub(crate) async fn list(app: App, visit: Visit) -> Response {
    let outcome = async {
        let (shell, _) = shell(&app, &visit, spec("Receivers")).await?;
        let (told, accounts) = (app.receivers_told().await?, app.accounts().await?);
        let none = Counts::default();
        let all = app.receivers().await?;
        let rows = all.iter().map(|shown| row(shown, told.get(&shown.receiver.id).unwrap_or(&none), &accounts));
        let model = ReceiversModel { rows: rows.collect(), changes: newest(&app, "receiver").await? };
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || pages::receivers(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// How a message went, in words.
fn went(one: &Notification) -> String {
    let error = one.last_error.as_deref().unwrap_or_default();
    match one.state.as_str() {
        "sent" if one.attempts > 1 => format!("sent after {} attempts", one.attempts),
        "sent" => "sent".to_owned(),
        "dead" => format!("given up: {error}"),
        "dropped" => format!("not sent: {error}"),
        _ if one.attempts > 0 => format!("retrying after {} attempts: {error}", one.attempts),
        _ => "about to be sent".to_owned(),
    }
}

fn message(one: &Notification) -> ReceiverMessage {
    let summary = text(&one.body, "summary").unwrap_or_default();
    ReceiverMessage {
        id: one.id,
        at_ms: one.created_ms,
        what: format!("{}, {}", one.message.replace('-', " "), one.lane),
        summary: if summary.is_empty() { format!("Message {}", one.id) } else { summary.to_owned() },
        alert: one.alert,
        state: went(one),
        is_dead: one.state == "dead",
        is_sent: one.state == "sent",
    }
}

/// What was given up, then the newest of the rest.
async fn messages(app: &App, slug: &str) -> Result<Vec<ReceiverMessage>> {
    let dead = Wanted { receiver: Some(slug), state: Some("dead"), limit: MESSAGES, ..Wanted::default() };
    let newest = Wanted { receiver: Some(slug), limit: MESSAGES, ..Wanted::default() };
    let mut all = app.notifications(&dead).await?.notifications;
    let rest = app.notifications(&newest).await?.notifications.into_iter().filter(|one| one.state != "dead");
    all.extend(rest);
    Ok(all.iter().map(message).collect())
}

/// The fields of a kind: what is stored without secrets, and which secrets are.
fn setting_fields(kind: Kind, shown: Option<&Shown>) -> Vec<SettingField> {
    let stored = |name: &str| {
        let value = shown.and_then(|shown| shown.receiver.settings.get(name));
        match value {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"),
            Some(Value::String(text)) => text.clone(),
            _ => String::new(),
        }
    };
    let is_set = |name: &str| shown.is_some_and(|shown| shown.secrets.iter().any(|(one, set)| *one == name && *set));
    settings::settings(kind)
        .iter()
        .map(|setting| SettingField {
            name: setting.name,
            is_secret: setting.is_secret,
            is_set: setting.is_secret && is_set(setting.name),
            is_optional: !setting.is_needed,
            is_list: setting.is_list(),
            field: Field::of(if setting.is_secret { String::new() } else { stored(setting.name) }),
        })
        .collect()
}

async fn form_of(app: &App, shown: Option<&Shown>, kind: Kind) -> Result<ReceiverFormModel> {
    let mut model = ReceiverFormModel {
        mode: FormMode::New,
        kind,
        row: None,
        name: Field::default(),
        slug: Field::default(),
        settings: setting_fields(kind, shown),
        pages: true,
        tickets: true,
        lanes_error: None,
        owners: Field::default(),
        account: Field::default(),
        is_failover: false,
        enabled: true,
        error: None,
        messages: Vec::new(),
        changes: Vec::new(),
    };
    let Some(shown) = shown else { return Ok(model) };
    let receiver = &shown.receiver;
    model.mode = FormMode::Edit {
        subject: Named { slug: receiver.slug.clone(), name: receiver.name.clone() },
        version: receiver.version.to_string(),
    };
    model.name = Field::of(&receiver.name);
    model.pages = receiver.lanes.contains(&Lane::Page);
    model.tickets = receiver.lanes.contains(&Lane::Ticket);
    model.owners = Field::of(receiver.owners.join("\n"));
    if let Some(id) = shown.account {
        model.account = Field::of(app.account(id).await?.fields.email);
    }
    model.is_failover = receiver.is_failover;
    model.enabled = receiver.enabled;
    model.messages = messages(app, &receiver.slug).await?;
    model.changes = newest(app, "receiver").await?;
    model.row = Some(row_of(app, shown).await?);
    Ok(model)
}

async fn show(app: &App, visit: &Visit, status: StatusCode, model: &ReceiverFormModel) -> Response {
    let title = match &model.mode {
        FormMode::New => "New receiver".to_owned(),
        FormMode::Edit { subject, .. } => subject.name.clone(),
    };
    match shell(app, visit, spec(&title)).await {
        Ok((shell, _)) => page(&shell, status, || pages::receiver_form(&shell, model)),
        Err(error) => failure(app, visit, error).await,
    }
}

fn kind_of(word: &str) -> Result<Kind> {
    word.parse().map_err(|expected: String| AppError::invalid("kind", word, expected))
}

/// GET `/admin/receivers/new`, with `?kind=` the form.
pub(crate) async fn new(app: App, visit: Visit) -> Response {
    let outcome = async {
        let Some(word) = visit.get("kind").filter(|word| !word.is_empty()) else {
            let (shell, _) = shell(&app, &visit, spec("New receiver")).await?;
            let model = ReceiverKindsModel { sends_mail: app.sends_mail() };
            return Ok(page(&shell, StatusCode::OK, || pages::receiver_kinds(&shell, &model)));
        };
        let model = form_of(&app, None, kind_of(word)?).await?;
        Ok::<_, AppError>(show(&app, &visit, StatusCode::OK, &model).await)
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// GET `/admin/receivers/{receiver}`.
pub(crate) async fn edit(app: App, InPath(slug): InPath, visit: Visit) -> Response {
    let outcome = async {
        let shown = app.receiver(&slug).await?;
        form_of(&app, Some(&shown), shown.receiver.kind).await
    };
    match outcome.await {
        Ok(model) => show(&app, &visit, StatusCode::OK, &model).await,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// What was typed, as the use cases take it. A secret that was left empty stays as it is.
async fn read(app: &App, posted: &Posted, kind: Kind) -> Result<Draft> {
    let mut given = Map::new();
    for setting in settings::settings(kind) {
        let typed = posted.get(setting.name);
        if setting.is_list() {
            let all = typed.split(['\n', '\r', ',', ' ']).map(str::trim).filter(|one| !one.is_empty());
            given.insert(setting.name.to_owned(), all.map(Value::from).collect());
        } else if !typed.is_empty() {
            given.insert(setting.name.to_owned(), Value::from(typed));
        } else if setting.is_secret && posted.get(&format!("drop-{}", setting.name)) == "on" {
            given.insert(setting.name.to_owned(), Value::Null);
        }
    }
    let lanes = [("pages", Lane::Page), ("tickets", Lane::Ticket)];
    let owners = posted.get("owners").lines().map(str::trim).filter(|owner| !owner.is_empty());
    Ok(Draft {
        slug: Some(posted.get("slug").to_owned()).filter(|slug| !slug.is_empty()),
        name: posted.get("name").to_owned(),
        kind,
        settings: Value::Object(given),
        lanes: lanes.into_iter().filter(|(name, _)| posted.get(name) == "on").map(|(_, lane)| lane).collect(),
        owners: owners.map(str::to_owned).collect(),
        account: account(app, posted.get("account")).await?,
        is_failover: posted.get("failover") == "on",
        enabled: posted.get("enabled") == "on",
    })
}

async fn account(app: &App, email: &str) -> Result<Option<Uuid>> {
    if email.is_empty() {
        return Ok(None);
    }
    let all = app.accounts().await?;
    let found = all.iter().find(|account| account.fields.email.eq_ignore_ascii_case(email));
    let expected = "the e-mail address of an account that exists";
    Ok(Some(found.ok_or_else(|| AppError::invalid("account", email, expected))?.id))
}

async fn refused(
    app: &App,
    visit: &Visit,
    posted: &Posted,
    before: Option<&Shown>,
    kind: Kind,
    error: AppError,
) -> Response {
    if !matches!(
        error,
        AppError::Invalid(_)
            | AppError::Conflict(_)
            | AppError::Stale { .. }
            | AppError::OutOfRoom(_)
            | AppError::Unavailable(_)
    ) {
        return failure(app, visit, error).await;
    }
    let mut model = match form_of(app, before, kind).await {
        Ok(model) => model,
        Err(error) => return failure(app, visit, error).await,
    };
    let (status, mut problems, mut sentence) = split(error);
    for problem in &mut problems {
        if let Some(own) = problem.field.strip_prefix("settings.") {
            problem.field = own.to_owned();
        }
    }
    if sentence.as_deref().is_some_and(|text| text.contains("exists already")) {
        problems.push(Problem::new("slug", posted.get("slug"), "an identifier that no other receiver has"));
    }
    let is_shown = |name: &str| {
        let others = ["name", "slug", "lanes", "owners", "account"];
        others.contains(&name) || model.settings.iter().any(|setting| setting.name == name)
    };
    let others: Vec<String> = problems.iter().filter(|one| !is_shown(&one.field)).map(ToString::to_string).collect();
    if !others.is_empty() {
        sentence = Some(others.join(". "));
    }
    let field = |name: &str| posted.field(name, &problems);
    model.name = field("name");
    model.slug = field("slug");
    model.owners = field("owners");
    model.account = field("account");
    model.lanes_error = error_of("lanes", &problems);
    for setting in &mut model.settings {
        setting.field = field(setting.name);
        if setting.is_secret {
            // It is typed again: a page that holds it could be read by whoever comes next.
            setting.field.value = String::new();
        }
    }
    model.pages = posted.get("pages") == "on";
    model.tickets = posted.get("tickets") == "on";
    model.is_failover = posted.get("failover") == "on";
    model.enabled = posted.get("enabled") == "on";
    model.error = sentence;
    show(app, visit, status, &model).await
}

/// POST `/admin/receivers/new`.
pub(crate) async fn create(app: App, visit: Visit, posted: Posted) -> Response {
    let kind = match kind_of(posted.get("kind")) {
        Ok(kind) => kind,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let outcome = async { app.create_receiver(&read(&app, &posted, kind).await?).await };
    match outcome.await {
        Ok(made) => {
            let text = format!("Receiver {} was created. Send it a test.", made.receiver.name);
            done(&own(&made.receiver.slug), &text)
        }
        Err(error) => refused(&app, &visit, &posted, None, kind, error).await,
    }
}

/// POST `/admin/receivers/{receiver}`.
pub(crate) async fn update(app: App, InPath(slug): InPath, visit: Visit, posted: Posted) -> Response {
    let before = match app.receiver(&slug).await {
        Ok(shown) => shown,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let kind = before.receiver.kind;
    let outcome = async {
        let mut problems = Vec::new();
        let seen = version(&posted, &mut problems);
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        // Its name in addresses stays.
        let draft = Draft { slug: None, ..read(&app, &posted, kind).await? };
        app.update_receiver(&slug, seen, &draft).await
    };
    match outcome.await {
        Ok(changed) => done(PATH, &format!("Receiver {} was changed.", changed.receiver.name)),
        Err(error) => refused(&app, &visit, &posted, Some(&before), kind, error).await,
    }
}

/// POST `/admin/receivers/{receiver}/act`: switches it, tries it, or sends it something again.
pub(crate) async fn act(app: App, InPath(slug): InPath, visit: Visit, posted: Posted) -> Response {
    let outcome = async {
        let name = app.receiver(&slug).await?.receiver.name;
        let mut problems = Vec::new();
        let seen = version(&posted, &mut problems);
        match posted.get("do") {
            "enable" | "disable" => {
                if !problems.is_empty() {
                    return Err(AppError::Invalid(problems));
                }
                let on = posted.get("do") == "enable";
                app.switch_receiver(&slug, seen, on).await?;
                let word = if on { "on" } else { "off: it is told nothing" };
                Ok((PATH.to_owned(), format!("Receiver {name} is switched {word}.")))
            }
            "test" => {
                app.test_receiver(&slug).await?;
                let text = format!("A test is on its way to {name}; how it went stands below.");
                Ok((format!("{}#messages", own(&slug)), text))
            }
            "replay" => {
                let id = posted.get("message");
                let number = id.parse().map_err(|_| AppError::invalid("message", id, "the number of a message"))?;
                app.replay_notification(number).await?;
                Ok((format!("{}#messages", own(&slug)), format!("Message {number} is sent again.")))
            }
            other => Err(AppError::invalid("do", other, "enable, disable, test or replay")),
        }
    };
    match outcome.await {
        Ok((to, text)) => done(&to, &text),
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn show_delete(
    app: &App,
    visit: &Visit,
    slug: &str,
    status: StatusCode,
    error: Option<String>,
) -> Result<Response> {
    let shown = app.receiver(slug).await?;
    let model = ReceiverDeleteModel { row: row_of(app, &shown).await?, error };
    let (shell, _) = shell(app, visit, spec("Delete receiver")).await?;
    Ok(page(&shell, status, || pages::receiver_delete(&shell, &model)))
}

/// GET `/admin/receivers/{receiver}/delete`.
pub(crate) async fn ask(app: App, InPath(slug): InPath, visit: Visit) -> Response {
    match show_delete(&app, &visit, &slug, StatusCode::OK, None).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// POST `/admin/receivers/{receiver}/delete`.
pub(crate) async fn delete(app: App, InPath(slug): InPath, visit: Visit, _: Posted) -> Response {
    let outcome = async {
        let name = app.receiver(&slug).await?.receiver.name;
        match app.delete_receiver(&slug).await {
            Ok(()) => Ok(done(PATH, &format!("Receiver {name} was deleted."))),
            Err(AppError::Conflict(text)) => {
                let sentence = format!("It was not deleted: {text}.");
                show_delete(&app, &visit, &slug, StatusCode::CONFLICT, Some(sentence)).await
            }
            Err(error) => Err(error),
        }
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}
