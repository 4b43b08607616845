//! `/planner/edit`: every field of a reservation, its occurrences, its history.

use headroom_domain::plan::terms::Shrink;
use headroom_domain::reservation::ReservationKind;
use leptos::prelude::*;

use super::review::field_change;
use super::{ACT, address, hidden};
use crate::components::field::{Ask, Mode, choice, csrf, datalist, error_summary, input, lines};
use crate::components::icon::icon;
use crate::components::shell::{Frame, document};
use crate::components::state::{Tone, empty, strip};
use crate::components::value::instant;
use crate::model::{
    ChangeVerb, Field, FormTab, HistoryRow, Link, OccurrenceRow, ReservationFormModel, ShellModel, TermsForm,
};

const NAME: Ask =
    Ask::new("name", "Name", "What files and people call it in this pool: a–z, 0–9 and hyphens, for example q4-peak.")
        .takes(Mode::Code);
const TENANT: Ask = Ask::new("tenant", "Tenant", "Whose slots these are.").takes(Mode::Code);
const KIND: Ask = Ask::new("kind", "Kind", "Guaranteed slots are always there; burst ones while others leave room.");
const SLOTS: Ask = Ask::new("slots", "Slots", "Promised at every minute, a whole number from 1.").takes(Mode::Whole);
const START: Ask =
    Ask::new("start", "Start", "On the clock of the zone below, for example 2026-11-28 09:00.").takes(Mode::Code);
const END: Ask =
    Ask::new("end", "End", "The first minute after it; empty is until further notice.").optional().takes(Mode::Code);
const ZONE: Ask = Ask::new("zone", "Time zone", "For example Europe/Berlin; wall-clock times stay when clocks change.")
    .takes(Mode::Code);
const REPEAT: Ask = Ask::new(
    "repeat",
    "Repeats",
    "Empty is once. A rule such as FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;UNTIL=20261231; common ones are offered.",
)
.optional()
.takes(Mode::Code);
const EXCEPT: Ask =
    Ask::new("except", "Except on", "Days on which no occurrence starts, such as 2026-12-24 2026-12-25.")
        .optional()
        .takes(Mode::Code);
const OVERRIDES: Ask = Ask::new(
    "overrides",
    "Temporary changes",
    "Other slots for a while, one a line: 2026-11-28T00:00/2026-11-29T00:00=40. Afterwards the usual ones hold again.",
)
.optional()
.takes(Mode::Code);
const CEILING: Ask =
    Ask::new("ceiling", "Ceiling", "Most slots the tenant may hold; empty is no limit but the pool's.")
        .optional()
        .takes(Mode::Whole);
const LENDING: Ask =
    Ask::new("lending_limit", "Lends at most", "Idle slots that others may borrow; empty is all of them.")
        .optional()
        .takes(Mode::Whole);
const BORROWING: Ask = Ask::new("borrowing_limit", "Borrows at most", "Slots beyond its own; empty is no limit.")
    .optional()
    .takes(Mode::Whole);
const PRIORITY: Ask =
    Ask::new("priority", "Priority", "0 to 9: what its slots are worth while it holds; empty is as usual.")
        .optional()
        .takes(Mode::Whole);
const LEAD: Ask = Ask::new("lead_minutes", "Free before the start", "Minutes in which its slots are no longer lent.")
    .optional()
    .takes(Mode::Whole);
const RELEASE: Ask = Ask::new(
    "release_after_minutes",
    "Released if unused",
    "Minutes after its start; empty is kept even if nothing of it is used.",
)
.optional()
.takes(Mode::Whole);
const SHRINK: Ask =
    Ask::new("shrink", "If it shrinks below what is in use", "What happens to the work above the limit.");
const DRAIN: Ask = Ask::new("drain_until", "Drain until", "A time such as 2026-11-28 12:00; with draining only.")
    .optional()
    .takes(Mode::Code);
const NOTE: Ask = Ask::new("note", "Note", "For those who read it later, at most 500 characters.").optional();

/// Rules that are offered while typing.
pub(super) const RULES: [&str; 6] = [
    "FREQ=DAILY",
    "FREQ=WEEKLY",
    "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
    "FREQ=WEEKLY;BYDAY=SA,SU",
    "FREQ=MONTHLY",
    "FREQ=MONTHLY;BYDAY=-1FR",
];

fn summary(shell: &ShellModel, error: Option<&str>, form: &TermsForm) -> Option<AnyView> {
    let fields: [(Ask, &Field); 19] = [
        (NAME, &form.name),
        (TENANT, &form.tenant),
        (SLOTS, &form.slots),
        (KIND, &form.kind),
        (START, &form.start),
        (END, &form.end),
        (ZONE, &form.zone),
        (REPEAT, &form.repeat),
        (EXCEPT, &form.except),
        (OVERRIDES, &form.overrides),
        (CEILING, &form.ceiling),
        (LENDING, &form.lending_limit),
        (BORROWING, &form.borrowing_limit),
        (PRIORITY, &form.priority),
        (LEAD, &form.lead_minutes),
        (RELEASE, &form.release_after_minutes),
        (SHRINK, &form.shrink),
        (DRAIN, &form.drain_until),
        (NOTE, &form.note),
    ];
    error_summary(shell, error, &fields.map(|(ask, field)| (ask.id, ask.label, field)))
}

