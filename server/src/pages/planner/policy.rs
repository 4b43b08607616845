//! The form of a plan's policy.

use super::{frame, is_told, may_plan, pool_of};
use crate::app::{App, AppError, Problem, Result};
use crate::pages::answer::{done, failure, page};
use crate::pages::form::Posted;
use crate::pages::pool_form::split;
use crate::pages::visit::Visit;
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::plan::policy::{Overcommit, PlanPolicy, RollingCap};
use headroom_frontend::model::{Field, Named, PlanPolicyModel};
use headroom_frontend::pages;
use std::collections::BTreeMap;

const CAP_FORM: &str = "a line such as ml-batch: 400 over 168 (slots on average over so many hours)";

fn cap_line(tenant: &str, cap: RollingCap) -> String {
    format!("{tenant}: {} over {}", cap.slots, cap.hours)
}

/// Reads `tenant: slots over hours`, a cap a line.
fn read_caps(text: &str) -> Result<BTreeMap<String, RollingCap>> {
    let one = |line: &str| {
        let (tenant, rest) = line.split_once(':')?;
        let (slots, hours) = rest.split_once("over")?;
        let cap = RollingCap { slots: slots.trim().parse().ok()?, hours: hours.trim().parse().ok()? };
        Some((tenant.trim().to_owned(), cap))
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| one(line).ok_or_else(|| AppError::invalid("caps", line, CAP_FORM))).collect()
}

async fn show(
    app: &App,
    visit: &Visit,
    status: StatusCode,
    pool: Option<String>,
    sent: Option<(&Posted, AppError)>,
) -> Result<Response> {
    let (shell, ..) = frame(app, visit, "Policy of the plan").await?;
    let missing = || AppError::NotFound { what: "pool", slug: String::new(), suggestion: None };
    let pool = pool.or_else(|| pool_of(visit, &shell)).ok_or_else(missing)?;
    let found = app.plan_policy(&pool).await?;
    let policy = &found.plan.policy;
    let (word, percent) = match policy.overcommit {
        Overcommit::Reject => ("reject", String::new()),
        Overcommit::AllowTo { percent } => ("allow-to", percent.to_string()),
        Overcommit::Warn => ("warn", String::new()),
    };
    let text = |value: Option<String>| Field::of(value.unwrap_or_default());
    let caps: Vec<String> = found.caps.iter().map(|(tenant, cap)| cap_line(tenant, *cap)).collect();
    let mut model = PlanPolicyModel {
        pool: Named { slug: pool, name: found.pool.fields.name.clone() },
        pools: shell.filters.pools.clone(),
        overcommit: Field::of(word),
        percent: Field::of(percent),
        longest_days: text(policy.longest_days.map(|days| days.to_string())),
        approve_from_slots: text(policy.approve_from_slots.map(|slots| slots.to_string())),
        approve_within_minutes: text(policy.approve_within_minutes.map(|minutes| minutes.to_string())),
        caps: Field::of(caps.join("\n")),
        error: None,
        version: found.plan.policy_version.to_string(),
        may_change: may_plan(app),
    };
    let mut status = status;
    if let Some((posted, error)) = sent {
        let (code, problems, sentence) = split(error);
        status = code;
        let field = |name: &str| posted.field(name, &problems);
        model.overcommit = field("overcommit");
        model.percent = field("percent");
        model.longest_days = field("longest_days");
        model.approve_from_slots = field("approve_from_slots");
        model.approve_within_minutes = field("approve_within_minutes");
        model.caps = field("caps");
        model.error = sentence;
    }
    Ok(page(&shell, status, || pages::plan_policy(&shell, &model)))
}

