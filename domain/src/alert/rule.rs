//! Rules: what is watched, when it fires, who answers for it. The built-in ones, and what a rule of one's own may say.

use super::fraction::Fraction;
use super::lanes::Timing;
use super::replay::BurnRule;
use super::slo::{Sli, max_burn};
use super::watch::Watch;
use super::window::{Conjunct, LEAST_SLICES, Lane, SLICE_MS, Tier};
use crate::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use serde::{Deserialize, Serialize};

/// Longest window of a rule.
pub const LONGEST_WINDOW_MS: Millis = 30 * DAY_MS;
/// Most tiers of a rule.
const MOST_TIERS: usize = 8;
/// A tenant with fewer things than this in a long window is not judged alone: it counts as part of its pool.
pub const TENANT_LEAST_TOTAL: u64 = 500;
/// Longest time that a rule may wait for anything.
const LONGEST_TIMING_MS: Millis = DAY_MS;
/// A rule says of so many pools at most that it is theirs alone.
const MOST_POOLS: usize = 1_000;

/// What a rule looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Subject {
    /// How fast an error budget is used.
    Burn {
        /// Of which indicator.
        sli: Sli,
        /// The windows.
        tiers: Vec<Tier>,
        /// A page of a burn faster than this in the first page tier's windows is critical.
        #[serde(default)]
        critical_over: Option<Fraction>,
        /// Tenants are judged apart, too.
        #[serde(default)]
        tenants: bool,
    },
    /// Something that holds or does not.
    Watch {
        /// What.
        watch: Watch,
    },
}

/// What a rule is, without its name and owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it looks at.
    pub subject: Subject,
    /// How long things must last.
    #[serde(default)]
    pub timing: Timing,
    /// Slugs of the pools it is for; none = all.
    #[serde(default)]
    pub pools: Vec<String>,
}

/// A rule that is shipped with the product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltIn {
    /// Slug; the runbook has the same.
    pub slug: &'static str,
    /// As people call it.
    pub name: &'static str,
    /// As other tools call it.
    pub alertname: &'static str,
    /// What it is.
    pub rule: Rule,
    /// It is off until somebody wants it.
    pub is_off: bool,
}

/// What is wrong with a rule: the field, what was found, what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which field, as a path.
    pub field: String,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

fn problem(field: impl Into<String>, found: impl ToString, expected: impl Into<String>) -> Problem {
    Problem { field: field.into(), found: found.to_string(), expected: expected.into() }
}

impl Rule {
    /// A rule about something that holds or does not, after it held for so long.
    fn watch(watch: Watch, for_ms: Millis) -> Self {
        Self { subject: Subject::Watch { watch }, timing: Timing { for_ms, ..Timing::default() }, pools: Vec::new() }
    }

    fn burn(sli: Sli, tiers: Vec<Tier>, tenants: bool) -> Self {
        let critical_over = tiers.iter().any(|tier| tier.lane == Lane::Page).then_some(Fraction::of(72, 5)); // 14.4
        Self {
            subject: Subject::Burn { sli, tiers, critical_over, tenants },
            timing: Timing::default(),
            pools: Vec::new(),
        }
    }

    /// True if it may wake people.
    pub fn may_page(&self) -> bool {
        match &self.subject {
            Subject::Burn { tiers, .. } => tiers.iter().any(|tier| tier.lane == Lane::Page),
            Subject::Watch { watch } => watch.lane() == Lane::Page,
        }
    }

    /// The rule as it judges counts, if it is about a budget.
    pub fn burn_rule(&self, budget: Fraction) -> Option<BurnRule> {
        let Subject::Burn { sli, tiers, critical_over, .. } = &self.subject else { return None };
        Some(BurnRule {
            budget: sli.counted(budget)?,
            tiers: tiers.clone(),
            critical_over: *critical_over,
            timing: self.timing,
        })
    }

