//! The window: one server at a time, from opening to the orderly end.

use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use gtk::prelude::*;
use tao::dpi::{PhysicalPosition, PhysicalSize};
use tao::event::{Event as Told, WindowEvent};
use tao::event_loop::{ControlFlow, EventLoop, EventLoopBuilder, EventLoopProxy, EventLoopWindowTarget};
use tao::platform::run_return::EventLoopExtRunReturn as _;
use tao::platform::unix::WindowExtUnix as _;
use tao::window::{Window, WindowBuilder};
use tokio::sync::mpsc::UnboundedSender;

use crate::address::Address;
use crate::api::client;
use crate::chrome::{self, Chrome};
use crate::desk::{self, Back, Tell};
use crate::event::{Command, Event};
use crate::folders::Folders;
use crate::instance::{First, Wish};
use crate::pages;
use crate::place::{self, Place, Rectangle};
use crate::profiles::{Profile, Profiles};
use crate::secrets::{self, Ask, Kept};
use crate::server::{self, Said, Server, World};
use crate::session::Session;
use crate::sign_in;
use crate::title::{Count, Title};
use crate::tray::Choice;
use crate::view::View;
use crate::watch::{DEAF_AFTER, Deaf, News, Watcher};
use crate::way;
use crate::{Options, link};

/// So long a page may take to close its connections.
const LET_GO: Duration = Duration::from_millis(300);
/// A store of secrets is waited for so long before the server's own page for signing in is shown.
const STORE_PATIENCE: Duration = Duration::from_secs(5);
/// The server inside is not signed in at again sooner: whatever ended the last session would end the next.
const SIGN_IN_AGAIN: Duration = Duration::from_secs(30);

/// Opens the window and stays until it is closed.
pub(crate) fn run(options: Options, folders: Folders, first: &First, wish: Wish) -> Result<()> {
    // Without one the loop's maker panics.
    gtk::init().context("there is no display")?;
    let mut events: EventLoop<Event> = EventLoopBuilder::with_user_event().build();
    let mut app = App::new(options, folders, &events, events.create_proxy())?;
    let wishes = events.create_proxy();
    first.listen(move |wish| drop(wishes.send_event(Event::Asked(wish))))?;
    end_on_signals(&events.create_proxy());
    app.begin(wish);
    events.run_return(|event, _, flow| {
        *flow = ControlFlow::Wait;
        match event {
            Told::WindowEvent { event: WindowEvent::CloseRequested, .. }
            | Told::UserEvent(Event::Command(Command::Quit) | Event::Back(Back::Choice(Choice::Quit))) => {
                *flow = ControlFlow::Exit;
            }
            Told::WindowEvent { event: WindowEvent::Resized(_) | WindowEvent::Moved(_), .. } => app.placed(),
            Told::UserEvent(event) => app.take(event),
            _ => {}
        }
    });
    first.ends();
    app.end()
}

/// Asked to end, as at the end of a desktop's session, everything ends in order too.
fn end_on_signals(events: &EventLoopProxy<Event>) {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let events = events.clone();
        gtk::glib::unix_signal_add_local(signal, move || {
            // A dialog that is open has a loop of its own, which would keep ours from the end.
            for dialog in gtk::Window::list_toplevels().into_iter().filter_map(|top| top.downcast::<gtk::Dialog>().ok())
            {
                dialog.response(gtk::ResponseType::Cancel);
            }
            let _ = events.send_event(Event::Command(Command::Quit));
            gtk::glib::ControlFlow::Continue
        });
    }
}

/// Everything that is open.
struct App {
    options: Options,
    folders: Folders,
    profiles: Profiles,
    window: Rc<Window>,
    title: Rc<Title>,
    counts: UnboundedSender<Count>,
    view: View,
    chrome: Chrome,
    events: EventLoopProxy<Event>,
    desk: Sender<Tell>,
    secrets: Sender<Ask>,
    place: Place,
    started: Instant,
    /// What is shown.
    profile: Profile,
    /// Its number: what threads tell of an earlier one is dropped.
    run: u64,
    server: Option<Server>,
    /// Servers that are on their way out.
    ending: Vec<JoinHandle<()>>,
    address: Option<Address>,
    session: Option<Session>,
    watcher: Option<Watcher>,
    /// Where to go as soon as there is a server.
    wanted: Option<String>,
    signed_in_at: Option<Instant>,
    /// The server inside knows its person no more.
    is_signed_out: bool,
}

