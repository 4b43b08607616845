use super::*;
use crate::forecast::online::{Confidence, Engine, LEVELS, Mark, Outlook, Rung};
use crate::{HOUR_MS, MINUTE_MS};
use proptest::prelude::*;

/// A Monday, on the hour.
const START: i64 = 24 * (4 + 7 * 2_000) * HOUR_MS;

const RULES: Rules = Rules {
    min: 1,
    max: 100,
    lead_minutes: 10,
    hold_minutes: 0,
    band_percent: 0,
    cooldown_minutes: 0,
    step_price: 0.5,
};

fn by_forecast(hours: &[f64]) -> Vec<Need> {
    hours.iter().map(|quantile| Need { quantile: *quantile, ..Need::default() }).collect()
}

fn at(capacity: u32) -> Now {
    Now { now_ms: START + 20 * MINUTE_MS, capacity, last_grown_ms: None, last_changed_ms: None }
}

/// An outlook of hours of which every quantile is the median plus 10 times its level.
fn outlook(medians: &[f64]) -> Outlook {
    let of = |level: f64| medians.iter().map(|median| median + 10.0 * (level - 0.5)).collect();
    Outlook {
        from_hour: START / HOUR_MS,
        median: medians.to_vec(),
        quantiles: LEVELS.map(of).to_vec(),
        marks: vec![Mark::Usual; medians.len()],
        floors: vec![0.0; medians.len()],
        engine: Engine::Ensemble,
        basis: Rung::Full,
        confidence: Confidence::High,
    }
}

#[test]
fn who_asks_for_the_most_decides() {
    let need = Need { quantile: 20.2, live: 15.0, committed: 10.0, event_floor: 0.0 };
    assert_eq!(need.wanted(), (21, Decider::Quantile));
    assert_eq!(Need { live: 30.0, ..need }.wanted(), (30, Decider::Live));
    assert_eq!(Need { committed: 31.0, ..need }.wanted(), (31, Decider::Committed));
    assert_eq!(Need { committed: 31.0, event_floor: 31.0, ..need }.wanted(), (31, Decider::EventFloor));
    assert_eq!(Need::default().wanted(), (0, Decider::Minimum));
    let bad = Need { quantile: f64::NAN, live: f64::NEG_INFINITY, committed: -5.0, event_floor: f64::NAN };
    assert_eq!(bad.wanted(), (0, Decider::Minimum));
    assert!(Need { quantile: f64::INFINITY, ..need }.wanted().0 > i64::from(u32::MAX));
}

#[test]
fn needs_by_policy() {
    let live = Live { demand: 30.0, headroom: 6.0 };
    let mut known = outlook(&[20.0, 40.0, 40.0]);
    known.marks[2] = Mark::Excluded;
    known.floors[1] = 50.0;
    let of = |policy: Policy| -> Vec<(f64, f64)> {
        needs(&known, &policy, live, &[5, 7]).iter().map(|need| (need.quantile, need.live)).collect()
    };
    assert_eq!(of(Policy::Follow { percent: 75 }), [(0.0, 46.0); 3]);
    assert_eq!(of(Policy::Foresee { permille: 950 }), [(24.5, 36.0), (44.5, 36.0), (0.0, 36.0)]);
    let headroom = |base| Policy::Headroom { base, permille: 900, is_factor: false };
    assert_eq!(of(headroom(Base::Follow { percent: 100 })), [(0.0, 36.0); 3]);
    assert_eq!(of(headroom(Base::Foresee)), [(26.0, 36.0), (46.0, 36.0), (0.0, 36.0)]);
    let all = needs(&known, &Policy::default(), live, &[5, 7]);
    assert_eq!(all.iter().map(|need| need.committed).collect::<Vec<_>>(), [5.0, 7.0, 7.0]);
    assert_eq!(all[1].event_floor.to_bits(), 50.0_f64.to_bits());
    // Further ahead the present has no say beside a forecast.
    let far = needs(&outlook(&[20.0; 4]), &Policy::Foresee { permille: 950 }, live, &[]);
    assert_eq!(far[2], Need { quantile: 24.5, ..Need::default() });
}

