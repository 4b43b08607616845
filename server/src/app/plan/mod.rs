//! What planners do: they see a pool's plan, edit it in drafts, see what an edit does, publish it, and take it back.
//!
//! Nothing that is published is edited in place. Whoever publishes locks the pool's plan, checks everything anew, and writes the
//! reservations, what they come to from the next minute on, and the publication, or nothing.

pub mod check;
pub mod direct;
pub mod drafts;
pub mod effect;
pub mod files;
mod follow;
pub mod imports;
pub mod letters;
pub mod policy;
pub mod publish;
pub mod right_size;
pub mod sheet;
pub mod work_out;

use super::{App, AppError, Result};
use headroom_domain::access::Action;
use headroom_domain::plan::change::Change;
use headroom_domain::plan::state::{self, State};
use headroom_domain::{EARLIEST_MS, LATEST_MS, Millis};
use headroom_store::plan::{Plan, Publication};
use headroom_store::pool::Pool;
use headroom_store::promise;
use headroom_store::reservation::{self, Stored};
use headroom_store::{plan, pool, tenant};
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

/// Most reservations of a pool that are not over.
pub const MOST_RESERVATIONS: i64 = 20_000;
/// Publications of a list.
const MOST_PUBLICATIONS: i64 = 200;
/// Longest reason, in characters.
const MAX_REASON: usize = 500;

/// A reservation of a plan.
#[derive(Debug, Clone)]
pub struct Entry {
    /// As it is stored.
    pub stored: Stored,
    /// Where it stands.
    pub state: State,
    /// Slots that the tenant holds beyond what its promises allow it now; 0 = none.
    pub over_limit: i64,
}

/// A pool's plan over a range of time.
#[derive(Debug, Clone)]
pub struct PlanView {
    /// The pool.
    pub pool: Pool,
    /// When this was so.
    pub now_ms: Millis,
    /// Version and policy.
    pub plan: Plan,
    /// Reservations that touch the range, by start and name.
    pub entries: Vec<Entry>,
    /// What holds when, in the range, by reservation.
    pub promises: Vec<promise::Stored>,
    /// Capacity less planned down, from each instant on.
    pub capacity: Vec<(Millis, i64)>,
    /// Tenants by key: slug, name.
    pub tenants: BTreeMap<i32, (String, String)>,
    /// Quotas by tenant.
    pub quotas: BTreeMap<i32, i64>,
}

fn no_draft(id: Uuid) -> AppError {
    AppError::NotFound { what: "draft", slug: id.to_string(), suggestion: None }
}

fn no_reservation(id: Uuid) -> AppError {
    AppError::NotFound { what: "reservation", slug: id.to_string(), suggestion: None }
}

/// Why something is done, checked.
fn reason(text: &str) -> Result<&str> {
    let text = text.trim();
    let is_good = (1..=MAX_REASON).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if is_good { Ok(text) } else { Err(AppError::invalid("reason", text, "why, in 1 to 500 characters on one line")) }
}

/// A pool that the caller may plan.
async fn find(app: &App, conn: &mut PgConnection, slug: &str) -> Result<Pool> {
    super::pools::find(conn, &app.caller, slug).await
}

/// A pool by its key that the caller may see.
async fn by_key(app: &App, conn: &mut PgConnection, key: i32) -> Result<Pool> {
    let found = pool::by_keys(conn, &[key]).await?.pop().filter(|pool| app.caller.sees_pool(pool.key));
    found.ok_or_else(|| AppError::NotFound { what: "pool", slug: key.to_string(), suggestion: None })
}

