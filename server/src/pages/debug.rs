//! `/debug`: claims, events, leases and moves one by one.

use super::answer::{failure, page};
use super::figure;
use super::oncall::named;
use super::shell::{Spec, shell};
use super::slot::{hex, log_row};
use super::trace::{id_of, trace_of};
use super::visit::Visit;
use crate::app::live::{Closely, EventFilter, SlotsNow, Steps};
use crate::app::window::Window;
use crate::app::{App, AppError, Result};
use crate::charts::{Annotation, Axis, ChartSpec, Colour, Line, Mark, Point, Unit, Variant};
use axum::http::StatusCode;
use axum::response::Response;
use headroom_domain::format;
use headroom_domain::lease::EventKind;
use headroom_domain::series::chart_step;
use headroom_domain::{MINUTE_MS, Millis};
use headroom_frontend::model::{
    Affinity, AnswerMap, ChartModel, ChosenBox, ClaimRow, DebugFilter, DebugModel, Difference, FilterSet, LeaseBar,
    Link, PanelState,
};
use headroom_frontend::{pages, routes::RailEntry};
use headroom_store::slot_event::{AnswerBox, Contrast, Interval, LATENCY_EDGES_MS, SlotEvent};
use std::collections::{BTreeMap, BTreeSet};

/// Points of a chart.
const POINTS: usize = 120;
/// Columns of the heatmap, about, and at most.
const COLUMNS: usize = 40;
const MOST_COLUMNS: usize = 60;
/// Differences named beside the heatmap.
const DIFFERENCES: usize = 8;
/// A share that is higher by less says nothing.
const TELLING: f64 = 0.02;
/// Claims in the list.
const CLAIMS: usize = 12;
/// A claim that waited for longer is slow (M6).
const SLOW_MS: i32 = 50;
/// Rows and columns of the affinity map.
const NODES: usize = 40;
const SHARDS: usize = 32;

/// GET `/debug`.
pub(crate) async fn get(app: App, visit: Visit) -> Response {
    match answer(&app, &visit).await {
        Ok(response) => response,
        Err(error) => failure(&app, &visit, error).await,
    }
}

async fn answer(app: &App, visit: &Visit) -> Result<Response> {
    let spec = Spec {
        title: "Debug",
        rail: Some(RailEntry::Debug),
        honoured: FilterSet { tenant: true, stamp: true, range: true, ..FilterSet::NONE },
        default_from: "now-15m",
        view: &["kind", "who", "slot", "q", "box"],
    };
    let (shell, window) = shell(app, visit, spec).await?;
    let mut tracked = app.tracked(None).await?;
    // One pool is looked at, and the others stay to choose from.
    tracked.retain(|one| {
        window.stamps.is_empty() || one.pool.fields.stamp.as_ref().is_some_and(|stamp| window.stamps.contains(stamp))
    });
    let asked = visit.get("pool").and_then(|slug| tracked.iter().find(|one| one.pool.fields.slug.as_str() == slug));
    let typed = |name: &str| visit.get(name).unwrap_or_default().trim().chars().take(200).collect::<String>();
    // Whoever comes with a tenant from another page looks at that tenant's events, unless the form says otherwise.
    let tenant = if visit.has("tenant") && !visit.has("who") {
        window.only_tenant().unwrap_or_default().to_owned()
    } else {
        typed("who")
    };
    let filter = DebugFilter { kind: typed("kind"), tenant, slot: typed("slot"), text: typed("q") };
    let empty = |id, title| ChartModel::empty(id, title, window.from_ms, window.to_ms);
    let mut model = DebugModel {
        pool: None,
        pools: tracked.iter().map(named).collect(),
        answers: None,
        latency: empty("latency", "Claim latency"),
        claims: Vec::new(),
        trace: None,
        events: Vec::new(),
        events_state: PanelState::Ready,
        leases: Vec::new(),
        moves: empty("moves", "Moves per minute"),
        affinity: Affinity::default(),
        filter,
    };
    if let Some(one) = asked.or(tracked.first()) {
        let slug = one.pool.fields.slug.as_str();
        let steps =
            Steps { lines_ms: chart_step(window.span_ms(), POINTS), answers_ms: answers_step(window.span_ms()) };
        let chosen = box_of(visit, &window);
        model.pool = Some(named(one));
        let found = app.look_closely(slug, &window, &read(&model.filter), steps, chosen).await;
        let (closely, unknown) = match found {
            Ok(closely) => (closely, None),
            // An unknown tenant has no events; the rest of the page stays.
            Err(AppError::NotFound { what: "tenant", .. } | AppError::Moved { what: "tenant", .. }) => {
                let others = EventFilter { tenant: None, ..read(&model.filter) };
                (app.look_closely(slug, &window, &others, steps, chosen).await?, Some(model.filter.tenant.clone()))
            }
            Err(other) => return Err(other),
        };
        fill(&mut model, &closely, &window, unknown);
        model.latency.csv_href = figure::csv_href(visit, &shell, "latency");
        model.moves.csv_href = figure::csv_href(visit, &shell, "moves");
        if let Some(table) = visit.csv() {
            let chart = if table == "moves" { &model.moves } else { &model.latency };
            return Ok(figure::chart_csv(&shell, &format!("{slug}-{}", chart.id), chart));
        }
        if let Some(worst) = model.claims.iter().max_by_key(|claim| claim.total_us) {
            let (trace, claim) = id_of(&worst.trace);
            let way = app.claim_way(trace, claim).await?;
            model.trace = trace_of(&worst.trace, &way, named(one));
        }
    }
    Ok(page(&shell, StatusCode::OK, || pages::debug(&shell, &model)))
}

