//! The command palette: pages, pools and tenants by name.

use leptos::prelude::*;

/// A dialog that opens on `Ctrl K`, `⌘K` or `/`. Without a script `/search` does the same.
#[island]
pub fn Palette(
    /// Pages, `label|href`, one per line.
    links: String,
) -> impl IntoView {
    #[cfg(feature = "hydrate")]
    dialog::start(&links);
    #[cfg(not(feature = "hydrate"))]
    let _ = links;
    view! { <span hidden="" data-palette-root=""></span> }
}

/// One thing the palette can open.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg(any(feature = "hydrate", test))]
struct Entry {
    group: &'static str,
    label: String,
    href: String,
}

/// The entries that match, best first: those that begin with the text before those that contain it, at most eight per group.
/// `p:` and `t:` narrow to pools and tenants.
#[cfg(any(feature = "hydrate", test))]
fn find<'a>(entries: &'a [Entry], query: &str) -> Vec<&'a Entry> {
    const PER_GROUP: usize = 8;
    let query = query.trim().to_lowercase();
    let (only, text) = match query.split_once(':') {
        Some(("p", rest)) => (Some("Pools"), rest.trim()),
        Some(("t", rest)) => (Some("Tenants"), rest.trim()),
        _ => (None, query.as_str()),
    };
    let mut found = Vec::new();
    for group in ["Go to", "Pools", "Tenants"] {
        if only.is_some_and(|only| only != group) || (text.is_empty() && only.is_none() && group != "Go to") {
            continue;
        }
        let in_group = || entries.iter().filter(|entry| entry.group == group);
        let begins = in_group().filter(|entry| entry.label.to_lowercase().starts_with(text));
        let contains = in_group().filter(|entry| {
            let label = entry.label.to_lowercase();
            !label.starts_with(text) && label.contains(text)
        });
        found.extend(begins.chain(contains).take(PER_GROUP));
    }
    found
}

#[cfg(feature = "hydrate")]
mod dialog {
    use std::cell::RefCell;
    use std::rc::Rc;

    use leptos::ev;
    use leptos::prelude::{document, window, window_event_listener};
    use wasm_bindgen::JsCast;
    use wasm_bindgen::prelude::*;
    use web_sys::{Element, HtmlDialogElement, HtmlElement, HtmlInputElement, KeyboardEvent, MouseEvent};

    use super::{Entry, find};
    use crate::islands::dom;
    use crate::url::{pool_path, tenant_path, with_query};

    struct Palette {
        dialog: HtmlDialogElement,
        input: HtmlInputElement,
        list: HtmlElement,
        entries: Vec<Entry>,
        /// Addresses of the rows shown, in order.
        shown: Vec<String>,
        active: usize,
        asked_for_names: bool,
        opener: Option<HtmlElement>,
    }

    type Shared = Rc<RefCell<Palette>>;

    pub(super) fn start(links: &str) {
        let entries = links
            .lines()
            .filter_map(|line| line.split_once('|'))
            .map(|(label, href)| Entry { group: "Go to", label: label.to_owned(), href: href.to_owned() })
            .collect();
        let Some(palette) = build(entries) else { return };
        let on_key = Rc::clone(&palette);
        let handle = window_event_listener(ev::keydown, move |event| {
            let with_modifier = (event.ctrl_key() || event.meta_key()) && event.key().eq_ignore_ascii_case("k");
            let slash = event.key() == "/" && !event.ctrl_key() && !event.meta_key() && !dom::is_typing(&event);
            if with_modifier || slash {
                event.prevent_default();
                open(&on_key);
            }
        });
        // The listener lives as long as the page.
        std::mem::forget(handle);
        for opener in dom::all("[data-palette]") {
            let on_click = Rc::clone(&palette);
            dom::listen(&opener, "click", move |event: MouseEvent| {
                // A click that asks for a new tab keeps its meaning.
                if !event.ctrl_key() && !event.meta_key() && !event.shift_key() {
                    event.prevent_default();
                    open(&on_click);
                }
            });
        }
    }