    /// What is wrong with it, given the budgets of the pools it is for; nothing if it can be saved. `owner` and `runbook` are
    /// those it is saved with.
    pub fn problems(&self, budgets: &[Fraction], owner: &str, runbook: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.may_page() {
            if owner.trim().is_empty() {
                problems.push(problem("owner", "nothing", "who answers for a rule that wakes people"));
            }
            if runbook.trim().is_empty() {
                problems.push(problem("runbook", "nothing", "what to do when a rule wakes people"));
            }
        }
        if self.pools.len() > MOST_POOLS {
            problems.push(problem("pools", self.pools.len(), format!("at most {MOST_POOLS}")));
        }
        for (field, ms) in [
            ("timing.for_ms", self.timing.for_ms),
            ("timing.resolve_after_ms", self.timing.resolve_after_ms),
            ("timing.idle_after_ms", self.timing.idle_after_ms),
        ] {
            if !(0..=LONGEST_TIMING_MS).contains(&ms) {
                problems.push(problem(field, ms, format!("0 to {LONGEST_TIMING_MS} ms")));
            }
        }
        if let Subject::Burn { sli, tiers, critical_over, .. } = &self.subject {
            tier_problems(*sli, tiers, budgets, &mut problems);
            if let Some(over) = critical_over {
                reachable(*sli, *over, budgets, "subject.critical_over", &mut problems);
            }
        }
        if let Subject::Watch { watch } = &self.subject {
            problems.extend(watch_problem(watch));
        }
        problems
    }

    /// The rules that are shipped.
    pub fn built_in() -> Vec<BuiltIn> {
        let defaults = Tier::defaults();
        let tickets = || Tier::defaults().into_iter().filter(|tier| tier.lane == Lane::Ticket).collect::<Vec<_>>();
        let rule = |slug, name, alertname, rule| BuiltIn { slug, name, alertname, rule, is_off: false };
        let burn =
            |slug, name, alertname, sli, tiers, tenants| rule(slug, name, alertname, Rule::burn(sli, tiers, tenants));
        let watch = |slug, name, alertname, watch, minutes: i64| {
            rule(slug, name, alertname, Rule::watch(watch, minutes * MINUTE_MS))
        };
        let mut all = vec![
            burn(
                "saturation-burn",
                "Saturation budget burn",
                "SlotSaturationBurn",
                Sli::Saturation,
                defaults.clone(),
                true,
            ),
            burn(
                "latency-burn",
                "Allocation latency budget burn",
                "SlotLatencyBurn",
                Sli::Latency,
                defaults.clone(),
                true,
            ),
            burn("wait-burn", "Waiting time budget burn", "SlotWaitBurn", Sli::Wait, defaults, false),
            burn("leak-burn", "Slot leak budget burn", "SlotLeakBurn", Sli::Leak, leak_tiers(), false),
            burn("reclaim-burn", "Reclaim latency budget burn", "SlotReclaimBurn", Sli::Reclaim, tickets(), false),
            burn("waste-burn", "Reservation waste", "ReservationWasteBurn", Sli::Waste, tickets(), true),
            watch("pool-exhausted", "Pool exhausted", "PoolExhausted", Watch::Exhausted { least_rejected: 5 }, 2),
            watch(
                "alloc-failure",
                "Allocation failures",
                "AllocationFailure",
                Watch::Failing { over: Fraction::of(1, 20), least: 20 },
                0,
            ),
            watch(
                "widespread-failure",
                "Allocation fails in several pools",
                "WidespreadAllocationFailure",
                Watch::Widespread { least: 2 },
                0,
            ),
            watch("reconciler-stalled", "Reconciler stalled", "ReconcilerStalled", Watch::Stalled, 0),
            watch("double-assign", "Double assignment", "DoubleAssign", Watch::Doubled, 0),
            watch(
                "tenant-monopoly",
                "Tenant holds most of an unreserved pool",
                "TenantMonopoly",
                Watch::Monopoly { over: Fraction::of(1, 2) },
                0,
            ),
            watch("tenant-over-quota", "Tenant over quota", "TenantOverQuota", Watch::OverQuota, 5),
            watch("hot-slot", "Hot slot", "HotSlot", Watch::Hot, 15),
            watch("thrash", "Rebalance thrash", "SlotThrash", Watch::Thrash, 15),
            watch("priority-inversion", "Priority inversion", "PriorityInversion", Watch::Inverted, 10),
            watch("leaks-fill", "Leaks fill the pool", "LeaksFillPool", Watch::LeaksFill { within_ms: 4 * HOUR_MS }, 0),
            watch("leak-growth", "Leaks grow", "LeakGrowth", Watch::LeakGrowth { least: 3 }, 0),
            watch(
                "overcommitted",
                "Capacity below what is reserved or leased",
                "CapacityOvercommitted",
                Watch::Overcommitted,
                0,
            ),
            watch("retry-storm", "Retry storm", "RetryStorm", Watch::RetryStorm, 0),
            watch(
                "unmetered-use",
                "Use that no tenant is metered for",
                "UnmeteredUse",
                Watch::Unmetered { over: Fraction::of(1, 100) },
                5,
            ),
            watch(
                "forecast-full",
                "Full within a day by the forecast",
                "ForecastFull",
                Watch::ForecastFull { within_ms: 24 * HOUR_MS },
                0,
            ),
            watch("forecast-off", "Forecasts do not hold what they promise", "ForecastOff", Watch::ForecastOff, 60),
            watch("no-data", "No data", "NoData", Watch::NoData { after_ms: 5 * MINUTE_MS }, 0),
            watch(
                "ingest-down",
                "Most pools send no data",
                "IngestDown",
                Watch::IngestDown { over: Fraction::of(1, 2) },
                0,
            ),
            watch("engine-lag", "The alert engine is behind", "EngineLag", Watch::EngineLag { slices: 3 }, 0),
            watch("dead-letter", "A page could not be delivered", "DeadLetter", Watch::DeadLetter, 0),
            watch(
                "source-skew",
                "The clock of a source is off",
                "SourceSkew",
                Watch::SourceSkew { over_ms: 30_000 },
                0,
            ),
        ];
        all.push(BuiltIn {
            slug: "baseline-burn",
            name: "Burn above the usual",
            alertname: "SlotBaselineBurn",
            rule: Rule::watch(Watch::Baseline { times: Fraction::of(8, 1) }, 0),
            is_off: true,
        });
        for built_in in &mut all {
            // What is seen once and is gone must not end before somebody could look.
            if matches!(built_in.rule.subject, Subject::Watch { watch: Watch::DeadLetter | Watch::EngineLag { .. } }) {
                built_in.rule.timing.resolve_after_ms = MINUTE_MS;
            }
        }
        all
    }
}

