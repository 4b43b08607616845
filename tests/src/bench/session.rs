//! Processes that are measured, each in a session of its own.
//!
//! Linux shares the processor between sessions first (autogroups) and between the processes of each then. Every
//! PostgreSQL backend opens a session, so a peer that shares one with the measurement would get less than it.

use std::process::{Child, Command, Stdio};

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
