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
    use std::collections::BTreeSet;
    use std::f64::consts::TAU;
    use std::rc::Rc;

    use leptos::prelude::{document, set_timeout, window};
    use wasm_bindgen::JsCast;
    use wasm_bindgen::prelude::*;
    use web_sys::{CanvasRenderingContext2d, Element, HtmlCanvasElement, HtmlElement, KeyboardEvent, MouseEvent};

    use crate::islands::{dom, live};
    use crate::slotmap::{self, Detail, Layout, SlotState};

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
    }

    struct Map {
        panel: Element,
        stage: HtmlElement,
        canvas: HtmlCanvasElement,
        paint: CanvasRenderingContext2d,
        cursor: HtmlElement,
        pool: String,
        page: String,
        version: f64,
        states: Vec<SlotState>,
        layout: Layout,
        spotlight: Option<SlotState>,
        colours: Colours,
        /// The slot that the keyboard is on, from 0.
        at: usize,
        /// Digits typed so far.
        typed: String,
        dirty: BTreeSet<usize>,
        waits: bool,
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
            page: attribute("data-href"),
            version: attribute("data-version").parse().unwrap_or(0.0),
            spotlight: SlotState::parse(&attribute("data-spotlight")),
            layout: Layout::fit(states.len(), 1, 1),
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
        dom::listen(&stage, "pointermove", move |event: MouseEvent| map.borrow().hover(&event));
        let map = on();
        dom::listen(&stage, "pointerleave", move |_: MouseEvent| map.borrow().rest());
        let map = on();
        dom::listen(&stage, "click", move |event: MouseEvent| {
            let at = map.borrow().slot_under(&event);
            if let Some(slot) = at {
                map.borrow().open(slot);
            }
        });
        let map = on();
        dom::listen(&stage, "focus", move |_: web_sys::Event| map.borrow_mut().go(None));
        let map = on();
        dom::listen(&stage, "blur", move |_: web_sys::Event| map.borrow().rest());
        let map = on();
        dom::listen(&stage, "keydown", move |event: KeyboardEvent| {
            let used = map.borrow_mut().key(&event);
            if used {
                // The same keys mean other things to the rest of the page.
                event.prevent_default();
                event.stop_propagation();
            }
        });
        let map = on();
        live::subscribe("slots", move |message| changed(&map, message));
        let map = on();
        live::subscribe("reset", move |_| read_again(&map));
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
        let version = dom::number(message, "version").unwrap_or(0.0);
        let known = shared.borrow().version;
        if version <= known {
            return;
        }
        let changes = js_sys::Array::from(&dom::member(message, "changes"));
        let mut map = shared.borrow_mut();
        map.version = version;
        for change in changes.iter() {
            let change = js_sys::Array::from(&change);
            let (slot, state) = (change.get(0).as_f64(), change.get(1).as_string());
            if let (Some(slot), Some(state)) = (slot, state.and_then(|state| state.chars().next())) {
                map.set(slot as usize, SlotState::from_char(state));
            }
        }
        map.write_counts();
        later(shared, &mut map);
    }

    /// Repaints what changed, at most ten times a second.
    fn later(shared: &Shared, map: &mut Map) {
        if map.waits || map.dirty.is_empty() {
            return;
        }
        map.waits = true;
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

    fn read_again(shared: &Shared) {
        let address = format!("/api/v1{}/slots", crate::url::pool_path(&shared.borrow().pool));
        let shared = Rc::clone(shared);
        dom::fetch_text(&address, move |text| {
            let Ok(answer) = js_sys::JSON::parse(&text) else { return };
            let states = slotmap::read(&dom::text(&answer, "states"));
            let mut map = shared.borrow_mut();
            map.version = dom::number(&answer, "version").unwrap_or(0.0);
            map.states = states;
            map.write_counts();
            map.fit();
        });
    }

    impl Map {
        /// Lays the map out for the room there is, reads the colours, and paints all of it.
        fn fit(&mut self) {
            let (width, height) = (self.stage.client_width().max(1) as u32, self.stage.client_height().max(1) as u32);
            let ratio = window().device_pixel_ratio().max(1.0);
            self.layout = Layout::fit(self.states.len(), width, height);
            self.canvas.set_width((f64::from(width) * ratio) as u32);
            self.canvas.set_height((f64::from(height) * ratio) as u32);
            let _ = self.paint.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
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
                };
                self.paint.set_font(&format!("550 11px {}", read("--hr-font")));
            }
            if let Ok(Some(scale)) = self.panel.query_selector("[data-slots-scale]") {
                let bundle = self.layout.bundle as i64;
                let noun = if bundle == 1 { "slot" } else { "slots" };
                scale.set_text_content(Some(&format!("1 box = {bundle} {noun}")));
            }
            self.dirty.clear();
            self.paint.clear_rect(0.0, 0.0, f64::from(width), f64::from(height));
            let all: Vec<usize> = (0..self.layout.boxes()).collect();
            self.paint_boxes(&all, &all);
            if document().active_element().as_ref() == Some(self.stage.as_ref()) {
                self.put_cursor(self.layout.box_of(self.at));
            }
        }

        /// Slots are counted from 1 in the stream.
        fn set(&mut self, slot: usize, state: SlotState) {
            let Some(place) = slot.checked_sub(1).and_then(|index| self.states.get_mut(index)) else { return };
            if *place != state {
                *place = state;
                self.dirty.insert(self.layout.box_of(slot - 1));
            }
        }

        fn repaint(&mut self) {
            let changed = std::mem::take(&mut self.dirty);
            if changed.len() * 4 > self.layout.boxes() {
                self.fit();
                return;
            }
            let around = |boxes: &BTreeSet<usize>| -> BTreeSet<usize> {
                boxes.iter().flat_map(|index| self.layout.around(*index)).collect()
            };
            // Marks reach over the edge of their box, so the neighbours' marks are painted again too.
            let boxes = around(&changed);
            let marks: Vec<usize> = around(&boxes).into_iter().collect();
            let boxes: Vec<usize> = boxes.into_iter().collect();
            let pitch = f64::from(self.layout.pitch);
            for index in &boxes {
                let (x, y) = self.layout.corner(*index);
                self.paint.clear_rect(f64::from(x), f64::from(y), pitch, pitch);
            }
            self.paint_boxes(&boxes, &marks);
        }

        fn shown(&self, index: usize) -> slotmap::Shown {
            slotmap::shown(&self.states[self.layout.slots_of(index)])
        }

        fn light(&self, state: SlotState) {
            let lit = self.spotlight.is_none_or(|spotlight| spotlight == state);
            self.paint.set_global_alpha(if lit { 1.0 } else { 0.2 });
        }

        /// Boxes first, all of one colour together; what is unusual last, over everything.
        fn paint_boxes(&self, boxes: &[usize], marks: &[usize]) {
            let side = f64::from(self.layout.pitch) - 1.0;
            let shown: Vec<(usize, slotmap::Shown)> = boxes.iter().map(|index| (*index, self.shown(*index))).collect();
            let corner = |index: usize| {
                let (x, y) = self.layout.corner(index);
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
            if self.layout.detail() == Detail::Numbered {
                for (index, box_) in &shown {
                    if !box_.state.is_anomaly() {
                        self.write_number(*index, corner(*index), side);
                    }
                }
            }
            for index in marks {
                let state = self.shown(*index).state;
                if state.is_anomaly() {
                    self.light(state);
                    self.paint_mark(state, corner(*index), side);
                }
            }
            self.paint.set_global_alpha(1.0);
        }

        fn write_number(&self, index: usize, (x, y): (f64, f64), side: f64) {
            let text = (index + 1).to_string();
            if text.len() as f64 * 6.5 > side - 2.0 {
                return;
            }
            self.paint.set_fill_style_str(&self.colours.text);
            self.paint.set_text_align("center");
            self.paint.set_text_baseline("middle");
            let _ = self.paint.fill_text(&text, x + side / 2.0, y + side / 2.0 + 0.5);
        }

        /// Shapes, not only colours: a diamond, a ring, an arrow down, an upright notch.
        fn paint_mark(&self, state: SlotState, (x, y): (f64, f64), side: f64) {
            let size = f64::from(self.layout.mark());
            let (middle_x, middle_y) = (x + side / 2.0, y + side / 2.0);
            let (left, top) = (middle_x - size / 2.0, middle_y - size / 2.0);
            let paint = &self.paint;
            match state {
                SlotState::Leaked => {
                    let half = size / 2.0 + 0.5;
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
                    if self.layout.detail() == Detail::Numbered {
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
            self.layout.at(x, y).and_then(|index| self.first_of(index))
        }

        fn first_of(&self, index: usize) -> Option<usize> {
            let slots = self.layout.slots_of(index);
            let worst = slots.clone().max_by_key(|slot| (self.states[*slot].weight(), usize::MAX - slot));
            worst.or(Some(slots.start)).filter(|slot| *slot < self.states.len())
        }

        fn hover(&self, event: &MouseEvent) {
            match self.slot_under(event) {
                Some(slot) => {
                    self.put_cursor(self.layout.box_of(slot));
                    self.tell("[data-slots-tip]", &self.words(slot));
                }
                None => self.rest(),
            }
        }

        /// Nothing is pointed at: the cursor goes back to the keyboard's place, or away.
        fn rest(&self) {
            if document().active_element().as_ref() == Some(self.stage.as_ref()) {
                self.put_cursor(self.layout.box_of(self.at));
                self.tell("[data-slots-tip]", &self.words(self.at));
            } else {
                self.cursor.set_hidden(true);
                self.tell("[data-slots-tip]", "");
            }
        }

        fn put_cursor(&self, index: usize) {
            let (x, y) = self.layout.corner(index);
            let style = format!("left:{x}px;top:{y}px;width:{0}px;height:{0}px", self.layout.pitch - 1);
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
            let index = self.layout.box_of(slot);
            let mut text = format!("Slot {}, {}", slot + 1, state.slug());
            // The table knows more about what is unusual.
            if let Ok(Some(row)) = self.panel.query_selector(&format!("tr[data-slot=\"{}\"]", slot + 1)) {
                if let Some(since) = row.query_selector("time").ok().flatten().and_then(|time| time.text_content()) {
                    text += &format!(", {since}");
                }
                if let Some(tenant) = row.get_attribute("data-tenant") {
                    text += &format!(", tenant {tenant}");
                }
            }
            if self.layout.bundle > 1 {
                let shown = self.shown(index);
                text += &format!(", in a box of {} slots, {} in use", shown.slots, shown.used);
            }
            text + &format!(", row {} of {}", index / self.layout.columns + 1, self.layout.rows)
        }

        /// Moves the keyboard's place (or stays) and says where it is.
        fn go(&mut self, to: Option<usize>) {
            if self.states.is_empty() {
                return;
            }
            self.at = to.unwrap_or(self.at).min(self.states.len() - 1);
            self.put_cursor(self.layout.box_of(self.at));
            let words = self.words(self.at);
            self.tell("[data-slots-tip]", &words);
            self.tell("[data-slots-said]", &words);
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
                    match typed.parse::<usize>() {
                        Ok(slot) if slot >= 1 => self.go(Some(slot - 1)),
                        _ => self.open(self.at),
                    }
                }
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
                    let Some(index) = self.layout.step(self.layout.box_of(self.at), other) else { return false };
                    let slot = self.first_of(index);
                    self.go(slot);
                }
            }
            true
        }

        fn open(&self, slot: usize) {
            let _ = window().location().set_href(&format!("{}{}", self.page, slot + 1));
        }
    }
}
