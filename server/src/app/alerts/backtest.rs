//! A rule on history: what it would have said in the last days, minute by minute, with the same judgement as live.

use super::super::{App, AppError, Result};
use super::context::Context;
use super::rules::pools_of;
use headroom_domain::access::Action;
use headroom_domain::alert::lanes::{Change, Lanes};
use headroom_domain::alert::replay::BurnRule;
use headroom_domain::alert::rule::{Rule, Subject};
use headroom_domain::alert::slo::Sli;
use headroom_domain::alert::tally::{SeriesKey, WHOLE};
use headroom_domain::alert::window::{Counts, Lane, SLICE_MS, Window};
use headroom_domain::{HOUR_MS, Millis};
use headroom_store::sli::{self, Mark};
use sqlx::PgConnection;
use std::collections::{BTreeMap, HashMap};

/// History goes back so far: the minutes that are kept.
pub const SPAN_MS: Millis = 72 * HOUR_MS;
/// Pools that are tried at once.
pub const MOST_POOLS: usize = 50;
/// Tallies of one read.
const AT_ONCE_MS: Millis = 12 * HOUR_MS;
/// A rule that fires for a larger part of the time is flagged.
pub const NOISY: f64 = 0.2;

/// What a rule would have said of a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolTried {
    /// The pool's slug.
    pub pool: String,
    /// Its name.
    pub name: String,
    /// From when it was looked at, and until when.
    pub span: (Millis, Millis),
    /// How often it would have fired.
    pub fires: usize,
    /// Of these, or turned into one later: pages.
    pub pages: usize,
    /// Minutes in which it would have fired.
    pub minutes: u64,
    /// When it would have fired first and last.
    pub first: Option<Millis>,
    /// When it would have fired last.
    pub last: Option<Millis>,
    /// It would fire now.
    pub firing: bool,
}

impl PoolTried {
    /// Part of the time in which it would have fired.
    pub fn share(&self) -> f64 {
        let minutes = ((self.span.1 - self.span.0) / SLICE_MS).max(1);
        self.minutes as f64 / minutes as f64
    }
}

/// What a rule would have said.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// The longest span that was looked at; `None` if there is no history yet.
    pub span: Option<(Millis, Millis)>,
    /// Pools that it is for.
    pub pools: usize,
    /// Pools that were looked at: those most affected first.
    pub tried: Vec<PoolTried>,
}

impl Tried {
    /// How often it would have fired.
    pub fn fires(&self) -> usize {
        self.tried.iter().map(|pool| pool.fires).sum()
    }

    /// Of these, pages.
    pub fn pages(&self) -> usize {
        self.tried.iter().map(|pool| pool.pages).sum()
    }

    /// The largest part of the time in which it would have fired for a pool.
    pub fn share(&self) -> f64 {
        self.tried.iter().map(PoolTried::share).fold(0.0, f64::max)
    }
}

/// Counts of one series of a pool, by instant.
#[derive(Debug, Default)]
struct Past {
    born: Millis,
    counts: HashMap<Millis, Counts>,
    hours: BTreeMap<Millis, Counts>,
}

impl Past {
    /// Reads what a rule needs to judge from one instant to another.
    async fn read(
        conn: &mut PgConnection,
        mark: &Mark,
        sli: Sli,
        longest: Millis,
        (from, to): (Millis, Millis),
    ) -> Result<Option<Self>> {
        let key = SeriesKey { tenant: WHOLE, sli };
        let mut past = Self { born: Millis::MAX, ..Self::default() };
        // Minutes are kept for a while longer than they are promised: all that are still there are exact.
        let oldest = (from - longest).max(mark.born);
        let mut start = oldest;
        while start <= to {
            let end = (start + AT_ONCE_MS).min(to);
            for (_, at, tally) in sli::run(conn, mark.pool, start, end).await? {
                past.take(key, at, &tally);
            }
            start = end + SLICE_MS;
        }
        for (_, at, tally) in sli::hours(conn, &[mark.pool], oldest - HOUR_MS, from).await? {
            past.hours.insert(at, tally.counts(key));
        }
        Ok((past.born < Millis::MAX).then_some(past))
    }

