//! Headroom in a native window, on a desktop of the test's own: a display, a message bus, a notification service, a tray, a store of
//! secrets.
//!
//! Where one of these is missing a story says SKIPPED and passes; `cargo xtask test` installs them where it can.

#![expect(clippy::unwrap_used, reason = "everything here is part of a test, and a panic is how it fails")]

mod app;
mod other;
mod remote;
mod screen;
mod site;
mod tray;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use app::{App, start_once};
use other::Other;
use remote::{Asker, Remote, certificate};
use screen::{Screen, until};
use site::Site;
use tray::Tray;

/// A made-up world that is quick to make.
const SMALL_WORLD: [&str; 4] = ["--demo", "--", "--days", "3"];
/// Who is made at a server elsewhere.
const PERSON: [(&str, &str); 3] =
    [("name", "Otto Kern"), ("email", "otto@example.org"), ("password", "nine-blue-boats-sailing")];

/// A desktop, or a word about what it would need.
fn screen() -> Option<Screen> {
    if let Some(missing) = screen::missing() {
        eprintln!("SKIPPED: {missing}");
        return None;
    }
    Some(Screen::start())
}

/// The address in a line such as `server listens on http://127.0.0.1:4711`.
fn address(line: &str) -> String {
    line.split_once("http").map(|(_, rest)| format!("http{rest}")).unwrap()
}

/// The number of the dialog for printing, if it is open.
fn printing(screen: &Screen) -> String {
    screen.hands(&["search", "--onlyvisible", "--name", "^Print$"])
}

fn nobody_is_left(screen: &Screen, below: &str) {
    let mut left = Vec::new();
    until(&format!("nobody works in {below}"), || {
        left = screen.processes(below);
        left.is_empty().then_some(())
    });
}

#[test]
fn the_demo_world_wakes_somebody_who_acknowledges() {
    let Some(screen) = screen() else { return };
    let tray = Tray::start(screen.bus());
    let mut window = App::start(&screen, &SMALL_WORLD);
    let url = address(&window.says("server listens on"));
    // Nobody typed a password.
    window.says(&format!("shows {url}/overview"));
    window.is_titled("overview");
    assert!(screen.processes("data").iter().any(|process| process.contains("postgres")), "with a database of its own");
    let asker = Asker::of_the_demo(&url);

    // The page is drawn, and its islands live: how old its data is, at the upper right, goes on by itself.
    screen.drawn("overview");
    let age = || screen.part("140x30+1080+36");
    let before = age();
    until("the page moves by itself", || (age() != before).then_some(()));

    // An hour in which half of all claims are late wakes somebody, by a notice of the desktop's.
    asker.late_claims("edge-us");
    window.says("Allocation latency budget burn: edge-us");
    until("a notice is shown", || (screen.notices() > 0).then_some(()));
    window.is_titled("(");
    let page = until("the page is open", || {
        let open = asker.get("/api/v1/alerts?state=open&lane=page&pool=edge-us");
        open["alerts"].as_array().and_then(|alerts| alerts.first().cloned())
    });
    let (id, path) = (page["id"].as_i64().unwrap(), format!("/api/v1/alerts/{}", page["id"]));
    assert_eq!(page["state"], "firing");

    // The tray says the three numbers that matter.
    until("the tray counts", || {
        let lines = tray.lines()?;
        let is_whole = lines.len() == 3
            && (lines[0].contains("page waits") || lines[0].contains("pages wait"))
            && lines[1].starts_with("Fullest pool: ")
            && lines[1].ends_with('%')
            && lines[2].starts_with("Waste this month: ")
            && lines[2].ends_with("EUR");
        is_whole.then_some(())
    });

    // Another notice may come on top; the chooser picks the one of this pool.
    screen.choose("Acknowledge (Allocation latency budget burn: edge-us");
    window.says(&format!("You acknowledged alert {id}."));
    let after = asker.get(&path);
    assert_eq!((after["state"].as_str(), after["ack"]["by"].as_str()), (Some("acknowledged"), Some("Dana Okafor")));
    window.says(&format!("TakeBack({id})"));

    // The other answer leads to the alert's page.
    asker.late_claims("query-eu");
    window.says("Allocation latency budget burn: query-eu");
    let open = asker.get("/api/v1/alerts?state=open&lane=page&pool=query-eu");
    let other = open["alerts"][0]["id"].as_i64().unwrap();
    screen.choose("Open (Allocation latency budget burn: query-eu");
    window.says(&format!("shows {url}/alerts/{other}"));
    screen.picture("alert");

    // While the window waits for its person in a dialog, notices come and are answered all the same.
    window.press("ctrl+p");
    until("the dialog for printing", || (!printing(&screen).is_empty()).then_some(()));
    asker.late_claims("ingress-eu");
    let third = until("a third page is open", || {
        let open = asker.get("/api/v1/alerts?state=open&lane=page&pool=ingress-eu");
        let mut all = open["alerts"].as_array()?.iter();
        all.find(|alert| alert["title"] == "Allocation latency budget burn").and_then(|alert| alert["id"].as_i64())
    });
    let path = format!("/api/v1/alerts/{third}");
    until("a notice is answered beside the dialog", || {
        screen.choose("Acknowledge (Allocation latency budget burn: ingress-eu");
        (asker.get(&path)["state"] == "acknowledged").then_some(())
    });
    let dialog = printing(&screen);
    assert!(!dialog.is_empty(), "the dialog stayed open");
    screen.hands(&["windowfocus", "--sync", &dialog, "key", "Escape"]);
    window.says(&format!("You acknowledged alert {third}."));

    // A second start hands its link over and ends; what is no link is refused with a sentence.
    let told = start_once(&screen, &[&format!("headroom://alerts/{id}")]);
    assert!(told.status.success(), "{told:?}");
    window.says(&format!("shows {url}/alerts/{id}"));
    for wrong in ["headroom://alerts/../login", "headroom://alerts/x", "headroom:///etc/passwd"] {
        let refused = start_once(&screen, &[wrong]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("expected headroom://alerts/NUMBER"), "{wrong}: {said}");
    }

    window.press("ctrl+q");
    assert!(window.ends().success());
    assert_eq!(screen.processes("data"), Vec::<String>::new(), "quitting leaves nobody behind");
}

