//! Hints on how pools watch their holders: what was measured, what other settings would have done to the same history, and what to do.

use crate::app::{AppError, Result};
use headroom_domain::Millis;
use headroom_domain::lease::EventKind;
use headroom_domain::report::{Cell, Row, Table};
use headroom_domain::tuning::{Effect, History, Measured, Settings, Sign, per_mille};
use headroom_store::owner::{self, Rules};
use headroom_store::slot_event::{self, Vital};
use sqlx::PgConnection;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Names of the tables: what to do, what was measured, what other settings would have done.
pub(super) const TUNING: &str = "tuning";
pub(super) const TUNING_MEASURED: &str = "tuning_measured";
pub(super) const TUNING_EFFECTS: &str = "tuning_effects";
/// Pools of which other settings are shown.
const MOST_POOLS: usize = 50;

type Pools = BTreeMap<i32, History<Uuid, (String, i32)>>;

fn settings(rules: &Rules) -> Settings {
    Settings {
        ttl_ms: rules.policy.ttl_ms,
        longest_ttl_ms: rules.policy.longest_ttl_ms,
        beats: rules.policy.heartbeats.map(headroom_domain::lease::Beats::policy),
    }
}

/// The longest that a claim of a pool may last, where that is limited.
type Holds = BTreeMap<i32, Millis>;

fn note(pools: &mut Pools, holds: &Holds, event: &Vital) {
    let Some(history) = pools.get_mut(&event.pool) else { return };
    let sign = match event.kind {
        EventKind::Suspect => {
            if let Some(holder) = event.holder.clone() {
                history.suspected(event.at, holder);
            }
            return;
        }
        EventKind::Claim | EventKind::Renew | EventKind::Reassign => Sign::Alive,
        EventKind::Release => Sign::GivenBack,
        EventKind::Preempt | EventKind::Reconcile => Sign::Taken,
        // No renewal reaches beyond the longest hold: such an end says nothing of its holder.
        EventKind::Expire if holds.get(&event.pool).is_some_and(|most| event.held_ms >= Some(*most)) => Sign::Taken,
        EventKind::Expire | EventKind::Dead => Sign::Silent,
        EventKind::Stale => Sign::CameBack,
        _ => return,
    };
    if let Some(claim) = event.claim {
        history.lease(event.at, claim, event.holder.as_ref(), sign);
    }
}

fn advice_row(pool: i32, slug: &str, measured: &Measured, settings: &Settings) -> Row {
    let phi = settings.beats.map_or_else(|| "none".to_owned(), |beats| beats.suspected_phi.to_string());
    Row::of(vec![
        Cell::text(slug),
        Cell::Time(Some(settings.ttl_ms)),
        Cell::text(phi),
        Cell::text(measured.advice(settings)),
    ])
    .of_pool(pool, slug)
}

fn measured_row(pool: i32, slug: &str, measured: &Measured, settings: &Settings) -> Row {
    let of = |values: &[Millis], rank| Cell::Time(per_mille(values, rank));
    let count = |number: i64| Cell::Count(Some(number));
    // A thousandth of fewer is nobody's.
    let finest = if measured.gaps.len() >= headroom_domain::tuning::FEWEST_GAPS {
        of(&measured.gaps, 999)
    } else {
        Cell::Time(None)
    };
    let suspicions = |number: i64| Cell::Count(settings.beats.is_some().then_some(number));
    Row::of(vec![
        Cell::text(slug),
        Cell::Time(Some(measured.covers_ms)),
        count(measured.gaps.len() as i64),
        of(&measured.gaps, 500),
        of(&measured.gaps, 990),
        finest,
        Cell::Time(measured.gaps.last().copied()),
        count(measured.silences.len() as i64),
        of(&measured.silences, 500),
        of(&measured.silences, 950),
        count(measured.absences.len() as i64),
        suspicions(measured.suspicions),
        suspicions(measured.wrong_suspicions),
    ])
    .of_pool(pool, slug)
}

