//! Who is on call: schedules with two weeks of shifts, policies with their steps, and the forms that change them.

use headroom_domain::format;
use headroom_domain::localtime::ZoneSlice;
use leptos::prelude::*;

use crate::components::alert_nav::alert_nav;
use crate::components::field::{Ask, Mode, check, choice, csrf, datalist, error_summary, input, lines};
use crate::components::icon::{icon, state_icon};
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, button_link, empty, strip};
use crate::components::value::{day_time, day_time_text, times_in};
use crate::model::{
    FormMode, Link, OverrideForm, PolicyCard, PolicyFormModel, PolicyStepRow, RotaDeleteModel, ScheduleCard,
    ScheduleFormModel, SchedulesModel, ShellModel, ShiftRow,
};
use crate::url::{encode, with_query};

const PATH: &str = "/oncall/schedules";
/// Marks that tell people apart in a strip.
const MARKS: usize = 6;

const SCHEDULE: Ask = Ask::new("schedule", "Schedule", "Where somebody stands in.");
const PERSON: Ask =
    Ask::new("person", "Who", "The e-mail address of the one who is on call instead.").takes(Mode::Email);
const FROM: Ask = Ask::new("from", "From", "A time such as 2026-11-28 09:00 in the zone of this page; empty is now.")
    .optional()
    .takes(Mode::Code);
const UNTIL: Ask = Ask::new("until", "Until", "A time such as 2026-11-29 09:00.").takes(Mode::Code);
const NOTE: Ask = Ask::new("note", "Why", "For example: swapped with Mika.").optional();

const NAME: Ask = Ask::new("name", "Name", "What people call it, for example Primary.");
const SLUG: Ask = Ask::new(
    "slug",
    "Identifier",
    "Used in links and by policies: a–z, 0–9 and hyphens, for example primary; empty is made from the name. It stays.",
)
.optional()
.takes(Mode::Code);
const ZONE: Ask = Ask::new("zone", "Time zone", "Turns change by the clocks of this zone, for example Europe/Berlin.")
    .takes(Mode::Code);
const PEOPLE: Ask =
    Ask::new("people", "People in turn", "One e-mail address a line; after the last one the first has its turn again.")
        .takes(Mode::Code);
const EVERY: Ask = Ask::new("every", "Hand-over", "How often the next person takes over.");
const WEEKDAY: Ask = Ask::new("weekday", "On", "The day of the week; for a hand-over every week.");
const AT: Ask = Ask::new("at", "At", "A time of day such as 09:00.").takes(Mode::Code);
const START: Ask = Ask::new("start", "First turn begins on", "A date such as 2026-11-23.").takes(Mode::Code);

const POLICY_NAME: Ask = Ask::new("name", "Name", "What people call it, for example Usual escalation.");
const POLICY_SLUG: Ask =
    Ask::new("slug", "Identifier", "Used by the API: a–z, 0–9 and hyphens; empty is made from the name. It stays.")
        .optional()
        .takes(Mode::Code);
const OWNERS: Ask = Ask::new(
    "owners",
    "Owners",
    "Teams whose rules and pools use it, one a line; empty is everybody who has no other policy.",
)
.optional();
const STEPS: Ask = Ask::new(
    "steps",
    "Steps",
    "One a line: minutes, a colon, then schedules and e-mail addresses with commas in between. For example 0: primary, then 5: secondary, dana@example.org",
)
.takes(Mode::Code);
const ROUND: Ask =
    Ask::new("round", "A round lasts", "Minutes until the first step is asked again.").takes(Mode::Whole);
const ROUNDS: Ask = Ask::new("rounds", "Rounds", "After the last one everybody else is told.").takes(Mode::Whole);
const ACKNOWLEDGE: Ask = Ask::new(
    "acknowledge_gaps",
    "Save it though a step asks nobody for a while",
    "It is then shown with a warning until somebody is on call.",
);

fn schedule_path(slug: &str) -> String {
    format!("{PATH}/{}", encode(slug))
}

