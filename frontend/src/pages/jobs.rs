//! Background work: what the server repeats, what was imported, how it went.

use headroom_domain::format;
use leptos::prelude::*;

use crate::components::icon::state_icon;
use crate::components::shell::{Frame, document};
use crate::components::state::{empty, panel};
use crate::components::table::pager;
use crate::components::value::{ago, day_time, times_in, unknown};
use crate::model::{JobOutcome, JobRun, JobsModel, ScheduledJob, ShellModel};

/// `/jobs`
pub fn jobs(shell: &ShellModel, model: &JobsModel) -> AnyView {
    let frame = Frame { sub: Some(times_in(shell).into_any()), ..Frame::plain("Jobs") };
    let scheduled = model.scheduled.iter().map(|job| scheduled_row(shell, job)).collect_view();
    let runs = || {
        if model.runs.is_empty() {
            return empty(shell, "Nothing has run yet.", None);
        }
        let rows = model.runs.iter().map(|run| run_row(shell, run)).collect_view();
        view! {
            <div class="hr-scroll" role="group" tabindex="0" aria-labelledby="runs-title">
                <table class="hr-table">
                    <caption class="hr-vh">"Runs and imports, newest first"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"What"</th>
                            <th scope="col">"Result"</th>
                            <th scope="col">"Started"</th>
                            <th scope="col" class="hr-num">"Took"</th>
                            <th scope="col" class="hr-num">"Done"</th>
                            <th scope="col">"Message"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            {pager(shell, &model.table, model.runs.len())}
        }
        .into_any()
    };
    let content = view! {
        <section class="hr-card hr-card--flush" aria-labelledby="scheduled-title">
            <div class="hr-card__head"><h2 id="scheduled-title">"Scheduled"</h2><span class="hr-card__sub">"one replica runs each at a time"</span></div>
            <div class="hr-scroll" role="group" tabindex="0" aria-labelledby="scheduled-title">
                <table class="hr-table">
                    <thead>
                        <tr>
                            <th scope="col">"Job"</th>
                            <th scope="col" class="hr-num">"Every"</th>
                            <th scope="col">"Last result"</th>
                            <th scope="col">"Last run"</th>
                            <th scope="col" class="hr-num">"Took"</th>
                            <th scope="col">"Next"</th>
                        </tr>
                    </thead>
                    <tbody>{scheduled}</tbody>
                </table>
            </div>
        </section>
        <section class="hr-card hr-card--flush" aria-labelledby="runs-title">
            <div class="hr-card__head"><h2 id="runs-title">"Runs and imports"</h2><span class="hr-card__sub">"newest first"</span></div>
            {panel(shell, &model.state, runs)}
        </section>
    };
    document(shell, frame, content.into_any())
}

fn outcome(shell: &ShellModel, outcome: JobOutcome) -> AnyView {
    let (class, shape) = match outcome {
        JobOutcome::Running => ("hr-level", "state-info"),
        JobOutcome::Succeeded => ("hr-level hr-level--ok", "state-ok"),
        JobOutcome::Partial => ("hr-level hr-level--warn", "state-warn"),
        JobOutcome::Failed => ("hr-level hr-level--crit", "state-crit"),
        JobOutcome::Abandoned => ("hr-level hr-level--unknown", "state-unknown"),
    };
    view! { <span class=class>{state_icon(shell, shape)}{outcome.word()}</span> }.into_any()
}

fn took(run: &JobRun) -> String {
    run.duration_ms.map_or_else(|| "running".to_owned(), format::duration)
}

fn scheduled_row(shell: &ShellModel, job: &ScheduledJob) -> AnyView {
    let (result, when, took) = match &job.last {
        Some(run) => (outcome(shell, run.outcome), ago(shell, run.started_ms), took(run)),
        None => (unknown("it has never run"), "never".into_any(), format::UNKNOWN.to_owned()),
    };
    let next = job.next_ms.map_or_else(|| "running now".into_any(), |at| day_time(shell, at));
    view! {
        <tr>
            <th scope="row" class="hr-table__name">{job.name.clone()}<small>{job.purpose.clone()}</small></th>
            <td class="hr-num">{format::duration(job.period_ms)}</td>
            <td>{result}</td>
            <td>{when}</td>
            <td class="hr-num">{took}</td>
            <td>{next}</td>
        </tr>
    }
    .into_any()
}

fn run_row(shell: &ShellModel, run: &JobRun) -> AnyView {
    let done = match (run.done, run.total) {
        (Some(done), Some(total)) => format!("{} of {} {}", format::count(done), format::count(total), run.unit),
        (Some(done), None) => format!("{} {}", format::count(done), run.unit),
        (None, _) => String::new(),
    };
    let progress = match (run.outcome, run.done, run.total) {
        (JobOutcome::Running, Some(done), Some(total)) if total > 0 => {
            Some(view! { <progress max=total value=done aria-label=format!("Progress of {}", run.name)></progress> })
        }
        _ => None,
    };
    view! {
        <tr>
            <th scope="row">{run.name.clone()}</th>
            <td>{outcome(shell, run.outcome)}</td>
            <td>{day_time(shell, run.started_ms)}</td>
            <td class="hr-num">{took(run)}</td>
            <td class="hr-num">{progress}{done}</td>
            <td>{run.message.clone()}</td>
        </tr>
    }
    .into_any()
}
