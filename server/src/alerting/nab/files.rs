//! The files of the benchmark: series as `timestamp,value`, and the windows of their anomalies in one file of labels.

use chrono::NaiveDateTime;
use headroom_domain::Millis;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Name of the file of labels.
const LABELS: &str = "combined_windows.json";
/// Folders are looked into so far below the one that was named.
const DEEPEST: usize = 6;
/// Files and folders that are looked at.
const MOST_ENTRIES: usize = 20_000;
/// Longest file.
const MOST_BYTES: u64 = 64 << 20;
/// Series in all.
const MOST_SERIES: usize = 1_000;
/// Observations of all series.
const MOST_ROWS: usize = 2_000_000;

/// A series with its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Folder in the benchmark, such as `realTraffic`.
    pub folder: String,
    /// Name of the file.
    pub name: String,
    /// When each observation was made, as if its clock were UTC; in the order of the file.
    pub times: Vec<Millis>,
    /// What was observed.
    pub values: Vec<f64>,
    /// First and last instant of each labelled anomaly.
    pub windows: Vec<(Millis, Millis)>,
}

/// What was found in a folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The series, by folder and name.
    pub series: Vec<Series>,
    /// CSV files that the labels do not name; they are not replayed.
    pub unlabelled: Vec<PathBuf>,
    /// Series that the labels name and that are not there.
    pub absent: usize,
}

/// Reads every labelled series below a folder.
///
/// # Errors
/// A sentence that names the file, and the line where there is one.
pub fn read(folder: &Path) -> Result<Found, String> {
    let labels_file = labels_file(folder)?;
    let labels =
        read_labels(&text(&labels_file)?).map_err(|problem| format!("{}: {problem}", labels_file.display()))?;
    // The whole benchmark has the results of other detectors beside its data.
    let data = folder.join("data");
    let files = walk(if data.is_dir() { &data } else { folder })?;
    let mut found = Found { series: Vec::new(), unlabelled: Vec::new(), absent: 0 };
    let (mut seen, mut rows) = (BTreeMap::new(), 0);
    for file in files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "csv")) {
        let Some(key) = key_of(&file, &labels) else {
            found.unlabelled.push(file);
            continue;
        };
        if let Some(other) = seen.insert(key.clone(), file.clone()) {
            let other: &PathBuf = &other;
            return Err(format!("{key} is there twice: {} and {}", other.display(), file.display()));
        }
        if seen.len() > MOST_SERIES {
            return Err(format!("more than {MOST_SERIES} series"));
        }
        let (times, values) = read_series(&text(&file)?).map_err(|problem| format!("{}: {problem}", file.display()))?;
        rows += times.len();
        if rows > MOST_ROWS {
            return Err(format!("{}: more than {MOST_ROWS} observations in all", file.display()));
        }
        let (folder, name) = key.rsplit_once('/').unwrap_or(("", &key));
        let windows = labels.get(&key).cloned().unwrap_or_default();
        found.series.push(Series { folder: folder.to_owned(), name: name.to_owned(), times, values, windows });
    }
    if found.series.is_empty() {
        return Err(format!(
            "no CSV file below {} is named in {}, expected names such as {}",
            folder.display(),
            labels_file.display(),
            labels.keys().next().map_or("realTraffic/speed_6005.csv", String::as_str)
        ));
    }
    found.absent = labels.len() - found.series.len();
    found.series.sort_by(|a, b| (&a.folder, &a.name).cmp(&(&b.folder, &b.name)));
    Ok(found)
}

/// The one file of labels: in `labels`, or the only one there is.
fn labels_file(folder: &Path) -> Result<PathBuf, String> {
    let usual = folder.join("labels").join(LABELS);
    if usual.is_file() {
        return Ok(usual);
    }
    let mut found: Vec<PathBuf> =
        walk(folder)?.into_iter().filter(|file| file.file_name().is_some_and(|name| name == LABELS)).collect();
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => Err(format!(
            "there is no {LABELS} in {} or below: without labels nothing can be scored, expected it as labels/{LABELS}",
            folder.display()
        )),
        (Some(last), more) => Err(format!(
            "there are {} files {LABELS} below {}, expected one, or one as labels/{LABELS}; the last is {}",
            more + 1,
            folder.display(),
            last.display()
        )),
    }
}

