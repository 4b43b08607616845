//! Game days: what was broken on purpose, whether it was found and how soon, what is to follow; and the form to write one down.

use headroom_domain::format;
use headroom_domain::game_day::{Breakage, Score};
use leptos::prelude::*;

use crate::components::field::{Ask, Mode, csrf, error_summary, input, lines};
use crate::components::icon::state_icon;
use crate::components::shell::{Frame, document};
use crate::components::state::{button_link, empty};
use crate::components::value::{ago, times_in, unknown};
use crate::model::{GameDayFormModel, GameDayRow, GameDaysModel, Link, ShellModel};
use crate::url::encode;

const PATH: &str = "/game-days";

const HELD_ON: Ask = Ask::new("held_on", "Held on", "A day such as 2026-11-20.").takes(Mode::Code);
const TITLE: Ask = Ask::new("title", "Name", "For example: the store stops for a minute.");
const RUN_BY: Ask = Ask::new("run_by", "Run by", "People or a team; empty is you, or who it was before.").optional();
const POOLS: Ask = Ask::new("pools", "Pools", "Identifiers with commas in between; empty is none in particular.")
    .optional()
    .takes(Mode::Code);
const TRIED: Ask = Ask::new("tried", "What was tried", "What was broken on purpose, and what was expected.");
const BREAKAGES: Ask = Ask::new(
    "breakages",
    "Score",
    "One line for each thing that was broken: what, pool, seconds until it was found. For example F4, game-day, 1.4; in place of \
     the pool may stand all, in place of the seconds found or not found.",
)
.optional()
.takes(Mode::Code);
const FALSE: Ask =
    Ask::new("false_findings", "False findings", "What was found though nothing was broken; empty if nobody counted.")
        .optional()
        .takes(Mode::Whole);
const HAPPENED: Ask =
    Ask::new("happened", "What happened", "What was seen, by whom, and what went another way than expected.");
const FOLLOW_UPS: Ask = Ask::new("follow_ups", "What is to follow", "Who does what until when.").optional();

/// `/game-days`
pub fn game_days(shell: &ShellModel, model: &GameDaysModel) -> AnyView {
    let new = model
        .may_record
        .then(|| button_link(shell, "hr-btn hr-btn--primary", "plus", "New game day", format!("{PATH}/new")));
    let sub = view! {
        <span class="hr-dot">"What was broken on purpose, and whether it was found"</span>
        <span class="hr-dot">{times_in(shell)}</span>
    };
    let frame = Frame {
        section: Some("Reports"),
        sub: Some(sub.into_any()),
        crumbs: vec![Link { label: "Reports".into(), href: "/reports".into() }],
        actions: new.into_iter().collect(),
        ..Frame::plain("Game days")
    };
    let content = if model.rows.is_empty() {
        let text = if !model.is_first {
            "There are no older ones."
        } else if model.is_whole {
            "No game day was written down yet. headroom simulate breaks something on purpose, says what of it was found and how soon, \
             and with --keep writes it down here; the quarterly review lists those of its quarter."
        } else {
            "Game days are of all tenants and pools, of which you see some."
        };
        let action = model.may_record.then(|| Link { label: "New game day".into(), href: format!("{PATH}/new") });
        view! { <div class="hr-card">{empty(shell, text, action.as_ref())}</div> }.into_any()
    } else {
        let cards = model.rows.iter().map(|row| card(shell, row, model.may_record)).collect_view();
        let newest = (!model.is_first).then(|| view! { <a class="hr-btn" href=PATH>"Newest"</a> });
        let older = model.next.as_ref().map(|href| view! { <a class="hr-btn" href=href.clone()>"Older game days"</a> });
        let foot =
            (newest.is_some() || older.is_some()).then(|| view! { <div class="hr-form__foot">{newest}{older}</div> });
        view! { {cards}{foot} }.into_any()
    };
    document(shell, frame, content)
}

fn card(shell: &ShellModel, row: &GameDayRow, may_record: bool) -> AnyView {
    let heading = format!("game-day-{}", row.id);
    let edit = may_record.then(|| {
        let name = format!("Edit {}", row.title);
        view! { <a class="hr-btn hr-btn--small" href=format!("{PATH}/{}", row.id) aria-label=name>"Edit"</a> }
    });
    let pools = row.pools.iter().enumerate().map(|(at, slug)| {
        let before = (at > 0).then_some(", ");
        view! { {before}<a href=format!("/pools/{}", encode(slug))>{slug.clone()}</a> }
    });
    let pools =
        if row.pools.is_empty() { view! { "none in particular" }.into_any() } else { pools.collect_view().into_any() };
    let follows = (!row.follow_ups.is_empty())
        .then(|| view! { <div><dt>"To follow"</dt><dd class="hr-game-day__text">{row.follow_ups.clone()}</dd></div> });
    view! {
        <section class="hr-card hr-game-day" id=format!("day-{}", row.id) aria-labelledby=heading.clone()>
            <div class="hr-card__head">
                <h2 id=heading.clone()>{row.title.clone()}</h2>
                <span class="hr-card__tools">{edit}</span>
            </div>
            <dl class="hr-facts">
                <div><dt>"Held on"</dt><dd>{row.held_on.clone()}</dd></div>
                <div><dt>"Run by"</dt><dd>{row.run_by.clone()}</dd></div>
                <div><dt>"Pools"</dt><dd>{pools}</dd></div>
                <div><dt>"Found"</dt><dd>{score(shell, row)}</dd></div>
                <div><dt>"Tried"</dt><dd class="hr-game-day__text">{row.tried.clone()}</dd></div>
                <div><dt>"Happened"</dt><dd class="hr-game-day__text">{row.happened.clone()}</dd></div>
                {follows}
            </dl>
            {breakages(shell, row)}
            <p class="hr-muted">{format!("Written by {}, ", row.author)}{ago(shell, row.written_ms)}</p>
        </section>
    }
    .into_any()
}

