//! `/audit`: who changed what.

use super::answer::{Cell, csv, failure, page};
use super::figure::{csv_href, local};
use super::shell::{Spec, shell};
use super::table::PAGE;
use super::visit::Visit;
use crate::app::{App, AppError};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::range::rfc3339;
use headroom_frontend::model::{
    AuditModel, AuditRow, EventKind, EventRow, FilterSet, PanelState, ShellModel, TableState,
};
use headroom_frontend::url::{pool_path, tenant_path, user_path};
use headroom_frontend::{pages, routes::RailEntry};
use headroom_store::audit::{Recorded, Wanted};
use serde_json::Value;

const SPEC: Spec<'static> = Spec {
    title: "Audit",
    rail: Some(RailEntry::Audit),
    honoured: FilterSet::NONE,
    default_from: "now-45d",
    view: &["actor", "action", "object", "q", "cur"],
};
/// Most entries of one CSV.
const CSV_ROWS: i64 = 100_000;
/// Changes that the history of a pool or tenant goes back.
pub(super) const HISTORY: i64 = 200;
/// Changes that are shown beside a thing.
pub(super) const BESIDE: i64 = 10;

fn wanted(visit: &Visit) -> Wanted {
    let text = |key: &str| visit.get(key).map(|value| value.chars().take(200).filter(|c| *c != '\0').collect());
    Wanted {
        actor: text("actor"),
        actor_id: None,
        action: text("action"),
        object: text("object"),
        text: text("q"),
        before: visit.get("cur").and_then(|cursor| cursor.parse().ok()),
        after: None,
    }
}

