//! After an alert: how the pool did before, during and after it, who was hit, how long claims took, what the reconciler, the store
//! and the scaling did meanwhile, and what people did, with which runbook.

use crate::app::alerts::slos::{Kept, percent};
use crate::app::alerts::view::Whole;
use crate::app::reports::Report;
use crate::app::{App, AppError, Result};
use headroom_domain::access::Action;
use headroom_domain::alert::window::Lane;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::report::{Cell, Document, Kind, Row, Table};
use headroom_domain::series::{ceil, floor};
use headroom_domain::{HOUR_MS, MINUTE_MS, Millis, format};
use headroom_store::history::{self, ALL_TENANTS};
use headroom_store::usage::{self, Wanted, WideSums};
use headroom_store::{change, finding, pool, scaling, tenant};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Before and after are looked at for at least so long.
const LEAST_MS: Millis = HOUR_MS;
/// And for at most so long.
const MOST_MS: Millis = 24 * HOUR_MS;
/// Lines of a timeline.
const MOST_LINES: i64 = 500;

fn small(wide: i128) -> i64 {
    i64::try_from(wide).unwrap_or(i64::MAX)
}

/// A stretch of time with a name.
struct Stretch {
    name: &'static str,
    from: Millis,
    to: Millis,
}

/// Sums of a pool by tenant over a stretch; `None` where its minutes are not kept any more.
async fn sums(conn: &mut PgConnection, pool: i32, stretch: &Stretch) -> Result<Option<BTreeMap<i32, WideSums>>> {
    let wanted = Wanted { pools: Some(vec![pool]), tenants: None };
    let found = usage::sums(conn, &wanted, Some(stretch.from), Some(stretch.to)).await?;
    Ok(found.ok().map(|found| found.into_iter().map(|((_, tenant), sums)| (tenant, sums)).collect()))
}

/// The number of an alert, with or without the letter before it.
pub(super) fn number(text: &str) -> Result<i64> {
    let number = text.strip_prefix("A-").unwrap_or(text).parse::<i64>().ok().filter(|id| *id > 0);
    number.ok_or_else(|| AppError::invalid("period", text, "the number of an alert"))
}

impl App {
    /// The summary of an alert's episode, as far as it is known now.
    ///
    /// # Errors
    /// `Invalid` if the number is none, `NotFound` for an alert that there is not or that did not fire, `Forbidden` for callers who
    /// see some tenants or pools only.
    pub async fn incident(&self, text: &str) -> Result<Report> {
        self.require(Action::See)?;
        self.require_no_limits(Action::See)?;
        let id = number(text)?;
        let whole = self.alert(id).await?;
        let Some(fired_ms) = whole.shown.row.alert.fired_ms else {
            return Err(AppError::NotFound { what: "incident", slug: text.to_owned(), suggestion: None });
        };
        let mut tx = self.db.pages.begin().await?;
        let organisation = headroom_store::organisation::get(&mut tx).await?;
        let zone = super::period::zone_around(&organisation.zone, fired_ms, whole.now);
        let (from, to) = span(&whole, fired_ms);
        let objectives = match whole.shown.row.pool {
            Some(pool) => self.objectives_over(&mut tx, pool, from, to).await?,
            None => Vec::new(),
        };
        let document = document(&mut tx, &whole, &objectives, fired_ms, &zone).await?;
        let alert = &whole.shown.row.alert;
        // As the store's `incidents_due` chooses them.
        let closes_by_itself = alert.severity == Lane::Page
            && !whole.shown.row.dry_run
            && alert.resolved_ms.is_none_or(|over| over >= whole.now - super::INCIDENTS_BACK_MS);
        Ok(Report { document, kept: None, is_whole: true, closes_by_itself, now_ms: whole.now })
    }
}

/// The minutes of an alert, from when it began.
fn span(whole: &Whole, fired_ms: Millis) -> (Millis, Millis) {
    let alert = &whole.shown.row.alert;
    let over_ms = alert.resolved_ms.unwrap_or(whole.now).max(fired_ms);
    let from = floor(alert.began_ms.min(fired_ms), MINUTE_MS);
    let to = ceil(over_ms, MINUTE_MS).max(from + MINUTE_MS).min(floor(whole.now, MINUTE_MS)).max(from);
    (from, to)
}

