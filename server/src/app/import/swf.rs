//! `import swf`: the log of a real machine becomes the history of a pool.

use super::input::{Input, Source};
use super::progress::Watched;
use super::run::{self, BLOCKS_PER_PIECE, Begun, Covered, NewPool, NewTenant, Outcome, Piece, Run, plain_pool};
use super::{End, ImportError, Progress, Report, Result};
use crate::ingest::coverage::Coverage;
use crate::ingest::sweep::{Interval, MAX_SPAN_MS, Swept, sweep};
use crate::ingest::swf::{self, Log};
use crate::zones;
use headroom_domain::accumulate::Accumulator;
use headroom_domain::range::rfc3339;
use headroom_domain::slug::{MAX_NAME, Slug, nearest};
use headroom_domain::swf::{Header, Job};
use headroom_domain::tenant::OTHERS;
use headroom_domain::{DAY_MS, LATEST_MS, MAX_SLOTS, MINUTE_MS, Millis};
use headroom_store::import::Noun;
use headroom_store::pool::Pool;
use headroom_store::{pool, tenant};
use sqlx::PgPool;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Whom slots are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum By {
    /// The job's user.
    #[default]
    User,
    /// The job's group.
    Group,
    /// The job's queue.
    Queue,
}

impl By {
    const fn letter(self) -> char {
        match self {
            Self::User => 'u',
            Self::Group => 'g',
            Self::Queue => 'q',
        }
    }

    const fn of(self, job: &Job) -> i64 {
        match self {
            Self::User => job.user,
            Self::Group => job.group,
            Self::Queue => job.queue,
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Queue => "queue",
        })
    }
}

impl FromStr for By {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "user" => Ok(Self::User),
            "group" => Ok(Self::Group),
            "queue" => Ok(Self::Queue),
            _ => Err(format!("{word:?} is no tenant: expected user, group or queue")),
        }
    }
}

/// Most tenants that may be told apart in one import.
pub(super) const MAX_TENANTS: usize = 10_000;

/// How a log is imported.
#[derive(Debug, Clone)]
pub struct SwfOptions {
    /// The pool's slug; without it the name of the file or of the machine.
    pub pool: Option<String>,
    /// Whom slots are counted for.
    pub by: By,
    /// How many tenants are told apart, the largest by slot-time; the rest is `others`.
    pub tenants: usize,
    /// Where the log is to end, by whole minutes; without it at its own time.
    pub end: Option<End>,
    /// When the log starts, if its header does not say.
    pub start: Option<Millis>,
    /// Slots of the machine, if its header does not say.
    pub capacity: Option<i64>,
    /// IANA zone of the machine, instead of the header's.
    pub zone: Option<String>,
    /// Leave damaged lines out instead of refusing the file.
    pub skip_bad_lines: bool,
    /// Check and count, write nothing.
    pub dry_run: bool,
}

impl Default for SwfOptions {
    fn default() -> Self {
        Self {
            pool: None,
            by: By::default(),
            tenants: 1000,
            end: None,
            start: None,
            capacity: None,
            zone: None,
            skip_bad_lines: false,
            dry_run: false,
        }
    }
}

impl SwfOptions {
    /// The options that shape the result, as text for the content key.
    fn shape(&self) -> String {
        let Self { pool, by, tenants, end, start, capacity, zone, skip_bad_lines, dry_run: _ } = self;
        format!("{pool:?} {by} {tenants} {end:?} {start:?} {capacity:?} {zone:?} {skip_bad_lines}")
    }

    fn check(&self) -> Result<()> {
        let unusable = |text: String| Err(ImportError::Unusable(text));
        if !(1..=MAX_TENANTS).contains(&self.tenants) {
            return unusable(format!("--tenants is {}, expected 1 to {MAX_TENANTS}", self.tenants));
        }
        if let Some(capacity) = self.capacity.filter(|c| !(1..=MAX_SLOTS).contains(c)) {
            return unusable(format!("--capacity is {capacity}, expected 1 to {MAX_SLOTS} slots"));
        }
        if let Some(zone) = self.zone.as_deref().filter(|zone| !zones::is_known(zone)) {
            let near = nearest(zone, zones::OFFERED).map(|near| format!(", perhaps {near}")).unwrap_or_default();
            return unusable(format!("--zone is {zone:?}, expected an IANA zone such as Europe/Berlin{near}"));
        }
        Ok(())
    }
}

