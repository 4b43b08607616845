//! `import occupancy`: samples from a file, CSV or NDJSON.
//!
//! One thread reads and adds up, another packs and writes. A repeated call after a kill reads the file
//! from the start, which rebuilds all that was in memory, and writes from where the last piece ended.

use super::input::{Input, Source};
use super::progress::Watched;
use super::run::{self, BLOCKS_PER_PIECE, Begun, MOST_BLOCKS_PER_PIECE, Piece, Run};
use super::world::{Create, Resume, World};
use super::{End, ImportError, Progress, Report, Result};
use crate::ingest::aggregate::{Grouped, QUEUED_SIGNAL, Sample};
use crate::ingest::cells;
use crate::ingest::occupancy::{self, OCCUPIED, POOL, TENANT, TS, TS_MS, TS_S};
use crate::ingest::report::{LineErrors, Wrong};
use crate::ingest::table::{Columns, Format, Row, Table};
use headroom_domain::accumulate::Accumulator;
use headroom_domain::range::rfc3339;
use headroom_domain::slug::Slug;
use headroom_domain::{DAY_MS, EARLIEST_MS, HOUR_MS, LATEST_MS, MINUTE_MS, Millis};
use sqlx::PgPool;
use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Rows of one instant that are gathered at most.
const MAX_ROWS_OF_AN_INSTANT: usize = 2_000_000;
/// Stretches of time of one pool, with gaps between them, that are remembered at most.
const MAX_STRETCHES_OF_A_POOL: usize = 4_000_000;
/// Wrong lines after which nothing more is looked at.
const MAX_WRONG: u64 = 100_000;
/// Pools named in a warning.
const POOLS_NAMED: usize = 5;

/// How samples are imported.
#[derive(Debug, Clone)]
pub struct OccupancyOptions {
    /// The pool of all rows, for files without a `pool` column.
    pub pool: Option<String>,
    /// How long a row holds that does not say so itself.
    pub step_ms: Millis,
    /// How rows are written; without it the first byte tells.
    pub format: Option<Format>,
    /// Make pools that do not exist.
    pub create_pools: bool,
    /// Make tenants that do not exist.
    pub create_tenants: bool,
    /// Where the samples are to end, by whole minutes; without it at their own time.
    pub end: Option<End>,
    /// Leave wrong lines out instead of refusing the file.
    pub skip_bad_lines: bool,
    /// Check and count, write nothing.
    pub dry_run: bool,
}

impl Default for OccupancyOptions {
    fn default() -> Self {
        Self {
            pool: None,
            step_ms: MINUTE_MS,
            format: None,
            create_pools: false,
            create_tenants: false,
            end: None,
            skip_bad_lines: false,
            dry_run: false,
        }
    }
}

impl OccupancyOptions {
    /// The options that shape the result, as text for the content key.
    fn shape(&self) -> String {
        let Self { pool, step_ms, format, end, skip_bad_lines, create_pools: _, create_tenants: _, dry_run: _ } = self;
        format!("{pool:?} {step_ms} {format:?} {end:?} {skip_bad_lines}")
    }

    fn check(&self) -> Result<()> {
        if !(1..=cells::MAX_DURATION_MS).contains(&self.step_ms) {
            let step_ms = self.step_ms;
            return Err(ImportError::Unusable(format!(
                "--step is {step_ms} ms, expected 1 ms to {} ms",
                cells::MAX_DURATION_MS
            )));
        }
        if let Some(pool) = &self.pool {
            Slug::parse(pool).map_err(|e| ImportError::Unusable(format!("--pool is {pool:?}, which {e}")))?;
        }
        Ok(())
    }
}

/// Imports samples. A row covers `[ts, ts + duration)` and nothing else; rows of one pool and time
/// follow one another in the file.
pub async fn import_occupancy(
    db: &PgPool,
    source: Source,
    options: &OccupancyOptions,
    progress: &Arc<dyn Progress>,
) -> Result<Report> {
    let watched = Watched::over(progress);
    let progress: &Arc<dyn Progress> = &(Arc::new(watched.clone()) as Arc<dyn Progress>);
    options.check()?;
    let input = {
        let (progress, name) = (Arc::clone(progress), source.name().to_owned());
        let work = tokio::task::spawn_blocking(move || Input::open(source, &*progress));
        Arc::new(work.await.map_err(|e| ImportError::Worker(format!("{name}: {e}")))??)
    };
    let key = input.content_key("occupancy", &options.shape());
    if let Some(done) = run::find_done(db, &key).await? {
        return Ok(done);
    }
    if options.dry_run {
        let read = read(db, &input, options, None, progress).await?;
        let Read { report, world } = read;
        let outcome = world.into_outcome();
        let mut conn = db.acquire().await?;
        for covered in &outcome.covered {
            run::check_overlap(&mut conn, None, covered.pool, covered).await?;
        }
        return Ok(Report { dry_run: true, ..report });
    }
    // What cannot be a table is refused before anything is begun.
    open(&input, options)?;
    let mut run = match run::begin(db, "occupancy", &key, &input.name, &watched).await? {
        Begun::Done(report) => return Ok(report),
        Begun::Running(run) => run,
    };
    match store(db, &mut run, &input, options, progress).await {
        Ok(report) => Ok(report),
        Err(error) => {
            run.give_up(&error).await;
            Err(error)
        }
    }
}

