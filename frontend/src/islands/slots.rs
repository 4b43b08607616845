//! The slot map on a canvas: every slot at the detail that the room allows, read by pointer and keyboard, repainted where it changes.

use leptos::prelude::*;

/// Paints every slot map on the page. Prints nothing: the drawing, the legend and the table are complete without it.
#[island]
pub fn SlotMaps() -> impl IntoView {
    #[cfg(feature = "hydrate")]
    canvas::start();
    view! { <span hidden="" data-slot-maps=""></span> }
}

#[cfg(feature = "hydrate")]
mod canvas {
    use std::cell::RefCell;
    use std::collections::{BTreeMap, BTreeSet};
    use std::f64::consts::TAU;
    use std::rc::Rc;

    use leptos::prelude::{document, set_timeout, window};
    use wasm_bindgen::JsCast;
    use wasm_bindgen::prelude::*;
    use web_sys::{CanvasRenderingContext2d, Element, HtmlCanvasElement, HtmlElement, KeyboardEvent, MouseEvent};

    use crate::islands::{dom, live};
    use crate::slotmap::{self, Detail, Grid, SlotState};

    /// The pointer rests so long on a slot before the server is asked about it.
    const RESTS: std::time::Duration = std::time::Duration::from_millis(250);
    /// Most slots of one act.
    const MOST_OF_ACT: usize = 10_000;
    /// A press that moves less is a click.
    const CLICK_PX: f64 = 4.0;
    /// An answer with all slots that has not come by then is asked for again.
    const ASKED_AGAIN: std::time::Duration = std::time::Duration::from_secs(5);
    /// Time between two repaints.
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

    /// Colours as the style sheet has them now, painted as they are.
    #[derive(Default)]
    struct Colours {
        surface: String,
        text: String,
        free: String,
        line: String,
        used: String,
        leaked: String,
        draining: String,
        offline: String,
        hot: String,
        accent: String,
    }

    struct Map {
        panel: Element,
        stage: HtmlElement,
        canvas: HtmlCanvasElement,
        paint: CanvasRenderingContext2d,
        cursor: HtmlElement,
        pool: String,
        /// Counts questions for all states.
        asks: u32,
        /// What was told since the last question, until its answer comes.
        meanwhile: Option<BTreeMap<usize, SlotState>>,
        states: Vec<SlotState>,
        /// The group of each slot; empty without groups.
        groups: Vec<u8>,
        names: Vec<String>,
        grid: Grid,
        /// 1 shows all.
        zoom: f64,
        /// What part of the grid is seen when it is larger than the stage: its upper left corner.
        offset: (f64, f64),
        press: Option<Press>,
        /// Distance of two fingers and the zoom when they came down.
        pinch: Option<(f64, f64)>,
        /// The slots chosen together, by number, and where choosing began.
        picked: Vec<usize>,
        anchor: Option<usize>,
        /// What the server said about a slot.
        told: Option<(usize, String)>,
        /// The slot that the pointer or the keyboard is on.
        on: Option<usize>,
        spotlight: Option<SlotState>,
        colours: Colours,
        /// The slot that the keyboard is on, from 0.
        at: usize,
        /// Digits typed so far.
        typed: String,
        dirty: BTreeSet<usize>,
        /// All of it has to be painted again.
        stale: bool,
        waits: bool,
    }

    /// A button or finger that is down.
    struct Press {
        from: (f64, f64),
        offset: (f64, f64),
        /// It picks slots instead of moving the map.
        picks: bool,
        moved: bool,
    }

    type Shared = Rc<RefCell<Map>>;

    pub(super) fn start() {
        for stage in dom::all("[data-slots-stage]") {
            if let Ok(stage) = stage.dyn_into::<HtmlElement>()
                && let Some(map) = wake(stage)
            {
                wire(&Rc::new(RefCell::new(map)));
            }
        }
    }

    fn wake(stage: HtmlElement) -> Option<Map> {
        let panel = stage.closest("[data-slots]").ok()??;
        let states = slotmap::read(&stage.get_attribute("data-states")?);
        let canvas = document().create_element("canvas").ok()?.dyn_into::<HtmlCanvasElement>().ok()?;
        let paint = canvas.get_context("2d").ok()??.dyn_into::<CanvasRenderingContext2d>().ok()?;
        let cursor = document().create_element("i").ok()?.dyn_into::<HtmlElement>().ok()?;
        cursor.set_class_name("hr-slots__cursor");
        cursor.set_hidden(true);
        let _ = canvas.set_attribute("aria-hidden", "true");
        stage.set_text_content(None);
        stage.append_child(&canvas).ok()?;
        stage.append_child(&cursor).ok()?;
        for (name, value) in [("role", "application"), ("tabindex", "0"), ("aria-roledescription", "slot map")] {
            let _ = stage.set_attribute(name, value);
        }
        let attribute = |name: &str| stage.get_attribute(name).unwrap_or_default();
        let mut map = Map {
            pool: attribute("data-slots-stage"),
            asks: 0,
            meanwhile: None,
            spotlight: SlotState::parse(&attribute("data-spotlight")),
            groups: slotmap::read_groups(&attribute("data-groups")),
            names: attribute("data-group-names").lines().map(str::to_owned).collect(),
            grid: Grid::fit(states.len(), &[], 1, 1),
            zoom: 1.0,
            offset: (0.0, 0.0),
            press: None,
            pinch: None,
            picked: Vec::new(),
            anchor: None,
            told: None,
            on: None,
            stale: false,
            colours: Colours::default(),
            at: 0,
            typed: String::new(),
            dirty: BTreeSet::new(),
            waits: false,
            panel,
            stage,
            canvas,
            paint,
            cursor,
            states,
        };
        map.fit();
        Some(map)
    }

