//! One import under way: its lock, its pieces, its last transaction.

use super::progress::Watched;
use super::{ImportError, Report, Result};
use crate::clock;
use crate::ingest::coverage::Coverage;
use headroom_domain::accumulate::Accumulated;
use headroom_domain::pool::{PoolKind, Properties};
use headroom_domain::slug::Slug;
use headroom_domain::{HOUR_MS, MINUTE_MS, Millis};
use headroom_store::history::Written;
use headroom_store::import::{Import, Noun};
use headroom_store::pool::{CapacityStep, PoolFields};
use headroom_store::{history, import, pool, signal};
use serde_json::Value;
use sqlx::{Connection, PgConnection, PgPool};
use std::collections::BTreeMap;
use std::time::Duration;

/// Hour blocks (5 kB each) that are gathered before they are written: about 45 MB. Where writing in
/// the middle of a day or hour would cost more, up to [`MOST_BLOCKS_PER_PIECE`].
pub(super) const BLOCKS_PER_PIECE: usize = 8_192;
/// See [`BLOCKS_PER_PIECE`]: a day of 1,200 series, or an hour of 60,000, at most 350 MB.
pub(super) const MOST_BLOCKS_PER_PIECE: usize = 64_000;
/// How often, and how far apart, the lock is asked for: a process that was killed a moment ago
/// may not have let go of it yet.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(150);

/// Capacity that an import states for a pool.
pub(super) const ACTOR: &str = "import";

/// A pool that does not exist yet.
#[derive(Debug, Clone)]
pub(super) struct NewPool {
    pub(super) key: i32,
    pub(super) fields: PoolFields,
}

/// A tenant that does not exist yet.
#[derive(Debug, Clone)]
pub(super) struct NewTenant {
    pub(super) key: i32,
    pub(super) slug: Slug,
    pub(super) name: String,
}

/// An extra signal that a pool does not have yet.
#[derive(Debug, Clone)]
pub(super) struct NewSignal {
    pub(super) pool: i32,
    pub(super) number: i16,
    pub(super) name: String,
}

/// What an import covers of one pool.
#[derive(Debug, Clone)]
pub(super) struct Covered {
    pub(super) pool: i32,
    pub(super) slug: String,
    pub(super) coverage: Coverage,
    /// Capacity steps that it states: (from, configured, planned-down).
    pub(super) steps: Vec<(Millis, i32, i32)>,
}

/// What the last transaction makes and checks.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) pools: Vec<NewPool>,
    pub(super) tenants: Vec<NewTenant>,
    pub(super) signals: Vec<NewSignal>,
    pub(super) covered: Vec<Covered>,
}

/// A piece of history with how far it brings the import.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) acc: Accumulated,
    pub(super) bytes_done: u64,
    pub(super) rows_done: u64,
    pub(super) rows_bad: u64,
    pub(super) resume: Option<Value>,
}

/// What became of the wish to import.
pub(super) enum Begun {
    /// It was imported before.
    Done(Report),
    /// It is ours to do.
    Running(Run),
}

/// An import under way. Its connection is its own: when the process or the task ends, it closes, and
/// with it goes the lock.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) conn: PgConnection,
    pub(super) import: Import,
    written: Written,
    watched: Watched,
}

/// What was imported before, if this was.
pub(super) async fn find_done(db: &PgPool, content_key: &str) -> Result<Option<Report>> {
    let found = import::find(&mut *db.acquire().await?, content_key).await?;
    Ok(found.filter(Import::is_done).map(|found| report_of(&found)))
}

fn report_of(import: &Import) -> Report {
    let summary = import.summary.clone().unwrap_or_default();
    let report: Report = serde_json::from_value(summary).unwrap_or_default();
    Report { already_done: true, part: Some(import.part), ..report }
}