#[test]
fn ones_own_data_survives_a_kill() {
    let Some(screen) = screen() else { return };
    // As a new user starts it: without a word.
    let mut window = App::start(&screen, &[]);
    let url = address(&window.says("server listens on"));
    window.says(&format!("shows {url}/overview"));
    let key = screen.folder().join("data/own.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600, "the key is this person's alone");
    screen.drawn("own");

    // Zoom, size and place are remembered; printing asks.
    let number = window.window();
    window.press("ctrl+plus");
    window.says("zoom 1.10");
    window.press("ctrl+p");
    until("the dialog for printing", || (!printing(&screen).is_empty()).then(|| screen.picture("printing")));
    // It stays open: an end that was asked for waits for no dialog.
    screen.hands(&["windowmove", "--sync", &number, "150", "90", "windowsize", "--sync", &number, "1000", "700"]);
    until("the window is as wanted", || {
        let geometry = screen.hands(&["getwindowgeometry", "--shell", &number]);
        (geometry.contains("WIDTH=1000") && geometry.contains("X=150")).then_some(())
    });
    assert!(window.terminate().success(), "asked to end, it ends in order");
    assert_eq!(screen.processes("data"), Vec::<String>::new(), "ending leaves nobody behind");

    let mut window = App::start(&screen, &[]);
    let url = address(&window.says("server listens on"));
    window.says(&format!("shows {url}/overview"));
    let number = window.window();
    until("the window is where it was", || {
        let geometry = screen.hands(&["getwindowgeometry", "--shell", &number]);
        ["X=150", "Y=90", "WIDTH=1000", "HEIGHT=700"].iter().all(|part| geometry.contains(part)).then_some(())
    });
    window.press("ctrl+plus");
    window.says("zoom 1.25");

    // Killed in its tracks it takes its server along, and PostgreSQL writes what it has.
    let server = screen.processes("data");
    assert!(server.len() >= 2, "{server:?}");
    window.kill();
    nobody_is_left(&screen, "data");
    let mut window = App::start(&screen, &[]);
    let url = address(&window.says("server listens on"));
    window.says(&format!("shows {url}/overview"));

    // The server killed alone: a page says so, and starts it again.
    let running = screen.processes("data");
    let serve = running.iter().find(|process| process.contains(" serve ")).unwrap();
    let id: i32 = serve.split_once(' ').unwrap().0.parse().unwrap();
    assert_ne!(id, window.id().cast_signed());
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGKILL).unwrap();
    window.is_titled("Headroom stopped");
    screen.picture("stopped");
    window.press("Tab");
    window.press("Return");
    let url = address(&window.says("server listens on"));
    window.says(&format!("shows {url}/overview"));

    // Away and back at once: the next server waits for the end of the last, and the window for neither.
    let site = Site::start();
    for wish in [["--address", &site.url].as_slice(), &["--here"]] {
        assert!(start_once(&screen, wish).status.success(), "{wish:?}");
    }
    let url = address(&window.says("server listens on"));
    window.says(&format!("shows {url}/overview"));

    // Started while it ends, another one waits for its place instead of being told for nothing.
    window.press("ctrl+q");
    window.says("it ends");
    let mut again = App::start(&screen, &[]);
    assert!(window.ends().success());
    let url = address(&again.says("server listens on"));
    again.says(&format!("shows {url}/overview"));
    assert!(again.terminate().success());
    nobody_is_left(&screen, "data");
}