    fn wire(shared: &Shared) {
        let stage = shared.borrow().stage.clone();
        let on = || Rc::clone(shared);
        let map = on();
        dom::listen(&window(), "resize", move |_: web_sys::Event| map.borrow_mut().fit());
        let map = on();
        dom::listen(&window(), dom::THEME_CHANGED, move |_: web_sys::Event| map.borrow_mut().fit());
        if let Ok(Some(query)) = window().match_media("(prefers-color-scheme: dark)") {
            let map = on();
            dom::listen(&query, "change", move |_: web_sys::Event| map.borrow_mut().fit());
        }
        let map = on();
        dom::listen(&stage, "pointermove", move |event: MouseEvent| {
            map.borrow_mut().hover(&event);
            ask_soon(&map);
        });
        let map = on();
        dom::listen(&stage, "pointerleave", move |_: MouseEvent| map.borrow_mut().rest());
        let map = on();
        dom::listen(&stage, "focus", move |_: web_sys::Event| {
            map.borrow_mut().go(None);
            ask_soon(&map);
        });
        let map = on();
        dom::listen(&stage, "blur", move |_: web_sys::Event| map.borrow_mut().rest());
        let map = on();
        dom::listen(&stage, "keydown", move |event: KeyboardEvent| {
            let used = key(&map, &event);
            if used {
                // The same keys mean other things to the rest of the page.
                event.prevent_default();
                event.stop_propagation();
            }
        });
        wire_presses(shared, &stage);
        wire_buttons(shared);
        let map = on();
        live::subscribe("slots", move |message| changed(&map, message));
        let map = on();
        live::subscribe("reset", move |_| read_again(&map));
    }

    /// Dragging moves a map that is larger than its stage; with Shift it picks slots. Two fingers zoom. The wheel scrolls the page.
    fn wire_presses(shared: &Shared, stage: &HtmlElement) {
        let on = || Rc::clone(shared);
        let map = on();
        dom::listen(stage, "pointerdown", move |event: MouseEvent| {
            if event.button() == 0 {
                map.borrow_mut().press(&event);
            }
        });
        let map = on();
        dom::listen(&window(), "pointermove", move |event: MouseEvent| {
            let is_pressed = map.borrow().press.is_some();
            if is_pressed {
                map.borrow_mut().drag(&event);
                later(&map);
            }
        });
        let map = on();
        dom::listen(&window(), "pointercancel", move |_: MouseEvent| map.borrow_mut().press = None);
        let map = on();
        dom::listen(&window(), "pointerup", move |event: MouseEvent| {
            let Some(press) = map.borrow_mut().press.take() else { return };
            if press.moved || map.borrow().pinch.is_some() {
                return;
            }
            let at = map.borrow().slot_under(&event);
            match at {
                Some(slot) if press.picks => {
                    map.borrow_mut().pick(slot, slot);
                    later(&map);
                }
                Some(slot) => choose(&map, slot, false),
                None => {}
            }
        });
        let map = on();
        dom::listen(stage, "touchstart", move |event: web_sys::Event| {
            if let Some((distance, _)) = fingers(&event) {
                let zoom = map.borrow().zoom;
                map.borrow_mut().pinch = Some((distance, zoom));
            }
        });
        let map = on();
        dom::listen(stage, "touchmove", move |event: web_sys::Event| {
            let pinch = map.borrow().pinch;
            let (Some((now, (x, y))), Some((distance, zoom))) = (fingers(&event), pinch) else { return };
            event.prevent_default();
            let rect = map.borrow().canvas.get_bounding_client_rect();
            map.borrow_mut().zoom_to(zoom * now / distance.max(1.0), Some((x - rect.left(), y - rect.top())));
        });
        let map = on();
        dom::listen(stage, "touchend", move |event: web_sys::Event| {
            if fingers(&event).is_none() {
                map.borrow_mut().pinch = None;
            }
        });
    }

    /// How far two fingers are apart and the place between them; `None` if there are not two.
    fn fingers(event: &web_sys::Event) -> Option<(f64, (f64, f64))> {
        let touches = dom::member(event, "touches");
        if dom::number(&touches, "length") != Some(2.0) {
            return None;
        }
        let at = |finger: &str| {
            let touch = dom::member(&touches, finger);
            Some((dom::number(&touch, "clientX")?, dom::number(&touch, "clientY")?))
        };
        let ((x, y), (other_x, other_y)) = (at("0")?, at("1")?);
        Some(((x - other_x).hypot(y - other_y), (x.midpoint(other_x), y.midpoint(other_y))))
    }