/// Imports a log in the Standard Workload Format.
///
/// The pool is observed from the start of the log to the end of its last job. A job counts as a
/// claim in the minute in which it starts; one that waited counts its wait there too.
pub async fn import_swf(
    db: &PgPool,
    source: Source,
    options: &SwfOptions,
    progress: &Arc<dyn Progress>,
) -> Result<Report> {
    let watched = Watched::over(progress);
    let progress: &Arc<dyn Progress> = &(Arc::new(watched.clone()) as Arc<dyn Progress>);
    options.check()?;
    let (input, log) = {
        let (progress, name) = (Arc::clone(progress), source.name().to_owned());
        let work = tokio::task::spawn_blocking(move || {
            let input = Input::open(source, &*progress)?;
            progress.stage("reading", input.size);
            let log = swf::read(&mut input.lines()?, |_| progress.at(input.position())).map_err(|e| input.failed(e));
            progress.end();
            Ok::<_, ImportError>((input, log))
        });
        work.await.map_err(|e| ImportError::Worker(format!("{name}: {e}")))??
    };
    // What was imported before is not looked at again, whatever is wrong with it.
    let key = input.content_key("swf", &options.shape());
    if let Some(done) = run::find_done(db, &key).await? {
        return Ok(done);
    }
    let log = log?;
    if !log.damaged.is_empty() && !options.skip_bad_lines {
        return Err(ImportError::Lines { name: input.name, errors: log.damaged });
    }
    let plan = Plan::new(db, &input.name, log, options).await?;
    if let Some(existing) = &plan.pool {
        run::check_overlap(&mut *db.acquire().await?, None, existing.key, &plan.covered(existing.key)).await?;
    }
    if options.dry_run {
        let (swept, mut report) = (plan.dry_sweep()?, plan.report.clone());
        plan.remark(&mut report, swept);
        return Ok(Report { dry_run: true, ..report });
    }
    let mut run = match run::begin(db, "swf", &key, &input.name, &watched).await? {
        Begun::Done(report) => return Ok(report),
        Begun::Running(run) => run,
    };
    match store(&mut run, plan, input.size, progress).await {
        Ok(report) => Ok(report),
        Err(error) => {
            run.give_up(&error).await;
            Err(error)
        }
    }
}

/// A log with everything decided, before anything is written.
struct Plan {
    slug: Slug,
    name: String,
    zone: String,
    /// The pool, if it exists.
    pool: Option<Pool>,
    capacity: i64,
    from: Millis,
    to: Millis,
    /// Tenants by slug with their names, in the order of `Interval::tenant`.
    tenants: Vec<(Slug, String)>,
    /// With places in `tenants` instead of keys, sorted by start.
    intervals: Vec<Interval>,
    report: Report,
}

