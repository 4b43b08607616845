//! The form of a reservation.

use super::act::{NOTHING_CHANGED, back, existing_draft, put, terms_in, written};
use super::{PATH, draft_of, frame, id_of, is_told, pool_of, words, zone_of};
use crate::app::plan::PlanView;
use crate::app::{App, AppError, Problem, Result};
use crate::clock;
use crate::pages::answer::{done, failure, page};
use crate::pages::form::Posted;
use crate::pages::pool_form::split;
use crate::pages::visit::Visit;
use crate::zones;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::Timelike;
use headroom_domain::plan::change::{Change, Field as Known};
use headroom_domain::plan::stretch;
use headroom_domain::plan::terms::Terms;
use headroom_domain::{DAY_MS, HOUR_MS, Millis, format};
use headroom_frontend::model::{Field, FormTab, HistoryRow, Named, OccurrenceRow, ReservationFormModel, TermsForm};
use headroom_frontend::url::with_query;
use headroom_frontend::{pages, plan_steps};
use headroom_store::draft::Draft;
use uuid::Uuid;

/// Occurrences that are listed.
const MOST_OCCURRENCES: usize = 60;

/// Fills the form from what a function says of each field.
fn form(field: impl Fn(Known) -> Field) -> TermsForm {
    TermsForm {
        name: field(Known::Name),
        tenant: field(Known::Tenant),
        kind: field(Known::Kind),
        start: field(Known::Start),
        end: field(Known::End),
        zone: field(Known::Zone),
        repeat: field(Known::Repeat),
        except: field(Known::Except),
        slots: field(Known::Slots),
        ceiling: field(Known::Ceiling),
        lending_limit: field(Known::Lending),
        borrowing_limit: field(Known::Borrowing),
        lead_minutes: field(Known::Lead),
        release_after_minutes: field(Known::Release),
        priority: field(Known::Priority),
        shrink: field(Known::Shrinking),
        drain_until: field(Known::DrainUntil),
        overrides: field(Known::Overrides),
        note: field(Known::Note),
    }
}

/// A field as the form writes it.
pub(super) fn text(field: Known, terms: &Terms) -> String {
    match field {
        Known::Start => words::wall(&terms.start),
        Known::End => terms.end.as_ref().map(words::wall).unwrap_or_default(),
        Known::DrainUntil => terms.drain_until.as_ref().map(words::wall).unwrap_or_default(),
        Known::Lead if terms.lead_minutes == 0 => String::new(),
        Known::Overrides => field.text(terms).replace(' ', "\n"),
        _ => field.text(terms),
    }
}

/// A name that nothing in the plan or the draft has.
fn free_name(view: &PlanView, draft: Option<&Draft>, stem: &str) -> String {
    let published = view.entries.iter().map(|entry| entry.stored.terms.name.as_str());
    let drafted = draft.into_iter().flat_map(|draft| draft.changes.values()).map(Change::name);
    let taken: std::collections::HashSet<&str> = published.chain(drafted).collect();
    let mut number = 1;
    loop {
        let name = format!("{stem}-{number}");
        if !taken.contains(name.as_str()) {
            return name;
        }
        number += 1;
    }
}

/// What a new reservation begins with.
fn fresh(visit: &Visit, view: &PlanView, draft: Option<&Draft>, zone: &str, now: Millis) -> TermsForm {
    let tenant = visit.get("tenant").unwrap_or_default();
    let name = if tenant.is_empty() { String::new() } else { free_name(view, draft, tenant) };
    let slice = zones::slice(zone, now, now + DAY_MS);
    // The next full hour, so that it is not in the past before it is written.
    let hour = slice.map(|slice| slice.local(now + 2 * HOUR_MS)).and_then(|local| local.with_minute(0)?.with_second(0));
    let hour = hour.and_then(|local| local.with_nanosecond(0)).unwrap_or_default();
    let written = |local: chrono::NaiveDateTime| local.format("%Y-%m-%d %H:%M").to_string();
    let asked = |name: &str| visit.get(name).map(|text| text.chars().take(40).collect::<String>());
    let start = asked("start").unwrap_or_else(|| written(hour));
    let end = asked("end").unwrap_or_else(|| {
        if visit.get("start").is_some() { String::new() } else { written(hour + chrono::TimeDelta::days(1)) }
    });
    form(|field| match field {
        Known::Name => Field::of(name.clone()),
        Known::Tenant => Field::of(tenant),
        Known::Kind => Field::of("guaranteed"),
        Known::Start => Field::of(start.clone()),
        Known::End => Field::of(end.clone()),
        Known::Zone => Field::of(zone),
        Known::Slots => Field::of("1"),
        Known::Shrinking => Field::of("refuse"),
        _ => Field::default(),
    })
}

