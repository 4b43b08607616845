//! `cargo xtask desktop`: the native window, its tests, its Debian package.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Error, Result, ensure};
use clap::Args;

use crate::workspace::{self, build_headroom, cargo, headroom, output, root, step, target};
use crate::{bundle, demo, needs};

/// The crate and its program.
const CRATE: &str = "headroom-desktop";

/// Options of `desktop`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Build with optimisation: slower to build, much faster to run.
    #[arg(long)]
    release: bool,
    /// Make the Debian package instead of opening a window, and print its size.
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
    let server = step("the service", || build_headroom(options.release))?;
    let program = step("the window", || build(options.release))?;
    if options.package {
        let package = step("the package", || package(options.release))?;
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
    let mut command = cargo();
    command.args(["test", "--package", CRATE, "--quiet"]).env("HEADROOM_BIN", headroom(false));
    // Each story has a display of its own; side by side they would wait for each other's pages.
    workspace::run(command.args(["--", "--test-threads=1", "--nocapture"]))
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

/// Makes the package of what was built.
fn package(release: bool) -> Result<PathBuf> {
    needs::cargo_deb()?;
    let mut command = cargo();
    command.args(["deb", "--package", CRATE, "--no-build"]);
    // A development build carries what backtraces need, which is most of it.
    command.args(if release { &["--profile", "release"][..] } else { &["--profile", "dev", "--strip"] });
    let printed = String::from_utf8(output(&mut command)?)?;
    let path = PathBuf::from(printed.lines().last().context("cargo deb names the package")?.trim());
    let size = fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?.len();
    println!("{}: {:.1} MB", short(&path), size as f64 / 1e6);
    Ok(path)
}

/// Installs the package, starts it, removes it. What it wrote into the system is gone afterwards.
fn install(package: &Path) -> Result<()> {
    needs::desktop()?;
    let listed = String::from_utf8(
        output(Command::new("dpkg-deb").arg("--fsys-tarfile").arg(package).stdout(std::process::Stdio::piped()))
            .and_then(|tar| list(&tar))?,
    )?;
    let files: Vec<PathBuf> = listed
        .lines()
        .filter(|line| !line.ends_with('/'))
        .map(|line| Path::new("/").join(line.trim_start_matches("./")))
        .collect();
    ensure!(!files.is_empty(), "the package is empty");
    let already = files.iter().find(|file| file.exists());
    ensure!(
        already.is_none(),
        "{} is there already: another package of it is installed",
        already.map_or(String::new(), |file| file.display().to_string())
    );

    workspace::run(
        Command::new("apt-get")
            .args(["install", "--quiet=2", "--yes", "--no-install-recommends"])
            .arg(package)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )?;
    let used = started();
    workspace::run(
        Command::new("apt-get").args(["purge", "--quiet=2", "--yes", CRATE]).env("DEBIAN_FRONTEND", "noninteractive"),
    )?;
    used?;
    let left = files.iter().find(|file| file.exists());
    ensure!(left.is_none(), "{} was left behind", left.map_or(String::new(), |file| file.display().to_string()));
    println!("{}: installed, started, removed; {} files came and went", short(package), files.len());
    Ok(())
}

/// The names in an archive.
fn list(tar: &[u8]) -> Result<Vec<u8>> {
    let mut child = Command::new("tar")
        .arg("t")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("its input is piped")?;
    std::thread::scope(|scope| {
        scope.spawn(move || std::io::Write::write_all(&mut input, tar));
        Ok(child.wait_with_output()?.stdout)
    })
}

/// Starts what was installed, as the tests do, and lets them say how long it took.
fn started() -> Result<()> {
    let mut command = cargo();
    command.args([
        "test",
        "--package",
        CRATE,
        "--quiet",
        "--test",
        "desktop",
        "--",
        "--nocapture",
        "--ignored",
        "installed",
    ]);
    workspace::run(command.env("HEADROOM_DESKTOP", "/usr/bin/headroom-desktop"))
}

fn short(path: &Path) -> String {
    path.strip_prefix(target()).or_else(|_| path.strip_prefix(root())).unwrap_or(path).display().to_string()
}
