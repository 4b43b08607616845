//! A batch of live samples: reading it, judging each row, and its packed form.
//!
//! A row is accepted or it is rejected with its place, field, what was found and what was expected.
//! Rows of one pool and instant belong together: they become one reading.

use super::aggregate::{Grouped, Known, QUEUED_SIGNAL, Sample};
use super::cells::{self, signed_milli};
use super::object;
use super::occupancy::{self, POOL, TENANT, TS, Values, instant, values};
use super::report::Wrong;
use super::table::{Cells, Row};
use headroom_domain::accumulate::Counters;
use headroom_domain::packed::{PackedError, pack_columns, unpack_columns};
use headroom_domain::{HOUR_MS, MINUTE_MS, Millis};
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// Most rows of one batch.
pub const MAX_ROWS: usize = 100_000;
/// Rejected rows whose verdict is told; the rest is counted.
pub const MAX_VERDICTS: usize = 100;
/// A sample may be this late.
pub const LATE_MS: Millis = 48 * HOUR_MS;
/// A sample's instant may be this far ahead: clocks differ.
pub const AHEAD_MS: Millis = 5 * MINUTE_MS;
/// Duration of a sample where neither row nor batch states one.
pub const STEP_MS: Millis = 10_000;
/// Version of the packed form.
pub const CODEC: i16 = 1;

/// A batch as it was sent.
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    /// Who sends.
    pub source: String,
    /// The sender's own counter.
    pub seq: i64,
    /// Duration of samples that state none.
    #[serde(default)]
    pub step_ms: Option<i64>,
    /// The rows, unread.
    #[serde(borrow, deserialize_with = "bounded_rows")]
    pub rows: Vec<&'a RawValue>,
}

/// Rows, cut apart, at most [`MAX_ROWS`]: a small body can hold a great many empty ones.
fn bounded_rows<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<&'a RawValue>, D::Error> {
    struct Bounded;
    impl<'de> Visitor<'de> for Bounded {
        type Value = Vec<&'de RawValue>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX_ROWS} rows")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Self::Value, A::Error> {
            let mut out = Vec::new();
            while let Some(row) = rows.next_element()? {
                if out.len() == MAX_ROWS {
                    return Err(A::Error::custom(format!("more than {MAX_ROWS} rows, send them in several batches")));
                }
                out.push(row);
            }
            Ok(out)
        }
    }
    deserializer.deserialize_seq(Bounded)
}

/// Why a row was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Verdict {
    /// Place of the row in the batch, from 1.
    pub row: usize,
    /// The field that is wrong.
    pub field: String,
    /// What was found, cut to a readable length.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

impl Verdict {
    fn of(row: usize, wrong: Wrong) -> Self {
        Self {
            row: row + 1,
            field: wrong.column.into_owned(),
            found: wrong.found,
            expected: wrong.expected.into_owned(),
        }
    }
}

/// Keys by slug. The slugs come from the database, so a fast hash will do.
pub type BySlug = HashMap<Vec<u8>, i32, foldhash::fast::RandomState>;

/// What is known about pools and tenants when a batch is judged.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Keys of pools by slug.
    pub pools: BySlug,
    /// Pools whose slots are given out here.
    pub tracked: HashSet<i32>,
    /// Keys of tenants by slug.
    pub tenants: BySlug,
    /// What is known about pools, by key.
    pub known: HashMap<i32, Known>,
    /// Extra signals by pool and name.
    pub signals: HashMap<(i32, String), i16>,
}

/// A row that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The pool's key.
    pub pool: i32,
    /// The tenant's key; 0 = the pool's total.
    pub tenant: i32,
    /// What it states.
    pub values: Values,
}

/// A value of an extra signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalValue {
    /// Place of its row in the batch, from 0.
    pub row: usize,
    /// The pool's key.
    pub pool: i32,
    /// The signal's name.
    pub name: String,
    /// When.
    pub at: Millis,
    /// Thousandths of its unit.
    pub milli: i64,
}

/// A batch, judged.
#[derive(Debug, Default)]
pub struct Judged {
    /// Rows that were accepted, by pool, instant and tenant.
    pub rows: Vec<Accepted>,
    /// Values of extra signals of accepted rows.
    pub signals: Vec<SignalValue>,
    /// Rows that were not, the first [`MAX_VERDICTS`].
    pub verdicts: Vec<Verdict>,
    /// How many were not.
    pub rejected: usize,
    /// Whether something was rejected that a newer catalog might know.
    pub unknown: bool,
}

