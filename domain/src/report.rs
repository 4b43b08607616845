//! What a report says: tables of exact figures, the same for a page, a file and paper, and whole enough to be kept as it is.
//!
//! A figure is a whole number of its unit, or two of them where it is a ratio, so that totals are sums and nothing is rounded
//! before it is printed.

use crate::format::{self, NNBSP, UNKNOWN};
use crate::pool::words;
use crate::{HOUR_MS, Millis};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// Words.
    Text(String),
    /// A count of anything; `None` is unknown.
    Count(Option<i64>),
    /// A count that does not add up over rows: a percentile, a level.
    Level(Option<i64>),
    /// Slot-milliseconds, printed as slot-hours.
    SlotTime(i64),
    /// Minor units of the currency (cents); `None` is unknown or has no price.
    Money(Option<i64>),
    /// Millionths of the currency's unit: what one of something costs. Does not add up over rows.
    Price(Option<i64>),
    /// A part and its whole, in the same unit; unknown where the whole is not positive.
    Ratio(i64, i64),
    /// Milliseconds; `None` is unknown. Does not add up over rows.
    Time(Option<i64>),
}

impl Cell {
    /// Words.
    pub fn text(words: impl Into<String>) -> Self {
        Self::Text(words.into())
    }

    /// As people read it.
    pub fn shown(&self, currency: &str) -> String {
        let unknown = || UNKNOWN.to_owned();
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(value) | Self::Level(value) => value.map_or_else(unknown, format::count),
            Self::SlotTime(slot_ms) => format::slot_hours(*slot_ms),
            Self::Money(minor) => minor.map_or_else(unknown, |minor| format::money(minor, currency)),
            Self::Price(micros) => micros.map_or_else(unknown, |micros| format::price(micros, currency)),
            Self::Ratio(part, whole) => match crate::occupancy::ratio(*part, *whole) {
                Some(ratio) => format!("{}{NNBSP}%", format::percent_number(ratio)),
                None => unknown(),
            },
            Self::Time(ms) => ms.map_or_else(unknown, format::duration),
        }
    }

    /// As programs read it: whole numbers, and a ratio as a decimal.
    pub fn raw(&self) -> String {
        let number = |value: &Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(value) | Self::Level(value) | Self::Money(value) | Self::Price(value) | Self::Time(value) => {
                number(value)
            }
            Self::SlotTime(slot_ms) => slot_ms.to_string(),
            Self::Ratio(part, whole) => {
                crate::occupancy::ratio(*part, *whole).map(|ratio| ratio.to_string()).unwrap_or_default()
            }
        }
    }

    /// Whether it is about money.
    pub fn is_money(&self) -> bool {
        matches!(self, Self::Money(_) | Self::Price(_))
    }

    /// Whether it is a number, which stands on the right.
    pub fn is_number(&self) -> bool {
        !matches!(self, Self::Text(_))
    }

    /// The sum with another of its kind; what does not add up is unknown.
    fn plus(&self, other: &Self) -> Self {
        let sum = |a: &Option<i64>, b: &Option<i64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(*b)),
            // What has no price is left out of a total, as it is in every row.
            (one, None) | (None, one) => *one,
        };
        match (self, other) {
            (Self::Count(a), Self::Count(b)) => Self::Count(sum(a, b)),
            (Self::Money(a), Self::Money(b)) => Self::Money(sum(a, b)),
            (Self::SlotTime(a), Self::SlotTime(b)) => Self::SlotTime(a.saturating_add(*b)),
            (Self::Ratio(a, whole), Self::Ratio(b, other)) => {
                Self::Ratio(a.saturating_add(*b), whole.saturating_add(*other))
            }
            (Self::Level(_), _) => Self::Level(None),
            (Self::Price(_), _) => Self::Price(None),
            (Self::Time(_), _) => Self::Time(None),
            _ => Self::Text(String::new()),
        }
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name in files, with the unit of the raw figure.
    pub key: String,
    /// Its name for people.
    pub label: String,
}

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The store's key: who may see a row is decided by it, because names change and are given to others.
    pub key: i32,
    /// By slug, as it was then.
    pub slug: String,
}

/// A row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The tenant it is about, if it is about one.
    pub tenant: Option<Subject>,
    /// The pool it is about, if it is about one.
    pub pool: Option<Subject>,
    /// A figure for each column.
    pub cells: Vec<Cell>,
    /// Why it says what it says, in sentences; may be empty.
    pub why: String,
}

impl Row {
    /// A row over all tenants and pools.
    pub fn of(cells: Vec<Cell>) -> Self {
        Self { cells, ..Self::default() }
    }

    /// The same about a tenant.
    #[must_use]
    pub fn of_tenant(self, key: i32, slug: &str) -> Self {
        Self { tenant: Some(Subject { key, slug: slug.to_owned() }), ..self }
    }

