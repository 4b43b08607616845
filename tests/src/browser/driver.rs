//! chromedriver, on a port that it chooses itself.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const START_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Dropping it ends it and its browsers.
#[derive(Debug)]
pub(super) struct Driver {
    child: Child,
    url: String,
    profile: PathBuf,
}

impl Driver {
    /// Starts a driver for one browser, whose profile is in this folder.
    pub(super) fn start(profile: &Path) -> Result<Self> {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run chromedriver: `cargo xtask e2e` installs it")?;
        let stdout = child.stdout.take().context("its output is piped")?;
        let (sender, receiver) = channel();
        // Reads on to the end, so that the driver never meets a broken pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(port) = port(&line) {
                    let _ = sender.send(port);
                }
            }
        });
        // From here on dropping the value ends the process.
        let mut driver = Self { child, url: String::new(), profile: profile.to_owned() };
        let port = receiver.recv_timeout(START_LIMIT).context("chromedriver did not name its port")?;
        driver.url = format!("http://127.0.0.1:{port}");
        Ok(driver)
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        end_browsers(&self.profile);
    }
}

/// Ends the processes of the browser with this profile: a test that fails leaves its browser open, and a driver that ends
/// does not take it along. They are known by the profile's unique path on their command line.
fn end_browsers(profile: &Path) {
    let deadline = Instant::now() + STOP_LIMIT;
    loop {
        let pids = browser_pids(profile);
        if pids.is_empty() || Instant::now() > deadline {
            return;
        }
        for pid in pids {
            // It can have ended meanwhile.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        // The profile's folder can be removed only when they are gone.
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn browser_pids(profile: &Path) -> Vec<i32> {
    let mark = profile.as_os_str().as_encoded_bytes();
    let names_profile = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.windows(mark.len()).any(|part| part == mark)
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(names_profile).collect()
}

/// Reads `ChromeDriver was started successfully on port 39837.`
fn port(line: &str) -> Option<u16> {
    line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
}