#[test]
fn what_follows_the_minute_grows_in_strides() {
    let step = |from, to, decider| Step {
        at_ms: START,
        effective_ms: START,
        from,
        to,
        decider,
        is_late: true,
        reason: "as it was".into(),
    };
    let rules = Rules { band_percent: 5, ..RULES };
    let grown = |step: Step, least| step.in_strides(&rules, least).to;
    // Within the band; below the least change where that is more; never less than is wanted, never above the maximum.
    assert_eq!(grown(step(41, 42, Decider::Live), 0), 43);
    assert_eq!(grown(step(41, 42, Decider::Live), 10), 50);
    assert_eq!(grown(step(41, 60, Decider::Live), 10), 60);
    assert_eq!(grown(step(97, 98, Decider::Live), 10), 100);
    assert_eq!(grown(step(0, 1, Decider::Live), 0), 1);
    assert_eq!(grown(step(u32::MAX - 1, u32::MAX, Decider::Live), u32::MAX), u32::MAX);
    for other in [step(41, 40, Decider::Live), step(41, 42, Decider::Quantile), step(41, 42, Decider::Committed)] {
        assert_eq!(other.clone().in_strides(&rules, 10), other);
    }
    let told = step(41, 42, Decider::Live).in_strides(&rules, 0).reason;
    assert_eq!(told, "grows to 43: what is wanted now with its headroom asks for 42, and so that few changes are made");
}

#[test]
fn a_slow_rise_is_followed_in_few_changes() {
    // A slot more every minute, for four hours: each change is at least the band, and nobody is short between them.
    let rules = Rules { band_percent: 5, max: 1_000, lead_minutes: 0, ..RULES };
    let (mut capacity, mut changes) = (100, 0);
    for wanted in 100_u32..340 {
        let found = plan(&vec![Need { live: f64::from(wanted), ..Need::default() }; 8], &rules, &at(capacity));
        if let Some(step) = found.steps.first().filter(|step| step.to > capacity) {
            capacity = step.clone().in_strides(&rules, 0).to;
            changes += 1;
        }
        assert!(capacity >= wanted && u64::from(capacity) * 100 <= u64::from(wanted) * 105 + 100);
    }
    // The logarithm of 3.4 to the base of 1.05 is 25.
    assert!((22..=30).contains(&changes), "{changes}");
}

#[test]
fn what_comes_and_goes_changes_the_capacity_once() {
    let rules = Rules { band_percent: 5, max: 1_000, lead_minutes: 0, ..RULES };
    for from in 1_u32..400 {
        let of = |wanted: u32| vec![Need { live: f64::from(wanted), ..Need::default() }; 8];
        let up = plan(&of(from + 1), &rules, &at(from)).steps.remove(0).in_strides(&rules, 0);
        let back = plan(&of(from), &rules, &at(up.to));
        // One slot of a small pool is more than its band; it goes as it came, unless a least change is set.
        let is_by_one = up.to == from + 1 && u64::from(from) * 100 <= u64::from(up.to) * 95;
        assert!(back.steps.is_empty() || is_by_one, "{from} {up:?} {back:?}");
        assert!(up.clone().in_strides(&rules, 10).to - from < 10 || up.to - from >= 9, "{up:?}");
    }
}

#[test]
fn what_shrinks_waits_for_the_cooldown_after_the_change_before() {
    let hours = by_forecast(&[50.0, 40.0, 30.0, 60.0, 20.0, 20.0, 20.0, 70.0]);
    let rules = Rules { cooldown_minutes: 120, ..RULES };
    assert_eq!(plan(&hours, &RULES, &at(50)).capacity, [50, 40, 30, 60, 20, 20, 20, 70]);
    // From 40 it may not go to 30 an hour later, and 20 has to wait for two hours after 60; growing never waits.
    let found = plan(&hours, &rules, &at(50));
    assert_eq!(found.capacity, [50, 40, 40, 60, 60, 20, 20, 70]);
    assert_eq!(
        found.steps.iter().map(|step| (step.from, step.to)).collect::<Vec<_>>(),
        [(50, 40), (40, 60), (60, 20), (20, 70)]
    );
    // The change before the plan counts; what is above the maximum goes at once.
    let changed = |capacity| Now { last_changed_ms: Some(START), ..at(capacity) };
    assert_eq!(plan(&hours, &rules, &changed(90)).capacity[..3], [90, 90, 30]);
    assert_eq!(plan(&hours, &rules, &changed(120)).capacity[0], 50);
}

