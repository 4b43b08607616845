//! The few things islands do to the page that the view macro cannot say.

use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{Document, DomParser, Element, HtmlElement, HtmlInputElement, SupportedType};

/// The root element, which carries theme, rail and readiness.
pub(super) fn root() -> Option<Element> {
    document().document_element()
}

/// Milliseconds on a clock that never steps.
pub(super) fn monotonic_ms() -> f64 {
    window().performance().map_or(0.0, |performance| performance.now())
}

/// Every element that matches.
pub(super) fn all(selector: &str) -> Vec<Element> {
    let Ok(nodes) = document().query_selector_all(selector) else {
        return Vec::new();
    };
    (0..nodes.length()).filter_map(|index| nodes.item(index)?.dyn_into().ok()).collect()
}

/// Listens for as long as the page lives.
pub(super) fn listen<E: JsCast + 'static>(
    target: &web_sys::EventTarget,
    event: &str,
    mut run: impl FnMut(E) + 'static,
) {
    let closure = Closure::<dyn FnMut(web_sys::Event)>::new(move |event: web_sys::Event| {
        if let Ok(event) = event.dyn_into::<E>() {
            run(event);
        }
    });
    // A browser that refuses a listener leaves the page as the server made it.
    let _ = target.add_event_listener_with_callback(event, closure.as_ref().unchecked_ref());
    closure.forget();
}

/// Calls `tick` once a second with the page's age, and keeps every `data-ago` on the page current.
pub(super) fn every_second(now_ms: i64, tick: impl Fn(i64) + 'static) {
    let loaded = monotonic_ms();
    set_interval(
        move || {
            let page_age_ms = (monotonic_ms() - loaded) as i64;
            tick(page_age_ms);
            for element in all("time[data-ago]") {
                let at_ms = element.get_attribute("data-ago").and_then(|text| text.parse::<i64>().ok());
                if let Some(at_ms) = at_ms {
                    let age = (now_ms + page_age_ms - at_ms).max(0);
                    element.set_text_content(Some(&crate::live::ago(age)));
                }
            }
        },
        std::time::Duration::from_secs(1),
    );
}

/// Says something in the polite live region, which is visible for a moment too.
pub(super) fn say(text: &str) {
    let Some(region) = document().get_element_by_id("live-polite") else {
        return;
    };
    region.set_text_content(Some(text));
    set_timeout(move || region.set_text_content(None), std::time::Duration::from_secs(6));
}

/// Whether the event comes from a field, where single keys are text.
pub(super) fn is_typing(event: &ev::KeyboardEvent) -> bool {
    let Some(target) = event.target().and_then(|target| target.dyn_into::<HtmlElement>().ok()) else {
        return false;
    };
    target.is_content_editable() || matches!(target.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
}

const POPOVERS: &str = ".hr-pop[open], .hr-tip[open], .hr-bottom details[open]";

/// Closes every open popover; focus goes back to the one it was in.
pub(super) fn close_popovers() {
    let focused = document().active_element();
    for popover in all(POPOVERS) {
        let had_focus = focused.as_ref().is_some_and(|focused| popover.contains(Some(focused)));
        let _ = popover.remove_attribute("open");
        if had_focus
            && let Ok(Some(summary)) = popover.query_selector("summary")
            && let Ok(summary) = summary.dyn_into::<HtmlElement>()
        {
            let _ = summary.focus();
        }
    }
}

/// A press outside closes popovers, and opening one closes the others.
pub(super) fn close_popovers_from_outside() {
    listen(&document(), "pointerdown", |event: web_sys::Event| {
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Node>().ok());
        for popover in all(POPOVERS) {
            if !popover.contains(target.as_ref()) {
                let _ = popover.remove_attribute("open");
            }
        }
    });
}

fn write_cookie(name: &str, value: &str) {
    const YEAR_S: u32 = 365 * 24 * 3_600;
    if let Ok(html) = document().dyn_into::<web_sys::HtmlDocument>() {
        let _ = html.set_cookie(&format!("{name}={value}; path=/; max-age={YEAR_S}; samesite=lax"));
    }
}

/// Applies a theme at once and remembers it.
pub(super) fn set_theme(theme: &str) {
    let Some(root) = root() else { return };
    let _ =
        if theme == "system" { root.remove_attribute("data-theme") } else { root.set_attribute("data-theme", theme) };
    write_cookie("hr_theme", theme);
    // What is painted rather than styled has to be painted again.
    if let Ok(event) = web_sys::Event::new(THEME_CHANGED) {
        let _ = window().dispatch_event(&event);
    }
}

