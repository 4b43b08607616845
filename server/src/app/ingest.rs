//! Accepting live samples: judged, packed, stored once, durable when answered.

use super::{App, AppError, Problem, Result};
use crate::ingest::aggregate::{Known, Promises};
use crate::ingest::live::{self, Catalog, Envelope, Judged, Verdict};
use headroom_domain::access::Action;
use headroom_domain::reservation::Promise;
use headroom_domain::{LATEST_MS, Millis};
use headroom_store::import::{Name, Noun};
use headroom_store::ingest::{Accepted, Batch};
use headroom_store::partition::{self, Cut};
use headroom_store::{StoreError, import, ingest, owner, pool, promise, signal};
use serde::Serialize;
use sqlx::PgConnection;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// Longest name of a source, characters.
const MAX_SOURCE: usize = 120;
/// What is known about pools and tenants is read anew this often.
const CATALOG_FOR: Duration = Duration::from_secs(2);

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Receipt {
    /// Rows that count.
    pub accepted: usize,
    /// Rows that do not.
    pub rejected: usize,
    /// Why, for the first hundred of them.
    pub verdicts: Vec<Verdict>,
    /// True if this batch had been accepted before: nothing was changed by sending it again.
    pub replayed: bool,
}

/// How the rows of a batch are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// One object with `source`, `seq`, `step_ms` and `rows`.
    Json,
    /// One row a line; source, number and step are told apart from it.
    Ndjson {
        /// Who sends.
        source: String,
        /// The sender's own counter.
        seq: i64,
        /// Duration of samples that state none.
        step_ms: Option<i64>,
    },
}

/// Pools and tenants as they were a moment ago.
#[derive(Debug, Default)]
pub struct CatalogCache {
    known: Mutex<Option<(Instant, Arc<Catalog>)>>,
}

struct Read {
    source: String,
    seq: i64,
    judged: Judged,
}

impl App {
    /// Accepts a batch once. Durable when this returns.
    pub async fn accept_batch(&self, form: Form, body: Vec<u8>) -> Result<Receipt> {
        self.require(Action::Ingest)?;
        self.require_all_tenants(Action::Ingest)?;
        let mut conn = self.db.ingest.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        let hash = hash(&form, &body);
        let (mut catalog, remembered) = self.catalog(&mut conn).await?;
        let input = Arc::new((form, body));
        let mut judgement = judge(&input, now, &catalog).await?;
        if remembered && judgement.judged.unknown {
            // What is unknown may have been made a moment ago, and a verdict is for ever.
            catalog = self.load_catalog(&mut conn).await?;
            judgement = judge(&input, now, &catalog).await?;
        }
        let Read { source, seq, mut judged } = judgement;
        let numbers = number_signals(&mut conn, &catalog, &mut judged).await?;

        let mut tx = sqlx::Connection::begin(&mut *conn).await?;
        let Some(source_id) = ingest::source(&mut tx, &source, self.caller.token()).await? else {
            let text = "belongs to another token; send under another name, or revoke that token";
            return Err(AppError::Conflict(format!("the source {source:?} {text}")));
        };
        let verdict = serde_json::to_value((judged.rows.len(), judged.rejected, &judged.verdicts)).ok();
        let signals: Vec<(i32, i16, Millis, i64)> = judged
            .signals
            .iter()
            .filter_map(|s| Some((s.pool, *numbers.get(&(s.pool, s.name.clone()))?, s.at, s.milli)))
            .collect();
        let instants = || judged.rows.iter().map(|r| r.values.at);
        let batch = Batch {
            source: source_id,
            seq,
            ts_min: instants().min().unwrap_or(now),
            ts_max: instants().max().unwrap_or(now),
            n: judged.rows.len() as i32,
            codec: live::CODEC,
            hash,
            verdict,
            data: live::pack(&judged.rows, &signals),
        };
        partition::ensure(&mut tx, Cut::Raw, batch.ts_min, batch.ts_min).await?;
        let accepted = ingest::accept(&mut tx, &batch).await?;
        tx.commit().await?;
        match accepted {
            Accepted::Fresh => Ok(Receipt {
                accepted: judged.rows.len(),
                rejected: judged.rejected,
                verdicts: judged.verdicts,
                replayed: false,
            }),
            Accepted::Replayed(verdict) => {
                let (accepted, rejected, verdicts) = verdict.and_then(|v| serde_json::from_value(v).ok()).unwrap_or((
                    judged.rows.len(),
                    judged.rejected,
                    judged.verdicts,
                ));
                Ok(Receipt { accepted, rejected, verdicts, replayed: true })
            }
            Accepted::Conflict { last_seq } => Err(AppError::Conflict(format!(
                "number {seq} of source {source:?} was used before with other content; its last number is {last_seq}, go on from {}",
                last_seq.saturating_add(1)
            ))),
        }
    }

