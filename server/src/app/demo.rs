//! Writing the demo world into a database, and going on with it after a pause.

use super::plan::work_out::{work_out, write};
use super::{App, AppError, Result};
use crate::auth::password;
use crate::clock;
use crate::demo::{ACCOUNTS, Keys, TRACKED, World, policy};
use headroom_domain::access::{Role, Scope};
use headroom_domain::accumulate::Accumulator;
use headroom_domain::alert::episode::Person;
use headroom_domain::alert::rota::{HandOver, Layer, Policy, Rota, TimeOfDay, WallTime, Weekday};
use headroom_domain::calendar::Event;
use headroom_domain::plan::terms::{Shrink, Terms};
use headroom_domain::plan::wall::Wall;
use headroom_domain::pool::PoolKind;
use headroom_domain::slug::Slug;
use headroom_domain::{DAY_MS, MINUTE_MS, Millis};
use headroom_store::account::{self, AccountFields};
use headroom_store::change::Change;
use headroom_store::current::Current;
use headroom_store::oncall::{self, Schedule, StoredPolicy};
use headroom_store::organisation::Organisation;
use headroom_store::pool::{CapacityStep, PoolFields};
use headroom_store::tenant::TenantFields;
use headroom_store::token::TokenFields;
use headroom_store::{
    change, current, event, history, import, organisation, owner, partition, pool, quota, reservation, signal, tenant,
};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Name of the token with which the demo sends its samples.
const SENDER: &str = "demo sender";
/// The demo's one import.
const KEY: &str = "demo world";
/// Hour blocks held before they are written: about 100 MB.
const BLOCKS_A_WRITE: usize = 20_000;
/// A pause longer than this is filled on the next start.
const PAUSE_MS: Millis = 2 * MINUTE_MS;

