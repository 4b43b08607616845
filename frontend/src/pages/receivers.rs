//! Who is told about alerts: the list, the form of a receiver with what it was told, and the page that asks before one is removed.

use headroom_domain::alert::receiver::Kind;
use headroom_domain::format;
use leptos::prelude::*;

use super::admin::{admin_tabs, crumb};
use crate::components::events::changes_card;
use crate::components::field::{Ask, Mode, check, csrf, error_summary, input, lines};
use crate::components::icon::state_icon;
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, button_link, empty, strip};
use crate::components::value::{ago, day_time, times_in};
use crate::model::{
    Field, FormMode, Link, ReceiverDeleteModel, ReceiverFormModel, ReceiverKindsModel, ReceiverMessage, ReceiverRow,
    ReceiversModel, SettingField, ShellModel,
};
use crate::url::{encode, with_query};

const PATH: &str = "/admin/receivers";
const NEW: &str = "/admin/receivers/new";

const NAME: Ask = Ask::new("name", "Name", "What people call it, for example Platform pager.");
const SLUG: Ask =
    Ask::new("slug", "Identifier", "Used by the API: a–z, 0–9 and hyphens; empty is made from the name. It stays.")
        .optional()
        .takes(Mode::Code);
const OWNERS: Ask = Ask::new(
    "owners",
    "Only alerts of these owners",
    "One team a line, as it stands at rules and pools; empty is everybody's alerts.",
)
.optional();
const ACCOUNT: Ask = Ask::new(
    "account",
    "Somebody's own",
    "An e-mail address of an account: it is then told only when that person is asked. Empty is a shared channel.",
)
.optional()
.takes(Mode::Email);
const PAGES: Ask = Ask::new("pages", "Pages", "What must wake somebody.");
const TICKETS: Ask = Ask::new("tickets", "Tickets", "What can wait until the morning.");
const FAILOVER: Ask = Ask::new(
    "failover",
    "Told instead of others",
    "When another one cannot be reached, and when nobody is on call. At least one should be.",
);
const ENABLED: Ask =
    Ask::new("enabled", "Switched on", "Switched off it is told nothing; what waits for it is dropped.");

/// How a setting is asked for. A secret that is stored is never shown: its field says so.
fn ask(kind: Kind, setting: &SettingField) -> Ask {
    let ask = match (kind, setting.name) {
        (Kind::PagerDuty, "url") => Ask::new(
            "url",
            "Address",
            "Only for another region than the United States, such as https://events.eu.pagerduty.com/v2/enqueue.",
        ),
        (Kind::Slack, "url") => Ask::new(
            "url",
            "Address of an incoming webhook",
            "Such as https://hooks.slack.com/services/…; or leave it empty and give a bot’s token and channel.",
        ),
        (Kind::Alertmanager, "url") => Ask::new(
            "url",
            "Address",
            "Of the Alertmanager’s alerts, such as https://alertmanager.example.org/api/v2/alerts.",
        ),
        (Kind::Watchdog, "url") => Ask::new(
            "url",
            "Address",
            "It gets a heartbeat every minute and raises the alarm when that is missing, such as https://hc-ping.com/….",
        ),
        (_, "url") => Ask::new("url", "Address", "Where messages are posted to, such as https://example.org/hook."),
        (_, "api_url") => Ask::new("api_url", "Address of Slack’s API", "Only where it is not https://slack.com/api/."),
        (_, "authorization") => {
            Ask::new("authorization", "Authorization header", "Sent with every message, such as Bearer ….")
        }
        (_, "routing_key") => {
            Ask::new("routing_key", "Integration key", "32 letters and digits of an Events API v2 integration.")
        }
        (_, "webhook_secret") => Ask::new(
            "webhook_secret",
            "Secret of PagerDuty’s webhook",
            "With it, what is acknowledged or resolved there is so here, too.",
        ),
        (_, "token") => {
            Ask::new("token", "Bot’s token", "Begins with xoxb-; with it a message changes when its alert does.")
        }
        (_, "channel") => Ask::new("channel", "Channel", "Its id, such as C0123ABC."),
        (_, "secret") => Ask::new(
            "secret",
            "Secret",
            "At least 16 characters. By it the receiver knows that a message is from here.",
        ),
        _ => Ask::new("to", "Addresses", "One e-mail address a line."),
    };
    let ask = if setting.is_set {
        Ask { help: "It is set and is never shown again. Leave it empty to keep it.", ..ask }
    } else {
        ask
    };
    let mode = match (setting.is_secret, setting.name) {
        (true, _) => Mode::Password,
        (false, "url" | "api_url") => Mode::Url,
        _ => Mode::Code,
    };
    // A password manager must not offer somebody's password for it.
    let ask = ask.takes(mode).filled_as(if setting.is_secret { "new-password" } else { "off" });
    if setting.is_optional || setting.is_set { ask.optional() } else { ask }
}