fn occurrences(terms: &Terms, now: Millis) -> Vec<OccurrenceRow> {
    let whole = Terms { except: Vec::new(), ..terms.clone() };
    let first = terms.start.local.and_utc().timestamp_millis();
    let horizon = now.max(first) + 400 * DAY_MS;
    let Some(zone) = zones::slice(&terms.zone, first.min(now), horizon) else { return Vec::new() };
    let all = stretch::occurrences(&whole, &zone, horizon).unwrap_or_default();
    let to_come = all.into_iter().filter(|one| one.from_ms > now).take(MOST_OCCURRENCES);
    to_come
        .map(|one| {
            let local = zone.local(one.from_ms);
            let end = one.to_ms.map(|to| {
                format!(" – {}, {}", format::day_time(zone.local(to)), plan_steps::length(&zone, one.from_ms, to))
            });
            OccurrenceRow {
                day: one.local.date().format("%Y-%m-%d").to_string(),
                text: format!("{} {}{}", local.format("%a"), format::day_time(local), end.unwrap_or_default()),
                is_skipped: terms.except.contains(&one.local.date()),
            }
        })
        .collect()
}

async fn history(app: &App, pool: &str, id: Uuid) -> Result<Vec<HistoryRow>> {
    let all = app.publications(pool, Some(id)).await?;
    let rows = all.iter().flat_map(|publication| {
        let own = publication.changes.iter().filter(|(other, _)| *other == id);
        own.map(|(_, change)| HistoryRow {
            at_ms: publication.at_ms,
            who: publication.actor.clone(),
            via: super::publications::via(&publication.source).to_owned(),
            reason: publication.reason.clone(),
            fields: words::fields(change),
            verb: words::verb(change),
        })
    });
    Ok(rows.collect())
}

/// What surrounds the fields.
struct Around {
    pool: String,
    draft: Option<Draft>,
    reservation: Option<Uuid>,
    back: String,
    tab: FormTab,
}

async fn show(
    app: &App,
    visit: &Visit,
    status: StatusCode,
    around: Around,
    filled: Option<(TermsForm, Option<String>)>,
) -> Result<Response> {
    let (shell, now, zone_asked) = frame(app, visit, "Reservation").await?;
    let zone = zone_of(app, &shell, zone_asked, &around.pool).await?;
    let Around { pool, draft, reservation, back, tab } = around;
    let view = app.plan(&pool, Some(now), None).await?;
    let known = match reservation {
        Some(id) => Some(terms_in(app, draft.as_ref(), id).await?),
        None => None,
    };
    let is_cancelled = reservation
        .is_some_and(|id| draft.as_ref().and_then(|draft| draft.changes.get(&id)).is_some_and(|c| c.after.is_none()));
    let copied = match visit.get("copy").and_then(id_of).filter(|_| reservation.is_none()) {
        Some(id) => {
            let terms = terms_in(app, draft.as_ref(), id).await?;
            let name = free_name(
                &view,
                draft.as_ref(),
                terms.name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-'),
            );
            Some(Terms { name, ..terms })
        }
        None => None,
    };
    let (fields, error) = match (filled, known.as_ref().or(copied.as_ref())) {
        (Some((fields, error)), _) => (fields, error),
        (None, Some(terms)) => (form(|field| Field::of(text(field, terms))), None),
        (None, None) => (fresh(visit, &view, draft.as_ref(), &zone, now), None),
    };
    let model = ReservationFormModel {
        pool: Named { slug: pool.clone(), name: view.pool.fields.name.clone() },
        draft: draft.as_ref().map(|draft| draft.id.to_string()).unwrap_or_default(),
        version: draft.as_ref().map(|draft| draft.version.to_string()).unwrap_or_default(),
        reservation: reservation.map(|id| id.to_string()),
        title: known.as_ref().map(|terms| terms.name.clone()).unwrap_or_default(),
        form: fields,
        tenants: view.tenants.values().map(|(slug, name)| Named { slug: slug.clone(), name: name.clone() }).collect(),
        zones: zones::OFFERED.iter().map(|zone| (*zone).to_owned()).collect(),
        error,
        back,
        occurrences: match (&known, tab) {
            (Some(terms), FormTab::Occurrences) => occurrences(terms, now),
            _ => Vec::new(),
        },
        history: match (reservation, tab) {
            (Some(id), FormTab::History) => history(app, &pool, id).await?,
            _ => Vec::new(),
        },
        tab,
        is_cancelled,
    };
    Ok(page(&shell, status, || pages::reservation_form(&shell, &model)))
}