impl Judged {
    /// Records a rejected row.
    pub fn reject(&mut self, verdict: Verdict) {
        self.rejected += 1;
        self.unknown |= matches!(verdict.field.as_str(), "pool" | "tenant" | "capacity");
        if self.verdicts.len() < MAX_VERDICTS {
            self.verdicts.push(verdict);
        }
    }
}

/// Judges the rows of a batch, each one flat JSON object.
pub fn judge<'a>(rows: impl IntoIterator<Item = &'a [u8]>, step_ms: Millis, now: Millis, catalog: &Catalog) -> Judged {
    let mut judged = Judged::default();
    let mut columns = occupancy::columns();
    let mut cells = Cells::default();
    let mut signals: Vec<SignalValue> = Vec::new();
    let mut numbered: Vec<(usize, Accepted)> = Vec::new();
    let mut names = Names { catalog, pool: (&[], 0) };
    for (place, text) in rows.into_iter().enumerate() {
        let read = object::cut(text, &mut columns, &mut cells).and_then(|()| {
            let row = Row::new(text, &cells);
            let accepted = read_row(&row, step_ms, now, &mut names)?;
            let known = signals.len();
            read_signals(&columns, &row, place, &accepted, &mut signals).inspect_err(|_| signals.truncate(known))?;
            Ok(accepted)
        });
        match read {
            Ok(row) => numbered.push((place, row)),
            Err(wrong) => judged.reject(Verdict::of(place, wrong)),
        }
    }
    let numbered = in_order(numbered, &mut signals, &mut judged);
    judged.signals = signals;
    agree(numbered, catalog, &mut judged);
    // As the sender wrote them, whatever was found out first.
    judged.verdicts.sort_by_key(|verdict| verdict.row);
    judged
}

/// Rows by pool, instant and tenant; of several for the same only the first is kept.
fn in_order(
    rows: Vec<(usize, Accepted)>,
    signals: &mut Vec<SignalValue>,
    judged: &mut Judged,
) -> Vec<(usize, Accepted)> {
    let key = |row: &Accepted| (row.pool, row.values.at, row.tenant);
    if rows.windows(2).all(|pair| key(&pair[0].1) < key(&pair[1].1)) {
        return rows;
    }
    // A row is large: its key and place are sorted, and the rows moved once.
    let mut order: Vec<((i32, Millis, i32), u32)> =
        rows.iter().enumerate().map(|(at, (_, row))| (key(row), at as u32)).collect();
    order.sort_unstable();
    let mut sorted: Vec<(usize, Accepted)> = Vec::with_capacity(rows.len());
    for (own, at) in order {
        let (place, row) = &rows[at as usize];
        if sorted.last().is_some_and(|(_, before)| key(before) == own) {
            signals.retain(|signal| signal.row != *place);
            let found = headroom_domain::range::rfc3339(row.values.at);
            let wrong = Wrong::new("ts", found.as_bytes(), "one row for each pool, tenant and time of a batch");
            judged.reject(Verdict::of(*place, wrong));
        } else {
            sorted.push((*place, row.clone()));
        }
    }
    sorted
}

/// Looks names up; the rows of a pool usually follow each other.
struct Names<'a> {
    catalog: &'a Catalog,
    pool: (&'a [u8], i32),
}

impl Names<'_> {
    fn pool(&mut self, slug: &[u8]) -> Option<i32> {
        if slug != self.pool.0 || slug.is_empty() {
            let (name, key) = self.catalog.pools.get_key_value(slug)?;
            self.pool = (name, *key);
        }
        Some(self.pool.1)
    }
}

fn read_row(row: &Row<'_>, step_ms: Millis, now: Millis, names: &mut Names<'_>) -> Result<Accepted, Wrong> {
    let slug = row.cell(POOL);
    let pool = names.pool(slug).ok_or_else(|| Wrong::new("pool", slug, "a pool that exists and is not archived"))?;
    if names.catalog.tracked.contains(&pool) {
        // Counted twice otherwise.
        let expected =
            "a pool whose slots live elsewhere: this one's are given out here, and its history comes from its claims";
        return Err(Wrong::new("pool", slug, expected));
    }
    let slug = row.cell(TENANT);
    let tenant = match slug {
        [] => 0,
        slug => *names
            .catalog
            .tenants
            .get(slug)
            .ok_or_else(|| Wrong::new("tenant", slug, "a tenant that exists and is not archived"))?,
    };
    let at = instant(row)?;
    if at > now + AHEAD_MS {
        return Err(Wrong::new("ts", row.cell(TS), "a time at most 5 min ahead of the server's"));
    }
    if at < now - LATE_MS {
        return Err(Wrong::new(
            "ts",
            row.cell(TS),
            "a time at most 48 h old; older history comes in with `headroom import`",
        ));
    }
    Ok(Accepted { pool, tenant, values: values(row, at, step_ms)? })
}