/// Leaks are slow: an hour and a day, and no page by burn alone.
fn leak_tiers() -> Vec<Tier> {
    let over = |window_ms, over: u64, least_bad| Conjunct { window_ms, over: Fraction::of(over, 1), least_bad };
    vec![
        Tier { name: "W1".into(), lane: Lane::Ticket, all: vec![over(HOUR_MS, 8, 5), over(5 * MINUTE_MS, 8, 2)] },
        Tier { name: "W3".into(), lane: Lane::Ticket, all: vec![over(24 * HOUR_MS, 3, 3), over(2 * HOUR_MS, 3, 1)] },
        Tier { name: "W4".into(), lane: Lane::Ticket, all: vec![over(72 * HOUR_MS, 1, 3), over(6 * HOUR_MS, 1, 1)] },
    ]
}

/// What is wrong with the limits of something that holds or does not: one that nothing can reach is no rule, and one that
/// everything reaches always fires.
fn watch_problem(watch: &Watch) -> Option<Problem> {
    let at = |field: &str| format!("subject.watch.{field}");
    let part = |over: Fraction, may_be_whole: bool| {
        let is_reached = over < Fraction::ONE || may_be_whole && over == Fraction::ONE;
        let expected = if may_be_whole { "more than 0, at most 1" } else { "more than 0 and less than 1" };
        let never = format!("{expected}: a part cannot be more than all of it");
        (over.numerator() == 0 || !is_reached).then(|| problem(at("over"), over, never))
    };
    let least = |field: &str, found: u64| (found == 0).then(|| problem(at(field), found, "1 or more"));
    let lasting = |field: &str, ms: Millis, shortest: Millis| {
        let is_wrong = !(shortest..=LONGEST_TIMING_MS).contains(&ms);
        is_wrong.then(|| problem(at(field), ms, format!("{shortest} to {LONGEST_TIMING_MS} ms")))
    };
    match *watch {
        Watch::Exhausted { least_rejected } => least("least_rejected", least_rejected),
        Watch::Failing { over, least: few } => part(over, true).or_else(|| least("least", few)),
        Watch::Monopoly { over } | Watch::Unmetered { over } => part(over, false),
        Watch::IngestDown { over } => part(over, true),
        Watch::NoData { after_ms } => lasting("after_ms", after_ms, MINUTE_MS),
        Watch::SourceSkew { over_ms } => lasting("over_ms", over_ms, 1),
        Watch::EngineLag { slices } => least("slices", slices),
        Watch::LeakGrowth { least: few } | Watch::Widespread { least: few } => least("least", few),
        Watch::LeaksFill { within_ms } | Watch::ForecastFull { within_ms } => {
            lasting("within_ms", within_ms, MINUTE_MS)
        }
        Watch::Baseline { times } => {
            (times <= Fraction::ONE).then(|| problem(at("times"), times, "more than 1: once the usual is usual"))
        }
        Watch::Stalled
        | Watch::Doubled
        | Watch::Hot
        | Watch::Thrash
        | Watch::OverQuota
        | Watch::Inverted
        | Watch::DeadLetter
        | Watch::Overcommitted
        | Watch::RetryStorm
        | Watch::ForecastOff => None,
    }
}