/// `/oncall/schedules`
pub fn schedules(shell: &ShellModel, model: &SchedulesModel) -> AnyView {
    let may_change = model.form.is_some();
    let actions = if may_change {
        vec![
            button_link(shell, "hr-btn hr-btn--primary", "plus", "New schedule", format!("{PATH}/new")),
            button_link(shell, "hr-btn", "plus", "New policy", "/oncall/policies/new".to_owned()),
        ]
    } else {
        Vec::new()
    };
    let frame =
        Frame { section: Some("On-call"), sub: Some(times_in(shell).into_any()), actions, ..Frame::plain("Schedules") };
    let summary = model.form.as_ref().and_then(|form| {
        let fields = [
            (SCHEDULE.id, SCHEDULE.label, &form.schedule),
            (PERSON.id, PERSON.label, &form.person),
            (FROM.id, FROM.label, &form.from),
            (UNTIL.id, UNTIL.label, &form.until),
            (NOTE.id, NOTE.label, &form.note),
        ];
        error_summary(shell, form.error.as_deref(), &fields)
    });
    let all = if model.schedules.is_empty() {
        let action = may_change.then(|| Link { label: "New schedule".into(), href: format!("{PATH}/new") });
        let text = "No schedule yet: nobody is asked in person, only shared channels are told.";
        view! { <div class="hr-card">{empty(shell, text, action.as_ref())}</div> }.into_any()
    } else {
        model.schedules.iter().map(|card| schedule_card(shell, card, may_change)).collect_view().into_any()
    };
    let form = model.form.as_ref().filter(|_| !model.schedules.is_empty());
    let content = view! {
        {alert_nav(shell, PATH)}
        {summary}
        {all}
        {form.map(|form| override_form(shell, model, form))}
        {policies(shell, model, may_change)}
    };
    document(shell, frame, content.into_any())
}

fn nobody(shell: &ShellModel, words: &'static str) -> AnyView {
    view! { <span class="hr-level hr-level--crit">{state_icon(shell, "state-crit")}{words}</span> }.into_any()
}

fn schedule_card(shell: &ShellModel, card: &ScheduleCard, may_change: bool) -> AnyView {
    let heading = format!("schedule-{}", card.named.slug);
    let now = match &card.now {
        Some(who) => view! { <strong>{who.clone()}</strong> }.into_any(),
        None => nobody(shell, "nobody"),
    };
    let next = match (card.next_ms, &card.next) {
        (None, _) => "no change in the next months".into_any(),
        (Some(at), Some(who)) => view! { {day_time(shell, at)}" to "{who.clone()} }.into_any(),
        (Some(at), None) => view! { {day_time(shell, at)}" to "{nobody(shell, "nobody")} }.into_any(),
    };
    let acts = may_change.then(|| {
        let take = format!("{}#override", with_query(PATH, &[("schedule", card.named.slug.as_str())]));
        let name = card.named.name.clone();
        view! {
            <span class="hr-acts">
                <a class="hr-btn hr-btn--small" href=take aria-label=format!("Take a shift of {name}")>"Take a shift…"</a>
                <a class="hr-btn hr-btn--small" href=schedule_path(&card.named.slug) aria-label=format!("Edit {name}")>"Edit"</a>
                <a
                    class="hr-btn hr-btn--small"
                    href=format!("{}/delete", schedule_path(&card.named.slug))
                    aria-label=format!("Delete {name}")
                >
                    "Delete…"
                </a>
            </span>
        }
    });
    let layers = card.layers.iter().map(|layer| view! { <li>{layer.clone()}</li> }).collect_view();
    let warnings = card.warnings.iter().map(|text| strip(shell, Tone::Warn, text.clone().into_any())).collect_view();
    view! {
        <section class="hr-card hr-rota" aria-labelledby=heading.clone()>
            <div class="hr-card__head">
                <h2 id=heading.clone()>{card.named.name.clone()}</h2>
                {acts}
            </div>
            <dl class="hr-facts">
                <div><dt>"On call now"</dt><dd>{now}</dd></div>
                <div><dt>"Next hand-over"</dt><dd>{next}</dd></div>
                <div><dt>"Turns"</dt><dd><ul>{layers}</ul></dd></div>
            </dl>
            {warnings}
            {gaps(shell, card)}
            {strip_of(shell, card)}
            {shift_list(shell, card)}
        </section>
    }
    .into_any()
}

