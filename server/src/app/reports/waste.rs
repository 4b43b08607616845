//! The monthly report: what was promised and not used, where that time went, what it cost, and which change would help.

use super::period::Period;
use crate::app::Result;
use chrono::{Datelike, Timelike};
use headroom_domain::accumulate::SeriesKey;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::metering::{Meter, lent};
use headroom_domain::occupancy::Sums;
use headroom_domain::report::{Cell, Document, Kind, Row, Table, amount_minor};
use headroom_domain::reservation::ReservationKind;
use headroom_domain::rightsize::{self, Advice, Basis, Confidence, EVIDENCE_DAYS, Hour, Verdict};
use headroom_domain::series::{Series, Step, floor};
use headroom_domain::waste::{Waste, idle_beside_unreserved, planned_down};
use headroom_domain::{DAY_MS, HOUR_MS, Millis, format};
use headroom_store::history::{self, ALL_TENANTS};
use headroom_store::organisation::Organisation;
use headroom_store::pool::{CapacityStep, Pool};
use headroom_store::promise::{self, Stored};
use headroom_store::usage::{self, Wanted};
use headroom_store::{pool, report, tenant};
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet, HashMap};

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// Months of the trend, the report's own included.
const TREND_MONTHS: usize = 12;

/// A promise that a suggestion never goes below: it has an end that was agreed on, or its note says that it is a contract.
pub fn is_contract(kind: ReservationKind, has_end: bool, note: &str) -> bool {
    kind == ReservationKind::Guaranteed && (has_end || note.trim_start().to_lowercase().starts_with("contract"))
}

/// One tenant in one pool.
struct Part {
    pool: i32,
    tenant: i32,
    waste: Waste,
    saving_slot_ms: i64,
    advice: Advice,
    evidence: Vec<Hour>,
}

/// Everything that the report is reckoned from, over `[from, to)`.
struct Span {
    from: Millis,
    to: Millis,
    /// Evidence begins here, at or before `from`.
    evidence_from: Millis,
}

/// What the pools' plans say.
struct Plans {
    /// Promises that touch the evidence, by pool.
    promises: HashMap<i32, Vec<Stored>>,
    capacity: BTreeMap<i32, Vec<CapacityStep>>,
}

impl Plans {
    async fn read(conn: &mut PgConnection, pools: &[i32], span: &Span) -> Result<Self> {
        let mut promises: HashMap<i32, Vec<Stored>> = HashMap::new();
        for stored in promise::during(conn, Some(pools), None, span.evidence_from, span.to).await? {
            promises.entry(stored.reservation.pool).or_default().push(stored);
        }
        Ok(Self { promises, capacity: pool::capacity(conn, Some(pools)).await? })
    }

    fn of(&self, pool: i32) -> &[Stored] {
        self.promises.get(&pool).map_or(&[], Vec::as_slice)
    }

    /// Slot time that a tenant had promised for a lead in an hour.
    fn lead(&self, pool: i32, tenant: i32, hour: Millis) -> i64 {
        let leads = self.of(pool).iter().filter(|one| one.is_lead && one.reservation.tenant == tenant);
        leads.map(|one| overlap(&one.reservation, hour) * one.reservation.baseline).sum()
    }

    /// Slot time that was planned down in an hour.
    fn planned(&self, pool: i32, hour: Millis) -> i64 {
        let Some(steps) = self.capacity.get(&pool) else { return 0 };
        let end = hour + HOUR_MS;
        let mut sum = 0;
        // The step that holds when the hour begins, and those within it.
        let first = steps.partition_point(|step| step.from_ms <= hour).saturating_sub(1);
        for (at, step) in steps.iter().enumerate().skip(first).take_while(|(_, step)| step.from_ms < end) {
            let until = steps.get(at + 1).map_or(Millis::MAX, |next| next.from_ms);
            sum += (until.min(end) - step.from_ms.max(hour)).max(0) * i64::from(step.planned_down);
        }
        sum
    }

