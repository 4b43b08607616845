//! The planner by hand and by key. A bar is taken, moved or stretched and dropped; what was dropped is posted to the same address
//! as the forms, and the page's parts are put in place from the answer. A refusal is said and the bar goes back. Without a script the
//! edit form does all of it.
//!
//! While something is held only the ghost and its label move, by transforms: bars have no listeners of their own.

use leptos::prelude::*;

/// Listens for what is done to the timeline. Prints nothing.
#[island]
pub fn PlannerActs(
    /// Single-key shortcuts are on.
    enabled: bool,
) -> impl IntoView {
    #[cfg(feature = "hydrate")]
    act::start(enabled);
    #[cfg(not(feature = "hydrate"))]
    let _ = enabled;
    view! { <span hidden="" data-plan-acts=""></span> }
}

#[cfg(feature = "hydrate")]
mod grid;

#[cfg(feature = "hydrate")]
mod act {
    use std::cell::{Cell, RefCell};
    use std::time::Duration;

    use headroom_domain::localtime::{Transition, ZoneSlice};
    use leptos::prelude::{document, set_timeout, window};
    use wasm_bindgen::JsCast;
    use web_sys::{
        Document, Element, FormData, HtmlElement, HtmlFormElement, HtmlInputElement, KeyboardEvent, MouseEvent,
        RequestInit,
    };

    use super::grid;
    use crate::islands::dom;
    use crate::plan_steps::{Grip, Held, Steps, excess, later, moved, nearest, pairs, pulled, said, times};
    use crate::url::encode;

    /// Pixels that a hand trembles: less is a click.
    const TREMBLE: f64 = 4.0;
    /// Pixels at each edge of a bar at which it is stretched, inside the bar.
    const EDGE: f64 = 12.0;
    /// Width of the ghost before it is scaled, in pixels; as in the style sheet.
    const GHOST: f64 = 1_000.0;

    thread_local! {
        static HELD: RefCell<Option<Hold>> = const { RefCell::new(None) };
        static IS_SENDING: Cell<bool> = const { Cell::new(false) };
        static JUST_DROPPED: Cell<bool> = const { Cell::new(false) };
    }

    /// The timeline as it is laid out while something is held.
    struct Line {
        grid: Element,
        from_ms: i64,
        to_ms: i64,
        zone: ZoneSlice,
        snap: i64,
        /// Where the tracks begin and how wide they are, in pixels of the grid.
        left: f64,
        width: f64,
        promised: Steps,
        limit: Steps,
    }

    impl Line {
        fn of(grid: Element) -> Option<Self> {
            let number = |name: &str| grid.get_attribute(name)?.parse::<i64>().ok();
            let track = grid.query_selector("[data-plan-track]").ok().flatten()?.get_bounding_client_rect();
            let changes = pairs(&grid.get_attribute("data-transitions").unwrap_or_default());
            let changes = changes.into_iter().map(|(utc_ms, offset_s)| Transition {
                utc_ms,
                offset_s: i32::try_from(offset_s).unwrap_or(0),
                abbr: String::new(),
            });
            let steps = |name: &str| pairs(&grid.get_attribute(name).unwrap_or_default());
            Some(Self {
                from_ms: number("data-from")?,
                to_ms: number("data-to")?,
                zone: ZoneSlice::new(grid.get_attribute("data-zone").unwrap_or_default(), changes.collect()),
                snap: number("data-snap")?.max(1),
                left: track.left() - grid.get_bounding_client_rect().left(),
                width: track.width().max(1.0),
                promised: steps("data-promised"),
                limit: steps("data-limit"),
                grid,
            })
        }

        fn span(&self) -> f64 {
            (self.to_ms - self.from_ms).max(1) as f64
        }

        fn x(&self, at: i64) -> f64 {
            self.left + (at - self.from_ms) as f64 / self.span() * self.width
        }

        fn ms(&self, pixels: f64) -> i64 {
            (pixels / self.width * self.span()) as i64
        }