    fn wire_buttons(shared: &Shared) {
        let panel = shared.borrow().panel.clone();
        let find = |selector: &str| panel.query_selector(selector).ok().flatten();
        for (word, factor) in [("out", 0.5), ("in", 2.0), ("fit", 0.0)] {
            let Some(button) = find(&format!("[data-slots-zoom=\"{word}\"]")) else { continue };
            let map = Rc::clone(shared);
            dom::listen(&button, "click", move |_: MouseEvent| {
                let zoom = map.borrow().zoom * factor;
                map.borrow_mut().zoom_to(zoom, None);
            });
        }
        if let Some(button) = find("[data-slots-copy]") {
            let map = Rc::clone(shared);
            dom::listen(&button, "click", move |_: MouseEvent| {
                dom::copy(&slotmap::ranges(&map.borrow().picked), "Slot numbers copied");
            });
        }
        if let Some(button) = find("[data-slots-drop]") {
            let map = Rc::clone(shared);
            dom::listen(&button, "click", move |_: MouseEvent| {
                map.borrow_mut().drop_picked();
                later(&map);
                let _ = map.borrow().stage.focus();
            });
        }
    }

    /// Whether the key was used.
    fn key(shared: &Shared, event: &KeyboardEvent) -> bool {
        let opens = {
            let mut map = shared.borrow_mut();
            if event.key() == "Enter" && map.typed.is_empty() {
                Some(map.at)
            } else if map.key(event) {
                None
            } else {
                return false;
            }
        };
        match opens {
            Some(slot) => choose(shared, slot, true),
            None => ask_soon(shared),
        }
        later(shared);
        true
    }

    /// Shows what is known about a slot below the map, and puts it into the address: the same page comes from the server.
    fn choose(shared: &Shared, slot: usize, by_key: bool) {
        let (address, panel) = {
            let map = shared.borrow();
            let any = map.stage.get_attribute("data-any").unwrap_or_default();
            let address = map.stage.get_attribute("data-choose").unwrap_or_default();
            (address.replace(&any, &(slot + 1).to_string()), map.panel.clone())
        };
        dom::set_address(&address);
        dom::fetch_text(&address, move |html| {
            let Some(fresh) = dom::parse(&html) else { return };
            let (Ok(Some(new)), Ok(Some(place))) =
                (fresh.query_selector("[data-slots-panel]"), panel.query_selector("[data-slots-panel]"))
            else {
                return;
            };
            place.set_inner_html(&new.inner_html());
            if by_key
                && let Ok(Some(section)) = place.query_selector("section")
                && let Ok(section) = section.dyn_into::<HtmlElement>()
            {
                let _ = section.focus();
            }
        });
    }

    /// Asks the server about the slot that the pointer rests on: whose it is, how long, how long still, and what happened last.
    fn ask_soon(shared: &Shared) {
        let Some(slot) = shared.borrow().on else { return };
        if shared.borrow().told.as_ref().is_some_and(|(of, _)| *of == slot) {
            return;
        }
        let shared = Rc::clone(shared);
        set_timeout(
            move || {
                let is_known = shared.borrow().told.as_ref().is_some_and(|(of, _)| *of == slot);
                if shared.borrow().on != Some(slot) || is_known {
                    return;
                }
                shared.borrow_mut().told = Some((slot, String::new()));
                let address = format!("/api/v1{}/slots/{}", crate::url::pool_path(&shared.borrow().pool), slot + 1);
                let shared = Rc::clone(&shared);
                dom::fetch_text(&address, move |text| {
                    let Ok(answer) = js_sys::JSON::parse(&text) else { return };
                    let mut map = shared.borrow_mut();
                    map.told = Some((slot, in_words(&answer)));
                    if map.on == Some(slot) {
                        map.tell("[data-slots-tip]", &map.words(slot));
                    }
                });
            },
            RESTS,
        );
    }

    /// `tenant acme, held 3 m, 27 s left, on n-07, last: renew`
    fn in_words(answer: &JsValue) -> String {
        let slot = dom::member(answer, "slot");
        let events = js_sys::Array::from(&dom::member(answer, "events"));
        let last = events.get(0);
        let time = |ms: f64| headroom_domain::format::duration(ms as i64);
        let mut parts = Vec::new();
        let claim = dom::text(&slot, "claim");
        let tenant = events.iter().find(|event| !claim.is_empty() && dom::text(event, "claim") == claim);
        if let Some(tenant) = tenant.map(|event| dom::text(&event, "tenant")).filter(|tenant| !tenant.is_empty()) {
            parts.push(format!("tenant {tenant}"));
        }
        if let Some(held) = dom::number(&slot, "held_ms") {
            parts.push(format!("held {}", time(held)));
        }
        match dom::number(&slot, "remaining_ms") {
            Some(left) if left < 0.0 => parts.push(format!("lease over since {}", time(-left))),
            Some(left) => parts.push(format!("{} left", time(left))),
            None => {}
        }
        if let Some(work) = events.iter().find_map(|event| dom::number(&event, "work_ms")) {
            parts.push(format!("last work {}", time(work)));
        }
        let node = dom::text(&slot, "node");
        if !node.is_empty() {
            parts.push(format!("on {node}"));
        }
        let kind = dom::text(&last, "kind");
        if !kind.is_empty() {
            parts.push(format!("last: {kind}"));
        }
        parts.join(", ")
    }

