use super::*;
use crate::HOUR_MS;
use crate::calendar::Effect;
use proptest::prelude::*;

/// Monday of a week far from the start of the scale.
const START: i64 = 24 * (4 + 7 * 2_000);

/// Working days that are alike, quiet weekends, with a disturbance that is the same every time.
fn office(hours: usize) -> Vec<f64> {
    (0..hours)
        .map(|at| {
            let (hour, day) = (at % 24, at / 24 % 7);
            let busy = if (8..18).contains(&hour) { 80.0 } else { 10.0 };
            let week = if day < 5 { 1.0 } else { 0.4 };
            busy * week + ((at * 7919) % 13) as f64 / 6.5
        })
        .collect()
}

fn input<'a>(peaks: &'a [f64], events: &'a [Event], horizon: usize) -> Input<'a> {
    Input {
        now_hour: START + peaks.len() as i64,
        peaks,
        events,
        earlier: &[],
        offset_hours: 0,
        horizon,
        kappa: DEFAULT_KAPPA,
    }
}

fn event(from: usize, to: usize, tag: &str, effect: Effect) -> Event {
    let at = |hour: usize| (START + hour as i64) * HOUR_MS;
    Event { start_ms: at(from), end_ms: at(to), tag: tag.to_owned(), effect }
}

/// Refreshes hour by hour.
fn run(memory: &mut Memory, peaks: &[f64], from: usize, events: &[Event]) {
    for now in from..=peaks.len() {
        refresh(memory, &input(&peaks[..now], events, 2));
    }
}

/// Whatever holds of every outlook.
fn check(outlook: &Outlook, horizon: usize) {
    assert_eq!((outlook.marks.len(), outlook.floors.len()), (horizon, horizon));
    assert!(outlook.median.len() == horizon || outlook.is_empty());
    assert_eq!(outlook.is_empty(), outlook.engine == Engine::Nothing);
    for step in 0..outlook.median.len() {
        let values = outlook.at(step);
        assert!(values.iter().all(|value| value.is_finite() && *value >= 0.0), "{values:?}");
        assert!(values.is_sorted(), "{values:?}");
        assert_eq!(values[MEDIAN].to_bits(), outlook.median[step].to_bits());
        for capacity in [-1.0, 0.0, values[MEDIAN], f64::MAX, f64::NAN] {
            assert!((0.0..=1.0).contains(&outlook.exceedance(step, capacity)));
        }
    }
}

#[test]
fn bad_series_are_survived() {
    let alternating: Vec<f64> = (0..700).map(|at| if at % 2 == 0 { 1e300 } else { 0.0 }).collect();
    let mut one_of_many = vec![f64::NAN; 700];
    one_of_many[650] = 7.0;
    let all = [
        vec![],
        vec![5.0],
        vec![0.0; 700],
        vec![3.25; 700],
        vec![f64::MAX; 700],
        vec![f64::INFINITY; 700],
        vec![-4.0; 700],
        vec![f64::NAN; 700],
        vec![5e-324; 700],
        alternating,
        one_of_many,
        office(30),
        office(100),
    ];
    let events = [
        event(690, 720, "a", Effect::Factor { percent: u32::MAX }),
        event(650, 660, "a", Effect::Learn),
        event(701, 705, "b", Effect::Learn),
        event(702, 700, "backwards", Effect::Floor { slots: 9 }),
        event(700, 703, "like", Effect::LikeWeekday { weekday: 200 }),
        event(706, 709, "floor", Effect::Floor { slots: u32::MAX }),
        Event { start_ms: i64::MIN, end_ms: i64::MAX, tag: String::new(), effect: Effect::Learn },
    ];
    for series in all {
        for events in [&events[..], &[]] {
            for kappa in [f64::NAN, -1.0, 1e9, 1.3] {
                let mut memory = Memory::default();
                for end in series.len().saturating_sub(3)..=series.len() {
                    let input = Input { kappa, ..input(&series[..end], events, 30) };
                    check(&refresh(&mut memory, &input), 30);
                }
                let now = START + series.len() as i64;
                let told = accuracy(&memory, &series, now, 0);
                let numbers = [told.wape, told.naive_wape, told.coverage_95, told.coverage_80];
                assert!(numbers.iter().flatten().all(|number| number.is_finite()), "{told:?}");
                let text = serde_json::to_string(&memory).expect("it can be written");
                assert_eq!(serde_json::from_str::<Memory>(&text).expect("it can be read"), memory);
            }
        }
    }
}

