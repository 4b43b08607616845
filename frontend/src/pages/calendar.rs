//! The calendar of events: list and month, the form of an event, and calendars of other programs.

use headroom_domain::calendar::{EFFECTS, WEEKDAYS};
use headroom_domain::format;
use leptos::prelude::*;

use crate::components::field::{Ask, Mode, choice, csrf, datalist, error_summary, input, lines};
use crate::components::icon::{icon, state_icon};
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, button_link, panel, strip};
use crate::components::table::{csv, pager};
use crate::components::value::{day_time, day_time_text, times_in};
use crate::model::{
    CalendarChange, CalendarDay, CalendarDeleteModel, CalendarEvent, CalendarForm, CalendarFormModel,
    CalendarImportModel, CalendarMapping, CalendarModel, CalendarMonth, CalendarReviewModel, CalendarRow, CalendarView,
    Field, Link, Named, ShellModel,
};
use crate::url::pool_path;

const PATH: &str = "/calendar";
/// Events of a day that stand in its box.
const IN_A_BOX: usize = 4;

const TITLE: Ask = Ask::new("title", "Title", "What people call it, for example Black Friday.");
const TAG: Ask = Ask::new(
    "tag",
    "Tag",
    "What kind of event it is, of a–z, 0–9 and hyphens: what an event does can be learnt from earlier ones of its tag.",
)
.takes(Mode::Code);
const POOL: Ask = Ask::new("pool", "Pool", "Whose demand it changes.");
const START: Ask =
    Ask::new("start", "Begins", "2026-11-27 09:00 on the clock of the zone below, or a day alone.").takes(Mode::Code);
const END: Ask = Ask::new("end", "Ends", "The first minute after it; a day alone is its last day.").takes(Mode::Code);
const ZONE: Ask = Ask::new("zone", "Zone", "An IANA zone such as Europe/Berlin.").takes(Mode::Code);
const EFFECT: Ask =
    Ask::new("effect", "What it does", "The number below that belongs to it counts; the others may stay empty.");
const SLOTS: Ask = Ask::new("slots", "Slots", "With “at least so many slots”.").optional().takes(Mode::Whole);
const PERCENT: Ask = Ask::new("percent", "Percent", "With “so much of the usual demand”: 150 is half as much again.")
    .optional()
    .takes(Mode::Whole);
const WEEKDAY: Ask = Ask::new("weekday", "Day of the week", "With “demand as on another day”.").optional();
const TAG_FROM: Ask = Ask::new("tag_from", "Tags come from", "The word becomes lower case with hyphens.");
const FIXED_TAG: Ask = Ask::new("tag", "Tag of all", "Only if it is the same for all.").optional().takes(Mode::Code);
const TEXT: Ask =
    Ask::new("text", "Or paste it here", "From BEGIN:VCALENDAR to END:VCALENDAR.").optional().takes(Mode::Code);

fn effects() -> Vec<(&'static str, String)> {
    let says = |word: &str| match word {
        "floor" => "At least so many slots",
        "factor" => "So much of the usual demand",
        "like_weekday" => "Demand as on another day of the week",
        "exclude" => "Left out: nothing is foreseen or learnt",
        _ => "Learnt from earlier events of its tag",
    };
    EFFECTS.into_iter().map(|word| (word, says(word).to_owned())).collect()
}

fn weekdays() -> Vec<(&'static str, String)> {
    const NUMBERS: [&str; 7] = ["1", "2", "3", "4", "5", "6", "7"];
    let named = NUMBERS.into_iter().zip(WEEKDAYS).map(|(number, day)| (number, day.to_owned()));
    std::iter::once(("", "none".to_owned())).chain(named).collect()
}

fn pool_choices(pools: &[Named]) -> Vec<(&str, String)> {
    let all = std::iter::once(("", "All pools".to_owned()));
    all.chain(pools.iter().map(|pool| (pool.slug.as_str(), pool.name.clone()))).collect()
}

fn title_of(event: &CalendarEvent) -> String {
    if event.title.is_empty() { event.tag.clone() } else { event.title.clone() }
}

fn crumbs() -> Vec<Link> {
    vec![Link { label: "Calendar".into(), href: PATH.into() }]
}