    /// Slots promised to a tenant at an instant, and the part of them that stays whatever is suggested.
    fn promised(&self, pool: i32, tenant: i32, at: Millis) -> (i64, i64) {
        let holding =
            self.of(pool).iter().filter(|one| one.reservation.tenant == tenant && one.reservation.holds_at(at));
        let (mut all, mut stays) = (0, 0);
        for one in holding {
            all += one.reservation.baseline;
            if one.is_lead || is_contract(one.kind, one.reservation.to_ms.is_some(), &one.note) {
                stays += one.reservation.baseline;
            }
        }
        (all, stays)
    }
}

fn overlap(promise: &headroom_domain::reservation::Promise, hour: Millis) -> i64 {
    (promise.to_ms.unwrap_or(Millis::MAX).min(hour + HOUR_MS) - promise.from_ms.max(hour)).max(0)
}

/// The report over a month as far as it is known at `now`, of all tenants and pools.
pub async fn document(
    conn: &mut PgConnection,
    organisation: &Organisation,
    month: &Period,
    now: Millis,
) -> Result<Document> {
    let zone = super::period::zone_around(&organisation.zone, month.about_ms().min(now), now);
    let (from, end) = month.range(&zone);
    let to = end.min(floor(now, HOUR_MS)).max(from);
    let span = Span { from, to, evidence_from: from.min(to - EVIDENCE_DAYS * DAY_MS) };
    let pools: BTreeMap<i32, Pool> = pool::list(conn, true).await?.into_iter().map(|pool| (pool.key, pool)).collect();
    // Those that are archived too: what they had promised was paid for.
    let tenants: BTreeMap<i32, String> = tenant::list(conn, true)
        .await?
        .into_iter()
        .map(|tenant| (tenant.key, tenant.fields.slug.to_string()))
        .collect();
    let sums = usage::sums(conn, &Wanted::default(), Some(from), Some(to)).await?.unwrap_or_default();
    let reserving: BTreeSet<i32> = sums
        .iter()
        .filter(|((_, tenant), sums)| *tenant != ALL_TENANTS && sums.reserved_slot_ms > 0)
        .map(|((_, t), _)| *t)
        .collect();
    // Pools in which somebody who has promises has any, or uses anything.
    let touched: BTreeSet<i32> =
        sums.keys().filter(|(pool, t)| *pool > 0 && reserving.contains(t)).map(|(pool, _)| *pool).collect();
    let touched: Vec<i32> = touched.into_iter().filter(|pool| pools.contains_key(pool)).collect();
    let plans = Plans::read(conn, &touched, &span).await?;
    let mut keys: Vec<i32> = tenants.keys().copied().collect();
    keys.push(ALL_TENANTS);
    let mut parts: Vec<Part> = Vec::new();
    // By tenant and hour: what lay idle and what was held without a promise, over its pools.
    let mut beside: BTreeMap<i32, BTreeMap<Millis, Vec<(i64, i64)>>> = BTreeMap::new();
    for pool in &touched {
        let hours = history::series(conn, Step::Hour, &[*pool], &keys, span.evidence_from, to).await?;
        pool_parts(*pool, &hours, &plans, &span, &reserving, &mut parts, &mut beside);
    }
    parts.retain(|part| part.waste.reserved_slot_ms > 0);
    let price = |key: i32| pools.get(&key).and_then(|pool| pool.fields.unit_cost_micros);
    let idle_money = |part: &Part| price(part.pool).map(|price| amount_minor(part.waste.idle.idle_slot_ms(), price));
    parts.sort_by(|a, b| {
        (idle_money(b), b.waste.idle.idle_slot_ms())
            .cmp(&(idle_money(a), a.waste.idle.idle_slot_ms()))
            .then_with(|| (tenants.get(&a.tenant), a.pool).cmp(&(tenants.get(&b.tenant), b.pool)))
    });
    let names = Names { pools: &pools, tenants: &tenants };
    let elastic = report::elastic_prices(conn).await?;
    let observed: i128 = sums
        .iter()
        .filter(|((pool, t), _)| *t == ALL_TENANTS && touched.contains(pool))
        .map(|(_, s)| s.observed_ms)
        .sum();
    let expected = i128::from(to - from) * touched.len() as i128;
    let small = |wide: i128| i64::try_from(wide).unwrap_or(i64::MAX);
    let mut tables = vec![
        waste_table(&parts, &names, &price),
        split_table(&parts, &names, &price),
        beside_table(&beside, &tenants),
        frontier_table(&parts, &names, &price, &span),
    ];
    tables.extend(elastic_tables(&parts, &names, &price, &elastic, &zone, &span));
    tables.push(trend_table(conn, month, &zone, now, &pools).await?);
    tables.retain(|table| !table.rows.is_empty());
    let hours = (to - from) / HOUR_MS;
    let has_prices = parts.iter().any(|part| price(part.pool).is_some());
    Ok(Document {
        kind: Kind::Waste,
        period: month.slug(),
        title: format!("Reservation waste, {}", month.name()),
        zone: zone.name().to_owned(),
        from_ms: from,
        to_ms: to,
        currency: has_prices.then(|| organisation.currency.clone()),
        facts: vec![
            ("Hours of the report".into(), Cell::Count(Some(hours))),
            ("Pools with reservations".into(), Cell::Count(Some(touched.len() as i64))),
            ("Known of these hours".into(), Cell::Ratio(small(observed), small(expected))),
        ],
        tables,
        notes: vec![
            "Idle is what was promised to a tenant and not held by it, at each instant, in slot-hours; hours of which nothing is known are left out.".into(),
            "Lent is an estimate by the hour: what all held beyond their promises, less capacity promised to nobody, spread over what lay idle. Planned down and lead are taken off first.".into(),
            format!("A suggestion is the 99th percentile of the hourly peaks of {EVIDENCE_DAYS} days and a tenth, never below contracts: promises with an end, and those whose note begins with “contract”. It saves only what nobody had any use of."),
            "Money is at the pools' prices when the report was made, rounded half up to a cent in each row; totals are sums of rows.".into(),
        ],
    })
}