#[test]
fn the_ladder_by_hours() {
    let peaks = office(600);
    let found = |hours: usize| {
        let outlook = refresh(&mut Memory::default(), &input(&peaks[..hours], &[], 4));
        (outlook.basis, outlook.engine, outlook.confidence)
    };
    assert_eq!(found(23), (Rung::Reactive, Engine::Nothing, Confidence::None));
    assert_eq!(found(24), (Rung::Hours, Engine::Profile, Confidence::Low));
    assert_eq!(found(72), (Rung::Short, Engine::Ensemble, Confidence::Low));
    assert_eq!(found(336).0, Rung::Long);
    assert_eq!(found(504), (Rung::Full, Engine::Ensemble, Confidence::Medium));
    // Gaps are no history.
    let mut holes = peaks[..100].to_vec();
    holes[10..60].fill(f64::NAN);
    assert_eq!(refresh(&mut Memory::default(), &input(&holes, &[], 4)).basis, Rung::Hours);
}

#[test]
fn what_is_alike_is_foreseen_and_quantiles_hold() {
    let peaks = office(1_000);
    let mut memory = Memory::default();
    run(&mut memory, &peaks, 600, &[]);
    let told = accuracy(&memory, &peaks, START + 1_000, 0);
    assert_eq!(told.hours, 336);
    assert!(told.wape.expect("something was wanted") < 0.06, "{told:?}");
    assert!((0.92..0.99).contains(&told.coverage_95.expect("hours are known")), "{told:?}");
    assert!(!told.left_band, "{told:?}");
    let outlook = refresh(&mut memory, &input(&peaks, &[], 48));
    assert_eq!(outlook.confidence, Confidence::High);
    // Hour 1000 is 16 o'clock of a Saturday.
    assert!((outlook.median[0] - 33.0).abs() < 3.0, "{}", outlook.median[0]);
    assert!((outlook.median[4] - 5.0).abs() < 3.0, "{}", outlook.median[4]);
}

#[test]
fn the_same_hour_again_is_the_same() {
    let peaks = office(700);
    let mut memory = Memory::default();
    run(&mut memory, &peaks, 680, &[]);
    let before = memory.clone();
    let one = refresh(&mut memory, &input(&peaks, &[], 48));
    assert_eq!(memory, before);
    assert_eq!(refresh(&mut memory, &input(&peaks, &[], 48)), one);
}

#[test]
fn a_memory_that_was_written_down_goes_on() {
    let peaks = office(700);
    let mut memory = Memory::default();
    run(&mut memory, &peaks[..650], 600, &[]);
    let text = serde_json::to_string(&memory).expect("it can be written");
    let mut read: Memory = serde_json::from_str(&text).expect("it can be read");
    run(&mut memory, &peaks, 651, &[]);
    run(&mut read, &peaks, 651, &[]);
    assert_eq!(memory, read);
}

#[test]
fn hours_that_were_missed_and_a_clock_set_back_are_survived() {
    let peaks = office(900);
    let mut memory = Memory::default();
    for now in (600..900).step_by(5) {
        refresh(&mut memory, &input(&peaks[..now], &[], 2));
    }
    assert_eq!(memory.rows().len(), 59);
    refresh(&mut memory, &input(&peaks[..700], &[], 2));
    assert!(memory.rows().iter().all(|row| row.hour < START + 700), "what is to come again is not believed");
    check(&refresh(&mut memory, &input(&peaks, &[], 2)), 2);
}

#[test]
fn an_engine_that_loses_less_is_believed() {
    // Most hours of a day are always alike but jump at random places within it: models follow what does not last.
    let mut state: u64 = 7;
    let peaks: Vec<f64> = (0..1_100)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if (state >> 33) % 10 < 5 { 100.0 } else { 4.0 }
        })
        .collect();
    let mut memory = Memory::default();
    run(&mut memory, &peaks, 700, &[]);
    assert_ne!(memory.believed(Rung::Full), Engine::Ensemble, "what is nothing but chance has no trend to follow");
    let mut regular = Memory::default();
    run(&mut regular, &office(1_100), 700, &[]);
    assert_eq!(regular.believed(Rung::Full), Engine::Ensemble);
}

