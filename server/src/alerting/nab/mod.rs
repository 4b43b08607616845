//! The anomaly detector on the Numenta Anomaly Benchmark (Lavin and Ahmad, "Evaluating real-time anomaly detection algorithms",
//! 2015; MIT): series with labelled windows, replayed through a static band and through our detector, both behind the same
//! burn-rate rule.
//!
//! What is chosen from data about the detector is chosen without the series it is judged on: for each series the settings that do
//! best on all others.

pub mod files;
pub mod table;

use files::Series;
use headroom_domain::anomaly::band::{Band, probation};
use headroom_domain::anomaly::gate::alerting;
use headroom_domain::anomaly::labelled::{Labelled, Score};
use headroom_domain::anomaly::novelty::Novelty;
use headroom_domain::anomaly::{Evidence, Settings};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most false episodes in a day of one series.
pub const MOST_FALSE_A_DAY: f64 = 0.1;

/// Lengths of patterns that are tried, in observations.
const PATTERNS: [usize; 3] = [16, 24, 32];
/// Thresholds that are tried, in nats.
const THRESHOLDS: [f64; 4] = [16.0, 24.0, 32.0, 48.0];

/// The settings that are tried, the shipped ones first.
fn candidates() -> Vec<Settings> {
    let shipped = Settings::default();
    let pairs = PATTERNS.iter().flat_map(|pattern| THRESHOLDS.iter().map(|threshold| (*pattern, *threshold)));
    let tried = pairs.filter_map(|(pattern, threshold)| Settings::new(pattern, threshold));
    std::iter::once(shipped).chain(tried.filter(|settings| *settings != shipped)).collect()
}

/// What came of one series.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Its folder.
    pub folder: String,
    /// Of the static band.
    pub band: Score,
    /// Of the detector, by candidate.
    tried: Vec<Score>,
    /// The candidate that did best on all other series.
    chosen: usize,
}

impl Judged {
    /// Of the detector with settings chosen on the other series.
    pub fn ours(&self) -> &Score {
        &self.tried[self.chosen]
    }
}

/// What came of all series.
#[derive(Debug, Clone)]
pub struct Replay {
    candidates: Vec<Settings>,
    /// By series, in their order.
    pub series: Vec<Judged>,
}

/// Replays all series; `done` is told of each that is over. Uses as many threads as there are processors.
pub fn replay(all: &[Series], done: impl Fn() + Sync) -> Replay {
    let candidates = candidates();
    let next = AtomicUsize::new(0);
    let judged: Mutex<Vec<(usize, Judged)>> = Mutex::new(Vec::with_capacity(all.len()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(all.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((at, series)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| all.get(at).map(|s| (at, s)))
                {
                    let one = judge(series, &candidates);
                    judged.lock().expect("nobody panics while holding it").push((at, one));
                    done();
                }
            });
        }
    });
    let mut judged = judged.into_inner().expect("nobody panics while holding it");
    judged.sort_by_key(|(at, _)| *at);
    let mut series: Vec<Judged> = judged.into_iter().map(|(_, one)| one).collect();
    choose(&mut series);
    Replay { candidates, series }
}

fn judge(series: &Series, candidates: &[Settings]) -> Judged {
    let from = probation(series.values.len());
    let labelled = Labelled { times: &series.times, windows: &series.windows, from };
    let score = |bad: &[bool]| labelled.score(&alerting(bad));
    let band = Band::of(&series.values[..from]);
    let outside: Vec<bool> = (0..series.values.len())
        .map(|at| at >= from && band.is_some_and(|band| !band.has(series.values[at])))
        .collect();
    let mut tried = vec![Score::default(); candidates.len()];
    for pattern in PATTERNS {
        let mut novelty = Novelty::new(pattern);
        // The reader lets finite numbers through only.
        let surprises: Vec<f64> = series.values.iter().map(|value| novelty.observe(*value).unwrap_or(0.0)).collect();
        for (settings, score_of) in
            candidates.iter().zip(&mut tried).filter(|(settings, _)| settings.pattern() == pattern)
        {
            let mut evidence = Evidence::new(settings.threshold());
            let bad: Vec<bool> =
                surprises.iter().enumerate().map(|(at, surprise)| evidence.add(*surprise) && at >= from).collect();
            *score_of = score(&bad);
        }
    }
    Judged { folder: series.folder.clone(), band: score(&outside), tried, chosen: 0 }
}

/// For each series the candidate with the highest F1 on all others that is not wrong too often there; the first of equals.
fn choose(series: &mut [Judged]) {
    for left_out in 0..series.len() {
        let others = || series.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, one)| one);
        let (mut best, mut best_f1) = (0, f64::NEG_INFINITY);
        for candidate in 0..series[left_out].tried.len() {
            let score = sum(others().map(|one| &one.tried[candidate]));
            let f1 = if score.false_a_day().unwrap_or(0.0) > MOST_FALSE_A_DAY { -1.0 } else { score.f1() };
            if f1 > best_f1 {
                (best, best_f1) = (candidate, f1);
            }
        }
        series[left_out].chosen = best;
    }
}

fn sum<'a>(scores: impl Iterator<Item = &'a Score>) -> Score {
    scores.fold(Score::default(), |mut all, score| {
        all += score;
        all
    })
}

impl Replay {
    /// The static band on the series of some folder, or of all.
    pub fn band(&self, folder: Option<&str>) -> Score {
        sum(self.of(folder).map(|one| &one.band))
    }