async fn store(
    db: &PgPool,
    run: &mut Run,
    input: &Arc<Input>,
    options: &OccupancyOptions,
    progress: &Arc<dyn Progress>,
) -> Result<Report> {
    let Read { mut report, world } = read(db, input, options, Some(&mut *run), progress).await?;
    run.finish(world.into_outcome(), &mut report).await?;
    Ok(report)
}

fn open(input: &Input, options: &OccupancyOptions) -> Result<Table> {
    let table = Table::open(input.lines()?, occupancy::columns(), options.format).map_err(|e| input.failed(e))?;
    let mut missing = Vec::new();
    if options.pool.is_none() && !table.has(POOL) {
        missing.push("pool (or --pool)");
    }
    if ![TS, TS_S, TS_MS].iter().any(|ts| table.has(*ts)) {
        missing.push("ts (or ts_s, ts_ms)");
    }
    if !table.has(OCCUPIED) {
        missing.push("occupied");
    }
    if missing.is_empty() {
        return Ok(table);
    }
    Err(ImportError::Unusable(format!("{} has no column {}", input.name, missing.join(" and no column "))))
}

/// A file that was read to its end.
struct Read {
    report: Report,
    world: World,
}

/// Reads the file on a worker thread and, with a run, writes its pieces here.
async fn read(
    db: &PgPool,
    input: &Arc<Input>,
    options: &OccupancyOptions,
    mut run: Option<&mut Run>,
    progress: &Arc<dyn Progress>,
) -> Result<Read> {
    let import = run.as_ref().map(|run| run.import.clone());
    let resume = import.as_ref().and_then(|import| import.resume.clone());
    let resume: Option<Resume> = resume.and_then(|resume| serde_json::from_value(resume).ok());
    let now_ms = headroom_store::now(&mut *db.acquire().await?).await?;
    let committed = import.map_or(0, |import| import.bytes_done as u64);
    let create = Create { pools: options.create_pools, tenants: options.create_tenants };
    let resumed = resume.is_some();
    let mut world = World::load(db, create, resume.unwrap_or_default(), options.dry_run).await?;

    let (pieces, mut written) = mpsc::channel::<Piece>(1);
    let worker = {
        let (input, options, progress) = (Arc::clone(input), options.clone(), Arc::clone(progress));
        tokio::task::spawn_blocking(move || {
            if let Some(end) = options.end.filter(|_| !resumed) {
                let end = match end {
                    End::Now => now_ms,
                    End::At(at) => at,
                };
                let last = last_end(&input, &options)?;
                world.resume.shift_ms = (end - last).div_euclid(MINUTE_MS) * MINUTE_MS;
            }
            progress.stage("reading", input.size);
            let reader = Reader::new(world, &options, committed, pieces);
            let read = open(&input, &options).and_then(|table| reader.read(table, &input, &*progress));
            progress.end();
            read
        })
    };
    let mut stored = Ok(());
    while let Some(piece) = written.recv().await {
        if let Some(run) = run.as_deref_mut() {
            stored = run.write(piece).await;
        }
        if stored.is_err() {
            break;
        }
    }
    drop(written);
    let read = worker.await.map_err(|e| ImportError::Worker(e.to_string()))?;
    // When writing failed, that is why reading stopped.
    stored?;
    read
}

/// The end of the last sample, from a first pass that looks at times only.
fn last_end(input: &Input, options: &OccupancyOptions) -> Result<Millis> {
    let mut table = open(input, options)?;
    let mut last = None;
    while let Some(next) = table.next_row().map_err(|e| input.failed(e))? {
        let Ok(row) = next.row else { continue };
        let Ok(at) = occupancy::instant(&row) else { continue };
        let Ok(values) = occupancy::values(&row, at, options.step_ms) else { continue };
        last = last.max(Some(at + values.duration_ms));
    }
    last.ok_or_else(|| ImportError::Unusable(format!("{} has no sample that could be shifted", input.name)))
}