const fn about(kind: Kind) -> &'static str {
    match kind {
        Kind::AlertmanagerWebhook => "A program that understands what Alertmanager sends to its webhooks, version 4.",
        Kind::PagerDuty => "A service of PagerDuty, by its Events API; acknowledging goes both ways.",
        Kind::Slack => "A channel, by an incoming webhook or by a bot whose messages change with the alert.",
        Kind::Webhook => "A program of yours: our own messages, each signed with a secret.",
        Kind::Email => "One or several mailboxes.",
        Kind::Alertmanager => "An Alertmanager that routes what fires here: it is told everything again every minute.",
        Kind::ScalingWebhook => {
            "A program of yours that scales something: what capacity a pool is to have, each message signed with a secret."
        }
        Kind::Watchdog => "A dead man’s switch: it gets a heartbeat and raises the alarm when Headroom itself is down.",
    }
}

fn path(row: &ReceiverRow) -> String {
    format!("{PATH}/{}", encode(&row.named.slug))
}

/// `/admin/receivers`
pub fn receivers(shell: &ShellModel, model: &ReceiversModel) -> AnyView {
    let new = button_link(shell, "hr-btn hr-btn--primary", "plus", "New receiver", NEW.to_owned());
    let frame = Frame {
        section: Some("Admin"),
        sub: Some(times_in(shell).into_any()),
        crumbs: vec![crumb()],
        actions: vec![new],
        ..Frame::plain("Receivers")
    };
    let list = if model.rows.is_empty() {
        let action = Link { label: "New receiver".into(), href: NEW.into() };
        let text = "Nobody is told about alerts: they are seen on the On-call page only.";
        view! { <div class="hr-card">{empty(shell, text, Some(&action))}</div> }.into_any()
    } else {
        table(shell, model)
    };
    let content = view! {
        {admin_tabs("Receivers")}
        {warnings(shell, model)}
        {list}
        {changes_card(shell, &model.changes, "/audit?object=receiver".to_owned())}
    };
    document(shell, frame, content.into_any())
}

/// What would go wrong unnoticed.
fn warnings(shell: &ShellModel, model: &ReceiversModel) -> Option<AnyView> {
    let works = |row: &&ReceiverRow| row.enabled && row.kind.takes_messages();
    let text = if model.rows.is_empty() {
        return None;
    } else if !model.rows.iter().any(|row| works(&row)) {
        "No receiver of messages is switched on: nobody is told about alerts."
    } else if !model.rows.iter().filter(works).any(|row| row.is_failover) {
        "No receiver is told instead of others: if one cannot be reached, or nobody is on call, nobody else hears of it."
    } else {
        return None;
    };
    Some(strip(shell, Tone::Warn, text.into_any()))
}

fn table(shell: &ShellModel, model: &ReceiversModel) -> AnyView {
    let rows = model.rows.iter().map(|row| receiver_row(shell, row)).collect_view();
    let count = model.rows.len() as i64;
    let noun = if count == 1 { "receiver" } else { "receivers" };
    view! {
        <div class="hr-card hr-card--flush">
            <div class="hr-scroll" role="group" tabindex="0" aria-label="Receivers">
                <table class="hr-table hr-table--cards">
                    <caption class="hr-table__caption">{format!("{} {noun}, by name", format::count(count))}</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Receiver"</th>
                            <th scope="col">"Gets"</th>
                            <th scope="col">"For"</th>
                            <th scope="col">"Last delivery"</th>
                            <th scope="col">"State"</th>
                            <th scope="col" class="hr-num">"Given up"</th>
                            <th scope="col">"Try and switch"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </div>
    }
    .into_any()
}

