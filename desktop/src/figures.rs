//! The three numbers of the tray entry, in words.

use crate::api::{Overview, Pool};

/// What is known; what is not is said to be unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Pages that nobody has.
    pub(crate) open: Option<usize>,
    /// The fullest pool and how full it is.
    pub(crate) fullest: Option<String>,
    /// What was promised and not used since the month began.
    pub(crate) waste: Option<String>,
}

impl Figures {
    /// One line each.
    pub(crate) fn lines(&self) -> [String; 3] {
        let pages = match self.open {
            Some(0) => "No page waits".to_owned(),
            Some(1) => "1 page waits".to_owned(),
            Some(count) => format!("{count} pages wait"),
            None => "Waiting pages: not known".to_owned(),
        };
        let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "not known".to_owned());
        [
            pages,
            format!("Fullest pool: {}", or_unknown(&self.fullest)),
            format!("Waste this month: {}", or_unknown(&self.waste)),
        ]
    }
}

/// The fullest of the pools of which something is known now.
pub(crate) fn fullest(pools: &[Pool]) -> Option<String> {
    let known = pools.iter().filter(|pool| !pool.stale && pool.archived_at.is_none());
    let full = known.filter_map(|pool| Some((pool, pool.occupancy.filter(|occupancy| occupancy.is_finite())?)));
    let (pool, occupancy) = full.max_by(|(_, one), (_, other)| one.total_cmp(other))?;
    Some(format!("{} {}", pool.name, percent(occupancy)))
}

/// Money where it may be seen, else the part of what was promised.
pub(crate) fn waste(overview: &Overview) -> Option<String> {
    let money = overview.waste_micros.map(|micros| format!("{} {}", grouped(micros / 1_000_000), overview.currency));
    money.or_else(|| overview.reservation_waste.map(|ratio| format!("{} of what is promised", percent(ratio))))
}

/// The first instant of the month of an instant in RFC 3339.
pub(crate) fn month_of(at: &str) -> Option<String> {
    let month = at.get(..7).filter(|month| month.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))?;
    Some(format!("{month}-01T00:00:00Z"))
}

fn percent(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

/// A whole number with its thousands apart.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(name: &str, occupancy: Option<f64>) -> Pool {
        Pool { name: name.into(), occupancy, stale: false, archived_at: None }
    }

    #[test]
    fn numbers_are_words_and_what_is_unknown_is_said() {
        assert_eq!(
            Figures::default().lines(),
            ["Waiting pages: not known", "Fullest pool: not known", "Waste this month: not known"]
        );
        let figures = Figures { open: Some(1), fullest: Some("CI 97.0 %".into()), waste: Some("8,928 EUR".into()) };
        assert_eq!(figures.lines(), ["1 page waits", "Fullest pool: CI 97.0 %", "Waste this month: 8,928 EUR"]);
        assert_eq!(Figures { open: Some(0), ..figures.clone() }.lines()[0], "No page waits");
        assert_eq!(Figures { open: Some(12), ..figures }.lines()[0], "12 pages wait");
    }

    #[test]
    fn the_fullest_pool_is_one_that_tells() {
        let stale = Pool { stale: true, ..pool("stale", Some(1.0)) };
        let gone = Pool { archived_at: Some("2026-01-01T00:00:00Z".into()), ..pool("gone", Some(0.99)) };
        let pools = [stale, pool("a", Some(0.5)), pool("b", Some(0.971)), pool("c", None), gone];
        assert_eq!(fullest(&pools).as_deref(), Some("b 97.1 %"));
        assert_eq!(fullest(&[pool("c", None)]), None);
    }

    #[test]
    fn waste_is_money_where_it_may_be_seen() {
        let overview =
            |micros, ratio| Overview { currency: "EUR".into(), reservation_waste: ratio, waste_micros: micros };
        assert_eq!(waste(&overview(Some(35_112_999_999), Some(0.118))).as_deref(), Some("35,112 EUR"));
        assert_eq!(waste(&overview(None, Some(0.118))).as_deref(), Some("11.8 % of what is promised"));
        assert_eq!(waste(&overview(None, None)), None);
        assert_eq!(
            (grouped(0), grouped(-1_000), grouped(i64::MIN)),
            ("0".into(), "-1,000".into(), "-9,223,372,036,854,775,808".into())
        );
    }

    #[test]
    fn the_month_begins_with_its_first_day() {
        assert_eq!(month_of("2026-11-27T09:00:00Z").as_deref(), Some("2026-11-01T00:00:00Z"));
        assert_eq!(month_of("x"), None);
        assert_eq!(month_of("2026/11/27"), None);
    }
}
