//! What is wrong with the rows of a file, by what repairs it: values that could be read as others, then cells that could be
//! corrected. Lists are cut, so that the page of ten megabytes of nonsense is read like any other.

use super::import::as_sentence;
use crate::app::plan::imports::Checked;
use crate::planfile::repairs::LONGEST;
use crate::planfile::table::{BadRow, TableFault, unquoted};
use crate::zones;
use headroom_domain::slug;
use headroom_frontend::model::{ImportCheck, ImportGroup, ImportProblem, ImportSkipped, ImportValue, ImportValues};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Problems of a kind that are listed, and of all kinds together: their fields are as many as a form takes.
const MOST_LISTED: usize = 25;
const MOST_LISTED_ALL: usize = 150;
/// Kinds that are listed.
const MOST_GROUPS: usize = 30;
/// Values of a field that are listed.
const MOST_VALUES: usize = 40;
/// Names in the list beside each value; where there are more they are offered while typing.
const MOST_OPTIONS: usize = 40;
/// Names that are offered while typing.
const MOST_OFFERED: usize = 2_000;
/// Rows that are named beside a value.
const MOST_NAMED: usize = 3;
/// Skipped rows that are listed.
const MOST_SKIPPED: usize = 50;

/// Whether a fault is a value that can be read as another.
fn is_value(fault: &TableFault) -> bool {
    let is_plain = !fault.found.is_empty()
        // What is as long as a fault tells may go on.
        && fault.found.chars().count() < 80
        && !fault.found.chars().any(char::is_control);
    (fault.field == "tenant" || fault.field == "zone") && fault.place.is_some() && is_plain
}

fn unknown_title(field: &str) -> String {
    format!("Unknown {field}")
}

/// A name for rows with the same thing wrong.
fn title(fault: &TableFault) -> String {
    let column = &fault.column;
    if is_value(fault) {
        return unknown_title(fault.field);
    }
    match fault.field {
        "" if fault.column.is_empty() && fault.expected.contains("20,000 rows") => "Too many rows".to_owned(),
        "" if fault.column.is_empty() => "Not a row of the table".to_owned(),
        "end" if fault.expected.contains("after the start") => "End before start".to_owned(),
        "name" if fault.expected.starts_with("a name that no other row") => "A name twice".to_owned(),
        _ if fault.expected.starts_with("a whole number") => format!("Not a number: {column}"),
        _ if fault.found.is_empty() => format!("Nothing in {column}"),
        _ => format!("Wrong {column}"),
    }
}

/// What may be the matter with something that should be a number.
fn hint(fault: &TableFault) -> &'static str {
    if !fault.expected.starts_with("a whole number") {
        return "";
    }
    let is_number = |text: String| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if fault.found.contains(['O', 'o']) && is_number(fault.found.replace(['O', 'o'], "0")) {
        return "letter O";
    }
    if fault.found.contains(['l', 'I']) && is_number(fault.found.replace(['l', 'I'], "1")) {
        return "letter l";
    }
    if is_number(fault.found.replace([',', '.', ' ', '\u{a0}', '\u{202f}', '\''], "")) {
        return "without marks between thousands";
    }
    ""
}

fn lower(text: &str) -> String {
    text.trim().to_lowercase().replace([' ', '_', '.'], "-")
}

/// What an unknown value of a field may stand for.
pub(super) fn suggestion(field: &str, value: &str, tenants: &[String]) -> Option<String> {
    match field {
        "tenant" => {
            let names = || tenants.iter().map(String::as_str);
            let plain = lower(value);
            names().find(|name| *name == plain).or_else(|| slug::nearest(&plain, names())).map(str::to_owned)
        }
        "zone" => {
            let plain = lower(value);
            // People write the city, or the zone with another case.
            let city = |name: &str| lower(name.rsplit('/').next().unwrap_or_default());
            let offered = || zones::OFFERED.iter().copied();
            let exact = offered().find(|name| lower(name) == plain || city(name) == plain);
            exact.or_else(|| slug::nearest(value, offered())).map(str::to_owned)
        }
        _ => None,
    }
}

/// Values of a field with the rows that have them.
#[derive(Default)]
struct Unknown {
    rows: HashSet<usize>,
    by_value: BTreeMap<String, Vec<usize>>,
}

