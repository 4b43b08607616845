//! `/jobs`: what runs in the background.

use super::answer::{Cell, csv, done, failure, page};
use super::figure::local;
use super::form::Posted;
use super::shell::{Spec, shell};
use super::table::Asked;
use super::visit::{Named as InPath, Visit};
use crate::app::import::Report;
use crate::app::jobs::{SCHEDULE, Scheduled};
use crate::app::{App, AppError, Result};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::Millis;
use headroom_domain::access::Action;
use headroom_domain::range::rfc3339;
use headroom_frontend::model::{
    FilterSet, ImportProgressModel, JobModel, JobOutcome, JobRun, JobsModel, PanelState, ScheduledJob, ShellModel,
};
use headroom_frontend::{pages, routes::RailEntry};
use headroom_store::import::Import;
use headroom_store::job::{Run, Standing};

/// Runs that are looked at.
const RUNS: i64 = 500;

/// Runs of one job that its page shows.
const RUNS_OF_ONE: i64 = 50;
/// The address of an import begins so.
const IMPORT: &str = "import-";

fn spec(title: &str) -> Spec<'_> {
    Spec { title, rail: Some(RailEntry::Jobs), honoured: FilterSet::NONE, default_from: "now-45d", view: &["q", "cur"] }
}

/// A line of the schedule as it stands.
fn scheduled(app: &App, job: &Scheduled, standings: &[Standing], last: Option<&Run>, now: Millis) -> ScheduledJob {
    let standing = standings.iter().find(|standing| standing.job == job.name);
    let after_last = last.and_then(|run| run.finished_ms).map(|at| at + job.period_ms);
    let due = if job.is_continuous() {
        after_last
    } else {
        standing.and_then(|standing| standing.next_due_ms).or(after_last)
    };
    let running = standing.filter(|standing| standing.running_since_ms.is_some());
    ScheduledJob {
        name: job.name.into(),
        purpose: job.purpose.into(),
        period_ms: job.period_ms,
        why: job.why().into(),
        running_since_ms: running.and_then(|standing| standing.running_since_ms),
        server: running.and_then(|standing| standing.server.clone()),
        asked_by: standing
            .filter(|standing| standing.asked_ms.is_some())
            .and_then(|standing| standing.asked_by.clone()),
        may_run: !job.is_continuous() && app.caller().may(Action::Plan) && !app.caller().is_limited(),
        last: last.map(run),
        next_ms: due.map(|at| at.max(now)),
    }
}