    fn element<T: JsCast>(tag: &str, class: &str, attributes: &[(&str, &str)]) -> Option<T> {
        let element = document().create_element(tag).ok()?;
        element.set_class_name(class);
        for (name, value) in attributes {
            element.set_attribute(name, value).ok()?;
        }
        element.dyn_into().ok()
    }

    fn build(entries: Vec<Entry>) -> Option<Shared> {
        let dialog: HtmlDialogElement = element("dialog", "hr-dialog", &[("aria-label", "Search")])?;
        let input: HtmlInputElement = element(
            "input",
            "hr-palette__input",
            &[
                ("type", "text"),
                ("role", "combobox"),
                ("aria-expanded", "true"),
                ("aria-controls", "palette-list"),
                ("aria-label", "Search pages, pools and tenants"),
                ("placeholder", "Search pages, pools and tenants…"),
                ("autocomplete", "off"),
                ("spellcheck", "false"),
            ],
        )?;
        let list: HtmlElement = element(
            "div",
            "hr-palette__list",
            &[("id", "palette-list"), ("role", "listbox"), ("aria-label", "Results")],
        )?;
        dialog.append_child(&input).ok()?;
        dialog.append_child(&list).ok()?;
        document().body()?.append_child(&dialog).ok()?;
        let palette = Rc::new(RefCell::new(Palette {
            dialog: dialog.clone(),
            input: input.clone(),
            list,
            entries,
            shown: Vec::new(),
            active: 0,
            asked_for_names: false,
            opener: None,
        }));
        let typed = Rc::clone(&palette);
        dom::listen(&input, "input", move |_: web_sys::Event| {
            typed.borrow_mut().active = 0;
            draw(&typed);
        });
        let keyed = Rc::clone(&palette);
        dom::listen(&input, "keydown", move |event: KeyboardEvent| key(&keyed, &event));
        let closed = Rc::clone(&palette);
        dom::listen(&dialog, "close", move |_: web_sys::Event| {
            let opener = closed.borrow_mut().opener.take();
            if let Some(opener) = opener {
                let _ = opener.focus();
            }
        });
        let outside = Rc::clone(&palette);
        dom::listen(&dialog, "click", move |event: MouseEvent| {
            let dialog = outside.borrow().dialog.clone();
            // A click on the scrim has the dialog itself as its target.
            if event.target().is_some_and(|target| target == *dialog.unchecked_ref::<web_sys::EventTarget>()) {
                dialog.close();
            }
        });
        Some(palette)
    }

    fn open(palette: &Shared) {
        dom::close_popovers();
        {
            let mut inner = palette.borrow_mut();
            if inner.dialog.open() {
                return;
            }
            inner.opener = document().active_element().and_then(|element| element.dyn_into().ok());
            let _ = inner.dialog.show_modal();
            dom::focus_input(&inner.input);
        }
        draw(palette);
        fetch_names(palette);
    }

    /// Pools and tenants, fetched the first time the palette opens. Results are added below; the active row stays.
    fn fetch_names(palette: &Shared) {
        if std::mem::replace(&mut palette.borrow_mut().asked_for_names, true) {
            return;
        }
        let palette = Rc::clone(palette);
        leptos::task::spawn_local(async move {
            // Without the names the palette still opens pages, and Enter searches on the server.
            if let Ok(index) = load().await {
                let mut names = names_of(&index, "pools", "Pools", pool_path);
                names.extend(names_of(&index, "tenants", "Tenants", tenant_path));
                palette.borrow_mut().entries.extend(names);
                draw(&palette);
            }
        });
    }

    async fn load() -> Result<JsValue, JsValue> {
        let answer = wasm_bindgen_futures::JsFuture::from(window().fetch_with_str("/search/index.json")).await?;
        wasm_bindgen_futures::JsFuture::from(answer.dyn_into::<web_sys::Response>()?.json()?).await
    }

    /// `{"pools": [["slug", "name"], …], "tenants": […]}`
    fn names_of(index: &JsValue, key: &str, group: &'static str, path: fn(&str) -> String) -> Vec<Entry> {
        let Ok(list) = js_sys::Reflect::get(index, &key.into()) else { return Vec::new() };
        js_sys::Array::from(&list)
            .iter()
            .filter_map(|pair| {
                let pair = js_sys::Array::from(&pair);
                let (slug, name) = (pair.get(0).as_string()?, pair.get(1).as_string()?);
                Some(Entry { group, label: name, href: path(&slug) })
            })
            .collect()
    }

