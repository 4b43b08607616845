//! The shape of a real city: taxi passengers of New York per half hour, from the Numenta Anomaly Benchmark (MIT).

use flate2::read::GzDecoder;
use headroom_domain::{DAY_MS, Millis};
use std::io::Read;

const PACKED: &[u8] = include_bytes!("../../../assets/demo/nyc_taxi.csv.gz");
/// Length of a row's interval.
const STEP_MS: Millis = 30 * 60_000;
/// Whole weeks of the recording that are used, so that a weekday stays the weekday it was when the recording repeats.
const WEEKS: usize = 30;
const ROWS: usize = WEEKS * 7 * 48;
/// 2014-07-01T00:00:00, the first row, read as if it were UTC: the wall clock counts.
const FIRST_WALL_MS: Millis = 1_404_172_800_000;
/// Passengers of an ordinary busy half hour (the 99.6th percentile); more is a marathon or New Year's Eve.
const BUSY: f64 = 27_500.0;

/// The recording, by half hour of wall-clock time.
#[derive(Debug, Clone)]
pub(super) struct Taxi {
    shares: Vec<f64>,
}

impl Taxi {
    pub(super) fn read() -> Self {
        let mut text = String::new();
        GzDecoder::new(PACKED).read_to_string(&mut text).expect("the recording is part of the binary");
        let passengers = text.lines().skip(1).filter_map(|line| line.split_once(',')?.1.trim().parse::<f64>().ok());
        let shares: Vec<f64> = passengers.map(|p| p / BUSY).take(ROWS).collect();
        assert_eq!(shares.len(), ROWS, "the recording holds thirty weeks");
        Self { shares }
    }

    /// Passengers at a wall-clock instant of New York, 1.0 = an ordinary busy half hour.
    pub(super) fn at(&self, wall_ms: Millis) -> f64 {
        let since = (wall_ms - FIRST_WALL_MS).rem_euclid(WEEKS as i64 * 7 * DAY_MS);
        let row = (since / STEP_MS) as usize;
        let within = (since % STEP_MS) as f64 / STEP_MS as f64;
        let (a, b) = (self.shares[row], self.shares[(row + 1) % ROWS]);
        a + (b - a) * within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rows_are_as_recorded() {
        let taxi = Taxi::read();
        assert!((taxi.at(FIRST_WALL_MS) * BUSY - 10_844.0).abs() < 1e-6);
        assert!((taxi.at(FIRST_WALL_MS + STEP_MS / 2) * BUSY - f64::midpoint(10_844.0, 8_127.0)).abs() < 1e-6);
        assert!((taxi.at(FIRST_WALL_MS + 210 * DAY_MS) - taxi.at(FIRST_WALL_MS)).abs() < 1e-12);
    }
}
