//! How old the shown data is: a pill that ticks, and every other age on the page with it.

use headroom_domain::format;
use leptos::prelude::*;

use super::sprite;
use crate::live::Reading;

/// Missing this many expected periods makes a live source late.
const LATE_AFTER_PERIODS: i64 = 3;
/// Below this age a live source is never called late, however often it sends.
const LATE_NEVER_BELOW_MS: i64 = 15_000;

/// `page_age_ms` is the time since the page was made.
fn read(as_of_ms: Option<i64>, as_of_label: &str, now_ms: i64, period_ms: Option<i64>, page_age_ms: i64) -> Reading {
    let Some(as_of_ms) = as_of_ms else {
        return Reading { class: "hr-pill hr-fresh", shape: "state-unknown", text: "No data yet".to_owned() };
    };
    let Some(period_ms) = period_ms else {
        return Reading { class: "hr-pill hr-fresh", shape: "state-info", text: format!("History to {as_of_label}") };
    };
    // The page does not update by itself: once it is older than a minute it says so instead of looking current.
    if page_age_ms >= 60_000 {
        let text = format!("Loaded {} ago", format::duration(page_age_ms / 60_000 * 60_000));
        return Reading { class: "hr-pill hr-fresh", shape: "state-info", text };
    }
    let age_at_load = (now_ms - as_of_ms).max(0);
    let age = format::duration((age_at_load + page_age_ms) / 1_000 * 1_000);
    if age_at_load > (period_ms * LATE_AFTER_PERIODS).max(LATE_NEVER_BELOW_MS) {
        return Reading {
            class: "hr-pill hr-pill--warn hr-fresh",
            shape: "state-warn",
            text: format!("Delayed {age}"),
        };
    }
    let age = if age.starts_with('0') { format!("0{}s", format::NNBSP) } else { age };
    Reading {
        class: "hr-pill hr-pill--ok hr-fresh hr-fresh--ok", shape: "state-ok", text: format!("Live · {age} ago")
    }
}

/// The freshness pill: a link that reloads the page.
#[island]
pub fn FreshnessPill(
    /// Newest sample in scope.
    as_of_ms: Option<i64>,
    /// The same as text, in the page's zone.
    as_of_label: String,
    /// Server time when the page was made.
    now_ms: i64,
    /// Expected period of a live source; `None` for imported history.
    period_ms: Option<i64>,
    /// This page again.
    reload: String,
    /// Address of the icon sprite.
    icons: String,
) -> impl IntoView {
    let (page_age_ms, set_page_age_ms) = signal(0_i64);
    #[cfg(feature = "hydrate")]
    super::dom::every_second(now_ms, move |age| set_page_age_ms.set(age));
    #[cfg(not(feature = "hydrate"))]
    let _ = set_page_age_ms;
    let title = if as_of_label.is_empty() {
        "Reload the page".to_owned()
    } else {
        format!("Newest sample {as_of_label}. Reload for newer data.")
    };
    let label = StoredValue::new(as_of_label);
    let reading = Memo::new(move |_| {
        let page_age_ms = page_age_ms.get();
        // A page that updates itself knows better than its clock.
        #[cfg(feature = "hydrate")]
        if let Some(reading) = super::live::reading() {
            return reading;
        }
        label.with_value(|label| read(as_of_ms, label, now_ms, period_ms, page_age_ms))
    });
    let mark = move || sprite(&icons, reading.get().shape);
    view! {
        <a class=move || reading.get().class href=reload title=title data-ticks="">
            {mark}
            <span>{move || reading.get().text}</span>
        </a>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(reading: &Reading) -> String {
        reading.text.replace(format::NNBSP, " ")
    }

    #[test]
    fn live_then_loaded_a_while_ago() {
        let at = |page_age_ms| read(Some(8_000), "", 10_000, Some(10_000), page_age_ms);
        assert_eq!(text(&at(0)), "Live · 2 s ago");
        assert_eq!(text(&at(7_400)), "Live · 9 s ago");
        assert_eq!(text(&at(130_000)), "Loaded 2 m ago");
    }

    #[test]
    fn late_after_three_periods() {
        assert_eq!(text(&read(Some(0), "", 45_000, Some(10_000), 0)), "Delayed 45 s");
        assert_eq!(text(&read(Some(0), "", 14_000, Some(1_000), 0)), "Live · 14 s ago");
    }

    #[test]
    fn history_is_never_late_and_nothing_is_unknown() {
        assert_eq!(text(&read(Some(0), "3 Oct 1993 12:00", 1_000_000, None, 0)), "History to 3 Oct 1993 12:00");
        assert_eq!(text(&read(None, "", 1_000, Some(10), 0)), "No data yet");
    }
}
