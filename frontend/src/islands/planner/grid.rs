//! The planner's table by hand and by key. It wakes as a grid with one tab stop: arrows lead from cell to cell, what is typed is sent
//! cell by cell, one after the other, while typing goes on; what is pasted is sent at once. The server reads and renders: here is only
//! where the focus is, what is not answered yet and what was refused, which all outlive that the rows are put in place anew.

use std::cell::RefCell;
use std::collections::VecDeque;

use leptos::prelude::{document, window};
use wasm_bindgen::JsCast;
use web_sys::{ClipboardEvent, Element, Event, HtmlElement, HtmlInputElement, KeyboardEvent, MouseEvent};

use super::act::{Focus, base, is_sending, say, send};
use crate::islands::dom;

/// Most bytes that are pasted at once; the server takes no more either.
const MOST_BYTES: usize = 1_000_000;
/// What was typed and is not saved, beside what it was before.
const MARKS: &str = ":scope > [data-typed], :scope > .hr-field__error";

/// A reservation and the number of its cell.
type Place = (String, usize);

/// What is sent when its turn has come.
struct Job {
    at: Option<Place>,
    fields: Vec<(String, String)>,
}

thread_local! {
    static EDITED: RefCell<Option<(Element, HtmlInputElement)>> = const { RefCell::new(None) };
    static QUEUE: RefCell<VecDeque<Job>> = const { RefCell::new(VecDeque::new()) };
    static SENT: RefCell<Option<Place>> = const { RefCell::new(None) };
}

fn query(selector: &str) -> Option<Element> {
    document().query_selector(selector).ok().flatten()
}

fn within(element: &Element, selector: &str) -> Option<Element> {
    element.query_selector(selector).ok().flatten()
}

fn closest(element: &Element, selector: &str) -> Option<Element> {
    element.closest(selector).ok().flatten()
}

fn target(event: &Event) -> Option<Element> {
    event.target()?.dyn_into().ok()
}

fn cell_of(element: &Element) -> Option<Element> {
    closest(element, "[data-plan-sheet][role] tbody :is(td, th)")
}

fn focused() -> Option<Element> {
    cell_of(&document().active_element()?)
}

fn is_edited(cell: &Element) -> bool {
    cell.has_attribute("data-cell")
}

fn attribute(element: &Element, name: &str) -> String {
    element.get_attribute(name).unwrap_or_default()
}

fn nth(row: &Element, place: usize) -> Option<Element> {
    let mut cell = row.first_element_child();
    for _ in 0..place {
        cell = cell?.next_element_sibling();
    }
    cell
}

fn place(cell: &Element) -> Option<Place> {
    let row = attribute(&cell.parent_element()?, "data-row");
    let (mut place, mut cell) = (0, cell.clone());
    while let Some(before) = cell.previous_element_sibling() {
        (place, cell) = (place + 1, before);
    }
    Some((row, place))
}

fn find(at: &Place) -> Option<Element> {
    let selector = ["[data-row=\"", &at.0, "\"]"].concat();
    nth(&query(&selector)?, at.1)
}

/// What takes the focus of a cell: the cell, or what is to be pressed in one that is not edited.
fn focus(cell: &Element) {
    let inner = if is_edited(cell) { None } else { within(cell, "input, a") };
    if let Ok(element) = inner.unwrap_or_else(|| cell.clone()).dyn_into::<HtmlElement>() {
        let _ = element.focus();
    }
}

fn set_tabindex(element: &Element, value: &str) {
    let _ = element.set_attribute("tabindex", value);
}

fn is_wide() -> bool {
    window().match_media("(min-width: 768px)").ok().flatten().is_none_or(|query| query.matches())
}

/// Makes the table a grid where there is room for one. On phones its rows are cards.
pub(super) fn wake() {
    let Some(table) = query("[data-plan-sheet]") else { return };
    let is_wide = is_wide();
    for (name, value) in [("role", "grid"), ("aria-multiselectable", "true")] {
        let _ = if is_wide { table.set_attribute(name, value) } else { table.remove_attribute(name) };
    }
    for part in dom::all("[data-plan-sheet] tbody :is(td, th, a, input)") {
        if is_wide {
            set_tabindex(&part, "-1");
        } else {
            let _ = part.remove_attribute("tabindex");
        }
    }
    if is_wide
        && let Some(first) = query("[data-plan-sheet] [data-cell]").or_else(|| query("[data-plan-sheet] tbody td"))
    {
        set_tabindex(&first, "0");
    }
    count();
}

