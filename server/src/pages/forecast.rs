//! `/forecast` and `/forecast/{pool}`.

use super::answer::{Cell, csv, failure, page};
use super::figure::{chart_csv, csv_href, local, model as chart_model, with_events};
use super::form::error_of;
use super::shell::{Spec, shell};
use super::table::PAGE;
use super::visit::{Named as InPath, Visit};
use crate::app::forecast::{Basis, MOST_DECISIONS, MOST_LISTED, PastDay, Planned, PoolForecast, Row, Settings, WhatIf};
use crate::app::{App, AppError, Problem, Result};
use crate::charts::{Annotation, Axis, ChartSpec, Colour, Line, Mark, Point, Unit, Variant};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::Datelike;
use headroom_domain::access::Action;
use headroom_domain::exhaustion::Exhaustion;
use headroom_domain::forecast::online::{LEVELS, Weak};
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::range::{instant, rfc3339};
use headroom_domain::scaling::{self, Ledger};
use headroom_domain::{DAY_MS, HOUR_MS, Millis, format};
use headroom_frontend::model::{
    AccuracyBox, ChartModel, DecisionRow, DecisionsBox, Field, FilterSet, ForecastModel, ForecastRow, ForecastsModel,
    FullIn, LedgerBox, LedgerRow, Named, PastBox, PlanBox, ShellModel, StepRow, Urgency, WhatIfBox,
};
use headroom_frontend::{pages, routes::RailEntry};
use std::fmt::Write as _;

/// Hours of the future that the fan shows.
const FAN_HOURS: usize = 48;
/// Nobody has more pools than that.
const MOST_SKIPPED: usize = 1_000_000;
/// Decisions that the page lists,
const DECISIONS: i64 = 20;
/// and those of a file.
const MOST_IN_FILE: usize = 10_000;
/// Steps that the page lists; the export of the chart has the whole schedule.
const MOST_STEPS: usize = 24;

pub(super) const fn spec(title: &str) -> Spec<'_> {
    Spec {
        title,
        rail: Some(RailEntry::Forecast),
        honoured: FilterSet::NONE,
        default_from: "now-30d",
        view: &["level", "growth", "change", "cooldown", "day", "cur", "before"],
    }
}

/// When a pool is full, in few words.
pub(super) fn full_in(exhaustion: Option<&Exhaustion>, full_at_ms: Option<Millis>, now: Millis) -> FullIn {
    let hours = full_at_ms.map(|at| (at - now).max(0) / HOUR_MS);
    if let Some(hours) = hours.filter(|hours| *hours < 24) {
        let text = if hours == 0 {
            "within the hour, in 1 of 10 cases".to_owned()
        } else {
            format!("{hours} h, in 1 of 10 cases")
        };
        return FullIn { text, urgency: Urgency::Critical };
    }
    let days = |days: u32| format!("{days}\u{202f}d");
    let (text, urgency) = match exhaustion {
        None => ("not known yet".to_owned(), Urgency::Unknown),
        Some(Exhaustion::TooLittleHistory) => ("too little history".to_owned(), Urgency::Unknown),
        Some(Exhaustion::AlreadyFull) => ("less than 1\u{202f}d".to_owned(), Urgency::Critical),
        Some(Exhaustion::NotWithin { days }) => (format!("not within {days}\u{202f}d"), Urgency::Fine),
        Some(Exhaustion::Within { p50, p90 }) => {
            let soonest = p90.or(*p50).unwrap_or(u32::MAX);
            let urgency = if soonest <= 1 {
                Urgency::Critical
            } else if soonest <= 30 {
                Urgency::Warn
            } else {
                Urgency::Fine
            };
            let text = match (p50, p90) {
                (Some(p50), Some(p90)) if p50 == p90 => days(*p50),
                (Some(p50), Some(p90)) => format!("{} (1 in 10: {})", days(*p50), days(*p90)),
                (None, Some(p90)) => format!("possible in {}, not expected", days(*p90)),
                (Some(p50), None) => days(*p50),
                (None, None) => "not foreseen".to_owned(),
            };
            (text, urgency)
        }
    };
    FullIn { text, urgency }
}

/// The same from what lists read.
pub(super) fn full_in_of(full: Option<&headroom_store::forecast::FullIn>, now: Millis) -> FullIn {
    let exhaustion = full.map(|full| match (full.is_known, full.p50_days, full.p90_days) {
        (false, ..) => Exhaustion::TooLittleHistory,
        (true, Some(0), _) => Exhaustion::AlreadyFull,
        (true, None, None) => Exhaustion::NotWithin { days: crate::app::forecast::HORIZON_DAYS as u32 },
        (true, p50, p90) => Exhaustion::Within { p50, p90 },
    });
    full_in(exhaustion.as_ref(), full.and_then(|full| full.full_at_ms), now)
}

