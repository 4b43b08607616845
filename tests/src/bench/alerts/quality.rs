//! Who is woken for what: recall, precision and delay over months whose faults are known.

use std::collections::BTreeMap;
use std::thread;

use anyhow::{Result, ensure};
use headroom_domain::MINUTE_MS;
use headroom_domain::alert::fraction::Fraction;
use headroom_domain::alert::lanes::{Change, Timing};
use headroom_domain::alert::replay::{BurnRule, NO_DATA_MS, Recorded, Said, replay};
use headroom_domain::alert::window::{Conjunct, Lane, Tier, Truth};
use headroom_server::clock;
use rand::Rng;

use super::simulate::{BUDGET_OF, Fault, Kind, Month, NOISE, month};
use super::{Options, oracle};
use crate::bench::figures::{Goal, Report, median};
use crate::bench::processors;

/// Minutes after a fault in which a page is still about it: the longest of the short windows of tiers that page.
const RECOVERY: usize = 30;
/// Minutes after a fault in which the first tier may hold because of it: its short window.
const SHORT: usize = 5;
/// Minutes of a month that are counted anew, window by window, to see that sliding is counting.
const SAMPLE: usize = 500;
/// The same with noise of another kind: short outages that nobody calls a fault.
const HARSH: u64 = 100;
/// Tenths of a burn above which the first tier holds in the end, whatever the traffic does.
const HOLDS_ABOVE: u64 = 80;
/// Faults of which the goals speak: so many tenths and minutes, or more.
const OF_GOALS: (u64, usize) = (100, 60);

/// The shipped rule for rejections.
pub(super) fn rule() -> BurnRule {
    BurnRule {
        budget: Fraction::of(1, BUDGET_OF),
        tiers: Tier::defaults(),
        critical_over: Some(Fraction::of(72, 5)),
        timing: Timing::default(),
    }
}

/// What people have who look at the last five minutes only.
fn short_only() -> BurnRule {
    let last = Conjunct { window_ms: 5 * MINUTE_MS, over: Fraction::of(8, 1), least_bad: 0 };
    let tier = Tier { name: "short".to_owned(), lane: Lane::Page, all: vec![last] };
    BurnRule { tiers: vec![tier], critical_over: None, ..rule() }
}

/// Minutes at which a rule's first tier and the oracle differ.
pub(super) fn differences(rule: &BurnRule, series: &Recorded, holds: &[bool]) -> usize {
    let first = &rule.tiers[0];
    let differs = |end: &usize| {
        let verdict = first.judge(rule.budget, |window_ms| series.window(*end, window_ms));
        (verdict.truth == Truth::True) != holds[*end]
    };
    (1..=series.len()).filter(differs).count()
}

/// When a lane was open: from a minute to before another.
#[derive(Debug, Clone, Copy)]
struct Open {
    from: usize,
    to: usize,
    /// Minutes of the longest window of the tier that opened it.
    window: usize,
}

impl Open {
    /// Whether it is about a fault, or about its end.
    fn is_about(&self, fault: &Fault) -> bool {
        self.to > fault.start + 1 && self.from <= fault.end + RECOVERY
    }

    /// Whether it would not be there without a fault that is over: the window still holds some of it.
    fn remembers(&self, fault: &Fault) -> bool {
        fault.end < self.from && self.from < fault.end + self.window
    }
}

