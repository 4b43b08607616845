//! The weekly report, occupancy and how noisy alerts were, and the quarterly one: capacity, quotas and promises beside what was used.

use super::game_days;
use super::period::{Period, zone_around};
use super::tuning::{self, TUNING, TUNING_EFFECTS, TUNING_MEASURED};
use crate::app::Result;
use crate::app::forecast::{Day, OUTLOOK_DAYS, PoolOutlook, outlook};
use headroom_domain::exhaustion::Exhaustion;
use headroom_domain::range::rfc3339;
use headroom_domain::report::{Cell, Document, Kind, Row, Table};
use headroom_domain::series::floor;
use headroom_domain::{DAY_MS, HOUR_MS, Millis, format};
use headroom_store::history::ALL_TENANTS;
use headroom_store::organisation::Organisation;
use headroom_store::usage::{self, Wanted, WideSums};
use headroom_store::{alert, pool, promise, quota, tenant};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Names of the tables of what is to come: by pool, and by pool and day.
pub(super) const OUTLOOK: &str = "outlook";
pub(super) const OUTLOOK_BY_DAY: &str = "outlook_days";
/// Pools whose week is told day by day; the table by pool has all.
const MOST_BY_DAY: usize = 200;
/// What is said of a pool that nobody can foresee yet.
const TOO_LITTLE: &str = "too little history";
/// A week that was over longer ago says nothing of what is to come.
const OUTLOOK_FOR_MS: Millis = 3 * DAY_MS;

/// The hours of a period that are known at `now`.
fn span(
    organisation: &Organisation,
    period: Period,
    now: Millis,
) -> (headroom_domain::localtime::ZoneSlice, Millis, Millis) {
    let zone = zone_around(&organisation.zone, period.about_ms().min(now), now);
    let (from, end) = period.range(&zone);
    let to = end.min(floor(now, HOUR_MS)).max(from);
    (zone, from, to)
}

fn small(wide: i128) -> i64 {
    i64::try_from(wide).unwrap_or(i64::MAX)
}

fn about_pool(key: i32, slug: &str, mut cells: Vec<Cell>) -> Row {
    cells.insert(0, Cell::text(slug));
    Row::of(cells).of_pool(key, slug)
}

/// Sums of pools over a stretch.
async fn pools_over(conn: &mut PgConnection, from: Millis, to: Millis) -> Result<BTreeMap<i32, WideSums>> {
    if from >= to {
        return Ok(BTreeMap::new());
    }
    let wanted = Wanted { pools: None, tenants: Some(vec![ALL_TENANTS]) };
    let sums = usage::sums(conn, &wanted, Some(from), Some(to)).await?.unwrap_or_default();
    Ok(sums.into_iter().map(|((pool, _), sums)| (pool, sums)).collect())
}

