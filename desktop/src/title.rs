//! The window's title and the dock's badge, which count pages that nobody has.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gtk::glib::MainContext;
use tao::platform::unix::WindowExtUnix as _;
use tao::window::{UserAttentionType, Window};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// The desktop entry whose badge it is.
const ENTRY: &str = "headroom.desktop";
/// The title before a page has one.
const NAME: &str = "Headroom";

/// How many pages wait at the server with a number, if that is known.
pub(crate) type Count = (u64, Option<usize>);

/// What the window is called.
pub(crate) struct Title {
    window: Rc<Window>,
    /// The server that is shown: counts of an earlier one are none.
    run: Cell<u64>,
    waiting: Cell<Option<usize>>,
    page: RefCell<String>,
}

impl Title {
    /// Makes one, and what other threads tell it counts by: a dialog that waits for its person keeps the window from its events, but
    /// not from these.
    pub(crate) fn new(window: Rc<Window>) -> (Rc<Self>, UnboundedSender<Count>) {
        let page = RefCell::new(NAME.to_owned());
        let title = Rc::new(Self { window, run: Cell::default(), waiting: Cell::new(Some(0)), page });
        let (sender, mut counts) = unbounded_channel();
        let counted = Rc::clone(&title);
        MainContext::default().spawn_local(async move {
            while let Some((run, waiting)) = counts.recv().await {
                if run == counted.run.get() {
                    counted.count(waiting);
                }
            }
        });
        (title, sender)
    }

    /// Another server is shown, of which nothing is known yet.
    pub(crate) fn shown(&self, run: u64) {
        self.run.set(run);
        self.count(Some(0));
    }

    /// The page is called so.
    pub(crate) fn page(&self, title: &str) {
        let title = if title.is_empty() { NAME } else { title };
        title.clone_into(&mut self.page.borrow_mut());
        self.write();
    }

    fn count(&self, waiting: Option<usize>) {
        let before = self.waiting.replace(waiting);
        let is_news = waiting != before && waiting.is_none_or(|now| now > before.unwrap_or_default());
        if is_news && !self.window.is_focused() {
            self.window.request_user_attention(Some(UserAttentionType::Informational));
        }
        let badge = waiting.and_then(|count| i64::try_from(count).ok()).filter(|count| *count > 0);
        self.window.set_badge_count(badge, Some(ENTRY.to_owned()));
        self.write();
    }

    fn write(&self) {
        self.window.set_title(&titled(self.waiting.get(), &self.page.borrow()));
    }
}

/// The title of the window: pages that nobody has come first, where a list of windows shows it.
fn titled(waiting: Option<usize>, title: &str) -> String {
    match waiting {
        Some(0) => title.to_owned(),
        Some(count) => format!("({count}) {title}"),
        // Nobody knows whether a page waits.
        None => format!("(?) {title}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_counts_pages() {
        assert_eq!(titled(Some(0), "Overview · Headroom"), "Overview · Headroom");
        assert_eq!(titled(Some(12), "Overview · Headroom"), "(12) Overview · Headroom");
        assert_eq!(titled(None, "Overview · Headroom"), "(?) Overview · Headroom");
    }
}
