//! `/jobs`: what runs in the background.

use super::answer::{Cell, csv, failure, page};
use super::figure::local;
use super::shell::{Spec, shell};
use super::table::Asked;
use super::visit::Visit;
use crate::app::jobs::SCHEDULE;
use crate::app::{App, AppError};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::Millis;
use headroom_domain::range::rfc3339;
use headroom_frontend::model::{FilterSet, JobOutcome, JobRun, JobsModel, PanelState, ScheduledJob, ShellModel};
use headroom_frontend::{pages, routes::RailEntry};
use headroom_store::import::Import;
use headroom_store::job::Run;

/// Runs that are looked at.
const RUNS: i64 = 500;

/// GET.
pub(crate) async fn get(app: App, visit: Visit) -> Response {
    let outcome = async {
        let spec = Spec {
            title: "Jobs",
            rail: Some(RailEntry::Jobs),
            honoured: FilterSet::NONE,
            default_from: "now-45d",
            view: &["q", "cur"],
        };
        let (shell, window) = shell(&app, &visit, spec).await?;
        let asked = Asked::read(&visit, &["started"], "started", true);
        let all = app.job_runs(RUNS).await?;
        let mut scheduled = Vec::new();
        for job in SCHEDULE {
            let last = app.last_run(job.name).await?;
            let next_ms = last.as_ref().and_then(|r| r.finished_ms).map(|at| (at + job.period_ms).max(window.now_ms));
            scheduled.push(ScheduledJob {
                name: job.name.into(),
                purpose: job.purpose.into(),
                period_ms: job.period_ms,
                last: last.as_ref().map(run),
                next_ms,
            });
        }
        let imports = app.imports().await?;
        let mut runs: Vec<JobRun> = all.iter().filter(|r| is_told(r)).map(run).collect();
        runs.extend(imports.iter().map(|i| import(i, window.now_ms)));
        runs.retain(|r| asked.matches(&[&r.name, &r.message]));
        runs.sort_by_key(|r| -r.started_ms);
        if visit.csv().is_some() {
            return Ok(runs_csv(&shell, &runs));
        }
        let total = runs.len();
        let model = JobsModel {
            scheduled,
            runs: runs.drain(asked.page(total)).collect(),
            table: asked.state(&visit, &shell, total),
            state: if total == 0 {
                PanelState::Empty { text: "Nothing has run yet.".into(), action: None }
            } else {
                PanelState::Ready
            },
        };
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || pages::jobs(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

fn runs_csv(shell: &ShellModel, runs: &[JobRun]) -> Response {
    let rows = runs.iter().map(|r| {
        vec![
            Cell::Text(r.name.clone()),
            Cell::Own(rfc3339(r.started_ms)),
            Cell::Own(local(shell, r.started_ms)),
            Cell::Own(r.outcome.word().to_owned()),
            Cell::Int(r.duration_ms),
            Cell::Int(r.done),
            Cell::Own(r.unit.clone()),
            Cell::Text(r.message.clone()),
        ]
    });
    let header = ["name", "started_utc", "started_local", "outcome", "duration_ms", "done", "unit", "message"];
    csv(shell, "jobs", &header, rows)
}

/// Whether a run stands in the list of runs: those of jobs that run every few seconds would bury
/// everything else, so of them only failures do; the schedule above shows their newest.
fn is_told(r: &Run) -> bool {
    const SELDOM_MS: Millis = 60_000;
    let frequent = SCHEDULE.iter().any(|s| s.name == r.job && s.period_ms < SELDOM_MS);
    match r.outcome.as_deref() {
        Some("nothing") => false,
        Some("failed") => true,
        _ => !frequent,
    }
}

fn run(r: &Run) -> JobRun {
    let number = |key: &str| r.detail.get(key).and_then(serde_json::Value::as_i64);
    JobRun {
        name: r.job.clone(),
        outcome: match (r.outcome.as_deref(), r.finished_ms) {
            (Some("failed"), _) => JobOutcome::Failed,
            (_, Some(_)) => JobOutcome::Succeeded,
            (_, None) => JobOutcome::Running,
        },
        started_ms: r.started_ms,
        duration_ms: r.finished_ms.map(|at| at - r.started_ms),
        done: number("rows").or_else(|| number("made")),
        total: None,
        unit: if number("rows").is_some() { "rows".into() } else { "partitions made".into() },
        message: r.detail.get("error").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned(),
    }
}

fn import(i: &Import, _now: Millis) -> JobRun {
    JobRun {
        name: format!("import {} {}", i.kind, i.source_name),
        outcome: match (i.is_done(), i.rows_bad) {
            (true, 0) => JobOutcome::Succeeded,
            (true, _) => JobOutcome::Partial,
            (false, _) => JobOutcome::Running,
        },
        started_ms: i.started_ms,
        duration_ms: i.done_ms.map(|at| at - i.started_ms),
        done: Some(i.rows_done),
        total: None,
        unit: "rows".into(),
        message: if i.rows_bad > 0 { format!("{} rows were rejected", i.rows_bad) } else { String::new() },
    }
}