/// When there was a page, and when there was work at all.
fn lanes(rule: &BurnRule, said: &[(usize, Said)], end: usize) -> (Vec<Open>, Vec<Open>) {
    let window = |name: &str| {
        let tier = rule.tiers.iter().find(|tier| tier.name == name);
        let longest = tier.and_then(|tier| tier.all.iter().map(|part| part.window_ms).max());
        (longest.unwrap_or_default() / MINUTE_MS) as usize
    };
    let (mut pages, mut all) = (Vec::<Open>::new(), Vec::<Open>::new());
    let close = |lane: &mut Vec<Open>, at| {
        if let Some(open) = lane.last_mut() {
            open.to = open.to.min(at);
        }
    };
    for (at, said) in said {
        let Said::Alert(change, tier) = said else { continue };
        let open = Open { from: *at, to: end + 1, window: window(tier) };
        match change {
            Change::Fired(lane) => {
                all.push(open);
                if *lane == Lane::Page {
                    pages.push(open);
                }
            }
            Change::Upgraded => pages.push(open),
            Change::PageOver(_) => close(&mut pages, *at),
            Change::Over(_) => close(&mut all, *at),
            Change::Pending | Change::PendingOver => {}
        }
    }
    (pages, all)
}

/// What became of a fault.
#[derive(Debug, Clone, Copy)]
struct Outcome {
    fault: Fault,
    /// Minutes from its beginning until the oracle first says that the first tier holds.
    first: Option<usize>,
    /// Minutes from its beginning to its page.
    paged: Option<usize>,
    /// There was work for the day.
    ticket: bool,
}

impl Outcome {
    fn of(fault: Fault, holds: &[bool], pages: &[Open], all: &[Open]) -> Self {
        let last = (fault.end + SHORT - 1).min(holds.len() - 1);
        Self {
            fault,
            first: (fault.start + 1..=last).find(|end| holds[*end]).map(|end| end - fault.start),
            paged: pages.iter().find(|page| page.is_about(&fault)).map(|page| page.from.saturating_sub(fault.start)),
            ticket: all.iter().any(|open| open.is_about(&fault)),
        }
    }

    /// How soon it is found follows from its burn: all of it was seen, at usual traffic, and it burns fast enough. What burns a
    /// little slower may be above eight times all the same, when the traffic falls.
    fn has_bound(&self) -> bool {
        self.fault.kind.is_plain() && self.fault.strength > HOLDS_ABOVE
    }

    /// Minutes within which it must be paged: what follows from its burn, otherwise the first at which the tier holds.
    fn bound(&self) -> usize {
        if self.has_bound() { self.fault.bound() } else { self.first.unwrap_or_default() }
    }

    fn is_in_time(&self) -> bool {
        self.paged.is_some_and(|paged| paged <= self.bound())
    }

    /// Paged no later than the tier first holds.
    fn is_at_once(&self) -> bool {
        self.paged.zip(self.first).is_some_and(|(paged, first)| paged <= first)
    }

    fn is_of_goals(&self) -> bool {
        let Fault { kind, start, end, strength } = self.fault;
        kind.is_plain() && strength >= OF_GOALS.0 && end - start >= OF_GOALS.1
    }
}

/// Pages, those of them that are about a fault, and of the others those that a fault before them made possible.
#[derive(Debug, Clone, Copy, Default)]
struct Pages {
    all: usize,
    about_faults: usize,
    remembering: usize,
}