        /// The instant below a place of the window.
        fn at(&self, client_x: f64) -> i64 {
            self.from_ms + self.ms(client_x - self.grid.get_bounding_client_rect().left() - self.left)
        }
    }

    /// What is held, and how.
    struct Hold {
        line: Line,
        /// The bar; without one something new is drawn.
        bar: Option<HtmlElement>,
        name: String,
        tenant: String,
        was: Held,
        now: Held,
        grip: Grip,
        by_key: bool,
        /// Where the pointer went down.
        from_x: f64,
        pointer: i32,
        is_moving: bool,
        y: f64,
    }

    impl Hold {
        fn excess(&self) -> i64 {
            let was = self.bar.as_ref().map(|_| self.was);
            excess(&self.line.promised, &self.line.limit, was, self.now)
        }

        fn text(&self) -> String {
            said(&self.line.zone, &self.name, self.now, self.excess())
        }

        fn ghost(&self) -> Option<HtmlElement> {
            part(&self.line.grid, "[data-plan-ghost]")
        }

        fn tip(&self) -> Option<HtmlElement> {
            part(&self.line.grid, "[data-plan-tip]")
        }

        /// Puts ghost and label where it is now; nothing is laid out anew but the label's own text. How the style sheet uses the
        /// property keeps all else from being composed anew.
        fn show(&self) {
            let (Some(ghost), Some(tip)) = (self.ghost(), self.tip()) else { return };
            let from = self.line.x(self.now.from_ms);
            let to = self.now.to_ms.map_or(self.line.left + self.line.width, |to| self.line.x(to));
            let scale = (to - from).max(2.0) / GHOST;
            let (y, below) = (self.y, self.y + 32.0);
            let _ = ghost.style().set_property("--at", &format!("translate({from}px,{y}px) scaleX({scale})"));
            let x = from.clamp(self.line.left, (self.line.left + self.line.width - 320.0).max(self.line.left));
            let _ = tip.style().set_property("--at", &format!("translate({x}px,{below}px)"));
        }

        fn label(&self) {
            let Some(tip) = self.tip() else { return };
            let mut text = times(&self.line.zone, self.now.from_ms, self.now.to_ms);
            let excess = self.excess();
            if self.bar.is_some() {
                text.push_str(&format!(", {} slots", self.now.slots));
            }
            if excess > 0 && self.bar.is_some() {
                text.push_str(&format!(", over by {excess}"));
            }
            let words = tip.first_element_child().unwrap_or_else(|| {
                let words = document().create_element("b").expect("a browser makes an element of this name");
                let _ = tip.append_child(&words);
                words
            });
            words.set_text_content(Some(&text));
        }

        fn appear(&self) {
            for one in [self.ghost(), self.tip()].into_iter().flatten() {
                let _ = one.remove_attribute("hidden");
            }
            if let Some(bar) = &self.bar {
                let _ = bar.set_attribute("data-taken", "");
            }
            self.label();
            self.show();
        }

        fn vanish(&self) {
            for one in [self.ghost(), self.tip()].into_iter().flatten() {
                let _ = one.set_attribute("hidden", "");
            }
            if let Some(bar) = &self.bar {
                let _ = bar.remove_attribute("data-taken");
            }
        }
    }

    fn part(grid: &Element, selector: &str) -> Option<HtmlElement> {
        grid.query_selector(selector).ok().flatten()?.dyn_into().ok()
    }

    /// Says something; it is cleared later unless something else was said.
    pub(super) fn say(text: &str) {
        let Some(region) = document().get_element_by_id("live-polite") else { return };
        region.set_text_content(Some(text));
        let text = text.to_owned();
        set_timeout(
            move || {
                if region.text_content().as_deref() == Some(&text) {
                    region.set_text_content(None);
                }
            },
            Duration::from_secs(8),
        );
    }

