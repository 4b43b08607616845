//! What a receiver of each kind has to be told: where it is, and what it wants to see.

use super::guard::Guard;
use crate::app::Problem;
use headroom_domain::alert::receiver::Kind;
use serde_json::{Map, Value};

/// Where PagerDuty takes events, unless told otherwise: it has other addresses in other regions.
pub const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";
/// Most addresses of one receiver of letters.
const MOST_ADDRESSES: usize = 20;
/// Longest secret.
const LONGEST: usize = 1_000;
/// A shorter secret can be guessed.
const SHORTEST_SECRET: usize = 16;

/// The form of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// An address of the web.
    Address,
    /// Text that goes into a header or a body.
    Text,
    /// A secret that both sides know.
    Secret,
    /// PagerDuty's key of an integration.
    RoutingKey,
    /// Addresses of e-mail.
    Mailboxes,
}

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// It is never told again.
    pub is_secret: bool,
    /// A receiver of its kind has to have it.
    pub is_needed: bool,
    form: Form,
}

const fn setting(name: &'static str, form: Form) -> Setting {
    Setting { name, is_secret: false, is_needed: true, form }
}

impl Setting {
    /// True if it is a list of texts.
    pub const fn is_list(&self) -> bool {
        matches!(self.form, Form::Mailboxes)
    }

    const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    const fn optional(self) -> Self {
        Self { is_needed: false, ..self }
    }
}

const WITH_AUTHORIZATION: &[Setting] =
    &[setting("url", Form::Address), setting("authorization", Form::Text).secret().optional()];
const PAGERDUTY_SETTINGS: &[Setting] = &[
    setting("url", Form::Address).optional(),
    setting("routing_key", Form::RoutingKey).secret(),
    // By it PagerDuty signs what it tells us; without it nothing that it tells is believed.
    setting("webhook_secret", Form::Secret).secret().optional(),
];
// Whoever knows the address of an incoming webhook can write to the channel.
const SLACK_SETTINGS: &[Setting] = &[
    setting("url", Form::Address).secret().optional(),
    setting("token", Form::Text).secret().optional(),
    setting("channel", Form::Text).optional(),
    setting("api_url", Form::Address).optional(),
];
const WEBHOOK_SETTINGS: &[Setting] = &[setting("url", Form::Address), setting("secret", Form::Secret).secret()];
const EMAIL_SETTINGS: &[Setting] = &[setting("to", Form::Mailboxes)];
// Whoever knows it can keep the alarm from being raised.
const WATCHDOG_SETTINGS: &[Setting] = &[setting("url", Form::Address).secret()];

/// The settings of a kind.
pub const fn settings(kind: Kind) -> &'static [Setting] {
    match kind {
        Kind::AlertmanagerWebhook | Kind::Alertmanager => WITH_AUTHORIZATION,
        Kind::PagerDuty => PAGERDUTY_SETTINGS,
        Kind::Slack => SLACK_SETTINGS,
        Kind::Webhook | Kind::ScalingWebhook => WEBHOOK_SETTINGS,
        Kind::Email => EMAIL_SETTINGS,
        Kind::Watchdog => WATCHDOG_SETTINGS,
    }
}

fn is_header(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= LONGEST && text.chars().all(|c| c.is_ascii_graphic() || c == ' ')
}

/// What is wrong with a value, as what was expected.
fn wrong(form: Form, value: &Value, guard: Guard) -> Option<String> {
    let text = value.as_str();
    let holds = |is_right: bool, expected: &str| (!is_right).then(|| expected.to_owned());
    match form {
        Form::Address => match text {
            Some(text) if text.chars().any(char::is_control) => {
                Some("an address without control characters".to_owned())
            }
            Some(text) => guard.address(text).err().map(|refused| refused.0),
            None => Some("an address such as https://example.org/hook".to_owned()),
        },
        Form::Text => holds(text.is_some_and(is_header), "text of 1 to 1,000 ASCII characters"),
        Form::Secret => holds(
            text.is_some_and(|text| {
                (SHORTEST_SECRET..=LONGEST).contains(&text.chars().count()) && !text.chars().any(char::is_control)
            }),
            "text of 16 to 1,000 characters without control characters",
        ),
        Form::RoutingKey => holds(
            text.is_some_and(|text| text.len() == 32 && text.chars().all(|c| c.is_ascii_alphanumeric())),
            "32 letters and digits, the integration key of a PagerDuty service",
        ),
        Form::Mailboxes => {
            let all = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let is_address = |one: &Value| one.as_str().is_some_and(|text| text.parse::<lettre::Address>().is_ok());
            holds(
                (1..=MOST_ADDRESSES).contains(&all.len()) && all.iter().all(is_address),
                "a list of 1 to 20 e-mail addresses",
            )
        }
    }
}

