//! Slices that other systems send instead of having them reckoned: counts of bad and of all things in a minute.

use super::super::{App, AppError, Problem, Result, pools};
use super::collect::LATE_MS;
use headroom_domain::Millis;
use headroom_domain::access::Action;
use headroom_domain::alert::slo::Sli;
use headroom_domain::alert::tally::SeriesKey;
use headroom_domain::alert::window::SLICE_MS;
use headroom_store::sli::{self, Sent};
use headroom_store::tenant;
use std::collections::{BTreeMap, HashMap};

/// Most slices of one request.
pub const MOST_SLICES: usize = 20_000;
/// A slice may begin so far ahead of our clock: clocks differ.
const AHEAD_MS: Millis = 60_000;
/// Most things in a slice.
const MOST_THINGS: i64 = 1_000_000_000_000;
/// Problems that are told.
const MOST_PROBLEMS: usize = 100;

/// A slice as it was sent.
#[derive(Debug, Clone)]
pub struct Slice {
    /// Slug of the pool.
    pub pool: String,
    /// Slug of the tenant; the pool as a whole without one.
    pub tenant: Option<String>,
    /// Which indicator.
    pub sli: Sli,
    /// Start of the slice.
    pub at: Millis,
    /// Bad things.
    pub bad: i64,
    /// All things.
    pub total: i64,
    /// A newer revision replaces.
    pub revision: i64,
}

/// What became of slices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Slices that count.
    pub accepted: usize,
    /// Of these, new or newer than what was there.
    pub changed: u64,
    /// Of these, late: judged with the present, not with their own time.
    pub late: usize,
    /// Why others do not.
    pub rejected: Vec<Problem>,
    /// How many those are.
    pub rejections: usize,
}

impl App {
    /// Takes up slices: those that can be are, and the others are told.
    pub async fn send_slices(&self, source: &str, slices: &[Slice]) -> Result<Taken> {
        self.require(Action::Ingest)?;
        self.require_all_tenants(Action::Ingest)?;
        if !(1..=120).contains(&source.chars().count()) || source.chars().any(char::is_control) {
            return Err(AppError::invalid("source", source, "1 to 120 characters without control characters"));
        }
        if slices.is_empty() || slices.len() > MOST_SLICES {
            return Err(AppError::invalid("slices", slices.len().to_string(), format!("1 to {MOST_SLICES} slices")));
        }
        let mut conn = self.db.ingest.acquire().await?;
        let now = headroom_store::now(&mut conn).await?;
        let mut keys: HashMap<&str, Option<i32>> = HashMap::new();
        for slice in slices {
            if !keys.contains_key(slice.pool.as_str()) {
                let found = match pools::find(&mut conn, &self.caller, &slice.pool).await {
                    Ok(pool) => Some(pool.key),
                    Err(AppError::NotFound { .. } | AppError::Moved { .. }) => None,
                    Err(error) => return Err(error),
                };
                keys.insert(&slice.pool, found);
            }
        }
        let named: Vec<String> = slices.iter().filter_map(|slice| slice.tenant.clone()).collect();
        let tenants: HashMap<String, i32> =
            tenant::keys_of(&mut conn, &named).await?.into_iter().map(|(key, slug)| (slug, key)).collect();
        let mut taken = Taken::default();
        // Of the same slice twice in one request the newer revision counts, and of two of one revision the later.
        let mut sent: BTreeMap<(i32, Millis, SeriesKey), Sent> = BTreeMap::new();
        for (number, slice) in slices.iter().enumerate() {
            match check(slice, &keys, &tenants, now) {
                Ok(good) => {
                    taken.accepted += 1;
                    taken.late += usize::from(now - slice.at > 2 * SLICE_MS);
                    let key = (good.pool, good.at, good.key);
                    if sent.get(&key).is_none_or(|other| other.revision <= good.revision) {
                        sent.insert(key, good);
                    }
                }
                Err((field, found, expected)) => {
                    taken.rejections += 1;
                    if taken.rejected.len() < MOST_PROBLEMS {
                        taken.rejected.push(Problem::new(format!("slices[{number}].{field}"), found, expected));
                    }
                }
            }
        }
        let sent: Vec<Sent> = sent.into_values().collect();
        if !sent.is_empty() {
            taken.changed = sli::send(&mut conn, source, &sent).await?;
        }
        Ok(taken)
    }
}

type Wrong = (&'static str, String, String);

fn check(
    slice: &Slice,
    pools: &HashMap<&str, Option<i32>>,
    tenants: &HashMap<String, i32>,
    now: Millis,
) -> Result<Sent, Wrong> {
    let wrong = |field, found: &dyn std::fmt::Display, expected: &str| (field, found.to_string(), expected.to_owned());
    let pool = pools.get(slice.pool.as_str()).copied().flatten();
    let pool = pool.ok_or_else(|| wrong("pool", &slice.pool, "the slug of a pool that exists"))?;
    let tenant = match &slice.tenant {
        Some(slug) => *tenants.get(slug).ok_or_else(|| wrong("tenant", slug, "the slug of a tenant that exists"))?,
        None => 0,
    };
    if slice.at.rem_euclid(SLICE_MS) != 0 {
        return Err(wrong("at", &headroom_domain::range::rfc3339(slice.at), "the start of a minute"));
    }
    if slice.at > now + AHEAD_MS {
        return Err(wrong(
            "at",
            &headroom_domain::range::rfc3339(slice.at),
            "future: at most 60 s ahead of this server's clock",
        ));
    }
    if slice.at < now - LATE_MS - SLICE_MS {
        return Err(wrong("at", &headroom_domain::range::rfc3339(slice.at), "too_old: at most 1 h late"));
    }
    if !(0..=MOST_THINGS).contains(&slice.total) {
        return Err(wrong("total", &slice.total, "0 to 1,000,000,000,000"));
    }
    if slice.bad < 0 || (slice.bad > slice.total && slice.sli.is_ratio()) {
        return Err(wrong("bad", &slice.bad, "0 to total"));
    }
    if slice.revision < 0 {
        return Err(wrong("revision", &slice.revision, "0 or more"));
    }
    let key = SeriesKey { tenant, sli: slice.sli };
    Ok(Sent { pool, at: slice.at, key, revision: slice.revision, bad: slice.bad, total: slice.total })
}
