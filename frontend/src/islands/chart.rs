//! Reading charts by pointer and keyboard: a crosshair and a tip with the values of the row under it.

use leptos::prelude::*;

/// Gives every chart on the page its crosshair. Prints nothing: the charts are complete without it.
#[island]
pub fn ChartCrosshair() -> impl IntoView {
    #[cfg(feature = "hydrate")]
    crosshair::start();
    view! { <span hidden="" data-crosshair=""></span> }
}

/// The row nearest to a share of the time axis, as an index; rows stand for intervals, so the one that contains it.
#[cfg(any(feature = "hydrate", test))]
fn row_at(share: f64, rows: usize) -> usize {
    if rows == 0 { 0 } else { ((share * rows as f64).floor().max(0.0) as usize).min(rows - 1) }
}

#[cfg(feature = "hydrate")]
mod crosshair {
    use std::cell::RefCell;
    use std::rc::Rc;

    use leptos::prelude::{document, window};
    use wasm_bindgen::JsCast;
    use web_sys::{Element, HtmlElement, KeyboardEvent, MouseEvent};

    use super::row_at;
    use crate::islands::dom;

    /// A chart with its crosshair.
    struct Chart {
        draw: HtmlElement,
        panel: Element,
        from_ms: f64,
        to_ms: f64,
        rows: Vec<Element>,
        current: Option<usize>,
        pinned: bool,
    }

    impl Chart {
        /// Pins the tip or lets go of it. What is pinned is marked, so that nothing replaces it.
        fn set_pinned(&mut self, pinned: bool) {
            self.pinned = pinned;
            let _ = self.draw.toggle_attribute_with_force("data-pinned", pinned);
        }
    }

    struct Page {
        charts: Vec<Chart>,
        tip: HtmlElement,
    }

    pub(super) fn start() {
        let Some(tip) = make_tip() else { return };
        let page = Rc::new(RefCell::new(Page { charts: Vec::new(), tip }));
        wake(&page);
        dom::listen(&window(), dom::PAGE_RENEWED, move |_: web_sys::Event| wake(&page));
    }

    /// Finds the charts that are not known yet. One that was drawn anew takes the place of the old drawing.
    fn wake(page: &Rc<RefCell<Page>>) {
        for figure in dom::all(".hr-chart:not([data-awake])") {
            let Some(found) = chart(&figure) else { continue };
            let _ = figure.set_attribute("data-awake", "");
            let draw = found.draw.clone();
            let index = {
                let charts = &mut page.borrow_mut().charts;
                match charts.iter().position(|known| !known.draw.is_connected()) {
                    Some(gone) => {
                        charts[gone] = found;
                        gone
                    }
                    None => {
                        charts.push(found);
                        charts.len() - 1
                    }
                }
            };
            let on = || Rc::clone(page);
            let moved = on();
            dom::listen(&draw, "pointermove", move |event: MouseEvent| pointer(&moved, index, &event));
            let left = on();
            dom::listen(&draw, "pointerleave", move |_: MouseEvent| hide(&left));
            let clicked = on();
            dom::listen(&draw, "click", move |event: MouseEvent| {
                pointer(&clicked, index, &event);
                pin(&clicked, index);
            });
            let blurred = on();
            dom::listen(&draw, "blur", move |_: web_sys::Event| hide(&blurred));
            let pressed = on();
            dom::listen(&draw, "keydown", move |event: KeyboardEvent| key(&pressed, index, &event));
        }
    }

    fn make_tip() -> Option<HtmlElement> {
        let tip = document().create_element("div").ok()?.dyn_into::<HtmlElement>().ok()?;
        tip.set_class_name("hr-chart__tip");
        tip.set_hidden(true);
        document().body()?.append_child(&tip).ok()?;
        Some(tip)
    }

    fn number(element: &Element, name: &str) -> Option<f64> {
        element.get_attribute(name)?.parse().ok()
    }

    fn chart(figure: &Element) -> Option<Chart> {
        let draw = figure.query_selector(".hr-chart__draw").ok()??.dyn_into::<HtmlElement>().ok()?;
        let panel = figure.closest("section").ok()??;
        let nodes = panel.query_selector_all("tr[data-t]").ok()?;
        let rows: Vec<Element> = (0..nodes.length()).filter_map(|index| nodes.item(index)?.dyn_into().ok()).collect();
        if rows.is_empty() {
            return None;
        }
        let (from_ms, to_ms) = (number(figure, "data-from")?, number(figure, "data-to")?);
        Some(Chart { draw, panel, from_ms, to_ms, rows, current: None, pinned: false })
    }