/// GET.
pub(crate) async fn get(app: App, visit: Visit) -> Response {
    let outcome = async {
        let (shell, window) = shell(&app, &visit, spec("Jobs")).await?;
        let asked = Asked::read(&visit, &["started"], "started", true);
        let all = app.job_runs(RUNS).await?;
        let standings = app.job_standings().await?;
        let mut lines = Vec::new();
        for job in SCHEDULE {
            let last = app.last_run(job.name).await?;
            lines.push(scheduled(&app, &job, &standings, last.as_ref(), window.now_ms));
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
            scheduled: lines,
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
        href: SCHEDULE.iter().any(|job| job.name == r.job).then(|| format!("/jobs/{}", r.job)),
        due_ms: r.due_ms,
        asked_by: r.asked_by.clone(),
        server: r.server.clone(),
    }
}

fn import(i: &Import, _now: Millis) -> JobRun {
    JobRun {
        name: format!("import {} {}", i.kind, i.source_name),
        outcome: match (i.is_done(), i.rows_bad) {
            (true, 0) => JobOutcome::Succeeded,
            (true, _) => JobOutcome::Partial,
            // The demo world is written by the server itself, without a lock.
            (false, _) if i.is_alive || i.kind == "demo" => JobOutcome::Running,
            (false, _) if i.cancelled_by.is_some() => JobOutcome::Stopped,
            (false, _) => JobOutcome::Abandoned,
        },
        started_ms: i.started_ms,
        duration_ms: i.done_ms.map(|at| at - i.started_ms),
        done: Some(i.rows_done),
        total: None,
        unit: "rows".into(),
        message: if i.rows_bad > 0 { format!("{} rows were rejected", i.rows_bad) } else { String::new() },
        href: Some(format!("/jobs/{IMPORT}{}", i.part)),
        due_ms: None,
        asked_by: None,
        server: None,
    }
}

fn no_job(name: &str) -> AppError {
    AppError::NotFound { what: "job", slug: name.chars().take(80).collect(), suggestion: None }
}

/// The number of an import in an address such as `import-7`.
fn import_named(name: &str) -> Option<Result<i32>> {
    let number = name.strip_prefix(IMPORT)?;
    Some(number.parse().map_err(|_| no_job(name)))
}

/// GET `/jobs/{job}`: a job with its runs, or an import with its progress.
pub(crate) async fn one(app: App, InPath(name): InPath, visit: Visit) -> Response {
    let outcome = async {
        match import_named(&name) {
            Some(number) => progress(&app, &visit, number?).await,
            None => job(&app, &visit, &name).await,
        }
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn job(app: &App, visit: &Visit, name: &str) -> Result<Response> {
    let line = app.scheduled(name)?;
    let (shell, window) = shell(app, visit, spec(line.name)).await?;
    let all = app.runs_of(line.name, RUNS_OF_ONE).await?;
    let standings = app.job_standings().await?;
    let runs: Vec<JobRun> = all.iter().map(run).collect();
    if visit.csv().is_some() {
        return Ok(runs_csv(&shell, &runs));
    }
    let mut took: Vec<i64> = runs.iter().filter_map(|run| run.duration_ms).collect();
    took.sort_unstable();
    let took = took.first().zip(took.last()).map(|(least, most)| (*least, took[took.len() / 2], *most));
    let model = JobModel { job: scheduled(app, &line, &standings, all.first(), window.now_ms), took, runs };
    Ok(page(&shell, StatusCode::OK, || pages::job(&shell, &model)))
}

/// What an import does, in words, and which step that is.
fn phase(i: &Import) -> Option<(String, usize, usize)> {
    const STEPS: [(&str, &str); 3] =
        [("checking", "checking the file"), ("reading", "reading the file"), ("writing", "writing history")];
    let word = i.phase.as_deref()?;
    let step = STEPS.iter().position(|(known, _)| *known == word);
    Some(match step {
        Some(step) => (STEPS[step].1.to_owned(), step + 1, STEPS.len()),
        None => (word.to_owned(), 1, STEPS.len()),
    })
}

async fn progress(app: &App, visit: &Visit, number: i32) -> Result<Response> {
    let found = app.import(number).await?;
    let run = import(&found, 0);
    let (shell, window) = shell(app, visit, spec(&run.name)).await?;
    let report: Option<Report> = found.summary.clone().and_then(|summary| serde_json::from_value(summary).ok());
    let rejected = report.as_ref().map(|report| &report.rejected);
    let rejected_rows: Vec<[String; 4]> = rejected
        .into_iter()
        .flat_map(|rejected| &rejected.shown)
        .map(|one| [one.line.to_string(), one.column.clone(), one.found.clone(), one.expected.clone()])
        .collect();
    if visit.csv().is_some() {
        let header = ["line", "column", "found", "expected"];
        let rows = rejected_rows.into_iter().map(|row| row.into_iter().map(Cell::Text).collect());
        return Ok(csv(&shell, &format!("import-{number}-rejected"), &header, rows));
    }
    let until = found.done_ms.or(found.progress_ms).unwrap_or(window.now_ms);
    let spent = (until - found.started_ms).max(0);
    let share = match (found.phase_done, found.phase_total) {
        (Some(done), Some(total)) if total > 0 => Some((done as f64 / total as f64).clamp(0.0, 1.0)),
        _ => None,
    };
    let model = ImportProgressModel {
        number,
        phase: phase(&found),
        share,
        rate: (spent > 0 && found.rows_done > 0).then(|| found.rows_done as f64 * 1000.0 / spent as f64),
        // The phase is taken to have lasted since the beginning: its end is not nearer than that.
        left_ms: share.filter(|share| *share > 0.01).map(|share| (spent as f64 * (1.0 - share) / share) as i64),
        rejected: found.rows_bad,
        rejected_rows,
        warnings: report.map(|report| report.warnings).unwrap_or_default(),
        cancelled_by: found.cancelled_by.clone(),
        may_cancel: run.outcome == JobOutcome::Running
            && found.cancelled_by.is_none()
            && app.caller().may(Action::Plan)
            && !app.caller().is_limited(),
        run,
    };
    Ok(page(&shell, StatusCode::OK, || pages::import_progress(&shell, &model)))
}

/// POST `/jobs/{job}/run`.
pub(crate) async fn run_now(app: App, InPath(name): InPath, visit: Visit, _posted: Posted) -> Response {
    match app.run_job(&name).await {
        Ok(()) => done("/jobs", &format!("{name} was asked for; it begins within seconds.")),
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// POST `/jobs/{job}/cancel`.
pub(crate) async fn cancel(app: App, InPath(name): InPath, visit: Visit, _posted: Posted) -> Response {
    let outcome = async {
        let number = import_named(&name).unwrap_or_else(|| Err(no_job(&name)))?;
        app.cancel_import(number).await
    };
    match outcome.await {
        Ok(()) => done(&format!("/jobs/{name}"), "The import was told to stop."),
        Err(error) => failure(&app, &visit, error).await,
    }
}
