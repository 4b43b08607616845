//! `/slos`: error budgets, their objectives, and which pools are ready to be watched.

use super::answer::{Cell, csv, done, failure, page};
use super::figure::{chart_csv, csv_href, model as chart_model};
use super::form::{Posted, error_of};
use super::pool_form::{split, version};
use super::shell::{Spec, shell};
use super::visit::Visit;
use crate::app::alerts::slos::{LeftAt, Promise, STEP_MS, SetFor, percent, read_budget};
use crate::app::window::Window;
use crate::app::{App, AppError, Problem};
use crate::charts::{Annotation, Axis, ChartSpec, Colour, Line, Mark, Point, Unit, Variant};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::access::Action;
use headroom_domain::alert::slo::{PERIOD_MS, Sli};
use headroom_domain::alert::window::{Lane, SLICE_MS};
use headroom_domain::format;
use headroom_frontend::model::{
    ChartModel, Field, FilterSet, Named, ReadyCheck, ReadyRow, SloBurn, SloDetail, SloRow, SlosModel,
};
use headroom_frontend::{pages, routes::RailEntry};

/// Budgets that are shown at once; the export has all of them.
const MOST_ROWS: usize = 100;
/// Pools whose readiness is shown at once.
const MOST_READY: usize = 12;

const SPEC: Spec<'static> = Spec {
    title: "Error budgets",
    rail: Some(RailEntry::OnCall),
    honoured: FilterSet { pool: true, ..FilterSet::NONE },
    default_from: "now-30d",
    view: &[],
};

/// What somebody typed and what is wrong with it.
struct Refused {
    sli: String,
    text: String,
    problems: Vec<Problem>,
}

pub(super) fn row(promise: &Promise, window: &Window) -> SloRow {
    let objective = match promise.objective() {
        Some(objective) => percent(objective).unwrap_or_else(|| format!("all but {}", promise.budget)),
        None => format!("at most {} per slot and hour", promise.budget),
    };
    SloRow {
        pool: Named { slug: promise.pool.slug.clone(), name: promise.pool.name.clone() },
        sli: Named { slug: promise.sli.to_string(), name: promise.sli.label().to_owned() },
        objective,
        left: promise.left,
        burn_1h: promise.burn_1h,
        says: promise.says(|at| format::day_time(window.zone.local(at))),
    }
}

/// A count of an indicator in words: slot-seconds as slot-hours, others as they are.
fn counted(sli: Sli, value: f64) -> String {
    if sli == Sli::Waste {
        format::slot_hours_short((value * 1_000.0) as i64)
    } else {
        format::count(value.round() as i64)
    }
}

/// What will be left at the pace of the last six hours, from now to where nothing is; nothing if that is far away.
fn projected(promise: &Promise) -> Option<Vec<Point>> {
    let (now, left, until) = (promise.span.1, promise.left?, promise.lasts_until?);
    let first = now - now.rem_euclid(STEP_MS) + STEP_MS;
    let mut edges = vec![now];
    edges.extend((0..).map(|step| first + step * STEP_MS).take_while(|at| *at < until));
    edges.push(until);
    let length = (until - now).max(1) as f64;
    let at = |at: i64| left * (1.0 - (at - now) as f64 / length);
    let point = |pair: &[i64]| Point {
        from_ms: pair[0],
        to_ms: pair[1],
        value: Some(at(pair[1])),
        low: None,
        high: None,
        incomplete: false,
    };
    // It goes on from where the counted line ends.
    let start = point(&[now - SLICE_MS, now]);
    Some(std::iter::once(start).chain(edges.windows(2).map(point)).collect())
}

/// How fast a budget was used over an hour, six hours, a day and three days.
fn burns(promise: &Promise) -> Vec<SloBurn> {
    let values = [promise.burn_1h, promise.burn_6h, promise.burn_24h, promise.burn_72h];
    let windows = ["1 h", "6 h", "24 h", "3 d"];
    let of = |((window, burn), mark): ((&str, Option<f64>), Option<(Lane, f64)>)| SloBurn {
        window: window.to_owned(),
        burn,
        mark: mark.map(|(lane, over)| (lane == Lane::Page, over)),
    };
    windows.into_iter().zip(values).zip(promise.marks).map(of).collect()
}

