//! Rules: what fires when, and the form that checks a rule and tries it on history before it is saved.

use headroom_domain::format;
use leptos::prelude::*;

use crate::components::alert_nav::alert_nav;
use crate::components::field::{Ask, Mode, check, choice, csrf, datalist, error_summary, input, lines};
use crate::components::icon::state_icon;
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, button_link, empty, strip};
use crate::components::value::{day_time, times_in};
use crate::model::{
    Field, LimitForm, Link, RuleModel, RuleRow, RulesModel, ShellModel, TierForm, TriedModel, TriedRow,
};

const SLUG: Ask =
    Ask::new("slug", "Identifier", "In its address: a-z, 0-9 and hyphens, for example queue-burn.").takes(Mode::Code);
const NAME: Ask = Ask::new("name", "Name", "As the alert is called on boards and in messages.");
const MODE: Ask = Ask::new("mode", "Mode", "A rule that is tried fires like the others, and nobody is told.");
const OWNER: Ask =
    Ask::new("owner", "Owner", "The team that answers for it, for example platform. A rule that pages must have one.")
        .optional();
const RUNBOOK: Ask = Ask::new(
    "runbook",
    "Runbook",
    "Such as /runbooks/pool-exhausted, or an address with https. A rule that pages must have one.",
)
.optional()
.takes(Mode::Code);
const POOLS: Ask =
    Ask::new("pools", "Only these pools", "One identifier a line, for example ingress-eu; empty is all.")
        .optional()
        .takes(Mode::Code);
const SLI: Ask = Ask::new("sli", "Indicator", "Whose error budget is watched.");
const TENANTS: Ask =
    Ask::new("tenants", "Judge tenants apart, too", "Those with 500 things or more in the long window.");
const CRITICAL: Ask = Ask::new(
    "critical",
    "Critical above",
    "A page of a burn faster than this in the first page tier is critical, for example 14.4; empty: none is.",
)
.optional()
.takes(Mode::Decimal);
const FOR: Ask =
    Ask::new("for", "Holds for", "So long before it fires, for example 2m; 0s: at once.").takes(Mode::Code);
const RESOLVE: Ask =
    Ask::new("resolve_after", "Over after", "It has not held for so long, for example 2m.").takes(Mode::Code);
const IDLE: Ask =
    Ask::new("idle_after", "Over when idle for", "There was nothing to judge for so long, for example 30m.")
        .takes(Mode::Code);

/// What the windows of a tier are called, by place.
const PLACES: [&str; 3] = ["Long", "Short", "Now"];

fn path(slug: &str) -> String {
    format!("/rules/{slug}")
}

fn mode(shell: &ShellModel, mode: &str) -> AnyView {
    let (class, shape, word) = match mode {
        "live" => ("hr-level hr-level--ok", "state-ok", "Live"),
        "dry-run" => ("hr-level hr-level--warn", "state-info", "Tried: nobody is told"),
        _ => ("hr-level hr-level--unknown", "state-unknown", "Off"),
    };
    view! { <span class=class>{state_icon(shell, shape)}{word}</span> }.into_any()
}

/// `/rules`
pub fn rules(shell: &ShellModel, model: &RulesModel) -> AnyView {
    let new =
        model.writes.then(|| button_link(shell, "hr-btn hr-btn--primary", "plus", "New rule", "/rules/new".to_owned()));
    let frame = Frame {
        sub: Some("What fires when, who answers for it, and what to do.".into_any()),
        actions: new.into_iter().collect(),
        ..Frame::plain("Rules")
    };
    let content = view! {
        {alert_nav(shell, "/rules")}
        {group(shell, "pages", "Pages: somebody is woken", &model.pages)}
        {group(shell, "tickets", "Tickets: work for the day", &model.tickets)}
    };
    document(shell, frame, content.into_any())
}