/// All files below a folder, in the order of their names. Links are followed, to each folder once.
fn walk(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let cannot = |path: &Path, error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let mut known = BTreeSet::from([folder.canonicalize().map_err(|error| cannot(folder, error))?]);
    let (mut files, mut entries) = (Vec::new(), 0);
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| cannot(&folder, error))? {
            let path = entry.map_err(|error| cannot(&folder, error))?.path();
            entries += 1;
            if entries > MOST_ENTRIES {
                return Err(format!("more than {MOST_ENTRIES} files and folders: this is not only the benchmark"));
            }
            if path.is_file() {
                files.push(path);
            } else if path.is_dir() && depth < DEEPEST {
                let real = path.canonicalize().map_err(|error| cannot(&path, error))?;
                if known.insert(real) {
                    folders.push((path, depth + 1));
                }
            }
        }
    }
    files.sort();
    Ok(files)
}

fn text(file: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot read {}: {error}", file.display());
    let length = std::fs::metadata(file).map_err(cannot)?.len();
    if length > MOST_BYTES {
        return Err(format!("{} has {length} bytes, expected at most {MOST_BYTES}", file.display()));
    }
    std::fs::read_to_string(file).map_err(cannot)
}

type Labels = BTreeMap<String, Vec<(Millis, Millis)>>;

/// The entry of a file: of its folder and name, or of its name alone where only one has it.
fn key_of(file: &Path, labels: &Labels) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let folder = file.parent().and_then(Path::file_name).and_then(|folder| folder.to_str()).unwrap_or_default();
    let full = format!("{folder}/{name}");
    if labels.contains_key(&full) {
        return Some(full);
    }
    let mut same = labels.keys().filter(|key| key.rsplit('/').next() == Some(name));
    same.next().filter(|_| same.next().is_none()).cloned()
}

fn read_labels(text: &str) -> Result<Labels, String> {
    let read: BTreeMap<String, Vec<Vec<String>>> = serde_json::from_str(text).map_err(|error| {
        format!("these are no labels, expected {{\"folder/file.csv\": [[start, end], ...]}}: {error}")
    })?;
    let windows = read.into_iter().map(|(key, windows)| {
        let windows = windows.into_iter().map(|window| {
            let [start, end] = window.as_slice() else {
                return Err(format!("{key}: a window has {} instants, expected its start and its end", window.len()));
            };
            let window = (instant(start).ok_or(start), instant(end).ok_or(end));
            match window {
                (Ok(start), Ok(end)) if start <= end => Ok((start, end)),
                (Ok(_), Ok(_)) => Err(format!("{key}: a window ends at {end}, before it starts at {start}")),
                (Err(wrong), _) | (_, Err(wrong)) => Err(format!("{key}: {}", no_instant(wrong))),
            }
        });
        Ok((key.clone(), windows.collect::<Result<Vec<_>, String>>()?))
    });
    windows.collect()
}

fn read_series(text: &str) -> Result<(Vec<Millis>, Vec<f64>), String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?;
    if header.iter().take(2).ne(["timestamp", "value"]) {
        let found: String = header.iter().collect::<Vec<_>>().join(",").chars().take(60).collect();
        return Err(format!("line 1: found the columns {found:?}, expected timestamp,value"));
    }
    let (mut times, mut values) = (Vec::new(), Vec::new());
    for row in reader.records() {
        // The reader's own errors name the line.
        let row = row.map_err(|error| error.to_string())?;
        let line = row.position().map_or(0, csv::Position::line);
        let (time, value) = (row.get(0).unwrap_or_default(), row.get(1).unwrap_or_default());
        times.push(instant(time).ok_or_else(|| format!("line {line}: {}", no_instant(time)))?);
        let number = value.parse::<f64>().ok().filter(|value| value.is_finite());
        values
            .push(number.ok_or_else(|| format!("line {line}: value is {:?}, expected a finite number", short(value)))?);
    }
    if values.is_empty() {
        return Err("there are no observations".to_owned());
    }
    Ok((times, values))
}

fn instant(text: &str) -> Option<Millis> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok().map(|at| at.and_utc().timestamp_millis())
}

