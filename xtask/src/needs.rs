//! What a command needs beyond Rust: found, or installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::apt;
use crate::workspace::{cargo, run, succeeds, which};

/// The oldest PostgreSQL that the service accepts.
const POSTGRES_MAJOR: u32 = 15;

/// The oldest WebKitGTK in which a download can wait for a person to choose its place.
const WEBKIT: &str = "2.40";

/// The release of cargo-deb that the package is made with.
const CARGO_DEB: &str = "3.8.0";

/// Debian makes and starts a cluster when the server is installed, unless this says no.
const CLUSTER_SETTING: &str = "/etc/postgresql-common/createcluster.d/headroom.conf";

/// PostgreSQL's server programs; no server need run.
pub(crate) fn postgres() -> Result<()> {
    if find_postgres() {
        return Ok(());
    }
    // Only for an installation that we make ourselves: somebody who has Debian's package decides for himself.
    let setting = Path::new(CLUSTER_SETTING);
    if nix::unistd::geteuid().is_root() && which("apt-get").is_some() {
        let folder = setting.parent().context("the setting lies in a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        fs::write(setting, "# Headroom runs a private server of its own.\ncreate_main_cluster = false\n")
            .with_context(|| format!("cannot write {}", setting.display()))?;
    }
    apt::install("PostgreSQL", &["postgresql"])?;
    ensure!(
        find_postgres(),
        "the distribution's PostgreSQL is older than {POSTGRES_MAJOR}: install a newer one and name its programs with HEADROOM_PG_BIN"
    );
    Ok(())
}

/// Looks where the service itself looks.
fn find_postgres() -> bool {
    if let Some(folder) = std::env::var_os("HEADROOM_PG_BIN") {
        return Path::new(&folder).join("initdb").is_file();
    }
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let new_enough = debian
        .filter(|entry| entry.path().join("bin/initdb").is_file())
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .any(|major| major >= POSTGRES_MAJOR);
    new_enough || (which("postgres").is_some() && which("initdb").is_some())
}

/// Chromium and its WebDriver, for the browser suite.
pub(crate) fn chromium() -> Result<()> {
    if which("chromedriver").is_some() && (which("chromium").is_some() || which("google-chrome").is_some()) {
        return Ok(());
    }
    // A font, because a page without glyphs has no widths worth testing.
    apt::install("Chromium with its driver", &["chromium", "chromium-driver", "fonts-dejavu-core"])
}

/// What single tests compare with or are helped by: each says so where it is missing, so it is installed where that can be done and
/// asked of nobody.
pub(crate) fn helpers() -> Result<()> {
    let can_install = nix::unistd::geteuid().is_root() && which("apt-get").is_some();
    for (program, what, package) in [
        ("faketime", "a library that lies about the time", "faketime"),
        ("promtool", "Prometheus, whose rules are compared with ours", "prometheus"),
    ] {
        if which(program).is_none() && can_install {
            apt::install(what, &[package])?;
        }
    }
    Ok(())
}

/// WebKitGTK, which shows pages in a native window.
pub(crate) fn webkit() -> Result<()> {
    let is_there = || {
        let mut command = Command::new("pkg-config");
        succeeds(command.args(["--exists", &format!("webkit2gtk-4.1 >= {WEBKIT}"), "dbus-1"]))
    };
    if is_there() {
        return Ok(());
    }
    apt::install("WebKitGTK", &["libwebkit2gtk-4.1-dev", "libdbus-1-dev", "pkg-config"])?;
    ensure!(is_there(), "the distribution's WebKitGTK is older than {WEBKIT}");
    Ok(())
}

/// A desktop for tests: a display, a message bus, notifications, a store of secrets, and hands on keys.
pub(crate) fn desktop() -> Result<()> {
    let programs = [
        ("Xvfb", "xvfb"),
        ("dbus-daemon", "dbus"),
        ("dbus-send", "dbus-bin"),
        ("dunst", "dunst"),
        ("dunstctl", "dunst"),
        ("gnome-keyring-daemon", "gnome-keyring"),
        ("xdotool", "xdotool"),
        ("import", "imagemagick"),
        ("convert", "imagemagick"),
    ];
    let mut missing: Vec<&str> =
        programs.iter().filter(|(program, _)| which(program).is_none()).map(|(_, package)| *package).collect();
    missing.dedup();
    if missing.is_empty() { Ok(()) } else { apt::install("a desktop for tests", &missing) }
}

/// What makes Debian packages of Rust programs.
pub(crate) fn cargo_deb() -> Result<()> {
    if succeeds(cargo().args(["deb", "--version"])) {
        return Ok(());
    }
    run(cargo().args(["install", "--locked", "--version", CARGO_DEB, "cargo-deb"]))
}

/// What a measurement compares with: Debian's packages, each with a program by which it is known.
pub(crate) fn peers(packages: &[(String, String)]) -> Result<()> {
    let missing: Vec<&str> =
        packages.iter().filter(|(_, program)| which(program).is_none()).map(|(package, _)| package.as_str()).collect();
    // Where there is a service manager, Debian starts such a server on its own port: it idles there, nothing is asked of it.
    if missing.is_empty() { Ok(()) } else { apt::install("what is compared with", &missing) }
}

/// Debian's own, newer Rust with everything to build the standard library for the browser.
#[derive(Debug)]
pub(crate) struct DistroRust {
    pub(crate) cargo: PathBuf,
    pub(crate) rustc: PathBuf,
}

/// Debian's packages of the compiler that its browsers are built with.
pub(crate) fn distro_rust() -> Result<DistroRust> {
    let rust = DistroRust { cargo: PathBuf::from("/usr/bin/cargo"), rustc: PathBuf::from("/usr/bin/rustc") };
    // The sources of the standard library are the part that other packages of Rust do not bring.
    let complete = || {
        rust.cargo.is_file()
            && rust.rustc.is_file()
            && Path::new("/usr/bin/rust-lld").exists()
            && has_library_source(&rust)
    };
    if !complete() {
        apt::install(
            "a Rust compiler for the browser (wasm32-unknown-unknown)",
            &["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "lld-22"],
        )?;
    }
    ensure!(
        complete(),
        "the distribution's Rust cannot build for the browser: run `rustup target add wasm32-unknown-unknown`"
    );
    Ok(rust)
}

fn has_library_source(rust: &DistroRust) -> bool {
    let sysroot = Command::new(&rust.rustc).args(["--print", "sysroot"]).output();
    sysroot.is_ok_and(|output| {
        let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Path::new(&sysroot).join("lib/rustlib/src/rust/library/std/Cargo.toml").exists()
    })
}