#[test]
fn experience_takes_over_from_the_fleet() {
    let peaks = office(900);
    let outlook = |memory: &Memory, kappa: f64| {
        let mut memory = memory.clone();
        refresh(&mut memory, &Input { kappa, ..input(&peaks, &[], 4) })
    };
    let width = |outlook: &Outlook| outlook.quantiles[8][1] - outlook.median[1];
    let young = Memory::default();
    assert!(width(&outlook(&young, 2.0)) > 1.5 * width(&outlook(&young, 1.0)));
    let mut old = Memory::default();
    run(&mut old, &peaks, 900 - 130, &[]);
    assert_eq!(outlook(&old, 2.0), outlook(&old, 1.0));
    let factor = fleet_kappa([&old, &young].into_iter());
    assert!((1.0..2.0).contains(&factor) && factor.to_bits() != DEFAULT_KAPPA.to_bits(), "{factor}");
    assert_eq!(fleet_kappa([&young].into_iter()).to_bits(), DEFAULT_KAPPA.to_bits());
}

#[test]
fn events_change_what_is_foreseen() {
    let peaks = office(1_008);
    let plain = refresh(&mut Memory::default(), &input(&peaks, &[], 48));
    // 1008 is a Monday: from 8 o'clock on it is 80.
    let with = |from: usize, to: usize, effect: Effect| {
        refresh(&mut Memory::default(), &input(&peaks, &[event(1_008 + from, 1_008 + to, "tag", effect)], 48))
    };
    let doubled = with(10, 12, Effect::Factor { percent: 200 });
    assert!((doubled.median[10] - 2.0 * plain.median[10]).abs() < 1e-6);
    assert_eq!((doubled.marks[10], doubled.marks[12]), (Mark::Changed, Mark::Usual));
    assert_eq!(doubled.median[12].to_bits(), plain.median[12].to_bits());
    let floor = with(0, 3, Effect::Floor { slots: 55 });
    assert_eq!((floor.median[2].to_bits(), floor.floors[2].to_bits()), (55.0_f64.to_bits(), 55.0_f64.to_bits()));
    assert!(floor.quantiles.iter().all(|steps| steps[2] >= 55.0) && floor.median[3] < 20.0);
    let sunday = with(0, 24, Effect::LikeWeekday { weekday: 7 });
    assert!((sunday.median[10] - 33.0).abs() < 4.0, "{}", sunday.median[10]);
    let excluded = with(10, 12, Effect::Exclude);
    assert_eq!(excluded.marks[10..13], [Mark::Excluded, Mark::Excluded, Mark::Usual]);
    let young =
        refresh(&mut Memory::default(), &input(&peaks[..5], &[event(6, 8, "tag", Effect::Floor { slots: 9 })], 4));
    assert!(young.is_empty());
    assert_eq!(young.floors, [0.0, 9.0, 9.0, 0.0]);
}

#[test]
fn what_recurs_is_learnt_and_teaches_nothing_else() {
    let mut peaks = office(1_008);
    for week in 2..5 {
        for hour in 34..40 {
            peaks[week * 168 + hour] *= 3.0;
        }
    }
    let mut events: Vec<Event> =
        (2..5).map(|week| event(week * 168 + 34, week * 168 + 40, "sale", Effect::Learn)).collect();
    events.push(event(1_008 + 34, 1_008 + 40, "sale", Effect::Learn));
    let outlook = refresh(&mut Memory::default(), &input(&peaks, &events, 48));
    // Three windows of three times as much, and one that would have had no effect: (3 * 3 + 1) / 4.
    assert!((outlook.median[36] / 81.0 - 2.5).abs() < 0.2, "{}", outlook.median[36]);
    assert!((outlook.median[12] - 81.0).abs() < 8.0, "{}", outlook.median[12]);
    // Without knowing of the sale the hour is thought to be unsure; with it masked it is not.
    let unaware = refresh(&mut Memory::default(), &input(&peaks, &[], 48));
    let width = |outlook: &Outlook, step: usize| outlook.quantiles[8][step] - outlook.quantiles[TENTH][step];
    assert!(width(&outlook, 12) < width(&unaware, 12));
    let mut memory = Memory::default();
    run(&mut memory, &peaks, 900, &[event(920, 930, "outage", Effect::Exclude)]);
    let marked: Vec<i64> = memory.rows().iter().filter(|row| !row.is_usual).map(|row| row.hour - START).collect();
    assert_eq!(marked, (920..930).collect::<Vec<i64>>());
}

