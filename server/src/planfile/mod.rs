//! Reservations as files: a spreadsheet, a declarative file for review in version control, and a calendar.

pub mod calendar;
pub mod columns;
pub mod declared;
pub mod events;
pub mod repairs;
pub mod table;
