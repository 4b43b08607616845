//! Chance without a memory: the same question always has the same answer.

use headroom_domain::Millis;

/// Mixes 64 bits until none of them tells anything about the input (the finaliser of SplitMix64, Steele et al. 2014).
pub(super) fn mix(value: u64) -> u64 {
    let a = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let b = (a ^ (a >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let c = (b ^ (b >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    c ^ (c >> 31)
}

/// A key for one purpose, made of a key and a number.
pub(super) fn key(of: u64, number: u64) -> u64 {
    mix(of ^ mix(number))
}

/// Evenly from `0.0` to below `1.0`.
pub(super) fn share(key: u64, at: i64) -> f64 {
    (mix(key ^ at as u64) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A value from −1 to 1 that changes smoothly and turns about once per `period`.
pub(super) fn wander(key: u64, at: Millis, period: Millis) -> f64 {
    let step = at.div_euclid(period);
    let within = at.rem_euclid(period) as f64 / period as f64;
    let smooth = within * within * (3.0 - 2.0 * within);
    let (a, b) = (share(key, step), share(key, step + 1));
    2.0 * (a + (b - a) * smooth) - 1.0
}

/// A whole number near `value`: its floor, or one more with the probability of its fraction.
pub(super) fn whole(value: f64, key: u64, at: Millis) -> i64 {
    let floor = value.floor();
    floor as i64 + i64::from(share(key, at) < value - floor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_wanders_without_jumps_and_stays_in_its_range() {
        let values: Vec<f64> = (0..10_000).map(|i| wander(7, i * 1_000, 60_000)).collect();
        assert!(values.iter().all(|v| (-1.0..=1.0).contains(v)));
        assert!(values.windows(2).all(|w| (w[1] - w[0]).abs() < 0.06));
        assert!(values.iter().copied().fold(f64::MIN, f64::max) > 0.8);
    }

    #[test]
    fn whole_numbers_keep_their_mean() {
        let sum: i64 = (0..10_000).map(|at| whole(0.3, 5, at)).sum();
        assert!((2_800..3_200).contains(&sum), "{sum}");
    }
}