#[test]
fn steps_come_in_time_and_say_why() {
    let found = plan(&by_forecast(&[10.0, 10.0, 30.0, 30.0, 30.0, 12.0, 12.0, 12.0]), &RULES, &at(10));
    assert_eq!(found.capacity, [10, 10, 30, 30, 30, 12, 12, 12]);
    let hour = |hours: i64| START + hours * HOUR_MS;
    assert_eq!(found.steps.len(), 2);
    let (up, down) = (&found.steps[0], &found.steps[1]);
    assert_eq!((up.from, up.to, up.decider, up.is_late), (10, 30, Decider::Quantile, false));
    assert_eq!((up.at_ms, up.effective_ms), (hour(2) - 10 * MINUTE_MS, hour(2)));
    assert_eq!(up.reason, "grows to 30: the forecast at the chosen risk asks for it");
    assert_eq!((down.at_ms, down.effective_ms, down.to), (hour(5), hour(5), 12));
    assert_eq!(down.reason, "shrinks to 12: the forecast at the chosen risk asks for no more");
    assert_eq!(found.breach, None);
}

#[test]
fn what_is_needed_now_comes_at_once_and_late() {
    let now = at(10);
    let found = plan(&by_forecast(&[30.0, 30.0]), &RULES, &now);
    assert_eq!(found.steps.len(), 1);
    assert_eq!((found.steps[0].at_ms, found.steps[0].effective_ms), (now.now_ms, now.now_ms + 10 * MINUTE_MS));
    assert!(found.steps[0].is_late);
    // Five minutes before the hour the lead of ten is too long.
    let now = Now { now_ms: START + 55 * MINUTE_MS, ..now };
    let found = plan(&by_forecast(&[10.0, 30.0]), &RULES, &now);
    assert!(found.steps[0].is_late && found.steps[0].at_ms == now.now_ms);
}

#[test]
fn few_steps_are_taken() {
    let zigzag: Vec<f64> = (0..48).map(|hour| if hour % 2 == 0 { 20.0 } else { 22.0 }).collect();
    let found = plan(&by_forecast(&zigzag), &Rules { step_price: 0.0, ..RULES }, &at(22));
    assert_eq!((found.steps.len(), found.capacity), (0, vec![22; 48]));
    // Without a price every hour would be followed.
    let found = plan(&by_forecast(&zigzag), &Rules { step_price: 1e-9, ..RULES }, &at(22));
    assert_eq!(found.steps.len(), 48);
}

#[test]
fn shrinking_waits_and_small_changes_are_not_made() {
    let hours = [10.0, 30.0, 12.0, 12.0, 12.0, 12.0];
    let held = plan(&by_forecast(&hours), &Rules { hold_minutes: 61, ..RULES }, &at(10));
    assert_eq!(held.capacity, [10, 30, 30, 30, 12, 12]);
    // Half an hour ago it grew: nothing shrinks for another half.
    let grown = Now { last_grown_ms: Some(START - 10 * MINUTE_MS), ..at(40) };
    let held = plan(&by_forecast(&[10.0; 4]), &Rules { hold_minutes: 60, ..RULES }, &grown);
    assert_eq!(held.capacity, [40, 10, 10, 10]);
    let band = plan(&by_forecast(&[37.0; 4]), &Rules { band_percent: 10, ..RULES }, &at(40));
    assert_eq!((band.steps.len(), band.capacity), (0, vec![40; 4]));
    let band = plan(&by_forecast(&[36.0; 4]), &Rules { band_percent: 10, ..RULES }, &at(40));
    assert_eq!(band.capacity, [36; 4]);
}

