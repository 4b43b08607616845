//! What happened around the pools: capacity steps, deploys, swaps, settings.

use super::catalogue::{BATCH, EDGE, INGRESS, PoolPlan, QUERY, RUNNERS, STAGING, STREAM, TOKENS};
use super::noise::{key, share};
use super::world::{DemoCapacity, DemoChange, DemoEvent};
use headroom_domain::calendar::Effect;
use headroom_domain::change::ChangeKind;
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis, format};

/// Where the demo's links lead: a name that is reserved for examples.
const LINKS: &str = "https://changes.example.com";

/// One step: pool, hours back from midnight, configured, planned down, reason, actor.
type Chosen = (usize, i64, i64, i64, &'static str, &'static str);

/// Capacity history of all pools, by pool and time. The last step of each is its present size.
pub(super) fn capacity_steps(plans: &[PoolPlan], now: Millis) -> Vec<DemoCapacity> {
    let midnight = now.div_euclid(DAY_MS) * DAY_MS;
    let (person, scaler) = ("ines.weber", "autoscaler");
    let mut chosen: Vec<Chosen> = vec![
        (INGRESS, 130 * 24, 18_000, 0, "size at the start of the year", person),
        (INGRESS, 62 * 24 - 9, 20_000, 0, "growth of the summer: +2,000 slots", person),
        (BATCH, 130 * 24, 8_000, 0, "first size", person),
        (BATCH, 30 * 24 - 10, 9_000, 0, "training of the autumn model: +1,000 slots", person),
        (EDGE, 130 * 24, 8_000, 0, "first size", person),
        (QUERY, 130 * 24, 4_800, 0, "first size", person),
        (QUERY, 12 * 24 - 20, 4_800, 480, "storage nodes replaced", "maintenance"),
        (QUERY, 12 * 24 - 26, 4_800, 0, "storage nodes are back", "maintenance"),
        (TOKENS, 130 * 24, 4_000, 0, "first size", person),
        (STREAM, 130 * 24, 960, 0, "first size", person),
        (STREAM, 9 * 24 - 8, 1_200, 0, "twelve more partitions: +240 slots", person),
        (RUNNERS, 130 * 24, 1_200, 0, "first size", person),
        (RUNNERS, 20 * 24 - 6, 1_160, 0, "old runners switched off", person),
        (STAGING, 130 * 24, 40, 0, "first size", person),
    ];
    // The autoscaler answered some evenings, and once it could not make up its mind.
    for days in [55, 41, 34, 20] {
        chosen.push((INGRESS, days * 24 - 20, 22_000, 0, "occupancy above 92 % for 10 minutes", scaler));
        chosen.push((INGRESS, days * 24 - 26, 20_000, 0, "occupancy below 60 % for 30 minutes", scaler));
    }
    for hours in [11, 13, 15] {
        chosen.push((RUNNERS, 44 * 24 - hours, 1_400, 0, "queue longer than 5 minutes", scaler));
        chosen.push((RUNNERS, 44 * 24 - hours - 1, 1_200, 0, "queue empty for 5 minutes", scaler));
    }
    let mut steps: Vec<DemoCapacity> = chosen
        .into_iter()
        .map(|(pool, hours_back, configured, planned_down, reason, actor)| DemoCapacity {
            pool,
            from_ms: midnight - hours_back * HOUR_MS,
            configured,
            planned_down,
            reason: reason.to_owned(),
            actor,
        })
        .collect();
    steps.sort_by_key(|s| (s.pool, s.from_ms));
    debug_assert!(plans.iter().enumerate().all(|(pool, plan)| {
        steps.iter().rev().find(|s| s.pool == pool).is_some_and(|s| s.configured == plan.slots)
    }));
    steps
}

/// What is known to come, and what came: slots that a batch needs, a sale whose like there was a month ago, a test of load.
pub(super) fn calendar(now: Millis) -> Vec<DemoEvent> {
    let midnight = now.div_euclid(DAY_MS) * DAY_MS;
    let event = |pool, day: i64, hour: i64, hours: i64, tag, title, effect| {
        let start_ms = midnight + day * DAY_MS + hour * HOUR_MS;
        DemoEvent { pool, start_ms, end_ms: start_ms + hours * HOUR_MS, tag, title, effect }
    };
    vec![
        event(Some(INGRESS), -28, 16, 5, "newsletter", "Newsletter to all customers", Effect::Learn),
        event(Some(QUERY), -9, 2, 3, "load-test", "Load test of the warehouse", Effect::Exclude),
        event(Some(BATCH), 3, 0, 6, "month-end", "Month-end closing", Effect::Floor { slots: 8_600 }),
        event(Some(INGRESS), 5, 16, 5, "newsletter", "Newsletter to all customers", Effect::Learn),
        event(None, 26, 0, 48, "holiday", "Company holidays", Effect::LikeWeekday { weekday: 7 }),
    ]
}

/// Change events in time order: the capacity steps, weekly deploys, swaps, settings.
pub(super) fn changes(of: u64, plans: &[PoolPlan], steps: &[DemoCapacity], now: Millis) -> Vec<DemoChange> {
    let mut changes = scalings(plans, steps, now);
    deploys(of, &mut changes, now);
    swaps(of, &mut changes, now);
    settings(&mut changes, now);
    changes.retain(|c| c.at_ms <= now);
    changes.sort_by_key(|c| (c.at_ms, c.pool));
    for (number, change) in (4_711..).zip(&mut changes) {
        change.url = format!("{LINKS}/{}/{number}", change.kind.as_str());
    }
    changes
}