fn group(shell: &ShellModel, id: &'static str, title: &'static str, rows: &[RuleRow]) -> AnyView {
    let heading = format!("{id}-title");
    if rows.is_empty() {
        return view! {
            <section class="hr-card" aria-labelledby=heading.clone()>
                <div class="hr-card__head"><h2 id=heading.clone()>{title}</h2></div>
                {empty(shell, "No rules here.", None)}
            </section>
        }
        .into_any();
    }
    let lines = rows.iter().map(|row| line(shell, row)).collect_view();
    view! {
        <section class="hr-card hr-card--flush" aria-labelledby=heading.clone()>
            <div class="hr-card__head"><h2 id=heading.clone()>{title}</h2></div>
            <div class="hr-scroll">
                <table class="hr-table hr-table--cards">
                    <thead>
                        <tr>
                            <th scope="col">"Rule"</th>
                            <th scope="col">"Mode"</th>
                            <th scope="col" class="hr-num">"Fires now"</th>
                            <th scope="col">"Owner"</th>
                            <th scope="col">"Runbook"</th>
                        </tr>
                    </thead>
                    <tbody>{lines}</tbody>
                </table>
            </div>
        </section>
    }
    .into_any()
}

fn line(shell: &ShellModel, row: &RuleRow) -> AnyView {
    let pools = match row.pools.len() {
        0 => None,
        1 => Some(format!("Only {}", row.pools[0])),
        several => Some(format!("Only {several} pools")),
    };
    let firing = if row.firing == 0 {
        "0".into_any()
    } else {
        let href = format!("/alerts?rule={}", row.slug);
        view! { <a href=href><strong>{format::count(row.firing)}</strong></a> }.into_any()
    };
    view! {
        <tr>
            <th scope="row" class="hr-table__name">
                <span>
                    <a href=path(&row.slug)>{row.name.clone()}</a>
                    <code class="hr-small hr-query">{row.query.clone()}</code>
                    {pools.map(|text| view! { <span class="hr-small">{text}</span> })}
                </span>
            </th>
            <td data-label="Mode">{mode(shell, &row.mode)}</td>
            <td data-label="Fires now" class="hr-num">{firing}</td>
            <td data-label="Owner">{missing(&row.owner, "Nobody")}</td>
            <td data-label="Runbook">{runbook(&row.runbook)}</td>
        </tr>
    }
    .into_any()
}

fn missing(text: &str, otherwise: &'static str) -> AnyView {
    if text.is_empty() {
        view! { <span class="hr-muted">{otherwise}</span> }.into_any()
    } else {
        text.to_owned().into_any()
    }
}

fn runbook(address: &str) -> AnyView {
    if address.is_empty() {
        return missing("", "None");
    }
    let text = address.strip_prefix("/runbooks/").unwrap_or(address).to_owned();
    view! { <a class="hr-wraps" href=address.to_owned()>{text}</a> }.into_any()
}

/// `/rules/{slug}` and `/rules/new`
pub fn rule(shell: &ShellModel, model: &RuleModel) -> AnyView {
    let heading = model.subject.as_ref().map_or_else(|| "New rule".to_owned(), |subject| subject.name.clone());
    let frame = Frame {
        section: Some("Rules"),
        sub: (!model.query.is_empty())
            .then(|| view! { <code class="hr-query">{model.query.clone()}</code> }.into_any()),
        crumbs: vec![Link { href: "/rules".into(), label: "Rules".into() }],
        ..Frame::plain(heading)
    };
    let sli = model.sli.as_ref().map(|(field, _)| field.clone()).unwrap_or_default();
    let mut errors: Vec<(&'static str, &'static str, &Field)> = vec![
        (NAME.id, NAME.label, &model.name),
        (MODE.id, MODE.label, &model.mode),
        (OWNER.id, OWNER.label, &model.owner),
        (RUNBOOK.id, RUNBOOK.label, &model.runbook),
        (POOLS.id, POOLS.label, &model.pools),
        (SLI.id, SLI.label, &sli),
        (CRITICAL.id, CRITICAL.label, &model.critical),
        (FOR.id, FOR.label, &model.for_ms),
        (RESOLVE.id, RESOLVE.label, &model.resolve_after),
        (IDLE.id, IDLE.label, &model.idle_after),
    ];
    if model.subject.is_none() {
        errors.insert(0, (SLUG.id, SLUG.label, &model.slug));
    }
    let in_windows = tier_fields(&model.tiers).filter(|field| field.error.is_some()).count();
    let windows = Field {
        value: String::new(),
        error: (in_windows > 0).then(|| {
            if in_windows == 1 {
                "1 field needs attention.".into()
            } else {
                format!("{in_windows} fields need attention.")
            }
        }),
    };
    errors.push(("windows", "Windows", &windows));
    let limits: Vec<Field> = model.limits.iter().map(|limit| limit.field.clone()).collect();
    for limit in &limits {
        errors.push(("limits", "Limits", limit));
    }
    let checked = model.checked.as_ref().map(|text| strip(shell, Tone::Ok, text.clone().into_any()));
    let firing = (model.firing > 0).then(|| {
        let href = model.subject.as_ref().map(|subject| format!("/alerts?rule={}", subject.slug)).unwrap_or_default();
        let text = format!("{} fire now", format::count(model.firing));
        strip(shell, Tone::Warn, view! { <a href=href>{text}</a> }.into_any())
    });
    let content = view! {
        {alert_nav(shell, "/rules")}
        {error_summary(shell, model.error.as_deref(), &errors)}
        {checked}
        {firing}
        {model.tried.as_ref().map(|tried| tried_card(shell, tried))}
        {form(shell, model)}
        {delete(shell, model)}
    };
    document(shell, frame, content.into_any())
}

