//! `/planner`: a pool's promises over time, the draft that changes them, its review, and the forms for all of it.

#![expect(
    clippy::format_push_string,
    reason = "sentences are put together from parts once per request; `write!` with an ignored result reads worse"
)]

mod act;
mod form;
mod grid;
mod import;
mod import_check;
mod import_steps;
mod items;
mod policy;
mod publications;
mod review;
mod timeline;
mod words;

pub(crate) use act::{act, revert};
pub(crate) use form::{edit, save};
pub(crate) use import::{import, upload};
pub(crate) use import_steps::{do_step, rejected, step};
pub(crate) use policy::{policy, set_policy};
pub(crate) use publications::publications;
pub(crate) use review::{publish, review};

use super::answer::{failure, page};
use super::shell::{Spec, shell};
use super::visit::Visit;
use crate::app::plan::PlanView;
use crate::app::plan::effect::{Basis, USUAL_WEEKS};
use crate::app::plan::publish::{Choices, Preview};
use crate::app::{App, AppError, Result};
use crate::zones;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{NaiveDate, TimeDelta};
use grid::CellFault;
use headroom_domain::access::Action;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::{DAY_MS, Millis};
use headroom_frontend::model::{
    BulkForm, DraftHead, FilterSet, Link, Named, PlanView as View, PlanZoom, PlannerModel, SheetModel, ShellModel,
    StripModel, TimelineModel,
};
use headroom_frontend::url::with_query;
use headroom_frontend::{pages, routes::RailEntry};
use headroom_store::draft::{self, Draft};
use items::{Zones, items};
use timeline::{MOST_ROWS, Range, days_text, midnight, row};
use uuid::Uuid;

const PATH: &str = "/planner";
/// Longest range in view, in days.
const MOST_DAYS: i64 = 92;

fn spec(title: &str) -> Spec<'_> {
    Spec {
        title,
        rail: Some(RailEntry::Planner),
        honoured: FilterSet::NONE,
        default_from: "now-1h",
        view: &["draft", "zoom", "view", "basis", "level"],
    }
}

/// Whether who asks may edit drafts: those who see a part of it only could not tell what is in the way.
fn may_plan(app: &App) -> bool {
    app.caller().may(Action::Plan) && !app.caller().is_limited()
}

/// The frame of a planner's page. The range of other pages lies in the past and is not this one's.
async fn frame(app: &App, visit: &Visit, title: &str) -> Result<(ShellModel, Millis, bool)> {
    let mut plain = visit.clone();
    plain.forget("from");
    plain.forget("to");
    let (shell, window) = shell(app, &plain, spec(title)).await?;
    Ok((shell, window.now_ms, window.zone_asked))
}

/// The pool that is asked for, else the first one.
fn pool_of(visit: &Visit, shell: &ShellModel) -> Option<String> {
    visit.get("pool").map(str::to_owned).or_else(|| shell.filters.pools.first().map(|pool| pool.slug.clone()))
}

fn id_of(text: &str) -> Option<Uuid> {
    text.parse().ok()
}

/// The days in view.
fn range_of(visit: &Visit, zone: &str, now: Millis) -> (Range, PlanZoom) {
    let day = |name: &str| visit.get(name).and_then(|text| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok());
    let near = |day: &NaiveDate| (1971..2190).contains(&chrono::Datelike::year(day));
    let today = zones::slice(zone, now, now).unwrap_or_else(ZoneSlice::utc).local(now).date();
    let zoom = visit.get("zoom").and_then(PlanZoom::parse).unwrap_or_default();
    let first = day("from").filter(near).unwrap_or(today);
    let usual = first + TimeDelta::days(i64::from(zoom.days()));
    let last =
        day("to").filter(near).filter(|last| (1..=MOST_DAYS).contains(&(*last - first).num_days())).unwrap_or(usual);
    (range_between(zone, first, last, now), zoom)
}

fn range_between(zone: &str, first: NaiveDate, last: NaiveDate, now: Millis) -> Range {
    let about = |day: NaiveDate| day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis();
    let zone = zones::slice(zone, about(first), about(last)).unwrap_or_else(ZoneSlice::utc);
    Range { from: midnight(&zone, first), to: midnight(&zone, last), now, zone }
}

/// The draft that is asked for, else one's own of this pool.
async fn draft_of(app: &App, visit: &Visit, pool: &str) -> Result<Option<Draft>> {
    if !may_plan(app) {
        return Ok(None);
    }
    match visit.get("draft").and_then(id_of) {
        Some(id) => {
            let (draft, of) = app.draft(id).await?;
            // A draft that became the plan, or of another pool, is not edited here.
            let fits = of.fields.slug.as_str() == pool && !draft.state.is_over();
            if fits { Ok(Some(draft)) } else { app.own_draft(pool).await }
        }
        None => app.own_draft(pool).await,
    }
}

