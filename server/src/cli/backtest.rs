//! `headroom backtest`.

use crate::forecasting::demand;
use crate::forecasting::parallel::map;
use crate::ingest::lines::Lines;
use crate::ingest::swf;
use anyhow::{Context, Result, bail};
use clap::Args;
use headroom_domain::backtest::{Backtest, Tally, WARM_UP_DAYS, backtest, foresee, hourly_peaks, question};
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Replay a demand of the past and say what each way of providing capacity would have cost.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:           headroom backtest --csv nyc_taxi.csv --scale 0.01
                   headroom backtest --swf KTH-SP2.swf.gz

A table has the columns time,value in ascending order, at equal steps of a minute or more; a value
holds for a step, and where rows are missing nothing is known. A log in the Standard Workload Format
is read as demand: each job wants its slots from its submission on, for as long as it ran. More than
30 days are needed: the first 30 are learnt from.

Policies:
  reactive       every minute demand / 0.75, in effect after 10 minutes, shrunk only to the most that
                 was desired in 15 minutes: the reference
  static peak    the peak of two weeks, for the two weeks after them
  cloud          the greater of the reference and the median forecast / 0.75, as predictive scaling
                 in public clouds is set up: it only adds
  chosen         each day the cheapest of 60 ways to follow, to foresee and to keep headroom that would
                 have had, over the two weeks before, at most 0.9 of the reference's violations, no
                 more unmet demand, and at least 2 % less capacity; else the reference

Columns:
  cost           capacity over demand; 1 is perfect
  minutes short  part of the minutes in which demand was above capacity
  hours short    part of the hours in which it was, in any minute
  unmet          part of the demand that was above capacity
  over           capacity above the demand, in parts of the demand
  slots          slot-hours beside the reference")]
pub(super) struct Backtesting {
    /// A table of times and demand
    #[arg(long, value_name = "FILE", required_unless_present = "swf", conflicts_with = "swf")]
    csv: Option<PathBuf>,
    /// A workload log, plain or compressed with gzip
    #[arg(long, value_name = "FILE")]
    swf: Option<PathBuf>,
    /// What values of the table are multiplied by to be slots
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = scale)]
    scale: f64,
}

fn scale(text: &str) -> Result<f64, String> {
    let scale = text.parse::<f64>().ok().filter(|scale| (1e-9..=1e9).contains(scale));
    scale.ok_or_else(|| "expected a number from 1e-9 to 1e9".to_owned())
}

impl Backtesting {
    pub(super) fn run(&self) -> Result<()> {
        let demand = match (&self.csv, &self.swf) {
            (Some(path), _) => {
                let file = open(path)?;
                demand::from_csv(file, self.scale).map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))?
            }
            (None, Some(path)) => from_log(path)?,
            (None, None) => bail!("nothing to replay: name a file with --csv or --swf"),
        };
        let peaks = hourly_peaks(&demand);
        let question = question();
        let hours: Vec<usize> = (0..peaks.len()).collect();
        let medians = map(&hours, |hour| foresee(&peaks, *hour, &question));
        let days = demand.len() / 1_440;
        let found = backtest(&demand, &medians)
            .with_context(|| format!("found {days} whole days, expected more than {WARM_UP_DAYS}"))?;
        print!("{}", table(&found));
        Ok(())
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("cannot read {}", path.display()))
}

fn from_log(path: &Path) -> Result<Vec<f64>> {
    let name = path.display().to_string();
    let mut lines = Lines::new(Box::new(open(path)?)).with_context(|| name.clone())?;
    let log = swf::read(&mut lines, |_| ()).with_context(|| name.clone())?;
    if log.damaged.total > 0 {
        bail!("{name} has {} wrong lines\n{}", log.damaged.total, log.damaged);
    }
    demand::from_jobs(&log.jobs).map_err(|why| anyhow::anyhow!("{name}: {why}"))
}

fn table(found: &Backtest) -> String {
    let mut text = format!(
        "{} days\n{:<13}{:>8}{:>15}{:>13}{:>9}{:>9}{:>9}\n",
        found.days, "", "cost", "minutes short", "hours short", "unmet", "over", "slots"
    );
    let all = [
        ("reactive", &found.reactive),
        ("static peak", &found.static_peak),
        ("cloud", &found.cloud),
        ("chosen", &found.chosen),
    ];
    for (name, tally) in all {
        text += &row(name, tally, &found.reactive);
    }
    text += "chosen, in days:\n";
    for (name, days) in &found.choices {
        let _ = writeln!(text, "{days:>5}  {name}");
    }
    if let Some(coverage) = found.coverage {
        let percent = 100.0 * coverage;
        let _ = writeln!(text, "{percent:.1} % of the hours stayed within what was foreseen at 0.95");
    }
    text
}

fn row(name: &str, tally: &Tally, reference: &Tally) -> String {
    let part = |value: Option<f64>, width: usize, places: usize| {
        value.map_or_else(
            || format!("{:>width$}", "-"),
            |value| format!("{:>width$.places$}%", 100.0 * value, width = width - 1),
        )
    };
    let cost = tally.cost().map_or_else(|| format!("{:>8}", "-"), |cost| format!("{cost:>7.3}x"));
    let beside =
        (reference.capacity > 0.0).then(|| format!("{:>+8.1}%", 100.0 * (tally.capacity / reference.capacity - 1.0)));
    format!(
        "{name:<13}{cost}{}{}{}{}{}\n",
        part(tally.violations(), 15, 2),
        part(tally.violated_hours(), 13, 2),
        part(tally.unmet_part(), 9, 3),
        part(tally.over_part(), 9, 1),
        beside.unwrap_or_default()
    )
}
