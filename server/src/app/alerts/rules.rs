//! Rules: read, checked, changed. One that wakes people has an owner and a runbook, and one that can never fire is refused.

use super::super::{App, AppError, Problem, Result};
use super::context::Context;
use super::runbooks::own_slug;
use headroom_domain::Millis;
use headroom_domain::access::Action;
use headroom_domain::alert::fraction::Fraction;
use headroom_domain::alert::rule::{Rule, Subject};
use headroom_domain::alert::slo::{Sli, max_burn};
use headroom_domain::alert::window::Lane;
use headroom_domain::slug::{Slug, check_name};
use headroom_store::alert::{self, Wanted};
use headroom_store::alert_rule::{self, Stored};
use headroom_store::audit::{self, Entry};
use headroom_store::runbook;
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// How a rule runs: people are told, it is only tried, or it is off.
pub const MODES: [&str; 3] = ["live", "dry-run", "off"];
/// Most rules that are not shipped.
const MOST_OWN: usize = 500;
/// Alerts that are counted.
const MOST_ALERTS: i64 = 10_000;
/// Longest owner and longest address of a runbook, in characters.
const MAX_OWNER: usize = 120;
const MAX_RUNBOOK: usize = 2_000;

/// A rule with what it does now.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The rule; its pools are those that the caller may see.
    pub rule: Stored,
    /// Alerts of it that fire now, of those that the caller may see; of one that is only tried those that would.
    pub firing: usize,
}

impl Listed {
    /// The higher lane that it may open.
    pub fn lane(&self) -> Lane {
        if self.rule.rule.may_page() { Lane::Page } else { Lane::Ticket }
    }
}

/// A rule as somebody wants it.
#[derive(Debug, Clone)]
pub struct Wish {
    /// As people call it.
    pub name: String,
    /// What it is.
    pub rule: Rule,
    /// One of [`MODES`].
    pub mode: String,
    /// Who answers for it.
    pub owner: String,
    /// Where its runbook is: a path of ours or an address.
    pub runbook: String,
}

impl Wish {
    /// A rule as it is.
    pub fn of(rule: &Stored) -> Self {
        Self {
            name: rule.name.clone(),
            rule: rule.rule.clone(),
            mode: rule.mode.clone(),
            owner: rule.owner.clone(),
            runbook: rule.runbook.clone(),
        }
    }
}

pub(super) fn no_rule(context: &Context, slug: &str) -> AppError {
    let known = context.rules.iter().map(|rule| rule.slug.as_str());
    let suggestion = headroom_domain::slug::nearest(slug, known).map(str::to_owned);
    AppError::NotFound { what: "rule", slug: slug.chars().take(80).collect(), suggestion }
}

/// Keys of the pools that a rule is for.
pub(super) fn pools_of(context: &Context, rule: &Rule) -> Vec<i32> {
    let is_for = |slug: &String| rule.pools.is_empty() || rule.pools.contains(slug);
    context.pools.iter().filter(|(_, meta)| is_for(&meta.slug)).map(|(key, _)| *key).collect()
}

/// The budgets of the pools that a rule is for.
fn budgets_of(context: &Context, rule: &Rule) -> Vec<Fraction> {
    let Subject::Burn { sli, .. } = &rule.subject else { return Vec::new() };
    let mut budgets: Vec<Fraction> =
        pools_of(context, rule).into_iter().map(|pool| context.budgets.of(pool, *sli)).collect();
    if rule.pools.is_empty() {
        // Pools that are still to come have the general one.
        budgets.extend(context.budgets.all_of(*sli).first());
    }
    budgets
}

/// What tells two subjects apart: which indicator, or what is watched.
fn kind(rule: &Rule) -> String {
    match &rule.subject {
        Subject::Burn { sli, .. } => format!("burn of {sli}"),
        Subject::Watch { watch } => {
            let word = serde_json::to_value(watch).ok().and_then(|value| value["on"].as_str().map(str::to_owned));
            word.unwrap_or_default()
        }
    }
}

/// Whether an address is one that a runbook may have: of ours one that is there.
async fn runbook_problem(conn: &mut PgConnection, address: &str) -> Result<Option<Problem>> {
    let wrong = |expected: &str| Ok(Some(Problem::new("runbook", address, expected)));
    if address.is_empty() {
        return Ok(None);
    }
    if address.chars().count() > MAX_RUNBOOK || address.chars().any(|c| c.is_control() || c == ' ' || c == '\\') {
        return wrong("an address of at most 2,000 characters without blanks");
    }
    if let Some(slug) = own_slug(address) {
        let is_there = runbook::get(conn, slug).await?.is_some();
        return if is_there { Ok(None) } else { wrong("a runbook that exists; /runbooks lists them") };
    }
    let is_web = url::Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if is_web { Ok(None) } else { wrong("/runbooks/ and the slug of a runbook, or an address with http or https") }
}

