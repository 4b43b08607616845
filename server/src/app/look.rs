//! Looking at live pools and servers for what is wrong, and remembering since when.
//!
//! A round costs the same however many pools there are: it looks at some in turn, and first at those that cannot wait, because
//! their owner saw something in its figures or because something is wrong with them. With few pools each is looked at in every
//! round. Events are looked at for all pools at once, and less often; holders that may hold for ever hardly ever.

use super::{Result, pools};
use crate::allocator::{ALIVE_MS, PoolFigures};
use headroom_domain::failure::{
    Hold, Kind, Part, STALLED_AFTER_MS, Severity, Sight, Signs, SlotWork, What, failures, reclaim_goal_ms,
};
use headroom_domain::fairness::{Wish, fair_shares};
use headroom_domain::lease::Mode;
use headroom_domain::{MINUTE_MS, Millis};
use headroom_store::finding::{self, Changes, Finding, Seen};
use headroom_store::owner::{self, Rules};
use headroom_store::pool::{CapacityStep, Pool};
use headroom_store::slot::{self, Endless};
use headroom_store::slot_event::{self, Work};
use headroom_store::tenant::Tenant;
use headroom_store::{live, pool, tenant};
use sqlx::PgConnection;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Pools that a round looks at in turn, and as many that cannot wait.
const POOLS: i64 = 500;
/// Pools whose holders a round looks at.
const HOLDS: i64 = 100;
/// Events are looked at this often.
const EVENTS_EVERY_MS: Millis = 5_000;
/// Holders that may hold for ever are looked at this often.
const HOLDS_EVERY_MS: Millis = 30_000;
/// What was not seen for so long is over: a condition at its limit comes and goes.
const SETTLE_MS: Millis = 5_000;
/// An owner has this long to tell the first figures of a pool that is new here.
const NEW_MS: Millis = 10_000;
/// After all servers were away, the first has this long to look after the pools before they are said to be stalled.
const START_MS: Millis = MINUTE_MS / 2;
/// Work of this time says how slow a slot is.
pub(super) const WORK_MS: Millis = 5 * MINUTE_MS;
/// Changes of capacity and double assignments are looked for in this time.
const UNREST_MS: Millis = 10 * MINUTE_MS;

/// A tracked pool and what its owner told last.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The pool.
    pub pool: Pool,
    /// Its rules.
    pub rules: Rules,
    /// What its owner told last, if it ever did.
    pub figures: Option<PoolFigures>,
    /// How old that is.
    pub age_ms: Option<Millis>,
}

/// The tracked pools of those with some keys, or all of them, by slug.
pub(super) async fn watched(conn: &mut PgConnection, keys: Option<&[i32]>, now: Millis) -> Result<Vec<Watched>> {
    // What a newer server wrote about one pool hides nothing of the others.
    let (rules, unreadable) = owner::readable_rules(conn, keys).await?;
    for (pool, error) in unreadable {
        tracing::debug!(pool, %error, "the rules of a pool cannot be read: nobody looks at it here");
    }
    let mut rules: HashMap<i32, Rules> = rules.into_iter().map(|rules| (rules.pool, rules)).collect();
    let keys: Vec<i32> = rules.keys().copied().collect();
    let mut told: HashMap<i32, (Millis, PoolFigures)> = HashMap::new();
    for (key, at, value) in live::list(conn, Some(&keys)).await? {
        if let Ok(figures) = serde_json::from_value(value) {
            told.insert(key, (at, figures));
        }
    }
    let mut all: Vec<Watched> = Vec::new();
    for pool in pool::by_keys(conn, &keys).await? {
        let Some(rules) = rules.remove(&pool.key) else { continue };
        let (at, figures) = told.remove(&pool.key).map_or((None, None), |(at, figures)| (Some(at), Some(figures)));
        all.push(Watched { pool, rules, figures, age_ms: at.map(|at| (now - at).max(0)) });
    }
    all.sort_by(|a, b| a.pool.fields.slug.cmp(&b.pool.fields.slug));
    Ok(all)
}

/// What a round did.
#[derive(Debug, Default)]
pub struct Looked {
    /// Pools that were looked at.
    pub pools: usize,
    /// Findings that began.
    pub begun: usize,
    /// Findings that were over.
    pub over: usize,
}