/// The weekly report.
pub(super) async fn document(
    conn: &mut PgConnection,
    organisation: &Organisation,
    week: &Period,
    now: Millis,
) -> Result<Document> {
    let (zone, from, to) = span(organisation, *week, now);
    let names: BTreeMap<i32, String> = pool::keys(conn).await?.into_iter().collect();
    let sums = pools_over(conn, from, to).await?;
    let before = match week.before() {
        Some(before) => {
            let (from, to) = before.range(&zone);
            pools_over(conn, from, to).await?
        }
        None => BTreeMap::new(),
    };
    let mut occupancy = Table::new(
        "occupancy",
        "Occupancy",
        "Occupied of capacity on average, and the week before; the highest number of slots at once; the time in which a pool was full; claims that were rejected.",
        &[
            ("pool", "Pool"),
            ("occupied_slot_ms", "Used"),
            ("occupancy", "Occupancy"),
            ("occupancy_before", "Week before"),
            ("highest_slots", "Highest"),
            ("full", "Full"),
            ("claims", "Claims"),
            ("rejections", "Rejected"),
            ("rejected", "Rejected of claims"),
        ],
    );
    for (key, sums) in sums.iter().filter(|(_, sums)| sums.observed_ms > 0) {
        let Some(slug) = names.get(key) else { continue };
        let earlier = before.get(key).copied().unwrap_or_default();
        let counted = |value: i128| Cell::Count((sums.claims > 0).then(|| small(value)));
        occupancy.rows.push(about_pool(
            *key,
            slug,
            vec![
                Cell::SlotTime(small(sums.occupied_slot_ms)),
                Cell::Ratio(small(sums.occupied_slot_ms), small(sums.capacity_slot_ms)),
                Cell::Ratio(small(earlier.occupied_slot_ms), small(earlier.capacity_slot_ms)),
                Cell::Level(Some(sums.max_occupied)),
                Cell::Ratio(small(sums.saturated_ms), small(sums.observed_ms)),
                counted(sums.claims),
                counted(sums.rejections),
                Cell::Ratio(small(sums.rejections), small(sums.claims)),
            ],
        ));
    }
    let mut noise = Table::new(
        "alerts",
        "Alerts and how noisy they were",
        "What fired in the week, by rule. An alert that nobody acknowledged told nobody anything: its rule is too eager, or nobody was there.",
        &[
            ("rule", "Rule"),
            ("fires", "Fired"),
            ("pages", "Pages"),
            ("acknowledged", "Acknowledged"),
            ("never", "Never acknowledged"),
            ("never_share", "Noise"),
            ("median_ack_ms", "Until acknowledged, median"),
            ("firing_ms", "Firing"),
        ],
    );
    for rule in alert::quality(conn, from, to, None, None).await? {
        noise.rows.push(Row::of(vec![
            Cell::text(&rule.rule),
            Cell::Count(Some(rule.fires)),
            Cell::Count(Some(rule.pages)),
            Cell::Count(Some(rule.acked)),
            Cell::Count(Some(rule.never_acked)),
            Cell::Ratio(rule.never_acked, rule.fires),
            Cell::Time(rule.median_ack_ms),
            Cell::Time(Some(rule.firing_ms)),
        ]));
    }
    noise.has_total = true;
    let mut facts = vec![("Hours of the report".into(), Cell::Count(Some((to - from) / HOUR_MS)))];
    let mut tables = vec![occupancy, noise];
    tables.extend(tuning::tables(conn, &names, from, to).await?);
    // What is to come is told by the report of the week that is over or runs: of older ones it has come by now.
    if week.range(&zone).1 > now - OUTLOOK_FOR_MS {
        let (ahead, in_all) = ahead(conn, now).await?;
        facts.extend(in_all);
        tables.extend(ahead);
    }
    tables.retain(|table| !table.rows.is_empty());
    Ok(Document {
        kind: Kind::Weekly,
        period: week.slug(),
        title: format!("Occupancy and alerts, {}", week.name()),
        zone: zone.name().to_owned(),
        from_ms: from,
        to_ms: to,
        currency: None,
        facts,
        tables,
        notes: vec![
            "Averages are ratios of sums over time of which something is known; what is not known is left out.".into(),
        ],
    })
}

/// A report that is reckoned anew, with what an earlier version foresaw and advised: what was foreseen is not known any more, what
/// came is no forecast, and advice was given on the settings of that time.
pub(super) fn with_outlook_of(mut document: Document, was: &Document) -> Document {
    const KEPT: [&str; 5] = [OUTLOOK, OUTLOOK_BY_DAY, TUNING, TUNING_MEASURED, TUNING_EFFECTS];
    if document.kind != Kind::Weekly {
        return document;
    }
    let is_foreseen = |table: &Table| [OUTLOOK, OUTLOOK_BY_DAY].contains(&table.key.as_str());
    if document.tables.iter().chain(&was.tables).any(is_foreseen) {
        document.facts.clone_from(&was.facts);
    }
    document.tables.retain(|table| !KEPT.contains(&table.key.as_str()));
    document.tables.extend(was.tables.iter().filter(|table| KEPT.contains(&table.key.as_str())).cloned());
    document
}

/// A day as people write it in files.
fn day_name(day: &Day) -> String {
    rfc3339(day.from_ms).chars().take(10).collect()
}