fn receiver_row(shell: &ShellModel, row: &ReceiverRow) -> AnyView {
    let failover = row.is_failover.then(|| view! { <small class="hr-small">"instead of others"</small> });
    let last = row.last_ok_ms.map_or_else(|| "never".into_any(), |at| ago(shell, at));
    let dead = if row.dead > 0 {
        view! { <a href=format!("{}#messages", path(row))>{format::count(row.dead)}</a> }.into_any()
    } else {
        "0".into_any()
    };
    view! {
        <tr>
            <th scope="row" class="hr-table__name">
                <span><a href=path(row)>{row.named.name.clone()}</a><small>{row.kind.label()}</small></span>
            </th>
            <td data-label="Gets"><span>{row.lanes.clone()}{failover}</span></td>
            <td data-label="For"><span class="hr-wraps">{row.whom.clone()}</span></td>
            <td data-label="Last delivery"><span>{last}</span></td>
            <td data-label="State" class="hr-wide-cell">{state(shell, row)}</td>
            <td data-label="Given up" class="hr-num">{dead}</td>
            <td class="hr-row-cell">{acts(shell, row)}</td>
        </tr>
    }
    .into_any()
}

/// Whether it works, as shape and words.
fn state(shell: &ShellModel, row: &ReceiverRow) -> AnyView {
    let (class, shape, word) = if !row.enabled {
        ("hr-level hr-level--unknown", "state-unknown", "switched off".to_owned())
    } else if row.failures > 0 {
        let times = if row.failures == 1 { "failing".to_owned() } else { format!("failing, {} times", row.failures) };
        ("hr-level hr-level--crit", "state-crit", times)
    } else if row.dead > 0 {
        ("hr-level hr-level--warn", "state-warn", "missed something".to_owned())
    } else if row.last_ok_ms.is_none() {
        ("hr-level", "state-info", "not tried yet".to_owned())
    } else {
        ("hr-level hr-level--ok", "state-ok", "works".to_owned())
    };
    let error = row.last_error.as_ref().filter(|_| row.enabled).map(|error| {
        view! { <small class="hr-small hr-wraps hr-breaks">{error.clone()}</small> }
    });
    let waiting = (row.waiting > 0).then(|| {
        view! { <small class="hr-small">{format!("{} waiting", format::count(row.waiting))}</small> }
    });
    view! { <span><span class=class>{state_icon(shell, shape)}{word}</span>{error}{waiting}</span> }.into_any()
}

/// A form of one button.
fn act(shell: &ShellModel, row: &ReceiverRow, deed: &'static str, id: Option<i64>, button: AnyView) -> AnyView {
    view! {
        <form method="post" action=format!("{}/act", path(row))>
            {csrf(shell)}
            <input type="hidden" name="do" value=deed/>
            <input type="hidden" name="version" value=row.version/>
            {id.map(|id| view! { <input type="hidden" name="message" value=id/> })}
            {button}
        </form>
    }
    .into_any()
}

fn acts(shell: &ShellModel, row: &ReceiverRow) -> AnyView {
    let name = &row.named.name;
    let test = view! {
        <button class="hr-btn hr-btn--small" type="submit" aria-label=format!("Send a test to {name}")>"Send a test"</button>
    };
    let (deed, label, spoken) = if row.enabled {
        ("disable", "Switch off", format!("Switch off {name}"))
    } else {
        ("enable", "Switch on", format!("Switch on {name}"))
    };
    let switch = view! { <button class="hr-btn hr-btn--small" type="submit" aria-label=spoken>{label}</button> };
    view! {
        <span class="hr-acts">
            {act(shell, row, "test", None, test.into_any())}
            {act(shell, row, deed, None, switch.into_any())}
        </span>
    }
    .into_any()
}

/// `/admin/receivers/new`
pub fn receiver_kinds(shell: &ShellModel, model: &ReceiverKindsModel) -> AnyView {
    let frame = Frame { section: Some("Admin"), crumbs: crumbs(), ..Frame::plain("New receiver") };
    let rows = Kind::ALL
        .iter()
        .map(|kind| {
            let href = with_query(NEW, &[("kind", kind.as_str())]);
            let no_mail = *kind == Kind::Email && !model.sends_mail;
            let name = if no_mail {
                view! { <strong>{kind.label()}</strong> }.into_any()
            } else {
                view! { <a href=href>{kind.label()}</a> }.into_any()
            };
            let why = no_mail.then_some(" This server sends no mail: start it with --smtp-url.");
            view! { <li>{name}<p class="hr-muted">{about(*kind)}{why}</p></li> }
        })
        .collect_view();
    let content = view! {
        {admin_tabs("Receivers")}
        <section class="hr-card" aria-labelledby="kinds-title">
            <div class="hr-card__head"><h2 id="kinds-title">"What is to be told?"</h2></div>
            <ul class="hr-index">{rows}</ul>
        </section>
    };
    document(shell, frame, content.into_any())
}

