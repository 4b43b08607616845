//! Error budgets: how much is left of what is promised, and which pools are ready to be watched.

use headroom_domain::alert::facts::times;
use headroom_domain::format;
use leptos::prelude::*;

use crate::components::alert_nav::alert_nav;
use crate::components::chart::chart_card;
use crate::components::field::csrf;
use crate::components::icon::state_icon;
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, empty, strip};
use crate::components::table::csv;
use crate::components::value::times_in;
use crate::model::{Link, Named, ReadyRow, ShellModel, SloDetail, SloRow, SlosModel};

/// Less than this is left: look at it.
const LITTLE: f64 = 0.25;

/// `/slos`
pub fn slos(shell: &ShellModel, model: &SlosModel) -> AnyView {
    let (heading, crumbs) = match &model.detail {
        Some((pool, _)) => {
            let crumbs = vec![
                Link { href: "/slos".into(), label: "SLOs".into() },
                Link { href: format!("/pools/{}", pool.slug), label: pool.name.clone() },
            ];
            (format!("Error budgets of {}", pool.name), crumbs)
        }
        None => ("Error budgets".to_owned(), Vec::new()),
    };
    let frame = Frame {
        section: model.detail.as_ref().map(|_| "SLOs"),
        sub: Some(
            format!("What is promised over 30 days, and how much may still go wrong. {}", times_in(shell)).into_any(),
        ),
        crumbs,
        ..Frame::data(heading)
    };
    let budgets = match &model.detail {
        Some((_, budgets)) => detail(shell, model, budgets),
        None => table(shell, model),
    };
    let content = view! {
        {alert_nav(shell, "/slos")}
        {model.error.as_ref().map(|error| strip(shell, Tone::Critical, format!("This was not saved: {error}").into_any()))}
        {budgets}
        {readiness(shell, model)}
    };
    document(shell, frame, content.into_any())
}

/// How much is left, as shape, word and number.
fn left(shell: &ShellModel, row: &SloRow) -> AnyView {
    let Some(left) = row.left else {
        return view! { <span class="hr-level hr-level--unknown">{state_icon(shell, "state-unknown")}"Nothing counted"</span> }
            .into_any();
    };
    let (class, shape) = if left <= 0.0 {
        ("hr-level hr-level--crit", "state-crit")
    } else if left < LITTLE {
        ("hr-level hr-level--warn", "state-warn")
    } else {
        ("hr-level hr-level--ok", "state-ok")
    };
    let text = if left <= 0.0 { "Used up".to_owned() } else { format!("{} left", format::percent(left)) };
    view! { <span class=class>{state_icon(shell, shape)}{text}</span> }.into_any()
}

/// What is left as a bar; the words stand beside it.
fn bar(row: &SloRow) -> AnyView {
    let Some(left) = row.left else {
        return view! { <span class="hr-left hr-left--none" aria-hidden="true"></span> }.into_any();
    };
    let shown = left.clamp(0.0, 1.0);
    let class = if left <= 0.0 {
        "hr-left hr-left--crit"
    } else if left < LITTLE {
        "hr-left hr-left--warn"
    } else {
        "hr-left"
    };
    view! { <span class=class aria-hidden="true" style=format!("--v:{shown:.4}")><span></span></span> }.into_any()
}

fn burn(value: Option<f64>) -> String {
    value.map_or_else(|| format::UNKNOWN.to_owned(), |burn| format!("{}×", times(burn)))
}

fn table(shell: &ShellModel, model: &SlosModel) -> AnyView {
    if model.rows.is_empty() {
        return empty(shell, "No error budget was used: nothing was counted in the last 30 days.", None);
    }
    let rows = model
        .rows
        .iter()
        .map(|row| {
            let href = shell.url.replace("/slos", &[("pool", &row.pool.slug)]);
            view! {
                <tr>
                    <th scope="row" class="hr-table__name">
                        <span><a href=href>{row.pool.name.clone()}</a><small>{row.sli.name.clone()}</small></span>
                    </th>
                    <td data-label="Left" class="hr-wide-cell"><span class="hr-leftline">{bar(row)}{left(shell, row)}</span></td>
                    <td data-label="Promised" class="hr-num">{row.objective.clone()}</td>
                    <td data-label="Burn now" class="hr-num">{burn(row.burn_1h)}</td>
                    <td class="hr-wide-cell">{row.says.clone()}</td>
                </tr>
            }
        })
        .collect_view();
    let shown = model.rows.len() as i64;
    let mut caption = if shown < model.total {
        format!("{} of {} budgets, those with least left first", format::count(shown), format::count(model.total))
    } else {
        format!("{} budgets, those with least left first", format::count(shown))
    };
    if model.idle > 0 {
        caption.push_str(&format!("; {} without anything counted are left out", format::count(model.idle)));
    }
    view! {
        <section class="hr-card hr-card--flush" aria-label="Error budgets">
            <div class="hr-scroll">
                <table class="hr-table hr-table--cards">
                    <caption class="hr-table__caption">{caption}</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Pool and indicator"</th>
                            <th scope="col">"Left of 30 days"</th>
                            <th scope="col" class="hr-num">"Promised"</th>
                            <th scope="col" class="hr-num">"Burn now (1 h)"</th>
                            <th scope="col">"In words"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            <div class="hr-pager"><span></span><span class="hr-pager__links">{csv(shell, &model.csv_href)}</span></div>
        </section>
    }
    .into_any()
}

