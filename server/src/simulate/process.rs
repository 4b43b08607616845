//! Stopping, killing and letting go processes.
//!
//! PostgreSQL is many processes: its first one starts another for each connection, and these work on when it is stopped. So the
//! first one is stopped first, which ends the making of others, and then all that it started.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;

/// New processes may come while others are stopped: it is looked for them this often.
const LOOKS: usize = 5;

/// The processes that another one started and that are there.
fn children(parent: i32) -> Vec<i32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in brackets and may have brackets and blanks of its own; the state and the parent follow the last one.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn send(pid: i32, signal: Signal) -> Result<bool, Errno> {
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) => Ok(true),
        // It ended meanwhile.
        Err(Errno::ESRCH) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Sends a signal to one process. False if it is not there.
///
/// # Errors
/// The system refuses.
pub fn signal(pid: i32, signal: Signal) -> Result<bool, Errno> {
    send(pid, signal)
}

/// Stops a process and all that it started. Returns how many are stopped.
///
/// # Errors
/// The system refuses; whatever was stopped goes on again.
pub fn stop_family(pid: i32) -> Result<usize, Errno> {
    let mut stopped: Vec<i32> = Vec::new();
    let result = (|| {
        if !send(pid, Signal::SIGSTOP)? {
            return Err(Errno::ESRCH);
        }
        stopped.push(pid);
        for _ in 0..LOOKS {
            let new: Vec<i32> = children(pid).into_iter().filter(|child| !stopped.contains(child)).collect();
            if new.is_empty() {
                break;
            }
            for child in new {
                if send(child, Signal::SIGSTOP)? {
                    stopped.push(child);
                }
            }
        }
        Ok(stopped.len())
    })();
    if result.is_err() {
        for pid in stopped.into_iter().rev() {
            let _ = send(pid, Signal::SIGCONT);
        }
    }
    result
}

/// Lets a process and all that it started go on. Returns how many.
///
/// # Errors
/// The system refuses for one; the others go on all the same.
pub fn let_family_go(pid: i32) -> Result<usize, Errno> {
    let mut family = children(pid);
    family.push(pid);
    let (mut gone, mut refused) = (0, None);
    for one in family {
        match send(one, Signal::SIGCONT) {
            Ok(is_there) => gone += usize::from(is_there),
            Err(error) => refused = Some(error),
        }
    }
    refused.map_or(Ok(gone), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};
    use std::time::{Duration, Instant};

    fn state_of(pid: i32) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.trim_start().chars().next()
    }

    fn becomes(what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !is_so() {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    struct Reaped(Child);

    impl Drop for Reaped {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_family_is_stopped_and_goes_on_together() {
        let script = "sleep 60 & sleep 60 & wait";
        let parent = Reaped(Command::new("sh").args(["-c", script]).spawn().expect("a shell"));
        let pid = parent.0.id().cast_signed();
        becomes("it has two children", || children(pid).len() == 2);
        let family: Vec<i32> = children(pid).into_iter().chain([pid]).collect();
        assert_eq!(stop_family(pid), Ok(3));
        becomes("all are stopped", || family.iter().all(|pid| state_of(*pid) == Some('T')));
        assert_eq!(let_family_go(pid), Ok(3));
        becomes("all go on", || family.iter().all(|pid| state_of(*pid) == Some('S')));
        for child in children(pid) {
            assert_eq!(signal(child, Signal::SIGKILL), Ok(true));
        }
    }

    #[test]
    fn who_is_not_there_is_told() {
        let child = Command::new("true").spawn().map(Reaped).expect("a program");
        let pid = child.0.id().cast_signed();
        drop(child);
        assert_eq!(stop_family(pid), Err(Errno::ESRCH));
        assert_eq!(signal(pid, Signal::SIGCONT), Ok(false));
    }
}
