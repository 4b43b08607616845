//! Who is told about alerts: the list, a receiver's form, and what it was told.

use headroom_domain::alert::receiver::Kind;

use super::{EventRow, Field, FormMode, Named};

/// A receiver in the list.
#[derive(Debug, Clone)]
pub struct ReceiverRow {
    /// Its slug and name.
    pub named: Named,
    /// What understands the messages.
    pub kind: Kind,
    /// `pages and tickets`
    pub lanes: String,
    /// Whom it is for: `everybody`, `alerts of platform`, `Dana Okafor`.
    pub whom: String,
    /// It is told when another one cannot be reached.
    pub is_failover: bool,
    /// It is told at all.
    pub enabled: bool,
    /// Failures in a row.
    pub failures: i32,
    /// What went wrong last; nothing since it was reached.
    pub last_error: Option<String>,
    /// When it was reached last.
    pub last_ok_ms: Option<i64>,
    /// Messages that wait.
    pub waiting: i64,
    /// Messages that were given up.
    pub dead: i64,
    /// Version for changes.
    pub version: i32,
}

/// Everything on `/admin/receivers`.
#[derive(Debug, Clone)]
pub struct ReceiversModel {
    /// By name.
    pub rows: Vec<ReceiverRow>,
    /// The newest changes of any.
    pub changes: Vec<EventRow>,
}

/// The page that asks what kind a new receiver is.
#[derive(Debug, Clone)]
pub struct ReceiverKindsModel {
    /// This server can send mail.
    pub sends_mail: bool,
}

/// A setting of the receiver's kind. A secret is never filled in.
#[derive(Debug, Clone)]
pub struct SettingField {
    /// Its name, which is the field's.
    pub name: &'static str,
    /// It is never shown again.
    pub is_secret: bool,
    /// A secret that is stored already: left empty it stays.
    pub is_set: bool,
    /// It may be left out.
    pub is_optional: bool,
    /// A list, one on each line.
    pub is_list: bool,
    /// What is typed or stored.
    pub field: Field,
}

/// Something that a receiver was told, or is to be told.
#[derive(Debug, Clone)]
pub struct ReceiverMessage {
    /// Its number.
    pub id: i64,
    /// When it was written.
    pub at_ms: i64,
    /// `firing`
    pub what: String,
    /// The same in a sentence.
    pub summary: String,
    /// The alert that it is about.
    pub alert: Option<i64>,
    /// How it went: `sent`, `retrying after 3 attempts: 500`, `given up: 400`.
    pub state: String,
    /// It was given up and can be sent again.
    pub is_dead: bool,
    /// The receiver has it.
    pub is_sent: bool,
}

/// The form of a receiver, with what it was told.
#[derive(Debug, Clone)]
pub struct ReceiverFormModel {
    /// New or edit.
    pub mode: FormMode,
    /// What understands the messages; it stays.
    pub kind: Kind,
    /// How it is now; nothing for a new one.
    pub row: Option<ReceiverRow>,
    /// Its name.
    pub name: Field,
    /// In addresses; empty is made from the name.
    pub slug: Field,
    /// What its kind has to be told.
    pub settings: Vec<SettingField>,
    /// It gets pages.
    pub pages: bool,
    /// It gets tickets.
    pub tickets: bool,
    /// What is wrong with these two.
    pub lanes_error: Option<String>,
    /// Only about alerts of these owners, one a line.
    pub owners: Field,
    /// E-mail address of the account whose own it is.
    pub account: Field,
    /// It is told when another one cannot be reached.
    pub is_failover: bool,
    /// It is told at all.
    pub enabled: bool,
    /// An error that belongs to no field.
    pub error: Option<String>,
    /// What was given up, then the newest of the rest.
    pub messages: Vec<ReceiverMessage>,
    /// The newest changes of it.
    pub changes: Vec<EventRow>,
}

/// The page that asks before a receiver is removed.
#[derive(Debug, Clone)]
pub struct ReceiverDeleteModel {
    /// The receiver.
    pub row: ReceiverRow,
    /// Why it was refused.
    pub error: Option<String>,
}