/// `/calendar`
pub fn calendar(shell: &ShellModel, model: &CalendarModel) -> AnyView {
    let mut actions = Vec::new();
    if model.may_change {
        actions.push(button_link(shell, "hr-btn", "upload", "Import", format!("{PATH}/import")));
        actions.push(button_link(shell, "hr-btn hr-btn--primary", "plus", "Event", format!("{PATH}/new")));
    }
    let frame =
        Frame { section: Some("Planner"), sub: Some(times_in(shell).into_any()), actions, ..Frame::plain("Calendar") };
    let list = || match &model.month {
        Some(month) => month_view(shell, month),
        None => list_view(shell, model),
    };
    let content = view! {
        {tools(shell, model)}
        <section class="hr-card hr-card--flush" aria-label="Events">{panel(shell, &model.state, list)}</section>
        <p class="hr-muted hr-small">"Forecasts and plans follow these events: what they do counts from their first minute to their last."</p>
    };
    document(shell, frame, content.into_any())
}

fn tools(shell: &ShellModel, model: &CalendarModel) -> AnyView {
    let is_list = model.view == CalendarView::List;
    let tags: Vec<(&str, String)> = std::iter::once(("", "All tags".to_owned()))
        .chain(model.tags.iter().map(|tag| (tag.as_str(), tag.clone())))
        .collect();
    let select = |id: &'static str, label: &'static str, chosen: &str, options: Vec<(&str, String)>| {
        let options = options
            .into_iter()
            .map(|(value, text)| view! { <option value=value.to_owned() selected=value == chosen>{text}</option> })
            .collect_view();
        view! {
            <label class="hr-vh" for=id>{label}</label>
            <select class="hr-input" id=id name=id>{options}</select>
        }
    };
    let past = is_list.then(|| {
        let label = if model.shows_past { "Without past events" } else { "With past events" };
        view! { <a class="hr-btn" href=model.past_href.clone()>{label}</a> }
    });
    let csv = is_list.then(|| csv(shell, &model.table.csv_href)).flatten();
    let zone = shell.url.tz.clone().map(|tz| view! { <input type="hidden" name="tz" value=tz/> });
    view! {
        <div class="hr-plan-tools">
            <span class="hr-seg" role="group" aria-label="View">
                <a href=model.views[0].clone() aria-current=is_list.then_some("true")>{icon(shell, "table-2")}"List"</a>
                <a href=model.views[1].clone() aria-current=(!is_list).then_some("true")>{icon(shell, "calendar-range")}"Month"</a>
            </span>
            <form class="hr-cal-filter" method="get" action=PATH>
                {select("pool", "Pool", &model.pool, pool_choices(&model.pools))}
                {select("tag", "Tag", &model.tag, tags)}
                {(!is_list).then(|| view! { <input type="hidden" name="view" value="month"/> })}
                {zone}
                <button class="hr-btn" type="submit">"Show"</button>
            </form>
            {past}
            {csv}
            <a class="hr-btn hr-btn--small" href=model.feed_href.clone() download="">{icon(shell, "download")}"iCalendar"</a>
        </div>
    }
    .into_any()
}

fn whose(event: &CalendarEvent) -> AnyView {
    match &event.pool {
        Some(pool) => view! { <a href=pool_path(&pool.slug)>{pool.name.clone()}</a> }.into_any(),
        None => "All pools".into_any(),
    }
}

