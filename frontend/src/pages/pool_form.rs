//! The form of a pool: new, or edit with a second form for its capacity.

use headroom_domain::pool::{Consistency, Granting, Lifetime, OnLoss, PoolKind, Sizing};
use leptos::prelude::*;

use crate::components::field::{Ask, Mode, choice, csrf, datalist, error_summary, input, lines};
use crate::components::icon::icon;
use crate::components::shell::{Frame, document};
use crate::model::{CapacityForm, Field, FormMode, Link, PoolForm, PoolFormModel, ShellModel};
use crate::url::pool_path;

const NAME: Ask = Ask::new("name", "Name", "What people call it, for example Ingress Europe.");
const SLUG: Ask =
    Ask::new("slug", "Identifier", "Used in links and by the API: a–z, 0–9 and hyphens, for example ingress-eu.")
        .takes(Mode::Code);
const DESCRIPTION: Ask =
    Ask::new("description", "What it is for", "One or two sentences for somebody who sees it for the first time.")
        .optional();
const KIND: Ask = Ask::new("kind", "Kind", "Decides what the pool's page shows beside occupancy.");
const MIN: Ask = Ask::new("min_slots", "Smallest size", "Slots; the least an autoscaler or a plan may leave.")
    .optional()
    .takes(Mode::Whole);
const MAX: Ask = Ask::new("max_slots", "Largest size", "Slots; the most an autoscaler or a plan may ask for.")
    .optional()
    .takes(Mode::Whole);
const COST: Ask = Ask::new(
    "unit_cost",
    "Price of a slot-hour",
    "A decimal number such as 0.0125, in the organisation's currency; leave empty to show no money.",
)
.optional()
.takes(Mode::Decimal);
const ELASTIC: Ask = Ask::new(
    "elastic_price",
    "Price of a slot-hour without a reservation",
    "A decimal number such as 0.09; leave empty if it is the price above. The waste report then says how much to reserve in each hour of the week.",
)
.optional()
.takes(Mode::Decimal);
const OWNER: Ask = Ask::new("owner", "Owner team", "Who is called when it is full.").optional();
const RUNBOOK: Ask = Ask::new("runbook_url", "Runbook", "An https address that says what to do when it is full.")
    .optional()
    .takes(Mode::Url);
const LABELS: Ask =
    Ask::new("labels", "Labels", "One key=value per line, for example env=prod.").optional().takes(Mode::Code);
const REGION: Ask = Ask::new("region", "Region", "Where it runs, for example eu-west.").optional();
const SERVICES: Ask = Ask::new("services", "Services", "One per line: service, or service and endpoint; end the line with ! if customers notice its failure. For example: checkout /pay !").optional().takes(Mode::Code);
const ZONE: Ask = Ask::new(
    "zone",
    "Billing zone",
    "Days of this pool's bills and imports are days of this time zone, for example Europe/Berlin.",
);
const SIZING: Ask = Ask::new("sizing", "Size", "Static: people change it. Dynamic: an autoscaler does.");
const GRANTING: Ask =
    Ask::new("granting", "Slots are", "Assignable: claimed one by one. Reservable: promised to tenants ahead of use.");
const LIFETIME: Ask = Ask::new("lifetime", "Held", "Ephemeral: seconds to minutes. Long-lived: hours to months.");
const CONSISTENCY: Ask =
    Ask::new("consistency", "Consistency", "Strong: never one slot too many. Eventual: may run over for a moment.");
const ON_LOSS: Ask = Ask::new("on_loss", "When a slot is lost", "What happens to the work in it.");
const FEED: Ask = Ask::new(
    "feed_period_s",
    "Seconds between samples",
    "Data is late after three of them; leave empty for imported history.",
)
.optional()
.takes(Mode::Whole);
const SLOTS: Ask = Ask::new("slots", "Configured slots", "A whole number, 0 or more.").takes(Mode::Whole);
const DOWN: Ask =
    Ask::new("planned_down", "Of these planned down", "Slots that are out of use on purpose; empty is 0.")
        .optional()
        .takes(Mode::Whole);
const EFFECTIVE: Ask = Ask::new(
    "effective",
    "In force from",
    "A time such as 2026-11-28 00:00 in the zone of this page, past or future; empty is now.",
)
.optional()
.takes(Mode::Code);
const REASON: Ask = Ask::new("reason", "Why", "Kept in the history, for example: new nodes in rack 4.").optional();