#[test]
fn accuracy_worked_out_by_hand() {
    // Forecasts of 10 for two days; 10 came but on one hour of each day 22, at 5 o'clock.
    let mut memory = Memory::default();
    let peaks: Vec<f64> = (0..48).map(|at| if at % 24 == 5 { 22.0 } else { 10.0 }).collect();
    for hour in 0..48 {
        let said: Vec<f64> = [3.0, 4.0, 5.0, 8.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0].to_vec();
        let raw =
            Raw { median: vec![10.0; 2], widths: vec![vec![3.0; 2]; LEVELS.len()], error: 0.0, uncorrected: 10.0 };
        let one = Pending::new(START + hour, &raw, [said.clone(), said.clone(), said], 0, &[10.0]);
        memory.remember(one);
        memory.settle(&peaks[..=hour as usize], START, &[]);
    }
    let told = accuracy(&memory, &peaks, START + 48, 0);
    assert_eq!((told.hours, told.naive_wape, told.left_band), (48, None, false));
    let close = |one: Option<f64>, other: f64| assert!((one.expect("it is known") - other).abs() < 1e-12);
    close(told.wape, 24.0 / (46.0 * 10.0 + 44.0));
    close(told.coverage_95, 46.0 / 48.0);
    close(told.coverage_80, 46.0 / 48.0);
    assert_eq!(told.worst_day.map(|(day, _)| day), Some(START / 24 + 1));
    assert_eq!(told.weak, []);
    assert_eq!(memory.medians(START + 46, 3)[..2], [10.0, 10.0]);
    assert!(memory.medians(START + 46, 3)[2].is_nan());
}

#[test]
fn last_week_is_compared_over_the_same_hours() {
    // Forecasts of 10 for a week. 30 came for five days, of which no week before is known; then 10 for two days, and of the last of
    // them the week before had 10, but 20 in one hour.
    let mut memory = Memory::default();
    let peaks: Vec<f64> = (0..192)
        .map(|at| {
            if at == 3 {
                20.0
            } else if (24..144).contains(&at) {
                30.0
            } else {
                10.0
            }
        })
        .collect();
    for hour in 24..192_i64 {
        let said = vec![10.0; LEVELS.len()];
        let raw =
            Raw { median: vec![10.0; 2], widths: vec![vec![0.0; 2]; LEVELS.len()], error: 0.0, uncorrected: 10.0 };
        memory.remember(Pending::new(START + hour, &raw, [said.clone(), said.clone(), said], 0, &[10.0]));
        memory.settle(&peaks[..=hour as usize], START, &[]);
    }
    let told = accuracy(&memory, &peaks, START + 192, 0);
    let close = |one: Option<f64>, other: f64| assert!((one.expect("it is known") - other).abs() < 1e-12, "{one:?}");
    // 24 hours have a week before.
    close(told.naive_wape, 10.0 / 240.0);
    close(told.compared_wape, 0.0);
    close(told.wape, 120.0 * 20.0 / (120.0 * 30.0 + 48.0 * 10.0));
    assert!(!told.naive_wins(), "it was right in each hour that can be compared");
    // Where no week before is known nothing is compared.
    let young = accuracy(&memory, &peaks[100..], START + 192, 0);
    assert_eq!((young.naive_wape, young.compared_wape, young.naive_wins()), (None, None, false));
}

#[test]
fn levels_between_are_on_a_line() {
    let outlook = refresh(&mut Memory::default(), &input(&office(700), &[], 3));
    let [q90, q95] = [0.9, 0.95].map(|level| outlook.quantile(level)[2]);
    assert!((outlook.quantile(0.925)[2] - f64::midpoint(q90, q95)).abs() < 1e-9);
    assert_eq!(outlook.quantile(0.999)[2].to_bits(), outlook.quantiles[9][2].to_bits());
    assert!((outlook.exceedance(2, q95) - 0.05).abs() < 1e-9);
    assert!((outlook.exceedance(2, f64::midpoint(q90, q95)) - 0.075).abs() < 1e-9);
    assert_eq!(outlook.exceedance(3, 0.0).to_bits(), 0.0_f64.to_bits());
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![6 => 0.0..1e4_f64, 2 => Just(f64::NAN), 1 => Just(0.0), 1 => any::<f64>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn always_finite_and_never_crossing(
        peaks in prop::collection::vec(value(), 0..500),
        horizon in 0..60_usize,
        percent in 0..500_u32,
        from in 0..520_usize,
        length in 0..40_usize,
    ) {
        let events = [event(from, from + length, "x", Effect::Factor { percent })];
        let mut memory = Memory::default();
        for end in peaks.len().saturating_sub(4)..=peaks.len() {
            let outlook = refresh(&mut memory, &input(&peaks[..end], &events, horizon));
            check(&outlook, horizon.max(LEAD_HOURS));
        }
    }
}