fn values(field: &str, unknown: &Unknown, checked: &Checked) -> Option<ImportValues> {
    let offered: Vec<String> = match field {
        "tenant" => checked.check.tenants.clone(),
        _ => zones::OFFERED.iter().map(|zone| (*zone).to_owned()).collect(),
    };
    let options = if offered.len() > MOST_OPTIONS { Vec::new() } else { offered };
    let mut all: Vec<(&String, &Vec<usize>)> = unknown.by_value.iter().collect();
    all.sort_by_key(|(value, rows)| (std::cmp::Reverse(rows.len()), (*value).clone()));
    let (count, left) = (unknown.rows.len() as i64, all.len().saturating_sub(MOST_VALUES) as i64);
    let applied = checked.repairs.replaced.get(field);
    let with = |by: &str| {
        let mut options = options.clone();
        // What was chosen is in the list, also when it is not known any more.
        if !options.is_empty() && !by.is_empty() && !options.iter().any(|option| option == by) {
            options.insert(0, by.to_owned());
        }
        options
    };
    let mut values: Vec<ImportValue> = all
        .into_iter()
        .take(MOST_VALUES)
        .map(|(value, rows)| {
            let by = suggestion(field, value, &checked.check.tenants).unwrap_or_default();
            ImportValue {
                value: value.clone(),
                rows: Some(rows.len() as i64),
                first: rows.iter().take(MOST_NAMED).map(|row| *row as i64).collect(),
                options: with(&by),
                by,
            }
        })
        .collect();
    let room = MOST_VALUES.saturating_sub(values.len());
    values.extend(applied.into_iter().flatten().take(room).map(|(value, by)| ImportValue {
        value: value.clone(),
        rows: None,
        first: Vec::new(),
        by: by.clone(),
        options: with(by),
    }));
    if values.is_empty() {
        return None;
    }
    let title = match (count, field) {
        (0, "tenant") => "Tenants read as others".to_owned(),
        (0, _) => "Zones read as others".to_owned(),
        _ => unknown_title(field),
    };
    Some(ImportValues { title, field: field.to_owned(), values, left, rows: count, group: None })
}

fn groups(faults: &[TableFault], bad: &[BadRow]) -> (Vec<ImportGroup>, i64) {
    let by_row: HashMap<usize, &BadRow> = bad.iter().map(|bad| (bad.row, bad)).collect();
    let mut kinds: HashMap<String, (usize, Vec<&TableFault>)> = HashMap::new();
    for fault in faults {
        let (count, listed) = kinds.entry(title(fault)).or_default();
        *count += 1;
        if listed.len() < MOST_LISTED {
            listed.push(fault);
        }
    }
    let mut kinds: Vec<(String, (usize, Vec<&TableFault>))> = kinds.into_iter().collect();
    // What one choice repairs comes first, then what most rows have.
    let is_one_by_one = |faults: &[&TableFault]| !faults.first().is_some_and(|fault| is_value(fault));
    kinds.sort_by_cached_key(|(title, (count, faults))| {
        (is_one_by_one(faults), std::cmp::Reverse(*count), title.clone())
    });
    let left = kinds.len().saturating_sub(MOST_GROUPS) as i64;
    let (mut room, mut skippable, mut editable) = (MOST_LISTED_ALL, HashSet::new(), HashSet::new());
    let mut groups = Vec::new();
    for (title, (count, mut listed)) in kinds.into_iter().take(MOST_GROUPS) {
        listed.truncate(room);
        room -= listed.len();
        let problem = |fault: &&TableFault| {
            let cell = fault.place.and_then(|place| {
                let text = unquoted(by_row.get(&fault.row)?.cells.get(place).unwrap_or_default());
                let is_short = text.chars().count() <= LONGEST && !text.chars().any(char::is_control);
                // One field for a cell, however much is wrong with it.
                (is_short && editable.insert((fault.row, place))).then(|| (place, text.to_owned()))
            });
            ImportProblem {
                row: fault.row as i64,
                column: fault.column.clone(),
                expected: fault.expected.clone(),
                found: fault.found.clone(),
                hint: hint(fault).to_owned(),
                cell,
                is_again: !skippable.insert(fault.row),
            }
        };
        let problems: Vec<ImportProblem> = listed.iter().map(problem).collect();
        let left = (count - problems.len()) as i64;
        groups.push(ImportGroup { title, problems, left });
    }
    (groups, left)
}

