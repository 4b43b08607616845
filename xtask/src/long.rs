//! `cargo xtask bench NAME` and `cargo xtask soak NAME`: what takes too long for every change.
//!
//! There is no list to keep: a measurement is a program `tests/src/bin/bench-NAME.rs`, a long test is a file
//! `tests/tests/soak-NAME.rs`, and the first line of each says what it does. A line `//! Debian packages: PACKAGE (PROGRAM), …`
//! names the peers that it measures beside; they are installed when it is asked for. A line `//! Development build: WHY` is for a
//! long test that needs what a release build leaves out.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::workspace::{build, build_headroom, cargo_native, headroom, root, run, target};
use crate::{bundle, needs};

const BENCHES: &str = "tests/src/bin";
const SOAKS: &str = "tests/tests";

/// Tells a long test to run at full length; every other run of it is short.
const FULL_LENGTH: &str = "HEADROOM_SOAK";

/// How a line begins that names peers.
const PEERS: &str = "//! Debian packages:";

/// How a line begins that asks for a development build.
const DEVELOPMENT: &str = "//! Development build:";

/// A measurement or a long test.
#[derive(Debug)]
struct Long {
    name: String,
    what: String,
    /// Debian's packages that it needs, each with a program by which it is known.
    peers: Vec<(String, String)>,
    /// It needs what a release build leaves out.
    is_development: bool,
}

/// Options of `bench` and `soak`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Which one; without it the names are listed.
    name: Option<String>,
    /// Further arguments for it.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Runs a measurement with optimisation.
pub(crate) fn bench(options: &Options) -> Result<()> {
    let Some(bench) = choose(&root().join(BENCHES), "bench-", options)? else { return Ok(()) };
    needs::postgres()?;
    needs::chromium()?;
    needs::peers(&bench.peers)?;
    // A measurement starts the service itself, and what a browser loads from it is measured too.
    bundle::run(&bundle::Options::default())?;
    let name = format!("bench-{}", bench.name);
    build(&["headroom", &name], true)?;
    let mut command = Command::new(target().join("release").join(name));
    run(command.current_dir(root()).env("HEADROOM_BIN", headroom(true)).args(&options.arguments))
}

/// Runs a long test at full length; with optimisation, if it does not ask for a development build.
pub(crate) fn soak(options: &Options) -> Result<()> {
    let Some(soak) = choose(&root().join(SOAKS), "soak-", options)? else { return Ok(()) };
    needs::postgres()?;
    let release = !soak.is_development;
    if soak.is_development {
        needs::chromium()?;
        bundle::run(&bundle::Options::default())?;
    }
    build_headroom(release)?;
    let mut command = cargo_native("test");
    command.env("HEADROOM_BIN", headroom(release)).env(FULL_LENGTH, "full");
    command.args(release.then_some("--release"));
    command.args(["--test", &format!("soak-{}", soak.name)]);
    run(command.args(["--", "--nocapture"]).args(&options.arguments))
}

/// The one that is asked for. Without a name the list is printed.
fn choose(folder: &Path, prefix: &str, options: &Options) -> Result<Option<Long>> {
    let all = list(folder, prefix)?;
    let Some(name) = &options.name else {
        for long in all {
            println!("{:<12} {}", long.name, long.what);
        }
        return Ok(None);
    };
    let names = all.iter().map(|long| long.name.as_str()).collect::<Vec<_>>().join(", ");
    match all.into_iter().find(|long| long.name == *name) {
        Some(long) => Ok(Some(long)),
        None => bail!("there is none named {name:?}; there are: {names}"),
    }
}

/// Every `<prefix>NAME.rs` of a folder with its first line.
fn list(folder: &Path, prefix: &str) -> Result<Vec<Long>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.strip_prefix(prefix));
        let Some(name) = stem else { continue };
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let what = text.lines().next().unwrap_or_default().trim_start_matches("//!").trim().to_owned();
        let peers = text.lines().take_while(|line| line.starts_with("//!")).find_map(|line| line.strip_prefix(PEERS));
        let is_development = text.lines().any(|line| line.starts_with(DEVELOPMENT));
        found.push(Long {
            name: name.to_owned(),
            what,
            peers: peers.map(peers_of).unwrap_or_default(),
            is_development,
        });
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// The packages of a line, each with its program.
fn peers_of(line: &str) -> Vec<(String, String)> {
    let parts = line.split(',').filter_map(|part| part.trim().strip_suffix(')')?.split_once(" ("));
    parts.map(|(package, program)| (package.to_owned(), program.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_what_the_folder_has() {
        let folder = std::env::temp_dir().join(format!("headroom-long-test-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("the folder is made");
        for (file, text) in [
            ("bench-two.rs", "//! Second.\n//! Debian packages: big-peer (peer), other (other)\n"),
            ("bench-one.rs", "//! First.\n//! Development build: the clock stands still.\n"),
            ("other.rs", "//! No.\n"),
        ] {
            fs::write(folder.join(file), text).expect("the file is written");
        }
        let found = list(&folder, "bench-").expect("the folder is read");
        let pairs: Vec<(&str, &str)> = found.iter().map(|long| (long.name.as_str(), long.what.as_str())).collect();
        assert_eq!(pairs, [("one", "First."), ("two", "Second.")]);
        let peers: Vec<(&str, &str)> = found[1].peers.iter().map(|(one, two)| (one.as_str(), two.as_str())).collect();
        assert_eq!(peers, [("big-peer", "peer"), ("other", "other")]);
        assert!(found[0].peers.is_empty());
        assert_eq!((found[0].is_development, found[1].is_development), (true, false));
        fs::remove_dir_all(&folder).expect("the folder is removed");
    }
}