fn window(place: &Place, target: &EventLoopWindowTarget<Event>) -> Result<Window> {
    let size = PhysicalSize::new(place.window.width, place.window.height);
    let builder = WindowBuilder::new()
        .with_title("Headroom")
        .with_inner_size(size)
        .with_min_inner_size(PhysicalSize::new(place::SMALLEST.0, place::SMALLEST.1))
        .with_maximized(place.maximized);
    let window = builder.build(target).context("cannot open a window")?;
    let screens: Vec<Rectangle> = window
        .available_monitors()
        .map(|monitor| Rectangle {
            x: monitor.position().x,
            y: monitor.position().y,
            width: monitor.size().width,
            height: monitor.size().height,
        })
        .collect();
    if place.is_on(&screens) {
        window.set_outer_position(PhysicalPosition::new(place.window.x, place.window.y));
    }
    window.gtk_window().set_icon_name(Some("headroom"));
    Ok(window)
}

impl App {
    fn new(
        options: Options,
        folders: Folders,
        target: &EventLoopWindowTarget<Event>,
        events: EventLoopProxy<Event>,
    ) -> Result<Self> {
        let started = Instant::now();
        let profiles = Profiles::read(&folders.profiles())?;
        let place = Place::read(&folders.place());
        let window = Rc::new(window(&place, target)?);
        let (title, counts) = Title::new(Rc::clone(&window));
        let gtk_window = window.gtk_window().clone();
        let vbox = window.default_vbox().context("the window has no box")?;
        let chrome = Chrome::new(vbox, &events);
        let view = View::new(vbox, &gtk_window, &events)?;
        view.zoom(place.zoom);
        chrome::take_keys(&gtk_window, &events);
        let back = events.clone();
        let desk = desk::start(move |told| drop(back.send_event(Event::Back(told))))?;
        let kept = events.clone();
        let secrets = secrets::start(move |told| drop(kept.send_event(Event::Kept(told))))?;
        Ok(Self {
            options,
            folders,
            profiles,
            window,
            title,
            counts,
            view,
            chrome,
            events,
            desk,
            secrets,
            place,
            started,
            profile: Profile::Here,
            run: 0,
            server: None,
            ending: Vec::new(),
            address: None,
            session: None,
            watcher: None,
            wanted: None,
            signed_in_at: None,
            is_signed_out: false,
        })
    }

    /// Says on standard output what happens, if that was asked for.
    fn note(&self, text: &str) {
        if self.options.verbose {
            println!("{:.2} s: {text}", self.started.elapsed().as_secs_f64());
        }
    }

    fn say(&self, sentence: &str) {
        self.note(sentence);
        self.chrome.say(sentence);
    }

    // ---- what is shown -------------------------------------------------------------------------------------------------

    fn begin(&mut self, wish: Wish) {
        let shown = match self.wished(&wish) {
            Ok(profile) => profile.unwrap_or_else(|| self.profiles.last()),
            Err(error) => {
                self.say(&format!("{error:#}."));
                self.profiles.last()
            }
        };
        self.show(shown);
        self.wanted = wish.link.as_deref().and_then(|link| link::path(link).ok());
    }

    /// What a start asks to be shown, if it asks for anything.
    fn wished(&mut self, wish: &Wish) -> Result<Option<Profile>> {
        if let Some(address) = &wish.address {
            return self.profiles.at(Address::parse(address)?, wish.profile.as_deref()).map(Some);
        }
        let Some(name) = &wish.profile else { return Ok(None) };
        let found = self.profiles.named(name);
        found.map(Some).with_context(|| format!("nothing is called {name:?} here; give its address with --address"))
    }

    /// A second start wants something.
    fn asked(&mut self, wish: &Wish) {
        self.present();
        match self.wished(wish) {
            Ok(Some(profile)) if profile != self.profile => self.show(profile),
            Ok(_) => {}
            Err(error) => self.say(&format!("{error:#}.")),
        }
        match wish.link.as_deref().map(link::path) {
            Some(Ok(path)) => self.go(path),
            Some(Err(error)) => self.say(&format!("{error:#}.")),
            None => {}
        }
    }

