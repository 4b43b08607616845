//! What is promised, how much of each error budget is left, and which pools are ready to be watched.
//!
//! A budget is reckoned over the last 30 days from exact counts. Maintenance is left out of bad and of total: to the minute where
//! minutes are kept, and before that its whole hours.

use super::super::{App, AppError, Problem, Result, pools};
use super::collect::MINUTES_KEPT_MS;
use super::context::Context;
use super::rules::deadened;
use super::silence;
use super::view::Named;
use headroom_domain::access::Action;
use headroom_domain::alert::facts::{budget_left, times};
use headroom_domain::alert::fraction::Fraction;
use headroom_domain::alert::rule::Subject;
use headroom_domain::alert::slo::{PERIOD_MS, Sli, burn};
use headroom_domain::alert::tally::{SeriesKey, Tally, WHOLE};
use headroom_domain::alert::window::{Counts, Lane, SLICE_MS};
use headroom_domain::{DAY_MS, HOUR_MS, Millis, format};
use headroom_store::alert_rule::Stored;
use headroom_store::audit::{self, Entry};
use headroom_store::sli::{self, Mark};
use headroom_store::{alert_rule, silence as silences};
use serde_json::json;
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Steps of a burn-down.
pub const STEP_MS: Millis = 6 * HOUR_MS;
/// Windows over which it is told how fast a budget is used.
const BURNS_MS: [Millis; 4] = [HOUR_MS, 6 * HOUR_MS, DAY_MS, 3 * DAY_MS];
/// Pools of one look.
const POOLS: usize = 200;
/// In the address of a budget: all pools.
pub const EVERYWHERE: &str = "*";

/// Where a budget comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetFor {
    /// It was set for this pool.
    Pool,
    /// It was set for all pools.
    All,
    /// Nobody set one.
    Default,
}

impl SetFor {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::All => "all",
            Self::Default => "default",
        }
    }
}

/// What is promised of a pool, and how much of the budget is left.
#[derive(Debug, Clone, PartialEq)]
pub struct Promise {
    /// The pool.
    pub pool: Named,
    /// The indicator.
    pub sli: Sli,
    /// The part that may be bad; of leaks, leaks per slot and hour.
    pub budget: Fraction,
    /// Where that comes from.
    pub set_for: SetFor,
    /// Version of what was set for this pool; 0 = nothing was.
    pub version: i32,
    /// From when it is reckoned, and until when.
    pub span: (Millis, Millis),
    /// Bad things.
    pub bad: u64,
    /// All things.
    pub total: u64,
    /// How many bad things are allowed.
    pub allowed: f64,
    /// The part of the budget that is left, 1 = all of it; `None` where nothing was counted.
    pub left: Option<f64>,
    /// How fast it is used now: over the last hour.
    pub burn_1h: Option<f64>,
    /// Over the last six hours: the pace by which it is told how long it lasts.
    pub burn_6h: Option<f64>,
    /// Over the last day.
    pub burn_24h: Option<f64>,
    /// And over the last three days.
    pub burn_72h: Option<f64>,
    /// Where a rule begins to tell somebody, for each of these four windows in turn: who, and above which burn.
    pub marks: [Option<(Lane, f64)>; 4],
    /// When it is used up at the pace of the last six hours, if it is within 30 days.
    pub lasts_until: Option<Millis>,
    /// So much maintenance is left out.
    pub maintained_ms: Millis,
}

impl Promise {
    /// The part that is promised to be good; `None` for leaks, which are a rate.
    pub fn objective(&self) -> Option<Fraction> {
        if self.sli.is_ratio() { self.budget.complement() } else { None }
    }

