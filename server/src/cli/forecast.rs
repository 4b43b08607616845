//! `headroom forecast`.

use crate::forecasting::parallel::map;
use crate::forecasting::{series, table};
use anyhow::{Context, Result, ensure};
use clap::Args;
use headroom_domain::forecast::{Basis, Question, forecast};
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Forecast series from a file, with quantiles that hold what they promise.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:           headroom forecast --csv demand.csv --season 24,168 --horizon 48 > forecast.csv
                   headroom forecast --csv - --quantiles .5,.95 < demand.csv

The file has a row for each series and no header: its name, then its values at equal steps, oldest
first. An empty field is a value that is missing; it is not a zero. Rows may differ in length: the
last field is the newest value, and the forecast begins after it.

Seasons are counted in values: 24,168 for hourly values with a day and a week, 288,2016 for steps of
five minutes, 7 for days with a week. No more than eight of the long season are looked at.

Columns:
  id      the name of the series
  step    1 is the first value after the last one of the file
  mean    the forecast itself: what simple rules and small models expect, each believed as far as it
          was right lately
  q0.95   the demand that is not exceeded in 95 of 100 steps like this one, from what the same
          forecast missed by at earlier origins. Quantiles never cross. If the series never was
          negative, neither are they

How much history is needed, in short seasons (days, if that is 24 hours):
  none    no forecast: there are no rows
  < 1     a level with its spread, and hardly more than a guess
  1 to 3  the spread of the same hours; levels beyond 0.9 answer at least as 0.975 would
  3 to 14 yesterday, the profile of the day, short regressions
  14      the long season too

The same file gives the same bytes, however many processors there are.")]
pub(super) struct Forecasting {
    /// The file with the series; - reads standard input
    #[arg(long, value_name = "FILE")]
    csv: PathBuf,
    /// One or two seasons, in values, the shorter first
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_value = "24,168")]
    season: Vec<usize>,
    /// How many values ahead
    #[arg(long, value_name = "N", default_value_t = 48)]
    horizon: usize,
    /// Levels of the quantiles, each between 0 and 1
    #[arg(long, value_name = "LEVEL,…", value_delimiter = ',', default_value = ".025,.05,.5,.9,.95,.975")]
    quantiles: Vec<f64>,
}

impl Forecasting {
    pub(super) fn run(&self) -> Result<()> {
        let question =
            Question::new(&self.season, self.horizon, &self.quantiles).map_err(|wrong| anyhow::anyhow!("--{wrong}"))?;
        let name = self.csv.display();
        let all = series::read(open(&self.csv)?).with_context(|| name.to_string())?;
        let forecasts = map(&all, |one| forecast(&one.values, &question));
        let out = BufWriter::new(std::io::stdout().lock());
        match table::write(&question, &all, &forecasts, out) {
            // Whoever reads may stop when it has enough.
            Err(error) if is_closed(&error) => return Ok(()),
            other => other.context("the forecasts cannot be written")?,
        }
        let of = |wanted: Basis| forecasts.iter().filter(|forecast| forecast.basis == wanted).count();
        let mut said = std::io::stderr().lock();
        for (basis, what) in [
            (Basis::Nothing, "without any value: no forecast"),
            (Basis::Level, "shorter than a season: hardly more than a guess"),
            (Basis::Phase, "shorter than three seasons: the spread of the same hours"),
        ] {
            if of(basis) > 0 {
                writeln!(said, "{} of {} series {what}", of(basis), all.len())?;
            }
        }
        Ok(())
    }
}

fn open(path: &Path) -> Result<Box<dyn Read>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    let length = file.metadata().with_context(|| format!("cannot read {name}"))?.len();
    let most = series::MOST_BYTES;
    ensure!(length <= most, "{name} has {length} bytes, expected at most {most}");
    Ok(Box::new(file))
}

fn is_closed(error: &csv::Error) -> bool {
    matches!(error.kind(), csv::ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
}
