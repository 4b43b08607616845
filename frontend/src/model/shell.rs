//! What surrounds every page: navigation, filters, freshness, preferences, asset addresses.

use headroom_domain::{format, localtime::ZoneSlice};

use super::{Named, Viewer};
use crate::routes::RailEntry;
use crate::url::UrlState;

/// Everything around a page's content.
#[derive(Debug, Clone)]
pub struct ShellModel {
    /// First part of the document title: the thing, for example `ingress-eu`. The views add section and product name.
    pub title: String,
    /// Path of this page without query, for example `/pools/ingress-eu`.
    pub path: String,
    /// The entry of the rail that is current; `None` on pages outside it.
    pub rail: Option<RailEntry>,
    /// The filters exactly as this page's URL carries them, after removal of what was invalid or unknown.
    pub url: UrlState,
    /// The filters resolved: range in instants, choices for the pickers.
    pub filters: FilterModel,
    /// Offsets of the shown zone, covering at least the range ± 1 year and now.
    pub zone: ZoneSlice,
    /// Server time when the page was made.
    pub now_ms: i64,
    /// Age of the newest sample in scope.
    pub freshness: Freshness,
    /// Colour theme, from the cookie `hr_theme` (or forced by `theme=` in the URL).
    pub theme: Theme,
    /// Row height, from the cookie `hr_density` (or forced by `density=`).
    pub density: Density,
    /// Single-key shortcuts are on (cookie `hr_keys` is not `off`).
    pub shortcuts: bool,
    /// `kiosk=1`: navigation hidden; filters, clock and freshness stay.
    pub kiosk: bool,
    /// The nonce of this response's Content-Security-Policy.
    pub nonce: String,
    /// The connection is encrypted.
    pub is_private: bool,
    /// Value of the hidden `csrf` field of each form.
    pub csrf: String,
    /// Addresses of the hashed assets.
    pub assets: AssetUrls,
    /// At most one banner; the server picks the most severe.
    pub banner: Option<Banner>,
    /// Parameters that were invalid or removed, one sentence each.
    pub notices: Vec<String>,
    /// Result of the POST that led here, for example "Pool ingress-eu was created."
    pub flash: Option<String>,
    /// Work running in the background, for the top bar.
    pub open_jobs: Option<OpenJobs>,
    /// Who looks at the page; `None` before sign-in: then there is no navigation, no search and no freshness.
    pub viewer: Option<Viewer>,
}

impl ShellModel {
    /// Whether the page offers what changes pools and tenants. What a person may not do is absent, not disabled.
    pub fn plans(&self) -> bool {
        self.viewer.as_ref().is_some_and(|viewer| viewer.plans)
    }

    /// Whether the page offers what acts on live slots.
    pub fn operates(&self) -> bool {
        self.viewer.as_ref().is_some_and(|viewer| viewer.operates)
    }
}

/// The filters of a page with the choices they offer.
#[derive(Debug, Clone)]
pub struct FilterModel {
    /// Which filters this page honours. Pages without any (help, forms) pass `FilterSet::NONE`.
    pub honoured: FilterSet,
    /// Range as written: `now-45d` or RFC 3339. Never empty, defaults are filled in.
    pub from_raw: String,
    /// End of the range as written: `now` or RFC 3339.
    pub to_raw: String,
    /// Start of the range, resolved.
    pub from_ms: i64,
    /// End of the range, resolved; exclusive.
    pub to_ms: i64,
    /// Length of one interval of the page's charts and tables, in milliseconds.
    pub step_ms: i64,
    /// Pools to choose from. Bounded: at most 200, by name.
    pub pools: Vec<Named>,
    /// How many pools there are in all (may exceed `pools.len()`).
    pub pools_total: i64,
    /// Tenants to choose from. Bounded: at most 200, by name.
    pub tenants: Vec<Named>,
    /// How many tenants there are in all.
    pub tenants_total: i64,
    /// Stamps to choose from; empty while none exist, and then the filter is not shown.
    pub stamps: Vec<Named>,
    /// Zone names offered by the zone field (a datalist; any IANA name is accepted). Keep to a few dozen: it is on every page.
    pub zones: Vec<String>,
    /// What deltas compare with.
    pub compare: Compare,
}

impl FilterModel {
    /// The window in words: `last 45 d` for a range that ends now, else its length (`45 d`).
    pub fn window(&self) -> String {
        let length = format::duration(self.to_ms - self.from_ms);
        if self.to_raw == "now" { format!("last {length}") } else { length }
    }