pub(super) fn start() {
    wake();
    let page = document();
    dom::listen(&window(), "resize", |_: Event| {
        if query("[data-plan-sheet][role]").is_some() != is_wide() {
            wake();
        }
    });
    dom::listen(&page, "focusin", |event: Event| {
        let Some(element) = target(&event).filter(|element| cell_of(element).is_some()) else { return };
        for other in dom::all("[data-plan-sheet] [tabindex=\"0\"]") {
            set_tabindex(&other, "-1");
        }
        // The field in a cell goes away again; the cell stays.
        set_tabindex(&closest(&element, "[data-cell]").unwrap_or(element), "0");
    });
    dom::listen(&page, "focusout", |event: Event| {
        let field = EDITED.with_borrow(|edited| edited.as_ref().map(|(_, field)| Element::from(field.clone())));
        // Another window in front is no end of typing.
        if field.is_some() && field == target(&event) && document().has_focus().unwrap_or(true) {
            close(true);
        }
    });
    dom::listen(&page, "dblclick", |event: MouseEvent| {
        if let Some(cell) = target(&event).and_then(|element| cell_of(&element)).filter(is_edited) {
            open(&cell, None);
        }
    });
    dom::listen(&page, "click", |event: MouseEvent| {
        let Some(element) = target(&event) else { return };
        if closest(&element, "[data-plan-clear]").is_some() {
            event.prevent_default();
            pick_all(false);
        } else if closest(&element, "input, a, label").is_none()
            && let Some(cell) = cell_of(&element)
        {
            focus(&cell);
        }
    });
    dom::listen(&page, "change", |event: Event| {
        let Some(element) = target(&event) else { return };
        if element.has_attribute("data-plan-all") {
            pick_all(element.dyn_into::<HtmlInputElement>().is_ok_and(|all| all.checked()));
        } else if attribute(&element, "name") == "pick" {
            say(&count());
        }
    });
    dom::listen(&page, "copy", |event: ClipboardEvent| {
        let is_text = window().get_selection().ok().flatten().is_some_and(|selection| !selection.is_collapsed());
        let Some(cell) = focused().filter(|_| !is_text && EDITED.with_borrow(Option::is_none)) else { return };
        if let Some(data) = event.clipboard_data() {
            let text = written(&cell);
            event.prevent_default();
            let _ = data.set_data("text/plain", &text);
            say(&["Copied: ", &text].concat());
        }
    });
    dom::listen(&page, "paste", |event: ClipboardEvent| paste(&event));
}

/// What a cell says as it is written.
fn written(cell: &Element) -> String {
    let typed = within(cell, "[data-typed]").and_then(|mark| mark.text_content());
    let text = typed.or_else(|| cell.get_attribute("data-value")).or_else(|| cell.text_content());
    text.unwrap_or_default().trim().to_owned()
}

fn boxes() -> Vec<HtmlInputElement> {
    dom::all("[data-plan-sheet] [name=\"pick\"]").into_iter().filter_map(|one| one.dyn_into().ok()).collect()
}

/// Shows and returns how many rows are selected.
fn count() -> String {
    let (boxes, mut selected) = (boxes(), 0);
    for one in &boxes {
        selected += usize::from(one.checked());
        if let Some(row) = closest(one, "tr") {
            let _ = row.set_attribute("aria-selected", if one.checked() { "true" } else { "false" });
        }
    }
    if let Some(all) = query("[data-plan-all]").and_then(|all| all.dyn_into::<HtmlInputElement>().ok()) {
        all.set_checked(selected > 0 && selected == boxes.len());
    }
    let text = [selected.to_string().as_str(), " selected"].concat();
    if let Some(place) = query("[data-plan-count]") {
        place.set_text_content(Some(if selected == 0 { "Selected rows" } else { &text }));
    }
    text
}

