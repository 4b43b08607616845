//! How fast a budget was used, minute by minute, around an alert: for its chart.

use super::super::{App, Result};
use super::view::Shown;
use headroom_domain::access::Action;
use headroom_domain::alert::slo::burn;
use headroom_domain::alert::tally::{SeriesKey, Tally};
use headroom_domain::alert::window::SLICE_MS;
use headroom_domain::{HOUR_MS, MINUTE_MS, Millis};
use headroom_store::{alert_rule, sli};
use std::collections::BTreeMap;

/// Most minutes of a chart.
const MOST_MINUTES: Millis = 6 * 60;
/// Shown before the alert fired,
const BEFORE_MS: Millis = HOUR_MS;
/// and after it was over.
const AFTER_MS: Millis = 30 * MINUTE_MS;

/// One minute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BurnAt {
    /// End of the minute.
    pub at: Millis,
    /// Burn in the long window of the alert's tier; `None` where nothing was counted or seen.
    pub long: Option<f64>,
    /// Burn in its short window.
    pub short: Option<f64>,
    /// Bad things and all things in the minute; `None` where it was not seen.
    pub counted: Option<(u64, u64)>,
}

impl App {
    /// The stretch of time that a chart of an alert shows.
    pub fn alert_span(shown: &Shown, now: Millis) -> (Millis, Millis) {
        let alert = &shown.row.alert;
        let from = alert.began_ms.min(alert.fired_ms.unwrap_or(alert.began_ms)) - BEFORE_MS;
        let to = alert.resolved_ms.map_or(now, |at| (at + AFTER_MS).min(now));
        let minute = |at: Millis| at - at.rem_euclid(MINUTE_MS);
        let (from, to) = (minute(from), minute(to));
        // The beginning is what explains it.
        (from, to.clamp(from + HOUR_MS, from + MOST_MINUTES * MINUTE_MS).min(minute(now).max(from + MINUTE_MS)))
    }

    /// The windows whose burn explains an alert: the long and the short one of its tier.
    pub fn alert_windows(shown: &Shown) -> (Millis, Millis) {
        match shown.row.facts.tier(&shown.row.alert.tier).map(|tier| tier.windows.as_slice()) {
            Some([long, short, ..]) => (long.window_ms, short.window_ms),
            _ => (HOUR_MS, 5 * MINUTE_MS),
        }
    }

    /// Burns around an alert about a budget; empty for others.
    pub async fn alert_burns(&self, shown: &Shown, now: Millis) -> Result<Vec<BurnAt>> {
        self.require(Action::See)?;
        let (Some(sli), Some(pool)) = (shown.row.facts.sli, shown.row.pool) else { return Ok(Vec::new()) };
        let (from, to) = Self::alert_span(shown, now);
        let mut conn = self.db.pages.acquire().await?;
        let budget = alert_rule::budgets(&mut conn).await?.of(pool, sli);
        let Some(budget) = sli.counted(budget) else { return Ok(Vec::new()) };
        let (long, short) = Self::alert_windows(shown);
        let mut tallies: BTreeMap<Millis, Tally> = BTreeMap::new();
        // Where the long window begins and where it ends: what lies between is not needed.
        let begins = (from - long, (to - long).min(from - short));
        for (start, end) in [begins, (begins.1.max(from - short - SLICE_MS), to)] {
            tallies.extend(sli::run(&mut conn, pool, start, end).await?.into_iter().map(|(_, at, tally)| (at, tally)));
        }
        let key = SeriesKey { tenant: shown.row.tenant, sli };
        let window = |at: Millis, length: Millis| {
            let end = tallies.get(&at)?;
            let start = at - length;
            let (_, born) = end.keys().find(|(found, _)| *found == key)?;
            // Only before its birth there is nothing; what is not kept any more is not known.
            let before = tallies.get(&start);
            if before.is_none() && start > born {
                return None;
            }
            let window = end.window(key, before, start, at);
            burn(window.counts.bad, window.counts.total, budget)
        };
        let minutes = (from / SLICE_MS + 1)..=(to / SLICE_MS);
        Ok(minutes
            .map(|minute| {
                let at = minute * SLICE_MS;
                let counted = tallies.get(&at).zip(tallies.get(&(at - SLICE_MS))).and_then(|(end, start)| {
                    let counts = end.counts(key) - start.counts(key);
                    (counts.observed > 0).then_some((counts.bad, counts.total))
                });
                BurnAt { at, long: window(at, long), short: window(at, short), counted }
            })
            .collect())
    }
}