impl Plan {
    async fn new(db: &PgPool, file: &str, log: Log, options: &SwfOptions) -> Result<Self> {
        let header = &log.header;
        let mut warnings = Vec::new();
        let slug = pool_slug(options.pool.as_deref(), header, file)?;
        let mut conn = db.acquire().await?;
        let existing = pool::by_slug(&mut conn, slug.as_str()).await?;
        if existing.as_ref().is_some_and(|p| p.archived_ms.is_some()) {
            return Err(ImportError::Unusable(format!(
                "pool {slug} is archived; bring it back first, or name another with --pool"
            )));
        }
        let Some(capacity) = options.capacity.or(header.capacity()) else {
            return Err(ImportError::Unusable(format!(
                "{file} does not say how many processors the machine has (MaxProcs in its header); state them with --capacity"
            )));
        };
        let zone = match (&options.zone, &header.zone) {
            (Some(zone), _) => zone.clone(),
            (None, Some(zone)) if zones::is_known(zone) => zone.clone(),
            (None, Some(zone)) => {
                warnings.push(format!(
                    "the header's zone {zone:?} is no IANA zone; the pool is in UTC until its zone is set"
                ));
                "UTC".to_owned()
            }
            (None, None) => "UTC".to_owned(),
        };
        let Some(last_end_s) = log.jobs.iter().map(Job::end_s).max() else {
            return Err(ImportError::Unusable(format!(
                "{file} has no job that held slots among its {} lines",
                log.rows
            )));
        };
        let stated = options.start.or(header.unix_start_s.map(|s| s * 1000));
        let from = match (stated, options.end) {
            (Some(from), None) => from,
            (stated, Some(end)) => {
                let end = match end {
                    End::Now => headroom_store::now(&mut conn).await?,
                    End::At(at) => at,
                };
                let from = stated.unwrap_or(0);
                // By whole minutes, so that what shares a minute goes on sharing it.
                from + (end - (from + last_end_s * 1000)).div_euclid(MINUTE_MS) * MINUTE_MS
            }
            (None, None) => {
                return Err(ImportError::Unusable(format!(
                    "{file} does not say when it starts (UnixStartTime in its header); state it with --start or --end"
                )));
            }
        };
        let to = from + last_end_s * 1000;
        if from < 0 || to > LATEST_MS {
            let (from, to) = (rfc3339(from), rfc3339(to));
            return Err(ImportError::Unusable(format!(
                "the log would reach from {from} to {to}, expected 1970-01-01 to 2200-01-01"
            )));
        }
        if to - from > MAX_SPAN_MS {
            let (days, most) = ((to - from) / DAY_MS, MAX_SPAN_MS / DAY_MS);
            return Err(ImportError::Unusable(format!(
                "the log would reach over {days} days, at most {most} are taken; is a line damaged?"
            )));
        }

        let tenants = Tenants::choose(&log.jobs, options, &slug);
        let mut intervals: Vec<Interval> = log
            .jobs
            .iter()
            .map(|job| Interval {
                start: from + job.start_s() * 1000,
                end: from + job.end_s() * 1000,
                tenant: tenants.place(options.by.of(job)),
                occupied: job.slots,
                reserved: 0,
                wait_ms: Some(job.wait_s * 1000),
            })
            .collect();
        intervals.sort_unstable_by_key(|i| i.start);
        let mut rejected = log.rejected;
        let left_out = rejected.total + log.damaged.total;
        for damaged in log.damaged.shown {
            rejected.push(damaged);
        }
        rejected.total = left_out;
        let report = Report {
            pools: vec![slug.to_string()],
            rows: log.rows,
            jobs: intervals.len() as u64,
            rejected,
            skipped: log.skipped,
            tenants: tenants.named.len() as u64,
            from_ms: Some(from),
            to_ms: Some(to),
            warnings,
            ..Report::default()
        };
        Ok(Self {
            name: pool_name(header, &slug),
            slug,
            zone,
            pool: existing,
            capacity,
            from,
            to,
            tenants: tenants.named,
            intervals,
            report,
        })
    }

    fn covered(&self, pool: i32) -> Covered {
        let mut coverage = Coverage::default();
        coverage.add(self.from, self.to).expect("the first stretch is free");
        let steps = vec![(self.from, self.capacity as i32, 0)];
        Covered { pool, slug: self.slug.to_string(), coverage, steps }
    }

    /// The sweep with nothing kept.
    fn dry_sweep(&self) -> Result<Swept> {
        let mut acc = Accumulator::default();
        sweep(0, &self.intervals, (self.from, self.to), &[(self.from, self.capacity)], &mut acc, |acc| {
            if acc.blocks() >= BLOCKS_PER_PIECE {
                acc.take();
            }
            Ok(())
        })
    }

    /// Adds what the sweep found out to the report.
    fn remark(&self, report: &mut Report, swept: Swept) {
        report.peak = swept.peak;
        if swept.above_capacity_ms > 0 {
            report.warnings.push(format!(
                "{} of {} slots were held at once at the peak, and more than there are for {} minutes in all; kept as it is",
                swept.peak,
                self.capacity,
                swept.above_capacity_ms.div_euclid(MINUTE_MS)
            ));
        }
    }
}

