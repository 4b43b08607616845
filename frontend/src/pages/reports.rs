//! `/waste`, `/waste/2026-11` and other reports, and `/reports`, where those that were closed are kept.
//!
//! What a table says is the text of its figures, the same as on paper; nothing is reckoned here.

use headroom_domain::format;
use headroom_domain::report::{Cell, Kind, Row, Table};
use leptos::prelude::*;

use crate::components::field::csrf;
use crate::components::shell::{Frame, document};
use crate::components::stat::spark_line;
use crate::components::state::{Tone, button_link, empty, strip};
use crate::components::value::{day_time, instant, times_in, unknown};
use crate::islands::PrintButton;
use crate::model::{KeptReport, Link, ReportModel, ReportRow, ReportsModel, ShellModel, Unit};
use crate::routes::RailEntry;

/// Characters of a checksum that are shown where there is little room.
const SHORT_CHECKSUM: usize = 12;

/// Words of more characters have a line of their own on a phone.
const LONG: usize = 14;

/// A report.
pub fn report(shell: &ShellModel, model: &ReportModel) -> AnyView {
    let doc = &model.document;
    let is_waste = doc.kind == Kind::Waste;
    let version = model.kept.as_ref().map(|kept| format!("?v={}", kept.version)).unwrap_or_default();
    let file = |kind: &str| format!("{}.{kind}{version}", model.path);
    let mut actions: Vec<AnyView> = Vec::new();
    for link in [&model.before, &model.after].into_iter().flatten() {
        actions.push(view! { <a class="hr-btn" href=link.href.clone()>{link.label.clone()}</a> }.into_any());
    }
    actions.push(view! { <a class="hr-btn" href="/reports">"Archive"</a> }.into_any());
    actions.push(button_link(shell, "hr-btn", "download", "PDF", file("pdf")));
    actions.push(button_link(shell, "hr-btn", "download", "CSV", file("csv")));
    if is_waste {
        actions.push(button_link(shell, "hr-btn", "download", "PNG", file("png")));
    }
    actions.push(view! { <PrintButton icons=shell.assets.icons.clone()/> }.into_any());
    let crumbs = match doc.kind {
        Kind::Waste => Vec::new(),
        _ => vec![Link { label: "Reports".into(), href: "/reports".into() }],
    };
    let frame = Frame {
        section: Some(if is_waste { RailEntry::Waste.label() } else { "Reports" }),
        sub: Some(state_line(shell, model)),
        crumbs,
        actions,
        ..Frame::plain(doc.title.clone())
    };
    let tables = doc.tables.iter().map(|table| table_card(shell, model, table)).collect_view();
    let body = if doc.tables.is_empty() {
        empty(shell, "Nothing was promised in this time, or nothing is known of it.", None)
    } else {
        tables.into_any()
    };
    let notes = doc.notes.iter().map(|note| view! { <li>{note.clone()}</li> }).collect_view();
    let content = view! {
        {part_note(shell, model)}
        {cards(model)}
        {body}
        <section class="hr-card" aria-labelledby="report-notes">
            <div class="hr-card__head"><h2 id="report-notes">"How this is computed"</h2></div>
            {facts(model)}
            <ul class="hr-report__notes">{notes}</ul>
            {kept(shell, model)}
        </section>
        {correction(shell, model)}
    };
    document(shell, frame, content.into_any())
}

fn state_line(shell: &ShellModel, model: &ReportModel) -> AnyView {
    let doc = &model.document;
    let range = view! { {instant(shell, doc.from_ms)}" to "{instant(shell, doc.to_ms)} };
    let state = match (&model.kept, model.closes_ms) {
        (Some(kept), _) => view! { {format!(" · closed, version {}", kept.version)} }.into_any(),
        (None, Some(at)) => view! { " · provisional, closes "{day_time(shell, at)} }.into_any(),
        (None, None) => view! { " · as far as it is known" }.into_any(),
    };
    view! { {range}{state}{format!(" · {}", times_in(shell))} }.into_any()
}