/// The times in which nobody is on call, in words.
fn gaps(shell: &ShellModel, card: &ScheduleCard) -> AnyView {
    const MOST: usize = 5;
    let gaps: Vec<&ShiftRow> = card.shifts.iter().filter(|shift| shift.who.is_none()).collect();
    if gaps.is_empty() {
        return view! {
            <p><span class="hr-level hr-level--ok hr-wraps">{state_icon(shell, "state-ok")}"Somebody is on call at all times of the next 14 days."</span></p>
        }
        .into_any();
    }
    let items = gaps
        .iter()
        .take(MOST)
        .map(|gap| {
            let lasts = format::duration(gap.until_ms - gap.from_ms);
            view! { <li>{day_time(shell, gap.from_ms)}" to "{day_time(shell, gap.until_ms)}{format!(" ({lasts})")}</li> }
        })
        .collect_view();
    let more = gaps.len().saturating_sub(MOST);
    let more = (more > 0).then(|| view! { <li>{format!("and {more} more")}</li> });
    let body = view! { <p><strong>"Nobody is on call:"</strong></p><ul>{items}{more}</ul> };
    strip(shell, Tone::Critical, body.into_any())
}

/// Two weeks at a glance. The list below it says the same in words.
fn strip_of(shell: &ShellModel, card: &ScheduleCard) -> Option<AnyView> {
    let (first, last) = (card.shifts.first()?, card.shifts.last()?);
    let whole = (last.until_ms - first.from_ms).max(1) as f64;
    let parts = card
        .shifts
        .iter()
        .map(|shift| {
            let part = (shift.until_ms - shift.from_ms) as f64 / whole * 100.0;
            let class = match &shift.who {
                None => "hr-rota__part hr-rota__part--none".to_owned(),
                Some(_) => format!("hr-rota__part hr-rota__part--{}", shift.number % MARKS + 1),
            };
            let who = shift.who.clone().unwrap_or_else(|| "nobody".to_owned());
            let (from, until) = (day_time_text(shell, shift.from_ms), day_time_text(shell, shift.until_ms));
            let title = format!("{who}, {from} to {until}");
            view! { <span class=class style=format!("flex:{part:.3} 1 0") title=title>{who.clone()}</span> }
        })
        .collect_view();
    // Names that have no room are left to the list.
    let class = match card.shifts.len() {
        0..=6 => "hr-rota__strip",
        7..=28 => "hr-rota__strip hr-rota__strip--several",
        _ => "hr-rota__strip hr-rota__strip--several hr-rota__strip--many",
    };
    let edge = |at: i64| format::day_month(shell.zone.local(at));
    Some(
        view! {
            <div class=class aria-hidden="true">{parts}</div>
            <div class="hr-rota__axis" aria-hidden="true">
                <span>{edge(first.from_ms)}</span>
                <span>{edge(i64::midpoint(first.from_ms, last.until_ms))}</span>
                <span>{edge(last.until_ms)}</span>
            </div>
        }
        .into_any(),
    )
}

fn weekday(zone: &ZoneSlice, at: i64) -> String {
    zone.local(at).format("%a").to_string()
}

fn shift_list(shell: &ShellModel, card: &ScheduleCard) -> AnyView {
    let rows = card
        .shifts
        .iter()
        .map(|shift| {
            let who = match &shift.who {
                Some(who) => who.clone().into_any(),
                None => nobody(shell, "nobody"),
            };
            let by = shift.is_override.then(|| view! { <span class="hr-pill">"stands in"</span> });
            let lasts = format::duration(shift.until_ms - shift.from_ms);
            view! {
                <li>
                    <span class="hr-rota__when">
                        {weekday(&shell.zone, shift.from_ms)}" "{day_time(shell, shift.from_ms)}" – "
                        {weekday(&shell.zone, shift.until_ms)}" "{day_time(shell, shift.until_ms)}
                    </span>
                    <span>{who}" "{by}" "<small class="hr-muted">{lasts}</small></span>
                </li>
            }
        })
        .collect_view();
    view! {
        <details class="hr-rota__all">
            <summary>{icon(shell, "chevron-down")}{format!("Shifts of the next 14 days ({})", card.shifts.len())}</summary>
            <ol class="hr-rota__list">{rows}</ol>
        </details>
    }
    .into_any()
}