    pub(super) fn start(enabled: bool) {
        roving(None);
        grid::start();
        dom::listen(&document(), "pointerdown", pressed);
        dom::listen(&document(), "pointermove", pulled_on);
        dom::listen(&document(), "pointerup", |event: MouseEvent| dropped(&event));
        dom::listen(&document(), "pointercancel", |_: MouseEvent| let_go());
        dom::listen(&document(), "click", |event: MouseEvent| {
            // The click at the end of a pull is no click.
            if JUST_DROPPED.replace(false) {
                event.prevent_default();
            }
        });
        dom::listen(&document(), "keydown", move |event: KeyboardEvent| {
            if grid::key(&event) || key(&event, enabled) {
                event.prevent_default();
                event.stop_propagation();
            }
        });
        dom::listen(&document(), "focusin", |event: web_sys::Event| {
            let focused = event.target().and_then(|target| target.dyn_into::<Element>().ok());
            let bar = focused.and_then(|element| element.closest("[data-bar]").ok().flatten());
            let held = HELD.with_borrow(|held| {
                held.as_ref().filter(|hold| hold.by_key).and_then(|hold| hold.bar.clone().map(Element::from))
            });
            if held.is_some() && held != bar {
                let_go();
            }
            if let Some(bar) = bar {
                roving(Some(&bar));
            }
        });
        dom::listen(&document(), "submit", |event: web_sys::SubmitEvent| {
            let form = event.target().and_then(|target| target.dyn_into::<HtmlFormElement>().ok());
            let Some(form) = form.filter(|form| form.has_attribute("data-plan-act")) else { return };
            event.prevent_default();
            let button = event.submitter();
            let mut fields = fields_of(&form);
            if let Some(button) = &button
                && let Some(name) = button.get_attribute("name").filter(|name| !name.is_empty())
            {
                fields.push((name, button.get_attribute("value").unwrap_or_default()));
            }
            let back_to = button.and_then(|button| button.get_attribute("data-plan-key"));
            send(&fields, Focus::Key(back_to), "Saved in the draft.".to_owned());
        });
        dom::listen(&document(), "change", |event: web_sys::Event| {
            let select = event.target().and_then(|target| target.dyn_into::<Element>().ok());
            let Some(select) = select.filter(|element| element.has_attribute("data-plan-submits")) else { return };
            if let Some(form) =
                select.closest("form").ok().flatten().and_then(|form| form.dyn_into::<HtmlFormElement>().ok())
            {
                let _ = form.submit();
            }
        });
    }

    /// One bar is in the order of Tab; arrows lead to the others.
    fn roving(current: Option<&Element>) {
        let bars = dom::all("[data-bar]");
        let first = current.or(bars.first());
        let is_current = |bar: &Element| first.is_some_and(|first| bar == first);
        for bar in &bars {
            let wanted = if is_current(bar) { "0" } else { "-1" };
            if bar.get_attribute("tabindex").as_deref() != Some(wanted) {
                let _ = bar.set_attribute("tabindex", wanted);
            }
        }
    }

    fn number(element: &Element, name: &str) -> Option<i64> {
        element.get_attribute(name)?.parse().ok()
    }

    fn held_of(bar: &Element) -> Option<Held> {
        let (from_ms, slots) = (number(bar, "data-start")?, number(bar, "data-slots")?);
        Some(Held { from_ms, to_ms: number(bar, "data-end"), slots })
    }

    /// Whether a bar may be moved here.
    fn may_move(bar: &Element) -> bool {
        let grid = bar.closest("[data-plan=\"edit\"]").ok().flatten();
        // On phones the timeline is for looking.
        let is_wide = window().match_media("(min-width: 768px)").ok().flatten().is_none_or(|query| query.matches());
        grid.is_some() && is_wide && !bar.has_attribute("data-fixed")
    }

    fn tenant_of(element: &Element) -> String {
        let row = element.closest("[data-tenant]").ok().flatten();
        row.and_then(|row| row.get_attribute("data-tenant")).unwrap_or_default()
    }