fn tier_fields(tiers: &[TierForm]) -> impl Iterator<Item = &Field> {
    tiers.iter().flat_map(|tier| {
        let windows = tier.windows.iter().flat_map(|window| [&window.window, &window.over, &window.least]);
        [&tier.name, &tier.lane].into_iter().chain(windows)
    })
}

fn form(shell: &ShellModel, model: &RuleModel) -> AnyView {
    let action = model
        .subject
        .as_ref()
        .map_or_else(|| "/rules/new".to_owned(), |subject| format!("{}/edit", path(&subject.slug)));
    let modes = [
        ("live", "Live: people are told".to_owned()),
        ("dry-run", "Try: it fires, nobody is told".to_owned()),
        ("off", "Off".to_owned()),
    ];
    let buttons = model.writes.then(|| {
        let tries = model.sli.is_some().then(|| {
            view! { <button class="hr-btn" type="submit" name="do" value="try">"Try on history"</button> }
        });
        view! {
            <div class="hr-form__foot">
                <button class="hr-btn hr-btn--primary" type="submit" name="do" value="save">"Save"</button>
                <button class="hr-btn" type="submit" name="do" value="check">"Check"</button>
                {tries}
            </div>
        }
    });
    view! {
        <form class="hr-form hr-form--wide" method="post" action=action>
            {csrf(shell)}
            <input type="hidden" name="version" value=model.version.clone()/>
            // Whoever may only look sees the same fields, and cannot type.
            <fieldset class="hr-form__all" disabled=!model.writes>
                <legend class="hr-vh">"The rule"</legend>
                <fieldset class="hr-form__group hr-card">
                    <legend class="hr-form__legend">"Who and how"</legend>
                    {model.subject.is_none().then(|| input(shell, SLUG, &model.slug, None))}
                    {input(shell, NAME, &model.name, None)}
                    {choice(shell, MODE, &model.mode, &modes)}
                    <div class="hr-form__row">
                        {input(shell, OWNER, &model.owner, Some("owners"))}
                        {input(shell, RUNBOOK, &model.runbook, Some("runbooks"))}
                    </div>
                    {lines(shell, POOLS, &model.pools, 2)}
                </fieldset>
                {subject(shell, model)}
                <fieldset class="hr-form__group hr-card">
                    <legend class="hr-form__legend">"Times"</legend>
                    <div class="hr-form__row">
                        {input(shell, FOR, &model.for_ms, None)}
                        {input(shell, RESOLVE, &model.resolve_after, None)}
                        {input(shell, IDLE, &model.idle_after, None)}
                    </div>
                </fieldset>
                {buttons}
            </fieldset>
            {datalist("owners", &model.known_owners)}
            {datalist("runbooks", &model.runbooks)}
        </form>
    }
    .into_any()
}

