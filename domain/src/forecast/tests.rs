use super::*;
use proptest::prelude::*;

const LEVELS: [f64; 5] = [0.025, 0.95, 0.5, 0.9, 0.975];

fn ask(series: &[f64], seasons: &[usize], horizon: usize) -> Forecast {
    let question = Question::new(seasons, horizon, &LEVELS).expect("it is within bounds");
    forecast(series, &question)
}

/// Whatever holds of every forecast.
fn check(series: &[f64], forecast: &Forecast, horizon: usize) {
    let expected = if forecast.basis == Basis::Nothing { 0 } else { horizon };
    assert_eq!(forecast.mean.len(), expected);
    assert_eq!(forecast.quantiles.len(), LEVELS.len());
    let is_positive = !series.iter().any(|value| value.is_finite() && *value < 0.0);
    for step in 0..expected {
        let [q025, q95, q50, q90, q975] = [0, 1, 2, 3, 4].map(|place: usize| forecast.quantiles[place][step]);
        let all = [q025, q50, q90, q95, q975];
        assert!(all.iter().all(|value| value.is_finite()) && forecast.mean[step].is_finite(), "{all:?}");
        assert!(all.is_sorted(), "quantiles cross at {step}: {all:?}");
        if is_positive {
            assert!(q025 >= 0.0 && forecast.mean[step] >= 0.0, "negative at {step}");
        }
    }
    let sum: f64 = forecast.weights.iter().map(|(_, weight)| weight).sum();
    assert!(forecast.weights.is_empty() || (sum - 1.0).abs() < 1e-9, "weights sum up to {sum}");
}

/// A day of 8 steps and a week of 4 days, with some noise that is the same every time.
fn patterned(length: usize) -> Vec<f64> {
    (0..length)
        .map(|at| {
            let day = [10.0, 8.0, 9.0, 20.0, 30.0, 35.0, 28.0, 15.0][at % 8];
            let week = [1.0, 1.0, 1.2, 0.5][at / 8 % 4];
            day * week + ((at * 7919) % 13) as f64 / 13.0
        })
        .collect()
}

#[test]
fn extremes_are_survived() {
    let alternating: Vec<f64> = (0..400).map(|at| if at % 2 == 0 { 1e300 } else { -1e300 }).collect();
    let growing: Vec<f64> = (0..400).map(|at| 1.5_f64.powi(at)).collect();
    let gaps = vec![f64::NAN; 300];
    let mut one_of_many = gaps.clone();
    one_of_many[150] = 7.0;
    let mut spike = vec![0.0; 400];
    spike[390] = f64::MAX;
    let all: [(&str, Vec<f64>); 14] = [
        ("empty", vec![]),
        ("one", vec![5.0]),
        ("one that is huge", vec![f64::MAX]),
        ("zeros", vec![0.0; 400]),
        ("constant", vec![3.25; 400]),
        ("huge", vec![1e300; 400]),
        ("largest", vec![f64::MAX; 400]),
        ("smallest", vec![5e-324; 400]),
        ("negative", vec![-4.0; 400]),
        ("alternating", alternating),
        ("growing", growing),
        ("all missing", gaps),
        ("one observed", one_of_many),
        ("spike", spike),
    ];
    for (name, series) in all {
        for length in [series.len(), series.len().min(100), series.len().min(40), series.len().min(9)] {
            let part = &series[series.len() - length..];
            for (seasons, horizon) in [(&[8, 32][..], 16), (&[8][..], 100), (&[2][..], 1), (&[24, 168][..], 48)] {
                let forecast = ask(part, seasons, horizon);
                check(part, &forecast, horizon);
                let is_known = part.iter().rev().take(7 * seasons[0]).any(|value| value.is_finite());
                assert!(!is_known || forecast.basis != Basis::Nothing, "{name}: there is an observation");
            }
        }
    }
}

#[test]
fn a_constant_stays() {
    for length in [3, 20, 60, 400] {
        let forecast = ask(&vec![12.5; length], &[8, 32], 16);
        for value in &forecast.mean {
            assert!((value - 12.5).abs() < 0.05, "{length}: {value}");
        }
    }
}

#[test]
fn a_pattern_is_learnt() {
    let series = patterned(320 + 32);
    let forecast = ask(&series[..320], &[8, 32], 32);
    assert_eq!(forecast.basis, Basis::Full);
    let missed: f64 = forecast.mean.iter().zip(&series[320..]).map(|(one, other)| (one - other).abs()).sum();
    assert!(missed / 32.0 < 0.6, "the noise alone is 0.25 at best; missed by {}", missed / 32.0);
}

#[test]
fn a_gap_is_not_a_zero() {
    let whole = patterned(320);
    let mut holes = whole.clone();
    for at in (3..320).step_by(7) {
        holes[at] = f64::NAN;
    }
    holes[200..232].fill(f64::INFINITY);
    let (one, other) = (ask(&whole, &[8, 32], 32), ask(&holes, &[8, 32], 32));
    let apart: f64 = one.mean.iter().zip(&other.mean).map(|(one, other)| (one - other).abs()).sum();
    assert!(apart / 32.0 < 1.5, "zeros would move it by three; {}", apart / 32.0);
}

#[test]
fn the_ladder_by_length() {
    let series = patterned(200);
    let basis = |length: usize| ask(&series[..length], &[8, 32], 4).basis;
    assert_eq!([0, 1, 7].map(basis), [Basis::Nothing, Basis::Level, Basis::Level]);
    assert_eq!([8, 23, 24, 111, 112].map(basis), [Basis::Phase, Basis::Phase, Basis::Short, Basis::Short, Basis::Full]);
}

#[test]
fn young_series_promise_widely() {
    let series = patterned(16);
    let forecast = ask(&series, &[8, 32], 8);
    assert_eq!(forecast.quantiles[1], forecast.quantiles[4], "0.95 answers as 0.975");
    for step in 0..8 {
        let seen = series[step].max(series[8 + step]);
        assert!(
            forecast.quantiles[1][step] >= seen,
            "step {step}: more has been seen than {}",
            forecast.quantiles[1][step]
        );
    }
}

#[test]
fn the_answer_does_not_depend_on_what_is_long_ago() {
    let series = patterned(1_000);
    assert_eq!(ask(&series, &[8, 32], 8), ask(&series[1_000 - 8 * 32..], &[8, 32], 8));
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => 0.0..1e4_f64,
        2 => Just(f64::NAN),
        1 => Just(0.0),
        1 => any::<f64>(),
        1 => -1e3..1e3_f64,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn always_finite_and_never_crossing(
        series in prop::collection::vec(value(), 0..260),
        short in 2..12_usize,
        times in 2..5_usize,
        has_long: bool,
        horizon in 1..40_usize,
    ) {
        let seasons = if has_long { vec![short, short * times + times % 2] } else { vec![short] };
        let forecast = ask(&series, &seasons, horizon);
        check(&series, &forecast, horizon);
    }

    #[test]
    fn units_do_not_matter(series in prop::collection::vec(0.1..1e3_f64, 0..200), power in -40..40_i32) {
        let by = 2.0_f64.powi(power);
        let scaled: Vec<f64> = series.iter().map(|value| value * by).collect();
        let (one, other) = (ask(&series, &[4, 12], 8), ask(&scaled, &[4, 12], 8));
        let same: Vec<f64> = one.mean.iter().map(|value| value * by).collect();
        prop_assert_eq!(same, other.mean);
    }
}