/// What is wrong with a rule; nothing if it can be saved.
async fn problems(
    conn: &mut PgConnection,
    context: &Context,
    wish: &Wish,
    before: Option<&Stored>,
) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    if let Err(expected) = check_name(&wish.name) {
        problems.push(Problem::new("name", &wish.name, expected));
    }
    if !MODES.contains(&wish.mode.as_str()) {
        problems.push(Problem::new("mode", &wish.mode, "live, dry-run or off"));
    }
    if wish.owner.chars().count() > MAX_OWNER || wish.owner.chars().any(char::is_control) {
        problems.push(Problem::new("owner", &wish.owner, "at most 120 characters without control characters"));
    }
    problems.extend(runbook_problem(conn, &wish.runbook).await?);
    for slug in &wish.rule.pools {
        if !context.pools.values().any(|meta| meta.slug == *slug) {
            problems.push(Problem::new("pools", slug, "the slug of a pool that exists"));
        }
    }
    if let Some(before) = before.filter(|before| before.built_in) {
        // Its slug, its name for other tools and its runbook are about this.
        let (is, wanted) = (kind(&before.rule), kind(&wish.rule));
        if is != wanted {
            problems.push(Problem::new("subject", wanted, format!("{is}: a shipped rule keeps what it is about")));
        }
    }
    let budgets = budgets_of(context, &wish.rule);
    for found in wish.rule.problems(&budgets, &wish.owner, &wish.runbook) {
        problems.push(Problem { field: found.field, found: found.found, expected: found.expected });
    }
    Ok(problems)
}

/// Rules that could never fire any more where a budget is as large as this: their names. `pool` = where it would hold; without one
/// in all pools that have none of their own.
pub(super) fn deadened(context: &Context, pool: Option<i32>, sli: Sli, budget: Fraction) -> Vec<String> {
    let Some(ceiling) = max_burn(sli, budget) else { return Vec::new() };
    let mut names = Vec::new();
    for rule in context.rules.iter().filter(|rule| rule.mode != "off") {
        let Subject::Burn { sli: of, tiers, critical_over, .. } = &rule.rule.subject else { continue };
        let is_hit = match pool {
            Some(pool) => pools_of(context, &rule.rule).contains(&pool),
            None => {
                let inherits = |pool: &i32| context.budgets.set_for(Some(*pool), sli).is_none();
                rule.rule.pools.is_empty() || pools_of(context, &rule.rule).iter().any(inherits)
            }
        };
        let highest = tiers.iter().flat_map(|tier| &tier.all).map(|part| part.over).chain(*critical_over).max();
        if *of == sli && is_hit && highest.is_some_and(|over| over >= ceiling) {
            names.push(rule.name.clone());
        }
    }
    names
}

impl App {
    /// A rule as the caller may see it; `None` if it is only for pools that the caller may not see.
    fn shown_rule(&self, context: &Context, mut rule: Stored) -> Option<Stored> {
        if self.caller.pools.is_some() && !rule.rule.pools.is_empty() {
            let sees = |slug: &String| {
                context.pools.iter().any(|(key, meta)| meta.slug == *slug && self.caller.sees_pool(*key))
            };
            rule.rule.pools.retain(sees);
            if rule.rule.pools.is_empty() {
                return None;
            }
        }
        Some(rule)
    }

    async fn firing(&self, conn: &mut PgConnection) -> Result<BTreeMap<String, usize>> {
        let wanted = Wanted {
            open: Some(true),
            pools: self.caller.pools.clone(),
            tenants: self.caller.tenants.clone(),
            no_system: self.caller.is_limited(),
            dry_run: true,
            limit: MOST_ALERTS,
            ..Wanted::default()
        };
        let mut firing: BTreeMap<String, usize> = BTreeMap::new();
        for row in alert::list(conn, &wanted).await? {
            *firing.entry(row.rule).or_default() += 1;
        }
        Ok(firing)
    }