/// How much of what was broken was found, in words.
fn score(shell: &ShellModel, row: &GameDayRow) -> AnyView {
    let score = Score::of(&row.breakages);
    let beside = match row.false_findings {
        Some(0) => ", nothing else".to_owned(),
        Some(count) => format!(", {} false", format::count(count)),
        None => String::new(),
    };
    if score.broken == 0 {
        return view! { <span class="hr-muted">"not scored"</span>{beside} }.into_any();
    }
    let (class, shape) = if score.found == score.broken {
        ("hr-level hr-level--ok", "state-ok")
    } else {
        ("hr-level hr-level--warn", "state-warn")
    };
    let slowest = score.slowest_ms.map(|ms| format!(", the last after {}", after(ms))).unwrap_or_default();
    let words = format!("{} of {}{slowest}{beside}", format::count(score.found), format::count(score.broken));
    view! { <span class=format!("{class} hr-wraps")>{state_icon(shell, shape)}{words}</span> }.into_any()
}

/// A time to the tenth of a second, as people read it where seconds count.
fn after(ms: i64) -> String {
    if ms < 60_000 { format!("{}.{} s", ms / 1_000, ms % 1_000 / 100) } else { format::duration(ms) }
}

fn breakages(shell: &ShellModel, row: &GameDayRow) -> Option<AnyView> {
    if row.breakages.is_empty() {
        return None;
    }
    let line = |one: &Breakage| {
        let found = match (one.found, one.after_ms) {
            (false, _) => {
                view! { <span class="hr-level hr-level--warn">{state_icon(shell, "state-warn")}"not found"</span> }
                    .into_any()
            }
            (true, Some(ms)) => after(ms).into_any(),
            (true, None) => unknown("it was found, and nobody measured when"),
        };
        view! {
            <tr>
                <th scope="row" class="hr-table__name">{one.what.clone()}</th>
                <td data-label="Pool">{one.pool.clone().unwrap_or_else(|| "all".into())}</td>
                <td data-label="Found after" class="hr-num">{found}</td>
            </tr>
        }
    };
    let name = format!("What was broken: {}", row.title);
    Some(
        view! {
            <div class="hr-scroll" tabindex="0" role="group" aria-label=name>
                <table class="hr-table hr-table--cards">
                    <thead>
                        <tr>
                            <th scope="col">"Broken"</th>
                            <th scope="col">"Pool"</th>
                            <th scope="col" class="hr-num">"Found after"</th>
                        </tr>
                    </thead>
                    <tbody>{row.breakages.iter().map(line).collect_view()}</tbody>
                </table>
            </div>
        }
        .into_any(),
    )
}

/// `/game-days/new` and `/game-days/{id}`
pub fn game_day_form(shell: &ShellModel, model: &GameDayFormModel) -> AnyView {
    let crumb = Link { href: PATH.into(), label: "Game days".into() };
    let (heading, action) = match &model.subject {
        Some(subject) => (format!("Edit {}", subject.name), format!("{PATH}/{}", subject.slug)),
        None => ("New game day".to_owned(), format!("{PATH}/new")),
    };
    let frame = Frame { section: Some("Reports"), crumbs: vec![crumb], ..Frame::plain(heading) };
    let errors = [
        (HELD_ON.id, HELD_ON.label, &model.held_on),
        (TITLE.id, TITLE.label, &model.title),
        (RUN_BY.id, RUN_BY.label, &model.run_by),
        (POOLS.id, POOLS.label, &model.pools),
        (TRIED.id, TRIED.label, &model.tried),
        (BREAKAGES.id, BREAKAGES.label, &model.breakages),
        (FALSE.id, FALSE.label, &model.false_findings),
        (HAPPENED.id, HAPPENED.label, &model.happened),
        (FOLLOW_UPS.id, FOLLOW_UPS.label, &model.follow_ups),
    ];
    let content = view! {
        {error_summary(shell, model.error.as_deref(), &errors)}
        <form class="hr-form" method="post" action=action>
            {csrf(shell)}
            <input type="hidden" name="version" value=model.version.clone()/>
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"What was done"</legend>
                {input(shell, TITLE, &model.title, None)}
                {input(shell, HELD_ON, &model.held_on, None)}
                {input(shell, RUN_BY, &model.run_by, None)}
                {input(shell, POOLS, &model.pools, None)}
                {lines(shell, TRIED, &model.tried, 4)}
            </fieldset>
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"What came of it"</legend>
                {lines(shell, BREAKAGES, &model.breakages, 4)}
                {input(shell, FALSE, &model.false_findings, None)}
                {lines(shell, HAPPENED, &model.happened, 4)}
                {lines(shell, FOLLOW_UPS, &model.follow_ups, 3)}
            </fieldset>
            <div class="hr-form__foot">
                <button class="hr-btn hr-btn--primary" type="submit">"Save"</button>
                <a class="hr-btn" href=PATH>"Cancel"</a>
            </div>
        </form>
    };
    document(shell, frame, content.into_any())
}