impl Pages {
    fn add(&mut self, pages: &[Open], faults: &[Fault]) {
        self.all += pages.len();
        for page in pages {
            if faults.iter().any(|fault| page.is_about(fault)) {
                self.about_faults += 1;
            } else if faults.iter().any(|fault| page.remembers(fault)) {
                self.remembering += 1;
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.all += other.all;
        self.about_faults += other.about_faults;
        self.remembering += other.remembering;
    }

    /// Percent.
    fn precision(self) -> f64 {
        100.0 * self.about_faults as f64 / self.all.max(1) as f64
    }
}

/// What came out of months.
#[derive(Debug, Default)]
struct Months {
    outcomes: Vec<Outcome>,
    pages: Pages,
    short_pages: Pages,
    minutes: usize,
    differences: usize,
    counted_anew: usize,
    counted_wrong: usize,
}

impl Months {
    fn one(seed: u64, days: usize, noise: u64) -> Self {
        let Month { slices, faults } = month(seed, days, noise);
        let series = Recorded::new(MINUTE_MS, slices.iter().copied());
        let rule = rule();
        let holds = oracle::holds(&slices);
        let lanes = |rule: &BurnRule| lanes(rule, &replay(rule, &series, 0, NO_DATA_MS), slices.len());
        let (pages, all) = lanes(&rule);
        let (short, _) = lanes(&short_only());
        let mut result = Self {
            outcomes: faults.iter().map(|fault| Outcome::of(*fault, &holds, &pages, &all)).collect(),
            minutes: slices.len(),
            differences: differences(&rule, &series, &holds),
            counted_anew: SAMPLE,
            ..Self::default()
        };
        result.pages.add(&pages, &faults);
        result.short_pages.add(&short, &faults);
        let mut chance = clock::seeded(!seed);
        for _ in 0..SAMPLE {
            let end = chance.random_range(0..=slices.len());
            result.counted_wrong += usize::from(oracle::holds_at(&slices, end) != holds[end]);
        }
        result
    }

    fn add(&mut self, other: Self) {
        self.outcomes.extend(other.outcomes);
        self.pages.merge(other.pages);
        self.short_pages.merge(other.short_pages);
        self.minutes += other.minutes;
        self.differences += other.differences;
        self.counted_anew += other.counted_anew;
        self.counted_wrong += other.counted_wrong;
    }
}

/// All months, on all processors.
fn simulate(months: u64, days: usize, noise: u64) -> Result<Months> {
    let threads = processors() as u64;
    let parts = thread::scope(|scope| {
        let part = |first: u64| {
            let mut sum = Months::default();
            for seed in (first..months).step_by(threads as usize) {
                sum.add(Months::one(seed, days, noise));
            }
            sum
        };
        let running: Vec<_> = (0..threads).map(|first| scope.spawn(move || part(first))).collect();
        running.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let mut sum = Months::default();
    for part in parts {
        ensure!(part.is_ok(), "a month could not be simulated");
        sum.add(part.unwrap_or_default());
    }
    Ok(sum)
}

/// Part 1.
pub(super) fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let (months, days) = (options.months(), 30);
    report.step(&format!("{months} pools over {days} days of minutes"));
    let result = simulate(months, days, NOISE)?;
    let Months { outcomes, pages, short_pages, .. } = &result;
    report.note(format!(
        "{months} pools, {} faults, {:.1} million minutes; the oracle counted {} of them anew",
        outcomes.len(),
        result.minutes as f64 / 1e6,
        result.counted_anew
    ));
    ensure!(result.counted_wrong == 0, "the oracle does not agree with itself at {} minutes", result.counted_wrong);
    report.value("W1 and the oracle differ", result.differences as f64, "minutes", Goal::AtMost(0.0));
    table(outcomes, report);
    let share = |name: &str, of: &[&Outcome], good: fn(&Outcome) -> bool, report: &mut Report| {
        let count = of.iter().filter(|outcome| good(outcome)).count();
        let name = format!("{name}, {count} of {}", of.len());
        report.value(&name, 100.0 * count as f64 / of.len().max(1) as f64, "%", Goal::AtLeast(100.0));
    };
    let held: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.first.is_some()).collect();
    let bounded: Vec<&Outcome> = held.iter().copied().filter(|outcome| outcome.has_bound()).collect();
    let of_goals: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.is_of_goals()).collect();
    share("page recall: faults at which W1 held, paged within their bound", &held, Outcome::is_in_time, report);
    share("faults of 10x and more for 60 min and more at which W1 held", &of_goals, |o| o.first.is_some(), report);
    share("the same, paged within their bound", &of_goals, Outcome::is_in_time, report);
    share("paged no later than W1 first held", &held, Outcome::is_at_once, report);
    let precision = format!("page precision, {} of {} pages about a fault", pages.about_faults, pages.all);
    report.value(&precision, pages.precision(), "%", Goal::AtLeast(95.0));
    report.note(format!(
        "of the others {} are paged while the long window remembers a fault; for comparison, the last 5 min alone at 8x: \
         precision {:.1} %",
        pages.remembering,
        short_pages.precision()
    ));
    report.step("the same with short outages that nobody calls a fault");
    let harsh = simulate(months, days, HARSH)?;
    ensure!(harsh.differences + harsh.counted_wrong == 0, "W1 and the oracle differ");
    report.note(format!(
        "where up to {HARSH}x for up to 3 min twice a day is called noise: precision {:.1} %, {} of {} pages about a fault, {} more \
         while the long window remembers one; the last 5 min alone {:.1} %",
        harsh.pages.precision(),
        harsh.pages.about_faults,
        harsh.pages.all,
        harsh.pages.remembering,
        harsh.short_pages.precision()
    ));
    let delays: Vec<f64> = bounded.iter().filter_map(|outcome| outcome.paged).map(|paged| paged as f64).collect();
    share(
        "delay within ceil(60 x 8 / burn) + 1 min, where it follows from the burn",
        &bounded,
        Outcome::is_in_time,
        report,
    );
    let slack = bounded.iter().filter_map(|o| o.paged.map(|paged| o.bound() as i64 - paged as i64)).min();
    report.note(format!(
        "delay from the beginning of a fault to its page: median {} min, worst {} min; the least time left to its bound {} min; \
         delivery, 90 s at most, is not simulated",
        median(&delays),
        delays.iter().copied().fold(0.0, f64::max),
        slack.unwrap_or_default()
    ));
    Ok(())
}

/// What became of faults of each kind.
fn table(outcomes: &[Outcome], report: &mut Report) {
    let mut by: BTreeMap<Kind, Vec<&Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        by.entry(outcome.fault.kind).or_default().push(outcome);
    }
    report.note("faults     all   W1 held  of these paged | W1 never held: paged  ticket only  missed");
    for (kind, of) in by {
        let (held, never): (Vec<&Outcome>, Vec<&Outcome>) = of.iter().copied().partition(|o| o.first.is_some());
        let paged = |of: &[&Outcome]| of.iter().filter(|outcome| outcome.paged.is_some()).count();
        let ticket = never.iter().filter(|outcome| outcome.paged.is_none() && outcome.ticket).count();
        report.note(format!(
            "{:<8} {:>5}   {:>7}  {:>14} | {:>20}  {:>11}  {:>6}",
            kind.word(),
            of.len(),
            held.len(),
            paged(&held),
            paged(&never),
            ticket,
            never.len() - paged(&never) - ticket
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_depends_on_the_seed_alone() {
        let found = |seed| {
            let result = Months::one(seed, 10, NOISE);
            (format!("{:?}", result.outcomes), result.pages.all, result.differences, result.counted_wrong)
        };
        assert_eq!(found(5), found(5));
        assert_eq!((found(5).2, found(5).3), (0, 0));
        assert_ne!(found(5), found(6));
    }

    #[test]
    fn a_lane_is_open_from_its_beginning_to_its_end() {
        use headroom_domain::alert::lanes::Why;
        let alert = |change| Said::Alert(change, String::new());
        let said = [
            (10, alert(Change::Fired(Lane::Ticket))),
            (20, alert(Change::Upgraded)),
            (25, Said::NoData),
            (30, alert(Change::PageOver(Why::Clear))),
            (40, alert(Change::Over(Why::Clear))),
            (50, alert(Change::Fired(Lane::Page))),
        ];
        let (pages, all) = lanes(&rule(), &said, 60);
        let ends = |lane: &[Open]| lane.iter().map(|open| (open.from, open.to)).collect::<Vec<_>>();
        assert_eq!(ends(&pages), [(20, 30), (50, 61)]);
        assert_eq!(ends(&all), [(10, 40), (50, 61)]);
        let fault = |start, end| Fault { kind: Kind::Short, start, end, strength: 100 };
        assert!(pages[0].is_about(&fault(12, 18)) && !pages[0].is_about(&fault(30, 35)));
        assert!(!pages[1].is_about(&fault(12, 19)), "it began more than half an hour after the end");
    }
}
