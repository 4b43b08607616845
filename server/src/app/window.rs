//! Which time, zone, pools and tenants a question is about.

use super::caller::Caller;
use super::{App, AppError, Problem, Result};
use crate::zones;
use headroom_domain::localtime::ZoneSlice;
use headroom_domain::range;
use headroom_domain::slug::{Slug, nearest};
use headroom_domain::{DAY_MS, Millis};
use headroom_store::{organisation, pool, tenant};
use sqlx::PgConnection;

/// A question's filters as they were written.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Start of the range.
    pub from: Option<String>,
    /// End of the range.
    pub to: Option<String>,
    /// IANA zone.
    pub tz: Option<String>,
    /// Pools by slug; empty = all.
    pub pools: Vec<String>,
    /// Tenants by slug; empty = all.
    pub tenants: Vec<String>,
    /// Stamps by slug; empty = all.
    pub stamps: Vec<String>,
    /// Comparison: `prev`, `week`, `month`, `year`, `none`.
    pub compare: Option<String>,
}

/// Most pools or tenants one question may name.
pub const MAX_NAMED: usize = 200;

/// The filters, understood.
#[derive(Debug, Clone)]
pub struct Window {
    /// The database's time when the question was understood.
    pub now_ms: Millis,
    /// Start.
    pub from_ms: Millis,
    /// End, exclusive.
    pub to_ms: Millis,
    /// The range as written, defaults filled in.
    pub from_raw: String,
    /// See `from_raw`.
    pub to_raw: String,
    /// The zone's offsets around the range and now.
    pub zone: ZoneSlice,
    /// Whether the zone was asked for (and not the default).
    pub zone_asked: bool,
    /// The comparison asked for.
    pub compare: Comparison,
    /// Pools asked for, key and slug; `None` = all.
    pub pools: Option<Vec<(i32, String)>>,
    /// Tenants asked for; `None` = all.
    pub tenants: Option<Vec<(i32, String)>>,
    /// Stamps asked for.
    pub stamps: Vec<String>,
    /// What was not understood and left out, in sentences.
    pub notices: Vec<String>,
}

/// What a window is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Comparison {
    /// The window of equal length just before.
    #[default]
    Previous,
    /// The same window a week earlier.
    Week,
    /// The same window 30 days earlier.
    Month,
    /// The same window 364 days earlier, on the same weekdays.
    Year,
    /// Nothing.
    None,
}

impl Comparison {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "prev" => Self::Previous,
            "week" => Self::Week,
            "month" => Self::Month,
            "year" => Self::Year,
            "none" => Self::None,
            _ => return None,
        })
    }
}

impl Window {
    /// Length.
    pub fn span_ms(&self) -> Millis {
        self.to_ms - self.from_ms
    }

    /// The window compared with.
    pub fn prior(&self) -> Option<(Millis, Millis)> {
        let back = match self.compare {
            Comparison::Previous => self.span_ms(),
            Comparison::Week => 7 * DAY_MS,
            Comparison::Month => 30 * DAY_MS,
            Comparison::Year => 364 * DAY_MS,
            Comparison::None => return None,
        };
        Some((self.from_ms - back, self.to_ms - back)).filter(|(from, _)| *from >= 0)
    }

    /// Keys of the pools asked for.
    pub fn pool_keys(&self) -> Option<Vec<i32>> {
        self.pools.as_ref().map(|pools| pools.iter().map(|(key, _)| *key).collect())
    }

    /// Keys of the tenants asked for.
    pub fn tenant_keys(&self) -> Option<Vec<i32>> {
        self.tenants.as_ref().map(|tenants| tenants.iter().map(|(key, _)| *key).collect())
    }

    /// Slug of the tenant asked for, if it is one.
    pub fn only_tenant(&self) -> Option<&str> {
        match self.tenants.as_deref() {
            Some([(_, slug)]) => Some(slug),
            _ => None,
        }
    }

