//! The form of a tenant: new, or edit with a second form for its quotas.

use headroom_domain::format;
use leptos::prelude::*;

use crate::components::field::{Ask, Mode, choice, csrf, datalist, error_summary, input};
use crate::components::icon::icon;
use crate::components::shell::{Frame, document};
use crate::components::value::instant;
use crate::model::{Field, FormMode, Link, QuotaForm, ShellModel, TenantForm, TenantFormModel};
use crate::url::tenant_path;

const NAME: Ask = Ask::new("name", "Name", "What people call it, for example Acme Search.");
const SLUG: Ask =
    Ask::new("slug", "Identifier", "Used in links and by the API: a–z, 0–9 and hyphens, for example acme-search.")
        .takes(Mode::Code);
const TIER: Ask =
    Ask::new("tier", "Priority tier", "For example gold; tenants of a higher tier are served first.").optional();
const COST_CENTRE: Ask = Ask::new("cost_centre", "Cost centre", "Where its use is booked.").optional();
const WEIGHT: Ask = Ask::new(
    "weight",
    "Weight",
    "1 to 10000. Its fair share is its weight among those of all tenants that use something; 1 is usual.",
)
.optional()
.takes(Mode::Whole);
const OWNER: Ask = Ask::new("owner", "Owner team", "Who is asked when it uses more than its share.").optional();
const POOL: Ask = Ask::new("pool", "Pool", "The pool the quota holds in.");
const SLOTS: Ask =
    Ask::new("slots", "Most slots", "A whole number; leave empty to remove the quota.").optional().takes(Mode::Whole);
const EFFECTIVE: Ask =
    Ask::new("effective", "In force from", "A time such as 2026-11-28 00:00 in the zone of this page; empty is now.")
        .optional()
        .takes(Mode::Code);

/// `/tenants/new` and `/tenants/{tenant}/edit`
pub fn tenant_form(shell: &ShellModel, model: &TenantFormModel) -> AnyView {
    let back = Link { label: "Tenants".into(), href: "/tenants".into() };
    let (heading, crumbs, action, cancel, version) = match &model.mode {
        FormMode::New => ("New tenant".to_owned(), vec![back], "/tenants/new".to_owned(), "/tenants".to_owned(), None),
        FormMode::Edit { subject, version } => {
            let path = tenant_path(&subject.slug);
            let tenant = Link { label: subject.name.clone(), href: path.clone() };
            (format!("Edit {}", subject.name), vec![back, tenant], format!("{path}/edit"), path, Some(version.clone()))
        }
    };
    let frame = Frame { section: Some("Tenants"), crumbs, ..Frame::plain(heading) };
    let form = &model.form;
    let is_new = model.mode == FormMode::New;
    let rename = (!is_new).then(|| {
        view! { <p class="hr-field__help">"Changing the identifier keeps the old links: they lead to the new one."</p> }
    });
    let save = if is_new { "Create tenant" } else { "Save changes" };
    let content = view! {
        {error_summary(shell, model.error.as_deref(), &errors(form, &model.quota))}
        <form class="hr-form" method="post" action=action>
            {csrf(shell)}
            {version.map(|version| view! { <input type="hidden" name="version" value=version/> })}
            <fieldset class="hr-form__group hr-card">
                <legend class="hr-form__legend">"Who it is"</legend>
                <div class="hr-form__row">
                    {input(shell, NAME, &form.name, None)}
                    {input(shell, SLUG, &form.slug, None)}
                </div>
                {rename}
                <div class="hr-form__row">
                    {input(shell, TIER, &form.tier, None)}
                    {input(shell, COST_CENTRE, &form.cost_centre, None)}
                    {input(shell, OWNER, &form.owner, Some("owners"))}
                    {input(shell, WEIGHT, &form.weight, None)}
                </div>
            </fieldset>
            <div class="hr-form__foot">
                <button class="hr-btn hr-btn--primary" type="submit">{save}</button>
                <a class="hr-btn hr-btn--quiet" href=cancel>"Cancel"</a>
            </div>
            {datalist("owners", &model.known_owners)}
        </form>
        {quota_form(shell, model)}
    };
    document(shell, frame, content.into_any())
}

fn quota_form(shell: &ShellModel, model: &TenantFormModel) -> Option<AnyView> {
    let FormMode::Edit { subject, version } = &model.mode else {
        return None;
    };
    let path = tenant_path(&subject.slug);
    let rows = model
        .quotas
        .iter()
        .map(|row| {
            view! {
                <tr>
                    <th scope="row">{row.subject.name.clone()}</th>
                    <td class="hr-num">{format::count(row.slots)}</td>
                    <td>{instant(shell, row.from_ms)}</td>
                </tr>
            }
        })
        .collect_view();
    let in_force = if model.quotas.is_empty() {
        view! { <p class="hr-muted">"No quota is in force."</p> }.into_any()
    } else {
        view! {
            <div class="hr-scroll" role="group" tabindex="0" aria-label="Quotas in force">
            <table class="hr-table hr-table--plain">
                <caption class="hr-vh">"Quotas in force"</caption>
                <thead><tr><th scope="col">"Pool"</th><th scope="col" class="hr-num">"Most slots"</th><th scope="col">"Since"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
            </div>
        }
        .into_any()
    };
    let pools: Vec<(&str, String)> = model.pools.iter().map(|pool| (pool.slug.as_str(), pool.name.clone())).collect();
    Some(
        view! {
            <form class="hr-form" method="post" action=format!("{path}/quota") id="quota">
                {csrf(shell)}
                <input type="hidden" name="version" value=version.clone()/>
                <fieldset class="hr-form__group hr-card">
                    <legend class="hr-form__legend">"Quotas"</legend>
                    {in_force}
                    <div class="hr-form__row">
                        {choice(shell, POOL, &model.quota.pool, &pools)}
                        {input(shell, SLOTS, &model.quota.slots, None)}
                        {input(shell, EFFECTIVE, &model.quota.effective, None)}
                    </div>
                    <p class="hr-field__help">{format!("Times are in {}.", shell.zone.name())}</p>
                    <div class="hr-form__foot">
                        <button class="hr-btn hr-btn--primary" type="submit">"Set quota"</button>
                    </div>
                </fieldset>
            </form>
            <section class="hr-card" style="max-inline-size:46rem" aria-labelledby="archive-title">
                <div class="hr-card__head"><h2 id="archive-title">"Archive"</h2></div>
                <p class="hr-muted">"An archived tenant leaves the lists; its metering stays exact and readable."</p>
                <p class="hr-card__foot"><a class="hr-btn" href=format!("{path}/archive")>{icon(shell, "archive")}"Archive…"</a></p>
            </section>
        }
        .into_any(),
    )
}

fn errors<'a>(form: &'a TenantForm, quota: &'a QuotaForm) -> [(&'static str, &'static str, &'a Field); 9] {
    let of = |ask: Ask, field: &'a Field| (ask.name, ask.label, field);
    [
        of(NAME, &form.name),
        of(SLUG, &form.slug),
        of(TIER, &form.tier),
        of(COST_CENTRE, &form.cost_centre),
        of(OWNER, &form.owner),
        of(WEIGHT, &form.weight),
        of(POOL, &quota.pool),
        of(SLOTS, &quota.slots),
        of(EFFECTIVE, &quota.effective),
    ]
}
