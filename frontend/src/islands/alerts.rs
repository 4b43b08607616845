//! Acting on alerts without leaving the page: what is sent is said at once, what the server made of it is put in place, and
//! nothing is called done that the server has not said. Without a script the same forms load a page.

use leptos::prelude::*;

/// Listens for the forms of alerts and for their keys. Prints nothing.
#[island]
pub fn AlertActs(
    /// Single-key shortcuts are on.
    enabled: bool,
) -> impl IntoView {
    #[cfg(feature = "hydrate")]
    act::start(enabled);
    #[cfg(not(feature = "hydrate"))]
    let _ = enabled;
    view! { <span hidden="" data-alert-acts=""></span> }
}

#[cfg(feature = "hydrate")]
mod act {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::time::Duration;

    use leptos::ev;
    use leptos::prelude::{document, set_timeout, window, window_event_listener};
    use wasm_bindgen::JsCast;
    use wasm_bindgen::prelude::*;
    use web_sys::{Element, FormData, HtmlElement, HtmlFormElement, RequestInit, UrlSearchParams};

    use crate::islands::dom;

    /// Sent again after this time while the server is not reached.
    const AGAIN: Duration = Duration::from_secs(5);
    /// So often at most: after that it is said that nothing was done.
    const TRIES: u32 = 6;

    pub(super) fn start(enabled: bool) {
        dom::listen(&document(), "submit", |event: web_sys::SubmitEvent| {
            let form = event.target().and_then(|target| target.dyn_into::<HtmlFormElement>().ok());
            let Some(form) = form.filter(|form| form.has_attribute("data-act")) else { return };
            event.prevent_default();
            submit(&form, event.submitter());
        });
        let handle = window_event_listener(ev::keydown, move |event| {
            let is_held = event.ctrl_key() || event.meta_key() || event.alt_key();
            if enabled && !is_held && !dom::is_typing(&event) && pressed(&event.key()) {
                event.prevent_default();
            }
        });
        // The listener lives as long as the page.
        std::mem::forget(handle);
        notifications();
    }

    fn submit(form: &HtmlFormElement, by: Option<HtmlElement>) {
        let Ok(data) = FormData::new_with_form(form) else { return };
        let pairs = UrlSearchParams::new().ok();
        let Some(pairs) = pairs else { return };
        if let Ok(Some(entries)) = js_sys::try_iter(&data) {
            for pair in entries.flatten() {
                let pair = js_sys::Array::from(&pair);
                pairs
                    .append(&pair.get(0).as_string().unwrap_or_default(), &pair.get(1).as_string().unwrap_or_default());
            }
        }
        if let Some(button) = &by
            && let Some(name) = button.get_attribute("name").filter(|name| !name.is_empty())
        {
            pairs.append(&name, &button.get_attribute("value").unwrap_or_default());
        }
        let place = Place::of(form, by);
        place.busy();
        send(form.action(), String::from(pairs.to_string()), Rc::new(place), 1);
    }

    /// Where something was done.
    struct Place {
        alert: Option<String>,
        button: Option<HtmlElement>,
        words: Option<String>,
        id: Option<String>,
        done: Cell<bool>,
    }

    impl Place {
        fn of(form: &HtmlFormElement, button: Option<HtmlElement>) -> Self {
            let row = form.closest("[data-alert]").ok().flatten();
            Self {
                alert: row.and_then(|row| row.get_attribute("data-alert")),
                // A box says what it is by its picture.
                words: button
                    .as_ref()
                    .filter(|button| button.has_attribute("data-busy"))
                    .and_then(|button| button.text_content()),
                id: button.as_ref().map(|button| button.id()).filter(|id| !id.is_empty()),
                button,
                done: Cell::new(false),
            }
        }

        fn row(&self) -> Option<Element> {
            let selector = format!("[data-alert=\"{}\"]", self.alert.as_ref()?);
            document().query_selector(&selector).ok().flatten()
        }

        fn busy(&self) {
            if let Some(button) = &self.button {
                if let Some(text) = button.get_attribute("data-busy") {
                    button.set_text_content(Some(&text));
                }
                let _ = button.set_attribute("disabled", "");
                let _ = button.set_attribute("aria-busy", "true");
            }
        }

