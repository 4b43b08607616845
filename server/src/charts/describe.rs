//! What a chart shows, in words: for those who do not see it, and for those who have no time.

use super::gaps::gaps;
use super::scale::written;
use super::sound::sound;
use super::spec::{ChartSpec, Line, Mark, Point};
use super::text::clean;
use super::words::gap_text;
use headroom_domain::format;

/// One to four sentences written from the data: the way from the first to the last value, the peak with its time,
/// what is missing, whether the last interval is still filling. Plain text, not escaped.
pub fn describe(spec: &ChartSpec) -> String {
    words(&sound(spec))
}

/// The same, of a chart that is fit to draw.
pub(super) fn words(spec: &ChartSpec) -> String {
    let main = spec.lines.iter().find(|l| matches!(l.mark, Mark::Line | Mark::Bars)).or(spec.lines.first());
    let Some(main) = main else { return "No series.".into() };
    let Some(first) = observed(main).next() else { return "No data in this range.".into() };
    let last = observed(main).next_back().unwrap_or(first);

    let mut parts = vec![if main.mark == Mark::Bars { total(main, spec) } else { course(main, first, last, spec) }];
    if main.mark != Mark::Bars
        && let Some((peak, at)) = peak(main)
    {
        let unit = main.envelope.as_ref().map_or(main.unit, |e| e.unit);
        parts.push(format!("peak {} on {}", written(peak, unit, &spec.axis), moment(at, spec)));
    }
    let missing = gaps(spec);
    match missing.as_slice() {
        [] => {}
        [one] => parts.push(gap_text(one, spec)),
        [one, rest @ ..] => parts.push(format!("{} and in {} more stretches", gap_text(one, spec), rest.len())),
    }
    let mut text = format!("{}.", parts.join("; "));
    if let Some(open) = spec.lines.iter().flat_map(|l| &l.points).find(|p| p.incomplete) {
        text = format!("{text} The interval from {} is still filling.", moment(open, spec));
    }
    let others: Vec<&str> = spec.lines.iter().filter(|l| l.name != main.name).map(|l| l.name.as_str()).collect();
    if !others.is_empty() {
        text = format!("{text} {} beside {}.", main.name, others.join(", "));
    }
    clean(&format!("{text} Times in {}.", spec.zone.name()))
}

fn observed(line: &Line) -> impl DoubleEndedIterator<Item = &Point> {
    line.points.iter().filter(|p| p.value.is_some_and(f64::is_finite))
}

/// "Rose from 58 % to 78 %".
fn course(line: &Line, first: &Point, last: &Point, spec: &ChartSpec) -> String {
    let word = |p: &Point| written(p.value.unwrap_or_default(), line.unit, &spec.axis);
    let (a, b) = (word(first), word(last));
    if first == last {
        return format!("{b} on {}", moment(last, spec));
    }
    if a == b {
        return format!("Starts and ends at {b}");
    }
    let rose = last.value > first.value;
    format!("{} from {a} to {b}", if rose { "Rose" } else { "Fell" })
}

/// "412 rejected claims in all; most 37 on 19 Nov 14:00".
fn total(line: &Line, spec: &ChartSpec) -> String {
    let sum: f64 = observed(line).filter_map(|p| p.value).sum();
    let name = line.name.to_lowercase();
    if sum == 0.0 {
        return format!("No {name}");
    }
    let all = format!("{} {name} in all", written(sum, line.unit, &spec.axis));
    match peak(line) {
        Some((most, at)) => format!("{all}; most {} from {}", written(most, line.unit, &spec.axis), moment(at, spec)),
        None => all,
    }
}

/// The greatest value, envelope included, and the first interval that has it.
fn peak(line: &Line) -> Option<(f64, &Point)> {
    let top = |p: &Point| p.high.filter(|h| h.is_finite()).or(p.value);
    observed(line).filter_map(|p| top(p).map(|v| (v, p))).reduce(|best, next| if next.0 > best.0 { next } else { best })
}

fn moment(point: &Point, spec: &ChartSpec) -> String {
    format::day_time(spec.zone.local(point.from_ms))
}