    /// Some slots changed, or too much to say.
    fn changed(shared: &Shared, message: &JsValue) {
        if dom::text(message, "pool") != shared.borrow().pool {
            return;
        }
        if dom::member(message, "reset").is_truthy() {
            read_again(shared);
            return;
        }
        let mut map = shared.borrow_mut();
        for change in js_sys::Array::from(&dom::member(message, "changes")).iter() {
            let change = js_sys::Array::from(&change);
            let (slot, state) = (change.get(0).as_f64(), change.get(1).as_string());
            if let (Some(slot), Some(state)) = (slot, state.and_then(|state| state.chars().next())) {
                let told = (slot as usize, SlotState::from_char(state));
                map.set(told.0, told.1);
                if let Some(meanwhile) = &mut map.meanwhile {
                    meanwhile.insert(told.0, told.1);
                }
            }
        }
        map.write_counts();
        drop(map);
        later(shared);
    }

    /// Repaints what changed, at most ten times a second.
    fn later(shared: &Shared) {
        {
            let mut map = shared.borrow_mut();
            if map.waits || (map.dirty.is_empty() && !map.stale) {
                return;
            }
            map.waits = true;
        }
        let shared = Rc::clone(shared);
        set_timeout(
            move || {
                let mut map = shared.borrow_mut();
                map.waits = false;
                map.repaint();
            },
            PAUSE,
        );
    }

    /// Asks for all states. What the stream tells until the answer comes is kept, and holds on top of it: the answer may be from
    /// before. Were it from after, the stream tells so again with its next look.
    fn read_again(shared: &Shared) {
        let (address, ask) = {
            let mut map = shared.borrow_mut();
            map.meanwhile = Some(BTreeMap::new());
            map.asks += 1;
            (format!("/api/v1{}/slots", crate::url::pool_path(&map.pool)), map.asks)
        };
        let (shared, again) = (Rc::clone(shared), Rc::clone(shared));
        set_timeout(
            move || {
                let is_waiting = {
                    let map = again.borrow();
                    map.asks == ask && map.meanwhile.is_some()
                };
                if is_waiting {
                    read_again(&again);
                }
            },
            ASKED_AGAIN,
        );
        dom::fetch_text(&address, move |text| {
            let Ok(answer) = js_sys::JSON::parse(&text) else { return };
            let mut states = slotmap::read(&dom::text(&answer, "states"));
            let mut map = shared.borrow_mut();
            // Another question was asked since, and the changes since then are kept for its answer.
            if map.asks != ask {
                return;
            }
            // Whether its work is slow is known to the page only.
            for (state, known) in states.iter_mut().zip(&map.states) {
                if (*known, *state) == (SlotState::Hot, SlotState::Occupied) {
                    *state = SlotState::Hot;
                }
            }
            map.states = states;
            map.fit();
            for (slot, state) in map.meanwhile.take().unwrap_or_default() {
                map.set(slot, state);
            }
            map.write_counts();
            drop(map);
            later(&shared);
        });
    }

    impl Map {
        /// Width and height of the stage, pixels.
        fn room(&self) -> (u32, u32) {
            (self.stage.client_width().max(1) as u32, self.stage.client_height().max(1) as u32)
        }

        /// Lays the map out for the room there is at this zoom.
        fn lay_out(&mut self) {
            self.grid = Grid::closer(self.states.len(), &self.groups, self.room(), self.zoom);
        }

        /// Lays the map out, reads the colours, and paints all of it.
        fn fit(&mut self) {
            let (width, height) = self.room();
            let ratio = window().device_pixel_ratio().max(1.0);
            self.lay_out();
            self.offset = self.bounded(self.offset);
            let is_larger = self.bounded((f64::MAX, f64::MAX)) != (0.0, 0.0);
            let _ = self.stage.toggle_attribute_with_force("data-larger", is_larger);
            self.canvas.set_width((f64::from(width) * ratio) as u32);
            self.canvas.set_height((f64::from(height) * ratio) as u32);
            let (left, top) = self.offset;
            let _ = self.paint.set_transform(ratio, 0.0, 0.0, ratio, -left * ratio, -top * ratio);
            if let Ok(Some(style)) = window().get_computed_style(&self.stage) {
                let read = |name: &str| style.get_property_value(name).unwrap_or_default().trim().to_owned();
                self.colours = Colours {
                    surface: read("--hr-surface"),
                    text: read("--hr-text"),
                    free: read("--hr-slot-free"),
                    line: read("--hr-slot-free-line"),
                    used: read("--hr-slot-occ"),
                    leaked: read("--hr-slot-leak"),
                    draining: read("--hr-slot-drain"),
                    offline: read("--hr-slot-off"),
                    hot: read("--hr-chart-4"),
                    accent: read("--hr-focus"),
                };
                self.paint.set_font(&format!("550 11px {}", read("--hr-font")));
            }
            if let Ok(Some(scale)) = self.panel.query_selector("[data-slots-scale]") {
                let bundle = self.grid.bundle as i64;
                let noun = if bundle == 1 { "slot" } else { "slots" };
                scale.set_text_content(Some(&format!("1 box = {bundle} {noun}")));
            }
            self.dirty.clear();
            self.stale = false;
            self.paint.clear_rect(left, top, f64::from(width), f64::from(height));
            let all: Vec<usize> = (0..self.grid.len()).collect();
            self.paint_boxes(&all, &all);
            self.paint_names();
            if document().active_element().as_ref() == Some(self.stage.as_ref()) {
                self.put_cursor(self.grid.place_of(self.at));
            }
        }

