//! Edits of terms: what differs, and how two edits of the same terms come together.

use super::terms::Terms;
use serde::{Deserialize, Serialize};
use std::fmt::Display;

/// An edit of one reservation. Neither side empty is a change, no `before` makes one, no `after` cancels it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// As it was when the edit began.
    pub before: Option<Terms>,
    /// As it shall be.
    pub after: Option<Terms>,
}

/// What an edit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Makes a reservation.
    Create,
    /// Changes one.
    Edit,
    /// Cancels one.
    Cancel,
    /// Nothing: both sides are the same.
    Nothing,
}

impl Change {
    /// What it does.
    pub fn verb(&self) -> Verb {
        match (&self.before, &self.after) {
            (None, Some(_)) => Verb::Create,
            (Some(_), None) => Verb::Cancel,
            (Some(before), Some(after)) if before != after => Verb::Edit,
            _ => Verb::Nothing,
        }
    }

    /// The edit that takes this one back.
    #[must_use]
    pub fn inverse(self) -> Self {
        Self { before: self.after, after: self.before }
    }

    /// Its name: as it shall be, else as it was.
    pub fn name(&self) -> &str {
        self.after.as_ref().or(self.before.as_ref()).map_or("", |terms| &terms.name)
    }
}

/// How a value is written where people read it.
trait Text {
    fn text(&self) -> String;
}

macro_rules! plain {
    ($($kind:ty),+) => { $(impl Text for $kind {
        fn text(&self) -> String {
            self.to_string()
        }
    })+ };
}

plain!(
    String,
    i64,
    u8,
    u32,
    super::wall::Wall,
    super::terms::Repeat,
    super::terms::Shrink,
    crate::reservation::ReservationKind
);

impl<T: Text> Text for Option<T> {
    fn text(&self) -> String {
        self.as_ref().map(Text::text).unwrap_or_default()
    }
}

impl<T: Display> Text for Vec<T> {
    fn text(&self) -> String {
        self.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}

macro_rules! fields {
    ($($variant:ident $field:ident $label:literal;)+) => {
        /// A field of [`Terms`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Field {
            $(#[doc = concat!("`", stringify!($field), "`.")] #[serde(rename = $label)] $variant,)+
        }

        impl Field {
            /// All, in the order in which they are shown.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As the API and files name it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }

            /// Whether it differs.
            pub fn differs(self, a: &Terms, b: &Terms) -> bool {
                match self { $(Self::$variant => a.$field != b.$field),+ }
            }

            /// Takes it over.
            pub fn copy(self, from: &Terms, to: &mut Terms) {
                match self { $(Self::$variant => to.$field = from.$field.clone()),+ }
            }

            /// What it says; empty = nothing.
            pub fn text(self, terms: &Terms) -> String {
                match self { $(Self::$variant => terms.$field.text()),+ }
            }
        }
    };
}

fields! {
    Name name "name";
    Tenant tenant "tenant";
    Kind kind "kind";
    Start start "start";
    End end "end";
    Zone zone "zone";
    Repeat repeat "repeat";
    Except except "except";
    Slots slots "slots";
    Ceiling ceiling "ceiling";
    Lending lending_limit "lending_limit";
    Borrowing borrowing_limit "borrowing_limit";
    Lead lead_minutes "lead_minutes";
    Release release_after_minutes "release_after_minutes";
    Priority priority "priority";
    Shrinking shrink "shrink";
    DrainUntil drain_until "drain_until";
    Overrides overrides "overrides";
    Note note "note";
}

impl std::str::FromStr for Field {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|field| field.as_str() == word);
        found.ok_or_else(|| format!("{word:?} is not known, expected the name of a field"))
    }
}

/// Fields that differ.
pub fn differing(a: &Terms, b: &Terms) -> Vec<Field> {
    Field::ALL.iter().copied().filter(|field| field.differs(a, b)).collect()
}

/// Whose value is taken where two edits disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// What was published meanwhile.
    Theirs,
    /// What this edit says.
    Yours,
}

/// What became of two edits of the same terms.
#[expect(clippy::large_enum_variant, reason = "one lives at a time, and only while it is looked at")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// One edit that holds both.
    Clean(Change),
    /// Both changed these fields, differently; on `None` one of them cancelled what the other changed.
    Conflict(Option<Vec<Field>>),
}

