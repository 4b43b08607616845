//! Promised slots against capacity: steps over time, drawn once and said in a sentence.

use leptos::prelude::*;

use crate::components::icon::state_icon;
use crate::model::{ShellModel, StripModel, StripStep};

/// Width and height of the drawing; it is stretched over its place.
const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 100.0;

fn x(at: f64) -> f64 {
    at.clamp(0.0, 1.0) * WIDTH
}

fn y(value: i64, top: i64) -> f64 {
    HEIGHT - value as f64 / top.max(1) as f64 * HEIGHT
}

/// The outline of steps from one end to the other.
fn outline(steps: &[StripStep], top: i64) -> String {
    let Some(first) = steps.first() else { return String::new() };
    let mut path = format!("M{:.1} {:.1}", x(first.at), y(first.value, top));
    for step in &steps[1..] {
        path.push_str(&format!("H{:.1}V{:.1}", x(step.at), y(step.value, top)));
    }
    path.push_str(&format!("H{WIDTH:.1}"));
    path
}

/// The value that holds at a place.
fn value_at(steps: &[StripStep], at: f64) -> Option<i64> {
    steps.iter().take_while(|step| step.at <= at).last().map(|step| step.value)
}

/// Where the first steps lie above the second: one box for each piece.
fn excess(promised: &[StripStep], limit: &[StripStep], top: i64) -> String {
    let mut edges: Vec<f64> = promised.iter().chain(limit).map(|step| step.at.clamp(0.0, 1.0)).collect();
    edges.push(1.0);
    edges.sort_by(f64::total_cmp);
    edges.dedup();
    let mut path = String::new();
    for pair in edges.windows(2) {
        let (Some(sum), Some(most)) = (value_at(promised, pair[0]), value_at(limit, pair[0])) else { continue };
        if sum > most {
            let (left, right) = (x(pair[0]), x(pair[1]));
            let (above, below) = (y(sum, top), y(most, top));
            path.push_str(&format!("M{left:.1} {below:.1}V{above:.1}H{right:.1}V{below:.1}Z"));
        }
    }
    path
}

/// The drawing. What it says is said by the sentence beside it.
pub(super) fn drawing(model: &StripModel) -> AnyView {
    let promised = outline(&model.promised, model.top);
    let area = if promised.is_empty() { String::new() } else { format!("{promised}V{HEIGHT}H0Z") };
    let before = (!model.before.is_empty()).then(|| {
        view! { <path class="hr-plan-strip__before" d=outline(&model.before, model.top)></path> }
    });
    let over = excess(&model.promised, &model.limit, model.top);
    view! {
        <svg class="hr-plan-strip__svg" viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true" focusable="false">
            <path class="hr-plan-strip__area" d=area></path>
            <path class="hr-plan-strip__over" d=over></path>
            {before}
            <path class="hr-plan-strip__line" d=promised></path>
            <path class="hr-plan-strip__limit" d=outline(&model.limit, model.top)></path>
        </svg>
    }
    .into_any()
}

/// The drawing with the labels that belong to it.
pub(super) fn labelled(shell: &ShellModel, model: &StripModel) -> AnyView {
    let over = model
        .over
        .iter()
        .filter(|part| !part.label.is_empty())
        .map(|part| {
            // A label at the end of the width is read from there, so that it stays inside.
            let class = if part.at.start > 0.7 { "hr-plan-over hr-plan-over--end" } else { "hr-plan-over" };
            let place = format!("--a:{:.5};--w:{:.5}", part.at.start, part.at.size);
            view! { <span class=class style=place>{state_icon(shell, "state-crit")}{part.label.clone()}</span> }
        })
        .collect_view();
    let first = model.limit.first().map_or(0.0, |step| y(step.value, model.top) / HEIGHT);
    view! {
        <span class="hr-plan-strip__draw">
            {drawing(model)}
            <span class="hr-plan-strip__cap" style=format!("--y:{first:.4}")>{model.limit_label.clone()}</span>
        </span>
        <span class="hr-plan-strip__overs" aria-hidden="true">{over}</span>
        <span class="hr-vh">{model.said.clone()}</span>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(pairs: &[(f64, i64)]) -> Vec<StripStep> {
        pairs.iter().map(|(at, value)| StripStep { at: *at, at_ms: 0, value: *value }).collect()
    }

    #[test]
    fn steps_go_across_and_then_up() {
        assert_eq!(outline(&steps(&[(0.0, 0), (0.5, 100)]), 100), "M0.0 100.0H500.0V0.0H1000.0");
        assert_eq!(outline(&[], 100), "");
    }

    #[test]
    fn only_what_lies_above_the_limit_is_marked() {
        let promised = steps(&[(0.0, 50), (0.25, 120), (0.75, 80)]);
        assert_eq!(excess(&promised, &steps(&[(0.0, 100)]), 200), "M250.0 50.0V40.0H750.0V50.0Z");
        let limit = steps(&[(0.0, 100), (0.5, 130)]);
        assert_eq!(excess(&promised, &limit, 200), "M250.0 50.0V40.0H500.0V50.0Z");
    }
}