    /// What deltas compare with, in words: `prior 45 d`, `a week earlier`; empty if comparison is off.
    pub fn basis(&self) -> String {
        match self.compare {
            Compare::Previous => format!("prior {}", format::duration(self.to_ms - self.from_ms)),
            Compare::None => String::new(),
            other => other.label().to_owned(),
        }
    }
}

/// The filters that a page reacts to. A filter a page would ignore is not offered there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterSet {
    /// `pool`
    pub pool: bool,
    /// `tenant`
    pub tenant: bool,
    /// `stamp`
    pub stamp: bool,
    /// `from`, `to`
    pub range: bool,
    /// `cmp`
    pub compare: bool,
}

impl FilterSet {
    /// Overview and lists.
    pub const ALL: Self = Self { pool: true, tenant: true, stamp: true, range: true, compare: true };
    /// Pages without data over time: only the zone stays.
    pub const NONE: Self = Self { pool: false, tenant: false, stamp: false, range: false, compare: false };
    /// A pool's own page.
    pub const POOL: Self = Self { pool: false, tenant: true, stamp: false, range: true, compare: true };
    /// A tenant's own page.
    pub const TENANT: Self = Self { pool: true, tenant: false, stamp: false, range: true, compare: true };
}

/// The comparison window (`cmp`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compare {
    /// The window of equal length just before.
    #[default]
    Previous,
    /// The same window one week earlier.
    Week,
    /// The same window one month earlier.
    Month,
    /// The same window one year earlier.
    Year,
    /// No comparison.
    None,
}

impl Compare {
    /// All values, in the order the menu lists them.
    pub const ALL: [Self; 5] = [Self::Previous, Self::Week, Self::Month, Self::Year, Self::None];

    /// The word in the URL.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Previous => "prev",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
            Self::None => "none",
        }
    }

    /// Reads the word of the URL.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|compare| compare.slug() == word)
    }

    /// The menu's text.
    pub fn label(self) -> &'static str {
        match self {
            Self::Previous => "the period before",
            Self::Week => "a week earlier",
            Self::Month => "a month earlier",
            Self::Year => "a year earlier",
            Self::None => "nothing",
        }
    }
}

/// How old the newest sample in scope is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// Time of the newest sample; `None` if there is none at all.
    pub as_of_ms: Option<i64>,
    /// How data is expected to arrive.
    pub feed: Feed,
}

/// How data is expected to arrive in the pools in scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// Samples arrive every `period_ms`; delayed after three missed periods.
    Live {
        /// Shortest expected period of the pools in scope.
        period_ms: i64,
    },
    /// Imported history: nothing is expected to arrive, so nothing can be late.
    History,
}

/// Colour theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// Follow the operating system.
    #[default]
    System,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

impl Theme {
    /// All themes, in the order the menu lists them.
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// The word in the cookie, the form and the URL.
    pub fn slug(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Reads the word of the cookie, the form or the URL.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.slug() == word)
    }
}

/// Row height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Density {
    /// Rows of 40 px.
    #[default]
    Cosy,
    /// Rows of 32 px.
    Compact,
}

impl Density {
    /// The word in the cookie, the form and the URL.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Cosy => "cosy",
            Self::Compact => "compact",
        }
    }

    /// Reads the word of the cookie, the form or the URL.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Cosy, Self::Compact].into_iter().find(|density| density.slug() == word)
    }
}

/// Addresses of the built, content-hashed assets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetUrls {
    /// `/assets/app-HASH.css`
    pub css: String,
    /// The icon sprite, `/assets/icons-HASH.svg`; views append `#name`.
    pub icons: String,
    /// Web app manifest.
    pub manifest: String,
    /// Bindings of the browser module, `/assets/client-HASH.js`. Empty if the bundle was not built: pages then work without islands.
    pub js: String,
    /// The browser module, `/assets/client-HASH.wasm`.
    pub wasm: String,
    /// Scalable favicon.
    pub favicon: String,
    /// The 180-px icon for home screens.
    pub touch_icon: String,
    /// Latin Inter, preloaded; empty to skip the preload.
    pub font: String,
}

/// A message above the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banner {
    /// Severity, for mark and colour.
    pub kind: BannerKind,
    /// One or two sentences.
    pub text: String,
}

/// Severity of a banner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BannerKind {
    /// Demo data, maintenance notices.
    Info,
    /// Something works less well.
    Warn,
    /// Something does not work.
    Critical,
}

/// Background work, for the top bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenJobs {
    /// Jobs running now.
    pub count: i64,
    /// Their overall progress, 0–100; `None` if it cannot be known.
    pub percent: Option<i64>,
}

/// The unit cost of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitCost {
    /// Price of one slot for one hour, millionths of the currency.
    pub micros: i64,
    /// ISO 4217 code.
    pub currency: String,
}