    /// One plain sentence; `when` writes an instant.
    pub fn says(&self, when: impl Fn(Millis) -> String) -> String {
        let Some(left) = self.left else {
            return "Nothing was counted in the last 30 days, so nothing of the budget is used.".to_owned();
        };
        if left <= 0.0 {
            let times = format::decimal(1.0 - left, 1);
            return format!("The 30-day budget is used up: {times} times what is allowed happened.");
        }
        let left = format!("{} of the 30-day budget is left", format::percent(left));
        match (self.lasts_until, self.burn_6h) {
            (Some(until), Some(pace)) => {
                format!("{left}; at the pace of the last 6 h ({}×) it lasts until {}.", times(pace), when(until))
            }
            (None, Some(pace)) if pace > 0.0 => {
                format!("{left}; at the pace of the last 6 h ({}×) it lasts for 30 days and more.", times(pace))
            }
            _ => format!("{left}; none of it was used in the last 6 h."),
        }
    }
}

/// What was left of a budget at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeftAt {
    /// When.
    pub at: Millis,
    /// The part that was left; `None` where counts are missing.
    pub left: Option<f64>,
    /// Bad things since the beginning.
    pub bad: u64,
}

/// What came of an objective in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The indicator.
    pub sli: Sli,
    /// The part that may be bad, as it is promised now; of leaks, leaks per slot and hour.
    pub budget: Fraction,
    /// Bad things.
    pub bad: u64,
    /// All things.
    pub total: u64,
}

impl Kept {
    /// Whether more was bad than the part that is promised.
    pub fn is_broken(&self) -> bool {
        self.sli.counted(self.budget).is_some_and(|counted| counted.is_exceeded_by(self.bad, self.total))
    }
}

/// Something that a pool needs to be watched well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The word in the API.
    pub what: &'static str,
    /// In words.
    pub label: &'static str,
    /// It is there.
    pub is_done: bool,
    /// What is there, or what to do.
    pub says: String,
    /// Where it can be done.
    pub href: String,
}

/// Whether a pool is ready to be watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// The pool.
    pub pool: Named,
    /// What it needs.
    pub checks: Vec<Check>,
}

impl Readiness {
    /// What is missing.
    pub fn missing(&self) -> usize {
        self.checks.iter().filter(|check| !check.is_done).count()
    }
}

/// Counts of a pool at the instants that matter.
#[derive(Debug)]
struct Book {
    mark: Mark,
    tallies: HashMap<Millis, Tally>,
    /// Maintenance that is left out, in order, each edge an instant at which something was counted.
    maintained: Vec<(Millis, Millis)>,
}

/// An instant at which counts are kept: the minute before, or where only hours are kept the hour after or before.
fn kept(mark: &Mark, at: Millis, up: bool) -> Millis {
    let unit = if at > mark.watermark - MINUTES_KEPT_MS + HOUR_MS { SLICE_MS } else { HOUR_MS };
    let down = at - at.rem_euclid(unit);
    if up && down < at { down + unit } else { down }
}

impl Book {
    fn from(mark: &Mark) -> Millis {
        let from = kept(mark, mark.watermark - PERIOD_MS, false);
        from.max(mark.born)
    }

    /// Reads the counts of pools: at their watermarks, at the beginnings of the windows of burns, 30 days before, at the edges of maintenance, and
    /// on every step if a burn-down is wanted.
    async fn read(conn: &mut PgConnection, context: &Context, keys: &[i32], steps: bool) -> Result<Vec<Self>> {
        let marks = sli::marks(conn, keys).await?;
        let now = context.now;
        let any_maintenance = !silences::maintenance(conn, now - PERIOD_MS - DAY_MS, now).await?.is_empty();
        let mut books = Vec::new();
        let (mut minutes, mut hours) = (BTreeSet::new(), BTreeSet::new());
        for mark in marks.values() {
            let from = Self::from(mark);
            let mut maintained = Vec::new();
            if any_maintenance && let Some(meta) = context.pools.get(&mark.pool) {
                for (start, end) in silence::maintained(conn, &meta.slug, from, mark.watermark).await? {
                    let span = (kept(mark, start, true), kept(mark, end, false));
                    if span.0 < span.1 {
                        maintained.push(span);
                    }
                }
            }
            let mut wanted: BTreeSet<Millis> = BURNS_MS.iter().map(|window| mark.watermark - window).collect();
            wanted.extend([from, mark.watermark]);
            wanted.extend(maintained.iter().flat_map(|(start, end)| [*start, *end]));
            if steps {
                wanted.extend(Self::steps(mark));
            }
            for at in wanted {
                if at > mark.watermark - MINUTES_KEPT_MS {
                    minutes.insert(at);
                } else {
                    hours.insert(at);
                }
            }
            books.push(Self { mark: *mark, tallies: HashMap::new(), maintained });
        }
        let mut tallies: HashMap<i32, HashMap<Millis, Tally>> = HashMap::new();
        let minutes: Vec<Millis> = minutes.into_iter().collect();
        for (pool, at, tally) in sli::minutes(conn, keys, &minutes).await? {
            tallies.entry(pool).or_default().insert(at, tally);
        }
        for hour in hours {
            for (pool, at, tally) in sli::hours(conn, keys, hour, hour).await? {
                tallies.entry(pool).or_default().insert(at, tally);
            }
        }
        for book in &mut books {
            book.tallies = tallies.remove(&book.mark.pool).unwrap_or_default();
        }
        Ok(books)
    }

