//! Sorting, filtering and paging of the lists that fit in memory.

use super::visit::Visit;
use headroom_frontend::model::{ShellModel, TableState};
use std::cmp::Ordering;

/// Rows of a page.
pub(crate) const PAGE: usize = 50;

/// A table as the address asks for it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Sort column, one of those offered.
    pub sort: String,
    /// Descending.
    pub descending: bool,
    /// Text filter.
    pub q: String,
    /// First row shown.
    pub skip: usize,
}

impl Asked {
    /// Reads `sort`, `dir`, `q` and `cur`; what is not offered falls back to the default.
    pub(crate) fn read(visit: &Visit, columns: &[&str], default: &str, descending: bool) -> Self {
        let sort = visit.get("sort").filter(|s| columns.contains(s)).unwrap_or(default);
        let is_default = sort == default && visit.get("dir").is_none();
        Self {
            sort: sort.to_owned(),
            descending: match visit.get("dir") {
                Some("desc") => true,
                Some("asc") => false,
                _ => is_default && descending,
            },
            q: visit.get("q").unwrap_or_default().chars().take(200).collect(),
            skip: visit.get("cur").and_then(|c| c.parse().ok()).unwrap_or(0),
        }
    }

    /// Whether a row's texts match the filter.
    pub(crate) fn matches(&self, texts: &[&str]) -> bool {
        let wanted = self.q.to_lowercase();
        wanted.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&wanted))
    }

    /// Sorts by a key; unknown values come last in either direction, equal ones by slug.
    pub(crate) fn sort<T, K: PartialOrd>(
        &self,
        rows: &mut [T],
        key: impl Fn(&T) -> Option<K>,
        slug: impl Fn(&T) -> String,
    ) {
        rows.sort_by(|a, b| {
            let order = match (key(a), key(b)) {
                (Some(a), Some(b)) => {
                    let order = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
                    if self.descending { order.reverse() } else { order }
                }
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            };
            order.then_with(|| slug(a).cmp(&slug(b)))
        });
    }

    /// The range of rows of this page.
    pub(crate) fn page(&self, total: usize) -> std::ops::Range<usize> {
        let first = if self.skip < total { self.skip } else { 0 };
        first..(first + PAGE).min(total)
    }

    /// The table's state for the page.
    pub(crate) fn state(&self, visit: &Visit, shell: &ShellModel, total: usize) -> TableState {
        let shown = self.page(total);
        TableState {
            sort: self.sort.clone(),
            descending: self.descending,
            q: self.q.clone(),
            cursor: (shown.start > 0).then(|| shown.start.to_string()),
            next: (shown.end < total).then(|| shown.end.to_string()),
            previous: (shown.start > 0).then(|| match shown.start.saturating_sub(PAGE) {
                0 => String::new(),
                n => n.to_string(),
            }),
            first_row: if total == 0 { 0 } else { shown.start as i64 + 1 },
            total: total as i64,
            csv_href: super::figure::csv_href(visit, shell, "rows"),
        }
    }
}
