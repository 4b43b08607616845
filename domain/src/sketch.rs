//! A mergeable sketch of positive values, for percentiles that may be added up.
//!
//! Logarithmic buckets after DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable
//! quantile sketch with relative-error guarantees", VLDB 2019): a value falls into the bucket
//! `ceil(ln v / ln gamma)`, a quantile is right within [`RELATIVE_ERROR`], and merging two
//! sketches adds their counts, so that the order of merging never matters.

use std::collections::BTreeMap;

/// A quantile read from a sketch is within 1 % of the true one.
pub const RELATIVE_ERROR: f64 = 0.01;

/// Bucket of everything at or below one thousandth of the unit, zero included.
const LEAST_BUCKET: i32 = i32::MIN;
const LEAST_VALUE: f64 = 0.001;
/// Most buckets in one sketch: values from 0.001 to 10^12 fill fewer.
const MAX_BUCKETS: usize = 4096;

/// Counts of values by logarithmic bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sketch {
    buckets: BTreeMap<i32, u64>,
}

impl Sketch {
    /// Records `count` values of `value` (any unit; negative or not-a-number counts as zero).
    pub fn record(&mut self, value: f64, count: u64) {
        if count > 0 {
            *self.buckets.entry(bucket_of(value)).or_default() += count;
        }
    }

    /// Adds all values of another sketch.
    pub fn merge(&mut self, other: &Self) {
        for (&bucket, &count) in &other.buckets {
            *self.buckets.entry(bucket).or_default() += count;
        }
    }

    /// Number of values recorded.
    pub fn count(&self) -> u64 {
        self.buckets.values().sum()
    }

    /// The `q`-quantile, `0.0..=1.0`, in the unit recorded. `None` if empty.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = (q.clamp(0.0, 1.0) * (count - 1) as f64).floor() as u64;
        let mut seen = 0;
        for (&bucket, &n) in &self.buckets {
            seen += n;
            if seen > rank {
                return Some(value_of(bucket));
            }
        }
        None
    }

    /// The stored form: pairs of bucket step and count as little-endian base-128 numbers.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut previous = 0_i64;
        for (&bucket, &count) in &self.buckets {
            let step = i64::from(bucket) - previous;
            put(((step << 1) ^ (step >> 63)) as u64, &mut out);
            put(count, &mut out);
            previous = i64::from(bucket);
        }
        out
    }

    /// Reads the stored form. `None` if the bytes are cut or absurd.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut buckets = BTreeMap::new();
        let mut rest = bytes;
        let mut previous = 0_i64;
        while !rest.is_empty() {
            let step = take(&mut rest)?;
            let step = (step >> 1) as i64 ^ -((step & 1) as i64);
            previous = previous.checked_add(step)?;
            buckets.insert(i32::try_from(previous).ok()?, take(&mut rest)?);
            if buckets.len() > MAX_BUCKETS {
                return None;
            }
        }
        Some(Self { buckets })
    }
}

fn gamma_ln() -> f64 {
    ((1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR)).ln()
}

fn bucket_of(value: f64) -> i32 {
    if value.is_nan() || value <= LEAST_VALUE {
        return LEAST_BUCKET;
    }
    (value.min(1e12).ln() / gamma_ln()).ceil() as i32
}

fn value_of(bucket: i32) -> f64 {
    if bucket == LEAST_BUCKET {
        return 0.0;
    }
    // The middle of the bucket in relative terms: 2 γ^i / (γ + 1).
    let gamma = gamma_ln().exp();
    2.0 * (f64::from(bucket) * gamma_ln()).exp() / (gamma + 1.0)
}

fn put(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quantiles_are_within_the_promised_error(mut values in prop::collection::vec(0.01_f64..1e6, 1..500), q in 0.0_f64..=1.0) {
            let mut sketch = Sketch::default();
            for v in &values {
                sketch.record(*v, 1);
            }
            values.sort_by(f64::total_cmp);
            let exact = values[(q * (values.len() - 1) as f64).floor() as usize];
            let read = sketch.quantile(q).unwrap();
            prop_assert!((read - exact).abs() <= exact * RELATIVE_ERROR * 1.0001, "{read} {exact}");
        }

        #[test]
        fn merging_is_the_same_in_any_order(a in prop::collection::vec(0.0_f64..1e4, 0..50), b in prop::collection::vec(0.0_f64..1e4, 0..50)) {
            let sketch = |values: &[f64]| { let mut s = Sketch::default(); for v in values { s.record(*v, 1); } s };
            let (sa, sb) = (sketch(&a), sketch(&b));
            let mut ab = sa.clone(); ab.merge(&sb);
            let mut ba = sb.clone(); ba.merge(&sa);
            prop_assert_eq!(&ab, &ba);
            prop_assert_eq!(ab.count() as usize, a.len() + b.len());
            prop_assert_eq!(Sketch::from_bytes(&ab.to_bytes()), Some(ab));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Sketch::from_bytes(&bytes);
        }
    }
}
