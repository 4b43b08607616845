//! The organisation's settings.

use super::{App, AppError, Problem, Result};
use crate::zones;
use headroom_domain::access::Action;
use headroom_domain::slug::check_name;
use headroom_store::audit::{self, Entry};
use headroom_store::organisation::{self, Organisation};

impl App {
    /// The organisation's settings.
    pub async fn organisation(&self) -> Result<Organisation> {
        Ok(organisation::get(&mut *self.db.pages.acquire().await?).await?)
    }

    /// Whether the caller is shown money: its role allows it, and the organisation shows money at all.
    pub(crate) fn sees_money(&self, organisation: &Organisation) -> bool {
        organisation.money_visible && self.caller.may(Action::SeeMoney)
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