    fn hold(bar: HtmlElement, grip: Grip, by_key: bool, from_x: f64, pointer: i32) -> Option<Hold> {
        let line = Line::of(bar.closest("[data-plan]").ok().flatten()?)?;
        let was = held_of(&bar)?;
        let y = bar.get_bounding_client_rect().top() - line.grid.get_bounding_client_rect().top();
        Some(Hold {
            name: bar.get_attribute("data-name").unwrap_or_default(),
            tenant: tenant_of(&bar),
            line,
            bar: Some(bar),
            was,
            now: was,
            grip,
            by_key,
            from_x,
            pointer,
            is_moving: by_key,
            y,
        })
    }

    fn pressed(event: MouseEvent) {
        JUST_DROPPED.set(false);
        let is_touch = dom::text(&event, "pointerType") == "touch";
        let held = event.ctrl_key() || event.meta_key() || event.shift_key();
        if event.button() != 0 || is_touch || held {
            return;
        }
        let Some(target) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else { return };
        let pointer = dom::number(&event, "pointerId").unwrap_or(0.0) as i32;
        let x = f64::from(event.client_x());
        let bar = target.closest("[data-bar]").ok().flatten().and_then(|bar| bar.dyn_into::<HtmlElement>().ok());
        let new = match bar {
            Some(bar) if may_move(&bar) => {
                let place = bar.get_bounding_client_rect();
                let edge = EDGE.min(place.width() / 4.0);
                let line = bar.closest("[data-plan]").ok().flatten();
                let (from, to) = line
                    .map(|line| (number(&line, "data-from").unwrap_or(0), number(&line, "data-to").unwrap_or(i64::MAX)))
                    .unwrap_or_default();
                let held = held_of(&bar);
                let starts_here = held.is_some_and(|held| held.from_ms >= from);
                let ends_here = held.is_some_and(|held| held.to_ms.is_some_and(|end| end <= to));
                let grip = if x - place.left() < edge && starts_here {
                    Grip::Start
                } else if place.right() - x < edge && ends_here {
                    Grip::End
                } else {
                    Grip::Body
                };
                hold(bar, grip, false, x, pointer)
            }
            Some(_) => None,
            None => draw(&target, x, pointer),
        };
        if let Some(new) = new {
            let_go();
            HELD.set(Some(new));
        }
    }

    /// Begins to draw something new on an empty track.
    fn draw(target: &Element, x: f64, pointer: i32) -> Option<Hold> {
        let track = target.closest("[data-plan-track]").ok().flatten()?;
        if !may_move(&track) {
            return None;
        }
        let line = Line::of(track.closest("[data-plan]").ok().flatten()?)?;
        let from_ms = nearest(&line.zone, line.at(x), line.snap);
        let new = Held { from_ms, to_ms: Some(later(&line.zone, from_ms, line.snap)), slots: 1 };
        let y = track.get_bounding_client_rect().top() - line.grid.get_bounding_client_rect().top() + 6.0;
        Some(Hold {
            tenant: tenant_of(&track),
            name: "new reservation".to_owned(),
            line,
            bar: None,
            was: new,
            now: new,
            grip: Grip::End,
            by_key: false,
            from_x: x,
            pointer,
            is_moving: false,
            y,
        })
    }

    fn pulled_on(event: MouseEvent) {
        HELD.with_borrow_mut(|held| {
            let Some(hold) = held.as_mut().filter(|hold| !hold.by_key) else { return };
            let by = f64::from(event.client_x()) - hold.from_x;
            if !hold.is_moving {
                if by.abs() < TREMBLE {
                    return;
                }
                hold.is_moving = true;
                // From here on the pointer is ours, also outside the window.
                let _ = hold.line.grid.set_pointer_capture(hold.pointer);
                hold.appear();
            }
            let snap = if event.alt_key() { 1 } else { hold.line.snap };
            let edge = match hold.grip {
                Grip::End => hold.was.to_ms.unwrap_or(hold.was.from_ms),
                Grip::Body | Grip::Start => hold.was.from_ms,
            };
            let minutes = pulled(&hold.line.zone, edge, hold.line.ms(by), snap);
            let now = if hold.bar.is_none() && minutes < 0 {
                // Drawn to the left: what was the start is the end.
                Held {
                    from_ms: later(&hold.line.zone, hold.was.from_ms, minutes),
                    to_ms: Some(hold.was.from_ms),
                    ..hold.was
                }
            } else {
                moved(&hold.line.zone, hold.was, hold.grip, minutes, snap)
            };
            if now != hold.now {
                hold.now = now;
                hold.label();
                hold.show();
            }
        });
    }

