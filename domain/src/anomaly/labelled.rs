//! How good alerts are on a series whose anomalies are known, as stretches of time.
//!
//! Alerts are counted in episodes: people are woken once for what belongs together. An episode is right if any part of it lies in a
//! labelled window; a window is found if any alert lies in it.

use crate::{DAY_MS, Millis};
use std::ops::AddAssign;

/// Alerts with at most so many observations from one to the next are one episode.
pub const MERGE: usize = 6;

/// A series with what is known about it.
#[derive(Debug, Clone, Copy)]
pub struct Labelled<'a> {
    /// When each observation was made.
    pub times: &'a [Millis],
    /// The windows in which something is wrong; the instants at both ends belong to them, as in the benchmark.
    pub windows: &'a [(Millis, Millis)],
    /// Observations at the beginning that are not judged.
    pub from: usize,
}

/// What came of some series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Score {
    /// Episodes of alerts.
    pub episodes: usize,
    /// Of those, right ones.
    pub right: usize,
    /// Labelled windows.
    pub windows: usize,
    /// Of those, found ones.
    pub found: usize,
    /// For each window found, the part of it that had passed at the first alert, 0 to 1.
    pub delays: Vec<f64>,
    /// Time that was judged.
    pub judged_ms: Millis,
    /// Observations that were judged.
    pub judged: usize,
    /// Of those, in an alert.
    pub alerting: usize,
}

impl Labelled<'_> {
    /// Scores alerts; `alerting` says for each observation whether one was open.
    pub fn score(&self, alerting: &[bool]) -> Score {
        let from = self.from.min(self.times.len());
        let open = |at: &usize| alerting.get(*at).copied().unwrap_or(false);
        let (mut score, mut last) = (Score { windows: self.windows.len(), ..Score::default() }, None);
        let mut right = false;
        for at in (from..self.times.len()).filter(open) {
            if last.is_none_or(|last| at - last > MERGE) {
                score.episodes += 1;
                right = false;
            }
            last = Some(at);
            score.alerting += 1;
            if !right && self.windows.iter().any(|window| holds(*window, self.times[at])) {
                right = true;
                score.right += 1;
            }
        }
        for window in self.windows {
            let first = (from..self.times.len()).filter(open).find(|at| holds(*window, self.times[*at]));
            if let Some(at) = first {
                score.found += 1;
                let length = (window.1 - window.0).max(1) as f64;
                score.delays.push((self.times[at] - window.0) as f64 / length);
            }
        }
        score.judged = self.times.len() - from;
        if let (Some(first), Some(last)) = (self.times.get(from), self.times.last()) {
            score.judged_ms = (last - first).max(0);
        }
        score
    }
}

fn holds((start, end): (Millis, Millis), at: Millis) -> bool {
    (start..=end).contains(&at)
}

impl AddAssign<&Score> for Score {
    fn add_assign(&mut self, other: &Self) {
        self.episodes += other.episodes;
        self.right += other.right;
        self.windows += other.windows;
        self.found += other.found;
        self.delays.extend_from_slice(&other.delays);
        self.judged_ms += other.judged_ms;
        self.judged += other.judged;
        self.alerting += other.alerting;
    }
}

/// `None` of nothing.
fn part(of: usize, all: usize) -> Option<f64> {
    (all > 0).then(|| of as f64 / all as f64)
}

impl Score {
    /// Episodes that were right, of all; `None` without any.
    pub fn precision(&self) -> Option<f64> {
        part(self.right, self.episodes)
    }

    /// Windows that were found, of all; `None` without any.
    pub fn recall(&self) -> Option<f64> {
        part(self.found, self.windows)
    }