#[test]
fn bounds_hold_and_a_breach_is_named() {
    let found = plan(&by_forecast(&[0.0, 50.0, 120.4, 130.0]), &Rules { min: 5, ..RULES }, &at(5));
    assert_eq!(found.capacity, [5, 50, 100, 100]);
    let breach = Breach { hour_ms: START + 2 * HOUR_MS, wanted: 121, max: 100, decider: Decider::Quantile };
    assert_eq!(found.breach, Some(breach));
    assert_eq!(found.steps[1].reason, "grows to the maximum of 100, and more is needed");
    // What is above the maximum shrinks, whatever the band and the hold.
    let rules = Rules { max: 30, band_percent: 50, hold_minutes: 600, ..RULES };
    let found = plan(&by_forecast(&[25.0; 3]), &rules, &Now { last_grown_ms: Some(START), ..at(40) });
    assert_eq!(found.capacity, [30; 3]);
    // A maximum below the minimum counts.
    assert_eq!(plan(&by_forecast(&[0.0]), &Rules { min: 9, max: 3, ..RULES }, &at(0)).capacity, [3]);
    assert_eq!(plan(&[], &RULES, &at(7)).capacity, [0_u32; 0]);
}

#[test]
fn what_a_plan_is_expected_to_come_to() {
    let known = outlook(&[20.0, 20.0]);
    let found = plan(
        &needs(&known, &Policy::Foresee { permille: 750 }, Live { demand: 0.0, headroom: 0.0 }, &[]),
        &RULES,
        &at(1),
    );
    // 22.5 is 23 slots: half of the way from 0.75 to 0.9 is 23.25.
    let told = expect(&found, &known);
    assert_eq!((told.slot_hours.to_bits(), told.median_slot_hours.to_bits()), (46.0_f64.to_bits(), 40.0_f64.to_bits()));
    assert!((told.short_share.expect("it is foreseen") - 0.2).abs() < 1e-9, "{told:?}");
    assert_eq!(expect(&found, &outlook(&[])).short_share, None);
}

#[test]
fn following_grows_at_once_and_shrinks_with_patience() {
    let rules =
        Reactive { cooldown_minutes: 5, stabilisation_minutes: 15, band_percent: 10, max: 50, ..Reactive::REFERENCE };
    let mut state = ReactiveState::default();
    let mut capacity = 4;
    let mut seen = Vec::new();
    for (minute, demand) in
        [(0, Some(3.0)), (1, Some(6.0)), (2, Some(3.0)), (3, None), (15, Some(3.0)), (16, Some(3.0)), (17, Some(60.0))]
    {
        let found = rules.decide(&mut state, START + minute * MINUTE_MS, capacity, demand);
        capacity = found.capacity;
        seen.push((minute, found.capacity, found.why));
    }
    assert_eq!(
        seen,
        [
            (0, 4, Why::Fits),
            (1, 8, Why::Grows),
            (2, 8, Why::Cooldown),
            (3, 8, Why::Unknown),
            (15, 8, Why::Stabilising),
            (16, 4, Why::Shrinks),
            (17, 50, Why::AtMaximum),
        ]
    );
    let found = rules.decide(&mut ReactiveState::default(), START, 42, Some(30.0));
    assert_eq!(found, Decision { capacity: 42, why: Why::WithinBand });
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        assert_eq!(rules.decide(&mut ReactiveState::default(), START, 7, Some(bad)).why, Why::Unknown);
    }
}

#[test]
fn following_by_minutes_is_the_reference_of_the_backtest() {
    let demand: Vec<f64> = (0..600).map(|at| f64::from((at * 7919) % 50)).collect();
    let reference = crate::backtest::reactive(&demand, 0.75);
    let (mut state, mut capacity) = (ReactiveState::default(), 1);
    for (minute, wanted) in demand.iter().enumerate().take(580) {
        let found = Reactive::REFERENCE.decide(&mut state, START + minute as i64 * MINUTE_MS, capacity, Some(*wanted));
        capacity = found.capacity;
        assert_eq!(f64::from(capacity).to_bits(), reference[minute + crate::backtest::LEAD_MINUTES].to_bits());
    }
}