fn subject(shell: &ShellModel, model: &RuleModel) -> AnyView {
    if let Some((field, all)) = &model.sli {
        let options: Vec<(&str, String)> = all.iter().map(|(word, label)| (word.as_str(), label.clone())).collect();
        let indicator = if model.subject.is_some() {
            let label = options.iter().find(|(word, _)| *word == field.value).map(|(_, label)| label.clone());
            view! {
                <p>{format!("Watches the error budget of: {}.", label.unwrap_or_default())}</p>
                <input type="hidden" name="sli" value=field.value.clone()/>
            }
            .into_any()
        } else {
            choice(shell, SLI, field, &options)
        };
        return view! {
            <fieldset class="hr-form__group hr-card" id="windows" tabindex="-1">
                <legend class="hr-form__legend">"Windows"</legend>
                {indicator}
                <p class="hr-field__help">
                    "A tier holds while the budget burns faster than its factor in all of its windows. The short window ends an \
                     alert soon after the burn; the third one says that it still burns. An empty tier is none."
                </p>
                {model.tiers.iter().enumerate().map(|(at, tier)| tier_form(shell, at, tier)).collect_view()}
                <div class="hr-form__row">
                    {input(shell, CRITICAL, &model.critical, None)}
                    {check(TENANTS, model.tenants)}
                </div>
            </fieldset>
        }
        .into_any();
    }
    if model.limits.is_empty() {
        return view! { <p class="hr-muted">"This rule has no limits to set."</p> }.into_any();
    }
    view! {
        <fieldset class="hr-form__group hr-card" id="limits" tabindex="-1">
            <legend class="hr-form__legend">"Limits"</legend>
            {model.limits.iter().map(|limit| limit_form(shell, limit)).collect_view()}
        </fieldset>
    }
    .into_any()
}

/// A text field of which there are many: its name is also its id.
fn cell(shell: &ShellModel, name: String, label: String, field: &Field) -> AnyView {
    let wrong = format!("{name}-error");
    let error = field.error.as_ref().map(|error| {
        view! {
            <p class="hr-field__error" id=wrong.clone()>{state_icon(shell, "state-crit")}{error.clone()}</p>
        }
    });
    view! {
        <div class="hr-field">
            <label for=name.clone()>{label}</label>
            <input
                class="hr-input hr-input--code"
                type="text"
                id=name.clone()
                name=name.clone()
                value=field.value.clone()
                autocomplete="off"
                spellcheck="false"
                aria-invalid=field.error.is_some().then_some("true")
                aria-describedby=field.error.is_some().then(|| wrong.clone())
            />
            {error}
        </div>
    }
    .into_any()
}

fn tier_form(shell: &ShellModel, at: usize, tier: &TierForm) -> AnyView {
    let lane = format!("t{at}_lane");
    let chosen = |word: &str| tier.lane.value == word;
    let lane_error = tier.lane.error.as_ref().map(|error| {
        view! { <p class="hr-field__error">{state_icon(shell, "state-crit")}{error.clone()}</p> }
    });
    let windows = tier
        .windows
        .iter()
        .enumerate()
        .map(|(place, window)| {
            let called = PLACES.get(place).copied().unwrap_or("Window");
            view! {
                <div class="hr-tier__window">
                    {cell(shell, format!("t{at}_w{place}"), format!("{called} window"), &window.window)}
                    {cell(shell, format!("t{at}_k{place}"), "Burns faster than".to_owned(), &window.over)}
                    {cell(shell, format!("t{at}_b{place}"), "At least bad".to_owned(), &window.least)}
                </div>
            }
        })
        .collect_view();
    let legend =
        if tier.name.value.is_empty() { "One more tier".to_owned() } else { format!("Tier {}", tier.name.value) };
    view! {
        <fieldset class="hr-tier">
            <legend>{legend}</legend>
            <div class="hr-tier__window">
                {cell(shell, format!("t{at}_name"), "Name".to_owned(), &tier.name)}
                <div class="hr-field">
                    <label for=lane.clone()>"Lane"</label>
                    <select class="hr-input" id=lane.clone() name=lane.clone()>
                        <option value="ticket" selected=chosen("ticket")>"Ticket"</option>
                        <option value="page" selected=chosen("page")>"Page"</option>
                    </select>
                    {lane_error}
                </div>
            </div>
            {windows}
        </fieldset>
    }
    .into_any()
}

fn limit_form(shell: &ShellModel, limit: &LimitForm) -> AnyView {
    view! {
        <div>
            {cell(shell, format!("p_{}", limit.name), limit.label.clone(), &limit.field)}
            <p class="hr-field__help">{limit.help.clone()}</p>
        </div>
    }
    .into_any()
}