    /// The instants of a burn-down, from the beginning to the watermark.
    fn steps(mark: &Mark) -> Vec<Millis> {
        let from = Self::from(mark);
        let first = from - from.rem_euclid(STEP_MS) + STEP_MS;
        let mut steps = vec![from];
        steps.extend((0..).map(|step| first + step * STEP_MS).take_while(|at| *at < mark.watermark));
        steps.push(mark.watermark);
        steps
    }

    fn at(&self, key: SeriesKey, at: Millis) -> Option<Counts> {
        if at <= self.mark.born {
            Some(Counts::default())
        } else {
            self.tallies.get(&at).map(|tally| tally.counts(key))
        }
    }

    /// Counts between two instants without maintenance; `None` where something is missing.
    fn counts(&self, key: SeriesKey, from: Millis, to: Millis) -> Option<Counts> {
        let mut counts = self.at(key, to)? - self.at(key, from)?;
        for (start, end) in &self.maintained {
            let (start, end) = ((*start).max(from), (*end).min(to));
            if start < end {
                counts = counts - (self.at(key, end)? - self.at(key, start)?);
            }
        }
        Some(counts)
    }

    fn promise(&self, context: &Context, sli: Sli) -> Option<Promise> {
        let meta = context.pools.get(&self.mark.pool)?;
        let key = SeriesKey { tenant: WHOLE, sli };
        let (from, to) = (Self::from(&self.mark), self.mark.watermark);
        let budget = context.budgets.of(self.mark.pool, sli);
        let counted = sli.counted(budget)?;
        let counts = self.counts(key, from, to).unwrap_or_default();
        let since = |ms: Millis| {
            let counts = self.counts(key, (to - ms).max(self.mark.born), to)?;
            burn(counts.bad, counts.total, counted)
        };
        let left = budget_left(counts.bad, counts.total, counted);
        let [burn_1h, burn_6h, burn_24h, burn_72h] = BURNS_MS.map(since);
        let lasts_ms = left.zip(burn_6h).map(|(left, pace)| left * PERIOD_MS as f64 / pace);
        let own = context.budgets.set_for(Some(self.mark.pool), sli);
        let set_for = match (own, context.budgets.set_for(None, sli)) {
            (Some(_), _) => SetFor::Pool,
            (None, Some(_)) => SetFor::All,
            (None, None) => SetFor::Default,
        };
        Some(Promise {
            pool: Named { slug: meta.slug.clone(), name: meta.name.clone() },
            sli,
            budget,
            set_for,
            version: own.map_or(0, |(_, version)| version),
            span: (from, to),
            bad: counts.bad,
            total: counts.total,
            allowed: counts.total as f64 * counted.to_f64(),
            left,
            burn_1h,
            burn_6h,
            burn_24h,
            burn_72h,
            marks: BURNS_MS.map(|window| mark(context, &meta.slug, sli, window)),
            lasts_until: lasts_ms
                .filter(|lasts| *lasts > 0.0 && *lasts < PERIOD_MS as f64)
                .map(|lasts| to + lasts as Millis),
            maintained_ms: self.maintained.iter().map(|(start, end)| end - start).sum(),
        })
    }