/// What was found.
pub(super) fn model(checked: &Checked) -> ImportCheck {
    let table = &checked.check.table;
    let mut unknown: BTreeMap<&str, Unknown> =
        BTreeMap::from([("tenant", Unknown::default()), ("zone", Unknown::default())]);
    for fault in table.faults.iter().filter(|fault| is_value(fault)) {
        let of_field = unknown.entry(fault.field).or_default();
        of_field.rows.insert(fault.row);
        let rows = of_field.by_value.entry(fault.found.clone()).or_default();
        if rows.last() != Some(&fault.row) {
            rows.push(fault.row);
        }
    }
    let values: Vec<ImportValues> =
        unknown.iter().filter_map(|(field, unknown)| values(field, unknown, checked)).collect();
    let needs_list = values.iter().any(|one| one.values.iter().any(|value| value.options.is_empty()));
    let offered = if needs_list {
        vec![("tenant".to_owned(), checked.check.tenants.iter().take(MOST_OFFERED).cloned().collect())]
    } else {
        Vec::new()
    };
    let (mut groups, groups_left) = groups(&table.faults, &table.bad);
    let mut values = values;
    for one in &mut values {
        let place = groups.iter().position(|group| group.title == unknown_title(&one.field));
        one.group = place.map(|place| groups.remove(place));
    }
    let skipped = |row: &BadRow| {
        let text: Vec<&str> = row.cells.iter().take(4).collect();
        ImportSkipped { row: row.row as i64, text: text.join(", ").chars().take(120).collect() }
    };
    let (ready, bad) = (table.rows.len() as i64, table.bad_rows() as i64);
    ImportCheck {
        version: checked.held.version,
        rows: ready + bad + table.skipped.len() as i64,
        ready,
        bad,
        skipped: table.skipped.len() as i64,
        values,
        groups,
        groups_left,
        left_out: table.skipped.iter().take(MOST_SKIPPED).map(skipped).collect(),
        corrected: checked.repairs.corrections() as i64,
        all_or_nothing: checked.repairs.all_or_nothing,
        offered,
        refusal: checked.refusal().filter(|_| ready > 0).map(|why| as_sentence(&why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(row: usize, field: &'static str, found: &str, expected: &str) -> TableFault {
        TableFault {
            row,
            column: field.to_owned(),
            place: Some(0),
            field,
            found: found.to_owned(),
            expected: expected.to_owned(),
        }
    }

    #[test]
    fn faults_are_grouped_by_what_is_wrong_the_most_first_and_lists_are_cut() {
        let mut faults: Vec<TableFault> = (2..62).map(|row| fault(row, "start", "soon", "a time")).collect();
        faults.push(fault(70, "slots", "4OO", "a whole number of slots"));
        faults.push(fault(71, "end", "2026-11-27", "a time after the start"));
        faults.push(fault(72, "tenant", "acne", "a tenant that exists"));
        let (groups, left) = groups(&faults, &[]);
        let told: Vec<_> = groups.iter().map(|g| (g.title.as_str(), g.problems.len(), g.left)).collect();
        let expected = [
            ("Unknown tenant", 1, 0),
            ("Wrong start", 25, 35),
            ("End before start", 1, 0),
            ("Not a number: slots", 1, 0),
        ];
        assert_eq!(told, expected);
        assert_eq!((left, groups[3].problems[0].hint.as_str()), (0, "letter O"));
        let many: Vec<TableFault> = (0..20_000)
            .map(|n| TableFault { column: format!("c{}", n % 80), ..fault(n, "note", "x", "a text") })
            .collect();
        let (groups, left) = super::groups(&many, &[]);
        assert_eq!((groups.len(), left), (30, 50));
        assert_eq!(groups.iter().map(|g| g.problems.len()).sum::<usize>(), MOST_LISTED_ALL);
        assert_eq!(groups.iter().map(|g| g.problems.len() as i64 + g.left).sum::<i64>(), 30 * 250);
    }

    #[test]
    fn a_slip_in_a_tenant_or_zone_is_seen() {
        let tenants = ["acme-search".to_owned(), "billing".to_owned()];
        for (field, value, expected) in [
            ("tenant", "acme-serch", Some("acme-search")),
            ("tenant", "Acme Search", Some("acme-search")),
            ("tenant", "nobody-near", None),
            ("zone", "europe/berlin", Some("Europe/Berlin")),
            ("zone", "Berlin", Some("Europe/Berlin")),
            ("zone", "New York", Some("America/New_York")),
            ("zone", "Mars/Olympus", None),
            ("note", "x", None),
        ] {
            assert_eq!(suggestion(field, value, &tenants).as_deref(), expected, "{field} {value}");
        }
    }
}