        fn ready(&self) {
            if let Some(button) = &self.button {
                if self.words.is_some() {
                    button.set_text_content(self.words.as_deref());
                }
                let _ = button.remove_attribute("disabled");
                let _ = button.remove_attribute("aria-busy");
            }
        }

        fn say(&self, text: &str) {
            let own = self.row().and_then(|row| row.query_selector("[data-say]").ok().flatten());
            match own {
                Some(place) => place.set_text_content(Some(text)),
                None => dom::say(text),
            }
        }
    }

    fn send(address: String, body: String, place: Rc<Place>, attempt: u32) {
        let init = RequestInit::new();
        init.set_method("POST");
        init.set_body(&JsValue::from_str(&body));
        if let Ok(headers) = web_sys::Headers::new() {
            let _ = headers.set("content-type", "application/x-www-form-urlencoded");
            init.set_headers(&headers);
        }
        let answered = window().fetch_with_str_and_init(&address, &init);
        let again = Rc::clone(&place);
        let failed = Closure::once(move |_: JsValue| {
            if attempt >= TRIES {
                again.ready();
                again.say("Not sent: the server is not reached. Nothing was done; escalation continues.");
                return;
            }
            again.say("Not sent — offline. Retrying in 5 s.");
            set_timeout(move || send(address, body, again, attempt + 1), AGAIN);
        });
        let taken = Closure::once(move |response: JsValue| {
            let Ok(response) = response.dyn_into::<web_sys::Response>() else { return };
            let Ok(text) = response.text() else { return };
            let status = response.status();
            let read = Closure::once(move |html: JsValue| {
                put(&html.as_string().unwrap_or_default(), status, &place);
            });
            let _ = text.then(&read);
            read.forget();
        });
        let _ = answered.then2(&taken, &failed);
        taken.forget();
        failed.forget();
    }

    /// Puts what the server made of it in place: also what it refused, for that is on the page that it sends.
    fn put(html: &str, status: u16, place: &Place) {
        let fresh = dom::parse(html);
        let lists = [
            "alerts",
            "alert",
            "steps",
            "timeline",
            "alert-choices",
            "watermark",
            "counts",
            "bulk-all",
            "alert-warnings",
        ];
        let mut is_there = false;
        for name in lists {
            let selector = format!("[data-refresh=\"{name}\"]");
            let old = document().query_selector(&selector).ok().flatten();
            let new = fresh.as_ref().and_then(|page| page.query_selector(&selector).ok().flatten());
            if let (Some(old), Some(new)) = (old, new) {
                old.set_inner_html(&new.inner_html());
                is_there |= matches!(name, "alerts" | "alert");
            }
        }
        if !is_there {
            // A page without alerts: signed out, or not allowed.
            place.ready();
            place.say(&format!("The server refused this ({status}). Nothing was done."));
            return;
        }
        place.done.set(true);
        let results = results(fresh.as_ref());
        if place.button.as_ref().is_some_and(|button| button.is_connected()) {
            place.ready();
        }
        // Who used the keyboard goes on where they were; a refusal is read first.
        let panel = document().query_selector("[data-conflict]").ok().flatten();
        let same = place.id.as_ref().and_then(|id| document().get_element_by_id(id));
        if let Some(target) = panel.or(same).or_else(|| place.row()).or(results)
            && let Ok(element) = target.dyn_into::<HtmlElement>()
        {
            let _ = element.focus();
        }
    }

    /// What became of several at once stays until something else is done: each refusal can be read. Returns where it is.
    fn results(fresh: Option<&web_sys::Document>) -> Option<Element> {
        const PLACE: &str = "[data-results]";
        let old = document().query_selector(PLACE).ok().flatten()?;
        let new = fresh.and_then(|page| page.query_selector(PLACE).ok().flatten())?;
        old.set_inner_html(&new.inner_html());
        let results = old.first_element_child()?;
        if let Some(text) = results.text_content() {
            dom::say(text.trim());
        }
        Some(results)
    }