#[test]
fn a_server_elsewhere_is_remembered_with_its_sign_in() {
    let Some(screen) = screen() else { return };
    let screen = screen.with_secrets();
    let remote = Remote::start(&screen, "127.0.0.1:0", &[]);
    let (url, listen) = (remote.url.clone(), remote.url.trim_start_matches("http://").to_owned());
    let mut person = vec![("code", remote.code.as_deref().unwrap())];
    person.extend(PERSON);
    drop(Asker::post(&url, "/setup", &person));
    screen.write("remote.set-up", "");

    let mut window = App::start(&screen, &["--address", &url]);
    window.says(&format!("shows {url}/login"));
    window.is_titled("Sign in");
    // The page's first field has the focus, as in any browser.
    screen.drawn("sign-in");
    window.types(PERSON[1].1);
    window.press("Tab");
    window.types(PERSON[2].1);
    screen.picture("typed");
    window.press("Return");
    window.says(&format!("shows {url}/overview"));
    until("the sign-in is kept", || screen.secret("org.headroom.desktop"));
    window.press("ctrl+q");
    assert!(window.ends().success());

    // Neither address nor password is asked for again.
    let mut window = App::start(&screen, &[]);
    window.says("a sign-in was kept");
    window.says(&format!("shows {url}/overview"));

    // The server restarts: a page says that it is away and finds it again by itself.
    remote.stop();
    window.press("F5");
    window.is_titled("Headroom cannot be reached");
    screen.picture("unreachable");
    let remote = Remote::start(&screen, &listen, &[]);
    window.is_titled("overview");
    window.says(&format!("shows {url}/overview"));
    assert!(window.terminate().success());
    // A window elsewhere has no server inside.
    assert!(!screen.folder().join("data").exists());
    drop(remote);
    nobody_is_left(&screen, "remote");
}

