//! Processor time that processes have used, as Linux counts it.

use std::fs;

use anyhow::{Context, Result};

/// Linux tells processor time in hundredths of a second.
const TICKS_A_SECOND: f64 = 100.0;

/// Parent, and seconds used in the process and in the system on its behalf, of a line of `/proc/PID/stat`.
fn read(stat: &str) -> Option<(u32, f64)> {
    // The name stands in brackets and may contain anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u32>().ok();
    Some((number(1)?, f64::from(number(11)? + number(12)?) / TICKS_A_SECOND))
}

/// Seconds that a process has used.
pub(crate) fn of(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is gone")?;
    Ok(read(&stat).context("a process without figures")?.1)
}

/// Seconds that a process and those it started have used, as far as they still run.
pub(crate) fn of_all(pid: u32) -> Result<f64> {
    let mut seconds = of(pid)?;
    for entry in fs::read_dir("/proc")?.flatten() {
        // It may have ended meanwhile.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        seconds += read(&stat).filter(|(parent, _)| *parent == pid).map_or(0.0, |(_, seconds)| seconds);
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_confuse() {
        let stat = "42 (a) b) S 7 42 42 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 1 0 5 6 7";
        assert_eq!(read(stat), Some((7, 2.0)));
        assert!(of(std::process::id()).expect("we run") >= 0.0);
    }
}