/// A pool and tenant as they stand in rows, so that neighbouring rows need no look-up.
struct Series {
    pool_name: Box<[u8]>,
    tenant_name: Box<[u8]>,
    pool: usize,
    tenant: i32,
    /// The instant (by count) at which it had its last row.
    instant: u64,
    /// Which series had the next row last time: files repeat their order.
    next: usize,
}

/// A row that waits for the others of its instant.
struct Held {
    pool: usize,
    line: u64,
    sample: Sample,
}

impl Borrow<Sample> for Held {
    fn borrow(&self) -> &Sample {
        &self.sample
    }
}

struct Reader {
    world: World,
    pool: Option<String>,
    step_ms: Millis,
    skip_bad_lines: bool,
    /// Bytes whose effect is committed: rows up to there are looked at but not added.
    committed: u64,
    pieces: mpsc::Sender<Piece>,
    acc: Accumulator,
    series: Vec<Series>,
    places: HashMap<(usize, i32), usize>,
    last_series: usize,
    /// The text of the last `ts` and what it means: neighbouring rows share it.
    last_ts: (Vec<u8>, Millis),
    /// Rows of the instant at hand.
    held: Vec<Held>,
    /// Their extra signals: pool, number, thousandths.
    held_signals: Vec<(usize, i16, i64)>,
    at: Millis,
    instants: u64,
    /// End of the last row held.
    held_end: u64,
    grouped: Grouped,
    wrong: LineErrors,
    taken: u64,
    report: Report,
}

impl Reader {
    fn new(world: World, options: &OccupancyOptions, committed: u64, pieces: mpsc::Sender<Piece>) -> Self {
        Self {
            world,
            pool: options.pool.clone(),
            step_ms: options.step_ms,
            skip_bad_lines: options.skip_bad_lines,
            committed,
            pieces,
            acc: Accumulator::default(),
            series: Vec::new(),
            places: HashMap::new(),
            last_series: 0,
            last_ts: (Vec::new(), 0),
            held: Vec::new(),
            held_signals: Vec::new(),
            at: 0,
            instants: 0,
            held_end: 0,
            grouped: Grouped::default(),
            wrong: LineErrors::default(),
            taken: 0,
            report: Report::default(),
        }
    }

    fn read(mut self, mut table: Table, input: &Input, progress: &dyn Progress) -> Result<Read> {
        while let Some(next) = table.next_row().map_err(|e| input.failed(e))? {
            self.report.rows += 1;
            if self.report.rows.is_multiple_of(8192) {
                progress.at(input.position());
            }
            let (line, end) = (next.line, next.end);
            let taken = match next.row {
                Ok(row) => self.take(&row, next.columns, line)?,
                Err(wrong) => Err(wrong),
            };
            match taken {
                Ok(()) => self.held_end = end,
                Err(wrong) => {
                    self.wrong.push(wrong.on(line));
                    if self.wrong.total >= MAX_WRONG && !self.skip_bad_lines {
                        break;
                    }
                }
            }
        }
        self.close_instant()?;
        if !self.wrong.is_empty() && !self.skip_bad_lines {
            return Err(ImportError::Lines { name: input.name.clone(), errors: self.wrong });
        }
        if self.taken == 0 {
            return Err(ImportError::Unusable(format!("{} has no row that could be taken", input.name)));
        }
        self.send()?;
        Ok(Read { report: self.finished_report(), world: self.world })
    }