        /// The nearest place that the map may be moved to.
        fn bounded(&self, (x, y): (f64, f64)) -> (f64, f64) {
            let pitch = f64::from(self.grid.pitch());
            let room = |cells: usize, length: i32| (cells as f64 * pitch - f64::from(length)).max(0.0);
            let right = room(self.grid.columns(), self.stage.client_width());
            let bottom = room(self.grid.rows(), self.stage.client_height());
            (x.clamp(0.0, right), y.clamp(0.0, bottom))
        }

        /// Looks closer or from farther away; what is at a place of the stage, or in its middle, stays there.
        fn zoom_to(&mut self, zoom: f64, about: Option<(f64, f64)>) {
            let (width, height) = self.room();
            let (left, top) = about.unwrap_or((f64::from(width) / 2.0, f64::from(height) / 2.0));
            let seen = self.grid.at(self.offset.0 + left, self.offset.1 + top);
            let seen = seen.and_then(|place| self.grid.slots_of(place).first().copied());
            self.zoom = zoom.clamp(1.0, Grid::most_zoom(self.states.len(), &self.groups, self.room()));
            self.lay_out();
            if let Some(slot) = seen {
                let (x, y) = self.grid.corner(self.grid.place_of(slot));
                let half = f64::from(self.grid.pitch()) / 2.0;
                self.offset = (f64::from(x) + half - left, f64::from(y) + half - top);
            }
            self.fit();
        }

        fn press(&mut self, event: &MouseEvent) {
            let picks = event.shift_key();
            if picks {
                // Otherwise the browser selects text up to here.
                event.prevent_default();
                self.anchor = self.slot_under(event);
            }
            let from = (f64::from(event.client_x()), f64::from(event.client_y()));
            self.press = Some(Press { from, offset: self.offset, picks, moved: false });
        }

        fn drag(&mut self, event: &MouseEvent) {
            let Some(press) = self.press.as_mut() else { return };
            let (x, y) = (f64::from(event.client_x()) - press.from.0, f64::from(event.client_y()) - press.from.1);
            press.moved |= x.hypot(y) > CLICK_PX;
            if !press.moved || self.pinch.is_some() {
                return;
            }
            let (picks, offset) = (press.picks, press.offset);
            if !picks {
                self.offset = self.bounded((offset.0 - x, offset.1 - y));
                self.stale = true;
            } else if let (Some(from), Some(to)) = (self.anchor, self.slot_under(event)) {
                self.pick(from, to);
            }
        }

        /// Chooses all slots between two, as they lie on the map.
        fn pick(&mut self, from: usize, to: usize) {
            self.anchor = Some(from);
            self.picked = self.grid.between(from, to);
            self.stale = true;
            let count = self.picked.len();
            let noun = if count == 1 { "slot" } else { "slots" };
            let text = format!("{} {noun}", headroom_domain::format::count(count as i64));
            self.tell("[data-slots-picked-count]", &text);
            self.tell("[data-slots-said]", &format!("{text} chosen"));
            let ranges = slotmap::ranges(&self.picked);
            for link in dom::all("[data-slots-act]").iter().filter(|link| self.panel.contains(Some(link))) {
                let page = link.get_attribute("data-slots-act").unwrap_or_default();
                let _ = link.set_attribute("href", &crate::url::with_query(&page, &[("slots", &ranges)]));
                // A form takes so many at a time.
                let _ = link.toggle_attribute_with_force("hidden", count > MOST_OF_ACT);
            }
            self.show_picked(true);
        }

        fn drop_picked(&mut self) {
            self.picked.clear();
            self.anchor = None;
            self.stale = true;
            self.show_picked(false);
        }

        fn show_picked(&self, shown: bool) {
            if let Ok(Some(place)) = self.panel.query_selector("[data-slots-picked]") {
                let _ = place.toggle_attribute_with_force("hidden", !shown);
            }
        }

        /// The names of groups, each with its number of slots.
        fn paint_names(&self) {
            self.paint.set_fill_style_str(&self.colours.text);
            self.paint.set_text_align("left");
            self.paint.set_text_baseline("alphabetic");
            for (end, group) in self.grid.heads() {
                let count = self.groups.iter().filter(|of| usize::from(**of) == group).count();
                let name = self.names.get(group).map_or("", String::as_str);
                let text = format!("{name} · {}", headroom_domain::format::count(count as i64));
                let y = f64::from(end) - 5.0;
                let _ = self.paint.fill_text(&text, 0.0, y);
            }
        }