impl App {
    /// Makes sure that the demo world is there and reaches the present; says how far it has come by
    /// calling `progress` with minutes of history done and in all.
    ///
    /// # Errors
    /// `Conflict` if the database holds pools that are not the demo's.
    pub async fn install_demo(&self, seed: u64, days: i64, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<World> {
        let mut conn = self.db.jobs.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        let settings = organisation::get(&mut conn).await?;
        if !settings.demo && pool::count(&mut conn).await? > 0 {
            return Err(AppError::Conflict(
                "this database holds pools that are not the demo's; give the demo a folder of its own with --data-dir"
                    .into(),
            ));
        }
        let begun = import::begin(&mut conn, "demo", KEY, KEY).await?;
        if begun.is_done() {
            let made = begun.summary.unwrap_or_default();
            let number = |key: &str| made.get(key).and_then(serde_json::Value::as_i64);
            let world = World::new(number("seed").unwrap_or_default() as u64, number("now_ms").unwrap_or(now));
            drop(conn);
            self.catch_up(&world, now, progress).await?;
            self.demo_accounts().await?;
            self.demo_on_call().await?;
            return Ok(world);
        }
        let world = World::new(seed, now);
        let mut tx = self.db.jobs.begin().await?;
        // A start that was cut off half-way left rows that nobody sees; begin again.
        history::remove_part(&mut tx, begun.part).await?;
        let keys = write_things(&mut tx, &world).await?;
        tx.commit().await?;
        drop(conn);
        let all = (world.now_ms - days * DAY_MS, world.now_ms);
        self.write_history(&world, &keys, begun.part, all, &[], progress).await?;
        let mut tx = self.db.jobs.begin().await?;
        write_present(&mut tx, &world, &keys, world.now_ms).await?;
        let summary = serde_json::json!({ "seed": world.seed, "now_ms": world.now_ms });
        import::finish(&mut tx, begun.part, days, 0, &summary).await?;
        tx.commit().await?;
        sqlx::query("ANALYZE").execute(&mut *self.db.jobs.acquire().await?).await?;
        self.demo_accounts().await?;
        self.demo_on_call().await?;
        Ok(world)
    }

    /// Makes the demo's accounts, those that are missing.
    async fn demo_accounts(&self) -> Result<()> {
        let mut hash = None;
        for known in ACCOUNTS {
            let mut conn = self.db.jobs.acquire().await?;
            if account::by_email(&mut conn, known.email).await?.is_some() {
                continue;
            }
            // They share a password, so one hash is enough.
            let hash = match &hash {
                Some(hash) => hash,
                None => hash.insert(password::hash(known.password).await?),
            };
            let fields = AccountFields {
                email: known.email.into(),
                name: known.name.into(),
                roles: vec![known.role],
                tenants: known.tenants.iter().map(|slug| (*slug).to_owned()).collect(),
            };
            let mut tx = sqlx::Connection::begin(&mut *conn).await?;
            let key = account::create(&mut tx, clock::uuid(), &fields).await?;
            account::set_password(&mut tx, key, hash).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Who is on call in the demo: two people take turns, and whoever has no turn is asked second. Left alone once it is there.
    async fn demo_on_call(&self) -> Result<()> {
        let mut conn = self.db.jobs.acquire().await?;
        if !oncall::policies(&mut conn).await?.is_empty() || !oncall::schedules(&mut conn).await?.is_empty() {
            return Ok(());
        }
        let mut people = Vec::new();
        for known in ACCOUNTS.iter().filter(|known| matches!(known.role, Role::OnCall | Role::Admin)) {
            if let Some(account) = account::by_email(&mut conn, known.email).await? {
                people.push(Person { id: account.id.to_string(), name: account.fields.name });
            }
        }
        let (Some(at), Ok(start)) = (TimeOfDay::new(9, 0), "2026-01-05T09:00".parse::<WallTime>()) else {
            return Ok(());
        };
        for (slug, name) in [("primary", "Primary"), ("secondary", "Secondary")] {
            let hand_over = HandOver::Week { weekday: Weekday::Mon, at };
            let layer = Layer { people: people.clone(), start, hand_over, only: Vec::new() };
            let rota = Rota { zone: "Europe/Berlin".into(), layers: vec![layer], overrides: Vec::new() };
            oncall::create_schedule(&mut conn, &Schedule { slug: slug.into(), name: name.into(), rota, version: 1 })
                .await?;
            people.rotate_left(1);
        }
        let policy = Policy::usual("primary", "secondary", "primary");
        let stored =
            StoredPolicy { slug: "platform".into(), name: "Platform".into(), policy, owners: Vec::new(), version: 1 };
        oncall::create_policy(&mut conn, &stored).await?;
        Ok(())
    }

    /// A token for the demo's sender: made at every start, good for a day more than a start lasts.
    pub async fn demo_token(&self) -> Result<String> {
        let now = self.now().await?;
        for old in self.tokens().await?.iter().filter(|t| t.fields.name == SENDER && t.revoked_ms.is_none()) {
            self.revoke_token(old.id).await?;
        }
        let fields = TokenFields {
            name: SENDER.into(),
            scopes: vec![Scope::Ingest, Scope::Allocate],
            pools: Vec::new(),
            tenants: Vec::new(),
            expires_ms: Some(now + 400 * DAY_MS),
        };
        Ok(self.create_token(&fields).await?.secret)
    }

    /// Gives the pools that the demo's clients claim in their rules, unless they have some.
    pub async fn track_demo(&self) -> Result<()> {
        for slug in TRACKED {
            let (_, rules) = self.pool_rules(slug).await?;
            if rules.is_none() {
                self.set_policy(slug, None, &policy(slug)).await?;
            }
        }
        Ok(())
    }

    /// Fills the time in which the demo did not run: of pools that are given out here, that time is known.
    async fn catch_up(&self, world: &World, now: Millis, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<()> {
        let mut conn = self.db.jobs.acquire().await?;
        let keys = keys_of(&mut conn, world).await?;
        let newest = history::newest(&mut conn).await?.unwrap_or(world.now_ms);
        let from = headroom_domain::series::ceil(newest, MINUTE_MS);
        let to = headroom_domain::series::floor(now, MINUTE_MS);
        if to - from < PAUSE_MS {
            return Ok(());
        }
        let tracked: Vec<i32> =
            owner::rules(&mut conn, Some(keys.pools.as_slice())).await?.iter().map(|r| r.pool).collect();
        let part = import::begin(&mut conn, "demo", &format!("{KEY} from {from}"), "demo world, while it was stopped")
            .await?
            .part;
        history::remove_part(&mut conn, part).await?;
        drop(conn);
        self.write_history(world, &keys, part, (from, to), &tracked, progress).await?;
        let mut tx = self.db.jobs.begin().await?;
        write_present(&mut tx, world, &keys, to).await?;
        import::finish(&mut tx, part, (to - from) / MINUTE_MS, 0, &serde_json::json!({})).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn write_history(
        &self,
        world: &World,
        keys: &Keys,
        part: i32,
        (from, to): (Millis, Millis),
        without: &[i32],
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<()> {
        let mut chunks = world.chunks_between(from, to);
        chunks.retain(|chunk| !without.contains(&keys.pools[chunk.pool]));
        let total: u64 = chunks.iter().map(|c| ((c.to_ms - c.from_ms) / MINUTE_MS) as u64).sum();
        let mut done = 0;
        let mut accumulator = Accumulator::default();
        for (i, chunk) in chunks.iter().enumerate() {
            world.fill(&mut accumulator, keys, chunk);
            done += ((chunk.to_ms - chunk.from_ms) / MINUTE_MS) as u64;
            if accumulator.blocks() >= BLOCKS_A_WRITE || i + 1 == chunks.len() {
                let mut tx = self.db.jobs.begin().await?;
                // Nothing of the demo needs to outlive a power cut before the last commit.
                sqlx::query("SET LOCAL synchronous_commit = off").execute(&mut *tx).await?;
                history::merge(&mut tx, part, accumulator.take()).await?;
                tx.commit().await?;
            }
            progress(done, total);
        }
        Ok(())
    }
}

fn slug(text: &str) -> Result<Slug> {
    Slug::parse(text).map_err(|e| AppError::Internal(format!("demo slug {text:?} {e}")))
}

fn small(slots: i64) -> i32 {
    i32::try_from(slots).unwrap_or(i32::MAX)
}

/// What was promised, as planners would have written it.
async fn write_reservations(conn: &mut PgConnection, world: &World, keys: &Keys) -> Result<()> {
    let mut counts: BTreeMap<(usize, usize), u32> = BTreeMap::new();
    for r in &world.reservations {
        let zone_name = world.pools[r.pool].zone;
        let end = r.to_ms.unwrap_or(r.from_ms);
        let zone = crate::zones::slice(zone_name, r.from_ms, end)
            .ok_or_else(|| AppError::Internal(format!("demo zone {zone_name:?} is unknown")))?;
        let count = counts.entry((r.pool, r.tenant)).or_default();
        *count += 1;
        let tenant = world.tenants[r.tenant].slug;
        let minute = |at: Millis| at.div_euclid(MINUTE_MS) * MINUTE_MS;
        let terms = Terms {
            name: if *count == 1 { tenant.to_owned() } else { format!("{tenant}-{count}") },
            tenant: tenant.to_owned(),
            kind: r.kind,
            start: Wall::at(minute(r.from_ms), &zone),
            end: r.to_ms.map(|to| Wall::at(minute(to), &zone)),
            zone: zone_name.to_owned(),
            repeat: None,
            except: Vec::new(),
            slots: r.baseline,
            ceiling: r.ceiling,
            lending_limit: r.lending_limit,
            borrowing_limit: r.borrowing_limit,
            lead_minutes: 0,
            release_after_minutes: None,
            priority: None,
            shrink: Shrink::Refuse,
            drain_until: None,
            overrides: Vec::new(),
            note: r.note.to_owned(),
        };
        let worked_out = work_out(&terms, world.now_ms)
            .map_err(|faults| AppError::Internal(format!("demo reservation {:?}: {faults:?}", terms.name)))?;
        let whose = (clock::uuid(), keys.pools[r.pool], keys.tenants[r.tenant]);
        write(conn, whose, &terms, &worked_out, worked_out.from_ms).await?;
    }
    Ok(())
}

/// Everything but history. What a cut-off start left is found by its slug.
async fn write_things(conn: &mut PgConnection, world: &World) -> Result<Keys> {
    let settings = Organisation {
        name: world.organisation.into(),
        currency: world.currency.into(),
        zone: world.zone.into(),
        demo: true,
        money_visible: true,
        ack_needs_note: false,
        half_life_hours: headroom_domain::tenant::USUAL_HALF_LIFE_HOURS,
    };
    organisation::set(conn, &settings).await?;
    for region in &world.regions {
        organisation::ensure_region(conn, region.slug, region.name).await?;
    }
    let mut keys = Keys { pools: Vec::new(), tenants: Vec::new() };
    for t in &world.tenants {
        let fields = TenantFields {
            slug: slug(t.slug)?,
            name: t.name.into(),
            tier: t.tier.into(),
            priority: t.priority,
            weight: t.weight,
            cost_centre: t.cost_centre.into(),
            owner: t.owner.into(),
            labels: BTreeMap::new(),
            region: None,
            stamp: None,
        };
        keys.tenants.push(match tenant::by_slug(conn, t.slug).await? {
            Some(found) => found.key,
            None => tenant::create(conn, clock::uuid(), &fields).await?,
        });
    }
    for p in &world.pools {
        let fields = PoolFields {
            slug: slug(p.slug)?,
            name: p.name.into(),
            description: p.description.into(),
            kind: p.kind,
            properties: p.properties,
            min_slots: p.min_slots.map(small),
            max_slots: p.max_slots.map(small),
            unit_cost_micros: Some(p.unit_cost_micros),
            owner: p.owner.into(),
            runbook_url: p.runbook_url.clone(),
            labels: p.labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            services: p.services.clone(),
            zone: p.zone.into(),
            region: Some(p.region.into()),
            stamp: None,
            feed_period_ms: Some(small(p.feed_period_ms)),
            retention_days: Some(90),
        };
        debug_assert!(PoolKind::ALL.contains(&fields.kind));
        let key = match pool::by_slug(conn, p.slug).await? {
            Some(found) => found.key,
            None => pool::create(conn, clock::uuid(), &fields).await?,
        };
        for s in &p.signals {
            signal::ensure(conn, key, s.name, s.unit, s.kind.as_str()).await?;
        }
        keys.pools.push(key);
    }
    for step in &world.capacity_steps {
        let step_row = CapacityStep {
            from_ms: step.from_ms,
            configured: small(step.configured),
            planned_down: small(step.planned_down),
            reason: step.reason.clone(),
            actor: step.actor.into(),
        };
        pool::set_capacity(conn, keys.pools[step.pool], &step_row).await?;
    }
    for q in &world.quotas {
        quota::set(conn, keys.pools[q.pool], keys.tenants[q.tenant], Some(small(q.slots))).await?;
    }
    reservation::clear(conn).await?;
    write_reservations(conn, world, &keys).await?;
    let changes: Vec<_> = world
        .changes
        .iter()
        .map(|c| {
            let change = Change {
                at_ms: c.at_ms,
                kind: c.kind,
                pool: c.pool.map(|p| keys.pools[p]),
                title: c.title.clone(),
                url: c.url.clone(),
                source: c.source.into(),
                actor: c.actor.into(),
            };
            (clock::uuid(), change)
        })
        .collect();
    change::record(conn, &changes).await?;
    // Who changed the calendar of an earlier start keeps it.
    if event::count(conn, &event::Wanted::default()).await? == 0 {
        for e in &world.events {
            let stored = event::Stored {
                id: clock::uuid(),
                pool: e.pool.map(|pool| keys.pools[pool]),
                event: Event { start_ms: e.start_ms, end_ms: e.end_ms, tag: e.tag.into(), effect: e.effect },
                title: e.title.into(),
                zone: e.pool.map_or("Europe/Berlin", |pool| world.pools[pool].zone).into(),
                origin: None,
                author: "Priya Nair".into(),
                version: 1,
                updated_ms: 0,
            };
            event::create(conn, &stored).await?;
        }
    }
    Ok(keys)
}

async fn keys_of(conn: &mut PgConnection, world: &World) -> Result<Keys> {
    let pools: BTreeMap<String, i32> =
        pool::list(conn, true).await?.into_iter().map(|p| (p.fields.slug.to_string(), p.key)).collect();
    let tenants: BTreeMap<String, i32> =
        tenant::list(conn, true).await?.into_iter().map(|t| (t.fields.slug.to_string(), t.key)).collect();
    let find = |known: &BTreeMap<String, i32>, slug: &str| {
        known.get(slug).copied().ok_or_else(|| {
            AppError::Conflict(format!(
                "{slug} of the demo world was renamed; start the demo anew with another --data-dir"
            ))
        })
    };
    Ok(Keys {
        pools: world.pools.iter().map(|p| find(&pools, p.slug)).collect::<Result<_>>()?,
        tenants: world.tenants.iter().map(|t| find(&tenants, t.slug)).collect::<Result<_>>()?,
    })
}

/// The last values, so that the first page is not empty until the first live sample.
async fn write_present(conn: &mut PgConnection, world: &World, keys: &Keys, now: Millis) -> Result<()> {
    let at = now - MINUTE_MS;
    let mut values = Vec::new();
    let mut newest = BTreeMap::new();
    for (index, &pool_key) in keys.pools.iter().enumerate() {
        let Some(reading) = world.reading(index, at, MINUTE_MS) else { continue };
        newest.insert(pool_key, now);
        let value = |tenant: i32, occupied: i64, reserved: i64, rejections: i64| Current {
            pool: pool_key,
            tenant,
            at_ms: at,
            duration_ms: small(MINUTE_MS),
            capacity: small(reading.capacity),
            planned_down: 0,
            occupied: small(occupied),
            reserved: small(reserved),
            rejections,
            latency_ms: None,
        };
        let rejected: i64 = reading.tenants.iter().map(|t| t.counters.rejections).sum();
        values.push(value(0, reading.occupied(), reading.reserved(), rejected));
        for t in &reading.tenants {
            values.push(value(keys.tenants[t.tenant as usize - 1], t.occupied, t.reserved, t.counters.rejections));
        }
    }
    current::set(conn, &values).await?;
    history::set_newest(conn, &newest).await?;
    for cut in partition::Cut::ALL {
        partition::ensure(conn, cut, now - DAY_MS, now + DAY_MS).await?;
    }
    Ok(())
}
