//! `import intervals`: who held how many slots from when to when, of any number of pools.

use super::input::{Input, Source};
use super::progress::Watched;
use super::run::{self, BLOCKS_PER_PIECE, Begun, Piece, Run};
use super::swf::MAX_TENANTS;
use super::world::{Create, PoolState, Resume, World};
use super::{End, ImportError, Progress, Report, Result};
use crate::ingest::intervals::{self, END, POOL, SLOTS, START, TENANT};
use crate::ingest::report::{LineErrors, Wrong};
use crate::ingest::sweep::{Interval, MAX_SPAN_MS, Swept, sweep};
use crate::ingest::swf::MAX_INTERVALS;
use crate::ingest::table::{Format, Table};
use headroom_domain::accumulate::Accumulator;
use headroom_domain::pool::effective;
use headroom_domain::range::rfc3339;
use headroom_domain::slug::Slug;
use headroom_domain::tenant::OTHERS;
use headroom_domain::{DAY_MS, EARLIEST_MS, LATEST_MS, MAX_SLOTS, MINUTE_MS, Millis};
use sqlx::PgPool;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::mpsc;

/// How intervals are imported.
#[derive(Debug, Clone)]
pub struct IntervalsOptions {
    /// The pool of all rows, for files without a `pool` column.
    pub pool: Option<String>,
    /// How many tenants are told apart, the largest by slot-time; the rest is `others`.
    pub tenants: usize,
    /// Slots of pools whose capacity is not known when their first interval starts.
    pub capacity: Option<i64>,
    /// How rows are written; without it the first byte tells.
    pub format: Option<Format>,
    /// Make pools that do not exist.
    pub create_pools: bool,
    /// Make tenants that do not exist.
    pub create_tenants: bool,
    /// Where the last interval is to end, by whole minutes; without it at its own time.
    pub end: Option<End>,
    /// Leave wrong lines out instead of refusing the file.
    pub skip_bad_lines: bool,
    /// Check and count, write nothing.
    pub dry_run: bool,
}

impl Default for IntervalsOptions {
    fn default() -> Self {
        Self {
            pool: None,
            tenants: 1000,
            capacity: None,
            format: None,
            create_pools: false,
            create_tenants: false,
            end: None,
            skip_bad_lines: false,
            dry_run: false,
        }
    }
}

impl IntervalsOptions {
    /// The options that shape the result, as text for the content key.
    fn shape(&self) -> String {
        let Self {
            pool,
            tenants,
            capacity,
            format,
            end,
            skip_bad_lines,
            create_pools: _,
            create_tenants: _,
            dry_run: _,
        } = self;
        format!("{pool:?} {tenants} {capacity:?} {format:?} {end:?} {skip_bad_lines}")
    }

    fn check(&self) -> Result<()> {
        let unusable = |text: String| Err(ImportError::Unusable(text));
        if !(1..=MAX_TENANTS).contains(&self.tenants) {
            return unusable(format!("--tenants is {}, expected 1 to {MAX_TENANTS}", self.tenants));
        }
        if let Some(capacity) = self.capacity.filter(|c| !(0..=MAX_SLOTS).contains(c)) {
            return unusable(format!("--capacity is {capacity}, expected 0 to {MAX_SLOTS} slots"));
        }
        if let Some(pool) = &self.pool {
            Slug::parse(pool).map_err(|e| ImportError::Unusable(format!("--pool is {pool:?}, which {e}")))?;
        }
        Ok(())
    }
}

