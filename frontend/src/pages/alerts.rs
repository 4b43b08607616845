//! Alerts: the part of the board, the history, and one alert with all that helps to decide.

use headroom_domain::format;
use leptos::prelude::*;

use crate::components::alert_nav::alert_nav;
use crate::components::alert_row::{Back, acts, alert_row, conflict_panel, facts, severity, span, state_words};
use crate::components::chart::chart_card;
use crate::components::field::csrf;
use crate::components::icon::{icon, state_icon};
use crate::components::live::{Listening, listen};
use crate::components::shell::{Frame, document, scope_text};
use crate::components::state::{empty, panel};
use crate::components::table::{Head, csv, heads, pager};
use crate::components::value::{ago, as_of_text, day_time};
use crate::islands::AlertActs;
use crate::model::{
    AlertBoard, AlertHistoryRow, AlertModel, AlertRunbook, AlertStep, AlertsModel, DeliveryRow, QualityModel,
    QualityRow, ShellModel, Shown, TimelineRow,
};

/// The alerts of the board, first thing on it.
pub(crate) fn board(shell: &ShellModel, board: &AlertBoard) -> AnyView {
    let again = shell.url.replace(&shell.path, &[]);
    let choices = Shown::ALL
        .into_iter()
        .zip(board.counts)
        .map(|(shown, count)| {
            let href = shell.url.replace(&shell.path, &[("show", shown.word())]);
            let current = (shown == board.shown).then_some("page");
            view! { <a class="hr-seg__item" href=href aria-current=current>{format!("{} {count}", shown.label())}</a> }
        })
        .collect_view();
    let rows: Vec<AnyView> = board.rows.iter().map(|row| alert_row(shell, row, board.may_act, true)).collect();
    let list = if rows.is_empty() {
        nothing(shell, board)
    } else {
        view! { <ul class="hr-findings__list">{rows}</ul> }.into_any()
    };
    let warnings = board
        .warnings
        .iter()
        .map(|text| view! { <p class="hr-notice hr-notice--warn">{state_icon(shell, "state-warn")}{text.clone()}</p> })
        .collect_view();
    let receivers = board.receivers_href.clone().map(|href| {
        view! { <p class="hr-calm"><a href=href>"Receivers: what did not arrive, and sending it again"</a></p> }
    });
    let results = (!board.results.is_empty()).then(|| {
        let lines = board.results.iter().map(|line| view! { <li>{line.clone()}</li> }).collect_view();
        view! {
            <div class="hr-notice hr-notice--info" role="status" tabindex="-1">
                {state_icon(shell, "state-info")}<ul class="hr-notice__text">{lines}</ul>
            </div>
        }
    });
    let on_call = board.on_call.clone().map(|text| view! { <span class="hr-card__sub">{text}</span> });
    let watermark = board.watermark_ms.map_or_else(
        || "nothing was judged yet".to_owned(),
        |at| format!("judged up to {}", as_of_text(shell, at).trim_start_matches("as of ")),
    );
    view! {
        <section class="hr-card hr-card--flush hr-findings hr-alerts" aria-labelledby="alerts-title" id="alerts">
            <div class="hr-card__head">
                <h2 id="alerts-title">"Alerts"</h2>
                {on_call}
                <span class="hr-card__sub" data-ticks="" data-refresh="watermark">{watermark}</span>
                <a class="hr-btn hr-btn--small hr-findings__new" href=again data-findings-new="" data-ticks="" hidden=""></a>
            </div>
            <nav class="hr-seg hr-alerts__choice" aria-label="Which alerts" data-refresh="alert-choices" data-ticks="">{choices}</nav>
            <div data-refresh="alert-warnings" data-ticks="">{warnings}{undelivered(shell, board)}{receivers}</div>
            <div data-results="" data-ticks="">{results}</div>
            <div data-refresh="alerts" data-ticks="">{list}</div>
            {board.may_act.then(|| bulk(shell, board))}
            <AlertActs enabled=shell.shortcuts/>
        </section>
    }
    .into_any()
}

