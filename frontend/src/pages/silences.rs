//! Silences: the list with what each hides now, the form with its preview, and the page that asks before one is ended.

use headroom_domain::format;
use leptos::prelude::*;

use crate::components::alert_nav::alert_nav;
use crate::components::field::{Ask, Mode, check, choice, csrf, error_summary, input, lines};
use crate::components::icon::{icon, state_icon};
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, button_link, empty, strip};
use crate::components::value::{day_time, times_in};
use crate::model::{
    EndSilenceModel, HiddenAlert, Link, ShellModel, SilenceForm, SilencePhase, SilencePreview, SilenceRow,
    SilencesModel,
};

const PATH: &str = "/silences";
const KIND: Ask = Ask::new("kind", "Kind", "Maintenance leaves promises alone as well; it is of whole pools.");
const MATCHERS: Ask = Ask::new(
    "matchers",
    "What it hides",
    "All must match: rule, pool, tenant or severity with =, !=, =~ or !~, for example pool=edge-eu, severity=page",
)
.takes(Mode::Code);
const FROM: Ask = Ask::new("from", "Begins", "A time such as 2026-11-28 22:00 in the zone of this page; empty is now.")
    .optional()
    .takes(Mode::Code);
const LASTS: Ask = Ask::new("lasts", "Lasts", "At most 7 days.");
const UNTIL: Ask = Ask::new("until", "Ends", "Only if it lasts until a time: for example 2026-11-29 06:00.")
    .optional()
    .takes(Mode::Code);
const NOTE: Ask = Ask::new("note", "Why", "Shown with every alert that it hides, for example: switch swap in row 4.");
const EXPIRE: Ask =
    Ask::new("expire_on_resolve", "End it early when all that it hid is over", "Otherwise it stays until its end.");

/// `/silences`
pub fn silences(shell: &ShellModel, model: &SilencesModel) -> AnyView {
    let new = model
        .form
        .as_ref()
        .filter(|form| form.of.is_none())
        .map(|_| button_link(shell, "hr-btn hr-btn--primary", "plus", "New silence", "#new".to_owned()));
    let counts = |phase| model.rows.iter().filter(|row| row.phase == phase).count();
    let (active, planned) = (counts(SilencePhase::Active), counts(SilencePhase::Planned));
    let sub = view! {
        <span class="hr-dot">{format!("{active} active, {planned} planned")}</span>
        <span class="hr-dot">{times_in(shell)}</span>
    };
    let changed = model.form.as_ref().and_then(|form| form.of.as_ref());
    let (heading, crumbs) = match changed {
        Some((id, _)) => (format!("Change silence {id}"), vec![Link { label: "Silences".into(), href: PATH.into() }]),
        None => ("Silences".to_owned(), Vec::new()),
    };
    let frame = Frame {
        section: Some("On-call"),
        sub: Some(sub.into_any()),
        actions: new.into_iter().collect(),
        crumbs,
        ..Frame::plain(heading)
    };
    let form = model.form.as_ref().map(|form| form_card(shell, form));
    let summary = model.form.as_ref().and_then(|form| {
        let fields = [
            (KIND.id, KIND.label, &form.kind),
            (MATCHERS.id, MATCHERS.label, &form.matchers),
            (FROM.id, FROM.label, &form.from),
            (LASTS.id, LASTS.label, &form.lasts),
            (UNTIL.id, UNTIL.label, &form.until),
            (NOTE.id, NOTE.label, &form.note),
        ];
        error_summary(shell, form.error.as_deref(), &fields)
    });
    let is_first = model.form.as_ref().is_some_and(|form| form.is_first);
    let (above, below) = if is_first { (form, None) } else { (None, form) };
    let content = view! {
        {alert_nav(shell, PATH)}
        {summary}
        {above}
        {list(shell, model)}
        {below}
    };
    document(shell, frame, content.into_any())
}

fn list(shell: &ShellModel, model: &SilencesModel) -> AnyView {
    if model.rows.is_empty() {
        return empty(shell, "Nothing is silenced: everybody is told of everything.", None);
    }
    let may_change = model.form.is_some();
    let rows = model.rows.iter().map(|row| silence_row(shell, row, may_change)).collect_view();
    view! {
        <div class="hr-card hr-card--flush">
            <div class="hr-scroll">
                <table class="hr-table hr-table--cards">
                    <caption class="hr-table__caption">
                        "Active first, then planned, then those that ended in the last 7 days"
                    </caption>
                    <thead>
                        <tr>
                            <th scope="col">"Matches"</th>
                            <th scope="col">"State"</th>
                            <th scope="col">"Hides now"</th>
                            <th scope="col">"Why, by whom"</th>
                            <th scope="col">"Ends"</th>
                            <th scope="col">"Change"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </div>
    }
    .into_any()
}