async fn document(
    conn: &mut PgConnection,
    whole: &Whole,
    objectives: &[Kept],
    fired_ms: Millis,
    zone: &ZoneSlice,
) -> Result<Document> {
    let row = &whole.shown.row;
    let (from, to) = span(whole, fired_ms);
    let around = (to - from).clamp(LEAST_MS, MOST_MS);
    let stretches = [
        Stretch { name: "before", from: from - around, to: from },
        Stretch { name: "during", from, to },
        Stretch { name: "after", from: to, to: (to + around).min(floor(whole.now, MINUTE_MS)).max(to) },
    ];
    let mut tables = Vec::new();
    if let Some(pool) = row.pool {
        tables.extend(pool_tables(conn, pool, &stretches).await?);
        tables.push(objectives_table(objectives));
        tables.push(latency_table(conn, pool, from - around, to + around, zone).await?);
    }
    tables.push(service_table(conn, row.pool, from - around, to + around, zone).await?);
    tables.push(changes_table(conn, row.pool, from - around, to + around, zone).await?);
    if let Some(pool) = row.pool {
        tables.push(decisions_table(conn, pool, from - around, to + around, zone).await?);
    }
    tables.push(steps_table(whole, zone));
    tables.push(told_table(whole, zone));
    tables.push(timeline(whole, zone));
    tables.retain(|table| !table.rows.is_empty());
    let acknowledged = whole.events.iter().find(|event| event.what == "acknowledged");
    let after = |at: Option<Millis>| Cell::Time(at.map(|at| (at - fired_ms).max(0)));
    let name = |named: &Option<crate::app::alerts::view::Named>| {
        Cell::text(named.as_ref().map_or("all", |named| named.slug.as_str()))
    };
    Ok(Document {
        kind: Kind::Incident,
        period: row.id.to_string(),
        title: format!("Incident A-{}: {}", row.id, whole.shown.title),
        zone: zone.name().to_owned(),
        from_ms: from,
        to_ms: to,
        currency: None,
        facts: vec![
            ("Pool".into(), name(&whole.shown.pool)),
            ("Tenant".into(), name(&whole.shown.tenant)),
            ("Fired".into(), Cell::text(format::date_time(zone.local(fired_ms)))),
            ("Until acknowledged".into(), after(acknowledged.map(|event| event.at))),
            ("Until resolved".into(), after(row.alert.resolved_ms)),
            ("Acknowledged by".into(), Cell::text(acknowledged.and_then(|event| event.who.as_ref()).map_or("nobody", |who| &who.name))),
            ("Runbook".into(), Cell::text(&whole.shown.runbook)),
            ("Steps of it that were done".into(), Cell::Count(Some(whole.steps.len() as i64))),
            ("It turned out to be".into(), Cell::text(whole.outcome.map_or("not said", |outcome| outcome.label()))),
        ],
        tables,
        notes: vec![
            "Before and after are as long as the alert, at least an hour and at most a day. What is not known, or whose minutes are not kept any more, is left out.".into(),
            "An objective is broken if a larger part was bad during the alert than is promised to be over 30 days; counts are those of the whole pool, maintenance included.".into(),
        ],
    })
}

async fn pool_tables(conn: &mut PgConnection, pool: i32, stretches: &[Stretch; 3]) -> Result<Vec<Table>> {
    let slugs: BTreeMap<i32, String> = tenant::keys(conn).await?.into_iter().collect();
    let mut pool_table = Table::new(
        "pool",
        "The pool before, during and after",
        "Occupied of capacity on average, the highest number of slots at once, the time in which it was full, and what happened to claims.",
        &[
            ("stretch", "When"),
            ("length_ms", "Length"),
            ("occupancy", "Occupancy"),
            ("highest_slots", "Highest"),
            ("full", "Full"),
            ("claims", "Claims"),
            ("rejections", "Rejected"),
            ("rejected", "Rejected of claims"),
            ("waited", "Waited"),
        ],
    );
    let mut hit = Table::new(
        "tenants",
        "Tenants that were hit",
        "During the alert, the worst first: claims that were rejected and claims that had to wait.",
        &[
            ("tenant", "Tenant"),
            ("claims", "Claims"),
            ("rejections", "Rejected"),
            ("rejected", "Rejected of claims"),
            ("waited", "Waited"),
            ("queue_ms", "Waited in all"),
        ],
    );
    for stretch in stretches.iter().filter(|stretch| stretch.from < stretch.to) {
        let Some(found) = sums(conn, pool, stretch).await? else { continue };
        if let Some(all) = found.get(&ALL_TENANTS).filter(|sums| sums.observed_ms > 0) {
            pool_table.rows.push(Row::of(vec![
                Cell::text(stretch.name),
                Cell::Time(Some(stretch.to - stretch.from)),
                Cell::Ratio(small(all.occupied_slot_ms), small(all.capacity_slot_ms)),
                Cell::Level(Some(all.max_occupied)),
                Cell::Ratio(small(all.saturated_ms), small(all.observed_ms)),
                Cell::Count(Some(small(all.claims))),
                Cell::Count(Some(small(all.rejections))),
                Cell::Ratio(small(all.rejections), small(all.claims)),
                Cell::Count(Some(small(all.waited))),
            ]));
        }
        if stretch.name != "during" {
            continue;
        }
        let mut tenants: Vec<(&i32, &WideSums)> = found
            .iter()
            .filter(|(tenant, sums)| **tenant != ALL_TENANTS && (sums.rejections > 0 || sums.waited > 0))
            .collect();
        tenants.sort_by_key(|(tenant, sums)| (std::cmp::Reverse((sums.rejections, sums.waited)), **tenant));
        for (tenant, sums) in tenants {
            let Some(slug) = slugs.get(tenant) else { continue };
            let cells = vec![
                Cell::text(slug),
                Cell::Count(Some(small(sums.claims))),
                Cell::Count(Some(small(sums.rejections))),
                Cell::Ratio(small(sums.rejections), small(sums.claims)),
                Cell::Count(Some(small(sums.waited))),
                Cell::Time(Some(small(sums.queue_ms))),
            ];
            hit.rows.push(Row::of(cells).of_tenant(*tenant, slug));
        }
    }
    Ok(vec![pool_table, hit])
}