/// A draft in one line.
fn head(app: &App, draft: &Draft, preview: Option<&Preview>, zone: &ZoneSlice, now: Millis) -> DraftHead {
    let is_own = draft.owner_id.is_some() && draft.owner_id == app.caller().actor.id;
    let conflicts = preview.map_or(0, |preview| {
        let blocking = preview.conflicts.iter().filter(|conflict| !conflict.kind.is_warning()).count();
        blocking + preview.merges.iter().filter(|merge| !merge.is_clean).count()
    });
    DraftHead {
        id: draft.id.to_string(),
        name: draft.name.clone(),
        owner: (!is_own).then(|| draft.owner.clone()),
        version: draft.version.to_string(),
        changes: draft.changes.len(),
        conflicts,
        saved: words::moment(zone, draft.updated_ms, now),
        can_undo: draft.steps > 0,
        can_redo: draft.undone > 0,
        may_edit: may_plan(app) && !draft.state.is_over(),
    }
}

/// Everything that a planner's page is made of.
struct Loaded {
    view: PlanView,
    draft: Option<Draft>,
    preview: Option<Preview>,
    range: Range,
    zoom: PlanZoom,
}

async fn load(app: &App, visit: &Visit, pool: &str, zone: &str, now: Millis) -> Result<Loaded> {
    let (range, zoom) = range_of(visit, zone, now);
    let view = app.plan(pool, Some(range.from), Some(range.to)).await?;
    let draft = draft_of(app, visit, pool).await?;
    let preview = match &draft {
        Some(draft) if !draft.changes.is_empty() => {
            Some(app.preview(draft.id, &Choices::new(), USUAL_WEEKS, Basis::default()).await?)
        }
        _ => None,
    };
    // What was previewed is what is shown, also if the draft was edited in between.
    let draft = preview.as_ref().map(|preview| preview.draft.clone()).or(draft);
    Ok(Loaded { view, draft, preview, range, zoom })
}

/// The zone of the page: the one that was asked for, else that of the pool.
async fn zone_of(app: &App, shell: &ShellModel, is_asked: bool, pool: &str) -> Result<String> {
    if is_asked {
        return Ok(shell.zone.name().to_owned());
    }
    let own = app.pool(pool).await?.fields.zone;
    Ok(if zones::is_known(&own) { own } else { shell.zone.name().to_owned() })
}

/// What a page says about an edit that was refused, and shows again of it.
#[derive(Default)]
struct Refused {
    sentence: Option<String>,
    /// Cells of the table that were not taken.
    faults: Vec<CellFault>,
    /// The bar below the table, as it was filled.
    bulk: Option<BulkForm>,
}

impl Refused {
    fn of(sentence: String) -> Self {
        Self { sentence: Some(sentence), ..Self::default() }
    }
}