        /// Whether any of a place is seen.
        fn is_seen(&self, place: usize) -> bool {
            let (x, y) = self.grid.corner(place);
            let reach = f64::from(self.grid.pitch().max(self.grid.mark()));
            let near = |at: u32, from: f64, length: i32| {
                let at = f64::from(at) - from;
                at > -reach && at < f64::from(length) + reach
            };
            near(x, self.offset.0, self.stage.client_width()) && near(y, self.offset.1, self.stage.client_height())
        }

        /// Slots are counted from 1 in the stream.
        fn set(&mut self, slot: usize, state: SlotState) {
            let Some(place) = slot.checked_sub(1).and_then(|index| self.states.get_mut(index)) else { return };
            // Whether its work is slow is not told here: a slot that stays in use stays hot until all is read again.
            if *place != state && (*place, state) != (SlotState::Hot, SlotState::Occupied) {
                *place = state;
                self.dirty.insert(self.grid.place_of(slot - 1));
                if self.told.as_ref().is_some_and(|(of, _)| *of == slot - 1) {
                    self.told = None;
                }
            }
        }

        fn repaint(&mut self) {
            let changed = std::mem::take(&mut self.dirty);
            if self.stale || changed.len() * 4 > self.grid.len() {
                self.fit();
                return;
            }
            let around = |boxes: &BTreeSet<usize>| -> BTreeSet<usize> {
                boxes.iter().flat_map(|index| self.grid.around(*index)).collect()
            };
            // Marks reach over the edge of their box, so the neighbours' marks are painted again too.
            let boxes = around(&changed);
            let marks: Vec<usize> = around(&boxes).into_iter().collect();
            let boxes: Vec<usize> = boxes.into_iter().collect();
            let pitch = f64::from(self.grid.pitch());
            for index in &boxes {
                let (x, y) = self.grid.corner(*index);
                self.paint.clear_rect(f64::from(x), f64::from(y), pitch, pitch);
            }
            self.paint_boxes(&boxes, &marks);
            if !self.groups.is_empty() {
                self.paint_names();
            }
        }

        fn shown(&self, index: usize) -> slotmap::Shown {
            slotmap::shown(self.grid.slots_of(index).iter().filter_map(|slot| self.states.get(*slot)).copied())
        }

        fn light(&self, state: SlotState) {
            let lit = self.spotlight.is_none_or(|spotlight| spotlight == state);
            self.paint.set_global_alpha(if lit { 1.0 } else { 0.2 });
        }

        /// Boxes first, all of one colour together; what is unusual last, over everything.
        fn paint_boxes(&self, boxes: &[usize], marks: &[usize]) {
            let side = f64::from(self.grid.pitch()) - 1.0;
            let has_slots = |index: &&usize| !self.grid.slots_of(**index).is_empty() && self.is_seen(**index);
            let shown: Vec<(usize, slotmap::Shown)> =
                boxes.iter().filter(has_slots).map(|index| (*index, self.shown(*index))).collect();
            let corner = |index: usize| {
                let (x, y) = self.grid.corner(index);
                (f64::from(x), f64::from(y))
            };
            self.light(SlotState::Free);
            self.paint.set_fill_style_str(&self.colours.free);
            self.paint.set_stroke_style_str(&self.colours.line);
            self.paint.set_line_width(1.0);
            self.paint.begin_path();
            for (index, box_) in &shown {
                if box_.used < box_.slots {
                    let (x, y) = corner(*index);
                    self.paint.rect(x + 0.5, y + 0.5, side - 1.0, side - 1.0);
                }
            }
            self.paint.fill();
            self.paint.stroke();
            self.light(SlotState::Occupied);
            self.paint.set_fill_style_str(&self.colours.used);
            for (index, box_) in &shown {
                if box_.used > 0 {
                    let (x, y) = corner(*index);
                    let height = (side * box_.used as f64 / box_.slots as f64).round().max(1.0);
                    self.paint.fill_rect(x, y + side - height, side, height);
                }
            }
            if self.grid.detail() == Detail::Numbered && self.numbers_fit(side) {
                for (index, box_) in &shown {
                    if !box_.state.is_anomaly() {
                        self.write_number(*index, corner(*index), side);
                    }
                }
            }
            for index in marks.iter().filter(has_slots) {
                let state = self.shown(*index).state;
                if state.is_anomaly() {
                    self.light(state);
                    self.paint_mark(state, corner(*index), side);
                }
            }
            self.paint.set_global_alpha(1.0);
            if !self.picked.is_empty() {
                self.paint.set_stroke_style_str(&self.colours.accent);
                self.paint.set_line_width(2.0);
                let is_picked = |index: &usize| {
                    self.grid.slots_of(*index).first().is_some_and(|slot| self.picked.binary_search(slot).is_ok())
                };
                for (index, _) in shown.iter().filter(|(index, _)| is_picked(index)) {
                    let (x, y) = corner(*index);
                    self.paint.stroke_rect(x + 1.0, y + 1.0, side - 2.0, side - 2.0);
                }
                self.paint.set_line_width(1.0);
            }
        }