    /// Harmonic mean of precision and recall, 0 to 1; 0 if either is zero or unknown.
    pub fn f1(&self) -> f64 {
        let (precision, recall) = (self.precision().unwrap_or(0.0), self.recall().unwrap_or(0.0));
        let sum = precision + recall;
        if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 }
    }

    /// Wrong episodes in a day of one series; `None` if no time was judged.
    pub fn false_a_day(&self) -> Option<f64> {
        let wrong = (self.episodes - self.right) as f64;
        (self.judged_ms > 0).then(|| wrong * DAY_MS as f64 / self.judged_ms as f64)
    }

    /// The delay that half of the windows found had at most, in lengths of a window; `None` if none was found.
    pub fn median_delay(&self) -> Option<f64> {
        let mut delays = self.delays.clone();
        delays.sort_by(f64::total_cmp);
        let (low, high) = (delays.get(delays.len().checked_sub(1)? / 2)?, delays.get(delays.len() / 2)?);
        Some(low.midpoint(*high))
    }

    /// Part of the observations that were in an alert; `None` if none was judged. Whoever alerts all the time finds everything.
    pub fn alerting_part(&self) -> Option<f64> {
        part(self.alerting, self.judged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An observation an hour; `#` is in an alert.
    fn score(alerts: &str, windows: &[(i64, i64)], from: usize) -> Score {
        let hour = crate::HOUR_MS;
        let times: Vec<Millis> = (0..alerts.len() as i64).map(|at| at * hour).collect();
        let windows: Vec<(Millis, Millis)> = windows.iter().map(|(start, end)| (start * hour, end * hour)).collect();
        let alerting: Vec<bool> = alerts.chars().map(|c| c == '#').collect();
        Labelled { times: &times, windows: &windows, from }.score(&alerting)
    }

    #[test]
    fn episodes_and_windows_by_hand() {
        // Alerts, windows, from; episodes, right, windows, found.
        let cases: [(&str, &str, &[(i64, i64)], usize, [usize; 4]); 11] = [
            ("nothing", "..........", &[], 0, [0, 0, 0, 0]),
            ("missed", "..........", &[(2, 4)], 0, [0, 0, 1, 0]),
            ("found", "...##.....", &[(2, 4)], 0, [1, 1, 1, 1]),
            ("wrong", ".....##...", &[(2, 4)], 0, [1, 0, 1, 0]),
            ("both ends of a window belong to it", "....#.....", &[(4, 4)], 0, [1, 1, 1, 1]),
            ("six apart is one", "#.....#...", &[(6, 6)], 0, [1, 1, 1, 1]),
            ("seven apart are two", "#......#..", &[(7, 7)], 0, [2, 1, 1, 1]),
            ("one for two windows", ".######...", &[(1, 2), (5, 9)], 0, [1, 1, 2, 2]),
            ("two in one window", "#.......#.", &[(0, 9)], 0, [2, 2, 1, 1]),
            ("a touch is enough", "##########", &[(9, 20)], 0, [1, 1, 1, 1]),
            ("the beginning is not judged", "###.......", &[(0, 2)], 3, [0, 0, 1, 0]),
        ];
        for (name, alerts, windows, from, expected) in cases {
            let found = score(alerts, windows, from);
            assert_eq!([found.episodes, found.right, found.windows, found.found], expected, "{name}");
        }
    }

    #[test]
    fn figures_by_hand() {
        // 49 hours: two days. Episodes at 0, 10 (right), 20 and 40 (right); three windows, two of them found.
        let alerts: String = (0..49).map(|at| if [0, 10, 11, 20, 40].contains(&at) { '#' } else { '.' }).collect();
        let mut all = score(&alerts, &[(8, 12), (30, 34), (30, 40)], 0);
        let near = |found: Option<f64>, expected: f64| {
            assert!(found.is_some_and(|f| (f - expected).abs() < 1e-12), "{found:?} {expected}");
        };
        near(all.precision(), 0.5);
        near(all.recall(), 2.0 / 3.0);
        near(Some(all.f1()), 4.0 / 7.0);
        near(all.false_a_day(), 1.0);
        near(all.median_delay(), 0.75);
        near(all.alerting_part(), 5.0 / 49.0);
        // A quiet series of two more days, with a window that nobody found.
        all += &score(&".".repeat(49), &[(1, 2)], 0);
        near(all.precision(), 0.5);
        near(all.recall(), 0.5);
        near(all.false_a_day(), 0.5);
        assert_eq!(all.delays, [0.5, 1.0]);
    }

    #[test]
    fn nothing_has_no_figures() {
        let none = score("", &[], 5);
        assert_eq!(
            (none.precision(), none.recall(), none.false_a_day(), none.median_delay()),
            (None, None, None, None)
        );
        assert!(none.f1().abs() < f64::EPSILON && none.alerting_part().is_none());
    }
}