    /// What was left of a budget of the whole span, step by step; the last step is what is left now.
    fn burn_down(&self, context: &Context, sli: Sli) -> Vec<LeftAt> {
        let key = SeriesKey { tenant: WHOLE, sli };
        let (from, to) = (Self::from(&self.mark), self.mark.watermark);
        let Some(counted) = sli.counted(context.budgets.of(self.mark.pool, sli)) else { return Vec::new() };
        let total = self.counts(key, from, to).map_or(0, |counts| counts.total);
        let step = |at: Millis| {
            let counts = self.counts(key, from, at);
            LeftAt {
                at,
                left: counts.and_then(|counts| budget_left(counts.bad, total, counted)),
                bad: counts.map_or(0, |counts| counts.bad),
            }
        };
        Self::steps(&self.mark).into_iter().map(step).collect()
    }

    fn has_tenants(&self) -> bool {
        let newest = self.tallies.get(&self.mark.watermark);
        newest.is_some_and(|tally| tally.keys().any(|(key, _)| key.tenant != WHOLE))
    }

    fn has_data(&self) -> bool {
        let newest = self.tallies.get(&self.mark.watermark);
        newest.is_some_and(|tally| {
            tally.keys().any(|(key, _)| {
                self.counts(key, Self::from(&self.mark), self.mark.watermark).is_some_and(|counts| counts.total > 0)
            })
        })
    }
}

/// Where the live rules of a pool begin to tell somebody of a burn over a window: the lowest burn of a tier whose long window it is.
fn mark(context: &Context, pool: &str, of: Sli, window_ms: Millis) -> Option<(Lane, f64)> {
    let is_for = |rule: &&Stored| {
        rule.mode == "live" && (rule.rule.pools.is_empty() || rule.rule.pools.iter().any(|one| one == pool))
    };
    let tiers = context.rules.iter().filter(is_for).filter_map(|rule| match &rule.rule.subject {
        Subject::Burn { sli, tiers, .. } if *sli == of => Some(tiers),
        _ => None,
    });
    let marks = tiers.flatten().filter_map(|tier| {
        let long = tier.all.first().filter(|long| long.window_ms == window_ms)?;
        Some((tier.lane, long.over.to_f64()))
    });
    marks.min_by(|a, b| a.1.total_cmp(&b.1))
}

/// A budget as people write it: `1/10000`, `0.0001`, or where it is a part the objective in percent, `99.99 %`.
pub fn read_budget(sli: Sli, text: &str) -> Result<Fraction, Problem> {
    let text = text.trim();
    let wrong = |expected: &str| Problem::new("budget", text, expected);
    let read = match text.strip_suffix('%') {
        Some(_) if !sli.is_ratio() => return Err(wrong("leaks per slot and hour, such as 1/1000")),
        Some(percent) => percent
            .trim()
            .parse::<Fraction>()
            .ok()
            .and_then(|percent| percent.times(Fraction::of(1, 100)))
            .and_then(Fraction::complement),
        None => text.parse::<Fraction>().ok(),
    };
    let read = read.ok_or_else(|| wrong("a part that may be bad such as 1/10000, or an objective such as 99.99 %"))?;
    if read.numerator() == 0 || read >= Fraction::ONE {
        return Err(wrong("more than 0 and less than 1: what is all good or all bad is no promise"));
    }
    Ok(read)
}

/// A fraction as a percentage that parses back to the same, if it has one of at most seven decimals.
pub fn percent(part: Fraction) -> Option<String> {
    let scaled = u128::from(part.numerator()) * 1_000_000_000;
    let whole = scaled / u128::from(part.denominator());
    if scaled % u128::from(part.denominator()) != 0 {
        return None;
    }
    let (units, rest) = (whole / 10_000_000, whole % 10_000_000);
    let decimals = format!("{rest:07}");
    let decimals = decimals.trim_end_matches('0');
    Some(if decimals.is_empty() { format!("{units} %") } else { format!("{units}.{decimals} %") })
}

