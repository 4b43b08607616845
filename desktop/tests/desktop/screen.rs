//! A desktop of a test's own: a display, a message bus, notifications, and, if wanted, a store of secrets.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Only a failure waits this long.
pub(crate) const LIMIT: Duration = Duration::from_mins(2);

/// A bus on which nothing starts by itself, so that what is missing here is missing.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:dir=FOLDER</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>"#;

/// A person who always picks the line that a file asks for.
const CHOOSER: &str = "#!/bin/sh\nexec grep -m1 -F \"$(cat \"$(dirname \"$0\")/choice\")\"\n";

/// The file with the notification service's settings.
const SETTINGS: &str = "dunstrc";

/// What a test needs of the system; `None` if all is there.
pub(crate) fn missing() -> Option<String> {
    let programs = [
        "Xvfb",
        "dbus-daemon",
        "dbus-send",
        "dunst",
        "dunstctl",
        "gnome-keyring-daemon",
        "xdotool",
        "import",
        "convert",
    ];
    let path = std::env::var_os("PATH")?;
    let is_there = |program: &&str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    programs.iter().find(|program| !is_there(program)).map(|program| format!("{program} is not installed"))
}

/// Waits until something is so.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let limit = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < limit, "{what}: not within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The desktop. Dropping it ends everything on it.
pub(crate) struct Screen {
    display: String,
    bus: String,
    running: Vec<Child>,
    notifications: RefCell<Option<Child>>,
    folder: TempDir,
}

impl Screen {
    /// Starts one with a display, a bus and notifications.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("headroom-desktop-").tempdir().unwrap();
        // As root, PostgreSQL runs under another account.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for (name, mode) in [("home", 0o700), ("run", 0o700)] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        let (display, bus) = (String::new(), String::new());
        let mut screen = Self { display, bus, running: Vec::new(), notifications: RefCell::default(), folder };

        let mut display = screen.command("Xvfb");
        display.args(["-displayfd", "1", "-screen", "0", "1440x1000x24", "-nolisten", "tcp"]);
        screen.display = format!(":{}", screen.run(display));
        let config = screen.write("bus.conf", &BUS.replace("FOLDER", &screen.folder().to_string_lossy()));
        let mut bus = screen.command("dbus-daemon");
        bus.arg(format!("--config-file={}", config.display())).args(["--nofork", "--nopidfile", "--print-address=1"]);
        screen.bus = screen.run(bus);