fn override_form(shell: &ShellModel, model: &SchedulesModel, form: &OverrideForm) -> AnyView {
    let schedules: Vec<(&str, String)> =
        model.schedules.iter().map(|card| (card.named.slug.as_str(), card.named.name.clone())).collect();
    view! {
        <form class="hr-form" method="post" action="/oncall/overrides" id="override">
            {csrf(shell)}
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Take a shift"</legend>
                <p class="hr-muted">"Whoever stands in counts more than any turn, and the last one who does counts most."</p>
                <div class="hr-form__row">
                    {choice(shell, SCHEDULE, &form.schedule, &schedules)}
                    {input(shell, PERSON, &form.person, None)}
                </div>
                <div class="hr-form__row">
                    {input(shell, FROM, &form.from, None)}
                    {input(shell, UNTIL, &form.until, None)}
                </div>
                {input(shell, NOTE, &form.note, None)}
                <div class="hr-form__foot"><button class="hr-btn hr-btn--primary" type="submit">"Take shift"</button></div>
            </fieldset>
        </form>
    }
    .into_any()
}

fn policies(shell: &ShellModel, model: &SchedulesModel, may_change: bool) -> AnyView {
    let cards = if model.policies.is_empty() {
        let text =
            "No policy yet: shared channels are told at once, after 5 and after 15 min; nobody is asked in person.";
        let action = may_change.then(|| Link { label: "New policy".into(), href: "/oncall/policies/new".into() });
        empty(shell, text, action.as_ref())
    } else {
        model.policies.iter().map(|card| policy_card(shell, card, may_change)).collect_view().into_any()
    };
    view! {
        <section class="hr-card hr-rota" aria-labelledby="policies-title" id="policies">
            <div class="hr-card__head"><h2 id="policies-title">"Escalation policies"</h2></div>
            {cards}
        </section>
    }
    .into_any()
}

fn policy_card(shell: &ShellModel, card: &PolicyCard, may_change: bool) -> AnyView {
    let edit = may_change.then(|| {
        let href = policy_path(&card.named.slug);
        let (edit, delete) = (format!("Edit {}", card.named.name), format!("Delete {}", card.named.name));
        let gone = format!("{href}/delete");
        view! {
            <span class="hr-acts">
                <a class="hr-btn hr-btn--small" href=href aria-label=edit>"Edit"</a>
                <a class="hr-btn hr-btn--small" href=gone aria-label=delete>"Delete…"</a>
            </span>
        }
    });
    let whose = if card.owners.is_empty() {
        "for everybody who has no other policy".to_owned()
    } else {
        format!("for {}", card.owners.join(", "))
    };
    let rounds = if card.rounds == 1 { "1 round".to_owned() } else { format!("{} rounds", card.rounds) };
    let steps = card.steps.iter().map(|step| step_row(shell, step)).collect_view();
    let warnings = (!card.warnings.is_empty()).then(|| {
        let items = card.warnings.iter().map(|text| view! { <li>{text.clone()}</li> }).collect_view();
        strip(shell, Tone::Warn, view! { <ul>{items}</ul> }.into_any())
    });
    view! {
        <article class="hr-rota__policy">
            <div class="hr-card__head">
                <h3>{card.named.name.clone()}</h3>
                <span class="hr-card__sub">{whose}</span>
                {edit}
            </div>
            {warnings}
            <ol class="hr-rota__list">{steps}</ol>
            <p class="hr-muted">
                {format!("{rounds}, {} each; then everybody else is told that nobody answered.", format::duration(card.round_ms))}
            </p>
        </article>
    }
    .into_any()
}

