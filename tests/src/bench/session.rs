//! Processes that are measured, and their share of the processor.
//!
//! Linux shares the processor between groups of processes first: every session is one (an autogroup), and every
//! PostgreSQL backend opens a session of its own, so that on a busy machine two backends get twice what a service with
//! many threads gets. Here everything that is measured is one group, in which threads count alike. Where no group can be
//! made, each process at least has a session of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, id};

use anyhow::{Context, Result};

/// Where Linux keeps its control groups.
const GROUPS: &str = "/sys/fs/cgroup";

/// One group for this process and all that it starts, until the value is dropped.
#[derive(Debug)]
pub struct OneGroup {
    parent: PathBuf,
    own: PathBuf,
}

impl OneGroup {
    /// Makes it; it weighs as much as a session for each processor.
    pub fn join(processors: usize) -> Result<Self> {
        // The older form keeps a tree for each resource, the newer one tree for all.
        let older = Path::new(GROUPS).join("cpu");
        let (parent, weight, unit) =
            if older.is_dir() { (older, "cpu.shares", 1024) } else { (PathBuf::from(GROUPS), "cpu.weight", 100) };
        let group = Self { own: parent.join(format!("headroom-bench-{}", id())), parent };
        fs::create_dir(&group.own).with_context(|| format!("cannot make {}", group.own.display()))?;
        fs::write(group.own.join(weight), (unit * processors).to_string()).context("the group takes no weight")?;
        move_to(&group.own)?;
        Ok(group)
    }
}

impl Drop for OneGroup {
    fn drop(&mut self) {
        // What is left of it is empty, weighs nothing, and goes with the next start of the machine.
        let _ = move_to(&self.parent);
        let _ = fs::remove_dir(&self.own);
    }
}

fn move_to(group: &Path) -> Result<()> {
    fs::write(group.join("cgroup.procs"), id().to_string()).with_context(|| format!("cannot join {}", group.display()))
}

/// The same command in a new session, ended with us: nobody's Ctrl-C reaches it there.
pub fn own(command: &Command) -> Command {
    let mut wrapped = Command::new("setpriv");
    wrapped.args(["--pdeathsig", "TERM", "setsid"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped.stdin(Stdio::null());
    wrapped
}

/// A process that ends with the value.
#[derive(Debug)]
pub struct Owned(pub Child);

impl Drop for Owned {
    fn drop(&mut self) {
        // Gone already if it failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