/// Days that are alike: 10 slots, and 40 for two hours.
fn office(days: usize) -> Vec<f64> {
    (0..days * 1_440).map(|minute| if (600..720).contains(&(minute % 1_440)) { 40.0 } else { 10.0 }).collect()
}

/// Days of which each has its bursts elsewhere.
fn bursty(days: usize) -> Vec<f64> {
    let mut demand = vec![10.0; days * 1_440];
    for day in 0..days {
        for burst in 0..3 {
            let start = day * 1_440 + (day * 7_919 + burst * 3_571 + day * day * 331) % 1_300;
            for (place, wanted) in demand[start..start + 100].iter_mut().enumerate() {
                *wanted = 10.0 + place.min(30) as f64;
            }
        }
    }
    demand
}

#[test]
fn what_repeats_is_worth_predicting() {
    let minutes = office(28);
    let medians = crate::backtest::hourly_peaks(&minutes);
    let found = choose(&minutes, &medians);
    assert!(found.pays && found.saved_share > 0.1, "{found:?}");
    assert!(found.reason.starts_with("regular: day-to-day correlation 1.00, predicting pays: "), "{}", found.reason);
    assert!(found.reason.ends_with("over 14 days"), "{}", found.reason);
    assert_eq!(found.chosen.violation_minutes, 0);
    assert_eq!(found.reference.violation_minutes, 14 * 10);
}

#[test]
fn what_does_not_repeat_is_followed() {
    let minutes = bursty(28);
    let peaks = crate::backtest::hourly_peaks(&minutes);
    // As yesterday is the best guess there is, and it is no good.
    let medians: Vec<f64> = (0..peaks.len()).map(|hour| if hour < 24 { f64::NAN } else { peaks[hour - 24] }).collect();
    let found = choose(&minutes, &medians);
    assert!(!found.pays, "{found:?}");
    assert!(found.reason.starts_with("bursty: day-to-day correlation "), "{}", found.reason);
    assert!(found.reason.contains("predicting would cost "), "{}", found.reason);
    assert!(found.chosen.violation_minutes <= found.reference.violation_minutes);
}

#[test]
fn without_enough_of_it_demand_is_followed() {
    let found = choose(&office(14), &[]);
    assert_eq!((found.policy, found.days), (Policy::default(), 0));
    assert_eq!(found.reason, "14 of 15 days of demand are known: following it until then");
    let found = choose(&office(28), &[]);
    assert!(!found.pays && found.foreseen.is_none());
    assert!(found.reason.contains("forecasts of 0 of 336 hours are there to judge predicting by"), "{}", found.reason);
    for series in [vec![0.0; 28 * 1_440], vec![f64::NAN; 28 * 1_440]] {
        let found = choose(&series, &[]);
        assert_eq!((found.policy, found.correlation), (Policy::default(), None));
        assert_eq!(found.reason, "nothing was wanted over two weeks: following demand");
    }
    for series in [vec![7.0; 28 * 1_440], vec![f64::MAX; 28 * 1_440], vec![1e300; 20 * 1_440], vec![-3.0; 15 * 1_440]] {
        for medians in [vec![], vec![f64::NAN; 900], vec![f64::INFINITY; 900], vec![1e300; 900], vec![7.0; 3]] {
            let found = choose(&series, &medians);
            assert!(!found.reason.is_empty() && found.saved_share.is_finite(), "{found:?}");
            for level in [0, 500, 5_000] {
                let policy = Policy::Headroom { base: Base::Foresee, permille: level, is_factor: true };
                let slots = headroom(&policy, &series, &medians);
                assert!(slots.is_finite() && slots >= 0.0);
            }
        }
    }
}

#[test]
fn headroom_is_what_was_short_lately() {
    // Following at 100 % is short by 30 once a day, for ten minutes: one hour of 24.
    let minutes = office(15);
    let policy = |permille, is_factor| Policy::Headroom { base: Base::Follow { percent: 100 }, permille, is_factor };
    assert_eq!(headroom(&policy(990, false), &minutes, &[]).to_bits(), 30.0_f64.to_bits());
    assert_eq!(headroom(&policy(900, false), &minutes, &[]).to_bits(), 0.0_f64.to_bits());
    // Four times as much, of 10 at the end of the day.
    assert_eq!(headroom(&policy(990, true), &minutes, &[]).to_bits(), 30.0_f64.to_bits());
    assert_eq!(headroom(&Policy::default(), &minutes, &[]).to_bits(), 0.0_f64.to_bits());
}