impl App {
    async fn books(
        &self,
        conn: &mut PgConnection,
        context: &Context,
        wanted: &[i32],
        steps: bool,
    ) -> Result<Vec<Book>> {
        let mut books = Vec::new();
        for some in wanted.chunks(POOLS) {
            books.extend(Book::read(conn, context, some, steps).await?);
        }
        Ok(books)
    }

    /// What came of a pool's objectives in `[from, to)`, to the minute where minutes are kept and else in whole hours; those of which
    /// nothing was counted are left out.
    pub(in crate::app) async fn objectives_over(
        &self,
        conn: &mut PgConnection,
        pool: i32,
        from: Millis,
        to: Millis,
    ) -> Result<Vec<Kept>> {
        let Some(mark) = sli::marks(conn, &[pool]).await?.remove(&pool) else { return Ok(Vec::new()) };
        let start = kept(&mark, from.max(mark.born), false);
        let end = kept(&mark, to.min(mark.watermark), true);
        if start >= end {
            return Ok(Vec::new());
        }
        let mut dated = sli::hours(conn, &[pool], start, start).await?;
        dated.extend(sli::hours(conn, &[pool], end, end).await?);
        dated.extend(sli::minutes(conn, &[pool], &[start, end]).await?);
        let found: HashMap<Millis, Tally> = dated.into_iter().map(|(_, at, tally)| (at, tally)).collect();
        let budgets = self.alert_context(conn).await?.budgets;
        let at = |sli, at: Millis| {
            let key = SeriesKey { tenant: WHOLE, sli };
            if at <= mark.born { Some(Counts::default()) } else { found.get(&at).map(|tally| tally.counts(key)) }
        };
        let of = |sli: &Sli| {
            let counts = at(*sli, end)? - at(*sli, start)?;
            let budget = budgets.of(pool, *sli);
            (counts.total > 0).then_some(Kept { sli: *sli, budget, bad: counts.bad, total: counts.total })
        };
        Ok(Sli::ALL.iter().filter_map(of).collect())
    }

    fn seen_pools(&self, context: &Context, wanted: Option<&[i32]>) -> Vec<i32> {
        let is_wanted = |key: &i32| wanted.is_none_or(|wanted| wanted.contains(key)) && self.caller.sees_pool(*key);
        context.pools.keys().copied().filter(is_wanted).collect()
    }