/// The step of the heatmap's columns.
fn answers_step(span_ms: Millis) -> Millis {
    // Minutes would be coarse where something happened just now.
    const SHORT_MS: Millis = 20 * 60_000;
    const SHORT_STEP_MS: Millis = 30_000;
    if span_ms <= SHORT_MS { SHORT_STEP_MS } else { chart_step(span_ms, COLUMNS) }
}

/// The chosen part of the heatmap: `box=FROM-TO.LOW-HIGH` with times in milliseconds and ranges by number, or the four of a form.
/// What makes no sense, or lies outside the window, chooses nothing.
fn box_of(visit: &Visit, window: &Window) -> Option<AnswerBox> {
    let pair = |text: &str| {
        let (first, last) = text.split_once('-')?;
        Some((first.parse::<Millis>().ok()?, last.parse::<Millis>().ok()?))
    };
    let number = |name: &str| visit.get(name)?.parse::<Millis>().ok();
    let asked = match visit.get("box") {
        Some(text) => text.split_once('.').and_then(|(times, ranges)| Some((pair(times)?, pair(ranges)?))),
        None => number("from_ms").zip(number("to_ms")).zip(number("low").zip(number("high"))),
    };
    let ((from_ms, to_ms), (low, high)) = asked?;
    let last = LATENCY_EDGES_MS.len() as i32;
    let (low, high) = (i32::try_from(low).ok()?, i32::try_from(high).ok()?);
    let is_sound = from_ms < to_ms && (0..=last).contains(&low) && (low..=last).contains(&high);
    let is_within = from_ms < window.to_ms && to_ms > window.from_ms;
    (is_sound && is_within).then_some(AnswerBox { from_ms, to_ms, low, high })
}

/// The ranges of time to an answer in words, the fastest first.
fn ranges() -> Vec<String> {
    let edges = LATENCY_EDGES_MS.map(i64::from);
    let below = |edge: i64| format!("< {}", format::duration(edge));
    let from = |edge: i64| format!("≥ {}", format::duration(edge));
    let mut names = vec![below(edges[0])];
    // Each range begins where the one before ends, so the unit is said once where it is the same.
    names.extend(edges.windows(2).map(|pair| {
        let (from, to) = (format::duration(pair[0]), format::duration(pair[1]));
        match (from.rsplit_once(format::NNBSP), to.rsplit_once(format::NNBSP)) {
            (Some((number, unit)), Some((_, other))) if unit == other => format!("{number}–{to}"),
            _ => format!("{from}–{to}"),
        }
    }));
    names.push(from(edges[edges.len() - 1]));
    names
}

