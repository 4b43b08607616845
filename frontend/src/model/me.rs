//! One's own account, and preferences, which are kept in cookies.

use super::{AccountModel, Density, Field, Theme};

/// Everything on `/me`. POST `/me` takes `theme`, `tz`, `density`, `shortcuts` (`on`, or `off`), sets the cookies `hr_theme`,
/// `hr_tz`, `hr_density`, `hr_keys` (one year, `SameSite=Lax`, path `/`) and answers 303 to the form's `back` (a local
/// path) or to `/me`. A field that is absent is left as it is, so the theme button can post `theme` alone.
#[derive(Debug, Clone)]
pub struct MeModel {
    /// The account's own part of the page; `None` leaves the preferences alone.
    pub account: Option<AccountModel>,
    /// IANA zone, as typed.
    pub tz: Field,
    /// Colour theme.
    pub theme: Theme,
    /// Row height.
    pub density: Density,
    /// Single-key shortcuts.
    pub shortcuts: bool,
    /// Whether the account wants letters about plans: field `letters` (`on`, `off`), kept with the account. `None` without one.
    pub letters: Option<bool>,
    /// Whether the account wants a letter when a report closes: field `reports` (`on`, `off`). `None` without one.
    pub reports: Option<bool>,
    /// Zones offered while typing.
    pub zones: Vec<String>,
}