    /// Takes up a row: holds it with the others of its instant.
    fn take(&mut self, row: &Row<'_>, columns: &Columns, line: u64) -> Result<Result<(), Wrong>> {
        let shift_ms = self.world.resume.shift_ms;
        let ts = row.cell(TS);
        let at = if !ts.is_empty() && ts == self.last_ts.0 {
            self.last_ts.1
        } else {
            match occupancy::instant(row) {
                Ok(at) => {
                    self.last_ts.0.clear();
                    self.last_ts.0.extend_from_slice(ts);
                    self.last_ts.1 = at;
                    at
                }
                Err(wrong) => return Ok(Err(wrong)),
            }
        };
        let mut values = match occupancy::values(row, at, self.step_ms) {
            Ok(values) => values,
            Err(wrong) => return Ok(Err(wrong)),
        };
        values.at = at + shift_ms;
        if values.at < EARLIEST_MS || values.at + values.duration_ms > LATEST_MS {
            return Ok(Err(Wrong::new("ts", ts, "a time that --end moves to between 1970 and 2200")));
        }
        if values.at != self.at || self.held.is_empty() {
            self.close_instant()?;
            self.write_before(values.at)?;
            self.at = values.at;
            self.instants += 1;
        }
        let series = match self.find_series(row)? {
            Ok(series) => series,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let Series { pool, tenant, instant, .. } = &mut self.series[series];
        if *instant == self.instants {
            return Ok(Err(Wrong::new("ts", ts, "one row for a pool, tenant and time; there was one before")));
        }
        if self.held.len() == MAX_ROWS_OF_AN_INSTANT {
            return Err(ImportError::Unusable(format!(
                "line {line}: more than {MAX_ROWS_OF_AN_INSTANT} rows have the same time"
            )));
        }
        let (pool, tenant) = (*pool, *tenant);
        let signals_before = self.held_signals.len();
        for (i, name) in columns.signal_names().iter().enumerate() {
            let cell = row.cell(columns.first_signal() + i);
            if cell.is_empty() {
                continue;
            }
            let Some(milli) = cells::signed_milli(cell) else {
                self.held_signals.truncate(signals_before);
                return Ok(Err(Wrong::new(format!("signal:{name}"), cell, "a number")));
            };
            match self.world.signal(pool, name) {
                Ok(number) => self.held_signals.push((pool, number, milli)),
                Err(wrong) => {
                    self.held_signals.truncate(signals_before);
                    return Ok(Err(wrong));
                }
            }
        }
        self.series[series].instant = self.instants;
        self.held.push(Held { pool, line, sample: Sample { tenant, values } });
        Ok(Ok(()))
    }

    /// The series of a row, by guess or by name.
    fn find_series(&mut self, row: &Row<'_>) -> Result<Result<usize, Wrong>> {
        let given = self.pool.as_deref().unwrap_or_default().as_bytes();
        let stated = row.cell(POOL);
        let pool_name = if stated.is_empty() { given } else { stated };
        let tenant_name = row.cell(TENANT);
        if let Some(last) = self.series.get(self.last_series) {
            let guess = last.next;
            let series = &self.series[guess];
            if *series.pool_name == *pool_name && *series.tenant_name == *tenant_name {
                self.last_series = guess;
                return Ok(Ok(guess));
            }
        }
        let pool = match self.world.pool(pool_name)? {
            Ok(pool) => pool,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let tenant = match self.world.tenant(tenant_name)? {
            Ok(tenant) => tenant,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let found = *self.places.entry((pool, tenant)).or_insert_with(|| {
            self.series.push(Series {
                pool_name: pool_name.into(),
                tenant_name: tenant_name.into(),
                pool,
                tenant,
                instant: 0,
                next: 0,
            });
            self.series.len() - 1
        });
        if let Some(last) = self.series.get_mut(self.last_series) {
            last.next = found;
        }
        self.last_series = found;
        Ok(Ok(found))
    }

    /// Adds the rows of the instant at hand, pool by pool.
    fn close_instant(&mut self) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let mut held = std::mem::take(&mut self.held);
        let mut signals = std::mem::take(&mut self.held_signals);
        if !held.is_sorted_by_key(|h| h.pool) {
            held.sort_by_key(|h| h.pool);
            signals.sort_by_key(|(pool, ..)| *pool);
        }
        let fresh = self.held_end > self.committed;
        let mut from = 0;
        while from < held.len() {
            let pool = held[from].pool;
            let to = from + held[from..].iter().take_while(|h| h.pool == pool).count();
            let rows = &mut held[from..to];
            if self.add(pool, rows, fresh)? && fresh {
                for (_, number, milli) in signals.iter().filter(|(of, ..)| *of == pool) {
                    self.acc.signal(self.world.pools[pool].key, *number, self.at, *milli);
                }
            }
            from = to;
        }
        held.clear();
        signals.clear();
        (self.held, self.held_signals) = (held, signals);
        Ok(())
    }

    /// Writes what has accumulated if it is enough and the next instant begins something new: what is
    /// cut in the middle of a day or hour is read back and written again.
    fn write_before(&mut self, next: Millis) -> Result<()> {
        let begins = |unit: Millis| next.div_euclid(unit) != self.at.div_euclid(unit);
        let (blocks, most) = (self.acc.blocks(), MOST_BLOCKS_PER_PIECE);
        let enough =
            (blocks >= BLOCKS_PER_PIECE && begins(DAY_MS)) || (blocks >= most / 2 && begins(HOUR_MS)) || blocks >= most;
        if enough { self.send() } else { Ok(()) }
    }

    /// Adds the rows of one pool at one instant; false if none of them goes with what is there.
    fn add(&mut self, pool: usize, rows: &mut [Held], fresh: bool) -> Result<bool> {
        let mut count = rows.len();
        // A row that does not go with the others is told and moved behind those that remain.
        while let Err((place, wrong)) = self.grouped.fill(&rows[..count], &self.world.pools[pool].known) {
            self.wrong.push(wrong.on(rows[place].line));
            rows[place..count].rotate_left(1);
            count -= 1;
            if count == 0 {
                return Ok(false);
            }
        }
        let rows = &rows[..count];
        let (at, end) = (self.at, self.at + self.grouped.reading.duration_ms);
        let state = &mut self.world.pools[pool];
        if let Err((from, to)) = state.coverage.add(at, end) {
            let expected = format!(
                "a time that no other row of pool {} covers (rows before cover {} to {}); rows of one pool and time follow one \
                 another, and --step or duration_ms says how long a row holds",
                state.slug,
                rfc3339(from),
                rfc3339(to)
            );
            for row in rows {
                self.wrong.push(Wrong::new("ts", rfc3339(at).as_bytes(), expected.clone()).on(row.line));
            }
            return Ok(false);
        }
        if state.coverage.runs().len() > MAX_STRETCHES_OF_A_POOL {
            return Err(ImportError::Unusable(format!(
                "pool {} has more than {MAX_STRETCHES_OF_A_POOL} stretches without samples between them; is the step ({} ms) too short?",
                state.slug, self.step_ms
            )));
        }
        let (occupied, capacity) = (self.grouped.reading.occupied(), self.grouped.reading.capacity);
        state.peak = state.peak.max(occupied);
        if occupied > capacity {
            state.above_capacity_ms += end - at;
        }
        let key = state.key;
        self.taken += count as u64;
        self.world.note_capacity(pool, at, self.grouped.configured, self.grouped.planned_down);
        if let Some(queued) = self.grouped.queued {
            match self.world.signal(pool, QUEUED_SIGNAL) {
                Ok(number) if fresh => self.acc.signal(key, number, at, queued * 1000),
                Ok(_) => {}
                Err(wrong) => self.wrong.push(wrong.on(rows[0].line)),
            }
        }
        if fresh {
            self.grouped.add_to(&mut self.acc, key, rows);
        }
        Ok(true)
    }

    /// Hands over what has accumulated. Once a line was wrong, nothing more is written.
    fn send(&mut self) -> Result<()> {
        let acc = self.acc.take();
        if acc.is_empty() || (!self.wrong.is_empty() && !self.skip_bad_lines) {
            return Ok(());
        }
        let resume = serde_json::to_value(&self.world.resume).ok();
        let (rows_done, rows_bad) = (self.taken, self.wrong.total);
        let piece = Piece { acc, bytes_done: self.held_end, rows_done, rows_bad, resume };
        self.pieces.blocking_send(piece).map_err(|_| ImportError::Worker("nobody takes its pieces".into()))
    }

    fn finished_report(&mut self) -> Report {
        let mut report = std::mem::take(&mut self.report);
        report.jobs = self.taken;
        report.rejected = std::mem::take(&mut self.wrong);
        let tenants: HashSet<i32> = self.series.iter().map(|s| s.tenant).filter(|t| *t != 0).collect();
        report.tenants = tenants.len() as u64;
        let mut above: Vec<(&str, Millis)> = Vec::new();
        for pool in &self.world.pools {
            if let Some((from, to)) = pool.coverage.span() {
                report.names(&pool.slug);
                report.covers(from, to);
                report.peak = report.peak.max(pool.peak);
                if pool.above_capacity_ms > 0 {
                    above.push((&pool.slug, pool.above_capacity_ms));
                }
            }
        }
        if !above.is_empty() {
            above.sort_by_key(|(slug, ms)| (-ms, *slug));
            let named: Vec<String> = above
                .iter()
                .take(POOLS_NAMED)
                .map(|(slug, ms)| format!("{slug} for {} minutes", (ms + MINUTE_MS - 1) / MINUTE_MS))
                .collect();
            let more = if above.len() > POOLS_NAMED {
                format!(" and {} more pools", above.len() - POOLS_NAMED)
            } else {
                String::new()
            };
            report
                .warnings
                .push(format!("more slots are occupied than there are in {}{more}; kept as it is", named.join(", ")));
        }
        report
    }
}