#[test]
fn a_bad_certificate_is_refused_with_a_sentence() {
    let Some(screen) = screen() else { return };
    let (certificate, key) = certificate(screen.folder());
    let remote = Remote::start(&screen, "127.0.0.1:0", &["--tls-cert", &certificate, "--tls-key", &key]);
    let url = remote.url.replace("127.0.0.1", "localhost");
    let mut window = App::start(&screen, &["--address", &url]);
    // Without a store of secrets somebody signs in again at each start, and is told so.
    window.says("Sign-ins are not kept on this computer");
    window.is_titled("The connection is not safe");
    screen.drawn("certificate");
    assert!(!window.has_said("shows https://localhost/login"), "nothing of the server is shown");
    // What would be sent in the clear is refused before anything is opened.
    let refused = start_once(&screen, &["--address", "http://headroom.example.org"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("is not encrypted"), "{said}");
    assert!(window.terminate().success());
    drop(remote);
    nobody_is_left(&screen, "remote");
}

#[test]
fn links_lead_where_they_should() {
    let Some(screen) = screen() else { return };
    let site = Site::start();
    // The system's browser writes down where it was sent.
    let browser = screen.write("browser", "#!/bin/sh\necho \"$1\" >> \"$(dirname \"$0\")/opened\"\n");
    fs::set_permissions(&browser, fs::Permissions::from_mode(0o755)).unwrap();
    let entry = format!(
        "[Desktop Entry]\nType=Application\nName=Browser\nExec={} %u\nMimeType=x-scheme-handler/https;\n",
        browser.display()
    );
    screen.write("home/.local/share/applications/browser.desktop", &entry);
    screen.write("home/.config/mimeapps.list", "[Default Applications]\nx-scheme-handler/https=browser.desktop\n");

    let mut window = App::start(&screen, &["--address", &site.url]);
    window.is_titled("One");
    window.clicks(500, 500);
    let opened = screen.folder().join("opened");
    until("the browser opens what is elsewhere", || {
        fs::read_to_string(&opened).ok().filter(|text| text.contains("https://elsewhere.example/runbook"))
    });
    window.is_titled("One");

    // A file is saved where a person says; the server has no say in which folder.
    start_once(&screen, &["headroom://alerts/2"]);
    window.is_titled("Two");
    window.clicks(500, 500);
    let dialog = until("the dialog for saving", || {
        Some(screen.hands(&["search", "--onlyvisible", "--name", "Save the file"])).filter(|found| !found.is_empty())
    });
    screen.picture("saving");
    let wanted = screen.folder().join("home/saved.csv");
    screen.hands(&["windowfocus", "--sync", &dialog, "key", "ctrl+a"]);
    screen.hands(&["type", "--delay", "20", &wanted.display().to_string()]);
    screen.picture("saving-as");
    screen.hands(&["key", "Return"]);
    window.says("Saved as");
    assert_eq!(fs::read_to_string(&wanted).unwrap(), "pool,slots\nci,10\n");

    // What only pages of our own may ask does nothing here, and no program is started for strange links.
    start_once(&screen, &["headroom://alerts/3"]);
    window.is_titled("Three");
    window.clicks(500, 500);
    start_once(&screen, &["headroom://alerts/4"]);
    window.is_titled("Four");
    window.clicks(500, 500);
    // A page that wants a window of its own gets this one.
    window.is_titled("Five");
    window.clicks(500, 500);
    start_once(&screen, &["headroom://alerts/2"]);
    window.is_titled("Two");
    assert!(site.was_asked("/five"));
    assert_eq!(fs::read_to_string(&opened).unwrap().lines().count(), 1, "nothing else went to the system");

    // What draws the page ends: once it is drawn again, then a page says so, from which one goes on.
    window.says(&format!("shows {}/alerts/2", site.url));
    window.stop_drawing();
    window.says(&format!("shows {}/alerts/2", site.url));
    window.stop_drawing();
    window.is_titled("This page cannot be drawn");
    screen.picture("broken");
    window.press("Tab");
    window.press("Return");
    window.is_titled("Two");
    assert!(window.terminate().success());
}

#[test]
fn notices_follow_the_pages_the_person_and_the_service() {
    let Some(screen) = screen() else { return };
    let site = Site::start();
    let shown =
        |count: usize| until(&format!("{count} notices are shown"), || (screen.notices() == count).then_some(()));
    let before = Other::start(screen.bus()).notice("Before");
    site.pages([7]);
    // Somebody is signed in.
    let mut window = App::start(&screen, &["--address", &site.url, "headroom://alerts/6"]);
    window.says(&format!("shows {}/alerts/6", site.url));
    shown(2);

    // Another service counts its notices anew: what somebody chooses on another program's is no answer to ours.
    screen.other_notifications();
    let other = Other::start(screen.bus());
    assert_eq!(other.notice("Before"), before);
    let foreign = other.notice("Foreign");
    assert_eq!(foreign, before + 1, "the number that ours had");
    screen.choose("Acknowledge (Foreign");
    until("the other program is answered", || other.is_answered(foreign).then_some(()));
    screen.dunst(&["close-all"]).unwrap();
    shown(0);
    site.pages([7, 8]);
    shown(1);
    screen.choose("Acknowledge (Saturated: pool-8");
    window.says("You acknowledged alert 8.");
    assert!(site.was_asked("/api/v1/alerts/8/ack") && !site.was_asked("/api/v1/alerts/7/ack"));

    // Many at once are one notice, which goes when somebody has them all; another program's stays.
    site.pages([]);
    shown(0);
    other.notice("Foreign");
    site.pages(10..16);
    shown(2);
    window.is_titled("(6)");
    screen.picture("many");

    // A dialog that waits for its person keeps nothing back.
    window.press("ctrl+p");
    let dialog = until("the dialog for printing", || Some(printing(&screen)).filter(|found| !found.is_empty()));
    site.pages(10..17);
    shown(3);
    window.is_titled("(7)");
    assert_eq!(printing(&screen), dialog, "it is still open");
    screen.hands(&["windowfocus", "--sync", &dialog, "key", "Escape"]);
    until("the dialog is gone", || printing(&screen).is_empty().then_some(()));

    site.pages([15]);
    window.is_titled("(1)");
    shown(2);
    site.pages([]);
    shown(1);

    // A session that ends by itself must not look like a quiet night.
    site.pages([20]);
    shown(2);
    site.ends_sessions();
    window.says("Sign in again to be told of pages");
    window.is_titled("(?)");
    shown(2);
    screen.picture("signed-out");
    screen.choose("Open (You are not told of pages");
    window.says(&format!("shows {}/login", site.url));
    site.pages([20]);
    start_once(&screen, &["headroom://alerts/9"]);
    window.says("You are told of pages again");
    window.is_titled("(1)");
    shown(2);

    // Who signs out is told nothing any more.
    start_once(&screen, &["headroom://alerts/8"]);
    window.says(&format!("shows {}/alerts/8", site.url));
    shown(1);
    window.is_titled("Eight");
    until("the title counts nothing", || (!window.title().contains('(')).then_some(()));
    assert!(window.terminate().success());
}

#[test]
fn servers_on_one_host_learn_nothing_of_each_other() {
    let Some(screen) = screen() else { return };
    // Cookies tell hosts apart, but not their ports.
    let (one, other) = (Site::start(), Site::start());
    let mut window = App::start(&screen, &["--address", &one.url, "headroom://alerts/6"]);
    window.says(&format!("shows {}/alerts/6", one.url));
    start_once(&screen, &["headroom://alerts/4"]);
    window.says(&format!("shows {}/alerts/4", one.url));
    let kept = one.cookies("/alerts/4").concat();
    assert!(
        kept.contains("headroom=of-another-port") && kept.contains("theme=dark"),
        "a server's own come back: {kept}"
    );

    start_once(&screen, &["--address", &other.url, "headroom://alerts/4"]);
    window.says(&format!("shows {}/alerts/4", other.url));
    start_once(&screen, &["headroom://alerts/3"]);
    window.says(&format!("shows {}/alerts/3", other.url));
    let learnt = [other.cookies("/"), other.cookies("/alerts/4"), other.cookies("/alerts/3")].concat();
    assert!(learnt.len() >= 2 && learnt.iter().all(String::is_empty), "{learnt:?}");
    let asked = other.cookies("/api/v1/alerts?state=open&lane=page&limit=1000");
    assert_eq!(asked, Vec::<String>::new(), "nobody is signed in there");

    // Back by typing the address: without a store of secrets nothing of the first visit is left.
    window.press("ctrl+o");
    let dialog = until("the question for an address", || {
        Some(screen.hands(&["search", "--onlyvisible", "--name", "Open a Headroom"])).filter(|found| !found.is_empty())
    });
    screen.hands(&["windowfocus", "--sync", &dialog, "type", "--delay", "20", &one.url]);
    screen.picture("address");
    screen.hands(&["key", "Return"]);
    window.says(&format!("shows {}/", one.url));
    window.is_titled("One");
    assert_eq!(one.cookies("/"), [""], "a first visit once more");
    assert!(window.terminate().success());
}

/// What `cargo xtask desktop --package --install` asks of the installed package; by itself nothing is installed.
#[test]
#[ignore = "needs the package to be installed"]
fn installed() {
    // Asked for by name: nothing is passed over.
    assert_eq!(screen::missing(), None, "the installed package is started on a desktop of the test's own");
    let screen = Screen::start();
    for world in ["first", "second"] {
        let started = Instant::now();
        let mut window = App::start(&screen, &["--here"]);
        window.window();
        let opened = started.elapsed();
        let url = address(&window.says("server listens on"));
        window.says(&format!("shows {url}/overview"));
        let shown = started.elapsed();
        println!(
            "{world} start: window after {:.2} s, overview after {:.2} s",
            opened.as_secs_f64(),
            shown.as_secs_f64()
        );
        assert!(window.terminate().success());
        nobody_is_left(&screen, "data");
    }
}