/// Writes a log that is decided.
async fn store(run: &mut Run, mut plan: Plan, size: u64, progress: &Arc<dyn Progress>) -> Result<Report> {
    run.start_anew().await?;
    let mut outcome = Outcome::default();
    let pool_key = match &plan.pool {
        Some(pool) => pool.key,
        None => {
            let key = run.reserve(Noun::Pool, 1).await?[0];
            outcome
                .pools
                .push(NewPool { key, fields: plain_pool(plan.slug.clone(), plan.name.clone(), plan.zone.clone()) });
            key
        }
    };
    let slugs: Vec<String> = plan.tenants.iter().map(|(slug, _)| slug.to_string()).collect();
    let known: HashMap<String, i32> =
        tenant::keys_of(&mut run.conn, &slugs).await?.into_iter().map(|(key, slug)| (slug, key)).collect();
    let mut fresh = run.reserve(Noun::Tenant, slugs.len() - known.len()).await?.into_iter();
    let mut keys = Vec::with_capacity(slugs.len());
    for (slug, name) in std::mem::take(&mut plan.tenants) {
        let key = match known.get(slug.as_str()) {
            Some(key) => *key,
            None => {
                let key = fresh.next().expect("as many as are missing");
                outcome.tenants.push(NewTenant { key, slug, name });
                key
            }
        };
        keys.push(key);
    }
    let mut intervals = std::mem::take(&mut plan.intervals);
    for interval in &mut intervals {
        interval.tenant = keys[interval.tenant as usize];
    }
    outcome.covered.push(plan.covered(pool_key));

    let (from, to, capacity, rows) = (plan.from, plan.to, plan.capacity, plan.report.rows);
    let (pieces, mut written) = mpsc::channel::<Piece>(1);
    let sweeping = tokio::task::spawn_blocking(move || {
        let mut acc = Accumulator::default();
        let send = |acc: &mut Accumulator| {
            let piece = Piece { acc: acc.take(), bytes_done: 0, rows_done: rows, rows_bad: 0, resume: None };
            pieces.blocking_send(piece).map_err(|_| ImportError::Worker("nobody takes its pieces".into()))
        };
        let swept = sweep(pool_key, &intervals, (from, to), &[(from, capacity)], &mut acc, |acc| {
            if acc.blocks() >= BLOCKS_PER_PIECE { send(acc) } else { Ok(()) }
        })?;
        send(&mut acc)?;
        Ok::<_, ImportError>(swept)
    });
    progress.stage("storing", size);
    let mut stored = Ok(());
    while let Some(piece) = written.recv().await {
        let reached = piece.acc.hours.keys().map(|(_, hour)| *hour).max().unwrap_or(from);
        stored = run.write(piece).await;
        if stored.is_err() {
            break;
        }
        progress.at((size as f64 * (reached - from) as f64 / (to - from) as f64) as u64);
    }
    progress.end();
    drop(written);
    stored?;
    let swept = sweeping.await.map_err(|e| ImportError::Worker(e.to_string()))??;
    let mut report = plan.report.clone();
    plan.remark(&mut report, swept);
    run.finish(outcome, &mut report).await?;
    Ok(report)
}

/// Which ids are tenants of their own.
struct Tenants {
    named: Vec<(Slug, String)>,
    places: HashMap<i64, i32>,
    others: i32,
}

impl Tenants {
    /// The largest by slot-time; of equals the one with the lower number.
    fn choose(jobs: &[Job], options: &SwfOptions, pool: &Slug) -> Self {
        let mut slot_s: BTreeMap<i64, i128> = BTreeMap::new();
        for job in jobs {
            *slot_s.entry(options.by.of(job).max(-1)).or_default() += i128::from(job.slots) * i128::from(job.run_s);
        }
        let mut ranked: Vec<(i64, i128)> = slot_s.into_iter().collect();
        ranked.sort_by_key(|(id, sum)| (-sum, *id));
        let named_ids = ranked.iter().take(options.tenants).map(|(id, _)| *id);
        let letter = options.by.letter();
        let mut named = Vec::new();
        let mut places = HashMap::new();
        for id in named_ids {
            places.insert(id, named.len() as i32);
            // User 12 of one machine is not user 12 of another.
            let (suffix, name) = if id < 0 {
                (format!("-{letter}-unknown"), format!("{pool}, {} unknown", options.by))
            } else {
                (format!("-{letter}{id}"), format!("{pool}, {} {id}", options.by))
            };
            named.push((joined(pool, &suffix), name.chars().take(MAX_NAME).collect()));
        }
        let others = named.len() as i32;
        if ranked.len() > options.tenants {
            named.push((Slug::from_name(OTHERS, OTHERS), "Others".into()));
        }
        Self { named, places, others }
    }