/// What nobody could be told and why, each with the button that sends it again.
fn undelivered(shell: &ShellModel, board: &AlertBoard) -> Option<AnyView> {
    if board.undelivered.is_empty() {
        return None;
    }
    let items = board
        .undelivered
        .iter()
        .map(|one| {
            let about = one.alert.map(|id| view! { " about "<a href=format!("/alerts/{id}")>{format!("A-{id}")}</a> });
            let again = board.may_replay.then(|| replay(shell, one.id, &one.receiver, "board"));
            let kind = if one.is_page { "page" } else { "message" };
            view! {
                <li>
                    <span>
                        <b>{one.receiver.clone()}</b>" was not told: "{kind}" “"{one.message.clone()}"”"{about}", "
                        {day_time(shell, one.at_ms)}": "{one.reason.clone()}
                    </span>
                    {again}
                </li>
            }
        })
        .collect_view();
    Some(view! { <ul class="hr-alerts__undelivered" aria-label="Not delivered">{items}</ul> }.into_any())
}

/// Sends a message again that was given up.
fn replay(shell: &ShellModel, id: i64, receiver: &str, back: &'static str) -> AnyView {
    view! {
        <form method="post" action=format!("/notifications/{id}/replay")>
            {csrf(shell)}
            <input type="hidden" name="back" value=back/>
            <button class="hr-btn hr-btn--small" type="submit" aria-label=format!("Replay message {id} to {receiver}")>"Replay"</button>
        </form>
    }
    .into_any()
}

fn nothing(shell: &ShellModel, board: &AlertBoard) -> AnyView {
    if board.is_behind {
        return view! {
            <p class="hr-calm">
                <span class="hr-level hr-level--unknown">
                    {state_icon(shell, "state-unknown")}"It is not known what fires: nothing was judged lately."
                </span>
            </p>
        }
        .into_any();
    }
    let hidden = board.counts[Shown::ALL.len() - 1];
    if hidden > 0 {
        let href = shell.url.replace(&shell.path, &[("show", "all")]);
        return view! { <p class="hr-calm">"None of these. "<a href=href>{format!("Show all {hidden}")}</a></p> }
            .into_any();
    }
    let last = board.last_resolved_ms.map(|at| view! { " The last one was over "{ago(shell, at)}"." });
    view! {
        <p class="hr-calm">
            <span class="hr-level hr-level--ok">{state_icon(shell, "state-ok")}"All clear: no open alerts."</span>{last}
        </p>
    }
    .into_any()
}

/// Several at once: ticked above, done here.
fn bulk(shell: &ShellModel, board: &AlertBoard) -> AnyView {
    let open = board.rows.iter().filter(|row| row.is_open() && !row.is_taken()).count();
    let all = (open > 1).then(|| {
        view! {
            <button class="hr-btn hr-btn--small" type="submit" name="all" value="all" data-busy="Acknowledging…">
                {format!("Acknowledge all {open} shown")}
            </button>
        }
    });
    view! {
        <form id="bulk" class="hr-alerts__bulk" method="post" action="/alerts/bulk" data-act="bulk">
            {csrf(shell)}
            <input type="hidden" name="show" value=board.shown.word()/>
            <label class="hr-vh" for="bulk-note">"Note for all of them"</label>
            <input
                class="hr-input"
                id="bulk-note"
                name="note"
                maxlength="2000"
                required=board.needs_note
                placeholder=if board.needs_note { "Note for all of them (needed)" } else { "Note for all of them (optional)" }
            />
            <button class="hr-btn hr-btn--small" type="submit" data-busy="Acknowledging…">"Acknowledge selected"</button>
            <span data-refresh="bulk-all" data-ticks="">{all}</span>
            <button class="hr-btn hr-btn--small" type="button" data-notify="" data-ticks="" hidden="">"Notify me in this browser"</button>
        </form>
    }
    .into_any()
}