/// One round.
pub async fn round(conn: &mut PgConnection) -> Result<Looked> {
    let now = headroom_store::now(conn).await?;
    let mut looked = Looked::default();
    servers(conn, now, &mut looked).await?;
    let mut turn = finding::turn(conn).await?;

    let urgent = in_turn(conn, &mut turn.urgent_after, POOLS, Choice::Urgent).await?;
    let mut keys: BTreeSet<i32> = urgent.into_iter().collect();
    keys.extend(in_turn(conn, &mut turn.after, POOLS, Choice::All).await?);
    let keys: Vec<i32> = keys.into_iter().collect();
    look(conn, &keys, Evidence::of(Sight::Figures), now, &mut looked).await?;
    looked.pools = keys.len();

    if turn.events_at.is_none_or(|at| now - at >= EVENTS_EVERY_MS) {
        let mut evidence = Evidence::of(Sight::Events);
        for work in slot_event::work(conn, None, now - WORK_MS).await? {
            evidence.work.entry(work.pool_id).or_default().push(of_slot(&work));
        }
        for (pool, slot) in slot_event::doubled(conn, None, now - UNREST_MS).await? {
            evidence.doubled.entry(pool).or_default().push(slot.unsigned_abs());
        }
        let known = finding::pools_with(conn, &kinds_of(Sight::Events)).await?;
        let keys: BTreeSet<i32> = evidence.work.keys().chain(evidence.doubled.keys()).copied().chain(known).collect();
        let keys: Vec<i32> = keys.into_iter().collect();
        look(conn, &keys, evidence, now, &mut looked).await?;
        turn.events_at = Some(now);
    }
    if turn.holds_at.is_none_or(|at| now - at >= HOLDS_EVERY_MS) {
        let keys = in_turn(conn, &mut turn.holds_after, HOLDS, Choice::All).await?;
        let endless = slot::held_without_end(conn, &keys).await?;
        look(conn, &keys, Evidence { endless, ..Evidence::of(Sight::Holds) }, now, &mut looked).await?;
        looked.over += finding::end_untracked(conn).await? as usize;
        turn.holds_at = Some(now);
    }
    turn.at = Some(now);
    finding::set_turn(conn, &turn).await?;
    Ok(looked)
}

/// Of which pools the next ones are taken.
#[derive(Debug, Clone, Copy)]
enum Choice {
    All,
    Urgent,
}

/// The next pools after one, and those at the beginning again once the end is reached. Remembers the last one.
async fn in_turn(conn: &mut PgConnection, after: &mut i32, most: i64, choice: Choice) -> Result<Vec<i32>> {
    let next = async |conn: &mut PgConnection, after: i32, most: i64| match choice {
        Choice::All => finding::next_pools(conn, after, most).await,
        Choice::Urgent => finding::next_urgent(conn, after, most).await,
    };
    let mut keys = next(conn, *after, most).await?;
    let left = most - keys.len() as i64;
    let mut last = keys.last().copied().unwrap_or_default();
    if left > 0 {
        let mut again = next(conn, 0, left).await?;
        again.retain(|key| *key <= *after);
        last = again.last().copied().unwrap_or(last);
        keys.extend(again);
    }
    *after = last;
    Ok(keys)
}

fn kinds_of(sight: Sight) -> Vec<Kind> {
    Kind::ALL.iter().copied().filter(|kind| kind.sight() == sight).collect()
}

/// Servers that fell silent, and those of them that are no trouble any more.
async fn servers(conn: &mut PgConnection, now: Millis, looked: &mut Looked) -> Result<()> {
    looked.over += finding::end_lost_servers(conn, now).await? as usize;
    let lost = finding::lost_servers(conn).await?;
    looked.begun += lost.len();
    let begun = lost.into_iter().map(|lost| Seen {
        pool: None,
        subject: lost.replica_id.to_string(),
        severity: if lost.pools > 0 { Severity::Critical } else { Severity::Warning },
        tenants: Vec::new(),
        concerns: Vec::new(),
        since_ms: lost.expired_ms() - ALIVE_MS,
        what: What::ServerLost { pools: lost.pools.unsigned_abs(), server: lost.url },
    });
    let changes = Changes { begun: begun.collect(), ..Changes::default() };
    Ok(finding::apply(conn, &changes, now).await?)
}