    /// The same about a pool.
    #[must_use]
    pub fn of_pool(self, key: i32, slug: &str) -> Self {
        Self { pool: Some(Subject { key, slug: slug.to_owned() }), ..self }
    }

    /// The tenant's slug.
    pub fn tenant_slug(&self) -> Option<&str> {
        self.tenant.as_ref().map(|subject| subject.slug.as_str())
    }

    /// The pool's slug.
    pub fn pool_slug(&self) -> Option<&str> {
        self.pool.as_ref().map(|subject| subject.slug.as_str())
    }

    /// What it is about, in words: `acme in ingress-eu`; empty if it is about everything.
    pub fn about(&self) -> String {
        [self.tenant_slug(), self.pool_slug()].into_iter().flatten().collect::<Vec<_>>().join(" in ")
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name in addresses and files.
    pub key: String,
    /// Its name for people.
    pub title: String,
    /// What its figures are, in a sentence or two.
    pub basis: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Row>,
    /// Whether its rows add up to something.
    pub has_total: bool,
}

impl Table {
    /// A table without rows yet, of columns by key and label.
    pub fn new(key: &str, title: &str, basis: &str, columns: &[(&str, &str)]) -> Self {
        let column = |(key, label): &(&str, &str)| Column { key: (*key).into(), label: (*label).into() };
        Self {
            key: key.into(),
            title: title.into(),
            basis: basis.into(),
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
            has_total: false,
        }
    }

    /// The sum of the rows, column by column; words and what does not add up stay empty or unknown.
    pub fn total(&self) -> Option<Vec<Cell>> {
        let mut rows = self.rows.iter().filter(|_| self.has_total);
        let mut total = rows.next()?.cells.clone();
        for cell in &mut total {
            match cell {
                Cell::Text(_) => *cell = Cell::Text(String::new()),
                Cell::Level(_) => *cell = Cell::Level(None),
                Cell::Price(_) => *cell = Cell::Price(None),
                Cell::Time(_) => *cell = Cell::Time(None),
                _ => {}
            }
        }
        for row in rows {
            for (sum, cell) in total.iter_mut().zip(&row.cells) {
                *sum = sum.plus(cell);
            }
        }
        Some(total)
    }

    /// The cell of a row in a column.
    pub fn cell<'a>(&self, row: &'a [Cell], key: &str) -> Option<&'a Cell> {
        row.get(self.columns.iter().position(|column| column.key == key)?)
    }

    /// The total of a column.
    pub fn total_of(&self, key: &str) -> Option<Cell> {
        self.cell(&self.total()?, key).cloned()
    }
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Which of the reports.
    pub kind: Kind,
    /// Over what: `2026-11`, `2026-W47`, `2026-Q4`, the number of an alert.
    pub period: String,
    /// What it is, for people.
    pub title: String,
    /// IANA zone of its days and times.
    pub zone: String,
    /// From here.
    pub from_ms: Millis,
    /// Until here, exclusive.
    pub to_ms: Millis,
    /// ISO 4217 code of its money; `None` if it has none.
    pub currency: Option<String>,
    /// What is said of the whole: a name, and what it is.
    pub facts: Vec<(String, Cell)>,
    /// The tables.
    pub tables: Vec<Table>,
    /// What has to be known to read it.
    pub notes: Vec<String>,
}

words! {
    /// The reports there are.
    Kind {
        /// Monthly: what was promised and not used, and what would help.
        Waste = "waste", "Reservation waste";
        /// Weekly: occupancy, and how noisy alerts were.
        Weekly = "weekly", "Weekly occupancy and alerts";
        /// Quarterly: capacity, quotas and game days.
        Quarterly = "quarterly", "Quarterly capacity review";
        /// After an alert.
        Incident = "incident", "Incident summary";
    }
}

impl Document {
    /// A table by its key.
    pub fn table(&self, key: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.key == key)
    }

    /// What somebody may see who is limited to some tenants or pools (by key): rows about them, and nothing that is said of the
    /// whole. A row over all tenants or all pools is left out where only some of them are seen.
    #[must_use]
    pub fn limited(mut self, tenants: Option<&[i32]>, pools: Option<&[i32]>) -> Self {
        let sees = |own: Option<&[i32]>, subject: &Option<Subject>| match own {
            None => true,
            Some(own) => subject.as_ref().is_some_and(|subject| own.contains(&subject.key)),
        };
        if tenants.is_none() && pools.is_none() {
            return self;
        }
        self.facts.clear();
        for table in &mut self.tables {
            table.rows.retain(|row| sees(tenants, &row.tenant) && sees(pools, &row.pool));
        }
        self.tables.retain(|table| !table.rows.is_empty());
        self
    }

    /// The same without money.
    #[must_use]
    pub fn without_money(mut self) -> Self {
        self.currency = None;
        self.facts.retain(|(_, cell)| !cell.is_money());
        for table in &mut self.tables {
            let Some(first) = table.rows.first() else { continue };
            let keep: Vec<bool> = first.cells.iter().map(|cell| !cell.is_money()).collect();
            let mut at = keep.iter();
            table.columns.retain(|_| at.next().copied().unwrap_or(true));
            for row in &mut table.rows {
                let mut at = keep.iter();
                row.cells.retain(|_| at.next().copied().unwrap_or(true));
            }
        }
        self
    }

    /// The code of its money, or nothing.
    pub fn money(&self) -> &str {
        self.currency.as_deref().unwrap_or_default()
    }
}

