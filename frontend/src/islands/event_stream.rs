//! The stream of events on the debugging page: new lines on top, a pause button, and a count of what waits.

use leptos::prelude::*;

use super::sprite;

/// Adds new events to the page's `data-log` list, at most 2,000 lines. The list is complete without it, up to when it was loaded.
#[island]
pub fn EventStream(
    /// Only this kind; empty is all.
    kind: String,
    /// Only this tenant.
    tenant: String,
    /// Only this slot. (Not `slot`: that word means something else to the view macro.)
    number: String,
    /// Only with this text in holder, claim or trace.
    text: String,
    /// Only this pool.
    pool: String,
    /// The page's clock is so far from UTC, milliseconds.
    offset_ms: i64,
    /// Address of the icon sprite.
    icons: String,
) -> impl IntoView {
    let (paused, set_paused) = signal(false);
    let (waiting, set_waiting) = signal(0_usize);
    #[cfg(feature = "hydrate")]
    let release = list::start(
        list::Filter { kind, tenant, slot: number, text, pool },
        offset_ms,
        move || paused.get_untracked(),
        move |count| set_waiting.set(count),
    );
    #[cfg(not(feature = "hydrate"))]
    let _ = (kind, tenant, number, text, pool, offset_ms, set_waiting);
    #[cfg(feature = "hydrate")]
    let show = {
        let release = release.clone();
        move |_| release()
    };
    #[cfg(not(feature = "hydrate"))]
    let show = move |_| {};
    let toggle = move |_| {
        set_paused.update(|paused| *paused = !*paused);
        #[cfg(feature = "hydrate")]
        if !paused.get_untracked() {
            release();
        }
    };
    let (pause_icon, play_icon) = (sprite(&icons, "pause"), sprite(&icons, "play"));
    view! {
        <button class="hr-btn hr-btn--small hr-needs-js" type="button" on:click=toggle aria-pressed=move || paused.get().to_string()>
            <span hidden=move || paused.get()>{pause_icon}</span>
            <span hidden=move || !paused.get()>{play_icon}</span>
            "Pause"
        </button>
        <button class="hr-btn hr-btn--small hr-btn--primary hr-needs-js" type="button" on:click=show hidden=move || waiting.get() == 0 data-ticks="">
            {move || format!("{} waiting — show", waiting.get())}
        </button>
    }
}

/// Time of day with milliseconds, on a clock that is `offset_ms` from UTC.
#[cfg(any(feature = "hydrate", test))]
fn clock(at_ms: i64, offset_ms: i64) -> String {
    let of_day = (at_ms + offset_ms).rem_euclid(86_400_000);
    let (seconds, millis) = (of_day / 1_000, of_day % 1_000);
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(feature = "hydrate")]
mod list {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::rc::Rc;

    use leptos::prelude::document;
    use wasm_bindgen::prelude::*;
    use web_sys::Element;

    use super::clock;
    use crate::islands::{dom, live};
    use crate::live::{event_words, kind_class};
    use crate::url::{encode, pool_path};

    /// Lines that are kept.
    const MOST: usize = 2_000;

    pub(super) struct Filter {
        pub kind: String,
        pub tenant: String,
        pub slot: String,
        pub text: String,
        pub pool: String,
    }

    impl Filter {
        fn lets_pass(&self, event: &JsValue) -> bool {
            let is = |wanted: &str, name: &str| wanted.is_empty() || dom::text(event, name) == wanted;
            let slot = dom::number(event, "slot").map(|slot| slot.to_string()).unwrap_or_default();
            is(&self.kind, "kind")
                && is(&self.tenant, "tenant")
                && is(&self.pool, "pool")
                && (self.slot.is_empty() || self.slot == slot)
                && (self.text.is_empty()
                    || ["holder", "claim", "trace", "reason", "node"]
                        .iter()
                        .any(|name| dom::text(event, name).contains(&self.text)))
        }
    }