    fn place(&self, id: i64) -> i32 {
        self.places.get(&id.max(-1)).copied().unwrap_or(self.others)
    }
}

/// A pool's slug with a suffix, cut so that it stays a slug.
fn joined(pool: &Slug, suffix: &str) -> Slug {
    let room = headroom_domain::slug::MAX_SLUG - suffix.len();
    let head = &pool.as_str()[..pool.as_str().len().min(room)];
    let mut text = head.trim_end_matches('-').to_owned();
    text.push_str(suffix);
    Slug::from_name(&text, "tenant")
}

fn pool_slug(wanted: Option<&str>, header: &Header, file: &str) -> Result<Slug> {
    if let Some(wanted) = wanted {
        return Slug::parse(wanted).map_err(|e| ImportError::Unusable(format!("--pool is {wanted:?}, which {e}")));
    }
    let name = archive_name(file)
        .or(header.computer.as_deref())
        .or(header.installation.as_deref())
        .unwrap_or_else(|| file.split('.').next().unwrap_or(file));
    Ok(Slug::from_name(name, "pool"))
}

/// The archive names its logs `SITE-MACHINE-YEAR-VERSION.swf.gz`: what stands before the year.
fn archive_name(file: &str) -> Option<&str> {
    let mut start = 0;
    for word in file.split('-') {
        if start > 1 && word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit()) {
            return file.get(..start - 1);
        }
        start += word.len() + 1;
    }
    None
}

fn pool_name(header: &Header, slug: &Slug) -> String {
    let words: Vec<&str> = [&header.computer, &header.installation].into_iter().filter_map(Option::as_deref).collect();
    let name: String = words.join(", ").chars().take(MAX_NAME).collect();
    if name.trim().is_empty() { slug.to_string() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_are_named_after_the_archive_the_machine_or_the_file() {
        let header = Header { computer: Some("IBM SP2".into()), ..Header::default() };
        let slug = |wanted, header: &Header, file| {
            pool_slug(wanted, header, file).map(|s| s.to_string()).map_err(|e| e.to_string())
        };
        assert_eq!(slug(None, &header, "KTH-SP2-1996-2.1-cln.swf.gz"), Ok("kth-sp2".into()));
        assert_eq!(slug(None, &header, "NASA-iPSC-1993-3.1-cln.swf.gz"), Ok("nasa-ipsc".into()));
        assert_eq!(slug(None, &header, "log.swf"), Ok("ibm-sp2".into()));
        assert_eq!(slug(None, &Header::default(), "my log.swf"), Ok("my-log".into()));
        assert_eq!(slug(Some("x"), &header, "log.swf"), Ok("x".into()));
        assert!(slug(Some("X"), &header, "log.swf").unwrap_err().starts_with("--pool is \"X\""));
    }

    #[test]
    fn the_largest_tenants_are_told_apart() {
        let job = |user, slots| Job { submit_s: 0, wait_s: 0, run_s: 10, slots, user, group: -1, queue: -1 };
        let pool = Slug::parse("kth").expect("slug");
        let jobs = [job(1, 5), job(2, 9), job(3, 5), job(-1, 1)];
        let two = Tenants::choose(&jobs, &SwfOptions { tenants: 2, ..SwfOptions::default() }, &pool);
        assert_eq!(two.named.iter().map(|(slug, _)| slug.as_str()).collect::<Vec<_>>(), ["kth-u2", "kth-u1", "others"]);
        assert_eq!((two.place(2), two.place(1), two.place(3), two.place(-1)), (0, 1, 2, 2));
        let groups = Tenants::choose(&jobs, &SwfOptions { by: By::Group, ..SwfOptions::default() }, &pool);
        assert_eq!(groups.named[0].0.as_str(), "kth-g-unknown");
    }

    #[test]
    fn long_pool_names_leave_room_for_their_tenants() {
        let pool = Slug::parse(&"a".repeat(63)).expect("slug");
        let tenant = joined(&pool, "-u123456789");
        assert_eq!((tenant.as_str().len(), tenant.as_str().ends_with("a-u123456789")), (63, true));
    }
}
