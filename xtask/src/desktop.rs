//! `cargo xtask desktop`: the native window, its tests, its Debian package.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Error, Result, bail, ensure};
use clap::Args;

use crate::workspace::{self, build_headroom, cargo, headroom, output, root, step, succeeds, target};
use crate::{bundle, demo, needs};

/// The crate and its program.
const CRATE: &str = "headroom-desktop";

/// Options of `desktop`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Build with optimisation: slower to build, much faster to run.
    #[arg(long)]
    release: bool,
    /// Make the Debian package instead of opening a window, with optimisation, and print its size.
    #[arg(long)]
    package: bool,
    /// As root: install the package, measure its start, remove it, and see that nothing stays.
    #[arg(long, requires = "package")]
    install: bool,
    /// Further arguments for `headroom-desktop`, for example `-- --demo`.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Builds and opens a window, or makes the package.
pub(crate) fn run(options: &Options) -> Result<()> {
    needs::webkit()?;
    needs::postgres()?;
    bundle::run(&bundle::Options::default())?;
    let release = options.release || options.package;
    let server = step("the service", || build_headroom(release))?;
    let program = step("the window", || build(release))?;
    if options.package {
        let package = step("the package", package)?;
        return if options.install { step("installing and removing", || install(&package)) } else { Ok(()) };
    }
    let mut command = Command::new(&program);
    command.arg("--server").arg(&server).args(&options.arguments);
    // Only as root PostgreSQL runs under another account, which has to get into the folder.
    if nix::unistd::geteuid().is_root() {
        command.arg("--data-dir").arg(demo::data_dir("desktop"));
    }
    eprintln!("+ {CRATE} {}", options.arguments.join(" "));
    Err(Error::new(command.exec())).with_context(|| format!("cannot run {}", program.display()))
}

/// The lints and tests of the window, where it can be built.
pub(crate) fn test() -> Result<()> {
    if let Err(reason) = needs::webkit().and_then(|()| needs::desktop()) {
        eprintln!("SKIPPED: the window is not tested here: {reason:#}");
        return Ok(());
    }
    workspace::run(cargo().args(["clippy", "--package", CRATE, "--all-targets", "--", "-D", "warnings"]))?;
    workspace::run(cargo().env("RUSTDOCFLAGS", "-D warnings").args([
        "doc",
        "--package",
        CRATE,
        "--no-deps",
        "--document-private-items",
        "--quiet",
    ]))?;
    // Each story has a display of its own; side by side they would wait for each other's pages.
    let mut command = cargo();
    if succeeds(cargo().args(["nextest", "--version"])) {
        command.args([
            "nextest",
            "run",
            "--package",
            CRATE,
            "--no-fail-fast",
            "--test-threads=1",
            "--success-output=final",
        ]);
    } else {
        command.args(["test", "--package", CRATE, "--quiet", "--", "--test-threads=1", "--nocapture"]);
    }
    workspace::run(command.env("HEADROOM_BIN", headroom(false)))
}

fn build(release: bool) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--package", CRATE]);
    if release {
        command.arg("--release");
    }
    workspace::run(&mut command)?;
    Ok(headroom(release).with_file_name(CRATE))
}

/// Makes the package of what was built with optimisation.
fn package() -> Result<PathBuf> {
    needs::cargo_deb()?;
    // Line tables for backtraces make the programs seven times as large; nobody reads backtraces of a package.
    let printed = output(cargo().args(["deb", "--package", CRATE, "--no-build", "--strip"]))?;
    let printed = String::from_utf8(printed)?;
    let path = PathBuf::from(printed.lines().last().context("cargo deb names the package")?.trim());
    let size = fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?.len();
    println!("{}: {:.1} MB", short(&path), size as f64 / 1e6);
    Ok(path)
}

/// Installs the package, starts it, removes it. What it wrote into the system is gone afterwards.
fn install(package: &Path) -> Result<()> {
    needs::desktop()?;
    let listed = String::from_utf8(output(Command::new("dpkg-deb").arg("--contents").arg(package))?)?;
    let files: Vec<PathBuf> = listed
        .lines()
        .filter_map(|line| line.rsplit_once(" ./"))
        .filter(|(_, name)| !name.is_empty() && !name.ends_with('/'))
        .map(|(_, name)| Path::new("/").join(name))
        .collect();
    ensure!(!files.is_empty(), "the package is empty");
    if let Some(file) = files.iter().find(|file| file.exists()) {
        bail!("{} is there already: another package of it is installed", file.display());
    }
    let apt_get = |verb: &str| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args([verb, "--quiet=2", "--yes"]);
        command
    };
    workspace::run(apt_get("install").arg("--no-install-recommends").arg(package))?;
    // Started as the tests do it, which say how long it took; removed whatever came of that.
    let mut test = cargo();
    test.args(["test", "--package", CRATE, "--quiet", "--test", "desktop"]);
    test.args(["--", "--nocapture", "--ignored", "installed"]).env("HEADROOM_DESKTOP", "/usr/bin/headroom-desktop");
    let started = workspace::run(&mut test);
    workspace::run(apt_get("purge").arg(CRATE))?;
    started?;
    if let Some(file) = files.iter().find(|file| file.exists()) {
        bail!("{} was left behind", file.display());
    }
    println!("{}: installed, started, removed; {} files came and went", short(package), files.len());
    Ok(())
}

fn short(path: &Path) -> String {
    path.strip_prefix(target()).or_else(|_| path.strip_prefix(root())).unwrap_or(path).display().to_string()
}
