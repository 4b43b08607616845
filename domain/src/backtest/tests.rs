use super::*;

/// Days that are alike: 10 slots, and 40 for two hours.
fn office(days: usize) -> Vec<f64> {
    (0..days * DAY).map(|minute| if (600..720).contains(&(minute % DAY)) { 40.0 } else { 10.0 }).collect()
}

fn medians(demand: &[f64]) -> Vec<f64> {
    let peaks = hourly_peaks(demand);
    let question = question();
    (0..peaks.len()).map(|hour| foresee(&peaks, hour, &question)).collect()
}

#[test]
fn what_repeats_is_foreseen() {
    let demand = office(45);
    let found = backtest(&demand, &medians(&demand)).expect("it is long enough");
    // Following is late by ten minutes every day.
    assert_eq!((found.days, found.reactive.violation_minutes), (15, 15 * 10));
    assert_eq!(found.chosen.violation_minutes, 0, "{:?}", found.choices);
    assert!(found.chosen.capacity < 0.9 * found.reactive.capacity, "{found:?}");
    assert!(found.coverage.expect("hours are known") > 0.94);
    assert_eq!(found.static_peak.cost(), Some(40.0 / 12.5));
}

#[test]
fn the_future_changes_no_decision() {
    let mut demand = office(40);
    let before = medians(&demand);
    let at = 35 * DAY;
    demand[at..].fill(500.0);
    let after = medians(&demand);
    // The hour that begins with the change is the first that is known two hours later.
    let known = at / 60 + LEAD_HOURS;
    assert_eq!(before[FIRST_FORECAST..known], after[FIRST_FORECAST..known]);
    assert_ne!(before[known..], after[known..]);
}

#[test]
fn nobody_who_is_less_safe_is_chosen() {
    let tally = |violation_minutes: u64, capacity: f64, unmet: f64| Tally {
        violation_minutes,
        capacity,
        unmet,
        ..Tally::default()
    };
    let candidate =
        |percent: u32, tally: Tally| Candidate { policy: Policy::Follow { percent }, days: vec![tally; 20] };
    let reference = candidate(75, tally(10, 100.0, 5.0));
    let all = |other: Tally| [reference.clone(), candidate(80, other)];
    assert_eq!(guard(&all(tally(9, 97.0, 5.0)), 14), 1);
    assert_eq!(guard(&all(tally(10, 50.0, 5.0)), 14), 0, "as many violations are too many");
    assert_eq!(guard(&all(tally(0, 99.0, 0.0)), 14), 0, "one part of a hundred is not worth it");
    assert_eq!(guard(&all(tally(0, 50.0, 5.1)), 14), 0, "more is unmet");
}

#[test]
fn too_short_is_nothing() {
    assert!(backtest(&office(30), &[]).is_none());
    assert!(backtest(&[], &[]).is_none());
}

#[test]
fn policies_have_a_name_for_programs_and_words_for_people() {
    let headroom = |base, permille, is_factor| Policy::Headroom { base, permille, is_factor };
    for (policy, name, words) in [
        (Policy::Follow { percent: 75 }, "follow at 0.75", "as many slots as are 75 % in use by what is wanted now"),
        (
            Policy::Foresee { permille: 950 },
            "foresee 0.95 or follow",
            "what the forecast says is enough in 95 of 100 hours, or what is wanted now if that is more",
        ),
        (
            headroom(Base::Foresee, 950, true),
            "foresee, times 0.95 of what was short",
            "the forecast's median, or what is wanted now if that is more, grown by as much as made up for what it lately fell short by in 95 of 100 hours",
        ),
        (
            headroom(Base::Follow { percent: 100 }, 975, false),
            "follow, and 0.975 of what was short",
            "what is wanted now plus as many slots as made up for what it lately fell short by in 97.5 of 100 hours",
        ),
    ] {
        assert_eq!((policy.to_string().as_str(), policy.words().as_str()), (name, words));
    }
}