    fn take(&mut self, key: SeriesKey, at: Millis, tally: &headroom_domain::alert::tally::Tally) {
        self.counts.insert(at, tally.counts(key));
        if let Some((_, born)) = tally.keys().find(|(found, _)| *found == key) {
            self.born = born;
        }
    }

    /// The window that ends at an instant, as the engine sees it.
    fn window(&self, at: Millis, window_ms: Millis) -> Window {
        let Some(end) = self.counts.get(&at).copied() else {
            return Window { expected: 0, counts: Counts::default() };
        };
        let start = at - window_ms;
        let expected = ((at - start.max(self.born)) / SLICE_MS).max(0) as u64;
        if start <= self.born {
            return Window { expected, counts: end };
        }
        // What is older than the minutes that are kept begins on an hour: the window is longer by less than that.
        let hour = start - start.rem_euclid(HOUR_MS);
        if hour <= self.born && !self.counts.contains_key(&start) {
            return Window { expected: ((at - self.born) / SLICE_MS).max(0) as u64, counts: end };
        }
        match self.counts.get(&start).or_else(|| self.hours.get(&hour)) {
            Some(before) => {
                let is_exact = self.counts.contains_key(&start);
                let start = if is_exact { start } else { hour };
                let expected = ((at - start.max(self.born)) / SLICE_MS).max(0) as u64;
                Window { expected, counts: end - *before }
            }
            None => Window { expected, counts: Counts::default() },
        }
    }
}

/// What a rule would have said of a series.
fn try_on(rule: &BurnRule, past: &Past, (from, to): (Millis, Millis)) -> PoolTried {
    let mut lanes = Lanes::default();
    let mut tried = PoolTried {
        pool: String::new(),
        name: String::new(),
        span: (from, to),
        fires: 0,
        pages: 0,
        minutes: 0,
        first: None,
        last: None,
        firing: false,
    };
    let mut at = from;
    while at <= to {
        if past.counts.contains_key(&at) {
            let judged = rule.judge(|window_ms| past.window(at, window_ms));
            for change in lanes.step(at, &judged.verdicts, &rule.timing) {
                match change {
                    Change::Fired(lane) => {
                        tried.fires += 1;
                        tried.pages += usize::from(lane == Lane::Page);
                        tried.first.get_or_insert(at);
                        tried.last = Some(at);
                    }
                    Change::Upgraded => tried.pages += 1,
                    Change::Pending | Change::PendingOver | Change::PageOver(_) | Change::Over(_) => {}
                }
            }
        }
        tried.minutes += u64::from(lanes.is_open() && at < to);
        at += SLICE_MS;
    }
    tried.firing = lanes.is_open();
    tried
}

async fn pool(
    conn: &mut PgConnection,
    context: &Context,
    mark: &Mark,
    sli: Sli,
    burn: &BurnRule,
) -> Result<Option<PoolTried>> {
    let span = (mark.born.max(mark.watermark - SPAN_MS), mark.watermark);
    let Some(past) = Past::read(conn, mark, sli, burn.longest_ms(), span).await? else { return Ok(None) };
    // A series that was born within the span has nothing to judge before.
    let span = (span.0.max(past.born), span.1);
    let meta = context.pools.get(&mark.pool);
    let tried = try_on(burn, &past, span);
    Ok(meta.map(|meta| PoolTried { pool: meta.slug.clone(), name: meta.name.clone(), ..tried }))
}