/// The page one came from, by the address's own parameters.
fn came_from(visit: &Visit, pool: &str, draft: Option<&Draft>) -> String {
    if let Some(back) =
        visit.get("back").filter(|back| back.starts_with("/planner?") || back.starts_with("/planner/drafts/"))
    {
        return back.to_owned();
    }
    let draft = draft.map(|draft| draft.id.to_string()).unwrap_or_default();
    let mut pairs = vec![("pool", pool), ("draft", draft.as_str())];
    pairs.extend(["from", "zoom", "view", "tz"].into_iter().filter_map(|name| Some((name, visit.get(name)?))));
    pairs.retain(|(_, value)| !value.is_empty());
    with_query(PATH, &pairs)
}

/// GET `/planner/edit`.
pub(crate) async fn edit(app: App, visit: Visit) -> Response {
    let outcome = async {
        let (shell, ..) = frame(&app, &visit, "Reservation").await?;
        let Some(pool) = pool_of(&visit, &shell) else {
            return Err(AppError::NotFound { what: "pool", slug: String::new(), suggestion: None });
        };
        let draft = draft_of(&app, &visit, &pool).await?;
        let reservation = match visit.get("reservation") {
            Some(text) => {
                let missing = || AppError::NotFound { what: "reservation", slug: text.to_owned(), suggestion: None };
                Some(id_of(text).ok_or_else(missing)?)
            }
            None => None,
        };
        let back = came_from(&visit, &pool, draft.as_ref());
        let tab = visit.get("tab").map(FormTab::parse).unwrap_or_default();
        show(&app, &visit, StatusCode::OK, Around { pool, draft, reservation, back, tab }, None).await
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn run(app: &App, posted: &Posted) -> Result<(Option<Uuid>, String)> {
    let terms = written(posted)?;
    let said = format!("{} is in the draft.", terms.name);
    let draft = existing_draft(app, posted).await?;
    let id = id_of(posted.get("reservation")).unwrap_or_else(clock::uuid);
    match put(app, posted, draft.as_ref(), vec![(id, Some(terms))]).await? {
        Some(draft) => Ok((Some(draft), said)),
        None => Ok((None, NOTHING_CHANGED.to_owned())),
    }
}

/// POST `/planner/edit`.
pub(crate) async fn save(app: App, visit: Visit, posted: Posted) -> Response {
    let error = match run(&app, &posted).await {
        Ok((draft, said)) => return done(&back(&posted, draft), &said),
        Err(error) if is_told(&error) => error,
        Err(error) => return failure(&app, &visit, error).await,
    };
    let outcome = async {
        let (status, problems, sentence) = split(error);
        let known = |problem: &Problem| Known::ALL.iter().any(|field| field.as_str() == problem.field);
        let others: Vec<String> = problems.iter().filter(|problem| !known(problem)).map(ToString::to_string).collect();
        let sentence = sentence.or_else(|| (!others.is_empty()).then(|| others.join("; ")));
        let fields = form(|field| posted.field(field.as_str(), &problems));
        let draft = match id_of(posted.get("draft")) {
            Some(id) => Some(app.draft(id).await?.0),
            None => None,
        };
        let around = Around {
            pool: posted.get("pool").to_owned(),
            back: back(&posted, draft.as_ref().map(|draft| draft.id)),
            draft,
            reservation: id_of(posted.get("reservation")),
            tab: FormTab::Fields,
        };
        show(&app, &visit, status, around, Some((fields, sentence))).await
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}
