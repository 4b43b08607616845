//! Values in text: instants, ages, numbers that may be unknown.

use headroom_domain::{format, range};
use leptos::prelude::*;

use super::icon::state_icon;
use crate::model::{Level, Peak, ShellModel, Unit};

/// An unknown value: an en dash that says why.
pub(crate) fn unknown(reason: &str) -> AnyView {
    let spoken = format!("unknown: {reason}");
    view! {
        <span class="hr-unknown" title=spoken.clone()>
            <span aria-hidden="true">{format::UNKNOWN}</span>
            <span class="hr-vh">{spoken.clone()}</span>
        </span>
    }
    .into_any()
}

/// A value, or why it is unknown.
pub(crate) fn or_unknown(value: Option<String>, reason: &str) -> AnyView {
    value.map_or_else(|| unknown(reason), IntoAny::into_any)
}

/// A whole number, or why it is unknown.
pub(crate) fn count(value: Option<i64>, reason: &str) -> AnyView {
    or_unknown(value.map(format::count), reason)
}

/// A ratio in percent, or why it is unknown.
pub(crate) fn percent(value: Option<f64>, reason: &str) -> AnyView {
    or_unknown(value.map(format::percent), reason)
}

/// Which clock the instants of a page are on.
pub(crate) fn times_in(shell: &ShellModel) -> String {
    format!("Times in {} ({})", shell.zone.name(), shell.zone.offset_text(shell.now_ms))
}

/// An instant: `2026-11-21 09:41:58`.
pub(crate) fn instant(shell: &ShellModel, at_ms: i64) -> AnyView {
    let text = format::date_time(shell.zone.local(at_ms));
    view! { <time class="hr-nowrap" datetime=range::rfc3339(at_ms)>{text}</time> }.into_any()
}

/// An instant in a sentence: `19 Nov 14:05`, with the year where it is not this one.
pub(crate) fn day_time(shell: &ShellModel, at_ms: i64) -> AnyView {
    let text = day_time_text(shell, at_ms);
    let title = format::date_time(shell.zone.local(at_ms));
    view! { <time class="hr-nowrap" datetime=range::rfc3339(at_ms) title=title>{text}</time> }.into_any()
}

/// The text of [`day_time`].
pub(crate) fn day_time_text(shell: &ShellModel, at_ms: i64) -> String {
    use chrono::Datelike;
    let local = shell.zone.local(at_ms);
    if local.year() == shell.zone.local(shell.now_ms).year() {
        format::day_time(local)
    } else {
        format!("{} {}", format::day(local), format::hour_minute(local))
    }
}

/// How long ago something was: `4 m 12 s ago`. The browser keeps it current; it is never in a live region.
pub(crate) fn ago(shell: &ShellModel, at_ms: i64) -> AnyView {
    let title = format::date_time(shell.zone.local(at_ms));
    let text = crate::live::ago((shell.now_ms - at_ms).max(0));
    view! {
        <time class="hr-nowrap" datetime=range::rfc3339(at_ms) title=title data-ago=at_ms data-ticks="">
            {text}
        </time>
    }
    .into_any()
}

/// The time of the newest sample as text: the time of day if it is today, else the day too.
pub(crate) fn as_of_text(shell: &ShellModel, at_ms: i64) -> String {
    let local = shell.zone.local(at_ms);
    if local.date() == shell.zone.local(shell.now_ms).date() {
        format::time(local)
    } else {
        format!("{} {}", format::day(local), format::hour_minute(local))
    }
}

/// `peak 93.1 % on 19 Nov 14:05`
pub(crate) fn peak_text(shell: &ShellModel, peak: Peak, unit: Unit) -> String {
    let value = in_unit(peak.value, unit);
    match peak.at_ms {
        Some(at_ms) => format!("peak {value} on {}", day_time_text(shell, at_ms)),
        None => format!("peak {value}"),
    }
}

/// A number in its unit.
pub(crate) fn in_unit(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ratio => format::percent(value),
        Unit::Slots | Unit::Count => format::count(value.round() as i64),
        Unit::MeanSlots | Unit::SlotHours => format::decimal(value, 1),
        Unit::Millis => format::duration(value.round() as i64),
        Unit::Number => format::decimal(value, if value.abs() < 100.0 && value.fract() != 0.0 { 2 } else { 0 }),
    }
}

/// The level's shape and word, always together.
pub(crate) fn level(shell: &ShellModel, level: Level) -> AnyView {
    let (class, shape) = match level {
        Level::Ok => ("hr-level hr-level--ok", "state-ok"),
        Level::Watch => ("hr-level hr-level--warn", "state-warn"),
        Level::Critical | Level::Over => ("hr-level hr-level--crit", "state-crit"),
        Level::Unknown => ("hr-level hr-level--unknown", "state-unknown"),
    };
    view! { <span class=class>{state_icon(shell, shape)}{level.word()}</span> }.into_any()
}