pub(super) fn burn_down(promise: &Promise, series: &[LeftAt], window: &Window) -> Option<ChartModel> {
    promise.left?;
    let (from, to) = promise.span;
    let points = |value: &dyn Fn(&LeftAt) -> Option<f64>| {
        series
            .windows(2)
            .map(|pair| Point {
                from_ms: pair[0].at,
                to_ms: pair[1].at,
                value: value(&pair[1]),
                low: None,
                high: None,
                incomplete: false,
            })
            .collect::<Vec<_>>()
    };
    let line = |name: &str, colour, points| Line {
        name: name.to_owned(),
        mark: Mark::Line,
        colour,
        unit: Unit::Ratio,
        envelope: None,
        points,
    };
    let end = promise.lasts_until.unwrap_or(to);
    let spent = |at: &LeftAt| Some(1.0 - (at.at - from) as f64 / PERIOD_MS as f64);
    let spec = ChartSpec {
        id: format!("left-{}", promise.sli),
        title: format!("Budget left: {}", promise.sli.label().to_lowercase()),
        from_ms: from,
        to_ms: end,
        now_ms: to,
        zone: window.zone.clone(),
        axis: Axis::Occupancy,
        thresholds: Vec::new(),
        lines: vec![
            line("Left", Colour::One, points(&|at| at.left)),
            line("At the allowed pace", Colour::Other, points(&spent)),
        ]
        .into_iter()
        .chain(projected(promise).map(|points| line("At the pace of the last 6 h", Colour::Six, points)))
        .collect(),
        annotations: promise
            .lasts_until
            .map(|at_ms| Annotation { at_ms, text: "Used up at the pace of the last 6 h".to_owned() })
            .into_iter()
            .collect(),
    };
    let variants = [Variant::Compact, Variant::Medium, Variant::Full];
    Some(chart_model(&spec, &variants, "30 days, every 6 h".to_owned(), STEP_MS, String::new()))
}

fn detail(promise: &Promise, series: &[LeftAt], window: &Window, refused: Option<&Refused>) -> SloDetail {
    let sli = promise.sli;
    let since = format::day_month(window.zone.local(promise.span.0));
    let mut words = format!(
        "Allowed since {since}: {} of {} {} ({}). Used: {} {}.",
        counted(sli, promise.allowed),
        counted(sli, promise.total as f64),
        sli.total_words(),
        promise.budget,
        counted(sli, promise.bad as f64),
        sli.bad_words(),
    );
    if sli == Sli::Leak {
        let hours = promise.total as f64 / 3_600.0;
        words = format!(
            "Allowed since {since}: {} leaks in {} slot-hours ({} per slot and hour). Used: {}.",
            format::decimal(promise.allowed, 1),
            format::count(hours.round() as i64),
            promise.budget,
            format::count(promise.bad as i64),
        );
    }
    if promise.maintained_ms > 0 {
        words = format!("{words} {} of maintenance are left out.", format::duration(promise.maintained_ms));
    }
    let own = match promise.set_for {
        SetFor::Pool => promise.objective().and_then(percent).unwrap_or_else(|| promise.budget.to_string()),
        SetFor::All | SetFor::Default => String::new(),
    };
    let budget = match refused.filter(|refused| refused.sli == sli.as_str()) {
        Some(refused) => Field { value: refused.text.clone(), error: error_of("budget", &refused.problems) },
        None => Field::of(own),
    };
    SloDetail {
        row: row(promise, window),
        counted: words,
        set_for: match promise.set_for {
            SetFor::Pool => "set for this pool",
            SetFor::All => "set for all pools",
            SetFor::Default => "the default",
        }
        .to_owned(),
        version: promise.version,
        budget,
        burns: burns(promise),
        chart: burn_down(promise, series, window),
    }
}

