//! Bullet graphs and stacked bars in plain HTML.

use headroom_domain::format;
use leptos::prelude::*;

use crate::model::PoolHead;

/// A measure against its limit. All values are ratios of the limit; above 1 the axis is extended, never clipped.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bullet {
    /// The measure.
    pub value: Option<f64>,
    /// Its peak over the window, drawn paler behind it.
    pub peak: Option<f64>,
    /// A mark to compare with (fair share, target).
    pub mark: Option<f64>,
    /// The measure is old.
    pub stale: bool,
}

/// Draws a bullet graph. `name` says whose measure it is, `spoken` what it is.
pub(crate) fn bullet(name: &str, bullet: Bullet, spoken: &str) -> AnyView {
    let Some(value) = bullet.value.filter(|value| value.is_finite()) else {
        let label = format!("{name}: unknown");
        return view! { <span class="hr-bar hr-bar--none" role="img" aria-label=label></span> }.into_any();
    };
    let value = value.max(0.0);
    let peak = bullet.peak.filter(|peak| *peak > value);
    let scale = [Some(value), peak, bullet.mark].into_iter().flatten().fold(1.0_f64, f64::max);
    // A little air behind the farthest mark, so that the limit is still seen as a line inside the bar.
    let scale = if scale > 1.0 { scale * 1.04 } else { 1.0 };
    let style =
        format!("--m:{scale:.4};--v:{value:.4};--p:{:.4};--t:{:.4}", peak.unwrap_or(value), bullet.mark.unwrap_or(0.0));
    let class = if bullet.stale { "hr-bar hr-bar--stale" } else { "hr-bar" };
    view! {
        <span
            class=class
            role="meter"
            style=style
            aria-label=name.to_owned()
            aria-valuemin="0"
            aria-valuemax=format!("{:.1}", scale * 100.0)
            aria-valuenow=format!("{:.1}", value * 100.0)
            aria-valuetext=spoken.to_owned()
        >
            <span class="hr-bar__warn"></span>
            <span class="hr-bar__crit"></span>
            {peak.map(|_| view! { <span class="hr-bar__peak"></span> })}
            <span class="hr-bar__value"></span>
            {bullet.mark.map(|_| view! { <span class="hr-bar__mark"></span> })}
            {(scale > 1.0).then(|| view! { <span class="hr-bar__limit"></span> })}
        </span>
    }
    .into_any()
}

/// One part of a stacked bar.
struct Part {
    class: &'static str,
    label: &'static str,
    slots: i64,
}

/// The slots of a pool by state, full width, with a legend that carries the counts.
pub(crate) fn stacked(head: &PoolHead) -> AnyView {
    let (Some(capacity), Some(occupied)) = (head.capacity, head.occupied) else {
        return view! {
            <span class="hr-bar hr-bar--none" role="img" aria-label="Slots by state: unknown"></span>
        }
        .into_any();
    };
    let within = occupied.min(capacity).max(0);
    let over = (occupied - capacity).max(0);
    let reserved_idle = head.reserved_idle.unwrap_or(0).clamp(0, (capacity - within).max(0));
    let free = (capacity - within - reserved_idle).max(0);
    let parts = [
        Part { class: "hr-stack__occ", label: "Occupied", slots: within },
        Part { class: "hr-stack__over", label: "Above capacity", slots: over },
        Part { class: "hr-stack__res", label: "Reserved, idle", slots: reserved_idle },
        Part { class: "hr-stack__free", label: "Free", slots: free },
        Part { class: "hr-stack__off", label: "Planned down", slots: head.planned_down.max(0) },
    ];
    let total = parts.iter().map(|part| part.slots).sum::<i64>().max(1);
    let shown: Vec<&Part> = parts.iter().filter(|part| part.slots > 0).collect();
    let spoken =
        shown.iter().map(|part| format!("{} {}", part.label, format::count(part.slots))).collect::<Vec<_>>().join(", ");
    let spans = shown
        .iter()
        .map(|part| {
            // `flex` rather than a percentage keeps the gaps from pushing the last part out of the bar.
            let style = format!("flex:{:.5} 1 0", part.slots as f64 / total as f64);
            view! { <span class=part.class style=style></span> }
        })
        .collect_view();
    let legend = shown
        .iter()
        .map(|part| {
            let swatch = format!("hr-swatch {}", part.class);
            view! {
                <li>
                    <span class=swatch aria-hidden="true"></span>
                    {format!("{} {}", part.label, format::count(part.slots))}
                </li>
            }
        })
        .collect_view();
    view! {
        <div class="hr-stack" role="img" aria-label=format!("Slots by state: {spoken}")>{spans}</div>
        <ul class="hr-key">{legend}</ul>
    }
    .into_any()
}