/// `/alerts`
pub fn alerts(shell: &ShellModel, model: &AlertsModel) -> AnyView {
    let sub =
        view! { <span class="hr-dot">{model.summary.clone()}</span><span class="hr-dot">{scope_text(shell)}</span> };
    let frame = Frame { sub: Some(sub.into_any()), ..Frame::data("Alerts") };
    let choice = |name: &'static str, links: &[(crate::model::Link, bool)]| {
        let items = links
            .iter()
            .map(|(link, current)| {
                view! { <a class="hr-seg__item" href=link.href.clone() aria-current=current.then_some("page")>{link.label.clone()}</a> }
            })
            .collect_view();
        view! { <nav class="hr-seg" aria-label=name>{items}</nav> }.into_any()
    };
    let body = || {
        if model.rows.is_empty() {
            return empty(shell, "No alert fits. Choose a longer range, or all states.", None);
        }
        let columns = [
            Head::text("severity", "Severity"),
            Head::text("what", "What"),
            Head::text("fired", "Fired"),
            Head::number("ack", "To ack"),
            Head::number("lasted", "Lasted"),
            Head::text("owner", "Owner"),
            Head::text("state", "State"),
        ];
        let rows = model.rows.iter().map(|row| history_row(shell, row)).collect_view();
        view! {
            <div class="hr-scroll" role="group" tabindex="0" aria-labelledby="alerts-title">
                <table class="hr-table hr-table--cards">
                    <caption class="hr-vh">"Alerts, newest first"</caption>
                    <thead>{heads(shell, &model.table, &columns)}</thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            {pager(shell, &model.table, model.rows.len())}
        }
        .into_any()
    };
    let content = view! {
        {alert_nav(shell, "/alerts")}
        <section class="hr-card hr-card--flush" aria-labelledby="alerts-title">
            <div class="hr-card__head">
                <h2 id="alerts-title">"History"</h2>
                <a class="hr-card__sub" href="/alerts/quality">"Which rules are worth it?"</a>
                {csv(shell, &model.table.csv_href)}
            </div>
            <div class="hr-alerts__choice">{choice("State", &model.states)}" "{choice("Severity", &model.lanes)}</div>
            {panel(shell, &model.state, body)}
        </section>
    };
    document(shell, frame, content.into_any())
}

fn history_row(shell: &ShellModel, of: &AlertHistoryRow) -> AnyView {
    let row = &of.row;
    view! {
        <tr>
            <td data-label="Severity">{severity(shell, row)}</td>
            <th scope="row" class="hr-table__name">
                <a href=row.href()>{row.sentence.clone()}</a><small>{row.title.clone()}</small>
            </th>
            <td data-label="Fired">{day_time(shell, row.fired_ms)}</td>
            <td data-label="To ack" class="hr-num">{span(of.ack_after_ms)}</td>
            <td data-label="Lasted" class="hr-num">{span(of.lasted_ms)}</td>
            <td data-label="Owner">{row.owner.clone().unwrap_or_else(|| "nobody".to_owned())}</td>
            <td data-label="State">
                <span>
                    {row.state.words()}{of.why.map(|why| format!(" ({why})"))}
                    {row.outcome.map(|outcome| view! { <small class="hr-small">{outcome.label()}</small> })}
                </span>
            </td>
        </tr>
    }
    .into_any()
}

/// `/alerts/{alert}`
pub fn alert(shell: &ShellModel, model: &AlertModel) -> AnyView {
    let row = &model.row;
    let sub = view! {
        <span class="hr-dot">{model.scope.clone()}</span>
        <span class="hr-dot">{format!("A-{} · version {}", row.id, row.version)}</span>
    };
    let frame = Frame { sub: Some(sub.into_any()), ..Frame::plain(row.sentence.clone()) };
    let content = view! {
        {alert_nav(shell, "/alerts")}
        {listen(shell, Listening { topics: "alerts", refreshes: true, ..Listening::default() })}
        <article class="hr-card hr-alert hr-alert--whole" data-alert=row.id tabindex="-1" aria-labelledby="why-title">
            <div data-refresh="alert" data-ticks="">
                <p class="hr-alert__head">
                    {severity(shell, row)}
                    <span>{state_words(shell, row)}" · fired "{day_time(shell, row.fired_ms)}", "{ago(shell, row.fired_ms)}</span>
                </p>
                {row.conflict.as_ref().map(|conflict| conflict_panel(shell, row, conflict, Back::Own))}
                <h2 id="why-title" class="hr-vh">"Why"</h2>
                <p>{model.why.clone()}</p>
                <p class="hr-finding__facts">{facts(shell, row)}</p>
                {(!row.participants.is_empty()).then(|| view! { <p class="hr-finding__facts">"Also on it: "{row.participants.join(", ")}</p> })}
                {acts(shell, row, model.may_act, Back::Own)}
            </div>
        </article>
        <AlertActs enabled=shell.shortcuts/>
        <div class="hr-grid hr-grid--side">
            {first_steps(shell, model)}
            {fact_list(model)}
        </div>
        {budget(model)}
        {model.charts.iter().map(|chart| chart_card(shell, chart)).collect_view()}
        {tiers(model)}
        <div class="hr-grid hr-grid--side">
            {timeline(shell, row.id, &model.timeline)}
            {episodes(model)}
        </div>
        {deliveries(shell, &model.deliveries, model.may_replay)}
    };
    document(shell, frame, content.into_any())
}