        /// Whether the longest number has room in a box: numbers on some boxes only would look like a sign of something.
        fn numbers_fit(&self, side: f64) -> bool {
            self.states.len().to_string().len() as f64 * 6.5 <= side - 2.0
        }

        fn write_number(&self, index: usize, (x, y): (f64, f64), side: f64) {
            let Some(slot) = self.grid.slots_of(index).first() else { return };
            let text = (slot + 1).to_string();
            self.paint.set_fill_style_str(&self.colours.text);
            self.paint.set_text_align("center");
            self.paint.set_text_baseline("middle");
            let _ = self.paint.fill_text(&text, x + side / 2.0, y + side / 2.0 + 0.5);
        }

        /// Shapes, not only colours: a diamond, a ring, an arrow down, an upright notch.
        fn paint_mark(&self, state: SlotState, (x, y): (f64, f64), side: f64) {
            let size = f64::from(self.grid.mark());
            let (middle_x, middle_y) = (x + side / 2.0, y + side / 2.0);
            let (left, top) = (middle_x - size / 2.0, middle_y - size / 2.0);
            let paint = &self.paint;
            match state {
                SlotState::Leaked => {
                    // Its tips are thin: a diamond of seven pixels would look smaller than one.
                    let half = size / 2.0 + 1.5;
                    // A rim of surface keeps the mark apart from what lies under it.
                    paint.set_fill_style_str(&self.colours.leaked);
                    paint.set_stroke_style_str(&self.colours.surface);
                    paint.begin_path();
                    paint.move_to(middle_x, middle_y - half);
                    paint.line_to(middle_x + half, middle_y);
                    paint.line_to(middle_x, middle_y + half);
                    paint.line_to(middle_x - half, middle_y);
                    paint.close_path();
                    paint.fill();
                    paint.stroke();
                    if self.grid.detail() == Detail::Numbered {
                        let arm = size / 5.0;
                        paint.set_line_width(2.0);
                        paint.begin_path();
                        paint.move_to(middle_x - arm, middle_y - arm);
                        paint.line_to(middle_x + arm, middle_y + arm);
                        paint.move_to(middle_x + arm, middle_y - arm);
                        paint.line_to(middle_x - arm, middle_y + arm);
                        paint.stroke();
                        paint.set_line_width(1.0);
                    }
                }
                SlotState::Draining => {
                    paint.set_fill_style_str(&self.colours.draining);
                    paint.fill_rect(left, top, size, size);
                    paint.set_fill_style_str(&self.colours.surface);
                    let (arm, stem) = (size * 0.3, (size * 0.16).max(1.0));
                    paint.fill_rect(middle_x - stem / 2.0, top + size * 0.18, stem, size * 0.36);
                    paint.begin_path();
                    paint.move_to(middle_x - arm, middle_y);
                    paint.line_to(middle_x + arm, middle_y);
                    paint.line_to(middle_x, top + size * 0.86);
                    paint.close_path();
                    paint.fill();
                }
                SlotState::Hot => {
                    paint.set_fill_style_str(&self.colours.used);
                    paint.fill_rect(left, top, size, size);
                    paint.set_stroke_style_str(&self.colours.hot);
                    paint.set_line_width(2.0);
                    paint.begin_path();
                    let _ = paint.arc(middle_x, middle_y, size / 2.0 - 1.0, 0.0, TAU);
                    paint.stroke();
                    paint.set_line_width(1.0);
                }
                _ => {
                    paint.set_fill_style_str(&self.colours.offline);
                    paint.fill_rect(left, top, size, size);
                    paint.set_fill_style_str(&self.colours.surface);
                    paint.fill_rect(middle_x - 1.0, top, 2.0, size);
                }
            }
        }

        fn write_counts(&self) {
            for (state, count) in SlotState::ALL.into_iter().zip(slotmap::counts(&self.states)) {
                let place = self.panel.query_selector(&format!("[data-slots-count=\"{}\"]", state.slug()));
                if let Ok(Some(place)) = place {
                    place.set_text_content(Some(&headroom_domain::format::count(count)));
                }
            }
        }

        /// The slot that matters most in the box under the pointer.
        fn slot_under(&self, event: &MouseEvent) -> Option<usize> {
            let rect = self.canvas.get_bounding_client_rect();
            let (x, y) = (f64::from(event.client_x()) - rect.left(), f64::from(event.client_y()) - rect.top());
            let place = self.grid.at(x + self.offset.0, y + self.offset.1);
            place.and_then(|place| self.first_of(place))
        }

        fn first_of(&self, place: usize) -> Option<usize> {
            let slots = self.grid.slots_of(place).iter().copied().filter(|slot| *slot < self.states.len());
            slots.max_by_key(|slot| (self.states[*slot].weight(), usize::MAX - slot))
        }

        fn hover(&mut self, event: &MouseEvent) {
            match self.slot_under(event) {
                Some(slot) => {
                    self.on = Some(slot);
                    self.put_cursor(self.grid.place_of(slot));
                    self.tell("[data-slots-tip]", &self.words(slot));
                }
                None => self.rest(),
            }
        }