fn no_instant(text: &str) -> String {
    format!("timestamp is {:?}, expected one such as 2014-02-14 14:30:00", short(text))
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: &str =
        r#"{"real/a.csv": [["2014-01-01 00:05:00.000000", "2014-01-01 00:10:00.000000"]], "real/b.csv": []}"#;
    const ROWS: &str = "timestamp,value\n2014-01-01 00:00:00,1\n2014-01-01 00:05:00,-2.5e3\n";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("below the folder")).expect("folders");
            std::fs::write(path, text).expect("a file");
        }
        folder
    }

    #[test]
    fn series_are_found_wherever_they_lie() {
        let start = 1_388_534_400_000;
        for files in [
            vec![("labels/combined_windows.json", WINDOWS), ("real/a.csv", ROWS)],
            vec![("combined_windows.json", WINDOWS), ("x/y/real/a.csv", ROWS), ("notes.csv", "what ever")],
            vec![("some/combined_windows.json", WINDOWS), ("a.csv", ROWS)],
            vec![("labels/combined_windows.json", WINDOWS), ("data/real/a.csv", ROWS), ("results/real/a.csv", "no")],
        ] {
            let found = read(folder(&files).path()).expect("it is read");
            let series = Series {
                folder: "real".into(),
                name: "a.csv".into(),
                times: vec![start, start + 300_000],
                values: vec![1.0, -2_500.0],
                windows: vec![(start + 300_000, start + 600_000)],
            };
            assert_eq!(found.series, [series], "{files:?}");
            assert_eq!(found.absent, 1);
            assert_eq!(found.unlabelled.len(), files.iter().filter(|(name, _)| name.starts_with("notes")).count());
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = ("labels/combined_windows.json", WINDOWS);
        let rows = |row: &str| format!("timestamp,value\n2014-01-01 00:00:00,1\n{row}\n");
        for (row, expected) in [
            ("2014-01-01,1", "a.csv: line 3: timestamp is \"2014-01-01\", expected one such as 2014-02-14 14:30:00"),
            ("2014-01-01 00:05:00,NaN", "a.csv: line 3: value is \"NaN\", expected a finite number"),
            ("2014-01-01 00:05:00,", "a.csv: line 3: value is \"\", expected a finite number"),
            ("2014-01-01 00:05:00,1e999", "a.csv: line 3: value is \"1e999\""),
            ("2014-01-01 00:05:00", "line: 3"),
        ] {
            let problem = read(folder(&[good, ("real/a.csv", &rows(row))]).path()).expect_err(row);
            assert!(problem.contains(expected), "{problem}");
        }
        for (files, expected) in [
            (vec![("real/a.csv", ROWS)], "there is no combined_windows.json"),
            (vec![("x/combined_windows.json", "{}"), ("y/combined_windows.json", "{}")], "there are 2 files"),
            (vec![("combined_windows.json", "[]")], "these are no labels"),
            (vec![good], "no CSV file below"),
            (vec![good, ("other/c.csv", ROWS)], "expected names such as real/a.csv"),
            (vec![good, ("real/a.csv", ROWS), ("again/real/a.csv", ROWS)], "real/a.csv is there twice"),
            (vec![good, ("real/a.csv", "time,value\n")], "line 1: found the columns \"time,value\""),
            (vec![good, ("real/a.csv", "")], "line 1: found the columns \"\""),
            (vec![good, ("real/a.csv", "timestamp,value\n")], "there are no observations"),
            (vec![("combined_windows.json", r#"{"a": [["2014-01-01 00:00:00"]]}"#)], "a window has 1 instants"),
            (vec![("combined_windows.json", r#"{"a": [["x", "2014-01-01 00:00:00"]]}"#)], "timestamp is \"x\""),
            (
                vec![("combined_windows.json", r#"{"a": [["2014-01-02 00:00:00", "2014-01-01 00:00:00"]]}"#)],
                "before it starts",
            ),
        ] {
            let problem = read(folder(&files).path()).expect_err(expected);
            assert!(problem.contains(expected), "{problem}");
        }
        assert!(read(Path::new("/nowhere/at/all")).expect_err("no folder").contains("cannot read /nowhere/at/all"));
    }
}
