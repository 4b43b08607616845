//! Stat cards: one number with unit, window, peak, comparison, freshness and a spark line.

use std::fmt::Write as _;

use headroom_domain::format;
use leptos::prelude::*;

use super::definition::tip;
use super::icon::icon;
use super::value::{as_of_text, peak_text, unknown};
use crate::model::{Metric, ShellModel, StatCard, Unit};

/// Which direction is good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Good {
    Down,
    Neither,
}

/// What a card needs to know about its metric.
struct Facts {
    label: &'static str,
    definition: &'static str,
    unit: Unit,
    unit_word: &'static str,
    good: Good,
    worse: &'static str,
    better: &'static str,
}

fn facts(metric: Metric) -> Facts {
    match metric {
        Metric::PoolSize => Facts {
            label: "Total pool size",
            definition: "pool-size",
            unit: Unit::Slots,
            unit_word: "slots",
            good: Good::Neither,
            worse: "",
            better: "",
        },
        Metric::Occupancy => Facts {
            label: "Occupancy now",
            definition: "occupancy",
            unit: Unit::Ratio,
            unit_word: "%",
            good: Good::Down,
            worse: "closer to limit",
            better: "further from limit",
        },
        Metric::SaturationEvents => Facts {
            label: "Saturation events",
            definition: "saturation",
            unit: Unit::Count,
            unit_word: "",
            good: Good::Down,
            worse: "worse",
            better: "better",
        },
        Metric::ReservationWaste => Facts {
            label: "Reservation waste",
            definition: "waste",
            unit: Unit::Ratio,
            unit_word: "%",
            good: Good::Down,
            worse: "worse",
            better: "better",
        },
        Metric::UsedNow => Facts {
            label: "Used now",
            definition: "quota",
            unit: Unit::Slots,
            unit_word: "slots",
            good: Good::Neither,
            worse: "",
            better: "",
        },
        Metric::FairShare => Facts {
            label: "Of fair share",
            definition: "fair-share",
            unit: Unit::Ratio,
            unit_word: "%",
            good: Good::Down,
            worse: "more than its share",
            better: "closer to its share",
        },
        Metric::SlotHours => Facts {
            label: "Slot-hours used",
            definition: "slot-hours",
            unit: Unit::SlotHours,
            unit_word: "slot-h",
            good: Good::Neither,
            worse: "",
            better: "",
        },
        Metric::QuotaUse => Facts {
            label: "Of quota",
            definition: "quota",
            unit: Unit::Ratio,
            unit_word: "%",
            good: Good::Down,
            worse: "closer to limit",
            better: "further from limit",
        },
    }
}

/// A stat card.
pub(crate) fn stat_card(shell: &ShellModel, card: &StatCard) -> AnyView {
    let facts = facts(card.metric);
    // What is over is not called now.
    let label = if card.window == "now" { facts.label } else { facts.label.trim_end_matches(" now") };
    let value = if let Some(value) = card.value {
        let number = number_text(value, facts.unit);
        let unit = (!facts.unit_word.is_empty()).then(|| {
            view! { <span class="hr-stat__unit">{format!("{}{}", format::NNBSP, facts.unit_word)}</span> }
        });
        view! { <span class="hr-stat__num">{number}{unit}</span> }.into_any()
    } else {
        let reason = card.unknown_because.as_deref().unwrap_or("nothing was measured in this window");
        view! { <span class="hr-stat__num">{unknown(reason)}</span> }.into_any()
    };
    let peak = card.peak.map(|peak| {
        let title = peak_text(shell, peak, facts.unit);
        let text = format!("peak {}", super::value::in_unit(peak.value, facts.unit));
        view! { <span class="hr-stat__aside" title=title>{text}</span> }
    });
    let money = card.money.as_ref().map(|money| {
        view! {
            <span class="hr-stat__aside" title=format::money(money.minor, &money.currency)>
                {format::money_short(money.minor, &money.currency)}
            </span>
        }
    });
    let foot =
        [card.window.clone(), card.detail.clone(), card.as_of_ms.map(|at| as_of_text(shell, at)).unwrap_or_default()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" · ");
    view! {
        <article class="hr-card hr-stat">
            <div class="hr-stat__head">
                <h2><a href=card.href.clone()>{label}</a></h2>
                {tip(shell, facts.definition)}
            </div>
            <div class="hr-stat__value">{value}{peak}{money}</div>
            {delta(shell, card, &facts)}
            <div class="hr-stat__foot">
                <span>{foot}</span>
                {spark_line(&card.spark, facts.unit)}
            </div>
        </article>
    }
    .into_any()
}

fn number_text(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ratio => format::percent_number(value),
        Unit::SlotHours => {
            if value.abs() < 100_000.0 {
                format::decimal(value, usize::from(value.abs() < 1_000.0))
            } else {
                format::count_short(value.round() as i64)
            }
        }
        _ => format::count_short(value.round() as i64),
    }
}