        /// Nothing is pointed at: the cursor goes back to the keyboard's place, or away.
        fn rest(&mut self) {
            self.on = None;
            if document().active_element().as_ref() == Some(self.stage.as_ref()) {
                self.on = Some(self.at);
                self.put_cursor(self.grid.place_of(self.at));
                self.tell("[data-slots-tip]", &self.words(self.at));
            } else {
                self.cursor.set_hidden(true);
                self.tell("[data-slots-tip]", "");
            }
        }

        fn put_cursor(&self, index: usize) {
            let (x, y) = self.grid.corner(index);
            let (x, y) = (f64::from(x) - self.offset.0, f64::from(y) - self.offset.1);
            let style = format!("left:{x}px;top:{y}px;width:{0}px;height:{0}px", self.grid.pitch() - 1);
            let _ = self.cursor.set_attribute("style", &style);
            self.cursor.set_hidden(false);
        }

        fn tell(&self, place: &str, text: &str) {
            if let Ok(Some(place)) = self.panel.query_selector(place) {
                place.set_text_content(Some(text));
            }
        }

        /// `Slot 4711, leaked, 6 m 12 s ago, tenant acme-search, row 12 of 40`
        fn words(&self, slot: usize) -> String {
            let Some(state) = self.states.get(slot) else { return String::new() };
            let index = self.grid.place_of(slot);
            let mut text = format!("Slot {}, {}", slot + 1, state.slug());
            let told = self.told.as_ref().filter(|(of, told)| *of == slot && !told.is_empty());
            // The table knows more about what is unusual.
            if told.is_none()
                && let Ok(Some(row)) = self.panel.query_selector(&format!("tr[data-slot=\"{}\"]", slot + 1))
            {
                if let Some(since) = row.query_selector("time").ok().flatten().and_then(|time| time.text_content()) {
                    text += &format!(", {since}");
                }
                if let Some(tenant) = row.get_attribute("data-tenant") {
                    text += &format!(", tenant {tenant}");
                }
            }
            if let Some((_, told)) = told {
                text += ", ";
                text += told;
            }
            if self.grid.bundle > 1 {
                let shown = self.shown(index);
                text += &format!(", in a box of {} slots, {} in use", shown.slots, shown.used);
            }
            text + &format!(", row {} of {}", index / self.grid.columns() + 1, self.grid.rows())
        }

        /// Moves the keyboard's place (or stays) and says where it is.
        fn go(&mut self, to: Option<usize>) {
            if self.states.is_empty() {
                return;
            }
            self.at = to.unwrap_or(self.at).min(self.states.len() - 1);
            self.on = Some(self.at);
            self.bring_into_view();
            self.put_cursor(self.grid.place_of(self.at));
            let words = self.words(self.at);
            self.tell("[data-slots-tip]", &words);
            self.tell("[data-slots-said]", &words);
        }

        /// Moves a map that is larger than its stage so that the keyboard's place is on it.
        fn bring_into_view(&mut self) {
            let (x, y) = self.grid.corner(self.grid.place_of(self.at));
            let pitch = f64::from(self.grid.pitch());
            let near = |at: u32, from: f64, length: i32| {
                let at = f64::from(at);
                from.min(at).max(at + pitch - f64::from(length))
            };
            let wanted =
                (near(x, self.offset.0, self.stage.client_width()), near(y, self.offset.1, self.stage.client_height()));
            let wanted = self.bounded(wanted);
            if wanted != self.offset {
                self.offset = wanted;
                self.fit();
            }
        }

        /// Whether the key was used.
        fn key(&mut self, event: &KeyboardEvent) -> bool {
            if event.ctrl_key() || event.meta_key() || event.alt_key() {
                return false;
            }
            let key = event.key();
            match key.as_str() {
                "]" | "[" => match slotmap::next_anomaly(&self.states, self.at, key == "]") {
                    Some(slot) => self.go(Some(slot)),
                    None => self.tell("[data-slots-said]", "No slot is leaked, draining, offline or hot"),
                },
                "Enter" => {
                    let typed = std::mem::take(&mut self.typed);
                    if let Ok(slot @ 1..) = typed.parse::<usize>() {
                        self.go(Some(slot - 1));
                    }
                }
                "Escape" if !self.picked.is_empty() => self.drop_picked(),
                "Escape" if !self.typed.is_empty() => {
                    self.typed.clear();
                    self.go(None);
                }
                digit if digit.len() == 1 && digit.as_bytes()[0].is_ascii_digit() => {
                    self.typed.push_str(digit);
                    let text = format!("Slot {}, press Enter to go there", self.typed);
                    self.tell("[data-slots-tip]", &text);
                    self.tell("[data-slots-said]", &text);
                }
                other => {
                    let Some(place) = self.grid.step(self.grid.place_of(self.at), other) else { return false };
                    let (from, slot) = (self.anchor.unwrap_or(self.at), self.first_of(place));
                    self.go(slot);
                    // With Shift the way between is picked.
                    if let Some(to) = slot.filter(|_| event.shift_key()) {
                        self.pick(from, to);
                    }
                }
            }
            true
        }
    }
}