/// Slugs by key.
struct Names<'a> {
    pools: &'a BTreeMap<i32, Pool>,
    tenants: &'a BTreeMap<i32, String>,
}

impl Names<'_> {
    fn tenant(&self, key: i32) -> String {
        self.tenants.get(&key).cloned().unwrap_or_else(|| format!("tenant {key}"))
    }

    fn pool(&self, key: i32) -> String {
        self.pools.get(&key).map_or_else(|| format!("pool {key}"), |pool| pool.fields.slug.to_string())
    }

    fn row(&self, part: &Part, cells: Vec<Cell>, why: String) -> Row {
        let (tenant, pool) = (self.tenant(part.tenant), self.pool(part.pool));
        let mut all = vec![Cell::text(&tenant), Cell::text(&pool)];
        all.extend(cells);
        Row { why, ..Row::of(all).of_tenant(part.tenant, &tenant).of_pool(part.pool, &pool) }
    }
}

/// One pool's hours, read once: what each tenant with promises wasted, and its evidence.
fn pool_parts(
    pool: i32,
    hours: &BTreeMap<SeriesKey, Series>,
    plans: &Plans,
    span: &Span,
    reserving: &BTreeSet<i32>,
    parts: &mut Vec<Part>,
    beside: &mut BTreeMap<i32, BTreeMap<Millis, Vec<(i64, i64)>>>,
) {
    let Some(whole) = hours.get(&SeriesKey { pool, tenant: ALL_TENANTS }) else { return };
    let of_pool = SeriesKey { pool, tenant: 1 }..=SeriesKey { pool, tenant: i32::MAX };
    let series: Vec<(i32, &Series)> = hours.range(of_pool).map(|(key, series)| (key.tenant, series)).collect();
    let mut wastes: Vec<Waste> = vec![Waste::default(); series.len()];
    let mut evidence: Vec<Vec<Hour>> = vec![Vec::new(); series.len()];
    for (at, total) in whole.points.iter().enumerate() {
        if total.observed_ms == 0 {
            continue;
        }
        let hour = whole.start_ms + at as i64 * HOUR_MS;
        let all: Vec<Sums> = series.iter().map(|(_, series)| series.points[at]).collect();
        let planned = plans.planned(pool, hour);
        for (whose, (tenant, _)) in series.iter().enumerate() {
            let own = &all[whose];
            if !reserving.contains(tenant) {
                continue;
            }
            let is_idle = own.reserved_idle_slot_ms > 0;
            let (lead, planned, lent) = if is_idle {
                (plans.lead(pool, *tenant, hour), planned_down(total, planned, &all, whose), lent(total, &all, whose))
            } else {
                (0, 0, 0)
            };
            let waste = Waste::of(own, lead, planned, lent);
            evidence[whose].push(Hour {
                at_ms: hour,
                // A tenant that a sample does not name held nothing then: what is known is known of the pool.
                observed_ms: total.observed_ms,
                reserved_slot_ms: own.reserved_slot_ms,
                used_slot_ms: own.occupied_slot_ms,
                unused_slot_ms: waste.idle.unused_slot_ms,
                peak: own.max_occupied,
            });
            if hour >= span.from {
                wastes[whose].add(&waste);
                let parts = (own.reserved_idle_slot_ms, Meter::of(own).borrowed_slot_ms());
                if parts != (0, 0) {
                    beside.entry(*tenant).or_default().entry(hour).or_default().push(parts);
                }
            }
        }
    }
    for (((tenant, _), waste), evidence) in series.iter().zip(wastes).zip(evidence) {
        if waste.reserved_slot_ms == 0 {
            continue;
        }
        let (promised, contracts) = plans.promised(pool, *tenant, span.to - 1);
        // Pools whose promises live in another system: what was promised last.
        let promised = if plans.of(pool).iter().any(|one| one.reservation.tenant == *tenant) {
            promised
        } else {
            evidence
                .iter()
                .rev()
                .find(|hour| hour.observed_ms > 0)
                .map_or(0, |hour| hour.reserved_slot_ms / hour.observed_ms)
        };
        let advice = rightsize::advise(&evidence, promised, contracts);
        let own: Vec<Hour> = evidence.iter().filter(|hour| hour.at_ms >= span.from).copied().collect();
        let saving_slot_ms = advice.lower_to().map_or(0, |to| rightsize::saving_slot_ms(&own, to));
        parts.push(Part { pool, tenant: *tenant, waste, saving_slot_ms, advice, evidence });
    }
}