/// A value as it may be told in a message about it.
fn told(setting: &Setting, value: &Value) -> String {
    match value {
        _ if setting.is_secret => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What is wrong with the settings of a receiver.
pub fn problems(kind: Kind, given: &Value, guard: Guard) -> Vec<Problem> {
    let Some(given) = given.as_object() else {
        return vec![Problem::new("settings", "", "an object")];
    };
    let field = |name: &str| format!("settings.{name}");
    let mut problems = Vec::new();
    for name in given.keys().filter(|name| !settings(kind).iter().any(|setting| setting.name == *name)) {
        let known: Vec<_> = settings(kind).iter().map(|setting| setting.name).collect();
        problems.push(Problem::new("settings", name, format!("only {}", known.join(", "))));
    }
    for setting in settings(kind) {
        match given.get(setting.name) {
            Some(value) => {
                if let Some(expected) = wrong(setting.form, value, guard) {
                    problems.push(Problem::new(field(setting.name), told(setting, value), expected));
                }
            }
            None if setting.is_needed => {
                let expected = wrong(setting.form, &Value::Null, guard).unwrap_or_default();
                problems.push(Problem::new(field(setting.name), "", expected));
            }
            None => {}
        }
    }
    if kind == Kind::Slack {
        let has = |name: &str| given.contains_key(name);
        let (name, expected) = match (has("url"), has("token"), has("channel")) {
            (true, false, false) | (false, true, true) => return problems,
            (false, true, false) => ("channel", "the channel's id, such as C0123ABC"),
            (false, false, true) => ("token", "the bot's token, such as xoxb-..."),
            (false, false, false) => ("url", "the address of an incoming webhook, or token and channel"),
            (true, ..) => ("url", "no address where there is a token or a channel"),
        };
        problems.push(Problem::new(field(name), "", expected));
    }
    problems
}

/// The settings after a change: a secret that is left out stays, and null takes a setting away.
///
/// A secret does not move to another address because somebody changed the address only: then it has to be given again.
///
/// # Errors
/// If a secret has to be given again.
pub fn after(kind: Kind, before: Option<&Value>, given: &Value) -> Result<Value, Problem> {
    let Some(given) = given.as_object() else { return Ok(given.clone()) };
    let mut all: Map<String, Value> =
        given.iter().filter(|(_, value)| !value.is_null()).map(|(n, v)| (n.clone(), v.clone())).collect();
    let Some(before) = before.and_then(Value::as_object) else { return Ok(Value::Object(all)) };
    // A hook and a bot exclude each other: what belongs to the other way is not kept.
    let is_other_way = |name: &str| {
        kind == Kind::Slack
            && match name {
                "url" => all.contains_key("token") || all.contains_key("channel"),
                "token" => all.contains_key("url"),
                _ => false,
            }
    };
    let kept: Vec<&Setting> = settings(kind)
        .iter()
        .filter(|one| one.is_secret && !given.contains_key(one.name) && before.contains_key(one.name))
        .filter(|one| !is_other_way(one.name))
        .collect();
    for setting in kept {
        let moved = ["url", "api_url"].into_iter().any(|name| {
            name != setting.name && all.get(name).is_some() && host(all.get(name)) != host(before.get(name))
        });
        if moved {
            let expected = "to be given again, because the address leads elsewhere now";
            return Err(Problem::new(format!("settings.{}", setting.name), "", expected));
        }
        if let Some(value) = before.get(setting.name) {
            all.insert(setting.name.to_owned(), value.clone());
        }
    }
    Ok(Value::Object(all))
}

/// Scheme, host and port of an address.
fn host(address: Option<&Value>) -> Option<String> {
    let url = url::Url::parse(address?.as_str()?).ok()?;
    Some(url.origin().ascii_serialization())
}

/// The settings without their secrets, and which secrets are set.
pub fn shown(kind: Kind, stored: &Value) -> (Value, Vec<(&'static str, bool)>) {
    let mut open = stored.as_object().cloned().unwrap_or_default();
    let mut secrets = Vec::new();
    for setting in settings(kind).iter().filter(|setting| setting.is_secret) {
        secrets.push((setting.name, open.remove(setting.name).is_some()));
    }
    (Value::Object(open), secrets)
}

/// A setting that is text.
pub fn text<'a>(stored: &'a Value, name: &str) -> Option<&'a str> {
    stored.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const GUARD: Guard = Guard { allow_private: false };

    fn fields(kind: Kind, given: Value) -> Vec<String> {
        problems(kind, &given, GUARD).into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn each_kind_says_what_it_needs() {
        let key = "0123456789abcdef0123456789abcdef";
        let right = [
            (Kind::AlertmanagerWebhook, json!({ "url": "https://a.example/x" })),
            (Kind::AlertmanagerWebhook, json!({ "url": "https://a.example/x", "authorization": "Bearer abc" })),
            (Kind::PagerDuty, json!({ "routing_key": key })),
            (Kind::PagerDuty, json!({ "routing_key": key, "url": "https://events.eu.pagerduty.com/v2/enqueue" })),
            (Kind::Slack, json!({ "url": "https://hooks.slack.com/services/a" })),
            (Kind::Slack, json!({ "token": "xoxb-1", "channel": "C1" })),
            (Kind::Webhook, json!({ "url": "https://a.example", "secret": "0123456789abcdef" })),
            (Kind::Email, json!({ "to": ["a@b.example"] })),
            (Kind::Alertmanager, json!({ "url": "https://am.example" })),
            (Kind::Watchdog, json!({ "url": "https://hc.example/1" })),
        ];
        for (kind, given) in right {
            assert!(fields(kind, given.clone()).is_empty(), "{kind}: {given}");
        }
        let wrong = [
            (Kind::AlertmanagerWebhook, json!({}), "settings.url"),
            (Kind::AlertmanagerWebhook, json!({ "url": "http://127.0.0.1/" }), "settings.url"),
            (
                Kind::AlertmanagerWebhook,
                json!({ "url": "https://a.example", "authorization": "a\r\nb" }),
                "settings.authorization",
            ),
            (Kind::PagerDuty, json!({ "routing_key": "short" }), "settings.routing_key"),
            (Kind::PagerDuty, json!({ "routing_key": key, "more": 1 }), "settings"),
            (Kind::Slack, json!({}), "settings.url"),
            (Kind::Slack, json!({ "token": "x" }), "settings.channel"),
            (Kind::Slack, json!({ "channel": "x" }), "settings.token"),
            (Kind::Slack, json!({ "url": "https://a.example", "token": "x", "channel": "C" }), "settings.url"),
            (Kind::Webhook, json!({ "url": "https://a.example" }), "settings.secret"),
            (Kind::Webhook, json!({ "url": "https://a.example", "secret": "short" }), "settings.secret"),
            (Kind::Email, json!({ "to": [] }), "settings.to"),
            (Kind::Email, json!({ "to": ["a@b.example\r\nBcc: c@d.example"] }), "settings.to"),
            (Kind::Email, json!({ "to": "a@b.example" }), "settings.to"),
            (Kind::Watchdog, json!([]), "settings"),
        ];
        for (kind, given, field) in wrong {
            assert_eq!(fields(kind, given.clone()), [field], "{kind}: {given}");
        }
    }

    #[test]
    fn secrets_are_kept_and_never_shown() {
        let stored = json!({ "url": "https://a.example/1", "secret": "0123456789abcdef" });
        let same = after(Kind::Webhook, Some(&stored), &json!({ "url": "https://a.example/2" })).expect("kept");
        assert_eq!(same["secret"], stored["secret"]);
        let moved = after(Kind::Webhook, Some(&stored), &json!({ "url": "https://b.example/1" }));
        assert_eq!(moved.expect_err("not for another host").field, "settings.secret");
        let given = json!({ "url": "https://b.example", "secret": "fedcba9876543210" });
        assert_eq!(after(Kind::Webhook, Some(&stored), &given), Ok(given));
        let (open, secrets) = shown(Kind::Webhook, &stored);
        assert_eq!((open, secrets), (json!({ "url": "https://a.example/1" }), vec![("secret", true)]));
        assert_eq!(shown(Kind::Slack, &json!({ "channel": "C" })).1, [("url", false), ("token", false)]);
        let problem = &problems(Kind::PagerDuty, &json!({ "routing_key": "hush" }), GUARD)[0];
        assert!(!problem.to_string().contains("hush"), "{problem}");
    }

    #[test]
    fn a_hook_becomes_a_bot_and_null_takes_away() {
        let hook = json!({ "url": "https://hooks.slack.com/1" });
        let bot = json!({ "token": "xoxb-1", "channel": "C1" });
        assert_eq!(after(Kind::Slack, Some(&hook), &bot), Ok(bot.clone()));
        assert_eq!(after(Kind::Slack, Some(&bot), &hook), Ok(hook.clone()));
        assert_eq!(after(Kind::Slack, Some(&hook), &json!({})), Ok(hook));
        let stored = json!({ "url": "https://a.example", "authorization": "Bearer a" });
        let gone = json!({ "url": "https://a.example", "authorization": null });
        assert_eq!(after(Kind::Alertmanager, Some(&stored), &gone), Ok(json!({ "url": "https://a.example" })));
    }
}
