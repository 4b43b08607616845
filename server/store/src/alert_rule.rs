//! Rules of alerts, and what is promised where it is not the default.

use crate::{Result, StoreError};
use headroom_domain::alert::fraction::Fraction;
use headroom_domain::alert::rule::Rule;
use headroom_domain::alert::slo::Sli;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use std::collections::BTreeMap;

/// A rule in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Slug.
    pub slug: String,
    /// As people call it.
    pub name: String,
    /// What it is.
    pub rule: Rule,
    /// `live`, `dry-run` or `off`.
    pub mode: String,
    /// Who answers for it.
    pub owner: String,
    /// Where its runbook is: a path of ours or an address.
    pub runbook: String,
    /// It is shipped with the product.
    pub built_in: bool,
    /// Grows with each change.
    pub version: i32,
}

#[derive(FromRow)]
struct Row {
    slug: String,
    name: String,
    definition: Json<Value>,
    mode: String,
    owner: String,
    runbook: String,
    built_in: bool,
    version: i32,
}

fn read(row: Row) -> Result<Stored> {
    let rule = serde_json::from_value(row.definition.0)
        .map_err(|error| StoreError::Damaged { what: format!("rule {}", row.slug), problem: error.to_string() })?;
    Ok(Stored {
        slug: row.slug,
        name: row.name,
        rule,
        mode: row.mode,
        owner: row.owner,
        runbook: row.runbook,
        built_in: row.built_in,
        version: row.version,
    })
}

/// All rules, by slug. One that a newer server wrote and this one cannot read is told apart: its slug and what is wrong.
pub async fn list(conn: &mut PgConnection) -> Result<(Vec<Stored>, Vec<String>)> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT slug, name, definition, mode, owner, runbook, built_in, version FROM alert_rule ORDER BY rule_id",
    )
    .fetch_all(conn)
    .await?;
    let (mut rules, mut damaged) = (Vec::new(), Vec::new());
    for row in rows {
        match read(row) {
            Ok(rule) => rules.push(rule),
            Err(error) => damaged.push(error.to_string()),
        }
    }
    Ok((rules, damaged))
}

/// A rule.
pub async fn get(conn: &mut PgConnection, slug: &str) -> Result<Option<Stored>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT slug, name, definition, mode, owner, runbook, built_in, version FROM alert_rule WHERE slug = $1",
    )
    .bind(slug)
    .fetch_optional(conn)
    .await?;
    row.map(read).transpose()
}

/// Adds a rule where its slug is free. False if it is not.
pub async fn create(conn: &mut PgConnection, rule: &Stored) -> Result<bool> {
    let done = sqlx::query(
        "INSERT INTO alert_rule (slug, name, definition, mode, owner, runbook, built_in) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (slug) DO NOTHING",
    )
    .bind(&rule.slug)
    .bind(&rule.name)
    .bind(Json(&rule.rule))
    .bind(&rule.mode)
    .bind(&rule.owner)
    .bind(&rule.runbook)
    .bind(rule.built_in)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Changes a rule that is at the version that was read. False if it moved on or is gone.
pub async fn update(conn: &mut PgConnection, rule: &Stored) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE alert_rule SET name = $3, definition = $4, mode = $5, owner = $6, runbook = $7, version = version + 1,
                               updated_at = hr_now()
         WHERE slug = $1 AND version = $2",
    )
    .bind(&rule.slug)
    .bind(rule.version)
    .bind(&rule.name)
    .bind(Json(&rule.rule))
    .bind(&rule.mode)
    .bind(&rule.owner)
    .bind(&rule.runbook)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes a rule of one's own away. Shipped ones stay: they can be switched off.
pub async fn delete(conn: &mut PgConnection, slug: &str) -> Result<bool> {
    let done = sqlx::query("DELETE FROM alert_rule WHERE slug = $1 AND NOT built_in").bind(slug).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

/// Budgets that somebody set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Budgets {
    of: BTreeMap<(Option<i32>, &'static str), (Fraction, i32)>,
}

impl Budgets {
    /// The part that may be bad in a pool: its own, that of all pools, or the default.
    pub fn of(&self, pool: i32, sli: Sli) -> Fraction {
        let own = self.of.get(&(Some(pool), sli.as_str())).or_else(|| self.of.get(&(None, sli.as_str())));
        own.map_or_else(|| sli.default_budget(), |(budget, _)| *budget)
    }

    /// What was set for one pool, or for all, with its version.
    pub fn set_for(&self, pool: Option<i32>, sli: Sli) -> Option<(Fraction, i32)> {
        self.of.get(&(pool, sli.as_str())).copied()
    }

    /// Every budget of an indicator that holds anywhere.
    pub fn all_of(&self, sli: Sli) -> Vec<Fraction> {
        let general = self.set_for(None, sli).map_or_else(|| sli.default_budget(), |(budget, _)| budget);
        let own = self.of.iter().filter(|((pool, word), _)| pool.is_some() && *word == sli.as_str());
        std::iter::once(general).chain(own.map(|(_, (budget, _))| *budget)).collect()
    }
}

/// Reads the budgets.
pub async fn budgets(conn: &mut PgConnection) -> Result<Budgets> {
    let rows: Vec<(Option<i32>, String, String, i32)> =
        sqlx::query_as("SELECT pool_id, sli, budget, version FROM slo").fetch_all(conn).await?;
    let mut budgets = Budgets::default();
    for (pool, sli, budget, version) in rows {
        let damaged = |problem: String| StoreError::Damaged { what: "a budget".into(), problem };
        let sli: Sli = sli.parse().map_err(damaged)?;
        let budget: Fraction = budget.parse().map_err(damaged)?;
        budgets.of.insert((pool, sli.as_str()), (budget, version));
    }
    Ok(budgets)
}

/// Version of what was set for a pool or for all, held until the caller's transaction ends; 0 = nothing was.
pub async fn lock_budget(conn: &mut PgConnection, pool: Option<i32>, sli: Sli) -> Result<i32> {
    let found: Option<i32> =
        sqlx::query_scalar("SELECT version FROM slo WHERE pool_id IS NOT DISTINCT FROM $1 AND sli = $2 FOR UPDATE")
            .bind(pool)
            .bind(sli.as_str())
            .fetch_optional(conn)
            .await?;
    Ok(found.unwrap_or(0))
}

/// Sets a budget for a pool or for all. `None` = the default again.
pub async fn set_budget(conn: &mut PgConnection, pool: Option<i32>, sli: Sli, budget: Option<Fraction>) -> Result<()> {
    match budget {
        Some(budget) => {
            sqlx::query(
                "INSERT INTO slo AS s (pool_id, sli, budget) VALUES ($1, $2, $3)
                 ON CONFLICT ON CONSTRAINT slo_once DO UPDATE
                 SET budget = EXCLUDED.budget, version = s.version + 1, updated_at = hr_now()",
            )
            .bind(pool)
            .bind(sli.as_str())
            .bind(budget.to_string())
            .execute(conn)
            .await?;
        }
        None => {
            sqlx::query("DELETE FROM slo WHERE pool_id IS NOT DISTINCT FROM $1 AND sli = $2")
                .bind(pool)
                .bind(sli.as_str())
                .execute(conn)
                .await?;
        }
    }
    Ok(())
}