fn crumbs() -> Vec<Link> {
    vec![crumb(), Link { label: "Receivers".into(), href: PATH.into() }]
}

/// A secret that may be taken away.
fn take_away(setting: &SettingField) -> Option<AnyView> {
    let ask = match setting.name {
        "authorization" => {
            Ask::new("drop-authorization", "Take the header away", "Messages are then sent without one.")
        }
        "webhook_secret" => Ask::new(
            "drop-webhook_secret",
            "Take the secret away",
            "What is acknowledged at PagerDuty is then not acknowledged here.",
        ),
        _ => return None,
    };
    (setting.is_set && setting.is_optional).then(|| check(ask, false))
}

/// `/admin/receivers/new?kind=` and `/admin/receivers/{receiver}`
pub fn receiver_form(shell: &ShellModel, model: &ReceiverFormModel) -> AnyView {
    let (heading, action, version) = match &model.mode {
        FormMode::New => (format!("New receiver: {}", model.kind.label()), NEW.to_owned(), None),
        FormMode::Edit { subject, version } => {
            (subject.name.clone(), format!("{PATH}/{}", encode(&subject.slug)), Some(version.clone()))
        }
    };
    let is_new = version.is_none();
    let actions = model.row.as_ref().map(|row| {
        let href = format!("{}/delete", path(row));
        vec![view! { <a class="hr-btn hr-btn--danger" href=href>"Delete…"</a> }.into_any()]
    });
    let sub = (!is_new).then(|| model.kind.label().into_any());
    let frame = Frame {
        section: Some("Admin"),
        crumbs: crumbs(),
        actions: actions.unwrap_or_default(),
        sub,
        ..Frame::plain(heading)
    };
    let lanes = Field { value: String::new(), error: model.lanes_error.clone() };
    let asks: Vec<(Ask, &SettingField)> = model.settings.iter().map(|one| (ask(model.kind, one), one)).collect();
    let mut errors = vec![(NAME.id, NAME.label, &model.name), (SLUG.id, SLUG.label, &model.slug)];
    errors.extend(asks.iter().map(|(ask, one)| (ask.id, ask.label, &one.field)));
    errors.extend([
        (PAGES.id, "What it gets", &lanes),
        (OWNERS.id, OWNERS.label, &model.owners),
        (ACCOUNT.id, ACCOUNT.label, &model.account),
    ]);
    let settings = asks
        .iter()
        .map(|(ask, one)| {
            let field =
                if one.is_list { lines(shell, *ask, &one.field, 3) } else { input(shell, *ask, &one.field, None) };
            view! { {field}{take_away(one)} }
        })
        .collect_view();
    let slug = is_new.then(|| input(shell, SLUG, &model.slug, None));
    let takes = model.kind.takes_messages();
    let wrong = model.lanes_error.clone().map(|error| {
        view! { <p class="hr-field__error">{state_icon(shell, "state-crit")}{error}</p> }
    });
    let content = view! {
        {admin_tabs("Receivers")}
        {error_summary(shell, model.error.as_deref(), &errors)}
        {model.row.as_ref().map(|row| present(shell, row))}
        <form class="hr-form" method="post" action=action>
            {csrf(shell)}
            {version.map(|version| view! { <input type="hidden" name="version" value=version/> })}
            <input type="hidden" name="kind" value=model.kind.as_str()/>
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Where it is"</legend>
                <p class="hr-muted">{about(model.kind)}</p>
                <div class="hr-form__row">{input(shell, NAME, &model.name, None)}{slug}</div>
                {settings}
            </fieldset>
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"What it is told"</legend>
                {check(PAGES, model.pages)}
                {check(TICKETS, model.tickets)}
                {wrong}
                {lines(shell, OWNERS, &model.owners, 2)}
                {takes.then(|| input(shell, ACCOUNT, &model.account, None))}
                {takes.then(|| check(FAILOVER, model.is_failover))}
                {check(ENABLED, model.enabled)}
            </fieldset>
            <div class="hr-form__foot">
                <button class="hr-btn hr-btn--primary" type="submit">{if is_new { "Create receiver" } else { "Save changes" }}</button>
                <a class="hr-btn hr-btn--quiet" href=PATH>"Cancel"</a>
            </div>
        </form>
        {model.row.as_ref().map(|row| messages(shell, row, &model.messages))}
        {changes_card(shell, &model.changes, "/audit?object=receiver".to_owned())}
    };
    document(shell, frame, content.into_any())
}