/// What the last weeks say of one tenant in one pool.
#[derive(Debug)]
pub struct Evidence {
    /// What to do.
    pub advice: Advice,
    /// The one level that costs least, where a slot without a promise has a price of its own.
    pub cheapest: Option<i64>,
}

/// What is known of one tenant in one pool at `now`; `None` where nothing was promised to it in the last weeks.
pub async fn evidence_now(conn: &mut PgConnection, pool: &Pool, tenant: i32, now: Millis) -> Result<Option<Evidence>> {
    let elastic = report::elastic_prices(conn).await?.remove(&pool.key);
    let prices = pool.fields.unit_cost_micros.zip(elastic);
    let pool = pool.key;
    let to = floor(now, HOUR_MS);
    let from = to - EVIDENCE_DAYS * DAY_MS;
    let span = Span { from, to, evidence_from: from };
    let plans = Plans::read(conn, &[pool], &span).await?;
    // Lent is shared out among all who are there.
    let mut keys: Vec<i32> = tenant::list(conn, true).await?.into_iter().map(|tenant| tenant.key).collect();
    keys.push(ALL_TENANTS);
    let hours = history::series(conn, Step::Hour, &[pool], &keys, from, to).await?;
    let mut parts = Vec::new();
    pool_parts(pool, &hours, &plans, &span, &BTreeSet::from([tenant]), &mut parts, &mut BTreeMap::new());
    Ok(parts.pop().map(|part| Evidence {
        cheapest: prices.and_then(|(own, elastic)| rightsize::cheapest_constant(&part.evidence, own, elastic)),
        advice: part.advice,
    }))
}