/// What was read for a look.
#[derive(Debug)]
struct Evidence {
    sight: Sight,
    /// By pool.
    work: HashMap<i32, Vec<SlotWork>>,
    /// By pool.
    doubled: HashMap<i32, Vec<u32>>,
    endless: Vec<Endless>,
}

impl Evidence {
    fn of(sight: Sight) -> Self {
        Self { sight, work: HashMap::new(), doubled: HashMap::new(), endless: Vec::new() }
    }
}

/// Looks at some pools for what can be seen with this evidence.
async fn look(
    conn: &mut PgConnection,
    keys: &[i32],
    evidence: Evidence,
    now: Millis,
    looked: &mut Looked,
) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let watched = watched(conn, Some(keys), now).await?;
    let signs = signs(conn, &watched, &evidence, now).await?;
    let mut seen = Vec::new();
    for (one, signs) in watched.iter().zip(&signs) {
        seen.extend(seen_in(one, signs, evidence.sight, now));
    }
    let mut open = finding::open(conn, keys).await?;
    open.retain(|finding| finding.seen.what.kind().sight() == evidence.sight);
    // Where Headroom itself was away there are no passes, and nothing is stalled: its first server only has to begin. What was
    // stalled before stays so until there is a pass.
    let is_stalled = |one: &Seen| one.what.kind() == Kind::Stalled;
    if seen.iter().any(is_stalled) && !owner::has_settled(conn, now - START_MS, now - STALLED_AFTER_MS).await? {
        let known: BTreeSet<_> = open.iter().filter(|f| is_stalled(&f.seen)).map(|f| f.seen.pool).collect();
        seen.retain(|one| !is_stalled(one) || known.contains(&one.pool));
    }
    let changes = compare(open, seen, now);
    looked.begun += changes.begun.len();
    looked.over += changes.over.len();
    Ok(finding::apply(conn, &changes, now).await?)
}

/// What is wrong with a pool, of what can be seen so.
fn seen_in(one: &Watched, signs: &Signs, sight: Sight, now: Millis) -> Vec<Seen> {
    let is_new = now - one.rules.changed_ms < NEW_MS;
    let failures = failures(signs)
        .into_iter()
        .filter(|failure| failure.what.kind().sight() == sight)
        .filter(|failure| !(is_new && failure.what == What::Stalled { age_ms: None }));
    let seen = failures.map(|failure| {
        let about = failure.what.tenant();
        let tenants = match failure.what {
            What::Saturated { .. } | What::Refusing { .. } | What::Monopoly { .. } | What::BreakerOpen => {
                let mut hit: Vec<_> = signs.rejected_by_tenant.iter().filter(|(key, _)| Some(**key) != about).collect();
                hit.sort_by_key(|(key, rejected)| (Reverse(**rejected), **key));
                hit.into_iter().map(|(key, _)| *key).collect()
            }
            _ => Vec::new(),
        };
        let present: BTreeSet<i32> = signs.parts.keys().chain(signs.rejected_by_tenant.keys()).copied().collect();
        // A slot is somebody's; whatever else there is about a pool concerns all who use it.
        let concerns = if sight == Sight::Figures { present.into_iter().collect() } else { Vec::new() };
        Seen {
            pool: Some(one.pool.key),
            subject: match failure.what {
                What::Monopoly { tenant, .. } | What::RetryStorm { tenant, .. } => tenant.to_string(),
                _ => String::new(),
            },
            severity: failure.severity,
            tenants,
            concerns,
            since_ms: match failure.what {
                What::Leaked { lag_ms, .. } => now - lag_ms,
                What::Stalled { age_ms: Some(age) } => now - age,
                What::HeldForEver { held_ms, .. } => now - held_ms,
                What::Closed => one.rules.changed_ms,
                _ => now,
            },
            what: failure.what,
        }
    });
    seen.collect()
}