fn part_note(shell: &ShellModel, model: &ReportModel) -> Option<AnyView> {
    (!model.is_whole).then(|| {
        strip(
            shell,
            Tone::Info,
            view! { "You see the part that is about your tenants and pools; totals are of that part." }.into_any(),
        )
    })
}

/// The numbers above the tables: totals of what is below.
fn cards(model: &ReportModel) -> Option<AnyView> {
    let doc = &model.document;
    let table = doc.table("waste")?;
    let total = |key: &str| table.total_of(key);
    let shown = |cell: Option<Cell>| match cell {
        Some(Cell::Money(Some(minor))) => Some(format::money_short(minor, doc.money())),
        Some(cell) => Some(cell.shown(doc.money())).filter(|text| text != format::UNKNOWN),
        None => None,
    };
    let card = |label: &'static str, value: Option<String>, detail: String| {
        let value = value.map_or_else(|| unknown("nothing was promised, or it has no price"), IntoAny::into_any);
        view! {
            <div class="hr-card hr-stat hr-report__card">
                <div class="hr-stat__head"><h2>{label}</h2></div>
                <p class="hr-stat__value"><strong class="hr-stat__num">{value}</strong></p>
                <p class="hr-stat__delta hr-same">{detail}</p>
            </div>
        }
        .into_any()
    };
    let unused = card("Reserved but unused", shown(total("waste")), "target below 10 %".into());
    let money = match shown(total("idle_minor")) {
        Some(idle) => {
            let of = shown(total("spend_minor")).unwrap_or_default();
            card("Money", Some(idle), format!("of {of} for what was promised"))
        }
        None => card("Idle, slot-hours", shown(total("idle_slot_ms")), "without prices".into()),
    };
    let detail = "99th percentile of the peaks kept, and a tenth".to_owned();
    let saved = match shown(total("saves_minor")) {
        Some(saved) => card("Could be saved safely", Some(saved), detail),
        None => card("Could be saved safely, slot-hours", shown(total("saves_slot_ms")), detail),
    };
    let trend = doc.table("trend").map(|table| {
        let points: Vec<Option<f64>> = table
            .rows
            .iter()
            .map(|row| match table.cell(&row.cells, "waste") {
                Some(Cell::Ratio(part, whole)) => headroom_domain::occupancy::ratio(*part, *whole),
                _ => None,
            })
            .collect();
        view! {
            <div class="hr-card hr-stat hr-report__card">
                <div class="hr-stat__head"><h2>"Trend, 12 months"</h2></div>
                <div class="hr-report__trend">{spark_line(&points, Unit::Ratio)}</div>
                <p class="hr-stat__delta hr-same"><a href="#trend">"The months in numbers"</a></p>
            </div>
        }
    });
    Some(view! { <div class="hr-cards hr-report__cards">{unused}{money}{saved}{trend}</div> }.into_any())
}

