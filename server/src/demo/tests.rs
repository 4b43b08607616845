//! The demo world keeps its promises, whenever it is made.

use super::*;
use headroom_domain::accumulate::SeriesKey;
use headroom_domain::occupancy::Sums;
use headroom_domain::pool::PoolKind;
use headroom_domain::slug::{Slug, check_name};
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

const SEED: u64 = 48_200;
/// 2026-11-21T08:41:58Z.
const NOW: Millis = 1_795_250_518_000;

/// The whole history, made once for all tests.
static HISTORY: LazyLock<Hours> = LazyLock::new(|| hours(&World::new(SEED, NOW)));

struct Hours {
    /// Sums by pool (index) and hour.
    pools: BTreeMap<(usize, Millis), Sums>,
    /// Sums of all tenants together.
    tenants: Sums,
}

fn hours(world: &World) -> Hours {
    let (mut pools, mut tenants) = (BTreeMap::new(), Sums::default());
    world.history(HISTORY_DAYS, &Keys::plain(world), |_, part| {
        for ((SeriesKey { pool, tenant }, hour), block) in part.hours {
            let sums: Sums = block.iter().sum();
            if tenant == 0 {
                pools.entry((pool as usize - 1, hour)).or_insert_with(Sums::default).add(&sums);
            } else {
                tenants.add(&sums);
            }
        }
    });
    Hours { pools, tenants }
}

#[test]
fn eight_pools_of_all_kinds_hold_48_200_slots() {
    for now in [NOW, NOW + 37 * DAY_MS + 7 * HOUR_MS, 1_700_000_000_000] {
        let world = World::new(SEED, now);
        assert_eq!(world.pools.len(), 8);
        assert_eq!(world.tenants.len(), 12);
        assert_eq!(world.pools.iter().map(|p| p.kind).collect::<BTreeSet<PoolKind>>().len(), PoolKind::ALL.len());
        assert_eq!(world.pools.iter().map(|p| p.slots).sum::<i64>(), 48_200);
        let ingress = world.pool_index("ingress-eu").expect("it is one of the pools");
        assert_eq!(world.pools[ingress].slots, 20_000);
        let effective: i64 =
            (0..8).map(|pool| world.reading(pool, world.now_ms, 1).expect("nothing is silent now").capacity).sum();
        assert_eq!(effective, 48_200);
        assert_eq!(world.capacity(ingress, world.now_ms), Some((20_000, 0)));
    }
}

#[test]
fn names_fit_the_rules_of_the_store() {
    let world = World::new(SEED, NOW);
    for slug in world.pools.iter().map(|p| p.slug).chain(world.tenants.iter().map(|t| t.slug)) {
        assert!(Slug::parse(slug).is_ok(), "{slug}");
    }
    for pool in &world.pools {
        assert!(check_name(pool.name).is_ok() && !pool.services.is_empty() && !pool.labels.is_empty());
        assert!((2..=8).contains(&pool.signals.len()) && pool.signals.iter().all(|s| s.unit.len() <= 20));
        assert!(world.regions.iter().any(|r| r.slug == pool.region));
        assert!(crate::zones::is_known(pool.zone));
    }
    for quota in &world.quotas {
        assert!(quota.slots > 0 && quota.slots <= world.pools[quota.pool].slots);
    }
    for r in &world.reservations {
        assert!(r.baseline > 0 && r.to_ms.is_none_or(|to| to > r.from_ms));
        assert!(r.ceiling.is_none_or(|c| c >= r.baseline) && r.lending_limit.is_none_or(|l| l <= r.baseline));
        assert!(
            world.quotas.iter().any(|q| q.pool == r.pool && q.tenant == r.tenant),
            "a promise to a tenant without a quota"
        );
    }
    for pair in world.changes.windows(2) {
        assert!(pair[0].at_ms <= pair[1].at_ms && !pair[0].title.is_empty() && pair[0].url.starts_with("https://"));
    }
    let kinds: BTreeSet<_> = world.changes.iter().map(|c| c.kind.as_str()).collect();
    assert_eq!(kinds.len(), 4);
    assert!(world.changes.len() > 60 && world.changes.iter().all(|c| c.at_ms <= world.now_ms));
}

#[test]
fn the_same_seed_and_minute_make_the_same_world() {
    let (a, b) = (World::new(SEED, NOW), World::new(SEED, NOW + 1_500));
    assert_eq!(a.now_ms, b.now_ms);
    assert_eq!((&a.changes, &a.capacity_steps, &a.reservations), (&b.changes, &b.capacity_steps, &b.reservations));
    let other = World::new(SEED + 1, NOW);
    let mut differ = 0;
    for pool in 0..8 {
        for i in 0..200 {
            let at = NOW - i * 7_310_000;
            assert_eq!(a.reading(pool, at, 10_000), b.reading(pool, at, 10_000));
            assert_eq!(a.signals(pool, at), b.signals(pool, at));
            differ += usize::from(a.reading(pool, at, 10_000) != other.reading(pool, at, 10_000));
        }
    }
    assert!(differ > 1_400, "another seed makes another world: {differ} of 1,600 differ");
}