    fn dropped(_: &MouseEvent) {
        let Some(hold) = HELD.with_borrow_mut(|held| held.take_if(|hold| !hold.by_key)) else { return };
        if !hold.is_moving {
            return;
        }
        JUST_DROPPED.set(true);
        set_timeout(|| JUST_DROPPED.set(false), Duration::from_millis(50));
        drop_it(hold);
    }

    /// Puts back what is held.
    fn let_go() {
        if let Some(hold) = HELD.take() {
            hold.vanish();
        }
    }

    fn drop_it(hold: Hold) {
        let Some(bar) = &hold.bar else {
            hold.vanish();
            go(&new_address(&hold.line, &hold.tenant, Some(hold.now), None));
            return;
        };
        if hold.now == hold.was {
            hold.vanish();
            say("Nothing was changed.");
            return;
        }
        let reservation = bar.get_attribute("data-bar").unwrap_or_default();
        let mut fields = base();
        let number = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
        for (name, value) in [
            ("do", "move".to_owned()),
            ("reservation", reservation.clone()),
            ("was_start", hold.was.from_ms.to_string()),
            ("was_end", number(hold.was.to_ms)),
            ("start", hold.now.from_ms.to_string()),
            ("end", number(hold.now.to_ms)),
            ("slots", hold.now.slots.to_string()),
        ] {
            fields.push((name.to_owned(), value));
        }
        let text = format!("Saved in the draft: {}", hold.text());
        // The ghost stays where it was dropped until the server has answered.
        send(&fields, Focus::Bar(reservation, hold.now.from_ms, Some(Box::new(move || hold.vanish()))), text);
    }

    /// Where a new reservation is written, with what is known of it.
    fn new_address(line: &Line, tenant: &str, held: Option<Held>, copy: Option<&str>) -> String {
        let mut address = line.grid.get_attribute("data-new").unwrap_or_else(|| "/planner/edit".to_owned());
        let mut add = |name: &str, value: &str| {
            address.push(if address.contains('?') { '&' } else { '?' });
            address.push_str(&format!("{name}={}", encode(value)));
        };
        add("tenant", tenant);
        if let Some(held) = held {
            // Printed whole and cut: chrono's own formatting would be a tenth of this island.
            let wall = |at: i64| {
                let mut text = format!("{:?}", line.zone.local(at));
                text.truncate("2026-11-28T09:00".len());
                text.replace_range(10..11, " ");
                text
            };
            add("start", &wall(held.from_ms));
            if let Some(to) = held.to_ms {
                add("end", &wall(to));
            }
        }
        if let Some(copy) = copy {
            add("copy", copy);
        }
        address
    }

    fn go(address: &str) {
        let _ = window().location().set_href(address);
    }

    fn focused_bar() -> Option<HtmlElement> {
        let bar = document().active_element()?.closest("[data-bar]").ok().flatten()?;
        bar.dyn_into().ok()
    }