fn pick_all(is_picked: bool) {
    for one in boxes() {
        one.set_checked(is_picked);
    }
    say(&count());
}

/// Opens a cell with a text, else with what it says.
fn open(cell: &Element, text: Option<&str>) {
    close(true);
    let Some(field) =
        document().create_element("input").ok().and_then(|field| field.dyn_into::<HtmlInputElement>().ok())
    else {
        return;
    };
    field.set_class_name("hr-input hr-plan-cell");
    field.set_value(&text.map_or_else(|| written(cell), str::to_owned));
    let name = cell.parent_element().map(|row| attribute(&row, "data-name")).unwrap_or_default();
    let label = [attribute(cell, "data-label"), " of ".to_owned(), name].concat();
    let list = ["plan-", &attribute(cell, "data-cell")].concat();
    for (name, value) in
        [("aria-label", label.as_str()), ("list", &list), ("autocomplete", "off"), ("spellcheck", "false")]
    {
        let _ = field.set_attribute(name, value);
    }
    for name in ["aria-invalid", "aria-describedby"] {
        if let Some(value) = cell.get_attribute(name) {
            let _ = field.set_attribute(name, &value);
        }
    }
    let _ = cell.append_child(&field);
    EDITED.set(Some((cell.clone(), field.clone())));
    let _ = field.focus();
}

/// Closes the open cell, if there is one.
fn close(is_kept: bool) {
    let Some((cell, field)) = EDITED.take() else { return };
    let text = field.value();
    field.remove();
    if is_kept {
        write(&cell, text.trim());
    }
}

/// Sends what a cell shall say, if it says something else.
fn write(cell: &Element, text: &str) {
    let is_pending = cell.has_attribute("data-pending");
    if is_pending && written(cell) == text {
        return;
    }
    unmark(cell);
    if !is_pending && attribute(cell, "data-value") == text {
        return;
    }
    mark(cell, text, None);
    let at = place(cell);
    let reservation = at.as_ref().map(|at| at.0.clone()).unwrap_or_default();
    let fields =
        [("do", "cell"), ("reservation", &reservation), ("field", &attribute(cell, "data-cell")), ("value", text)];
    later(at, &fields);
}

fn later(at: Option<Place>, fields: &[(&str, &str)]) {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    QUEUE.with_borrow_mut(|queue| queue.push_back(Job { at, fields }));
    pump();
}

/// Sends the next edit unless one is under way: each goes out with the version that the one before made.
pub(super) fn pump() {
    if is_sending() {
        return;
    }
    let Some(job) = QUEUE.with_borrow_mut(VecDeque::pop_front) else { return };
    SENT.set(job.at);
    let mut fields = base();
    fields.extend(job.fields);
    send(&fields, Focus::Stay, "Saved in the draft.".to_owned());
}

/// The edit that was sent is answered; without a page to show, why. What was typed stays in its cell then.
pub(super) fn answered(why: Option<&str>) {
    if let (Some(at), Some(why)) = (SENT.take(), why)
        && let Some(cell) = find(&at)
    {
        let text = written(&cell);
        unmark(&cell);
        mark(&cell, &text, Some(why));
    }
}

fn unmark(cell: &Element) {
    while let Some(mark) = within(cell, MARKS) {
        mark.remove();
    }
    for name in ["aria-invalid", "aria-describedby", "data-pending"] {
        let _ = cell.remove_attribute(name);
    }
}

fn mark(cell: &Element, text: &str, fault: Option<&str>) {
    let add = |tag: &str, text: &str| {
        let part = document().create_element(tag).ok()?;
        part.set_text_content(Some(text));
        cell.append_child(&part).ok()?;
        Some(part)
    };
    if let Some(part) = add("span", text) {
        let _ = part.set_attribute("data-typed", "");
    }
    let Some(fault) = fault else {
        let _ = cell.set_attribute("data-pending", "");
        return;
    };
    if let (Some(part), Some(at)) = (add("small", fault), place(cell)) {
        let id = ["fault-", &at.0, "-", &attribute(cell, "data-cell")].concat();
        part.set_class_name("hr-field__error");
        part.set_id(&id);
        let _ = cell.set_attribute("aria-invalid", "true");
        let _ = cell.set_attribute("aria-describedby", &id);
    }
}