/// Imports intervals. Each pool is observed from its first start to its last end; an interval counts as
/// a claim in the minute in which it starts.
pub async fn import_intervals(
    db: &PgPool,
    source: Source,
    options: &IntervalsOptions,
    progress: &Arc<dyn Progress>,
) -> Result<Report> {
    let watched = Watched::over(progress);
    let progress: &Arc<dyn Progress> = &(Arc::new(watched.clone()) as Arc<dyn Progress>);
    options.check()?;
    let input = {
        let (progress, name) = (Arc::clone(progress), source.name().to_owned());
        let work = tokio::task::spawn_blocking(move || Input::open(source, &*progress));
        work.await.map_err(|e| ImportError::Worker(format!("{name}: {e}")))??
    };
    let key = input.content_key("intervals", &options.shape());
    if let Some(done) = run::find_done(db, &key).await? {
        return Ok(done);
    }
    let create = Create { pools: options.create_pools, tenants: options.create_tenants };
    let world = World::load(db, create, Resume::default(), options.dry_run).await?;
    let now_ms = headroom_store::now(&mut *db.acquire().await?).await?;
    let (name, size) = (input.name.clone(), input.size);
    let plan = {
        let (options, progress) = (options.clone(), Arc::clone(progress));
        let work = tokio::task::spawn_blocking(move || {
            progress.stage("reading", input.size);
            let plan = Plan::read(&input, world, &options, now_ms, &*progress);
            progress.end();
            plan
        });
        work.await.map_err(|e| ImportError::Worker(e.to_string()))??
    };
    if options.dry_run {
        let (report, world) = work_through(plan, None, size, progress).await?;
        let mut conn = db.acquire().await?;
        for covered in &world.into_outcome().covered {
            run::check_overlap(&mut conn, None, covered.pool, covered).await?;
        }
        return Ok(Report { dry_run: true, ..report });
    }
    let mut run = match run::begin(db, "intervals", &key, &name, &watched).await? {
        Begun::Done(report) => return Ok(report),
        Begun::Running(run) => run,
    };
    match store(&mut run, plan, size, progress).await {
        Ok(report) => Ok(report),
        Err(error) => {
            run.give_up(&error).await;
            Err(error)
        }
    }
}

async fn store(run: &mut Run, plan: Plan, size: u64, progress: &Arc<dyn Progress>) -> Result<Report> {
    run.start_anew().await?;
    let (mut report, world) = work_through(plan, Some(&mut *run), size, progress).await?;
    run.finish(world.into_outcome(), &mut report).await?;
    Ok(report)
}

/// Sweeps pool by pool on a worker thread and, with a run, writes the pieces here.
async fn work_through(
    plan: Plan,
    mut run: Option<&mut Run>,
    size: u64,
    progress: &Arc<dyn Progress>,
) -> Result<(Report, World)> {
    let (pieces, mut written) = mpsc::channel::<Piece>(1);
    let intervals = plan.report.jobs.max(1);
    let worker = tokio::task::spawn_blocking(move || plan.sweep(&pieces));
    progress.stage("storing", size);
    let mut stored = Ok(());
    while let Some(piece) = written.recv().await {
        let done = piece.rows_done;
        if let Some(run) = run.as_deref_mut() {
            stored = run.write(piece).await;
        }
        if stored.is_err() {
            break;
        }
        progress.at((size as f64 * (done as f64 / intervals as f64).min(1.0)) as u64);
    }
    progress.end();
    drop(written);
    let swept = worker.await.map_err(|e| ImportError::Worker(e.to_string()))?;
    // When writing failed, that is why sweeping stopped.
    stored?;
    swept
}

/// A file with everything decided, before anything is written.
struct Plan {
    world: World,
    /// Intervals by pool, sorted by start.
    pools: BTreeMap<usize, Vec<Interval>>,
    /// Whether the file itself says what was promised.
    states_promises: bool,
    capacity: Option<i64>,
    report: Report,
}