type Price<'a> = dyn Fn(i32) -> Option<i64> + 'a;

fn money(part: &Part, slot_ms: i64, price: &Price<'_>) -> Cell {
    Cell::Money(price(part.pool).map(|price| amount_minor(slot_ms, price)))
}

fn waste_table(parts: &[Part], names: &Names<'_>, price: &Price<'_>) -> Table {
    let mut table = Table::new(
        "waste",
        "What was promised and not used",
        "Slot-hours of the period. Slots are those that are promised at its end, or now while it runs. Lower to is what is suggested, in slots; what it saves, in money and slot-hours (h), is of this period and part of what nobody had any use of.",
        &[
            ("tenant", "Tenant"),
            ("pool", "Pool"),
            ("reserved_slot_ms", "Reserved"),
            ("used_of_reserved", "Used"),
            ("idle_slot_ms", "Idle"),
            ("waste", "Waste"),
            ("idle_minor", "Money"),
            ("spend_minor", "Spend"),
            ("promised_slots", "Slots"),
            ("p99_slots", "P99"),
            ("right_size_slots", "Lower to"),
            ("saves_minor", "Saves"),
            ("saves_slot_ms", "Saves, h"),
            ("advice", "Advice"),
        ],
    );
    table.has_total = true;
    for part in parts {
        let waste = &part.waste;
        let idle = waste.idle.idle_slot_ms();
        table.rows.push(names.row(
            part,
            vec![
                Cell::SlotTime(waste.reserved_slot_ms),
                Cell::Ratio(waste.used_of_it_slot_ms(), waste.reserved_slot_ms),
                Cell::SlotTime(idle),
                Cell::Ratio(idle, waste.reserved_slot_ms),
                money(part, idle, price),
                money(part, waste.reserved_slot_ms, price),
                Cell::Level(Some(part.advice.promised)),
                Cell::Level(part.advice.p99),
                Cell::Level(part.advice.lower_to()),
                money(part, part.saving_slot_ms, price),
                Cell::SlotTime(part.saving_slot_ms),
                Cell::Text(format!("{}, {}", advice_word(&part.advice), confidence(&part.advice))),
            ],
            why(part),
        ));
    }
    table
}

/// A peak as a part of what is promised.
fn peak_share(advice: &Advice) -> String {
    let share = advice.p99.and_then(|p99| headroom_domain::occupancy::ratio(p99, advice.promised));
    share.map_or_else(|| format::UNKNOWN.to_owned(), format::percent)
}

fn advice_word(advice: &Advice) -> String {
    match advice.verdict {
        Verdict::Lower(to) => format!("lower to {}", format::count(to)),
        Verdict::KeepBursty | Verdict::KeepBusy => format!("keep (peaks {})", peak_share(advice)),
        Verdict::KeepContract => "keep (contract)".into(),
        Verdict::KeepUnknown => "keep (too little is known)".into(),
        Verdict::NothingPromised => "nothing is promised any more".into(),
    }
}

fn confidence(advice: &Advice) -> String {
    let days = advice.hours / 24;
    match (advice.verdict, advice.confidence) {
        (Verdict::KeepBursty, _) => format!("bursty, {days} d"),
        (_, Confidence::Good) => format!("good, {days} d"),
        (_, Confidence::Some) => format!("some, {days} d"),
        (_, Confidence::Little) => format!("little, {days} d"),
    }
}