    /// Whether the range ends now, so that it grows.
    pub fn is_live(&self) -> bool {
        self.to_raw == "now"
    }
}

/// How strictly a question is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Pages: what is wrong falls back to its default, with a notice.
    Lenient,
    /// The API and the command line: what is wrong is refused.
    Strict,
}

impl App {
    /// Understands a question's filters. `default_from` is the page's own range, such as `now-45d`.
    pub async fn window(&self, asked: &Asked, default_from: &str, reading: Reading) -> Result<Window> {
        let mut conn = self.db.pages.acquire().await?;
        understand(&mut conn, &self.caller, asked, default_from, reading).await
    }
}

async fn understand(
    conn: &mut PgConnection,
    caller: &Caller,
    asked: &Asked,
    default_from: &str,
    reading: Reading,
) -> Result<Window> {
    let now_ms = headroom_store::now(conn).await?;
    let mut problems: Vec<Problem> = Vec::new();
    let mut notices: Vec<String> = Vec::new();

    let default_span =
        now_ms - range::instant(default_from, now_ms).map_err(|e| AppError::range("from", default_from, &e))?;
    let mut end = |field: &str, raw: &Option<String>, default: &str| -> (String, Option<Millis>) {
        let raw = raw.as_deref().filter(|text| !text.is_empty()).unwrap_or(default);
        match range::instant(raw, now_ms) {
            Ok(at) => (raw.to_owned(), Some(at)),
            Err(error) => {
                problems.push(Problem::new(field, raw, error.to_string()));
                (raw.to_owned(), None)
            }
        }
    };
    let (to_raw, to) = end("to", &asked.to, "now");
    let (from_raw, from) = end("from", &asked.from, default_from);
    let resolved = from.zip(to).and_then(|(from, to)| match range::check(from, to) {
        Ok(()) => Some((from_raw.clone(), to_raw.clone(), from, to)),
        Err(error) => {
            problems.push(Problem::new("from", format!("{from_raw} to {to_raw}"), error.to_string()));
            None
        }
    });
    let (from_raw, to_raw, from_ms, to_ms) =
        resolved.unwrap_or_else(|| (default_from.to_owned(), "now".to_owned(), now_ms - default_span, now_ms));

    let default_zone = organisation::get(conn).await?.zone;
    let asked_zone = asked.tz.as_deref().filter(|tz| !tz.is_empty());
    let (low, high) = (from_ms.min(now_ms), to_ms.max(now_ms));
    let zone_of = |name: &str| zones::slice(name, low, high);
    let zone = asked_zone.and_then(|name| {
        let slice = zone_of(name);
        if slice.is_none() {
            problems.push(Problem::new("tz", name, "an IANA zone such as Europe/Berlin, or UTC"));
        }
        slice
    });
    let zone_asked = zone.is_some();
    let zone = zone.or_else(|| zone_of(&default_zone)).unwrap_or_else(ZoneSlice::utc);

    let compare =
        asked.compare.as_deref().filter(|word| !word.is_empty()).map_or(Some(Comparison::default()), Comparison::parse);
    if compare.is_none() {
        problems.push(Problem::new(
            "cmp",
            asked.compare.as_deref().unwrap_or_default(),
            "prev, week, month, year or none",
        ));
    }

    for (field, named) in [("pool", &asked.pools), ("tenant", &asked.tenants), ("stamp", &asked.stamps)] {
        if named.len() > MAX_NAMED {
            problems.push(Problem::new(field, format!("{} names", named.len()), format!("at most {MAX_NAMED}")));
        }
    }
    // A filter never widens what one may see, and what one may not see is as unknown as what is not there.
    let mut known_pools = pool::keys_of(conn, &slugs(&asked.pools)).await?;
    known_pools.retain(|(key, _)| caller.sees_pool(*key));
    let mut known_tenants = tenant::keys_of(conn, &slugs(&asked.tenants)).await?;
    known_tenants.retain(|(key, _)| caller.sees_tenant(*key));
    let mut pools = named(&asked.pools, known_pools, "pool", &mut problems);
    let mut tenants = named(&asked.tenants, known_tenants, "tenant", &mut problems);
    if let (None, Some(own)) = (&pools, &caller.pools) {
        pools = Some(keyed(pool::by_keys(conn, own).await?.into_iter().map(|p| (p.key, p.fields.slug))));
    }
    if let (None, Some(own)) = (&tenants, &caller.tenants) {
        tenants = Some(keyed(tenant::by_keys(conn, own).await?.into_iter().map(|t| (t.key, t.fields.slug))));
    }
    let known_stamps = organisation::stamps(conn).await?;
    let (stamps, unknown): (Vec<String>, Vec<String>) =
        bounded(&asked.stamps).into_iter().partition(|s| known_stamps.contains(s));
    problems.extend(unknown.iter().map(|slug| Problem::new("stamp", slug, "a stamp that exists")));
    if !stamps.is_empty() {
        let of_stamps: Vec<(i32, String)> = pool::list(conn, false)
            .await?
            .into_iter()
            .filter(|p| p.fields.stamp.as_ref().is_some_and(|s| stamps.contains(s)))
            .map(|p| (p.key, p.fields.slug.to_string()))
            .collect();
        pools = Some(match pools {
            Some(named) => named.into_iter().filter(|p| of_stamps.contains(p)).collect(),
            None => of_stamps,
        });
    }

    if reading == Reading::Strict && !problems.is_empty() {
        return Err(AppError::Invalid(problems));
    }
    for problem in problems {
        let instead = match problem.field.as_str() {
            "from" | "to" => format!("Showing the range {from_raw} to {to_raw}."),
            "tz" => format!("Showing {}.", zone.name()),
            _ => "It was left out.".to_owned(),
        };
        notices.push(if problem.found.is_empty() {
            format!("{}: expected {}. {instead}", problem.field, problem.expected)
        } else {
            format!(
                "{}: found \u{201c}{}\u{201d}, expected {}. {instead}",
                problem.field, problem.found, problem.expected
            )
        });
    }
    Ok(Window {
        now_ms,
        from_ms,
        to_ms,
        from_raw,
        to_raw,
        zone,
        zone_asked,
        compare: compare.unwrap_or_default(),
        pools,
        tenants,
        stamps,
        notices,
    })
}