fn change(at_ms: Millis, kind: ChangeKind, pool: Option<usize>, title: String, actor: &'static str) -> DemoChange {
    let source = match kind {
        ChangeKind::Deploy | ChangeKind::Swap => "deploys",
        ChangeKind::Scale => "capacity",
        ChangeKind::Config => "settings",
    };
    DemoChange { at_ms, kind, pool, title, url: String::new(), source, actor }
}

fn scalings(plans: &[PoolPlan], steps: &[DemoCapacity], now: Millis) -> Vec<DemoChange> {
    steps
        .windows(2)
        .filter(|pair| pair[0].pool == pair[1].pool && pair[1].from_ms > now - 101 * DAY_MS)
        .map(|pair| {
            let (before, step) = (&pair[0], &pair[1]);
            let effective = |s: &DemoCapacity| s.configured - s.planned_down;
            let difference = format::delta_count(effective(step) - effective(before));
            let title = format!("{difference} slots {}: {}", plans[step.pool].slug, step.reason);
            change(step.from_ms, ChangeKind::Scale, Some(step.pool), title, step.actor)
        })
        .collect()
}

/// Deploys on working days, between nine and four, of what runs on the pools.
fn deploys(of: u64, changes: &mut Vec<DemoChange>, now: Millis) {
    const WHAT: [(&str, Option<usize>, &str); 7] = [
        ("search 2026", Some(INGRESS), "amir.haddad"),
        ("checkout 7", Some(INGRESS), "lena.fischer"),
        ("mobile gateway 3", Some(EDGE), "tom.okafor"),
        ("warehouse planner 12", Some(QUERY), "sofia.rossi"),
        ("stream consumers 5", Some(STREAM), "jonas.lind"),
        ("batch scheduler 4", Some(BATCH), "priya.nair"),
        ("platform base image", None, "ines.weber"),
    ];
    let midnight = now.div_euclid(DAY_MS) * DAY_MS;
    let first_day = midnight / DAY_MS - 100;
    for day in first_day..=midnight / DAY_MS {
        // 1970-01-01 was a Thursday, so day 2 of each week of days since then is a Saturday.
        let weekend = matches!(day.rem_euclid(7), 2 | 3);
        if weekend || share(of, day) > 0.42 {
            continue;
        }
        let which = (share(key(of, 2), day) * WHAT.len() as f64) as usize;
        let (name, pool, actor) = WHAT[which.min(WHAT.len() - 1)];
        let minutes = (share(key(of, 3), day) * 7.0 * 60.0) as i64;
        let at = day * DAY_MS + 9 * HOUR_MS + minutes * MINUTE_MS;
        changes.push(change(at, ChangeKind::Deploy, pool, format!("{name}.{} deployed", day - first_day + 8), actor));
    }
}

/// The checkout swaps twice a week; now and then it swaps back within minutes.
fn swaps(of: u64, changes: &mut Vec<DemoChange>, now: Millis) {
    let midnight = now.div_euclid(DAY_MS) * DAY_MS;
    let today = midnight / DAY_MS;
    for day in today - 100..=today {
        // Tuesdays and Thursdays.
        if !matches!(day.rem_euclid(7), 5 | 0) {
            continue;
        }
        let at = day * DAY_MS + 12 * HOUR_MS + (share(key(of, 4), day) * 90.0) as i64 * MINUTE_MS;
        let swap = |at, title: &str| change(at, ChangeKind::Swap, Some(STAGING), title.to_owned(), "lena.fischer");
        changes.push(swap(at, "checkout: green takes over from blue"));
        if share(key(of, 5), day) < 0.12 {
            changes.push(swap(at + 14 * MINUTE_MS, "checkout: back to blue, errors after the swap"));
        }
    }
}

fn settings(changes: &mut Vec<DemoChange>, now: Millis) {
    let midnight = now.div_euclid(DAY_MS) * DAY_MS;
    let chosen: [(i64, Option<usize>, &str, &str); 7] = [
        (95, Some(INGRESS), "queue deadline 250 ms to 400 ms", "amir.haddad"),
        (70, Some(EDGE), "quota of mobile-api raised", "tom.okafor"),
        (46, Some(RUNNERS), "scale-in cooldown 5 to 15 minutes, after it went back and forth", "ines.weber"),
        (29, Some(QUERY), "scheduled queries start spread over 10 minutes", "sofia.rossi"),
        (16, Some(TOKENS), "burst of partner-feed 2,000 to 2,500 tokens", "ines.weber"),
        (8, Some(STREAM), "lag alert at 40,000 messages", "jonas.lind"),
        (1, None, "time-out of slot leases 30 s to 20 s", "ines.weber"),
    ];
    for (days, pool, title, actor) in chosen {
        let at = midnight - days * DAY_MS + 10 * HOUR_MS + 25 * MINUTE_MS;
        changes.push(change(at, ChangeKind::Config, pool, title.to_owned(), actor));
    }
}