fn read_signals(
    columns: &super::table::Columns,
    row: &Row<'_>,
    place: usize,
    accepted: &Accepted,
    out: &mut Vec<SignalValue>,
) -> Result<(), Wrong> {
    for (i, name) in columns.signal_names().iter().enumerate() {
        let cell = row.cell(columns.first_signal() + i);
        if cell.is_empty() {
            continue;
        }
        let milli = signed_milli(cell).ok_or_else(|| {
            Wrong::new("signals", cell, format!("a number from -{0:e} to {0:e} for {name}", cells::MAX_SIGNAL))
        })?;
        out.push(SignalValue { row: place, pool: accepted.pool, name: name.clone(), at: accepted.values.at, milli });
    }
    Ok(())
}

/// Keeps the rows of each pool and instant that go together; one that does not is rejected.
fn agree(mut numbered: Vec<(usize, Accepted)>, catalog: &Catalog, judged: &mut Judged) {
    let nothing = Known::default();
    let mut grouped = Grouped::default();
    let mut samples: Vec<Sample> = Vec::new();
    let mut start = 0;
    while start < numbered.len() {
        let (pool, at) = (numbered[start].1.pool, numbered[start].1.values.at);
        let length = numbered[start..].iter().take_while(|(_, r)| r.pool == pool && r.values.at == at).count();
        let known = catalog.known.get(&pool).unwrap_or(&nothing);
        let mut end = start + length;
        while start < end {
            samples.clear();
            samples.extend(numbered[start..end].iter().map(|(_, r)| Sample { tenant: r.tenant, values: r.values }));
            let Err((place, wrong)) = grouped.fill(&samples, known) else { break };
            let (row, _) = numbered.remove(start + place);
            judged.signals.retain(|s| s.row != row);
            judged.reject(Verdict::of(row, wrong));
            end -= 1;
        }
        if let Some(queued) = grouped.queued.filter(|_| start < end) {
            let row = numbered[start].0;
            judged.signals.push(SignalValue { row, pool, name: QUEUED_SIGNAL.into(), at, milli: queued * 1000 });
        }
        start = end;
    }
    judged.rows = numbered.into_iter().map(|(_, row)| row).collect();
}

/// Columns of the packed form: one more than the value where it may be missing, 0 then.
const COLUMNS: usize = 15;
const SIGNAL_COLUMNS: usize = 4;

/// Packs accepted rows and signal values (pool, signal number, instant, thousandths).
pub fn pack(rows: &[Accepted], signals: &[(i32, i16, Millis, i64)]) -> Vec<u8> {
    let column = |f: fn(&Accepted) -> i64| -> Vec<i64> { rows.iter().map(f).collect() };
    let optional = |value: Option<i64>| value.map_or(0, |v| v + 1);
    let counters: Vec<Counters> = rows.iter().map(|r| r.values.counters.unwrap_or_default()).collect();
    let columns: [Vec<i64>; COLUMNS] = [
        column(|r| r.pool.into()),
        column(|r| r.tenant.into()),
        column(|r| r.values.at),
        column(|r| r.values.duration_ms),
        rows.iter().map(|r| optional(r.values.capacity)).collect(),
        rows.iter().map(|r| optional(r.values.planned_down)).collect(),
        column(|r| r.values.occupied),
        rows.iter().map(|r| optional(r.values.reserved)).collect(),
        rows.iter().map(|r| optional(r.values.queued)).collect(),
        column(|r| r.values.counters.is_some().into()),
        counters.iter().map(|c| c.claims).collect(),
        counters.iter().map(|c| c.rejections).collect(),
        counters.iter().map(|c| c.waited).collect(),
        counters.iter().map(|c| c.queue_ms).collect(),
        rows.iter().map(|r| optional(r.values.latency_micros)).collect(),
    ];
    let block = pack_columns(&columns.each_ref().map(Vec::as_slice));
    let signal_columns: [Vec<i64>; SIGNAL_COLUMNS] = [
        signals.iter().map(|s| s.0.into()).collect(),
        signals.iter().map(|s| s.1.into()).collect(),
        signals.iter().map(|s| s.2).collect(),
        signals.iter().map(|s| s.3).collect(),
    ];
    let mut out = Vec::with_capacity(block.len() + 64);
    out.extend((rows.len() as u32).to_le_bytes());
    out.extend((signals.len() as u32).to_le_bytes());
    out.extend((block.len() as u32).to_le_bytes());
    out.extend(block);
    out.extend(pack_columns(&signal_columns.each_ref().map(Vec::as_slice)));
    out
}