    /// All rules: shipped ones first, in the order in which they came.
    pub async fn rules(&self) -> Result<Vec<Listed>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let context = self.alert_context(&mut conn).await?;
        let mut firing = self.firing(&mut conn).await?;
        let shown = context.rules.iter().filter_map(|rule| self.shown_rule(&context, rule.clone()));
        Ok(shown.map(|rule| Listed { firing: firing.remove(&rule.slug).unwrap_or_default(), rule }).collect())
    }

    /// One rule.
    pub async fn rule(&self, slug: &str) -> Result<Listed> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let context = self.alert_context(&mut conn).await?;
        let found = context.rule(slug).and_then(|rule| self.shown_rule(&context, rule.clone()));
        let rule = found.ok_or_else(|| no_rule(&context, slug))?;
        let firing = self.firing(&mut conn).await?.remove(slug).unwrap_or_default();
        Ok(Listed { rule, firing })
    }

    /// What would be wrong with a rule if it were saved; nothing if it could be. `slug` = the rule that it would replace.
    pub async fn check_rule(&self, slug: Option<&str>, wish: &Wish) -> Result<Vec<Problem>> {
        self.require(Action::SetAlerts)?;
        self.require_no_limits(Action::SetAlerts)?;
        let mut conn = self.db.pages.acquire().await?;
        let context = self.alert_context(&mut conn).await?;
        let before = match slug {
            Some(slug) => Some(context.rule(slug).ok_or_else(|| no_rule(&context, slug))?),
            None => None,
        };
        problems(&mut conn, &context, wish, before).await
    }

    /// Adds a rule of one's own.
    pub async fn create_rule(&self, slug: &str, wish: &Wish) -> Result<Listed> {
        self.require(Action::SetAlerts)?;
        self.require_no_limits(Action::SetAlerts)?;
        let mut tx = self.db.pages.begin().await?;
        let context = self.alert_context(&mut tx).await?;
        let mut wrong = problems(&mut tx, &context, wish, None).await?;
        if let Err(error) = Slug::parse(slug) {
            wrong.push(Problem::new("slug", slug, error.to_string()));
        }
        if ["validate", "backtest"].contains(&slug) {
            wrong.push(Problem::new("slug", slug, "a word that is no part of the API's addresses"));
        }
        let own = context.rules.iter().filter(|rule| !rule.built_in).count();
        if own >= MOST_OWN {
            wrong.push(Problem::new("slug", slug, format!("at most {MOST_OWN} rules of one's own")));
        }
        if !wrong.is_empty() {
            return Err(AppError::Invalid(wrong));
        }
        let rule = stored(slug, wish, false, 1);
        if !alert_rule::create(&mut tx, &rule).await? {
            return Err(AppError::Conflict(format!("a rule called {slug} exists already; nothing was changed")));
        }
        self.record_rule(&mut tx, "create", slug, None, Some(&rule)).await?;
        tx.commit().await?;
        self.rule(slug).await
    }

    /// Changes a rule that is at the version that was read.
    pub async fn update_rule(&self, slug: &str, seen: Option<i32>, wish: &Wish) -> Result<Listed> {
        self.require(Action::SetAlerts)?;
        self.require_no_limits(Action::SetAlerts)?;
        let seen = seen.ok_or(AppError::Unversioned("version"))?;
        let mut tx = self.db.pages.begin().await?;
        let context = self.alert_context(&mut tx).await?;
        let before = context.rule(slug).ok_or_else(|| no_rule(&context, slug))?;
        let stale = |now| AppError::Stale { what: "rule", slug: slug.to_owned(), seen, now };
        if before.version != seen {
            return Err(stale(before.version));
        }
        let wrong = problems(&mut tx, &context, wish, Some(before)).await?;
        if !wrong.is_empty() {
            return Err(AppError::Invalid(wrong));
        }
        let rule = stored(slug, wish, before.built_in, seen);
        if !alert_rule::update(&mut tx, &rule).await? {
            let now = alert_rule::get(&mut tx, slug).await?.ok_or_else(|| no_rule(&context, slug))?;
            return Err(stale(now.version));
        }
        self.record_rule(&mut tx, "update", slug, Some(before), Some(&rule)).await?;
        tx.commit().await?;
        self.rule(slug).await
    }

    /// Takes a rule of one's own away. Shipped ones stay: they can be switched off.
    pub async fn delete_rule(&self, slug: &str) -> Result<Stored> {
        self.require(Action::SetAlerts)?;
        self.require_no_limits(Action::SetAlerts)?;
        let mut tx = self.db.pages.begin().await?;
        let context = self.alert_context(&mut tx).await?;
        let before = context.rule(slug).ok_or_else(|| no_rule(&context, slug))?.clone();
        if before.built_in {
            let text = format!("{slug} is shipped with Headroom and stays; switch it off instead. Nothing was changed");
            return Err(AppError::Conflict(text));
        }
        if !alert_rule::delete(&mut tx, slug).await? {
            return Err(no_rule(&context, slug));
        }
        self.record_rule(&mut tx, "delete", slug, Some(&before), None).await?;
        tx.commit().await?;
        Ok(before)
    }

    async fn record_rule(
        &self,
        conn: &mut PgConnection,
        action: &'static str,
        slug: &str,
        before: Option<&Stored>,
        after: Option<&Stored>,
    ) -> Result<()> {
        let entry = Entry {
            actor: &self.caller.actor,
            action,
            object: "rule",
            key: slug,
            id: None,
            before: before.map(recorded),
            after: after.map(recorded),
            reason: "",
        };
        audit::record(conn, &entry).await?;
        Ok(())
    }
}