    /// What is promised of some pools or of all, the budgets with least left first.
    pub async fn promises(&self, wanted: Option<&[i32]>, sli: Option<Sli>) -> Result<Vec<Promise>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let context = self.alert_context(&mut conn).await?;
        let keys = self.seen_pools(&context, wanted);
        let books = self.books(&mut conn, &context, &keys, false).await?;
        let mut all: Vec<Promise> = books
            .iter()
            .flat_map(|book| Sli::ALL.iter().map(move |sli| (book, *sli)))
            .filter(|(_, of)| sli.is_none_or(|sli| sli == *of))
            .filter_map(|(book, of)| book.promise(&context, of))
            .collect();
        let left = |promise: &Promise| promise.left.unwrap_or(f64::INFINITY);
        all.sort_by(|a, b| {
            left(a)
                .total_cmp(&left(b))
                .then_with(|| a.pool.slug.cmp(&b.pool.slug))
                .then(a.sli.number().cmp(&b.sli.number()))
        });
        Ok(all)
    }

    /// What is promised of a pool, with how each budget came to be what it is.
    pub async fn pool_promises(&self, slug: &str) -> Result<Vec<(Promise, Vec<LeftAt>)>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let key = pools::find(&mut conn, &self.caller, slug).await?.key;
        let context = self.alert_context(&mut conn).await?;
        let books = self.books(&mut conn, &context, &[key], true).await?;
        let Some(book) = books.first() else { return Ok(Vec::new()) };
        let of = |sli: &Sli| Some((book.promise(&context, *sli)?, book.burn_down(&context, *sli)));
        Ok(Sli::ALL.iter().filter_map(of).collect())
    }

    /// Sets what is promised for a pool, or for all with [`EVERYWHERE`]; `None` = what holds where nobody said otherwise. `seen` is
    /// the version that was read, 0 if nothing was set.
    pub async fn set_objective(
        &self,
        pool: &str,
        sli: Sli,
        budget: Option<Fraction>,
        seen: Option<i32>,
    ) -> Result<(Fraction, i32)> {
        self.require(Action::SetAlerts)?;
        self.require_no_limits(Action::SetAlerts)?;
        let seen = seen.ok_or(AppError::Unversioned("version"))?;
        let mut tx = self.db.pages.begin().await?;
        let key = match pool {
            EVERYWHERE => None,
            slug => Some(pools::find(&mut tx, &self.caller, slug).await?.key),
        };
        let now = alert_rule::lock_budget(&mut tx, key, sli).await?;
        let context = self.alert_context(&mut tx).await?;
        if now != seen {
            return Err(AppError::Stale { what: "budget", slug: format!("{pool}/{sli}"), seen, now });
        }
        let before = key.map_or_else(
            || context.budgets.set_for(None, sli).map_or_else(|| sli.default_budget(), |(budget, _)| budget),
            |key| context.budgets.of(key, sli),
        );
        let inherited = match key {
            Some(_) => context.budgets.set_for(None, sli).map_or_else(|| sli.default_budget(), |(budget, _)| budget),
            None => sli.default_budget(),
        };
        let after = budget.unwrap_or(inherited);
        // A larger budget lowers what a burn can reach.
        let dead = if after > before { deadened(&context, key, sli, after) } else { Vec::new() };
        if !dead.is_empty() {
            let expected = format!("a smaller budget: these rules could never fire any more: {}", dead.join(", "));
            return Err(AppError::invalid("budget", after.to_string(), expected));
        }
        alert_rule::set_budget(&mut tx, key, sli, budget).await?;
        let entry = Entry {
            actor: &self.caller.actor,
            action: "update",
            object: "slo",
            key: &format!("{pool}/{sli}"),
            id: None,
            before: Some(json!({ "budget": before })),
            after: Some(json!({ "budget": after })),
            reason: "",
        };
        audit::record(&mut tx, &entry).await?;
        let version = alert_rule::lock_budget(&mut tx, key, sli).await?;
        tx.commit().await?;
        Ok((after, version))
    }

    /// Which pools are ready to be watched, those with most missing first.
    pub async fn readiness(&self, wanted: Option<&[i32]>) -> Result<Vec<Readiness>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let context = self.alert_context(&mut conn).await?;
        let keys = self.seen_pools(&context, wanted);
        let books: BTreeMap<i32, Book> = self
            .books(&mut conn, &context, &keys, false)
            .await?
            .into_iter()
            .map(|book| (book.mark.pool, book))
            .collect();
        let mut all: Vec<Readiness> = keys.iter().map(|key| ready(&context, *key, books.get(key))).collect();
        all.sort_by(|a, b| b.missing().cmp(&a.missing()).then_with(|| a.pool.slug.cmp(&b.pool.slug)));
        Ok(all)
    }
}

