//! What each number means: one text, shown beside the number and on the help page.

use leptos::prelude::*;

use super::icon::state_icon;
use crate::model::ShellModel;

/// The definition of one number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Definition {
    /// Anchor on the help page.
    pub id: &'static str,
    /// Its name, as labels write it.
    pub name: &'static str,
    /// How it is computed.
    pub formula: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Over which time.
    pub window: &'static str,
    /// Its starting target, empty if it has none.
    pub target: &'static str,
    /// What to watch out for.
    pub caveat: &'static str,
}

/// Every definition, in the order the help page prints them.
pub(crate) const DEFINITIONS: &[Definition] = &[
    Definition {
        id: "pool-size",
        name: "Total pool size",
        formula: "sum over pools of configured slots − planned-down slots",
        unit: "slots; the cost is the capacity's slot-hours in the range, used or not, × the pools' unit costs, over whole UTC days",
        window: "at the end of the range",
        target: "",
        caveat: "Capacity has a history: a change counts from the moment it took effect, and archived pools leave the sum then.",
    },
    Definition {
        id: "occupancy",
        name: "Occupancy (M1)",
        formula: "occupied slots ÷ capacity; over a range, occupied slot time ÷ capacity slot time",
        unit: "percent of capacity; differences in percentage points (pp)",
        window: "now, or the range of the page",
        target: "60–80 % on average",
        caveat: "An average hides bursts, so the peak always stands beside it. Occupancy above 100 % is real data (capacity was cut while slots were held, or a limit was not enforced): it is shown above 100 % and flagged.",
    },
    Definition {
        id: "saturation",
        name: "Saturation events (M2)",
        formula: "claims rejected because the pool was full, at once or when their queueing deadline passed",
        unit: "events; beside it the rate per 10,000 claims",
        window: "the range of the page",
        target: "fewer than 1 per 10,000 claims",
        caveat: "A claim that waited and was then served is counted apart, as waited. Sources that do not report claims have no such number: it is unknown, not zero.",
    },
    Definition {
        id: "waste",
        name: "Reservation waste (M10)",
        formula: "reserved but unused slot-hours ÷ reserved slot-hours",
        unit: "percent of reserved slot time; the money is unused slot-hours × the pool's unit cost",
        window: "the range of the page",
        target: "below 10 %",
        caveat: "Pools without a unit cost count in the percentage and not in the money.",
    },
    Definition {
        id: "slot-hours",
        name: "Slot-hours",
        formula: "sum of slots in use × time; stored exactly, in slot-milliseconds",
        unit: "slot-hours: one slot held for one hour",
        window: "the range of the page",
        target: "",
        caveat: "Only observed time counts. A gap in the data adds nothing and is shown as a gap.",
    },
    Definition {
        id: "fair-share",
        name: "Fair share (M8)",
        formula: "a tenant's use ÷ its fair share; the fair share is its weight ÷ the weights of all tenants that used anything × the capacity. Jain's index over these ratios x: (sum of x)² ÷ (n × sum of x²)",
        unit: "percent; 100 % is exactly its share",
        window: "the range of the page",
        target: "as the quota says; watched above 110 %, critical above 150 %",
        caveat: "Above 100 % is fine while nobody else is rejected.",
    },
    Definition {
        id: "quota",
        name: "Quota use",
        formula: "a tenant's slots in use ÷ the most it may hold",
        unit: "percent of quota",
        window: "now, or the range of the page",
        target: "",
        caveat: "A tenant without a quota has no such number.",
    },
    Definition {
        id: "peak",
        name: "Peak",
        formula: "the highest value that was held in any stored interval of the range",
        unit: "as the number it stands beside",
        window: "the range of the page",
        target: "",
        caveat: "Peaks are never averaged: the peak of a day is the highest of its minutes.",
    },
    Definition {
        id: "freshness",
        name: "Freshness",
        formula: "now − time of the newest sample in scope",
        unit: "time",
        window: "when the page was made",
        target: "within three expected periods",
        caveat: "A live pool that misses three periods is delayed: its last values stay, marked, and its current value is unknown.",
    },
];

/// A definition by its anchor.
pub(crate) fn definition(id: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|definition| definition.id == id)
}

/// The small mark beside a label that opens its definition.
pub(crate) fn tip(shell: &ShellModel, id: &str) -> Option<AnyView> {
    let definition = definition(id)?;
    let target = (!definition.target.is_empty()).then(|| {
        view! { <p><strong>"Target: "</strong>{definition.target}</p> }
    });
    Some(
        view! {
            <details class="hr-tip">
                <summary aria-label=format!("About: {}", definition.name)>{state_icon(shell, "state-info")}</summary>
                <div class="hr-tip__body">
                    <p><strong>{definition.name}</strong></p>
                    <p>{definition.formula}</p>
                    {target}
                    <p>{definition.caveat}</p>
                    <p><a href=format!("/help#{}", definition.id)>"How this is computed"</a></p>
                </div>
            </details>
        }
        .into_any(),
    )
}
