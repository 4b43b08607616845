//! What a pool allows its planners.

use super::super::{App, AppError, Problem, Result};
use super::find;
use headroom_domain::access::Action;
use headroom_domain::plan::policy::{PlanPolicy, RollingCap};
use headroom_store::audit::{self, Entry};
use headroom_store::plan::{self, Plan};
use headroom_store::pool::Pool;
use headroom_store::tenant;
use std::collections::BTreeMap;

/// A pool's policy with its rolling caps by tenant's slug.
#[derive(Debug, Clone)]
pub struct PolicyView {
    /// The pool.
    pub pool: Pool,
    /// Version and policy.
    pub plan: Plan,
    /// Rolling caps by tenant's slug.
    pub caps: BTreeMap<String, RollingCap>,
}

impl App {
    /// What a pool allows its planners. Who sees some tenants only sees their caps.
    pub async fn plan_policy(&self, pool: &str) -> Result<PolicyView> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let pool = find(self, &mut conn, pool).await?;
        let plan = plan::get(&mut conn, pool.key).await?;
        let caps = plan::caps(&mut conn, pool.key).await?;
        let keys: Vec<i32> = caps.keys().copied().filter(|key| self.caller.sees_tenant(*key)).collect();
        let slugs: BTreeMap<i32, String> =
            tenant::by_keys(&mut conn, &keys).await?.into_iter().map(|t| (t.key, t.fields.slug.to_string())).collect();
        let caps = caps.into_iter().filter_map(|(key, cap)| Some((slugs.get(&key)?.clone(), cap))).collect();
        Ok(PolicyView { pool, plan, caps })
    }

    /// Sets what a pool allows its planners, if its policy is still at `version`. What is published stays as it is.
    pub async fn set_plan_policy(&self, pool: &str, version: i32, policy: &PlanPolicy) -> Result<Plan> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        let faults = policy.faults();
        if !faults.is_empty() {
            return Err(AppError::Invalid(faults.iter().map(|fault| super::work_out::problem("", fault)).collect()));
        }
        let mut tx = self.db.pages.begin().await?;
        let pool = find(self, &mut tx, pool).await?;
        let before = plan::lock(&mut tx, pool.key).await?;
        if before.policy_version != version {
            let slug = pool.fields.slug.to_string();
            return Err(AppError::Stale { what: "policy", slug, seen: version, now: before.policy_version });
        }
        plan::set_policy(&mut tx, pool.key, policy).await?;
        let (old, new) = (serde_json::to_value(&before.policy).ok(), serde_json::to_value(policy).ok());
        self.record_policy(&mut tx, &pool, "set-plan-policy", old, new).await?;
        let plan = plan::get(&mut tx, pool.key).await?;
        tx.commit().await?;
        Ok(plan)
    }

    /// Sets or removes how much a tenant may be promised on average.
    pub async fn set_rolling_cap(&self, pool: &str, tenant: &str, cap: Option<RollingCap>) -> Result<()> {
        self.require(Action::Plan)?;
        self.require_all_tenants(Action::Plan)?;
        if let Some(cap) = cap {
            let mut problems = Vec::new();
            if !(0..=headroom_domain::MAX_SLOTS).contains(&cap.slots) {
                problems.push(Problem::new("slots", cap.slots.to_string(), "0 to 10,000,000 slots"));
            }
            if !(1..=8_784).contains(&cap.hours) {
                problems.push(Problem::new("hours", cap.hours.to_string(), "1 to 8,784 hours"));
            }
            if !problems.is_empty() {
                return Err(AppError::Invalid(problems));
            }
        }
        let mut tx = self.db.pages.begin().await?;
        let pool = find(self, &mut tx, pool).await?;
        let tenant = super::super::tenants::find(&mut tx, &self.caller, tenant).await?;
        plan::lock(&mut tx, pool.key).await?;
        let before = plan::caps(&mut tx, pool.key).await?.remove(&tenant.key);
        plan::set_cap(&mut tx, pool.key, tenant.key, cap).await?;
        let value = |cap: Option<RollingCap>| {
            cap.map(|cap| serde_json::json!({ "tenant": tenant.fields.slug, "slots": cap.slots, "hours": cap.hours }))
        };
        self.record_policy(&mut tx, &pool, "set-rolling-cap", value(before), value(cap)).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn record_policy(
        &self,
        conn: &mut sqlx::PgConnection,
        pool: &Pool,
        action: &'static str,
        before: Option<serde_json::Value>,
        after: Option<serde_json::Value>,
    ) -> Result<()> {
        let entry = Entry {
            actor: &self.caller.actor,
            action,
            object: "pool",
            key: pool.fields.slug.as_str(),
            id: Some(pool.id),
            before,
            after,
            reason: "",
        };
        audit::record(conn, &entry).await?;
        Ok(())
    }
}