/// Brings an edit up to what was published after it began. `theirs` is how the reservation stands now; `choose` says whose value
/// is taken where both changed a field differently (`None` for the whole, where one cancelled it).
pub fn merge(edit: &Change, theirs: Option<&Terms>, choose: impl Fn(Option<Field>) -> Option<Side>) -> Merged {
    let clean = |after: Option<Terms>| Merged::Clean(Change { before: theirs.cloned(), after });
    let is_unmoved = edit.before.as_ref() == theirs;
    if is_unmoved || edit.after.as_ref() == theirs {
        return clean(edit.after.clone());
    }
    let (Some(was), Some(theirs), Some(yours)) = (&edit.before, theirs, &edit.after) else {
        return match choose(None) {
            Some(Side::Yours) => clean(edit.after.clone()),
            Some(Side::Theirs) => clean(theirs.cloned()),
            None => Merged::Conflict(None),
        };
    };
    let mut result = theirs.clone();
    let mut open = Vec::new();
    for field in differing(was, yours) {
        let disagree = field.differs(was, theirs) && field.differs(theirs, yours);
        match if disagree { choose(Some(field)) } else { Some(Side::Yours) } {
            Some(Side::Yours) => field.copy(yours, &mut result),
            Some(Side::Theirs) => {}
            None => open.push(field),
        }
    }
    if open.is_empty() { clean(Some(result)) } else { Merged::Conflict(Some(open)) }
}

#[cfg(test)]
mod tests {
    use super::super::terms::tests::terms;
    use super::*;
    use proptest::prelude::*;

    fn with(slots: i64, note: &str, lead: u32) -> Terms {
        Terms { slots, note: note.into(), lead_minutes: lead, ..terms() }
    }

    #[test]
    fn what_does_not_overlap_comes_together() {
        let was = with(100, "", 0);
        let edit = Change { before: Some(was.clone()), after: Some(with(120, "", 5)) };
        let theirs = with(100, "theirs", 0);
        let merged = merge(&edit, Some(&theirs), |_| None);
        assert_eq!(merged, Merged::Clean(Change { before: Some(theirs), after: Some(with(120, "theirs", 5)) }));
    }

    #[test]
    fn where_both_changed_a_field_somebody_chooses() {
        let edit = Change { before: Some(with(100, "", 0)), after: Some(with(120, "", 5)) };
        let theirs = with(80, "", 0);
        assert_eq!(merge(&edit, Some(&theirs), |_| None), Merged::Conflict(Some(vec![Field::Slots])));
        for (side, slots) in [(Side::Theirs, 80), (Side::Yours, 120)] {
            let merged = merge(&edit, Some(&theirs), |_| Some(side));
            assert_eq!(merged, Merged::Clean(Change { before: Some(theirs.clone()), after: Some(with(slots, "", 5)) }));
        }
        // The same edit twice is no conflict.
        let same = merge(&edit, edit.after.as_ref(), |_| None);
        assert_eq!(same, Merged::Clean(Change { before: edit.after.clone(), after: edit.after.clone() }));
        // What somebody cancelled meanwhile is chosen as a whole.
        assert_eq!(merge(&edit, None, |_| None), Merged::Conflict(None));
        assert_eq!(
            merge(&edit, None, |_| Some(Side::Yours)),
            Merged::Clean(Change { before: None, after: edit.after.clone() })
        );
    }

    #[test]
    fn every_field_has_its_name_and_is_told_apart() {
        let mut other = terms();
        let names: Vec<&str> = Field::ALL.iter().map(|field| field.as_str()).collect();
        let value = serde_json::to_value(&other).unwrap();
        let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(keys, sorted, "fields of terms and their names are the same");
        other.ceiling = Some(500);
        assert_eq!(differing(&terms(), &other), [Field::Ceiling]);
        assert_eq!((Field::Ceiling.text(&terms()), Field::Ceiling.text(&other)), (String::new(), "500".to_owned()));
    }

    proptest! {
        #[test]
        fn merging_loses_nothing_that_only_one_side_changed(
            was in (1_i64..4, 0_u32..3, 0_u8..3), theirs in (1_i64..4, 0_u32..3, 0_u8..3), yours in (1_i64..4, 0_u32..3, 0_u8..3),
        ) {
            let make = |(slots, lead, note): (i64, u32, u8)| with(slots, &note.to_string(), lead);
            let (was, theirs, yours) = (make(was), make(theirs), make(yours));
            let edit = Change { before: Some(was.clone()), after: Some(yours.clone()) };
            match merge(&edit, Some(&theirs), |_| None) {
                Merged::Clean(Change { before, after: Some(after) }) => {
                    prop_assert_eq!(before.as_ref(), Some(&theirs));
                    for &field in Field::ALL {
                        if field.differs(&was, &yours) {
                            prop_assert!(!field.differs(&after, &yours));
                        } else {
                            prop_assert!(!field.differs(&after, &theirs));
                        }
                    }
                }
                Merged::Conflict(Some(fields)) => {
                    for field in fields {
                        let (yours, theirs) = (field.differs(&was, &yours), field.differs(&was, &theirs));
                        prop_assert!(yours && theirs);
                    }
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }

        #[test]
        fn an_inverse_restores(slots in 1_i64..5, other in 1_i64..5) {
            let change = Change { before: Some(with(slots, "", 0)), after: Some(with(other, "", 0)) };
            prop_assert_eq!(change.clone().inverse().inverse(), change);
        }
    }
}