    /// Returns whether the key was used.
    fn key(event: &KeyboardEvent, enabled: bool) -> bool {
        let is_held = event.ctrl_key() || event.meta_key();
        let name = event.key();
        if name == "Escape" && HELD.with_borrow(Option::is_some) {
            let by_key = HELD.with_borrow(|held| held.as_ref().is_some_and(|hold| hold.by_key));
            let text = HELD.with_borrow(|held| {
                held.as_ref().map(|hold| format!("Put back: {}", said(&hold.line.zone, &hold.name, hold.was, 0)))
            });
            JUST_DROPPED.set(!by_key);
            let_go();
            say(&text.unwrap_or_default());
            return true;
        }
        let typing = event.target().and_then(|target| target.dyn_into::<HtmlElement>().ok()).is_some_and(|target| {
            target.is_content_editable() || matches!(target.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
        });
        if typing || event.alt_key() {
            return false;
        }
        if is_held {
            let is_redo = name.eq_ignore_ascii_case("y") || (event.shift_key() && name.eq_ignore_ascii_case("z"));
            let which = if is_redo {
                "redo"
            } else if name.eq_ignore_ascii_case("z") {
                "undo"
            } else {
                return false;
            };
            let button = document().query_selector(&format!("[data-plan-key=\"{which}\"]")).ok().flatten();
            match button.and_then(|button| button.dyn_into::<HtmlElement>().ok()) {
                Some(button) => button.click(),
                None => say(if is_redo { "There is nothing to redo." } else { "There is nothing to undo." }),
            }
            return true;
        }
        if HELD.with_borrow(|held| held.as_ref().is_some_and(|hold| hold.by_key)) {
            return held_key(&name, event.shift_key());
        }
        match focused_bar() {
            Some(bar) => bar_key(&bar, &name, enabled),
            None if name == "n" && enabled => click("[data-plan-new]"),
            None => false,
        }
    }

    fn click(selector: &str) -> bool {
        let element = document().query_selector(selector).ok().flatten().and_then(|e| e.dyn_into::<HtmlElement>().ok());
        element.is_some_and(|element| {
            element.click();
            true
        })
    }

    fn bar_key(bar: &HtmlElement, name: &str, enabled: bool) -> bool {
        match name {
            "ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown" => {
                if let Some(next) = neighbour(bar, name) {
                    let _ = next.focus();
                }
                true
            }
            " " => {
                if !may_move(bar) {
                    say("This one cannot be moved here.");
                    return true;
                }
                let Some(hold) = hold(bar.clone(), Grip::Body, true, 0.0, 0) else { return false };
                hold.appear();
                say(&format!("Grabbed, move: {}", hold.text()));
                HELD.set(Some(hold));
                true
            }
            "Delete" if may_move(bar) || bar.closest("[data-plan=\"edit\"]").ok().flatten().is_some() => {
                let reservation = bar.get_attribute("data-bar").unwrap_or_default();
                let mut fields = base();
                fields.push(("do".to_owned(), "cancel".to_owned()));
                fields.push(("reservation".to_owned(), reservation.clone()));
                let name = bar.get_attribute("data-name").unwrap_or_default();
                let start = number(bar, "data-start").unwrap_or(0);
                send(&fields, Focus::Bar(reservation, start, None), format!("{name} is cancelled in the draft."));
                true
            }
            "n" | "c" if enabled => {
                let Some(grid) = bar.closest("[data-plan=\"edit\"]").ok().flatten() else { return false };
                let Some(line) = Line::of(grid) else { return false };
                let copy = bar.get_attribute("data-bar").filter(|_| name == "c");
                let held = held_of(bar).filter(|_| name == "n");
                go(&new_address(&line, &tenant_of(bar), held, copy.as_deref()));
                true
            }
            "t" | "T" if enabled => click("[data-plan-table]"),
            _ => false,
        }
    }

    /// The bar before or after in time, or the nearest in the row above or below.
    fn neighbour(bar: &HtmlElement, name: &str) -> Option<HtmlElement> {
        let row = bar.closest("[data-tenant]").ok().flatten()?;
        let bars = |row: &Element| -> Vec<Element> {
            let Ok(nodes) = row.query_selector_all("[data-bar]") else { return Vec::new() };
            (0..nodes.length()).filter_map(|index| nodes.item(index)?.dyn_into().ok()).collect()
        };
        let is_back = matches!(name, "ArrowLeft" | "ArrowUp");
        if matches!(name, "ArrowLeft" | "ArrowRight") {
            let all = bars(&row);
            let place = all.iter().position(|one| *one == **bar)?;
            let next = if is_back { place.checked_sub(1)? } else { place + 1 };
            return all.get(next).cloned()?.dyn_into().ok();
        }
        let here = number(bar, "data-start")?;
        let mut other = row;
        loop {
            other = if is_back { other.previous_element_sibling() } else { other.next_element_sibling() }?;
            let nearest =
                bars(&other).into_iter().min_by_key(|one| number(one, "data-start").unwrap_or(i64::MAX).abs_diff(here));
            if let Some(nearest) = nearest {
                return nearest.dyn_into().ok();
            }
        }
    }

    /// A key while a bar is held by keys.
    fn held_key(name: &str, shift: bool) -> bool {
        if name == "Enter" {
            if let Some(hold) = HELD.take() {
                drop_it(hold);
            }
            return true;
        }
        HELD.with_borrow_mut(|held| {
            let Some(hold) = held.as_mut() else { return false };
            let times = if shift { 10 } else { 1 };
            let chosen = match name {
                "m" | "M" => Some((Grip::Body, "Move")),
                "s" | "S" => Some((Grip::Start, "Start")),
                "e" | "E" => Some((Grip::End, "End")),
                _ => None,
            };
            if let Some((grip, word)) = chosen {
                hold.grip = grip;
                say(&format!("{word}: {}", hold.text()));
                return true;
            }
            match name {
                "ArrowLeft" | "ArrowRight" => {
                    let steps = if name == "ArrowLeft" { -times } else { times };
                    hold.now = moved(&hold.line.zone, hold.now, hold.grip, steps * hold.line.snap, hold.line.snap);
                }
                "ArrowUp" => hold.now.slots += times,
                "ArrowDown" => hold.now.slots = (hold.now.slots - times).max(1),
                " " => {}
                // Tab leads away, which puts it back.
                _ => return false,
            }
            hold.label();
            hold.show();
            say(&hold.text());
            true
        })
    }

    fn fields_of(form: &HtmlFormElement) -> Vec<(String, String)> {
        let Ok(data) = FormData::new_with_form(form) else { return Vec::new() };
        let mut fields = Vec::new();
        if let Ok(Some(entries)) = js_sys::try_iter(&data) {
            for pair in entries.flatten() {
                let pair = js_sys::Array::from(&pair);
                fields.push((pair.get(0).as_string().unwrap_or_default(), pair.get(1).as_string().unwrap_or_default()));
            }
        }
        fields
    }

    /// What every edit sends along.
    pub(super) fn base() -> Vec<(String, String)> {
        let form = document().query_selector("[data-plan-base]").ok().flatten();
        form.and_then(|form| form.dyn_into::<HtmlFormElement>().ok()).map(|form| fields_of(&form)).unwrap_or_default()
    }

    /// Who has the focus after the page's parts were put in place.
    pub(super) enum Focus {
        /// The bar of a reservation, the one that starts then if it has several; and what is done first.
        Bar(String, i64, Option<Box<dyn FnOnce()>>),
        /// The button of that key.
        Key(Option<String>),
        /// Who had it before.
        Stay,
    }

    impl Focus {
        fn begin(&mut self) {
            if let Self::Bar(_, _, first) = self
                && let Some(first) = first.take()
            {
                first();
            }
        }

        fn give(&self) {
            let found = match self {
                Self::Bar(id, start, _) => {
                    let exact = format!("[data-bar=\"{id}\"][data-start=\"{start}\"]");
                    [exact, format!("[data-bar=\"{id}\"]"), "[data-bar]".to_owned()]
                        .iter()
                        .find_map(|selector| document().query_selector(selector).ok().flatten())
                }
                Self::Key(key) => {
                    let own = key.as_ref().and_then(|key| {
                        document().query_selector(&format!("[data-plan-key=\"{key}\"]")).ok().flatten()
                    });
                    own.or_else(|| document().query_selector("[data-bar][tabindex=\"0\"]").ok().flatten())
                }
                Self::Stay => None,
            };
            if let Some(element) = found.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
                let _ = element.focus();
            }
        }
    }