async fn show(app: &App, visit: &Visit, status: StatusCode, refused: Refused) -> Result<Response> {
    let (mut shell, now, zone_asked) = frame(app, visit, "Planner").await?;
    let Some(pool) = pool_of(visit, &shell) else {
        let model = nothing(may_plan(app));
        return Ok(page(&shell, status, || pages::planner(&shell, &model)));
    };
    let zone = zone_of(app, &shell, zone_asked, &pool).await?;
    let Loaded { view, draft, preview, range, zoom } = load(app, visit, &pool, &zone, now).await?;
    shell.zone = range.zone.clone();
    let may_plan = may_plan(app);
    let is_table = visit.get("view") == Some("table");
    let none = std::collections::BTreeMap::new();
    let changes = draft.as_ref().map_or(&none, |draft| &draft.changes);
    let conflicts = preview.as_ref().map_or(&[][..], |preview| &preview.conflicts);
    let mut zones = Zones::new(range.from - DAY_MS, range.to + DAY_MS);
    let items = items(&view, draft.as_ref(), changes, conflicts, &mut zones, (range.from, range.to));
    let day = |at: Millis| range.zone.local(at).date();
    let (first, last) = (day(range.from), day(range.to));
    let span = last - first;
    let text = |day: NaiveDate| day.format("%Y-%m-%d").to_string();
    let draft_id = draft.as_ref().map(|draft| draft.id.to_string()).unwrap_or_default();
    let from = text(first);
    let base = |path: &str, more: &[(&str, &str)]| {
        let mut pairs =
            vec![("pool", pool.as_str()), ("draft", draft_id.as_str()), ("from", from.as_str()), ("zoom", zoom.slug())];
        pairs.extend_from_slice(more);
        pairs.extend(shell.url.tz.as_deref().map(|tz| ("tz", tz)));
        pairs.retain(|(_, value)| !value.is_empty());
        with_query(path, &pairs)
    };
    let here = base(PATH, &[("view", if is_table { "table" } else { "" })]);
    let rows = items.iter().take(MOST_ROWS).filter_map(|item| {
        let id = item.id.to_string();
        let href = may_plan.then(|| base("/planner/edit", &[("reservation", id.as_str())]));
        let mut row = row(&range, &view, item, href)?;
        if may_plan
            && is_table
            && let Some(terms) = item.after
        {
            row.cells = grid::cells(item.id, terms, &refused.faults);
        }
        Some(row)
    });
    let rows: Vec<_> = rows.collect();
    let marked = rows.iter().flat_map(|row| &row.cells).filter(|cell| cell.fault.is_some()).count();
    let sheet = (may_plan && is_table).then(|| SheetModel {
        form: refused.bulk.unwrap_or_default(),
        tenants: view.tenants.values().map(|(slug, _)| slug.clone()).collect(),
        zones: zones::OFFERED.iter().map(|zone| (*zone).to_owned()).collect(),
        says_it_all: !refused.faults.is_empty() && marked == refused.faults.len(),
    });
    let timeline = if is_table {
        TimelineModel { from_ms: range.from, to_ms: range.to, ..TimelineModel::default() }
    } else {
        timeline::timeline(&range, &view, &items, &mut zones)
    };
    let review = match (&preview, may_plan) {
        (Some(preview), true) => {
            let strip =
                if is_table { timeline::strip(&range, &view, &items, &mut zones) } else { timeline.strip.clone() };
            let head = head(app, &preview.draft, Some(preview), &range.zone, now);
            Some(review::model(
                app,
                preview,
                head,
                &Choices::new(),
                review::effect(&range, strip, &view, preview, &app.organisation().await?.currency),
                &here,
            ))
        }
        _ => None,
    };
    let others = if may_plan { other_drafts(app, &pool, draft.as_ref()).await? } else { Vec::new() };
    let model = PlannerModel {
        pool: Some(Named { slug: pool.clone(), name: view.pool.fields.name.clone() }),
        pools: shell.filters.pools.clone(),
        view: if is_table { View::Table } else { View::Timeline },
        zoom,
        range: days_text(&range),
        from: from.clone(),
        to: text(last),
        earlier: text(first - span),
        later: text(last),
        may_plan,
        draft: draft.as_ref().map(|draft| head(app, draft, preview.as_ref(), &range.zone, now)),
        drafts: others,
        timeline,
        rows_left: items.len().saturating_sub(MOST_ROWS) as i64,
        rows,
        review,
        refused: refused.sentence,
        sheet,
        ical_href: format!("/api/v1/pools/{pool}/plan.ics"),
        csv_href: format!("/api/v1/pools/{pool}/plan.csv"),
    };
    Ok(page(&shell, status, || pages::planner(&shell, &model)))
}

/// The page before there is any pool.
fn nothing(may_plan: bool) -> PlannerModel {
    PlannerModel {
        pool: None,
        pools: Vec::new(),
        view: View::Timeline,
        zoom: PlanZoom::Week,
        range: String::new(),
        from: String::new(),
        to: String::new(),
        earlier: String::new(),
        later: String::new(),
        may_plan,
        draft: None,
        drafts: Vec::new(),
        timeline: TimelineModel { strip: StripModel::default(), ..TimelineModel::default() },
        rows: Vec::new(),
        rows_left: 0,
        review: None,
        refused: None,
        sheet: None,
        ical_href: String::new(),
        csv_href: String::new(),
    }
}

/// Drafts of the pool besides the one that is shown.
async fn other_drafts(app: &App, pool: &str, shown: Option<&Draft>) -> Result<Vec<Link>> {
    let drafts = app.drafts(pool).await?;
    let own = app.caller().actor.id;
    let link = |draft: &Draft| {
        let whose = if draft.owner_id == own { String::new() } else { format!(" of {}", draft.owner) };
        let state =
            if draft.state == draft::State::Open { String::new() } else { format!(", {}", draft.state.as_str()) };
        Link {
            label: format!("Draft “{}”{whose}{state}", draft.name),
            href: with_query(PATH, &[("pool", pool), ("draft", &draft.id.to_string())]),
        }
    };
    Ok(drafts.iter().filter(|draft| shown.is_none_or(|shown| shown.id != draft.id)).take(20).map(link).collect())
}

/// GET `/planner`.
pub(crate) async fn get(app: App, visit: Visit) -> Response {
    match show(&app, &visit, StatusCode::OK, Refused::default()).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// What a page shows again with a sentence; everything else is a page of its own.
fn is_told(error: &AppError) -> bool {
    matches!(
        error,
        AppError::Invalid(_)
            | AppError::Conflict(_)
            | AppError::Planned(_)
            | AppError::Stale { .. }
            | AppError::OutOfRoom(_)
            | AppError::Unavailable(_)
    )
}

/// Status and sentence of a refusal.
fn told(error: AppError) -> (StatusCode, String) {
    let (status, problems, sentence) = super::pool_form::split(error);
    let problems = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    (status, sentence.unwrap_or(problems))
}