/// `/planner/edit`
pub fn reservation_form(shell: &ShellModel, model: &ReservationFormModel) -> AnyView {
    let heading = match &model.reservation {
        Some(_) => format!("Edit {}", model.title),
        None => "New reservation".to_owned(),
    };
    let frame = Frame {
        section: Some("Planner"),
        sub: Some(format!("Pool {} · goes into the draft, not into the plan", model.pool.name).into_any()),
        crumbs: vec![Link { label: "Planner".into(), href: model.back.clone() }],
        ..Frame::plain(heading)
    };
    let tabs = model.reservation.as_ref().map(|reservation| tabs(shell, model, reservation));
    let gone = model.is_cancelled.then(|| {
        strip(shell, Tone::Warn, "The draft cancels this reservation. Saving it here brings it back.".into_any())
    });
    let body = match model.tab {
        FormTab::Fields => fields(shell, model),
        FormTab::Occurrences => occurrences(shell, model),
        FormTab::History => history(shell, &model.history),
    };
    document(shell, frame, view! { {tabs} {gone} {body} }.into_any())
}

fn tabs(shell: &ShellModel, model: &ReservationFormModel, reservation: &str) -> AnyView {
    let link = |tab: FormTab, label: String| {
        let pairs = [
            ("pool", model.pool.slug.as_str()),
            ("draft", &model.draft),
            ("reservation", reservation),
            ("tab", tab.slug()),
            ("back", &model.back),
        ];
        let current = (tab == model.tab).then_some("page");
        view! { <a href=address(shell, "/planner/edit", &pairs) aria-current=current>{label}</a> }
    };
    let repeats = (!model.form.repeat.value.is_empty()).then(|| link(FormTab::Occurrences, "Occurrences".to_owned()));
    view! {
        <nav class="hr-tabs" aria-label="Reservation">
            {link(FormTab::Fields, "Fields".to_owned())}
            {repeats}
            {link(FormTab::History, "History".to_owned())}
        </nav>
    }
    .into_any()
}

fn group(legend: &'static str, body: AnyView) -> AnyView {
    view! {
        <fieldset class="hr-form__group hr-card">
            <legend class="hr-form__legend">{legend}</legend>
            {body}
        </fieldset>
    }
    .into_any()
}

fn fields(shell: &ShellModel, model: &ReservationFormModel) -> AnyView {
    let form = &model.form;
    let kinds: Vec<(&str, String)> =
        ReservationKind::ALL.iter().map(|kind| (kind.as_str(), kind.label().to_owned())).collect();
    let shrinks: Vec<(&str, String)> = Shrink::ALL.iter().map(|one| (one.as_str(), one.label().to_owned())).collect();
    let tenants: Vec<String> = model.tenants.iter().map(|tenant| tenant.slug.clone()).collect();
    let rules: Vec<String> = RULES.iter().map(|rule| (*rule).to_owned()).collect();
    // What has to be said first of a new reservation: drawn on a tenant's row, the tenant is known already.
    let (is_new, names_nobody) = (model.reservation.is_none(), form.tenant.value.is_empty());
    let what = view! {
        <div class="hr-form__row">
            {input(shell, TENANT.first_if(is_new && names_nobody), &form.tenant, Some("plan-tenants"))}
            {input(shell, NAME, &form.name, None)}
        </div>
        <div class="hr-form__row">
            {input(shell, SLOTS.first_if(is_new && !names_nobody), &form.slots, None)}
            {choice(shell, KIND, &form.kind, &kinds)}
        </div>
    };
    let when = view! {
        <div class="hr-form__row">
            {input(shell, START, &form.start, None)}
            {input(shell, END, &form.end, None)}
        </div>
        <div class="hr-form__row">
            {input(shell, ZONE, &form.zone, Some("plan-zones"))}
            {input(shell, REPEAT, &form.repeat, Some("plan-rules"))}
        </div>
        <div class="hr-form__row">
            {input(shell, EXCEPT, &form.except, None)}
        </div>
        {lines(shell, OVERRIDES, &form.overrides, 2)}
    };
    let limits = view! {
        <div class="hr-form__row">
            {input(shell, CEILING, &form.ceiling, None)}
            {input(shell, PRIORITY, &form.priority, None)}
        </div>
        <div class="hr-form__row">
            {input(shell, LENDING, &form.lending_limit, None)}
            {input(shell, BORROWING, &form.borrowing_limit, None)}
        </div>
        <div class="hr-form__row">
            {input(shell, LEAD, &form.lead_minutes, None)}
            {input(shell, RELEASE, &form.release_after_minutes, None)}
        </div>
        <div class="hr-form__row">
            {choice(shell, SHRINK, &form.shrink, &shrinks)}
            {input(shell, DRAIN, &form.drain_until, None)}
        </div>
    };
    let cancel =
        model.reservation.as_ref().filter(|_| !model.is_cancelled).map(|reservation| cancel(shell, model, reservation));
    view! {
        {summary(shell, model.error.as_deref(), form)}
        <form class="hr-form hr-plan-form" method="post" action="/planner/edit" novalidate=true>
            {csrf(shell)}
            {hidden("pool", &model.pool.slug)}
            {hidden("draft", &model.draft)}
            {hidden("version", &model.version)}
            {hidden("reservation", model.reservation.as_deref().unwrap_or_default())}
            {hidden("back", &model.back)}
            {group("What", what.into_any())}
            {group("When", when.into_any())}
            {group("Limits and use", limits.into_any())}
            {group("Note", lines(shell, NOTE, &form.note, 2))}
            <div class="hr-form__foot">
                <button class="hr-btn hr-btn--primary" type="submit">"Save to draft"</button>
                <a class="hr-btn" href=model.back.clone()>"Back"</a>
            </div>
            {datalist("plan-tenants", &tenants)}
            {datalist("plan-zones", &model.zones)}
            {datalist("plan-rules", &rules)}
        </form>
        {cancel}
    }
    .into_any()
}

