//! Series with hours that are known to whoever scores, and to nobody else.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use headroom_server::forecasting::series::{Series, read};

use super::HORIZON;

/// A series to forecast.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// What the forecast may see.
    pub(super) known: Vec<f64>,
    /// What came.
    pub(super) came: Vec<f64>,
}

/// The folders with hourly series of the competition.
pub(super) fn folders() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("HEADROOM_DATA").map(PathBuf::from) else { return Vec::new() };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("m4-hourly") && path.join("train.csv").is_file() && path.join("test.csv").is_file()
    };
    let mut found: Vec<PathBuf> = entries.filter(is_ours).collect();
    found.sort();
    found
}

/// The end of the training part; the test is not opened.
pub(super) fn validation(folder: &Path) -> Result<Vec<Case>> {
    let train = open(&folder.join("train.csv"))?;
    train
        .into_iter()
        .map(|series| {
            ensure!(series.values.len() > 2 * HORIZON, "{} is too short", series.name);
            let (known, came) = series.values.split_at(series.values.len() - HORIZON);
            Ok(Case { known: known.to_vec(), came: came.to_vec() })
        })
        .collect()
}

/// The training part as what is known, the test as what came.
pub(super) fn test(folder: &Path) -> Result<Vec<Case>> {
    let train = open(&folder.join("train.csv"))?;
    let mut test: HashMap<String, Vec<f64>> =
        open(&folder.join("test.csv"))?.into_iter().map(|series| (series.name, series.values)).collect();
    train
        .into_iter()
        .map(|series| {
            let came = test.remove(&series.name).with_context(|| format!("{} has no test", series.name))?;
            ensure!(came.len() == HORIZON, "{} has {} hours of test", series.name, came.len());
            Ok(Case { known: series.values, came })
        })
        .collect()
}

fn open(path: &Path) -> Result<Vec<Series>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    read(file).with_context(|| path.display().to_string())
}