fn first_steps(shell: &ShellModel, model: &AlertModel) -> AnyView {
    let playbook = (!model.playbook.is_empty()).then(|| {
        let links = model
            .playbook
            .iter()
            .map(|action| {
                let class = if action.first { "hr-btn hr-btn--primary" } else { "hr-btn" };
                view! { <a class=class href=action.link.href.clone()>{format!("Preview: {}", action.link.label)}</a> }
            })
            .collect_view();
        view! { <div class="hr-alert__choices">{links}</div> }
    });
    let body = match &model.runbook {
        Some(runbook) => view! {
            <p class="hr-card__sub"><a href=runbook.href.clone()>{runbook.title.clone()}</a>" · "{runbook.version.clone()}</p>
            {playbook}
            {steps(shell, model, runbook)}
            <details class="hr-more">
                <summary>"The whole runbook"</summary>
                <div class="hr-prose" inner_html=runbook.html.clone()></div>
            </details>
        }
        .into_any(),
        None => view! {
            {playbook}
            {empty(shell, "Nobody wrote down what to do about this.", None)}
        }
        .into_any(),
    };
    view! {
        <section class="hr-card" aria-labelledby="first-title">
            <div class="hr-card__head"><h2 id="first-title">"Do this first"</h2></div>
            {body}
        </section>
    }
    .into_any()
}

/// The numbered steps, each with a box that is ticked for everybody.
fn steps(shell: &ShellModel, model: &AlertModel, runbook: &AlertRunbook) -> AnyView {
    let sections = runbook
        .sections
        .iter()
        .map(|section| {
            let items = section.steps.iter().map(|one| step(shell, model, one)).collect_view();
            view! { <h3>{section.heading.clone()}</h3><ol class="hr-todo">{items}</ol> }
        })
        .collect_view();
    view! { <div data-refresh="steps" data-ticks="">{sections}</div> }.into_any()
}

fn step(shell: &ShellModel, model: &AlertModel, step: &AlertStep) -> AnyView {
    let is_done = step.done.is_some();
    let box_class = if is_done { "hr-tick hr-tick--on" } else { "hr-tick" };
    let mark = is_done.then(|| icon(shell, "check"));
    let tick = if model.may_act {
        let deed = if is_done { "untick" } else { "tick" };
        let name = format!("Step {} is done", step.number);
        let key = format!("{}-step-{}", model.row.id, step.number);
        view! {
            <form method="post" action=format!("/alerts/{}/act", model.row.id) data-act=deed>
                {csrf(shell)}
                <input type="hidden" name="deed" value=deed/>
                <input type="hidden" name="step" value=step.number/>
                <input type="hidden" name="back" value="own"/>
                <button class=box_class type="submit" id=key aria-pressed=if is_done { "true" } else { "false" } aria-label=name>
                    {mark}
                </button>
            </form>
        }
        .into_any()
    } else {
        let name = if is_done { "done" } else { "not done" };
        view! { <span class=box_class>{mark}<span class="hr-vh">{name}</span></span> }.into_any()
    };
    let by = step.done.as_ref().map(|(who, at)| {
        view! { <small class="hr-small hr-muted">"done by "<b>{who.clone()}</b>", "{day_time(shell, *at)}</small> }
    });
    view! {
        <li value=step.number>
            {tick}
            <span class="hr-todo__number">{format!("{}.", step.number)}</span>
            <div class="hr-prose hr-todo__text"><div inner_html=step.html.clone()></div>{by}</div>
        </li>
    }
    .into_any()
}