/// Rows and signal values of a packed batch.
pub type Unpacked = (Vec<Accepted>, Vec<(i32, i16, Millis, i64)>);

/// Unpacks a batch.
///
/// # Errors
/// [`PackedError`] if the bytes are cut or damaged.
pub fn unpack(bytes: &[u8]) -> Result<Unpacked, PackedError> {
    let cut = || PackedError::Truncated(bytes.len());
    let number = |at: usize| -> Result<usize, PackedError> {
        let four: [u8; 4] = bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).ok_or_else(cut)?;
        Ok(u32::from_le_bytes(four) as usize)
    };
    let (n, m, length) = (number(0)?, number(4)?, number(8)?);
    if n > MAX_ROWS || m > MAX_ROWS * headroom_domain::pool::MAX_SIGNALS {
        return Err(PackedError::Unknown { what: "number of rows", found: 0 });
    }
    let rest = &bytes[12..];
    let c = unpack_columns(rest.get(..length).ok_or_else(cut)?, COLUMNS, n)?;
    let s = unpack_columns(&rest[length..], SIGNAL_COLUMNS, m)?;
    let optional = |value: i64| (value > 0).then(|| value - 1);
    let rows = (0..n)
        .map(|i| Accepted {
            pool: c[0][i] as i32,
            tenant: c[1][i] as i32,
            values: Values {
                at: c[2][i],
                duration_ms: c[3][i],
                capacity: optional(c[4][i]),
                planned_down: optional(c[5][i]),
                occupied: c[6][i],
                reserved: optional(c[7][i]),
                queued: optional(c[8][i]),
                counters: (c[9][i] != 0).then(|| Counters {
                    claims: c[10][i],
                    rejections: c[11][i],
                    waited: c[12][i],
                    queue_ms: c[13][i],
                }),
                latency_micros: optional(c[14][i]),
            },
        })
        .collect();
    let signals = (0..m).map(|i| (s[0][i] as i32, s[1][i] as i16, s[2][i], s[3][i])).collect();
    Ok((rows, signals))
}