fn answers(closely: &Closely, window: &Window) -> Option<AnswerMap> {
    if closely.answers.is_empty() {
        return None;
    }
    let rows = ranges();
    let step_ms = closely.answers_ms;
    let end = window.to_ms.min(window.now_ms);
    let columns: Vec<Millis> =
        (0..).map(|n| window.from_ms + n * step_ms).take_while(|from| *from < end).take(MOST_COLUMNS).collect();
    let mut claims = vec![vec![0; columns.len()]; rows.len()];
    for one in &closely.answers {
        let column = usize::try_from((one.from_ms - window.from_ms) / step_ms).ok();
        let place = column.and_then(|column| claims.get_mut(one.range as usize)?.get_mut(column));
        if let Some(place) = place {
            *place += one.claims;
        }
    }
    let column_of = |at: Millis| {
        let column = (at - window.from_ms).max(0) / step_ms;
        (column as usize).min(columns.len().saturating_sub(1))
    };
    let chosen = closely.contrasts.as_ref().map(|(chosen, contrasts)| {
        let all = contrasts.iter().find(|one| one.what == "claims");
        let (inside, outside) = all.map_or((0, 0), |all| (all.inside, all.outside));
        ChosenBox {
            columns: (column_of(chosen.from_ms), column_of(chosen.to_ms - 1)),
            rows: (chosen.low as usize, chosen.high as usize),
            inside,
            outside,
            differences: differences(contrasts, inside, outside),
        }
    });
    Some(AnswerMap { columns, step_ms, rows, claims, chosen })
}

/// What is more frequent inside than outside, by how much more. A single claim among several says nothing.
fn differences(contrasts: &[Contrast], inside: i64, outside: i64) -> Vec<Difference> {
    let share = |part: i64, whole: i64| if whole > 0 { part as f64 / whole as f64 } else { 0.0 };
    let more = |one: &Contrast| share(one.inside, inside) - share(one.outside, outside);
    let mut telling: Vec<&Contrast> = contrasts
        .iter()
        .filter(|one| one.what != "claims" && (one.inside > 1 || inside < 3) && more(one) > TELLING)
        .collect();
    telling.sort_by(|a, b| more(b).total_cmp(&more(a)));
    let difference = |one: &Contrast| Difference {
        what: one.what.clone(),
        value: one.value.clone(),
        inside: one.inside,
        outside: one.outside,
    };
    telling.into_iter().take(DIFFERENCES).map(difference).collect()
}

/// What was typed, understood; what makes no sense filters nothing but events of such a name.
fn read(filter: &DebugFilter) -> EventFilter {
    let (trace, claim) = id_of(&filter.text);
    let is_id = trace.is_some() || claim.is_some();
    EventFilter {
        kind: filter.kind.parse().ok(),
        tenant: Some(filter.tenant.clone()).filter(|slug| !slug.is_empty()),
        slot: filter.slot.trim_start_matches('#').parse().ok(),
        text: if is_id { String::new() } else { filter.text.chars().filter(|c| *c != '\0').collect() },
        trace,
        claim,
    }
}

fn fill(model: &mut DebugModel, closely: &Closely, window: &Window, unknown: Option<String>) {
    model.events = if unknown.is_some() { Vec::new() } else { closely.events.iter().map(log_row).collect() };
    if model.events.is_empty() {
        let text = match unknown {
            Some(tenant) => format!("No tenant is called {tenant}."),
            None => "No event in this range matches.".to_owned(),
        };
        model.events_state = PanelState::Empty { text, action: None::<Link> };
    }
    model.claims = claims(&closely.claims);
    model.leases = leases(&closely.slots);
    model.affinity = affinity(&closely.slots);
    model.answers = answers(closely, window);
    model.latency = latency(closely, window);
    model.moves = moves(closely, window);
}

/// The name under which a claim's way is found: its trace, or its own id.
fn way_of(event: &SlotEvent) -> Option<String> {
    event.trace.as_deref().map(hex).or_else(|| event.claim.map(|claim| claim.to_string()))
}

fn claims(events: &[SlotEvent]) -> Vec<ClaimRow> {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut rows = Vec::new();
    for event in events {
        let is_rejected = event.kind == EventKind::Reject;
        let is_slow = event.wait_ms.is_some_and(|wait| wait > SLOW_MS) || event.kind == EventKind::Enqueue;
        let Some(trace) = way_of(event).filter(|_| is_rejected || is_slow) else { continue };
        if rows.len() == CLAIMS || !known.insert(trace.clone()) {
            continue;
        }
        rows.push(ClaimRow {
            trace,
            at_ms: event.at,
            tenant: event.tenant.clone().unwrap_or_default(),
            outcome: if is_rejected {
                event.reason.clone().unwrap_or_else(|| "rejected".to_owned())
            } else {
                "waited".to_owned()
            },
            rejected: is_rejected,
            total_us: i64::from(event.wait_ms.unwrap_or_default()) * 1_000,
        });
    }
    rows
}

