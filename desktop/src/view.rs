//! The web view: what of wry and WebKitGTK the window uses.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use gtk::gio;
use gtk::gio::prelude::*;
use gtk::glib;
use gtk::prelude::*;
use tao::event_loop::EventLoopProxy;
use webkit2gtk::{
    DownloadExt as _, NavigationPolicyDecision, NavigationPolicyDecisionExt, NetworkError, PolicyDecision,
    PolicyDecisionExt as _, PolicyDecisionType, PolicyError, PrintOperation, PrintOperationExt as _,
    ResponsePolicyDecision, ResponsePolicyDecisionExt as _, TLSErrorsPolicy, URIRequestExt as _, URIResponseExt as _,
    WebContextExt as _, WebViewExt as _, WebsiteDataManagerExt as _,
};
use wry::{PageLoadEvent, WebViewBuilder, WebViewBuilderExtUnix as _, WebViewExtUnix as _};

use crate::address::{Address, for_the_system};
use crate::event::Event;
use crate::pages;
use crate::session::Session;
use crate::way::{Around, Way};

/// What draws a page may end once in this time without that somebody hears of it.
const DRAWS: Duration = Duration::from_secs(10);

/// The web view in its window.
pub(crate) struct View {
    web: wry::WebView,
    around: Rc<RefCell<Around>>,
    window: gtk::ApplicationWindow,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("around", &self.around).finish_non_exhaustive()
    }
}

impl View {
    /// Puts a web view into the box. Nothing of it is kept on disk: who is signed in is the secret store's to keep. Each has cookies and
    /// pages of its own, so that a server learns nothing of another: cookies tell hosts apart, but not their ports.
    pub(crate) fn new(
        into: &gtk::Box,
        window: &gtk::ApplicationWindow,
        events: &EventLoopProxy<Event>,
    ) -> Result<Self> {
        let (titles, loads) = (events.clone(), events.clone());
        // A send fails only after the loop has ended, and then nobody is left to tell.
        let is_asking = Rc::new(Cell::new(false));
        let (asking, over) = (Rc::clone(&is_asking), window.clone());
        let web = WebViewBuilder::new()
            .with_incognito(true)
            .with_html(pages::starting("One moment."))
            .with_document_title_changed_handler(move |title| drop(titles.send_event(Event::Titled(title))))
            .with_on_page_load_handler(move |event, url| {
                if matches!(event, PageLoadEvent::Finished) {
                    let _ = loads.send_event(Event::Loaded(url));
                }
            })
            .with_download_started_handler(move |_, path| ask_where(&over, path, &asking))
            .build_gtk(into)
            .context("cannot make a web view")?;
        let view = Self { web, around: Rc::default(), window: window.clone() };
        view.decide(events, is_asking);
        view.tell_failures();
        view.save_downloads(events)?;
        Ok(view)
    }

    fn webkit(&self) -> webkit2gtk::WebView {
        self.web.webview()
    }

    /// Says which server is shown from now on.
    pub(crate) fn show(&self, address: Option<Address>) {
        *self.around.borrow_mut() = Around::of(address);
    }

    /// Goes to a page.
    pub(crate) fn load(&self, url: &str) {
        self.webkit().load_uri(url);
    }

    /// Shows a page of our own.
    pub(crate) fn load_own(&self, html: &str) {
        self.webkit().load_html(html, None);
    }

    /// The page that is shown.
    pub(crate) fn url(&self) -> String {
        self.webkit().uri().map(|uri| uri.to_string()).unwrap_or_default()
    }

    /// Loads the page anew, past what is stored of it.
    pub(crate) fn reload(&self) {
        self.webkit().reload_bypass_cache();
    }

    /// Goes back by one page.
    pub(crate) fn back(&self) {
        self.webkit().go_back();
    }

    /// Goes forward by one page.
    pub(crate) fn forward(&self) {
        self.webkit().go_forward();
    }

    /// Sets how large everything is.
    pub(crate) fn zoom(&self, zoom: f64) {
        self.webkit().set_zoom_level(zoom);
    }