    /// Returns whether the key was used.
    fn pressed(key: &str) -> bool {
        let rows = dom::all("[data-alert]");
        if rows.is_empty() {
            return false;
        }
        let focused = document().active_element();
        let present = rows.iter().position(|row| focused.as_ref().is_some_and(|element| row.contains(Some(element))));
        match key {
            "j" | "k" => {
                let last = rows.len() - 1;
                let next = match (key, present) {
                    ("j", Some(place)) => (place + 1).min(last),
                    ("k", Some(place)) => place.saturating_sub(1),
                    _ => 0,
                };
                if let Some(row) = rows[next].dyn_ref::<HtmlElement>() {
                    let _ = row.focus();
                    row.scroll_into_view_with_bool(false);
                }
                true
            }
            "x" => {
                let Some(tick) =
                    present.and_then(|place| rows[place].query_selector("input[type=checkbox]").ok().flatten())
                else {
                    return false;
                };
                if let Some(tick) = tick.dyn_ref::<HtmlElement>() {
                    tick.click();
                }
                true
            }
            "a" | "s" | "e" | "m" => {
                // On a page about one alert it need not be chosen.
                let place = present.or((rows.len() == 1).then_some(0));
                let selector = format!("[data-key=\"{key}\"]");
                let Some(button) = place.and_then(|place| rows[place].query_selector(&selector).ok().flatten()) else {
                    return false;
                };
                let details = button.closest("details").ok().flatten();
                if let Some(details) = &details {
                    let _ = details.set_attribute("open", "");
                }
                // What opens a form leads into it; a click on it would close it again.
                let first = details.filter(|_| button.tag_name() == "SUMMARY").and_then(|details| {
                    details
                        .query_selector(".hr-pop__panel :is(textarea, select, input:not([type=hidden]), button)")
                        .ok()
                        .flatten()
                });
                match (first.as_ref().and_then(JsCast::dyn_ref::<HtmlElement>), button.dyn_ref::<HtmlElement>()) {
                    (Some(first), _) => {
                        let _ = first.focus();
                    }
                    (None, Some(button)) => button.click(),
                    (None, None) => {}
                }
                true
            }
            _ => false,
        }
    }

    /// Notifications of the browser: asked for by a button, shown for pages that are new.
    fn notifications() {
        let api = dom::member(&window(), "Notification");
        let Some(button) = document().query_selector("[data-notify]").ok().flatten() else { return };
        if api.is_undefined() {
            return;
        }
        let allowed = || dom::text(&dom::member(&window(), "Notification"), "permission") == "granted";
        if !allowed() {
            let _ = button.remove_attribute("hidden");
        }
        dom::listen(&button, "click", |event: web_sys::Event| {
            let button = event.current_target().and_then(|target| target.dyn_into::<Element>().ok());
            let asked = web_sys::Notification::request_permission();
            let answered = Closure::once(move |word: JsValue| {
                if let Some(button) = button {
                    let text = if word.as_string().as_deref() == Some("granted") {
                        "This browser will tell you of new pages"
                    } else {
                        "The browser does not allow notifications"
                    };
                    button.set_text_content(Some(text));
                }
            });
            if let Ok(asked) = asked {
                let _ = asked.then(&answered);
            }
            answered.forget();
        });
        let known: Rc<std::cell::RefCell<Vec<String>>> = Rc::new(std::cell::RefCell::new(ids()));
        dom::listen(&window(), dom::PAGE_RENEWED, move |_: web_sys::Event| {
            let now = ids();
            for id in now.iter().filter(|id| !known.borrow().contains(id)) {
                if allowed() {
                    tell(id);
                }
            }
            known.replace(now);
        });
    }

    /// Pages on the board now.
    fn ids() -> Vec<String> {
        dom::all(".hr-finding--crit[data-alert]").iter().filter_map(|row| row.get_attribute("data-alert")).collect()
    }

    fn tell(id: &str) {
        let row = document().query_selector(&format!("[data-alert=\"{id}\"] h3")).ok().flatten();
        let Some(text) = row.and_then(|row| row.text_content()) else { return };
        let options = web_sys::NotificationOptions::new();
        options.set_tag(&format!("headroom-alert-{id}"));
        options.set_require_interaction(true);
        let Ok(notification) = web_sys::Notification::new_with_options(&text, &options) else { return };
        let href = format!("/alerts/{id}");
        let opened = Closure::once_into_js(move || {
            let _ = window().focus();
            let _ = window().location().set_href(&href);
        });
        notification.set_onclick(opened.dyn_ref());
    }
}