        let chooser = screen.write("chooser", CHOOSER);
        fs::set_permissions(&chooser, fs::Permissions::from_mode(0o755)).unwrap();
        let settings = format!("[global]\ndmenu = {}\nnotification_limit = 20\n", chooser.display());
        screen.write(SETTINGS, &settings);
        *screen.notifications.borrow_mut() = Some(screen.notifications());
        screen
    }

    /// Starts a notification service.
    fn notifications(&self) -> Child {
        let mut notifications = self.command("dunst");
        notifications.arg("-conf").arg(self.folder().join(SETTINGS));
        let child = notifications.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("the notification service answers", || self.dunst(&["is-paused"]));
        child
    }

    /// Kills the notification service with all its notices, and starts another one.
    pub(crate) fn other_notifications(&self) {
        if let Some(mut child) = self.notifications.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        self.notifications.replace(Some(self.notifications()));
    }

    /// A store of secrets, unlocked.
    pub(crate) fn with_secrets(mut self) -> Self {
        let mut store = self.command("gnome-keyring-daemon");
        store.args(["--foreground", "--unlock", "--components=secrets"]);
        store.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = store.spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"a test's own").unwrap();
        self.running.push(child);
        until("the store of secrets answers", || {
            let mut ask = self.command("dbus-send");
            ask.args([
                "--session",
                "--print-reply",
                "--dest=org.freedesktop.DBus",
                "/",
                "org.freedesktop.DBus.ListNames",
            ]);
            String::from_utf8_lossy(&ask.output().unwrap().stdout).contains("org.freedesktop.secrets").then_some(())
        });
        self
    }

    /// Everything that a test writes is below this.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A command on this desktop.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("XDG_") || text.starts_with("HEADROOM_") || text == "WAYLAND_DISPLAY" {
                command.env_remove(&name);
            }
        }
        if let Some(programs) = std::env::var_os("HEADROOM_PG_BIN") {
            command.env("HEADROOM_PG_BIN", programs);
        }
        command
            .env("DISPLAY", &self.display)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus)
            .env("HOME", self.folder().join("home"))
            .env("XDG_RUNTIME_DIR", self.folder().join("run"))
            .envs([("GDK_BACKEND", "x11"), ("NO_AT_BRIDGE", "1"), ("GTK_USE_PORTAL", "0"), ("LC_ALL", "C.UTF-8")])
            .envs([("GSETTINGS_BACKEND", "memory"), ("GIO_USE_VFS", "local"), ("LIBGL_ALWAYS_SOFTWARE", "1")])
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    /// Starts a program that says one line when it is ready.
    fn run(&mut self, mut command: Command) -> String {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.running.push(child);
        assert!(!line.trim().is_empty(), "{command:?} did not start");
        line.trim().to_owned()
    }

    /// The address of the bus.
    pub(crate) fn bus(&self) -> &str {
        &self.bus
    }

    /// Whether the store of secrets has one of an application.
    pub(crate) fn secret(&self, application: &str) -> Option<()> {
        let mut ask = self.command("dbus-send");
        ask.args(["--session", "--print-reply", "--dest=org.freedesktop.secrets", "/org/freedesktop/secrets"]);
        ask.arg("org.freedesktop.Secret.Service.SearchItems")
            .arg(format!("dict:string:string:application,{application}"));
        String::from_utf8_lossy(&ask.output().unwrap().stdout)
            .contains("object path \"/org/freedesktop/secrets")
            .then_some(())
    }

    /// Asks the notification service.
    pub(crate) fn dunst(&self, arguments: &[&str]) -> Option<String> {
        let output = self.command("dunstctl").args(arguments).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// How many notices are on the screen.
    pub(crate) fn notices(&self) -> usize {
        self.dunst(&["count", "displayed"]).and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    /// Opens the notices' menu and picks the entry with a text, as a person does.
    pub(crate) fn choose(&self, text: &str) {
        self.write("choice", text);
        self.dunst(&["context"]).unwrap();
    }

    /// Moves hands: keys, text, the mouse.
    pub(crate) fn hands(&self, arguments: &[&str]) -> String {
        let output = self.command("xdotool").args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Waits until a page is drawn, which has many colours where an empty window has few, and keeps its picture.
    pub(crate) fn drawn(&self, name: &str) {
        until(&format!("{name} is drawn"), || (self.colours(&self.picture(name)) > 100).then_some(()));
    }

    /// Keeps a picture of the screen.
    pub(crate) fn picture(&self, name: &str) -> PathBuf {
        let path = self.folder().join(format!("{name}.png"));
        let output = self.command("import").args(["-window", "root"]).arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let kept = pictures().join(format!("desktop-{name}.png"));
        fs::create_dir_all(pictures()).unwrap();
        fs::copy(&path, kept).unwrap();
        path
    }

    /// What is on a part of the screen, to be compared.
    pub(crate) fn part(&self, geometry: &str) -> String {
        let path = self.folder().join("part.png");
        assert!(self.command("import").args(["-window", "root"]).arg(&path).status().unwrap().success());
        let mut cut = self.command("convert");
        cut.arg(&path).args(["-crop", geometry, "+repage", "-format", "%#", "info:"]);
        let signature = String::from_utf8_lossy(&cut.output().unwrap().stdout).trim().to_owned();
        assert!(!signature.is_empty(), "the picture has no signature");
        signature
    }

    /// Colours on a picture: a page has many, an empty window few.
    pub(crate) fn colours(&self, picture: &Path) -> u32 {
        let output = self.command("convert").arg(picture).args(["-format", "%k", "info:"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
    }

    /// Processes that have anything of this test's folder in their command or as the folder they work in.
    pub(crate) fn processes(&self, below: &str) -> Vec<String> {
        let folder = self.folder().join(below);
        let text = folder.to_string_lossy().into_owned();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            let works_here = fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&folder));
            if command.contains(&text) || works_here {
                found.push(format!("{} {command}", entry.file_name().to_string_lossy()));
            }
        }
        found
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        for child in self.notifications.get_mut().iter_mut().chain(self.running.iter_mut().rev()) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Where pictures are kept for people to look at.
fn pictures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots")
}

/// A file for a program's complaints.
pub(crate) fn log(path: &Path) -> File {
    File::create(path).unwrap()
}