fn why(part: &Part) -> String {
    let advice = &part.advice;
    let known = |slots: Option<i64>| slots.map_or_else(|| format::UNKNOWN.to_owned(), format::count);
    let evidence = format!(
        "In {} known hours of the last {EVIDENCE_DAYS} days the hourly peak was at most {} slots in 99 of 100 hours and {} at its highest; {} are promised.",
        format::count(advice.hours),
        known(advice.p99),
        known(advice.highest),
        format::count(advice.promised)
    );
    let verdict = match advice.verdict {
        Verdict::Lower(to) => {
            let risk = advice.frontier.iter().find(|level| level.basis == Basis::Suggested);
            let short = risk.map_or(0, |level| level.short_hours);
            format!(
                "{} slots leave a tenth above that; in {} of these hours more was held, which would have had to be borrowed or would have waited.",
                format::count(to),
                format::count(short)
            )
        }
        Verdict::KeepBursty => {
            "It uses much less most of the time and needs nearly all of it at its peaks: promise it for the hours of the peaks, lend the rest, or keep it.".into()
        }
        Verdict::KeepBusy => "It uses what is promised.".into(),
        Verdict::KeepContract => "Less would do, but contracts promise as much.".into(),
        Verdict::KeepUnknown => "Less than a week is known of it: nothing is suggested yet.".into(),
        Verdict::NothingPromised => "The promise ended; there is nothing to lower.".into(),
    };
    format!("{evidence} {verdict}")
}

fn split_table(parts: &[Part], names: &Names<'_>, price: &Price<'_>) -> Table {
    let mut table = Table::new(
        "split",
        "Where the idle time went",
        "Slot-hours. Unused, lent, planned down and lead add up to idle. Utilisation is what was used of what was promised, coverage what was promised of what was used.",
        &[
            ("tenant", "Tenant"),
            ("pool", "Pool"),
            ("unused_slot_ms", "Unused"),
            ("lent_slot_ms_estimated", "Lent"),
            ("planned_down_slot_ms", "Planned down"),
            ("lead_slot_ms", "Lead"),
            ("idle_slot_ms", "Idle"),
            ("unused_minor", "Unused, money"),
            ("utilisation", "Utilisation"),
            ("coverage", "Coverage"),
            ("unreserved_slot_ms", "Without a promise"),
            ("served", "Claims served"),
            ("per_claim_micros", "A claim costs"),
        ],
    );
    table.has_total = true;
    for part in parts {
        let (waste, idle) = (&part.waste, &part.waste.idle);
        table.rows.push(names.row(
            part,
            vec![
                Cell::SlotTime(idle.unused_slot_ms),
                Cell::SlotTime(idle.lent_slot_ms),
                Cell::SlotTime(idle.planned_slot_ms),
                Cell::SlotTime(idle.lead_slot_ms),
                Cell::SlotTime(idle.idle_slot_ms()),
                money(part, idle.unused_slot_ms, price),
                Cell::Ratio(waste.used_of_it_slot_ms(), waste.reserved_slot_ms),
                Cell::Ratio(waste.used_of_it_slot_ms(), waste.used_slot_ms),
                Cell::SlotTime(waste.unreserved_slot_ms()),
                Cell::Count((waste.served > 0).then_some(waste.served)),
                Cell::Price(price(part.pool).and_then(|price| waste.per_claim_micros(price))),
            ],
            String::new(),
        ));
    }
    table
}

fn beside_table(beside: &BTreeMap<i32, BTreeMap<Millis, Vec<(i64, i64)>>>, tenants: &BTreeMap<i32, String>) -> Table {
    let mut table = Table::new(
        "beside",
        "Idle while the same tenant ran unreserved",
        "In the same hour a tenant's promises lay idle and it held as much without a promise, in these or other pools: moving a promise may serve both.",
        &[("tenant", "Tenant"), ("hours", "Hours"), ("beside_slot_ms", "Slot-hours")],
    );
    for (tenant, hours) in beside {
        let (mut count, mut sum) = (0, 0);
        for parts in hours.values() {
            let both = idle_beside_unreserved(parts.iter().copied());
            count += i64::from(both > 0);
            sum += both;
        }
        if let Some(slug) = tenants.get(tenant).filter(|_| sum > 0) {
            let cells = vec![Cell::text(slug), Cell::Count(Some(count)), Cell::SlotTime(sum)];
            table.rows.push(Row::of(cells).of_tenant(*tenant, slug));
        }
    }
    table.rows.sort_by_key(|row| match row.cells.get(2) {
        Some(Cell::SlotTime(sum)) => -sum,
        _ => 0,
    });
    table
}

