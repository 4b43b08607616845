//! Rows/s of `headroom import occupancy` beside COPY of the same file, and what a row weighs afterwards.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Result, ensure};
use headroom_domain::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use headroom_server::clock;

use super::{Options, Rows, bytes_a_row, folder};
use crate::bench::figures::{Goal, Pair, Report, list, median, short};
use crate::bench::place::{self, Place};
use crate::bench::rows::{CSV_HEADER, Fleet, POOLS, Row, Slugs, TENANTS_A_POOL};

const GOAL: Goal = Goal::AtLeast(1.0);
const SEED: u64 = 1;

/// Two days of 200 pools: 3.5 million rows.
const FULL_MS: Millis = 2 * DAY_MS;
const QUICK_MS: Millis = 8 * HOUR_MS;

pub(super) async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let files = folder()?;
    let span = if options.quick { QUICK_MS } else { FULL_MS };
    let to = clock::now_ms().div_euclid(HOUR_MS) * HOUR_MS;
    report.step(&format!("writing {} h of {POOLS} pools x {TENANTS_A_POOL} tenants as CSV", span / HOUR_MS));
    let rows = write(&files.path().join("rows.csv"), to - span, to)?;
    let bytes = rows.file.metadata()?.len();
    report.note(format!(
        "import: {} rows of {POOLS} pools x {TENANTS_A_POOL} tenants at 1 min, by time, {}B of CSV",
        rows.count,
        short(bytes as f64)
    ));

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let rounds = if options.wants(1) { options.rounds() } else { 1 };
    for round in 0..rounds {
        let place = Place::new(&["--no-jobs"])?;
        let mut connection = place.connect().await?;
        if round == 0 {
            let (version, settings) = (place::version(&mut connection).await?, place::settings(&mut connection).await?);
            report.note(format!("PostgreSQL {version}: {settings}"));
        }
        let mut bare = 0.0;
        // Who is first in a round is last in the next.
        for turn in [round % 2, 1 - round % 2] {
            if turn == 0 {
                let seconds = place.copy(&[&rows.file]).await?;
                bare = place::bare_bytes_a_row(&mut connection).await?;
                place::drop_bare(&mut connection).await?;
                theirs.push(rows.count as f64 / seconds);
                report.step(&format!("round {}: COPY took {seconds:.1} s", round + 1));
            } else {
                place::settle(&mut connection).await?;
                let seconds = place.import(&rows.file)?;
                check(&mut connection, &rows).await?;
                ours.push(rows.count as f64 / seconds);
                report.step(&format!("round {}: headroom import took {seconds:.1} s", round + 1));
            }
            place::settle(&mut connection).await?;
        }
        if round + 1 == rounds {
            report.note(format!("import: rounds {} rows/s, COPY {} rows/s", list(&ours), list(&theirs)));
            if options.wants(1) {
                let pair = Pair { measured: median(&ours), peer: median(&theirs), peer_name: "COPY", unit: "rows/s" };
                report.ratio("import occupancy", pair, GOAL);
            }
            if options.wants(4) {
                bytes_a_row(&place, "bytes a sample", rows.count, bare, report).await?;
            }
        }
        place.end()?;
    }
    Ok(())
}

/// An import that lost or doubled something is fast for a wrong reason.
async fn check(connection: &mut sqlx::PgConnection, rows: &Rows) -> Result<()> {
    let found = place::occupied_slot_ms(connection).await?;
    ensure!(
        found == rows.occupied_slot_ms,
        "{found} occupied slot-milliseconds were imported, expected {}",
        rows.occupied_slot_ms
    );
    Ok(())
}

/// Writes the minutes of `[from, to)`.
fn write(file: &Path, from: Millis, to: Millis) -> Result<Rows> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(file)?);
    out.write_all(CSV_HEADER.as_bytes())?;
    let (mut fleet, slugs, mut rows) = (Fleet::new(SEED, POOLS), Slugs::default(), Vec::new());
    let (mut count, mut occupied) = (0, 0);
    let mut at = from;
    while at < to {
        fleet.minute(at, &mut rows);
        slugs.csv(at, &rows, &mut out)?;
        count += rows.len() as u64;
        occupied += occupied_of_pools(&rows);
        at += MINUTE_MS;
    }
    out.flush()?;
    Ok(Rows { file: file.to_owned(), count, occupied_slot_ms: occupied * MINUTE_MS })
}

/// Occupied slots in the pools' own rows.
pub(super) fn occupied_of_pools(rows: &[Row]) -> i64 {
    rows.iter().filter(|row| row.tenant.is_none()).map(|row| row.occupied).sum()
}