fn stored(slug: &str, wish: &Wish, built_in: bool, version: i32) -> Stored {
    Stored {
        slug: slug.to_owned(),
        name: wish.name.clone(),
        rule: wish.rule.clone(),
        mode: wish.mode.clone(),
        owner: wish.owner.trim().to_owned(),
        runbook: wish.runbook.clone(),
        built_in,
        version,
    }
}

fn recorded(rule: &Stored) -> Value {
    json!({
        "name": rule.name,
        "definition": rule.rule,
        "mode": rule.mode,
        "owner": rule.owner,
        "runbook": rule.runbook,
    })
}

/// A rule as text, as other tools and people read it in one line.
pub fn in_words(rule: &Rule) -> String {
    match &rule.subject {
        Subject::Burn { sli, tiers, .. } => {
            let tier = |tier: &headroom_domain::alert::window::Tier| {
                let parts: Vec<String> = tier
                    .all
                    .iter()
                    .map(|part| format!("burn({sli}[{}]) > {}", window(part.window_ms), part.over))
                    .collect();
                format!("({})", parts.join(" and "))
            };
            tiers.iter().map(tier).collect::<Vec<_>>().join(" or ")
        }
        Subject::Watch { watch } => {
            let value = serde_json::to_value(watch).unwrap_or_default();
            let mut word = value["on"].as_str().unwrap_or_default().to_owned();
            let limits: Vec<String> = value
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(name, _)| *name != "on")
                .map(|(name, value)| match (name.strip_suffix("_ms"), value.as_i64()) {
                    (Some(name), Some(ms)) => format!("{name}={}", window(ms)),
                    _ => format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
                })
                .collect();
            if !limits.is_empty() {
                word = format!("{word}({})", limits.join(", "));
            }
            word
        }
    }
}

/// A length of time as people write it: `5m`, `1h`, `3d`; `90s` where it is no whole minute.
pub fn window(ms: Millis) -> String {
    use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS};
    for (unit, word) in [(DAY_MS, 'd'), (HOUR_MS, 'h'), (MINUTE_MS, 'm'), (1_000, 's')] {
        if ms % unit == 0 && (ms >= unit || unit == 1_000) && !(unit == DAY_MS && ms < 4 * DAY_MS) {
            return format!("{}{word}", ms / unit);
        }
    }
    format!("{ms}ms")
}

/// The inverse of [`window`]; `None` for what is no length of time.
pub fn read_window(text: &str) -> Option<Millis> {
    use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS};
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let number: Millis = text[..at].parse().ok()?;
    let unit = match text[at..].trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => MINUTE_MS,
        "h" => HOUR_MS,
        "d" => DAY_MS,
        _ => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS};

    #[test]
    fn lengths_of_time_are_written_and_read() {
        for (ms, text) in [
            (5 * MINUTE_MS, "5m"),
            (HOUR_MS, "1h"),
            (72 * HOUR_MS, "72h"),
            (30 * DAY_MS, "30d"),
            (90_000, "90s"),
            (0, "0s"),
            (1, "1ms"),
        ] {
            assert_eq!(window(ms), text);
            assert_eq!(read_window(text), Some(ms));
        }
        assert_eq!(read_window(" 10 min "), Some(10 * MINUTE_MS));
        for wrong in ["", "5", "m", "-5m", "5 fortnights", "99999999999999999999d", "9223372036854775807d"] {
            assert_eq!(read_window(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn rules_are_told_in_one_line() {
        let of = |slug: &str| {
            let rule = Rule::built_in().into_iter().find(|rule| rule.slug == slug).expect("it is shipped");
            in_words(&rule.rule)
        };
        let saturation = of("saturation-burn");
        assert!(saturation.starts_with("(burn(saturation[1h]) > 8 and burn(saturation[5m]) > 8) or ("), "{saturation}");
        assert_eq!(of("pool-exhausted"), "exhausted(least_rejected=5)");
        assert_eq!(of("leaks-fill"), "leaks-fill(within=4h)");
        assert_eq!(of("double-assign"), "doubled");
    }
}
