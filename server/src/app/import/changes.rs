//! `import changes`: deploys, swaps, scalings and configuration changes from a file.

use super::input::{Input, Source};
use super::{ImportError, Progress, Report, Result};
use crate::clock;
use crate::ingest::changes::{self, KIND, POOL, TITLE, TS, Values};
use crate::ingest::report::{LineErrors, Wrong};
use crate::ingest::table::{Format, Table};
use headroom_domain::slug::nearest;
use headroom_store::change::{self, Change};
use headroom_store::import::{self, Noun};
use sqlx::PgPool;
use std::collections::HashMap;
use std::sync::Arc;

/// Most changes in one file.
const MAX_CHANGES: usize = 1_000_000;
/// Changes sent in one statement.
const PER_STATEMENT: usize = 2_000;
const MAX_SOURCE: usize = 120;

/// How changes are imported.
#[derive(Debug, Clone)]
pub struct ChangesOptions {
    /// Who tells of them: the same event of one source is one event.
    pub source: String,
    /// How rows are written; without it the first byte tells.
    pub format: Option<Format>,
    /// Leave wrong lines out instead of refusing the file.
    pub skip_bad_lines: bool,
    /// Check and count, write nothing.
    pub dry_run: bool,
}

impl Default for ChangesOptions {
    fn default() -> Self {
        Self { source: "import".into(), format: None, skip_bad_lines: false, dry_run: false }
    }
}

/// Imports change events, all or none. What was recorded before is left as it is.
pub async fn import_changes(
    db: &PgPool,
    source: Source,
    options: &ChangesOptions,
    progress: &Arc<dyn Progress>,
) -> Result<Report> {
    let length = options.source.chars().count();
    if length == 0 || length > MAX_SOURCE {
        return Err(ImportError::Unusable(format!("--source has {length} characters, expected 1 to {MAX_SOURCE}")));
    }
    let names = import::names(&mut *db.acquire().await?, Noun::Pool, None).await?;
    let pools: HashMap<Vec<u8>, i32> = names.into_iter().map(|name| (name.slug.into_bytes(), name.key)).collect();
    let (options, reading) = (options.clone(), Arc::clone(progress));
    let format = options.format;
    let told_by = options.source.clone();
    let work = tokio::task::spawn_blocking(move || {
        let input = Input::open(source, &*reading)?;
        reading.stage("reading", input.size);
        let read = read(&input, format, &pools, &told_by, &*reading);
        reading.end();
        read.map(|read| (input.name, read))
    });
    let (name, Read { rows, wrong, changes }) = work.await.map_err(|e| ImportError::Worker(e.to_string()))??;
    if !wrong.is_empty() && !options.skip_bad_lines {
        return Err(ImportError::Lines { name, errors: wrong });
    }
    let mut report = Report { rows, rejected: wrong, dry_run: options.dry_run, ..Report::default() };
    for change in &changes {
        report.covers(change.at_ms, change.at_ms);
    }
    if options.dry_run {
        report.jobs = changes.len() as u64;
        return Ok(report);
    }
    let mut tx = db.begin().await?;
    for part in changes.chunks(PER_STATEMENT) {
        let rows: Vec<_> = part.iter().map(|change| (clock::uuid(), change.clone())).collect();
        report.jobs += change::record(&mut tx, &rows).await?;
    }
    tx.commit().await?;
    let before = changes.len() as u64 - report.jobs;
    report.already_done = report.jobs == 0 && before > 0;
    if before > 0 && report.jobs > 0 {
        report
            .warnings
            .push(format!("{before} of {} changes were there before and are left as they are", changes.len()));
    }
    Ok(report)
}

struct Read {
    rows: u64,
    wrong: LineErrors,
    changes: Vec<Change>,
}

fn read(
    input: &Input,
    format: Option<Format>,
    pools: &HashMap<Vec<u8>, i32>,
    source: &str,
    progress: &dyn Progress,
) -> Result<Read> {
    let mut table = Table::open(input.lines()?, changes::columns(), format).map_err(|e| input.failed(e))?;
    let mut missing: Vec<&str> =
        [(KIND, "kind"), (TITLE, "title")].iter().filter(|(at, _)| !table.has(*at)).map(|(_, name)| *name).collect();
    if !(TS..TS + 3).any(|at| table.has(at)) {
        missing.push("ts (or ts_s, ts_ms)");
    }
    if !missing.is_empty() {
        return Err(ImportError::Unusable(format!("{} has no column {}", input.name, missing.join(" and no column "))));
    }
    let mut read = Read { rows: 0, wrong: LineErrors::default(), changes: Vec::new() };
    while let Some(next) = table.next_row().map_err(|e| input.failed(e))? {
        read.rows += 1;
        progress.at(input.position());
        let change = next.row.and_then(|row| {
            let slug = row.cell(POOL);
            let pool = if slug.is_empty() { None } else { Some(find(pools, slug)?) };
            let Values { at, kind, title, url, actor } = changes::values(&row)?;
            Ok(Change { at_ms: at, kind, pool, title, url, source: source.to_owned(), actor })
        });
        match change {
            Ok(_) if read.changes.len() == MAX_CHANGES => {
                return Err(ImportError::Unusable(format!(
                    "{} has more than {MAX_CHANGES} changes; split the file",
                    input.name
                )));
            }
            Ok(change) => read.changes.push(change),
            Err(wrong) => read.wrong.push(wrong.on(next.line)),
        }
    }
    Ok(read)
}

fn find(pools: &HashMap<Vec<u8>, i32>, slug: &[u8]) -> Result<i32, Wrong> {
    if let Some(key) = pools.get(slug) {
        return Ok(*key);
    }
    let text = String::from_utf8_lossy(&slug[..slug.len().min(63)]);
    let near = nearest(&text, pools.keys().filter_map(|known| std::str::from_utf8(known).ok()));
    let expected = match near {
        Some(near) => format!("a pool that exists, perhaps {near}, or nothing for all pools"),
        None => "a pool that exists, or nothing for all pools".to_owned(),
    };
    Err(Wrong::new("pool", slug, expected))
}