/// Leases by what is left of them.
fn leases(now: &SlotsNow) -> Vec<LeaseBar> {
    const BARS: [(&str, Millis); 7] = [
        ("past their end", 0),
        ("below 10 s", 10_000),
        ("10–30 s", 30_000),
        ("30–60 s", 60_000),
        ("1–5 min", 300_000),
        ("5–60 min", 3_600_000),
        ("over 1 h", Millis::MAX),
    ];
    let mut seen = BTreeSet::new();
    let mut bars = BARS.map(|(label, _)| LeaseBar { label: label.to_owned(), count: 0, past: false });
    bars[0].past = true;
    for slot in &now.slots {
        let Some(held) = slot.held.as_ref() else { continue };
        // Claims that may not be seen have no id: each of their slots counts.
        if !held.claim.is_nil() && !seen.insert(held.claim) {
            continue;
        }
        let left = held.expires_at - now.now;
        let place = BARS.iter().position(|(_, below)| left <= *below).unwrap_or(BARS.len() - 1);
        bars[place].count += 1;
    }
    if bars.iter().all(|bar| bar.count == 0) { Vec::new() } else { bars.to_vec() }
}

/// Which part of each shard's slots was last used on which node.
fn affinity(now: &SlotsNow) -> Affinity {
    let Some(shards) = now.watched.rules.policy.shards.filter(|shards| *shards > 0) else { return Affinity::default() };
    let mut counts: BTreeMap<(&str, u32), u64> = BTreeMap::new();
    let mut totals: BTreeMap<u32, u64> = BTreeMap::new();
    for slot in &now.slots {
        let shard = (slot.number - 1) % shards;
        *totals.entry(shard).or_default() += 1;
        if let Some(node) = slot.node.as_deref() {
            *counts.entry((node, shard)).or_default() += 1;
        }
    }
    let nodes: Vec<&str> = counts.keys().map(|(node, _)| *node).collect::<BTreeSet<_>>().into_iter().collect();
    let share = |node: &str, shard: u32| {
        let total = totals.get(&shard)?;
        Some(counts.get(&(node, shard)).copied().unwrap_or_default() as f64 / *total as f64)
    };
    // A shard prefers the node that has most of it.
    let mut most: BTreeMap<u32, u64> = BTreeMap::new();
    for ((_, shard), count) in &counts {
        let best = most.entry(*shard).or_default();
        *best = (*count).max(*best);
    }
    let placed: u64 = counts.values().sum();
    let shown: Vec<u32> = (0..shards).take(SHARDS).collect();
    Affinity {
        shards: shown.iter().map(ToString::to_string).collect(),
        share: nodes.iter().take(NODES).map(|node| shown.iter().map(|shard| share(node, *shard)).collect()).collect(),
        nodes: nodes.iter().take(NODES).map(|node| (*node).to_owned()).collect(),
        on_preferred: (placed > 0).then(|| most.values().sum::<u64>() as f64 / placed as f64),
    }
}

/// One point for each interval of the window that has begun.
fn points(closely: &Closely, window: &Window, value: impl Fn(Option<&Interval>) -> Option<f64>) -> Vec<Point> {
    let known: BTreeMap<Millis, &Interval> = closely.intervals.iter().map(|one| (one.from_ms, one)).collect();
    let starts = (0..).map(|place| window.from_ms + place * closely.step_ms);
    starts
        .take_while(|from| *from < window.to_ms.min(window.now_ms))
        .map(|from_ms| Point {
            from_ms,
            to_ms: from_ms + closely.step_ms,
            value: value(known.get(&from_ms).copied()),
            low: None,
            high: None,
            incomplete: from_ms + closely.step_ms > window.now_ms,
        })
        .collect()
}