fn detail(shell: &ShellModel, model: &SlosModel, budgets: &[SloDetail]) -> AnyView {
    if budgets.is_empty() {
        return empty(shell, "Nothing of this pool was counted yet.", None);
    }
    budgets.iter().map(|budget| one(shell, model, budget)).collect_view().into_any()
}

fn one(shell: &ShellModel, model: &SlosModel, budget: &SloDetail) -> AnyView {
    let row = &budget.row;
    let heading = format!("{}-budget", row.sli.slug);
    view! {
        <section class="hr-card" aria-labelledby=heading.clone()>
            <div class="hr-card__head">
                <h2 id=heading.clone()>{row.sli.name.clone()}</h2>
                <span class="hr-card__sub">{format!("Promised: {} ({})", row.objective, budget.set_for)}</span>
            </div>
            <p class="hr-leftline">{bar(row)}{left(shell, row)}</p>
            <p><strong>{row.says.clone()}</strong></p>
            <p class="hr-muted">{budget.counted.clone()}</p>
            {burn_strip(shell, budget)}
            {model.writes.then(|| objective(shell, budget))}
        </section>
        {budget.chart.as_ref().map(|chart| chart_card(shell, chart))}
    }
    .into_any()
}

/// The largest burn that a bar shows in full; a faster one fills it.
const FULL_BURN: f64 = 10.0;

/// How fast the budget was used over four windows: a bar each against the pace that is allowed and the mark of a rule.
fn burn_strip(shell: &ShellModel, budget: &SloDetail) -> AnyView {
    let place = |burn: f64| (burn / FULL_BURN).clamp(0.0, 1.0);
    let items = budget
        .burns
        .iter()
        .map(|one| {
            let is_told = one.burn.zip(one.mark).is_some_and(|(burn, (_, over))| burn > over);
            let (class, shape) = match one.burn {
                None => ("hr-level hr-level--unknown", "state-unknown"),
                Some(_) if is_told && one.mark.is_some_and(|(is_page, _)| is_page) => {
                    ("hr-level hr-level--crit", "state-crit")
                }
                Some(burn) if burn > 1.0 => ("hr-level hr-level--warn", "state-warn"),
                Some(_) => ("hr-level hr-level--ok", "state-ok"),
            };
            let bar_class = match shape {
                "state-crit" => "hr-burn__bar hr-burn__bar--crit",
                "state-warn" => "hr-burn__bar hr-burn__bar--warn",
                _ => "hr-burn__bar",
            };
            let told = match one.mark {
                Some((true, over)) => format!("page above {}×", times(over)),
                Some((false, over)) => format!("ticket above {}×", times(over)),
                None => "no rule".to_owned(),
            };
            let mark = one.mark.map(|(_, over)| {
                view! { <span class="hr-burn__mark" style=format!("--at:{:.4}", place(over))></span> }
            });
            let value = place(one.burn.unwrap_or_default());
            view! {
                <li>
                    <span class="hr-burn__window">{one.window.clone()}</span>
                    <span class=bar_class aria-hidden="true">
                        <span class="hr-burn__value" style=format!("--v:{value:.4}")></span>
                        <span class="hr-burn__one" style=format!("--at:{:.4}", place(1.0))></span>
                        {mark}
                    </span>
                    <span class=class>{state_icon(shell, shape)}{burn(one.burn)}</span>
                    <small class="hr-muted">{told}</small>
                </li>
            }
        })
        .collect_view();
    view! {
        <h3 class="hr-burn__title">"How fast it is used"<small class="hr-muted">" 1× lasts exactly 30 days: the thin mark; the thick one is a rule’s"</small></h3>
        <ul class="hr-burn">{items}</ul>
    }
    .into_any()
}