fn delete(shell: &ShellModel, model: &RuleModel) -> Option<AnyView> {
    let subject = model.subject.as_ref().filter(|_| model.writes && !model.built_in)?;
    Some(
        view! {
            <details class="hr-card">
                <summary>"Delete this rule"</summary>
                <p>"Alerts of it that fire end. Its history stays. This cannot be undone."</p>
                <form method="post" action=format!("{}/delete", path(&subject.slug))>
                    {csrf(shell)}
                    <button class="hr-btn hr-btn--danger" type="submit">{format!("Delete {}", subject.name)}</button>
                </form>
            </details>
        }
        .into_any(),
    )
}

fn tried_card(shell: &ShellModel, tried: &TriedModel) -> AnyView {
    let Some((from, to)) = tried.span else {
        return view! {
            <section class="hr-card" id="tried" aria-labelledby="tried-title">
                <div class="hr-card__head"><h2 id="tried-title">"On history"</h2></div>
                {empty(shell, "Nothing was counted yet that this rule could be tried on.", None)}
            </section>
        }
        .into_any();
    };
    let pools =
        |number: i64| if number == 1 { "1 pool".to_owned() } else { format!("{} pools", format::count(number)) };
    let of = if tried.looked_at < tried.pools {
        format!("{} of {}", tried.looked_at, pools(tried.pools))
    } else {
        pools(tried.looked_at)
    };
    let says = if tried.fires == 0 {
        format!("It would not have fired for {of}.")
    } else {
        let pages =
            if tried.pages == 1 { "1 page".to_owned() } else { format!("{} pages", format::count(tried.pages)) };
        let times = if tried.fires == 1 { "once".to_owned() } else { format!("{} times", format::count(tried.fires)) };
        format!("It would have fired {times} for {of}, with {pages}.")
    };
    let noisy = tried.rows.iter().filter(|row| row.noisy).count() as i64;
    let warning = (noisy > 0).then(|| {
        let text = format!(
            "For {} it would have fired for more than 20 % of the time: people learn to look away.",
            pools(noisy)
        );
        strip(shell, Tone::Warn, text.into_any())
    });
    let table = (!tried.rows.is_empty()).then(|| tried_table(shell, &tried.rows));
    view! {
        <section class="hr-card" id="tried" aria-labelledby="tried-title">
            <div class="hr-card__head">
                <h2 id="tried-title">"On history"</h2>
                <span class="hr-card__sub">
                    {day_time(shell, from)} " to " {day_time(shell, to)} {format!(" ({}), minute by minute. {}", format::duration(to - from), times_in(shell))}
                </span>
            </div>
            <p><strong>{says}</strong>" Nothing was saved."</p>
            {warning}
            {table}
        </section>
    }
    .into_any()
}

fn tried_table(shell: &ShellModel, rows: &[TriedRow]) -> AnyView {
    let when = |at: Option<i64>| at.map_or_else(|| "–".into_any(), |at| day_time(shell, at));
    let lines = rows
        .iter()
        .map(|row| {
            let share = format::percent(row.share);
            let share = if row.noisy {
                view! { <span class="hr-level hr-level--warn">{state_icon(shell, "state-warn")}{share}</span> }.into_any()
            } else {
                share.into_any()
            };
            view! {
                <tr>
                    <th scope="row" class="hr-table__name"><a href=format!("/pools/{}", row.pool.slug)>{row.pool.name.clone()}</a></th>
                    <td data-label="Fires" class="hr-num">{format::count(row.fires)}</td>
                    <td data-label="Pages" class="hr-num">{format::count(row.pages)}</td>
                    <td data-label="Firing for" class="hr-num">{format::duration(row.firing_ms)}</td>
                    <td data-label="Of the time" class="hr-num">{share}</td>
                    <td data-label="First">{when(row.first_ms)}</td>
                    <td data-label="Last">{when(row.last_ms)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="hr-scroll">
            <table class="hr-table hr-table--cards">
                <thead>
                    <tr>
                        <th scope="col">"Pool"</th>
                        <th scope="col" class="hr-num">"Fires"</th>
                        <th scope="col" class="hr-num">"Pages"</th>
                        <th scope="col" class="hr-num">"Firing for"</th>
                        <th scope="col" class="hr-num">"Of the time"</th>
                        <th scope="col">"First"</th>
                        <th scope="col">"Last"</th>
                    </tr>
                </thead>
                <tbody>{lines}</tbody>
            </table>
        </div>
    }
    .into_any()
}