fn silence_row(shell: &ShellModel, row: &SilenceRow, may_change: bool) -> AnyView {
    let kind = if row.is_maintenance { "maintenance" } else { "silence" };
    let note = if row.note.is_empty() {
        view! { <span class="hr-muted">"not yours to read"</span> }.into_any()
    } else {
        view! { <span>{row.note.clone()}</span> }.into_any()
    };
    let early =
        row.ends_with_alerts.then(|| view! { <small class="hr-small">"or when all that it hid is over"</small> });
    let by = row.ended_by.as_ref().map(|by| view! { <small class="hr-small">{format!("ended by {by}")}</small> });
    let ends = match row.phase {
        SilencePhase::Active => {
            let left = format::duration((row.end_ms - shell.now_ms).max(0) / 60_000 * 60_000);
            view! { <span>{day_time(shell, row.end_ms)}<small class="hr-small">{format!("in {left}")}</small>{early}</span> }
                .into_any()
        }
        SilencePhase::Planned => {
            view! { <span>{day_time(shell, row.end_ms)}<small class="hr-small">"begins "{day_time(shell, row.from_ms)}</small>{early}</span> }
                .into_any()
        }
        SilencePhase::Ended => view! { <span>{day_time(shell, row.end_ms)}{by}</span> }.into_any(),
    };
    let acts = (may_change && row.phase != SilencePhase::Ended).then(|| {
        let (change, end) = (format!("{PATH}/{}", row.id), format!("{PATH}/{}/end", row.id));
        let what = row.matchers.join(", ");
        view! {
            <span class="hr-acts">
                <a class="hr-btn hr-btn--small" href=change aria-label=format!("Change the silence {what}")>"Change"</a>
                <a class="hr-btn hr-btn--small" href=end aria-label=format!("End the silence {what} now")>"End now…"</a>
            </span>
        }
    });
    view! {
        <tr id=format!("silence-{}", row.id)>
            <th scope="row" class="hr-table__name">
                <span><code class="hr-wrap">{matched(row)}</code><small>{kind}</small></span>
            </th>
            <td data-label="State">{state(shell, row)}</td>
            <td data-label="Hides now">{hides(shell, row)}</td>
            <td data-label="Why, by whom"><span>{note}<small class="hr-small">{row.author.clone()}</small></span></td>
            <td data-label="Ends">{ends}</td>
            <td>{acts}</td>
        </tr>
    }
    .into_any()
}

fn matched(row: &SilenceRow) -> String {
    if row.matchers.is_empty() { "what you may not see".to_owned() } else { row.matchers.join(", ") }
}

fn state(shell: &ShellModel, row: &SilenceRow) -> AnyView {
    let (class, shape, word) = match row.phase {
        SilencePhase::Active if row.useless => ("hr-level hr-level--warn", "state-warn", "of no use"),
        SilencePhase::Active => ("hr-level hr-level--ok", "state-maintenance", "active"),
        SilencePhase::Planned => ("hr-level hr-level--unknown", "state-info", "planned"),
        SilencePhase::Ended => ("hr-level hr-level--unknown", "state-unknown", "ended"),
    };
    let why = row.useless.then(|| view! { <small class="hr-small">"hid nothing for a day"</small> });
    view! { <span><span class=class>{state_icon(shell, shape)}{word}</span>{why}</span> }.into_any()
}

fn alerts(count: usize) -> String {
    if count == 1 { "1 alert".to_owned() } else { format!("{} alerts", format::count(count as i64)) }
}

fn hides(shell: &ShellModel, row: &SilenceRow) -> AnyView {
    if row.phase == SilencePhase::Ended {
        return view! { <span class="hr-muted">"it is over"</span> }.into_any();
    }
    if row.hides.is_empty() {
        return view! { <span class="hr-muted">"nothing"</span> }.into_any();
    }
    view! {
        <details class="hr-hides">
            <summary>{icon(shell, "chevron-down")}{alerts(row.hides.len())}</summary>
            {hidden_list(shell, &row.hides)}
        </details>
    }
    .into_any()
}

fn hidden_list(shell: &ShellModel, hidden: &[HiddenAlert]) -> AnyView {
    const MOST: usize = 50;
    let items = hidden
        .iter()
        .take(MOST)
        .map(|one| {
            let (class, shape, word) = if one.is_page {
                ("hr-pill hr-pill--crit", "state-crit", "page")
            } else {
                ("hr-pill hr-pill--warn", "state-warn", "ticket")
            };
            let title = [one.title.as_str(), one.whose.as_str()].join(" · ");
            view! {
                <li>
                    <span class=class>{state_icon(shell, shape)}{word}</span>" "
                    <a href=format!("/alerts/{}", one.id)>{title.trim_end_matches(" · ").to_owned()}</a>
                    <small class="hr-small">{one.says.clone()}</small>
                </li>
            }
        })
        .collect_view();
    let more = hidden.len().saturating_sub(MOST);
    let more =
        (more > 0).then(|| view! { <li class="hr-muted">{format!("and {} more", format::count(more as i64))}</li> });
    view! { <ul class="hr-hidden">{items}{more}</ul> }.into_any()
}

