//! The value axis: where it ends, which values are written beside it, and how.

use super::spec::{Axis, Unit};
use headroom_domain::format;

/// The value axis of one drawing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    /// Value at the bottom; zero unless a value is below it.
    pub(super) least: f64,
    /// Value at the top.
    pub(super) greatest: f64,
    /// Values with a line and their words, ascending.
    pub(super) lines: Vec<(f64, String)>,
}

/// A scale that holds zero and everything between `least` and `greatest`, with at most `most` lines.
pub(super) fn scale(axis: &Axis, least: f64, greatest: f64, most: usize) -> Scale {
    match axis {
        Axis::Occupancy => occupancy(greatest, most),
        Axis::Slots | Axis::Count { .. } => rounded(least, greatest, most, 1.0),
        Axis::Number { .. } => rounded(least, greatest, most, 0.0),
    }
}

/// 0 to 100 %, so that two charts compare by eye; a value above 100 % moves the top and is never cut.
fn occupancy(greatest: f64, most: usize) -> Scale {
    if greatest <= 1.0 {
        let step = if most >= 6 { 0.2 } else { 0.5 };
        return Scale { least: 0.0, greatest: 1.0, lines: percent_lines(step, 1.0) };
    }
    // The step may not jump over 100 %, the line that means full.
    let step = [0.2, 0.25, 0.5, 1.0]
        .into_iter()
        .find(|step| (greatest / step).ceil() < most as f64 + 1.0)
        .unwrap_or_else(|| nice_step(greatest / (most.max(2) - 1) as f64, false).max(1.0));
    // Little above 100 % needs little more room: half a step above is enough.
    let top = (greatest / (step / 2.0)).ceil() * (step / 2.0);
    Scale { least: 0.0, greatest: top, lines: percent_lines(step, top) }
}

fn percent_lines(step: f64, top: f64) -> Vec<(f64, String)> {
    let n = (top / step + 1e-9).floor() as usize;
    (0..=n)
        .map(|i| {
            let value = i as f64 * step;
            (value, format!("{}{}%", format::decimal(value * 100.0, 0), format::NNBSP))
        })
        .collect()
}

fn rounded(least: f64, greatest: f64, most: usize, least_step: f64) -> Scale {
    let (least, greatest) = (least.min(0.0), greatest.max(0.0));
    let span = greatest - least;
    if span <= 0.0 {
        let top = if least_step > 0.0 { 4.0 } else { 1.0 };
        let lines = vec![(0.0, "0".to_owned()), (top, number(top, top))];
        return Scale { least: 0.0, greatest: top, lines };
    }
    // The two ends are rounded outwards, which may cost a line each; so the step grows until they fit.
    let mut intervals = (most.max(3) - 1) as f64;
    loop {
        let step = nice_step(span / intervals, least_step > 0.0).max(least_step);
        // The top may lie half a step above the last line: a third of the chart is too much to leave empty.
        let half = if least_step > 0.0 { (step / 2.0).floor().max(1.0) } else { step / 2.0 };
        let (first, last) = ((least / step).floor(), (greatest / step).floor());
        let top = (greatest / half).ceil() * half;
        let top = if top > (last + 0.9) * step { (last + 1.0) * step } else { top };
        let last = (top / step + 1e-9).floor();
        if last - first < most as f64 || intervals <= 1.0 {
            let lines = (0..=(last - first) as usize)
                .map(|i| {
                    let value = (first + i as f64) * step;
                    (value, number(value, step))
                })
                .collect();
            return Scale { least: first * step, greatest: top, lines };
        }
        intervals -= 1.0;
    }
}

/// The least of 1, 2, 2.5, 5 times a power of ten that is at least the wanted step.
fn nice_step(wanted: f64, whole: bool) -> f64 {
    let power = 10_f64.powf(wanted.max(1e-9).log10().floor());
    [1.0, 2.0, 2.5, 5.0]
        .into_iter()
        .map(|m| m * power)
        .filter(|step| !whole || *step < 1.0 || step.fract() == 0.0)
        .find(|step| *step >= wanted * 0.999_999)
        .unwrap_or(10.0 * power)
}