fn ready(context: &Context, key: i32, book: Option<&Book>) -> Readiness {
    let meta = &context.pools[&key];
    let edit = format!("/pools/{}/edit", meta.slug);
    let covers: Vec<&str> = context
        .rules
        .iter()
        .filter(|rule| rule.mode == "live" && rule.rule.may_page())
        .filter(|rule| !matches!(&rule.rule.subject, Subject::Watch { watch } if watch.is_of_system()))
        .filter(|rule| rule.rule.pools.is_empty() || rule.rule.pools.contains(&meta.slug))
        .map(|rule| rule.name.as_str())
        .collect();
    let check = |what, label, is_done: bool, yes: String, no: &str, href: &str| Check {
        what,
        label,
        is_done,
        says: if is_done { yes } else { no.to_owned() },
        href: href.to_owned(),
    };
    let pages = match covers.len() {
        1 => covers[0].to_owned(),
        several => format!("{several} rules"),
    };
    Readiness {
        pool: Named { slug: meta.slug.clone(), name: meta.name.clone() },
        checks: vec![
            check("owner", "Owner", !meta.owner.is_empty(), meta.owner.clone(), "Say which team owns it.", &edit),
            check(
                "runbook",
                "Runbook",
                !meta.runbook.is_empty(),
                meta.runbook.clone(),
                "Say where it is written what to do for this pool.",
                &edit,
            ),
            check(
                "slo-data",
                "SLO data",
                book.is_some_and(Book::has_data),
                "Counted in the last 30 days.".to_owned(),
                "Nothing was counted in 30 days: send samples, claims or slices.",
                "/help",
            ),
            check("page-rule", "Page rule", !covers.is_empty(), pages, "No live rule would wake anybody.", "/rules"),
            check(
                "metering",
                "Metering",
                book.is_some_and(Book::has_tenants),
                "Its use is known by tenant.".to_owned(),
                "No use is known by tenant: send tenants with the samples.",
                "/help",
            ),
            check(
                "feed",
                "Feed",
                meta.feed_ms.is_some(),
                "Samples are expected, and missed if they do not come.".to_owned(),
                "Say how often it sends: nobody would notice that it stopped.",
                &edit,
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_as_people_write_them() {
        for (sli, text, budget) in [
            (Sli::Saturation, "1/10000", "1/10000"),
            (Sli::Saturation, "99.99 %", "1/10000"),
            (Sli::Saturation, "99.99%", "1/10000"),
            (Sli::Waste, " 90 % ", "1/10"),
            (Sli::Latency, "0.01", "1/100"),
            (Sli::Leak, "1/1000", "1/1000"),
        ] {
            assert_eq!(read_budget(sli, text), Ok(budget.parse().expect("a fraction")), "{text}");
        }
        for (sli, text) in [
            (Sli::Saturation, "0"),
            (Sli::Saturation, "1"),
            (Sli::Saturation, "100 %"),
            (Sli::Saturation, "0 %"),
            (Sli::Saturation, "101 %"),
            (Sli::Saturation, "-1"),
            (Sli::Saturation, ""),
            (Sli::Leak, "99 %"),
        ] {
            assert!(read_budget(sli, text).is_err(), "{sli} {text}");
        }
        for (part, shown) in
            [("9999/10000", Some("99.99 %")), ("9/10", Some("90 %")), ("1/3", None), ("19/20", Some("95 %"))]
        {
            let part: Fraction = part.parse().expect("a fraction");
            assert_eq!(percent(part).as_deref(), shown);
        }
    }

    #[test]
    fn a_budget_is_told_in_one_sentence() {
        let promise = Promise {
            pool: Named { slug: "a".into(), name: "A".into() },
            sli: Sli::Saturation,
            budget: Fraction::of(1, 10_000),
            set_for: SetFor::Default,
            version: 0,
            span: (0, PERIOD_MS),
            bad: 37,
            total: 1_000_000,
            allowed: 100.0,
            left: Some(0.63),
            burn_1h: Some(0.0),
            burn_6h: Some(2.0),
            burn_24h: Some(1.0),
            burn_72h: Some(0.5),
            marks: [Some((Lane::Page, 8.0)), None, None, None],
            lasts_until: Some(5),
            maintained_ms: 0,
        };
        let says = |promise: &Promise| promise.says(|at| format!("<{at}>")).replace('\u{202f}', " ");
        let told = says(&promise);
        assert!(
            told.ends_with("of the 30-day budget is left; at the pace of the last 6 h (2×) it lasts until <5>."),
            "{told}"
        );
        let slow = Promise { lasts_until: None, burn_6h: Some(0.5), ..promise.clone() };
        assert!(says(&slow).ends_with("at the pace of the last 6 h (0.5×) it lasts for 30 days and more."));
        let calm = Promise { lasts_until: None, burn_6h: Some(0.0), ..promise.clone() };
        assert!(says(&calm).ends_with("none of it was used in the last 6 h."));
        let gone = Promise { left: Some(-0.5), ..promise.clone() };
        assert_eq!(says(&gone), "The 30-day budget is used up: 1.5 times what is allowed happened.");
        assert!(says(&Promise { left: None, ..promise }).starts_with("Nothing was counted"));
    }
}