fn table_card(shell: &ShellModel, model: &ReportModel, table: &Table) -> AnyView {
    let currency = model.document.money();
    let (id, title_id) = (table.key.clone(), format!("{}-title", table.key));
    let acts = suggestion(table).is_some() && model.may_plan && model.is_recent;
    let has_why = table.rows.iter().any(|row| !row.why.is_empty());
    let stacks = stacks(table);
    let heads = table.columns.iter().enumerate().filter(|(at, _)| !(stacks && *at == 1)).map(|(at, column)| {
        let number = table.rows.first().and_then(|row| row.cells.get(at)).is_some_and(Cell::is_number);
        view! { <th scope="col" class=number.then_some("hr-num")>{column.label.clone()}{(stacks && at == 0).then_some(", pool")}</th> }
    });
    let act_head = (acts || has_why).then(|| view! { <th scope="col"><span class="hr-vh">"What to do"</span></th> });
    let rows = table.rows.iter().map(|row| row_view(shell, model, table, row, acts, has_why)).collect_view();
    let foot = table.total().map(|total| {
        let cells = total.iter().enumerate().skip(if stacks { 2 } else { 1 }).map(|(at, cell)| {
            let label = table.columns.get(at).map(|column| column.label.clone()).unwrap_or_default();
            let text = match cell {
                Cell::Level(_) | Cell::Price(_) | Cell::Time(_) => String::new(),
                cell => cell.shown(currency),
            };
            let label = (!text.is_empty()).then_some(label);
            view! { <td class=cell.is_number().then_some("hr-num") data-label=label>{text}</td> }
        });
        let last = (acts || has_why).then(|| view! { <td></td> });
        view! { <tfoot><tr><th scope="row" class="hr-table__name">"Total"</th>{cells.collect_view()}{last}</tr></tfoot> }
    });
    let csv = format!("{}.csv?table={}", model.path, table.key);
    let csv = match &model.kept {
        Some(kept) => format!("{csv}&v={}", kept.version),
        None => csv,
    };
    view! {
        <section class="hr-card hr-card--flush" id=id aria-labelledby=title_id.clone()>
            <div class="hr-card__head">
                <h2 id=title_id.clone()>{table.title.clone()}</h2>
                <span class="hr-card__tools"><a href=csv aria-label=format!("{} as CSV", table.title)>"CSV"</a></span>
            </div>
            <div class="hr-scroll hr-report__scroll" tabindex="0" role="group" aria-labelledby=title_id.clone()>
                <table class="hr-table hr-table--cards hr-report__table">
                    <caption class="hr-table__caption">{table.basis.clone()}</caption>
                    <thead><tr>{heads.collect_view()}{act_head}</tr></thead>
                    <tbody>{rows}</tbody>
                    {foot}
                </table>
            </div>
        </section>
    }
    .into_any()
}

fn row_view(shell: &ShellModel, model: &ReportModel, table: &Table, row: &Row, acts: bool, has_why: bool) -> AnyView {
    let currency = model.document.money();
    let first = row.cells.first().map(|cell| cell.shown(currency)).unwrap_or_default();
    let stacks = stacks(table);
    let under = row.cells.get(1).filter(|_| stacks).map(|cell| view! { <br/><small>{cell.shown(currency)}</small> });
    let cells = row.cells.iter().enumerate().skip(if stacks { 2 } else { 1 }).map(|(at, cell)| {
        let label = table.columns.get(at).map(|column| column.label.clone()).unwrap_or_default();
        let text = cell.shown(currency);
        let text = if text == format::UNKNOWN { unknown("there is none, or it is not known") } else { text.into_any() };
        let class = match cell {
            Cell::Text(words) if words.chars().count() > LONG => Some("hr-report__long"),
            cell => cell.is_number().then_some("hr-num"),
        };
        view! { <td class=class data-label=label>{text}</td> }
    });
    let level = |column| match table.cell(&row.cells, column) {
        Some(Cell::Level(slots)) => *slots,
        _ => None,
    };
    let lowers = suggestion(table)
        .and_then(|column| level(column).zip(level("promised_slots")))
        .is_some_and(|(to, promised)| (1..promised).contains(&to));
    let draft = (acts && lowers).then(|| draft_form(shell, model, table, row)).flatten();
    let why = (!row.why.is_empty()).then(|| {
        let about = format!("Why: {first} in {}", row.pool_slug().unwrap_or("all pools"));
        view! { <details class="hr-report__why"><summary aria-label=about>"Why"</summary><p>{row.why.clone()}</p></details> }
    });
    let last = (acts || has_why).then(|| view! { <td class="hr-wide-cell hr-report__acts">{draft}{why}</td> });
    view! {
        <tr>
            <th scope="row" class="hr-table__name">{first.clone()}{under}</th>
            {cells.collect_view()}
            {last}
        </tr>
    }
    .into_any()
}

