//! Background work: what the server repeats, what was imported, how it went.

use headroom_domain::format;
use leptos::prelude::*;

use crate::components::field::csrf;
use crate::components::icon::{icon, state_icon};
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, empty, panel, strip};
use crate::components::table::pager;
use crate::components::value::{ago, day_time, times_in, unknown};
use crate::model::{ImportProgressModel, JobModel, JobOutcome, JobRun, JobsModel, Link, ScheduledJob, ShellModel};

const PATH: &str = "/jobs";
/// How often the page of an import is loaded again while it runs.
const RELOAD_S: u32 = 5;

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
                <table class="hr-table hr-table--cards hr-runs">
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
                <table class="hr-table hr-table--cards hr-jobs">
                    <thead>
                        <tr>
                            <th scope="col">"Job"</th>
                            <th scope="col" class="hr-num">"Every"</th>
                            <th scope="col">"Last result"</th>
                            <th scope="col">"Last run"</th>
                            <th scope="col" class="hr-num">"Took"</th>
                            <th scope="col">"Next"</th>
                            <th scope="col">"Do"</th>
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
        JobOutcome::Abandoned | JobOutcome::Stopped => ("hr-level hr-level--unknown", "state-unknown"),
    };
    view! { <span class=class>{state_icon(shell, shape)}{outcome.word()}</span> }.into_any()
}

fn took(run: &JobRun) -> String {
    run.duration_ms.map_or_else(|| "running".to_owned(), format::duration)
}

/// When a job runs next, or that it runs.
fn next(shell: &ShellModel, job: &ScheduledJob) -> AnyView {
    if let Some(since) = job.running_since_ms {
        let place = job.server.clone().map(|server| view! { <small class="hr-small">{format!("on {server}")}</small> });
        return view! { <span>"runs, since "{ago(shell, since)}{place}</span> }.into_any();
    }
    if let Some(by) = &job.asked_by {
        return view! { <span>{format!("within seconds: {by} asked for it")}</span> }.into_any();
    }
    job.next_ms.map_or_else(|| "running now".into_any(), |at| day_time(shell, at))
}

fn run_button(shell: &ShellModel, job: &ScheduledJob) -> Option<AnyView> {
    let is_free = job.running_since_ms.is_none() && job.asked_by.is_none();
    (job.may_run && is_free).then(|| {
        let label = format!("Run now: {}", job.name);
        view! {
            <form method="post" action=format!("{PATH}/{}/run", job.name)>
                {csrf(shell)}
                <button class="hr-btn hr-btn--small" type="submit" aria-label=label>"Run now"</button>
            </form>
        }
        .into_any()
    })
}

fn scheduled_row(shell: &ShellModel, job: &ScheduledJob) -> AnyView {
    let (result, when, took) = match &job.last {
        Some(run) => (outcome(shell, run.outcome), ago(shell, run.started_ms), took(run)),
        None => (unknown("it has never run"), "never".into_any(), format::UNKNOWN.to_owned()),
    };
    view! {
        <tr>
            <th scope="row" class="hr-table__name"><span><a href=format!("{PATH}/{}", job.name)>{job.name.clone()}</a><small>{job.purpose.clone()}</small></span></th>
            <td class="hr-num hr-jobs__every" data-label="Every"><span>{format::duration(job.period_ms)}<small class="hr-small">{job.why.clone()}</small></span></td>
            <td data-label="Last result">{result}</td>
            <td data-label="Last run">{when}</td>
            <td class="hr-num" data-label="Took">{took}</td>
            <td data-label="Next">{next(shell, job)}</td>
            <td class="hr-jobs__do">{run_button(shell, job)}</td>
        </tr>
    }
    .into_any()
}

