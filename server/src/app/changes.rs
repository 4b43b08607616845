//! Change events, read and recorded.

use super::caller::Caller;
use super::pools::named_otherwise;
use super::window::Window;
use super::{App, Result};
use crate::clock;
use headroom_domain::Millis;
use headroom_domain::access::Action;
use headroom_domain::series::{Series, Step};
use headroom_store::audit::{self, Entry};
use headroom_store::change::{self, Change};
use headroom_store::pool;
use serde_json::json;
use std::collections::HashMap;

/// Titles that the audit trail names of changes that were recorded together.
const TITLES: usize = 20;

impl Caller {
    /// Changes as it may read them: that there was one and of what kind, and only with [`Self::reads_remarks`] the rest.
    pub(super) fn told(&self, mut changes: Vec<Change>) -> Vec<Change> {
        if !self.reads_remarks() {
            for change in &mut changes {
                change.kind.label().clone_into(&mut change.title);
                change.url.clear();
                change.source.clear();
                change.actor.clear();
            }
        }
        changes
    }
}

impl App {
    /// The database's time.
    pub async fn now(&self) -> Result<Millis> {
        Ok(headroom_store::now(&mut *self.db.pages.acquire().await?).await?)
    }

    /// First and last instant of a pool's stored days.
    pub async fn extent(&self, pool: i32) -> Result<Option<(Millis, Millis)>> {
        self.require(Action::See)?;
        Ok(headroom_store::history::extent(&mut *self.db.pages.acquire().await?, Some(pool)).await?)
    }

    /// Changes of a window, each with its pool's slug, newest first.
    pub async fn changes(&self, window: &Window, limit: i64) -> Result<Vec<(Change, Option<String>)>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let keys = window.pool_keys();
        let found = change::list(&mut conn, keys.as_deref(), window.from_ms, window.to_ms, limit).await?;
        let found = self.caller.told(found);
        let named: Vec<i32> = found.iter().filter_map(|c| c.pool).collect();
        let slugs: HashMap<i32, String> =
            pool::by_keys(&mut conn, &named).await?.into_iter().map(|p| (p.key, p.fields.slug.to_string())).collect();
        Ok(found
            .into_iter()
            .map(|c| {
                let slug = c.pool.and_then(|key| slugs.get(&key).cloned());
                (c, slug)
            })
            .collect())
    }

    /// Records changes, each for a pool by its slug or for all; returns how many were new.
    pub async fn record_changes(&self, changes: Vec<(Option<String>, Change)>) -> Result<u64> {
        self.require(Action::RecordChanges)?;
        self.require_all_tenants(Action::RecordChanges)?;
        if changes.iter().any(|(pool, _)| pool.is_none()) {
            self.require_no_limits(Action::RecordChanges)?;
        }
        let mut tx = self.db.pages.begin().await?;
        let mut rows = Vec::new();
        for (slug, mut change) in changes {
            if let Some(slug) = slug {
                change.pool = Some(
                    super::pools::find(&mut tx, &self.caller, &slug)
                        .await
                        .map_err(|error| named_otherwise("pool", error))?
                        .key,
                );
            }
            rows.push((clock::uuid(), change));
        }
        let recorded = change::record(&mut tx, &rows).await?;
        if recorded > 0 {
            let titles: Vec<&str> = rows.iter().take(TITLES).map(|(_, change)| change.title.as_str()).collect();
            let entry = Entry {
                actor: &self.caller.actor,
                action: "record",
                object: "change",
                key: &if rows.len() == 1 { titles.concat() } else { format!("{} changes", rows.len()) },
                id: None,
                before: None,
                after: Some(json!({ "new": recorded, "sent": rows.len(), "titles": titles })),
                reason: "",
            };
            audit::record(&mut tx, &entry).await?;
        }
        tx.commit().await?;
        Ok(recorded)
    }

    /// A subject's series at a stored step, uncut.
    pub async fn stored_series(
        &self,
        subject: &super::trend::Subject,
        step: Step,
        from: Millis,
        to: Millis,
    ) -> Result<Series> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        super::trend::series(&mut conn, subject, step, from, to).await
    }
}