fn frontier_table(parts: &[Part], names: &Names<'_>, price: &Price<'_>, span: &Span) -> Table {
    let days = (span.to - span.evidence_from) / DAY_MS;
    let mut table = Table::new(
        "frontier",
        "What other levels would have saved and risked",
        &format!(
            "Over the evidence, {days} days. Short are hours in which more was held at once than the level, though no more than was promised."
        ),
        &[
            ("tenant", "Tenant"),
            ("pool", "Pool"),
            ("level", "Level"),
            ("slots", "Slots"),
            ("saves_slot_ms", "Saves"),
            ("saves_minor", "Saves, money"),
            ("short_hours", "Hours short"),
            ("short_share", "Short"),
            ("short_slot_ms", "Short, slot-hours"),
        ],
    );
    for part in parts {
        for level in &part.advice.frontier {
            let basis = match level.basis {
                Basis::Percentile(percent) => format!("P{percent} of peaks"),
                Basis::Suggested => "P99 and a tenth (suggested)".into(),
                Basis::Highest => "highest peak".into(),
                Basis::Present => "as it is".into(),
            };
            table.rows.push(names.row(
                part,
                vec![
                    Cell::Text(basis),
                    Cell::Level(Some(level.slots)),
                    Cell::SlotTime(level.saving_slot_ms),
                    money(part, level.saving_slot_ms, price),
                    Cell::Count(Some(level.short_hours)),
                    Cell::Ratio(level.short_hours, part.advice.hours),
                    Cell::SlotTime(level.short_slot_ms),
                ],
                String::new(),
            ));
        }
    }
    table
}

/// Where a slot without a promise has another price: the level that costs least in each hour of the week.
fn elastic_tables(
    parts: &[Part],
    names: &Names<'_>,
    price: &Price<'_>,
    elastic: &BTreeMap<i32, i64>,
    zone: &ZoneSlice,
    span: &Span,
) -> Vec<Table> {
    let days = (span.to - span.evidence_from) / DAY_MS;
    let mut table = Table::new(
        "elastic",
        "Reserve the base, buy the peaks",
        &format!(
            "What costs least where a slot without a promise has a price of its own, over the evidence, {days} days, by average use of the hour: one level all the time, or one for each hour of the week. What is held beyond it is bought."
        ),
        &[
            ("tenant", "Tenant"),
            ("pool", "Pool"),
            ("reserved_price_micros", "Promised, price"),
            ("elastic_price_micros", "Not promised, price"),
            ("promised_slots", "Slots"),
            ("now_minor", "Cost"),
            ("constant_slots", "Best level"),
            ("constant_minor", "It would cost"),
            ("lowest_slots", "Lowest hour"),
            ("highest_slots", "Highest hour"),
            ("cheapest_minor", "By the hour"),
        ],
    );
    let mut by_hour = Table::new(
        "elastic_hours",
        "The cheapest level in each hour of the week",
        &format!(
            "Slots to promise from hour to hour, in {}. Of {days} days of evidence each hour of the week has {} at the most: a few hours, so take the shape rather than single hours.",
            zone.name(),
            (days + 6) / 7
        ),
        &[("tenant", "Tenant"), ("pool", "Pool"), ("weekday", "Day"), ("hours", "Hours and slots")],
    );
    let hour_of_week = |at: Millis| {
        let local = zone.local(at);
        (local.weekday().num_days_from_monday() * 24 + local.hour()) as usize
    };
    for part in parts {
        let (Some(reserved), Some(elastic)) = (price(part.pool), elastic.get(&part.pool)) else { continue };
        let week = rightsize::cheapest_week(&part.evidence, hour_of_week, reserved, *elastic);
        let constant = rightsize::cheapest_constant(&part.evidence, reserved, *elastic);
        let (mut now, mut best, mut even) = (0_i128, 0_i128, 0_i128);
        for hour in &part.evidence {
            let Some(level) = week.get(hour_of_week(hour.at_ms)).copied().flatten() else { continue };
            let kept = i128::from(level) * i128::from(hour.observed_ms);
            let beyond = |promised: i128| (i128::from(hour.used_slot_ms) - promised).max(0);
            let cost = |promised: i128| promised * i128::from(reserved) + beyond(promised) * i128::from(*elastic);
            now += cost(hour.reserved_slot_ms.into());
            best += cost(kept);
            even += cost(i128::from(constant.unwrap_or_default()) * i128::from(hour.observed_ms));
        }
        let minor = |parts: i128| {
            let unit = i128::from(HOUR_MS) * 10_000;
            i64::try_from((parts + unit / 2).div_euclid(unit)).unwrap_or(i64::MAX)
        };
        let levels = week.iter().flatten();
        table.rows.push(names.row(
            part,
            vec![
                Cell::Price(Some(reserved)),
                Cell::Price(Some(*elastic)),
                Cell::Level(Some(part.advice.promised)),
                Cell::Money(Some(minor(now))),
                Cell::Level(constant),
                Cell::Money(constant.map(|_| minor(even))),
                Cell::Level(levels.clone().min().copied()),
                Cell::Level(levels.max().copied()),
                Cell::Money(Some(minor(best))),
            ],
            String::new(),
        ));
        for (weekday, day) in WEEKDAYS.iter().zip(week.chunks(24)) {
            let said = rightsize::runs(day).into_iter().map(|(from, to, level)| {
                let slots = level.map_or_else(|| "not known".to_owned(), format::count);
                format!("{from:02}\u{2013}{to:02}: {slots}")
            });
            let cells = vec![Cell::text(*weekday), Cell::Text(said.collect::<Vec<_>>().join(", "))];
            by_hour.rows.push(names.row(part, cells, String::new()));
        }
    }
    vec![table, by_hour]
}