/// `/jobs/{job}`
pub fn job(shell: &ShellModel, model: &JobModel) -> AnyView {
    let job = &model.job;
    let frame = Frame {
        section: Some("Jobs"),
        sub: Some(times_in(shell).into_any()),
        crumbs: vec![Link { label: "Jobs".into(), href: PATH.into() }],
        actions: run_button(shell, job).into_iter().collect(),
        ..Frame::plain(job.name.clone())
    };
    let durations = model.took.map(|(least, middle, most)| {
        let text = format!(
            "{} in the middle, {} to {}",
            format::duration(middle),
            format::duration(least),
            format::duration(most)
        );
        view! { <div><dt>"Took"</dt><dd>{text}</dd></div> }
    });
    let runs = if model.runs.is_empty() {
        empty(shell, "It has not run yet.", None)
    } else {
        let rows = model
            .runs
            .iter()
            .map(|run| {
                let due = match (run.due_ms, &run.asked_by) {
                    (_, Some(by)) => view! { <span>{format!("{by} asked for it")}</span> }.into_any(),
                    (Some(at), None) => day_time(shell, at),
                    (None, None) => format::UNKNOWN.into_any(),
                };
                view! {
                    <tr>
                        <th scope="row">{day_time(shell, run.started_ms)}</th>
                        <td data-label="Due">{due}</td>
                        <td data-label="Result">{outcome(shell, run.outcome)}</td>
                        <td class="hr-num" data-label="Took">{took(run)}</td>
                        <td data-label="Where">{run.server.clone().unwrap_or_else(|| format::UNKNOWN.to_owned())}</td>
                        <td data-label="Message">{run.message.clone()}</td>
                    </tr>
                }
            })
            .collect_view();
        view! {
            <div class="hr-scroll" role="group" tabindex="0" aria-labelledby="runs-title">
                <table class="hr-table hr-table--cards">
                    <caption class="hr-vh">"Last runs, newest first"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Started"</th>
                            <th scope="col">"Due"</th>
                            <th scope="col">"Result"</th>
                            <th scope="col" class="hr-num">"Took"</th>
                            <th scope="col">"Where"</th>
                            <th scope="col">"Message"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let content = view! {
        <section class="hr-card" aria-label="The job">
            <p>{job.purpose.clone()}</p>
            <dl class="hr-facts">
                <div><dt>"Every"</dt><dd>{format!("{}: {}", format::duration(job.period_ms), job.why)}</dd></div>
                <div><dt>"Next"</dt><dd>{next(shell, job)}</dd></div>
                {durations}
            </dl>
        </section>
        <section class="hr-card hr-card--flush" aria-labelledby="runs-title">
            <div class="hr-card__head"><h2 id="runs-title">"Last runs"</h2><span class="hr-card__sub">"a run that found nothing to do leaves only its newest"</span></div>
            {runs}
        </section>
    };
    document(shell, frame, content.into_any())
}

/// `/jobs/import-{number}`
pub fn import_progress(shell: &ShellModel, model: &ImportProgressModel) -> AnyView {
    let run = &model.run;
    let is_running = run.outcome == JobOutcome::Running;
    let frame = Frame {
        section: Some("Jobs"),
        crumbs: vec![Link { label: "Jobs".into(), href: PATH.into() }],
        ..Frame::plain(run.name.clone())
    };
    let path = format!("{PATH}/import-{}", model.number);
    // Without scripts the page is loaded again; nobody types on it.
    let reload = is_running.then(|| {
        view! {
            <meta http-equiv="refresh" content=RELOAD_S.to_string()/>
            <p class="hr-muted hr-small">{format!("This page is loaded again every {RELOAD_S} seconds. ")}<a href=path.clone()>"Load it now"</a></p>
        }
    });
    let phase = model.phase.as_ref().filter(|_| is_running).map(|(what, step, steps)| {
        view! { <p><strong>{format!("Phase {step} of {steps}: {what}")}</strong></p> }
    });
    let share = model.share.filter(|_| is_running).map(|share| {
        let text = format::percent(share);
        view! {
            <p class="hr-job-bar">
                <progress max="1" value=share.to_string() aria-label=format!("Progress of {}", run.name)></progress>
                <span>{text}</span>
            </p>
        }
    });
    let mut facts = vec![format!("{} rows", format::count(run.done.unwrap_or_default()))];
    if let Some(rate) = model.rate {
        facts.push(format!("{} rows/s", format::count(rate.round() as i64)));
    }
    if let Some(left) = model.left_ms.filter(|_| is_running) {
        facts.push(format!("about {} left of this phase", format::duration(left)));
    }
    facts.push(match model.rejected {
        1 => "1 row rejected".to_owned(),
        several => format!("{} rows rejected", format::count(several)),
    });
    if let Some(ms) = run.duration_ms {
        facts.push(format!("took {}", format::duration(ms)));
    }
    let cancelled = model.cancelled_by.as_ref().map(|by| {
        let text = if is_running {
            format!("{by} told it to stop: it does with its next piece.")
        } else {
            format!("{by} stopped it.")
        };
        strip(shell, Tone::Warn, text.into_any())
    });
    let onward = match run.outcome {
        JobOutcome::Abandoned | JobOutcome::Stopped => {
            Some("Nothing of it is seen yet. The same command goes on where it was; undo takes it out.")
        }
        JobOutcome::Running => Some(
            "Nothing of it is seen before it is done. Stopping keeps what was read: the same command goes on with it.",
        ),
        _ => None,
    };
    let cancel = model.may_cancel.then(|| {
        view! {
            <form method="post" action=format!("{path}/cancel")>
                {csrf(shell)}
                <button class="hr-btn hr-btn--danger" type="submit">"Stop it"</button>
            </form>
        }
    });
    let warnings = (!model.warnings.is_empty()).then(|| {
        let items = model.warnings.iter().map(|warning| view! { <li>{warning.clone()}</li> }).collect_view();
        view! {
            <section class="hr-card hr-prose" aria-labelledby="warnings-title"><h2 id="warnings-title">"Warnings"</h2><ul>{items}</ul></section>
        }
    });
    let rejected = (!model.rejected_rows.is_empty()).then(|| {
        let rows = model
            .rejected_rows
            .iter()
            .map(|[line, column, found, expected]| {
                view! {
                    <tr>
                        <th scope="row" class="hr-num">{line.clone()}</th>
                        <td data-label="Column">{column.clone()}</td>
                        <td data-label="Found">{found.clone()}</td>
                        <td data-label="Expected">{expected.clone()}</td>
                    </tr>
                }
            })
            .collect_view();
        view! {
            <section class="hr-card hr-card--flush" aria-labelledby="rejected-title">
                <div class="hr-card__head"><h2 id="rejected-title">"Rejected rows"</h2>
                    <a class="hr-btn hr-btn--small" href=format!("{path}?format=csv") download="">{icon(shell, "download")}"CSV"</a>
                </div>
                <div class="hr-scroll" role="group" tabindex="0" aria-labelledby="rejected-title">
                    <table class="hr-table hr-table--cards">
                        <thead><tr><th scope="col" class="hr-num">"Line"</th><th scope="col">"Column"</th><th scope="col">"Found"</th><th scope="col">"Expected"</th></tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
            </section>
        }
    });
    let content = view! {
        {cancelled}
        <section class="hr-card" aria-label="Progress">
            <p>{outcome(shell, run.outcome)}" · started "{day_time(shell, run.started_ms)}</p>
            {phase}
            {share}
            <p>{facts.join(" · ")}</p>
            {onward.map(|text| view! { <p class="hr-muted">{text}</p> })}
            {cancel}
            {reload}
        </section>
        {warnings}
        {rejected}
    };
    document(shell, frame, content.into_any())
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
    let name = match &run.href {
        Some(href) => view! { <a href=href.clone()>{run.name.clone()}</a> }.into_any(),
        None => run.name.clone().into_any(),
    };
    view! {
        <tr>
            <th scope="row" class="hr-table__name">{name}</th>
            <td data-label="Result">{outcome(shell, run.outcome)}</td>
            <td data-label="Started">{day_time(shell, run.started_ms)}</td>
            <td class="hr-num" data-label="Took">{took(run)}</td>
            <td class="hr-num" data-label="Done">{progress}{done}</td>
            <td class="hr-runs__message">{run.message.clone()}</td>
        </tr>
    }
    .into_any()
}