async fn show(
    app: &App,
    visit: &Visit,
    status: StatusCode,
    refused: Option<Refused>,
    error: Option<String>,
) -> Response {
    let outcome = async {
        let (shell, window) = shell(app, visit, SPEC).await?;
        let keys = window.pool_keys();
        let all = app.promises(keys.as_deref(), None).await?;
        if visit.reads && visit.csv().is_some() && visit.get("table").is_none_or(str::is_empty) {
            let cells = all.iter().map(|promise| {
                vec![
                    Cell::Own(promise.pool.slug.clone()),
                    Cell::Own(promise.sli.to_string()),
                    Cell::Own(promise.budget.to_string()),
                    Cell::Int(Some(promise.bad as i64)),
                    Cell::Int(Some(promise.total as i64)),
                    Cell::Float(promise.left),
                    Cell::Float(promise.burn_1h),
                    Cell::Float(promise.burn_6h),
                    Cell::Float(promise.burn_24h),
                    Cell::Float(promise.burn_72h),
                ]
            });
            let header =
                ["pool", "sli", "budget", "bad", "total", "left", "burn_1h", "burn_6h", "burn_24h", "burn_72h"];
            return Ok(csv(&shell, "error_budgets", &header, cells));
        }
        let chosen = match window.pools.as_deref() {
            Some([(_, slug)]) => Some(slug.clone()),
            _ => None,
        };
        let detail = match &chosen {
            Some(slug) => {
                let name = app.pool(slug).await?.fields.name;
                let budgets = app.pool_promises(slug).await?;
                let budgets = budgets.iter().map(|(promise, series)| {
                    let mut one = detail(promise, series, &window, refused.as_ref());
                    if let Some(chart) = &mut one.chart {
                        chart.csv_href = csv_href(visit, &shell, &chart.id);
                    }
                    one
                });
                let budgets: Vec<SloDetail> = budgets.collect();
                let wanted = visit.get("table").filter(|_| visit.reads && visit.csv().is_some());
                let mut charts = budgets.iter().filter_map(|one| one.chart.as_ref());
                if let Some(chart) = charts.find(|chart| Some(chart.id.as_str()) == wanted) {
                    return Ok(chart_csv(&shell, &chart.id, chart));
                }
                Some((Named { slug: slug.clone(), name }, budgets))
            }
            None => None,
        };
        let used: Vec<&Promise> = all.iter().filter(|promise| promise.left.is_some()).collect();
        let ready = app.readiness(keys.as_deref()).await?;
        let model = SlosModel {
            rows: used.iter().take(MOST_ROWS).map(|promise| row(promise, &window)).collect(),
            total: used.len() as i64,
            idle: (all.len() - used.len()) as i64,
            detail,
            pools: ready.len() as i64,
            ready_pools: ready.iter().filter(|one| one.missing() == 0).count() as i64,
            ready: ready
                .into_iter()
                .take(MOST_READY)
                .map(|one| ReadyRow {
                    pool: Named { slug: one.pool.slug, name: one.pool.name },
                    checks: one
                        .checks
                        .into_iter()
                        .map(|check| ReadyCheck {
                            label: check.label.to_owned(),
                            is_done: check.is_done,
                            says: check.says,
                            href: check.href,
                        })
                        .collect(),
                })
                .collect(),
            writes: app.caller().may(Action::SetAlerts),
            error,
            csv_href: csv_href(visit, &shell, ""),
        };
        Ok::<_, AppError>(page(&shell, status, || pages::slos(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(app, visit, error).await,
    }
}

/// GET `/slos`.
pub(crate) async fn get(app: App, visit: Visit) -> Response {
    show(&app, &visit, StatusCode::OK, None, None).await
}

/// POST `/slos/objective`.
pub(crate) async fn objective(app: App, mut visit: Visit, posted: Posted) -> Response {
    let (pool, text) = (posted.get("pool").to_owned(), posted.get("budget").to_owned());
    let mut problems = Vec::new();
    let seen = version(&posted, &mut problems);
    let outcome = async {
        let sli: Sli = posted
            .get("sli")
            .parse()
            .map_err(|expected: String| AppError::invalid("sli", posted.get("sli"), expected))?;
        let budget =
            if text.is_empty() { None } else { Some(read_budget(sli, &text).map_err(|p| AppError::Invalid(vec![p]))?) };
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        app.set_objective(&pool, sli, budget, Some(seen)).await?;
        Ok(sli)
    };
    match outcome.await {
        Ok(sli) => done(
            &headroom_frontend::url::with_query("/slos", &[("pool", &pool)]),
            &format!("The objective of {} was saved.", sli.label().to_lowercase()),
        ),
        Err(error @ (AppError::Invalid(_) | AppError::Stale { .. })) => {
            let (status, problems, mut sentence) = split(error);
            let others: Vec<String> = problems.iter().filter(|p| p.field != "budget").map(Problem::to_string).collect();
            if !others.is_empty() {
                sentence = Some(others.join(". "));
            }
            // The page is that of the pool, whose form it was.
            visit.set("pool", &pool);
            let refused = Refused { sli: posted.get("sli").to_owned(), text, problems };
            show(&app, &visit, status, Some(refused), sentence).await
        }
        Err(error) => failure(&app, &visit, error).await,
    }
}