    fn page() -> Option<Element> {
        document().query_selector("[data-plan-page]").ok().flatten()
    }

    /// Whether an edit is under way.
    pub(super) fn is_sending() -> bool {
        IS_SENDING.get()
    }

    pub(super) fn send(fields: &[(String, String)], mut focus: Focus, text: String) {
        if IS_SENDING.replace(true) {
            focus.begin();
            say("The last edit is still being saved; this one was not sent.");
            return;
        }
        // In parts, as forms with files are sent: what is pasted may be long.
        let Ok(body) = FormData::new() else { return };
        for (name, value) in fields {
            let _ = body.append_with_str(name, value);
        }
        if let Some(page) = page() {
            let _ = page.set_attribute("data-busy", "");
        }
        let init = RequestInit::new();
        init.set_method("POST");
        init.set_body(&body);
        let answer = window().fetch_with_str_and_init("/planner/act", &init);
        wasm_bindgen_futures::spawn_local(async move {
            let outcome = read(answer).await;
            IS_SENDING.set(false);
            if let Some(page) = page() {
                let _ = page.remove_attribute("data-busy");
            }
            focus.begin();
            let why = match outcome {
                Some((status, address, html)) => put(&html, status, &address, &focus, &text),
                None => Some("Not sent: the server is not reached. Nothing was changed.".to_owned()),
            };
            if let Some(why) = &why {
                say(why);
            }
            grid::answered(why.as_deref());
            grid::pump();
        });
    }