    /// Opens the system's dialog for printing.
    pub(crate) fn print(&self) {
        PrintOperation::new(&self.webkit()).run_dialog(Some(&self.window));
    }

    /// Gives the web view a session.
    pub(crate) fn sign_in(&self, address: &Address, session: &Session) -> Result<()> {
        self.web.set_cookie(&session.cookie(address)).context("the web view takes no cookie")
    }

    /// The session that the web view has.
    pub(crate) fn session(&self, address: &Address) -> Option<Session> {
        let cookies = self.web.cookies_for_url(address.as_str()).ok()?;
        Session::among(cookies.iter().map(|cookie| (cookie.name(), cookie.value())))
    }

    /// `is_asking` while somebody is asked where to save a file: a second file does not come then.
    fn decide(&self, events: &EventLoopProxy<Event>, is_asking: Rc<Cell<bool>>) {
        let (around, events) = (Rc::clone(&self.around), events.clone());
        self.webkit().connect_decide_policy(move |web, decision, kind| match kind {
            PolicyDecisionType::NavigationAction | PolicyDecisionType::NewWindowAction => {
                navigate(web, decision, kind, &mut around.borrow_mut(), &events);
                true
            }
            PolicyDecisionType::Response => respond(decision, is_asking.get()),
            _ => false,
        });
    }

    /// Failures get a page with a sentence and a way on, at the address that failed.
    fn tell_failures(&self) {
        if let Some(manager) = self.webkit().website_data_manager() {
            manager.set_tls_errors_policy(TLSErrorsPolicy::Fail);
        }
        let around = Rc::clone(&self.around);
        self.webkit().connect_load_failed(move |web, _, url, error| {
            // A click that went elsewhere, or that another click overtook.
            let is_none = error.matches(NetworkError::Cancelled)
                || error.matches(PolicyError::FrameLoadInterruptedByPolicyChange);
            if !is_none && let Some(address) = &around.borrow().address {
                web.load_alternate_html(&pages::unreachable(address, url, error.message()), url, None);
            }
            true
        });
        let around = Rc::clone(&self.around);
        self.webkit().connect_load_failed_with_tls_errors(move |web, url, _, errors| {
            if let Some(address) = &around.borrow().address {
                web.load_alternate_html(&pages::untrusted(address, url, &faults(errors)), url, None);
            }
            true
        });
        let ended_at = Cell::new(None::<Instant>);
        self.webkit().connect_web_process_terminated(move |web, _| {
            let before = ended_at.replace(Some(Instant::now()));
            if before.is_none_or(|at| at.elapsed() >= DRAWS) {
                return web.reload();
            }
            let url = web.uri().unwrap_or_default();
            web.load_alternate_html(&pages::broken(&url), &url, None);
        });
    }

    /// What becomes of a download is told.
    fn save_downloads(&self, events: &EventLoopProxy<Event>) -> Result<()> {
        let context = self.webkit().context().context("the web view has no context")?;
        let events = events.clone();
        context.connect_download_started(move |_, download| {
            // Whoever chose a file that is there was asked whether it may go.
            download.set_allow_overwrite(true);
            let finished = events.clone();
            download.connect_finished(move |download| {
                let Some(destination) = download.destination() else { return };
                let _ = finished.send_event(Event::Sentence(format!("Saved as {destination}.")));
            });
            let failed = events.clone();
            download.connect_failed(move |_, error| {
                if !error.matches(webkit2gtk::DownloadError::CancelledByUser) {
                    let _ = failed.send_event(Event::Sentence(format!("Not saved: {}.", error.message())));
                }
            });
        });
        Ok(())
    }
}

