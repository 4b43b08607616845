//! Choosing a part of the heatmap of answers by dragging over it.

use leptos::prelude::*;

/// Lets a part be dragged. Prints nothing: cells are links and a form takes the edges without it.
#[island]
pub fn AnswerBoxes() -> impl IntoView {
    #[cfg(feature = "hydrate")]
    drag::start();
    view! { <span hidden="" data-answer-boxes=""></span> }
}

#[cfg(feature = "hydrate")]
mod drag {
    use std::cell::Cell;
    use std::rc::Rc;

    use leptos::prelude::window;
    use wasm_bindgen::JsCast;
    use web_sys::{Element, MouseEvent};

    use crate::islands::dom;

    /// A cell: row and column.
    type At = (i64, i64);

    pub(super) fn start() {
        for map in dom::all("[data-answers]") {
            wire(&map);
        }
    }

    fn wire(map: &Element) {
        // Where a drag began, and where it is.
        let dragged: Rc<Cell<Option<(At, At)>>> = Rc::default();
        let (begun, host) = (Rc::clone(&dragged), map.clone());
        dom::listen(map, "pointerdown", move |event: MouseEvent| {
            if let Some(at) = cell(&event).filter(|_| event.button() == 0) {
                begun.set(Some((at, at)));
                light(&host, at, at);
            }
        });
        let (moved, host) = (Rc::clone(&dragged), map.clone());
        dom::listen(map, "pointermove", move |event: MouseEvent| {
            if let (Some((from, _)), Some(to)) = (moved.get(), cell(&event)) {
                moved.set(Some((from, to)));
                light(&host, from, to);
            }
        });
        let cancelled = Rc::clone(&dragged);
        dom::listen(&window(), "pointercancel", move |_: MouseEvent| cancelled.set(None));
        let host = map.clone();
        dom::listen(&window(), "pointerup", move |_: MouseEvent| {
            // A press on one cell is left to its link.
            if let Some((from, to)) = dragged.take().filter(|(from, to)| from != to) {
                go(&host, from, to);
            }
        });
    }

    fn number(element: &Element, name: &str) -> Option<i64> {
        element.get_attribute(name)?.parse().ok()
    }

    fn cell(event: &MouseEvent) -> Option<At> {
        let cell = event.target()?.dyn_into::<Element>().ok()?.closest("td[data-row]").ok()??;
        Some((number(&cell, "data-row")?, number(&cell, "data-column")?))
    }

    fn ordered(one: i64, other: i64) -> (i64, i64) {
        (one.min(other), one.max(other))
    }

    fn light(map: &Element, from: At, to: At) {
        let (rows, columns) = (ordered(from.0, to.0), ordered(from.1, to.1));
        let Ok(cells) = map.query_selector_all("td[data-row]") else { return };
        for cell in (0..cells.length()).filter_map(|index| cells.item(index)?.dyn_into::<Element>().ok()) {
            let within =
                |name, (first, last): (i64, i64)| number(&cell, name).is_some_and(|at| first <= at && at <= last);
            let _ = cell
                .toggle_attribute_with_force("data-chosen", within("data-row", rows) && within("data-column", columns));
        }
    }

    fn go(map: &Element, from: At, to: At) {
        let (rows, columns) = (ordered(from.0, to.0), ordered(from.1, to.1));
        let (Some(start), Some(step)) = (number(map, "data-start"), number(map, "data-step")) else { return };
        let value = format!("{}-{}.{}-{}", start + columns.0 * step, start + (columns.1 + 1) * step, rows.0, rows.1);
        let (any, address) = (map.get_attribute("data-any"), map.get_attribute("data-answers"));
        if let (Some(any), Some(address)) = (any, address) {
            let _ = window().location().set_href(&address.replace(&any, &value));
        }
    }
}