    fn present(&self) {
        self.window.set_minimized(false);
        self.window.gtk_window().present();
    }

    /// Goes to a path of the server, now or as soon as there is one.
    fn go(&mut self, path: String) {
        match &self.address {
            // Whoever is not signed in is asked to by the server, and led on.
            Some(address) if self.watcher.is_some() => self.view.load(&address.at(&path)),
            _ => self.wanted = Some(path),
        }
    }

    fn show(&mut self, profile: Profile) {
        // The first has a web view already, in which nothing was shown.
        if self.run > 0
            && let Err(error) = self.new_view()
        {
            return self.say(&format!("{}: {error:#}.", profile.label()));
        }
        self.leave();
        self.session = None;
        self.signed_in_at = None;
        self.is_signed_out = false;
        self.wanted = None;
        self.profile = profile;
        if let Err(error) = self.profiles.shown(&self.profile) {
            self.say(&format!("What is shown is not remembered: {error:#}."));
        }
        self.chrome.list(&self.profiles, &self.profile);
        match self.profile.clone() {
            Profile::Remote { address, .. } => {
                self.view.show(Some(address.clone()));
                self.view.load_own(&pages::starting(&format!("Connecting to {}.", address.host())));
                self.end_server();
                self.address = Some(address.clone());
                let _ = self.secrets.send(Ask::Read(self.run, address));
                // The store may ask its person for a password first, or not answer at all.
                let (events, run) = (self.events.clone(), self.run);
                std::thread::spawn(move || {
                    std::thread::sleep(STORE_PATIENCE);
                    let _ = events.send_event(Event::StoreIsSlow(run));
                });
            }
            Profile::Here => self.start(World::Own),
            Profile::Demo => self.start(World::Demo),
        }
    }

    /// Nothing of what was shown holds any more.
    fn leave(&mut self) {
        self.run += 1;
        self.watcher = None;
        self.address = None;
        self.tell(Tell::Shown(self.run));
        self.title.shown(self.run);
    }

    /// A web view that knows nothing of what was shown; its page has let go of the server when it is there.
    fn new_view(&mut self) -> Result<()> {
        let vbox = self.window.default_vbox().context("the window has no box")?;
        let view = View::new(vbox, self.window.gtk_window(), &self.events)?;
        view.zoom(self.place.zoom);
        self.view = view;
        Ok(())
    }

    /// Notes who is signed in.
    fn signed_in(&mut self, session: Option<Session>) {
        self.session.clone_from(&session);
        self.tell(Tell::SignedIn(self.address.clone().zip(session)));
    }

    /// Goes to the server's first page, or to the one that is wanted.
    fn enter(&mut self, address: &Address, session: Option<&Session>) {
        if let Some(session) = session
            && let Err(error) = self.view.sign_in(address, session)
        {
            self.say(&format!("{error:#}."));
        }
        let path = self.wanted.take().unwrap_or_else(|| "/".to_owned());
        self.view.load(&address.at(&path));
        if let Some(watcher) = &self.watcher {
            return watcher.signed_in(session.cloned());
        }
        let (events, desk, counts, run) = (self.events.clone(), self.desk.clone(), self.counts.clone(), self.run);
        // A server inside that is gone has a page of its own, and at one that is there the window signs in by itself.
        let host = self.world().is_none().then(|| address.host());
        let started = Watcher::start(address.clone(), DEAF_AFTER, move |news| {
            // The desktop hears of it here and now: while the window waits for its person in a dialog, it takes no events.
            match &news {
                News::Pages(all, waiting) => {
                    let _ = desk.send(Tell::Pages(run, all.clone()));
                    let _ = counts.send((run, *waiting));
                }
                News::Figures(figures) => drop(desk.send(Tell::Figures(run, figures.clone()))),
                News::Deaf(why) => {
                    if let Some(host) = &host {
                        let _ = desk.send(Tell::Deaf(run, why.as_ref().map(|why| told(why, host))));
                    }
                }
            }
            let _ = events.send_event(Event::News(run, news));
        });
        match started {
            Ok(watcher) => {
                watcher.signed_in(session.cloned());
                self.watcher = Some(watcher);
            }
            Err(error) => self.say(&format!("Pages are not watched for: {error:#}.")),
        }
    }