impl Plan {
    fn read(
        input: &Input,
        mut world: World,
        options: &IntervalsOptions,
        now_ms: Millis,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let mut table =
            Table::open(input.lines()?, intervals::columns(), options.format).map_err(|e| input.failed(e))?;
        check_columns(&table, &input.name, options)?;
        let given = options.pool.clone().unwrap_or_default();
        let mut names = TenantNames::default();
        let mut report = Report::default();
        let mut wrong = LineErrors::default();
        let mut pools: BTreeMap<usize, Vec<Interval>> = BTreeMap::new();
        let mut states_promises = false;
        while let Some(next) = table.next_row().map_err(|e| input.failed(e))? {
            report.rows += 1;
            if report.rows % 8192 == 0 {
                progress.at(input.position());
            }
            let line = next.line;
            let row = match next.row {
                Ok(row) => row,
                Err(problem) => {
                    wrong.push(problem.on(line));
                    continue;
                }
            };
            let values = match intervals::values(&row) {
                Ok(Some(values)) => values,
                Ok(None) => {
                    report.skipped += 1;
                    continue;
                }
                Err(problem) => {
                    wrong.push(problem.on(line));
                    continue;
                }
            };
            let pool = if row.cell(POOL).is_empty() { given.as_bytes() } else { row.cell(POOL) };
            let pool = match world.pool(pool)? {
                Ok(pool) => pool,
                Err(problem) => {
                    wrong.push(problem.on(line));
                    continue;
                }
            };
            if row.cell(TENANT).is_empty() {
                wrong.push(Wrong::new("tenant", b"", "the slug of a tenant").on(line));
                continue;
            }
            if report.jobs as usize == MAX_INTERVALS {
                return Err(ImportError::Unusable(format!(
                    "line {line}: this is interval {}, one import takes at most {MAX_INTERVALS}; split the file by time",
                    MAX_INTERVALS + 1
                )));
            }
            report.jobs += 1;
            states_promises |= values.reserved.is_some();
            let tenant = names.place(row.cell(TENANT), line, values.slots * (values.end - values.start));
            pools.entry(pool).or_default().push(Interval {
                start: values.start,
                end: values.end,
                tenant,
                occupied: values.slots,
                reserved: values.reserved.unwrap_or(0),
                wait_ms: (values.slots > 0).then(|| values.submit.map_or(0, |submit| values.start - submit)),
            });
        }
        let keys = names.resolve(&mut world, options.tenants, &mut wrong)?;
        if !wrong.is_empty() && !options.skip_bad_lines {
            return Err(ImportError::Lines { name: input.name.clone(), errors: wrong });
        }
        for intervals in pools.values_mut() {
            intervals.retain_mut(|interval| match keys[interval.tenant as usize] {
                Some(key) => {
                    interval.tenant = key;
                    true
                }
                None => false,
            });
            intervals.sort_unstable_by_key(|i| i.start);
        }
        pools.retain(|_, intervals| !intervals.is_empty());
        report.jobs = pools.values().map(|intervals| intervals.len() as u64).sum();
        let mut used: Vec<i32> = keys.into_iter().flatten().collect();
        used.sort_unstable();
        used.dedup();
        report.tenants = used.len() as u64;
        report.rejected = wrong;
        let Some(last) = pools.values().flatten().map(|i| i.end).max() else {
            return Err(ImportError::Unusable(format!("{} has no interval in which slots were held", input.name)));
        };
        if let Some(end) = options.end {
            let end = match end {
                End::Now => now_ms,
                End::At(at) => at,
            };
            shift(&mut pools, (end - last).div_euclid(MINUTE_MS) * MINUTE_MS)?;
        }
        Ok(Self { world, pools, states_promises, capacity: options.capacity, report })
    }

    fn sweep(mut self, pieces: &mpsc::Sender<Piece>) -> Result<(Report, World)> {
        let mut acc = Accumulator::default();
        let mut done = 0;
        let mut above: Vec<String> = Vec::new();
        let send = |acc: &mut Accumulator, done: u64| {
            let piece = Piece { acc: acc.take(), bytes_done: 0, rows_done: done, rows_bad: 0, resume: None };
            pieces.blocking_send(piece).map_err(|_| ImportError::Worker("nobody takes its pieces".into()))
        };
        for (pool, mut intervals) in std::mem::take(&mut self.pools) {
            let from = intervals[0].start;
            let to = intervals.iter().map(|i| i.end).max().unwrap_or(from);
            if to - from > MAX_SPAN_MS {
                return Err(ImportError::Unusable(format!(
                    "the intervals of pool {} reach from {} to {}, at most {} days are taken; is a line damaged?",
                    self.world.pools[pool].slug,
                    rfc3339(from),
                    rfc3339(to),
                    MAX_SPAN_MS / DAY_MS
                )));
            }
            let steps = capacity_steps(&mut self.world, pool, from, self.capacity)?;
            let count = intervals.len() as u64;
            let state = &mut self.world.pools[pool];
            if !self.states_promises {
                add_promises(state, (from, to), &mut intervals);
            }
            let Swept { peak, above_capacity_ms } =
                sweep(state.key, &intervals, (from, to), &steps, &mut acc, |acc| {
                    if acc.blocks() >= BLOCKS_PER_PIECE { send(acc, done) } else { Ok(()) }
                })?;
            done += count;
            state
                .coverage
                .add(from, to)
                .map_err(|_| ImportError::Unusable(format!("pool {} occurs twice", state.slug)))?;
            if above_capacity_ms > 0 {
                above.push(format!("{} ({peak} slots at the peak)", state.slug));
            }
            self.report.names(&state.slug);
            self.report.covers(from, to);
            self.report.peak = self.report.peak.max(peak);
        }
        send(&mut acc, done)?;
        if !above.is_empty() {
            const NAMED: usize = 5;
            let more =
                if above.len() > NAMED { format!(" and {} more pools", above.len() - NAMED) } else { String::new() };
            above.truncate(NAMED);
            self.report.warnings.push(format!(
                "more slots were held at once than there are in {}{more}; kept as it is",
                above.join(", ")
            ));
        }
        Ok((self.report, self.world))
    }
}