fn preview_card(shell: &ShellModel, preview: &SilencePreview) -> AnyView {
    let unknown = (!preview.unknown.is_empty())
        .then(|| strip(shell, Tone::Warn, format!("Look again: {}.", preview.unknown.join("; ")).into_any()));
    let body = if preview.hides.is_empty() {
        view! { <p>"It would hide nothing that fires now. What fires later and matches is hidden until it ends."</p> }
            .into_any()
    } else {
        let count = preview.hides.len();
        view! {
            <p><strong>{format!("It would hide {} that {} now:", alerts(count), if count == 1 { "fires" } else { "fire" })}</strong></p>
            {hidden_list(shell, &preview.hides)}
        }
        .into_any()
    };
    view! {
        <section class="hr-preview" id="preview" aria-labelledby="preview-title" tabindex="-1">
            <h3 id="preview-title">"Preview: nothing is saved yet"</h3>
            {unknown}
            {body}
        </section>
    }
    .into_any()
}

fn form_card(shell: &ShellModel, form: &SilenceForm) -> AnyView {
    let (action, legend, save) = match &form.of {
        Some((id, _)) => (format!("{PATH}/{id}"), "Change silence", "Save changes"),
        None => (format!("{PATH}/new"), "New silence", "Silence"),
    };
    let version = form.of.as_ref().map(|(_, version)| {
        view! { <input type="hidden" name="version" value=version.clone()/> }
    });
    let kinds = [
        ("silence", "Silence: nobody is told".to_owned()),
        ("maintenance", "Maintenance: nobody is told, no promise is touched".to_owned()),
    ];
    // What a silence does stays.
    let kinds: Vec<(&str, String)> =
        kinds.into_iter().filter(|(word, _)| form.of.is_none() || form.kind.value == *word).collect();
    let lasts = [
        ("1h", "1 hour".to_owned()),
        ("4h", "4 hours".to_owned()),
        ("1d", "1 day".to_owned()),
        ("custom", "Until a time".to_owned()),
    ];
    view! {
        <form class="hr-form" method="post" action=action.clone() id="new">
            {csrf(shell)}
            {version}
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">{legend}</legend>
                {input(shell, MATCHERS, &form.matchers, None)}
                <div class="hr-form__row">
                    {choice(shell, LASTS, &form.lasts, &lasts)}
                    {input(shell, UNTIL, &form.until, None)}
                    {input(shell, FROM, &form.from, None)}
                </div>
                {lines(shell, NOTE, &form.note, 2)}
                {choice(shell, KIND, &form.kind, &kinds)}
                {check(EXPIRE, form.expire_on_resolve)}
                {form.preview.as_ref().map(|preview| preview_card(shell, preview))}
                <div class="hr-form__foot">
                    <button class="hr-btn" type="submit" name="do" value="preview" formaction=format!("{action}#preview")>"Preview"</button>
                    <button class="hr-btn hr-btn--primary" type="submit" name="do" value="save">{save}</button>
                    {form.of.is_some().then(|| view! { <a class="hr-btn hr-btn--quiet" href=PATH>"Cancel"</a> })}
                </div>
            </fieldset>
        </form>
    }
    .into_any()
}

/// `/silences/{silence}/end`
pub fn end_silence(shell: &ShellModel, model: &EndSilenceModel) -> AnyView {
    let row = &model.row;
    let crumbs = vec![Link { label: "Silences".into(), href: PATH.into() }];
    let frame = Frame { section: Some("On-call"), crumbs, ..Frame::plain("End this silence now?") };
    let told = match row.hides.len() {
        0 => "It hides nothing that fires now.".to_owned(),
        1 => "People are told within a second of the alert that it hides.".to_owned(),
        several => {
            format!("People are told within a second of the {} alerts that it hides.", format::count(several as i64))
        }
    };
    let listed = (!row.hides.is_empty()).then(|| hidden_list(shell, &row.hides));
    let content = view! {
        {alert_nav(shell, PATH)}
        <form class="hr-form" method="post" action=format!("{PATH}/{}/end", row.id)>
            {csrf(shell)}
            <div class="hr-card hr-prose">
                <h2>"Which one"</h2>
                <p><code class="hr-wrap">{matched(row)}</code></p>
                <p>{format!("“{}”, by {}; it would end ", row.note, row.author)}{day_time(shell, row.end_ms)}"."</p>
                <h2>"What happens"</h2>
                <p>{told}</p>
                {listed}
            </div>
            <div class="hr-form__foot">
                <a class="hr-btn" href=PATH>"Cancel"</a>
                <button class="hr-btn hr-btn--danger" type="submit">"End silence"</button>
            </div>
        </form>
    };
    document(shell, frame, content.into_any())
}