/// Whether a table's rows are named by a tenant and a pool: then the pool stands below the tenant, so that the figures have room.
fn stacks(table: &Table) -> bool {
    let mut keys = table.columns.iter().map(|column| column.key.as_str());
    (keys.next(), keys.next()) == (Some("tenant"), Some("pool"))
}

/// The column of a table that suggests to how many slots a promise may be lowered.
fn suggestion(table: &Table) -> Option<&'static str> {
    match table.key.as_str() {
        "waste" => Some("right_size_slots"),
        "elastic" => Some("constant_slots"),
        _ => None,
    }
}

/// The button that makes a draft of one suggestion.
fn draft_form(shell: &ShellModel, model: &ReportModel, table: &Table, row: &Row) -> Option<AnyView> {
    let (tenant, pool) = (row.tenant_slug()?.to_owned(), row.pool_slug()?.to_owned());
    let version = model.kept.as_ref().map(|kept| kept.version.to_string()).unwrap_or_default();
    let what = if table.key == "elastic" { "the cheapest level of" } else { "right-size" };
    let name = format!("Draft: {what} {tenant} in {pool}");
    Some(
        view! {
            <form method="post" action=format!("{}/draft", model.path)>
                {csrf(shell)}
                <input type="hidden" name="table" value=table.key.clone()/>
                <input type="hidden" name="tenant" value=tenant/>
                <input type="hidden" name="pool" value=pool/>
                <input type="hidden" name="v" value=version/>
                <button class="hr-btn hr-btn--small" type="submit" aria-label=name>"Draft"</button>
            </form>
        }
        .into_any(),
    )
}

fn facts(model: &ReportModel) -> Option<AnyView> {
    let doc = &model.document;
    if doc.facts.is_empty() {
        return None;
    }
    let items = doc.facts.iter().map(|(name, cell)| {
        view! { <div><dt>{name.clone()}</dt><dd>{cell.shown(doc.money())}</dd></div> }
    });
    Some(view! { <dl class="hr-facts">{items.collect_view()}</dl> }.into_any())
}

fn kept(shell: &ShellModel, model: &ReportModel) -> AnyView {
    let Some(kept) = &model.kept else {
        if model.document.kind == Kind::Incident {
            let text = if model.closes_by_itself {
                "As far as it is known now. A day after the alert is over its summary is closed and kept with a checksum."
            } else {
                "As far as it is known now. Summaries of pages are kept by themselves, this one is not: save the PDF to keep it."
            };
            return view! { <p class="hr-muted">{text}</p> }.into_any();
        }
        return view! { <p class="hr-muted">"Provisional: figures change until the period closes, then they are kept with a checksum."</p> }
            .into_any();
    };
    let note = (!kept.note.is_empty()).then(|| view! { <p class="hr-wrap">{format!("Corrected: {}", kept.note)}</p> });
    let sum = (!kept.checksum.is_empty()).then(
        || view! { <p class="hr-wrap hr-muted">"SHA-256 of the figures: "<code>{kept.checksum.clone()}</code></p> },
    );
    view! {
        <p class="hr-muted">{format!("Version {}, closed ", kept.version)}{instant(shell, kept.closed_ms)}"."</p>
        {note}
        {sum}
    }
    .into_any()
}

/// The form that reckons a closed report anew.
fn correction(shell: &ShellModel, model: &ReportModel) -> Option<AnyView> {
    if !model.may_plan || !model.is_whole || model.kept.is_none() || model.document.kind == Kind::Incident {
        return None;
    }
    let error = model.note_error.clone().map(|text| view! { <p class="hr-field__error" id="note-error">{text}</p> });
    let described = model.note_error.is_some().then_some("note-error");
    Some(
        view! {
            <details class="hr-card hr-report__correct" open=model.note_error.is_some()>
                <summary>"Correct this report"</summary>
                <form method="post" action=format!("{}/correct", model.path)>
                    {csrf(shell)}
                    <p>"The figures are reckoned anew and kept as another version; this one stays as it is."</p>
                    <label for="note">"What was corrected"</label>
                    <input class="hr-input" id="note" name="note" maxlength="500" required aria-describedby=described/>
                    {error}
                    <button class="hr-btn" type="submit">"Make another version"</button>
                </form>
            </details>
        }
        .into_any(),
    )
}