fn slots(value: f64) -> i64 {
    value.ceil() as i64
}

fn list_row(row: &Row, now: Millis) -> ForecastRow {
    let full = if row.is_young && !matches!(row.exhaustion, Exhaustion::AlreadyFull) {
        FullIn { text: "too little history".into(), urgency: Urgency::Unknown }
    } else {
        full_in(Some(&row.exhaustion), row.full_at_ms, now)
    };
    ForecastRow {
        pool: Named { slug: row.pool.fields.slug.to_string(), name: row.pool.fields.name.clone() },
        wanted: row.live.map(slots),
        capacity: row.capacity,
        p95: row.p95.map(slots),
        full,
        coverage: row.coverage_80,
        wape: row.wape,
        mode: row.mode.as_str(),
        pays: row.choice.as_ref().map(|choice| choice.pays),
        reason: row.choice.as_ref().map_or_else(|| "not judged yet".to_owned(), |choice| choice.reason.clone()),
    }
}

/// GET `/forecast`.
pub(crate) async fn list(app: App, visit: Visit) -> Response {
    let outcome = async {
        let (shell, _) = shell(&app, &visit, spec("Forecast")).await?;
        let skip: usize = visit.get("cur").and_then(|cur| cur.parse().ok()).unwrap_or(0).min(MOST_SKIPPED);
        let listed = |rows: &[Row], now| rows.iter().map(|row| list_row(row, now)).collect::<Vec<_>>();
        if visit.csv().is_some() {
            let part = app.forecasts(skip, MOST_LISTED).await?;
            return Ok(list_csv(&shell, listed(&part.rows, part.now_ms)));
        }
        let found = app.forecasts(skip, PAGE).await?;
        let model = ForecastsModel {
            rows: listed(&found.rows, found.now_ms),
            total: found.total as i64,
            next: (skip + PAGE < found.total)
                .then(|| shell.url.replace(&visit.path, &[("cur", &(skip + PAGE).to_string())])),
            csv_href: csv_href(&visit, &shell, "forecasts"),
            csv_note: csv_note(found.total, skip),
        };
        Ok::<_, AppError>(page(&shell, StatusCode::OK, || pages::forecasts(&shell, &model)))
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

/// What the file holds where it does not hold all.
fn csv_note(total: usize, skip: usize) -> Option<String> {
    let behind = total.saturating_sub(skip);
    (behind > MOST_LISTED).then(|| {
        format!(
            "The file holds the {} pools from the first of this page on; all of them are at /api/v1/forecasts, part by part.",
            format::count(MOST_LISTED as i64)
        )
    })
}

fn list_csv(shell: &ShellModel, rows: Vec<ForecastRow>) -> Response {
    let header = [
        "pool",
        "name",
        "wanted_now",
        "p95_48h",
        "capacity",
        "full_in",
        "range_80_held",
        "wape",
        "mode",
        "pays",
        "reason",
    ];
    let cells = rows.into_iter().map(|row| {
        vec![
            Cell::Own(row.pool.slug),
            Cell::Text(row.pool.name),
            Cell::Int(row.wanted),
            Cell::Int(row.p95),
            Cell::Int(Some(row.capacity)),
            Cell::Own(row.full.text),
            Cell::Float(row.coverage),
            Cell::Float(row.wape),
            Cell::Own(row.mode.to_owned()),
            Cell::Own(row.pays.map_or_else(String::new, |pays| pays.to_string())),
            Cell::Text(row.reason),
        ]
    });
    csv(shell, "forecasts", &header, cells)
}

/// What was tried in the address, with its fields for showing again.
fn tried(visit: &Visit, settings: &Settings) -> (Option<Result<WhatIf>>, WhatIfBox) {
    let text = |name: &str, usual: String| visit.get(name).map_or(usual, |text| text.trim().chars().take(20).collect());
    let mut form = WhatIfBox {
        level: Field::of(text("level", settings.level_permille.to_string())),
        growth: Field::of(text("growth", "0".into())),
        change: Field::of(text("change", settings.least_change.to_string())),
        cooldown: Field::of(text("cooldown", settings.cooldown_minutes.to_string())),
        result: Vec::new(),
        is_tried: ["level", "growth", "change", "cooldown"].iter().any(|name| visit.get(name).is_some()),
    };
    let mut problems = Vec::new();
    let mut whole = |name: &str, field: &mut Field, expected: &str| {
        let found = field.value.trim_start_matches('+').parse::<i32>();
        found.unwrap_or_else(|_| {
            problems.push(Problem::new(name, &field.value, expected));
            0
        })
    };
    let level = whole("level_permille", &mut form.level, "500 to 990 thousandths");
    let growth_percent = whole("growth", &mut form.growth, "a whole number of per cent");
    let change = whole("least_change", &mut form.change, "a whole number of slots");
    let cooldown = whole("cooldown_minutes", &mut form.cooldown, "a whole number of minutes");
    let number = |value: i32| u32::try_from(value).unwrap_or(u32::MAX);
    let settings = Settings {
        basis: Basis::Forecast,
        level_permille: number(level),
        least_change: number(change),
        cooldown_minutes: number(cooldown),
        ..*settings
    };
    let result =
        if problems.is_empty() { Ok(WhatIf { settings, growth_percent }) } else { Err(AppError::Invalid(problems)) };
    (Some(result), form)
}

/// Puts what is wrong beside the fields.
fn marked(form: &mut WhatIfBox, problems: &[Problem]) {
    form.level.error = error_of("level_permille", problems);
    form.growth.error = error_of("growth", problems);
    form.change.error = error_of("least_change", problems);
    form.cooldown.error = error_of("cooldown_minutes", problems);
}

/// What a form of the page was refused for.
#[derive(Debug, Default)]
pub(super) struct Refused {
    pub until: Field,
    pub why: Field,
    pub error: Option<String>,
}

/// GET `/forecast/{pool}`.
pub(crate) async fn get(app: App, InPath(slug): InPath, visit: Visit) -> Response {
    match show(&app, &visit, &slug, StatusCode::OK, None).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

pub(super) async fn show(
    app: &App,
    visit: &Visit,
    slug: &str,
    mut status: StatusCode,
    refused: Option<Refused>,
) -> Result<Response> {
    let (_, _, settings) = app.scaling_policy(slug).await?;
    let (asked, mut form) = tried(visit, &settings);
    let (found, problems) = match asked {
        Some(Ok(what_if)) => match app.pool_forecast(slug, Some(&what_if)).await {
            Err(AppError::Invalid(problems)) => (app.pool_forecast(slug, None).await?, problems),
            other => (other?, Vec::new()),
        },
        Some(Err(AppError::Invalid(problems))) => (app.pool_forecast(slug, None).await?, problems),
        Some(Err(error)) => return Err(error),
        None => (app.pool_forecast(slug, None).await?, Vec::new()),
    };
    if !problems.is_empty() {
        status = StatusCode::UNPROCESSABLE_ENTITY;
        marked(&mut form, &problems);
    }
    let name = found.pool.fields.name.clone();
    let (shell, _) = shell(app, visit, spec(&name)).await?;
    let hour = found.now_ms.div_euclid(HOUR_MS) * HOUR_MS;
    let from = found.past.first().map_or(hour, |(at, _)| *at);
    let events = app.event_marks(&found.pool, from, hour + FAN_HOURS as Millis * HOUR_MS).await?;
    let chart = fan(&found, visit, &shell, events);
    match visit.csv() {
        Some("ledger") => return Ok(ledger_csv(&shell, slug, &found.ledger)),
        Some("past" | "decisions") | None => {}
        Some(_) => {
            if let Some(chart) = &chart {
                return Ok(chart_csv(&shell, &format!("forecast_{slug}"), chart));
            }
        }
    }
    if visit.csv() == Some("decisions") {
        return decisions_csv(app, &shell, slug, before(visit)?).await;
    }
    let decisions = decisions(app, visit, &shell, slug).await?;
    let past = past(app, visit, &shell, slug, found.now_ms).await?;
    if let (Some("past"), Some(chart)) = (visit.csv(), &past.chart) {
        return Ok(chart_csv(&shell, &format!("forecast_past_{slug}"), chart));
    }
    let money = Money::of(app, &found.pool).await?;
    form.result = found.planned.iter().map(|planned| outcome("As it is", planned, &money)).collect();
    if form.is_tried {
        form.result.extend(found.tried.iter().map(|planned| outcome("As tried", planned, &money)));
    }
    let may_change = app.caller().may(Action::Plan);
    let refused = refused.unwrap_or_default();
    let model = ForecastModel {
        summary: summary(&found),
        basis: basis(&found, &shell),
        too_little: too_little(&found),
        chart,
        accuracy: accuracy(&found, &shell),
        plan: plan(&found, &shell, &money, &refused),
        what_if: form,
        ledger: ledger(visit, &shell, &found.ledger),
        decisions,
        past,
        may_change,
        error: refused.error,
        pool: Named { slug: slug.to_owned(), name },
    };
    Ok(page(&shell, status, || pages::forecast(&shell, &model)))
}

fn too_little(found: &PoolForecast) -> Option<String> {
    if found.found.is_none() {
        return Some("No forecast yet. The first is made within minutes of the first complete hour of history.".into());
    }
    found
        .is_young()
        .then(|| format!("Too little history ({} d of {} d)", found.known_days(), crate::app::forecast::FEWEST_DAYS))
}

fn summary(found: &PoolForecast) -> String {
    let Some(newest) = &found.found else { return "Nothing is known yet.".into() };
    let full = full_in(Some(&newest.said.exhaustion), newest.full_at_ms, found.now_ms);
    let mut text = match (full.urgency, &newest.said.exhaustion) {
        (Urgency::Unknown, _) => "When it is full cannot be told yet.".to_owned(),
        (_, Exhaustion::NotWithin { days }) if newest.full_at_ms.is_none() => format!("Not full within {days} days."),
        _ => format!("Full in: {}.", full.text),
    };
    if let Some(step) = found.planned.as_ref().and_then(|planned| planned.plan.steps.first()) {
        let _ = write!(
            text,
            " Recommended next: {} slots in place of {}.",
            format::count(step.to.into()),
            format::count(step.from.into())
        );
    }
    text
}

fn basis(found: &PoolForecast, shell: &ShellModel) -> String {
    let Some(newest) = &found.found else { return "No forecast yet".into() };
    let engine = match newest.said.outlook.engine {
        headroom_domain::forecast::online::Engine::Nothing => "no model",
        headroom_domain::forecast::online::Engine::Ensemble => "models and rules together",
        headroom_domain::forecast::online::Engine::Profile => "hours of the day",
        headroom_domain::forecast::online::Engine::Both => "models, and hours of the day",
    };
    format!(
        "{engine} · {} · made {} from {} known days of the last 56 · next {FAN_HOURS} h · {}",
        newest.said.outlook.basis.words(),
        format::day_time(shell.zone.local(newest.made_ms)),
        found.known_days(),
        shell.zone.name()
    )
}

/// What slots cost, where the viewer is shown money.
pub(super) struct Money {
    micros: Option<i64>,
    currency: String,
}

impl Money {
    pub(super) async fn of(app: &App, pool: &headroom_store::pool::Pool) -> Result<Self> {
        let organisation = app.organisation().await?;
        let is_shown = app.shows_money().await?;
        let currency = organisation.currency.clone();
        let micros = pool.fields.unit_cost_micros.filter(|_| is_shown && !currency.is_empty());
        Ok(Self { micros, currency })
    }

    /// Slot-hours in money, with a sign.
    pub(super) fn words(&self, slot_hours: f64) -> Option<String> {
        let minor = self.micros? as f64 * slot_hours / 10_000.0;
        let sign = if minor > 0.0 { "+" } else { "" };
        Some(format!("{sign}{}", format::money_short(minor.round() as i64, &self.currency)))
    }
}

fn outcome(name: &str, planned: &Planned, money: &Money) -> (String, String, String, String) {
    let expected = &planned.expectation;
    let hours = format!("{} slot-hours", format::count(expected.slot_hours.round() as i64));
    let cost = match money.micros {
        Some(micros) => {
            let minor = (micros as f64 * expected.slot_hours / 10_000.0).round() as i64;
            format!("{} ({hours})", format::money_short(minor, &money.currency))
        }
        None => hours,
    };
    let risk = expected.short_share.map_or_else(|| format::UNKNOWN.to_owned(), format::percent);
    (name.to_owned(), cost, risk, planned.plan.steps.len().to_string())
}

fn line(name: &str, mark: Mark, colour: Colour, points: Vec<Point>) -> Line {
    Line { name: name.to_owned(), mark, colour, unit: Unit::Slots, envelope: None, points }
}

fn point(at: Millis, value: Option<f64>, edges: Option<(f64, f64)>) -> Point {
    Point {
        from_ms: at,
        to_ms: at + HOUR_MS,
        value,
        low: edges.map(|(low, _)| low),
        high: edges.map(|(_, high)| high),
        incomplete: false,
    }
}

/// The bands of a forecast around its median, the narrowest last: by the places of their levels.
const BANDS: [(&str, f64, f64); 3] =
    [("95 % range", 0.025, 0.975), ("80 % range", 0.1, 0.9), ("50 % range", 0.25, 0.75)];

fn place(level: f64) -> usize {
    LEVELS.iter().position(|one| (one - level).abs() < 1e-9).unwrap_or(0)
}

/// Median and bands of hours given by their start and quantiles.
fn bands(hours: &[(Millis, Vec<f64>)]) -> Vec<Line> {
    let of = |levels: &[f64], level: f64| levels.get(place(level)).copied();
    let median = hours.iter().map(|(at, levels)| point(*at, of(levels, 0.5), None)).collect();
    let mut lines = vec![line("Median forecast", Mark::Line, Colour::Two, median)];
    for (name, low, high) in BANDS.iter().rev() {
        let points = hours
            .iter()
            .map(|(at, levels)| point(*at, of(levels, 0.5), of(levels, *low).zip(of(levels, *high))))
            .collect();
        lines.push(line(name, Mark::Band, Colour::Two, points));
    }
    lines
}

fn fan(found: &PoolForecast, visit: &Visit, shell: &ShellModel, events: Vec<(Millis, String)>) -> Option<ChartModel> {
    let newest = found.found.as_ref().filter(|_| !found.is_young())?;
    let outlook = &newest.said.outlook;
    let hour = found.now_ms.div_euclid(HOUR_MS) * HOUR_MS;
    let from_ms = found.past.first().map_or(hour, |(at, _)| *at);
    let to_ms = hour + FAN_HOURS as Millis * HOUR_MS;
    let start = outlook.from_hour * HOUR_MS;
    let hours: Vec<(Millis, Vec<f64>)> = (0..outlook.median.len())
        .map(|step| {
            let levels = outlook.quantiles.iter().filter_map(|steps| steps.get(step)).copied().collect();
            (start + step as Millis * HOUR_MS, levels)
        })
        .filter(|(at, _)| *at < to_ms)
        .collect();
    let past = found.past.iter().map(|(at, peak)| point(*at, Some(*peak).filter(|peak| peak.is_finite()), None));
    let mut lines = vec![line("Wanted, most in the hour", Mark::Line, Colour::One, past.collect())];
    lines.extend(bands(&hours));
    let capacity = found.capacity.iter().filter(|(at, _)| *at < to_ms);
    let capacity = capacity.map(|(at, slots)| point(*at, Some(*slots as f64), None)).collect();
    lines.push(line("Capacity as planned", Mark::Step, Colour::Other, capacity));
    if let Some(planned) = &found.planned {
        let steps = planned.plan.capacity.iter().take(FAN_HOURS).enumerate();
        let points = steps
            .map(|(step, slots)| point(planned.plan.from_ms + step as Millis * HOUR_MS, Some(f64::from(*slots)), None));
        lines.push(line("Recommended", Mark::Step, Colour::Three, points.collect()));
    }
    let chart = ChartSpec {
        id: "forecast".into(),
        title: "Demand ahead".into(),
        from_ms,
        to_ms,
        now_ms: found.now_ms,
        zone: shell.zone.clone(),
        axis: Axis::Slots,
        thresholds: Vec::new(),
        lines,
        annotations: with_events(
            found
                .planned
                .iter()
                .filter_map(|planned| planned.plan.breach.as_ref())
                .map(|breach| Annotation {
                    at_ms: breach.hour_ms,
                    text: format!(
                        "{} slots are needed, more than the most of {}",
                        format::count(breach.wanted),
                        format::count(breach.max.into())
                    ),
                })
                .collect(),
            events,
        ),
    };
    let variants = [Variant::Compact, Variant::Medium, Variant::Wide, Variant::Full];
    let mut model = chart_model(
        &chart,
        &variants,
        "most wanted in each hour, slots".into(),
        HOUR_MS,
        csv_href(visit, shell, "forecast"),
    );
    if let Some((_, levels)) = hours.get(23) {
        let of = |level: f64| format::count(slots(levels.get(place(level)).copied().unwrap_or(0.0)));
        let said = &mut model.description;
        let _ = write!(said, " In a day: median {}, 80 % range {}–{}.", of(0.5), of(0.1), of(0.9));
    }
    Some(model)
}

fn accuracy(found: &PoolForecast, shell: &ShellModel) -> AccuracyBox {
    let Some(newest) = &found.found else { return AccuracyBox::default() };
    let judged = &newest.said.accuracy;
    let weekday =
        |day: u8| ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].get(usize::from(day.wrapping_sub(1))).copied();
    let weak = judged.weak.iter().map(|weak| match weak {
        Weak::Hour { hour, wape } => format!("{hour:02}:00 ({})", format::percent(*wape)),
        Weak::Weekday { weekday: day, wape } => {
            format!("{} ({})", weekday(*day).unwrap_or("?"), format::percent(*wape))
        }
    });
    let judged_from = newest.hour_ms - judged.hours as Millis * HOUR_MS;
    let replayed = (judged.hours > 0 && newest.seen_from_ms > judged_from).then(|| {
        format!(
            "Hours before {} were forecast afterwards, each from what was known before it.",
            format::day_time(shell.zone.local(newest.seen_from_ms))
        )
    });
    AccuracyBox {
        hours: judged.hours,
        wape: judged.wape,
        worst: judged.worst_day.map(|(day, wape)| {
            let noon = day * DAY_MS + DAY_MS / 2;
            format!("{} ({})", format::percent(wape), format::day_month(ZoneSlice::utc().local(noon)))
        }),
        coverage_80: judged.coverage_80,
        coverage_95: judged.coverage_95,
        naive: judged.naive_wape,
        compared: judged.compared_wape,
        naive_wins: found.naive_wins(),
        too_narrow: found.is_too_narrow(),
        too_wide: found.is_too_wide(),
        weak: weak.collect(),
        replayed,
    }
}

fn plan(found: &PoolForecast, shell: &ShellModel, money: &Money, refused: &Refused) -> PlanBox {
    let mut plan = PlanBox {
        mode: found.policy.mode.as_str(),
        can_apply: found.is_tracked,
        apply_is_primary: !found.naive_wins() && !found.is_young(),
        version: found.policy.version.to_string(),
        ignore_until: refused.until.clone(),
        ignore_why: refused.why.clone(),
        ..PlanBox::default()
    };
    let until = found.policy.ignore_until_ms.filter(|until| *until > found.now_ms);
    plan.ignored = until.map(|until| {
        let until = format::day_time(shell.zone.local(until));
        if found.policy.ignore_why.is_empty() {
            return format!("Ignored until {until}");
        }
        format!("Ignored until {until}: {}", found.policy.ignore_why)
    });
    let reason = found.choice.as_ref().map_or("not judged yet", |(_, choice)| choice.reason.as_str());
    let Some(planned) = &found.planned else {
        plan.why = "There is no plan without a forecast.".into();
        return plan;
    };
    plan.why = match found.settings.basis {
        Basis::Guard => format!("The policy chosen for today: {}. {}.", planned.policy.words(), capital(reason)),
        Basis::Forecast => format!(
            "By the forecast at P{}, as somebody set it. What two weeks say: {reason}.",
            format::decimal(
                f64::from(found.settings.level_permille) / 10.0,
                usize::from(!found.settings.level_permille.is_multiple_of(10))
            )
        ),
    };
    plan.breach = planned.plan.breach.as_ref().map(|breach| {
        format!(
            "More is needed than the most allowed: {} slots on {} by {}, {} are allowed.",
            format::count(breach.wanted),
            format::day_time(shell.zone.local(breach.hour_ms)),
            breach.decider.words(),
            format::count(breach.max.into())
        )
    });
    let steps = &planned.plan.steps;
    let outlook = found.found.as_ref().map(|found| &found.said.outlook);
    let end = planned.plan.from_ms + planned.plan.capacity.len() as Millis * HOUR_MS;
    plan.steps = steps
        .iter()
        .enumerate()
        .take(MOST_STEPS)
        .map(|(place, step)| {
            let until = steps.get(place + 1).map_or(end, |next| next.effective_ms);
            let hours = (until - step.effective_ms).max(0) as f64 / HOUR_MS as f64;
            let more = i64::from(step.to) - planned.capacity;
            let risk = outlook.filter(|outlook| !outlook.is_empty()).and_then(|outlook| {
                let step_of = |at: Millis| usize::try_from(at.div_euclid(HOUR_MS) - outlook.from_hour).unwrap_or(0);
                let within = step_of(step.effective_ms)..step_of(until).min(outlook.median.len());
                within.map(|at| outlook.exceedance(at, f64::from(step.to))).reduce(f64::max)
            });
            StepRow {
                at_ms: step.at_ms,
                effective_ms: step.effective_ms,
                from: step.from.into(),
                to: step.to.into(),
                why: step.reason.clone(),
                cost: money.words(more as f64 * hours),
                risk,
                late: step.is_late,
            }
        })
        .collect();
    let expected = &planned.expectation;
    let short = expected.short_share.map_or_else(
        || "how often it is short cannot be told without a forecast".to_owned(),
        |share| format!("short in {} of the hours", format::percent(share)),
    );
    plan.expected = format!(
        "In the week ahead {} slot-hours, {short}. Cost is against the capacity as it is now, until the next step; risk is the greatest of an hour. {} steps in all.",
        format::count(expected.slot_hours.round() as i64),
        steps.len()
    );
    plan
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Sums of ledgers by rule: the reference first.
fn ledger(visit: &Visit, shell: &ShellModel, days: &[(i64, Ledger)]) -> LedgerBox {
    if days.is_empty() {
        return LedgerBox::default();
    }
    let sum = |of: fn(&Ledger) -> Option<scaling::Line>| {
        days.iter().filter_map(|(_, ledger)| of(ledger)).fold(scaling::Line::default(), |sum, line| sum + line)
    };
    let reference = sum(|ledger| Some(ledger.reactive));
    let has_peak = days.iter().all(|(_, ledger)| ledger.static_peak.is_some());
    let mut lines = vec![
        ("Following at 75 %", reference),
        ("Chosen policy", sum(|ledger| Some(ledger.chosen))),
        ("As it was", sum(|ledger| Some(ledger.actual))),
    ];
    if has_peak {
        lines.insert(1, ("Peak of two weeks", sum(|ledger| ledger.static_peak)));
    }
    let hours = |minutes: i64| format::count((minutes + 30).div_euclid(60));
    let part = |line: &scaling::Line| {
        (reference.slot_minutes > 0).then(|| line.slot_minutes as f64 / reference.slot_minutes as f64 - 1.0)
    };
    let row = |(name, line): &(&'static str, scaling::Line)| LedgerRow {
        name,
        slot_hours: hours(line.slot_minutes),
        beside: part(line).map_or_else(|| format::UNKNOWN.to_owned(), format::delta_percent),
        violations: format::count(line.violation_minutes),
        unmet: headroom_domain::occupancy::ratio(line.unmet_slot_minutes, line.wanted_slot_minutes)
            .map_or_else(|| format::UNKNOWN.to_owned(), format::percent),
    };
    let chosen = sum(|ledger| Some(ledger.chosen));
    let saved = reference.slot_minutes - chosen.slot_minutes;
    let says = format!(
        "The chosen policy would have taken {} slot-hours {} than following at 75 %, short in {} minutes in place of {}.",
        hours(saved.abs()),
        if saved >= 0 { "fewer" } else { "more" },
        format::count(chosen.violation_minutes),
        format::count(reference.violation_minutes)
    );
    LedgerBox {
        totals: lines.iter().map(row).collect(),
        days: days.len(),
        says,
        csv_href: csv_href(visit, shell, "ledger"),
    }
}

fn ledger_csv(shell: &ShellModel, slug: &str, days: &[(i64, Ledger)]) -> Response {
    let header = [
        "day_utc",
        "rule",
        "slot_minutes",
        "violation_minutes",
        "unmet_slot_minutes",
        "wanted_slot_minutes",
        "minutes",
    ];
    let rows = days.iter().flat_map(|(day, ledger)| {
        let lines = [
            ("reactive_75", Some(ledger.reactive)),
            ("static_peak", ledger.static_peak),
            ("chosen", Some(ledger.chosen)),
            ("actual", Some(ledger.actual)),
        ];
        let day: String = rfc3339(day * DAY_MS).chars().take(10).collect();
        lines.into_iter().filter_map(move |(name, line)| {
            let line = line?;
            let number = |value: i64| Cell::Int(Some(value));
            Some(vec![
                Cell::Own(day.clone()),
                Cell::Own(name.to_owned()),
                number(line.slot_minutes),
                number(line.violation_minutes),
                number(line.unmet_slot_minutes),
                number(line.wanted_slot_minutes),
                number(line.minutes),
            ])
        })
    });
    csv(shell, &format!("savings_{slug}"), &header, rows)
}

/// Before which instant decisions are asked for.
fn before(visit: &Visit) -> Result<Option<Millis>> {
    let Some(text) = visit.get("before").map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    // What moves with the clock would not lead through a list.
    let at = Some(text).filter(|text| !text.starts_with("now")).and_then(|text| instant(text, 0).ok());
    let found: String = text.chars().take(60).collect();
    at.map(Some).ok_or_else(|| AppError::invalid("before", found, "an instant such as 2026-11-25T09:00:00Z"))
}

async fn decisions(app: &App, visit: &Visit, shell: &ShellModel, slug: &str) -> Result<DecisionsBox> {
    let before = before(visit)?;
    let (found, has_older) = app.scaling_decisions(slug, before, DECISIONS).await?;
    let at = |before: &str| format!("{}#decisions", shell.url.replace(&visit.path, &[("before", before)]));
    Ok(DecisionsBox {
        newest: before.map(|_| at("")),
        older: found.last().filter(|_| has_older).map(|one| at(&rfc3339(one.at_ms))),
        rows: found.iter().map(decision).collect(),
        csv_href: csv_href(visit, shell, "decisions"),
    })
}

/// Decisions before an instant as a file, the newest 10,000 of them; older ones are those before its last row.
async fn decisions_csv(app: &App, shell: &ShellModel, slug: &str, mut before: Option<Millis>) -> Result<Response> {
    let header = ["at", "mode", "before", "wanted", "decider", "reason", "outcome", "note", "inputs"];
    let mut rows = Vec::new();
    while rows.len() < MOST_IN_FILE {
        let (found, has_older) = app.scaling_decisions(slug, before, MOST_DECISIONS).await?;
        before = found.last().map(|one| one.at_ms);
        rows.extend(found.into_iter().map(|one| {
            vec![
                Cell::Own(rfc3339(one.at_ms)),
                Cell::Own(one.mode),
                Cell::Int(Some(one.before.into())),
                Cell::Int(Some(one.wanted.into())),
                Cell::Own(one.decider),
                Cell::Text(one.reason),
                Cell::Own(one.outcome.as_str().to_owned()),
                Cell::Text(one.note),
                Cell::Text(one.inputs.to_string()),
            ]
        }));
        if !has_older {
            break;
        }
    }
    Ok(csv(shell, &format!("decisions_{slug}"), &header, rows))
}

fn decision(one: &headroom_store::scaling::Decision) -> DecisionRow {
    let inputs: Vec<String> = ["live", "headroom", "quantile", "with_headroom", "committed", "event_floor"]
        .iter()
        .filter_map(|name| Some((name, one.inputs.get(name)?.as_f64()?)))
        .filter(|(_, value)| *value > 0.0)
        .map(|(name, value)| format!("{} {}", name.replace('_', " "), format::decimal(value, 1)))
        .collect();
    let outcome = one.outcome.as_str();
    DecisionRow {
        at_ms: one.at_ms,
        change: format!("{} → {}", format::count(one.before.into()), format::count(one.wanted.into())),
        why: one.reason.clone(),
        inputs: inputs.join(" · "),
        outcome: if one.note.is_empty() { outcome.to_owned() } else { format!("{outcome}: {}", one.note) },
    }
}

/// The past day that is asked for; yesterday if none is.
async fn past(app: &App, visit: &Visit, shell: &ShellModel, slug: &str, now: Millis) -> Result<PastBox> {
    let yesterday = shell.zone.local(now - DAY_MS).date();
    let asked = visit.get("day").map(|day| day.trim().chars().take(20).collect::<String>());
    let day = match asked.as_deref().filter(|day| !day.is_empty()) {
        None => Some(yesterday),
        Some(text) => chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok(),
    };
    let mut found = PastBox { day: Field::of(asked.unwrap_or_else(|| yesterday.to_string())), ..PastBox::default() };
    let Some(day) = day.filter(|day| *day <= shell.zone.local(now).date() && (1970..).contains(&day.year())) else {
        let problem = Problem::new("day", &found.day.value, "a past day such as 2026-11-20");
        found.day.error = error_of("day", &[problem]);
        return Ok(found);
    };
    let midnight = |day: chrono::NaiveDate| match shell.zone.to_utc(day.and_time(chrono::NaiveTime::MIN)) {
        Ok(at) | Err(at) => at,
    };
    let from = midnight(day);
    let to = day.succ_opt().map_or(from + DAY_MS, midnight);
    let past = app.past_day(slug, from, to).await?;
    found.says = match past.wape {
        Some(wape) => format!(
            "Typical miss of the day {}; the 80 % range held {} of {} hours.",
            format::percent(wape),
            past.held.0,
            past.held.1
        ),
        None => "Nothing was foreseen for that day, or nothing came.".into(),
    };
    found.chart = past_chart(&past, visit, shell, now);
    Ok(found)
}

fn past_chart(past: &PastDay, visit: &Visit, shell: &ShellModel, now: Millis) -> Option<ChartModel> {
    let said: Vec<(Millis, Vec<f64>)> =
        past.hours.iter().filter_map(|(at, said, _)| Some((*at, said.as_ref()?.levels.clone()))).collect();
    if said.is_empty() {
        return None;
    }
    let came = past.hours.iter().map(|(at, _, came)| point(*at, *came, None)).collect();
    let mut lines = vec![line("Wanted, most in the hour", Mark::Line, Colour::One, came)];
    lines.extend(bands(&said));
    let chart = ChartSpec {
        id: "past".into(),
        title: "Foreseen an hour ahead, and what came".into(),
        from_ms: past.from_ms,
        to_ms: past.to_ms,
        now_ms: now,
        zone: shell.zone.clone(),
        axis: Axis::Slots,
        thresholds: Vec::new(),
        lines,
        annotations: Vec::new(),
    };
    let variants = [Variant::Compact, Variant::Medium, Variant::Wide];
    Some(chart_model(&chart, &variants, "slots".into(), HOUR_MS, csv_href(visit, shell, "past")))
}

/// An instant on the wall clock of the shown zone, as forms take it.
pub(super) fn wall(shell: &ShellModel, at: Millis) -> String {
    local(shell, at).chars().take(16).collect()
}
