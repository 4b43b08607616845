//! Rules of alerts: the list, and the form of one with what it would have said.

use super::{Field, Named};

/// A rule in a list.
#[derive(Debug, Clone)]
pub struct RuleRow {
    /// Slug.
    pub slug: String,
    /// As people call it.
    pub name: String,
    /// What it says, in one line.
    pub query: String,
    /// `live`, `dry-run` or `off`.
    pub mode: String,
    /// Who answers for it; may be empty.
    pub owner: String,
    /// Where its runbook is; may be empty.
    pub runbook: String,
    /// Slugs of the pools that it is for; none = all.
    pub pools: Vec<String>,
    /// It is shipped with the product.
    pub built_in: bool,
    /// Alerts of it that fire now.
    pub firing: i64,
}

/// Everything on `/rules`.
#[derive(Debug, Clone)]
pub struct RulesModel {
    /// Rules that may wake people.
    pub pages: Vec<RuleRow>,
    /// Rules that are work for the day.
    pub tickets: Vec<RuleRow>,
    /// Who looks may change them.
    pub writes: bool,
}

/// One window of a tier, as it is typed.
#[derive(Debug, Clone, Default)]
pub struct WindowForm {
    /// Its length, such as `1h`. Field `t{tier}_w{place}`.
    pub window: Field,
    /// Burn above which it holds, such as `14.4`. Field `t{tier}_k{place}`.
    pub over: Field,
    /// Fewer bad things say nothing. Field `t{tier}_b{place}`.
    pub least: Field,
}

/// One tier, as it is typed. One without a name and windows is none.
#[derive(Debug, Clone, Default)]
pub struct TierForm {
    /// Field `t{tier}_name`.
    pub name: Field,
    /// `page` or `ticket`. Field `t{tier}_lane`.
    pub lane: Field,
    /// The long window, the short one, and the one that says that it still burns.
    pub windows: Vec<WindowForm>,
}

/// A limit of a rule without windows. Field `p_{name}`.
#[derive(Debug, Clone)]
pub struct LimitForm {
    /// Its name in the API.
    pub name: String,
    /// In words.
    pub label: String,
    /// How it is written.
    pub help: String,
    /// As it is typed.
    pub field: Field,
}

/// What a rule would have said of a pool.
#[derive(Debug, Clone)]
pub struct TriedRow {
    /// The pool.
    pub pool: Named,
    /// How often it would have fired.
    pub fires: i64,
    /// How often it would have paged.
    pub pages: i64,
    /// For how long, milliseconds.
    pub firing_ms: i64,
    /// The same as a part of the time.
    pub share: f64,
    /// It would have fired for more than a fifth of the time.
    pub noisy: bool,
    /// When it would have fired first and last.
    pub first_ms: Option<i64>,
    /// When it would have fired last.
    pub last_ms: Option<i64>,
}

/// What a rule would have said.
#[derive(Debug, Clone)]
pub struct TriedModel {
    /// Which time was looked at; `None` if there is no history yet.
    pub span: Option<(i64, i64)>,
    /// Pools that the rule is for.
    pub pools: i64,
    /// Pools that were looked at.
    pub looked_at: i64,
    /// How often it would have fired.
    pub fires: i64,
    /// How often it would have paged.
    pub pages: i64,
    /// Pools that it would have fired for, the most affected first.
    pub rows: Vec<TriedRow>,
}

/// Everything on `/rules/{slug}` and `/rules/new`. The form posts to `/rules/{slug}/edit` or `/rules/new`; its buttons are `do` =
/// `check`, `try` or `save`.
#[derive(Debug, Clone, Default)]
pub struct RuleModel {
    /// The rule that is changed; `None` for a new one.
    pub subject: Option<Named>,
    /// Version that the form was filled from.
    pub version: String,
    /// What it says, in one line; empty if it cannot be read yet.
    pub query: String,
    /// It is shipped with the product.
    pub built_in: bool,
    /// Alerts of it that fire now.
    pub firing: i64,
    /// Who looks may change it.
    pub writes: bool,
    /// Slug of a new one.
    pub slug: Field,
    /// As people call it.
    pub name: Field,
    /// `live`, `dry-run` or `off`.
    pub mode: Field,
    /// Who answers for it.
    pub owner: Field,
    /// Where its runbook is.
    pub runbook: Field,
    /// Slugs of the pools that it is for, one a line; none = all.
    pub pools: Field,
    /// Of rules about a budget: which indicator, with all there are.
    pub sli: Option<(Field, Vec<(String, String)>)>,
    /// Tenants are judged apart, too.
    pub tenants: bool,
    /// A page of a faster burn is critical.
    pub critical: Field,
    /// Of rules about a budget: its tiers, the last one empty.
    pub tiers: Vec<TierForm>,
    /// Of rules without windows: their limits.
    pub limits: Vec<LimitForm>,
    /// It holds for so long before it counts.
    pub for_ms: Field,
    /// It is over when it has not held for so long.
    pub resolve_after: Field,
    /// And when there was nothing to judge for so long.
    pub idle_after: Field,
    /// An error that belongs to no field.
    pub error: Option<String>,
    /// It was checked, and this is what came of it.
    pub checked: Option<String>,
    /// It was tried on history.
    pub tried: Option<TriedModel>,
    /// Owners known so far.
    pub known_owners: Vec<String>,
    /// Addresses of runbooks.
    pub runbooks: Vec<String>,
}