/// The cell so many rows and columns away; at an edge the last one before it.
fn away(cell: &Element, rows: i32, columns: i32) -> Option<Element> {
    let (mut row, at) = (cell.parent_element()?, place(cell)?.1);
    for _ in 0..rows.abs() {
        let next = if rows < 0 { row.previous_element_sibling() } else { row.next_element_sibling() };
        let Some(next) = next else { break };
        row = next;
    }
    let mut found = nth(&row, at)?;
    for _ in 0..columns.abs() {
        let next = if columns < 0 { found.previous_element_sibling() } else { found.next_element_sibling() };
        let Some(next) = next else { break };
        found = next;
    }
    Some(found)
}

/// The next cell that is edited, in the order of reading.
fn along(cell: &Element, is_back: bool) -> Option<Element> {
    let next = |one: &Element| if is_back { one.previous_element_sibling() } else { one.next_element_sibling() };
    let mut row = cell.parent_element()?;
    let mut at = next(cell);
    loop {
        match at {
            Some(one) if is_edited(&one) => return Some(one),
            Some(one) => at = next(&one),
            None => {
                row = next(&row)?;
                at = if is_back { row.last_element_child() } else { row.first_element_child() };
            }
        }
    }
}

/// Returns whether the key was used.
pub(super) fn key(event: &KeyboardEvent) -> bool {
    let (name, is_shift) = (event.key(), event.shift_key());
    if let Some((cell, _)) = EDITED.with_borrow(Clone::clone) {
        let to = match name.as_str() {
            // Enter of an input method ends a word.
            "Enter" if !event.is_composing() => away(&cell, if is_shift { -1 } else { 1 }, 0),
            "Tab" => along(&cell, is_shift),
            "Escape" => Some(cell.clone()),
            _ => return false,
        };
        close(name != "Escape");
        focus(&to.unwrap_or(cell));
        return true;
    }
    let Some(cell) = focused() else { return false };
    let (is_held, last) = (event.ctrl_key() || event.meta_key(), i32::MAX);
    let to = match (name.as_str(), is_held) {
        ("a", true) => {
            pick_all(true);
            return true;
        }
        ("Home", true) => away(&cell, -last, -last),
        ("End", true) => away(&cell, last, last),
        (_, true) => return false,
        _ if event.alt_key() => return false,
        ("ArrowUp", _) => away(&cell, -1, 0),
        ("ArrowDown", _) => away(&cell, 1, 0),
        ("ArrowLeft", _) => away(&cell, 0, -1),
        ("ArrowRight", _) => away(&cell, 0, 1),
        ("PageUp", _) => away(&cell, -10, 0),
        ("PageDown", _) => away(&cell, 10, 0),
        ("Home", _) => away(&cell, 0, -last),
        ("End", _) => away(&cell, 0, last),
        (" ", _) if is_shift => {
            let pick = cell.parent_element().and_then(|row| within(&row, "[name=\"pick\"]"));
            if let Some(pick) = pick.and_then(|pick| pick.dyn_into::<HtmlInputElement>().ok()) {
                pick.set_checked(!pick.checked());
                say(&count());
            }
            return true;
        }
        (" ", _) => return false,
        _ if !is_edited(&cell) => return false,
        ("Escape", _) if cell.has_attribute("aria-invalid") => {
            unmark(&cell);
            say(&["Put back: ", &written(&cell)].concat());
            return true;
        }
        ("Enter" | "F2", _) => {
            open(&cell, None);
            return true;
        }
        ("Delete" | "Backspace", _) => {
            open(&cell, Some(""));
            return true;
        }
        (typed, _) if typed.chars().count() == 1 => {
            open(&cell, Some(typed));
            return true;
        }
        _ => return false,
    };
    focus(&to.unwrap_or(cell));
    true
}