#[test]
fn a_day_is_settled_exactly() {
    let mut minutes = office(3);
    let last = minutes.len() - 1;
    minutes[last] = f64::NAN;
    let free = Bounds { least: &[], most: i64::MAX };
    let found = ledger(&minutes, &[12; 1_440], &[40; 1_440], &free);
    // 1319 minutes of 10 and 120 of 40 are known.
    let wanted = 1_319 * 10 + 120 * 40;
    let line = |slots: i64, violations: i64, unmet: i64| Line {
        slot_minutes: slots,
        violation_minutes: violations,
        unmet_slot_minutes: unmet,
        wanted_slot_minutes: wanted,
        minutes: 1_439,
    };
    assert_eq!(found.actual, line(12 * 1_439, 120, 120 * 28));
    assert_eq!(found.chosen, line(40 * 1_439, 0, 0));
    assert_eq!(found.static_peak, Some(line(40 * 1_439, 0, 0)));
    // 14 and 54 slots: late by ten minutes, and back ten minutes and the hold of 15 after the peak, of which the first counts.
    assert_eq!(found.reactive, line(14 * 1_439 + 40 * (120 + 14), 10, 10 * 26));
    assert_eq!((found.actual + found.actual).minutes, 2 * 1_439);
    assert_eq!(ledger(&minutes[1_440 * 2..], &[12; 1_440], &[40; 1_440], &free).static_peak, None);
    assert_eq!(ledger(&[], &[12; 9], &[], &free), Ledger::default());
    assert_eq!(ledger(&[f64::MAX, f64::INFINITY, -4.0], &[i64::MAX; 3], &[-1; 3], &free).actual.minutes, 1);
    // What is promised and the bounds hold for all rules alike, and what was stays as it was.
    let bounded = ledger(&minutes, &[12; 1_440], &[13; 1_440], &Bounds { least: &[20; 1_440], most: 30 });
    assert_eq!(bounded.actual, found.actual);
    assert_eq!(bounded.chosen, line(20 * 1_439, 120, 120 * 20));
    assert_eq!(bounded.reactive, line(20 * 1_439 + 10 * (120 + 14), 120, 10 * 20 + 110 * 10));
    assert_eq!(bounded.static_peak, Some(line(30 * 1_439, 120, 120 * 10)));
}

#[test]
fn words_of_modes_are_read_back() {
    for mode in Mode::ALL {
        assert_eq!(Mode::parse(mode.as_str()), Some(mode));
        assert_eq!(serde_json::to_string(&mode).expect("it can be written"), format!("\"{}\"", mode.as_str()));
    }
    assert_eq!(Mode::parse("off"), None);
    for policy in
        [Policy::default(), Policy::Headroom { base: Base::Follow { percent: 90 }, permille: 975, is_factor: true }]
    {
        let text = serde_json::to_string(&policy).expect("it can be written");
        assert_eq!(serde_json::from_str::<Policy>(&text).expect("it can be read"), policy);
    }
}

/// The least that any way of being enough costs: every set of hours at which capacity may change is tried.
fn least_by_trying(wanted: &[u32], present: u32, price: f64) -> f64 {
    let hours = wanted.len();
    let mut least = f64::INFINITY;
    for cuts in 0..1_u32 << hours {
        let mut cost = 0.0;
        let mut start = 0;
        while start < hours {
            let mut end = start + 1;
            while end < hours && cuts & (1 << end) == 0 {
                end += 1;
            }
            let most = wanted[start..end].iter().copied().max().unwrap_or(0);
            let keeps = start == 0 && cuts & 1 == 0 && present >= most;
            cost += if keeps { f64::from(present) } else { f64::from(most) } * (end - start) as f64;
            cost += if keeps { 0.0 } else { price };
            start = end;
        }
        least = least.min(cost);
    }
    least
}