/// `/pools/new` and `/pools/{pool}/edit`
pub fn pool_form(shell: &ShellModel, model: &PoolFormModel) -> AnyView {
    let back = Link { label: "Pools".into(), href: "/pools".into() };
    let (heading, crumbs, action, version) = match &model.mode {
        FormMode::New => ("New pool".to_owned(), vec![back], "/pools/new".to_owned(), None),
        FormMode::Edit { subject, version } => {
            let path = pool_path(&subject.slug);
            let pool = Link { label: subject.name.clone(), href: path.clone() };
            (format!("Edit {}", subject.name), vec![back, pool], format!("{path}/edit"), Some(version.clone()))
        }
    };
    let frame = Frame { section: Some("Pools"), crumbs, ..Frame::plain(heading) };
    let form = &model.form;
    let is_new = model.mode == FormMode::New;
    let capacity_in_form = is_new.then(|| {
        view! {
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Capacity"</legend>
                {capacity_fields(shell, &model.capacity)}
            </fieldset>
        }
    });
    let rename = (!is_new).then(|| {
        view! { <p class="hr-field__help">"Changing the identifier keeps the old links: they lead to the new one."</p> }
    });
    let cost = model.shows_money.then(|| input(shell, COST, &form.unit_cost, None));
    let bounds = if model.shows_money { "Bounds and cost" } else { "Bounds" };
    let save = if is_new { "Create pool" } else { "Save changes" };
    let cancel = match &model.mode {
        FormMode::New => "/pools".to_owned(),
        FormMode::Edit { subject, .. } => pool_path(&subject.slug),
    };
    let content = view! {
        {error_summary(shell, model.error.as_deref(), &errors(form, &model.capacity, &model.elastic_price))}
        <form class="hr-form" method="post" action=action>
            {csrf(shell)}
            {version.map(|version| view! { <input type="hidden" name="version" value=version/> })}
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"What it is"</legend>
                <div class="hr-form__row">
                    {input(shell, NAME, &form.name, None)}
                    {input(shell, SLUG, &form.slug, None)}
                </div>
                {rename}
                {choice(shell, KIND, &form.kind, &kinds())}
                {lines(shell, DESCRIPTION, &form.description, 2)}
                <div class="hr-form__row">
                    {input(shell, OWNER, &form.owner, Some("owners"))}
                    {input(shell, REGION, &form.region, Some("regions"))}
                </div>
                {input(shell, RUNBOOK, &form.runbook_url, None)}
            </fieldset>
            {capacity_in_form}
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">{bounds}</legend>
                <div class="hr-form__row">
                    {input(shell, MIN, &form.min_slots, None)}
                    {input(shell, MAX, &form.max_slots, None)}
                </div>
                {cost}
            </fieldset>
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"How it behaves"</legend>
                <div class="hr-form__row">
                    {choice(shell, SIZING, &form.sizing, &words(Sizing::ALL, Sizing::as_str, Sizing::label))}
                    {choice(shell, GRANTING, &form.granting, &words(Granting::ALL, Granting::as_str, Granting::label))}
                </div>
                <div class="hr-form__row">
                    {choice(shell, LIFETIME, &form.lifetime, &words(Lifetime::ALL, Lifetime::as_str, Lifetime::label))}
                    {choice(shell, CONSISTENCY, &form.consistency, &words(Consistency::ALL, Consistency::as_str, Consistency::label))}
                    {choice(shell, ON_LOSS, &form.on_loss, &words(OnLoss::ALL, OnLoss::as_str, OnLoss::label))}
                </div>
                <div class="hr-form__row">
                    {input(shell, FEED, &form.feed_period_s, None)}
                    {input(shell, ZONE, &form.zone, Some("zones"))}
                </div>
            </fieldset>
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Who depends on it"</legend>
                {lines(shell, SERVICES, &form.services, 3)}
                {lines(shell, LABELS, &form.labels, 3)}
            </fieldset>
            <div class="hr-form__foot">
                <button class="hr-btn hr-btn--primary" type="submit">{save}</button>
                <a class="hr-btn hr-btn--quiet" href=cancel>"Cancel"</a>
            </div>
            {datalist("owners", &model.known_owners)}
            {datalist("regions", &model.known_regions)}
            {datalist("zones", &model.zones)}
        </form>
        {capacity_form(shell, model)}
        {elastic_form(shell, model)}
        {archive_card(shell, model)}
    };
    document(shell, frame, content.into_any())
}

fn kinds() -> Vec<(&'static str, String)> {
    PoolKind::ALL.iter().map(|kind| (kind.as_str(), format!("{}: {}", kind.label(), explanation(*kind)))).collect()
}

fn explanation(kind: PoolKind) -> &'static str {
    match kind {
        PoolKind::Fixed => "a strict limit that people change",
        PoolKind::Autoscaling => "elastic between a smallest and a largest size",
        PoolKind::Partitioned => "slots tied to data shards",
        PoolKind::TenantQuota => "shared fairly between tenants by quota",
        PoolKind::Staging => "deployment slots for blue/green and swap",
        PoolKind::RateLimited => "slots are tokens, refilled over time",
    }
}