/// Starts an import, takes up one that was left half-way, or finds it done.
pub(super) async fn begin(
    db: &PgPool,
    kind: &'static str,
    content_key: &str,
    source_name: &str,
    watched: &Watched,
) -> Result<Begun> {
    let mut conn = db.acquire().await?.detach();
    import::long_work(&mut conn).await?;
    for _ in 0..LOCK_TRIES {
        let import = import::begin(&mut conn, kind, content_key, source_name).await?;
        if import.is_done() {
            return Ok(Begun::Done(report_of(&import)));
        }
        if import::try_lock(&mut conn, import.part).await? {
            // What was read before the lock may have changed before it was ours.
            match import::find(&mut conn, content_key).await? {
                Some(import) if import.is_done() => return Ok(Begun::Done(report_of(&import))),
                Some(import) => {
                    let written = Written::load(&mut conn, import.part).await?;
                    import::go_on(&mut conn, import.part).await?;
                    return Ok(Begun::Running(Run { conn, import, written, watched: watched.clone() }));
                }
                None => import::unlock(&mut conn, import.part).await?,
            }
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    let part = import::find(&mut conn, content_key).await?.map_or(0, |import| import.part);
    Err(ImportError::Busy { part })
}

/// Takes the lock of a part. One that ended a moment ago may hold it until PostgreSQL has seen that its
/// connection is closed, so it is tried for a while.
pub(super) async fn lock_patiently(conn: &mut PgConnection, part: i32) -> Result<bool> {
    for _ in 0..LOCK_TRIES {
        if import::try_lock(conn, part).await? {
            return Ok(true);
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Ok(false)
}

impl Run {
    /// Forgets what an earlier, unfinished try wrote.
    pub(super) async fn start_anew(&mut self) -> Result<()> {
        let mut tx = self.conn.begin().await?;
        history::remove_part(&mut tx, self.import.part).await?;
        import::progress(&mut tx, self.import.part, 0, 0, 0, None).await?;
        tx.commit().await?;
        self.written = Written::default();
        Ok(())
    }

    /// Keys for what will be made when the import is done.
    pub(super) async fn reserve(&mut self, noun: Noun, count: usize) -> Result<Vec<i32>> {
        Ok(import::reserve_keys(&mut self.conn, noun, count as i32).await?)
    }

    /// Writes a piece.
    pub(super) async fn write(&mut self, piece: Piece) -> Result<()> {
        let mut tx = self.conn.begin().await?;
        history::append(&mut tx, self.import.part, piece.acc, &mut self.written).await?;
        import::progress(
            &mut tx,
            self.import.part,
            piece.bytes_done as i64,
            piece.rows_done as i64,
            piece.rows_bad as i64,
            piece.resume.as_ref(),
        )
        .await?;
        let at = self.watched.now();
        let stopped = import::phase(&mut tx, self.import.part, at.what, at.done as i64, at.total as i64).await?;
        tx.commit().await?;
        match stopped {
            Some(by) => Err(ImportError::Cancelled { part: self.import.part, by }),
            None => Ok(()),
        }
    }

    /// The last transaction: makes pools, tenants and signals, checks that no other history covers the
    /// same time, and makes the import visible.
    pub(super) async fn finish(&mut self, outcome: Outcome, report: &mut Report) -> Result<()> {
        let part = self.import.part;
        let mut tx = self.conn.begin().await?;
        import::make_durable(&mut tx).await?;
        import::lock_finish(&mut tx).await?;
        let mut moved: BTreeMap<i32, i32> = BTreeMap::new();
        for new in &outcome.pools {
            let key = import::make_pool(&mut tx, part, new.key, clock::uuid(), &new.fields).await?;
            moved.insert(new.key, key);
        }
        let tenants: Vec<_> =
            outcome.tenants.iter().map(|t| (t.key, clock::uuid(), t.slug.clone(), t.name.clone())).collect();
        if !tenants.is_empty() {
            import::make_tenants(&mut tx, part, &tenants).await?;
        }
        for new in &outcome.signals {
            let pool = moved.get(&new.pool).copied().unwrap_or(new.pool);
            let number = signal::ensure(&mut tx, pool, &new.name, "", "gauge").await?;
            if number != new.number {
                let name = &new.name;
                return Err(ImportError::Unusable(format!(
                    "the extra signals of a pool changed while {name} was read; repeat the import"
                )));
            }
        }
        let mut newest = BTreeMap::new();
        for covered in &outcome.covered {
            let key = moved.get(&covered.pool).copied().unwrap_or(covered.pool);
            check_overlap(&mut tx, Some(part), key, covered).await?;
            let known = pool::capacity(&mut tx, Some(&[key])).await?.remove(&key).unwrap_or_default();
            for (from_ms, configured, planned_down) in &covered.steps {
                // What people stated stays: a file only fills in what nobody said.
                if pool::step_at(&known, *from_ms).is_none() {
                    let step = CapacityStep {
                        from_ms: *from_ms,
                        configured: *configured,
                        planned_down: *planned_down,
                        reason: "stated by the imported file".into(),
                        actor: ACTOR.into(),
                    };
                    pool::set_capacity(&mut tx, key, &step).await?;
                }
            }
            if let Some((_, to)) = covered.coverage.span() {
                newest.insert(key, to);
            }
        }
        history::set_newest(&mut tx, &newest).await?;
        report.part = Some(part);
        let summary = serde_json::to_value(&*report).unwrap_or_default();
        import::finish(&mut tx, part, report.rows as i64, report.rejected.total as i64, &summary).await?;
        tx.commit().await?;
        import::unlock(&mut self.conn, part).await?;
        Ok(())
    }

    /// Clears up after an import that failed: nothing is left, unless the database is away or somebody told it to stop, which
    /// will be where it goes on.
    pub(super) async fn give_up(mut self, error: &ImportError) {
        let resumable = match error {
            ImportError::Store(error) => error.is_unavailable(),
            ImportError::Cancelled { .. } => true,
            _ => false,
        };
        if resumable {
            return;
        }
        let cleared = async {
            let mut tx = self.conn.begin().await?;
            import::remove(&mut tx, self.import.part).await?;
            tx.commit().await?;
            import::unlock(&mut self.conn, self.import.part).await?;
            Result::<()>::Ok(())
        };
        if let Err(problem) = cleared.await {
            tracing::warn!(part = self.import.part, %problem, "an import that failed could not be cleared up; it is not visible, undo removes it");
        }
    }
}

/// Hours whose minutes are looked at in one go.
const HOURS_AT_ONCE: usize = 1_000;

/// Whether other history covers time that this import covers, to the minute: two that meet within a
/// minute share it.
pub(super) async fn check_overlap(
    conn: &mut PgConnection,
    part: Option<i32>,
    pool: i32,
    covered: &Covered,
) -> Result<()> {
    let Some((from, to)) = covered.coverage.span() else { return Ok(()) };
    let observed = import::observed_elsewhere(&mut *conn, part, pool, from, to).await?;
    let mut shared: Vec<(Millis, i32)> = Vec::new();
    let mut doubtful: Vec<(Millis, i32)> = Vec::new();
    for (hour, observed_ms, other) in observed {
        let mine_ms = covered.coverage.within(hour, hour + HOUR_MS);
        if mine_ms + observed_ms > HOUR_MS {
            shared.push((hour, other));
        } else if mine_ms > 0 {
            doubtful.push((hour, other));
        }
    }
    for some in doubtful.chunks(HOURS_AT_ONCE) {
        let hours: Vec<Millis> = some.iter().map(|(hour, _)| *hour).collect();
        let minutes = import::minutes_elsewhere(&mut *conn, part, pool, &hours).await?;
        for (hour, other) in some {
            let apart = minutes.iter().find(|(at, by, _)| (at, by) == (hour, other)).is_some_and(|(.., observed)| {
                let starts = (0..).map(|minute| hour + minute * MINUTE_MS);
                starts
                    .zip(observed)
                    .all(|(at, observed_ms)| covered.coverage.within(at, at + MINUTE_MS) + observed_ms <= MINUTE_MS)
            });
            // Where its minutes are gone nobody can tell, and history is not counted twice on a guess.
            if !apart {
                shared.push((*hour, *other));
            }
        }
    }
    shared.sort_unstable();
    let Some(&(from_ms, other)) = shared.first() else { return Ok(()) };
    let mut to_ms = from_ms + HOUR_MS;
    while shared.binary_search(&(to_ms, other)).is_ok() {
        to_ms += HOUR_MS;
    }
    let by = if other == history::LIVE {
        "live samples".to_owned()
    } else {
        let name = import::name_of(conn, other).await?.unwrap_or_default();
        format!("import {other} ({name})")
    };
    Err(ImportError::Overlap { pool: covered.slug.clone(), from_ms, to_ms, by })
}

/// A pool that an import makes: nothing is known about it but its name and zone.
pub(super) fn plain_pool(slug: Slug, name: String, zone: String) -> PoolFields {
    PoolFields {
        slug,
        name,
        description: String::new(),
        kind: PoolKind::Fixed,
        properties: Properties::default(),
        min_slots: None,
        max_slots: None,
        unit_cost_micros: None,
        owner: String::new(),
        runbook_url: String::new(),
        labels: BTreeMap::new(),
        services: Vec::new(),
        zone,
        region: None,
        stamp: None,
        feed_period_ms: None,
        // Imported history is kept unless told otherwise.
        retention_days: None,
    }
}
