//! Building blocks of pages. Each prints one thing and knows nothing about pages.

pub(crate) mod alert_nav;
pub(crate) mod alert_row;
pub(crate) mod bar;
pub(crate) mod chart;
pub(crate) mod definition;
pub(crate) mod events;
pub(crate) mod field;
pub(crate) mod filters;
pub(crate) mod heatmap;
pub(crate) mod hits;
pub(crate) mod icon;
pub(crate) mod live;
pub(crate) mod log;
pub(crate) mod secret;
pub(crate) mod shell;
pub(crate) mod slot_map;
pub(crate) mod stat;
pub(crate) mod state;
pub(crate) mod table;
pub(crate) mod theme_colour;
pub(crate) mod value;
pub(crate) mod waterfall;
