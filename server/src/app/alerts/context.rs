//! What the engine, the clock and people's deeds need to know about everything else when an alert changes.

use super::super::Result;
use headroom_domain::alert::notice::WHOLE;
use headroom_domain::alert::rule::Rule;
use headroom_domain::{MINUTE_MS, Millis};
use headroom_store::alert::Row;
use headroom_store::alert_rule::{self, Budgets, Stored};
use headroom_store::receiver::{self, Receiver};
use headroom_store::{account, pool, silence, tenant};
use sqlx::PgConnection;
use std::collections::{BTreeMap, HashMap};

/// A pool as messages and rules know it.
#[derive(Debug, Clone, Default)]
pub struct PoolMeta {
    /// Slug.
    pub slug: String,
    /// Name.
    pub name: String,
    /// Who owns it.
    pub owner: String,
    /// Its own runbook.
    pub runbook: String,
    /// Samples of it are expected this often.
    pub feed_ms: Option<Millis>,
    /// Its label `tier` is `critical`: somebody is woken when nobody sees it.
    pub is_critical: bool,
    /// Services behind it, and whether customers notice them.
    pub services: Vec<(String, bool)>,
}

/// Everything else.
#[derive(Debug)]
pub struct Context {
    /// When this was so.
    pub now: Millis,
    /// Rules that can be read, by slug; those that are switched off, too.
    pub rules: Vec<Stored>,
    /// What is promised.
    pub budgets: Budgets,
    /// Who is told.
    pub receivers: Vec<Receiver>,
    /// Pools that are not archived.
    pub pools: BTreeMap<i32, PoolMeta>,
    /// Slugs and names of tenants.
    pub tenants: HashMap<i32, (String, String)>,
    /// Keys of accounts by their ids, where people have receivers of their own.
    pub accounts: HashMap<String, i32>,
    /// Who is on call, and who is asked when.
    pub oncall: super::oncall::OnCall,
    /// Silences that hold now.
    pub silences: Vec<super::silence::Active>,
    /// When the next one begins that was planned.
    pub silence_begins: Option<Millis>,
}

impl Context {
    /// Reads it all. The shipped rules are made where they are missing.
    pub async fn read(conn: &mut PgConnection, tracked: &[i32]) -> Result<Self> {
        let now = headroom_store::now(conn).await?;
        let (mut rules, damaged) = alert_rule::list(conn).await?;
        for problem in damaged {
            tracing::warn!(%problem, "a rule is not judged by this server");
        }
        let mut made = false;
        for built_in in Rule::built_in() {
            if !rules.iter().any(|rule| rule.slug == built_in.slug) {
                made |= alert_rule::create(conn, &shipped(&built_in)).await?;
            }
        }
        if made {
            rules = alert_rule::list(conn).await?.0;
        }
        let mut pools = BTreeMap::new();
        for pool in pool::list(conn, false).await? {
            let fields = pool.fields;
            // Claims of slots that are given out here become history by themselves.
            let own = tracked.contains(&pool.key).then_some(MINUTE_MS);
            let feed_ms = fields.feed_period_ms.map(Millis::from).or(own);
            let meta = PoolMeta {
                slug: fields.slug.to_string(),
                name: fields.name,
                owner: fields.owner,
                runbook: fields.runbook_url,
                feed_ms,
                is_critical: fields.labels.get("tier").is_some_and(|tier| tier == "critical"),
                services: fields.services.into_iter().map(|one| (one.service, one.customer_facing)).collect(),
            };
            pools.insert(pool.key, meta);
        }
        let tenants = tenant::list(conn, true).await?;
        let receivers = receiver::list(conn).await?;
        let has_own = receivers.iter().any(|receiver| receiver.account.is_some());
        let accounts = if has_own { account::list(conn).await? } else { Vec::new() };
        Ok(Self {
            now,
            rules,
            budgets: alert_rule::budgets(conn).await?,
            receivers,
            pools,
            tenants: tenants.into_iter().map(|t| (t.key, (t.fields.slug.to_string(), t.fields.name))).collect(),
            accounts: accounts.into_iter().map(|account| (account.id.to_string(), account.key)).collect(),
            oncall: super::oncall::OnCall::read(conn, now).await?,
            silences: super::silence::active(conn, now).await?,
            silence_begins: silence::next_begin(conn).await?,
        })
    }

    /// A rule by its slug.
    pub fn rule(&self, slug: &str) -> Option<&Stored> {
        self.rules.iter().find(|rule| rule.slug == slug)
    }

    /// Slug of a pool as messages have it.
    pub fn pool_slug(&self, pool: Option<i32>) -> &str {
        pool.and_then(|key| self.pools.get(&key)).map_or(WHOLE, |meta| &meta.slug)
    }

    /// Slug of a tenant as messages have it.
    pub fn tenant_slug(&self, tenant: i32) -> &str {
        self.tenants.get(&tenant).map_or(WHOLE, |(slug, _)| slug)
    }

    /// Who answers for an alert: the owner of its rule; of tickets about a pool the owner of the pool, if there is one.
    pub fn owner_of(&self, row: &Row) -> String {
        let rule = self.rule(&row.rule).map(|rule| rule.owner.clone()).unwrap_or_default();
        let pool = row.pool.and_then(|key| self.pools.get(&key)).map(|meta| meta.owner.clone()).unwrap_or_default();
        if rule.is_empty() { pool } else { rule }
    }

    /// Where it is written what to do: the pool's own runbook before the rule's.
    pub fn runbook_of(&self, row: &Row) -> String {
        let rule = self.rule(&row.rule).map(|rule| rule.runbook.clone()).unwrap_or_default();
        if rule.is_empty() {
            row.pool.and_then(|key| self.pools.get(&key)).map(|meta| meta.runbook.clone()).unwrap_or_default()
        } else {
            rule
        }
    }
}

/// Who answers for shipped rules until somebody says otherwise.
pub const PLATFORM: &str = "platform";

/// A shipped rule as it is stored first.
pub fn shipped(built_in: &headroom_domain::alert::rule::BuiltIn) -> Stored {
    Stored {
        slug: built_in.slug.to_owned(),
        name: built_in.name.to_owned(),
        rule: built_in.rule.clone(),
        mode: if built_in.is_off { "off" } else { "live" }.to_owned(),
        owner: PLATFORM.to_owned(),
        runbook: format!("/runbooks/{}", built_in.slug),
        built_in: true,
        version: 1,
    }
}