fn fact_list(model: &AlertModel) -> AnyView {
    let rows = model
        .facts
        .iter()
        .map(|(name, value)| view! { <div><dt>{name.clone()}</dt><dd>{value.clone()}</dd></div> })
        .collect_view();
    view! {
        <section class="hr-card" aria-labelledby="facts-title">
            <div class="hr-card__head"><h2 id="facts-title">"Facts"</h2></div>
            <dl class="hr-facts">{rows}</dl>
        </section>
    }
    .into_any()
}

fn budget(model: &AlertModel) -> Option<AnyView> {
    let sentence = model.budget.clone()?;
    Some(
        view! {
            <section class="hr-card" aria-labelledby="budget-title">
                <div class="hr-card__head"><h2 id="budget-title">"Error budget, 30 days"</h2></div>
                <p>{sentence}</p>
            </section>
        }
        .into_any(),
    )
}

fn tiers(model: &AlertModel) -> Option<AnyView> {
    if model.tiers.is_empty() {
        return None;
    }
    let rows = model
        .tiers
        .iter()
        .map(|tier| {
            view! {
                <tr>
                    <th scope="row">{tier.name.clone()}</th>
                    <td>{tier.lane}</td>
                    <td>{tier.burns.clone()}</td>
                    <td>{tier.counted.clone()}</td>
                    <td>{tier.says}</td>
                </tr>
            }
        })
        .collect_view();
    Some(
        view! {
            <section class="hr-card hr-card--flush" aria-labelledby="tiers-title">
                <div class="hr-card__head"><h2 id="tiers-title">"How the rule sees it"</h2></div>
                <div class="hr-scroll" role="group" tabindex="0" aria-labelledby="tiers-title">
                    <table class="hr-table">
                        <thead>
                            <tr>
                                <th scope="col">"Tier"</th>
                                <th scope="col">"Wakes"</th>
                                <th scope="col">"Burn"</th>
                                <th scope="col">"In the long window"</th>
                                <th scope="col">"Holds"</th>
                            </tr>
                        </thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
            </section>
        }
        .into_any(),
    )
}

fn timeline(shell: &ShellModel, alert: i64, rows: &[TimelineRow]) -> AnyView {
    let export = format!("/alerts/{alert}?format=md");
    // It is of all tenants, so it is for those who answer for all.
    let summary = shell.viewer.as_ref().is_some_and(|viewer| viewer.operates || viewer.plans).then(|| {
        view! { <a class="hr-btn hr-btn--small" href=format!("/reports/incident-{alert}")>"Incident summary"</a> }
    });
    let items = rows
        .iter()
        .map(|row| {
            let what = match &row.href {
                Some(href) => view! { <a href=href.clone()>{row.what.clone()}</a> }.into_any(),
                None => row.what.clone().into_any(),
            };
            let who = row.who.clone().map(|who| view! { " by "<b>{who}</b> });
            let note = (!row.note.is_empty()).then(|| view! { <span class="hr-alert__note">"“"{row.note.clone()}"”"</span> });
            view! { <li>{state_icon(shell, row.shape)}<span>{day_time(shell, row.at_ms)}" "{what}{who}{note}</span></li> }
        })
        .collect_view();
    view! {
        <section class="hr-card" aria-labelledby="timeline-title">
            <div class="hr-card__head"><h2 id="timeline-title">"Timeline"</h2><span class="hr-card__sub">"newest first"</span>
                {summary}
                <a class="hr-btn hr-btn--small" href=export download="">{icon(shell, "download")}"Postmortem"</a></div>
            <ol class="hr-alert__timeline" data-refresh="timeline" data-ticks="">{items}</ol>
        </section>
    }
    .into_any()
}

fn episodes(model: &AlertModel) -> AnyView {
    let body = if model.episodes.is_empty() {
        view! { <p class="hr-calm">"It has not happened before."</p> }.into_any()
    } else {
        let items = model
            .episodes
            .iter()
            .map(
                |(link, words)| view! { <li><a href=link.href.clone()>{link.label.clone()}</a>" "{words.clone()}</li> },
            )
            .collect_view();
        view! { <ul class="hr-alert__timeline">{items}</ul> }.into_any()
    };
    view! {
        <section class="hr-card" aria-labelledby="similar-title">
            <div class="hr-card__head"><h2 id="similar-title">"Episodes before"</h2></div>
            {body}
        </section>
    }
    .into_any()
}

