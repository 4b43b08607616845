//! Making and changing tenants, and their quotas.

use super::answer::{done, failure, page};
use super::form::{Posted, number};
use super::pool_form::{split, version};
use super::shell::{Spec, shell};
use super::visit::{Named as InPath, Visit};
use crate::app::{App, AppError, Problem};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::slug::Slug;
use headroom_frontend::model::{Field, FilterSet, FormMode, Named, QuotaForm, QuotaRow, TenantForm, TenantFormModel};
use headroom_frontend::{pages, routes::RailEntry};
use headroom_store::tenant::{Tenant, TenantFields};
use std::collections::BTreeMap;

fn spec(title: &str) -> Spec<'_> {
    Spec { title, rail: Some(RailEntry::Tenants), honoured: FilterSet::NONE, default_from: "now-1h", view: &[] }
}

/// GET `/tenants/new`.
pub(crate) async fn new(app: App, visit: Visit) -> Response {
    show(&app, &visit, StatusCode::OK, FormMode::New, TenantForm::default(), QuotaForm::default(), None).await
}

/// POST `/tenants/new`.
pub(crate) async fn create(app: App, visit: Visit, posted: Posted) -> Response {
    let mut problems = Vec::new();
    let outcome = match read(&posted, None, &mut problems) {
        Some(fields) => app.create_tenant(&fields).await,
        None => Err(AppError::Invalid(problems)),
    };
    match outcome {
        Ok(tenant) => {
            done(&format!("/tenants/{}", tenant.fields.slug), &format!("Tenant {} was created.", tenant.fields.name))
        }
        Err(error) => refused(&app, &visit, FormMode::New, &posted, error).await,
    }
}