/// GET `/planner/policy`.
pub(crate) async fn policy(app: App, visit: Visit) -> Response {
    match show(&app, &visit, StatusCode::OK, None, None).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

fn number<T: std::str::FromStr>(posted: &Posted, name: &str, expected: &str, problems: &mut Vec<Problem>) -> Option<T> {
    let text = posted.get(name);
    let digits: String = text.chars().filter(|c| !matches!(c, ',' | ' ' | '\u{202f}')).collect();
    if digits.is_empty() {
        return None;
    }
    let found = digits.parse().ok();
    if found.is_none() {
        problems.push(Problem::new(name, text, expected));
    }
    found
}

async fn save(app: &App, posted: &Posted) -> Result<String> {
    let pool = posted.get("pool");
    let mut problems = Vec::new();
    let percent = number(posted, "percent", "a whole number, 1 to 900", &mut problems);
    let overcommit = match posted.get("overcommit") {
        "allow-to" => match percent {
            Some(percent) => Overcommit::AllowTo { percent },
            None => {
                if problems.is_empty() {
                    problems.push(Problem::new("percent", "", "1 to 900 per cent"));
                }
                Overcommit::Reject
            }
        },
        "warn" => Overcommit::Warn,
        "reject" => Overcommit::Reject,
        other => {
            problems.push(Problem::new("overcommit", other, "reject, allow-to or warn"));
            Overcommit::Reject
        }
    };
    let policy = PlanPolicy {
        overcommit,
        longest_days: number(posted, "longest_days", "a whole number of days", &mut problems),
        approve_from_slots: number(posted, "approve_from_slots", "a whole number of slots", &mut problems),
        approve_within_minutes: number(posted, "approve_within_minutes", "a whole number of minutes", &mut problems),
    };
    let caps = match read_caps(posted.raw("caps")) {
        Ok(caps) => caps,
        Err(AppError::Invalid(more)) => {
            problems.extend(more);
            BTreeMap::new()
        }
        Err(error) => return Err(error),
    };
    if !problems.is_empty() {
        return Err(AppError::Invalid(problems));
    }
    let version = posted.get("version").parse().unwrap_or(0);
    let before = app.plan_policy(pool).await?.caps;
    app.set_plan_policy(pool, version, &policy).await.map_err(|error| match error {
        // The domain names the whole; the form has a field for its number.
        AppError::Invalid(problems) => AppError::Invalid(
            problems
                .into_iter()
                .map(|mut problem| {
                    if problem.field == "overcommit" {
                        "percent".clone_into(&mut problem.field);
                    }
                    problem
                })
                .collect(),
        ),
        other => other,
    })?;
    let about = |error: AppError| match error {
        AppError::NotFound { what: "tenant", slug, .. } => AppError::invalid("caps", slug, "tenants that exist"),
        AppError::Invalid(problems) => {
            AppError::Invalid(problems.into_iter().map(|p| Problem::new("caps", p.found, p.expected)).collect())
        }
        other => other,
    };
    for tenant in before.keys().filter(|tenant| !caps.contains_key(*tenant)) {
        app.set_rolling_cap(pool, tenant, None).await.map_err(about)?;
    }
    for (tenant, cap) in caps.iter().filter(|(tenant, cap)| before.get(*tenant) != Some(cap)) {
        app.set_rolling_cap(pool, tenant, Some(*cap)).await.map_err(about)?;
    }
    Ok(pool.to_owned())
}

/// POST `/planner/policy`.
pub(crate) async fn set_policy(app: App, visit: Visit, posted: Posted) -> Response {
    let outcome = match save(&app, &posted).await {
        Ok(pool) => {
            let to = headroom_frontend::url::with_query(super::PATH, &[("pool", &pool)]);
            return done(&to, "The policy of the plan was saved.");
        }
        Err(error) if is_told(&error) => {
            let pool = Some(posted.get("pool").to_owned());
            show(&app, &visit, StatusCode::UNPROCESSABLE_ENTITY, pool, Some((&posted, error))).await
        }
        Err(error) => Err(error),
    };
    match outcome {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_are_read_as_they_are_written() {
        let cap = RollingCap { slots: 400, hours: 168 };
        assert_eq!(cap_line("ml-batch", cap), "ml-batch: 400 over 168");
        assert_eq!(read_caps("\n ml-batch: 400 over 168 \n").unwrap(), BTreeMap::from([("ml-batch".to_owned(), cap)]));
        assert!(read_caps("ml-batch 400").is_err() && read_caps("a: x over 3").is_err());
    }
}