/// Sent to the window when a theme was chosen.
pub(super) const THEME_CHANGED: &str = "hr-theme";

/// Sent to the window when parts of the page were put in place anew.
pub(super) const PAGE_RENEWED: &str = "hr-renewed";

/// A member of a JavaScript object; undefined if it has none of that name.
pub(super) fn member(object: &JsValue, name: &str) -> JsValue {
    js_sys::Reflect::get(object, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

/// A number of a JavaScript object.
pub(super) fn number(object: &JsValue, name: &str) -> Option<f64> {
    member(object, name).as_f64()
}

/// A text of a JavaScript object; empty if it has none.
pub(super) fn text(object: &JsValue, name: &str) -> String {
    member(object, name).as_string().unwrap_or_default()
}

/// Asks for an address and gives its text to `then`; nothing happens if there is no answer.
pub(super) fn fetch_text(address: &str, then: impl FnOnce(String) + 'static) {
    let address = address.to_owned();
    wasm_bindgen_futures::spawn_local(async move {
        let answer = wasm_bindgen_futures::JsFuture::from(window().fetch_with_str(&address)).await;
        let Some(response) = answer.ok().and_then(|answer| answer.dyn_into::<web_sys::Response>().ok()) else { return };
        if !response.ok() || response.redirected() {
            return;
        }
        let Ok(text) = response.text() else { return };
        if let Ok(text) = wasm_bindgen_futures::JsFuture::from(text).await
            && let Some(text) = text.as_string()
        {
            then(text);
        }
    });
}

/// A page's text as a document.
pub(super) fn parse(html: &str) -> Option<Document> {
    DomParser::new().ok()?.parse_from_string(html, SupportedType::TextHtml).ok()
}

/// Writes an address into the address bar without leaving the page.
pub(super) fn set_address(address: &str) {
    let history = member(&window(), "history");
    if let Ok(replace) = member(&history, "replaceState").dyn_into::<js_sys::Function>() {
        // A browser that refuses keeps the old address; the page is right all the same.
        let _ = replace.call3(&history, &JsValue::NULL, &JsValue::from_str(""), &JsValue::from_str(address));
    }
}

/// Light to dark and back, from what is seen now.
pub(super) fn toggle_theme() {
    let Some(root) = root() else { return };
    let dark = match root.get_attribute("data-theme").as_deref() {
        Some("dark") => true,
        Some(_) => false,
        None => {
            window().match_media("(prefers-color-scheme: dark)").ok().flatten().is_some_and(|query| query.matches())
        }
    };
    set_theme(if dark { "light" } else { "dark" });
}

/// Narrows or widens the rail.
pub(super) fn toggle_rail() {
    let Some(root) = root() else { return };
    let narrow = root.get_attribute("data-rail").as_deref() == Some("narrow");
    let _ = if narrow { root.remove_attribute("data-rail") } else { root.set_attribute("data-rail", "narrow") };
}

/// Copies the address of the link that was clicked.
pub(super) fn copy_link_of(event: &ev::MouseEvent) {
    let Some(link) = event.current_target().and_then(|target| target.dyn_into::<web_sys::HtmlAnchorElement>().ok())
    else {
        return;
    };
    event.prevent_default();
    copy(&link.href(), "Link copied");
    close_popovers();
}

/// Copies the first link of the copy menu; false if the page has none.
pub(super) fn copy_first_link() -> bool {
    let link = all("[data-copy-link] a")
        .into_iter()
        .next()
        .and_then(|link| link.dyn_into::<web_sys::HtmlAnchorElement>().ok());
    let Some(link) = link else { return false };
    copy(&link.href(), "Link copied");
    true
}

/// Puts a text on the clipboard and says so.
pub(super) fn copy(text: &str, done: &str) {
    // Without a secure context there is no clipboard; then the text is offered for copying by hand.
    if !window().is_secure_context() {
        copy_by_hand(text);
        return;
    }
    let (text, done) = (text.to_owned(), done.to_owned());
    let written = window().navigator().clipboard().write_text(&text);
    wasm_bindgen_futures::spawn_local(async move {
        match wasm_bindgen_futures::JsFuture::from(written).await {
            Ok(_) => say(&done),
            // The browser was told not to let pages write there.
            Err(_) => copy_by_hand(&text),
        }
    });
}

fn copy_by_hand(text: &str) {
    let _ = window().prompt_with_message_and_default("Press Ctrl C to copy", text);
}

/// Moves focus to an input and selects its text.
pub(super) fn focus_input(input: &HtmlInputElement) {
    let _ = input.focus();
    input.select();
}