/// What a look changes of what was known.
fn compare(open: Vec<Finding>, seen: Vec<Seen>, now: Millis) -> Changes {
    let id = |seen: &Seen| (seen.pool, seen.what.kind(), seen.subject.clone());
    let mut known: HashMap<_, Finding> = open.into_iter().map(|finding| (id(&finding.seen), finding)).collect();
    let mut changes = Changes::default();
    for seen in seen {
        match known.remove(&id(&seen)) {
            None => changes.begun.push(seen),
            Some(before) => {
                // When it began was said at the first look.
                let seen = Seen { since_ms: before.seen.since_ms, ..seen };
                if before.absent_ms.is_some() || before.seen != seen {
                    changes.changed.push((before.id, seen));
                }
            }
        }
    }
    let mut gone: Vec<Finding> = known.into_values().collect();
    gone.sort_by_key(|finding| finding.id);
    for finding in gone {
        match finding.absent_ms {
            None => changes.absent.push(finding.id),
            Some(at) if now - at >= SETTLE_MS => changes.over.push(finding.id),
            Some(_) => {}
        }
    }
    changes
}

/// The work of a pool's slots.
pub(super) fn slot_work(all: &[Work], pool: i32) -> Vec<SlotWork> {
    all.iter().filter(|work| work.pool_id == pool).map(of_slot).collect()
}

fn of_slot(work: &Work) -> SlotWork {
    SlotWork {
        slot: work.slot.unsigned_abs(),
        p95_ms: work.p95_ms,
        reports: work.reports.unsigned_abs(),
        tenant: work.tenant_id,
        shard: work.shard,
    }
}

/// What tenants hold and what would be fair, of those that hold or want something.
fn parts(figures: &PoolFigures, tenants: &[Tenant]) -> BTreeMap<i32, Part> {
    let active: Vec<&Tenant> = tenants
        .iter()
        .filter(|t| figures.by_tenant.contains_key(&t.key) || figures.rejected_by_tenant.contains_key(&t.key))
        .collect();
    let wishes: Vec<Wish> =
        active.iter().map(|t| Wish { weight: f64::from(t.fields.weight), demand: f64::MAX / 4.0 }).collect();
    let fair = fair_shares(f64::from(figures.capacity), &wishes);
    let held = |key: i32| figures.by_tenant.get(&key).copied().unwrap_or_default();
    active.iter().zip(fair).map(|(t, fair)| (t.key, Part { held: held(t.key), fair })).collect()
}

/// What is known about each pool.
async fn signs(conn: &mut PgConnection, watched: &[Watched], evidence: &Evidence, now: Millis) -> Result<Vec<Signs>> {
    let keys: Vec<i32> = watched.iter().map(|one| one.pool.key).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let tenants = tenant::list(conn, false).await?;
    let steps = pool::capacity(conn, Some(&keys)).await?;
    let mut promised: HashMap<i32, u64> = HashMap::new();
    for ((pool, _), slots) in pools::promised_now(conn, Some(&keys), None, now).await? {
        *promised.entry(pool).or_default() += slots.unsigned_abs();
    }
    let signs = watched.iter().map(|one| {
        let (key, policy, fields) = (one.pool.key, &one.rules.policy, &one.pool.fields);
        let figures = one.figures.clone().unwrap_or_default();
        let reconciler = figures.reconciler;
        let steps = steps.get(&key).map(Vec::as_slice).unwrap_or_default();
        let first = steps.partition_point(|step| step.from_ms <= now - UNREST_MS).saturating_sub(1);
        let past = steps.iter().skip(first).take_while(|step| step.from_ms <= now);
        let endless = evidence.endless.iter().find(|endless| endless.pool_id == key);
        Signs {
            age_ms: one.age_ms,
            pass_ms: one.age_ms.map(|age| age + (figures.at_ms - reconciler.last_pass_ms).max(0)),
            is_closed: one.rules.mode != Mode::Open,
            capacity: figures.capacity,
            held: figures.occupied,
            free: figures.free,
            queued: figures.queued,
            granted_1m: figures.granted_1m,
            rejected_1m: figures.rejected_1m,
            saturated_1m: figures.saturated_1m,
            parts: parts(&figures, &tenants),
            waiting_by_priority: figures.queued_by_priority.iter().map(|(p, n)| (*p, *n as u64)).collect(),
            leaked: reconciler.leaked,
            expired_1m: reconciler.expired_1m + reconciler.dead_1m,
            lag_ms: reconciler.lag_ms,
            reclaim_p95_ms: (reconciler.reclaim.count > 0).then_some(reconciler.reclaim.p95_ms),
            reclaim_goal_ms: Some(reclaim_goal_ms(fields.properties.lifetime, policy.ttl_ms)),
            is_silent_together: reconciler.silent_together,
            is_breaker_open: figures.breaker.as_deref() == Some("open"),
            doubled: evidence.doubled.get(&key).cloned().unwrap_or_default(),
            work: evidence.work.get(&key).cloned().unwrap_or_default(),
            work_goal_ms: policy.work_goal_ms,
            moved_10m: figures.moved_10m,
            capacities: past.map(capacity_of).collect(),
            reserved: promised.get(&key).copied().unwrap_or_default(),
            longest_hold: endless.map(|endless| Hold {
                slot: endless.slot.unsigned_abs(),
                held_ms: now - endless.since_ms(),
                tenant: endless.tenant_id,
                holder: endless.holder.clone(),
            }),
            is_customer_facing: fields.services.iter().any(|service| service.customer_facing),
            has_owner: !fields.owner.is_empty(),
            has_runbook: !fields.runbook_url.is_empty(),
            rejected_by_tenant: figures.rejected_by_tenant,
            held_by_priority: figures.held_by_priority,
        }
    });
    Ok(signs.collect())
}