    /// Our detector on the same.
    pub fn ours(&self, folder: Option<&str>) -> Score {
        sum(self.of(folder).map(Judged::ours))
    }

    /// Our detector with the settings that are shipped, on all series.
    pub fn shipped(&self) -> Score {
        sum(self.series.iter().map(|one| &one.tried[0]))
    }

    fn of<'a>(&'a self, folder: Option<&'a str>) -> impl Iterator<Item = &'a Judged> {
        self.series.iter().filter(move |one| folder.is_none_or(|folder| one.folder == folder))
    }

    /// The settings that were chosen, and for how many series; the most frequent first.
    pub fn chosen(&self) -> Vec<(Settings, usize)> {
        let times = |candidate| self.series.iter().filter(|one| one.chosen == candidate).count();
        let counted = self.candidates.iter().enumerate().map(|(candidate, settings)| (*settings, times(candidate)));
        let mut chosen: Vec<(Settings, usize)> = counted.filter(|(_, times)| *times > 0).collect();
        chosen.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        chosen
    }

    /// What is missed of the target; empty if it is met.
    pub fn misses(&self) -> Vec<String> {
        let (band, ours) = (self.band(None), self.ours(None));
        let mut misses = Vec::new();
        if ours.f1() <= band.f1() {
            misses.push(format!("F1 {:.3} is not above {:.3} of the static band", ours.f1(), band.f1()));
        }
        if let Some(found) = ours.false_a_day().filter(|found| *found > MOST_FALSE_A_DAY) {
            misses.push(format!("{found:.3} false episodes a series-day are more than {MOST_FALSE_A_DAY}"));
        }
        misses
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_domain::{DAY_MS, MINUTE_MS};

    /// 1200 observations of a small wave, from one instant on broken for 40.
    fn series(folder: &str, broken: usize, labelled: bool) -> Series {
        let times: Vec<i64> = (0..1_200).map(|at| at * 5 * MINUTE_MS).collect();
        let value = |at: usize| {
            ((at * 37) % 24) as f64 + if (broken..broken + 40).contains(&at) { (at % 5) as f64 * 60.0 } else { 0.0 }
        };
        let window = (times[broken], times[broken + 60]);
        Series {
            folder: folder.into(),
            name: format!("{broken}.csv"),
            values: (0..1_200).map(value).collect(),
            times,
            windows: if labelled { vec![window] } else { Vec::new() },
        }
    }

    #[test]
    fn what_is_plain_is_found_by_both() {
        let all = [series("a", 500, true), series("a", 700, true), series("b", 900, true)];
        let told = AtomicUsize::new(0);
        let replay = replay(&all, || {
            told.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(told.into_inner(), 3);
        for score in [replay.band(None), replay.ours(None), replay.shipped()] {
            assert_eq!((score.windows, score.found, score.episodes, score.right), (3, 3, 3, 3));
            assert_eq!((score.judged_ms, score.judged), (3 * 1_019 * 5 * MINUTE_MS, 3 * 1_020));
        }
        assert_eq!(replay.ours(Some("a")).windows, 2);
        assert_eq!(replay.ours(Some("c")), Score::default());
        // All do equally well, so the shipped ones are taken.
        assert_eq!(replay.chosen(), [(Settings::default(), 3)]);
        assert_eq!(replay.misses(), ["F1 1.000 is not above 1.000 of the static band"]);
    }

    #[test]
    fn wrong_alerts_are_a_miss() {
        let all = [series("a", 500, false), series("a", 800, false)];
        let misses = replay(&all, || {}).misses();
        assert_eq!(misses.len(), 2, "{misses:?}");
        assert!(misses[1].contains("more than 0.1"), "{misses:?}");
    }

    #[test]
    fn settings_are_chosen_without_the_series_they_are_judged_on() {
        let of = |found: usize| Score {
            episodes: 1,
            right: found,
            windows: 1,
            found,
            judged_ms: 100 * DAY_MS,
            ..Score::default()
        };
        let one = |tried: [usize; 2]| Judged {
            folder: String::new(),
            band: Score::default(),
            tried: tried.map(of).into(),
            chosen: 0,
        };
        // The second does best on the last series only: on that one it must not be used.
        let mut all = vec![one([0, 0]), one([0, 0]), one([0, 1])];
        choose(&mut all);
        assert_eq!(all.iter().map(|one| one.chosen).collect::<Vec<_>>(), [1, 1, 0]);

        // Whoever is wrong too often is not chosen, however much it finds.
        let often =
            Score { episodes: 100, right: 40, windows: 1, found: 1, judged_ms: 100 * DAY_MS, ..Score::default() };
        for judged in &mut all {
            judged.tried[1] = often.clone();
        }
        choose(&mut all);
        assert_eq!(all.iter().map(|one| one.chosen).collect::<Vec<_>>(), [0, 0, 0]);
    }

    #[test]
    fn the_shipped_settings_are_among_those_tried() {
        let all = candidates();
        assert_eq!((all.len(), all[0]), (PATTERNS.len() * THRESHOLDS.len(), Settings::default()));
        assert!(all.iter().all(|settings| PATTERNS.contains(&settings.pattern())));
    }

    #[test]
    fn a_series_of_one_value_is_no_problem() {
        let short = Series { values: vec![1.0], times: vec![0], ..series("a", 500, true) };
        let replay = replay(&[short], || {});
        assert_eq!((replay.ours(None).episodes, replay.ours(None).windows), (0, 1));
    }
}
