//! `/forecast` and `/forecast/{pool}`: what pools will need, how right that was, and what to do about it.

use headroom_domain::format;
use leptos::prelude::*;

use crate::components::chart::chart_card;
use crate::components::field::{Ask, Mode, choice, csrf, input};
use crate::components::icon::state_icon;
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, button_link, empty, strip};
use crate::components::table::csv;
use crate::components::value::{count, day_time_text, percent, times_in};
use crate::model::{
    AccuracyBox, DecisionsBox, ForecastModel, ForecastRow, ForecastsModel, FullIn, LedgerBox, Link, PastBox, PlanBox,
    ShellModel, StepRow, Urgency, WhatIfBox,
};

/// Levels that a what-if and a policy offer: permille and words.
pub(super) const LEVELS: [(&str, &str); 5] = [
    ("500", "P50: as likely short as not"),
    ("750", "P75"),
    ("900", "P90"),
    ("950", "P95: short in one hour of twenty"),
    ("990", "P99"),
];

/// Where a pool's forecast is.
pub(super) fn path(pool: &str) -> String {
    format!("/forecast/{pool}")
}

/// When a pool is full: shape and words.
pub(super) fn full_in(shell: &ShellModel, full: &FullIn) -> AnyView {
    let (class, shape) = match full.urgency {
        Urgency::Critical => ("hr-level hr-level--crit", "state-crit"),
        Urgency::Warn => ("hr-level hr-level--warn", "state-warn"),
        Urgency::Fine => ("hr-level hr-level--ok", "state-ok"),
        Urgency::Unknown => ("hr-level hr-level--unknown", "state-unknown"),
    };
    view! { <span class=class>{state_icon(shell, shape)}{full.text.clone()}</span> }.into_any()
}

/// `/forecast`
pub fn forecasts(shell: &ShellModel, model: &ForecastsModel) -> AnyView {
    let frame = Frame {
        sub: Some(
            format!(
                "What pools will need in the next days, those first that are full soonest. Made anew every hour. {}",
                times_in(shell)
            )
            .into_any(),
        ),
        ..Frame::plain("Forecast")
    };
    let content = if model.rows.is_empty() {
        empty(shell, "No forecast yet. The first is made within minutes of the first complete hour of history.", None)
    } else {
        let rows = model.rows.iter().map(|row| list_row(shell, row)).collect_view();
        let more =
            model.next.as_ref().map(|href| view! { <p><a class="hr-btn" href=href.clone()>"More pools"</a></p> });
        view! {
            <div class="hr-card hr-card--flush">
                <div class="hr-scroll">
                    <table class="hr-table hr-table--cards">
                        <caption class="hr-table__caption">
                            {format!("{} pools. “Most, P95”: the most that is wanted in the next 48 hours, at 0.95.", format::count(model.total))}
                        </caption>
                        <thead><tr>
                            <th scope="col">"Pool"</th>
                            <th scope="col" class="hr-num">"Wanted now"</th>
                            <th scope="col" class="hr-num">"Most, P95"</th>
                            <th scope="col" class="hr-num">"Slots"</th>
                            <th scope="col">"Full in"</th>
                            <th scope="col" class="hr-num">"Range held"</th>
                            <th scope="col" class="hr-num">"Miss"</th>
                            <th scope="col">"Mode"</th>
                            <th scope="col">"Does predicting pay?"</th>
                        </tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
            </div>
            {more}
            <p>{csv(shell, &model.csv_href)}{model.csv_note.as_ref().map(|note| format!(" {note}"))}</p>
        }
        .into_any()
    };
    document(shell, frame, content)
}