fn capacity_of(step: &CapacityStep) -> i64 {
    headroom_domain::pool::effective(step.configured.into(), step.planned_down.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(pool: i32, what: What) -> Seen {
        Seen {
            pool: Some(pool),
            subject: String::new(),
            severity: Severity::Warning,
            what,
            tenants: Vec::new(),
            concerns: Vec::new(),
            since_ms: 1_000,
        }
    }

    fn known(id: i64, seen: Seen, absent_ms: Option<Millis>) -> Finding {
        Finding { id, seen, seen_ms: 1_000, absent_ms, over_ms: None }
    }

    #[test]
    fn a_look_begins_changes_misses_and_ends() {
        let queue = |queued| What::Queueing { queued };
        let later = |what| Seen { since_ms: 9_000, ..seen(1, what) };
        let of = |id: i64| Changes { absent: vec![id], ..Changes::default() };
        let cases: Vec<(&str, Vec<Finding>, Vec<Seen>, Changes)> = vec![
            ("nothing", vec![], vec![], Changes::default()),
            ("new", vec![], vec![later(queue(1))], Changes { begun: vec![later(queue(1))], ..Changes::default() }),
            (
                "of another pool",
                vec![known(1, seen(2, queue(1)), Some(8_000))],
                vec![later(queue(1))],
                Changes { begun: vec![later(queue(1))], ..Changes::default() },
            ),
            ("the same", vec![known(1, seen(1, queue(1)), None)], vec![later(queue(1))], Changes::default()),
            (
                "other numbers, and it keeps its beginning",
                vec![known(1, seen(1, queue(1)), None)],
                vec![later(queue(2))],
                Changes { changed: vec![(1, seen(1, queue(2)))], ..Changes::default() },
            ),
            (
                "back again",
                vec![known(1, seen(1, queue(1)), Some(8_000))],
                vec![later(queue(1))],
                Changes { changed: vec![(1, seen(1, queue(1)))], ..Changes::default() },
            ),
            ("missed once", vec![known(1, seen(1, queue(1)), None)], vec![], of(1)),
            (
                "missed for a while",
                vec![known(1, seen(1, queue(1)), Some(9_000 - SETTLE_MS + 1))],
                vec![],
                Changes::default(),
            ),
            (
                "missed for long",
                vec![known(1, seen(1, queue(1)), Some(9_000 - SETTLE_MS))],
                vec![],
                Changes { over: vec![1], ..Changes::default() },
            ),
        ];
        for (name, open, seen, expected) in cases {
            assert_eq!(compare(open, seen, 9_000), expected, "{name}");
        }
    }

    #[test]
    fn tenants_are_told_apart() {
        let storm = |tenant: i32| Seen {
            subject: tenant.to_string(),
            ..seen(1, What::RetryStorm { tenant, rejected_1m: 300 })
        };
        let changes = compare(vec![known(1, storm(7), None)], vec![storm(8)], 9_000);
        assert_eq!(changes, Changes { begun: vec![storm(8)], absent: vec![1], ..Changes::default() });
    }
}