    /// The highest number accepted from a source, and when.
    pub async fn last_seq(&self, source: &str) -> Result<Option<(i64, Option<Millis>)>> {
        self.require(Action::Ingest)?;
        self.require_all_tenants(Action::Ingest)?;
        let found = ingest::last_seq(&mut *self.db.pages.acquire().await?, source, self.caller.token()).await?;
        Ok(found.map(|(seq, at)| (seq, at.map(|at| at.timestamp_millis()))))
    }

    /// What the caller may send samples of.
    fn allowed(&self, catalog: Arc<Catalog>) -> Arc<Catalog> {
        if self.caller.pools.is_none() && self.caller.tenants.is_none() {
            return catalog;
        }
        let mut own = (*catalog).clone();
        own.pools.retain(|_, key| self.caller.sees_pool(*key));
        own.tenants.retain(|_, key| self.caller.sees_tenant(*key));
        Arc::new(own)
    }

    /// What is known, and whether it was remembered.
    async fn catalog(&self, conn: &mut PgConnection) -> Result<(Arc<Catalog>, bool)> {
        if let Ok(known) = self.catalog.known.lock()
            && let Some((since, catalog)) = known.as_ref()
            && since.elapsed() < CATALOG_FOR
        {
            return Ok((self.allowed(catalog.clone()), true));
        }
        Ok((self.load_catalog(conn).await?, false))
    }

    async fn load_catalog(&self, conn: &mut PgConnection) -> Result<Arc<Catalog>> {
        let catalog = Arc::new(load_catalog(conn).await?);
        if let Ok(mut known) = self.catalog.known.lock() {
            *known = Some((Instant::now(), catalog.clone()));
        }
        Ok(self.allowed(catalog))
    }
}

/// Judging ten thousand rows takes milliseconds: too long for a thread that serves others.
async fn judge(input: &Arc<(Form, Vec<u8>)>, now: Millis, catalog: &Arc<Catalog>) -> Result<Read> {
    let (input, catalog) = (Arc::clone(input), Arc::clone(catalog));
    tokio::task::spawn_blocking(move || read(&input.0, &input.1, now, &catalog))
        .await
        .map_err(|e| AppError::Internal(format!("judging a batch: {e}")))?
}

/// Reads pools, tenants (each also under its former names), capacity, promises and signals.
pub async fn load_catalog(conn: &mut PgConnection) -> Result<Catalog> {
    let pools = import::names(conn, Noun::Pool, None).await?;
    let tenants = import::names(conn, Noun::Tenant, None).await?;
    let tracked = owner::tracked(conn).await?.into_iter().collect();
    let now = headroom_store::now(conn).await?;
    let known = known(conn, None, now - 2 * live::LATE_MS).await?;
    let signals = signal::list(conn, None).await?.into_iter().map(|s| ((s.pool_id, s.name), s.signal)).collect();
    let by_slug = |names: Vec<Name>| {
        names.into_iter().filter(|name| !name.archived).map(|name| (name.slug.into_bytes(), name.key)).collect()
    };
    Ok(Catalog { pools: by_slug(pools), tracked, tenants: by_slug(tenants), known, signals })
}

/// Capacity and promises of pools (all, if none are named) from an instant on.
pub async fn known(conn: &mut PgConnection, pools: Option<&[i32]>, since: Millis) -> Result<HashMap<i32, Known>> {
    let mut known: HashMap<i32, Known> = HashMap::new();
    for (key, steps) in pool::capacity(conn, pools).await? {
        known.entry(key).or_default().capacity =
            steps.iter().map(|s| (s.from_ms, i64::from(s.configured), i64::from(s.planned_down))).collect();
    }
    let mut promises: BTreeMap<i32, Vec<Promise>> = BTreeMap::new();
    for stored in promise::during(conn, pools, None, since, LATEST_MS).await? {
        promises.entry(stored.reservation.pool).or_default().push(stored.reservation);
    }
    for (key, reservations) in promises {
        known.entry(key).or_default().promises = Promises::new(&reservations);
    }
    Ok(known)
}