fn effect_row(pool: i32, slug: &str, measured: &Measured, effect: &Effect) -> Row {
    let value = effect.knob.value();
    Row::of(vec![
        Cell::text(slug),
        Cell::text(effect.knob.to_string()),
        Cell::text(if effect.is_present { format!("{value} (now)") } else { value }),
        Cell::Time(effect.found_after_ms),
        Cell::Level(Some(effect.false_alarms)),
        Cell::Ratio(effect.false_alarms, measured.gaps.len() as i64),
    ])
    .of_pool(pool, slug)
}

fn told(events: &[Vital], pools: &[(i32, String, Settings)], holds: &Holds) -> Vec<Table> {
    let mut histories: Pools = pools.iter().map(|(pool, _, _)| (*pool, History::default())).collect();
    for event in events {
        note(&mut histories, holds, event);
    }
    let mut tuning = Table::new(
        TUNING,
        "Leases and heartbeats: tuning hints",
        "The time to live and the φ of a suspicion that each pool has, and what the week says of them. The next two tables say on what ground.",
        &[("pool", "Pool"), ("ttl_ms", "TTL"), ("phi", "φ"), ("advice", "What to do")],
    );
    let mut figures = Table::new(
        TUNING_MEASURED,
        "Leases and heartbeats: measured",
        "Gaps are times between a claim or renewal and the next sign of life of the same lease. Found after is the time from the last of them until a lease that ran out, or whose holder was silent, was ended. Came back counts holders that acted for a lease that had been ended so. Of a week the newest 200,000 events are read.",
        &[
            ("pool", "Pool"),
            ("covers_ms", "Covers"),
            ("gaps", "Renewals"),
            ("gap_p50_ms", "Gap, median"),
            ("gap_p99_ms", "1 in 100"),
            ("gap_p999_ms", "1 in 1,000"),
            ("gap_longest_ms", "Longest"),
            ("silent", "Fell silent"),
            ("found_p50_ms", "Found after, median"),
            ("found_p95_ms", "1 in 20"),
            ("came_back", "Came back"),
            ("suspicions", "Suspected"),
            ("wrong_suspicions", "Wrongly"),
        ],
    );
    let mut effects = Table::new(
        TUNING_EFFECTS,
        "Other settings on the same history",
        "What the present setting and others would have done: how soon after its last sign of life a dead holder is found at the latest (for φ, suspected, as the median of those that fell silent), and how often a living one would have been taken for dead or suspected. Holders that renew by the time to live would renew more often with a shorter one. Heartbeats are not kept, so φ is played on renewals. How often the reconciler looks is fixed, and shown to compare. Of the 50 pools with the most renewals, where there is enough history.",
        &[
            ("pool", "Pool"),
            ("setting", "Setting"),
            ("value", "Value"),
            ("found_after_ms", "Found after"),
            ("false_alarms", "False alarms"),
            ("false_share", "Of renewals"),
        ],
    );
    let mut all: Vec<(i32, &str, Settings, Measured)> = pools
        .iter()
        .filter_map(|(pool, slug, settings)| Some((*pool, slug.as_str(), *settings, histories.remove(pool)?.done())))
        .collect();
    for (pool, slug, settings, measured) in &all {
        tuning.rows.push(advice_row(*pool, slug, measured, settings));
        // What is not known is no row of zeros.
        if measured.covers_ms > 0 {
            figures.rows.push(measured_row(*pool, slug, measured, settings));
        }
    }
    all.sort_by_key(|(_, slug, _, measured)| (Reverse(measured.gaps.len()), *slug));
    all.truncate(MOST_POOLS);
    all.sort_by_key(|(_, slug, _, _)| *slug);
    for (pool, slug, settings, measured) in &all {
        let found = measured.effects(settings);
        effects.rows.extend(found.iter().map(|effect| effect_row(*pool, slug, measured, effect)));
    }
    vec![tuning, figures, effects]
}