/// The comparison: arrow for direction, colour and words for what it means.
fn delta(shell: &ShellModel, card: &StatCard, facts: &Facts) -> AnyView {
    if card.basis.is_empty() {
        return view! { <p class="hr-stat__delta hr-same">"no comparison chosen"</p> }.into_any();
    }
    let (Some(value), Some(previous)) = (card.value, card.previous) else {
        let text = if card.value.is_none() { "nothing to compare" } else { "no earlier data" };
        return view! { <p class="hr-stat__delta hr-same">{text}</p> }.into_any();
    };
    let comparison = compare(value, previous, facts.unit);
    if comparison.unchanged {
        return view! {
            <p class="hr-stat__delta hr-same">
                {icon(shell, "arrow-right")}{format!(" unchanged vs {}", card.basis)}
            </p>
        }
        .into_any();
    }
    let up = value > previous;
    let (class, word) = match (facts.good, up) {
        (Good::Neither, _) => ("hr-stat__delta hr-same", ""),
        (Good::Down, true) => ("hr-stat__delta hr-bad", facts.worse),
        (Good::Down, false) => ("hr-stat__delta hr-good", facts.better),
    };
    let mut text = format!(" {} vs {}", comparison.text, card.basis);
    if !word.is_empty() {
        let _ = write!(text, " · {word}");
    }
    view! {
        <p class=class>
            {icon(shell, if up { "arrow-up" } else { "arrow-down" })}
            <span class="hr-vh">{if up { "up" } else { "down" }}</span>
            {text}
        </p>
    }
    .into_any()
}

struct Comparison {
    unchanged: bool,
    text: String,
}

/// Ratios differ in percentage points; counts in number and, from a base of 10, in percent.
fn compare(value: f64, previous: f64, unit: Unit) -> Comparison {
    let difference = value - previous;
    if unit == Unit::Ratio {
        return Comparison {
            unchanged: difference.abs() < 0.001,
            text: format::delta_points(difference.abs()).trim_start_matches('+').to_owned(),
        };
    }
    let relative = if previous == 0.0 { f64::INFINITY } else { difference / previous.abs() };
    let mut text = number_text(difference.abs(), unit);
    if previous.abs() >= 10.0 {
        let _ = write!(text, " ({})", format::delta_percent(relative));
    }
    Comparison { unchanged: difference == 0.0 || relative.abs() < 0.005, text }
}

/// The spark line: same window as the value, no axis, the last point marked.
pub(crate) fn spark_line(points: &[Option<f64>], unit: Unit) -> Option<AnyView> {
    const WIDTH: f64 = 120.0;
    const HEIGHT: f64 = 32.0;
    let known: Vec<f64> = points.iter().flatten().copied().filter(|value| value.is_finite()).collect();
    let (Some(lowest), Some(highest)) =
        (known.iter().copied().reduce(f64::min), known.iter().copied().reduce(f64::max))
    else {
        return None;
    };
    let last = *known.last()?;
    let span = if highest > lowest { highest - lowest } else { 1.0 };
    let step = WIDTH / (points.len().max(2) - 1) as f64;
    let x = |index: usize| index as f64 * step;
    let y = |value: f64| 2.0 + (HEIGHT - 4.0) * (1.0 - (value - lowest) / span);
    let mut path = String::new();
    let mut pen_down = false;
    let mut end = (0.0, 0.0);
    for (index, value) in points.iter().enumerate() {
        match value {
            Some(value) if value.is_finite() => {
                end = (x(index), y(*value));
                let _ = write!(path, "{}{:.1} {:.1}", if pen_down { 'L' } else { 'M' }, end.0, end.1);
                pen_down = true;
            }
            _ => pen_down = false,
        }
    }
    let label = format!(
        "From {} to {}, last {}",
        super::value::in_unit(lowest, unit),
        super::value::in_unit(highest, unit),
        super::value::in_unit(last, unit)
    );
    Some(
        view! {
            <svg class="hr-spark" viewBox="0 0 120 32" preserveAspectRatio="none" role="img" aria-label=label>
                <path d=path></path>
                // A line of no length with a round end stays round however the drawing is stretched.
                <path class="hr-spark__end" d=format!("M{:.1} {:.1}h0", end.0, end.1)></path>
            </svg>
        }
        .into_any(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_compare_in_points_and_counts_in_percent() {
        let points = compare(0.784, 0.722, Unit::Ratio);
        assert!(!points.unchanged && points.text.replace(format::NNBSP, " ") == "6.2 pp");
        let counts = compare(37.0, 49.0, Unit::Count);
        assert_eq!(counts.text.replace(format::NNBSP, " "), "12 (−24 %)");
        assert_eq!(compare(7.0, 4.0, Unit::Count).text, "3");
    }

    #[test]
    fn noise_is_unchanged() {
        assert!(compare(0.7845, 0.784, Unit::Ratio).unchanged);
        assert!(compare(10_010.0, 10_000.0, Unit::Slots).unchanged);
        assert!(compare(0.0, 0.0, Unit::Count).unchanged);
        assert!(!compare(3.0, 0.0, Unit::Count).unchanged);
    }
}