/// Adds a problem if a threshold is above all that a budget lets happen.
fn reachable(sli: Sli, over: Fraction, budgets: &[Fraction], field: &str, problems: &mut Vec<Problem>) {
    // The largest budget has the lowest ceiling: a rule that one of its pools can never break is no rule there.
    let ceiling = budgets.iter().filter_map(|budget| max_burn(sli, *budget)).min();
    if let Some(ceiling) = ceiling
        && over >= ceiling
    {
        problems.push(problem(
            field,
            over,
            format!("less than {ceiling}: all of it bad burns {ceiling} times, so this can never fire"),
        ));
    }
}

fn tier_problems(sli: Sli, tiers: &[Tier], budgets: &[Fraction], problems: &mut Vec<Problem>) {
    if tiers.is_empty() || tiers.len() > MOST_TIERS {
        problems.push(problem("subject.tiers", tiers.len(), format!("1 to {MOST_TIERS} tiers")));
    }
    let mut names = std::collections::BTreeSet::new();
    for (number, tier) in tiers.iter().enumerate() {
        let at = |field: &str| format!("subject.tiers[{number}].{field}");
        let is_name = (1..=20).contains(&tier.name.chars().count())
            && tier.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !is_name {
            problems.push(problem(at("name"), &tier.name, "1 to 20 letters, digits and hyphens"));
        } else if !names.insert(&tier.name) {
            problems.push(problem(at("name"), &tier.name, "a name that no other tier of the rule has"));
        }
        if tier.lane == Lane::Page && !sli.may_page() {
            problems.push(problem(
                at("lane"),
                "page",
                format!("ticket: {} is work for the day", sli.label().to_lowercase()),
            ));
        }
        if !(1..=3).contains(&tier.all.len()) {
            problems.push(problem(at("all"), tier.all.len(), "1 to 3 windows: long, short, now"));
        }
        let mut longer = LONGEST_WINDOW_MS;
        for (place, part) in tier.all.iter().enumerate() {
            let at = |field: &str| format!("subject.tiers[{number}].all[{place}].{field}");
            let least = LEAST_SLICES as Millis * SLICE_MS;
            if part.window_ms % SLICE_MS != 0 || !(least..=LONGEST_WINDOW_MS).contains(&part.window_ms) {
                let expected = format!("whole slices of {SLICE_MS} ms, from {least} to {LONGEST_WINDOW_MS} ms");
                problems.push(problem(at("window_ms"), part.window_ms, expected));
            } else if place == 1 && part.window_ms > longer {
                problems.push(problem(
                    at("window_ms"),
                    part.window_ms,
                    format!("at most the long window, {longer} ms"),
                ));
            }
            if place == 0 {
                longer = part.window_ms;
            }
            if part.over.numerator() == 0 {
                problems.push(problem(at("over"), part.over, "more than 0"));
            }
            reachable(sli, part.over, budgets, &at("over"), problems);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f(text: &str) -> Fraction {
        text.parse().expect(text)
    }

    #[test]
    fn the_built_in_rules_can_be_saved_and_read_again() {
        for built_in in Rule::built_in() {
            let budgets = match &built_in.rule.subject {
                Subject::Burn { sli, .. } => vec![sli.default_budget()],
                Subject::Watch { .. } => Vec::new(),
            };
            assert_eq!(built_in.rule.problems(&budgets, "platform", "/runbooks/x"), [], "{}", built_in.slug);
            let text = serde_json::to_string(&built_in.rule).expect("it can be written");
            assert_eq!(serde_json::from_str::<Rule>(&text).expect("it can be read"), built_in.rule);
            let unowned = built_in.rule.problems(&budgets, "", " ");
            let fields: Vec<&str> = unowned.iter().map(|problem| problem.field.as_str()).collect();
            let expected: &[&str] = if built_in.rule.may_page() { &["owner", "runbook"] } else { &[] };
            assert_eq!(fields, expected, "V48: {}", built_in.slug);
        }
    }

    #[test]
    fn a_rule_that_can_never_fire_is_refused() {
        // V07.
        for (sli, budget, over, refused) in [
            (Sli::Waste, "1/10", "14.4", true),
            (Sli::Waste, "1/10", "8", false),
            (Sli::Waste, "1/10", "10", true),
            (Sli::Reclaim, "1/20", "14.4", false),
            (Sli::Reclaim, "1/10", "14.4", true),
            (Sli::Leak, "1/1000", "5000", false),
        ] {
            let part = Conjunct { window_ms: HOUR_MS, over: f(over), least_bad: 0 };
            let tier = Tier { name: "T".into(), lane: Lane::Ticket, all: vec![part] };
            let rule = Rule::burn(sli, vec![tier], false);
            let problems = rule.problems(&[f("1/1000000"), f(budget)], "", "");
            let found = problems.iter().find(|problem| problem.field == "subject.tiers[0].all[0].over");
            assert_eq!(found.is_some(), refused, "{sli} {budget} {over}: {problems:?}");
            assert!(found.is_none_or(|problem| problem.expected.contains("can never fire")));
        }
    }

    #[test]
    fn each_wrong_field_is_named() {
        let mut rule = Rule::burn(Sli::Saturation, Tier::defaults(), false);
        let Subject::Burn { tiers, .. } = &mut rule.subject else { panic!("it is about a budget") };
        tiers[0].all[0].window_ms = 90_500;
        tiers[0].all[1].window_ms = MINUTE_MS;
        tiers[1].all[1].window_ms = 7 * HOUR_MS;
        tiers[2].name = "W1".into();
        tiers[3].all.clear();
        rule.timing.for_ms = -1;
        let problems = rule.problems(&[f("1/10000")], "platform", "/runbooks/a");
        let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "timing.for_ms",
                "subject.tiers[0].all[0].window_ms",
                "subject.tiers[0].all[1].window_ms",
                "subject.tiers[1].all[1].window_ms",
                "subject.tiers[2].name",
                "subject.tiers[3].all"
            ]
        );
        for (watch, field) in [
            (Watch::Failing { over: f("1.1"), least: 20 }, Some("subject.watch.over")),
            (Watch::Failing { over: f("1"), least: 0 }, Some("subject.watch.least")),
            (Watch::Failing { over: f("1"), least: 1 }, None),
            (Watch::Monopoly { over: f("1") }, Some("subject.watch.over")),
            (Watch::Unmetered { over: f("0") }, Some("subject.watch.over")),
            (Watch::NoData { after_ms: 59_999 }, Some("subject.watch.after_ms")),
            (Watch::Baseline { times: f("1") }, Some("subject.watch.times")),
            (Watch::EngineLag { slices: 0 }, Some("subject.watch.slices")),
        ] {
            let found = Rule::watch(watch, 0).problems(&[], "platform", "/runbooks/a");
            assert_eq!(found.first().map(|problem| problem.field.as_str()), field, "{watch:?}");
        }
        let mut leak = Rule::burn(Sli::Leak, Tier::defaults(), false);
        leak.pools = vec![String::new(); MOST_POOLS + 1];
        let fields: Vec<String> = leak.problems(&[], "a", "b").into_iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["pools", "subject.tiers[0].lane", "subject.tiers[1].lane"]);
    }
}
