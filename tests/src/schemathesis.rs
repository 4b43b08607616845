//! Schemathesis: requests made from the API's own description, by the thousand.
//!
//! It is a Python program and lives in an environment of its own below `target/`, made on first use.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::workspace::target;

/// The version that is installed.
const VERSION: &str = "4.32.5";

/// One run.
#[derive(Debug)]
pub struct Run<'a> {
    /// Address of the description.
    pub description: String,
    /// Token to send; `None` sends none.
    pub token: Option<&'a str>,
    /// Generated examples for each operation and phase.
    pub examples: u32,
    /// Seed.
    pub seed: u32,
    /// More arguments.
    pub more: &'a [&'a str],
    /// A check that is not ours to pass here.
    pub unchecked: Option<&'a str>,
}

/// A request of a run and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Status of the answer; 0 if there was none.
    pub status: u16,
}

#[derive(Deserialize)]
struct Har {
    log: HarLog,
}

#[derive(Deserialize)]
struct HarLog {
    entries: Vec<HarEntry>,
}

#[derive(Deserialize)]
struct HarEntry {
    request: HarRequest,
    response: HarResponse,
}

#[derive(Deserialize)]
struct HarRequest {
    method: String,
    url: String,
}

#[derive(Deserialize)]
struct HarResponse {
    status: u16,
}

fn run(command: &mut Command, what: &str) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot {what}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cannot {what}: {}{said}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

/// The program, installed if it is not there yet.
fn program() -> Result<PathBuf> {
    let home = target().join(format!("schemathesis-{VERSION}"));
    fs::create_dir_all(&home)?;
    // One test installs, others wait.
    let lock = File::create(home.join("lock"))?;
    lock.lock()?;
    let (environment, done) = (home.join("python"), home.join("installed"));
    if !done.exists() {
        let _ = fs::remove_dir_all(&environment);
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment), "make a Python environment")?;
        let mut install = Command::new(environment.join("bin/pip"));
        install.args(["install", "--quiet", "--disable-pip-version-check", &format!("schemathesis=={VERSION}")]);
        run(&mut install, "install schemathesis")?;
        File::create(&done)?;
    }
    Ok(environment.join("bin/st"))
}

/// Sends a run's requests and returns them with their answers.
///
/// # Errors
/// If an answer was wrong; the text has what schemathesis says about it.
pub fn send(of: &Run<'_>, folder: &Path) -> Result<Vec<Case>> {
    let har = folder.join("har.json");
    let mut command = Command::new(program()?);
    command.current_dir(folder).args(["run", &of.description, "--phases", "examples,coverage,fuzzing,stateful"]);
    command.args(["--max-examples", &of.examples.to_string(), "--seed", &of.seed.to_string()]);
    // Threads that parse Python at once confuse the parser of Python 3.11.
    command.args(["--workers", "1"]);
    // What is valid by its shape may still name a pool that is not there: such a refusal is right. And DELETE of a pool or
    // tenant archives it: it stays readable, under its slug and not its id.
    let mut not_ours = vec!["positive_data_acceptance", "use_after_free", "ensure_resource_availability"];
    not_ours.extend(of.unchecked);
    // A stream of events does not end, and so cannot be an answer that is judged.
    command.args(["--exclude-path", "/events"]);
    command.args(["--checks", "all", "--exclude-checks", &not_ours.join(",")]);
    command.args(["--no-color", "--report", "har", "--report-har-path"]).arg(&har).args(of.more);
    if let Some(token) = of.token {
        command.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    let output = command.stdin(Stdio::null()).output().context("cannot run schemathesis")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "schemathesis: {said}{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read(&har).context("schemathesis wrote no report")?;
    let report: Har = serde_json::from_slice(&text).context("the report of schemathesis cannot be read")?;
    let case = |entry: HarEntry| {
        let path = url::Url::parse(&entry.request.url).map_or(entry.request.url, |url| url.path().to_owned());
        Case { method: entry.request.method, path, status: entry.response.status }
    };
    Ok(report.log.entries.into_iter().map(case).collect())
}