    // ---- the server inside ---------------------------------------------------------------------------------------------

    /// Starts the server, as soon as the last one is gone.
    fn start(&mut self, world: World) {
        let what = match world {
            World::Own => "A server with a database of its own starts on this computer.",
            World::Demo => {
                "A server with a made-up world starts on this computer. At the first start its history is made, which takes a minute."
            }
        };
        self.view.show(None);
        self.view.load_own(&pages::starting(what));
        self.end_server();
        self.ending.retain(|ending| !ending.is_finished());
        if self.ending.is_empty() {
            return self.start_now(world);
        }
        // PostgreSQL's files have one server at a time, which may take its time to end: the window does not wait for it.
        let (all, events, run) = (std::mem::take(&mut self.ending), self.events.clone(), self.run);
        self.ending.push(std::thread::spawn(move || {
            for ending in all {
                let _ = ending.join();
            }
            let _ = events.send_event(Event::Free(run));
        }));
    }

    fn start_now(&mut self, world: World) {
        if let Err(error) = self.try_start(world) {
            self.view.load_own(&pages::ended(&format!("The server on this computer did not start: {error:#}."), ""));
            self.note(&format!("{error:#}"));
        }
    }

    /// The world of the server inside, if one is shown.
    fn world(&self) -> Option<World> {
        match self.profile {
            Profile::Here => Some(World::Own),
            Profile::Demo => Some(World::Demo),
            Profile::Remote { .. } => None,
        }
    }

    fn try_start(&mut self, world: World) -> Result<()> {
        let program = server::program(self.options.server.as_deref())?;
        let folder = self.folders.data();
        let (server, stdout) = Server::start(&program, world, folder, &self.options.further)?;
        self.note(&format!("server {} started", server.id()));
        self.server = Some(server);
        let (events, run) = (self.events.clone(), self.run);
        let key_file = Server::key_file(folder);
        std::thread::Builder::new().name("server".into()).spawn(move || {
            let (codes, code) = channel();
            let mut code = Some(code);
            let ready = events.clone();
            server::read(stdout, |said| match said {
                Said::Code(text) => drop(codes.send(text)),
                Said::Listens(address) => {
                    let (ready, key_file, code) = (ready.clone(), key_file.clone(), code.take());
                    // Signing in may wait for the code, which is read here.
                    std::thread::spawn(move || {
                        let session = enter(world, &address, &key_file, || {
                            let code = code.context("the server said twice that it listens")?;
                            code.recv_timeout(Duration::from_mins(1))
                                .context("the server printed no code for the first account")
                        });
                        let session = session.map_err(|error| format!("{error:#}"));
                        let _ = ready.send_event(Event::Ready { run, address, session });
                    });
                }
            });
            let _ = events.send_event(Event::Ended(run));
        })?;
        Ok(())
    }

    fn ready(&mut self, address: Address, session: Result<Session, String>) {
        self.note(&format!("server listens on {address}"));
        self.is_signed_out = session.is_err();
        let session = match session {
            Ok(session) => Some(session),
            Err(reason) => {
                self.say(&format!("You are not signed in by itself: {reason}."));
                None
            }
        };
        self.view.show(Some(address.clone()));
        self.address = Some(address.clone());
        self.signed_in_at = Some(Instant::now());
        self.signed_in(session.clone());
        self.enter(&address, session.as_ref());
    }

    /// A session of the server inside ran out; nobody knows a password, so the window signs in again.
    fn sign_in_again(&mut self) {
        let (Some(world), Some(address)) = (self.world(), self.address.clone()) else { return };
        self.is_signed_out = true;
        if let Some(wait) = self.signed_in_at.and_then(|at| SIGN_IN_AGAIN.checked_sub(at.elapsed())) {
            // Later, unless somebody signed in by then.
            let (events, run) = (self.events.clone(), self.run);
            std::thread::spawn(move || {
                std::thread::sleep(wait);
                let _ = events.send_event(Event::SignInAgain(run));
            });
            return;
        }
        self.signed_in_at = Some(Instant::now());
        self.wanted = way::wanted(&address, &self.view.url());
        let (events, run, key_file) = (self.events.clone(), self.run, Server::key_file(self.folders.data()));
        std::thread::spawn(move || {
            let no_code = || Err(anyhow::anyhow!("the server has no account any more"));
            let session = enter(world, &address, &key_file, no_code).map_err(|error| format!("{error:#}"));
            let _ = events.send_event(Event::Ready { run, address, session });
        });
    }