impl App {
    /// Tries a rule about a budget on the last 72 hours of each pool that it is for. Nothing is written.
    pub async fn try_rule(&self, rule: &Rule) -> Result<Tried> {
        self.require(Action::SetAlerts)?;
        self.require_no_limits(Action::SetAlerts)?;
        let Subject::Burn { sli, .. } = &rule.subject else {
            let expected = "a rule about a budget: only what those look at is kept minute by minute";
            return Err(AppError::invalid("subject", "watch", expected));
        };
        let mut conn = self.db.pages.acquire().await?;
        let conn = &mut *conn;
        let context = self.alert_context(conn).await?;
        let pools = pools_of(&context, rule);
        let marks = sli::marks(conn, &pools).await?;
        let mut tried = Vec::new();
        for mark in marks.values() {
            if tried.len() == MOST_POOLS {
                break;
            }
            let Some(burn) = rule.burn_rule(context.budgets.of(mark.pool, *sli)) else { continue };
            tried.extend(pool(conn, &context, mark, *sli, &burn).await?);
        }
        tried.sort_by(|a, b| b.minutes.cmp(&a.minutes).then(b.fires.cmp(&a.fires)).then(a.pool.cmp(&b.pool)));
        let span = tried.iter().map(|pool| pool.span).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        Ok(Tried { span, pools: pools.len(), tried })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_domain::MINUTE_MS;
    use headroom_domain::alert::fraction::Fraction;
    use headroom_domain::alert::lanes::Timing;
    use headroom_domain::alert::replay::{NO_DATA_MS, Recorded, Said, replay};
    use headroom_domain::alert::window::Tier;

    #[test]
    fn history_says_what_a_replay_says() {
        let rule = BurnRule {
            budget: Fraction::of(1, 10_000),
            tiers: Tier::defaults(),
            critical_over: None,
            timing: Timing::default(),
        };
        // Clean, an outage, a gap, clean, twenty times too fast, clean; from an hour's start, as tallies on the hour are.
        let slices: Vec<Option<(u64, u64)>> = std::iter::repeat_n(Some((0, 1_000)), 4_320)
            .chain(std::iter::repeat_n(Some((1_000, 1_000)), 10))
            .chain(std::iter::repeat_n(None, 10))
            .chain(std::iter::repeat_n(Some((0, 1_000)), 700))
            .chain(std::iter::repeat_n(Some((2, 1_000)), 60))
            .chain(std::iter::repeat_n(Some((0, 1_000)), 400))
            .collect();
        let mut past = Past { born: 0, ..Past::default() };
        let mut counts = Counts::default();
        past.counts.insert(0, counts);
        for (minute, slice) in slices.iter().enumerate() {
            counts = counts.and(*slice);
            past.counts.insert((minute as Millis + 1) * MINUTE_MS, counts);
        }
        let end = slices.len() as Millis * MINUTE_MS;
        let tried = try_on(&rule, &past, (0, end));
        let said = replay(&rule, &Recorded::new(MINUTE_MS, slices), 0, NO_DATA_MS);
        let fired: Vec<Millis> = said
            .iter()
            .filter(|(_, said)| matches!(said, Said::Alert(Change::Fired(_), _)))
            .map(|(at, _)| *at as Millis * MINUTE_MS)
            .collect();
        let over: Vec<Millis> = said
            .iter()
            .filter(|(_, said)| matches!(said, Said::Alert(Change::Over(_), _)))
            .map(|(at, _)| *at as Millis * MINUTE_MS)
            .collect();
        assert!(!fired.is_empty() && fired.len() >= over.len(), "{said:?}");
        assert_eq!(
            (tried.fires, tried.first, tried.last),
            (fired.len(), fired.first().copied(), fired.last().copied())
        );
        let minutes: Millis = fired
            .iter()
            .enumerate()
            .map(|(number, from)| (over.get(number).copied().unwrap_or(end) - from) / MINUTE_MS)
            .sum();
        assert_eq!(tried.minutes, minutes as u64);
        assert_eq!(tried.firing, fired.len() > over.len());
    }
}