#[test]
fn a_hundred_days_are_plausible() {
    let world = World::new(SEED, NOW);
    let Hours { pools, tenants } = &*HISTORY;
    let total: Sums = pools.values().sum();

    let occupancy = total.occupancy().expect("something was observed");
    let waste = total.reservation_waste().expect("something was reserved");
    let rejected = total.rejected_share().expect("claims were made") * 10_000.0;

    for (pool, described) in world.pools.iter().enumerate() {
        let mut own = Sums::default();
        let mut peak = 0.0_f64;
        for (_, sums) in pools.iter().filter(|((p, _), _)| *p == pool) {
            own.add(sums);
            let capacity = sums.mean_capacity().unwrap_or(f64::MAX);
            peak = peak.max(sums.max_occupied as f64 / capacity);
        }
        let mean = own.occupancy().expect("every pool was observed");
        println!(
            "{}: mean {mean:.3}, peak {peak:.3}, full {:.5}, rejected {:.2} of 10k, waste {:.3}",
            described.slug,
            own.saturated_share().unwrap_or(0.0),
            own.rejected_share().unwrap_or(0.0) * 10_000.0,
            own.reservation_waste().unwrap_or(0.0)
        );
        assert!((0.40..0.90).contains(&mean), "{}: {mean}", described.slug);
        assert!(peak > if described.slug == "checkout-slots" { 0.75 } else { 0.90 }, "{}: peak {peak}", described.slug);
        if described.slug == "edge-us" {
            assert!(peak > 1.0, "it runs over its capacity: {peak}");
        } else {
            assert!(own.max_occupied <= 22_000 && peak < 1.2, "{}: {peak}", described.slug);
        }
    }
    let busiest = by_hour(pools).values().filter_map(Sums::occupancy).fold(0.0, f64::max);
    assert!(busiest > 0.89, "the busiest hour of all pools together is {busiest}");
    println!("busiest hour of all pools together: {busiest:.3}");
    println!(
        "all: mean {occupancy:.3}, waste {waste:.3}, rejected {rejected:.2} of 10k, {} rejections",
        total.rejections
    );
    assert!((0.65..0.80).contains(&occupancy), "average occupancy {occupancy}");
    assert!((0.10..0.12).contains(&waste), "reservation waste {waste}");
    assert_eq!(tenants.occupied_slot_ms, total.occupied_slot_ms, "the parts add up to the whole");
    assert_eq!(tenants.claims, total.claims);

    assert!((0.2..5.0).contains(&rejected), "{rejected} rejected of 10,000");
    assert!(total.waited > total.rejections && total.queue_ms > total.waited);
}

fn by_hour(pools: &BTreeMap<(usize, Millis), Sums>) -> BTreeMap<Millis, Sums> {
    let mut hours: BTreeMap<Millis, Sums> = BTreeMap::new();
    for ((_, hour), sums) in pools {
        hours.entry(*hour).or_default().add(sums);
    }
    hours
}

#[test]
fn every_range_has_its_saturations() {
    let world = World::new(SEED, NOW);
    let pools = &HISTORY.pools;
    for days in [7, 45, 90] {
        let since = world.now_ms - days * DAY_MS;
        let full =
            pools.iter().filter(|((_, hour), sums)| *hour >= since && sums.saturated_ms > 0 && sums.rejections > 0);
        assert!(full.count() >= 2, "nothing was full within {days} days");
    }
}

#[test]
fn one_pool_was_silent_for_hours_some_days_ago() {
    let world = World::new(SEED, NOW);
    let silent: Vec<(usize, Millis)> = (0..8)
        .flat_map(|pool| (0..10 * 1440).map(move |minute| (pool, minute)))
        .map(|(pool, minute)| (pool, world.now_ms - minute * MINUTE_MS))
        .filter(|(pool, at)| world.reading(*pool, *at, MINUTE_MS).is_none())
        .collect();
    assert!(silent.iter().all(|(pool, _)| world.pools[*pool].slug == "stream-01"));
    assert_eq!(silent.len(), 260);
    let (pool, at) = silent[0];
    assert!(
        world.signals(pool, at).is_empty()
            && world.latency_ms(pool, at, 0.5).is_none()
            && world.live_rows_of(pool, at).is_empty()
    );
}

#[test]
fn live_samples_go_on_where_history_ends() {
    let world = World::new(SEED, NOW);
    for pool in 0..8 {
        let last = world.reading(pool, world.now_ms - MINUTE_MS, MINUTE_MS).expect("seen");
        let rows = world.live_rows_of(pool, world.now_ms + 10_000);
        let own = &rows[0];
        assert!(own.tenant.is_none() && rows[1..].iter().all(|r| r.tenant.is_some()));
        let jump = (own.occupied - last.occupied()).abs() as f64 / last.capacity as f64;
        assert!(jump < 0.05, "{}: {jump}", own.pool);
        assert_eq!(rows[1..].iter().map(|r| r.occupied).sum::<i64>(), own.occupied);
        assert_eq!(rows[1..].iter().map(|r| r.claims).sum::<i64>(), own.claims);
        assert_eq!(own.signals.len(), world.pools[pool].signals.len());
        assert!(own.latency_p95_ms.expect("seen") > world.latency_ms(pool, own.ts_ms, 0.5).expect("seen"));
    }
    let later = world.live_rows(world.now_ms + 200 * DAY_MS);
    assert!(later.iter().filter(|r| r.tenant.is_none()).count() == 8, "it goes on for months");
}

#[test]
fn the_city_shapes_the_front_door() {
    let world = World::new(SEED, NOW);
    let mean = |hour_new_york: i64| {
        let day = NOW.div_euclid(DAY_MS) * DAY_MS;
        (1..60)
            .map(|d| {
                world.reading(0, day - d * DAY_MS + (hour_new_york + 5) * HOUR_MS, MINUTE_MS).expect("seen").occupied()
            })
            .sum::<i64>()
            / 59
    };
    assert!(mean(19) > mean(4) * 3 / 2, "evenings are busier than nights: {} and {}", mean(19), mean(4));
}