async fn latency_table(
    conn: &mut PgConnection,
    pool: i32,
    from: Millis,
    to: Millis,
    zone: &ZoneSlice,
) -> Result<Table> {
    let mut table = Table::new(
        "latency",
        "Time to answer claims",
        "By the hour, milliseconds.",
        &[("hour", "Hour"), ("p50_ms", "P50"), ("p95_ms", "P95"), ("p99_ms", "P99")],
    );
    for (hour, sketch) in history::latency(conn, pool, floor(from, HOUR_MS), to).await? {
        let at = |q| Cell::Time(sketch.quantile(q).map(|ms| ms.round() as i64));
        if sketch.count() > 0 && (floor(from, HOUR_MS)..to).contains(&hour) {
            table.rows.push(Row::of(vec![
                Cell::text(format::date_time(zone.local(hour))),
                at(0.5),
                at(0.95),
                at(0.99),
            ]));
        }
    }
    Ok(table)
}

/// What was found about the pool, the servers and the store meanwhile.
async fn service_table(
    conn: &mut PgConnection,
    pool: Option<i32>,
    from: Millis,
    to: Millis,
    zone: &ZoneSlice,
) -> Result<Table> {
    let mut table = Table::new(
        "service",
        "Reconciler, store and servers",
        "What Headroom found about this pool, its own servers and its store meanwhile.",
        &[("since", "Since"), ("kind", "What"), ("about", "About"), ("lasted_ms", "For")],
    );
    let wanted = finding::Wanted { since: from, limit: MOST_LINES, ..finding::Wanted::default() };
    let mut found = finding::list(conn, &wanted).await?;
    found.retain(|one| one.seen.since_ms < to && (one.seen.pool.is_none() || one.seen.pool == pool));
    found.sort_by_key(|one| one.seen.since_ms);
    for one in found {
        table.rows.push(Row::of(vec![
            Cell::text(format::date_time(zone.local(one.seen.since_ms))),
            Cell::text(one.seen.what.kind().as_str()),
            Cell::text(if one.seen.pool.is_some() { "the pool" } else { "Headroom" }),
            Cell::Time(one.over_ms.map(|over| (over - one.seen.since_ms).max(0))),
        ]));
    }
    Ok(table)
}