/// Asks with the system's dialog where a file is to go; false if nowhere, or if that is being asked of another file.
fn ask_where(window: &gtk::ApplicationWindow, path: &mut PathBuf, is_asking: &Cell<bool>) -> bool {
    if is_asking.replace(true) {
        return false;
    }
    let dialog = gtk::FileChooserNative::new(
        Some("Save the file"),
        Some(window),
        gtk::FileChooserAction::Save,
        Some("Save"),
        Some("Cancel"),
    );
    dialog.set_do_overwrite_confirmation(true);
    // The name comes from outside: only its last part, so that it names no folder.
    let name = path.file_name().map_or_else(|| "download".into(), |name| name.to_string_lossy());
    dialog.set_current_name(&name);
    if let Some(folder) = dirs::download_dir().or_else(dirs::home_dir).filter(|folder| folder.is_dir()) {
        dialog.set_current_folder(folder);
    }
    let answer = dialog.run();
    is_asking.set(false);
    let chosen = dialog.filename().filter(|_| answer == gtk::ResponseType::Accept);
    dialog.destroy();
    let Some(chosen) = chosen else { return false };
    *path = chosen;
    true
}

fn navigate(
    web: &webkit2gtk::WebView,
    decision: &PolicyDecision,
    kind: PolicyDecisionType,
    around: &mut Around,
    events: &EventLoopProxy<Event>,
) {
    let action =
        decision.downcast_ref::<NavigationPolicyDecision>().and_then(NavigationPolicyDecisionExt::navigation_action);
    let Some(action) = action else { return decision.ignore() };
    let target = action.request().and_then(|request| request.uri()).map(|uri| uri.to_string()).unwrap_or_default();
    let from = web.uri().map(|uri| uri.to_string()).unwrap_or_default();
    // A script can click on links too.
    let is_wanted = action.is_user_gesture();
    match around.decide(&from, &target, is_wanted) {
        // Pages that ask for a window of their own get this one.
        Way::Here if kind == PolicyDecisionType::NewWindowAction => {
            decision.ignore();
            web.load_uri(&target);
        }
        Way::Here => decision.use_(),
        Way::System => {
            decision.ignore();
            let Some(target) = for_the_system(&target) else { return };
            if let Err(error) = gio::AppInfo::launch_default_for_uri(&target, None::<&gio::AppLaunchContext>) {
                let _ = events.send_event(Event::Sentence(format!("No program opens {target}: {}.", error.message())));
            }
        }
        Way::Nowhere => decision.ignore(),
        Way::Again => {
            decision.ignore();
            let _ = events.send_event(Event::Again);
        }
    }
}

/// What a page does not show is saved, and so is what the server says is a file.
fn respond(decision: &PolicyDecision, is_asking: bool) -> bool {
    let Some(response) = decision.downcast_ref::<ResponsePolicyDecision>() else { return false };
    let disposition =
        response.response().and_then(|answer| answer.http_headers()).and_then(|all| all.one("Content-Disposition"));
    let is_file = disposition.is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("attachment"));
    if !is_file && response.is_mime_type_supported() {
        return false;
    }
    if is_asking {
        decision.ignore();
    } else {
        decision.download();
    }
    true
}

/// What is wrong with a certificate, in words.
fn faults(errors: gio::TlsCertificateFlags) -> Vec<&'static str> {
    let words = [
        (gio::TlsCertificateFlags::UNKNOWN_CA, "nobody whom this computer trusts made its certificate"),
        (gio::TlsCertificateFlags::BAD_IDENTITY, "its certificate is for another name"),
        (gio::TlsCertificateFlags::NOT_ACTIVATED, "its certificate is not valid yet"),
        (gio::TlsCertificateFlags::EXPIRED, "its certificate has run out"),
        (gio::TlsCertificateFlags::REVOKED, "its certificate was revoked"),
        (gio::TlsCertificateFlags::INSECURE, "its certificate uses what is known to be unsafe"),
    ];
    let found: Vec<&str> =
        words.into_iter().filter(|(flag, _)| errors.contains(*flag)).map(|(_, words)| words).collect();
    if found.is_empty() { vec!["its certificate cannot be used"] } else { found }
}

/// Keeps `glib` in sight of the macros of signals.
pub(crate) type Propagation = glib::Propagation;
