//! What came of a replay, for a person to read.

use super::{MOST_FALSE_A_DAY, Replay};
use headroom_domain::anomaly::labelled::Score;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const HEADER: &str = "\
folder                series  detector      episodes  precision  recall     F1  false/day  delay  alerting
";

fn figure(value: Option<f64>, width: usize, places: usize) -> String {
    value.map_or_else(|| format!("{:>width$}", "-"), |value| format!("{value:>width$.places$}"))
}

fn row(text: &mut String, folder: &str, series: &str, detector: &str, score: &Score) {
    let _ = writeln!(
        text,
        "{folder:<22}{series:>6}  {detector:<12}{:>10}{}{}{:>7.3}{}{}{}%",
        score.episodes,
        figure(score.precision(), 11, 3),
        figure(score.recall(), 8, 3),
        score.f1(),
        figure(score.false_a_day(), 11, 4),
        figure(score.median_delay(), 7, 2),
        figure(score.alerting_part().map(|part| 100.0 * part), 9, 2),
    );
}

fn rows(text: &mut String, name: &str, series: usize, band: &Score, ours: &Score) {
    row(text, name, &series.to_string(), "static band", band);
    row(text, "", "", "ours", ours);
    let ratio = if band.f1() > 0.0 { format!("{:.2}", ours.f1() / band.f1()) } else { "-".to_owned() };
    let _ = writeln!(text, "{:<22}{:>6}  {:<12}{ratio:>36}", "", "", "ratio");
}

/// The table by folder and in all, what was chosen, and the verdict.
pub fn table(replay: &Replay) -> String {
    let mut text = HEADER.to_owned();
    let mut folders: BTreeMap<&str, usize> = BTreeMap::new();
    for one in &replay.series {
        *folders.entry(&one.folder).or_default() += 1;
    }
    for (folder, series) in folders {
        rows(&mut text, folder, series, &replay.band(Some(folder)), &replay.ours(Some(folder)));
    }
    let (band, ours) = (replay.band(None), replay.ours(None));
    rows(&mut text, "all", replay.series.len(), &band, &ours);
    row(&mut text, "", "", "as shipped", &replay.shipped());
    text.push_str("\nchosen on all other series, pattern and threshold:");
    for (at, (settings, series)) in replay.chosen().iter().enumerate() {
        let separator = if at == 0 { "" } else { "," };
        let _ = write!(text, "{separator} {} and {} for {series}", settings.pattern(), settings.threshold());
    }
    let misses = replay.misses();
    if misses.is_empty() {
        let _ = writeln!(
            text,
            "\nok: F1 {:.3} is above {:.3} of the static band, at {:.4} false episodes a series-day (at most {MOST_FALSE_A_DAY})",
            ours.f1(),
            band.f1(),
            ours.false_a_day().unwrap_or(0.0),
        );
    } else {
        let _ = writeln!(text, "\nMISS: {}", misses.join("; "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::nab::Judged;
    use headroom_domain::DAY_MS;
    use headroom_domain::anomaly::Settings;

    #[test]
    fn the_table_as_people_read_it() {
        let band = Score {
            episodes: 4,
            right: 1,
            windows: 2,
            found: 1,
            delays: vec![0.5],
            judged_ms: 20 * DAY_MS,
            judged: 1_000,
            alerting: 125,
        };
        let ours = Score { episodes: 1, right: 1, ..band.clone() };
        let judged = |folder: &str, ours: &Score| Judged {
            folder: folder.into(),
            band: band.clone(),
            tried: vec![ours.clone()],
            chosen: 0,
        };
        let quiet = Score { judged_ms: DAY_MS, judged: 1, ..Score::default() };
        let none = Judged { band: quiet.clone(), ..judged("c", &quiet) };
        let replay = Replay {
            candidates: vec![Settings::default()],
            series: vec![judged("a", &ours), judged("b", &ours), none],
        };
        insta::assert_snapshot!(table(&replay), @"
        folder                series  detector      episodes  precision  recall     F1  false/day  delay  alerting
        a                          1  static band          4      0.250   0.500  0.333     0.1500   0.50    12.50%
                                      ours                 1      1.000   0.500  0.667     0.0000   0.50    12.50%
                                      ratio                                       2.00
        b                          1  static band          4      0.250   0.500  0.333     0.1500   0.50    12.50%
                                      ours                 1      1.000   0.500  0.667     0.0000   0.50    12.50%
                                      ratio                                       2.00
        c                          1  static band          0          -       -  0.000     0.0000      -     0.00%
                                      ours                 0          -       -  0.000     0.0000      -     0.00%
                                      ratio                                          -
        all                        3  static band          8      0.250   0.500  0.333     0.1463   0.50    12.49%
                                      ours                 2      1.000   0.500  0.667     0.0000   0.50    12.49%
                                      ratio                                       2.00
                                      as shipped           2      1.000   0.500  0.667     0.0000   0.50    12.49%

        chosen on all other series, pattern and threshold: 32 and 48 for 3
        ok: F1 0.667 is above 0.333 of the static band, at 0.0000 false episodes a series-day (at most 0.1)
        ");
        let replay = Replay { series: vec![judged("a", &Score { right: 0, ..ours })], ..replay };
        assert!(
            table(&replay).ends_with("\nMISS: F1 0.000 is not above 0.333 of the static band\n"),
            "{}",
            table(&replay)
        );
    }
}