    fn ended(&mut self) {
        let Some(server) = self.server.take() else { return };
        let last_words = server.last_words();
        let how = server.stop().map_or_else(|error| format!("{error:#}"), |status| status.to_string());
        self.note(&format!("server ended: {how}"));
        self.leave();
        self.view.show(None);
        self.view
            .load_own(&pages::ended(&format!("The server on this computer ended by itself ({how})."), &last_words));
    }

    fn end_server(&mut self) {
        if let Some(server) = self.server.take() {
            self.ending.push(std::thread::spawn(move || drop(server.stop())));
        }
    }

    // ---- events --------------------------------------------------------------------------------------------------------

    fn take(&mut self, event: Event) {
        match event {
            Event::Loaded(url) => self.loaded(&url),
            Event::Titled(title) => self.title.page(&title),
            Event::Sentence(sentence) | Event::Kept(Kept::Missing(sentence)) | Event::Back(Back::Missing(sentence)) => {
                self.say(&sentence);
            }
            Event::Again => self.show(self.profile.clone()),
            Event::Address(text) => match Address::parse(&text).and_then(|address| self.profiles.at(address, None)) {
                Ok(profile) => self.show(profile),
                Err(error) => self.say(&format!("{error:#}.")),
            },
            Event::Name(name) => {
                if let Profile::Remote { address, .. } = self.profile.clone() {
                    match self.profiles.at(address, Some(&name)).and_then(|named| {
                        self.profiles.shown(&named)?;
                        Ok(named)
                    }) {
                        Ok(named) => self.profile = named,
                        Err(error) => self.say(&format!("{error:#}.")),
                    }
                    self.chrome.list(&self.profiles, &self.profile);
                }
            }
            Event::Command(command) => self.command(command),
            Event::Ready { run, address, session } if run == self.run => self.ready(address, session),
            Event::Free(run) if run == self.run => {
                if let Some(world) = self.world() {
                    self.start_now(world);
                }
            }
            Event::Ended(run) if run == self.run => self.ended(),
            Event::Kept(Kept::Session(run, session)) if run == self.run => {
                self.note(if session.is_some() { "a sign-in was kept" } else { "no sign-in was kept" });
                self.kept(session);
            }
            Event::StoreIsSlow(run) if run == self.run => self.kept(None),
            Event::SignInAgain(run) if run == self.run && self.is_signed_out => self.sign_in_again(),
            Event::Asked(wish) => self.asked(&wish),
            Event::News(run, news) if run == self.run => self.news(news),
            Event::Back(Back::Open(path)) => {
                self.present();
                self.go(path);
            }
            Event::Back(Back::Acknowledged(alert)) => self.say(&format!("You acknowledged alert {alert}.")),
            Event::Back(Back::Choice(Choice::Show)) => self.present(),
            // What an earlier server tells, and what ends the loop before it comes here.
            Event::Ready { .. }
            | Event::Free(_)
            | Event::Ended(_)
            | Event::Kept(_)
            | Event::StoreIsSlow(_)
            | Event::SignInAgain(_)
            | Event::News(..)
            | Event::Back(_) => {}
        }
    }

    /// The store of secrets answered, or was waited for long enough. What comes late still counts, unless somebody signed in
    /// meanwhile.
    fn kept(&mut self, session: Option<Session>) {
        let Some(address) = self.address.clone() else { return };
        let is_entered = self.watcher.is_some();
        if is_entered && (session.is_none() || self.session.is_some()) {
            return;
        }
        self.signed_in(session.clone());
        self.enter(&address, session.as_ref());
    }

