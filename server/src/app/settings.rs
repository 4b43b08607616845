//! The organisation's settings.

use super::{App, AppError, Problem, Result};
use crate::zones;
use headroom_domain::access::Action;
use headroom_domain::slug::check_name;
use headroom_domain::tenant::{LEAST_HALF_LIFE_HOURS, MOST_HALF_LIFE_HOURS};
use headroom_store::audit::{self, Entry, Recorded};
use headroom_store::organisation::{self, Organisation};
use headroom_store::pool::Pool;
use serde_json::Value;
use sqlx::PgConnection;

/// The member of a recorded pool that is money, at any depth.
fn forget_price(value: &mut Value) {
    if let Value::Object(members) = value {
        members.remove("unit_cost_micros");
        members.remove("elastic_price_micros");
        members.values_mut().for_each(forget_price);
    }
}

impl App {
    /// The organisation's settings.
    pub async fn organisation(&self) -> Result<Organisation> {
        Ok(organisation::get(&mut *self.db.pages.acquire().await?).await?)
    }

    /// Whether the caller is shown money: its role allows it, and the organisation shows money at all.
    pub(crate) fn sees_money(&self, organisation: &Organisation) -> bool {
        organisation.money_visible && self.caller.may(Action::SeeMoney)
    }

    /// The same, asked of the database.
    pub async fn shows_money(&self) -> Result<bool> {
        Ok(self.caller.may(Action::SeeMoney) && self.organisation().await?.money_visible)
    }

    /// Takes prices out of pools for a caller who is not shown money.
    pub(super) async fn without_hidden_prices(
        &self,
        conn: &mut PgConnection,
        mut pools: Vec<Pool>,
    ) -> Result<Vec<Pool>> {
        if pools.iter().any(|pool| pool.fields.unit_cost_micros.is_some()) && !self.may_see_prices(conn).await? {
            for pool in &mut pools {
                pool.fields.unit_cost_micros = None;
            }
        }
        Ok(pools)
    }

    /// Takes prices out of recorded changes for a caller who is not shown money.
    pub(super) async fn without_recorded_prices(
        &self,
        conn: &mut PgConnection,
        mut entries: Vec<Recorded>,
    ) -> Result<Vec<Recorded>> {
        if !self.may_see_prices(conn).await? {
            for entry in &mut entries {
                entry.before.iter_mut().chain(&mut entry.after).for_each(forget_price);
                // Entries of earlier versions have the price alone.
                if entry.action == "set-elastic-price" {
                    entry.before.take_if(|value| value.is_number());
                    entry.after.take_if(|value| value.is_number());
                }
            }
        }
        Ok(entries)
    }

    /// What becomes of a pool's price in a change: who is not shown money leaves it as it was, and sets none.
    pub(super) async fn price_after(
        &self,
        conn: &mut PgConnection,
        before: Option<i64>,
        wanted: Option<i64>,
    ) -> Result<Option<i64>> {
        match wanted {
            _ if self.may_see_prices(conn).await? => Ok(wanted),
            None => Ok(before),
            Some(_) => {
                let expected = "no price from somebody who is not shown money";
                Err(AppError::invalid("unit_cost_micros", "", expected))
            }
        }
    }

    pub(super) async fn may_see_prices(&self, conn: &mut PgConnection) -> Result<bool> {
        Ok(self.caller.may(Action::SeeMoney) && organisation::get(conn).await?.money_visible)
    }

    /// Changes the organisation's settings. Whether it is the demo stays as it is.
    pub async fn set_organisation(&self, wanted: &Organisation) -> Result<()> {
        self.require(Action::Administer)?;
        let mut problems = Vec::new();
        if let Err(expected) = check_name(&wanted.name) {
            problems.push(Problem::new("name", &wanted.name, expected));
        }
        if wanted.currency.len() != 3 || !wanted.currency.bytes().all(|b| b.is_ascii_uppercase()) {
            problems.push(Problem::new("currency", &wanted.currency, "three capital letters such as EUR (ISO 4217)"));
        }
        if !zones::is_known(&wanted.zone) {
            problems.push(Problem::new("zone", &wanted.zone, "an IANA zone such as Europe/Berlin, or UTC"));
        }
        if !(LEAST_HALF_LIFE_HOURS..=MOST_HALF_LIFE_HOURS).contains(&wanted.half_life_hours) {
            problems.push(Problem::new("half_life_hours", wanted.half_life_hours.to_string(), "24 to 8,760 hours"));
        }
        if !problems.is_empty() {
            return Err(AppError::Invalid(problems));
        }
        let mut tx = self.db.pages.begin().await?;
        let before = organisation::get(&mut tx).await?;
        let after = Organisation { demo: before.demo, ..wanted.clone() };
        organisation::set(&mut tx, &after).await?;
        let entry = Entry {
            actor: &self.caller.actor,
            action: "update",
            object: "organisation",
            key: &after.name,
            id: None,
            before: serde_json::to_value(&before).ok(),
            after: serde_json::to_value(&after).ok(),
            reason: "",
        };
        audit::record(&mut tx, &entry).await?;
        tx.commit().await?;
        Ok(())
    }
}