/// Groups rows by pool and instant, in order.
pub fn groups(rows: &[Accepted]) -> BTreeMap<(i32, Millis), Vec<Sample>> {
    let mut out: BTreeMap<(i32, Millis), Vec<Sample>> = BTreeMap::new();
    for row in rows {
        out.entry((row.pool, row.values.at)).or_default().push(Sample { tenant: row.tenant, values: row.values });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Millis = 1_795_248_000_000;

    fn catalog() -> Catalog {
        let known = Known { capacity: vec![(0, 100, 10)], ..Known::default() };
        Catalog {
            tracked: HashSet::new(),
            pools: BySlug::from_iter([(b"a".to_vec(), 1), (b"new".to_vec(), 2)]),
            tenants: BySlug::from_iter([(b"t".to_vec(), 7)]),
            known: HashMap::from([(1, known)]),
            signals: HashMap::new(),
        }
    }

    fn judged(rows: &[&str]) -> Judged {
        judge(rows.iter().map(|r| r.as_bytes()), STEP_MS, NOW, &catalog())
    }

    #[test]
    fn every_row_gets_its_verdict() {
        let at = NOW - 1000;
        let fine = format!(r#"{{"pool":"a","ts_ms":{at},"occupied":5,"signals":{{"lag":1.5}}}}"#);
        let cases = [
            (r#"{"pool":"x","ts_s":1,"occupied":1}"#.to_owned(), "pool"),
            (format!(r#"{{"pool":"a","tenant":"x","ts_ms":{at},"occupied":1}}"#), "tenant"),
            (format!(r#"{{"pool":"a","ts_ms":{},"occupied":1}}"#, NOW + AHEAD_MS + 1), "ts"),
            (format!(r#"{{"pool":"a","ts_ms":{},"occupied":1}}"#, NOW - LATE_MS - 1), "ts"),
            (format!(r#"{{"pool":"a","ts_ms":{at},"occupied":-1}}"#), "occupied"),
            (fine.clone(), "ts"),
            (format!(r#"{{"pool":"new","ts_ms":{at},"occupied":1}}"#), "capacity"),
            (format!(r#"{{"pool":"a","ts_ms":{at},"occupied":1"#), "line"),
        ];
        let mut rows = vec![fine.as_str()];
        rows.extend(cases.iter().map(|(row, _)| row.as_str()));
        let judged = judged(&rows);
        assert_eq!((judged.rows.len(), judged.signals.len(), judged.rejected), (1, 1, cases.len()));
        let mut fields: Vec<(usize, &str)> = judged.verdicts.iter().map(|v| (v.row, v.field.as_str())).collect();
        fields.sort_unstable();
        let expected: Vec<(usize, &str)> = cases.iter().enumerate().map(|(i, (_, field))| (i + 2, *field)).collect();
        assert_eq!(fields, expected);
    }

    #[test]
    fn rows_that_disagree_within_an_instant_are_told_apart() {
        let at = NOW - 1000;
        let judged = judged(&[
            &format!(r#"{{"pool":"a","ts_ms":{at},"occupied":5,"duration_ms":10000}}"#),
            &format!(r#"{{"pool":"a","tenant":"t","ts_ms":{at},"occupied":5,"duration_ms":20000}}"#),
        ]);
        assert_eq!(
            (judged.rows.len(), judged.verdicts[0].row, judged.verdicts[0].field.as_str()),
            (1, 2, "duration_ms")
        );
    }

    #[test]
    fn waiting_claims_are_kept_as_a_signal_of_the_pool() {
        let at = NOW - 1000;
        let judged = judged(&[
            &format!(r#"{{"pool":"a","ts_ms":{at},"occupied":5,"queued":7}}"#),
            &format!(r#"{{"pool":"a","tenant":"t","ts_ms":{at},"occupied":5,"queued":4}}"#),
        ]);
        let signals: Vec<_> = judged.signals.iter().map(|s| (s.pool, s.name.as_str(), s.at, s.milli)).collect();
        assert_eq!(signals, [(1, "queued", at, 7000)]);
    }

    #[test]
    fn a_body_cannot_hold_more_rows_than_a_batch() {
        let many = format!(r#"{{"source":"s","seq":1,"rows":[{}]}}"#, vec!["{}"; MAX_ROWS + 1].join(","));
        let problem = serde_json::from_str::<Envelope<'_>>(&many).expect_err("too many");
        assert!(problem.to_string().starts_with("more than 100000 rows"), "{problem}");
    }

    fn any_row() -> impl Strategy<Value = Accepted> {
        let some = || prop::option::of(0_i64..1_000_000);
        let counters = prop::option::of((0_i64..1000, 0_i64..1000, 0_i64..1000, 0_i64..1_000_000));
        (
            1..100_i32,
            0..100_i32,
            0..NOW,
            1..86_400_000_i64,
            some(),
            some(),
            0..10_000_000_i64,
            (some(), some(), some()),
            counters,
        )
            .prop_map(
                |(
                    pool,
                    tenant,
                    at,
                    duration_ms,
                    capacity,
                    planned_down,
                    occupied,
                    (reserved, queued, latency_micros),
                    counters,
                )| Accepted {
                    pool,
                    tenant,
                    values: Values {
                        at,
                        duration_ms,
                        capacity,
                        planned_down,
                        occupied,
                        reserved,
                        queued,
                        latency_micros,
                        counters: counters.map(|(claims, rejections, waited, queue_ms)| Counters {
                            claims,
                            rejections,
                            waited,
                            queue_ms,
                        }),
                    },
                },
            )
    }

    proptest! {
        #[test]
        fn a_packed_batch_is_the_batch(
            rows in prop::collection::vec(any_row(), 0..50),
            signals in prop::collection::vec((1..9_i32, 1..9_i16, 0..NOW, any::<i32>().prop_map(i64::from)), 0..20),
        ) {
            prop_assert_eq!(unpack(&pack(&rows, &signals)), Ok((rows, signals)));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&bytes);
        }

        #[test]
        fn any_text_is_judged(rows in prop::collection::vec(".{0,80}", 0..10)) {
            let n = rows.len();
            let judged = judge(rows.iter().map(String::as_bytes), STEP_MS, NOW, &catalog());
            prop_assert_eq!(judged.rejected + judged.rows.len(), n);
        }
    }
}