fn any_need() -> impl Strategy<Value = Need> {
    let slots = || prop_oneof![4 => 0.0..120.0_f64, 1 => Just(0.0), 1 => any::<f64>()];
    (slots(), slots(), slots(), slots()).prop_map(|(quantile, live, committed, event_floor)| Need {
        quantile,
        live,
        committed,
        event_floor,
    })
}

proptest! {
    #[test]
    fn a_plan_is_enough_and_within_bounds(
        needs in prop::collection::vec(any_need(), 0..60),
        min in 0..50_u32,
        max in 0..120_u32,
        capacity in 0..150_u32,
        hold in 0..300_u32,
        band in 0..120_u32,
        price in prop_oneof![Just(0.0), 0.0..1e4_f64, any::<f64>()],
        grown in prop::option::of(-10_000_000..10_000_000_i64),
        cooldown in 0..400_u32,
    ) {
        let rules = Rules { min, max, hold_minutes: hold, band_percent: band, cooldown_minutes: cooldown, step_price: price, ..RULES };
        let now = Now { last_grown_ms: grown.map(|by| START + by), ..at(capacity) };
        let found = plan(&needs, &rules, &now);
        prop_assert_eq!(found.capacity.len(), needs.len());
        let mut before = capacity;
        let mut changes = 0;
        for (slots, need) in found.capacity.iter().zip(&needs) {
            prop_assert!(*slots <= max && *slots >= min.min(max));
            prop_assert!(i64::from(*slots) >= need.wanted().0.min(i64::from(max)));
            changes += usize::from(*slots != before);
            before = *slots;
        }
        prop_assert_eq!(found.steps.len(), changes);
        prop_assert_eq!(found.breach.is_some(), needs.iter().any(|need| need.wanted().0 > i64::from(max)));
        for pair in found.steps.windows(2) {
            prop_assert!(pair[0].to == pair[1].from && pair[0].at_ms <= pair[1].effective_ms);
        }
        let cooldown_ms = i64::from(cooldown) * MINUTE_MS;
        for pair in found.steps.windows(2).filter(|pair| pair[1].to < pair[1].from) {
            prop_assert!(pair[1].effective_ms - pair[0].at_ms >= cooldown_ms);
        }
        for step in &found.steps {
            prop_assert!(step.at_ms >= now.now_ms && step.at_ms <= step.effective_ms && step.from != step.to);
        }
    }

    #[test]
    fn no_other_way_is_cheaper(
        wanted in prop::collection::vec(1..40_u32, 1..9),
        present in 0..50_u32,
        price in 0.5..60.0_f64,
    ) {
        let rules = Rules { min: 0, step_price: price, ..RULES };
        let hours: Vec<f64> = wanted.iter().copied().map(f64::from).collect();
        let found = plan(&by_forecast(&hours), &rules, &at(present));
        let cost = found.capacity.iter().copied().map(f64::from).sum::<f64>() + price * found.steps.len() as f64;
        let least = least_by_trying(&wanted, present, price);
        prop_assert!((cost - least).abs() < 1e-6, "{} for {}", cost, least);
    }

    #[test]
    fn following_stays_within_bounds(
        demands in prop::collection::vec(prop_oneof![4 => 0.0..200.0_f64, 1 => any::<f64>()], 1..80),
        cooldown in 0..30_u32,
        stabilisation in 0..30_u32,
        band in 0..110_u32,
        max in 0..300_u32,
    ) {
        let rules = Reactive { target_percent: 75, min: 2, max, cooldown_minutes: cooldown, stabilisation_minutes: stabilisation, band_percent: band };
        let (mut state, mut capacity) = (ReactiveState::default(), 2_u32.min(max));
        for (minute, demand) in demands.iter().enumerate() {
            let found = rules.decide(&mut state, START + minute as i64 * MINUTE_MS, capacity, Some(*demand));
            prop_assert!(found.capacity <= max && found.capacity >= 2.min(max));
            if demand.is_finite() && *demand >= 0.0 {
                prop_assert!(f64::from(found.capacity) >= (demand / 0.75 - 1e-9).min(f64::from(max)));
            }
            capacity = found.capacity;
        }
    }
}
