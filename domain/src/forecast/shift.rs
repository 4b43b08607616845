//! Whether the level jumped lately: then what was before is moved to the new level, so that the habits of the hours are kept and the
//! old level is not.
//!
//! A jump is when, for some days up to the end, every day lies outside everything that the four weeks before them had, by half of
//! their range. That is far from what seasons and chance do; smaller changes are left to models that follow.

use super::history::History;

/// Fewest days after a jump.
const FEWEST_AFTER: usize = 2;
/// Most days after a jump: later on models have seen enough of it.
const MOST_AFTER: usize = 14;
/// Fewest days before.
const FEWEST_BEFORE: usize = 7;
/// Most days before that are compared.
const MOST_BEFORE: usize = 28;
/// By how much of the range of the days before every day after lies outside it.
const MARGIN: f64 = 0.5;
/// Levels further apart than this are not the same thing any more.
const MOST_RATIO: f64 = 1e3;

/// Moves what was before a jump, if there was one; returns how many values are after it.
pub(super) fn level(history: &mut History, season: usize) -> Option<usize> {
    let days: Vec<f64> =
        history.values.rchunks_exact(season).map(|day| day.iter().sum::<f64>() / season as f64).collect();
    // The days go back from the end.
    let after = (FEWEST_AFTER..=MOST_AFTER).rev().find(|after| is_jump(&days, *after))?;
    let values = after * season;
    let place = history.values.len() - values;
    let (now, before) = (mean(&days[..after]), mean(&days[after..(after + FEWEST_BEFORE).min(days.len())]));
    let is_positive = history.values.iter().all(|value| *value >= 0.0);
    let ratio = now / before;
    if is_positive && (1.0 / MOST_RATIO..MOST_RATIO).contains(&ratio) {
        for value in &mut history.values[..place] {
            *value *= ratio;
        }
    } else {
        for value in &mut history.values[..place] {
            *value += now - before;
        }
    }
    Some(values)
}

fn is_jump(days: &[f64], after: usize) -> bool {
    if days.len() < after + FEWEST_BEFORE {
        return false;
    }
    let (recent, before) = days.split_at(after);
    let before = &before[..before.len().min(MOST_BEFORE)];
    let (least, most) = range(before);
    let margin = MARGIN * (most - least);
    let (lowest, highest) = range(recent);
    (lowest > most + margin || highest < least - margin) && most - least < f64::INFINITY
}

fn range(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(*value), most.max(*value)))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days of 4 steps with a level each.
    fn history(levels: &[f64]) -> History {
        let series: Vec<f64> = levels.iter().flat_map(|level| [0.5, 1.0, 1.5, 1.0].map(|part| part * level)).collect();
        History::new(&series, 4, 10_000)
    }

    fn moved(levels: &[f64]) -> (Option<usize>, Vec<f64>) {
        let mut history = history(levels);
        let found = level(&mut history, 4);
        (found, history.values.iter().map(|value| value * history.scale).collect())
    }

    #[test]
    fn habits_are_kept_at_the_new_level() {
        let (found, values) = moved(&[10.0, 11.0, 9.0, 10.0, 11.0, 9.0, 10.0, 20.0, 20.0]);
        assert_eq!(found, Some(8));
        assert!((values[0] - 10.0).abs() < 1e-9 && (values[2] - 30.0).abs() < 1e-9, "{values:?}");
        assert_eq!(values[28..32], [10.0, 20.0, 30.0, 20.0]);
    }

    #[test]
    fn weekends_growth_and_a_single_day_are_no_jumps() {
        let week = [10.0, 10.0, 10.0, 10.0, 10.0, 4.0, 4.0];
        assert_eq!(moved(&[week, week, week].concat()).0, None);
        let growth: Vec<f64> = (0..30).map(|day| 10.0 + f64::from(day)).collect();
        assert_eq!(moved(&growth).0, None);
        assert_eq!(moved(&[[10.0, 11.0].repeat(6), vec![30.0]].concat()).0, None);
        assert_eq!(moved(&[1.0, 5.0]).0, None);
    }

    #[test]
    fn from_nothing_it_is_added() {
        let (found, values) = moved(&[[0.0; 10].to_vec(), vec![8.0; 3]].concat());
        assert_eq!((found, values[0]), (Some(12), 8.0));
    }
}