fn check_columns(table: &Table, name: &str, options: &IntervalsOptions) -> Result<()> {
    let mut missing = Vec::new();
    if options.pool.is_none() && !table.has(POOL) {
        missing.push("pool (or --pool)");
    }
    for (at, name) in [(TENANT, "tenant"), (SLOTS, "slots")] {
        if !table.has(at) {
            missing.push(name);
        }
    }
    for (first, name) in [(START, "start (or start_s, start_ms)"), (END, "end (or end_s, end_ms)")] {
        if !(first..first + 3).any(|at| table.has(at)) {
            missing.push(name);
        }
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(ImportError::Unusable(format!("{name} has no column {}", missing.join(" and no column "))))
    }
}

fn shift(pools: &mut BTreeMap<usize, Vec<Interval>>, by: Millis) -> Result<()> {
    for interval in pools.values_mut().flatten() {
        interval.start += by;
        interval.end += by;
        if interval.start < EARLIEST_MS || interval.end > LATEST_MS {
            let (from, to) = (rfc3339(interval.start), rfc3339(interval.end));
            return Err(ImportError::Unusable(format!(
                "--end moves an interval to {from} to {to}, expected 1970-01-01 to 2200-01-01"
            )));
        }
    }
    Ok(())
}

/// Effective capacity of a pool from an instant on.
fn capacity_steps(world: &mut World, pool: usize, from: Millis, stated: Option<i64>) -> Result<Vec<(Millis, i64)>> {
    let state = &world.pools[pool];
    let mut steps: Vec<(Millis, i64)> =
        state.known.capacity.iter().map(|(at, slots, down)| (*at, effective(*slots, *down))).collect();
    if state.known.capacity_at(from).is_none() {
        let Some(slots) = stated else {
            return Err(ImportError::Unusable(format!(
                "the capacity of pool {} is not known at {}; set it for that time, or state it with --capacity",
                state.slug,
                rfc3339(from)
            )));
        };
        steps.insert(0, (from, slots));
        world.note_capacity(pool, from, slots, 0);
    }
    Ok(steps)
}

/// Adds the reservations that are known as promises without use.
fn add_promises(state: &PoolState, (from, to): (Millis, Millis), intervals: &mut Vec<Interval>) {
    if state.known.promises.is_empty() {
        return;
    }
    for (start, end, held) in state.known.promises.within(from, to) {
        for (tenant, reserved) in held {
            intervals.push(Interval { start, end, tenant: *tenant, occupied: 0, reserved: *reserved, wait_ms: None });
        }
    }
    intervals.sort_unstable_by_key(|i| i.start);
}

/// Tenants as the file names them, with what they used.
#[derive(Default)]
struct TenantNames {
    places: HashMap<Box<[u8]>, i32>,
    list: Vec<(Box<[u8]>, u64, i128)>,
}

impl TenantNames {
    fn place(&mut self, name: &[u8], line: u64, slot_ms: i64) -> i32 {
        let place = match self.places.get(name) {
            Some(place) => *place,
            None => {
                let place = self.list.len() as i32;
                self.places.insert(name.into(), place);
                self.list.push((name.into(), line, 0));
                place
            }
        };
        self.list[place as usize].2 += i128::from(slot_ms);
        place
    }

    /// Keys by place; of the largest their own, of the rest that of `others`. `None` = its lines are wrong.
    fn resolve(self, world: &mut World, most: usize, wrong: &mut LineErrors) -> Result<Vec<Option<i32>>> {
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        order.sort_by(|a, b| (-self.list[*a].2, &self.list[*a].0).cmp(&(-self.list[*b].2, &self.list[*b].0)));
        let mut keys = vec![None; self.list.len()];
        for (rank, place) in order.into_iter().enumerate() {
            let (name, line, _) = &self.list[place];
            let name: &[u8] = if rank < most { name } else { OTHERS.as_bytes() };
            match world.tenant(name)? {
                Ok(key) => keys[place] = Some(key),
                Err(problem) => wrong.push(problem.on(*line)),
            }
        }
        Ok(keys)
    }
}
