//! `/prom/api/v1`: rules and alerts in the shape of Prometheus' own API, for tools that read that.

use super::error::ApiError;
use super::extract::{Json, Query};
use crate::app::App;
use crate::app::alerts::prometheus::{Alert, Rule};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use headroom_domain::range::rfc3339;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

/// The one group that all rules are in.
const GROUP: &str = "headroom";
/// The file that Prometheus would name.
const FILE: &str = "headroom";

/// Which rules. What is not known here is not looked at, as in Prometheus.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct PromRulesWanted {
    /// `alert`; with `record` there are none.
    r#type: Option<String>,
    /// Names of rules as other tools call them; repeat for several.
    #[serde(rename = "rule_name[]")]
    rule_name: Vec<String>,
    /// Names of groups; repeat for several.
    #[serde(rename = "rule_group[]")]
    rule_group: Vec<String>,
    /// Names of files; repeat for several.
    #[serde(rename = "file[]")]
    file: Vec<String>,
    /// `true`: without their alerts.
    exclude_alerts: Option<String>,
}

/// A number as Go writes it with `e`: `8.33e+00`.
fn number(value: f64) -> String {
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, power) = exponent.strip_prefix('-').map_or(('+', exponent), |power| ('-', power));
            format!("{digits}e{sign}{power:0>2}")
        }
        None => text,
    }
}

fn state(firing: bool) -> &'static str {
    if firing { "firing" } else { "pending" }
}

fn alert(alert: &Alert) -> Value {
    json!({
        "labels": alert.labels,
        "annotations": alert.annotations,
        "state": state(alert.firing),
        "activeAt": rfc3339(alert.active_ms),
        "value": number(alert.value),
    })
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

fn rule(rule: &Rule, with_alerts: bool, judged: &str, took: f64) -> Value {
    let state = rule.alerts.iter().map(|alert| alert.firing).max().map_or("inactive", state);
    let alerts: Vec<Value> = if with_alerts { rule.alerts.iter().map(alert).collect() } else { Vec::new() };
    json!({
        "state": state,
        "name": rule.alertname,
        "query": rule.query,
        "duration": seconds(rule.for_ms),
        "keepFiringFor": seconds(rule.keep_ms),
        "labels": rule.labels,
        "annotations": rule.annotations,
        "alerts": alerts,
        "health": "ok",
        "evaluationTime": took,
        "lastEvaluation": judged,
        "type": "alerting",
    })
}

/// An error in the shape of Prometheus' API.
fn bad_data(error: String) -> Response {
    let body = json!({ "status": "error", "errorType": "bad_data", "error": error });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

/// The rules that are live, in the shape of `GET /api/v1/rules` of Prometheus.
#[utoipa::path(get, path = "/prom/api/v1/rules", tag = "alerts", params(PromRulesWanted),
    responses((status = 200, description = "groups of rules, as Prometheus answers", content_type = "application/json")))]
pub async fn rules(app: App, Query(wanted): Query<PromRulesWanted>) -> Result<Response, ApiError> {
    if let Some(other) = wanted.r#type.as_ref().filter(|kind| !["alert", "record", ""].contains(&kind.as_str())) {
        return Ok(bad_data(format!("invalid parameter \"type\": not supported value {other:?}")));
    }
    let is_flag = |text: &str| ["1", "t", "T", "TRUE", "true", "True"].contains(&text);
    if let Some(other) = wanted
        .exclude_alerts
        .as_ref()
        .filter(|text| !is_flag(text) && !["", "0", "f", "F", "FALSE", "false", "False"].contains(&text.as_str()))
    {
        return Ok(bad_data(format!("invalid parameter \"exclude_alerts\": not a boolean: {other:?}")));
    }
    let all = app.prometheus_rules().await?;
    let judged = rfc3339(all.round.watermark.unwrap_or_default());
    let took = seconds(all.round.took_ms.into());
    let with_alerts = !wanted.exclude_alerts.as_deref().is_some_and(is_flag);
    let is_wanted = |list: &[String], name: &str| list.is_empty() || list.iter().any(|wanted| wanted == name);
    let none = wanted.r#type.as_deref() == Some("record")
        || !is_wanted(&wanted.rule_group, GROUP)
        || !is_wanted(&wanted.file, FILE);
    let rules: Vec<Value> = all
        .rules
        .iter()
        .filter(|rule| !none && is_wanted(&wanted.rule_name, &rule.alertname))
        .map(|one| rule(one, with_alerts, &judged, took))
        .collect();
    let groups = if rules.is_empty() {
        json!([])
    } else {
        json!([{
            "name": GROUP,
            "file": FILE,
            "rules": rules,
            "interval": seconds(all.every_ms),
            "limit": 0,
            "evaluationTime": took,
            "lastEvaluation": judged,
        }])
    };
    Ok(Json(json!({ "status": "success", "data": { "groups": groups } })).into_response())
}

/// Alerts that are pending or fire, in the shape of `GET /api/v1/alerts` of Prometheus.
#[utoipa::path(get, path = "/prom/api/v1/alerts", tag = "alerts",
    responses((status = 200, description = "alerts, as Prometheus answers", content_type = "application/json")))]
pub async fn alerts(app: App) -> Result<Json<Value>, ApiError> {
    let all = app.prometheus_rules().await?;
    let alerts: Vec<Value> = all.rules.iter().flat_map(|rule| &rule.alerts).map(alert).collect();
    Ok(Json(json!({ "status": "success", "data": { "alerts": alerts } })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (value, text) in
            [(8.33, "8.33e+00"), (1.0, "1e+00"), (0.015, "1.5e-02"), (2000.0, "2e+03"), (1e120, "1e+120")]
        {
            assert_eq!(number(value), text);
        }
    }
}