    /// The drawing that is visible, with the edges of its plotting area: left, right, top, bottom.
    fn visible(chart: &Chart) -> Option<(HtmlElement, [f64; 4])> {
        let nodes = chart.draw.query_selector_all("[data-plot]").ok()?;
        let drawing = (0..nodes.length())
            .filter_map(|index| nodes.item(index)?.dyn_into::<HtmlElement>().ok())
            .find(|drawing| drawing.offset_width() > 0)?;
        let mut edges = [0.0; 4];
        let text = drawing.get_attribute("data-plot")?;
        for (edge, word) in edges.iter_mut().zip(text.split(' ')) {
            *edge = word.parse().ok()?;
        }
        Some((drawing, edges))
    }

    fn pointer(page: &Rc<RefCell<Page>>, index: usize, event: &MouseEvent) {
        let mut page = page.borrow_mut();
        if page.charts[index].pinned {
            return;
        }
        let Some((drawing, [left, right, ..])) = visible(&page.charts[index]) else { return };
        let x = f64::from(event.client_x()) - drawing.get_bounding_client_rect().left();
        let chart = &page.charts[index];
        let share = ((x - left) / (right - left)).clamp(0.0, 1.0);
        let at_ms = chart.from_ms + share * (chart.to_ms - chart.from_ms);
        show(&mut page, index, at_ms);
    }

    /// The row that holds an instant. Rows may be fewer than intervals (gaps), so their own times decide.
    fn row_of(chart: &Chart, at_ms: f64) -> usize {
        let guess = row_at((at_ms - chart.from_ms) / (chart.to_ms - chart.from_ms), chart.rows.len());
        let starts = |index: usize| number(&chart.rows[index], "data-t").unwrap_or(chart.from_ms);
        let mut index = guess;
        while index > 0 && starts(index) > at_ms {
            index -= 1;
        }
        while index + 1 < chart.rows.len() && starts(index + 1) <= at_ms {
            index += 1;
        }
        index
    }

    /// Shows the tip on one chart and the crosshair on all: the instants are the same.
    fn show(page: &mut Page, index: usize, at_ms: f64) {
        let row = row_of(&page.charts[index], at_ms);
        page.charts[index].current = Some(row);
        let start = number(&page.charts[index].rows[row], "data-t").unwrap_or(at_ms);
        for chart in &page.charts {
            draw_cross(chart, start);
        }
        let chart = &page.charts[index];
        fill_tip(&page.tip, chart, row);
        place_tip(&page.tip, chart, start);
    }

    fn draw_cross(chart: &Chart, at_ms: f64) {
        let Some((drawing, [left, right, top, bottom])) = visible(chart) else { return };
        let share = (at_ms - chart.from_ms) / (chart.to_ms - chart.from_ms);
        if !(0.0..=1.0).contains(&share) {
            return;
        }
        let existing = drawing.query_selector(".hr-chart__cross").ok().flatten();
        let cross = existing.or_else(|| {
            let cross = document().create_element("i").ok()?;
            cross.set_class_name("hr-chart__cross");
            drawing.append_child(&cross).ok()?;
            Some(cross)
        });
        if let Some(cross) = cross {
            let x = left + share * (right - left);
            let style = format!("inset-inline-start:{x:.1}px;inset-block-start:{top}px;block-size:{}px", bottom - top);
            let _ = cross.set_attribute("style", &style);
        }
    }