/// And as they say it.
fn day_label(day: &Day) -> String {
    chrono::DateTime::from_timestamp_millis(day.from_ms)
        .map_or_else(|| day_name(day), |at| at.format("%a %-d %b").to_string())
}

/// What is wanted on a day, as likely more as less and in one of twenty cases, what is promised and what there is.
fn of_day(wanted: [Option<i64>; 2], promised: i64, there: i64, is_short: bool) -> Cell {
    let known = |slots: Option<i64>| slots.map_or_else(|| format::UNKNOWN.to_owned(), format::count);
    let short = if is_short { ", short" } else { "" };
    let [median, p95] = wanted.map(known);
    Cell::Text(format!("{median} / {p95} / {} / {}{short}", format::count(promised), format::count(there)))
}

/// The week ahead by pool and by day, and in all: medians add up, what is rare does not. Pools that may be short come first.
async fn ahead(conn: &mut PgConnection, now: Millis) -> Result<([Table; 2], Vec<(String, Cell)>)> {
    let mut by_pool = Table::new(
        OUTLOOK,
        "Capacity outlook, the next seven days",
        "The most that is wanted at once on a day, as likely more as less and in one of twenty cases; the least that there is and the most that is promised; the first day on which that may be short; days until the pool is full, as likely as not and in one of ten cases.",
        &[
            ("pool", "Pool"),
            ("median_slots", "Wanted"),
            ("p95_slots", "Wanted, 1 in 20"),
            ("capacity_slots", "Least capacity"),
            ("promised_slots", "Promised"),
            ("short_on", "First short day"),
            ("full_p50_days", "Full in, days"),
            ("full_p90_days", "1 in 10, days"),
        ],
    );
    let whole = |slots: f64| slots.ceil() as i64;
    // What is wanted, there and promised in all on a day, and whether a pool may be short on it.
    let mut in_all = [(0_i64, 0_i64, 0_i64, false); OUTLOOK_DAYS];
    let mut known = 0_i64;
    let mut pools = outlook(conn, now).await?;
    let first_short = |pool: &PoolOutlook| pool.days.iter().position(Day::is_short).unwrap_or(OUTLOOK_DAYS);
    pools.sort_by_cached_key(|pool| (first_short(pool), pool.slug.clone()));
    let days = pools.first().map(|pool| pool.days.clone()).unwrap_or_default();
    let heads: Vec<(String, String)> = days.iter().map(|day| (day_name(day), day_label(day))).collect();
    let heads = heads.iter().map(|(key, label)| (key.as_str(), label.as_str()));
    let mut by_day = Table::new(
        OUTLOOK_BY_DAY,
        "Capacity outlook by day: wanted / 1 in 20 / promised / slots",
        "The most that is wanted at once on a day, which is one of UTC, as likely more as less and in one of twenty cases; the most that is promised; the least capacity; and whether that may be short. At most 200 pools, those that may be short first. Of all pools together only those count whose week is foreseen, and they are short where one of them may be; what is wanted of them in one of twenty cases does not add up.",
        &[("pool", "Pool")].into_iter().chain(heads).collect::<Vec<_>>(),
    );
    for (place, pool) in pools.iter().enumerate() {
        let most = |of: &dyn Fn(&Day) -> Option<f64>| pool.days.iter().filter_map(of).reduce(f64::max).map(whole);
        let median = most(&|day| day.median);
        if median.is_some() {
            known += 1;
            for ((wanted, there, promised, short), day) in in_all.iter_mut().zip(&pool.days) {
                *short |= day.is_short();
                *wanted += day.median.map_or(0, whole);
                *there += day.capacity;
                *promised += day.promised;
            }
        }
        let short = pool.days.iter().find(|day| day.is_short());
        let short = match (short, median) {
            (Some(day), _) => day_name(day),
            (None, Some(_)) => "none".to_owned(),
            (None, None) => TOO_LITTLE.to_owned(),
        };
        let (p50, p90) = match pool.exhaustion {
            Some(Exhaustion::AlreadyFull) => (Some(0), Some(0)),
            Some(Exhaustion::Within { p50, p90 }) => (p50, p90),
            Some(Exhaustion::TooLittleHistory | Exhaustion::NotWithin { .. }) | None => (None, None),
        };
        by_pool.rows.push(about_pool(
            pool.pool,
            &pool.slug,
            vec![
                Cell::Level(median),
                Cell::Level(most(&|day| day.p95)),
                Cell::Level(pool.days.iter().map(|day| day.capacity).min()),
                Cell::Level(pool.days.iter().map(|day| day.promised).max()),
                Cell::text(short),
                Cell::Level(p50.map(i64::from)),
                Cell::Level(p90.map(i64::from)),
            ],
        ));
        if place >= MOST_BY_DAY {
            continue;
        }
        let cells = pool.days.iter().map(|day| {
            let wanted = [day.median.map(whole), day.p95.map(whole)];
            of_day(wanted, day.promised, day.capacity, day.is_short())
        });
        by_day.rows.push(about_pool(pool.pool, &pool.slug, cells.collect()));
    }
    if known == 0 {
        return Ok(([by_pool, by_day], Vec::new()));
    }
    let all = in_all.iter().take(days.len()).map(|(wanted, there, promised, short)| {
        of_day([Some(*wanted), None], *promised, *there, *short || wanted.max(promised) > there)
    });
    by_day.rows.push(Row::of([Cell::text("all that are foreseen")].into_iter().chain(all).collect()));
    // The day on which least is left.
    let tightest = in_all.iter().max_by_key(|(wanted, there, _, _)| wanted - there);
    let facts = tightest.map_or_else(Vec::new, |(wanted, there, _, _)| {
        vec![
            ("Pools with an outlook".into(), Cell::Count(Some(known))),
            ("Wanted in all on the tightest of the next seven days".into(), Cell::Count(Some(*wanted))),
            ("Slots in all on that day".into(), Cell::Count(Some(*there))),
        ]
    });
    Ok(([by_pool, by_day], facts))
}