/// `/reports`
pub fn reports(shell: &ShellModel, model: &ReportsModel) -> AnyView {
    let frame = Frame {
        sub: Some(times_in(shell).into_any()),
        actions: vec![view! { <a class="hr-btn" href="/game-days">"Game days"</a> }.into_any()],
        ..Frame::plain("Reports")
    };
    let current =
        model.current.iter().map(|link| view! { <li><a href=link.href.clone()>{link.label.clone()}</a></li> });
    let rows = model.rows.iter().map(|row| archived(shell, row)).collect_view();
    let archive = if model.rows.is_empty() {
        empty(shell, "No report is closed yet. A month closes on the 3rd at 06:00.", None)
    } else {
        view! {
            <div class="hr-scroll" tabindex="0" role="group" aria-labelledby="archive-title">
                <table class="hr-table hr-table--cards">
                    <caption class="hr-table__caption">"What was closed stays as it was; a correction is another version."</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Report"</th>
                            <th scope="col" class="hr-num">"Version"</th>
                            <th scope="col" class="hr-num">"Idle, money"</th>
                            <th scope="col">"Closed"</th>
                            <th scope="col">"Checksum"</th>
                            <th scope="col">"Files"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let content = view! {
        <section class="hr-card" aria-labelledby="current-title">
            <div class="hr-card__head"><h2 id="current-title">"Running now"</h2></div>
            <ul class="hr-plain-list">{current.collect_view()}</ul>
        </section>
        <section class="hr-card hr-card--flush" aria-labelledby="archive-title">
            <div class="hr-card__head"><h2 id="archive-title">"Archive"</h2></div>
            {archive}
        </section>
    };
    document(shell, frame, content.into_any())
}

fn archived(shell: &ShellModel, row: &ReportRow) -> AnyView {
    let KeptReport { version, closed_ms, checksum, note } = &row.kept;
    let href = |file: &str| format!("{}{file}?v={version}", row.path);
    let kinds: &[&str] = if row.path.starts_with("/waste/") { &["pdf", "csv", "png"] } else { &["pdf", "csv"] };
    let files = kinds.iter().map(|kind| {
        let name = format!("{} of {}, version {version}", kind.to_uppercase(), row.title);
        view! { <a href=href(&format!(".{kind}")) aria-label=name>{kind.to_uppercase()}</a>" " }
    });
    let total = match row.total_minor {
        Some(minor) => format::money(minor, &row.currency).into_any(),
        None => unknown("it has no money, or you are not shown it"),
    };
    let short: String = checksum.chars().take(SHORT_CHECKSUM).collect();
    let sum = if checksum.is_empty() {
        unknown("it is of all tenants")
    } else {
        view! { <code title=checksum.clone()>{format!("{short}…")}</code> }.into_any()
    };
    let note = (!note.is_empty()).then(|| view! { <small>{note.clone()}</small> });
    view! {
        <tr>
            <th scope="row" class="hr-table__name"><a href=href("")>{row.title.clone()}</a>{note}</th>
            <td class="hr-num" data-label="Version">{format!("v{version}")}</td>
            <td class="hr-num" data-label="Idle, money">{total}</td>
            <td data-label="Closed">{instant(shell, *closed_ms)}</td>
            <td data-label="Checksum">{sum}</td>
            <td data-label="Files">{files.collect_view()}</td>
        </tr>
    }
    .into_any()
}