fn chart(closely: &Closely, window: &Window, (id, title): (&str, &str), axis: Axis, lines: Vec<Line>) -> ChartModel {
    let capacity = |step: &headroom_store::pool::CapacityStep| {
        format::count(headroom_domain::pool::effective(step.configured.into(), step.planned_down.into()))
    };
    let note = |step| Annotation { at_ms: step_at(step), text: format!("capacity {}", capacity(step)) };
    let spec = ChartSpec {
        id: id.to_owned(),
        title: title.to_owned(),
        from_ms: window.from_ms,
        to_ms: window.to_ms,
        now_ms: window.now_ms,
        zone: window.zone.clone(),
        axis,
        thresholds: Vec::new(),
        lines,
        annotations: closely.steps.iter().take(CLAIMS).map(note).collect(),
    };
    let step = format::duration(closely.step_ms);
    let subtitle = match id {
        "moves" => format!("slots that changed their holder or node per {step}"),
        "waits" => format!("from a claim to its decision, per {step}, ms"),
        _ => "from a claim to its durable answer, of claims that did not have to wait, per minute, ms".to_owned(),
    };
    figure::model(
        &spec,
        &[Variant::Compact, Variant::Medium, Variant::Wide, Variant::Full],
        subtitle,
        closely.step_ms,
        String::new(),
    )
}

fn step_at(step: &headroom_store::pool::CapacityStep) -> Millis {
    step.from_ms
}

/// Time to the answer as the pool's owner measured it. Of some tenants only that is not known, and the time that they waited for a
/// slot is shown.
fn latency(closely: &Closely, window: &Window) -> ChartModel {
    let line = |name: &str, colour, points: Vec<Point>| Line {
        name: name.to_owned(),
        mark: Mark::Line,
        colour,
        unit: Unit::Number,
        envelope: None,
        points,
    };
    let axis = Axis::Number { unit: "ms".into() };
    if closely.took.is_empty() {
        let of = |value: fn(&Interval) -> Option<f64>| points(closely, window, |one| one.and_then(value));
        let lines = vec![
            line("P95", Colour::One, of(|one| one.p95_ms)),
            line("P50", Colour::Three, of(|one| one.p50_ms)),
            line("P99", Colour::Two, of(|one| one.p99_ms)),
        ];
        return chart(closely, window, ("waits", "Waits for a slot"), axis, lines);
    }
    let first = window.from_ms - window.from_ms.rem_euclid(MINUTE_MS);
    let of = |quantile: f64| {
        let starts = (0..).map(|place| first + place * MINUTE_MS);
        let starts = starts.take_while(|start| *start < window.to_ms.min(window.now_ms - MINUTE_MS));
        let point = |start: Millis| Point {
            from_ms: start.max(window.from_ms),
            to_ms: start + MINUTE_MS,
            value: closely.took.get(&start).and_then(|sketch| sketch.quantile(quantile)),
            low: None,
            high: None,
            incomplete: false,
        };
        starts.map(point).collect()
    };
    let lines = vec![
        line("P95", Colour::One, of(0.95)),
        line("P50", Colour::Three, of(0.5)),
        line("P99", Colour::Two, of(0.99)),
    ];
    chart(closely, window, ("latency", "Claim latency"), axis, lines)
}

fn moves(closely: &Closely, window: &Window) -> ChartModel {
    let line = Line {
        name: "Moves".into(),
        mark: Mark::Bars,
        colour: Colour::One,
        unit: Unit::Count,
        envelope: None,
        points: points(closely, window, |one| Some(one.map_or(0.0, |one| one.moved as f64))),
    };
    chart(closely, window, ("moves", "Moves"), Axis::Count { unit: "moved slots".into() }, vec![line])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_more_frequent_inside_is_named_first() {
        let one = |what: &str, value: &str, inside, outside| Contrast {
            what: what.into(),
            value: value.into(),
            inside,
            outside,
        };
        let contrasts = [
            one("claims", "", 100, 900),
            one("node", "n-07", 78, 54),
            one("tenant", "acme", 64, 189),
            one("tenant", "beta", 36, 711),
            one("shard", "1", 50, 450),
        ];
        let found = differences(&contrasts, 100, 900);
        let names: Vec<&str> = found.iter().map(|one| one.value.as_str()).collect();
        assert_eq!(names, ["n-07", "acme"], "what is as frequent outside is left out");
        assert!(differences(&[], 0, 0).is_empty());
        assert_eq!(ranges().len(), LATENCY_EDGES_MS.len() + 1);
    }
}