/// A value of an axis with the decimals its step needs; large ones are shortened alike.
fn number(value: f64, step: f64) -> String {
    for (unit, size) in [("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)] {
        if step >= size / 10.0 && value.abs() >= size && (size > 1e3 || value.abs() >= 100_000.0) {
            return format!("{}{}{unit}", format::decimal(value / size, decimals(step / size)), format::NNBSP);
        }
    }
    format::decimal(value, decimals(step))
}

fn decimals(step: f64) -> usize {
    // As many as the step itself has: 0.25 has two, 2.5 has one, 25 none.
    (0..6).find(|d| (step * 10_f64.powi(*d) - (step * 10_f64.powi(*d)).round()).abs() < 1e-6).unwrap_or(6) as usize
}

/// A value in words, with its unit.
pub(super) fn written(value: f64, unit: Unit, axis: &Axis) -> String {
    let suffix = match axis {
        // A short unit stands close to its number, a word needs a whole space.
        Axis::Number { unit } if unit.chars().count() > 3 => format!(" {unit}"),
        Axis::Number { unit } if !unit.is_empty() => format!("{}{unit}", format::NNBSP),
        _ => String::new(),
    };
    match unit {
        Unit::Ratio => format::percent(value),
        Unit::Slots => format!("{} slots", format::decimal(value, 0)),
        Unit::MeanSlots => format!("{} slots", format::decimal(value, 1)),
        Unit::Count => format::decimal(value, 0),
        Unit::Millis => format::duration(value.round() as i64),
        Unit::Number => {
            let decimals = usize::from(value.fract() != 0.0 && value.abs() < 1000.0);
            format!("{}{suffix}", format::decimal(value, decimals))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(scale: &Scale) -> Vec<String> {
        scale.lines.iter().map(|(_, w)| w.replace(format::NNBSP, " ")).collect()
    }

    #[test]
    fn occupancy_ends_at_100_unless_it_is_exceeded() {
        assert_eq!(words(&scale(&Axis::Occupancy, 0.0, 0.4, 6)), ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]);
        let over = scale(&Axis::Occupancy, 0.0, 1.04, 6);
        assert!(over.greatest >= 1.04 && over.greatest <= 1.2, "{over:?}");
        assert!(words(&over).contains(&"100 %".to_owned()));
        let far = scale(&Axis::Occupancy, 0.0, 17.3, 6);
        assert!(far.greatest >= 17.3 && far.lines.len() <= 7, "{far:?}");
    }

    #[test]
    fn counts_are_whole_and_round() {
        let counts = Axis::Count { unit: "x".into() };
        assert_eq!(words(&scale(&counts, 0.0, 3.0, 6)), ["0", "1", "2", "3"]);
        assert_eq!(words(&scale(&Axis::Slots, 0.0, 20_400.0, 6)), ["0", "5,000", "10,000", "15,000", "20,000"]);
        assert_eq!(words(&scale(&Axis::Slots, 0.0, 1_200.0, 6)), ["0", "250", "500", "750", "1,000", "1,250"]);
        assert_eq!(words(&scale(&Axis::Slots, 0.0, 1_200.0, 3)), ["0", "1,000"]);
        assert_eq!(words(&scale(&counts, 0.0, 0.0, 6)), ["0", "4"]);
        assert_eq!(words(&scale(&Axis::Slots, 0.0, 9e6, 6)), ["0", "2 M", "4 M", "6 M", "8 M"]);
    }

    #[test]
    fn numbers_below_zero_keep_zero() {
        let s = scale(&Axis::Number { unit: "ms".into() }, -0.3, 0.5, 6);
        assert!(s.least <= -0.3 && s.greatest >= 0.5);
        assert!(words(&s).contains(&"0.0".to_owned()), "{:?}", words(&s));
    }
}
