//! Forecasts and backtests of files from the command line.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use headroom_tests::service::{data_dir, run};

/// Runs a command that succeeds; what it said on standard output.
fn done(arguments: &[&str]) -> Result<String> {
    let output = run(arguments)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "headroom {}: {said}", arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs a command that is refused; its sentence.
fn refused(arguments: &[&str]) -> Result<String> {
    let output = run(arguments)?;
    ensure!(!output.status.success(), "headroom {} succeeds", arguments.join(" "));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for noise in ["panicked", "Stack backtrace", "Error {", "Some("] {
        ensure!(!said.contains(noise), "{noise:?} is not for people: {said}");
    }
    Ok(said)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// 10 slots, 40 in the tenth and eleventh hour, with a little that differs from day to day.
fn slots(hour: usize) -> f64 {
    let busy = if [10, 11].contains(&(hour % 24)) { 30.0 } else { 0.0 };
    10.0 + busy + ((hour * 7919) % 5) as f64 / 4.0
}

#[test]
fn a_file_of_series_becomes_a_table_of_quantiles() -> Result<()> {
    let folder = data_dir()?;
    let file = folder.path().join("series.csv");
    let long: Vec<String> =
        (0..28 * 24).map(|hour| if hour % 50 == 0 { String::new() } else { slots(hour).to_string() }).collect();
    std::fs::write(&file, format!("ci,{}\nyoung,5,6\nnothing,,\n", long.join(",")))?;
    let arguments = ["forecast", "--csv", text(&file), "--horizon", "24", "--quantiles", ".05,.5,.95"];
    let table = done(&arguments)?;
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("id,step,mean,q0.05,q0.5,q0.95"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 48, "two series have values, each 24 steps");
    for (place, row) in rows.iter().take(24).enumerate() {
        assert_eq!((row[0], row[1]), ("ci", (place + 1).to_string().as_str()));
        let numbers = row[2..].iter().map(|field| field.parse::<f64>()).collect::<Result<Vec<f64>, _>>()?;
        let came = slots(28 * 24 + place);
        assert!((numbers[0] - came).abs() < 3.0, "step {}: {} for {came}", place + 1, numbers[0]);
        assert!(numbers[1..].is_sorted(), "step {}: quantiles cross: {numbers:?}", place + 1);
    }
    assert_eq!(done(&arguments)?, table, "the same file gives the same bytes");
    Ok(())
}

#[test]
fn what_is_wrong_with_a_file_or_a_question_is_named() -> Result<()> {
    let folder = data_dir()?;
    let file = folder.path().join("series.csv");
    std::fs::write(&file, "one,1,2\ntwo,1,many\n")?;
    let said = refused(&["forecast", "--csv", text(&file)])?;
    assert!(
        said.contains("series.csv") && said.contains("row 2, field 3: found \"many\", expected a finite number"),
        "{said}"
    );
    std::fs::write(&file, "one,1,2\n")?;
    for (option, value, expected) in [
        ("--season", "168,24", "season: found 168,24, expected"),
        ("--season", "1", "season: found 1, expected 2 to"),
        ("--horizon", "0", "horizon: found 0, expected 1 to"),
        ("--quantiles", "0.5,1", "quantiles: found 1, expected more than 0"),
    ] {
        let said = refused(&["forecast", "--csv", text(&file), option, value])?;
        assert!(said.contains(expected), "{option} {value}: {said}");
    }
    assert!(refused(&["forecast", "--csv", "/nowhere/at-all.csv"])?.contains("cannot read /nowhere/at-all.csv"));
    Ok(())
}

#[test]
fn a_backtest_says_what_each_policy_costs() -> Result<()> {
    let folder = data_dir()?;
    let file = folder.path().join("demand.csv");
    let mut table = "time,slots\n".to_owned();
    for hour in 0..45 * 24 {
        let day = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).context("the day exists")?
            + chrono::Days::new(hour as u64 / 24);
        writeln!(table, "{day} {:02}:00:00,{}", hour % 24, slots(hour))?;
    }
    std::fs::write(&file, table)?;
    let said = done(&["backtest", "--csv", text(&file)])?;
    assert!(said.starts_with("15 days\n"), "{said}");
    let of = |name: &str, column: usize| -> Result<f64> {
        let row = said.lines().find(|line| line.starts_with(name)).with_context(|| format!("no {name}: {said}"))?;
        let fields: Vec<&str> = row[13..].split_whitespace().collect();
        Ok(fields.get(column).context("a field is missing")?.trim_end_matches(['x', '%']).parse()?)
    };
    assert!(of("chosen", 0)? < of("reactive", 0)?, "what repeats need not be followed: {said}");
    assert!(of("chosen", 1)? <= of("reactive", 1)?, "{said}");
    assert!(of("static peak", 0)? > 3.0, "{said}");
    std::fs::write(&file, "2026-01-01 00:00:00,1\n2026-01-02 00:00:00,1\n")?;
    assert!(refused(&["backtest", "--csv", text(&file)])?.contains("found 2 whole days, expected more than 30"));
    Ok(())
}
