//! The packed form of a run of points: columns of integers, each in the shortest of a few codings.
//!
//! A block holds a fixed number of points (60 minutes, 288 five-minute points, 24 hours) with a
//! fixed number of columns. Occupancy history is smooth and often constant, so columns shrink to a
//! byte or two per point: constant columns to one number, sparse ones to their non-zero entries,
//! the rest to differences in units of their greatest common divisor, bit-packed.

use crate::occupancy::{FIELDS, Sums};

/// First byte of a block: the version of this layout.
const VERSION: u8 = 1;

/// How one column is coded; two to a byte would save little against the row's own overhead.
const ZERO: u8 = 0;
const CONSTANT: u8 = 1;
const SPARSE: u8 = 2;
const FRAME: u8 = 3;
const DELTA: u8 = 4;

/// A block that cannot be read: it was cut, damaged, or written by a newer release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackedError {
    /// The block ends before its columns do.
    #[error("packed block ends after {0} bytes, more were expected")]
    Truncated(usize),
    /// The version or a column's coding is unknown.
    #[error("packed block has unknown {what} {found}")]
    Unknown {
        /// `version` or `coding`.
        what: &'static str,
        /// The byte found.
        found: u8,
    },
    /// Bytes remain after the last column.
    #[error("packed block has {0} bytes too many")]
    Trailing(usize),
}

/// Packs points of history.
pub fn pack_sums(points: &[Sums]) -> Vec<u8> {
    let rows: Vec<[i64; FIELDS]> = points.iter().map(Sums::to_fields).collect();
    let mut column = vec![0; points.len()];
    let mut out = vec![VERSION];
    for field in 0..FIELDS {
        for (cell, row) in column.iter_mut().zip(&rows) {
            *cell = row[field];
        }
        pack_column(&column, &mut out);
    }
    out
}

/// Unpacks `n` points of history.
///
/// # Errors
/// [`PackedError`] if the bytes are not a whole block of `n` points.
pub fn unpack_sums(bytes: &[u8], n: usize) -> Result<Vec<Sums>, PackedError> {
    let mut rows = vec![[0_i64; FIELDS]; n];
    let mut reader = Reader::new(bytes)?;
    (0..FIELDS).try_for_each(|field| reader.column(n, |at, value| rows[at][field] = value))?;
    reader.finish()?;
    Ok(rows.into_iter().map(Sums::from_fields).collect())
}

/// Packs columns of equal length.
pub fn pack_columns(columns: &[&[i64]]) -> Vec<u8> {
    let mut out = vec![VERSION];
    for column in columns {
        pack_column(column, &mut out);
    }
    out
}

/// Unpacks `k` columns of `n` values.
///
/// # Errors
/// [`PackedError`] if the bytes are not a whole block of that shape.
pub fn unpack_columns(bytes: &[u8], k: usize, n: usize) -> Result<Vec<Vec<i64>>, PackedError> {
    let mut reader = Reader::new(bytes)?;
    let mut columns = Vec::with_capacity(k);
    for _ in 0..k {
        let mut column = vec![0; n];
        reader.column(n, |at, value| column[at] = value)?;
        columns.push(column);
    }
    reader.finish()?;
    Ok(columns)
}

