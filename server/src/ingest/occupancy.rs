//! One row of occupancy: what a pool, or one tenant in it, looked like from an instant on.

use super::cells::{self, MAX_COUNT, MAX_DURATION_MS};
use super::report::Wrong;
use super::table::{Columns, Row};
use headroom_domain::accumulate::Counters;
use headroom_domain::{LATEST_MS, MAX_SLOTS, Millis};

/// The columns a row may have.
pub const COLUMNS: &[&str] = &[
    "pool",
    "tenant",
    "ts",
    "ts_s",
    "ts_ms",
    "capacity",
    "planned_down",
    "occupied",
    "reserved",
    "queued",
    "claims",
    "rejections",
    "waited",
    "queue_ms",
    "latency_p95_ms",
    "duration_ms",
];

/// The pool's slug.
pub const POOL: usize = 0;
/// The tenant's slug; empty = the pool's total.
pub const TENANT: usize = 1;
/// Instant, RFC 3339.
pub const TS: usize = 2;
/// Instant, epoch seconds.
pub const TS_S: usize = 3;
/// Instant, epoch milliseconds.
pub const TS_MS: usize = 4;
const CAPACITY: usize = 5;
const PLANNED_DOWN: usize = 6;
/// Occupied slots.
pub const OCCUPIED: usize = 7;
const RESERVED: usize = 8;
const QUEUED: usize = 9;
const CLAIMS: usize = 10;
const REJECTIONS: usize = 11;
const WAITED: usize = 12;
const QUEUE_MS: usize = 13;
const LATENCY: usize = 14;
const DURATION: usize = 15;

/// Longest latency, milliseconds: a day.
const MAX_LATENCY_MS: f64 = 86_400_000.0;

/// Columns of occupancy rows.
pub fn columns() -> Columns {
    Columns::new(COLUMNS, true)
}

/// What a row states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Values {
    /// When it begins to hold.
    pub at: Millis,
    /// For how long it holds.
    pub duration_ms: Millis,
    /// Configured slots.
    pub capacity: Option<i64>,
    /// Of these, taken out on purpose.
    pub planned_down: Option<i64>,
    /// Occupied slots; may exceed the capacity.
    pub occupied: i64,
    /// Promised slots.
    pub reserved: Option<i64>,
    /// Claims waiting.
    pub queued: Option<i64>,
    /// Claims within the duration; `None` if nothing is said about claims.
    pub counters: Option<Counters>,
    /// P95 of the allocation latency, thousandths of a millisecond.
    pub latency_micros: Option<i64>,
}

/// Reads the instant of a row: exactly one of `ts`, `ts_s`, `ts_ms`.
pub fn instant(row: &Row<'_>) -> Result<Millis, Wrong> {
    let (ts, seconds, millis) = (row.cell(TS), row.cell(TS_S), row.cell(TS_MS));
    match (ts.is_empty(), seconds.is_empty(), millis.is_empty()) {
        (_, true, true) => cells::rfc3339("ts", ts),
        (true, false, true) => cells::epoch("ts_s", seconds, 1000),
        (true, true, false) => cells::epoch("ts_ms", millis, 1),
        _ => Err(Wrong::new("ts", b"several times", "one of ts, ts_s, ts_ms")),
    }
}