async fn changes_table(
    conn: &mut PgConnection,
    pool: Option<i32>,
    from: Millis,
    to: Millis,
    zone: &ZoneSlice,
) -> Result<Table> {
    let mut table = Table::new(
        "changes",
        "Capacity and changes",
        "Steps of the capacity, and deployments and other changes around the pool.",
        &[("at", "When"), ("what", "What"), ("slots", "Slots in service"), ("who", "Who")],
    );
    let mut lines: Vec<(Millis, Row)> = Vec::new();
    if let Some(pool) = pool {
        let steps = pool::capacity(conn, Some(&[pool])).await?.remove(&pool).unwrap_or_default();
        for step in steps.iter().filter(|step| (from..to).contains(&step.from_ms)) {
            let what = if step.reason.is_empty() { "capacity" } else { &step.reason };
            let slots = i64::from(step.configured - step.planned_down);
            let at = Cell::text(format::date_time(zone.local(step.from_ms)));
            let cells = vec![at, Cell::text(what), Cell::Level(Some(slots)), Cell::text(&step.actor)];
            lines.push((step.from_ms, Row::of(cells)));
        }
        for one in change::list(conn, Some(&[pool]), from, to, MOST_LINES).await? {
            let at = Cell::text(format::date_time(zone.local(one.at_ms)));
            let what = Cell::text(format!("{}: {}", one.kind, one.title));
            lines.push((one.at_ms, Row::of(vec![at, what, Cell::Level(None), Cell::text(&one.actor)])));
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    table.rows = lines.into_iter().map(|(_, line)| line).collect();
    Ok(table)
}

/// What scaling decided, whatever came of it.
async fn decisions_table(
    conn: &mut PgConnection,
    pool: i32,
    from: Millis,
    to: Millis,
    zone: &ZoneSlice,
) -> Result<Table> {
    let mut table = Table::new(
        "scaling",
        "Scaling decisions",
        "What the plan wanted and why, the oldest first: in shadow nobody was told, what was recommended waited for somebody, what was refused could not be applied.",
        &[
            ("at", "When"),
            ("before_slots", "Slots"),
            ("wanted_slots", "Wanted"),
            ("decider", "Decided by"),
            ("reason", "Why"),
            ("outcome", "Outcome"),
            ("note", "Note"),
        ],
    );
    for one in scaling::decisions_between(conn, pool, from, to, MOST_LINES).await? {
        table.rows.push(Row::of(vec![
            Cell::text(format::date_time(zone.local(one.at_ms))),
            Cell::Level(Some(one.before.into())),
            Cell::Level(Some(one.wanted.into())),
            Cell::text(one.decider.replace('_', " ")),
            Cell::text(one.reason),
            Cell::text(one.outcome.as_str()),
            Cell::text(one.note),
        ]));
    }
    Ok(table)
}

/// What is promised of the pool beside what came during the alert.
fn objectives_table(objectives: &[Kept]) -> Table {
    let mut table = Table::new(
        "objectives",
        "What is promised of the pool",
        "Of each objective: the part that was bad during the alert beside the part that may be.",
        &[
            ("objective", "Objective"),
            ("counted", "What is bad"),
            ("bad", "Bad"),
            ("total", "Of"),
            ("bad_share", "Bad of all"),
            ("allowed", "Allowed"),
            ("kept", "Kept"),
        ],
    );
    for one in objectives {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let allowed = match one.sli.is_ratio().then(|| percent(one.budget)).flatten() {
            Some(percent) => percent,
            None if one.sli.is_ratio() => one.budget.to_string(),
            None => format!("{} per slot and hour", one.budget),
        };
        table.rows.push(Row::of(vec![
            Cell::text(one.sli.label()),
            Cell::text(format!("{}; of {}", one.sli.bad_words(), one.sli.total_words())),
            Cell::Count(Some(number(one.bad))),
            Cell::Count(Some(number(one.total))),
            Cell::Ratio(number(one.bad), number(one.total)),
            Cell::text(allowed),
            Cell::text(if one.is_broken() { "no" } else { "yes" }),
        ]));
    }
    table
}

fn steps_table(whole: &Whole, zone: &ZoneSlice) -> Table {
    let mut table = Table::new(
        "runbook",
        "Steps of the runbook that were done",
        "Ticked by people while it lasted.",
        &[("step", "Step"), ("who", "Who"), ("at", "When")],
    );
    for (step, who, at) in &whole.steps {
        let at = Cell::text(format::date_time(zone.local(*at)));
        table.rows.push(Row::of(vec![Cell::text(step.to_string()), Cell::text(who), at]));
    }
    table
}

fn told_table(whole: &Whole, zone: &ZoneSlice) -> Table {
    let mut table = Table::new(
        "told",
        "Who was told",
        "Messages to receivers, the oldest first.",
        &[("at", "When"), ("receiver", "Receiver"), ("message", "Message"), ("state", "How it went")],
    );
    for one in whole.deliveries.iter().rev() {
        table.rows.push(Row::of(vec![
            Cell::text(format::date_time(zone.local(one.created_ms))),
            Cell::text(&one.receiver_name),
            Cell::text(&one.message),
            Cell::text(&one.state),
        ]));
    }
    table
}

fn timeline(whole: &Whole, zone: &ZoneSlice) -> Table {
    let mut table = Table::new(
        "timeline",
        "Timeline",
        "What happened to the alert, by itself or by people.",
        &[("at", "When"), ("what", "What"), ("who", "Who"), ("note", "Note")],
    );
    for event in &whole.events {
        table.rows.push(Row::of(vec![
            Cell::text(format::date_time(zone.local(event.at))),
            Cell::text(&event.what),
            Cell::text(event.who.as_ref().map_or("", |who| who.name.as_str())),
            Cell::text(&event.note),
        ]));
    }
    table
}
