//! The window under test, started as a person would start it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::screen::{LIMIT, Screen, log, until};

/// A running window. Dropping it kills it.
pub(crate) struct App<'a> {
    screen: &'a Screen,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    /// Lines up to here were looked at.
    read: usize,
}

fn program() -> PathBuf {
    std::env::var_os("HEADROOM_DESKTOP").map_or_else(|| env!("CARGO_BIN_EXE_headroom-desktop").into(), PathBuf::from)
}

/// The server's program.
pub(crate) fn server() -> PathBuf {
    let beside = PathBuf::from(env!("CARGO_BIN_EXE_headroom-desktop")).with_file_name("headroom");
    let path = std::env::var_os("HEADROOM_BIN").map_or(beside, PathBuf::from);
    assert!(path.is_file(), "{} does not exist: build headroom, or set HEADROOM_BIN", path.display());
    path
}

/// A start that is not waited for.
pub(crate) fn start_once(screen: &Screen, arguments: &[&str]) -> Output {
    screen.command(program()).args(arguments).output().unwrap()
}

impl<'a> App<'a> {
    /// Starts the window; the data of servers inside goes below the test's folder.
    pub(crate) fn start(screen: &'a Screen, arguments: &[&str]) -> Self {
        let mut command = screen.command(program());
        command.arg("--verbose").arg("--data-dir").arg(screen.folder().join("data"));
        // What is installed finds its server by itself.
        if std::env::var_os("HEADROOM_DESKTOP").is_none() {
            command.arg("--server").arg(server());
        }
        command.args(arguments).stdout(Stdio::piped()).stderr(log(&screen.folder().join("window.log")));
        let mut child = command.spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (said, stdout) = (Arc::clone(&lines), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                said.lock().unwrap().push(line);
            }
        });
        Self { screen, child, lines, read: 0 }
    }

    /// Waits for a line with a text, after the last one that was waited for.
    pub(crate) fn says(&mut self, text: &str) -> String {
        let limit = Instant::now() + LIMIT;
        loop {
            let lines = self.lines.lock().unwrap().clone();
            if let Some(at) = lines.iter().skip(self.read).position(|line| line.contains(text)) {
                self.read += at + 1;
                return lines[self.read - 1].clone();
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < limit,
                "the window did not say {text:?} ({ended:?}); it said\n{}\n{}",
                lines.join("\n"),
                std::fs::read_to_string(self.screen.folder().join("window.log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether it has said something so far.
    pub(crate) fn has_said(&self, text: &str) -> bool {
        self.lines.lock().unwrap().iter().any(|line| line.contains(text))
    }

    /// The window's number on the display; dialogs come after it.
    pub(crate) fn window(&self) -> String {
        let process = self.child.id().to_string();
        until("a window", || {
            let found = self.screen.hands(&["search", "--all", "--onlyvisible", "--pid", &process, "--name", "."]);
            found.lines().next().map(str::to_owned)
        })
    }

    /// Its title.
    pub(crate) fn title(&self) -> String {
        self.screen.hands(&["getwindowname", &self.window()])
    }

    /// Waits for a title with a text in it.
    pub(crate) fn is_titled(&self, text: &str) {
        let mut last = String::new();
        until(&format!("a title with {text:?}"), || {
            last = self.title();
            last.contains(text).then_some(())
        });
    }

    /// Presses keys, as `ctrl+q`.
    pub(crate) fn press(&self, keys: &str) {
        let window = self.window();
        self.screen.hands(&["windowfocus", "--sync", &window, "key", "--clearmodifiers", keys]);
    }

    /// Types into whatever has the focus.
    pub(crate) fn types(&self, text: &str) {
        self.screen.hands(&["windowfocus", "--sync", &self.window(), "type", "--delay", "20", text]);
    }

    /// Clicks at a place of the window.
    pub(crate) fn clicks(&self, x: i32, y: i32) {
        let (x, y) = (x.to_string(), y.to_string());
        self.screen.hands(&["mousemove", "--window", &self.window(), &x, &y, "click", "1"]);
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process that draws the page.
    pub(crate) fn stop_drawing(&self) {
        let drawing = until("a process draws the page", || {
            let processes = std::fs::read_dir("/proc").unwrap().flatten();
            let mut ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
            ids.find(|id| self.draws(*id))
        });
        kill(Pid::from_raw(drawing.cast_signed()), Signal::SIGKILL).unwrap();
        until("nobody draws", || (!self.draws(drawing)).then_some(()));
    }

    /// Whether a process is alive, ours, and draws pages.
    fn draws(&self, id: u32) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let of = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
        // A name ends after 15 letters there.
        let is_ours = of("Name:") == "WebKitWebProces" && of("PPid:") == self.child.id().to_string();
        is_ours && !of("State:").starts_with('Z')
    }

    /// Waits for its end.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        until("the window ends", || self.child.try_wait().unwrap())
    }

    /// Asks it to end, as at the end of a desktop's session.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).unwrap();
        self.ends()
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for App<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