/// What every act on the reservation sends along.
fn about(shell: &ShellModel, model: &ReservationFormModel, reservation: &str) -> AnyView {
    view! {
        {csrf(shell)}
        {hidden("pool", &model.pool.slug)}
        {hidden("draft", &model.draft)}
        {hidden("version", &model.version)}
        {hidden("reservation", reservation)}
        {hidden("back", &model.back)}
    }
    .into_any()
}

fn cancel(shell: &ShellModel, model: &ReservationFormModel, reservation: &str) -> AnyView {
    view! {
        <form class="hr-card hr-plan-cancel" method="post" action=ACT>
            {about(shell, model, reservation)}
            <p>
                <strong>"Cancel this reservation. "</strong>
                "It goes into the draft too and can be undone; what is promised stays until the draft is published."
            </p>
            <button class="hr-btn" type="submit" name="do" value="cancel">{icon(shell, "x")}{format!("Cancel {}", model.title)}</button>
        </form>
    }
    .into_any()
}

fn occurrence(shell: &ShellModel, model: &ReservationFormModel, row: &OccurrenceRow) -> AnyView {
    let reservation = model.reservation.as_deref().unwrap_or_default();
    let (word, act) = if row.is_skipped { ("Bring back", "unskip") } else { ("Skip", "skip") };
    let state = row.is_skipped.then(|| view! { <span class="hr-pill">"skipped"</span> });
    let name = format!("{word} {}", row.text);
    view! {
        <li>
            <span>{row.text.clone()}" "{state}</span>
            <form method="post" action=ACT>
                {about(shell, model, reservation)}
                {hidden("day", &row.day)}
                <button class="hr-btn hr-btn--small" type="submit" name="do" value=act aria-label=name>{word}</button>
            </form>
        </li>
    }
    .into_any()
}

fn occurrences(shell: &ShellModel, model: &ReservationFormModel) -> AnyView {
    let rows = model.occurrences.iter().map(|row| occurrence(shell, model, row)).collect_view();
    let body = if model.occurrences.is_empty() {
        empty(shell, "No occurrence is to come.", None)
    } else {
        view! { <ul class="hr-plan-occurrences">{rows}</ul> }.into_any()
    };
    view! {
        <section class="hr-card" aria-labelledby="occurrences-title">
            <div class="hr-card__head"><h2 id="occurrences-title">"Occurrences to come"</h2></div>
            {body}
        </section>
    }
    .into_any()
}

fn history(shell: &ShellModel, rows: &[HistoryRow]) -> AnyView {
    let items = rows
        .iter()
        .map(|row| {
            let fields = row.fields.iter().map(field_change).collect_view();
            let fields = (row.verb == ChangeVerb::Edit).then(|| view! { <dl class="hr-plan-fields">{fields}</dl> });
            let reason = (!row.reason.is_empty()).then(|| view! { <p>{row.reason.clone()}</p> });
            view! {
                <li class="hr-plan-change">
                    <p class="hr-plan-change__head">
                        {instant(shell, row.at_ms)}
                        <strong>{row.who.clone()}</strong>
                        <span class="hr-muted">{format!("{} · {}", row.verb.word(), row.via)}</span>
                    </p>
                    {reason}
                    {fields}
                </li>
            }
        })
        .collect_view();
    let body = if rows.is_empty() {
        empty(shell, "Nothing of it was published yet.", None)
    } else {
        view! { <ol class="hr-plan-changes">{items}</ol> }.into_any()
    };
    view! {
        <section class="hr-card" aria-labelledby="history-title">
            <div class="hr-card__head">
                <h2 id="history-title">"History"</h2>
                <a href="/audit?kind=reservation">"Audit trail"</a>
            </div>
            {body}
        </section>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use headroom_domain::plan::change::Field as Known;

    #[test]
    fn every_field_of_the_terms_can_be_written() {
        let source = include_str!("form.rs");
        for field in Known::ALL {
            assert!(source.contains(&format!("\"{}\"", field.as_str())), "{}", field.as_str());
        }
    }
}