fn pack_column(values: &[i64], out: &mut Vec<u8>) {
    let Some(&first) = values.first() else {
        out.push(ZERO);
        return;
    };
    if values.iter().all(|&v| v == first) {
        if first == 0 {
            out.push(ZERO);
        } else {
            out.push(CONSTANT);
            put_varint(zigzag(first), out);
        }
        return;
    }

    let unit = values.iter().fold(0, |unit, &v| gcd(unit, v.unsigned_abs())).max(1);
    let scaled: Vec<i64> = values.iter().map(|&v| div_exact(v, unit)).collect();
    let least = *scaled.iter().min().expect("not empty");
    let frame: Vec<u64> = scaled.iter().map(|&v| v.wrapping_sub(least) as u64).collect();
    let delta: Vec<u64> = scaled.windows(2).map(|w| zigzag(w[1].wrapping_sub(w[0]))).collect();
    let frame_bits = bits(&frame);
    let delta_bits = bits(&delta);

    let filled = values.iter().filter(|&&v| v != 0).count();
    // A sparse entry costs at least two bytes; it pays only where few points are filled.
    if filled * 16 < values.len() * frame_bits.min(delta_bits) as usize {
        out.push(SPARSE);
        put_varint(unit, out);
        put_varint(filled as u64, out);
        let mut next = 0;
        for (at, &value) in scaled.iter().enumerate().filter(|(_, v)| **v != 0) {
            put_varint((at - next) as u64, out);
            put_varint(zigzag(value), out);
            next = at + 1;
        }
    } else if frame_bits as usize * frame.len() <= delta_bits as usize * delta.len() {
        out.push(FRAME);
        put_varint(unit, out);
        put_varint(zigzag(least), out);
        put_bits(&frame, frame_bits, out);
    } else {
        out.push(DELTA);
        put_varint(unit, out);
        put_varint(zigzag(scaled[0]), out);
        put_bits(&delta, delta_bits, out);
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, PackedError> {
        let mut reader = Self { bytes, at: 0 };
        match reader.byte()? {
            VERSION => Ok(reader),
            found => Err(PackedError::Unknown { what: "version", found }),
        }
    }

    fn byte(&mut self) -> Result<u8, PackedError> {
        let byte = *self.bytes.get(self.at).ok_or(PackedError::Truncated(self.bytes.len()))?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, PackedError> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            if shift < 64 {
                value |= u64::from(byte & 0x7f) << shift;
            }
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(PackedError::Unknown { what: "number length", found: 10 })
    }

    fn column(&mut self, n: usize, mut set: impl FnMut(usize, i64)) -> Result<(), PackedError> {
        match self.byte()? {
            ZERO => {}
            CONSTANT => {
                let value = unzigzag(self.varint()?);
                (0..n).for_each(|at| set(at, value));
            }
            SPARSE => {
                let unit = self.varint()? as i64;
                let filled = self.varint()?;
                let mut next = 0_usize;
                for _ in 0..filled.min(n as u64) {
                    let at = next.saturating_add(self.varint()? as usize);
                    let value = unzigzag(self.varint()?).wrapping_mul(unit);
                    if at >= n {
                        return Err(PackedError::Trailing(at - n + 1));
                    }
                    set(at, value);
                    next = at + 1;
                }
            }
            FRAME => {
                let unit = self.varint()? as i64;
                let least = unzigzag(self.varint()?);
                self.bits(n, |at, raw| set(at, least.wrapping_add(raw as i64).wrapping_mul(unit)))?;
            }
            DELTA => {
                let unit = self.varint()? as i64;
                let mut value = unzigzag(self.varint()?);
                if n == 0 {
                    return Err(PackedError::Trailing(1));
                }
                set(0, value.wrapping_mul(unit));
                self.bits(n.saturating_sub(1), |at, raw| {
                    value = value.wrapping_add(unzigzag(raw));
                    set(at + 1, value.wrapping_mul(unit));
                })?;
            }
            found => return Err(PackedError::Unknown { what: "coding", found }),
        }
        Ok(())
    }

    fn bits(&mut self, n: usize, mut set: impl FnMut(usize, u64)) -> Result<(), PackedError> {
        let width = self.byte()?;
        if width > 64 {
            return Err(PackedError::Unknown { what: "bit width", found: width });
        }
        let mut buffer = 0_u128;
        let mut held = 0_u32;
        let mask = (1_u128 << width) - 1;
        for at in 0..n {
            while held < u32::from(width) {
                buffer |= u128::from(self.byte()?) << held;
                held += 8;
            }
            set(at, (buffer & mask) as u64);
            buffer >>= width;
            held -= u32::from(width);
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), PackedError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            more => Err(PackedError::Trailing(more)),
        }
    }
}

fn put_bits(values: &[u64], width: u32, out: &mut Vec<u8>) {
    out.push(width as u8);
    let mut buffer = 0_u128;
    let mut held = 0_u32;
    for &value in values {
        buffer |= u128::from(value) << held;
        held += width;
        while held >= 8 {
            out.push(buffer as u8);
            buffer >>= 8;
            held -= 8;
        }
    }
    if held > 0 {
        out.push(buffer as u8);
    }
}

fn bits(values: &[u64]) -> u32 {
    values.iter().map(|v| 64 - v.leading_zeros()).max().unwrap_or(0)
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// `value / unit` where `unit` divides `value`; a unit of 2^63 exists only for `i64::MIN`.
fn div_exact(value: i64, unit: u64) -> i64 {
    i64::try_from(unit).map_or(if value == 0 { 0 } else { -1 }, |unit| value / unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(column: &[i64]) -> usize {
        let bytes = pack_columns(&[column]);
        assert_eq!(unpack_columns(&bytes, 1, column.len()), Ok(vec![column.to_vec()]));
        bytes.len()
    }

    #[test]
    fn constant_and_sparse_columns_are_small() {
        assert_eq!(round_trip(&[0; 288]), 2);
        assert!(round_trip(&[60_000; 60]) <= 5);
        let mut sparse = [0; 288];
        sparse[17] = 3;
        assert!(round_trip(&sparse) <= 8);
    }

    #[test]
    fn smooth_series_take_about_a_byte_a_point() {
        let smooth: Vec<i64> = (0..60).map(|i| (500 + (i * 7) % 40) * 10_000).collect();
        assert!(round_trip(&smooth) < 60, "{}", round_trip(&smooth));
    }

    #[test]
    fn extremes_survive() {
        round_trip(&[i64::MIN, 0]);
        round_trip(&[i64::MIN, i64::MAX, 0, -1, 1]);
        round_trip(&[i64::MAX, i64::MIN]);
    }

    #[test]
    fn damaged_blocks_are_told() {
        let bytes = pack_columns(&[&[1, 2, 3, 900]]);
        assert!(matches!(unpack_columns(&bytes[..bytes.len() - 1], 1, 4), Err(PackedError::Truncated(_))));
        assert!(matches!(unpack_columns(&[9], 1, 4), Err(PackedError::Unknown { what: "version", found: 9 })));
        let mut longer = bytes;
        longer.push(0);
        assert_eq!(unpack_columns(&longer, 1, 4), Err(PackedError::Trailing(1)));
    }

    proptest! {
        #[test]
        fn any_column_round_trips(column in prop::collection::vec(any::<i64>(), 1..300)) {
            round_trip(&column);
        }

        #[test]
        fn any_scaled_column_round_trips(column in prop::collection::vec(-4000_i64..4000, 1..300), unit in 1_i64..100_000) {
            let scaled: Vec<i64> = column.iter().map(|v| v * unit).collect();
            round_trip(&scaled);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack_sums(&bytes, 60);
            let _ = unpack_sums(&bytes, 0);
        }
    }
}