/// The hints of a week for all tracked pools; tables without rows if there are none.
pub(super) async fn tables(
    conn: &mut PgConnection,
    names: &BTreeMap<i32, String>,
    from: Millis,
    to: Millis,
) -> Result<Vec<Table>> {
    let (rules, _) = owner::readable_rules(conn, None).await?;
    let mut pools: Vec<(i32, String, Settings)> =
        rules.iter().filter_map(|rules| Some((rules.pool, names.get(&rules.pool)?.clone(), settings(rules)))).collect();
    if pools.is_empty() || from >= to {
        return Ok(Vec::new());
    }
    pools.sort_by(|a, b| a.1.cmp(&b.1));
    let holds: Holds = rules.iter().filter_map(|rules| Some((rules.pool, rules.policy.longest_hold_ms?))).collect();
    let events = slot_event::vitals(conn, from, to).await?;
    // Levels of suspicion are played on every gap, so this is done beside the threads that answer.
    tokio::task::spawn_blocking(move || told(&events, &pools, &holds))
        .await
        .map_err(|error| AppError::Internal(format!("the hints of a report: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: Millis, kind: EventKind, claim: u128) -> Vital {
        Vital { at, pool: 1, kind, claim: Some(Uuid::from_u128(claim)), holder: Some(("w".into(), 7)), held_ms: None }
    }

    #[test]
    fn pools_without_history_are_told_so_and_have_no_effects() {
        let pools = [(1, "one".to_owned(), Settings { ttl_ms: 30_000, longest_ttl_ms: 3_600_000, beats: None })];
        let tables = told(&[], &pools, &Holds::new());
        let row = &tables[0].rows[0];
        let advice = tables[0].cell(&row.cells, "advice").map(|cell| cell.shown("")).unwrap_or_default();
        assert!(advice.starts_with("too little history to say"), "{advice}");
        assert!(tables[1..].iter().all(|table| table.rows.is_empty()), "nothing is known, which is not zero");
    }

    #[test]
    fn events_become_gaps_silences_and_a_hint() {
        let mut events = Vec::new();
        for time in 0..=2_000 {
            events.push(event(time * 4_000, EventKind::Renew, 1));
        }
        events.push(event(8_000_000, EventKind::Claim, 2));
        events.push(event(8_030_400, EventKind::Expire, 2));
        events.push(Vital { pool: 9, ..event(8_040_000, EventKind::Claim, 3) });
        // What reached its longest hold did not fall silent.
        events.push(event(8_050_000, EventKind::Claim, 4));
        events.push(Vital { held_ms: Some(60_000), ..event(8_110_000, EventKind::Expire, 4) });
        let pools = [(1, "one".to_owned(), Settings { ttl_ms: 30_000, longest_ttl_ms: 3_600_000, beats: None })];
        let tables = told(&events, &pools, &Holds::from([(1, 60_000)]));
        let cell = |key: &str| tables.iter().find_map(|table| table.cell(&table.rows.first()?.cells, key).cloned());
        assert_eq!(cell("gaps"), Some(Cell::Count(Some(2_000))));
        assert_eq!(cell("gap_p999_ms"), Some(Cell::Time(Some(4_000))));
        assert_eq!(
            (cell("silent"), cell("found_p50_ms")),
            (Some(Cell::Count(Some(1))), Some(Cell::Time(Some(30_400))))
        );
        assert_eq!(cell("suspicions"), Some(Cell::Count(None)), "nobody watches by heartbeats");
        let advice = cell("advice").map(|cell| cell.shown("").replace('\u{202f}', " ")).unwrap_or_default();
        assert!(advice.starts_with("TTL 30 s -> 12 s: dead holders are found 18 s sooner"), "{advice}");
        let now: Vec<&Row> = tables[2].rows.iter().filter(|row| row.cells[2].shown("").contains("(now)")).collect();
        assert_eq!(now.len(), 2, "the time to live and the reconciler's round");
        assert!(tables[2].rows.iter().all(|row| row.cells[1] != Cell::text("φ")), "nobody watches by heartbeats");
    }
}
