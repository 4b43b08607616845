//! The slot map: a drawing for the eye, a legend with counts and a table for everybody. The browser puts a canvas over the drawing.

use std::fmt::Write as _;

use headroom_domain::format;
use leptos::prelude::*;

use super::live::room;
use super::state::panel;
use super::value::{ago, as_of_text, or_unknown};
use crate::islands::SlotMaps;
use crate::model::{GroupBy, ShellModel, SlotAction, SlotMapModel, SlotRow};
use crate::pages::act::act_path;
use crate::slotmap::{self, Grid, SlotState};
use crate::url::{pool_path, tenant_path, with_query};

/// Boxes of the drawing without scripts.
const MOST_BOXES: usize = 400;
const COLUMNS: usize = 25;
const PITCH: u32 = 12;

/// How a map is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// Beside other things; the table is behind a summary.
    Beside,
    /// The main thing of its page.
    Full,
}

/// The page of a slot.
pub(crate) fn slot_path(pool: &str, slot: i64) -> String {
    format!("{}/slots/{slot}", pool_path(pool))
}

/// The map in its own card. `choice` is what chooses another pool.
pub(crate) fn slot_map(shell: &ShellModel, map: &SlotMapModel, size: Size, choice: Option<AnyView>) -> AnyView {
    let states = slotmap::read(&map.states);
    let coarse = Grid::coarse(states.len(), &slotmap::read_groups(&map.group_of), MOST_BOXES, COLUMNS, PITCH);
    let title = format!("{} · {} slots", map.pool.name, format::count(states.len() as i64));
    let body = || {
        view! {
            {order(shell, map)}
            {stage(shell, map, &states, &coarse, size)}
            <div data-refresh="slots-panel" data-ticks="" data-slots-panel="">{chosen(shell, map)}</div>
            {legend(shell, map, &states)}
            {groups(map, &states)}
            <div data-refresh="slots-table" data-ticks="">{table(shell, map, size)}</div>
            <SlotMaps/>
        }
        .into_any()
    };
    view! {
        <section class="hr-card hr-slots" aria-labelledby="slots-title" id="slots" data-slots="">
            <div class="hr-card__head">
                <h2 id="slots-title">{title}</h2>
                <span class="hr-card__sub">
                    <span class="hr-dot" data-slots-scale="" data-ticks="">{scale_text(coarse.bundle)}</span>
                    <span class="hr-dot">{format!("read {}", as_of_text(shell, map.as_of_ms))}</span>
                </span>
                {choice}
            </div>
            {panel(shell, &map.state, body)}
        </section>
    }
    .into_any()
}

fn scale_text(bundle: usize) -> String {
    if bundle == 1 { "1 box = 1 slot".to_owned() } else { format!("1 box = {} slots", format::count(bundle as i64)) }
}

/// `19,402 occupied, 38 leaked, ...`
fn summary(states: &[SlotState]) -> String {
    let parts: Vec<String> = SlotState::ALL
        .into_iter()
        .zip(slotmap::counts(states))
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{} {}", format::count(count), state.slug()))
        .collect();
    parts.join(", ")
}

/// In which order the slots lie.
fn order(shell: &ShellModel, map: &SlotMapModel) -> AnyView {
    let entry = |by: Option<GroupBy>| {
        let word = by.map_or("", GroupBy::word);
        let href = shell.url.replace(&shell.path, &[("by", word)]) + "#slots";
        let label = if by.is_some() { word } else { "number" };
        view! { <li><a href=href aria-current=(map.by == by).then_some("true")>{label}</a></li> }
    };
    let entries = std::iter::once(None).chain(GroupBy::ALL.into_iter().map(Some)).map(entry).collect_view();
    view! { <div class="hr-slots__by"><span id="slots-by">"Slots by"</span><ul class="hr-slots__orders" aria-labelledby="slots-by">{entries}</ul></div> }
        .into_any()
}