    /// Copies the row's time and values, as the server wrote them, so that tip and table cannot differ.
    fn fill_tip(tip: &HtmlElement, chart: &Chart, row: usize) {
        let cells = |parent: &Element, selector: &str| -> Vec<String> {
            let Ok(nodes) = parent.query_selector_all(selector) else { return Vec::new() };
            (0..nodes.length()).filter_map(|index| nodes.item(index)?.text_content()).collect()
        };
        let labels = cells(&chart.panel, ".hr-data__table thead th");
        let values = cells(&chart.rows[row], "th, td");
        tip.set_text_content(None);
        let Some(when) = values.first() else { return };
        let append = |parent: &Element, tag: &str, text: &str| {
            let child = document().create_element(tag).ok()?;
            child.set_text_content(Some(text));
            parent.append_child(&child).ok()?;
            Some(child)
        };
        let mut heading = when.clone();
        if chart.pinned {
            heading.push_str(", pinned");
        }
        append(tip, "strong", &heading);
        if let Some(list) = append(tip, "dl", "") {
            for (label, value) in labels.iter().zip(&values).skip(1) {
                append(&list, "dt", label);
                append(&list, "dd", value);
            }
        }
        tip.set_class_name(if chart.pinned { "hr-chart__tip hr-chart__tip--pinned" } else { "hr-chart__tip" });
        tip.set_hidden(false);
    }

    fn place_tip(tip: &HtmlElement, chart: &Chart, at_ms: f64) {
        let Some((drawing, [left, right, top, _])) = visible(chart) else { return };
        let rect = drawing.get_bounding_client_rect();
        let share = (at_ms - chart.from_ms) / (chart.to_ms - chart.from_ms);
        let x = rect.left() + left + share * (right - left);
        let width = f64::from(tip.offset_width());
        let room = document().document_element().map_or(0.0, |root| f64::from(root.client_width()));
        // To the right of the line while there is room, else to its left, never off the screen.
        let wanted = if x + 16.0 + width < room { x + 16.0 } else { x - 16.0 - width };
        let style = format!("left:{:.0}px;top:{:.0}px", wanted.max(8.0), (rect.top() + top).max(8.0));
        let _ = tip.set_attribute("style", &style);
    }

    fn hide(page: &Rc<RefCell<Page>>) {
        let page = page.borrow();
        if page.charts.iter().any(|chart| chart.pinned) {
            return;
        }
        page.tip.set_hidden(true);
        for cross in dom::all(".hr-chart__cross") {
            cross.remove();
        }
    }

    fn pin(page: &Rc<RefCell<Page>>, index: usize) {
        let released = {
            let mut page = page.borrow_mut();
            let chart = &mut page.charts[index];
            chart.set_pinned(!chart.pinned);
            let (pinned, row) = (chart.pinned, chart.current);
            if let (true, Some(row)) = (pinned, row) {
                fill_tip(&page.tip, &page.charts[index], row);
            }
            !pinned
        };
        if released {
            hide(page);
        }
    }

    fn key(page: &Rc<RefCell<Page>>, index: usize, event: &KeyboardEvent) {
        let (last, current) = {
            let page = page.borrow();
            let chart = &page.charts[index];
            (chart.rows.len() - 1, chart.current)
        };
        let wanted = match event.key().as_str() {
            "ArrowLeft" => current.map_or(last, |row| row.saturating_sub(1)),
            "ArrowRight" => current.map_or(0, |row| (row + 1).min(last)),
            "Home" => 0,
            "End" => last,
            "Enter" => {
                pin(page, index);
                return;
            }
            "Escape" => {
                page.borrow_mut().charts[index].set_pinned(false);
                hide(page);
                return;
            }
            "t" | "T" => {
                let details = page.borrow().charts[index].panel.query_selector(".hr-data").ok().flatten();
                if let Some(details) = details {
                    let _ = details.toggle_attribute("open");
                    event.stop_propagation();
                    event.prevent_default();
                }
                return;
            }
            _ => return,
        };
        event.prevent_default();
        let said = {
            let mut page = page.borrow_mut();
            page.charts[index].set_pinned(false);
            let at_ms = number(&page.charts[index].rows[wanted], "data-t").unwrap_or_default();
            show(&mut page, index, at_ms);
            page.tip.inner_text().replace('\n', ", ")
        };
        if let Some(region) = document().get_element_by_id("live-assertive") {
            region.set_text_content(Some(&said));
        }
    }
}

#[cfg(all(test, not(feature = "hydrate")))]
mod tests {
    #[test]
    fn rows_stand_for_intervals() {
        assert_eq!(super::row_at(0.0, 10), 0);
        assert_eq!(super::row_at(0.55, 10), 5);
        assert_eq!(super::row_at(1.0, 10), 9);
        assert_eq!(super::row_at(0.5, 0), 0);
    }
}