fn deliveries(shell: &ShellModel, rows: &[DeliveryRow], may_replay: bool) -> Option<AnyView> {
    if rows.is_empty() {
        return None;
    }
    let items = rows
        .iter()
        .map(|row| {
            let shape = if row.is_dead { "state-crit" } else { "state-ok" };
            view! {
                <tr>
                    <td>{day_time(shell, row.at_ms)}</td>
                    <th scope="row">{row.receiver.clone()}</th>
                    <td>{row.message.clone()}</td>
                    <td>
                        {state_icon(shell, shape)}" "{row.state.clone()}
                        {(row.is_dead && may_replay).then(|| replay(shell, row.id, &row.receiver, "own"))}
                    </td>
                </tr>
            }
        })
        .collect_view();
    Some(
        view! {
            <section class="hr-card hr-card--flush" aria-labelledby="told-title">
                <div class="hr-card__head"><h2 id="told-title">"Who was told"</h2></div>
                <div class="hr-scroll" role="group" tabindex="0" aria-labelledby="told-title">
                    <table class="hr-table">
                        <thead><tr><th scope="col">"When"</th><th scope="col">"Receiver"</th><th scope="col">"What"</th><th scope="col">"How it went"</th></tr></thead>
                        <tbody>{items}</tbody>
                    </table>
                </div>
            </section>
        }
        .into_any(),
    )
}

/// `/alerts/quality`
pub fn alert_quality(shell: &ShellModel, model: &QualityModel) -> AnyView {
    let frame = Frame { sub: Some(scope_text(shell).into_any()), ..Frame::data("Alert quality") };
    let body = if model.rows.is_empty() {
        empty(shell, "No rule fired in this range.", None)
    } else {
        let rows = model.rows.iter().map(|row| quality_row(shell, row)).collect_view();
        view! {
            <div class="hr-scroll" role="group" tabindex="0" aria-labelledby="quality-title">
                <table class="hr-table">
                    <caption class="hr-vh">"Rules, most fires first"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Rule"</th>
                            <th scope="col" class="hr-num">"Fires"</th>
                            <th scope="col" class="hr-num">"Pages"</th>
                            <th scope="col" class="hr-num">"Time firing"</th>
                            <th scope="col" class="hr-num">"Acknowledged"</th>
                            <th scope="col" class="hr-num">"Median to ack"</th>
                            <th scope="col" class="hr-num">"Never"</th>
                            <th scope="col">"What it was"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let content = view! {
        {alert_nav(shell, "/alerts")}
        <section class="hr-card hr-card--flush" aria-labelledby="quality-title">
            <div class="hr-card__head">
                <h2 id="quality-title">"Rules that fired"</h2>
                <span class="hr-card__sub">"a rule that fires for more than a fifth of the time teaches people to look away"</span>
                {csv(shell, &model.csv_href)}
            </div>
            {body}
        </section>
    };
    document(shell, frame, content.into_any())
}

fn quality_row(shell: &ShellModel, row: &QualityRow) -> AnyView {
    let noisy = row.is_noisy.then(|| view! { " "{state_icon(shell, "state-warn")}"noisy" });
    view! {
        <tr>
            <th scope="row" class="hr-table__name"><a href=format!("/rules/{}", row.slug)>{row.title.clone()}</a>{noisy}</th>
            <td class="hr-num">{format::count(row.fires)}</td>
            <td class="hr-num">{format::count(row.pages)}</td>
            <td class="hr-num">{format::percent(row.firing)}</td>
            <td class="hr-num">{format::percent(row.acked)}</td>
            <td class="hr-num">{span(row.median_ack_ms)}</td>
            <td class="hr-num">{format::count(row.never_acked)}</td>
            <td>{if row.outcomes.is_empty() { "nobody said".to_owned() } else { row.outcomes.clone() }}</td>
        </tr>
    }
    .into_any()
}