/// What the groups of the drawing hold, in words.
fn groups(map: &SlotMapModel, states: &[SlotState]) -> Option<AnyView> {
    if map.groups.is_empty() {
        return None;
    }
    let of_slot = slotmap::read_groups(&map.group_of);
    let rows = map
        .groups
        .iter()
        .enumerate()
        .map(|(group, name)| {
            let own: Vec<SlotState> = states
                .iter()
                .zip(&of_slot)
                .filter(|(_, of)| usize::from(**of) == group)
                .map(|(state, _)| *state)
                .collect();
            view! { <tr><th scope="row">{name.clone()}</th><td class="hr-num">{format::count(own.len() as i64)}</td><td>{summary(&own)}</td></tr> }
        })
        .collect_view();
    let caption = format!("{} groups, by {}", map.groups.len(), map.by.map_or("number", GroupBy::word));
    Some(
        view! {
            <details class="hr-data">
                <summary>{caption.clone()}</summary>
                <div class="hr-data__table" role="group" tabindex="0" aria-label=caption.clone()>
                    <table class="hr-table hr-table--tight">
                        <caption class="hr-vh">{caption.clone()}</caption>
                        <thead><tr><th scope="col">"Group"</th><th scope="col" class="hr-num">"Slots"</th><th scope="col">"States"</th></tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
            </details>
        }
        .into_any(),
    )
}

/// The slot that was chosen.
fn chosen(shell: &ShellModel, map: &SlotMapModel) -> Option<AnyView> {
    let slot = map.chosen.as_ref()?;
    let row = &slot.row;
    let pool = &map.pool.slug;
    let number = row.slot.to_string();
    let acts = shell.operates().then(|| {
        let act = |action: SlotAction| with_query(&act_path(pool, action), &[("slots", &number)]);
        let offered: &[SlotAction] = match row.state {
            SlotState::Free => &[SlotAction::Drain],
            SlotState::Offline => &[SlotAction::Restore],
            _ => &[SlotAction::Reclaim, SlotAction::Drain],
        };
        let links = offered.iter().map(|action| {
            view! { <a class="hr-btn hr-btn--small" href=act(*action)>{format!("{}…", action.label())}</a> }
        });
        links.collect_view()
    });
    let tenant = row.tenant.as_ref().map_or_else(
        || or_unknown(None, "nobody uses it"),
        |tenant| view! { <a href=shell.url.link(&tenant_path(&tenant.slug))>{tenant.name.clone()}</a> }.into_any(),
    );
    let some = |text: &str, reason| or_unknown((!text.is_empty()).then(|| text.to_owned()), reason);
    let left = slot.remaining_ms.map(|ms| {
        if ms >= 0 {
            format!("{} left", format::duration(ms))
        } else {
            format!("past its end by {}", format::duration(-ms))
        }
    });
    let last = slot.last_event.as_ref().map_or_else(
        || or_unknown(None, "nothing was recorded"),
        |(kind, at)| view! { {kind.clone()}", "{ago(shell, *at)} }.into_any(),
    );
    let close = shell.url.replace(&shell.path, &[("sel", "")]) + "#slots";
    Some(
        view! {
            <section class="hr-slots__panel" aria-labelledby="slot-chosen" tabindex="-1">
                <h3 id="slot-chosen"><a href=slot_path(pool, row.slot)>{format!("Slot {}", row.slot)}</a>" "{state_mark(row.state)}</h3>
                <dl class="hr-facts">
                    <div><dt>"Tenant"</dt><dd>{tenant}</dd></div>
                    <div><dt>"Holder"</dt><dd>{some(&row.holder, "nobody holds it")}</dd></div>
                    <div><dt>"Held since"</dt><dd>{slot.claimed_ms.map_or_else(|| or_unknown(None, "nobody holds it"), |at| ago(shell, at))}</dd></div>
                    <div><dt>"Lease"</dt><dd>{or_unknown(left, "nobody holds it")}</dd></div>
                    <div><dt>"P95"</dt><dd>{or_unknown(row.p95_ms.map(|ms| crate::live::micros(ms * 1_000.0)), "no work was reported")}</dd></div>
                    <div><dt>"Node"</dt><dd>{some(&row.node, "its node is not known")}</dd></div>
                    <div><dt>"Last event"</dt><dd>{last}</dd></div>
                </dl>
                <p class="hr-slots__acts">
                    <a class="hr-btn hr-btn--small" href=slot_path(pool, row.slot)>"All about it"</a>
                    {acts}
                    <a class="hr-btn hr-btn--small hr-btn--quiet" href=close>"Close"</a>
                </p>
            </section>
        }
        .into_any(),
    )
}

/// Stands for a slot's number in the address that chooses one.
const ANY_SLOT: &str = "999999999";