fn step_row(shell: &ShellModel, step: &PolicyStepRow) -> AnyView {
    let when =
        if step.after_ms == 0 { "at once".to_owned() } else { format!("after {}", format::duration(step.after_ms)) };
    let asked = if step.asked.is_empty() {
        nobody(shell, "nobody now")
    } else {
        view! { <span class="hr-muted">{format!("now {}", step.asked.join(", "))}</span> }.into_any()
    };
    view! {
        <li>
            <span class="hr-rota__when">{when}</span>
            <span>{step.targets.join(", ")}" · "{asked}</span>
        </li>
    }
    .into_any()
}

/// `/oncall/schedules/{schedule}/delete` and `/oncall/policies/{policy}/delete`
pub fn rota_delete(shell: &ShellModel, model: &RotaDeleteModel) -> AnyView {
    let own = match model.noun {
        "policy" => policy_path(&model.subject.slug),
        _ => schedule_path(&model.subject.slug),
    };
    let heading = format!("Delete {} {}?", model.noun, model.subject.name);
    let frame = Frame { section: Some("On-call"), crumbs: crumbs(), ..Frame::plain(heading) };
    let effects = model.effects.iter().map(|effect| view! { <li>{effect.clone()}</li> }).collect_view();
    let content = view! {
        {alert_nav(shell, PATH)}
        {model.error.as_ref().map(|error| strip(shell, Tone::Critical, error.clone().into_any()))}
        <form class="hr-form" method="post" action=format!("{own}/delete")>
            {csrf(shell)}
            <div class="hr-card hr-prose">
                <h2>"What happens"</h2>
                <ul>{effects}</ul>
                <h2>"What stays"</h2>
                <ul><li>"The audit trail keeps how it was; it can be made again from there."</li></ul>
            </div>
            <div class="hr-form__foot">
                <a class="hr-btn" href=PATH>"Cancel"</a>
                <button class="hr-btn hr-btn--danger" type="submit">{format!("Delete {}", model.noun)}</button>
            </div>
        </form>
    };
    document(shell, frame, content.into_any())
}

fn policy_path(slug: &str) -> String {
    format!("/oncall/policies/{}", encode(slug))
}

fn crumbs() -> Vec<Link> {
    vec![Link { label: "Schedules".into(), href: PATH.into() }]
}

/// `/oncall/schedules/new` and `/oncall/schedules/{schedule}`
pub fn schedule_form(shell: &ShellModel, model: &ScheduleFormModel) -> AnyView {
    let (heading, action, version) = match &model.mode {
        FormMode::New => ("New schedule".to_owned(), format!("{PATH}/new"), None),
        FormMode::Edit { subject, version } => {
            (format!("Edit {}", subject.name), schedule_path(&subject.slug), Some(version.clone()))
        }
    };
    let is_new = version.is_none();
    let frame = Frame { section: Some("On-call"), crumbs: crumbs(), ..Frame::plain(heading) };
    if let Some(text) = &model.blocked {
        let content = view! {
            {alert_nav(shell, PATH)}
            {strip(shell, Tone::Info, text.clone().into_any())}
            <p><a class="hr-btn" href=PATH>"Back to the schedules"</a></p>
        };
        return document(shell, frame, content.into_any());
    }
    let fields = [
        (NAME.id, NAME.label, &model.name),
        (SLUG.id, SLUG.label, &model.slug),
        (ZONE.id, ZONE.label, &model.zone),
        (PEOPLE.id, PEOPLE.label, &model.people),
        (EVERY.id, EVERY.label, &model.every),
        (WEEKDAY.id, WEEKDAY.label, &model.weekday),
        (AT.id, AT.label, &model.at),
        (START.id, START.label, &model.start),
    ];
    let every = [("day", "Every day".to_owned()), ("week", "Every week".to_owned())];
    let days: Vec<(&str, String)> =
        headroom_domain::alert::rota::Weekday::ALL.iter().map(|day| (day.as_str(), day.label().to_owned())).collect();
    let slug = is_new.then(|| input(shell, SLUG, &model.slug, None));
    let keeps = (!model.keeps.is_empty()).then(|| {
        let items = model.keeps.iter().map(|text| view! { <li>{text.clone()}</li> }).collect_view();
        strip(shell, Tone::Info, view! { <p>"This form leaves as it is:"</p><ul>{items}</ul> }.into_any())
    });
    let content = view! {
        {alert_nav(shell, PATH)}
        {error_summary(shell, model.error.as_deref(), &fields)}
        <form class="hr-form" method="post" action=action>
            {csrf(shell)}
            {version.map(|version| view! { <input type="hidden" name="version" value=version/> })}
            {keeps}
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Who is on call"</legend>
                <div class="hr-form__row">{input(shell, NAME, &model.name, None)}{slug}</div>
                {lines(shell, PEOPLE, &model.people, 4)}
            </fieldset>
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"When the next one takes over"</legend>
                <div class="hr-form__row">
                    {choice(shell, EVERY, &model.every, &every)}
                    {choice(shell, WEEKDAY, &model.weekday, &days)}
                    {input(shell, AT, &model.at, None)}
                </div>
                <div class="hr-form__row">
                    {input(shell, START, &model.start, None)}
                    {input(shell, ZONE, &model.zone, Some("zones"))}
                </div>
                {datalist("zones", &model.zones)}
            </fieldset>
            <div class="hr-form__foot">
                <button class="hr-btn hr-btn--primary" type="submit">{if is_new { "Create schedule" } else { "Save changes" }}</button>
                <a class="hr-btn hr-btn--quiet" href=PATH>"Cancel"</a>
            </div>
        </form>
    };
    document(shell, frame, content.into_any())
}