fn list_row(shell: &ShellModel, row: &ForecastRow) -> AnyView {
    let pays = match row.pays {
        Some(true) => "Yes: ",
        Some(false) => "No: ",
        None => "",
    };
    view! {
        <tr>
            <th scope="row" class="hr-table__name"><a href=shell.url.link(&path(&row.pool.slug))>{row.pool.name.clone()}</a></th>
            <td class="hr-num" data-label="Wanted now">{count(row.wanted, "nothing was reported within 15 minutes")}</td>
            <td class="hr-num" data-label="Most, P95">{count(row.p95, "less than 14 days of history")}</td>
            <td class="hr-num" data-label="Slots">{format::count(row.capacity)}</td>
            <td data-label="Full in">{full_in(shell, &row.full)}</td>
            <td class="hr-num" data-label="Range held">{percent(row.coverage, "no forecast was judged yet")}</td>
            <td class="hr-num" data-label="Miss">{percent(row.wape, "no forecast was judged yet")}</td>
            <td data-label="Mode">{row.mode}</td>
            <td data-label="Does predicting pay?" class="hr-forecast__why">{pays}{row.reason.clone()}</td>
        </tr>
    }
    .into_any()
}

/// `/forecast/{pool}`
pub fn forecast(shell: &ShellModel, model: &ForecastModel) -> AnyView {
    let own = path(&model.pool.slug);
    let actions = model
        .may_change
        .then(|| button_link(shell, "hr-btn", "sliders-horizontal", "How it is scaled", format!("{own}/policy")));
    let frame = Frame {
        section: Some("Forecast"),
        sub: Some(model.basis.clone().into_any()),
        crumbs: vec![
            Link { label: "Forecast".into(), href: "/forecast".into() },
            Link { label: model.pool.name.clone(), href: format!("/pools/{}", model.pool.slug) },
        ],
        actions: actions.into_iter().collect(),
        ..Frame::plain(format!("Forecast of {}", model.pool.name))
    };
    let fan = match (&model.too_little, &model.chart) {
        (Some(text), _) => view! { <section class="hr-card" aria-label="Forecast">{empty(shell, text, None)}</section> }.into_any(),
        (None, Some(chart)) => chart_card(shell, chart),
        (None, None) => view! { <section class="hr-card" aria-label="Forecast">{empty(shell, "Nothing is foreseen.", None)}</section> }.into_any(),
    };
    let content = view! {
        <p class="hr-forecast__lead">{model.summary.clone()}</p>
        {model.error.as_ref().map(|error| strip(shell, Tone::Critical, error.clone().into_any()))}
        {model.accuracy.naive_wins.then(|| strip(
            shell,
            Tone::Warn,
            "The model does not beat last week's pattern. Treat this as a guess.".into_any(),
        ))}
        {fan}
        <div class="hr-forecast">
            {accuracy(shell, &model.accuracy)}
            {plan(shell, model, &model.plan)}
        </div>
        {what_if(shell, &own, &model.what_if)}
        {ledger(shell, &model.ledger)}
        {past(shell, &own, &model.past)}
        {decisions(shell, &model.decisions)}
    };
    document(shell, frame, content.into_any())
}

fn fact(name: &'static str, value: AnyView) -> AnyView {
    view! { <div><dt>{name}</dt><dd>{value}</dd></div> }.into_any()
}

fn accuracy(shell: &ShellModel, model: &AccuracyBox) -> AnyView {
    let held = match model.coverage_80 {
        None => view! { <span class="hr-level hr-level--unknown">"no hour was judged yet"</span> }.into_any(),
        Some(share) => {
            let (class, shape, word) = if model.too_narrow {
                ("hr-level hr-level--warn", "state-warn", "ranges have been too narrow")
            } else if model.too_wide {
                ("hr-level hr-level--warn", "state-warn", "ranges have been too wide")
            } else {
                ("hr-level hr-level--ok", "state-ok", "honest")
            };
            let hours = (share * model.hours as f64).round() as i64;
            view! {
                {format!("{} of {} hours ({}) ", format::count(hours), format::count(model.hours as i64), format::percent(share))}
                <span class=class>{state_icon(shell, shape)}{word}</span>
            }
            .into_any()
        }
    };
    let better = match (model.compared, model.naive) {
        (Some(own), Some(naive)) if naive > 0.0 && own < naive => format!(
            "{}: in the same hours the model missed by {}, better by {}",
            format::percent(naive),
            format::percent(own),
            format::percent(1.0 - own / naive)
        ),
        (_, Some(naive)) => format!("{}: the model is not better", format::percent(naive)),
        (_, None) => "not known: less than a week to compare".to_owned(),
    };
    let weak = if model.weak.is_empty() { "none".to_owned() } else { model.weak.join("; ") };
    view! {
        <section class="hr-card" aria-labelledby="accuracy-title">
            <div class="hr-card__head">
                <h2 id="accuracy-title">"How good has it been?"</h2>
                <span class="hr-card__sub">"an hour ahead, last two weeks"</span>
            </div>
            <dl class="hr-facts">
                {fact("Typical miss (WAPE)", percent(model.wape, "no hour was judged yet"))}
                {fact("Worst day", model.worst.clone().unwrap_or_else(|| "not known yet".to_owned()).into_any())}
                {fact("80 % range held", held)}
                {fact("Below P95", percent(model.coverage_95, "no hour was judged yet"))}
                {fact("Naive, “same as last week”", better.into_any())}
                {fact("Known weak spots", weak.into_any())}
            </dl>
            {model.replayed.as_ref().map(|text| view! { <p class="hr-card__foot">{text.clone()}</p> })}
        </section>
    }
    .into_any()
}