/// GET `/tenants/{tenant}/edit`.
pub(crate) async fn edit(app: App, InPath(slug): InPath, visit: Visit) -> Response {
    match app.tenant(&slug).await {
        Ok(tenant) => {
            show(&app, &visit, StatusCode::OK, mode(&tenant), filled(&tenant.fields), QuotaForm::default(), None).await
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// POST `/tenants/{tenant}/edit`.
pub(crate) async fn update(app: App, InPath(slug): InPath, visit: Visit, posted: Posted) -> Response {
    let before = match app.tenant(&slug).await {
        Ok(tenant) => tenant,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let mut problems = Vec::new();
    let version = version(&posted, &mut problems);
    let outcome = match read(&posted, Some(&before.fields), &mut problems) {
        Some(fields) if problems.is_empty() => app.update_tenant(&slug, version, &fields).await,
        _ => Err(AppError::Invalid(problems)),
    };
    match outcome {
        Ok(tenant) => {
            done(&format!("/tenants/{}", tenant.fields.slug), &format!("Tenant {} was changed.", tenant.fields.name))
        }
        Err(error) => refused(&app, &visit, mode(&before), &posted, error).await,
    }
}

/// POST `/tenants/{tenant}/quota`.
pub(crate) async fn quota(app: App, InPath(slug): InPath, visit: Visit, posted: Posted) -> Response {
    let before = match app.tenant(&slug).await {
        Ok(tenant) => tenant,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let mut problems = Vec::new();
    let slots = number(&posted, "slots", &mut problems);
    if posted.get("pool").is_empty() {
        problems.push(Problem::new("pool", "", "a pool"));
    }
    if !posted.get("effective").is_empty() {
        problems.push(Problem::new("effective", posted.get("effective"), "nothing: a quota takes effect at once"));
    }
    let pool = posted.get("pool").to_owned();
    let outcome =
        if problems.is_empty() { app.set_quota(&pool, &slug, slots).await } else { Err(AppError::Invalid(problems)) };
    match outcome {
        Ok(()) => {
            let sentence = match slots {
                Some(slots) => format!(
                    "Quota of {} in {pool} is now {} slots.",
                    before.fields.name,
                    headroom_domain::format::count(slots.into())
                ),
                None => format!("{} has no quota in {pool} any more.", before.fields.name),
            };
            done(&format!("/tenants/{slug}/edit"), &sentence)
        }
        Err(error) => {
            let error = match error {
                AppError::NotFound { what: "pool", slug, .. } => AppError::invalid("pool", slug, "a pool that exists"),
                AppError::Moved { what: "pool", slug, to } => {
                    AppError::invalid("pool", slug, format!("its present name {to:?}"))
                }
                other => other,
            };
            let (status, problems, sentence) = split(error);
            let form = QuotaForm {
                pool: posted.field("pool", &problems),
                slots: posted.field("slots", &problems),
                effective: posted.field("effective", &problems),
            };
            show(&app, &visit, status, mode(&before), filled(&before.fields), form, sentence).await
        }
    }
}

fn mode(tenant: &Tenant) -> FormMode {
    FormMode::Edit {
        subject: Named { slug: tenant.fields.slug.to_string(), name: tenant.fields.name.clone() },
        version: tenant.version.to_string(),
    }
}

fn filled(f: &TenantFields) -> TenantForm {
    TenantForm {
        name: Field::of(&f.name),
        slug: Field::of(f.slug.as_str()),
        tier: Field::of(&f.tier),
        cost_centre: Field::of(&f.cost_centre),
        owner: Field::of(&f.owner),
        weight: Field::of(f.weight.to_string()),
    }
}

fn read(posted: &Posted, before: Option<&TenantFields>, problems: &mut Vec<Problem>) -> Option<TenantFields> {
    let name = posted.get("name").to_owned();
    let slug = match posted.get("slug") {
        "" => Slug::from_name(&name, "tenant"),
        text => match Slug::parse(text) {
            Ok(slug) => slug,
            Err(error) => {
                problems.push(Problem::new("slug", text, error.to_string()));
                return None;
            }
        },
    };
    let weight = match posted.get("weight").trim() {
        // A form from before there was a weight leaves it as it was.
        "" => before.map_or(1, |b| b.weight),
        text => match text.parse() {
            Ok(weight) => weight,
            Err(_) => {
                problems.push(Problem::new("weight", text, "a whole number, 1 to 10,000"));
                return None;
            }
        },
    };
    Some(TenantFields {
        slug,
        name,
        tier: posted.get("tier").to_owned(),
        priority: before.map_or(5, |b| b.priority),
        weight,
        cost_centre: posted.get("cost_centre").to_owned(),
        owner: posted.get("owner").to_owned(),
        labels: before.map_or_else(BTreeMap::new, |b| b.labels.clone()),
        region: before.and_then(|b| b.region.clone()),
        stamp: before.and_then(|b| b.stamp.clone()),
    })
}

async fn refused(app: &App, visit: &Visit, mode: FormMode, posted: &Posted, error: AppError) -> Response {
    if matches!(error, AppError::NotFound { .. } | AppError::Moved { .. } | AppError::Internal(_)) {
        return failure(app, visit, error).await;
    }
    let (status, mut problems, sentence) = split(error);
    if sentence.as_deref().is_some_and(|s| s.contains("exists already")) {
        problems.push(Problem::new("slug", posted.get("slug"), "a slug that no other tenant has"));
    }
    let field = |name: &str| posted.field(name, &problems);
    let form = TenantForm {
        name: field("name"),
        slug: field("slug"),
        tier: field("tier"),
        cost_centre: field("cost_centre"),
        owner: field("owner"),
        weight: field("weight"),
    };
    show(app, visit, status, mode, form, QuotaForm::default(), sentence).await
}

async fn show(
    app: &App,
    visit: &Visit,
    status: StatusCode,
    mode: FormMode,
    form: TenantForm,
    quota: QuotaForm,
    error: Option<String>,
) -> Response {
    let title = match &mode {
        FormMode::New => "New tenant".to_owned(),
        FormMode::Edit { subject, .. } => format!("Edit {}", subject.name),
    };
    let context = async {
        let (shell, window) = shell(app, visit, spec(&title)).await?;
        let quotas = match &mode {
            FormMode::Edit { subject, .. } => app.tenant_detail(&subject.slug, &window).await?.quotas,
            FormMode::New => Vec::new(),
        };
        let owners = app.known_owners_and_regions().await?.0;
        Ok::<_, AppError>((shell, quotas, owners))
    };
    match context.await {
        Ok((shell, quotas, known_owners)) => {
            let quotas = quotas
                .into_iter()
                .map(|(slug, name, q)| QuotaRow {
                    subject: Named { slug, name },
                    slots: q.slots.into(),
                    from_ms: q.since_ms,
                })
                .collect();
            let model =
                TenantFormModel { mode, form, quota, quotas, pools: shell.filters.pools.clone(), error, known_owners };
            page(&shell, status, || pages::tenant_form(&shell, &model))
        }
        Err(error) => failure(app, visit, error).await,
    }
}