/// The quarterly report.
pub(super) async fn quarterly(
    conn: &mut PgConnection,
    organisation: &Organisation,
    quarter: &Period,
    now: Millis,
) -> Result<Document> {
    let (zone, from, to) = span(organisation, *quarter, now);
    let names: BTreeMap<i32, String> = pool::keys(conn).await?.into_iter().collect();
    let tenants: BTreeMap<i32, String> = tenant::keys(conn).await?.into_iter().collect();
    let sums = pools_over(conn, from, to).await?;
    let steps = pool::capacity(conn, None).await?;
    let at_end = (to - 1).max(from);
    let mut capacity = Table::new(
        "capacity",
        "Capacity",
        "Slots in service at the start and at the end of the quarter, what was used of them on average and at most, and what was promised at the end.",
        &[
            ("pool", "Pool"),
            ("slots_at_start", "At the start"),
            ("slots_at_end", "At the end"),
            ("changes", "Changes"),
            ("occupancy", "Occupancy"),
            ("highest_slots", "Highest"),
            ("highest_share", "Of capacity"),
            ("promised_slots", "Promised"),
            ("promised_share", "Of capacity"),
            ("rejections", "Rejected"),
        ],
    );
    let promises = promise::during(conn, None, None, at_end, at_end + 1).await?;
    for (key, sums) in sums.iter().filter(|(_, sums)| sums.observed_ms > 0) {
        let Some(slug) = names.get(key) else { continue };
        let steps = steps.get(key).map_or(&[][..], Vec::as_slice);
        let slots = |at| pool::step_at(steps, at).map(|step| i64::from(step.configured - step.planned_down));
        let changes = steps.iter().filter(|step| step.from_ms > from && step.from_ms < to).count() as i64;
        let promised: i64 =
            promises.iter().filter(|one| one.reservation.pool == *key).map(|one| one.reservation.baseline).sum();
        let end = slots(at_end);
        capacity.rows.push(about_pool(
            *key,
            slug,
            vec![
                Cell::Level(slots(from)),
                Cell::Level(end),
                Cell::Count(Some(changes)),
                Cell::Ratio(small(sums.occupied_slot_ms), small(sums.capacity_slot_ms)),
                Cell::Level(Some(sums.max_occupied)),
                Cell::Ratio(sums.max_occupied, end.unwrap_or_default()),
                Cell::Level(Some(promised)),
                Cell::Ratio(promised, end.unwrap_or_default()),
                Cell::Count((sums.claims > 0).then(|| small(sums.rejections))),
            ],
        ));
    }
    let mut quotas = Table::new(
        "quotas",
        "Quotas",
        "The highest number of slots a tenant held at once, to the hour, beside its quota. A quota far above is no limit; one that was reached may hurt.",
        &[
            ("tenant", "Tenant"),
            ("pool", "Pool"),
            ("quota_slots", "Quota"),
            ("highest_slots", "Highest"),
            ("highest_share", "Of quota"),
            ("occupied_slot_ms", "Used"),
        ],
    );
    let of_tenants = usage::sums(conn, &Wanted::default(), Some(from), Some(to)).await?.unwrap_or_default();
    for ((pool, tenant), quota) in quota::list(conn, None, None).await? {
        let sums = of_tenants.get(&(pool, tenant)).copied().unwrap_or_default();
        let (Some(tenant_slug), Some(pool_slug)) = (tenants.get(&tenant), names.get(&pool)) else { continue };
        let cells = vec![
            Cell::text(tenant_slug),
            Cell::text(pool_slug),
            Cell::Level(Some(quota.slots.into())),
            Cell::Level(Some(sums.max_occupied)),
            Cell::Ratio(sums.max_occupied, quota.slots.into()),
            Cell::SlotTime(small(sums.occupied_slot_ms)),
        ];
        quotas.rows.push(Row::of(cells).of_tenant(tenant, tenant_slug).of_pool(pool, pool_slug));
    }
    let game_days = game_days::told(conn, *quarter).await?;
    let mut tables = vec![capacity, quotas];
    tables.retain(|table| !table.rows.is_empty());
    tables.extend(game_days.tables);
    let mut facts = vec![("Hours of the report".into(), Cell::Count(Some((to - from) / HOUR_MS)))];
    facts.extend(game_days.facts);
    Ok(Document {
        kind: Kind::Quarterly,
        period: quarter.slug(),
        title: format!("Capacity, quotas and game days, {}", quarter.name()),
        zone: zone.name().to_owned(),
        from_ms: from,
        to_ms: to,
        currency: None,
        facts,
        tables,
        notes: vec![
            "Averages are ratios of sums over time of which something is known; what is not known is left out.".into(),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_foreseen_stays_what_it_was() {
        let of = |cell: i64, keys: &[&str]| Document {
            kind: Kind::Weekly,
            period: "2026-W47".into(),
            title: String::new(),
            zone: "UTC".into(),
            from_ms: 0,
            to_ms: 1,
            currency: None,
            facts: vec![("Slots".into(), Cell::Count(Some(cell)))],
            tables: keys
                .iter()
                .map(|key| Table {
                    rows: vec![Row::of(vec![Cell::Count(Some(cell))])],
                    ..Table::new(key, "", "", &[("a", "A")])
                })
                .collect(),
            notes: Vec::new(),
        };
        let keys = ["occupancy", OUTLOOK, OUTLOOK_BY_DAY];
        let (was, anew) = (of(1, &keys), of(2, &keys));
        let kept = with_outlook_of(anew, &was);
        let first = |key: &str| kept.table(key).map(|table| table.rows[0].cells[0].clone());
        assert_eq!(first("occupancy"), Some(Cell::Count(Some(2))), "what is known better is corrected");
        for key in [OUTLOOK, OUTLOOK_BY_DAY] {
            assert_eq!(first(key), Some(Cell::Count(Some(1))), "what was foreseen is not");
        }
        let later = with_outlook_of(of(2, &["occupancy"]), &was);
        assert_eq!(later.table(OUTLOOK), was.table(OUTLOOK), "nor is it forgotten");
        let plain = of(1, &["occupancy"]);
        assert_eq!(with_outlook_of(of(2, &["occupancy", OUTLOOK]), &plain).table(OUTLOOK), None);
    }
}