    async fn read(answer: js_sys::Promise) -> Option<(u16, String, String)> {
        let response = wasm_bindgen_futures::JsFuture::from(answer).await.ok()?;
        let response: web_sys::Response = response.dyn_into().ok()?;
        let (status, address) = (response.status(), response.url());
        let text = wasm_bindgen_futures::JsFuture::from(response.text().ok()?).await.ok()?;
        Some((status, address, text.as_string()?))
    }

    fn words(fresh: &Document, selector: &str) -> Option<String> {
        let element = fresh.query_selector(selector).ok().flatten()?;
        let text = element.text_content()?.split_whitespace().collect::<Vec<_>>().join(" ");
        (!text.is_empty()).then_some(text)
    }

    /// Puts what the server made of it in place: also what it refused, for then the page shows how things stand. Returns why, if it
    /// sent no page to show.
    fn put(html: &str, status: u16, address: &str, focus: &Focus, text: &str) -> Option<String> {
        let fresh = dom::parse(html)?;
        let refused = words(&fresh, "[data-plan-refused]");
        if fresh.query_selector("[data-plan-page]").ok().flatten().is_none() {
            let why = words(&fresh, "main .hr-notice, main h1").unwrap_or_default();
            return Some(format!("Refused ({status}): {why} Nothing was changed."));
        }
        let kept = grid::keep();
        let scrolled = document().query_selector("[data-plan-scroll]").ok().flatten().map(|place| place.scroll_left());
        let reason =
            || document().get_element_by_id("reason").and_then(|field| field.dyn_into::<HtmlInputElement>().ok());
        let typed = reason().map(|field| field.value());
        for name in ["plan", "plan-sub"] {
            let selector = format!("[data-refresh=\"{name}\"]");
            let old = document().query_selector(&selector).ok().flatten();
            let new = fresh.query_selector(&selector).ok().flatten();
            if let (Some(old), Some(new)) = (old, new) {
                old.set_inner_html(&new.inner_html());
            }
        }
        if let (Some(left), Ok(Some(place))) = (scrolled, document().query_selector("[data-plan-scroll]")) {
            place.set_scroll_left(left);
        }
        if let (Some(typed), Some(field)) = (typed, reason()) {
            field.set_value(&typed);
        }
        if status < 400
            && let Some(place) = address.find("/planner")
        {
            dom::set_address(&address[place..]);
        }
        roving(None);
        if !grid::restore(kept) {
            focus.give();
        }
        say(&refused.unwrap_or_else(|| {
            words(&fresh, "main [role=\"status\"]").map_or_else(
                || text.to_owned(),
                |told| {
                    if text.starts_with("Saved in the draft:") { text.to_owned() } else { told }
                },
            )
        }));
        None
    }
}
