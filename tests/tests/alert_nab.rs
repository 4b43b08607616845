//! The anomaly detector beside a static band, on series whose anomalies are known: through the real binary.

use anyhow::{Context, Result, ensure};
use headroom_tests::service::run;
use headroom_tests::workspace;
use std::path::Path;
use std::process::Output;

fn nab(folder: &Path) -> Result<Output> {
    run(&["alerts", "nab", "--dir", folder.to_str().context("a name in UTF-8")?])
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// F1 and false episodes a series-day of a detector, in the rows of all series.
fn figures(said: &str, detector: &str) -> Result<(f64, f64)> {
    let rows = said.lines().skip_while(|line| !line.starts_with("all ")).filter(|line| line.contains(detector));
    let row = rows.into_iter().next().with_context(|| format!("{detector} in all: {said}"))?;
    let (_, figures) = row.split_once(detector).context("figures")?;
    let figures: Vec<&str> = figures.split_whitespace().collect();
    let at = |at: usize| figures.get(at).and_then(|figure| figure.parse().ok()).with_context(|| row.to_owned());
    Ok((at(3)?, at(4)?))
}

#[test]
fn the_detector_beats_a_static_band_on_real_series() -> Result<()> {
    let Some(folder) = workspace::data().map(|data| data.join("nab")).filter(|folder| folder.is_dir()) else {
        println!("SKIPPED: HEADROOM_DATA does not name the folder of the public data, with nab in it");
        return Ok(());
    };
    let output = nab(&folder)?;
    let said = stdout(&output);
    println!("{said}");
    ensure!(output.status.success(), "it missed its target: {said}");
    let (band, _) = figures(&said, "static band")?;
    for detector in ["ours", "as shipped"] {
        let (f1, false_a_day) = figures(&said, detector)?;
        // Half as good again leaves room for other files, and is far more than chance gives.
        ensure!(f1 > 1.5 * band && band > 0.2, "{detector}: {f1} is not above {band}: {said}");
        ensure!(false_a_day <= 0.1, "{detector}: {false_a_day} false episodes a day: {said}");
    }
    ensure!(stdout(&nab(&folder)?) == said, "the same files say the same");
    Ok(())
}

/// A series of 400 observations every five minutes that repeats itself.
fn rows() -> String {
    let row = |at: usize| {
        let (day, minute) = (1 + at / 288, at % 288 * 5);
        let value = (at * 7) % 12;
        format!("2024-01-{day:02} {:02}:{:02}:00,{value}\n", minute / 60, minute % 60)
    };
    let rows: String = (0..400).map(row).collect();
    format!("timestamp,value\n{rows}")
}

const LABELS: &str = r#"{"made/up.csv": [["2024-01-02 01:00:00.000000", "2024-01-02 06:00:00.000000"]]}"#;

fn world(files: &[(&str, &str)]) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().context("below the folder")?)?;
        std::fs::write(path, text)?;
    }
    Ok(folder)
}

#[test]
fn a_detector_that_is_no_better_is_a_miss() -> Result<()> {
    let quiet = rows();
    let folder = world(&[("labels/combined_windows.json", LABELS), ("data/made/up.csv", &quiet)])?;
    let output = nab(folder.path())?;
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    ensure!(said.contains("MISS: F1 0.000 is not above 0.000 of the static band"), "{said}");
    Ok(())
}

#[test]
fn what_is_wrong_is_said_in_a_sentence_that_names_it() -> Result<()> {
    let good = rows();
    let labels = ("labels/combined_windows.json", LABELS);
    let broken = good.replacen("2024-01-01 00:25:00,", "2024-01-01 00:25:00,many ", 1);
    for (files, expected) in [
        (vec![("made/up.csv", good.as_str())], "there is no combined_windows.json"),
        (vec![labels], "no CSV file below"),
        (vec![labels, ("made/up.csv", &broken)], "up.csv: line 7: value is \"many 11\", expected a finite number"),
        (
            vec![("labels/combined_windows.json", "{"), ("made/up.csv", &good)],
            "combined_windows.json: these are no labels",
        ),
    ] {
        let folder = world(&files)?;
        let output = nab(folder.path())?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success() && said.contains(expected), "expected {expected:?}: {said}");
        ensure!(!said.contains("panicked") && stdout(&output).is_empty(), "{said}");
    }
    let output = nab(Path::new("/nowhere/at/all"))?;
    ensure!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/at/all"), "the folder is named");
    Ok(())
}

#[test]
fn help_says_what_is_compared() -> Result<()> {
    let help = stdout(&run(&["alerts", "nab", "--help"])?);
    for word in ["timestamp,value", "combined_windows.json", "precision", "MISS", "Example:"] {
        ensure!(help.contains(word), "{word}: {help}");
    }
    Ok(())
}
