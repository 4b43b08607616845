//! Making and changing pools.

use super::answer::{done, failure, page};
use super::form::{Posted, error_of, number, wall_time};
use super::shell::{Spec, shell};
use super::visit::{Named as InPath, Visit};
use crate::app::{App, AppError, Problem};
use crate::zones;
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::pool::{PoolKind, Properties, Service};
use headroom_domain::slug::Slug;
use headroom_frontend::model::{CapacityForm, Field, FilterSet, FormMode, Named, PoolForm, PoolFormModel};
use headroom_frontend::{pages, routes::RailEntry};
use headroom_store::pool::{CapacityStep, Pool, PoolFields};
use std::collections::BTreeMap;

fn spec(title: &str) -> Spec<'_> {
    Spec { title, rail: Some(RailEntry::Pools), honoured: FilterSet::NONE, default_from: "now-45d", view: &[] }
}

/// GET `/pools/new`.
pub(crate) async fn new(app: App, visit: Visit) -> Response {
    let organisation = match app.organisation().await {
        Ok(organisation) => organisation,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let form = PoolForm::for_new(&organisation.zone);
    show(&app, &visit, StatusCode::OK, FormMode::New, Forms { form, ..Forms::default() }).await
}

/// POST `/pools/new`.
pub(crate) async fn create(app: App, visit: Visit, posted: Posted) -> Response {
    let outcome = async {
        let (_, window) = shell(&app, &visit, spec("New pool")).await?;
        let mut problems = Vec::new();
        let fields = read(&posted, None, &mut problems);
        let step = read_step(&posted, &window.zone, window.now_ms, &mut problems);
        let (fields, step) = match (fields, step) {
            (Some(fields), Some(step)) if problems.is_empty() => (fields, step),
            _ => return Err(AppError::Invalid(problems)),
        };
        app.create_pool(&fields, &step).await
    };
    match outcome.await {
        Ok(pool) => done(&format!("/pools/{}", pool.fields.slug), &format!("Pool {} was created.", pool.fields.name)),
        Err(error) => refused(&app, &visit, FormMode::New, &posted, error).await,
    }
}

/// GET `/pools/{pool}/edit`.
pub(crate) async fn edit(app: App, InPath(slug): InPath, visit: Visit) -> Response {
    let found = async {
        let pool = app.pool(&slug).await?;
        let capacity = present_capacity(&app, &visit, &slug).await?;
        Ok::<_, AppError>((pool, capacity, app.elastic_price(&slug).await?))
    };
    match found.await {
        Ok((pool, capacity, elastic)) => {
            let elastic_price = Field::of(elastic.map(decimal).unwrap_or_default());
            let forms = Forms { form: filled(&pool.fields), capacity, elastic_price, error: None };
            show(&app, &visit, StatusCode::OK, mode(&pool), forms).await
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// The form of capacity as the pool has it now.
async fn present_capacity(app: &App, visit: &Visit, slug: &str) -> Result<CapacityForm, AppError> {
    let (_, window) = shell(app, visit, spec("Edit")).await?;
    let capacity = app.pool_detail(slug, &window).await?.now.capacity;
    Ok(CapacityForm {
        slots: Field::of(capacity.map(|(c, _)| c.to_string()).unwrap_or_default()),
        planned_down: Field::of(capacity.map(|(_, d)| d.to_string()).unwrap_or_default()),
        ..CapacityForm::default()
    })
}

/// POST `/pools/{pool}/edit`.
pub(crate) async fn update(app: App, InPath(slug): InPath, visit: Visit, posted: Posted) -> Response {
    let before = match app.pool(&slug).await {
        Ok(pool) => pool,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let mut problems = Vec::new();
    let version = version(&posted, &mut problems);
    let fields = read(&posted, Some(&before.fields), &mut problems);
    let outcome = match fields {
        Some(fields) if problems.is_empty() => app.update_pool(&slug, version, &fields).await,
        _ => Err(AppError::Invalid(problems)),
    };
    match outcome {
        Ok(pool) => {
            done(&format!("/pools/{}?tab=policy", pool.fields.slug), &format!("Pool {} was changed.", pool.fields.name))
        }
        Err(error) => refused(&app, &visit, mode(&before), &posted, error).await,
    }
}

/// POST `/pools/{pool}/capacity`.
pub(crate) async fn capacity(app: App, InPath(slug): InPath, visit: Visit, posted: Posted) -> Response {
    let before = match app.pool(&slug).await {
        Ok(pool) => pool,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let outcome = async {
        let (_, window) = shell(&app, &visit, spec("Edit")).await?;
        let mut problems = Vec::new();
        let step = read_step(&posted, &window.zone, window.now_ms, &mut problems);
        match step {
            Some(step) if problems.is_empty() => {
                app.set_capacity(&slug, &step, posted.get("below_reserved") == "1").await?;
                Ok(step)
            }
            _ => Err(AppError::Invalid(problems)),
        }
    };
    match outcome.await {
        Ok(step) => {
            let slots = headroom_domain::format::count(step.configured.into());
            done(
                &format!("/pools/{slug}?tab=policy"),
                &format!("Capacity of {} was set to {slots} slots.", before.fields.name),
            )
        }
        Err(error) => {
            let (status, problems, error) = split(error);
            let capacity = read_back(&posted, &problems);
            let elastic = app.elastic_price(&slug).await.ok().flatten();
            let elastic_price = Field::of(elastic.map(decimal).unwrap_or_default());
            let forms = Forms { form: filled(&before.fields), capacity, elastic_price, error };
            show(&app, &visit, status, mode(&before), forms).await
        }
    }
}

/// POST `/pools/{pool}/elastic-price`.
pub(crate) async fn elastic_price(app: App, InPath(slug): InPath, visit: Visit, posted: Posted) -> Response {
    let before = match app.pool(&slug).await {
        Ok(pool) => pool,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let mut problems = Vec::new();
    let price = price(&posted, "elastic_price", &mut problems);
    let outcome =
        if problems.is_empty() { app.set_elastic_price(&slug, price).await } else { Err(AppError::Invalid(problems)) };
    match outcome {
        Ok(()) => {
            let sentence = format!("The price of {} without a reservation was saved.", before.fields.name);
            done(&format!("/pools/{slug}/edit#elastic-price"), &sentence)
        }
        Err(error) => {
            let (status, mut problems, error) = split(error);
            for problem in problems.iter_mut().filter(|problem| problem.field == "elastic_price_micros") {
                problem.field = "elastic_price".into();
            }
            let forms = Forms {
                form: filled(&before.fields),
                capacity: present_capacity(&app, &visit, &slug).await.unwrap_or_default(),
                elastic_price: posted.field("elastic_price", &problems),
                error,
            };
            show(&app, &visit, status, mode(&before), forms).await
        }
    }
}

fn mode(pool: &Pool) -> FormMode {
    FormMode::Edit {
        subject: Named { slug: pool.fields.slug.to_string(), name: pool.fields.name.clone() },
        version: pool.version.to_string(),
    }
}

/// The version a form was made from.
pub(crate) fn version(posted: &Posted, problems: &mut Vec<Problem>) -> i32 {
    posted.get("version").parse().unwrap_or_else(|_| {
        problems.push(Problem::new(
            "version",
            posted.get("version"),
            "the version the form was made from; open the page again",
        ));
        0
    })
}

/// Status, problems by field, and the sentence that belongs to no field.
pub(crate) fn split(error: AppError) -> (StatusCode, Vec<Problem>, Option<String>) {
    match error {
        AppError::Invalid(problems) => (StatusCode::UNPROCESSABLE_ENTITY, problems, None),
        AppError::Conflict(text) => (StatusCode::CONFLICT, Vec::new(), Some(text)),
        AppError::Planned(_) => (StatusCode::CONFLICT, Vec::new(), Some(format!("{error}. Nothing was changed."))),
        AppError::Stale { now, .. } => {
            let text =
                format!("Somebody changed this meanwhile; it is at version {now} now. Open the page again to see how.");
            (StatusCode::CONFLICT, Vec::new(), Some(text))
        }
        AppError::OutOfRoom(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            Vec::new(),
            Some("The database's disk is full; nothing was changed. Try again when there is room.".into()),
        ),
        AppError::Unavailable(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            Vec::new(),
            Some("The database does not answer; nothing was changed. Try again shortly.".into()),
        ),
        other => (StatusCode::INTERNAL_SERVER_ERROR, Vec::new(), Some(other.to_string())),
    }
}

async fn refused(app: &App, visit: &Visit, mode: FormMode, posted: &Posted, error: AppError) -> Response {
    if matches!(error, AppError::NotFound { .. } | AppError::Moved { .. } | AppError::Internal(_)) {
        return failure(app, visit, error).await;
    }
    let (status, mut problems, mut sentence) = split(error);
    if status == StatusCode::CONFLICT && sentence.as_deref().is_some_and(|s| s.contains("exists already")) {
        problems.push(Problem::new("slug", posted.get("slug"), "a slug that no other pool has"));
    }
    // The API's word for what the form calls slots.
    for problem in &mut problems {
        match problem.field.as_str() {
            "capacity" => problem.field = "slots".into(),
            "feed_period_ms" => problem.field = "feed_period_s".into(),
            "unit_cost_micros" => problem.field = "unit_cost".into(),
            "version" => sentence = Some(problem.to_string()),
            _ => {}
        }
    }
    let field = |name: &str| posted.field(name, &problems);
    let form = PoolForm {
        name: field("name"),
        slug: field("slug"),
        description: field("description"),
        kind: field("kind"),
        min_slots: field("min_slots"),
        max_slots: field("max_slots"),
        unit_cost: field("unit_cost"),
        owner: field("owner"),
        runbook_url: field("runbook_url"),
        labels: field("labels"),
        region: field("region"),
        services: field("services"),
        zone: field("zone"),
        sizing: field("sizing"),
        granting: field("granting"),
        lifetime: field("lifetime"),
        consistency: field("consistency"),
        on_loss: field("on_loss"),
        feed_period_s: field("feed_period_s"),
    };
    let capacity = read_back(posted, &problems);
    let elastic = match &mode {
        FormMode::New => None,
        FormMode::Edit { subject, .. } => app.elastic_price(&subject.slug).await.ok().flatten(),
    };
    let elastic_price = Field::of(elastic.map(decimal).unwrap_or_default());
    show(app, visit, status, mode, Forms { form, capacity, elastic_price, error: sentence }).await
}

/// What the forms of the page are filled with.
#[derive(Default)]
struct Forms {
    form: PoolForm,
    capacity: CapacityForm,
    elastic_price: Field,
    /// What belongs to no field.
    error: Option<String>,
}

fn read_back(posted: &Posted, problems: &[Problem]) -> CapacityForm {
    let mut slots = posted.field("slots", problems);
    slots.error = slots.error.or_else(|| error_of("capacity", problems));
    CapacityForm {
        slots,
        planned_down: posted.field("planned_down", problems),
        effective: posted.field("effective", problems),
        reason: posted.field("reason", problems),
    }
}

async fn show(app: &App, visit: &Visit, status: StatusCode, mode: FormMode, forms: Forms) -> Response {
    let Forms { form, capacity, elastic_price, error } = forms;
    let title = match &mode {
        FormMode::New => "New pool".to_owned(),
        FormMode::Edit { subject, .. } => format!("Edit {}", subject.name),
    };
    let context = async {
        let (shell, _) = shell(app, visit, spec(&title)).await?;
        Ok::<_, AppError>((shell, app.known_owners_and_regions().await?, app.shows_money().await?))
    };
    match context.await {
        Ok((shell, (known_owners, known_regions), shows_money)) => {
            let zones = zones::OFFERED.iter().map(|z| (*z).to_owned()).collect();
            let model = PoolFormModel {
                mode,
                form,
                capacity,
                elastic_price,
                error,
                known_owners,
                known_regions,
                zones,
                shows_money,
            };
            page(&shell, status, || pages::pool_form(&shell, &model))
        }
        Err(error) => failure(app, visit, error).await,
    }
}

fn filled(f: &PoolFields) -> PoolForm {
    let text = |value: &str| Field::of(value);
    let number = |value: Option<i32>| Field::of(value.map(|v| v.to_string()).unwrap_or_default());
    PoolForm {
        name: text(&f.name),
        slug: text(f.slug.as_str()),
        description: text(&f.description),
        kind: text(f.kind.as_str()),
        min_slots: number(f.min_slots),
        max_slots: number(f.max_slots),
        unit_cost: Field::of(f.unit_cost_micros.map(decimal).unwrap_or_default()),
        owner: text(&f.owner),
        runbook_url: text(&f.runbook_url),
        labels: Field::of(f.labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("\n")),
        region: text(f.region.as_deref().unwrap_or_default()),
        services: Field::of(
            f.services
                .iter()
                .map(|s| {
                    format!("{} {}{}", s.service, s.endpoint, if s.customer_facing { " !" } else { "" })
                        .replace("  ", " ")
                        .trim()
                        .to_owned()
                })
                .collect::<Vec<_>>()
                .join("\n"),
        ),
        zone: text(&f.zone),
        sizing: text(f.properties.sizing.as_str()),
        granting: text(f.properties.granting.as_str()),
        lifetime: text(f.properties.lifetime.as_str()),
        consistency: text(f.properties.consistency.as_str()),
        on_loss: text(f.properties.on_loss.as_str()),
        feed_period_s: Field::of(f.feed_period_ms.map(|ms| (ms / 1000).to_string()).unwrap_or_default()),
    }
}

/// Millionths as a decimal without needless zeros.
fn decimal(micros: i64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A decimal with at most six places as millionths.
fn micros(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.len() > 7
        || fraction.len() > 6
        || !digits(whole)
        || !digits(fraction)
        || (whole.is_empty() && fraction.is_empty())
    {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: i64 = if fraction.is_empty() { 0 } else { format!("{fraction:0<6}").parse().ok()? };
    Some(whole * 1_000_000 + fraction)
}

/// A price that was given, in millionths.
fn price(posted: &Posted, field: &str, problems: &mut Vec<Problem>) -> Option<i64> {
    let text = posted.get(field);
    let found = micros(&text.replace(',', "."));
    if found.is_none() && !text.is_empty() {
        let expected = "a price per slot and hour such as 0.0125, at most six decimals";
        problems.push(Problem::new(field, text, expected));
    }
    found
}

fn read(posted: &Posted, before: Option<&PoolFields>, problems: &mut Vec<Problem>) -> Option<PoolFields> {
    let name = posted.get("name").to_owned();
    let slug_text = posted.get("slug");
    let slug = if slug_text.is_empty() {
        Some(Slug::from_name(&name, "pool"))
    } else {
        Slug::parse(slug_text).map_err(|e| problems.push(Problem::new("slug", slug_text, e.to_string()))).ok()
    };
    macro_rules! word {
        ($field:literal, $default:expr) => {{
            let text = posted.get($field);
            if text.is_empty() {
                Some($default)
            } else {
                text.parse().map_err(|expected: String| problems.push(Problem::new($field, text, expected))).ok()
            }
        }};
    }
    let old = before.map(|b| b.properties).unwrap_or_default();
    let kind = word!("kind", before.map_or(PoolKind::Fixed, |b| b.kind));
    let properties = Properties {
        sizing: word!("sizing", old.sizing)?,
        granting: word!("granting", old.granting)?,
        lifetime: word!("lifetime", old.lifetime)?,
        consistency: word!("consistency", old.consistency)?,
        on_loss: word!("on_loss", old.on_loss)?,
    };
    let unit_cost_micros = price(posted, "unit_cost", problems);
    let period = posted.get("feed_period_s");
    let feed_period_ms = if period.is_empty() {
        None
    } else {
        let found = period.parse::<i32>().ok().filter(|s| (1..=86_400).contains(s)).map(|s| s * 1000);
        if found.is_none() {
            problems.push(Problem::new("feed_period_s", period, "1 to 86,400 seconds"));
        }
        found
    };
    let labels = labels(posted.get("labels"), problems);
    let min_slots = number(posted, "min_slots", problems);
    let max_slots = number(posted, "max_slots", problems);
    let optional = |field: &str| Some(posted.get(field).to_owned()).filter(|t| !t.is_empty());
    Some(PoolFields {
        slug: slug?,
        name,
        description: posted.get("description").to_owned(),
        kind: kind?,
        properties,
        min_slots,
        max_slots,
        unit_cost_micros,
        owner: posted.get("owner").to_owned(),
        runbook_url: posted.get("runbook_url").to_owned(),
        labels,
        services: services(posted.get("services")),
        zone: Some(posted.get("zone")).filter(|z| !z.is_empty()).unwrap_or("UTC").to_owned(),
        region: optional("region"),
        stamp: before.and_then(|b| b.stamp.clone()),
        feed_period_ms,
        retention_days: before.map_or(Some(90), |b| b.retention_days),
    })
}

fn labels(text: &str, problems: &mut Vec<Problem>) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        match line.split_once('=') {
            Some((key, value)) => {
                out.insert(key.trim().to_owned(), value.trim().to_owned());
            }
            None => problems.push(Problem::new("labels", line, "one key=value per line")),
        }
    }
    out
}

fn services(text: &str) -> Vec<Service> {
    text.lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .map(|line| {
            let (rest, customer_facing) = match line.strip_suffix('!') {
                Some(rest) => (rest.trim(), true),
                None => (line, false),
            };
            let (service, endpoint) = rest.split_once(' ').unwrap_or((rest, ""));
            Service { service: service.to_owned(), endpoint: endpoint.trim().to_owned(), customer_facing }
        })
        .collect()
}

fn read_step(
    posted: &Posted,
    zone: &headroom_domain::localtime::ZoneSlice,
    now: i64,
    problems: &mut Vec<Problem>,
) -> Option<CapacityStep> {
    if posted.get("slots").is_empty() {
        problems.push(Problem::new("slots", "", "a whole number from 0 to 10,000,000"));
    }
    let configured = number(posted, "slots", problems);
    let planned_down = number(posted, "planned_down", problems).unwrap_or(0);
    let from_ms = wall_time(posted, "effective", zone, problems).unwrap_or(now);
    Some(CapacityStep {
        from_ms,
        configured: configured?,
        planned_down,
        reason: posted.get("reason").to_owned(),
        // Who it was the use case knows.
        actor: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_keep_six_places() {
        assert_eq!(micros("0.0125"), Some(12_500));
        assert_eq!(micros("3"), Some(3_000_000));
        assert_eq!(micros(".5"), Some(500_000));
        assert_eq!(micros("1.0000001"), None);
        assert_eq!(micros("-1"), None);
        assert_eq!(micros("."), None);
        assert_eq!(decimal(12_500), "0.0125");
        assert_eq!(decimal(3_000_000), "3");
    }

    #[test]
    fn services_are_one_a_line() {
        let found = services("checkout /pay !\nsearch");
        assert_eq!(found[0], Service { service: "checkout".into(), endpoint: "/pay".into(), customer_facing: true });
        assert_eq!(found[1], Service { service: "search".into(), endpoint: String::new(), customer_facing: false });
    }
}
