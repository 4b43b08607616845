//! The workspace's folders, and running programs in it.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The top folder: this crate lies directly in it.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Where cargo puts native builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The built service.
pub(crate) fn headroom(release: bool) -> PathBuf {
    target().join(if release { "release" } else { "debug" }).join("headroom")
}

/// The cargo that runs us, in the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Crates that are built apart: one compiles for the browser only, one needs the system's web view.
pub(crate) const APART: [&str; 2] = ["headroom-client", "headroom-desktop"];

/// A cargo command over everything native. Features are settled for all crates that a command names, so naming the same ones
/// every time keeps dependencies from being compiled again for another set of features.
pub(crate) fn cargo_native(command: &str) -> Command {
    let mut cargo = cargo();
    cargo.arg(command);
    name_native(&mut cargo);
    cargo
}

/// Names everything native to a command.
pub(crate) fn name_native(cargo: &mut Command) {
    cargo.arg("--workspace").args(APART.iter().flat_map(|apart| ["--exclude", apart]));
}

/// Builds a program of the workspace, or several.
pub(crate) fn build(programs: &[&str], release: bool) -> Result<()> {
    let mut command = cargo_native("build");
    for program in programs {
        command.args(["--bin", program]);
    }
    if release {
        command.arg("--release");
    }
    run(&mut command)
}

/// Builds the service.
pub(crate) fn build_headroom(release: bool) -> Result<PathBuf> {
    build(&["headroom"], release)?;
    Ok(headroom(release))
}

/// Runs a program to its end, after printing what runs.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = spell(command);
    eprintln!("+ {line}");
    let status = command.status().with_context(|| format!("cannot run {line}"))?;
    if !status.success() {
        bail!("{line}: {status}");
    }
    Ok(())
}

/// Runs a program and returns what it prints.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let line = spell(command);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot run {line}"))?;
    if !output.status.success() {
        bail!("{line}: {}", output.status);
    }
    Ok(output.stdout)
}

/// Whether a program runs and succeeds, without a word.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Where a program is on `PATH`.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Runs one step of several and prints how long it took.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("== {what}");
    let start = Instant::now();
    let result = work().with_context(|| format!("{what} failed"))?;
    eprintln!("== {what}: {:.1} s", start.elapsed().as_secs_f64());
    Ok(result)
}

/// A command as a person would type it; the program without its folder.
fn spell(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    for argument in command.get_args().map(OsStr::to_string_lossy) {
        if argument.contains(' ') {
            let _ = write!(line, " {argument:?}");
        } else {
            let _ = write!(line, " {argument}");
        }
    }
    line
}