/// The amount in minor units (cents) of some slot time at a price in millionths per slot and hour, rounded half up.
///
/// The same rounding everywhere keeps the order: less slot time is never more money.
pub fn amount_minor(slot_ms: i64, unit_cost_micros: i64) -> i64 {
    /// Millionths of a unit in its minor unit.
    const MICROS_PER_MINOR: i128 = 10_000;
    let per_minor = i128::from(HOUR_MS) * MICROS_PER_MINOR;
    let parts = i128::from(slot_ms) * i128::from(unit_cost_micros);
    i64::try_from((parts + per_minor / 2).div_euclid(per_minor)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(tenant: &str, pool: &str, slot_ms: i64, money: Option<i64>) -> Row {
        let cells = vec![
            Cell::text(tenant),
            Cell::SlotTime(slot_ms),
            Cell::Money(money),
            Cell::Ratio(slot_ms, 100 * HOUR_MS),
            Cell::Level(Some(7)),
        ];
        let key = |slug: &str| i32::from(slug.as_bytes()[0]);
        Row::of(cells).of_tenant(key(tenant), tenant).of_pool(key(pool), pool)
    }

    fn document() -> Document {
        let mut table = Table::new(
            "waste",
            "Waste",
            "",
            &[("tenant", "Tenant"), ("idle_slot_ms", "Idle"), ("minor", "Money"), ("share", "Waste"), ("p99", "P99")],
        );
        table.rows = vec![
            row("a", "x", 10 * HOUR_MS, Some(250)),
            row("b", "x", 30 * HOUR_MS, None),
            row("a", "y", 20 * HOUR_MS, Some(1)),
        ];
        table.has_total = true;
        Document {
            kind: Kind::Waste,
            period: "2026-11".into(),
            title: "Waste".into(),
            zone: "UTC".into(),
            from_ms: 0,
            to_ms: HOUR_MS,
            currency: Some("EUR".into()),
            facts: vec![("All".into(), Cell::Count(Some(3)))],
            tables: vec![table],
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_total_is_the_sum_of_its_rows_and_levels_have_none() {
        let document = document();
        let total = document.tables[0].total().expect("a total");
        assert_eq!(
            total[1..],
            [
                Cell::SlotTime(60 * HOUR_MS),
                Cell::Money(Some(251)),
                Cell::Ratio(60 * HOUR_MS, 300 * HOUR_MS),
                Cell::Level(None)
            ]
        );
        assert_eq!(total[3].shown(""), "20.0\u{202F}%", "a ratio of sums, not a mean of ratios");
    }

    #[test]
    fn who_sees_some_tenants_sees_their_rows_and_totals_of_those() {
        let own = [i32::from(b'a')];
        let seen = document().limited(Some(&own), None);
        assert!(seen.facts.is_empty());
        assert_eq!(seen.tables[0].rows.len(), 2);
        assert_eq!(seen.tables[0].total_of("idle_slot_ms"), Some(Cell::SlotTime(30 * HOUR_MS)));
        let pool = [i32::from(b'y')];
        assert_eq!(document().limited(Some(&own), Some(&pool)).tables[0].rows.len(), 1);
        assert!(document().limited(Some(&[]), None).tables.is_empty());
    }

    #[test]
    fn money_can_be_left_out() {
        let seen = document().without_money();
        assert!(seen.tables[0].columns.iter().all(|column| column.key != "minor"));
        assert!(seen.tables[0].rows.iter().all(|row| row.cells.len() == 4 && !row.cells.iter().any(Cell::is_money)));
    }

    proptest! {
        #[test]
        fn less_slot_time_is_never_more_money(a in 0_i64..1_000_000_000_000_000, b in 0_i64..1_000_000_000_000_000, price in 0_i64..1_000_000_000_000) {
            let (less, more) = (a.min(b), a.max(b));
            prop_assert!(amount_minor(less, price) <= amount_minor(more, price));
        }

        #[test]
        fn what_is_kept_comes_back_as_it_was(values in prop::collection::vec((any::<i64>(), any::<Option<i64>>()), 1..9)) {
            let mut kept = document();
            kept.tables[0].rows = values.iter().map(|(slot_ms, money)| row("a", "x", *slot_ms, *money)).collect();
            let text = serde_json::to_string(&kept).expect("a report is text");
            prop_assert_eq!(serde_json::from_str::<Document>(&text).expect("the same report"), kept);
        }
    }
}