impl App {
    /// A pool's plan: reservations that touch `[from, to)`. Who sees some tenants only sees theirs.
    pub async fn plan(&self, pool: &str, from: Option<Millis>, to: Option<Millis>) -> Result<PlanView> {
        self.require(Action::See)?;
        let mut tx = self.db.pages.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *tx).await?;
        let now_ms = headroom_store::now(&mut tx).await?;
        let pool = find(self, &mut tx, pool).await?;
        let (from, to) = (from.unwrap_or(now_ms).max(EARLIEST_MS), to.unwrap_or(LATEST_MS).min(LATEST_MS));
        if from >= to {
            return Err(AppError::invalid("to", headroom_domain::range::rfc3339(to), "an instant after `from`"));
        }
        let sees = |tenant: i32| self.caller.sees_tenant(tenant);
        let stored = reservation::of_pool(&mut tx, pool.key, from).await?;
        let promises = promise::during(&mut tx, Some(&[pool.key]), None, from, to).await?;
        let holding = promise::during(&mut tx, Some(&[pool.key]), None, now_ms, now_ms + 1).await?;
        let held = check::held_now(&mut tx, pool.key).await?;
        let quotas = headroom_store::quota::list(&mut tx, Some(&[pool.key]), None).await?;
        let steps = pool::capacity(&mut tx, Some(&[pool.key])).await?.remove(&pool.key).unwrap_or_default();
        let tenants = tenant::list(&mut tx, true).await?;
        let plan = plan::get(&mut tx, pool.key).await?;
        tx.commit().await?;
        let over: HashMap<i32, i64> = held
            .into_iter()
            .filter_map(|(tenant, slots)| Some((tenant, slots - check::limit_of(&holding, tenant)?)))
            .filter(|(_, over)| *over > 0)
            .collect();
        let entry = |stored: Stored| {
            let state = state::published(stored.from_ms, stored.to_ms, stored.cancelled_ms.is_some(), now_ms);
            let is_active = state == State::Active && holding.iter().any(|p| p.id == stored.id);
            let over_limit = if is_active { over.get(&stored.tenant).copied().unwrap_or(0) } else { 0 };
            Entry { stored, state, over_limit }
        };
        Ok(PlanView {
            entries: stored.into_iter().filter(|s| s.from_ms < to && sees(s.tenant)).map(entry).collect(),
            promises: promises.into_iter().filter(|p| sees(p.reservation.tenant)).collect(),
            capacity: steps.iter().map(|s| (s.from_ms, i64::from(s.configured - s.planned_down))).collect(),
            tenants: tenants
                .into_iter()
                .filter(|t| sees(t.key))
                .map(|t| (t.key, (t.fields.slug.to_string(), t.fields.name)))
                .collect(),
            quotas: quotas.into_iter().filter(|((_, t), _)| sees(*t)).map(|((_, t), q)| (t, q.slots.into())).collect(),
            pool,
            now_ms,
            plan,
        })
    }

    /// A reservation with its pool.
    pub async fn reservation(&self, id: Uuid) -> Result<(Pool, Entry)> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        let stored = reservation::by_ids(&mut conn, &[id]).await?.pop();
        let stored = stored.filter(|s| self.caller.sees_tenant(s.tenant) && self.caller.sees_pool(s.pool));
        let stored = stored.ok_or_else(|| no_reservation(id))?;
        let state = state::published(stored.from_ms, stored.to_ms, stored.cancelled_ms.is_some(), now);
        Ok((by_key(self, &mut conn, stored.pool).await?, Entry { stored, state, over_limit: 0 }))
    }

    /// Publications of a pool, newest first, of one reservation or of all. Who sees some tenants only sees what was changed for
    /// them, and no reasons: those may name any tenant.
    pub async fn publications(&self, pool: &str, reservation: Option<Uuid>) -> Result<Vec<Publication>> {
        self.require(Action::See)?;
        let mut conn = self.db.pages.acquire().await?;
        let pool = find(self, &mut conn, pool).await?;
        let mut all = plan::publications(&mut conn, pool.key, reservation, MOST_PUBLICATIONS).await?;
        let Some(own) = self.own_slugs(&mut conn).await? else { return Ok(all) };
        for one in &mut all {
            let sides =
                |change: &Change| [&change.before, &change.after].map(|side| side.as_ref().map(|t| t.tenant.clone()));
            one.changes.retain(|(_, change)| sides(change).iter().flatten().all(|tenant| own.contains(tenant)));
            one.reason.clear();
        }
        all.retain(|one| !one.changes.is_empty());
        Ok(all)
    }

    /// Slugs of the tenants that the caller sees; `None` for all.
    async fn own_slugs(&self, conn: &mut PgConnection) -> Result<Option<BTreeSet<String>>> {
        let Some(keys) = &self.caller.tenants else { return Ok(None) };
        let own = tenant::by_keys(conn, keys).await?.into_iter().map(|tenant| tenant.fields.slug.to_string());
        Ok(Some(own.collect()))
    }
}