    fn draw(palette: &Shared) {
        let mut inner = palette.borrow_mut();
        let query = inner.input.value();
        let rows: Vec<Entry> = find(&inner.entries, &query).into_iter().cloned().collect();
        inner.list.set_text_content(None);
        inner.shown = rows.iter().map(|row| row.href.clone()).collect();
        inner.active = inner.active.min(rows.len().saturating_sub(1));
        let mut group = "";
        for (index, row) in rows.iter().enumerate() {
            if row.group != group {
                group = row.group;
                if let Some(title) = element::<Element>("div", "hr-palette__group", &[("role", "presentation")]) {
                    title.set_text_content(Some(group));
                    let _ = inner.list.append_child(&title);
                }
            }
            let id = format!("palette-{index}");
            let selected = if index == inner.active { "true" } else { "false" };
            let attributes = [
                ("role", "option"),
                ("id", id.as_str()),
                ("aria-selected", selected),
                ("href", row.href.as_str()),
                ("tabindex", "-1"),
            ];
            if let Some(link) = element::<Element>("a", "hr-palette__row", &attributes) {
                link.set_text_content(Some(&row.label));
                let _ = inner.list.append_child(&link);
            }
        }
        if rows.is_empty()
            && let Some(note) = element::<Element>("p", "hr-palette__none", &[])
        {
            note.set_text_content(Some("No page, pool or tenant begins like that. Enter searches everything."));
            let _ = inner.list.append_child(&note);
        }
        let active = if rows.is_empty() { String::new() } else { format!("palette-{}", inner.active) };
        let _ = inner.input.set_attribute("aria-activedescendant", &active);
    }

    fn key(palette: &Shared, event: &KeyboardEvent) {
        let count = palette.borrow().shown.len();
        match event.key().as_str() {
            "ArrowDown" if count > 0 => {
                let mut inner = palette.borrow_mut();
                inner.active = (inner.active + 1) % count;
            }
            "ArrowUp" if count > 0 => {
                let mut inner = palette.borrow_mut();
                inner.active = (inner.active + count - 1) % count;
            }
            "Enter" => {
                let inner = palette.borrow();
                let href = inner.shown.get(inner.active).cloned();
                let href = href.unwrap_or_else(|| with_query("/search", &[("q", &inner.input.value())]));
                let _ = window().location().set_href(&href);
                return;
            }
            _ => return,
        }
        event.prevent_default();
        draw(palette);
        let active = format!("palette-{}", palette.borrow().active);
        if let Some(row) = document().get_element_by_id(&active) {
            let options = web_sys::ScrollIntoViewOptions::new();
            options.set_block(web_sys::ScrollLogicalPosition::Nearest);
            row.scroll_into_view_with_scroll_into_view_options(&options);
        }
    }
}

#[cfg(all(test, not(feature = "hydrate")))]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        [
            ("Go to", "Pools"),
            ("Pools", "ingress-eu"),
            ("Pools", "eu-batch"),
            ("Tenants", "reuters"),
            ("Tenants", "acme"),
        ]
        .into_iter()
        .map(|(group, label)| Entry { group, label: label.to_owned(), href: format!("/{label}") })
        .collect()
    }

    fn labels(query: &str) -> Vec<String> {
        find(&entries(), query).into_iter().map(|entry| entry.label.clone()).collect()
    }

    #[test]
    fn what_begins_comes_before_what_contains() {
        assert_eq!(labels("eu"), ["eu-batch", "ingress-eu", "reuters"]);
    }

    #[test]
    fn nothing_typed_offers_pages_and_prefixes_narrow() {
        assert_eq!(labels(""), ["Pools"]);
        assert_eq!(labels("t:"), ["reuters", "acme"]);
        assert_eq!(labels("P: eu"), ["eu-batch", "ingress-eu"]);
    }
}
