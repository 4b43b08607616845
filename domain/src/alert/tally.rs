//! Counts of all indicators of a pool and of its tenants since their birth, as of an instant.
//!
//! A window of any length is the difference of two tallies, so its cost does not grow with its length. A tally carries a running
//! hash of every slice that went into it: two tallies of one instant with the same hash were made of the same slices, which is how
//! late and replaced slices are noticed.

use super::slo::Sli;
use super::window::{Counts, SLICE_MS, Window};
use crate::Millis;
use std::collections::BTreeMap;

/// The tenant's key of the pool as a whole.
pub const WHOLE: i32 = 0;
/// Most series of one pool; what comes later is not counted apart, only as part of the pool.
pub const MOST_SERIES: usize = 4_096;

/// What is counted: an indicator of a pool (tenant 0) or of a tenant in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey {
    /// The tenant's key; 0 = the pool as a whole.
    pub tenant: i32,
    /// The indicator.
    pub sli: Sli,
}

/// What was counted in one slice, by series; bad and total.
pub type Slices = BTreeMap<SeriesKey, (u64, u64)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sum {
    /// Start of its first slice.
    born_ms: Millis,
    counts: Counts,
}

/// Counts since birth.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    hash: u64,
    /// End of the last slice in which anything was observed.
    seen_ms: Option<Millis>,
    series: BTreeMap<SeriesKey, Sum>,
}

impl Tally {
    /// Takes up the slice that begins at an instant. `None` = nothing was observed of the pool: what was born stays unobserved.
    /// A series that was born and is not named was observed, and nothing happened.
    pub fn take(&mut self, start: Millis, slices: Option<&Slices>) {
        // One more than the instant: the hash of nothing is zero, and stays it over zeros.
        self.mix((start as u64).wrapping_add(1));
        let Some(slices) = slices else {
            self.mix(0);
            return;
        };
        self.seen_ms = Some(start + SLICE_MS);
        for (key, sum) in &mut self.series {
            let slice = slices.get(key).copied().unwrap_or_default();
            sum.counts = sum.counts.and(Some(slice));
        }
        for (key, slice) in slices {
            self.mix((u64::from(key.tenant.unsigned_abs()) << 8) | u64::from(key.sli.number()));
            self.mix(slice.0);
            self.mix(slice.1);
            if self.series.len() < MOST_SERIES || key.tenant == WHOLE {
                let born = || Sum { born_ms: start, counts: Counts::default().and(Some(*slice)) };
                self.series.entry(*key).or_insert_with(born);
            }
        }
    }

    /// FNV-1a, a word at a time.
    fn mix(&mut self, word: u64) {
        for byte in word.to_le_bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// End of the last slice in which anything was observed.
    pub fn seen_ms(&self) -> Option<Millis> {
        self.seen_ms
    }

    /// What is counted, and since when.
    pub fn keys(&self) -> impl Iterator<Item = (SeriesKey, Millis)> {
        self.series.iter().map(|(key, sum)| (*key, sum.born_ms))
    }

    /// Counts of a series since its birth.
    pub fn counts(&self, key: SeriesKey) -> Counts {
        self.series.get(&key).map(|sum| sum.counts).unwrap_or_default()
    }

    /// The window of a series that ends with this tally at `end_ms` and began at `start_ms`, where `start` was counted; `None`
    /// if nothing was counted by then.
    pub fn window(&self, key: SeriesKey, start: Option<&Self>, start_ms: Millis, end_ms: Millis) -> Window {
        let Some(sum) = self.series.get(&key) else { return Window { expected: 0, counts: Counts::default() } };
        let length = end_ms - start_ms.max(sum.born_ms);
        let before = start.map(|tally| tally.counts(key)).unwrap_or_default();
        Window { expected: (length / SLICE_MS).max(0) as u64, counts: sum.counts - before }
    }

    /// The tally in bytes.
    pub fn pack(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.series.len() * 12);
        out.push(VERSION);
        out.extend(self.hash.to_le_bytes());
        put(&mut out, self.seen_ms.map_or(0, |at| at.max(0) as u64 + 1));
        put(&mut out, self.series.len() as u64);
        for (key, sum) in &self.series {
            put(&mut out, u64::from(key.tenant.unsigned_abs()));
            out.push(key.sli.number());
            put(&mut out, (sum.born_ms.max(0) / SLICE_MS) as u64);
            put(&mut out, sum.counts.observed);
            put(&mut out, sum.counts.bad);
            put(&mut out, sum.counts.total);
        }
        out
    }