fn stage(shell: &ShellModel, map: &SlotMapModel, states: &[SlotState], coarse: &Grid, size: Size) -> AnyView {
    let class = match (size, states.len()) {
        (_, 0..=80) => "hr-slots__stage hr-slots__stage--few",
        (Size::Beside, _) => "hr-slots__stage",
        (Size::Full, _) => "hr-slots__stage hr-slots__stage--full",
    };
    let label = format!("Slot map of {}: {}", map.pool.name, summary(states));
    let choose = shell.url.replace(&shell.path, &[("sel", &format!("slot:{ANY_SLOT}"))]);
    let picked = shell.operates().then(|| {
        [SlotAction::Reclaim, SlotAction::Drain].map(|action| {
            view! { <a class="hr-btn hr-btn--small" data-slots-act=act_path(&map.pool.slug, action) href=act_path(&map.pool.slug, action)>{format!("{}…", action.label())}</a> }
        })
    });
    view! {
        <div
            class=class
            role="img"
            aria-label=label
            data-slots-stage=map.pool.slug.clone()
            data-states=map.states.clone()
            data-spotlight=map.spotlight.map(SlotState::slug)
            data-choose=choose
            data-any=ANY_SLOT
            data-groups=map.group_of.clone()
            data-group-names=map.groups.join("\n")
            inner_html=drawing(states, coarse, &map.groups, map.spotlight)
        ></div>
        <div class="hr-slots__bar">
            <p class="hr-slots__tip" data-slots-tip="" data-ticks="" aria-hidden="true"></p>
            <p class="hr-slots__picked" data-slots-picked="" hidden="">
                <strong data-slots-picked-count=""></strong>
                {picked}
                <button class="hr-btn hr-btn--small" type="button" data-slots-copy="">"Copy ids"</button>
                <button class="hr-btn hr-btn--small hr-btn--quiet" type="button" data-slots-drop="">"Clear"</button>
            </p>
            <p class="hr-slots__zoom" role="group" aria-label="Zoom of the map">
                <button class="hr-btn hr-btn--small" type="button" data-slots-zoom="out" aria-label="Zoom out">"−"</button>
                <button class="hr-btn hr-btn--small" type="button" data-slots-zoom="in" aria-label="Zoom in">"+"</button>
                <button class="hr-btn hr-btn--small" type="button" data-slots-zoom="fit">"Fit"</button>
            </p>
        </div>
        <span class="hr-vh" role="status" data-slots-said="" data-ticks=""></span>
    }
    .into_any()
}