fn words<T: Copy>(all: &[T], word: fn(T) -> &'static str, label: fn(T) -> &'static str) -> Vec<(&'static str, String)> {
    all.iter().map(|value| (word(*value), label(*value).to_owned())).collect()
}

fn capacity_fields(shell: &ShellModel, form: &CapacityForm) -> AnyView {
    view! {
        <div class="hr-form__row">
            {input(shell, SLOTS, &form.slots, None)}
            {input(shell, DOWN, &form.planned_down, None)}
        </div>
        <div class="hr-form__row">
            {input(shell, EFFECTIVE, &form.effective, None)}
            {input(shell, REASON, &form.reason, None)}
        </div>
        <p class="hr-field__help">{format!("Times are in {}.", shell.zone.name())}</p>
    }
    .into_any()
}

/// The second form on edit: capacity has a history of its own, so a change of size is not an edit of the pool.
fn capacity_form(shell: &ShellModel, model: &PoolFormModel) -> Option<AnyView> {
    let FormMode::Edit { subject, version } = &model.mode else {
        return None;
    };
    let path = pool_path(&subject.slug);
    Some(
        view! {
            <form class="hr-form" method="post" action=format!("{path}/capacity") id="capacity">
                {csrf(shell)}
                <input type="hidden" name="version" value=version.clone()/>
                <fieldset class="hr-form__group hr-card">
                    <legend class="hr-form__legend">"Change capacity"</legend>
                    {capacity_fields(shell, &model.capacity)}
                    <label class="hr-check">
                        <input type="checkbox" name="below_reserved" value="1"/>
                        "Even if more is reserved than would be left"
                    </label>
                    <div class="hr-form__foot">
                        <button class="hr-btn hr-btn--primary" type="submit">"Change capacity"</button>
                    </div>
                </fieldset>
            </form>
        }
        .into_any(),
    )
}

/// The third form on edit: the other price is read by reports only.
fn elastic_form(shell: &ShellModel, model: &PoolFormModel) -> Option<AnyView> {
    let FormMode::Edit { subject, .. } = &model.mode else {
        return None;
    };
    let action = format!("{}/elastic-price", pool_path(&subject.slug));
    model.shows_money.then(|| {
        view! {
            <form class="hr-form" method="post" action=action id="elastic-price">
                {csrf(shell)}
                <fieldset class="hr-form__group hr-card">
                    <legend class="hr-form__legend">"Without a reservation"</legend>
                    {input(shell, ELASTIC, &model.elastic_price, None)}
                    <div class="hr-form__foot"><button class="hr-btn hr-btn--primary" type="submit">"Save the price"</button></div>
                </fieldset>
            </form>
        }
        .into_any()
    })
}

fn archive_card(shell: &ShellModel, model: &PoolFormModel) -> Option<AnyView> {
    let FormMode::Edit { subject, .. } = &model.mode else {
        return None;
    };
    let path = pool_path(&subject.slug);
    Some(
        view! {
            <section class="hr-card" style="max-inline-size:46rem" aria-labelledby="archive-title">
                <div class="hr-card__head"><h2 id="archive-title">"Archive"</h2></div>
                <p class="hr-muted">"An archived pool leaves the totals from then on; its history stays readable."</p>
                <p class="hr-card__foot"><a class="hr-btn" href=format!("{path}/archive")>{icon(shell, "archive")}"Archive…"</a></p>
            </section>
        }
        .into_any(),
    )
}

fn errors<'a>(
    form: &'a PoolForm,
    capacity: &'a CapacityForm,
    elastic_price: &'a Field,
) -> [(&'static str, &'static str, &'a Field); 24] {
    let of = |ask: Ask, field: &'a Field| (ask.name, ask.label, field);
    [
        of(NAME, &form.name),
        of(SLUG, &form.slug),
        of(KIND, &form.kind),
        of(DESCRIPTION, &form.description),
        of(OWNER, &form.owner),
        of(REGION, &form.region),
        of(RUNBOOK, &form.runbook_url),
        of(SLOTS, &capacity.slots),
        of(DOWN, &capacity.planned_down),
        of(EFFECTIVE, &capacity.effective),
        of(REASON, &capacity.reason),
        of(MIN, &form.min_slots),
        of(MAX, &form.max_slots),
        of(COST, &form.unit_cost),
        of(ELASTIC, elastic_price),
        of(SIZING, &form.sizing),
        of(GRANTING, &form.granting),
        of(LIFETIME, &form.lifetime),
        of(CONSISTENCY, &form.consistency),
        of(ON_LOSS, &form.on_loss),
        of(FEED, &form.feed_period_s),
        of(ZONE, &form.zone),
        of(SERVICES, &form.services),
        of(LABELS, &form.labels),
    ]
}