fn bounded(slugs: &[String]) -> Vec<String> {
    slugs.iter().filter(|s| !s.is_empty()).take(MAX_NAMED).cloned().collect()
}

fn keyed(found: impl Iterator<Item = (i32, Slug)>) -> Vec<(i32, String)> {
    found.map(|(key, slug)| (key, slug.to_string())).collect()
}

/// Those that can name anything: PostgreSQL refuses some of the others, such as a NUL, as text.
fn slugs(asked: &[String]) -> Vec<String> {
    bounded(asked).into_iter().filter(|text| Slug::parse(text).is_ok()).collect()
}

fn named(
    asked: &[String],
    found: Vec<(i32, String)>,
    field: &str,
    problems: &mut Vec<Problem>,
) -> Option<Vec<(i32, String)>> {
    let asked = bounded(asked);
    for slug in asked.iter().filter(|slug| !found.iter().any(|(_, known)| known == *slug)) {
        problems.push(Problem::new(field, slug, format!("a {field} that exists")));
    }
    (!asked.is_empty() && !found.is_empty()).then_some(found)
}

/// A "not found" with the nearest name there is.
pub(super) fn not_found(what: &'static str, slug: &str, known: &[(i32, String)]) -> AppError {
    let suggestion = nearest(slug, known.iter().map(|(_, slug)| slug.as_str())).map(str::to_owned);
    AppError::NotFound { what, slug: slug.chars().take(80).collect(), suggestion }
}