/// `/oncall/policies/new` and `/oncall/policies/{policy}`
pub fn policy_form(shell: &ShellModel, model: &PolicyFormModel) -> AnyView {
    let (heading, action, version) = match &model.mode {
        FormMode::New => ("New policy".to_owned(), "/oncall/policies/new".to_owned(), None),
        FormMode::Edit { subject, version } => {
            (format!("Edit {}", subject.name), policy_path(&subject.slug), Some(version.clone()))
        }
    };
    let is_new = version.is_none();
    let frame = Frame { section: Some("On-call"), crumbs: crumbs(), ..Frame::plain(heading) };
    let fields = [
        (POLICY_NAME.id, POLICY_NAME.label, &model.name),
        (POLICY_SLUG.id, POLICY_SLUG.label, &model.slug),
        (OWNERS.id, OWNERS.label, &model.owners),
        (STEPS.id, STEPS.label, &model.steps),
        (ROUND.id, ROUND.label, &model.round),
        (ROUNDS.id, ROUNDS.label, &model.rounds),
    ];
    let known = if model.schedules.is_empty() {
        "There is no schedule yet.".to_owned()
    } else {
        let slugs: Vec<&str> = model.schedules.iter().map(|named| named.slug.as_str()).collect();
        format!("Schedules: {}.", slugs.join(", "))
    };
    let slug = is_new.then(|| input(shell, POLICY_SLUG, &model.slug, None));
    let content = view! {
        {alert_nav(shell, PATH)}
        {error_summary(shell, model.error.as_deref(), &fields)}
        <form class="hr-form" method="post" action=action>
            {csrf(shell)}
            {version.map(|version| view! { <input type="hidden" name="version" value=version/> })}
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Who is asked, one after the other"</legend>
                <div class="hr-form__row">{input(shell, POLICY_NAME, &model.name, None)}{slug}</div>
                {lines(shell, STEPS, &model.steps, 4)}
                <p class="hr-field__help">{known}</p>
                <div class="hr-form__row">
                    {input(shell, ROUND, &model.round, None)}
                    {input(shell, ROUNDS, &model.rounds, None)}
                </div>
                {lines(shell, OWNERS, &model.owners, 2)}
                {check(ACKNOWLEDGE, model.acknowledge)}
            </fieldset>
            <div class="hr-form__foot">
                <button class="hr-btn hr-btn--primary" type="submit">{if is_new { "Create policy" } else { "Save changes" }}</button>
                <a class="hr-btn hr-btn--quiet" href=PATH>"Cancel"</a>
            </div>
        </form>
    };
    document(shell, frame, content.into_any())
}