fn plan(shell: &ShellModel, model: &ForecastModel, plan: &PlanBox) -> AnyView {
    let own = path(&model.pool.slug);
    let steps = if plan.steps.is_empty() {
        view! { <p>"Nothing is to be changed in the week ahead."</p> }.into_any()
    } else {
        let can_apply = plan.can_apply && model.may_change;
        let rows = plan.steps.iter().map(|step| step_row(shell, &own, plan, step, can_apply)).collect_view();
        let act = can_apply.then(|| view! { <th scope="col"><span class="hr-vh">"Act"</span></th> });
        view! {
            <div class="hr-scroll">
                <table class="hr-table hr-table--cards">
                    <caption class="hr-vh">"Recommended steps of capacity in the week ahead"</caption>
                    <thead><tr>
                        <th scope="col">"When"</th>
                        <th scope="col" class="hr-num">"Slots"</th>
                        <th scope="col">"Why"</th>
                        <th scope="col" class="hr-num">"Cost"</th>
                        <th scope="col" class="hr-num">"Risk"</th>
                        {act}
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let ignored = plan.ignored.as_ref().map(|text| strip(shell, Tone::Info, text.clone().into_any()));
    let ignore = (model.may_change && !plan.steps.is_empty()).then(|| ignore_form(shell, &own, plan));
    view! {
        <section class="hr-card" aria-labelledby="plan-title">
            <div class="hr-card__head">
                <h2 id="plan-title">"Recommended schedule"</h2>
                <span class="hr-card__sub">{format!("mode: {}", plan.mode)}</span>
            </div>
            {ignored}
            <p>{plan.why.clone()}</p>
            {plan.breach.as_ref().map(|text| strip(shell, Tone::Warn, text.clone().into_any()))}
            {steps}
            <p class="hr-card__foot">{plan.expected.clone()}</p>
            {ignore}
        </section>
    }
    .into_any()
}

fn step_row(shell: &ShellModel, own: &str, plan: &PlanBox, step: &StepRow, can_apply: bool) -> AnyView {
    let when = day_time_text(shell, step.at_ms);
    let there = format!("there {}", format::hour_minute(shell.zone.local(step.effective_ms)));
    let late = step.late.then(|| {
        view! { <span class="hr-level hr-level--warn">{state_icon(shell, "state-warn")}"late"</span> }
    });
    let class = if plan.apply_is_primary { "hr-btn hr-btn--primary" } else { "hr-btn" };
    let act = can_apply.then(|| {
        view! {
            <td>
                <a class=class href=format!("{own}/apply?at={}&slots={}", step.at_ms, step.to)
                    aria-label=format!("Apply… {} slots from {when}", format::count(step.to))>"Apply…"</a>
            </td>
        }
    });
    view! {
        <tr>
            <th scope="row">{when.clone()}<small class="hr-forecast__there">{there}</small>{late}</th>
            <td class="hr-num" data-label="Slots">{format!("{} → {}", format::count(step.from), format::count(step.to))}</td>
            <td data-label="Why">{step.why.clone()}</td>
            <td class="hr-num" data-label="Cost">{step.cost.clone().unwrap_or_else(|| format::UNKNOWN.to_owned())}</td>
            <td class="hr-num" data-label="Risk">{percent(step.risk, "nothing is foreseen for these hours")}</td>
            {act}
        </tr>
    }
    .into_any()
}

const UNTIL: Ask = Ask::new("until", "Ignore until", "A day and time such as 2026-12-01T09:00.");
const REASON: Ask = Ask::new("reason", "Reason", "Why these recommendations are not followed.");

fn ignore_form(shell: &ShellModel, own: &str, plan: &PlanBox) -> AnyView {
    let is_open = plan.ignore_until.error.is_some() || plan.ignore_why.error.is_some();
    view! {
        <details class="hr-forecast__ignore" open=is_open>
            <summary>"Ignore until…"</summary>
            <form class="hr-form" method="post" action=format!("{own}/ignore") novalidate=true>
                {csrf(shell)}
                <input type="hidden" name="version" value=plan.version.clone()/>
                <div class="hr-form__row">
                    {input(shell, UNTIL, &plan.ignore_until, None)}
                    {input(shell, REASON, &plan.ignore_why, None)}
                </div>
                <div class="hr-form__foot"><button class="hr-btn" type="submit">"Ignore"</button></div>
            </form>
        </details>
    }
    .into_any()
}

const LEVEL: Ask = Ask::new("level", "Safety", "");
const GROWTH: Ask = Ask::new("growth", "Growth, %", "Demand grows by so much at once.").takes(Mode::Whole);
const CHANGE: Ask = Ask::new("change", "Smallest change", "Slots.").takes(Mode::Whole);
const COOLDOWN: Ask =
    Ask::new("cooldown", "Cooldown", "Minutes between a change and the next that shrinks.").takes(Mode::Whole);

fn what_if(shell: &ShellModel, own: &str, model: &WhatIfBox) -> AnyView {
    let levels = LEVELS.map(|(value, words)| (value, words.to_owned()));
    let rows = model
        .result
        .iter()
        .map(|(name, cost, risk, steps)| {
            view! {
                <tr>
                    <th scope="row">{name.clone()}</th>
                    <td class="hr-num" data-label="Cost, next 7 days">{cost.clone()}</td>
                    <td class="hr-num" data-label="Hours short">{risk.clone()}</td>
                    <td class="hr-num" data-label="Changes">{steps.clone()}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="hr-card" aria-labelledby="whatif-title">
            <div class="hr-card__head"><h2 id="whatif-title">"What if"</h2><span class="hr-card__sub">"by the forecast, in the week ahead"</span></div>
            <form class="hr-form" method="get" action=own.to_owned() novalidate=true>
                <div class="hr-form__row hr-forecast__ask">
                    {choice(shell, LEVEL, &model.level, &levels)}
                    {input(shell, GROWTH, &model.growth, None)}
                    {input(shell, CHANGE, &model.change, None)}
                    {input(shell, COOLDOWN, &model.cooldown, None)}
                </div>
                <div class="hr-form__foot"><button class="hr-btn" type="submit">"Try"</button></div>
            </form>
            <div class="hr-scroll">
                <table class="hr-table hr-table--cards">
                    <caption class="hr-vh">"Cost and risk of the plan"</caption>
                    <thead><tr>
                        <th scope="col">"Plan"</th>
                        <th scope="col" class="hr-num">"Cost, next 7 days"</th>
                        <th scope="col" class="hr-num">"Hours short"</th>
                        <th scope="col" class="hr-num">"Changes"</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
    .into_any()
}

fn ledger(shell: &ShellModel, model: &LedgerBox) -> AnyView {
    let body = if model.totals.is_empty() {
        empty(shell, "No whole day was settled yet.", None)
    } else {
        let rows = model
            .totals
            .iter()
            .map(|row| {
                view! {
                    <tr>
                        <th scope="row">{row.name}</th>
                        <td class="hr-num" data-label="Slot-hours">{row.slot_hours.clone()}</td>
                        <td class="hr-num" data-label="Against following at 75 %">{row.beside.clone()}</td>
                        <td class="hr-num" data-label="Minutes short">{row.violations.clone()}</td>
                        <td class="hr-num" data-label="Not met">{row.unmet.clone()}</td>
                    </tr>
                }
            })
            .collect_view();
        view! {
            <p>{model.says.clone()}</p>
            <div class="hr-scroll">
                <table class="hr-table hr-table--cards">
                    <caption class="hr-vh">"What was provided, in fact and by rules, on the same minutes"</caption>
                    <thead><tr>
                        <th scope="col">"Rule"</th>
                        <th scope="col" class="hr-num">"Slot-hours"</th>
                        <th scope="col" class="hr-num">"Against following at 75 %"</th>
                        <th scope="col" class="hr-num">"Minutes short"</th>
                        <th scope="col" class="hr-num">"Not met"</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            {csv(shell, &model.csv_href)}
        }
        .into_any()
    };
    view! {
        <section class="hr-card" aria-labelledby="ledger-title">
            <div class="hr-card__head">
                <h2 id="ledger-title">"What it saves"</h2>
                <span class="hr-card__sub">{format!("last {} settled days", model.days)}</span>
            </div>
            {body}
        </section>
    }
    .into_any()
}

const DAY: Ask = Ask::new("day", "Day", "Such as 2026-11-20; forecasts are kept for two months.");

fn past(shell: &ShellModel, own: &str, model: &PastBox) -> AnyView {
    view! {
        <div class="hr-forecast__past">
            <div class="hr-card">
                <div class="hr-card__head"><h2 id="past-title">"Forecast beside what came"</h2></div>
                <form class="hr-form" method="get" action=own.to_owned() novalidate=true>
                    <div class="hr-form__row">{input(shell, DAY, &model.day, None)}</div>
                    <div class="hr-form__foot"><button class="hr-btn" type="submit">"Show the day"</button></div>
                </form>
                <p>{model.says.clone()}</p>
            </div>
            {model.chart.as_ref().map(|chart| chart_card(shell, chart))}
        </div>
    }
    .into_any()
}

fn decisions(shell: &ShellModel, model: &DecisionsBox) -> AnyView {
    let body = if model.rows.is_empty() {
        let text = if model.newest.is_some() { "Nothing was decided before." } else { "Nothing was decided yet." };
        empty(shell, text, None)
    } else {
        let rows = model
            .rows
            .iter()
            .map(|row| {
                view! {
                    <tr>
                        <th scope="row" class="hr-nowrap">{day_time_text(shell, row.at_ms)}</th>
                        <td class="hr-num" data-label="Slots">{row.change.clone()}</td>
                        <td data-label="Why">{row.why.clone()}<small class="hr-forecast__there">{row.inputs.clone()}</small></td>
                        <td data-label="Outcome">{row.outcome.clone()}</td>
                    </tr>
                }
            })
            .collect_view();
        view! {
            <div class="hr-scroll">
                <table class="hr-table hr-table--cards">
                    <caption class="hr-vh">"Decisions about capacity, newest first"</caption>
                    <thead><tr>
                        <th scope="col">"When"</th>
                        <th scope="col" class="hr-num">"Slots"</th>
                        <th scope="col">"Why, from what"</th>
                        <th scope="col">"Outcome"</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let newest = model.newest.as_ref().map(|href| view! { <a class="hr-btn" href=href.clone()>"Newest"</a> });
    let older = model.older.as_ref().map(|href| view! { <a class="hr-btn" href=href.clone()>"Older decisions"</a> });
    view! {
        <section class="hr-card" id="decisions" aria-labelledby="decisions-title">
            <div class="hr-card__head">
                <h2 id="decisions-title">"Decisions"</h2>
                <span class="hr-card__sub">"in shadow, recommended, applied and refused; kept for 400 days"</span>
            </div>
            {body}
            <div class="hr-form__foot">{newest}{older}{csv(shell, &model.csv_href)}</div>
        </section>
    }
    .into_any()
}