/// The drawing of at most 400 boxes: one path per state, so that it stays small.
fn drawing(states: &[SlotState], grid: &Grid, names: &[String], spotlight: Option<SlotState>) -> String {
    let side = i64::from(grid.pitch()) - 1;
    let mut free = String::new();
    let mut used = String::new();
    // What shows through an arrow or a notch is the page, not the box below.
    let mut under = String::new();
    let mut marks: [String; 6] = Default::default();
    for place in (0..grid.len()).filter(|place| !grid.slots_of(*place).is_empty()) {
        let shown = slotmap::shown(grid.slots_of(place).iter().map(|slot| states[*slot]));
        let (x, y) = grid.corner(place);
        let (x, y) = (i64::from(x), i64::from(y));
        let height = (side as f64 * shown.used as f64 / shown.slots.max(1) as f64).round() as i64;
        if height < side {
            let _ = write!(free, "M{x}.5 {y}.5h{0}v{0}h-{0}z", side - 1);
        }
        if height > 0 {
            let _ = write!(used, "M{x} {}h{side}v{height}h-{side}z", y + side - height);
        }
        if shown.state.is_anomaly() {
            let place = SlotState::ALL.into_iter().position(|state| state == shown.state).unwrap_or_default();
            marks[place] += &mark(shown.state, x, y, side);
            if matches!(shown.state, SlotState::Draining | SlotState::Offline) {
                let _ = write!(under, "M{x} {y}h{side}v{side}h-{side}z");
            }
        }
    }
    let dim = |lit: bool| if spotlight.is_none() || lit { "" } else { " hr-s-dim" };
    let mut svg = format!(
        r#"<svg class="hr-slots__svg" viewBox="0 0 {} {}" preserveAspectRatio="xMinYMin meet" aria-hidden="true">"#,
        grid.columns() as u32 * grid.pitch(),
        grid.rows() as u32 * grid.pitch()
    );
    let _ = write!(svg, r#"<path class="hr-s-free{}" d="{free}"/>"#, dim(spotlight == Some(SlotState::Free)));
    let _ = write!(svg, r#"<path class="hr-s-occupied{}" d="{used}"/>"#, dim(spotlight == Some(SlotState::Occupied)));
    if !under.is_empty() {
        let _ = write!(svg, r#"<path class="hr-s-under" d="{under}"/>"#);
    }
    for (state, paths) in SlotState::ALL.into_iter().zip(&marks) {
        if !paths.is_empty() {
            let _ = write!(
                svg,
                r#"<path class="hr-s-{}{}" fill-rule="evenodd" d="{paths}"/>"#,
                state.slug(),
                dim(spotlight == Some(state))
            );
        }
    }
    for (end, group) in grid.heads() {
        let y = end - 5;
        let name = names.get(group).map_or("", String::as_str);
        let short: String = name.chars().take(40).collect();
        let _ = write!(svg, r#"<text class="hr-s-name" x="0" y="{y}">{}</text>"#, escaped(&short));
    }
    svg + "</svg>"
}

/// Text as it may stand in markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The mark of a state in a box: a diamond, a ring, a box with an arrow, a box with an upright notch.
fn mark(state: SlotState, x: i64, y: i64, side: i64) -> String {
    let half = side / 2;
    match state {
        SlotState::Leaked => format!("M{} {y}l{half} {half}l-{half} {half}l-{half} -{half}z", x + half),
        SlotState::Hot => {
            let circle = |gap: i64| {
                let (across, radius) = (side - 2 * gap, (side - 2 * gap) as f64 / 2.0);
                format!(
                    "M{} {}a{radius} {radius} 0 1 0 {across} 0a{radius} {radius} 0 1 0 -{across} 0z",
                    x + gap,
                    y as f64 + side as f64 / 2.0
                )
            };
            circle(0) + &circle(2)
        }
        SlotState::Draining => {
            format!("M{x} {y}h{side}v{side}h-{side}zM{} {}h2v3h2l-3 3.500l-3 -3.500h2z", x + half - 1, y + 2)
        }
        _ => format!("M{x} {y}h{side}v{side}h-{side}zM{} {y}h2v{side}h-2z", x + half - 1),
    }
}

/// The states with their counts; each entry lights its state, or puts the light out.
fn legend(shell: &ShellModel, map: &SlotMapModel, states: &[SlotState]) -> AnyView {
    let longest = format::count(states.len() as i64).len();
    let entries = SlotState::ALL
        .into_iter()
        .zip(slotmap::counts(states))
        .map(|(state, count)| {
            let lit = map.spotlight == Some(state);
            let href = shell.url.replace(&shell.path, &[("state", if lit { "" } else { state.slug() })]) + "#slots";
            let key = format!("hr-slots__key hr-slots__key--{}", state.slug());
            let svg = key_of(state);
            view! {
                <li>
                    <a class=key href=href aria-current=lit.then_some("true")>
                        <svg viewBox="0 0 13 13" aria-hidden="true" inner_html=svg></svg>
                        {state.label()}
                        <span class="hr-live" style=room(longest, "") data-slots-count=state.slug() data-ticks="">{format::count(count)}</span>
                    </a>
                </li>
            }
        })
        .collect_view();
    view! { <ul class="hr-slots__legend" aria-label="States, with their number of slots">{entries}</ul> }.into_any()
}

fn key_of(state: SlotState) -> String {
    let path = match state {
        SlotState::Free | SlotState::Occupied => "M1 1h11v11h-11z".to_owned(),
        other => mark(other, 1, 1, 11),
    };
    format!(r#"<path class="hr-s-{}" fill-rule="evenodd" d="{path}"/>"#, state.slug())
}

fn table(shell: &ShellModel, map: &SlotMapModel, size: Size) -> AnyView {
    let lit = map.spotlight;
    let rows: Vec<&SlotRow> = map.anomalies.iter().filter(|row| lit.is_none_or(|state| row.state == state)).collect();
    if rows.is_empty() {
        let text = match lit {
            Some(state) => format!("No slot is {}.", state.slug()),
            None => "No slot is leaked, draining, offline or hot.".to_owned(),
        };
        return view! { <p class="hr-card__foot">{text}</p> }.into_any();
    }
    let shown = rows.len() as i64;
    let caption = match lit {
        Some(state) if shown < map.anomalies_total => {
            format!("First {} of {} {} slots", format::count(shown), format::count(map.anomalies_total), state.slug())
        }
        Some(state) => format!("{} {} slots", format::count(shown), state.slug()),
        None if shown < map.anomalies_total => {
            format!("First {} of {} unusual slots", format::count(shown), format::count(map.anomalies_total))
        }
        None => format!("{} unusual slots", format::count(shown)),
    };
    let body = rows.into_iter().map(|row| row_view(shell, &map.pool.slug, row)).collect_view();
    let table = view! {
        <div class="hr-data__table" role="group" tabindex="0" aria-label=caption.clone()>
            <table class="hr-table hr-table--tight">
                <caption class="hr-vh">{caption.clone()}</caption>
                <thead>
                    <tr>
                        <th scope="col">"Slot"</th>
                        <th scope="col">"State"</th>
                        <th scope="col">"Since"</th>
                        <th scope="col">"Tenant"</th>
                        <th scope="col">"Holder"</th>
                        <th scope="col" class="hr-num">"P95"</th>
                        <th scope="col">"Node"</th>
                    </tr>
                </thead>
                <tbody>{body}</tbody>
            </table>
        </div>
    };
    let open = (size == Size::Full || lit.is_some()).then_some("");
    view! {
        <details class="hr-data" open=open.is_some()>
            <summary>{super::icon::icon(shell, "chevron-right")}{caption.clone()}</summary>
            {table}
        </details>
    }
    .into_any()
}

fn row_view(shell: &ShellModel, pool: &str, row: &SlotRow) -> AnyView {
    let tenant = row.tenant.as_ref().map_or_else(
        || or_unknown(None, "nobody uses it"),
        |tenant| view! { <a href=shell.url.link(&tenant_path(&tenant.slug))>{tenant.name.clone()}</a> }.into_any(),
    );
    let since = row.since_ms.map_or_else(|| or_unknown(None, "it was not seen to change"), |at| ago(shell, at));
    let some = |text: &str, reason| or_unknown((!text.is_empty()).then(|| text.to_owned()), reason);
    view! {
        <tr data-slot=row.slot data-tenant=row.tenant.as_ref().map(|tenant| tenant.name.clone())>
            <th scope="row"><a href=slot_path(pool, row.slot)>{format!("#{}", row.slot)}</a></th>
            <td>{state_mark(row.state)}</td>
            <td>{since}</td>
            <td>{tenant}</td>
            <td>{some(&row.holder, "nobody holds it")}</td>
            <td class="hr-num">{or_unknown(row.p95_ms.map(|ms| crate::live::micros(ms * 1_000.0)), "no work was reported")}</td>
            <td>{some(&row.node, "its node is not known")}</td>
        </tr>
    }
    .into_any()
}

/// A state's mark with its word.
pub(crate) fn state_mark(state: SlotState) -> AnyView {
    view! {
        <span class="hr-slots__key">
            <svg viewBox="0 0 13 13" aria-hidden="true" inner_html=key_of(state)></svg>
            {state.label()}
        </span>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drawing_has_a_path_per_state_and_every_anomaly() {
        let mut states = vec![SlotState::Occupied; 20_000];
        states[4_710] = SlotState::Leaked;
        states[9] = SlotState::Offline;
        states[19_999] = SlotState::Free;
        let svg = drawing(&states, &Grid::coarse(states.len(), &[], MOST_BOXES, COLUMNS, PITCH), &[], None);
        assert_eq!(svg.matches("<path").count(), 5, "{svg}");
        assert!(svg.contains("hr-s-leaked") && svg.contains("hr-s-offline") && !svg.contains("hr-s-dim"));
        assert!(svg.len() < 20_000, "{} bytes", svg.len());
    }

    #[test]
    fn a_light_dims_the_others() {
        let states = slotmap::read("oo.l");
        let svg = drawing(&states, &Grid::coarse(4, &[], MOST_BOXES, COLUMNS, PITCH), &[], Some(SlotState::Leaked));
        assert_eq!(svg.matches("hr-s-dim").count(), 2);
        assert!(svg.contains(r#"class="hr-s-leaked""#));
    }

    #[test]
    fn names_of_groups_are_text() {
        let states = slotmap::read("oool");
        let grid = Grid::coarse(4, &slotmap::read_groups("ABAB"), MOST_BOXES, COLUMNS, PITCH);
        let svg = drawing(&states, &grid, &["<b>Acme</b>".into(), "b & c".into()], None);
        assert!(svg.contains("&lt;b&gt;Acme") && svg.contains("b &amp; c") && !svg.contains("<b>"), "{svg}");
    }

    #[test]
    fn words_carry_what_the_drawing_shows() {
        assert_eq!(summary(&slotmap::read("oo.l")), "2 occupied, 1 leaked, 1 free");
    }
}