fn present(shell: &ShellModel, row: &ReceiverRow) -> AnyView {
    let last = row
        .last_ok_ms
        .map_or_else(|| "never".into_any(), |at| view! { {day_time(shell, at)}", "{ago(shell, at)} }.into_any());
    view! {
        <section class="hr-card" aria-labelledby="now-title">
            <div class="hr-card__head"><h2 id="now-title">"How it goes"</h2>{acts(shell, row)}</div>
            <dl class="hr-facts">
                <div><dt>"State"</dt><dd>{state(shell, row)}</dd></div>
                <div><dt>"Last delivery"</dt><dd>{last}</dd></div>
                <div><dt>"Given up"</dt><dd>{format::count(row.dead)}</dd></div>
            </dl>
        </section>
    }
    .into_any()
}

fn messages(shell: &ShellModel, row: &ReceiverRow, messages: &[ReceiverMessage]) -> AnyView {
    let body = if messages.is_empty() {
        empty(shell, "It was told nothing lately.", None)
    } else {
        let rows = messages.iter().map(|message| message_row(shell, row, message)).collect_view();
        view! {
            <div class="hr-scroll" role="group" tabindex="0" aria-labelledby="messages">
                <table class="hr-table hr-table--cards">
                    <caption class="hr-table__caption">"What was given up first, then the newest"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Message"</th>
                            <th scope="col">"When"</th>
                            <th scope="col">"How it went"</th>
                            <th scope="col">"Again"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <section class="hr-card hr-card--flush" aria-labelledby="messages">
            <div class="hr-card__head"><h2 id="messages">"What it was told"</h2></div>
            {body}
        </section>
    }
    .into_any()
}

fn message_row(shell: &ShellModel, row: &ReceiverRow, message: &ReceiverMessage) -> AnyView {
    let summary = match message.alert {
        Some(alert) => view! { <a href=format!("/alerts/{alert}")>{message.summary.clone()}</a> }.into_any(),
        None => message.summary.clone().into_any(),
    };
    let shape = match (message.is_dead, message.is_sent) {
        (true, _) => "state-crit",
        (_, true) => "state-ok",
        _ => "state-info",
    };
    let again = message.is_dead.then(|| {
        let spoken = format!("Send again: message {}", message.id);
        let button =
            view! { <button class="hr-btn hr-btn--small" type="submit" aria-label=spoken>"Send again"</button> };
        act(shell, row, "replay", Some(message.id), button.into_any())
    });
    view! {
        <tr>
            <th scope="row" class="hr-table__name"><span>{summary}<small>{message.what.clone()}</small></span></th>
            <td data-label="When">{day_time(shell, message.at_ms)}</td>
            <td data-label="How it went" class="hr-wide-cell"><span class="hr-wraps hr-breaks">{state_icon(shell, shape)}" "{message.state.clone()}</span></td>
            <td>{again}</td>
        </tr>
    }
    .into_any()
}

/// `/admin/receivers/{receiver}/delete`
pub fn receiver_delete(shell: &ShellModel, model: &ReceiverDeleteModel) -> AnyView {
    let row = &model.row;
    let frame = Frame {
        section: Some("Admin"),
        crumbs: crumbs(),
        ..Frame::plain(format!("Delete receiver {}?", row.named.name))
    };
    let content = view! {
        {admin_tabs("Receivers")}
        {model.error.as_ref().map(|error| strip(shell, Tone::Critical, error.clone().into_any()))}
        <form class="hr-form" method="post" action=format!("{}/delete", path(row))>
            {csrf(shell)}
            <div class="hr-card hr-prose">
                <h2>"What happens"</h2>
                <ul>
                    <li>"It is told nothing any more."</li>
                    <li>"What it was told is removed, and so are its messages that were given up."</li>
                    <li>"Its address and its secrets are gone. Switching it off keeps them."</li>
                </ul>
                <h2>"What stays"</h2>
                <ul><li>"The audit trail keeps that it was there, without its secrets."</li></ul>
            </div>
            <div class="hr-form__foot">
                <a class="hr-btn" href=path(row)>"Cancel"</a>
                <button class="hr-btn hr-btn--danger" type="submit">"Delete receiver"</button>
            </div>
        </form>
    };
    document(shell, frame, content.into_any())
}