/// Twelve months in one row each, the oldest first.
async fn trend_table(
    conn: &mut PgConnection,
    month: &Period,
    zone: &ZoneSlice,
    now: Millis,
    pools: &BTreeMap<i32, Pool>,
) -> Result<Table> {
    let mut table = Table::new(
        "trend",
        "Twelve months",
        "All tenants and pools together, at today's prices.",
        &[
            ("month", "Month"),
            ("reserved_slot_ms", "Reserved"),
            ("idle_slot_ms", "Idle"),
            ("waste", "Waste"),
            ("idle_minor", "Money"),
        ],
    );
    let mut months = vec![*month];
    while let Some(before) = months.last().and_then(Period::before).filter(|_| months.len() < TREND_MONTHS) {
        months.push(before);
    }
    let wanted = Wanted { pools: None, tenants: Some(vec![ALL_TENANTS]) };
    for one in months.iter().rev() {
        let (from, to) = one.range(zone);
        let to = to.min(floor(now, HOUR_MS));
        if from >= to {
            continue;
        }
        let sums = usage::sums(conn, &wanted, Some(from), Some(to)).await?.unwrap_or_default();
        let (mut reserved, mut idle, mut micros, mut has_price) = (0_i128, 0_i128, 0_i128, false);
        for ((key, _), sums) in sums.iter().filter(|((key, _), _)| pools.contains_key(key)) {
            reserved += sums.reserved_slot_ms;
            idle += sums.reserved_idle_slot_ms;
            if let Some(price) = pools.get(key).and_then(|pool| pool.fields.unit_cost_micros) {
                has_price = true;
                micros += sums.reserved_idle_slot_ms * i128::from(price);
            }
        }
        let small = |wide: i128| i64::try_from(wide).unwrap_or(i64::MAX);
        let unit = i128::from(HOUR_MS) * 10_000;
        if reserved == 0 {
            continue;
        }
        table.rows.push(Row::of(vec![
            Cell::Text(one.slug()),
            Cell::SlotTime(small(reserved)),
            Cell::SlotTime(small(idle)),
            Cell::Ratio(small(idle), small(reserved)),
            Cell::Money(has_price.then(|| small((micros + unit / 2).div_euclid(unit)))),
        ]));
    }
    Ok(table)
}