    fn loaded(&mut self, url: &str) {
        self.note(&format!("shows {url}"));
        let Some(address) = self.address.clone().filter(|address| address.owns(url)) else { return };
        let session = self.view.session(&address);
        if session != self.session {
            self.signed_in(session.clone());
            if let Some(watcher) = &self.watcher {
                watcher.signed_in(session.clone());
            }
            if matches!(self.profile, Profile::Remote { .. }) {
                let _ = self.secrets.send(Ask::Keep(address.clone(), session));
            }
        }
        if way::is_refused(&address, url) {
            self.sign_in_again();
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Back => self.view.back(),
            Command::Forward => self.view.forward(),
            Command::Reload => self.view.reload(),
            Command::Print => self.view.print(),
            Command::Zoom(way) => {
                self.place.zoom = place::zoom(self.place.zoom, way);
                self.view.zoom(self.place.zoom);
                self.note(&format!("zoom {:.2}", self.place.zoom));
            }
            Command::Show(name) => {
                if let Some(profile) = self.profiles.named(&name).filter(|profile| *profile != self.profile) {
                    self.show(profile);
                }
            }
            Command::AskAddress => chrome::ask_address(self.window.gtk_window(), &self.events),
            Command::AskName => {
                if let Profile::Remote { name, .. } = &self.profile {
                    chrome::ask_name(self.window.gtk_window(), name, &self.events);
                }
            }
            Command::Forget => {
                if let Profile::Remote { name, address } = self.profile.clone() {
                    let _ = self.secrets.send(Ask::Keep(address, None));
                    if let Err(error) = self.profiles.forget(&name) {
                        self.say(&format!("{error:#}."));
                    }
                    self.show(Profile::Here);
                }
            }
            // The loop has ended by then.
            Command::Quit => {}
        }
    }

    fn news(&mut self, news: News) {
        match news {
            // The desktop and the title heard of it already.
            News::Pages(all, _) => all.iter().for_each(|one| self.note(&format!("{one:?}"))),
            News::Figures(_) => {}
            News::Deaf(why) => self.deaf(why),
        }
    }

    /// No page is heard of any more, or they are again.
    fn deaf(&mut self, why: Option<Deaf>) {
        let Some(why) = why else { return self.say("You are told of pages again.") };
        match (&why, self.world(), self.address.as_ref()) {
            (_, None, Some(address)) => {
                let (text, _) = told(&why, &address.host());
                self.say(&text);
            }
            (Deaf::SignedOut, Some(_), _) if !way::is_login(&self.view.url()) => self.sign_in_again(),
            _ => {}
        }
    }

    fn tell(&self, tell: Tell) {
        // The thread lives as long as we do.
        let _ = self.desk.send(tell);
    }

    /// Remembers where the window is, unless it fills the screen.
    fn placed(&mut self) {
        self.place.maximized = self.window.is_maximized();
        if self.place.maximized || self.window.is_minimized() {
            return;
        }
        let size = self.window.inner_size();
        self.place.window.width = size.width;
        self.place.window.height = size.height;
        if let Ok(position) = self.window.outer_position() {
            self.place.window.x = position.x;
            self.place.window.y = position.y;
            self.place.is_placed = true;
        }
    }

    /// The orderly end: the window goes at once, the server when it has written everything.
    fn end(mut self) -> Result<()> {
        self.note("it ends");
        // While a dialog was open nobody was told where the window went.
        self.placed();
        self.window.set_visible(false);
        self.leave();
        // A server waits for whoever follows its streams, so the page lets go of them first.
        self.view.show(None);
        self.view.load_own("");
        let until = Instant::now() + LET_GO;
        while Instant::now() < until {
            gtk::main_iteration_do(false);
            std::thread::sleep(Duration::from_millis(5));
        }
        let written = self.place.write(&self.folders.place());
        self.end_server();
        for ending in self.ending.drain(..) {
            let _ = ending.join();
        }
        self.note("everything ended");
        written
    }
}

/// What is said where no page is heard of, and the path where something can be done about it.
fn told(why: &Deaf, host: &str) -> (String, &'static str) {
    match why {
        Deaf::SignedOut => (format!("Your session at {host} ended. Sign in again to be told of pages."), "/login"),
        Deaf::NoAnswer(reason) => {
            (format!("{host} does not answer ({reason}). You will be told of pages when it does."), "/oncall")
        }
    }
}

/// Signs in at the server inside.
fn enter(
    world: World,
    address: &Address,
    key_file: &std::path::Path,
    code: impl FnOnce() -> Result<String>,
) -> Result<Session> {
    let client = client()?;
    match world {
        World::Demo => sign_in::demo(&client, address),
        World::Own => sign_in::local(&client, address, key_file, code),
    }
}