/// Sends what was pasted, with the rows as they are seen from the cell down.
fn paste(event: &ClipboardEvent) {
    let text = event.clipboard_data().and_then(|data| data.get_data("text/plain").ok()).unwrap_or_default();
    let edited = EDITED.with_borrow(|edited| edited.as_ref().map(|(cell, _)| cell.clone()));
    let Some(cell) = edited.clone().or_else(focused) else { return };
    if edited.is_some() {
        // One text goes into the field; many cells do not.
        if !text.trim_end().contains(['\t', '\n']) {
            return;
        }
        close(false);
        focus(&cell);
    }
    event.prevent_default();
    let at = place(&cell).filter(|_| is_edited(&cell));
    let Some((reservation, column)) = at else {
        say("Cells are pasted from a cell that can be edited.");
        return;
    };
    if text.len() > MOST_BYTES {
        say("Not pasted: it is longer than 1,000,000 bytes. Paste it in parts, or import a file.");
        return;
    }
    let (mut rows, mut row) = (reservation.clone(), cell.parent_element());
    for line in text.lines() {
        let Some(here) = row else { break };
        // What was refused before is written over.
        let mut old = nth(&here, column);
        for _ in line.split('\t') {
            let Some(one) = old else { break };
            unmark(&one);
            old = one.next_element_sibling();
        }
        let next = here.next_element_sibling();
        if let Some(next) = &next {
            rows.push(' ');
            rows.push_str(&attribute(next, "data-row"));
        }
        row = next;
    }
    let field = attribute(&cell, "data-cell");
    later(None, &[("do", "paste"), ("reservation", &reservation), ("field", &field), ("rows", &rows), ("text", &text)]);
}

/// What outlives that the rows are put in place anew.
pub(super) struct Kept {
    at: Option<Place>,
    typing: Option<(String, u32, u32)>,
    marked: Vec<(Place, Element)>,
    picked: Vec<String>,
}

/// Remembers it, before.
pub(super) fn keep() -> Kept {
    let at = focused().and_then(|cell| place(&cell));
    let typing = EDITED.take().map(|(_, field)| {
        let end = |found: Result<Option<u32>, _>| found.ok().flatten().unwrap_or(0);
        (field.value(), end(field.selection_start()), end(field.selection_end()))
    });
    let sent = SENT.with_borrow(Clone::clone);
    let is_due = |at: &Place| QUEUE.with_borrow(|queue| queue.iter().any(|job| job.at.as_ref() == Some(at)));
    let marks = dom::all("[data-plan-sheet] [data-typed]").into_iter().filter_map(|mark| mark.parent_element());
    // What is answered now needs no mark, unless something else is to be sent of the same cell.
    let marked = marks
        .filter_map(|cell| Some((place(&cell)?, cell)))
        .filter(|(at, _)| Some(at) != sent.as_ref() || is_due(at))
        .collect();
    let picked = boxes().into_iter().filter(HtmlInputElement::checked).map(|one| one.value()).collect();
    Kept { at, typing, marked, picked }
}

/// Puts it back, afterwards. Returns whether the focus is in the grid again.
pub(super) fn restore(kept: Kept) -> bool {
    for one in boxes() {
        one.set_checked(kept.picked.contains(&one.value()));
    }
    wake();
    for (at, old) in kept.marked {
        let Some(cell) = find(&at).filter(|cell| is_edited(cell) && within(cell, "[data-typed]").is_none()) else {
            continue;
        };
        while let Some(mark) = within(&old, MARKS) {
            let _ = cell.append_child(&mark);
        }
        for name in ["aria-invalid", "aria-describedby", "data-pending"] {
            if let Some(value) = old.get_attribute(name) {
                let _ = cell.set_attribute(name, &value);
            }
        }
    }
    let Some(at) = kept.at else { return false };
    let own = find(&at);
    let is_own = own.is_some();
    let Some(cell) = own.or_else(|| query("[data-plan-sheet] [data-cell]")) else { return false };
    match kept.typing {
        // What was typed belongs to its row: if that is not in the table any more, it is not put into another.
        Some((text, start, end)) if is_own && is_edited(&cell) => {
            open(&cell, Some(&text));
            EDITED.with_borrow(|edited| {
                if let Some((_, field)) = edited {
                    let _ = field.set_selection_range(start, end);
                }
            });
        }
        _ => focus(&cell),
    }
    true
}