    /// The inverse of [`Tally::pack`]; `None` if the bytes are damaged. An indicator that this version does not know is left out.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let (version, mut rest) = bytes.split_first()?;
        if *version != VERSION {
            return None;
        }
        let (hash, after) = rest.split_first_chunk::<8>()?;
        rest = after;
        let seen = get(&mut rest)?;
        let count = get(&mut rest)?;
        let mut series = BTreeMap::new();
        for _ in 0..count {
            let tenant = i32::try_from(get(&mut rest)?).ok()?;
            let (number, after) = rest.split_first()?;
            rest = after;
            let born_ms = i64::try_from(get(&mut rest)?).ok()?.checked_mul(SLICE_MS)?;
            let counts = Counts { observed: get(&mut rest)?, bad: get(&mut rest)?, total: get(&mut rest)? };
            if let Some(sli) = Sli::from_number(*number) {
                series.insert(SeriesKey { tenant, sli }, Sum { born_ms, counts });
            }
        }
        let seen_ms = seen.checked_sub(1).and_then(|at| i64::try_from(at).ok());
        rest.is_empty().then_some(Self { hash: u64::from_le_bytes(*hash), seen_ms, series })
    }
}

/// First byte of what is packed.
const VERSION: u8 = 1;

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn get(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        // The tenth byte has one bit.
        if shift == 63 && part > 1 {
            return None;
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(tenant: i32, sli: Sli) -> SeriesKey {
        SeriesKey { tenant, sli }
    }

    fn any_slices() -> impl Strategy<Value = Option<Slices>> {
        let series = (0..3_i32, 0..Sli::ALL.len(), 0..50_u64, 0..500_u64);
        proptest::option::weighted(
            0.8,
            proptest::collection::vec(series, 0..6).prop_map(|all| {
                all.into_iter().map(|(t, s, bad, good)| (key(t, Sli::ALL[s]), (bad, bad + good))).collect::<Slices>()
            }),
        )
    }

    proptest! {
        #[test]
        fn a_window_is_what_its_slices_add_up_to(
            slices in proptest::collection::vec(any_slices(), 1..40),
            from in 0_usize..40,
            tenant in 0..3_i32,
        ) {
            let from = from.min(slices.len());
            let mut tallies = vec![Tally::default()];
            for (minute, slice) in slices.iter().enumerate() {
                let mut next = tallies[minute].clone();
                next.take(minute as i64 * SLICE_MS, slice.as_ref());
                tallies.push(next);
            }
            let end = slices.len();
            for sli in Sli::ALL {
                let key = key(tenant, *sli);
                let born = slices.iter().position(|slice| slice.as_ref().is_some_and(|s| s.contains_key(&key)));
                let window = tallies[end].window(key, Some(&tallies[from]), from as i64 * SLICE_MS, end as i64 * SLICE_MS);
                let start = born.map_or(end, |born| born.max(from));
                prop_assert_eq!(window.expected, (end - start) as u64);
                let seen = slices[start..].iter().flatten();
                prop_assert_eq!(window.counts.observed, seen.clone().count() as u64);
                prop_assert_eq!(window.counts.bad, seen.clone().filter_map(|s| s.get(&key)).map(|s| s.0).sum::<u64>());
                prop_assert_eq!(window.counts.total, seen.filter_map(|s| s.get(&key)).map(|s| s.1).sum::<u64>());
            }
            let packed = tallies[end].pack();
            prop_assert_eq!(Tally::unpack(&packed), Some(tallies[end].clone()));
        }

        #[test]
        fn damaged_bytes_are_refused_or_read_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Tally::unpack(&bytes);
        }
    }

    #[test]
    fn slices_that_differ_are_noticed_even_where_their_sums_agree() {
        let of = |first: (u64, u64), second: (u64, u64)| {
            let mut tally = Tally::default();
            let whole = key(WHOLE, Sli::Saturation);
            tally.take(0, Some(&Slices::from([(whole, first)])));
            tally.take(SLICE_MS, Some(&Slices::from([(whole, second)])));
            tally
        };
        let (a, b) = (of((1, 10), (2, 10)), of((2, 10), (1, 10)));
        assert_eq!(a.counts(key(WHOLE, Sli::Saturation)), b.counts(key(WHOLE, Sli::Saturation)));
        assert_ne!(a, b);
        let mut unseen = Tally::default();
        unseen.take(0, None);
        assert_ne!(unseen, Tally::default());
        assert_eq!(unseen.seen_ms(), None);
        assert!(Tally::unpack(&a.pack()[..10]).is_none());
    }
}