/// GET.
pub(crate) async fn get(app: App, visit: Visit) -> Response {
    let outcome = async {
        let (shell, _) = shell(&app, &visit, SPEC).await?;
        let wanted = wanted(&visit);
        if visit.csv().is_some() {
            let entries = app.audit(&Wanted { before: None, ..wanted }, CSV_ROWS).await?;
            return Ok(entries_csv(&shell, &entries));
        }
        let mut entries = app.audit(&wanted, PAGE as i64 + 1).await?;
        let (total, skipped) = app.audit_position(&wanted).await?;
        let more = entries.len() > PAGE;
        entries.truncate(PAGE);
        let (actions, objects) = app.audit_words().await?;
        let own_only = app.sees_own_changes_only();
        let table = TableState {
            sort: String::new(),
            descending: true,
            q: wanted.text.clone().unwrap_or_default(),
            cursor: wanted.before.map(|at| at.to_string()),
            next: entries.last().filter(|_| more).map(|last| last.audit_id.to_string()),
            previous: wanted.before.map(|_| String::new()),
            first_row: if total == 0 { 0 } else { skipped + 1 },
            total,
            csv_href: csv_href(&visit, &shell, "rows"),
        };
        let state = if entries.is_empty() {
            PanelState::Empty { text: "Nothing was recorded that matches.".into(), action: None }
        } else {
            PanelState::Ready
        };
        let model = AuditModel {
            rows: entries.iter().map(row).collect(),
            actor: wanted.actor.unwrap_or_default(),
            action: wanted.action.unwrap_or_default(),
            object: wanted.object.unwrap_or_default(),
            actions,
            objects,
            table,
            own_only,
            state,
        };
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || pages::audit(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

fn row(e: &Recorded) -> AuditRow {
    AuditRow {
        number: e.audit_id,
        at_ms: e.at.timestamp_millis(),
        actor: e.actor.clone(),
        source: match e.source.as_str() {
            "page" => "page",
            "api" => "API",
            "cli" => "command line",
            _ => "job",
        }
        .to_owned(),
        address: e.address.clone(),
        action: e.action.clone(),
        object: e.object.clone(),
        subject: e.object_key.clone(),
        href: match (e.object.as_str(), e.object_id) {
            ("pool", _) => Some(pool_path(&e.object_key)),
            ("tenant", _) => Some(tenant_path(&e.object_key)),
            ("account", Some(id)) => Some(user_path(&id.to_string())),
            ("token", _) => Some("/admin/tokens".to_owned()),
            ("silence", _) => Some("/silences".to_owned()),
            ("event" | "calendar", _) => Some("/calendar".to_owned()),
            ("schedule" | "policy", _) => Some("/oncall/schedules".to_owned()),
            ("receiver", _) => Some("/admin/receivers".to_owned()),
            ("organisation", _) => Some("/admin/settings".to_owned()),
            _ => None,
        },
        changes: differences(e.before.as_ref(), e.after.as_ref()),
        reason: e.reason.clone(),
    }
}

/// A recorded change as a row of a timeline.
pub(super) fn edit(r: &Recorded) -> EventRow {
    let differing: Vec<String> = match (&r.before, &r.after) {
        (Some(before), Some(after)) => differences(Some(before), Some(after))
            .into_iter()
            .filter(|(name, ..)| name != "actor")
            .map(|(name, before, after)| format!("{} {} → {}", name.replace('_', " "), some(before), some(after)))
            .collect(),
        _ => Vec::new(),
    };
    let why = if r.reason.is_empty() { String::new() } else { format!(" ({})", r.reason) };
    let what = if differing.is_empty() { String::new() } else { format!(": {}", differing.join(", ")) };
    EventRow {
        at_ms: r.at.timestamp_millis(),
        kind: EventKind::Edit,
        text: format!("{}{what}{why}", r.action),
        actor: Some(r.actor.clone()),
        href: None,
        letter: None,
    }
}

fn some(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}

/// Newest changes of a kind of thing, to be shown beside the form that makes them.
pub(super) async fn newest(app: &App, object: &str) -> Result<Vec<EventRow>, AppError> {
    let wanted = Wanted { object: Some(object.to_owned()), ..Wanted::default() };
    let entries = app.audit(&wanted, BESIDE).await?;
    let row = |entry: &Recorded| {
        let row = edit(entry);
        // One list is about several of them.
        let several = matches!(entry.object.as_str(), "token" | "receiver");
        let which = if several { format!("{}: {}", entry.object_key, row.text) } else { row.text };
        EventRow { text: which, ..row }
    };
    Ok(entries.iter().map(row).collect())
}

/// Fields that differ: name, before, after. Objects are compared member by member, to any depth.
pub(super) fn differences(before: Option<&Value>, after: Option<&Value>) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    differ("", before.unwrap_or(&Value::Null), after.unwrap_or(&Value::Null), &mut found);
    found
}

fn differ(name: &str, before: &Value, after: &Value, found: &mut Vec<(String, String, String)>) {
    let empty = serde_json::Map::new();
    let members = |value: &'_ Value| matches!(value, Value::Object(_) | Value::Null);
    if (before.is_object() || after.is_object()) && members(before) && members(after) {
        let (before, after) = (before.as_object().unwrap_or(&empty), after.as_object().unwrap_or(&empty));
        let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for member in names {
            let instant =
                member.strip_suffix("_ms").filter(|_| [before, after].iter().any(|v| is_instant(v.get(member))));
            let shown = instant.unwrap_or(member);
            let path = if name.is_empty() { shown.to_owned() } else { format!("{name}.{shown}") };
            let value = |of: &serde_json::Map<String, Value>| match of.get(member).cloned().unwrap_or(Value::Null) {
                Value::Number(ms) if instant.is_some() => Value::String(rfc3339(ms.as_i64().unwrap_or_default())),
                other => other,
            };
            differ(&path, &value(before), &value(after), found);
        }
        return;
    }
    let (before, after) = (words(before), words(after));
    if before != after {
        found.push((name.to_owned(), before, after));
    }
}

/// Milliseconds that are a point in time, not a duration: later than 1973.
fn is_instant(value: Option<&Value>) -> bool {
    value.and_then(Value::as_i64).is_some_and(|ms| ms > 100_000_000_000)
}

fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn entries_csv(shell: &ShellModel, entries: &[Recorded]) -> Response {
    let json = |value: &Option<Value>| Cell::Text(value.as_ref().map(Value::to_string).unwrap_or_default());
    let rows = entries.iter().map(|e| {
        vec![
            Cell::Int(Some(e.audit_id)),
            Cell::Own(rfc3339(e.at.timestamp_millis())),
            Cell::Own(local(shell, e.at.timestamp_millis())),
            Cell::Text(e.actor.clone()),
            Cell::Own(e.source.clone()),
            Cell::Own(e.address.clone()),
            Cell::Text(e.action.clone()),
            Cell::Text(e.object.clone()),
            Cell::Text(e.object_key.clone()),
            json(&e.before),
            json(&e.after),
            Cell::Text(e.reason.clone()),
        ]
    });
    let header = [
        "number", "at_utc", "at_local", "actor", "source", "address", "action", "object", "subject", "before", "after",
        "reason",
    ];
    csv(shell, "audit", &header, rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_told() {
        let before = json!({ "name": "A", "labels": { "env": "prod", "team": "x" }, "roles": ["viewer"] });
        let after = json!({ "name": "A", "labels": { "env": "test" }, "roles": ["viewer", "admin"], "slots": 5 });
        let told: Vec<(String, String, String)> = [
            ("labels.env", "prod", "test"),
            ("labels.team", "x", ""),
            ("roles", "viewer", "viewer, admin"),
            ("slots", "", "5"),
        ]
        .map(|(name, before, after)| (name.into(), before.into(), after.into()))
        .to_vec();
        assert_eq!(differences(Some(&before), Some(&after)), told);
        let times = json!({ "expires_ms": 1_829_846_183_104_i64, "feed_period_ms": 10_000 });
        let told: Vec<_> = differences(None, Some(&times)).into_iter().map(|(name, _, after)| (name, after)).collect();
        let expected = [("expires", "2027-12-26T18:36:23.104Z"), ("feed_period_ms", "10000")];
        assert_eq!(told, expected.map(|(name, after)| (name.to_owned(), after.to_owned())));
        assert!(differences(Some(&before), Some(&before)).is_empty() && differences(None, None).is_empty());
    }
}