    /// Begins to add lines. What is returned shows what waits.
    pub(super) fn start(
        filter: Filter,
        offset_ms: i64,
        paused: impl Fn() -> bool + 'static,
        tell: impl Fn(usize) + 'static,
    ) -> Rc<dyn Fn()> {
        let waiting: Rc<RefCell<VecDeque<JsValue>>> = Rc::default();
        let tell = Rc::new(tell);
        let (queue, told) = (Rc::clone(&waiting), Rc::clone(&tell));
        live::subscribe("log", move |message| {
            let Some(list) = dom::all("[data-log]").into_iter().next() else { return };
            for event in js_sys::Array::from(&dom::member(message, "events")).iter() {
                if filter.lets_pass(&event) {
                    let mut queue = queue.borrow_mut();
                    queue.push_back(event);
                    while queue.len() > MOST {
                        queue.pop_front();
                    }
                }
            }
            if paused() || is_read(&list) {
                told(queue.borrow().len());
            } else {
                add(&list, &mut queue.borrow_mut(), offset_ms);
                told(0);
            }
        });
        Rc::new(move || {
            if let Some(list) = dom::all("[data-log]").into_iter().next() {
                add(&list, &mut waiting.borrow_mut(), offset_ms);
                if let Some(scroller) = list.parent_element() {
                    scroller.set_scroll_top(0);
                }
            }
            tell(0);
        })
    }

    /// Somebody scrolled down, or is in the list: it keeps still.
    fn is_read(list: &Element) -> bool {
        let scrolled = list.parent_element().is_some_and(|scroller| scroller.scroll_top() > 0);
        scrolled || list.matches(":hover, :focus-within").unwrap_or(false)
    }

    fn add(list: &Element, events: &mut VecDeque<JsValue>, offset_ms: i64) {
        for event in events.drain(..) {
            if let Some(line) = line(&event, offset_ms) {
                let _ = list.insert_before(&line, list.first_child().as_ref());
            }
        }
        while list.child_element_count() as usize > MOST {
            match list.last_element_child() {
                Some(last) => last.remove(),
                None => break,
            }
        }
    }

    fn child(parent: &Element, tag: &str, class: &str, text: &str) -> Option<Element> {
        let element = document().create_element(tag).ok()?;
        if !class.is_empty() {
            element.set_class_name(class);
        }
        element.set_text_content(Some(text));
        parent.append_child(&element).ok()?;
        Some(element)
    }

    /// One line, as the server writes them.
    fn line(event: &JsValue, offset_ms: i64) -> Option<Element> {
        let at_ms = dom::number(event, "at")? as i64;
        let kind = dom::text(event, "kind");
        let item = document().create_element("li").ok()?;
        child(&item, "time", "hr-log__when", &clock(at_ms, offset_ms))?;
        child(&item, "span", kind_class(&kind), &kind)?;
        let what = child(&item, "span", "hr-log__what", "")?;
        if let Some(slot) = dom::number(event, "slot") {
            let link = child(&what, "a", "", &format!("#{slot}"))?;
            let _ = link.set_attribute("href", &format!("{}/slots/{slot}", pool_path(&dom::text(event, "pool"))));
        }
        let text = |name: &str| dom::text(event, name);
        let time = |name: &str| dom::number(event, name).map(|ms| ms as i64);
        let who_and_why = [text("tenant"), text("holder"), text("reason")];
        let words = event_words(&kind, who_and_why.each_ref().map(String::as_str), time("wait_ms"), time("work_ms"));
        child(&what, "span", "", &words)?;
        let trace = dom::text(event, "trace");
        if !trace.is_empty() {
            let short: String = trace.chars().take(8).collect();
            let link = child(&what, "a", "hr-mono", &short)?;
            let _ = link.set_attribute("href", &format!("/debug/claims/{}", encode(&trace)));
        }
        Some(item)
    }
}

#[cfg(all(test, not(feature = "hydrate")))]
mod tests {
    #[test]
    fn lines_carry_the_time_of_the_pages_zone() {
        assert_eq!(super::clock(1_795_250_518_120, 3_600_000), "09:41:58.120");
        assert_eq!(super::clock(0, -3_600_000), "23:00:00.000");
    }
}