fn list_view(shell: &ShellModel, model: &CalendarModel) -> AnyView {
    let rows = model
        .rows
        .iter()
        .map(|event| {
            let href = format!("{PATH}/{}", event.id);
            let source = match (&event.file, event.author.is_empty()) {
                (Some(file), _) => format!("{}, from {file}", event.author),
                (None, false) => event.author.clone(),
                (None, true) => format::UNKNOWN.to_owned(),
            };
            let is_now = event.start_ms <= shell.now_ms && shell.now_ms < event.end_ms;
            let now = is_now.then(|| view! { <span class="hr-pill hr-pill--info">{state_icon(shell, "state-info")}"now"</span> });
            view! {
                <tr>
                    <th scope="row" class="hr-table__name"><span><a href=href>{title_of(event)}</a>" "{now}<small>{event.tag.clone()}</small></span></th>
                    <td data-label="Begins">{day_time(shell, event.start_ms)}</td>
                    <td data-label="Ends">{day_time(shell, event.end_ms)}</td>
                    <td data-label="Pool">{whose(event)}</td>
                    <td data-label="What it does">{event.says.clone()}</td>
                    <td data-label="From">{source}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="hr-scroll" role="group" tabindex="0" aria-label="Events">
            <table class="hr-table hr-table--cards">
                <caption class="hr-vh">"Events by their beginning"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Event"</th>
                        <th scope="col">"Begins"</th>
                        <th scope="col">"Ends"</th>
                        <th scope="col">"Pool"</th>
                        <th scope="col">"What it does"</th>
                        <th scope="col">"From"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        {pager(shell, &model.table, model.rows.len())}
    }
    .into_any()
}

fn day_box(shell: &ShellModel, day: &CalendarDay) -> AnyView {
    let events = day
        .events
        .iter()
        .take(IN_A_BOX)
        .map(|event| {
            let pool = event.pool.as_ref().map_or("all pools", |pool| pool.name.as_str());
            let title = format!(
                "{} to {}, {pool}: {}",
                day_time_text(shell, event.start_ms),
                day_time_text(shell, event.end_ms),
                event.says
            );
            view! { <li><a class="hr-cal-event" href=format!("{PATH}/{}", event.id) title=title>{title_of(event)}</a></li> }
        })
        .collect_view();
    let more = day.events.len().saturating_sub(IN_A_BOX);
    let more = (more > 0).then(|| view! { <li class="hr-muted hr-small">{format!("and {more} more")}</li> });
    let class = match (day.is_of_month, day.events.is_empty()) {
        (false, _) => "hr-cal-day hr-cal-day--other",
        (true, true) => "hr-cal-day hr-cal-day--empty",
        (true, false) => "hr-cal-day",
    };
    let today = day.is_today.then_some("date");
    view! {
        <td class=class aria-current=today>
            <span class="hr-cal-number" aria-hidden="true">{day.day}</span>
            <span class="hr-cal-label">{day.label.clone()}</span>
            <ul>{events}{more}</ul>
        </td>
    }
    .into_any()
}

fn month_view(shell: &ShellModel, month: &CalendarMonth) -> AnyView {
    let weeks = month
        .weeks
        .iter()
        .map(|week| {
            let days = week.iter().map(|day| day_box(shell, day)).collect_view();
            view! { <tr>{days}</tr> }
        })
        .collect_view();
    let heads = WEEKDAYS.into_iter().map(|day| view! { <th scope="col">{day}</th> }).collect_view();
    let is_empty = month.weeks.iter().flatten().all(|day| day.events.is_empty());
    let nothing =
        is_empty.then(|| view! { <p class="hr-cal-nothing hr-muted">"Nothing is in the calendar for this month."</p> });
    view! {
        <div class="hr-card__head hr-cal-head">
            <h2 id="month">{month.title.clone()}</h2>
            <span class="hr-plan-range">
                <a class="hr-btn hr-btn--icon" href=month.earlier.clone() aria-label="The month before">{icon(shell, "chevron-left")}</a>
                <a class="hr-btn hr-btn--icon" href=month.later.clone() aria-label="The month after">{icon(shell, "chevron-right")}</a>
            </span>
        </div>
        {nothing}
        <table class="hr-cal" aria-labelledby="month">
            <thead><tr>{heads}</tr></thead>
            <tbody>{weeks}</tbody>
        </table>
    }
    .into_any()
}

fn effect_fields(shell: &ShellModel, [effect, slots, percent, weekday]: [&Field; 4]) -> AnyView {
    view! {
        {choice(shell, EFFECT, effect, &effects())}
        <div class="hr-form__row">
            {input(shell, SLOTS, slots, None)}
            {input(shell, PERCENT, percent, None)}
            {choice(shell, WEEKDAY, weekday, &weekdays())}
        </div>
    }
    .into_any()
}

/// `/calendar/new` and `/calendar/{event}`
pub fn calendar_form(shell: &ShellModel, model: &CalendarFormModel) -> AnyView {
    let form = &model.form;
    let heading = match &model.event {
        Some(event) => title_of(event),
        None => "New event".to_owned(),
    };
    let mut actions = Vec::new();
    if let (Some((id, _)), true) = (&form.of, model.may_change) {
        actions.push(button_link(shell, "hr-btn", "x", "Remove…", format!("{PATH}/{id}/delete")));
    }
    let frame = Frame { section: Some("Calendar"), crumbs: crumbs(), actions, ..Frame::plain(heading) };
    let facts = model.event.as_ref().map(|event| facts(shell, event));
    let content =
        if model.may_change { view! { {facts}{edit(shell, model)} }.into_any() } else { view! { {facts} }.into_any() };
    document(shell, frame, content)
}

fn facts(shell: &ShellModel, event: &CalendarEvent) -> AnyView {
    let from = match (&event.file, event.author.is_empty()) {
        (Some(file), _) => Some(format!("{}, from the file {file}", event.author)),
        (None, false) => Some(event.author.clone()),
        (None, true) => None,
    };
    let from = from.map(|from| view! { <div><dt>"From"</dt><dd>{from}</dd></div> });
    let imported = event.file.is_some().then(|| {
        strip(
            shell,
            Tone::Info,
            "It came from a calendar: taking that file again puts back what is changed here.".into_any(),
        )
    });
    view! {
        {imported}
        <section class="hr-card" aria-label="The event">
            <dl class="hr-facts">
                <div><dt>"When"</dt><dd>{day_time(shell, event.start_ms)}" to "{day_time(shell, event.end_ms)}</dd></div>
                <div><dt>"Tag"</dt><dd>{event.tag.clone()}</dd></div>
                <div><dt>"Pool"</dt><dd>{whose(event)}</dd></div>
                <div><dt>"What it does"</dt><dd>{event.says.clone()}</dd></div>
                {from}
            </dl>
        </section>
    }
    .into_any()
}

fn edit(shell: &ShellModel, model: &CalendarFormModel) -> AnyView {
    let form: &CalendarForm = &model.form;
    let (action, legend, save) = match &form.of {
        Some((id, _)) => (format!("{PATH}/{id}/edit"), "Change event", "Save changes"),
        None => (format!("{PATH}/new"), "New event", "Add event"),
    };
    let version =
        form.of.as_ref().map(|(_, version)| view! { <input type="hidden" name="version" value=version.clone()/> });
    let fields = [
        (TITLE.id, TITLE.label, &form.title),
        (TAG.id, TAG.label, &form.tag),
        (POOL.id, POOL.label, &form.pool),
        (START.id, START.label, &form.start),
        (END.id, END.label, &form.end),
        (ZONE.id, ZONE.label, &form.zone),
        (EFFECT.id, EFFECT.label, &form.effect),
        (SLOTS.id, SLOTS.label, &form.slots),
        (PERCENT.id, PERCENT.label, &form.percent),
        (WEEKDAY.id, WEEKDAY.label, &form.weekday),
    ];
    view! {
        {error_summary(shell, form.error.as_deref(), &fields)}
        <form class="hr-form" method="post" action=action>
            {csrf(shell)}
            {version}
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">{legend}</legend>
                <div class="hr-form__row">
                    {input(shell, TITLE, &form.title, None)}
                    {input(shell, TAG, &form.tag, Some("known-tags"))}
                    {choice(shell, POOL, &form.pool, &pool_choices(&model.pools))}
                </div>
                <div class="hr-form__row">
                    {input(shell, START, &form.start, None)}
                    {input(shell, END, &form.end, None)}
                    {input(shell, ZONE, &form.zone, Some("known-zones"))}
                </div>
                {effect_fields(shell, [&form.effect, &form.slots, &form.percent, &form.weekday])}
                <div class="hr-form__foot">
                    <button class="hr-btn hr-btn--primary" type="submit">{save}</button>
                    <a class="hr-btn hr-btn--quiet" href=PATH>"Cancel"</a>
                </div>
            </fieldset>
            {datalist("known-tags", &model.tags)}
            {datalist("known-zones", &model.zones)}
        </form>
    }
    .into_any()
}

/// `/calendar/{event}/delete`
pub fn calendar_delete(shell: &ShellModel, model: &CalendarDeleteModel) -> AnyView {
    let event = &model.event;
    let back = format!("{PATH}/{}", event.id);
    let frame =
        Frame { section: Some("Calendar"), crumbs: crumbs(), ..Frame::plain(format!("Remove {}?", title_of(event))) };
    let imported = event
        .file
        .is_some()
        .then(|| view! { <p>"It came from a calendar: taking that file again brings it back."</p> });
    let content = view! {
        <form class="hr-form" method="post" action=format!("{PATH}/{}/delete", event.id)>
            {csrf(shell)}
            <input type="hidden" name="version" value=model.version.clone()/>
            <div class="hr-card hr-prose">
                <p>{day_time(shell, event.start_ms)}" to "{day_time(shell, event.end_ms)}", "{whose(event)}": "{event.says.clone()}"."</p>
                <p>"Forecasts and plans made from now on do not know it any more; nothing is learnt from it either."</p>
                {imported}
            </div>
            <div class="hr-form__foot">
                <a class="hr-btn" href=back>"Cancel"</a>
                <button class="hr-btn hr-btn--danger" type="submit">"Remove event"</button>
            </div>
        </form>
    };
    document(shell, frame, content.into_any())
}

fn mapping_fields(shell: &ShellModel, mapping: &CalendarMapping, pools: &[Named]) -> AnyView {
    let sources = [
        ("category", "The first category, else the summary".to_owned()),
        ("summary", "The summary".to_owned()),
        ("fixed", "The same tag for all".to_owned()),
    ];
    view! {
        <div class="hr-form__row">
            {choice(shell, POOL, &mapping.pool, &pool_choices(pools))}
            {choice(shell, TAG_FROM, &mapping.tag_from, &sources)}
            {input(shell, FIXED_TAG, &mapping.tag, None)}
        </div>
        {effect_fields(shell, [&mapping.effect, &mapping.slots, &mapping.percent, &mapping.weekday])}
    }
    .into_any()
}

fn mapping_summary(
    shell: &ShellModel,
    error: Option<&str>,
    mapping: &CalendarMapping,
    more: &[(&'static str, &'static str, &Field)],
) -> Option<AnyView> {
    let mut fields = more.to_vec();
    fields.extend([
        (POOL.id, POOL.label, &mapping.pool),
        (TAG_FROM.id, TAG_FROM.label, &mapping.tag_from),
        (FIXED_TAG.id, FIXED_TAG.label, &mapping.tag),
        (EFFECT.id, EFFECT.label, &mapping.effect),
        (SLOTS.id, SLOTS.label, &mapping.slots),
        (PERCENT.id, PERCENT.label, &mapping.percent),
        (WEEKDAY.id, WEEKDAY.label, &mapping.weekday),
    ]);
    error_summary(shell, error, &fields)
}

/// `/calendar/import`
pub fn calendar_import(shell: &ShellModel, model: &CalendarImportModel) -> AnyView {
    let frame = Frame {
        section: Some("Calendar"),
        sub: Some("It is looked at first: nothing is in the calendar before you take it".into_any()),
        crumbs: crumbs(),
        ..Frame::plain("Import a calendar")
    };
    let file = Field { value: String::new(), error: model.file_error.clone() };
    let error = model.file_error.clone().map(|error| {
        view! { <p class="hr-field__error" id="file-error">{state_icon(shell, "state-crit")}{error}</p> }
    });
    let described = if error.is_some() { "file-error file-help" } else { "file-help" };
    let content = view! {
        {mapping_summary(shell, model.error.as_deref(), &model.mapping, &[("file", "File", &file)])}
        <form class="hr-form" method="post" action=format!("{PATH}/import") enctype="multipart/form-data">
            {csrf(shell)}
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"The calendar"</legend>
                <div class="hr-field">
                    <label for="file">"File"<span class="hr-field__opt">" (optional)"</span></label>
                    <input
                        class="hr-input"
                        type="file"
                        id="file"
                        name="file"
                        accept=".ics,text/calendar"
                        aria-invalid=error.is_some().then_some("true")
                        aria-describedby=described
                    />
                    <p class="hr-field__help" id="file-help">
                        {format!("iCalendar (.ics), at most 1 MB and 5,000 occurrences. What repeats is taken from 400 days ago to 400 days ahead; whole days are those of {}.", model.zone)}
                    </p>
                    {error}
                </div>
                {lines(shell, TEXT, &model.text, 6)}
            </fieldset>
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"What becomes of its events"</legend>
                {mapping_fields(shell, &model.mapping, &model.pools)}
                <div class="hr-form__foot">
                    <button class="hr-btn hr-btn--primary" type="submit">"Look at it"</button>
                    <a class="hr-btn hr-btn--quiet" href=PATH>"Cancel"</a>
                </div>
            </fieldset>
        </form>
    };
    document(shell, frame, content.into_any())
}

fn change(shell: &ShellModel, change: CalendarChange) -> AnyView {
    let (class, shape) = match change {
        CalendarChange::New => ("hr-level hr-level--ok", "state-ok"),
        CalendarChange::Changed => ("hr-level", "state-info"),
        CalendarChange::Same => ("hr-level hr-level--unknown", "state-unknown"),
        CalendarChange::Removed => ("hr-level hr-level--warn", "state-warn"),
        CalendarChange::Refused => ("hr-level hr-level--crit", "state-crit"),
    };
    view! { <span class=class>{state_icon(shell, shape)}{change.word()}</span> }.into_any()
}

fn review_row(shell: &ShellModel, row: &CalendarRow) -> AnyView {
    let (begins, ends) = match row.times {
        Some((start, end)) => (day_time(shell, start), day_time(shell, end)),
        None => (format::UNKNOWN.into_any(), format::UNKNOWN.into_any()),
    };
    let problems = row
        .problems
        .iter()
        .map(|problem| view! { <small class="hr-small hr-cal-problem">{problem.clone()}</small> })
        .collect_view();
    view! {
        <tr>
            <td class="hr-num" data-label="Line">{format::count(row.line as i64)}</td>
            <th scope="row" class="hr-table__name"><span>{row.title.clone()}<small>{row.tag.clone()}</small></span></th>
            <td data-label="Begins">{begins}</td>
            <td data-label="Ends">{ends}</td>
            <td data-label="What it does">{row.says.clone()}</td>
            <td data-label="Becomes"><span>{change(shell, row.change)}{problems}</span></td>
        </tr>
    }
    .into_any()
}

/// `/calendar/import/{import}`
pub fn calendar_review(shell: &ShellModel, model: &CalendarReviewModel) -> AnyView {
    let [new, changed, same, removed, refused] = model.counts;
    let heading = if model.name.is_empty() { model.file.clone() } else { model.name.clone() };
    let frame = Frame {
        section: Some("Calendar"),
        sub: Some(times_in(shell).into_any()),
        crumbs: vec![
            Link { label: "Calendar".into(), href: PATH.into() },
            Link { label: "Import".into(), href: format!("{PATH}/import") },
        ],
        ..Frame::plain(format!("Review {heading}"))
    };
    let action = format!("{PATH}/import/{}", model.id);
    let count = |count: usize| format::count(count as i64);
    let sums = format!(
        "{} new, {} changed, {} as they are, {} go, {} cannot be taken.",
        count(new),
        count(changed),
        count(same),
        count(removed),
        count(refused)
    );
    let outside = (model.outside > 0).then(
        || view! { <p>{format!("{} lie more than 400 days from now and are left out.", count(model.outside))}</p> },
    );
    let changes = new + changed + removed;
    let take = match (changes, refused) {
        (0, _) => view! { <p class="hr-muted">"There is nothing to take."</p> }.into_any(),
        (_, 0) => view! { <button class="hr-btn hr-btn--primary" type="submit" name="do" value="all">"Take it"</button> }.into_any(),
        _ => view! {
            <button class="hr-btn hr-btn--primary" type="submit" name="do" value="good">{format!("Take the {} that are good", count(changes))}</button>
        }
        .into_any(),
    };
    let rows = model.rows.iter().map(|row| review_row(shell, row)).collect_view();
    let more = (model.more > 0)
        .then(|| view! { <p class="hr-muted hr-cal-nothing">{format!("and {} more", count(model.more))}</p> });
    let content = view! {
        {mapping_summary(shell, model.error.as_deref(), &model.mapping, &[])}
        <form class="hr-form" method="post" action=action.clone()>
            {csrf(shell)}
            <section class="hr-card hr-prose" aria-labelledby="sums">
                <h2 id="sums">"What taking it does"</h2>
                <p><strong>{sums}</strong></p>
                {outside}
                <div class="hr-form__foot">
                    {take}
                    <button class="hr-btn hr-btn--quiet" type="submit" name="do" value="drop">"Throw the file away"</button>
                </div>
            </section>
        </form>
        <section class="hr-card hr-card--flush" aria-label="Events of the file">
            <div class="hr-scroll" role="group" tabindex="0" aria-label="Events of the file">
                <table class="hr-table hr-table--cards">
                    <caption class="hr-vh">"Events of the file; those that cannot be taken first"</caption>
                    <thead>
                        <tr>
                            <th scope="col" class="hr-num">"Line"</th>
                            <th scope="col">"Event"</th>
                            <th scope="col">"Begins"</th>
                            <th scope="col">"Ends"</th>
                            <th scope="col">"What it does"</th>
                            <th scope="col">"Becomes"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            {more}
        </section>
        <form class="hr-form" method="post" action=action>
            {csrf(shell)}
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"What becomes of its events"</legend>
                {mapping_fields(shell, &model.mapping, &model.pools)}
                <div class="hr-form__foot"><button class="hr-btn" type="submit" name="do" value="map">"Look at it again with these"</button></div>
            </fieldset>
        </form>
    };
    document(shell, frame, content.into_any())
}