/// Reads what a row states from `at` on. `step_ms` holds where it states no duration.
pub fn values(row: &Row<'_>, at: Millis, step_ms: Millis) -> Result<Values, Wrong> {
    let slots = |name, cell| cells::optional(name, row.cell(cell), 0, MAX_SLOTS);
    let count = |name, cell| cells::optional(name, row.cell(cell), 0, MAX_COUNT);
    let duration_ms = cells::optional("duration_ms", row.cell(DURATION), 1, MAX_DURATION_MS)?.unwrap_or(step_ms);
    if at + duration_ms > LATEST_MS {
        return Err(Wrong::new("ts", row.cell(TS), "a time from 1970-01-01 to 2200-01-01"));
    }
    let (claims, rejections) = (count("claims", CLAIMS)?, count("rejections", REJECTIONS)?);
    let (waited, queue_ms) = (count("waited", WAITED)?, count("queue_ms", QUEUE_MS)?);
    if let Some(claims) = claims {
        for (name, part, cell) in [("rejections", rejections, REJECTIONS), ("waited", waited, WAITED)] {
            if part.is_some_and(|part| part > claims) {
                return Err(Wrong::new(name, row.cell(cell), format!("at most the claims, {claims}")));
            }
        }
    }
    let stated = claims.or(rejections).or(waited).or(queue_ms).is_some();
    let latency = row.cell(LATENCY);
    Ok(Values {
        at,
        duration_ms,
        capacity: slots("capacity", CAPACITY)?,
        planned_down: slots("planned_down", PLANNED_DOWN)?,
        occupied: cells::whole("occupied", row.cell(OCCUPIED), 0, MAX_SLOTS)?,
        reserved: slots("reserved", RESERVED)?,
        queued: count("queued", QUEUED)?,
        counters: stated.then(|| Counters {
            claims: claims.unwrap_or(0),
            rejections: rejections.unwrap_or(0),
            waited: waited.unwrap_or(0),
            queue_ms: queue_ms.unwrap_or(0),
        }),
        latency_micros: if latency.is_empty() {
            None
        } else {
            Some(cells::milli("latency_p95_ms", latency, MAX_LATENCY_MS)?)
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::object;
    use crate::ingest::table::Cells;

    fn read(line: &str) -> Result<Values, String> {
        let (mut columns, mut cells) = (columns(), Cells::default());
        object::cut(line.as_bytes(), &mut columns, &mut cells).map_err(|e| e.to_string())?;
        let row = Row::new(line.as_bytes(), &cells);
        let at = instant(&row).map_err(|e| e.to_string())?;
        values(&row, at, 60_000).map_err(|e| e.to_string())
    }

    #[test]
    fn a_row_states_what_it_states_and_no_more() {
        let least = read(r#"{"pool":"a","ts_s":60,"occupied":5}"#).expect("right");
        assert_eq!(least, Values { at: 60_000, duration_ms: 60_000, occupied: 5, ..Values::default() });
        let more = read(r#"{"pool":"a","ts_ms":60001,"occupied":5,"capacity":4,"claims":9,"rejections":2,"latency_p95_ms":1.5,"duration_ms":10000}"#)
            .expect("right");
        assert_eq!(
            (more.at, more.duration_ms, more.capacity, more.latency_micros),
            (60_001, 10_000, Some(4), Some(1500))
        );
        assert_eq!(more.counters, Some(Counters { claims: 9, rejections: 2, ..Counters::default() }));
    }

    #[test]
    fn wrong_values_name_their_column() {
        for (line, start) in [
            (r#"{"ts_s":1,"occupied":-1}"#, "occupied: found \"-1\", expected a whole number from 0 to 10000000"),
            (r#"{"ts_s":1,"occupied":10000001}"#, "occupied: found"),
            (r#"{"ts_s":1}"#, "occupied: nothing found"),
            (r#"{"occupied":1}"#, "ts: nothing found, expected a time such as"),
            (r#"{"ts_s":1,"ts_ms":1,"occupied":1}"#, "ts: found \"several times\""),
            (r#"{"ts":1795248000,"occupied":1}"#, "ts: found \"1795248000\", expected a time such as"),
            (
                r#"{"ts_s":1,"occupied":1,"claims":1,"rejections":2}"#,
                "rejections: found \"2\", expected at most the claims, 1",
            ),
            (r#"{"ts_s":1,"occupied":1,"claims":9999999999999}"#, "claims: found"),
            (
                r#"{"ts_s":1,"occupied":1,"duration_ms":0}"#,
                "duration_ms: found \"0\", expected a whole number from 1 to 86400000",
            ),
            (r#"{"ts":"2199-12-31T23:59:59Z","occupied":1}"#, "ts: found"),
            (r#"{"ts_s":1,"occupied":true}"#, "occupied: found \"true\""),
        ] {
            let problem = read(line).expect_err(line);
            assert!(problem.starts_with(start), "{line}: {problem}");
        }
    }
}