fn objective(shell: &ShellModel, budget: &SloDetail) -> AnyView {
    let id = format!("{}-objective", budget.row.sli.slug);
    let (help, wrong) = (format!("{id}-help"), format!("{id}-error"));
    let invalid = budget.budget.error.is_some();
    let error = budget.budget.error.as_ref().map(|error| {
        view! { <p class="hr-field__error" id=wrong.clone()>{state_icon(shell, "state-crit")}{error.clone()}</p> }
    });
    let described = if invalid { format!("{wrong} {help}") } else { help.clone() };
    let is_leak = budget.row.sli.slug == "leak";
    let text = if is_leak {
        "Leaks per slot and hour, such as 1/1000. Empty: what holds for all pools."
    } else {
        "An objective such as 99.99 %, or the part that may be bad such as 1/10000. Empty: what holds for all pools."
    };
    view! {
        <details class="hr-more" open=invalid>
            <summary>"Change the objective"</summary>
            <form class="hr-form" method="post" action="/slos/objective">
                {csrf(shell)}
                <input type="hidden" name="pool" value=budget.row.pool.slug.clone()/>
                <input type="hidden" name="sli" value=budget.row.sli.slug.clone()/>
                <input type="hidden" name="version" value=budget.version/>
                <div class="hr-field">
                    <label for=id.clone()>"Objective"</label>
                    <input
                        class="hr-input hr-input--code"
                        type="text"
                        id=id.clone()
                        name="budget"
                        value=budget.budget.value.clone()
                        autocomplete="off"
                        aria-invalid=invalid.then_some("true")
                        aria-describedby=described
                    />
                    <p class="hr-field__help" id=help.clone()>{text}</p>
                    {error}
                </div>
                <div class="hr-form__foot"><button class="hr-btn" type="submit">"Save objective"</button></div>
            </form>
        </details>
    }
    .into_any()
}

fn pool_link(shell: &ShellModel, pool: &Named) -> AnyView {
    view! { <a href=shell.url.link(&format!("/pools/{}", pool.slug))>{pool.name.clone()}</a> }.into_any()
}

fn readiness(shell: &ShellModel, model: &SlosModel) -> AnyView {
    if model.ready.is_empty() {
        return view! { <span></span> }.into_any();
    }
    let rows = model.ready.iter().map(|row| ready_row(shell, row)).collect_view();
    let all = format!("{} of {} pools have all of it", format::count(model.ready_pools), format::count(model.pools));
    let shown = model.ready.len() as i64;
    let part = (shown < model.pools).then(|| format!("; the {} with most missing are shown", format::count(shown)));
    view! {
        <section class="hr-card" id="readiness" aria-labelledby="readiness-title">
            <div class="hr-card__head">
                <h2 id="readiness-title">"Ready to be watched?"</h2>
                <span class="hr-card__sub">{all}{part}</span>
            </div>
            <ul class="hr-ready">{rows}</ul>
        </section>
    }
    .into_any()
}

fn ready_row(shell: &ShellModel, row: &ReadyRow) -> AnyView {
    let checks = row
        .checks
        .iter()
        .map(|check| {
            let (class, shape, word) = if check.is_done {
                ("hr-level hr-level--ok", "state-ok", "there")
            } else {
                ("hr-level hr-level--warn", "state-warn", "missing")
            };
            let says = if check.is_done {
                view! { <span class="hr-muted hr-wraps">{check.says.clone()}</span> }.into_any()
            } else {
                view! { <a class="hr-wraps" href=check.href.clone()>{check.says.clone()}</a> }.into_any()
            };
            view! {
                <li>
                    <span class=class>{state_icon(shell, shape)}{check.label.clone()}</span>
                    <span class="hr-vh">{format!(": {word}. ")}</span>
                    {says}
                </li>
            }
        })
        .collect_view();
    let missing = row.checks.iter().filter(|check| !check.is_done).count();
    let summary = match missing {
        0 => "nothing is missing".to_owned(),
        1 => "1 is missing".to_owned(),
        several => format!("{several} are missing"),
    };
    view! {
        <li>
            <h3>{pool_link(shell, &row.pool)}<span class="hr-muted">{format!(": {summary}")}</span></h3>
            <ul class="hr-ready__checks">{checks}</ul>
        </li>
    }
    .into_any()
}