/// The same rows with the same number are the same batch, whatever the clock said when they came.
fn hash(form: &Form, body: &[u8]) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    if let Form::Ndjson { step_ms, .. } = form {
        hasher.update(&step_ms.unwrap_or(live::STEP_MS).to_le_bytes());
    }
    hasher.update(body);
    hasher.finalize().as_bytes()[..16].to_vec()
}

fn read(form: &Form, body: &[u8], now: Millis, catalog: &Catalog) -> Result<Read> {
    let (source, seq, judged) = match form {
        Form::Json => {
            let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|e| {
                let found = format!("line {}, column {}", e.line(), e.column());
                AppError::Invalid(vec![Problem::new(
                    "body",
                    found,
                    format!("{{source, seq, step_ms?, rows: [...]}}: {e}"),
                )])
            })?;
            let step_ms = check(&envelope.source, envelope.seq, envelope.step_ms, envelope.rows.len())?;
            let judged = live::judge(envelope.rows.iter().map(|r| r.get().as_bytes()), step_ms, now, catalog);
            (envelope.source, envelope.seq, judged)
        }
        Form::Ndjson { source, seq, step_ms } => {
            let lines = lines(body);
            let step_ms = check(source, *seq, *step_ms, lines.len())?;
            let judged = live::judge(lines, step_ms, now, catalog);
            (source.clone(), *seq, judged)
        }
    };
    Ok(Read { source, seq, judged })
}

/// Lines that are not blank; no more of them than it takes to see that there are too many.
fn lines(body: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', body).chain([body.len()]) {
        let line = body[start..end].trim_ascii();
        start = end + 1;
        if !line.is_empty() {
            lines.push(line);
        }
        if lines.len() > live::MAX_ROWS {
            break;
        }
    }
    lines
}

/// Checks what belongs to the batch as a whole; gives the duration of rows that state none.
fn check(source: &str, seq: i64, step_ms: Option<i64>, rows: usize) -> Result<Millis> {
    let mut problems = Vec::new();
    if source.is_empty() || source.chars().count() > MAX_SOURCE || source.chars().any(char::is_control) {
        problems.push(Problem::new("source", source, format!("a name of 1 to {MAX_SOURCE} characters")));
    }
    if seq < 0 {
        problems.push(Problem::new("seq", seq.to_string(), "a whole number from 0 that grows with each batch"));
    }
    let step = step_ms.unwrap_or(live::STEP_MS);
    if !(1..=crate::ingest::cells::MAX_DURATION_MS).contains(&step) {
        problems.push(Problem::new("step_ms", step.to_string(), "1 to 86,400,000 milliseconds"));
    }
    if rows > live::MAX_ROWS {
        let found = format!("more than {}", live::MAX_ROWS);
        problems.push(Problem::new("rows", found, format!("at most {} rows in a batch", live::MAX_ROWS)));
    }
    if problems.is_empty() { Ok(step) } else { Err(AppError::Invalid(problems)) }
}

/// Numbers of the batch's extra signals; rows with a signal that a pool cannot take are rejected.
async fn number_signals(
    conn: &mut PgConnection,
    catalog: &Catalog,
    judged: &mut Judged,
) -> Result<HashMap<(i32, String), i16>> {
    let mut numbers: HashMap<(i32, String), i16> = HashMap::new();
    let mut refused: Vec<(usize, String)> = Vec::new();
    let wanted: Vec<(usize, (i32, String))> =
        judged.signals.iter().map(|s| (s.row, (s.pool, s.name.clone()))).collect();
    for (row, key) in wanted {
        if numbers.contains_key(&key) || refused.iter().any(|(r, _)| *r == row) {
            continue;
        }
        if let Some(number) = catalog.signals.get(&key) {
            numbers.insert(key, *number);
            continue;
        }
        let mut tx = sqlx::Connection::begin(&mut *conn).await?;
        match signal::ensure(&mut tx, key.0, &key.1, "", "gauge").await {
            Ok(number) => {
                tx.commit().await?;
                numbers.insert(key, number);
            }
            Err(StoreError::Invalid { problem, .. }) => {
                tx.rollback().await?;
                refused.push((row, problem));
            }
            Err(other) => return Err(other.into()),
        }
    }
    for (row, problem) in refused {
        // The signal is refused, the row's slots are not: they are what the sample is about.
        judged.signals.retain(|s| s.row != row);
        if judged.verdicts.len() < live::MAX_VERDICTS {
            judged.verdicts.push(Verdict {
                row: row + 1,
                field: "signals".into(),
                found: String::new(),
                expected: problem,
            });
        }
    }
    Ok(numbers)
}
